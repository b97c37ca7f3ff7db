"""The air quality index against values computed by hand from table 1 of HJ 633-2012."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cityheart.apps.air import aqi

NAN = float("nan")


@pytest.mark.parametrize(
    ("limit", "concentration", "index"),
    [
        ("pm25_24h", 0, 0),
        ("pm25_24h", 35, 50),
        ("pm25_24h", 36, 52),  # 50 + 50/40 = 51.25, up
        ("pm25_24h", 115, 150),
        ("pm25_24h", 116, 152),  # 150 + 50/35 = 151.43, up
        ("pm25_24h", 150, 200),
        ("pm25_24h", 150.1, 201),  # 200.1, up: the first heavy value
        ("pm25_24h", 299, 349),
        ("pm25_24h", 425, 450),
        ("pm25_24h", 500, 500),
        ("pm25_24h", 999, 500),
        ("pm10_24h", 50, 50),
        ("pm10_24h", 100, 75),
        ("pm10_24h", 380, 243),  # 200 + 100*30/70 = 242.9, up
        ("so2_24h", 100, 75),
        ("so2_1h", 800, 200),
        ("so2_1h", 801, NAN),  # the column ends: reported by 24 hours
        ("no2_24h", 60, 75),
        ("no2_1h", 150, 75),
        ("co_24h", 3, 75),
        ("co_24h", 19, 175),
        ("co_1h", 7.5, 75),
        ("o3_1h", 180, 75),
        ("o3_1h", 900, 350),
        ("o3_8h", 265, 200),
        ("o3_8h", 800, 300),
        ("o3_8h", 801, NAN),
        ("o3_8h", NAN, NAN),
    ],
)
def test_individual_index_by_hand(limit: str, concentration: float, index: float) -> None:
    np.testing.assert_equal(aqi.iaqi(limit, concentration), index)


@given(st.sampled_from(sorted(aqi.standard().limits)), st.lists(st.floats(0, 3000), min_size=2, max_size=20))
def test_index_is_whole_and_grows_with_the_concentration(limit: str, concentrations: list[float]) -> None:
    index = aqi.iaqi(limit, np.sort(concentrations))
    within = index[~np.isnan(index)]
    assert np.array_equal(within, np.round(within))
    assert (np.diff(within) >= 0).all()
    assert ((within >= 0) & (within <= 500)).all()
    assert not np.isnan(index[: len(within)]).any()


@given(st.floats(0.01, 499.9))
def test_rounding_is_up_and_never_by_a_whole_unit(concentration: float) -> None:
    limits, steps = aqi.standard().limits["pm25_24h"], aqi.standard().iaqi
    exact = float(np.interp(concentration, limits, steps))
    index = float(aqi.iaqi("pm25_24h", concentration))
    assert exact - 1e-5 <= index < exact + 1.0


def _hourly(hours: int, **values: float) -> aqi.Array:
    clean = {"pm25": 10.0, "pm10": 20.0, "so2": 5.0, "no2": 10.0, "co": 0.5, "o3": 40.0} | values
    return np.tile(np.array([clean[name] for name in aqi.POLLUTANTS]), (hours, 1, 1))


def test_a_daily_mean_needs_twenty_hours() -> None:
    hourly = _hourly(24, pm25=80.0)
    hourly[:4, :, 0] = NAN
    assert aqi.averages(hourly)[0][-1, 0, 0] == 80.0
    hourly[4, :, 0] = NAN
    assert np.isnan(aqi.averages(hourly)[0][-1, 0, 0])


def test_eight_hours_need_six() -> None:
    hourly = _hourly(24)
    hourly[16:18, :, 5] = NAN
    assert aqi.averages(hourly)[1][23, 0] == 40.0
    hourly[18, :, 5] = NAN
    assert np.isnan(aqi.averages(hourly)[1][23, 0])


def test_the_days_ozone_is_its_worst_eight_hours() -> None:
    hourly = _hourly(48)
    hourly[20:24, :, 5] = 900.0  # late on the day before: no window of the second day holds these hours
    hourly[36:44, :, 5] = 300.0
    means, o3_8h = aqi.averages(hourly)
    assert o3_8h[43, 0] == 300.0
    assert means[47, 0, 5] == 300.0
    assert aqi.aqi(aqi.daily_indices(means))[47, 0] == aqi.iaqi("o3_8h", 300.0)


def test_few_ozone_windows_count_only_when_they_are_bad() -> None:
    hourly = _hourly(24, o3=100.0)
    hourly[12:, :, 5] = NAN
    assert np.isnan(aqi.averages(hourly)[0][23, 0, 5])
    hourly[:12, :, 5] = 200.0
    assert aqi.averages(hourly)[0][23, 0, 5] == 200.0


def test_hourly_report_takes_so2_above_800_by_the_day_and_ozone_by_the_worse() -> None:
    hourly = _hourly(24)
    hourly[23, 0, 2] = 900.0
    hourly[23, 0, 5] = 250.0
    means, o3_8h = aqi.averages(hourly)
    indices = aqi.hourly_indices(hourly, means, o3_8h)[23, 0]
    assert indices[2] == aqi.iaqi("so2_24h", (23 * 5.0 + 900.0) / 24)
    assert indices[5] == 125  # 100 + 50 * 50/100 by one hour; eight hours give (7*40+250)/8 = 66.25: 34
    assert indices[0] == aqi.iaqi("pm25_24h", 10.0)


def test_index_and_primary_pollutants() -> None:
    indices = np.array(
        [[120.0, 80, 10, 10, 10, 10], [120, 120, 10, 10, 10, 10], [50, 40, 10, 10, 10, 10], [NAN, NAN, 90, 10, 10, 10]]
    )
    np.testing.assert_equal(aqi.aqi(indices), [120, 120, 50, NAN])
    names = [aqi.primary_names()[bits] for bits in aqi.primary(indices)]
    assert names == ["PM2.5", "PM2.5+PM10", "", ""]


def test_a_city_value_needs_three_quarters_of_its_stations() -> None:
    means = np.full((1, 12, 6), 100.0)
    means[0, :3] = NAN
    means[0, 3] = 190.0
    assert aqi.city(means)[0, 0] == 110.0
    means[0, 3] = NAN
    assert np.isnan(aqi.city(means)[0]).all()


def test_a_moving_mean_does_not_remember_what_left_its_window() -> None:
    values = np.random.default_rng(1).random((200, 2)) * 100
    other = values.copy()
    other[:100] *= 1e9
    assert np.array_equal(aqi.moving(values, 24, 20)[130:], aqi.moving(other, 24, 20)[130:])

"""The hot window answers exactly what looking at every point answers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cityheart.engine.hot import HotWindow
from cityheart.engine.layout import TIMESTAMP, cells
from cityheart.kernel.errors import BadRequest, Invalid

START = datetime(2015, 12, 1, tzinfo=UTC)


def points(lon: list[float], lat: list[float], seconds: list[float], first: int = 0) -> pa.Table:
    return pa.table(
        {
            "id": pa.array(range(first, first + len(lon)), pa.int64()),
            "lon": pa.array(lon, pa.float64()),
            "lat": pa.array(lat, pa.float64()),
            "at": pa.array([START + timedelta(seconds=value) for value in seconds], TIMESTAMP),
        }
    )


# Values on cell borders (multiples of 360/2^16 and 180/2^16), at the edges of the globe, and anything between.
LON = st.one_of(st.floats(-180, 180), st.integers(-(2**15), 2**15).map(lambda n: n * 360 / 2**16), st.just(120.9))
LAT = st.one_of(st.floats(-90, 90), st.integers(-(2**15), 2**15).map(lambda n: n * 180 / 2**16), st.just(32.0))
NEAR_LON = st.floats(120.90, 120.95)
NEAR_LAT = st.floats(31.98, 32.02)
SECONDS = st.one_of(st.floats(0, 90_000), st.integers(-5, 5).map(float), st.just(60.0 * 86_400))
POINT = st.one_of(st.tuples(LON, LAT, SECONDS), st.tuples(NEAR_LON, NEAR_LAT, SECONDS))
CORNER = st.one_of(st.tuples(LON, LAT), st.tuples(NEAR_LON, NEAR_LAT))


@settings(max_examples=150, deadline=None)
@given(
    batches=st.lists(st.lists(POINT, max_size=12), min_size=1, max_size=12),
    corners=st.tuples(CORNER, CORNER),
    times=st.tuples(SECONDS, SECONDS),
    evict=st.none() | SECONDS,
    across=st.booleans(),
)
def test_a_box_equals_brute_force(
    batches: list[list[tuple[float, float, float]]],
    corners: tuple[tuple[float, float], tuple[float, float]],
    times: tuple[float, float],
    evict: float | None,
    across: bool,
) -> None:
    window = HotWindow(lon="lon", lat="lat", time="at")
    every: list[pa.Table] = []
    for batch in batches:
        columns = [list(column) for column in zip(*batch, strict=True)] or [[], [], []]
        every.append(points(*columns, first=sum(part.num_rows for part in every)))
        assert window.add(every[-1]) == len(batch)
    rows = pa.concat_tables(every)
    lon, lat = rows["lon"].to_numpy(), rows["lat"].to_numpy()
    at = rows["at"].cast(pa.int64()).to_numpy()
    stay = np.ones(len(at), dtype=bool)
    if evict is not None:
        moment = START + timedelta(seconds=evict)
        stay = at >= _us(moment)
        assert window.evict(moment) == len(at) - int(stay.sum())
    assert len(window) == int(stay.sum())

    (x0, y0), (x1, y1) = corners
    west, east = (max(x0, x1), min(x0, x1)) if across else (min(x0, x1), max(x0, x1))
    south, north = min(y0, y1), max(y0, y1)
    start, end = (START + timedelta(seconds=value) for value in sorted(times))
    inside = (lon >= west) & (lon <= east) if west <= east else (lon >= west) | (lon <= east)
    inside &= stay & (lat >= south) & (lat <= north) & (at >= _us(start)) & (at < _us(end))
    expected = rows["id"].to_numpy()[inside].tolist()

    found = window.box(west, south, east, north, start, end)
    assert sorted(found["id"].to_pylist()) == expected
    assert window.count(west, south, east, north, start, end) == len(expected)


def _us(at: datetime) -> int:
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def test_points_without_a_place_are_left_out() -> None:
    window = HotWindow(lon="lon", lat="lat", time="at")
    rows = points([120.0, float("nan"), 200.0, 120.0], [32.0, 32.0, 32.0, float("inf")], [0, 0, 0, 0])
    assert window.add(rows) == 1
    nulls = rows.set_column(1, "lon", pa.nulls(4, pa.float64()))
    assert window.add(nulls) == 0
    assert len(window) == 1


def test_what_cannot_be_answered_says_so() -> None:
    window = HotWindow(lon="lon", lat="lat", time="at")
    day = (START, START + timedelta(days=1))
    with pytest.raises(BadRequest, match="not had a point"):
        window.box(0, 0, 1, 1, *day)
    window.add(points([0.5], [0.5], [0]))
    with pytest.raises(BadRequest, match="without a time zone"):
        window.box(0, 0, 1, 1, START.replace(tzinfo=None), START)
    with pytest.raises(BadRequest, match="four numbers"):
        window.box(float("nan"), 0, 1, 1, *day)
    with pytest.raises(Invalid, match="other columns"):
        window.add(points([0.5], [0.5], [0]).drop_columns(["id"]))
    assert window.box(0, 0, 1, 1, *reversed(day)).num_rows == 0
    assert window.box(0, 1, 1, 0, *day).num_rows == 0
    assert window.box(-1e9, -1e9, 1e9, 1e9, *day).num_rows == 1


def test_cells_keep_neighbours_together() -> None:
    lon = np.array([120.0, 120.0, -180.0, 180.0, np.nan, 200.0])
    lat = np.array([32.0, 32.0, -90.0, 90.0, 0.0, 0.0])
    codes = cells(lon, lat)
    assert codes[0] == codes[1] > 0
    assert codes.tolist()[2:] == [0, 2**32 - 1, 0, 0]
    # bit by bit, against the definition
    x, y = int((120.0 + 180) * 2**16 / 360), int((32.0 + 90) * 2**16 / 180)
    assert codes[0] == sum(((x >> bit) & 1) << (2 * bit) | ((y >> bit) & 1) << (2 * bit + 1) for bit in range(16))


@example(
    batches=[[(120.9, 32.0, 0.0), (-91.0, 0.0, 0.0)]], place=(0.0, 0.0), times=(0.0, 1.0), k=1, within=float("inf")
)
@settings(max_examples=150, deadline=None)
@given(
    batches=st.lists(st.lists(POINT, max_size=12), min_size=1, max_size=10),
    place=CORNER,
    times=st.tuples(SECONDS, SECONDS),
    k=st.integers(1, 15),
    within=st.sampled_from([float("inf"), 500.0, 50_000.0]),
)
def test_the_nearest_equal_brute_force(
    batches: list[list[tuple[float, float, float]]],
    place: tuple[float, float],
    times: tuple[float, float],
    k: int,
    within: float,
) -> None:
    window = HotWindow(lon="lon", lat="lat", time="at")
    every: list[pa.Table] = []
    for batch in batches:
        columns = [list(column) for column in zip(*batch, strict=True)] or [[], [], []]
        every.append(points(*columns, first=sum(part.num_rows for part in every)))
        window.add(every[-1])
    rows = pa.concat_tables(every)
    lon, lat = rows["lon"].to_numpy(), rows["lat"].to_numpy()
    at = rows["at"].cast(pa.int64()).to_numpy()
    start, end = (START + timedelta(seconds=value) for value in sorted(times))
    east = np.abs(lon - place[0])
    east = np.minimum(east, 360 - east) * np.cos(np.radians(place[1]))
    away = np.hypot(east, lat - place[1]) * np.radians(6_371_008.8)
    chosen = (at >= _us(start)) & (at < _us(end)) & (away <= within)
    expected = np.sort(away[chosen])[:k]

    found, metres = window.nearest(*place, k, start, end, within_m=within)
    np.testing.assert_allclose(metres, expected, rtol=1e-9, atol=1e-6)
    np.testing.assert_allclose(away[found["id"].to_numpy()], expected, rtol=1e-9, atol=1e-6)
    assert len(set(found["id"].to_pylist())) == found.num_rows


def test_the_nearest_of_many_and_of_none() -> None:
    window = HotWindow(lon="lon", lat="lat", time="at")
    day = (START, START + timedelta(days=1))
    with pytest.raises(BadRequest, match="not had a point"):
        window.nearest(0, 0, 1, *day)
    rng = np.random.default_rng(3)
    lon, lat = rng.normal(121.0, 0.2, 20_000), rng.normal(32.0, 0.1, 20_000)
    window.add(points(lon.tolist(), lat.tolist(), rng.uniform(0, 86_400, 20_000).tolist()))
    for place in ((121.0, 32.0), (121.9, 32.4), (-59.0, -32.0), (180.0, 90.0)):
        found, metres = window.nearest(*place, 5, *day)
        assert found.num_rows == 5 and (np.diff(metres) >= 0).all()
    assert window.nearest(121.0, 32.0, 5, *reversed(day))[0].num_rows == 0
    for wrong in ((200.0, 0.0, 5), (0.0, float("nan"), 5), (0.0, 0.0, 0), (0.0, 0.0, 1_000_000)):
        with pytest.raises(BadRequest):
            window.nearest(*wrong, *day)

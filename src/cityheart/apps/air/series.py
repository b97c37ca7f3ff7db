"""Dense hourly arrays of the stations and what follows from them at each hour: indices, today so far, city series.

An hour is the number of whole hours since 1970-01-01T00:00Z of its beginning. Local days are those of Asia/Shanghai,
which has kept UTC+8 without summer time since 1992; a local day is the number of days since 1970-01-01 local.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from cityheart.apps.air import aqi, forecast
from cityheart.apps.air.stations import stations

Array = aqi.Array
Whole = npt.NDArray[np.int64]

UTC_OFFSET_HOURS = 8
VARIABLES: tuple[str, ...] = (*aqi.POLLUTANTS, *forecast.WEATHER, "u", "v")
DIRECTIONS: tuple[str, ...] = (
    "N", "NNE", "NE", "ENE", "E", "ESE", "SE", "SSE", "S", "SSW", "SW", "WSW", "W", "WNW", "NW", "NNW",
)  # fmt: skip
_MICROSECONDS_PER_HOUR = 3_600_000_000


def local_day(hours: Whole) -> Whole:
    """Local day of each hour."""
    return (hours + UTC_OFFSET_HOURS) // 24


def local_hour(hours: Whole) -> Whole:
    """Local hour of the day of each hour, 0 … 23."""
    return (hours + UTC_OFFSET_HOURS) % 24


@dataclass(frozen=True)
class Rows:
    """Station readings in the order in which the city knew them: one row a station and hour.

    ``known`` is microseconds since 1970 UTC, ``values`` (rows, VARIABLES) with CO in mg/m³ and the wind as its
    components from the west (u) and the south (v).
    """

    known: Whole
    hour: Whole
    station: Whole
    values: Array


def read(batch: pa.Table) -> Rows:
    """Rows of ``air_hourly``. Rows of unknown stations and rows observed later than they were known are left out."""
    known = _numbers(batch["_known_at"].cast(pa.timestamp("us", "UTC")).cast(pa.int64())).astype(np.int64)
    observed = _numbers(batch["observed_at"].cast(pa.timestamp("us", "UTC")).cast(pa.int64())).astype(np.int64)
    codes = pa.array([station.code for station in stations()])
    station = _numbers(pc.fill_null(pc.index_in(batch["station"], codes), -1)).astype(np.int64)
    angle = np.deg2rad(_numbers(pc.index_in(batch["wd"], pa.array(DIRECTIONS)).cast(pa.float64())) * 22.5)
    speed = _numbers(batch["wspm"])
    columns = [_numbers(batch[name]) for name in (*aqi.POLLUTANTS, *forecast.WEATHER)]
    columns[4] = columns[4] / 1000.0
    values = np.stack([*columns, -speed * np.sin(angle), -speed * np.cos(angle)], axis=-1)
    taken = (station >= 0) & (observed <= known)
    return Rows(known[taken], observed[taken] // _MICROSECONDS_PER_HOUR, station[taken], values[taken])


def _numbers(column: pa.ChunkedArray | pa.Array) -> Array:
    if column.type not in (pa.int64(), pa.int32(), pa.float64()):
        column = column.cast(pa.float64())
    return np.asarray(column.to_numpy(zero_copy_only=False) if isinstance(column, pa.Array) else column.to_numpy())


@dataclass(frozen=True)
class Derived:
    """What follows from a cube (hours, stations, VARIABLES), at each of its hours.

    Windows reach back 32 hours and a day to its local midnight: earlier rows of the cube are not valid.
    """

    indices_1h: Array  # (hours, stations, 6)
    indices_24h: Array  # (hours, stations, 6)
    means: Array  # (hours, stations, 6)
    city_means: Array  # (hours, 6)
    city_indices: Array  # (hours, 6)
    city_24h: Array  # (hours,) moving 24-hour index of the city
    so_far: Array  # (hours,) index of the local day's hours so far
    day_pm25: Array  # (hours,) mean PM2.5 of the local day so far
    series: Array  # (hours, len(forecast.SERIES))


def derive(cube: Array, hours: Whole) -> Derived:
    """Everything in ``Derived`` from a cube without holes in its hours."""
    pollutants = cube[..., :6]
    means, o3_8h = aqi.averages(pollutants)
    indices_24h = aqi.daily_indices(means)
    city_means = aqi.city(means)
    city_indices = aqi.daily_indices(city_means)
    today = _today(pollutants, o3_8h, local_hour(hours))
    south, north = ([i for i, s in enumerate(stations()) if s.part == part] for part in ("south", "north"))
    series = np.concatenate(
        [
            forecast.mean_over(cube, 1),
            forecast.mean_over(cube[:, south, :1], 1),
            forecast.mean_over(cube[:, north, :1], 1),
        ],
        axis=-1,
    )
    return Derived(
        indices_1h=aqi.hourly_indices(pollutants, means, o3_8h),
        indices_24h=indices_24h,
        means=means,
        city_means=city_means,
        city_indices=city_indices,
        city_24h=aqi.aqi(city_indices),
        so_far=aqi.aqi(aqi.daily_indices(aqi.city(today))),
        day_pm25=forecast.mean_over(today[..., 0], 1),
        series=series,
    )


def _today(pollutants: Array, o3_8h: Array, hour: Whole) -> Array:
    """Values (hours, stations, 6) of the local day so far: means, for O3 the maximum eight-hour mean within it."""
    known = ~np.isnan(pollutants[..., :5])
    filled = np.where(known, pollutants[..., :5], 0.0)
    total, count = np.zeros_like(filled), np.zeros(filled.shape, dtype=np.int64)
    highest = np.full_like(o3_8h, np.nan)
    for back in range(min(24, len(hour))):
        same_day = (hour[back:] >= back)[:, None]
        total[back:] += np.where(same_day[..., None], filled[: len(hour) - back], 0.0)
        count[back:] += np.where(same_day[..., None], known[: len(hour) - back], False)
        inside = (hour[back:] - back >= 7)[:, None]
        highest[back:] = np.fmax(highest[back:], np.where(inside, o3_8h[: len(hour) - back], np.nan))
    means = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return np.concatenate([means, highest[..., None]], axis=-1)

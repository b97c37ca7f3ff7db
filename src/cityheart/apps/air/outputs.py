"""The derived datasets as tables: ``air_aqi`` (one row a station and hour) and ``air_city`` (one row an hour)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cityheart.apps.air import aqi, forecast, series
from cityheart.apps.air.stations import stations

Array = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]

MOMENT = pa.timestamp("us", tz="UTC")
_HOUR = 3_600_000_000


@dataclass(frozen=True)
class StationHours:
    """A cube with what was derived from it; ``known`` (hours, stations) is 0 where the batch brought no row."""

    hours: Whole
    cube: Array
    derived: series.Derived
    known: Whole


@dataclass(frozen=True)
class CityHours:
    """Evaluated hours of one local day: their place ``at`` in ``derived``, the forecast, the run and level in force."""

    hours: Whole
    known: Whole
    derived: series.Derived
    at: Whole
    forecast: forecast.Forecast
    run: Whole
    level: Whole
    yesterday: float
    learnt: int


def _rounded(values: Array, digits: int = 1) -> pa.Array:
    rounded = np.round(values, digits)
    return pa.array(rounded, mask=np.isnan(rounded))


def _whole(values: Array) -> pa.Array:
    missing = np.isnan(values)
    return pa.array(np.where(missing, 0.0, values).astype(np.int64), mask=missing)


def _moments(microseconds: Whole) -> pa.Array:
    return pa.array(microseconds).cast(MOMENT)


def _primary(indices: Array) -> pa.Array:
    return pa.array(np.array(aqi.primary_names(), dtype=object)[aqi.primary(indices)], pa.string())


def aqi_table(parts: Sequence[StationHours]) -> pa.Table:
    """Rows of ``air_aqi`` for every reading of the parts, with ``_known_at``; a repeated reading is a later version."""
    return pa.concat_tables([_aqi_part(part) for part in parts]) if parts else _aqi_part(_NOTHING)


def _aqi_part(part: StationHours) -> pa.Table:
    hour, station = np.nonzero(part.known)
    derived = part.derived
    now, day = derived.indices_1h[hour, station], derived.indices_24h[hour, station]
    values, means = part.cube[hour, station], derived.means[hour, station]
    places = stations()
    return pa.table(
        {
            "station": pa.array(np.array([each.code for each in places], dtype=object)[station], pa.string()),
            "observed_at": _moments(part.hours[hour] * _HOUR),
            "aqi_1h": _whole(aqi.aqi(now)),
            "aqi_24h": _whole(aqi.aqi(day)),
            "primary": _primary(now),
            **{name: _rounded(values[:, i], 3) for i, name in enumerate(aqi.POLLUTANTS)},
            "pm25_24h": _rounded(means[:, 0]),
            "o3_8h": _rounded(means[:, 5]),
            "lon": pa.array(np.array([each.lon for each in places])[station]),
            "lat": pa.array(np.array([each.lat for each in places])[station]),
            "_known_at": _moments(part.known[hour, station]),
        }
    )


def city_table(parts: Sequence[CityHours]) -> pa.Table:
    """Rows of ``air_city`` for every evaluated hour of the parts, with ``_known_at``."""
    if not parts:
        return city_table([_NO_HOURS])

    def joined(values: Sequence[Array]) -> Array:
        return np.concatenate(values)

    means = joined([part.derived.city_means[part.at] for part in parts])
    known = np.concatenate([part.known for part in parts])
    size = [len(part.at) for part in parts]
    columns = {
        "city": pa.array(["beijing"] * len(known), pa.string()),
        "observed_at": _moments(np.concatenate([part.hours for part in parts]) * _HOUR),
        "aqi_24h": _whole(joined([part.derived.city_24h[part.at] for part in parts])),
        "primary": _primary(joined([part.derived.city_indices[part.at] for part in parts])),
        **{name: _rounded(means[:, i]) for i, name in enumerate((*aqi.POLLUTANTS[:5], "o3_8h"))},
        "aqi_today": _whole(joined([part.derived.so_far[part.at] for part in parts])),
        "aqi_yesterday": _whole(np.repeat([part.yesterday for part in parts], size)),
        "issued_at": _moments(known),
    }
    for name in ("value", "low", "high", "heavy"):
        both = joined([getattr(part.forecast, name) for part in parts])
        for lead in range(forecast.LEADS):
            label = {"value": "aqi", "heavy": "heavy"}.get(name, name)
            columns[f"{label}_d{lead}"] = _rounded(both[:, lead], 3 if name == "heavy" else 0)
    columns["expected_run"] = pa.array(np.concatenate([part.run for part in parts]))
    columns["level"] = pa.array(np.concatenate([part.level for part in parts]))
    columns["days_learnt"] = pa.array(np.repeat([part.learnt for part in parts], size).astype(np.int64))
    columns["_known_at"] = _moments(known)
    return pa.table(columns)


def _empty_derived() -> series.Derived:
    cube = np.full((1, len(stations()), len(series.VARIABLES)), np.nan)
    return series.derive(cube, np.zeros(1, dtype=np.int64))


_NO_INDEX: Whole = np.zeros(0, dtype=np.int64)
_NOTHING = StationHours(
    np.zeros(1, dtype=np.int64),
    np.full((1, len(stations()), len(series.VARIABLES)), np.nan),
    _empty_derived(),
    np.zeros((1, len(stations())), dtype=np.int64),
)
_NO_HOURS = CityHours(
    _NO_INDEX, _NO_INDEX, _empty_derived(), _NO_INDEX,
    forecast.Forecast(*(np.zeros((0, forecast.LEADS)) for _ in range(4))),
    _NO_INDEX, _NO_INDEX, float("nan"), 0,
)  # fmt: skip

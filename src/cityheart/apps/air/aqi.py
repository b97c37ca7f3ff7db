"""The air quality index after HJ 633-2012: individual indices, hourly and moving 24-hour values, city values.

Break points, validity rules and bands are data (``rules/hj633-2012.toml``). All arrays are float64 with NaN for "no
valid value"; concentrations are µg/m³, CO mg/m³; time is the first axis, one row an hour without holes.

Decisions where a reader may expect another: particulates have only 24-hour limits in the standard, so the hourly index
takes their moving 24-hour means; a concentration above the last limit has the index 500; an index is missing when both
particulates are missing, because the rest would then look cleaner than the city is (the standard is silent).
"""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

POLLUTANTS: tuple[str, ...] = ("pm25", "pm10", "so2", "no2", "co", "o3")
"""The order of the pollutant axis everywhere in this application."""

NAMES: Mapping[str, str] = {
    "pm25": "PM2.5", "pm10": "PM10", "so2": "SO₂", "no2": "NO₂", "co": "CO", "o3": "O₃",
}  # fmt: skip


@dataclass(frozen=True)
class Standard:
    """One edition of the index: break points by ``pollutant_averaging`` and the validity rules."""

    id: str
    iaqi: Array
    limits: Mapping[str, Array]
    hours_of_24: int
    hours_of_8: int
    eight_hours_of_day: int
    o3_8h_limit: float
    city_share: float


@functools.cache
def standard() -> Standard:
    """HJ 633-2012 as read from ``rules/hj633-2012.toml``."""
    rules = tomllib.loads((Path(__file__).parent / "rules" / "hj633-2012.toml").read_text("utf-8"))
    return Standard(
        id=rules["id"],
        iaqi=np.array(rules["iaqi"], dtype=float),
        limits={name: np.array(values, dtype=float) for name, values in rules["limits"].items()},
        **rules["validity"],
    )


def iaqi(limit: str, concentration: npt.ArrayLike) -> Array:
    """Individual index of concentrations by the table's column ``limit`` (such as ``pm25_24h``), rounded up.

    Formula (1) of HJ 633-2012. NaN stays NaN. Above the last limit: 500 where the column reaches 500, else NaN,
    because the standard then reports another averaging time. Raises KeyError for an unknown column.
    """
    rule = standard()
    limits = rule.limits[limit]
    values = np.asarray(concentration, dtype=float)
    index = np.interp(values, limits, rule.iaqi[: limits.size])
    if limits.size < rule.iaqi.size:
        index = np.where(values > limits[-1], np.nan, index)
    return np.asarray(np.ceil(np.round(index, 6)))


def moving(values: Array, hours: int, valid: int) -> Array:
    """Mean of the last ``hours`` rows ending at each row; NaN with fewer than ``valid`` values. Shape is kept.

    Sums are taken over each window by itself, newest first, so a value never depends on what came before its window.
    """
    known = ~np.isnan(values)
    filled = np.where(known, values, 0.0)
    total, count = np.zeros_like(filled), np.zeros(values.shape, dtype=np.int64)
    for back in range(min(hours, len(values))):
        total[back:] += filled[: len(values) - back]
        count[back:] += known[: len(values) - back]
    return np.asarray(np.where(count >= valid, total / np.maximum(count, 1), np.nan))


def eight_hours_maximum(o3_8h: Array) -> Array:
    """Maximum of the 17 eight-hour means that lie inside the last 24 hours; at a day's end this is the day's maximum.

    NaN with fewer than 14 of them, unless the maximum is above 160 µg/m³ (GB 3095-2012 table 4).
    """
    rule = standard()
    inside = 24 - 8 + 1
    pad = [(inside - 1, 0)] + [(0, 0)] * (o3_8h.ndim - 1)
    window = np.lib.stride_tricks.sliding_window_view(np.pad(o3_8h, pad, constant_values=np.nan), inside, axis=0)
    highest = np.where(np.isnan(window), -np.inf, window).max(axis=-1)
    count = (~np.isnan(window)).sum(axis=-1)
    kept = (count >= rule.eight_hours_of_day) | ((count > 0) & (highest > rule.o3_8h_limit))
    return np.asarray(np.where(kept, highest, np.nan))


def averages(hourly: Array) -> tuple[Array, Array]:
    """Moving values of hourly concentrations of shape (hours, stations, 6) in the order of ``POLLUTANTS``.

    Returns ``(means, o3_8h)``: ``means`` of the same shape holds the moving 24-hour means and, for O3, the moving
    maximum of eight-hour means; ``o3_8h`` of shape (hours, stations) the eight-hour means themselves.
    """
    rule = standard()
    o3_8h = moving(hourly[..., 5], 8, rule.hours_of_8)
    means = np.concatenate(
        [moving(hourly[..., :5], 24, rule.hours_of_24), eight_hours_maximum(o3_8h)[..., None]], axis=-1
    )
    return means, o3_8h


def daily_indices(means: Array) -> Array:
    """Individual indices (…, 6) of 24-hour values as ``averages`` gives them: the daily report of HJ 633-2012.

    Above 800 µg/m³ the eight-hour column for O3 ends; the index is then 300, the highest that the column gives.
    """
    columns = [iaqi(f"{name}_24h", means[..., i]) for i, name in enumerate(POLLUTANTS[:5])]
    o3 = iaqi("o3_8h", np.minimum(means[..., 5], standard().limits["o3_8h"][-1]))
    return np.stack([*columns, o3], axis=-1)


def hourly_indices(hourly: Array, means: Array, o3_8h: Array) -> Array:
    """Individual indices (…, 6) of the hourly (real-time) report of HJ 633-2012.

    Particulates by their moving 24-hour means, SO2, NO2 and CO by the hour, O3 by the worse of one hour and eight.
    SO2 above 800 µg/m³ goes by its 24-hour mean (note 2 of the table), O3 above 800 in eight hours by one (note 3).
    """
    so2 = np.where(hourly[..., 2] > 800.0, iaqi("so2_24h", means[..., 2]), iaqi("so2_1h", hourly[..., 2]))
    o3 = np.fmax(iaqi("o3_1h", hourly[..., 5]), iaqi("o3_8h", o3_8h))
    return np.stack(
        [
            iaqi("pm25_24h", means[..., 0]),
            iaqi("pm10_24h", means[..., 1]),
            so2,
            iaqi("no2_1h", hourly[..., 3]),
            iaqi("co_1h", hourly[..., 4]),
            o3,
        ],
        axis=-1,
    )


def aqi(indices: Array) -> Array:
    """The index of each row of individual indices (…, 6): their maximum; NaN when both particulates are missing."""
    highest = np.where(np.isnan(indices), -np.inf, indices).max(axis=-1)
    particulates = ~np.isnan(indices[..., :2]).all(axis=-1)
    return np.asarray(np.where(particulates, highest, np.nan))


def primary(indices: Array) -> npt.NDArray[np.int64]:
    """Primary pollutants of each row as bits over ``POLLUTANTS``: those that reach the index when it is above 50."""
    index = aqi(indices)
    reached = (indices == index[..., None]) & (index > 50)[..., None]
    return np.asarray((reached << np.arange(6)).sum(axis=-1), dtype=np.int64)


@functools.cache
def primary_names() -> tuple[str, ...]:
    """Name of every bit set of ``primary``: ``"PM2.5"``, ``"PM2.5+PM10"``, empty for none."""
    return tuple("+".join(NAMES[p] for i, p in enumerate(POLLUTANTS) if bits >> i & 1) for bits in range(64))


def city(means: Array) -> Array:
    """City concentrations (…, 6) of station values (…, stations, 6): their mean where at least 75 % of stations count.

    HJ 663-2013: the city's value is the mean over its stations; fewer than three quarters of them give no value.
    """
    known = ~np.isnan(means)
    count = known.sum(axis=-2)
    total = np.where(known, means, 0.0).sum(axis=-2)
    needed = np.ceil(standard().city_share * means.shape[-2])
    return np.asarray(np.where(count >= needed, total / np.maximum(count, 1), np.nan))

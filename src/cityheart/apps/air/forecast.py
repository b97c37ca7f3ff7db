"""Forecast of the city's daily AQI for today (lead 0) and the four days after, from the stations' own past alone.

Two things are asked for every lead: the value (a regression of the logarithm of the daily AQI) and the probability of
heavy pollution, AQI above 200 (a regression of the yes or no itself, which ranks days better than the value does; for
today the normal error of the value gives it). Both are ridge regressions on what the city knew at the hour of issue:
levels and changes of the pollutants, wind, humidity, pressure, temperature, season. Today's value is regressed as the
change against the index of the hours so far, so the forecast closes on the truth as the day passes.

Eight blocks of three hours of issue have a model each. A model is nothing but the sums of squares and products of
past rows (``moments``), so learning a day is an addition and the whole state is a few arrays. A day is learnt when the
last day it was to forecast has ended; models are solved anew every seventh day. Before ``MINIMUM_DAYS`` days are learnt
the forecast is persistence, the present 24-hour index, and says so.

Where it matters sums are taken term by term, so that a result never depends on how hours were cut into batches.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cityheart.apps.air import aqi

Array = npt.NDArray[np.float64]

LEADS = 5
BLOCK_HOURS = 3
BLOCKS = 24 // BLOCK_HOURS
RIDGE_DAYS = 90.0  # weight of the prior, in days; chosen on the days before 2015
MINIMUM_DAYS = 55
SOLVE_EVERY_DAYS = 7
HEAVY = 200.0  # AQI above which a day is heavily polluted
LONGEST_WINDOW = 72  # hours that the features look back

WEATHER: tuple[str, ...] = ("temp", "pres", "dewp", "rain", "wspm")
SERIES: tuple[str, ...] = (*aqi.POLLUTANTS, *WEATHER, "u", "v", "south", "north")
"""Hourly city series that the features are made of: means over the stations; u, v the wind from west and south, m/s;
south and north the PM2.5 means of the southern city and the northern mountains."""


def mean_over(values: Array, axis: int) -> Array:
    """Mean over an axis without NaN, NaN when all are; terms are added in the order of the axis."""
    parts = np.moveaxis(values, axis, 0)
    known = ~np.isnan(parts)
    total = functools.reduce(np.add, np.where(known, parts, 0.0))
    count = known.sum(axis=0)
    return np.asarray(np.where(count > 0, total / np.maximum(count, 1), np.nan))


def _lag(values: Array, hours: int) -> Array:
    shifted = np.full_like(values, np.nan)
    shifted[hours:] = values[: max(len(values) - hours, 0)]
    return shifted


def _log(values: Array) -> Array:
    return np.asarray(np.log(np.maximum(values, 1.0)))


def hourly_features(series: Array, day_pm25: Array, season: Array) -> Array:
    """Features (hours, FEATURES - 2) at each hour of dense hourly ``series`` (hours, len(SERIES)).

    The first 72 rows lack their past and are not valid. ``day_pm25`` is the mean PM2.5 of the local day so far,
    ``season`` the phase of the year in radians. ``with_days`` adds the last two features.
    """
    windows = {w: aqi.moving(series, w, 1) for w in (6, 24)}
    means = {name: {w: windows[w][:, i] for w in windows} for i, name in enumerate(SERIES)}
    pm25, pres = series[:, SERIES.index("pm25")], series[:, SERIES.index("pres")]
    l6, l24 = _log(means["pm25"][6]), _log(means["pm25"][24])
    humid6, humid24 = (means["temp"][w] - means["dewp"][w] for w in (6, 24))
    pressure = means["pres"][6] - 1011.0
    calm = _log(10.0 * means["wspm"][6]) - 2.8
    sine, cosine = np.sin(season), np.cos(season)
    around = l6 - 4.2
    falling = pressure - _lag(pressure, 24)
    columns = [
        _log(pm25),
        *(_log(aqi.moving(pm25, w, 1)) for w in (3, 12, LONGEST_WINDOW)),
        l6,
        l24,
        _log(day_pm25),
        l6 - _lag(l6, 6),
        l24 - _lag(l24, 24),
        *(_log(means[name][24]) for name in ("pm10", "so2", "no2", "co", "o3")),
        *(_log(means[name][6]) for name in ("pm10", "no2", "co", "o3")),
        *(means[name][w] for w in (6, 24) for name in ("u", "v")),
        calm,
        _log(10.0 * means["wspm"][24]),
        means["temp"][24],
        means["dewp"][6],
        means["dewp"][24],
        humid6,
        humid24,
        pressure,
        falling,
        pressure - _lag(pressure, 48),
        aqi.moving(pres, 3, 1) - 1011.0 - _lag(pressure, 6),
        means["temp"][6] - _lag(means["temp"][6], 24),
        means["dewp"][6] - _lag(means["dewp"][6], 24),
        np.log1p(means["rain"][24] * 24.0),
        _log(means["south"][6]) - _log(means["north"][6]),
        sine,
        cosine,
        np.sin(2.0 * season),
        np.cos(2.0 * season),
        (l24 - 4.2) ** 2,
        around**2,
        around * (humid6 - 10.0) / 10.0,
        around * means["v"][6],
        around * cosine,
        around * sine,
        around * calm,
        around * falling / 5.0,
        means["v"][6] * cosine,
        humid6 * cosine / 10.0,
        pressure * cosine / 10.0,
    ]
    return np.stack(columns, axis=-1)


def with_days(rows: Array, yesterday: float, day_before: float) -> Array:
    """Hourly features completed by the daily AQI of the two days before."""
    days = _log(np.array([yesterday, day_before]))
    return np.concatenate([rows, np.repeat(days[None], len(rows), axis=0)], axis=1)


FEATURES = 54
TARGETS = 2 * LEADS
WIDTH = 1 + FEATURES + TARGETS
PACKED = WIDTH * (WIDTH + 1) // 2


@functools.cache
def _triangle() -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    rows, columns = np.triu_indices(WIDTH)
    return rows.astype(np.int64), columns.astype(np.int64)


@dataclass(frozen=True)
class Models:
    """The solved models: for each block of hours a constant and weights of the features for every target, their centre
    (what a missing feature is replaced by) and the standard error of every target."""

    weights: Array  # (BLOCKS, 1 + FEATURES, TARGETS)
    centre: Array  # (BLOCKS, FEATURES)
    error: Array  # (BLOCKS, TARGETS)

    @property
    def ready(self) -> bool:
        """Whether they were ever solved."""
        return bool(np.isfinite(self.error[0, 0]))


def unsolved() -> Models:
    """Models before the first solving."""
    return Models(
        np.zeros((BLOCKS, 1 + FEATURES, TARGETS)), np.zeros((BLOCKS, FEATURES)), np.full((BLOCKS, TARGETS), np.nan)
    )


def learn(moments: Array, models: Models, rows: Array, base: Array, daily: Array) -> Array:
    """``moments`` (BLOCKS, PACKED) with one more day: its ``rows`` (24, FEATURES) and bases (24,), and the daily AQI
    (LEADS,) of that day and the days after. Hours without features are left out, so is a day without a target."""
    if np.isnan(daily).any():
        return moments
    logs = _log(daily)
    targets = np.concatenate([logs, (daily > HEAVY).astype(float)])
    wanted = np.repeat(targets[None], 24, axis=0)
    wanted[:, 0] -= _log(base)
    blocks = np.arange(24) // BLOCK_HOURS
    if models.ready:
        rows = np.where(np.isnan(rows), models.centre[blocks], rows)
    full = np.concatenate([np.ones((24, 1)), rows, wanted], axis=1)
    full[np.isnan(full).any(axis=1)] = 0.0
    left, right = _triangle()
    products = full[:, left] * full[:, right]
    added = products.reshape(BLOCKS, BLOCK_HOURS, PACKED)
    return np.asarray(moments + (added[:, 0] + added[:, 1] + added[:, 2]))


def solve(moments: Array) -> Models | None:
    """The ridge regressions of ``moments``; None while a block has learnt fewer than ``MINIMUM_DAYS`` days."""
    left, right = _triangle()
    full = np.zeros((BLOCKS, WIDTH, WIDTH))
    full[:, left, right] = moments
    full[:, right, left] = moments
    count = full[:, 0, 0]
    if (count < MINIMUM_DAYS * BLOCK_HOURS).any():
        return None
    mean = full[:, 0, 1:] / count[:, None]
    spread = full[:, 1:, 1:] - count[:, None, None] * mean[:, :, None] * mean[:, None, :]
    x, y = slice(0, FEATURES), slice(FEATURES, None)
    scale = np.sqrt(np.maximum(np.diagonal(spread, axis1=1, axis2=2)[:, x] / count[:, None], 1e-12))
    ridge = RIDGE_DAYS * BLOCK_HOURS
    correlated = spread[:, x, x] / (scale[:, :, None] * scale[:, None, :])
    crossed = spread[:, x, y] / scale[:, :, None]
    slopes = np.linalg.solve(correlated + ridge * np.eye(FEATURES), crossed)
    penalty = np.einsum("bft,bfg,bgt->bt", slopes, correlated, slopes)
    explained = 2.0 * np.einsum("bft,bft->bt", slopes, crossed) - penalty
    rest = np.diagonal(spread, axis1=1, axis2=2)[:, y] - explained
    slopes = slopes / scale[:, :, None]
    constant = mean[:, y] - np.einsum("bf,bft->bt", mean[:, x], slopes)
    return Models(
        weights=np.concatenate([constant[:, None], slopes], axis=1),
        centre=np.ascontiguousarray(mean[:, x]),
        error=np.sqrt(np.maximum(rest / count[:, None], 0.0)) * 1.05 + 0.005,
    )


@dataclass(frozen=True)
class Taught:
    """What was learnt before a city began: ``moments`` of days that were over when local day ``first_day`` began."""

    first_day: int
    moments: Array


@functools.cache
def taught() -> Taught:
    """What 2013 and 2014 taught, from ``data/taught-2014.npz``: a city that starts in 2015 or later begins with it.

    It is what the detector itself has learnt of the data set when 2015 begins (``evaluate.teach`` writes it), so a play
    from 2013 never needs it and no forecast ever sees its future.
    """
    with np.load(Path(__file__).parent / "data" / "taught-2014.npz", allow_pickle=False) as file:
        moments = file["moments"].astype(np.float64)
        moments.flags.writeable = False
        return Taught(int(file["first_day"]), moments)


@dataclass(frozen=True)
class Forecast:
    """Daily AQI (hours, LEADS) with an 80 % band and the probability of heavy pollution, issued at each hour."""

    value: Array
    low: Array
    high: Array
    heavy: Array


def persistence(present: Array, base: Array) -> Forecast:
    """The ``present`` 24-hour index (hours,) for every lead, without a band. Heavy pollution is taken as certain today
    when the present index and ``base``, that of the day so far, are heavy, and never for the days after: there it was
    wrong more often than right."""
    value = np.repeat(present[:, None], LEADS, axis=1)
    heavy = np.zeros_like(value)
    heavy[:, 0] = (present > HEAVY) & (base > HEAVY)
    heavy[np.isnan(present)] = np.nan
    empty = np.full_like(value, np.nan)
    return Forecast(value, empty, empty, heavy)


def predict(models: Models, rows: Array, base: Array, hour_of_day: npt.NDArray[np.int64]) -> Forecast:
    """Forecasts from ``rows`` (hours, FEATURES), today's index so far ``base`` (hours,) and the local hour of issue.

    Hours whose ``base`` is NaN have no forecast.
    """
    block = hour_of_day // BLOCK_HOURS
    rows = np.where(np.isnan(rows), models.centre[block], rows)
    weights = models.weights[block]
    result = weights[:, 0].copy()
    for feature in range(FEATURES):
        result += rows[:, feature, None] * weights[:, 1 + feature]
    result[:, 0] += _log(base)
    result[np.isnan(base)] = np.nan
    error = models.error[block, :LEADS]
    logs, heavy = result[:, :LEADS], np.clip(result[:, LEADS:], 0.0, 1.0)
    distance = (logs[:, 0] - math.log(HEAVY + 0.5)) / (error[:, 0] * math.sqrt(2.0))
    heavy[:, 0] = [0.5 + 0.5 * math.erf(z) for z in distance.tolist()]

    def index(values: Array) -> Array:
        return np.asarray(np.clip(np.exp(values), 1.0, 500.0))

    return Forecast(index(logs), index(logs - 1.2816 * error), index(logs + 1.2816 * error), heavy)

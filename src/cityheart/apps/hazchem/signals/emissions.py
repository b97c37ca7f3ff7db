"""Factors of outlets by the hour, from the real-time readings (CN 2011) of HJ 212; and limits as outlets state them.

The mean of an hour is that of its minutes flagged N (normal), as the rules for violations ask. A minute reported twice
counts once, the later report. Totals come from ten-minute data (CN 2051) where a device sends them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from cityheart.apps.hazchem.signals import hours
from cityheart.apps.hazchem.signals.hours import HOUR_MS, Array, Cells, Placed, Readings, Truth, Units, Whole, in_series
from cityheart.apps.hazchem.signals.tanks import numbers, runs
from cityheart.sdk import Text, text

FLAGS = ("N", "F", "M", "S", "D", "C", "T", "B", "?")
"""HJ 212: normal, outlet stopped, maintenance, set by hand, fault, calibration, over range, no communication; others."""

NORMAL = 0
REAL_TIME, TEN_MINUTES = 2011, 2051
MINUTE_MS = 60_000

FLOWS = ("w00000", "a00000")
"""Flow of waste water (L/s) and of flue gas (m³/s)."""

STATES_OF_GAS = ("w01001", "a19001", "a01012", "a01011", "a01013", "a01014")
"""What tells the state of water or gas and is no pollutant: pH, oxygen, temperature, speed, pressure, moisture."""

_NAMES = {
    "w00000": ("废水流量", "flow of waste water", "L/s"),
    "w01001": ("pH 值", "pH", ""),
    "w01018": ("化学需氧量", "COD", "mg/L"),
    "w21003": ("氨氮", "ammonia nitrogen", "mg/L"),
    "w21011": ("总磷", "total phosphorus", "mg/L"),
    "w21001": ("总氮", "total nitrogen", "mg/L"),
    "a00000": ("废气流量", "flow of flue gas", "m³/s"),
    "a21026": ("二氧化硫", "SO₂", "mg/m³"),
    "a21002": ("氮氧化物", "NOₓ", "mg/m³"),
    "a34013": ("颗粒物", "particulates", "mg/m³"),
    "a19001": ("氧含量", "oxygen", "%"),
    "a01012": ("烟气温度", "temperature of the flue gas", "°C"),
    "a24088": ("非甲烷总烃", "non-methane hydrocarbons", "mg/m³"),
}  # HJ 524, HJ 525


def name(factor: str) -> Text:
    """The name of a factor; its code where it is not among those of the systems connected."""
    zh, en, _ = _NAMES.get(factor, (factor, factor, ""))
    return text(zh, en)


def unit(factor: str) -> str:
    """The unit in which a factor is reported."""
    return _NAMES.get(factor, ("", "", ""))[2]


def pollutant(factor: str) -> bool:
    """Whether a factor is a concentration: neither a flow nor a state of the water or gas."""
    return factor not in FLOWS and factor not in STATES_OF_GAS


def limits_of(outlets: pa.Table) -> pa.Table:
    """Limits of outlets as rows of mn, factor, limit, from texts such as ``w01018=500;w21003=45``.

    What is no pair of a code and a positive number is left out: a limit that nobody can read binds nobody.
    """
    mns: list[str] = []
    factors: list[str] = []
    values: list[float] = []
    for mn, stated in zip(outlets["mn"].to_pylist(), outlets["limits"].to_pylist(), strict=True):
        for pair in (stated or "").replace("；", ";").replace(",", ";").split(";"):
            factor, _, value = pair.partition("=")
            try:
                limit = float(value)
            except ValueError:
                continue
            if factor.strip() and np.isfinite(limit) and limit > 0:
                mns.append(mn)
                factors.append(factor.strip())
                values.append(limit)
    return pa.table({
        "mn": pa.array(mns, pa.string()),
        "factor": pa.array(factors, pa.string()),
        "limit": pa.array(values, pa.float64()),
    })  # fmt: skip


def codes(cn: Whole, flags: Sequence[str | None], flag: Whole) -> Whole:
    """What is packed of a reading: four times its flag, and 128 for ten-minute data."""
    place = np.array([FLAGS.index(one) if one in FLAGS else len(FLAGS) - 1 for one in flags], dtype=np.int64)
    return np.asarray(place[flag] * hours.KINDS + np.where(cn == TEN_MINUTES, 128, 0))


@dataclass(frozen=True)
class _Minutes:
    """Real-time readings of the cells by unit and time, one a minute."""

    cell: Whole
    ms: Whole
    flag: Whole
    value: Array

    def take(self, chosen: Truth) -> _Minutes:
        return _Minutes(self.cell[chosen], self.ms[chosen], self.flag[chosen], self.value[chosen])


def work(placed: Placed, cells: Cells, units: Units) -> dict[str, pa.Array]:
    """The columns of ``hazchem_emission_hour`` for these cells; the key of a unit is the device, its name the factor."""
    real, total = _split(placed, len(cells))
    size = len(cells)
    normal = real.take((real.flag == NORMAL) & ~np.isnan(real.value))
    count = np.bincount(normal.cell, minlength=size)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.bincount(normal.cell, normal.value, minlength=size) / count
        spread = np.sqrt(np.bincount(normal.cell, (normal.value - mean[normal.cell]) ** 2, minlength=size) / count)
    lowest, highest = _extremes(normal, size)
    flags = np.bincount(real.cell * len(FLAGS) + real.flag, minlength=size * len(FLAGS)).reshape(-1, len(FLAGS))
    names, keys = np.array(units.names, dtype=object), np.array(units.keys, dtype=object)
    return {
        "mn": pa.array(keys[units.key[cells.unit]], pa.string()),
        "factor": pa.array(names[cells.unit], pa.string()),
        "hour": pa.array(cells.hour * HOUR_MS * 1000, hours.MOMENT),
        "mean": numbers(mean, 4),
        "n_minutes": pa.array(count),
        "minutes": pa.array(flags.sum(axis=1)),
        "flags": pa.array(_told(flags), pa.string()),
        "minimum": numbers(lowest, 4),
        "maximum": numbers(highest, 4),
        "spread": numbers(spread, 4),
        "same_run_min": numbers(_same(normal, size), 1),
        "total": numbers(total, 4),
        "_known_at": pa.array(cells.known, hours.MOMENT),
    }


def _split(placed: Placed, size: int) -> tuple[_Minutes, Array]:
    """One real-time reading of each minute of the cells, the last that came; and the totals of the cells."""
    readings, cell = placed.readings, placed.cell
    ten = readings.code >= 128
    total = np.full(size, np.nan)
    summed = ten & (cell >= 0) & ~np.isnan(readings.value)
    if bool(summed.any()):
        latest = _last(readings.take(summed), 10 * MINUTE_MS)
        place = cell[summed][latest]
        count = np.bincount(place, minlength=size)
        total = np.where(count > 0, np.bincount(place, readings.value[summed][latest], minlength=size), np.nan)
    chosen = ~ten & (cell >= 0)
    real, cell = readings.take(chosen), cell[chosen]
    latest = _last(real, MINUTE_MS)
    flag = real.code[latest].astype(np.int64) // hours.KINDS
    return _Minutes(cell[latest], real.ms[latest], flag, real.value[latest]), total


def _last(readings: Readings, span: int) -> Whole:
    """Of each unit and span of time the reading that came last, in the order of time."""
    return in_series(readings.unit, readings.ms // span)


def _extremes(normal: _Minutes, size: int) -> tuple[Array, Array]:
    lowest, highest = np.full(size, np.nan), np.full(size, np.nan)
    if len(normal.cell):
        starts, _ = runs(np.r_[False, normal.cell[1:] == normal.cell[:-1]])
        lowest[normal.cell[starts]] = np.minimum.reduceat(normal.value, starts)
        highest[normal.cell[starts]] = np.maximum.reduceat(normal.value, starts)
    return lowest, highest


def _same(normal: _Minutes, size: int) -> Array:
    """The longest time in which one value was repeated to the last digit, in minutes; NaN without a reading."""
    longest = np.full(size, np.nan)
    if not len(normal.cell):
        return longest
    same = np.r_[False, (normal.cell[1:] == normal.cell[:-1]) & (normal.value[1:] == normal.value[:-1])]
    starts, length = runs(same)
    minutes = (normal.ms[starts + length - 1] - normal.ms[starts]) / MINUTE_MS + 1.0
    firsts, _ = runs(np.r_[False, np.diff(normal.cell[starts]) == 0])
    longest[normal.cell[starts[firsts]]] = np.minimum(np.maximum.reduceat(minutes, firsts), 60.0)
    return longest


def _told(flags: Whole) -> list[str]:
    """Counts by flag as JSON; hours that are alike share their text."""
    known: dict[tuple[int, ...], str] = {}
    told = []
    for counts in map(tuple, flags.tolist()):
        if counts not in known:
            known[counts] = json.dumps({flag: n for flag, n in zip(FLAGS, counts, strict=True) if n})
        told.append(known[counts])
    return told

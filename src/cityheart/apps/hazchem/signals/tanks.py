"""Tanks by the hour: levels, movements, temperature, pressure and gas from readings of minutes.

Everything is worked out from *medians of five minutes* of the good readings (quality 0), so that spikes of one or two
readings leave no trace. A reading given twice counts once, the later one. What a broken wire does is kept apart as a
*jump*: the change happens between two readings, where a real rise takes many.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cityheart.apps.hazchem.signals import hours
from cityheart.apps.hazchem.signals.hours import (
    BIN_MS,
    BINS,
    CONTEXT,
    HOUR_MS,
    Array,
    Cells,
    Placed,
    Truth,
    Units,
    Whole,
    in_series,
)
from cityheart.sdk import compiled

Codes = npt.NDArray[np.uint8]

METRICS = ("level_m", "temperature_c", "pressure_kpa", "gas_ppm")
LEVEL, TEMPERATURE, PRESSURE, GAS = range(4)
SHAPED = 3  # the first three have a profile and jumps

BEST_OF_BIN = 16  # readings of five minutes that their median is taken of, the first ones
MOVED = 2.4  # times the noise of a reading that the level must move to count as filled or drawn
LEAST_MOVED_M = 0.02
LEAST_JUMP = (0.1, 1.5, 1.5, 5.0)  # of each metric, in its unit
JUMP_NOISE = 8.0  # times the noise that the change between two readings must be to be a jump
JUMP_SHARE = 0.03  # of the value, at least
JUMP_SUDDEN = 0.75  # of the change must happen between two readings; where a ramp begins it is half
JUMPS = 8  # of a metric and hour, the largest


def work(placed: Placed, cells: Cells, units: Units) -> dict[str, pa.Array]:
    """The columns of ``hazchem_tank_hour`` for these cells; the key of a unit is the site, its name the tank."""
    size = len(cells)
    good, qualities = _good(placed, size)
    medians = _medians(good.cell, good.after, good.series, good.ms, good.value, size)
    noise, pause = _noise(good.cell, good.series, good.ms, good.value, size)
    jumps = _jumps(good, noise, pause)
    first, last, lowest, highest, middle = _summed(medians)
    rise, fall = _moved(medians, noise, _jumped(jumps, size))
    names, keys = np.array(units.names, dtype=object), np.array(units.keys, dtype=object)
    return {
        "tank_id": pa.array(names[cells.unit], pa.string()),
        "hour": pa.array(cells.hour * HOUR_MS * 1000, hours.MOMENT),
        "site_id": pa.array(keys[units.key[cells.unit]], pa.string()),
        "level_first_m": numbers(first[:, LEVEL], 3),
        "level_last_m": numbers(last[:, LEVEL], 3),
        "level_min_m": numbers(lowest[:, LEVEL], 3),
        "level_max_m": numbers(highest[:, LEVEL], 3),
        "level_median_m": numbers(middle[:, LEVEL], 3),
        "in_m": numbers(rise, 3),
        "out_m": numbers(fall, 3),
        "temperature_median_c": numbers(middle[:, TEMPERATURE], 2),
        "temperature_max_c": numbers(highest[:, TEMPERATURE], 2),
        "pressure_median_kpa": numbers(middle[:, PRESSURE], 2),
        "pressure_max_kpa": numbers(highest[:, PRESSURE], 2),
        "gas_max_ppm": numbers(highest[:, GAS], 2),
        **{name: pa.array(qualities[:, place]) for place, name in enumerate(("good", "suspect", "bad"))},
        "frozen_min": numbers(_frozen(good.cell, good.series, good.ms, good.value, size), 1),
        "profile": pa.array(_profiles(medians[:, :, CONTEXT:]), pa.string()),
        "jumps": pa.array(_told(jumps, size), pa.string()),
        "_known_at": pa.array(cells.known, hours.MOMENT),
    }


def numbers(values: Array, digits: int) -> pa.Array:
    """Numbers for people, NaN as null."""
    return pa.array(np.round(values, digits), pa.float64(), from_pandas=True)


def runs(same: Truth) -> tuple[Whole, Whole]:
    """First places and lengths of runs; ``same``: each place goes on with the one before."""
    starts = np.flatnonzero(~same)
    return starts, np.diff(np.r_[starts, len(same)])


@dataclass(frozen=True)
class _Minutes:
    """Good readings by tank, metric and time; ``series``: four times the tank, and the metric.

    ``cell`` -1: of the minutes before an hour; ``after``: the cell they precede.
    """

    cell: Whole
    after: Whole
    series: Whole
    ms: Whole
    value: Array

    @property
    def metric(self) -> Whole:
        return self.series & 3


def _good(placed: Placed, size: int) -> tuple[_Minutes, Whole]:
    """The good readings, one a moment, the last that came; how many of each quality there are of the level, by cell."""
    readings = placed.readings
    series = readings.unit << 2 | (readings.code & 3)
    order = in_series(series, readings.ms)
    good, qualities = _sifted(order, series, readings.code, placed.cell, size)
    taken = _Minutes(placed.cell[good], placed.after[good], series[good], readings.ms[good], readings.value[good])
    return taken, qualities


@dataclass(frozen=True)
class _Jumps:
    cell: Whole
    metric: Whole
    ms: Whole
    before: Array
    after: Array
    gap: Array


def _jumps(good: _Minutes, noise: Array, pause: Array) -> _Jumps:
    """Sudden changes: of medians of three readings before and after, half of it between two readings."""
    at, first, last, least = _changes(good.cell, good.series, good.value, noise)  # the reading after
    before = _middle_of_three(*(good.value[np.maximum(at - back, first)] for back in (1, 2, 3)))
    after = _middle_of_three(*(good.value[np.minimum(at + ahead, last)] for ahead in (0, 1, 2)))
    size = np.abs(after - before)
    needed = np.maximum(least, JUMP_SHARE * np.maximum(np.abs(before), np.abs(after)))
    sudden = np.abs(good.value[at] - good.value[at - 1]) >= JUMP_SUDDEN * size
    kept = (size >= needed) & sudden
    at, before, after, size = at[kept], before[kept], after[kept], size[kept]
    place = good.cell[at] * 4 + good.metric[at]
    order = np.lexsort((good.ms[at], -size, place))
    starts, length = runs(np.r_[False, np.diff(place[order]) == 0] if len(order) else np.zeros(0, dtype=bool))
    order = order[np.arange(len(order)) - np.repeat(starts, length) < JUMPS]
    order = order[np.lexsort((good.ms[at][order], place[order]))]
    at = at[order]
    gap = (good.ms[at] - good.ms[at - 1]) / np.maximum(pause[good.cell[at], good.metric[at]], 1.0)
    return _Jumps(good.cell[at], good.metric[at], good.ms[at], before[order], after[order], gap)


def _middle_of_three(one: Array, two: Array, three: Array) -> Array:
    return np.asarray(np.maximum(np.minimum(one, two), np.minimum(np.maximum(one, two), three)))


def _jumped(jumps: _Jumps, size: int) -> Truth:
    """Parts of cells, with those before, whose level cannot be compared with the part before: a wire, no liquid."""
    jumped = np.zeros((size, CONTEXT + BINS + 1), dtype=bool)
    level = jumps.metric == LEVEL
    part = CONTEXT + jumps.ms[level] % HOUR_MS // BIN_MS
    jumped[jumps.cell[level], part] = True
    jumped[jumps.cell[level], part + 1] = True
    return jumped


def _profiles(hour: Array) -> list[str | None]:
    """Medians of five minutes of level, temperature and pressure as JSON: three lists of twelve."""
    if not len(hour):
        return []
    rounded = np.round(hour[:, :SHAPED], 2)
    known = np.asarray(~np.isnan(rounded).all(axis=(1, 2)))
    # Written in one go, which is much quicker: between two cells, and nowhere else, stands "]],[[".
    whole = json.dumps(rounded.tolist(), separators=(",", ":")).replace("NaN", "null")
    lists = whole[3:-3].split("]],[[")
    return [f"[[{each}]]" if told else None for each, told in zip(lists, known.tolist(), strict=True)]


def _told(jumps: _Jumps, size: int) -> list[str | None]:
    """Jumps as JSON: by metric, lists of [minute of the hour, from, to, how many times the usual pause before it]."""
    told: list[str | None] = [None] * size
    by_cell: dict[int, dict[str, list[list[float]]]] = {}
    columns = (jumps.cell, jumps.metric, jumps.ms % HOUR_MS / 60_000, jumps.before, jumps.after, jumps.gap)
    for cell, metric, minute, before, after, gap in zip(*(column.tolist() for column in columns), strict=True):
        entry = [round(minute, 2), round(before, 2), round(after, 2), round(gap, 2)]
        by_cell.setdefault(cell, {}).setdefault(METRICS[metric], []).append(entry)
    for cell, metrics in by_cell.items():
        told[cell] = json.dumps(metrics, separators=(",", ":"))
    return told


# ── what goes over every reading and part of an hour ───────────────────────────────────────────────────────────────


@compiled
def _sifted(order: Whole, series: Whole, code: Codes, cell: Whole, size: int) -> tuple[Whole, Whole]:
    """Of readings in an order the good ones, and of each cell how many readings of the level there are by quality."""
    good, qualities = np.empty(len(order), dtype=np.int64), np.zeros((size, 4), dtype=np.int64)
    count = 0
    for at in order:
        quality = np.int64(code[at]) >> 2
        if series[at] & 3 == LEVEL and cell[at] >= 0:
            qualities[cell[at], min(int(quality), 3)] += 1
        if quality == 0:
            good[count] = at
            count += 1
    return good[:count], qualities


@compiled
def _medians(cell: Whole, after: Whole, series: Whole, ms: Whole, value: Array, size: int) -> Array:
    """Medians of five minutes, of shape (cells, metrics, CONTEXT + BINS); NaN without a reading.

    Each value counts as the median of it and its neighbours, at an end of what is known as that of its neighbour: where
    devices report every few minutes, five minutes hold one reading, and a median of one is no median.
    """
    medians = np.full((size, 4, CONTEXT + BINS), np.nan)
    some = np.empty(BEST_OF_BIN)
    count, begun = 0, -1  # values of a part, and which part of all time it is
    for at in range(len(cell) + 1):
        if at == len(cell) or begun < 0 or series[at] != series[at - 1] or ms[at] // BIN_MS != begun:
            if count:
                middle = _middle(some, count)
                metric, part = series[at - 1] & 3, begun % BINS
                if cell[at - 1] >= 0:
                    medians[cell[at - 1], metric, CONTEXT + part] = middle
                if after[at - 1] >= 0:
                    medians[after[at - 1], metric, part - (BINS - CONTEXT)] = middle
            if at == len(cell):
                break
            begun, count = ms[at] // BIN_MS, 0
        if count < BEST_OF_BIN:
            some[count] = _despiked(series, ms, value, at)
            count += 1
    return medians


@compiled
def _despiked(series: Whole, ms: Whole, value: Array, at: int) -> float:
    """The median of a value and its neighbours within the hour: what lies beyond the hour may be gone."""
    hour, last = ms[at] // HOUR_MS, len(series) - 1
    before = at > 0 and series[at - 1] == series[at] and ms[at - 1] // HOUR_MS == hour
    after = at < last and series[at + 1] == series[at] and ms[at + 1] // HOUR_MS == hour
    if not before and not after:
        return float(value[at])
    one = value[at - 1] if before else value[min(at + 1, last)]
    three = value[at + 1] if after else value[max(at - 1, 0)]
    return float(max(min(one, value[at]), min(max(one, value[at]), three)))


@compiled
def _middle(some: Array, count: int) -> float:
    """The median of the first values, which are put in order."""
    for at in range(1, count):
        value, place = some[at], at
        while place > 0 and some[place - 1] > value:
            some[place] = some[place - 1]
            place -= 1
        some[place] = value
    return float((some[(count - 1) // 2] + some[count // 2]) / 2)


@compiled
def _summed(medians: Array) -> tuple[Array, Array, Array, Array, Array]:
    """Of each cell and metric the first, the last, the lowest, the highest and the middle part of the hour."""
    size = len(medians)
    first, last, lowest = np.full((size, 4), np.nan), np.full((size, 4), np.nan), np.full((size, 4), np.nan)
    highest, middle = np.full((size, 4), np.nan), np.full((size, 4), np.nan)
    some = np.empty(BINS)
    for cell in range(size):
        for metric in range(4):
            count = 0
            for value in medians[cell, metric, CONTEXT:]:
                if not np.isnan(value):
                    some[count] = value
                    count += 1
            if count:
                first[cell, metric], last[cell, metric] = some[0], some[count - 1]
                middle[cell, metric] = _middle(some, count)
                lowest[cell, metric], highest[cell, metric] = some[0], some[count - 1]
    return first, last, lowest, highest, middle


@compiled
def _noise(cell: Whole, series: Whole, ms: Whole, value: Array, size: int) -> tuple[Array, Array]:
    """Of each cell and metric the standard deviation of the noise of one reading, and the pause between two (ms).

    From differences between neighbours. The mean of their roots hardly sees a few large ones: for normal noise its square
    is 0.956 standard deviations.
    """
    count, noise, pause = np.zeros((size, 4), dtype=np.int64), np.zeros((size, 4)), np.zeros((size, 4))
    for at in range(1, len(cell)):
        if cell[at] >= 0 and series[at] == series[at - 1]:
            place, metric = cell[at], series[at] & 3
            count[place, metric] += 1
            noise[place, metric] += np.sqrt(np.abs(value[at] - value[at - 1]))
            pause[place, metric] += np.sqrt(np.float64(ms[at]) - np.float64(ms[at - 1]))
    for place in range(size):
        for metric in range(4):
            pairs = max(count[place, metric], 1)
            noise[place, metric] = (noise[place, metric] / pairs) ** 2 / 0.956
            pause[place, metric] = (pause[place, metric] / pairs) ** 2
    return noise, pause


@compiled
def _changes(cell: Whole, series: Whole, value: Array, noise: Array) -> tuple[Whole, Whole, Whole, Array]:
    """Readings that are far from the one before: which, the first and last of their series, and how far is far."""
    found: list[int] = []
    first: list[int] = []
    last: list[int] = []
    far: list[float] = []
    begin = 0
    for at in range(1, len(cell)):
        if series[at] != series[at - 1]:
            begin = at
        elif cell[at] >= 0:
            metric = series[at] & 3
            least = max(LEAST_JUMP[metric], JUMP_NOISE * noise[cell[at], metric])
            if np.abs(value[at] - value[at - 1]) >= least:
                end = at
                while end + 1 < len(series) and series[end + 1] == series[at] and end < at + 2:
                    end += 1
                found.append(at)
                first.append(begin)
                last.append(end)
                far.append(least)
    empty = np.empty(0, dtype=np.int64)
    if not found:
        return empty, empty, empty, np.empty(0)
    return np.array(found), np.array(first), np.array(last), np.array(far)


@compiled
def _moved(medians: Array, noise: Array, jumped: Truth) -> tuple[Array, Array]:
    """What was filled and drawn, in metres, by turning points further apart than the noise."""
    size = len(medians)
    rise, fall = np.full(size, np.nan), np.full(size, np.nan)
    for cell in range(size):
        least = max(LEAST_MOVED_M, MOVED * noise[cell, LEVEL])
        anchor, filled, drawn, known = medians[cell, LEVEL, 0], 0.0, 0.0, False
        for part in range(1, CONTEXT + BINS):
            now = medians[cell, LEVEL, part]
            if np.isnan(now):
                continue
            known = known or part >= CONTEXT
            change = now - anchor
            told = np.abs(change) > least
            if told and part >= CONTEXT and not jumped[cell, part]:
                if change > 0:
                    filled += change
                else:
                    drawn -= change
            if told or np.isnan(anchor) or jumped[cell, part] or part < CONTEXT:
                anchor = now
        if known:
            rise[cell], fall[cell] = filled, drawn
    return rise, fall


@compiled
def _frozen(cell: Whole, series: Whole, ms: Whole, value: Array, size: int) -> Array:
    """The longest time for which the level repeated one value, in minutes; NaN without a reading."""
    longest = np.full(size, np.nan)
    begin, before = 0, -1  # where the run began, and the reading of the level before
    for at in range(len(cell)):
        if series[at] & 3 != LEVEL or cell[at] < 0:
            continue
        if before < 0 or cell[at] != cell[before] or value[at] != value[before]:
            begin = at
        minutes = min((ms[at] - ms[begin]) / 60_000 + 1.0, 60.0)
        if not longest[cell[at]] >= minutes:
            longest[cell[at]] = minutes
        before = at
    return longest

"""What hours of tanks are, said plainly: a loop over rows that keeps lists, and whole columns of numpy.

The product does the same in compiled loops; whatever readings come, both must give the same to the last bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from cityheart.apps.hazchem.signals import hours
from cityheart.apps.hazchem.signals.hours import (
    BIN_MS,
    BINS,
    CONTEXT,
    HOUR_MS,
    KINDS,
    LATEST,
    SETTLED,
    Array,
    Cells,
    Placed,
    Readings,
    Truth,
    Units,
    Whole,
)
from cityheart.apps.hazchem.signals.tanks import (
    BEST_OF_BIN,
    GAS,
    JUMP_NOISE,
    JUMP_SHARE,
    JUMP_SUDDEN,
    JUMPS,
    LEAST_JUMP,
    LEAST_MOVED_M,
    LEVEL,
    METRICS,
    MOVED,
    PRESSURE,
    TEMPERATURE,
    _Jumps,
    _profiles,
    _told,
    numbers,
    runs,
)


def by_rows(rows: pa.Table, *, every: int = 900, phase: int = 180) -> list[dict[str, object]]:
    """What is written of readings in the order known, row by row; each site has its own clock."""
    sites: dict[str, _Site] = {}
    written: list[dict[str, object]] = []
    for row in rows.to_pylist():
        site = sites.setdefault(row["site_id"], _Site(row["site_id"]))
        known = round(row["_known_at"].timestamp() * 1e6)
        window = (known // 1_000_000 - phase) // every
        if window > site.window:
            site.window = window
            written += site.tick(known)
        site.hear(row, known)
    return written


class _Site:
    """The readings of open hours of one site as a list: tank, ms, value, code, whether it is new."""

    def __init__(self, name: str) -> None:
        self.name, self.window = name, -1
        self.tanks: list[str] = []
        self.held: list[tuple[int, int, float, int, bool]] = []
        self.closed: set[tuple[int, int]] = set()
        self.seen: set[tuple[int, int]] = set()

    def hear(self, row: Mapping[str, object], known: int) -> None:
        if row["tank_id"] not in self.tanks:
            self.tanks.append(str(row["tank_id"]))
        tank = self.tanks.index(str(row["tank_id"]))
        ms = round(row["time"].timestamp() * 1e6) // 1000  # type: ignore[attr-defined]
        hour, now = ms // HOUR_MS, known // (HOUR_MS * 1000)
        kind = METRICS.index(str(row["metric"]))
        if (tank, hour) not in self.closed and now - LATEST <= hour <= now + 1:
            self.held.append((tank, ms, float(row["value"]), kind | int(row["quality"]) << 2, True))  # type: ignore[arg-type,call-overload]
            self.seen.add((tank, kind))

    def tick(self, known: int) -> list[dict[str, object]]:
        written = self._written(known)
        now = known // 1000
        parts: dict[tuple[int, int, int], set[int]] = {}
        for tank, ms, _, code, _ in self.held:
            parts.setdefault((tank, ms // HOUR_MS, code % KINDS), set()).add(ms % HOUR_MS // BIN_MS)
        kept = []
        for tank, ms, value, code, _ in self.held:
            hour = ms // HOUR_MS
            kinds = [kind for kind in range(KINDS) if (tank, kind) in self.seen]
            full = all(len(parts.get((tank, hour, kind), ())) == BINS for kind in kinds)
            if hour < now // HOUR_MS - LATEST:
                continue
            if (hour + 1) * HOUR_MS + SETTLED * 60_000 <= now and full:
                self.closed.add((tank, hour))
                continue
            kept.append((tank, ms, value, code, False))
        self.held = kept
        return written

    def _written(self, known: int) -> list[dict[str, object]]:
        cells = sorted({(tank, ms // HOUR_MS) for tank, ms, _, _, new in self.held if new})
        if not cells:
            return []
        place = {cell: at for at, cell in enumerate(cells)}
        taken = []
        for tank, ms, value, code, _ in self.held:
            hour = ms // HOUR_MS
            late = ms - hour * HOUR_MS >= HOUR_MS - CONTEXT * BIN_MS
            inside, after = place.get((tank, hour), -1), place.get((tank, hour + 1), -1) if late else -1
            if inside >= 0 or after >= 0:
                taken.append((tank, ms, value, code, inside, after))
        columns = [np.array(column) for column in zip(*taken, strict=True)]
        readings = Readings(columns[0], columns[1], columns[2].astype(np.float64), columns[3].astype(np.uint8))
        units = Units([self.name], np.zeros(len(self.tanks), dtype=np.int64), self.tanks)
        tanks, begun = np.array(cells).T
        made = work(Placed(readings, columns[4], columns[5]), Cells(tanks, begun, np.full(len(cells), known)), units)
        rows: list[dict[str, object]] = pa.table(made).to_pylist()
        return rows


def work(placed: Placed, cells: Cells, units: Units) -> dict[str, pa.Array]:
    """The columns of ``hazchem_tank_hour`` for these cells; the key of a unit is the site, its name the tank."""
    every = _sorted(placed)
    good = every.take(every.quality == 0)
    medians = _medians(_despiked(good), len(cells))
    noise, pause = _noise(good, len(cells))
    jumps = _jumps(good, noise, pause)
    hour = medians[:, :, CONTEXT:]
    first, last = _ends(hour[:, LEVEL])
    rise, fall = _moved(medians[:, LEVEL], noise[:, LEVEL], _jumped(jumps, len(cells)))
    lowest, highest, middle = np.fmin.reduce(hour, axis=2), np.fmax.reduce(hour, axis=2), _middle(hour)
    names, keys = np.array(units.names, dtype=object), np.array(units.keys, dtype=object)
    level = every.take((every.metric == LEVEL) & (every.cell >= 0))
    qualities = np.bincount(level.cell * 4 + level.quality, minlength=len(cells) * 4).reshape(-1, 4)
    return {
        "tank_id": pa.array(names[cells.unit], pa.string()),
        "hour": pa.array(cells.hour * HOUR_MS * 1000, hours.MOMENT),
        "site_id": pa.array(keys[units.key[cells.unit]], pa.string()),
        "level_first_m": numbers(first, 3),
        "level_last_m": numbers(last, 3),
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
        "frozen_min": numbers(_frozen(good, len(cells)), 1),
        "profile": pa.array(_profiles(hour), pa.string()),
        "jumps": pa.array(_told(jumps, len(cells)), pa.string()),
        "_known_at": pa.array(cells.known, hours.MOMENT),
    }


@dataclass(frozen=True)
class _Minutes:
    """Readings by tank, metric and time. ``cell`` -1: of the minutes before an hour; ``after``: the cell they precede."""

    cell: Whole
    after: Whole
    series: Whole
    metric: Whole
    quality: Whole
    ms: Whole
    value: Array

    def __len__(self) -> int:
        return len(self.cell)

    def take(self, chosen: Truth) -> _Minutes:
        return _Minutes(
            self.cell[chosen], self.after[chosen], self.series[chosen], self.metric[chosen],
            self.quality[chosen], self.ms[chosen], self.value[chosen],
        )  # fmt: skip

    @property
    def goes_on(self) -> Truth:
        """Whether each reading is of the series of the one before."""
        return np.r_[False, self.series[1:] == self.series[:-1]] if len(self) else np.zeros(0, dtype=bool)


def _sorted(placed: Placed) -> _Minutes:
    """The readings by series and time; one a moment, the last that came."""
    readings = placed.readings
    series = readings.unit << 2 | (readings.code & 3)
    key = series << 42 | readings.ms
    order = np.argsort(key, kind="stable")
    if len(order):
        ordered = key[order]
        order = order[np.r_[ordered[1:] != ordered[:-1], True]]
    series, code = series[order], readings.code[order].astype(np.int64)
    return _Minutes(
        placed.cell[order], placed.after[order], series, series & 3, code >> 2, readings.ms[order], readings.value[order]
    )  # fmt: skip


def _despiked(good: _Minutes) -> _Minutes:
    """Each value as the median of it and its neighbours; at an end of what is known that of its neighbour.

    Where devices report every few minutes, five minutes hold one reading: a median of one is no median.
    """
    size = len(good)
    if size < 2:
        return good
    at, hour = np.arange(size), good.ms // HOUR_MS
    first = ~good.goes_on | np.r_[True, hour[1:] != hour[:-1]]  # within an hour: what lies beyond it may be gone
    last = np.r_[first[1:], True]
    before = np.where(first, np.minimum(at + 1, size - 1), at - 1)
    after = np.where(last, np.maximum(at - 1, 0), np.minimum(at + 1, size - 1))
    alone = first & last
    value = _middle_of_three(good.value[before], good.value, good.value[after])
    return replace(good, value=np.where(alone, good.value, value))


def _medians(good: _Minutes, size: int) -> Array:
    """Medians of five minutes, of shape (cells, metrics, CONTEXT + BINS); NaN without a reading."""
    width = CONTEXT + BINS
    part = good.ms % HOUR_MS // BIN_MS
    inside, before = good.cell >= 0, good.after >= 0
    slot = np.concatenate([
        ((good.cell * 4 + good.metric) * width + CONTEXT + part)[inside],
        ((good.after * 4 + good.metric) * width + part - (BINS - CONTEXT))[before],
    ])  # fmt: skip
    value = np.concatenate([good.value[inside], good.value[before]])
    if not len(slot):
        return np.full((size, 4, width), np.nan)
    starts, length = runs(np.r_[False, slot[1:] == slot[:-1]])
    rank = np.arange(len(slot)) - np.repeat(starts, length)
    kept = rank < BEST_OF_BIN
    grid = np.full((size * 4 * width, int(rank[kept].max()) + 1), np.nan)
    grid[slot[kept], rank[kept]] = value[kept]
    return _middle(grid).reshape(size, 4, width)


def _middle(values: Array) -> Array:
    """Median along the last axis over what is not NaN."""
    ordered = np.sort(values, axis=-1)  # NaN last
    count = np.count_nonzero(~np.isnan(values), axis=-1)[..., None]
    low = np.take_along_axis(ordered, np.maximum(count - 1, 0) // 2, axis=-1)
    high = np.take_along_axis(ordered, count // 2 - (count == values.shape[-1]) * (count // 2 == count), axis=-1)
    return np.asarray(((low + np.where(count % 2 == 1, low, high)) / 2)[..., 0])


def _ends(values: Array) -> tuple[Array, Array]:
    """First and last value along the last axis."""
    known = ~np.isnan(values)
    at = np.arange(len(values))
    return values[at, known.argmax(axis=1)], values[at, values.shape[1] - 1 - known[:, ::-1].argmax(axis=1)]


def _noise(good: _Minutes, size: int) -> tuple[Array, Array]:
    """Of each cell and metric the standard deviation of the noise of one reading, and the pause between two (ms).

    From differences between neighbours. The mean of their roots hardly sees a few large ones: for normal noise its square
    is 0.956 standard deviations.
    """
    place = good.cell * 4 + good.metric
    chosen = good.goes_on & (good.cell >= 0)
    count = np.maximum(np.bincount(place[chosen], minlength=size * 4), 1)
    squares = []
    for values in (good.value, good.ms.astype(np.float64)):
        roots = np.sqrt(np.abs(np.diff(values, prepend=0.0)))
        mean = np.bincount(place[chosen], roots[chosen], minlength=size * 4) / count
        squares.append((mean**2).reshape(size, 4))
    return squares[0] / 0.956, squares[1]


def _jumps(good: _Minutes, noise: Array, pause: Array) -> _Jumps:
    """Sudden changes: of medians of three readings before and after, half of it between two readings."""
    change = np.abs(np.diff(good.value, prepend=0.0))
    least = np.maximum(np.array(LEAST_JUMP)[good.metric], JUMP_NOISE * noise[good.cell, good.metric])
    at = np.flatnonzero(good.goes_on & (good.cell >= 0) & (change >= least))  # the reading after
    starts, length = runs(good.goes_on)
    series = np.searchsorted(starts, at, side="right") - 1
    first, last = starts[series], starts[series] + length[series] - 1
    before = _middle_of_three(*(good.value[np.maximum(at - back, first)] for back in (1, 2, 3)))
    after = _middle_of_three(*(good.value[np.minimum(at + ahead, last)] for ahead in (0, 1, 2)))
    size = np.abs(after - before)
    needed = np.maximum(least[at], JUMP_SHARE * np.maximum(np.abs(before), np.abs(after)))
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
    return jumped[:, :-1]


def _moved(level: Array, noise: Array, jumped: Truth) -> tuple[Array, Array]:
    """What was filled and drawn, in metres, by turning points further apart than the noise."""
    least = np.maximum(LEAST_MOVED_M, MOVED * noise)
    anchor = level[:, 0].copy()
    rise, fall = np.zeros(len(level)), np.zeros(len(level))
    for part in range(1, level.shape[1]):
        now = level[:, part]
        change = now - anchor
        told = np.abs(change) > least
        if part >= CONTEXT:
            counted = told & ~jumped[:, part]
            rise += np.where(counted & (change > 0), change, 0.0)
            fall -= np.where(counted & (change < 0), change, 0.0)
        renewed = ~np.isnan(now) & (told | np.isnan(anchor) | jumped[:, part] | (part < CONTEXT))
        anchor[renewed] = now[renewed]
    none = np.isnan(level[:, CONTEXT:]).all(axis=1)
    rise[none], fall[none] = np.nan, np.nan
    return rise, fall


def _frozen(good: _Minutes, size: int) -> Array:
    """The longest time for which the level repeated one value, in minutes; NaN without a reading."""
    level = good.take((good.metric == LEVEL) & (good.cell >= 0))
    longest = np.full(size, np.nan)
    if not len(level):
        return longest
    same = np.r_[False, (level.cell[1:] == level.cell[:-1]) & (level.value[1:] == level.value[:-1])]
    starts, length = runs(same)
    minutes = (level.ms[starts + length - 1] - level.ms[starts]) / 60_000 + 1.0
    cells, _ = runs(np.r_[False, np.diff(level.cell[starts]) == 0])
    longest[level.cell[starts[cells]]] = np.minimum(np.maximum.reduceat(minutes, cells), 60.0)
    return longest

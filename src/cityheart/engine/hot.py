"""The hot window: the last day of moving points in sorted arrays, answered in tens of microseconds.

After JUST's Z2T index (Li et al., ICDE 2020) by plain sorting: points are ordered by (z-order cell, time), so a box in
space and time is a few short ranges found by binary search, checked exactly. New batches are small sorted runs, merged
when they have grown. Positions are WGS84 degrees; times are aware and kept in microseconds UTC.
"""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from cityheart.engine.compiled import compiled, inner
from cityheart.engine.layout import CELL_BITS, cells, epoch_us, spread
from cityheart.kernel import limits
from cityheart.kernel.errors import BadRequest, Invalid

__all__ = ["HotWindow"]

_Floats = npt.NDArray[np.float64]
_Ints = npt.NDArray[np.int64]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TICK = 1_000  # microseconds of one step of the time in a sort key
_TICKS = 2**32  # steps a sort key can tell apart: 49 days from the oldest point of a run
_RANGES = 256  # cells looked up one by one; a larger box is looked up in coarser cells
_RUNS = 8  # sorted runs before they are merged
_NOTHING: _Ints = np.empty(0, dtype=np.int64)
_SPREAD = spread(np.arange(2**CELL_BITS, dtype=np.int64)).astype(np.uint64)  # half of a Morton code, for each step


@dataclass(frozen=True)
class _Run:
    """Points in the order of ``keys`` = cell * 2^32 + milliseconds since ``base``."""

    keys: npt.NDArray[np.uint64]
    lon: _Floats
    lat: _Floats
    time: _Ints
    base: int  # the oldest time
    until: int  # the newest time
    rows: pa.RecordBatch


@dataclass(frozen=True)
class _Box:
    west: float
    south: float
    east: float
    north: float
    start: int
    end: int


class HotWindow:
    """Points of the last hours, with any further columns. Safe for threads: readers never wait for a writer."""

    def __init__(self, *, lon: str, lat: str, time: str) -> None:
        self._names = (lon, lat, time)
        self._runs: tuple[_Run, ...] = ()
        self._lock = threading.Lock()
        self._schema: pa.Schema | None = None

    def __len__(self) -> int:
        return sum(len(run.keys) for run in self._runs)

    def add(self, rows: pa.Table) -> int:
        """Takes in a batch, in any order of time; returns how many points it had.

        Rows without a position on the globe or without a time are left out. Every batch has the columns of the first.
        """
        lon, lat, time = self._names
        if self._schema is None:
            self._schema = rows.schema
        if not rows.schema.equals(self._schema):
            raise Invalid("The batch has other columns than the window.", remedy="Select the window's columns first.")
        on_globe = pc.and_(
            pc.less_equal(pc.abs(rows[lon]), pa.scalar(180.0)), pc.less_equal(pc.abs(rows[lat]), pa.scalar(90.0))
        )
        rows = rows.filter(pc.and_(on_globe, pc.is_valid(rows[time])))
        if rows.num_rows == 0:
            return 0
        run = self._run(rows)
        with self._lock:
            runs = [*self._runs, run]
            while len(runs) > 1 and (len(runs) > _RUNS or len(runs[-2].keys) < 2 * len(runs[-1].keys)):
                last, before = runs.pop(), runs.pop()
                runs.append(self._run(pa.Table.from_batches([before.rows, last.rows])))
            self._runs = tuple(runs)
        return len(run.keys)

    def evict(self, before: datetime) -> int:
        """Forgets points with a time before that; returns how many."""
        limit = _us(before)
        gone = 0
        with self._lock:
            kept = []
            for run in self._runs:
                stay = run.time >= limit
                count = int(np.count_nonzero(stay))
                gone += len(stay) - count
                if count == len(stay):
                    kept.append(run)
                elif count:
                    kept.append(self._run(pa.Table.from_batches([run.rows.filter(pa.array(stay))])))
            self._runs = tuple(kept)
        return gone

    def box(self, west: float, south: float, east: float, north: float, start: datetime, end: datetime) -> pa.Table:
        """The rows with west <= lon <= east, south <= lat <= north, start <= time < end, in no promised order.

        A box with west > east crosses the 180th meridian.
        """
        found = []
        for box in _boxes(west, south, east, north, start, end):
            for run in self._runs:
                hits = _hits(run, box)
                if len(hits):
                    found.append(run.rows.take(pa.array(hits)))
        if self._schema is None:
            raise BadRequest("The window has not had a point yet.")
        return pa.Table.from_batches(found, schema=self._schema)

    def count(self, west: float, south: float, east: float, north: float, start: datetime, end: datetime) -> int:
        """How many rows :meth:`box` has."""
        boxes = _boxes(west, south, east, north, start, end)
        return sum(len(_hits(run, box)) for box in boxes for run in self._runs)

    def nearest(
        self, lon: float, lat: float, k: int, start: datetime, end: datetime, *, within_m: float = math.inf
    ) -> tuple[pa.Table, _Floats]:
        """The ``k`` rows nearest to a position with start <= time < end, nearest first, and how many metres away each is.

        Distances are those of a plane that touches the earth there: good to 1 % up to 100 km, further away only their
        order is right, roughly. Fewer rows when there are no more, or no more ``within_m``.
        """
        if not (abs(lon) <= 180.0 and abs(lat) <= 90.0) or math.isnan(within_m):
            raise BadRequest("A position needs a longitude and a latitude in degrees.")
        if not 1 <= k <= limits.HOT_NEAREST:
            raise BadRequest(f"{k} nearest points cannot be found.", remedy=f"Ask for 1 to {limits.HOT_NEAREST}.")
        if self._schema is None:
            raise BadRequest("The window has not had a point yet.")
        low, high = _us(start), _us(end)
        best = np.full(k, within_m * (1.0 + 1e-12))
        which, where = np.full(k, -1, dtype=np.int64), np.full(k, -1, dtype=np.int64)
        runs = self._runs
        for number, run in enumerate(runs):
            if low <= run.until and high > run.base:
                _nearest(
                    run.keys, run.lon, run.lat, run.time, run.base, lon, lat, low, high, number, best, which, where
                )
        count = int(np.count_nonzero(where >= 0))
        found = [runs[int(at)].rows.slice(int(row), 1) for at, row in zip(which[:count], where[:count], strict=True)]
        return pa.Table.from_batches(found, schema=self._schema), best[:count]

    def _run(self, rows: pa.Table) -> _Run:
        lon, lat = (np.asarray(rows[name].to_numpy(), dtype=np.float64) for name in self._names[:2])
        time = epoch_us(rows[self._names[2]])
        base = int(time.min())
        keys = (cells(lon, lat).astype(np.uint64) << np.uint64(32)) | _ticks(time, base)
        order = np.argsort(keys, kind="stable")
        batch = rows.take(pa.array(order)).combine_chunks().to_batches()[0]
        return _Run(keys[order], lon[order], lat[order], time[order], base, int(time.max()), batch)


def _hits(run: _Run, box: _Box) -> _Ints:
    """Positions in the run of the points inside the box."""
    if box.start > run.until or box.end <= run.base:
        return _NOTHING
    codes, shift = _cover(box)
    if shift:
        first = codes << np.uint64(2 * shift + 32)
        last = first + np.uint64((1 << (2 * shift + 32)) - 1)
    else:
        first = codes << np.uint64(32)
        last = first | np.uint64(min(max((box.end - 1 - run.base) // _TICK, 0), _TICKS - 1))
        first = first | np.uint64(min(max((box.start - run.base) // _TICK, 0), _TICKS - 1))
    low = run.keys.searchsorted(first, side="left")
    high = run.keys.searchsorted(last, side="right")
    length = high - low
    touched = length > 0
    low, length = low[touched], length[touched]
    if not len(low):
        return _NOTHING
    behind = length.cumsum()
    near = np.arange(behind[-1]) + (low - behind + length).repeat(length)
    lon, lat, time = run.lon[near], run.lat[near], run.time[near]
    inside = (lon >= box.west) & (lon <= box.east) & (lat >= box.south) & (lat <= box.north)
    inside &= (time >= box.start) & (time < box.end)
    return np.asarray(near[inside], dtype=np.int64)


def _cover(box: _Box) -> tuple[npt.NDArray[np.uint64], int]:
    """The Morton codes of the cells that the box touches, and by how many levels they are coarser than the finest."""
    side = 2**CELL_BITS
    x0, x1 = _step(box.west, 180.0, side / 360.0, side), _step(box.east, 180.0, side / 360.0, side)
    y0, y1 = _step(box.south, 90.0, side / 180.0, side), _step(box.north, 90.0, side / 180.0, side)
    shift = 0
    while ((x1 >> shift) - (x0 >> shift) + 1) * ((y1 >> shift) - (y0 >> shift) + 1) > _RANGES:
        shift += 1
    x = _SPREAD[x0 >> shift : (x1 >> shift) + 1]
    y = _SPREAD[y0 >> shift : (y1 >> shift) + 1] << np.uint64(1)
    return np.bitwise_or.outer(y, x).ravel(), shift


_DEGREE = math.pi / 180.0 * 6_371_008.8  # metres; the mean radius of the earth (IUGG)
_RINGS = 5  # of cells looked at around a position before larger cells are taken


@inner
def _code(x: int, y: int) -> int:
    """The Morton code of a cell: :func:`~cityheart.engine.layout.spread` for compiled code."""
    code = 0
    for bit in range(CELL_BITS):
        code |= ((x >> bit) & 1) << (2 * bit) | ((y >> bit) & 1) << (2 * bit + 1)
    return code


@inner
def _first(keys: npt.NDArray[np.uint64], low: int, wanted: np.uint64) -> int:
    """The first place from ``low`` on whose key is not below that: steps that double, then halves."""
    step, high, size = 1, low, keys.size
    while high < size and keys[high] < wanted:
        low = high + 1
        high += step
        step *= 2
    high = min(high, size)
    while low < high:
        middle = (low + high) // 2
        if keys[middle] < wanted:
            low = middle + 1
        else:
            high = middle
    return low


@inner
def _look(
    keys: npt.NDArray[np.uint64], lons: _Floats, lats: _Floats, times: _Ints, base: int, low: np.uint64, high: np.uint64,
    lon: float, lat: float, start: int, end: int, number: int, best: _Floats, which: _Ints, where: _Ints,
) -> None:  # fmt: skip
    """Looks at the points with keys from ``low`` to ``high``, passing over those of other times."""
    since = np.uint64(min(max(start - base, 0) // _TICK, _TICKS - 1))
    until = np.uint64(min(max(end - 1 - base, 0) // _TICK, _TICKS - 1))
    ticks = np.uint64(_TICKS - 1)
    scale = math.cos(lat * math.pi / 180.0)
    at = _first(keys, 0, low)
    last = best.size - 1
    while at < keys.size and keys[at] <= high:
        tick = keys[at] & ticks
        if tick < since:
            at = _first(keys, at, (keys[at] - tick) | since)
            continue
        if tick > until:
            if keys[at] | ticks == high:
                return
            at = _first(keys, at, (keys[at] | ticks) + np.uint64(1) + since)
            continue
        east = abs(lons[at] - lon)
        east = min(east, 360.0 - east) * scale
        north = lats[at] - lat
        away = math.sqrt(east * east + north * north) * _DEGREE
        if away < best[last] and times[at] >= start and times[at] < end:
            slot = last
            while slot > 0 and best[slot - 1] > away:
                best[slot], which[slot], where[slot] = best[slot - 1], which[slot - 1], where[slot - 1]
                slot -= 1
            best[slot], which[slot], where[slot] = away, number, at
        at += 1


@inner
def _gap(cell: int, x: float) -> float:
    """From a place to the nearer edge of a cell, in cells; 0 within it."""
    return max(cell - x, x - cell - 1.0, 0.0)


@compiled
def _nearest(
    keys: npt.NDArray[np.uint64], lons: _Floats, lats: _Floats, times: _Ints, base: int,
    lon: float, lat: float, start: int, end: int, number: int, best: _Floats, which: _Ints, where: _Ints,
) -> None:  # fmt: skip
    """Puts the nearest points of a run into ``best`` (metres, ascending), ``which`` (the run) and ``where`` (the place).

    Rings of cells around the position, until none that has not been looked at can hold a nearer point; when a few rings
    hold too little, cells of four times the size, and so on.
    """
    tell, tell_which, tell_where = best.copy(), which.copy(), where.copy()
    scale = math.cos(lat * math.pi / 180.0) * _DEGREE
    for level in range(0, CELL_BITS + 1, 2):
        side = 1 << (CELL_BITS - level)
        x, y = (lon + 180.0) * side / 360.0, (lat + 90.0) * side / 180.0
        column, row = min(int(x), side - 1), min(int(y), side - 1)
        size = np.uint64(2**64 - 1) >> np.uint64(2 * (CELL_BITS - level))  # of keys in one cell, less one
        wide, tall = 360.0 / side * scale, 180.0 / side * _DEGREE
        for ring in range(_RINGS):
            for dy in range(-ring, ring + 1):
                if row + dy < 0 or row + dy >= side:
                    continue
                for dx in range(-ring, ring + 1, 1 if abs(dy) == ring else max(2 * ring, 1)):
                    if dx and (2 * dx <= -side or 2 * dx > side):  # the globe is round: a column is looked at once
                        continue
                    away_x = _gap(column + dx, x)
                    if 2 * abs(dx) + 2 >= side:  # nearly opposite: it may be nearer the other way round
                        away_x = min(away_x, _gap(column + dx - side, x), _gap(column + dx + side, x))
                    away_x *= wide
                    away_y = max(row + dy - y, y - row - dy - 1.0, 0.0) * tall
                    if away_x * away_x + away_y * away_y > best[-1] * best[-1]:
                        continue
                    code = np.uint64(_code((column + dx) % side, row + dy))
                    low = (code << np.uint64(2 * level + 31)) << np.uint64(1)  # a shift by 64 would not be one
                    _look(keys, lons, lats, times, base, low, low | size,
                          lon, lat, start, end, number, best, which, where)  # fmt: skip
            reach = min((x - column + ring) * wide, (column + 1 + ring - x) * wide)
            if 2 * ring + 1 >= side:
                reach = math.inf
            south = (y - row + ring) * tall if row - ring > 0 else math.inf
            north = (row + 1 + ring - y) * tall if row + ring < side - 1 else math.inf
            if min(reach, south, north) >= best[-1] or min(reach, south, north) == math.inf:
                return
        best[:], which[:], where[:] = tell, tell_which, tell_where


def _step(value: float, origin: float, scale: float, side: int) -> int:
    return min(max(int((value + origin) * scale), 0), side - 1)


def _ticks(time: _Ints, base: int) -> npt.NDArray[np.uint64]:
    return np.clip((time - base) // _TICK, 0, _TICKS - 1).astype(np.uint64)


def _boxes(west: float, south: float, east: float, north: float, start: datetime, end: datetime) -> list[_Box]:
    low, high = _us(start), _us(end)
    if not all(map(np.isfinite, (west, south, east, north))):
        raise BadRequest("A box needs four numbers in degrees.")
    if high <= low or north < south:
        return []
    if west > east:
        return [_Box(west, south, 180.0, north, low, high), _Box(-180.0, south, east, north, low, high)]
    return [_Box(west, south, east, north, low, high)]


def _us(at: datetime) -> int:
    if at.tzinfo is None:
        raise BadRequest("A moment without a time zone.", remedy="Give an aware datetime.")
    return (at - _EPOCH) // timedelta(microseconds=1)

"""Which of many areas hold each of many points: polygons on a prepared grid, answered exactly as GEOS answers.

Most cells of the grid lie wholly inside or outside of an area, so most points cost one look. In the other cells a point is
tested (the even-odd rule, a ray to the east) against those edges of the area that can matter there. Where rounding could
decide about a point beside an edge, shapely decides, so the answer is that of ``ST_Intersects``: a point on the edge of
an area, or on a corner, is in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import shapely

from cityheart.engine.compiled import compiled, inner

__all__ = ["Polygons"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Span = tuple[int, int, int, int]

_AREAL = (3, 6)  # shapely's ids of a polygon and of polygons of several parts
_CELLS = 2**20  # of the grid, at most
_CELLS_PER_EDGE = 32
_POINTS = 65_536  # points answered together by one thread
_THREADS = 2
_MARGIN = 1e-6  # of a cell: what lies so near to its edge counts as being on both sides of it
_DOUBT = 4e-16  # of the two halves of a determinant; beyond it rounding does not turn its sign (Shewchuk 1997)


class _Grid(NamedTuple):
    """``frame``: west, south, east, north, cells a degree of longitude and of latitude. The entries of cell c are
    ``starts[c]`` to ``starts[c + 1]``: an area, whether the place far east of the tested edges is inside it, and the places
    in ``tested`` of the edges to test (none in a cell that is wholly inside). ``edges``: x1, y1, x2, y2 a line.
    """

    side: int
    frame: Floats
    starts: Ints
    area: Ints
    parity: npt.NDArray[np.int8]
    first: Ints  # of an entry in `tested`, one more at the end
    tested: Ints
    edges: Floats


class Polygons:
    """Areas in WGS84 degrees, or any plane, prepared for points by the million. Safe for threads.

    Any valid shapes may be among them; what is neither a polygon nor several, and what is not valid, is answered by shapely,
    which is slower.
    """

    def __init__(self, shapes: Sequence[shapely.Geometry]) -> None:
        self.shapes = np.array(list(shapes), dtype=object)
        kinds = shapely.get_type_id(self.shapes) if len(self.shapes) else np.zeros(0, dtype=np.int64)
        drawn = np.isin(kinds, _AREAL) & ~shapely.is_empty(self.shapes) & shapely.is_valid(self.shapes)
        self._drawn = np.flatnonzero(drawn)
        self._others = np.flatnonzero(~drawn & ~shapely.is_empty(self.shapes) & (kinds >= 0))
        self._grid = _prepared(self.shapes[self._drawn], self._drawn) if len(self._drawn) else None

    def __len__(self) -> int:
        return len(self.shapes)

    @property
    def bounds(self) -> Floats:
        """West, south, east, north of each; NaN for one that is empty."""
        return np.asarray(shapely.bounds(self.shapes), dtype=np.float64).reshape(-1, 4)

    def pairs(self, lon: Floats, lat: Floats, *, threads: int = _THREADS) -> tuple[Ints, Ints]:
        """Every pair of a point and an area that holds it, as their places, by point and then area.

        A point that is not finite is nowhere.
        """
        lon, lat = (np.ascontiguousarray(each, dtype=np.float64) for each in (lon, lat))
        parts = [slice(start, start + _POINTS) for start in range(0, len(lon), _POINTS)]
        if len(parts) > 1 and threads > 1:
            with ThreadPoolExecutor(threads, thread_name_prefix="areas") as pool:
                found = list(pool.map(lambda part: self._pairs(lon, lat, part), parts))
        else:
            found = [self._pairs(lon, lat, part) for part in parts]
        if not found:
            return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
        return np.concatenate([each[0] for each in found]), np.concatenate([each[1] for each in found])

    def counts(self, lon: Floats, lat: Floats, *, threads: int = _THREADS) -> Ints:
        """How many of the points each area holds."""
        return np.bincount(self.pairs(lon, lat, threads=threads)[1], minlength=len(self))

    def _pairs(self, lon: Floats, lat: Floats, part: slice) -> tuple[Ints, Ints]:
        x, y = lon[part], lat[part]
        point, area = _met(self._grid, x, y, self.shapes) if self._grid is not None else _none()
        if len(self._others):
            more = [(point, area)]
            for other in self._others.tolist():
                held = np.flatnonzero(shapely.intersects_xy(self.shapes[other], x, y))
                more.append((held, np.full(len(held), other, dtype=np.int64)))
            point, area = (np.concatenate([each[half] for each in more]) for half in (0, 1))
            order = np.lexsort((area, point))
            point, area = point[order], area[order]
        return point + (part.start or 0), area


def _none() -> tuple[Ints, Ints]:
    return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)


def _met(grid: _Grid, x: Floats, y: Floats, shapes: npt.NDArray[np.object_]) -> tuple[Ints, Ints]:
    """The pairs of these points; what the grid cannot decide is asked of shapely."""
    room = 2 * len(x) + 16
    while True:
        point, area = np.empty(room, dtype=np.int64), np.empty(room, dtype=np.int64)
        sure = np.empty(room, dtype=np.bool_)
        count = _find(*grid, x, y, point, area, sure)
        if count <= room:
            break
        room = count
    point, area, sure = point[:count], area[:count], sure[:count]
    if sure.all():
        return point, area
    doubted = np.flatnonzero(~sure)
    held = shapely.intersects_xy(shapes[area[doubted]], x[point[doubted]], y[point[doubted]])
    keep = sure.copy()
    keep[doubted] = held
    return point[keep], area[keep]


def _prepared(shapes: npt.NDArray[np.object_], names: Ints) -> _Grid:
    """The grid of valid polygons, which are called by ``names``."""
    lines, owners = [], []
    for name, shape in zip(names.tolist(), shapes, strict=True):
        rings = shapely.get_rings(shapely.get_parts(shape))
        for ring in rings:
            corners = np.asarray(shapely.get_coordinates(ring), dtype=np.float64)
            lines.append(np.hstack([corners[:-1], corners[1:]]))
            owners.append(np.full(len(corners) - 1, name, dtype=np.int64))
    edges, owner = np.concatenate(lines), np.concatenate(owners)
    west, south, east, north = shapely.total_bounds(shapes)
    side = int(np.clip(np.sqrt(_CELLS_PER_EDGE * len(edges)), 8, np.sqrt(_CELLS)))
    wide, high = max(east - west, 1e-12), max(north - south, 1e-12)
    frame = np.array([west, south, east, north, side / wide, side / high])
    order = np.argsort(owner, kind="stable")
    edges, owner = np.ascontiguousarray(edges[order]), owner[order]
    starts = np.flatnonzero(np.r_[True, owner[1:] != owner[:-1]])
    ends = np.r_[starts[1:], len(owner)]
    places = [_area(edges, begin, end, side, frame) for begin, end in zip(starts.tolist(), ends.tolist(), strict=True)]
    cell = np.concatenate([each[0] for each in places])
    area = np.repeat(owner[starts], [len(each[0]) for each in places])
    parity = np.concatenate([each[1] for each in places])
    counts = np.concatenate([each[2] for each in places])
    tested = np.concatenate([each[3] for each in places])
    turn = np.lexsort((area, cell))
    begins = np.r_[0, np.cumsum(counts)][:-1]
    moved = np.concatenate([[0], np.cumsum(counts[turn])])
    index = np.arange(moved[-1]) + np.repeat(begins[turn] - moved[:-1], counts[turn])
    heads = np.concatenate([[0], np.cumsum(np.bincount(cell, minlength=side * side))])
    return _Grid(side, frame, heads, area[turn], parity[turn].astype(np.int8), moved, tested[index], edges)


# ── compiled ───────────────────────────────────────────────────────────────────────────────────────────────────────


@inner
def _cell(value: float, low: float, scale: float, side: int) -> int:
    """The cell along one side; the last one holds the far end."""
    return min(max(int((value - low) * scale), 0), side - 1)


def _area(edges: Floats, begin: int, end: int, side: int, frame: Floats) -> tuple[Ints, Ints, Ints, Ints]:
    """The cells of one area: each with its parity, how many edges are to be tested there, and, in one run, which."""
    span = _span(edges, begin, end, side, frame)
    heads = np.zeros(span[1] - span[0] + 2, dtype=np.int64)
    _rows(edges, begin, end, side, frame, span, heads, heads, heads, False)
    heads = np.cumsum(heads)
    listed = np.empty(heads[-1], dtype=np.int64)
    _rows(edges, begin, end, side, frame, span, heads, heads[:-1].copy(), listed, True)
    nothing = np.empty(0, dtype=np.int64)
    cells, tests = _sweep(edges, listed, heads, side, frame, span, nothing, nothing, nothing, nothing, False)
    found, parities, counts = np.empty((3, cells), dtype=np.int64)
    tested = np.empty(tests, dtype=np.int64)
    _sweep(edges, listed, heads, side, frame, span, found, parities, counts, tested, True)
    return found, parities, counts, tested


@compiled
def _span(edges: Floats, begin: int, end: int, side: int, frame: Floats) -> Span:
    """The first and last row and column of cells that edges may touch."""
    low, high, left, right = np.inf, -np.inf, np.inf, -np.inf
    for e in range(begin, end):
        low, high = min(low, edges[e, 1], edges[e, 3]), max(high, edges[e, 1], edges[e, 3])
        left, right = min(left, edges[e, 0], edges[e, 2]), max(right, edges[e, 0], edges[e, 2])
    return (
        max(_cell(low, frame[1], frame[5], side) - 1, 0), min(_cell(high, frame[1], frame[5], side) + 1, side - 1),
        max(_cell(left, frame[0], frame[4], side) - 1, 0), min(_cell(right, frame[0], frame[4], side) + 1, side - 1),
    )  # fmt: skip


@compiled
def _rows(
    edges: Floats,
    begin: int,
    end: int,
    side: int,
    frame: Floats,
    span: Span,
    heads: Ints,
    filled: Ints,
    listed: Ints,
    fill: bool,
) -> None:
    """Counts the edges that reach into each row of cells (in ``heads``, one place on), or lists them."""
    bottom, top = span[0], span[1]
    margin = _MARGIN / frame[5]
    for e in range(begin, end):
        least, most = min(edges[e, 1], edges[e, 3]) - margin, max(edges[e, 1], edges[e, 3]) + margin
        first = max(_cell(least, frame[1], frame[5], side) - 1, bottom)
        last = min(_cell(most, frame[1], frame[5], side) + 1, top)
        for row in range(first, last + 1):
            floor = frame[1] + row / frame[5]
            ceiling = frame[1] + (row + 1) / frame[5]
            if most < floor - margin or least > ceiling + margin:
                continue
            if fill:
                listed[filled[row - bottom]] = e
                filled[row - bottom] += 1
            else:
                heads[row - bottom + 1] += 1


@inner
def _at(edges: Floats, e: int, y: float) -> float:
    """How far east an edge is at a latitude that it passes."""
    x1, y1, x2, y2 = edges[e, 0], edges[e, 1], edges[e, 2], edges[e, 3]
    if y <= min(y1, y2):
        return float(x1 if y1 < y2 else x2)
    if y >= max(y1, y2):
        return float(x2 if y1 < y2 else x1)
    return float(x1 + (y - y1) / (y2 - y1) * (x2 - x1))


@inner
def _inside(edges: Floats, listed: Ints, x: float, y: float) -> bool:
    """Whether a place that no edge comes near lies inside."""
    inside = False
    for i in range(len(listed)):
        e = listed[i]
        if (edges[e, 1] > y) != (edges[e, 3] > y) and _at(edges, e, y) > x:
            inside = not inside
    return inside


@inner
def _mark(edges: Floats, listed: Ints, side: int, frame: Floats, row: int, span: Span, touched: Bools) -> None:
    """Marks the cells of a row that an edge may touch."""
    margin_x, margin_y = _MARGIN / frame[4], _MARGIN / frame[5]
    floor, ceiling = frame[1] + row / frame[5] - margin_y, frame[1] + (row + 1) / frame[5] + margin_y
    touched[:] = False
    for i in range(len(listed)):
        e = listed[i]
        if edges[e, 1] == edges[e, 3]:
            a, b = edges[e, 0], edges[e, 2]
        else:
            a, b = _at(edges, e, floor), _at(edges, e, ceiling)
        first = max(_cell(min(a, b) - margin_x, frame[0], frame[4], side), span[2])
        last = min(_cell(max(a, b) + margin_x, frame[0], frame[4], side), span[3])
        for column in range(first, last + 1):
            touched[column - span[2]] = True


@compiled
def _sweep(
    edges: Floats,
    listed: Ints,
    heads: Ints,
    side: int,
    frame: Floats,
    span: Span,
    cells: Ints,
    parities: Ints,
    counts: Ints,
    tested: Ints,
    fill: bool,
) -> tuple[int, int]:
    """Counts the cells of an area and the edges to be tested in them, or notes them: a row after another."""
    margin_x, margin_y = _MARGIN / frame[4], _MARGIN / frame[5]
    touched = np.zeros(span[3] - span[2] + 1, dtype=np.bool_)
    cell, test = 0, 0
    for row in range(span[0], span[1] + 1):
        here = listed[heads[row - span[0]] : heads[row - span[0] + 1]]
        floor, ceiling = frame[1] + row / frame[5], frame[1] + (row + 1) / frame[5]
        _mark(edges, here, side, frame, row, span, touched)
        inside, known = False, False  # of the run of cells that no edge touches
        for column in range(span[2], span[3] + 1):
            west, east = frame[0] + column / frame[4], frame[0] + (column + 1) / frame[4]
            begun, parity = test, 0
            if touched[column - span[2]]:
                known = False
                for i in range(len(here)):
                    e = here[i]
                    if max(edges[e, 0], edges[e, 2]) < west - margin_x:
                        continue
                    least, most = min(edges[e, 1], edges[e, 3]), max(edges[e, 1], edges[e, 3])
                    beyond = min(edges[e, 0], edges[e, 2]) > east + margin_x
                    if beyond and least < floor - margin_y and most > ceiling + margin_y:
                        parity ^= 1  # every ray to the east from this cell meets it
                        continue
                    if fill:
                        tested[test] = e
                    test += 1
            else:
                if not known:
                    inside = _inside(edges, here, (west + east) / 2, (floor + ceiling) / 2)
                    known = True
                if not inside:
                    continue
                parity = 1
            if fill:
                cells[cell], parities[cell], counts[cell] = row * side + column, parity, test - begun
            cell += 1
    return cell, test


@inner
def _held(edges: Floats, tested: Ints, x: float, y: float, inside: bool) -> int:
    """Whether a point is inside, 1 or 0, by the edges that are to be tested; -1 where rounding might decide."""
    for i in range(len(tested)):
        e = tested[i]
        x1, y1, x2, y2 = edges[e, 0], edges[e, 1], edges[e, 2], edges[e, 3]
        if (x1 < x and x2 < x) or (y1 < y and y2 < y) or (y1 > y and y2 > y):
            continue
        if (x1 == x and y1 == y) or (x2 == x and y2 == y):
            return 1
        if y1 == y2:  # and that of the point
            if min(x1, x2) <= x <= max(x1, x2):
                return 1
            continue
        if (y1 > y) == (y2 > y):
            continue
        if x1 > x and x2 > x:
            inside = not inside
            continue
        left, right = (x1 - x) * (y2 - y), (x2 - x) * (y1 - y)
        size = abs(left) + abs(right)
        if abs(left - right) <= _DOUBT * size or size < 1e-280:
            return -1
        if (left > right) == (y2 > y1):
            inside = not inside
    return 1 if inside else 0


@compiled
def _find(
    side: int,
    frame: Floats,
    starts: Ints,
    area: Ints,
    parity: npt.NDArray[np.int8],
    first: Ints,
    tested: Ints,
    edges: Floats,
    x: Floats,
    y: Floats,
    point: Ints,
    found: Ints,
    sure: Bools,
) -> int:
    """Notes the pairs of points and areas; how many there are, also where the room is less."""
    count, room = 0, len(point)
    for p in range(len(x)):
        if not (frame[0] <= x[p] <= frame[2] and frame[1] <= y[p] <= frame[3]):
            continue
        cell = _cell(y[p], frame[1], frame[5], side) * side + _cell(x[p], frame[0], frame[4], side)
        for i in range(starts[cell], starts[cell + 1]):
            held = _held(edges, tested[first[i] : first[i + 1]], x[p], y[p], parity[i] == 1)
            if held != 0:
                if count < room:
                    point[count], found[count], sure[count] = p, area[i], held == 1
                count += 1
    return count

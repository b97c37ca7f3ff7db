"""The motion of one vehicle: its fixes, one after the other, and the stays, trips and visits that they are.

A fix is (time in microseconds since 1970 UTC, longitude, latitude in WGS84 degrees, load). A *stay* begins at the first
fix of a run that remains within ``radius`` of it for the time of a stay (Li et al., "Mining user similarity based on
location history", 2008) and goes on while fixes are within ``radius`` of its centre; one fix outside between two inside
is drift. What lies between stays is a *trip*. A fix that could only be reached at an impossible speed is noise, unless
the fixes that follow agree with it. *Visits* are the times inside the areas of a layer. The *way* of a trip and of a visit is
thinned as it goes on, to so many points that it can be kept beside it (SQUISH-E: Muckell et al., "Compression of trajectory
data: a comprehensive evaluation and new approach", 2014).

The state is one vector of numbers, and what :func:`take` does follows from state and fix alone. It says *records*: of
each matter the newest one counts. What is said at any moment is what it says of all fixes known by then in the order of
their time. A fix in that order moves the state on. For a late one the last fixes are kept, with the state before them:
they are gone through again, once as they were and once with it, and what is now different is said (:func:`follow`).

All of this is in one file because the compiled code that is kept on disk is made anew when its own file changes, and not
when a file changes from which it takes a function.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from cityheart.engine.compiled import compiled, inner, innermost

__all__ = [
    "AREAS", "AT_KNOWN", "BEFORE", "CLOSED", "CONTENT", "DEEP", "DEEPEST", "EARLY", "EMPTY", "ENDED", "FASTEST",
    "FELL_SILENT", "FIXES", "FOLDED", "HALF", "JUMPED", "KIND", "KNOWN", "LAT", "LAT2", "LATE", "LOADED", "LOAD_A",
    "LOAD_B", "LON", "LON2", "MOVED", "MOVED_ON", "NOISE", "NOTES", "OPEN", "PLACE", "POINTS", "RECORD", "SILENCE", "SINCE",
    "STATE_SIZE", "STATUS", "STAY", "TRIP", "UNIT", "UNTIL", "VISIT", "VISITS", "WAY", "WITHDRAWN", "Layer", "follow",
    "real", "sort_out",
]  # fmt: skip

_Floats = npt.NDArray[np.float64]
_Ints = npt.NDArray[np.int32]

# Parameters, as Parameters.vector() has them
P_RADIUS, P_TRIP, P_SPEED, P_JUMPS, P_ROWS = 0, 1, 2, 3, 4
P_STAY, P_STAY_GAP, P_BRIDGE, P_UPDATE, P_LATENESS, P_AHEAD = 5, 6, 7, 8, 9, 10
P_EDGE = 11

# A record: what it is, then its content
KIND, STATUS, KNOWN, PLACE, CONTENT = 0, 1, 2, 3, 4
STAY, TRIP, VISIT = 0, 1, 2
OPEN, CLOSED, WITHDRAWN = 0, 1, 2
SINCE, UNTIL, LON, LAT, LON2, LAT2, MOVED, FIXES, LOAD_A, LOAD_B = 0, 1, 2, 3, 4, 5, 6, 7, 8, 9
LOADED, EMPTY, SILENCE, FASTEST, NOISE, ENDED = 10, 11, 12, 13, 14, 15
HALF, DEEPEST, DEEP = 16, 17, 18
# A trip goes from LON, LAT to LON2, LAT2. A stay is at LON, LAT, the mean of its fixes, and was at LON2, LAT2 when it
# was recognised, which names the place of it once and for all; MOVED is how far its fixes lie from the mean.
# HALF is the part of LOADED with a load of 1. DEEPEST is how far inside its area a visit came, DEEP how many of its fixes
# were farther inside than the edge is sharp.
MOVED_ON, FELL_SILENT, JUMPED = 0.0, 1.0, 2.0  # how a matter ended
_FIELDS = 19
WAY = CONTENT + _FIELDS  # of a trip that is over and of a visit: the line of its way, 0 without one
RECORD = WAY + 1
# Ways are lines of time and place (see _code) of each point, then zeros. Line 0 is none: it says how many follow,
# and holds the areas at a position while these are looked at.
POINTS = 24  # of the way of a trip or visit, at most

AREAS = 4  # areas of one layer that a vehicle can be in at once
ROOM = 2 * AREAS + 10  # records that one fix may give, at most

# The state: the last fix, a jump that waits for others, a fix outside a stay, then matters, then candidates of a stay
HAS, LAST, JUMP, OUT, STAYING, COUNT, LEFT_OUT, SUM_LON, SUM_LAT = 0, 1, 5, 9, 14, 15, 16, 17, 18
FIX, LEFT = 19, 23  # the fix at hand; the end of a stay, from which a trip begins
_HEAD = 27
_ACTIVE, _SAID, _NOW, _TOLD = 0, 1, 2, 2 + _FIELDS
_MATTER = 2 + 2 * _FIELDS
_AREA = _HEAD + (2 + AREAS) * _MATTER  # the area of each visit
_CANDIDATES = _AREA + AREAS
_MOST = 64  # candidates kept; closer ones are thinned out
_WAYS = _CANDIDATES + 4 * _MOST  # the way of the trip and of each visit: a count, then points
_POINT = 6  # time, lon, lat, load, the most that was lost beside it, how much would be lost without it
_ONE_WAY = 1 + (POINTS + 1) * _POINT
STATE_SIZE = _WAYS + (1 + AREAS) * _ONE_WAY
VISITS = slice(_HEAD + 2 * _MATTER, _CANDIDATES)  # what a state knows of visits under way
VISITED = slice(_WAYS + _ONE_WAY, STATE_SIZE)  # and of their ways

NOTES = 5  # numbers kept of each vehicle beside its state:
AT_KNOWN, BEFORE, FOLDED, LATE, EARLY = 0, 1, 2, 3, 4
# when a row was known last; the newest time known before that; up to when fixes are in the state; rows left out

_STEP = 128  # fixes between two states that are kept while rows are gone through
_KEPT_STATES = 256  # of these, at most

UNIT = 1e-7  # degrees: positions are taken to about a centimetre
_DEGREE = math.pi / 180.0 * 6_371_008.8  # metres; the mean radius of the earth (IUGG)
_RADIAN = math.pi / 180.0


class Layer(NamedTuple):
    """Areas as two arrays.

    ``grid``: the cells along each side; for each cell and one more where its list of areas begins; for each area and one
    more where its edges begin; the lists. All places are counted in the array they are in.
    ``edges``: west, south, cells per degree of longitude and latitude; then every edge as lon, lat, lon2, lat2.
    """

    grid: npt.NDArray[np.int32]
    edges: npt.NDArray[np.float64]


@innermost
def _depth(grid: _Ints, edges: _Floats, area: int, lon: float, lat: float) -> float:
    """How many metres a position lies from the nearest edge of an area."""
    starts = 1 + 1 + grid[0] * grid[0]
    least = math.inf
    wide = _DEGREE * math.cos(lat * _RADIAN)
    for e in range(grid[starts + area], grid[starts + area + 1]):
        x, y = (edges[e, 0] - lon) * wide, (edges[e, 1] - lat) * _DEGREE
        dx, dy = (edges[e, 2] - edges[e, 0]) * wide, (edges[e, 3] - edges[e, 1]) * _DEGREE
        length = dx * dx + dy * dy
        at = min(1.0, max(0.0, -(x * dx + y * dy) / length)) if length > 0.0 else 0.0
        x += at * dx
        y += at * dy
        least = min(least, x * x + y * y)
    return math.sqrt(least)


@innermost
def areas_at(grid: _Ints, edges: _Floats, lon: float, lat: float, found: _Floats) -> int:
    """Writes the numbers of the areas that a position lies in, ``AREAS`` at most; returns how many there are."""
    side = grid[0]
    x = (lon - edges[0, 0]) * edges[0, 2]
    y = (lat - edges[0, 1]) * edges[0, 3]
    if side == 0 or not (x >= 0.0 and y >= 0.0 and x <= side and y <= side):
        return 0
    cell = 1 + min(int(y), side - 1) * side + min(int(x), side - 1)
    starts = 1 + side * side + 1
    count = 0
    for i in range(grid[cell], grid[cell + 1]):
        area = grid[i]
        inside = False
        for e in range(grid[starts + area], grid[starts + area + 1]):
            south, north = edges[e, 1], edges[e, 3]
            if (south > lat) != (north > lat):
                if lon < (edges[e, 2] - edges[e, 0]) * (lat - south) / (north - south) + edges[e, 0]:
                    inside = not inside
        if inside and count < AREAS:
            found[count] = area
            count += 1
    return count


@innermost
def metres(lon: float, lat: float, lon2: float, lat2: float) -> float:
    """The distance of two positions in degrees, exact to 0.5 % within 100 km."""
    east = lon2 - lon
    if east > 180.0:
        east -= 360.0
    elif east < -180.0:
        east += 360.0
    north = lat2 - lat
    east *= math.cos((lat + lat2) * 0.5 * _RADIAN)
    return math.sqrt(east * east + north * north) * _DEGREE


@innermost
def _clear(s: _Floats, at: int, count: int) -> None:
    for i in range(at, at + count):
        s[i] = 0.0


@innermost
def _lost_without(s: _Floats, point: int) -> float:
    """How far from the way a point would be if it was left out, plus what was lost beside it already."""
    a, b = point - _POINT, point + _POINT
    share = (s[point] - s[a]) / (s[b] - s[a]) if s[b] > s[a] else 0.0
    lon, lat = s[a + 1] + share * (s[b + 1] - s[a + 1]), s[a + 2] + share * (s[b + 2] - s[a + 2])
    away: float = s[point + 4] + metres(lon, lat, s[point + 1], s[point + 2])
    return away


@innermost
def _way(at: int) -> int:
    """Where the way of a trip or visit is kept."""
    return _WAYS + ((at - _HEAD) // _MATTER - 1) * _ONE_WAY


@innermost
def _point(s: _Floats, way: int, f: int) -> None:
    """The way goes on to a fix; beyond so many points the one that matters least is left out."""
    count = int(s[way])
    first, new = way + 1, way + 1 + count * _POINT
    for i in range(4):
        s[new + i] = s[f + i]
    s[new + 4] = s[new + 5] = 0.0
    count += 1
    if count > 2:
        s[new - 1] = _lost_without(s, new - _POINT)
    if count > POINTS:
        least = first + _POINT
        for i in range(2, count - 1):
            if s[first + i * _POINT + 5] < s[least + 5]:
                least = first + i * _POINT
        before, lost = least - _POINT, s[least + 5]
        s[before + 4] = max(s[before + 4], lost)
        s[least + _POINT + 4] = max(s[least + _POINT + 4], lost)
        for i in range(least, new):
            s[i] = s[i + _POINT]
        _clear(s, new, _POINT)
        count -= 1
        if before > first:
            s[before + 5] = _lost_without(s, before)
        if least < new - _POINT:
            s[least + 5] = _lost_without(s, least)
    s[way] = count


@innermost
def _code(lon: float, lat: float, load: float) -> float:
    """A place to 0.00001 degrees and a load (-1 to 6) as one whole number that a float holds exactly."""
    east = math.floor((lon + 180.0) * 1e5 + 0.5)
    north = math.floor((lat + 90.0) * 1e5 + 0.5)
    return (east * 18_000_001.0 + north) * 8.0 + min(load, 6.0) + 1.0


@innermost
def _begin(s: _Floats, at: int, f: int) -> None:
    """A matter begins at a fix."""
    _clear(s, at, _MATTER)
    s[at + _ACTIVE] = 1.0
    now = at + _NOW
    s[now + SINCE] = s[now + UNTIL] = s[f]
    s[now + LON] = s[now + LON2] = s[f + 1]
    s[now + LAT] = s[now + LAT2] = s[f + 2]
    s[now + FIXES] = 1.0
    s[now + LOAD_A] = s[now + LOAD_B] = s[f + 3]
    if at != _HEAD:
        _clear(s, _way(at), _ONE_WAY)
        _point(s, _way(at), f)


@innermost
def _lengthen(s: _Floats, at: int, f: int) -> None:
    """A matter goes on to a fix: way, silence, speed, time with and without a load."""
    now = at + _NOW
    time, lon, lat, load = s[f], s[f + 1], s[f + 2], s[f + 3]
    way = metres(s[now + LON2], s[now + LAT2], lon, lat)
    span = time - s[now + UNTIL]
    s[now + MOVED] += way
    s[now + SILENCE] = max(s[now + SILENCE], span)
    if span > 0.0:
        s[now + FASTEST] = max(s[now + FASTEST], way / span)
    if s[now + LOAD_B] > 0.0:
        s[now + LOADED] += span
        if s[now + LOAD_B] == 1.0:
            s[now + HALF] += span
    elif s[now + LOAD_B] == 0.0:
        s[now + EMPTY] += span
    s[now + UNTIL] = time
    s[now + LON2] = lon
    s[now + LAT2] = lat
    s[now + FIXES] += 1.0
    if load >= 0.0:
        s[now + LOAD_B] = load
        if s[now + LOAD_A] < 0.0:
            s[now + LOAD_A] = load
    if at != _HEAD:
        _point(s, _way(at), f)


@innermost
def _inside(s: _Floats, p: _Floats, at: int, depth: float) -> None:
    """A visit is so many metres inside its area."""
    now = at + _NOW
    s[now + DEEPEST] = max(s[now + DEEPEST], depth)
    if depth >= p[P_EDGE]:
        s[now + DEEP] += 1.0


@innermost
def _say(s: _Floats, at: int, status: float, out: _Floats, ways: _Floats, n: int) -> int:
    """Writes a record of a matter: what it is now; returns the number of records."""
    slot = (at - _HEAD) // _MATTER
    out[n, KIND] = min(slot, VISIT)
    out[n, STATUS] = status
    out[n, PLACE] = s[_AREA + slot - 2] if slot >= 2 else -1.0
    now = at + _NOW
    for field in range(_FIELDS):
        s[at + _TOLD + field] = s[now + field]
        out[n, CONTENT + field] = s[now + field]
    out[n, WAY] = 0.0
    if slot >= 2 or (slot == 1 and status == CLOSED):
        line = int(ways[0, 0]) + 1
        ways[0, 0] = out[n, WAY] = line
        way = _way(at)
        count = int(s[way])
        for i in range(count):
            point = way + 1 + i * _POINT
            ways[line, 2 * i] = s[point]
            ways[line, 2 * i + 1] = _code(s[point + 1], s[point + 2], s[point + 3])
        for i in range(2 * count, 2 * POINTS):
            ways[line, i] = 0.0
    s[at + _SAID] = 1.0
    return n + 1


@innermost
def _worth(s: _Floats, p: _Floats, at: int) -> bool:
    """Whether a matter is said: every stay and visit, a trip that is long enough."""
    return bool(at != _HEAD + _MATTER or s[at + _SAID] > 0.0 or s[at + _NOW + MOVED] >= p[P_TRIP])


@innermost
def _close(s: _Floats, p: _Floats, at: int, how: float, out: _Floats, ways: _Floats, n: int) -> int:
    """Ends a matter where it is."""
    if s[at + _ACTIVE] > 0.0:
        s[at + _NOW + ENDED] = how
        if _worth(s, p, at):
            n = _say(s, at, CLOSED, out, ways, n)
        _clear(s, at, _MATTER)
        if at != _HEAD:
            _clear(s, _way(at), _ONE_WAY)
    return n


@innermost
def _close_visits(s: _Floats, p: _Floats, how: float, out: _Floats, ways: _Floats, n: int) -> int:
    for slot in range(AREAS):
        n = _close(s, p, _HEAD + (2 + slot) * _MATTER, how, out, ways, n)
    return n


@innermost
def _visits(s: _Floats, p: _Floats, f: int, grid: _Ints, edges: _Floats, out: _Floats, ways: _Floats, n: int) -> int:
    """Visits to areas go on, end and begin at a fix."""
    if grid.size == 1:
        return n
    areas = ways[0, 1:]
    count = areas_at(grid, edges, s[f + 1], s[f + 2], areas)
    for slot in range(AREAS):
        at = _HEAD + (2 + slot) * _MATTER
        if s[at + _ACTIVE] == 0.0:
            continue
        inside = False
        for i in range(count):
            inside |= areas[i] == s[_AREA + slot]
        if inside:
            _lengthen(s, at, f)
            _inside(s, p, at, _depth(grid, edges, int(s[_AREA + slot]), s[f + 1], s[f + 2]))
        else:
            n = _close(s, p, at, MOVED_ON, out, ways, n)
    for i in range(count):
        area = int(areas[i])
        known, free = False, -1
        for slot in range(AREAS - 1, -1, -1):
            if s[_HEAD + (2 + slot) * _MATTER + _ACTIVE] == 0.0:
                free = slot
            elif s[_AREA + slot] == area:
                known = True
        if not known and free >= 0:
            s[_AREA + free] = area
            _begin(s, _HEAD + (2 + free) * _MATTER, f)
            _inside(s, p, _HEAD + (2 + free) * _MATTER, _depth(grid, edges, area, s[f + 1], s[f + 2]))
    return n


@innermost
def _move(s: _Floats, c: int) -> None:
    """The oldest candidate is no beginning of a stay: the vehicle moved there."""
    trip = _HEAD + _MATTER
    if s[trip + _ACTIVE] > 0.0:
        _lengthen(s, trip, c)
    else:
        _begin(s, trip, c)
    count = int(s[COUNT]) - 1
    for i in range(c, c + 4 * count):
        s[i] = s[i + 4]
    _clear(s, c + 4 * count, 4)
    s[COUNT] = count


@innermost
def _away(s: _Floats, p: _Floats) -> bool:
    """Whether a candidate lies outside the radius of the first."""
    c = _CANDIDATES
    for i in range(1, int(s[COUNT])):  # noqa: SIM110  (compiled code has no generators)
        if metres(s[c + 1], s[c + 2], s[c + 4 * i + 1], s[c + 4 * i + 2]) > p[P_RADIUS]:
            return True
    return False


@innermost
def _candidate(s: _Floats, f: int) -> None:
    at = _CANDIDATES + 4 * int(s[COUNT])
    for i in range(4):
        s[at + i] = s[f + i]
    s[COUNT] += 1.0


@innermost
def _park(s: _Floats, p: _Floats, out: _Floats, ways: _Floats, n: int) -> int:
    """The candidates are a stay: the trip ends at the first of them."""
    c, trip = _CANDIDATES, _HEAD + _MATTER
    if s[trip + _ACTIVE] > 0.0:
        _lengthen(s, trip, c)
        n = _close(s, p, trip, MOVED_ON, out, ways, n)
    _begin(s, _HEAD, c)
    s[SUM_LON], s[SUM_LAT] = s[c + 1], s[c + 2]
    for i in range(1, int(s[COUNT])):
        at = c + 4 * i
        _remain(s, at)
    s[_HEAD + _NOW + LON2], s[_HEAD + _NOW + LAT2] = s[_HEAD + _NOW + LON], s[_HEAD + _NOW + LAT]
    _clear(s, c, 4 * _MOST)
    s[COUNT] = 0.0
    s[STAYING] = 1.0
    return n


@innermost
def _remain(s: _Floats, f: int) -> None:
    """A stay goes on; its position is the mean of its fixes, its way the farthest of them from it."""
    now = _HEAD + _NOW
    lon, lat = s[f + 1], s[f + 2]
    far, first_lon, first_lat = s[now + MOVED], s[now + LON2], s[now + LAT2]
    _lengthen(s, _HEAD, f)
    s[SUM_LON] += lon
    s[SUM_LAT] += lat
    s[now + LON] = s[SUM_LON] / s[now + FIXES]
    s[now + LAT] = s[SUM_LAT] / s[now + FIXES]
    s[now + LON2], s[now + LAT2] = first_lon, first_lat
    s[now + MOVED] = max(far, metres(s[now + LON], s[now + LAT], lon, lat))
    s[now + FASTEST] = 0.0


@innermost
def _lost(s: _Floats, p: _Floats, how: float, out: _Floats, ways: _Floats, n: int) -> int:
    """Nothing is known of what follows: all that is under way ends at the last fix."""
    while s[COUNT] > 0.0:
        _move(s, _CANDIDATES)
    n = _close(s, p, _HEAD, how, out, ways, n)
    n = _close(s, p, _HEAD + _MATTER, how, out, ways, n)
    n = _close_visits(s, p, how, out, ways, n)
    s[STAYING] = s[OUT] = 0.0
    return n


@innermost
def _roll(s: _Floats, p: _Floats, f: int, grid: _Ints, edges: _Floats, out: _Floats, ways: _Floats, n: int) -> int:
    """A fix of a vehicle that is not staying."""
    c = _CANDIDATES
    time, lon, lat = s[f], s[f + 1], s[f + 2]
    count = int(s[COUNT])
    if count > 0:
        last = c + 4 * (count - 1)
        silence = time - s[last]
        near = metres(s[c + 1], s[c + 2], lon, lat) <= p[P_RADIUS]
        if near and silence <= p[P_STAY_GAP]:
            if count < _MOST and (count == 1 or silence >= p[P_STAY] / (_MOST - 4) or time - s[c] >= p[P_STAY]):
                _candidate(s, f)
            n = _visits(s, p, f, grid, edges, out, ways, n)
            return _park(s, p, out, ways, n) if time - s[c] >= p[P_STAY] else n
        if silence > p[P_BRIDGE]:
            n = _lost(s, p, FELL_SILENT, out, ways, n)
        elif count == _MOST:
            _move(s, c)
    _candidate(s, f)
    while s[COUNT] > 1.0 and _away(s, p):
        _move(s, c)
    n = _visits(s, p, f, grid, edges, out, ways, n)
    return _park(s, p, out, ways, n) if time - s[c] >= p[P_STAY] else n


@innermost
def _stand(s: _Floats, p: _Floats, f: int, grid: _Ints, edges: _Floats, out: _Floats, ways: _Floats, n: int) -> int:
    """A fix of a vehicle that is staying."""
    now = _HEAD + _NOW
    silence = s[f] - s[now + UNTIL]
    if metres(s[now + LON], s[now + LAT], s[f + 1], s[f + 2]) <= p[P_RADIUS] and silence <= p[P_STAY_GAP]:
        if s[OUT] > 0.0:
            s[OUT] = 0.0
            s[LEFT_OUT] += 1.0
        _remain(s, f)
        return _visits(s, p, f, grid, edges, out, ways, n)
    if s[OUT] == 0.0 and silence <= p[P_BRIDGE]:
        s[OUT] = 1.0
        for i in range(4):
            s[OUT + 1 + i] = s[f + i]
        return n
    s[LEFT], s[LEFT + 1], s[LEFT + 2], s[LEFT + 3] = s[now + UNTIL], s[now + LON], s[now + LAT], s[now + LOAD_B]
    waiting = s[OUT] > 0.0
    s[OUT] = s[STAYING] = 0.0
    n = _close(s, p, _HEAD, MOVED_ON if waiting else FELL_SILENT, out, ways, n)
    if not waiting:
        n = _close_visits(s, p, FELL_SILENT, out, ways, n)
        return _roll(s, p, f, grid, edges, out, ways, n)
    _begin(s, _HEAD + _MATTER, LEFT)
    n = _roll(s, p, OUT + 1, grid, edges, out, ways, n)
    return _roll(s, p, f, grid, edges, out, ways, n)


@innermost
def _jumped(s: _Floats, p: _Floats, f: int) -> bool:
    """Whether a fix is too far from the last to be true, for now: fixes that agree with it may follow."""
    reach = p[P_RADIUS]
    time, lon, lat = s[f], s[f + 1], s[f + 2]
    if metres(s[LAST + 1], s[LAST + 2], lon, lat) <= p[P_SPEED] * (time - s[LAST]) + reach:
        s[JUMP] = 0.0
        return False
    agrees = s[JUMP] > 0.0 and metres(s[JUMP + 2], s[JUMP + 3], lon, lat) <= p[P_SPEED] * (time - s[JUMP + 1]) + reach
    s[JUMP] = s[JUMP] + 1.0 if agrees else 1.0
    s[JUMP + 1], s[JUMP + 2], s[JUMP + 3] = time, lon, lat
    return True


@innermost
def take(s: _Floats, p: _Floats, grid: _Ints, edges: _Floats, out: _Floats, ways: _Floats, n: int) -> int:
    """Takes the fix at ``FIX``, later than all before; writes at most ``ROOM`` records from ``out[n]`` on, returns their end.

    A fix: time, longitude, latitude, load (0 empty, above 0 loaded, -1 unknown). ``grid``
    and ``edges``: those of a layer, whose visits are told.
    """
    if s[HAS] > 0.0 and _jumped(s, p, FIX):
        s[LEFT_OUT] += 1.0
        if s[JUMP] < p[P_JUMPS]:
            return n
        n = _lost(s, p, JUMPED, out, ways, n)  # it is really there
        s[JUMP] = 0.0
    s[HAS] = 1.0
    if s[STAYING] > 0.0:
        n = _stand(s, p, FIX, grid, edges, out, ways, n)
    else:
        n = _roll(s, p, FIX, grid, edges, out, ways, n)
    for i in range(4):
        s[LAST + i] = s[FIX + i]
    if s[LEFT_OUT] > 0.0:
        at = _HEAD if s[STAYING] > 0.0 else _HEAD + _MATTER
        if s[at + _ACTIVE] > 0.0:
            s[at + _NOW + NOISE] += s[LEFT_OUT]
            s[LEFT_OUT] = 0.0
    for slot in range(2 + AREAS):
        at = _HEAD + slot * _MATTER
        if s[at + _ACTIVE] > 0.0:
            stale = s[at + _NOW + UNTIL] - s[at + _TOLD + UNTIL] >= p[P_UPDATE]
            if slot >= 2:  # of a visit it is told early, and then ever more seldom, that it is clearly inside
                stale |= s[at + _NOW + DEEP] >= max(2.0, 2.0 * s[at + _TOLD + DEEP])
            if (s[at + _SAID] == 0.0 and _worth(s, p, at)) or (s[at + _SAID] > 0.0 and stale):
                n = _say(s, at, OPEN, out, ways, n)
    return n


@innermost
def told(s: _Floats, out: _Floats, n: int) -> int:
    """Writes what was said last of each matter that is under way, without its way."""
    for slot in range(2 + AREAS):
        at = _HEAD + slot * _MATTER
        if s[at + _ACTIVE] > 0.0 and s[at + _SAID] > 0.0:
            out[n, KIND] = min(slot, VISIT)
            out[n, STATUS] = OPEN
            out[n, PLACE] = s[_AREA + slot - 2] if slot >= 2 else -1.0
            for field in range(_FIELDS):
                out[n, CONTENT + field] = s[at + _TOLD + field]
            out[n, WAY] = 0.0
            n += 1
    return n


@inner
def _room(a: _Floats, used: int, more: int) -> _Floats:
    """The array with its first ``used`` lines and room for more."""
    if used + more <= a.shape[0]:
        return a
    larger = np.empty((2 * a.shape[0] + more, a.shape[1]))
    for i in range(used):
        for j in range(a.shape[1]):
            larger[i, j] = a[i, j]
    return larger


@inner
def _no_ways() -> _Floats:
    ways = np.empty((2 * ROOM, 2 * POINTS))
    ways[0, 0] = 0.0
    return ways


@inner
def _fold(
    s: _Floats,
    p: _Floats,
    grid: _Ints,
    edges: _Floats,
    b: _Floats,
    low: int,
    high: int,
    out: _Floats,
    ways: _Floats,
    n: int,
) -> tuple[_Floats, _Floats, int]:
    """Takes the fixes ``low`` to ``high``."""
    for i in range(low, high):
        if n + ROOM > out.shape[0]:
            out = _room(out, n, ROOM)
        if ways[0, 0] + 1 + ROOM > ways.shape[0]:
            ways = _room(ways, int(ways[0, 0]) + 1, ROOM)
        for j in range(4):
            s[FIX + j] = b[i, j]
        n = take(s, p, grid, edges, out, ways, n)
    return out, ways, n


@innermost
def _find(records: _Floats, low: int, high: int, one: _Floats) -> int:
    """The last record about the same matter; -1 without one.

    A matter has a kind, a place and a beginning; a stay also where it was when it was recognised.
    """
    for i in range(high - 1, low - 1, -1):
        same = records[i, KIND] == one[KIND] and records[i, PLACE] == one[PLACE] and records[i, CONTENT] == one[CONTENT]
        if same and one[KIND] == STAY:
            lon, lat = CONTENT + LON2, CONTENT + LAT2
            same = records[i, lon] == one[lon] and records[i, lat] == one[lat]
        if same:
            return i
    return -1


@innermost
def _differ(one: _Floats, ways: _Floats, other: _Floats, other_ways: _Floats) -> bool:
    """Whether two records of one matter say different things of it."""
    if one[STATUS] != other[STATUS] or (one[WAY] > 0.0) != (other[WAY] > 0.0):
        return True
    for j in range(CONTENT, WAY):
        if one[j] != other[j]:
            return True
    if one[WAY] > 0.0:
        for j in range(2 * POINTS):
            if ways[int(one[WAY]), j] != other_ways[int(other[WAY]), j]:
                return True
    return False


@innermost
def _again(one: _Floats, ways: _Floats, out: _Floats, out_ways: _Floats, n: int) -> int:
    """Writes a record once more; returns the number of records."""
    for j in range(RECORD):
        out[n, j] = one[j]
    if one[WAY] > 0.0:
        line = int(out_ways[0, 0]) + 1
        out_ways[0, 0] = out[n, WAY] = line
        for j in range(2 * POINTS):
            out_ways[line, j] = ways[int(one[WAY]), j]
    return n + 1


@inner
def _correct(
    old: _Floats,
    old_ways: _Floats,
    old_n: int,
    new: _Floats,
    new_ways: _Floats,
    new_n: int,
    out: _Floats,
    ways: _Floats,
    n: int,
) -> tuple[_Floats, _Floats, int]:
    """Says what is different now: first the matters that never were, then those that are new or changed."""
    out = _room(out, n, old_n + new_n)
    ways = _room(ways, int(ways[0, 0]) + 1, old_n + new_n)
    for i in range(old_n):
        one = old[i]
        if _find(old, i + 1, old_n, one) < 0 and _find(new, 0, new_n, one) < 0:
            n = _again(one, old_ways, out, ways, n)
            out[n - 1, STATUS] = WITHDRAWN
    for i in range(new_n):
        one = new[i]
        if _find(new, i + 1, new_n, one) >= 0:
            continue
        at = _find(old, 0, old_n, one)
        if at < 0 or _differ(old[at], old_ways, one, new_ways):
            n = _again(one, new_ways, out, ways, n)
    return out, ways, n


@innermost
def _insert(b: _Floats, head: int, tail: int, row: _Floats) -> int:
    """Puts a late fix where it belongs, in place of one of the same time; returns the new end."""
    at = tail
    while at > head and b[at - 1, 0] >= row[0]:
        at -= 1
    same = at < tail and b[at, 0] == row[0]
    if not same:
        for i in range(tail, at, -1):
            for j in range(4):
                b[i, j] = b[i - 1, j]
    for j in range(4):
        b[at, j] = row[j]
    return tail if same else tail + 1


@inner
def _advance(
    base: _Floats,
    p: _Floats,
    grid: _Ints,
    edges: _Floats,
    b: _Floats,
    low: int,
    high: int,
    step: int,
    passed: npt.NDArray[np.bool_],
    states: _Floats,
) -> None:
    """Moves the state after ``low`` fixes on to that after ``high``, from the last one that was passed between them.

    Line ``k`` of ``states`` is that after ``k * step`` fixes, where that is ``passed``.
    """
    k = high // step
    while k * step > low and not passed[k]:
        k -= 1
    if k * step > low:
        for i in range(STATE_SIZE):
            base[i] = states[k, i]
        low = k * step
    out, ways = np.empty((ROOM, RECORD)), _no_ways()
    for i in range(low, high):
        for j in range(4):
            base[FIX + j] = b[i, j]
        ways[0, 0] = 0.0
        take(base, p, grid, edges, out, ways, 0)


@compiled
def follow(
    base: _Floats, p: _Floats, layer: Layer, kept: _Floats, rows: _Floats, notes: _Floats
) -> tuple[_Floats, _Floats, _Floats]:
    """Goes through rows (time, lon, lat, load, known) in the order of known, time and landing.

    Times in microseconds since 1970 UTC, positions in degrees. ``kept``: the fixes (time, lon, lat, load) of before that
    are not in the state ``base`` yet; ``base`` and ``notes`` are moved on. Returns the records, in the order of what was
    known, the ways that they name, and the fixes to keep.
    """
    grid, edges = layer.grid, layer.edges
    head, tail = 0, kept.shape[0]
    b = np.empty((tail + rows.shape[0] + 1, 4))
    for i in range(tail):
        for j in range(4):
            b[i, j] = kept[i, j]
    # `base` is moved on only when it is asked for: most often it is near one of the states that were passed anyway
    done, step = 0, max(_STEP, len(b) // _KEPT_STATES)
    passed = np.zeros(len(b) // step + 1, dtype=np.bool_)
    states = np.empty((len(passed), STATE_SIZE))
    now = base.copy()
    old, new, out = np.empty((ROOM, RECORD)), np.empty((ROOM, RECORD)), np.empty((4 * ROOM, RECORD))
    old_ways, new_ways, ways = _no_ways(), _no_ways(), _no_ways()
    old, old_ways, _ = _fold(now, p, grid, edges, b, 0, tail, old, old_ways, 0)
    i, n, end = 0, 0, rows.shape[0]
    while i < end:
        known = rows[i, 4]
        if known > notes[AT_KNOWN]:
            notes[AT_KNOWN] = known
            if tail > head:
                notes[BEFORE] = b[tail - 1, 0]
            while tail - head > p[P_ROWS] or (tail > head and b[head, 0] <= notes[BEFORE] - p[P_LATENESS]):
                notes[FOLDED] = b[head, 0]
                head += 1
        begun, late, was = n, False, 0
        while i < end and rows[i, 4] == known:
            at, time = i, rows[i, 0]
            i += 1
            if i < end and rows[i, 4] == known and rows[i, 0] == time:
                continue  # the row that landed later says it again
            if time > known + p[P_AHEAD]:
                notes[EARLY] += 1.0
            elif time <= notes[FOLDED] or time <= notes[BEFORE] - p[P_LATENESS]:
                notes[LATE] += 1.0
            elif tail > head and time <= b[tail - 1, 0]:
                if not late:
                    _advance(base, p, grid, edges, b, done, head, step, passed, states)
                    done = head
                    s = base.copy()
                    old_ways[0, 0] = 0.0
                    was = told(s, old, 0)
                    old, old_ways, was = _fold(s, p, grid, edges, b, head, tail, old, old_ways, was)
                    late = True
                tail = _insert(b, head, tail, rows[at])
                if i < end and rows[i, 4] == known and rows[i, 0] <= b[tail - 1, 0]:
                    continue
                passed[:] = False  # they were without the late rows
                now = base.copy()
                new_ways[0, 0] = 0.0
                is_now = told(now, new, 0)
                new, new_ways, is_now = _fold(now, p, grid, edges, b, head, tail, new, new_ways, is_now)
                out, ways, n = _correct(old, old_ways, was, new, new_ways, is_now, out, ways, n)
                late = False
            else:
                if n + ROOM > out.shape[0]:
                    out = _room(out, n, ROOM)
                if ways[0, 0] + 1 + ROOM > ways.shape[0]:
                    ways = _room(ways, int(ways[0, 0]) + 1, ROOM)
                for j in range(4):
                    b[tail, j] = now[FIX + j] = rows[at, j]
                tail += 1
                n = take(now, p, grid, edges, out, ways, n)
                if tail % step == 0:
                    passed[tail // step] = True
                    for j in range(STATE_SIZE):
                        states[tail // step, j] = now[j]
        for m in range(begun, n):
            out[m, KNOWN] = known
    _advance(base, p, grid, edges, b, done, head, step, passed, states)
    return out[:n].copy(), ways[: int(ways[0, 0]) + 1].copy(), b[head:tail].copy()


@compiled
def real(fixes: _Floats, p: _Floats) -> npt.NDArray[np.bool_]:
    """Which of a vehicle's fixes (lines of time, longitude, latitude, load, in the order of time) are no noise."""
    s = np.zeros(_HEAD)
    kept = np.zeros(fixes.shape[0], dtype=np.bool_)
    for i in range(fixes.shape[0]):
        for j in range(4):
            s[FIX + j] = fixes[i, j]
        if s[HAS] > 0.0 and _jumped(s, p, FIX):
            if s[JUMP] < p[P_JUMPS]:
                continue
            s[JUMP] = 0.0
        s[HAS] = 1.0
        kept[i] = True
        for j in range(4):
            s[LAST + j] = s[FIX + j]
    return kept


@compiled
def sort_out(
    codes: _Ints,
    low: int,
    high: int,
    places: npt.NDArray[np.int64],
    time: npt.NDArray[np.int64],
    lon: _Floats,
    lat: _Floats,
    load: _Floats,
    known: npt.NDArray[np.int64],
    lines: _Floats,
    where: npt.NDArray[np.int64],
) -> None:
    """Writes the rows of vehicles ``low`` to ``high`` (time, lon, lat, load, known), those of each from its place on.

    ``codes``: whose each row is; ``places`` are moved on; ``where``: which row each line is.
    """
    for i in range(len(codes)):
        code = codes[i]
        if low <= code < high:
            at = places[code - low]
            places[code - low] += 1
            lines[at, 0] = time[i]
            lines[at, 1] = np.rint(lon[i] / UNIT) * UNIT
            lines[at, 2] = np.rint(lat[i] / UNIT) * UNIT
            lines[at, 3] = load[i]
            lines[at, 4] = known[i]
            where[at] = i

"""The motion of one vehicle: a state that takes one fix after the other and says what stays, trips and visits there are.

A fix is (time in microseconds since 1970 UTC, longitude, latitude in WGS84 degrees, load). A *stay* begins at the first
fix of a run that remains within ``radius`` of it for the time of a stay (Li et al., "Mining user similarity based on
location history", 2008) and goes on while fixes are within ``radius`` of its centre; one fix outside between two inside
is drift. What lies between stays is a *trip*. A fix that could only be reached at an impossible speed is noise, unless
the fixes that follow agree with it. *Visits* are the times inside the areas of a layer.

The state is one vector of numbers. :func:`take` is a function of state and fix alone, so the same fixes in the order of
time give the same answer however they were cut. What it says are *records*: the newest one of each matter counts.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from cityheart.engine.compiled import compiled, inner
from cityheart.engine.tracks.areas import AREAS, Layer, areas_at

__all__ = [
    "CLOSED", "CONTENT", "EMPTY", "ENDED", "FASTEST", "FELL_SILENT", "FIXES", "JUMPED", "KIND", "KNOWN", "LAT", "LAT2",
    "LOADED", "LOAD_A", "LOAD_B", "LON", "LON2", "MOVED", "MOVED_ON", "NOISE", "OPEN", "PLACE", "P_AHEAD", "P_LATENESS",
    "P_ROWS", "RECORD", "ROOM", "SILENCE", "SINCE", "STATE_SIZE", "STATUS", "STAY", "TRIP", "UNTIL", "VISIT", "WITHDRAWN",
    "metres", "real", "take", "told",
]  # fmt: skip

_Floats = npt.NDArray[np.float64]

# Parameters, as Parameters.vector() has them
P_RADIUS, P_TRIP, P_SPEED, P_JUMPS, P_ROWS = 0, 1, 2, 3, 4
P_STAY, P_STAY_GAP, P_BRIDGE, P_UPDATE, P_LATENESS, P_AHEAD = 5, 6, 7, 8, 9, 10

# A record: what it is, then its content
KIND, STATUS, KNOWN, PLACE, CONTENT = 0, 1, 2, 3, 4
STAY, TRIP, VISIT = 0, 1, 2
OPEN, CLOSED, WITHDRAWN = 0, 1, 2
SINCE, UNTIL, LON, LAT, LON2, LAT2, MOVED, FIXES, LOAD_A, LOAD_B = 0, 1, 2, 3, 4, 5, 6, 7, 8, 9
LOADED, EMPTY, SILENCE, FASTEST, NOISE, ENDED = 10, 11, 12, 13, 14, 15
# A trip goes from LON, LAT to LON2, LAT2. A stay is at LON, LAT, the mean of its fixes, and was at LON2, LAT2 when it
# was recognised, which names the place of it once and for all; MOVED is how far its fixes lie from the mean.
MOVED_ON, FELL_SILENT, JUMPED = 0.0, 1.0, 2.0  # how a matter ended
_FIELDS = 16
RECORD = CONTENT + _FIELDS

ROOM = 2 * AREAS + 10  # records that one fix may give, at most

# The state: the last fix, a jump that waits for others, a fix outside a stay, then matters, then candidates of a stay
HAS, LAST, JUMP, OUT, STAYING, COUNT, LEFT_OUT, SUM_LON, SUM_LAT = 0, 1, 5, 9, 14, 15, 16, 17, 18
_HEAD = 20
_ACTIVE, _SAID, _NOW, _TOLD = 0, 1, 2, 2 + _FIELDS
_MATTER = 2 + 2 * _FIELDS
_AREA = _HEAD + (2 + AREAS) * _MATTER  # the area of each visit
_CANDIDATES = _AREA + AREAS
_MOST = 64  # candidates kept; closer ones are thinned out
STATE_SIZE = _CANDIDATES + 4 * _MOST

_DEGREE = math.pi / 180.0 * 6_371_008.8  # metres; the mean radius of the earth (IUGG)
_RADIAN = math.pi / 180.0


@inner
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


@inner
def _clear(s: _Floats, at: int, count: int) -> None:
    for i in range(at, at + count):
        s[i] = 0.0


@inner
def _begin(s: _Floats, at: int, f: _Floats) -> None:
    """A matter begins at a fix."""
    _clear(s, at, _MATTER)
    s[at + _ACTIVE] = 1.0
    now = at + _NOW
    s[now + SINCE] = s[now + UNTIL] = f[0]
    s[now + LON] = s[now + LON2] = f[1]
    s[now + LAT] = s[now + LAT2] = f[2]
    s[now + FIXES] = 1.0
    s[now + LOAD_A] = s[now + LOAD_B] = f[3]


@inner
def _lengthen(s: _Floats, at: int, f: _Floats) -> None:
    """A matter goes on to a fix: way, silence, speed, time with and without a load."""
    now = at + _NOW
    time, lon, lat, load = f[0], f[1], f[2], f[3]
    way = metres(s[now + LON2], s[now + LAT2], lon, lat)
    span = time - s[now + UNTIL]
    s[now + MOVED] += way
    s[now + SILENCE] = max(s[now + SILENCE], span)
    if span > 0.0:
        s[now + FASTEST] = max(s[now + FASTEST], way / span)
    if s[now + LOAD_B] > 0.0:
        s[now + LOADED] += span
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


@inner
def _say(s: _Floats, at: int, status: float, out: _Floats, n: int) -> int:
    """Writes a record of a matter: what it is now; returns the number of records."""
    slot = (at - _HEAD) // _MATTER
    out[n, KIND] = min(slot, VISIT)
    out[n, STATUS] = status
    out[n, PLACE] = s[_AREA + slot - 2] if slot >= 2 else -1.0
    now = at + _NOW
    for field in range(_FIELDS):
        s[at + _TOLD + field] = s[now + field]
        out[n, CONTENT + field] = s[now + field]
    s[at + _SAID] = 1.0
    return n + 1


@inner
def _worth(s: _Floats, p: _Floats, at: int) -> bool:
    """Whether a matter is said: every stay and visit, a trip that is long enough."""
    return bool(at != _HEAD + _MATTER or s[at + _SAID] > 0.0 or s[at + _NOW + MOVED] >= p[P_TRIP])


@inner
def _close(s: _Floats, p: _Floats, at: int, how: float, out: _Floats, n: int) -> int:
    """Ends a matter where it is."""
    if s[at + _ACTIVE] > 0.0:
        s[at + _NOW + ENDED] = how
        if _worth(s, p, at):
            n = _say(s, at, CLOSED, out, n)
        _clear(s, at, _MATTER)
    return n


@inner
def _close_visits(s: _Floats, p: _Floats, how: float, out: _Floats, n: int) -> int:
    for slot in range(AREAS):
        n = _close(s, p, _HEAD + (2 + slot) * _MATTER, how, out, n)
    return n


@inner
def _visits(s: _Floats, p: _Floats, f: _Floats, layer: Layer, out: _Floats, n: int) -> int:
    """Visits to areas go on, end and begin at a fix."""
    if layer.grid.size == 1:
        return n
    areas = np.empty(AREAS, dtype=np.int32)
    count = areas_at(layer, f[1], f[2], areas)
    for slot in range(AREAS):
        at = _HEAD + (2 + slot) * _MATTER
        if s[at + _ACTIVE] == 0.0:
            continue
        inside = False
        for i in range(count):
            inside |= areas[i] == s[_AREA + slot]
        if inside:
            _lengthen(s, at, f)
        else:
            n = _close(s, p, at, MOVED_ON, out, n)
    for i in range(count):
        area = areas[i]
        known, free = False, -1
        for slot in range(AREAS - 1, -1, -1):
            if s[_HEAD + (2 + slot) * _MATTER + _ACTIVE] == 0.0:
                free = slot
            elif s[_AREA + slot] == area:
                known = True
        if not known and free >= 0:
            s[_AREA + free] = area
            _begin(s, _HEAD + (2 + free) * _MATTER, f)
    return n


@inner
def _move(s: _Floats, c: int) -> None:
    """The oldest candidate is no beginning of a stay: the vehicle moved there."""
    trip = _HEAD + _MATTER
    if s[trip + _ACTIVE] > 0.0:
        _lengthen(s, trip, s[c : c + 4])
    else:
        _begin(s, trip, s[c : c + 4])
    count = int(s[COUNT]) - 1
    for i in range(c, c + 4 * count):
        s[i] = s[i + 4]
    _clear(s, c + 4 * count, 4)
    s[COUNT] = count


@inner
def _away(s: _Floats, p: _Floats) -> bool:
    """Whether a candidate lies outside the radius of the first."""
    c = _CANDIDATES
    for i in range(1, int(s[COUNT])):  # noqa: SIM110  (compiled code has no generators)
        if metres(s[c + 1], s[c + 2], s[c + 4 * i + 1], s[c + 4 * i + 2]) > p[P_RADIUS]:
            return True
    return False


@inner
def _candidate(s: _Floats, f: _Floats) -> None:
    at = _CANDIDATES + 4 * int(s[COUNT])
    for i in range(4):
        s[at + i] = f[i]
    s[COUNT] += 1.0


@inner
def _park(s: _Floats, p: _Floats, out: _Floats, n: int) -> int:
    """The candidates are a stay: the trip ends at the first of them."""
    c, trip = _CANDIDATES, _HEAD + _MATTER
    if s[trip + _ACTIVE] > 0.0:
        _lengthen(s, trip, s[c : c + 4])
        n = _close(s, p, trip, MOVED_ON, out, n)
    _begin(s, _HEAD, s[c : c + 4])
    s[SUM_LON], s[SUM_LAT] = s[c + 1], s[c + 2]
    for i in range(1, int(s[COUNT])):
        at = c + 4 * i
        _remain(s, s[at : at + 4])
    s[_HEAD + _NOW + LON2], s[_HEAD + _NOW + LAT2] = s[_HEAD + _NOW + LON], s[_HEAD + _NOW + LAT]
    _clear(s, c, 4 * _MOST)
    s[COUNT] = 0.0
    s[STAYING] = 1.0
    return n


@inner
def _remain(s: _Floats, f: _Floats) -> None:
    """A stay goes on; its position is the mean of its fixes, its way the farthest of them from it."""
    now = _HEAD + _NOW
    lon, lat = f[1], f[2]
    far, first_lon, first_lat = s[now + MOVED], s[now + LON2], s[now + LAT2]
    _lengthen(s, _HEAD, f)
    s[SUM_LON] += lon
    s[SUM_LAT] += lat
    s[now + LON] = s[SUM_LON] / s[now + FIXES]
    s[now + LAT] = s[SUM_LAT] / s[now + FIXES]
    s[now + LON2], s[now + LAT2] = first_lon, first_lat
    s[now + MOVED] = max(far, metres(s[now + LON], s[now + LAT], lon, lat))
    s[now + FASTEST] = 0.0


@inner
def _lost(s: _Floats, p: _Floats, how: float, out: _Floats, n: int) -> int:
    """Nothing is known of what follows: all that is under way ends at the last fix."""
    while s[COUNT] > 0.0:
        _move(s, _CANDIDATES)
    n = _close(s, p, _HEAD, how, out, n)
    n = _close(s, p, _HEAD + _MATTER, how, out, n)
    n = _close_visits(s, p, how, out, n)
    s[STAYING] = s[OUT] = 0.0
    return n


@inner
def _roll(s: _Floats, p: _Floats, f: _Floats, layer: Layer, out: _Floats, n: int) -> int:
    """A fix of a vehicle that is not staying."""
    c = _CANDIDATES
    time, lon, lat = f[0], f[1], f[2]
    count = int(s[COUNT])
    if count > 0:
        last = c + 4 * (count - 1)
        silence = time - s[last]
        near = metres(s[c + 1], s[c + 2], lon, lat) <= p[P_RADIUS]
        if near and silence <= p[P_STAY_GAP]:
            if count < _MOST and (count == 1 or silence >= p[P_STAY] / (_MOST - 4) or time - s[c] >= p[P_STAY]):
                _candidate(s, f)
            n = _visits(s, p, f, layer, out, n)
            return _park(s, p, out, n) if time - s[c] >= p[P_STAY] else n
        if silence > p[P_BRIDGE]:
            n = _lost(s, p, FELL_SILENT, out, n)
        elif count == _MOST:
            _move(s, c)
    _candidate(s, f)
    while s[COUNT] > 1.0 and _away(s, p):
        _move(s, c)
    return _visits(s, p, f, layer, out, n)


@inner
def _stand(s: _Floats, p: _Floats, f: _Floats, layer: Layer, out: _Floats, n: int) -> int:
    """A fix of a vehicle that is staying."""
    now = _HEAD + _NOW
    silence = f[0] - s[now + UNTIL]
    if metres(s[now + LON], s[now + LAT], f[1], f[2]) <= p[P_RADIUS] and silence <= p[P_STAY_GAP]:
        if s[OUT] > 0.0:
            s[OUT] = 0.0
            s[LEFT_OUT] += 1.0
        _remain(s, f)
        return _visits(s, p, f, layer, out, n)
    if s[OUT] == 0.0 and silence <= p[P_BRIDGE]:
        s[OUT] = 1.0
        for i in range(4):
            s[OUT + 1 + i] = f[i]
        return n
    left = np.array([s[now + UNTIL], s[now + LON], s[now + LAT], s[now + LOAD_B]])
    waiting = s[OUT] > 0.0
    s[OUT] = s[STAYING] = 0.0
    n = _close(s, p, _HEAD, MOVED_ON if waiting else FELL_SILENT, out, n)
    if not waiting:
        n = _close_visits(s, p, FELL_SILENT, out, n)
        return _roll(s, p, f, layer, out, n)
    _begin(s, _HEAD + _MATTER, left)
    n = _roll(s, p, s[OUT + 1 : OUT + 5], layer, out, n)
    return _roll(s, p, f, layer, out, n)


@inner
def _jumped(s: _Floats, p: _Floats, f: _Floats) -> bool:
    """Whether a fix is too far from the last to be true, for now: fixes that agree with it may follow."""
    reach = p[P_RADIUS]
    time, lon, lat = f[0], f[1], f[2]
    if metres(s[LAST + 1], s[LAST + 2], lon, lat) <= p[P_SPEED] * (time - s[LAST]) + reach:
        s[JUMP] = 0.0
        return False
    agrees = s[JUMP] > 0.0 and metres(s[JUMP + 2], s[JUMP + 3], lon, lat) <= p[P_SPEED] * (time - s[JUMP + 1]) + reach
    s[JUMP] = s[JUMP] + 1.0 if agrees else 1.0
    s[JUMP + 1], s[JUMP + 2], s[JUMP + 3] = time, lon, lat
    return True


@inner
def take(s: _Floats, p: _Floats, f: _Floats, layer: Layer, out: _Floats, n: int) -> int:
    """Takes a fix that is later than all before; writes at most ``ROOM`` records from ``out[n]`` on, returns their end.

    ``f``: time, longitude, latitude, load (0 empty, above 0 loaded, -1 unknown). ``layer``: areas whose visits are told.
    """
    if s[HAS] > 0.0 and _jumped(s, p, f):
        s[LEFT_OUT] += 1.0
        if s[JUMP] < p[P_JUMPS]:
            return n
        n = _lost(s, p, JUMPED, out, n)  # it is really there
        s[JUMP] = 0.0
    s[HAS] = 1.0
    if s[STAYING] > 0.0:
        n = _stand(s, p, f, layer, out, n)
    else:
        n = _roll(s, p, f, layer, out, n)
    for i in range(4):
        s[LAST + i] = f[i]
    if s[LEFT_OUT] > 0.0:
        at = _HEAD if s[STAYING] > 0.0 else _HEAD + _MATTER
        if s[at + _ACTIVE] > 0.0:
            s[at + _NOW + NOISE] += s[LEFT_OUT]
            s[LEFT_OUT] = 0.0
    for slot in range(2 + AREAS):
        at = _HEAD + slot * _MATTER
        if s[at + _ACTIVE] > 0.0:
            stale = s[at + _NOW + UNTIL] - s[at + _TOLD + UNTIL] >= p[P_UPDATE]
            if (s[at + _SAID] == 0.0 and _worth(s, p, at)) or (s[at + _SAID] > 0.0 and stale):
                n = _say(s, at, OPEN, out, n)
    return n


@inner
def told(s: _Floats, out: _Floats, n: int) -> int:
    """Writes what was said last of each matter that is under way."""
    for slot in range(2 + AREAS):
        at = _HEAD + slot * _MATTER
        if s[at + _ACTIVE] > 0.0 and s[at + _SAID] > 0.0:
            out[n, KIND] = min(slot, VISIT)
            out[n, STATUS] = OPEN
            out[n, PLACE] = s[_AREA + slot - 2] if slot >= 2 else -1.0
            for field in range(_FIELDS):
                out[n, CONTENT + field] = s[at + _TOLD + field]
            n += 1
    return n


@compiled
def real(fixes: _Floats, p: _Floats) -> npt.NDArray[np.bool_]:
    """Which of a vehicle's fixes (lines of time, longitude, latitude, load, in the order of time) are no noise."""
    s = np.zeros(JUMP + 4)
    kept = np.zeros(fixes.shape[0], dtype=np.bool_)
    for i in range(fixes.shape[0]):
        if s[HAS] > 0.0 and _jumped(s, p, fixes[i]):
            if s[JUMP] < p[P_JUMPS]:
                continue
            s[JUMP] = 0.0
        s[HAS] = 1.0
        kept[i] = True
        for j in range(4):
            s[LAST + j] = fixes[i, j]
    return kept

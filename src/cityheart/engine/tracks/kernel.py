"""The rows of one vehicle in the order in which the city knew them, late ones put where they belong.

What is said at any moment is what :func:`~cityheart.engine.tracks.motion.take` says of all fixes known by then in the
order of their time. A fix in that order moves the state on. For a late one the last fixes are kept, with the state
before them: they are gone through again, once as they were and once with it, and what is now different is said.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from cityheart.engine.compiled import compiled, inner
from cityheart.engine.tracks.areas import Layer
from cityheart.engine.tracks.motion import (
    CONTENT,
    KIND,
    KNOWN,
    LAT2,
    LON2,
    P_AHEAD,
    P_LATENESS,
    P_ROWS,
    PLACE,
    RECORD,
    ROOM,
    STATUS,
    STAY,
    WITHDRAWN,
    take,
    told,
)

__all__ = ["AT_KNOWN", "BEFORE", "EARLY", "FOLDED", "LATE", "NOTES", "follow"]

_Floats = npt.NDArray[np.float64]

NOTES = 5  # numbers kept of each vehicle beside its state:
AT_KNOWN, BEFORE, FOLDED, LATE, EARLY = 0, 1, 2, 3, 4
# when a row was known last; the newest time known before that; up to when fixes are in the state; rows left out


@inner
def _room(a: _Floats, n: int, more: int) -> _Floats:
    """The array with its first ``n`` lines and room for more."""
    if n + more <= a.shape[0]:
        return a
    larger = np.empty((2 * a.shape[0] + more, a.shape[1]))
    for i in range(n):
        for j in range(a.shape[1]):
            larger[i, j] = a[i, j]
    return larger


@inner
def _fold(
    s: _Floats, p: _Floats, layer: Layer, b: _Floats, low: int, high: int, out: _Floats, n: int
) -> tuple[_Floats, int]:
    """Takes the fixes ``low`` to ``high``."""
    for i in range(low, high):
        out = _room(out, n, ROOM)
        n = take(s, p, b[i], layer, out, n)
    return out, n


@inner
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


@inner
def _correct(old: _Floats, old_n: int, new: _Floats, new_n: int, out: _Floats, n: int) -> tuple[_Floats, int]:
    """Says what is different now: first the matters that never were, then those that are new or changed."""
    out = _room(out, n, old_n + new_n)
    for i in range(old_n):
        if _find(old, i + 1, old_n, old[i]) < 0 and _find(new, 0, new_n, old[i]) < 0:
            for j in range(RECORD):
                out[n, j] = old[i, j]
            out[n, STATUS] = WITHDRAWN
            n += 1
    for i in range(new_n):
        if _find(new, i + 1, new_n, new[i]) >= 0:
            continue
        at = _find(old, 0, old_n, new[i])
        differs = at < 0 or old[at, STATUS] != new[i, STATUS]
        for j in range(RECORD):
            out[n, j] = new[i, j]
            differs |= j >= CONTENT and old[max(at, 0), j] != new[i, j]
        if differs:
            n += 1
    return out, n


@inner
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


@compiled
def follow(
    base: _Floats, p: _Floats, layer: Layer, kept: _Floats, rows: _Floats, notes: _Floats
) -> tuple[_Floats, _Floats]:
    """Goes through rows (time, lon, lat, load, known) in the order of known, time and landing.

    Times in microseconds since 1970 UTC, positions in degrees. ``kept``: the fixes (time, lon, lat, load) of before that
    are not in the state ``base`` yet; ``base`` and ``notes`` are moved on. Returns the records, in the order of what was
    known, and the fixes to keep.
    """
    head, tail = 0, kept.shape[0]
    b = np.empty((tail + rows.shape[0] + 1, 4))
    for i in range(tail):
        for j in range(4):
            b[i, j] = kept[i, j]
    now = base.copy()
    old, new, out = np.empty((ROOM, RECORD)), np.empty((ROOM, RECORD)), np.empty((4 * ROOM, RECORD))
    old, _ = _fold(now, p, layer, b, 0, tail, old, 0)
    i, n, end = 0, 0, rows.shape[0]
    while i < end:
        known = rows[i, 4]
        if known > notes[AT_KNOWN]:
            notes[AT_KNOWN] = known
            if tail > head:
                notes[BEFORE] = b[tail - 1, 0]
            first = head
            while tail - head > p[P_ROWS] or (tail > head and b[head, 0] <= notes[BEFORE] - p[P_LATENESS]):
                notes[FOLDED] = b[head, 0]
                head += 1
            for k in range(first, head):
                take(base, p, b[k], layer, old, 0)
        begun, late, was = n, False, 0
        while i < end and rows[i, 4] == known:
            row = rows[i]
            i += 1
            if i < end and rows[i, 4] == known and rows[i, 0] == row[0]:
                continue  # the row that landed later says it again
            if row[0] > known + p[P_AHEAD]:
                notes[EARLY] += 1.0
            elif row[0] <= notes[FOLDED] or row[0] <= notes[BEFORE] - p[P_LATENESS]:
                notes[LATE] += 1.0
            elif tail > head and row[0] <= b[tail - 1, 0]:
                if not late:
                    s = base.copy()
                    old = _room(old, 0, ROOM)
                    was = told(s, old, 0)
                    old, was = _fold(s, p, layer, b, head, tail, old, was)
                    late = True
                tail = _insert(b, head, tail, row)
                if i < end and rows[i, 4] == known and rows[i, 0] <= b[tail - 1, 0]:
                    continue
                now = base.copy()
                new = _room(new, 0, ROOM)
                is_now = told(now, new, 0)
                new, is_now = _fold(now, p, layer, b, head, tail, new, is_now)
                out, n = _correct(old, was, new, is_now, out, n)
                late = False
            else:
                for j in range(4):
                    b[tail, j] = row[j]
                tail += 1
                out, n = _fold(now, p, layer, b, tail - 1, tail, out, n)
        for m in range(begun, n):
            out[m, KNOWN] = known
    return out[:n].copy(), b[head:tail].copy()

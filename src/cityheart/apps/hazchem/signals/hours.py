"""Readings of minutes become rows of hours, written again as more of an hour is known.

Readings come late, twice and unordered. A key (a site, an outlet's device) keeps the readings of hours that are still
open; each time its readings pass a tick of the city's clock, every hour that got something new is worked out again, and
its row is dated with the reading that passed the tick. So rows depend on the readings alone, never on how they were cut
into batches. An hour closes when nothing can be missing (readings in each twelfth of it) and it is `SETTLED` old, or
when it is `LATEST` old; what comes for a closed hour is left out.

One step takes the rows of all keys at once. Times are milliseconds since 1970 UTC, hours whole hours since then.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cityheart.sdk import State

Array = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]
Truth = npt.NDArray[np.bool_]
Scalar = TypeVar("Scalar", bound=np.generic)

HOUR_MS = 3_600_000
BINS = 12  # parts of an hour: five minutes each
BIN_MS = HOUR_MS // BINS
KINDS = 4  # of readings that one unit may have
CONTEXT = 2  # parts of the hour before that an hour is shown with
SETTLED = 90  # minutes after its end at which a full hour closes
LATEST = 48  # hours: what is older is left out
MOMENT = pa.timestamp("us", tz="UTC")

_RING_BITS = 6
_RING = 1 << _RING_BITS  # hours whose closing one word remembers; more than LATEST


@dataclass(frozen=True)
class Readings:
    """Readings as columns. ``unit``: the place of a tank or a factor of an outlet; ``code``: what the form packs in."""

    unit: Whole
    ms: Whole
    value: Array
    code: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.unit)

    def take(self, chosen: Truth | Whole | slice) -> Readings:
        """Those chosen."""
        return Readings(self.unit[chosen], self.ms[chosen], self.value[chosen], self.code[chosen])

    @staticmethod
    def joined(parts: Sequence[Readings]) -> Readings:
        """One after the other."""
        if not parts:
            empty = np.zeros(0, dtype=np.int64)
            return Readings(empty, empty, np.zeros(0), np.zeros(0, dtype=np.uint8))
        if len(parts) == 1:
            return parts[0]
        return Readings(
            np.concatenate([part.unit for part in parts]),
            np.concatenate([part.ms for part in parts]),
            np.concatenate([part.value for part in parts]),
            np.concatenate([part.code for part in parts]),
        )


@dataclass(frozen=True)
class Cells:
    """Hours of units, by unit and hour. ``known``: microseconds, when the row was known."""

    unit: Whole
    hour: Whole
    known: Whole

    def __len__(self) -> int:
        return len(self.unit)

    def of(self, unit: Whole, hour: Whole) -> Whole:
        """The place of each (unit, hour) among the cells, -1 where it is none of them."""
        if not len(self.unit):
            return np.full(len(unit), -1)
        asked = unit << _RING_BITS | hour % _RING
        found: Whole = self._places[np.minimum(asked, len(self._places) - 1)]
        return found

    @functools.cached_property
    def _places(self) -> Whole:
        """By unit and hour on the ring, which is longer than what is held of hours; the last place is nobody's."""
        places = np.full((int(self.unit.max()) + 1 << _RING_BITS) + 1, -1)
        places[self.unit << _RING_BITS | self.hour % _RING] = np.arange(len(self.unit))
        return places


@dataclass(frozen=True)
class Placed:
    """Readings with the place of their cell, and of the cell that begins within ten minutes after them; -1 for none."""

    readings: Readings
    cell: Whole
    after: Whole

    def take(self, chosen: Truth | Whole) -> Placed:
        """Those chosen."""
        return Placed(self.readings.take(chosen), self.cell[chosen], self.after[chosen])


Work = Callable[[Placed, Cells, "Units"], dict[str, pa.Array]]
"""Readings of the cells and of the ten minutes before each → columns, one row a cell."""


@dataclass
class Units:
    """All units of the keys of one step. ``seen``: bits of the kinds of readings that a unit ever had."""

    keys: list[str]
    key: Whole = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    names: list[str] = field(default_factory=list)
    seen: npt.NDArray[np.uint8] = field(default_factory=lambda: np.zeros(0, dtype=np.uint8))
    closed: npt.NDArray[np.uint64] = field(default_factory=lambda: np.zeros(0, dtype=np.uint64))


@dataclass(frozen=True)
class Arriving:
    """Rows of a batch in the order known. ``key`` and ``unit``: places in ``keys`` and ``units``; ``known`` in µs."""

    keys: list[str]
    units: list[str]
    key: Whole
    unit: Whole
    ms: Whole
    value: Array
    code: npt.NDArray[np.uint8]
    known: Whole


def init() -> State:
    """The state of a key before its first row."""
    return {
        "names": [],
        "seen": np.zeros(0, dtype=np.uint8),
        "closed": np.zeros(0, dtype=np.uint64),
        "unit": np.zeros(0, dtype=np.int16),
        "ms": np.zeros(0, dtype=np.int64),
        "value": np.zeros(0),
        "code": np.zeros(0, dtype=np.uint8),
        "emitted": 0,
        "window": -1,
        "hour": 0,
    }


def places(column: pa.ChunkedArray) -> tuple[list[str], Whole]:
    """The distinct values of a column of text, sorted, and the place of each row's."""
    encoded = column.combine_chunks().dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.unify_dictionaries().combine_chunks()
    names: list[str] = encoded.dictionary.to_pylist()
    order = sorted(range(len(names)), key=names.__getitem__)
    place = np.empty(len(names), dtype=np.int64)
    place[order] = np.arange(len(names))
    return [names[at] for at in order], place[encoded.indices.to_numpy()]


def in_order(rows: pa.Table, time: str) -> pa.Table:
    """Rows in the order known, then by event time, then as they landed."""
    known, moment = micro(rows["_known_at"]), micro(rows[time])
    step = np.diff(known)
    if bool(np.all((step > 0) | ((step == 0) & (np.diff(moment) > 0)))):
        return rows
    keys: tuple[Whole, ...] = (moment, known)
    if "_seq" in rows.column_names:
        keys = (rows["_seq"].to_numpy(), *keys)
    return rows.take(pa.array(np.lexsort(keys)))


def by_key(key: Whole, group: Whole) -> Whole:
    """The stable order of ``key``, which is first of all that of ``group``; quick where a group is nearly in order."""
    if len(group) and int(group.max()) < 1 << 16:
        first = np.argsort(group.astype(np.uint16), kind="stable")  # by counting
        return first[np.argsort(key[first], kind="stable")]
    return np.argsort(key, kind="stable")


def micro(column: pa.ChunkedArray) -> Whole:
    """A column of moments as microseconds since 1970."""
    whole: Whole = column.cast(MOMENT).cast(pa.int64()).to_numpy()
    return whole


def step(
    states: Mapping[str, State], rows: Arriving, work: Work, *, every: int, phase: int
) -> tuple[dict[str, State], dict[str, pa.Array]]:
    """Takes the rows of a batch; gives the new states of their keys and the columns of the rows to be written.

    ``every`` and ``phase`` (seconds) set the ticks. The columns hold ``unit`` (the place in ``Units.names``) replaced
    by the form's own columns; nothing is written where no tick was passed.
    """
    held = _Held(states, rows)
    written: list[dict[str, pa.Array]] = []
    windows = (rows.known // 1_000_000 - phase) // every
    bounds = np.flatnonzero(np.r_[True, windows[1:] != windows[:-1], True])
    for begin, end in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        columns = held.pass_tick(int(windows[begin]), slice(begin, end), work)
        if columns is not None:
            written.append(columns)
        held.take(slice(begin, end))
    joined = {
        name: pa.concat_arrays([columns[name] for columns in written]) for name in (written[0] if written else ())
    }
    return held.states(), joined


class _Held:
    """The readings of open hours of all keys of one step."""

    def __init__(self, states: Mapping[str, State], rows: Arriving) -> None:
        self.rows = rows
        self.units = Units(rows.keys)
        parts: list[Readings] = []
        fresh: list[Truth] = []
        owner: list[int] = []
        seen: list[npt.NDArray[np.uint8]] = []
        closed: list[npt.NDArray[np.uint64]] = []
        self.window = np.full(len(rows.keys), -1, dtype=np.int64)
        self.hour = np.zeros(len(rows.keys), dtype=np.int64)
        index: dict[tuple[int, str], int] = {}
        for place, key in enumerate(rows.keys):
            state = states.get(key) or init()
            names = _names(state)
            base = len(self.units.names)
            self.units.names += names
            owner += [place] * len(names)
            index.update({(place, name): base + number for number, name in enumerate(names)})
            seen.append(_array(state, "seen", np.uint8))
            closed.append(_array(state, "closed", np.uint64))
            self.window[place], self.hour[place] = _number(state, "window"), _number(state, "hour")
            unit = _array(state, "unit", np.int64) + base
            if len(unit):
                ms, value = _array(state, "ms", np.int64), _array(state, "value", np.float64)
                parts.append(Readings(unit, ms, value, _array(state, "code", np.uint8)))
                fresh.append(np.arange(len(unit)) >= _number(state, "emitted"))
        pair, place_of = np.unique(rows.key * len(rows.units) + rows.unit, return_inverse=True)
        which = np.empty(len(pair), dtype=np.int64)
        for number, both in enumerate(pair.tolist()):
            key_place, unit_place = divmod(both, len(rows.units))
            name = rows.units[unit_place]
            at = index.get((key_place, name))
            if at is None:
                at = len(self.units.names)
                self.units.names.append(name)
                owner.append(key_place)
            which[number] = at
        self.unit = which[place_of.reshape(-1)]
        new = len(self.units.names) - sum(map(len, seen))
        self.units.key = np.array(owner, dtype=np.int64)
        self.units.seen = np.concatenate([*seen, np.zeros(new, dtype=np.uint8)])
        self.units.closed = np.concatenate([*closed, np.zeros(new, dtype=np.uint64)])
        self.raw = Readings.joined(parts)
        self.fresh = np.concatenate(fresh) if fresh else np.zeros(0, dtype=bool)

    def pass_tick(self, window: int, part: slice, work: Work) -> dict[str, pa.Array] | None:
        """Works out what is new of the keys that pass a tick with these rows."""
        keys, first = np.unique(self.rows.key[part], return_index=True)
        passing = self.window[keys] < window
        keys, first = keys[passing], first[passing]
        known = np.zeros(len(self.rows.keys), dtype=np.int64)
        known[keys] = self.rows.known[part][first]
        turn = np.zeros(len(self.rows.keys), dtype=bool)
        turn[keys] = True
        self._renew(keys, self.hour[keys], known[keys] // (HOUR_MS * 1000))
        self.window[keys], self.hour[keys] = window, known[keys] // (HOUR_MS * 1000)
        columns = None
        mine = turn[self.units.key[self.raw.unit]]
        dirty = mine & self.fresh
        if bool(dirty.any()):
            columns = self._work(dirty, known, work)
            self.fresh &= ~mine
        self._forget(turn, known)
        return columns

    def _work(self, dirty: Truth, known: Whole, work: Work) -> dict[str, pa.Array]:
        hour = self.raw.ms // HOUR_MS
        unit, touched = _distinct(self.raw.unit[dirty], hour[dirty])
        cells = Cells(unit, touched, known[self.units.key[unit]])
        cell, after = cells.of(self.raw.unit, hour), np.full(len(hour), -1)
        late = np.flatnonzero(self.raw.ms - hour * HOUR_MS >= HOUR_MS - CONTEXT * BIN_MS)
        after[late] = cells.of(self.raw.unit[late], hour[late] + 1)
        inside = np.flatnonzero((cell >= 0) | (after >= 0))
        return work(Placed(self.raw.take(inside), cell[inside], after[inside]), cells, self.units)

    def _forget(self, turn: Truth, known: Whole) -> None:
        """Leaves out readings of hours that close now or are too old, of the keys whose turn it is."""
        owner = self.units.key[self.raw.unit]
        mine = turn[owner]
        now = known[owner] // 1000
        hour = self.raw.ms // HOUR_MS
        gone = mine & (hour < now // HOUR_MS - LATEST)
        settled = mine & ~gone & ((hour + 1) * HOUR_MS + SETTLED * 60_000 <= now)
        if bool(settled.any()):
            gone[settled] = self._close(self.raw.take(settled), hour[settled])
        if bool(gone.any()):
            self.raw, self.fresh = self.raw.take(~gone), self.fresh[~gone]

    def _close(self, raw: Readings, hour: Whole) -> Truth:
        """Closes the hours that have readings of every kind in each of their parts; which readings are of those."""
        cells = Cells(*_distinct(raw.unit, hour), np.zeros(0, dtype=np.int64))
        place = cells.of(raw.unit, hour)
        slot = (place * KINDS + raw.code % KINDS) * BINS + raw.ms % HOUR_MS // BIN_MS
        has = np.bincount(slot, minlength=len(cells) * KINDS * BINS).reshape(len(cells), KINDS, BINS)
        expected = (self.units.seen[cells.unit][:, None] >> np.arange(KINDS)) & 1
        full = ((has > 0).all(axis=2) | (expected == 0)).all(axis=1)
        np.bitwise_or.at(self.units.closed, cells.unit[full], _bit(cells.hour[full]))
        return np.asarray(full[place])

    def _renew(self, keys: Whole, before: Whole, now: Whole) -> None:
        """Frees the bits of hours that may come from now on, of keys whose clock moved from hour to hour."""
        for old, new in sorted(set(zip(before.tolist(), now.tolist(), strict=True))):
            if new <= old:
                continue
            ahead = np.arange(max(old, new - _RING) + 3, new + 3)
            moved = np.zeros(len(self.rows.keys), dtype=bool)
            moved[keys[(before == old) & (now == new)]] = True
            self.units.closed[moved[self.units.key]] &= ~np.bitwise_or.reduce(_bit(ahead))

    def take(self, part: slice) -> None:
        """Keeps the readings of these rows whose hour is still open."""
        came = Readings(self.unit[part], self.rows.ms[part], self.rows.value[part], self.rows.code[part])
        hour = came.ms // HOUR_MS
        now = self.rows.known[part] // (HOUR_MS * 1000)
        shut = (self.units.closed[came.unit] & _bit(hour)) != 0
        kept = ~shut & (hour >= now - LATEST) & (hour <= now + 1)
        if not bool(kept.all()):
            came = came.take(kept)
        had = np.bincount(came.unit * KINDS + came.code % KINDS, minlength=len(self.units.seen) * KINDS) > 0
        self.units.seen |= (had.reshape(-1, KINDS) << np.arange(KINDS)).sum(axis=1).astype(np.uint8)
        self.raw = Readings.joined([self.raw, came])
        self.fresh = np.concatenate([self.fresh, np.ones(len(came), dtype=bool)])

    def states(self) -> dict[str, State]:
        """The states of the keys that had rows."""
        of_key = np.argsort(self.units.key, kind="stable")
        starts = np.searchsorted(self.units.key[of_key], np.arange(len(self.rows.keys) + 1))
        local = np.empty(len(of_key), dtype=np.int64)
        local[of_key] = np.arange(len(of_key)) - starts[self.units.key[of_key]]
        owner = self.units.key[self.raw.unit]
        order = by_key(owner, owner)
        raw, fresh = self.raw.take(order), self.fresh[order]
        bounds = np.searchsorted(self.units.key[raw.unit], np.arange(len(self.rows.keys) + 1)).tolist()
        states: dict[str, State] = {}
        for place, key in enumerate(self.rows.keys):
            units = of_key[starts[place] : starts[place + 1]]
            part = slice(bounds[place], bounds[place + 1])
            states[key] = {
                "names": [self.units.names[unit] for unit in units.tolist()],
                "seen": self.units.seen[units],
                "closed": self.units.closed[units],
                "unit": local[raw.unit[part]].astype(np.int16),
                "ms": raw.ms[part].copy(),
                "value": raw.value[part].copy(),
                "code": raw.code[part].copy(),
                "emitted": int(np.count_nonzero(~fresh[part])),
                "window": int(self.window[place]),
                "hour": int(self.hour[place]),
            }
        return states


def _distinct(unit: Whole, hour: Whole) -> tuple[Whole, Whole]:
    """The distinct pairs, by unit and hour. They are marked on the ring of hours of each unit and not sorted."""
    slot = unit << _RING_BITS | hour % _RING
    at = np.full((int(unit.max()) + 1) << _RING_BITS, -1)
    at[slot] = hour
    marked = np.flatnonzero(at >= 0)
    units, hours = marked >> _RING_BITS, at[marked]
    order = np.lexsort((hours, units))
    return units[order], hours[order]


def _bit(hour: Whole) -> npt.NDArray[np.uint64]:
    bit: npt.NDArray[np.uint64] = np.uint64(1) << (hour % _RING).astype(np.uint64)
    return bit


def _array(state: State, name: str, dtype: type[Scalar]) -> npt.NDArray[Scalar]:
    value = state[name]
    assert isinstance(value, np.ndarray)
    return value.astype(dtype, copy=False)


def _number(state: State, name: str) -> int:
    value = state[name]
    assert isinstance(value, int)
    return value


def _names(state: State) -> list[str]:
    value = state["names"]
    assert isinstance(value, list)
    return [str(name) for name in value]

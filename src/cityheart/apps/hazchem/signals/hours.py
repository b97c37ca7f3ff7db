"""Readings of minutes become rows of hours, written again as more of an hour is known.

Readings come late, twice and unordered. A key (a site, an outlet's device) keeps the readings of hours that are still
open; each time its readings pass a tick of the city's clock, every hour that got something new is worked out again, and
its row is dated with the reading that passed the tick. So rows depend on the readings alone, never on how they were cut
into batches. An hour closes when nothing can be missing (readings in each twelfth of it) and it is `SETTLED` old, or
when it is `LATEST` old; what comes for a closed hour is left out.

One step takes the rows of all keys at once. Times are milliseconds since 1970 UTC, hours whole hours since then. What goes
over every reading is compiled; what goes over hours, units and keys is numpy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cityheart.sdk import State, compiled

Array = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]
Truth = npt.NDArray[np.bool_]
Scalar = TypeVar("Scalar", bound=np.generic)
Held: TypeAlias = tuple[Whole, Whole, Array, npt.NDArray[np.uint8], Truth]  # unit, ms, value, code, fresh

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


@dataclass(frozen=True)
class Cells:
    """Hours of units, by unit and hour. ``known``: microseconds, when the row was known."""

    unit: Whole
    hour: Whole
    known: Whole

    def __len__(self) -> int:
        return len(self.unit)

    @property
    def places(self) -> Whole:
        """The place of each hour of each unit, -1 where it is none of them: by unit and hour on the ring."""
        places = np.full(int(self.unit.max(initial=-1)) + 1 << _RING_BITS, -1)
        places[self.unit << _RING_BITS | self.hour % _RING] = np.arange(len(self.unit))
        return places


@dataclass(frozen=True)
class Placed:
    """Readings with the place of their cell, and of the cell that begins within ten minutes after them; -1 for none."""

    readings: Readings
    cell: Whole
    after: Whole


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


def micro(column: pa.ChunkedArray) -> Whole:
    """A column of moments as microseconds since 1970."""
    return np.array(column.cast(MOMENT).cast(pa.int64()).to_numpy())


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
    """The readings of open hours of all keys of one step: the first ``count`` places of arrays with room for all to come."""

    def __init__(self, states: Mapping[str, State], rows: Arriving) -> None:
        self.rows = rows
        self.units = Units(rows.keys)
        given = [state for key in rows.keys if (state := states.get(key)) is not None]
        room = len(rows.key) + sum(len(_array(state, "ms", np.int64)) for state in given)
        self.raw = Readings(
            np.empty(room, np.int64), np.empty(room, np.int64), np.empty(room), np.empty(room, np.uint8)
        )
        self.fresh = np.empty(room, dtype=bool)
        self.count = 0
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
            self._hold(state, base)
        pair, place_of = _pairs(rows.key, rows.unit, len(rows.keys), len(rows.units))
        which = np.empty(len(pair), dtype=np.int64)
        for number in np.argsort(pair).tolist():
            key_place, unit_place = divmod(int(pair[number]), len(rows.units))
            name = rows.units[unit_place]
            at = index.get((key_place, name))
            if at is None:
                at = len(self.units.names)
                self.units.names.append(name)
                owner.append(key_place)
            which[number] = at
        self.unit = which[place_of]
        new = len(self.units.names) - sum(map(len, seen))
        self.units.key = np.array(owner, dtype=np.int64)
        self.units.seen = np.concatenate([*seen, np.zeros(new, dtype=np.uint8)])
        self.units.closed = np.concatenate([*closed, np.zeros(new, dtype=np.uint64)])

    def _hold(self, state: State, base: int) -> None:
        """Takes over what a key held; ``base``: the place of its first unit."""
        begin, end = self.count, self.count + len(_array(state, "ms", np.int64))
        self.raw.unit[begin:end] = _array(state, "unit", np.int64) + base
        self.raw.ms[begin:end] = _array(state, "ms", np.int64)
        self.raw.value[begin:end] = _array(state, "value", np.float64)
        self.raw.code[begin:end] = _array(state, "code", np.uint8)
        self.fresh[begin:end] = np.arange(end - begin) >= _number(state, "emitted")
        self.count = end

    def pass_tick(self, window: int, part: slice, work: Work) -> dict[str, pa.Array] | None:
        """Works out what is new of the keys that pass a tick with these rows."""
        came, known = _first_known(self.rows.key[part], self.rows.known[part], len(self.rows.keys))
        turn = came & (self.window < window)
        keys = np.flatnonzero(turn)
        now = known[keys] // (HOUR_MS * 1000)
        self._renew(keys, self.hour[keys], now)
        self.window[keys], self.hour[keys] = window, now
        columns = self._work(turn, known, work)
        self._forget(turn, known)
        return columns

    def _work(self, turn: Truth, known: Whole, work: Work) -> dict[str, pa.Array] | None:
        """What is written of the keys whose turn it is: every hour that got something since it was written last."""
        mine = turn[self.units.key]
        unit, ms = self.raw.unit[: self.count], self.raw.ms[: self.count]
        hour = _touched(unit, ms, self.fresh, mine)
        marked = np.flatnonzero(hour >= 0)
        if not len(marked):
            return None
        of, hour = marked >> _RING_BITS, hour[marked]
        order = np.lexsort((hour, of))
        of, hour = of[order], hour[order]
        cells = Cells(of, hour, known[self.units.key[of]])
        at, cell, after = _placed(unit, ms, cells.places)
        return work(Placed(self.raw.take(at), cell, after), cells, self.units)

    def _forget(self, turn: Truth, known: Whole) -> None:
        """Leaves out readings of hours that close now or are too old, of the keys whose turn it is."""
        raw, units = self.raw, self.units
        mine, now = turn[units.key], known[units.key] // 1000
        columns = (raw.unit, raw.ms, raw.value, raw.code, self.fresh)
        self.count = _forgotten(self.count, columns, mine, now, units.seen, units.closed)

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
        rows, raw, units = self.rows, self.raw, self.units
        came = (self.unit[part], rows.ms[part], rows.value[part], rows.code[part])
        columns = (raw.unit, raw.ms, raw.value, raw.code, self.fresh)
        self.count = _taken(self.count, columns, came, rows.known[part], units.seen, units.closed)

    def states(self) -> dict[str, State]:
        """The states of the keys that had rows."""
        of_key = np.argsort(self.units.key, kind="stable")
        starts = np.searchsorted(self.units.key[of_key], np.arange(len(self.rows.keys) + 1))
        local = np.empty(len(of_key), dtype=np.int64)
        local[of_key] = np.arange(len(of_key)) - starts[self.units.key[of_key]]
        owner = self.units.key[self.raw.unit[: self.count]]
        order = _counted(owner, len(self.rows.keys))
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


# ── what goes over every reading ───────────────────────────────────────────────────────────────────────────────────


@compiled
def in_series(series: Whole, at: Whole) -> Whole:
    """The order by series, small whole numbers, and time; of one moment of a series the last that came."""
    order = _counted(series, series.max() + 1 if len(series) else 0)
    count, begin = 0, 0
    while begin < len(order):
        end = begin + 1
        sorted_already = True
        while end < len(order) and series[order[end]] == series[order[begin]]:
            sorted_already = sorted_already and at[order[end - 1]] <= at[order[end]]
            end += 1
        if not sorted_already:
            order[begin:end] = order[begin:end][np.argsort(at[order[begin:end]], kind="mergesort")]
        for place in range(begin, end):
            if place + 1 == end or at[order[place]] != at[order[place + 1]]:
                order[count] = order[place]
                count += 1
        begin = end
    return order[:count]


@compiled
def _counted(group: Whole, groups: int) -> Whole:
    """The stable order by group, by counting."""
    start = np.zeros(groups + 1, dtype=np.int64)
    for row in range(len(group)):
        start[group[row] + 1] += 1
    for one in range(groups):
        start[one + 1] += start[one]
    order = np.empty(len(group), dtype=np.int64)
    for row in range(len(group)):
        order[start[group[row]]] = row
        start[group[row]] += 1
    return order


@compiled
def _pairs(key: Whole, unit: Whole, keys: int, units: int) -> tuple[Whole, Whole]:
    """The distinct pairs as ``key * units + unit``, and which of them each row is."""
    pairs = np.empty(len(key), dtype=np.int64)
    which = np.empty(len(key), dtype=np.int64)
    of, place = np.full(units, -1, dtype=np.int64), np.empty(units, dtype=np.int64)
    count = 0
    for row in _counted(key, keys):
        one = unit[row]
        if of[one] != key[row]:
            of[one], place[one] = key[row], count
            pairs[count] = key[row] * units + one
            count += 1
        which[row] = place[one]
    return pairs[:count].copy(), which


@compiled
def _first_known(key: Whole, known: Whole, keys: int) -> tuple[Truth, Whole]:
    """Which keys have rows, and when the first of them was known."""
    came, first = np.zeros(keys, dtype=np.bool_), np.zeros(keys, dtype=np.int64)
    for row in range(len(key)):
        if not came[key[row]]:
            came[key[row]], first[key[row]] = True, known[row]
    return came, first


@compiled
def _touched(unit: Whole, ms: Whole, fresh: Truth, mine: Truth) -> Whole:
    """By unit and hour on the ring: the hours with fresh readings, -1 for none. These readings are fresh no more."""
    hours = np.full(len(mine) << _RING_BITS, -1, dtype=np.int64)
    for at in range(len(unit)):
        if fresh[at] and mine[unit[at]]:
            hour = ms[at] // HOUR_MS
            hours[unit[at] << _RING_BITS | hour % _RING] = hour
            fresh[at] = False
    return hours


@compiled
def _placed(unit: Whole, ms: Whole, places: Whole) -> tuple[Whole, Whole, Whole]:
    """The readings that lie in a cell or in the ten minutes before one: which, the one cell and the other."""
    chosen = np.empty(len(unit), dtype=np.int64)
    cell, after = np.empty(len(unit), dtype=np.int64), np.empty(len(unit), dtype=np.int64)
    count = 0
    for at in range(len(unit)):
        ring = unit[at] << _RING_BITS
        if ring >= len(places):
            continue
        hour = ms[at] // HOUR_MS
        inside, ahead = places[ring | hour % _RING], -1
        if ms[at] - hour * HOUR_MS >= HOUR_MS - CONTEXT * BIN_MS:
            ahead = places[ring | (hour + 1) % _RING]
        if inside >= 0 or ahead >= 0:
            chosen[count], cell[count], after[count] = at, inside, ahead
            count += 1
    return chosen[:count], cell[:count], after[:count]


@compiled
def _forgotten(
    count: int, held: Held, mine: Truth, now: Whole, seen: npt.NDArray[np.uint8], closed: npt.NDArray[np.uint64]
) -> int:
    """Of the first readings those that stay move up: how many they are.

    It is those of units that are not ``mine``, and of hours neither too old nor settled with every part of them there;
    hours of the latter kind are marked as closed. ``now``: of each unit, in milliseconds.
    """
    unit, ms, value, code, fresh = held
    parts = np.zeros((len(mine) << _RING_BITS, KINDS), dtype=np.uint16)  # of a settled hour, those with readings
    for at in range(count):
        hour, until = ms[at] // HOUR_MS, now[unit[at]]
        if mine[unit[at]] and until // HOUR_MS - LATEST <= hour and (hour + 1) * HOUR_MS + SETTLED * 60_000 <= until:
            parts[unit[at] << _RING_BITS | hour % _RING, code[at] % KINDS] |= np.uint16(1 << ms[at] % HOUR_MS // BIN_MS)
    kept = 0
    for at in range(count):
        one, hour = unit[at], ms[at] // HOUR_MS
        if mine[one]:
            if hour < now[one] // HOUR_MS - LATEST:
                continue
            if (hour + 1) * HOUR_MS + SETTLED * 60_000 <= now[one]:
                full = True
                for kind in range(KINDS):
                    if seen[one] >> kind & 1 and parts[one << _RING_BITS | hour % _RING, kind] != (1 << BINS) - 1:
                        full = False
                if full:
                    closed[one] |= np.uint64(1) << np.uint64(hour % _RING)
                    continue
        unit[kept], ms[kept], value[kept], code[kept], fresh[kept] = one, ms[at], value[at], code[at], fresh[at]
        kept += 1
    return kept


@compiled
def _taken(
    count: int,
    held: Held,
    came: tuple[Whole, Whole, Array, npt.NDArray[np.uint8]],
    known: Whole,
    seen: npt.NDArray[np.uint8],
    closed: npt.NDArray[np.uint64],
) -> int:
    """Readings whose hour is neither closed, too old nor still to come follow the first ones: how many there are then.

    Their kinds are marked as seen.
    """
    for at in range(len(known)):
        one, hour, now = came[0][at], came[1][at] // HOUR_MS, known[at] // (HOUR_MS * 1000)
        shut = closed[one] >> np.uint64(hour % _RING) & np.uint64(1)
        if not shut and now - LATEST <= hour and hour <= now + 1:
            held[0][count], held[1][count], held[2][count] = one, came[1][at], came[2][at]
            held[3][count], held[4][count] = came[3][at], True
            seen[one] |= np.uint8(1 << came[3][at] % KINDS)
            count += 1
    return count

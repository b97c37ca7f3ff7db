"""What surveys read, kept in memory from look to look: every version with the time in which it was the newest.

A survey asks for weeks of rows as they were known at one instant, and a little later for nearly the same. The rows of a day
are read once, in the columns that anybody wants, and again only when the day has other files. What was known at an instant is
then a comparison of two moments a row, wherever the instant lies: backtests and a city that catches up ask for the past.
"""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cityheart.engine.lake import Lake, TableSpec
from cityheart.engine.layout import KNOWN_AT, SEQ
from cityheart.kernel import limits
from cityheart.watch.models import Input

__all__ = ["Recall"]

Ints = npt.NDArray[np.int64]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TICK = timedelta(microseconds=1)
_DAY = timedelta(days=1)
_NEVER = np.iinfo(np.int64).max
_PARTITION = re.compile(r"_day=(\d{4}-\d{2}-\d{2})")
_WHOLE = -1  # the one block of a table whose versions of a fact may lie in several days


@dataclass(frozen=True, slots=True)
class _Block:
    """The versions of the facts of a day. First those that nothing has superseded, then the others, both by event time.

    ``known``: from when a version was known; ``until``: from when a newer one was, both in microseconds since 1970 UTC.
    """

    files: frozenset[str]
    rows: pa.Table
    lasting: int
    time: Ints
    known: Ints
    until: Ints
    last: int  # when the newest of all became known

    @property
    def nbytes(self) -> int:
        return int(self.rows.nbytes) + self.time.nbytes + self.known.nbytes + self.until.nbytes

    def at(self, now: int, start: int, end: int) -> Iterator[pa.Table]:
        """The versions that were the newest then, of event times [start, end)."""
        low, high = np.searchsorted(self.time[: self.lasting], (start, end)).tolist()
        if low < high:
            found = self.rows.slice(low, high - low)
            yield found if now >= self.last else _kept(found, self.known[low:high] <= now)
        if now >= self.last or self.lasting == len(self.time):
            return
        low, high = (self.lasting + np.searchsorted(self.time[self.lasting :], (start, end))).tolist()
        if low < high:
            newest = (self.known[low:high] <= now) & (self.until[low:high] > now)
            yield _kept(self.rows.slice(low, high - low), newest)


def _kept(rows: pa.Table, mask: npt.NDArray[np.bool_]) -> pa.Table:
    """The rows of a mask; a few stretches of rows are handed over as they lie."""
    edges = np.flatnonzero(np.diff(mask, prepend=False, append=False))
    if len(edges) <= 16:
        return pa.concat_tables([rows.slice(a, b - a) for a, b in edges.reshape(-1, 2).tolist()] or [rows.slice(0, 0)])
    return rows.filter(pa.array(mask))


class Recall:
    """Reads a lake for surveys. Safe for threads."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self._lock = threading.Lock()
        self._columns: dict[str, frozenset[str] | None] = {}  # by dataset, None: all
        self._seen: dict[str, tuple[int, dict[int, frozenset[str]]]] = {}  # version and the files of each day
        self._blocks: OrderedDict[tuple[str, int], _Block] = OrderedDict()
        self._bytes = 0

    def rows(self, dataset: str, wanted: Input, now: datetime) -> pa.Table:
        """The newest versions that were known then, in a window and columns, with ``_known_at``; in no promised order."""
        start, end = now - wanted.window + _TICK, now + wanted.ahead + _TICK
        names = [*wanted.columns, KNOWN_AT] if wanted.columns else None
        with self._lock:
            spec = self._lake.spec(dataset)
            self._widen(dataset, wanted.columns)
            days = self._days(dataset, spec)
            first, last = _us(start) // _us(_EPOCH + _DAY), _us(end - _TICK) // _us(_EPOCH + _DAY)
            parts = [
                part
                for day, files in days.items()
                if day == _WHOLE or first <= day <= last
                for part in self._block(dataset, spec, day, files).at(_us(now), _us(start), _us(end))
            ]
            self._shrink()
        if not parts:
            return self._lake.current(dataset, time=(_EPOCH - _TICK, _EPOCH - _TICK), columns=names)
        return pa.concat_tables([part if names is None else part.select(names) for part in parts])

    def _widen(self, dataset: str, columns: Sequence[str]) -> None:
        """Blocks hold the columns that anybody has asked for; more of them are read with the rows again."""
        before = self._columns.get(dataset, frozenset())
        if before is None or (columns and before.issuperset(columns)):
            return
        self._columns[dataset] = before | frozenset(columns) if columns else None
        for place in [place for place in self._blocks if place[0] == dataset]:
            self._drop(place)

    def _days(self, dataset: str, spec: TableSpec) -> dict[int, frozenset[str]]:
        """The files of each day, in days since 1970; of a table that is read as a whole, all of them."""
        version = self._lake.version(dataset)
        held = self._seen.get(dataset)
        if held is not None and held[0] == version:
            return held[1]
        found: dict[int, set[str]] = {}
        for path in self._lake.files(dataset):
            name = str(path)
            match = _PARTITION.search(name) if spec.timed else None
            day = _WHOLE if match is None else (datetime.fromisoformat(match[1]).replace(tzinfo=UTC) - _EPOCH).days
            found.setdefault(day, set()).add(name)
        days = {day: frozenset(files) for day, files in sorted(found.items())}
        self._seen[dataset] = version, days
        for place in [place for place in self._blocks if place[0] == dataset and place[1] not in days]:
            self._drop(place)
        return days

    def _block(self, dataset: str, spec: TableSpec, day: int, files: frozenset[str]) -> _Block:
        place = dataset, day
        block = self._blocks.get(place)
        if block is not None and block.files == files:
            self._blocks.move_to_end(place)
            return block
        if block is not None:
            self._drop(place)
        block = _read(self._lake, spec, self._columns[dataset], day, files)
        self._blocks[place] = block
        self._bytes += block.nbytes
        return block

    def _drop(self, place: tuple[str, int]) -> None:
        self._bytes -= self._blocks.pop(place).nbytes

    def _shrink(self) -> None:
        while self._bytes > limits.SURVEY_BYTES and len(self._blocks) > 1:
            self._drop(next(iter(self._blocks)))


def _read(lake: Lake, spec: TableSpec, columns: frozenset[str] | None, day: int, files: frozenset[str]) -> _Block:
    needed = {*spec.key, spec.time, KNOWN_AT, SEQ}
    listed = "*" if columns is None else ", ".join(_quoted(name) for name in sorted(columns | needed))
    window = None if day == _WHOLE else (_EPOCH + day * _DAY, _EPOCH + (day + 1) * _DAY)
    rows = lake.query(f"SELECT {listed} FROM {spec.name}__versions", time=window)  # noqa: S608
    time, known = _whole(rows[spec.time]), _whole(rows[KNOWN_AT])
    until = _superseded(rows, spec.key, known)
    order = np.lexsort((time, until != _NEVER))
    if columns is not None:
        rows = rows.select(sorted(columns | {KNOWN_AT}))
    kept = rows.take(pa.array(order))
    lasting = int(np.count_nonzero(until == _NEVER))
    return _Block(files, kept, lasting, time[order], known[order], until[order], int(known.max(initial=-_NEVER)))


def _superseded(rows: pa.Table, key: Sequence[str], known: Ints) -> Ints:
    """When a newer version of each row became known: of those of a key the one known last counts, then the one landed last."""
    until = np.full(rows.num_rows, _NEVER)
    columns = list(key)
    alone = rows.select(columns).combine_chunks()
    if alone.group_by(columns).aggregate([]).num_rows == rows.num_rows:
        return until
    fact = np.zeros(rows.num_rows, dtype=np.int64)
    for name in columns:
        coded = alone[name].combine_chunks().dictionary_encode()
        coded = coded.combine_chunks() if isinstance(coded, pa.ChunkedArray) else coded
        codes = np.asarray(coded.indices.fill_null(len(coded.dictionary)), dtype=np.int64)
        fact = np.unique(fact * (len(coded.dictionary) + 1) + codes, return_inverse=True)[1].astype(np.int64)
    order = np.lexsort((_whole(rows[SEQ]), known, fact))
    same = fact[order][1:] == fact[order][:-1]
    until[order[:-1][same]] = known[order[1:][same]]
    return until


def _whole(column: pa.ChunkedArray) -> Ints:
    return np.asarray(column.cast(pa.int64()).to_numpy(), dtype=np.int64)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _us(at: datetime) -> int:
    return (at - _EPOCH) // _TICK

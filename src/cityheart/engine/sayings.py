"""What a table says already: for every key of the last stretches of event time a mark of its newest version.

Devices send again what nobody answered, and answers get lost: most of what comes twice comes soon. To tell whether a row
says anything new, a table of ten thousand files would have to be read; here it is one look into memory. A key and what
is said of it are marks of 64 bits each, so a row is taken for a repetition of another by chance once in 10^19 rows of
one key. Memory is bounded: stretches long not asked for are forgotten and read again from the files when needed.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cityheart.engine.compiled import compiled, inner
from cityheart.engine.layout import SEQ, epoch_us
from cityheart.engine.marks import Marks, marked
from cityheart.kernel import limits

__all__ = ["STRETCH", "Remembered", "Sayings"]

_DAY_US = 86_400_000_000
_FULL = 0.7  # of the places of a table of marks are taken at most
STRETCH = 600_000_000  # microseconds of event time that are remembered and forgotten together

Mask = npt.NDArray[np.bool_]
Read = Callable[[Sequence[int]], Iterable[pa.Table] | None]


class Sayings:
    """The marks of one table, whose event time is part of its key. Safe for threads.

    ``version`` is the version of the table up to which they are complete.
    """

    def __init__(self, key: Sequence[str], time: str) -> None:
        self._key = tuple(key)
        self._time = time
        self._columns: tuple[str, ...] = ()
        self._marks: OrderedDict[int, Remembered] = OrderedDict()
        self._lock = threading.Lock()
        self.version = -1

    def unchanged(self, rows: pa.Table, columns: Sequence[str], version: int, gap: bool, read: Read) -> Mask:
        """Which rows say in ``columns`` what the newest version of their key says.

        ``version`` is the table's; with a ``gap`` rows landed unseen since the last look and everything is read anew.
        ``read`` gives the table's rows of the days in which some stretches lie, piece by piece, no piece when none of
        these stretches has one, None when they are too many to read: then every row passes for new.
        """
        keys, said = marked(rows, self._key), marked(rows, columns)
        stretch = epoch_us(rows[self._time]) // STRETCH
        wanted = np.unique(stretch).tolist()
        with self._lock:
            if gap or self._columns != tuple(columns):
                self._marks.clear()
                self._columns = tuple(columns)
            self.version = version
            self._load([each for each in wanted if each not in self._marks], read)
            same = np.zeros(rows.num_rows, dtype=bool)
            for each in wanted:
                marks = self._marks.get(each)
                if marks is not None:
                    self._marks.move_to_end(each)
                    here = np.flatnonzero(stretch == each) if len(wanted) > 1 else slice(None)
                    same[here] = marks.same(keys[here], said[here])
        return same

    @staticmethod
    def span(stretch: int) -> tuple[int, int]:
        """The event times [start, end) of a stretch, in microseconds since 1970 UTC."""
        return stretch * STRETCH, (stretch + 1) * STRETCH

    def catch_up(self, landed: Sequence[pa.Table], version: int) -> None:
        """Take in everything that landed since the last look, in order, up to ``version``."""
        with self._lock:
            if self.version < version and self._columns:
                for rows in landed:
                    self._put(rows)
                self.version = version

    def learn(self, rows: pa.Table, version: int) -> None:
        """Take in rows that landed as ``version``; what is not the next version leaves a gap, seen at the next look."""
        with self._lock:
            if self.version != version - 1 or not self._columns:
                return
            self.version = version
            self._put(rows)

    def _load(self, absent: Sequence[int], read: Read) -> None:
        if not absent:
            return
        pieces = read(absent)
        if pieces is None:
            return
        found = [(*self._marked(piece), piece[SEQ].to_numpy()) for piece in pieces]
        for each in absent:
            self._marks[each] = Remembered()
        if not found:
            return
        order = np.argsort(np.concatenate([seq for *_, seq in found]))  # oldest version first
        keys, said, stretch = (np.concatenate([piece[place] for piece in found])[order] for place in range(3))
        whole = len(keys) <= limits.LAKE_SAYINGS // 2  # what was read and fits need not be read again
        if whole:
            for each in range(int(stretch.min()), int(stretch.max()) + 1):
                if each * STRETCH // _DAY_US in {missing * STRETCH // _DAY_US for missing in absent}:
                    self._marks[each] = Remembered()
        self._keep(keys, said, stretch, None if whole else frozenset(absent))

    def _marked(self, rows: pa.Table) -> tuple[Marks, Marks, npt.NDArray[np.int64]]:
        """Of each row its key, what it says, and its stretch."""
        return marked(rows, self._key), marked(rows, self._columns), epoch_us(rows[self._time]) // STRETCH

    def _put(self, rows: pa.Table) -> None:
        """Takes in rows of the stretches that are remembered."""
        self._keep(*self._marked(rows), None)

    def _keep(self, keys: Marks, said: Marks, stretch: npt.NDArray[np.int64], only: frozenset[int] | None) -> None:
        """Takes in marks of the stretches that are remembered, or of some of these."""
        for each in np.unique(stretch).tolist():
            if each in self._marks and (only is None or each in only):
                here = stretch == each
                self._marks[each].put(keys[here], said[here])
        while len(self._marks) > 1 and sum(each.count for each in self._marks.values()) > limits.LAKE_SAYINGS:
            self._marks.popitem(last=False)


class Remembered:
    """Marks of keys and of what is said of them, by open addressing: some 25 bytes each."""

    def __init__(self) -> None:
        self.count = 0
        self._keys: Marks = np.zeros(1_024, dtype=np.uint64)
        self._said: Marks = np.zeros(1_024, dtype=np.uint64)

    def put(self, keys: Marks, said: Marks) -> None:
        """Later ones replace earlier ones of the same key."""
        if _FULL * len(self._keys) < self.count + len(keys):
            fresh = len(keys) - int(_same(self._keys, self._keys, keys, keys).sum())  # some of them twice, perhaps
            if _FULL * len(self._keys) < self.count + fresh:
                room = int(max((self.count + fresh) / _FULL, 1.25 * len(self._keys))) + 1
                old = self._keys != 0
                before = self._keys[old], self._said[old]
                self._keys, self._said = np.zeros(room, dtype=np.uint64), np.zeros(room, dtype=np.uint64)
                _put(self._keys, self._said, *before)
        self.count += _put(self._keys, self._said, keys, said)

    def same(self, keys: Marks, said: Marks) -> Mask:
        """Of which keys just this is said."""
        return _same(self._keys, self._said, keys, said)


@inner
def _place(slots: Marks, key: np.uint64) -> int:
    """Where a key is, or where it would be. Marks are spread evenly, so their upper half says where to look first."""
    at = ((key >> np.uint64(32)) * np.uint64(len(slots))) >> np.uint64(32)
    while slots[at] != 0 and slots[at] != key:
        at = at + np.uint64(1) if at + np.uint64(1) < np.uint64(len(slots)) else np.uint64(0)
    return int(at)


@compiled
def _put(slots: Marks, values: Marks, keys: Marks, said: Marks) -> int:
    """Puts pairs in; how many keys are new."""
    count = 0
    for i in range(len(keys)):
        at = _place(slots, keys[i])
        if slots[at] == 0:
            slots[at] = keys[i]
            count += 1
        values[at] = said[i]
    return count


@compiled
def _same(slots: Marks, values: Marks, keys: Marks, said: Marks) -> Mask:
    found = np.zeros(len(keys), dtype=np.bool_)
    for i in range(len(keys)):
        at = _place(slots, keys[i])
        found[i] = slots[at] == keys[i] and values[at] == said[i]
    return found

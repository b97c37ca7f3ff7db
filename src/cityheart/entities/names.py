"""Finding subjects by what somebody types: pairs of letters find, likeness ranks. Made from the store, caught up by change.

An index of one process, always disposable: the store is what counts. Words of records that the reader may not see are
never looked at for that reader, so that neither hits nor their number tell of them.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from rapidfuzz import process
from rapidfuzz.distance import Indel, LCSseq

from cityheart.entities.normalise import tidy

__all__ = ["Index", "Said"]

Said = tuple[int, int, str, str, str | None, str | None, Mapping[str, str]]
"""``(change, record, kind, dataset, name, former, identifiers)``"""

_RANKED = 300  # texts whose likeness is looked at
_SHARE = 0.3  # of the pairs of a query that a text must have
_LATE = 4_000  # texts that came since the index was made, from which on it is made anew


@dataclass(frozen=True)
class _Part:
    """Texts with their pairs of letters in order."""

    texts: pa.Array
    record: npt.NDArray[np.int64]
    change: npt.NDArray[np.int64]
    kind: npt.NDArray[np.int64]
    dataset: npt.NDArray[np.int64]
    pairs: npt.NDArray[np.uint64]
    where: npt.NDArray[np.int64]


class Index:
    """Names, former names and identifiers of all records."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._names: dict[str, int] = {}  # kinds and datasets as numbers
        self._newest: dict[int, int] = {}  # record -> its newest change
        self._said: list[tuple[str, int, int, int, int]] = []
        self._made = 0  # how many of them the first part holds
        self._parts: list[_Part] = []
        self.change = 0

    def add(self, found: Sequence[Said]) -> None:
        """Take in what changed, in the order of changes."""
        if not found:
            return
        with self._lock:
            texts: list[str] = []
            owners: list[tuple[int, int, int, int]] = []
            for change, record, kind, dataset, name, former, identifiers in found:
                self._newest[record] = change
                place = (record, change, self._number(f"kind:{kind}"), self._number(dataset))
                for text in dict.fromkeys(one for one in (name, former, *identifiers.values()) if one):
                    texts.append(text)
                    owners.append(place)
            plain = tidy(pa.array(texts, pa.string())).to_pylist()
            self._said += [(text, *owner) for text, owner in zip(plain, owners, strict=True) if text]
            self.change = max(self.change, found[-1][0])
            late = len(self._said) - self._made
            if late > max(_LATE, self._made // 10) or not self._parts:
                self._said = [one for one in self._said if self._newest[one[1]] == one[2]]
                self._parts = [_part(self._said)]
                self._made = len(self._said)
            else:
                self._parts = [self._parts[0], _part(self._said[self._made :])]

    def find(
        self, text: str, *, kind: str | None, datasets: Collection[str], limit: int
    ) -> list[tuple[int, float]]:  # fmt: skip
        """Records ``(id, likeness 0 to 1)`` whose words are like ``text``, the likest first."""
        asked = cast("str | None", tidy(pa.array([text], pa.string()))[0].as_py())
        if asked is None:
            return []
        with self._lock:
            parts = list(self._parts)
            allowed = np.array([self._names[name] for name in datasets if name in self._names], dtype=np.int64)
            wanted = None if kind is None else self._names.get(f"kind:{kind}", -1)
        best: dict[int, float] = {}
        for part in parts:
            for place, likeness in _ranked(part, asked, wanted, allowed):
                record = int(part.record[place])
                if self._newest.get(record) == int(part.change[place]):
                    best[record] = max(best.get(record, 0.0), likeness)
        ranked = sorted(best.items(), key=lambda one: (-one[1], one[0]))
        return ranked[:limit]

    def _number(self, name: str) -> int:
        return self._names.setdefault(name, len(self._names))


def _part(said: Sequence[tuple[str, int, int, int, int]]) -> _Part:
    texts = [one[0] for one in said]
    pairs, where = _pairs(texts)
    order = np.argsort(pairs, kind="stable")
    columns = np.array([one[1:] for one in said], dtype=np.int64).reshape(-1, 4).T
    return _Part(
        pa.array(texts, pa.string()), columns[0], columns[1], columns[2], columns[3], pairs[order], where[order]
    )  # fmt: skip


def _pairs(texts: Sequence[str]) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]:
    """Every two letters beside each other, with the text they stand in."""
    letters = np.frombuffer("".join(texts).encode("utf-32-le"), dtype=np.uint32).astype(np.uint64)
    lengths = np.array([len(text) for text in texts], dtype=np.int64)
    where = np.repeat(np.arange(len(texts)), lengths)
    if len(letters) < 2:
        return np.zeros(0, dtype=np.uint64), np.zeros(0, dtype=np.int64)
    inside = where[1:] == where[:-1]
    pairs = (letters[:-1] << np.uint64(32)) | letters[1:]
    return pairs[inside], where[:-1][inside]


def _ranked(
    part: _Part, asked: str, kind: int | None, datasets: npt.NDArray[np.int64]
) -> list[tuple[int, float]]:  # fmt: skip
    allowed = np.isin(part.dataset, datasets)
    if kind is not None:
        allowed &= part.kind == kind
    if len(asked) == 1:
        hit = pc.match_substring(part.texts, asked).to_numpy(zero_copy_only=False) & allowed
        which = np.flatnonzero(hit)[:_RANKED]
    else:
        pairs = np.unique(_pairs([asked])[0])
        starts, ends = np.searchsorted(part.pairs, pairs), np.searchsorted(part.pairs, pairs, side="right")
        found = np.concatenate([np.unique(part.where[a:b]) for a, b in zip(starts, ends, strict=True)])
        counted = np.bincount(found, minlength=len(part.texts))
        counted[~allowed] = 0
        which = np.flatnonzero(counted >= max(1, int(_SHARE * len(pairs))))
        if len(which) > _RANKED:
            which = which[np.argsort(-counted[which], kind="stable")[:_RANKED]]
    if not len(which):
        return []
    texts = part.texts.take(pa.array(which)).to_pylist()
    whole = process.cdist([asked], texts, scorer=Indel.normalized_similarity, dtype=np.float32)[0]
    common = process.cdist([asked], texts, scorer=LCSseq.similarity, dtype=np.int32)[0] / len(asked)
    likeness = 0.4 * whole + 0.6 * common
    return list(zip(which.tolist(), likeness.tolist(), strict=True))

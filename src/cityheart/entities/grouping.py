"""Groups of records out of pairs: the surest first, never two valid codes in one, never what people hold apart.

Pure: positions and numbers in, groups and what remains to ask out; the same for one new record and for a million.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cityheart.entities.compiled import inner, kernel
from cityheart.entities.marks import AT, Marks, blocking
from cityheart.entities.matching import NEVER, Dropped, Pairs, blocks, gathered, score
from cityheart.entities.rules import KindRules, Rules

__all__ = ["Known", "Resolved", "resolve"]

Index = npt.NDArray[np.int64]
SURE = 100.0  # of equal decisive identifiers, which are not counted in points
MOST_QUESTIONS = 3  # questions about one new record
_ROUNDS = 3  # how often groups are compared as a whole


@dataclass(frozen=True)
class Known:
    """The subjects that the first records belong to: ``group`` of each record (position of its subject, -1: none yet).

    ``unique``: the unique identifiers of each subject; ``apart``: pairs of subjects that people hold apart.
    """

    group: Index
    unique: npt.NDArray[np.int64]
    apart: npt.NDArray[np.int64]  # (pairs, 2)

    @classmethod
    def nothing(cls, records: int, kinds_of_unique: int) -> Known:
        """No subject is known yet."""
        return cls(
            np.full(records, -1, dtype=np.int64),
            np.zeros((0, kinds_of_unique), dtype=np.int64),
            np.zeros((0, 2), dtype=np.int64),
        )


@dataclass(frozen=True)
class Resolved:
    """What came of it.

    ``group``: a number for each record, equal for records of one subject; ``subjects``: the number of each known subject.
    ``joined``: for each record the position in ``links`` of the surest pair that holds it in its group, -1 for none.
    ``identifier``: of each link the decisive identifier that made it, -1 where points did. ``questions``: pairs that a
    person decides. ``barred``: how many sure pairs the guard refused.
    """

    group: Index
    subjects: Index
    links: Pairs
    identifier: Index
    joined: Index
    questions: Pairs
    dropped: Sequence[Dropped]
    barred: int
    candidates: int


def resolve(marks: Marks, kind: str, rules: Rules, known: Known, *, first_new: int = 0) -> Resolved:
    """Put records into groups. Pairs of records before ``first_new`` were looked at earlier, and are not again."""
    own = rules.kinds[kind]
    count = len(marks)
    sure, which = _sure(marks, count)
    nodes = _Nodes(marks, known)
    nodes.unite(sure)
    auto = open = Pairs(*_none(), np.zeros(0), _none()[0])
    candidates = refused = 0
    dropped: list[Dropped] = []
    if own.points is not None and first_new < count:
        marks = _named(marks, nodes.roots()[:count])
        a, b, dropped = blocks(blocking(marks, kind), count, first_new, rules.block)
        candidates = len(a)
        auto, open, refused = _joins(score(marks, a, b, own), nodes, own, rules.margin)
    roots = nodes.roots()
    links = Pairs(*(np.concatenate(both) for both in zip(_parts(sure), _parts(auto), strict=True)))
    identifier = np.concatenate([which, np.full(len(auto), -1, dtype=np.int64)])
    together = roots[links.a] == roots[links.b]
    links, identifier = links.kept(together), identifier[together]
    return Resolved(
        roots[:count],
        roots[count:],
        links,
        identifier,
        _joined(links, count),
        _questions(open, roots, nodes, count),
        dropped,
        refused,
        candidates,
    )


def _joins(pairs: Pairs, nodes: _Nodes, own: KindRules, margin: float) -> tuple[Pairs, Pairs, int]:
    """The pairs that joined groups, those that a person decides, and how many the guard refused.

    First each pair speaks for itself. Then what is said between two groups counts together, for what one record leaves
    out another may have: again and again, because a group that has grown says more.
    """
    pairs = pairs.kept(pairs.score > NEVER / 2)
    sure = pairs.kept(pairs.score >= own.auto - margin)
    sure = sure.kept(
        (sure.score >= own.auto) & ~_doubtful(sure, nodes.unique_of(sure), (sure.a, sure.b), own.auto, margin)
    )
    refused = nodes.unite(sure)
    joined = [sure]
    for _ in range(_ROUNDS):
        roots = nodes.roots()
        pairs = pairs.kept(_telling(pairs, roots, min(own.review, own.auto - margin)))
        whole, several = gathered(pairs, roots, own)
        whole, several = whole.kept(reached := whole.score >= min(own.review, own.auto - margin)), several[reached]
        who = roots[whole.a], roots[whole.b]
        doubtful = _doubtful(whole, nodes.unique_of(whole), who, own.auto, margin)
        more = whole.kept((whole.score >= own.auto) & several & ~doubtful)
        before = int((roots[more.a] != roots[more.b]).sum()) - nodes.unite(more)
        joined.append(more)
        if not before:
            break
    return Pairs(*(np.concatenate(parts) for parts in zip(*map(_parts, joined), strict=True))), whole, refused


def _telling(pairs: Pairs, roots: Index, floor: float) -> npt.NDArray[np.bool_]:
    """Pairs between two groups that say enough, or that are not the only pair between these groups."""
    left, right = roots[pairs.a], roots[pairs.b]
    between = np.minimum(left, right) * len(roots) + np.maximum(left, right)
    order = np.argsort(between, kind="stable")
    again = between[order[1:]] == between[order[:-1]]
    several = np.zeros(len(pairs), dtype=np.bool_)
    several[order[1:][again]] = several[order[:-1][again]] = True
    telling: npt.NDArray[np.bool_] = (left != right) & (several | (pairs.score >= floor))
    return telling


def _named(marks: Marks, roots: Index) -> Marks:
    """Records without a name, but surely of a subject that has one, go by that: another address of a known firm."""
    nameless = marks.numbers[:, AT["core"]] == 0
    which = np.flatnonzero(nameless & ((marks.numbers[:, AT["road"]] != 0) | np.isfinite(marks.lon)))
    named = np.flatnonzero(~nameless)
    if not len(which) or not len(named):
        return marks
    first = np.full(int(roots.max()) + 1, -1, dtype=np.int64)
    first[roots[named[::-1]]] = named[::-1]
    giver = first[roots[which]]
    which, giver = which[giver >= 0], giver[giver >= 0]
    numbers, stems = marks.numbers.copy(), marks.stems.copy()
    for name in ("core", "stem", "sound", "letters", "ending", "brand", "region", "form", "head", "tail"):
        numbers[which, AT[name]] = numbers[giver, AT[name]]
    stems[which] = stems[giver]
    return Marks(numbers, stems, marks.lon, marks.lat, marks.unique, marks.decisive)


def _sure(marks: Marks, count: int) -> tuple[Pairs, Index]:
    """Chains of records with an equal decisive identifier, and which identifier it is."""
    found_a, found_b, which = [], [], []
    for place in range(marks.decisive.shape[1]):
        values = marks.decisive[:, place]
        order = np.argsort(values, kind="stable")
        same = (values[order[1:]] == values[order[:-1]]) & (values[order[1:]] != 0)
        found_a.append(order[:-1][same])
        found_b.append(order[1:][same])
        which.append(np.full(int(same.sum()), place, dtype=np.int64))
    if not found_a:
        return Pairs(*_none(), np.zeros(0), _none()[0]), _none()[0]
    a, b = np.concatenate(found_a), np.concatenate(found_b)
    return Pairs(a, b, np.full(len(a), SURE), np.zeros(len(a), dtype=np.int64)), np.concatenate(which)


class _Nodes:
    """Records and known subjects as nodes of a forest."""

    def __init__(self, marks: Marks, known: Known) -> None:
        self.count = len(marks)
        groups = len(known.unique)
        self.parent = np.arange(self.count + groups, dtype=np.int64)
        self.size = np.ones(self.count + groups, dtype=np.int64)
        self.unique = np.concatenate([marks.unique, known.unique])
        old = np.flatnonzero(known.group >= 0)
        self.parent[old] = self.count + known.group[old]
        for place in range(marks.unique.shape[1]):
            says = old[marks.unique[old, place] != 0]
            self.unique[self.count + known.group[says], place] = marks.unique[says, place]
        self.apart = known.apart + self.count
        self.flagged = np.zeros(self.count + groups, dtype=np.bool_)
        self.flagged[self.apart.ravel()] = True

    def unite(self, pairs: Pairs) -> int:
        """Join what pairs connect, the surest first; how many the guard refused."""
        if not len(pairs):
            return 0
        order = np.lexsort((pairs.b, pairs.a, -pairs.score))
        return int(
            _unite(
                len(pairs), self.parent, self.size, self.unique, self.flagged, self.apart, pairs.a[order], pairs.b[order]
            )
        )  # fmt: skip

    def roots(self) -> Index:
        """The root of every node."""
        roots: Index = _roots(len(self.parent), self.parent)
        return roots

    def unique_of(self, pairs: Pairs) -> tuple[Index, Index]:
        """The first unique identifier of the group of each side of each pair."""
        roots = self.roots()
        if not self.unique.shape[1]:
            return np.zeros(len(pairs), dtype=np.int64), np.zeros(len(pairs), dtype=np.int64)
        first = self.unique[:, 0]
        return first[roots[pairs.a]], first[roots[pairs.b]]

    def barred(self, a: Index, b: Index) -> npt.NDArray[np.bool_]:
        """Which of these roots may never be one."""
        p, q = self.unique[a], self.unique[b]
        barred: npt.NDArray[np.bool_] = ((p != 0) & (q != 0) & (p != q)).any(axis=1)
        if len(self.apart):
            roots = self.roots()
            held = {tuple(sorted(pair)) for pair in roots[self.apart].tolist()}
            barred |= np.array([tuple(sorted(pair)) in held for pair in zip(a.tolist(), b.tolist(), strict=True)])
        return barred


def _doubtful(
    pairs: Pairs, unique: tuple[Index, Index], sides: tuple[Index, Index], auto: float, margin: float
) -> npt.NDArray[np.bool_]:  # fmt: skip
    """Sure pairs of one without a unique identifier that could as well belong to another subject with one.

    ``sides``: of what each pair speaks, records or groups.
    """
    left, right = unique
    one = (left == 0) != (right == 0)
    which = np.flatnonzero(one & (pairs.score >= auto - margin))
    who = np.where(left[which] == 0, sides[0][which], sides[1][which])
    whose = np.where(left[which] == 0, right[which], left[which])
    points = pairs.score[which]
    doubtful = np.zeros(len(pairs), dtype=np.bool_)
    order = np.lexsort((-points, who))
    doubtful[which[order]] = _ambiguous(len(order), who[order], whose[order], points[order], margin)
    return doubtful


def _joined(links: Pairs, count: int) -> Index:
    joined = np.full(count, -1, dtype=np.int64)
    order = np.argsort(links.score, kind="stable")
    joined[links.a[order]] = order
    later = joined[links.b[order]]
    better = (later < 0) | (links.score[order] >= links.score[later])
    joined[links.b[order[better]]] = order[better]
    return joined


def _questions(pairs: Pairs, roots: Index, nodes: _Nodes, count: int) -> Pairs:
    """One question for each two groups, the surest pair of them; at most some about one record."""
    a, b = roots[pairs.a], roots[pairs.b]
    which = np.flatnonzero(a != b)
    which = which[~nodes.barred(a[which], b[which])] if len(which) else which
    low, high = np.minimum(a[which], b[which]), np.maximum(a[which], b[which])
    order = np.lexsort((pairs.b[which], pairs.a[which], -pairs.score[which], high, low))
    which, low, high = which[order], low[order], high[order]
    first = np.ones(len(which), dtype=np.bool_)
    first[1:] = (low[1:] != low[:-1]) | (high[1:] != high[:-1])
    which = which[first]
    which = which[np.argsort(-pairs.score[which], kind="stable")]
    asked: dict[int, int] = {}
    keep = []
    for at in which.tolist():
        record = int(pairs.b[at])
        asked[record] = asked.get(record, 0) + 1
        if asked[record] <= MOST_QUESTIONS:
            keep.append(at)
    chosen = np.zeros(len(pairs), dtype=np.bool_)
    chosen[keep] = True
    return pairs.kept(chosen)


def _parts(pairs: Pairs) -> tuple[Index, Index, npt.NDArray[np.float64], Index]:
    return pairs.a, pairs.b, pairs.score, pairs.evidence


def _none() -> tuple[Index, Index]:
    return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)


@inner
def _find(parent: Index, node: int) -> int:
    while parent[node] != node:
        parent[node] = parent[parent[node]]
        node = parent[node]
    return node


@kernel
def _roots(parent: Index) -> Index:
    found = np.empty(len(parent), dtype=np.int64)
    for node in range(len(parent)):
        found[node] = _find(parent, node)
    return found


@kernel
def _unite(
    parent: Index,
    size: Index,
    unique: npt.NDArray[np.int64],
    flagged: npt.NDArray[np.bool_],
    apart: npt.NDArray[np.int64],
    a: Index,
    b: Index,
) -> int:
    refused = 0
    kinds = unique.shape[1]
    for i in range(len(a)):
        x, y = _find(parent, a[i]), _find(parent, b[i])
        if x == y:
            continue
        barred = False
        for u in range(kinds):
            if unique[x, u] != 0 and unique[y, u] != 0 and unique[x, u] != unique[y, u]:
                barred = True
        if not barred and flagged[x] and flagged[y]:
            for k in range(len(apart)):
                p, q = _find(parent, apart[k, 0]), _find(parent, apart[k, 1])
                if (p == x and q == y) or (p == y and q == x):
                    barred = True
        if barred:
            refused += 1
            continue
        if size[x] < size[y]:
            x, y = y, x
        parent[y] = x
        size[x] += size[y]
        flagged[x] |= flagged[y]
        for u in range(kinds):
            if unique[x, u] == 0:
                unique[x, u] = unique[y, u]
    return refused


@kernel
def _ambiguous(who: Index, whose: Index, points: npt.NDArray[np.float64], margin: float) -> npt.NDArray[np.bool_]:
    """Rows by record, the surest first: those of records whose best answer has a rival."""
    found = np.zeros(len(who), dtype=np.bool_)
    start = 0
    while start < len(who):
        end = start
        rival = False
        while end < len(who) and who[end] == who[start]:
            if whose[end] != whose[start] and points[start] - points[end] < margin:
                rival = True
            end += 1
        if rival:
            for i in range(start, end):
                found[i] = points[start] - points[i] < margin
        start = end
    return found

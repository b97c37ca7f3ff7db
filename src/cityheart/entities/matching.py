"""Which pairs of records are looked at, and how many points each gets.

Records find each other by marks that they share (blocks). A block of more than ``rules.block`` records finds nobody: one
badly parsed column would otherwise make a pair of everything with everything. What was left out is told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from rapidfuzz import process
from rapidfuzz.distance import Indel

from cityheart.entities.compiled import inner, kernel
from cityheart.entities.hashing import Hashes, both
from cityheart.entities.marks import AT, Marks
from cityheart.entities.rules import POINTS, KindRules

__all__ = ["Dropped", "Pairs", "blocks", "points_of", "score"]

Index = npt.NDArray[np.int64]
BIT = {name: place for place, name in enumerate(POINTS)}
NEAR, ALIKE = 0.84, 0.7  # likeness of stems (1 - insertions and deletions over both lengths)
NEVER = -1e9


@dataclass(frozen=True)
class Dropped:
    """A block that was too large: the mark's name, how many records share it, one of them."""

    name: str
    size: int
    record: int


@dataclass(frozen=True)
class Pairs:
    """Pairs of records ``a < b`` (positions) with points and evidence (a bit for each of :data:`POINTS` that spoke)."""

    a: Index
    b: Index
    score: npt.NDArray[np.float64]
    evidence: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.a)

    def kept(self, which: npt.NDArray[np.bool_]) -> Pairs:
        """Some of the pairs."""
        return Pairs(self.a[which], self.b[which], self.score[which], self.evidence[which])


def blocks(keys: Mapping[str, Hashes], first_new: int, cap: int) -> tuple[Index, Index, list[Dropped]]:
    """Pairs ``a < b`` of records that share a mark, each once, at least one of them from ``first_new`` on."""
    if not keys:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), []
    names = list(keys)
    count = len(keys[names[0]])
    chosen = [np.flatnonzero(keys[name]) for name in names]
    values = np.concatenate([keys[name][which] for name, which in zip(names, chosen, strict=True)])
    who = np.concatenate(chosen)
    kind = np.repeat(np.arange(len(names), dtype=np.int8), [len(which) for which in chosen])
    order = np.argsort(values, kind="stable")
    values, who, kind = values[order], who[order], kind[order]
    starts = np.flatnonzero(np.concatenate([[True], values[1:] != values[:-1]])) if len(values) else values
    sizes = np.diff(np.concatenate([starts, [len(values)]]))
    large = sizes > cap
    dropped = [
        Dropped(names[kind[start]], int(size), int(who[start]))
        for start, size in zip(starts[large].tolist(), sizes[large].tolist(), strict=True)
    ]
    keep = (sizes > 1) & ~large
    codes = _pairs(int((sizes[keep] ** 2).sum()), who, starts[keep], sizes[keep], first_new, count)
    codes.sort()
    codes = codes[np.concatenate([[True], codes[1:] != codes[:-1]])] if len(codes) else codes
    return codes // count, codes % count, sorted(dropped, key=lambda one: (-one.size, one.name, one.record))


def score(marks: Marks, a: Index, b: Index, rules: KindRules) -> Pairs:
    """The points of each pair; of those that no name can still bring to ``rules.review``, not all are counted."""
    weights = rules.weights()
    points, evidence, waiting = _score(
        10 * len(a), marks.numbers, marks.lon, marks.lat, marks.unique, _carriers(marks), a, b, weights
    )
    hopeful = waiting & (points + max(weights[BIT["name_near"]], weights[BIT["name_alike"]]) >= rules.review)
    which = np.flatnonzero(hopeful)
    if len(which):
        near = process.cpdist(
            marks.stems[a[which]].tolist(),
            marks.stems[b[which]].tolist(),
            scorer=Indel.normalized_similarity,
            dtype=np.float32,
            score_cutoff=ALIKE,
            workers=1 if len(which) < 10_000 else -1,
        )
        for name, alike in (
            ("name_near", near >= NEAR), ("name_alike", (near >= ALIKE) & (near < NEAR)), ("name_other", near < ALIKE),
        ):  # fmt: skip
            points[which[alike]] += weights[BIT[name]]
            evidence[which[alike]] |= 1 << BIT[name]
    rest = waiting & ~hopeful
    points[rest] += weights[BIT["name_other"]]
    evidence[rest] |= 1 << BIT["name_other"]
    return Pairs(a, b, points, evidence)


def _carriers(marks: Marks) -> npt.NDArray[np.int64]:
    """How many different codes are known under the name of each record: with its region, and whatever the region."""
    core, region, code = (marks.numbers[:, AT[name]] for name in ("core", "region", "code"))
    found = np.zeros((len(marks), 2), dtype=np.int64)
    for place, name in enumerate((both(core, region), core)):
        known = np.flatnonzero((name != 0) & (code != 0))
        order = known[np.lexsort((code[known], name[known]))]
        fresh = np.ones(len(order), dtype=bool)
        fresh[1:] = (name[order[1:]] != name[order[:-1]]) | (code[order[1:]] != code[order[:-1]])
        names, counts = np.unique(name[order[fresh]], return_counts=True)
        if len(names):
            at = np.minimum(np.searchsorted(names, name), len(names) - 1)
            found[:, place] = np.where(names[at] == name, counts[at], 0)
    return found


def points_of(evidence: int, rules: KindRules) -> Sequence[tuple[str, float]]:
    """What the bits of an evidence say: names of points with what they counted."""
    assert rules.points is not None
    return [(name, rules.points[name]) for place, name in enumerate(POINTS) if evidence >> place & 1]


@kernel
def _pairs(who: Index, starts: Index, sizes: Index, first_new: int, count: int) -> Index:
    total = 0
    for block in range(len(starts)):
        total += sizes[block] * (sizes[block] - 1) // 2
    found = np.empty(total, dtype=np.int64)
    at = 0
    for block in range(len(starts)):
        start, end = starts[block], starts[block] + sizes[block]
        for i in range(start, end):
            for j in range(i + 1, end):
                a, b = who[i], who[j]
                if a > b:
                    a, b = b, a
                if a != b and b >= first_new:
                    found[at] = a * count + b
                    at += 1
    return found[:at]


_CORE, _STEM, _SOUND, _REGION, _FORM = AT["core"], AT["stem"], AT["sound"], AT["region"], AT["form"]
_FORMER, _FORMER_STEM, _FORMER_SOUND = AT["former_core"], AT["former_stem"], AT["former_sound"]
_AREA, _ROAD, _NUMBER, _PERSON, _PHONE = AT["area"], AT["road"], AT["number"], AT["person"], AT["phone"]
_REGISTRATION, _CODE, _TAIL, _OF = AT["registration"], AT["code"], AT["tail_of_code"], AT["of"]
_B = tuple(range(len(POINTS)))
(
    _EXACT, _NAME_CORE, _NAME_FORMER, _NAME_STEM, _NAME_SOUND, _NEAR, _ALIKE, _OTHER, _SOLE, _SHARED, _REGION_OTHER,
    _FORM_OTHER,
    _ADDRESS, _ADDRESS_ROAD, _ADDRESS_OTHER, _AREA_OTHER, _PERSON_SAME, _PERSON_OTHER, _PHONE_SAME, _PHONE_OTHER,
    _REGISTRATION_SAME, _REGISTRATION_OTHER, _CODE_NEAR, _OF_SAME, _OF_OTHER, _PLACE_AT, _PLACE_NEAR, _PLACE_APART,
    _PLACE_FAR,
) = _B  # fmt: skip
_METRES = 111_320.0


@inner
def _name(p: Index, q: Index) -> int:
    """What two names say, as bits; 0: nothing yet, their likeness decides."""
    bits = 0
    differ = p[_REGION] != 0 and q[_REGION] != 0 and p[_REGION] != q[_REGION]
    if p[_CORE] == q[_CORE]:
        bits = 1 << _EXACT if p[_REGION] != 0 and p[_REGION] == q[_REGION] else 1 << _NAME_CORE
        if p[_FORM] > 1 and q[_FORM] > 1 and p[_FORM] != q[_FORM]:
            bits |= 1 << _FORM_OTHER
    elif (p[_FORMER] != 0 and (p[_FORMER] == q[_CORE] or p[_FORMER] == q[_FORMER])) or (
        q[_FORMER] != 0 and q[_FORMER] == p[_CORE]
    ):
        return 1 << _NAME_FORMER
    elif (
        p[_STEM] == q[_STEM]
        or (p[_FORMER_STEM] != 0 and p[_FORMER_STEM] == q[_STEM])
        or (q[_FORMER_STEM] != 0 and q[_FORMER_STEM] == p[_STEM])
    ):
        bits = 1 << _NAME_STEM
    elif (
        p[_SOUND] == q[_SOUND]
        or (p[_FORMER_SOUND] != 0 and p[_FORMER_SOUND] == q[_SOUND])
        or (q[_FORMER_SOUND] != 0 and q[_FORMER_SOUND] == p[_SOUND])
    ):
        bits = 1 << _NAME_SOUND
    elif not differ:
        return 0
    if differ:
        bits |= 1 << _REGION_OTHER
    return bits


@inner
def _rest(p: Index, q: Index, metres: float) -> int:
    """What addresses, persons, numbers and places say, as bits."""
    bits = 0
    if p[_AREA] != 0 and q[_AREA] != 0 and p[_AREA] != q[_AREA]:
        bits |= 1 << _AREA_OTHER
    elif p[_ROAD] != 0 and q[_ROAD] != 0:
        if p[_ROAD] != q[_ROAD]:
            bits |= 1 << _ADDRESS_OTHER
        elif p[_NUMBER] != 0 and p[_NUMBER] == q[_NUMBER]:
            bits |= 1 << _ADDRESS
        else:
            bits |= 1 << _ADDRESS_ROAD
    if p[_PERSON] != 0 and q[_PERSON] != 0:
        bits |= 1 << (_PERSON_SAME if p[_PERSON] == q[_PERSON] else _PERSON_OTHER)
    if p[_PHONE] != 0 and q[_PHONE] != 0:
        bits |= 1 << (_PHONE_SAME if p[_PHONE] == q[_PHONE] else _PHONE_OTHER)
    if p[_REGISTRATION] != 0 and q[_REGISTRATION] != 0:
        bits |= 1 << (_REGISTRATION_SAME if p[_REGISTRATION] == q[_REGISTRATION] else _REGISTRATION_OTHER)
    if p[_TAIL] != 0 and p[_TAIL] == q[_TAIL] and (p[_CODE] == 0 or q[_CODE] == 0):
        bits |= 1 << _CODE_NEAR
    if p[_OF] != 0 and q[_OF] != 0:
        bits |= 1 << (_OF_SAME if p[_OF] == q[_OF] else _OF_OTHER)
    if metres >= 0.0:
        if metres <= 60.0:
            bits |= 1 << _PLACE_AT
        elif metres <= 150.0:
            bits |= 1 << _PLACE_NEAR
        elif metres <= 1500.0:
            bits |= 1 << _PLACE_APART
        else:
            bits |= 1 << _PLACE_FAR
    return bits


@kernel
def _score(
    numbers: npt.NDArray[np.int64],
    lon: npt.NDArray[np.float64],
    lat: npt.NDArray[np.float64],
    unique: npt.NDArray[np.int64],
    carriers: npt.NDArray[np.int64],
    a: Index,
    b: Index,
    weights: npt.NDArray[np.float64],
) -> tuple[npt.NDArray[np.float64], Index, npt.NDArray[np.bool_]]:
    points = np.zeros(len(a), dtype=np.float64)
    evidence = np.zeros(len(a), dtype=np.int64)
    waiting = np.zeros(len(a), dtype=np.bool_)
    for i in range(len(a)):
        x, y = a[i], b[i]
        p, q = numbers[x], numbers[y]
        barred = False
        for u in range(unique.shape[1]):
            if unique[x, u] != 0 and unique[y, u] != 0 and unique[x, u] != unique[y, u]:
                barred = True
        if barred:
            points[i] = NEVER
            continue
        metres = -1.0
        east = (lon[x] - lon[y]) * _METRES * np.cos(np.radians(lat[x]))
        north = (lat[x] - lat[y]) * _METRES
        if not (np.isnan(east) or np.isnan(north)):
            metres = np.sqrt(east * east + north * north)
        bits = _rest(p, q, metres)
        if p[_STEM] != 0 and q[_STEM] != 0:
            said = _name(p, q)
            waiting[i] = (said & ~(1 << _REGION_OTHER)) == 0
            bits |= said
            if said >> _EXACT & 1 or said >> _NAME_CORE & 1:
                known = carriers[x, 0] if said >> _EXACT & 1 else carriers[x, 1]
                if known == 1:
                    bits |= 1 << _SOLE
                elif known > 1:
                    bits |= 1 << _SHARED
        evidence[i] = bits
        for place in range(len(weights)):
            if bits >> place & 1:
                points[i] += weights[place]
    return points, evidence, waiting

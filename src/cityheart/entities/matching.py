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
from cityheart.entities.hashing import both
from cityheart.entities.marks import AT, Block, Marks
from cityheart.entities.rules import POINTS, KindRules

__all__ = ["Dropped", "Pairs", "blocks", "gathered", "points_of", "score"]

Index = npt.NDArray[np.int64]
BIT = {name: place for place, name in enumerate(POINTS)}
_RENAMING = sum(1 << BIT[name] for name in ("name_other", "name_trade", "address_same"))
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


def blocks(keys: Mapping[str, Block], count: int, first_new: int, cap: int) -> tuple[Index, Index, list[Dropped]]:
    """Pairs ``a < b`` of records that share a mark, each once, at least one of them from ``first_new`` on."""
    if not keys:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), []
    names = list(keys)
    values = np.concatenate([keys[name].mark for name in names])
    who = np.concatenate([keys[name].who for name in names])
    kind = np.repeat(np.arange(len(names), dtype=np.int8), [len(keys[name].who) for name in names])
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
    renamed = np.flatnonzero((evidence & _RENAMING) == _RENAMING)
    points[renamed] += weights[BIT["name_renamed"]]
    evidence[renamed] |= 1 << BIT["name_renamed"]
    return Pairs(a, b, points, evidence)


def _carriers(marks: Marks) -> npt.NDArray[np.int64]:
    """How many different codes are known of what each record says, 0 for none.

    The columns: its name with the region, its name whatever the region, its address, its person, its telephone number.
    What one code is known under tells who it is; what several firms share tells little. A name that is known of several
    regions says nothing where the region is missing.
    """
    core, region, code, person, phone = (
        marks.numbers[:, AT[name]] for name in ("core", "region", "code", "person", "phone")
    )
    address = both(*(marks.numbers[:, AT[name]] for name in ("area", "road", "number")))
    told = (both(core, region), core, address, person, phone)
    found = np.zeros((len(marks), len(told)), dtype=np.int64)
    for place, name in enumerate(told):
        who = np.flatnonzero(name)
        order = who[np.lexsort((code[who], name[who]))]
        if not len(order):
            continue
        names, codes = name[order], code[order]
        first = np.ones(len(order), dtype=np.bool_)
        first[1:] = names[1:] != names[:-1]
        fresh = codes != 0
        fresh[1:] &= first[1:] | (codes[1:] != codes[:-1])
        group = np.cumsum(first) - 1
        found[order, place] = np.bincount(group[fresh], minlength=int(group[-1]) + 1)[group]
    regional = np.flatnonzero((core != 0) & (region != 0))
    order = regional[np.lexsort((region[regional], core[regional]))]
    differs = (core[order[1:]] == core[order[:-1]]) & (region[order[1:]] != region[order[:-1]])
    several = np.unique(core[order[1:][differs]])
    found[np.isin(core, several) & (found[:, 1] == 1), 1] = 0
    return found


_FAMILIES = (  # what can be said of one thing, and what goes with it
    (
        ("name_exact", "name_core", "name_former", "name_stem", "name_sound", "name_swapped", "name_near", "name_alike",
         "name_other"),
        ("name_trade", "name_renamed", "name_rare", "name_sole", "name_shared", "region_other", "form_other"),
    ),
    (
        ("address_same", "address_road", "address_number", "address_other", "area_other"),
        ("address_sole", "address_shared"),
    ),
    (("person_same", "person_other"), ("person_sole", "person_shared")),
    (("phone_same", "phone_other"), ("phone_sole", "phone_shared")),
    (("registration_same", "registration_other"), ()),
    (("code_near",), ()),
    (("of_same", "of_other"), ()),
    (("place_at", "place_near", "place_apart", "place_far"), ()),
)  # fmt: skip


def gathered(pairs: Pairs, roots: Index, rules: KindRules) -> tuple[Pairs, npt.NDArray[np.bool_]]:
    """One pair for each two groups that pairs lie between, with what all of them say together.

    Of each thing (name, address, person, …) the best that any pair says counts, with what goes with it: a firm that moved
    has two addresses, and one of them that agrees is enough. The pair that stands for all is the surest one. Also whether
    several pairs were counted together.
    """
    low, high = np.minimum(roots[pairs.a], roots[pairs.b]), np.maximum(roots[pairs.a], roots[pairs.b])
    order = np.lexsort((pairs.b, pairs.a, -pairs.score, high, low))
    low, high = low[order], high[order]
    fresh = np.ones(len(order), dtype=np.bool_)
    fresh[1:] = (low[1:] != low[:-1]) | (high[1:] != high[:-1])
    starts = np.flatnonzero(fresh)
    weights = rules.weights()
    levels = np.full((len(_FAMILIES), max(len(levels) for levels, _ in _FAMILIES)), -1, dtype=np.int64)
    masks = np.zeros(len(_FAMILIES), dtype=np.int64)
    for place, (names, beside) in enumerate(_FAMILIES):
        ranked = sorted((BIT[name] for name in names), key=lambda bit: (-weights[bit], bit))
        levels[place, : len(ranked)] = ranked
        masks[place] = sum(1 << BIT[name] for name in (*names, *beside))
    bits = pairs.evidence[order]
    evidence = _gather(len(bits) * 10, bits, np.append(starts, len(bits)), levels, masks)
    several = evidence != bits[starts]
    evidence[several] |= 1 << BIT["several"]
    points = pairs.score[order][starts].copy()
    which = np.flatnonzero(several)
    points[which] = sum(weights[bit] * (evidence[which] >> bit & 1) for bit in range(len(POINTS)))
    return Pairs(pairs.a[order][starts], pairs.b[order][starts], points, evidence), several


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
_LETTERS, _ENDING, _BRAND, _HIGH, _LOW = AT["letters"], AT["ending"], AT["brand"], AT["code_high"], AT["code_low"]
_B = tuple(range(len(POINTS)))
(
    _EXACT, _NAME_CORE, _NAME_FORMER, _NAME_STEM, _NAME_SOUND, _SWAPPED, _NEAR, _ALIKE, _OTHER, _TRADE, _RENAMED, _RARE, _SOLE,
    _SHARED,
    _REGION_OTHER, _FORM_OTHER,
    _ADDRESS, _ADDRESS_ROAD, _ADDRESS_NUMBER, _ADDRESS_OTHER, _AREA_OTHER, _ADDRESS_SOLE, _ADDRESS_SHARED,
    _PERSON_SAME, _PERSON_OTHER, _PERSON_SOLE, _PERSON_SHARED, _PHONE_SAME, _PHONE_OTHER, _PHONE_SOLE, _PHONE_SHARED,
    _REGISTRATION_SAME, _REGISTRATION_OTHER, _CODE_NEAR, _OF_SAME, _OF_OTHER, _PLACE_AT, _PLACE_NEAR, _PLACE_APART,
    _PLACE_FAR, _SEVERAL,
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
    elif p[_LETTERS] != 0 and p[_LETTERS] == q[_LETTERS]:
        bits = 1 << _SWAPPED
    elif not differ:
        return 0
    if differ:
        bits |= 1 << _REGION_OTHER
    return bits


@inner
def _slip(p: Index, q: Index) -> bool:
    """Whether one slip of the hand lies between two codes: another letter, or two neighbours swapped."""
    if p[_HIGH] == 0 or q[_HIGH] == 0:
        return False
    differ, first, second = 0, -1, -1
    for place in range(18):
        half, shift = (_HIGH if place < 9 else _LOW), (8 - place % 9) * 5
        if (p[half] >> shift) & 31 != (q[half] >> shift) & 31:
            differ += 1
            first, second = second, place
            if differ > 2:
                return False
    if differ < 2:
        return True
    if second != first + 1:
        return False
    half, shift = (_HIGH if first < 9 else _LOW), (8 - first % 9) * 5
    other, across = (_HIGH if second < 9 else _LOW), (8 - second % 9) * 5
    return bool(
        (p[half] >> shift) & 31 == (q[other] >> across) & 31 and (p[other] >> across) & 31 == (q[half] >> shift) & 31
    )


@inner
def _borne(bits: int, carriers: Index) -> int:
    """Of what two records have in common, whether one code or several are known under it, as bits."""
    found = 0
    for same, sole, shared, place in (
        (_EXACT, _SOLE, _SHARED, 0),
        (_NAME_CORE, _SOLE, _SHARED, 1),
        (_ADDRESS, _ADDRESS_SOLE, _ADDRESS_SHARED, 2),
        (_PERSON_SAME, _PERSON_SOLE, _PERSON_SHARED, 3),
        (_PHONE_SAME, _PHONE_SOLE, _PHONE_SHARED, 4),
    ):
        if bits >> same & 1 and carriers[place] > 0:
            found |= 1 << (sole if carriers[place] == 1 else shared)
    return found


@inner
def _rest(p: Index, q: Index, metres: float) -> int:
    """What addresses, persons, numbers and places say, as bits."""
    bits = 0
    if p[_AREA] != 0 and q[_AREA] != 0 and p[_AREA] != q[_AREA]:
        bits |= 1 << _AREA_OTHER
    elif p[_ROAD] != 0 and q[_ROAD] != 0:
        if p[_ROAD] != q[_ROAD]:
            bits |= 1 << _ADDRESS_OTHER
        elif p[_NUMBER] == 0 or q[_NUMBER] == 0:
            bits |= 1 << _ADDRESS_ROAD
        else:
            bits |= 1 << (_ADDRESS if p[_NUMBER] == q[_NUMBER] else _ADDRESS_NUMBER)
    if p[_PERSON] != 0 and q[_PERSON] != 0:
        bits |= 1 << (_PERSON_SAME if p[_PERSON] == q[_PERSON] else _PERSON_OTHER)
    if p[_PHONE] != 0 and q[_PHONE] != 0:
        bits |= 1 << (_PHONE_SAME if p[_PHONE] == q[_PHONE] else _PHONE_OTHER)
    if p[_REGISTRATION] != 0 and q[_REGISTRATION] != 0:
        bits |= 1 << (_REGISTRATION_SAME if p[_REGISTRATION] == q[_REGISTRATION] else _REGISTRATION_OTHER)
    if (p[_CODE] == 0 or q[_CODE] == 0) and ((p[_TAIL] != 0 and p[_TAIL] == q[_TAIL]) or _slip(p, q)):
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
            if waiting[i]:
                if p[_ENDING] != 0 and p[_ENDING] == q[_ENDING]:
                    bits |= 1 << _TRADE
            elif p[_BRAND] > 2 and said & ~(1 << _NAME_FORMER):
                bits |= 1 << _RARE
        bits |= _borne(bits, carriers[x])
        evidence[i] = bits
        for place in range(len(weights)):
            if bits >> place & 1:
                points[i] += weights[place]
    return points, evidence, waiting


@kernel
def _gather(bits: Index, bounds: Index, levels: Index, masks: Index) -> Index:
    found = np.zeros(len(bounds) - 1, dtype=np.int64)
    for group in range(len(found)):
        for family in range(len(masks)):
            best = levels.shape[1]
            for i in range(bounds[group], bounds[group + 1]):
                for level in range(best):
                    if levels[family, level] >= 0 and bits[i] >> levels[family, level] & 1:
                        best = level
                        break
            if best == levels.shape[1]:
                continue
            for i in range(bounds[group], bounds[group + 1]):
                if bits[i] >> levels[family, best] & 1:
                    found[group] |= bits[i] & masks[family]
    return found

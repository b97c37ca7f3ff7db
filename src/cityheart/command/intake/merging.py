"""Whether two reports tell of one event: likenesses of place, words, kind and time, weighed into a probability.

A report is compared with a matter's representatives, never only with the report most like it, and it must also be like
the report that founded the matter: so a matter cannot drift from one event to the next along a chain of likenesses.
Reports are placed one after the other in the order in which they came; how they were bundled makes no difference.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from cityheart.command.intake.models import Given, Service
from cityheart.command.intake.routing import Routing, Words
from cityheart.command.intake.rules import Rules, Weights
from cityheart.command.intake.wording import Place, Rarity, place, spelled
from cityheart.kernel.text import Text, text

__all__ = ["FACTORS", "Merging", "Sketch", "Verdict", "keys", "likeness", "metres"]

FACTORS = (
    "start", "words", "road", "house", "far_house", "building", "other_building", "elsewhere", "near", "far", "kind",
    "other_kind", "late", "same_place_words", "caller",
)  # fmt: skip
_CELL = 0.005  # degrees of a cell of the search, about 500 m
_EARTH = 6_371_008.8


@dataclass(frozen=True, slots=True)
class Sketch:
    """What merging looks at of one report."""

    id: str
    at: datetime
    lon: float | None
    lat: float | None
    place: Place
    counts: Mapping[str, int]
    kinds: Mapping[str, float]
    caller: str | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """How likely a report belongs to a matter, the report it was found most like, and the likenesses to that one."""

    score: float
    like: str
    factors: Mapping[str, float]

    def reasons(self) -> tuple[Text, ...]:
        """The likenesses that decided, in words."""
        found = []
        factors = self.factors
        if factors["house"] or factors["building"]:
            found.append(text("门牌或楼号相同", "the same house or building number"))
        if factors["road"] > 0.5:
            found.append(text("道路名称相同", "the same road is named"))
        if factors["near"] > 0.35:
            found.append(text("位置相近", "the places are close"))
        if factors["kind"] > 0.5:
            found.append(text("事项类别相同", "the same kind of matter"))
        words = round(100 * factors["words"])
        if words >= 10:
            found.append(text(f"表述相似度 {words}%", f"the wording is {words}% alike"))
        if factors["caller"]:
            found.append(text("同一来电人", "the same caller"))
        if factors["late"] < 0.3:
            found.append(text("时间相近", "told within a short time"))
        return tuple(found)


class Merging:
    """Compares reports by the rules of one city and what was learned there. Pure."""

    def __init__(self, rules: Rules, routing: Routing) -> None:
        self._rules = rules
        self._routing = routing

    def sketch(self, id: str, given: Given) -> Sketch:
        """What is looked at of a report."""
        said = spelled(f"{given.address} {given.text}")
        marks = place(said)
        words = Words.of(given.text)
        likely = self._routing.likely(words, given.service, soft=True)
        return Sketch(
            id, given.at, given.lon, given.lat, marks, words.counts, self._routing.services(likely), given.caller
        )

    def window(self, sketch: Sketch) -> tuple[float, float]:
        """(seconds, metres) within which another report can be about the same event."""
        service = self._service(sketch)
        return service.window.total_seconds(), service.radius

    def compare(self, sketch: Sketch, founder: Sketch, others: Sequence[Sketch]) -> Verdict:
        """How likely ``sketch`` belongs to the matter of these representatives; 0 when the founder is too unlike."""
        weights = self._rules.weights
        best: tuple[float, Sketch, Mapping[str, float]] | None = None
        total = 0.0
        founding = 0.0
        for other in (founder, *others):
            factors = likeness(sketch, other, self._routing.known.rarity, self._span(sketch, other))
            score = probability(weights, factors)
            total += score
            if other is founder:
                founding = score
            if best is None or score > best[0]:
                best = (score, other, factors)
        assert best is not None
        combined = (1 - weights.mean) * best[0] + weights.mean * total / (1 + len(others))
        if founding < weights.floor:
            combined = min(combined, founding)
        return Verdict(round(combined, 4), best[1].id, best[2])

    def represents(self, sketch: Sketch, founder: Sketch, others: Sequence[Sketch]) -> bool:
        """Whether a report that has joined says something the representatives do not, and there is room for it."""
        if len(others) + 1 >= self._rules.weights.representatives:
            return False
        rarity = self._routing.known.rarity
        return all(
            rarity.cosine(sketch.counts, other.counts) < 0.8 or (other.lon is None and sketch.lon is not None)
            for other in (founder, *others)
        )

    def _service(self, sketch: Sketch) -> Service:
        code = max(sketch.kinds, key=lambda kind: (sketch.kinds[kind], kind), default="other")
        return self._rules.services.get(code, self._rules.services["other"])

    def _span(self, one: Sketch, two: Sketch) -> tuple[float, float]:
        first, second = self.window(one), self.window(two)
        return max(first[0], second[0]), max(first[1], second[1])


def probability(weights: Weights, factors: Mapping[str, float]) -> float:
    """The weighed likenesses as a probability."""
    odds = sum(weights.factors.get(name, 0.0) * value for name, value in factors.items())
    return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, odds))))


def likeness(one: Sketch, two: Sketch, rarity: Rarity, span: tuple[float, float]) -> dict[str, float]:
    """The likenesses of two reports by name (:data:`FACTORS`), each about 0 to 1. ``span`` is (seconds, metres)."""
    seconds, radius = span
    here, there = one.place, two.place
    anchored, anchors = here.roads | here.estates, there.roads | there.estates
    road = rarity.overlap(here.roads, there.roads)
    site = rarity.overlap(here.sites, there.sites)
    house = _least_gap(here.houses, there.houses)
    building = _least_gap(here.buildings, there.buildings)
    words = rarity.cosine(one.counts, two.counts)
    near, far = 0.0, 0.0
    distance = metres(one.lon, one.lat, two.lon, two.lat)
    if distance is not None:
        near, far = math.exp(-distance / (radius / 2)), min(distance / radius, 4.0) / 4
    kind = _agree(one.kinds, two.kinds)
    far_house = 0.0 if house is None else min(house, 40) / 40
    known_place = max(near, road, site)
    return {
        "start": 1.0,
        "words": words,
        "road": road,
        "house": float(house == 0),
        "far_house": far_house,
        "building": float(building == 0),
        "other_building": float(building is not None and building > 0),
        "elsewhere": float(bool(anchored) and bool(anchors) and not anchored & anchors),
        "near": near,
        "far": far,
        "kind": kind,
        "other_kind": float(kind < 0.15),
        "late": min(abs((one.at - two.at).total_seconds()) / seconds, 3.0) / 3,
        "same_place_words": known_place * math.sqrt(words),
        "caller": kind * (1.0 - far_house) * float(one.caller is not None and one.caller == two.caller),
    }


def keys(sketch: Sketch, *, around: bool) -> list[str]:
    """Marks under which a report is found again, most telling first: numbered doors, sites, roads, cells.

    ``around`` gives the neighbours of its cell too: for looking up, not for keeping.
    """
    marks = sketch.place
    found = [f"h:{road}:{house}" for road in sorted(marks.roads) for house in sorted(marks.houses)]
    found += [f"b:{estate}:{number}" for estate in sorted(marks.estates) for number in sorted(marks.buildings)]
    roads = sorted(marks.roads)
    found += [f"x:{one}:{two}" for index, one in enumerate(roads) for two in roads[index + 1 :]]
    kind = max(sketch.kinds, key=lambda each: (sketch.kinds[each], each), default="other")
    found += [f"r:{road}:{kind}" for road in roads]
    found += [f"s:{site}:{kind}" for site in sorted(marks.sites | marks.estates)]
    if sketch.lon is not None and sketch.lat is not None:
        column, row = math.floor(sketch.lon / _CELL), math.floor(sketch.lat / _CELL)
        step = (-1, 0, 1) if around else (0,)
        found += [f"c:{column + dx}:{row + dy}" for dx in step for dy in step]
    return [key[:80] for key in found[:60]]


def metres(lon1: float | None, lat1: float | None, lon2: float | None, lat2: float | None) -> float | None:
    """The distance on the ground between two places in WGS84 degrees; ``None`` when one is unknown."""
    if lon1 is None or lat1 is None or lon2 is None or lat2 is None:
        return None
    north, south = math.radians(lat1), math.radians(lat2)
    half = math.sin((south - north) / 2) ** 2
    half += math.cos(north) * math.cos(south) * math.sin(math.radians(lon2 - lon1) / 2) ** 2
    return 2 * _EARTH * math.asin(math.sqrt(min(1.0, half)))


def _least_gap(one: frozenset[int], two: frozenset[int]) -> int | None:
    return min((abs(a - b) for a in one for b in two), default=None)


def _agree(one: Mapping[str, float], two: Mapping[str, float]) -> float:
    """How likely two draws are the same, over how likely they could be at most: 1 for equal certain ones."""
    shared = sum(share * two[name] for name, share in one.items() if name in two)
    most = math.sqrt(sum(share**2 for share in one.values()) * sum(share**2 for share in two.values()))
    return shared / most if most else 0.0

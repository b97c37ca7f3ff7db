"""Which department a report is for: duty lists first, what was decided before beside them, the place for local units.

Every pair of department and kind of matter is one class. Its score adds up what the duty list says to the words of the
report, what the operator chose as its kind, and a naive Bayes estimate from decided matters, which counts the more the
more were decided. Nothing is said where the best class is not likely enough: then a coordinator decides.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from cityheart.command.intake.models import Area, Candidate
from cityheart.command.intake.rules import Rules
from cityheart.command.intake.wording import Rarity, grams, place, spelled, without_landmarks
from cityheart.kernel import limits
from cityheart.kernel.text import Text, text

__all__ = ["LOCAL", "Known", "Routing", "Words", "area_of", "class_of"]

LOCAL = ("@township", "@county")
_SMOOTH = 0.3  # of counts never seen
_FEW = 40  # decided reports of a class from which on what was decided counts half of its full weight
_LEXICON = 3.0  # of a word of a duty list with two characters, in log odds
_CHOSEN = 2.6  # of the kind that an operator chose
_HISTORY = 0.1  # of the log likelihood of decided matters, over the square root of the number of words
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Words:
    """A report's words as merging and routing look at them."""

    said: str
    counts: Mapping[str, int]

    @classmethod
    def of(cls, said: str) -> Words:
        """Spell the words and take the marks of places and numbers out of what is counted."""
        known = without_landmarks(spelled(said))
        return cls(known, grams(place(known).rest))


@dataclass(slots=True)
class Known:
    """What was learned from reports: how rare marks are, and what decided matters say, by (department, kind)."""

    rarity: Rarity = field(default_factory=Rarity)
    reports: dict[tuple[str, str], int] = field(default_factory=dict)
    seen: dict[tuple[str, str], dict[str, int]] = field(default_factory=dict)

    def read(self, said: str, address: str = "") -> None:
        """Take in the words of a report, decided or not: what is common weighs less."""
        known = spelled(f"{said} {address}")
        marks = place(known)
        self.rarity.read({*grams(marks.rest), *marks.roads, *marks.sites})

    def decided(self, said: str, unit: str, service: str) -> None:
        """Take in that a report was for ``unit`` (a department or one of :data:`LOCAL`)."""
        of = (unit, service)
        self.reports[of] = self.reports.get(of, 0) + 1
        counts = self.seen.setdefault(of, {})
        for mark in Words.of(said).counts:
            counts[mark] = counts.get(mark, 0) + 1

    def packed(self) -> bytes:
        """As bytes; of rare marks only those seen twice are kept."""
        kept = sorted(self.rarity.seen.items(), key=lambda item: (-item[1], item[0]))[: limits.INTAKE_MARKS]
        value = {
            "reports": self.rarity.reports,
            "seen": {mark: count for mark, count in kept if count > 1},
            "classes": [
                [unit, service, count, self.seen[unit, service]]
                for (unit, service), count in sorted(self.reports.items())
            ],
        }
        return zlib.compress(json.dumps(value, ensure_ascii=False, sort_keys=True).encode(), 6)

    @classmethod
    def unpacked(cls, data: bytes) -> Known:
        """What :meth:`packed` gave."""
        value = json.loads(zlib.decompress(data))
        known = cls(Rarity(value["reports"], value["seen"]))
        for unit, service, count, seen in value["classes"]:
            known.reports[unit, service] = count
            known.seen[unit, service] = seen
        return known


class Routing:
    """Proposes departments by the rules of one city and what was learned there. Pure."""

    def __init__(self, rules: Rules, known: Known | None = None) -> None:
        self._rules = rules
        self.known = known or Known()
        self._duties: dict[tuple[str, str], tuple[str, ...]] = {}
        for duty in rules.duties:
            for service in duty.services:
                of = (duty.unit, service)
                self._duties[of] = self._duties.get(of, ()) + duty.words
        self._classes = sorted(self._duties.keys() | self.known.reports.keys())
        self._marks = {of: {part for word in words for part in grams(word)} for of, words in self._duties.items()}
        self._totals = {of: sum(seen.values()) for of, seen in self.known.seen.items()}

    def likely(self, words: Words, chosen: str | None = None, *, soft: bool = False) -> dict[tuple[str, str], float]:
        """The probability of every class, given the words and the kind that an operator ``chosen``; they add up to 1.

        ``soft`` leaves out the sharpening that makes them true as probabilities: two reports are compared by these.
        """
        sharpness = 1.0 if soft else self._rules.weights.sharpness
        scores = {}
        history = self._history(words)
        for of in self._classes:
            score = history.get(of, 0.0) + _LEXICON * self._lexicon(of, words)
            if chosen == of[1] and chosen != "other":
                score += _CHOSEN
            scores[of] = score * sharpness
        best = max(scores.values(), default=0.0)
        powers = {of: math.exp(score - best) for of, score in scores.items()}
        total = sum(powers.values()) or 1.0
        return {of: power / total for of, power in powers.items()}

    def services(self, likely: Mapping[tuple[str, str], float]) -> dict[str, float]:
        """The probability of every kind of matter."""
        found: dict[str, float] = {}
        for (_, service), share in likely.items():
            found[service] = found.get(service, 0.0) + share
        return found

    def candidates(
        self,
        likely: Mapping[tuple[str, str], float],
        said: str,
        lon: float | None,
        lat: float | None,
        units: Iterable[str] | None = None,
    ) -> tuple[Candidate, ...]:
        """The three likeliest departments, each with reasons; of ``units`` only, when given.

        A local class becomes the unit in whose area the place is; without a place nobody can be named for it.
        """
        allowed = None if units is None else frozenset(units)
        known = spelled(said)
        shares: dict[str, float] = {}
        best: dict[str, tuple[str, str]] = {}
        where: dict[str, Area] = {}
        for of, share in likely.items():
            unit = of[0]
            if unit in LOCAL:
                area = area_of(self._rules.areas, unit.removeprefix("@"), lon, lat, known)
                if area is None:
                    continue
                unit, where[area.unit] = area.unit, area
            if allowed is not None and unit not in allowed:
                continue
            shares[unit] = shares.get(unit, 0.0) + share
            if unit not in best or share > likely[best[unit]]:
                best[unit] = of
        order = sorted(shares, key=lambda unit: (-shares[unit], unit))[:_SHOWN]
        return tuple(
            Candidate(unit, round(shares[unit], 4), self._reasons(best[unit], known, where.get(unit))) for unit in order
        )

    def _lexicon(self, of: tuple[str, str], words: Words) -> float:
        """How much the words say what the duty list says; a word within a longer one that is said counts once."""
        listed = self._duties.get(of)
        if not listed:
            return 0.0
        said = [word for word in listed if word in words.said]
        longest = [word for word in said if not any(word != other and word in other for other in said)]
        total = sum(1.0 + 0.4 * (len(word) - 2) for word in longest)
        near = sum(1 for mark in words.counts if mark in self._marks[of] and not any(mark in word for word in longest))
        return min(total, 4.0) + 0.25 * min(near, 3)

    def _history(self, words: Words) -> dict[tuple[str, str], float]:
        """What decided matters add to every class, in log odds; the mean over the classes is 0."""
        decided = self.known.reports
        if not decided or not words.counts:
            return {}
        scale = _HISTORY * 4 / math.sqrt(len(words.counts))
        found = {}
        everything = sum(self._totals.values())
        usual = {
            mark: (sum(seen.get(mark, 0) for seen in self.known.seen.values()) + _SMOOTH) / (everything + 1_000)
            for mark in words.counts
        }
        for of, count in decided.items():
            seen, total = self.known.seen[of], self._totals[of]
            like = 0.0
            for mark, common in usual.items():
                told = math.log((seen.get(mark, 0) + _SMOOTH * common * 1_000) / (total + _SMOOTH * 1_000) / common)
                like += max(-1.0, min(4.0, told))
            found[of] = scale * like * count / (count + _FEW)
        return found

    def _reasons(self, of: tuple[str, str], said: str, area: Area | None) -> tuple[Text, ...]:
        _, service = of
        reasons = []
        listed = [word for word in self._duties.get(of, ()) if word in said]
        if listed:
            shown = sorted(listed, key=lambda word: (-len(word), word))[:4]
            reasons.append(text(f"职责清单中有：{'、'.join(shown)}", f"the duty list names: {_quoted(shown)}"))
        decided = self.known.reports.get(of, 0)
        if decided:
            reasons.append(
                text(f"此类诉求已有 {decided} 件由该单位办理", f"{decided} reports of this kind were its before")
            )
        if area is not None:
            reasons.append(text("地点在该属地范围内", "the place lies in its area"))
        if not reasons:
            name = self._rules.services[service].name if service in self._rules.services else text(service, service)
            reasons.append(text(f"诉求类别：{name['zh-CN']}", f"kind of matter: {name['en']}"))
        return tuple(reasons)


def _quoted(words: Sequence[str]) -> str:
    """Words of a duty list as an English sentence shows them; they stay in the language in which they were said."""
    return ", ".join(words)


def class_of(unit: str, areas: Iterable[Area]) -> str:
    """The class of a department: local units are one class each level, all others are themselves."""
    return next((f"@{area.level}" for area in areas if area.unit == unit), unit)


def area_of(areas: Iterable[Area], level: str, lon: float | None, lat: float | None, said: str) -> Area | None:
    """The area of this level around a place (WGS84 degrees), else the one whose name is said; ``None`` when neither."""
    of_level = [area for area in areas if area.level == level]
    if lon is not None and lat is not None:
        found = next((area for area in of_level if _inside(area, lon, lat)), None)
        if found is not None:
            return found
    named = [area for area in of_level if any(name and name.lower() in said for name in area.names)]
    return named[0] if len(named) == 1 else None


def _inside(area: Area, lon: float, lat: float) -> bool:
    """Whether a ray from the place crosses the rings an odd number of times; holes count by themselves."""
    odd = False
    for ring in area.rings:
        for (x1, y1), (x2, y2) in zip(ring, ring[1:] + ring[:1], strict=True):
            if (y1 > lat) != (y2 > lat) and lon < (x2 - x1) * (lat - y1) / (y2 - y1) + x1:
                odd = not odd
    return odd

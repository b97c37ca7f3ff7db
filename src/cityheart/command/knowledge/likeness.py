"""What words name: substances, equipment, what was released, processes, kinds of places; cases of other kinds are like by it.

Names are data: ``likeness.toml`` with the weights, ``substances.csv``. A thing is told by its class and key, a substance
by its CAS number (``substance:7782-50-5``), so that two languages and several names say the same.
"""

from __future__ import annotations

import csv
import math
import re
import tomllib
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from cityheart.command.knowledge import words
from cityheart.command.knowledge.models import Case, Matter, Neighbour
from cityheart.kernel.text import Text, text

__all__ = ["Likeness", "likeness", "within"]

_FOLDER = Path(__file__).parent
_CAS = re.compile(r"(?<![0-9-])([0-9]{2,7})-([0-9]{2})-([0-9])(?![0-9-])")
_NOBODY = ""  # thing of names that mean nothing here, and keep shorter ones from being read
_EARTH = 6_371_008.8  # metres
_SAME_WORDS = 0.5  # of the words' weight that a case shares before it is said to be told alike
_CLASSES = ("substance", "equipment", "release", "process", "place")  # in which order reasons are told


@dataclass(frozen=True, slots=True)
class _Name:
    """A name as it is looked for: folded, the thing it means, whether its ends must stand apart from other letters."""

    folded: str
    thing: str
    kind: str  # the class, within which a longer name hides a shorter one
    begins: bool
    ends: bool


class Likeness:
    """The things that words can name, and how much it counts to share one."""

    def __init__(self, table: Mapping[str, Mapping[str, object]], substances: Iterable[Mapping[str, str]]) -> None:
        weights, shown = table["weights"], table["shown"]
        self.weights = {name: float(str(weights[name])) for name in _CLASSES}
        self.words = float(str(weights["words"]))
        self.least = float(str(shown["least"]))
        self.cases = int(str(shown["cases"]))
        self._titles: dict[str, Text] = {name: _title(table["classes"], name) for name in _CLASSES}
        self._names: list[_Name] = []
        self._shown: dict[str, Text] = {}
        for row in substances:
            self._declare("substance", row["cas"], row["zh"].split("|"), row["en"].split("|"))
            if row["cas"]:
                self._names.append(_name(row["cas"], f"substance:{row['cas']}", "substance"))
        for kind in _CLASSES[1:]:
            for key, names in table[kind].items():
                self._declare(kind, key, *_both(names))
        for kind in _CLASSES[1:]:
            self._declare(kind, "", *_both(table["none"]))
        terms = [words.terms(one)[0] for one in (*(name.folded for name in self._names), "cas")]
        self._terms = np.concatenate(terms)
        self._begins = np.cumsum([0, *(len(one) for one in terms)])

    def _declare(self, kind: str, key: str, zh: Sequence[str], en: Sequence[str]) -> None:
        thing = f"{kind}:{key}" if key else _NOBODY
        if thing:
            self._shown[thing] = text(zh[0], en[0])
        self._names += [_name(name, thing, kind) for name in (*zh, *en)]

    def things(self, told: str) -> frozenset[str]:
        """What a text names: ``substance:7782-50-5``, ``equipment:tank``, …"""
        return self.of_many([told])[0]

    def of_many(self, told: Sequence[str], keys: words.U64 | None = None) -> list[frozenset[str]]:
        """What each text names. ``keys`` are those of :func:`words.keys` of the same texts, where they are known."""
        found = words.keys(told)[0] if keys is None else keys
        terms = found >> np.uint64(32)
        first, last = np.searchsorted(terms, self._terms), np.searchsorted(terms, self._terms, "right")
        of = (found & np.uint64(0xFFFFFFFF)).astype(np.int64)
        sizes = last - first

        def having(i: int) -> list[int]:
            """The texts that may have a name: those with the rarest of its terms."""
            at = self._begins[i] + int(sizes[self._begins[i] : self._begins[i + 1]].argmin())
            found: list[int] = of[first[at] : last[at]].tolist()
            return found

        spans: dict[int, list[tuple[str, int, int, str]]] = {}
        folded: dict[int, str] = {}
        for i, least in enumerate(np.minimum.reduceat(sizes, self._begins[:-1]).tolist()):
            for n in having(i) if least else ():
                if n not in folded:
                    folded[n] = _folded(told[n])
                if i < len(self._names):
                    _find(folded[n], self._names[i], spans.setdefault(n, []))
                else:  # "CAS", after which any number may stand
                    numbers = (
                        ("substance", one.start(), -one.end(), f"substance:{one[0]}") for one in _numbers(told[n])
                    )
                    spans.setdefault(n, []).extend(numbers)
        return [frozenset(_chosen(spans.get(n, ()))) for n in range(len(told))]

    def why(self, shared: Collection[str]) -> tuple[Text, ...]:
        """Why two are alike that name these things, one reason for each class, in both languages."""
        reasons = []
        for kind in _CLASSES:
            named = [self.shown(one) for one in sorted(shared) if one.startswith(f"{kind}:")]
            if named:
                title = self._titles[kind]
                zh, en = "、".join(one["zh-CN"] for one in named), ", ".join(one["en"] for one in named)
                reasons.append(text(f"{title['zh-CN']}：{zh}", f"{title['en']}: {en}"))
        return tuple(reasons)

    def shown(self, thing: str) -> Text:
        """What a thing is called; a substance that is not listed goes by its CAS number."""
        number = thing.partition(":")[2]
        return self._shown.get(thing) or text(f"CAS {number}", f"CAS {number}")


def within(matter: Matter, case: Case, near: Neighbour, shared: tuple[Text, ...], metres: float) -> tuple[Text, ...]:
    """Why a case of the matter's own kind is like it; ``shared`` are the reasons by what both name.

    ``metres``: how near is near.
    """
    reasons = [text("同类事项", "same kind of matter"), *shared]
    if matter.place is not None and matter.place == case.place:
        reasons.append(text("同一地点", "same place"))
    elif None not in (matter.lon, matter.lat, case.lon, case.lat):
        assert matter.lon is not None and matter.lat is not None and case.lon is not None and case.lat is not None
        apart = _metres(matter.lon, matter.lat, case.lon, case.lat)
        if apart <= metres:
            reasons.append(text(f"相距 {apart / 1000:.1f} 公里", f"{apart / 1000:.1f} km away"))
    if matter.level is not None and matter.level == case.level:
        reasons.append(text("同一级别", "same level"))
    if near.words >= _SAME_WORDS:
        reasons.append(text("描述相近", "similar words"))
    return tuple(reasons)


@cache
def likeness() -> Likeness:
    """Names and weights as they are shipped."""
    table = tomllib.loads((_FOLDER / "likeness.toml").read_text("utf-8"))
    with (_FOLDER / "substances.csv").open(encoding="utf-8", newline="") as lines:
        return Likeness(table, csv.DictReader(lines))


def _title(classes: object, name: str) -> Text:
    assert isinstance(classes, Mapping)
    title = classes[name]["title"]
    return text(title["zh-CN"], title["en"])


def _both(names: object) -> tuple[list[str], list[str]]:
    assert isinstance(names, Mapping)
    return list(names["zh"]), list(names["en"])


def _name(name: str, thing: str, kind: str) -> _Name:
    folded = _folded(name)
    return _Name(folded, thing, kind, _letter(folded[0]), _letter(folded[-1]))


def _folded(told: str) -> str:
    return unicodedata.normalize("NFKC", told).lower()


def _metres(lon: float, lat: float, other_lon: float, other_lat: float) -> float:
    """How far two places are apart, near enough for some tens of kilometres."""
    east = math.radians(other_lon - lon) * math.cos(math.radians(lat))
    return math.hypot(east, math.radians(other_lat - lat)) * _EARTH


def _letter(sign: str) -> bool:
    """Whether a sign belongs to a word that blanks end: a letter or digit that is not Chinese."""
    return sign.isalnum() and not ("\u3040" <= sign <= "\u9fff" or sign >= "\U00020000")


def _find(told: str, name: _Name, into: list[tuple[str, int, int, str]]) -> None:
    """Every place of a name: ``(class, begin, -end, thing)``."""
    at = told.find(name.folded)
    while at >= 0:
        end = at + len(name.folded)
        apart = not (name.begins and at and _letter(told[at - 1]))
        if apart and not (name.ends and end < len(told) and _letter(told[end])):
            into.append((name.kind, at, -end, name.thing))
        at = told.find(name.folded, at + 1)


def _chosen(spans: Collection[tuple[str, int, int, str]]) -> set[str]:
    """Of names of one class that overlap the first counts, of two that begin together the longer one."""
    found: set[str] = set()
    reached: dict[str, int] = {}
    for kind, begin, end, thing in sorted(spans):
        if begin >= reached.get(kind, 0):
            reached[kind] = -end
            found.add(thing)
    found.discard(_NOBODY)
    return found


def _numbers(told: str) -> list[re.Match[str]]:
    """CAS numbers whose check digit is right."""
    found = []
    for one in _CAS.finditer(told):
        digits = [int(digit) for digit in one[1] + one[2]]
        if sum(place * digit for place, digit in enumerate(reversed(digits), 1)) % 10 == int(one[3]):
            found.append(one)
    return found

"""What can be read from the words of a report: one spelling, n-grams, and marks of places. No dictionary is needed.

Chinese is looked at in pairs of characters, other languages in words. A place is recognised by how places are written:
three characters that end in 路, 街, 苑, 村 … and numbers with 号, 栋, 楼. What is common says little: every mark is weighed
by how rare it is among reports (:class:`Rarity`).
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

__all__ = ["Place", "Rarity", "grams", "place", "spelled", "without_landmarks"]

_SPACE = re.compile(r"\s+")
_HAN = r"\u3400-\u9fff"
_WORD = re.compile(rf"[{_HAN}]+|[a-z]+|\d+")
_DIGITS = {char: str(value) for value, char in enumerate("零一二三四五六七八九")} | {"〇": "0", "两": "2"}
_NUMERAL = re.compile(r"([零〇一二两三四五六七八九十百]{1,5})(?=号|弄|栋|幢|座|单元)")
_SITE = re.compile(r"[苑城府里湾都居园庭院村镇桥站馆厦场厂楼寓港区校店]")
_NUMBER = re.compile(r"(?:门牌|no\.?\s*)(\d{1,5})|(\d{1,5})\s*(号楼|号门洞|号|栋|幢|座)")
_ESTATE = re.compile(rf"([{_HAN}]{{2,6}}?)(?:小区|里面|里|内)?第?(\d{{1,4}})\s*(?:号楼|号门洞|栋|幢|座)")
_ENGLISH = re.compile(r"(\d{1,5})\s+([a-z]+)\s+(st|street|road|rd|ave|avenue|lane|drive|blvd|boulevard)\b")
_LANDMARK = re.compile(
    rf"[{_HAN}]{{2,4}}(?:医院|中学|小学|学校|幼儿园|市场|菜场|超市|车站|公园|酒店|公寓|银行|地铁站|加油站)"
    r"(?=门口|旁边|旁|对面|附近|对过|后头|后面|后边|隔壁|边上)"
)
_NO_ROADS = (
    "马路", "道路", "公路", "铁路", "走路", "一路", "线路", "半路", "过路", "出路", "网路", "绕路", "占路", "霸路",
    "上路", "堵路", "沿街", "上街", "逛街", "电路", "管路", "修路", "的路", "条路", "段路", "让路", "大街", "油路",
)  # fmt: skip
_BUILDINGS = ("号楼", "号门洞", "栋", "幢", "座")


def spelled(said: str) -> str:
    """One spelling: compatibility forms folded, small letters, single spaces, numerals before 号 as digits."""
    folded = _SPACE.sub(" ", unicodedata.normalize("NFKC", said)).lower().strip()
    return _NUMERAL.sub(lambda match: str(_value(match[1])), folded)


def without_landmarks(said: str) -> str:
    """A spelled text without buildings that only say where: what happens beside a hospital is not about health."""
    return _LANDMARK.sub(" ", said)


def _value(numeral: str) -> int:
    """The value of a Chinese numeral below 1000, e.g. 十二, 一百二十, 一二八."""
    if not set(numeral) & {"十", "百"}:
        return int("".join(_DIGITS[char] for char in numeral))
    total, digit = 0, 0
    for char in numeral:
        if char in "十百":
            total += max(digit, 1) * (10 if char == "十" else 100)
            digit = 0
        else:
            digit = int(_DIGITS[char])
    return total + digit


def grams(said: str) -> dict[str, int]:
    """How often each pair of Chinese characters and each other word occurs in a spelled text; numbers are left out."""
    counts: dict[str, int] = {}
    for run in _WORD.findall(said):
        if run.isdigit():
            continue
        parts = [run] if run.isascii() or len(run) == 1 else [run[i : i + 2] for i in range(len(run) - 1)]
        for part in parts:
            counts[part] = counts.get(part, 0) + 1
    return counts


@dataclass(frozen=True, slots=True)
class Place:
    """Marks of a place in words: roads, estates (what stands before the number of a building), other names of sites,
    house and building numbers; ``rest`` is what else was said.
    """

    roads: frozenset[str]
    estates: frozenset[str]
    sites: frozenset[str]
    houses: frozenset[int]
    buildings: frozenset[int]
    rest: str


def place(said: str) -> Place:
    """The marks of a place in a spelled text."""
    houses: set[int] = set()
    buildings: set[int] = set()
    roads: set[str] = set()
    for plate, number, kind in _NUMBER.findall(said):
        if plate:
            houses.add(int(plate))
        else:
            (buildings if kind in _BUILDINGS else houses).add(int(number))
    for number, name, _ in _ENGLISH.findall(said):
        houses.add(int(number))
        roads.add(name)
    estates = {name[-3:] for name, _ in _ESTATE.findall(said)}
    rest = _NUMBER.sub(" ", said)
    for index, char in enumerate(rest):
        if char in "路街巷弄道":
            name = rest[max(0, index - 2) : index + 1]
            if char == "道":
                name = rest[max(0, index - 3) : index + 1] if rest[index - 1 : index] == "大" else ""
            if len(name) >= 3 and _WORD.fullmatch(name) and not name.endswith(_NO_ROADS):
                roads.add(name)
    sites = {
        rest[index - 2 : index + 1]
        for index in range(2, len(rest))
        if _SITE.match(rest[index]) and _WORD.fullmatch(rest[index - 2 : index + 1])
    }
    for name in roads:
        rest = rest.replace(name, " ")
    return Place(frozenset(roads), frozenset(estates), frozenset(sites), frozenset(houses), frozenset(buildings), rest)


@dataclass(slots=True)
class Rarity:
    """How rare marks are among ``reports`` reports: ``weight`` is the usual logarithm, at least 0.2.

    Before enough was read everything weighs the same.
    """

    reports: int = 0
    seen: dict[str, int] = field(default_factory=dict)

    def read(self, marks: Iterable[str]) -> None:
        """Take in the different marks of one report."""
        self.reports += 1
        for mark in marks:
            self.seen[mark] = self.seen.get(mark, 0) + 1

    def weight(self, mark: str) -> float:
        """From 0.2 (everybody says it) to about the logarithm of the number of reports."""
        if self.reports < 200:
            return 1.0
        return max(0.2, math.log((self.reports + 1) / (self.seen.get(mark, 0) + 1)))

    def cosine(self, one: Mapping[str, int], two: Mapping[str, int]) -> float:
        """How alike two counts of marks are, 0 to 1, each weighed by how rare it is."""
        small, large = (one, two) if len(one) <= len(two) else (two, one)
        shared = sum(self.weight(mark) ** 2 for mark in small if mark in large)
        if shared == 0.0:
            return 0.0
        norms = sum(self.weight(mark) ** 2 for mark in one) * sum(self.weight(mark) ** 2 for mark in two)
        return shared / math.sqrt(norms)

    def overlap(self, one: frozenset[str], two: frozenset[str]) -> float:
        """What share of the lesser set's weight both have, 0 to 1; 0 when one is empty."""
        if not one or not two:
            return 0.0
        least = min(sum(map(self.weight, sorted(one))), sum(map(self.weight, sorted(two))))
        return min(1.0, sum(map(self.weight, sorted(one & two))) / least)

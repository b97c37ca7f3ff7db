"""Similar cases, quickly: an inverted index over the words of cases and columns of their circumstances, by kind.

Cases of one kind lie on one :class:`Shelf`: postings of their terms in compressed rows, and a column for each
circumstance. New cases go into a small part of their own, which is merged into the large one when it has grown, so that
adding is cheap and asking touches two parts at most. Words are weighed by BM25, each also by how much it tells of the
plan that was taken: what happened tells much, the name of the street nothing. The rest is a weighted mean of how near
level, place, hour and season are. Everything is arrays; there is no loop over cases.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from cityheart.command.knowledge import words
from cityheart.command.knowledge.likeness import Likeness, likeness
from cityheart.command.knowledge.models import Case, Matter, Neighbour, Related
from cityheart.command.knowledge.parameters import Parameters

__all__ = ["Archive", "Entry", "entry", "seconds"]

F32 = npt.NDArray[np.float32]
_TAIL = 2_000  # cases of the small part before it is merged
_DOUBT = 5.0  # cases of the usual sort that are added to those of a term
_PLANS = 64  # of one kind; with more, some count as one
_NOBODY = np.zeros(_PLANS, np.int64)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)
_DAY, _YEAR = 86_400, 365.2425 * 86_400
_EARTH = 6_371_008.8
_SAME = 1e-9  # sums of shares that differ by less are the same


class Entry(NamedTuple):
    """What of a case is looked through. Moments are seconds since 1970-01-01 UTC; ``n`` numbers versions of cases."""

    n: int
    kind: str
    level: int | None
    stage: str | None
    place: str | None
    lon: float | None
    lat: float | None
    opened: int
    known: int
    outcome: float
    plan: str
    text: str
    revised: int | None = None  # when this version took the place of another
    replaces: int | None = None  # the number of that one


def seconds(moment: datetime) -> int:
    """Seconds since 1970-01-01 UTC."""
    return (moment - _EPOCH) // _SECOND


def entry(n: int, case: Case) -> Entry:
    """The case with its number, to be looked through."""
    opened, known = seconds(case.opened_at), seconds(case.known_at)
    where, how = (case.place, case.lon, case.lat), (case.outcome, case.plan, case.text)
    return Entry(n, case.kind, case.level, case.stage, *where, opened, known, *how)


class Archive:
    """Every closed case, ready to be asked. Not safe for several threads at once."""

    def __init__(self, alike: Likeness | None = None) -> None:
        self._alike = alike or likeness()
        self._shelves: dict[str, Shelf] = {}

    def add(self, entries: Iterable[Entry]) -> None:
        """Take cases in; a version that is replaced holds until the moment of the newer one, no longer."""
        entries = list(entries)
        by_kind: dict[str, list[Entry]] = {}
        for one in entries:
            by_kind.setdefault(one.kind, []).append(one)
        for kind, found in by_kind.items():
            if kind not in self._shelves:
                self._shelves[kind] = Shelf(self._alike)
            self._shelves[kind].add(found)
        ends = {one.replaces: one.revised for one in entries if one.replaces is not None and one.revised is not None}
        if ends:  # the version before may be of another kind
            for shelf in self._shelves.values():
                shelf.end(ends)

    def settle(self) -> None:
        """Put in order what was added, which asking would do otherwise."""
        for shelf in self._shelves.values():
            shelf.settle()

    def similar(self, matter: Matter, parameters: Parameters, limit: int) -> list[Neighbour]:
        """The cases of the matter's kind, stage and level ±1 that count most, best first, at most ``limit``."""
        shelf = self._shelves.get(matter.kind)
        return [] if shelf is None else shelf.similar(matter, parameters, limit)

    def related(self, matter: Matter, parameters: Parameters, limit: int) -> list[Related]:
        """The cases of other kinds, of every level, that name most of what the matter names, at most ``limit``."""
        alike = self._alike
        named = sorted(alike.things(matter.text))
        if sum(alike.weights[kind] for kind in {one.partition(":")[0] for one in named}) < alike.least - _SAME:
            return []
        self.settle()
        cases = sum(shelf.size for shelf in self._shelves.values())
        rarity = {}
        for one in named:
            having = sum(shelf.having(one) for shelf in self._shelves.values())
            rarity[one] = math.log1p((cases - having + 0.5) / (having + 0.5))
        worth = {}
        for one in named:
            kind = one.partition(":")[0]
            whole = sum(value for other, value in rarity.items() if other.partition(":")[0] == kind)
            worth[one] = alike.weights[kind] * rarity[one] / whole
        found = [
            one
            for kind, shelf in self._shelves.items()
            if kind != matter.kind
            for one in shelf.related(matter, parameters, worth, limit)
        ]
        return sorted(found, key=lambda one: (-one.similarity, -one.n))[:limit]


class _Part:
    """Postings of some cases: for each term which cases have it, and how often."""

    def __init__(self, keys: words.U64, counts: F32, offset: int, cases: int) -> None:
        self.keys, self.counts, self.offset, self.cases = keys, counts, offset, cases
        found = (keys >> np.uint64(32)).astype(np.uint32)
        self._first = np.flatnonzero(np.concatenate([np.ones(min(1, len(found)), bool), found[1:] != found[:-1]]))
        self._terms = found[self._first]
        self._ends = np.append(self._first[1:], len(found))
        self._cases = (keys & np.uint64(0xFFFFFFFF)).astype(np.int32)

    def find(self, terms: npt.NDArray[np.uint32]) -> list[slice]:
        """Where the postings of each term lie; an empty slice for one that is nowhere."""
        if not len(self._terms):
            return [slice(0, 0)] * len(terms)
        at = np.minimum(np.searchsorted(self._terms, terms), len(self._terms) - 1)
        there = self._terms[at] == terms
        return [
            slice(first, end) if found else slice(0, 0)
            for first, end, found in zip(self._first[at], self._ends[at], there, strict=True)
        ]

    def weigh(self, where: slice, by: float, saturation: float, norm: F32, into: F32) -> None:
        """Add the weight of one term to every case that has it."""
        cases = self._cases[where]
        counts = self.counts[where]
        part = slice(self.offset, self.offset + self.cases)
        into[part][cases] += np.float32(by * (saturation + 1)) * counts / (counts + norm[part][cases])

    def plans(self, where: slice, plans: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
        """How many cases of each plan have a term."""
        return np.bincount(plans[self.offset + self._cases[where]], minlength=_PLANS)

    def merged(self, other: _Part) -> _Part:
        """Both parts as one, this one's cases first."""
        keys = other.keys + np.uint64(self.cases)
        at = np.searchsorted(self.keys, keys)
        return _Part(
            np.insert(self.keys, at, keys),
            np.insert(self.counts, at, other.counts),
            self.offset,
            self.cases + other.cases,
        )


class Shelf:
    """The cases of one kind."""

    def __init__(self, alike: Likeness) -> None:
        self._alike = alike
        self._things: dict[str, list[int]] = {}  # of what words name: the rows that do
        self._waiting: list[Entry] = []
        self._ends: dict[int, int] = {}  # of versions that were replaced: when
        nothing = np.zeros(0, np.uint64), np.zeros(0, np.float32)
        self._parts = [_Part(*nothing, 0, 0)]
        self._codes: tuple[dict[str, int], ...] = ({}, {}, {})  # of stages, places, plans
        self._columns = _columns((), self._codes, np.zeros(0, np.float32))

    def add(self, entries: Sequence[Entry]) -> None:
        """Take cases in; they are put in order when somebody asks."""
        self._waiting += entries

    def end(self, ends: Mapping[int, int]) -> None:
        """Versions, by number, hold until before these moments; those of other shelves are passed over."""
        self._ends.update(ends)

    def settle(self) -> None:
        """Put in order what was added."""
        if self._waiting:
            self._take()
        if self._ends:
            numbers = self._columns["n"]
            ended = np.array(sorted(self._ends), np.int64)
            at = np.searchsorted(numbers, ended)
            here = (at < len(numbers)) & (numbers[np.minimum(at, len(numbers) - 1)] == ended)
            self._columns["until"][at[here]] = [self._ends[n] for n in ended[here].tolist()]
            self._ends = {}

    def _take(self) -> None:
        entries, self._waiting = self._waiting, []
        keys, counts, lengths = words.keys([one.text for one in entries])
        first, *rest = self._parts
        added = _Part(keys, counts, 0, len(entries))
        tail = rest[0].merged(added) if rest else added
        tail.offset = first.cases
        begin = len(self._columns["n"])
        for row, things in enumerate(self._alike.of_many([one.text for one in entries], keys), begin):
            for thing in things:
                self._things.setdefault(thing, []).append(row)
        self._parts = [first, tail] if first.cases and tail.cases < _TAIL else [first.merged(tail)]
        columns = _columns(entries, self._codes, lengths)
        self._columns = {name: np.concatenate([values, columns[name]]) for name, values in self._columns.items()}

    def similar(self, matter: Matter, parameters: Parameters, limit: int) -> list[Neighbour]:
        """The cases that count most for the matter, best first."""
        self.settle()
        allowed = np.flatnonzero(self._allowed(matter))
        if not len(allowed):
            return []
        spoken = self._words(matter.text, parameters)
        near = np.zeros(len(allowed), np.float32)
        total = np.zeros(len(allowed), np.float32)
        for share, values in self._circumstances(matter, parameters, allowed):
            known = ~np.isnan(values)
            near += np.where(known, np.float32(share) * values, 0)
            total += np.where(known, np.float32(share), 0)
        if spoken is not None:
            said = spoken[allowed]
            near += np.float32(parameters.similarity_words) * said
            total += np.float32(parameters.similarity_words)
        else:
            said = np.zeros(len(allowed), np.float32)
        similarity = near / np.maximum(total, np.float32(1e-6))
        column = self._columns
        age = (seconds(matter.at) - column["known"][allowed]) / _DAY
        recency = np.exp2(-age / parameters.vote_half_life_days)
        least = parameters.vote_outcome_least
        outcome = least + (1 - least) * column["outcome"][allowed]
        weight = similarity.astype(np.float64) ** parameters.vote_power * outcome * recency
        best = np.argpartition(-weight, limit)[:limit] if len(weight) > limit else np.arange(len(weight))
        best = best[np.lexsort((column["n"][allowed[best]], -weight[best]))]
        return [
            Neighbour(int(column["n"][allowed[i]]), float(similarity[i]), float(said[i]), float(weight[i]))
            for i in best
        ]

    @property
    def size(self) -> int:
        """How many versions of cases there are."""
        return len(self._columns["n"])

    def having(self, thing: str) -> int:
        """How many of them name a thing."""
        return len(self._things.get(thing, ()))

    def related(
        self, matter: Matter, parameters: Parameters, worth: Mapping[str, float], limit: int
    ) -> list[Related]:  # fmt: skip
        """The cases that name most of the things, each worth so much, with how near their words are."""
        rows = {thing: np.array(self._things[thing], np.int64) for thing in worth if thing in self._things}
        if not rows:
            return []
        shared = np.zeros(self.size, np.float64)
        for thing, having in rows.items():
            shared[having] += worth[thing]
        column, now = self._columns, seconds(matter.at)
        there = (column["since"] <= now) & (now < column["until"])
        found = np.flatnonzero((shared >= self._alike.least - _SAME) & there)
        if not len(found):
            return []
        spoken = self._words(matter.text, parameters)
        said = np.zeros(len(found)) if spoken is None else spoken[found].astype(np.float64)
        near = shared[found] + self._alike.words * said
        best = np.lexsort((-column["n"][found], -near))[:limit]
        return [
            Related(
                int(column["n"][found[i]]), float(near[i]), float(said[i]),
                tuple(sorted(thing for thing, having in rows.items() if found[i] in having)),
            )
            for i in best
        ]  # fmt: skip

    def _allowed(self, matter: Matter) -> npt.NDArray[np.bool_]:
        column = self._columns
        now = seconds(matter.at)
        allowed = (column["since"] <= now) & (now < column["until"])
        if matter.level is not None:
            level = column["level"]
            allowed &= (level == 0) | (np.abs(level - matter.level) <= 1)
        if matter.stage is not None:
            stage = column["stage"]
            allowed &= (stage == 0) | (stage == self._codes[0].get(matter.stage, -1))
        return np.asarray(allowed, bool)

    def _words(self, text: str, parameters: Parameters) -> F32 | None:
        """BM25 of every case, as a share of what the text itself would get; ``None`` for a text without terms."""
        wanted, counts = words.terms(text)
        if not len(wanted):
            return None
        lengths = self._columns["length"]
        n = len(lengths)
        mean = max(1.0, float(lengths.mean()))
        k, b = parameters.words_saturation, parameters.words_length
        norm = np.float32(k) * (np.float32(1 - b) + np.float32(b / mean) * lengths)
        own = k * (1 - b + b * float(counts.sum()) / mean)
        found = [part.find(wanted.astype(np.uint32)) for part in self._parts]
        plans = self._columns["plan"] % _PLANS
        usual = np.bincount(plans, minlength=_PLANS) / n
        score, most = np.zeros(n, np.float32), 0.0
        for i, count in enumerate(counts.tolist()):
            having = sum(where[i].stop - where[i].start for where in found)
            rarity = math.log1p((n - having + 0.5) / (having + 0.5))
            seen = sum((part.plans(where[i], plans) for part, where in zip(self._parts, found, strict=True)), _NOBODY)
            rarity *= parameters.words_floor + _telling(seen, usual)
            most += rarity * (k + 1) * count / (count + own)
            for part, where in zip(self._parts, found, strict=True):
                if where[i].stop > where[i].start:
                    part.weigh(where[i], rarity, k, norm, score)
        share: F32 = np.minimum(score / np.float32(max(most, 1e-6)), np.float32(1))
        return share

    def _circumstances(
        self, matter: Matter, parameters: Parameters, rows: npt.NDArray[np.intp]
    ) -> Iterable[tuple[float, F32]]:
        """Shares and nearness (0 to 1, NaN where unknown) of the cases in each circumstance that the matter has."""
        column = self._columns
        if matter.level is not None:
            level = column["level"][rows]
            apart = np.where(level == matter.level, 1.0, parameters.similarity_level_apart)
            yield parameters.similarity_level, np.where(level == 0, np.nan, apart).astype(np.float32)
        near = np.full(len(rows), np.nan, np.float32)
        if matter.place is not None:
            code, place = self._codes[1].get(matter.place, -1), column["place"][rows]
            near = np.where(place == 0, np.nan, place == code).astype(np.float32)
        if matter.lon is not None and matter.lat is not None:
            metres = _metres(matter.lon, matter.lat, column["lon"][rows], column["lat"][rows])
            by_distance = np.exp(-metres / parameters.similarity_place_metres).astype(np.float32)
            near = np.where(np.isnan(near), by_distance, np.fmax(near, by_distance))
        yield parameters.similarity_place, near
        opened, now = column["opened"][rows], seconds(matter.at)
        yield parameters.similarity_hour, _circular(opened, now, _DAY)
        yield parameters.similarity_season, _circular(opened, now, _YEAR)


def _telling(seen: npt.NDArray[np.int64], usual: npt.NDArray[np.float64]) -> float:
    """How much a term tells of the plan: the divergence of the plans of the cases that have it from those of all.

    A few cases of the usual sort are added to the term's own, so that one that is seen a few times tells little.
    """
    shares = (seen + _DOUBT * usual) / (seen.sum() + _DOUBT)
    there = shares > 0
    return float((shares[there] * np.log(shares[there] / usual[there])).sum())


def _columns(entries: Sequence[Entry], codes: Sequence[dict[str, int]], lengths: F32) -> dict[str, npt.NDArray[Any]]:
    columns = dict(
        zip(Entry._fields, zip(*entries, strict=True) if entries else ((),) * len(Entry._fields), strict=True)
    )

    def coded(known: dict[str, int], values: Iterable[str | None]) -> list[int]:
        return [0 if value is None else known.setdefault(value, len(known) + 1) for value in values]

    return {
        "n": np.array(columns["n"], np.int64),
        "level": np.array([level or 0 for level in columns["level"]], np.int8),
        "stage": np.array(coded(codes[0], columns["stage"]), np.int32),
        "place": np.array(coded(codes[1], columns["place"]), np.int32),
        "lon": np.array(columns["lon"], np.float32),  # None becomes NaN
        "lat": np.array(columns["lat"], np.float32),
        "opened": np.array(columns["opened"], np.int64),
        "known": np.array(columns["known"], np.int64),
        "since": np.array(
            [
                known if revised is None else revised
                for known, revised in zip(columns["known"], columns["revised"], strict=True)
            ],
            np.int64,
        ),
        "until": np.full(len(entries), np.iinfo(np.int64).max, np.int64),
        "plan": np.array(coded(codes[2], columns["plan"]), np.int32),
        "outcome": np.array(columns["outcome"], np.float32),
        "length": lengths,
    }


def _metres(lon: float, lat: float, lons: F32, lats: F32) -> F32:
    """Distances on the sphere, near enough for some tens of kilometres."""
    east = np.radians(lons - np.float32(lon)) * np.float32(math.cos(math.radians(lat)))
    north = np.radians(lats - np.float32(lat))
    metres: F32 = np.hypot(east, north) * np.float32(_EARTH)
    return metres


def _circular(moments: npt.NDArray[np.int64], now: int, period: float) -> F32:
    """How near moments lie within the period (a day, a year): 1 the same, 0 opposite."""
    apart = np.mod(moments - now, period) / period
    nearness: F32 = (1 - 2 * np.minimum(apart, 1 - apart)).astype(np.float32)
    return nearness

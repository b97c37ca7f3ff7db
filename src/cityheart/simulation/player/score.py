"""How good findings are: compared with what was planted in a test city. The only part that reads ``truth/``.

A finding is about a case when kind and subject are the same (a place: within 300 m) and its time overlaps the case's, or
it was raised within seven days after the case's start. Findings of one kind and subject that overlap in time count as
one, a case is found once at most, a further finding about a found case counts neither way, and any other is a false
alarm. A case that began before the data counts from the data's start, except those that are about a month.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

from cityheart.sdk import Invalid
from cityheart.simulation.player.folder import CityFolder

__all__ = ["Case", "Told", "lines", "read_cases", "read_findings", "score"]

TRUTH = Path("truth") / "truth.csv"
PLACE_METRES = 300.0
RAISED_WITHIN = timedelta(days=7)
MONTHLY = ("mass_imbalance", "controlled_diversion")
_EARTH_METRES = 6_371_008.8
_OPEN = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Case:
    """What was planted; without an end it goes on."""

    id: str
    kind: str
    subject: str
    start: datetime
    end: datetime


@dataclass(frozen=True)
class Told:
    """What was found, and when the city knew it."""

    kind: str
    subject: str
    start: datetime
    end: datetime
    raised: datetime


def read_cases(folder: CityFolder) -> list[Case]:
    """What was planted in a test city. Raises :class:`Invalid` when it does not say, or says it wrongly."""
    file = folder.path / TRUTH
    if not file.is_file():
        raise Invalid(f"{folder.path} holds no {TRUTH}", remedy="only a city with its truth can be scored")
    try:
        lines = list(csv.DictReader(file.read_text("utf-8-sig").splitlines(), strict=True))
        cases = [
            Case(
                line["case_id"],
                line["kind"],
                line["subject"].strip(),
                _moment(line["from"]),
                _end(line.get("to") or None),
            )
            for line in lines
        ]
    except (KeyError, ValueError, UnicodeDecodeError, csv.Error, AttributeError) as error:
        raise Invalid(f"{file} is no list of cases: {error!r}", remedy="have the city written again") from None
    return [case if case.kind in MONTHLY else replace(case, start=max(case.start, folder.since)) for case in cases]


def read_findings(file: Path) -> list[Told]:
    """Findings from JSON lines. Raises :class:`Invalid` naming the line that is wrong."""
    found: list[Told] = []
    for number, line in enumerate(file.read_text("utf-8-sig").splitlines(), 1):
        if not line.strip():
            continue
        try:
            one = json.loads(line)
            found.append(
                Told(
                    str(one["kind"]),
                    str(one["subject"]).strip(),
                    _moment(one["from"]),
                    _end(one.get("to")),
                    _moment(one["raised_at"]),
                )
            )
        except (KeyError, ValueError, TypeError, AttributeError, RecursionError) as error:
            raise Invalid(f"{file}, line {number}: {error!r}", remedy="write kind, subject, from, raised_at") from None
    return found


def score(cases: Sequence[Case], findings: Sequence[Told]) -> dict[str, object]:
    """Precision, recall, F1 and the median delay (hours) by kind, and the mean F1 over the kinds that were planted.

    ``{"kinds": {kind: {cases, findings, hits, false_alarms, precision, recall, f1, delay_hours}}, "macro_f1"}``; a figure
    that cannot be told is null.
    """
    kinds = sorted({case.kind for case in cases} | {each.kind for each in findings})
    by_kind = {
        kind: _one(
            [case for case in cases if case.kind == kind], _joined(each for each in findings if each.kind == kind)
        )
        for kind in kinds
    }
    planted = [_number(figures["f1"]) for figures in by_kind.values() if figures["cases"]]
    return {"kinds": by_kind, "macro_f1": round(sum(planted) / len(planted), 4) if planted else None}


def _one(cases: Sequence[Case], findings: Sequence[Told]) -> dict[str, object]:
    """The figures of one kind: as many findings as possible get a case of their own, the earliest first."""
    about = [[number for number, case in enumerate(cases) if _about(each, case)] for each in findings]
    finder: dict[int, int] = {}

    def find(finding: int, seen: set[int]) -> bool:
        for case in sorted(about[finding], key=lambda number: abs(cases[number].start - findings[finding].start)):
            if case not in seen:
                seen.add(case)
                if case not in finder or find(finder[case], seen):
                    finder[case] = finding
                    return True
        return False

    for number in range(len(findings)):
        find(number, set())
    hits, false = len(finder), sum(not places for places in about)
    delays = [(findings[by].raised - cases[case].start) / timedelta(hours=1) for case, by in finder.items()]
    precision = hits / (hits + false) if hits + false else None
    recall = hits / len(cases) if cases else None
    f1 = 2 * hits / (hits + false + len(cases)) if cases else None
    return {
        "cases": len(cases),
        "findings": len(findings),
        "hits": hits,
        "false_alarms": false,
        "precision": _rounded(precision),
        "recall": _rounded(recall),
        "f1": _rounded(f1),
        "delay_hours": _rounded(median(delays)) if delays else None,
    }


def _joined(findings: Iterable[Told]) -> list[Told]:
    """Findings about one subject whose times overlap as one, by the time they were raised."""
    joined: list[Told] = []
    for each in sorted(findings, key=lambda one: (one.start, one.raised)):
        for number, other in enumerate(joined):
            if _same(each.subject, other.subject) and each.start <= other.end and other.start <= each.end:
                joined[number] = replace(
                    other, end=max(other.end, each.end), raised=min(other.raised, each.raised), start=other.start
                )
                break
        else:
            joined.append(each)
    return sorted(joined, key=lambda one: (one.raised, one.start, one.subject))


def _about(finding: Told, case: Case) -> bool:
    if not _same(finding.subject, case.subject):
        return False
    overlaps = finding.start <= case.end and case.start <= finding.end
    return overlaps or case.start <= finding.raised <= case.start + RAISED_WITHIN


def _same(one: str, other: str) -> bool:
    if one == other:
        return True
    here, there = _place(one), _place(other)
    return here is not None and there is not None and _metres(here, there) <= PLACE_METRES


def _place(subject: str) -> tuple[float, float] | None:
    lon, comma, lat = subject.partition(",")
    try:
        place = float(lon), float(lat)
    except ValueError:
        return None
    return place if comma and abs(place[0]) <= 180 and abs(place[1]) <= 90 else None


def _metres(one: tuple[float, float], other: tuple[float, float]) -> float:
    (x, y), (u, v) = ((math.radians(lon), math.radians(lat)) for lon, lat in (one, other))
    half = math.sin((v - y) / 2) ** 2 + math.cos(y) * math.cos(v) * math.sin((u - x) / 2) ** 2
    return 2 * _EARTH_METRES * math.asin(math.sqrt(half))


def _moment(value: str) -> datetime:
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        raise ValueError(f"{value} has no offset")
    return moment.astimezone(UTC)


def _end(value: str | None) -> datetime:
    return _OPEN if value is None else _moment(value)


def _number(value: object) -> float:
    return value if isinstance(value, float) else 0.0


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(float(value), 4)


def lines(told: Mapping[str, object]) -> list[tuple[str, ...]]:
    """A scoring as rows of a table: kind, cases, hits, false alarms, precision, recall, F1, delay."""
    kinds = told["kinds"]
    assert isinstance(kinds, Mapping)
    names = ("cases", "hits", "false_alarms", "precision", "recall", "f1", "delay_hours")
    return [(kind, *("–" if one[name] is None else f"{one[name]:g}" for name in names)) for kind, one in kinds.items()]

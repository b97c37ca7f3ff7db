"""Surveys at work: what they are shown at an instant, and what is new in what they see.

Used by what happens now and by backtests alike. Surveys that look at the same instant share what they read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import cast
from zoneinfo import ZoneInfo

import pyarrow as pa

from cityheart.engine.keyed import State
from cityheart.engine.lake import Lake
from cityheart.kernel import limits
from cityheart.kernel.errors import Invalid, TooLarge
from cityheart.kernel.text import Text
from cityheart.watch.models import LEVELS, Finding, Input, Sighting, SubjectRef, Survey
from cityheart.watch.recall import Recall
from cityheart.watch.runs import OVER, bounded

__all__ = ["Ground", "Seen", "Snapshot", "attempt", "city_file", "look"]

_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,79}\.(geojson|csv|json)")


@dataclass(frozen=True, slots=True)
class Ground:
    """Where surveys look: the lake, the city's zone, and its folder when it has one. What they read is kept for later looks."""

    lake: Lake
    zone: ZoneInfo
    folder: Path | None
    recall: Recall = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "recall", Recall(self.lake))


class Snapshot:
    """The city at one instant: what was read of it is kept for whoever asks next."""

    def __init__(self, ground: Ground, now: datetime) -> None:
        self.now = now
        self.ground = ground
        self._read: dict[tuple[str, Input], pa.Table] = {}

    def rows(self, dataset: str, wanted: Input) -> pa.Table:
        """The newest versions known by then, in a window and columns."""
        known = (dataset, wanted)
        if known not in self._read:
            self._read[known] = self.ground.recall.rows(dataset, wanted, self.now)
        return self._read[known]


class _View:
    """What one survey sees of a snapshot."""

    def __init__(self, survey: Survey, snapshot: Snapshot) -> None:
        self._survey = survey
        self._snapshot = snapshot
        self.now = snapshot.now
        self.zone = snapshot.ground.zone

    def rows(self, dataset: str) -> pa.Table:
        if dataset not in self._survey.inputs:
            raise Invalid(f"{self._survey.id} reads {dataset}, which is not among its inputs", remedy="declare it")
        return self._snapshot.rows(dataset, self._survey.inputs[dataset])

    def file(self, name: str) -> bytes | None:
        return city_file(self._snapshot.ground.folder, name)


def city_file(folder: Path | None, name: str) -> bytes | None:
    """A file that a city's folder has beside its settings, e.g. ``zones.geojson``; ``None`` when it has none.

    Raises :class:`Invalid` for a name that no such file has, :class:`TooLarge`.
    """
    if not _FILE.fullmatch(name):
        raise Invalid(f"{name!r} is no file of a city", remedy="e.g. zones.geojson")
    path = None if folder is None else folder / name
    if path is None or not path.is_file():
        return None
    size = path.stat().st_size
    if size > limits.CITY_FILE_BYTES:
        raise TooLarge(f"{name} has {size} bytes", remedy=f"at most {limits.CITY_FILE_BYTES}")
    return path.read_bytes()


_Key = tuple[str, str, str]  # subject kind, subject id, case


@dataclass(frozen=True, slots=True)
class _Stood:
    level: int
    name: Text
    start: datetime
    end: datetime | None


class Seen:
    """The cases that a survey saw last."""

    def __init__(self, cases: Mapping[_Key, _Stood] | None = None) -> None:
        self._cases = dict(cases or {})

    @classmethod
    def of(cls, state: State) -> Seen:
        """From a stored state; an empty one is the beginning."""
        stored = json.loads(cast(str, state.get("seen", "[]")))
        return cls(
            {
                (kind, id, case): _Stood(
                    level, name, datetime.fromisoformat(start), end and datetime.fromisoformat(end)
                )
                for kind, id, case, level, name, start, end in stored
            }
        )

    def state(self) -> State:
        """To be stored."""
        rows = [
            [*key, stood.level, stood.name, stood.start.isoformat(), stood.end and stood.end.isoformat()]
            for key, stood in sorted(self._cases.items())
        ]
        return {"seen": json.dumps(rows, ensure_ascii=False)}

    def compared(self, survey: Survey, at: datetime, sightings: Iterable[Sighting]) -> list[Finding]:
        """What is new at an instant: a case, another level, its end known, or a case that is no longer seen.

        Raises :class:`Invalid` and :class:`TooLarge` for what cannot be told, and has then seen nothing.
        """
        given = _most_severe(sightings)
        findings: list[Finding] = []
        for key, sighting in given.items():
            before = self._cases.get(key)
            if before is None or (before.level, before.end is None) != (sighting.level, sighting.end is None):
                findings.append(_found(survey, at, sighting))
        for key in sorted(self._cases.keys() - given.keys()):
            stood = self._cases[key]
            ref = SubjectRef(key[0], key[1], stood.name)
            end = stood.end or at
            findings.append(Finding(survey.id, survey.kind, ref, at, stood.start, end, reasons=(OVER,), case=key[2]))
        for finding in findings:
            bounded(survey, finding)
        self._cases = {key: _Stood(one.level, one.subject.name, one.start, one.end) for key, one in given.items()}
        return findings


def look(survey: Survey, snapshot: Snapshot, seen: Seen) -> list[Finding]:
    """Let a survey look at a snapshot; ``seen`` is moved on. Raises whatever the survey does, and
    :class:`TooLarge` for more cases or evidence than are kept."""
    sightings: Sequence[Sighting] = survey.look(_View(survey, snapshot))
    if len(sightings) > limits.QUERY_ROWS:
        raise TooLarge(f"{survey.id} sees {len(sightings)} cases", remedy=f"at most {limits.QUERY_ROWS}: be stricter")
    return seen.compared(survey, snapshot.now, sightings)


def attempt(survey: Survey, ground: Ground, at: datetime) -> None:
    """Let a survey look once, for nothing but its mistakes: raises what :func:`look` would."""
    look(survey, Snapshot(ground, at), Seen())


def _most_severe(sightings: Iterable[Sighting]) -> dict[_Key, Sighting]:
    given: dict[_Key, Sighting] = {}
    for each in sightings:
        if each.level not in LEVELS:
            raise Invalid(f"level {each.level} of {each.subject.id} is not one of 1 red, 2 orange, 3 yellow, 4 blue")
        key = (each.subject.kind, each.subject.id, each.case)
        if key not in given or each.level < given[key].level:
            given[key] = each
    return dict(sorted(given.items()))


def _found(survey: Survey, at: datetime, sighting: Sighting) -> Finding:
    return Finding(
        detector=survey.id,
        kind=survey.kind,
        subject=sighting.subject,
        at=at,
        start=sighting.start,
        end=sighting.end,
        level=sighting.level,
        score=sighting.score,
        reasons=sighting.reasons,
        evidence=sighting.evidence,
        case=sighting.case,
    )

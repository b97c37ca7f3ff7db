"""What watch knows: subjects, findings, the two kinds of detector, alert kinds as declared by law, alerts.

All moments are aware UTC datetimes. Levels are those of art. 63 of the Emergency Response Law of 2024:
1 red, 2 orange, 3 yellow, 4 blue. The fields of an alert are those that art. 64 asks a warning to state.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, Protocol, runtime_checkable
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa

from cityheart.engine.keyed import KeyedStep
from cityheart.kernel.errors import Invalid
from cityheart.kernel.text import LANGUAGES, Text

__all__ = [
    "ALL_TIME",
    "LEVELS",
    "Alert",
    "AlertKind",
    "Detector",
    "Finding",
    "Input",
    "KeyedDetector",
    "LevelChange",
    "LevelText",
    "Person",
    "QueryDetector",
    "QueryFinding",
    "Sighting",
    "SubjectRef",
    "Survey",
    "View",
    "fill",
    "inputs_of",
    "plain",
    "said_by",
]

LEVELS = (1, 2, 3, 4)
ALL_TIME = timedelta(days=40 * 365)
"""The window of registers, whose rows are in force however long ago they were written."""
AlertState = Literal["raised", "acknowledged", "ended"]


@dataclass(frozen=True, slots=True)
class SubjectRef:
    """What a finding is about: a city, a firm, a place, a vehicle, a station."""

    kind: str
    id: str
    name: Text


@dataclass(frozen=True, slots=True)
class Finding:
    """What a detector says about one subject.

    ``at`` is the moment the city knew it, ``start`` and ``end`` the time of the fact itself; ``level`` ``None`` says
    that the matter is over. ``evidence`` holds the Evidence objects of the HTTP API (``series``, ``rows`` or ``track``).
    ``case`` tells apart cases of one subject that stand side by side; one alert is about all of them.
    Raises :class:`Invalid` for a level outside 1…4, a naive moment or a text that lacks a language.
    """

    detector: str
    kind: str
    subject: SubjectRef
    at: datetime
    start: datetime
    end: datetime | None = None
    level: int | None = None
    score: float = 0.0
    reasons: tuple[Text, ...] = ()
    evidence: tuple[Mapping[str, object], ...] = ()
    case: str = ""

    def __post_init__(self) -> None:
        if self.level is not None and self.level not in LEVELS:
            raise Invalid(f"{self.detector}: level {self.level} is not one of 1 red, 2 orange, 3 yellow, 4 blue")
        for name in ("at", "start", "end"):
            moment: datetime | None = getattr(self, name)
            if moment is not None and moment.tzinfo is None:
                raise Invalid(f"{self.detector}: {name} of a finding is naive", remedy="give aware UTC datetimes")
        for words in (self.subject.name, *self.reasons):
            if not all(words.get(language) for language in LANGUAGES):
                raise Invalid(f"{self.detector}: {words!r} lacks a language", remedy="give zh-CN and en")
        if not math.isfinite(self.score):
            raise Invalid(f"{self.detector}: the score is not a finite number")


class KeyedDetector(KeyedStep["Finding"], Protocol):
    """A detector that steps over the rows of each key in the order in which the city knew them.

    Its ``step`` returns :class:`Finding` objects whose ``at`` is the ``_known_at`` of rows of that very batch, and
    output tables by derived dataset, whose rows carry ``_known_at``. What it returns may not depend on how rows were
    cut into batches. A detector is a frozen dataclass: backtests replace its ``parameters``.
    """

    @property
    def id(self) -> str:
        """Such as ``air.heavy_pollution``."""
        ...

    @property
    def title(self) -> Text:
        """Its name for people."""
        ...

    @property
    def kind(self) -> str:
        """The alert kind of its findings."""
        ...

    @property
    def dataset(self) -> str:
        """The dataset whose rows it steps over."""
        ...

    @property
    def outputs(self) -> tuple[str, ...]:
        """The derived datasets that it writes."""
        ...

    @property
    def parameters(self) -> Mapping[str, object]:
        """Its thresholds and the like."""
        ...


@dataclass(frozen=True, slots=True)
class QueryFinding:
    """How a row of a query detector becomes a finding.

    ``subject`` names the column of the subject's id. ``level`` is a number or the column that holds it (a null level:
    no matter). ``score`` and ``start`` name columns. In ``name`` and ``reasons``, ``{column}`` stands for the row's
    value, with a format as in Python: ``{hours:.0f}``.
    ``names`` holds, by id, the names of subjects that are known beforehand.
    """

    subject_kind: str
    subject: str
    name: Text
    level: int | str
    score: str | None = None
    start: str | None = None
    reasons: tuple[Text, ...] = ()
    names: Mapping[str, Text] = field(default_factory=dict)


@dataclass(frozen=True)
class QueryDetector:
    """SQL asked at each multiple of ``every`` (since 1970-01-01 UTC, moved on by ``phase``), as of that instant.

    A row is a matter that stands; a matter of the time before that has no row any more is over. ``$now`` is the
    instant, other parameters are bound by name. ``window`` limits the event time of the rows it reads: those in
    (instant - window, instant].
    """

    id: str
    title: Text
    kind: str
    sql: str
    inputs: tuple[str, ...]
    every: timedelta
    window: timedelta
    finding: QueryFinding
    parameters: Mapping[str, object] = field(default_factory=dict)
    phase: timedelta = timedelta(0)

    def __post_init__(self) -> None:
        if self.every <= timedelta(0) or self.window <= timedelta(0):
            raise Invalid(f"{self.id}: every and window must be longer than nothing")
        if not self.inputs:
            raise Invalid(f"{self.id}: inputs names no dataset")


@dataclass(frozen=True, slots=True)
class Input:
    """What a survey reads of a dataset: event time in (instant - window, instant + ahead]; no columns: all of them."""

    window: timedelta
    columns: tuple[str, ...] = ()
    ahead: timedelta = timedelta(0)


class View(Protocol):
    """The city as it was known at one instant; what a survey is given."""

    @property
    def now(self) -> datetime:
        """The instant, aware UTC."""
        ...

    @property
    def zone(self) -> ZoneInfo:
        """The city's time zone."""
        ...

    def rows(self, dataset: str) -> pa.Table:
        """The newest version of each fact that was known then, in the survey's window and columns, with ``_known_at``."""
        ...

    def file(self, name: str) -> bytes | None:
        """A file of the city's folder, such as its closed zones; ``None`` when it has none."""
        ...


@dataclass(frozen=True, slots=True)
class Sighting:
    """A case that stands, as a survey sees it.

    ``start`` and ``end`` are the time of the fact. ``case`` tells apart several cases of one subject and stays the same
    from instant to instant. ``score``: how sure it is, 0 to 1.
    """

    subject: SubjectRef
    level: int
    start: datetime
    end: datetime | None = None
    score: float = 0.0
    reasons: tuple[Text, ...] = ()
    evidence: tuple[Mapping[str, object], ...] = ()
    case: str = ""


@runtime_checkable
class Survey(Protocol):
    """A detector that looks over several datasets at each multiple of ``every`` (moved on by ``phase``).

    ``look`` gives every case that stands at that instant, keeps no state and depends on nothing but its view. A case that
    it no longer gives is over. A survey is a frozen dataclass: backtests replace its ``parameters``.
    """

    @property
    def id(self) -> str:
        """Such as ``hazchem.over_storage``."""
        ...

    @property
    def title(self) -> Text:
        """Its name for people."""
        ...

    @property
    def kind(self) -> str:
        """The alert kind of its findings."""
        ...

    @property
    def inputs(self) -> Mapping[str, Input]:
        """What it reads, by dataset."""
        ...

    @property
    def every(self) -> timedelta:
        """How often it looks."""
        ...

    @property
    def phase(self) -> timedelta:
        """By how much its instants are moved on from multiples of ``every``."""
        ...

    @property
    def parameters(self) -> Mapping[str, object]:
        """Its thresholds and the like."""
        ...

    def look(self, view: View) -> Sequence[Sighting]:
        """Every case that stands."""
        ...


Detector = KeyedDetector | QueryDetector | Survey


def inputs_of(detector: Detector) -> tuple[str, ...]:
    """The datasets it reads."""
    if isinstance(detector, (QueryDetector, Survey)):
        return tuple(detector.inputs)
    return (detector.dataset,)


@dataclass(frozen=True, slots=True)
class LevelText:
    """What the public is advised and what departments do at one level."""

    advice: tuple[Text, ...]
    measures: tuple[Text, ...]


@dataclass(frozen=True, slots=True)
class AlertKind:
    """The declaration of a kind of alert: data of an application, with the law's fields for each level.

    ``department`` is the code of the department that issues it. ``{subject}`` in ``area`` is the subject's name.
    """

    kind: str
    department: str
    title: Text
    classification: Text
    issuer: Text
    area: Text
    levels: Mapping[int, LevelText]
    source: str | None = None

    def words(self, level: int) -> LevelText:
        """Advice and measures of a level, none where the level is not declared."""
        return self.levels.get(level, LevelText((), ()))


@dataclass(frozen=True, slots=True)
class Person:
    """A named person, as an alert remembers who acknowledged it."""

    id: str
    name: Text


@dataclass(frozen=True, slots=True)
class LevelChange:
    """A step in an alert's history; ``level`` ``None`` is its end."""

    level: int | None
    at: datetime
    reason: Text

    def json(self) -> dict[str, object]:
        """As the API shows it."""
        return {"level": self.level, "at": self.at, "reason": self.reason}


@dataclass(frozen=True)
class Alert:
    """All findings on one matter (kind and subject) from its raising to its end.

    ``standing`` holds the level that each detector last gave, a case of several as ``detector#case``; ``level`` is the
    most severe of them, after the end the
    last one. ``issued_at`` is the moment a named person acknowledged the present level. ``suppressed_by`` names the
    suppression that keeps it out of the queue.
    """

    id: str
    kind: str
    kind_title: Text
    department: str
    subject: SubjectRef
    state: AlertState
    level: int
    standing: Mapping[str, int]
    score: float
    findings: int
    raised_at: datetime
    start_at: datetime
    updated_at: datetime
    ended_at: datetime | None
    acknowledged_by: Person | None
    acknowledged_at: datetime | None
    incident_id: str | None
    classification: Text
    area: Text
    advice: tuple[Text, ...]
    measures: tuple[Text, ...]
    issuer: Text
    issued_at: datetime | None
    suppressed_by: str | None = None

    def json(self) -> dict[str, object]:
        """As the API shows it."""
        return {
            "id": self.id,
            "kind": self.kind,
            "kind_title": self.kind_title,
            "department": self.department,
            "subject": {"kind": self.subject.kind, "id": self.subject.id, "name": self.subject.name},
            "class": self.classification,
            "level": self.level,
            "state": self.state,
            "raised_at": self.raised_at,
            "start_at": self.start_at,
            "updated_at": self.updated_at,
            "ended_at": self.ended_at,
            "acknowledged_by": self.acknowledged_by
            and {"id": self.acknowledged_by.id, "name": self.acknowledged_by.name},
            "acknowledged_at": self.acknowledged_at,
            "incident_id": self.incident_id,
            "score": self.score,
            "findings": self.findings,
            "area": self.area,
            "advice": list(self.advice),
            "measures": list(self.measures),
            "issuer": self.issuer,
            "issued_at": self.issued_at,
            "suppressed_by": self.suppressed_by,
        }


def said_by(standing: Mapping[str, int]) -> dict[str, int]:
    """By detector, the most severe level that it gives any case of a matter; from a matter's ``standing``."""
    said: dict[str, int] = {}
    for name, level in standing.items():
        detector = name.partition("#")[0]
        said[detector] = min(level, said.get(detector, level))
    return said


def plain(value: object) -> object:
    """``value`` as JSON can hold it: numpy and Arrow scalars become Python's, NaN and infinities ``None``."""
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return [plain(item) for item in value.tolist()]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return value


def fill(words: Text, values: Mapping[str, object]) -> Text:
    """``words`` with ``{name}`` replaced by the value of that name in every language.

    Raises :class:`Invalid` when a name has no value or a format does not suit its value.
    """
    try:
        return {language: phrase.format_map(values) for language, phrase in words.items()}
    except (KeyError, ValueError, TypeError, IndexError) as error:
        raise Invalid(f"{words!r} cannot be filled from {sorted(values)}: {error}") from None

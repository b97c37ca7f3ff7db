"""What knowledge works with: clauses and what they mandate, closed cases, a matter to be answered, and the answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from fnmatch import fnmatchcase

from cityheart.command.models import Plan
from cityheart.kernel.text import Text

__all__ = [
    "OPS",
    "Advice",
    "Case",
    "CaseStep",
    "Change",
    "Clause",
    "Described",
    "Mandate",
    "Matter",
    "Neighbour",
    "Proposed",
    "Reason",
    "Related",
    "Replaced",
    "SuggestedPlan",
]

OPS = ("add", "skip", "reassign", "extend")  # what a commander may change in a run


@dataclass(frozen=True, slots=True)
class Mandate:
    """What a clause asks for in matters of ``kind`` at these ``levels`` (1 red … 4 blue).

    ``step`` is a pattern of step ids (``*`` stands for anything) that fulfil it, ``duty`` what is to be done in words;
    with ``unit`` only a step of that department fulfils it. ``stage`` ``None`` means every stage.
    """

    kind: str
    levels: tuple[int, ...]
    step: str | None = None
    duty: Text | None = None
    unit: str | None = None
    stage: str | None = None
    due: timedelta | None = None

    def holds(self, kind: str, level: int | None, stage: str | None) -> bool:
        """Whether a matter falls under it; one without a level falls under the mandates of every level."""
        if self.kind != kind or (level is not None and level not in self.levels):
            return False
        return self.stage is None or stage is None or self.stage == stage

    def fulfilled_by(self, step: str, unit: str | None) -> bool:
        """Whether a step with this id, done by ``unit``, is what it asks for."""
        if self.unit is not None and unit is not None and unit != self.unit:
            return False
        return self.step is not None and fnmatchcase(step, self.step)


@dataclass(frozen=True, slots=True)
class Clause:
    """One clause of a law, rule or plan of the city, in force from ``since`` until before ``until``.

    ``source`` says where the words were read, in both languages or as whoever entered them wrote it. ``verified`` says that
    they were compared with the official text.
    """

    id: str
    title: Text
    text: Text
    law: Text
    article: str
    source: Text | str
    verified: bool
    since: date
    until: date | None
    mandates: tuple[Mandate, ...]

    def in_force(self, day: date) -> bool:
        """Whether it is in force on ``day``."""
        return self.since <= day and (self.until is None or day < self.until)

    def mandates_for(self, kind: str, level: int | None, stage: str | None) -> tuple[Mandate, ...]:
        """What it asks for in such a matter."""
        return tuple(mandate for mandate in self.mandates if mandate.holds(kind, level, stage))


@dataclass(frozen=True, slots=True)
class CaseStep:
    """A step as it was carried out; ``due`` and ``took`` count from its dispatch, in seconds."""

    step: str
    unit: str
    title: Text | None = None
    due: int | None = None
    took: int | None = None
    late: bool = False
    rework: int = 0
    returned: int = 0


@dataclass(frozen=True, slots=True)
class Change:
    """What a commander changed: ``op`` of :data:`OPS`; ``unit`` of add and reassign; ``due`` in seconds from dispatch."""

    op: str
    step: str
    unit: str | None = None
    title: Text | None = None
    due: int | None = None
    reason: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes two commanders' changes the same change."""
        return self.op, self.step, (self.unit or "") if self.op in ("add", "reassign") else ""


@dataclass(frozen=True, slots=True)
class Case:
    """A closed case: one plan carried out for one incident, from the city's own books or imported (``origin``).

    ``known_at`` is when the city knew it as a whole. ``place`` is an area code or a subject's id, ``lon`` and ``lat``
    are WGS84 degrees. ``steps`` were carried out, ``changes`` are what differs from the plan as it was. ``revision``
    counts its versions from 1: the source of an imported case may correct it, at ``revised_at`` last.
    """

    id: str
    origin: str
    kind: str
    level: int | None
    text: str
    opened_at: datetime
    closed_at: datetime
    known_at: datetime
    plan: str
    version: str | None = None
    digest: str | None = None
    incident: str | None = None
    stage: str | None = None
    place: str | None = None
    lon: float | None = None
    lat: float | None = None
    steps: tuple[CaseStep, ...] = ()
    changes: tuple[Change, ...] = ()
    revision: int = 1
    revised_at: datetime | None = None

    @property
    def late(self) -> int:
        """How many steps were submitted too late."""
        return sum(step.late for step in self.steps)

    @property
    def rework(self) -> int:
        """How often work was done again."""
        return sum(step.rework for step in self.steps)

    @property
    def returned(self) -> int:
        """How often a department returned a step as not its own."""
        return sum(step.returned for step in self.steps)

    @property
    def outcome(self) -> float:
        """How well it went, 0 to 1: the shares of steps that were late, done again, returned count against it."""
        n = max(1, len(self.steps))
        worst = 0.5 * self.late / n + 0.3 * min(1.0, self.rework / n) + 0.2 * min(1.0, self.returned / n)
        return max(0.0, 1.0 - worst)


@dataclass(frozen=True, slots=True)
class Replaced:
    """A version of a case that a newer one took the place of: when, handed over by whom, the fields that differ."""

    case: Case
    at: datetime
    by: str
    changed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Described:
    """What is known of a matter beyond its title: more words, an area code or subject id, degrees WGS84, a stage."""

    text: str = ""
    place: str | None = None
    lon: float | None = None
    lat: float | None = None
    stage: str | None = None


@dataclass(frozen=True, slots=True)
class Matter:
    """What an answer is wanted for, at ``at`` (aware). Only what the city knew then is looked at."""

    kind: str
    level: int | None
    at: datetime
    text: str = ""
    stage: str | None = None
    place: str | None = None
    lon: float | None = None
    lat: float | None = None
    apart_from: str | None = None  # an incident whose own cases do not count


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A similar case: ``similarity`` 0 to 1 of words and circumstances, ``weight`` with outcome and recency."""

    n: int
    similarity: float
    words: float
    weight: float


@dataclass(frozen=True, slots=True)
class Related:
    """A case of another kind that names the same things: ``shared``, each as ``class:key`` (see ``likeness``)."""

    n: int
    similarity: float
    words: float
    shared: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a step is there: ``kind`` is clause, cases or plan; ``n`` of ``m`` similar cases had it."""

    kind: str
    text: Text
    clause: str | None = None
    n: int | None = None
    m: int | None = None


@dataclass(frozen=True, slots=True)
class Proposed:
    """A change of the plan that is proposed: what commanders did in similar cases, or what a clause mandates."""

    change: Change
    mandated: bool
    reasons: tuple[Reason, ...]
    cases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SuggestedPlan:
    """A plan that suits: ``score`` is its share of the vote (0 to 1), ``exact`` that it is declared for this level."""

    plan: Plan
    reason: Text
    exact: bool
    score: float
    n: int
    m: int
    changes: tuple[Proposed, ...] = ()
    reasons: Mapping[str, tuple[Reason, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Advice:
    """The answer. Without ``confident`` the cases say too little, and plans stand in the order of their declaration.

    ``cases`` are of the matter's kind and vote for plans, ``related`` are of other kinds and only tell what happened.
    ``why`` says of each case, by its id, why it is there.
    """

    plans: tuple[SuggestedPlan, ...]
    cases: tuple[tuple[Case, Neighbour], ...]
    clauses: tuple[Clause, ...]
    confident: bool
    confidence: float
    silence: Text | None = None
    related: tuple[tuple[Case, Related], ...] = ()
    why: Mapping[str, tuple[Text, ...]] = field(default_factory=dict)

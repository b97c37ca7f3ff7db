"""What command works with: plans, incidents, runs, tasks, receipts, timers, and what happened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from types import MappingProxyType

from cityheart.kernel.text import Text, text

__all__ = [
    "FINAL",
    "OPEN",
    "ROLE_TITLES",
    "STATES",
    "Evidence",
    "File",
    "Happened",
    "Incident",
    "Plan",
    "Receipt",
    "Run",
    "RungDue",
    "RungRule",
    "Step",
    "Task",
    "Timer",
]

STATES = (
    "scheduled",
    "dispatched",
    "accepted",
    "submitted",
    "verified",
    "closed",
    "returned",
    "suspended",
    "cancelled",
)
OPEN = frozenset({"dispatched", "accepted", "submitted", "suspended"})  # and "returned" until it is decided
FINAL = frozenset({"closed", "cancelled"})  # and "returned" once it is decided

ROLE_TITLES: Mapping[str, Text] = MappingProxyType(
    {  # whom a ladder may name besides departments
        "coordinator": text("指挥协调员", "Coordinator"),
        "duty_officer": text("值班长", "Duty officer"),
        "mayor": text("市领导", "Mayor"),
    }
)


@dataclass(frozen=True, slots=True)
class RungRule:
    """One rung of an escalation ladder: when (``accept``, ``due`` or a duration from dispatch) and to whom."""

    at: str | timedelta
    to: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a receipt must hold: at least ``min`` of ``kind`` (note, photo, form)."""

    kind: str
    min: int


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a plan. ``due`` and ``accept_within`` count from the task's dispatch.

    ``verify_by`` is a department, or ``None``: the coordinator verifies.
    """

    id: str
    title: Text
    unit: str
    after: tuple[str, ...]
    delay: timedelta
    origin: str  # what the delay counts from: start, predecessors
    accept_within: timedelta
    due: timedelta
    escalate: tuple[RungRule, ...]
    evidence: tuple[Evidence, ...]
    verify_by: str | None
    when: str | None
    loop_guard: int


@dataclass(frozen=True, slots=True)
class Plan:
    """An immutable plan version; ``digest`` is the SHA-256 of ``canonical``, its one JSON spelling."""

    name: str
    version: str
    title: Text
    source: Text | None
    kind: str | None
    levels: tuple[int, ...]
    valid_from: date | None
    valid_until: date | None
    parameters: Mapping[str, bool | int | float | str]
    steps: tuple[Step, ...]
    canonical: str
    digest: str
    by_id: Mapping[str, Step] = field(repr=False, compare=False)

    def step(self, id: str) -> Step:
        """The step ``id``; KeyError when there is none."""
        return self.by_id[id]


@dataclass(frozen=True, slots=True)
class Incident:
    """A matter the city responds to. It closes when all runs are closed and its alert is over or it was lifted."""

    id: str
    title: Text
    kind: str
    level: int | None
    state: str  # open, closed
    alert_id: str | None
    opened_at: datetime
    closed_at: datetime | None
    alert_over_at: datetime | None
    lifted_at: datetime | None


@dataclass(frozen=True, slots=True)
class Run:
    """One plan being carried out for one incident. ``moved_at`` is the moment of its newest event."""

    id: str
    incident: str
    plan: str  # digest
    state: str  # active, closed
    started_at: datetime
    closed_at: datetime | None = None
    superseded_by: str | None = None
    moved_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RungDue:
    """A rung of one task: ``rule`` is accept, due or elapsed; ``at`` moves with the task's times until it fires."""

    rule: str
    at: datetime
    to: str
    fired_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """One round of one step of a run. All times aware UTC.

    ``verify_by`` is the department that verifies the work, ``None`` for the coordinator. ``planned_at`` is ``None`` while
    it depends on predecessors that are not finished (``waits``). ``outcome`` says how a finished round ended: done, rework,
    returned, reassigned, superseded, lifted, cancelled.
    """

    id: str
    run: str
    incident: str
    step: str
    round: int
    unit: str
    state: str
    opened_at: datetime
    verify_by: str | None = None
    waits: bool = False
    planned_at: datetime | None = None
    dispatched_at: datetime | None = None
    accept_due: datetime | None = None
    due: datetime | None = None
    person: Mapping[str, object] | None = None
    accepted_at: datetime | None = None
    submitted_at: datetime | None = None
    closed_at: datetime | None = None
    outcome: str | None = None
    late_accept: bool = False
    late: bool = False
    rework: int = 0
    passed: int = 0
    extension_until: datetime | None = None
    held_state: str | None = None
    held_at: datetime | None = None
    rungs: tuple[RungDue, ...] = ()

    @property
    def over(self) -> bool:
        """Whether nothing more can happen to this round."""
        return self.closed_at is not None


@dataclass(frozen=True, slots=True)
class Timer:
    """Something that becomes due: dispatch, accept, due or rung-N of one task."""

    run: str
    step: str
    round: int
    kind: str
    fire_at: datetime


@dataclass(frozen=True, slots=True)
class Happened:
    """An event of a transition: ``at`` is the moment it stands for, which a late tick keeps."""

    type: str
    at: datetime
    data: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class File:
    """A file of a receipt, kept by its content."""

    name: str
    sha256: str
    bytes: int
    media: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a department reported: by whom, when, a note, a form, files."""

    id: str
    task: str
    at: datetime
    by: Mapping[str, object]
    note: str
    form: Mapping[str, object] | None
    files: tuple[File, ...]

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
    "During",
    "Each",
    "Evidence",
    "File",
    "Happened",
    "Incident",
    "Item",
    "Patch",
    "Place",
    "Plan",
    "Receipt",
    "Run",
    "RungDue",
    "RungRule",
    "Step",
    "Task",
    "Timer",
    "Value",
]

Value = bool | int | float | str | list["Value"]  # what parameters and variables of a run hold

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
    """What a receipt must hold: at least ``min`` of ``kind`` (note, photo, form, place).

    ``schema`` says what a form holds, as JSON Schema (draft 2020-12, the part :mod:`cityheart.command.forms` knows).
    """

    kind: str
    min: int
    schema: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """One item of a list a step is done for: its value, the ending of its step's id, and a title where it has one."""

    value: str
    id: str
    title: Text | None = None


@dataclass(frozen=True, slots=True)
class Each:
    """A step that is done once for each item of ``items``, or of the parameter ``of``; in the step ``name`` is the item."""

    name: str
    items: tuple[Item, ...] = ()
    of: str | None = None


@dataclass(frozen=True, slots=True)
class During:
    """A boundary timer: ``steps`` have been open for ``after``. With ``interrupt`` what is open of them is cancelled."""

    steps: tuple[str, ...]
    after: timedelta
    interrupt: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a plan. ``due`` and ``accept_within`` count from the task's dispatch.

    ``does`` is ``task``, done by a department, or message, decide, wait, which the engine does by itself when the step
    is released; these have no unit and no times. ``unit`` that begins with ``$`` names a parameter or a variable.
    ``verify_by`` is a department, or ``None``: the coordinator verifies. In an effective plan ``origin_id`` is the step
    of the plan it was made of, and ``bound`` what its ``each`` stands for.
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
    does: str = "task"
    each: Each | None = None
    during: During | None = None
    clock: str = "elapsed"  # elapsed, working
    sets: Mapping[str, str] = field(default_factory=dict)  # variable -> field of the form
    clauses: tuple[str, ...] = ()
    topic: str | None = None  # of a message
    payload: Mapping[str, object] = field(default_factory=dict)  # of a message
    table: str | None = None  # of a decision
    decision: str | None = None  # the table's digest
    inputs: Mapping[str, Value] = field(default_factory=dict)  # the table's input -> $name or a literal
    outputs: tuple[str, ...] = ()  # variables the decision sets
    bound: Mapping[str, Value] = field(default_factory=dict)
    origin_id: str = ""

    @property
    def automatic(self) -> bool:
        """Whether the engine does it, not a department."""
        return self.does != "task"


@dataclass(frozen=True, slots=True)
class Plan:
    """An immutable plan version; ``digest`` is the SHA-256 of ``canonical``, its one JSON spelling.

    ``variables`` are set while a run goes on: by decisions, by forms, by interruptions. ``titles`` are what people read for
    parameters, where the plan says it. ``calls`` pins the plans whose
    steps were taken in, by the id of the step that called them.
    """

    name: str
    version: str
    title: Text
    source: Text | None
    kind: str | None
    levels: tuple[int, ...]
    valid_from: date | None
    valid_until: date | None
    parameters: Mapping[str, Value]
    steps: tuple[Step, ...]
    canonical: str
    digest: str
    by_id: Mapping[str, Step] = field(repr=False, compare=False)
    variables: frozenset[str] = frozenset()
    titles: Mapping[str, Text] = field(default_factory=dict)
    calls: Mapping[str, str] = field(default_factory=dict)
    drawn: bool = False

    def step(self, id: str) -> Step:
        """The step ``id``; KeyError when there is none."""
        return self.by_id[id]


@dataclass(frozen=True, slots=True)
class Patch:
    """A commander's change of one run, never of its plan. ``op``: add (``spec``), skip, reassign (``unit``), extend (``due``)."""

    number: int
    op: str
    step: str
    reason: str
    by: Mapping[str, object]
    at: datetime
    spec: Mapping[str, object] | None = None
    unit: str | None = None
    due: datetime | None = None


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
    """One plan being carried out for one incident. ``moved_at`` is the moment of its newest event.

    ``context`` holds parameters, level and kind as they were at the start, ``variables`` what was set since. Runs begun
    before there were variables have no context.
    """

    id: str
    incident: str
    plan: str  # digest
    state: str  # active, closed
    started_at: datetime
    closed_at: datetime | None = None
    superseded_by: str | None = None
    moved_at: datetime | None = None
    context: Mapping[str, Value] = field(default_factory=dict)
    variables: Mapping[str, Value] = field(default_factory=dict)
    patches: tuple[Patch, ...] = ()


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

    ``verify_by`` is the department that verifies the work, ``None`` for the coordinator. ``planned_at`` is ``None``
    while it depends on predecessors that are not finished (``waits``). ``outcome`` says how a finished round ended:
    done, rework, returned, reassigned, delegated, superseded, lifted, cancelled, not_needed, skipped, interrupted.
    ``does`` other than ``task`` is the place of an automatic step. ``unit`` is empty until a decision names it.
    ``done_at`` is when the field officer says that the work was done, by a phone's clock that was set right.
    ``satisfied``: yes, no, no_answer.
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
    does: str = "task"
    submitter: Mapping[str, object] | None = None
    done_at: datetime | None = None
    satisfied: str | None = None

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
class Place:
    """Where something was done: WGS84 degrees, and how many metres it may be off."""

    lon: float
    lat: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a department reported: by whom, when, a note, a form, files, a place.

    ``done_at`` is when the work was done by the phone's clock set right by ``clock_off``: the seconds it was behind the
    city's when it sent (negative: ahead).
    """

    id: str
    task: str
    at: datetime
    by: Mapping[str, object]
    note: str
    form: Mapping[str, object] | None
    files: tuple[File, ...]
    place: Place | None = None
    done_at: datetime | None = None
    clock_off: float | None = None

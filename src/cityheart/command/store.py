"""Everything command writes to the operational store, and all SQL that does it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from functools import cache, lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from cityheart.command.engine import timers
from cityheart.command.models import File, Incident, Patch, Place, Receipt, Run, RungDue, Task
from cityheart.kernel import limits
from cityheart.kernel.database import Json, UtcDateTime, metadata
from cityheart.kernel.events import event_table, subscription_table
from cityheart.kernel.statements import Statement
from cityheart.kernel.text import Text

__all__ = [
    "NOTHING",
    "Due",
    "Leaving",
    "add_file",
    "add_receipt",
    "alert_ended_after",
    "busy_run",
    "files_waiting",
    "find_incident",
    "find_run",
    "find_runs",
    "find_task",
    "heard",
    "incidents",
    "late_by_incident",
    "lock_incident",
    "next_due",
    "open_incident",
    "overdue",
    "plan",
    "plan_digest",
    "plans",
    "publish_plan",
    "receipts",
    "run_counts",
    "runs_of",
    "save_incident",
    "save_run",
    "save_tasks",
    "seal_files",
    "take_due",
    "task_counts",
    "tasks",
    "tasks_by_id",
    "tasks_of",
    "units_in",
]

plan_table = sa.Table(
    "plan_version",
    metadata,
    sa.Column("digest", sa.String(64), primary_key=True),
    sa.Column("name", sa.String(60), nullable=False),
    sa.Column("version", sa.String(40), nullable=False),
    sa.Column("canonical", sa.Text, nullable=False),
    sa.Column("published_at", UtcDateTime, nullable=False),
    sa.Column("published_by", sa.String(120), nullable=False),
    sa.UniqueConstraint("name", "version"),
)

incident_table = sa.Table(
    "incident",
    metadata,
    sa.Column("id", sa.String(60), primary_key=True),
    sa.Column("title", Json, nullable=False),
    sa.Column("kind", sa.String(80), nullable=False),
    sa.Column("level", sa.Integer, nullable=True),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("alert_id", sa.String(80), nullable=True, unique=True),
    sa.Column("opened_at", UtcDateTime, nullable=False),
    sa.Column("closed_at", UtcDateTime, nullable=True),
    sa.Column("alert_over_at", UtcDateTime, nullable=True),
    sa.Column("lifted_at", UtcDateTime, nullable=True),
    sa.Index("ix_incident_state_opened_at", "state", "opened_at"),
)

run_table = sa.Table(
    "run",
    metadata,
    sa.Column("id", sa.String(60), primary_key=True),
    sa.Column("incident", sa.String(60), sa.ForeignKey("incident.id"), nullable=False, index=True),
    sa.Column("plan", sa.String(64), sa.ForeignKey("plan_version.digest"), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("started_at", UtcDateTime, nullable=False),
    sa.Column("closed_at", UtcDateTime, nullable=True),
    sa.Column("superseded_by", sa.String(60), nullable=True),
    sa.Column("moved_at", UtcDateTime, nullable=True),
    sa.Column("context", Json, nullable=True),
    sa.Column("variables", Json, nullable=True),
    sa.Column("patches", Json, nullable=True),
)

_UNCLOSED = sa.text("closed_at IS NULL")
task_table = sa.Table(
    "task",
    metadata,
    sa.Column("id", sa.String(60), primary_key=True),
    sa.Column("run", sa.String(60), sa.ForeignKey("run.id"), nullable=False),
    sa.Column("incident", sa.String(60), nullable=False, index=True),
    sa.Column("step", sa.String(60), nullable=False),
    sa.Column("round", sa.Integer, nullable=False),
    sa.Column("unit", sa.String(60), nullable=False),
    sa.Column("verify_by", sa.String(60), nullable=True),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("opened_at", UtcDateTime, nullable=False),
    sa.Column("waits", sa.Boolean, nullable=False),
    sa.Column("planned_at", UtcDateTime, nullable=True),
    sa.Column("dispatched_at", UtcDateTime, nullable=True),
    sa.Column("accept_due", UtcDateTime, nullable=True),
    sa.Column("due", UtcDateTime, nullable=True),
    sa.Column("person", Json, nullable=True),
    sa.Column("accepted_at", UtcDateTime, nullable=True),
    sa.Column("submitted_at", UtcDateTime, nullable=True),
    sa.Column("closed_at", UtcDateTime, nullable=True),
    sa.Column("outcome", sa.String(16), nullable=True),
    sa.Column("late_accept", sa.Boolean, nullable=False),
    sa.Column("late", sa.Boolean, nullable=False),
    sa.Column("rework", sa.Integer, nullable=False),
    sa.Column("passed", sa.Integer, nullable=False),
    sa.Column("extension_until", UtcDateTime, nullable=True),
    sa.Column("held_state", sa.String(16), nullable=True),
    sa.Column("held_at", UtcDateTime, nullable=True),
    sa.Column("rungs", Json, nullable=False),
    sa.Column("does", sa.String(8), nullable=False, server_default="task"),
    sa.Column("submitter", Json, nullable=True),
    sa.Column("done_at", UtcDateTime, nullable=True),
    sa.Column("satisfied", sa.String(12), nullable=True),
    sa.Column("words", sa.Text, nullable=True),  # what a person may look for: titles of step and incident, lower case
    sa.UniqueConstraint("run", "step", "round"),
    sa.Index("ix_task_unit_state_due", "unit", "state", "due"),
    sa.Index("ix_task_state_due", "state", "due"),
    # what is open, in the order of lists, however much is closed
    sa.Index("ix_task_open", "opened_at", "id", sqlite_where=_UNCLOSED, postgresql_where=_UNCLOSED),
)

timer_table = sa.Table(
    "timer",
    metadata,
    sa.Column("run", sa.String(60), primary_key=True),
    sa.Column("step", sa.String(60), primary_key=True),
    sa.Column("round", sa.Integer, primary_key=True),
    sa.Column("kind", sa.String(16), primary_key=True),
    sa.Column("fire_at", UtcDateTime, nullable=False),
    sa.Index("ix_timer_fire_at", "fire_at", "run"),
)

receipt_table = sa.Table(
    "receipt",
    metadata,
    sa.Column("id", sa.String(60), primary_key=True),
    sa.Column("task", sa.String(60), sa.ForeignKey("task.id"), nullable=False, index=True),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("by", Json, nullable=False),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("form", Json, nullable=True),
    sa.Column("place", Json, nullable=True),
    sa.Column("done_at", UtcDateTime, nullable=True),
    sa.Column("clock_off", sa.Float, nullable=True),
)

file_table = sa.Table(
    "task_file",
    metadata,
    sa.Column("task", sa.String(60), sa.ForeignKey("task.id"), primary_key=True),
    sa.Column("sha256", sa.String(64), primary_key=True),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("bytes", sa.BigInteger, nullable=False),
    sa.Column("media", sa.String(100), nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("by", sa.String(120), nullable=False),
    sa.Column("receipt", sa.String(60), nullable=True),  # the receipt it belongs to, once there is one
)

_TASK = task_table.c
_FIXED = ("id", "run", "incident", "step", "round", "opened_at", "verify_by", "does", "words")  # what never changes
_COLUMNS = tuple(each.name for each in fields(Task))
_RUNGS = _COLUMNS.index("rungs")
_RUN_COLUMNS = tuple(column.name for column in run_table.columns)
_CHANGING = [name for name in _COLUMNS if name not in _FIXED]
# states in which a round may be open: said beside closed_at, so that the index of states leads past what is closed
_OPEN = ("scheduled", "dispatched", "accepted", "submitted", "returned", "suspended")
_READ_TASK = sa.select(*(_TASK[name] for name in _COLUMNS))
_UPDATE_TASK = Statement(
    task_table.update().where(_TASK.id == sa.bindparam("_id")).values({name: sa.bindparam(name) for name in _CHANGING})
)
_TASKS_OF_RUN = Statement(_READ_TASK.where(_TASK.run == sa.bindparam("run")).order_by(_TASK.step, _TASK.round))
_BY_ID = sa.select(incident_table).where(incident_table.c.id == sa.bindparam("of"))
_INCIDENT, _INCIDENT_LOCKED = Statement(_BY_ID), Statement(_BY_ID.with_for_update())
_INCIDENT_OF_ALERT = Statement(sa.select(incident_table).where(incident_table.c.alert_id == sa.bindparam("of")))
_SAVE_INCIDENT = Statement(incident_table.update().where(incident_table.c.id == sa.bindparam("_id")))
_NEW_RUN, _NEW_RECEIPT = Statement(run_table.insert()), Statement(receipt_table.insert())
_NEW_TASKS, _NEW_TIMERS = Statement(task_table.insert()), Statement(timer_table.insert())
_ONE_RUN = sa.select(run_table).where(run_table.c.id == sa.bindparam("id"))
_RUN, _RUN_LOCKED = Statement(_ONE_RUN), Statement(_ONE_RUN.with_for_update())
_RUNS = sa.select(run_table).where(run_table.c.id.in_(sa.bindparam("ids", expanding=True)))
_RUNS_OF_INCIDENT = Statement(
    sa.select(run_table)
    .where(run_table.c.incident == sa.bindparam("of"))
    .order_by(run_table.c.started_at, run_table.c.id)
)
_SAVE_RUN = Statement(run_table.update().where(run_table.c.id == sa.bindparam("_id")))
_BUSY_RUN = Statement(
    sa.select(run_table.c.id).where(run_table.c.incident == sa.bindparam("of"), run_table.c.state != "closed").limit(1)
)
_TASK_BY_ID = Statement(_READ_TASK.where(_TASK.id == sa.bindparam("id")))
_NEXT_DUE = Statement(sa.select(sa.func.min(timer_table.c.fire_at)))
_OVERDUE = sa.select(sa.func.count(), sa.func.min(timer_table.c.fire_at)).where(
    timer_table.c.fire_at < sa.bindparam("before")
)
_ENDED = Statement(
    sa.select(event_table.c.seq)
    .where(event_table.c.type == "alert.ended", event_table.c.seq > sa.bindparam("after"))
    .limit(1)
)
_HEARD = Statement(sa.select(subscription_table.c.position).where(subscription_table.c.name == sa.bindparam("name")))
_WAITING = file_table.c.task == sa.bindparam("of"), file_table.c.receipt.is_(None)
_FILES_WAITING = Statement(sa.select(file_table).where(*_WAITING).order_by(file_table.c.at, file_table.c.sha256))
_FILES = (
    sa.select(file_table)
    .where(file_table.c.task.in_(sa.bindparam("tasks", expanding=True)))
    .order_by(file_table.c.at, file_table.c.sha256)
)
_RECEIPTS = (
    sa.select(receipt_table)
    .where(receipt_table.c.task.in_(sa.bindparam("tasks", expanding=True)))
    .order_by(receipt_table.c.at)
)
_SEAL_FILES = Statement(file_table.update().where(*_WAITING).values(receipt=sa.bindparam("to")))
_DROP_TIMERS = Statement(
    timer_table.delete().where(
        timer_table.c.run == sa.bindparam("_run"),
        timer_table.c.step == sa.bindparam("_step"),
        timer_table.c.round == sa.bindparam("_round"),
    )
)


@dataclass(frozen=True, slots=True)
class Due:
    """The run whose timer is due first, in which incident, and when."""

    run: str
    incident: str
    title: Text
    plan: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Leaving:
    """Runs by id and plans by digest that are passed over."""

    runs: tuple[str, ...] = ()
    plans: tuple[str, ...] = ()


NOTHING = Leaving()


def _insert_new(conn: sa.Connection, table: sa.Table, values: dict[str, Any]) -> bool:
    """Insert a row unless its key is there; whether it was inserted."""
    return _inserting_new(conn.dialect.name, table).one(conn, values) is not None


@cache
def _inserting_new(dialect: str, table: sa.Table) -> Statement:
    insert = sqlite.insert if dialect == "sqlite" else postgresql.insert
    return Statement(insert(table).on_conflict_do_nothing().returning(sa.literal(1)))


# ── plans ──────────────────────────────────────────────────────────────────────────────────────────────────────


def publish_plan(
    conn: sa.Connection, digest: str, name: str, version: str, canonical: str, at: datetime, by: str
) -> bool:
    """Store a plan version; ``False`` when exactly this one is there already."""
    values = {
        "digest": digest,
        "name": name,
        "version": version,
        "canonical": canonical,
        "published_at": at,
        "published_by": by,
    }
    return _insert_new(conn, plan_table, values)


def plan_digest(conn: sa.Connection, name: str, version: str | None) -> str | None:
    """The digest under which ``name`` and ``version`` were published; without a version that of the newest."""
    found = sa.select(plan_table.c.digest).where(plan_table.c.name == name)
    if version is not None:
        found = found.where(plan_table.c.version == version)
    newest = found.order_by(plan_table.c.published_at.desc(), plan_table.c.version.desc()).limit(1)
    digest: str | None = conn.execute(newest).scalar()
    return digest


def plan(conn: sa.Connection, digest: str) -> str | None:
    """The canonical JSON of a plan."""
    canonical: str | None = conn.execute(
        sa.select(plan_table.c.canonical).where(plan_table.c.digest == digest)
    ).scalar()
    return canonical


def plans(conn: sa.Connection) -> list[tuple[str, datetime]]:
    """Every plan's digest and when it was published, newest first."""
    order = plan_table.c.published_at.desc(), plan_table.c.name, plan_table.c.version.desc()
    rows = conn.execute(sa.select(plan_table.c.digest, plan_table.c.published_at).order_by(*order))
    return [(row.digest, row.published_at) for row in rows]


# ── incidents ──────────────────────────────────────────────────────────────────────────────────────────────────


def open_incident(conn: sa.Connection, incident: Incident) -> bool:
    """Store a new incident; ``False`` when it is there already."""
    return _insert_new(conn, incident_table, _incident_values(incident))


def _incident_values(incident: Incident) -> dict[str, Any]:
    return {column.name: getattr(incident, column.name) for column in incident_table.columns}


def lock_incident(conn: sa.Connection, id: str) -> Incident | None:
    """The incident, held against other writers until the transaction ends."""
    row = _INCIDENT_LOCKED.one(conn, {"of": id})
    return None if row is None else Incident(**row._asdict())


def find_incident(conn: sa.Connection, *, id: str | None = None, alert_id: str | None = None) -> Incident | None:
    """The incident with this id, or of this alert."""
    statement, of = (_INCIDENT, id) if id is not None else (_INCIDENT_OF_ALERT, alert_id)
    row = statement.one(conn, {"of": of})
    return None if row is None else Incident(**row._asdict())


def save_incident(conn: sa.Connection, incident: Incident) -> None:
    """Write the incident as it is now."""
    _SAVE_INCIDENT.run(conn, {"_id": incident.id, **_incident_values(incident)})


def incidents(
    conn: sa.Connection, state: str | None, after: tuple[datetime, str] | None, limit: int
) -> tuple[list[Incident], int]:
    """One page of incidents, newest first, and how many there are."""
    table = incident_table
    where = [] if state is None else [table.c.state == state]
    total = conn.execute(sa.select(sa.func.count()).select_from(table).where(*where)).scalar() or 0
    if after is not None:
        where.append(
            sa.or_(table.c.opened_at < after[0], sa.and_(table.c.opened_at == after[0], table.c.id < after[1]))
        )
    rows = conn.execute(
        sa.select(table).where(*where).order_by(table.c.opened_at.desc(), table.c.id.desc()).limit(limit)
    )
    return [Incident(**row._mapping) for row in rows], total


def incident_titles(conn: sa.Connection, ids: Iterable[str]) -> dict[str, Text]:
    """What each of these incidents is called."""
    statement = sa.select(incident_table.c.id, incident_table.c.title).where(incident_table.c.id.in_(sorted(set(ids))))
    return {row.id: row.title for row in conn.execute(statement)}


def units_in(conn: sa.Connection, incident_id: str) -> set[str]:
    """The departments that have, or had, a task in an incident."""
    statement = sa.select(task_table.c.unit).where(task_table.c.incident == incident_id).distinct()
    return {row.unit for row in conn.execute(statement) if row.unit}


def newest_incidents(conn: sa.Connection, limit: int) -> list[Incident]:
    """The newest incidents, open ones before closed ones."""
    table = incident_table.c
    closed = sa.case((table.state == "open", 0), else_=1)
    statement = sa.select(incident_table).order_by(closed, table.opened_at.desc(), table.id.desc())
    return [Incident(**row._mapping) for row in conn.execute(statement.limit(limit))]


# ── runs ───────────────────────────────────────────────────────────────────────────────────────────────────────


def find_run(conn: sa.Connection, id: str, *, lock: bool = False) -> Run | None:
    """The run; with ``lock`` held against other writers until the transaction ends."""
    row = (_RUN_LOCKED if lock else _RUN).one(conn, {"id": id})
    return None if row is None else _run(row)


def find_runs(conn: sa.Connection, ids: Sequence[str]) -> list[Run]:
    """These runs, in no order; those that are not there are left out."""
    return [_run(row) for row in conn.execute(_RUNS, {"ids": ids})] if ids else []


def runs_of(conn: sa.Connection, incident: str) -> list[Run]:
    """The incident's runs in the order they were started."""
    return [_run(row) for row in _RUNS_OF_INCIDENT.all(conn, {"of": incident})]


def busy_run(conn: sa.Connection, incident: str) -> bool:
    """Whether any run of the incident is not closed."""
    return _BUSY_RUN.one(conn, {"of": incident}) is not None


def run_counts(conn: sa.Connection) -> dict[str, tuple[int, int]]:
    """For every plan digest: how often it was run, and how many of these runs are closed."""
    closed = sa.func.sum(sa.case((run_table.c.state == "closed", 1), else_=0))
    rows = conn.execute(sa.select(run_table.c.plan, sa.func.count(), closed).group_by(run_table.c.plan))
    return {row[0]: (row[1], int(row[2])) for row in rows}


def save_run(conn: sa.Connection, run: Run, before: Run | None = None) -> None:
    """Write the run as it is now; ``before`` is how it is stored, ``None`` for a new one."""
    values: dict[str, Any] = {
        "id": run.id, "incident": run.incident, "plan": run.plan, "state": run.state, "started_at": run.started_at,
        "closed_at": run.closed_at, "superseded_by": run.superseded_by, "moved_at": run.moved_at,
    }  # fmt: skip
    if before is None or run.variables != before.variables:
        values["variables"] = dict(run.variables) or None
    if before is None or run.patches != before.patches:
        values["patches"] = [_patch_json(patch) for patch in run.patches] or None
    if before is None:
        _NEW_RUN.run(conn, values | {"context": dict(run.context)})
    else:
        _SAVE_RUN.run(conn, {"_id": run.id, **values})


def _run(row: Sequence[Any]) -> Run:
    values = dict(zip(_RUN_COLUMNS, row, strict=True))
    patches = tuple(_patch(each) for each in values["patches"] or ())
    return Run(
        **values | {"context": values["context"] or {}, "variables": values["variables"] or {}, "patches": patches}
    )


def _patch_json(patch: Patch) -> dict[str, Any]:
    return asdict(patch) | {"at": _iso(patch.at), "due": patch.due and _iso(patch.due)}


def _patch(raw: dict[str, Any]) -> Patch:
    due = raw["due"] and datetime.fromisoformat(raw["due"])
    return Patch(**raw | {"at": datetime.fromisoformat(raw["at"]), "due": due})


# ── tasks and timers ───────────────────────────────────────────────────────────────────────────────────────────


def tasks_of(conn: sa.Connection, run: str) -> list[Task]:
    """Every round of every step of the run."""
    return [_task(row) for row in _TASKS_OF_RUN.all(conn, {"run": run})]


def find_task(conn: sa.Connection, id: str) -> Task | None:
    """One round of one step."""
    row = _TASK_BY_ID.one(conn, {"id": id})
    return None if row is None else _task(row)


def tasks(
    conn: sa.Connection,
    *,
    units: Iterable[str] | None = None,
    state: str | None = None,
    over: bool | None = None,
    due_before: datetime | None = None,
    words: str | None = None,
    after: tuple[datetime, str] | None = None,
    limit: int,
) -> tuple[list[Task], int]:
    """One page of tasks, oldest opened first, and how many there are. ``units=None`` means all departments.

    ``words`` are looked for in the titles of step and incident, all of them.

    A task belongs to a department that has it, and while it is submitted also to the one that verifies it.
    """
    where: list[sa.ColumnElement[bool]] = [_TASK.does == "task"]
    among = [state] if state is not None else _OPEN if over is False else None
    states = [] if among is None else [_TASK.state.in_(among)]
    if units is not None:
        codes = sorted(units)
        having = sa.and_(_TASK.unit.in_(codes), *states)
        verifying = sa.and_(_TASK.verify_by.in_(codes), _TASK.state == "submitted")
        if state not in (None, "submitted"):
            where.append(having)
        elif states:  # each by its own index: asked for either at once, databases go through all that is open
            both = sa.union(sa.select(_TASK.id).where(having), sa.select(_TASK.id).where(verifying))
            where.append(_TASK.id.in_(both))
        else:
            where.append(sa.or_(having, verifying))
    else:
        where += states
    if over is not None:
        where.append(_TASK.closed_at.is_not(None) if over else _TASK.closed_at.is_(None))
    if due_before is not None:
        where.append(_TASK.due < due_before)
    where += [_TASK.words.contains(word, autoescape=True) for word in (words or "").lower().split()]
    total = conn.execute(sa.select(sa.func.count()).select_from(task_table).where(*where)).scalar() or 0
    if after is not None:
        where.append(sa.or_(_TASK.opened_at > after[0], sa.and_(_TASK.opened_at == after[0], _TASK.id > after[1])))
    rows = conn.execute(_READ_TASK.where(*where).order_by(_TASK.opened_at, _TASK.id).limit(limit))
    return [_task(row) for row in rows], total


def tasks_by_id(conn: sa.Connection, ids: Sequence[str]) -> list[Task]:
    """These tasks, in no order; those that are not there are left out."""
    return [_task(row) for row in conn.execute(_READ_TASK.where(_TASK.id.in_(ids)))] if ids else []


def task_counts(conn: sa.Connection, incidents: Sequence[str]) -> dict[str, dict[str, int]]:
    """For every incident: how many tasks are in which state."""
    statement = (
        sa.select(_TASK.incident, _TASK.state, sa.func.count())
        .where(_TASK.incident.in_(incidents), _TASK.does == "task")
        .group_by(_TASK.incident, _TASK.state)
    )
    counts: dict[str, dict[str, int]] = {id: {} for id in incidents}
    for incident, state, n in conn.execute(statement.order_by(_TASK.incident, _TASK.state)):
        counts[incident][state] = n
    return counts


def late_by_incident(conn: sa.Connection, incidents: Sequence[str]) -> dict[str, int]:
    """For every incident: how many tasks missed their due time."""
    statement = (
        sa.select(_TASK.incident, sa.func.count())
        .where(_TASK.incident.in_(incidents), _TASK.late)
        .group_by(_TASK.incident)
    )
    return {row[0]: row[1] for row in conn.execute(statement)}


def save_tasks(
    conn: sa.Connection, changed: Iterable[Task], known: Iterable[str], words: Callable[[Task], str]
) -> None:
    """Write the tasks as they are now, and what becomes due for them. ``known`` are ids already stored.

    ``words`` says by which words a new task is found.
    """
    stored = set(known)
    rows = [(task, _values(task)) for task in changed]
    new = [values | {"words": words(task)} for task, values in rows if task.id not in stored]
    old = [(task, values) for task, values in rows if task.id in stored]
    if new:
        _NEW_TASKS.run_all(conn, new)
    if old:
        _UPDATE_TASK.run_all(
            conn, [{"_id": task.id} | {name: values[name] for name in _CHANGING} for task, values in old]
        )
        _DROP_TIMERS.run_all(conn, [{"_run": task.run, "_step": task.step, "_round": task.round} for task, _ in old])
    due = [
        {"run": timer.run, "step": timer.step, "round": timer.round, "kind": timer.kind, "fire_at": timer.fire_at}
        for task, _ in rows
        for timer in timers(task)
    ]
    if due:
        _NEW_TIMERS.run_all(conn, due)


def next_due(conn: sa.Connection, leaving: Leaving = NOTHING) -> datetime | None:
    """When the next timer fires, of all but those that are left."""
    if leaving == NOTHING:
        moment: datetime | None = _NEXT_DUE.value(conn)
        return moment
    row = conn.execute(_in_order(leaving).limit(1)).first()
    return None if row is None else row.fire_at


def alert_ended_after(conn: sa.Connection, seq: int) -> bool:
    """Whether an alert ended later than event ``seq``."""
    return _ENDED.one(conn, {"after": seq}) is not None


def heard(conn: sa.Connection, subscription: str) -> int:
    """Up to which event the subscription has read."""
    return _HEARD.value(conn, {"name": subscription}) or 0


def take_due(conn: sa.Connection, until: datetime, leaving: Leaving = NOTHING) -> Due | None:
    """The run that is due first and whose incident nobody else holds; the incident is held until the transaction ends.

    A transaction that takes several incidents in this way waits for none of them, so nobody can wait for it in a circle.
    Of what is due only the first ``limits.TIMERS_LOOKED_AT`` are looked at: when others hold all of these, others work.
    """
    row = conn.execute(_take_due(leaving), {"until": until}).first()
    return None if row is None else Due(row.run, row.incident, row.title, row.plan, row.fire_at)


@lru_cache(maxsize=64)
def _take_due(leaving: Leaving) -> sa.Select[Any]:
    # the bounded inner query keeps the database on the index of times, whatever it believes about the table's size
    due = _in_order(leaving).where(timer_table.c.fire_at <= sa.bindparam("until"))
    first = due.limit(limits.TIMERS_LOOKED_AT).subquery()
    return (
        sa.select(first.c.run, first.c.fire_at, run_table.c.incident, incident_table.c.title, run_table.c.plan)
        .join(run_table, run_table.c.id == first.c.run)
        .join(incident_table, incident_table.c.id == run_table.c.incident)
        .order_by(first.c.fire_at, first.c.run)
        .limit(1)
        .with_for_update(of=incident_table, skip_locked=True)
    )


def _in_order(leaving: Leaving) -> sa.Select[Any]:
    """Timers in the order of time, but for those that are left."""
    statement = sa.select(timer_table.c.run, timer_table.c.fire_at)
    if leaving.plans:
        statement = statement.join(run_table, run_table.c.id == timer_table.c.run)
        statement = statement.where(run_table.c.plan.not_in(leaving.plans))
    if leaving.runs:
        statement = statement.where(timer_table.c.run.not_in(leaving.runs))
    return statement.order_by(timer_table.c.fire_at, timer_table.c.run)


def overdue(conn: sa.Connection, before: datetime) -> tuple[int, datetime | None]:
    """How many timers should have fired before ``before``, and the oldest of them."""
    row = conn.execute(_OVERDUE, {"before": before}).one()
    return row[0], row[1]


def _values(task: Task) -> dict[str, Any]:
    values = {name: getattr(task, name) for name in _COLUMNS}
    values["rungs"] = [
        [rung.rule, _iso(rung.at), rung.to, rung.fired_at and _iso(rung.fired_at)] for rung in task.rungs
    ]
    return values


def _task(row: Sequence[Any]) -> Task:
    ladder = tuple(
        RungDue(rule, datetime.fromisoformat(at), to, None if fired is None else datetime.fromisoformat(fired))
        for rule, at, to, fired in row[_RUNGS]
    )
    values = list(row)
    values[_RUNGS] = ladder
    return Task(*values)


def _iso(moment: datetime) -> str:
    return moment.isoformat()


# ── receipts and files ─────────────────────────────────────────────────────────────────────────────────────────


def add_file(conn: sa.Connection, task: str, file: File, at: datetime, by: str) -> bool:
    """Attach a file to a task; ``False`` when this content is attached already."""
    return _insert_new(conn, file_table, {"task": task, **asdict(file), "at": at, "by": by})


def files_waiting(conn: sa.Connection, task: str) -> list[File]:
    """Files attached to the task that belong to no receipt yet."""
    return [_file(row) for row in _FILES_WAITING.all(conn, {"of": task})]


def seal_files(conn: sa.Connection, task: str, receipt: str) -> None:
    """Let the files waiting at the task belong to ``receipt``."""
    _SEAL_FILES.run(conn, {"of": task, "to": receipt})


def add_receipt(conn: sa.Connection, receipt: Receipt) -> None:
    """Store a receipt."""
    values = {
        "id": receipt.id,
        "task": receipt.task,
        "at": receipt.at,
        "by": receipt.by,
        "note": receipt.note,
        "form": receipt.form,
        "place": receipt.place and asdict(receipt.place),
        "done_at": receipt.done_at,
        "clock_off": receipt.clock_off,
    }
    _NEW_RECEIPT.run(conn, values)


def receipts(conn: sa.Connection, tasks: Sequence[str]) -> dict[str, list[Receipt]]:
    """The receipts of each task, oldest first, with their files."""
    files: dict[str, list[File]] = {}
    for row in conn.execute(_FILES, {"tasks": tasks}):
        files.setdefault(row.receipt or "", []).append(_file(row))
    found: dict[str, list[Receipt]] = {}
    for row in conn.execute(_RECEIPTS, {"tasks": tasks}):
        place = row.place and Place(**row.place)
        receipt = Receipt(
            row.id, row.task, row.at, row.by, row.note, row.form, tuple(files.get(row.id, ())), place, row.done_at,
            row.clock_off,
        )  # fmt: skip
        found.setdefault(row.task, []).append(receipt)
    return found


def _file(row: Any) -> File:
    return File(row.name, row.sha256, row.bytes, row.media)

"""All SQL of handing over: notes, additions; and what is open in incidents, by its next clock."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from cityheart.command.handover.models import Addition, Note, Pin, Signature
from cityheart.command.store import incident_table, task_table
from cityheart.kernel.events import event_table
from cityheart.kernel.schema import Json, UtcDateTime, metadata

__all__ = [
    "add",
    "additions",
    "find",
    "first_since",
    "insert",
    "last_signed",
    "notes",
    "notes_of",
    "open_incidents",
    "open_tasks",
    "titles_of",
    "unfinished",
    "update",
]

note_table = sa.Table(
    "handover_note",
    metadata,
    sa.Column("id", sa.String(60), primary_key=True),
    sa.Column("unit", sa.String(80), nullable=False),
    sa.Column("shift", sa.String(60), nullable=True),
    sa.Column("title", Json, nullable=True),
    sa.Column("since", UtcDateTime, nullable=False),
    sa.Column("until", UtcDateTime, nullable=True),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("words", sa.Text, nullable=False),
    sa.Column("pins", Json, nullable=False),
    sa.Column("written_by", Json, nullable=False),
    sa.Column("written_at", UtcDateTime, nullable=False),
    sa.Column("standing", Json, nullable=True),
    sa.Column("digest", sa.String(64), nullable=True),
    sa.Column("signed", Json, nullable=True),
    sa.Column("signed_at", UtcDateTime, nullable=True),
    sa.Column("taken", Json, nullable=True),
    sa.Column("taken_at", UtcDateTime, nullable=True),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Index("ix_handover_note_unit_since", "unit", "since"),
    sa.Index("ix_handover_note_state_since", "state", "since"),
)

addition_table = sa.Table(
    "handover_addition",
    metadata,
    sa.Column("note", sa.String(60), sa.ForeignKey("handover_note.id"), primary_key=True),
    sa.Column("n", sa.Integer, primary_key=True),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("by", Json, nullable=False),
    sa.Column("words", sa.Text, nullable=False),
)

_NOTE = note_table.c
_TASK = task_table.c
_INCIDENT = incident_table.c
_EVENT = event_table.c


def find(conn: sa.Connection, id: str, *, lock: bool = False) -> Note | None:
    """One note."""
    statement = sa.select(note_table).where(_NOTE.id == id)
    row = conn.execute(statement.with_for_update() if lock else statement).one_or_none()
    return None if row is None else _note(row)


def insert(conn: sa.Connection, note: Note) -> None:
    """Write a new note."""
    conn.execute(note_table.insert().values(id=note.id, **_columns(note)))


def update(conn: sa.Connection, note: Note) -> None:
    """Write a note as it is now."""
    conn.execute(note_table.update().where(_NOTE.id == note.id).values(_columns(note)))


def notes(
    conn: sa.Connection, units: frozenset[str] | None, unit: str | None, limit: int, after: Note | None
) -> tuple[list[Note], int]:
    """A page of notes, the newest shift first, and how many there are in all; of these departments (``None``: of all)."""
    where: list[sa.ColumnElement[bool]] = [] if units is None else [_NOTE.unit.in_(sorted(units))]
    if unit is not None:
        where.append(_NOTE.unit == unit)
    total = conn.execute(sa.select(sa.func.count()).select_from(note_table).where(*where)).scalar_one()
    if after is not None:
        where.append(sa.tuple_(_NOTE.since, _NOTE.id) < sa.tuple_(sa.literal(after.since, UtcDateTime), after.id))
    rows = conn.execute(sa.select(note_table).where(*where).order_by(_NOTE.since.desc(), _NOTE.id.desc()).limit(limit))
    return [_note(row) for row in rows], total


def notes_of(conn: sa.Connection, ids: Iterable[str]) -> dict[str, Note]:
    """These notes, by id."""
    rows = conn.execute(sa.select(note_table).where(_NOTE.id.in_(sorted(ids))))
    return {row.id: _note(row) for row in rows}


def unfinished(conn: sa.Connection, unit: str) -> Note | None:
    """The newest note of a department that belongs to no shift and is not taken over."""
    where = _NOTE.unit == unit, _NOTE.shift.is_(None), _NOTE.state != "taken"
    row = conn.execute(sa.select(note_table).where(*where).order_by(_NOTE.since.desc(), _NOTE.id.desc()).limit(1))
    found = row.one_or_none()
    return None if found is None else _note(found)


def last_signed(conn: sa.Connection, unit: str) -> datetime | None:
    """When the newest note of a department was signed, or taken over unsigned."""
    moment = sa.func.max(sa.func.coalesce(_NOTE.signed_at, _NOTE.taken_at), type_=UtcDateTime)
    return conn.execute(sa.select(moment).where(_NOTE.unit == unit)).scalar()


def add(conn: sa.Connection, note: str, addition: Addition) -> None:
    """Add to a note."""
    conn.execute(
        addition_table.insert().values(
            note=note, n=addition.number, at=addition.at, by=dict(addition.by), words=addition.words
        )
    )


def additions(conn: sa.Connection, note: str) -> list[Addition]:
    """What was added to a note, oldest first."""
    table = addition_table.c
    rows = conn.execute(sa.select(addition_table).where(table.note == note).order_by(table.n))
    return [Addition(row.n, row.at, row.by, row.words) for row in rows]


# ── what stands ────────────────────────────────────────────────────────────────────────────────────────────────


def open_incidents(conn: sa.Connection, units: frozenset[str] | None, limit: int) -> tuple[list[dict[str, Any]], int]:
    """Open incidents, the gravest first and then the oldest, and how many there are; with open tasks of ``units`` only."""
    where = [_INCIDENT.state == "open"]
    if units is not None:
        theirs = sa.select(_TASK.incident).where(_TASK.closed_at.is_(None), _TASK.unit.in_(sorted(units)))
        where.append(_INCIDENT.id.in_(theirs))
    total = conn.execute(sa.select(sa.func.count()).select_from(incident_table).where(*where)).scalar_one()
    level = sa.func.coalesce(_INCIDENT.level, 9)
    columns = (_INCIDENT.id, _INCIDENT.title, _INCIDENT.level, _INCIDENT.kind, _INCIDENT.alert_id, _INCIDENT.opened_at)
    rows = conn.execute(
        sa.select(*columns).where(*where).order_by(level, _INCIDENT.opened_at, _INCIDENT.id).limit(limit)
    )
    return [dict(row._mapping) for row in rows], total


def open_tasks(conn: sa.Connection, incidents: Iterable[str], units: frozenset[str] | None) -> list[sa.Row[Any]]:
    """The open tasks of these incidents: id, run, incident, step, unit, state, late, accept_due, due, planned_at."""
    where = [_TASK.incident.in_(sorted(incidents)), _TASK.closed_at.is_(None), _TASK.does == "task"]
    if units is not None:
        where.append(_TASK.unit.in_(sorted(units)))
    columns = (
        _TASK.id, _TASK.run, _TASK.incident, _TASK.step, _TASK.unit, _TASK.state, _TASK.late, _TASK.late_accept,
        _TASK.accept_due, _TASK.due, _TASK.planned_at,
    )  # fmt: skip
    return list(conn.execute(sa.select(*columns).where(*where).order_by(_TASK.due, _TASK.id)))


def titles_of(conn: sa.Connection, incidents: Iterable[str]) -> dict[str, Any]:
    """The titles of these incidents."""
    rows = conn.execute(sa.select(_INCIDENT.id, _INCIDENT.title).where(_INCIDENT.id.in_(sorted(incidents))))
    return {row.id: row.title for row in rows}


def first_since(conn: sa.Connection, since: datetime) -> int:
    """The number of the last event before ``since``, 0 when there is none.

    Events have no index by time; their numbers grow with it, so the place is found by halving.
    """
    low, high = 0, conn.execute(sa.select(sa.func.max(_EVENT.seq))).scalar() or 0
    while low < high:
        middle = (low + high + 1) // 2
        row = conn.execute(
            sa.select(_EVENT.seq, _EVENT.at).where(_EVENT.seq >= middle).order_by(_EVENT.seq).limit(1)
        ).one()
        if row.at < since:
            low = row.seq
        else:
            high = middle - 1
    return low


def _columns(note: Note) -> dict[str, Any]:
    return {
        "unit": note.unit, "shift": note.shift, "title": note.title, "since": note.since, "until": note.until,
        "state": note.state, "revision": note.revision, "words": note.words,
        "pins": [pin.json() for pin in note.pins], "written_by": dict(note.written_by), "written_at": note.written_at,
        "standing": note.standing, "digest": note.digest, "reason": note.reason,
        "signed": _person(note.signed), "signed_at": note.signed and note.signed.at,
        "taken": _person(note.taken), "taken_at": note.taken and note.taken.at,
    }  # fmt: skip


def _person(signature: Signature | None) -> dict[str, Any] | None:
    if signature is None:
        return None
    return {"id": signature.id, "name": signature.name, "on_roster": signature.on_roster}


def _signature(raw: dict[str, Any] | None, at: datetime | None) -> Signature | None:
    return None if raw is None or at is None else Signature(raw["id"], raw["name"], at, raw["on_roster"])


def _note(row: sa.Row[Any]) -> Note:
    return Note(
        row.id, row.unit, row.shift, row.title, row.since, row.until, row.state, row.revision, row.words,
        tuple(Pin(**pin) for pin in row.pins), row.written_by, row.written_at, row.standing, row.digest,
        _signature(row.signed, row.signed_at), _signature(row.taken, row.taken_at), row.reason,
    )  # fmt: skip

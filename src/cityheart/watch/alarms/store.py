"""All tables and all SQL of alarm management: suppressions, which alerts they held, what is counted of alerts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast

import sqlalchemy as sa

from cityheart.kernel import limits
from cityheart.kernel.database import Json, UtcDateTime, metadata
from cityheart.kernel.events import event_table
from cityheart.watch.alarms.models import Ended, Scope, Suppression
from cityheart.watch.models import Alert, Person, SubjectRef
from cityheart.watch.store import alert_table, locked

__all__ = [
    "annunciations",
    "candidates",
    "first_end",
    "held_by",
    "hold",
    "in_force",
    "insert",
    "kept_by",
    "release",
    "standing",
    "suppression_of",
    "suppressions",
    "update",
]

suppression_table = sa.Table(
    "suppression",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("scope", sa.String(16), nullable=False),
    sa.Column("kind", sa.String(80), nullable=False),
    sa.Column("kind_title", Json, nullable=False),
    sa.Column("department", sa.String(80), nullable=False),
    sa.Column("detector", sa.String(80), nullable=True),
    sa.Column("subject_kind", sa.String(40), nullable=True),
    sa.Column("subject_id", sa.String(200), nullable=True),
    sa.Column("subject_name", Json, nullable=True),
    sa.Column("level", sa.SmallInteger, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("by", Json, nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("until", UtcDateTime, nullable=False),
    sa.Column("ended_at", UtcDateTime, nullable=True),
    sa.Column("ended", sa.String(16), nullable=True),
    sa.Column("ended_by", Json, nullable=True),
    sa.Index("ix_suppression_ended_until", "ended", "until"),
    sa.Index("ix_suppression_at", "at", "id"),
)

held_table = sa.Table(  # each time an alert was kept off the queue
    "suppressed_alert",
    metadata,
    sa.Column("alert_id", sa.String(40), sa.ForeignKey("alert.id"), primary_key=True),
    sa.Column("n", sa.Integer, primary_key=True),
    sa.Column("suppression_id", sa.String(40), sa.ForeignKey("suppression.id"), nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("returned_at", UtcDateTime, nullable=True),
    sa.Index("ix_suppressed_alert_suppression_id", "suppression_id"),
    sa.Index("ix_suppressed_alert_returned_at", "returned_at"),
)

# built once: asked at every tick, or for every alert of many
_FIRST_END = sa.select(sa.func.min(suppression_table.c.until)).where(suppression_table.c.ended.is_(None))
_TIMES_HELD = sa.select(sa.func.max(held_table.c.n)).where(held_table.c.alert_id == sa.bindparam("of"))
_RELEASE = (
    held_table.update()
    .where(held_table.c.alert_id == sa.bindparam("of"), held_table.c.returned_at.is_(None))
    .values(returned_at=sa.bindparam("back"))
)


# ── suppressions ───────────────────────────────────────────────────────────────────────────────────────────────


def insert(conn: sa.Connection, one: Suppression) -> None:
    """Store a new suppression."""
    conn.execute(suppression_table.insert().values(id=one.id, **_columns(one)))


def update(conn: sa.Connection, one: Suppression) -> None:
    """Store a suppression as it is now."""
    conn.execute(suppression_table.update().where(suppression_table.c.id == one.id).values(**_columns(one)))


def in_force(conn: sa.Connection, *, due: datetime | None = None, lock: bool = False) -> list[Suppression]:
    """Suppressions that nobody has ended; with ``due`` those whose time is over by then. Earliest end first."""
    table = suppression_table.c
    statement = sa.select(suppression_table).where(table.ended.is_(None)).order_by(table.until, table.id)
    if due is not None:
        statement = statement.where(table.until <= due)
    return [_suppression(row) for row in conn.execute(statement.with_for_update() if lock else statement)]


def first_end(conn: sa.Connection) -> datetime | None:
    """When the next suppression runs out."""
    return conn.execute(_FIRST_END).scalar()


def suppression_of(
    conn: sa.Connection, id: str, departments: frozenset[str] | None, *, lock: bool = False
) -> Suppression | None:
    """One suppression of alerts of these departments (``None``: of all)."""
    statement = sa.select(suppression_table).where(suppression_table.c.id == id, *_of(departments))
    row = conn.execute(statement.with_for_update() if lock else statement).one_or_none()
    return None if row is None else _suppression(row)


def suppressions(
    conn: sa.Connection,
    departments: frozenset[str] | None,
    *,
    ended: bool | None,
    limit: int,
    after: Suppression | None,
) -> tuple[list[Suppression], int]:
    """(suppressions after ``after``, the newest first, how many there are in all)."""
    table = suppression_table.c
    where = _of(departments)
    if ended is not None:
        where.append(table.ended.is_not(None) if ended else table.ended.is_(None))
    total = conn.execute(sa.select(sa.func.count()).select_from(suppression_table).where(*where)).scalar_one()
    if after is not None:
        beyond = sa.tuple_(sa.bindparam("of", after.at, UtcDateTime), sa.literal(after.id))
        where.append(sa.tuple_(table.at, table.id) < beyond)
    statement = sa.select(suppression_table).where(*where).order_by(table.at.desc(), table.id.desc()).limit(limit)
    return [_suppression(row) for row in conn.execute(statement)], total


# ── the alerts they hold ───────────────────────────────────────────────────────────────────────────────────────


def candidates(conn: sa.Connection, one: Suppression, *, waiting_only: bool) -> list[Alert]:
    """Open alerts that a suppression may cover and that are in the queue; ``waiting_only``: nobody has begun with."""
    table = alert_table.c
    where = [table.state != "ended", table.suppressed_by.is_(None), table.kind == one.kind, table.level >= one.level]
    if waiting_only:
        where += [table.state == "raised", table.incident_id.is_(None)]
    if one.subject is not None:
        where += [table.subject_kind == one.subject.kind, table.subject_id == one.subject.id]
    return locked(conn, *where)


def held_by(conn: sa.Connection, id: str) -> list[Alert]:
    """Open alerts that a suppression keeps off the queue."""
    return locked(conn, alert_table.c.state != "ended", alert_table.c.suppressed_by == id)


def hold(conn: sa.Connection, alert: Alert, suppression: Suppression, at: datetime) -> None:
    """The alert is off the queue from ``at`` on."""
    last = conn.execute(_TIMES_HELD, {"of": alert.id}).scalar() or 0
    conn.execute(
        held_table.insert().values(
            alert_id=alert.id, n=last + 1, suppression_id=suppression.id, at=at, returned_at=None
        )
    )


def release(conn: sa.Connection, alert: Alert, at: datetime) -> None:
    """The alert is held no longer."""
    conn.execute(_RELEASE, {"of": alert.id, "back": at})


def kept_by(conn: sa.Connection, ids: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Of each suppression: (alerts that it holds now, alerts that it ever held)."""
    table, alert = held_table.c, alert_table.c
    now = sa.and_(table.returned_at.is_(None), alert.state != "ended", alert.suppressed_by == table.suppression_id)
    rows = conn.execute(
        sa.select(
            table.suppression_id,
            sa.func.count(sa.distinct(sa.case((now, table.alert_id)))).label("now"),
            sa.func.count(sa.distinct(table.alert_id)).label("ever"),
        )
        .join_from(held_table, alert_table, alert.id == table.alert_id)
        .where(table.suppression_id.in_(ids))
        .group_by(table.suppression_id)
    )
    return {row.suppression_id: (row.now, row.ever) for row in rows}


# ── what is counted ────────────────────────────────────────────────────────────────────────────────────────────


_TOLD = (
    "alert.raised",
    "alert.level_changed",
    "alert.returned",
    "alert.acknowledged",
    "alert.suppressed",
    "alert.ended",
)


def annunciations(
    conn: sa.Connection, departments: frozenset[str] | None, since: datetime, until: datetime
) -> tuple[list[Any], list[Any]]:
    """(alerts that something happened to after ``since``, what happened to them, by alert in order).

    Columns of alerts: id, kind, title, subject_kind, subject_id, subject_name, level, incident_id; of what happened:
    stream, type, at, data.
    """
    alert, held, event = alert_table.c, held_table.c, event_table.c
    back = sa.select(held.alert_id).where(held.returned_at > since)
    statement = (
        sa.select(
            alert.id,
            alert.kind,
            alert.wording,
            alert.subject_kind,
            alert.subject_id,
            alert.subject_name,
            alert.level,
            alert.incident_id,
        )
        .where(
            sa.or_(alert.updated_at > since, alert.id.in_(back)),
            alert.raised_at <= until,
            *([] if departments is None else [alert.department.in_(sorted(departments))]),
        )
        .order_by(alert.id)
        .limit(limits.RATE_ALERTS + 1)
    )
    found = list(conn.execute(statement))
    told: list[Any] = []
    for first in range(0, len(found), 500):
        streams = [f"alert:{row.id}" for row in found[first : first + 500]]
        told += conn.execute(
            sa.select(event.stream, event.type, event.at, event.data)
            .where(event.stream.in_(streams), event.type.in_(_TOLD))
            .order_by(event.stream, event.n)
        )
    return found, told


def standing(
    conn: sa.Connection, departments: frozenset[str] | None, before: datetime, limit: int
) -> tuple[list[Any], int]:
    """(alerts in the queue that were raised before ``before``, the oldest first; how many there are)."""
    alert = alert_table.c
    where = [
        alert.state != "ended",
        alert.suppressed_by.is_(None),
        alert.raised_at <= before,
        *([] if departments is None else [alert.department.in_(sorted(departments))]),
    ]
    total = conn.execute(sa.select(sa.func.count()).select_from(alert_table).where(*where)).scalar_one()
    statement = sa.select(alert_table).where(*where).order_by(alert.raised_at, alert.id).limit(limit)
    return list(conn.execute(statement)), total


def _of(departments: frozenset[str] | None) -> list[sa.ColumnElement[bool]]:
    return [] if departments is None else [suppression_table.c.department.in_(sorted(departments))]


def _columns(one: Suppression) -> dict[str, object]:
    return {
        "scope": one.scope,
        "kind": one.kind,
        "kind_title": one.kind_title,
        "department": one.department,
        "detector": one.detector,
        "subject_kind": one.subject and one.subject.kind,
        "subject_id": one.subject and one.subject.id,
        "subject_name": one.subject and one.subject.name,
        "level": one.level,
        "reason": one.reason,
        "by": {"id": one.by.id, "name": one.by.name},
        "at": one.at,
        "until": one.until,
        "ended_at": one.ended_at,
        "ended": one.ended,
        "ended_by": one.ended_by and {"id": one.ended_by.id, "name": one.ended_by.name},
    }


def _suppression(row: sa.Row[Any]) -> Suppression:
    subject = None if row.subject_id is None else SubjectRef(row.subject_kind, row.subject_id, row.subject_name)
    ended_by = row.ended_by
    return Suppression(
        row.id,
        cast(Scope, row.scope),
        row.kind,
        row.kind_title,
        row.department,
        row.detector,
        subject,
        row.level,
        row.reason,
        Person(row._mapping["by"]["id"], row._mapping["by"]["name"]),
        row.at,
        row.until,
        row.ended_at,
        cast("Ended | None", row.ended),
        None if ended_by is None else Person(ended_by["id"], ended_by["name"]),
    )

"""Counts over the tables of several functions at once, for a wall that shows the whole city. Nothing is written here."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import sqlalchemy as sa

from cityheart.command.store import incident_table, task_table
from cityheart.kernel import limits
from cityheart.watch.store import alert_table

__all__ = ["alerts_since", "incidents_since", "open_tasks", "tasks_closed_since"]

_TASK = task_table.c
_ALERT = alert_table.c
_INCIDENT = incident_table.c


def open_tasks(conn: sa.Connection, units: frozenset[str] | None) -> list[tuple[str, str, int, int]]:
    """Open tasks as ``(department, state, how many, how many of them late)``, in no order; no department yet is ``""``.

    Late is a task that missed its due time, or that was sent and not accepted in time.
    """
    late = sa.case((_TASK.late | (_TASK.late_accept & (_TASK.state == "dispatched")), 1), else_=0)
    statement = (
        sa.select(_TASK.unit, _TASK.state, sa.func.count(), sa.func.sum(late))
        .where(_TASK.closed_at.is_(None), _TASK.does == "task", *_among(_TASK.unit, units))
        .group_by(_TASK.unit, _TASK.state)
    )
    return [(unit, state, int(n), int(overdue or 0)) for unit, state, n, overdue in conn.execute(statement)]


def tasks_closed_since(conn: sa.Connection, units: frozenset[str] | None, since: datetime) -> tuple[int, int]:
    """How many tasks were closed from ``since`` on, and how many of them late.

    Tasks that were due longer ago than ``limits.WALL_DUE`` are not looked at: the index of due times leads here.
    """
    due = _TASK.due.is_(None) | (_TASK.due >= since - limits.WALL_DUE)
    statement = sa.select(sa.func.count(), sa.func.sum(sa.case((_TASK.late, 1), else_=0))).where(
        _TASK.state == "closed", due, _TASK.closed_at >= since, _TASK.does == "task", *_among(_TASK.unit, units)
    )
    closed, late = conn.execute(statement).one()
    return int(closed), int(late or 0)


def alerts_since(conn: sa.Connection, departments: frozenset[str] | None, since: datetime) -> tuple[int, int]:
    """How many alerts were raised, and how many ended, from ``since`` on; those kept out of the queue do not count."""
    seen = [_ALERT.suppressed_by.is_(None), *_among(_ALERT.department, departments)]
    raised = sa.select(sa.func.count()).where(_ALERT.raised_at >= since, *seen)
    ended = sa.select(sa.func.count()).where(_ALERT.updated_at >= since, _ALERT.ended_at >= since, *seen)
    return conn.execute(raised).scalar_one(), conn.execute(ended).scalar_one()


def incidents_since(conn: sa.Connection, since: datetime) -> tuple[int, int, int]:
    """How many incidents are open, were opened from ``since`` on, were closed from ``since`` on."""
    opened = sa.func.sum(sa.case((_INCIDENT.opened_at >= since, 1), else_=0))
    closed = sa.func.sum(sa.case((_INCIDENT.closed_at >= since, 1), else_=0))
    stands = sa.func.sum(sa.case((_INCIDENT.state == "open", 1), else_=0))
    row = conn.execute(sa.select(stands, opened, closed)).one()
    return int(row[0] or 0), int(row[1] or 0), int(row[2] or 0)


def _among(column: sa.ColumnElement[str], names: Iterable[str] | None) -> list[sa.ColumnElement[bool]]:
    return [] if names is None else [column.in_(sorted(names))]

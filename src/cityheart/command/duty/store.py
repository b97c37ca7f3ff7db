"""All SQL of duty rosters."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, time
from typing import Any

import sqlalchemy as sa

from cityheart.command.duty.models import Deputy, Exchange, Shift
from cityheart.kernel.schema import Json, UtcDateTime, metadata

__all__ = ["deputies", "exchanges", "find_deputy", "find_shift", "put_deputy", "put_exchange", "put_shift", "shifts"]

shift_table = sa.Table(
    "duty_shift",
    metadata,
    sa.Column("id", sa.String(60), primary_key=True),
    sa.Column("unit", sa.String(80), nullable=False, index=True),
    sa.Column("title", Json, nullable=False),
    sa.Column("starts", sa.String(8), nullable=False),
    sa.Column("ends", sa.String(8), nullable=False),
    sa.Column("days", sa.String(16), nullable=False),
    sa.Column("rotation", sa.String(16), nullable=False),
    sa.Column("people", Json, nullable=False),
    sa.Column("valid_from", sa.Date, nullable=False),
    sa.Column("valid_until", sa.Date, nullable=True),
)

exchange_table = sa.Table(
    "duty_exchange",
    metadata,
    sa.Column("shift", sa.String(60), sa.ForeignKey("duty_shift.id"), primary_key=True),
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("people", Json, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("by", sa.String(120), nullable=False),
)

deputy_table = sa.Table(
    "duty_deputy",
    metadata,
    sa.Column("id", sa.String(60), primary_key=True),
    sa.Column("person", sa.String(120), nullable=False, index=True),
    sa.Column("deputy", sa.String(120), nullable=False, index=True),
    sa.Column("since", UtcDateTime, nullable=False),
    sa.Column("until", UtcDateTime, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("by", sa.String(120), nullable=False),
    sa.Column("ended_at", UtcDateTime, nullable=True),
)


def shifts(conn: sa.Connection, units: Iterable[str] | None = None) -> list[Shift]:
    """The shifts of these departments (``None``: of all), by department, beginning and id."""
    table = shift_table
    where = [] if units is None else [table.c.unit.in_(sorted(units))]
    rows = conn.execute(sa.select(table).where(*where).order_by(table.c.unit, table.c.starts, table.c.id))
    return [_shift(row) for row in rows]


def find_shift(conn: sa.Connection, id: str) -> Shift | None:
    """One shift."""
    row = conn.execute(sa.select(shift_table).where(shift_table.c.id == id)).one_or_none()
    return None if row is None else _shift(row)


def put_shift(conn: sa.Connection, shift: Shift) -> None:
    """Write a shift, new or as it is now."""
    values = {
        "unit": shift.unit, "title": shift.title, "starts": shift.starts.isoformat(), "ends": shift.ends.isoformat(),
        "days": shift.days, "rotation": shift.rotation, "people": list(shift.people), "valid_from": shift.valid_from,
        "valid_until": shift.valid_until,
    }  # fmt: skip
    changed = conn.execute(shift_table.update().where(shift_table.c.id == shift.id).values(values))
    if changed.rowcount == 0:
        conn.execute(shift_table.insert().values(id=shift.id, **values))


def exchanges(conn: sa.Connection, ids: Iterable[str], since: date, until: date) -> dict[tuple[str, date], Exchange]:
    """The exchanges of these shifts from ``since`` to ``until``, both included."""
    table = exchange_table
    where = table.c.shift.in_(sorted(ids)), table.c.day >= since, table.c.day <= until
    return {
        (row.shift, row.day): Exchange(row.shift, row.day, tuple(row.people), row.reason, row.by)
        for row in conn.execute(sa.select(table).where(*where))
    }


def put_exchange(conn: sa.Connection, exchange: Exchange) -> None:
    """Write who holds a shift on one day."""
    key = exchange_table.c.shift == exchange.shift, exchange_table.c.day == exchange.day
    values = {"people": list(exchange.people), "reason": exchange.reason, "by": exchange.by}
    if conn.execute(exchange_table.update().where(*key).values(values)).rowcount == 0:
        conn.execute(exchange_table.insert().values(shift=exchange.shift, day=exchange.day, **values))


def deputies(
    conn: sa.Connection, *, at: datetime | None = None, person: str | None = None, deputy: str | None = None
) -> list[Deputy]:
    """Deputies in force ``at`` a moment (``None``: all ever named), of or for somebody, the newest first."""
    table = deputy_table
    where: list[sa.ColumnElement[bool]] = []
    if at is not None:
        where += [table.c.since <= at, table.c.until > at, sa.or_(table.c.ended_at.is_(None), table.c.ended_at > at)]
    if person is not None:
        where.append(table.c.person == person)
    if deputy is not None:
        where.append(table.c.deputy == deputy)
    rows = conn.execute(sa.select(table).where(*where).order_by(table.c.since.desc(), table.c.id))
    return [Deputy(**row._mapping) for row in rows]


def find_deputy(conn: sa.Connection, id: str) -> Deputy | None:
    """One deputisation."""
    row = conn.execute(sa.select(deputy_table).where(deputy_table.c.id == id)).one_or_none()
    return None if row is None else Deputy(**row._mapping)


def put_deputy(conn: sa.Connection, deputy: Deputy) -> None:
    """Write a deputisation, new or as it is now."""
    values = {
        "person": deputy.person, "deputy": deputy.deputy, "since": deputy.since, "until": deputy.until,
        "reason": deputy.reason, "by": deputy.by, "ended_at": deputy.ended_at,
    }  # fmt: skip
    if conn.execute(deputy_table.update().where(deputy_table.c.id == deputy.id).values(values)).rowcount == 0:
        conn.execute(deputy_table.insert().values(id=deputy.id, **values))


def _shift(row: sa.Row[Any]) -> Shift:
    return Shift(
        row.id, row.unit, row.title, time.fromisoformat(row.starts), time.fromisoformat(row.ends), row.days,
        row.rotation, tuple(row.people), row.valid_from, row.valid_until,
    )  # fmt: skip

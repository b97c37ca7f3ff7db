"""The tables of account, published formulas and appeals, and its reading of the log. Figures are never stored."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from cityheart.account.models import Appeal
from cityheart.kernel import events
from cityheart.kernel.events import Event
from cityheart.kernel.schema import Json, UtcDateTime, metadata

__all__ = [
    "add_appeal",
    "add_formula",
    "appeal",
    "appeals",
    "decide_appeal",
    "events_after",
    "every_appeal",
    "formulas",
    "mark",
    "run_events",
    "streams_there",
]

_PAGE = 20_000

formula_table = sa.Table(
    "score_formula",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("version", sa.String(40), primary_key=True),
    sa.Column("content", Json, nullable=False),
    sa.Column("published_at", UtcDateTime, nullable=False),
    sa.Column("published_by", sa.String(120), nullable=False),
)

appeal_table = sa.Table(
    "appeal",
    metadata,
    sa.Column("id", sa.String(80), primary_key=True),
    sa.Column("task", sa.String(80), nullable=False),
    sa.Column("matter", sa.String(40), nullable=False),  # the rate and those linked with it: one appeal for all
    sa.Column("run", sa.String(80), nullable=False),
    sa.Column("department", sa.String(80), nullable=False),
    sa.Column("rate", sa.String(40), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("evidence", sa.Text, nullable=False),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("filed_at", UtcDateTime, nullable=False),
    sa.Column("filed_by", Json, nullable=False),
    sa.Column("effect", sa.String(20), nullable=True),
    sa.Column("decision", sa.Text, nullable=False, server_default=""),
    sa.Column("decided_at", UtcDateTime, nullable=True),
    sa.Column("decided_by", Json, nullable=True),
    sa.UniqueConstraint("task", "matter"),
    sa.Index("ix_appeal_state_filed_at", "state", "filed_at"),
    sa.Index("ix_appeal_department_filed_at", "department", "filed_at"),
)


def run_events(
    conn: sa.Connection, after: int, types: Collection[str]
) -> Iterator[tuple[int, str, dict[str, Any], str]]:
    """``(seq, type, data, actor)`` of every settled event of these types with ``seq > after``, in order."""
    while True:
        page = events.scan(conn, after, types, _PAGE)
        for seq, type, actor, data in page:
            yield seq, type, data, actor
        if len(page) < _PAGE:
            return
        after = page[-1][0]


def events_after(conn: sa.Connection, after: int, types: Collection[str]) -> Iterator[Event]:
    """Every settled event of these types with ``seq > after``, in order."""
    while True:
        page = events.read(conn, after=after, types=types, limit=_PAGE)
        yield from page
        if len(page) < _PAGE:
            return
        after = page[-1].seq


def mark(conn: sa.Connection, seq: int) -> str | None:
    """The hash of the event at ``seq``: says whether a log is the one that was read up to there."""
    table = events.event_table
    return conn.execute(sa.select(table.c.hash).where(table.c.seq == seq)).scalar()


def streams_there(conn: sa.Connection, streams: Collection[str]) -> set[str]:
    """Those of ``streams`` in which something has happened."""
    table = events.event_table
    found = sa.select(table.c.stream).where(table.c.stream.in_(sorted(streams)), table.c.n == 1)
    return set(conn.execute(found).scalars())


# ── formulas ───────────────────────────────────────────────────────────────────────────────────────────────────


def formulas(conn: sa.Connection) -> list[tuple[dict[str, Any], datetime, str]]:
    """Every published version, in the order of publication: content, when, by whom."""
    table = formula_table
    rows = conn.execute(sa.select(table).order_by(table.c.published_at, table.c.id, table.c.version))
    return [(row.content, row.published_at, row.published_by) for row in rows]


def add_formula(
    conn: sa.Connection, id: str, version: str, content: Mapping[str, object], at: datetime, by: str
) -> None:
    """Keep a version."""
    row = {"id": id, "version": version, "content": dict(content), "published_at": at, "published_by": by}
    conn.execute(formula_table.insert().values(row))


# ── appeals ────────────────────────────────────────────────────────────────────────────────────────────────────


def add_appeal(conn: sa.Connection, appeal: Appeal, matter: str) -> bool:
    """Keep a new appeal; ``False`` when there is one about this task and matter."""
    table = appeal_table
    there = sa.select(table.c.id).where(table.c.task == appeal.task, table.c.matter == matter)
    if conn.execute(there).first() is not None:
        return False
    conn.execute(
        table.insert().values(
            id=appeal.id, task=appeal.task, matter=matter, run=appeal.run, department=appeal.department,
            rate=appeal.rate, reason=appeal.reason, evidence=appeal.evidence, state=appeal.state,
            filed_at=appeal.filed_at, filed_by=dict(appeal.filed_by), decision="",
        )
    )  # fmt: skip
    return True


def appeal(conn: sa.Connection, id: str, *, lock: bool = False) -> Appeal | None:
    """One appeal."""
    statement = sa.select(appeal_table).where(appeal_table.c.id == id)
    row = conn.execute(statement.with_for_update() if lock else statement).one_or_none()
    return None if row is None else _appeal(row)


def decide_appeal(conn: sa.Connection, appeal: Appeal) -> None:
    """Keep what was decided."""
    conn.execute(
        appeal_table.update()
        .where(appeal_table.c.id == appeal.id)
        .values(
            state=appeal.state,
            effect=appeal.effect,
            decision=appeal.decision,
            decided_at=appeal.decided_at,
            decided_by=None if appeal.decided_by is None else dict(appeal.decided_by),
        )
    )


def appeals(
    conn: sa.Connection,
    *,
    units: Collection[str] | None,
    state: str | None = None,
    after: tuple[datetime, str] | None = None,
    limit: int,
) -> tuple[list[Appeal], int]:
    """One page, newest first, and how many there are in all; only of ``units`` when given."""
    table = appeal_table
    asked: list[sa.ColumnElement[bool]] = []
    if units is not None:
        asked.append(table.c.department.in_(sorted(units)))
    if state is not None:
        asked.append(table.c.state == state)
    total = conn.execute(sa.select(sa.func.count()).select_from(table).where(*asked)).scalar_one()
    if after is not None:
        at, id = after
        asked.append(sa.or_(table.c.filed_at < at, sa.and_(table.c.filed_at == at, table.c.id < id)))
    page = sa.select(table).where(*asked).order_by(table.c.filed_at.desc(), table.c.id.desc()).limit(limit)
    return [_appeal(row) for row in conn.execute(page)], total


def every_appeal(conn: sa.Connection) -> list[Appeal]:
    """All appeals, newest first."""
    table = appeal_table
    return [_appeal(row) for row in conn.execute(sa.select(table).order_by(table.c.filed_at.desc(), table.c.id.desc()))]


def _appeal(row: sa.Row[Any]) -> Appeal:
    return Appeal(
        id=row.id, task=row.task, run=row.run, department=row.department, rate=row.rate, reason=row.reason,
        evidence=row.evidence, state=row.state, filed_at=row.filed_at, filed_by=row.filed_by, effect=row.effect,
        decision=row.decision, decided_at=row.decided_at, decided_by=row.decided_by,
    )  # fmt: skip

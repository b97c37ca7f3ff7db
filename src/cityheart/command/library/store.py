"""All SQL of the library of plans."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime

import sqlalchemy as sa

from cityheart.command.library.models import Draft
from cityheart.command.store import incident_table, plan_table, run_table
from cityheart.kernel.schema import Json, UtcDateTime, metadata
from cityheart.kernel.text import Text

__all__ = [
    "PlanRow",
    "RunRow",
    "add_revision",
    "count_open",
    "drafts",
    "drawing",
    "find_draft",
    "keep_drawing",
    "put_draft",
    "revision",
    "revisions",
    "runs_of",
    "versions",
]

draft_table = sa.Table(
    "draft",
    metadata,
    sa.Column("id", sa.String(60), primary_key=True),
    sa.Column("kind", sa.String(8), nullable=False),
    sa.Column("name", sa.String(80), nullable=True),
    sa.Column("title", Json, nullable=True),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("authors", Json, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("updated_at", UtcDateTime, nullable=False),
    sa.Column("updated_by", sa.String(120), nullable=False),
    sa.Column("submitted_at", UtcDateTime, nullable=True),
    sa.Column("submitted_by", sa.String(120), nullable=True),
    sa.Column("decided_at", UtcDateTime, nullable=True),
    sa.Column("decided_by", sa.String(120), nullable=True),
    sa.Column("reason", sa.Text, nullable=True),
    sa.Column("digest", sa.String(64), nullable=True),
    sa.Index("ix_draft_state_updated_at", "state", "updated_at"),
)

revision_table = sa.Table(
    "draft_revision",
    metadata,
    sa.Column("draft", sa.String(60), sa.ForeignKey("draft.id"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("author", sa.String(120), nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
)

drawing_table = sa.Table(
    "plan_drawing",
    metadata,
    sa.Column("digest", sa.String(64), sa.ForeignKey("plan_version.digest"), primary_key=True),
    sa.Column("bpmn", sa.Text, nullable=False),
    sa.Column("draft", sa.String(60), sa.ForeignKey("draft.id"), nullable=True),
)

PlanRow = tuple[str, str, str, datetime, str]  # digest, name, version, published_at, published_by
RunRow = tuple[str, str, Text, datetime, datetime | None, str]  # id, incident, its title, started, closed, state


def find_draft(conn: sa.Connection, id: str, *, lock: bool = False) -> Draft | None:
    """The draft; with ``lock`` held against other writers until the transaction ends."""
    statement = sa.select(draft_table).where(draft_table.c.id == id)
    row = conn.execute(statement.with_for_update() if lock else statement).one_or_none()
    return None if row is None else _draft(row)


def put_draft(conn: sa.Connection, draft: Draft, *, new: bool = False) -> None:
    """Write the draft as it is now."""
    values = {**asdict(draft), "authors": list(draft.authors)}
    if new:
        conn.execute(draft_table.insert(), values)
    else:
        conn.execute(draft_table.update().where(draft_table.c.id == draft.id).values(values))


def add_revision(conn: sa.Connection, draft: str, number: int, source: str, author: str, at: datetime) -> None:
    """Keep what was saved; nothing is ever overwritten."""
    values = {"draft": draft, "number": number, "source": source, "author": author, "at": at}
    conn.execute(revision_table.insert(), values)


def revisions(conn: sa.Connection, draft: str) -> list[tuple[int, str, datetime]]:
    """The revisions of a draft, newest first: number, author, when."""
    table = revision_table
    newest = sa.select(table.c.number, table.c.author, table.c.at).where(table.c.draft == draft)
    return [(row.number, row.author, row.at) for row in conn.execute(newest.order_by(table.c.number.desc()))]


def revision(conn: sa.Connection, draft: str, number: int) -> tuple[str, str, datetime] | None:
    """One revision: source, author, when."""
    table = revision_table
    found = conn.execute(
        sa.select(table.c.source, table.c.author, table.c.at).where(table.c.draft == draft, table.c.number == number)
    ).one_or_none()
    return None if found is None else (found.source, found.author, found.at)


def drafts(
    conn: sa.Connection, states: Iterable[str] | None, after: tuple[datetime, str] | None, limit: int
) -> tuple[list[Draft], int]:
    """One page of drafts, last changed first, and how many there are."""
    table = draft_table
    where: list[sa.ColumnElement[bool]] = [] if states is None else [table.c.state.in_(sorted(states))]
    total = conn.execute(sa.select(sa.func.count()).select_from(table).where(*where)).scalar() or 0
    if after is not None:
        same = sa.and_(table.c.updated_at == after[0], table.c.id < after[1])
        where.append(sa.or_(table.c.updated_at < after[0], same))
    rows = conn.execute(
        sa.select(table).where(*where).order_by(table.c.updated_at.desc(), table.c.id.desc()).limit(limit)
    )
    return [_draft(row) for row in rows], total


def count_open(conn: sa.Connection) -> int:
    """How many drafts are neither published nor withdrawn."""
    still = draft_table.c.state.in_(("draft", "submitted", "rejected"))
    return conn.execute(sa.select(sa.func.count()).select_from(draft_table).where(still)).scalar() or 0


def keep_drawing(conn: sa.Connection, digest: str, bpmn: str, draft: str) -> None:
    """Keep the author's drawing beside the plan it became; the first one stays."""
    if drawing(conn, digest) is None:
        conn.execute(drawing_table.insert(), {"digest": digest, "bpmn": bpmn, "draft": draft})


def drawing(conn: sa.Connection, digest: str) -> str | None:
    """The drawing a plan was made of."""
    found: str | None = conn.execute(sa.select(drawing_table.c.bpmn).where(drawing_table.c.digest == digest)).scalar()
    return found


def versions(conn: sa.Connection, name: str | None = None) -> list[PlanRow]:
    """Published plans (of one name), by name, newest first."""
    table = plan_table
    where = [] if name is None else [table.c.name == name]
    rows = conn.execute(
        sa.select(table.c.digest, table.c.name, table.c.version, table.c.published_at, table.c.published_by)
        .where(*where)
        .order_by(table.c.name, table.c.published_at.desc(), table.c.version.desc())
    )
    return [(row.digest, row.name, row.version, row.published_at, row.published_by) for row in rows]


def runs_of(conn: sa.Connection, digest: str, limit: int) -> list[RunRow]:
    """The newest runs of a plan, with the title of their incident."""
    rows = conn.execute(
        sa.select(
            run_table.c.id,
            run_table.c.incident,
            incident_table.c.title,
            run_table.c.started_at,
            run_table.c.closed_at,
            run_table.c.state,
        )
        .join(incident_table, incident_table.c.id == run_table.c.incident)
        .where(run_table.c.plan == digest)
        .order_by(run_table.c.started_at.desc(), run_table.c.id.desc())
        .limit(limit)
    )
    return [(row[0], row[1], row[2], row[3], row[4], row[5]) for row in rows]


def _draft(row: sa.Row[tuple[object, ...]]) -> Draft:
    values = dict(row._mapping)
    values["authors"] = tuple(values["authors"])
    return Draft(**values)

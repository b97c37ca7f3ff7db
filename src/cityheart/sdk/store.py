"""All SQL of forms on applications' pages: what was sent, by whom, when, about what."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import sqlalchemy as sa

from cityheart.kernel.schema import Json, UtcDateTime, metadata

__all__ = ["add_record", "records"]

record_table = sa.Table(
    "form_record",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("form", sa.String(160), nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("by", Json, nullable=False),
    sa.Column("department", sa.String(80), nullable=True),
    sa.Column("subject", sa.String(80), nullable=True),
    sa.Column("parameters", Json, nullable=False),
    sa.Column("values", Json, nullable=False),
    sa.Index("ix_form_record_form_at", "form", "at"),
)


def add_record(conn: sa.Connection, record: Mapping[str, object]) -> None:
    """Keep what was sent."""
    conn.execute(record_table.insert(), dict(record))


def records(
    conn: sa.Connection, form: str, until: datetime, limit: int, *, subject: str | None = None
) -> list[dict[str, object]]:
    """What was sent by a form up to a moment, newest first; of one subject when it is named."""
    table = record_table.c
    where = [table.form == form, table.at <= until, *([] if subject is None else [table.subject == subject])]
    found = conn.execute(sa.select(record_table).where(*where).order_by(table.at.desc(), table.id.desc()).limit(limit))
    return [dict(row._mapping) for row in found]

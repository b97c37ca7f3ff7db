"""All SQL of published decision tables."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from cityheart.kernel.database import UtcDateTime, metadata

__all__ = ["canonical", "digest_of", "find", "listed", "publish"]

decision_table = sa.Table(
    "decision_version",
    metadata,
    sa.Column("digest", sa.String(64), primary_key=True),
    sa.Column("name", sa.String(80), nullable=False),
    sa.Column("version", sa.String(40), nullable=False),
    sa.Column("canonical", sa.Text, nullable=False),
    sa.Column("valid_from", sa.Date, nullable=True),
    sa.Column("valid_until", sa.Date, nullable=True),
    sa.Column("published_at", UtcDateTime, nullable=False),
    sa.Column("published_by", sa.String(120), nullable=False),
    sa.Column("number", sa.Integer, nullable=False),  # of this name, in the order of publishing
    sa.UniqueConstraint("name", "version"),
)


def publish(
    conn: sa.Connection,
    digest: str,
    name: str,
    version: str,
    spelling: str,
    valid: tuple[date | None, date | None],
    at: datetime,
    by: str,
) -> bool:
    """Keep a version; False when this content, or this version of the name, is there already."""
    table = decision_table
    number = sa.select(sa.func.coalesce(sa.func.max(table.c.number), 0) + 1).where(table.c.name == name)
    values: dict[str, Any] = {
        "digest": digest, "name": name, "version": version, "canonical": spelling, "valid_from": valid[0],
        "valid_until": valid[1], "published_at": at, "published_by": by, "number": number.scalar_subquery(),
    }  # fmt: skip
    insert = postgresql.insert(table) if conn.dialect.name == "postgresql" else sqlite.insert(table)
    done = conn.execute(insert.values(values).on_conflict_do_nothing().returning(table.c.digest))
    return done.one_or_none() is not None


def digest_of(conn: sa.Connection, name: str, version: str) -> str | None:
    """The digest under which this version of a name is published."""
    table = decision_table
    found = conn.execute(sa.select(table.c.digest).where(table.c.name == name, table.c.version == version))
    return found.scalar_one_or_none()


def canonical(conn: sa.Connection, digest: str) -> str | None:
    """The canonical spelling of a version."""
    return conn.execute(
        sa.select(decision_table.c.canonical).where(decision_table.c.digest == digest)
    ).scalar_one_or_none()


def find(conn: sa.Connection, name: str, day: date) -> str | None:
    """The digest of the newest version of a name that is in force on ``day``."""
    table = decision_table
    begun = sa.or_(table.c.valid_from.is_(None), table.c.valid_from <= day)
    not_over = sa.or_(table.c.valid_until.is_(None), table.c.valid_until > day)
    where = (table.c.name == name, begun, not_over)
    return conn.execute(
        sa.select(table.c.digest).where(*where).order_by(table.c.number.desc()).limit(1)
    ).scalar_one_or_none()


def listed(conn: sa.Connection) -> list[tuple[str, datetime, str]]:
    """Every version, ``(digest, published_at, published_by)``: by name, the newest first."""
    table = decision_table
    columns = (table.c.digest, table.c.published_at, table.c.published_by)
    rows = conn.execute(sa.select(*columns).order_by(table.c.name, table.c.number.desc()))
    return [(row.digest, row.published_at, row.published_by) for row in rows]

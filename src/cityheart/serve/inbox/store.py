"""All SQL of inboxes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from cityheart.kernel import limits
from cityheart.kernel.schema import Json, UtcDateTime, metadata
from cityheart.serve.inbox.models import TOPICS, InboxMessage, Sought

__all__ = ["find", "known", "messages", "note_all_read", "note_read", "put", "unread"]

message_table = sa.Table(
    "inbox_message",
    metadata,
    sa.Column("id", sa.String(60), primary_key=True),
    sa.Column("recipient", sa.String(120), nullable=False),
    sa.Column("key", sa.String(160), nullable=False),
    sa.Column("topic", sa.String(80), nullable=False),
    sa.Column("subject", Json, nullable=False),
    sa.Column("lines", Json, nullable=False),
    sa.Column("path", sa.String(200), nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("incident", sa.String(60), nullable=True, index=True),
    sa.Index("ix_inbox_message_recipient_at", "recipient", "at"),
)

read_table = sa.Table(
    "inbox_read",
    metadata,
    sa.Column("message", sa.String(60), sa.ForeignKey("inbox_message.id"), primary_key=True),
    sa.Column("account", sa.String(120), primary_key=True),
    sa.Column("at", UtcDateTime, nullable=False),
)

_M = message_table.c


def known(conn: sa.Connection, ids: Collection[str]) -> set[str]:
    """Which of these messages are there."""
    return set(conn.execute(sa.select(_M.id).where(_M.id.in_(ids))).scalars())


def put(conn: sa.Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Put messages into their inboxes; one that is there stays as it is."""
    conn.execute(_insert(conn, message_table), list(rows))


def find(conn: sa.Connection, id: str) -> InboxMessage | None:
    """One message."""
    row = conn.execute(sa.select(message_table, sa.literal(None).label("read_at")).where(_M.id == id)).one_or_none()
    return None if row is None else _message(row)


def messages(
    conn: sa.Connection,
    recipients: Collection[str],
    account: str,
    *,
    since: datetime,
    sought: Sought,
    after: InboxMessage | None,
    limit: int,
) -> tuple[list[InboxMessage], int]:
    """One page of the messages of these recipients, newest first, and how many there are."""
    where = _where(recipients, since, sought)
    total = conn.execute(_joined(account, sa.func.count()).where(*where)).scalar_one()
    if after is not None:
        where.append(sa.or_(_M.at < after.at, sa.and_(_M.at == after.at, _M.id < after.id)))
    rows = conn.execute(
        _joined(account, *message_table.columns, read_table.c.at.label("read_at"))
        .where(*where)
        .order_by(_M.at.desc(), _M.id.desc())
        .limit(limit)
    )
    return [_message(row) for row in rows], total


def _where(recipients: Collection[str], since: datetime, sought: Sought) -> list[sa.ColumnElement[bool]]:
    mine = [one for one in sorted(recipients) if sought.to in (None, one)]
    where = [_M.recipient.in_(mine), _M.at >= max(since, sought.since or since)]
    if sought.until is not None:
        where.append(_M.at < sought.until)
    if sought.topic == "other":
        where.append(_M.topic.not_in(TOPICS[:-1]))
    elif sought.topic is not None:
        where.append(_M.topic == sought.topic)
    if sought.incident is not None:
        where.append(_M.incident == sought.incident)
    if sought.unread:
        where.append(read_table.c.at.is_(None))
    said = sa.func.lower(sa.cast(_M.subject, sa.Text) + sa.cast(_M.lines, sa.Text))
    where += [said.contains(word, autoescape=True) for word in (sought.text or "").lower().split()]
    return where


def unread(conn: sa.Connection, recipients: Collection[str], account: str, since: datetime) -> int:
    """How many messages of these recipients the account has not read, counted up to ``limits.INBOX_COUNTED``."""
    found = (
        _joined(account, _M.id)
        .where(_M.recipient.in_(sorted(recipients)), _M.at >= since, read_table.c.at.is_(None))
        .limit(limits.INBOX_COUNTED)
    )
    return conn.execute(sa.select(sa.func.count()).select_from(found.subquery())).scalar_one()


def note_read(conn: sa.Connection, ids: Collection[str], account: str, at: datetime) -> None:
    """Note that the account has read these messages; the first time counts."""
    if ids:
        conn.execute(_insert(conn, read_table), [{"message": id, "account": account, "at": at} for id in ids])


def note_all_read(
    conn: sa.Connection, recipients: Collection[str], account: str, *, since: datetime, sought: Sought, at: datetime
) -> None:
    """Note that the account has read all these messages; the first time counts."""
    found = _joined(account, _M.id, sa.literal(account), sa.literal(at, UtcDateTime)).where(
        *_where(recipients, since, sought), read_table.c.at.is_(None)
    )
    conn.execute(_insert(conn, read_table, found))


def _joined(account: str, *columns: Any) -> sa.Select[Any]:
    mine = sa.and_(read_table.c.message == _M.id, read_table.c.account == account)
    return sa.select(*columns).select_from(message_table.outerjoin(read_table, mine))


def _insert(conn: sa.Connection, table: sa.Table, found: sa.Select[Any] | None = None) -> Any:
    insert = (sqlite.insert if conn.dialect.name == "sqlite" else postgresql.insert)(table)
    if found is not None:
        insert = insert.from_select(list(table.columns), found)
    return insert.on_conflict_do_nothing()


def _message(row: sa.Row[Any]) -> InboxMessage:
    return InboxMessage(
        row.id, row.recipient, row.topic, row.subject, tuple(row.lines), row.path, row.at, row.read_at, row.incident
    )

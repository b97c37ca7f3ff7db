"""All SQL of accounts and sessions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from cityheart.kernel.schema import Json, UtcDateTime, metadata
from cityheart.serve.models import Account

__all__ = [
    "accounts_by_id",
    "block",
    "by_username",
    "close_session",
    "count",
    "failures",
    "list_accounts",
    "note_failure",
    "open_session",
    "session_account",
    "set_password",
    "write_account",
]

account_table = sa.Table(
    "account",
    metadata,
    sa.Column("id", sa.String(120), primary_key=True),
    sa.Column("username", sa.String(60), nullable=False, unique=True),
    sa.Column("name", Json, nullable=False),
    sa.Column("department", sa.String(60), nullable=True),
    sa.Column("roles", Json, nullable=False),
    sa.Column("password_hash", sa.String(200), nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("blocked_at", UtcDateTime, nullable=True),
    sa.Column("email", sa.String(254), nullable=True),
)

session_table = sa.Table(
    "session",
    metadata,
    sa.Column("token_hash", sa.String(64), primary_key=True),
    sa.Column("account", sa.String(120), sa.ForeignKey("account.id"), nullable=False, index=True),
    sa.Column("opened_at", UtcDateTime, nullable=False),
    sa.Column("expires_at", UtcDateTime, nullable=False),
)

failure_table = sa.Table(
    "sign_in_failure",
    metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("username", sa.String(60), nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Index("ix_sign_in_failure_username_at", "username", "at"),
)


def _account(row: sa.Row[tuple[object, ...]]) -> Account:
    return Account(
        row.id, row.username, row.name, row.department, frozenset(row.roles), row.created_at, row.blocked_at, row.email
    )


def write_account(conn: sa.Connection, account: Account, password_hash: str) -> None:
    """Insert an account."""
    conn.execute(
        account_table.insert().values(
            id=account.id,
            username=account.username,
            name=account.name,
            department=account.department,
            roles=sorted(account.roles),
            password_hash=password_hash,
            created_at=account.created_at,
            email=account.email,
        )
    )


def by_username(conn: sa.Connection, username: str) -> tuple[Account, str] | None:
    """The account with its password hash."""
    row = conn.execute(sa.select(account_table).where(account_table.c.username == username)).one_or_none()
    return None if row is None else (_account(row), row.password_hash)


def accounts_by_id(conn: sa.Connection, ids: Sequence[str]) -> list[Account]:
    """The accounts of these ids, by id."""
    rows = conn.execute(sa.select(account_table).where(account_table.c.id.in_(ids)).order_by(account_table.c.id))
    return [_account(row) for row in rows]


def list_accounts(conn: sa.Connection) -> list[Account]:
    """Every account by user name."""
    return [_account(row) for row in conn.execute(sa.select(account_table).order_by(account_table.c.username))]


def count(conn: sa.Connection) -> int:
    """How many accounts there are."""
    return conn.execute(sa.select(sa.func.count()).select_from(account_table)).scalar_one()


def set_password(conn: sa.Connection, account_id: str, password_hash: str) -> None:
    """Replace the password; every session of the account ends."""
    conn.execute(account_table.update().where(account_table.c.id == account_id).values(password_hash=password_hash))
    conn.execute(session_table.delete().where(session_table.c.account == account_id))


def block(conn: sa.Connection, account_id: str, at: datetime) -> None:
    """Block the account; every session of it ends."""
    conn.execute(account_table.update().where(account_table.c.id == account_id).values(blocked_at=at))
    conn.execute(session_table.delete().where(session_table.c.account == account_id))


def open_session(conn: sa.Connection, token_hash: str, account_id: str, now: datetime, expires_at: datetime) -> None:
    """Insert a session and drop those that have expired."""
    conn.execute(session_table.delete().where(session_table.c.expires_at < now))
    conn.execute(
        session_table.insert().values(token_hash=token_hash, account=account_id, opened_at=now, expires_at=expires_at)
    )


def session_account(conn: sa.Connection, token_hash: str, now: datetime) -> Account | None:
    """Whose session this is, if it is open and the account not blocked."""
    row = conn.execute(
        sa.select(account_table)
        .join(session_table, session_table.c.account == account_table.c.id)
        .where(
            session_table.c.token_hash == token_hash,
            session_table.c.expires_at >= now,
            account_table.c.blocked_at.is_(None),
        )
    ).one_or_none()
    return None if row is None else _account(row)


def close_session(conn: sa.Connection, token_hash: str) -> None:
    """End a session."""
    conn.execute(session_table.delete().where(session_table.c.token_hash == token_hash))


def note_failure(conn: sa.Connection, username: str, at: datetime) -> None:
    """Remember a wrong password."""
    conn.execute(failure_table.insert().values(username=username, at=at))


def failures(conn: sa.Connection, username: str, since: datetime) -> int:
    """Wrong passwords of this name since a moment."""
    return conn.execute(
        sa.select(sa.func.count())
        .select_from(failure_table)
        .where(failure_table.c.username == username, failure_table.c.at >= since)
    ).scalar_one()

"""All SQL of accounts and sessions."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa

from cityheart.kernel.schema import Json, UtcDateTime, metadata
from cityheart.serve.models import Account, SignedIn

__all__ = [
    "accounts_by_id",
    "active_with",
    "alone",
    "block",
    "by_username",
    "close_session",
    "close_sessions",
    "count",
    "failures",
    "find_accounts",
    "ids_of",
    "list_accounts",
    "note_failure",
    "note_seen",
    "open_session",
    "session_account",
    "sessions_of",
    "set_password",
    "states",
    "unblock",
    "update_account",
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
    sa.Column("code_until", UtcDateTime, nullable=True),  # a one-time code given by somebody else holds until then
    sa.Column("last_sign_in_at", UtcDateTime, nullable=True),
)

session_table = sa.Table(
    "session",
    metadata,
    sa.Column("token_hash", sa.String(64), primary_key=True),
    sa.Column("account", sa.String(120), sa.ForeignKey("account.id"), nullable=False, index=True),
    sa.Column("opened_at", UtcDateTime, nullable=False),
    sa.Column("expires_at", UtcDateTime, nullable=False),
    sa.Column("seen_at", UtcDateTime, nullable=True),  # to within limits.SESSION_SEEN
    sa.Column("agent", sa.String(200), nullable=True),  # what the browser says it is
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
        row.id,
        row.username,
        row.name,
        row.department,
        frozenset(row.roles),
        row.created_at,
        row.blocked_at,
        row.email,
        row.code_until,
        row.last_sign_in_at,
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
            code_until=account.code_until,
        )
    )


def alone(conn: sa.Connection) -> None:
    """Until the end of the transaction nobody else changes accounts: what is counted stays true."""
    if conn.dialect.name == "postgresql":
        conn.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext("accounts"))))


def update_account(conn: sa.Connection, account_id: str, values: Mapping[str, object]) -> None:
    """Replace some of name, department, roles, email."""
    conn.execute(account_table.update().where(account_table.c.id == account_id).values(**values))


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


def ids_of(conn: sa.Connection, department: str) -> list[str]:
    """The ids of who works for a department, blocked or not."""
    statement = sa.select(account_table.c.id).where(account_table.c.department == department)
    return list(conn.execute(statement.order_by(account_table.c.id)).scalars())


def find_accounts(
    conn: sa.Connection,
    held: Collection[str] | None,
    *,
    text: str | None = None,
    department: str | None = None,
    role: str | None = None,
    state: str | None = None,
    after: str | None = None,
    limit: int,
) -> tuple[list[Account], int]:
    """A page of accounts by user name after ``after``, and how many fit in all."""
    table = account_table
    wanted = _within(held)
    if text:
        said = text.lower()
        wanted.append(
            sa.or_(
                table.c.username.contains(said, autoescape=True),
                sa.func.lower(sa.cast(table.c.name, sa.Text)).contains(said, autoescape=True),
                sa.func.lower(sa.func.coalesce(table.c.email, "")).contains(said, autoescape=True),
            )
        )
    if department is not None:
        wanted.append(table.c.department == department)
    if role is not None:
        wanted.append(_has(role))
    if state is not None:
        wanted.append(_STATES[state])
    total = conn.execute(sa.select(sa.func.count()).select_from(table).where(*wanted)).scalar_one()
    if after is not None:
        wanted.append(table.c.username > after)
    found = conn.execute(sa.select(table).where(*wanted).order_by(table.c.username).limit(limit))
    return [_account(row) for row in found], total


def states(conn: sa.Connection, held: Collection[str] | None) -> dict[str, int]:
    """How many accounts are active, blocked, waiting for a new password."""
    columns = [sa.func.count(sa.case((rule, 1))).label(name) for name, rule in _STATES.items()]
    row = conn.execute(sa.select(*columns).select_from(account_table).where(*_within(held))).one()
    return {name: getattr(row, name) for name in _STATES}


_STATES: Mapping[str, sa.ColumnElement[bool]] = {
    "active": account_table.c.blocked_at.is_(None),
    "blocked": account_table.c.blocked_at.is_not(None),
    "must_change": sa.and_(account_table.c.blocked_at.is_(None), account_table.c.code_until.is_not(None)),
}


def _within(held: Collection[str] | None) -> list[sa.ColumnElement[bool]]:
    return [] if held is None else [account_table.c.department.in_(sorted(held))]


def _has(role: str) -> sa.ColumnElement[bool]:
    return sa.cast(account_table.c.roles, sa.Text).contains(f'"{role}"', autoescape=True)


def active_with(conn: sa.Connection, role: str) -> int:
    """How many accounts that are not blocked have a role."""
    statement = sa.select(sa.func.count()).select_from(account_table)
    return conn.execute(statement.where(_has(role), account_table.c.blocked_at.is_(None))).scalar_one()


def count(conn: sa.Connection) -> int:
    """How many accounts there are."""
    return conn.execute(sa.select(sa.func.count()).select_from(account_table)).scalar_one()


def set_password(
    conn: sa.Connection,
    account_id: str,
    password_hash: str,
    *,
    code_until: datetime | None = None,
    but: str | None = None,
) -> int:
    """Replace the password; the account's sessions end, ``but`` this one (its token's hash). Returns how many ended.

    With ``code_until`` it is a one-time code that holds until then and must be changed at the next sign-in.
    """
    values = {"password_hash": password_hash, "code_until": code_until}
    conn.execute(account_table.update().where(account_table.c.id == account_id).values(**values))
    return close_sessions(conn, account_id, but=but)


def block(conn: sa.Connection, account_id: str, at: datetime) -> None:
    """Block the account; every session of it ends."""
    conn.execute(account_table.update().where(account_table.c.id == account_id).values(blocked_at=at))
    close_sessions(conn, account_id)


def unblock(conn: sa.Connection, account_id: str) -> None:
    """Let the account sign in again."""
    conn.execute(account_table.update().where(account_table.c.id == account_id).values(blocked_at=None))


def open_session(
    conn: sa.Connection,
    token_hash: str,
    account_id: str,
    now: datetime,
    expires_at: datetime,
    agent: str | None = None,
) -> None:
    """Insert a session and drop those that have expired."""
    conn.execute(session_table.delete().where(session_table.c.expires_at < now))
    conn.execute(
        session_table.insert().values(
            token_hash=token_hash, account=account_id, opened_at=now, expires_at=expires_at, seen_at=now, agent=agent
        )
    )
    conn.execute(account_table.update().where(account_table.c.id == account_id).values(last_sign_in_at=now))


def session_account(conn: sa.Connection, token_hash: str, now: datetime) -> tuple[Account, datetime | None] | None:
    """Whose session this is, if it is open and the account not blocked, and when it was last noted as used."""
    row = conn.execute(
        sa.select(account_table, session_table.c.seen_at)
        .join(session_table, session_table.c.account == account_table.c.id)
        .where(
            session_table.c.token_hash == token_hash,
            session_table.c.expires_at >= now,
            account_table.c.blocked_at.is_(None),
        )
    ).one_or_none()
    return None if row is None else (_account(row), row.seen_at)


def note_seen(conn: sa.Connection, token_hash: str, now: datetime) -> None:
    """Note that a session is in use."""
    conn.execute(session_table.update().where(session_table.c.token_hash == token_hash).values(seen_at=now))


def sessions_of(conn: sa.Connection, account_id: str, now: datetime) -> list[SignedIn]:
    """The open sessions of an account, the newest first."""
    table = session_table
    rows = conn.execute(
        sa.select(table)
        .where(table.c.account == account_id, table.c.expires_at >= now)
        .order_by(table.c.opened_at.desc(), table.c.token_hash)
    )
    return [SignedIn(row.token_hash, row.opened_at, row.seen_at, row.expires_at, row.agent) for row in rows]


def close_sessions(conn: sa.Connection, account_id: str, *, only: str | None = None, but: str | None = None) -> int:
    """End the sessions of an account, or ``only`` one, or all ``but`` one (their tokens' hashes). Returns how many."""
    statement = session_table.delete().where(session_table.c.account == account_id)
    if only is not None:
        statement = statement.where(session_table.c.token_hash == only)
    if but is not None:
        statement = statement.where(session_table.c.token_hash != but)
    return conn.execute(statement).rowcount


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

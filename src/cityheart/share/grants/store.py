"""All SQL of requests and grants."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from cityheart.kernel.database import Json, UtcDateTime, metadata
from cityheart.share.grants.models import Grant, Party, Request

__all__ = [
    "count_grants",
    "expired",
    "find_grant",
    "find_request",
    "grants",
    "in_force",
    "insert_grant",
    "insert_request",
    "of_origins",
    "overdue",
    "requests",
    "set_grant",
    "set_request",
    "something_ends",
    "version",
]

grant_table = sa.Table(
    "share_grant",
    metadata,
    sa.Column("id", sa.String(60), primary_key=True),
    sa.Column("dataset", sa.String(80), nullable=False, index=True),
    sa.Column("department", sa.String(80), nullable=True),
    sa.Column("role", sa.String(40), nullable=True),
    sa.Column("handlers", sa.Boolean, nullable=False),
    sa.Column("person", sa.String(120), nullable=True),
    sa.Column("title", Json, nullable=False),
    sa.Column("purpose", Json, nullable=False),
    sa.Column("columns", Json, nullable=False),
    sa.Column("rows", sa.Text, nullable=True),
    sa.Column("uses", Json, nullable=False),
    sa.Column("state", sa.String(12), nullable=False),
    sa.Column("since", UtcDateTime, nullable=False),
    sa.Column("until", UtcDateTime, nullable=True),
    sa.Column("origin", sa.String(120), nullable=False),
    sa.Column("request", sa.String(60), nullable=True),
    sa.Column("given_by", Json, nullable=True),
    sa.Column("given_at", UtcDateTime, nullable=True),
    sa.Column("ended_by", Json, nullable=True),
    sa.Column("ended_at", UtcDateTime, nullable=True),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("revision", sa.BigInteger, nullable=False),  # counts the changes of this row
    sa.Index("ix_share_grant_state_until", "state", "until"),
)

request_table = sa.Table(
    "share_request",
    metadata,
    sa.Column("id", sa.String(60), primary_key=True),
    sa.Column("dataset", sa.String(80), nullable=False),
    sa.Column("owner", sa.String(80), nullable=False),
    sa.Column("department", sa.String(80), nullable=True),
    sa.Column("role", sa.String(40), nullable=True),
    sa.Column("person", sa.String(120), nullable=True),
    sa.Column("columns", Json, nullable=False),
    sa.Column("rows", sa.Text, nullable=True),
    sa.Column("uses", Json, nullable=False),
    sa.Column("purpose", sa.Text, nullable=False),
    sa.Column("until", UtcDateTime, nullable=True),
    sa.Column("state", sa.String(12), nullable=False),
    sa.Column("asked_by", Json, nullable=False),
    sa.Column("asker", sa.String(120), nullable=False),
    sa.Column("asked_at", UtcDateTime, nullable=False),
    sa.Column("due_at", UtcDateTime, nullable=False),
    sa.Column("decided_by", Json, nullable=True),
    sa.Column("decided_at", UtcDateTime, nullable=True),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("grant_id", sa.String(60), nullable=True),
    sa.Column("told_overdue", sa.Boolean, nullable=False),
    sa.Index("ix_share_request_state_due_at", "state", "due_at"),
    sa.Index("ix_share_request_dataset_asked_at", "dataset", "asked_at"),
)

_G, _R = grant_table.c, request_table.c


def version(conn: sa.Connection) -> tuple[int, int]:
    """Two numbers that change with every change of a grant."""
    row = conn.execute(sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(_G.revision), 0))).one()
    return int(row[0]), int(row[1])


def in_force(conn: sa.Connection) -> list[Grant]:
    """The grants that were given and not ended, by dataset and id; also those whose time is not now."""
    rows = conn.execute(sa.select(grant_table).where(_G.state == "given").order_by(_G.dataset, _G.id))
    return [_grant(row) for row in rows]


def grants(
    conn: sa.Connection, dataset: str | None, states: Collection[str] | None, after: int, limit: int
) -> list[Grant]:
    """Grants, the newest first, without the first ``after``."""
    where = [] if dataset is None else [_G.dataset == dataset]
    where += [] if states is None else [_G.state.in_(sorted(states))]
    order = (_G.since.desc(), _G.id)
    rows = conn.execute(sa.select(grant_table).where(*where).order_by(*order).limit(limit).offset(after))
    return [_grant(row) for row in rows]


def count_grants(conn: sa.Connection, dataset: str | None, states: Collection[str] | None) -> int:
    """How many grants there are."""
    where = [] if dataset is None else [_G.dataset == dataset]
    where += [] if states is None else [_G.state.in_(sorted(states))]
    return conn.execute(sa.select(sa.func.count()).select_from(grant_table).where(*where)).scalar_one()


def something_ends(conn: sa.Connection, now: datetime) -> bool:
    """Whether a grant's time is over, or a request's deadline has passed and nobody was told."""
    over = sa.exists().where(_G.state == "given", _G.until <= now)
    late = sa.exists().where(_R.state == "open", _R.due_at < now, _R.told_overdue.is_(False))
    return bool(conn.execute(sa.select(sa.or_(over, late))).scalar_one())


def of_origins(conn: sa.Connection) -> dict[str, list[Grant]]:
    """Grants that applications proposed, by origin, in the order of their ids."""
    found: dict[str, list[Grant]] = {}
    for row in conn.execute(sa.select(grant_table).where(_G.origin != "").order_by(_G.id)):
        found.setdefault(row.origin, []).append(_grant(row))
    return found


def find_grant(conn: sa.Connection, id: str, *, lock: bool = False) -> Grant | None:
    """One grant; ``lock`` holds it until the commit."""
    statement = sa.select(grant_table).where(_G.id == id)
    row = conn.execute(statement.with_for_update() if lock else statement).one_or_none()
    return None if row is None else _grant(row)


def insert_grant(conn: sa.Connection, grant: Grant) -> None:
    """Store a new grant."""
    conn.execute(
        grant_table.insert().values(
            id=grant.id, dataset=grant.dataset, department=grant.to.department, role=grant.to.role,
            handlers=grant.to.handlers, person=grant.to.person,
            title=dict(grant.title), purpose=dict(grant.purpose), columns=list(grant.columns),
            rows=grant.rows, uses=list(grant.uses), state=grant.state, since=grant.since, until=grant.until,
            origin=grant.origin, request=grant.request, given_by=grant.given_by, given_at=grant.given_at,
            ended_by=grant.ended_by, ended_at=grant.ended_at, reason=grant.reason, revision=1,
        )
    )  # fmt: skip


def set_grant(conn: sa.Connection, id: str, values: Mapping[str, object]) -> None:
    """Change a grant."""
    conn.execute(grant_table.update().where(_G.id == id).values(**values, revision=_G.revision + 1))


def expired(conn: sa.Connection, now: datetime, limit: int) -> list[Grant]:
    """Grants whose time is over and that still say given, held until the commit."""
    rows = conn.execute(
        sa.select(grant_table)
        .where(_G.state == "given", _G.until <= now)
        .order_by(_G.until, _G.id)
        .limit(limit)
        .with_for_update()
    )
    return [_grant(row) for row in rows]


def insert_request(conn: sa.Connection, request: Request, owner: str) -> None:
    """Store a new request; ``owner``: the department that answers."""
    conn.execute(
        request_table.insert().values(
            id=request.id, dataset=request.dataset, owner=owner, department=request.to.department, role=request.to.role,
            person=request.to.person, columns=list(request.columns),
            rows=request.rows, uses=list(request.uses), purpose=request.purpose,
            until=request.until, state=request.state, asked_by=request.asked_by, asker=request.asked_by["id"],
            asked_at=request.asked_at,
            due_at=request.due_at, reason="", told_overdue=False,
        )
    )  # fmt: skip


def set_request(conn: sa.Connection, id: str, values: Mapping[str, object]) -> None:
    """Change a request."""
    conn.execute(request_table.update().where(_R.id == id).values(**values))


def find_request(conn: sa.Connection, id: str, *, lock: bool = False) -> Request | None:
    """One request; ``lock`` holds it until the commit."""
    statement = sa.select(request_table).where(_R.id == id)
    row = conn.execute(statement.with_for_update() if lock else statement).one_or_none()
    return None if row is None else _request(row)


def requests(
    conn: sa.Connection,
    *,
    owners: Collection[str] | None,
    department: str | None,
    asker: str,
    dataset: str | None,
    states: Collection[str] | None,
    after: int,
    limit: int,
) -> tuple[list[Request], int]:
    """Requests to these owners (``None``: to all), of a department or of one person, open ones first by their deadline.

    With how many there are in all.
    """
    where: list[sa.ColumnElement[bool]] = []
    if owners is not None:
        mine = [_R.owner.in_(sorted(owners)), _R.asker == asker]
        where.append(sa.or_(*mine, *([] if department is None else [_R.department == department])))
    where += [] if dataset is None else [_R.dataset == dataset]
    where += [] if states is None else [_R.state.in_(sorted(states))]
    total = conn.execute(sa.select(sa.func.count()).select_from(request_table).where(*where)).scalar_one()
    order = (sa.case((_R.state == "open", 0), else_=1), _R.due_at, _R.id)
    rows = conn.execute(sa.select(request_table).where(*where).order_by(*order).limit(limit).offset(after))
    return [_request(row) for row in rows], int(total)


def overdue(conn: sa.Connection, now: datetime, limit: int) -> list[Request]:
    """Open requests whose time to be answered is over and that nobody was told of, held until the commit."""
    rows = conn.execute(
        sa.select(request_table)
        .where(_R.state == "open", _R.due_at < now, _R.told_overdue.is_(False))
        .order_by(_R.due_at, _R.id)
        .limit(limit)
        .with_for_update()
    )
    return [_request(row) for row in rows]


def _grant(row: sa.Row[Any]) -> Grant:
    return Grant(
        row.id, row.dataset, Party(row.department, row.role, row.handlers, row.person), row.title, row.purpose,
        tuple(row.columns), row.rows, tuple(row.uses), row.state, row.since, row.until, row.origin, row.request,
        row.given_by, row.given_at, row.ended_by, row.ended_at, row.reason,
    )  # fmt: skip


def _request(row: sa.Row[Any]) -> Request:
    return Request(
        row.id, row.dataset, Party(row.department, row.role, person=row.person), tuple(row.columns), row.rows,
        tuple(row.uses), row.purpose, row.until, row.state, row.asked_by, row.asked_at, row.due_at, row.decided_by,
        row.decided_at, row.reason, row.grant_id,
    )  # fmt: skip

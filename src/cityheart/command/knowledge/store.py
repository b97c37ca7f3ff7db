"""Everything knowledge writes to the operational store, and all SQL that does it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from cityheart.command.knowledge.cases import change_from, change_json, step_from, step_json
from cityheart.command.knowledge.index import Entry, seconds
from cityheart.command.knowledge.models import Case
from cityheart.kernel.database import Json, UtcDateTime, metadata

__all__ = [
    "add_cases",
    "add_clause",
    "case_by_id",
    "cases",
    "cases_by_number",
    "clause_mark",
    "clauses",
    "entries",
    "known",
    "newest_clause",
    "only_writer",
]

case_table = sa.Table(
    "knowledge_case",
    metadata,
    sa.Column("n", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("id", sa.String(60), nullable=False, unique=True),
    sa.Column("origin", sa.String(80), nullable=False),
    sa.Column("incident", sa.String(60), nullable=True, index=True),
    sa.Column("kind", sa.String(80), nullable=False),
    sa.Column("level", sa.Integer, nullable=True),
    sa.Column("stage", sa.String(60), nullable=True),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("place", sa.String(80), nullable=True),
    sa.Column("lon", sa.Float, nullable=True),
    sa.Column("lat", sa.Float, nullable=True),
    sa.Column("opened_at", UtcDateTime, nullable=False),
    sa.Column("closed_at", UtcDateTime, nullable=False),
    sa.Column("known_at", UtcDateTime, nullable=False),
    sa.Column("opened_second", sa.BigInteger, nullable=False),  # since 1970: what the index is made of, without parsing
    sa.Column("known_second", sa.BigInteger, nullable=False),
    sa.Column("plan", sa.String(60), nullable=False),
    sa.Column("version", sa.String(40), nullable=True),
    sa.Column("plan_digest", sa.String(64), nullable=True),
    sa.Column("outcome", sa.Float, nullable=False),
    sa.Column("steps", Json, nullable=False),
    sa.Column("changes", Json, nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Index("ix_knowledge_case_kind_n", "kind", "n"),
    sqlite_autoincrement=True,
)

clause_table = sa.Table(
    "knowledge_clause",
    metadata,
    sa.Column("id", sa.String(60), primary_key=True),
    sa.Column("revision", sa.Integer, primary_key=True),
    sa.Column("origin", sa.String(80), nullable=False),
    sa.Column("body", Json, nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("by", sa.String(120), nullable=False),
)

_TOGETHER = 500  # ids named in one statement
_CASE = case_table.c
_SEARCHED = (
    _CASE.n, _CASE.kind, _CASE.level, _CASE.stage, _CASE.place, _CASE.lon, _CASE.lat, _CASE.opened_second,
    _CASE.known_second, _CASE.outcome, _CASE.plan, _CASE.text,
)  # fmt: skip

_ENTRIES = sa.select(*_SEARCHED).where(_CASE.n > sa.bindparam("after")).order_by(_CASE.n).limit(sa.bindparam("most"))


def only_writer(conn: sa.Connection) -> None:
    """Until the transaction ends nobody else writes cases or clauses: their numbers then grow as they are committed."""
    if conn.dialect.name == "postgresql":
        conn.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext("knowledge"))))


# ── cases ──────────────────────────────────────────────────────────────────────────────────────────────────────


def add_cases(conn: sa.Connection, found: Iterable[tuple[Case, str]]) -> None:
    """Store cases that are new, each with the digest of its content."""
    rows = [
        {
            "id": case.id, "origin": case.origin, "incident": case.incident, "kind": case.kind, "level": case.level,
            "stage": case.stage, "text": case.text, "place": case.place, "lon": case.lon, "lat": case.lat,
            "opened_at": case.opened_at, "closed_at": case.closed_at, "known_at": case.known_at,
            "opened_second": seconds(case.opened_at), "known_second": seconds(case.known_at), "plan": case.plan,
            "version": case.version, "plan_digest": case.digest, "outcome": case.outcome,
            "steps": [step_json(step) for step in case.steps],
            "changes": [change_json(one) for one in case.changes], "digest": digest,
        }
        for case, digest in found
    ]  # fmt: skip
    if rows:
        conn.execute(case_table.insert(), rows)


def known(conn: sa.Connection, ids: Sequence[str]) -> dict[str, str]:
    """Of these cases those that are there, with the digests of their content."""
    found: dict[str, str] = {}
    for start in range(0, len(ids), _TOGETHER):
        some = _CASE.id.in_(ids[start : start + _TOGETHER])
        found.update({row.id: row.digest for row in conn.execute(sa.select(_CASE.id, _CASE.digest).where(some))})
    return found


def entries(conn: sa.Connection, after: int, limit: int) -> list[Entry]:
    """What is looked through of the cases that follow number ``after``, in their order."""
    statement: sa.Select[Any] = _ENTRIES
    return [Entry._make(row) for row in conn.execute(statement, {"after": after, "most": limit})]


def cases_by_number(conn: sa.Connection, numbers: Sequence[int]) -> dict[int, Case]:
    """These cases whole."""
    rows = conn.execute(sa.select(case_table).where(_CASE.n.in_(numbers)))
    return {row.n: _case(row) for row in rows}


def case_by_id(conn: sa.Connection, id: str) -> Case | None:
    """One case whole."""
    row = conn.execute(sa.select(case_table).where(_CASE.id == id)).one_or_none()
    return None if row is None else _case(row)


def cases(
    conn: sa.Connection,
    *,
    kind: str | None,
    level: int | None,
    plan: str | None,
    origin: str | None,
    text: str | None,
    before: int | None,
    limit: int,
) -> tuple[list[tuple[int, Case]], int]:
    """One page of cases, those the city learnt of last first, with their numbers, and how many there are."""
    where: list[sa.ColumnElement[bool]] = []
    for column, value in ((_CASE.kind, kind), (_CASE.level, level), (_CASE.plan, plan), (_CASE.origin, origin)):
        if value is not None:
            where.append(column == value)
    if text:
        where.append(_CASE.text.contains(text, autoescape=True))
    total = conn.execute(sa.select(sa.func.count()).select_from(case_table).where(*where)).scalar() or 0
    if before is not None:
        where.append(_CASE.n < before)
    rows = conn.execute(sa.select(case_table).where(*where).order_by(_CASE.n.desc()).limit(limit))
    return [(row.n, _case(row)) for row in rows], total


def _case(row: sa.Row[Any]) -> Case:
    return Case(
        id=row.id, origin=row.origin, kind=row.kind, level=row.level, text=row.text, opened_at=row.opened_at,
        closed_at=row.closed_at, known_at=row.known_at, plan=row.plan, version=row.version, digest=row.plan_digest,
        incident=row.incident, stage=row.stage, place=row.place, lon=row.lon, lat=row.lat,
        steps=tuple(step_from(step) for step in row.steps), changes=tuple(change_from(one) for one in row.changes),
    )  # fmt: skip


# ── clauses ────────────────────────────────────────────────────────────────────────────────────────────────────


def newest_clause(conn: sa.Connection, id: str) -> tuple[int, str] | None:
    """``(revision, digest)`` of a clause as it is known now."""
    table = clause_table.c
    newest = sa.select(table.revision, table.digest).where(table.id == id).order_by(table.revision.desc()).limit(1)
    row = conn.execute(newest).one_or_none()
    return None if row is None else (row.revision, row.digest)


def add_clause(
    conn: sa.Connection, id: str, revision: int, origin: str, body: object, digest: str, at: datetime, by: str
) -> None:  # fmt: skip
    """Store a revision of a clause; earlier ones stay."""
    values = {"id": id, "revision": revision, "origin": origin, "body": body, "digest": digest, "at": at, "by": by}
    conn.execute(clause_table.insert(), values)


def clause_mark(conn: sa.Connection) -> int:
    """How many revisions of clauses there are: it grows whenever one changes."""
    return conn.execute(sa.select(sa.func.count()).select_from(clause_table)).scalar() or 0


def clauses(conn: sa.Connection) -> Iterable[tuple[str, int, str, Any, datetime]]:
    """Every revision of every clause: ``(id, revision, origin, body, known since)``, oldest first."""
    table = clause_table.c
    rows = conn.execute(sa.select(clause_table).order_by(table.id, table.revision))
    return [(row.id, row.revision, row.origin, row.body, row.at) for row in rows]

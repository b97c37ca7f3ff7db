"""Everything knowledge writes to the operational store, and all SQL that does it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from cityheart.command.knowledge.cases import change_from, change_json, step_from, step_json
from cityheart.command.knowledge.index import Entry, seconds
from cityheart.command.knowledge.models import Case, Replaced
from cityheart.kernel.database import Json, UtcDateTime, metadata

__all__ = [
    "add_cases",
    "add_clause",
    "case_by_id",
    "cases",
    "cases_by_id",
    "cases_by_number",
    "clause_mark",
    "clauses",
    "entries",
    "known",
    "newest_clause",
    "only_writer",
    "past",
    "past_plans",
    "revise_cases",
]


def _columns() -> tuple[sa.Column[Any], ...]:
    """What a version of a case is made of, in force or not."""
    return (
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
        sa.Column(
            "opened_second", sa.BigInteger, nullable=False
        ),  # since 1970: what the index is made of, without parsing
        sa.Column("known_second", sa.BigInteger, nullable=False),
        sa.Column("plan", sa.String(60), nullable=False),
        sa.Column("version", sa.String(40), nullable=True),
        sa.Column("plan_digest", sa.String(64), nullable=True),
        sa.Column("outcome", sa.Float, nullable=False),
        sa.Column("steps", Json, nullable=False),
        sa.Column("changes", Json, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("revision", sa.Integer, nullable=False, server_default="1"),
        sa.Column("revised_at", UtcDateTime, nullable=True),
        sa.Column("revised_second", sa.BigInteger, nullable=True),
        sa.Column("replaces", sa.BigInteger, nullable=True),  # number of the version before
    )


case_table = sa.Table(
    "knowledge_case",
    metadata,
    sa.Column("n", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("id", sa.String(60), nullable=False, unique=True),
    *_columns(),
    sa.Index("ix_knowledge_case_kind_n", "kind", "n"),
    sqlite_autoincrement=True,
)

# Versions that a newer one took the place of, each with the number it had.
past_table = sa.Table(
    "knowledge_case_past",
    metadata,
    sa.Column("n", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=False),
    sa.Column("id", sa.String(60), nullable=False),
    *_columns(),
    sa.Column("replaced_at", UtcDateTime, nullable=False),
    sa.Column("replaced_by", sa.String(120), nullable=False),  # who handed the newer one over
    sa.Column("changed", Json, nullable=False),  # names of the fields that differ in the newer one
    sa.UniqueConstraint("id", "revision"),
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
_PAST = past_table.c


def _searched(of: sa.Table) -> sa.Select[Any]:
    column = of.c
    return sa.select(
        column.n, column.kind, column.level, column.stage, column.place, column.lon, column.lat, column.opened_second,
        column.known_second, column.outcome, column.plan, column.text, column.revised_second, column.replaces,
    ).where(column.n > sa.bindparam("after"))  # fmt: skip


# Versions of the past too: a process that has not seen them yet needs them for what is asked of an earlier moment.
_ENTRIES = sa.union_all(_searched(case_table), _searched(past_table)).order_by(sa.text("n")).limit(sa.bindparam("most"))


def only_writer(conn: sa.Connection) -> None:
    """Until the transaction ends nobody else writes cases or clauses: their numbers then grow as they are committed."""
    if conn.dialect.name == "postgresql":
        conn.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext("knowledge"))))


# ── cases ──────────────────────────────────────────────────────────────────────────────────────────────────────


def add_cases(conn: sa.Connection, found: Iterable[tuple[Case, str]]) -> None:
    """Store cases that are new, each with the digest of its content."""
    rows = [_row(case, digest, None) for case, digest in found]
    if rows:
        conn.execute(case_table.insert(), rows)


def _row(case: Case, digest: str, replaces: int | None) -> dict[str, object]:
    return {
        "id": case.id, "origin": case.origin, "incident": case.incident, "kind": case.kind, "level": case.level,
        "stage": case.stage, "text": case.text, "place": case.place, "lon": case.lon, "lat": case.lat,
        "opened_at": case.opened_at, "closed_at": case.closed_at, "known_at": case.known_at,
        "opened_second": seconds(case.opened_at), "known_second": seconds(case.known_at), "plan": case.plan,
        "version": case.version, "plan_digest": case.digest, "outcome": case.outcome,
        "steps": [step_json(step) for step in case.steps],
        "changes": [change_json(one) for one in case.changes], "digest": digest, "revision": case.revision,
        "revised_at": case.revised_at, "revised_second": seconds(case.revised_at) if case.revised_at else None,
        "replaces": replaces,
    }  # fmt: skip


def revise_cases(conn: sa.Connection, found: Sequence[tuple[Case, str, Sequence[str]]], at: datetime, by: str) -> None:
    """Put newer versions in the place of cases, each with its digest and the fields that differ; the old ones are kept.

    A version gets a number of its own, higher than every other: who reads by number meets it like a new case.
    """
    for start in range(0, len(found), _TOGETHER):
        some = found[start : start + _TOGETHER]
        old = _CASE.id.in_([case.id for case, _, _ in some])
        before = {row.id: dict(row._mapping) for row in conn.execute(sa.select(case_table).where(old))}
        conn.execute(past_table.insert(), [
            {**before[case.id], "replaced_at": at, "replaced_by": by, "changed": list(changed)}
            for case, _, changed in some
        ])  # fmt: skip
        conn.execute(case_table.delete().where(old))
        conn.execute(case_table.insert(), [
            _row(case, digest, int(before[case.id]["n"])) for case, digest, _ in some
        ])  # fmt: skip


def known(conn: sa.Connection, ids: Sequence[str]) -> dict[str, str]:
    """Of these cases those that are there, with the digests of their content."""
    found: dict[str, str] = {}
    for start in range(0, len(ids), _TOGETHER):
        some = _CASE.id.in_(ids[start : start + _TOGETHER])
        found.update({row.id: row.digest for row in conn.execute(sa.select(_CASE.id, _CASE.digest).where(some))})
    return found


def entries(conn: sa.Connection, after: int, limit: int) -> list[Entry]:
    """What is looked through of the cases that follow number ``after``, in their order."""
    return [Entry._make(row) for row in conn.execute(_ENTRIES, {"after": after, "most": limit})]


def cases_by_number(conn: sa.Connection, numbers: Sequence[int]) -> dict[int, Case]:
    """These versions of cases whole."""
    if not numbers:
        return {}
    found = {row.n: _case(row) for row in conn.execute(sa.select(case_table).where(_CASE.n.in_(numbers)))}
    if rest := [n for n in numbers if n not in found]:
        found.update({row.n: _case(row) for row in conn.execute(sa.select(past_table).where(_PAST.n.in_(rest)))})
    return found


def cases_by_id(conn: sa.Connection, ids: Sequence[str]) -> dict[str, Case]:
    """These cases whole, as they are now."""
    found: dict[str, Case] = {}
    for start in range(0, len(ids), _TOGETHER):
        rows = conn.execute(sa.select(case_table).where(_CASE.id.in_(ids[start : start + _TOGETHER])))
        found.update({row.id: _case(row) for row in rows})
    return found


def past_plans(conn: sa.Connection, numbers: Sequence[int]) -> list[str]:
    """The plans of versions that were replaced, by their numbers."""
    found: list[str] = []
    for start in range(0, len(numbers), _TOGETHER):
        some = _PAST.n.in_(numbers[start : start + _TOGETHER])
        found += conn.execute(sa.select(_PAST.plan).where(some)).scalars()
    return found


def past(conn: sa.Connection, id: str, limit: int) -> list[Replaced]:
    """The versions of a case that were replaced, the newest of them first."""
    rows = conn.execute(sa.select(past_table).where(_PAST.id == id).order_by(_PAST.n.desc()).limit(limit))
    return [Replaced(_case(row), row.replaced_at, row.replaced_by, tuple(row.changed)) for row in rows]


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
        revision=row.revision, revised_at=row.revised_at,
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

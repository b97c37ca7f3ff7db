"""All tables and all SQL of intake: reports with their versions, matters, marks by which they are found, callers' keys."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from cityheart.command.intake.models import (
    Caller,
    Candidate,
    Given,
    Joined,
    Matter,
    Proposal,
    Refusal,
    RefusalState,
    Report,
    Sought,
)
from cityheart.kernel import limits
from cityheart.kernel.database import Work
from cityheart.kernel.schema import Json, UtcDateTime, canonical, metadata

__all__ = [
    "add_apart",
    "add_caller",
    "add_refusals",
    "are_apart",
    "caller_of",
    "callers",
    "candidates",
    "clear_marks",
    "count_refusals",
    "count_since",
    "counts",
    "decided_after",
    "find_matter",
    "find_report",
    "forget_apart",
    "joined",
    "known",
    "learned_at",
    "likenesses",
    "lock",
    "mark",
    "matter_of_incident",
    "matters",
    "move_reports",
    "ordered",
    "put_known",
    "put_report",
    "refusals",
    "reports_after",
    "reports_by_ids",
    "reports_of",
    "representatives",
    "revise_report",
    "revoke_caller",
    "save_matter",
    "search",
    "set_representative",
    "settle_every_refusal",
    "settle_refusals",
]

report_table = sa.Table(
    "report",
    metadata,
    sa.Column("id", sa.String(60), primary_key=True),
    sa.Column("source", sa.String(80), nullable=False),
    sa.Column("external", sa.String(120), nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("service", sa.String(60), nullable=True),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("address", sa.Text, nullable=False),
    sa.Column("lon", sa.Float, nullable=True),
    sa.Column("lat", sa.Float, nullable=True),
    sa.Column("caller", sa.String(64), nullable=True),
    sa.Column("attributes", Json, nullable=False),
    sa.Column("media", sa.Text, nullable=True),
    sa.Column("received_at", UtcDateTime, nullable=False),
    sa.Column("updated_at", UtcDateTime, nullable=False),
    sa.Column("matter", sa.String(60), nullable=False),
    sa.Column("represents", sa.SmallInteger, nullable=True),  # 0: founded its matter, 1 …: speaks for it beside that
    sa.Column("joined_by", sa.String(120), nullable=False),
    sa.Column("joined_at", UtcDateTime, nullable=False),
    sa.Column("score", sa.Float, nullable=True),
    sa.Column("reasons", Json, nullable=False),
    sa.UniqueConstraint("source", "external"),
    sa.Index("ix_report_matter_represents", "matter", "represents"),
    sa.Index("ix_report_received_at_id", "received_at", "id"),
    sa.Index("ix_report_source_received_at", "source", "received_at"),
)

version_table = sa.Table(
    "report_version",
    metadata,
    sa.Column("report", sa.String(60), sa.ForeignKey("report.id"), primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("address", sa.Text, nullable=False),
    sa.Column("lon", sa.Float, nullable=True),
    sa.Column("lat", sa.Float, nullable=True),
    sa.Column("service", sa.String(60), nullable=True),
    sa.Column("until", UtcDateTime, nullable=False),
)

matter_table = sa.Table(
    "matter",
    metadata,
    sa.Column("id", sa.String(60), primary_key=True),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("service", sa.String(60), nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("address", sa.Text, nullable=False),
    sa.Column("lon", sa.Float, nullable=True),
    sa.Column("lat", sa.Float, nullable=True),
    sa.Column("reports", sa.Integer, nullable=False),
    sa.Column("first_at", UtcDateTime, nullable=False),
    sa.Column("last_at", UtcDateTime, nullable=False),
    sa.Column("opened_at", UtcDateTime, nullable=False),
    sa.Column("updated_at", UtcDateTime, nullable=False),
    sa.Column("proposal", Json, nullable=False),
    sa.Column("unit", sa.String(80), nullable=True),
    sa.Column("handler", sa.String(80), nullable=True),
    sa.Column("incident", sa.String(60), nullable=True),
    sa.Column("closed_at", UtcDateTime, nullable=True),
    sa.Column("merged_into", sa.String(60), nullable=True),
    sa.Column("note", sa.Text, nullable=True),
    sa.Column("order", Json, nullable=True),
    sa.Index("ix_matter_state_updated_at_id", "state", "updated_at", "id"),
    sa.Index("ix_matter_unit", "unit"),
    sa.Index("ix_matter_handler", "handler"),
    sa.Index("ix_matter_incident", "incident"),
    sa.Index("ix_matter_closed_at_id", "closed_at", "id"),
)

mark_table = sa.Table(
    "matter_mark",
    metadata,
    sa.Column("key", sa.String(80), primary_key=True),
    sa.Column("matter", sa.String(60), primary_key=True, index=True),
    sa.Column("at", UtcDateTime, nullable=False),
)

apart_table = sa.Table(
    "matter_apart",
    metadata,
    sa.Column("one", sa.String(60), primary_key=True),
    sa.Column("two", sa.String(60), primary_key=True),
    sa.Column("by", sa.String(120), nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
)

caller_table = sa.Table(
    "caller_key",
    metadata,
    sa.Column("id", sa.String(60), primary_key=True),
    sa.Column("name", sa.String(120), nullable=False),
    sa.Column("hash", sa.String(64), nullable=False, unique=True),
    sa.Column("issued_at", UtcDateTime, nullable=False),
    sa.Column("revoked_at", UtcDateTime, nullable=True),
)

refusal_table = sa.Table(
    "report_refused",
    metadata,
    sa.Column("id", sa.String(60), primary_key=True),
    sa.Column("file", sa.String(200), nullable=False),
    sa.Column("row", sa.Integer, nullable=False),
    sa.Column("code", sa.String(40), nullable=False),
    sa.Column("message", Json, nullable=False),
    sa.Column("raw", sa.Text, nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),  # waiting, dismissed, mended
    sa.Index("ix_report_refused_state_at_id", "state", "at", "id"),
)

known_table = sa.Table(
    "intake_known",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("data", sa.LargeBinary, nullable=False),
    sa.Column("learned_at", UtcDateTime, nullable=False),
    sa.Column("read", Json, nullable=False),  # up to which report and which closed matter it has read
)

_ROWS = 500  # values of one statement
OPEN = ("open", "dispatching", "dispatched")
_COLUMNS = [column.name for column in matter_table.c if column.name not in ("proposal", "unit")]


def lock(work: Work) -> None:
    """Wait until nobody else places reports; until the commit. On SQLite there is one writer anyway."""
    if work.database.dialect == "postgresql":
        work.conn.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext("intake"))))


def _new(work: Work, table: sa.Table) -> Any:
    make = sqlite.insert if work.database.dialect == "sqlite" else postgresql.insert
    return make(table).on_conflict_do_nothing()


def _edge(after: tuple[datetime, str]) -> sa.Tuple:
    """Where a page goes on, as the database compares it."""
    moment, id = after
    return sa.tuple_(sa.literal(moment, UtcDateTime()), sa.literal(id))


# ── reports ────────────────────────────────────────────────────────────────────────────────────────────────────


def find_report(conn: sa.Connection, id: str) -> Report | None:
    """One report."""
    row = conn.execute(sa.select(report_table).where(report_table.c.id == id)).one_or_none()
    return None if row is None else _report(row)


def reports_by_ids(conn: sa.Connection, ids: Collection[str]) -> list[Report]:
    """These reports, by id."""
    statement = sa.select(report_table).where(report_table.c.id.in_(sorted(ids))).order_by(report_table.c.id)
    return [_report(row) for row in conn.execute(statement)]


def put_report(conn: sa.Connection, report: Report, why: Joined, represents: int | None) -> None:
    """Insert a report that has been placed."""
    given = report.given
    conn.execute(
        report_table.insert().values(
            id=report.id, source=given.source, external=given.external, version=report.version, at=given.at,
            service=given.service, text=given.text, address=given.address, lon=given.lon, lat=given.lat,
            caller=given.caller, attributes=dict(given.attributes), media=given.media, received_at=report.received_at,
            updated_at=report.updated_at, matter=report.matter, represents=represents, joined_by=why.by,
            joined_at=why.at, score=why.score, reasons=list(why.reasons),
        )
    )  # fmt: skip


def revise_report(conn: sa.Connection, before: Report, given: Given, now: datetime) -> None:
    """Put a new version in a report's place; the former one is kept."""
    old = before.given
    conn.execute(
        version_table.insert().values(
            report=before.id, version=before.version, text=old.text, address=old.address, lon=old.lon, lat=old.lat,
            service=old.service, until=now,
        )
    )  # fmt: skip
    conn.execute(
        report_table.update()
        .where(report_table.c.id == before.id)
        .values(
            version=before.version + 1, at=given.at, service=given.service, text=given.text, address=given.address,
            lon=given.lon, lat=given.lat, caller=given.caller, attributes=dict(given.attributes), media=given.media,
            updated_at=now,
        )
    )  # fmt: skip


def reports_of(conn: sa.Connection, matter: str, limit: int) -> list[Report]:
    """The reports of a matter, oldest first."""
    table = report_table.c
    statement = sa.select(report_table).where(table.matter == matter)
    order = (table.received_at, table.at, table.external, table.id)
    return [_report(row) for row in conn.execute(statement.order_by(*order).limit(limit))]


def joined(conn: sa.Connection, ids: Collection[str]) -> dict[str, Joined]:
    """Why each of these reports is in its matter."""
    table = report_table.c
    statement = sa.select(table.id, table.matter, table.joined_by, table.score, table.reasons, table.joined_at).where(
        table.id.in_(sorted(ids))
    )
    return {
        row.id: Joined(row.id, row.matter, row.joined_by, row.score, tuple(row.reasons), row.joined_at)
        for row in conn.execute(statement)
    }


def representatives(conn: sa.Connection, matters: Collection[str]) -> dict[str, list[Report]]:
    """The reports that speak for each of these matters, its founder first."""
    table = report_table.c
    statement = (
        sa.select(report_table)
        .where(table.matter.in_(sorted(matters)), table.represents.is_not(None))
        .order_by(table.matter, table.represents, table.id)
    )
    found: dict[str, list[Report]] = {}
    for row in conn.execute(statement):
        found.setdefault(row.matter, []).append(_report(row))
    return found


def set_representative(conn: sa.Connection, report: str, number: int | None) -> None:
    """Let a report speak for its matter as the ``number``-th, or no more."""
    conn.execute(report_table.update().where(report_table.c.id == report).values(represents=number))


def move_reports(conn: sa.Connection, reports: Collection[str] | None, before: str, why: Joined) -> int:
    """Give these reports of the matter ``before`` (``None``: all of them) to ``why.matter``; returns how many."""
    table = report_table.c
    statement = report_table.update().where(table.matter == before)
    if reports is not None:
        statement = statement.where(table.id.in_(sorted(reports)))
    done = conn.execute(
        statement.values(
            matter=why.matter, represents=None, joined_by=why.by, joined_at=why.at, score=why.score,
            reasons=list(why.reasons),
        )
    )  # fmt: skip
    return done.rowcount


def reports_after(conn: sa.Connection, after: tuple[datetime, str] | None, limit: int) -> list[Report]:
    """Reports in the order in which they were received."""
    table = report_table.c
    statement = sa.select(report_table).order_by(table.received_at, table.id).limit(limit)
    if after is not None:
        statement = statement.where(sa.tuple_(table.received_at, table.id) > _edge(after))
    return [_report(row) for row in conn.execute(statement)]


def count_since(conn: sa.Connection, source: str, since: datetime) -> int:
    """How many reports a source has handed over since a moment."""
    table = report_table.c
    statement = sa.select(sa.func.count()).where(table.source == source, table.received_at >= since)
    return conn.execute(statement).scalar_one()


def search(
    conn: sa.Connection,
    *,
    services: Collection[str] | None,
    since: datetime,
    until: datetime,
    closed: bool | None,
    limit: int,
) -> list[tuple[Report, Matter]]:
    """Reports received from ``since`` to ``until`` with their matters, newest first."""
    table = report_table.c
    statement = (
        sa.select(report_table, *_labelled())
        .join(matter_table, matter_table.c.id == table.matter)
        .where(table.received_at >= since, table.received_at <= until)
        .order_by(table.received_at.desc(), table.id.desc())
        .limit(limit)
    )
    if services is not None:
        statement = statement.where(matter_table.c.service.in_(sorted(services)))
    if closed is not None:
        inside = matter_table.c.state.in_(OPEN)
        statement = statement.where(sa.not_(inside) if closed else inside)
    return [(_report(row), _matter(row, "m_")) for row in conn.execute(statement)]


def _labelled() -> list[sa.Label[Any]]:
    return [column.label(f"m_{column.name}") for column in matter_table.c]


def _report(row: sa.Row[Any]) -> Report:
    given = Given(
        row.source, row.external, row.at, row.service, row.text, row.address, row.lon, row.lat, row.caller,
        row.attributes, row.media,
    )  # fmt: skip
    return Report(row.id, given, row.version, row.received_at, row.updated_at, row.matter)


# ── matters ────────────────────────────────────────────────────────────────────────────────────────────────────


def save_matter(conn: sa.Connection, matter: Matter, *, new: bool = False) -> None:
    """Insert or change a matter."""
    values: dict[str, object] = {name: getattr(matter, name) for name in _COLUMNS if name != "order"}
    values |= {"proposal": _plain(matter.proposal), "unit": matter.proposal.unit}
    values["order"] = None if matter.order is None else json.loads(canonical(matter.order))
    if new:
        conn.execute(matter_table.insert().values(**values))
    else:
        conn.execute(matter_table.update().where(matter_table.c.id == matter.id).values(**values))


def find_matter(conn: sa.Connection, id: str, *, lock: bool = False) -> Matter | None:
    """One matter; ``lock`` holds its row until the commit."""
    statement = sa.select(matter_table).where(matter_table.c.id == id)
    row = conn.execute(statement.with_for_update() if lock else statement).one_or_none()
    return None if row is None else _matter(row)


def matter_of_incident(conn: sa.Connection, incident: str) -> list[Matter]:
    """The matters that an incident answers, held until the commit."""
    statement = sa.select(matter_table).where(matter_table.c.incident == incident).order_by(matter_table.c.id)
    return [_matter(row) for row in conn.execute(statement.with_for_update())]


def ordered(conn: sa.Connection) -> list[Matter]:
    """Matters whose dispatch was begun and not finished."""
    statement = sa.select(matter_table).where(matter_table.c.state == "dispatching").order_by(matter_table.c.id)
    return [_matter(row) for row in conn.execute(statement)]


def matters(
    conn: sa.Connection,
    *,
    units: Collection[str] | None,
    state: str | None,
    service: str | None,
    unit: str | None,
    incident: str | None = None,
    after: tuple[datetime, str] | None,
    limit: int,
) -> list[Matter]:
    """One page of matters, last changed first. ``units``: only those proposed to or handled by these departments."""
    table = matter_table.c
    statement = _chosen(sa.select(matter_table), units, service, unit, incident)
    statement = statement.where(table.state == state if state else table.state != "merged")
    if after is not None:
        statement = statement.where(sa.tuple_(table.updated_at, table.id) < _edge(after))
    return [
        _matter(row) for row in conn.execute(statement.order_by(table.updated_at.desc(), table.id.desc()).limit(limit))
    ]


def counts(
    conn: sa.Connection,
    *,
    units: Collection[str] | None,
    service: str | None,
    unit: str | None,
    incident: str | None = None,
) -> dict[str, int]:
    """How many matters there are in each state."""
    table = matter_table.c
    statement = _chosen(sa.select(table.state, sa.func.count()), units, service, unit, incident).group_by(table.state)
    return {row[0]: row[1] for row in conn.execute(statement) if row[0] != "merged"}


def _chosen(
    statement: sa.Select[Any],
    units: Collection[str] | None,
    service: str | None,
    unit: str | None,
    incident: str | None,
) -> sa.Select[Any]:
    table = matter_table.c
    if units is not None:
        statement = statement.where(_concerns(sorted(units)))
    if service is not None:
        statement = statement.where(table.service == service)
    if unit is not None:
        statement = statement.where(_concerns([unit]))
    if incident is not None:
        statement = statement.where(table.incident == incident)
    return statement


def _concerns(units: Sequence[str]) -> sa.ColumnElement[bool]:
    """Handled by one of these departments, or proposed to one and not handled by anybody yet."""
    table = matter_table.c
    return sa.or_(table.handler.in_(units), sa.and_(table.handler.is_(None), table.unit.in_(units)))


def decided_after(conn: sa.Connection, after: tuple[datetime, str] | None, limit: int) -> list[Matter]:
    """Closed matters that a department handled, in the order in which they were closed."""
    table = matter_table.c
    statement = sa.select(matter_table).where(
        table.state == "closed", table.handler.is_not(None), table.closed_at.is_not(None)
    )
    if after is not None:
        statement = statement.where(sa.tuple_(table.closed_at, table.id) > _edge(after))
    return [_matter(row) for row in conn.execute(statement.order_by(table.closed_at, table.id).limit(limit))]


def _matter(row: sa.Row[Any], prefix: str = "") -> Matter:
    values = {name: row._mapping[f"{prefix}{name}"] for name in _COLUMNS}
    proposal = row._mapping[f"{prefix}proposal"]
    return Matter(**values, proposal=_proposal(proposal))


def _plain(proposal: Proposal) -> dict[str, object]:
    return {
        "unit": proposal.unit,
        "candidates": [[each.unit, each.score, list(each.reasons)] for each in proposal.candidates],
        "level": proposal.level,
        "plan": proposal.plan,
        "rule": proposal.rule,
    }


def _proposal(raw: Mapping[str, Any]) -> Proposal:
    candidates = tuple(Candidate(unit, score, tuple(reasons)) for unit, score, reasons in raw["candidates"])
    return Proposal(raw["unit"], candidates, raw["level"], raw["plan"], raw["rule"])


# ── finding matters again ──────────────────────────────────────────────────────────────────────────────────────


def mark(work: Work, matter: str, keys: Iterable[str]) -> None:
    """Let a matter be found under these marks."""
    rows = [{"key": key, "matter": matter, "at": work.now} for key in dict.fromkeys(keys)]
    if rows:
        work.conn.execute(_new(work, mark_table), rows)


def clear_marks(conn: sa.Connection, matter: str) -> None:
    """Let a matter be found no more: new reports make a new one."""
    conn.execute(mark_table.delete().where(mark_table.c.matter == matter))


def candidates(conn: sa.Connection, keys: Sequence[str], since: datetime, limit: int) -> list[str]:
    """Open matters with a report since a moment that share marks, those that share most first."""
    if not keys:
        return []
    shared = (
        sa.select(mark_table.c.matter, sa.func.count().label("n"))
        .where(mark_table.c.key.in_(keys))
        .group_by(mark_table.c.matter)
        .subquery()
    )
    table = matter_table.c
    statement = (
        sa.select(table.id)
        .join(shared, shared.c.matter == table.id)
        .where(table.state.in_(OPEN), table.last_at >= since)
        .order_by(shared.c.n.desc(), table.last_at.desc(), table.id)
        .limit(limit)
    )
    return list(conn.execute(statement).scalars())


def add_apart(work: Work, one: str, two: str) -> None:
    """Remember that a person held two matters to be different."""
    first, second = sorted((one, two))
    values = {"one": first, "two": second, "by": work.actor.id, "at": work.now}
    work.conn.execute(_new(work, apart_table), values)


def forget_apart(conn: sa.Connection, one: str, two: str) -> None:
    """A person now holds two matters to be one."""
    first, second = sorted((one, two))
    conn.execute(apart_table.delete().where(apart_table.c.one == first, apart_table.c.two == second))


def are_apart(conn: sa.Connection, matter: str) -> set[str]:
    """The matters that a person held to be different from this one."""
    table = apart_table.c
    statement = sa.select(table.one, table.two).where(sa.or_(table.one == matter, table.two == matter))
    return {row.two if row.one == matter else row.one for row in conn.execute(statement)}


def likenesses(conn: sa.Connection, matter: str) -> list[str]:
    """The marks under which a matter is found."""
    return list(
        conn.execute(sa.select(mark_table.c.key).where(mark_table.c.matter == matter).order_by("key")).scalars()
    )


# ── callers, refusals, what was learned ────────────────────────────────────────────────────────────────────────


def add_caller(conn: sa.Connection, caller: Caller, hash: str) -> None:
    """Keep a caller with the hash of its key."""
    values = {"id": caller.id, "name": caller.name, "hash": hash, "issued_at": caller.issued_at}
    conn.execute(caller_table.insert().values(**values))


def callers(conn: sa.Connection) -> list[Caller]:
    """Every caller, oldest first."""
    rows = conn.execute(sa.select(caller_table).order_by(caller_table.c.issued_at, caller_table.c.id))
    return [Caller(row.id, row.name, row.issued_at, row.revoked_at) for row in rows]


def caller_of(conn: sa.Connection, hash: str) -> Caller | None:
    """Whose key has this hash, unless it was revoked."""
    table = caller_table.c
    row = conn.execute(sa.select(caller_table).where(table.hash == hash, table.revoked_at.is_(None))).one_or_none()
    return None if row is None else Caller(row.id, row.name, row.issued_at, row.revoked_at)


def revoke_caller(conn: sa.Connection, id: str, at: datetime) -> bool:
    """End a caller's key; whether it was in force."""
    table = caller_table.c
    statement = caller_table.update().where(table.id == id, table.revoked_at.is_(None)).values(revoked_at=at)
    return conn.execute(statement).rowcount > 0


def add_refusals(work: Work, rows: Sequence[Refusal]) -> None:
    """Keep rows that are no reports, each where it stood last. What was settled stays so while it says the same."""
    names = ("id", "file", "row", "code", "message", "raw", "at", "state")
    latest = {each.id: each for each in rows}
    values = [{name: getattr(each, name) for name in names} for each in latest.values()]
    make = sqlite.insert if work.database.dialect == "sqlite" else postgresql.insert
    for first in range(0, len(values), _ROWS):
        insert = make(refusal_table)
        told, table = insert.excluded, refusal_table.c
        other = sa.or_(told.code != table.code, told.raw != table.raw, table.state == "waiting")
        update = insert.on_conflict_do_update(
            index_elements=["id"], set_={name: told[name] for name in names if name != "id"}, where=other
        )
        work.conn.execute(update, values[first : first + _ROWS])


def refusals(conn: sa.Connection, sought: Sought, after: tuple[datetime, str] | None, limit: int) -> list[Refusal]:
    """One page of refused rows, newest first."""
    table = refusal_table.c
    statement = sa.select(refusal_table).where(*_sought(sought))
    if after is not None:
        statement = statement.where(sa.tuple_(table.at, table.id) < _edge(after))
    rows = conn.execute(statement.order_by(table.at.desc(), table.id.desc()).limit(limit))
    return [Refusal(row.id, row.file, row.row, row.code, row.message, row.raw, row.at, row.state) for row in rows]


def count_refusals(conn: sa.Connection, sought: Sought, by: str) -> dict[str, int]:
    """How many refused rows there are by ``file``, ``code`` or ``state``, most first, whatever is sought of that one."""
    column, n = refusal_table.c[by], sa.func.count()
    statement = sa.select(column, n).where(*_sought(sought, leave=by)).group_by(column).order_by(n.desc(), column)
    return {row[0]: row[1] for row in conn.execute(statement.limit(limits.PAGE_ROWS))}


def settle_refusals(conn: sa.Connection, ids: Collection[str], state: RefusalState) -> int:
    """Nobody has to look at these refused rows any more; returns how many were waiting."""
    table = refusal_table.c
    statement = refusal_table.update().where(table.id.in_(sorted(ids)), table.state == "waiting")
    return conn.execute(statement.values(state=state)).rowcount


def settle_every_refusal(conn: sa.Connection, sought: Sought, state: RefusalState) -> int:
    """The same for every row that is sought."""
    statement = refusal_table.update().where(*_sought(replace(sought, state="waiting")))
    return conn.execute(statement.values(state=state)).rowcount


def _sought(sought: Sought, leave: str = "") -> list[sa.ColumnElement[bool]]:
    table = refusal_table.c
    wanted = {"state": sought.state, "file": sought.file, "code": sought.code}
    rules = [table[name] == value for name, value in wanted.items() if value is not None and name != leave]
    return rules if sought.upto is None else [*rules, table.at <= sought.upto]


def known(conn: sa.Connection) -> tuple[bytes, datetime, Mapping[str, object]] | None:
    """What was learned, when, and how far was read."""
    row = conn.execute(sa.select(known_table).where(known_table.c.id == 1)).one_or_none()
    return None if row is None else (bytes(row.data), row.learned_at, row.read)


def learned_at(conn: sa.Connection) -> datetime | None:
    """When was last learned."""
    return conn.execute(sa.select(known_table.c.learned_at).where(known_table.c.id == 1)).scalar()


def put_known(work: Work, data: bytes, read: Mapping[str, object]) -> None:
    """Keep what was learned in place of what was known before."""
    work.conn.execute(_new(work, known_table), {"id": 1, "data": data, "learned_at": work.now, "read": dict(read)})
    work.conn.execute(
        known_table.update().where(known_table.c.id == 1).values(data=data, learned_at=work.now, read=dict(read))
    )

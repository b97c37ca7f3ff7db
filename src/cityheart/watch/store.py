"""All tables and all SQL of watch: checkpoints and states of detectors, findings, alerts with their level history."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

import sqlalchemy as sa

from cityheart.kernel.database import Json, UtcDateTime, metadata
from cityheart.kernel.ids import derive
from cityheart.watch.models import Alert, AlertState, Finding, LevelChange, Person, SubjectRef, plain

__all__ = [
    "Checkpoint",
    "Pending",
    "add_findings",
    "add_level",
    "alert_of",
    "alerts",
    "announce",
    "checkpoint_of",
    "count_alerts",
    "count_standing",
    "counts_by_level",
    "due",
    "earliest_pending",
    "evidence_of",
    "insert_alert",
    "levels_of",
    "link_incident",
    "locked",
    "mark_merged",
    "mark_suppressed",
    "merged_findings",
    "move_checkpoint",
    "newest_alerts",
    "open_alert",
    "past_alerts",
    "put_checkpoint",
    "put_states",
    "standing",
    "states_of",
    "stored_failure",
    "update_alert",
]

checkpoint_table = sa.Table(
    "detector_checkpoint",
    metadata,
    sa.Column("detector", sa.String(80), primary_key=True),
    sa.Column("version", sa.BigInteger, nullable=False),  # keyed: the lake version up to which rows were stepped over
    sa.Column("target", sa.BigInteger, nullable=True),  # keyed: the version up to which the step under way goes
    sa.Column("next_at", UtcDateTime, nullable=True),  # query: the instant at which it is asked next
    sa.Column("emitted", sa.BigInteger, nullable=False),  # findings so far
    sa.Column("failure", sa.Text, nullable=True),  # why it cannot go on; none while it runs
    sa.Column("updated_at", UtcDateTime, nullable=False),
)

state_table = sa.Table(
    "detector_state",
    metadata,
    sa.Column("detector", sa.String(80), primary_key=True),
    sa.Column("key", sa.String(200), primary_key=True),
    sa.Column("state", sa.LargeBinary, nullable=False),
)

finding_table = sa.Table(
    "finding",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("detector", sa.String(80), nullable=False),
    sa.Column("n", sa.BigInteger, nullable=False),
    sa.Column("kind", sa.String(80), nullable=False),
    sa.Column("subject_kind", sa.String(40), nullable=False),
    sa.Column("subject_id", sa.String(200), nullable=False),
    sa.Column("subject_name", Json, nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("start_at", UtcDateTime, nullable=False),
    sa.Column("end_at", UtcDateTime, nullable=True),
    sa.Column("level", sa.SmallInteger, nullable=True),
    sa.Column("score", sa.Float, nullable=False),
    sa.Column("reasons", Json, nullable=False),
    sa.Column("evidence", Json, nullable=False),
    sa.Column("case_id", sa.String(200), nullable=False, server_default=""),  # of several of one subject
    sa.Column("pending", sa.Boolean, nullable=False),
    sa.Column("alert_id", sa.String(40), nullable=True),
    sa.UniqueConstraint("detector", "n"),
    sa.Index("ix_finding_pending_at", "pending", "at"),
    sa.Index("ix_finding_alert_id_at", "alert_id", "at"),
)

alert_table = sa.Table(
    "alert",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("kind", sa.String(80), nullable=False),
    sa.Column("department", sa.String(80), nullable=False),
    sa.Column("subject_kind", sa.String(40), nullable=False),
    sa.Column("subject_id", sa.String(200), nullable=False),
    sa.Column("subject_name", Json, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("level", sa.SmallInteger, nullable=False),
    sa.Column("standing", Json, nullable=False),
    sa.Column("score", sa.Float, nullable=False),
    sa.Column("findings", sa.Integer, nullable=False),
    sa.Column("raised_at", UtcDateTime, nullable=False),
    sa.Column("start_at", UtcDateTime, nullable=False),
    sa.Column("updated_at", UtcDateTime, nullable=False),
    sa.Column("ended_at", UtcDateTime, nullable=True),
    sa.Column("acknowledged_by", Json, nullable=True),
    sa.Column("acknowledged_at", UtcDateTime, nullable=True),
    sa.Column("issued_at", UtcDateTime, nullable=True),
    sa.Column("incident_id", sa.String(40), nullable=True),
    sa.Column("wording", Json, nullable=False),  # the law's fields as declared when the level was reached
    sa.Column("suppressed_by", sa.String(40), nullable=True),  # the suppression that keeps it out of the queue
    sa.Index(
        "uq_alert_open_matter",
        "kind",
        "subject_kind",
        "subject_id",
        unique=True,
        sqlite_where=sa.text("state <> 'ended'"),
        postgresql_where=sa.text("state <> 'ended'"),
    ),
    sa.Index("ix_alert_state_level", "state", "level", "raised_at"),
    sa.Index("ix_alert_raised_at", "raised_at", "id"),
    sa.Index("ix_alert_updated_at", "updated_at"),
)

level_table = sa.Table(
    "alert_level",
    metadata,
    sa.Column("alert_id", sa.String(40), sa.ForeignKey("alert.id"), primary_key=True),
    sa.Column("n", sa.Integer, primary_key=True),
    sa.Column("level", sa.SmallInteger, nullable=True),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("reason", Json, nullable=False),
    sa.Column("finding_id", sa.String(40), nullable=False),
)


_MARK = alert_table.update().where(alert_table.c.id == sa.bindparam("of")).values(suppressed_by=sa.bindparam("by"))


# ── detectors ──────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How far a detector has come."""

    detector: str
    version: int
    target: int | None
    next_at: datetime | None
    emitted: int
    failure: str | None


def checkpoint_of(conn: sa.Connection, detector: str, *, lock: bool = False) -> Checkpoint | None:
    """The detector's checkpoint, ``None`` before its first registration; ``lock`` holds the row until the commit."""
    statement = sa.select(checkpoint_table).where(checkpoint_table.c.detector == detector)
    row = conn.execute(statement.with_for_update() if lock else statement).one_or_none()
    return (
        None
        if row is None
        else Checkpoint(row.detector, row.version, row.target, row.next_at, row.emitted, row.failure)
    )


def put_checkpoint(conn: sa.Connection, checkpoint: Checkpoint, now: datetime) -> None:
    """Store the first checkpoint of a detector."""
    conn.execute(
        checkpoint_table.insert().values(
            detector=checkpoint.detector,
            version=checkpoint.version,
            target=checkpoint.target,
            next_at=checkpoint.next_at,
            emitted=checkpoint.emitted,
            failure=checkpoint.failure,
            updated_at=now,
        )
    )


def move_checkpoint(conn: sa.Connection, checkpoint: Checkpoint, now: datetime) -> None:
    """Store how far the detector has come now."""
    conn.execute(
        checkpoint_table.update()
        .where(checkpoint_table.c.detector == checkpoint.detector)
        .values(
            version=checkpoint.version,
            target=checkpoint.target,
            next_at=checkpoint.next_at,
            emitted=checkpoint.emitted,
            failure=checkpoint.failure,
            updated_at=now,
        )
    )


def announce(conn: sa.Connection, detector: str, target: int) -> None:
    """Store up to which version the detector is about to step."""
    conn.execute(checkpoint_table.update().where(checkpoint_table.c.detector == detector).values(target=target))


def stored_failure(conn: sa.Connection, detector: str, failure: str, now: datetime) -> bool:
    """Remember why the detector cannot go on; whether that is news."""
    result = conn.execute(
        checkpoint_table.update()
        .where(
            checkpoint_table.c.detector == detector,
            sa.or_(checkpoint_table.c.failure.is_(None), checkpoint_table.c.failure != failure),
        )
        .values(failure=failure, updated_at=now)
    )
    return result.rowcount > 0


def states_of(conn: sa.Connection, detector: str) -> dict[str, bytes]:
    """The stored state of every key of a detector."""
    statement = sa.select(state_table.c.key, state_table.c.state).where(state_table.c.detector == detector)
    return {row.key: bytes(row.state) for row in conn.execute(statement)}


def put_states(conn: sa.Connection, detector: str, states: Mapping[str, bytes]) -> None:
    """Store the states of these keys, in place of what was stored before."""
    if not states:
        return
    conn.execute(
        state_table.delete().where(
            state_table.c.detector == sa.bindparam("of"), state_table.c.key == sa.bindparam("one")
        ),
        [{"of": detector, "one": key} for key in states],
    )
    conn.execute(state_table.insert(), [{"detector": detector, "key": k, "state": s} for k, s in states.items()])


# ── findings ───────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Pending:
    """A finding that waits for its moment."""

    id: str
    finding: Finding


def add_findings(conn: sa.Connection, detector: str, first: int, findings: Iterable[Finding]) -> None:
    """Store findings as pending, numbered from ``first`` on in their order."""
    rows = [
        {
            "id": derive("finding", detector, str(n)),
            "detector": detector,
            "n": n,
            "kind": finding.kind,
            "subject_kind": finding.subject.kind,
            "subject_id": finding.subject.id,
            "subject_name": finding.subject.name,
            "at": finding.at,
            "start_at": finding.start,
            "end_at": finding.end,
            "level": finding.level,
            "score": float(finding.score),
            "reasons": list(finding.reasons),
            "evidence": plain(finding.evidence),
            "case_id": finding.case,
            "pending": True,
            "alert_id": None,
        }
        for n, finding in enumerate(findings, first)
    ]
    if rows:
        conn.execute(finding_table.insert(), rows)


def earliest_pending(conn: sa.Connection, kinds: Collection[str]) -> datetime | None:
    """The moment of the first finding of these kinds that waits."""
    table = finding_table.c
    return conn.execute(sa.select(sa.func.min(table.at)).where(table.pending.is_(True), table.kind.in_(kinds))).scalar()


def due(conn: sa.Connection, now: datetime, kinds: Collection[str], limit: int) -> list[Pending]:
    """Pending findings of these kinds up to ``now`` in the order in which they count, held until the commit."""
    table = finding_table.c
    rows = conn.execute(
        sa.select(finding_table)
        .where(table.pending.is_(True), table.at <= now, table.kind.in_(kinds))
        .order_by(table.at, table.detector, table.subject_kind, table.subject_id, table.n)
        .limit(limit)
        .with_for_update()
    )
    return [Pending(row.id, _finding(row)) for row in rows]


def merged_findings(
    conn: sa.Connection, departments: frozenset[str] | None, after: tuple[str, int] | None, limit: int
) -> list[tuple[int, Finding]]:
    """Findings that became part of alerts of these departments (``None``: all), by detector and in its order.

    ``after``: the detector and the number of the last one read.
    """
    table = finding_table.c
    statement = (
        sa.select(finding_table)
        .join(alert_table, alert_table.c.id == table.alert_id)
        .where(*_of(departments))
        .order_by(table.detector, table.n)
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(sa.tuple_(table.detector, table.n) > sa.tuple_(*map(sa.literal, after)))
    return [(row.n, _finding(row)) for row in conn.execute(statement)]


def mark_merged(conn: sa.Connection, merged: Sequence[tuple[str, str | None]]) -> None:
    """These findings (id, alert) have been merged; a finding that made no alert has none."""
    conn.execute(
        finding_table.update()
        .where(finding_table.c.id == sa.bindparam("one"))
        .values(pending=False, alert_id=sa.bindparam("alert")),
        [{"one": finding, "alert": alert} for finding, alert in merged],
    )


def evidence_of(conn: sa.Connection, alert_id: str) -> tuple[list[object], list[object], str]:
    """(evidence, reasons, detector) of an alert: those of its newest finding that carries them, and whose evidence it is."""
    table = finding_table.c
    statement = (
        sa.select(table.evidence, table.reasons, table.detector)
        .where(table.alert_id == alert_id, table.level.is_not(None))
        .order_by(table.at.desc(), table.n.desc())
    )
    evidence: list[object] = []
    reasons: list[object] = []
    detector = ""
    for row in conn.execute(statement.limit(20)):
        if not evidence:
            evidence, detector = row.evidence, row.detector
        reasons = reasons or row.reasons
        if evidence and reasons:
            break
    return evidence, reasons, detector


def _finding(row: sa.Row[Any]) -> Finding:
    return Finding(
        row.detector,
        row.kind,
        SubjectRef(row.subject_kind, row.subject_id, row.subject_name),
        row.at,
        row.start_at,
        row.end_at,
        row.level,
        row.score,
        tuple(row.reasons),
        tuple(row.evidence),
        row.case_id,
    )


# ── alerts ─────────────────────────────────────────────────────────────────────────────────────────────────────


def open_alert(conn: sa.Connection, kind: str, subject: SubjectRef) -> Alert | None:
    """The alert on this matter that has not ended, held until the commit."""
    table = alert_table.c
    row = conn.execute(
        sa.select(alert_table)
        .where(
            table.kind == kind,
            table.subject_kind == subject.kind,
            table.subject_id == subject.id,
            table.state != "ended",
        )
        .with_for_update()
    ).one_or_none()
    return None if row is None else _alert(row)


def past_alerts(conn: sa.Connection, kind: str, subject: SubjectRef) -> int:
    """How many alerts there have been on this matter."""
    table = alert_table.c
    return conn.execute(
        sa.select(sa.func.count()).where(
            table.kind == kind, table.subject_kind == subject.kind, table.subject_id == subject.id
        )
    ).scalar_one()


def insert_alert(conn: sa.Connection, alert: Alert) -> None:
    """Store a new alert."""
    conn.execute(alert_table.insert().values(id=alert.id, **_columns(alert)))


def update_alert(conn: sa.Connection, alert: Alert) -> None:
    """Store an alert as it is now."""
    conn.execute(alert_table.update().where(alert_table.c.id == alert.id).values(**_columns(alert)))


def add_level(conn: sa.Connection, alert_id: str, change: LevelChange, finding_id: str) -> None:
    """Add a step to an alert's level history."""
    table = level_table.c
    last = conn.execute(sa.select(sa.func.max(table.n)).where(table.alert_id == alert_id)).scalar() or 0
    conn.execute(
        level_table.insert().values(
            alert_id=alert_id,
            n=last + 1,
            level=change.level,
            at=change.at,
            reason=change.reason,
            finding_id=finding_id,
        )
    )


def levels_of(conn: sa.Connection, alert_id: str) -> list[LevelChange]:
    """An alert's level history, oldest first."""
    statement = sa.select(level_table).where(level_table.c.alert_id == alert_id).order_by(level_table.c.n)
    return [LevelChange(row.level, row.at, row.reason) for row in conn.execute(statement)]


def alert_of(
    conn: sa.Connection, alert_id: str, departments: frozenset[str] | None, *, lock: bool = False
) -> Alert | None:
    """One alert of these departments (``None``: of all); ``lock`` holds it until the commit."""
    statement = sa.select(alert_table).where(alert_table.c.id == alert_id, *_of(departments))
    row = conn.execute(statement.with_for_update() if lock else statement).one_or_none()
    return None if row is None else _alert(row)


def alerts(
    conn: sa.Connection,
    departments: frozenset[str] | None,
    *,
    states: Sequence[str],
    level: int | None,
    most_severe_first: bool,
    limit: int,
    after: Alert | None,
    suppressed: bool | None = None,
) -> list[Alert]:
    """Alerts in these states after ``after``: newest first, or by level and then newest first.

    ``suppressed``: only those that a suppression keeps out of the queue, or only the others.
    """
    table = alert_table.c
    statement = sa.select(alert_table).where(*_filter(departments, states, level, suppressed)).limit(limit)
    later = sa.tuple_(table.raised_at, table.id)
    order: list[sa.ColumnElement[Any]] = [table.raised_at.desc(), table.id.desc()]
    if after is not None:
        beyond = later < sa.tuple_(sa.bindparam("at", after.raised_at, UtcDateTime), sa.literal(after.id))
        if most_severe_first:
            beyond = sa.or_(table.level > after.level, sa.and_(table.level == after.level, beyond))
        statement = statement.where(beyond)
    if most_severe_first:
        order.insert(0, table.level)
    return [_alert(row) for row in conn.execute(statement.order_by(*order))]


def alerts_about(
    conn: sa.Connection, departments: frozenset[str] | None, subjects: Collection[tuple[str, str]], limit: int
) -> list[Alert]:
    """Alerts about these subjects (kind, id): open ones first, then the newest."""
    table = alert_table.c
    about = sa.tuple_(table.subject_kind, table.subject_id).in_(sorted(set(subjects)))
    order = (sa.case((table.state == "ended", 1), else_=0), table.raised_at.desc(), table.id)
    statement = sa.select(alert_table).where(about, *_of(departments)).order_by(*order).limit(limit)
    return [_alert(row) for row in conn.execute(statement)]


def count_alerts(
    conn: sa.Connection,
    departments: frozenset[str] | None,
    *,
    states: Sequence[str],
    level: int | None,
    suppressed: bool | None = None,
) -> int:
    """How many alerts there are in these states; ``suppressed`` as in :func:`alerts`."""
    return conn.execute(
        sa.select(sa.func.count()).select_from(alert_table).where(*_filter(departments, states, level, suppressed))
    ).scalar_one()


def counts_by_level(conn: sa.Connection, departments: frozenset[str] | None) -> dict[tuple[str, int], int]:
    """Open alerts by (state, level); those that are kept out of the queue have the state ``suppressed``."""
    table = alert_table.c
    state = sa.case((table.suppressed_by.is_not(None), "suppressed"), else_=table.state)
    told = sa.select(state.label("state"), table.level).where(table.state != "ended", *_of(departments)).subquery()
    rows = conn.execute(
        sa.select(told.c.state, told.c.level, sa.func.count().label("alerts")).group_by(told.c.state, told.c.level)
    )
    return {(row.state, row.level): row.alerts for row in rows}


def locked(conn: sa.Connection, *where: sa.ColumnElement[bool]) -> list[Alert]:
    """The alerts for which this holds, by id, held until the commit."""
    rows = conn.execute(sa.select(alert_table).where(*where).order_by(alert_table.c.id).with_for_update())
    return [_alert(row) for row in rows]


def mark_suppressed(conn: sa.Connection, alert_id: str, suppression: str | None) -> None:
    """Note which suppression keeps an alert out of the queue, or that none does."""
    conn.execute(_MARK, {"of": alert_id, "by": suppression})


def link_incident(conn: sa.Connection, alert_id: str, incident_id: str) -> None:
    """Remember the incident that was opened for an alert."""
    conn.execute(alert_table.update().where(alert_table.c.id == alert_id).values(incident_id=incident_id))


def _of(departments: frozenset[str] | None) -> list[sa.ColumnElement[bool]]:
    return [] if departments is None else [alert_table.c.department.in_(sorted(departments))]


def _filter(
    departments: frozenset[str] | None, states: Sequence[str], level: int | None, suppressed: bool | None = None
) -> list[sa.ColumnElement[bool]]:
    table = alert_table.c
    where = [table.state.in_(states), *([] if level is None else [table.level == level]), *_of(departments)]
    if suppressed is not None:
        where.append(table.suppressed_by.is_not(None) if suppressed else table.suppressed_by.is_(None))
    return where


def _columns(alert: Alert) -> dict[str, object]:
    return {
        "kind": alert.kind,
        "department": alert.department,
        "subject_kind": alert.subject.kind,
        "subject_id": alert.subject.id,
        "subject_name": alert.subject.name,
        "state": alert.state,
        "level": alert.level,
        "standing": dict(alert.standing),
        "score": alert.score,
        "findings": alert.findings,
        "raised_at": alert.raised_at,
        "start_at": alert.start_at,
        "updated_at": alert.updated_at,
        "ended_at": alert.ended_at,
        "acknowledged_by": alert.acknowledged_by
        and {"id": alert.acknowledged_by.id, "name": alert.acknowledged_by.name},
        "acknowledged_at": alert.acknowledged_at,
        "issued_at": alert.issued_at,
        "incident_id": alert.incident_id,
        "suppressed_by": alert.suppressed_by,
        "wording": {
            "title": alert.kind_title,
            "class": alert.classification,
            "area": alert.area,
            "advice": list(alert.advice),
            "measures": list(alert.measures),
            "issuer": alert.issuer,
        },
    }


def _alert(row: sa.Row[Any]) -> Alert:
    wording = row.wording
    by = row.acknowledged_by
    return Alert(
        id=row.id,
        kind=row.kind,
        kind_title=wording["title"],
        department=row.department,
        subject=SubjectRef(row.subject_kind, row.subject_id, row.subject_name),
        state=cast(AlertState, row.state),
        level=row.level,
        standing=row.standing,
        score=row.score,
        findings=row.findings,
        raised_at=row.raised_at,
        start_at=row.start_at,
        updated_at=row.updated_at,
        ended_at=row.ended_at,
        acknowledged_by=None if by is None else Person(by["id"], by["name"]),
        acknowledged_at=row.acknowledged_at,
        incident_id=row.incident_id,
        classification=wording["class"],
        area=wording["area"],
        advice=tuple(wording["advice"]),
        measures=tuple(wording["measures"]),
        issuer=wording["issuer"],
        issued_at=row.issued_at,
        suppressed_by=row.suppressed_by,
    )


# ── looking back, and finding by name ──────────────────────────────────────────────────────────────────────────


def count_standing(conn: sa.Connection, departments: frozenset[str] | None, since: datetime, until: datetime) -> int:
    """How many alerts stood at some moment of [since, until]; what a person silenced is left out."""
    where = _standing(departments, since, until)
    return conn.execute(sa.select(sa.func.count()).select_from(alert_table).where(*where)).scalar_one()


def standing(
    conn: sa.Connection, departments: frozenset[str] | None, since: datetime, until: datetime
) -> tuple[list[Alert], dict[str, list[tuple[datetime, int | None]]]]:
    """These alerts, newest first, and for each the moments at which its level changed."""
    where, table, level = _standing(departments, since, until), alert_table.c, level_table.c
    rows = conn.execute(sa.select(alert_table).where(*where).order_by(table.raised_at.desc(), table.id.desc()))
    found = [_alert(row) for row in rows]
    changes = conn.execute(
        sa.select(level.alert_id, level.at, level.level)
        .join(alert_table, table.id == level.alert_id)
        .where(*where)
        .order_by(level.alert_id, level.n)
    )
    levels: dict[str, list[tuple[datetime, int | None]]] = {}
    for change in changes:
        levels.setdefault(change.alert_id, []).append((change.at, change.level))
    return found, levels


def _standing(departments: frozenset[str] | None, since: datetime, until: datetime) -> list[sa.ColumnElement[bool]]:
    table = alert_table.c
    lasting = sa.or_(table.ended_at.is_(None), table.ended_at >= since)
    return [table.raised_at <= until, lasting, table.suppressed_by.is_(None), *_of(departments)]


def newest_alerts(conn: sa.Connection, departments: frozenset[str] | None, limit: int) -> list[Alert]:
    """The newest alerts, those that stand before those that ended."""
    table = alert_table.c
    ended = sa.case((table.state == "ended", 1), else_=0)
    statement = sa.select(alert_table).where(*_of(departments)).order_by(ended, table.raised_at.desc(), table.id.desc())
    return [_alert(row) for row in conn.execute(statement.limit(limit))]

"""All SQL of trials, and what is counted of a detector's findings and alerts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast

import sqlalchemy as sa

from cityheart.kernel.database import Json, UtcDateTime, metadata
from cityheart.watch.models import Person
from cityheart.watch.store import alert_table, checkpoint_table, finding_table
from cityheart.watch.trials.models import Trial

__all__ = [
    "alerts_of",
    "alone",
    "counted",
    "finish",
    "insert",
    "looked",
    "moments",
    "note",
    "running",
    "stop",
    "trial_of",
    "trials",
]

trial_table = sa.Table(
    "trial",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("detector", sa.String(80), nullable=False),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("by", Json, nullable=False),
    sa.Column("parameters", Json, nullable=False),
    sa.Column("since", UtcDateTime, nullable=False),
    sa.Column("until", UtcDateTime, nullable=False),
    sa.Column("state", sa.String(16), nullable=False, index=True),
    sa.Column("share", sa.Float, nullable=False),
    sa.Column("started_at", UtcDateTime, nullable=False),
    sa.Column("beat_at", UtcDateTime, nullable=False),  # the wall clock's; a trial that is silent for long has died
    sa.Column("stop_at", UtcDateTime, nullable=True),  # somebody wants it to stop
    sa.Column("ended_at", UtcDateTime, nullable=True),
    sa.Column("seconds", sa.Float, nullable=True),
    sa.Column("failure", sa.Text, nullable=True),
    sa.Column("result", Json, nullable=True),
    sa.Index("ix_trial_detector_id", "detector", "id"),
)


def _trial(row: sa.Row[tuple[object, ...]]) -> Trial:
    return Trial(
        id=row.id,
        detector=row.detector,
        name=row.name,
        by=Person(row.by["id"], row.by["name"]),
        parameters=row.parameters,
        since=row.since,
        until=row.until,
        state=row.state,
        share=row.share,
        started_at=row.started_at,
        beat_at=row.beat_at,
        ended_at=row.ended_at,
        seconds=row.seconds,
        failure=row.failure,
        result=row.result,
    )


def alone(conn: sa.Connection) -> None:
    """Until the end of the transaction nobody else begins a trial."""
    if conn.dialect.name == "postgresql":
        conn.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext("trials"))))


def insert(conn: sa.Connection, trial: Trial) -> None:
    """Insert a trial that begins."""
    conn.execute(
        trial_table.insert().values(
            id=trial.id,
            detector=trial.detector,
            name=trial.name,
            by={"id": trial.by.id, "name": trial.by.name},
            parameters=dict(trial.parameters),
            since=trial.since,
            until=trial.until,
            state=trial.state,
            share=trial.share,
            started_at=trial.started_at,
            beat_at=trial.beat_at,
        )
    )


def running(conn: sa.Connection) -> list[Trial]:
    """Trials that are said to be under way."""
    rows = conn.execute(sa.select(trial_table).where(trial_table.c.state == "running").order_by(trial_table.c.id))
    return [_trial(row) for row in rows]


def note(conn: sa.Connection, trial_id: str, share: float, now: datetime) -> bool:
    """Note how far a trial is; whether it shall go on."""
    table = trial_table
    conn.execute(table.update().where(table.c.id == trial_id).values(share=share, beat_at=now))
    row = conn.execute(sa.select(table.c.stop_at, table.c.state).where(table.c.id == trial_id)).one()
    return row.stop_at is None and row.state == "running"


def stop(conn: sa.Connection, trial_id: str, now: datetime) -> None:
    """Ask a trial to stop."""
    table = trial_table
    conn.execute(table.update().where(table.c.id == trial_id, table.c.state == "running").values(stop_at=now))


def finish(conn: sa.Connection, trial_id: str, **values: object) -> None:
    """Write what came of a trial."""
    conn.execute(trial_table.update().where(trial_table.c.id == trial_id).values(**values))


def trial_of(conn: sa.Connection, trial_id: str) -> Trial | None:
    """One trial."""
    row = conn.execute(sa.select(trial_table).where(trial_table.c.id == trial_id)).one_or_none()
    return None if row is None else _trial(row)


def trials(conn: sa.Connection, detector: str | None, after: str | None, limit: int) -> tuple[list[Trial], int]:
    """A page of trials, the newest first, and how many there are."""
    table = trial_table
    wanted = [] if detector is None else [table.c.detector == detector]
    total = conn.execute(sa.select(sa.func.count()).select_from(table).where(*wanted)).scalar_one()
    if after is not None:
        wanted.append(table.c.id < after)
    rows = conn.execute(sa.select(table).where(*wanted).order_by(table.c.id.desc()).limit(limit))
    return [_trial(row) for row in rows], total


# ── what detectors found ───────────────────────────────────────────────────────────────────────────────────────


def looked(conn: sa.Connection) -> dict[str, datetime]:
    """When each detector last came further."""
    rows = conn.execute(sa.select(checkpoint_table.c.detector, checkpoint_table.c.updated_at))
    return {row.detector: row.updated_at for row in rows}


def counted(conn: sa.Connection, since: datetime) -> dict[str, dict[str, int]]:
    """Of each detector since a moment: findings, and what became of their alerts.

    ``taken``: acknowledged by a person or handled in an incident; ``silenced``: suppressed; ``over``: ended before
    anybody took note; ``waiting``: none of these.
    """
    finding, alert = finding_table, alert_table
    fresh = finding.c.at >= since
    counts: dict[str, dict[str, int]] = {}
    for row in conn.execute(
        sa.select(finding.c.detector, sa.func.count().label("n"))
        .where(fresh, finding.c.level.is_not(None))
        .group_by(finding.c.detector)
    ):
        counts[row.detector] = {"findings": row.n}
    pairs = sa.select(finding.c.detector, finding.c.alert_id).where(fresh, finding.c.alert_id.is_not(None)).distinct()
    pair = pairs.subquery()
    fate = sa.case(
        (sa.or_(alert.c.acknowledged_at.is_not(None), alert.c.incident_id.is_not(None)), "taken"),
        (alert.c.suppressed_by.is_not(None), "silenced"),
        (alert.c.state == "ended", "over"),
        else_="waiting",
    ).label("fate")
    fates = sa.select(pair.c.detector, fate).join(alert, alert.c.id == pair.c.alert_id).subquery()
    grouped = sa.select(fates.c.detector, fates.c.fate, sa.func.count().label("n"))
    for row in conn.execute(grouped.group_by(fates.c.detector, fates.c.fate)):
        counts.setdefault(row.detector, {})[row.fate] = row.n
    return counts


def moments(conn: sa.Connection, detector: str, since: datetime, limit: int) -> list[tuple[datetime, int]]:
    """When a detector found something, with the level, in order."""
    table = finding_table
    statement = sa.select(table.c.at, table.c.level).where(
        table.c.detector == detector, table.c.at >= since, table.c.level.is_not(None)
    )
    return [(row.at, row.level) for row in conn.execute(statement.order_by(table.c.at).limit(limit))]


def alerts_of(
    conn: sa.Connection, detector: str, since: datetime, until: datetime, limit: int
) -> Sequence[dict[str, Any]]:
    """Alerts that a detector had a part in and that stood at some moment of a period, in the order of raising."""
    alert, finding = alert_table, finding_table
    part = sa.exists().where(finding.c.alert_id == alert.c.id, finding.c.detector == detector)
    statement = (
        sa.select(
            alert.c.id,
            alert.c.kind,
            alert.c.subject_kind,
            alert.c.subject_id,
            alert.c.subject_name,
            alert.c.level,
            alert.c.raised_at,
            alert.c.ended_at,
        )
        .where(alert.c.raised_at < until, sa.or_(alert.c.ended_at.is_(None), alert.c.ended_at > since), part)
        .order_by(alert.c.raised_at, alert.c.id)
        .limit(limit)
    )
    return cast("Sequence[dict[str, Any]]", [dict(row._mapping) for row in conn.execute(statement)])

"""All SQL of what is counted of a detector's findings and alerts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast

import sqlalchemy as sa

from cityheart.watch.store import alert_table, checkpoint_table, finding_table

__all__ = [
    "alerts_of",
    "counted",
    "looked",
    "moments",
]


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

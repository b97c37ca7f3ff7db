"""Looking back: the alerts that stood in some time, each with the moments at which its level changed.

Whoever looks at an earlier moment sees from these what stood then, without asking again for every moment.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from cityheart.kernel import limits
from cityheart.kernel.access import departments, require
from cityheart.kernel.actors import Actor
from cityheart.kernel.database import Database
from cityheart.kernel.errors import Invalid, TooLarge
from cityheart.watch.store import alert_table, level_table

__all__ = ["Past"]


class Past:
    """Reads alerts by the time in which they stood."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def alerts(self, actor: Actor, since: datetime, until: datetime) -> dict[str, object]:
        """Alerts that stood at some moment of [since, until], the newest first: ``{"items", "total", "next"}``.

        An item: ``id, kind, kind_title, subject, raised_at, start_at, ended_at, acknowledged_at, incident_id, levels``;
        ``levels`` are ``[moment, level]`` in order, level null when it was over. Raises :class:`Invalid` for a time that
        is none or too long, :class:`TooLarge` for one with too many alerts, :class:`Forbidden`.
        """
        require(actor, "alert.read")
        if since.tzinfo is None or until.tzinfo is None:
            raise Invalid("the moment has no offset", remedy="write it as 2015-12-01T08:00:00Z")
        if not since < until or until - since > limits.PAST_SPAN:
            raise Invalid(f"the time is {until - since} long", remedy=f"more than nothing, at most {limits.PAST_SPAN}")
        alert, level = alert_table.c, level_table.c
        where: list[sa.ColumnElement[bool]] = [
            alert.raised_at <= until,
            sa.or_(alert.ended_at.is_(None), alert.ended_at >= since),
            alert.suppressed_by.is_(
                None
            ),  # what a person silenced is in no queue, also not in that of an earlier moment
        ]
        held = departments(actor, "alert.read")
        if held is not None:
            where.append(alert.department.in_(sorted(held)))
        with self._database.read() as conn:
            total = conn.execute(sa.select(sa.func.count()).select_from(alert_table).where(*where)).scalar_one()
            if total > limits.PAST_ALERTS:
                raise TooLarge(f"{total} alerts stood in this time", remedy="choose a shorter time")
            rows = conn.execute(
                sa.select(alert_table).where(*where).order_by(alert.raised_at.desc(), alert.id.desc())
            ).all()
            changes = conn.execute(
                sa.select(level.alert_id, level.at, level.level)
                .join(alert_table, alert.id == level.alert_id)
                .where(*where)
                .order_by(level.alert_id, level.n)
            ).all()
        levels: dict[str, list[tuple[datetime, int | None]]] = {}
        for change in changes:
            levels.setdefault(change.alert_id, []).append((change.at, change.level))
        return {"items": [_shown(row, levels.get(row.id, [])) for row in rows], "total": total, "next": None}


def _shown(row: sa.Row[Any], levels: list[tuple[datetime, int | None]]) -> dict[str, object]:
    return {
        "id": row.id,
        "kind": row.kind,
        "kind_title": row.wording["title"],
        "subject": {"kind": row.subject_kind, "id": row.subject_id, "name": row.subject_name},
        "raised_at": row.raised_at,
        "start_at": row.start_at,
        "ended_at": row.ended_at,
        "acknowledged_at": row.acknowledged_at,
        "incident_id": row.incident_id,
        "levels": [list(change) for change in levels],
    }

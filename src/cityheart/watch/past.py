"""Looking back: the alerts that stood in some time, each with the moments at which its level changed.

Whoever looks at an earlier moment sees from these what stood then, without asking again for every moment.
"""

from __future__ import annotations

from datetime import datetime

from cityheart.kernel import limits
from cityheart.kernel.access import departments, require
from cityheart.kernel.actors import Actor
from cityheart.kernel.database import Database
from cityheart.kernel.errors import Invalid, TooLarge
from cityheart.watch import store
from cityheart.watch.models import Alert

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
        held = departments(actor, "alert.read")
        with self._database.read() as conn:
            total = store.count_standing(conn, held, since, until)
            if total > limits.PAST_ALERTS:
                raise TooLarge(f"{total} alerts stood in this time", remedy="choose a shorter time")
            found, levels = store.standing(conn, held, since, until)
        return {"items": [_shown(alert, levels.get(alert.id, [])) for alert in found], "total": total, "next": None}


def _shown(alert: Alert, levels: list[tuple[datetime, int | None]]) -> dict[str, object]:
    return {
        "id": alert.id,
        "kind": alert.kind,
        "kind_title": alert.kind_title,
        "subject": {"kind": alert.subject.kind, "id": alert.subject.id, "name": alert.subject.name},
        "raised_at": alert.raised_at,
        "start_at": alert.start_at,
        "ended_at": alert.ended_at,
        "acknowledged_at": alert.acknowledged_at,
        "incident_id": alert.incident_id,
        "levels": [list(change) for change in levels],
    }

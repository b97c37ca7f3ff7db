"""The city at a glance, for a wall: alerts by level, tasks by state and department, the numbers of today.

Everything is counted in the database, so that thousands of open matters cost no more than a few.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request

from cityheart.kernel.access import can, departments
from cityheart.kernel.actors import Actor
from cityheart.kernel.clock import Clock
from cityheart.kernel.database import Database
from cityheart.kernel.errors import Unauthenticated
from cityheart.kernel.text import Text, text
from cityheart.watch.store import counts_by_level
from cityheart.web import store

__all__ = ["Wall", "router"]

LEVELS = (1, 2, 3, 4)
_UNDECIDED = text("部门待定", "no department yet")


class Wall:
    """Counts what a wall shows. ``titles`` gives the departments' titles by code; days begin in ``zone``."""

    def __init__(
        self, database: Database, clock: Clock, zone: ZoneInfo, titles: Callable[[], Mapping[str, Text]]
    ) -> None:
        self._database = database
        self._clock = clock
        self._zone = zone
        self._titles = titles

    def glance(self, actor: Actor) -> dict[str, object]:
        """``{"at", "day", "alerts", "tasks", "incidents"}``; what the actor may not see is null.

        ``day`` is the moment at which the city's day began, and ``today`` counts from there. ``alerts``:
        ``{"levels": [{"level", "raised", "acknowledged"}], "suppressed", "today": {"raised", "ended"}}``; ``tasks``:
        ``{"states", "open", "late", "departments": [{"code", "title", "open", "late", "states"}], "today": {"closed",
        "late"}}`` with the departments that are late first; ``incidents``: ``{"open", "today": {"opened", "closed"}}``.
        """
        now = self._clock.now()
        local = now.astimezone(self._zone)
        day = local.replace(hour=0, minute=0, second=0, microsecond=0).astimezone(UTC)
        return {
            "at": now,
            "day": day,
            "alerts": self._alerts(actor, day) if can(actor, "alert.read") else None,
            "tasks": self._tasks(actor, day) if can(actor, "task.read") else None,
            "incidents": self._incidents(day) if can(actor, "incident.read") else None,
        }

    def _alerts(self, actor: Actor, day: datetime) -> dict[str, object]:
        held = departments(actor, "alert.read")
        with self._database.read() as conn:
            counts = counts_by_level(conn, held)
            raised, ended = store.alerts_since(conn, held, day)
        levels = [
            {"level": level, **{state: counts.get((state, level), 0) for state in ("raised", "acknowledged")}}
            for level in LEVELS
        ]
        silenced = sum(n for (state, _), n in counts.items() if state == "suppressed")
        return {"levels": levels, "suppressed": silenced, "today": {"raised": raised, "ended": ended}}

    def _tasks(self, actor: Actor, day: datetime) -> dict[str, object]:
        held = departments(actor, "task.read")
        with self._database.read() as conn:
            found = store.open_tasks(conn, held)
            closed, closed_late = store.tasks_closed_since(conn, held, day)
        titles = self._titles()
        states: dict[str, int] = {}
        units: dict[str, dict[str, int]] = {}
        late: dict[str, int] = {}
        for unit, state, n, overdue in found:
            states[state] = states.get(state, 0) + n
            units.setdefault(unit, {})[state] = n
            late[unit] = late.get(unit, 0) + overdue
        by_unit = [
            {
                "code": unit,
                "title": titles.get(unit, text(unit, unit)) if unit else _UNDECIDED,
                "open": sum(of.values()),
                "late": late[unit],
                "states": of,
            }
            for unit, of in sorted(units.items(), key=lambda one: (-late[one[0]], -sum(one[1].values()), one[0]))
        ]
        return {
            "states": states,
            "open": sum(states.values()),
            "late": sum(late.values()),
            "departments": by_unit,
            "today": {"closed": closed, "late": closed_late},
        }

    def _incidents(self, day: datetime) -> dict[str, object]:
        with self._database.read() as conn:
            stands, opened, closed = store.incidents_since(conn, day)
        return {"open": stands, "today": {"opened": opened, "closed": closed}}


def router(wall: Wall) -> APIRouter:
    """Route ``/api/wall``."""
    routes = APIRouter(prefix="/api", tags=["desk"])

    @routes.get("/wall", summary="The city at a glance: alerts by level, tasks by state and department, today")
    def glance(request: Request) -> dict[str, object]:
        actor = getattr(request.state, "actor", None)
        if not isinstance(actor, Actor):
            raise Unauthenticated("nobody is signed in", remedy="POST /api/session")
        return wall.glance(actor)

    return routes

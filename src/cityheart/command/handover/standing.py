"""What stands at a moment and what happened in a shift: the draft that the city itself writes for whoever hands over.

Everything is counted in the store or from the log, and trimmed to what the reader may see and to the department.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol, cast

from cityheart.command.duty.models import CENTRE
from cityheart.command.handover import store
from cityheart.kernel import events, limits
from cityheart.kernel.access import can, departments
from cityheart.kernel.actors import Actor
from cityheart.kernel.database import Database

if TYPE_CHECKING:
    from cityheart.command.service import Command

__all__ = ["Alerts", "Sources", "Standing", "Suppressions"]

_SHIFT = (
    "alert.ended", "alert.raised", "incident.closed", "incident.opened", "run.started", "task.closed", "task.overdue",
)  # fmt: skip
_TOLD = {  # the words under which events are counted
    "alert.raised": "raised", "alert.ended": "ended", "incident.opened": "opened", "incident.closed": "closed",
    "run.started": "dispatched", "task.closed": "tasks_closed", "task.overdue": "tasks_late",
}  # fmt: skip
_SOUND = ("ok", "idle")  # how sources stand that nobody needs to be told of
_HORIZON = timedelta(hours=12)  # what ends this long after the shift concerns the next one


class Suppressions(Protocol):
    """What is silenced; watch has it."""

    def suppressions(
        self, actor: Actor, *, state: str = "in_force", limit: int = 50, after: str | None = None
    ) -> dict[str, object]:
        """A page of suppressions."""
        ...


class Alerts(Protocol):
    """What of watch a note tells."""

    @property
    def suppressing(self) -> Suppressions:
        """What is silenced."""
        ...

    def alerts(
        self, actor: Actor, *, state: str = "open", level: int | None = None, limit: int = 50, after: str | None = None
    ) -> dict[str, object]:
        """A page of alerts; open ones by severity."""
        ...

    def alert(self, actor: Actor, alert_id: str) -> dict[str, object]:
        """One alert."""
        ...


class Sources(Protocol):
    """What of the sharing a note tells."""

    def sources(self, actor: Actor) -> list[dict[str, object]]:
        """Every source that the actor may see, with its state."""
        ...


class Standing:
    """Draws what stands. ``below`` gives the departments below one."""

    def __init__(
        self,
        database: Database,
        alerts: Alerts,
        sources: Sources,
        command: Command,
        below: Callable[[], Mapping[str, frozenset[str]]],
    ) -> None:
        self._database = database
        self._alerts = alerts
        self._sources = sources
        self._command = command
        self._below = below

    def draw(self, actor: Actor, unit: str, since: datetime, until: datetime) -> dict[str, object]:
        """``{"at", "alerts", "incidents", "suppressions", "sources", "shift"}`` of a department and those below it.

        For the command centre (``duty.models.CENTRE``) it is that of the whole city.

        ``since`` is when the shift began, ``until`` when it ends. What the actor may not see is null. Lists hold at most
        ``limits.HANDOVER_ROWS``; ``total`` counts all.
        """
        now = self._database.clock.now()
        line = None if unit == CENTRE else frozenset({unit, *self._below().get(unit, ())})
        sees = can(actor, "alert.read")
        return {
            "at": now,
            "alerts": self._open_alerts(actor, line) if sees else None,
            "incidents": self._incidents(actor, line, now) if can(actor, "incident.read") else None,
            "suppressions": self._ending(actor, line, max(now, until) + _HORIZON) if sees else None,
            "sources": self._late_sources(actor, line) if can(actor, "source.read") else None,
            "shift": self._happened(actor, line, since),
        }

    def _open_alerts(self, actor: Actor, line: frozenset[str] | None) -> dict[str, object]:
        found: list[Mapping[str, object]] = []
        after: str | None = None
        more = False
        for page in range(limits.HANDOVER_PAGES):
            got = self._alerts.alerts(actor, limit=limits.PAGE_ROWS, after=after)
            items = cast("list[Mapping[str, object]]", got["items"])
            found += [each for each in items if line is None or each["department"] in line]
            after = cast("str | None", got["next"])
            if after is None:
                break
            more = page == limits.HANDOVER_PAGES - 1
        levels = {str(level): sum(each["level"] == level for each in found) for level in (1, 2, 3, 4)}
        shown = ("id", "kind_title", "subject", "level", "state", "raised_at", "incident_id")
        rows = [{name: each[name] for name in shown} for each in found[: limits.HANDOVER_ROWS]]
        return {"total": len(found), "more": more, "levels": levels, "items": rows}

    def _incidents(self, actor: Actor, line: frozenset[str] | None, now: datetime) -> dict[str, object]:
        seen = _among(departments(actor, "task.read"), line)
        with self._database.read() as conn:
            incidents, total = store.open_incidents(conn, line, limits.HANDOVER_ROWS)
            tasks = store.open_tasks(conn, [one["id"] for one in incidents], seen)
        plans = self._command.plans_of(task.run for task in tasks)
        by_incident: dict[str, list[dict[str, object]]] = {}
        for task in tasks:
            waiting = task.state == "dispatched"
            at = task.accept_due if waiting else task.due if task.state == "accepted" else None
            over = bool(task.late or (task.late_accept and waiting))
            by_incident.setdefault(task.incident, []).append({
                "id": task.id, "title": plans[task.run].step(task.step).title, "unit": task.unit,
                "unit_title": self._command.unit_title(task.unit), "state": task.state, "late": over,
                "clock": "accept" if waiting else "due", "at": at or task.due or task.planned_at,
            })  # fmt: skip
        items = []
        for one in incidents:
            theirs = by_incident.get(one["id"], [])
            late = [task for task in theirs if task["late"]]
            running = [task for task in theirs if not task["late"] and task["state"] in ("dispatched", "accepted")]
            following = sorted(running, key=lambda task: str(task["at"]))[:1]
            items.append({**one, "open": len(theirs), "late": late[: limits.HANDOVER_ROWS], "next": following})
        return {"total": total, "items": items}

    def _ending(self, actor: Actor, line: frozenset[str] | None, until: datetime) -> dict[str, object]:
        page = self._alerts.suppressing.suppressions(actor, limit=limits.PAGE_ROWS)
        items = [
            each
            for each in cast("list[Mapping[str, object]]", page["items"])
            if cast(datetime, each["until"]) <= until and (line is None or each["department"] in line)
        ]
        items.sort(key=lambda each: (str(each["until"]), str(each["id"])))
        shown = ("id", "scope", "kind_title", "subject", "level", "until", "reason", "by", "alerts")
        rows = [{name: each[name] for name in shown} for each in items[: limits.HANDOVER_ROWS]]
        return {"total": len(items), "items": rows}

    def _late_sources(self, actor: Actor, line: frozenset[str] | None) -> dict[str, object]:
        items = [
            each
            for each in self._sources.sources(actor)
            if each["state"] not in _SOUND and (line is None or each["department"] in line)
        ]
        shown = ("id", "title", "department_title", "state", "reason", "last_delivery_at")
        rows = [{name: each[name] for name in shown} for each in items[: limits.HANDOVER_ROWS]]
        return {"total": len(items), "items": rows}

    def _happened(self, actor: Actor, line: frozenset[str] | None, since: datetime) -> dict[str, object]:
        """What happened since then, from the log: counts, and the incidents that were opened and closed."""
        alerts, tasks = departments(actor, "alert.read"), departments(actor, "task.read")
        sees_incidents = can(actor, "incident.read")
        counts = dict.fromkeys(_TOLD.values(), 0)
        opened: list[str] = []
        closed: list[str] = []
        read, more = 0, False
        with self._database.read() as conn:
            position = store.first_since(conn, since)
            while True:
                found = events.scan(conn, position, _SHIFT, limits.EVENTS_READ)
                read += len(found)
                for _, type, _, data in found:
                    if not _concerns(type, data, alerts, tasks, sees_incidents, line):
                        continue
                    counts[_TOLD[type]] += 1
                    if type == "incident.opened":
                        opened.append(str(data["incident"]))
                    elif type == "incident.closed":
                        closed.append(str(data["incident"]))
                if len(found) < limits.EVENTS_READ:
                    break
                if read >= limits.HANDOVER_EVENTS:
                    more = True
                    break
                position = found[-1][0]
            rows = limits.HANDOVER_ROWS
            titles = store.titles_of(conn, {*opened[-rows:], *closed[-rows:]})

        def named(ids: Sequence[str]) -> list[dict[str, object]]:
            return [{"id": id, "title": titles.get(id) or {}} for id in dict.fromkeys(ids[-rows:])]

        return {
            "since": since, "counts": counts, "more": more, "opened": named(opened), "closed": named(closed),
        }  # fmt: skip


def _among(held: frozenset[str] | None, line: frozenset[str] | None) -> frozenset[str] | None:
    if held is None or line is None:
        return line if held is None else held
    return held & line


def _concerns(
    type: str,
    data: Mapping[str, object],
    alerts: frozenset[str] | None,
    tasks: frozenset[str] | None,
    incidents: bool,
    line: frozenset[str] | None,
) -> bool:
    """Whether an event is of the department, and the reader may know of it."""
    if type.startswith("alert."):
        whose, held = data.get("department"), alerts
        if type == "alert.raised" and data.get("suppressed_by"):
            return False
    elif type.startswith("task."):
        whose, held = data.get("unit"), tasks
    elif type == "run.started":
        given = {str(task["unit"]) for task in cast("list[Mapping[str, object]]", data.get("tasks") or [])}
        return incidents and (line is None or not given.isdisjoint(line))
    else:  # an incident is nobody's alone: it is told of where the whole city is
        return incidents and line is None
    return (held is None or whose in held) and (line is None or whose in line)

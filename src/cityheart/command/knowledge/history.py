"""From a closed incident to cases: one for each plan that was carried out for it, as it was carried out.

Read from the runs' own rows and events; nothing is asked of anybody. What commanders changed comes from their patches,
and from what they did to tasks: cancelled, given to another department, given more time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from cityheart.command.knowledge.models import Case, CaseStep, Change, Described
from cityheart.command.knowledge.scrub import Scrubber
from cityheart.command.models import Incident, Patch, Plan, Run, Task
from cityheart.kernel import duration, limits
from cityheart.kernel.events import Event
from cityheart.kernel.ids import derive
from cityheart.kernel.text import LANGUAGES

__all__ = ["OWN", "case_of", "level_at", "what_is_told"]

OWN = "city"  # origin of cases from the city's own books


def level_at(told: Iterable[Event], moment: datetime, otherwise: int | None) -> int | None:
    """The incident's level at a moment, from its own events in their order."""
    level = otherwise
    for event in told:
        happened = datetime.fromisoformat(str(event.data["at"])) if "at" in event.data else event.at
        if happened > moment:
            break
        found = event.data.get("to" if event.type == "incident.level_changed" else "level")
        if event.type in ("incident.opened", "incident.level_changed") and isinstance(found, int):
            level = found
    return level


def what_is_told(title: Mapping[str, str], described: Described | None) -> str:
    """The words by which a matter is compared: its title, and what else is known of it."""
    parts = [title.get(language, "") for language in LANGUAGES]
    return "。".join(dict.fromkeys(part for part in (*parts, described.text if described else "") if part))


def case_of(
    incident: Incident,
    run: Run,
    plan: Plan,
    tasks: Sequence[Task],
    told: Sequence[Event],
    *,
    level: int | None,
    known_at: datetime,
    described: Described | None,
    scrubber: Scrubber,
) -> Case:
    """The case that a closed run makes. ``told`` are the run's events; ``known_at`` is when its incident closed."""
    rounds: dict[str, list[Task]] = {}
    for task in sorted(tasks, key=lambda task: task.round):
        if task.does == "task":
            rounds.setdefault(task.step, []).append(task)
    steps = [_step(step, found) for step, found in rounds.items() if any(one.dispatched_at for one in found)]
    changes = [
        *_patched(run.patches, rounds),
        *_decided(plan, rounds, told),
    ]
    unique: dict[tuple[str, str], Change] = {}
    for change in changes:
        unique.setdefault((change.op, change.step), _scrubbed(change, scrubber))
    place = described or Described()
    return Case(
        id=derive("case", "run", run.id), origin=OWN, kind=incident.kind, level=level,
        text=scrubber.clean(what_is_told(incident.title, described))[: limits.CASE_CHARS],
        opened_at=run.started_at, closed_at=run.closed_at or known_at, known_at=known_at, plan=plan.name,
        version=plan.version, digest=plan.digest, incident=incident.id, stage=place.stage, place=place.place,
        lon=place.lon, lat=place.lat, steps=tuple(sorted(steps, key=lambda step: step.step)),
        changes=tuple(sorted(unique.values(), key=lambda change: change.key)),
    )  # fmt: skip


def _step(id: str, rounds: Sequence[Task]) -> CaseStep:
    last = [one for one in rounds if one.dispatched_at is not None][-1]
    first = next(one for one in rounds if one.dispatched_at is not None)
    begun, due = last.dispatched_at, last.due
    assert begun is not None and first.dispatched_at is not None, "only dispatched rounds are counted"
    return CaseStep(
        step=id,
        unit=last.unit,
        due=None if due is None else int((due - begun).total_seconds()),
        took=None if last.submitted_at is None else int((last.submitted_at - first.dispatched_at).total_seconds()),
        late=any(one.late for one in rounds),
        rework=sum(one.outcome == "rework" for one in rounds),
        returned=sum(one.outcome == "returned" for one in rounds),
    )


def _patched(patches: Iterable[Patch], rounds: Mapping[str, Sequence[Task]]) -> list[Change]:
    found = []
    for patch in patches:
        if patch.op == "add":
            spec: Any = (patch.spec or {}).get("step")
            if isinstance(spec, Mapping) and str(spec.get("unit") or "$")[0] != "$":  # a unit that is known beforehand
                found.append(_added(spec, patch.reason))
        elif patch.op == "extend":
            begun = next((one.dispatched_at for one in rounds.get(patch.step, ()) if one.dispatched_at), None)
            if begun is not None and patch.due is not None:
                due = int((patch.due - begun).total_seconds())
                found.append(Change("extend", patch.step, due=due, reason=patch.reason))
        else:
            found.append(Change(patch.op, patch.step, patch.unit, reason=patch.reason))
    return found


def _added(spec: Mapping[str, Any], reason: str) -> Change:
    due = int(duration.parse(spec["due"]).total_seconds()) if spec.get("due") else None
    return Change("add", str(spec["id"]), str(spec["unit"]), dict(spec["title"]), due, reason)


def _decided(plan: Plan, rounds: Mapping[str, Sequence[Task]], told: Iterable[Event]) -> list[Change]:
    """What coordinators did to tasks that says the plan did not fit: cancelled, given to others, given more time."""
    found = []
    begun = {one.id: one.dispatched_at for tasks in rounds.values() for one in tasks}
    for event in told:
        step, reason = str(event.data.get("step", "")), str(event.data.get("reason", ""))
        if step not in plan.by_id:
            continue
        if event.type == "task.cancelled" and any(one.outcome == "cancelled" for one in rounds.get(step, ())):
            found.append(Change("skip", step, reason=reason))
        elif event.type in ("task.reassigned", "task.return_upheld"):
            unit = rounds[step][-1].unit if step in rounds else str(event.data.get("to"))
            if unit != plan.by_id[step].unit:
                found.append(Change("reassign", step, unit, reason=reason))
        elif event.type == "task.extension_decided" and event.data.get("approved"):
            since = begun.get(str(event.data["task"]))
            if since is not None:
                due = datetime.fromisoformat(str(event.data["due"]))
                found.append(Change("extend", step, due=int((due - since).total_seconds()), reason=reason))
    return found


def _scrubbed(change: Change, scrubber: Scrubber) -> Change:
    return Change(change.op, change.step, change.unit, change.title, change.due, scrubber.clean(change.reason))

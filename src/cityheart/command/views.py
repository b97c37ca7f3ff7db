"""How plans, incidents, runs and tasks look in the HTTP API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from cityheart.command.models import ROLE_TITLES, Evidence, Incident, Patch, Plan, Receipt, Run, Step, Task
from cityheart.kernel import duration
from cityheart.kernel.actors import Actor
from cityheart.kernel.text import Text, text

if TYPE_CHECKING:
    from cityheart.command.service import Command


__all__ = ["incident_json", "patch_json", "plan_json", "progress_json", "run_json", "step_json", "task_json"]

Custody = Sequence[Mapping[str, object]]
_PLAN = text("预案计时", "the plan's own time")


def step_json(command: Command, plan: Plan, step: Step) -> dict[str, object]:
    """A step as a plan shows it; durations as ISO 8601. What only some kinds of step have is ``None`` for the others."""
    during = step.during
    return {
        "id": step.id,
        "does": step.does,
        "title": step.title,
        "unit": step.unit,
        "unit_title": _unit_title(command, plan, step),
        "after": list(step.after),
        "delay": duration.iso(step.delay),
        "from": step.origin,
        "accept_within": duration.iso(step.accept_within),
        "due": duration.iso(step.due),
        "evidence": [_asked(asked) for asked in step.evidence],
        "verify_by": step.verify_by or "coordinator",
        "when": step.when,
        "clock": step.clock,
        "loop_guard": step.loop_guard,
        "escalate": [
            {"at": rule.at if isinstance(rule.at, str) else duration.iso(rule.at), "to": rule.to}
            for rule in step.escalate
        ],
        "clauses": list(step.clauses),
        "sets": dict(step.sets),
        "each": step.each
        and {
            "as": step.each.name,
            "in": [{"id": item.value, "title": item.title} for item in step.each.items] or step.each.of,
        },
        "during": during
        and {"steps": list(during.steps), "after": duration.iso(during.after), "interrupt": during.interrupt},
        "message": {"topic": step.topic, "payload": dict(step.payload)} if step.does == "message" else None,
        "decide": {
            "table": step.table,
            "decision": step.decision,
            "inputs": dict(step.inputs),
            "outputs": list(step.outputs),
        }
        if step.does == "decide"
        else None,
    }


def _asked(asked: Evidence) -> dict[str, object]:
    return {"kind": asked.kind, "min": asked.min, **({"schema": asked.schema} if asked.schema else {})}


def _unit_title(command: Command, plan: Plan, step: Step) -> Text:
    """Who a step is for, also where that is chosen at the start or decided by a step before it."""
    if not step.unit.startswith("$"):
        return command.unit_title(step.unit)
    name = step.unit[1:]
    declared = plan.parameters.get(step.each.of or "" if step.each and step.each.name == name else name)
    units = [command.unit_title(str(unit)) for unit in (declared if isinstance(declared, list) else [declared]) if unit]
    if units:
        chinese, english = "、".join(unit["zh-CN"] for unit in units), ", ".join(unit["en"] for unit in units)
        return text(f"{chinese}（启动时可另选）", f"{english} (unless another is chosen)")
    decider = next((one for one in plan.steps if name in one.outputs or name in one.sets), None)
    if decider is not None:
        return text(f"由“{decider.title['zh-CN']}”确定", f"as “{decider.title['en']}” says")
    return text(f"由 {name} 决定", f"decided by {name}")


def plan_json(command: Command, plan: Plan, reason: Text | None = None) -> dict[str, object]:
    """A plan with its steps, and why it is suggested when it is."""
    shown: dict[str, object] = {
        "digest": plan.digest,
        "id": plan.name,
        "version": plan.version,
        "title": plan.title,
        "source": plan.source,
        "kind": plan.kind,
        "levels": list(plan.levels),
        "parameters": dict(plan.parameters),
        "titles": dict(plan.titles),
        "calls": dict(plan.calls),
        "drawn": plan.drawn,
        "steps": [step_json(command, plan, step) for step in plan.steps],
    }
    return shown if reason is None else {**shown, "reason": reason}


def incident_json(incident: Incident, counts: Mapping[str, int], late: int) -> dict[str, object]:
    """An incident with its tasks by state and how many missed their due time."""
    return {
        "id": incident.id,
        "title": incident.title,
        "kind": incident.kind,
        "level": incident.level,
        "state": incident.state,
        "alert_id": incident.alert_id,
        "opened_at": incident.opened_at,
        "closed_at": incident.closed_at,
        "alert_over_at": incident.alert_over_at,
        "lifted_at": incident.lifted_at,
        "tasks": dict(counts),
        "late": late,
    }


def run_json(
    command: Command,
    actor: Actor,
    run: Run,
    tasks: Sequence[Task],
    receipts: Mapping[str, Sequence[Receipt]],
    custody: Mapping[str, Custody],
) -> dict[str, object]:
    """A run with its plan and tasks, in the order of the plan's steps and their rounds."""
    plan = command.effective(run)
    order = {step.id: number for number, step in enumerate(plan.steps)}
    rows = sorted(tasks, key=lambda task: (order[task.step], task.round))
    return {
        "id": run.id,
        "plan": {"id": plan.name, "version": plan.version, "title": plan.title, "digest": plan.digest},
        "state": run.state,
        "started_at": run.started_at,
        "closed_at": run.closed_at,
        "superseded_by": run.superseded_by,
        "patches": [patch_json(command, patch) for patch in run.patches] if command.sees_all(actor) else [],
        "tasks": [
            task_json(command, actor, task, plan, receipts.get(task.id, ()), custody.get(task.id, ())) for task in rows
        ],
    }


def patch_json(command: Command, patch: Patch) -> dict[str, object]:
    """A commander's change of a run."""
    return {
        "n": patch.number,
        "op": patch.op,
        "step": patch.step,
        "reason": patch.reason,
        "by": patch.by,
        "at": patch.at,
        "unit": patch.unit,
        "unit_title": patch.unit and command.unit_title(patch.unit),
        "due": patch.due,
        "spec": patch.spec,
    }


def progress_json(command: Command, plan: Plan, tasks: Sequence[Task], automatic: Sequence[Task]) -> list[object]:
    """The steps of a run as they are for it, each with how far it is; ``state`` is ``left_out`` where it was not begun."""
    latest: dict[str, Task] = {}
    for task in sorted([*tasks, *automatic], key=lambda task: task.round):
        latest[task.step] = task
    return [
        {
            **step_json(command, plan, step),
            "of": step.origin_id or step.id,
            "task_id": found.id if found and found.does == "task" else None,
            "state": found.state if found else "left_out",
            "outcome": found.outcome if found else None,
            "round": found.round if found else 0,
            "late": found.late if found else False,
            "planned_at": found.planned_at if found else None,
            "dispatched_at": found.dispatched_at if found else None,
            "due": found.due if found else None,
            "closed_at": found.closed_at if found else None,
        }
        for step in plan.steps
        for found in [latest.get(step.id)]
    ]


def task_json(
    command: Command, actor: Actor, task: Task, plan: Plan, receipts: Sequence[Receipt], custody: Custody
) -> dict[str, object]:
    """A task with its receipts, its custody and the verbs this actor may use now."""
    step = plan.step(task.step)

    def title(holder: str) -> Text:
        return _PLAN if holder == "plan" else ROLE_TITLES.get(holder) or command.unit_title(holder)

    return {
        "id": task.id,
        "run_id": task.run,
        "incident_id": task.incident,
        "step": task.step,
        "round": task.round,
        "title": step.title,
        "unit": task.unit,
        "unit_title": command.unit_title(task.unit),
        "person": task.person,
        "state": task.state,
        "outcome": task.outcome,
        "opened_at": task.opened_at,
        "planned_at": task.planned_at,
        "dispatched_at": task.dispatched_at,
        "accepted_at": task.accepted_at,
        "submitted_at": task.submitted_at,
        "closed_at": task.closed_at,
        "accept_due": task.accept_due,
        "due": task.due,
        "late": task.late,
        "late_accept": task.late_accept,
        "submitter": task.submitter,
        "done_at": task.done_at,
        "can_count_offline": task.state == "submitted"
        and task.late
        and task.done_at is not None
        and task.due is not None
        and task.done_at < task.due,
        "satisfied": task.satisfied,
        "can_evaluate": command.evaluable(actor, task, plan),
        "clauses": list(step.clauses),
        "clock": step.clock,
        "after": list(step.after),
        "evidence": [_asked(asked) for asked in step.evidence],
        "verify_by": step.verify_by or "coordinator",
        "extension_until": task.extension_until,
        "escalations": [
            {"at": rung.at, "to": rung.to, "to_title": title(rung.to), "fired_at": rung.fired_at} for rung in task.rungs
        ],
        "receipts": [
            {
                "id": receipt.id,
                "at": receipt.at,
                "by": receipt.by,
                "note": receipt.note,
                "files": [
                    {"name": file.name, "sha256": file.sha256, "bytes": file.bytes, "media": file.media}
                    for file in receipt.files
                ],
                "form": receipt.form,
                "place": receipt.place
                and {"lon": receipt.place.lon, "lat": receipt.place.lat, "accuracy": receipt.place.accuracy},
                "done_at": receipt.done_at,
                "clock_off_seconds": receipt.clock_off,
            }
            for receipt in receipts
        ],
        "custody": [{**piece, "holder_title": title(str(piece["holder"]))} for piece in custody],
        "actions": command.actions(actor, task, plan),
    }

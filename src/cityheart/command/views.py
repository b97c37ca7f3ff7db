"""How plans, incidents, runs and tasks look in the HTTP API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from cityheart.command.models import ROLE_TITLES, Incident, Plan, Receipt, Run, Step, Task
from cityheart.kernel import duration
from cityheart.kernel.actors import Actor
from cityheart.kernel.text import Text, text

if TYPE_CHECKING:
    from cityheart.command.service import Command


__all__ = ["incident_json", "plan_json", "run_json", "step_json", "task_json"]

Custody = Sequence[Mapping[str, object]]
_PLAN = text("预案计时", "the plan's own time")


def step_json(command: Command, step: Step) -> dict[str, object]:
    """A step as a plan shows it; durations as ISO 8601."""
    return {
        "id": step.id,
        "title": step.title,
        "unit": step.unit,
        "unit_title": command.unit_title(step.unit),
        "after": list(step.after),
        "delay": duration.iso(step.delay),
        "from": step.origin,
        "accept_within": duration.iso(step.accept_within),
        "due": duration.iso(step.due),
        "evidence": [{"kind": asked.kind, "min": asked.min} for asked in step.evidence],
        "verify_by": step.verify_by or "coordinator",
        "when": step.when,
    }


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
        "steps": [step_json(command, step) for step in plan.steps],
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
    plan = command.plan(run.plan)
    order = {step.id: number for number, step in enumerate(plan.steps)}
    rows = sorted(tasks, key=lambda task: (order[task.step], task.round))
    return {
        "id": run.id,
        "plan": {"id": plan.name, "version": plan.version, "title": plan.title, "digest": plan.digest},
        "state": run.state,
        "started_at": run.started_at,
        "closed_at": run.closed_at,
        "superseded_by": run.superseded_by,
        "tasks": [
            task_json(command, actor, task, plan, receipts.get(task.id, ()), custody.get(task.id, ())) for task in rows
        ],
    }


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
        "after": list(step.after),
        "evidence": [{"kind": asked.kind, "min": asked.min} for asked in step.evidence],
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
            }
            for receipt in receipts
        ],
        "custody": [{**piece, "holder_title": title(str(piece["holder"]))} for piece in custody],
        "actions": command.actions(actor, task, plan),
    }

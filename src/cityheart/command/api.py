"""The routes of command: incidents, tasks with their files, plans. Who asks is ``request.state.actor``."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Protocol

from fastapi import APIRouter, File, Request, UploadFile
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import FileResponse

from cityheart.command.models import Incident, Task
from cityheart.command.service import Command
from cityheart.command.views import incident_json, plan_json, run_json, task_json
from cityheart.kernel import limits
from cityheart.kernel.actors import Actor
from cityheart.kernel.errors import BadRequest, NotFound

__all__ = ["Ledger", "router"]


class Ledger(Protocol):
    """Who held a task when; the account function has it."""

    def custody_of(self, runs: Sequence[str]) -> Mapping[str, Sequence[Mapping[str, object]]]:
        """For every task of these runs its custody, oldest first."""
        ...


class DispatchOrder(BaseModel):
    """A click on a plan."""

    model_config = ConfigDict(extra="forbid")

    command_id: str
    plan: str
    title: dict[str, str] | None = None
    kind: str | None = None
    level: Annotated[int, Field(ge=1, le=4)] | None = None
    parameters: dict[str, bool | int | float | str] | None = None
    supersedes: str | None = None


class LiftOrder(BaseModel):
    """The response is lifted."""

    model_config = ConfigDict(extra="forbid")

    command_id: str
    reason: str


class ActOrder(BaseModel):
    """What a person does to a task."""

    model_config = ConfigDict(extra="forbid")

    command_id: str
    reason: str = ""
    note: str = ""
    to: str | None = None
    until: datetime | None = None
    form: dict[str, object] | None = None
    approve: bool = True


def router(command: Command, account: Ledger) -> APIRouter:
    """The routes. ``account`` tells who held a task when."""
    routes = APIRouter(prefix="/api", tags=["command"])
    _incident_routes(routes, command, account)
    _task_routes(routes, command, account)
    _plan_routes(routes, command)
    return routes


def _incident_routes(routes: APIRouter, command: Command, account: Ledger) -> None:
    @routes.get("/incidents", summary="Incidents, newest first")
    def incidents(request: Request, state: str = "all", limit: int = 50, after: str | None = None) -> dict[str, object]:
        limit = _limit(limit)
        if state not in ("open", "closed", "all"):
            raise BadRequest(f"state is {state!r}", remedy="open, closed or all")
        items, total = command.incidents(_actor(request), None if state == "all" else state, _cursor(after), limit)
        return _page(
            [_shown(command, items)[each.id] for each in items],
            total,
            limit,
            _last(items),
        )

    @routes.post("/incidents", summary="Open an incident without an alert, and dispatch a plan", status_code=201)
    def dispatch(request: Request, order: DispatchOrder) -> dict[str, object]:
        spec = {"title": order.title, "kind": order.kind, "level": order.level, "parameters": order.parameters}
        given = {name: value for name, value in spec.items() if value is not None}
        return command.dispatch(_actor(request), order.command_id, given, order.plan)

    @routes.get("/incidents/{incident_id}", summary="One incident with its runs, tasks and log")
    def incident(request: Request, incident_id: str) -> dict[str, object]:
        actor = _actor(request)
        found = command.incident(actor, incident_id)
        runs = command.runs(actor, incident_id)
        receipts = command.receipts(task.id for _, tasks in runs for task in tasks)
        custody = account.custody_of([run.id for run, _ in runs])
        shown = [run_json(command, actor, run, tasks, receipts, custody) for run, tasks in runs]
        log = [event.json() for event in command.log(actor, incident_id)]
        return {**_shown(command, [found])[found.id], "runs": shown, "log": log}

    @routes.post("/incidents/{incident_id}/dispatch", summary="Dispatch another plan for the incident")
    def dispatch_again(request: Request, incident_id: str, order: DispatchOrder) -> dict[str, object]:
        spec = {"id": incident_id, "level": order.level, "parameters": order.parameters}
        given = {name: value for name, value in spec.items() if value is not None}
        return command.dispatch(_actor(request), order.command_id, given, order.plan, order.supersedes)

    @routes.post("/incidents/{incident_id}/lift", summary="Lift the response: what is not dispatched is cancelled")
    def lift(request: Request, incident_id: str, order: LiftOrder) -> dict[str, object]:
        actor = _actor(request)
        command.lift(actor, order.command_id, incident_id, order.reason)
        return _shown(command, [command.incident(actor, incident_id)])[incident_id]


def _task_routes(routes: APIRouter, command: Command, account: Ledger) -> None:
    def shown(actor: Actor, task_id: str) -> dict[str, object]:
        task = command.task(actor, task_id)
        custody = account.custody_of([task.run]).get(task.id, ())
        return task_json(
            command, actor, task, command.plan_of(task.run), command.receipts([task.id]).get(task.id, ()), custody
        )

    @routes.get("/tasks", summary="Tasks, oldest first")
    def tasks(
        request: Request,
        unit: str | None = None,
        state: str | None = None,
        mine: bool = False,
        limit: int = 50,
        after: str | None = None,
    ) -> dict[str, object]:
        actor, limit = _actor(request), _limit(limit)
        if mine:
            unit = actor.department or unit
        open_only = True if mine and state is None else None
        items, total = command.tasks(
            actor, unit=unit, state=state, over=None if open_only is None else False, after=_cursor(after), limit=limit
        )
        receipts = command.receipts(task.id for task in items)
        custody = account.custody_of(sorted({task.run for task in items}))
        rows = [
            task_json(
                command, actor, task, command.plan_of(task.run), receipts.get(task.id, ()), custody.get(task.id, ())
            )
            for task in items
        ]
        return _page(rows, total, limit, _last(items))

    @routes.get("/tasks/{task_id}", summary="One task")
    def task(request: Request, task_id: str) -> dict[str, object]:
        return shown(_actor(request), task_id)

    @routes.post("/tasks/{task_id}/files", summary="Keep a file for the task's receipt", status_code=201)
    def attach(request: Request, task_id: str, file: Annotated[UploadFile, File()]) -> dict[str, object]:
        kept = command.attach(_actor(request), task_id, file.filename or "file", _chunks(file))
        return {"sha256": kept.sha256, "name": kept.name, "bytes": kept.bytes}

    @routes.get("/tasks/{task_id}/files/{sha256}", summary="A file of the task's receipts")
    def file(request: Request, task_id: str, sha256: str) -> FileResponse:
        task = command.task(_actor(request), task_id)
        files = [file for receipt in command.receipts([task.id]).get(task.id, ()) for file in receipt.files]
        found = next((file for file in files if file.sha256 == sha256), None)
        if found is None:
            raise NotFound(f"the task has no file {sha256}", remedy="look at its receipts")
        headers = {"x-content-type-options": "nosniff", "content-security-policy": "sandbox"}
        return FileResponse(command.files.path(sha256), media_type=found.media, filename=found.name, headers=headers)

    @routes.post("/tasks/{task_id}/{verb}", summary="Act on a task: accept, submit, verify, reject, return, …")
    def act(request: Request, task_id: str, verb: str, order: ActOrder) -> dict[str, object]:
        actor = _actor(request)
        command.act(
            actor, order.command_id, task_id, verb, reason=order.reason, note=order.note,
            to=order.to, until=order.until, approve=order.approve, form=order.form,
        )  # fmt: skip
        return shown(actor, task_id)


def _plan_routes(routes: APIRouter, command: Command) -> None:
    @routes.get("/plans", summary="Published plans, newest first")
    def plans(request: Request) -> dict[str, object]:
        items = [plan_json(command, plan) for plan in command.plans(_actor(request))]
        return {"items": items, "total": len(items), "next": None}


def _actor(request: Request) -> Actor:
    actor: Actor = request.state.actor
    return actor


def _shown(command: Command, incidents: Sequence[Incident]) -> dict[str, dict[str, object]]:
    counts, late = command.task_counts(incident.id for incident in incidents)
    return {each.id: incident_json(each, counts.get(each.id, {}), late.get(each.id, 0)) for each in incidents}


def _limit(limit: int) -> int:
    if not 1 <= limit <= limits.PAGE_ROWS:
        raise BadRequest(f"limit is {limit}", remedy=f"ask for 1 to {limits.PAGE_ROWS}")
    return limit


def _last(items: Sequence[Incident] | Sequence[Task]) -> tuple[datetime, str] | None:
    return (items[-1].opened_at, items[-1].id) if items else None


def _page(
    rows: list[dict[str, object]], total: int, limit: int, last: tuple[datetime, str] | None
) -> dict[str, object]:
    following = None
    if last and len(rows) == limit:
        moment, id = last
        following = base64.urlsafe_b64encode(json.dumps([moment.isoformat(), id]).encode()).decode()
    return {"items": rows, "total": total, "next": following}


def _cursor(after: str | None) -> tuple[datetime, str] | None:
    if after is None:
        return None
    try:
        moment, id = json.loads(base64.urlsafe_b64decode(after.encode()))
        return datetime.fromisoformat(moment).astimezone(UTC), str(id)
    except (binascii.Error, ValueError, TypeError):
        raise BadRequest("after is not a cursor of this list", remedy="use the list's own next") from None


def _chunks(file: UploadFile) -> Iterator[bytes]:
    while chunk := file.file.read(1 << 20):
        yield chunk

"""The routes of command: incidents, tasks with their files, plans. Who asks is ``request.state.actor``."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Protocol

from fastapi import APIRouter, File, Query, Request, UploadFile
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import FileResponse

from cityheart.command import models
from cityheart.command.models import Incident, Task
from cityheart.command.service import Command
from cityheart.command.views import incident_json, patch_json, plan_json, progress_json, run_json, task_json
from cityheart.kernel import limits
from cityheart.kernel.actors import Actor
from cityheart.kernel.errors import BadRequest, Forbidden, NotFound
from cityheart.kernel.refusals import language_of, retold

__all__ = ["Ledger", "router"]


class Ledger(Protocol):
    """Who held a task when; the account function has it."""

    def custody_of(self, runs: Sequence[str]) -> Mapping[str, Sequence[Mapping[str, object]]]:
        """For every task of these runs its custody, oldest first."""
        ...


Title = Annotated[
    dict[Literal["zh-CN", "en"], Annotated[str, Field(min_length=1, max_length=limits.INCIDENT_TITLE_CHARS)]],
    Field(min_length=2),
]


class DispatchOrder(BaseModel):
    """A click on a plan."""

    model_config = ConfigDict(extra="forbid")

    command_id: str
    plan: str
    title: Title | None = None
    kind: Annotated[str, Field(min_length=1, max_length=80)] | None = None
    level: Annotated[int, Field(ge=1, le=4)] | None = None
    parameters: dict[str, bool | int | float | str | list[bool | int | float | str]] | None = None
    supersedes: str | None = None


class LiftOrder(BaseModel):
    """The response is lifted."""

    model_config = ConfigDict(extra="forbid")

    command_id: str
    reason: str


class Place(BaseModel):
    """Where something was done: WGS84 degrees, accuracy in metres."""

    model_config = ConfigDict(extra="forbid")

    lon: float
    lat: float
    accuracy: float = 0.0


class ActPayload(BaseModel):
    """What a person does to a task."""

    model_config = ConfigDict(extra="forbid")

    command_id: str
    reason: str = ""
    note: str = ""
    to: str | None = None
    until: datetime | None = None
    form: dict[str, object] | None = None
    approve: bool = True
    place: Place | None = None
    clause: str | None = None
    count_offline: bool = False
    satisfied: bool | None = None

    def told(self) -> dict[str, object]:
        """As the verb takes it, without the command id."""
        given = {name: getattr(self, name) for name in ActPayload.model_fields if name not in ("command_id", "place")}
        place = self.place
        return {**given, "place": place and models.Place(place.lon, place.lat, place.accuracy)}


class ActOrder(ActPayload):
    """What a person does to a task now. ``done_at`` and ``sent_at`` are by the clock of the sender."""

    done_at: datetime | None = None
    sent_at: datetime | None = None


class QueuedAct(ActPayload):
    """What a person did to a task without a connection, ``at`` by the phone's clock."""

    task_id: str
    verb: str
    at: datetime | None = None


class Queue(BaseModel):
    """Acts that a phone kept, in their order; ``sent_at`` is the phone's present."""

    model_config = ConfigDict(extra="forbid")

    acts: Annotated[list[QueuedAct], Field(max_length=limits.ACTS_TOGETHER)]
    sent_at: datetime | None = None


class PatchOrder(BaseModel):
    """A commander's change of one run."""

    model_config = ConfigDict(extra="forbid")

    command_id: str
    op: str
    reason: str
    step: str | dict[str, object] | None = None
    before: list[str] = []
    unit: str | None = None
    due: datetime | None = None


def router(command: Command, account: Ledger) -> APIRouter:
    """The routes. ``account`` tells who held a task when."""
    routes = APIRouter(prefix="/api", tags=["command"])
    _incident_routes(routes, command, account)
    _run_routes(routes, command, account)
    _file_routes(routes, command)  # before those of tasks: their last takes any verb
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

    @routes.get("/incidents/{incident_id}/log/check", summary="Whether the log of an incident is what was written")
    def check(request: Request, incident_id: str) -> dict[str, object]:
        return command.check_log(_actor(request), incident_id)

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


def _run_routes(routes: APIRouter, command: Command, account: Ledger) -> None:
    @routes.get("/runs/{run_id}", summary="One run: its steps as they are for it, its changes, what it has learnt")
    def run(request: Request, run_id: str) -> dict[str, object]:
        actor = _actor(request)
        found, tasks, automatic = command.run(actor, run_id)
        receipts = command.receipts(task.id for task in tasks)
        shown = run_json(command, actor, found, tasks, receipts, account.custody_of([run_id]))
        everything = command.sees_all(actor)
        return {
            **shown,
            "incident_id": found.incident,
            "steps": progress_json(command, command.effective(found), tasks, automatic),
            "context": dict(found.context) if everything else {},
            "variables": dict(found.variables) if everything else {},
        }

    @routes.post("/runs/{run_id}/patches", summary="Change this run: add, skip, reassign or extend a step")
    def patch(request: Request, run_id: str, order: PatchOrder) -> dict[str, object]:
        return command.patch(
            _actor(request), order.command_id, run_id, order.op, reason=order.reason, step=order.step,
            before=order.before, unit=order.unit, due=order.due,
        )  # fmt: skip

    @routes.get("/runs/{run_id}/patches", summary="The changes of a run, oldest first")
    def patches(request: Request, run_id: str) -> dict[str, object]:
        actor = _actor(request)
        found, _, _ = command.run(actor, run_id)
        rows = [patch_json(command, each) for each in found.patches] if command.sees_all(actor) else []
        return {"items": rows, "total": len(rows), "next": None}


def _task_routes(routes: APIRouter, command: Command, account: Ledger) -> None:
    def rows(actor: Actor, items: Sequence[Task]) -> list[dict[str, object]]:
        runs = sorted({task.run for task in items})
        receipts, plans = command.receipts(task.id for task in items), command.plans_of(runs)
        custody, titles = account.custody_of(runs), command.incident_titles(task.incident for task in items)
        return [
            {
                **task_json(command, actor, task, plans[task.run], receipts.get(task.id, ()), custody.get(task.id, ())),
                "incident_title": titles.get(task.incident),
            }
            for task in items
        ]

    def shown(actor: Actor, task_id: str) -> dict[str, object]:
        return rows(actor, [command.task(actor, task_id)])[0]

    @routes.get("/tasks", summary="Tasks, oldest first")
    def tasks(
        request: Request,
        unit: str | None = None,
        state: str | None = None,
        over: bool | None = None,
        due_before: datetime | None = None,
        text: str | None = None,
        mine: bool = False,
        limit: int = 50,
        after: str | None = None,
    ) -> dict[str, object]:
        actor, limit = _actor(request), _limit(limit)
        if due_before is not None and due_before.tzinfo is None:
            raise BadRequest("due_before has no time zone", remedy="write it as 2015-12-01T08:00:00Z")
        if text is not None and len(text) > limits.CONDITION_CHARS:
            raise BadRequest("text is too long", remedy="look for fewer words")
        if mine:
            unit = unit or actor.department
            over = False if state is None and over is None else over
        items, total = command.tasks(
            actor,
            unit=unit,
            state=state,
            over=over,
            due_before=due_before,
            words=text,
            after=_cursor(after),
            limit=limit,
        )
        return _page(rows(actor, items), total, limit, _last(items))

    @routes.get("/tasks/changes", summary="Tasks that changed since: what a phone must take in")
    def changes(request: Request, after: Annotated[int | None, Query(ge=0, lt=2**62)] = None) -> dict[str, object]:
        actor = _actor(request)
        found = command.changes(actor, after)
        return {"items": rows(actor, found.tasks), "next": found.cursor, "more": found.more}

    @routes.post("/acts", summary="Acts that a phone kept without a connection, played in their order")
    def play(request: Request, queue: Queue) -> dict[str, object]:
        acts = [
            {**each.told(), "command_id": each.command_id, "task_id": each.task_id, "verb": each.verb, "at": each.at}
            for each in queue.acts
        ]
        return {"items": _told(request, command.play(_actor(request), acts, queue.sent_at))}

    @routes.get("/tasks/{task_id}", summary="One task")
    def task(request: Request, task_id: str) -> dict[str, object]:
        return shown(_actor(request), task_id)

    @routes.post("/tasks/{task_id}/{verb}", summary="Act on a task: accept, submit, verify, reject, return, …")
    def act(request: Request, task_id: str, verb: str, order: ActOrder) -> dict[str, object]:
        actor = _actor(request)
        told: dict[str, Any] = order.told()
        result = command.act(
            actor, order.command_id, task_id, verb, done_at=order.done_at, sent_at=order.sent_at, **told
        )
        try:
            return shown(actor, task_id)
        except Forbidden:  # who calls residents back need not see the task
            return result


def _file_routes(routes: APIRouter, command: Command) -> None:
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


def _plan_routes(routes: APIRouter, command: Command) -> None:
    @routes.get("/plans", summary="Published plans, newest first")
    def plans(request: Request) -> dict[str, object]:
        items = [plan_json(command, plan) for plan in command.plans(_actor(request))]
        return {"items": items, "total": len(items), "next": None}


def _told(request: Request, played: list[dict[str, object]]) -> list[dict[str, object]]:
    """What became of acts, with refusals in the reader's language."""
    language = language_of(request.headers.get("accept-language", ""))
    for each in played:
        if isinstance(problem := each.get("problem"), dict):
            each["problem"] = retold(problem, language)
    return played


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

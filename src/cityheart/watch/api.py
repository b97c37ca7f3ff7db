"""The routes of watch: alerts, their acknowledgement, what command suggests for them, and backtests."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Protocol, cast

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field

from cityheart.kernel import limits
from cityheart.kernel.actors import Actor
from cityheart.kernel.errors import Conflict, Unauthenticated
from cityheart.kernel.text import Text
from cityheart.watch.alarms import api as alarms_api
from cityheart.watch.service import Watch

__all__ = ["Commanding", "router"]


class PlanVersion(Protocol):
    """A published plan: its digest and its one JSON spelling."""

    @property
    def digest(self) -> str: ...

    @property
    def canonical(self) -> str: ...


class Suggested(Protocol):
    """A plan with the reason for it."""

    @property
    def plan(self) -> PlanVersion: ...

    @property
    def reason(self) -> Text: ...


class Commanding(Protocol):
    """What watch asks of command: which plans suit an alert, and to set one going."""

    def suggest(self, kind: str, level: int, at: datetime) -> Sequence[Suggested]:
        """Plans for an alert kind and level at a moment, the best first."""
        ...

    def unit_title(self, code: str) -> Text:
        """The title of a department."""
        ...

    def dispatch(
        self,
        actor: Actor,
        command_id: str,
        incident: Mapping[str, object],
        plan: str,
        supersedes: str | None = None,
    ) -> dict[str, object]:
        """Start the plan (by digest) for the incident, once for a command id; ``{"incident_id", "run_id"}``."""
        ...


class Advising(Protocol):
    """What watch asks of knowledge: which plans suit an alert, with similar cases, clauses and reasons."""

    def for_alert(self, actor: Actor, alert: Mapping[str, object]) -> dict[str, object]:
        """The suggestion for an alert as :meth:`Watch.alert` shows it."""
        ...


class Acknowledgement(BaseModel):
    """A click on "acknowledge"."""

    command_id: str = Field(min_length=8, max_length=80)
    note: str = Field(default="", max_length=limits.TEXT_CHARS)


class Dispatch(BaseModel):
    """A click on "dispatch": the plan's digest, and values for its parameters other than its own."""

    command_id: str = Field(min_length=8, max_length=80)
    plan: str = Field(max_length=80)
    parameters: dict[str, bool | int | float | str | list[bool | int | float | str]] | None = None


def router(watch: Watch, command: Commanding, knowledge: Advising | None = None) -> APIRouter:
    """Routes below ``/api/alerts`` and ``/api/detectors``. Without ``knowledge`` plans are suggested as declared."""
    routes = APIRouter(prefix="/api", tags=["watch"])
    alarms = alarms_api.router(watch.suppressing, watch.rates)
    routes.routes += alarms.routes  # first: /alerts/rate is no alert

    @routes.get("/alert-kinds", summary="What kinds of alert are called")
    def kinds(request: Request) -> dict[str, object]:
        _actor(request)  # names are no data: whoever is signed in reads them
        return {"items": [{"code": kind.kind, "title": kind.title} for kind in watch.kinds()]}

    @routes.get("/alerts")
    def alerts(
        request: Request,
        state: str = "open",
        level: Annotated[int | None, Query(ge=1, le=4)] = None,
        limit: Annotated[int, Query(ge=1, le=limits.PAGE_ROWS)] = 50,
        after: Annotated[str | None, Query(max_length=40)] = None,
    ) -> dict[str, object]:
        """A page of alerts: open ones by severity, others newest first; with counts of what is open."""
        actor = _actor(request)
        page = watch.alerts(actor, state=state, level=level, limit=limit, after=after)
        return {**page, "counts": watch.counts(actor)}

    @routes.get("/alerts/{alert_id}")
    def alert(request: Request, alert_id: str) -> dict[str, object]:
        """One alert with its level history, evidence and reasons."""
        return watch.alert(_actor(request), alert_id)

    @routes.post("/alerts/{alert_id}/acknowledge")
    def acknowledge(request: Request, alert_id: str, body: Acknowledgement) -> dict[str, object]:
        """A named person takes note of the alert, which issues it."""
        return watch.acknowledge(_actor(request), alert_id, body.command_id, body.note).json()

    @routes.get("/alerts/{alert_id}/suggestion")
    def suggestion(request: Request, alert_id: str) -> dict[str, object]:
        """Plans that suit the alert at its present level, the best first, with similar cases, clauses and reasons."""
        actor = _actor(request)
        shown = watch.alert(actor, alert_id)
        if knowledge is not None:
            return knowledge.for_alert(actor, shown)
        kind, level, at = cast(str, shown["kind"]), cast(int, shown["level"]), cast(datetime, shown["updated_at"])
        return {"plans": [_suggested(one, command) for one in command.suggest(kind, level, at)]}

    @routes.post("/alerts/{alert_id}/dispatch")
    def dispatch(request: Request, alert_id: str, body: Dispatch) -> dict[str, object]:
        """Start a plan for the alert: one click, one incident, one run."""
        actor = _actor(request)
        shown = watch.alert(actor, alert_id)
        if shown["state"] == "ended":
            raise Conflict("the alert is over", remedy="open an incident without it if something is left to do")
        spec = {**watch.incident_spec(shown), **({"parameters": body.parameters} if body.parameters else {})}
        started = command.dispatch(actor, body.command_id, spec, body.plan)
        watch.follow_incidents()
        return started

    return routes


def _suggested(one: Suggested, command: Commanding) -> dict[str, object]:
    plan = json.loads(one.plan.canonical)
    shown = ("id", "title", "unit", "after", "delay", "accept_within", "due", "evidence", "verify_by")
    steps = [
        {**{name: step[name] for name in shown}, "unit_title": command.unit_title(step["unit"])}
        for step in plan["steps"]
    ]
    return {
        "digest": one.plan.digest,
        "id": plan["plan"],
        "version": plan["version"],
        "title": plan["title"],
        "reason": one.reason,
        "steps": steps,
    }


def _actor(request: Request) -> Actor:
    actor = getattr(request.state, "actor", None)
    if not isinstance(actor, Actor):
        raise Unauthenticated("nobody is signed in", remedy="sign in first")
    return actor

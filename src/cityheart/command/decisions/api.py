"""The routes of decision tables: read one, open it in a modeler, try it. Who asks is ``request.state.actor``."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict

from cityheart.command.decisions.service import Decisions
from cityheart.command.decisions.views import decision_json, outcome_json
from cityheart.kernel.access import require

__all__ = ["router"]


class Trial(BaseModel):
    """Values to decide by, by the name of the input."""

    model_config = ConfigDict(extra="forbid")

    inputs: dict[str, object]


def router(decisions: Decisions) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/api/decisions", tags=["command"])

    @routes.get("/{digest}", summary="One version of a decision table")
    def decision(request: Request, digest: str) -> dict[str, object]:
        require(request.state.actor, "plan.read")
        return decision_json(decisions.decision(digest))

    @routes.get("/{digest}/dmn", summary="The same as a DMN file with a diagram")
    def drawn(request: Request, digest: str) -> Response:
        require(request.state.actor, "plan.read")
        found = decisions.decision(digest)
        headers = {
            "content-disposition": f'attachment; filename="{found.name}.dmn"',
            "x-content-type-options": "nosniff",
        }
        return Response(decisions.drawn(digest), media_type="application/xml", headers=headers)

    @routes.post("/{digest}/try", summary="What would be decided, and why; nothing is changed")
    def trial(request: Request, digest: str, trial: Trial) -> dict[str, object]:
        require(request.state.actor, "plan.read")
        found = decisions.decision(digest)
        return outcome_json(found, found.decide(trial.inputs))

    return routes

"""Routes of detectors as people read them, and of asking for trials."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from cityheart.kernel import limits
from cityheart.kernel.actors import Actor
from cityheart.kernel.errors import Unauthenticated
from cityheart.watch.trials.service import Trials

__all__ = ["router"]

Freshness = Callable[[Actor], Mapping[str, Mapping[str, object]]]


class NewTrial(BaseModel):
    """A period, the parameters that are to be different, and a name to find it by."""

    command_id: str = Field(min_length=8, max_length=80)
    since: datetime
    until: datetime
    parameters: dict[str, object] = Field(default={}, max_length=200)
    name: str = Field(default="", max_length=limits.TRIAL_NAME_CHARS)


def router(trials: Trials, freshness: Freshness) -> APIRouter:
    """Routes below ``/api/detectors``; ``freshness`` tells of datasets what an actor may see."""
    routes = APIRouter(prefix="/api", tags=["watch"])

    @routes.get("/detectors")
    def detectors(request: Request) -> dict[str, object]:
        """Every detector: its application, its inputs and how fresh they are, what it found, what people made of it."""
        actor = _actor(request)
        items = trials.detectors(actor, freshness(actor))
        return {"items": items, "total": len(items), "next": None}

    @routes.get("/detectors/{detector_id}")
    def detector(request: Request, detector_id: str) -> dict[str, object]:
        """One detector: what its parameters mean, its findings by day, the cost of a look, its latest backtests."""
        actor = _actor(request)
        return trials.detector(actor, detector_id, freshness(actor))

    @routes.post("/detectors/{detector_id}/trials", status_code=201)
    def start(request: Request, detector_id: str, body: NewTrial) -> dict[str, object]:
        """Ask for a backtest, which is kept: the job, as /api/jobs/ID shows it."""
        return trials.start(
            _actor(request), body.command_id, detector_id, body.since, body.until, body.parameters, body.name
        )

    return routes


def _actor(request: Request) -> Actor:
    actor = getattr(request.state, "actor", None)
    if not isinstance(actor, Actor):
        raise Unauthenticated("nobody is signed in", remedy="sign in first")
    return actor

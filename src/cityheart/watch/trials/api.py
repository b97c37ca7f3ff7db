"""Routes of detectors as people read them, and of trials."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request
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


class Order(BaseModel):
    """A click, counted once."""

    command_id: str = Field(min_length=8, max_length=80)


def router(trials: Trials, freshness: Freshness) -> APIRouter:
    """Routes below ``/api/detectors`` and ``/api/trials``; ``freshness`` tells of datasets what an actor may see."""
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
        """Start a backtest that is kept; one runs at a time."""
        return trials.start(
            _actor(request), body.command_id, detector_id, body.since, body.until, body.parameters, body.name
        )

    @routes.get("/trials")
    def listed(
        request: Request,
        detector: Annotated[str | None, Query(max_length=80)] = None,
        limit: Annotated[int, Query(ge=1, le=limits.PAGE_ROWS)] = 50,
        after: Annotated[str | None, Query(max_length=60)] = None,
    ) -> dict[str, object]:
        """Backtests that were kept, the newest first."""
        return trials.trials(_actor(request), detector, after, limit)

    @routes.get("/trials/{trial_id}")
    def trial(request: Request, trial_id: str) -> dict[str, object]:
        """One backtest: how far it is, and what came of it by day and case by case."""
        return trials.trial(_actor(request), trial_id)

    @routes.post("/trials/{trial_id}/stop")
    def stop(request: Request, trial_id: str, body: Order) -> dict[str, object]:
        """Stop a backtest that is under way."""
        return trials.stop(_actor(request), body.command_id, trial_id)

    return routes


def _actor(request: Request) -> Actor:
    actor = getattr(request.state, "actor", None)
    if not isinstance(actor, Actor):
        raise Unauthenticated("nobody is signed in", remedy="sign in first")
    return actor

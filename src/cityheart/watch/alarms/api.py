"""The routes of alarm management: suppressions, and how many alerts there are to take."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field

from cityheart.kernel import limits
from cityheart.kernel.actors import Actor
from cityheart.kernel.errors import Unauthenticated
from cityheart.watch.alarms.rate import Rates
from cityheart.watch.alarms.suppress import Suppressing

__all__ = ["router"]


class Silence(BaseModel):
    """A click on "suppress": what, until when, and why."""

    command_id: str = Field(min_length=8, max_length=80)
    scope: Literal["matter", "kind", "detector"] = "matter"
    detector: str | None = Field(default=None, max_length=80)
    until: datetime
    reason: str = Field(min_length=1, max_length=limits.TEXT_CHARS)


def router(suppressing: Suppressing, rates: Rates) -> APIRouter:
    """Routes below ``/api/suppressions``, ``/api/alerts/rate`` and ``/api/alerts/{id}/suppress``."""
    routes = APIRouter(prefix="/api", tags=["watch"])

    @routes.get("/alerts/rate", summary="How many alerts there were to take")
    def rate(
        request: Request,
        hours: Annotated[int, Query(ge=1, le=limits.RATE_HOURS)] = 24,
        operators: Annotated[int | None, Query(ge=1, le=limits.RATE_OPERATORS)] = None,
        until: datetime | None = None,
    ) -> dict[str, object]:
        """Alerts per operator in ten minutes, floods, the most frequent, what was acknowledged in time, what is stale."""
        return rates.rate(_actor(request), hours=hours, operators=operators, until=until)

    @routes.post("/alerts/{alert_id}/suppress", summary="Silence alerts for a while")
    def suppress(request: Request, alert_id: str, body: Silence) -> dict[str, object]:
        """A named person silences the matter, its kind or one detector of it at the present level, until a moment."""
        return suppressing.suppress(
            _actor(request),
            alert_id,
            body.command_id,
            scope=body.scope,
            detector=body.detector,
            until=body.until,
            reason=body.reason,
        )

    @routes.get("/suppressions", summary="What is silenced")
    def suppressions(
        request: Request,
        state: Literal["in_force", "ended", "all"] = "in_force",
        limit: Annotated[int, Query(ge=1, le=limits.PAGE_ROWS)] = 50,
        after: Annotated[str | None, Query(max_length=40)] = None,
    ) -> dict[str, object]:
        """A page of suppressions, the newest first, each with how many alerts it holds and ever held."""
        return suppressing.suppressions(_actor(request), state=state, limit=limit, after=after)

    @routes.get("/suppressions/{suppression_id}", summary="One suppression")
    def suppression(request: Request, suppression_id: str) -> dict[str, object]:
        """One suppression with how many alerts it holds."""
        return suppressing.suppression(_actor(request), suppression_id)

    @routes.delete("/suppressions/{suppression_id}", summary="Lift a suppression")
    def lift(
        request: Request,
        suppression_id: str,
        command_id: Annotated[str, Query(min_length=8, max_length=80)],
        reason: Annotated[str, Query(max_length=2_000)] = "",
    ) -> dict[str, object]:
        """End a suppression before its time: its alerts are back in the queue at once."""
        return suppressing.lift(_actor(request), suppression_id, command_id, reason)

    return routes


def _actor(request: Request) -> Actor:
    actor = getattr(request.state, "actor", None)
    if not isinstance(actor, Actor):
        raise Unauthenticated("nobody is signed in", remedy="sign in first")
    return actor

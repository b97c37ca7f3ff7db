"""The routes of long work: what one asked for, how far it is, what came of it, and stopping it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from cityheart.kernel import limits
from cityheart.kernel.actors import Actor
from cityheart.kernel.errors import Unauthenticated
from cityheart.kernel.jobs.models import STATES, Sought, State
from cityheart.kernel.jobs.service import Jobs

__all__ = ["router"]


class Order(BaseModel):
    """A click, counted once."""

    model_config = ConfigDict(extra="forbid")

    command_id: str = Field(min_length=8, max_length=80)


def router(jobs: Jobs) -> APIRouter:
    """Routes below ``/api/jobs``; each kind of work is asked for where its matter is."""
    routes = APIRouter(prefix="/api/jobs", tags=["jobs"])

    @routes.get("", summary="Long work that one asked for, and that of others as far as one may see it, newest first")
    def listed(
        request: Request,
        mine: bool = False,
        kind: Annotated[list[str], Query(max_length=20)] = [],  # noqa: B006
        about: Annotated[str | None, Query(max_length=120)] = None,
        state: Annotated[list[State], Query(max_length=len(STATES))] = [],  # noqa: B006
        after: Annotated[int, Query(ge=0, le=10**9)] = 0,
        limit: Annotated[int, Query(ge=1, le=limits.PAGE_ROWS)] = 50,
    ) -> dict[str, object]:
        """``mine``: only one's own. ``kind`` and ``state`` may be given several times."""
        return jobs.jobs(
            _actor(request), Sought(mine, tuple(kind), about, tuple(state)), after=after, limit=limit
        )  # fmt: skip

    @routes.get("/{job_id}", summary="One job: how far it is, and what came of it")
    def one(request: Request, job_id: str) -> dict[str, object]:
        return jobs.job(_actor(request), job_id)

    @routes.post("/{job_id}/stop", summary="Stop a job; one that is over stays what it is")
    def stop(request: Request, job_id: str, order: Order) -> dict[str, object]:
        return jobs.stop(_actor(request), order.command_id, job_id)

    return routes


def _actor(request: Request) -> Actor:
    actor = getattr(request.state, "actor", None)
    if not isinstance(actor, Actor):
        raise Unauthenticated("nobody is signed in", remedy="sign in first")
    return actor

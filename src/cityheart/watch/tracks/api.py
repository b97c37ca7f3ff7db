"""The routes of tracks."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request

from cityheart.kernel.actors import Actor
from cityheart.kernel.errors import Invalid, Unauthenticated
from cityheart.watch.tracks.service import Tracks

__all__ = ["router"]


def router(tracks: Tracks) -> APIRouter:
    """Routes below ``/api/tracks``."""
    routes = APIRouter(prefix="/api/tracks", tags=["watch"])

    @routes.get("")
    def track(
        request: Request,
        dataset: Annotated[str, Query(max_length=80)],
        key: Annotated[str, Query(min_length=1, max_length=200)],
        since: Annotated[datetime, Query(alias="from")],
        until: Annotated[datetime, Query(alias="to")],
        at: datetime | None = None,
        tolerance_m: Annotated[float, Query(ge=0, le=10_000)] = 15.0,
    ) -> dict[str, object]:
        """The way of one vehicle, simplified, with its stays, trips and visits, as known at a moment."""
        known = None if at is None else _aware(at)
        return tracks.track(
            _actor(request), dataset, key, _aware(since), _aware(until), at=known, tolerance_m=tolerance_m
        )

    @routes.get("/datasets")
    def followed(request: Request) -> dict[str, object]:
        """Datasets whose vehicles are followed, and what counts as a stay, a trip, a jump."""
        items = tracks.followed(_actor(request))
        return {"items": items, "total": len(items), "next": None}

    return routes


def _aware(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise Invalid("the moment has no offset", remedy="write it as 2026-03-24T08:00:00Z")
    return at


def _actor(request: Request) -> Actor:
    actor = getattr(request.state, "actor", None)
    if not isinstance(actor, Actor):
        raise Unauthenticated("nobody is signed in", remedy="POST /api/session")
    return actor

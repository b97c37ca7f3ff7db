"""The routes of the command centre's desk, across functions: find anything, look back, the ground of the map."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import FileResponse

from cityheart.kernel import limits
from cityheart.kernel.actors import Actor
from cityheart.kernel.errors import Invalid, Unauthenticated
from cityheart.watch.past import Past
from cityheart.web.find import Finder
from cityheart.web.ground import Ground

__all__ = ["router"]


def router(finder: Finder, past: Past, ground: Ground) -> APIRouter:
    """Routes ``/api/find``, ``/api/past/alerts`` and below ``/api/ground``."""
    routes = APIRouter(prefix="/api", tags=["desk"])

    @routes.get("/find", summary="Alerts, incidents, tasks, subjects, sources, datasets, plans by a few letters")
    def find(
        request: Request,
        q: Annotated[str, Query(max_length=limits.FIND_CHARS)] = "",
        limit: Annotated[int, Query(ge=1, le=limits.FIND_HITS)] = 30,
    ) -> dict[str, object]:
        return finder.find(_actor(request), q, limit)

    @routes.get("/past/alerts", summary="Alerts that stood in some time, with the moments at which their level changed")
    def alerts(
        request: Request,
        since: Annotated[datetime, Query(alias="from")],
        until: Annotated[datetime, Query(alias="to")],
    ) -> dict[str, object]:
        return past.alerts(_actor(request), since, until)

    @routes.get("/ground", summary="What the map stands on: areas, zones, the city's own layers")
    def declared(request: Request) -> dict[str, object]:
        return ground.declared(_actor(request))

    @routes.get("/ground/areas", summary="GeoJSON (WGS84): the areas in force at a moment")
    def areas(request: Request, at: datetime | None = None) -> dict[str, object]:
        if at is not None and at.tzinfo is None:
            raise Invalid("the moment has no offset", remedy="write it as 2015-12-01T08:00:00Z")
        return ground.areas(_actor(request), at)

    @routes.get("/ground/zones", summary="GeoJSON (WGS84): zones of rules")
    def zones(request: Request) -> dict[str, object]:
        return ground.zones(_actor(request))

    @routes.get("/ground/layers/{number}/{name}", summary="A file of the city's own map, also a part of it")
    def layer(request: Request, number: int, name: str) -> FileResponse:
        return FileResponse(ground.file(_actor(request), number, name))

    return routes


def _actor(request: Request) -> Actor:
    actor = getattr(request.state, "actor", None)
    if not isinstance(actor, Actor):
        raise Unauthenticated("nobody is signed in", remedy="POST /api/session")
    return actor

"""The routes of what applications show: layers with their features and series, panels."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request

from cityheart.kernel import limits
from cityheart.kernel.actors import Actor
from cityheart.kernel.errors import Invalid, Unauthenticated
from cityheart.sdk.pages import Pages

__all__ = ["router"]


def router(pages: Pages) -> APIRouter:
    """Routes below ``/api/layers`` and ``/api/panels``."""
    routes = APIRouter(prefix="/api", tags=["applications"])

    @routes.get("/layers")
    def layers(request: Request) -> list[dict[str, object]]:
        """Every layer of the map as the applications declare it."""
        return pages.layers(_actor(request))

    @routes.get("/layers/{layer_id}")
    def features(request: Request, layer_id: str, at: datetime | None = None) -> dict[str, object]:
        """GeoJSON (WGS84): the newest value of each key, as known at a moment."""
        return pages.features(_actor(request), layer_id, _aware(at))

    @routes.get("/layers/{layer_id}/series")
    def series(
        request: Request,
        layer_id: str,
        key: Annotated[str, Query(max_length=200)],
        hours: Annotated[int, Query(ge=1, le=limits.SERIES_HOURS)] = 72,
        at: datetime | None = None,
    ) -> dict[str, object]:
        """The values of one key over the last hours."""
        return pages.series(_actor(request), layer_id, key, hours, _aware(at))

    @routes.get("/panels")
    def panels(request: Request) -> list[dict[str, object]]:
        """Every panel of the applications."""
        return pages.panels(_actor(request))

    @routes.get("/panels/{panel_id}")
    def panel(request: Request, panel_id: str, at: datetime | None = None) -> dict[str, object]:
        """The content of a panel as known at a moment: evidence, a table or a text."""
        return pages.panel(_actor(request), panel_id, _aware(at))

    return routes


def _aware(at: datetime | None) -> datetime | None:
    if at is not None and at.tzinfo is None:
        raise Invalid("the moment has no offset", remedy="write it as 2015-12-01T08:00:00Z")
    return at


def _actor(request: Request) -> Actor:
    actor = getattr(request.state, "actor", None)
    if not isinstance(actor, Actor):
        raise Unauthenticated("nobody is signed in", remedy="sign in first")
    return actor

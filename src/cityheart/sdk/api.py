"""The routes of what applications show: layers with their features and series, panels, pages with their sections and forms."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from cityheart.kernel import limits
from cityheart.kernel.actors import Actor
from cityheart.kernel.errors import Invalid, Unauthenticated
from cityheart.sdk.pages import Pages

__all__ = ["router"]


def router(pages: Pages) -> APIRouter:
    """Routes below ``/api/layers``, ``/api/panels`` and ``/api/pages``."""
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

    _pages(routes, pages)
    return routes


class Sent(BaseModel):
    """A filled form, with the parameters of the page it stands on."""

    model_config = ConfigDict(extra="forbid")

    command_id: str
    values: dict[str, object]
    parameters: Annotated[dict[str, Annotated[str, Field(max_length=200)]], Field(max_length=20)] = {}


def _pages(routes: APIRouter, pages: Pages) -> None:
    @routes.get("/pages")
    def listed(request: Request) -> list[dict[str, object]]:
        """Every page of the applications, in order."""
        return pages.showing.listed(_actor(request))

    @routes.get("/pages/subject")
    def subject(
        request: Request, by: Annotated[str, Query(max_length=40)], value: Annotated[str, Query(max_length=200)]
    ) -> dict[str, object]:
        """The id of the subject that an identifier names."""
        return pages.showing.subject(_actor(request), by, value)

    @routes.get("/pages/{page_id}")
    def page(request: Request, page_id: str, at: datetime | None = None) -> dict[str, object]:
        """A page: its parameters with what can be chosen, and its sections. Any other parameter is the page's own."""
        return pages.showing.page(_actor(request), page_id, _given(request), _aware(at))

    @routes.get("/pages/{page_id}/sections/{section_id}")
    def section(request: Request, page_id: str, section_id: str, at: datetime | None = None) -> dict[str, object]:
        """The content of one section, as known at a moment. Any other parameter is the page's own."""
        return pages.showing.section(_actor(request), page_id, section_id, _given(request), _aware(at))

    @routes.post("/pages/{page_id}/sections/{section_id}")
    def submit(request: Request, page_id: str, section_id: str, sent: Sent) -> dict[str, object]:
        """Record a filled form."""
        return pages.showing.submit(_actor(request), page_id, section_id, sent.command_id, sent.values, sent.parameters)


def _given(request: Request) -> dict[str, str]:
    given = {name: value for name, value in request.query_params.items() if name != "at"}
    if len(given) > limits.PAGE_PARAMETERS or any(len(value) > limits.PAGE_PARAMETER_CHARS for value in given.values()):
        raise Invalid("too many parameters, or one is too long", remedy="GET /api/pages/ID lists them")
    return given


def _aware(at: datetime | None) -> datetime | None:
    if at is not None and at.tzinfo is None:
        raise Invalid("the moment has no offset", remedy="write it as 2015-12-01T08:00:00Z")
    return at


def _actor(request: Request) -> Actor:
    actor = getattr(request.state, "actor", None)
    if not isinstance(actor, Actor):
        raise Unauthenticated("nobody is signed in", remedy="sign in first")
    return actor

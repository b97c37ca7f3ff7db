"""The routes of block data: subjects, their rows and ties, questions, areas. Who asks is ``request.state.actor``."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from cityheart.entities.previewing import Previews
from cityheart.entities.service import Entities
from cityheart.entities.views import area_shown
from cityheart.kernel import limits
from cityheart.kernel.actors import Actor
from cityheart.kernel.errors import Invalid

__all__ = ["router"]

Kind = Literal["firm", "site", "vehicle", "tank", "outlet", "meter"]
Page = Annotated[int, Query(ge=1, le=limits.PAGE_ROWS)]
After = Annotated[str | None, Query(max_length=80)]


class Decision(BaseModel):
    """Whether two records are the same."""

    model_config = ConfigDict(extra="forbid")

    command_id: str
    decision: Literal["same", "different"]
    reason: Annotated[str | None, Field(max_length=limits.TEXT_CHARS)] = None


class Split(BaseModel):
    """Which records are of another subject."""

    model_config = ConfigDict(extra="forbid")

    command_id: str
    records: Annotated[list[str], Field(min_length=1, max_length=limits.SUBJECT_RECORDS)]
    reason: Annotated[str, Field(min_length=1, max_length=limits.TEXT_CHARS)]


class Merge(BaseModel):
    """Which other subject is the same."""

    model_config = ConfigDict(extra="forbid")

    command_id: str
    other: Annotated[str, Field(min_length=1, max_length=80)]
    reason: Annotated[str, Field(min_length=1, max_length=limits.TEXT_CHARS)]


class Click(BaseModel):
    """A click, counted once."""

    model_config = ConfigDict(extra="forbid")

    command_id: str


class Rebuild(BaseModel):
    """Why all subjects are made anew."""

    model_config = ConfigDict(extra="forbid")

    command_id: str
    reason: Annotated[str, Field(min_length=1, max_length=limits.TEXT_CHARS)]


def router(entities: Entities, previews: Previews) -> APIRouter:
    """The routes below ``/api/subjects``, ``/api/links`` and ``/api/areas``."""
    routes = APIRouter(prefix="/api", tags=["entities"])
    _subjects(routes, entities, previews)
    _questions(routes, entities)
    return routes


def _subjects(routes: APIRouter, entities: Entities, previews: Previews) -> None:
    @routes.get("/subjects", summary="Subjects by name, former name or identifier, also when mistyped or cut short")
    def find(
        request: Request,
        q: Annotated[str, Query(max_length=limits.SUBJECT_QUERY_CHARS)] = "",
        kind: Kind | None = None,
        after: After = None,
        limit: Page = 50,
    ) -> dict[str, object]:
        return entities.find(_actor(request), text=q, kind=kind, after=after, limit=limit)

    @routes.get("/subjects/figures", summary="How many subjects there are, open questions, marks that were left out")
    def figures(request: Request) -> dict[str, object]:
        return entities.figures(_actor(request))

    @routes.post(
        "/subjects/rebuild/preview", status_code=201, summary="Find what making all subjects anew would change: a job"
    )
    def preview(request: Request, order: Click) -> dict[str, object]:
        return previews.start(_actor(request), order.command_id)

    @routes.get("/subjects/rebuild", summary="Rebuilds that were asked for, the newest first")
    def rebuilds(request: Request) -> dict[str, object]:
        return entities.rebuilds(_actor(request))

    @routes.post("/subjects/rebuild", summary="Ask that all subjects are made anew under the present rules")
    def rebuild(request: Request, order: Rebuild) -> dict[str, object]:
        return entities.rebuild(_actor(request), order.command_id, order.reason)

    @routes.get("/subjects/{subject_id}", summary="Everything the city knows of a subject")
    def subject(request: Request, subject_id: str) -> dict[str, object]:
        return entities.subject(_actor(request), subject_id)

    @routes.get("/subjects/{subject_id}/rows", summary="Rows of a dataset about a subject, the newest first")
    def rows(
        request: Request,
        subject_id: str,
        dataset: Annotated[str, Query(max_length=80)],
        after: Annotated[int, Query(ge=0, le=10**6)] = 0,
        limit: Page = 50,
    ) -> dict[str, object]:
        return entities.rows(_actor(request), subject_id, dataset, after=after, limit=limit)

    @routes.get("/subjects/{subject_id}/links", summary="Subjects tied to this one, over one or two hops")
    def links(
        request: Request, subject_id: str, hops: Annotated[int, Query(ge=1, le=2)] = 1
    ) -> dict[str, object]:  # fmt: skip
        return entities.links(_actor(request), subject_id, hops=hops)

    @routes.post("/subjects/{subject_id}/split", summary="Take records out into a subject of their own")
    def split(request: Request, subject_id: str, order: Split) -> dict[str, object]:
        return entities.split(_actor(request), order.command_id, subject_id, order.records, order.reason)

    @routes.post("/subjects/{subject_id}/merge", summary="Say that another subject is the same")
    def merge(request: Request, subject_id: str, order: Merge) -> dict[str, object]:
        return entities.merge(_actor(request), order.command_id, subject_id, order.other, order.reason)


def _questions(routes: APIRouter, entities: Entities) -> None:
    @routes.get("/links/reviews", summary="Questions whether two records are the same, the likeliest first")
    def reviews(
        request: Request,
        state: Literal["open", "same", "different", "overtaken", "all"] = "open",
        kind: Kind | None = None,
        after: After = None,
        limit: Page = 50,
    ) -> dict[str, object]:
        chosen = None if state == "all" else state
        return entities.reviews(_actor(request), state=chosen, kind=kind, after=after, limit=limit)

    @routes.get("/links/reviews/{review_id}", summary="One question with both records")
    def review(request: Request, review_id: str) -> dict[str, object]:
        return entities.review(_actor(request), review_id)

    @routes.post("/links/reviews/{review_id}", summary="Decide a question")
    def decide(request: Request, review_id: str, order: Decision) -> dict[str, object]:
        return entities.decide(_actor(request), order.command_id, review_id, order.decision, order.reason)

    @routes.get("/areas", summary="The areas in force at a moment, or the one a place lies in")
    def areas(
        request: Request,
        at: datetime | None = None,
        lon: Annotated[float | None, Query(ge=-180, le=180)] = None,
        lat: Annotated[float | None, Query(ge=-90, le=90)] = None,
    ) -> dict[str, object]:
        _actor(request)
        moment = at or entities.now()
        if moment.tzinfo is None:
            raise Invalid("a moment without an offset", remedy="write it as 2020-07-06T00:00:00+08:00")
        if (lon is None) != (lat is None):
            raise Invalid("a place has a longitude and a latitude", remedy="give both lon and lat, or none")
        if lon is not None and lat is not None:
            found = entities.area_at(lon, lat, moment)
            items = [area_shown(found)] if found else []
        else:
            items = [area_shown(area) for area in entities.areas.areas(moment)]
        return {"items": items, "total": len(items), "next": None}


def _actor(request: Request) -> Actor:
    actor: Actor = request.state.actor
    return actor

"""The routes of knowledge: suggestions, closed cases, clauses. Who asks is ``request.state.actor``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from cityheart.command.knowledge.service import Knowledge
from cityheart.command.knowledge.views import case_json, clause_json
from cityheart.kernel import limits
from cityheart.kernel.actors import Actor
from cityheart.kernel.text import Text

__all__ = ["router"]

Short = Annotated[str | None, Query(max_length=80)]


class _Given(BaseModel):
    model_config = ConfigDict(extra="forbid")

    origin: Annotated[str, Field(min_length=1, max_length=80)]
    content: str


class CaseFile(_Given):
    """Closed cases of another system: a JSON array or CSV as text."""

    format: Literal["json", "csv"] = "json"


class CaseImport(CaseFile):
    """The same, to be taken over."""

    command_id: str


class ClauseFile(_Given):
    """Clauses as TOML or JSON text."""


class ClauseImport(ClauseFile):
    """The same, to be taken over."""

    command_id: str


Names = Callable[[set[str]], Mapping[str, Text]]


def router(knowledge: Knowledge, names: Names = lambda ids: {}) -> APIRouter:
    """The routes below ``/api/incidents/{id}/suggestions``, ``/api/cases`` and ``/api/clauses``.

    ``names`` gives the names of people by their ids; who is unknown is left out.
    """
    routes = APIRouter(prefix="/api", tags=["knowledge"])

    @routes.get("/incidents/{incident_id}/suggestions", summary="Plans that suit the incident, with cases and clauses")
    def suggestions(request: Request, incident_id: str) -> dict[str, object]:
        return knowledge.for_incident(_actor(request), incident_id)

    @routes.get("/cases", summary="Closed cases, the newest known first")
    def cases(
        request: Request,
        kind: Short = None,
        level: Annotated[int | None, Query(ge=1, le=4)] = None,
        plan: Short = None,
        origin: Short = None,
        text: Short = None,
        after: Annotated[int | None, Query(ge=0, lt=2**62)] = None,
        limit: Annotated[int, Query(ge=1, le=limits.PAGE_ROWS)] = 50,
    ) -> dict[str, object]:
        found, total = knowledge.cases(
            _actor(request), kind=kind, level=level, plan=plan, origin=origin, text=text, after=after, limit=limit
        )
        following = found[-1][0] if len(found) == limit else None
        return {"items": [case_json(case) for _, case in found], "total": total, "next": following}

    @routes.post("/cases/import", summary="Take over closed cases of another system", status_code=201)
    def import_cases(request: Request, order: CaseImport) -> dict[str, object]:
        return knowledge.import_cases(_actor(request), order.command_id, order.origin, order.format, order.content)

    @routes.post("/cases/check", summary="What an import of closed cases would take and refuse; nothing is written")
    def check_cases(request: Request, given: CaseFile) -> dict[str, object]:
        return knowledge.check_cases(_actor(request), given.origin, given.format, given.content)

    @routes.get("/cases/{case_id}", summary="One closed case")
    def case(request: Request, case_id: str) -> dict[str, object]:
        return case_json(knowledge.case(_actor(request), case_id))

    @routes.get("/cases/{case_id}/revisions", summary="Earlier versions of a case that its source corrected")
    def revisions(request: Request, case_id: str) -> dict[str, object]:
        found = knowledge.revisions(_actor(request), case_id)
        known = names({str(one["replaced_by"]) for one in found})
        found = [{**one, "replaced_by_name": known.get(str(one["replaced_by"]))} for one in found]
        return {"items": found, "total": len(found), "next": None}

    @routes.get("/clauses", summary="Regulation clauses and what they mandate")
    def clauses(request: Request, kind: Short = None, on: date | None = None) -> dict[str, object]:
        found = [clause_json(clause) for clause in knowledge.clauses(_actor(request), kind=kind, on=on)]
        return {"items": found, "total": len(found), "next": None}

    @routes.post("/clauses/import", summary="Take over clauses, all or none", status_code=201)
    def import_clauses(request: Request, order: ClauseImport) -> dict[str, object]:
        return knowledge.import_clauses(_actor(request), order.command_id, order.origin, order.content)

    @routes.post("/clauses/check", summary="What an import of clauses would change; nothing is written")
    def check_clauses(request: Request, given: ClauseFile) -> dict[str, object]:
        return knowledge.check_clauses(_actor(request), given.origin, given.content)

    return routes


def _actor(request: Request) -> Actor:
    actor: Actor = request.state.actor
    return actor

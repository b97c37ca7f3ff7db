"""The routes of the library of plans. Who asks is ``request.state.actor``."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Literal, cast

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict
from starlette.responses import Response

from cityheart.command.decisions.service import Version
from cityheart.command.decisions.views import decision_json
from cityheart.command.library.checking import Checked
from cityheart.command.library.comparing import difference
from cityheart.command.library.models import MEDIA, Draft
from cityheart.command.library.service import Library
from cityheart.command.library.store import PlanRow, RunRow
from cityheart.command.models import Plan
from cityheart.kernel import limits
from cityheart.kernel.actors import Actor
from cityheart.kernel.errors import BadRequest
from cityheart.kernel.text import Text

__all__ = ["router"]

Kind = Literal["yaml", "bpmn", "dmn"]
People = Callable[[Iterable[str]], Mapping[str, Text]]  # the names of these ids; who is unknown is left out
Who = Callable[[str], object]


class NewDraft(BaseModel):
    """A draft to keep. ``command_id`` makes the same click twice one draft."""

    model_config = ConfigDict(extra="forbid")

    kind: Kind
    source: str
    command_id: str | None = None


class Saved(BaseModel):
    """The next revision of a draft; ``revision`` is the one that was changed."""

    model_config = ConfigDict(extra="forbid")

    source: str
    revision: int


class Given(BaseModel):
    """A draft to be looked over."""

    model_config = ConfigDict(extra="forbid")

    kind: Kind
    source: str


class Act(BaseModel):
    """What is done to a draft; ``revision`` is the one that was looked at."""

    model_config = ConfigDict(extra="forbid")

    command_id: str
    reason: str = ""
    revision: int | None = None


def router(library: Library, people: People | None = None) -> APIRouter:
    """The routes below ``/api/library``. ``people`` names those who wrote and published; without it their ids stand."""
    routes = APIRouter(prefix="/api/library", tags=["library"])

    def who(ids: Iterable[str]) -> Who:
        names = {} if people is None else people(sorted(set(ids)))
        return lambda id: {"id": id, "name": names[id]} if id in names else id

    _draft_routes(routes, library, who)
    _plan_routes(routes, library, who)
    _table_routes(routes, library, who)
    return routes


def _draft_routes(routes: APIRouter, library: Library, who: Callable[[Iterable[str]], Who]) -> None:
    def shown(actor: Actor, draft: Draft) -> dict[str, object]:
        return {**_draft(library, actor, draft, who(draft.authors)), "source": library.source_of(actor, draft.id)}

    @routes.get("/drafts", summary="Drafts, last changed first")
    def drafts(
        request: Request, state: str | None = None, limit: int = 50, after: str | None = None
    ) -> dict[str, object]:
        if not 1 <= limit <= limits.PAGE_ROWS:
            raise BadRequest(f"limit is {limit}", remedy=f"ask for 1 to {limits.PAGE_ROWS}")
        actor = _actor(request)
        found, total = library.drafts(actor, state, _cursor(after), limit)
        following = _next(found[-1]) if len(found) == limit else None
        named = who(author for one in found for author in one.authors)
        return {"items": [_draft(library, actor, one, named) for one in found], "total": total, "next": following}

    @routes.post("/drafts", summary="Keep a new draft", status_code=201)
    def new(request: Request, given: NewDraft) -> dict[str, object]:
        actor = _actor(request)
        return shown(actor, library.save(actor, given.source, kind=given.kind, command_id=given.command_id))

    @routes.get("/drafts/{draft_id}", summary="One draft with its text")
    def draft(request: Request, draft_id: str) -> dict[str, object]:
        actor = _actor(request)
        return shown(actor, library.draft(actor, draft_id))

    @routes.put("/drafts/{draft_id}", summary="Save the next revision of a draft")
    def save(request: Request, draft_id: str, given: Saved) -> dict[str, object]:
        actor = _actor(request)
        return shown(actor, library.save(actor, given.source, draft_id=draft_id, revision=given.revision))

    @routes.get("/drafts/{draft_id}/revisions", summary="The revisions of a draft, newest first: who, when")
    def revisions(request: Request, draft_id: str) -> dict[str, object]:
        found = library.revisions(_actor(request), draft_id)
        named = who(author for _, author, _ in found)
        items = [{"revision": number, "author": named(author), "at": at} for number, author, at in found]
        return {"items": items, "total": len(items), "next": None}

    @routes.get("/drafts/{draft_id}/revisions/{revision}", summary="An earlier revision: text, drawing, what changed")
    def earlier(request: Request, draft_id: str, revision: int, against: int | None = None) -> dict[str, object]:
        actor = _actor(request)
        one, other = (library.revision(actor, draft_id, number) for number in (revision, against))
        checked, compared = library.checked(one), library.checked(other)
        older, newer = (checked, compared) if one.number <= other.number else (compared, checked)
        changed = None if older.plan is None or newer.plan is None else difference(older.plan, newer.plan)
        return {
            **_checked(library, one.kind, checked),
            "draft": draft_id,
            "revision": one.number,
            "author": who([one.author])(one.author),
            "at": one.at,
            "source": one.source,
            "against": other.number,
            "compared": compared.plan and _body(compared.plan),
            "changed": changed,
        }

    @routes.post("/drafts/{draft_id}/{verb}", summary="Hand in, approve and so publish, reject, withdraw a draft")
    def act(
        request: Request, draft_id: str, verb: Literal["submit", "approve", "reject", "withdraw"], order: Act
    ) -> dict[str, object]:
        actor = _actor(request)
        done = library.decide(actor, order.command_id, draft_id, verb, reason=order.reason, revision=order.revision)
        return shown(actor, done)

    @routes.post("/check", summary="Look a draft over: everything that is wrong, and hints; nothing is kept")
    def check(request: Request, given: Given) -> dict[str, object]:
        return _checked(library, given.kind, library.check(_actor(request), given.kind, given.source))


def _plan_routes(routes: APIRouter, library: Library, who: Callable[[Iterable[str]], Who]) -> None:
    @routes.get("/plans", summary="Published plans by name, with their versions")
    def plans(request: Request) -> dict[str, object]:
        families = library.families(_actor(request))
        named = who(row[4] for _, versions in families for _, row, _ in versions)
        items = [
            {"name": name, "title": versions[0][0].title, "versions": [_version(*one, named) for one in versions]}
            for name, versions in families
        ]
        return {"items": items, "total": len(items), "next": None}

    @routes.get("/plans/{digest}", summary="One version of a plan, its other versions and its runs")
    def plan(request: Request, digest: str) -> dict[str, object]:
        actor = _actor(request)
        found = library.plan(actor, digest)
        family = library.family(actor, found.name)
        named = who(row[4] for _, row, _ in family)
        versions = [_version(*one, named) for one in family]
        own = next(one for one in versions if one["digest"] == digest)
        runs = [_run(row) for row in library.runs(actor, digest)]
        return {**own, "plan": _body(found), "versions": versions, "runs": runs}

    @routes.get("/plans/{digest}/source", summary="A plan as YAML or as a BPMN drawing")
    def source(
        request: Request, digest: str, form: Annotated[Literal["yaml", "bpmn"], Query(alias="as")] = "yaml"
    ) -> Response:
        written = library.source(_actor(request), digest, form)
        headers = {
            "content-disposition": f'inline; filename="{digest[:12]}.{form}"',
            "x-content-type-options": "nosniff",
        }
        return Response(written, media_type=f"{MEDIA[form]}; charset=utf-8", headers=headers)

    @routes.get("/diff", summary="What changed between two versions, step by step and field by field")
    def diff(
        request: Request,
        before: Annotated[str, Query(alias="from")],
        after: Annotated[str, Query(alias="to")],
    ) -> dict[str, object]:
        return library.diff(_actor(request), before, after)


def _table_routes(routes: APIRouter, library: Library, who: Callable[[Iterable[str]], Who]) -> None:
    @routes.get("/decisions", summary="Published decision tables, by name, newest first")
    def decisions(request: Request) -> dict[str, object]:
        tables = library.tables(_actor(request))
        named = who(version.published_by for version, _ in tables)
        items = [_table(*one, named) for one in tables]
        return {"items": items, "total": len(items), "next": None}

    @routes.get("/decisions/{digest}", summary="One version of a decision table with its rules")
    def decision(request: Request, digest: str) -> dict[str, object]:
        version, current = library.table(_actor(request), digest)
        return {**_table(version, current, who([version.published_by])), "decision": decision_json(version.decision)}


# ── shapes ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _actor(request: Request) -> Actor:
    actor: Actor = request.state.actor
    return actor


def _draft(library: Library, actor: Actor, draft: Draft, who: Who) -> dict[str, object]:
    return {
        "id": draft.id,
        "kind": draft.kind,
        "state": draft.state,
        "revision": draft.revision,
        "name": draft.name,
        "title": draft.title,
        "authors": [who(author) for author in draft.authors],
        "created_at": draft.created_at,
        "updated_at": draft.updated_at,
        "updated_by": draft.updated_by,
        "submitted_at": draft.submitted_at,
        "submitted_by": draft.submitted_by,
        "decided_at": draft.decided_at,
        "decided_by": draft.decided_by,
        "reason": draft.reason,
        "digest": draft.digest,
        "actions": library.actions(actor, draft),
    }


def _checked(library: Library, kind: str, checked: Checked) -> dict[str, object]:
    plan, decision = checked.plan, checked.decision
    return {
        "ok": checked.ok,
        "plan": plan and _body(plan),
        "decision": decision and decision_json(decision),
        "digest": plan.digest if plan else decision.digest if decision else None,
        "problems": [problem.json() for problem in checked.problems],
        "bpmn": library.preview(plan) if plan is not None and kind == "yaml" else None,
    }


def _body(plan: Plan) -> Mapping[str, object]:
    return cast("Mapping[str, object]", json.loads(plan.canonical))


def _version(plan: Plan, row: PlanRow, current: bool, who: Who) -> dict[str, object]:
    return {
        "digest": plan.digest,
        "name": plan.name,
        "version": plan.version,
        "title": plan.title,
        "kind": plan.kind,
        "levels": list(plan.levels),
        "valid_from": plan.valid_from,
        "valid_until": plan.valid_until,
        "published_at": row[3],
        "published_by": who(row[4]),
        "steps": len(plan.steps),
        "drawn": plan.drawn,
        "in_force": current,
    }


def _run(row: RunRow) -> dict[str, object]:
    names = ("id", "incident_id", "title", "started_at", "closed_at", "state")
    return dict(zip(names, row, strict=True))


def _table(version: Version, current: bool, who: Who) -> dict[str, object]:
    table = version.decision
    return {
        "digest": table.digest,
        "name": table.name,
        "version": table.version,
        "title": table.title,
        "valid_from": table.valid_from,
        "valid_until": table.valid_until,
        "published_at": version.published_at,
        "published_by": who(version.published_by),
        "in_force": current,
        "outputs": [output.name for output in table.outputs],
    }


def _next(draft: Draft) -> str:
    return base64.urlsafe_b64encode(json.dumps([draft.updated_at.isoformat(), draft.id]).encode()).decode()


def _cursor(after: str | None) -> tuple[datetime, str] | None:
    if after is None:
        return None
    try:
        moment, id = json.loads(base64.urlsafe_b64decode(after.encode()))
        return datetime.fromisoformat(moment).astimezone(UTC), str(id)
    except (binascii.Error, ValueError, TypeError):
        raise BadRequest("after is not a cursor of this list", remedy="use the list's own next") from None

"""The routes of intake: reports, matters, refused rows, callers' keys. Who asks is ``request.state.actor``."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from cityheart.command.intake.filing import REASONS, Filing
from cityheart.command.intake.models import Caller, Joined, Matter, Refusal, RefusalState, Report, Sought
from cityheart.command.intake.service import Intake
from cityheart.kernel import limits
from cityheart.kernel.access import can
from cityheart.kernel.actors import Actor
from cityheart.kernel.errors import BadRequest, Invalid
from cityheart.kernel.events import Event
from cityheart.kernel.text import Text

__all__ = ["router"]

STATES = ("open", "dispatching", "dispatched", "closed", "dismissed", "merged")


class Strict(BaseModel):
    """A body that says nothing unknown."""

    model_config = ConfigDict(extra="forbid")


class Place(Strict):
    """A place, degrees WGS84."""

    lon: float
    lat: float


class CallerOrder(Strict):
    """Who called; kept as a keyed hash only."""

    name: str | None = Field(default=None, max_length=200)
    phone: str | None = Field(default=None, max_length=60)


class ReportOrder(Strict):
    """A report that an operator takes down."""

    command_id: str = Field(min_length=8, max_length=80)
    text: str
    category: str | None = None
    address: str = ""
    place: Place | None = None
    caller: CallerOrder | None = None
    at: datetime | None = None
    media: str | None = None


class SplitOrder(Strict):
    """Reports that are another matter."""

    command_id: str
    reports: list[str] = Field(max_length=limits.PAGE_ROWS)
    reason: str


class MergeOrder(Strict):
    """Matters that are one."""

    command_id: str
    matters: list[str] = Field(max_length=limits.MERGE_CANDIDATES)
    reason: str


class DispatchOrder(Strict):
    """A click that hands a matter on; without a unit and a plan the proposed department gets it."""

    command_id: str
    unit: str | None = None
    plan: str | None = None
    level: Annotated[int, Field(ge=1, le=4)] | None = None
    reason: str = ""


class ReasonOrder(Strict):
    """A decision with its reason."""

    command_id: str
    reason: str


class EvaluationOrder(Strict):
    """What residents said when they were called back; ``satisfied`` null: nobody answered."""

    command_id: str
    satisfied: bool | None
    note: str = ""


class EveryRefused(Strict):
    """Every row that had been refused by then, of a file or of a reason where they are named."""

    file: str | None = None
    code: str | None = None
    upto: AwareDatetime


class RefusedOrder(Strict):
    """Refused rows that somebody has looked at: these, or every one."""

    command_id: str
    rows: list[str] = Field(default=[], max_length=limits.PAGE_ROWS)
    every: EveryRefused | None = None
    reason: str


class CallerName(Strict):
    """A program that hands reports over."""

    name: str = Field(max_length=200)


Names = Callable[[set[str]], Mapping[str, Text]]


def router(intake: Intake, names: Names) -> APIRouter:
    """The routes; ``names`` gives the names of people by their ids."""
    routes = APIRouter(prefix="/api", tags=["intake"])
    _report_routes(routes, intake)
    _file_routes(routes, intake, names)
    _matter_routes(routes, intake, names)
    _decision_routes(routes, intake)
    return routes


def _report_routes(routes: APIRouter, intake: Intake) -> None:
    @routes.get("/services", summary="Kinds of matter that residents report")
    def services(request: Request) -> dict[str, object]:
        _actor(request)
        items = [
            {"code": each.code, "title": each.name, "group": each.group} for each in intake.rules.services.values()
        ]
        return {"items": items, "total": len(items), "next": None}

    @routes.post("/reports", summary="Take down a report", status_code=201)
    def take(request: Request, order: ReportOrder) -> dict[str, object]:
        caller = order.caller or CallerOrder()
        place = order.place
        filing = Filing(
            "desk", order.command_id, order.text, order.at, order.category, order.address,
            None if place is None else place.lon, None if place is None else place.lat, caller.name, caller.phone,
            media=order.media,
        )  # fmt: skip
        return intake.take(_actor(request), filing)

    @routes.get("/callers", summary="Programs that may hand reports over")
    def callers(request: Request) -> dict[str, object]:
        items = [_caller_json(each) for each in intake.callers(_actor(request))]
        return {"items": items, "total": len(items), "next": None}

    @routes.post("/callers", summary="Issue a key for a program; it is shown this once", status_code=201)
    def issue(request: Request, order: CallerName) -> dict[str, object]:
        caller, key = intake.issue_key(_actor(request), order.name)
        return {**_caller_json(caller), "api_key": key}

    @routes.post("/callers/{caller_id}/revoke", summary="Revoke a program's key", status_code=204)
    def revoke(request: Request, caller_id: str) -> None:
        intake.revoke_key(_actor(request), caller_id)


def _file_routes(routes: APIRouter, intake: Intake, names: Names) -> None:
    @routes.post(
        "/reports/files",
        summary="Hand over a file of a hotline system (CSV, xlsx, JSON, XML, zip of these): the body is the file as it is",
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
            }
        },
    )
    async def take_file(
        request: Request,
        name: Annotated[str, Query(max_length=1_000)],
        source: Annotated[str, Query(max_length=80)] = "hotline",
    ) -> dict[str, object]:
        actor = _actor(request)
        size = int(request.headers.get("content-length", "0"))
        with intake.incoming(actor, source, name, size) as file:
            async for piece in request.stream():
                await run_in_threadpool(file.write, piece)
            counts = await run_in_threadpool(intake.take_file, actor, source, name, file.whole())
            return {**counts, "bytes": file.size}

    @routes.get("/reports/files", summary="Files that were handed over and what came of them; rows that were left out")
    def taken(
        request: Request,
        before: Annotated[int | None, Query(ge=1, lt=2**62)] = None,
        limit: Annotated[int, Query(ge=1, le=limits.PAGE_ROWS)] = 50,
    ) -> dict[str, object]:
        found = intake.desk(_actor(request), before, limit)
        items = _history(found.events, names)
        return {
            "items": items,
            "next": found.next,
            "most_bytes": limits.HANDED_FILE_BYTES,
            "most_rows": limits.IMPORT_ROWS,
        }

    @routes.get("/reports/refused", summary="Rows of files that were no reports")
    def refused(
        request: Request,
        state: RefusalState = "waiting",
        file: Annotated[str | None, Query(max_length=200)] = None,
        code: Annotated[str | None, Query(max_length=40)] = None,
        after: str | None = None,
        limit: int = 50,
    ) -> dict[str, object]:
        limit = _limit(limit)
        items, total, facets = intake.refusals(_actor(request), Sought(state, file, code), _cursor(after), limit)
        last = (items[-1].at, items[-1].id) if len(items) == limit else None
        return {
            "items": [_refusal_json(each) for each in items],
            "total": total,
            "facets": facets,
            "reasons": {code: REASONS[code] for code in facets["code"] if code in REASONS},
            "next": _next(last),
        }

    @routes.post(
        "/reports/refused/dismiss",
        summary="Leave refused rows out: these, or every one, of a file or a reason if named",
    )
    def dismiss_refused(request: Request, order: RefusedOrder) -> dict[str, object]:
        of = order.every
        every = None if of is None else Sought("waiting", of.file, of.code, of.upto)
        return intake.dismiss_refusals(_actor(request), order.command_id, order.rows, order.reason, every=every)


def _matter_routes(routes: APIRouter, intake: Intake, names: Names) -> None:
    @routes.get("/matters", summary="Matters that residents reported, last changed first")
    def matters(
        request: Request,
        state: str | None = None,
        service: str | None = None,
        unit: str | None = None,
        incident: str | None = None,
        after: str | None = None,
        limit: int = 50,
    ) -> dict[str, object]:
        if state is not None and state not in STATES:
            raise Invalid(f"no matter is {state!r}", remedy=f"one of {', '.join(STATES)}")
        limit = _limit(limit)
        items, counts = intake.matters(
            _actor(request),
            state=state,
            service=service,
            unit=unit,
            incident=incident,
            after=_cursor(after),
            limit=limit,
        )
        last = (items[-1].updated_at, items[-1].id) if len(items) == limit else None
        total = sum(counts.values()) if state is None else counts.get(state, 0)
        return {
            "items": [_matter_json(intake, each) for each in items],
            "total": total,
            "counts": counts,
            "next": _next(last),
        }

    @routes.get("/matters/{matter_id}", summary="One matter: its reports with why they are one, proposals, history")
    def matter(request: Request, matter_id: str) -> dict[str, object]:
        actor = _actor(request)
        found = intake.matter(actor, matter_id)
        decides = can(actor, "report.decide")
        similar = intake.similar(actor, matter_id) if decides and found.state == "open" else []
        return {
            **_matter_json(intake, found),
            "items": [_report_json(report, why) for report, why in intake.reports(actor, matter_id)],
            "similar": [
                {
                    "id": other.id,
                    "title": other.title,
                    "state": other.state,
                    "reports": other.reports,
                    "score": verdict.score,
                    "reasons": verdict.reasons(),
                }
                for other, verdict in similar
            ],
            "plans": [
                {"digest": digest, "title": title, "reason": reason}
                for digest, title, reason in intake.suggested(found)
            ],
            "history": _history(intake.history(actor, matter_id), names),
        }


def _history(log: Sequence[Event], names: Names) -> list[dict[str, object]]:
    """What happened, with the names of who acted."""
    known = names({event.actor for event in log})
    return [{**event.json(), "actor_name": known.get(event.actor)} for event in log]


def _decision_routes(routes: APIRouter, intake: Intake) -> None:
    @routes.post("/matters/merge", summary="Make several matters one")
    def merge(request: Request, order: MergeOrder) -> dict[str, object]:
        return intake.merge(_actor(request), order.command_id, order.matters, order.reason)

    @routes.post("/matters/{matter_id}/split", summary="Make reports of a matter one of their own")
    def split(request: Request, matter_id: str, order: SplitOrder) -> dict[str, object]:
        return intake.split(_actor(request), order.command_id, matter_id, order.reports, order.reason)

    @routes.post("/matters/{matter_id}/dispatch", summary="Hand a matter to a department, or set a plan going for it")
    def dispatch(request: Request, matter_id: str, order: DispatchOrder) -> dict[str, object]:
        return intake.dispatch(
            _actor(request),
            order.command_id,
            matter_id,
            unit=order.unit,
            plan=order.plan,
            level=order.level,
            reason=order.reason,
        )

    @routes.post("/matters/{matter_id}/dismiss", summary="Close a matter without an incident")
    def dismiss(request: Request, matter_id: str, order: ReasonOrder) -> dict[str, object]:
        return intake.dismiss(_actor(request), order.command_id, matter_id, order.reason)

    @routes.post("/matters/{matter_id}/evaluation", summary="What residents said when they were called back")
    def evaluate(request: Request, matter_id: str, order: EvaluationOrder) -> dict[str, object]:
        return intake.evaluate(_actor(request), order.command_id, matter_id, order.satisfied, order.note)


# ── as the console sees them ───────────────────────────────────────────────────────────────────────────────────


def _matter_json(intake: Intake, matter: Matter) -> dict[str, object]:
    service = intake.rules.services.get(matter.service)
    proposal = matter.proposal
    return {
        "id": matter.id,
        "state": matter.state,
        "service": matter.service,
        "service_title": None if service is None else service.name,
        "title": matter.title,
        "address": matter.address,
        "place": None if matter.lon is None else {"lon": matter.lon, "lat": matter.lat},
        "reports": matter.reports,
        "first_at": matter.first_at,
        "last_at": matter.last_at,
        "opened_at": matter.opened_at,
        "updated_at": matter.updated_at,
        "closed_at": matter.closed_at,
        "proposed": {
            "unit": proposal.unit,
            "unit_title": intake.unit_title(proposal.unit),
            "level": proposal.level,
            "plan": proposal.plan,
            "rule": proposal.rule,
            "candidates": [
                {
                    "unit": each.unit,
                    "unit_title": intake.unit_title(each.unit),
                    "score": each.score,
                    "reasons": each.reasons,
                }
                for each in proposal.candidates
            ],
        },
        "handler": matter.handler,
        "handler_title": intake.unit_title(matter.handler),
        "incident": matter.incident,
        "merged_into": matter.merged_into,
        "note": matter.note,
    }


def _report_json(report: Report, why: Joined) -> dict[str, object]:
    given = report.given
    reasons: Sequence[Text] = why.reasons
    return {
        "id": report.id,
        "source": given.source,
        "external": given.external,
        "version": report.version,
        "at": given.at,
        "received_at": report.received_at,
        "service": given.service,
        "text": given.text,
        "address": given.address,
        "place": None if given.lon is None else {"lon": given.lon, "lat": given.lat},
        "attributes": given.attributes,
        "media": given.media,
        "why": {"by": why.by, "score": why.score, "reasons": reasons, "at": why.at},
    }


def _refusal_json(refusal: Refusal) -> dict[str, object]:
    return {
        "id": refusal.id,
        "file": refusal.file,
        "row": refusal.row,
        "code": refusal.code,
        "message": refusal.message,
        "raw": refusal.raw,
        "at": refusal.at,
        "state": refusal.state,
    }


def _caller_json(caller: Caller) -> dict[str, object]:
    return {"id": caller.id, "name": caller.name, "issued_at": caller.issued_at, "revoked_at": caller.revoked_at}


def _actor(request: Request) -> Actor:
    actor: Actor = request.state.actor
    return actor


def _limit(limit: int) -> int:
    if not 1 <= limit <= limits.PAGE_ROWS:
        raise Invalid(f"limit is {limit}", remedy=f"ask for 1 to {limits.PAGE_ROWS}")
    return limit


def _next(last: tuple[datetime, str] | None) -> str | None:
    if last is None:
        return None
    return base64.urlsafe_b64encode(json.dumps([last[0].isoformat(), last[1]]).encode()).decode()


def _cursor(after: str | None) -> tuple[datetime, str] | None:
    if after is None:
        return None
    try:
        moment, id = json.loads(base64.urlsafe_b64decode(after.encode()))
        return datetime.fromisoformat(moment).astimezone(UTC), str(id)
    except (binascii.Error, ValueError, TypeError):
        raise BadRequest("after is not a cursor of this list", remedy="use the list's own next") from None

"""The routes of sharing: sources, quarantine, departments."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import asdict
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from cityheart.kernel import limits
from cityheart.kernel.actors import Actor
from cityheart.kernel.errors import NotFound, Unauthenticated
from cityheart.share.grants import api as grants_api
from cityheart.share.grants.quarantined import Seen
from cityheart.share.service import Share
from cityheart.share.store import QuarantineRow

__all__ = ["router"]


class ReplayRequest(BaseModel):
    """Which entries to try again: all open ones of a source, or those of one reason or field, so many at once."""

    command_id: str = Field(min_length=8, max_length=80)
    source: str = Field(max_length=80)
    reason: str | None = Field(default=None, max_length=40)
    field: str | None = Field(default=None, max_length=120)
    after: str | None = Field(default=None, max_length=80)
    limit: int = Field(default=limits.REPLAY_ROWS, ge=1, le=limits.REPLAY_ROWS)


class DismissRequest(BaseModel):
    """Which entries to close without landing them."""

    command_id: str = Field(min_length=8, max_length=80)
    ids: list[str] = Field(min_length=1, max_length=limits.PAGE_ROWS)


def router(share: Share) -> APIRouter:
    """Routes about departments, datasets, sources, their flow and deliveries, and quarantine, all below ``/api``."""
    routes = APIRouter(prefix="/api", tags=["share"])

    _of_catalogue(routes, share)
    _of_sources(routes, share)
    _of_flow(routes, share)
    _of_quarantine(routes, share)
    routes.include_router(grants_api.router(share.grants, share.reading))
    return routes


def _of_catalogue(routes: APIRouter, share: Share) -> None:
    @routes.get("/departments")
    def departments(request: Request) -> dict[str, object]:
        """Every department of the city."""
        _actor(request)
        items = [asdict(each) for each in share.departments()]
        return {"items": items, "total": len(items), "next": None}

    @routes.get("/datasets")
    def datasets(request: Request) -> dict[str, object]:
        """The catalogue: every dataset with its owner, how it is shared, and how good and fresh it is."""
        items = share.catalogue.datasets(_actor(request))
        return {"items": items, "total": len(items), "next": None}

    @routes.get("/datasets/{name}")
    def dataset(request: Request, name: str) -> dict[str, object]:
        """One dataset with its fields and their rules, and its sources with the quality of each field."""
        return share.catalogue.dataset(_actor(request), name)


def _of_sources(routes: APIRouter, share: Share) -> None:
    @routes.get("/sources")
    def sources(request: Request) -> dict[str, object]:
        """Every source with its state, counts, freshness and drift."""
        items = share.sources(_actor(request))
        return {"items": items, "total": len(items), "next": None}

    @routes.get("/sources/{source_id}")
    def source(request: Request, source_id: str) -> dict[str, object]:
        """One source with its newest deliveries and the quality of its fields."""
        return share.source(_actor(request), source_id)

    @routes.post("/sources/{source_id}/pull")
    def pull(request: Request, source_id: str) -> dict[str, object]:
        """Ask a source now."""
        actor = _actor(request)
        landed = share.pull(source_id, actor)
        return {
            "deliveries": len(landed),
            "rows": sum(each.rows for each in landed if not each.repeated),
            "quarantined": sum(each.quarantined for each in landed if not each.repeated),
            "refused": sum(1 for each in landed if each.refused),
        }

    @routes.post(
        "/sources/{source_id}/files",
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
            }
        },
    )
    async def hand_over(
        request: Request,
        source_id: str,
        name: Annotated[str, Query(max_length=1_000)],
        command_id: Annotated[str, Query(min_length=8, max_length=80)],
    ) -> dict[str, object]:
        """Hand over a file of a source: the body is the file as it is. Says what became of it when all of it is durable."""
        actor = _actor(request)
        size = int(request.headers.get("content-length", "0"))
        await run_in_threadpool(share.may_hand_over, actor, source_id, name, size)
        with share.handing.incoming() as file:
            async for piece in request.stream():
                await run_in_threadpool(file.write, piece)
            landed = await run_in_threadpool(share.hand_over, actor, command_id, source_id, name, file)
            return {
                "delivery": landed.delivery,
                "rows": landed.rows,
                "quarantined": landed.quarantined,
                "reasons": dict(landed.reasons),
                "refused": landed.refused,
                "repeated": landed.repeated,
                "bytes": file.size,
            }


def _of_flow(routes: APIRouter, share: Share) -> None:
    @routes.get("/sources/{source_id}/flow")
    def source_flow(
        request: Request, source_id: str, hours: Annotated[int, Query(ge=1, le=limits.FLOW_SHOWN_HOURS)] = 24
    ) -> dict[str, object]:
        """What a source delivered over the last hours, in equal steps, and what its listener says of itself."""
        return share.flow.source(_actor(request), source_id, hours)

    @routes.get("/sources/{source_id}/deliveries")
    def deliveries(
        request: Request,
        source_id: str,
        only: Literal["all", "bad"] = "all",
        limit: Annotated[int, Query(ge=1, le=limits.PAGE_ROWS)] = 50,
        after: Annotated[str | None, Query(max_length=80)] = None,
    ) -> dict[str, object]:
        """The deliveries of a source, the newest first; only those with something in quarantine when asked."""
        rows, total = share.flow.deliveries(_actor(request), source_id, bad=only == "bad", after=after, limit=limit)
        return {"items": rows, "total": total, "next": rows[-1]["id"] if len(rows) == limit else None}

    @routes.get("/deliveries/{delivery_id}")
    def delivery(request: Request, delivery_id: str) -> dict[str, object]:
        """One delivery: what became of it, by reason."""
        return share.flow.delivery(_actor(request), delivery_id)

    @routes.get("/flow")
    def flow(request: Request) -> dict[str, object]:
        """The flow of data by department: rates, freshness, quality, quarantine, and the sources that need a person."""
        return share.flow.overview(_actor(request))

    @routes.get("/flow/{department}")
    def department_flow(request: Request, department: str) -> dict[str, object]:
        """One department with its sources and what they delivered."""
        return share.flow.department(_actor(request), department)


def _of_quarantine(routes: APIRouter, share: Share) -> None:
    @routes.get("/quarantine")
    def quarantine(
        request: Request,
        source: Annotated[str | None, Query(max_length=80)] = None,
        delivery: Annotated[str | None, Query(max_length=80)] = None,
        reason: Annotated[str | None, Query(max_length=40)] = None,
        field: Annotated[str | None, Query(max_length=120)] = None,
        state: Literal["open", "replayed", "dismissed", "all"] = "open",
        limit: Annotated[int, Query(ge=1, le=limits.PAGE_ROWS)] = 50,
        after: Annotated[str | None, Query(max_length=80)] = None,
    ) -> dict[str, object]:
        """Rows and deliveries that broke their contract, each with the reason and its bytes as text.

        Of columns that are not shown to who asks there are no values; ``withheld`` names them, or says ``all``.
        """
        actor, only = _actor(request), None if state == "all" else state
        rows, total = share.quarantine(
            actor, source=source, delivery=delivery, reason=reason, field=field, state=only, after=after, limit=limit
        )
        facets = share.quarantine_facets(
            actor, source=source, delivery=delivery, reason=reason, field=field, state=only
        )
        following = rows[-1].id if len(rows) == limit else None
        return {
            "items": [_shown(one) for one in share.quarantine_seen(actor, rows)],
            "total": total,
            "next": following,
            "facets": facets,
        }

    @routes.post("/quarantine/replay")
    def replay(request: Request, body: ReplayRequest) -> dict[str, object]:
        """Check open entries against the present contract and land what is good now."""
        done = share.replay(
            _actor(request), body.command_id, body.source, body.reason, field=body.field, after=body.after, limit=body.limit
        )  # fmt: skip
        return asdict(done)

    @routes.post("/quarantine/dismiss")
    def dismiss(request: Request, body: DismissRequest) -> dict[str, object]:
        """Close entries without landing them."""
        return {"dismissed": share.dismiss(_actor(request), body.command_id, body.ids)}

    @routes.get("/quarantine/{entry_id}")
    def entry(request: Request, entry_id: str) -> dict[str, object]:
        """One entry in full: its bytes, the field as the contract has it, its neighbours in the delivery."""
        actor = _actor(request)
        row = share.quarantine_entry(actor, entry_id)
        if row is None:
            raise NotFound("no such quarantine entry")
        (seen,) = share.quarantine_seen(actor, [row])
        return {**_shown(seen), **_bytes(seen.row), **share.flow.entry(actor, row)}


def _actor(request: Request) -> Actor:
    actor = getattr(request.state, "actor", None)
    if not isinstance(actor, Actor):
        raise Unauthenticated("nobody is signed in", remedy="POST /api/session")
    return actor


def _shown(seen: Seen) -> dict[str, object]:
    row = seen.row
    return {
        "id": row.id,
        "source": row.source,
        "delivery": row.delivery,
        "name": row.name,
        "member": row.member,
        "row": row.row,
        "reason": {"code": row.code, "field": row.field, "message": row.message},
        "raw": _text(row),
        "complete": row.complete,
        "withheld": seen.withheld,
        "at": row.received_at,
        "state": row.state,
    }


def _bytes(row: QuarantineRow) -> dict[str, object]:
    """The kept bytes in base64 and what they are: ``record`` (JSON by the source's columns), ``line``, ``delivery``."""
    shown = row.raw[: limits.QUARANTINE_BYTES_SHOWN]
    return {
        "form": row.form,
        "bytes": b64encode(shown).decode("ascii"),
        "bytes_kept": len(row.raw),
        "bytes_shown": len(shown),
        "closed_at": row.closed_at,
        "closed_by": row.closed_by,
    }


def _text(row: QuarantineRow) -> str:
    """The bytes as text; control characters and bytes that are no text are written as escapes."""
    raw = row.raw[: limits.QUARANTINE_SHOWN_BYTES].decode("utf-8", "backslashreplace")
    return "".join(each if each >= " " or each in "\t\n" else f"\\x{ord(each):02x}" for each in raw)

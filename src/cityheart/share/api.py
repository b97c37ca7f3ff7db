"""The routes of sharing: sources, quarantine, departments."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field

from cityheart.kernel import limits
from cityheart.kernel.actors import Actor
from cityheart.kernel.errors import NotFound, Unauthenticated
from cityheart.share.service import Share
from cityheart.share.store import QuarantineRow

__all__ = ["router"]


class ReplayRequest(BaseModel):
    """Which entries to try again: all open ones of a source, or those of one reason."""

    command_id: str = Field(min_length=8, max_length=80)
    source: str = Field(max_length=80)
    reason: str | None = Field(default=None, max_length=40)


class DismissRequest(BaseModel):
    """Which entries to close without landing them."""

    command_id: str = Field(min_length=8, max_length=80)
    ids: list[str] = Field(min_length=1, max_length=limits.PAGE_ROWS)


def router(share: Share) -> APIRouter:
    """Routes below ``/api/sources``, ``/api/quarantine`` and ``/api/departments``."""
    routes = APIRouter(prefix="/api", tags=["share"])

    @routes.get("/departments")
    def departments(request: Request) -> dict[str, object]:
        """Every department of the city."""
        _actor(request)
        items = [asdict(each) for each in share.departments()]
        return {"items": items, "total": len(items), "next": None}

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

    @routes.get("/quarantine")
    def quarantine(
        request: Request,
        source: Annotated[str | None, Query(max_length=80)] = None,
        reason: Annotated[str | None, Query(max_length=40)] = None,
        state: Literal["open", "replayed", "dismissed", "all"] = "open",
        limit: Annotated[int, Query(ge=1, le=limits.PAGE_ROWS)] = 50,
        after: Annotated[str | None, Query(max_length=80)] = None,
    ) -> dict[str, object]:
        """Rows and deliveries that broke their contract, each with the reason and its bytes as text."""
        rows, total = share.quarantine(
            _actor(request),
            source=source,
            reason=reason,
            state=None if state == "all" else state,
            after=after,
            limit=limit,
        )
        following = rows[-1].id if len(rows) == limit else None
        return {"items": [_shown(row) for row in rows], "total": total, "next": following}

    @routes.post("/quarantine/replay")
    def replay(request: Request, body: ReplayRequest) -> dict[str, object]:
        """Check open entries against the present contract and land what is good now."""
        done = share.replay(_actor(request), body.command_id, body.source, body.reason)
        return {"tried": done.tried, "landed": done.landed, "still_bad": done.still_bad, "superseded": done.superseded}

    @routes.post("/quarantine/dismiss")
    def dismiss(request: Request, body: DismissRequest) -> dict[str, object]:
        """Close entries without landing them."""
        return {"dismissed": share.dismiss(_actor(request), body.command_id, body.ids)}

    @routes.get("/quarantine/{entry_id}")
    def entry(request: Request, entry_id: str) -> dict[str, object]:
        """One entry."""
        row = share.quarantine_entry(_actor(request), entry_id)
        if row is None:
            raise NotFound("no such quarantine entry")
        return _shown(row)

    return routes


def _actor(request: Request) -> Actor:
    actor = getattr(request.state, "actor", None)
    if not isinstance(actor, Actor):
        raise Unauthenticated("nobody is signed in", remedy="POST /api/session")
    return actor


def _shown(row: QuarantineRow) -> dict[str, object]:
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
        "at": row.received_at,
        "state": row.state,
    }


def _text(row: QuarantineRow) -> str:
    """The bytes as text; control characters and bytes that are no text are written as escapes."""
    raw = row.raw[: limits.QUARANTINE_SHOWN_BYTES].decode("utf-8", "backslashreplace")
    return "".join(each if each >= " " or each in "\t\n" else f"\\x{ord(each):02x}" for each in raw)

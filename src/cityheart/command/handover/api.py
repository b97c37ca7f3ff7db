"""The routes of handing over. Who asks is ``request.state.actor``."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from cityheart.command.handover.service import Handover
from cityheart.kernel import limits

__all__ = ["router"]

_CommandId = Annotated[str, Field(min_length=8, max_length=80)]
_Words = Annotated[str, Field(max_length=limits.TEXT_CHARS)]
_Name = Annotated[str, Field(max_length=80)]


class PinOrder(BaseModel):
    """A matter that the next shift must look at."""

    model_config = ConfigDict(extra="forbid")
    kind: Literal["alert", "incident"]
    id: _Name
    note: _Words = ""


class WriteOrder(BaseModel):
    """The note of a shift as it shall be; ``revision`` is the one that was seen, 0 for a new note."""

    model_config = ConfigDict(extra="forbid")
    command_id: _CommandId
    unit: _Name
    shift: _Name | None = None
    day: date | None = None
    words: _Words = ""
    pins: Annotated[list[PinOrder], Field(max_length=limits.HANDOVER_PINS)] = []
    revision: Annotated[int, Field(ge=0, lt=2**31)] = 0


class SignOrder(BaseModel):
    """The person who leaves signs what they have seen."""

    model_config = ConfigDict(extra="forbid")
    command_id: _CommandId
    revision: Annotated[int, Field(ge=1, lt=2**31)]


class TakeOrder(BaseModel):
    """The person who comes takes over; with a reason where nobody signed."""

    model_config = ConfigDict(extra="forbid")
    command_id: _CommandId
    reason: _Words = ""


class AddOrder(BaseModel):
    """A later word."""

    model_config = ConfigDict(extra="forbid")
    command_id: _CommandId
    words: _Words


def router(handover: Handover) -> APIRouter:
    """The routes below ``/api/handovers``."""
    routes = APIRouter(prefix="/api/handovers", tags=["handover"])

    @routes.get("", summary="Notes of shifts, the newest first")
    def notes(
        request: Request,
        unit: Annotated[str | None, Query(max_length=80)] = None,
        limit: int = 50,
        after: Annotated[str | None, Query(max_length=80)] = None,
    ) -> dict[str, object]:
        return handover.notes(request.state.actor, unit=unit, limit=limit, after=after)

    @routes.get("/now", summary="What there is to hand over: the shift, its note, what stands")
    def now(
        request: Request,
        unit: Annotated[str | None, Query(max_length=80)] = None,
        shift: Annotated[str | None, Query(max_length=80)] = None,
        day: date | None = None,
    ) -> dict[str, object]:
        return handover.now(request.state.actor, unit, shift, day)

    @routes.get("/due", summary="What the reader must hand over or take over about now")
    def due(request: Request) -> dict[str, object]:
        items = handover.due(request.state.actor)
        return {"items": items, "total": len(items), "next": None}

    @routes.post("", summary="Write or change the note of a shift")
    def write(request: Request, order: WriteOrder) -> dict[str, object]:
        return handover.write(
            request.state.actor, order.command_id, order.unit, shift=order.shift, day=order.day, words=order.words,
            pins=[pin.model_dump() for pin in order.pins], revision=order.revision,
        )  # fmt: skip

    @routes.get("/{note_id}", summary="One note whole, with what was added and whether it is as it was signed")
    def note(request: Request, note_id: str) -> dict[str, object]:
        return handover.note(request.state.actor, note_id)

    @routes.post("/{note_id}/sign", summary="The person who leaves signs the note")
    def sign(request: Request, note_id: str, order: SignOrder) -> dict[str, object]:
        return handover.sign(request.state.actor, order.command_id, note_id, order.revision)

    @routes.post("/{note_id}/take", summary="The person who comes takes the shift over")
    def take(request: Request, note_id: str, order: TakeOrder) -> dict[str, object]:
        return handover.take(request.state.actor, order.command_id, note_id, order.reason)

    @routes.post("/{note_id}/additions", summary="Add to a note that is signed")
    def add(request: Request, note_id: str, order: AddOrder) -> dict[str, object]:
        return handover.add(request.state.actor, order.command_id, note_id, order.words)

    return routes

"""The routes of duty rosters. Who asks is ``request.state.actor``."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from cityheart.command.duty.service import Duty

__all__ = ["router"]


class _Order(BaseModel):
    model_config = ConfigDict(extra="forbid")
    command_id: str


class ShiftOrder(_Order):
    """A shift to set; ``people`` are user names, times are local."""

    id: str | None = None
    unit: str
    title: dict[str, str]
    starts: str
    ends: str
    days: str = "all"
    rotation: str = "everyone"
    people: list[str]
    valid_from: date
    valid_until: date | None = None


class EndOrder(_Order):
    """From this day on a shift is no longer held."""

    day: date


class ExchangeOrder(_Order):
    """Who holds a shift on one day."""

    day: date
    people: list[str]
    reason: str


class DeputyOrder(_Order):
    """Who stands in for whom; both are user names."""

    person: str
    deputy: str
    since: datetime = Field(alias="from")
    until: datetime = Field(alias="to")
    reason: str


class BackOrder(_Order):
    """The person is back."""


def router(duty: Duty) -> APIRouter:
    """The routes below ``/api/duty``."""
    routes = APIRouter(prefix="/api/duty", tags=["duty"])

    @routes.get("", summary="Who is on duty now, department by department, and who stands in for whom")
    def now(request: Request) -> dict[str, object]:
        actor = request.state.actor
        return {"items": duty.now(actor), "deputies": duty.deputies(actor)}

    @routes.get("/roster", summary="The roster of a department over a period, with its gaps")
    def roster(
        request: Request,
        unit: str,
        since: Annotated[datetime, Query(alias="from")],
        until: Annotated[datetime, Query(alias="to")],
    ) -> dict[str, object]:
        return duty.roster(request.state.actor, unit, since, until)

    @routes.get("/staff", summary="Who may be put on the roster of a department")
    def staff(request: Request, unit: str) -> dict[str, object]:
        items = duty.staff(request.state.actor, unit)
        return {"items": items, "total": len(items), "next": None}

    @routes.post("/shifts", summary="Set a shift")
    def set_shift(request: Request, order: ShiftOrder) -> dict[str, object]:
        given = order.model_dump(mode="json", exclude={"command_id"}, exclude_none=True)
        return duty.set_shift(request.state.actor, order.command_id, given)

    @routes.post("/shifts/{shift_id}/end", summary="End a shift")
    def end_shift(request: Request, shift_id: str, order: EndOrder) -> dict[str, object]:
        return duty.end_shift(request.state.actor, order.command_id, shift_id, order.day)

    @routes.post("/shifts/{shift_id}/exchange", summary="Let others hold a shift on one day")
    def exchange(request: Request, shift_id: str, order: ExchangeOrder) -> dict[str, object]:
        return duty.exchange(request.state.actor, order.command_id, shift_id, order.day, order.people, order.reason)

    @routes.post("/deputies", summary="Name a deputy")
    def deputise(request: Request, order: DeputyOrder) -> dict[str, object]:
        return duty.deputise(
            request.state.actor, order.command_id, order.person, order.deputy, order.since, order.until, order.reason
        )

    @routes.post("/deputies/{deputy_id}/end", summary="The person is back")
    def end_deputy(request: Request, deputy_id: str, order: BackOrder) -> dict[str, object]:
        return duty.end_deputy(request.state.actor, order.command_id, deputy_id)

    return routes

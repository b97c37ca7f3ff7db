"""The routes of account: scores and what is behind them, formulas, appeals, the report. Who asks is ``request.state.actor``."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form, Query, Request, UploadFile
from fastapi import File as Part
from pydantic import BaseModel, ConfigDict, Field

from cityheart.account import shapes
from cityheart.account.models import Effect
from cityheart.account.report import report as report_of
from cityheart.account.service import Account
from cityheart.account.shapes import shown
from cityheart.account.taking import Taking
from cityheart.kernel import limits
from cityheart.kernel.access import require
from cityheart.kernel.errors import BadRequest

__all__ = ["router", "shown"]

_PERIOD = timedelta(days=30)  # shown while there is nothing on record yet

Since = Annotated[datetime | None, Query(alias="from")]
Until = Annotated[datetime | None, Query(alias="to")]
CommandId = Annotated[str, Field(min_length=8, max_length=80)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Publish(_Body):
    """A version of a formula."""

    command_id: CommandId
    formula: dict[str, Any]


class File(_Body):
    """An appeal."""

    command_id: CommandId
    task: Annotated[str, Field(max_length=80)]
    rate: Annotated[str, Field(max_length=40)]
    reason: str
    evidence: str = ""


class Decide(_Body):
    """What an inspector decided."""

    command_id: CommandId
    uphold: bool
    reason: str
    effect: Effect = "exclude"


class Order(_Body):
    """A click."""

    command_id: CommandId


class TakeOrder(Order):
    """The job that looked through the file."""

    look: str = Field(min_length=1, max_length=60)


def router(account: Account, taking: Taking) -> APIRouter:
    """The routes below ``/api/scores``, ``/api/appeals`` and ``/api/history``."""
    routes = APIRouter(prefix="/api", tags=["account"])
    _scores(routes, account)
    _formulas(routes, account)
    _appeals(routes, account)
    _history(routes, taking)
    return routes


def _history(routes: APIRouter, taking: Taking) -> None:
    @routes.post(
        "/history/files",
        status_code=201,
        summary="Look through closed cases of another system; nothing is taken in yet",
    )
    def check(
        request: Request,
        mapping: Annotated[str, Form(max_length=20_000)],
        command_id: Annotated[CommandId, Form()],
        file: Annotated[UploadFile, Part()],
    ) -> dict[str, object]:
        content = iter(lambda: file.file.read(2**20), b"")
        return taking.check(
            request.state.actor, command_id, mapping, file.filename or "", content, limits.UPLOAD_BYTES
        )  # fmt: skip

    @routes.post("/history/take", status_code=201, summary="Take in the file that a job has looked through")
    def take(request: Request, order: TakeOrder) -> dict[str, object]:
        return taking.take(request.state.actor, order.command_id, order.look)


def _scores(routes: APIRouter, account: Account) -> None:
    @routes.get("/scores", summary="Scores of the departments over a period")
    def scores(
        request: Request,
        since: Since = None,
        until: Until = None,
        formula: Annotated[str | None, Query(max_length=90)] = None,
        known: datetime | None = None,
    ) -> dict[str, object]:
        require(request.state.actor, "score.read")
        since, until = _period(account, since, until)
        if known is not None and known.tzinfo is None:
            raise BadRequest("known has no time zone", remedy="write it as 2015-12-01T00:00:00Z")
        return shown(account, account.scores(since, until, formula, known=known))

    @routes.get("/scores/report", summary="What a mayor reads: changes, reasons, data supply, appeals, flags, caveats")
    def report(
        request: Request,
        since: Since = None,
        until: Until = None,
        formula: Annotated[str | None, Query(max_length=90)] = None,
    ) -> dict[str, object]:
        require(request.state.actor, "score.read")
        since, until = _period(account, since, until)
        return report_of(account, request.state.actor, since, until, formula)

    @routes.get("/scores/supply", summary="How departments supplied data over a period")
    def supply(request: Request, since: Since = None, until: Until = None) -> dict[str, object]:
        require(request.state.actor, "score.read")
        since, until = _period(account, since, until)
        formula, found = account.supply(since, until)
        return {
            "from": since,
            "to": until,
            "formula": shapes.formula(formula),
            "departments": [shapes.supplied(account, each) for each in found],
        }

    @routes.get("/scores/flags", summary="Patterns that may be gaming, with tasks to look at")
    def flags(request: Request, since: Since = None, until: Until = None) -> dict[str, object]:
        require(request.state.actor, "score.read")
        since, until = _period(account, since, until)
        items = [shapes.flag(account, each) for each in account.flags(since, until)]
        return {"items": items, "total": len(items), "next": None}

    @routes.get("/scores/items/{task}", summary="Everything behind one task: events, custody, appeals")
    def item(request: Request, task: str) -> dict[str, object]:
        return account.item(request.state.actor, task)

    @routes.get("/scores/{department}/events", summary="The tasks behind one rate of one department")
    def counted(
        request: Request,
        department: str,
        rate: str = "on_time",
        since: Since = None,
        until: Until = None,
        counts: bool | None = None,
        limit: int = 50,
        after: int = 0,
    ) -> dict[str, object]:
        if not 1 <= limit <= limits.PAGE_ROWS or not 0 <= after < 2**31:
            raise BadRequest("limit or after is out of range", remedy=f"limit is 1 to {limits.PAGE_ROWS}")
        since, until = _period(account, since, until)
        page, total = account.counted(
            request.state.actor, department, rate, since, until, only=counts, limit=limit, offset=after
        )
        items = [asdict(one) | {"step_title": account.step_title(one.run, one.step)} for one in page]
        following = after + limit if after + limit < total else None
        return {"items": items, "total": total, "next": following}


def _formulas(routes: APIRouter, account: Account) -> None:
    @routes.get("/formulas", summary="Every formula, in force, offered, published or to come")
    def every(request: Request) -> dict[str, object]:
        require(request.state.actor, "score.read")
        items = [shapes.formula(each) for each in account.formulas()]
        return {"items": items, "total": len(items), "next": None}

    @routes.post("/formulas", summary="Publish a version of a formula; it begins on a later day")
    def publish(request: Request, body: Publish) -> dict[str, object]:
        return account.publish_formula(request.state.actor, body.command_id, body.formula)


def _appeals(routes: APIRouter, account: Account) -> None:
    @routes.get("/appeals", summary="Appeals, newest first")
    def appeals(
        request: Request,
        state: Literal["open", "upheld", "dismissed"] | None = None,
        after: Annotated[str | None, Query(max_length=140)] = None,
        limit: int = 50,
    ) -> dict[str, object]:
        if not 1 <= limit <= limits.PAGE_ROWS:
            raise BadRequest("limit is out of range", remedy=f"limit is 1 to {limits.PAGE_ROWS}")
        found, total = account.appeals(request.state.actor, state=state, after=_place(after), limit=limit)
        following = f"{found[-1].filed_at.isoformat()}|{found[-1].id}" if len(found) == limit else None
        return {"items": [shapes.appeal(account, each) for each in found], "total": total, "next": following}

    @routes.post("/appeals", summary="Appeal against one task in one rate")
    def file(request: Request, body: File) -> dict[str, object]:
        return account.appeal(request.state.actor, body.command_id, body.task, body.rate, body.reason, body.evidence)

    @routes.post("/appeals/{appeal}/decide", summary="Uphold or dismiss an appeal")
    def decide(request: Request, appeal: str, body: Decide) -> dict[str, object]:
        return account.decide_appeal(
            request.state.actor, body.command_id, appeal, body.uphold, body.reason, body.effect
        )


def _place(after: str | None) -> tuple[datetime, str] | None:
    if after is None:
        return None
    at, _, id = after.partition("|")
    moment: datetime | None
    try:
        moment = datetime.fromisoformat(at.replace(" ", "+"))
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None or not id:
        raise BadRequest("after is not a place in this list", remedy="take it from next of the page before")
    return moment, id


def _period(account: Account, since: datetime | None, until: datetime | None) -> tuple[datetime, datetime]:
    until = account.now() if until is None else until
    return account.first() or until - _PERIOD if since is None else since, until

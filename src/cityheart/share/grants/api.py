"""The routes of requests and grants, and of the rows of a dataset as somebody sees them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import StreamingResponse

from cityheart.kernel import limits
from cityheart.kernel.actors import Actor
from cityheart.kernel.errors import Invalid, Unauthenticated
from cityheart.share.grants.models import Party, Use
from cityheart.share.grants.reading import Reading, Wanted
from cityheart.share.grants.service import Asked, Grants

__all__ = ["router"]

Names = Annotated[list[Annotated[str, Field(max_length=200)]], Field(max_length=1_000)]


class _Order(BaseModel):
    model_config = ConfigDict(extra="forbid")
    command_id: str = Field(min_length=8, max_length=80)


class Asking(_Order):
    """What is asked for. Without ``columns``: all that are not classified. ``rows``: a condition, without one all."""

    dataset: str = Field(max_length=80)
    purpose: str = Field(max_length=limits.TEXT_CHARS)
    columns: Names = []
    rows: str | None = Field(default=None, max_length=limits.CONDITION_CHARS)
    uses: list[Use] = ["read"]
    until: datetime | None = None
    role: str | None = Field(default=None, max_length=40)


class AskingFor(Asking):
    """``alone``: for oneself and nobody else; then ``until`` is needed."""

    alone: bool = False


class Giving(Asking):
    """A grant without a request: to a department, a role (of it), one person, or those who handle an alert.

    ``username``: the name that the person signs in with; then ``until`` is needed.
    """

    department: str | None = Field(default=None, max_length=80)
    handlers: bool = False
    username: str | None = Field(default=None, max_length=60)


class Decision(_Order):
    """The owner's answer; ``columns``, ``rows`` and ``until`` grant less than was asked."""

    grant: bool
    reason: str = Field(max_length=limits.TEXT_CHARS)
    columns: Names | None = None
    rows: str | None = Field(default=None, max_length=limits.CONDITION_CHARS)
    until: datetime | None = None


class Answer(_Order):
    """The owner's answer to what an application proposes."""

    accept: bool
    reason: str = Field(max_length=limits.TEXT_CHARS)


class Ending(_Order):
    """Why a grant ends."""

    reason: str = Field(max_length=limits.TEXT_CHARS)


class Withdrawal(_Order):
    """Taking a request back."""


def router(grants: Grants, reading: Reading) -> APIRouter:
    """Routes ``/requests``, ``/grants`` and ``/datasets/NAME/rows``, to be put below ``/api``."""
    routes = APIRouter()
    _of_requests(routes, grants)
    _of_grants(routes, grants)
    _of_rows(routes, reading)
    return routes


def _of_requests(routes: APIRouter, grants: Grants) -> None:
    @routes.get("/requests")
    def requests(
        request: Request,
        dataset: Annotated[str | None, Query(max_length=80)] = None,
        state: Literal["open", "decided", "all"] = "open",
        after: Annotated[int, Query(ge=0, le=10**9)] = 0,
        limit: Annotated[int, Query(ge=1, le=limits.PAGE_ROWS)] = 50,
    ) -> dict[str, object]:
        """Requests for sharing: to one's department, of it, and one's own; open ones first, by their deadline."""
        return grants.requests(_actor(request), dataset=dataset, state=state, after=after, limit=limit)

    @routes.post("/requests")
    def ask(request: Request, body: AskingFor) -> dict[str, object]:
        """Ask the owner of a dataset for columns and rows, for a purpose. The answer is due by law."""
        return grants.ask(_actor(request), body.command_id, _asked(body), role=body.role, alone=body.alone)

    @routes.get("/requests/{request_id}")
    def one(request: Request, request_id: str) -> dict[str, object]:
        """One request with its deadline and answer."""
        return grants.request(_actor(request), request_id)

    @routes.post("/requests/{request_id}/decide")
    def decide(request: Request, request_id: str, body: Decision) -> dict[str, object]:
        """Grant a request, or less than it asks for, or refuse it; with the reason."""
        return grants.decide(
            _actor(request), body.command_id, request_id, grant=body.grant, reason=body.reason, columns=body.columns,
            rows=body.rows, until=_aware(body.until),
        )  # fmt: skip

    @routes.post("/requests/{request_id}/withdraw")
    def withdraw(request: Request, request_id: str, body: Withdrawal) -> dict[str, object]:
        """Take back one's own request."""
        return grants.withdraw(_actor(request), body.command_id, request_id)


def _of_grants(routes: APIRouter, grants: Grants) -> None:
    @routes.get("/grants")
    def listed(
        request: Request,
        dataset: Annotated[str | None, Query(max_length=80)] = None,
        state: Literal["given", "proposed", "over", "all"] = "all",
        after: Annotated[int, Query(ge=0, le=10**9)] = 0,
        limit: Annotated[int, Query(ge=1, le=limits.PAGE_ROWS)] = 50,
    ) -> dict[str, object]:
        """Who may read what, for what purpose, until when; the newest first."""
        return grants.grants(_actor(request), dataset=dataset, state=state, after=after, limit=limit)

    @routes.post("/grants")
    def give(request: Request, body: Giving) -> dict[str, object]:
        """Grant columns and rows of one's department's dataset without a request."""
        to = Party(body.department, body.role, body.handlers)
        return grants.give(_actor(request), body.command_id, _asked(body), to, username=body.username or None)

    @routes.get("/grants/{grant_id}")
    def one(request: Request, grant_id: str) -> dict[str, object]:
        """One grant."""
        return grants.grant(_actor(request), grant_id)

    @routes.post("/grants/{grant_id}/answer")
    def answer(request: Request, grant_id: str, body: Answer) -> dict[str, object]:
        """Give what an application proposes, or decline it; with the reason."""
        return grants.answer(_actor(request), body.command_id, grant_id, accept=body.accept, reason=body.reason)

    @routes.post("/grants/{grant_id}/revoke")
    def revoke(request: Request, grant_id: str, body: Ending) -> dict[str, object]:
        """End a grant, with the reason. Who read by it stops reading at once."""
        return grants.revoke(_actor(request), body.command_id, grant_id, body.reason)


def _of_rows(routes: APIRouter, reading: Reading) -> None:
    @routes.get("/datasets/{name}/rows")
    def rows(
        request: Request,
        name: str,
        columns: Annotated[str, Query(max_length=4_000)] = "",
        where: Annotated[str | None, Query(max_length=limits.CONDITION_CHARS)] = None,
        order: Annotated[str | None, Query(max_length=201)] = None,
        facets: Annotated[str, Query(max_length=1_000)] = "",
        after: Annotated[int, Query(ge=0, le=limits.LISTED_ROWS)] = 0,
        limit: Annotated[int, Query(ge=1, le=limits.PAGE_ROWS)] = 50,
    ) -> dict[str, object]:
        """Current rows of a dataset as one may see them; columns that are withheld are named and empty."""
        wanted = Wanted(_names(columns), where, order, _names(facets))
        return reading.listed(_actor(request), name, wanted, after=after, limit=limit)

    @routes.get("/datasets/{name}/export", response_class=StreamingResponse)
    def export(
        request: Request,
        name: str,
        columns: Annotated[str, Query(max_length=4_000)] = "",
        where: Annotated[str | None, Query(max_length=limits.CONDITION_CHARS)] = None,
        order: Annotated[str | None, Query(max_length=201)] = None,
        form: Literal["csv", "jsonl"] = "csv",
    ) -> StreamingResponse:
        """The same rows as a file, without columns that are withheld."""
        pieces = reading.export(_actor(request), name, Wanted(_names(columns), where, order))
        kind = "text/csv; charset=utf-8" if form == "csv" else "application/x-ndjson"
        headers = {"content-disposition": f'attachment; filename="{name}.{form}"'}
        return StreamingResponse(_csv(pieces) if form == "csv" else _lines(pieces), media_type=kind, headers=headers)


def _names(listed: str) -> tuple[str, ...]:
    return tuple(name for name in (each.strip() for each in listed.split(",")) if name)


def _asked(body: Asking) -> Asked:
    return Asked(
        body.dataset, body.purpose, tuple(body.columns), body.rows or None, tuple(dict.fromkeys(body.uses)),
        _aware(body.until),
    )  # fmt: skip


def _aware(at: datetime | None) -> datetime | None:
    if at is not None and at.tzinfo is None:
        raise Invalid("the moment has no offset", remedy="write it as 2015-12-01T08:00:00Z")
    return at


def _csv(pieces: Iterator[Sequence[dict[str, object]]]) -> Iterator[str]:
    yield "\ufeff"  # so that spreadsheets read it as UTF-8
    first = True
    for piece in pieces:
        out = io.StringIO()
        writer = csv.writer(out)
        if first and piece:
            writer.writerow(piece[0])
        first = False
        writer.writerows([[_cell(value) for value in row.values()] for row in piece])
        yield out.getvalue()


def _cell(value: object) -> object:
    """A cell that no spreadsheet takes for a formula."""
    if isinstance(value, datetime):
        return value.isoformat()
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


def _lines(pieces: Iterator[Sequence[dict[str, object]]]) -> Iterator[str]:
    for piece in pieces:
        yield "".join(json.dumps(row, ensure_ascii=False, default=_written) + "\n" for row in piece)


def _written(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _actor(request: Request) -> Actor:
    actor = getattr(request.state, "actor", None)
    if not isinstance(actor, Actor):
        raise Unauthenticated("nobody is signed in", remedy="POST /api/session")
    return actor

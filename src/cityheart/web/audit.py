"""The audit log as a page: events in words by who, what, about whom and when; its proof; what is taken out of it."""

from __future__ import annotations

import csv
import io
import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import StreamingResponse

import cityheart
from cityheart.kernel import audit, limits
from cityheart.kernel.access import require
from cityheart.kernel.actors import Actor
from cityheart.kernel.audit import Check, Wanted
from cityheart.kernel.clock import stopwatch
from cityheart.kernel.database import Database
from cityheart.kernel.errors import Invalid, TooLarge, Unauthenticated
from cityheart.kernel.events import Event
from cityheart.kernel.jobs.models import Kind, Result
from cityheart.kernel.jobs.service import Jobs, Running, Stopped
from cityheart.kernel.schema import canonical
from cityheart.kernel.text import Text, text
from cityheart.serve.service import Serve

__all__ = ["VERIFICATION", "Audit", "Verifying", "router"]

VERIFICATION = "log-verification"
_PROOFS = 20  # earlier ones that are shown
_RESTRICTED = ".read"  # types that tell of somebody who looked at what is restricted


@cache
def titles() -> Mapping[str, Text]:
    """What every type of event says, in both languages."""
    written = tomllib.loads((Path(cityheart.__file__).parent / "events.toml").read_text("utf-8"))
    return {f"{kind}.{name}": said for kind, types in written.items() for name, said in types.items()}


class Filters(BaseModel):
    """Which events: everything that is given must fit."""

    actor: str | None = Field(default=None, max_length=120)
    department: str | None = Field(default=None, max_length=60)
    kind: str | None = Field(default=None, max_length=80)
    about: str | None = Field(default=None, max_length=120)
    restricted: bool = False
    since: datetime | None = None
    until: datetime | None = None


def _filters(
    actor: Annotated[str | None, Query(max_length=120)] = None,
    department: Annotated[str | None, Query(max_length=60)] = None,
    kind: Annotated[str | None, Query(max_length=80)] = None,
    about: Annotated[str | None, Query(max_length=120)] = None,
    restricted: bool = False,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Filters:
    """The filters as an address spells them."""
    return Filters(
        actor=actor, department=department, kind=kind, about=about, restricted=restricted, since=since, until=until
    )


class Audit:
    """The event log of a city for those who may read it."""

    def __init__(self, database: Database, serve: Serve) -> None:
        self._database = database
        self._serve = serve

    def page(self, actor: Actor, filters: Filters, before: int | None, limit: int) -> dict[str, object]:
        """Events in words, newest first: ``{"items", "next", "looked_to"}``; ``next`` is where to go on, if there is more."""
        require(actor, "event.read")
        wanted = self._wanted(filters)
        with self._database.read() as conn:
            found = audit.find(conn, wanted, before=before, limit=limit)
        return {"items": self._told(found.events), "next": found.next, "looked_to": found.looked_to}

    def kinds(self, actor: Actor) -> dict[str, object]:
        """Every type of event in words: ``{"items": [{"type", "kind", "title", "restricted"}]}``."""
        require(actor, "event.read")
        items = [
            {"type": type, "kind": type.partition(".")[0], "title": said, "restricted": type.endswith(_RESTRICTED)}
            for type, said in titles().items()
        ]
        return {"items": items, "total": len(items), "next": None}

    def export(self, actor: Actor, filters: Filters, form: Literal["jsonl", "csv"]) -> Iterator[str]:
        """The events that fit, newest first, piece by piece; that they were taken out is an event.

        Raises :class:`TooLarge` for more than ``limits.AUDIT_EXPORT_ROWS``.
        """
        require(actor, "event.read")
        wanted = self._wanted(filters)
        most = limits.AUDIT_EXPORT_ROWS
        with self._database.read() as conn:
            number = audit.count(conn, wanted, most + 1)
        if number > most:
            raise TooLarge(f"these are more than {most} events", remedy="choose a shorter time or fewer kinds")
        with self._database.work(actor) as work:
            asked = json.loads(canonical(filters.model_dump(exclude_none=True)))
            told = work.emit("log:export", "log.exported", {"filters": asked, "format": form, "events": number})
        return self._pieces(wanted, form, told.seq)

    def _pieces(self, wanted: Wanted, form: Literal["jsonl", "csv"], before: int) -> Iterator[str]:
        if form == "csv":
            yield _csv([_COLUMNS])
        place: int | None = before
        while place is not None:
            with self._database.read() as conn:
                found = audit.find(conn, wanted, before=place, limit=limits.EVENTS_READ)
            place = found.next
            rows = self._told(found.events)
            if form == "csv":
                yield _csv([_cells(row) for row in rows])
            else:
                yield "".join(f"{canonical(row)}\n" for row in rows)

    def _told(self, found: Iterable[Event]) -> list[dict[str, object]]:
        listed = list(found)
        people = self._serve.people({event.actor for event in listed})
        return [
            {
                **event.json(),
                "title": titles().get(event.type),
                "actor_name": people[event.actor].name if event.actor in people else _part(event.actor),
                "actor_department": people[event.actor].department if event.actor in people else None,
                "restricted": event.type.endswith(_RESTRICTED),
                "hash": event.hash,
                "prev": event.prev,
            }
            for event in listed
        ]

    def _wanted(self, filters: Filters) -> Wanted:
        for moment in (filters.since, filters.until):
            if moment is not None and moment.tzinfo is None:
                raise Invalid("a time needs its zone", remedy="e.g. 2026-01-01T00:00:00+08:00")
        for said in (filters.actor, filters.department, filters.kind, filters.about):
            if said is not None and not said.isprintable():
                raise Invalid("there are control characters in the text", remedy="leave them out")
        actors = (
            None if filters.actor is None else {filters.actor, f"user:{filters.actor}", *self._named(filters.actor)}
        )
        if filters.department is not None:
            theirs = set(self._serve.ids_of(filters.department))
            actors = theirs if actors is None else actors & theirs
        types = None
        if filters.kind is not None:
            types = [type for type in titles() if filters.kind in (type, type.partition(".")[0])] or [filters.kind]
        if filters.restricted:
            types = [type for type in (titles() if types is None else types) if type.endswith(_RESTRICTED)]
        streams = None
        if filters.about is not None:
            kinds = {type.partition(".")[0] for type in titles()}
            streams = (filters.about, *sorted(f"{kind}:{filters.about}" for kind in kinds))
        return Wanted(
            None if actors is None else tuple(sorted(actors)),
            None if types is None else tuple(types),
            streams,
            filters.since,
            filters.until,
        )

    def _named(self, username: str) -> list[str]:
        return [self._serve.person(username).id] if self._serve.known(username) else []


_COLUMNS = ["seq", "at", "type", "zh-CN", "en", "actor", "actor_name", "department", "stream", "data", "prev", "hash"]


def _cells(row: Mapping[str, object]) -> list[str]:
    title, name = row["title"] or {}, row["actor_name"] or {}
    said = [
        row["seq"], json.loads(canonical(row["at"])), row["type"], title.get("zh-CN"), title.get("en"), row["actor"],  # type: ignore[attr-defined]
        name.get("zh-CN"), row["actor_department"], row["stream"], canonical(row["data"]), row["prev"], row["hash"],  # type: ignore[attr-defined]
    ]  # fmt: skip
    return [_harmless("" if cell is None else str(cell)) for cell in said]


def _harmless(cell: str) -> str:
    """Not taken for a formula by a spreadsheet."""
    return f"'{cell}" if cell[:1] in "=+-@\t\r" and cell[:1] else cell


def _csv(rows: Iterable[Iterable[str]]) -> str:
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue()


def _part(actor: str) -> Text | None:
    kind, _, part = actor.partition(":")
    return text(f"系统（{part}）", f"system ({part})") if kind == "system" else None


class Verifying:
    """The proof of the log, made by a job; its result is an event besides."""

    def __init__(self, database: Database, jobs: Jobs) -> None:
        self._database, self._jobs = database, jobs
        jobs.register(
            Kind(
                VERIFICATION, text("验证日志", "Verification of the log"), text("条事件", "events"), "event.read",
                "event.read", self._run, long=("first", "faults"),
            )
        )  # fmt: skip

    def before(self, actor: Actor) -> dict[str, object]:
        """What was proven before, the newest first: ``{items, total, next}``."""
        require(actor, "event.read")
        with self._database.read() as conn:
            proofs = audit.proofs(conn)
        items = [{"at": event.at, "by": event.actor, **event.data} for event in reversed(proofs[-_PROOFS:])]
        return {"items": items, "total": len(proofs), "next": None}

    def start(self, actor: Actor, command_id: str) -> dict[str, object]:
        """Ask for a proof of everything that is in the log when its turn comes: the job."""
        require(actor, "event.read")
        title = text("验证日志", "Verification of the log")
        asked = self._jobs.ask(actor, command_id, VERIFICATION, title=title, given={}, path="/audit")
        return self._jobs.job(actor, asked.id)

    def _run(self, running: Running) -> Result:
        check, began = Check.of(self._database), stopwatch()
        running.of(check.total)

        def goes_on() -> bool:
            running.pace(check.done / (2 * check.total) if check.total else 1.0)
            return True

        try:
            check.run(self._database, goes_on)
        except Stopped:
            self._tell(running.actor, "log.verification_stopped", check, began, {"checked": check.done // 2})
            raise
        told = self._tell(running.actor, "log.verified", check, began, {"digest": check.digest})
        return told | {"faults": [fault.json() for fault in check.faults[: limits.AUDIT_FAULTS]]}

    def _tell(
        self, actor: Actor, type: str, check: Check, began: float, more: Mapping[str, object]
    ) -> dict[str, object]:
        told: dict[str, object] = {
            "events": check.total,
            "streams": check.streams,
            "seals": check.seals,
            "upto": check.upto,
            "breaks": len(check.faults),
            "first": [fault.json() for fault in check.faults[:20]],
            "seconds": round(stopwatch() - began, 3),
            **more,
        }
        with self._database.work(actor) as work:
            if type == "log.verified":
                work.emit(audit.PROOFS, "log.verified", told)
            else:
                work.emit(audit.PROOFS, "log.verification_stopped", told)
        return told


class Begin(BaseModel):
    """A click on "verify"."""

    command_id: str = Field(min_length=8, max_length=80)


def router(log: Audit, verifying: Verifying) -> APIRouter:
    """Routes below ``/api/audit``."""
    routes = APIRouter(prefix="/api/audit", tags=["audit"])

    @routes.get("", summary="The event log in words, newest first; a page looks back so far and says how far")
    def page(
        request: Request,
        filters: Annotated[Filters, Depends(_filters)],
        before: Annotated[int | None, Query(ge=1, lt=2**62)] = None,
        limit: Annotated[int, Query(ge=1, le=limits.PAGE_ROWS)] = 100,
    ) -> dict[str, object]:
        return log.page(_actor(request), filters, before, limit)

    @routes.get("/kinds", summary="Every type of event in words")
    def kinds(request: Request) -> dict[str, object]:
        return log.kinds(_actor(request))

    @routes.get("/export", summary="The events that fit as JSON lines or CSV; taking them out is an event")
    def export(
        request: Request, filters: Annotated[Filters, Depends(_filters)], format: Literal["jsonl", "csv"] = "jsonl"
    ) -> StreamingResponse:
        pieces = log.export(_actor(request), filters, format)
        media = "text/csv; charset=utf-8" if format == "csv" else "application/x-ndjson"
        headers = {"content-disposition": f'attachment; filename="events.{format}"'}
        return StreamingResponse(pieces, media_type=media, headers=headers)

    @routes.get("/verification", summary="What was proven of the log before, the newest first")
    def before(request: Request) -> dict[str, object]:
        return verifying.before(_actor(request))

    @routes.post("/verification", status_code=201, summary="Prove every chain and seal of the log: a job")
    def start(request: Request, body: Begin) -> dict[str, object]:
        return verifying.start(_actor(request), body.command_id)

    return routes


def _actor(request: Request) -> Actor:
    actor = getattr(request.state, "actor", None)
    if not isinstance(actor, Actor):
        raise Unauthenticated("nobody is signed in", remedy="sign in first")
    return actor

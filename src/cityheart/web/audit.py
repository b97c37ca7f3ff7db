"""The audit log as a page: events in words by who, what, about whom and when; its proof; what is taken out of it."""

from __future__ import annotations

import csv
import io
import json
import threading
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

import structlog
from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import StreamingResponse

import cityheart
from cityheart.kernel import audit, limits
from cityheart.kernel.access import require
from cityheart.kernel.actors import Actor
from cityheart.kernel.audit import Check, Wanted
from cityheart.kernel.clock import SystemClock, stopwatch
from cityheart.kernel.database import Database
from cityheart.kernel.errors import Conflict, Invalid, TooLarge, Unauthenticated
from cityheart.kernel.events import Event
from cityheart.kernel.schema import canonical
from cityheart.kernel.text import Text, text
from cityheart.serve.service import Serve

__all__ = ["Audit", "Verifying", "router"]

_LOG = structlog.get_logger("audit")
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
    """The proof of the log: one run at a time, in a thread of its own, with its progress; its result is an event."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._check: Check | None = None
        self._command = ""
        self._run: dict[str, object] = {"state": "idle"}

    def status(self, actor: Actor) -> dict[str, object]:
        """The run under way or the last of this program, and what was proven before, newest first."""
        require(actor, "event.read")
        check = self._check
        with self._database.read() as conn:
            before = [{"at": event.at, "by": event.actor, **event.data} for event in reversed(audit.proofs(conn)[-20:])]
        share = 0.0 if check is None or not check.total else min(1.0, check.done / (2 * check.total))
        return {
            **self._run,
            "checked": 0 if check is None else check.done // 2,
            "total": 0 if check is None else check.total,
            "share": round(share, 4),
            "faults": [] if check is None else [fault.json() for fault in check.faults[: limits.AUDIT_FAULTS]],
            "before": before,
        }

    def start(self, actor: Actor, command_id: str) -> dict[str, object]:
        """Begin. Raises :class:`Conflict` while another run is under way; the same command again is the same run."""
        require(actor, "event.read")
        with self._lock:
            if self._run["state"] == "running" or command_id == self._command:
                if command_id != self._command:
                    raise Conflict("the log is being verified already", remedy="wait for the end, or stop it")
                return self.status(actor)
            self._command, self._stop = command_id, threading.Event()
            self._check = Check.of(self._database)
            self._run = {"state": "running", "by": actor.id, "by_name": actor.name, "started_at": SystemClock().now()}
            self._thread = threading.Thread(
                target=self._go, args=(actor, self._check, self._stop), daemon=True, name="verifying"
            )
            self._thread.start()
        return self.status(actor)

    def stop(self, actor: Actor) -> dict[str, object]:
        """End the run under way; what it had found until then is told."""
        require(actor, "event.read")
        self._stop.set()
        self.wait()
        return self.status(actor)

    def wait(self) -> None:
        """Until the run under way is over."""
        if self._thread is not None:
            self._thread.join(limits.STOP_PATIENCE.total_seconds())

    def _go(self, actor: Actor, check: Check, stop: threading.Event) -> None:
        began = stopwatch()
        try:
            whole = check.run(self._database, lambda: not stop.wait(0.001))  # others are let in between two steps
            told: dict[str, object] = {
                "events": check.total,
                "streams": check.streams,
                "seals": check.seals,
                "upto": check.upto,
                "breaks": len(check.faults),
                "first": [fault.json() for fault in check.faults[:20]],
                "seconds": round(stopwatch() - began, 3),
            }
            if whole:
                told["digest"] = check.digest
            else:
                told["checked"] = check.done // 2
            with self._database.work(actor) as work:
                if whole:
                    work.emit(audit.PROOFS, "log.verified", told)
                else:
                    work.emit(audit.PROOFS, "log.verification_stopped", told)
            self._over("done" if whole else "stopped", told)
        except Exception as error:  # the store went away: told, and tried again by whoever asked
            _LOG.exception("verifying.failed")
            self._over("failed", {"reason": f"{type(error).__name__}: {error}"[:500]})

    def _over(self, state: str, told: Mapping[str, object]) -> None:
        self._run = {**self._run, "state": state, "ended_at": SystemClock().now(), **told}


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

    @routes.get("/verification", summary="How far the proof of the log is, and what was proven before")
    def status(request: Request) -> dict[str, object]:
        return verifying.status(_actor(request))

    @routes.post("/verification", summary="Prove every chain and seal of the log")
    def start(request: Request, body: Begin) -> dict[str, object]:
        return verifying.start(_actor(request), body.command_id)

    @routes.post("/verification/stop", summary="Stop the proof under way")
    def stop(request: Request) -> dict[str, object]:
        return verifying.stop(_actor(request))

    return routes


def _actor(request: Request) -> Actor:
    actor = getattr(request.state, "actor", None)
    if not isinstance(actor, Actor):
        raise Unauthenticated("nobody is signed in", remedy="sign in first")
    return actor

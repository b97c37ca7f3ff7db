"""The live channel: one WebSocket a client, events with their offset, the city's clock once a second.

A client that was away asks for ``?after=SEQ`` and gets what it missed, without a gap or a double. Who may not read
the event log is told that something changed, not what. Who asks to follow vehicles, and may read their positions, gets
those in view as binary frames, once a second at most (docs/adr/0034).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from starlette.concurrency import run_in_threadpool
from starlette.websockets import WebSocket, WebSocketDisconnect

from cityheart.kernel import events, limits
from cityheart.kernel.access import can
from cityheart.kernel.actors import Actor
from cityheart.kernel.database import Database
from cityheart.kernel.errors import Invalid, Problem
from cityheart.kernel.events import Event
from cityheart.kernel.schema import canonical
from cityheart.kernel.text import text
from cityheart.share.grants.models import Sight, Use
from cityheart.web.guard import check_origin
from cityheart.web.vehicles import Looking, Vehicles

__all__ = ["Live"]

POLL_SECONDS = 0.25
CLOSE_SIGNED_OUT, CLOSE_BUSY, CLOSE_FOREIGN, CLOSE_SAYING, CLOSE_AGAIN = 4401, 4429, 4403, 4400, 1012
PRIVATE = ("account.", "session.", "log.")
TELLING = frozenset(
    {"account.blocked", "account.changed", "account.code_issued", "account.password_set", "session.ended"}
)
"""What, on the own account, makes a link end: whoever may still come in does so anew, with the rights of now."""


class Sharing(Protocol):
    """What the live channel asks of the share about positions."""

    def admit(self, actor: Actor, dataset: str, *, columns: Sequence[str] | None = None, use: Use = "live") -> None:
        """Let the actor read these columns of all rows; raises a :class:`Problem`, leaves an event."""
        ...

    def sight(self, actor: Actor, dataset: str, use: Use = "read") -> Sight:
        """What the actor sees of a dataset, by the grants as they stand now."""
        ...


@dataclass
class _Client:
    """What one client follows: datasets in the order it named them, each with its part of the map."""

    actor: Actor
    following: list[tuple[str, Looking]] = field(default_factory=list)
    admitted: set[str] = field(default_factory=set)
    asked: dict[str, object] | None = None  # what the client said last, not yet looked at


class Live:
    """Serves ``/api/live``.

    ``clock`` gives the frame with the city's time. ``sharing`` says who may follow positions; a grant that ends or is
    revoked ends the following within a second of its being known (``limits.GRANTS_LOOK``).
    """

    def __init__(
        self, database: Database, clock: Callable[[], dict[str, object]], vehicles: Vehicles, sharing: Sharing
    ) -> None:
        self._database = database
        self._clock = clock
        self._vehicles = vehicles
        self._sharing = sharing
        self._clients = 0

    async def serve(self, socket: WebSocket) -> None:
        """Talk to one client until it goes."""
        actor: Actor | None = socket.scope["state"]["actor"]
        await socket.accept()
        try:
            check_origin({name: value.decode("latin-1") for name, value in socket.scope["headers"]})
        except Problem:
            await socket.close(CLOSE_FOREIGN)
            return
        if actor is None or self._clients >= limits.LIVE_CLIENTS:
            await socket.close(CLOSE_SIGNED_OUT if actor is None else CLOSE_BUSY)
            return
        self._clients += 1
        client = _Client(actor)
        listener = asyncio.ensure_future(_listen(socket, client))
        try:
            await self._feed(socket, client, listener)
            if not listener.cancelled() and listener.done() and listener.result():
                await socket.close(CLOSE_SAYING)
        except (WebSocketDisconnect, RuntimeError):
            pass  # the client went in the middle of a frame
        finally:
            self._clients -= 1
            listener.cancel()

    async def _feed(self, socket: WebSocket, client: _Client, listener: asyncio.Future[bool]) -> None:
        asked = socket.query_params.get("after", "")
        position = int(asked) if asked.isdigit() else await run_in_threadpool(self._last)
        full = can(client.actor, "event.read")
        ticks = 0
        while not listener.done():
            found = await run_in_threadpool(self._read, position)
            for event in found:
                position = event.seq
                if event.type in TELLING and event.stream == f"account:{client.actor.id}":
                    await socket.close(CLOSE_AGAIN)
                    return
                if not event.type.startswith(PRIVATE) or full:
                    await socket.send_text(canonical(event.json() if full else _hint(event)))
            second = ticks % int(1 / POLL_SECONDS) == 0
            if second:
                await socket.send_text(canonical({"type": "clock", "seq": position, **self._clock()}))
            if client.asked is not None:
                said, client.asked = client.asked, None
                await socket.send_text(canonical(await run_in_threadpool(self._follow, client, said)))
                second = True
            if second and client.following:
                ended = await run_in_threadpool(self._ended, client)
                if ended is not None:
                    await socket.send_text(canonical(ended))
                await self._positions(socket, client)
            ticks += 1
            if len(found) < limits.EVENTS_READ:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(asyncio.shield(listener), POLL_SECONDS)

    def _follow(self, client: _Client, said: dict[str, object]) -> dict[str, object]:
        """Look at other vehicles or another part of the map; says what is followed now, and what may not be."""
        try:
            datasets, box = _wanted(said)
        except Invalid as problem:
            refused = {"": problem.both()[0]}
            return {"type": "following", "datasets": [one for one, _ in client.following], "refused": refused}
        refused = {}
        before = dict(client.following)
        client.following = []
        for dataset in datasets:
            fleet = self._vehicles.fleet(dataset)
            if fleet is None:
                refused[dataset] = text("没有跟踪这个数据集的车辆", "its vehicles are not followed")
                continue
            try:
                if dataset not in client.admitted or not self._shown(client, dataset):
                    self._sharing.admit(client.actor, dataset, columns=fleet.needs(), use="live")
                    client.admitted.add(dataset)
            except Problem as problem:
                refused[dataset] = problem.both()[0]
                continue
            looking = before.get(dataset) or Looking(box)
            looking.turn(box)
            client.following.append((dataset, looking))
        return {"type": "following", "datasets": [one for one, _ in client.following], "refused": refused}

    def _shown(self, client: _Client, dataset: str) -> bool:
        """Whether the client may go on to see the positions."""
        fleet = self._vehicles.fleet(dataset)
        return fleet is not None and self._sharing.sight(client.actor, dataset, "live").shows(*fleet.needs())

    def _ended(self, client: _Client) -> dict[str, object] | None:
        """Stop following what is no longer shown to the client; what to say of it, if there is anything to say."""
        over = [dataset for dataset, _ in client.following if not self._shown(client, dataset)]
        if not over:
            return None
        client.admitted -= set(over)
        client.following = [(dataset, looking) for dataset, looking in client.following if dataset not in over]
        why = text(
            "不再向您共享：授权已到期或被撤销", "it is no longer shared with you: the grant ended or was revoked"
        )
        return {
            "type": "following", "datasets": [one for one, _ in client.following], "refused": dict.fromkeys(over, why),
        }  # fmt: skip

    async def _positions(self, socket: WebSocket, client: _Client) -> None:
        for number, (dataset, looking) in enumerate(client.following):
            first, names, frame = await run_in_threadpool(self._vehicles.news, dataset, looking, number)
            for at in range(0, len(names), limits.LIVE_NAMES):
                part = list(names[at : at + limits.LIVE_NAMES])
                await socket.send_text(
                    canonical({"type": "vehicles", "dataset": dataset, "first": first + at, "names": part})
                )
            if frame is not None:
                await socket.send_bytes(frame)

    def _read(self, position: int) -> list[Event]:
        with self._database.read() as conn:
            return events.read(conn, after=position)

    def _last(self) -> int:
        with self._database.read() as conn:
            return events.last(conn)


def _wanted(said: dict[str, object]) -> tuple[list[str], tuple[float, float, float, float]]:
    """``{"follow": [dataset, …], "box": [west, south, east, north]}``. Raises :class:`Invalid` for anything else."""
    datasets, box = said.get("follow"), said.get("box", [-180, -90, 180, 90])
    if not isinstance(datasets, list) or len(datasets) > limits.LIVE_FOLLOWED:
        raise Invalid(f"follow is a list of at most {limits.LIVE_FOLLOWED} datasets")
    if not all(isinstance(one, str) for one in datasets) or len(set(datasets)) != len(datasets):
        raise Invalid("follow names each dataset once")
    if not isinstance(box, list) or len(box) != 4:
        raise Invalid("box is west, south, east, north in degrees")
    corners = [float(one) if isinstance(one, int | float) and math.isfinite(one) else math.nan for one in box]
    west, south, east, north = corners
    if not (west <= east and south <= north):
        raise Invalid("box is west, south, east, north in degrees")
    return [str(one) for one in datasets], (west, south, east, north)


def _hint(event: Event) -> dict[str, object]:
    return {"seq": event.seq, "type": event.type, "stream": event.stream, "at": event.at, "actor": "", "data": {}}


async def _listen(socket: WebSocket, client: _Client) -> bool:
    """Hear the client until it goes (false), or says what is no message (true)."""
    while True:
        message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            return False
        said = message.get("text")
        if not isinstance(said, str) or len(said) > limits.LIVE_SAYING_CHARS:
            return True
        try:
            told = json.loads(said)
        except (ValueError, RecursionError):  # the latter: lists within lists, deeper than any message is
            return True
        if not isinstance(told, dict):
            return True
        client.asked = told

"""The live channel: one WebSocket a client, events with their offset, the city's clock once a second.

A client that was away asks for ``?after=SEQ`` and gets what it missed, without a gap or a double. Who may not read
the event log is told that something changed, not what.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from starlette.concurrency import run_in_threadpool
from starlette.websockets import WebSocket, WebSocketDisconnect

from cityheart.kernel import events, limits
from cityheart.kernel.access import can
from cityheart.kernel.actors import Actor
from cityheart.kernel.database import Database
from cityheart.kernel.errors import Problem
from cityheart.kernel.events import Event
from cityheart.kernel.schema import canonical
from cityheart.web.guard import check_origin

__all__ = ["Live"]

POLL_SECONDS = 0.25
CLOSE_SIGNED_OUT, CLOSE_BUSY, CLOSE_FOREIGN = 4401, 4429, 4403
PRIVATE = ("account.", "session.", "log.")


class Live:
    """Serves ``/api/live``. ``clock`` gives the frame with the city's time."""

    def __init__(self, database: Database, clock: Callable[[], dict[str, object]]) -> None:
        self._database = database
        self._clock = clock
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
        listener = asyncio.ensure_future(_until_closed(socket))
        try:
            await self._feed(socket, actor, listener)
        except (WebSocketDisconnect, RuntimeError):
            pass  # the client went in the middle of a frame
        finally:
            self._clients -= 1
            listener.cancel()

    async def _feed(self, socket: WebSocket, actor: Actor, listener: asyncio.Future[None]) -> None:
        asked = socket.query_params.get("after", "")
        position = int(asked) if asked.isdigit() else await run_in_threadpool(self._last)
        full = can(actor, "event.read")
        ticks = 0
        while not listener.done():
            found = await run_in_threadpool(self._read, position)
            for event in found:
                position = event.seq
                if not event.type.startswith(PRIVATE) or full:
                    await socket.send_text(canonical(event.json() if full else _hint(event)))
            if ticks % int(1 / POLL_SECONDS) == 0:
                await socket.send_text(canonical({"type": "clock", "seq": position, **self._clock()}))
            ticks += 1
            if len(found) < limits.EVENTS_READ:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(asyncio.shield(listener), POLL_SECONDS)

    def _read(self, position: int) -> list[Event]:
        with self._database.read() as conn:
            return events.read(conn, after=position)

    def _last(self) -> int:
        with self._database.read() as conn:
            return events.last(conn)


def _hint(event: Event) -> dict[str, object]:
    return {"seq": event.seq, "type": event.type, "stream": event.stream, "at": event.at, "actor": "", "data": {}}


async def _until_closed(socket: WebSocket) -> None:
    while True:
        message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            return

"""A TCP server for devices: reads from thousands of connections, lands in batches, and answers what is durable.

One thread turns the sockets, another frames, lands and makes the answers; between them wait at most
``limits.WIRE_WAITING_BYTES``. Every connection has its share of that: one that sends more than its share is not read from
until what it sent has landed, and slows nobody but itself. When nothing can be landed (disk full, store away) no socket
is read any more, what has come is kept and tried again, and devices that get no answer keep what they have.
"""

from __future__ import annotations

import asyncio
import errno
import resource
import socket
import threading
from collections.abc import Mapping, Sequence

import pyarrow as pa
import structlog

from cityheart.kernel import limits
from cityheart.kernel.clock import stopwatch
from cityheart.kernel.errors import Problem
from cityheart.kernel.text import LANGUAGES, Text, text
from cityheart.share.connectors.base import Listening, SourceFailed
from cityheart.share.connectors.devices import Address
from cityheart.share.models import Delivery
from cityheart.share.wire.dialogue import Answers, Dialogue
from cityheart.share.wire.frames import AT, CHUNKS, delivery
from cityheart.share.wire.framing import Framer

__all__ = ["Server"]

log = structlog.get_logger("share")

_TURN_SECONDS = 0.02  # between two looks at what has come: devices that begin wait no longer for their answer
_READ_BYTES = 65_536  # read from a socket at once


class Server:
    """A listener (``connectors.base.Listener``) for a protocol over TCP; listens when it is made.

    Raises SourceFailed when the address cannot be had.
    """

    def __init__(self, listening: Listening, dialogue: Dialogue, at: Address) -> None:
        self._listening = listening
        self._dialogue = dialogue
        self._at = at
        self._socket = _bound(at)
        self.address: tuple[str, int] | None = self._socket.getsockname()[:2]
        _allow_files(at.connections)
        self._connections: dict[int, _Connection] = {}
        self._chunks: list[tuple[int, bytes]] = []
        self._ended: list[int] = []
        self._lock = threading.Lock()  # over what came and what ended
        self._came = threading.Event()
        self._stopping = threading.Event()
        self._begun = threading.Event()
        self._failed: OSError | None = None
        self._halted = False
        self._puzzled = False  # what came last could not be worked on
        self._counts = dict.fromkeys(
            ("accepted", "turned_away", "idle_closed", "cut_off", "bytes", "frames", "bad", "refused", "rows",
             "quarantined", "batches", "failures"), 0,
        )  # fmt: skip
        self._waiting_frames = 0
        self._landing_seconds = 0.0
        self._buffer = memoryview(bytearray(_READ_BYTES))
        self._numbers = 0
        self._loop = asyncio.new_event_loop()
        name = listening.source
        self._sockets = threading.Thread(target=self._turn_sockets, name=f"listen {name}", daemon=True)
        self._worker = threading.Thread(target=self._work, name=f"land {name}", daemon=True)
        self._sockets.start()
        self._begun.wait()
        if self._failed is not None:
            self._socket.close()
            raise _unheard(at, self._failed)
        self._worker.start()
        listening.report(None)

    def figures(self) -> Mapping[str, int | float]:
        """Connections now; since it began: connections accepted, turned away, closed; bytes, frames, rows; what waits."""
        connections = list(self._connections.values())
        return {
            "connections": len(connections),
            **self._counts,
            "waiting_bytes": sum(each.waiting for each in connections),
            "waiting_frames": self._waiting_frames,
            "paused": sum(each.paused for each in connections),
            "landing_seconds": self._landing_seconds,
        }

    def stop(self, seconds: float) -> None:
        """Read nothing more, land and answer what has come, and end; what does not land in time was never answered."""
        ends = stopwatch() + seconds
        self._stopping.set()
        self._came.set()
        self._call(self._halt)
        self._worker.join(max(0.0, ends - stopwatch()))
        self._call(self._close)
        self._sockets.join(max(0.1, ends - stopwatch()))

    # ── sockets ────────────────────────────────────────────────────────────────────────────────────────────────

    def _turn_sockets(self) -> None:
        loop = self._loop
        asyncio.set_event_loop(loop)
        try:
            making = loop.create_server(lambda: _Connection(self), sock=self._socket, backlog=1_024)
            self._server = loop.run_until_complete(making)
            loop.call_later(self._sweep_seconds, self._sweep)
            self._begun.set()
            loop.run_forever()
        except OSError as error:
            self._failed = error
            self._begun.set()
        finally:
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()

    def _call(self, do: object, *arguments: object) -> None:
        """Do something in the thread of the sockets; nothing when that has ended."""
        try:
            self._loop.call_soon_threadsafe(do, *arguments)  # type: ignore[arg-type]
        except RuntimeError:
            return

    @property
    def _sweep_seconds(self) -> float:
        return min(max(self._at.idle_seconds / 4, 0.05), 15.0)

    @property
    def share(self) -> int:
        """Bytes that one connection may have on the way to the lake."""
        fair = limits.WIRE_WAITING_BYTES // max(1, len(self._connections))
        return min(max(fair, limits.WIRE_PACKET_BYTES), limits.WIRE_CONNECTION_BYTES)

    def opened(self, connection: _Connection) -> bool:
        """Take in a new connection; False when there are too many."""
        if len(self._connections) >= self._at.connections or self._stopping.is_set():
            self._counts["turned_away"] += 1
            return False
        self._numbers += 1
        connection.number = self._numbers
        self._connections[connection.number] = connection
        self._counts["accepted"] += 1
        connection.steer(self._halted)
        return True

    def read(self, connection: _Connection, size: int) -> None:
        """Keep what was read into the buffer."""
        data = bytes(self._buffer[:size])
        connection.last = stopwatch()
        connection.waiting += size
        with self._lock:
            self._chunks.append((connection.number, data))
        self._came.set()
        if connection.waiting >= self.share:
            connection.steer(True)

    def buffer(self) -> memoryview:
        """Where the next piece is read to."""
        return self._buffer

    def closed(self, connection: _Connection) -> None:
        """A connection has ended, whoever ended it."""
        if self._connections.pop(connection.number, None) is not None:
            with self._lock:
                self._ended.append(connection.number)
            self._came.set()

    def _sweep(self) -> None:
        """Close connections of which nothing was heard for too long."""
        before = stopwatch() - self._at.idle_seconds
        for connection in list(self._connections.values()):
            if connection.last < before and not connection.waiting:
                self._counts["idle_closed"] += 1
                connection.transport.abort()
        self._loop.call_later(self._sweep_seconds, self._sweep)

    def _answer(self, answers: Answers) -> None:
        for number, data in answers:
            connection = self._connections.get(number)
            if connection is not None:
                connection.transport.write(data)

    def _landed(self, answers: Answers, taken: Mapping[int, int]) -> None:
        """Answer what is durable, and read again from those that waited for it."""
        self._answer(answers)
        share = self.share
        for number, size in taken.items():
            connection = self._connections.get(number)
            if connection is not None:
                connection.waiting -= size
                if connection.waiting < share:
                    connection.steer(self._halted)

    def _halt(self, halted: bool = True) -> None:
        """Read from no connection, or again from those that may send."""
        self._halted = halted
        share = self.share
        for connection in self._connections.values():
            connection.steer(halted or connection.waiting >= share)

    def _cut_off(self, number: int) -> None:
        connection = self._connections.get(number)
        if connection is not None and not connection.transport.is_closing():
            self._counts["cut_off"] += 1
            connection.transport.abort()

    def _close(self) -> None:
        self._server.close()
        for connection in list(self._connections.values()):
            connection.transport.close()  # what was answered is still sent
        self._loop.call_soon(self._loop.stop)

    # ── landing ────────────────────────────────────────────────────────────────────────────────────────────────

    def _work(self) -> None:
        framer = self._dialogue.framer()
        batch = _Batch()
        while True:
            self._came.wait(batch.left(self._at.batch_seconds))
            stopping = self._stopping.is_set()
            with self._lock:
                chunks, self._chunks = self._chunks, []
                ended, self._ended = self._ended, []
                self._came.clear()
            if chunks:
                self._understand(framer, chunks, batch)
            for number in ended:
                framer.close(number)
                self._dialogue.close(number)
                batch.strikes.pop(number, None)
            full = batch.frames >= self._at.batch_frames
            if batch.begun is not None and (stopping or full or batch.left(self._at.batch_seconds) == 0.0):
                if not self._land(batch):
                    return
                batch.clear()
                self._waiting_frames = 0
            if stopping:
                return
            if chunks and not full:
                self._stopping.wait(_TURN_SECONDS)

    def _understand(self, framer: Framer, chunks: Sequence[tuple[int, bytes]], batch: _Batch) -> None:
        """Work on what came; where that fails its connections are ended, and their devices send again elsewhere."""
        try:
            self._hear(framer, chunks, batch)
        except Exception as error:  # one fault must not make the city deaf
            log.exception("listener.puzzled", source=self._listening.source)
            shown = f"{type(error).__name__}: {error}"[:300]
            self._listening.report(text(f"收到的数据无法处理：{shown}", f"what came cannot be worked on: {shown}"))
            self._puzzled = True
            for number in {number for number, _ in chunks}:
                framer.close(number)
                self._call(self._cut_off, number)
        else:
            if self._puzzled:
                self._puzzled = False
                self._listening.report(None)

    def _hear(self, framer: Framer, chunks: Sequence[tuple[int, bytes]], batch: _Batch) -> None:
        """Frame what came, answer what promises nothing, and put the rest into the batch."""
        now = self._listening.clock.now()
        numbers, data = zip(*chunks, strict=True)
        columns = [
            pa.array([now] * len(chunks), AT),
            pa.array(numbers, pa.int32()),
            pa.array(data, pa.binary()),
        ]
        frames = framer.frames(pa.table(columns, schema=CHUNKS))
        turn = self._dialogue.hear(frames)
        for number, piece in chunks:
            batch.taken[number] = batch.taken.get(number, 0) + len(piece)
            self._counts["bytes"] += len(piece)
        self._counts["frames"] += frames.num_rows
        self._counts["bad"] += len(turn.bad)
        self._counts["refused"] += turn.refused
        for number in turn.good:
            batch.strikes.pop(number, None)
        for number, size in turn.bad:
            batch.strikes[number] = batch.strikes.get(number, 0) + size
        for number in {number for number, _ in turn.bad if batch.strikes[number] > limits.WIRE_BAD_BYTES}:
            self._call(self._cut_off, number)
        if turn.soon:
            self._call(self._answer, turn.soon)
        batch.late += turn.late
        if turn.land.num_rows:
            batch.land.append(turn.land)
            batch.frames += turn.land.num_rows
            batch.begun = batch.begun if batch.begun is not None else stopwatch()
            self._waiting_frames = batch.frames
        elif batch.begun is None:  # nothing to land: what was read is done with
            self._call(self._landed, [], dict(batch.taken))
            batch.clear()

    def _land(self, batch: _Batch) -> bool:
        """Land the batch, however long that takes; False when it was to stop before it could."""
        begun = stopwatch()
        now = self._listening.clock.now()
        self._counts["batches"] += 1
        name = f"{self._dialogue.format}-{now:%Y%m%dT%H%M%S.%f}"
        one = delivery(name, now, pa.concat_tables(batch.land), self._dialogue.format)
        wait = limits.WIRE_RETRY_FIRST.total_seconds()
        while (reason := self._landed_or_why(one, batch)) is not None:
            self._counts["failures"] += 1
            if not self._halted:
                log.error("listener.halted", source=self._listening.source, reason=reason["en"])
            self._halted = True
            self._call(self._halt)
            self._listening.report(reason)
            if self._stopping.wait(wait):
                return False
            wait = min(wait * 2, limits.WIRE_RETRY_LONGEST.total_seconds())
        if self._halted and not self._stopping.is_set():
            log.info("listener.resumed", source=self._listening.source)
            self._listening.report(None)
            self._call(self._halt, False)
        self._landing_seconds = stopwatch() - begun
        return True

    def _landed_or_why(self, one: Delivery, batch: _Batch) -> Text | None:
        """Land once; None when it is durable, else why not."""
        try:
            (result,) = self._listening.land([one])
        except Problem as problem:
            shown = problem.both()[0]
        except OSError as error:
            shown = dict.fromkeys(LANGUAGES, str(error)[:300])
        except Exception as error:  # whatever it is, nothing that came may be lost for it
            log.exception("listener.failed", source=self._listening.source)
            shown = dict.fromkeys(LANGUAGES, f"{type(error).__name__}: {error}"[:300])
        else:
            self._counts["rows"] += result.rows
            self._counts["quarantined"] += result.quarantined
            answers = batch.late if result.refused is None else []
            self._call(self._landed, answers, dict(batch.taken))
            return None
        return text(f"暂时无法入库：{shown['zh-CN']}", f"nothing can be landed now: {shown['en']}")


class _Batch:
    """What has come and has not landed."""

    def __init__(self) -> None:
        self.strikes: dict[int, int] = {}  # bytes of bad pieces of a connection since its last sound frame
        self.clear()

    def clear(self) -> None:
        self.land: list[pa.Table] = []
        self.late: Answers = []
        self.taken: dict[int, int] = {}
        self.frames = 0
        self.begun: float | None = None

    def left(self, seconds: float) -> float | None:
        """Seconds until it is due; None when nothing waits."""
        return None if self.begun is None else max(0.0, self.begun + seconds - stopwatch())


class _Connection(asyncio.BufferedProtocol):
    """One device's connection; all of it lives in the thread of the sockets."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.number = 0
        self.waiting = 0  # bytes read and not landed
        self.paused = False
        self.last = stopwatch()
        self._unread = False  # it does not read what it is answered
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.set_write_buffer_limits(high=limits.WIRE_UNSENT_BYTES)
        if not self._server.opened(self):
            transport.abort()

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._server.buffer()

    def buffer_updated(self, nbytes: int) -> None:
        self._server.read(self, nbytes)

    def steer(self, pause: bool) -> None:
        """Read on, or not; one that does not read its answers is not read from."""
        pause = pause or self._unread
        if pause != self.paused:
            self.paused = pause
            if pause:
                self.transport.pause_reading()
            else:
                self.transport.resume_reading()

    def pause_writing(self) -> None:
        self._unread = True
        self.steer(True)

    def resume_writing(self) -> None:
        self._unread = False
        self.steer(self.waiting >= self._server.share)

    def eof_received(self) -> bool:
        return False  # what it sent is landed; there is nobody to answer

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.closed(self)


def _bound(at: Address) -> socket.socket:
    family = socket.AF_INET6 if ":" in at.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        listener.bind((at.host, at.port))
        listener.setblocking(False)
    except (OSError, OverflowError) as error:
        listener.close()
        raise _unheard(at, error) from error
    return listener


def _unheard(at: Address, error: Exception) -> SourceFailed:
    why = getattr(error, "strerror", None) or str(error)
    hint = "another program listens there" if getattr(error, "errno", None) == errno.EADDRINUSE else why
    return SourceFailed(text(f"无法监听 {at.host}:{at.port}：{why}", f"cannot listen on {at.host}:{at.port}: {hint}"))


def _allow_files(connections: int) -> None:
    """As many open files as connections need, where the system lets us."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = connections + 1_024
    if soft != resource.RLIM_INFINITY and soft < needed:
        ceiling = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, ceiling), hard))

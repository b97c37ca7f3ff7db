"""A small MQTT broker for a play on a machine without mosquitto: MQTT 3.1.1, for this machine only, while the play lasts.

It does what the systems of a test city and the city's own client need: sessions that outlast a connection, messages at
most and at least once (QoS 0 and 1), in order, and again after a connection that broke; subscriptions with ``+`` and ``#``.
It has no QoS 2, no wills, no passwords, nothing on the disk, and keeps no retained message but its own count of
subscriptions under ``$SYS``. A publisher waits while those who listen are far behind, so memory stays bounded.
"""

from __future__ import annotations

import asyncio
import struct
import threading
from collections import OrderedDict, deque
from dataclasses import dataclass, field

__all__ = ["SUBSCRIPTIONS", "Embedded"]

SUBSCRIPTIONS = "$SYS/broker/subscriptions/count"
PACKET_BYTES = 2**20  # of one packet
INFLIGHT = 1_000  # messages sent to a subscriber that it has not acknowledged
BEHIND = 10_000  # messages that wait for a subscriber before publishers wait for it
SESSIONS = 1_000  # remembered at once
SUBSCRIBED = 1_000  # filters of one session
STARTING_SECONDS = 10.0

_CONNECT, _CONNACK, _PUBLISH, _PUBACK, _SUBSCRIBE, _SUBACK = 1, 2, 3, 4, 8, 9
_UNSUBSCRIBE, _UNSUBACK, _PINGREQ, _PINGRESP, _DISCONNECT = 10, 11, 12, 13, 14
_BAD_VERSION = 1
_FAILURE = 0x80

Message = tuple[str, bytes, int]  # topic, payload, quality of service


class _WrongError(Exception):
    """A client says what this broker does not understand; its connection ends."""


@dataclass
class _Session:
    """What is kept for a client: what it listens to, what it has not acknowledged, what waits for it."""

    clean: bool
    filters: dict[str, int] = field(default_factory=dict)
    waiting: deque[Message] = field(default_factory=deque)
    sent: OrderedDict[int, Message] = field(default_factory=OrderedDict)
    writer: asyncio.StreamWriter | None = None
    room: asyncio.Event = field(default_factory=asyncio.Event)
    number: int = 0

    def wants(self, topic: str) -> int | None:
        """The best quality in which it listens to a topic."""
        return max((quality for filter, quality in self.filters.items() if _matches(filter, topic)), default=None)

    def send(self) -> None:
        """Send what waits, as much as may be on the way."""
        while self.writer is not None and self.waiting and len(self.sent) < INFLIGHT:
            message = self.waiting.popleft()
            number = 0
            if message[2]:
                number = self.number = self.number % 65_535 + 1
                self.sent[number] = message
            self.writer.write(_publish(message, number))
        if len(self.waiting) < BEHIND:
            self.room.set()

    def again(self) -> None:
        """Send what was never acknowledged once more, in its order."""
        assert self.writer is not None
        for number, message in self.sent.items():
            self.writer.write(_publish(message, number, again=True))
        self.send()


class Embedded:
    """A running broker on a free ``port`` of 127.0.0.1, in a thread of its own."""

    def __init__(self) -> None:
        self.port = 0
        self._sessions: dict[str, _Session] = {}
        self._anonymous = 0
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._ending: asyncio.Event | None = None
        self._problem: OSError | None = None
        self._thread = threading.Thread(target=self._run, name="mqtt-broker", daemon=True)
        self._thread.start()
        self._started.wait(STARTING_SECONDS)
        if self._problem is not None:
            raise self._problem

    def close(self) -> None:
        """End it with all connections."""
        if self._ending is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._ending.set)
        self._thread.join(STARTING_SECONDS)

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        except OSError as problem:
            self._problem = problem
        finally:
            self._started.set()
            self._loop.close()

    async def _serve(self) -> None:
        self._ending = asyncio.Event()
        server = await asyncio.start_server(self._client, "127.0.0.1", 0, limit=PACKET_BYTES)
        self.port = int(server.sockets[0].getsockname()[1])
        self._started.set()
        await self._ending.wait()
        server.close()
        clients = [each for each in asyncio.all_tasks() if each is not asyncio.current_task()]
        for each in clients:
            each.cancel()
        await asyncio.gather(*clients, return_exceptions=True)

    # ── one client ─────────────────────────────────────────────────────────────────────────────────────────────

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        name, session = "", None
        try:
            kind, _, body = await _packet(reader)
            if kind != _CONNECT:
                raise _WrongError("the first packet is no CONNECT")
            name, session = await self._connected(body, writer)
            while True:
                kind, flags, body = await _packet(reader)
                if kind == _DISCONNECT:
                    break
                await self._heard(session, kind, flags, body)
                await writer.drain()
        except (_WrongError, OSError, EOFError, asyncio.CancelledError, struct.error, UnicodeDecodeError, IndexError):
            pass  # the connection ends, and what was not acknowledged is sent again in the next
        finally:
            if session is not None and session.writer is writer:
                session.writer = None
                if session.clean:
                    self._sessions.pop(name, None)
                    session.waiting.clear()
                    session.room.set()
                    self._count()
            writer.close()

    async def _connected(self, body: bytes, writer: asyncio.StreamWriter) -> tuple[str, _Session]:
        """The session of the client that connects, its own from before if it wants that."""
        protocol, at = _text(body, 0)
        if protocol != "MQTT" or body[at] != 4:
            writer.write(bytes([_CONNACK << 4, 2, 0, _BAD_VERSION]))
            await writer.drain()
            raise _WrongError("not MQTT 3.1.1")
        clean = bool(body[at + 1] & 2)
        name, _ = _text(body, at + 4)
        if not name:
            self._anonymous += 1
            name, clean = f"\x00{self._anonymous}", True
        before = self._sessions.get(name)
        if before is not None and before.writer is not None:
            before.writer.close()  # the same client again: the connection that was is over
            before.writer = None
        if before is None and len(self._sessions) >= SESSIONS:
            raise _WrongError("too many sessions")
        kept = before is not None and not before.clean and not clean
        session = before if kept and before is not None else _Session(clean)
        self._sessions[name] = session
        session.writer = writer
        writer.write(bytes([_CONNACK << 4, 2, int(kept), 0]))
        session.again()
        return name, session

    async def _heard(self, session: _Session, kind: int, flags: int, body: bytes) -> None:
        writer = session.writer
        if writer is None:
            raise _WrongError("taken over by another connection")
        match kind:
            case _ if kind == _PUBLISH:
                await self._published(session, flags, body)
            case _ if kind == _PUBACK:
                session.sent.pop(_number(body, 0), None)
                session.send()
            case _ if kind == _SUBSCRIBE:
                writer.write(_answer(_SUBACK, body[:2] + self._subscribed(session, body)))
                self._count()
            case _ if kind == _UNSUBSCRIBE:
                at = 2
                while at < len(body):
                    filter, at = _text(body, at)
                    session.filters.pop(filter, None)
                writer.write(_answer(_UNSUBACK, body[:2]))
                self._count()
            case _ if kind == _PINGREQ:
                writer.write(bytes([_PINGRESP << 4, 0]))
            case _:
                raise _WrongError(f"a packet of kind {kind}")

    def _subscribed(self, session: _Session, body: bytes) -> bytes:
        """Take filters in; what is granted for each."""
        granted = bytearray()
        at = 2
        while at < len(body):
            filter, at = _text(body, at)
            quality = min(body[at], 1)
            at += 1
            if len(session.filters) >= SUBSCRIBED or not _sound(filter):
                granted.append(_FAILURE)
                continue
            session.filters[filter] = quality
            granted.append(quality)
        return bytes(granted)

    async def _published(self, session: _Session, flags: int, body: bytes) -> None:
        """A message goes to everybody who listens; it is acknowledged once it is theirs."""
        quality = flags >> 1 & 3
        topic, at = _text(body, 0)
        if quality > 1 or not topic or "+" in topic or "#" in topic:
            raise _WrongError("QoS 2, or no topic")
        number, at = (_number(body, at), at + 2) if quality else (0, at)
        payload = body[at:]
        for each in list(self._sessions.values()):
            wanted = each.wants(topic)
            if wanted is None or (each.writer is None and not min(wanted, quality)):
                continue
            while len(each.waiting) >= BEHIND and each.filters and each is not session:
                each.room.clear()
                await each.room.wait()
            each.waiting.append((topic, payload, min(wanted, quality)))
            each.send()
            if each.writer is not None and each is not session:
                await each.writer.drain()
        if quality and session.writer is not None:
            session.writer.write(_answer(_PUBACK, number.to_bytes(2)))

    def _count(self) -> None:
        """Tell those who want to know how many subscriptions there are."""
        count = str(sum(len(each.filters) for each in self._sessions.values())).encode()
        for each in self._sessions.values():
            if each.writer is not None and each.wants(SUBSCRIPTIONS) is not None:
                each.waiting.append((SUBSCRIPTIONS, count, 0))
                each.send()


# ── packets ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def _packet(reader: asyncio.StreamReader) -> tuple[int, int, bytes]:
    """The next packet: its kind, flags and body. Raises :class:`EOFError` at the end."""
    head = (await reader.readexactly(1))[0]
    length = 0
    for place in range(4):
        byte = (await reader.readexactly(1))[0]
        length |= (byte & 127) << 7 * place
        if not byte & 128:
            break
    else:
        raise _WrongError("a length of more than four bytes")
    if length > PACKET_BYTES:
        raise _WrongError("a packet that is too long")
    return head >> 4, head & 15, await reader.readexactly(length)


def _publish(message: Message, number: int, *, again: bool = False) -> bytes:
    topic, payload, quality = message
    name = topic.encode()
    body = len(name).to_bytes(2) + name + (number.to_bytes(2) if quality else b"") + payload
    return bytes([_PUBLISH << 4 | (8 if again else 0) | quality << 1]) + _length(len(body)) + body


def _answer(kind: int, body: bytes) -> bytes:
    return bytes([kind << 4]) + _length(len(body)) + body


def _length(size: int) -> bytes:
    found = bytearray()
    while True:
        size, byte = size >> 7, size & 127
        found.append(byte | (128 if size else 0))
        if not size:
            return bytes(found)


def _number(body: bytes, at: int) -> int:
    found: int = struct.unpack_from(">H", body, at)[0]
    return found


def _text(body: bytes, at: int) -> tuple[str, int]:
    end = at + 2 + _number(body, at)
    if end > len(body):
        raise _WrongError("a text that is cut off")
    return body[at + 2 : end].decode(), end


def _sound(filter: str) -> bool:
    """Whether wildcards stand where they may."""
    levels = filter.split("/")
    return bool(filter) and all(
        level in ("+", "#") or not {"+", "#"} & set(level) for level in levels
    ) and "#" not in levels[:-1]  # fmt: skip


def _matches(filter: str, topic: str) -> bool:
    """Whether a filter takes a topic; wildcards at the first level do not take what begins with $."""
    wanted, levels = filter.split("/"), topic.split("/")
    if topic.startswith("$") and wanted[0] in ("+", "#"):
        return False
    for place, level in enumerate(wanted):
        if level == "#":
            return True
        if place >= len(levels) or level not in ("+", levels[place]):
            return False
    return len(wanted) == len(levels)

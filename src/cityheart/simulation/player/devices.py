"""Devices on TCP: every recorded connection is a client of its own that connects to the city's listener.

What the listener does not take waits; a connection that breaks is made again and says its last again, as terminals do.
"""

from __future__ import annotations

import selectors
import socket
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from cityheart.sdk import stopwatch
from cityheart.simulation.player.wire import PACKETS, Recording

__all__ = ["Devices"]

AGAIN_SECONDS = 1.0  # between two tries to connect
SAID_AGAIN = 32  # writes that are repeated on a new connection
TURN_SECONDS = 0.05
GOODBYE_SECONDS = 20.0  # that devices wait for the last answers when they hang up
READ_BYTES = 65_536

Address = tuple[str, int]


@dataclass
class _Client:
    """One device: its socket, what it has yet to send, and what it sent last."""

    socket: socket.socket | None = None
    waiting: deque[bytes] = field(default_factory=deque)
    sent: deque[bytes] = field(default_factory=lambda: deque(maxlen=SAID_AGAIN))
    part: int = 0  # bytes of the first waiting write that are sent
    again: float = 0.0


class Devices:
    """The devices of one recording; ``address`` says where the city listens, ``None`` while it does not."""

    def __init__(self, source: str, path: Path, address: Callable[[], Address | None]) -> None:
        self.source = source
        self._recording = Recording(path, PACKETS)
        self._address = address
        self._lock = threading.Lock()
        self._clients: dict[int, _Client] = {}
        self._selector = selectors.DefaultSelector()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._turn, name=f"devices {source}", daemon=True)
        self.waiting = 0  # bytes that no socket has taken yet
        self._thread.start()

    def skip(self, until: datetime) -> None:
        """Begin after ``until``."""
        self._recording.skip(until)

    def show(self, until: datetime) -> None:
        """Send what was sent by ``until``. Raises Invalid for a damaged recording."""
        chunks = self._recording.take(until)
        with self._lock:
            for connection, data in zip(chunks["connection"].to_pylist(), chunks["bytes"].to_pylist(), strict=True):
                self._clients.setdefault(connection, _Client()).waiting.append(data)
                self.waiting += len(data)

    def close(self) -> None:
        """Hang up, after what waits was sent for as long as somebody listens."""
        self._ending.set()
        self._thread.join()
        self._selector.close()

    # ── the thread ─────────────────────────────────────────────────────────────────────────────────────────────

    def _turn(self) -> None:
        while not (self._ending.is_set() and (self.waiting == 0 or self._address() is None)):
            with self._lock:
                ready = [client for client in self._clients.values() if client.waiting]
            for client in ready:
                self._speak(client)
            for key, _ in self._selector.select(0 if any(client.socket for client in ready) else TURN_SECONDS):
                self._hear(key.data)
            if ready:
                self._ending.wait(0.001 if any(client.waiting for client in ready) else TURN_SECONDS)
        self._hang_up()

    def _hang_up(self) -> None:
        """End every connection in order: what the city still answers is heard, so that it reads all that was sent."""
        for client in self._clients.values():
            if client.socket is not None:
                with suppress(OSError):
                    client.socket.shutdown(socket.SHUT_WR)
        ends = stopwatch() + GOODBYE_SECONDS
        while self._selector.get_map() and stopwatch() < ends:
            for key, _ in self._selector.select(TURN_SECONDS):
                self._hear(key.data)
        for client in self._clients.values():
            self._forget(client)

    def _speak(self, client: _Client) -> None:
        """Send as much of what waits as the socket takes."""
        if client.socket is None and not self._connect(client):
            return
        assert client.socket is not None
        while client.waiting:
            data = client.waiting[0]
            try:
                client.part += client.socket.send(memoryview(data)[client.part :])
            except BlockingIOError:
                return
            except OSError:
                self._broken(client)
                return
            if client.part < len(data):
                return
            client.part = 0
            with self._lock:
                client.sent.append(client.waiting.popleft())
                self.waiting -= len(data)

    def _connect(self, client: _Client) -> bool:
        address = self._address()
        if address is None or stopwatch() < client.again:
            return False
        client.again = stopwatch() + AGAIN_SECONDS
        try:
            client.socket = socket.create_connection(address, timeout=AGAIN_SECONDS)
        except OSError:
            return False
        client.socket.setblocking(False)
        self._selector.register(client.socket, selectors.EVENT_READ, client)
        return True

    def _hear(self, client: _Client) -> None:
        """Take in what the city answers; a device of this recording knows already what it says next."""
        if client.socket is None:
            return
        try:
            if client.socket.recv(READ_BYTES):
                return
        except BlockingIOError:
            return
        except OSError:
            self._broken(client)
            return
        self._forget(client)  # hung up in order, such as after a long silence: nothing is lost

    def _broken(self, client: _Client) -> None:
        """The connection broke: what was said last is said again on the next."""
        self._forget(client)
        with self._lock:
            self.waiting += sum(map(len, client.sent))
            client.waiting.extendleft(reversed(client.sent))
            client.sent.clear()

    def _forget(self, client: _Client) -> None:
        if client.socket is not None:
            with suppress(KeyError, ValueError):
                self._selector.unregister(client.socket)
            client.socket.close()
            client.socket = None
        client.part = 0

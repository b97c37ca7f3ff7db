"""The threads that carry messages out: one a way, so that a mail server that hangs holds up nobody but itself."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import structlog

from cityheart.kernel.database import Database
from cityheart.kernel.outbox import Delivery, Sending, relay, route

__all__ = ["Relays"]

SECONDS = 1.0  # between two looks when nobody rings

log = structlog.get_logger("cityheart")


class Relays:
    """Routes and relays what is in the outbox of one store. ``carry`` does it once, ``start`` goes on until ``stop``."""

    def __init__(self, database: Database, sending: Sending, ways: Sequence[Delivery]) -> None:
        self._database = database
        self._sending = sending
        self._ways = list(ways)
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    @property
    def running(self) -> bool:
        """Whether the threads are at work."""
        return any(thread.is_alive() for thread in self._threads)

    def carry(self) -> None:
        """Carry out all that is due now, in this thread."""
        self._route()
        for way in self._ways:
            self._carry(way)

    def start(self) -> None:
        """Begin; does nothing when it has."""
        if self.running:
            return
        self._stop.clear()
        turns: list[tuple[str, Callable[[], object]]] = [("outbox", self._route)]
        turns += [(f"outbox-{way.name}", lambda way=way: self._carry(way)) for way in self._ways]  # type: ignore[misc]
        self._threads = [
            threading.Thread(target=self._go_on, args=(name, turn), name=name, daemon=True) for name, turn in turns
        ]
        for thread in self._threads:
            thread.start()

    def stop(self, seconds: float = 10.0) -> None:
        """End; waits so long for what is being sent. What is not noted by then is sent again under its key."""
        self._stop.set()
        self._database.ring()
        for thread in self._threads:
            thread.join(seconds)
        self._threads = []

    def _route(self) -> None:
        routed = 0
        while not self._stop.is_set() and (done := route(self._database, self._ways)):
            routed += done
        if routed:
            self._database.ring()

    def _carry(self, way: Delivery) -> None:
        while not self._stop.is_set() and relay(self._database, self._sending, way):
            pass

    def _go_on(self, name: str, turn: Callable[[], object]) -> None:
        said = ""
        while not self._stop.is_set():
            heard = self._database.rung
            try:
                turn()
                said = ""
            except Exception as error:  # a store that is away for a moment must not end the relay
                if said != type(error).__name__:
                    log.error("relay.failed", relay=name, error=type(error).__name__)
                said = type(error).__name__
                self._stop.wait(SECONDS)
                continue
            self._database.listen(heard, SECONDS)

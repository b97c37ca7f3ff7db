"""Time is an argument: the only module that asks the machine what time it is.

Everything else is handed a :class:`Clock`, so a run on a :class:`VirtualClock` is repeatable to the byte.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

__all__ = ["Clock", "StoreClock", "SystemClock", "VirtualClock", "stopwatch"]

RENEWED_SECONDS = 5.0  # a store's clock is asked again after this; in between a worker counts on from its answer


class Clock(Protocol):
    """The city's clock."""

    def now(self) -> datetime:
        """The present moment, aware, UTC, to the microsecond."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """The machine's time, aware, UTC."""
        return datetime.now(UTC)


class VirtualClock:
    """A clock that moves only when told to, and never backwards. Safe to read from any thread."""

    def __init__(self, start: datetime) -> None:
        if start.tzinfo is None:
            raise ValueError("a virtual clock starts at an aware time, e.g. 2015-11-01T00:00:00+00:00")
        self._now = start.astimezone(UTC)
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """The virtual present, aware, UTC."""
        return self._now

    def advance_to(self, moment: datetime) -> None:
        """Move on to ``moment``; a moment already past leaves the clock where it is."""
        with self._lock:
            self._now = max(self._now, moment.astimezone(UTC))


class StoreClock:
    """The time of the store that all workers share, so that a machine whose clock is wrong acts at the right moment.

    ``ask`` gives the store's present; every transaction brings it anew (:meth:`learn`). Between two answers the time is
    counted on by the machine's stopwatch, which nobody can set.
    """

    def __init__(self, ask: Callable[[], datetime]) -> None:
        self._ask = ask
        self._known: tuple[float, datetime] | None = None  # stopwatch when the store said this

    def learn(self, moment: datetime) -> datetime:
        """Take in what the store has just said; returns it."""
        self._known = (stopwatch(), moment.astimezone(UTC))
        return self._known[1]

    def now(self) -> datetime:
        """The store's present, aware, UTC. Raises :class:`Unavailable` when it must be asked and does not answer."""
        known, running = self._known, stopwatch()
        if known is None or running - known[0] > RENEWED_SECONDS:
            return self.learn(self._ask())
        return known[1] + timedelta(seconds=running - known[0])


def stopwatch() -> float:
    """Monotonic seconds, for measuring how long work took; never for what the city knows."""
    return time.monotonic()

"""Time is an argument: the only module that asks the machine what time it is.

Everything else is handed a :class:`Clock`, so a run on a :class:`VirtualClock` is repeatable to the byte.
"""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from typing import Protocol

__all__ = ["Clock", "SystemClock", "VirtualClock", "stopwatch"]


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


def stopwatch() -> float:
    """Monotonic seconds, for measuring how long work took; never for what the city knows."""
    return time.monotonic()

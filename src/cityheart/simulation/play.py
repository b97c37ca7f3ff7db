"""Playing history: what a source once handed over is handed over again, at the moments at which it was.

In bulk, as fast as the city takes it; or at a pace, so that people can step in. Both go through the same landing, the
same detectors and the same loop, and the size of the pieces changes nothing in what comes out.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from cityheart.sdk import Clock, Delivery, stopwatch

__all__ = ["Playable", "at_pace", "in_bulk"]

TURN_SECONDS = 0.2
GROUPS_PER_HOUSEKEEPING = 52


class Playable(Protocol):
    """What a city must offer to be played through."""

    playing: dict[str, object] | None

    @property
    def clock(self) -> Clock:
        """The city's clock, a virtual one."""
        ...

    def receive(self, source: str, deliveries: Sequence[Delivery]) -> object:
        """Land deliveries and let the detectors look at them."""
        ...

    def advance(self, until: datetime) -> None:
        """Live through everything due up to ``until``."""
        ...

    def housekeeping(self) -> None:
        """What is done now and then."""
        ...


def in_bulk(
    city: Playable,
    source: str,
    groups: Iterable[Sequence[Delivery]],
    until: datetime,
    progress: Callable[[datetime], None],
) -> None:
    """Play ``groups`` of deliveries as fast as the city takes them, then on to ``until``."""
    for number, group in enumerate(groups, start=1):
        if group:
            city.receive(source, group)
            city.advance(max(delivery.received_at for delivery in group))
        if number % GROUPS_PER_HOUSEKEEPING == 0:
            city.housekeeping()
        progress(city.clock.now())
    city.advance(until)
    city.housekeeping()
    progress(city.clock.now())


def at_pace(
    city: Playable,
    *,
    speed: float,
    source: str = "",
    groups: Iterable[Sequence[Delivery]] = (),
    until: datetime | None = None,
) -> Callable[[threading.Event], None]:
    """A driver that plays ``groups`` at ``speed`` city seconds a second; past ``until`` the clock goes on at real speed."""

    def drive(stop: threading.Event) -> None:
        waiting = iter(groups)
        group = next(waiting, None)
        before = stopwatch()
        while not stop.wait(TURN_SECONDS):
            now = stopwatch()
            playing = until is not None and city.clock.now() < until
            target = city.clock.now() + timedelta(seconds=(now - before) * (speed if playing else 1.0))
            before = now
            city.playing = {**(city.playing or {}), "playing": True, "speed": speed if playing else 1.0}
            while group is not None and group[-1].received_at <= target:
                city.receive(source, group)
                city.advance(group[-1].received_at)
                group = next(waiting, None)
                if stop.is_set():
                    return
            city.advance(target)

    return drive

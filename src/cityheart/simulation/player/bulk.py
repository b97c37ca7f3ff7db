"""In bulk: everything that the systems hand out, merged in time, as fast as the city takes it.

What comes is cut into deliveries by windows of city time, always in the same way. The city lands them a stretch of many
windows at a time: a row is known since its delivery was received, whenever it is landed, so the stretch changes nothing
in what comes out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from cityheart.sdk import Delivery, Invalid
from cityheart.simulation.player.folder import Trouble
from cityheart.simulation.player.streams import Stream

__all__ = ["Lived", "in_windows"]

STRETCH = timedelta(days=1)  # of city time that is landed at once at most
STRETCH_BYTES = 16 * 2**20  # of deliveries gathered, so that memory stays bounded


class Lived(Protocol):
    """What a city must offer to be played through in bulk."""

    def land(self, source: str, deliveries: Sequence[Delivery]) -> None:
        """Land what a source hands over; returns when it is durable."""
        ...

    def live(self, until: datetime) -> None:
        """Let the detectors look at what landed, and live through everything due up to ``until``."""
        ...


def in_windows(
    city: Lived,
    streams: Sequence[Stream],
    *,
    begun: datetime,
    since: datetime,
    until: datetime,
    window: timedelta,
    done: Callable[[datetime], bool],
    trouble: Callable[[Trouble], None],
) -> datetime:
    """Play ``streams`` from ``since`` to ``until``; up to when it was played.

    Windows are cut at multiples of ``window`` from ``begun``, so a play that goes on cuts as it did. ``done`` hears of
    every stretch that has landed and says whether to go on. A stream that breaks off is told to ``trouble`` and the
    others go on. Raises :class:`Invalid` when the span holds nothing.
    """
    if until <= begun:
        raise Invalid(f"the play would end at {until}, before it begins at {begun}", remedy="name a later --until")
    going = list(streams)
    if since > begun:
        for stream in going:
            stream.skip(since)
    moment = landed = since if since > begun else begun - window  # the first turn takes what is there at the beginning
    gathered: dict[str, list[Delivery]] = {}
    size = 0
    while landed < until:
        moment = min(until, begun + ((moment - begun) // window + 1) * window)
        for stream in list(going):
            try:
                deliveries = stream.take(moment)
            except (Invalid, OSError) as problem:
                trouble(Trouble(stream.source, f"breaks off: {problem}"))
                going.remove(stream)
                continue
            if deliveries:
                gathered.setdefault(stream.source, []).extend(deliveries)
                size += sum(_size(delivery) for delivery in deliveries)
        if size >= STRETCH_BYTES or moment - landed >= STRETCH or moment in (begun, until):
            for source, deliveries in gathered.items():
                city.land(source, deliveries)
            city.live(moment)
            gathered, size, landed = {}, 0, moment
            if not done(moment):
                break
    return landed


def _size(delivery: Delivery) -> int:
    payload = delivery.payload
    return len(payload) if isinstance(payload, bytes) else payload.stat().st_size

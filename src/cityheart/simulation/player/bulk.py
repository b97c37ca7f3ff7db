"""In bulk: everything that the systems hand out, merged in time, as fast as the city takes it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from cityheart.sdk import Delivery, Invalid
from cityheart.simulation.player.folder import Trouble
from cityheart.simulation.player.streams import Stream

__all__ = ["Lived", "in_windows"]


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
    """Play ``streams`` from ``since`` to ``until``; the end of the last whole window that was played.

    Windows are cut at multiples of ``window`` from ``begun``, so a play that goes on cuts as it did. ``done`` hears of
    every window and says whether to go on. A stream that breaks off is told to ``trouble`` and the others go on.
    Raises :class:`Invalid` when the span holds nothing.
    """
    if until <= begun:
        raise Invalid(f"the play would end at {until}, before it begins at {begun}", remedy="name a later --until")
    going = list(streams)
    if since > begun:
        for stream in going:
            stream.skip(since)
    moment = since if since > begun else begun - window  # the first turn takes what is there at the beginning
    while moment < until:
        moment = min(until, begun + ((moment - begun) // window + 1) * window)
        for stream in list(going):
            try:
                deliveries = stream.take(moment)
            except (Invalid, OSError) as problem:
                trouble(Trouble(stream.source, f"breaks off: {problem}"))
                going.remove(stream)
                continue
            if deliveries:
                city.land(stream.source, deliveries)
        city.live(moment)
        if not done(moment):
            break
    return moment

"""In bulk: everything that the systems hand out, merged in time, as fast as the city takes it.

What comes is cut into deliveries by windows of city time, always in the same way. The city lands them a stretch of many
windows at a time: a row is known since its delivery was received, whenever it is landed, so the stretch changes nothing
in what comes out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Generic, Protocol, TypeVar

from cityheart.sdk import Delivery, Invalid
from cityheart.simulation.player.folder import Trouble
from cityheart.simulation.player.streams import Stream

__all__ = ["Lived", "in_windows"]

STRETCH = timedelta(days=1)  # of city time that is landed at once at most
STRETCH_BYTES = 48 * 2**20  # of deliveries gathered, so that memory stays bounded

ReadyT = TypeVar("ReadyT")


class Lived(Protocol[ReadyT]):
    """What a city must offer to be played through in bulk."""

    def prepare(self, source: str, deliveries: Sequence[Delivery]) -> ReadyT:
        """Read and check what a source hands over; called in another thread than the rest, in the order of landing."""
        ...

    def land(self, ready: ReadyT) -> None:
        """Land what was prepared; returns when it is durable."""
        ...

    def live(self, until: datetime) -> None:
        """Let the detectors look at what landed, and live through everything due up to ``until``."""
        ...


@dataclass
class _Stretch(Generic[ReadyT]):
    """Everything that is landed at once, up to a moment."""

    until: datetime
    ready: list[ReadyT] = field(default_factory=list)


def in_windows(
    city: Lived[ReadyT],
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
    others go on. While a stretch is landed the next one is read and checked. Raises :class:`Invalid` when the span holds
    nothing.
    """
    if until <= begun:
        raise Invalid(f"the play would end at {until}, before it begins at {begun}", remedy="name a later --until")
    if since > begun:
        for stream in streams:
            stream.skip(since)
    landed = since if since > begun else begun - window  # the first turn takes what is there at the beginning
    stretches = _stretches(city, list(streams), begun, landed, until, window, trouble)
    with ThreadPoolExecutor(1, thread_name_prefix="ahead") as ahead:
        coming = ahead.submit(next, stretches, None)
        while (stretch := coming.result()) is not None:
            coming = ahead.submit(next, stretches, None)
            for ready in stretch.ready:
                city.land(ready)
            city.live(stretch.until)
            landed = stretch.until
            if not done(landed):
                break
    return landed


def _stretches(
    city: Lived[ReadyT],
    going: list[Stream],
    begun: datetime,
    landed: datetime,
    until: datetime,
    window: timedelta,
    trouble: Callable[[Trouble], None],
) -> Iterator[_Stretch[ReadyT]]:
    """What is landed at once, one after another."""
    moment = landed
    gathered: dict[str, list[Delivery]] = {}
    size = 0
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
                gathered.setdefault(stream.source, []).extend(deliveries)
                size += sum(_size(delivery) for delivery in deliveries)
        if size >= STRETCH_BYTES or moment - landed >= STRETCH or moment in (begun, until):
            stretch = _Stretch[ReadyT](moment)
            for source in list(gathered):
                stretch.ready.append(city.prepare(source, gathered.pop(source)))
            size, landed = 0, moment
            yield stretch


def _size(delivery: Delivery) -> int:
    payload = delivery.payload
    return len(payload) if isinstance(payload, bytes) else payload.stat().st_size

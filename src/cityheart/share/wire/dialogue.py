"""What a server must know of a protocol: how to frame it, what to land of it, and what to say to the devices."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import pyarrow as pa

from cityheart.share.wire.framing import Framer

__all__ = ["Answers", "Dialogue", "Turn"]

Answers = list[tuple[int, bytes]]
"""What goes to which connection."""


@dataclass(frozen=True)
class Turn:
    """What follows from some frames.

    ``land``: the frames to land, damaged pieces among them; ``soon``: answers that promise nothing; ``late``: answers that
    may go out only when ``land`` is durable; ``bad``: connections with the bytes of pieces that are no frames; ``good``:
    connections that sent a sound frame; ``refused``: messages of devices that may not speak.
    """

    land: pa.Table
    soon: Answers = field(default_factory=list)
    late: Answers = field(default_factory=list)
    bad: list[tuple[int, int]] = field(default_factory=list)
    good: list[int] = field(default_factory=list)
    refused: int = 0


class Dialogue(Protocol):
    """The city's side of a conversation with devices."""

    format: str

    def framer(self) -> Framer:
        """A framer of the protocol."""
        ...

    def hear(self, frames: pa.Table) -> Turn:
        """What follows from some frames (``frames.FRAMES``)."""
        ...

    def close(self, connection: int) -> None:
        """A connection has ended."""
        ...

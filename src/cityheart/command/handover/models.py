"""What handing over is about: the note of a shift, what stood when it was signed, and what was added later."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from cityheart.kernel.schema import canonical
from cityheart.kernel.text import Text

__all__ = ["PINNED", "Addition", "Note", "Pin", "Signature"]

PINNED = ("alert", "incident")


@dataclass(frozen=True, slots=True)
class Signature:
    """A person under a note: ``on_roster`` says whether the roster names the person, or one they stand in for."""

    id: str
    name: Text
    at: datetime
    on_roster: bool

    def json(self) -> dict[str, object]:
        """As the API shows it."""
        return {"id": self.id, "name": self.name, "at": self.at, "on_roster": self.on_roster}


@dataclass(frozen=True, slots=True)
class Pin:
    """What the next shift must look at: an alert or an incident, and why. ``title`` is what it was called then."""

    kind: str
    id: str
    title: Text
    note: str

    def json(self) -> dict[str, object]:
        """As the API shows it."""
        return {"kind": self.kind, "id": self.id, "title": self.title, "note": self.note}


@dataclass(frozen=True, slots=True)
class Addition:
    """A later word to a note that is signed; the note itself never changes."""

    number: int
    at: datetime
    by: Mapping[str, object]
    words: str

    def digest(self) -> str:
        """SHA-256 of what it says."""
        return _sha256(self.words)

    def json(self) -> dict[str, object]:
        """As the API shows it."""
        return {"n": self.number, "at": self.at, "by": dict(self.by), "words": self.words}


@dataclass(frozen=True, slots=True)
class Note:
    """The note of one shift of a department, or of the command centre.

    ``shift`` and ``title`` are ``None`` where there is no roster. ``state``: draft (written, not signed), signed, taken.
    ``standing`` is what stood when it was signed, or taken over unsigned; ``digest`` binds all of it from then on.
    """

    id: str
    unit: str
    shift: str | None
    title: Text | None
    since: datetime
    until: datetime | None
    state: str
    revision: int
    words: str
    pins: tuple[Pin, ...]
    written_by: Mapping[str, object]
    written_at: datetime
    standing: Mapping[str, object] | None = None
    digest: str | None = None
    signed: Signature | None = None
    taken: Signature | None = None
    reason: str = ""

    def content(self) -> dict[str, object]:
        """What a signature stands under."""
        return {
            "id": self.id, "unit": self.unit, "shift": self.shift, "from": self.since, "to": self.until,
            "words": self.words, "pins": [pin.json() for pin in self.pins], "standing": self.standing,
        }  # fmt: skip

    def sealed(self) -> str:
        """SHA-256 of the content in its one spelling."""
        return _sha256(canonical(self.content()))


def _sha256(words: str) -> str:
    return hashlib.sha256(words.encode()).hexdigest()

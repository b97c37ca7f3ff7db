"""What intake works with: reports, matters, kinds of matter, duties, areas, proposals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from cityheart.kernel.text import Text

__all__ = [
    "Area",
    "Caller",
    "Candidate",
    "Duty",
    "Given",
    "Joined",
    "Matter",
    "MatterState",
    "Proposal",
    "Refusal",
    "RefusalState",
    "Report",
    "Service",
    "Sought",
]

RefusalState = Literal["waiting", "dismissed", "mended"]
MatterState = Literal["open", "dispatching", "dispatched", "closed", "dismissed", "merged"]


@dataclass(frozen=True, slots=True)
class Service:
    """A kind of matter: within which time and distance two reports of it can be about one event."""

    code: str
    name: Text
    group: str
    window: timedelta
    radius: float  # metres
    attributes: tuple[Mapping[str, object], ...] = ()


@dataclass(frozen=True, slots=True)
class Duty:
    """What a department is responsible for. ``unit`` may be ``@township`` or ``@county``: the local unit of the place."""

    unit: str
    services: tuple[str, ...]
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Area:
    """Where a local unit is responsible: rings of (lon, lat) in WGS84 degrees, and names by which residents call it."""

    unit: str
    level: str  # township, county
    rings: tuple[tuple[tuple[float, float], ...], ...]
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Given:
    """A report as it was handed over, checked and without personal data.

    ``external`` is its id in the system it comes from; ``caller`` a keyed hash. Times aware UTC, places WGS84 degrees.
    """

    source: str
    external: str
    at: datetime
    service: str | None
    text: str
    address: str = ""
    lon: float | None = None
    lat: float | None = None
    caller: str | None = None
    attributes: Mapping[str, object] = field(default_factory=dict)
    media: str | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """A report that was taken in. ``version`` counts how often its text came anew; ``matter`` is where it belongs."""

    id: str
    given: Given
    version: int
    received_at: datetime
    updated_at: datetime
    matter: str


@dataclass(frozen=True, slots=True)
class Joined:
    """Why a report is in its matter: who put it there, at what score, for which reasons."""

    report: str
    matter: str
    by: str
    score: float | None
    reasons: tuple[Text, ...]
    at: datetime


@dataclass(frozen=True, slots=True)
class Candidate:
    """A department that may be the right one, how likely (0 to 1), and why."""

    unit: str
    score: float
    reasons: tuple[Text, ...]


@dataclass(frozen=True, slots=True)
class Proposal:
    """At most three departments, best first. ``unit`` is ``None`` when nobody is likely enough: a coordinator decides."""

    unit: str | None
    candidates: tuple[Candidate, ...]
    level: int | None = None
    plan: str | None = None
    rule: str | None = None  # the decision table that decided, by digest


@dataclass(frozen=True, slots=True)
class Matter:
    """One event as residents tell it: its reports together. ``unit`` is proposed, ``handler`` was chosen."""

    id: str
    state: MatterState
    service: str
    title: str
    address: str
    lon: float | None
    lat: float | None
    reports: int
    first_at: datetime
    last_at: datetime
    opened_at: datetime
    updated_at: datetime
    proposal: Proposal
    handler: str | None = None
    incident: str | None = None
    closed_at: datetime | None = None
    merged_into: str | None = None
    note: str | None = None
    order: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True)
class Caller:
    """A program that may hand reports over: ``id`` is shown, the key itself is kept only as a hash."""

    id: str
    name: str
    issued_at: datetime
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A row of a file that is no report: where it stood, why, and its text without personal data."""

    id: str
    file: str
    row: int
    code: str
    message: Text
    raw: str
    at: datetime
    state: RefusalState


@dataclass(frozen=True, slots=True)
class Sought:
    """Which refused rows: in this state, of this file, for this reason; ``upto``: refused by then (``None``: any)."""

    state: RefusalState = "waiting"
    file: str | None = None
    code: str | None = None
    upto: datetime | None = None

    def json(self) -> dict[str, object]:
        """As an event and a command hold it."""
        return {"state": self.state, "file": self.file, "code": self.code, "upto": self.upto}

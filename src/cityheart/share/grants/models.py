"""What grants are about: a request, what was granted, and what of a dataset somebody sees."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, get_args

from cityheart.engine.veil import Veil
from cityheart.kernel.actors import Actor
from cityheart.kernel.text import Text

__all__ = [
    "USES",
    "Grant",
    "GrantState",
    "Party",
    "Person",
    "Proposal",
    "Request",
    "RequestState",
    "Sight",
    "Use",
]

Use = Literal["read", "alert", "live"]
"""What a grant is good for: reading in general, the evidence of alerts, the positions of vehicles as they move."""

USES: tuple[Use, ...] = get_args(Use)

GrantState = Literal["proposed", "given", "declined", "revoked", "expired"]
RequestState = Literal["open", "granted", "refused", "withdrawn"]


@dataclass(frozen=True, slots=True)
class Party:
    """To whom something is granted: the people of a department, those of a role, one person; what is named must all fit.

    ``handlers``: whoever has work in the incident of an alert, as long as it is about that alert's evidence. ``person``:
    the id of an account; who stands in for that person is not meant.
    """

    department: str | None = None
    role: str | None = None
    handlers: bool = False
    person: str | None = field(default=None, repr=False)  # ids of proposals are made of the spelling, and name nobody

    def meets(self, actor: Actor, *, handling: bool = False) -> bool:
        """Whether the actor is meant. ``handling``: the actor has work in the matter."""
        if self == Party() or (self.handlers and not handling):
            return False
        return (
            self.department in (None, actor.department)
            and (self.role is None or self.role in actor.roles)
            and self.person in (None, actor.id)
        )


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody to whom something is granted. ``blocked``: who cannot sign in."""

    id: str
    username: str
    name: Text
    department: str | None = None
    blocked: bool = False


@dataclass(frozen=True, slots=True)
class Proposal:
    """A grant that an application proposes; ``columns`` empty: all that are not classified. ``origin``: app/name."""

    origin: str
    dataset: str
    to: Party
    title: Text
    purpose: Text
    columns: tuple[str, ...] = ()
    rows: str | None = None
    uses: tuple[Use, ...] = ("read",)
    lasts: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Grant:
    """Who reads which columns and rows of a dataset, for what purpose, until when; ``until`` ``None``: till revoked."""

    id: str
    dataset: str
    to: Party
    title: Text
    purpose: Text
    columns: tuple[str, ...]
    rows: str | None
    uses: tuple[Use, ...]
    state: GrantState
    since: datetime
    until: datetime | None
    origin: str = ""
    request: str | None = None
    given_by: Mapping[str, object] | None = None
    given_at: datetime | None = None
    ended_by: Mapping[str, object] | None = None
    ended_at: datetime | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """Somebody asks for columns and rows. ``due_at``: by when the owner has to answer, by law."""

    id: str
    dataset: str
    to: Party
    columns: tuple[str, ...]
    rows: str | None
    uses: tuple[Use, ...]
    purpose: str
    until: datetime | None
    state: RequestState
    asked_by: Mapping[str, object]
    asked_at: datetime
    due_at: datetime
    decided_by: Mapping[str, object] | None = None
    decided_at: datetime | None = None
    reason: str = ""
    grant: str | None = None


@dataclass(frozen=True, slots=True)
class Sight:
    """What one reader sees of one dataset.

    ``open``: whether there is anything to be seen. ``veil``: what lies over the table, ``None`` where all is seen.
    ``withheld``: columns of the contract that are not shown. ``grants``: by which grants there is more than everybody
    sees. ``restricted``: reading it is an event. ``own``: the reader's department holds it.
    """

    dataset: str
    owner: str
    open: bool
    veil: Veil | None
    withheld: tuple[str, ...] = ()
    grants: tuple[str, ...] = ()
    restricted: bool = False
    own: bool = False
    whole: frozenset[str] = field(default=frozenset())  # columns shown in every row that there is

    @property
    def limited(self) -> bool:
        """Whether only some rows, or some values of a column, are shown."""
        return self.veil is not None and not self.veil.plain

    def shows(self, *columns: str) -> bool:
        """Whether every row of the dataset is there, with the values of these columns."""
        if not self.open or (self.veil is not None and self.veil.rows is not None):
            return False
        return self.veil is None or all(name in self.whole for name in columns)

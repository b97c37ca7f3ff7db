"""Accounts and sessions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cityheart.kernel.actors import Actor
from cityheart.kernel.ids import derive
from cityheart.kernel.text import Text

__all__ = ["Account", "Entry", "Session", "SignedIn"]


@dataclass(frozen=True, slots=True)
class Account:
    """A person who can sign in: one account for everything this person may do."""

    id: str
    username: str
    name: Text
    department: str | None
    roles: frozenset[str]
    created_at: datetime
    blocked_at: datetime | None
    email: str | None = None
    code_until: datetime | None = None  # until when the one-time code holds that is the password now
    last_sign_in_at: datetime | None = None

    @property
    def must_change(self) -> bool:
        """Whether the password must be changed before anything else."""
        return self.code_until is not None

    def actor(self) -> Actor:
        """The person as an actor."""
        return Actor(self.id, self.name, self.department, self.roles)

    def json(self) -> dict[str, object]:
        """As the API shows it; never with the password's hash."""
        return {
            "id": self.id,
            "username": self.username,
            "name": self.name,
            "department": self.department,
            "roles": sorted(self.roles),
            "created_at": self.created_at,
            "blocked_at": self.blocked_at,
            "email": self.email,
            "must_change": self.must_change,
            "code_until": self.code_until,
            "last_sign_in_at": self.last_sign_in_at,
        }


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in person. ``token`` is known only to the browser; the store keeps its hash."""

    token: str
    account: Account
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class SignedIn:
    """An open session as it is listed. ``agent`` is what the browser said it is; ``seen_at`` is only roughly right."""

    token_hash: str
    opened_at: datetime
    seen_at: datetime | None
    expires_at: datetime
    agent: str | None

    @property
    def id(self) -> str:
        """By which the session is named: nobody can sign in with it."""
        return derive("session", self.token_hash)

    def json(self) -> dict[str, object]:
        """As the API shows it."""
        return {
            "id": self.id,
            "opened_at": self.opened_at,
            "seen_at": self.seen_at,
            "expires_at": self.expires_at,
            "agent": self.agent,
        }


@dataclass(frozen=True, slots=True)
class Entry:
    """Who comes in with a session. Whoever ``must_change`` the password may do that, and nothing else."""

    actor: Actor
    must_change: bool

"""Accounts and sessions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cityheart.kernel.actors import Actor
from cityheart.kernel.text import Text

__all__ = ["Account", "Session"]


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
        }


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in person. ``token`` is known only to the browser; the store keeps its hash."""

    token: str
    account: Account
    expires_at: datetime

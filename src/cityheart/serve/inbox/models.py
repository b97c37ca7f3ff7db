"""A message in an inbox."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from cityheart.kernel.text import Text

__all__ = ["TOPICS", "InboxMessage", "Sought"]

TOPICS = ("orders", "escalations", "other")


@dataclass(frozen=True, slots=True)
class InboxMessage:
    """One message for one recipient: a department's code, a role, or ``person:ACCOUNT``. ``read_at`` is the asker's own."""

    id: str
    recipient: str
    topic: str
    subject: Text
    lines: tuple[Text, ...]
    path: str
    at: datetime
    read_at: datetime | None
    incident: str | None = None  # the one that it is about

    def json(self) -> Mapping[str, object]:
        """As the API shows it."""
        return {
            "id": self.id,
            "recipient": self.recipient,
            "topic": self.topic,
            "subject": self.subject,
            "lines": list(self.lines),
            "path": self.path,
            "at": self.at,
            "read_at": self.read_at,
            "incident": self.incident,
        }


@dataclass(frozen=True, slots=True)
class Sought:
    """Which messages are asked for; nothing said means all.

    ``topic`` is one of TOPICS, other for everything that is neither an order nor an escalation; ``to`` one of the asker's
    own addresses; ``text`` words that the message holds, each of them; ``since`` and ``until`` when it came; ``incident`` what it
    is about.
    """

    unread: bool = False
    topic: str | None = None
    to: str | None = None
    text: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    incident: str | None = None

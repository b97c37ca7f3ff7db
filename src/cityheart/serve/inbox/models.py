"""A message in an inbox."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from cityheart.kernel.text import Text

__all__ = ["InboxMessage"]


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
        }

"""What is silenced: a suppression, by whom, why, until when, and what it covers.

The alarm management standards (ANSI/ISA-18.2, IEC 62682, EEMUA 191) call it shelving: a named person takes an alarm off
the list for a limited time. Nothing is lost: what is silenced is recorded and counted, and it comes back by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from cityheart.kernel.text import Text
from cityheart.watch.models import Alert, Person, SubjectRef, said_by

__all__ = ["SCOPES", "Ended", "Scope", "Suppression", "covering"]

Scope = Literal["matter", "kind", "detector"]
Ended = Literal["lifted", "expired"]
SCOPES: tuple[Scope, ...] = ("matter", "kind", "detector")


@dataclass(frozen=True, slots=True)
class Suppression:
    """Alerts of ``kind`` that raise no entry in the queue until ``until``, as long as they are not above ``level``.

    ``scope``: ``matter`` is one kind and subject, ``kind`` every subject of a kind, ``detector`` what one detector says
    of one subject. ``level`` is the level that was silenced: a more severe one (a smaller number) comes back at once.
    """

    id: str
    scope: Scope
    kind: str
    kind_title: Text
    department: str
    detector: str | None
    subject: SubjectRef | None
    level: int
    reason: str
    by: Person
    at: datetime
    until: datetime
    ended_at: datetime | None = None
    ended: Ended | None = None
    ended_by: Person | None = None

    def covers(self, kind: str, subject: SubjectRef, detector: str, level: int, at: datetime) -> bool:
        """Whether what ``detector`` says of ``subject`` at ``level`` is silenced at the moment ``at``."""
        return (
            self.ended_at is None
            and at < self.until
            and kind == self.kind
            and level >= self.level
            and self.detector in (None, detector)
            and (self.subject is None or (self.subject.kind, self.subject.id) == (subject.kind, subject.id))
        )

    def json(self) -> dict[str, object]:
        """As the API shows it."""
        return {
            "id": self.id,
            "scope": self.scope,
            "kind": self.kind,
            "kind_title": self.kind_title,
            "department": self.department,
            "detector": self.detector,
            "subject": self.subject and {"kind": self.subject.kind, "id": self.subject.id, "name": self.subject.name},
            "level": self.level,
            "reason": self.reason,
            "by": {"id": self.by.id, "name": self.by.name},
            "at": self.at,
            "until": self.until,
            "state": "in_force" if self.ended is None else self.ended,
            "ended_at": self.ended_at,
            "ended_by": self.ended_by and {"id": self.ended_by.id, "name": self.ended_by.name},
        }


def covering(
    rules: Iterable[Suppression], alert: Alert, at: datetime, standing: Mapping[str, int] | None = None
) -> Suppression | None:
    """The suppression that keeps ``alert`` off the queue at ``at``, ``None`` when it belongs there.

    An alert is silenced when everything that stands is: each detector's word by one suppression or another. The one
    that is named covers the most severe of them, and of several the one that ends first.
    """
    of_kind = sorted((rule for rule in rules if rule.kind == alert.kind), key=lambda rule: (rule.until, rule.id))
    first: Suppression | None = None
    said = said_by(alert.standing if standing is None else standing)
    for detector, level in sorted(said.items(), key=lambda one: (one[1], one[0])):
        found = next((rule for rule in of_kind if rule.covers(alert.kind, alert.subject, detector, level, at)), None)
        if found is None:
            return None
        first = first or found
    return first

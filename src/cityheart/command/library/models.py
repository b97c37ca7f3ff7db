"""Drafts and what became of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cityheart.kernel.text import Text

__all__ = ["KINDS", "MEDIA", "STATES", "Draft", "Revision"]

KINDS = ("yaml", "bpmn", "dmn")  # dmn: a decision table, as DMN XML or as YAML
STATES = ("draft", "submitted", "rejected", "published", "withdrawn")
MEDIA = {"yaml": "application/yaml", "bpmn": "application/xml"}


@dataclass(frozen=True, slots=True)
class Draft:
    """One draft as it stands. ``name`` and ``title`` are those of its newest readable revision.

    ``state``: draft and rejected can be edited, submitted waits for a second person, published and withdrawn are over.
    ``authors`` wrote any of its revisions. ``digest`` is what it was published as.
    """

    id: str
    kind: str
    name: str | None
    title: Text | None
    state: str
    revision: int
    authors: tuple[str, ...]
    created_at: datetime
    updated_at: datetime
    updated_by: str
    submitted_at: datetime | None = None
    submitted_by: str | None = None
    decided_at: datetime | None = None
    decided_by: str | None = None
    reason: str | None = None
    digest: str | None = None

    @property
    def open(self) -> bool:
        """Whether it can be edited."""
        return self.state in ("draft", "rejected")


@dataclass(frozen=True, slots=True)
class Revision:
    """A draft as somebody saved it."""

    kind: str
    number: int
    source: str
    author: str
    at: datetime

"""How findings become alerts: one pure function, the same for what happens now and for backtests.

While a matter (alert kind and subject) stands, every further finding belongs to it. Each detector has one say about each
case, its last; the alert's level is the most severe of them, and the matter is over when nobody says that it stands.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from cityheart.kernel.text import Text, text
from cityheart.watch.models import Finding, SubjectRef

__all__ = ["Matter", "Turn", "merge", "reason_of"]

Turn = Literal["nothing", "raised", "rose", "fell", "confirmed", "ended"]


@dataclass(frozen=True, slots=True)
class Matter:
    """A matter that stands, or has just ended (then ``standing`` is empty and ``level`` its last)."""

    kind: str
    subject: SubjectRef
    standing: Mapping[str, int]
    level: int
    score: float
    findings: int
    raised_at: datetime
    start_at: datetime
    updated_at: datetime


def merge(matter: Matter | None, finding: Finding) -> tuple[Turn, Matter | None]:
    """What ``finding`` makes of the open ``matter`` (``None``: nothing stands yet), and which turn that is.

    An end without a matter is nothing. History never runs backwards: an older finding counts from the last one on.
    """
    if matter is None:
        if finding.level is None:
            return "nothing", None
        return "raised", Matter(
            finding.kind,
            finding.subject,
            {_sayer(finding): finding.level},
            finding.level,
            finding.score,
            1,
            finding.at,
            finding.start,
            finding.at,
        )
    sayer = _sayer(finding)
    standing = {name: level for name, level in matter.standing.items() if name != sayer}
    if finding.level is not None:
        standing[sayer] = finding.level
    level = min(standing.values(), default=matter.level)
    merged = Matter(
        matter.kind,
        finding.subject,
        standing,
        level,
        matter.score if finding.level is None else finding.score,
        matter.findings + 1,
        matter.raised_at,
        min(matter.start_at, finding.start) if finding.level is not None else matter.start_at,
        max(matter.updated_at, finding.at),
    )
    if not standing:
        return "ended", merged
    if level < matter.level:
        return "rose", merged
    return ("fell" if level > matter.level else "confirmed"), merged


def _sayer(finding: Finding) -> str:
    return f"{finding.detector}#{finding.case}" if finding.case else finding.detector


def reason_of(finding: Finding) -> Text:
    """Why the level changed: the finding's first reason, or that the matter is over."""
    if finding.reasons:
        return finding.reasons[0]
    return (
        text("不再符合预警条件", "the conditions no longer hold")
        if finding.level is None
        else text("符合预警条件", "the conditions hold")
    )

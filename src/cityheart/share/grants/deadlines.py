"""By when a request for sharing has to be answered: dated rules as data, counted in working days."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from cityheart.kernel.calendar import Calendar
from cityheart.kernel.errors import Invalid
from cityheart.kernel.text import Text

__all__ = ["FILE", "Rule", "due", "read", "rules"]

FILE = Path(__file__).parent / "deadlines.toml"


@dataclass(frozen=True, slots=True)
class Rule:
    """From a day on: within how many working days a request is answered, by how the dataset is shared."""

    since: date
    title: Text
    source: Text
    answer_days: Mapping[int, int]
    verified: bool


@lru_cache(maxsize=1)
def rules() -> tuple[Rule, ...]:
    """The rules that come with the system, the newest first."""
    return read(tomllib.loads(FILE.read_text("utf-8")), FILE.name)


def read(raw: Mapping[str, Any], where: str) -> tuple[Rule, ...]:
    """Rules out of a file's content, the newest first. Raises :class:`Invalid` naming what is wrong."""
    try:
        found = [
            Rule(
                one["from"],
                dict(one["title"]),
                dict(one["source"]),
                {int(kind): int(days) for kind, days in one["answer_days"].items()},
                bool(one["verified"]),
            )
            for one in raw["rules"]
        ]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Invalid(
            f"{where}: {error!r}", remedy="each rule has from, title, source, answer_days, verified"
        ) from None
    for rule in found:
        if set(rule.answer_days) != {1, 2, 3} or not all(1 <= days <= 365 for days in rule.answer_days.values()):
            raise Invalid(f"{where}: the rule from {rule.since} needs answer_days for 1, 2 and 3, of 1 to 365 days")
    if not found:
        raise Invalid(f"{where}: there is no rule", remedy="give at least one")
    return tuple(sorted(found, key=lambda one: one.since, reverse=True))


def due(sharing: int, at: datetime, calendar: Calendar, zone: ZoneInfo) -> tuple[datetime, Rule]:
    """By when a request made at a moment is answered, and the rule that says so."""
    day = at.astimezone(zone).date()
    rule = next((one for one in rules() if one.since <= day), rules()[-1])
    return calendar.add(at, timedelta(days=rule.answer_days[sharing]), zone), rule

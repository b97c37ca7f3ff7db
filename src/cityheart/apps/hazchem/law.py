"""The law that holds on a day: which laws a kind of case stands on, what has to be done by when, and which departments lead.

``rules/law.toml`` and ``rules/duties.toml`` are what is read here; a case is judged by the law of the day on which it began. What
was not compared with the official text says so wherever people see it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import cache, wraps
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from cityheart.sdk import Sighting, Survey, Text, View, text

__all__ = ["Basis", "Deadline", "Law", "basis", "cited", "departments", "duties", "grounded", "kinds", "laws", "leads"]

SurveyT = TypeVar("SurveyT", bound=Survey)

_FOLDER = Path(__file__).parent
NAMED = 3
"""Laws that a case names; the page of the law has all."""


@dataclass(frozen=True, slots=True)
class Law:
    """A law or standard, in force from ``since`` up to the day before ``until``."""

    id: str
    title: Text
    number: str
    since: date
    until: date | None
    kinds: frozenset[str]
    verified: bool

    def holds(self, day: date) -> bool:
        """Whether it is in force on a day."""
        return self.since <= day and (self.until is None or day < self.until)


@dataclass(frozen=True, slots=True)
class Deadline:
    """What a law wants done by when in cases of some kinds."""

    law: str
    article: str
    kinds: frozenset[str]
    what: Text
    verified: bool


@dataclass(frozen=True, slots=True)
class Division:
    """Which departments lead in which stage, from ``since`` up to the day before ``until``."""

    law: str
    article: str
    since: date
    until: date | None
    stages: Mapping[str, Sequence[str]]
    verified: bool


@dataclass(frozen=True, slots=True)
class Basis:
    """What a kind of case stands on, on a day. ``departments`` are codes; ``verified``: all of it was compared."""

    laws: tuple[Law, ...]
    deadlines: tuple[Deadline, ...]
    departments: tuple[str, ...]
    verified: bool


@cache
def laws() -> tuple[Law, ...]:
    """All laws, in the order in which they are named."""
    return tuple(
        Law(
            one["id"],
            one["title"],
            one["number"],
            one["from"],
            one.get("until"),
            frozenset(one["kinds"]),
            one["verified"],
        )
        for one in _read("rules/law.toml")["laws"]
    )


@cache
def duties() -> tuple[tuple[Division, ...], tuple[Deadline, ...], Mapping[str, Sequence[str]]]:
    """The divisions of duties, oldest first; the deadlines; and the stages of each kind of case."""
    given = _read("rules/duties.toml")
    divisions = tuple(
        Division(one["law"], one["article"], one["from"], one.get("until"), one["stages"], one["verified"])
        for one in given["duties"]
    )
    deadlines = tuple(
        Deadline(one["law"], one["article"], frozenset(one["kinds"]), one["what"], one["verified"])
        for one in given["deadlines"]
    )
    return divisions, deadlines, given["stages"]


def leads(day: date) -> Division | None:
    """The division of duties on a day, ``None`` before there was one."""
    found = [one for one in duties()[0] if one.since <= day and (one.until is None or day < one.until)]
    return found[0] if found else None


@cache
def basis(kind: str, day: date) -> Basis:
    """What a kind of case stands on, on a day; nothing at all for a kind that no law is named for."""
    held = tuple(one for one in laws() if kind in one.kinds and one.holds(day))
    in_force = {one.id for one in laws() if one.holds(day)}
    _, deadlines, stages = duties()
    due = tuple(one for one in deadlines if kind in one.kinds and one.law in in_force)
    division = leads(day)
    wanted = [] if division is None else [code for stage in stages.get(kind, ()) for code in division.stages[stage]]
    known = (
        all(one.verified for one in held)
        and all(one.verified for one in due)
        and (division is None or division.verified)
    )
    return Basis(held, due, tuple(dict.fromkeys(wanted)), known)


def cited(kind: str, sightings: Sequence[Sighting], zone: ZoneInfo) -> list[Sighting]:
    """The same cases, each with the law of the day on which it began as its last reason."""
    return [replace(one, reasons=(*one.reasons, *_told(kind, one.start, zone))) for one in sightings]


def grounded(look: Callable[[SurveyT, View], Sequence[Sighting]]) -> Callable[[SurveyT, View], Sequence[Sighting]]:
    """For the ``look`` of a survey: what it gives is cited."""

    @wraps(look)
    def told(survey: SurveyT, view: View) -> Sequence[Sighting]:
        return cited(survey.kind, look(survey, view), view.zone)

    return told


def _told(kind: str, start: datetime, zone: ZoneInfo) -> tuple[Text, ...]:
    day = start.astimezone(zone).date()
    held = basis(kind, day)
    if not held.laws:
        return ()
    titles = [one.title for one in held.laws[:NAMED]]
    names = [departments()[code] for code in held.departments if code in departments()]
    zh = f"依据（{day}施行中）：" + "、".join(f"《{one['zh-CN']}》" for one in titles)
    en = f"Law in force on {day}: " + "; ".join(one["en"] for one in titles)
    if names:
        zh += "；主管：" + "、".join(one["zh-CN"] for one in names)
        en += ". Lead: " + ", ".join(one["en"] for one in names)
    for due in held.deadlines:
        zh += f"；时限：{due.what['zh-CN']}（{due.article}）"
        en += f". By law {due.what['en']} ({due.article})"
    if not held.verified:
        zh += "。条文尚未与官方文本核对"
        en += ". Not compared with the official texts"
    return (text(zh, en),)


@cache
def departments() -> Mapping[str, Text]:
    """The names of the departments of the application, by code."""
    return {one["code"]: one["title"] for one in _read("manifest.toml")["departments"]}


@cache
def kinds() -> Mapping[str, Text]:
    """The titles of the kinds of case."""
    return {one["kind"]: one["title"] for one in _read("alerts.toml")["alerts"]}


@cache
def _read(name: str) -> Mapping[str, Any]:
    given: dict[str, Any] = tomllib.loads((_FOLDER / name).read_text("utf-8"))
    return given

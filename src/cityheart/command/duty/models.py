"""What duty is about: shifts that come again, exceptions of one day, and deputies."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time

from cityheart.kernel.text import Text, text

__all__ = ["CENTRE", "CENTRE_TITLE", "DAYS", "ROTATIONS", "Deputy", "Exchange", "OnDuty", "Shift", "Watch"]

CENTRE = "command-centre"  # the command centre itself keeps a roster like a department; it answers for the whole city
CENTRE_TITLE = text("指挥中心", "Command centre")
DAYS = ("all", "working", "off")  # on which days a shift is held; working and off as the city's calendar says
ROTATIONS = ("everyone", "daily", "weekly")  # all of its people at once, or one after the other


@dataclass(frozen=True, slots=True)
class Shift:
    """A shift of a department that comes again: from ``starts`` to ``ends`` local time, past midnight when not later.

    ``people`` are account ids; with a rotation each is on duty for a day, or for a week from Monday, in this order,
    counted from ``valid_from``. ``valid_until`` is the first day on which it is no longer held.
    """

    id: str
    unit: str
    title: Text
    starts: time
    ends: time
    days: str
    rotation: str
    people: tuple[str, ...]
    valid_from: date
    valid_until: date | None = None


@dataclass(frozen=True, slots=True)
class Exchange:
    """On one day others hold a shift than the rotation says."""

    shift: str
    day: date
    people: tuple[str, ...]
    reason: str
    by: str


@dataclass(frozen=True, slots=True)
class Deputy:
    """``deputy`` stands in for ``person`` from ``since`` up to, not including, ``until``."""

    id: str
    person: str
    deputy: str
    since: datetime
    until: datetime
    reason: str
    by: str
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class OnDuty:
    """Somebody on duty: ``person`` is an account id, ``instead_of`` whom the roster names when a deputy stands in.

    ``unit`` is the department whose roster it is: the one asked for, or one above it when that one has nobody.
    """

    unit: str
    shift: str
    title: Text
    person: str
    instead_of: str | None
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Watch:
    """One shift on one day, as it will be held: aware UTC moments and account ids."""

    shift: Shift
    day: date
    since: datetime
    until: datetime
    people: tuple[str, ...]
    exchanged: bool

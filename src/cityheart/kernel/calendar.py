"""Working time: which days a city works and at what hours, as dated data; deadlines that count in it.

``calendars/cn.toml`` holds the days of mainland China with those shifted by the State Council's notices. A city's folder
may hold a ``calendar.toml`` of the same shape; what it says of a year or of the hours replaces what is built in.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from cityheart.kernel.errors import Invalid
from cityheart.kernel.text import LANGUAGES, Text

__all__ = ["FILE", "Calendar"]

FILE = "calendar.toml"  # in a city's folder
_BUILT_IN = Path(__file__).parent / "calendars" / "cn.toml"
_FIELDS = {"title", "weekend", "hours", "years"}
_DAY = timedelta(days=1)
_LONGEST_PAUSE = 60  # days without a working one: more is a calendar that nobody can work by


@dataclass(frozen=True)
class Calendar:
    """Working days and hours. ``hours`` are spans of local time within a day, in order and apart."""

    title: Text
    weekend: frozenset[int]
    hours: tuple[tuple[time, time], ...]
    off: frozenset[date]
    worked: frozenset[date]
    years: frozenset[int]

    @classmethod
    def load(cls, folder: Path | None = None) -> Calendar:
        """The calendar of the city in ``folder``, or the one built in. Raises :class:`Invalid` naming what is wrong."""
        raw = _read(_BUILT_IN)
        own = None if folder is None else folder / FILE
        if own is not None and own.is_file():
            mine = _read(own)
            raw = {**raw, **mine, "years": {**raw["years"], **mine.get("years", {})}}
        try:
            return cls._of(raw)
        except (KeyError, TypeError, ValueError, Invalid) as error:
            what = error.detail if isinstance(error, Invalid) else str(error)
            raise Invalid(f"the calendar {own or _BUILT_IN.name} cannot be used: {what}", remedy=_EXAMPLE) from None

    @classmethod
    def _of(cls, raw: Mapping[str, Any]) -> Calendar:
        strange = sorted(raw.keys() - _FIELDS)
        if strange:
            raise Invalid(f"nothing is known of {', '.join(strange)}")
        if set(raw["title"]) != set(LANGUAGES):
            raise Invalid("its title is not in both languages")
        hours = tuple((time.fromisoformat(start), time.fromisoformat(end)) for start, end in raw["hours"])
        edges = [edge for span in hours for edge in span]
        if not edges or edges != sorted(set(edges)):
            raise Invalid("its hours are not spans in order, one after the other")
        weekend = frozenset(raw["weekend"])
        if not weekend < frozenset(range(1, 8)):
            raise Invalid(
                "its weekend is not a list of ISO weekdays, 1 for Monday to 7 for Sunday, that leaves one to work"
            )
        days: dict[str, set[date]] = {"off": set(), "worked": set()}
        for year, lists in raw["years"].items():
            for kind, named in lists.items():
                for day in named:
                    if type(day) is not date or day.year != int(year):
                        raise Invalid(f"{day} does not belong to the year {year}")
                    days[kind].add(day)
        both = sorted(days["off"] & days["worked"])
        if both:
            raise Invalid(f"{both[0]} is both off and worked")
        years = frozenset(int(year) for year in raw["years"])
        return cls(dict(raw["title"]), weekend, hours, frozenset(days["off"]), frozenset(days["worked"]), years)

    def working(self, day: date) -> bool:
        """Whether ``day`` is worked. Of a year the calendar does not know (:attr:`years`), weekends alone are off."""
        return day in self.worked or (day.isoweekday() not in self.weekend and day not in self.off)

    def add(self, at: datetime, span: timedelta, zone: ZoneInfo) -> datetime:
        """``at`` (aware) and ``span`` of working time later, aware UTC.

        The clock starts at the next working moment. Whole days of ``span`` are working days, to the same time of day;
        the rest is time within working hours, and ends at the close of a day rather than at the opening of the next.
        Raises :class:`Invalid` for a calendar in which nobody works for two months.
        """
        local = self._opening(at.astimezone(zone).replace(tzinfo=None))
        for _ in range(span.days):
            local = datetime.combine(self._next_day(local.date()), local.time())
        left = timedelta(seconds=span.seconds, microseconds=span.microseconds)
        while left:
            local = self._opening(local)
            close = next(end for start, end in self._spans(local.date()) if start <= local < end)
            step = min(left, close - local)
            local, left = local + step, left - step
        return local.replace(tzinfo=zone).astimezone(UTC)

    def between(self, start: datetime, end: datetime, zone: ZoneInfo) -> timedelta:
        """The working time from ``start`` to ``end`` (aware); zero when ``end`` is not later."""
        a, b = (moment.astimezone(zone).replace(tzinfo=None) for moment in (start, end))
        if b <= a:
            return timedelta(0)
        if a.date() == b.date():
            return self._within(a.date(), a, b)
        whole = sum(self.working(a.date() + _DAY * n) for n in range(1, (b.date() - a.date()).days))
        midnight = datetime.combine(a.date() + _DAY, time())
        last = datetime.combine(b.date(), time())
        return self._within(a.date(), a, midnight) + self._length * whole + self._within(b.date(), last, b)

    @cached_property
    def _length(self) -> timedelta:
        day = date(2000, 1, 1)
        return sum(
            (datetime.combine(day, end) - datetime.combine(day, start) for start, end in self.hours), timedelta(0)
        )

    def _within(self, day: date, start: datetime, end: datetime) -> timedelta:
        if not self.working(day):
            return timedelta(0)
        held = (min(end, close) - max(start, opening) for opening, close in self._spans(day))
        return sum((max(piece, timedelta(0)) for piece in held), timedelta(0))

    def _spans(self, day: date) -> list[tuple[datetime, datetime]]:
        return [(datetime.combine(day, start), datetime.combine(day, end)) for start, end in self.hours]

    def _opening(self, local: datetime) -> datetime:
        """``local`` when it is worked, else the next moment that is."""
        if self.working(local.date()):
            for start, end in self._spans(local.date()):
                if local < end:
                    return max(local, start)
        return datetime.combine(self._next_day(local.date()), self.hours[0][0])

    def _next_day(self, day: date) -> date:
        for ahead in range(1, _LONGEST_PAUSE + 1):
            if self.working(day + _DAY * ahead):
                return day + _DAY * ahead
        raise Invalid(f"nobody works for {_LONGEST_PAUSE} days after {day}", remedy="mend the calendar")


_EXAMPLE = "compare it with the calendar built in: title, weekend, hours, and years with off and worked"


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Invalid(f"the calendar {file} cannot be read: {error}", remedy=_EXAMPLE) from None

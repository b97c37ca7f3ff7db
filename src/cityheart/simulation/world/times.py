"""The simulated city's time: minutes (fractions allowed) since the local midnight with which its books begin.

The books begin on the first day of the month in which the city begins. China keeps one time the whole year, so a local
day always has 1,440 minutes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
from numpy.typing import ArrayLike

from .chance import Bools, Floats, Ints

__all__ = ["DAY", "SLOTS", "ZONE", "Span", "holidays"]

DAY = 1440
SLOTS = 96  # quarter-hours of a day
ZONE = "Asia/Shanghai"
LOCAL = timezone(timedelta(hours=8))

_FIXED = (((1, 1), 1), ((5, 1), 5), ((10, 1), 7), ((4, 4), 3))  # (month, day), days off
# first days off of the movable feasts (spring festival, dragon boat, mid-autumn) as the State Council set or usually sets them
_SPRING = (
    "2018-02-15", "2019-02-04", "2020-01-24", "2021-02-11", "2022-01-31", "2023-01-21", "2024-02-10", "2025-01-28",
    "2026-02-16", "2027-02-05",
)  # fmt: skip
_BOAT = (
    "2018-06-16", "2019-06-07", "2020-06-25", "2021-06-12", "2022-06-03", "2023-06-22", "2024-06-08", "2025-05-31",
    "2026-06-19", "2027-06-09",
)  # fmt: skip
_AUTUMN = (
    "2018-09-22", "2019-09-13", "2020-10-01", "2021-09-19", "2022-09-10", "2023-09-29", "2024-09-15", "2025-10-06",
    "2026-09-25", "2027-09-15",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Span:
    """How long the city is told: its books from ``base``, its sensors from ``start`` for ``days`` days."""

    base: date
    start: date
    days: int

    @classmethod
    def of(cls, start: date, days: int) -> Span:
        """The span of a city that begins on ``start``."""
        return cls(start.replace(day=1), start, days)

    @property
    def first(self) -> int:
        """The minute at which tracks and sensors begin."""
        return (self.start - self.base).days * DAY

    @property
    def last(self) -> int:
        """The minute at which everything ends (exclusive)."""
        return self.first + self.days * DAY

    @property
    def whole(self) -> int:
        """Days from the start of the books to the end."""
        return self.last // DAY

    def day(self, minute: float) -> date:
        """The local day of a minute."""
        return self.base + timedelta(days=int(minute // DAY))

    def at(self, minute: float) -> datetime:
        """A minute as an aware time, to the second."""
        midnight = datetime(self.base.year, self.base.month, self.base.day, tzinfo=LOCAL)
        return midnight + timedelta(seconds=round(float(minute) * 60))

    def iso(self, minute: float) -> str:
        """A minute as RFC 3339 with the city's offset."""
        return self.at(minute).isoformat()

    def minute(self, when: date) -> int:
        """The minute at which a day begins."""
        return (when - self.base).days * DAY

    def micro(self, minutes: ArrayLike) -> Ints:
        """Minutes as microseconds since 1970 in UTC."""
        midnight = datetime(self.base.year, self.base.month, self.base.day, tzinfo=LOCAL).astimezone(UTC)
        return (
            np.rint(np.asarray(minutes, dtype=np.float64) * 60e6).astype(np.int64)
            + int(midnight.timestamp()) * 1_000_000
        )

    def months(self) -> list[tuple[int, int]]:
        """Every month from the books' start: its first and last minute (exclusive), also beyond the end."""
        found, here = [], self.base
        while self.minute(here) < self.last:
            after = (here + timedelta(days=32)).replace(day=1)
            found.append((self.minute(here), self.minute(after)))
            here = after
        return found

    def weekday(self) -> Ints:
        """For every day of the books its weekday, Monday 0."""
        return np.asarray((self.base.weekday() + np.arange(self.whole)) % 7, dtype=np.int64)

    def off(self) -> Bools:
        """For every day of the books whether offices and day shifts rest: weekends and holidays."""
        free = holidays()
        days = [self.base + timedelta(days=number) for number in range(self.whole)]
        return np.array([day.weekday() >= 5 or day in free for day in days], dtype=np.bool_)

    def temperature(self, rng: np.random.Generator) -> Floats:
        """Air temperature in degrees Celsius at every quarter-hour: season, time of day, weather that lasts days."""
        slots = np.arange(self.whole * SLOTS)
        season = self.base.timetuple().tm_yday + slots / SLOTS
        weather = np.interp(slots / SLOTS, np.arange(self.whole + 1), rng.normal(0, 2.5, self.whole + 1))
        hour = slots % SLOTS / 4
        yearly = 16 - 12 * np.cos((season - 25) / 365.25 * 2 * np.pi)
        return np.asarray(yearly + weather + 4 * np.sin((hour - 9) / 24 * 2 * np.pi), dtype=np.float64)


def holidays() -> frozenset[date]:
    """The days off of the statutory holidays from 2018 to 2027, near enough for a simulated factory."""
    found: set[date] = set()
    for year in range(2018, 2028):
        for (month, day), length in _FIXED:
            found.update(date(year, month, day) + timedelta(days=number) for number in range(length))
    for firsts, length in ((_SPRING, 7), (_BOAT, 3), (_AUTUMN, 3)):
        for first in firsts:
            found.update(date.fromisoformat(first) + timedelta(days=number) for number in range(length))
    return frozenset(found)

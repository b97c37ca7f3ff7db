"""The arithmetic of rosters: which shift is held when and by whom. Pure: no clock, no store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from cityheart.command.duty.models import Exchange, Shift, Watch
from cityheart.kernel.calendar import Calendar

__all__ = ["gaps", "watches"]

_DAY = timedelta(days=1)


def watches(
    shifts: Iterable[Shift],
    exchanges: Mapping[tuple[str, date], Exchange],
    since: datetime,
    until: datetime,
    calendar: Calendar,
    zone: ZoneInfo,
) -> list[Watch]:
    """Every shift held at some time in ``[since, until)``, by its beginning, then the shift's id."""
    first = since.astimezone(zone).date() - _DAY  # last night's shift may still go on
    last = until.astimezone(zone).date()
    found = []
    for shift in shifts:
        day = max(first, shift.valid_from)
        end = last if shift.valid_until is None else min(last, shift.valid_until - _DAY)
        while day <= end:
            watch = _watch(shift, day, exchanges.get((shift.id, day)), calendar, zone)
            if watch is not None and watch.since < until and watch.until > since:
                found.append(watch)
            day += _DAY
    return sorted(found, key=lambda watch: (watch.since, watch.shift.id))


def gaps(held: Sequence[Watch], since: datetime, until: datetime) -> list[tuple[datetime, datetime]]:
    """The stretches of ``[since, until)`` in which nobody of ``held`` (in order of beginning) is on duty."""
    free, at = [], since
    for watch in held:
        if watch.people and watch.since > at:
            free.append((at, min(watch.since, until)))
        if watch.people:
            at = max(at, watch.until)
        if at >= until:
            return free
    return [*free, (at, until)] if at < until else free


def _watch(shift: Shift, day: date, exchange: Exchange | None, calendar: Calendar, zone: ZoneInfo) -> Watch | None:
    if exchange is None and not _held(shift, day, calendar):
        return None
    ends = day + _DAY if shift.ends <= shift.starts else day
    people = exchange.people if exchange is not None else _turn(shift, day, calendar)
    return Watch(
        shift, day, _moment(day, shift.starts, zone), _moment(ends, shift.ends, zone), people, exchange is not None
    )


def _held(shift: Shift, day: date, calendar: Calendar) -> bool:
    return shift.days == "all" or calendar.working(day) == (shift.days == "working")


def _turn(shift: Shift, day: date, calendar: Calendar) -> tuple[str, ...]:
    if shift.rotation == "everyone" or not shift.people:
        return shift.people
    if shift.rotation == "weekly":
        monday = shift.valid_from - _DAY * (shift.valid_from.isoweekday() - 1)
        number = (day - monday).days // 7
    elif shift.days == "all":
        number = (day - shift.valid_from).days
    else:  # turns are taken on the days on which the shift is held
        span = (day - shift.valid_from).days
        number = sum(_held(shift, shift.valid_from + _DAY * n, calendar) for n in range(span))
    return (shift.people[number % len(shift.people)],)


def _moment(day: date, clock: time, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, clock, zone).astimezone(UTC)

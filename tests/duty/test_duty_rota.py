"""The arithmetic of rosters against asking minute by minute."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from cityheart.command.duty.models import DAYS, ROTATIONS, Exchange, Shift
from cityheart.command.duty.rota import gaps, watches
from cityheart.kernel.calendar import Calendar
from cityheart.kernel.text import text

CHINA, ZONE = Calendar.load(), ZoneInfo("Asia/Shanghai")
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)


def shift(id: str = "night", **more: object) -> Shift:
    given = {"starts": time(20), "ends": time(8), "days": "all", "rotation": "daily", "people": ("a", "b", "c")}
    return Shift(id, "ecology", text("夜班", "Night"), valid_from=date(2026, 2, 9), **{**given, **more})  # type: ignore[arg-type]


def at(words: str) -> datetime:
    return datetime.fromisoformat(words).replace(tzinfo=ZONE).astimezone(UTC)


def held(one: Shift, since: str, until: str, **exchanged: tuple[str, ...]) -> list[tuple[str, ...]]:
    swaps = {
        (one.id, date.fromisoformat(day.replace("_", "-")[1:])): Exchange(one.id, date.max, people, "ill", "x")
        for day, people in exchanged.items()
    }
    return [watch.people for watch in watches([one], swaps, at(since), at(until), CHINA, ZONE)]


def test_a_night_shift_belongs_to_the_day_on_which_it_begins() -> None:
    (watch,) = watches([shift()], {}, at("2026-02-10T03:00"), at("2026-02-10T04:00"), CHINA, ZONE)
    assert (watch.day, watch.people) == (date(2026, 2, 9), ("a",))
    assert (watch.since, watch.until) == (at("2026-02-09T20:00"), at("2026-02-10T08:00"))


def test_turns_are_taken_daily_weekly_or_by_all() -> None:
    assert held(shift(), "2026-02-09T20:00", "2026-02-13T08:00") == [("a",), ("b",), ("c",), ("a",)]
    assert held(shift(rotation="weekly"), "2026-02-14T21:00", "2026-02-16T21:00") == [("a",), ("a",), ("b",)]
    assert held(shift(rotation="everyone"), "2026-02-09T20:00", "2026-02-10T08:00") == [("a", "b", "c")]


def test_turns_on_working_days_skip_the_holidays_and_take_the_shifted_days() -> None:
    daytime = shift(starts=time(8), ends=time(20), days="working")
    # 14 February 2026 is a Saturday that is worked; the Spring Festival is off until the 23rd
    assert held(daytime, "2026-02-13T00:00", "2026-02-25T00:00") == [("b",), ("c",), ("a",)]
    festival = shift(starts=time(8), ends=time(20), days="off")
    assert len(held(festival, "2026-02-15T00:00", "2026-02-24T00:00")) == 9


def test_an_exchange_holds_for_its_day_only() -> None:
    assert held(shift(), "2026-02-09T20:00", "2026-02-12T08:00", _2026_02_10=("z",)) == [("a",), ("z",), ("c",)]


def test_a_shift_that_ended_is_not_held() -> None:
    assert held(shift(valid_until=date(2026, 2, 11)), "2026-02-09T00:00", "2026-03-01T00:00") == [("a",), ("b",)]


SHIFTS = st.builds(
    shift,
    id=st.sampled_from(["x", "y", "z"]),
    starts=st.times(),
    ends=st.times(),
    days=st.sampled_from(DAYS),
    rotation=st.sampled_from(ROTATIONS),
)


@given(st.lists(SHIFTS, max_size=3, unique_by=lambda one: one.id), st.integers(0, 20 * 1440), st.integers(1, 3 * 1440))
def test_gaps_are_exactly_where_nobody_is(shifts: list[Shift], start: int, length: int) -> None:
    since = at("2026-02-09T00:00") + MINUTE * start
    until = since + MINUTE * length
    found = watches(shifts, {}, since, until, CHINA, ZONE)
    free = gaps(found, since, until)
    assert all(start < end for start, end in free)
    for minute in range(0, length, 7):
        moment = since + MINUTE * minute
        nobody = not any(watch.since <= moment < watch.until for watch in found)
        assert nobody == any(start <= moment < end for start, end in free)
        alone = watches(shifts, {}, moment, moment + timedelta(microseconds=1), CHINA, ZONE)
        assert [watch.shift.id for watch in alone] == [w.shift.id for w in found if w.since <= moment < w.until]

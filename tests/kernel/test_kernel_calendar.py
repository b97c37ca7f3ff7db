"""Working time: shifted days as the notices had them, and deadlines that agree with counting minute by minute."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cityheart.kernel.calendar import FILE, Calendar
from cityheart.kernel.errors import Invalid

CHINA = Calendar.load()
ZONE = ZoneInfo("Asia/Shanghai")


def at(words: str) -> datetime:
    return datetime.fromisoformat(words).replace(tzinfo=ZONE)


@pytest.mark.parametrize(
    ("day", "worked"),
    [
        ("2020-01-31", False),  # the Spring Festival was prolonged to 2 February
        ("2020-02-03", True),
        ("2016-09-18", True),  # a Sunday worked for the Mid-Autumn Festival
        ("2016-09-16", False),
        ("2026-02-14", True),  # a Saturday worked for the Spring Festival
        ("2026-02-17", False),
        ("2026-11-21", False),  # an ordinary Saturday
        ("2026-11-23", True),
        ("2035-10-01", True),  # nothing is known of that year yet: a Monday
    ],
)
def test_days_are_worked_as_the_notices_say(day: str, worked: bool) -> None:
    assert CHINA.working(date.fromisoformat(day)) is worked


@pytest.mark.parametrize(
    ("start", "span", "end"),
    [
        ("2026-11-23T10:00", timedelta(hours=2), "2026-11-23T12:00"),
        ("2026-11-23T10:00", timedelta(hours=3), "2026-11-23T14:00"),  # lunch is not worked
        ("2026-11-23T16:00", timedelta(hours=2), "2026-11-24T10:00"),
        ("2026-11-20T22:00", timedelta(hours=1), "2026-11-23T10:00"),  # Friday night: the clock starts on Monday
        ("2026-11-20T11:00", timedelta(days=2), "2026-11-24T11:00"),
        (
            "2026-02-13T15:00",
            timedelta(days=2),
            "2026-02-24T15:00",
        ),  # over the Spring Festival, with its worked Saturday
        ("2026-11-23T10:00", timedelta(0), "2026-11-23T10:00"),
    ],
)
def test_deadlines_count_working_time(start: str, span: timedelta, end: str) -> None:
    due = CHINA.add(at(start), span, ZONE)
    assert due == at(end)
    assert due.tzinfo is UTC


MOMENTS = st.datetimes(datetime(2015, 1, 1), datetime(2026, 12, 1)).map(lambda moment: moment.replace(tzinfo=ZONE))


@given(MOMENTS, st.integers(0, 40 * 3600))
def test_a_deadline_is_its_span_away(start: datetime, seconds: int) -> None:
    span = timedelta(seconds=seconds)
    due = CHINA.add(start, timedelta(0), ZONE)
    worked = sum(
        (CHINA.between(start, CHINA.add(start, part, ZONE), ZONE) for part in [span % timedelta(days=1)]), timedelta(0)
    )
    assert worked == span % timedelta(days=1)
    assert CHINA.add(start, span, ZONE) >= due >= start


@given(MOMENTS, st.integers(0, 20 * 24 * 60), st.integers(0, 20 * 24 * 60))
def test_spans_add_up(start: datetime, first: int, second: int) -> None:
    middle, end = start + timedelta(minutes=first), start + timedelta(minutes=first + second)
    assert CHINA.between(start, middle, ZONE) + CHINA.between(middle, end, ZONE) == CHINA.between(start, end, ZONE)
    assert CHINA.between(end, start, ZONE) == timedelta(0) or start < end


def test_a_city_says_its_own_days_and_hours(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(
        'hours = [["08:30", "11:30"]]\n[years.2035]\noff = [2035-10-01]\nworked = [2035-10-06]\n', "utf-8"
    )
    own = Calendar.load(tmp_path)
    assert not own.working(date(2035, 10, 1)) and own.working(date(2035, 10, 6))
    assert own.working(date(2026, 2, 14)), "the years built in are still known"
    assert own.add(at("2026-11-23T08:00"), timedelta(hours=3), ZONE) == at("2026-11-23T11:30")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hours = []", "hours"),
        ('hours = [["09:00", "08:00"]]', "hours"),
        ('hours = [["9", "10"]]', "cannot be used"),
        ("weekend = [1, 2, 3, 4, 5, 6, 7]", "weekend"),
        ("weekend = 6", "cannot be used"),
        ("[years.2035]\noff = [2034-10-01]", "2034-10-01"),
        ("[years.2035]\noff = [2035-10-01]\nworked = [2035-10-01]", "both off and worked"),
        ("[years.2035]\nfree = [2035-10-01]", "free"),
        ("holidays = 1", "holidays"),
        ("not toml", "cannot be read"),
        ('title = { en = "x" }', "both languages"),
    ],
)
def test_a_calendar_that_is_wrong_says_where(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / FILE).write_text(text, "utf-8")
    with pytest.raises(Invalid, match=said):
        Calendar.load(tmp_path)


def test_a_calendar_nobody_can_work_by_ends_with_a_word(tmp_path: Path) -> None:
    days = [date(2035, 1, 1) + timedelta(days=n) for n in range(365)]
    (tmp_path / FILE).write_text(f"[years.2035]\noff = [{', '.join(map(str, days))}]\n", "utf-8")
    with pytest.raises(Invalid, match="nobody works"):
        Calendar.load(tmp_path).add(at("2035-01-01T10:00"), timedelta(days=1), ZONE)

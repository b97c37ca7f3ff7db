"""Licences: dates decide, a firm's licence counts at all its sites, several in force at once."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest

from cityheart.apps.hazchem.signals import licences

from .books import Rows, firm_table, licence_table, licensed_table, site_table

ZONE = ZoneInfo("Asia/Shanghai")
SITES = site_table([("S1", "F1", "一厂"), ("S2", "F1", "二厂"), ("S3", "F2", "三厂")])
TRADE, MAKE = licences.TRADE, licences.PRODUCTION


def span(rows: Rows) -> dict[str, tuple[date, date]]:
    """First and last day by licence."""
    return {
        each["licence_no"]: (each["first"], each["last"])
        for each in licences.spans(licence_table(rows), ZONE).to_pylist()
    }


def allowed(rows: Rows, chemicals: Rows, at: date | datetime, **more: int) -> dict[tuple[str, str], float]:
    """Tonnes by site and chemical."""
    table = licences.allowed(licence_table(rows), licensed_table(chemicals), SITES, at, ZONE, **more)
    return {(each["site_id"], each["cas"]): each["allowed_t"] for each in table.to_pylist()}


def test_dates_decide_and_a_licence_struck_off_ends_on_that_day() -> None:
    rows = [
        ("L1", "F1", "S1", TRADE, "2023-01-01", "2025-12-31", "有效"),
        ("L2", "F1", "S1", TRADE, "2023-01-01", "2025-12-31", "吊销", datetime(2024, 6, 30, 16, 30, tzinfo=UTC)),
        ("L3", "F1", "S1", TRADE, "2023-01-01", "2025-12-31", "注销", datetime(2026, 6, 30, tzinfo=UTC)),
        ("L4", "F1", "S1", TRADE, "2023-01-01", "2025-12-31", "注销", datetime(2022, 6, 30, tzinfo=UTC)),
    ]
    assert span(rows) == {
        "L1": (date(2023, 1, 1), date(2025, 12, 31)),
        "L2": (date(2023, 1, 1), date(2024, 6, 30)),  # the entry is of 1 July, half past midnight, in the city
        "L3": (date(2023, 1, 1), date(2025, 12, 31)),
    }


def test_a_licence_without_a_site_counts_at_every_site_of_its_firm() -> None:
    rows = [
        ("L1", "F1", None, TRADE, "2023-01-01", "2025-12-31", "有效"),
        ("L2", "F2", " ", TRADE, "2023-01-01", "2025-12-31", "有效"),
    ]
    found = licences.counting(licence_table(rows), SITES, ZONE)
    assert found["site_id"].to_pylist() == ["S1", "S2", "S3"]


def test_in_force_on_its_last_day_by_the_citys_calendar() -> None:
    table = licences.spans(licence_table([("L1", "F1", "S1", TRADE, "2023-01-01", "2025-12-31", "有效")]), ZONE)

    def there(at: datetime, grace: int = 0) -> bool:
        return bool(licences.in_force(table, at, ZONE, grace).num_rows)

    assert there(datetime(2025, 12, 31, 15, 59, tzinfo=UTC))
    assert not there(datetime(2025, 12, 31, 16, 0, tzinfo=UTC))  # midnight of the new year in the city
    assert there(datetime(2026, 1, 5, 15, 59, tzinfo=UTC), grace=5)
    assert not there(datetime(2026, 1, 5, 16, 0, tzinfo=UTC), grace=5)
    assert not there(datetime(2022, 12, 31, 15, 59, tzinfo=UTC))


def test_editions_of_one_licence_do_not_add_up_and_different_permissions_do() -> None:
    rows = [
        ("old", "F1", "S1", TRADE, "2023-01-01", "2026-03-31", "有效"),
        ("new", "F1", "S1", TRADE, "2026-03-01", "2029-02-28", "有效"),
        ("make", "F1", "S1", MAKE, "2024-01-01", "2027-01-01", "有效"),
        ("firm", "F1", None, TRADE, "2024-01-01", "2027-01-01", "有效"),
    ]
    chemicals = [
        ("old", "67-56-1", 100.0),
        ("new", "67-56-1", 120.0),
        ("make", "67-56-1", 50.0),
        ("firm", "71-43-2", 7.0),
    ]
    assert allowed(rows, chemicals, date(2026, 3, 15)) == {
        ("S1", "67-56-1"): 170.0,
        ("S1", "71-43-2"): 7.0,
        ("S2", "71-43-2"): 7.0,
    }
    assert allowed(rows, chemicals, date(2026, 2, 15))["S1", "67-56-1"] == 150.0


def test_a_licence_in_its_days_of_grace_counts_only_while_no_other_does() -> None:
    rows = [
        ("old", "F1", "S1", TRADE, "2023-01-01", "2026-03-31", "有效"),
        ("new", "F1", "S1", TRADE, "2026-04-03", "2029-02-28", "有效"),
    ]
    chemicals = [("old", "67-56-1", 100.0), ("new", "67-56-1", 60.0)]
    assert allowed(rows, chemicals, date(2026, 4, 2)) == {("S1", "67-56-1"): 100.0}
    assert allowed(rows, chemicals, date(2026, 4, 3)) == {("S1", "67-56-1"): 60.0}
    assert allowed(rows[:1], chemicals, date(2026, 4, 6)) == {}
    assert allowed(rows, chemicals, date(2026, 4, 2), grace_days=0) == {}


@pytest.mark.parametrize("at", [date(2026, 1, 1), datetime(2026, 1, 1, tzinfo=UTC)])
def test_empty_books(at: date | datetime) -> None:
    assert allowed([], [], at) == {}
    assert allowed([("L", "F9", None, TRADE, "2023-01-01", "2029-01-01", "有效")], [("L", "67-56-1", 1.0)], at) == {}
    nothing = licences.allowed(licence_table([]), licensed_table([]), site_table([]), at, ZONE)
    assert nothing.schema == licences.ALLOWED
    assert isinstance(nothing, pa.Table)


FIRMS = firm_table(
    (
        ("F1", "U1", "甲", "dealer"),
        ("F2", "U2", "乙", "user"),
        ("F3", "U3", "丙", "carrier"),
    )
)
USE, ROAD = licences.USE, licences.ROAD


def lapses(*rows: tuple[object, ...]) -> list[tuple[str, str, date, date | None]]:
    """(holder, licence, last day of cover, first day of the next)."""
    found = licences.lapses(licence_table(rows), SITES, FIRMS, ZONE).to_pylist()
    return [(each["holder"], each["licence_no"], each["last"], each["renewed"]) for each in found]


def test_where_licences_leave_days_uncovered() -> None:
    first = ("A", "F1", "S1", TRADE, "2023-01-01", "2025-12-31", "有效")
    assert lapses(first) == [("S1", "A", date(2025, 12, 31), None)]
    next_day = ("B", "F1", "S1", TRADE, "2026-01-01", "2028-12-31", "有效")
    assert lapses(first, next_day) == [("S1", "B", date(2028, 12, 31), None)]
    later = ("B", "F1", "S1", TRADE, "2026-02-01", "2028-12-31", "有效")
    assert lapses(first, later)[0] == ("S1", "A", date(2025, 12, 31), date(2026, 2, 1))
    short = ("C", "F1", "S1", TRADE, "2024-01-01", "2024-12-31", "有效")  # within the first
    assert lapses(first, short) == [("S1", "A", date(2025, 12, 31), None)]


def test_a_second_licence_covers_and_another_activity_does_not() -> None:
    own = ("A", "F1", "S1", TRADE, "2023-01-01", "2025-12-31", "有效")
    of_firm = ("B", "F1", None, TRADE, "2023-01-01", "2027-12-31", "有效")
    assert lapses(own, of_firm) == [("S1", "B", date(2027, 12, 31), None), ("S2", "B", date(2027, 12, 31), None)]
    made = ("B", "F1", "S1", MAKE, "2023-01-01", "2027-12-31", "有效")  # who may make them may sell them
    assert lapses(own, made) == [("S1", "B", date(2027, 12, 31), None)]
    waste = ("B", "F1", "S1", licences.WASTE, "2023-01-01", "2027-12-31", "有效")
    assert lapses(own, waste) == [("S1", "A", date(2025, 12, 31), None)]
    withdrawn = ("A", "F2", "S3", USE, "2023-01-01", "2027-12-31", "吊销", datetime(2026, 3, 1, 4, tzinfo=UTC))
    assert lapses(withdrawn) == [("S3", "A", date(2026, 2, 28), None)]


def test_what_was_never_licensed_as_it_should_be_goes_by_what_it_has() -> None:
    trade = ("A", "F2", "S3", TRADE, "2023-01-01", "2025-12-31", "有效")  # a firm that uses them, licensed to sell them
    assert lapses(trade) == [("S3", "A", date(2025, 12, 31), None)]
    used = ("B", "F2", "S3", USE, "2026-01-01", "2027-12-31", "有效")
    assert lapses(trade, used) == [("S3", "B", date(2027, 12, 31), None)]  # its own licence alone counts then
    assert lapses(("W", "F2", "S3", licences.WASTE, "2023-01-01", "2025-12-31", "有效")) == []


def test_carriers_are_licensed_as_firms() -> None:
    assert lapses(("A", "F3", None, ROAD, "2023-01-01", "2025-12-31", "有效")) == [
        ("F3", "A", date(2025, 12, 31), None)
    ]
    assert lapses() == []

"""Monthly returns: what does not add up, what others contradict, and what is only badly written."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cityheart.apps.hazchem.signals import returns

from .books import (
    USCC,
    at,
    firm_table,
    licensed_table,
    return_row,
    site_table,
    table,
    tank_hour_table,
    tank_table,
)

ZONE = ZoneInfo("Asia/Shanghai")
CAS = "67-56-1"
NOW = at("04-08 00:00")
GOOD = (200.0, 0.0, 500.0, 450.0, 0.0, 0.0, 250.0)
Row = dict[str, Any]


def waybill(no: str, unloaded: str, tonnes: float, **more: object) -> Row:
    """Methanol from outside to S4."""
    return {
        "waybill_no": no,
        "plate": "苏F0000A",
        "un_number": "UN1230",
        "cas": CAS,
        "cargo": "甲醇",
        "quantity_t": tonnes,
        "consignor_uscc": "9131OUTSIDE",
        "load_site": "外地",
        "consignee_uscc": USCC["F4"],
        "unload_site": "丁电镀",
        "planned_departure": at(unloaded),
        "planned_arrival": at(unloaded),
        "unloaded_at": at(unloaded),
        "status": "完成",
        **more,
    }


def brought(tonnes: float, loads: int = 20, **more: object) -> list[Row]:
    """Loads over the middle of March."""
    return [waybill(f"Y{n}", f"03-{4 + n:02} 10:00", tonnes / loads, **more) for n in range(loads)]


def judged(
    parts: Sequence[float] = GOOD,
    *,
    waybills: Sequence[Row] = (),
    more: Sequence[Row] = (),
    tanks: pa.Table | None = None,
    levels: pa.Table | None = None,
    now: datetime = NOW,
    updated: datetime | None = None,
) -> Row:
    """The row of S4 for March."""
    rows = [return_row("S4", "2026-03", CAS, parts, updated or at("04-05 10:00")), *more]
    tables = {
        "approval_monthly_return": table("approval_monthly_return", rows),
        "approval_firm": firm_table(),
        "approval_site": site_table([("S4", "F4", "丁电镀"), ("S1", "F1", "甲")]),
        "approval_licensed_chemical": licensed_table([("L", CAS, 500.0)]),
        "transport_waybill": table("transport_waybill", waybills),
        "hazard_tank": tanks if tanks is not None else tank_table([]),
        "hazchem_tank_hour": levels if levels is not None else tank_hour_table([]),
    }
    found = returns.balances(tables, now, ZONE, returns.PARAMETERS)
    rows = [each for each in found.to_pylist() if each["month"] == 12 * 2026 + 2 and each["site_id"] == "S4"]
    return rows[0] if rows else {}


def test_mass_that_goes_missing_and_mass_that_comes_from_nowhere() -> None:
    missing = judged((200.0, 0.0, 500.0, 390.0, 0.0, 0.0, 250.0))
    assert missing["residual_t"] == pytest.approx(60.0)
    assert missing["probability"] > 0.9
    assert judged((200.0, 0.0, 500.0, 520.0, 0.0, 0.0, 250.0))["probability"] > 0.9


@pytest.mark.parametrize(
    "parts",
    [
        GOOD,
        (200.0, 0.0, 500.0, 445.0, 0.0, 0.0, 250.0),  # 5 t of 700: within gauges and scales
        (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
        (0.5, 0.0, 0.0, 0.0, 0.0, 0.0, 0.4),  # a drum
        (3000.0, 0.0, 10.0, 10.0, 0.0, 0.0, 2950.0),  # the gauge of a large stock
    ],
)
def test_what_adds_up_within_measuring_error(parts: Sequence[float]) -> None:
    assert judged(parts)["probability"] < 0.5


def test_the_error_is_learnt_from_the_other_returns_of_the_month() -> None:
    def others(error: float) -> list[Row]:
        signs = [1 if n % 2 else -1 for n in range(40)]
        return [
            return_row(f"T{n}", "2026-03", CAS, (200.0, 0, 500.0, 450.0 + sign * error * (n % 5), 0, 0, 250.0))
            for n, sign in enumerate(signs)
        ]

    parts = (200.0, 0.0, 500.0, 425.0, 0.0, 0.0, 250.0)
    assert judged(parts, more=others(1.0))["probability"] > 0.5
    assert judged(parts, more=others(15.0))["probability"] < 0.5


def test_a_comma_in_the_wrong_place_is_not_missing_mass() -> None:
    slip = (200.0, 0.0, 5000.0, 450.0, 0.0, 0.0, 250.0)
    assert judged(slip)["slip"] == "purchased_t"
    assert judged(slip)["probability"] < 0.5
    late = at("04-20 00:00")
    assert judged(slip, now=late)["probability"] > 0.5  # days later nobody has corrected it
    assert judged(slip, now=late, waybills=brought(500.0))["probability"] < 0.5  # and waybills say what was meant
    assert judged((200.0, 0.0, 500.0, 450.0, 0.0, 0.0, 0.25))["slip"] == "closing_t"


def test_a_stock_that_somebody_confirms_is_no_slip() -> None:
    parts = (40.0, 0.0, 452.0, 411.9, 0.0, 0.0, 42.1)  # 38 t too much; an opening stock of 400 kg would explain it
    assert judged(parts)["slip"] == "opening_t"
    before = return_row("S4", "2026-02", CAS, (40.0, 0, 0, 0, 0, 0, 40.0))
    assert judged(parts, more=[before])["slip"] is None
    assert judged(parts, more=[before])["probability"] > 0.9


def test_where_loads_at_the_border_are_booked_is_learnt() -> None:
    def of_first(others: float) -> float:
        carried = returns._Carried(np.full(41, 354.0), np.full(41, 60.0), np.full(41, 42.0))
        reported = np.array([285.0, *np.full(20, 354.0), *np.full(20, 354.0 - others)])
        return float(returns._excess(carried, reported, 0.015, np.full(41, 24315), 20)[0])

    assert of_first(0.0) > 3.5  # all others have them as they are dated
    assert of_first(30.0) < 2.5  # half of the others have them in the other month


def test_stock_that_vanishes_between_two_months() -> None:
    def february(closing: float) -> list[Row]:
        return [return_row("S4", "2026-02", CAS, (200.0, 0, 0, 0, 0, 0, closing))]

    assert judged(more=february(300.0))["probability"] > 0.9
    assert judged(more=february(200.0))["probability"] < 0.5
    assert judged(more=february(203.0))["probability"] < 0.5


def test_waybills_that_bring_more_than_the_return_admits() -> None:
    assert judged(waybills=brought(600.0))["probability"] > 0.5
    assert judged(waybills=brought(600.0))["way_in_t"] == pytest.approx(600.0)
    assert judged(waybills=brought(600.0, cas=None))["probability"] > 0.5  # the cargo's name says what it is


@pytest.mark.parametrize(
    "waybills",
    [
        brought(503.0),
        brought(300.0),  # the rest came by pipe
        brought(600.0, status="作废"),
        brought(600.0, status="在途"),
        brought(600.0, consignor_uscc=USCC["F4"]),  # from the firm's other site
        [*brought(490.0), *(waybill(f"B{n}", f"03-31 2{n}:00", 25.0) for n in range(4))],  # on the border
        brought(600.0, cas="71-43-2"),
        brought(600.0, unloaded_at=at("04-02 12:00")),
    ],
    ids=["actual load", "pipe", "cancelled", "on the way", "own goods", "border", "other goods", "April"],
)
def test_waybills_that_do_not_contradict(waybills: list[Row]) -> None:
    assert judged(waybills=waybills)["probability"] < 0.5


def test_tanks_speak_at_the_end_of_the_month_and_only_together() -> None:
    tanks = tank_table([("T1", "S4", CAS, 400.0, 10.0), ("T2", "S4", CAS, 100.0, 10.0)])
    last = at("03-31 23:00")

    def read(first: float, second: float | None) -> Row:
        rows = [("T1", last, first), ("T1", at("03-31 20:00"), 9.0), ("T1", at("04-01 03:00"), 1.0)]
        return judged(tanks=tanks, levels=tank_hour_table([*rows, *([("T2", last, second)] if second else [])]))

    assert read(5.0, 5.0)["tank_t"] == pytest.approx(250.0)
    assert abs(read(5.0, 5.0)["z_tank"]) < 1e-6
    assert read(2.0, 5.0)["z_tank"] < -10
    assert read(2.0, 5.0)["probability"] < 0.5  # not alone
    assert read(5.0, None)["tank_t"] != read(5.0, None)["tank_t"]  # NaN: one tank is not heard


def tanked(own: float, others: float, own_hours: Sequence[tuple[object, ...]] = ()) -> Row:
    """S4 and ten other sites with a tank of 500 t each, and closing stocks of 250 t; levels in m."""
    last = at("03-31 23:00")
    names = [f"T{n}" for n in range(10)]
    tanks = tank_table([("T", "S4", CAS, 500.0, 10.0), *((name, name, CAS, 500.0, 10.0) for name in names)])
    levels: list[tuple[object, ...]] = [*(own_hours or [("T", last, own)]), *((name, last, others) for name in names)]
    more = [return_row(name, "2026-03", CAS, GOOD) for name in names]
    return judged(tanks=tanks, levels=tank_hour_table(levels), more=more)


def test_tanks_stand_alone_where_those_of_others_agree() -> None:
    assert tanked(4.0, 5.02)["probability"] > 0.5
    assert tanked(5.1, 5.02)["probability"] < 0.5
    assert tanked(4.0, 3.0)["probability"] < 0.5  # nobody's tanks are all of the stock
    frozen: list[tuple[object, ...]] = [("T", at("03-31 23:00"), 4.0, 60, 60.0)]
    assert tanked(4.0, 5.02, frozen)["probability"] < 0.5
    moving: list[tuple[object, ...]] = [("T", at("03-31 23:00"), 4.4), ("T", at("04-01 01:00"), 5.0)]
    assert tanked(4.4, 5.02, moving)["probability"] < 0.5


def test_only_months_that_are_over_and_recent() -> None:
    assert judged(now=at("03-31 23:59"), updated=at("03-30 10:00")) == {}
    assert judged(now=at("04-01 00:00"), updated=at("03-30 10:00"))["site_id"] == "S4"
    assert judged(now=at("07-01 00:00")) == {}


tonnes = st.floats(0, 5000, allow_nan=False)


@settings(deadline=None, max_examples=40)
@given(st.lists(tonnes, min_size=6, max_size=6))
def test_a_return_that_adds_up_is_never_a_case(parts: list[float]) -> None:
    opening, produced, purchased, used, sold, disposed = parts
    come = opening + produced + purchased
    gone = used + sold + disposed
    scale = come / gone if gone > come else 1.0
    used, sold, disposed = used * scale, sold * scale, disposed * scale
    closing = max(come - used - sold - disposed, 0.0)
    rounded = [round(each, 2) for each in (opening, produced, purchased, used, sold, disposed, closing)]
    assert judged(rounded)["probability"] < 0.5

"""Monthly returns: what does not add up, what others contradict, and what is only badly written."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cityheart.apps.hazchem.signals import borders, returns

from .books import (
    USCC,
    at,
    firm_table,
    licence_table,
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
    flows: Sequence[Row] = (),
    more: Sequence[Row] = (),
    tanks: pa.Table | None = None,
    levels: pa.Table | None = None,
    licences: Sequence[Sequence[object]] = (),
    now: datetime = NOW,
    updated: datetime | None = None,
) -> Row:
    """The row of S4 for March."""
    rows = [return_row("S4", "2026-03", CAS, parts, updated or at("04-05 10:00")), *more]
    tables = {
        "approval_monthly_return": table("approval_monthly_return", rows),
        "approval_firm": firm_table(),
        "approval_site": site_table([("S4", "F4", "丁电镀"), ("S4b", "F4", "丁电镀二厂"), ("S1", "F1", "甲")]),
        "approval_licence": licence_table(licences),
        "approval_licensed_chemical": licensed_table([("L", CAS, 500.0)]),
        "transport_waybill": table("transport_waybill", waybills),
        "police_flow": table("police_flow", [{"flow_id": str(n), **row} for n, row in enumerate(flows)]),
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


def test_a_large_stock_hides_less_than_it_is_measured_wrong_by() -> None:
    others = [return_row(f"T{n}", "2026-03", CAS, GOOD) for n in range(40)]
    assert judged((293.0, 0.0, 193.8, 131.8, 0.0, 0.0, 339.4), more=others)["probability"] > 0.5  # 15.6 t of 193.8
    assert judged((293.0, 0.0, 193.8, 140.8, 0.0, 0.0, 339.4), more=others)["probability"] < 0.5


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


def test_what_is_nearly_a_slip_has_two_days_to_be_corrected() -> None:
    parts = (43.84, 0.0, 73.87, 0.0, 74.73, 0.0, 4.26)
    assert judged(parts, updated=at("04-05 10:00"), now=at("04-06 12:00"))["probability"] < 0.5
    later = judged(parts, updated=at("04-05 10:00"), now=at("04-08 12:00"))
    assert later["slip"] is None and later["probability"] > 0.5
    gone = (43.84, 0.0, 73.87, 0.0, 74.73, 0.0, 5.26)  # ten times that would be 10 t too much
    assert judged(gone, updated=at("04-05 10:00"), now=at("04-06 12:00"))["probability"] > 0.5


def test_a_stock_that_somebody_confirms_is_no_slip() -> None:
    parts = (40.0, 0.0, 452.0, 411.9, 0.0, 0.0, 42.1)  # 38 t too much; an opening stock of 400 kg would explain it
    assert judged(parts)["slip"] == "opening_t"
    before = return_row("S4", "2026-02", CAS, (40.0, 0, 0, 0, 0, 0, 40.0))
    assert judged(parts, more=[before])["slip"] is None
    assert judged(parts, more=[before])["probability"] > 0.9


def test_a_slip_that_somebody_sees_through_needs_no_exact_balance() -> None:
    parts = (
        20.0,
        0.0,
        52.0,
        460.0,
        0.0,
        0.0,
        252.0,
    )  # 200 and 520 are meant, but for what gauges and scales are wrong by
    assert judged(parts)["slip"] is None
    opening = (20.0, 0.0, 500.0, 445.0, 0.0, 0.0, 250.0)  # 200, and 5 t within measuring error
    before = return_row("S4", "2026-02", CAS, (200.0, 0, 0, 0, 0, 0, 200.0))
    assert judged(opening)["slip"] is None
    found = judged(opening, more=[before], now=at("04-20 00:00"))  # nobody has corrected it for weeks
    assert found["slip"] == "opening_t" and found["probability"] < 0.5
    closing = (200.0, 0.0, 500.0, 445.0, 0.0, 0.0, 25.0)
    tanks = tank_table([("T1", "S4", CAS, 600.0, 6.0)])
    levels = tank_hour_table([("T1", at("03-31 23:00"), 2.5)])
    assert judged(closing)["slip"] is None
    assert judged(closing, tanks=tanks, levels=levels)["slip"] == "closing_t"
    stolen = (200.0, 0.0, 500.0, 200.0, 0.0, 0.0, 250.0)
    assert judged(stolen, tanks=tanks, levels=levels, more=[before])["probability"] > 0.9


def test_where_loads_at_the_border_are_booked_is_learnt() -> None:
    def of_first(others: float) -> float:
        loads = borders.Loads(np.repeat(np.arange(41), 2), np.full(82, 30.0))
        carried = returns._Carried(np.full(41, 354.0), loads)
        reported = np.array([292.0, *np.full(20, 354.0), *np.full(20, 354.0 - others)])
        return float(returns._excess(carried, reported, np.full(41, 24315), returns.PARAMETERS)[0])

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


SHORT = (100.0, 0.0, 321.0, 300.0, 0.0, 0.0, 121.0)


def test_loads_at_the_border_explain_only_what_they_come_to() -> None:
    inner = [waybill(f"Y{n}", f"03-{4 + n:02} 10:00", 23.0) for n in range(11)]  # 253 t

    def bordered(*loads: float) -> Row:
        return judged(SHORT, waybills=[*inner, *(waybill(f"B{n}", f"03-31 1{n}:00", t) for n, t in enumerate(loads))])

    assert bordered(20.0, 80.0)["probability"] > 0.5  # 32 t more than the return, of 353 t: no sum of them
    assert bordered(32.5, 67.5)["probability"] < 0.5
    assert bordered(16.0, 16.5, 67.5)["probability"] < 0.5
    behind = [waybill("C", "02-28 15:00", 58.0)]  # a clerk who is behind at both ends: 90 t later, 58 t from before
    loads = [waybill("B1", "03-31 10:00", 10.0), waybill("B2", "03-31 12:00", 90.0)]
    assert judged(SHORT, waybills=[*inner, *loads])["probability"] > 0.5
    found = judged(SHORT, waybills=[*inner, *behind, *loads])
    assert found["way_in_t"] == pytest.approx(353.0)
    assert found["probability"] < 0.5


def test_goods_on_a_waybill_that_nobody_closed_have_left_their_consignor() -> None:
    parts = (200.0, 400.0, 0.0, 0.0, 350.0, 0.0, 250.0)
    away = {
        "consignor_uscc": USCC["F4"],
        "load_site": "丁电镀",
        "consignee_uscc": "9131OUTSIDE",
        "unload_site": "外地",
        "unloaded_at": None,
    }

    def sold(status: str, day: str, loaded: bool = True) -> Row:
        open_ = [
            waybill(
                f"O{n}",
                f"03-{day} 1{n}:00",
                25.0,
                **away,
                status=status,
                loaded_at=at(f"03-{day} 1{n}:00") if loaded else None,
            )
            for n in range(2)
        ]
        return judged(parts, waybills=[*brought(350.0, **away), *open_])

    assert sold("在途", "15")["way_out_t"] == pytest.approx(400.0)
    assert sold("在途", "15")["probability"] > 0.5
    assert sold("在途", "31")["probability"] < 0.5  # on the road at midnight, and sold in April
    assert sold("作废", "15")["probability"] < 0.5
    assert sold("待运", "15", loaded=False)["probability"] < 0.5
    late = [
        waybill(f"I{n}", "03-15 10:00", 50.0, status="在途", loaded_at=at("03-15 08:00"), unloaded_at=None)
        for n in (1, 2)
    ]
    assert judged(waybills=[*brought(500.0), *late])["probability"] < 0.5  # what is on its way may never arrive


# ── what was told to the police ──────────────────────────────────────────────────────────────────────────────────────

SELLER = "91310000OUTSIDE6X"


def told(kind: str, when: str, kg: float, **more: object) -> Row:
    """A flow of what S4 holds, reported two days later."""
    sides = (
        {"seller_uscc": SELLER, "buyer_uscc": USCC["F4"]}
        if kind in ("sale", "purchase")
        else {"buyer_uscc": USCC["F4"]}
    )
    days = {
        "occurred_at": at(when),
        "reported_at": at(when) + timedelta(days=2),
        "updated_at": at(when) + timedelta(days=2),
    }
    return {"kind": kind, "cas": CAS, "quantity_kg": kg, **sides, **days, **more}


def uses(kg: float) -> list[Row]:
    """Use on every day of March."""
    return [told("use", f"03-{day:02} 17:00", kg / 31) for day in range(1, 32)]


CONTROLLED = (5.61, 0.0, 1.98, 4.38, 0.0, 0.0, 3.21)
"""A return that balances in itself; 0.94 t less was bought, it says, than a delivery of 2.92 t."""


@pytest.mark.parametrize(
    ("parts", "flows"),
    [
        (CONTROLLED, [told("purchase", "03-18 10:00", 2920.0), *uses(4380.0)]),
        (CONTROLLED, [told("sale", "03-18 10:00", 2920.0), *uses(4380.0)]),  # the seller's word
        (
            (1.2, 0, 1.52, 1.6, 0, 0, 1.12),
            [told("purchase", f"03-{day} 10:00", 560.0) for day in ("04", "11", "18", "25")],
        ),
        ((6.0, 0, 4.53, 5.0, 0, 0, 5.53), [told("purchase", f"03-{day} 10:00", 2760.0) for day in ("12", "31")]),
        (
            (6.0, 3.0, 0.0, 0.0, 3.0, 0, 6.0),
            [
                told("sale", f"03-{day} 10:00", 2000.0, seller_uscc=USCC["F4"], buyer_uscc=SELLER)
                for day in ("05", "15", "21")
            ],
        ),
    ],
    ids=["bought", "by the seller", "a part of four", "no load at the border", "sold"],
)
def test_flows_of_more_than_the_return_admits(parts: Sequence[float], flows: list[Row]) -> None:
    assert judged(parts)["probability"] < 0.5
    assert judged(parts, flows=flows)["probability"] > 0.5


BOTH = [told("purchase", "03-18 10:00", 1980.0), told("sale", "03-18 10:00", 1980.0)]


@pytest.mark.parametrize(
    "flows",
    [
        [*BOTH, *uses(4380.0)],
        [told("sale", "03-08 10:00", 1000.0), told("purchase", "03-18 10:00", 980.0)],  # each by one side only
        [told("purchase", "03-18 10:00", 900.0), *uses(1000.0)],  # the rest is reported later, or never
        [*BOTH, told("purchase", "03-20 10:00", 8.0)],  # samples, and the digits of returns
        [*BOTH, told("purchase", "03-31 12:00", 940.0)],  # in April's return
        [*BOTH, told("purchase", "04-01 09:00", 940.0)],
        [
            told("purchase", "03-18 10:00", 1080.0),
            told("purchase", "03-31 09:00", 1300.0),
            told("purchase", "02-28 20:00", 900.0),
        ],
        [
            *BOTH,
            told("purchase", "03-20 10:00", 2000.0),
            told("sale", "03-21 10:00", 2000.0, seller_uscc=USCC["F4"], buyer_uscc="X"),
        ],
        [*BOTH, told("purchase", "03-20 10:00", 1000.0), told("loss", "03-21 10:00", 1000.0)],
        [*BOTH, told("transfer", "03-20 10:00", 1000.0, seller_uscc=USCC["F4"])],  # between its own stores
        [*BOTH, told("purchase", "03-20 10:00", 1000.0, buyer_uscc="9131STRANGER")],
        [*BOTH, told("purchase", "03-20 10:00", 1000.0, cas="71-43-2")],
    ],
    ids=[
        "same",
        "one side",
        "late",
        "samples",
        "border",
        "April",
        "both ends",
        "passed on",
        "lost",
        "own",
        "others",
        "goods",
    ],
)
def test_flows_that_do_not_contradict(flows: list[Row]) -> None:
    assert judged(CONTROLLED, flows=flows)["probability"] < 0.5


def test_flows_speak_for_firms_and_as_far_as_the_balance_is_open() -> None:
    flows = [told("purchase", "03-18 10:00", 2920.0)]
    assert judged(CONTROLLED, flows=flows, now=at("04-02 12:00"))["z_flow"] == 0.0  # who passed it on may tell it yet
    other = return_row("S4b", "2026-03", CAS, (1.0, 0, 0.94, 0.5, 0, 0, 1.44))
    assert judged(CONTROLLED, flows=flows)["z_flow"] > 5
    assert np.isnan(judged(CONTROLLED, flows=flows, more=[other])["z_flow"])  # which of its two sites?
    past = return_row("S4b", "2026-01", CAS, (1.0, 0, 0.94, 0.5, 0, 0, 1.44))
    assert np.isnan(judged(CONTROLLED, flows=flows, more=[past])["z_flow"])  # its return of March may come yet
    permit = ("L", "F4", "S4b", "危险化学品使用许可证", "2024-01-01", "2027-01-01", "有效")
    assert np.isnan(judged(CONTROLLED, flows=flows, licences=[permit])["z_flow"])  # and a first one too
    permit = ("L", "F4", "S4", *permit[3:])
    assert judged(CONTROLLED, flows=flows, licences=[permit])["z_flow"] > 5
    forgotten = (5.61, 0.0, 1.98, 5.3, 0.0, 0.0, 3.21)  # what was bought and not written was used and written
    assert judged(forgotten, flows=flows)["z_flow"] < 1
    slip = (5.61, 0.0, 0.292, 4.38, 0.0, 0.0, 4.15)
    assert judged(slip, flows=flows)["slip"] == "purchased_t"
    assert judged(slip, flows=flows)["probability"] < 0.5  # there are days to correct it


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


def tanked(
    own: float, others: float, own_hours: Sequence[tuple[object, ...]] = (), parts: Sequence[float] = GOOD
) -> Row:
    """S4 and ten other sites with a tank of 500 t each, and closing stocks of 250 t; levels in m."""
    last = at("03-31 23:00")
    names = [f"T{n}" for n in range(10)]
    tanks = tank_table([("T", "S4", CAS, 500.0, 10.0), *((name, name, CAS, 500.0, 10.0) for name in names)])
    levels: list[tuple[object, ...]] = [*(own_hours or [("T", last, own)]), *((name, last, others) for name in names)]
    more = [return_row(name, "2026-03", CAS, GOOD) for name in names]
    return judged(parts, tanks=tanks, levels=tank_hour_table(levels), more=more)


def test_tanks_stand_alone_where_those_of_others_agree() -> None:
    assert tanked(4.0, 5.02)["probability"] > 0.5
    assert tanked(5.1, 5.02)["probability"] < 0.5
    assert tanked(4.0, 3.0)["probability"] < 0.5  # nobody's tanks are all of the stock
    frozen: list[tuple[object, ...]] = [("T", at("03-31 23:00"), 4.0, 60, 60.0)]
    assert tanked(4.0, 5.02, frozen)["probability"] < 0.5
    moving: list[tuple[object, ...]] = [("T", at("03-31 23:00"), 4.4), ("T", at("04-01 01:00"), 5.0)]
    assert tanked(4.4, 5.02, moving)["probability"] < 0.5


def test_the_better_the_tanks_of_others_agree_the_less_is_a_difference() -> None:
    assert tanked(4.8, 5.0)["probability"] > 0.5  # two in a hundred of the capacity
    assert tanked(4.8, 4.93)["probability"] < 0.5  # as others are by two thirds of that
    assert tanked(4.9, 5.0)["probability"] < 0.5  # no gauge is that exact
    busy = (200.0, 0.0, 2000.0, 1950.0, 0.0, 0.0, 250.0)  # as much is used in the hours around the closing of the books
    assert tanked(4.8, 5.0, parts=busy)["probability"] < 0.5


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

"""Controlled chemicals: deals of two sides, stock that explains, reports that are late."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest

from cityheart.apps.hazchem.signals import books, licences
from cityheart.apps.hazchem.signals.flows import PARAMETERS, ledger, movements

from .books import USCC, at, firm_table, licence_table, licensed_table, return_row, site_table, table

ZONE = ZoneInfo("Asia/Shanghai")
CAS = "7722-64-7"
HOLDER, DEALER, MAKER = USCC["F4"], "91320600DEALER005X", "91310000OUTSIDE6X"
FIRMS = (("F4", HOLDER, "丁电镀有限公司", "user"), ("F5", DEALER, "戊化工贸易有限公司", "dealer"))
NOW = at("04-15 00:00")
Row = dict[str, Any]


def flow(kind: str, when: str, kg: float, seller: str | None, buyer: str | None, **more: object) -> Row:
    """A report two days after the fact."""
    moment = at(when)
    return {
        "kind": kind,
        "seller_uscc": seller,
        "buyer_uscc": buyer,
        "cas": CAS,
        "quantity_kg": kg,
        "occurred_at": moment,
        "reported_at": moment + timedelta(days=2),
        "updated_at": moment + timedelta(days=2),
        **more,
    }


def deal(when: str, kg: float) -> list[Row]:
    """What the dealer sells to the holder, told by both."""
    return [flow("sale", when, kg, DEALER, HOLDER), flow("purchase", when, kg, DEALER, HOLDER)]


def uses(month: int, kg: float, times: int = 8) -> list[Row]:
    """Use spread over the month."""
    return [flow("use", f"{month:02}-{2 + 3 * n:02} 17:00", kg / times, None, HOLDER) for n in range(times)]


def scene(flows: Sequence[Row], returns: Sequence[Row] = (), licensed_t: float | None = None) -> dict[str, pa.Table]:
    """The tables of a small city."""
    licence = [("L", "F4", "S4", licences.USE, "2024-01-01", "2027-01-01", "有效")]
    return {
        "police_flow": table("police_flow", [{"flow_id": f"W{n}", **row} for n, row in enumerate(flows)]),
        "approval_firm": firm_table(FIRMS),
        "approval_site": site_table([("S4", "F4", "丁电镀"), ("S4b", "F4", "丁电镀二厂"), ("S5", "F5", "戊")]),
        "approval_licence": licence_table(licence if licensed_t else []),
        "approval_licensed_chemical": licensed_table([("L", CAS, licensed_t)] if licensed_t else []),
        "approval_monthly_return": table("approval_monthly_return", returns),
    }


def judged(
    flows: Sequence[Row], returns: Sequence[Row] = (), licensed_t: float | None = None, now: datetime = NOW
) -> dict[tuple[str, str], dict[str, Any]]:
    """Rows of the ledger by holder and month."""
    found = ledger(scene(flows, returns, licensed_t), now, ZONE, PARAMETERS)
    return {(each["holder"], books.month_text(each["month"])): each for each in found.to_pylist()}


MARCH = return_row("S4", "2026-03", CAS, (1.0, 0, 2.0, 1.8, 0, 0, 1.2))


def test_bought_and_neither_used_nor_in_stock() -> None:
    bought = [*deal("03-04 10:00", 2000.0), *deal("03-20 10:00", 1500.0)]
    found = judged([*bought, *uses(3, 1800.0)], [MARCH])[HOLDER, "2026-03"]
    assert found["in_kg"] == 3500.0
    assert found["unexplained_kg"] == pytest.approx(1500.0)
    assert found["probability"] > 0.9
    assert judged([*bought, *uses(3, 1800.0)], [MARCH])[DEALER, "2026-03"]["probability"] < 0.5


@pytest.mark.parametrize(
    ("flows", "returned"),
    [
        ([*deal("03-04 10:00", 2000.0), *uses(3, 1800.0)], MARCH),
        # bought late in the month, and in stock at its end
        ([*deal("03-28 10:00", 2000.0), *uses(3, 0.0)], return_row("S4", "2026-03", CAS, (1.0, 0, 2.0, 0, 0, 0, 3.0))),
        # use that the return shows and the police have in part only, as elsewhere
        ([*deal("03-04 10:00", 2000.0), *uses(3, 1750.0)], MARCH),
        # lost and reported, passed on and reported
        (
            [*deal("03-04 10:00", 2000.0), *uses(3, 800.0), flow("loss", "03-10 10:00", 1000.0, None, HOLDER)],
            return_row("S4", "2026-03", CAS, (1.0, 0, 2.0, 0.8, 0, 0, 1.2)),
        ),
        (
            [*deal("03-04 10:00", 2000.0), *uses(3, 800.0), flow("transfer", "03-10 10:00", 1000.0, HOLDER, DEALER)],
            return_row("S4", "2026-03", CAS, (1.0, 0, 2.0, 0.8, 1.0, 0, 1.2)),
        ),
        # a deal on the border, which the return has in April
        ([*deal("03-04 10:00", 2000.0), *deal("03-31 20:00", 900.0), *uses(3, 1800.0)], MARCH),
    ],
    ids=["balanced", "in stock", "unreported use", "lost", "passed on", "border"],
)
def test_what_use_loss_transfer_or_stock_explains(flows: list[Row], returned: Row) -> None:
    assert judged(flows, [returned])[HOLDER, "2026-03"]["probability"] < 0.5


@pytest.mark.parametrize(
    ("bought", "used", "returned"),
    [
        # one delivery in the middle of the month, of which the return admits two thirds and balances in itself
        ([("03-18 10:00", 2920.0)], 4380.0, (5.61, 0, 1.98, 4.38, 0, 0, 3.19)),
        # four deliveries of which 1.3 are missing, none after the 25th
        ([(f"03-{day} 10:00", 560.0) for day in ("04", "11", "18", "25")], 1600.0, (1.2, 0, 1.52, 1.6, 0, 0, 1.12)),
        # honest books that do not balance
        ([("03-05 10:00", 3750.0), ("03-20 10:00", 3760.0)], 8670.0, (10.47, 0, 7.51, 8.67, 0, 0, 7.93)),
        # a delivery on the border that is in the return is no excuse
        ([("03-05 10:00", 3750.0), ("03-31 10:00", 1350.0)], 5000.0, (6.0, 0, 5.1, 5.0, 0, 0, 4.75)),
        # nor is one that is not the difference
        ([("03-05 10:00", 3750.0), ("03-31 10:00", 3000.0)], 5000.0, (6.0, 0, 5.4, 5.0, 0, 0, 6.4)),
    ],
    ids=["one delivery", "a part of four", "honest books", "in the return", "another load"],
)
def test_what_is_bought_and_gone_in_the_middle_of_a_month(
    bought: list[tuple[str, float]], used: float, returned: Sequence[float]
) -> None:
    daily = [flow("use", f"03-{day:02} 17:00", used / 31, None, HOLDER) for day in range(1, 32)]
    flows = [row for when, kg in bought for row in deal(when, kg)]
    assert (
        judged([*flows, *daily], [return_row("S4", "2026-03", CAS, returned)])[HOLDER, "2026-03"]["probability"] > 0.8
    )


@pytest.mark.parametrize(
    ("bought", "returned"),
    [
        ([("03-05 10:00", 3750.0), ("03-31 12:00", 1210.0)], (6.0, 0, 3.78, 5.0, 0, 0, 4.78)),  # in April's return
        ([("03-05 10:00", 3750.0), ("04-01 09:00", 1210.0)], (6.0, 0, 4.96, 5.0, 0, 0, 5.96)),  # in March's already
        (
            [("02-28 15:00", 900.0), ("03-05 10:00", 3750.0), ("03-31 12:00", 1210.0)],
            (6.0, 0, 4.65, 5.0, 0, 0, 5.65),
        ),  # the clerk is a day behind at both ends
    ],
    ids=["next month", "month before", "both"],
)
def test_deals_at_the_border_that_are_the_difference(
    bought: list[tuple[str, float]], returned: Sequence[float]
) -> None:
    flows = [row for when, kg in bought for row in deal(when, kg)]
    daily = [flow("use", f"03-{day:02} 17:00", 5000.0 / 31, None, HOLDER) for day in range(1, 32)]
    assert (
        judged([*flows, *daily], [return_row("S4", "2026-03", CAS, returned)])[HOLDER, "2026-03"]["probability"] < 0.5
    )


def test_a_purchase_that_only_the_seller_tells_is_one() -> None:
    told = [flow("sale", "03-20 10:00", 1500.0, DEALER, HOLDER)]
    found = judged([*deal("03-04 10:00", 2000.0), *told, *uses(3, 1800.0)], [MARCH])[HOLDER, "2026-03"]
    assert (found["in_kg"], found["one_sided_kg"]) == (3500.0, 1500.0)
    assert found["probability"] > 0.9


def test_a_deal_is_one_though_told_twice_with_small_differences() -> None:
    twice = [
        flow("sale", "03-04 10:00", 1000.0, DEALER, HOLDER),
        flow("purchase", "03-05 09:00", 1004.0, DEALER, HOLDER),
        flow("sale", "03-06 10:00", 1000.0, DEALER, HOLDER),
        flow("purchase", "03-06 11:00", 1000.0, DEALER, HOLDER),
    ]
    moved = movements(table("police_flow", [{"flow_id": str(n), **row} for n, row in enumerate(twice)]))
    came = moved.filter(pa.compute.equal(moved["what"], 0))
    assert sorted(came["kg"].to_pylist()) == [1000.0, 1004.0]
    assert set(came["holder"].to_pylist()) == {HOLDER}


def test_the_month_waits_for_its_end_and_for_reports_that_could_explain_it() -> None:
    flows = [*deal("03-04 10:00", 2000.0), *deal("03-20 10:00", 1500.0), *uses(3, 1800.0)]
    assert judged(flows, [MARCH], now=at("03-30 00:00"))[HOLDER, "2026-03"]["probability"] == 0.0
    soon = judged(flows, [MARCH], now=at("04-01 12:00"))[HOLDER, "2026-03"]
    assert 225.0 < soon["awaited_kg"] < 500.0 and soon["probability"] > 0.9  # 1,500 kg are not used in a day
    less = [*deal("03-04 10:00", 2000.0), *uses(3, 1500.0)]
    assert judged(less, [MARCH], now=at("04-01 12:00"))[HOLDER, "2026-03"]["probability"] < 0.5
    late = judged(less, [MARCH], now=at("04-03 00:00"))[HOLDER, "2026-03"]
    assert late["awaited_kg"] == 0.0 and late["probability"] > 0.9


def test_who_always_reports_late_is_waited_for() -> None:
    """The use of the last days is not yet told; others who report in time are judged."""
    short = [*uses(3, 1500.0), *deal("03-04 10:00", 2000.0)]
    slow = [{**row, "reported_at": row["occurred_at"] + timedelta(days=5)} for row in short]
    prompt = [flow("use", f"03-{1 + n // 8:02} 12:00", 1.0, None, DEALER) for n in range(240)]
    early = at("04-04 12:00")  # after the two days that are the city's custom
    assert judged([*short, *prompt], [MARCH], now=early)[HOLDER, "2026-03"]["probability"] > 0.5
    waited = judged([*slow, *prompt], [MARCH], now=early)[HOLDER, "2026-03"]
    assert waited["unexplained_kg"] == pytest.approx(300.0) and waited["probability"] < 0.5
    assert judged([*slow, *prompt], [MARCH], now=at("04-07 12:00"))[HOLDER, "2026-03"]["probability"] > 0.5


def test_without_a_return_the_licence_says_how_much_can_be_in_stock() -> None:
    february = return_row("S4", "2026-02", CAS, (1.0, 0, 2.0, 2.0, 0, 0, 1.0))
    flows = [*deal("03-04 10:00", 2000.0), *deal("03-20 10:00", 2500.0), *uses(3, 1800.0)]
    assert judged(flows, [february], licensed_t=2.5)[HOLDER, "2026-03"]["probability"] > 0.5
    assert judged(flows, [february], licensed_t=9.0)[HOLDER, "2026-03"]["probability"] < 0.5
    assert judged(flows, [], licensed_t=2.5)[HOLDER, "2026-03"]["probability"] < 0.5  # who knows what was there before


def test_a_month_that_not_all_sites_have_returned_is_not_judged_by_the_return() -> None:
    before = [return_row(site, "2026-02", CAS, (1.0, 0, 1.0, 1.0, 0, 0, 1.0)) for site in ("S4", "S4b")]
    flows = [*deal("03-04 10:00", 2000.0), *deal("03-20 10:00", 1500.0), *uses(3, 1800.0)]
    assert judged(flows, [*before, MARCH])[HOLDER, "2026-03"]["probability"] < 0.5


def test_a_dealer_that_stores_nothing_and_what_did_not_go_on() -> None:
    flows = [flow("purchase", "03-03 10:00", 3000.0, MAKER, DEALER), *deal("03-04 10:00", 1000.0)]
    assert judged(flows)[DEALER, "2026-03"]["probability"] > 0.5
    assert judged(flows, now=at("03-20 00:00"))[DEALER, "2026-03"]["probability"] == 0.0
    whole = [flow("purchase", "03-03 10:00", 3000.0, MAKER, DEALER), *deal("03-04 10:00", 3000.0)]
    assert judged(whole)[DEALER, "2026-03"]["probability"] < 0.5
    fresh = [flow("purchase", "03-31 10:00", 3000.0, MAKER, DEALER)]
    assert judged(fresh, now=at("04-08 00:00"))[DEALER, "2026-03"]["probability"] < 0.5


def test_a_holder_that_returns_nothing_and_only_buys() -> None:
    bought = [*deal("03-03 10:00", 1000.0), *deal("03-12 10:00", 1000.0), *deal("03-28 10:00", 1000.0)]
    assert judged([*bought, *uses(3, 900.0)])[HOLDER, "2026-03"]["basis"] == "trend"
    assert judged([*bought, *uses(3, 900.0)])[HOLDER, "2026-03"]["probability"] > 0.5
    assert judged([*bought, *uses(3, 2200.0)])[HOLDER, "2026-03"]["probability"] < 0.5
    assert judged([*deal("03-03 10:00", 1000.0), *uses(3, 100.0)])[HOLDER, "2026-03"]["probability"] < 0.5


def test_empty_and_broken_books() -> None:
    assert not judged([])
    odd = [
        flow("use", "03-04 10:00", 10.0, None, None),
        flow("sale", "03-04 10:00", 10.0, DEALER, None),
        flow("purchase", "03-04 10:00", 10.0, None, HOLDER),
        flow("purchase", "03-04 10:00", 0.0, MAKER, HOLDER),
    ]
    found = judged(odd, [return_row("S4", "2026-03", CAS, (0, 0, 0, 0, 0, 0, 0)), return_row("S?", "x", CAS, (0,) * 7)])
    assert all(each["probability"] < 0.5 for each in found.values())
    assert judged(odd, now=datetime(2026, 3, 1, tzinfo=UTC)) == {}

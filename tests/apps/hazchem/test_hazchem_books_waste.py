"""Shipments of waste: lost, light, to a receiver without a licence; and everything that only looks like it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cityheart.apps.hazchem.signals import books, licences, waste

from .books import USCC, at, firm_table, licence_table, site_table, table, track_table, vehicle_table

ZONE = ZoneInfo("Asia/Shanghai")
SITES = site_table(
    [
        ("S1", "F1", "甲化工有限公司"),
        ("S1b", "F1", "甲化工有限公司(二厂区)"),
        ("S2", "F2", "乙固废"),
        ("S4", "F4", "丁电镀"),
    ]
)
LICENCE = ("W1", "F2", None, licences.WASTE, "2024-01-01", "2026-12-31", "有效")
NOW = at("03-25 00:00")


def manifest(no: str, shipped: str, **more: object) -> dict[str, object]:
    """A manifest from S1 to F2 on truck A, not received."""
    return {
        "manifest_no": no,
        "producer_uscc": USCC["F1"],
        "producer_site": "甲化工有限公司",
        "waste_code": "900-041-49",
        "shipped_t": 5.0,
        "shipped_at": at(shipped),
        "carrier_uscc": USCC["F3"],
        "plate": "苏F0000A",
        "receiver_uscc": USCC["F2"],
        "status": "已发运",
        "updated_at": at(shipped),
        **more,
    }


def received(no: str, shipped: str, tonnes: float = 4.95, **more: object) -> dict[str, object]:
    """A manifest received two hours later."""
    got = at(shipped) + timedelta(hours=2)
    return manifest(no, shipped, received_t=tonnes, received_at=got, status="已接收", **more)


def visit(place: str, since: str, before: int = 1, after: int = 1) -> dict[str, object]:
    """Truck A at a site for half an hour."""
    start = at(since)
    return {
        "terminal_phone": "1A",
        "since": start,
        "until": start + timedelta(minutes=30),
        "layer": "site",
        "place": place,
        "load_before": before,
        "load_after": after,
    }


def normal(days: range) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    """A shipment a day that arrived, and its visits."""
    rows, visits = [], []
    for day in days:
        rows.append(received(f"N{day}", f"03-{day:02} 09:00"))
        visits += [visit("S1", f"03-{day:02} 08:30", 0, 1), visit("S2", f"03-{day:02} 10:40", 1, 0)]
    return rows, visits


def judged(
    rows: list[dict[str, object]],
    visits: list[dict[str, object]],
    now: datetime = NOW,
    stays: tuple[Mapping[str, object], ...] = (),
    tracked: bool = True,
    licence: tuple[object, ...] = LICENCE,
    waybills: tuple[Mapping[str, object], ...] = (),
    silent: tuple[datetime, datetime] | None = None,
) -> dict[str, dict[str, Any]]:
    """Every shipment by its number."""
    whole = {"terminal_phone": "1A", "since": at("03-01 00:00"), "until": now, "lon": 121.0, "lat": 32.0}
    trips = [
        {**whole, "since": at("03-01 00:00") + timedelta(days=day), "until": at("03-02 00:00") + timedelta(days=day)}
        for day in range(40)
    ]
    if silent is not None:
        first, last = ({**whole, "since": a, "until": b} for a, b in ((at("03-01 00:00"), silent[0]), (silent[1], now)))
        trips = [first, last]
    tables = scene(rows, visits, stays, trips if tracked else [], licence)
    tables["transport_waybill"] = table("transport_waybill", waybills)
    found = waste.shipments(tables, now, ZONE, waste.PARAMETERS)
    return {str(each["manifest_no"]): each for each in found.to_pylist()}


def scene(
    rows: list[dict[str, object]],
    visits: list[dict[str, object]],
    stays: tuple[Mapping[str, object], ...] = (),
    trips: list[dict[str, object]] | None = None,
    licence: tuple[object, ...] = LICENCE,
) -> dict[str, pa.Table]:
    """The tables of a small city."""
    return {
        "waste_manifest": table("waste_manifest", rows),
        "approval_firm": firm_table(),
        "approval_site": SITES,
        "approval_licence": licence_table([licence]),
        "transport_vehicle": vehicle_table([("苏F0000A", "1A", USCC["F3"]), ("苏F0000B", "1B", USCC["F3"])]),
        "transport_visit": track_table(visits),
        "transport_stay": track_table(stays),
        "transport_trip": track_table(trips or []),
        "transport_waybill": table("transport_waybill", []),
    }


def test_a_load_got_rid_of_on_the_way_is_lost() -> None:
    rows, visits = normal(range(2, 16))
    dump = {"terminal_phone": "1A", "since": at("03-17 11:00"), "until": at("03-17 11:40"), "lon": 121.5, "lat": 32.5}
    found = judged(
        [*rows, manifest("M", "03-17 09:00")],
        [*visits, visit("S1", "03-17 08:30", 0, 1)],
        stays=({**dump, "load_before": 3, "load_after": 0},),
    )
    assert found["M"]["lost"] > 0.9
    assert (found["M"]["emptied_lon"], found["M"]["emptied_at"]) == (121.5, at("03-17 11:00"))
    assert max(each["lost"] for no, each in found.items() if no != "M") < 0.5


def test_where_a_truck_was_emptied_in_a_hole_of_its_track_nobody_knows() -> None:
    rows, visits = normal(range(2, 16))
    later = {"terminal_phone": "1A", "since": at("03-17 11:00"), "until": at("03-17 11:40"), "lon": 121.5, "lat": 32.5}
    rows, visits = [*rows, manifest("M", "03-17 09:00")], [*visits, visit("S1", "03-17 08:30", 0, 1)]
    stays = ({**later, "load_before": 3, "load_after": 0},)
    hole = (at("03-17 09:40"), at("03-17 11:00"))
    found = judged(rows, visits, stays=stays, silent=hole)["M"]
    assert found["emptied_at"] is None
    waybill = {"waybill_no": "Y", "plate": "苏F0000A", "consignee_uscc": USCC["F2"], "status": "完成"}
    told = {**waybill, "unloaded_at": at("03-17 10:50")}
    assert judged(rows, visits, stays=stays, silent=hole, waybills=(told,))["M"]["lost"] < 0.5 < found["lost"]
    assert judged(rows, visits, stays=stays, waybills=(told,))["M"]["lost"] > 0.5  # papers alone do not bring it there


def test_one_never_seen_again_is_lost_only_after_the_wait() -> None:
    rows, visits = normal(range(2, 16))
    rows.append(manifest("M", "03-17 09:00"))
    visits.append(visit("S1", "03-17 08:30", 0, 1))
    assert judged(rows, visits)["M"]["lost"] > 0.5
    assert judged(rows, visits, now=at("03-19 09:00"))["M"]["lost"] == 0.0


@pytest.mark.parametrize(
    ("row", "seen"),
    [
        (manifest("M", "03-17 09:00"), [visit("S1", "03-17 08:30", 0, 1), visit("S2", "03-17 11:00", 1, 0)]),
        (manifest("M", "03-17 09:00"), [visit("S1", "03-17 08:30", 0, 1), visit("S2", "03-19 20:00", 1, 0)]),
        (manifest("M", "03-17 09:00"), []),  # the truck was never at the producer: the plate is in doubt
        (received("M", "03-17 09:00"), [visit("S1", "03-17 08:30", 0, 1)]),  # a receipt, and a visit missed
        (manifest("M", "03-17 09:00", plate="苏F0000B"), [visit("S1", "03-17 08:30", 0, 1)]),  # a truck without tracks
        (manifest("M", "03-17 09:00", plate="苏F9999Z"), []),  # a truck that nobody knows
    ],
    ids=["weight missing", "late", "no truck", "received", "silent truck", "unknown truck"],
)
def test_innocent_shipments(row: dict[str, object], seen: list[dict[str, object]]) -> None:
    rows, visits = normal(range(2, 16))
    assert judged([*rows, row], [*visits, *seen])["M"]["lost"] < 0.5


def test_without_tracks_a_missing_receipt_says_nothing() -> None:
    rows, visits = normal(range(2, 16))
    assert judged([*rows, manifest("M", "03-17 09:00")], visits, tracked=False)["M"]["lost"] == 0.0


def test_two_loads_delivered_together_and_one_got_rid_of_before_the_next() -> None:
    rows, visits = normal(range(2, 16))
    both = [manifest("M1", "03-17 09:00"), manifest("M2", "03-17 11:00", producer_site="甲化工有限公司（二厂区）")]
    delivered = visit("S2", "03-17 14:00", 3, 0)
    along = [visit("S1", "03-17 08:30", 0, 1), visit("S1b", "03-17 10:40", 1, 3), delivered]
    found = judged([*rows, *both], [*visits, *along])
    assert found["M1"]["arrived"] and found["M2"]["arrived"]
    assert found["M2"]["site_id"] == "S1b"
    empty = [visit("S1", "03-17 08:30", 0, 1), visit("S1b", "03-17 10:40", 0, 3), delivered]
    found = judged([*rows, *both], [*visits, *empty])
    assert found["M1"]["lost"] > 0.5
    assert found["M2"]["arrived"]


def test_a_delivery_just_before_loading_is_not_the_arrival() -> None:
    rows, visits = normal(range(2, 16))
    rows += [received("E", "03-17 06:00"), manifest("M", "03-17 09:00")]
    visits += [visit("S1", "03-17 05:30", 0, 1), visit("S2", "03-17 07:30", 1, 0), visit("S1", "03-17 08:15", 0, 1)]
    found = judged(rows, visits)
    assert found["E"]["arrived"]
    assert found["M"]["lost"] > 0.5


def test_where_visits_are_often_missed_a_missing_one_says_little() -> None:
    rows, visits = normal(range(2, 16))
    few = [each for each in visits if each["place"] == "S1"]
    assert judged([*rows, manifest("M", "03-17 09:00")], [*few, visit("S1", "03-17 08:30", 0, 1)])["M"]["lost"] < 0.5


@pytest.mark.parametrize(
    ("shipped", "got", "leak"),
    [
        (5.0, 4.95, False),
        (5.0, 4.76, False),
        (5.0, 4.75, False),
        (5.0, 4.70, True),
        (5.0, 3.5, True),
        (5.0, 5.3, False),
        (0.1, 0.09, False),
        (0.0, 0.0, False),
        (0.1, 0.05, True),
        (5.0, 0.0, True),
    ],
)
def test_lighter_by_more_than_five_per_cent(shipped: float, got: float, leak: bool) -> None:
    found = judged([received("M", "03-17 09:00", got, shipped_t=shipped)], [])
    assert (found["M"]["light"] > 0.5) is leak


@pytest.mark.parametrize(
    ("to", "now", "missing"),
    [
        ("2026-12-31", NOW, False),
        ("2026-03-17", NOW, False),  # on its last day
        ("2026-03-16", at("03-21 23:00"), False),  # five days for the renewal to be entered
        ("2026-03-16", at("03-22 00:00"), True),
        ("2025-12-31", at("03-18 00:00"), True),
    ],
)
def test_a_receiver_without_a_licence_on_that_day(to: str, now: datetime, missing: bool) -> None:
    licence = ("W1", "F2", None, licences.WASTE, "2024-01-01", to, "有效")
    found = judged([received("M", "03-17 09:00")], [], now=now, licence=licence)
    assert (found["M"]["unlicensed"] > 0.5) is missing


def test_receivers_of_other_kinds_and_of_no_register() -> None:
    rows, visits = normal(range(2, 16))
    found = judged(
        [
            *rows,
            received("M", "03-17 09:00", receiver_uscc=USCC["F4"]),
            received("X", "03-17 09:00", receiver_uscc="9132X"),
        ],
        visits,
    )
    assert found["M"]["unlicensed"] > 0.9
    assert found["X"]["unlicensed"] > 0.5
    strangers = [received(f"X{day}", f"03-{day:02} 12:00", receiver_uscc="9132X") for day in range(2, 16)]
    assert judged([*rows, *strangers], visits)["X2"]["unlicensed"] < 0.5


def test_no_books_at_all() -> None:
    empty = {name: each.slice(0, 0) for name, each in scene([], []).items()}
    assert waste.shipments(empty, NOW, ZONE, waste.PARAMETERS).num_rows == 0
    alone = {
        **empty,
        "waste_manifest": table("waste_manifest", [manifest("M", "03-17 09:00"), received("R", "03-17 10:00")]),
    }
    found = waste.shipments(alone, NOW, ZONE, waste.PARAMETERS).to_pylist()
    assert [each["lost"] + each["unlicensed"] for each in found] == [0.0, 0.0]


keys = st.integers(0, 3)
times = st.integers(0, 20)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.integers(-1, 3), times, times)), st.lists(st.tuples(keys, times)))
def test_pairs_are_those_of_two_loops(asked: list[tuple[int, int, int]], held: list[tuple[int, int]]) -> None:
    of, low, high = (np.array([each[n] for each in asked], dtype=np.int64) for n in range(3))
    key, moment = (np.array([each[n] for each in held], dtype=np.int64) for n in range(2))
    left, right = books.overlapping(of, low, high, key, moment)
    expected = {(i, j) for i, (k, a, b) in enumerate(asked) for j, (c, t) in enumerate(held) if k == c and a <= t <= b}
    assert sorted(zip(left.tolist(), right.tolist(), strict=True)) == sorted(expected)

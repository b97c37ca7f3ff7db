"""Loaded trips without a waybill: those that have none, and all that only looks like it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cityheart.apps.hazchem.detectors.no_waybill import PARAMETERS, NoWaybill, evaluate
from cityheart.apps.hazchem.signals.vehicles import Documents, assigned, hauls, moves, stops
from cityheart.sdk import Sighting

from .traffic import (
    HOUR,
    JETTY,
    MINUTE,
    SITES,
    START,
    ZONE,
    Lorry,
    Place,
    at,
    followed,
    manifests,
    sites,
    vehicles,
    waybill,
    waybills,
)

A, B, C, WASTE = SITES.values()
PLATE, PHONE = "苏F0001", "13900000001"
Bills = list[dict[str, object]]


def clock(day: int, hour: float) -> datetime:
    return START + timedelta(days=day, hours=hour)


def week(days: Sequence[int] = range(6), *, flicker: float = 0.0, rest: bool = False) -> tuple[Lorry, Bills]:
    """Every morning from A to B with a waybill, back empty."""
    lorry, bills = Lorry(PHONE, A), []
    for day in days:
        lorry.until(clock(day, 8)).stay(40, 3)
        bills.append(waybill(f"W{day}", PLATE, A, B, lorry.now + 20 * MINUTE))
        if rest:
            lorry.drive(at(15, 1), flicker=flicker).stay(45)
        lorry.drive(B, flicker=flicker).stay(40, 0).drive(A, flicker=flicker)
    return lorry.until(clock(days[-1] + 1, 8)), bills


def found(
    lorries: Lorry | Sequence[Lorry], bills: Bills, now: datetime, told: bool = True, **tables: pa.Table
) -> list[Sighting]:
    """The cases. ``told``: the system of waybills still tells of other plates."""
    lorries = [lorries] if isinstance(lorries, Lorry) else lorries
    bills = [*bills, waybill("other", "苏F9999", A, C, now - 3 * HOUR)] if told else bills
    known = {
        "transport_trip": followed(lorries, now=now)["transport_trip"],
        "transport_vehicle": vehicles({PLATE: "0" + PHONE, "苏F0002": "13900000002"}),
        "transport_waybill": waybills(bills),
        "approval_site": sites(),
    }
    return evaluate({**known, **tables}, now, ZONE)


def test_the_trip_without_a_waybill_is_found_and_no_other() -> None:
    lorry, bills = week()
    assert found(lorry, bills, clock(6, 0)) == []
    (case,) = found(lorry, [each for each in bills if each["waybill_no"] != "W2"], clock(6, 0))
    assert case.subject.kind == "vehicle" and case.subject.id == PLATE and case.level == 3 and case.score > 0.9
    assert case.start == pytest.approx(clock(2, 8) + 40 * MINUTE, abs=5 * MINUTE)
    assert case.end == pytest.approx(case.start + 36 * MINUTE, abs=5 * MINUTE)
    track, rows = case.evidence
    assert track["type"] == "track" and [each["name"] for each in track["places"]] == ["华东化工", "江海油库"]  # type: ignore[attr-defined]
    points = track["points"]
    assert isinstance(points, list) and len(points) >= 3 and all(load == 3 for *_, load in points[1:])
    assert rows["type"] == "rows" and "W1" in str(rows["rows"])


def test_a_cancelled_waybill_is_none_and_one_that_was_not_started_is_one() -> None:
    lorry, bills = week()
    bills[2]["status"] = "待运"
    assert found(lorry, bills, clock(6, 0)) == []
    bills[2]["status"] = "作废"
    assert [each.subject.id for each in found(lorry, bills, clock(6, 0))] == [PLATE]


def test_nothing_is_raised_before_the_time_for_filing_is_over_nor_long_after() -> None:
    lorry, bills = week(range(14))
    del bills[2]
    assert found(lorry, bills, clock(4, 10)) == []
    assert len(found(lorry, bills, clock(4, 12))) == 1
    assert len(found(lorry, bills, clock(11, 8))) == 1
    assert found(lorry, bills, clock(12, 8)) == []


def test_a_rest_on_the_way_and_a_sensor_that_flickers_are_one_trip() -> None:
    lorry, bills = week(flicker=0.1, rest=True)
    assert found(lorry, bills, clock(6, 0)) == []
    (case,) = found(lorry, bills[:2] + bills[3:], clock(6, 0))
    assert case.end is not None and case.end - case.start > 75 * MINUTE


def test_a_night_at_the_depot_and_a_gap_are_on_the_way() -> None:
    lorry, bills = week(range(3))
    lorry.until(clock(3, 15)).stay(40, 3).drive(C).until(clock(4, 7)).drive(B).stay(40, 0)
    lorry.drive(A).until(clock(6, 8)).stay(40, 3).drive(at(10, 0)).silent(50, at(22, 0)).drive(B).stay(40, 0).drive(A)
    lorry.until(clock(10, 0))
    bills += [waybill("N", PLATE, A, B, clock(3, 16), 16), waybill("G", PLATE, A, B, clock(6, 9), 2)]
    assert found(lorry, bills, clock(10, 0)) == []
    cases = found(lorry, bills[:-2], clock(10, 0))
    assert len(cases) == 2 and cases[1].score < cases[0].score


def test_silence_at_the_gate_hides_neither_end() -> None:
    lorry, bills = week(range(2))
    lorry.until(clock(2, 8)).stay(40, 3).silent(40, at(14, 0)).drive(B).stay(40, 0).drive(A)
    lorry.until(clock(3, 8)).stay(40, 3).drive(at(16, 0)).silent(40, B)
    lorry.load = 0
    lorry.stay(40).drive(A).until(clock(7, 0))
    both = [waybill("S1", PLATE, A, B, clock(2, 9)), waybill("S2", PLATE, A, B, clock(3, 9))]
    assert found(lorry, bills + both, clock(7, 0)) == []
    cases = found(lorry, bills, clock(7, 0))
    assert len(cases) == 2 and all("华东化工驶往江海油库" in each.reasons[0]["zh-CN"] for each in cases)
    long = week(range(2))[0].until(clock(2, 8)).stay(40, 3).silent(2000, at(14, 0)).drive(B).stay(40, 0).drive(A)
    assert found(long.until(clock(7, 0)), bills, clock(7, 0)) == []


def test_planned_times_and_places_that_differ_fit() -> None:
    lorry, bills = week()
    bills[1]["planned_departure"], bills[1]["planned_arrival"] = clock(1, 14), clock(1, 16)  # hours after
    bills[2]["load_lon"], bills[2]["load_lat"] = at(0.9, 0.5)  # of the gate
    bills[3]["unload_lon"], bills[3]["unload_lat"] = at(-30, 8)  # goes elsewhere than planned
    bills[0] |= {"load_lon": 118.8, "load_lat": 32.1, "unload_lon": 118.8, "unload_lat": 32.1}  # the office of both
    bills[4] |= {"plate": "苏F挂01", "trailer_plate": PLATE}
    bills[5] |= {"planned_departure": clock(4, 17), "planned_arrival": clock(4, 18), "loaded_at": clock(5, 8.5)}
    assert found(lorry, bills, clock(6, 12)) == []


def test_a_waybill_covers_one_trip_only() -> None:
    """Three times a day to and fro, with two waybills."""
    lorry, bills = Lorry(PHONE, A), []
    for day in range(5):
        for number, hour in enumerate((6, 10, 14)):
            lorry.until(clock(day, hour)).stay(30, 3)
            if (day, number) != (1, 1):
                bills.append(waybill(f"{day}{number}", PLATE, A, B, clock(day, hour + 1.5)))  # planned too late
            lorry.drive(B).stay(30, 0).drive(A)
    lorry.until(clock(5, 8))
    (case,) = found(lorry, bills, clock(5, 8))
    assert clock(1, 6) <= case.start <= clock(1, 15)
    bills.append(waybill("late", PLATE, A, B, clock(1, 11)))
    assert found(lorry, bills, clock(5, 8)) == []


def test_several_drops_and_loading_where_it_was_emptied() -> None:
    lorry, bills = week(range(2))
    lorry.until(clock(2, 8)).stay(40, 3).drive(C).stay(30, 1).drive(B).stay(30, 0).drive(A)
    lorry.until(clock(3, 8)).stay(40, 3).drive(B).stay(20, 0).stay(20, 3).drive(C).stay(30, 0).drive(A)
    lorry.until(clock(7, 0))
    drops = [waybill("D1", PLATE, A, C, clock(2, 9)), waybill("D2", PLATE, A, B, clock(2, 9), 3)]
    again = [waybill("E1", PLATE, A, B, clock(3, 9)), waybill("E2", PLATE, B, C, clock(3, 11))]
    assert found(lorry, bills + drops + again, clock(7, 0)) == []
    assert found(lorry, bills + drops[1:] + again, clock(7, 0)) == []  # one waybill to the last of them
    (case,) = found(lorry, bills + drops + again[:1], clock(7, 0))
    assert "江海油库驶往通城石化" in case.reasons[0]["zh-CN"]
    (case,) = found(lorry, bills + drops + again[1:], clock(7, 0))
    assert "华东化工驶往江海油库" in case.reasons[0]["zh-CN"]


def test_waste_has_a_manifest() -> None:
    lorry, bills = week(range(3))
    lorry.until(clock(3, 13)).drive(C).stay(40, 3).drive(WASTE).stay(40, 0).drive(A).until(clock(7, 0))
    manifest = {
        "manifest_no": "M1", "plate": PLATE, "producer_uscc": "U2", "producer_site": "通城石化", "receiver_uscc": "U3",
        "shipped_at": clock(3, 14), "received_at": None, "status": "已发运",
    }  # fmt: skip
    assert len(found(lorry, bills, clock(7, 0))) == 1
    assert found(lorry, bills, clock(7, 0), waste_manifest=manifests([manifest])) == []
    firms = pa.table({"firm_id": ["F2", "F3"], "uscc": ["U2", "U3"]})
    renamed = manifest | {"producer_site": "通城石化有限公司"}  # its name is another, its firm has one site
    assert found(lorry, bills, clock(7, 0), waste_manifest=manifests([renamed]), approval_firm=firms) == []
    other = manifests([manifest | {"shipped_at": clock(0, 14)}])
    assert len(found(lorry, bills, clock(7, 0), waste_manifest=other)) == 1


@pytest.mark.parametrize(
    ("begin", "end", "cases"),
    [(JETTY, B, 1), (A, at(14, -13), 0), (at(40, 40), B, 0), (A, at(1.2, 0), 0)],
    ids=["a jetty of waybills", "to nowhere", "from nowhere", "within a site"],
)
def test_both_ends_are_sites(begin: Place, end: Place, cases: int) -> None:
    lorry, bills = week(range(3))
    lorry.until(clock(3, 13)).haul(begin, end).drive(A).until(clock(7, 0))
    bills.append(waybill("J", "苏F0002", JETTY, B, clock(1, 8)))
    assert len(found(lorry, bills, clock(7, 0))) == cases


def test_what_was_not_loaded_needs_no_waybill() -> None:
    lorry, bills = week(range(3))
    for there in (B, C, at(5, 5), WASTE):
        lorry.drive(there).stay(60)
    assert found(lorry.drive(A).until(clock(8, 0)), bills, clock(8, 0)) == []
    for always in (0, 3):  # a sensor that never changes says nothing
        stuck = Lorry("13900000002", A, load=always)
        for day in range(5):
            stuck.until(clock(day, 9)).drive(B).stay(40).drive(A)
        assert found([lorry, stuck.until(clock(8, 0))], bills, clock(8, 0)) == []


def test_a_system_of_waybills_that_is_silent_says_nothing() -> None:
    lorry, bills = week(range(8))
    assert found(lorry, bills[:3], clock(8, 0), told=False) == []  # nothing since the third day
    assert len(found(lorry, bills[:3], clock(8, 0))) == 3
    assert found(lorry, [], clock(8, 0), told=False) == []
    fleet = []
    for number in range(24):  # a day on which most have none
        one = Lorry(f"139000001{number:02d}", A, clock(1, 6) + number * MINUTE)
        fleet.append(one.stay(30, 3).drive(B).stay(30, 0).drive(A).until(clock(2, 0)))
    plates = vehicles({f"苏F1{number:02d}": one.phone for number, one in enumerate(fleet)})
    some = [waybill(f"F{n}", f"苏F1{n:02d}", A, B, clock(1, 7)) for n in range(24)]
    later = waybill("L", "苏F199", A, B, clock(4, 7))
    assert len(found(fleet, [*some[:20], later], clock(5, 0), transport_vehicle=plates)) == 4
    assert found(fleet, [*some[:8], later], clock(5, 0), transport_vehicle=plates) == []


def test_nothing_to_look_at() -> None:
    lorry, bills = week(range(4))
    del bills[0]
    now = clock(4, 0)
    for name in ("transport_trip", "transport_vehicle", "transport_waybill", "approval_site"):
        tables = {
            "transport_trip": followed([lorry])["transport_trip"],
            "transport_vehicle": vehicles({PLATE: PHONE}),
            "transport_waybill": waybills(bills),
            "approval_site": sites(),
        }
        assert len(evaluate(tables, now, ZONE)) == 1
        tables[name] = tables[name].slice(0, 0)
        assert evaluate(tables, now, ZONE) == []
        del tables[name]
        assert evaluate(tables, now, ZONE) == []
    assert set(NoWaybill().inputs) >= {"transport_trip", "waste_manifest"} and PARAMETERS["filing_h"] == 50.0


def test_hauls_of_moves_without_a_known_load() -> None:
    trips = followed([week(range(2))[0]])["transport_trip"]
    nothing = pa.array([0.0] * trips.num_rows)
    for name in ("loaded_s", "half_s", "empty_s"):
        trips = trips.set_column(trips.schema.get_field_index(name), name, nothing)
    assert len(hauls(moves(trips))) == 0 and len(stops(moves(trips)).before) == trips.num_rows - 1
    assert len(hauls(moves(trips.slice(0, 0)))) == 0


@settings(max_examples=80, deadline=None)
@given(data=st.data(), lefts=st.integers(1, 7), rights=st.integers(1, 7))
def test_as_many_pairs_as_there_can_be(data: st.DataObject, lefts: int, rights: int) -> None:
    edges = sorted(data.draw(st.sets(st.tuples(st.integers(0, lefts - 1), st.integers(0, rights - 1)), max_size=20)))
    cost = np.array([data.draw(st.integers(0, 9)) for _ in edges], dtype=np.float64)
    left, right = (np.array([edge[side] for edge in edges], dtype=np.int64) for side in (0, 1))
    of_left, of_right = assigned(left, right, cost, lefts, rights)
    for one, partner in enumerate(of_left.tolist()):
        assert partner < 0 or ((one, partner) in edges and of_right[partner] == one)
    assert (of_left >= 0).sum() == (of_right >= 0).sum() == most(edges, lefts)


def most(edges: list[tuple[int, int]], lefts: int, used: frozenset[int] = frozenset(), one: int = 0) -> int:
    """By trying everything."""
    if one == lefts:
        return 0
    tries = [
        1 + most(edges, lefts, used | {right}, one + 1) for left, right in edges if left == one and right not in used
    ]
    return max([most(edges, lefts, used, one + 1), *tries])


def test_the_cheapest_of_two_is_taken() -> None:
    of_left, _ = assigned(np.array([0, 0]), np.array([0, 1]), np.array([5.0, 1.0]), 1, 2)
    assert of_left.tolist() == [1]
    assert len(Documents.waybills(waybills([]), ["作废"], sites())) == 0

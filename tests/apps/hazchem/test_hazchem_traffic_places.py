"""Places that are no site at which lorries are loaded or emptied, and all that only looks like one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from cityheart.apps.hazchem.detectors.unlicensed_site import UnlicensedSite, evaluate
from cityheart.apps.hazchem.signals.vehicles import Places
from cityheart.sdk import Sighting

from .traffic import (
    JETTY,
    KM,
    LONELY,
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
PLATES = {"苏F0001": "13900000001", "苏F0002": "13900000002"}


def clock(day: float, hour: float = 0) -> datetime:
    return START + timedelta(days=day, hours=hour)


def visits(days: Sequence[float], there: Place = LONELY, minutes: float = 40, load: int = 0, phone: int = 1) -> Lorry:
    """Is loaded at A on some days and goes to a place where its load changes, then to B, and home."""
    lorry = Lorry(f"1390000000{phone}", A, clock(0, 6), seed=phone)
    for day in days:
        lorry.until(clock(day, 8)).stay(40, 3).drive(there).stay(minutes, load).drive(B).stay(30, 0).drive(A)
    return lorry.until(clock(max(days) + 3, 0))


def found(lorries: Lorry | Sequence[Lorry], now: datetime | None = None, **tables: pa.Table) -> list[Sighting]:
    lorries = [lorries] if isinstance(lorries, Lorry) else lorries
    now = now or max(lorry.now for lorry in lorries)
    known = {
        "transport_trip": followed(lorries, now=now)["transport_trip"],
        "transport_vehicle": vehicles(PLATES),
        "transport_waybill": waybills([waybill("W", "苏F0001", JETTY, B, clock(1, 8))]),
        "approval_site": sites(),
    }
    return evaluate({**known, **tables}, now, ZONE)


def off(subject: str, place: Place) -> float:
    """How far a subject is from a place, in metres."""
    lon, lat = map(float, subject.split(","))
    return float(np.hypot((lon - place[0]) * np.cos(np.radians(32)), lat - place[1]) / KM * 1000)


@pytest.mark.parametrize("load", [0, 1])
def test_a_place_where_lorries_are_emptied(load: int) -> None:
    (case,) = found(visits([1, 3], load=load))
    assert case.subject.kind == "place" and off(case.subject.id, LONELY) < 30 and case.level == 2
    assert [len(each.split(".")[1]) for each in case.subject.id.split(",")] == [5, 5]
    # 40 minutes of loading, 23 km at 50 km/h
    assert (
        case.start == pytest.approx(clock(1, 8) + (40 + 60 * 19.1 / 50) * MINUTE, abs=3 * MINUTE) and case.end is None
    )
    rows, *tracks = case.evidence
    assert rows["type"] == "rows" and len(rows["rows"]) == 2 and "苏F0001" in str(rows["rows"])  # type: ignore[arg-type]
    assert len(tracks) == 2 and all(each["type"] == "track" and len(str(each["points"])) > 100 for each in tracks)


def test_its_name_stays_when_more_is_seen_and_more_makes_it_surer() -> None:
    few, many = visits([1, 3]), visits([1, 3, 4, 6, 7, 8])
    other = visits([2, 5], at(14.1, -13.05), phone=2)
    (first,), (later,), (both,) = found(few), found(many), found([many, other])
    assert first.subject.id == later.subject.id and later.score > first.score and both.score > later.score
    assert "2" in both.reasons[0]["en"] and both.start == first.start


def test_it_takes_two_occasions_and_the_time_to_file_a_waybill() -> None:
    once = visits([1])
    assert found(once) == []
    lorry = visits([1, 2])
    assert found(lorry, clock(3, 9)) == []
    assert len(found(lorry, clock(3, 14))) == 1
    breakdown = [visits([1]), visits([1], at(14.05, -13), phone=2)]  # from lorry to lorry
    assert found(breakdown) == []


def test_loaded_there() -> None:
    lorry = Lorry("13900000001", A, clock(0, 6))
    for day in (1, 2, 4):
        lorry.until(clock(day, 9)).drive(LONELY).stay(50, 3).drive(B).stay(40, 0).drive(A)
    (case,) = found(lorry.until(clock(7)))
    assert "3 次" in case.reasons[0]["zh-CN"] and "装货 3 车次" in case.reasons[0]["zh-CN"]


@pytest.mark.parametrize(
    "there", [at(0.3, 0.1), at(30.2, -0.2), at(-12.2, 4.1)], ids=["at a site", "at its gate", "at a place of waybills"]
)
def test_known_places_are_innocent(there: Place) -> None:
    assert found(visits([1, 2, 3, 5], there)) == []


def test_a_place_that_a_late_waybill_names_is_known() -> None:
    lorry = visits([1, 3])
    told = waybills([waybill("X", "苏F0002", at(14.1, -13.1), B, clock(3, 8), status="作废")])
    assert found(lorry, transport_waybill=told) == []


def test_a_waybill_of_the_plate_that_names_a_place_nearby_explains_a_stop() -> None:
    lorry = visits([1, 3])
    vague = at(14.7, -13)  # 700 m from there
    mine = [waybill(f"X{day}", "苏F0001", A, vague, clock(day, 8.5)) for day in (1, 3)]
    assert found(lorry, transport_waybill=waybills(mine)) == []
    others = [each | {"plate": "苏F0002"} for each in mine]
    assert len(found(lorry, transport_waybill=waybills(others))) == 1
    once = [each | {"planned_departure": clock(5), "planned_arrival": clock(5, 2)} for each in mine]
    assert len(found(lorry, transport_waybill=waybills(once))) == 1


def test_stops_at_which_nothing_changes_are_innocent() -> None:
    lorry = Lorry("13900000001", A, clock(0, 6))
    for day in (1, 2, 3, 4):  # a lay-by, loaded, and a repair shop, empty
        lorry.until(clock(day, 8)).stay(40, 3).drive(LONELY).stay(90).drive(B).stay(30, 0).drive(at(5, 14)).stay(
            120
        ).drive(A)
    assert found(lorry.until(clock(7))) == []


@pytest.mark.parametrize("seed", range(3))
def test_a_sensor_that_flickers_while_parked_is_innocent(seed: int) -> None:
    lorry = Lorry("13900000001", A, clock(0, 6), seed=seed)
    for day in (1, 2, 3, 4):
        lorry.until(clock(day, 8)).stay(40, 3).drive(LONELY)
        for _ in range(8):
            lorry.stay(4, lorry.dice.choice([0, 1, 3]))
        lorry.load = 3
        lorry.drive(B, flicker=0.1).stay(30, 0).drive(LONELY, flicker=0.1).stay(30).drive(A)
    assert found(lorry.until(clock(7))) == []


def test_a_vehicle_that_was_not_heard_of_did_not_stop() -> None:
    lorry = Lorry("13900000001", A, clock(0, 6))
    for day in (1, 2, 3):
        lorry.until(clock(day, 8)).stay(40, 3).drive(LONELY).silent(120, at(20, -6))
        lorry.load = 0
        lorry.drive(B).stay(40).drive(A)
    assert found(lorry.until(clock(6))) == []


def test_waste_of_a_producer_that_is_not_registered_has_a_manifest() -> None:
    lorry = Lorry("13900000001", A, clock(0, 6))
    told = []
    for day in (1, 2, 4):
        lorry.until(clock(day, 9)).drive(LONELY).stay(50, 3)
        told.append(
            {"manifest_no": f"M{day}", "plate": "苏F0001", "shipped_at": lorry.now + 200 * MINUTE, "received_at": None}
        )
        lorry.drive(WASTE).stay(40, 0).drive(A)
    lorry.until(clock(7))
    assert len(found(lorry)) == 1
    assert found(lorry, waste_manifest=manifests(told)) == []
    others = manifests([each | {"plate": "苏F0002"} for each in told])
    assert len(found(lorry, waste_manifest=others)) == 1


def test_two_places_and_a_chain_of_stops() -> None:
    apart = [visits([1, 3]), visits([1, 3], at(14, -14), phone=2)]
    assert len(found(apart)) == 2
    near = [visits([1, 3]), visits([1.3, 3.3], at(14.15, -13), phone=2)]
    assert len(found(near)) == 1


def test_nothing_to_look_at() -> None:
    lorry = visits([1, 3])
    known = {
        "transport_trip": followed([lorry])["transport_trip"],
        "transport_vehicle": vehicles(PLATES),
        "transport_waybill": waybills([waybill("W", "苏F0001", A, B, clock(1, 8))]),
        "approval_site": sites(),
        "waste_manifest": manifests([{"manifest_no": "M", "plate": None, "shipped_at": START, "received_at": None}]),
    }
    assert len(evaluate(known, lorry.now, ZONE)) == 1
    for name, cases in zip(known, (0, 1, 1, 0, 1), strict=True):
        assert len(evaluate({**known, name: known[name].slice(0, 0)}, lorry.now, ZONE)) == cases
        assert len(evaluate({key: each for key, each in known.items() if key != name}, lorry.now, ZONE)) == cases
    early = followed([lorry], now=clock(1, 12))["transport_trip"]
    assert evaluate({**known, "transport_trip": early}, clock(1, 12), ZONE) == []
    assert "transport_trip" in UnlicensedSite().inputs


def test_places_with_and_without_a_boundary() -> None:
    square = "POLYGON((121.0 32.0, 121.01 32.0, 121.01 32.01, 121.0 32.01, 121.0 32.0))"
    places = Places(["a", "b", "c", "d"], np.array([121.0, 121.1, np.nan, 121.2]), np.array([32.0, 32.0, 32.0, 32.0]),
                    [square, None, None, "POLYGON((0 0, 1 1, 1 0, 0 1, 0 0))"])  # fmt: skip
    assert places.names == ["a", "b", "d"] and places.drawn.tolist() == [True, False, False]
    lon, lat = np.array([121.005, 121.02, 121.1, np.nan, 0.0]), np.array([32.005, 32.005, 32.001, 32.0, 0.0])
    place, far = places.nearest(lon, lat, 1000.0)
    assert place.tolist() == [0, 0, 1, -1, -1]
    assert far[:3] == pytest.approx([0, 944, 111], abs=3) and np.isinf(far[3:]).all()
    none = Places([], np.empty(0), np.empty(0))
    assert none.nearest(lon, lat, 1000.0)[0].tolist() == [-1] * 5

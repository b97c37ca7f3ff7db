"""Sites that produce under an order, and everything that only looks like it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from cityheart.apps.hazchem.detectors import suspended_producing as detector
from cityheart.apps.hazchem.signals import activity, orders, power
from cityheart.kernel.limits import EVIDENCE_BYTES
from tests.apps.hazchem.orders import DAY, FLAT, STILL, ZONE, Scene, day, local, shifts, table

BEFORE, AFTER = range(14), range(14, 24)
POINTS = [f"p{point:02d}" for point in range(96)]
MOMENTS = {
    "power_load": "day",
    "hazchem_emission_hour": "hour",
    "hazchem_tank_hour": "hour",
    "transport_visit": "since",
}
THIRD = [80 + 140 * (6 <= hour < 22) for hour in range(24)]
REPAIR = [80 + 130 * (8 <= hour < 17) for hour in range(24)]


def full(scene: Scene, site: str, days: range, hours: Sequence[float] = DAY) -> None:
    """A site at work as ever."""
    scene.power(site, hours, days)
    scene.emission(site, 10, 50, days)
    scene.tank(site, 2, 2, days)
    scene.lorries(site, 2, 2, days)


def still(scene: Scene, site: str, days: range = AFTER, hours: Sequence[float] = STILL) -> None:
    """A site that stands still."""
    scene.power(site, hours, days)
    scene.emission(site, 0.3, 4, days)
    scene.tank(site, 0, 0, days)


def found(scene: Scene, number: int = 24) -> dict[str, detector.Case]:
    """The cases at seven in the morning of a day, of what could be known then."""
    now = local(day(number), 7)
    tables = {}
    for name, rows in scene.tables().items():
        column, late = MOMENTS.get(name), timedelta(hours=7 if name == "power_load" else -6)
        tables[name] = rows.filter(pc.less(rows[column], pa.scalar(now - late, rows[column].type))) if column else rows
    return {case.order.site: case for case in detector.evaluate(tables, now, ZONE).cases}


def under_order(kind: Sequence[float] = DAY, number: float = 14, **order: object) -> Scene:
    """A scene of one site S that has worked for two weeks and is then ordered to stop."""
    scene = Scene(24)
    scene.site("S")
    full(scene, "S", BEFORE, kind)
    scene.order("S", number, **order)  # type: ignore[arg-type]
    return scene


def at_night(scene: Scene) -> None:
    scene.power("S", shifts(22, 6, 400), AFTER)
    scene.emission("S", 4, 45, AFTER)
    scene.tank("S", 0.8, 0.8, AFTER)
    scene.lorries("S", 1, 1, AFTER, night=True)


def a_third(scene: Scene) -> None:
    scene.power("S", THIRD, AFTER)
    scene.emission("S", 3.3, 40, AFTER)
    scene.tank("S", 0.7, 0.7, AFTER)


def some_days(scene: Scene) -> None:
    for number in AFTER:
        (full if number % 3 == 0 else still)(scene, "S", range(number, number + 1))


def without_power(scene: Scene) -> None:
    scene.rows.pop("power_load")
    scene.emission("S", 9, 50, AFTER)
    scene.tank("S", 1.8, 1.8, AFTER)


def without_sensors(scene: Scene) -> None:
    for name in ("hazchem_emission_hour", "emission_outlet", "hazchem_tank_hour", "hazard_tank", "transport_visit"):
        scene.rows.pop(name)
    scene.power("S", DAY, AFTER)


def other_meter(scene: Scene) -> None:
    """The meter shows a neighbour that stands, the plant works on."""
    full(scene, "S", AFTER)
    scene.rows["power_load"] = scene.rows["power_load"][:14]
    scene.power("S", [value / 3 for value in STILL], AFTER)


@pytest.mark.parametrize(
    "work", [lambda s: full(s, "S", AFTER), at_night, a_third, some_days, without_power, without_sensors, other_meter]
)
def test_production_is_found(work: Callable[[Scene], None]) -> None:
    scene = under_order()
    work(scene)
    cases = found(scene)
    assert set(cases) == {"S"}
    case = cases["S"]
    assert case.chance >= 0.72 and case.times.end is None
    assert case.times.start == local(day(14))


def test_a_plant_that_runs_round_the_clock_is_found() -> None:
    scene = under_order(FLAT)
    full(scene, "S", AFTER, FLAT)
    assert set(found(scene)) == {"S"}


def test_nothing_is_said_while_a_plant_winds_down() -> None:
    scene = under_order(FLAT)
    full(scene, "S", AFTER, FLAT)
    assert not found(scene, 14) and not found(scene, 15)
    assert set(found(scene, 17)) == {"S"}


def test_winding_down_for_a_day_and_a_half_is_innocent() -> None:
    scene = under_order(FLAT)
    full(scene, "S", range(14, 15), FLAT)
    scene.power("S", [600.0] * 12 + [140.0] * 12, range(15, 16))
    still(scene, "S", range(16, 24), [140.0] * 24)
    assert all(not found(scene, number) for number in (15, 16, 17, 18, 24))


def emptied(scene: Scene) -> None:
    scene.power("S", STILL, AFTER)
    scene.emission("S", 0.3, 4, AFTER)
    scene.tank("S", 0, 1.3, AFTER)
    scene.lorries("S", 0, 4, AFTER)


def treated(scene: Scene) -> None:
    """Fans and water treatment run on, with little in what they let out."""
    scene.power("S", [120.0] * 24, AFTER)
    scene.emission("S", 9, 5, AFTER)
    scene.tank("S", 0, 0, AFTER)


@pytest.mark.parametrize(
    "stand",
    [
        lambda s: still(s, "S"),
        lambda s: still(s, "S", hours=REPAIR),
        lambda s: still(s, "S", hours=[190.0] * 24),
        emptied,
        treated,
    ],
)
def test_standing_still_is_innocent(stand: Callable[[Scene], None]) -> None:
    scene = under_order()
    stand(scene)
    assert all(not found(scene, number) for number in range(15, 25, 3))


@pytest.mark.parametrize(
    ("kind", "scope"),
    [
        ("限期整改", "限期整改，整改期间采取安全措施"),
        ("停产停业整顿", "合成工段停产"),
        ("停产停业整顿", "3号储罐停止使用"),
        ("暂扣许可证", "甲类车间"),
    ],
)
def test_orders_that_leave_the_site_at_work(kind: str, scope: str) -> None:
    scene = under_order(kind=DAY)
    scene.rows["enforcement_order"][0] |= {"kind": kind, "scope": scope}
    full(scene, "S", AFTER)
    assert not found(scene)


@pytest.mark.parametrize("end", ["inspection", "lifted_at", "effective_to"])
def test_an_order_that_is_over_is_innocent(end: str) -> None:
    scene = under_order()
    still(scene, "S", range(14, 18))
    full(scene, "S", range(18, 24))
    if end == "inspection":
        scene.inspection("S", 17.6)
    else:
        scene.rows["enforcement_order"][0][end] = local(day(18))
    assert not found(scene)
    scene.rows["enforcement_order"][0] |= {"lifted_at": None, "effective_to": None}
    scene.rows.pop("enforcement_inspection", None)
    assert set(found(scene)) == {"S"}


def test_an_inspection_that_is_entered_late_raises_nothing_in_the_meantime() -> None:
    scene = under_order()
    still(scene, "S", range(14, 18))
    full(scene, "S", range(18, 24))
    assert all(not found(scene, number) for number in (18, 19))
    assert set(found(scene, 20)) == {"S"}
    scene.inspection("S", 17.6)
    assert not found(scene, 20)


def test_a_failed_inspection_ends_no_order() -> None:
    scene = under_order()
    full(scene, "S", AFTER)
    scene.inspection("S", 17, "整改")
    assert set(found(scene)) == {"S"}


def test_an_order_for_a_firm_holds_for_its_sites() -> None:
    scene = Scene(24)
    for site in ("A", "B"):
        scene.site(site, firm="F")
        full(scene, site, range(24))
    scene.order(None, 14)
    scene.rows["enforcement_order"][0]["firm_id"] = "F"
    for row in scene.rows["power_load"]:
        row["uscc"] = "UF"
    assert set(found(scene)) == {"A", "B"}


def test_a_case_that_stopped_has_an_end() -> None:
    scene = under_order()
    full(scene, "S", range(14, 18))
    still(scene, "S", range(18, 24))
    assert found(scene, 18)["S"].times.end is None
    assert found(scene)["S"].times.end == local(day(18))
    assert not found(scene, 27)  # shown for a week


def test_tanks_that_empty_without_lorries_are_at_work() -> None:
    scene = under_order()
    scene.rows.pop("power_load")
    scene.emission("S", 5, 40, AFTER)
    scene.tank("S", 0, 2, AFTER)
    assert found(scene)["S"].odds["tank"] > 1


def test_production_that_began_again_later_starts_then() -> None:
    scene = under_order()
    still(scene, "S", range(14, 20))
    full(scene, "S", range(20, 24))
    assert found(scene)["S"].times.start == local(day(20))


def test_an_order_may_be_lifted_and_nobody_have_entered_it() -> None:
    again, on = under_order(), under_order()
    still(again, "S", range(14, 20))
    full(again, "S", range(20, 24))
    full(on, "S", AFTER)
    for scene, perhaps in ((again, True), (on, False)):
        judged = detector.evaluate(scene.tables(), scene.now, ZONE)
        (case,) = judged.cases
        told = detector.sighting(case, judged, {"S": "某厂"}, scene.now, ZONE)
        assert (told.score < case.chance) is perhaps
        assert any("核实是否已经解除" in reason["zh-CN"] for reason in told.reasons) is perhaps


def test_a_shared_meter_proves_nothing() -> None:
    scene = Scene(24)
    scene.site("S", lon=121.0)
    scene.site("N", lon=121.004)
    for number in range(8):
        scene.site(f"P{number}", lon=122 + number)
        scene.power(f"P{number}", DAY)
    together = [one + other for one, other in zip(STILL, FLAT, strict=True)]
    scene.power("S", [one + other for one, other in zip(DAY, FLAT, strict=True)], BEFORE)
    scene.power("S", together, AFTER)
    scene.lorries("S", 2, 2, BEFORE)
    scene.lorries("N", 2, 2)
    scene.order("S", 14)
    assert not found(scene)


def test_swapped_meters_prove_nothing() -> None:
    scene = Scene(24)
    scene.site("S", lon=121.0)
    scene.site("N", lon=121.01)
    scene.power("S", DAY)
    scene.power("N", DAY, BEFORE)
    scene.power("N", STILL, AFTER)
    scene.lorries("S", 2, 2, BEFORE)
    scene.lorries("N", 2, 2)
    scene.order("S", 14)
    assert not found(scene)
    full(
        scene, "S", AFTER
    )  # its own tanks and flue gas say otherwise; without a past they stand beside the design only
    assert "S" in found(scene)


def test_an_order_older_than_the_data() -> None:
    scene = Scene(24)
    for site in ("W", "Q", *(f"P{number}" for number in range(6))):
        scene.site(site, lon=121 + 0.1 * len(site) + 0.01 * ord(site[-1]))
        if site != "Q":
            full(scene, site, range(24))
    still(scene, "Q", range(24))
    for site in ("W", "Q"):
        scene.order(site, -30)
    assert set(found(scene)) == {"W"}


def test_days_that_are_missing_and_holes_change_nothing() -> None:
    scene = under_order()
    full(scene, "S", AFTER)
    rows = scene.rows["power_load"]
    for number, row in enumerate(rows):
        row[f"p{number % 90:02d}"] = None
        row[f"p{number % 90 + 1:02d}"] = None
    del rows[5], rows[16]
    assert set(found(scene)) == {"S"}


def test_solar_power_at_noon_does_not_hide_production() -> None:
    scene = under_order()
    bright = [max(value - 500 * (10 <= hour < 15), 0) for hour, value in enumerate(DAY)]
    scene.power("S", bright, AFTER)
    scene.emission("S", 10, 50, AFTER)
    assert set(found(scene)) == {"S"}


@pytest.mark.parametrize("missing", [*activity.INPUTS, *orders.INPUTS])
def test_a_system_that_is_missing_or_empty(missing: str) -> None:
    scene = under_order()
    full(scene, "S", AFTER)
    scene.inspection("S", 2)
    tables = scene.tables()
    for name in ("transport_waybill",):
        tables[name] = table(name, [])
    tables[missing] = tables[missing].slice(0, 0)
    detector.evaluate(tables, scene.now, ZONE)
    del tables[missing]
    detector.evaluate(tables, scene.now, ZONE)


def test_a_city_of_one_day_and_an_empty_one() -> None:
    assert not detector.evaluate({}, local(day(1)), ZONE).cases
    scene = Scene(1)
    scene.site("S")
    full(scene, "S", range(1))
    scene.order("S", 0)
    assert not detector.evaluate(scene.tables(), scene.now, ZONE).cases


def test_what_people_are_shown() -> None:
    scene = under_order()
    at_night(scene)
    now = scene.now
    judged = detector.evaluate(scene.tables(), now, ZONE)
    (case,) = judged.cases
    said = detector.reasons(case, judged, now, ZONE)
    assert all(set(each) == {"zh-CN", "en"} for each in said)
    assert any("night" in each["en"] for each in said)
    assert {each["en"].split(":")[0] for each in said[1:]} == {"Power", "Ecology", "Emergency", "Transport"}
    shown = detector.evidence(case, judged, now, ZONE)
    assert len(json.dumps(shown)) < EVIDENCE_BYTES
    series, rows = shown
    lines = series["series"]
    assert isinstance(lines, list) and all(len(each["points"]) <= 500 for each in lines)
    peak = max(value for _, value in lines[0]["points"] if value is not None)
    assert series["unit"] == "%" and peak < 140  # never kW
    cells = rows["rows"]
    assert isinstance(cells, list) and cells[0][0] > cells[-1][0]


def test_loads_of_meters_without_a_site_and_several_meters() -> None:
    scene = Scene(3)
    scene.site("A", firm="F")
    scene.site("B", firm="F", lon=121.1)
    scene.power("A", FLAT, meter="M1", firm="F")
    scene.power("A", FLAT, meter="M2", firm="F")
    scene.power("B", DAY, meter="M3", firm="F", where="-")
    tables = scene.tables()
    days = np.arange(np.datetime64(day(0)), np.datetime64(day(3)))
    made = power.loads(tables["power_load"], tables["approval_site"], tables["approval_firm"], days, ZONE)
    assert np.nanmean(made.load[0]) == pytest.approx(1200, rel=0.05)
    assert np.nanmean(made.load[1]) == pytest.approx(np.mean(DAY), rel=0.05)
    assert made.metered.all() and not made.shared.any()


@pytest.mark.parametrize("length", [1, 4, 5])
def test_holes_of_an_hour_are_filled(length: int) -> None:
    scene = Scene(2)
    scene.site("A")
    scene.power("A", FLAT)
    for number, row in enumerate(scene.rows["power_load"]):
        for point in range(length):
            row[f"p{(94 + point) % 96:02d}"] = (
                None if (94 + point < 96) == (number == 0) else row[f"p{(94 + point) % 96:02d}"]
            )
    tables = scene.tables()
    days = np.arange(np.datetime64(day(0)), np.datetime64(day(2)))
    made = power.loads(tables["power_load"], tables["approval_site"], tables["approval_firm"], days, ZONE)
    assert np.isnan(made.load).sum() == (0 if length <= 4 else length)


def test_activity_by_site_and_day() -> None:
    scene = under_order()
    still(scene, "S")
    rows = activity.activity(scene.tables(), scene.now, ZONE)
    assert rows.schema == activity.OUTPUT
    by_day = {row["day"]: row["running"] for row in rows.to_pylist()}
    assert min(by_day[day(number)] for number in BEFORE) > 0.9
    assert max(by_day[day(number)] for number in range(17, 24)) < 0.1
    assert activity.activity({}, scene.now, ZONE).num_rows == 0


def test_a_site_that_always_stood_still_is_not_running() -> None:
    scene = Scene(24)
    for number in range(8):
        scene.site(f"P{number}")
        scene.power(f"P{number}", FLAT)
    scene.site("S")
    scene.power("S", [40.0] * 24)
    rows = activity.activity(scene.tables(), scene.now, ZONE).filter(pc.field("site_id") == "S")
    assert max(rows["running"].to_pylist()) <= 0.5


@pytest.mark.parametrize(
    ("kind", "scope", "whole"),
    [
        ("停产停业整顿", "全厂停产停业", True),
        ("停产停业整顿", "停产停业整顿,未经复查同意不得恢复生产", True),
        ("吊销", "立即停止一切生产经营活动", True),
        ("暂扣许可证", "停止全部危险化学品生产装置", True),
        ("停产停业整顿", "停止2#罐区作业", False),
        ("停产停业整顿", "Ａ号反应釜停用", False),
        ("停产停业整顿", "", True),
        ("限期整改", "全厂", False),
        ("别的", "全厂", False),
    ],
)
def test_what_stops_a_whole_site(kind: str, scope: str, whole: bool) -> None:
    assert orders.stops_all(kind, scope) is whole


def test_an_order_for_one_of_several_sites_named_in_its_scope() -> None:
    scene = Scene(1)
    scene.site("A", firm="F")
    scene.site("B", firm="F")
    scene.rows["approval_site"][1]["name"] = "某某化工二厂区"
    scene.order(None, 0, scope="二厂区停产停业整顿", firm_id="F")
    scene.order(None, 0.1, scope="全厂停产", firm_id="X")
    empty = table("enforcement_inspection", [])
    held = orders.in_force(scene.tables()["enforcement_order"], empty, scene.tables()["approval_site"], scene.now)
    assert [each.site for each in held] == ["B"]


def test_orders_that_overlap_are_one() -> None:
    scene = Scene(30)
    scene.site("A")
    scene.order("A", 0, effective_to=local(day(5)))
    scene.order("A", 4, kind="吊销")
    scene.order("A", 40)
    empty = table("enforcement_inspection", [])
    (one,) = orders.in_force(scene.tables()["enforcement_order"], empty, scene.tables()["approval_site"], scene.now)
    assert (one.order, one.since, one.until) == ("O0", local(day(0)), None)


@pytest.mark.parametrize("name", [*activity.INPUTS, *orders.INPUTS])
def test_rows_that_hold_nothing(name: str) -> None:
    scene = under_order()
    full(scene, "S", AFTER)
    scene.inspection("S", 2)
    scene.add(
        "transport_waybill",
        waybill_no="W1",
        load_site="S厂",
        unload_site="X",
        planned_departure=local(day(16)),
        status="完成",
    )
    tables = scene.tables()
    for column in tables[name].column_names:
        if column in ("site_id", "meter_id", "tank_id", "mn", "order_id", "firm_id") or column in POINTS[1:]:
            continue
        nothing = pa.nulls(tables[name].num_rows, tables[name].schema.field(column).type)
        broken = tables[name].set_column(tables[name].column_names.index(column), column, nothing)
        detector.evaluate({**tables, name: broken}, scene.now, ZONE)


def test_waybills_count_as_lorries_do() -> None:
    scene = under_order()
    scene.rows.pop("transport_visit")
    scene.power("S", [260.0] * 24, AFTER)
    for number in range(24):
        for index in range(2):
            at = local(day(number), 10 + index)
            trip = {"planned_departure": at - timedelta(hours=3), "planned_arrival": at, "unloaded_at": at}
            scene.add(
                "transport_waybill",
                waybill_no=f"W{number}-{index}",
                load_site="X",
                unload_site="S厂",
                status="完成",
                **trip,
            )
    case = found(scene)["S"]
    assert case.odds["traffic"] > 1.5
    for row in scene.rows["transport_waybill"]:
        row["status"] = "作废"
    assert not found(scene)


@pytest.mark.parametrize("flow", [0.2, 8.0])
def test_waste_water_counts_less_than_flue_gas(flow: float) -> None:
    scene = Scene(24)
    scene.site("S")
    scene.power("S", DAY, BEFORE)
    scene.power("S", DAY if flow > 1 else STILL, AFTER)
    scene.emission("S", 10, 50, BEFORE, kind="废水")
    scene.emission("S", flow, 50, AFTER, kind="废水")
    scene.order("S", 14)
    cases = found(scene)
    assert bool(cases) is (flow > 1)
    assert all(0 < case.odds["waste_water"] < 1.6 and np.isnan(case.odds["emission"]) for case in cases.values())


def test_an_outlet_that_says_it_is_stopped_lets_out_nothing() -> None:
    scene = under_order()
    full(scene, "S", AFTER)
    for row in scene.rows["hazchem_emission_hour"]:
        if row["hour"] >= local(day(14)):  # type: ignore[operator]
            row |= {"mean": None, "n_minutes": 0, "flags": '{"F": 60}'}
    seen = detector.evaluate(scene.tables(), scene.now, ZONE).activity.emission[0]
    assert np.nanmax(seen[-8:]) == 0
    for row in scene.rows["hazchem_emission_hour"]:
        row["flags"] = '{"D": 60}'
    seen = detector.evaluate(scene.tables(), scene.now, ZONE).activity.emission[0]
    assert np.isnan(seen[-8:]).all()


@dataclass(frozen=True)
class Seen:
    """What is known at an instant."""

    now: datetime
    tables: dict[str, pa.Table]
    zone: ZoneInfo = ZONE

    def rows(self, dataset: str) -> pa.Table:
        return self.tables.get(dataset, table(dataset, []))

    def file(self, name: str) -> bytes | None:
        return None


def test_the_survey_gives_sightings() -> None:
    (survey,) = detector.detectors()
    scene = under_order()
    full(scene, "S", AFTER)
    tables = {}
    for name, given in survey.inputs.items():
        rows = scene.tables().get(name, table(name, []))
        assert set(given.columns) <= set(rows.column_names) or name == "transport_visit"
        tables[name] = rows
    (seen,) = survey.look(Seen(scene.now, tables))
    assert (seen.subject.kind, seen.subject.id, seen.level, seen.case) == ("site", "S", 2, "O0")
    assert seen.subject.name["en"] == "S厂" and seen.start == local(day(14)) and seen.end is None
    assert (survey.id, survey.kind) == ("hazchem.suspended_producing", "suspended_producing")
    morning = local(day(3), 6.5)
    assert (morning - survey.phase - datetime(1970, 1, 1, tzinfo=UTC)) % survey.every == timedelta(0)
    assert survey.look(Seen(local(day(3)), {})) == []

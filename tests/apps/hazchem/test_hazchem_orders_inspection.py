"""The risk of sites with its parts, the list that comes of it, and whether the list is any good."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cityheart.apps.hazchem import inspection, risk
from cityheart.apps.hazchem.names import title
from cityheart.apps.hazchem.risk import Books
from cityheart.kernel.errors import TooLarge
from cityheart.sdk import text
from tests.apps.hazchem.orders import ZONE, Scene, day, local

NOW = local(day(30), 7)
TODAY = day(30)
RULES: Mapping[str, Any] = {**inspection.rules(), "capacity": 5, "random": 0.2}


def city(count: int = 40, areas: int = 2) -> Scene:
    """Sites whose risk differs by the people that live near."""
    scene = Scene(1)
    for number in range(count):
        scene.site(f"S{number:03d}")
        scene.rows["approval_site"][-1] |= {
            "residents_500m": number * 5,
            "district_code": f"32061{number % areas}",
        }
    scene.inspection("S000", -400)
    return scene


def books(scene: Scene, alerts: list[dict[str, object]] | None = None) -> Books:
    return risk.books(scene.tables(), NOW, ZONE, alerts or [])


def parts(known: Books, site: str) -> dict[str, float]:
    (found,) = [one for one in risk.assess(known, NOW) if one.site == site]
    assert found.score == min(sum(part.points for part in found.parts), 100)
    assert all(set(part.reason) == {"zh-CN", "en"} for part in found.parts)
    return {part.id: part.points for part in found.parts}


def test_every_part_of_the_score() -> None:
    scene = city(3)
    scene.rows["approval_site"][1]["residents_500m"] = 30
    scene.order("S001", 25)
    scene.order("S001", 20, kind="限期整改", effective_to=local(day(60)))
    scene.inspection("S001", -200, "立案")
    licence = {
        "firm_id": "FS001",
        "site_id": "S001",
        "kind": "安全生产许可证",
        "status": "有效",
        "updated_at": local(day(0)),
    }
    scene.add("approval_licence", licence_no="L1", valid_from=date(2020, 1, 1), valid_to=day(10), **licence)
    scene.add("hazard_tank", tank_id="T", site_id="S001", cas="67-56-1", chemical="甲醇", capacity_t=40_000.0, height_m=10.0,
              alarm_level_m=8.0, alarm_temperature_c=60.0, alarm_pressure_kpa=200.0)  # fmt: skip
    scene.add("hazchem_tank_hour", tank_id="T", site_id="S001", hour=NOW - timedelta(hours=2), level_median_m=7.9,
              level_last_m=7.9, temperature_median_c=20.0, good=60)  # fmt: skip
    scene.add(
        "waste_manifest", manifest_no="W", producer_uscc="UFS001", producer_site="S001厂", shipped_at=local(day(2))
    )
    alert: dict[str, object] = {
        "subject": {"kind": "site", "id": "S001"},
        "state": "raised",
        "level": 2,
        "kind_title": text("甲", "A"),
        "raised_at": NOW,
    }
    found = parts(books(scene, [alert]), "S001")
    assert found == {
        "grade": found["grade"],
        "residents": 4,
        "licence": 14,
        "stopped": 12,
        "deadline": 6,
        "result": 10,
        "age": 3,
        "alerts": 16,
        "tanks": 10,
        "waste": 2,
    }
    assert found["grade"] > 0


def test_a_renewed_licence_and_one_entered_late_are_innocent() -> None:
    scene = city(2)
    licence = {
        "firm_id": "FS001",
        "site_id": None,
        "kind": "安全生产许可证",
        "status": "有效",
        "updated_at": local(day(0)),
    }
    scene.add("approval_licence", licence_no="L1", valid_from=date(2020, 1, 1), valid_to=day(26), **licence)
    assert parts(books(scene), "S001").get("licence") == 4  # ended four days ago: perhaps a renewal is on its way
    scene.add("approval_licence", licence_no="L2", valid_from=day(27), valid_to=date(2029, 1, 1), **licence)
    assert "licence" not in parts(books(scene), "S001")


@pytest.mark.parametrize("missing", list(risk.INPUTS))
def test_what_is_missing_gives_no_part_and_is_named(missing: str) -> None:
    scene = city(3)
    scene.order("S001", 25)
    tables = {**scene.tables()}
    tables.pop(missing, None)
    known = risk.books(tables, NOW, ZONE)
    assert missing in known.missing
    risk.assess(known, NOW)
    empty = risk.books({name: rows.slice(0, 0) for name, rows in scene.tables().items()}, NOW, ZONE)
    assert risk.assess(empty, NOW) == []


def test_peers_are_sites_of_the_same_kind() -> None:
    known = books(city(21))
    placed = {one.site: one.peers for one in risk.assess(known, NOW)}
    assert placed["S020"] is not None and placed["S020"] > 0.6
    assert min(value for value in placed.values() if value is not None) == 0


def test_the_list_of_a_day() -> None:
    known = books(city())
    picks = inspection.listed(known, TODAY, (), RULES)
    for area in ("320610", "320611"):
        mine = [pick for pick in picks if pick.area == area]
        assert [pick.how for pick in mine] == ["ranked"] * 4 + ["lot"]
        scores = [pick.risk.score for pick in mine if pick.how == "ranked"]
        rest = [one.score for one in risk.assess(known, NOW) if one.site not in {pick.site for pick in mine}]
        assert scores == sorted(scores, reverse=True) and min(scores) >= sorted(rest)[len(rest) // 2]
    assert picks == inspection.listed(known, TODAY, (), RULES)
    lots = {
        pick.site
        for back in range(20)
        for pick in inspection.listed(known, TODAY - timedelta(days=back), (), RULES)
        if pick.how == "lot"
    }
    assert len(lots) > 10  # another day, another lot


@given(capacity=st.integers(1, 60), share=st.floats(0, 1), count=st.integers(0, 12))
def test_a_list_never_holds_more_than_there_is_room_for(capacity: int, share: float, count: int) -> None:
    known = books(city(count))
    picks = inspection.listed(known, TODAY, (), {**RULES, "capacity": capacity, "random": share})
    assert len({pick.site for pick in picks}) == len(picks)
    for area in ("320610", "320611"):
        mine = [pick for pick in picks if pick.area == area]
        there = len([name for name, row in known.sites.items() if row["district_code"] == area])
        assert len(mine) == min(capacity, there)


def test_capacity_of_an_area_and_sites_inspected_lately() -> None:
    scene = city()
    scene.inspection("S038", 25)
    scene.inspection("S039", 0)
    picks = inspection.listed(books(scene), TODAY, (), {**RULES, "areas": {"320611": 1}, "random": 0})
    assert len([pick for pick in picks if pick.area == "320611"]) == 1
    assert "S038" not in {pick.site for pick in picks}
    urgent = inspection.listed(books(scene), TODAY, (), {**RULES, "capacity": 40, "random": 0, "urgent": 0})
    assert "S038" in {pick.site for pick in urgent}


def test_areas_change_in_time() -> None:
    square = {"type": "Polygon", "coordinates": [[[120, 31], [122, 31], [122, 33], [120, 33], [120, 31]]]}
    versions = [("320610", "2000-01-01", "2026-03-20"), ("320699", "2026-03-20", None)]
    features = [
        {
            "type": "Feature",
            "geometry": square,
            "properties": {"code": code, "name": "区", "kind": "district", "valid_from": since, "valid_to": until},
        }
        for code, since, until in versions
    ]
    features.append(
        {"type": "Feature", "geometry": square, "properties": {"code": "320671", "name": "开发区", "kind": "zone"}}
    )
    found = inspection.areas(json.dumps({"features": features}).encode())
    known = books(city(4, areas=1))
    assert set(inspection.placed(known, found, date(2026, 3, 19)).values()) == {"320610"}
    assert set(inspection.placed(known, found, date(2026, 3, 20)).values()) == {"320699"}
    assert inspection.areas(None) == []


def judged(scene: Scene, results: Mapping[str, str]) -> tuple[list[inspection.Pick], Books]:
    """The list of ten days ago, at whose sites inspectors came two days later with results by how the site was chosen."""
    picks = inspection.listed(books(scene), day(20), (), RULES)
    for pick in picks:
        scene.inspection(pick.site, 22, results[pick.how])
    return picks, books(scene)


def test_what_came_of_a_list() -> None:
    scene = city()
    picks, known = judged(scene, {"ranked": "立案", "lot": "合格"})
    again = [replace(pick, day=day(21)) for pick in picks]
    results = inspection.outcomes([*picks, *again], known, NOW, RULES)
    first = [one for one in results if one.pick.day == day(20)]
    assert {one.result for one in first} == {"立案", "合格"}
    assert all(one.result is None for one in results if one.pick.day == day(21))  # an inspection counts once
    ranked = inspection.rate([one for one in first if one.pick.how == "ranked"], RULES)
    lot = inspection.rate([one for one in first if one.pick.how == "lot"], RULES)
    assert (ranked.found, ranked.inspected, lot.found, lot.inspected) == (8, 8, 0, 2)
    assert ranked.low is not None and lot.high is not None and ranked.low > 0.6 and lot.high < 0.7
    late = inspection.outcomes([replace(picks[0], day=day(29), site="none")], known, NOW, RULES)
    assert late == []  # its time is not over


def test_what_was_missed() -> None:
    scene = city()
    picks, known = judged(scene, {"ranked": "合格", "lot": "合格"})
    free = next(name for name in known.sites if name not in {pick.site for pick in picks})
    scene.inspection(free, 23, "整改")
    scene.inspection(free, 24, "合格")
    scene.inspection("elsewhere", 24, "整改")
    assert inspection.missed(picks, books(scene), local(day(19)), NOW, RULES) == [free]


@pytest.mark.parametrize(
    ("found", "of", "low", "high"),
    [(0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (10, 10, 0.7225, 1.0), (0, 0, 0.0, 1.0)],
)
def test_wilsons_interval(found: int, of: int, low: float, high: float) -> None:
    assert inspection.wilson(found, of) == pytest.approx((low, high), abs=1e-4)


class Person:
    """A reader who may see some datasets of a scene."""

    zone = ZONE

    def __init__(self, scene: Scene, closed: frozenset[str] = frozenset()) -> None:
        self.tables = {name: rows for name, rows in scene.tables().items() if name not in closed}

    def may(self, dataset: str) -> bool:
        return dataset in self.tables

    def rows(self, dataset: str, *, window: timedelta) -> pa.Table:
        return self.tables[dataset]

    def alerts(self, subjects: list[tuple[str, str]]) -> list[dict[str, object]]:
        if len(subjects) > 3:
            raise TooLarge("too many alerts", remedy="ask about fewer subjects")
        if ("site", "S001") not in subjects:
            return []
        ended: dict[str, object] = {
            "state": "ended",
            "level": 1,
            "raised_at": datetime.min.replace(tzinfo=ZONE),
            "kind_title": text("甲", "A"),
        }
        return [{**ended, "subject": {"kind": "site", "id": "S001"}}]

    def file(self, name: str) -> bytes | None:
        return None


@pytest.mark.parametrize(
    "closed", [frozenset(), frozenset({"approval_firm", "enforcement_inspection"}), frozenset({"approval_site"})]
)
def test_what_pages_show(closed: frozenset[str]) -> None:
    scene = city()
    judged(scene, {"ranked": "立案", "lot": "合格"})
    reader: Any = Person(scene, closed)
    for function, given_ in (
        (inspection.inspection, {"district": "320610"}),
        (inspection.inspection, {"day": "no day", "capacity": 1e9, "random": float("nan")}),
        (inspection.feedback, {}),
        (risk.ranking, {"district": "320611"}),
        (risk.risk, {"site_id": ["S001"]}),
        (risk.risk, {}),
    ):
        shown = function(reader, NOW, given_)
        columns, rows = shown["columns"], shown["rows"]
        assert isinstance(columns, list) and isinstance(rows, list)
        assert all(len(row) == len(columns) for row in rows)
        assert function in (inspection.feedback, risk.risk) or bool(rows) == ("approval_site" not in closed)
    for name in closed:
        assert title(name)["en"] in inspection.inspection(reader, NOW, {})["note"]["en"]  # type: ignore[index]


def test_the_verdict_on_the_ranking() -> None:
    scene = city(60)
    for number in range(0, 12, 2):
        picks = inspection.listed(books(scene), day(10 + number), (), {**RULES, "capacity": 10, "random": 0.5})
        for pick in picks:
            if not any(row["site_id"] == pick.site for row in scene.rows["enforcement_inspection"][1:]):
                scene.inspection(pick.site, 10.4 + number, "立案" if pick.how == "ranked" else "合格")
    reader: Any = Person(scene)
    shown = inspection.feedback(reader, NOW, {"capacity": 10, "random": 0.5})
    rows = shown["rows"]
    assert isinstance(rows, list)
    whole = rows[0]
    assert whole[-1]["en"] == "The ranking finds clearly more"
    assert whole[2] > whole[5]

"""The chain of a chemical, and major hazards graded: hand-made scenes, and what pages are given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, cast
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest

from cityheart.apps.hazchem import chain, grading
from cityheart.apps.hazchem.names import title
from cityheart.kernel.errors import Forbidden
from cityheart.sdk import Invalid, Reader

from .books import (
    OLD,
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
SITES = site_table([("S1", "F1", "甲"), ("S4", "F4", "丁电镀"), ("S2", "F2", "乙固废")])
Row = dict[str, Any]


def waybill(no: str, loaded: str, tonnes: float, way: tuple[str, str, str, str], **more: object) -> Row:
    """(consignor, load site, consignee, unload site)."""
    moment = at(loaded)
    return {
        "waybill_no": no,
        "un_number": "UN1230",
        "cas": CAS,
        "cargo": "甲醇",
        "quantity_t": tonnes,
        "consignor_uscc": way[0],
        "load_site": way[1],
        "consignee_uscc": way[2],
        "unload_site": way[3],
        "planned_departure": moment,
        "planned_arrival": moment + timedelta(hours=2),
        "loaded_at": moment,
        "unloaded_at": moment + timedelta(hours=2),
        "status": "完成",
        **more,
    }


IN = ("9131OUT", "外地码头", USCC["F1"], "甲")
ON = (USCC["F1"], "甲", USCC["F4"], "丁电镀")
ELSEWHERE = ("9131OUT", "外地码头", USCC["F2"], "乙固废")


def scene(waybills: Sequence[Row] = (), **more: pa.Table) -> dict[str, pa.Table]:
    """The tables of a small city."""
    return {
        "approval_firm": firm_table(),
        "approval_site": SITES,
        "approval_licence": licence_table([]),
        "approval_licensed_chemical": licensed_table([("L", CAS, 500.0)]),
        "approval_monthly_return": table("approval_monthly_return", []),
        "hazard_tank": tank_table([]),
        "hazchem_tank_hour": tank_hour_table([]),
        "transport_waybill": table("transport_waybill", waybills),
        **more,
    }


def links(found: tuple[list[chain.Node], list[chain.Link]]) -> dict[tuple[str, str], float]:
    """Tonnes by pair of names."""
    names = {node.id: node.label for node in found[0]}
    return {(names[each.origin], names[each.to]): round(each.t, 3) for each in found[1]}


def follow(tables: Mapping[str, pa.Table], **more: Any) -> dict[tuple[str, str], float]:
    """Links since the first of March."""
    return links(chain.follow(tables, CAS, at("03-01 00:00"), NOW, **more))


ROAD = [
    waybill("Y1", "03-04 08:00", 20.0, IN),
    waybill("Y2", "03-05 08:00", 25.0, IN),
    waybill("Y3", "03-06 08:00", 12.0, ON),
    waybill("Y4", "03-06 08:00", 99.0, ON, status="作废"),
    waybill("Y5", "02-20 08:00", 99.0, ON),
    waybill("Y6", "03-07 08:00", 7.0, ELSEWHERE),
    waybill("Y7", "03-07 09:00", 5.0, ON, cas=None),  # the cargo says what it is
    waybill("Y8", "03-07 09:00", 50.0, ON, cas="71-43-2", cargo="苯", un_number="UN1114"),
]


def test_loads_of_one_chemical_from_place_to_place() -> None:
    assert follow(scene(ROAD)) == {("外地码头", "甲"): 45.0, ("甲", "丁电镀"): 17.0, ("外地码头", "乙固废"): 7.0}
    nodes = {node.label: node.stage for node in chain.follow(scene(ROAD), CAS, at("03-01 00:00"), NOW)[0]}
    assert nodes == {"外地码头": "outside", "甲": "production", "丁电镀": "use", "乙固废": "disposal"}


def test_what_a_site_is_part_of_and_what_one_load_can_have_become() -> None:
    assert follow(scene(ROAD), site_id="S4") == {("外地码头", "甲"): 45.0, ("甲", "丁电镀"): 17.0}
    assert follow(scene(ROAD), waybill_no="Y2") == {("外地码头", "甲"): 25.0, ("甲", "丁电镀"): 17.0}
    assert follow(scene(ROAD), waybill_no="Y3") == {("甲", "丁电镀"): 12.0}
    assert follow(scene(ROAD), waybill_no="?") == {}


def test_deals_ships_and_waste_stand_beside_the_road() -> None:
    deal = {"cas": CAS, "occurred_at": at("03-10 10:00"), "seller_uscc": USCC["F4"], "buyer_uscc": "9131BUYER"}
    flows = [{"flow_id": kind, "kind": kind, "quantity_kg": 500.0, **deal} for kind in ("sale", "purchase")]
    same = {**flows[0], "flow_id": "F", "seller_uscc": USCC["F1"], "buyer_uscc": USCC["F4"]}  # waybills show it already
    ship = {"vessel": "江海1", "cargo": "甲醇", "quantity": 800.0, "from": at("03-02 10:00"), "to": at("03-02 20:00")}
    ship |= {"declaration_no": "D1", "operation": "卸船", "consignor": "某外贸", "consignee": "甲化工有限公司"}
    waste = {"manifest_no": "M", "producer_uscc": USCC["F4"], "producer_site": "丁电镀", "shipped_t": 3.0}
    waste |= {"shipped_at": at("03-12 10:00"), "receiver_uscc": USCC["F2"], "waste_code": "900-041-49"}
    tables = scene(
        ROAD,
        police_flow=table("police_flow", [*flows, same]),
        maritime_declaration=table("maritime_declaration", [ship, {**ship, "declaration_no": "D2", "cargo": "苯"}]),
        waste_manifest=table("waste_manifest", [waste]),
    )
    found = follow(tables, site_id="S4")
    assert found == {
        ("外地码头", "甲"): 45.0,
        ("甲", "丁电镀"): 17.0,
        ("江海1", "甲"): 800.0,
        ("丁电镀", "9131BUYER"): 0.5,
        ("丁电镀", "乙固废"): 3.0,
    }
    assert ("丁电镀", "乙固废") not in follow(tables)  # waste is no methanol: only beside a site


def test_an_endless_circle_of_goods_ends() -> None:
    back = waybill("Y9", "03-09 08:00", 1.0, (USCC["F4"], "丁电镀", USCC["F1"], "甲"))
    assert follow(scene([*ROAD, back]), site_id="S4")["丁电镀", "甲"] == 1.0


RETURN = table("approval_monthly_return", [return_row("S4", "2026-03", CAS, (200.0, 0, 500.0, 390.0, 0, 0, 250.0))])


def test_the_balance_of_a_month_names_every_source() -> None:
    tanks = tank_table([("T1", "S4", CAS, 500.0, 10.0)])
    hours = tank_hour_table([("T1", at("03-31 23:00"), 5.0)])
    tables = scene(ROAD, approval_monthly_return=RETURN, hazard_tank=tanks, hazchem_tank_hour=hours)
    lines = chain.balance(tables, NOW, ZONE, "S4", CAS, 12 * 2026 + 2)
    told: dict[str, Any] = {each.item["en"]: (each.t, each.source) for each in lines}
    assert told["Left over"] == (pytest.approx(60.0), "approval_monthly_return")
    assert told["Brought, by waybills"] == (pytest.approx(17.0), "transport_waybill")
    assert told["In tanks at the month's end"] == (pytest.approx(250.0), "hazchem_tank_hour")
    assert sum(each.sign * each.t for each in lines if each.t and each.sign) == pytest.approx(60.0)
    assert all(each.error_t is not None and each.error_t >= 0 for each in lines if each.t is not None)
    assert {each.source for each in lines} <= set(chain.DEPARTMENTS)
    assert chain.balance(tables, NOW, ZONE, "S4", CAS, 12 * 2026) == []


class Fake:
    """A reader of hand-made tables; what is closed raises as the real one does."""

    def __init__(self, tables: Mapping[str, pa.Table], closed: Iterable[str] = ()) -> None:
        self.zone = ZONE
        self._tables, self._closed = tables, frozenset(closed)

    def may(self, dataset: str) -> bool:
        return dataset in self._tables and dataset not in self._closed

    def rows(self, dataset: str, **_: object) -> pa.Table:
        if dataset in self._closed:
            raise Forbidden(f"{dataset} is closed")
        return self._tables[dataset]


def reader(tables: Mapping[str, pa.Table], *closed: str) -> Reader:
    """As a page's function gets it."""
    return cast("Reader", Fake(tables, closed))


def checked(content: Mapping[str, object]) -> Mapping[str, Any]:
    """As the city checks what a function gives."""
    from cityheart.sdk.content import _SHAPES

    kind = str(content["type"])
    return _SHAPES[kind].model_validate(content).model_dump(by_alias=True)


def test_what_pages_are_given() -> None:
    tables = scene(ROAD, approval_monthly_return=RETURN, police_flow=table("police_flow", []))
    picture = checked(chain.flow(reader(tables, "police_flow"), NOW, {"cas": CAS, "days": 60}))
    assert {each["from"] for each in picture["links"]} == {"outside:外地码头", "S1"}
    assert title("police_flow")["en"] in picture["note"]["en"]
    shown = checked(chain.month(reader(tables, "police_flow"), NOW, {"site": "S4", "cas": CAS}))
    assert len(shown["rows"]) == 11
    assert "2026-03" in shown["note"]["en"]
    assert checked(chain.month(reader(tables), NOW, {"site": "?", "cas": "?"}))["rows"] == []
    blind = checked(chain.month(reader(tables, "hazchem_tank_hour"), NOW, {"site": "S4", "cas": CAS}))
    assert title("hazchem_tank_hour")["en"] in blind["note"]["en"]
    with pytest.raises(Invalid):
        chain.flow(reader(tables), NOW, {})
    with pytest.raises(Invalid):
        chain.month(reader(tables), NOW, {"site": "S4", "cas": CAS, "month": "03/2026"})
    with pytest.raises(Forbidden):
        chain.flow(reader(tables, "transport_waybill"), NOW, {"cas": CAS})


# ── major hazards ────────────────────────────────────────────────────────────────────────────────────────────────────


def sites(*residents: int) -> pa.Table:
    """Sites S0, S1, … with so many people within 500 m."""
    rows = [
        {"site_id": f"S{n}", "firm_id": "F1", "name": f"厂{n}", "residents_500m": people, "updated_at": OLD}
        for n, people in enumerate(residents)
    ]
    return table("approval_site", rows)


def tank(name: str, site: str, cas: str, chemical: str, capacity: float) -> Row:
    """A tank of 10 m."""
    return {
        "tank_id": name,
        "site_id": site,
        "cas": cas,
        "chemical": chemical,
        "capacity_t": capacity,
        "height_m": 10.0,
    }


def graded(people: int, rows: Sequence[Row], hours: Sequence[tuple[object, ...]] = (), now: datetime = NOW) -> Row:
    """The grade of S0."""
    found = grading.grade_sites(sites(people), table("hazard_tank", rows), tank_hour_table(hours), now)
    return dict(found.to_pylist()[0])


@pytest.mark.parametrize(
    ("people", "cas", "chemical", "tonnes", "r", "grade"),
    [
        (0, "7664-41-7", "液氨", 50.0, 0.5 * 2 * 5, 4),
        (1, "7664-41-7", "液氨", 50.0, 1.0 * 2 * 5, 3),
        (30, "7782-50-5", "液氯", 50.0, 1.2 * 4 * 10, 3),
        (50, "7782-50-5", "液氯", 50.0, 1.5 * 4 * 10, 2),
        (100, "7782-50-5", "液氯", 70.0, 2.0 * 4 * 14, 1),
        (100, "86290-81-5", "汽油", 200.0, 2.0, 4),
        (100, "86290-81-5", "汽油", 199.0, 2.0 * 0.995, None),
        (0, "108-05-4", "乙酸乙烯酯", 3000.0, 1.5, 4),
    ],
)
def test_the_standards_arithmetic(
    people: int, cas: str, chemical: str, tonnes: float, r: float, grade: int | None
) -> None:
    found = graded(people, [tank("T", "S0", cas, chemical, tonnes)])
    assert found["r"] == pytest.approx(r)
    assert found["grade"] == grade


def test_several_chemicals_add_up_and_those_without_a_quantity_are_named() -> None:
    rows = [
        tank("T1", "S0", "67-56-1", "甲醇", 250.0),
        tank("T2", "S0", "71-43-2", "苯", 50.0),
        tank("T3", "S0", "7647-01-0", "盐酸", 400.0),  # the standard means the gas
        tank("T4", "S0", "1310-73-2", "氢氧化钠溶液", 400.0),
    ]
    found = graded(1, rows)
    assert found["ratio"] == pytest.approx(1.5)
    assert found["ungraded"] == ["氢氧化钠溶液", "盐酸"]


def test_what_is_held_now_and_tanks_that_are_silent() -> None:
    rows = [tank("T1", "S0", "71-43-2", "苯", 100.0), tank("T2", "S0", "71-43-2", "苯", 100.0)]
    hours: list[tuple[object, ...]] = [("T1", at("04-07 22:00"), 2.5), ("T1", at("04-07 20:00"), 9.0)]
    found = graded(1, rows, hours)
    assert (found["ratio"], found["ratio_now"], found["unread"]) == (pytest.approx(4.0), pytest.approx(0.5), 1)
    assert (found["grade"], found["grade_now"]) == (4, None)
    silent = graded(1, rows, [("T1", at("04-01 22:00"), 2.5), ("T2", at("04-07 22:00"), 5.0, 0)])
    assert silent["r_now"] is None
    assert silent["grade_now"] is None


def test_every_entry_of_the_tables_is_sound() -> None:
    rules = grading.rules()
    assert rules.chemicals["7782-50-5"].critical_t == 5.0
    for each in rules.chemicals.values():
        digits = each.cas.replace("-", "")
        assert sum(int(d) * n for n, d in enumerate(reversed(digits[:-1]), 1)) % 10 == int(digits[-1]), each.cas
        assert each.critical_t > 0
        assert each.beta >= 1
    assert grading.critical_t("7647-01-0", "氯化氢") == 20.0
    assert grading.critical_t("7647-01-0", "盐酸") is None
    assert grading.critical_t("?") is None


def test_the_page_of_hazards_and_empty_registers() -> None:
    tables = {
        "approval_site": sites(120, 0),
        "hazard_tank": table(
            "hazard_tank", [tank("T", "S0", "7782-50-5", "液氯", 70.0), tank("U", "S1", "?", "水", 1.0)]
        ),
        "hazchem_tank_hour": tank_hour_table([]),
    }
    shown = checked(grading.hazards(reader(tables), NOW, {}))
    assert [row[:3] for row in shown["rows"]] == [["S0", "厂0", 1], ["S1", "厂1", None]]
    assert [row[0] for row in checked(grading.hazards(reader(tables), NOW, {"site": "S1"}))["rows"]] == ["S1"]
    alone = checked(grading.hazards(reader(tables, "hazchem_tank_hour"), NOW, {}))  # by design, without readings
    assert [row[3] for row in alone["rows"]] == [row[3] for row in shown["rows"]]
    assert grading.grade_sites(sites(), tables["hazard_tank"], tables["hazchem_tank_hour"], NOW).num_rows == 0
    assert grading.grade_sites(sites(3), table("hazard_tank", []), tank_hour_table([]), NOW).num_rows == 0

"""The pages of hazardous chemicals over a small city: each section says what the books say, to those who may read them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from cityheart.city import City
from cityheart.kernel.actors import Actor
from cityheart.kernel.clock import VirtualClock
from cityheart.kernel.settings import Settings
from cityheart.kernel.text import text

NOW = datetime(2026, 3, 20, 4, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
SYSTEM = Actor.system("test")
OFFICER = Actor("user:officer", text("值班员", "officer"), None, frozenset({"duty_officer"}))
EMERGENCY = Actor("user:safety", text("安监员", "safety"), "emergency", frozenset({"clerk"}))
TRANSPORT = Actor("user:roads", text("运管员", "roads"), "transport", frozenset({"clerk"}))
USCC, OTHER = "91320614MAY75K146K", "91320602MA1X9K5L2T"


def put(city: City, dataset: str, rows: Sequence[Mapping[str, object]]) -> None:
    """Rows as the city has known them for an hour; what a row leaves out is null."""
    schema = city.lake.spec(dataset).schema
    found = [{**dict.fromkeys(schema.names), **row} for row in rows]
    for row in found:
        for name in schema.names:
            if name in ("landed_at", "updated_at") and row[name] is None:
                row[name] = NOW - HOUR
    table = pa.Table.from_pylist(found, schema=schema)
    table = table.append_column("_known_at", pa.array([NOW - HOUR] * len(found), pa.timestamp("us", "UTC")))
    for column in ("_source", "_batch"):
        table = table.append_column(column, pa.array(["x"] * len(found)))
    city.lake.append(dataset, table)


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[City]:
    """One producer with a tank near its alarm value, under an order, with a licence that ends in ten days."""
    home = tmp_path_factory.mktemp("pages") / "city"
    made = City.create(Settings(home=home, apps=("hazchem",), clock="virtual", seed=1), VirtualClock(NOW))
    register(made)
    live(made)
    made.entities.follow()
    yield made
    made.close()


def register(made: City) -> None:
    """The firm, its site and its licences."""
    firm = {
        "firm_id": "F1",
        "uscc": USCC,
        "name": "南通天万化工有限公司",
        "kind": "producer",
        "address": "通海路47号",
        "status": "在业",
    }
    put(made, "approval_firm", [firm])
    site = {
        "firm_id": "F1",
        "address": "通海路47号",
        "district_code": "320614",
        "lon": 121.1,
        "lat": 31.9,
        "residents_500m": 60,
    }
    put(made, "approval_site", [{**site, "site_id": "S1", "name": "天万化工一厂"}])
    ends = date(2026, 3, 30)
    licence = {
        "firm_id": "F1",
        "kind": "安全生产许可证",
        "valid_from": date(2023, 3, 30),
        "valid_to": ends,
        "status": "有效",
    }
    old = {**licence, "licence_no": "L0", "site_id": "S1", "valid_from": date(2020, 1, 1), "valid_to": date(2023, 1, 1)}
    put(made, "approval_licence", [{**licence, "licence_no": "L1", "site_id": "S1"}, old])
    put(
        made,
        "approval_licensed_chemical",
        [{"licence_no": "L1", "cas": "7664-41-7", "chemical": "液氨", "max_storage_t": 90.0}],
    )


def live(made: City) -> None:
    """Tanks, the order, a waybill and an outlet."""
    tank = {
        "site_id": "S1",
        "cas": "7664-41-7",
        "chemical": "液氨",
        "capacity_t": 100.0,
        "height_m": 10.0,
        "density_t_m3": 0.6,
    }
    alarm = {"alarm_level_m": 9.0, "alarm_temperature_c": 50.0, "alarm_pressure_kpa": 900.0}
    put(made, "hazard_tank", [{**tank, **alarm, "tank_id": "T1"}, {**tank, **alarm, "tank_id": "T2"}])
    hours = [
        {
            "tank_id": "T1",
            "site_id": "S1",
            "hour": NOW - n * HOUR,
            "level_last_m": level,
            "temperature_max_c": 20.0,
            "good": 60,
        }
        for n, level in ((3, 5.0), (2, 8.2))
    ]
    put(made, "hazchem_tank_hour", hours)
    order = {"firm_id": "F1", "site_id": "S1", "kind": "停产停业整顿", "scope": "全厂", "issued_at": NOW - 3 * DAY}
    over = {**order, "order_id": "O0", "effective_from": NOW - 90 * DAY, "effective_to": NOW - 60 * DAY}
    put(made, "enforcement_order", [{**order, "order_id": "O1", "effective_from": NOW - 2 * DAY}, over])
    waybill = {
        "waybill_no": "W1",
        "carrier_uscc": OTHER,
        "plate": "苏F00001",
        "cas": "7664-41-7",
        "cargo": "液氨",
        "quantity_t": 20.0,
    }
    ends_at = {
        "consignor_uscc": USCC,
        "load_site": "天万化工一厂",
        "consignee_uscc": OTHER,
        "unload_site": "利晨",
        "status": "完成",
    }
    put(
        made,
        "transport_waybill",
        [{**waybill, **ends_at, "planned_departure": NOW - DAY, "planned_arrival": NOW - DAY + HOUR}],
    )
    put(
        made,
        "emission_outlet",
        [{"mn": "M1", "site_id": "S1", "uscc": USCC, "kind": "废水", "limits": "w01018=500;bad", "design_flow": 5.0}],
    )
    hour = {"mn": "M1", "factor": "w01018", "hour": NOW - 2 * HOUR, "mean": 250.0, "n_minutes": 60, "minutes": 60}
    put(made, "hazchem_emission_hour", [hour])


def subject(city: City, kind: str) -> str:
    by = ("firm_id", "F1") if kind == "firm" else ("site_id", "S1")
    return str(city.pages.showing.subject(SYSTEM, *by)["id"])


def show(city: City, page: str, section: str, actor: Actor = SYSTEM, **given: str) -> Any:
    return city.pages.showing.section(actor, f"hazchem.{page}", section, given)["content"]


def cells(content: Any, name: str) -> list[Any]:
    at = [one["name"] for one in content["columns"]].index(name)
    return [row[at] for row in content["rows"]]


@pytest.mark.parametrize("kind", ["firm", "site"])
def test_the_page_of_a_firm_and_of_its_site(kind: str, city: City) -> None:
    id = subject(city, kind)

    def shown(section: str) -> Any:
        return show(city, "firm", section, subject=id)

    facts = {one["label"]["en"]: one for one in shown("overview")["items"]}
    assert facts["Orders in force"]["value"] == "停产停业整顿 全厂"
    assert (facts["Licences in force"]["value"], facts["Next to end"]["value"]) == (1, "2026-03-30")
    assert facts["Tank nearest to alarm"]["value"] == pytest.approx(8.2 / 9)
    assert (facts["Tank nearest to alarm"]["id"], facts["Tank nearest to alarm"]["dataset"]) == (
        "T1",
        "hazchem_tank_hour",
    )
    licences = shown("licences")
    assert (cells(licences, "licence_no"), cells(licences, "left")) == (["L1", "L0"], [10, -1174])
    assert [one["en"] for one in cells(licences, "stands")] == [
        "in force",
        "not in force",
    ]  # L0 is still 有效 in the registry
    assert cells(licences, "allowed") == ["液氨 90.0 t", None]
    assert cells(shown("orders"), "order_id") == ["O1", "O0"]
    tanks = shown("tanks")
    assert (cells(tanks, "tank_id"), cells(tanks, "mass_t")) == (["T1", "T2"], [pytest.approx(82.0), None])
    emissions = shown("emissions")
    assert (cells(emissions, "share"), cells(emissions, "limit")) == ([0.5], [500.0])
    assert cells(shown("waybills"), "waybill_no") == ["W1"]
    said = shown("contributed")
    rows = dict(zip(cells(said, "dataset"), cells(said, "rows"), strict=True))
    assert (rows["approval_licence"], rows["hazard_tank"], rows["transport_waybill"], rows["police_flow"]) == (
        2,
        2,
        1,
        0,
    )
    assert shown("risk")["rows"]
    assert shown("alerts")["rows"] == shown("tasks")["rows"] == shown("inspections")["rows"] == []


def test_what_is_not_shared_is_said_to_be_another_departments(city: City) -> None:
    id = subject(city, "site")
    closed = show(city, "firm", "waybills", OFFICER, subject=id)
    assert (closed["type"], [one["department"] for one in closed["datasets"]]) == ("closed", ["transport"])
    said = show(city, "firm", "contributed", OFFICER, subject=id)
    rows = dict(zip(cells(said, "dataset"), cells(said, "rows"), strict=True))
    assert (rows["approval_licence"], rows["transport_waybill"], rows["power_load"]) == (2, None, None)
    assert cells(show(city, "firm", "waybills", TRANSPORT, subject=id), "waybill_no") == ["W1"]
    returns = show(city, "chain", "returns", OFFICER, cas="7664-41-7")
    assert [one["dataset"] for one in returns["datasets"]] == ["approval_monthly_return"]
    analyst = Actor("user:analyst", text("a", "a"), None, frozenset({"analyst"}))
    assert "hazchem.vehicles" not in [one["id"] for one in city.pages.layers(analyst)]
    for reader in (TRANSPORT, OFFICER):  # whose it is, and whom the manifest's grant names
        assert "hazchem.vehicles" in [one["id"] for one in city.pages.layers(reader)]


def test_an_inspection_that_was_recorded_is_on_the_page(city: City) -> None:
    id = subject(city, "site")
    values: dict[str, object] = {"result": "整改", "how": "按风险", "findings": "阀门渗漏"}
    city.pages.showing.submit(EMERGENCY, "hazchem.firm", "record", "command-1", values, {"subject": id})
    seen = show(city, "firm", "inspections", EMERGENCY, subject=id)
    assert (cells(seen, "result"), cells(seen, "findings")) == (["整改"], ["阀门渗漏"])
    assert cells(show(city, "inspection", "recorded", EMERGENCY), "result") == ["整改"]
    assert show(city, "firm", "inspections", TRANSPORT, subject=id)["rows"] == []
    assert show(city, "inspection", "recorded", TRANSPORT)["type"] == "closed"


def test_hazards_stages_chain_and_list(city: City) -> None:
    (tank,) = show(city, "hazards", "tanks")["rows"]
    assert tank[:2] == [2, "T1"]  # nine tenths of its alarm value: orange on this page
    assert show(city, "hazards", "stock")["bars"][0] | {"value": 82.0} == show(city, "hazards", "stock")["bars"][0]
    (place,) = show(city, "hazards", "map")["points"]
    assert (place["key"], place["value"], place["level"]) == ("S1", 91.1, 2)
    assert cells(show(city, "hazards", "grades"), "name") == ["天万化工一厂"]
    (point,) = city.pages.features(OFFICER, "hazchem.tanks")["features"]  # type: ignore[misc]
    assert (point["properties"]["value"], point["geometry"]["coordinates"]) == (91.1, [121.1, 31.9])
    systems = show(city, "stages", "stages")["systems"]
    assert (len(systems), len({one["department"] for one in systems})) == (12, 9)
    assert {stage for one in systems for stage in one["stages"]} == {
        "production", "storage", "sale", "use", "transport", "disposal"
    }  # fmt: skip
    assert cells(show(city, "stages", "orders"), "name") == ["天万化工一厂"]
    assert cells(show(city, "stages", "ending"), "valid_to") == ["2026-03-30"]
    flow = show(city, "chain", "flow", cas="7664-41-7")
    assert [link["t"] for link in flow["links"]] == [20.0]
    assert len(flow["stages"]) >= 6
    one = show(city, "chain", "balance", cas="7664-41-7", site=subject(city, "site"))
    assert one["type"] == "table"
    assert cells(show(city, "inspection", "list"), "name") == ["天万化工一厂"]
    assert city.pages.panel(OFFICER, "hazchem.tanks")["rows"][0][0] == "T1"  # type: ignore[index]


def test_before_anything_was_known_there_is_nothing(city: City) -> None:
    showing, then = city.pages.showing, NOW - 2 * HOUR
    for one in showing.listed(SYSTEM):
        id = str(one["id"])
        given = {"subject": subject(city, "firm")} if one["subject"] else {}
        page: Any = showing.page(SYSTEM, id, given, then)
        for section in page["sections"]:
            found: Any = showing.section(SYSTEM, id, section["id"], given, then)["content"]
            assert found["type"] in (section["kind"], "text", "waiting"), (id, section["id"])
    assert city.pages.panel(SYSTEM, "hazchem.tanks", then)["rows"] == []
    assert city.pages.features(SYSTEM, "hazchem.tanks", then)["features"] == []

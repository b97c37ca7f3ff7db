"""A city like Nantong, before anybody has said where its departments' systems are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from typer.testing import CliRunner

from cityheart import cli, examine
from cityheart.city import City
from cityheart.kernel.actors import Actor
from cityheart.kernel.errors import Conflict, Invalid
from cityheart.sdk.template import read_templates
from cityheart.share.check import check
from cityheart.share.contracts import Contract, ContractError
from cityheart.share.unset import awaited, unset

SYSTEM = Actor.system("test")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A city made by the command."""
    folder = tmp_path_factory.mktemp("like") / "nantong"
    made = CliRunner().invoke(cli.app, ["init", str(folder), "--like", "nantong"])
    assert made.exit_code == 0, made.output
    return folder


@pytest.fixture(scope="module")
def city(home: Path) -> Iterator[City]:
    """That city, opened."""
    opened = City.open(home)
    yield opened
    opened.close()


def test_it_has_its_files_and_its_settings(home: Path, city: City) -> None:
    assert {"departments.csv", "areas.geojson", "zones.geojson", "cityheart.toml"} <= {
        each.name for each in home.iterdir()
    }
    settings = city.settings
    assert settings.name == "nantong" and settings.title["zh-CN"] == "南通市" and settings.zone == "Asia/Shanghai"
    west, south, east, north = settings.bounds
    assert west < 120.35 and east > 121.98 and south < 31.7 and north > 32.7
    assert len(city.share.departments()) == 62


def test_every_source_is_idle_and_says_what_it_waits_for(city: City) -> None:
    city.share.tick(city.clock.now())  # folders are there, though empty; nobody is asked who has no address
    for source in city.share.sources(SYSTEM):
        assert source["state"] == "idle", source
        reason = source["reason"]
        assert isinstance(reason, dict) and source["id"] and reason["zh-CN"] and reason["en"]
    reasons = {source["id"]: source["reason"] for source in city.share.sources(SYSTEM)}
    assert 'under [sources."police-controlled.flow"]' in str(reasons["police-controlled.flow"])
    assert "inbox/fire-inspections" in str(reasons["fire-inspections.fire_inspection"])
    assert "7808" in str(reasons["transport-positions.position"])


def test_asking_a_source_that_has_no_address_says_where_to_give_it(city: City) -> None:
    with pytest.raises(Conflict) as refused:
        city.share.pull("approval-registry.firm", SYSTEM)
    assert "approval-registry.firm" in str(refused.value.remedy)


def test_the_doctor_says_what_to_do_about_each(city: City) -> None:
    found = [examine.of_source(source) for source in city.share.sources(SYSTEM)]
    assert len(found) == 73 and {one.state for one in found} == {"ok"} and all(one.remedy for one in found)


def test_unknown_likenesses_are_refused_with_what_there_is(tmp_path: Path) -> None:
    made = CliRunner().invoke(cli.app, ["init", str(tmp_path / "x"), "--like", "atlantis"])
    assert isinstance(made.exception, Invalid) and "nantong" in str(made.exception.remedy)
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("title = ", "TOML"),
        ('colour = "red"', "colour"),
        ("bounds = [1, 2]", "bounds"),
        ('[files]\n"a.csv" = "nowhere.csv"', "nowhere.csv"),
        ('[files]\n"../a.csv" = "city.toml"', "files"),
    ],
)
def test_a_template_that_is_wrong_names_the_place(tmp_path: Path, text: str, place: str) -> None:
    file = tmp_path / "city.toml"
    file.write_text(text, "utf-8")
    with pytest.raises(Invalid, match=place):
        read_templates([file])


@pytest.mark.parametrize(
    ("options", "missing"),
    [
        ({"url": "postgresql://reader@registry.invalid/registry"}, ("url",)),
        ({"url": "https://a.b.invalid:8443/x"}, ("url",)),
        ({"url": "mqtt://broker.invalid:1883"}, ("url",)),
        ({"url": "postgresql://registry.invalid/registry", "url_env": "REGISTRY"}, ()),
        ({"url": "https://registry.example/invalid/x"}, ()),
        ({"url": "sqlite:///registry.invalid.sqlite"}, ()),
        ({"path": "inbox/x"}, ()),
        ({"port": 7808}, ()),
    ],
)
def test_an_address_below_invalid_is_one_to_be_given(options: dict[str, object], missing: tuple[str, ...]) -> None:
    assert unset(options) == missing
    assert (awaited("a.b", options) is None) == (not missing and not options.keys() & {"path", "port"})


def contract(computed: object) -> dict[str, object]:
    """A contract whose key is computed."""
    fields = [{"name": name, "type": "string"} for name in ("id", "code", "number")] + [
        {"name": "count", "type": "integer"}
    ]
    return {
        "name": "register",
        "schema": {"fields": fields, "primaryKey": "id"},
        "cityheart": {"owner": "market", "computed": [computed]},
    }


def test_a_key_may_be_the_first_of_several_texts() -> None:
    read = Contract.parse(contract({"name": "id", "first_of": ["code", "number"]}))
    rows = pa.table({"code": ["A", "", None], "number": ["1", "2", None], "count": ["1", "2", "3"]})
    checked = check(read, rows)
    assert checked.good["id"].to_pylist() == ["A", "2"]
    assert [(bad.row, bad.code, bad.field) for bad in checked.bad] == [(2, "required", "id")]


def test_what_is_shared_unconditionally_has_no_conditions() -> None:
    document = contract({"name": "id", "first_of": ["code"]})
    section = document["cityheart"]
    assert isinstance(section, dict)
    section["conditions"] = {"zh-CN": "仅用于监管", "en": "For supervision only"}
    with pytest.raises(ContractError, match=r"cityheart\.conditions"):
        Contract.parse(document)
    section["sharing"] = 2
    assert Contract.parse(document).conditions["en"] == "For supervision only"


@pytest.mark.parametrize(
    ("computed", "what"),
    [
        ({"name": "id", "first_of": []}, "at least one"),
        ({"name": "id", "first_of": ["count"]}, "of type string"),
        ({"name": "id", "first_of": ["id"]}, "another declared field"),
        ({"name": "count", "first_of": ["code"]}, "type string"),
        ({"name": "id", "first_of": ["code"], "epoch": "count"}, "without parts"),
    ],
)
def test_a_first_of_that_cannot_be_is_refused(computed: object, what: str) -> None:
    with pytest.raises(ContractError, match=what):
        Contract.parse(contract(computed))

"""The other departments of the prefecture, simulated: what they hand out lands, and only what is really wrong does not."""

from __future__ import annotations

import csv
import hashlib
import json
import sqlite3
from collections import Counter
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from cityheart.sdk.pages import Pages
from cityheart.simulation.world.departments import Written, write_departments

from .landing import SYSTEM, Landed, application, land

START, DAYS, SEED = date(2020, 7, 3), 4, 11  # the areas change on the 6th; a week and a month end before
ZONE = timedelta(hours=8)
FRAME = {
    "name": "departments",
    "title": "departments",
    "zone": "Asia/Shanghai",
    "from": "2020-07-03T00:00:00+08:00",
    "to": "2020-07-07T00:00:00+08:00",
    "seed": SEED,
    "areas": "areas.geojson",
}
ONE_OF_EACH_WAY = (
    "feeder-loads.feeder_15min",
    "farm-prices.price_day",
    "supplies.stock_week",
    "customs-declarations.declaration",
    "parcel-volumes.outlet_day",
    "petition-matters.matter",
    "labour-complaints.complaint",
    "public-buildings.energy_reading",
)


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Written]:
    """Four days of all departments, around the day on which the areas change."""
    folder = tmp_path_factory.mktemp("departments")
    (folder / "city.json").write_text(json.dumps(FRAME), "utf-8")
    return folder, write_departments(folder, seed=SEED, days=DAYS, start=START)


@pytest.fixture(scope="module")
def landed(city: tuple[Path, Written], tmp_path_factory: pytest.TempPathFactory) -> Landed:
    """The same, landed."""
    home = tmp_path_factory.mktemp("landed")
    end = datetime(2020, 7, 7, tzinfo=UTC) - ZONE
    return land(city[0], ["prefecture"], home, every=timedelta(days=2), until=end)


def test_every_system_of_the_application_is_written_and_nothing_else(city: tuple[Path, Written]) -> None:
    folder, written = city
    sources = {source.id for source in application("prefecture").sources}
    assert set(written.sources) == sources
    assert {each.name for each in (folder / "systems").iterdir()} == {id.partition(".")[0] for id in sources}


def test_only_what_was_planted_is_in_quarantine(city: tuple[Path, Written], landed: Landed) -> None:
    _, written = city
    assert landed.troubles == []
    bad = Counter(row.source for row in landed.quarantined() if row.code != "duplicate")
    assert bad == Counter({id: each.bad for id, each in written.sources.items() if each.bad})
    assert len(bad) >= 5
    doubled = {row.source for row in landed.quarantined() if row.code == "duplicate"}
    assert doubled <= {id for id, each in written.sources.items() if each.doubled}


def test_every_dataset_has_rows_and_no_column_that_nobody_declared(landed: Landed) -> None:
    for source in landed.share.sources(SYSTEM):
        assert source["rows"], source["id"]
        assert source["drift"] == [], source["id"]


def test_rows_carry_the_areas_of_their_day(landed: Landed) -> None:
    for dataset in ("court_filing", "union_request"):
        codes: dict[date, set[object]] = {}
        for row in landed.rows(dataset):
            day = row["day"]
            assert isinstance(day, datetime)
            codes.setdefault((day + ZONE).date(), set()).add(row["district_code"])
        assert {"320602", "320611", "320684"} <= codes[date(2020, 7, 4)] and len(codes[date(2020, 7, 4)]) == 11
    observed = landed.rows("weather_observation")
    late = {row["district_code"] for row in observed if row["observed_at"] >= datetime(2020, 7, 5, 16, tzinfo=UTC)}
    assert len(late) == 10 and {"320613", "320614"} <= late


def test_what_was_written_in_many_ways_is_read_as_one(city: tuple[Path, Written], landed: Landed) -> None:
    prices = landed.rows("farm_price")
    assert all(isinstance(row["day"], datetime) for row in prices)
    sold = [row["sold"] for row in prices]
    assert all(isinstance(each, float) and 0.1 < each < 2_000 for each in sold)  # tonnes, whatever unit it came in
    weights = [row["gross_weight"] for row in landed.rows("customs_declaration")]
    assert weights and all(isinstance(each, float) and each < 2_000 for each in weights)
    stocks = landed.rows("supply_stock")
    assert {row["week"] for row in stocks} == {datetime(2020, 6, 28, 16, tzinfo=UTC)}
    assert all(isinstance(row["stock_t"], float) for row in stocks)
    outputs = [row["output_wan"] for row in landed.rows("industry_output")]
    assert outputs and all(isinstance(each, float) and each > 100 for each in outputs)


def test_positions_come_out_in_wgs84_whatever_datum_the_source_has(landed: Landed) -> None:
    stations = landed.rows("weather_observation")
    west, east = min(row["lon"] for row in stations), max(row["lon"] for row in stations)
    for dataset in ("urban_case", "grid_event"):  # GCJ-02 in the source: some 400 m further east and south
        for row in landed.rows(dataset)[:200]:
            assert isinstance(row["lon"], float) and west - 0.6 < row["lon"] < east + 0.6
    case = next(iter(landed.rows("urban_case")))
    source = {}
    with (landed.folder / "systems" / "digital-cases" / "case.jsonl").open(encoding="utf-8") as lines:
        source = next(each for each in map(json.loads, lines) if each["case_no"] == case["case_no"])
    assert 0.003 < source["lon"] - case["lon"] < 0.007  # type: ignore[operator]


def test_matters_are_closed_by_a_later_version_of_their_row(city: tuple[Path, Written]) -> None:
    folder, _ = city
    with closing(sqlite3.connect(folder / "systems" / "petition-matters" / "petition-matters.sqlite")) as conn:
        rows = conn.execute(
            "select matter_no, status, answered_at, updated_at, _visible_from from matter order by _visible_from"
        ).fetchall()
    first: dict[str, str] = {}
    closed = 0
    for number, status, answered, updated, visible in rows:
        if number not in first:
            assert (status, answered) == ("办理中", None)
            first[number] = visible
        else:
            assert status == "已答复" and answered is not None and answered <= visible and first[number] < visible
            closed += 1
        assert updated == visible and visible < "2020-07-07T00:00:00+08:00"
    assert closed


def test_equal_seeds_give_equal_bytes_and_others_do_not(city: tuple[Path, Written], tmp_path: Path) -> None:
    folder, written = city
    again = write_departments(tmp_path / "again", seed=SEED, days=DAYS, start=START, only=ONE_OF_EACH_WAY)
    write_departments(tmp_path / "other", seed=SEED + 1, days=DAYS, start=START, only=["farm-prices.price_day"])
    assert set(again.sources) == set(ONE_OF_EACH_WAY)
    for source in ONE_OF_EACH_WAY:
        name = source.partition(".")[0]
        assert again.sources[source] == written.sources[source]
        assert digests(tmp_path / "again" / "systems" / name) == digests(folder / "systems" / name)
    prices = "systems/farm-prices"
    assert digests(tmp_path / "other" / prices) != digests(folder / prices)


def digests(folder: Path) -> dict[str, str]:
    """The content of every file below a folder."""
    return {
        each.relative_to(folder).as_posix(): hashlib.sha256(each.read_bytes()).hexdigest()
        for each in sorted(folder.rglob("*"))
        if each.is_file()
    }


def test_files_are_dropped_after_what_they_are_about(city: tuple[Path, Written]) -> None:
    folder, _ = city
    listed = 0
    for drops in sorted((folder / "systems").glob("*/drops.csv")):
        with drops.open(encoding="utf-8") as lines:
            for row in csv.DictReader(lines):
                told = Path(row["path"]).stem.rpartition("_")[2]
                assert row["delivered_at"][:10].replace("-", "") > told
                assert (drops.parent / row["path"]).is_file()
                listed += 1
    assert listed > 60


def test_the_map_shows_each_station_once_with_its_newest_value(landed: Landed) -> None:
    pages = Pages(landed.share._lake, [application("prefecture")], landed.clock)
    for layer, each in (("prefecture.temperature", 22), ("prefecture.scenic", 11)):
        features = pages.features(SYSTEM, layer)["features"]
        assert isinstance(features, list) and len(features) == each
        assert all(feature["properties"]["value"] is not None for feature in features)

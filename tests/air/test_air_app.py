"""The application as declared: its files fit together, and it runs through share, lake and watch."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

import cityheart.apps.air
from cityheart.apps.air.detectors import HeavyPollution, station_silent
from cityheart.apps.air.stations import stations
from cityheart.command import plan as plan_language
from cityheart.engine.lake import Lake
from cityheart.kernel.actors import Actor
from cityheart.kernel.clock import VirtualClock
from cityheart.kernel.database import Database
from cityheart.kernel.ids import Ids
from cityheart.kernel.text import text
from cityheart.sdk import App, load
from cityheart.sdk.pages import Pages
from cityheart.share.service import Share
from cityheart.watch.service import Watch

FOLDER = Path(cityheart.apps.air.__file__).parent
START = datetime(2013, 3, 1, tzinfo=UTC)
OFFICER = Actor("user:officer", text("值班长", "Officer"), None, frozenset({"duty_officer", "admin"}))


@pytest.fixture(scope="module")
def app() -> App:
    return load(FOLDER)


def test_every_level_has_a_plan_and_words(app: App) -> None:
    plans = [plan_language.compile(source, {one.code for one in app.departments}) for source in app.plans]
    kinds = {kind.kind: kind for kind in app.alert_kinds}
    for level in (1, 2, 3, 4):
        (plan,) = [one for one in plans if one.kind == "heavy_pollution" and level in one.levels]
        assert 6 <= len(plan.steps) <= 20
        assert kinds["heavy_pollution"].levels[level].advice
        assert kinds["heavy_pollution"].levels[level].measures
    assert any(one.kind == "station_silent" for one in plans)
    red = next(one for one in plans if one.name == "air-red")
    assert {step.unit for step in red.steps} == {one.code for one in app.departments}
    assert any(step.delay for step in red.steps)
    assert any(step.after for step in red.steps)
    assert all(step.evidence and step.escalate for one in plans for step in one.steps)


def test_outputs_are_what_the_contracts_promise(app: App, readings: pa.Table) -> None:
    detector = HeavyPollution()
    step = detector.step(detector.init(""), readings.slice(0, 12 * 48))
    contracts = {one.name: one for one in app.contracts}
    for name in detector.outputs:
        table, contract = step.outputs[name], contracts[name]
        promised = {field.name: field.arrow for field in contract.stored}
        assert {field.name: field.type for field in table.schema if field.name != "_known_at"} == promised
        nothing = detector.step(detector.init(""), readings.slice(0, 0)).outputs[name]
        assert nothing.schema == table.schema
        assert nothing.num_rows == 0


def test_the_map_has_the_bands_of_the_standard(app: App) -> None:
    rules = tomllib.loads((FOLDER / "rules" / "hj633-2012.toml").read_text("utf-8"))
    bands = app.layers[0].bands
    assert [(one.high, one.colour, one.label) for one in bands] == [
        (one["to"], one["colour"], one["label"]) for one in rules["bands"]
    ]


class City:
    """The application in a city of its own, with readings landed day by day."""

    def __init__(self, app: App, home: Path) -> None:
        self.app = app
        self.clock = VirtualClock(START)
        self.database = Database(f"sqlite:///{home / 'city.sqlite'}", self.clock, Ids(self.clock, seed=1))
        self.database.create_all()
        self.lake = Lake(home / "lake")
        self.share = Share(self.database, self.lake)
        self.share.register(app.departments, app.datasets, app.sources)
        self.watch = Watch(self.database, self.lake, self.share)
        self.watch.register(app.detectors, app.alert_kinds)

    def play(self, days: int, batch: timedelta) -> int:
        """Lands the deliveries of so many days from the start; the number of rows."""
        assert self.app.feed is not None
        rows = 0
        for span in self.app.feed.deliveries(START, START + timedelta(days=days), batch):
            landed = self.share.land(self.app.feed.source, span)
            assert not any(one.quarantined for one in landed)
            rows += sum(one.rows for one in landed)
            now = span[-1].received_at
            self.watch.detect(now)
            self.clock.advance_to(now)
            self.watch.apply(now)
        return rows


@pytest.fixture(scope="module")
def city(app: App, tmp_path_factory: pytest.TempPathFactory) -> Iterator[City]:
    city = City(app, tmp_path_factory.mktemp("city"))
    assert city.play(21, timedelta(days=7)) == 21 * 24 * 12
    yield city
    city.database.close()


def test_three_weeks_through_share_lake_and_watch(city: City) -> None:
    listed = city.watch.alerts(OFFICER, state="all", limit=50)["items"]
    heavy = [one for one in listed if one["kind"] == "heavy_pollution"]  # type: ignore[attr-defined]
    raised = sorted(one["raised_at"] for one in heavy)
    assert any(datetime(2013, 3, 5, tzinfo=UTC) < one < datetime(2013, 3, 7, tzinfo=UTC) for one in raised)
    worst = min(one["level"] for one in heavy)
    assert worst == 1  # three heavy days from 15 March, and the fourth began as they had been
    alert = city.watch.alert(OFFICER, heavy[0]["id"])
    assert alert["area"]["zh-CN"] == "北京市全市"  # type: ignore[index]
    assert {one["type"] for one in alert["evidence"]} == {"series", "rows"}  # type: ignore[attr-defined]


def test_a_backtest_says_what_was_raised_and_what_a_stricter_rule_would_have(city: City) -> None:
    listed = city.watch.alerts(OFFICER, state="all", limit=50)["items"]
    lived = sorted(one["raised_at"] for one in listed if one["kind"] == "heavy_pollution")  # type: ignore[attr-defined]
    until = START + timedelta(days=21)
    same = city.watch.backtest(OFFICER, "air.heavy_pollution", START, until)
    assert sorted(one.raised_at for one in same.alerts) == lived
    stricter = city.watch.backtest(OFFICER, "air.heavy_pollution", START, until, parameters={"rise_hours": 12})
    assert 0 < stricter.alerted_hours < same.alerted_hours


def test_pages_show_what_is_known(city: City) -> None:
    pages = Pages(city.lake, [city.app], city.clock)
    features = pages.features(OFFICER, "air.stations")["features"]
    assert len(features) == len(stations())  # type: ignore[arg-type]
    assert all(one["properties"]["value"] is not None for one in features)  # type: ignore[attr-defined]
    series = pages.panel(OFFICER, "air.city")
    assert series["type"] == "series"
    assert len(series["series"][0]["points"]) == 7 * 24 - 1  # type: ignore[index]
    table = pages.panel(OFFICER, "air.stations_table")
    assert len(table["rows"]) == len(stations())  # type: ignore[arg-type]
    assert pages.panel(OFFICER, "air.skill")["rows"] == []  # nothing learnt in three weeks


def test_a_silent_station_is_found_and_a_speaking_one_is_not(app: App, tmp_path: Path, readings: pa.Table) -> None:
    now = START + timedelta(days=4)
    rows = readings.slice(0, 12 * 24 * 5)
    silent = pa.array(
        [
            name == "Huairou" and at >= now - timedelta(hours=9)
            for name, at in zip(rows["station"].to_pylist(), rows["observed_at"].to_pylist(), strict=True)
        ]
    )
    for name in ("pm25", "pm10", "so2", "no2", "co", "o3"):
        values = pa.compute.if_else(silent, pa.scalar(None, pa.float64()), rows[name])
        rows = rows.set_column(rows.column_names.index(name), name, values)
    lake = Lake(tmp_path / "lake")
    contract = next(one for one in app.contracts if one.name == "air_hourly")
    spec = contract.spec()
    lake.ensure(spec)
    for name in ("_source", "_batch"):
        rows = rows.append_column(name, pa.array(["test"] * rows.num_rows))
    lake.append("air_hourly", rows)
    detector = station_silent()
    window = (now - detector.window, now)
    found = lake.query(detector.sql, {**detector.parameters, "now": now}, at=now, time=window).to_pylist()
    assert [(one["station"], round(one["silent_hours"])) for one in found] == [("Huairou", 9)]
    assert detector.finding.names["Huairou"] == text("怀柔镇站", "Huairou station")
    assert found[0]["last_at"] == now - timedelta(hours=10)

"""Layers and panels: the newest value of each key, as known at the moment asked, and no more than one may see."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from fastapi import FastAPI, Request, Response
from fastapi.testclient import TestClient

from cityheart.engine.lake import Lake
from cityheart.kernel.actors import Actor
from cityheart.kernel.clock import VirtualClock
from cityheart.kernel.errors import Forbidden, Invalid, NotFound
from cityheart.sdk import App, load
from cityheart.sdk.api import router
from cityheart.sdk.pages import Pages

from . import village

START = datetime(2015, 11, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def app(tmp_path: Path) -> App:
    return load(village.write(tmp_path / "village"))


@pytest.fixture
def lake(app: App, tmp_path: Path) -> Lake:
    """East reports every hour for six hours, one value of 03:00 is corrected at 06:30; the fifth is missing."""
    lake = Lake(tmp_path / "lake")
    lake.ensure(app.contracts[0].spec())
    for hour in range(6):
        _land(lake, "east", hour, None if hour == 5 else 50.0 + hour, START + (hour + 1) * HOUR)
    _land(lake, "east", 3, 99.0, START + timedelta(hours=6, minutes=30))
    return lake


def _land(lake: Lake, station: str, hour: int, level: float | None, known_at: datetime) -> None:
    row = {
        "station": station,
        "observed_at": START + hour * HOUR,
        "level": level,
        "source": "meter",
        "lon": 116.5,
        "lat": 39.9,
    }
    table = pa.Table.from_pylist([row], schema=lake.spec("noise").schema)
    for name, value in (
        ("_known_at", pa.scalar(known_at, pa.timestamp("us", "UTC"))),
        ("_source", "s"),
        ("_batch", "b"),
    ):
        table = table.append_column(name, pa.array([value.as_py() if isinstance(value, pa.Scalar) else value], None))
    lake.append("noise", table)


@pytest.fixture
def pages(lake: Lake, app: App, clock: VirtualClock) -> Pages:
    clock.advance_to(START + 7 * HOUR)
    return Pages(lake, [app], clock)


def values(found: Any) -> dict[str, tuple[Any, ...]]:
    return {
        one["properties"]["key"]: (one["properties"]["value"], one["properties"]["at"], one["properties"]["stale"])
        for one in found["features"]
    }


def test_a_layer_shows_the_newest_value_known(pages: Pages, officer: Actor) -> None:
    now: Any = pages.features(officer, "village.meters")
    assert values(now) == {"east": (54.0, START + 4 * HOUR, True), "west": (None, None, True)}
    assert now["features"][0]["geometry"] == {"type": "Point", "coordinates": [116.5, 39.9]}
    assert now["features"][0]["properties"]["name"] == {"zh-CN": "东站", "en": "East"}
    assert now["features"][0]["properties"]["source"] == "meter"
    before = pages.features(officer, "village.meters", START + timedelta(hours=3, minutes=30))
    assert values(before)["east"] == (52.0, START + 2 * HOUR, False)
    assert values(pages.features(officer, "village.meters", START + 40 * HOUR))["east"] == (None, None, True)


def test_a_layer_without_a_list_of_points_stands_where_the_rows_say(pages: Pages, officer: Actor) -> None:
    (only,) = pages.features(officer, "village.drifting")["features"]  # type: ignore[misc]
    assert only["geometry"]["coordinates"] == [116.5, 39.9]
    assert "lon" not in only["properties"]


def test_a_series_is_as_known_then(pages: Pages, officer: Actor) -> None:
    now: Any = pages.series(officer, "village.meters", "east", 12)
    assert [value for _, value in now["series"][0]["points"]] == [50.0, 51.0, 52.0, 99.0, 54.0, None]
    assert now["series"][0]["points"][0][0] == "2015-11-01T00:00:00Z"
    assert now["title"]["en"] == "Noise · East"
    then: Any = pages.series(officer, "village.meters", "east", 2, START + timedelta(hours=4, minutes=30))
    assert [value for _, value in then["series"][0]["points"]] == [53.0]
    assert pages.series(officer, "village.meters", "west")["series"][0]["points"] == []  # type: ignore[index]
    for wrong in (lambda: pages.series(officer, "village.meters", "north"), lambda: pages.features(officer, "nothing")):
        with pytest.raises(NotFound):
            wrong()
    with pytest.raises(Invalid):
        pages.series(officer, "village.meters", "east", 0)


def test_panels(pages: Pages, officer: Actor) -> None:
    listed = pages.panels(officer)
    assert [(one["id"], one["page"]) for one in listed] == [
        ("village.table", "command"),
        ("village.line", "incident"),
        ("village.function", "command"),
        ("village.text", "command"),
    ]
    table: Any = pages.panel(officer, "village.table", START + timedelta(hours=6, minutes=45))
    assert table["rows"] == [["east", 54.0]]
    assert table["columns"][1] == {"name": "level", "title": {"zh-CN": "级", "en": "Level"}, "unit": "dB"}
    line: Any = pages.panel(officer, "village.line")
    assert [value for _, value in line["series"][0]["points"]] == [50.0, 51.0, 52.0, 99.0, 54.0, None]
    assert line["thresholds"] == [{"name": {"zh-CN": "限", "en": "Limit"}, "value": 70.0}]
    function: Any = pages.panel(officer, "village.function", START + timedelta(hours=2, minutes=30))
    assert function["rows"] == [[2, "2015-11-01T02:30:00Z"]]
    assert pages.panel(officer, "village.text") == {"type": "text", "text": {"zh-CN": "你好", "en": "Hello"}}
    with pytest.raises(NotFound):
        pages.panel(officer, "village.nothing")


def test_restricted_data_stays_out_of_panels(app: App, lake: Lake, clock: VirtualClock, officer: Actor) -> None:
    clock.advance_to(START + 7 * HOUR)
    secret = replace(app.contracts[0], name="secret", sharing=2)
    lake.ensure(secret.spec())
    panel = app.panels[0]
    by_sql = panel.model_copy(
        update={"id": "village.secret", "sql": "SELECT * FROM noise, (SELECT * FROM secret__versions)"}
    )
    pages = Pages(lake, [replace(app, contracts=(*app.contracts, secret), panels=(by_sql,))], clock)
    with pytest.raises(Forbidden, match="secret is not shared"):
        pages.panel(officer, "village.secret")


def test_who_may(pages: Pages, nobody: Actor) -> None:
    for act in (
        lambda: pages.layers(nobody),
        lambda: pages.features(nobody, "village.meters"),
        lambda: pages.series(nobody, "village.meters", "east"),
        lambda: pages.panels(nobody),
        lambda: pages.panel(nobody, "village.text"),
    ):
        with pytest.raises(Forbidden):
            act()


def test_routes(pages: Pages, officer: Actor) -> None:
    app = FastAPI()
    app.include_router(router(pages))

    @app.middleware("http")
    async def signed_in(request: Request, call: Callable[[Request], Awaitable[Response]]) -> Response:
        request.state.actor = officer
        return await call(request)

    web = TestClient(app)
    layers: Any = web.get("/api/layers").json()
    assert layers[0]["bands"] == [
        {"from": 0.0, "to": 55.0, "label": {"zh-CN": "静", "en": "Quiet"}, "colour": "#00e400"}
    ]
    found = web.get("/api/layers/village.meters", params={"at": "2015-11-01T03:30:00Z"}).json()
    assert values(found)["east"] == (52.0, "2015-11-01T02:00:00Z", False)
    assert web.get("/api/layers/village.meters/series", params={"key": "east", "hours": 12}).json()["unit"] == "dB"
    assert web.get("/api/layers/village.meters/series", params={"key": "east", "hours": 0}).status_code == 422
    assert len(web.get("/api/panels").json()) == 4
    assert web.get("/api/panels/village.text").json()["type"] == "text"

"""Finding anything, looking back, the ground of the map: what each person may see, and what is wrong is said."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from cityheart.city import City
from cityheart.kernel.text import text
from cityheart.web.app import create_app

from ..played import again
from .scene import PASSWORD, SYSTEM, road_city

SignIn = Callable[[str], TestClient]


def clients(city: City) -> SignIn:
    app = create_app(city)

    def sign_in(username: str) -> TestClient:
        client = TestClient(app, base_url="http://testserver")
        assert client.post("/api/session", json={"username": username, "password": PASSWORD}).status_code == 200
        return client

    return sign_in


@pytest.fixture(scope="module")
def air(two_days: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[City]:
    """Beijing for two days, in which an alert was raised; a plan was started for it."""
    city = again(two_days, tmp_path_factory.mktemp("air") / "city", "2015-11-28")
    alert: Any = city.watch.alerts(SYSTEM)["items"][0]  # type: ignore[index]
    plan = city.command.suggest(alert["kind"], alert["level"], city.clock.now())[0].plan
    spec = {"alert_id": alert["id"], "title": alert["kind_title"], "kind": alert["kind"], "level": alert["level"]}
    city.command.dispatch(SYSTEM, "desk-0001", spec, plan.digest)
    city.serve.create(SYSTEM, "nothing", PASSWORD, name=text("无", "none"), department=None, roles=[])
    yield city
    city.close()


@pytest.fixture(scope="module")
def air_desk(air: City) -> SignIn:
    return clients(air)


def kinds(client: TestClient, words: str) -> set[str]:
    answer = client.get("/api/find", params={"q": words})
    assert answer.status_code == 200, answer.text
    return {one["kind"] for one in answer.json()["items"]}


def test_everything_with_a_page_is_found_by_its_words(air: City, air_desk: SignIn) -> None:
    officer = air_desk("officer")
    alert: Any = air.watch.alerts(SYSTEM)["items"][0]  # type: ignore[index]
    assert {"alert", "incident"} <= kinds(officer, alert["kind_title"]["en"].upper())
    first = officer.get("/api/find", params={"q": alert["id"]}).json()["items"][0]
    assert (first["kind"], first["path"], first["level"]) == ("alert", f"/alerts/{alert['id']}", alert["level"])
    task = air.command.tasks(SYSTEM)[0][0]
    title = air.command.plan_of(task.run).step(task.step).title["zh-CN"]
    assert "task" in kinds(officer, title)
    source = air.share.sources(SYSTEM)[0]
    assert "source" in kinds(officer, str(source["id"]))
    assert "dataset" in kinds(officer, air.share.datasets()[0].name)
    assert "plan" in kinds(officer, air.command.plans(SYSTEM)[0].title["en"])
    assert kinds(officer, "   ") == set() and kinds(officer, "鑫鑫鑫没有") == set()


def test_every_word_must_fit_and_exact_stands_before_part(air: City, air_desk: SignIn) -> None:
    officer = air_desk("officer")
    name = air.share.datasets()[0].name
    items = officer.get("/api/find", params={"q": name}).json()["items"]
    assert items[0]["id"] == name
    assert kinds(officer, f"{name} 鑫鑫没有") == set()


def test_nothing_is_found_that_one_may_not_open(air: City, air_desk: SignIn) -> None:
    alert: Any = air.watch.alerts(SYSTEM)["items"][0]  # type: ignore[index]
    words = alert["kind_title"]["zh-CN"]
    assert kinds(air_desk("nothing"), words) == set()
    assert "alert" not in kinds(air_desk("steward"), words)
    for username in ("officer", "ecology", "industry", "steward", "analyst", "coordinator"):
        client = air_desk(username)
        for one in client.get("/api/find", params={"q": words, "limit": 60}).json()["items"]:
            place = {"alert": "alerts", "incident": "incidents", "task": "tasks", "plan": "plans"}.get(one["kind"])
            if place:
                assert client.get(f"/api/{place}/{one['id']}").status_code == 200, one


@pytest.mark.parametrize("query", [{"q": "x" * 101}, {"q": "x", "limit": 0}, {"q": "x", "limit": 61}])
def test_too_much_to_find_is_refused(air_desk: SignIn, query: dict[str, str]) -> None:
    assert air_desk("officer").get("/api/find", params=query).status_code == 422


def test_alerts_of_a_time_come_with_their_levels(air: City, air_desk: SignIn) -> None:
    alert: Any = air.watch.alerts(SYSTEM)["items"][0]  # type: ignore[index]
    shown = air.watch.alert(SYSTEM, alert["id"])
    raised = alert["raised_at"]
    now = air.clock.now()
    officer = air_desk("officer")

    def between(since: str, until: str) -> dict[str, Any]:
        answer = officer.get("/api/past/alerts", params={"from": since, "to": until})
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    whole = between("2015-11-20T00:00:00Z", now.isoformat())
    (one,) = [each for each in whole["items"] if each["id"] == alert["id"]]
    assert [level for _, level in one["levels"]] == [each["level"] for each in shown["levels"]]  # type: ignore[attr-defined]
    assert one["kind_title"] == alert["kind_title"] and one["ended_at"] is None
    before = between("2015-11-20T00:00:00Z", raised.isoformat().replace("+00:00", "Z"))
    assert alert["id"] in {each["id"] for each in before["items"]}, "a moment at the edge belongs to the time"
    assert between("2015-10-01T00:00:00Z", "2015-10-02T00:00:00Z") == {"items": [], "total": 0, "next": None}


@pytest.mark.parametrize(
    ("since", "until", "status"),
    [
        ("2015-11-02T00:00:00Z", "2015-11-01T00:00:00Z", 422),
        ("2015-01-01T00:00:00Z", "2015-11-01T00:00:00Z", 422),
        ("2015-11-01T00:00:00", "2015-11-02T00:00:00Z", 422),
        ("yesterday", "2015-11-02T00:00:00Z", 422),
    ],
)
def test_a_time_that_is_none_is_refused(air_desk: SignIn, since: str, until: str, status: int) -> None:
    answer = air_desk("officer").get("/api/past/alerts", params={"from": since, "to": until})
    assert answer.status_code == status and answer.json()["remedy"]


def test_looking_back_needs_the_permission(air_desk: SignIn) -> None:
    span = {"from": "2015-11-01T00:00:00Z", "to": "2015-11-02T00:00:00Z"}
    assert air_desk("steward").get("/api/past/alerts", params=span).status_code == 403
    assert air_desk("nothing").get("/api/ground").status_code == 403


# ── the ground ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def road(tmp_path_factory: pytest.TempPathFactory) -> Iterator[City]:
    """A city with a map of its own: water as GeoJSON, and tiles."""
    water = {"file": "map/water.geojson", "title": text("水系", "Water"), "draw": "fill", "colour": "#9cc3df"}
    tiles = {"file": "map/city.pmtiles", "title": text("道路", "Roads"), "part": "roads", "attribution": "审图号 X"}
    gone = {"file": "map/gone.geojson", "title": text("无", "Gone")}
    outside = {"file": "../secret.json", "title": text("外", "Outside")}
    city = road_city(tmp_path_factory.mktemp("ground") / "city", map=[water, tiles, gone, outside])
    folder = city.settings.home / "map"
    folder.mkdir()
    (folder / "water.geojson").write_text('{"type": "FeatureCollection", "features": []}')
    (folder / "city.pmtiles").write_bytes(bytes(range(256)))
    (city.settings.home.parent / "secret.json").write_text("{}")
    yield city
    city.close()


@pytest.fixture(scope="module")
def officer(road: City) -> TestClient:
    return clients(road)("officer")


def test_areas_are_those_of_the_moment(officer: TestClient) -> None:
    def codes(**at: str) -> list[str]:
        return [one["properties"]["code"] for one in officer.get("/api/ground/areas", params=at).json()["features"]]

    assert codes() == ["old"]
    assert codes(at="2026-04-02T00:00:00Z") == ["new"]
    assert codes(at="2026-03-31T15:59:59Z") == ["old"], "a day of the city ends at its own midnight"
    assert codes(at="2026-03-31T16:00:00Z") == ["new"]
    assert officer.get("/api/ground/areas", params={"at": "2026-04-02T00:00:00"}).status_code == 422


def test_zones_are_read_again_when_the_file_changes(road: City, officer: TestClient) -> None:
    file = road.settings.home / "zones.geojson"
    assert officer.get("/api/ground/zones").json()["features"] == []
    zone = {"id": "Z1", "name": "禁行区", "closed": "22:00-06:00", "goods": "hazardous", "secret": {"a": 1}}
    shape = {"type": "Polygon", "coordinates": [[[120, 31], [121, 31], [121, 32], [120, 31]]]}
    feature = {"type": "Feature", "properties": zone, "geometry": shape}
    file.write_text(json.dumps({"type": "FeatureCollection", "features": [feature, {"properties": None}]}))
    (found,) = officer.get("/api/ground/zones").json()["features"]
    assert found["properties"] == {
        "id": "Z1",
        "closed": "22:00-06:00",
        "goods": "hazardous",
        "title": text("禁行区", "禁行区"),
    }
    file.write_text("not JSON at all")
    assert officer.get("/api/ground/zones").status_code == 422
    file.unlink()


def test_the_citys_own_map_is_served_from_its_folder_only(road: City, officer: TestClient) -> None:
    declared = officer.get("/api/ground").json()
    assert declared["schematic"] is False and declared["areas"] is True
    assert [one["url"] for one in declared["layers"]] == [
        "/api/ground/layers/0/water.geojson",
        "/api/ground/layers/1/city.pmtiles",
    ]
    assert [one["kind"] for one in declared["layers"]] == ["geojson", "pmtiles"]
    assert declared["layers"][1]["attribution"] == "审图号 X"
    part = officer.get("/api/ground/layers/1/city.pmtiles", headers={"range": "bytes=16-31"})
    assert part.status_code == 206 and part.content == bytes(range(16, 32))
    for path in ("2/gone.geojson", "3/secret.json", "9/x.json", "-1/x.json", "0/cityheart.toml", "0/..%2Fcity.key"):
        assert officer.get(f"/api/ground/layers/{path}").status_code == 404, path


def test_a_city_without_a_map_says_that_it_is_schematic(air_desk: SignIn) -> None:
    declared = air_desk("officer").get("/api/ground").json()
    assert declared == {"schematic": True, "areas": False, "zones": False, "layers": []}


@pytest.mark.parametrize(
    "layer",
    [
        {"file": "/etc/passwd.json", "title": text("a", "a")},
        {"file": "map.png", "title": text("a", "a")},
        {"file": "a.json", "title": text("a", "a"), "colour": "red"},
        {"file": "a.json", "title": text("a", "a"), "draw": "circle"},
    ],
)
def test_a_wrong_map_is_named(tmp_path: Path, layer: dict[str, object]) -> None:
    from cityheart.kernel.errors import Invalid
    from cityheart.kernel.settings import Settings

    with pytest.raises(Invalid, match="map"):
        Settings.checked(home=tmp_path, map=[layer])

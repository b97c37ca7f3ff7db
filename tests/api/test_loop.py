"""What a person sees of the loop through the API: alert, incident, tasks, scores, sources, map, live channel."""

from __future__ import annotations

import json

import pytest
from fastapi.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from cityheart.city import City

from .conftest import SignIn


def _alert(client: TestClient) -> dict[str, object]:
    items = client.get("/api/alerts?state=all").json()["items"]
    found: dict[str, object] = next(item for item in items if item["kind"] == "heavy_pollution")
    return found


def test_the_city_says_what_it_is_and_that_staff_is_simulated(sign_in: SignIn) -> None:
    city = sign_in("officer").get("/api/city").json()
    assert city["clock"]["kind"] == "virtual" and city["simulated"] is True
    assert city["notice"]["zh-CN"] and city["notice"]["en"]
    assert [app["id"] for app in city["apps"]] == ["air"]


def test_an_alert_states_what_the_law_asks_for(sign_in: SignIn) -> None:
    officer = sign_in("officer")
    alert = officer.get(f"/api/alerts/{_alert(officer)['id']}").json()
    for field in ("class", "level", "start_at", "area", "advice", "measures", "issuer", "issued_at"):
        assert alert[field], field
    assert alert["levels"][0]["at"] <= alert["levels"][-1]["at"]
    assert {evidence["type"] for evidence in alert["evidence"]} >= {"series"}
    assert all(reason["zh-CN"] and reason["en"] for reason in alert["reasons"])


def test_an_incident_shows_runs_tasks_custody_and_log(sign_in: SignIn) -> None:
    officer = sign_in("officer")
    items = officer.get("/api/incidents?state=all").json()["items"]
    assert items
    incident = officer.get(f"/api/incidents/{items[0]['id']}").json()
    tasks = [task for run in incident["runs"] for task in run["tasks"]]
    assert {"closed"} <= {task["state"] for task in tasks}
    closed = next(task for task in tasks if task["state"] == "closed")
    assert closed["receipts"] and closed["unit_title"]["zh-CN"]
    held = sum(piece["seconds"] for piece in closed["custody"])
    assert held > 0
    types = [event["type"] for event in incident["log"]]
    assert "task.accepted" in types and "run.started" in types


def test_a_clerk_sees_the_own_department_and_acts_for_it_alone(sign_in: SignIn) -> None:
    officer, clerk = sign_in("officer"), sign_in("industry")
    units = {task["unit"] for task in officer.get("/api/tasks").json()["items"]}
    assert len(units) > 1
    assert {task["unit"] for task in clerk.get("/api/tasks").json()["items"]} == {"industry"}
    foreign = next(task for task in officer.get("/api/tasks").json()["items"] if task["unit"] != "industry")
    answer = clerk.post(f"/api/tasks/{foreign['id']}/accept", json={"command_id": "foreign-1"})
    assert answer.status_code == 403
    assert clerk.get("/api/events").status_code == 403
    assert clerk.get("/api/accounts").status_code == 403


def test_scores_have_denominators_and_a_source(sign_in: SignIn) -> None:
    scores = sign_in("officer").get("/api/scores").json()
    assert scores["formula"]["source"] and scores["formula"]["weights"]
    for department in scores["departments"]:
        for rate in department["rates"].values():
            assert rate["num"] <= rate["den"]
        assert (department["rank"] is None) == (department["n"] < 10)
    first = scores["departments"][0]
    events = sign_in("officer").get(f"/api/scores/{first['department']}/events?rate=on_time").json()
    assert events["total"] == first["rates"]["on_time"]["den"]


def test_sources_tell_freshness_and_quality(sign_in: SignIn) -> None:
    steward = sign_in("steward")
    (source,) = steward.get("/api/sources").json()["items"]
    assert source["rows"] > 2000 and source["state"] in ("ok", "late", "idle")
    shown = steward.get(f"/api/sources/{source['id']}").json()
    assert shown["deliveries"] and {field["name"] for field in shown["quality"]["fields"]} >= {"pm25", "station"}


def test_the_map_has_the_stations_with_their_index(sign_in: SignIn) -> None:
    officer = sign_in("officer")
    (layer,) = officer.get("/api/layers").json()
    features = officer.get(f"/api/layers/{layer['id']}").json()["features"]
    assert len(features) == 12
    assert all(feature["properties"]["name"]["zh-CN"] for feature in features)
    assert any(feature["properties"]["value"] for feature in features)
    series = officer.get(f"/api/layers/{layer['id']}/series?key=Dongsi&hours=24").json()
    assert series
    for panel in officer.get("/api/panels").json():
        assert officer.get(f"/api/panels/{panel['id']}").status_code == 200


def test_the_live_channel_resumes_without_gap_or_double(sign_in: SignIn, city: City) -> None:
    officer = sign_in("officer")
    everything = officer.get("/api/events?limit=1000").json()["items"]

    def listen(after: int, count: int) -> list[int]:
        seen: list[int] = []
        with officer.websocket_connect(f"/api/live?after={after}") as socket:
            while len(seen) < count:
                frame = json.loads(socket.receive_text())
                if frame["type"] != "clock":
                    seen.append(frame["seq"])
        return seen

    first = listen(0, 40)
    second = listen(first[-1], 60)
    assert first + second == [event["seq"] for event in everything[:100]]


def test_the_live_channel_tells_a_clerk_that_something_changed_but_not_what(sign_in: SignIn) -> None:
    with sign_in("industry").websocket_connect("/api/live?after=0") as socket:
        for _ in range(30):
            frame = json.loads(socket.receive_text())
            if frame["type"] != "clock":
                assert frame["data"] == {} and frame["actor"] == ""
                assert not frame["type"].startswith(("account.", "session."))


def test_the_live_channel_is_closed_to_strangers(sign_in: SignIn) -> None:
    with sign_in("").websocket_connect("/api/live") as socket, pytest.raises(WebSocketDisconnect) as closed:
        socket.receive_text()
    assert closed.value.code == 4401
    foreign = {"origin": "http://evil.test"}
    with (
        sign_in("officer").websocket_connect("/api/live", headers=foreign) as socket,
        pytest.raises(WebSocketDisconnect) as closed,
    ):
        socket.receive_text()
    assert closed.value.code == 4403

"""The city at a glance: what is counted is what the lists hold, trimmed to who asks."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from fastapi.testclient import TestClient

from cityheart.city import City
from cityheart.kernel.text import text
from cityheart.web import store
from cityheart.web.app import create_app

from ..played import PASSWORD, again
from .scene import SYSTEM


@pytest.fixture(scope="module")
def city(two_days: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[City]:
    """Beijing for two days: an alert, a plan started for it, tasks waiting at departments."""
    city = again(two_days, tmp_path_factory.mktemp("wall") / "city", "2015-11-28")
    alert: Any = city.watch.alerts(SYSTEM)["items"][0]  # type: ignore[index]
    plan = city.command.suggest(alert["kind"], alert["level"], city.clock.now())[0].plan
    spec = {"alert_id": alert["id"], "title": alert["kind_title"], "kind": alert["kind"], "level": alert["level"]}
    city.command.dispatch(SYSTEM, "wall-0001", spec, plan.digest)
    city.serve.create(SYSTEM, "nothing", PASSWORD, name=text("无", "none"), department=None, roles=[])
    yield city
    city.close()


def glance(city: City, username: str) -> dict[str, Any]:
    client = TestClient(create_app(city), base_url="http://testserver")
    assert client.get("/api/wall").status_code == 401
    assert client.post("/api/session", json={"username": username, "password": PASSWORD}).status_code == 200
    answer = client.get("/api/wall")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_counts_are_those_of_the_lists(city: City) -> None:
    seen = glance(city, "officer")
    alerts: Any = city.watch.alerts(SYSTEM, state="open")["items"]
    for level in seen["alerts"]["levels"]:
        for state in ("raised", "acknowledged"):
            wanted = [one for one in alerts if (one["level"], one["state"]) == (level["level"], state)]
            assert level[state] == len(wanted)
    assert len(alerts) > 0
    tasks, total = city.command.tasks(SYSTEM, over=False)
    assert seen["tasks"]["open"] == total == sum(one["open"] for one in seen["tasks"]["departments"]) > 0
    for one in seen["tasks"]["departments"]:
        own = [task for task in tasks if task.unit == one["code"]]
        assert one["open"] == len(own) and sum(one["states"].values()) == len(own)
        assert one["title"]["zh-CN"] != one["code"]
    assert seen["incidents"] == {"open": 1, "today": {"opened": 1, "closed": 0}}
    midnight = city.clock.now().astimezone(ZoneInfo("Asia/Shanghai")).replace(hour=0, minute=0, second=0, microsecond=0)
    assert datetime.fromisoformat(seen["day"]) == midnight


def test_what_one_may_not_see_is_not_there(city: City) -> None:
    nothing = glance(city, "nothing")
    assert nothing["alerts"] is nothing["tasks"] is nothing["incidents"] is None
    steward = glance(city, "steward")
    assert steward["alerts"] is steward["tasks"] is None
    clerk = glance(city, "ecology")
    whole = glance(city, "officer")
    assert {one["code"] for one in clerk["tasks"]["departments"]} <= {"ecology"}
    assert clerk["tasks"]["open"] < whole["tasks"]["open"]


def test_late_and_closed_are_counted(city: City) -> None:
    city.clock.advance_to(city.clock.now() + timedelta(days=30))  # type: ignore[attr-defined]
    city.command.tick(city.clock.now())
    seen = glance(city, "officer")["tasks"]
    assert 0 < seen["late"] <= seen["open"]
    assert seen["departments"][0]["late"] == max(one["late"] for one in seen["departments"])
    with city.database.read() as conn:
        assert store.tasks_closed_since(conn, None, city.clock.now() - timedelta(days=1)) == (0, 0)
        assert store.tasks_closed_since(conn, frozenset(), city.clock.now() - timedelta(days=60)) == (0, 0)
        raised, _ = store.alerts_since(conn, None, city.clock.now() - timedelta(days=60))
        assert raised > 0
        assert store.alerts_since(conn, frozenset(), city.clock.now() - timedelta(days=60)) == (0, 0)

"""How many alerts there are to take: the arithmetic, and the count of a whole city on both databases."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st

from cityheart.engine.lake import Lake
from cityheart.kernel import limits
from cityheart.kernel.actors import Actor
from cityheart.kernel.clock import VirtualClock
from cityheart.kernel.database import Database
from cityheart.kernel.errors import Forbidden, Invalid, TooMany
from cityheart.watch.alarms.api import router
from cityheart.watch.alarms.rate import Annunciation, Told, called, count, floods, targets

from . import scene
from .test_watch_suppress import OFFICER, Desk

START = datetime(2026, 5, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def desk(database: Database, tmp_path: Path, clock: VirtualClock) -> Desk:
    lake = Lake(tmp_path / "lake")
    lake.ensure(scene.NOISE)
    return Desk(database, scene.watch_over(database, lake, [scene.Loud()]), clock)


def call(
    minute: float, level: int = 3, *, silent: bool = False, taken: float | None = None, over: float | None = None
) -> Annunciation:
    return Annunciation(
        f"alert-{minute}",
        START + minute * MINUTE,
        level,
        silent,
        None if taken is None else START + taken * MINUTE,
        None if over is None else START + over * MINUTE,
    )


def counted(calls: Sequence[Annunciation], minutes: int = 59, operators: int = 1) -> Any:
    return count(calls, START, START + minutes * MINUTE, operators)


@pytest.mark.parametrize(
    ("rates", "spans"),
    [
        ([0, 10, 0], []),  # ten are none
        ([0, 11, 0], [(1, 1)]),
        ([11, 5, 5, 4.9, 11], [(0, 2), (4, 4)]),  # it goes on until fewer than five
        ([3, 12, 20], [(1, 2)]),  # still going on
    ],
)
def test_a_flood_begins_above_ten_and_ends_below_five(rates: list[float], spans: list[tuple[int, int]]) -> None:
    found, share = floods(rates)
    assert found == spans
    assert share == pytest.approx(sum(last - first + 1 for first, last in spans) / len(rates))


@given(st.lists(st.floats(0, 40), min_size=1, max_size=60))
def test_floods_are_apart_and_hold_every_bin_above(rates: list[float]) -> None:
    found, share = floods(rates)
    inside = {n for first, last in found for n in range(first, last + 1)}
    rule = targets()["rate"]
    assert {n for n, rate in enumerate(rates) if rate > rule["flood_above"]} <= inside
    assert all(rates[n] >= rule["flood_below"] for n in inside)
    assert share == len(inside) / len(rates)


def test_bins_average_and_peak_are_for_one_of_the_people_on_duty() -> None:
    report = counted([call(0), call(9.99), call(10), call(59), call(61), call(-1), call(20, silent=True)], operators=2)
    assert [each["alerts"] for each in report["bins"]] == [2, 1, 0, 0, 0, 1]
    assert [each["per_operator"] for each in report["bins"]] == [1, 0.5, 0, 0, 0, 0.5]
    assert (report["total"], report["silent"], report["average"]) == (4, 1, pytest.approx(2 / 6))
    assert report["peak"] == {"at": START, "per_operator": 1}
    assert (report["floods"], report["flood_share"]) == ([], 0)


def test_a_flood_says_how_long_and_how_many() -> None:
    report = counted([call(10 + n / 10) for n in range(12)] + [call(25 + n / 10) for n in range(6)])
    (flood,) = report["floods"]
    assert flood == {"from": START + 10 * MINUTE, "to": START + 30 * MINUTE, "alerts": 18, "peak": 12}
    assert report["flood_share"] == pytest.approx(2 / 6)


def test_priorities_are_shares_of_levels() -> None:
    report = counted([call(1, 1), call(2, 2), call(3, 3), call(4, 4)])
    assert report["priorities"] == {"1": 0.25, "2": 0.25, "3": 0.25, "4": 0.25}
    assert counted([])["priorities"] == {"1": None, "2": None, "3": None, "4": None}
    assert counted([])["acknowledged"]["share"] is None


def test_in_time_is_judged_when_its_time_has_come() -> None:
    allowed = targets()["own"]["acknowledge_minutes"]
    assert allowed == {"1": 5, "2": 15, "3": 60, "4": 240}
    report = counted(
        [
            call(0, 1, taken=5),  # just in time
            call(1, 1, taken=6.01),  # too late
            call(2, 1),  # nobody
            call(3, 1, over=4),  # over before its time
            call(4, 1, over=30),  # over after its time, and nobody had looked
            call(57, 1),  # its time is still running
            call(5, 2, taken=6),
        ]
    )["acknowledged"]
    assert (report["due"], report["in_time"]) == (5, 2)
    red = report["levels"]["1"]
    assert (red["minutes"], red["due"], red["in_time"], red["median_s"]) == (5, 4, 1, pytest.approx(300.3))
    assert report["levels"]["2"]["in_time"] == 1 and report["levels"]["3"]["median_s"] is None


def test_an_alert_calls_when_it_is_raised_rises_or_comes_back() -> None:
    story = [
        Told("raised", START, 3),
        Told("acknowledged", START + MINUTE, 3),
        Told("fell", START + 2 * MINUTE, 4),
        Told("rose", START + 3 * MINUTE, 2),
        Told("suppressed", START + 4 * MINUTE, 2),
        Told("returned", START + 5 * MINUTE, 2),
        Told("ended", START + 6 * MINUTE, None),
        Told("raised", START + 90 * MINUTE, 1),
    ]
    found = called("a", story, START + 60 * MINUTE)
    assert [(each.at - START) / MINUTE for each in found] == [0, 3, 5]
    assert [each.level for each in found] == [3, 2, 2]
    assert found[0].acknowledged == START + MINUTE and found[0].over is None
    assert [each.over for each in found[1:]] == [START + 4 * MINUTE, START + 6 * MINUTE]


def test_a_city_is_counted_with_its_worst_and_its_stale(desk: Desk) -> None:
    quarter = timedelta(minutes=15)
    desk.say("old", 3)
    desk.clock.advance_to(desk.clock.now() + timedelta(hours=25))
    for _ in range(3):
        desk.say("east", 4, after=quarter)
        desk.say("east", None, after=timedelta(minutes=2))
    desk.say("west", 2, after=quarter)
    desk.watch.acknowledge(OFFICER, desk.alert("west")["id"], "acknowledge-1")
    desk.clock.advance_to(desk.clock.now() + timedelta(hours=1))
    report: Any = desk.watch.rates.rate(OFFICER, hours=24)
    assert report["total"] == 4 and report["operators"] == {"n": 1, "from": "assumed"}
    assert len(report["bins"]) == 144 and sum(each["alerts"] for each in report["bins"]) == 4
    assert (report["until"] - report["bins"][-1]["at"]) < timedelta(minutes=10)
    assert [(each["subject"]["id"], each["alerts"]) for each in report["matters"]] == [("east", 3), ("west", 1)]
    assert [(each["kind"], each["share"]) for each in report["kinds"]] == [("loud", 1.0)]
    assert report["top_share"] is None
    assert [(each["subject"]["id"], each["alerts"]) for each in report["chattering"]] == [("east", 3)]
    assert report["fleeting"] == 3
    assert report["stale"]["total"] == 1
    (stale,) = report["stale"]["items"]
    assert stale["subject"]["id"] == "old" and stale["hours"] > 24 and stale["incident_id"] is None
    assert (report["acknowledged"]["due"], report["acknowledged"]["in_time"]) == (1, 1)
    verdicts = {each["measure"]: each["verdict"] for each in report["verdicts"]}
    assert verdicts == {
        "average": "good", "peak": "good", "flood_share": "good", "top_share": "none", "chattering": "bad", "stale": "good",
    }  # fmt: skip
    earlier: Any = desk.watch.rates.rate(OFFICER, hours=2, until=scene.START + 2 * scene.HOUR, operators=3)
    assert (earlier["total"], earlier["operators"]) == (1, {"n": 3, "from": "given"})
    desk.watch.rates.register_operators(lambda at: 4)
    assert desk.watch.rates.rate(OFFICER)["operators"] == {"n": 4, "from": "roster"}


def test_what_cannot_be_counted(desk: Desk, nobody: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
    rate = desk.watch.rates.rate
    for hours, operators in ((0, 1), (limits.RATE_HOURS + 1, 1), (24, 0), (24, limits.RATE_OPERATORS + 1)):
        with pytest.raises(Invalid):
            rate(OFFICER, hours=hours, operators=operators)
    with pytest.raises(Invalid):
        rate(OFFICER, until=datetime(2026, 5, 1))
    with pytest.raises(Forbidden):
        rate(nobody)
    desk.say("east", 3)
    desk.say("west", 3)
    monkeypatch.setattr(limits, "RATE_ALERTS", 1)
    with pytest.raises(TooMany):
        rate(OFFICER)
    monkeypatch.undo()


def test_the_routes(desk: Desk) -> None:
    app = FastAPI()
    app.include_router(router(desk.watch.suppressing, desk.watch.rates))

    @app.middleware("http")
    async def signed_in(request: Request, follow: Any) -> Any:
        request.state.actor = OFFICER
        return await follow(request)

    web = TestClient(app)
    desk.say("east", 3)
    alert = desk.alert("east")["id"]
    until = (desk.clock.now() + timedelta(hours=8)).isoformat()
    click = {"command_id": "click-0001", "scope": "matter", "until": until, "reason": "检修"}
    made = [web.post(f"/api/alerts/{alert}/suppress", json=click) for _ in range(2)]
    assert [each.status_code for each in made] == [200, 200] and made[0].json() == made[1].json()
    id = made[0].json()["id"]
    listed = web.get("/api/suppressions").json()
    assert [each["id"] for each in listed["items"]] == [id] and listed["items"][0]["alerts"]["held"] == 1
    assert web.get(f"/api/suppressions/{id}").json()["level"] == 3
    assert web.get("/api/alerts/rate", params={"hours": 1}).json()["total"] == 1
    lifted = web.delete(f"/api/suppressions/{id}", params={"command_id": "click-0002", "reason": "好了"})
    assert lifted.json()["state"] == "lifted" and desk.queue() == ["east"]
    for bad in ({**click, "scope": "city"}, {**click, "reason": ""}, {**click, "until": "soon"}):
        assert web.post(f"/api/alerts/{alert}/suppress", json=bad).status_code == 422
    assert web.get("/api/alerts/rate", params={"hours": 0}).status_code == 422

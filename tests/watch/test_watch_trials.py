"""Trials: a backtest beside the present parameters and beside what was real, with progress, a stop and a record."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from cityheart.kernel import events, limits
from cityheart.kernel.actors import Actor
from cityheart.kernel.clock import VirtualClock
from cityheart.kernel.database import Database
from cityheart.kernel.errors import Forbidden, Invalid, NotFound
from cityheart.kernel.jobs.service import Jobs, Running
from cityheart.kernel.text import text
from cityheart.watch.trials.compare import Case, compared
from cityheart.watch.trials.service import Trials

from . import scene

ANALYST = Actor("user:analyst", text("分析员", "Analyst"), None, frozenset({"analyst"}))
ZONE = ZoneInfo("Asia/Shanghai")
DAYS = 6
SINCE, UNTIL = scene.START, scene.START + timedelta(days=DAYS)
START = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture
def trials(database: Database, clock: VirtualClock, tmp_path: Path, jobs: Jobs) -> Trials:
    """A city that lived through six days of noise."""
    lake = scene.lake_at(tmp_path / "lake")
    watch = scene.watch_over(database, lake, [scene.Loud(), scene.silent()])
    rows = scene.readings(24 * DAYS, seed=3)
    lake.append("noise", rows)
    watch.detect(scene.last_known(rows))
    clock.advance_to(scene.last_known(rows))
    watch.apply(clock.now())
    trials = Trials(database, watch, jobs, ZONE)
    trials.register({"noise.loud": {"id": "noise", "title": text("噪声", "Noise")}}, {})
    return trials


@pytest.fixture
def jobs(database: Database, tmp_path: Path) -> Iterator[Jobs]:
    jobs = Jobs(database, tmp_path / "jobs")
    yield jobs
    jobs.close()


def _tried(trials: Trials, detector: str, parameters: dict[str, object], command: str = "command-1") -> dict[str, Any]:
    started = trials.start(ANALYST, command, detector, SINCE, UNTIL, parameters, "a try")
    trials._jobs.wait()
    return trials._jobs.job(ANALYST, str(started["id"]))


def test_the_present_parameters_give_what_was_real(trials: Trials) -> None:
    for number, detector in enumerate(("noise.loud", "noise.silent")):
        done = _tried(trials, detector, {}, f"command-{number}")
        result = done["result"]
        assert (done["state"], done["share"], result["against"], result["present"]) == ("done", 1.0, "real", None)
        assert (result["gained_total"], result["lost_total"]) == (0, 0) and result["kept_total"] > 1
        assert [day["trial"] for day in result["days"]] == [day["real"] for day in result["days"]]
        shown: Any = trials.detector(ANALYST, detector, {})
        assert (shown["look_seconds"] is None) == (detector == "noise.loud") != (shown["rows_per_second"] is None)
        assert sum(day["trial"] for day in result["days"]) == result["trial"]["raised"] == result["real"]


def test_other_parameters_are_set_beside_the_present_ones(trials: Trials, database: Database) -> None:
    (name, usual), *_ = scene.Loud().parameters.items()
    assert isinstance(usual, (int, float))
    stricter = _tried(trials, "noise.loud", {name: usual + 5})["result"]
    assert stricter["against"] == "present" and stricter["lost_total"] > 0 == stricter["gained_total"]
    assert stricter["lost_total"] < stricter["present"]["raised"] == stricter["real"]
    assert stricter["kept_total"] == stricter["trial"]["raised"]
    assert all(case["alert"] is not None for case in stricter["lost"])  # each was real and can be opened
    with database.read() as conn:
        found = [event for event in events.read(conn) if event.stream.startswith("job:")]
    assert [event.type for event in found] == ["job.asked", "job.done"]
    assert found[1].data["lost_total"] == stricter["lost_total"] and found[0].actor == ANALYST.id
    shown: Any = trials.detector(ANALYST, "noise.loud", {})["trials"]
    assert [one["given"]["parameters"] for one in shown] == [{name: usual + 5}] and "gained" not in shown[0]["result"]
    assert trials.detector(ANALYST, "noise.silent", {})["trials"] == []


def test_a_trial_is_seen_under_way_and_stopped(
    trials: Trials, jobs: Jobs, officer: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached, go_on = threading.Event(), threading.Event()
    plain = Running.pace

    def held(self: Running, share: float) -> None:
        plain(self, share)
        if share > 0:
            reached.set()
            assert go_on.wait(30)

    monkeypatch.setattr(Running, "pace", held)
    started: Any = trials.start(ANALYST, "command-1", "noise.silent", SINCE, UNTIL, {})
    assert reached.wait(30) and started["state"] in ("waiting", "running")
    seen: Any = jobs.job(officer, started["id"])
    assert seen["state"] == "running" and seen["total"] == 24 * DAYS and 0 < seen["done"] < seen["total"]
    assert seen["unit"] == text("小时", "hours") and seen["may"] == {"stop": False}
    with pytest.raises(Forbidden):
        jobs.stop(officer, "command-2", started["id"])
    jobs.stop(ANALYST, "command-3", started["id"])
    go_on.set()
    jobs.wait()
    stopped = jobs.job(ANALYST, started["id"])
    assert stopped["state"] == "stopped" and stopped["result"] is None
    monkeypatch.undo()
    assert _tried(trials, "noise.silent", {}, "command-4")["state"] == "done"


def test_what_cannot_be_tried_is_refused_and_what_fails_says_why(trials: Trials, officer: Actor) -> None:
    start = trials.start
    with pytest.raises(Forbidden):
        start(officer, "command-1", "noise.loud", SINCE, UNTIL, {})
    with pytest.raises(NotFound):
        start(ANALYST, "command-1", "noise.other", SINCE, UNTIL, {})
    for since, until, parameters in (
        (UNTIL, SINCE, {}),
        (SINCE, SINCE + limits.TRIAL_SPAN + scene.HOUR, {}),
        (SINCE, UNTIL, {"no_such": 1}),
        (SINCE.replace(tzinfo=None), UNTIL, {}),
        (UNTIL + timedelta(days=900), UNTIL + timedelta(days=901), {}),
    ):
        with pytest.raises(Invalid):
            start(ANALYST, "command-1", "noise.loud", since, until, parameters)
    with pytest.raises(Invalid):
        start(ANALYST, "command-1", "noise.loud", SINCE, UNTIL, {}, "x" * 200)


def test_detectors_are_shown_with_what_people_made_of_their_alerts(trials: Trials, officer: Actor) -> None:
    fresh = {"noise": {"title": text("噪声", "Noise"), "freshness_seconds": 60.0, "state": "flowing"}}
    before: Any = {one["id"]: one for one in trials.detectors(officer, fresh)}
    loud = before["noise.loud"]
    assert loud["inputs"] == [{"dataset": "noise", **fresh["noise"]}] and loud["app"]["id"] == "noise"
    counts = loud["last_30_days"]
    assert counts["findings"] > 0 and counts["taken"] == 0
    assert counts["alerts"] == counts["over"] + counts["waiting"] > 0
    shown: Any = trials.detector(officer, "noise.loud", fresh)
    assert sum(sum(day["levels"].values()) for day in shown["days"]) == counts["findings"]
    assert {one["name"] for one in shown["parameters"]} == set(scene.Loud().parameters)
    with pytest.raises(NotFound):
        trials.detector(officer, "noise.other", fresh)


def test_cases_meet_when_they_are_of_one_matter_at_one_time() -> None:
    def case(name: str, start: int, end: int | None, alert: str | None = None) -> Case:
        moment = START + start * scene.HOUR
        over = None if end is None else START + end * scene.HOUR
        return Case("loud", ("place", name), text(name, name), 2, moment, over, alert)

    until = START + timedelta(days=2)
    real = [case("a", 1, 3, "alert-1"), case("b", 20, None, "alert-2")]
    trial = [case("a", 2, 5), case("a", 6, 7), case("b", 30, None), case("c", 4, 5)]
    found: Any = compared(trial, None, real, START, until, ZONE)
    assert [one["subject"]["id"] for one in found["gained"]] == ["a", "c"] and found["lost_total"] == 0
    assert [day["trial"] for day in found["days"]] == [3, 1, 0]
    found = compared(trial, [case("a", 1, 9), replace(case("b", 1, 2), kind="other")], real, START, until, ZONE)
    assert ([one["subject"]["id"] for one in found["gained"]], found["lost_total"]) == (["b", "c"], 1)
    assert found["gained"][0]["alert"] == "alert-2"

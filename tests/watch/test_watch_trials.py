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
from cityheart.kernel.errors import Conflict, Forbidden, Invalid, NotFound
from cityheart.kernel.text import text
from cityheart.watch.models import Person
from cityheart.watch.trials import service, store
from cityheart.watch.trials.compare import Case, compared
from cityheart.watch.trials.models import Trial
from cityheart.watch.trials.service import Trials

from . import scene

ANALYST = Actor("user:analyst", text("分析员", "Analyst"), None, frozenset({"analyst"}))
ANALYST_PERSON = Person(ANALYST.id, ANALYST.name)
ZONE = ZoneInfo("Asia/Shanghai")
DAYS = 6
SINCE, UNTIL = scene.START, scene.START + timedelta(days=DAYS)
START = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture
def wall() -> VirtualClock:
    return VirtualClock(START)


@pytest.fixture
def trials(database: Database, clock: VirtualClock, tmp_path: Path, wall: VirtualClock) -> Iterator[Trials]:
    """A city that lived through six days of noise."""
    lake = scene.lake_at(tmp_path / "lake")
    watch = scene.watch_over(database, lake, [scene.Loud(), scene.silent()])
    rows = scene.readings(24 * DAYS, seed=3)
    lake.append("noise", rows)
    watch.detect(scene.last_known(rows))
    clock.advance_to(scene.last_known(rows))
    watch.apply(clock.now())
    trials = Trials(database, watch, ZONE, wall)
    trials.register({"noise.loud": {"id": "noise", "title": text("噪声", "Noise")}}, {})
    yield trials
    trials.close()


def _tried(trials: Trials, detector: str, parameters: dict[str, object], command: str = "command-1") -> dict[str, Any]:
    started = trials.start(ANALYST, command, detector, SINCE, UNTIL, parameters, "a try")
    trials.wait()
    return trials.trial(ANALYST, str(started["id"]))


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
        found = [event for event in events.read(conn) if event.type.startswith("trial.")]
    assert [event.type for event in found] == ["trial.started", "trial.finished"]
    assert found[1].data["lost_total"] == stricter["lost_total"] and found[0].actor == ANALYST.id
    assert trials.trials(ANALYST, "noise.loud")["total"] == 1 and trials.trials(ANALYST, "noise.silent")["total"] == 0


def test_one_at_a_time_seen_under_way_and_stopped(
    trials: Trials, database: Database, wall: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached, go_on = threading.Event(), threading.Event()
    monkeypatch.setattr(service, "_NOTED_SECONDS", 0.0)
    plain = Trials._pace

    def held(self: Trials, *given: Any) -> Any:
        pace = plain(self, *given)

        def wait(share: float) -> None:
            pace(share)
            reached.set()
            go_on.wait(20)

        return wait

    monkeypatch.setattr(Trials, "_pace", held)
    started: Any = trials.start(ANALYST, "command-1", "noise.silent", SINCE, UNTIL, {})
    assert reached.wait(20) and started["state"] == "running"
    with pytest.raises(Conflict, match="is running a backtest"):
        trials.start(ANALYST, "command-2", "noise.loud", SINCE, UNTIL, {})
    earlier = Trial(
        "trial-over",
        "noise.loud",
        "over",
        ANALYST_PERSON,
        {},
        SINCE,
        UNTIL,
        "done",
        1.0,
        START,
        START,
        START,
        1.0,
        None,
        None,
    )
    with database.work(ANALYST) as work:
        store.insert(work.conn, earlier)
    trials.stop(ANALYST, "command-over", earlier.id)  # stops nothing else
    assert trials.trial(ANALYST, started["id"])["state"] == "running"
    with database.work(ANALYST) as work:
        store.stop(work.conn, started["id"], START)  # asked for in another program: found at the next step
    go_on.set()
    trials.wait()
    stopped = trials.trial(ANALYST, started["id"])
    assert stopped["state"] == "stopped" and stopped["result"] is None
    assert trials.stop(ANALYST, "command-3", started["id"])["state"] == "stopped"
    monkeypatch.undo()
    assert _tried(trials, "noise.silent", {}, "command-4")["state"] == "done"


def test_a_trial_whose_program_died_is_said_to_be_interrupted(
    trials: Trials, database: Database, wall: VirtualClock
) -> None:
    done = _tried(trials, "noise.loud", {})
    with database.work(ANALYST) as work:
        store.finish(work.conn, done["id"], state="running", ended_at=None)
    assert trials.trial(ANALYST, done["id"])["state"] == "running"
    wall.advance_to(START + limits.TRIAL_SILENT + timedelta(seconds=1))
    assert trials.trial(ANALYST, done["id"])["state"] == "interrupted"
    assert _tried(trials, "noise.loud", {}, "command-2")["state"] == "done"


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

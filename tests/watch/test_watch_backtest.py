"""Backtests: equal to what was raised live, other with other parameters, and blind to the future."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from cityheart.engine.lake import Lake
from cityheart.kernel.actors import Actor
from cityheart.kernel.clock import VirtualClock
from cityheart.kernel.database import Database
from cityheart.kernel.errors import Invalid, NotFound
from cityheart.kernel.ids import Ids
from cityheart.kernel.text import text
from cityheart.watch.models import QueryFinding
from cityheart.watch.service import Watch

from . import scene

ANALYST = Actor("user:analyst", text("分析员", "Analyst"), None, frozenset({"analyst"}))
HOURS = 24 * 16
END = scene.START + timedelta(hours=HOURS + 2)


@pytest.fixture
def rows() -> pa.Table:
    return scene.readings(HOURS, seed=3)


@pytest.fixture
def sqlite(tmp_path: Path, clock: VirtualClock, ids: Ids) -> Iterator[Database]:
    """A database of its own: replaying reads the lake alone."""
    database = Database(f"sqlite:///{tmp_path / 'city.sqlite'}", clock, ids)
    database.create_all()
    yield database
    database.close()


@pytest.fixture
def lived(sqlite: Database, clock: VirtualClock, tmp_path: Path, rows: pa.Table) -> Watch:
    """A city that has lived through the readings in pieces of five days."""
    lake = scene.lake_at(tmp_path / "lake")
    watch = scene.watch_over(sqlite, lake, [scene.Loud(), scene.Prophet(), scene.silent()])
    for piece in scene.chunks(rows, timedelta(days=5)):
        lake.append("noise", piece)
        watch.detect(scene.last_known(piece))
        clock.advance_to(scene.last_known(piece))
        watch.apply(clock.now())
    return watch


def _story(alert: Any) -> tuple[Any, ...]:
    changes = tuple((change["at"], change["level"] or 0, change["reason"]["en"]) for change in alert["levels"])
    return alert["subject"]["id"], changes, str(alert["ended_at"]), alert["findings"]


def test_a_backtest_raises_what_was_raised(
    database: Database, clock: VirtualClock, tmp_path: Path, rows: pa.Table
) -> None:
    lake = scene.lake_at(tmp_path / "lake")
    watch = scene.watch_over(database, lake, [scene.Loud(), scene.silent()])
    for piece in scene.chunks(rows, timedelta(days=5)):
        lake.append("noise", piece)
        watch.detect(scene.last_known(piece))
        clock.advance_to(scene.last_known(piece))
        watch.apply(clock.now())
    raised = scene.everything(watch, ANALYST)
    for detector, kind in (("noise.loud", "loud"), ("noise.silent", "silent")):
        report = watch.backtest(ANALYST, detector, scene.START, END)
        live = sorted(_story(one) for one in raised if one["kind"] == kind)
        assert sorted(_story(alert.json()) for alert in report.alerts) == live
        assert len(live) > 5
    assert watch.backtest(ANALYST, "noise.loud", scene.START, END).rows == rows.num_rows


@pytest.mark.parametrize("detector", ["noise.loud", "noise.silent"])
def test_the_future_is_not_counted(lived: Watch, clock: VirtualClock, rows: pa.Table, detector: str) -> None:
    present = scene.last_known(rows)
    here = lived.backtest(ANALYST, detector, scene.START, present)
    later = lived.backtest(ANALYST, detector, scene.START, present + timedelta(days=365))
    assert (later.until - present, later.rows) == (timedelta(microseconds=1), rows.num_rows)
    assert (later.alerted_days, later.alerted_hours) == (here.alerted_days, here.alerted_hours)
    assert any(alert.ended_at is None for alert in later.alerts)
    clock.advance_to(present + timedelta(days=2))
    silent = lived.backtest(ANALYST, detector, scene.START, present + timedelta(days=365))
    assert silent.until == clock.now()
    with pytest.raises(Invalid, match="nothing has happened yet"):
        lived.backtest(ANALYST, detector, clock.now(), clock.now() + scene.HOUR)


def test_a_query_tells_rows_and_runs(lived: Watch, rows: pa.Table) -> None:
    until = scene.START + timedelta(days=2)
    asked = lived.backtest(ANALYST, "noise.silent", scene.START, until)
    known = [moment for moment in rows["_known_at"].to_pylist() if moment < until]
    assert (asked.rows, asked.runs) == (len(known), 7)  # from 06:00 on, as the first row is known at 01:05
    assert lived.backtest(ANALYST, "noise.loud", scene.START, until).runs == 0


def test_a_window_of_the_past_warms_up_from_the_beginning(lived: Watch) -> None:
    whole = lived.backtest(ANALYST, "noise.loud", scene.START, END)
    since, until = scene.START + timedelta(days=6), scene.START + timedelta(days=9)
    part = lived.backtest(ANALYST, "noise.loud", since, until)
    expected = [
        (alert.subject.id, alert.raised_at)
        for alert in whole.alerts
        if alert.raised_at < until and (alert.ended_at is None or alert.ended_at > since)
    ]
    assert [(alert.subject.id, alert.raised_at) for alert in part.alerts] == expected
    assert 0 < part.alerted_hours <= 3 * 24
    assert 0 < part.alerted_days <= 4
    shown: Any = part.json()
    assert shown["raised"] == sum(moment >= since for _, moment in expected)
    assert sum(shown["highest"].values()) == len(expected)


def test_other_parameters_raise_something_else(lived: Watch) -> None:
    usual = lived.backtest(ANALYST, "noise.loud", scene.START, END)
    strict = lived.backtest(ANALYST, "noise.loud", scene.START, END, parameters={"lowest": 250.0})
    assert 0 < strict.alerted_hours < usual.alerted_hours
    assert strict.parameters == {"lowest": 250.0, "step": 50.0, "calm": 2}
    asked = lived.backtest(ANALYST, "noise.silent", scene.START, END, parameters={"hours": 10_000})
    assert asked.alerts == ()
    with pytest.raises(Invalid, match="no parameter loudness"):
        lived.backtest(ANALYST, "noise.loud", scene.START, END, parameters={"loudness": 1})
    with pytest.raises(NotFound, match=r"noise\.unknown"):
        lived.backtest(ANALYST, "noise.unknown", scene.START, END)
    with pytest.raises(Invalid):
        lived.backtest(ANALYST, "noise.loud", END, scene.START)


def test_a_detector_that_looks_ahead_is_refused(lived: Watch) -> None:
    with pytest.raises(Invalid, match=r"noise\.prophet looks ahead, first at 2015-11-01"):
        lived.backtest(ANALYST, "noise.prophet", scene.START, END)


def test_sql_cannot_see_the_future(sqlite: Database, tmp_path: Path) -> None:
    lake = scene.lake_at(tmp_path / "lake")
    greedy = scene.silent(
        id="noise.greedy",
        sql="SELECT 'city' AS station, count(*) AS hours FROM noise__versions",
        finding=QueryFinding("city", "station", text("城", "City"), level=4, score="hours"),
        parameters={},
    )
    watch = scene.watch_over(sqlite, lake, [greedy])
    hours = [{"station": "east", "observed_at": scene.START + n * scene.HOUR, "level": 1.0} for n in range(48)]
    lake.append("noise", scene.landed(hours))
    scores = []
    for days in (0.25, 1.0):
        at = scene.START + timedelta(days=days)
        found = _ask(lake, greedy, at)
        scores.append(found)
    assert scores == [5.0, 23.0]  # readings known at 06:00 and 24:00, of 48 that have landed
    assert watch.backtest(ANALYST, "noise.greedy", scene.START, END).alerts[0].raised_at > scene.START


def _ask(lake: Lake, detector: Any, at: datetime) -> float:
    from cityheart.watch.runs import Standing, ask

    (finding,) = ask(lake, detector, [at], Standing({}))
    return finding.score


def test_the_future_changes_nothing_in_the_past(sqlite: Database, tmp_path: Path, rows: pa.Table) -> None:
    cut = scene.START + timedelta(days=10)
    known = rows["_known_at"].to_pylist()
    past = rows.filter(pa.array([moment <= cut for moment in known]))
    later = rows.filter(pa.array([moment > cut for moment in known]))
    louder = later.set_column(2, "level", pa.array([900.0] * later.num_rows))
    stories = []
    for name, future in (("as it was", later), ("louder", louder)):
        lake = scene.lake_at(tmp_path / name)
        for piece in (past, future):
            lake.append("noise", piece)
        watch = Watch(sqlite, lake, scene.Landing(lake))
        watch.register([scene.Loud()], scene.kinds())
        report = watch.backtest(ANALYST, "noise.loud", scene.START, END)
        stories.append([c for a in report.alerts for c in a.levels if c.at <= cut])
    assert sorted(stories[0], key=str) == sorted(stories[1], key=str)
    assert len(stories[0]) > 10

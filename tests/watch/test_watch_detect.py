"""Detectors at work: nothing depends on how history is cut, on restarts, or on a neighbour that fails."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from cityheart.engine.keyed import State, Step
from cityheart.engine.lake import Lake
from cityheart.kernel import events
from cityheart.kernel.actors import Actor
from cityheart.kernel.clock import VirtualClock
from cityheart.kernel.database import Database
from cityheart.kernel.errors import BadRequest, Invalid
from cityheart.kernel.ids import Ids
from cityheart.watch.models import Finding, QueryFinding

from . import scene

HOURS = 24 * 4


def play(database: Database, lake: Lake, rows: pa.Table, span: timedelta, *, restart_every: int = 0) -> int:
    """Land the rows in pieces, live through each; with a new watch every so many pieces. Returns the findings made."""
    watch = scene.watch_over(database, lake)
    clock = database.clock
    assert isinstance(clock, VirtualClock)
    found = 0
    for number, piece in enumerate(scene.chunks(rows, span), 1):
        lake.append("noise", piece)
        moment = scene.last_known(piece)
        found += watch.detect(moment)
        while (due := watch.next_due()) is not None and due <= moment:
            clock.advance_to(due)
            watch.apply(due)
        clock.advance_to(moment)
        if restart_every and number % restart_every == 0:
            lake = Lake(lake.home)
            watch = scene.watch_over(database, lake)
    return found


def told(database: Database, lake: Lake, officer: Actor) -> tuple[object, object]:
    """Everything that can be seen of the past: alerts whole, and the derived rows."""
    watch = scene.watch_over(database, lake)
    peaks = lake.query("SELECT observed_at, peak, _known_at FROM noise_peak__versions ORDER BY observed_at")
    return scene.everything(watch, officer), peaks.to_pylist()


@pytest.fixture
def rows() -> pa.Table:
    return scene.readings(HOURS)


@pytest.fixture
def whole(rows: pa.Table, tmp_path: Path, officer: Actor) -> tuple[object, object]:
    """What one piece with everything gives, in a city of its own."""
    return alone(rows, tmp_path / "whole", officer, timedelta(days=365))


def alone(
    rows: pa.Table, folder: Path, officer: Actor, span: timedelta, restart_every: int = 0
) -> tuple[object, object]:
    folder.mkdir()
    clock = VirtualClock(scene.START)
    database = Database(f"sqlite:///{folder / 'city.sqlite'}", clock, Ids(clock, seed=1))
    database.create_all()
    lake = scene.lake_at(folder / "lake")
    play(database, lake, rows, span, restart_every=restart_every)
    result = told(database, lake, officer)
    database.close()
    return result


@pytest.mark.parametrize("hours", [1, 24, 72])
def test_alerts_do_not_depend_on_how_history_is_cut(
    hours: int, rows: pa.Table, whole: tuple[object, object], database: Database, tmp_path: Path, officer: Actor
) -> None:
    lake = scene.lake_at(tmp_path / "lake")
    play(database, lake, rows, timedelta(hours=hours))
    alerts, peaks = told(database, lake, officer)
    assert alerts == whole[0]
    assert peaks == whole[1]
    assert len(whole[0]) > 10  # type: ignore[arg-type]
    with database.read() as conn:
        assert events.verify(conn) == []


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(span=st.integers(8, 200), restart_every=st.integers(0, 3))
def test_any_cut_and_any_restart_give_the_same(
    span: int,
    restart_every: int,
    rows: pa.Table,
    whole: tuple[object, object],
    tmp_path_factory: pytest.TempPathFactory,
    officer: Actor,
) -> None:
    folder = tmp_path_factory.mktemp("cut") / "city"
    assert alone(rows, folder, officer, timedelta(hours=span), restart_every) == whole


def test_a_restart_mid_way_changes_nothing(
    rows: pa.Table, whole: tuple[object, object], database: Database, tmp_path: Path, officer: Actor
) -> None:
    lake = scene.lake_at(tmp_path / "lake")
    play(database, lake, rows, timedelta(hours=20), restart_every=1)
    assert told(database, lake, officer) == whole


class Torn(scene.Landing):
    """Lands the outputs, then the process dies before anything is stored about it."""

    def derived(self, dataset: str, rows: pa.Table, *, transaction: tuple[str, int]) -> int:
        super().derived(dataset, rows, transaction=transaction)
        raise KeyboardInterrupt


def test_a_death_between_outputs_and_checkpoint_doubles_nothing(
    rows: pa.Table,
    whole: tuple[object, object],
    database: Database,
    clock: VirtualClock,
    tmp_path: Path,
    officer: Actor,
) -> None:
    lake = scene.lake_at(tmp_path / "lake")
    first, second = scene.chunks(rows, timedelta(days=3))
    lake.append("noise", first)
    watch = scene.watch_over(database, lake)
    watch._share = Torn(lake)
    with pytest.raises(KeyboardInterrupt):
        watch.detect(scene.last_known(first))
    lake.append("noise", second)  # more has landed before the city is up again
    watch = scene.watch_over(database, Lake(lake.home))
    watch.detect(scene.last_known(second))
    watch.apply(scene.last_known(second))
    peaks = lake.query("SELECT observed_at, peak, _known_at FROM noise_peak__versions ORDER BY observed_at").to_pylist()
    assert peaks == whole[1]
    assert scene.everything(watch, officer) == whole[0]


@dataclass(frozen=True)
class Broken(scene.Loud):
    """Cannot go on at a loud reading."""

    id: str = "noise.broken"

    def step(self, state: State, batch: pa.Table) -> Step[Finding]:
        raise ZeroDivisionError("too loud")


def test_a_detector_that_fails_is_reported_and_the_others_go_on(
    rows: pa.Table, database: Database, tmp_path: Path, officer: Actor
) -> None:
    lake = scene.lake_at(tmp_path / "lake")
    wrong_sql = scene.silent(id="noise.wrong", sql="SELECT nothing FROM noise")
    watch = scene.watch_over(database, lake, [Broken(), scene.Loud(), wrong_sql])
    lake.append("noise", rows)
    moment = scene.last_known(rows)
    assert watch.detect(moment) > 0
    assert watch.detect(moment) == 0
    failures = {str(one["id"]): one["failure"] for one in watch.detectors(officer)}
    assert failures["noise.broken"] == "ZeroDivisionError: too loud"
    assert failures["noise.loud"] is None
    assert "BadRequest" in str(failures["noise.wrong"])
    with database.read() as conn:
        failed = [event.data["detector"] for event in events.read(conn, types=["detector.failed"])]
    assert sorted(map(str, failed)) == ["noise.broken", "noise.wrong"]
    assert (watch.next_due() or scene.START) < moment  # pending findings of the others; no instant of the failed one

    @dataclass(frozen=True)
    class Mended(scene.Loud):
        id: str = "noise.broken"

    watch = scene.watch_over(database, Lake(lake.home), [Mended(), scene.Loud()])
    assert watch.detect(moment) > 0
    assert {one["failure"] for one in watch.detectors(officer)} == {None}
    with database.read() as conn:
        assert [event.data["detector"] for event in events.read(conn, types=["detector.recovered"])] == ["noise.broken"]


@pytest.fixture
def sqlite(tmp_path: Path, clock: VirtualClock, ids: Ids) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path / 'city.sqlite'}", clock, ids)
    database.create_all()
    yield database
    database.close()


class Counting(Lake):
    """A lake that counts how often it is asked, and can be told to answer otherwise."""

    asked = 0
    fault: str | None = "out of order"

    def query(self, sql: str, *arguments: Any, **named: Any) -> pa.Table:
        self.asked += 1
        if self.fault is not None:
            raise BadRequest(self.fault)
        return super().query(sql, *arguments, **named)


def test_a_failing_query_is_tried_less_and_less_often_and_told_once(sqlite: Database, tmp_path: Path) -> None:
    scene.lake_at(tmp_path / "lake")
    lake = Counting(tmp_path / "lake")
    watch = scene.watch_over(sqlite, lake, [scene.silent(every=timedelta(minutes=10))])
    tried = []
    with capture_logs() as told:
        for second in range(0, 5 * 3600, 10):
            if second == 4 * 3600:
                lake.fault = "still out of order"
            before = lake.asked
            watch.detect(scene.START + timedelta(seconds=second))
            tried += [second / 60] * (lake.asked - before)
    assert tried == [0, 1, 3, 7, 15, 31, 63, 123, 183, 243]
    assert [line["why"] for line in told] == ["BadRequest: out of order", "BadRequest: still out of order"]
    lake.fault = None
    watch.detect(scene.START + timedelta(hours=6))
    assert lake.asked == len(tried) + 6 * 6 + 1  # every instant that was missed
    assert [one["failure"] for one in watch.detectors(Actor.system("test"))] == [None]


def test_a_silent_station_is_a_matter_until_it_speaks(
    database: Database, clock: VirtualClock, tmp_path: Path, officer: Actor
) -> None:
    lake = scene.lake_at(tmp_path / "lake")
    watch = scene.watch_over(database, lake, [scene.silent()])
    heard = [hour for hour in range(48) if not 5 <= hour < 30]
    rows = scene.landed([
        {"station": "east", "observed_at": scene.START + hour * scene.HOUR, "level": 10.0} for hour in heard
    ])  # fmt: skip
    lake.append("noise", rows)
    end = scene.START + 48 * scene.HOUR
    watch.detect(end)
    clock.advance_to(end)
    watch.apply(end)
    (alert,) = scene.everything(watch, officer)
    levels = [(change["level"], change["at"]) for change in alert["levels"]]  # type: ignore[attr-defined]
    # last reading: the hour from 04:00, known at 05:05; asked at 06:00, 12:00, … it speaks again at 31:05
    assert levels == [(4, scene.START + 12 * scene.HOUR), (None, scene.START + 36 * scene.HOUR)]
    assert alert["start_at"] == scene.START + 4 * scene.HOUR
    assert alert["reasons"] == [{"zh-CN": "7 小时无读数", "en": "no reading for 7 h"}]
    assert alert["department"] == "weather"


def test_what_cannot_be_is_refused_at_registration(database: Database, tmp_path: Path) -> None:
    lake = scene.lake_at(tmp_path / "lake")
    circle = replace(scene.Peak(), dataset="noise_peak")
    for detectors in ([scene.Loud(), scene.Loud()], [replace(scene.Loud(), kind="unheard")], [circle]):
        with pytest.raises(Invalid):
            scene.watch_over(database, lake, detectors)
    with pytest.raises(Invalid):
        scene.silent(every=timedelta(0))
    with pytest.raises(Invalid):
        scene.silent(inputs=())


@pytest.mark.parametrize("change", [{"detector": "another"}, {"kind": "silent"}, {"at": scene.START}])
def test_a_detector_answers_for_what_it_says(
    change: dict[str, object], rows: pa.Table, database: Database, tmp_path: Path, officer: Actor
) -> None:
    @dataclass(frozen=True)
    class Careless(scene.Loud):
        def _finding(self, row: object, level: int | None) -> Finding:
            return replace(super()._finding(row, level), **change)  # type: ignore[arg-type]

    lake = scene.lake_at(tmp_path / "lake")
    watch = scene.watch_over(database, lake, [Careless()])
    lake.append("noise", rows)
    assert watch.detect(scene.last_known(rows)) == 0
    assert str(watch.detectors(officer)[0]["failure"]).startswith("Invalid: noise.loud")


def test_a_level_for_which_nothing_is_declared_is_not_raised(
    rows: pa.Table, database: Database, tmp_path: Path, officer: Actor
) -> None:
    lake = scene.lake_at(tmp_path / "lake")
    watch = scene.watch_over(database, lake, [scene.Loud()])
    (loud, _) = scene.kinds()
    watch.register([], [replace(loud, levels={4: loud.levels[4]})])
    lake.append("noise", rows)
    assert watch.detect(scene.last_known(rows)) == 0
    assert "for which loud declares nothing" in str(watch.detectors(officer)[0]["failure"])


def test_a_query_that_names_no_such_column_says_so(
    rows: pa.Table, database: Database, tmp_path: Path, officer: Actor
) -> None:
    lake = scene.lake_at(tmp_path / "lake")
    finding = QueryFinding("station", "stations", {"zh-CN": "x", "en": "x"}, level=4)
    watch = scene.watch_over(database, lake, [scene.silent(finding=finding)])
    lake.append("noise", rows.slice(0, 1))
    watch.detect(scene.START + timedelta(days=2))
    assert "gives no column stations" in str(watch.detectors(officer)[0]["failure"])

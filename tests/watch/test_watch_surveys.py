"""Surveys: what they see at an instant, what becomes of the cases they see, and what happens when one fails."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from cityheart.kernel import limits
from cityheart.kernel.actors import Actor
from cityheart.kernel.clock import VirtualClock
from cityheart.kernel.database import Database
from cityheart.kernel.errors import Invalid
from cityheart.kernel.ids import Ids
from cityheart.kernel.text import Text, text
from cityheart.watch.merging import merge
from cityheart.watch.models import Finding, Input, Sighting, SubjectRef, Survey, View, said_by
from cityheart.watch.service import Watch

from . import scene

SYSTEM = Actor.system("test")


@pytest.fixture
def sqlite(tmp_path: Path, clock: VirtualClock, ids: Ids) -> Iterator[Database]:
    """A database on SQLite alone."""
    database = Database(f"sqlite:///{tmp_path / 'city.sqlite'}", clock, ids)
    database.create_all()
    yield database
    database.close()


DAY = timedelta(days=1)


@dataclass(frozen=True)
class Spells:
    """Loud spells of stations: each stands from its first loud hour until a day after its last, with its end known."""

    parameters: Mapping[str, object] = field(default_factory=lambda: {"loud": 150.0, "broken_after": ""})
    inputs: Mapping[str, Input] = field(
        default_factory=lambda: {"noise": Input(2 * DAY, ("station", "observed_at", "level"))}
    )
    id: str = "noise.spells"
    title: Text = field(default_factory=lambda: text("噪声时段", "Loud spells"))
    kind: str = "loud"
    every: timedelta = timedelta(hours=2)
    phase: timedelta = timedelta(minutes=30)

    def look(self, view: View) -> Sequence[Sighting]:
        """Spells of hours in a row."""
        if str(self.parameters["broken_after"]) and view.now.isoformat() > str(self.parameters["broken_after"]):
            raise ValueError("out of order")
        hours: dict[str, list[datetime]] = {}
        for row in sorted(view.rows("noise").to_pylist(), key=lambda one: one["observed_at"]):
            assert row["_known_at"] <= view.now
            if row["level"] >= float(str(self.parameters["loud"])):
                hours.setdefault(row["station"], []).append(row["observed_at"])
        return [self._sighting(view, station, spell) for station in hours for spell in _in_a_row(hours[station])]

    def _sighting(self, view: View, station: str, spell: list[datetime]) -> Sighting:
        over = view.now > spell[-1] + 3 * scene.HOUR
        return Sighting(
            SubjectRef("station", station, text(station, station)),
            level=2 if len(spell) > 3 else 3,
            start=spell[0],
            end=spell[-1] + scene.HOUR if over else None,
            score=0.9,
            reasons=(text(f"{len(spell)} 小时", f"{len(spell)} h"),),
            case=spell[0].isoformat(),
        )


def _in_a_row(hours: list[datetime]) -> list[list[datetime]]:
    spells: list[list[datetime]] = []
    for hour in hours:
        if spells and hour == spells[-1][-1] + scene.HOUR:
            spells[-1].append(hour)
        else:
            spells.append([hour])
    return spells


def test_what_surveys_find_does_not_depend_on_how_history_came(database: Database, tmp_path: Path) -> None:
    """Hour by hour or in one piece: the same alerts, the same cases; and a backtest says the same."""
    rows = scene.readings(150)
    told = []
    for number, pieces in enumerate(([rows], scene.chunks(rows, timedelta(hours=7)))):
        lake = scene.lake_at(tmp_path / str(number))
        watch = Watch(database, lake, scene.Landing(lake))
        watch.register([Spells(id=f"noise.spells{number}")], scene.kinds())
        for piece in pieces:
            lake.append("noise", piece)
            watch.detect(scene.last_known(piece))
        watch.apply(scene.last_known(rows))
        report = watch.backtest(SYSTEM, f"noise.spells{number}", scene.START, scene.last_known(rows) + DAY)
        found = [
            {name: one[name] for name in ("kind", "subject", "from", "to", "raised_at", "score")}
            for one in watch.cases(SYSTEM)
        ]
        stored = watch.detectors(SYSTEM)[0]
        assert (stored["form"], stored["inputs"], stored["findings"]) == ("survey", ["noise"], report.findings)
        told.append((found, [alert.json() for alert in report.alerts]))
        with database.work(SYSTEM) as work:
            for table in ("alert_level", "finding", "alert", "detector_checkpoint", "detector_state"):
                work.conn.exec_driver_sql(f"DELETE FROM {table}")
    assert told[0] == told[1]
    cases, alerts = told[0]
    assert len(cases) > len(alerts) > 2  # several cases of a station that stand at the same time make one alert
    assert all(case["to"] is None or case["from"] < case["to"] for case in cases)


def test_cases_side_by_side_are_one_alert(sqlite: Database) -> None:
    """The alert has the level of the most severe, and ends with the last; a detector's say is that of its worst case."""

    def said(case: str, level: int | None) -> Finding:
        subject = SubjectRef("station", "east", text("东", "east"))
        return Finding("noise.spells", "loud", subject, scene.START, scene.START, level=level, case=case)

    matter, turns = None, []
    for finding in (said("a", 3), said("b", 2), said("b", None), said("a", None)):
        turn, matter = merge(matter, finding)
        assert matter is not None
        turns.append((turn, matter.level, said_by(matter.standing)))
        matter = matter if matter.standing else None
    spells = "noise.spells"
    assert turns == [("raised", 3, {spells: 3}), ("rose", 2, {spells: 2}), ("fell", 3, {spells: 3}), ("ended", 3, {})]


def test_one_that_fails_does_not_stop_the_others(sqlite: Database, tmp_path: Path) -> None:
    """What it found before is kept, why it stopped is told, and it goes on where it was once it can."""
    rows = scene.readings(80)
    until = scene.last_known(rows)
    lake = scene.lake_at(tmp_path)
    broken = (scene.START + timedelta(hours=40)).isoformat()
    watch = Watch(sqlite, lake, scene.Landing(lake))
    parameters = {"loud": 150.0, "broken_after": broken}
    watch.register([Spells(id="noise.broken", parameters=parameters), Spells()], scene.kinds())
    lake.append("noise", rows)
    watch.detect(until)
    first, second = watch.detectors(SYSTEM)
    assert first["failure"] == "ValueError: out of order" and second["failure"] is None
    assert str(first["next_at"]) < str(second["next_at"])
    assert 0 < int(str(first["findings"])) < int(str(second["findings"]))

    mended = Watch(sqlite, lake, scene.Landing(lake))
    mended.register([Spells(id="noise.broken"), Spells()], scene.kinds())
    mended.detect(until)
    first, second = mended.detectors(SYSTEM)
    assert (first["failure"], first["findings"]) == (None, second["findings"])


@dataclass(frozen=True)
class Curious(Spells):
    """Looks where it has nothing to look."""

    parameters: Mapping[str, object] = field(default_factory=lambda: {"dataset": "", "file": ""})

    def look(self, view: View) -> Sequence[Sighting]:
        """Reads what its parameters name."""
        if self.parameters["dataset"]:
            view.rows(str(self.parameters["dataset"]))
        found = view.file(str(self.parameters["file"])) if self.parameters["file"] else b""
        return [] if found is None else [Sighting(SubjectRef("file", "f", text("f", "f")), 4, view.now)]


@pytest.mark.parametrize(
    ("parameters", "failure"),
    [
        ({"dataset": "noise_peak", "file": ""}, "not among its inputs"),
        ({"dataset": "", "file": "../city.key"}, "is no file of a city"),
        ({"dataset": "", "file": "large.geojson"}, "bytes"),
        ({"dataset": "", "file": "missing.geojson"}, None),
        ({"dataset": "noise", "file": "zones.geojson"}, None),
    ],
)
def test_a_survey_sees_what_it_declared(
    sqlite: Database,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    parameters: dict[str, object],
    failure: str | None,
) -> None:
    """Datasets of its inputs, files of the city's folder of a bounded size, nothing beside."""
    monkeypatch.setattr(limits, "CITY_FILE_BYTES", 100)
    home = tmp_path / "home"
    home.mkdir()
    (home / "zones.geojson").write_text("{}")
    (home / "large.geojson").write_text("x" * 101)
    lake = scene.lake_at(tmp_path / "lake")
    lake.append("noise", scene.readings(3))
    watch = Watch(sqlite, lake, scene.Landing(lake), folder=home)
    survey = Curious(parameters=parameters)
    assert isinstance(survey, Survey)
    watch.register([survey], scene.kinds())
    watch.detect(scene.START + DAY)
    (shown,) = watch.detectors(SYSTEM)
    assert shown["failure"] is None if failure is None else failure in str(shown["failure"])
    assert shown["findings"] == (1 if parameters["file"] == "zones.geojson" else 0)


def test_a_backtest_may_change_its_parameters_only(sqlite: Database, tmp_path: Path) -> None:
    """A louder threshold raises less; a parameter it does not have is refused."""
    rows = scene.readings(100)
    lake = scene.lake_at(tmp_path)
    lake.append("noise", rows)
    watch = Watch(sqlite, lake, scene.Landing(lake))
    watch.register([Spells()], scene.kinds())
    raised = [
        len(
            watch.backtest(
                SYSTEM, "noise.spells", scene.START, scene.last_known(rows), parameters={"loud": loud}
            ).alerts
        )
        for loud in (120.0, 1_000.0)
    ]
    assert raised[0] > raised[1]
    with pytest.raises(Invalid, match="no parameter"):
        watch.backtest(SYSTEM, "noise.spells", scene.START, scene.last_known(rows), parameters={"soft": 1})


@dataclass(frozen=True)
class Talkative(Spells):
    """Shows more evidence than is kept of its first spell."""

    parameters: Mapping[str, object] = field(default_factory=lambda: {"bytes": 0})

    def look(self, view: View) -> Sequence[Sighting]:
        """One case from the start, another with all that evidence a day later."""
        cases = [("calm", scene.START, 0)]
        if view.now >= scene.START + DAY:
            cases.append(("told", scene.START + DAY, int(str(self.parameters["bytes"]))))
        subject = SubjectRef("station", "east", text("东", "east"))
        return [
            Sighting(subject, 3, start, case=case, evidence=({"type": "rows", "rows": ["x" * size]},))
            for case, start, size in cases
        ]


def test_what_cannot_be_told_is_told_once_it_can(sqlite: Database, tmp_path: Path) -> None:
    """Evidence beyond what is kept stops a survey; the case is not taken for seen, and comes when the survey is mended."""
    lake = scene.lake_at(tmp_path)
    until = scene.START + 2 * DAY
    watch = Watch(sqlite, lake, scene.Landing(lake))
    watch.register([Talkative(parameters={"bytes": limits.EVIDENCE_BYTES})], scene.kinds())
    assert watch.detect(until) == 1
    assert "evidence" in str(watch.detectors(SYSTEM)[0]["failure"])
    mended = Watch(sqlite, lake, scene.Landing(lake))
    mended.register([Talkative()], scene.kinds())
    assert mended.detect(until) == 1
    mended.apply(until)
    assert [case["from"] for case in mended.cases(SYSTEM)] == [scene.START, scene.START + DAY]

"""Real history through the whole city: repeatable to the byte, whatever the pieces, the database, or an interruption."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from cityheart import examine
from cityheart.city import City
from cityheart.report import write_report
from cityheart.simulation.office import Office
from cityheart.simulation.staff import Staff

from ..played import ZONE, day, go_on, played

SINCE, UNTIL = "2015-11-26", "2015-12-02"


def _report(city: City, file: Path) -> str:
    write_report(city, file, since=day(SINCE), until=day(UNTIL), seconds=1, memory=1)
    return file.read_text("utf-8")


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The report of the plain play."""
    folder = tmp_path_factory.mktemp("reference")
    city = played(folder / "city", SINCE, UNTIL, staff=True, people=False)
    assert [proof.broken for proof in examine.verify(city)] == [[], [], []]
    told = _report(city, folder / "r.json")
    city.close()
    return told


def test_the_loop_closes(reference: str) -> None:
    told = json.loads(reference)
    (alert,) = [alert for alert in told["alerts"] if alert["kind"] == "heavy_pollution"]
    assert [level["level"] for level in alert["levels"]][:2] == [4, 3]
    assert all(alert["law"][field] for field in ("class", "area", "advice", "measures", "issuer", "issued_at"))
    assert told["tasks"]["by_state"]["closed"] > 20
    assert len(told["tasks"]["by_department"]) >= 8
    assert told["figures"]["rows"] == 6 * 24 * 12


@pytest.mark.parametrize("hours", [1, 24])
def test_the_size_of_the_pieces_changes_nothing(reference: str, tmp_path: Path, hours: int) -> None:
    city = played(tmp_path / "city", SINCE, UNTIL, staff=True, batch=timedelta(hours=hours), people=False)
    assert _report(city, tmp_path / "r.json") == reference
    city.close()


def test_postgresql_gives_the_same_report(reference: str, tmp_path: Path, postgres_database: str) -> None:
    city = played(tmp_path / "city", SINCE, UNTIL, staff=True, database_url=postgres_database, people=False)
    assert _report(city, tmp_path / "r.json") == reference
    assert [proof.broken for proof in examine.verify(city)] == [[], [], []]
    city.close()


def test_a_city_that_was_closed_in_the_middle_goes_on_as_if_nothing_had_been(reference: str, tmp_path: Path) -> None:
    city = played(tmp_path / "city", SINCE, "2015-11-29", staff=True, people=False)
    city.close()
    again = City.open(tmp_path / "city")
    again.participants.append(Staff(Office(again.database, again.watch, again.command), seed=1, zone=ZONE))
    go_on(again, "2015-11-29", UNTIL)
    assert _report(again, tmp_path / "r.json") == reference
    again.close()


def test_a_demonstration_killed_at_any_moment_goes_on_and_its_books_are_true(tmp_path: Path) -> None:
    home = tmp_path / "city"
    command = [sys.executable, "-m", "cityheart.cli", "demo", "air", "--headless", "--into", str(home)]
    command += ["--from", SINCE, "--to", UNTIL, "--report", str(tmp_path / "r.json")]
    for seconds in (3.0, 4.0, 5.5):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
    for _ in ("goes on to the end", "has nothing left to play"):
        ended = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert ended.returncode == 0, ended.stderr
        assert json.loads((tmp_path / "r.json").read_text("utf-8"))["from"] == "2015-11-25T16:00:00.000000Z"
    city = City.open(home)
    proofs = examine.verify(city)
    assert [proof.broken for proof in proofs] == [[], [], []]
    assert city.share.landed_rows()["air_hourly"] == 6 * 24 * 12
    city.close()


def test_staff_never_acts_in_anothers_name(reference: str) -> None:
    told = json.loads(reference)
    for alert in told["alerts"]:
        if alert["acknowledged_by"]:
            assert alert["acknowledged_by"]["id"] == "user:sim-officer"
            assert "模拟" in alert["acknowledged_by"]["name"]["zh-CN"]

"""The systems of a test city come up as what they are: a database, folders, interfaces with all their moods."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pytest

from cityheart import playing
from cityheart.sdk import load
from cityheart.share.connectors.base import Pull, SourceFailed
from cityheart.share.connectors.http import Http
from cityheart.share.connectors.sql import Sql
from cityheart.simulation.player import broker, serving
from cityheart.simulation.player.folder import CityFolder, read_drops
from cityheart.simulation.player.handed import RecordLog
from cityheart.simulation.player.serving import DropFolder, Interface, Interfaces
from cityheart.simulation.player.stage import Stage
from cityheart.simulation.player.store import ServedDatabase

from . import tiny

TOKEN = "TINY_TOKEN"
END = tiny.BEGIN + timedelta(hours=tiny.HOURS)
OPTIONS: dict[str, object] = {
    "url": "https://permits.invalid/permits",
    "records": "data.items",
    "since_param": "since",
    "since_field": "updated_at",
    "size_param": "limit",
    "size": 5,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write_city(tmp_path_factory.mktemp("tiny") / "city")


def test_without_a_broker_the_others_come_up(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def taken() -> None:
        raise OSError("no port is free")

    monkeypatch.setattr(broker.shutil, "which", lambda *_, **__: None)
    monkeypatch.setattr(broker, "Embedded", taken)
    app = load(tiny.write_app(tmp_path / "tiny"))
    found, _ = playing._parts(CityFolder.read(folder), [app])
    stage = Stage(
        found,
        work=tmp_path,
        folder=lambda source: tmp_path / source,
        since=tiny.BEGIN,
        begun=tiny.BEGIN,
        seed=7,
        speed=1,
    )
    stage.show(tiny.BEGIN)
    stage.close()
    assert [str(each) for each in stage.troubles] == [
        "tanks: no MQTT broker can be started: no port is free (install one: apt-get install mosquitto)"
    ]
    assert stage.differences.keys() == {"register.firm", "permits.permit", "trucks.position"}
    assert (tmp_path / "sheets.sheet" / "sheet_0.csv").is_file() and stage.waiting == 0


# ── interfaces ─────────────────────────────────────────────────────────────────────────────────────────────────────


class Served:
    """The permits behind HTTP in a style, with the connector that asks for them."""

    def __init__(self, folder: Path, style: str) -> None:
        self.options: dict[str, object] = {**OPTIONS, "style": style, "token_env": TOKEN}
        log = RecordLog(folder / "systems" / "permits" / "permit.jsonl", ("permit_no",))
        self.interface = Interface("permits.permit", log, ("permit_no",), self.options, seed=7)
        self.server = Interfaces([self.interface], seed=7, speed=1)
        self.url = self.server.address + self.interface.path
        self.cursor: dict[str, object] = {}

    def visit(self) -> list[dict[str, Any]]:
        """Ask until the visit ends, however often it is turned away."""
        found: list[dict[str, Any]] = []
        for _ in range(1_000):
            pull = Pull(
                "permits.permit", {**self.options, "url": self.url}, self.cursor, datetime(2026, 1, 1, tzinfo=UTC)
            )
            try:
                for pulled in Http().pull(pull):
                    self.cursor = dict(pulled.cursor or {})
                    if pulled.delivery is not None:
                        assert isinstance(pulled.delivery.payload, bytes)
                        found += json.loads(pulled.delivery.payload)
            except SourceFailed:
                continue
            return found
        raise AssertionError("the visit never ends")


@pytest.fixture(params=["cursor", "page", "single"])
def served(request: pytest.FixtureRequest, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setattr(serving, "REQUESTS_PER_SECOND", 5)
    found = Served(folder, request.param)
    monkeypatch.setenv(TOKEN, found.server.token)
    yield found
    found.server.close()


def test_everything_is_handed_over_through_all_moods(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "FAILURES", 0.3)
    monkeypatch.setattr(serving, "REPEATS", 0.5)
    served.interface.limited = False  # the limit has a test of its own
    served.interface.show(tiny.BEGIN)
    first = served.visit()
    assert sorted(record["permit_no"] for record in first) == sorted(f"P{number}" for number in range(17))
    assert all("_visible_from" not in record for record in first)
    served.interface.show(END)
    again = {record["permit_no"]: record["tonnes"] for record in served.visit()}
    assert {name: again[name] for name in ("P0", "P1", "P2", "P3")} == {f"P{n}": 100.0 + n for n in range(4)}


def test_who_may_ask_and_how_often(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "FAILURES", 0.0)
    monkeypatch.setattr(serving, "stopwatch", lambda: 100.0)
    served.interface.show(tiny.BEGIN)
    headers = {"authorization": f"Bearer {served.server.token}"}
    assert httpx.get(served.url).status_code == 401
    assert httpx.get(served.url, headers={"authorization": "Bearer x"}).status_code == 401
    assert httpx.get(served.server.address + "/else", headers=headers).status_code == 404
    assert httpx.get(served.url, params={"since": "yesterday"}, headers=headers).status_code == 400
    answers = [httpx.get(served.url, headers=headers) for _ in range(6)]
    if served.options["style"] == "cursor":
        # the request that made no sense counted too
        assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 429, 429]
        assert answers[-1].headers["retry-after"] == "1"
    else:
        assert {answer.status_code for answer in answers} == {200}


# ── databases and folders ──────────────────────────────────────────────────────────────────────────────────────────


def test_a_served_database_changes_as_time_goes_on(folder: Path, tmp_path: Path) -> None:
    path = folder / "systems" / "register" / "register.sqlite"
    database = ServedDatabase(path, tmp_path / "served.sqlite", {"firm": ("firm_id",)})
    options = {"url": f"sqlite:///{tmp_path / 'served.sqlite'}", "table": "firm", "updated": "updated_at"}
    cursor: dict[str, object] = {}
    found: list[dict[str, dict[str, Any]]] = []
    for minutes in (0, 62, 63, 64):
        database.show(tiny.BEGIN + timedelta(minutes=minutes))
        taken: dict[str, dict[str, Any]] = {}
        for pulled in Sql().pull(Pull("register.firm", options, cursor, END)):
            assert pulled.delivery is not None and isinstance(pulled.delivery.payload, bytes)
            cursor = dict(pulled.cursor or {})
            for row in pa.ipc.open_stream(pulled.delivery.payload).read_all().to_pylist():
                taken[row["firm_id"]] = row
        found.append(taken)
    database.close()
    assert len(found[0]) == 12 and "_visible_from" not in found[0]["F3"]
    assert sorted(found[1]) == ["F12", "F3"] and found[1]["F3"]["name"] == "更名"
    assert {name: row["name"] for name, row in found[2].items()} == {"F3": "再更名"} and found[3] == {}
    with closing(sqlite3.connect(tmp_path / "served.sqlite")) as conn:
        assert conn.execute("select count(*) from firm").fetchone() == (13,)


def test_files_appear_whole_and_with_the_time_of_their_delivery(folder: Path, tmp_path: Path) -> None:
    drops, wrong = read_drops(folder / "systems" / "sheets" / "drops.csv")
    assert len(drops) == 3 and len(wrong) == 2
    target = tmp_path / "inbox"
    place = DropFolder(drops, target)
    place.show(tiny.BEGIN)
    assert [path.name for path in target.iterdir()] == ["sheet_0.csv"]
    assert (target / "sheet_0.csv").stat().st_mtime == drops[0].at.timestamp()
    place.show(END)
    assert sorted(path.name for path in target.iterdir()) == ["sheet_0.csv", "sheet_1.csv", "sheet_2.csv"]

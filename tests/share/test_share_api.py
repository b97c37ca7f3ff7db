"""The routes of sharing, as the console uses them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from fastapi.testclient import TestClient

from cityheart.kernel import events, limits
from cityheart.kernel.actors import Actor
from cityheart.kernel.database import Database
from cityheart.kernel.errors import Conflict, Invalid, Problem
from cityheart.share import api
from cityheart.share.service import Share

from .scene import HEADER, city, csv, delivery

Sign = Callable[[Actor | None], TestClient]


@pytest.fixture
def share(database: Database, tmp_path: Path) -> Share:
    """A share with a good, a bad and a refused delivery."""
    share = city(database, tmp_path)
    bad = csv("a,2015-11-01 08:00,1,N", "<b>,2015-11-01 08:00,\x07x,N", "c,2015-11-01 08:00,-1,S")
    share.land("ecology.air", [delivery("1.csv", bad), delivery("2.csv", HEADER.replace("wind", "wind2"), minutes=1)])
    return share


@pytest.fixture
def sign(share: Share) -> Sign:
    """A client signed in as an actor."""

    def client(actor: Actor | None) -> TestClient:
        app = FastAPI()

        @app.middleware("http")
        async def signed(request: Request, call_next):  # type: ignore[no-untyped-def]
            request.state.actor = actor
            return await call_next(request)

        @app.exception_handler(Problem)
        def problem(request: Request, error: Problem) -> JSONResponse:
            return JSONResponse(error.json(), error.status)

        app.include_router(api.router(share))
        return TestClient(app)

    return client


def test_sources(sign: Sign, steward: Actor, clerk: Callable[[str], Actor]) -> None:
    """The list and one source, in the shape of the console; a clerk sees the own department's."""
    client = sign(steward)
    listed = client.get("/api/sources").json()
    assert listed["total"] == 1
    assert listed["items"][0] == {
        "id": "ecology.air",
        "department": "ecology",
        "department_title": {"zh-CN": "生态环境局", "en": "ecology bureau"},
        "title": {"zh-CN": "空气站", "en": "air stations"},
        "connector": "push",
        "connector_title": {"zh-CN": "推送", "en": "push"},
        "dataset": "air",
        "state": "refused",
        "reason": {"zh-CN": "缺少约定的列：wind", "en": "declared columns are missing: wind"},
        "next_try_at": None,
        "last_delivery_at": "2015-11-01T00:01:00Z",
        "rows": 1,
        "quarantined": 2,
        "freshness_seconds": 0.0,
        "deliveries": 2,
        "files": {"pattern": "*", "most_bytes": limits.HANDED_FILE_BYTES},
        "drift": [],
    }
    one = client.get("/api/sources/ecology.air").json()
    assert [(each["name"], each["state"], each["rows"]) for each in one["deliveries"]] == [
        ("2.csv", "refused", 0),
        ("1.csv", "landed", 1),
    ]
    assert one["quality"]["rows"] == 3
    pm25 = {"name": "pm25", "missing": 0, "invalid": 2, "min": -1.0, "max": 1.0, "cleaned": {}, "refused": {}}
    assert pm25 in one["quality"]["fields"]
    assert sign(clerk("police")).get("/api/sources").json()["items"] == []
    assert sign(clerk("police")).get("/api/sources/ecology.air").status_code == 404
    assert client.get("/api/sources/none").json()["code"] == "not-found"
    assert client.post("/api/sources/ecology.air/pull").status_code == 409


def test_quarantine(sign: Sign, steward: Actor, officer: Actor) -> None:
    """Pages, filters, raw bytes as harmless text, replay and dismissal."""
    client = sign(steward)
    first = client.get("/api/quarantine", params={"limit": 2}).json()
    second = client.get("/api/quarantine", params={"limit": 2, "after": first["next"]}).json()
    assert (first["total"], len(first["items"]), len(second["items"]), second["next"]) == (3, 2, 1, None)
    entries = {each["reason"]["code"]: each for each in first["items"] + second["items"]}
    assert set(entries) == {"type", "minimum", "missing_column"}
    assert (
        entries["type"]["raw"]
        == '{"station": "<b>", "observed_at": "2015-11-01 08:00", "PM2.5": "\\u0007x", "wind": "N"}'
    )
    assert entries["type"]["row"] == 2
    assert entries["missing_column"]["row"] == 0
    assert client.get("/api/quarantine", params={"reason": "type"}).json()["total"] == 1
    assert client.get("/api/quarantine", params={"state": "replayed"}).json()["total"] == 0
    assert client.get(f"/api/quarantine/{entries['type']['id']}").json().items() >= entries["type"].items()
    assert client.get("/api/quarantine/none").status_code == 404
    body = {"command_id": "command-1", "source": "ecology.air"}
    tried = {"tried": 3, "landed": 0, "still_bad": 3, "superseded": 0, "next": None}
    assert client.post("/api/quarantine/replay", json=body).json() == tried
    facets = client.get("/api/quarantine", params={"field": "pm25", "reason": "type", "limit": 1}).json()["facets"]
    assert facets == {
        "source": {"ecology.air": 1}, "reason": {"type": 1, "minimum": 1}, "field": {"pm25": 1},
    }  # fmt: skip
    assert client.get("/api/quarantine", params={"limit": 1}).json()["facets"]["field"] == {"": 1, "pm25": 2}
    dismissed = {"command_id": "command-2", "ids": [entries["type"]["id"]]}
    assert client.post("/api/quarantine/dismiss", json=dismissed).json() == {"dismissed": 1}
    assert client.get("/api/quarantine").json()["total"] == 2
    assert sign(officer).get("/api/quarantine").status_code == 403
    assert sign(officer).post("/api/quarantine/replay", json={**body, "command_id": "command-3"}).status_code == 403


def test_a_replay_goes_on_where_it_stopped(sign: Sign, steward: Actor, share: Share) -> None:
    client = sign(steward)
    body: dict[str, object] = {"source": "ecology.air", "limit": 2}
    first = client.post("/api/quarantine/replay", json={**body, "command_id": "step-0001"}).json()
    assert (first["tried"], first["next"] is None) == (2, False)
    step = {**body, "command_id": "step-0002", "after": first["next"]}
    second = client.post("/api/quarantine/replay", json=step).json()
    assert (second["tried"], second["next"]) == (1, None)
    assert client.post("/api/quarantine/replay", json=step).json() == second, "the same click twice is one"
    one = client.post("/api/quarantine/replay", json={**body, "command_id": "step-0003", "field": "pm25"}).json()
    assert one["tried"] == 2
    nowhere = client.post("/api/quarantine/replay", json={**body, "command_id": "step-0004", "after": "quarantine-x"})
    assert nowhere.status_code == 404


def _incoming(home: Path) -> list[str]:
    return sorted(each.name for each in (home / "incoming").iterdir())


def test_a_file_is_handed_over(
    sign: Sign, steward: Actor, officer: Actor, database: Database, tmp_path: Path, share: Share
) -> None:
    """It lands as a delivery, once; who handed it over is an event; nothing of it stays on the disk."""
    client = sign(steward)
    where = "/api/sources/ecology.air/files"
    body = csv("h,2015-11-01 09:00,7,N", "i,2015-11-01 09:00,-7,N").encode()
    said = client.post(where, params={"name": "手工 补报.csv", "command_id": "hand-0001"}, content=body).json()
    assert said.pop("delivery").startswith("delivery-")
    fresh = {
        "rows": 1, "quarantined": 1, "reasons": {"minimum": 1}, "refused": None, "repeated": False, "bytes": len(body),
    }  # fmt: skip
    assert said == fresh
    again = client.post(where, params={"name": "手工 补报.csv", "command_id": "hand-0002"}, content=body).json()
    assert again["repeated"] and share.landed_rows() == {"air": 2}
    bad = client.post(where, params={"name": "x.parquet", "command_id": "hand-0003"}, content=b"PAR1 no parquet").json()
    assert bad["refused"]["zh-CN"] and bad["rows"] == 0
    empty = client.post(where, params={"name": "x.csv", "command_id": "hand-0004"}, content=b"").json()
    assert empty["refused"]["en"] == "the file is empty"
    with database.read() as conn:
        told = [each for each in events.read(conn, stream="source:ecology.air") if each.type == "source.handed_over"]
    assert [each.data["name"] for each in told] == ["手工 补报.csv", "手工 补报.csv", "x.parquet", "x.csv"]
    assert {each.actor for each in told} == {steward.id} and told[0].data["bytes"] == len(body)
    shown = client.get(f"/api/deliveries/{bad['delivery']}").json()
    assert (shown["name"], shown["state"], shown["open"]) == ("x.parquet", "refused", 1)
    assert _incoming(tmp_path) == []
    assert (
        sign(officer).post(where, params={"name": "a.csv", "command_id": "hand-0005"}, content=body).status_code == 403
    )


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "a/b.csv", "a\\b.csv", "", " ", "a\x00.csv", "a\n.csv", "n" * 201]
)
def test_a_file_has_a_plain_name(sign: Sign, steward: Actor, name: str, share: Share) -> None:
    answer = sign(steward).post(
        "/api/sources/ecology.air/files", params={"name": name, "command_id": "hand-0001"}, content=b"x"
    )
    assert answer.status_code == 422 and answer.json()["remedy"]


def test_a_file_fits_its_source_and_the_limit(
    sign: Sign, steward: Actor, sqlite: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, share: Share
) -> None:
    client = sign(steward)
    where = "/api/sources/ecology.air/files"
    monkeypatch.setattr(limits, "HANDED_FILE_BYTES", 100)
    sent = {"name": "a.csv", "command_id": "hand-0001"}
    assert client.post(where, params=sent, content=b"x" * 101).json()["code"] == "too-large"
    lying = client.post(where, params=sent, content=b"x" * 101, headers={"content-length": "5"})
    assert lying.json()["code"] == "too-large", "what comes counts, not what is said of it"
    assert client.post("/api/sources/no.such/files", params=sent, content=b"x").status_code == 404
    folder = city(sqlite, tmp_path / "f", connector="folder", options={"path": "drops", "pattern": "*.csv"})
    steward_says = folder.handing.check(steward, folder.declared()[0], "a.csv", 1)
    assert steward_says == "a.csv"
    with pytest.raises(Invalid):
        folder.handing.check(steward, folder.declared()[0], "a.txt", 1)
    asked = city(sqlite, tmp_path / "h", connector="http", options={"url": "http://127.0.0.1:9/x"}, id="ecology.http")
    with pytest.raises(Conflict):
        asked.handing.check(steward, next(each for each in asked.declared() if each.id == "ecology.http"), "a.csv", 1)


def test_what_a_killed_process_left_is_removed(tmp_path: Path, share: Share) -> None:
    with share.handing.incoming() as kept:
        old, young = tmp_path / "incoming" / "old", tmp_path / "incoming" / "young"
        old.write_bytes(b"x")
        young.write_bytes(b"x")
        long_ago = kept.path.stat().st_mtime - 2 * 86_400
        os.utime(old, (long_ago, long_ago))
        with share.handing.incoming() as other:
            assert set(_incoming(tmp_path)) == {kept.path.name, other.path.name, "young"}


def test_departments_and_nobody(sign: Sign, steward: Actor) -> None:
    """Departments are for whoever is signed in; without that, nothing is."""
    found = sign(steward).get("/api/departments").json()
    assert [each["code"] for each in found["items"]] == ["ecology", "police"]
    for path in ("departments", "sources", "sources/ecology.air", "quarantine", "quarantine/x"):
        answer = sign(None).get(f"/api/{path}")
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")

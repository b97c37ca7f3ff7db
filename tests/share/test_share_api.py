"""The routes of sharing, as the console uses them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from fastapi.testclient import TestClient

from cityheart.kernel.actors import Actor
from cityheart.kernel.database import Database
from cityheart.kernel.errors import Problem
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
        "dataset": "air",
        "state": "refused",
        "reason": {"zh-CN": "缺少约定的列：wind", "en": "declared columns are missing: wind"},
        "next_try_at": None,
        "last_delivery_at": "2015-11-01T00:01:00Z",
        "rows": 1,
        "quarantined": 2,
        "freshness_seconds": 0.0,
        "deliveries": 2,
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
    tried = {"tried": 3, "landed": 0, "still_bad": 3, "superseded": 0}
    assert client.post("/api/quarantine/replay", json=body).json() == tried
    dismissed = {"command_id": "command-2", "ids": [entries["type"]["id"]]}
    assert client.post("/api/quarantine/dismiss", json=dismissed).json() == {"dismissed": 1}
    assert client.get("/api/quarantine").json()["total"] == 2
    assert sign(officer).get("/api/quarantine").status_code == 403
    assert sign(officer).post("/api/quarantine/replay", json={**body, "command_id": "command-3"}).status_code == 403


def test_departments_and_nobody(sign: Sign, steward: Actor) -> None:
    """Departments are for whoever is signed in; without that, nothing is."""
    found = sign(steward).get("/api/departments").json()
    assert [each["code"] for each in found["items"]] == ["ecology", "police"]
    for path in ("departments", "sources", "sources/ecology.air", "quarantine", "quarantine/x"):
        answer = sign(None).get(f"/api/{path}")
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")

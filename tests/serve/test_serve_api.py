"""Accounts over HTTP: what a one-time code opens, what is told once, who is refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient
from starlette.responses import Response

from cityheart.kernel.actors import Actor
from cityheart.kernel.clock import VirtualClock
from cityheart.kernel.database import Database
from cityheart.kernel.errors import Problem
from cityheart.kernel.ids import Ids
from cityheart.kernel.text import text
from cityheart.serve.api import router
from cityheart.serve.service import Serve
from cityheart.web.guard import Guard, problem_response

from .test_serve_managing import PASSWORD, Cheap

SYSTEM = Actor.system("test")


@pytest.fixture
def app(tmp_path: Path, clock: VirtualClock, ids: Ids, monkeypatch: pytest.MonkeyPatch) -> Iterator[FastAPI]:
    monkeypatch.setattr("argon2.PasswordHasher", Cheap)
    database = Database(f"sqlite:///{tmp_path / 'city.sqlite'}", clock, ids)
    database.create_all()
    serve = Serve(database, wall=clock)
    serve.register_departments({"ecology": frozenset()})
    for name, role in (("root", "admin"), ("boss", "department_admin")):
        department = None if name == "root" else "ecology"
        serve.create(SYSTEM, name, PASSWORD, name=text(name, name), department=department, roles=[role])
    app = FastAPI()
    app.include_router(router(serve, {"ecology": text("生态环境局", "Ecology")}, secure=False))
    app.add_middleware(Guard, serve=serve)

    @app.exception_handler(Problem)
    def problem(request: Request, error: Problem) -> Response:
        return problem_response(error)

    @app.get("/api/tasks")
    def anything() -> dict[str, object]:
        return {}

    yield app
    database.close()


def _as(app: FastAPI, username: str, password: str = PASSWORD) -> TestClient:
    client = TestClient(app)
    opened = client.post("/api/session", json={"username": username, "password": password})
    assert opened.status_code == 200, opened.text
    return client


def test_a_person_is_created_with_a_code_and_must_set_a_password(app: FastAPI) -> None:
    root = _as(app, "root")
    order = {"username": "wang", "name": text("王", "Wang"), "department": "ecology", "roles": ["clerk"]}
    made: Any = root.post("/api/accounts", json={**order, "command_id": "command-1"})
    assert made.status_code == 201
    code = made.json()["code"]
    assert made.json()["department_title"]["en"] == "Ecology"
    again: Any = root.post("/api/accounts", json={**order, "command_id": "command-1"})
    assert (again.status_code, again.json()["code"]) == (201, None)
    wang = _as(app, "wang", code)
    who: Any = wang.get("/api/session").json()
    assert who["must_change"] and who["actor"]["permissions"] == []
    assert wang.get("/api/tasks").status_code == 403 and wang.get("/api/me").status_code == 403
    short = wang.post("/api/me/password", json={"current": code, "new": "short"})
    assert short.status_code == 422 and wang.get("/api/tasks").status_code == 403
    assert wang.post("/api/me/password", json={"current": code, "new": "quite another"}).json() == {"ended": 0}
    assert wang.get("/api/tasks").status_code == 200 and not wang.get("/api/session").json()["must_change"]


def test_what_may_not_be_is_refused_with_what_to_do(app: FastAPI) -> None:
    root, boss = _as(app, "root"), _as(app, "boss")
    for path, body, status in (
        ("root/change", {"roles": []}, 409),
        ("root/block", {}, 409),
        ("root/reset", {}, 409),
        ("nobody/reset", {}, 404),
        ("boss/change", {"email": "nonsense"}, 422),
        ("boss/change", {"department": "nowhere"}, 422),
        ("boss/sessions/end", {"session": "session-none"}, 404),
    ):
        answer: Any = root.post(f"/api/accounts/{path}", json={"command_id": f"command {path} {body}", **body})
        assert answer.status_code == status, (path, answer.text)
        assert answer.json()["detail"]
    assert boss.post("/api/accounts/root/reset", json={"command_id": "command-2"}).status_code == 404
    assert boss.get("/api/accounts").json()["total"] == 1
    assert boss.get("/api/roles").json()["may_give"] == ["clerk"]
    assert TestClient(app).get("/api/accounts").status_code == 401


def test_ones_own_sessions_are_seen_and_ended(app: FastAPI) -> None:
    here, there = _as(app, "boss"), _as(app, "boss")
    sessions: Any = here.get("/api/me").json()["sessions"]
    other = next(one["id"] for one in sessions if not one["current"])
    assert here.post("/api/me/sessions/end", json={"session": other}).json() == {"ended": 1}
    assert there.get("/api/me").status_code == 401 and here.get("/api/me").status_code == 200

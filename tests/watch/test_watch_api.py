"""The routes of watch with real command behind them: from an alert in the queue to a run of its plan."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from fastapi.testclient import TestClient

from cityheart.command.service import Command
from cityheart.kernel.actors import Actor
from cityheart.kernel.clock import VirtualClock
from cityheart.kernel.database import Database
from cityheart.kernel.errors import Problem
from cityheart.kernel.jobs.service import Jobs
from cityheart.kernel.text import text
from cityheart.watch.api import router
from cityheart.watch.trials import api as trials_api
from cityheart.watch.trials.service import Trials

from . import scene

PLAN = """
plan: quiet
version: "1"
title: {zh-CN: 降噪方案, en: Quiet plan}
for: {kind: loud, levels: [3, 4]}
steps:
  - id: measure
    title: {zh-CN: 现场测量, en: Measure on site}
    unit: ecology
    accept_within: PT30M
    due: PT3H
    evidence: [{kind: photo, min: 1}]
    verify_by: transport
"""


@pytest.fixture
def city(database: Database, clock: VirtualClock, tmp_path: Path, officer: Actor) -> Callable[..., TestClient]:
    """A city with one loud station; gives a client that acts for somebody."""
    lake = scene.lake_at(tmp_path / "lake")
    watch = scene.watch_over(database, lake, [scene.Loud(), scene.silent()])
    rows = scene.landed([{"station": "east", "observed_at": scene.START, "level": 160.0}])
    lake.append("noise", rows)
    watch.detect(scene.last_known(rows))
    clock.advance_to(scene.last_known(rows))
    watch.apply(clock.now())
    command = Command(database, tmp_path / "files")
    command.register_units({code: text(code, code.title()) for code in ("ecology", "transport")})
    command.publish(Actor.system("test"), PLAN)
    app = FastAPI()
    app.include_router(router(watch, command))
    jobs = Jobs(database, tmp_path / "jobs")
    app.include_router(trials_api.router(Trials(database, watch, jobs, ZoneInfo("Asia/Shanghai")), lambda actor: {}))

    @app.exception_handler(Problem)
    def problem(request: Request, error: Problem) -> Response:
        return JSONResponse(error.json(), error.status)

    @app.middleware("http")
    async def signed_in(request: Request, call: Callable[[Request], Awaitable[Response]]) -> Response:
        request.state.actor = who[0]
        return await call(request)

    who: list[Actor | None] = [officer]

    def client(actor: Actor | None = officer) -> TestClient:
        who[0] = actor
        return TestClient(app)

    return client


def test_from_the_queue_to_a_run(city: Callable[..., TestClient]) -> None:
    web = city()
    page: Any = web.get("/api/alerts", params={"state": "open", "level": 3}).json()
    assert (page["total"], page["next"], page["counts"]["open"]) == (1, None, 1)
    alert_id = page["items"][0]["id"]
    assert page["items"][0]["raised_at"] == "2015-11-01T01:05:00Z"
    shown = web.get(f"/api/alerts/{alert_id}").json()
    assert [change["level"] for change in shown["levels"]] == [3]
    assert shown["evidence"][0]["type"] == "series"
    body = {"command_id": "click-0001", "note": "已核实"}
    acknowledged = [web.post(f"/api/alerts/{alert_id}/acknowledge", json=body).json() for _ in range(2)]
    assert acknowledged[0] == acknowledged[1]
    assert acknowledged[0]["acknowledged_by"]["id"] == "user:officer"
    (plan,) = web.get(f"/api/alerts/{alert_id}/suggestion").json()["plans"]
    assert (plan["id"], plan["version"], plan["title"]["en"]) == ("quiet", "1", "Quiet plan")
    assert plan["reason"]["zh-CN"] and plan["reason"]["en"]
    (step,) = plan["steps"]
    assert step == {
        "id": "measure",
        "title": {"zh-CN": "现场测量", "en": "Measure on site"},
        "unit": "ecology",
        "unit_title": {"zh-CN": "ecology", "en": "Ecology"},
        "after": [],
        "delay": "PT0S",
        "accept_within": "PT30M",
        "due": "PT3H",
        "evidence": [{"kind": "photo", "min": 1}],
        "verify_by": "transport",
    }
    strange = {"command_id": "click-0003", "plan": plan["digest"], "parameters": {"nobody_knows": 1}}
    assert web.post(f"/api/alerts/{alert_id}/dispatch", json=strange).status_code == 422
    click = {"command_id": "click-0002", "plan": plan["digest"]}
    started = [web.post(f"/api/alerts/{alert_id}/dispatch", json=click).json() for _ in range(2)]
    assert started[0] == started[1]
    assert web.get(f"/api/alerts/{alert_id}").json()["incident_id"] == started[0]["incident_id"]


def test_refusals_say_what_to_do(city: Callable[..., TestClient], nobody: Actor, clerk: Callable[[str], Actor]) -> None:
    web = city()
    alert_id = web.get("/api/alerts").json()["items"][0]["id"]
    body = {"command_id": "click-0001"}
    assert web.get("/api/alerts", params={"level": 7}).status_code == 422
    assert web.get("/api/alerts", params={"state": "gone"}).json()["remedy"] == "one of open, suppressed, ended, all"
    assert web.get("/api/alerts/alert-0").status_code == 404
    assert web.post(f"/api/alerts/{alert_id}/acknowledge", json={"command_id": "short"}).status_code == 422
    clerks = city(clerk("transport"))
    assert clerks.get("/api/alerts").status_code == 200
    assert clerks.post(f"/api/alerts/{alert_id}/acknowledge", json=body).status_code == 403
    assert clerks.post(f"/api/alerts/{alert_id}/dispatch", json={**body, "plan": "0" * 64}).status_code == 403
    assert city(nobody).get(f"/api/alerts/{alert_id}").status_code == 403
    assert city(None).get("/api/alerts").status_code == 401


def test_detectors(city: Callable[..., TestClient]) -> None:
    analyst = Actor("user:analyst", text("分析员", "Analyst"), None, frozenset({"analyst"}))
    web = city(analyst)
    items: Any = web.get("/api/detectors").json()["items"]
    assert [(one["id"], one["form"], one["failure"]) for one in items] == [
        ("noise.loud", "keyed", None),
        ("noise.silent", "query", None),
    ]
    assert web.get("/api/detectors/noise.loud").json()["last_30_days"]["alerts"] == 1
    assert web.get("/api/detectors/nothing").status_code == 404
    steward = Actor("user:steward", text("管家", "Steward"), None, frozenset({"steward"}))
    kinds: Any = city(steward).get("/api/alert-kinds").json()["items"]
    assert {one["code"] for one in kinds} == {one["kind"] for one in items} and all(one["title"]["en"] for one in kinds)
    assert city(None).get("/api/alert-kinds").status_code == 401

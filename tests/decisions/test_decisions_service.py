"""Published tables: kept as they are, found by the day, asked over the API, drawn upon by plans."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient

from cityheart.command.decisions import api
from cityheart.command.decisions.compile import compile_decision
from cityheart.command.decisions.service import Decisions
from cityheart.kernel import events
from cityheart.kernel.actors import Actor
from cityheart.kernel.database import Database
from cityheart.kernel.errors import Conflict, Forbidden, Invalid, NotFound, Problem
from cityheart.sdk.application import load
from cityheart.web.guard import problem_response

from .test_decisions_tables import GOOD, row, table

SYSTEM = Actor.system("test")
IN_2026 = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture
def decisions(database: Database) -> Decisions:
    return Decisions(database)


def test_a_version_is_published_once_and_never_changes(decisions: Decisions, database: Database) -> None:
    digest = decisions.publish(SYSTEM, GOOD)
    assert decisions.publish(SYSTEM, decisions.drawn(digest)) == digest
    with pytest.raises(Conflict):
        decisions.publish(SYSTEM, dict(GOOD, rules=GOOD["rules"][:2]))
    with database.read() as conn:
        told = events.read(conn, stream="decision:triage.flood")
    assert [(event.type, event.data["digest"]) for event in told] == [("decision.published", digest)]
    again = Decisions(database)  # another process
    assert again.decision(digest) == decisions.decision(digest)
    assert again.decide(digest, {"water level": 4, "kind": "gas"}).outputs == {"level": 2, "unit": "water"}
    with pytest.raises(NotFound):
        again.decision("0" * 64)


def test_the_newest_version_in_force_is_found(decisions: Decisions) -> None:
    assert decisions.find("triage.flood", IN_2026) is None
    always = decisions.publish(SYSTEM, GOOD)
    later = decisions.publish(SYSTEM, dict(GOOD, version="2", valid_from="2026-07-01", valid_until="2026-08-01"))
    newer = decisions.publish(SYSTEM, dict(GOOD, version="3", valid_until="2026-01-01"))
    found = {
        day: decisions.find("triage.flood", datetime.fromisoformat(f"{day}T00:00:00+00:00"))
        for day in ("2025-12-31", "2026-01-01", "2026-06-30", "2026-07-01", "2026-07-31", "2026-08-01")
    }
    assert [one and one.digest for one in found.values()] == [newer, always, always, later, later, always]
    assert [one.decision.version for one in decisions.versions(SYSTEM)] == ["3", "2", "1"]


def test_people_need_a_permission(decisions: Decisions, nobody: Actor, clerk: Callable[[str], Actor]) -> None:
    with pytest.raises(Forbidden):
        decisions.publish(clerk("water"), GOOD)
    with pytest.raises(Forbidden):
        decisions.versions(nobody)
    assert decisions.versions(clerk("water")) == []


def test_two_who_publish_at_once_publish_once(decisions: Decisions, database: Database) -> None:
    digests: list[str] = []
    threads = [
        threading.Thread(target=lambda: digests.append(Decisions(database).publish(SYSTEM, GOOD))) for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(digests)) == 1 and len(digests) == 6
    with database.read() as conn:
        assert len(events.read(conn, stream="decision:triage.flood")) == 1


def test_a_step_that_cannot_be_decided_says_why(decisions: Decisions) -> None:
    source = table(row("? * 2 > 6", "flood", 1, "a"), row("> 4", "flood", 2, "a"))
    digest = decisions.publish(SYSTEM, source)
    pinned = decisions.table("triage.flood")
    assert pinned is not None
    assert (pinned.digest, pinned.inputs, pinned.outputs) == (digest, ("water level", "kind"), ("level", "unit"))
    assert decisions.table("triage.flood", digest) == pinned
    assert decisions.table("triage.fire") is None and decisions.table("triage.fire", digest) is None
    assert decisions.resolve(digest, {"water level": 4, "kind": "flood"}).outputs == {"level": 1, "unit": "a"}
    with pytest.raises(Invalid, match="match at once"):
        decisions.resolve(digest, {"water level": 5, "kind": "flood"})


@pytest.fixture
def client(decisions: Decisions, officer: Actor, nobody: Actor) -> Iterator[TestClient]:
    app = FastAPI()

    @app.middleware("http")
    async def who(request: Request, following):  # type: ignore[no-untyped-def]
        request.state.actor = nobody if request.headers.get("x-nobody") else officer
        return await following(request)

    app.add_exception_handler(Problem, lambda request, error: problem_response(error))  # type: ignore[arg-type]
    app.include_router(api.router(decisions))
    with TestClient(app) as client:
        yield client


def test_a_table_is_read_tried_and_drawn_over_the_api(client: TestClient, decisions: Decisions) -> None:
    digest = decisions.publish(SYSTEM, GOOD)
    shown = client.get(f"/api/decisions/{digest}").json()
    assert shown["outputs"] == [
        {"name": "level", "type": "number", "many": False}, {"name": "unit", "type": "string", "many": False},
    ]  # fmt: skip
    tried = client.post(f"/api/decisions/{digest}/try", json={"inputs": {"water level": 2, "kind": "gas"}}).json()
    assert tried["outputs"] == {"level": 4, "unit": "water"}
    assert tried["trace"][0]["read"] == [{"column": "water level", "value": 2}, {"column": "kind", "value": "gas"}]
    assert [rule["note"] for rule in tried["trace"][0]["rules"]] == ["no danger yet"]
    wrong = client.post(f"/api/decisions/{digest}/try", json={"inputs": {"water level": "high"}}).json()
    assert wrong["problems"][0]["element"] == "input-1"
    file = client.get(f"/api/decisions/{digest}/dmn")
    assert compile_decision(file.content).digest == digest
    assert "triage.flood.dmn" in file.headers["content-disposition"]
    assert client.get(f"/api/decisions/{'0' * 64}").status_code == 404
    assert client.get(f"/api/decisions/{digest}", headers={"x-nobody": "1"}).status_code == 403
    assert client.post(f"/api/decisions/{digest}/try", json={"given": {}}).status_code == 422
    deep = '{"inputs": {"kind": ' + "[" * 400 + "]" * 400 + "}}"
    answer = client.post(f"/api/decisions/{digest}/try", content=deep, headers={"content-type": "application/json"})
    assert answer.status_code == 200 and answer.json()["outputs"] == {"level": None, "unit": None}


def test_the_table_of_air_follows_the_levels_of_its_warnings() -> None:
    """One plan a level, and a level outside 1 to 4 gets nothing; each plan named is one of the application's."""
    app = load(Path(__file__).parents[2] / "src/cityheart/apps/air")
    decision = compile_decision(app.decisions[0])
    assert (decision.name, decision.warnings) == ("triage.heavy_pollution", ())
    plans = {compiled["plan"]: compiled for compiled in map(yaml.safe_load, app.plans)}
    for level in (1, 2, 3, 4):
        outcome = decision.decide({"level": level})
        named = plans[outcome.outputs["plan"]]
        assert outcome.outputs["level"] == level
        assert named["for"]["levels"] == [level]
        assert outcome.outputs["unit"] in {step["unit"] for step in named["steps"]}
    for none in ({}, {"level": 5}, {"level": "red"}):
        assert decision.decide(none).outputs == {"level": None, "plan": None, "unit": None}


def test_an_application_with_a_wrong_table_is_refused_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "decisions").mkdir()
    (tmp_path / "decisions" / "flood.yaml").write_text("decision: triage.flood\n", "utf-8")
    (tmp_path / "manifest.toml").write_text(
        '[app]\nid = "a"\nversion = "1"\ntitle = {zh-CN = "甲", en = "A"}\n'
        'description = {zh-CN = "甲", en = "A"}\ndecisions = "decisions"\n', "utf-8",
    )  # fmt: skip
    with pytest.raises(Invalid, match=r"the decision that begins 'decision: triage\.flood'"):
        load(tmp_path)
    (tmp_path / "decisions" / "flood.yaml").unlink()
    with pytest.raises(NotFound, match="holds no decision table"):
        load(tmp_path)

"""The air application's own played history teaches: its closed incidents are similar cases of later warnings."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from cityheart.city import City
from cityheart.command.plan import compile
from cityheart.kernel.actors import Actor
from cityheart.sdk import load
from cityheart.web.app import create_app

from ..played import PASSWORD, go_on, played

SYSTEM = Actor.system("test")
AIR = Path(__file__).parents[2] / "src" / "cityheart" / "apps" / "air"


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[City]:
    """Two episodes of December 2015: the first is over and closed, in the second a warning stands."""
    city = played(tmp_path_factory.mktemp("air") / "city", "2015-12-01", "2015-12-16", staff=True)
    go_on(city, "2015-12-16", "2015-12-22", timedelta(days=1))
    yield city
    city.close()


def test_closed_incidents_are_similar_cases_of_a_later_warning(city: City) -> None:
    (alert, *_) = [
        alert for alert in city.watch.alerts(SYSTEM)["items"] if alert["kind"] == "heavy_pollution"  # type: ignore[index, attr-defined]
    ]  # fmt: skip
    with TestClient(create_app(city), base_url="http://testserver") as browser:
        browser.post("/api/session", json={"username": "officer", "password": PASSWORD})
        told = browser.get(f"/api/alerts/{alert['id']}/suggestion").json()
    assert told["cases"], "the episode of 7 to 9 December is closed"
    assert all(
        case["origin"] == "city" and case["closed_at"] < alert["raised_at"].isoformat() for case in told["cases"]
    )
    first = told["plans"][0]
    name = {1: "air-red", 2: "air-orange", 3: "air-yellow", 4: "air-blue"}[alert["level"]]
    assert first["id"] == name and set(first) >= {"digest", "id", "version", "title", "reason", "steps"}
    reasons = {reason["kind"] for step in first["steps"] for reason in step["reasons"]}
    assert "plan" in reasons and {"plan", "clause"} >= reasons - {"cases"}
    assert {clause["id"][:16] for clause in told["clauses"]} <= {"beijing-air-2015"} and not told["clauses"][0][
        "verified"
    ]


def test_a_case_of_the_play_is_as_it_was_carried_out(city: City) -> None:
    city.knowledge.follow()
    found = [case for _, case in city.knowledge.cases(SYSTEM, kind="heavy_pollution")[0]]
    assert found
    for case in found:
        assert case.plan.startswith("air-") and case.incident and "北京" in case.text
        plan = city.command.plan(case.digest or "")
        assert {step.step for step in case.steps} <= {step.id for step in plan.steps}
        assert case.level is not None and min(abs(case.level - level) for level in plan.levels) <= 1


def test_the_clauses_name_steps_and_departments_that_exist() -> None:
    app = load(AIR)
    names = {1: "air-red", 2: "air-orange", 3: "air-yellow", 4: "air-blue"}
    plans = {plan.name: plan for plan in map(compile, app.plans)}
    steps = {level: [step.id for step in plans[name].steps] for level, name in names.items()}
    assert len(app.clauses) == 6 and not any(clause.verified for clause in app.clauses)
    lacking = {
        (clause.id, mandate.step)
        for clause in app.clauses
        for mandate in clause.mandates
        for level in mandate.levels
        if not any(mandate.fulfilled_by(step, None) for step in steps[level])
    }
    # the plan of yellow, written after 2015, does not stop sites: the suggestion adds what the clauses ask for
    assert lacking == {
        ("beijing-air-2015-yellow", "*-stop"), ("beijing-air-2016-yellow", "*-stop"), ("beijing-air-2016-yellow", "fires"),
    }  # fmt: skip
    on = date(2016, 12, 15)
    assert {clause.id for clause in app.clauses if clause.in_force(on)} == {
        "air-law-96", "beijing-air-2016-yellow", "beijing-air-2016-red",
    }  # fmt: skip

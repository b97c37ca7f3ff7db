"""The routes of command and account, in the shapes the console reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from fastapi.testclient import TestClient

from cityheart.account import api as account_api
from cityheart.account.service import Account
from cityheart.account.taking import Taking
from cityheart.command import api as command_api
from cityheart.kernel.actors import Actor
from cityheart.kernel.clock import VirtualClock
from cityheart.kernel.database import Database
from cityheart.kernel.errors import Problem
from cityheart.kernel.jobs.service import Jobs
from cityheart.kernel.text import text

from .scene import FORM, PNG, START, UNITS, Desk, centre, minutes, plan, step

TASK = {
    "id", "run_id", "incident_id", "step", "round", "title", "unit", "unit_title", "person", "state", "planned_at",
    "dispatched_at", "accepted_at", "submitted_at", "closed_at", "accept_due", "due", "late", "after", "evidence",
    "verify_by", "escalations", "receipts", "custody", "actions",
}  # fmt: skip
TRIAL = plan(
    step("a", "industry", escalate=[{"at": "due", "to": "mayor"}], evidence=[{"kind": "photo"}]),
    step("b", "health", delay="PT1H"),
)


class Console:
    """A client signed in as whoever is in ``actor``."""

    def __init__(self, app: FastAPI, actor: Actor) -> None:
        self.actor = actor
        self.client = TestClient(app)

        @app.middleware("http")
        async def sign_in(request: Request, call: Callable[[Request], object]) -> Response:
            request.state.actor = self.actor
            return await call(request)  # type: ignore[misc, no-any-return]

    def get(self, path: str, **query: object) -> dict[str, object]:
        """A read that must succeed."""
        answer = self.client.get(f"/api{path}", params=query)  # type: ignore[arg-type]
        assert answer.status_code == 200, answer.text
        body: dict[str, object] = answer.json()
        return body

    def post(self, path: str, status: int = 200, **body: object) -> dict[str, object]:
        """A write that must end with ``status``."""
        answer = self.client.post(f"/api{path}", json=body)
        assert answer.status_code == status, answer.text
        found: dict[str, object] = answer.json()
        return found


@pytest.fixture
def desk(database: Database, tmp_path: Path) -> Desk:
    """A command centre on either database."""
    return Desk(centre(database, tmp_path))


@pytest.fixture
def console(desk: Desk, database: Database, tmp_path: Path, coordinator: Actor) -> Iterator[Console]:
    """The console of a coordinator."""
    account = Account(database)
    account.register_units(UNITS)
    app = FastAPI()
    app.include_router(command_api.router(desk.command, account))
    taking = Taking(database, Jobs(database, tmp_path / "jobs"), account.unit_title)
    app.include_router(account_api.router(account, taking))

    @app.exception_handler(Problem)
    async def problem(request: Request, error: Problem) -> JSONResponse:
        return JSONResponse(error.json(), error.status)

    console = Console(app, coordinator)
    with console.client:
        yield console


def test_a_task_goes_through_the_console(
    console: Console, desk: Desk, clock: VirtualClock, clerk: Callable[[str], Actor], coordinator: Actor
) -> None:
    incident, run = desk.start(TRIAL, alert_id="alert-1")
    clock.advance_to(START + minutes(5))
    (row,) = console.get("/incidents", state="open")["items"]  # type: ignore[misc]
    assert row["id"] == incident and row["tasks"] == {"dispatched": 1, "scheduled": 1} and row["late"] == 0
    shown = console.get(f"/incidents/{incident}")
    ((first, second),) = [run["tasks"] for run in shown["runs"]]  # type: ignore[attr-defined]
    assert set(first) >= TASK and first["run_id"] == run and first["unit_title"] == UNITS["industry"]
    assert first["actions"] == ["reassign", "suspend", "cancel"] and second["planned_at"] == "2015-11-01T01:00:00Z"
    assert first["escalations"] == [
        {"at": "2015-11-01T04:00:00Z", "to": "mayor", "to_title": {"zh-CN": "市领导", "en": "Mayor"}, "fired_at": None}
    ]
    assert [event["type"] for event in shown["log"]] == ["incident.opened", "run.started", "task.dispatched"]  # type: ignore[attr-defined]
    path = f"/tasks/{first['id']}"
    assert console.post(f"{path}/accept", 403, command_id="click-001")["code"] == "forbidden"

    console.actor = clerk("industry")
    assert [task["step"] for task in console.get("/tasks", mine="true")["items"]] == ["a"]  # type: ignore[attr-defined]
    accepted = console.post(f"{path}/accept", command_id="click-002")
    assert accepted["state"] == "accepted" and accepted["actions"] == ["submit", "return", "request_extension"]
    refused = console.post(f"{path}/submit", 409, command_id="click-003", note="done")
    assert refused["remedy"] == "add the photo, then submit"
    answer = console.client.post(f"/api{path}/files", files={"file": ("gate.png", PNG, "image/png")})
    assert answer.status_code == 201 and answer.json()["bytes"] == len(PNG)
    clock.advance_to(START + minutes(65))
    submitted = console.post(f"{path}/submit", command_id="click-003", note="done")
    (receipt,) = submitted["receipts"]  # type: ignore[misc]
    file = console.client.get(f"/api{path}/files/{receipt['files'][0]['sha256']}")
    assert file.content == PNG and "attachment" in file.headers["content-disposition"]
    assert console.get(path)["actions"] == []

    console.actor = coordinator
    closed = console.post(f"{path}/verify", command_id="click-004")
    assert closed["state"] == "closed"
    pieces = [(piece["holder"], piece["seconds"], piece["charged"]) for piece in closed["custody"]]  # type: ignore[attr-defined]
    assert pieces == [("industry", 300.0, True), ("industry", 3600.0, True)]
    console.post(f"/incidents/{incident}/lift", 422, command_id="click-005", reason="")
    console.post(f"/incidents/{incident}/lift", command_id="click-006", reason="over")
    clock.advance_to(START + minutes(70))
    scores = console.get("/scores")
    industry, health = scores["departments"]  # type: ignore[misc]
    assert (health["department"], health["n"], health["score"], health["custody_seconds"]) == ("health", 0, None, 600.0)
    assert (industry["department"], industry["n"], industry["rank"], industry["score"]) == ("industry", 1, None, 100.0)
    assert industry["rates"]["on_time"] == {"num": 1, "den": 1, "rate": 1.0} and industry["title"] == UNITS["industry"]
    assert scores["formula"]["weights"] == {"handled": 30, "on_time": 20, "rework": 20, "overdue": 20, "extension": 10}  # type: ignore[index]
    behind = console.get("/scores/industry/events", rate="on_time")
    assert behind["total"] == 1 and behind["items"][0]["task"] == first["id"]  # type: ignore[index]


def test_lists_page_without_gap_or_repeat(console: Console, desk: Desk) -> None:
    started = [desk.start(plan(step("a"), plan=f"p{number}"))[0] for number in range(7)]
    for path, name, expected in (("/incidents", "id", set(started)), ("/tasks", "incident_id", set(started))):
        seen: list[str] = []
        after: dict[str, object] = {}
        while True:
            page = console.get(path, limit=3, **after)
            assert page["total"] == 7
            seen += [row[name] for row in page["items"]]  # type: ignore[attr-defined]
            if page["next"] is None:
                break
            after = {"after": page["next"]}
        assert len(seen) == 7 and set(seen) == expected


REFUSED = {
    "/incidents?state=odd": 400,
    "/incidents?limit=0": 400,
    "/incidents?after=zz": 400,
    "/incidents/incident-none": 404,
    "/tasks/task-none": 404,
    "/tasks?limit=999": 400,
    "/scores?from=2016-01-01T00:00:00Z&to=2015-01-01T00:00:00Z": 400,
    "/scores?from=2015-01-01T00:00:00": 400,
    "/scores?formula=none": 404,
    "/scores/industry/events?rate=odd": 404,
}


@pytest.mark.parametrize(("path", "status"), REFUSED.items())
def test_what_makes_no_sense_says_what_to_do(console: Console, path: str, status: int) -> None:
    answer = console.client.get(f"/api{path}")
    assert (answer.status_code, answer.json()["status"]) == (status, status)
    assert answer.json()["remedy"]


def test_acts_that_make_no_sense_say_what_to_do(console: Console, desk: Desk) -> None:
    incident, _ = desk.start(TRIAL)
    task = desk.task(incident, "a").id
    for verb, body, status in (
        ("fly", {}, 422), ("suspend", {}, 422), ("reassign", {"to": "navy", "reason": "x"}, 422), ("resume", {}, 409),
        ("reassign", {"to": "industry", "reason": "x"}, 422), ("suspend", {"reason": "x" * 20_000}, 422),
    ):  # fmt: skip
        answer = console.post(f"/tasks/{task}/{verb}", status, command_id=f"click-{verb}-{status}", **body)
        assert answer["detail"] and answer["remedy"]
    console.post("/tasks/task-none/accept", 404, command_id="click-none")
    console.post(f"/tasks/{task}/suspend", 422, command_id="short", reason="x")


def test_an_incident_without_an_alert(console: Console, desk: Desk) -> None:
    digest = desk.command.publish(Actor.system("test"), TRIAL)
    assert [found["digest"] for found in console.get("/plans")["items"]] == [digest]  # type: ignore[attr-defined]
    made = console.post(
        "/incidents", 201, command_id="click-made", plan=digest, level=2, title={"zh-CN": "事", "en": "it"}
    )
    again = console.post(
        "/incidents", 201, command_id="click-made", plan=digest, level=2, title={"zh-CN": "事", "en": "it"}
    )
    assert made == again
    for title in (
        {"zh-CN": "事"},
        {"zh-CN": "事", "en": ""},
        {"zh-CN": "事", "en": "x" * 201},
        {"zh-CN": "事", "fr": "y"},
    ):
        console.post("/incidents", 422, command_id="click-odd", plan=digest, level=2, title=title)
    other = desk.command.publish(Actor.system("test"), plan(step("z"), plan="other"))
    console.post(f"/incidents/{made['incident_id']}/dispatch", command_id="click-more", plan=other, level=1)
    shown = console.get(f"/incidents/{made['incident_id']}")
    assert shown["level"] == 1 and len(shown["runs"]) == 2  # type: ignore[arg-type]


WHOLE = plan(
    step(
        "look",
        "ecology",
        evidence=[{"kind": "form", "schema": FORM}, {"kind": "place"}],
        sets={"n": "n"},
        clauses=["law-1"],
    ),
    {"id": "who", "does": "decide", "title": text("定", "who"), "table": "good", "after": ["look"]},
    step("clean", "$owner", after=["who"], clock="working"),
    step("visit", "$area", each={"as": "area", "in": ["health", "industry"]}),
)


def test_a_run_shows_its_steps_and_takes_changes(
    console: Console, desk: Desk, clerk: Callable[[str], Actor], coordinator: Actor
) -> None:
    incident, run = desk.start(WHOLE)
    shown = console.get(f"/runs/{run}")
    steps = {each["id"]: each for each in shown["steps"]}  # type: ignore[attr-defined]
    assert {id: (each["of"], each["does"], each["state"]) for id, each in steps.items()} == {
        "look": ("look", "task", "dispatched"), "who": ("who", "decide", "scheduled"),
        "clean": ("clean", "task", "scheduled"), "visit-health": ("visit", "task", "dispatched"),
        "visit-industry": ("visit", "task", "dispatched"),
    }  # fmt: skip
    assert steps["clean"]["unit_title"]["en"] == "as “who” says" and steps["clean"]["clock"] == "working"
    assert steps["who"]["decide"]["inputs"] == {"n": "$n"} and shown["context"]["level"] == 2  # type: ignore[index]
    (look,) = [task for task in shown["tasks"] if task["step"] == "look"]  # type: ignore[attr-defined]
    assert look["evidence"] == [{"kind": "form", "min": 1, "schema": FORM}, {"kind": "place", "min": 1}]
    assert (look["clauses"], look["clock"], look["can_evaluate"]) == (["law-1"], "elapsed", False)
    body = {"command_id": "change-001", "op": "add", "step": step("ask", "transport"), "reason": "路被堵"}
    assert console.post(f"/runs/{run}/patches", **body) == {"run_id": run, "patch_no": 1}
    assert console.post(f"/runs/{run}/patches", **body) == {"run_id": run, "patch_no": 1}
    console.post(f"/runs/{run}/patches", command_id="change-002", op="skip", step="visit", reason="不必")
    (added, skipped) = console.get(f"/runs/{run}/patches")["items"]  # type: ignore[misc]
    assert (added["op"], added["by"]["id"], skipped["step"], skipped["reason"]) == (
        "add",
        coordinator.id,
        "visit",
        "不必",
    )
    states = {each["id"]: each["outcome"] for each in console.get(f"/runs/{run}")["steps"]}  # type: ignore[attr-defined]
    assert states["visit-health"] == states["visit-industry"] == "skipped" and states["ask"] is None
    assert [each["n"] for each in console.get(f"/incidents/{incident}")["runs"][0]["patches"]] == [1, 2]  # type: ignore[index]
    for status, bad in (
        (422, {"op": "fly", "step": "look"}), (422, {"op": "skip"}), (409, {"op": "skip", "step": "visit"}),
        (422, {"op": "add", "step": step("new", "navy")}), (422, {"op": "add", "step": "look"}),
        (422, {"op": "extend", "step": "look", "due": "2015-11-01T00:00:00"}),
    ):  # fmt: skip
        answer = console.post(f"/runs/{run}/patches", status, command_id="change-bad", reason="so", **bad)
        assert answer["remedy"]
    console.post("/runs/run-none/patches", 404, command_id="change-none", op="skip", step="look", reason="so")
    console.actor = clerk("ecology")
    console.post(f"/runs/{run}/patches", 403, command_id="change-003", op="skip", step="look", reason="so")
    mine = console.get(f"/runs/{run}")
    assert (mine["patches"], mine["context"], mine["variables"]) == ([], {}, {}), "what others do is not told"
    assert [task["step"] for task in mine["tasks"]] == ["look"]  # type: ignore[attr-defined]


def test_a_phone_with_and_without_a_connection(
    console: Console, desk: Desk, clock: VirtualClock, clerk: Callable[[str], Actor], coordinator: Actor
) -> None:
    incident, _ = desk.start(WHOLE)
    task = desk.task(incident, "look").id
    console.actor = clerk("ecology")
    began = console.get("/tasks/changes")
    assert [each["id"] for each in began["items"]] == [task] and began["more"] is False  # type: ignore[attr-defined]
    place = {"lon": 120.86, "lat": 32.01, "accuracy": 9}
    clock.advance_to(START + minutes(300))
    acts = [
        {"command_id": "phone-0001", "task_id": task, "verb": "accept", "at": "2015-11-01T00:30:00Z"},
        {"command_id": "phone-0002", "task_id": task, "verb": "submit", "form": {"n": -2}, "place": place},
        {"command_id": "phone-0003", "task_id": task, "verb": "submit", "form": {"n": 2}, "place": place,
         "at": "2015-11-01T05:55:00Z"},
    ]  # fmt: skip
    queue = {"acts": acts, "sent_at": "2015-11-01T06:00:00Z"}
    first, second, third = console.post("/acts", **queue)["items"]  # type: ignore[misc]
    assert (first["ok"], second["ok"], third["ok"]) == (True, False, True)
    (wrong,) = second["problem"]["fields"]
    assert wrong == {"field": "n", "message": {"zh-CN": "不得小于 0", "en": "must not be less than 0"}}
    assert console.post("/acts", acts=acts, sent_at="2015-11-01T09:00:00Z")["items"][2] == third  # type: ignore[index]
    shown = console.get(f"/tasks/{task}")
    (receipt,) = shown["receipts"]  # type: ignore[misc]
    assert (receipt["place"], receipt["done_at"], receipt["clock_off_seconds"]) == (
        place,
        "2015-11-01T04:55:00Z",
        -3600.0,
    )
    assert (shown["done_at"], shown["submitted_at"]) == ("2015-11-01T04:55:00Z", "2015-11-01T05:00:00Z")
    assert shown["can_count_offline"] is False, "it was due before it was done"
    since = console.get("/tasks/changes", after=began["next"])
    assert [each["state"] for each in since["items"]] == ["submitted"]  # type: ignore[attr-defined]
    console.post("/acts", 422, acts=[{"command_id": "phone-0004", "task_id": task}])
    console.post("/acts", 422, acts=[acts[0]] * 201)
    naive = {"command_id": "phone-0005", "task_id": task, "verb": "submit", "at": "2015-11-01T05:55:00"}
    assert (
        console.post("/acts", acts=[naive], sent_at="2015-11-01T06:00:00Z")["items"][0]["problem"]["code"] == "invalid"
    )  # type: ignore[index]

    console.actor = coordinator
    console.post(f"/tasks/{task}/verify", 409, command_id="click-0001", count_offline=True)
    closed = console.post(f"/tasks/{task}/verify", command_id="click-0002")
    assert (closed["state"], closed["can_evaluate"], closed["actions"]) == ("closed", True, [])
    console.actor = Actor("user:op", text("话务员", "Operator"), None, frozenset({"operator"}))
    said = console.post(f"/tasks/{task}/evaluate", command_id="click-0003", satisfied=True, note="干净了")
    assert said["task_id"] == task, "who calls back is told no more than that"
    console.actor = coordinator
    assert console.get(f"/tasks/{task}")["satisfied"] == "yes"


def test_tasks_by_what_is_looked_for(console: Console, desk: Desk, clock: VirtualClock) -> None:
    incident, _ = desk.start(WHOLE)
    desk.act(incident, "visit-health", "accept")

    def found(**query: object) -> list[str]:
        return sorted(each["step"] for each in console.get("/tasks", **query)["items"])  # type: ignore[attr-defined]

    assert found(text="LOOK") == ["look"] and found(text="look nothing") == []
    assert found(state="accepted", over="false") == ["visit-health"] and found(unit="industry") == ["visit-industry"]
    assert found(due_before="2015-11-01T03:00:00Z") == [] and len(found(due_before="2015-11-02T00:00:00Z")) == 3
    assert found(over="true") == []
    for bad in ({"due_before": "2015-11-01T03:00:00"}, {"text": "x" * 1000}):
        assert console.client.get("/api/tasks", params=bad).status_code == 400
    assert console.client.get("/api/tasks/changes", params={"after": -1}).status_code == 422

"""Patterns that may be gaming, data supply, the printable page, the routes, and the columns kept on disk."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from fastapi.testclient import TestClient

from cityheart.account import flags, store
from cityheart.account.api import router
from cityheart.account.page import page
from cityheart.account.report import report
from cityheart.account.service import Account
from cityheart.account.supply import Supplier
from cityheart.account.taking import Taking
from cityheart.kernel import limits
from cityheart.kernel.actors import Actor
from cityheart.kernel.clock import VirtualClock
from cityheart.kernel.database import Database
from cityheart.kernel.errors import Problem
from cityheart.kernel.jobs.service import Jobs
from cityheart.kernel.text import text
from tests.account.test_account_scores import busy
from tests.command.scene import START, SYSTEM, Desk, centre, minutes, plan, step

END = START + timedelta(days=30)


@pytest.fixture
def desk(database: Database, tmp_path: Path) -> Desk:
    """A command centre on either database."""
    return Desk(centre(database, tmp_path))


def go(desk: Desk, clock: VirtualClock, count: float) -> None:
    """Let time pass."""
    clock.advance_to(clock.now() + minutes(count))
    desk.command.tick(clock.now())


def told(account: Account) -> dict[tuple[str, str], tuple[int, int]]:
    """Flags as ``(kind, department)`` → ``(n, of)``."""
    return {(each.kind, each.department): (each.n, each.of) for each in account.flags(START, END)}


# ── flags ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_nothing_is_flagged_that_is_as_it_should_be(desk: Desk, clock: VirtualClock, database: Database) -> None:
    for number in range(7):
        incident, _ = desk.start(plan(step("a"), plan=f"p{number}"))
        go(desk, clock, 30)
        desk.finish(incident, "a")
    assert told(Account(database)) == {}


def test_many_submitted_within_minutes(desk: Desk, clock: VirtualClock, database: Database) -> None:
    """Nine within five minutes are flagged, with the task they belong to; one an hour later is not."""
    made = [desk.start(plan(step("a"), plan=f"p{number}"))[0] for number in range(10)]
    go(desk, clock, 20)
    for incident in made[:9]:
        desk.finish(incident, "a")
        go(desk, clock, 0.5)
    go(desk, clock, 60)
    desk.finish(made[9], "a")
    account = Account(database)
    assert told(account) == {("bulk", "industry"): (9, 10)}
    (flag,) = account.flags(START, END)
    assert set(flag.tasks) == {desk.task(incident, "a").id for incident in made[:9]}
    assert flag.words["en"].startswith("9 of 10 submissions") and "10件提交中有9件" in flag.words["zh-CN"]
    assert account.flags(START, START + minutes(21)) == [], "a figure uses only what was known"


def test_signed_for_and_left(desk: Desk, clock: VirtualClock, database: Database) -> None:
    """Three signed for at once and left until overdue; a fourth asked for more time at the last moment."""
    made = [desk.start(plan(step("a"), plan=f"p{number}"))[0] for number in range(4)]
    go(desk, clock, 5)
    for incident in made:
        desk.act(incident, "a", "accept")
    go(desk, clock, 220)  # minute 225 of 240
    desk.act(made[3], "a", "request_extension", until=START + minutes(400), reason="雨")
    go(desk, clock, 300)
    assert told(Account(database)) == {("sit", "industry"): (3, 4), ("late_request", "industry"): (1, 1)}


def test_returns_without_a_clause(desk: Desk, clock: VirtualClock, database: Database) -> None:
    """Two returns; one event names a clause."""
    made = [desk.start(plan(step("a"), plan=f"p{number}")) for number in range(2)]
    desk.act(made[0][0], "a", "return", reason="不属本部门")
    task = desk.task(made[1][0], "a")
    with database.work(SYSTEM) as work:
        work.emit(f"run:{made[1][1]}", "task.returned", {
            "incident": task.incident, "run": task.run, "task": task.id, "step": "a", "round": 1, "unit": "industry",
            "reason": "见条款", "clause": "air.5", "at": work.now,
        })  # fmt: skip
    assert told(Account(database)) == {("bare_return", "industry"): (1, 2)}


@pytest.mark.parametrize(("hours", "flagged"), [(71, True), (73, False)])
def test_closed_and_started_again(
    desk: Desk, clock: VirtualClock, database: Database, hours: int, flagged: bool
) -> None:
    declared = plan(step("a"))
    incident, _ = desk.start(declared)
    go(desk, clock, 30)
    desk.finish(incident, "a")
    go(desk, clock, hours * 60)
    desk.command.dispatch(SYSTEM, desk.click(), {"id": incident}, desk.command.publish(SYSTEM, declared))
    go(desk, clock, 1)
    assert told(Account(database)) == ({("reopened", "industry"): (1, 1)} if flagged else {})


def test_the_rules_of_flags_are_in_both_languages() -> None:
    rules = flags.rules()
    assert rules.source["zh-CN"] and rules.source["en"]
    for rule in rules.by_kind.values():
        for language in ("zh-CN", "en"):
            assert rule.title[language] and "{n}" in rule.words[language] and "{of}" in rule.words[language]


# ── supply ─────────────────────────────────────────────────────────────────────────────────────────────────────


def deliver(database: Database, clock: VirtualClock, at: float, rows: int = 90, bad: int = 10, **more: object) -> None:
    """A delivery of source ``s``, so many minutes after the start."""
    clock.advance_to(START + minutes(at))
    with database.work(SYSTEM) as work:
        data = {"source": "s", "deliveries": 1, "rows": rows, "quarantined": bad, **more}
        work.emit("source:s", "source.delivered", data)


def supplied(account: Account, since: float, until: float) -> dict[str, tuple[int, int]]:
    """Rates of the only supplying department between two minutes."""
    _, (only,) = account.supply(START + minutes(since), START + minutes(until))
    assert (only.department, only.sources) == ("ecology", 1)
    return {rate: (part.num, part.den) for rate, part in only.rates.items()}


def test_supply_by_hand(database: Database, clock: VirtualClock) -> None:
    """Hourly for six hours: it comes at 60, 121, 180, then only at 330: two are missed; one file of two is refused."""
    account = Account(database)
    account.register_suppliers(lambda: [Supplier("s", "ecology", timedelta(hours=1))])
    assert account.supply(START, END)[1] == []
    with database.work(SYSTEM) as work:
        work.emit("source:s", "source.registered", {"source": "s", "dataset": "d"})
    for at in (60, 121, 180):
        deliver(database, clock, at)
    with database.work(SYSTEM) as work:
        work.emit("source:s", "source.refused", {"source": "s", "delivery": "x", "name": "x", "reason": {}})
    deliver(database, clock, 330, rows=100, bad=0)
    assert supplied(account, 0, 360) == {"fresh": (4, 6), "good": (370, 400), "taken": (4, 5)}
    assert supplied(account, 0, 200) == {"fresh": (3, 3), "good": (270, 300), "taken": (3, 4)}
    assert supplied(account, -60, 200)["fresh"] == (3, 3), "nothing is expected before it was registered"
    formula, (only,) = account.supply(START, START + minutes(360))
    assert only.score == round(40 * 4 / 6 + 40 * 370 / 400 + 20 * 4 / 5, 4) and formula.id == "supply"


@pytest.mark.parametrize(
    ("at", "fresh"),
    [
        ([], (0, 6)),
        ([30], (1, 6)),
        ([60, 120, 180, 240, 300], (6, 6)),
        ([65, 128, 190, 255, 317], (6, 6)),
        ([1] * 9, (1, 6)),
    ],
)
def test_what_is_on_schedule(database: Database, clock: VirtualClock, at: list[float], fresh: tuple[int, int]) -> None:
    account = Account(database)
    account.register_suppliers(lambda: [Supplier("s", "ecology", timedelta(hours=1))])
    with database.work(SYSTEM) as work:
        work.emit("source:s", "source.registered", {"source": "s", "dataset": "d"})
    for moment in at:
        deliver(database, clock, moment)
    assert supplied(account, 0, 360)["fresh"] == fresh


# ── page and routes ────────────────────────────────────────────────────────────────────────────────────────────


class Tags(HTMLParser):
    """What a browser would make of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.seen.append(tag)
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_the_page_is_whole_and_escaped(desk: Desk, clock: VirtualClock, database: Database, language: Any) -> None:
    account = Account(database)
    nasty = "<script>alert('$x')</script>"
    account.register_units({"industry": text(nasty, nasty)})
    account.register_steps(lambda run, step: text(nasty, nasty))
    busy(desk, clock)
    made = report(account, SYSTEM, START, END)
    shown = page(made, text(nasty, nasty), account.zone, language)
    tags = Tags()
    tags.feed(shown)
    assert tags.open == [] and "script" not in tags.seen and "table" in tags.seen
    assert "&lt;script&gt;" in shown
    assert ("得分" in shown) == (language == "zh-CN")


@pytest.fixture
def client(database: Database, desk: Desk, clock: VirtualClock, clerk: Callable[[str], Actor], tmp_path: Path) -> Any:
    """The routes of account over a busy city; ``client(actor)`` asks as that person."""
    busy(desk, clock)
    account = Account(database)
    app = FastAPI()
    taking = Taking(database, Jobs(database, tmp_path / "jobs"), account.unit_title)
    app.include_router(router(account, taking))
    app.add_exception_handler(Problem, lambda request, error: JSONResponse(error.json(), error.status))
    present: list[Actor] = []

    @app.middleware("http")
    async def someone(request: Request, call: Any) -> Any:
        request.state.actor = present[-1]
        return await call(request)

    def of(actor: Actor) -> TestClient:
        present.append(actor)
        return TestClient(app)

    return of


def test_routes(client: Any, clerk: Callable[[str], Actor], nobody: Actor) -> None:
    """Every route answers; what is wrong is refused as a problem; a stranger sees nothing."""
    span = {"from": START.isoformat(), "to": END.isoformat()}
    web = client(clerk("industry"))
    scores = web.get("/api/scores", params=span).json()
    assert {each["department"] for each in scores["departments"]} >= {"industry", "health"}
    assert scores["rates"]["overdue"]["less_is_better"] and scores["dispatchers"]
    assert web.get("/api/scores", params=span | {"formula": "jinhua"}).json()["formula"]["out_of"] == 85
    assert web.get("/api/scores", params=span | {"formula": "none"}).status_code == 404
    assert web.get("/api/scores/report", params=span | {"formula": "jinhua"}).json()["formula"]["id"] == "jinhua"
    for path in ("/api/scores/report", "/api/scores/supply", "/api/scores/flags", "/api/formulas", "/api/appeals"):
        assert web.get(path, params=span).status_code == 200, path
    page = web.get("/api/scores/industry/events", params=span | {"rate": "overdue", "counts": True, "limit": 1}).json()
    assert page["total"] > 1 and page["next"] == 1 and page["items"][0]["step_title"]
    task = page["items"][0]["task"]
    assert web.get(f"/api/scores/items/{task}").json()["custody"]
    filed = web.post(
        "/api/appeals", json={"command_id": "appeal-0001", "task": task, "rate": "overdue", "reason": "停电"}
    ).json()
    listed = web.get("/api/appeals", params={"state": "open", "limit": 1}).json()
    assert [each["id"] for each in listed["items"]] == [filed["appeal_id"]] and listed["total"] == 1
    assert web.get("/api/appeals", params={"limit": 1, "after": listed["next"]}).json()["items"] == []
    decision = {"command_id": "decide-0001", "uphold": True, "reason": "属实", "effect": "exclude"}
    assert web.post(f"/api/appeals/{filed['appeal_id']}/decide", json=decision).status_code == 403
    for query in ({"after": "x"}, {"limit": 0}, {"limit": 1000}):
        assert web.get("/api/appeals", params=query).status_code == 400, query
    assert web.get("/api/scores", params={"from": "2015-01-01T00:00:00", "to": END.isoformat()}).status_code == 400
    inspector = client(Actor("user:i", text("督查", "Inspector"), None, frozenset({"inspector"})))
    assert inspector.post(f"/api/appeals/{filed['appeal_id']}/decide", json=decision).json()["state"] == "upheld"
    after = inspector.get("/api/scores", params=span).json()
    (mine,) = [each for each in after["departments"] if each["department"] == "industry"]
    assert mine["corrections"] == 1 and mine["score_before_appeals"] != mine["score"]
    wrong = inspector.post("/api/formulas", json={"command_id": "publish-0001", "formula": {"id": "x"}})
    assert wrong.status_code == 422 and wrong.json()["remedy"]
    stranger = client(nobody)
    for path in ("/api/scores", "/api/scores/report", "/api/formulas", "/api/appeals", f"/api/scores/items/{task}"):
        assert stranger.get(path, params=span).status_code == 403, path


# ── columns on disk ────────────────────────────────────────────────────────────────────────────────────────────


def test_columns_kept_on_disk_are_derived_data(
    desk: Desk, clock: VirtualClock, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new process goes on from them; without them, with broken ones or another log's, it reads the log."""
    monkeypatch.setattr(limits, "SCORES_TAIL_EVENTS", 20)
    folder = tmp_path / "cache"
    busy(desk, clock)
    first = Account(database, folder=folder)
    expected = first.scores(START, END)
    (kept,) = folder.iterdir()
    read: list[int] = []
    whole = store.run_events

    def counting(conn: Any, after: int, types: Any) -> Any:
        read.append(after)
        return whole(conn, after, types)

    monkeypatch.setattr(store, "run_events", counting)
    assert Account(database, folder=folder).scores(START, END) == expected
    assert read == [int(kept.name.removeprefix("scores-"))], "only what is new is read"
    incident, _ = desk.start(plan(step("a"), plan="more"))
    desk.finish(incident, "a")
    again, fresh = Account(database, folder=folder), Account(database)
    assert again.scores(START, END) == fresh.scores(START, END) != expected
    assert again.custody(desk.task(incident, "a").id) == fresh.custody(desk.task(incident, "a").id)
    assert again.verify() == []

    events = kept / "events.arrow"
    content = bytearray(events.read_bytes())
    at = content.index(
        int((datetime(2015, 11, 1, 0, 20) - datetime(1970, 1, 1)).total_seconds() * 1e6).to_bytes(8, "little")
    )
    content[at] ^= 1
    events.unlink()  # the other accounts have it mapped
    events.write_bytes(content)
    assert any("delete the city's cache folder" in fault for fault in Account(database, folder=folder).verify())
    events.unlink()
    events.write_bytes(b"nothing")
    assert Account(database, folder=folder).scores(START, END) == fresh.scores(START, END)
    shutil.rmtree(folder)
    assert Account(database, folder=folder).scores(START, END) == fresh.scores(START, END)

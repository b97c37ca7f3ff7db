"""Appeals, formulas that a city publishes, answers of call-backs, dispatch accuracy: each changes figures by events only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from cityheart.account import formula as formulas
from cityheart.account import store
from cityheart.account.models import RATES, Rate, Score
from cityheart.account.report import report
from cityheart.account.service import Account
from cityheart.kernel.access import require
from cityheart.kernel.actors import Actor
from cityheart.kernel.clock import VirtualClock
from cityheart.kernel.database import Database
from cityheart.kernel.errors import BadRequest, Conflict, Forbidden, Invalid, NotFound
from cityheart.kernel.text import text
from tests.command.scene import START, SYSTEM, Desk, centre, minutes, plan, step

END = START + timedelta(days=30)
INSPECTOR = Actor("user:inspector", text("督查", "Inspector"), "audit", frozenset({"inspector"}))


@pytest.fixture
def desk(database: Database, tmp_path: Path) -> Desk:
    """A command centre on either database."""
    return Desk(centre(database, tmp_path))


@pytest.fixture
def late(desk: Desk, clock: VirtualClock, database: Database) -> tuple[Account, str]:
    """Industry did one of two tasks in time; the other, whose id is given, is overdue."""
    good, _ = desk.start(plan(step("a"), plan="good"))
    slow, _ = desk.start(plan(step("a"), plan="slow"))
    go(desk, clock, 10)
    desk.finish(good, "a")
    desk.act(slow, "a", "accept")
    go(desk, clock, 300)
    return Account(database), desk.task(slow, "a").id


def go(desk: Desk, clock: VirtualClock, count: float) -> None:
    """Let time pass."""
    clock.advance_to(clock.now() + minutes(count))
    desk.command.tick(clock.now())


def industry(account: Account, **more: Any) -> Score:
    """The score of the industry bureau."""
    (score,) = [each for each in account.scores(START, END, **more).departments if each.department == "industry"]
    return score


def pair(score: Score, rate: str) -> tuple[int, int]:
    """A rate as ``(num, den)``."""
    return score.rates[rate].num, score.rates[rate].den


# ── appeals ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("effect", "on_time", "overdue"), [("exclude", (1, 1), (0, 1)), ("count_as_good", (2, 2), (0, 2))]
)
def test_an_upheld_appeal_changes_the_score(
    late: tuple[Account, str],
    clerk: Callable[[str], Actor],
    clock: VirtualClock,
    effect: Any,
    on_time: tuple[int, int],
    overdue: tuple[int, int],
) -> None:
    account, task = late
    before = industry(account)
    assert (pair(before, "on_time"), pair(before, "overdue")) == ((1, 2), (1, 2))
    filed = account.appeal(clerk("industry"), "appeal-0001", task, "overdue", "停电一天", "供电公司证明")
    assert account.appeal(clerk("industry"), "appeal-0001", task, "overdue", "停电一天", "供电公司证明") == filed
    assert industry(account) == before, "an appeal that is only filed changes nothing"
    asked_at = clock.now()
    clock.advance_to(asked_at + timedelta(days=40))
    told = account.decide_appeal(INSPECTOR, "decide-0001", str(filed["appeal_id"]), True, "属实", effect)
    assert told["state"] == "upheld"
    after = industry(account)
    assert (pair(after, "on_time"), pair(after, "overdue"), pair(after, "concluded_on_time")) == (
        on_time, overdue, on_time,
    )  # fmt: skip
    assert pair(after, "handled") == (1, 2), "other rates stand"
    assert (after.corrections, after.before_appeals) == (1, before.score)
    assert after.score is not None and before.score is not None and after.score > before.score
    assert industry(account, known=asked_at) == before, "the figures as they were known then are still there"
    page, total = account.counted(SYSTEM, "industry", "on_time", START, END)
    assert [(one.task, one.counts, one.correction) for one in page if one.task == task] == [
        (task, effect == "count_as_good", effect)
    ]
    assert total == 2
    assert account.verify() == []


def test_a_dismissed_appeal_changes_nothing(late: tuple[Account, str], clerk: Callable[[str], Actor]) -> None:
    account, task = late
    before = industry(account)
    appeal = str(account.appeal(clerk("industry"), "appeal-0001", task, "on_time", "停电")["appeal_id"])
    account.decide_appeal(INSPECTOR, "decide-0001", appeal, False, "没有证据")
    assert industry(account) == before
    with pytest.raises(Conflict, match="already"):
        account.decide_appeal(INSPECTOR, "decide-0002", appeal, True, "改变主意")
    with pytest.raises(Conflict, match="already"):
        account.appeal(clerk("industry"), "appeal-0002", task, "overdue", "再次申诉")
    ((only,), total) = account.appeals(clerk("industry"))
    assert (only.state, only.decision, total) == ("dismissed", "没有证据", 1)
    assert account.appeals(clerk("health")) == ([], 0)
    assert account.verify() == []


def test_who_may_appeal_and_decide(late: tuple[Account, str], clerk: Callable[[str], Actor], nobody: Actor) -> None:
    account, task = late
    for stranger in (clerk("health"), nobody, INSPECTOR):
        with pytest.raises(Forbidden):
            account.appeal(stranger, "appeal-0001", task, "on_time", "停电")
    appeal = str(account.appeal(clerk("industry"), "appeal-0002", task, "on_time", "停电")["appeal_id"])
    own = Actor("user:own", text("自查", "Own"), "industry", frozenset({"inspector"}))
    for stranger in (clerk("industry"), own, nobody):
        with pytest.raises(Forbidden):
            account.decide_appeal(stranger, "decide-0001", appeal, True, "好")
    with pytest.raises(Forbidden):
        account.appeals(nobody)
    with pytest.raises(NotFound):
        account.decide_appeal(INSPECTOR, "decide-0002", "appeal-none", True, "好")
    with pytest.raises(Invalid):
        account.decide_appeal(INSPECTOR, "decide-0003", appeal, True, "  ")
    with pytest.raises(Invalid):
        account.decide_appeal(INSPECTOR, "decide-0004", appeal, True, "好", "forget")  # type: ignore[arg-type]


def test_what_can_be_appealed_against(
    late: tuple[Account, str], clerk: Callable[[str], Actor], desk: Desk, clock: VirtualClock
) -> None:
    account, task = late
    actor = clerk("industry")
    with pytest.raises(Conflict, match="favour"):
        account.appeal(actor, "appeal-0001", task, "sign_in", "不服")
    with pytest.raises(Conflict, match="does not count"):
        account.appeal(actor, "appeal-0002", task, "rework", "不服")
    with pytest.raises(NotFound):
        account.appeal(actor, "appeal-0003", task, "luck", "不服")
    with pytest.raises(NotFound):
        account.appeal(actor, "appeal-0004", "task-none", "on_time", "不服")
    with pytest.raises(Invalid):
        account.appeal(actor, "appeal-0005", task, "on_time", "")
    # due on Sunday 2015-11-01 at noon: ten working days later is Friday the 13th
    clock.advance_to(START + timedelta(days=16))
    with pytest.raises(Conflict, match="were possible until 2015-11-1"):
        account.appeal(actor, "appeal-0006", task, "on_time", "不服")


def test_an_appeal_that_was_tampered_with_is_found(
    late: tuple[Account, str], clerk: Callable[[str], Actor], database: Database
) -> None:
    account, task = late
    appeal = str(account.appeal(clerk("industry"), "appeal-0001", task, "on_time", "停电")["appeal_id"])
    with database.engine.begin() as conn:
        conn.execute(sa.update(store.appeal_table).values(state="upheld", effect="exclude"))
    assert account.verify() == [f"{appeal}: it is kept otherwise than its events say"]
    assert pair(industry(account), "on_time") == (1, 2), "the score follows events, not the table"


# ── formulas ───────────────────────────────────────────────────────────────────────────────────────────────────


def content(**more: object) -> dict[str, object]:
    """A formula as an inspector publishes it."""
    return {
        "id": "own", "version": "1", "valid_from": "2015-11-10", "title": text("本市规则", "Own rules"),
        "source": text("市府办〔2015〕1号", "Decree 1 of 2015"), "appeal_within": "P5D",
        "terms": [
            {"rate": "on_time", "weight": 60},
            {"rate": "rework", "weight": 40, "deductions": [{"rate": "rework", "points": 5}]},
        ],
        **more,
    }  # fmt: skip


def test_a_published_formula_scores_from_its_day_on(late: tuple[Account, str]) -> None:
    account, _ = late
    past = START + timedelta(days=9) - timedelta(hours=8)  # midnight of the 10th in the city
    before = account.scores(START, past)
    account.publish_formula(INSPECTOR, "publish-0001", content())
    assert account.scores(START, past) == before
    after = account.scores(START, END)
    assert (after.formula.id, [each.id for each in after.changes]) == ("own", ["own"])
    assert industry(account).score == 60 * 0.5 + 40
    assert account.scores(START, END, "jinniu").formula.id == "jinniu"
    caveats = report(account, INSPECTOR, START, END)["caveats"]
    assert any("formula changed inside the period" in caveat["en"] for caveat in caveats)  # type: ignore[attr-defined]
    assert account.verify() == []


def test_a_formula_never_changes_the_past(late: tuple[Account, str], database: Database) -> None:
    account, _ = late
    for day in ("2015-11-01", "2010-01-01"):
        with pytest.raises(Invalid, match="never changes the past"):
            account.publish_formula(INSPECTOR, f"publish-{day}", content(valid_from=day))
    account.publish_formula(INSPECTOR, "publish-0001", content())
    with pytest.raises(Conflict):
        account.publish_formula(INSPECTOR, "publish-0002", content(valid_from="2016-01-01"))
    with pytest.raises(Conflict):
        account.publish_formula(INSPECTOR, "publish-0003", content(version="2"))
    with pytest.raises(Forbidden):
        account.publish_formula(
            Actor("user:c", {}, "industry", frozenset({"clerk"})), "publish-0004", content(version="3")
        )
    with database.engine.begin() as conn:
        changed = {**formulas.mapping(formulas.parse(content())), "valid_from": "2015-10-01"}
        conn.execute(sa.update(store.formula_table).values(content=changed))
    assert account.verify() == ["formula own 1 is not the one that was published"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"terms": []}, {"terms": [{"rate": "luck", "weight": 1}]}, {"terms": [{"rate": "rework", "weight": 10}]},
        {"terms": [{"rate": "on_time", "weight": float("nan")}]}, {"terms": "none"}, {"title": {"en": "x"}},
        {"valid_from": "soon"}, {"appeal_within": "P10Y"}, {"surprise": 1}, {"of": "weather"}, {"id": ""},
        {"terms": [{"rate": "on_time", "weight": 1, "deductions": [{"rate": "on_time", "points": 1, "bound": 70}]}]},
        {"terms": [{"rate": "on_time", "weight": 1}] * 51},
    ],
)  # fmt: skip
def test_a_formula_that_is_wrong_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(Invalid):
        formulas.parse(content(**wrong))


def test_a_formula_reads_back_what_it_writes() -> None:
    for formula in formulas.load():
        assert formulas.parse(formulas.mapping(formula)) == formula


def test_jinhua_by_hand() -> None:
    """Thresholds and deductions: 65.5 % on time is 4.5 points below 70; 2 failed checks and one third."""
    (jinhua,) = [each for each in formulas.load() if each.id == "jinhua"]
    some = {rate: Rate(0, 0) for rate in RATES} | {
        "concluded_on_time": Rate(131, 200), "concluded": Rate(190, 200), "urgent_concluded": Rate(9, 10),
        "urgent_concluded_on_time": Rate(9, 10), "rework": Rate(3, 200), "rework_again": Rate(1, 200),
    }  # fmt: skip
    assert jinhua.score(some) == pytest.approx((50 - 4.5) + 20 + (10 - 5 - 2.5) + (5 - 0.4 - 0.5))
    few = some | {"urgent_concluded": Rate(0, 0), "urgent_concluded_on_time": Rate(0, 0)}
    assert jinhua.score(few) == pytest.approx(round((45.5 + 20 + 4.1) * 85 / 75, 4))
    bad = some | {"concluded_on_time": Rate(0, 200)}
    assert jinhua.score(bad) == pytest.approx(20 + 2.5 + 4.1), "a term is never less than nothing"


def test_only_an_adopted_formula_counts_by_itself() -> None:
    every = formulas.load()
    assert formulas.in_force(every, date(2020, 1, 1)).id == "jinniu"
    assert formulas.in_force(every, date(2020, 1, 1), "jinhua").id == "jinhua"
    assert formulas.in_force(every, date(2020, 1, 1), of="supply").id == "supply"
    with pytest.raises(NotFound):
        formulas.in_force([replace(each, adopted=False) for each in every], date(2020, 1, 1))


# ── other rates ────────────────────────────────────────────────────────────────────────────────────────────────


def test_answers_of_call_backs(late: tuple[Account, str], desk: Desk, database: Database, clock: VirtualClock) -> None:
    """The newest answer of a task counts, when it came; no answer is none."""
    account, task = late
    with database.read() as conn:
        (run,) = {data["run"] for _, _, data, _ in store.run_events(conn, 0, {"task.accepted"}) if data["task"] == task}
    for satisfied, pause in ((None, 0), (False, 10), (True, 10)):
        clock.advance_to(clock.now() + minutes(pause))
        with database.work(SYSTEM) as work:
            work.emit(f"run:{run}", "task.evaluated", {
                "task": task, "unit": "industry", "run": run, "incident": "i", "step": "a", "round": 1,
                "satisfied": satisfied, "at": work.now,
            })  # fmt: skip
    assert pair(industry(account), "satisfied") == (1, 1)
    (then,) = account.scores(START, clock.now()).departments
    assert (then.rates["satisfied"].num, then.rates["satisfied"].den) == (0, 1)
    assert account.verify() == []


def test_wrong_dispatch_is_charged_to_who_dispatched(desk: Desk, clock: VirtualClock, database: Database) -> None:
    account = Account(database)
    li, wang = (Actor(f"user:{name}", text(name, name), None, frozenset({"coordinator"})) for name in ("li", "wang"))
    first = Desk(desk.command, li)
    incident, _ = first.start(plan(step("a"), step("b", "health")))
    desk.acts = first.acts
    go(desk, clock, 5)
    desk.act(incident, "a", "return", reason="不属本部门")
    desk.act(incident, "a", "decide_return", wang, to="transport")
    desk.act(incident, "a", "return", reason="也不属本部门")
    desk.act(incident, "a", "decide_return", li, to="ecology")
    found = {each.dispatcher: (each.accuracy.num, each.accuracy.den) for each in account.scores(START, END).dispatchers}
    assert found == {"user:li": (2, 3), "user:wang": (0, 1)}
    assert pair(industry(account), "return") == (1, 1)
    assert account.verify() == []


# ── what is behind ─────────────────────────────────────────────────────────────────────────────────────────────


def test_everything_behind_a_task(
    late: tuple[Account, str], clerk: Callable[[str], Actor], nobody: Actor, desk: Desk
) -> None:
    account, task = late
    account.register_steps(lambda run, step: desk.command.plan_of(run).step(step).title)
    account.appeal(clerk("industry"), "appeal-0001", task, "on_time", "停电")
    told: Any = account.item(clerk("industry"), task)
    assert [event["type"] for event in told["events"]] == [
        "run.started", "task.dispatched", "task.accepted", "task.overdue",
    ]  # fmt: skip
    assert "tasks" not in told["events"][0]["data"]
    assert told["step_title"] == text("a步", "a")
    assert sum(piece["seconds"] for piece in told["custody"]) == 310 * 60
    assert len(told["appeals"]) == 1
    for actor in (clerk("health"), nobody):
        with pytest.raises(Forbidden):
            account.item(actor, task)
    with pytest.raises(NotFound):
        account.item(SYSTEM, "task-none")


def test_the_report_says_what_moved_and_why(desk: Desk, clock: VirtualClock, database: Database) -> None:
    """Two days of twelve tasks each: industry gets worse, health better; ecology has too few to compare."""
    account = Account(database)
    account.register_steps(lambda run, step: desk.command.plan_of(run).step(step).title)
    for day, (industry_done, health_done) in enumerate(((12, 2), (3, 12))):
        made = [desk.start(plan(step("a"), step("b", "health"), plan=f"p{day}-{number}"))[0] for number in range(12)]
        go(desk, clock, 10)
        for number, incident in enumerate(made):
            if number < industry_done:
                desk.finish(incident, "a")
            if number < health_done:
                desk.finish(incident, "b")
        if day == 0:
            desk.start(plan(step("a", "ecology"), plan="few"))
        go(desk, clock, 24 * 60 - 10)
    told: Any = report(account, SYSTEM, START + timedelta(days=1), START + timedelta(days=2))
    (best,), (worst,) = told["best"], told["worst"]
    assert (best["department"], best["on_time"]["num"], best["before"]["num"], best["n"]) == ("health", 12, 2, 12)
    assert (worst["department"], worst["on_time"]["num"], worst["before"]["num"]) == ("industry", 3, 12)
    assert len(worst["tasks"]) == 5 and not any(task["counts"] for task in worst["tasks"])
    assert worst["tasks"][0]["step_title"]["zh-CN"] == "a步"
    (on_time,) = [each for each in told["headline"] if each["id"] == "on_time"]
    assert (on_time["num"], on_time["den"], on_time["before"]["num"], on_time["before"]["den"]) == (15, 24, 14, 25)
    assert on_time["change"] == round(15 / 24 - 14 / 25, 6)
    (accuracy,) = [each for each in told["headline"] if each["id"] == "dispatch_accuracy"]
    assert (accuracy["num"], accuracy["den"]) == (24, 24)
    clerk = Actor("user:c", text("c", "c"), "health", frozenset({"clerk"}))
    require(clerk, "score.read")
    seen: Any = report(account, clerk, START + timedelta(days=1), START + timedelta(days=2))
    assert seen["worst"][0]["tasks"] == () and len(seen["best"][0]["tasks"]) == 5
    with pytest.raises(BadRequest):
        report(account, SYSTEM, END, START)

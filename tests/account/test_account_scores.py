"""Scores: hand-counted cases, equality with the count by hand, formulas as dated files, and speed at a million tasks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from cityheart.account import formula as formulas
from cityheart.account import rates, store
from cityheart.account.books import READ
from cityheart.account.index import Index, tally
from cityheart.account.ledger import Log, to_us
from cityheart.account.models import RATES, Formula, Rate, Score, Term
from cityheart.account.service import Account
from cityheart.kernel import events
from cityheart.kernel.actors import Actor
from cityheart.kernel.clock import VirtualClock
from cityheart.kernel.database import Database
from cityheart.kernel.errors import Forbidden, Invalid, NotFound
from tests.account.many import DUE, synthetic
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


def figures(account: Account, department: str, until: datetime = END) -> dict[str, tuple[int, int]]:
    """Rates of a department as ``(num, den)``."""
    (score,) = [each for each in account.scores(START, until).departments if each.department == department]
    return {rate: (part.num, part.den) for rate, part in score.rates.items()}


def test_hand_counted(desk: Desk, clock: VirtualClock, database: Database) -> None:
    """Industry: one task in time, one late after a rejection, one returned rightly, one with more time, one not done."""
    account = Account(database)
    good, _ = desk.start(plan(step("a"), plan="good"))
    redone, _ = desk.start(plan(step("a"), plan="redone"))
    wrong, _ = desk.start(plan(step("a"), plan="wrong"))
    longer, _ = desk.start(plan(step("a"), plan="longer"))
    desk.start(plan(step("a"), plan="idle"))
    go(desk, clock, 10)
    for incident in (good, redone, longer):
        desk.act(incident, "a", "accept")
    desk.act(wrong, "a", "return", reason="不属本部门")
    go(desk, clock, 10)
    desk.act(wrong, "a", "decide_return", to="health", approve=True)
    go(desk, clock, 40)
    desk.act(good, "a", "submit")
    desk.act(redone, "a", "submit")
    desk.act(longer, "a", "request_extension", until=START + minutes(300), reason="雨")
    go(desk, clock, 30)
    desk.act(good, "a", "verify")
    desk.act(redone, "a", "reject", reason="不清楚")
    desk.act(longer, "a", "decide_extension")
    go(desk, clock, 40)  # the second round of "redone" is not accepted in time
    desk.act(redone, "a", "accept")
    go(desk, clock, 160)  # minute 290
    desk.act(longer, "a", "submit")
    desk.act(longer, "a", "verify")
    go(desk, clock, 50)  # minute 340: "redone" fell due at 330
    desk.act(redone, "a", "submit")
    assert figures(account, "industry") == {
        "sign_in": (3, 5),  # good, redone 1, longer; not redone 2, not idle
        "handled": (4, 5),
        "on_time": (3, 5),
        "overdue": (2, 5),
        "closed": (2, 5),
        "rework": (1, 4),
        "return": (1, 6),
        "extension": (1, 5),
        "rework_again": (0, 4),
        "concluded": (2, 4),  # due in the period: good, longer, idle, redone 2; redone 1 goes on as redone 2
        "concluded_on_time": (2, 4),
        "urgent_concluded": (2, 4),  # the incidents are of level 2
        "urgent_concluded_on_time": (2, 4),
        "satisfied": (0, 0),
    }
    (industry,) = [score for score in account.scores(START, END).departments if score.department == "industry"]
    assert industry.score == round(30 * 4 / 5 + 20 * 3 / 5 + 20 * (1 - 1 / 4) + 20 * (1 - 2 / 5) + 10 * (1 - 1 / 5), 4)
    assert (industry.rank, industry.late, industry.n) == (None, 2, 5)
    assert account.verify() == []


def test_figures_of_a_past_period_do_not_change(desk: Desk, clock: VirtualClock, database: Database) -> None:
    account = Account(database)
    incident, _ = desk.start(plan(step("a")))
    go(desk, clock, 10)
    desk.act(incident, "a", "accept")
    go(desk, clock, 50)
    desk.act(incident, "a", "submit")
    until = START + minutes(61)
    before = account.scores(START, until)
    go(desk, clock, 60)
    desk.act(incident, "a", "reject", reason="不清楚")
    assert account.scores(START, until) == before
    assert figures(account, "industry")["rework"] == (1, 1)
    assert figures(account, "industry", until)["rework"] == (0, 1)


def test_what_is_cancelled_before_it_is_due_is_nobodys_fault(
    desk: Desk, clock: VirtualClock, database: Database
) -> None:
    early, _ = desk.start(plan(step("a"), plan="early"))
    late, _ = desk.start(plan(step("a"), plan="late"))
    resting, _ = desk.start(plan(step("a"), plan="resting"))
    go(desk, clock, 5)
    desk.act(resting, "a", "suspend", reason="台风")
    go(desk, clock, 235 - 1)
    desk.act(early, "a", "cancel", reason="不需要")
    go(desk, clock, 60)
    desk.act(late, "a", "cancel", reason="不需要")
    go(desk, clock, 6000)
    assert figures(Account(database), "industry")["overdue"] == (1, 1)


def test_the_tasks_behind_a_figure(
    desk: Desk, clock: VirtualClock, database: Database, clerk: Callable[[str], Actor], nobody: Actor
) -> None:
    account = Account(database)
    incident, run = desk.start(plan(step("a"), step("b", "health")))
    go(desk, clock, 300)
    (behind,), total = account.counted(clerk("industry"), "industry", "on_time", START, END)
    assert total == 1
    assert (behind.run, behind.step, behind.counts, behind.due) == (run, "a", False, START + minutes(240))
    assert behind.task == desk.task(incident, "a").id
    for actor in (clerk("health"), nobody):
        with pytest.raises(Forbidden):
            account.counted(actor, "industry", "on_time", START, END)
    with pytest.raises(NotFound):
        account.counted(SYSTEM, "industry", "luck", START, END)
    assert account.counted(SYSTEM, "navy", "on_time", START, END) == ([], 0)


def test_few_tasks_give_no_rank_and_a_careful_share() -> None:
    made = [
        _score("a", 10, 90.0),
        _score("b", 12, 90.0),
        _score("c", 9, 100.0),
        _score("d", 30, 70.0),
        _score("e", 0, None),
    ]
    ranked = rates._ranked(made)
    assert {score.department: score.rank for score in ranked} == {"a": 1, "b": 1, "c": None, "d": 3, "e": None}
    assert [score.department for score in ranked] == ["c", "a", "b", "d", "e"]


def _score(department: str, n: int, points: float | None) -> Score:
    return Score(department, n, points, None, {rate: Rate(0, n) for rate in RATES}, None, 0.0, 0)


def test_a_few_lucky_tasks_are_drawn_to_the_mean(desk: Desk, clock: VirtualClock, database: Database) -> None:
    """Twenty departments' worth of the same step: μ is the share of all who did it in time."""
    for number in range(4):
        incident, _ = desk.start(plan(step("a", "industry" if number else "health"), plan="p", version=str(number)))
        if number in (0, 1):
            desk.act(incident, "a", "accept")
            desk.act(incident, "a", "submit")
    go(desk, clock, 300)
    fair = {score.department: score.on_time_fair for score in Account(database).scores(START, END).departments}
    assert fair == {"health": round((1 + 20 * 0.5) / 21, 6), "industry": round((1 + 20 * 0.5) / 23, 6)}


# ── formulas ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_formula_is_dated_and_says_where_it_is_from() -> None:
    found = formulas.load()
    assert found == sorted(found, key=lambda formula: formula.valid_from)
    for formula in found:
        assert formula.source["zh-CN"] and formula.source["en"]
        assert formula.out_of in (85, 100)


def test_the_newest_formula_in_force_counts() -> None:
    old = formulas.in_force(formulas.load(), date(2012, 1, 1))
    assert old.id == "jinniu"
    new = replace(old, id="new", valid_from=date(2016, 1, 1))
    assert formulas.in_force([old, new], date(2015, 12, 31)) is old
    assert formulas.in_force([old, new], date(2016, 1, 1)) is new
    assert formulas.in_force([old, new], date(2017, 1, 1), old.id) is old
    with pytest.raises(NotFound):
        formulas.in_force([old, new], date(1999, 1, 1))


def test_a_formula_scores_by_hand() -> None:
    formula = Formula("f", "1", date(2015, 1, 1), {}, {}, (Term("on_time", 60, False), Term("rework", 40, True)))
    some = {rate: Rate(0, 0) for rate in RATES} | {"on_time": Rate(3, 4)}
    assert formula.score(some | {"rework": Rate(1, 2)}) == 60 * 0.75 + 40 * 0.5
    assert formula.score(some) == 75.0, "a term without a denominator is left out"
    assert formula.score({rate: Rate(0, 0) for rate in RATES}) is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("weight = 30", "weight = -1"), ('rate = "handled"', 'rate = "luck"'), ('id = "jinniu"', ""), ("[[terms]]", "[["),
        ("valid_from = 2010-01-01", 'valid_from = "soon"'),
    ],
)  # fmt: skip
def test_a_broken_formula_names_its_file(tmp_path: Path, old: str, new: str) -> None:
    text = (Path(formulas.__file__).parent / "formulas" / "jinniu.toml").read_text("utf-8")
    assert old in text
    (tmp_path / "broken.toml").write_text(text.replace(old, new), "utf-8")
    with pytest.raises(Invalid, match=r"broken\.toml"):
        formulas.load(tmp_path)


# ── proof ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_verify_finds_what_was_changed(desk: Desk, clock: VirtualClock, database: Database) -> None:
    incident, run = desk.start(plan(step("a")))
    go(desk, clock, 10)
    desk.finish(incident, "a")
    assert Account(database).verify() == []
    table = events.event_table
    with database.engine.begin() as conn:
        row = conn.execute(sa.select(table).where(table.c.type == "task.accepted")).one()
        changed = {**row.data, "at": (START - minutes(1)).isoformat()}
        conn.execute(table.update().where(table.c.seq == row.seq).values(data=changed))
    with database.read() as conn:
        assert events.Break(f"run:{run}", row.n, "content was changed") in events.verify(conn)
    assert any("time went back" in fault for fault in Account(database).verify())


def test_verify_finds_an_act_that_cannot_be(desk: Desk, database: Database) -> None:
    incident, run = desk.start(plan(step("a")))
    task = desk.task(incident, "a")
    with database.work(SYSTEM) as work:
        work.emit(
            f"run:{run}",
            "task.submitted",
            {"task": task.id, "run": run, "at": work.now, "due": task.due, "verify_by": None},
        )
    assert Account(database).verify() == [f"{task.id}: an event that cannot follow the one before"]


def test_scores_of_very_many_tasks() -> None:
    """Synthetic columns of a hundred thousand tasks, counted another way."""
    n = 100_000
    log, worked, unit = synthetic(n)
    since, until = to_us(datetime(2014, 1, 1, tzinfo=UTC)), to_us(datetime(2017, 1, 1, tzinfo=UTC))
    counted = tally(log, Index.of(log), since, until)
    found = rates.scores(counted, log.names, log.pairs, formulas.in_force(formulas.load(), date(2016, 12, 31)))
    assert sum(score.n for score in found) == n
    assert sum(score.rates["on_time"].num for score in found) == int((worked < DUE).sum())
    by_unit = np.bincount(unit, weights=worked) / 1e6
    by_verifier = 60.0 * n
    for score in found:
        assert score.custody_seconds == pytest.approx(by_unit[log.names.index(score.department)])
    assert counted.charged[1] / 1e6 == pytest.approx(by_verifier)
    assert counted.senders[1].tolist() == [n, 0]


@pytest.mark.parametrize("frozen", [0.0, 0.4, 1.0])
def test_a_period_counts_the_same_however_much_is_sorted(desk: Desk, clock: VirtualClock, frozen: float) -> None:
    """Sorted columns, the tail of the log and stories that reach over the period's end give one and the same figure."""
    busy(desk, clock)
    told = told_by(desk)
    fresh, mixed = Log(), Log()
    for number, (type, data, actor) in enumerate(told):
        fresh.feed(type, data, actor)
        mixed.feed(type, data, actor)
        if number == int(frozen * len(told)):
            mixed.freeze()
    if frozen == 1.0:
        mixed.freeze()
    index, empty = Index.of(mixed), Index.of(Log())
    for until in range(30, 4000, 61):
        for since in (-10, until // 2):
            period = to_us(START + minutes(since)), to_us(START + minutes(until))
            a, b = tally(fresh, empty, *period), tally(mixed, index, *period)
            assert all((a.masks[clock] == b.masks[clock]).all() for clock in a.masks)
            assert (a.charged == b.charged).all() and (a.on_time == b.on_time).all() and (a.senders == b.senders).all()


def busy(desk: Desk, clock: VirtualClock) -> None:
    """Several days in which everything happens that can."""
    for day in range(2):
        made = [
            desk.start(
                plan(step("a"), step("b", "health", after=["a"]), plan=f"busy-{number}", version=str(day)),
                level=2 + number % 2,
            )[0]
            for number in range(4)
        ]
        go(desk, clock, 20)
        desk.act(made[0], "a", "accept")
        desk.act(made[1], "a", "return", reason="不属本部门")
        desk.act(made[2], "a", "accept")
        go(desk, clock, 15)
        desk.act(made[1], "a", "decide_return", to="transport")
        desk.act(made[0], "a", "submit")
        desk.act(made[2], "a", "request_extension", until=clock.now() + minutes(500), reason="雨")
        desk.act(made[2], "a", "decide_extension")
        go(desk, clock, 100)
        desk.act(made[0], "a", "reject", reason="不清楚")
        desk.act(made[1], "a", "suspend", reason="台风")
        go(desk, clock, 300)
        desk.act(made[1], "a", "resume")
        for incident in (made[0], made[1]):
            desk.finish(incident, "a")
        desk.act(made[2], "a", "submit")
        desk.act(made[3], "a", "reassign", to="ecology", reason="更近")
        go(desk, clock, 700)
        desk.act(made[2], "a", "verify")
        desk.act(made[3], "a", "cancel", reason="不需要")
        desk.finish(made[0], "b")
        go(desk, clock, 400)


def told_by(desk: Desk) -> list[tuple[str, dict[str, Any], str]]:
    """All events that account reads."""
    with desk.command._database.read() as conn:
        return [(type, data, actor) for _, type, data, actor in store.run_events(conn, 0, READ)]

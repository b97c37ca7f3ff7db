"""The whole plan language and account: whatever a plan or its commander does, figures follow and add up."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from cityheart.account.models import Score
from cityheart.account.service import Account
from cityheart.kernel.actors import Actor
from cityheart.kernel.clock import VirtualClock
from cityheart.kernel.database import Database
from cityheart.kernel.text import text
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


def score(account: Account, department: str) -> Score:
    """The score of a department."""
    (found,) = [each for each in account.scores(START, END).departments if each.department == department]
    return found


def pair(account: Account, rate: str, department: str = "industry") -> tuple[int, int]:
    """A rate as ``(num, den)``."""
    found = score(account, department).rates[rate]
    return found.num, found.den


def test_work_done_in_time_offline_is_in_time_once_the_verifier_says_so(
    desk: Desk, clock: VirtualClock, database: Database
) -> None:
    account = Account(database)
    incident, _ = desk.start(plan(step("a")))
    go(desk, clock, 20)
    desk.act(incident, "a", "accept")
    go(desk, clock, 340)
    desk.act(incident, "a", "submit", note="done", done_at=START + minutes(200), sent_at=clock.now())
    assert (pair(account, "on_time"), pair(account, "overdue")) == ((0, 1), (1, 1))
    before = clock.now() + minutes(1)
    go(desk, clock, 10)
    desk.act(incident, "a", "verify", count_offline=True)
    desk.act(incident, "a", "evaluate", satisfied=True)
    assert (pair(account, "on_time"), pair(account, "overdue")) == ((1, 1), (0, 1))
    assert (pair(account, "concluded_on_time"), pair(account, "satisfied")) == ((1, 1), (1, 1))
    (then,) = account.scores(START, before).departments
    assert then.rates["overdue"].num == 1, "a figure uses only what was known at its end"
    assert account.verify() == []


def test_who_changes_a_run_answers_for_where_it_goes(desk: Desk, clock: VirtualClock, database: Database) -> None:
    """Li starts it; Wang adds a step and gives another to ecology before anybody was told; each return is charged so."""
    account = Account(database)
    li, wang = (Actor(f"user:{name}", text(name, name), None, frozenset({"coordinator"})) for name in ("li", "wang"))
    first = Desk(desk.command, li)
    incident, run = first.start(plan(step("a"), step("b", "health", delay="PT1H")))
    desk.acts = first.acts
    desk.command.patch(wang, desk.click(), run, "add", step=step("extra", "transport"), reason="路断")
    desk.command.patch(wang, desk.click(), run, "reassign", step="b", unit="ecology", reason="归口")
    go(desk, clock, 70)
    for id in ("a", "b", "extra"):
        desk.act(incident, id, "return", reason="不属本部门")
        desk.act(incident, id, "decide_return", to="industry" if id != "a" else "health")
    found = {each.dispatcher: (each.accuracy.num, each.accuracy.den) for each in account.scores(START, END).dispatchers}
    assert found == {"user:li": (0, 1), "user:wang": (0, 2), "system:test": (3, 3)}
    assert "health" in {each.department for each in account.scores(START, END).departments}
    assert account.verify() == []


def test_lists_conditions_and_boundaries_add_up(desk: Desk, clock: VirtualClock, database: Database) -> None:
    """A step for each district, a reminder while one is open, a step that is not needed, a skipped one."""
    account = Account(database)
    incident, run = desk.start(
        plan(
            step("tell", "$where", each={"as": "where", "in": ["industry", "health"]}),
            step("slow", "emergency-office"),
            step("help", "transport", during={"step": "slow", "after": "PT1H", "interrupt": True}),
            step("rest", "ecology", after=["tell"], when="level <= 1"),
            step("last", "ecology", after=["tell"]),
        )
    )
    go(desk, clock, 10)
    desk.finish(incident, "tell-industry")
    go(desk, clock, 100)
    desk.command.patch(SYSTEM, desk.click(), run, "skip", step="last", reason="不需要")
    go(desk, clock, 400)
    assert pair(account, "on_time") == (1, 1)
    departments = {each.department: each.n for each in account.scores(START, END).departments}
    assert departments == {"industry": 1, "health": 1, "transport": 1, "emergency-office": 0}, (
        "what is interrupted counts for nobody"
    )
    assert account.verify() == []

"""The pure engine under random people: nothing illegal, nothing lost, every second held, always a way to the end."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cityheart.account import plain
from cityheart.account.ledger import TYPES, Log, to_us
from cityheart.command.engine import VERBS, Act, Transition, available, start, timers
from cityheart.command.models import STATES, Happened, Plan, Run, Task
from cityheart.command.plan import compile
from cityheart.kernel.errors import Conflict, Invalid

from .scene import START, UNITS, minutes, plan, plans, step

ALL = {"note": 1, "photo": 9, "form": 1}
NEXT = {
    "dispatched": "accept",
    "accepted": "submit",
    "submitted": "verify",
    "returned": "decide_return",
    "suspended": "resume",
}
BY = {"id": "user:x", "name": {"zh-CN": "某", "en": "X"}}


class Play:
    """A run kept in memory the way the store keeps it: each command starts from tasks and leaves tasks."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.now = START
        self.happened: list[Happened] = []
        self.tasks: dict[str, Task] = {}
        self.run = Run("run-1", "incident-1", plan.digest, "active", START)
        self._keep(start(plan, self.run, {"level": 2, "kind": "trial"}))

    def _keep(self, transition: Transition) -> None:
        self.run = transition.run
        self.tasks.update(transition.changed)
        self.happened += transition.events

    def tick(self) -> None:
        transition = Transition(self.plan, self.run, self.tasks.values())
        transition.catch_up(self.now)
        self._keep(transition)

    def act(self, task: str, act: Act) -> None:
        transition = Transition(self.plan, self.run, self.tasks.values())
        transition.act(task, act, self.now)
        self._keep(transition)

    def drop(self) -> None:
        transition = Transition(self.plan, self.run, self.tasks.values())
        transition.supersede("run-2", self.now)
        self._keep(transition)

    def next_due(self) -> datetime | None:
        return min((timer.fire_at for task in self.tasks.values() for timer in timers(task)), default=None)

    def events(self) -> list[tuple[str, dict[str, Any]]]:
        """What account would read of the log."""
        return [
            (each.type, {name: _plain(value) for name, value in {**each.data, "at": each.at}.items()})
            for each in self.happened
            if each.type in TYPES
        ]

    def finish(self) -> None:
        """Bring every task to its end as a willing department would."""
        for _ in range(1000):
            if self.run.state == "closed":
                return
            for task in [task for task in self.tasks.values() if not task.over and task.state != "scheduled"]:
                self.act(task.id, Act(NEXT[task.state], BY, reason="so", approve=False, evidence=ALL))
            due = self.next_due()
            if due is not None:
                self.now = max(self.now, due)
                self.tick()
        raise AssertionError("the run does not end")


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return {name: _plain(inner) for name, inner in value.items()} if isinstance(value, dict) else value


ACTS = st.lists(
    st.tuples(
        st.integers(0, 120),  # minutes that pass
        st.integers(0, 30),  # which task
        st.sampled_from([*VERBS, "drop", "tick", *["legal"] * 30]),
        st.booleans(),  # approve
        st.sampled_from([None, *sorted(UNITS)]),
        st.integers(-60, 600),  # extension, minutes from now
        st.booleans(),  # reason given
    ),
    max_size=40,
)


def play(plan: Plan, acts: list[Any], *, fine: bool = False) -> Play:
    """Let people do all this, legal or not; with ``fine`` the clock stops at every moment something is due."""
    scene = Play(plan)
    for passed, which, *what in acts:
        until = scene.now + minutes(passed) + timedelta(microseconds=which)
        while fine and (due := scene.next_due()) is not None and due <= until:
            scene.now = due
            scene.tick()
        scene.now = until
        one_act(scene, which, *what)
    scene.tick()
    return scene


def one_act(scene: Play, which: int, verb: str, approve: bool, to: str | None, until: int, said: bool) -> None:
    """Somebody does ``verb`` to one of the tasks; what is refused leaves no trace."""
    if verb == "drop":
        if scene.run.superseded_by is None:
            scene.drop()
        return
    scene.tick()
    if verb == "tick":
        return
    task = scene.tasks[sorted(scene.tasks)[which % len(scene.tasks)]]
    allowed = available(task, scene.plan.step(task.step))
    if verb == "legal":
        if not allowed:
            return
        verb = allowed[(which + until) % len(allowed)]
    reason = "because" if said else ""
    act = Act(verb, BY, reason=reason, approve=approve, to=to, until=scene.now + minutes(until), evidence=ALL)
    before = (dict(scene.tasks), scene.run, len(scene.happened))
    try:
        scene.act(task.id, act)
        assert verb in allowed
    except (Conflict, Invalid) as refused:
        assert not (verb in allowed and isinstance(refused, Conflict) and verb != "decide_return"), refused
        assert (scene.tasks, scene.run, len(scene.happened)) == before


@given(plans(), ACTS)
def test_nothing_illegal_nothing_lost_and_always_an_end(drawn: Plan, acts: list[Any]) -> None:
    scene = play(drawn, acts)
    assert {task.step for task in scene.tasks.values()} == {step.id for step in drawn.steps}
    for task in scene.tasks.values():
        assert task.state in STATES
        assert task.over == (task.closed_at is not None) == (task.outcome is not None)
        rounds = sorted(other.round for other in scene.tasks.values() if other.step == task.step)
        assert rounds == list(range(1, len(rounds) + 1))
        assert task.over or task.round == rounds[-1], "only the newest round is open"
    scene.finish()
    assert all(task.over for task in scene.tasks.values())
    assert scene.next_due() is None
    assert [each.type for each in scene.happened].count("run.closed") == 1


@given(plans(), ACTS)
def test_every_microsecond_has_one_holder(drawn: Plan, acts: list[Any]) -> None:
    scene = play(drawn, acts)
    now = scene.now + minutes(33)
    log = Log()
    for type, data in scene.events():
        log.feed(type, data)
    ledger = log.ledger()
    assert ledger.faults() == []
    pieces, (opened, ended) = ledger.pieces(to_us(now)), ledger.span(to_us(now))
    held = np.zeros(ledger.tasks, dtype=np.int64)
    np.add.at(held, pieces.task, pieces.end - pieces.start)
    assert (held == ended - opened).all()
    for earlier, later in ledger.joints(log):
        assert ended[earlier] == opened[later]
    for task in scene.tasks.values():
        code = log.codes[task.id]
        assert opened[code] == to_us(task.opened_at)
        assert ended[code] == to_us(task.closed_at or now)
    by_hand = plain.stories((type, data, "") for type, data in scene.events())
    for task_id, story in by_hand.items():
        mine = pieces.task == log.codes[task_id]
        codes = zip(pieces.holder[mine], pieces.start[mine], pieces.end[mine], pieces.charged[mine], strict=True)
        told = [(log.names[holder], int(start), int(end), bool(charged)) for holder, start, end, charged in codes]
        assert told == [
            (holder, to_us(start), to_us(end), charged) for holder, start, end, charged, _ in story.custody(now)
        ]


@given(plans(), ACTS)
def test_the_same_acts_tell_the_same_story(drawn: Plan, acts: list[Any]) -> None:
    first, second = play(drawn, acts), play(drawn, acts)
    assert first.happened == second.happened
    assert first.tasks == second.tasks


@given(plans(), ACTS)
def test_ticks_may_come_late(drawn: Plan, acts: list[Any]) -> None:
    """Ticking at every due moment, or only when somebody acts, gives the same events at the same moments."""
    coarse, fine = play(drawn, acts), play(drawn, acts, fine=True)
    assert fine.happened == coarse.happened
    assert fine.tasks == coarse.tasks


@given(plans(), st.lists(st.integers(1, 300), min_size=6, max_size=6))
def test_a_step_is_dispatched_at_the_moment_the_plan_says(drawn: Plan, working: list[int]) -> None:
    """Each step takes its own time; every dispatch is at start + delay, or at the last predecessor's end + delay."""
    scene = Play(drawn)
    takes = {step.id: minutes(count) for step, count in zip(drawn.steps, working, strict=False)}
    while scene.run.state == "active":
        ends = [
            (task.dispatched_at + takes[task.step], task.id)
            for task in scene.tasks.values()
            if task.state == "dispatched" and task.dispatched_at
        ]
        due = scene.next_due()
        if ends and (due is None or min(ends)[0] <= due):
            scene.now = min(ends)[0]
            for verb in ("accept", "submit", "verify"):
                scene.act(min(ends)[1], Act(verb, BY, evidence=ALL))
        else:
            assert due is not None
            scene.now = due
            scene.tick()
    ended = {task.step: task.closed_at for task in scene.tasks.values()}
    for task in scene.tasks.values():
        rule = drawn.step(task.step)
        predecessors = [ended[before] for before in rule.after]
        if not predecessors:
            expected = START + rule.delay
        elif rule.origin == "predecessors":
            expected = max(predecessors) + rule.delay
        else:
            expected = max(*predecessors, START + rule.delay)
        assert task.dispatched_at == expected
        assert task.planned_at == expected
        assert task.accept_due == expected + rule.accept_within
        assert task.due == expected + rule.due


def test_a_deadline_is_missed_at_the_moment_it_names(one_step: Plan) -> None:
    for before, late in ((timedelta(microseconds=1), False), (timedelta(0), True)):
        scene = Play(one_step)
        (task,) = scene.tasks.values()
        assert task.accept_due is not None and task.due is not None
        scene.now = task.accept_due - before
        scene.act(task.id, Act("accept", BY))
        scene.now = task.due - before
        scene.act(task.id, Act("submit", BY, evidence=ALL))
        assert (scene.tasks[task.id].late_accept, scene.tasks[task.id].late) == (late, late)


def test_time_in_a_run_never_goes_back(one_step: Plan) -> None:
    scene = Play(one_step)
    (task,) = scene.tasks.values()
    scene.now += minutes(20)
    scene.act(task.id, Act("accept", BY))
    scene.now -= minutes(15)  # the machine's clock was set back
    scene.act(task.id, Act("submit", BY, evidence=ALL))
    after = scene.tasks[task.id]
    assert after.submitted_at == after.accepted_at


def test_what_a_decision_leaves_behind_is_not_undercut(one_step: Plan) -> None:
    scene = Play(one_step)
    (task,) = scene.tasks.values()
    scene.now += minutes(10)
    scene.act(task.id, Act("return", BY, reason="not ours"))
    scene.now += minutes(10)
    scene.act(task.id, Act("decide_return", BY, reason="it is", approve=False))
    scene.now -= minutes(15)  # another worker's clock lags behind
    scene.act(task.id, Act("accept", BY))
    assert scene.happened[-1].at == scene.happened[-2].at == START + minutes(20)


@pytest.fixture
def one_step() -> Plan:
    """A plan of one step."""
    return compile(plan(step("a", accept_within="PT30M", due="PT4H")), UNITS)


def test_nothing_due_changes_nothing(one_step: Plan) -> None:
    scene = Play(one_step)
    transition = Transition(one_step, scene.run, scene.tasks.values())
    transition.catch_up(START)
    assert (transition.changed, transition.events, transition.run) == ({}, [], scene.run)

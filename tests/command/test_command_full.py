"""The whole plan language under random people: never stuck, always a way to the end, custody adds up, events tell all."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cityheart.account import plain
from cityheart.account.ledger import TYPES, Log, to_us
from cityheart.command import plan as language
from cityheart.command.effective import unroll
from cityheart.command.engine import VERBS, Act, Bearings, Transition, available, start, timers
from cityheart.command.models import Happened, Patch, Plan, Run, Task, Value
from cityheart.command.plan import compile
from cityheart.kernel.calendar import Calendar
from cityheart.kernel.errors import Conflict, Invalid

from .scene import DISTRICTS, START, UNITS, full_plans, minutes, resolve, step

CALENDAR, ZONE = Calendar.load(), ZoneInfo("Asia/Shanghai")
BEARINGS = Bearings(
    resolve,
    lambda at, span: CALENDAR.add(at, span, ZONE),
    lambda start, end: CALENDAR.between(start, end, ZONE),
    UNITS,
    UNITS,
    {"transport": {"ecology", "industry"}, "industry": {"health"}},
)
CONTEXT: dict[str, Value] = {"districts": DISTRICTS, "who": "transport", "level": 2, "kind": "trial"}
BY = {"id": "user:x", "name": {"zh-CN": "某", "en": "X"}}
ALL = {"note": 1, "photo": 9, "form": 1, "place": 1}
NEXT = {
    "dispatched": "accept",
    "accepted": "submit",
    "submitted": "verify",
    "returned": "decide_return",
    "suspended": "resume",
}


class Play:
    """A run kept in memory the way the store keeps it: each command starts from tasks and leaves tasks."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.now = START
        self.happened: list[Happened] = []
        self.tasks: dict[str, Task] = {}
        self._keep(start(plan, Run("run-1", "incident-1", plan.digest, "active", START), CONTEXT, (), BEARINGS))

    def _keep(self, transition: Transition) -> None:
        self.run = transition.run
        self.tasks.update(transition.changed)
        self.happened += transition.events

    def transition(self) -> Transition:
        """As the service makes it."""
        effective = unroll(self.plan, self.run.context, self.run.patches, UNITS)
        return Transition(effective, self.run, self.tasks.values(), BEARINGS)

    def tick(self) -> None:
        transition = self.transition()
        transition.catch_up(self.now)
        self._keep(transition)

    def act(self, task: str, act: Act) -> None:
        transition = self.transition()
        transition.act(task, act, self.now)
        self._keep(transition)

    def change(self, patch: Patch) -> None:
        transition = self.transition()
        transition.change(self.plan, patch, self.now)
        self._keep(transition)

    def drop(self) -> None:
        transition = self.transition()
        transition.supersede("run-2", self.now)
        self._keep(transition)

    def next_due(self) -> datetime | None:
        return min((timer.fire_at for task in self.tasks.values() for timer in timers(task)), default=None)

    def events(self) -> list[tuple[str, dict[str, Any]]]:
        """What others read of the log."""
        return [(each.type, _plain({**each.data, "at": each.at})) for each in self.happened]

    def finish(self) -> None:
        """Bring every task to its end as a willing department would."""
        for _ in range(1000):
            if self.run.state == "closed":
                return
            for task in [task for task in self.tasks.values() if not task.over and task.state != "scheduled"]:
                now = self.tasks[task.id]  # an act on one may end another
                if not now.over:
                    self.act(task.id, Act(NEXT[now.state], BY, reason="so", approve=False, evidence=ALL, form={"n": 3}))
            due = self.next_due()
            if due is not None:
                self.now = max(self.now, due)
                self.tick()
        raise AssertionError("the run does not end")


def _plain(value: object) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return {name: _plain(inner) for name, inner in value.items()} if isinstance(value, dict) else value


PATCHES = ("add", "add-before", "skip", "reassign", "extend")
ACTS = st.lists(
    st.tuples(
        st.integers(0, 120),  # minutes that pass
        st.integers(0, 30),  # which task
        st.sampled_from([*VERBS, *PATCHES, *PATCHES, "drop", "tick", *["legal"] * 25]),
        st.booleans(),  # approve
        st.sampled_from([None, *sorted(UNITS)]),
        st.integers(-60, 600),  # minutes from now
        st.booleans(),  # reason given
    ),
    max_size=30,
)


def play(plan: Plan, acts: list[Any], *, fine: bool = False) -> Play:
    """Let people do all this, legal or not; with ``fine`` the clock stops at every moment something is due."""
    scene = Play(plan)
    for number, (passed, which, *what) in enumerate(acts):
        until = scene.now + minutes(passed) + timedelta(microseconds=which)
        while fine and (due := scene.next_due()) is not None and due <= until:
            scene.now = due
            scene.tick()
        scene.now = until
        one_act(scene, number, which, *what)
    scene.tick()
    return scene


def one_act(
    scene: Play, number: int, which: int, verb: str, approve: bool, to: str | None, until: int, said: bool
) -> None:
    """Somebody does ``verb`` to one of the tasks or to the run; what is refused leaves no trace."""
    if verb == "drop":
        if scene.run.superseded_by is None and scene.run.state == "active":
            scene.drop()
        return
    scene.tick()
    if verb == "tick":
        return
    before = (dict(scene.tasks), scene.run, len(scene.happened))
    task = scene.tasks[sorted(scene.tasks)[which % len(scene.tasks)]]
    effective = unroll(scene.plan, scene.run.context, scene.run.patches)
    if verb in PATCHES:
        patch = a_patch(verb, f"x{number}", effective, which, to or "health", scene.now + minutes(until), said)
        try:
            scene.change(patch)
        except (Conflict, Invalid):
            assert (scene.tasks, scene.run, len(scene.happened)) == before
        return
    allowed = available(task, effective.step(task.step))
    if verb == "legal":
        if not allowed:
            return
        verb = allowed[(which + until) % len(allowed)]
    act = Act(
        verb, BY, reason="because" if said else "", approve=approve, to=to, until=scene.now + minutes(until), evidence=ALL,
        form={"n": which}, satisfied=approve, done_at=scene.now - minutes(which),
    )  # fmt: skip
    try:
        scene.act(task.id, act)
        assert verb in allowed
    except (Conflict, Invalid) as refused:
        assert not (verb in allowed and isinstance(refused, Conflict) and verb != "decide_return"), refused
        assert (scene.tasks, scene.run, len(scene.happened)) == before


def a_patch(op: str, id: str, plan: Plan, which: int, to: str, until: datetime, said: bool) -> Patch:
    """A change of one of the steps, or one more step."""
    named = plan.steps[which % len(plan.steps)].id
    reason = "because" if said else ""
    if op.startswith("add"):
        other = plan.steps[(which * 7) % len(plan.steps)].id
        written = step(id, to, after=[named], delay="PT5M")
        if which % 3 == 0:
            written = step(id, to, during={"step": named, "after": "PT45M", "interrupt": said})
        spec = {"step": language.spelled(language.added_step(written)), "before": [other] if op == "add-before" else []}
        return Patch(0, "add", id, reason, BY, START, spec)
    return Patch(
        0, op, named, reason, BY, START, None, to if op == "reassign" else None, until if op == "extend" else None
    )


@given(full_plans())
def test_a_stored_plan_of_any_kind_compiles_to_itself(drawn: Plan) -> None:
    assert compile(json.loads(drawn.canonical)) == drawn
    assert compile(json.loads(drawn.canonical), UNITS).digest == drawn.digest


@given(full_plans(), ACTS)
def test_never_stuck_and_always_an_end(drawn: Plan, acts: list[Any]) -> None:
    scene = play(drawn, acts)
    for task in scene.tasks.values():
        assert task.over == (task.closed_at is not None) == (task.outcome is not None)
        rounds = sorted(other.round for other in scene.tasks.values() if other.step == task.step)
        assert rounds == list(range(1, len(rounds) + 1))
        assert task.over or task.round == rounds[-1], "only the newest round is open"
        assert task.does == "task" or task.dispatched_at is None
        waits = task.state == "scheduled" and not timers(task)
        if waits:
            rule = unroll(drawn, scene.run.context, scene.run.patches).step(task.step)
            ahead = rule.during.steps if rule.during else rule.after
            newest = {other.step: other for other in sorted(scene.tasks.values(), key=lambda each: each.round)}
            assert any(id in newest and not newest[id].over for id in ahead), "it waits for something that is open"
    scene.finish()
    assert all(task.over for task in scene.tasks.values()) and scene.next_due() is None
    assert [each.type for each in scene.happened].count("run.closed") == 1
    at = [each.at for each in scene.happened]
    assert at == sorted(at), "time goes on only"


@given(full_plans(), ACTS)
def test_custody_adds_up_whatever_is_changed(drawn: Plan, acts: list[Any]) -> None:
    scene = play(drawn, acts)
    now = scene.now + minutes(33)
    log = Log()
    told = [(type, data) for type, data in scene.events() if type in TYPES]
    for type, data in told:
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
        if task.dispatched_at is None and task.id not in log.codes:
            continue  # nobody has been told of it
        assert task.does == "task"
        code = log.codes[task.id]
        assert (opened[code], ended[code]) == (to_us(task.opened_at), to_us(task.closed_at or now))
    by_hand = plain.stories((type, data, "") for type, data in told)
    for id, story in by_hand.items():
        mine = pieces.task == log.codes[id]
        codes = zip(pieces.holder[mine], pieces.start[mine], pieces.end[mine], strict=True)
        assert [(log.names[holder], int(begin), int(end)) for holder, begin, end in codes] == [
            (holder, to_us(begin), to_us(end)) for holder, begin, end, _, _ in story.custody(now)
        ]


@given(full_plans(), ACTS)
def test_ticks_may_come_late_for_any_plan(drawn: Plan, acts: list[Any]) -> None:
    coarse, fine = play(drawn, acts), play(drawn, acts, fine=True)
    assert fine.happened == coarse.happened
    assert (fine.tasks, fine.run) == (coarse.tasks, coarse.run)


ENDS = {
    "task.closed": "closed", "task.cancelled": "cancelled", "task.rejected": "returned", "task.return_upheld": "returned",
    "task.reassigned": "cancelled",
    "task.delegated": "cancelled",
}  # fmt: skip
BECOMES = {
    "task.dispatched": "dispatched", "task.accepted": "accepted", "task.submitted": "submitted", "task.returned": "returned",
    "task.suspended": "suspended", **ENDS,
}  # fmt: skip


def replayed(
    events: list[tuple[str, dict[str, Any]]],
) -> tuple[dict[str, dict[str, Any]], dict[str, Any], dict[str, str]]:
    """Tasks, run and automatic steps as the events alone tell them."""
    tasks: dict[str, dict[str, Any]] = {}
    run: dict[str, Any] = {"state": "active", "patches": 0, "variables": {}}
    automatic: dict[str, str] = {}
    for type, data in events:
        if type in ("run.started", "run.patched"):
            for each in data.get("tasks", []):
                if each["unit"]:
                    tasks[each["task"]] = {"state": "scheduled", "unit": each["unit"]}
            automatic |= {each["step"]: "scheduled" for each in data.get("automatic", [])}
            run["patches"] += type == "run.patched"
        elif type.startswith("step."):
            automatic[data["step"]] = {"step.done": "closed"}.get(type, "cancelled")
            run["variables"] |= data.get("outputs", {})
        elif type.startswith("task."):
            known = tasks.setdefault(data["task"], {"state": "scheduled"})
            known["unit"] = data["unit"]
            if type in ("task.sent_back", "task.resumed"):
                known["state"] = data["state"]
            known["state"] = BECOMES.get(type, known["state"])
            if data.get("due"):
                known["due"] = data["due"]
        elif type == "run.closed":
            run["state"] = "closed"
    return tasks, run, automatic


@given(full_plans(), ACTS)
def test_events_alone_tell_the_state(drawn: Plan, acts: list[Any]) -> None:
    scene = play(drawn, acts)
    tasks, run, automatic = replayed(scene.events())
    assert (run["state"], run["patches"]) == (scene.run.state, len(scene.run.patches))
    assert run["variables"].items() <= scene.run.variables.items()
    for task in scene.tasks.values():
        if task.does != "task":
            assert automatic[task.step] == task.state
        elif task.id in tasks:
            told = tasks[task.id]
            assert (told["state"], told["unit"]) == (task.state, task.unit)
            assert told.get("due") == (task.due.isoformat() if task.due else None)
        else:
            assert task.dispatched_at is None


@settings(max_examples=30)
@given(full_plans(), ACTS)
def test_the_template_is_never_changed(drawn: Plan, acts: list[Any]) -> None:
    before = drawn.canonical
    play(drawn, acts)
    assert drawn.canonical == before == compile(json.loads(before)).canonical

"""A compiled drawing does what the drawing says: random block-structured drawings, run by the engine, against an oracle.

The oracle walks the blocks by BPMN's own rules: which tasks are done for a level and what was found on the way, and
which of two done tasks comes first.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from cityheart.command import engine
from cityheart.command.bpmn import compile_bpmn, draw
from cityheart.command.engine import Act, Transition
from cityheart.command.models import Plan, Run
from cityheart.command.plan import compile

from ..command.scene import START
from .scene import UNITS, Pen, extensions

FORM = extensions(
    '<ch:evidence kind="form">{"type":"object","properties":{"x":{"type":"integer"}},"required":["x"]}</ch:evidence>',
    '<ch:sets variable="found" field="x"/>',
)


@dataclass
class Block:
    """task, sequence, parallel, exclusive, inclusive. ``conditions`` of the branches; the last branch is the default
    one when there is one condition fewer than branches."""

    kind: str
    parts: list[Block] = field(default_factory=list)
    conditions: list[str] = field(default_factory=list)


STATIC = ["level == 1", "level <= 2", "level in [2, 4]", "level > 3", "kind == 'fire'"]
LEARNT = ["found == 1", "found <= 2", "found > 3"]


def blocks(conditions: list[str]) -> st.SearchStrategy[Block]:
    """Blocks within blocks; a branch may be empty."""
    task = st.builds(lambda: Block("task"))  # each its own object: it is known by its identity

    def wider(inner: st.SearchStrategy[Block]) -> st.SearchStrategy[Block]:
        branch = st.one_of(inner, st.builds(lambda: Block("sequence")))
        return st.one_of(
            st.builds(lambda parts: Block("sequence", parts), st.lists(inner, min_size=1, max_size=3)),
            st.builds(lambda parts: Block("parallel", parts), st.lists(branch, min_size=2, max_size=3)),
            st.builds(
                lambda parts, asked, kind, whole: Block(
                    kind, parts, asked[: len(parts)] if whole and kind == "inclusive" else asked[: len(parts) - 1]
                ),
                st.lists(branch, min_size=2, max_size=3),
                st.lists(st.sampled_from(conditions), min_size=3, max_size=3, unique=True),
                st.sampled_from(["exclusive", "inclusive"]),
                st.booleans(),
            ),
        )

    return st.recursive(task, wider, max_leaves=9)


class Artist:
    """Draws a block; every gateway pair is written out."""

    def __init__(self) -> None:
        self.pen = Pen().start().task("first", inner=FORM).flow("begin", "first")
        self.count = itertools.count(1)
        self.tasks: dict[int, str] = {}

    def draw(self, block: Block, before: str, when: str | None = None, default: str | None = None) -> str:
        """Draw behind ``before``; returns what the next one comes behind."""
        if block.kind == "task":
            name = f"t{next(self.count)}"
            self.tasks[id(block)] = name
            self.pen.task(name)
            self.link(before, name, when)
            return name
        if block.kind == "sequence":
            for part in block.parts:
                before = self.draw(part, before, when)
                when = None
            return before
        name = f"g{next(self.count)}"
        open_, close = f"{name}-open", f"{name}-close"
        split: dict[str, str] = {}
        has_default = block.kind != "parallel" and len(block.conditions) < len(block.parts)
        if has_default:
            split["default"] = f"{open_}-{name}-{len(block.parts) - 1}"
        self.pen.gateway(block.kind, open_, **split)
        self.link(before, open_, when)
        self.pen.gateway(block.kind, close)
        for number, part in enumerate(block.parts):
            # an empty pair of gateways begins each branch, so that an empty branch can carry a condition
            entry = f"{name}-{number}"
            self.pen.gateway("exclusive", entry)
            asked = block.conditions[number] if number < len(block.conditions) else None
            self.pen.flow(open_, entry, when=asked)
            self.link(self.draw(part, entry), close, None)
        return close

    def link(self, before: str, after: str, when: str | None) -> None:
        self.pen.flow(before, after, when=when)


def holds(condition: str, facts: Mapping[str, object]) -> bool:
    return bool(eval(condition, {"__builtins__": {}}, dict(facts)))  # noqa: S307  (conditions of this file)


def oracle(
    block: Block, facts: Mapping[str, object], names: Mapping[int, str], before: set[str], order: set[tuple[str, str]]
) -> set[str]:
    """The tasks that are done; ``order`` gets every pair of which the first is over before the second begins."""
    if block.kind == "task":
        name = names[id(block)]
        order |= {(one, name) for one in before}
        return {name}
    if block.kind == "sequence":
        done: set[str] = set()
        for part in block.parts:
            done |= oracle(part, facts, names, before | done, order)
        return done
    chosen = list(block.parts)
    if block.kind != "parallel":
        true = [n for n, condition in enumerate(block.conditions) if holds(condition, facts)]
        if block.kind == "exclusive":
            true = true[:1]
        if not true and len(block.conditions) < len(block.parts):
            true = [len(block.parts) - 1]
        chosen = [block.parts[n] for n in true]
    return set().union(*(oracle(part, facts, names, set(before), order) for part in chosen)) if chosen else set()


def played(plan: Plan, level: int, found: int, pick: Callable[[int], int]) -> tuple[set[str], list[tuple[str, str]]]:
    """Run the plan by the engine, acting on any open task; the tasks done, and what happened in its order."""
    context = {"level": level, "kind": "fire", **plan.parameters}
    run = engine.start(plan, Run("run", "incident", plan.digest, "active", START), context)
    story = [(event.type, str(event.data.get("step"))) for event in run.events]
    while run.run.state == "active":
        ready = sorted((t for t in run.tasks.values() if t.state == "dispatched"), key=lambda t: t.step)
        assert ready, f"stuck: {[(t.step, t.state) for t in run.tasks.values()]}"
        task = ready[pick(len(ready))]
        for verb in ("accept", "submit", "verify"):
            run = Transition(run.plan, run.run, run.tasks.values())
            form = {"x": found} if task.step == "first" else None
            run.act(task.id, Act(verb, {"id": "p"}, evidence={"form": 1}, form=form), START)
            story += [(event.type, str(event.data.get("step"))) for event in run.events]
    return {step for type, step in story if type == "task.closed"}, story


@given(st.data())
@settings(max_examples=80, deadline=None)
def test_a_drawing_is_carried_out_as_it_is_drawn(data: st.DataObject) -> None:
    block = data.draw(blocks(STATIC + LEARNT))
    artist = Artist()
    artist.pen.end().flow(artist.draw(block, "first"), "end")
    mapping = dict(compile_bpmn(artist.pen.xml(), units=UNITS).plan)
    plan = compile(mapping)
    again = compile(dict(compile_bpmn(draw(plan), units=UNITS).plan))
    assert again.digest == plan.digest, "drawn from the plan it is the same plan"
    level, found = data.draw(st.integers(1, 4)), data.draw(st.integers(0, 4))
    facts = {"level": level, "kind": "fire", "found": found}
    order: set[tuple[str, str]] = set()
    expected = oracle(block, facts, artist.tasks, {"first"}, order) | {"first"}
    done, story = played(plan, level, found, lambda count: data.draw(st.integers(0, count - 1)))
    assert done == expected
    place = {event: number for number, event in enumerate(story)}
    for before, after in order:
        assert place["task.closed", before] < place["task.dispatched", after], (before, after)
    never_before = {(b, a) for a, b in order}
    for one, other in itertools.combinations(sorted(done), 2):
        if (one, other) not in order and (other, one) not in never_before and (other, one) not in order:
            steps = plan.by_id
            assert one not in steps[other].after and other not in steps[one].after, "side by side, they do not wait"


def test_the_oracle_can_disagree() -> None:
    """A plan whose condition is turned round is found out."""
    block = Block("exclusive", [Block("task"), Block("task")], ["level <= 2"])
    artist = Artist()
    artist.pen.end().flow(artist.draw(block, "first"), "end")
    plan = compile_bpmn(artist.pen.xml().replace(b"level &lt;= 2", b"level &gt; 2"), units=UNITS).plan
    done, _ = played(compile(dict(plan)), 1, 0, lambda count: 0)
    assert done != oracle(block, {"level": 1}, artist.tasks, set(), set()) | {"first"}


def test_a_timer_interrupts_and_the_rest_goes_the_other_way() -> None:
    pen = (
        Pen().start().task("a").boundary("stop", "a", "PT2H").task("b").task("c").task("d").gateway("exclusive", "join")
    )
    pen.task("last").flow("begin", "a", "b", "join", "last").flow("stop", "c", "d", "join")
    plan = compile(dict(compile_bpmn(pen.xml(), units=UNITS).plan))
    done, _ = played(plan, 1, 0, lambda count: 0)
    assert done == {"a", "b", "last"}, "in time: the way through the task"
    run = engine.start(plan, Run("run", "incident", plan.digest, "active", START), {"level": 1, "kind": "x"})
    late = Transition(run.plan, run.run, run.tasks.values())
    late.catch_up(START + timedelta(hours=2))
    assert late.latest["a"].outcome == "interrupted" and late.latest["c"].state == "dispatched"
    done = set()
    while late.run.state == "active":
        task = next(t for t in late.tasks.values() if t.state == "dispatched")
        done.add(task.step)
        for verb in ("accept", "submit", "verify"):
            late = Transition(late.plan, late.run, late.tasks.values())
            late.act(task.id, Act(verb, {"id": "p"}), START + timedelta(hours=2))
    assert done == {"c", "d", "last"}, "too late: the way behind the timer"

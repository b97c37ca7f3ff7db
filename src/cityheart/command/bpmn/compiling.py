"""A BPMN drawing compiled to the plan language: the same mapping that a plan written in YAML is.

Each activity becomes a step. What leads to it, through gateways, becomes its ``after``; the conditions of the branches
it lies on become its ``when``: a step that is not needed counts as finished for those who wait, so joins need nothing
more. A timer before a step is the step's ``delay``, elsewhere a ``wait``; a boundary timer is the ``during`` of the
first step behind it.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from cityheart.command import expression
from cityheart.command.bpmn.document import Element, read
from cityheart.command.bpmn.graph import ACTIVITIES, Flow, Graph, Node, graph
from cityheart.command.bpmn.paths import (
    ALWAYS,
    MANY,
    Split,
    Ways,
    chosen,
    complete,
    condition,
    excluding,
    joined,
)
from cityheart.command.bpmn.problems import Found, Problem, Refused
from cityheart.command.bpmn.properties import plan_fields, readable, step_fields, titles
from cityheart.command.models import ROLE_TITLES
from cityheart.kernel import duration, limits
from cityheart.kernel.errors import Invalid
from cityheart.kernel.text import Text, text

__all__ = ["Drawing", "compile_bpmn"]

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,59}")
_PLAIN = frozenset({"task", "message", "decide"})  # what a timer or a boundary timer can be folded into
Units = Collection[str] | Mapping[str, Text]


@dataclass(frozen=True, slots=True)
class Drawing:
    """A drawing that can become a plan. ``plan`` is its mapping, ``problems`` what may be thought over (warnings),
    ``elements`` the id of the BPMN element for each step.
    """

    plan: Mapping[str, object]
    problems: tuple[Problem, ...]
    elements: Mapping[str, str]


def compile_bpmn(
    xml: bytes | str, *, units: Units | None = None, outputs: Callable[[str], Collection[str]] | None = None
) -> Drawing:
    """Compile a BPMN file to the mapping that the plan language compiles.

    ``units`` are the departments that exist, with their titles when it is a mapping; ``None`` takes them on trust.
    ``outputs`` tells which variables a decision table sets. Raises :class:`Refused` with every problem found, each with
    the id of its element, and :class:`TooLarge`.
    """
    found = Found()
    drawn = graph(read(xml), found)
    if drawn is None:
        raise Refused(found.listed())
    count = sum(node.kind in ACTIVITIES for node in drawn.nodes.values())
    if count > limits.PLAN_STEPS:
        raise Refused([Problem(
            drawn.process.id,
            text(f"预案有 {count} 个步骤，超过 {limits.PLAN_STEPS} 个",
                 f"the plan has {count} steps, more than {limits.PLAN_STEPS}"),
            text("拆成几个预案，用调用活动连接", "split it into plans and connect them by call activities"),
        )])  # fmt: skip
    compiling = _Compiling(drawn, units, outputs, found)
    plan = compiling.plan()
    if found.errors:
        raise Refused(found.listed())
    elements = {step: element for element, step in compiling.names.items()}
    return Drawing(MappingProxyType(plan), tuple(found.listed()), MappingProxyType(elements))


@dataclass(slots=True)
class _Token:
    """What comes along a flow: by which ways, and the steps that are finished then.

    ``timer`` is the boundary timer that nothing but gateways lies behind yet: the next step is released by it.
    """

    ways: Ways
    sources: tuple[str, ...]
    timer: str | None = None


@dataclass(slots=True)
class _Boundary:
    """A boundary timer: the activity it sits on, after how long, and whether a wait of its own carries it.

    ``explicit``: the steps behind it say themselves when they are needed (drawings of written plans).
    """

    on: str
    watched: list[str]
    after: str
    own_step: bool
    interrupt: bool
    explicit: bool


@dataclass(slots=True)
class _Step:
    fields: dict[str, object]
    order: str | None
    ancestors: set[str] = field(default_factory=set)


class _Compiling:
    def __init__(
        self, drawn: Graph, units: Units | None, outputs: Callable[[str], Collection[str]] | None, found: Found
    ) -> None:
        self.graph = drawn
        self.nodes = drawn.nodes
        self.units = units
        self.outputs = outputs
        self.found = found
        self.names = _names(drawn, found)
        self.splits: dict[str, Split] = {}
        self.places: dict[str, int] = {}
        self.reads: dict[str, tuple[Node, set[str]]] = {}
        self.sets: dict[str, set[str]] = {}  # variable -> steps that set it
        self.tokens: dict[str, _Token] = {}
        self.came: dict[str, tuple[str, ...]] = {}  # what came before an inclusive gateway that may take no branch
        self.before: dict[str, set[str]] = {}  # node -> steps that come before it
        self.at: dict[str, Ways] = {}
        self.steps: dict[str, _Step] = {}
        self.whole = all(node.kind != "outside" for node in drawn.nodes.values())  # else joins cannot be judged
        self.known: set[str] = {"level", "kind"}  # names whose values stand when a run begins
        self.lanes: dict[int, str | None] = {}
        self.delays = {id: node for id, node in self.nodes.items() if _folds(self.nodes, node)}
        self.boundaries: dict[str, _Boundary] = {}

    # ── the whole ──────────────────────────────────────────────────────────────────────────────────────────────

    def plan(self) -> dict[str, object]:
        """The plan's mapping; problems go to ``found``."""
        self._shape()
        head = self._head()
        given = head.get("parameters")
        self.known |= set(given) if isinstance(given, dict) else set()
        for id, node in self.nodes.items():
            if node.kind == "boundary" and node.on is not None:
                self._boundary(id, node)
        for id in self.graph.order:
            self._visit(self.nodes[id])
        self._check_variables()
        return {**head, "steps": [step.fields for step in self._in_order()]}

    def _in_order(self) -> list[_Step]:
        steps = list(self.steps.values())
        if all(step.order is not None and step.order.isdecimal() and len(step.order) <= 6 for step in steps):
            steps.sort(key=lambda step: int(step.order or 0))
        return steps

    def _head(self) -> dict[str, object]:
        process, around = self.graph.process, self.graph.participant
        name = process.ch("plan") or _slug(process.id or "")
        shown = process.attributes.get("name") or (around.attributes.get("name") if around is not None else "") or ""
        title = titles(process, " ".join(shown.split()), self.found)
        if title is None:
            self.found.error(
                process.id,
                text("预案没有名称", "the plan has no title"),
                text("给流程起名", "name the process"),
                "title",
            )
        starts = [node for node in self.nodes.values() if node.kind == "start"]
        fields = plan_fields(process, starts[0].element if starts else None, self.found)
        if "version" not in fields:
            self.found.error(
                process.id,
                text("预案没有版本号", "the plan has no version"),
                text("在流程上填写版本（ch:version）", "fill in the version of the process (ch:version)"),
                "version",
            )
        drawn = {} if process.ch("drawn") == "false" else {"drawn": True}
        return {"plan": name, "title": title or text("预案", "Plan"), **fields, **drawn}

    def _shape(self) -> None:
        starts = [node for node in self.nodes.values() if node.kind == "start"]
        if not starts:
            self.found.error(
                self.graph.process.id,
                text("没有开始事件", "there is no start event"),
                text("画一个开始事件，连到第一个步骤", "draw one and lead it to the first step"),
            )
        for more in starts[1:]:
            self.found.error(
                more.id,
                text("多于一个开始事件", "one more start event"),
                text("只留一个；并行开始请用并行网关", "leave one; to begin side by side use a parallel gateway"),
            )
        for node in self.nodes.values():
            if not node.incoming and node.kind not in ("start", "boundary", "outside"):
                self.found.error(
                    node.id,
                    text("没有连线通到这里，永远不会执行", "nothing leads here: it would never be done"),
                    text("从前一步连线过来", "draw a flow to it from what comes before"),
                )
            if not node.outgoing and node.kind in ("start", "boundary", "exclusive", "parallel", "inclusive", "timer"):
                self.found.error(
                    node.id, text("没有引出的连线", "nothing leads on from here"), text("连到下一步", "lead it on")
                )
        if not self.names and not self.found.errors:
            self.found.error(
                self.graph.process.id, text("预案没有步骤", "the plan has no steps"), text("画一个任务", "draw a task")
            )

    # ── from node to node ──────────────────────────────────────────────────────────────────────────────────────

    def _boundary(self, id: str, node: Node) -> None:
        assert node.on is not None
        explicit = node.element.ch("explicit") == "true"
        others = [b for b in self.boundaries.values() if b.on == node.on and b.interrupt and not b.explicit]
        if node.interrupting and not explicit and others:
            self.found.error(
                id,
                text("同一任务上已有一个中断定时", "the task has an interrupting timer already"),
                text("改为不中断，或合并", "make this one not interrupting, or join them"),
            )
        watched = (node.element.ch("watch") or self.names[node.on]).split()
        self.boundaries[id] = _Boundary(
            node.on,
            watched,
            self._timer(node),
            id in self.names,
            node.interrupting,
            explicit,
        )

    def _visit(self, node: Node) -> None:
        token = self._arrived(node)
        self.before[node.id] = {one for source in token.sources for one in (source, *self._ancestors(source))}
        if token.timer in self.boundaries:
            self.before[node.id] |= self._ancestors(self.names[self.boundaries[token.timer].on])
        if node.kind == "boundary":
            self._leave_boundary(node)
        elif node.id in self.delays:
            self._send(node, token)
        elif node.kind in ACTIVITIES or node.kind == "timer":
            self._step(node, token)
            ways = token.ways
            if any(b.on == node.id and b.interrupt and not b.explicit for b in self.boundaries.values()):
                ways = chosen(ways, self._interruption(node), 0)
            self._send(node, _Token(ways, (self.names[node.id],)))
        elif node.kind == "outside":
            self._send(node, token)
        elif node.kind in ("exclusive", "inclusive") and len(node.outgoing) > 1:
            self._split(node, token)
        else:
            self._unconditional(node)
            self._send(node, token)

    def _send(self, node: Node, token: _Token) -> None:
        if node.kind in ACTIVITIES or node.kind == "timer":
            self._unconditional(node)
        for flow in node.outgoing:
            self.tokens[flow.id] = token

    def _unconditional(self, node: Node) -> None:
        for flow in node.outgoing:
            if flow.condition is not None:
                self.found.error(
                    flow.id,
                    text("条件写在不是网关引出的连线上", "a condition on a flow that no deciding gateway sends out"),
                    text("在这里放一个排他网关或包容网关", "put an exclusive or inclusive gateway there"),
                )

    def _arrived(self, node: Node) -> _Token:
        """What arrives at a node, joined as its kind joins."""
        tokens = [self.tokens[flow.id] for flow in node.incoming if flow.id in self.tokens]
        if node.kind == "boundary":
            on = self.boundaries.get(node.id)
            return _Token(ALWAYS, (self.names[on.on],) if on and on.on in self.names else ())
        if len(tokens) < 2:
            return tokens[0] if tokens else _Token(ALWAYS, ())
        if node.kind in ("end", "outside"):
            return _Token(ALWAYS, ())
        if node.kind == "parallel":
            return self._all_of(node, tokens)
        if node.kind != "inclusive":
            self._check_excluding(node, tokens)
        ways = joined([token.ways for token in tokens], self.splits)
        if len(ways) > MANY:
            self.found.error(
                node.id,
                text("通到这里的路径组合过多", "too many ways lead here"),
                text("让每个分支在自己的网关合拢", "let each branching join at a gateway of its own"),
            )
            ways = ALWAYS
        # All sources stay, also those that others wait for: a step that is not needed stands for nothing that came
        # before it. Where none of the branches may be taken, what came before them is waited for.
        open_ended = [
            split
            for split, came in self.came.items()
            if split in _named(tokens) and split not in _named([_Token(ways, ())])
        ]
        sources = [source for token in tokens for source in token.sources]
        sources += [source for split in open_ended for source in self.came[split]]
        return _Token(ways, tuple(dict.fromkeys(sources)), _one_timer(tokens))

    def _all_of(self, node: Node, tokens: list[_Token]) -> _Token:
        for flow, token in zip(node.incoming[1:], tokens[1:], strict=False):
            if self.whole and token.ways != tokens[0].ways:
                self.found.error(
                    node.id,
                    text(f"并行汇合可能永远等不到连线 {flow.id}：它在有条件的分支上",
                         f"this parallel join may wait for ever for {flow.id}, which lies on another branch"),
                    text("先用与分支相同的网关合拢，再并行汇合；或改用包容网关",
                         "close the branch with a gateway like the one that opened it, or make this one inclusive"),
                )  # fmt: skip
                break
        sources = dict.fromkeys(source for token in tokens for source in token.sources)
        return _Token(tokens[0].ways, tuple(sources), _one_timer(tokens))

    def _check_excluding(self, node: Node, tokens: list[_Token]) -> None:
        for number, one in enumerate(tokens):
            for other in tokens[number + 1 :]:
                if not self.whole or excluding(one.ways, other.ways, self.splits):
                    continue
                what = (
                    text("两条连线会同时到达，后面的步骤会启动两次",
                         "two flows can arrive here, and what follows would begin twice")
                )  # fmt: skip
                if node.kind == "exclusive":
                    remedy = text("改为并行网关（全部等齐）或包容网关（等已启动的）",
                                  "make it parallel (waits for all) or inclusive (waits for those that began)")  # fmt: skip
                else:
                    remedy = text("在前面放一个汇合网关", "put a joining gateway before it")
                self.found.error(node.id, what, remedy)
                return

    def _split(self, node: Node, token: _Token) -> None:
        names: set[str] = set()
        flows = {flow.id for flow in node.outgoing}
        if node.default is not None and node.default not in flows:
            self.found.error(
                node.id,
                text("默认连线不是从这里引出的", "its default flow does not come out of it"),
                text("把引出的一条连线设为默认", "make one of its own flows the default"),
            )
        conditions = [self._condition(node, flow, names) for flow in node.outgoing]
        if node.kind == "exclusive" and not complete(conditions):
            self.found.error(
                node.id,
                text("排他网关没有默认连线：条件都不成立时无路可走",
                     "it has no default flow: where does it go on when no condition holds?"),
                text("把一条连线设为默认", "make one of the flows the default"),
            )  # fmt: skip
        elif node.kind == "inclusive" and not complete(conditions):
            self.found.warning(
                node.id,
                text("包容网关没有默认连线：条件都不成立时，各分支都不执行，继续往后",
                     "it has no default flow: when no condition holds, none of its branches is done and it goes on"),
                text("如非本意，把一条连线设为默认", "if that is not meant, make one of the flows the default"),
            )  # fmt: skip
        if node.kind == "inclusive" and not complete(conditions):
            self.came[node.id] = token.sources
        self.splits[node.id] = Split(node.id, node.kind == "exclusive", tuple(conditions))
        self.places[node.id] = len(self.places)
        self.reads[node.id] = (node, names)
        for branch, flow in enumerate(node.outgoing):
            self.tokens[flow.id] = _Token(chosen(token.ways, node.id, branch), token.sources, token.timer)

    def _condition(self, node: Node, flow: Flow, names: set[str]) -> str | None:
        if flow.id == node.default:
            if flow.condition is not None:
                self.found.error(
                    flow.id,
                    text("默认连线不带条件", "the default flow has a condition"),
                    text("删去条件，或不设为默认", "take the condition away, or do not make it the default"),
                )
            return None
        if flow.condition is None:
            self.found.error(
                flow.id,
                text("网关引出的连线没有条件", "a flow out of a deciding gateway without a condition"),
                text("写上条件，例如 level <= 2；或设为默认", "write one, e.g. level <= 2, or make it the default"),
                "when",
            )
            return "false"
        given = " ".join(flow.condition.split())
        try:
            names |= expression.parse(given).names
        except Invalid as error:
            self.found.error(
                flow.id,
                error.both()[0],
                text("例如 level <= 2 and kind == 'fire'", str(error.remedy)),
                "when",
            )
            return "false"
        return given

    def _interruption(self, node: Node) -> str:
        split = f"interrupted {node.id}"
        if split not in self.splits:
            name = f"interrupted_{self.names[node.id].replace('-', '_')}"
            self.splits[split] = Split(split, True, (f"not {name}", name))
            self.places[split] = len(self.places)
        return split

    def _leave_boundary(self, node: Node) -> None:
        boundary = self.boundaries.get(node.id)
        if boundary is None or boundary.on not in self.at:
            return
        ways = self.at[boundary.on]
        if boundary.interrupt and not boundary.explicit:
            ways = chosen(ways, self._interruption(self.nodes[boundary.on]), 1)
        elif not boundary.explicit:
            # it comes besides what comes out of the task: never instead of it, and not for certain
            self.splits.setdefault(node.id, Split(node.id, False, ("true", "true")))
            self.places.setdefault(node.id, len(self.places))
            ways = chosen(ways, node.id, 1)
        self._unconditional(node)
        token = _Token(ways, (), node.id)
        if boundary.own_step:
            self._wait(node, {"during": self._during(boundary)}, text("时限已到", "Time is up"))
            token = _Token(ways, (self.names[node.id],))
        for flow in node.outgoing:
            self.tokens[flow.id] = token

    def _during(self, boundary: _Boundary) -> dict[str, object]:
        interrupt = {"interrupt": True} if boundary.interrupt else {}
        watched = boundary.watched[0] if len(boundary.watched) == 1 else boundary.watched
        return {"step": watched, "after": boundary.after, **interrupt}

    # ── steps ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _ancestors(self, step: str) -> set[str]:
        return self.steps[step].ancestors if step in self.steps else set()

    def _step(self, node: Node, token: _Token) -> None:
        self.at[node.id] = token.ways
        id = self.names[node.id]
        self._check_behind_timer(node, token)
        if node.kind == "timer":
            more: dict[str, object] = {"delay": self._timer(node)}
            if token.timer in self.boundaries:
                more = {"during": self._during(self.boundaries[token.timer])}
            self._wait(node, more, text("等待", "Wait"), token)
            return
        fields = step_fields(node.element, node.kind, self.found)
        title = titles(node.element, node.name, self.found)
        if title is None:
            self.found.error(
                node.id, text("步骤没有名称", "the step has no name"), text("给它起名", "name it"), "title"
            )
        step: dict[str, object] = {"id": id, "title": title or text(id, id)}
        if node.kind in ("message", "decide"):
            step["does"] = node.kind
        if node.kind == "call":
            step["call"] = self._call(node)
        self._timing(node, token, step, fields)
        ways = token.ways
        if token.timer is not None and token.timer in self.boundaries:
            boundary = self.boundaries[token.timer]
            step["during"] = self._during(boundary)
            ways = self._behind(ways, token.timer, boundary)
        own = fields.pop("when", None)
        self._when(node, step, ways, None if own is None else str(own))
        self._repeat(node, step)
        step.update(fields)
        if node.kind == "task":
            self._check_task(node, step)
        self._asked(node, step)
        self._keep(node, step)

    def _behind(self, ways: Ways, timer: str, boundary: _Boundary) -> Ways:
        """What a step behind a timer must ask besides: the timer releases it only while its task is open."""
        given = {choice for way in self.at.get(boundary.on, ALWAYS) for choice in way}
        own = {timer, f"interrupted {boundary.on}"}
        return frozenset(frozenset(c for c in way if c not in given and c[0] not in own) for way in ways)

    def _check_behind_timer(self, node: Node, token: _Token) -> None:
        """A task may be finished before its timer is due; only an interruption can be asked for later."""
        timers = {split for way in token.ways for split, _ in way if split in self.boundaries}
        if token.timer is None and timers:
            self.found.error(
                node.id,
                text("不中断的边界定时之后只能直接跟一步；这里是第二步",
                     "behind a timer that does not interrupt there is one step; this is a further one"),
                text("把工作并为一步，或改为中断定时；须等它完成的步骤用包容网关与主线汇合",
                     "make them one step, or let the timer interrupt; what waits for it joins the main line by an "
                     "inclusive gateway"),
            )  # fmt: skip
        waiting = node.kind == "timer" and self._timer(node) != "PT0S"
        if token.timer is not None and (node.kind == "call" or waiting):
            self.found.error(
                node.id,
                text("边界定时之后应直接跟任务", "right behind a boundary timer there must be a task"),
                text(
                    "先放一个任务；或把等待时间并入边界定时", "put a task first, or add the time to the boundary timer"
                ),
            )

    def _keep(self, node: Node, step: dict[str, object]) -> None:
        after = step.get("after")
        sources = [str(one) for one in after] if isinstance(after, list) else []
        during = step.get("during")
        if isinstance(during, dict):
            watched = during["step"]
            sources += watched if isinstance(watched, list) else [str(watched)]
        ancestors = {one for source in sources for one in (source, *self._ancestors(source))}
        self._hint_delay(node, step)
        self.steps[str(step["id"])] = _Step(step, node.element.ch("order"), ancestors)
        variables = set(step["sets"]) if isinstance(step.get("sets"), dict) else set()  # type: ignore[call-overload]
        if step.get("does") == "decide" and self.outputs is not None and isinstance(step.get("table"), str):
            variables |= set(self.outputs(str(step["table"])))
        for variable in variables:
            self.sets.setdefault(str(variable), set()).add(str(step["id"]))

    def _hint_delay(self, node: Node, step: dict[str, object]) -> None:
        late = str(step.get("delay") or "PT0S") != "PT0S" and isinstance(step.get("when"), str)
        if late and not expression.parse(str(step["when"])).names <= self.known:
            self.found.warning(
                node.id,
                text("这里的等待在办理中才能判断是否需要：即使不走此分支，其后的汇合也要等满这段时间",
                     "whether this is needed is only learnt on the way: what joins behind it waits for this time even when "
                     "this branch is not taken"),
                text("如不希望，把定时放到汇合之后", "if that is not wanted, put the timer behind the join"),
                "delay",
            )  # fmt: skip

    def _wait(self, node: Node, more: dict[str, object], title: Text, token: _Token | None = None) -> None:
        named = titles(node.element, node.name, self.found) if node.name or node.element.ch("en") else title
        step: dict[str, object] = {"id": self.names[node.id], "title": named or title, "does": "wait"}
        if token is not None and token.sources:
            step["after"] = list(token.sources)
        fields = step_fields(node.element, "wait", self.found)
        own = fields.pop("when", None)
        if token is not None:
            ways = token.ways if token.timer is None else ALWAYS
            self._when(node, step, ways, None if own is None else str(own))
        step.update(fields)
        step.update(more)
        self._keep(node, step)

    def _timing(self, node: Node, token: _Token, step: dict[str, object], fields: dict[str, object]) -> None:
        if token.sources:
            step["after"] = list(token.sources)
        timer = self.delays.get(node.incoming[0].source) if len(node.incoming) == 1 else None
        if timer is not None:
            step["delay"] = self._timer(timer)
            if timer.element.ch("from"):
                fields.setdefault("from", timer.element.ch("from"))
        if node.element.ch("delay"):
            step["delay"] = node.element.ch("delay")

    def _timer(self, node: Node) -> str:
        definitions = node.element.bpmn("timerEventDefinition")
        given = [one for each in definitions for one in each.bpmn("timeDuration")]
        others = [one for each in definitions for name in ("timeDate", "timeCycle") for one in each.bpmn(name)]
        written = given[0].text.strip() if given else ""
        try:
            if others and not given:
                raise Invalid("a date or a cycle")
            return duration.iso(duration.parse(written))
        except Invalid:
            self.found.error(
                node.id,
                text("定时事件没有可用的时长", "the timer has no duration that can be read"),
                text(
                    "写成 ISO 8601 时长，例如 PT2H；不用日期和周期",
                    "write an ISO 8601 duration, e.g. PT2H; no date, no cycle",
                ),
                "delay",
            )
            return "PT0S"

    def _call(self, node: Node) -> dict[str, object]:
        plan = node.element.ch("plan") or node.element.attributes.get("calledElement")
        if not plan:
            self.found.error(
                node.id,
                text("调用活动没有指明预案", "the call activity names no plan"),
                text("填写被调用预案的名称", "fill in the name of the plan it calls"),
                "call",
            )
        version = node.element.ch("version")
        return {"plan": plan or "", **({"version": version} if version else {})}

    def _when(self, node: Node, step: dict[str, object], ways: Ways, own: str | None) -> None:
        if own is not None:
            own = " ".join(own.split())
            try:
                expression.parse(own)
            except Invalid as error:
                self.found.error(
                    node.id,
                    error.both()[0],
                    text("例如 level <= 2 and kind == 'fire'", str(error.remedy)),
                    "when",
                )
                return
        asked = condition(ways, self.splits, self.places, own)
        if asked is None:
            return
        if len(asked) > limits.CONDITION_CHARS:
            self.found.error(
                node.id,
                text("通到这里的条件合起来太长", "the conditions that lead here are too long together"),
                text("把判断放进决策表，用其结果作条件", "put them into a decision table and ask for its result"),
            )
            return
        step["when"] = asked

    def _repeat(self, node: Node, step: dict[str, object]) -> None:
        for marker in node.element.bpmn("multiInstanceLoopCharacteristics"):
            if marker.attributes.get("isSequential") == "true":
                self.found.error(
                    node.id,
                    text(
                        "依次多实例不在预案画法之内", "one instance after the other is not part of how plans are drawn"
                    ),
                    text("改为同时（并行）多实例", "let the instances run side by side"),
                )
            if node.kind == "call":
                self.found.error(
                    node.id,
                    text("调用活动不能是多实例", "a call activity cannot be multi-instance"),
                    text("在被调用的预案里让任务多实例", "make the tasks of the called plan multi-instance"),
                )
            items = marker.ch("in")
            if items is None:
                self.found.error(
                    node.id,
                    text("多实例任务没有指明清单", "the multi-instance task names no list"),
                    text("填写清单或参数名（ch:in）", "fill in a list or the name of a parameter (ch:in)"),
                    "each",
                )
                continue
            step["each"] = {"as": marker.ch("as") or "item", "in": readable(items)}

    def _check_task(self, node: Node, step: dict[str, object]) -> None:
        if "unit" not in step:
            unit = self._unit(node)
            if unit is not None:
                step["unit"] = unit
        elif self.units is not None and not str(step["unit"]).startswith("$"):
            self._known(node.id, str(step["unit"]), "unit")
        for needed, title in (("accept_within", "签收时限"), ("due", "办理时限")):
            if needed not in step:
                attribute = {"accept_within": "acceptWithin", "due": "due"}[needed]
                self.found.error(
                    node.id,
                    text(f"没有{title}", f"{needed} is missing"),
                    text(f"填写{title}，例如 PT1H（ch:{attribute}）", f"fill it in, e.g. PT1H (ch:{attribute})"),
                    needed,
                )
        try:
            late = duration.parse(step["due"]) <= duration.parse(step["accept_within"])
        except (KeyError, Invalid):
            late = False
        if late:
            self.found.error(
                node.id,
                text("办理时限不长于签收时限", "due is not after accept_within"),
                text("两者都从派发算起；给办理留出更多时间", "both count from the dispatch; give the work more time"),
                "due",
            )
        if isinstance(step.get("verify_by"), str) and step["verify_by"] != "coordinator":
            self._known(node.id, str(step["verify_by"]), "verify_by")
        rungs = step.get("escalate")
        for rung in rungs if isinstance(rungs, list) else []:
            if isinstance(rung, dict) and rung.get("to") not in ROLE_TITLES:
                self._known(node.id, str(rung.get("to")), "escalate")

    def _asked(self, node: Node, step: dict[str, object]) -> None:
        if node.kind == "message" and "topic" not in step:
            self.found.error(
                node.id,
                text("没有指明消息主题", "it names no topic"),
                text("填写消息主题（ch:topic）；若由人办理，改为用户任务",
                     "fill in the topic (ch:topic); if somebody does it, make it a user task"),
                "topic",
            )  # fmt: skip
        if node.kind == "decide" and "table" not in step:
            self.found.error(
                node.id,
                text("没有指明决策表", "it names no decision table"),
                text("填写决策表名称（ch:table）", "fill in the name of the table (ch:table)"),
                "table",
            )

    def _known(self, element: str, unit: str, field: str) -> None:
        if self.units is None or unit in self.units:
            return
        self.found.error(
            element,
            text(f"没有部门 {unit[:60]}", f"there is no department {unit[:60]}"),
            text("从部门目录中选择", f"departments: {', '.join(sorted(self.units)[:40])}"),
            field,
        )

    def _unit(self, node: Node) -> str | None:
        if node.lane is None:
            self.found.error(
                node.id,
                text("任务不在任何泳道里，也没有指明部门", "the task lies in no lane and names no department"),
                text("放进承办部门的泳道", "put it into the lane of its department"),
                "unit",
            )
            return None
        if id(node.lane) not in self.lanes:
            self.lanes[id(node.lane)] = self._lane(node.lane)
        return self.lanes[id(node.lane)]

    def _lane(self, lane: Element) -> str | None:
        named = lane.ch("unit")
        title = " ".join(lane.attributes.get("name", "").split())
        tried = [named] if named else [one for one in (lane.id, title) if one]
        if self.units is None:
            fitting = [one for one in tried if one.startswith("$") or _NAME.fullmatch(one)]
            if fitting:
                return fitting[0]
        else:
            for one in tried:
                if one in self.units or (named and one.startswith("$")):
                    return one
            if isinstance(self.units, Mapping) and not named:
                for code, titled in self.units.items():
                    if title and title in titled.values():
                        return code
        known = "" if self.units is None else ", ".join(sorted(self.units)[:40])
        self.found.error(
            lane.near,
            text(f"泳道 {(named or title)[:60]!r} 不是已知部门", f"the lane {(named or title)[:60]!r} is no department"),
            text("用部门名称给泳道命名，或填写部门编码（ch:unit）",
                 f"name the lane like a department or fill in its code (ch:unit); departments: {known}"),
            "unit",
        )  # fmt: skip
        return None

    # ── variables ──────────────────────────────────────────────────────────────────────────────────────────────

    def _check_variables(self) -> None:
        """A gateway asks once; a step asks when it is released. Both are the same only when nothing changes between."""
        for node, names in self.reads.values():
            for name in sorted(names):
                setters = sorted(self.sets.get(name, ()))
                for setter in setters:
                    if setter not in self.before[node.id]:
                        self.found.error(
                            node.id,
                            text(f"网关判断的 {name} 由步骤 {setter} 设定，而该步骤不在网关之前",
                                 f"it asks for {name}, which step {setter} sets, and that does not come before it"),
                            text("把该步骤移到网关之前，或另用一个变量", "move the step before it, or use another variable"),
                        )  # fmt: skip
                if setters and name not in self.known and not any(self._surely(name, setter) for setter in setters):
                    self.found.warning(
                        node.id,
                        text(f"{name} 可能无人填写：那时各分支（包括默认分支）都不执行",
                             f"{name} may stay empty: then no branch is taken, not even the default one"),
                        text("在表单中把该字段设为必填", "make the field of the form a required one"),
                        "when",
                    )  # fmt: skip

    def _surely(self, name: str, setter: str) -> bool:
        """Whether the variable has a value once the step is over."""
        step = self.steps[setter].fields
        if "when" in step:
            return False
        evidence, sets = step.get("evidence"), step.get("sets")
        if step.get("does") == "decide" or not isinstance(evidence, list) or not isinstance(sets, dict):
            return step.get("does") == "decide"
        asked = [one.get("schema") for one in evidence if isinstance(one, dict)]
        return any(isinstance(schema, dict) and sets.get(name) in (schema.get("required") or ()) for schema in asked)


def _named(tokens: list[_Token]) -> set[str]:
    """The gateways whose choices these ways name."""
    return {split for token in tokens for way in token.ways for split, _ in way}


def _one_timer(tokens: list[_Token]) -> str | None:
    timers = {token.timer for token in tokens}
    return timers.pop() if len(timers) == 1 else None


# ── names ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _folds(nodes: Mapping[str, Node], timer: Node) -> bool:
    """Whether a timer is the delay of the one step behind it."""
    if timer.kind != "timer" or len(timer.outgoing) != 1 or timer.element.ch("step"):
        return False
    behind = nodes[timer.outgoing[0].target]
    if behind.kind not in _PLAIN or len(behind.incoming) != 1:
        return False
    return not (len(timer.incoming) == 1 and nodes[timer.incoming[0].source].kind == "boundary")


def _becomes_step(nodes: Mapping[str, Node], node: Node) -> bool:
    """Whether a node is a step; a boundary timer is one when it interrupts and no single task is right behind it."""
    if node.kind == "timer":
        return not _folds(nodes, node)
    if node.kind == "boundary":
        if not node.interrupting or node.element.ch("explicit") == "true":
            return False
        behind = [nodes[flow.target] for flow in node.outgoing]
        return not (len(behind) == 1 and behind[0].kind in _PLAIN and len(behind[0].incoming) == 1)
    return node.kind in ACTIVITIES


def _slug(id: str) -> str:
    """An id as a name of ours: itself when it is one."""
    if _NAME.fullmatch(id):
        return id
    made = re.sub(r"[^a-z0-9]+", "-", id.lower()).strip("-")[:50].strip("-")
    return made or f"x-{hashlib.sha256(id.encode()).hexdigest()[:8]}"


def _names(drawn: Graph, found: Found) -> dict[str, str]:
    """For each element that becomes a step the step's id: no two alike, and the same for the same ids."""
    names: dict[str, str] = {}
    owners: dict[str, str] = {}
    stepped = [node for node in drawn.nodes.values() if _becomes_step(drawn.nodes, node)]
    for node in stepped:
        given = node.element.ch("step")
        if given is None:
            continue
        if _NAME.fullmatch(given) is None or given in owners:
            found.error(
                node.id,
                text(
                    f"步骤编号 {given[:60]!r} 不可用或重复",
                    f"the step id {given[:60]!r} cannot be used or is there twice",
                ),
                text("用小写字母、数字和连字符，且不重复", "use a-z, 0-9 and -, and each only once"),
                "id",
            )
            continue
        names[node.id] = given
        owners[given] = node.id
    rest = [node for node in stepped if node.id not in names]
    for node in rest:
        if _NAME.fullmatch(node.id) and node.id not in owners:
            names[node.id] = node.id
            owners[node.id] = node.id
    rest = [node for node in rest if node.id not in names]
    slugs = [_slug(node.id) for node in rest]
    alike = Counter(slugs)
    for node, slug in zip(rest, slugs, strict=True):
        name, length = slug, 0
        while name in owners or (length == 0 and alike[slug] > 1):
            length += 6
            name = f"{slug[: 59 - length]}-{hashlib.sha256(node.id.encode()).hexdigest()[:length]}"
        names[node.id] = name
        owners[name] = node.id
    return names

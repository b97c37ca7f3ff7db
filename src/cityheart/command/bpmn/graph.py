"""The drawing as a graph: nodes, flows and lanes of one process; whatever the profile lacks is a problem at its id."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush

from cityheart.command.bpmn.document import BPMN, DI, Element
from cityheart.command.bpmn.problems import Found
from cityheart.kernel.text import Text, text

__all__ = ["ACTIVITIES", "Flow", "Graph", "Node", "graph"]

ACTIVITIES = frozenset({"task", "message", "decide", "call"})

_KINDS = {
    "startEvent": "start",
    "endEvent": "end",
    "userTask": "task",
    "serviceTask": "message",
    "sendTask": "message",
    "businessRuleTask": "decide",
    "callActivity": "call",
    "exclusiveGateway": "exclusive",
    "parallelGateway": "parallel",
    "inclusiveGateway": "inclusive",
    "intermediateCatchEvent": "timer",
    "boundaryEvent": "boundary",
}
_QUIET = {"documentation", "extensionElements", "textAnnotation", "association", "group", "laneSet", "sequenceFlow"}
_ROOT_QUIET = {"documentation", "extensionElements", "message", "relationship"}
_NODE_QUIET = {"documentation", "extensionElements", "incoming", "outgoing"}
_USER = text("改用用户任务", "use a user task")
_INSTEAD: dict[str, tuple[Text, Text]] = {
    "task": (text("未指明类型的任务", "a task of no type"), text("改为用户任务（由部门办理）", "make it a user task")),
    "manualTask": (text("手工任务", "a manual task"), _USER),
    "scriptTask": (
        text("脚本任务", "a script task"),
        text("预案不运行脚本；判断请用业务规则任务", "plans run no scripts; to decide something use a business rule task"),
    ),
    "receiveTask": (text("接收任务", "a receive task"), _USER),
    "subProcess": (
        text("子流程", "a subprocess"),
        text("另画成一个预案，用调用活动引用", "draw it as a plan of its own and name it in a call activity"),
    ),
    "transaction": (text("事务", "a transaction"), text("改用调用活动", "use a call activity")),
    "adHocSubProcess": (text("特别子流程", "an ad-hoc subprocess"), text("改用调用活动", "use a call activity")),
    "complexGateway": (
        text("复杂网关", "a complex gateway"),
        text("改用排他、并行或包容网关", "use an exclusive, parallel or inclusive gateway"),
    ),
    "eventBasedGateway": (
        text("事件网关", "an event gateway"),
        text("改用任务上的边界定时事件", "use a boundary timer on the task that is waited for"),
    ),
    "intermediateThrowEvent": (
        text("中间抛出事件", "a throwing event"),
        text("发送消息请用发送任务", "to send something use a send task"),
    ),
    "dataObject": (text("数据对象", "a data object"), text("用文本注释说明", "say it in a text annotation")),
    "dataObjectReference": (
        text("数据对象", "a data object"),
        text("用文本注释说明，或列为任务的反馈材料", "say it in a text annotation, or ask for it as evidence of a task"),
    ),
    "dataStoreReference": (text("数据存储", "a data store"), text("用文本注释说明", "say it in a text annotation")),
    "messageFlow": (text("消息流", "a message flow"), text("改用发送任务", "use a send task")),
    "standardLoopCharacteristics": (
        text("循环标记", "a loop marker"),
        text("返工已内置；设置最多返工次数即可", "rework is built in: set how many rounds it may take"),
    ),
    "ioSpecification": (
        text("数据输入输出", "data inputs and outputs"),
        text("请用任务的反馈表单", "use the form of the task's evidence"),
    ),
}  # fmt: skip
_ELSE = text(
    "可用元素：泳道、开始、结束、用户任务、服务任务、发送任务、排他/并行/包容网关、定时事件、边界定时、调用活动、业务规则任务、多实例、文本注释",
    "there are: lanes, start, end, user, service and send tasks, exclusive, parallel and inclusive gateways, timers, "
    "boundary timers, call activities, business rule tasks, multi-instance tasks, text annotations",
)


@dataclass(slots=True)
class Flow:
    """A sequence flow; ``condition`` is what stands in its condition expression."""

    id: str
    source: str
    target: str
    condition: str | None = None


@dataclass(slots=True)
class Node:
    """A flow node. ``kind`` is what the profile calls it, ``outside`` what the profile lacks.

    ``on`` is the activity a boundary timer sits on.
    """

    id: str
    kind: str
    element: Element
    name: str
    incoming: list[Flow] = field(default_factory=list)
    outgoing: list[Flow] = field(default_factory=list)
    default: str | None = None
    on: str | None = None
    interrupting: bool = True
    lane: Element | None = None


@dataclass(slots=True)
class Graph:
    """One process: nodes in the order of the file, and that order turned so that each comes after what leads to it."""

    process: Element
    participant: Element | None
    nodes: dict[str, Node]
    order: list[str]


def graph(root: Element, found: Found) -> Graph | None:
    """The one process of the file; ``None`` when there is none to look at."""
    _no_scripts(root, found)
    processes = root.bpmn("process")
    if not processes:
        found.error(None, text("文件中没有流程", "there is no process"), text("画一个流程", "draw one"))
        return None
    for more in processes[1:]:
        found.error(
            more.near,
            text("一个文件只能有一个流程", "one more process: a file holds one plan"),
            text("另存为一个预案，用调用活动引用", "save it as a plan of its own and name it in a call activity"),
        )
    process = processes[0]
    participant = _around(root, process, found)
    nodes, flows = _parts(process, found)
    _connect(nodes, flows, found)
    _lanes(process, nodes, found)
    return Graph(process, participant, nodes, _ordered(nodes, found))


def _outside(element: Element, found: Found) -> None:
    named = {"zh-CN": f"元素 {element.name}", "en": f"the element {element.name}"}
    what, instead = _INSTEAD.get(element.name, (named, _ELSE))
    found.error(
        element.near,
        text(f"不在预案画法之内：{what['zh-CN']}", f"not part of how plans are drawn: {what['en']}"),
        instead,
    )


def _no_scripts(root: Element, found: Found) -> None:
    for element in root.walk():
        if element.name == "script" or (element.name == "scriptFormat" and element.space != DI):
            found.error(
                element.near,
                text("这里写有脚本；预案不运行脚本", "there is a script; plans run no scripts"),
                text("删去脚本；条件请用条件表达式", "take it out; conditions use the condition language"),
            )


def _around(root: Element, process: Element, found: Found) -> Element | None:
    own: Element | None = None
    for child in root.children:
        if child.space != BPMN or child.name in _ROOT_QUIET or child.name == "process":
            continue
        if child.name != "collaboration":
            _outside(child, found)
            continue
        for part in child.children:
            if part.space != BPMN or part.name in _QUIET:
                continue
            if part.name == "participant" and part.attributes.get("processRef") == process.id and own is None:
                own = part
            elif part.name == "participant":
                found.error(
                    part.near,
                    text("另有一个泳池；预案只有一个流程", "one more pool: a plan is one process"),
                    text("删去该泳池；部门用泳道表示", "take the pool out; departments are lanes"),
                )
            else:
                _outside(part, found)
    return own


def _parts(process: Element, found: Found) -> tuple[dict[str, Node], list[Flow]]:
    nodes: dict[str, Node] = {}
    flows: list[Flow] = []
    seen: set[str] = set()
    for child in process.children:
        if child.space != BPMN or (child.name in _QUIET and child.name != "sequenceFlow"):
            continue
        kind = _KINDS.get(child.name)
        if kind is None and child.name != "sequenceFlow":
            _outside(child, found)
            if child.id is not None and child.id not in seen:  # it stays in the graph: what it leads to is not to blame
                seen.add(child.id)
                nodes[child.id] = Node(child.id, "outside", child, "")
            continue
        if child.id is None or child.id in seen:
            found.error(
                child.near,
                text(f"元素 {child.name} 没有编号或编号重复", f"an element {child.name} has no id, or one used twice"),
                text("从制图工具重新导出", "export the drawing from the modeler again"),
            )
            continue
        seen.add(child.id)
        if kind is None:
            source, target = child.attributes.get("sourceRef", ""), child.attributes.get("targetRef", "")
            flows.append(Flow(child.id, source, target, _condition(child, found)))
        else:
            nodes[child.id] = _node(child, child.id, kind, found)
    return nodes, flows


def _condition(flow: Element, found: Found) -> str | None:
    given = flow.bpmn("conditionExpression")
    if not given:
        return None
    language = given[0].attributes.get("language", "")
    if given[0].text.strip() and language and not language.startswith("https://cityheart.org/"):
        found.error(
            flow.id,
            text(f"条件用的是 {language[:80]} 语言", f"the condition is written in {language[:80]}"),
            text("例如 level <= 2；不写 language", "write it like level <= 2, without language"),
        )
        return None
    if any(name.endswith("}resource") for name in given[0].attributes):
        found.error(
            flow.id,
            text("条件引用了外部脚本", "the condition names a script outside"),
            text("例如 level <= 2", "write it like level <= 2"),
        )
        return None
    return given[0].text.strip() or None


def _node(element: Element, id: str, kind: str, found: Found) -> Node:
    node = Node(id, kind, element, " ".join(element.attributes.get("name", "").split()))
    node.default = element.attributes.get("default")
    allowed = set(_NODE_QUIET)
    if kind in ("timer", "boundary"):
        allowed.add("timerEventDefinition")
    if kind == "start":
        allowed.add("messageEventDefinition")
    if kind in ACTIVITIES:
        allowed.add("multiInstanceLoopCharacteristics")
    events = [child for child in element.children if child.space == BPMN and child.name.endswith("EventDefinition")]
    for child in element.children:
        if child.space != BPMN or child.name in allowed:
            continue
        if child.name.endswith("EventDefinition"):
            found.error(
                id,
                text(f"不在预案画法之内：{child.name}", f"not part of how plans are drawn: {child.name}"),
                _events(kind),
            )
        else:
            _outside(child, found)
    if kind in ("timer", "boundary") and not events:
        found.error(id, text("该事件没有类型", "the event has no type"), _events(kind))
    if len(events) > 1:
        found.error(id, text("一个事件有多种类型", "an event of several types"), _events(kind))
    if kind == "boundary":
        node.on = element.attributes.get("attachedToRef")
        node.interrupting = element.attributes.get("cancelActivity", "true") != "false"
    if element.attributes.get("isForCompensation") == "true":
        found.error(id, text("补偿任务", "a task for compensation"), text("画成普通任务", "draw it as a plain task"))
    return node


def _events(kind: str) -> Text:
    return {
        "start": text("开始事件为空白或消息类型", "a start event is plain or of a message"),
        "end": text(
            "结束事件为空白类型；发送消息请用发送任务", "an end event is plain; to send something use a send task"
        ),
    }.get(kind, text("中间事件和边界事件只用定时类型", "events in between and on a task's edge are timers"))


def _connect(nodes: dict[str, Node], flows: Iterable[Flow], found: Found) -> None:
    for flow in flows:
        source, target = nodes.get(flow.source), nodes.get(flow.target)
        if source is None or target is None:
            gone = flow.source if source is None else flow.target
            found.error(
                flow.id,
                text(
                    f"连线的一端 {gone[:60]!r} 不是预案中的元素",
                    f"one end of it, {gone[:60]!r}, is nothing of this plan",
                ),
                text("连到任务、事件或网关上", "connect it to a task, event or gateway"),
            )
            continue
        if target.kind in ("start", "boundary"):
            found.error(
                flow.id,
                text("连线不能进入开始事件或边界事件", "a flow cannot lead into a start or a boundary event"),
                text("改连到任务或网关", "lead it to a task or a gateway"),
            )
            continue
        if source.kind == "end":
            found.error(
                flow.id,
                text("连线不能从结束事件引出", "a flow cannot come out of an end event"),
                text("从任务或网关引出", "let it come from a task or a gateway"),
            )
            continue
        source.outgoing.append(flow)
        target.incoming.append(flow)
    for node in nodes.values():
        if node.kind == "boundary" and (node.on not in nodes or nodes[node.on].kind not in ("task", "call")):
            found.error(
                node.id,
                text(
                    "边界定时没有附在用户任务或调用活动上", "the timer does not sit on a user task or a call activity"
                ),
                text("把它附到任务的边上", "put it on the edge of the task"),
            )
            node.on = None


def _lanes(process: Element, nodes: dict[str, Node], found: Found) -> None:
    waiting = [lane for outer in process.bpmn("laneSet") for lane in outer.bpmn("lane")]
    while waiting:  # outer lanes first, so that the innermost has the last word
        lane = waiting.pop(0)
        for reference in lane.bpmn("flowNodeRef"):
            node = nodes.get(reference.text.strip())
            if node is not None:
                node.lane = lane
        waiting.extend(inner for outer in lane.bpmn("childLaneSet") for inner in outer.bpmn("lane"))


def _ordered(nodes: dict[str, Node], found: Found) -> list[str]:
    """Every node after what leads to it; where that is open, in the order of the file. What goes round is told."""
    place = {id: number for number, id in enumerate(nodes)}
    on: dict[str, list[str]] = {}
    for node in nodes.values():
        if node.on is not None:
            on.setdefault(node.on, []).append(node.id)
    missing = {
        node.id: len(node.incoming) + (node.kind == "boundary" and node.on is not None) for node in nodes.values()
    }
    free = [place[id] for id, count in missing.items() if not count]
    heapify(free)
    names = list(nodes)
    order: list[str] = []
    while free:
        id = names[heappop(free)]
        order.append(id)
        for following in [flow.target for flow in nodes[id].outgoing] + on.get(id, []):
            missing[following] -= 1
            if not missing[following]:
                heappush(free, place[following])
    if len(order) < len(nodes):
        _tell_circle(nodes, set(order), found)
    return order


def _tell_circle(nodes: dict[str, Node], done: set[str], found: Found) -> None:
    """Names the flow of a circle that leads back furthest, as the file has it."""
    here = next(id for id in nodes if id not in done)
    trail: dict[str, Flow | None] = {}
    while here not in trail:  # whatever is left has a predecessor that is left, so going back comes round
        node = nodes[here]
        back = next((one for one in node.incoming if one.source not in done), None)
        trail[here] = back
        before = back.source if back is not None else node.on
        assert before is not None
        here = before
    circle = list(trail)[list(trail).index(here) :]
    place = {id: number for number, id in enumerate(nodes)}
    first = min(circle, key=lambda id: place[id])
    flow = trail[first] or next(flow for id in circle if (flow := trail[id]) is not None)
    shown = circle[::-1][:10]
    found.error(
        flow.id,
        text(f"连线绕成了圈：{'、'.join(shown)}", f"the flows go round in a circle: {', '.join(shown)}"),
        text(
            "去掉往回的连线；核查不通过时任务会自动返工，次数由返工上限限定",
            "take out the flow that leads back; work that fails its check is given back by itself, "
            "as often as the loop guard allows",
        ),
    )

"""Any plan as a BPMN 2.0 drawing, whatever it was written in; compiled again it is the same plan."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import cast
from xml.sax.saxutils import escape

from cityheart.command.bpmn import properties
from cityheart.command.bpmn.document import BPMN, CH, DC, DD, DI, XSI
from cityheart.command.bpmn.layout import Box, Place, lay_out
from cityheart.command.bpmn.properties import plain
from cityheart.command.models import Plan
from cityheart.kernel import limits
from cityheart.kernel.errors import Invalid
from cityheart.kernel.text import Text

__all__ = ["draw"]

_TAGS = {"task": "userTask", "message": "serviceTask", "decide": "businessRuleTask", "call": "callActivity"}
_NOTHING = ("PT0S", None, "")


@dataclass(slots=True)
class _Node:
    """A flow node to be written: ``attributes`` and ``inner`` stand as XML already."""

    id: str
    tag: str
    shape: str
    name: str
    lane: int = -1
    attributes: str = ""
    extensions: list[str] = field(default_factory=list)
    inner: str = ""
    on: str | None = None
    incoming: list[tuple[str, str]] = field(default_factory=list)  # source, name of the flow


def draw(plan: Plan | Mapping[str, object], unit_titles: Mapping[str, Text] | None = None) -> bytes:
    """A plan as BPMN 2.0 XML (UTF-8) with its picture. ``unit_titles`` name the lanes.

    ``plan`` is a compiled plan or a mapping that compiles. ``compile_bpmn`` of the result gives a mapping with the same
    digest. Raises :class:`Invalid` for a mapping without steps.
    """
    body = cast("Mapping[str, object]", json.loads(plan.canonical)) if isinstance(plan, Plan) else plan
    raw = body.get("steps")
    if not isinstance(raw, list) or not raw or not all(isinstance(step, Mapping) and step.get("id") for step in raw):
        raise Invalid("there are no steps to draw", remedy="compile the plan first")
    if len(raw) > limits.PLAN_STEPS:
        raise Invalid(f"more than {limits.PLAN_STEPS} steps", remedy="split the plan")
    steps = cast("list[Mapping[str, object]]", raw)
    units = list(dict.fromkeys(str(step["unit"]) for step in steps if _does(step) == "task" and step.get("unit")))
    nodes = _nodes(body, _in_order(steps), units, ordered=_in_order(steps) == steps, places={
        str(step["id"]): number for number, step in enumerate(steps)
    })  # fmt: skip
    _into_lanes(nodes, len(units))
    return _written(body, nodes, units, unit_titles or {}).encode()


def _does(step: Mapping[str, object]) -> str:
    return "call" if step.get("call") else str(step.get("does") or "task")


def _waits_for(step: Mapping[str, object]) -> list[str]:
    during = step.get("during")
    watched = during["step"] if isinstance(during, Mapping) else []
    after = step.get("after")
    return [*(cast("list[str]", after) if isinstance(after, list) else []),
            *(watched if isinstance(watched, list) else [str(watched)])]  # fmt: skip


def _in_order(steps: list[Mapping[str, object]]) -> list[Mapping[str, object]]:
    """Each step behind those it waits for; where that is open, as they stand. A circle stays as it stands."""
    done: set[str] = set()
    ordered: list[Mapping[str, object]] = []
    left = list(steps)
    while left:
        step = next((one for one in left if done.issuperset(_waits_for(one))), left[0])
        left.remove(step)
        ordered.append(step)
        done.add(str(step["id"]))
    return ordered


def _element(step: str) -> str:
    """The id of a step's element: its own where XML allows, else with a word before it."""
    return step if step[0].isalpha() else f"Step_{step}"


def _nodes(
    body: Mapping[str, object],
    steps: list[Mapping[str, object]],
    units: list[str],
    *,
    ordered: bool,
    places: Mapping[str, int],
) -> list[_Node]:
    begin = _Node("Start_1", "startEvent", "event", "")
    applies = body.get("for")
    if isinstance(applies, Mapping):
        levels = ",".join(str(level) for level in cast("list[object]", applies.get("levels") or []))
        begin.name = f"{applies.get('kind')} {levels}"
        begin.attributes = plain("ch:kind", str(applies.get("kind"))) + plain("ch:levels", levels)
        begin.inner = '<bpmn:messageEventDefinition id="Start_1_message"/>'
    nodes = [begin]
    joins: dict[tuple[str, ...], str] = {}
    followed: set[str] = set()
    for step in steps:
        after = _waits_for({"after": step.get("after")})
        followed.update(after)
        before = "Start_1"
        if isinstance(step.get("during"), Mapping):
            before = _boundary(step, nodes)
        elif len(after) == 1:
            before = _element(after[0])
        elif after:
            if tuple(after) not in joins:
                join = _Node(f"Join_{len(joins) + 1}", "parallelGateway", "gateway", "")
                join.incoming = [(_element(one), "") for one in after]
                joins[tuple(after)] = join.id
                nodes.append(join)
            before = joins[tuple(after)]
        extra = {} if ordered else {"order": places[str(step["id"])]}
        nodes += _step(step, before, units, extra)
    finish = _Node("End_1", "endEvent", "event", "")
    finish.incoming = [(_element(str(step["id"])), "") for step in steps if step["id"] not in followed]
    nodes.append(finish)
    return nodes


def _boundary(step: Mapping[str, object], nodes: list[_Node]) -> str:
    during = cast("Mapping[str, object]", step["during"])
    watched = _waits_for({"during": during})
    node = _Node(f"Timer_{step['id']}", "boundaryEvent", "event", _shown(str(during["after"])), on=_element(watched[0]))
    node.attributes = plain("attachedToRef", node.on or "") + plain("ch:explicit", "true")
    if not during.get("interrupt"):
        node.attributes += plain("cancelActivity", "false")
    if len(watched) > 1:
        node.attributes += plain("ch:watch", " ".join(watched))
    node.inner = _timer(node.id, str(during["after"]))
    nodes.append(node)
    return node.id


def _step(step: Mapping[str, object], before: str, units: list[str], extra: Mapping[str, int]) -> list[_Node]:
    id, does = str(step["id"]), _does(step)
    element = _element(id)
    title = cast("Mapping[str, str]", step.get("title") or {"zh-CN": id, "en": id})
    lane = units.index(str(step["unit"])) if does == "task" and step.get("unit") in units else -1
    delay, made = step.get("delay"), []
    origin = plain("ch:from", "start") if step.get("from") == "start" and step.get("after") else ""
    kept = {name: value for name, value in step.items() if name != "unit" and not _default(name, value)}
    kept.pop("from", None)
    own = plain("ch:order", str(extra["order"])) if extra else ""
    if element != id or does == "wait":
        own += plain("ch:step", id)
    node = _Node(element, _TAGS.get(does, "intermediateCatchEvent"), "activity", title["zh-CN"], lane)
    node.attributes = plain("ch:en", title["en"]) + own + properties.attributes(kept)
    node.extensions = list(properties.elements(kept))
    if does == "wait":
        node.shape, node.inner = "event", _timer(element, str(delay or "PT0S"))
        node.attributes += origin
    elif delay not in _NOTHING and does != "call":
        timer = _Node(f"Delay_{id}", "intermediateCatchEvent", "event", _shown(str(delay)), lane, origin)
        timer.inner, timer.incoming = _timer(timer.id, str(delay)), [(before, "")]
        before = timer.id
        made.append(timer)
    else:
        node.attributes += origin
        if delay not in _NOTHING:
            node.attributes += plain("ch:delay", str(delay))
    if does == "call":
        call = cast("Mapping[str, object]", step["call"])
        node.attributes += plain("calledElement", str(call.get("plan") or ""))
        if call.get("version") is not None:
            node.attributes += plain("ch:version", str(call["version"]))
    each = step.get("each")
    if isinstance(each, Mapping):
        listed = plain("ch:as", str(each["as"])) + plain("ch:in", properties.spelled(each["in"]))
        if does == "wait":  # an event, which has no such marker
            node.extensions.append(properties.kept("each", each))
        else:
            node.inner += f"<bpmn:multiInstanceLoopCharacteristics{listed}/>"
    node.incoming = [(before, str(step.get("when") or ""))]
    return [*made, node]


def _default(name: str, value: object) -> bool:
    return (name, value) in (("loop_guard", limits.REWORK_ROUNDS), ("clock", "elapsed"), ("verify_by", "coordinator"))


def _timer(id: str, after: str) -> str:
    return (
        f'<bpmn:timerEventDefinition id="{id}_timer"><bpmn:timeDuration xsi:type="bpmn:tFormalExpression">'
        f"{escape(after)}</bpmn:timeDuration></bpmn:timerEventDefinition>"
    )


def _shown(after: str) -> str:
    """A duration as people read it on a clock: 2 h 30 min."""
    words = {"W": " w ", "D": " d ", "H": " h ", "M": " min ", "S": " s "}
    return "".join(words.get(sign, sign) for sign in after.removeprefix("P").replace("T", "")).strip()


def _into_lanes(nodes: list[_Node], lanes: int) -> None:
    """What is nobody's stands in the lane of what it leads to, or of what leads to it."""
    by_id = {node.id: node for node in nodes}
    for node in reversed(nodes):
        for before, _ in node.incoming:
            if by_id[before].lane < 0 and node.lane >= 0:
                by_id[before].lane = node.lane
    for node in nodes:
        if node.on is not None:
            node.lane = by_id[node.on].lane
        if node.lane < 0:
            node.lane = next((by_id[before].lane for before, _ in node.incoming if by_id[before].lane >= 0), 0)


# ── XML ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _written(body: Mapping[str, object], nodes: list[_Node], units: list[str], unit_titles: Mapping[str, Text]) -> str:
    name = str(body.get("plan") or "plan")
    process, flows = f"Process_{name}", _flows(nodes)
    title = cast("Mapping[str, str]", body.get("title") or {"zh-CN": name, "en": name})
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<bpmn:definitions xmlns:bpmn="{BPMN}" xmlns:bpmndi="{DI}" xmlns:dc="{DC}" xmlns:di="{DD}" '
        f'xmlns:xsi="{XSI}" xmlns:ch="{CH}" id="Definitions_{escape(name)}" targetNamespace="{CH}">',
    ]
    if units:
        lines.append('<bpmn:collaboration id="Collaboration_1">')
        lines.append(f'<bpmn:participant id="Pool_1"{plain("name", title["zh-CN"])}{plain("processRef", process)}/>')
        lines.append("</bpmn:collaboration>")
    lines.append(
        f'<bpmn:process{plain("id", process)}{plain("name", title["zh-CN"])} isExecutable="false"{_head(body)}>'
    )
    extensions = list(properties.plan_elements(body))
    if extensions:
        lines.append(f"<bpmn:extensionElements>{''.join(extensions)}</bpmn:extensionElements>")
    if units:
        lines += _lanes(nodes, units, unit_titles)
    leaving: dict[str, list[str]] = {}
    arriving: dict[str, list[str]] = {}
    for id, source, target, _ in flows:
        leaving.setdefault(source, []).append(id)
        arriving.setdefault(target, []).append(id)
    for node in nodes:
        lines.append(_node(node, arriving.get(node.id, ()), leaving.get(node.id, ())))
    for id, source, target, label in flows:
        named = plain("name", label) if label else ""
        lines.append(f'<bpmn:sequenceFlow id="{id}"{named} sourceRef="{source}" targetRef="{target}"/>')
    lines += ["</bpmn:process>", *_picture(nodes, flows, units, process), "</bpmn:definitions>", ""]
    return "\n".join(lines)


def _head(body: Mapping[str, object]) -> str:
    title = cast("Mapping[str, str]", body.get("title") or {})
    written = plain("ch:plan", str(body.get("plan") or "plan"))
    if title.get("en"):
        written += plain("ch:en", title["en"])
    for field_, attribute in (("version", "version"), ("valid_from", "validFrom"), ("valid_until", "validUntil")):
        if body.get(field_) is not None:
            written += plain(f"ch:{attribute}", str(body[field_]))
    source = body.get("source")
    if isinstance(source, Mapping):
        written += plain("ch:sourceZh", str(source.get("zh-CN"))) + plain("ch:sourceEn", str(source.get("en")))
    return written if body.get("drawn") else written + plain("ch:drawn", "false")


def _lanes(nodes: list[_Node], units: list[str], unit_titles: Mapping[str, Text]) -> Iterable[str]:
    yield '<bpmn:laneSet id="Lanes_1">'
    for number, unit in enumerate(units):
        shown = unit_titles.get(unit, {}).get("zh-CN", unit)
        yield f'<bpmn:lane id="Lane_{number + 1}"{plain("name", shown)}{plain("ch:unit", unit)}>'
        yield from (f"<bpmn:flowNodeRef>{node.id}</bpmn:flowNodeRef>" for node in nodes if node.lane == number)
        yield "</bpmn:lane>"
    yield "</bpmn:laneSet>"


def _flows(nodes: list[_Node]) -> list[tuple[str, str, str, str]]:
    found: list[tuple[str, str, str, str]] = []
    for node in nodes:
        for source, label in node.incoming:
            found.append((f"Flow_{len(found) + 1}", source, node.id, label))
    return found


def _node(node: _Node, arriving: Iterable[str], leaving: Iterable[str]) -> str:
    named = plain("name", node.name) if node.name else ""
    inner = "".join(f"<bpmn:incoming>{id}</bpmn:incoming>" for id in arriving)
    inner += "".join(f"<bpmn:outgoing>{id}</bpmn:outgoing>" for id in leaving)
    if node.extensions:
        inner = f"<bpmn:extensionElements>{''.join(node.extensions)}</bpmn:extensionElements>" + inner
    return f'<bpmn:{node.tag} id="{node.id}"{named}{node.attributes}>{inner}{node.inner}</bpmn:{node.tag}>'


def _picture(
    nodes: list[_Node], flows: list[tuple[str, str, str, str]], units: list[str], process: str
) -> Iterable[str]:
    places = [
        Place(
            node.id,
            node.shape,
            node.lane,
            [source for source, _ in node.incoming],
            any(label for _, label in node.incoming),
            node.on,
        )
        for node in nodes
    ]
    picture = lay_out(places, len(units))
    plane = "Collaboration_1" if units else process
    yield f'<bpmndi:BPMNDiagram id="Diagram_1"><bpmndi:BPMNPlane id="Plane_1" bpmnElement="{escape(plane)}">'
    if units:
        yield _shape("Pool_1", picture.pool, ' isHorizontal="true"')
        for number, box in enumerate(picture.lanes):
            yield _shape(f"Lane_{number + 1}", box, ' isHorizontal="true"')
    for node in nodes:
        box = picture.boxes[node.id]
        label = Box(box.x - 30, box.y + box.height + 4, box.width + 60, 27)
        yield _shape(node.id, box, "", label if node.name and node.shape != "activity" else None)
    for id, source, target, words in flows:
        points = picture.lines[source, target]
        marks = "".join(f'<di:waypoint x="{x:g}" y="{y:g}"/>' for x, y in points)
        if words:
            at = picture.boxes[target]
            marks += f"<bpmndi:BPMNLabel>{_bounds(Box(at.x - 140, at.middle - 34, 120, 30))}</bpmndi:BPMNLabel>"
        yield f'<bpmndi:BPMNEdge id="{id}_di" bpmnElement="{id}">{marks}</bpmndi:BPMNEdge>'
    yield "</bpmndi:BPMNPlane></bpmndi:BPMNDiagram>"


def _shape(id: str, box: Box, more: str, label: Box | None = None) -> str:
    inner = _bounds(box) + (f"<bpmndi:BPMNLabel>{_bounds(label)}</bpmndi:BPMNLabel>" if label else "")
    return f'<bpmndi:BPMNShape id="{id}_di" bpmnElement="{id}"{more}>{inner}</bpmndi:BPMNShape>'


def _bounds(box: Box) -> str:
    return f'<dc:Bounds x="{box.x:g}" y="{box.y:g}" width="{box.width:g}" height="{box.height:g}"/>'

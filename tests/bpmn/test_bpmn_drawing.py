"""Any plan can be drawn; compiled again it is the same plan, and the picture can be read."""

from __future__ import annotations

from collections import Counter
from itertools import combinations, pairwise
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cityheart import apps
from cityheart.command.bpmn import compile_bpmn, draw
from cityheart.command.bpmn.document import BPMN, DC, DD, DI, Element, read
from cityheart.command.models import Plan
from cityheart.command.plan import Table, compile
from cityheart.kernel.errors import Invalid
from cityheart.kernel.text import text

from ..command.scene import full_plans, plan, plans, step
from .scene import UNITS

AIR = sorted((Path(apps.__file__).parent / "air" / "plans").glob("*.yaml"))
TABLE = Table("d" * 64, ("Level",), ("where", "urgent"))


def everything() -> Plan:
    """A plan that uses all of the language."""
    called = compile(plan(step("open"), step("shut", after=["open"]), plan="evacuate"))
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    steps = [
        step("1st", escalate=[{"at": "due", "to": "mayor"}, {"at": "PT90M", "to": "ecology"}], clock="working"),
        step("form", after=["1st"], evidence=[{"kind": "form", "min": 1, "schema": schema}, {"kind": "place", "min": 1}],
             sets={"found": "n"}, clauses=["law.1", "law.2"], verify_by="ecology", loop_guard=2),
        {"id": "tell", "title": text("通知<所有>人 & \"我们\"", "Tell <all> & \"us\""), "does": "message", "topic": "sms",
         "payload": {"level": "$level", "n": 5, "s": "5", "yes": True, "list": [1, "a"], "empty": ""}, "after": ["form"]},
        {"id": "pick", "title": text("定", "Pick"), "does": "decide", "table": "triage.fire", "inputs": {"Level": "$level"},
         "after": ["form", "1st"]},
        step("there", unit="$where", after=["pick"], when="urgent and found <= 2"),
        {"id": "pause", "title": text("等", "Wait"), "does": "wait", "after": ["there"], "delay": "PT2H"},
        step("all", unit="$d", each={"as": "d", "in": ["ecology", {"id": "health", "title": text("卫", "Health")}]},
             after=["pause"], delay="PT5M", **{"from": "start"}),
        step("some", each={"as": "d", "in": "districts"}, after=["pause"]),
        step("nudge", during={"step": "form", "after": "PT1H"}),
        step("take-over", during={"step": "form", "after": "PT3H", "interrupt": True}, when="level <= 2"),
        step("instead", after=["form"], when="interrupted_form"),
        {"id": "away", "title": text("撤", "Away"), "call": {"plan": "evacuate"}, "after": ["all"], "delay": "PT10M"},
        step("watch", during={"step": ["away-open", "away-shut"], "after": "PT6H"}),
    ]  # fmt: skip
    body = plan(*steps, parameters={"districts": ["north", "south"], "ratio": 0.5, "word": "true"}, version="7.1",
                source=text("预案", "Rules"), valid_from="2026-01-01", **{"for": {"kind": "fire", "levels": [1, 2]}})  # fmt: skip
    return compile(body, tables=lambda name, digest: TABLE, plans=lambda name, version: called)


def again(drawn: Plan) -> Plan:
    return compile(dict(compile_bpmn(draw(drawn, UNITS)).plan))


@given(st.one_of(plans(), full_plans()))
@settings(max_examples=60, deadline=None)
def test_a_plan_that_is_drawn_is_the_same_plan(written: Plan) -> None:
    assert again(written).digest == written.digest


def test_a_plan_with_everything_is_the_same_plan() -> None:
    written = everything()
    assert again(written).canonical == written.canonical
    mapping = plan(
        step("a"), {"id": "more", "title": text("甲", "A"), "call": {"plan": "x", "version": "2"}, "after": ["a"]}
    )
    steps = cast("list[dict[str, object]]", compile_bpmn(draw(mapping)).plan["steps"])
    assert steps[1]["call"] == {"plan": "x", "version": "2"}, "a plan that is not compiled yet can be drawn too"


def test_steps_keep_their_order_even_where_a_later_one_comes_first() -> None:
    written = compile(plan(step("c", after=["a", "b"]), step("b"), step("a", after=["b"])))
    assert [one.id for one in again(written).steps] == ["c", "b", "a"]
    assert again(written).digest == written.digest


@pytest.mark.parametrize("path", AIR, ids=lambda path: path.stem)
def test_the_plans_of_the_air_application(path: Path) -> None:
    written = compile(path.read_text("utf-8"))
    assert again(written).digest == written.digest
    _readable(draw(written, UNITS))


def test_the_picture_of_everything_can_be_read() -> None:
    _readable(draw(everything(), UNITS))


@given(full_plans())
@settings(max_examples=30, deadline=None)
def test_every_picture_can_be_read(written: Plan) -> None:
    _readable(draw(written, UNITS))


def test_sixty_two_departments_at_once() -> None:
    steps = [step(f"s{n}", f"unit-{n}") for n in range(62)]
    steps.append(step("end", "unit-0", after=[f"s{n}" for n in range(62)]))
    written = compile(plan(*steps))
    assert again(written).digest == written.digest
    _readable(draw(written))


def test_what_has_no_steps_is_not_drawn() -> None:
    with pytest.raises(Invalid):
        draw({"plan": "x", "steps": []})


def test_drawn_again_it_has_the_same_elements() -> None:
    first = draw(everything(), UNITS)
    second = draw(again(everything()), UNITS)
    assert _counts(read(first)) == _counts(read(second))
    assert first == second


def _counts(root: Element) -> Counter[tuple[str, str]]:
    return Counter((element.space, element.name) for element in root.walk())


def _bounds(shape: Element) -> tuple[float, float, float, float]:
    [bounds] = [child for child in shape.children if child.space == DC]
    x, y, width, height = (float(bounds.attributes[name]) for name in ("x", "y", "width", "height"))
    return x, y, x + width, y + height


def _inside(inner: tuple[float, ...], outer: tuple[float, ...]) -> bool:
    return inner[0] >= outer[0] and inner[1] >= outer[1] and inner[2] <= outer[2] and inner[3] <= outer[3]


def _apart(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]


def _readable(xml: bytes) -> None:
    """Every node and flow is in the picture, ids are unique, nothing lies on anything, lines begin and end at boxes."""
    root = read(xml)
    ids = Counter(element.id for element in root.walk() if element.id)
    assert max(ids.values()) == 1
    [process] = root.bpmn("process")
    shapes = {e.attributes["bpmnElement"]: _bounds(e) for e in root.walk() if (e.space, e.name) == (DI, "BPMNShape")}
    edges = {e.attributes["bpmnElement"]: e for e in root.walk() if (e.space, e.name) == (DI, "BPMNEdge")}
    nodes = [e for e in process.children if e.space == BPMN and (e.bpmn("incoming") or e.bpmn("outgoing"))]
    assert {node.id for node in nodes} <= shapes.keys()
    flows = process.bpmn("sequenceFlow")
    assert {flow.id for flow in flows} == edges.keys()
    standing = [str(node.id) for node in nodes if node.name != "boundaryEvent"]
    for one, other in combinations(standing, 2):
        assert _apart(shapes[one], shapes[other]), f"{one} lies on {other}"
    for lane in (lane for set_ in process.bpmn("laneSet") for lane in set_.bpmn("lane")):
        for reference in lane.bpmn("flowNodeRef"):
            if reference.text in standing:
                assert _inside(shapes[reference.text], shapes[str(lane.id)]), f"{reference.text} is outside its lane"
    for flow in flows:
        marks = [p for p in edges[str(flow.id)].children if p.space == DD]
        points = [(float(p.attributes["x"]), float(p.attributes["y"])) for p in marks]
        for (x, y), end in ((points[0], flow.attributes["sourceRef"]), (points[-1], flow.attributes["targetRef"])):
            box = shapes[end]
            assert box[0] <= x <= box[2] and box[1] <= y <= box[3], f"{flow.id} does not touch {end}"
        for (x1, y1), (x2, y2) in pairwise(points):
            assert x1 == x2 or y1 == y2, "only right angles"
            for id in standing:
                if id not in (flow.attributes["sourceRef"], flow.attributes["targetRef"]):
                    segment = min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)
                    assert _apart(segment, shapes[id]), f"{flow.id} runs through {id}"

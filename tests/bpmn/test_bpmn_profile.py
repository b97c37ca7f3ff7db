"""Drawings of the profile become the plan they show; whatever else is refused at its element, all of it at once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cityheart.command.bpmn import Refused, compile_bpmn, draw
from cityheart.command.plan import compile
from cityheart.kernel import limits
from cityheart.kernel.errors import Invalid, Problem, TooLarge
from cityheart.kernel.text import text

from .scene import HEAD, UNITS, Pen, extensions, timer

Steps = dict[str, Mapping[str, object]]


def drawn(pen: Pen) -> Steps:
    """The steps of a drawing that is right, by id; the language takes the plan too."""
    plan = compile_bpmn(pen.xml(), units=UNITS).plan
    steps = cast("list[Mapping[str, object]]", plan["steps"])
    if not any("call" in step or step.get("does") == "decide" for step in steps):
        compile(dict(plan), UNITS)
    return {str(step["id"]): step for step in steps}


def refused(xml: bytes | str) -> dict[str | None, str]:
    """What is wrong with a drawing, by element (the first problem of each)."""
    with pytest.raises(Refused) as caught:
        compile_bpmn(xml, units=UNITS)
    found: dict[str | None, str] = {}
    for problem in caught.value.problems:
        assert set(problem.detail) == set(problem.remedy) == {"zh-CN", "en"}
        assert all(problem.detail.values()) and all(problem.remedy.values())
        if problem.severity == "error":
            found.setdefault(problem.element, problem.detail["en"])
    assert found
    return found


# ── what becomes what ──────────────────────────────────────────────────────────────────────────────────────────


def test_a_line_of_tasks_in_lanes() -> None:
    pen = Pen().start().task("warn", "emergency-office").task("stop").end().flow("begin", "warn", "stop", "end")
    steps = drawn(pen)
    assert list(steps) == ["warn", "stop"]
    assert steps["stop"] == {
        "id": "stop", "title": text("stop步", "stop"), "unit": "industry", "after": ["warn"],
        "accept_within": "PT30M", "due": "PT4H",
    }  # fmt: skip
    assert "after" not in steps["warn"] and steps["warn"]["unit"] == "emergency-office"


def test_the_head_of_a_plan() -> None:
    pen = Pen(**{"ch:kind": "fire", "ch:levels": "1, 2", "ch:validFrom": "2026-01-01", "ch:sourceZh": "预案第三条"})
    pen.inner = extensions(
        '<ch:parameter name="schools" value="true"/>', '<ch:parameter name="districts" value=\'["a","b"]\'/>',
        '<ch:parameter name="gas" value="Cl2" titleZh="气体" titleEn="Gas"/>',
    )  # fmt: skip
    pen.start().task("a").flow("begin", "a")
    plan = compile(dict(compile_bpmn(pen.xml(), units=UNITS).plan), UNITS)
    assert (plan.name, plan.version, plan.title, plan.drawn) == ("trial", "1", text("演练", "Trial"), True)
    assert (plan.kind, plan.levels, str(plan.valid_from)) == ("fire", (1, 2), "2026-01-01")
    assert plan.source == text("预案第三条", "预案第三条")
    assert plan.parameters == {"schools": True, "districts": ["a", "b"], "gas": "Cl2"}
    assert plan.titles == {"gas": text("气体", "Gas")}
    drawn = compile(dict(compile_bpmn(draw(plan), units=UNITS).plan), UNITS)
    assert (drawn.parameters, drawn.titles) == (plan.parameters, plan.titles)


def test_step_properties_travel_as_extensions() -> None:
    schema = {"type": "object", "properties": {"closed": {"type": "integer"}}, "required": ["closed"]}
    inner = extensions(
        '<ch:escalate at="due" to="mayor"/>', '<ch:escalate at="PT1H" to="ecology"/>',
        '<ch:evidence kind="photo" min="2"/>', f'<ch:evidence kind="form">{json.dumps(schema)}</ch:evidence>',
        '<ch:sets variable="closed" field="closed"/>',
    )  # fmt: skip
    more = {"ch__verifyBy": "ecology", "ch__loopGuard": "2", "ch__clauses": "law.3 law.4", "ch__clock": "working"}
    step = drawn(Pen().start().task("a", inner=inner, **more).flow("begin", "a"))["a"]
    assert step["escalate"] == [{"at": "due", "to": "mayor"}, {"at": "PT1H", "to": "ecology"}]
    assert step["evidence"] == [{"kind": "photo", "min": 2}, {"kind": "form", "schema": schema}]
    assert (step["verify_by"], step["loop_guard"], step["clock"]) == ("ecology", 2, "working")
    assert (step["clauses"], step["sets"]) == (["law.3", "law.4"], {"closed": "closed"})


def test_an_exclusive_branch_with_a_default() -> None:
    pen = Pen().start().task("a").gateway("exclusive", "which", default="which-c").task("b").task("c").task("d")
    pen.gateway("exclusive", "again").flow("begin", "a", "which").flow("which", "b", "again", when="level <= 2")
    steps = drawn(pen.flow("which", "c", "again", "d"))
    assert (steps["b"]["when"], steps["c"]["when"]) == ("level <= 2", "not (level <= 2)")
    assert steps["d"]["after"] == ["b", "c"] and "when" not in steps["d"]


def test_of_several_conditions_the_first_that_holds_counts() -> None:
    pen = Pen().start().gateway("exclusive", "which", default="which-d").flow("begin", "which")
    for id, when in (("a", "level == 1"), ("b", "kind == 'fire'"), ("c", "level == 2")):
        pen.task(id).flow("which", id, when=when)
    steps = drawn(pen.task("d").flow("which", "d"))
    assert steps["b"]["when"] == "kind == 'fire' and not (level == 1)"
    # level == 1 and level == 2 never hold together, so that one need not be denied
    assert steps["c"]["when"] == "level == 2 and not (kind == 'fire')"
    assert steps["d"]["when"] == "not (level == 1 or kind == 'fire' or level == 2)"


def test_conditions_that_leave_nothing_out_need_no_default() -> None:
    pen = Pen().start().gateway("exclusive", "which").task("a").task("b").flow("begin", "which")
    steps = drawn(pen.flow("which", "a", when="level <= 2").flow("which", "b", when="level > 2"))
    assert (steps["a"]["when"], steps["b"]["when"]) == ("level <= 2", "level > 2")


def test_inclusive_branches_are_joined_by_all_that_began() -> None:
    pen = Pen().start().task("a").gateway("inclusive", "split").gateway("inclusive", "join").task("d")
    pen.flow("begin", "a", "split").flow("join", "d")
    for id, when in (("b", "level <= 2"), ("c", "kind == 'fire'")):
        pen.task(id).flow("split", id, "join", when=when)
    drawing = compile_bpmn(pen.xml(), units=UNITS)
    steps = {step["id"]: step for step in cast("list[dict[str, object]]", drawing.plan["steps"])}
    assert (steps["b"]["when"], steps["c"]["when"]) == ("level <= 2", "kind == 'fire'")
    assert steps["d"]["after"] == ["b", "c", "a"], "where no branch is taken, what came before is waited for"
    assert [(p.element, p.severity) for p in drawing.problems] == [("split", "warning")]


def test_a_timer_before_a_task_is_its_delay_and_elsewhere_a_wait() -> None:
    pen = Pen().start().timer("later", "PT1H").task("a").timer("pause", "PT2H", name="缓冲", ch__en="Pause")
    pen.gateway("parallel", "split").task("b").task("c")
    steps = drawn(pen.flow("begin", "later", "a", "pause", "split").flow("split", "b").flow("split", "c"))
    assert steps["a"]["delay"] == "PT1H"
    assert steps["pause"] == {
        "id": "pause", "title": text("缓冲", "Pause"), "does": "wait", "after": ["a"], "delay": "PT2H",
    }  # fmt: skip
    assert steps["b"]["after"] == steps["c"]["after"] == ["pause"]


def test_boundary_timers() -> None:
    pen = Pen().start().task("a").boundary("remind", "a", "PT1H", cancelActivity="false").boundary("stop", "a", "PT3H")
    pen.task("nudge").task("instead").task("clear").task("after")
    pen.flow("begin", "a", "after").flow("remind", "nudge").flow("stop", "instead", "clear")
    steps = drawn(pen)
    assert steps["nudge"]["during"] == {"step": "a", "after": "PT1H"}
    assert steps["instead"]["during"] == {"step": "a", "after": "PT3H", "interrupt": True}
    assert "after" not in steps["instead"] and "when" not in steps["instead"]
    assert (steps["clear"]["after"], steps["clear"]["when"]) == (["instead"], "interrupted_a")
    assert (steps["after"]["after"], steps["after"]["when"]) == (["a"], "not interrupted_a")


def test_an_interruption_that_leads_to_a_gateway_has_a_step_of_its_own() -> None:
    pen = Pen().start().task("a").boundary("stop", "a", "PT3H", name="超时").gateway("exclusive", "on").task("b")
    steps = drawn(pen.flow("begin", "a", "on", "b").flow("stop", "on"))
    assert steps["stop"]["does"] == "wait"
    assert steps["stop"]["during"] == {"step": "a", "after": "PT3H", "interrupt": True}
    assert steps["b"]["after"] == ["a", "stop"] and "when" not in steps["b"]


def test_automatic_steps_calls_and_lists() -> None:
    pen = Pen().start().task("each", inner='<bpmn:multiInstanceLoopCharacteristics ch:as="d" ch:in="districts"/>')
    pen.inner = extensions('<ch:parameter name="districts" value=\'["ecology", "health"]\'/>')
    pen.put(
        "serviceTask", "tell", extensions('<ch:payload name="level" value="$level"/>'), name="通知", ch__topic="sms"
    )
    pen.put("sendTask", "tell-too", name="再通知", ch__topic="sms")
    pen.put(
        "businessRuleTask", "pick", extensions('<ch:input name="Level" value="$level"/>'), name="定", ch__table="t.x"
    )
    pen.put("callActivity", "more", name="疏散", calledElement="evacuate", ch__version="2")
    steps = drawn(pen.flow("begin", "each", "tell", "tell-too", "pick", "more"))
    assert steps["each"]["each"] == {"as": "d", "in": "districts"}
    assert (steps["tell"]["does"], steps["tell"]["topic"], steps["tell"]["payload"]) == (
        "message",
        "sms",
        {"level": "$level"},
    )
    assert steps["tell-too"]["does"] == "message"
    assert (steps["pick"]["does"], steps["pick"]["table"], steps["pick"]["inputs"]) == (
        "decide",
        "t.x",
        {"Level": "$level"},
    )
    assert steps["more"]["call"] == {"plan": "evacuate", "version": "2"} and steps["more"]["after"] == ["pick"]


def test_annotations_documentation_and_groups_say_nothing() -> None:
    pen = Pen().start().task("a", inner="<bpmn:documentation>why</bpmn:documentation>").flow("begin", "a")
    pen.put("textAnnotation", "note", "<bpmn:text>look</bpmn:text>").put("group", "frame")
    pen.put("association", "line", sourceRef="a", targetRef="note")
    assert list(drawn(pen)) == ["a"]


def test_lanes_are_known_by_code_title_or_attribute() -> None:
    pen = Pen().start().task("a", "ecology").task("b", "x").task("c", "y").flow("begin", "a", "b", "c")
    pen.lanes["x"][0].update({"name": "health局"})
    pen.lanes["y"][0].update({"name": "运输", "ch:unit": "transport"})
    assert [step["unit"] for step in drawn(pen).values()] == ["ecology", "health", "transport"]


def test_ids_that_are_no_names_are_mapped_and_never_fall_together() -> None:
    ids = ["Task_1", "task-1", "TASK.1", "Task_1x", "任务", "_", "a" * 90, "a" * 91]
    pen = Pen().start().flow("begin", *ids)
    for id in ids:
        pen.task(id)
    drawing = compile_bpmn(pen.xml(), units=UNITS)
    names = {element: step for step, element in drawing.elements.items()}
    assert len(set(names.values())) == len(ids) and names["task-1"] == "task-1" and names["Task_1x"] == "task-1x"
    again = compile_bpmn(pen.xml(), units=UNITS)
    assert again.elements == drawing.elements
    compile(dict(drawing.plan), UNITS)


@given(st.lists(st.text("aA1_.-", min_size=1, max_size=4).map(lambda s: "x" + s), min_size=1, max_size=12, unique=True))
@settings(max_examples=40, deadline=None)
def test_whatever_the_ids_each_step_keeps_its_own(ids: list[str]) -> None:
    pen = Pen().put("startEvent", "Begin!").flow("Begin!", *ids)
    for id in ids:
        pen.task(id)
    drawing = compile_bpmn(pen.xml(), units=UNITS)
    assert sorted(drawing.elements.values()) == sorted(ids)


# ── what is refused ────────────────────────────────────────────────────────────────────────────────────────────


def outside(tag: str, inner: str = "") -> Pen:
    return Pen().start().task("a").flow("begin", "a").put(tag, "odd", inner, name="odd")


@pytest.mark.parametrize(
    "tag",
    ["task", "manualTask", "receiveTask", "subProcess", "transaction", "adHocSubProcess", "complexGateway",
     "eventBasedGateway", "intermediateThrowEvent", "dataObject", "dataObjectReference", "dataStoreReference", "globalTask"],
)  # fmt: skip
def test_what_the_profile_lacks_is_named_with_what_to_use_instead(tag: str) -> None:
    assert "not part of how plans are drawn" in refused(outside(tag).xml())["odd"]


def test_what_is_outside_the_profile_is_not_blamed_on_its_neighbours() -> None:
    pen = Pen().start().put("task", "odd", name="odd").task("a").flow("begin", "odd", "a")
    assert set(refused(pen.xml())) == {"odd"}


def test_scripts_are_refused_wherever_they_are() -> None:
    pen = Pen().start().put("scriptTask", "run", "<bpmn:script>rm()</bpmn:script>")
    pen.task("a", inner=extensions('<x:listener xmlns:x="urn:x"><x:script>1</x:script></x:listener>'))
    pen.gateway("exclusive", "g", default="g-b").task("b").task("c").flow("begin", "run", "a", "g", "b").flow(
        "g", "c", when="level == 1"
    )
    xml = pen.xml().decode().replace('"bpmn:tFormalExpression">', '"bpmn:tFormalExpression" language="groovy">')
    found = refused(xml)
    assert {"run", "a", "g-c"} <= found.keys()
    assert "groovy" in found["g-c"]


def test_every_problem_is_told_at_once() -> None:
    pen = Pen(**{"ch:version": ""}).start().start("second").task("lost").task("nowhere", None)
    pen.task("slow", ch__due="soon").task("early", ch__due="PT10M").task("foreign", "navy")
    pen.task("blank", name="", ch__en="").task("bad", ch__verifyBy="navy")
    pen.gateway("exclusive", "g").put("endEvent", "boom", "<bpmn:terminateEventDefinition/>")
    pen.flow("begin", "slow", "early", "foreign", "nowhere", "blank", "bad", "g").flow("second", "slow")
    pen.flow("g", "boom", when="level <").put("sequenceFlow", "loose", sourceRef="bad", targetRef="gone")
    pen.put("task", "plain").parts[3] = pen.parts[3].replace("ch:due", "ch:nothing")
    found = refused(pen.xml())
    assert {
        "trial", "second", "lost", "nowhere", "slow", "early", "Lane_navy", "blank", "bad", "g-boom", "boom", "loose",
        "plain",
    } <= found.keys()  # fmt: skip
    assert found["early"] == "due is not after accept_within"
    assert "is no department" in found["Lane_navy"]


def test_a_plain_file_without_extensions_misses_what_only_we_ask() -> None:
    pen = Pen(**{"ch:version": "", "ch:en": ""}).start().put("userTask", "a", name="查").flow("begin", "a")
    with pytest.raises(Refused) as caught:
        compile_bpmn(pen.xml(), units=UNITS)
    asked = {(p.element, p.field) for p in caught.value.problems if p.severity == "error"}
    assert asked == {("trial", "version"), ("a", "unit"), ("a", "accept_within"), ("a", "due")}
    assert caught.value.extra["problems"] == [problem.json() for problem in caught.value.problems]


def test_a_circle_names_the_flow_that_leads_back() -> None:
    pen = Pen().start().gateway("exclusive", "in").task("a").gateway("exclusive", "ok", default="ok-end").end()
    found = refused(pen.flow("begin", "in", "a", "ok", "end").flow("ok", "in", when="level == 1").xml())
    assert "circle" in found["ok-in"]


def test_a_join_that_may_wait_for_ever() -> None:
    pen = (
        Pen().start().gateway("exclusive", "x", default="x-b").task("a").task("b").gateway("parallel", "join").task("c")
    )
    pen.flow("begin", "x").flow("x", "a", "join", when="level == 1").flow("x", "b", "join", "c")
    assert "may wait for ever" in refused(pen.xml())["join"]


@pytest.mark.parametrize("kind", ["exclusive", None])
def test_a_join_that_would_go_on_twice(kind: str | None) -> None:
    pen = Pen().start().gateway("parallel", "x").task("a").task("b").task("c").flow("begin", "x")
    joining = "join" if kind else "c"
    if kind:
        pen.gateway(kind, "join").flow("join", "c")
    found = refused(pen.flow("x", "a", joining).flow("x", "b", joining).xml())
    assert "begin twice" in found[joining]


def test_gateways_say_what_they_lack() -> None:
    pen = Pen().start().gateway("exclusive", "g").task("a").task("b").flow("begin", "g").flow("g", "a")
    found = refused(pen.flow("g", "b", when="level == 1").xml())
    assert "without a condition" in found["g-a"]
    pen = Pen().start().gateway("exclusive", "g").task("a").task("b").flow("begin", "g")
    found = refused(pen.flow("g", "a", when="level == 2").flow("g", "b", when="level == 1").xml())
    assert "no default flow" in found["g"]
    pen = Pen().start().task("a").task("b").flow("begin", "a").flow("a", "b", when="level == 1")
    assert "no deciding gateway" in refused(pen.xml())["a-b"]
    pen = Pen().start().gateway("exclusive", "g", default="g-b").task("a").task("b").flow("begin", "g")
    assert (
        "has a condition"
        in refused(pen.flow("g", "a", when="level == 1").flow("g", "b", when="level == 2").xml())["g-b"]
    )


def test_a_gateway_asks_only_for_what_is_settled_before_it() -> None:
    sets = extensions('<ch:evidence kind="form"/>', '<ch:sets variable="found" field="found"/>')
    pen = Pen().start().gateway("exclusive", "g", default="g-b").task("a", inner=sets).task("b").flow("begin", "g")
    assert "step a sets" in refused(pen.flow("g", "a", when="found == 1").flow("g", "b").xml())["g"]


def test_steps_behind_a_timer_that_does_not_interrupt() -> None:
    pen = Pen().start().task("a").boundary("t", "a", "PT1H", cancelActivity="false").task("b").task("c")
    assert "a further one" in refused(pen.flow("begin", "a").flow("t", "b", "c").xml())["c"]
    pen = Pen().start().task("a").boundary("t", "begin", "PT1H").task("b").flow("begin", "a").flow("t", "b")
    assert "does not sit on" in refused(pen.xml())["t"]
    pen = Pen().start().task("a").boundary("t", "a", "PT1H").boundary("u", "a", "PT2H").task("b").task("c")
    assert "interrupting timer already" in refused(pen.flow("begin", "a").flow("t", "b").flow("u", "c").xml())["u"]


@pytest.mark.parametrize(
    "inner",
    ["", "<bpmn:timerEventDefinition/>", timer("P1M"), timer("soon"), timer("PT1H").replace("Duration", "Date"),
     "<bpmn:messageEventDefinition/>"],
)  # fmt: skip
def test_timers_are_durations(inner: str) -> None:
    pen = Pen().start().put("intermediateCatchEvent", "t", inner).task("a").task("b").flow("begin", "t", "a", "b")
    assert "t" in refused(pen.xml())


def test_pools_processes_and_messages_between_them() -> None:
    own = Pen().start().task("a").flow("begin", "a").xml().decode()
    more = (
        '<bpmn:collaboration id="c"><bpmn:participant id="us" processRef="trial"/><bpmn:participant id="them"/>'
        '<bpmn:messageFlow id="mail" sourceRef="us" targetRef="them"/></bpmn:collaboration><bpmn:process id="other"/>'
    )
    found = refused(own.replace("</bpmn:definitions>", more + "</bpmn:definitions>"))
    assert set(found) == {"them", "mail", "other"}


def test_ten_thousand_steps_are_refused_quickly() -> None:
    pen = Pen().start()
    for number in range(3_000):
        pen.put("userTask", f"t{number}")
    assert refused(pen.xml()) == {"trial": "the plan has 3000 steps, more than 200"}
    many = HEAD + "<bpmn:process id='p'>" + "<bpmn:userTask id='a'/>" * limits.DRAWING_ELEMENTS
    assert "elements" in refused(many + "</bpmn:process></bpmn:definitions>")[None]


BILLION = (
    '<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    "<definitions>&b;</definitions>"
)
BROKEN: dict[str, bytes] = {
    "empty": b"",
    "spaces": b" \n\t ",
    "only a mark": b"\xef\xbb\xbf",
    "words": "预案".encode(),
    "billion laughs": BILLION.encode(),
    "outside": b'<!DOCTYPE d SYSTEM "file:///etc/passwd"><d/>',
    "cut off": Pen().start().task("a").xml()[:-30],
    "other root": b'<definitions xmlns="http://www.omg.org/spec/DMN/20180521/MODEL/"/>',
    "no namespace": b"<definitions/>",
    "no process": HEAD.encode() + b"</bpmn:definitions>",
    "deep": HEAD.encode() + b"<bpmn:process id='p'>" + b"<bpmn:x>" * 5_000,
    "wrong encoding": '<?xml version="1.0" encoding="UTF-8"?><a>预案</a>'.encode("gb18030"),
    "strange encoding": b'<?xml version="1.0" encoding="punycode"?><a/>',
    "unknown encoding": b'<?xml version="1.0" encoding="klingon"?><a/>',
    "not a character": HEAD.encode() + b"&#0;</bpmn:definitions>",
    "utf-16 cut": b"\xff\xfe<\x00a",
}


@pytest.mark.parametrize("xml", BROKEN.values(), ids=BROKEN.keys())
def test_what_is_no_drawing_is_refused(xml: bytes) -> None:
    assert refused(xml)


def test_a_file_that_is_too_large() -> None:
    with pytest.raises(TooLarge):
        compile_bpmn(b"<" + b"x" * limits.DRAWING_BYTES)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030", "GBK", "gb2312"])
def test_files_in_the_encodings_people_save_in(encoding: str) -> None:
    pen = Pen().start().task("a").flow("begin", "a")
    declared = f'<?xml version="1.0" encoding="{encoding.removesuffix("-sig")}"?>\n' + pen.xml().decode()
    plan = compile_bpmn(declared.encode(encoding), units=UNITS).plan
    assert plan["title"] == text("演练", "Trial")


WHOLE = (
    Pen().start().task("a").gateway("exclusive", "g", default="g-b").task("b").task("c").boundary("t", "a", "PT1H").task("d")
    .flow("begin", "a", "g", "b").flow("g", "c", when="level <= 2").flow("t", "d").xml()
)  # fmt: skip


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_a_damaged_file_is_refused_or_read_but_never_breaks_anything(data: st.DataObject) -> None:
    xml = bytearray(WHOLE)
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(xml) - 1))
        piece = data.draw(
            st.sampled_from([b"", b"<", b">", b'"', b"&", b"ch:", b"</bpmn:process>", b"a", b"\xff", b"-"])
        )
        xml[at : at + data.draw(st.integers(0, 12))] = piece
    try:
        drawing = compile_bpmn(bytes(xml), units=UNITS)
    except Problem as problem:
        assert problem.remedy
        return
    try:
        compile(dict(drawing.plan), UNITS)
    except Invalid as problem:
        assert problem.remedy

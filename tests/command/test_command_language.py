"""The plan language beyond plain tasks: what compiles to what, and every mistake refused where it is."""

from __future__ import annotations

import json
import time
import tracemalloc
from typing import Any

import pytest

from cityheart.command import expression, forms
from cityheart.command.effective import unroll
from cityheart.command.models import Plan
from cityheart.command.plan import compile
from cityheart.kernel import limits
from cityheart.kernel.errors import Invalid, TooLarge
from cityheart.kernel.text import text

from .scene import FORM, UNITS, plan, step, table

# digests of plans published before the language grew: the same text must keep them
OLD = {
    "767c4b3c676596624d3dc5a879a105573266c7f28a2556448f02857048e139e3": plan(
        step("a", evidence=[{"kind": "photo", "min": 2}], when="level <= 2"), step("b", after=["a"], delay="PT1H")
    ),
}


def auto(id: str, does: str, **more: object) -> dict[str, object]:
    """An automatic step."""
    return {"id": id, "title": text(id, id), "does": does, **more}


def asking(id: str, **more: object) -> dict[str, object]:
    """A task whose form leaves n in the run."""
    return step(id, evidence=[{"kind": "form", "schema": FORM}], sets={"n": "n"}, **more)


def test_plans_published_before_keep_their_digests() -> None:
    for digest, source in OLD.items():
        assert compile(source, UNITS).digest == digest


def test_what_has_its_default_is_not_spelled() -> None:
    bare = compile(plan(step("a")), UNITS)
    full = compile(plan(step("a", does="task", clock="elapsed", clauses=[], sets=None, each=None, during=None)), UNITS)
    assert full.digest == bare.digest
    for more in ({"clock": "working"}, {"clauses": ["law-1"]}):
        assert compile(plan(step("a", **more)), UNITS).digest != bare.digest


def test_a_decision_is_pinned_with_its_inputs_and_outputs() -> None:
    made = compile(plan(asking("a"), auto("d", "decide", table="good", after=["a"])), UNITS, tables=table)
    decide = made.step("d")
    assert (decide.decision, decide.inputs, decide.outputs) == ("a" * 64, {"n": "$n"}, ("owner", "go"))
    assert made.variables == {"n", "owner", "go"}
    assert compile(json.loads(made.canonical)) == made, "a stored plan needs no tables to be read"


def called() -> Plan:
    """A plan that others call."""
    return compile(
        plan(
            step("look", evidence=[{"kind": "note"}]),
            step("tell", after=["look"], delay="PT1H", **{"from": "start"}),
            step("help", during={"step": "look", "after": "PT30M", "interrupt": True}),
            step("report", after=["look"], when="interrupted_look or loud"),
            plan="inner",
            parameters={"loud": False},
            titles={"loud": text("鸣笛", "Sound the alarm")},
        ),
        UNITS,
    )


def test_a_called_plan_is_taken_in_whole() -> None:
    inner = called()
    made = compile(
        plan(
            step("first"),
            {"id": "c", "call": {"plan": "inner"}, "after": ["first"], "delay": "PT10M", "when": "level == 1"},
            step("last", after=["c"]),
        ),
        UNITS,
        plans=lambda name, version: inner if name == "inner" else None,
    )
    assert [(s.id, s.after) for s in made.steps] == [
        ("first", ()),
        ("c-look", ("first",)),
        ("c-tell-pause", ("first",)),
        ("c-tell", ("c-look", "c-tell-pause")),
        ("c-help", ()),
        ("c-report", ("c-look",)),
        ("last", ("c-tell", "c-help", "c-report")),
    ]
    assert made.calls == {"c": inner.digest} and made.parameters == {"loud": False}
    assert made.titles == {"loud": text("鸣笛", "Sound the alarm")}
    assert made.step("c-report").when == "(level == 1) and (interrupted_c_look or loud)"
    assert made.step("c-help").during is not None and made.step("c-help").during.steps == ("c-look",)  # type: ignore[union-attr]
    assert (made.step("c-look").delay, made.step("c-tell-pause").delay) == (
        compile(plan(step("x", delay="PT10M")), UNITS).step("x").delay,
        compile(plan(step("x", delay="PT70M")), UNITS).step("x").delay,
    )
    assert compile(json.loads(made.canonical)) == made


def test_a_step_for_each_of_a_list() -> None:
    west = {"id": "west", "title": text("西区", "West")}
    made = compile(
        plan(
            step("visit", "ecology", each={"as": "area", "in": ["east", west, "北 区"]}),
            step("count", "$unit_of", each={"as": "unit_of", "in": "bureaus"}, after=["visit"]),
            step("sum", after=["count"], during=None),
            step("hurry", during={"step": "visit", "after": "PT2H"}),
            parameters={"bureaus": ["health", "industry"]},
        ),
        UNITS,
    )
    seen = unroll(made, {**made.parameters, "level": 2, "kind": "x"}, (), UNITS)
    assert [(s.id, s.unit, s.after) for s in seen.steps] == [
        ("visit-east", "ecology", ()),
        ("visit-west", "ecology", ()),
        ("visit-3", "ecology", ()),
        ("count-health", "health", ("visit-east", "visit-west", "visit-3")),
        ("count-industry", "industry", ("visit-east", "visit-west", "visit-3")),
        ("sum", "industry", ("count-health", "count-industry")),
        ("hurry", "industry", ()),
    ]
    assert seen.step("visit-west").title == text("visit步（西区）", "visit (West)")
    assert seen.step("count-health").title["zh-CN"] == "count步（health局）"
    assert seen.step("hurry").during.steps == ("visit-east", "visit-west", "visit-3")  # type: ignore[union-attr]
    assert seen.digest == made.digest, "a run's steps are still this plan's"
    nobody = unroll(made, {"bureaus": []}, ())
    assert [s.id for s in nobody.steps if s.id.startswith("count")] == [] and nobody.step("sum").after == ()
    for wrong in ("health", ["health", "health"], [["health"]], ["x" * 60]):
        with pytest.raises(Invalid):
            unroll(made, {"bureaus": wrong}, ())  # type: ignore[dict-item]
    with pytest.raises(Invalid, match="more than 200 items"):
        unroll(made, {"bureaus": [f"u{n}" for n in range(limits.PLAN_ITEMS + 1)]}, ())


WRONG: dict[str, tuple[dict[str, object], str, str | None]] = {
    "does": (plan(auto("a", "fly")), "does is 'fly'", "a"),
    "message with unit": (plan(auto("a", "message", topic="t", unit="health")), "nothing is known of unit", "a"),
    "message topic": (plan(auto("a", "message", topic="No Topic")), "topic is", "a"),
    "message own topic": (plan(auto("a", "message", topic="orders")), "the system's own", "a"),
    "message payload": (plan(auto("a", "message", topic="t", payload={"x": {"y": 1}})), "not in both languages", "a"),
    "message name": (plan(auto("a", "message", topic="t", payload={"x": "$n"})), "payload reads n", "a"),
    "no table": (plan(auto("a", "decide", table="none")), "there is no decision table none", "a"),
    "table input": (plan(auto("a", "decide", table="good", inputs={"m": 1})), "has no input m", "a"),
    "table input unset": (plan(auto("a", "decide", table="good")), "inputs reads n", "a"),
    "decide each": (
        plan(auto("a", "decide", table="good", inputs={"n": 1}, each={"as": "x", "in": ["a"]})), "for each item", "a",
    ),
    "unit name": (plan(step("a", "$owner")), "unit reads owner", "a"),
    "unit parameter": (plan(step("a", "$who"), parameters={"who": "navy"}), "no department navy", "a"),
    "unit too early": (
        plan(step("a", "$owner"), auto("d", "decide", table="good", inputs={"n": 1})), "does not wait for d", "a",
    ),
    "when too early": (plan(asking("a"), step("b", when="n > 3")), "reads n, but does not wait for a", "b"),
    "when never": (plan(step("a", when="level > 4")), "can never hold", "a"),
    "when contradicts itself": (plan(asking("a"), step("b", after=["a"], when="n > 3 and n < 2")), "can never hold", "b"),
    "each unit": (plan(step("a", "$x", each={"as": "x", "in": ["health", "navy"]})), "no department navy", "a"),
    "each of nothing": (plan(step("a", each={"as": "x", "in": []})), "the list of each is empty", "a"),
    "each twice": (plan(step("a", each={"as": "x", "in": ["b", "b"]})), "there twice", "a"),
    "each parameter": (plan(step("a", each={"as": "x", "in": "areas"})), "areas is no list", "a"),
    "each word": (plan(step("a", each={"as": "level", "in": ["b"]})), "means something else", "a"),
    "each sets": (plan(asking("a", each={"as": "x", "in": ["b"]})), "would set the same variable", "a"),
    "each long": (plan(step("a" * 50, each={"as": "x", "in": ["b" * 20]})), "its id is too long", "a" * 50),
    "during nothing": (plan(step("a", during={"step": "z", "after": "PT1H"})), "no task of this plan", "a"),
    "during a wait": (
        plan(auto("w", "wait"), step("a", during={"step": "w", "after": "PT1H"})), "no task of this plan", "a",
    ),
    "during and after": (
        plan(step("a"), step("b", after=["a"], during={"step": "a", "after": "PT1H"})), "has no after, delay or from", "b",
    ),
    "during circle": (
        plan(step("a", after=["b"]), step("b", during={"step": "a", "after": "PT1H"})), "in a circle: a, b", "a",
    ),
    "during without time": (plan(step("a"), step("b", during={"step": "a"})), "names a step and a time", "b"),
    "not interrupted by anybody": (
        plan(step("a"), step("h", during={"step": "a", "after": "PT1H"}), step("b", after=["a"], when="interrupted_a")),
        "reads interrupted_a", "b",
    ),
    "sets without form": (plan(step("a", sets={"n": "n"})), "a form that is not asked for", "a"),
    "sets no field": (
        plan(step("a", evidence=[{"kind": "form", "schema": FORM}], sets={"n": "m"})), "the form has no field m", "a",
    ),
    "schema of a photo": (plan(step("a", evidence=[{"kind": "photo", "schema": FORM}])), "a photo has no schema", "a"),
    "schema that refers": (
        plan(step("a", evidence=[{"kind": "form", "schema": {**FORM, "$ref": "http://x"}}])), "has no $ref", "a",
    ),
    "two forms": (plan(step("a", evidence=[{"kind": "form"}, {"kind": "form"}])), "one form", "a"),
    "clock": (plan(step("a", clock="moon")), "clock is 'moon'", "a"),
    "clause": (plan(step("a", clauses=["a b"])), "the clause 'a b'", "a"),
    "call nobody knows": (plan({"id": "c", "call": {"plan": "none"}}), "no published plan none", "c"),
    "call with a unit": (plan({"id": "c", "call": {"plan": "inner"}, "unit": "health"}), "nothing is known of unit", "c"),
    "call twice the name": (
        plan({"id": "c", "call": {"plan": "inner"}}, step("c-look")), "step c-look is there twice", "c-look",
    ),
    "title of nothing": (plan(step("a"), parameters={"x": 1}, titles={"y": text("某", "y")}), "has no parameter y", None),
    "title in one language": (plan(step("a"), parameters={"x": 1}, titles={"x": "x"}), "titles, x is not in both", None),
    "parameter of lists": (plan(step("a"), parameters={"x": [["y"]]}), "plain values or lists", None),
    "parameter without value": (plan(step("a"), parameters={"x": float("nan")}), "plain values or lists", None),
}  # fmt: skip


@pytest.mark.parametrize(("source", "says", "where"), WRONG.values(), ids=WRONG.keys())
def test_a_mistake_is_refused_where_it_is(source: dict[str, object], says: str, where: str | None) -> None:
    inner = called()
    with pytest.raises(Invalid) as caught:
        compile(source, UNITS, tables=table, plans=lambda name, version: inner if name == "inner" else None)
    assert says in str(caught.value)
    assert caught.value.remedy
    assert caught.value.extra.get("step") == where


def test_ten_thousand_steps_are_refused_at_once() -> None:
    many = "steps:\n" + "".join(f"- {{id: s{n}}}\n" for n in range(10_000))
    tracemalloc.start()
    began = time.process_time()
    with pytest.raises(Invalid, match="10000 steps"):
        compile("plan: big\nversion: 1\n" + many, UNITS)
    spent, (_, peak) = time.process_time() - began, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert spent < 10 and peak < 100 * 2**20


@pytest.mark.parametrize(
    ("source", "kinds", "never"),
    [
        ("level in [5, 6]", {"level": [1, 2, 3, 4]}, True),
        ("level in [4, 5]", {"level": [1, 2, 3, 4]}, False),
        ("not (a or not a)", {"a": bool}, True),
        ("x > 3 and x <= 3.5", {"x": float}, False),
        ("x > 3 and not x > 2", {}, True),
        ("a == 'u' and a != 'u'", {"a": str}, True),
        ("a == 'u' or a == 'v'", {"a": str}, False),
        ("a < b and b < a", {}, False),  # true never, but not proven
        ("x in names", {}, False),
    ],
)
def test_what_can_never_hold(source: str, kinds: dict[str, Any], never: bool) -> None:
    assert expression.parse(source).never(kinds) is never


def test_names_are_renamed_outside_texts() -> None:
    assert expression.renamed("a and b == 'a' or not aa", {"a": "c"}) == "c and b == 'a' or not aa"


# ── forms ──────────────────────────────────────────────────────────────────────────────────────────────────────

INSPECTION: dict[str, object] = {
    "type": "object",
    "properties": {
        "count": {"type": "integer", "minimum": 0, "title": text("数量", "Count")},
        "phone": {"type": "string", "pattern": "^1[0-9]{10}$"},
        "on": {"type": "string", "format": "date"},
        "gas": {"enum": ["Cl2", "NH3"]},
        "rooms": {
            "type": "array",
            "items": {"type": "object", "properties": {"open": {"type": "boolean"}}},
            "maxItems": 2,
        },
    },
    "required": ["count"],
    "additionalProperties": False,
}
FILLED = {
    "right": ({"count": 1, "phone": "13800000000", "on": "2015-11-01", "gas": "Cl2", "rooms": [{"open": True}]}, {}),
    "empty": ({}, {"count": "is needed"}),
    "types": ({"count": True}, {"count": "must be a whole number"}),
    "least": ({"count": -1}, {"count": "must not be less than 0"}),
    "pattern": ({"count": 1, "phone": "110"}, {"phone": "is not in the right form"}),
    "date": ({"count": 1, "on": "yesterday"}, {"on": "must be a date"}),
    "choice": ({"count": 1, "gas": "H2"}, {"gas": "must be one of: Cl2, NH3"}),
    "inside": ({"count": 1, "rooms": [{}, {"open": 3}]}, {"rooms/1/open": "must be yes or no"}),
    "many": ({"count": 1, "rooms": [{}, {}, {}]}, {"rooms": "must have at most 2 items"}),
    "strange": ({"count": 1, "x": 1}, {"x": "is no field of this form"}),
}  # fmt: skip


@pytest.mark.parametrize(("form", "wrong"), FILLED.values(), ids=FILLED.keys())
def test_a_form_is_told_what_to_mend_field_by_field(form: dict[str, object], wrong: dict[str, str]) -> None:
    found = forms.mistakes(forms.check_schema(INSPECTION), form)
    assert {str(each["field"]): each["message"]["en"] for each in found} == wrong  # type: ignore[index]
    assert all(each["message"]["zh-CN"] for each in found)  # type: ignore[index]


@pytest.mark.parametrize(
    "part",
    [{"$ref": "#"}, {"allOf": []}, {"pattern": "(?=a)"}, {"pattern": "a" * 201}, {"pattern": "("}, {"minimum": "x"},
     {"type": "thing"}, {"format": "regex"}, {"title": {"en": "x"}}, {"properties": {"b": 3}}, {"enum": "x"}],
)  # fmt: skip
def test_a_schema_that_is_none_is_refused(part: dict[str, object]) -> None:
    with pytest.raises(Invalid) as refused:
        forms.check_schema({"type": "object", "properties": {"a": part}})
    assert refused.value.remedy


def test_schemas_and_forms_have_limits() -> None:
    deep: dict[str, object] = {"type": "string"}
    for _ in range(limits.FORM_SCHEMA_DEPTH + 1):
        deep = {"type": "object", "properties": {"a": deep}}
    with pytest.raises(Invalid, match="nested"):
        forms.check_schema(deep)
    with pytest.raises(TooLarge):
        forms.check_schema({"type": "object", "properties": {f"field-{n}": {} for n in range(2000)}})
    with pytest.raises(TooLarge):
        forms.mistakes(INSPECTION, {"count": 1, "phone": "1" * limits.FORM_BYTES})
    many = forms.mistakes(INSPECTION, {f"f{n}": 1 for n in range(500)})
    assert len(many) == limits.FORM_ERRORS


def test_a_pattern_takes_time_by_the_text_only() -> None:
    schema = forms.check_schema({"type": "object", "properties": {"a": {"type": "string", "pattern": "^(a+)+$"}}})
    began = time.process_time()
    assert forms.mistakes(schema, {"a": "a" * 5000 + "!"})
    assert time.process_time() - began < 2, "a backtracking matcher would not come back"

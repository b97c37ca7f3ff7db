"""Plans: one canonical spelling, and every mistake refused where it is."""

from __future__ import annotations

import json

import pytest
import yaml
from hypothesis import given

from cityheart.command import expression
from cityheart.command.models import Plan
from cityheart.command.plan import compile
from cityheart.kernel import duration, limits
from cityheart.kernel.errors import Invalid, TooLarge
from cityheart.kernel.text import text

from .scene import UNITS, plan, plans, step


@given(plans())
def test_a_stored_plan_compiles_to_itself(drawn: Plan) -> None:
    again = compile(json.loads(drawn.canonical))
    assert again == drawn
    assert again.digest == drawn.digest


def test_yaml_and_json_and_field_order_give_one_digest() -> None:
    written = plan(step("a", delay="PT60M"), step("b", after=["a"]))
    turned = {name: written[name] for name in reversed(written)}
    spelled = plan(step("a", delay="PT1H", **{"from": "start"}), step("b", after=["a"], **{"from": "predecessors"}))
    digests = {compile(source, UNITS).digest for source in (written, yaml.safe_dump(turned), spelled)}
    assert len(digests) == 1
    assert compile(plan(step("a", due="PT5H")), UNITS).digest not in digests


WRONG = {
    "no steps": (plan(), "no steps", None),
    "not a mapping": ("just words", "not a mapping", None),
    "broken yaml": ("plan: [", "not valid YAML", None),
    "yaml alias": ("plan: &a x\nversion: *a", "aliases", None),
    "unknown field": (plan(step("a"), owner="me"), "nothing is known of owner", None),
    "unknown step field": (plan(step("a", units="x")), "step a: nothing is known of units", "a"),
    "bad name": (plan(step("a b")), "the id of step 1", None),
    "one language": (plan(step("a", title={"en": "a"})), "step a, title is not in both languages", "a"),
    "circle": (plan(step("a", after=["b"]), step("b", after=["a"]), step("c")), "in a circle: a, b", "a"),
    "waits for itself": (plan(step("a", after=["a"])), "in a circle: a", "a"),
    "unknown predecessor": (plan(step("a", after=["z"])), "predecessor z does not exist", "a"),
    "twice": (plan(step("a"), step("a")), "step a is there twice", "a"),
    "unknown unit": (plan(step("a", "navy")), "no department navy", "a"),
    "unknown verifier": (plan(step("a", verify_by="navy")), "no department navy", "a"),
    "unknown rung": (plan(step("a", escalate=[{"at": "due", "to": "navy"}])), "no department navy", "a"),
    "rung without to": (plan(step("a", escalate=[{"at": "due"}])), "a rung of escalate has at and to", "a"),
    "due before accept": (plan(step("a", due="PT30M")), "is not after accept_within", "a"),
    "no due": (plan({k: v for k, v in step("a").items() if k != "due"}), "due is missing", "a"),
    "no accept": (plan({k: v for k, v in step("a").items() if k != "accept_within"}), "accept_within is missing", "a"),
    "month": (plan(step("a", due="P1M")), "is not a duration", "a"),
    "from": (plan(step("a", **{"from": "noon"})), "from is 'noon'", "a"),
    "evidence": (plan(step("a", evidence=[{"kind": "video"}])), "evidence", "a"),
    "two notes": (plan(step("a", evidence=[{"kind": "note", "min": 2}])), "one note", "a"),
    "guard": (plan(step("a", loop_guard=0)), "loop_guard is 0", "a"),
    "condition": (plan(step("a", when="level <")), "it ends too early", "a"),
    "condition calls": (plan(step("a", when="__import__('os')")), "is not expected", "a"),
    "condition name": (plan(step("a", when="wind > 3")), "when reads wind", "a"),
    "levels": (plan(step("a"), **{"for": {"kind": "fire", "levels": [5]}}), "1 (red) to 4 (blue)", None),
    "dates": (plan(step("a"), valid_from="2016-01-01", valid_until="2015-01-01"), "not after valid_from", None),
    "too many": (plan(*(step(f"s{i}") for i in range(limits.PLAN_STEPS + 1))), "more than 200", None),
    "long ladder": (plan(step("a", escalate=[{"at": "due", "to": "mayor"}] * 11)), "more than 10 rungs", "a"),
}


@pytest.mark.parametrize(("source", "says", "where"), WRONG.values(), ids=WRONG.keys())
def test_a_mistake_is_refused_where_it_is(source: str | dict[str, object], says: str, where: str | None) -> None:
    with pytest.raises(Invalid) as caught:
        compile(source, UNITS)
    assert says in str(caught.value)
    assert caught.value.remedy
    assert caught.value.extra.get("step") == where


def test_a_huge_plan_is_refused() -> None:
    with pytest.raises(TooLarge):
        compile("plan: " + "x" * limits.PLAN_BYTES, UNITS)


CONTEXT: dict[str, expression.Value] = {"level": 2, "kind": "fire", "night": True, "gas": "Cl2"}
HOLDS = {
    "level <= 2": True,
    "level < 2": False,
    "level == 2 and kind == 'fire'": True,
    "not night": False,
    "not (level > 2) and (night or level == 1)": True,
    "level in [1, 2]": True,
    "gas not in ['NH3', 'Cl2']": False,
    "level > -1": True,
    "level >= 1.5": True,
    "kind != 'flood'": True,
    "night and level == 3 or kind == 'fire'": True,
    "true": True,
}


@pytest.mark.parametrize(("source", "expected"), HOLDS.items())
def test_conditions(source: str, expected: bool) -> None:
    assert expression.parse(source).holds(CONTEXT) is expected


@pytest.mark.parametrize(
    "source",
    ["", "level", "level + 1", "kind < 3", "level in 3", "(level", "level level", "1 == 1 == 1", "-kind == 1", "a.b",
     "[", "((" * 40, "not", "x" * 999, "not " * 60 + "night", "wind == 1", "level and night", "level == 'a"],
)  # fmt: skip
def test_conditions_that_mean_nothing_are_refused(source: str) -> None:
    with pytest.raises(Invalid):
        expression.parse(source).holds(CONTEXT)


@pytest.mark.parametrize(
    ("written", "spelled"),
    [("PT90M", "PT1H30M"), ("P1W", "P7D"), ("PT0S", "PT0S"), ("P1DT25H", "P2DT1H"), ("PT61S", "PT1M1S")],
)
def test_durations_have_one_spelling(written: str, spelled: str) -> None:
    assert duration.iso(duration.parse(written)) == spelled


@pytest.mark.parametrize(
    "written", ["", "P", "PT", "P1M", "P1Y", "3H", "PT-3H", "PT1.5H", "P1DT", 3, None, "P99999999W"]
)
def test_what_is_no_duration_is_refused(written: object) -> None:
    with pytest.raises(Invalid):
        duration.parse(written)


def test_an_empty_condition_value_is_a_condition() -> None:
    assert compile(plan(step("a", when=True), title=text("题", "t")), UNITS).step("a").when == "true"

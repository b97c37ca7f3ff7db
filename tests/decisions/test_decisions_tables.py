"""Tables: read from YAML and DMN, refused where they are wrong, proved before they are used."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from time import process_time
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from cityheart.command.decisions import dmn, proof
from cityheart.command.decisions.compile import compile_decision, stored
from cityheart.command.decisions.feel import FUNCTIONS, Names, Node, expression
from cityheart.command.decisions.feel import tests as unary
from cityheart.command.decisions.models import Decision, Refused
from cityheart.command.decisions.table import Column, Result, Rule, Table
from cityheart.kernel import limits
from cityheart.kernel.errors import Invalid, TooLarge
from cityheart.kernel.text import text

from .test_decisions_language import cells

NONE = Names({})


def table(*rules: Mapping[str, object], **more: object) -> dict[str, Any]:
    """A table as people write it."""
    return {
        "decision": "triage.flood",
        "version": "1",
        "title": text("洪水分级", "Flood triage"),
        "inputs": [
            {"name": "water level", "type": "number"},
            {"name": "kind", "type": "string", "values": ["fire", "flood", "gas"]},
        ],
        "outputs": [
            {"name": "level", "type": "number", "values": [1, 2, 3, 4]},
            {"name": "unit", "type": "string"},
        ],
        "rules": list(rules),
        **more,
    }


def row(level: object, kind: object, *then: object, **more: object) -> dict[str, object]:
    """A rule."""
    return {"when": {"water level": level, "kind": kind}, "then": list(then), **more}


GOOD = table(
    row(">= 5", "flood", 1, "water"),
    row("[3..5)", ["flood", "gas"], 2, "water"),
    row(">= 3", "fire", 3, '="fire-" + kind'),
    row("< 3", None, 4, "water", note="no danger yet"),
    row(">= 5", "gas", 2, "water"),
)


def problems(source: object) -> list[tuple[str, str | None, str]]:
    """What is wrong with a source: element, column, words."""
    with pytest.raises(Refused) as caught:
        compile_decision(source)  # type: ignore[arg-type]
    assert all(problem.remedy["en"] and problem.remedy["zh-CN"] for problem in caught.value.problems)
    assert caught.value.extra["problems"] == [problem.json() for problem in caught.value.problems]
    return [(problem.element, problem.column, problem.detail["en"]) for problem in caught.value.problems]


def test_a_table_in_yaml_decides() -> None:
    decision = compile_decision(yaml.safe_dump(GOOD, allow_unicode=True))
    assert decision.warnings == ()
    outcome = decision.decide({"water level": 4, "kind": "gas", "more": 1})
    assert (outcome.outputs, outcome.matched) == ({"level": 2, "unit": "water"}, ("rule-2",))
    assert decision.decide({"water level": 3, "kind": "fire"}).outputs == {"level": 3, "unit": "fire-fire"}
    assert decision.decide({"kind": "fire"}).outputs == {"level": None, "unit": None}


def test_one_content_has_one_digest_however_it_is_written() -> None:
    first = compile_decision(GOOD)
    turned = {name: GOOD[name] for name in reversed(GOOD)}
    listed = dict(GOOD, rules=[dict(rule, when=list(rule["when"].values())) for rule in GOOD["rules"]])
    spelled = yaml.safe_dump(GOOD).encode("utf-8-sig")
    same = {compile_decision(source).digest for source in (turned, listed, spelled, dmn.draw(first.body))}
    assert same == {first.digest} == {stored(first.canonical).digest}
    other = dict(GOOD, rules=[*GOOD["rules"][:-1], row(">= 5", "gas", 1, "water")])
    assert compile_decision(other).digest != first.digest


def test_a_chain_of_tables_decides_in_its_order_and_is_drawn_with_a_diagram() -> None:
    chain = {
        "decision": "triage.storm",
        "version": "2026.1",
        "title": text("暴雨", "Storm"),
        "source": text("市防汛预案", "The city's flood plan"),
        "valid_from": "2026-05-01",
        "inputs": [
            {"name": "rain", "type": "number"},
            {"name": "since", "type": "date"},
            {"name": "site", "type": {"fields": {"ward": "string", "schools": "number"}}},
        ],
        "tables": [
            {"name": "weight", "expression": "site.schools * 2 + danger", "type": "number"},
            {
                "name": "danger",
                "hit": "C+",
                "inputs": ["rain", {"expression": "since", "label": "from"}],
                "outputs": [{"name": "points", "type": "number"}],
                "rules": [
                    {"when": ["> 10", "-"], "then": 1},
                    {"when": ["> 50", 'date("2026-06-01")'], "then": 5},
                ],
            },
            {
                "name": "answer",
                "hit": "F",
                "inputs": ["weight"],
                "outputs": [
                    {"name": "level", "type": "number", "default": 4},
                    {"name": "unit", "type": "string", "default": "water"},
                ],
                "rules": [{"when": [">= 8"], "then": [1, "=site.ward"]}],
            },
        ],
    }
    decision = compile_decision(chain)
    given = {"rain": 60, "since": "2026-06-01", "site": {"ward": "east", "schools": 1}}
    outcome = decision.decide(given)
    assert outcome.outputs == {"level": 1, "unit": "east"}
    assert outcome.values == {"danger": 6, "weight": 8, "answer": {"level": 1, "unit": "east"}}
    assert decision.decide({**given, "rain": 0}).outputs == {"level": 4, "unit": "water"}
    assert [step.decision for step in outcome.trace] == ["danger", "weight", "answer"]
    drawn = dmn.draw(decision.body)
    assert drawn.count(b"<dmndi:DMNShape") == 6
    assert drawn.count(b"<dmndi:DMNEdge") == drawn.count(b"<informationRequirement") == 6
    again = compile_decision(drawn)
    assert (again.digest, again.title, again.source) == (decision.digest, decision.title, decision.source)
    assert again.in_force(again.valid_from) and not again.in_force(again.valid_from.replace(month=4))  # type: ignore


WRONG: dict[str, tuple[object, str, str | None, str]] = {
    "cell": (table(row(">= ", "fire", 1, "a")), "rule-1", "in-1", "ends too early"),
    "name": (table(row(">= high", "fire", 1, "a")), "rule-1", "in-1", "nothing is called 'high'"),
    "kind of a cell": (table(row('"5"', "fire", 1, "a")), "rule-1", "in-1", "the cell of type string"),
    "result": (table(row(5, "fire", 9, "a")), "rule-1", "out-1", "not among the values"),
    "kind of a result": (table(row(5, "fire", 1, 5)), "rule-1", "out-2", "is not of type string"),
    "too few cells": (table({"when": [5], "then": [1, "a"]}), "rule-1", None, "1 conditions and 2 results"),
    "unknown column": (table({"when": {"wind": 5}, "then": [1, "a"]}), "rule-1", None, "nothing is known of wind"),
    "no rules": (table(), "table", None, "has no rules"),
    "hit policy": (table(row(5, "fire", 1, "a"), hit="X"), "table", None, "no hit policy 'X'"),
    "sum of two": (table(row(5, "fire", 1, "a"), hit="C+"), "table", None, "one output only"),
    "unknown field": (table(row(5, "fire", 1, "a"), owner="me"), "document", None, "nothing is known of owner"),
    "type": (table(row(5, "fire", 1, "a"), inputs=[{"name": "water level", "type": "x"}, "kind"]), "input-1", None, "no type"),
    "one language": (table(row(5, "fire", 1, "a"), title={"en": "a"}), "title", None, "not in both languages"),
    "bad name": (table(row(5, "fire", 1, "a"), decision="Flood!"), "decision", None, "the name is 'Flood!'"),
    "no version": (table(row(5, "fire", 1, "a"), version=None), "version", None, "the version is None"),
    "dates": (table(row(5, "fire", 1, "a"), valid_from="2026-01-02", valid_until="2026-01-01"), "valid_until", None, "not after"),
    "date": (table(row(5, "fire", 1, "a"), valid_from="soon"), "valid_from", None, "is no date"),
    "id twice": (table(row(5, "fire", 1, "a", id="r"), row(6, "fire", 1, "a", id="r")), "r", None, "is there twice"),
    "order without values": (table(row(5, "fire", 1, "a"), hit="P", outputs=["level", "unit"]), "out-1", None, "values in order"),
    "not a table": ("just words", "document", None, "neither DMN nor"),
    "broken yaml": ("a: [", "document", None, "not valid YAML"),
    "alias": ("a: &x 1\nb: *x", "document", None, "aliases"),
    "encoding": ("决策".encode("gbk"), "document", None, "UTF-8"),
    "deep": ("a: " + "{a: " * 50_000, "document", None, "nests deeper"),
    "deep lists": ("a: " + "[" * 300 + "]" * 300, "document", None, "nests deeper"),
    "empty": ("", "document", None, "neither DMN nor"),
    "control sign": (table(row(5, "fire", 1, "a\x00")), "document", None, "control characters"),
    "half a letter": (table(row(5, "fire", 1, "a"), title=text("\ud800", "a")), "document", None, "control characters"),
    "tested": (table(row(5, "fire", "=? + 1", "a")), "rule-1", "out-1", "no tested value"),
}  # fmt: skip


@pytest.mark.parametrize(("source", "element", "column", "says"), WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong_is_told_at_its_element(source: object, element: str, column: str | None, says: str) -> None:
    found = problems(source)
    assert any((at, of) == (element, column) and says in words for at, of, words in found), found


def test_a_mapping_without_an_end_is_refused() -> None:
    nested: object = "number"
    for _ in range(5_000):
        nested = {"fields": {"a": [nested]}}
    assert problems({**GOOD, "inputs": [{"name": nested, "type": nested}]})[0][2] == "it nests deeper than 40"


def test_all_problems_are_told_at_once() -> None:
    found = problems(table(row(">", "fire", 9, "a"), row("x", "fire", 1, 5)))
    assert [(element, column) for element, column, _ in found] == [
        ("rule-1", "in-1"), ("rule-1", "out-1"), ("rule-2", "in-1"), ("rule-2", "out-2"),
    ]  # fmt: skip


def test_members_of_a_structure_and_lists_are_read_by_their_types() -> None:
    """After models 0036 and 0039 of level 3 of the DMN kit: cells that read members, and a list that is given."""
    source = {
        **{part: GOOD[part] for part in ("decision", "version", "title")},
        "inputs": [
            {"name": "complex", "type": {"fields": {"a date": "date", "a number": "number", "days": {"list": "date"}}}},
            {"name": "another date", "type": "date"},
            {"name": "symptoms", "type": {"list": "string"}},
            {"name": "symptom", "type": "string"},
        ],
        "tables": [
            {
                "name": "compared",
                "inputs": ["another date"],
                "outputs": [{"name": "said", "type": "string"}],
                "rules": [
                    {"when": "complex.a date", "then": "same"},
                    {"when": "> complex.a date", "then": "later"},
                    {"when": "< complex.a date", "then": "earlier"},
                ],
            },
            {
                "name": "flu",
                "hit": "C",
                "inputs": ["symptom"],
                "outputs": [{"name": "named", "type": "string"}],
                "rules": [
                    {"when": ["cough, sore throat"], "then": '=symptom + " is of a cold"'},
                    {"when": ["= symptoms"], "then": '=symptom + " is of the flu"'},
                    {"when": ["complex.a number > 3"], "then": "many"},
                ],
            },
        ],
    }  # fmt: skip
    decide = compile_decision(source).decide
    given = {
        "complex": {"a date": "2026-05-01", "a number": 1, "days": ["2026-05-01"]},
        "symptoms": ["cough", "fever"],
        "symptom": "cough",
    }
    for day, said in (("2026-05-01", "same"), ("2026-05-02", "later"), ("2025-05-02", "earlier"), (None, None)):
        assert decide({**given, "another date": day}).outputs["said"] == said
    assert decide(given).outputs["named"] == ["cough is of a cold", "cough is of the flu"]
    assert decide({**given, "symptom": "sneeze"}).outputs["named"] == []
    assert decide({"complex": {"a number": 5}, "symptom": "sneeze"}).outputs["named"] == ["many"]
    wrong = decide({**given, "complex": {"a date": "May"}})
    assert [problem.element for problem in wrong.problems] == ["input-1"]


def test_decisions_in_a_circle_are_refused() -> None:
    circle = {
        **{part: GOOD[part] for part in ("decision", "version", "title")},
        "tables": [{"name": "a", "expression": "b + 1"}, {"name": "b", "expression": "a + 1"}],
    }
    assert problems(circle) == [("t1-table", None, "decisions need each other in a circle: a, b")]


def test_limits_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TooLarge):
        compile_decision("#" * (limits.DECISION_BYTES + 1))
    monkeypatch.setattr(limits, "DECISION_RULES", 3)
    assert problems(GOOD) == [("table", None, "more than 3 rules")]
    monkeypatch.setattr(limits, "DECISION_RULES", 100)
    monkeypatch.setattr(limits, "DECISION_COLUMNS", 1)
    assert problems(GOOD) == [("table", None, "more than 1 columns")]
    monkeypatch.setattr(limits, "DECISION_COLUMNS", 9)
    monkeypatch.setattr(limits, "DECISION_CELLS", 19)
    assert problems(GOOD) == [("tables", None, "more than 19 cells")]


# ── what is proved ──


def test_rules_that_overlap_are_named_with_an_example() -> None:
    found = problems(table(row(">= 5", "flood", 1, "a"), row("[4..6]", "gas, flood", 2, "a"), row("< 4", "-", 3, "a")))
    assert found == [("rule-2", None, 'rules rule-1 and rule-2 overlap: water level = 5, kind = "flood"')]
    same = table(row(">= 5", "flood", 1, "a"), row(">= 6", "flood", 1, "a"), hit="A")
    assert compile_decision(same).decide({"water level": 7, "kind": "flood"}).matched == ("rule-1", "rule-2")
    assert problems(dict(same, rules=[row(">= 5", "flood", 1, "a"), row(">= 6", "flood", 2, "a")]))[0][0] == "rule-2"


def test_what_cannot_be_proved_is_a_hint_and_seen_when_deciding() -> None:
    source = table(row("? * 2 > 6", "flood", 1, "a"), row("> 4", "flood", 2, "a"))
    decision = compile_decision(source)
    assert "cannot be proved" in decision.warnings[0].detail["en"]
    assert decision.decide({"water level": 4, "kind": "flood"}).outputs["level"] == 1
    both = decision.decide({"water level": 5, "kind": "flood"})
    assert both.outputs == {"level": None, "unit": None}
    assert both.matched == ("rule-1", "rule-2")
    assert "rule-1, rule-2 match at once" in both.problems[0].detail["en"]


def test_gaps_and_rules_that_never_count_are_hints() -> None:
    gaps = compile_decision(table(row(">= 5", "fire, gas", 1, "a"), row("< 5", "-", 2, "a"))).warnings
    assert [each.detail["en"] for each in gaps] == ['no rule covers water level = 5, kind = "flood"']
    filled = dict(table(row(">= 5", "fire, gas", 1, "a"), row("< 5", "-", 2, "a")))
    filled["outputs"] = [{"name": "level", "type": "number", "default": 4}, "unit"]
    assert compile_decision(filled).warnings == ()
    first = compile_decision(table(row("> 3", "-", 1, "a"), row("> 5", "gas", 1, "a"), row("-", "-", 2, "a"), hit="F"))
    assert [each.detail["en"] for each in first.warnings] == [
        "rule rule-2 never counts: rule rule-1 always comes first"
    ]


def _built(rows: list[list[str]], base: str) -> Table:
    node = expression("1", NONE)
    columns = [
        Column(f"c{n}", f"x{n}", Node(lambda scope, n=n: scope[f"x{n}"], frozenset({f"x{n}"})), base, None)  # type: ignore[misc]
        for n in range(len(rows[0]))
    ]
    rules = [Rule(f"r{n}", tuple(unary(cell, NONE) for cell in cells_), (node,)) for n, cells_ in enumerate(rows)]
    return Table("t", "t", "U", columns, [Result("o", "o", None, (), None, None)], rules)


_GRID = [Decimal(x) / 2 for x in range(-14, 36)]  # beyond every end of a cell on both sides


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.lists(st.one_of(cells(), st.just(("-", frozenset()))), min_size=2, max_size=2), min_size=2, max_size=4)
)
def test_overlaps_and_gaps_are_those_that_trying_every_input_finds(drawn: list[list[tuple[str, object]]]) -> None:
    found = _built([[source for source, _ in cells_] for cells_ in drawn], "number")
    lets = [
        [{x for x in [None, *_GRID] if test.check(x, {}) is True} for test in rule.tests] for rule in found.rules
    ]  # every end of a cell is whole, so whole and half numbers are enough to try
    pairs = {(pair.first, pair.second): pair.example for pair in proof.overlaps(found)}
    for a, b in itertools.combinations(range(len(lets)), 2):
        together = all(one & two for one, two in zip(lets[a], lets[b], strict=True))
        assert ((a, b) in pairs) == together
        if together:
            example = pairs[a, b]
            assert example is not None
            for column in range(2):
                for rule in (a, b):
                    assert found.rules[rule].tests[column].check(example[f"x{column}"], {}) is True
    holes, finished = proof.gaps(found, 1)
    assert finished
    covered = all(any(x in rule[0] and y in rule[1] for rule in lets) for x, y in itertools.product(_GRID, _GRID))
    assert bool(holes) == (not covered)
    for hole in holes:
        outcome = found.decide({"x0": hole["x0"], "x1": hole["x1"]}, [])
        assert outcome.matched == ()


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(st.sets(st.sampled_from("abc")), st.booleans(), st.sampled_from(["true", "false", "-", "not(true)"])),
        min_size=1,
        max_size=4,
    )
)
def test_words_and_booleans_are_proved_like_numbers(drawn: list[tuple[set[str], bool, str]]) -> None:
    rows = []
    for words, turned, truth in drawn:
        listed = ", ".join(f'"{word}"' for word in sorted(words)) or '"z"'
        rows.append([f"not({listed})" if turned else listed, truth])
    found = _built(rows, "string")
    found.columns = (found.columns[0], Column("c1", "x1", found.columns[1].node, "boolean", None))
    tried = list(itertools.product([*"abcz", "other"], [True, False]))
    hits = [
        [rule.tests[0].check(x, {}) is True and rule.tests[1].check(y, {}) is True for rule in found.rules]
        for x, y in tried
    ]
    certain = {(pair.first, pair.second) for pair in proof.overlaps(found)}
    for a, b in itertools.combinations(range(len(rows)), 2):
        if any(hit[a] and hit[b] for hit in hits):
            assert (a, b) in certain
    holes, finished = proof.gaps(found, 1)
    assert finished
    assert bool(holes) == (not all(any(hit) for hit in hits))


# ── DMN ──

SPACE = 'xmlns="https://www.omg.org/spec/DMN/20230324/MODEL/"'


def model(inside: str, head: str = SPACE) -> str:
    """A file around some elements."""
    return f'<?xml version="1.0" encoding="UTF-8"?><definitions {head} id="m" name="trial">{inside}</definitions>'


CELL = "<inputEntry><text>{}</text></inputEntry><outputEntry><text>1</text></outputEntry>"
TABLE = (
    '<inputData id="i" name="a"><variable name="a" typeRef="number"/></inputData><decision id="d" name="d">'
    '<decisionTable id="t" {}><input id="c"><inputExpression{}><text>a</text></inputExpression></input>'
    '<output id="o" name="x"/><rule id="r">' + CELL + "</rule></decisionTable></decision>"
)
BAD_XML: dict[str, tuple[str | bytes, str, str]] = {
    "cell": (model(TABLE.format("", "", "&lt;")), "r", "ends too early"),
    "script": (model(TABLE.format("", ' expressionLanguage="javascript"', "1")), "c", "the language javascript"),
    "hit policy": (model(TABLE.format('hitPolicy="BEST"', "", "1")), "t", "no hit policy BEST"),
    "context": (model('<decision id="d" name="d"><context id="x"/></decision>'), "x", "context is outside"),
    "import": (model('<import id="x" name="y" namespace="z" importType="w"/>'), "x", "import is outside"),
    "nothing": (model('<decision id="d" name="d"/>'), "d", "no logic"),
    "no decision": (model(""), "tables", "no decision in it"),
    "type": (model('<inputData id="i" name="a"><variable name="a" typeRef="x:colour"/></inputData>'), "i", "no type"),
    "other root": ("<html/>", "document", "is not DMN"),
    "other version": (model("", 'xmlns="https://www.omg.org/spec/DMN/20991231/MODEL/"'), "document", "is not DMN"),
    "cut short": (model("")[:-5], "document", "not well-formed"),
    "entities": ('<!DOCTYPE d [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]>' + model("&b;")[38:], "document", "DOCTYPE"),
    "outside file": ('<!DOCTYPE d SYSTEM "file:///etc/passwd">' + model("")[38:], "document", "DOCTYPE"),
    "too deep": (model("<a>" * 60 + "</a>" * 60), "document", "nest deeper"),
    "encoding": (b'<?xml version="1.0" encoding="gb2312"?><a/>', "document", "not well-formed"),
    "no such encoding": (b'<?xml version="1.0" encoding="klingon"?><a/>', "document", "not well-formed"),
    "utf-16 rubbish": (b"\xff\xfe<\x00a", "document", "not well-formed"),
}  # fmt: skip


@pytest.mark.parametrize(("source", "element", "says"), BAD_XML.values(), ids=BAD_XML.keys())
def test_a_file_that_cannot_be_taken_names_its_element(source: str | bytes, element: str, says: str) -> None:
    found = problems(source)
    assert any(at == element and says in words for at, _, words in found), found


def test_a_plain_file_of_a_modeler_gets_a_name_and_version() -> None:
    decision = compile_decision(model(TABLE.format("", "", "&gt; 3")))
    assert (decision.name, decision.version) == ("trial", "1")
    assert decision.decide({"a": 4}).outputs == {"x": 1}
    chinese = compile_decision(model(TABLE.format("", "", "-")).replace('"trial"', '"洪水"'))
    assert chinese.name.startswith("decision-") and chinese.title["zh-CN"] == "洪水"


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_file_with_anything_in_it_is_taken_or_refused(data: st.DataObject) -> None:
    good = dmn.draw(compile_decision(GOOD).body)
    start = data.draw(st.integers(0, len(good)))
    length = data.draw(st.integers(0, 40))
    noise = data.draw(st.binary(max_size=12))
    try:
        decision = compile_decision(good[:start] + noise + good[start + length :])
    except Invalid as refused:
        assert refused.detail and refused.remedy
    else:
        assert isinstance(decision.decide({"water level": 4, "kind": "gas"}).outputs, dict)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=True) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(GOOD)), _JSON)
def test_a_mapping_with_anything_in_it_is_taken_or_refused(part: str, value: object) -> None:
    for source in ({**GOOD, part: value}, {**GOOD, "rules": [*GOOD["rules"], {"when": value, "then": value}]}):
        try:
            assert isinstance(compile_decision(source), Decision)
        except Invalid as refused:
            assert refused.remedy


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from(["water level", "kind", "x"]), _JSON))
def test_deciding_never_raises(inputs: dict[str, object]) -> None:
    outcome = compile_decision(GOOD).decide(inputs)
    json.dumps(outcome.outputs, allow_nan=False)
    assert set(outcome.outputs) == {"level", "unit"}


def test_the_tables_of_the_page_are_tables() -> None:
    page = (Path(__file__).parents[2] / "docs/how-to/write-a-decision-table.md").read_text("utf-8")
    first, second, _ = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    flood = compile_decision(first)
    assert flood.warnings == ()
    assert flood.decide({"water level": 4, "kind": "gas"}).outputs == {"level": 3, "unit": "gas-gas"}
    assert flood.decide({"water level": 4}).outputs == {"level": None, "unit": "water"}
    storm = compile_decision(second)
    assert [storm.decide({"rain": 60, "schools": n}).outputs["level"] for n in (0, 1)] == [3, 1]
    listed = re.search(r"the functions (.*?)\. Nothing else", page, re.DOTALL)
    assert listed and set(re.findall(r"`([a-z ]+)`", listed[1])) == FUNCTIONS.keys() - {"not"}


def test_a_table_of_twenty_rules_is_quick() -> None:
    """A guard against a slow path creeping in, far below what one core does, in its own time."""
    rules = [row(f"[{n}..{n + 1})", kind, n % 4 + 1, f"u{n}") for n in range(10) for kind in ("flood", "fire, gas")]
    decide = compile_decision(table(*rules)).decide
    started = process_time()
    for n in range(2_000):
        decide({"water level": n % 10, "kind": "gas"})
    assert process_time() - started < 2_000 / 5_000

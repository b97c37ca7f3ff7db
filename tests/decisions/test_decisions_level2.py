"""Compliance level 2 of the DMN standard: every model and case, in every version of the file format."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from cityheart.command.decisions import dmn
from cityheart.command.decisions.compile import compile_decision, stored
from cityheart.command.decisions.models import Refused

MODELS: Mapping[str, Any] = yaml.safe_load((Path(__file__).parent / "level2.yaml").read_text("utf-8"))["models"]
SPACES = {version: space for space, version in dmn.NAMESPACES.items()}


def _under(parent: ElementTree.Element, tag: str, text: str | None = None, /, **given: str) -> ElementTree.Element:
    element = ElementTree.SubElement(parent, tag, {key: value for key, value in given.items() if value})
    if text is not None:
        ElementTree.SubElement(element, "text").text = text
    return element


def _types(root: ElementTree.Element, types: Mapping[str, Any]) -> None:
    for name, kind in types.items():
        many = isinstance(kind, list) and (len(kind) == 1 or kind[-1] == "list")
        item = _under(root, "itemDefinition", name=name, isCollection="true" if many else "")
        inner = kind[0] if isinstance(kind, list) else kind
        if isinstance(inner, dict):
            for member, base in inner.items():
                part = _under(item, "itemComponent", name=member)
                ElementTree.SubElement(part, "typeRef").text = base
        else:
            ElementTree.SubElement(item, "typeRef").text = inner
            if len(kind) > 1:
                _under(item, "allowedValues", kind[1])


def drawn(model: Mapping[str, Any], version: str) -> bytes:
    """A model as a file of this version; 1.1 writes its types with a prefix and its elements with another."""
    prefix = "feel:" if version == "1.1" else ""
    root = ElementTree.Element("definitions", {"id": "model", "name": "level-2", "namespace": "urn:test"})
    _types(root, model.get("types", {}))
    needs = []
    for number, (name, kind) in enumerate(model.get("inputs", {}).items()):
        known = kind if kind in model.get("types", {}) else prefix + kind
        element = _under(root, "inputData", id=f"i{number}", name=name)
        _under(element, "variable", name=name, typeRef=known)
        needs.append(f"#i{number}")
    for number, (name, (kind, source)) in enumerate(model.get("expressions", {}).items()):
        element = _under(root, "decision", id=f"d{number}", name=name)
        _under(element, "variable", name=name, typeRef=prefix + kind)
        for need in needs:
            _under(_under(element, "informationRequirement"), "requiredInput", href=need)
        _under(element, "literalExpression", source)
    if "table" in model:
        _table(root, model, prefix)
    space = SPACES[version]
    root.set("xmlns:feel", "http://www.omg.org/spec/FEEL/20140401")
    if version != "1.1":
        root.set("xmlns", space)
        return ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    root.set("xmlns:semantic", space)
    for element in root.iter():
        element.tag = f"semantic:{element.tag}"
    return ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)


def _table(root: ElementTree.Element, model: Mapping[str, Any], prefix: str) -> None:
    spec = model["table"]
    decision = _under(root, "decision", id="d", name=spec["name"])
    kind = spec["type"] if spec["type"] in model.get("types", {}) else prefix + spec["type"]
    _under(decision, "variable", name=spec["name"], typeRef=kind)
    table = _under(decision, "decisionTable", hitPolicy=spec["hit"], aggregation=spec.get("aggregation", ""))
    for number, (source, base, *values) in enumerate(spec["columns"]):
        column = _under(table, "input", id=f"c{number}", label=source)
        _under(column, "inputExpression", source, typeRef=prefix + base)
        if values:
            _under(column, "inputValues", values[0])
    for number, (name, *more) in enumerate(spec["outputs"]):
        column = _under(
            table, "output", id=f"o{number}", name=name, typeRef=prefix + more[0] if more and more[0] else ""
        )
        if len(more) > 1 and more[1]:
            _under(column, "outputValues", more[1])
        if len(more) > 2:
            _under(column, "defaultOutputEntry", more[2])
    for number, rule in enumerate(model["rules"]):
        row = _under(table, "rule", id=f"r{number}")
        when, then = rule.split(" -> ")
        for cell in when.split(" ; "):
            _under(row, "inputEntry", cell)
        for cell in then.split(" ; "):
            _under(row, "outputEntry", cell)


CASES = [(name, number) for name, model in MODELS.items() for number in range(len(model["cases"]))]


def _expected(model: Mapping[str, Any], case: list[Any]) -> dict[str, object]:
    return {model["table"]["name"]: case[1]} if "table" in model else case[1]


@pytest.mark.parametrize("version", sorted(SPACES))
@pytest.mark.parametrize("name", MODELS)
def test_every_case_of_level_2_comes_out_as_the_kit_says(name: str, version: str) -> None:
    model = MODELS[name]
    decision = compile_decision(drawn(model, version))
    for case in model["cases"]:
        inputs = dict(zip(model.get("inputs", {}), case[0], strict=True))
        outcome = decision.decide(inputs)
        for decided, value in _expected(model, case).items():
            found = outcome.values[decided]
            assert found == (pytest.approx(value, abs=1e-8) if isinstance(value, float) else value), (decided, case)
            assert type(found) is type(value) or isinstance(value, float)


def test_the_kit_is_covered_as_far_as_is_said() -> None:
    """28 models have cases at level 2; all but the call of a knowledge model are here, each table among them."""
    assert len(MODELS) == 27
    assert sum("table" in model for model in MODELS.values()) == 17
    assert len(CASES) == 73


@pytest.mark.parametrize("name", MODELS)
def test_a_model_drawn_again_is_the_same(name: str) -> None:
    first = compile_decision(drawn(MODELS[name], "1.5"))
    again = compile_decision(dmn.draw(first.body))
    assert again.digest == first.digest
    assert stored(first.canonical).digest == first.digest


def test_what_is_called_is_outside_the_profile_by_its_id() -> None:
    """Model 0009 of the kit: a knowledge model and its call."""
    source = b"""<definitions xmlns="https://www.omg.org/spec/DMN/20230324/MODEL/" id="m" name="call">
      <decision id="d_MonthlyPayment" name="MonthlyPayment">
        <knowledgeRequirement id="k"><requiredKnowledge href="#b_PMT"/></knowledgeRequirement>
        <literalExpression><text>PMT(Loan.amount, Loan.rate, Loan.term)+fee</text></literalExpression>
      </decision>
      <businessKnowledgeModel id="b_PMT" name="PMT"/>
    </definitions>"""
    with pytest.raises(Refused) as caught:
        compile_decision(source)
    assert {problem.element for problem in caught.value.problems} == {"b_PMT", "k"}

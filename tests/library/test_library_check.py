"""Looking a draft over: all mistakes of all steps at once, and hints; the same from the command line and over the API."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from cityheart.cli import app
from cityheart.command.bpmn import compile_bpmn
from cityheart.command.library.checking import Checked, Sources, look_over
from cityheart.command.plan import compile
from cityheart.kernel.text import text

from ..bpmn.scene import Pen
from ..command.scene import UNITS, plan, step

SOURCES = Sources(UNITS)


def found(checked: Checked, severity: str = "error") -> set[tuple[str | None, str | None]]:
    return {(one.element, one.field) for one in checked.problems if one.severity == severity}


def test_every_step_that_is_wrong_is_named_in_yaml() -> None:
    body = plan(
        step("a", "navy"), step("b", due="soon", after=["a"]), step("c", after=["nowhere"]), step("d", when="wind > 3"),
        step("e", title={"en": "only"}), step("fine", after=["a", "b", "e"]),
        {"id": "f", "title": text("定", "F"), "does": "decide", "table": "none.such"},
    )  # fmt: skip
    checked = look_over("yaml", yaml.safe_dump(body), SOURCES)
    assert {element for element, _ in found(checked)} == {"a", "b", "c", "d", "e", "f"}
    assert not checked.ok


@pytest.mark.parametrize(
    "source", ["", "plan: [", "just words", "plan: &a x\nversion: *a", "- 1", "steps: 5", "steps: []", "steps: [1]",
               "steps: [{id: 5}]", "steps: [{id: a}, {id: a}]", "? [a]\n: b", "x: 2015-99-99", "!!python/object:os.x {}"],
)  # fmt: skip
def test_what_is_no_plan_is_told_not_raised(source: str) -> None:
    checked = look_over("yaml", source, SOURCES)
    assert not checked.ok and checked.problems
    assert all(one.detail["en"] and one.remedy["en"] for one in checked.problems)


@pytest.mark.parametrize("kind", ["yaml", "bpmn", "dmn"])
@pytest.mark.parametrize("source", ["", "<", "{}", "\ufeff", "[" * 5_000, "a: " * 2_000])
def test_nonsense_of_every_kind(kind: str, source: str) -> None:
    assert not look_over(kind, source, SOURCES).ok


def test_mistakes_of_the_language_are_told_at_the_element() -> None:
    pen = (
        Pen()
        .start()
        .task("Task_A", ch__when="wind > 3")
        .task("Task_B", ch__clauses="§3")
        .flow("begin", "Task_A", "Task_B")
    )
    assert {element for element, _ in found(look_over("bpmn", pen.xml(), SOURCES))} == {"Task_A", "Task_B"}


def test_hints_do_not_stop_a_plan() -> None:
    form = {"type": "object", "properties": {"n": {"type": "integer"}}}
    body = plan(
        step("a", accept_within="PT3H", verify_by="industry", evidence=[{"kind": "form", "schema": form}], sets={"n": "n"}),
        step("b", title=text("a步", "a"), evidence=[{"kind": "note"}], escalate=[{"at": "P3D", "to": "mayor"}]),
    )  # fmt: skip
    checked = look_over("yaml", yaml.safe_dump(body), SOURCES)
    assert checked.ok and not found(checked)
    hinted = found(checked, "warning")
    assert {("a", "escalate"), ("a", "verify_by"), ("a", "accept_within"), ("a", "sets"), ("b", "title"), ("b", "escalate"),
            (None, "for")} <= hinted  # fmt: skip


def test_a_plan_with_nothing_to_say_against() -> None:
    body = plan(
        step("a", evidence=[{"kind": "note"}], escalate=[{"at": "due", "to": "mayor"}]),
        **{"for": {"kind": "fire", "levels": [1]}},
    )
    assert look_over("yaml", yaml.safe_dump(body), SOURCES).problems == ()


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200"})
    return result.exit_code, result.output


def test_check_and_draw_from_the_command_line(tmp_path: Path) -> None:
    good, bad, drawing = tmp_path / "good.yaml", tmp_path / "bad.bpmn", tmp_path / "good.bpmn"
    good.write_text(yaml.safe_dump(plan(step("a"), step("b", after=["a"])), allow_unicode=True), "utf-8")
    bad.write_bytes(Pen().start().put("scriptTask", "run").flow("begin", "run").xml())
    code, said = run("plans", "check", str(good), str(bad))
    assert code == 2
    said = "".join(said.splitlines())  # however wide the screen is
    assert (
        f"{good}: ok" in said
        and f"{bad}: cannot be published" in said
        and "run: not part of how plans are drawn: a script task" in said
    )
    code, said = run("plans", "check", "--json", str(good))
    assert code == 0 and json.loads(said)[0]["ok"] is True
    code, said = run("plans", "draw", str(good), "-o", str(drawing))
    assert code == 0
    assert compile(dict(compile_bpmn(drawing.read_bytes()).plan)).digest == compile(good.read_text("utf-8")).digest
    assert run("plans", "check", str(drawing))[0] == 0


def test_files_that_belong_together_are_checked_together(tmp_path: Path) -> None:
    calling, called = tmp_path / "a.yaml", tmp_path / "b.yaml"
    more = {"id": "more", "title": text("疏散", "More"), "call": {"plan": "evacuate"}}
    calling.write_text(yaml.safe_dump(plan(step("a"), more), allow_unicode=True), "utf-8")
    called.write_text(yaml.safe_dump(plan(step("out"), plan="evacuate"), allow_unicode=True), "utf-8")
    assert run("plans", "check", str(calling))[0] == 2
    assert run("plans", "check", str(calling), str(called))[0] == 0
    drawing = tmp_path / "a.bpmn"
    assert run("plans", "draw", str(calling), "-o", str(drawing))[0] == 0, "what is called need not be there"
    assert b'calledElement="evacuate"' in drawing.read_bytes()


def test_files_that_are_no_plans(tmp_path: Path) -> None:
    odd = tmp_path / "plan.docx"
    odd.write_bytes(b"x")
    for arguments in (["check", str(odd)], ["check", str(tmp_path / "none.yaml")], ["draw", str(odd), "-o", str(odd)]):
        result = CliRunner().invoke(app, ["plans", *arguments])
        assert result.exit_code != 0 and result.exception is not None

"""A draft looked over: everything that is wrong with it at once, and what may be thought over."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import cast

import yaml

import cityheart.command.plan as plan_language
from cityheart.command import expression
from cityheart.command.bpmn import Problem, compile_bpmn
from cityheart.command.bpmn.problems import Found, Refused
from cityheart.command.decisions.compile import compile_decision
from cityheart.command.decisions.models import Decision
from cityheart.command.decisions.models import Refused as DecisionRefused
from cityheart.command.models import Plan, Step
from cityheart.kernel import limits
from cityheart.kernel.errors import Invalid, TooLarge
from cityheart.kernel.text import Text, text

__all__ = ["Checked", "Sources", "look_over"]

Units = Mapping[str, Text]


@dataclass(frozen=True, slots=True)
class Sources:
    """What a draft is checked against: departments with their titles (``None`` takes any), tables and plans published."""

    units: Units | None = None
    tables: Callable[[str, str | None], plan_language.Table | None] | None = None
    plans: Callable[[str, str | None], Plan | None] | None = None


@dataclass(frozen=True, slots=True)
class Checked:
    """What came of it: a plan or a decision when it can be published, and all problems and hints."""

    plan: Plan | None
    decision: Decision | None
    problems: tuple[Problem, ...]

    @property
    def ok(self) -> bool:
        """Whether it can be published."""
        return self.plan is not None or self.decision is not None


def look_over(kind: str, source: str | bytes, sources: Sources) -> Checked:
    """Check a draft of kind yaml, bpmn or dmn. Nothing about its content raises; what is wrong is in ``problems``."""
    found = Found()
    try:
        if kind == "dmn":
            return _decision(source)
        return _plan(kind, source, sources, found)
    except Refused as refused:
        return Checked(None, None, refused.problems)
    except (Invalid, TooLarge) as error:
        found.error(None, error.both()[0], _remedy(error))
        return Checked(None, None, tuple(found.listed()))


def _decision(source: str | bytes) -> Checked:
    try:
        decision = compile_decision(source)
    except DecisionRefused as refused:
        problems = [Problem(one.element, one.detail, one.remedy) for one in refused.problems]
        return Checked(None, None, tuple(problems))
    hints = [Problem(one.element, one.detail, one.remedy, "warning") for one in decision.warnings]
    return Checked(None, decision, tuple(hints))


def _plan(kind: str, source: str | bytes, sources: Sources, found: Found) -> Checked:
    elements: Mapping[str, str] = {}
    mapping: str | Mapping[str, object]
    if kind == "bpmn":
        outputs = None if sources.tables is None else _outputs(sources)
        drawing = compile_bpmn(source, units=sources.units, outputs=outputs)
        mapping, elements = drawing.plan, drawing.elements
        for problem in drawing.problems:
            found.warning(problem.element, problem.detail, problem.remedy, problem.field)
    else:
        mapping = source if isinstance(source, str) else source.decode("utf-8", "replace")
    plan = every_problem(mapping, sources, elements, found)
    if plan is not None:
        hints(plan, elements, found)
    return Checked(None if found.errors else plan, None, tuple(found.listed()))


def _outputs(sources: Sources) -> Callable[[str], Collection[str]]:
    def outputs(name: str) -> Collection[str]:
        assert sources.tables is not None
        table = sources.tables(name, None)
        return table.outputs if table else ()

    return outputs


def _remedy(error: Invalid | TooLarge) -> Text:
    return error.both()[1] or text("请改正", "mend it")


def every_problem(
    written: str | Mapping[str, object], sources: Sources, elements: Mapping[str, str], found: Found
) -> Plan | None:
    """The plan that compiles, or ``None`` after telling what is wrong with each of its steps.

    The language refuses at the first mistake. Here the step that has it is replaced by a plain one of the same name, and
    the rest is looked at again.
    """
    current = written
    compiled: Plan | None = None
    for _ in range(limits.PLAN_STEPS + 1):
        try:
            compiled = plan_language.compile(
                current,
                None if sources.units is None else sources.units.keys(),
                tables=sources.tables,
                plans=sources.plans,
            )
            break
        except (Invalid, TooLarge) as error:
            id = error.extra.get("step")
            element = None if id is None else elements.get(str(id), str(id))
            found.error(element, error.both()[0], _remedy(error))
            if id is not None and isinstance(current, str):
                current = cast("Mapping[str, object]", yaml.safe_load(current))  # it was read once: it is plain YAML
            mended = None if isinstance(current, str) else _stood_in(current, id, sources.units)
            if mended is None:
                break
            current = mended
    return None if found.errors else compiled


def _stood_in(plan: Mapping[str, object], id: object, units: Units | None) -> dict[str, object] | None:
    """The plan with a plain step in the place of the wrong one; ``None`` when that cannot help."""
    steps = plan.get("steps")
    if id is None or not isinstance(steps, list):
        return None
    places = [n for n, step in enumerate(steps) if isinstance(step, Mapping) and step.get("id") == id]
    if not places:
        return None
    wrong = cast("Mapping[str, object]", steps[places[-1]])
    plain: dict[str, object] = {"id": id, "title": text("步骤", "Step"), "unit": next(iter(units or {}), "unit"),
                                "accept_within": "PT1M", "due": "PT2M"}  # fmt: skip
    known = [step.get("id") for step in steps if isinstance(step, Mapping)]
    after = wrong.get("after")
    if isinstance(after, list):
        plain["after"] = [one for one in after if one in known and one != id]
    if isinstance(wrong.get("sets"), dict):
        plain["sets"] = wrong["sets"]
    if plain == wrong or _same(plain, wrong):
        return None
    replaced = [step for n, step in enumerate(steps) if n not in places[:-1]]
    replaced[replaced.index(wrong)] = plain
    return {**plan, "steps": replaced}


def _same(one: Mapping[str, object], other: Mapping[str, object]) -> bool:
    return json.dumps(one, sort_keys=True, default=str) == json.dumps(other, sort_keys=True, default=str)


# ── hints ──────────────────────────────────────────────────────────────────────────────────────────────────────


def hints(plan: Plan, elements: Mapping[str, str], found: Found) -> None:
    """What a plan's author may have forgotten: nothing that stops it from being published."""

    def say(step: Step, detail: Text, remedy: Text, field: str) -> None:
        found.warning(elements.get(step.id, step.id), detail, remedy, field)

    tasks = [step for step in plan.steps if not step.automatic]
    for step in tasks:
        if not step.escalate:
            say(step, text("没有设置催办升级：超时后无人得知", "nobody is told when it is late: it has no escalation"),
                text("例如办理超时报值班长", "e.g. tell the duty officer when it is due"), "escalate")  # fmt: skip
        if not step.evidence:
            say(step, text("没有要求反馈材料，核查时无据可查", "it asks for no evidence to be checked by"),
                text("至少要求文字说明", "ask for a note at least"), "evidence")  # fmt: skip
        if step.verify_by == step.unit and step.unit:
            say(step, text("承办部门自己核查自己", "the department that does it verifies it itself"),
                text("改由其他部门核查", "let another department or the coordinator verify it"), "verify_by")  # fmt: skip
        if step.accept_within.total_seconds() > 0.5 * step.due.total_seconds() and step.due.days < 1:
            say(step, text("签收时限占了办理时限的一半以上", "more than half of the time may pass before it is accepted"),
                text("缩短签收时限", "shorten the time to accept"), "accept_within")  # fmt: skip
    _hint_order(plan, tasks, say)
    if plan.kind is None:
        found.warning(
            None,
            text(
                "没有说明适用的事件类型和级别，不会被推荐", "it does not say what it is for, so it is never suggested"
            ),
            text("填写 for：事件类型和级别", "fill in for: kind and levels"),
            "for",
        )


def _hint_order(plan: Plan, tasks: list[Step], say: Callable[[Step, Text, Text, str], None]) -> None:
    names: dict[str, Step] = {}
    for step in tasks:
        spoken = step.title["zh-CN"], step.unit
        if str(spoken) in names:
            say(step, text(f"与步骤 {names[str(spoken)].id} 同名同部门", f"same name and department as {names[str(spoken)].id}"),
                text("合并，或换个名称", "join them, or name it otherwise"), "title")  # fmt: skip
        names.setdefault(str(spoken), step)
        for rung in step.escalate:
            if not isinstance(rung.at, str) and rung.at > 4 * step.due:
                say(step, text("有一级催办远在办理时限之后", "a rung of its ladder comes long after it is due"),
                    text("提前该级", "let it come sooner"), "escalate")  # fmt: skip
    setters = {name for step in plan.steps for name in (*step.outputs, *step.sets)}
    read = {word for step in plan.steps for word in _words(step)}
    for step in plan.steps:
        for name in (*step.outputs, *step.sets):
            if name in setters and name not in read:
                say(step, text(f"设定了 {name}，但没有步骤用到它", f"it sets {name}, which no step reads"),
                    text("在条件中使用，或去掉", "use it in a condition or as a department, or drop it"), "sets")  # fmt: skip


def _words(step: Step) -> set[str]:
    """The names a step reads."""
    values: list[object] = [step.unit, *step.inputs.values(), *step.payload.values()]
    found = {value[1:] for value in values if isinstance(value, str) and value.startswith("$")}
    return found | (expression.parse(step.when).names if step.when else set())

"""The effective plan of a run: its plan with lists unrolled, names that are known filled in, and the run's own changes.

A pure function of the plan, of what was known when the run began, and of the changes made since; the plan itself is
never different.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from cityheart.command import plan as language
from cityheart.command.models import Item, Patch, Plan, Step, Value
from cityheart.kernel import limits
from cityheart.kernel.errors import Invalid
from cityheart.kernel.text import Text, text

__all__ = ["unroll"]

_NO_TITLES: Mapping[str, Text] = MappingProxyType({})


def unroll(
    plan: Plan, context: Mapping[str, Value], patches: Sequence[Patch] = (), titles: Mapping[str, Text] = _NO_TITLES
) -> Plan:
    """The steps of a run that began with ``context`` and was changed by ``patches``, under the plan's name and digest.

    A step done for each of a list becomes one step an item; ``titles`` gives items names that people know. Raises
    :class:`Invalid` when a list of the context cannot be used, or there are more than ``limits.RUN_STEPS`` steps.
    """
    named = any(step.unit.startswith("$") or step.each for step in plan.steps)
    if not patches and not named:
        return plan
    steps, groups = _unrolled(plan.steps, context, titles, {})
    variables = set(plan.variables)
    for patch in patches:
        if patch.op == "add":
            assert patch.spec is not None
            added = language.added_step(patch.spec["step"])
            new, groups = _unrolled([added], context, titles, groups)
            held = {id for each in _names(patch.spec.get("before")) for id in groups.get(each, (each,))}
            ids = tuple(step.id for step in new)
            steps = [replace(step, after=(*step.after, *ids)) if step.id in held else step for step in steps] + new
            variables |= {*added.outputs, *added.sets}
            if added.during is not None and added.during.interrupt:
                variables |= {language.interrupted(id) for id in added.during.steps}
        elif patch.op == "reassign":
            assert patch.unit is not None
            mine = groups.get(patch.step, (patch.step,))
            steps = [replace(step, unit=patch.unit) if step.id in mine else step for step in steps]
    if len(steps) > limits.RUN_STEPS:
        raise Invalid(
            f"with its lists the plan has {len(steps)} steps, more than {limits.RUN_STEPS}", remedy="shorten the lists"
        )
    by_id = {step.id: step for step in steps}
    if len(by_id) < len(steps):
        twice = next(step.id for number, step in enumerate(steps) if step.id in {each.id for each in steps[:number]})
        raise Invalid(
            f"with its lists the plan has step {twice} twice", remedy="give one of them another id", step=twice
        )
    return replace(plan, steps=tuple(steps), by_id=MappingProxyType(by_id), variables=frozenset(variables))


def _unrolled(
    steps: Sequence[Step],
    context: Mapping[str, Value],
    titles: Mapping[str, Text],
    known: Mapping[str, tuple[str, ...]],
) -> tuple[list[Step], dict[str, tuple[str, ...]]]:
    """The steps, one for each item where they have a list, and for each step of the plan the steps made of it."""
    items = {step.id: _items(step, context) for step in steps if step.each is not None}
    groups = {**known, **{id: tuple(f"{id}-{item.id}" for item in found) for id, found in items.items()}}
    made: list[Step] = []
    for step in steps:
        after = tuple(dict.fromkeys(id for before in step.after for id in groups.get(before, (before,))))
        during = step.during
        if during is not None:
            during = replace(during, steps=tuple(id for each in during.steps for id in groups.get(each, (each,))))
        step = replace(step, after=after, during=during, origin_id=step.id)
        if step.each is None:
            made.append(replace(step, unit=_unit(step.unit, context)))
            continue
        for item in items[step.id]:
            bound: dict[str, Value] = {step.each.name: item.value}
            made.append(replace(
                step, id=f"{step.id}-{item.id}", title=_title(step.title, item, titles), each=None, bound=bound,
                unit=_unit(step.unit, {**context, **bound}),
            ))  # fmt: skip
    return made, groups


def _items(step: Step, context: Mapping[str, Value]) -> tuple[Item, ...]:
    assert step.each is not None
    if step.each.of is None:
        return step.each.items
    listed = context.get(step.each.of)
    if not isinstance(listed, list):
        raise Invalid(f"{step.each.of} cannot be {listed!r}", remedy="give a list, e.g. [east, west]", step=step.id)
    return language.items_of(listed, f"step {step.id}, {step.each.of}", step.id)


def _unit(unit: str, context: Mapping[str, Value]) -> str:
    """The department, when the name that stands for it is known; else the name, until the step is released."""
    return str(context[unit[1:]]) if unit.startswith("$") and unit[1:] in context else unit


def _title(title: Text, item: Item, titles: Mapping[str, Text]) -> Text:
    shown = item.title or titles.get(item.value) or text(item.value, item.value)
    return text(f"{title['zh-CN']}（{shown['zh-CN']}）", f"{title['en']} ({shown['en']})")


def _names(raw: object) -> list[str]:
    return [str(each) for each in raw] if isinstance(raw, list) else []

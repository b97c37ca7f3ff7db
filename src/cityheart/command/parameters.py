"""What a run begins with: the plan's parameters, as they are declared or as whoever dispatches gives them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from math import isfinite

from cityheart.command.models import Incident, Plan, Step, Value
from cityheart.kernel import limits
from cityheart.kernel.errors import Invalid

__all__ = ["begun_with"]


def begun_with(plan: Plan, given: Mapping[str, Value], incident: Incident, units: Collection[str]) -> dict[str, Value]:
    """Every parameter with its value, and the ``level`` and ``kind`` of the incident; ``units`` are the departments.

    Raises :class:`Invalid`, whose ``parameter`` says which one, for one that the plan does not have, for a value unlike the
    one declared, and for a department that does not exist.
    """
    strange = sorted(given.keys() - plan.parameters.keys())
    if strange:
        has = ", ".join(sorted(plan.parameters)) or "none"
        raise Invalid(f"the plan has no parameter {', '.join(strange)}", remedy=f"it has {has}", parameter=strange[0])
    for name, value in given.items():
        if not _like(value, plan.parameters[name]):
            like = f"give it a value like {plan.parameters[name]!r}"
            raise Invalid(f"the parameter {name} is {_short(value)}", remedy=like, parameter=name)
    known: dict[str, Value] = {**plan.parameters, **given}
    for step in plan.steps:
        for name, unit in _departments(step, known):
            if unit not in units:
                raise Invalid(
                    f"step {step.id}: there is no department {_short(unit)}",
                    remedy=f"departments: {', '.join(sorted(units))}",
                    step=step.id,
                    parameter=name,
                )
    level = incident.level if incident.level is not None else 4
    return {**known, "level": level, "kind": incident.kind}


def _departments(step: Step, known: Mapping[str, Value]) -> list[tuple[str, Value]]:
    """The departments that parameters name for a step, each with its parameter."""
    if not step.unit.startswith("$"):
        return []
    each = step.each
    if each is not None and step.unit == f"${each.name}":
        listed = known.get(each.of or "", [])
        return [(each.of or "", unit) for unit in listed] if isinstance(listed, list) else []
    name = step.unit[1:]
    return [(name, known[name])] if name in known else []


def _like(value: Value, declared: Value) -> bool:
    """Whether a value may stand for the one that the plan declares."""
    if isinstance(value, list):
        return isinstance(declared, list) and (not declared or all(_like(one, declared[0]) for one in value))
    if isinstance(value, bool) or isinstance(declared, bool):
        return isinstance(value, bool) and isinstance(declared, bool)
    if isinstance(value, (int, float)):
        return isinstance(declared, (int, float)) and isfinite(value)
    return isinstance(declared, str) and len(value) <= limits.TEXT_CHARS and "\x00" not in value


def _short(value: Value) -> str:
    return repr(value) if len(repr(value)) <= 80 else f"{repr(value)[:80]}…"

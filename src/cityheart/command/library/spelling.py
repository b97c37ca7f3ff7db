"""A published plan written out as YAML, as a person would write it: nothing that goes without saying."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import cast

import yaml

from cityheart.command.models import Plan
from cityheart.kernel import limits

__all__ = ["as_yaml"]

_FIRST = (
    "plan", "version", "title", "source", "for", "valid_from", "valid_until", "parameters", "titles", "calls", "drawn",
)  # fmt: skip
_STEP = (
    "id", "title", "does", "unit", "each", "after", "during", "delay", "from", "when", "topic", "payload", "table",
    "decision", "inputs", "outputs", "accept_within", "due", "clock", "escalate", "evidence", "sets", "verify_by",
    "loop_guard", "clauses",
)  # fmt: skip
_UNSAID: tuple[object, ...] = (None, [], {}, "PT0S")


def as_yaml(plan: Plan) -> str:
    """The plan as YAML; compiled again it has the same digest."""
    body = cast("dict[str, object]", json.loads(plan.canonical))
    steps = cast("list[dict[str, object]]", body.pop("steps"))
    written = _ordered(body, _FIRST, ())
    written["steps"] = [_ordered(step, _STEP, _goes_without_saying(step)) for step in steps]
    return yaml.dump(written, Dumper=_Plain, allow_unicode=True, sort_keys=False, width=110)


def _goes_without_saying(step: Mapping[str, object]) -> tuple[str, ...]:
    unsaid = ["from"] if step.get("from") == ("predecessors" if step.get("after") else "start") else []
    return (*unsaid, *(["loop_guard"] if step.get("loop_guard") == limits.REWORK_ROUNDS else []))


def _ordered(given: Mapping[str, object], order: tuple[str, ...], unsaid: tuple[str, ...]) -> dict[str, object]:
    names = [*(name for name in order if name in given), *(name for name in given if name not in order)]
    return {name: given[name] for name in names if name not in unsaid and given[name] not in _UNSAID}


class _Plain(yaml.SafeDumper):
    """Without anchors, which the plan language does not read."""

    def ignore_aliases(self, data: object) -> bool:
        """Every value is written out."""
        return True

"""What changed between two versions of a plan, field by field."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import cast

from cityheart.command.models import Plan
from cityheart.kernel import limits

__all__ = ["difference"]

# what a field is when it is left out
_DEFAULTS: Mapping[str, object] = {
    "after": [], "delay": "PT0S", "escalate": [], "evidence": [], "clock": "elapsed", "does": "task",
    "loop_guard": limits.REWORK_ROUNDS, "sets": {}, "clauses": [], "payload": {}, "inputs": {}, "outputs": [],
}  # fmt: skip


def difference(before: Plan, after: Plan) -> dict[str, object]:
    """``{steps: {added, removed, changed: [{id, field, before, after}]}, fields: [{field, before, after}]}``.

    A step is the same when its id is. Steps and fields stand in the order of ``after``'s plan.
    """
    old, new = _body(before), _body(after)
    old_steps, new_steps = _steps(old), _steps(new)
    changed = [
        {"id": id, **change}
        for id, step in new_steps.items()
        if id in old_steps
        for change in _changes(old_steps[id], step, leave=("id",))
    ]
    return {
        "steps": {
            "added": [id for id in new_steps if id not in old_steps],
            "removed": [id for id in old_steps if id not in new_steps],
            "changed": changed,
        },
        "fields": _changes(old, new, leave=("steps",)),
    }


def _body(plan: Plan) -> Mapping[str, object]:
    return cast("Mapping[str, object]", json.loads(plan.canonical))


def _steps(body: Mapping[str, object]) -> dict[str, Mapping[str, object]]:
    return {str(step["id"]): step for step in cast("list[Mapping[str, object]]", body["steps"])}


def _changes(
    before: Mapping[str, object], after: Mapping[str, object], leave: tuple[str, ...]
) -> list[dict[str, object]]:
    found = []
    for field in dict.fromkeys((*after, *before)):
        was, now = (one.get(field, _DEFAULTS.get(field)) for one in (before, after))
        if field not in leave and was != now:
            found.append({"field": field, "before": was, "after": now})
    return found

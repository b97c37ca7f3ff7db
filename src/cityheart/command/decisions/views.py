"""Decisions and outcomes as the API shows them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from cityheart.command.decisions.models import Decision, Outcome, Step
from cityheart.command.decisions.values import plain

__all__ = ["decision_json", "outcome_json"]

_Rows = list[Mapping[str, object]]


def decision_json(decision: Decision) -> dict[str, object]:
    """A version: its inputs and outputs with their types, its tables as people see them, its hints."""
    return {
        "digest": decision.digest,
        "name": decision.name,
        "version": decision.version,
        "title": decision.title,
        "source": decision.source,
        "valid_from": decision.valid_from,
        "valid_until": decision.valid_until,
        "inputs": [{"id": each.id, "name": each.name, "type": each.type} for each in decision.inputs],
        "outputs": [{"name": each.name, "type": each.type, "many": each.many} for each in decision.outputs],
        "tables": decision.body["tables"],
        "warnings": [problem.json() for problem in decision.warnings],
    }


def outcome_json(decision: Decision, outcome: Outcome) -> dict[str, object]:
    """What was decided and why: for each table in its order what its columns read, and the rules that matched."""
    tables = {str(table["name"]): table for table in cast(_Rows, decision.body["tables"])}
    return {
        "outputs": dict(outcome.outputs),
        "matched": list(outcome.matched),
        "trace": [_step(tables[step.decision], step) for step in outcome.trace],
        "problems": [problem.json() for problem in outcome.problems],
    }


def _step(table: Mapping[str, object], step: Step) -> dict[str, object]:
    told: dict[str, object] = {"decision": step.decision, "value": plain(step.value)}
    if "expression" in table:
        return told | {"expression": table["expression"]}
    columns = [str(column.get("label") or column["expression"]) for column in cast(_Rows, table["inputs"])]
    matched = set(step.matched)
    rules = [rule for rule in cast(_Rows, table["rules"]) if rule["id"] in matched]
    return told | {
        "hit": table["hit"],
        "read": [{"column": name, "value": plain(value)} for name, value in zip(columns, step.read, strict=True)],
        "rules": [
            {"id": rule["id"], "when": rule["when"], "then": rule["then"], "note": rule.get("note")} for rule in rules
        ],
    }

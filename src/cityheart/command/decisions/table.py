"""A decision table as functions: which rules match, and what the hit policy makes of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from cityheart.command.decisions.feel import FUNCTIONS, Evaluate, Node, Scope, Tests
from cityheart.command.decisions.models import Problem, Step
from cityheart.command.decisions.values import equal, kind, spelled
from cityheart.kernel.text import text

__all__ = ["AGGREGATIONS", "POLICIES", "Column", "Expression", "Result", "Rule", "Table"]

POLICIES: Mapping[str, str] = {
    "U": "UNIQUE",
    "A": "ANY",
    "P": "PRIORITY",
    "F": "FIRST",
    "R": "RULE ORDER",
    "O": "OUTPUT ORDER",
    "C": "COLLECT",
}
AGGREGATIONS: Mapping[str, str] = {"+": "SUM", "#": "COUNT", "<": "MIN", ">": "MAX"}


@dataclass(frozen=True, slots=True)
class Column:
    """An input column: what it reads and which values are allowed; ``base`` is the kind of its values."""

    id: str
    source: str
    node: Node
    base: str | None
    allowed: Tests | None


@dataclass(frozen=True, slots=True)
class Result:
    """An output column. ``order`` are its allowed values, the first with the highest priority."""

    id: str
    name: str
    base: str | None
    order: tuple[object, ...]
    allowed: Tests | None
    default: Node | None


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule: its cells. ``checks`` are those that ask something, with their column's place."""

    id: str
    tests: tuple[Tests, ...]
    outputs: tuple[Node, ...]

    @property
    def checks(self) -> tuple[tuple[int, Callable[[object, Scope], bool | None]], ...]:
        """The cells that ask something."""
        return tuple((place, test.check) for place, test in enumerate(self.tests) if not test.anything)


class Expression:
    """A decision that is one expression."""

    def __init__(self, id: str, name: str, node: Node, base: str | None) -> None:
        self.id, self.name, self.node, self.base = id, name, node, base

    def decide(self, scope: Scope, problems: list[Problem]) -> Step:
        """Work it out."""
        value = self.node.evaluate(scope)
        if self.base is not None and value is not None and kind(value) != self.base:
            problems.append(_wrong_kind(self.id, value, self.base, None))
            value = None
        return Step(self.name, (), (), value)


class Table:
    """A decision that is a table."""

    def __init__(
        self,
        id: str,
        name: str,
        policy: str,
        columns: Sequence[Column],
        results: Sequence[Result],
        rules: Sequence[Rule],
    ) -> None:
        self.id, self.name, self.policy = id, name, policy
        self.columns, self.results, self.rules = tuple(columns), tuple(results), tuple(rules)
        self._reads: tuple[Evaluate, ...] = tuple(column.node.evaluate for column in columns)
        self._limited = tuple((place, column) for place, column in enumerate(columns) if column.allowed is not None)
        self._rules = tuple((rule.checks, rule) for rule in rules)
        self._first = policy == "F"
        self._single = len(self.results) == 1
        self._constant = {
            rule.id: self._made([node.value for node in rule.outputs])
            for rule in rules
            if all(node.constant for node in rule.outputs)
        }

    @property
    def many(self) -> bool:
        """Whether it gives a list, one entry for each rule that matched."""
        return self.policy in ("R", "O", "C")

    def decide(self, scope: Scope, problems: list[Problem]) -> Step:
        """Find the rules that match and what follows from them; what goes wrong is added to ``problems``."""
        values = tuple([read(scope) for read in self._reads])
        for place, column in self._limited:
            value = values[place]
            assert column.allowed is not None
            if value is not None and column.allowed.check(value, scope) is not True:
                problems.append(_not_allowed(column.id, value))
                return Step(self.name, values, (), None)
        matched = []
        for checks, rule in self._rules:
            for place, check in checks:
                if check(values[place], scope) is not True:
                    break
            else:
                matched.append(rule)
                if self._first:
                    break
        ids = tuple([rule.id for rule in matched])
        if not matched:
            return Step(self.name, values, (), self._nothing(scope))
        outputs = [self._output(rule, scope, problems) for rule in matched]
        used, value = self._made_of(ids, outputs, problems)
        return Step(self.name, values, used, value)

    def _made(self, values: Sequence[object]) -> object:
        if self._single:
            return values[0]
        return {result.name: value for result, value in zip(self.results, values, strict=True)}

    def _output(self, rule: Rule, scope: Scope, problems: list[Problem]) -> object:
        if rule.id in self._constant:
            return self._constant[rule.id]
        values = []
        for result, node in zip(self.results, rule.outputs, strict=True):
            value = node.evaluate(scope)
            if value is not None and not node.constant:
                if result.base is not None and kind(value) != result.base:
                    problems.append(_wrong_kind(rule.id, value, result.base, result.id))
                    value = None
                elif result.allowed is not None and result.allowed.check(value, scope) is not True:
                    problems.append(_not_allowed(result.id, value))
                    value = None
            values.append(value)
        return self._made(values)

    def _nothing(self, scope: Scope) -> object:
        """No rule matched: the defaults, else nothing."""
        defaults = [result.default for result in self.results]
        if any(default is not None for default in defaults):
            value = self._made([None if default is None else default.evaluate(scope) for default in defaults])
            return [value] if self.policy in ("R", "O", "C") else value
        if self.policy in ("R", "O", "C"):
            return []
        return FUNCTIONS["count"][2]([]) if self.policy == "C#" else None

    def _made_of(
        self, ids: tuple[str, ...], outputs: list[object], problems: list[Problem]
    ) -> tuple[tuple[str, ...], object]:
        policy = self.policy
        if policy == "U" and len(ids) > 1:
            problems.append(_several(self.id, ids))
            return ids, None
        if policy in ("U", "F"):
            return ids[:1], outputs[0]
        if policy == "A":
            if any(equal(output, outputs[0]) is not True for output in outputs[1:]):
                problems.append(_several(self.id, ids))
                return ids, None
            return ids, outputs[0]
        if policy in ("P", "O"):
            order = sorted(range(len(ids)), key=lambda place: self._priority(outputs[place]))
            if policy == "P":
                return (ids[order[0]],), outputs[order[0]]
            return tuple(ids[place] for place in order), [outputs[place] for place in order]
        if policy in ("R", "C"):
            return ids, outputs
        function = {"C+": "sum", "C#": "count", "C<": "min", "C>": "max"}[policy]
        return ids, FUNCTIONS[function][2](outputs)

    def _priority(self, output: object) -> tuple[int, ...]:
        """Places of the output's values in the lists of allowed values: the smaller, the more important."""
        values = [output] if self._single else [output[result.name] for result in self.results]  # type: ignore[index]
        return tuple(
            result.order.index(value) if value in result.order else len(result.order)
            for result, value in zip(self.results, values, strict=True)
            if result.order
        )


def _several(table: str, ids: Sequence[str]) -> Problem:
    named = ", ".join(ids[:5])
    return Problem(
        table,
        text(f"规则 {named} 同时成立，结果不唯一", f"rules {named} match at once and do not agree"),
        text("收紧其中一条规则的条件", "narrow one of them"),
    )


def _not_allowed(element: str, value: object) -> Problem:
    return Problem(
        element,
        text(f"值 {spelled(value)} 不在允许的范围内", f"{spelled(value)} is not among the allowed values"),
        text("改正输入，或扩充允许的值", "correct the input, or allow the value"),
    )


def _wrong_kind(element: str, value: object, wanted: str, column: str | None) -> Problem:
    return Problem(
        element,
        text(f"值 {spelled(value)} 的类型不是 {wanted}", f"{spelled(value)} is not of type {wanted}"),
        text("改正表达式或类型", "mend the expression or the type"),
        column,
    )

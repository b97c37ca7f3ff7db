"""The closed language of a step's ``when``: names, literals, comparisons, ``and or not in``; nothing is called.

Grammar::

    or      = and { "or" and }
    and     = not { "and" not }
    not     = "not" not | compare
    compare = operand [ ("==" | "!=" | "<" | "<=" | ">" | ">=" | "in" | "not" "in") operand ]
    operand = number | 'string' | true | false | name | "[" operand { "," operand } "]" | "(" or ")"
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cityheart.kernel import limits
from cityheart.kernel.errors import Invalid

__all__ = ["Expression", "Value", "parse"]

Value = bool | int | float | str | list["Value"]
Evaluate = Callable[[Mapping[str, Value]], Value]

_TOKEN = re.compile(r"\s*(?:(\d+(?:\.\d+)?)|'([^']*)'|([A-Za-z_][A-Za-z0-9_]*)|(==|!=|<=|>=|<|>|\(|\)|\[|\]|,|-))")
_COMPARE: Mapping[str, Callable[[Value, Value], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": lambda a, b: _number(a) < _number(b),
    "<=": lambda a, b: _number(a) <= _number(b),
    ">": lambda a, b: _number(a) > _number(b),
    ">=": lambda a, b: _number(a) >= _number(b),
    "in": lambda a, b: a in _list(b),
}
_WORDS = frozenset({"and", "or", "not", "in", "true", "false"})


@dataclass(frozen=True, slots=True)
class Expression:
    """A parsed condition: its source, the names it reads, and how to evaluate it."""

    source: str
    names: frozenset[str]
    evaluate: Evaluate

    def holds(self, context: Mapping[str, Value]) -> bool:
        """Whether the condition is true in ``context``. Raises :class:`Invalid` when it is not true or false."""
        value = self.evaluate(context)
        if not isinstance(value, bool):
            raise Invalid(f"the condition {self.source!r} is neither true nor false", remedy="compare with ==, <, in …")
        return value


def parse(source: str) -> Expression:
    """Read a condition. Raises :class:`Invalid` naming the place that cannot be read."""
    if len(source) > limits.CONDITION_CHARS:
        raise Invalid(f"a condition has at most {limits.CONDITION_CHARS} characters", remedy="split the step")
    reading = _Reading(source)
    evaluate = reading.either(0)
    if reading.peek() is not None:
        raise reading.error(f"{reading.peek()!r} is not expected")
    return Expression(source, frozenset(reading.names), evaluate)


class _Reading:
    def __init__(self, source: str) -> None:
        self.source = source
        self.tokens = list(self._tokens())
        self.position = 0
        self.names: set[str] = set()

    def _tokens(self) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        at, end = 0, len(self.source.rstrip())
        while at < end:
            match = _TOKEN.match(self.source, at)
            if match is None:
                raise self.error(f"character {at + 1} cannot be read")
            kind = ("number", "string", "word", "sign")[(match.lastindex or 1) - 1]
            found.append((kind, match[match.lastindex or 0]))
            at = match.end()
        return found

    def error(self, what: str) -> Invalid:
        return Invalid(f"condition {self.source!r}: {what}", remedy="e.g. level <= 2 and kind == 'fire'")

    def peek(self, ahead: int = 0) -> str | None:
        index = self.position + ahead
        if index >= len(self.tokens) or self.tokens[index][0] in ("number", "string"):
            return None if index >= len(self.tokens) else ""
        return self.tokens[index][1]

    def take(self, *wanted: str) -> str | None:
        found = self.peek()
        if found and found in wanted:
            self.position += 1
            return found
        return None

    def either(self, depth: int) -> Evaluate:
        if depth > limits.CONDITION_DEPTH:
            raise self.error("too many brackets")
        parts = [self.both(depth)]
        while self.take("or"):
            parts.append(self.both(depth))
        return parts[0] if len(parts) == 1 else lambda context: any(_truth(part(context)) for part in parts)

    def both(self, depth: int) -> Evaluate:
        parts = [self.negation(depth)]
        while self.take("and"):
            parts.append(self.negation(depth))
        return parts[0] if len(parts) == 1 else lambda context: all(_truth(part(context)) for part in parts)

    def negation(self, depth: int) -> Evaluate:
        if depth > limits.CONDITION_DEPTH:
            raise self.error("too many negations")
        if self.take("not"):
            inner = self.negation(depth + 1)
            return lambda context: not _truth(inner(context))
        return self.comparison(depth)

    def comparison(self, depth: int) -> Evaluate:
        left = self.operand(depth)
        if self.peek() == "not" and self.peek(1) == "in":
            self.position += 2
            outside = self.operand(depth)
            return lambda context: left(context) not in _list(outside(context))
        sign = self.take(*_COMPARE)
        if sign is None:
            return left
        compare, right = _COMPARE[sign], self.operand(depth)
        return lambda context: compare(left(context), right(context))

    def operand(self, depth: int) -> Evaluate:
        if self.position >= len(self.tokens):
            raise self.error("it ends too early")
        if self.take("("):
            inner = self.either(depth + 1)
            self.close(")")
            return inner
        if self.take("["):
            if depth >= limits.CONDITION_DEPTH:
                raise self.error("too many brackets")
            items = [self.operand(depth + 1)]
            while self.take(","):
                items.append(self.operand(depth + 1))
            self.close("]")
            return lambda context: [item(context) for item in items]
        sign = -1 if self.take("-") else 1
        if self.position >= len(self.tokens):
            raise self.error("it ends too early")
        kind, found = self.tokens[self.position]
        self.position += 1
        if kind == "number":
            number: Value = sign * (float(found) if "." in found else int(found))
            return lambda context: number
        if sign == -1:
            raise self.error("a minus sign stands before a number only")
        if kind == "string":
            return lambda context: found
        if kind == "sign" or (found in _WORDS and found not in ("true", "false")):
            raise self.error(f"{found!r} is not expected")
        if found in ("true", "false"):
            truth = found == "true"
            return lambda context: truth
        self.names.add(found)
        return lambda context: _named(context, found)

    def close(self, bracket: str) -> None:
        if not self.take(bracket):
            raise self.error(f"{bracket!r} is missing")


def _named(context: Mapping[str, Value], name: str) -> Value:
    if name not in context:
        raise Invalid(f"nothing is known about {name!r}", remedy="declare it under parameters of the plan")
    return context[name]


def _truth(value: Value) -> bool:
    if not isinstance(value, bool):
        raise Invalid(f"{value!r} is neither true nor false", remedy="compare with ==, <, in …")
    return value


def _number(value: Value) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise Invalid(f"{value!r} is not a number", remedy="compare numbers with numbers")
    return value


def _list(value: Value) -> list[Value]:
    if not isinstance(value, list):
        raise Invalid(f"{value!r} is not a list", remedy="e.g. level in [1, 2]")
    return value

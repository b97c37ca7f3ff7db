"""The closed language of a step's ``when``: names, literals, comparisons, ``and or not in``; nothing is called.

Grammar::

    or      = and { "or" and }
    and     = not { "and" not }
    not     = "not" not | compare
    compare = operand [ ("==" | "!=" | "<" | "<=" | ">" | ">=" | "in" | "not" "in") operand ]
    operand = number | 'string' | true | false | name | "[" operand { "," operand } "]" | "(" or ")"
"""

from __future__ import annotations

import itertools
import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from cityheart.command.models import Value
from cityheart.kernel import limits
from cityheart.kernel.errors import Invalid

__all__ = ["Expression", "Value", "parse", "renamed"]

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
_WORD = re.compile(r"('[^']*')|[A-Za-z_][A-Za-z0-9_]*")
_WORDS = frozenset({"and", "or", "not", "in", "true", "false"})


@dataclass(frozen=True, slots=True)
class Expression:
    """A parsed condition: its source, the names it reads, the values it compares with, and how to evaluate it.

    ``simple`` says that every comparison is of a name with written values.
    """

    source: str
    names: frozenset[str]
    evaluate: Evaluate
    literals: tuple[Value, ...] = ()
    simple: bool = True

    def holds(self, context: Mapping[str, Value]) -> bool:
        """Whether the condition is true in ``context``. Raises :class:`Invalid` when it is not true or false."""
        value = self.evaluate(context)
        if not isinstance(value, bool):
            raise Invalid(f"the condition {self.source!r} is neither true nor false", remedy="compare with ==, <, in …")
        return value

    def never(self, kinds: Mapping[str, object]) -> bool:
        """Whether the condition is proven to hold for no values of its names.

        ``kinds`` gives for a name a list of all its values, or ``bool``, ``float``, ``str``, or nothing when any value
        may come. ``False`` means only that there is no proof.
        """
        domains = {name: _domain(kinds.get(name), self.literals) for name in sorted(self.names)}
        if not self.simple or math.prod(map(len, domains.values())) > limits.CONDITION_CASES:
            return False
        for values in itertools.product(*domains.values()):
            try:
                if self.holds(dict(zip(domains, values, strict=True))):
                    return False
            except Invalid:
                continue  # values that cannot be compared
        return True


def _domain(kind: object, literals: tuple[Value, ...]) -> list[Value]:
    """One value for every way in which a name of this kind can stand to the literals."""
    if isinstance(kind, list):
        return kind
    numbers = sorted({each for each in literals if isinstance(each, (int, float)) and not isinstance(each, bool)})
    texts = [each for each in literals if isinstance(each, str)]
    found: list[Value] = []
    if kind in (None, float):
        between: list[Value] = [(a + b) / 2 for a, b in itertools.pairwise(numbers)]
        outside: list[Value] = [numbers[0] - 1, numbers[-1] + 1] if numbers else [0]
        found += [*numbers, *between, *outside]
    if kind in (None, str):
        found += [*dict.fromkeys(texts), "".join(texts) + "x"]
    if kind in (None, bool):
        found += [False, True]
    return found


def renamed(source: str, names: Mapping[str, str]) -> str:
    """The condition with other names in place of those given; texts in quotes stay."""
    return _WORD.sub(lambda match: match[1] or names.get(match[0], match[0]), source)


@lru_cache(maxsize=4096)
def parse(source: str) -> Expression:
    """Read a condition. Raises :class:`Invalid` naming the place that cannot be read."""
    if len(source) > limits.CONDITION_CHARS:
        raise Invalid(f"a condition has at most {limits.CONDITION_CHARS} characters", remedy="split the step")
    reading = _Reading(source)
    evaluate = reading.either(0)
    if reading.peek() is not None:
        raise reading.error(f"{reading.peek()!r} is not expected")
    return Expression(source, frozenset(reading.names), evaluate, tuple(reading.literals), reading.simple)


class _Reading:
    def __init__(self, source: str) -> None:
        self.source = source
        self.tokens = list(self._tokens())
        self.position = 0
        self.names: set[str] = set()
        self.literals: list[Value] = []
        self.read: list[str] = []  # names, in the order they are read
        self.simple = True

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
        before = len(self.read)
        left = self.operand(depth)
        reads = len(self.read) > before
        if self.peek() == "not" and self.peek(1) == "in":
            self.position += 2
            outside = self.right(depth, reads)
            return lambda context: left(context) not in _list(outside(context))
        sign = self.take(*_COMPARE)
        if sign is None:
            return left
        compare, right = _COMPARE[sign], self.right(depth, reads or sign == "in")
        return lambda context: compare(left(context), right(context))

    def right(self, depth: int, plain: bool) -> Evaluate:
        """The operand on the right; where ``plain``, one that reads a name makes the condition hard to prove."""
        before = len(self.read)
        found = self.operand(depth)
        self.simple = self.simple and not (plain and len(self.read) > before)
        return found

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
            self.literals.append(number)
            return lambda context: number
        if sign == -1:
            raise self.error("a minus sign stands before a number only")
        if kind == "string":
            self.literals.append(found)
            return lambda context: found
        if kind == "sign" or (found in _WORDS and found not in ("true", "false")):
            raise self.error(f"{found!r} is not expected")
        if found in ("true", "false"):
            truth = found == "true"
            return lambda context: truth
        self.names.add(found)
        self.read.append(found)
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

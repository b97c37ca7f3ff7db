"""The decision language: S-FEEL of the DMN standard, closed. Text in, functions of Python out; nothing in it can run code.

Expressions: numbers, "text", booleans, null, dates, lists, ranges, names (with spaces, as people write them), members
(``loan.rate``), ``+ - * / **``, comparisons, ``between``, ``in``, ``and or not()``, ``if then else``, and the functions of
:data:`FUNCTIONS`. Tests of a table's cell: ``-``, values, ``< <= > >= = !=``, ranges ``[1..5)``, lists of these, ``not()``,
and expressions in which ``?`` is the value tested.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from cityheart.command.decisions import regions
from cityheart.command.decisions.functions import ARITHMETIC, FUNCTIONS, MADE, minus, part_of
from cityheart.command.decisions.regions import Region
from cityheart.command.decisions.values import (
    equal,
    kind,
    less,
    number,
    parse_date,
    parse_duration,
    parse_moment,
    parse_time,
)
from cityheart.kernel import limits
from cityheart.kernel.text import Text, text

__all__ = ["FUNCTIONS", "Fault", "Names", "Node", "Tests", "expression", "squeezed", "tests"]

Scope = Mapping[str, object]
Evaluate = Callable[[Scope], object]
Check = Callable[[object, Scope], bool | None]

TESTED = "?"  # the value that a cell tests
_SPACE = re.compile(r"(?:\s+|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
_NUMBER = re.compile(r"(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d{1,4})?")
_STRING = re.compile(r'"((?:[^"\\\n]|\\.)*)"')
_AT = re.compile(r'@"([^"\\\n]*)"')
_WORD = re.compile(r"[^\W\d]\w*")
_SIGN = re.compile(r"\*\*|\.\.|<=|>=|!=|[-+*/<>=()\[\],.?{}:;|&%^~$#'!\\`@\"]")
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{6})|(.))")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "'": "'", "\\": "\\"}
_RESERVED = frozenset({"and", "or", "between", "in", "if", "then", "else", "true", "false", "null"})
_NOT_HERE = frozenset({"for", "some", "every", "function", "instance", "return", "satisfies", "external"})
_FUNCTION = re.compile(
    "(" + "|".join(r"\s+".join(name.split()) for name in sorted(FUNCTIONS, key=len, reverse=True)) + r")\s*\("
)
_COMPARE = ("<=", ">=", "!=", "<", ">", "=")


class Fault(Exception):  # noqa: N818 - what is wrong with a piece of the language, in both languages
    """Why a text is not of the language, and what to write instead."""

    def __init__(self, detail: Text, remedy: Text) -> None:
        super().__init__(detail["en"])
        self.detail = detail
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class Range:
    """``[a..b]``; an end may be open."""

    low: Node
    low_in: bool
    high: Node
    high_in: bool


@dataclass(frozen=True, slots=True)
class Node:
    """A piece of an expression. ``names`` are those that it reads; a constant reads none and has its ``value``."""

    evaluate: Evaluate
    names: frozenset[str] = frozenset()
    value: object = None
    range: Range | None = None
    members: Mapping[str, object] | None = None

    @property
    def constant(self) -> bool:
        """Whether it has one value whatever is given."""
        return not self.names and self.range is None


@dataclass(frozen=True, slots=True)
class Tests:
    """What one cell asks of a value: ``check`` gives true, false or unknown (None).

    ``region`` is the same as a set when every value in the cell is a constant, else None. ``kinds`` are those of the
    constants, and ``values`` these constants in their order where the cell is a plain list of them.
    """

    check: Check
    names: frozenset[str]
    region: Region | None
    kinds: frozenset[str]
    values: tuple[object, ...] | None
    anything: bool = False


class Names:
    """The names that an expression may read, each with the members of its structure (None: a plain or unknown value)."""

    def __init__(self, known: Mapping[str, Mapping[str, object] | None]) -> None:
        self.known = {squeezed(name): members for name, members in known.items()}
        self.pattern = _longest(self.known)

    def listed(self) -> str:
        """For a remedy."""
        return ", ".join(sorted(self.known)) or "-"


def squeezed(name: str) -> str:
    """A name with its spaces as one space."""
    return " ".join(name.split())


def _longest(names: Collection[str]) -> re.Pattern[str] | None:
    if not names:
        return None
    ordered = sorted(names, key=len, reverse=True)
    spelled = (r"\s+".join(re.escape(part) for part in name.split()) for name in ordered)
    return re.compile(r"(?:" + "|".join(spelled) + r")(?!\w)")


def expression(source: str, names: Names) -> Node:
    """Read an expression. Raises :class:`Fault`."""
    reading = _Reading(source, names)
    node = reading.either()
    reading.end()
    if node.range is not None:
        raise Fault(
            text("区间本身不是一个值", "a range is not a value by itself"),
            text("在条件单元格中使用区间", "ranges belong into the cells of conditions"),
        )
    return node


def tests(source: str, names: Names) -> Tests:
    """Read the unary tests of one cell; an empty one is ``-``. Raises :class:`Fault`."""
    if source.strip() in ("", "-"):
        return Tests(lambda value, scope: True, frozenset(), regions.ANYTHING, frozenset(), None, anything=True)
    reading = _Reading(source, names)
    found = reading.unary()
    reading.end()
    return found


# ── reading ────────────────────────────────────────────────────────────────────────────────────────────────────


class _Reading:
    def __init__(self, source: str, names: Names) -> None:
        if len(source) > limits.DECISION_CELL_CHARS:
            raise Fault(
                text("单元格过长", f"a cell has at most {limits.DECISION_CELL_CHARS} characters"),
                text("拆成多条规则或多个表", "split it into rules or tables"),
            )
        self.source = source
        self.names = names
        self.at = 0
        self.depth = 0
        self.ending = -1  # the depth at which the end of a range is read: a [ there closes it
        self.kind = self.token = ""
        self.next()

    # tokens

    def next(self) -> None:
        """Step to the next token: its ``kind`` (number, string, at, name, word, sign, end) and its text."""
        skipped = _SPACE.match(self.source, self.at)
        self.start = self.at = skipped.end() if skipped else self.at
        if self.at >= len(self.source):
            self.kind, self.token = "end", ""
            return
        word = _WORD.match(self.source, self.at)
        known = self.names.pattern.match(self.source, self.at) if self.names.pattern else None
        called = _FUNCTION.match(self.source, self.at)
        if known and not called and not (word and word[0] in _RESERVED and len(word[0]) >= len(known[0])):
            self._take("name", squeezed(known[0]), known.end())
            return
        for kind_, pattern in (("number", _NUMBER), ("string", _STRING), ("at", _AT), ("word", _WORD), ("sign", _SIGN)):
            if found := pattern.match(self.source, self.at):
                self._take(kind_, found[1] if kind_ in ("string", "at") else found[0], found.end())
                return
        raise self.fault(f"第 {self.at + 1} 个字符无法识别", f"character {self.at + 1} cannot be read")

    def _take(self, called: str, token: str, end: int) -> None:
        self.kind, self.token, self.at = called, token, end

    def fault(self, chinese: str, english: str, *, remedy: Text | None = None) -> Fault:
        shown = self.source if len(self.source) <= 80 else self.source[:77] + "…"
        return Fault(
            text(f"“{shown}”：{chinese}", f"{shown!r}: {english}"),
            remedy or text('例如 >= 5、[1..3]、"red"、-', 'for example >= 5, [1..3], "red", -'),
        )

    def unexpected(self) -> Fault:
        if self.kind == "end":
            return self.fault("不完整", "it ends too early")
        if self.kind == "word" and self.token in _NOT_HERE:
            return self.fault(
                f"此处不能使用 {self.token}",
                f"{self.token} is not part of this language",
                remedy=text("改用规则、比较或已有的函数", "use rules, comparisons or the functions there are"),
            )
        if self.kind == "word" and self.token not in _RESERVED:
            return self.fault(
                f"没有名为 {self.token} 的输入",
                f"nothing is called {self.token!r}",
                remedy=text(
                    f"文本要加双引号；可用的名称：{self.names.listed()}",
                    f"text stands in double quotes; the names there are: {self.names.listed()}",
                ),
            )
        return self.fault(f"不应出现 {self.token}", f"{self.token!r} is not expected here")

    def is_sign(self, *signs: str) -> bool:
        return self.kind == "sign" and self.token in signs

    def is_word(self, word: str) -> bool:
        return self.kind == "word" and self.token == word

    def take(self, *signs: str) -> str | None:
        if self.is_sign(*signs):
            found = self.token
            self.next()
            return found
        return None

    def need(self, sign: str) -> None:
        if not self.take(sign):
            raise self.fault(f"缺少 {sign}", f"{sign!r} is missing")

    def word(self, word: str) -> None:
        if not self.is_word(word):
            raise self.fault(f"缺少 {word}", f"{word!r} is missing")
        self.next()

    def end(self) -> None:
        if self.kind != "end":
            raise self.unexpected()

    def deeper(self) -> None:
        self.depth += 1
        if self.depth > limits.CONDITION_DEPTH:
            raise self.fault(
                "括号嵌套过深", "too many brackets within brackets", remedy=text("拆成多个表", "split it into tables")
            )

    # expressions, from the loosest to the tightest

    def either(self) -> Node:
        parts = [self.both()]
        while self.is_word("or"):
            self.next()
            parts.append(self.both())
        return parts[0] if len(parts) == 1 else _logic(parts, stops=True)

    def both(self) -> Node:
        parts = [self.comparison()]
        while self.is_word("and"):
            self.next()
            parts.append(self.comparison())
        return parts[0] if len(parts) == 1 else _logic(parts, stops=False)

    def comparison(self) -> Node:
        left = self.sum()
        if sign := self.take(*_COMPARE):
            return self._compared(left, sign, self.sum())
        if self.is_word("between"):
            self.next()
            low = self.sum()
            self.word("and")
            high = self.sum()
            self._plain(left, low, high)
            inside = _within(Range(low, True, high, True))
            value = left.evaluate
            return _node(lambda scope: inside(value(scope), scope), left, low, high)
        if self.is_word("in"):
            self.next()
            return self._member_of(left)
        return left

    def _compared(self, left: Node, sign: str, right: Node) -> Node:
        self._plain(left, right)
        compare, a, b = _SIGNS[sign], left.evaluate, right.evaluate
        return _node(lambda scope: compare(a(scope), b(scope)), left, right)

    def _member_of(self, left: Node) -> Node:
        """``x in (tests)``, ``x in [1..5]``, ``x in list``."""
        self._plain(left)
        self.deeper()
        if self.is_sign("("):
            self.next()
            first = None if self.is_sign(*_COMPARE) else self.either()
            if first is not None and self.take(".."):
                inside = _ranging(self._range(first, False))
            else:
                inside = self._several(first)
                self.need(")")
        else:
            inside = self.element()
        self.depth -= 1
        check, value = inside.check, left.evaluate
        return _fold(Node(lambda scope: check(value(scope), scope), left.names | inside.names))

    def _plain(self, *nodes: Node) -> None:
        if any(node.range is not None for node in nodes):
            raise self.fault("此处不能使用区间", "a range cannot stand here")

    def sum(self) -> Node:
        first, rest = self.product(), []
        while sign := self.take("+", "-"):
            rest.append((ARITHMETIC[sign], self.product()))
        return self._chained(first, rest)

    def product(self) -> Node:
        first, rest = self.power(), []
        while sign := self.take("*", "/"):
            rest.append((ARITHMETIC[sign], self.power()))
        return self._chained(first, rest)

    def power(self) -> Node:
        first, rest = self.negated(), []
        while self.take("**"):
            rest.append((ARITHMETIC["**"], self.negated()))
        return self._chained(first, rest)

    def _chained(self, first: Node, rest: list[tuple[Callable[[object, object], object], Node]]) -> Node:
        if not rest:
            return first
        self._plain(first, *(node for _, node in rest))
        begin, steps = first.evaluate, [(apply, node.evaluate) for apply, node in rest]

        def evaluate(scope: Scope) -> object:
            value = begin(scope)
            for apply, operand in steps:
                value = apply(value, operand(scope))
            return value

        return _node(evaluate, first, *(node for _, node in rest))

    def negated(self) -> Node:
        signs = 0
        while self.take("-"):
            signs += 1
        node = self.member()
        if not signs:
            return node
        self._plain(node)
        inner = node.evaluate
        return _node(
            (lambda scope: minus(inner(scope))) if signs % 2 else (lambda scope: minus(minus(inner(scope)))), node
        )

    def member(self) -> Node:
        node = self.primary()
        while self.is_sign("."):
            self._plain(node)
            node = self._of(node)
        if self.is_sign("[") and self.ending != self.depth:
            raise self.fault(
                "不支持按位置或条件取列表元素",
                "filters of lists are not part of this language",
                remedy=text("用 in 或 list contains", "use in, or list contains"),
            )
        return node

    def _of(self, node: Node) -> Node:
        outer, self.names = self.names, Names(node.members or {})  # type: ignore[arg-type]
        self.next()
        self.names = outer
        if self.kind not in ("name", "word"):
            raise self.unexpected()
        name, inner = self.token, node.evaluate
        if node.members is not None and name not in node.members:
            raise self.fault(
                f"没有成员 {name}",
                f"there is no member {name!r}",
                remedy=text(f"成员：{'、'.join(node.members)}", f"members: {', '.join(node.members)}"),
            )
        self.next()
        below = node.members.get(name) if node.members is not None else None
        members = below if isinstance(below, Mapping) else None
        return _fold(Node(lambda scope: part_of(inner(scope), name), node.names, members=members))

    def primary(self) -> Node:
        called, token = self.kind, self.token
        if called == "number":
            self.next()
            value = number(Decimal(token))
            if value is None:
                raise self.fault("数字过大", "the number is too large")
            return _constant(value)
        if called == "string":
            self.next()
            return _constant(_unescaped(token))
        if called == "at":
            self.next()
            return self._at(token)
        if called == "name":
            self.next()
            return Node(lambda scope: scope.get(token), frozenset({token}), members=self.names.known[token])
        if called == "word":
            return self._word(token)
        if self.is_sign("?"):
            self.next()
            return Node(lambda scope: scope.get(TESTED), frozenset({TESTED}))
        if self.is_sign("(", "[", "]"):
            return self._bracket(token)
        raise self.unexpected()

    def _word(self, token: str) -> Node:
        if token in ("true", "false", "null"):
            self.next()
            return _constant({"true": True, "false": False, "null": None}[token])
        if self.is_word("if"):
            return self._choice()
        if found := _FUNCTION.match(self.source, self.start):
            return self._call(squeezed(found[1]), found.end())
        raise self.unexpected()

    def _choice(self) -> Node:
        self.deeper()
        self.next()
        condition = self.either()
        self.word("then")
        yes = self.either()
        self.word("else")
        no = self.either()
        self.depth -= 1
        self._plain(condition, yes, no)
        asked, then, otherwise = condition.evaluate, yes.evaluate, no.evaluate
        return _node(lambda scope: then(scope) if asked(scope) is True else otherwise(scope), condition, yes, no)

    def _call(self, name: str, end: int) -> Node:
        self.deeper()
        self.at = end
        self.next()
        given = []
        if not self.is_sign(")"):
            given.append(self.either())
            while self.take(","):
                given.append(self.either())
        self.need(")")
        self.depth -= 1
        self._plain(*given)
        least, most, function = FUNCTIONS[name]
        if not least <= len(given) <= most:
            wanted = str(least) if least == most else f"{least}-{most}"
            raise self.fault(f"{name} 需要 {wanted} 个参数", f"{name} takes {wanted} arguments")
        arguments = [node.evaluate for node in given]
        node = _node(lambda scope: function(*[argument(scope) for argument in arguments]), *given)
        if node.constant and node.value is None and name in MADE:
            raise self.fault(f"{name} 的内容无效", f"{name}() cannot be made of that", remedy=MADE[name])
        return node

    def _at(self, token: str) -> Node:
        for read in (parse_date, parse_moment, parse_time, parse_duration):
            value = read(token)
            if value is not None:
                return _constant(value)
        raise self.fault(f"@“{token}” 不是日期、时间或时长", f"@{token!r} is no date, time or duration")

    def _bracket(self, opening: str) -> Node:
        """A list, a range or an expression in brackets."""
        self.deeper()
        self.next()
        if opening == "[" and self.take("]"):
            self.depth -= 1
            return _constant([])
        items = [self.either()]
        if self.take(".."):
            found = self._range(items[0], opening == "[")
            self.depth -= 1
            return Node(lambda scope: None, found.low.names | found.high.names, range=found)
        if opening == "]":
            raise self.unexpected()
        if opening == "(":
            self.need(")")
            self.depth -= 1
            return items[0]
        while self.take(","):
            items.append(self.either())
        self.need("]")
        self.depth -= 1
        self._plain(*items)
        evaluates = [item.evaluate for item in items]
        return _node(lambda scope: [evaluate(scope) for evaluate in evaluates], *items)

    def _range(self, low: Node, low_in: bool) -> Range:
        """The rest of a range, after its two dots."""
        outer, self.ending = self.ending, self.depth
        high = self.either()
        self.ending = outer
        closing = self.take("]", ")", "[")
        if closing is None:
            raise self.fault("区间没有结束", "the range does not end")
        self._plain(low, high)
        if low.constant and high.constant and less(high.value, low.value):
            turn = text("调换两端", "turn it round")
            raise self.fault("区间的上限小于下限", "the range ends before it begins", remedy=turn)
        return Range(low, low_in, high, closing == "]")

    # tests

    def unary(self) -> Tests:
        if self.is_word("not") and self.source[self.at :].lstrip()[:1] == "(":
            self.deeper()
            self.next()
            self.need("(")
            inner = self._several(None)
            self.need(")")
            self.depth -= 1
            if self.kind == "end":
                return _negated(inner)
            raise self.unexpected()
        return self._several(None)

    def _several(self, first: Node | None) -> Tests:
        found = [self.element() if first is None else self._tested(first)]
        while self.take(","):
            found.append(self.element())
        return found[0] if len(found) == 1 else _any_of(found)

    def element(self) -> Tests:
        """One test: a comparison, a range, a value, or an expression that reads ``?``."""
        if sign := self.take(*_COMPARE):
            node = self.sum()
            self._plain(node)
            return _comparing(sign, node)
        return self._tested(self.either())

    def _tested(self, node: Node) -> Tests:
        if node.range is not None:
            return _ranging(node.range)
        if TESTED in node.names:
            evaluate = node.evaluate
            return Tests(
                lambda value, scope: _truth(evaluate({**scope, TESTED: value})),
                node.names - {TESTED},
                None,
                frozenset(),
                None,
            )
        return _comparing("=", node)


def _unescaped(token: str) -> str:
    def letter(found: re.Match[str]) -> str:
        if found[1] or found[2]:
            code = int(found[1] or found[2], 16)
            return chr(code) if code < 0x110000 and not 0xD800 <= code < 0xE000 else "\ufffd"
        return _ESCAPES.get(found[3], "\\" + found[3])

    return _ESCAPE.sub(letter, token)


# ── nodes ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _constant(value: object) -> Node:
    return Node(lambda scope: value, value=value)


def _node(evaluate: Evaluate, *parts: Node) -> Node:
    return _fold(Node(evaluate, frozenset[str]().union(*(part.names for part in parts))))


def _fold(node: Node) -> Node:
    """What reads nothing is worked out once."""
    return node if node.names else _constant(node.evaluate({}))


def _truth(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _logic(parts: Sequence[Node], *, stops: bool) -> Node:
    """``or`` (stops at true) and ``and`` (stops at false); what is unknown stays unknown."""
    evaluates = [part.evaluate for part in parts]

    def evaluate(scope: Scope) -> object:
        unknown = False
        for each in evaluates:
            value = each(scope)
            if value is stops:
                return stops
            unknown = unknown or not isinstance(value, bool)
        return None if unknown else not stops

    return _node(evaluate, *parts)


def _not_less(a: object, b: object) -> bool | None:
    found = less(a, b)
    return None if found is None else not found


def _not_equal(a: object, b: object) -> bool | None:
    found = equal(a, b)
    return None if found is None else not found


_SIGNS: Mapping[str, Callable[[object, object], bool | None]] = {
    "<": less,
    "<=": lambda a, b: _not_less(b, a),
    ">": lambda a, b: less(b, a),
    ">=": _not_less,
    "=": equal,
    "!=": _not_equal,
}


# ── tests ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _comparing(sign: str, node: Node) -> Tests:
    if not node.constant:
        compare, other = _SIGNS[sign], node.evaluate
        if sign == "=":
            return Tests(lambda value, scope: _is(value, other(scope)), node.names, None, frozenset(), None)
        return Tests(lambda value, scope: compare(value, other(scope)), node.names, None, frozenset(), None)
    value = node.value
    if sign == "=" and isinstance(value, list):
        return _any_of([_comparing("=", _constant(item)) for item in value]) if value else _nothing()
    named = kind(value)
    kinds = frozenset({named} if named else ())
    single = (value,) if sign == "=" else None
    return Tests(_checking(sign, value), frozenset(), _region_of(sign, value), kinds, single)


def _is(value: object, wanted: object) -> bool | None:
    """Equal, or one of a list; a condition that is true by itself holds for any value."""
    if isinstance(wanted, bool) and value is not None and not isinstance(value, bool):
        return wanted
    if isinstance(wanted, list) and not isinstance(value, list):
        return any(equal(value, item) is True for item in wanted)
    return equal(value, wanted)


def _checking(sign: str, constant: object) -> Check:
    """The test against a constant, as short as can be: this is what every rule of every table runs."""
    its, compare = type(constant), _SIGNS[sign]
    if its in (Decimal, str, bool) and sign == "=":
        return lambda value, scope: value == constant if type(value) is its else (False if value is None else None)
    if its is Decimal:
        assert isinstance(constant, Decimal)
        quick: Mapping[str, Check] = {
            "<": lambda value, scope: value < constant if type(value) is Decimal else None,
            "<=": lambda value, scope: value <= constant if type(value) is Decimal else None,
            ">": lambda value, scope: value > constant if type(value) is Decimal else None,
            ">=": lambda value, scope: value >= constant if type(value) is Decimal else None,
        }
        if sign in quick:
            return quick[sign]
    return lambda value, scope: compare(value, constant)


def _region_of(sign: str, value: object) -> Region | None:
    if sign in ("=", "!="):
        same = regions.one(value)
        if same is None or sign == "=":
            return same
        other = same.but_not()
        # not equal to null: every value; not equal to a value: null as well
        return Region(other.kind, other.spans, other.words, other.others, null=value is not None)
    if kind(value) == "string":
        return None  # text has an order, but no span of it can be named
    return regions.below(value, sign == "<=") if sign in ("<", "<=") else regions.above(value, sign == ">=")


def _ranging(found: Range) -> Tests:
    inside = _within(found)
    names = found.low.names | found.high.names
    if names or not (found.low.constant and found.high.constant):
        return Tests(inside, names, None, frozenset(), None)
    ends = (found.low.value, found.high.value)
    kinds = frozenset(str(kind(end)) for end in ends if end is not None)
    return Tests(inside, names, regions.span(ends[0], found.low_in, ends[1], found.high_in), kinds, None)


def _within(found: Range) -> Check:
    above, under = _SIGNS[">=" if found.low_in else ">"], _SIGNS["<=" if found.high_in else "<"]
    low, high = found.low.evaluate, found.high.evaluate
    first, last = found.low.value, found.high.value
    if isinstance(first, Decimal) and isinstance(last, Decimal):
        begin, stop = (operator.ge if found.low_in else operator.gt), (operator.le if found.high_in else operator.lt)
        return lambda value, scope: begin(value, first) and stop(value, last) if type(value) is Decimal else None

    def check(value: object, scope: Scope) -> bool | None:
        over = above(value, low(scope))
        if over is False:
            return False
        beneath = under(value, high(scope))
        return False if beneath is False else (True if over and beneath else None)

    return check


def _nothing() -> Tests:
    return Tests(lambda value, scope: False, frozenset(), regions.NOTHING, frozenset(), ())


def _any_of(parts: Sequence[Tests]) -> Tests:
    names = frozenset[str]().union(*(part.names for part in parts))
    kinds = frozenset[str]().union(*(part.kinds for part in parts))
    lists = [part.values for part in parts]
    values = tuple(value for each in lists for value in each or ()) if all(each is not None for each in lists) else None
    region: Region | None = parts[0].region
    for part in parts[1:]:
        region = None if region is None or part.region is None else region.join(part.region)
    if values is not None and len(kinds) == 1 and None not in values and kinds <= {"number", "string"}:
        words, its = frozenset(values), type(values[0])
        return Tests(
            lambda value, scope: value in words if type(value) is its else (False if value is None else None),
            names, region, kinds, values,
        )  # fmt: skip
    checks = [part.check for part in parts]

    def check(value: object, scope: Scope) -> bool | None:
        unknown = False
        for each in checks:
            found = each(value, scope)
            if found:
                return True
            unknown = unknown or found is None
        return None if unknown else False

    return Tests(check, names, region, kinds, values)


def _negated(inner: Tests) -> Tests:
    inside = inner.check

    def check(value: object, scope: Scope) -> bool | None:
        found = inside(value, scope)
        return None if found is None else not found

    region = None
    if inner.region is not None:
        other = inner.region.but_not()
        null = not inner.names and check(None, {}) is True
        region = Region(other.kind, other.spans, other.words, other.others, null=null)
    return Tests(check, inner.names, region, inner.kinds, None)

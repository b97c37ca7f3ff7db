"""The decision language: what it says, what it refuses, and that nothing in it can surprise."""

from __future__ import annotations

import operator
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cityheart.command.decisions import regions
from cityheart.command.decisions.feel import Fault, Names, expression
from cityheart.command.decisions.feel import Tests as Unary
from cityheart.command.decisions.feel import tests as unary
from cityheart.command.decisions.values import number, parse_duration, plain, spelled, typed
from cityheart.kernel import limits

NAMES = Names({"water level": None, "kind": None, "loan": {"rate": None, "holder": None}, "a-b": None, "date": None})
SCOPE = {
    "water level": Decimal(4),
    "kind": "flood",
    "loan": {"rate": Decimal("0.5"), "holder": None},
    "a-b": Decimal(7),
    "date": date(2026, 5, 1),
}
NONE = Names({})

VALUES = {
    "water  level + 1": 5,
    "a-b": 7,
    "water level-1": 3,
    "loan.rate * 2": 1,
    "loan.holder": None,
    "date.year": 2026,
    'date + duration("P1M")': "2026-06-01",
    '"a" + "b"': "ab",
    '"a" + 1': None,
    "1 / 0": None,
    "0.1 + 0.2": 0.3,
    "2 ** 3 ** 2": 64,
    "-2 ** 2": 4,
    "10 - 2 - 3": 5,
    "7 / 2 / 2": 1.75,
    "1 < 2": True,
    '1 < "2"': None,
    "1 = null": False,
    "null = null": True,
    "3 between 1 and 3": True,
    "3 in (1, 2)": False,
    "3 in (1..3]": True,
    "3 in [1..3)": False,
    "3 in (< 2, > 2)": True,
    'kind in ["flood", "fire"]': True,
    'if water level > 3 then "high" else "low"': "high",
    "if null then 1 else 2": 2,
    "true and null": None,
    "false and null": False,
    "true or null": True,
    "not(null)": None,
    'date("2026-02-28") + duration("P1D")': "2026-03-01",
    'date("2026-01-31") + duration("P1M")': "2026-02-28",
    'date("2026-03-01") - date("2026-02-01")': "P28D",
    '@"2026-03-01T08:00:00Z" - @"2026-03-01T08:00:00+08:00"': "PT8H",
    'date and time("2026-03-01T08:00:00").hour': 8,
    'time("23:00:00") + duration("PT2H")': "01:00:00",
    'duration("P1Y2M").months': 2,
    'duration("PT90M") / duration("PT30M")': 3,
    'duration("PT1H") * 2.5': "PT2H30M",
    "min(3, 1, 2)": 1,
    "max([3, 1, 2])": 3,
    "sum([1, 2, 3.5])": 6.5,
    "count([1, null])": 2,
    "abs(-4)": 4,
    "floor(-1.5)": -2,
    "ceiling(-1.5)": -1,
    "round half up(2.5, 0)": 3,
    "decimal(2.345, 2)": 2.34,
    "modulo(-12, 5)": 3,
    'string length("横綱")': 2,
    'contains("flood", "loo")': True,
    'starts with("flood", "f")': True,
    'upper case("ab")': "AB",
    'number("12.5")': 12.5,
    "string(12.50)": "12.5",
    'list contains([1, "a"], "a")': True,
    r'"\u6c34\n"': "水\n",
    "/* why */ 1 // and more": 1,
}


@pytest.mark.parametrize(("source", "value"), VALUES.items(), ids=VALUES.keys())
def test_what_an_expression_says(source: str, value: object) -> None:
    assert plain(expression(source, NAMES).evaluate(SCOPE)) == value


TESTED = {
    ("-", 1): True, ("-", None): True, ("", "x"): True,
    ("5", 5): True, ("5", 4): False, ("5", "5"): None,
    ("< 5", 4): True, ("<5", None): None, ("!= 5", 4): True,
    ("[1..5]", 5): True, ("[1..5)", 5): False, ("]1..5]", 1): False, ("(1..5[", 2): True,
    ('"a", "b"', "b"): True, ('not("a", "b")', "b"): False, ('not("a")', "c"): True,
    ("null", None): True, ("not(null)", None): False, ("not(null)", 3): True, ("not(5)", None): True,
    ("not(< 5)", None): None,
    ("1, [3..4], > 10", 11): True, ("1, [3..4], > 10", 2): False,
    ("? > 3 and ? < 5", 4): True, ("? * 2 = 8", 4): True, ('contains(?, "oo")', "flood"): True,
    ("water level", 4): True, ("< water level", 4): False, ("[1..water level]", 4): True,
    ("[1, 2]", 2): True, ("true", True): True, ("true", None): False, ("false, null", None): True,
    ('date("2026-05-01")', "2026-05-01"): None,
}  # fmt: skip


@pytest.mark.parametrize(("source", "value"), TESTED, ids=[f"{source} of {value!r}" for source, value in TESTED])
def test_what_a_cell_lets_through(source: str, value: object) -> None:
    assert unary(source, NAMES).check(typed(value, None)[0], SCOPE) is TESTED[source, value]


def test_kinds_of_a_column_decide_how_its_values_are_read() -> None:
    dated = unary('[date("2026-05-01")..date("2026-05-31")]', NONE)
    assert dated.check(typed("2026-05-31", "date")[0], {}) is True
    assert dated.check(typed("2026-06-01", "date")[0], {}) is False
    assert typed("31 May", "date") == (None, False)
    assert typed(5, "string") == (None, False)
    assert typed(True, "number") == (None, False)
    assert typed(float("inf"), "number") == (None, False)
    assert typed("PT2H", "days and time duration") == (parse_duration("PT2H"), True)


WRONG = {
    "foo": "nothing is called 'foo'",
    "1 +": "ends too early",
    '"open': "not expected",
    "1 2": "not expected",
    "for x in [1] return x": "for is not part",
    "function(x) x": "function is not part",
    "[1..2] + 1": "a range cannot stand here",
    "[5..1]": "ends before it begins",
    "[1, 2][1]": "filters of lists",
    'date("2026-13-01")': "cannot be made",
    'duration("1 hour")': "cannot be made",
    '@"yesterday"': "is no date",
    "loan.term": "no member 'term'",
    "__import__('os')": "nothing is called '__import__'",
    "kind.__class__.x(": "not expected",
    "abs(1, 2)": "takes 1 arguments",
    "{a: 1}": "not expected",
    "1 < 2 < 3": "not expected",
    "if 1 then 2": "'else' is missing",
    "9" * 7000: "at most 2000",
    "1e9999": "too large",
    "(" * 60 + "1" + ")" * 60: "too many brackets",
    "1" + " in 1" * 350: "too many brackets",
    "if true then 1 else " * 60 + "1": "too many brackets",
    "not(" * 30 + "true" + ")" * 30: "too many brackets",
}


@pytest.mark.parametrize(("source", "says"), WRONG.items(), ids=[source[:30] for source in WRONG])
def test_what_is_not_of_the_language_is_refused(source: str, says: str) -> None:
    with pytest.raises(Fault) as caught:
        expression(source, NAMES)
    assert says in caught.value.detail["en"]
    assert set(caught.value.remedy) == set(caught.value.detail) == {"zh-CN", "en"}
    assert caught.value.remedy["en"]


def test_a_long_chain_is_worked_out_without_running_deep() -> None:
    names = Names({"a": None})
    for sign, wanted in (("+", 450), ("and", None), ("or", None)):
        node = expression(f" {sign} ".join(["a"] * (450 if sign == "+" else 300)), names)
        assert plain(node.evaluate({"a": Decimal(1)})) == wanted
    assert plain(expression("-" * 999 + "a", names).evaluate({"a": Decimal(1)})) == -1


@settings(max_examples=400, deadline=None)
@given(st.text(alphabet=st.sampled_from('0123456789.,[]()<>=!-+*/ "abandornotin?@T:\\\n{}水date'), max_size=60))
def test_whatever_is_typed_gives_a_meaning_or_a_fault(source: str) -> None:
    for read in (expression, unary):
        try:
            found = read(source, NAMES)
        except Fault as fault:
            assert fault.detail["en"]
            continue
        for value in (None, Decimal(3), "flood", True, [Decimal(1)], {"rate": Decimal(1)}):
            if isinstance(found, Unary):
                assert found.check(value, {}) in (True, False, None)
            else:
                found.evaluate({"kind": value, "loan": value, "water level": value})


# ── the tests of cells against plain comparison ──

_small = st.integers(-3, 12)
_signs = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "=": operator.eq, "!=": operator.ne}


@st.composite
def _elements(draw: st.DrawFn) -> tuple[str, frozenset[int]]:
    """One test of numbers, and the whole numbers from -5 to 15 that it lets through."""
    low = draw(_small)
    high = low + draw(st.integers(0, 6))
    shape = draw(st.sampled_from(["value", "sign", "range", "list"]))
    if shape == "value":
        source, inside = str(low), lambda x: x == low
    elif shape == "sign":
        sign = draw(st.sampled_from(sorted(_signs)))
        source, inside = f"{sign} {low}", lambda x: _signs[sign](x, low)
    elif shape == "list":
        source, inside = f"[{low}, {high}]", lambda x: x in (low, high)
    else:
        left, right = draw(st.sampled_from("[(]")), draw(st.sampled_from("])["))
        source = f"{left}{low}..{high}{right}"
        inside = lambda x: (x >= low if left == "[" else x > low) and (x <= high if right == "]" else x < high)  # noqa: E731
    return source, frozenset(x for x in range(-5, 16) if inside(x))


@st.composite
def cells(draw: st.DrawFn) -> tuple[str, frozenset[int]]:
    """A whole cell with what it lets through."""
    found = draw(st.lists(_elements(), min_size=1, max_size=3))
    source = ", ".join(each for each, _ in found)
    inside = frozenset[int]().union(*(each for _, each in found))
    if draw(st.booleans()):
        return f"not({source})", frozenset(range(-5, 16)) - inside
    return source, inside


@settings(max_examples=300, deadline=None)
@given(cells())
def test_a_cell_is_what_comparing_says_and_so_is_its_region(cell: tuple[str, frozenset[int]]) -> None:
    source, inside = cell
    found = unary(source, NONE)
    assert found.region is not None
    for x in range(-5, 16):
        assert (found.check(Decimal(x), {}) is True) == (x in inside)
        point = regions.one(Decimal(x))
        assert point is not None
        assert (not found.region.meet(point).empty()) == (x in inside)
        half = regions.one(Decimal(x) + Decimal("0.5"))
        assert half is not None
        assert (not found.region.meet(half).empty()) == (found.check(Decimal(x) + Decimal("0.5"), {}) is True)
    assert found.region.null == (found.check(None, {}) is True)
    sample = found.region.sample()
    assert sample is None or found.check(sample, {}) is True


@settings(deadline=None)
@given(cells(), cells())
def test_regions_join_and_meet_like_sets(a: tuple[str, frozenset[int]], b: tuple[str, frozenset[int]]) -> None:
    first, second = unary(a[0], NONE).region, unary(b[0], NONE).region
    assert first is not None and second is not None
    joined = first.join(second)
    assert joined is not None
    for x in range(-5, 16):
        point = regions.one(Decimal(x))
        assert point is not None
        assert (not joined.meet(point).empty()) == (x in a[1] | b[1])
        assert (not first.meet(second).meet(point).empty()) == (x in a[1] & b[1])
        assert (not first.but_not().meet(point).empty()) == (x not in a[1])


@given(st.one_of(
    st.none(), st.booleans(), st.integers(-(2**50), 2**50), st.text(max_size=20),
    st.decimals(-1_000_000, 1_000_000, places=6), st.dates(),
    st.timedeltas().map(lambda span: span - span % type(span)(seconds=1)),
))  # fmt: skip
def test_a_value_spelled_is_read_as_itself(raw: object) -> None:
    value = number(raw) if isinstance(raw, (int, Decimal)) and not isinstance(raw, bool) else raw
    if isinstance(value, str) and ("\x00" in value or not value.isprintable()):
        return
    source = spelled(value)
    if len(source) <= limits.DECISION_CELL_CHARS:
        assert expression(source, NONE).value == value

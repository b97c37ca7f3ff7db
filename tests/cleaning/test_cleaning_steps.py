"""What each step does to values, whatever they are: right ones come out right, others are left or refused, all counted."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cityheart.share.cleaning.clean import Cleaned, clean, set_clock
from cityheart.share.cleaning.steps import STEPS, Step, StepError, parse

ARRIVED = datetime(2026, 3, 20, 16, 30, tzinfo=UTC)  # half past midnight of the 21st in Shanghai
MICROS = int(ARRIVED.timestamp()) * 1_000_000
FEW = settings(
    deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow]
)  # each example cleans a whole column
ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"


def done(values: Sequence[object], *steps: object, kind: str = "string") -> Cleaned:
    column = pa.chunked_array([pa.array(values)])
    parsed = parse(list(steps), kind, computed=False)
    arrived = np.full(len(values), MICROS, dtype=np.int64)
    return clean(column, parsed, missing=("", "—"), arrived=arrived, zone="Asia/Shanghai")


def one(value: object, *steps: object, kind: str = "string") -> object:
    return done([value], *steps, kind=kind).values.to_pylist()[0]


@pytest.mark.parametrize(
    ("value", "step", "kind", "cleaned"),
    [
        ("南通凯天（南通）１２Ａ－３\u3000", "width", "string", "南通凯天(南通)12A-3"),
        ("\ufeff甲\u200b，乙；丙？", "width", "string", "甲，乙；丙？"),
        ("\u3000", "width", "string", None),
        ("启东达创农化 有限公司", "squeeze", "string", "启东达创农化有限公司"),
        ("  JIN \u3000 HAI\t16 ", "squeeze", "string", "JIN HAI 16"),
        ("2020年7月1日 8时30分", "dates", "datetime", "2020-07-01 08:30"),
        ("２０２０．７．１", "dates", "date", "2020-07-01"),
        ("46090.5", "dates", "datetime", "2026-03-09 12:00:00"),
        (46090, "dates", "date", "2026-03-09"),
        ("3月21日", "dates", "date", "2026-03-21"),
        ("3月22日", "dates", "date", "2025-03-22"),
        ("12月1日", "dates", "date", "2025-12-01"),
        ("月底前", "dates", "date", "月底前"),
        ("１，２３４．５", "number", "number", "1234.5"),
        ("1,234.5", "number", "number", "1234.5"),
        ("−3", "number", "number", "-3"),
        ("1,23", "number", "number", "1,23"),
        (" 91320614mak kjdpa1b", "uscc", "string", "91320614MAKKJDPA1B"),
        ("CAS 号：7732－18－5", "cas", "string", "7732-18-5"),
        ("7732185", "cas", "string", "7732-18-5"),
        ("67–64–1", "cas", "string", "67-64-1"),
        ("苏f·1234a", "plate", "string", "苏F1234A"),
        (3.5, "width", "number", 3.5),
        (None, "uscc", "string", None),
        ("—", "uscc", "string", None),
    ],
)
def test_what_a_step_makes_of_a_value(value: object, step: str, kind: str, cleaned: object) -> None:
    """One value each."""
    assert one(value, step, kind=kind) == cleaned


@pytest.mark.parametrize(
    ("value", "cleaned"),
    [
        ("77.4吨", "77.4"), ("172891千克", "172.891"), ("60 吨(约)", "60"), ("约１，２００公斤", "1.2"), ("0.5万吨", "5000"),
        ("285.6 立方米", "228.48"), ("300L", "0.24"), ("12", "12"), ("5 t 左右", "5"), ("2e3kg", "2"),
    ],
)  # fmt: skip
def test_quantities_in_one_unit(value: str, cleaned: str) -> None:
    """Any unit of mass by its definition, a volume by the density that the contract declares."""
    assert one(value, {"step": "quantity", "to": "t", "m3_as": 0.8}, kind="number") == cleaned


@pytest.mark.parametrize("value", ["三吨", "12 桶", "吨", "1,23吨", "12吨-15吨", "285.6 立方米"])
def test_quantities_that_are_none(value: str) -> None:
    """An unknown unit, no number, a range, a volume without a density: refused, or dropped, or left, as the contract says."""
    step = {"step": "quantity", "to": "t"}
    refused = done([value], step, kind="number")
    assert (refused.values.to_pylist(), dict(refused.refused), refused.bad[0][1].tolist()) == (
        [None],
        {"quantity": 1},
        [True],
    )
    empty = done([value], step | {"else": "empty"}, kind="number")
    assert (empty.values.to_pylist(), dict(empty.changed), empty.bad) == ([None], {"quantity": 1}, [])
    assert one(value, step | {"else": "keep"}, kind="number") == value


def test_a_table_of_values() -> None:
    """What stands in it is rewritten, what is right already stays, the rest is refused, dropped or left."""
    step: dict[str, object] = {"step": "map", "values": {"甲": "A", "乙": "B", "无": None}}
    given = ["甲", "B", "无", "丙", "甲"]
    assert done(given, step).values.to_pylist() == ["A", "B", None, "丙", "A"]
    refused = done(given, step | {"else": "refuse"})
    assert refused.values.to_pylist() == ["A", "B", None, None, "A"]
    assert (dict(refused.changed), refused.bad[0][1].tolist()) == ({"map": 3}, [False, False, False, True, False])


# ── whatever the value ─────────────────────────────────────────────────────────────────────────────────────────────

_TEXT = st.text(alphabet="ａＺ９（）［　Ab1 甲，。-\u200b\U00020000é", max_size=12)


def narrow(text: str) -> str:
    """The step ``width``, one character at a time."""
    kept = [each for each in text if each not in "\u200b\ufeff"]
    half = [chr(ord(each) - 0xFEE0) if "！" <= each <= "～" and each not in "，；！？～" else each for each in kept]
    return "".join(" " if each == "\u3000" else each for each in half).strip()


@FEW
@given(st.lists(_TEXT, min_size=1, max_size=8))
def test_width_is_what_it_says_of_every_character(values: list[str]) -> None:
    """All at once as one by one, and a second time changes nothing."""
    cleaned = done(values, "width")
    assert cleaned.values.to_pylist() == [narrow(each) or None for each in values]
    again = done(["x", *(each for each in cleaned.values.to_pylist() if each)], "width")
    assert again.changed.total() == 0


@FEW
@given(st.lists(st.none() | st.sampled_from(["甲 乙", "甲乙", "a  b", "", "3月1日", "7732185", "x"]), max_size=6))
def test_every_row_counts_and_none_knows_another(values: list[str | None]) -> None:
    """Many rows as each alone; a step counts the rows it changed."""
    for step in ("squeeze", "dates", {"step": "cas", "else": "empty"}, {"step": "cas", "else": "refuse"}):
        column = pa.chunked_array([pa.array(values, pa.string())])
        steps = parse([step], "string", computed=False)
        arrived = np.full(len(values), MICROS, dtype=np.int64)
        together = clean(column, steps, missing=("",), arrived=arrived, zone="Asia/Shanghai")
        alone = [
            clean(column.slice(n, 1), steps, missing=("",), arrived=arrived[:1], zone="Asia/Shanghai")
            for n in range(len(values))
        ]
        assert together.values.to_pylist() == [value for each in alone for value in each.values.to_pylist()]
        assert together.changed.total() == sum(each.changed.total() for each in alone)
        assert together.refused.total() == sum(each.refused.total() for each in alone)


_BODY = st.tuples(
    st.text(ALPHABET, min_size=2, max_size=2), st.text("0123456789", min_size=6, max_size=6),
    st.text(ALPHABET, min_size=9, max_size=9),
).map("".join)  # fmt: skip


def checked(body: str) -> str:
    """A credit code of GB 32100 by its formula."""
    total = sum(ALPHABET.index(each) * 3**place for place, each in enumerate(body))
    return body + ALPHABET[(31 - total % 31) % 31]


@FEW
@given(_BODY, st.integers(0, 17), st.sampled_from(ALPHABET))
def test_a_credit_code_is_told_from_a_slip(body: str, place: int, letter: str) -> None:
    """A right one passes in any spelling; with one character changed none does."""
    code = checked(body)
    wide = "".join(chr(ord(each) + 0xFEE0) for each in code.lower())
    wrong = code[:place] + letter + code[place + 1 :]
    cleaned = done([code, wide, wrong, code[:-1]], "uscc")
    assert cleaned.values.to_pylist() == [code, code, code if wrong == code else None, None]


@FEW
@given(st.integers(10_000, 999_999_999), st.integers(1, 9))
def test_a_cas_number_is_told_from_a_slip(digits: int, slip: int) -> None:
    """The check digit is that of the registry; another one is refused."""
    body = str(digits)
    check = sum(int(each) * place for place, each in enumerate(reversed(body), start=1)) % 10
    right, wrong = f"{body[:-2]}-{body[-2:]}-{check}", f"{body[:-2]}-{body[-2:]}-{(check + slip) % 10}"
    assert done([right, wrong, right.replace("-", "")], "cas").values.to_pylist() == [right, None, right]


@FEW
@given(st.dates(date(1930, 1, 1), date(2170, 1, 1)))
def test_a_day_in_every_spelling(day: date) -> None:
    """Dashes, slashes, dots, characters, digits alone and Excel's number are one day."""
    serial = (day - date(1899, 12, 30)).days
    spelled = [
        day.isoformat(), f"{day.year:04}/{day.month}/{day.day}", f"{day.year:04}.{day.month}.{day.day}",
        f"{day.year:04}年{day.month}月{day.day}日", f"{day:%Y%m%d}", str(serial), f"{serial}.0",
    ]  # fmt: skip
    assert set(done(spelled, "dates", kind="date").values.to_pylist()) == {day.isoformat()}


@FEW
@given(st.decimals(0, 10**9, places=3), st.sampled_from([("吨", 1), ("kg", 1000), ("克", 10**6), (" 公斤(约)", 1000)]))
def test_a_mass_in_every_unit(amount: Decimal, unit: tuple[str, int]) -> None:
    """The number is that of exact arithmetic to twelve digits."""
    found = float(str(one(f"{amount}{unit[0]}", {"step": "quantity", "to": "t"}, kind="number")))
    assert found == pytest.approx(float(amount / unit[1]), rel=1e-11)


@FEW
@given(st.integers(-(10**12), 10**12))
def test_a_number_with_separators(number: int) -> None:
    """As it is without them."""
    assert one(f"{number:,}", "number", kind="integer") == str(number)


# ── clocks ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@FEW
@given(st.lists(st.none() | st.integers(-10_000, 10_000), min_size=1, max_size=10))
def test_clocks_that_run_away_are_set(seconds: list[int | None]) -> None:
    """Further ahead or behind than allowed is the arrival, the rest stays."""
    step = Step("clock", ahead=timedelta(minutes=10), behind=timedelta(hours=1))
    moments = [None if each is None else ARRIVED + timedelta(seconds=each) for each in seconds]
    column = pa.chunked_array([pa.array(moments, pa.timestamp("us", "UTC"))])
    values, count = set_clock(column, step, np.full(len(seconds), MICROS, dtype=np.int64))
    wrong = [each is not None and (each > 600 or each < -3600) for each in seconds]
    assert values.to_pylist() == [ARRIVED if bad else moment for bad, moment in zip(wrong, moments, strict=True)]
    assert count == sum(wrong)


# ── the vocabulary ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("steps", "kind", "said"),
    [
        ([], "string", "at least one step"),
        ("width", "string", "must be a list"),
        (["wide"], "string", "nobody knows the step 'wide'"),
        ([7], "string", "must be the name of a step"),
        ([{"step": "map"}], "string", "needs 'values'"),
        ([{"step": "map", "values": {}}], "string", "at least one entry"),
        ([{"step": "map", "values": {"a": 1}}], "string", "values are texts"),
        ([{"step": "width", "to": "t"}], "string", "has no parameter 'to'"),
        ([{"step": "width", "else": "empty"}], "string", "has no parameter 'else'"),
        ([{"step": "uscc", "else": "guess"}], "string", "must be keep, refuse or empty"),
        ([{"step": "quantity", "to": "桶"}], "number", "is not one of t, kg"),
        ([{"step": "quantity", "to": "t", "m3_as": True}], "number", "tonnes of a cubic metre"),
        (["uscc"], "number", "is for string; the field is of type number"),
        ([{"step": "clock"}], "datetime", "needs 'ahead', 'behind' or both"),
        ([{"step": "clock", "ahead": "soon"}], "datetime", "soon"),
        ([{"step": "clock", "ahead": "PT1M"}, "dates"], "datetime", "comes last"),
    ],
)
def test_steps_that_cannot_be_used(steps: object, kind: str, said: str) -> None:
    """The message names the step and what is wrong with it."""
    with pytest.raises(StepError, match=said):
        parse(steps, kind, computed=False)


def test_every_step_says_what_it_is() -> None:
    """In both languages; and each can be parsed with what it needs."""
    needs: dict[str, dict[str, object]] = {
        "quantity": {"to": "t"}, "map": {"values": {"a": "b"}}, "clock": {"ahead": "PT1M"},
    }  # fmt: skip
    for name, kind in STEPS.items():
        assert kind.title["zh-CN"] and kind.title["en"]
        for each in kind.types:
            assert parse([{"step": name, **needs.get(name, {})}], each, computed=False)[0].name == name

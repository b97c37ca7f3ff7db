"""Refusals in Chinese: how templates are found, what is left as it is, and that nothing a person writes slows it down."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core._pydantic_core import list_all_errors

from cityheart.kernel import limits, refusals
from cityheart.kernel.errors import Conflict, NotFound
from cityheart.kernel.refusals import Catalogue, Template, language_of, say
from cityheart.kernel.text import text

CATALOGUE = Catalogue(
    {
        "nobody is signed in": "没有登录",
        "there is no {what}": "没有 {what}",
        "there is no step {id}": "没有步骤 {id}",
        "{where}: {what}": "{where}：{what|zh}",
        "{a} before {b}": "{b} 之后是 {a}",
        "possible now: {verbs}": "现在可以：{verbs|verb}",
    },
    {"verb": {"accept": "签收", "submit": "反馈"}, "zh": {"the end": "结尾"}},
)


@pytest.mark.parametrize(
    ("english", "chinese"),
    [
        ("nobody is signed in", "没有登录"),
        ("there is no step 7", "没有步骤 7"),  # the template with more words of its own
        ("there is no plan", "没有 plan"),
        ("there is no step ", "没有步骤 "),
        ("y before x", "x 之后是 y"),
        ("a.yaml: there is no step 7", "a.yaml：没有步骤 7"),
        ("a: b: c: d: e: the end", "a：b：c：d：e: the end"),  # no deeper than the limit
        ("a: the end", "a：结尾"),
        ("the end", None),  # only within another refusal
        ("possible now: accept, submit, fly", "现在可以：签收、反馈、fly"),
        # what a person wrote is shown as it is, also when it reads like a refusal
        ("there is no step nobody is signed in", "没有步骤 nobody is signed in"),
        ("there is no step {id}", "没有步骤 {id}"),
        ("something else", None),
    ],
)
def test_a_refusal_is_found_by_its_template(english: str, chinese: str | None) -> None:
    assert CATALOGUE.say(english) == chinese


@given(
    st.lists(st.text("ab :.", min_size=1, max_size=4), min_size=1, max_size=4),
    st.lists(st.text("ab :.{}\n中", max_size=200), min_size=5, max_size=5),
    st.text("ab :.", max_size=300),
)
def test_what_is_filled_in_is_found_again(between: list[str], values: list[str], other: str) -> None:
    literals = ["", *between, ""]
    template = Template("".join(f"{literal}{{f{n}}}" for n, literal in enumerate(literals[:-1])))
    filled = zip(literals, values, strict=False)
    words = "".join(f"{literal}{value}" for literal, value in filled)
    assert template.match(words) is not None
    for said in (words, other, other * 40):
        held = template.match(said)
        if held is not None:  # whatever it holds, put back between the words it is what was said
            names = [f"f{n}" for n in range(len(literals) - 1)]
            assert "".join(literal + held[name] for literal, name in zip(literals, names, strict=False)) == said
    assert template.match("".join(literal + "x" for literal in literals[:-1])) is not None


def test_long_input_is_looked_at_once_and_past_the_limit_not_at_all() -> None:
    hard = Template("{a}" + "".join(f"aab{{f{n}}}" for n in range(50)) + "c")
    assert hard.match("a" * 100_000 + "b") is None and hard.match("aab" * 30_000 + "d") is None
    assert say("x" * limits.REFUSAL_CHARS, "zh-CN") == "x" * limits.REFUSAL_CHARS
    crafted = ": ".join(f"step x, item {n}: nothing is known of y cannot be z: is missing" for n in range(60))
    assert len(crafted) < limits.REFUSAL_CHARS and say(crafted, "zh-CN") != crafted  # a bounded number of readings
    task = "there is no task " + "x" * limits.REFUSAL_CHARS
    assert say(task, "zh-CN") == task and say(task[: limits.REFUSAL_CHARS], "zh-CN").startswith("没有任务")


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("", "en"),
        ("zh-CN", "zh-CN"),
        ("zh-Hans-CN,zh;q=0.9,en;q=0.8", "zh-CN"),
        ("en-GB,en;q=0.9,zh;q=0.8", "en"),
        ("en;q=0.5, zh;q=0.7", "zh-CN"),
        ("de, fr;q=0.9, zh;q=0.1", "zh-CN"),
        ("zh;q=0, en", "en"),
        ("de", "en"),
        ("*", "en"),
        ("zh;q=x,;;,zh;q=", "zh-CN"),
        ("en," * 100_000, "en"),
    ],
)
def test_the_reader_is_answered_in_the_language_asked_for(accepted: str, language: str) -> None:
    assert language_of(accepted) == language


def test_a_problem_says_itself_in_both_languages() -> None:
    known = NotFound("there is no task t-1", remedy="look at the list of tasks")
    assert known.said("zh-CN") == ("没有任务 t-1", "请查看任务列表") and known.said("en")[0] == known.detail
    assert known.json("zh-CN")["title"] == "没有找到" and known.json()["title"] == "Not Found"
    given = Conflict(text("正在回测", "a backtest runs"), remedy="load it again")
    assert (given.detail, str(given)) == ("a backtest runs", "a backtest runs (load it again)")
    assert given.both() == (text("正在回测", "a backtest runs"), text("请重新载入", "load it again"))
    assert Conflict("no catalogue tells this").said("zh-CN") == ("no catalogue tells this", None)


# of Python's own objects, which no JSON brings
NOT_FROM_JSON = {
    "json_type", "needs_python_object", "recursion_loop", "recursion_depth_exceeded", "default_factory_not_called",
    "arguments_type", "missing_argument", "unexpected_keyword_argument", "missing_keyword_only_argument",
    "unexpected_positional_argument", "missing_positional_only_argument", "multiple_argument_values", "fraction_type",
    "fraction_parsing", "complex_type", "complex_str_parsing", "url_type", "no_such_attribute", "iteration_error",
    "get_attribute_error", "frozen_field", "frozen_instance", "is_instance_of", "is_subclass_of", "callable_type",
    "named_tuple_type", "dataclass_exact_type", "missing_sentinel_error", "ellipsis_error", "frozen_dict_type",
    "ordered_dict_type", "counter_type", "deque_type",
}  # fmt: skip


def test_a_refusal_within_what_the_framework_says_is_found() -> None:
    far = "query.from: Input should be a valid datetime or date, input is too short"
    assert say(far, "zh-CN") == "query.from：应为时间或日期：太短"
    within = """condition "a = 'x'": it cannot be read"""  # `{id}: {name} cannot be {value}` has more words of its own
    assert say(within, "zh-CN") == """条件 "a = 'x'"：无法读取"""
    assert say("body: Value error, until is not after from", "zh-CN") == "body：until 不晚于 from"


def test_what_pydantic_says_of_a_value_is_in_chinese() -> None:
    english = {
        error["type"]: error["example_message_python"]
        for error in list_all_errors()
        if error["type"] not in NOT_FROM_JSON
    }
    left = {
        type: words
        for type, words in english.items()
        if say(f"body.n: {words}", "zh-CN") == f"body.n：{words}" or "Input" in say(words, "zh-CN")
    }
    assert not left and "int_parsing" in english


@pytest.mark.parametrize(
    ("written", "wrong"),
    [
        ('"there is no {id}" = "没有 {name}"', "has no field name"),
        ('"{what}" = "坏了 {what}"', "fields without words"),
        ('"no {a}{b} there" = "没有 {a}{b}"', "fields without words"),
        ('"there is none" = 7', "is not a text"),
        ('[words]\na = ["b"]', "is not a text"),
        ('"a" = ', "Invalid value"),
    ],
)
def test_a_catalogue_that_cannot_be_used_says_where(tmp_path: Path, written: str, wrong: str) -> None:
    (tmp_path / refusals.FILE).write_text(written, "utf-8")
    with pytest.raises(ValueError, match=wrong):
        refusals.add(tmp_path / refusals.FILE)

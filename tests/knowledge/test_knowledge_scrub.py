"""No telephone number, identity number, plate or announced name stays in the words of a case."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cityheart.command.knowledge.scrub import Scrubber

OURS, THEIRS = Scrubber(b"0123456789abcdef"), Scrubber(b"fedcba9876543210")
PERSONAL = {
    "来电13812345678": "13812345678",
    "电话138 1234 5678请回": "1234 5678",
    "138-1234-5678": "1234-5678",
    "＋86１３８１２３４５６７８": "１２３４５６７８",
    "固话0513-83512345": "83512345",
    "身份证320602199001011234": "320602199001011234",
    "证号32060219900101123X": "32060219900101123X",
    "旧证320602900101123": "320602900101123",
    "车苏F12345逃逸": "F12345",
    "苏F·8A3K2": "8A3K2",
    "绿牌苏FD12345": "FD12345",
    "邮箱li.ming@example.com": "li.ming",
    "王建国师傅报": "王建国",
    "李女士称": "李女士",
    "联系人：赵小明，": "赵小明",
    "姓名:欧阳娜娜": "欧阳娜娜",
    "Mr. Smith called": "Smith",
    "手机一三九幺二三四五六七八": "幺二三",
    "卡号6222 0212 3456 7890 123": "6222 0212",
    "微信号zhangsan_88加我": "zhangsan_88",
    "我叫张三丰，住这里": "张三丰",
}
HARMLESS = (
    "2015-11-25 08:00 PM2.5 浓度 315µg/m³，全市AQI 412",
    "人民中路120号3号楼下积水约50厘米，已派20人",
    "工单 20240601123456789012345 已办结",
    "陈家桥路口塌陷，坑深2.5米",
    "plan air-red 2015.1, 62 departments",
)


@pytest.mark.parametrize(("words", "secret"), PERSONAL.items())
def test_personal_data_is_taken_out(words: str, secret: str) -> None:
    clean = OURS.clean(words)
    assert secret not in clean and "[" in clean
    assert OURS.clean(clean) == clean
    assert THEIRS.clean(words) != clean, "another city makes other marks of it"


@pytest.mark.parametrize("words", HARMLESS)
def test_what_is_nobodys_stays(words: str) -> None:
    assert OURS.clean(words) == words


def test_the_same_number_gives_the_same_mark_however_it_is_written() -> None:
    marks = {
        OURS.clean(words) for words in ("13812345678", "138 1234 5678", "+8613812345678", "１３８１２３４５６７８")
    }
    assert len(marks) == 1


def test_control_characters_and_line_breaks_go() -> None:
    assert OURS.clean("积\x00水\n严重\u202e。  ") == "积 水 严重 。"


@given(st.text(max_size=200))
def test_any_words_can_be_cleaned(words: str) -> None:
    clean = OURS.clean(words)
    assert OURS.clean(clean) == clean and "\n" not in clean


@given(
    st.text("积水路口 ,", max_size=10), st.integers(3, 9), st.integers(0, 10**9 - 1), st.text("积水路口 ,", max_size=10)
)
def test_no_mobile_number_stays(before: str, second: int, rest: int, after: str) -> None:
    number = f"1{second}{rest:09d}"
    assert number not in OURS.clean(before + number + after)


def test_a_key_that_can_be_guessed_is_refused() -> None:
    with pytest.raises(AssertionError):
        Scrubber(b"short")

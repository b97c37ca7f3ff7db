"""What is read from words: one spelling, marks of places, and persons taken out."""

from __future__ import annotations

import stat
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cityheart.command.intake.personal import Secret, clean, scrub
from cityheart.command.intake.wording import Rarity, grams, place, spelled
from cityheart.kernel.errors import Invalid
from cityheart.kernel.secret import FILE, city_key
from cityheart.simulation import hotline


@pytest.mark.parametrize(
    ("said", "gone"),
    [
        ("我电话13912345678，快来", "13912345678"),
        ("打 139 1234 5678 找我", "1234 5678"),
        ("打１３９１２３４５６７８找我", "１３９１２３４５６７８"),
        ("手机一三九幺二三四五六七八", "幺二三"),
        ("座机0513-85123456", "85123456"),
        ("call +44 20 7946 0958 please", "7946"),
        ("身份证320602199001011234没带", "19900101"),
        ("证号 32060219900101123X", "123X"),
        ("卡号6222 0212 3456 7890 123", "6222"),
        ("苏F12345占着车位", "12345"),
        ("沪AD12345新能源车", "AD12345"),
        ("邮箱 zhang.san@example.com 联系", "zhang.san"),
        ("微信号zhangsan_88加我", "zhangsan_88"),
        ("我叫张三丰，住这里", "张三丰"),
        ("My name is John Smith, hello", "Smith"),
        ("王先生反映", "王先生"),
        ("王建国师傅报", "王建国"),
        ("护照号：E12345678", "E12345678"),
        ("旧证320602900101123", "320602900101123"),
        ("联系人：赵小明，", "赵小明"),
    ],
)
def test_persons_are_taken_out(said: str, gone: str) -> None:
    assert gone not in scrub(said)


@pytest.mark.parametrize(
    "said",
    [
        "解放路128号路灯不亮",
        "翠湖小区3号楼501室停水",
        "12路公交车20分钟一班",
        "欠款12000元",
        "2024年3月1日8点30分",
        "一百二十号",
    ],
)
def test_places_times_and_sums_stay(said: str) -> None:
    assert scrub(said) == said


@given(st.text(max_size=300))
def test_any_text_can_be_cleaned_and_stored(said: str) -> None:
    once = clean(said)
    once.encode("utf-8")
    assert "\x00" not in once and clean(once) == once
    scrub(once)
    place(spelled(once))
    grams(spelled(once))


def test_places_are_recognised() -> None:
    found = place(spelled("解放路与人民中路交叉口，翠湖小区第十二栋，解放路１２８号"))
    assert "解放路" in found.roads and "民中路" in found.roads
    assert found.buildings == {12} and 128 in found.houses
    assert "翠湖" in "".join(found.estates) or found.estates
    assert not place(spelled("我在马路上绕路走路")).roads
    assert place(spelled("3号楼")).buildings == {3} and not place(spelled("3号楼")).houses


def test_what_is_rare_weighs_more() -> None:
    rarity = Rarity()
    for number in range(400):
        rarity.read({"处理", f"词{number}"})
    assert rarity.weight("处理") == 0.2 < rarity.weight("词7")
    assert rarity.cosine({"处理": 1, "路灯": 1}, {"处理": 1, "井盖": 1}) < 0.05
    assert rarity.cosine({"路灯": 1}, {"路灯": 2}) == pytest.approx(1.0)


def test_the_key_is_the_cities_own_and_hidden(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
    one, again, other = (Secret(partial(city_key, tmp_path / name)) for name in "aab")
    caller = one.caller("张三", "+86 139-1234-5678")
    assert caller == one.caller(None, "13912345678") == again.caller("李四", "１３９ 1234 5678")
    assert caller != other.caller("张三", "13912345678") and caller != one.caller("张三", None)
    assert one.caller(None, None) is None and one.caller(" ", "-") is None
    file = tmp_path / "a" / FILE
    assert stat.S_IMODE(file.stat().st_mode) == 0o600 and list((tmp_path / "a").iterdir()) == [file]
    file.write_bytes(b"short")
    with pytest.raises(Invalid):
        Secret(partial(city_key, tmp_path / "a")).caller("张三", None)


def test_the_pools_of_wording_share_nothing() -> None:
    def phrases(value: object, name: str = "") -> set[str]:
        if isinstance(value, dict):
            return set().union(
                *(phrases(inner, key) for key, inner in value.items() if key not in ("code", "unit", "pool"))
            )
        if isinstance(value, list) and name in ("dialect", "typos"):  # the left side is standard Chinese
            return {str(pair[1]) for pair in value}
        if isinstance(value, list):
            return set().union(*(phrases(inner) for inner in value), set())
        return {value} if isinstance(value, str) and value else set()

    first, second = (phrases(hotline.wording(pool)) for pool in hotline.POOLS)
    assert len(first) > 300 and len(second) > 300
    assert first & second == set()

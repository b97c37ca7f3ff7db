"""What words name is read right, and cases of other kinds are found by it, with the reason."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cityheart
from cityheart.command.knowledge import words
from cityheart.command.knowledge.index import Archive, entry
from cityheart.command.knowledge.likeness import likeness, within
from cityheart.command.knowledge.models import Case, Matter, Neighbour
from cityheart.command.knowledge.parameters import parameters
from cityheart.kernel.text import LANGUAGES, text

AT = datetime(2024, 6, 1, 8, tzinfo=UTC)
SUBSTANCES = Path(cityheart.__file__).parent / "command" / "knowledge" / "substances.csv"
CHLORINE, AMMONIA = "substance:7782-50-5", "substance:7664-41-7"


def case(number: int, told: str, kind: str = "chemical_accident", **more: object) -> Case:
    """A case that was closed three days before."""
    opened = AT - timedelta(days=3, minutes=number)
    given = {"level": 4, "plan": "p", **more}
    return Case(f"case-{number}", "test", kind, text=told, opened_at=opened, closed_at=opened, known_at=opened, **given)  # type: ignore[arg-type]


def archive(*told: str, kind: str = "chemical_accident") -> Archive:
    found = Archive()
    found.add(entry(number, case(number, one, kind)) for number, one in enumerate(told))
    return found


def asked(told: str, **more: object) -> Matter:
    return Matter(**{"kind": "tank_excursion", "level": 1, "at": AT, "text": told, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("told", "things"),
    [
        ("液氯储罐泄漏", {CHLORINE, "equipment:tank"}),
        ("Chlorine from a storage vessel", {CHLORINE, "equipment:tank"}),
        ("ＣＡＳ 7782-50-5", {CHLORINE}),
        ("7782-50-5", {CHLORINE}),
        ("CAS 50-32-8, CAS 50-32-7", {"substance:50-32-8"}),  # the other has no right check digit
        ("三氯甲烷", {"substance:67-66-3"}),  # not 甲烷
        ("甲苯储罐", {"substance:108-88-3", "equipment:tank"}),  # not 苯储罐
        ("苯储罐", {"substance:71-43-2", "equipment:tank"}),
        ("氯化氢气体", {"substance:7647-01-0"}),  # not 氢气
        ("聚氯乙烯 polyethylene", set()),
        ("三氯甲烷和甲烷", {"substance:67-66-3", "substance:74-82-8"}),
        ("isopropane, hydrogenated", set()),
        ("fire department was notified", set()),
        ("the fire department put out a fire", {"release:fire"}),
        ("二氧化氯", {"substance:10049-04-4"}),
        ("chlorine dioxide", {"substance:10049-04-4"}),
        ("", set()),
    ],
)
def test_what_words_name(told: str, things: set[str]) -> None:
    assert likeness().things(told) == things


def test_every_name_means_one_thing_and_is_found_in_words() -> None:
    alike = likeness()
    owner: dict[str, str] = {}
    with SUBSTANCES.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            for name in (*row["zh"].split("|"), *row["en"].split("|")):
                assert len(name) > 1 and owner.setdefault(name, row["cas"]) == row["cas"]
                assert alike.things(f"某厂 {name} 发生") >= ({f"substance:{row['cas']}"} if row["cas"] else set()), name
    kinds = ("substance", "equipment", "release", "process", "place")
    assert sum(alike.weights[kind] for kind in kinds) + alike.words == pytest.approx(1)


NAMES = (
    "液氯",
    "三氯甲烷",
    "甲烷",
    "储罐",
    "valve",
    "chlorine",
    "CAS 108-88-3",
    "7664-41-7",
    "x",
    "9",
    "，",
    " ",
    "\0",
    "Ａ",
)


@given(st.lists(st.lists(st.sampled_from(NAMES), max_size=6).map("".join), max_size=8))
def test_many_texts_at_once_name_what_each_does(told: list[str]) -> None:
    alike = likeness()
    assert alike.of_many(told, words.keys(told)[0]) == [alike.things(one) for one in told]


@given(st.text(max_size=60))
def test_no_words_are_an_error(told: str) -> None:
    likeness().things(told)


def test_cases_of_other_kinds_are_found_by_what_they_share() -> None:
    found = archive(
        "液氨冷库管道泄漏",
        "Chlorine (CAS 7782-50-5); Gas release. Released from: Valve.",
        "Chlorine; Gas release. Released from: Storage vessel.",
        "储罐阀门检修，没有泄漏",
        "垃圾堆起火",
    ).related(asked("液氯储罐气体泄漏"), parameters(), 10)
    assert [one.n for one in found] == [2, 1], "equipment without substance or release is no likeness"
    assert found[0].shared == ("equipment:tank", "release:gas", CHLORINE)
    assert found[0].similarity > found[1].similarity >= 0.6 and all(0 <= one.similarity <= 1 for one in found)
    assert likeness().why(found[0].shared) == (
        text("同一物质：氯气", "same substance: chlorine"),
        text("同一设备：储罐", "same equipment: storage tank"),
        text("同样的后果：气体泄漏", "same release: gas release"),
    )


def test_what_is_rare_counts_more() -> None:
    told = [*["液氨泄漏"] * 9, "光气泄漏", "液氨泄漏"]
    near = archive(*told).related(asked("光气和液氨"), replace(parameters()), 20)
    assert near == [] or near[0].n == 9
    matter = asked("光气和液氨的储罐起火")
    near = archive(*[f"{one}，储罐起火" for one in told]).related(matter, parameters(), 20)
    assert near[0].n == 9 and near[0].similarity > near[1].similarity


def test_of_equal_ones_the_nearer_words_come_first() -> None:
    near = archive("chlorine 码头上的事情经过", "chlorine 深夜雨中巡检", "chlorine").related(
        asked("深夜雨中巡检发现 chlorine"), parameters(), 2
    )
    assert [one.n for one in near] == [1, 2] and near[0].words > near[1].words


def test_kind_time_and_revisions_hold_across_kinds() -> None:
    own = archive("液氯泄漏", kind="tank_excursion")
    assert own.related(asked("液氯"), parameters(), 5) == []
    found = archive("液氯泄漏", "液氨泄漏")
    later = replace(case(2, "液氨泄漏"), kind="fire", revised_at=AT, revision=2)
    found.add([entry(2, later)._replace(revised=int(AT.timestamp()), replaces=0)])
    before = asked("液氯", at=AT - timedelta(seconds=1))
    assert [one.n for one in found.related(before, parameters(), 5)] == [0]
    assert found.related(asked("液氯"), parameters(), 5) == []
    assert {one.n for one in found.related(asked("液氨"), parameters(), 5)} == {1, 2}
    assert {one.n for one in found.related(replace(before, text="液氨"), parameters(), 5)} == {1}
    assert found.related(asked("积水"), parameters(), 5) == [] == Archive().related(asked("液氯"), parameters(), 5)


def test_within_a_kind_each_case_says_why() -> None:
    near = Neighbour(1, 0.9, 0.8, 0.5)
    there = case(1, "液氯", "tank_excursion", level=1, lon=120.9, lat=32.0)
    told = within(asked("液氯", lon=120.91, lat=32.0), there, near, likeness().why([CHLORINE]), 8_000.0)
    assert [one["en"] for one in told] == [
        "same kind of matter", "same substance: chlorine", "0.9 km away", "same level", "similar words",
    ]  # fmt: skip
    assert all(one[language] for one in told for language in LANGUAGES) and json.dumps(told)
    far = within(asked("", lon=125.0, lat=32.0, level=3), there, replace(near, words=0.1), (), 8_000.0)
    assert [one["zh-CN"] for one in far] == ["同类事项"]
    same = within(
        asked("", place="tank:T1", level=3), replace(there, place="tank:T1"), replace(near, words=0.1), (), 1.0
    )
    assert [one["en"] for one in same] == ["same kind of matter", "same place"]

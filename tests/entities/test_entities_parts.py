"""The pure parts: areas by time, names and addresses taken apart, codes, blocks, groups."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cityheart.entities import compiled, hashing, matching
from cityheart.entities.areas import Areas
from cityheart.entities.grouping import Known, Resolved, resolve
from cityheart.entities.hashing import hashes, keyed
from cityheart.entities.marks import Marks, mark
from cityheart.entities.normalise import Gazetteer, codes, registration, sounds, valid_codes
from cityheart.entities.rules import read_rules, rules
from cityheart.kernel.errors import Invalid

from .scene import AREAS, CODE_A, CODE_B

LETTERS = "0123456789ABCDEFGHJKLMNPQRTUWXY"


@pytest.fixture(scope="module")
def areas(tmp_path_factory: pytest.TempPathFactory) -> Areas:
    file = tmp_path_factory.mktemp("areas") / "areas.geojson"
    file.write_text(json.dumps(AREAS), "utf-8")
    return Areas.load(file, "Asia/Shanghai")


@pytest.fixture(scope="module")
def gazetteer(areas: Areas) -> Gazetteer:
    return Gazetteer(areas, "南通市（测试城）")


def test_areas_are_those_of_the_moment(areas: Areas) -> None:
    last, first = (
        datetime(2020, 7, 5, 15, 59, tzinfo=UTC),
        datetime(2020, 7, 5, 16, 0, tzinfo=UTC),
    )  # midnight in the city
    assert [area.code for area in areas.areas(last)] == ["320602", "320611", "320623", "320684"]
    assert [area.code for area in areas.areas(first)] == ["320613", "320614", "320623"]
    was, now = areas.area_at(120.75, 32.0, last), areas.area_at(120.75, 32.0, first)
    assert (was and was.code, now and now.code) == ("320611", "320613")
    assert areas.area_at(100.0, 32.0, first) is None
    places = np.array([120.95, np.nan, 121.3]), np.array([32.0, 32.0, 32.0])
    assert areas.codes(*places, last) == ["320684", None, "320623"]
    assert areas.successors()["320611"] == "320613" and areas.successors()["320684"] == "320614"


def test_a_wrong_file_of_areas_says_which_feature(tmp_path: Path) -> None:
    file = tmp_path / "areas.geojson"
    assert Areas.load(file, "Asia/Shanghai").areas(datetime(2020, 1, 1, tzinfo=UTC)) == []
    file.write_text('{"features": [{"properties": {"name": "x"}, "geometry": null}]}')
    with pytest.raises(Invalid, match="feature 0"):
        Areas.load(file, "Asia/Shanghai")
    file.write_text("[]")
    with pytest.raises(Invalid, match="no GeoJSON"):
        Areas.load(file, "Asia/Shanghai")


@pytest.mark.parametrize(
    ("name", "stem", "form"),
    [
        ("南通天万液体化工仓储有限公司", "天万液体化工仓储", 3),
        ("南通天万液体化工仓储公司", "天万液体化工仓储", 1),
        ("海门　天万（南通）科技股份有限公司", "天万", 2),
        ("江苏天万集团有限公司", "天万", 3),
        ("天万有限公司", "天万", 3),
        ("ＡＢＣ化工厂", "ABC化工厂", 0),
        ("南通有限公司", "南通", 3),
    ],
)
def test_names_are_taken_apart(gazetteer: Gazetteer, name: str, stem: str, form: int) -> None:
    found = gazetteer.names(pa.array([name]))
    assert (found.text[0].as_py(), found.form[0]) == (stem, form)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("江苏省南通市海门市三星镇滨江路12号", "海门区滨江路１２号3幢", (True, True, True)),
        ("港闸区工农路3号", "南通市崇川区工农路 3 号", (True, True, True)),
        ("如东县街道长州路278号", "如东县经济区长州路28号", (True, True, False)),
        ("海门区滨江路12号", "如东县滨江路12号", (False, True, True)),
        ("海门区滨江路12号", "海门区滨海路12号", (True, False, True)),
    ],
)
def test_addresses_are_taken_apart(gazetteer: Gazetteer, one: str, other: str, same: tuple[bool, bool, bool]) -> None:
    found = gazetteer.addresses(pa.array([one, other, None]))
    assert all(column[0] and column[1] and not column[2] for column in (found.area, found.road, found.number))
    assert tuple(bool(column[0] == column[1]) for column in (found.area, found.road, found.number)) == same


def test_homophones_sound_alike() -> None:
    one, other, far, nothing = sounds(pa.array(["升和润", "生合润", "升和闰水", None]))
    assert one == other != far and nothing == 0


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 17), st.sampled_from(LETTERS))
def test_a_code_with_another_letter_is_no_code(place: int, letter: str) -> None:
    changed = CODE_A[:place] + letter + CODE_A[place + 1 :]
    (found,) = valid_codes(pa.array([changed])).to_pylist()
    assert found == (CODE_A if changed == CODE_A else None)


def test_codes_are_tidied_before_they_are_looked_at() -> None:
    given_codes = pa.array(
        ["９１３２０６１４ｍａｙ７５ｋ１４６ｋ", " 91320614-MAY75K146K ", "320683494005373", None, ""]
    )
    assert valid_codes(codes(given_codes)).to_pylist() == [CODE_A, CODE_A, None, None, None]
    assert registration(codes(given_codes)).to_pylist() == [None, None, "320683494005373", None, None]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text(max_size=20), max_size=20))
def test_numbers_of_texts_are_the_same_compiled_or_not(texts: list[str]) -> None:
    column = pa.array(texts, pa.large_string())
    few = hashes(texts, "salt")
    seed = np.uint64(hashing.salted("salt"))
    _, offsets, data = column.buffers()
    bounds = np.frombuffer(offsets, dtype=np.int64, count=len(texts) + 1) if texts else np.zeros(1, dtype=np.int64)
    letters = np.frombuffer(data, dtype=np.uint8) if data is not None and data.size else np.zeros(1, dtype=np.uint8)
    with np.errstate(over="ignore"):
        plain = hashing.columnwise(letters, bounds, seed)
    assert plain.view(np.int64).tolist() == few.tolist()
    assert [bool(one) for one in few] == [bool(one) for one in texts]


def test_persons_are_hashed_with_the_citys_key() -> None:
    names = pa.array(["赵伟", None, "赵伟", "许超"])
    one, other = keyed(names, b"a" * 32, "person").to_pylist(), keyed(names, b"b" * 32, "person").to_pylist()
    assert one[0] == one[2] != one[3] and one[1] is None
    assert one[0] != other[0] and "赵" not in str(one)
    assert keyed(names, b"a" * 32, "phone").to_pylist()[0] != one[0]


# ── pairs and groups ───────────────────────────────────────────────────────────────────────────────────────────────


def marked(gazetteer: Gazetteer, rows: Sequence[Mapping[str, str]], kind: str = "firm") -> Marks:
    """Marks of records given as mappings."""
    names = {name for row in rows for name in row}
    columns = {name: pa.array([row.get(name) for row in rows], pa.string()) for name in names}
    return mark(columns, kind, rules().kinds[kind], gazetteer)


def grouped(gazetteer: Gazetteer, *rows: Mapping[str, str]) -> Resolved:
    """What comes of records that nobody knew."""
    marks = marked(gazetteer, rows)
    return resolve(marks, "firm", rules(), Known.nothing(len(marks), 1))


NAME, OTHER = "南通天万化工有限公司", "南通利启石油销售有限公司"
HERE, THERE = "海门区通海路47号", "如东县长州路388号"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"id:uscc": CODE_A, "name": NAME}, {"id:uscc": CODE_A, "name": OTHER}, True),
        ({"id:uscc": CODE_A, "name": NAME, "address": HERE}, {"id:uscc": CODE_B, "name": NAME, "address": HERE}, False),
        ({"name": NAME, "address": HERE}, {"name": "南通天万化工公司", "address": "南通市海门市镇通海路４７号"}, True),
        ({"name": NAME, "address": HERE}, {"name": "南通天万化工有限公司", "address": THERE}, False),
        ({"name": NAME, "address": HERE}, {"name": "南通添万化工有限公司", "address": HERE}, True),
        ({"name": NAME, "former": OTHER, "address": HERE}, {"name": OTHER, "address": HERE}, True),
        ({"name": NAME, "address": HERE}, {"name": OTHER, "address": HERE}, False),
        ({"name": NAME, "address": HERE}, {"name": "如东天万化工有限公司", "address": HERE}, False),
    ],
)
def test_pairs(gazetteer: Gazetteer, one: Mapping[str, str], other: Mapping[str, str], same: bool) -> None:
    found = grouped(gazetteer, one, other)
    assert (found.group[0] == found.group[1]) is np.bool_(same)
    if same:
        assert found.joined.tolist() == [0, 0]


def test_a_name_that_two_firms_carry_is_asked_about(gazetteer: Gazetteer) -> None:
    found = grouped(
        gazetteer,
        {"id:uscc": CODE_A, "name": NAME, "address": HERE},
        {"id:uscc": CODE_B, "name": NAME, "address": THERE},
        {"name": NAME, "person": "p"},
    )
    assert len(set(found.group.tolist())) == 3
    assert {(int(a), int(b)) for a, b in zip(found.questions.a, found.questions.b, strict=True)} == {(0, 2), (1, 2)}


def test_no_chain_joins_two_codes(gazetteer: Gazetteer) -> None:
    found = grouped(
        gazetteer,
        {"id:uscc": CODE_A, "name": NAME, "address": HERE, "person": "p"},
        {"name": NAME, "address": HERE, "person": "p"},
        {"id:uscc": CODE_B, "name": NAME, "address": HERE, "person": "p"},
    )
    assert found.group[0] != found.group[2]


def test_an_unnamed_record_of_a_known_firm_lends_its_address(gazetteer: Gazetteer) -> None:
    found = grouped(
        gazetteer,
        {"id:firm_id": "F1", "name": NAME, "address": HERE},
        {"id:firm_id": "F1", "address": THERE},
        {"name": "南通天万化工公司", "address": THERE},
    )
    assert len(set(found.group.tolist())) == 1


def test_a_mark_that_too_many_share_finds_nobody_and_is_told(gazetteer: Gazetteer) -> None:
    rows = [
        {"name": f"南通{a}{b}纺织有限公司", "address": HERE} for a in "甲乙丙丁戊己庚辛" for b in "子丑寅卯辰巳午未"
    ]
    found = grouped(gazetteer, *rows)
    assert ("address", 64) in {(one.name, one.size) for one in found.dropped}
    assert found.candidates < 64 * 63 // 2 and len(set(found.group.tolist())) == 64


ROWS = st.fixed_dictionaries(
    {"name": st.sampled_from([NAME, OTHER, "南通天万化工公司", "天万化工有限公司", "南通利启石油有限公司"])},
    optional={
        "address": st.sampled_from([HERE, THERE, "海门市通海路47号"]),
        "id:uscc": st.sampled_from([CODE_A, CODE_B, "91320614MAY75K146X"]),
        "former": st.sampled_from([NAME, OTHER]),
        "person": st.sampled_from(["p", "q"]),
    },
)


@settings(max_examples=25, deadline=None)
@given(st.lists(ROWS, min_size=1, max_size=9))
def test_a_group_never_has_two_codes_and_kernels_agree(gazetteer: Gazetteer, rows: list[dict[str, str]]) -> None:
    found = grouped(gazetteer, *rows)
    for group in set(found.group.tolist()):
        members = [rows[at] for at in np.flatnonzero(found.group == group)]
        known = valid_codes(codes(pa.array([row.get("id:uscc") for row in members], pa.string()))).to_pylist()
        assert len(set(known) - {None}) <= 1
    backwards = grouped(gazetteer, *rows[::-1])
    if not len(found.questions) and not found.barred:  # nothing was doubtful: the order says nothing
        forth = {frozenset(np.flatnonzero(found.group == one).tolist()) for one in found.group.tolist()}
        back = {
            frozenset((len(rows) - 1 - np.flatnonzero(backwards.group == one)).tolist()) for one in backwards.group.tolist()
        }  # fmt: skip
        assert forth == back


def test_subjects_held_apart_stay_apart(gazetteer: Gazetteer) -> None:
    marks = marked(gazetteer, [{"name": NAME, "address": HERE}, {"name": NAME, "address": HERE}])
    known = Known(np.array([0, 1]), np.zeros((2, 1), dtype=np.int64), np.array([[0, 1]]))
    assert len(set(resolve(marks, "firm", rules(), known).group.tolist())) == 2
    free = replace(known, apart=np.zeros((0, 2), dtype=np.int64))
    assert len(set(resolve(marks, "firm", rules(), free).group.tolist())) == 1


def test_rules_that_are_wrong_say_where() -> None:
    source = (Path(matching.__file__).parent / "rules.toml").read_text("utf-8")
    assert read_rules(source).model == rules().model
    with pytest.raises(Invalid, match="name_exact"):
        read_rules(source.replace("name_exact", "name_exakt", 1))
    with pytest.raises(Invalid, match="review is above auto"):
        read_rules(source.replace("review = 6.0", "review = 16.0", 1))
    with pytest.raises(Invalid, match="cannot be read"):
        read_rules("version = ")
    assert isinstance(rules().kinds, MappingProxyType)
    assert callable(compiled.kernel(lambda: 1))

"""The city's own list of departments: a tree, or a line that says what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from cityheart.kernel.errors import Invalid
from cityheart.share.departments import below, check, read

HEAD = "code,name,name_en,parent,kind,level\n"
TREE = (
    HEAD
    + "rugao,如皋市政府,Rugao,,district,county\nrugao-baipu,白蒲镇,Baipu,rugao,street,township\necology,生态环境局,Ecology,,,\n"
)


def written(tmp_path: Path, text: str, encoding: str = "utf-8") -> Path:
    file = tmp_path / "departments.csv"
    file.write_text(text, encoding)
    return file


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_departments_stand_in_a_tree(tmp_path: Path, encoding: str) -> None:
    found = read(written(tmp_path, TREE, encoding))
    check({each.code: each for each in found})
    assert [(each.code, each.level, each.kind) for each in found] == [
        ("rugao", "county", "district"), ("rugao-baipu", "township", "street"), ("ecology", "city", "bureau"),
    ]  # fmt: skip
    assert below(found) == {"rugao": {"rugao-baipu"}, "rugao-baipu": set(), "ecology": set()}


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("", "lists nobody"),
        ("a,甲,A,nowhere,,\n", "nowhere"),
        ("a,甲,A,b,,\nb,乙,B,a,,\n", "below itself"),
        ("a,甲,A,a,,\n", "below itself"),
        ("a,甲,A,,,county\nb,乙,B,a,,city\n", "stands below"),
        ("a,甲,A,,,\na,乙,B,,,\n", "line 3: a is there twice"),
        ("A B,甲,A,,,\n", "line 2: the code"),
        ("a,甲,,,,\n", "both languages"),
        ("a,甲,A,,,village\n", "level"),
        ("a\n", "too short"),
        ('a,"甲\n', "cannot be read"),
    ],
)
def test_a_list_that_is_wrong_says_where(tmp_path: Path, lines: str, said: str) -> None:
    with pytest.raises(Invalid, match=said):
        check({each.code: each for each in read(written(tmp_path, HEAD + lines))})


def test_other_files_are_not_taken_for_the_list(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="no column"):
        read(written(tmp_path, "id,title\n1,x\n"))
    with pytest.raises(Invalid, match="UTF-8"):
        read(written(tmp_path, TREE, "gb18030"))

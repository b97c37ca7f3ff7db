"""Points learnt on a city's own records: written as rules, tried on records with codes, refused where Splink is missing."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from cityheart.cli import app
from cityheart.entities import matching, train
from cityheart.entities.areas import Areas
from cityheart.entities.marks import mark
from cityheart.entities.normalise import Gazetteer
from cityheart.entities.rules import POINTS, read_rules, rules
from cityheart.kernel.errors import Invalid, Unavailable

from .scene import CODE_A, CODE_B

SHIPPED = (Path(matching.__file__).parent / "rules.toml").read_text("utf-8")


def test_what_was_learnt_is_a_whole_set_of_rules_with_a_version_of_its_own() -> None:
    text = train.written(SHIPPED, {"name_exact": 9.5, "person_same": -1.0}, "nantong-1")
    made = read_rules(text)
    firm, site = made.kinds["firm"].points, made.kinds["site"].points
    assert firm is not None and site is not None and rules().kinds["site"].points == site
    assert (firm["name_exact"], firm["person_same"], firm["name_core"]) == (9.5, -1.0, 8.0)
    assert made.model.startswith("nantong-1+") and made.model != rules().model


def test_points_are_scaled_so_that_auto_is_a_thousand_to_one() -> None:
    level = {"label_for_charts": "name_exact", "m_probability": 0.5, "u_probability": 0.5 / 999}
    never = {"label_for_charts": "registration_other", "m_probability": 1e-30, "u_probability": 0.9}
    unknown = {"label_for_charts": "unknown", "is_null_level": True}
    levels = [level, never, unknown, {"label_for_charts": "name_sound", "m_probability": None, "u_probability": 0.1}]
    model = {"probability_two_random_records_match": 0.5, "comparisons": [{"comparison_levels": levels}]}
    assert train._points(model, 10.0) == {"name_exact": 10.0, "registration_other": -16.0}


def test_every_level_is_for_a_point_that_there_is() -> None:
    named = {point for levels in train._LEVELS.values() for point, _ in levels if point}
    assert named <= set(POINTS)


def test_rules_are_tried_on_codes_that_they_do_not_see() -> None:
    name, here, there = "南通天万化工有限公司", "海门区通海路47号", "如东县长州路388号"
    columns = {
        "name": [name, name, "南通利启石油有限公司", name], "address": [here, here, there, here],
        "id:uscc": [CODE_A, CODE_A, CODE_B, CODE_B],
    }  # fmt: skip
    marks = mark(
        {key: pa.array(values) for key, values in columns.items()}, "firm", rules().kinds["firm"],
        Gazetteer(Areas(), "南通市"),
    )  # fmt: skip
    precision, recall, pairs = train.tried(marks, rules().kinds["firm"], 60)
    assert (pairs, recall) == (1, 1.0) and precision == pytest.approx(1 / 3)
    assert np.count_nonzero(marks.unique) == 4  # what was given stays as it was


def test_without_splink_it_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "splink", None)
    pq.write_table(pa.table({"name": ["南通天万化工有限公司"]}), tmp_path / "firms.parquet")
    told = CliRunner().invoke(
        app, ["subjects", "train", str(tmp_path / "firms.parquet"), "--out", str(tmp_path / "s.toml")]
    )
    assert told.exit_code != 0
    assert isinstance(told.exception, Unavailable)
    assert told.exception.remedy == "pip install 'cityheart[train]'"
    assert not (tmp_path / "s.toml").exists()


def test_a_file_that_names_nobody_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"who": ["南通天万化工有限公司"]}), tmp_path / "other.parquet")
    with pytest.raises(Invalid, match="no column name"):
        train.of_file(tmp_path / "other.parquet", None, "")
    (tmp_path / "text.parquet").write_text("name\n南通天万化工有限公司\n", "utf-8")
    with pytest.raises(Invalid, match="cannot be read"):
        train.of_file(tmp_path / "text.parquet", None, "")

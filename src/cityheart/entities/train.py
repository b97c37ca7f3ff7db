"""Points for evidence, estimated on a city's own records without labels, set beside the shipped ones.

``cityheart subjects train CITY --out subjects.toml``, or a Parquet file instead of CITY, with the columns ``name former
address person phone uscc registration`` and ``--areas areas.geojson --city 南通市``. What agrees how often among pairs
that are one firm (m) and among pairs that are not (u) is estimated by Splink (Fellegi and Sunter's model, expectation
maximisation). log2(m/u), scaled so that ``auto`` stands for odds of a thousand to one, are the points. Points that no single
column carries (what one code is known under, renamings, several records) stay as they are. Written is a whole set of rules
with a version of its own; a person compares, and puts it into the city's folder as ``subjects.toml``.

Both sets are then tried on pairs of records that both have a right code: equal codes are one firm, different ones two. The
codes themselves are hidden from the rules for that, and these records are none of those that were trained on.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from rich.table import Table

from cityheart.entities.areas import Areas
from cityheart.entities.hashing import Hashes, keyed
from cityheart.entities.marks import AT, Marks, blocking, mark
from cityheart.entities.matching import blocks, score
from cityheart.entities.normalise import Gazetteer, codes
from cityheart.entities.rules import KindRules, read_rules, rules
from cityheart.kernel.errors import Invalid, Unavailable

__all__ = ["estimated", "of_file", "train", "tried", "written"]

_SHOWN = ("core", "stem", "sound", "letters", "region", "form", "former_core", "area", "road", "number", "person", "phone",
          "registration")  # fmt: skip
_MOST = 16.0  # points that one piece of evidence may have: estimates of what never happens are endless
_ODDS = 999.0  # to one, from which on two records are joined without asking

# Of each comparison the levels in order, the first that holds counts: the point it is for, and when it holds.
_LEVELS: Mapping[str, Sequence[tuple[str, str]]] = MappingProxyType({
    "name": (
        ("", "core_l IS NULL OR core_r IS NULL"),
        ("name_exact", "core_l = core_r AND region_l = region_r"),
        ("name_core", "core_l = core_r"),
        ("name_former", "former_core_l = core_r OR former_core_r = core_l"),
        ("name_stem", "stem_l = stem_r"),
        ("name_sound", "sound_l = sound_r"),
        ("name_swapped", "letters_l = letters_r"),
        ("name_near", "jaro_winkler_similarity(text_l, text_r) >= 0.92"),
        ("name_alike", "jaro_winkler_similarity(text_l, text_r) >= 0.8"),
        ("name_other", "ELSE"),
    ),
    "address": (
        ("", "road_l IS NULL OR road_r IS NULL"),
        ("area_other", "area_l <> area_r"),
        ("address_other", "road_l <> road_r"),
        ("address_same", "number_l = number_r"),
        ("address_road", "number_l IS NULL OR number_r IS NULL"),
        ("address_number", "ELSE"),
    ),
    "person": (
        ("", "person_l IS NULL OR person_r IS NULL"), ("person_same", "person_l = person_r"), ("person_other", "ELSE"),
    ),
    "phone": (("", "phone_l IS NULL OR phone_r IS NULL"), ("phone_same", "phone_l = phone_r"), ("phone_other", "ELSE")),
    "registration": (
        ("", "registration_l IS NULL OR registration_r IS NULL"), ("registration_same", "registration_l = registration_r"),
        ("registration_other", "ELSE"),
    ),
})  # fmt: skip
_TOGETHER = (("core",), ("phone",), ("road", "number"), ("person", "road"))  # what pairs share from which m is learnt


def estimated(marks: Marks, own: KindRules) -> dict[str, float]:
    """The points that these records give, by name. Raises :class:`Unavailable` when Splink is not installed.

    Raises :class:`Invalid` when there is too little to learn from.
    """
    try:
        splink = import_module("splink")
        library = import_module("splink.comparison_library")
    except ImportError as error:
        raise Unavailable("Splink is not installed", remedy="pip install 'cityheart[train]'") from error
    logging.getLogger("splink").setLevel(logging.ERROR)
    if len(marks) < 1_000:
        raise Invalid(f"{len(marks)} records are too few to learn from", remedy="take a thousand and more")
    comparisons = [
        library.CustomComparison(
            output_column_name=name,
            comparison_levels=[
                {"sql_condition": when, "label_for_charts": point or "unknown", "is_null_level": not point}
                for point, when in levels
            ],
        )
        for name, levels in _LEVELS.items()
    ]
    prior = splink.block_on("core", "number")
    settings = splink.SettingsCreator(
        link_type="dedupe_only", comparisons=comparisons, blocking_rules_to_generate_predictions=[prior]
    )
    linker = splink.Linker(splink.DuckDBAPI().register(_shown(marks)), settings)
    training = linker.training
    training.estimate_probability_two_random_records_match([prior], recall=0.4)
    training.estimate_u_using_random_sampling(max_pairs=5e6, seed=1)
    for columns in _TOGETHER:
        training.estimate_parameters_using_expectation_maximisation(splink.block_on(*columns))
    return _points(linker.misc.save_model_to_json(), own.auto)


def _points(model: Mapping[str, Any], auto: float) -> dict[str, float]:
    """Points out of what Splink learnt."""
    chance = float(model["probability_two_random_records_match"])
    scale = auto / (math.log2(_ODDS) - math.log2(chance / (1 - chance)))
    found = {}
    for comparison in model["comparisons"]:
        for level in comparison["comparison_levels"]:
            m, u = level.get("m_probability"), level.get("u_probability")
            if level.get("is_null_level") or not m or not u:
                continue
            weight = math.log2(m / u) * scale
            found[str(level["label_for_charts"])] = round(max(-_MOST, min(_MOST, weight)), 1)
    return found


def _shown(marks: Marks) -> pa.Table:
    """Marks as columns; what is not there is null."""
    columns: dict[str, pa.Array] = {"unique_id": pa.array(np.arange(len(marks)))}
    for name in _SHOWN:
        values = marks.numbers[:, AT[name]]
        columns[name] = pa.array(values, mask=values == 0)
    columns["text"] = pa.array(marks.stems.tolist(), pa.string())
    return pa.table(columns)


def written(source: str, points: Mapping[str, float], version: str) -> str:
    """Rules as text, with these points for firms and another version."""
    head, tail = source.split("[kinds.site]", 1)
    for name, value in points.items():
        head = re.sub(rf"^{name} = -?[0-9.]+", f"{name} = {value}", head, flags=re.MULTILINE)
    head = re.sub(r'^version = ".*"', f'version = "{version}"', head, flags=re.MULTILINE)
    return f"{head}[kinds.site]{tail}"


def tried(marks: Marks, own: KindRules, block: int) -> tuple[float, float, int]:
    """Precision and recall of single pairs joined without asking, among records with codes, and how many are one firm.

    The codes are hidden from the rules; recall is of the pairs that share a mark.
    """
    code = marks.unique[:, 0]
    which = np.flatnonzero(code)
    hidden = marks.taken(which)
    for name in ("code", "tail_of_code", "code_high", "code_low"):
        hidden.numbers[:, AT[name]] = 0
    hidden = replace(hidden, unique=np.zeros_like(hidden.unique), decisive=np.zeros_like(hidden.decisive))
    a, b, _ = blocks(blocking(hidden, "firm"), len(hidden), 0, block)
    same = code[which[a]] == code[which[b]]
    joined = score(hidden, a, b, own).score >= own.auto
    right = int((joined & same).sum())
    return right / max(int(joined.sum()), 1), right / max(int(same.sum()), 1), int(same.sum())


def _held_out(code: Hashes) -> npt.NDArray[np.bool_]:
    """A quarter of the firms with a code, by their code: trained on is the rest."""
    held: npt.NDArray[np.bool_] = (code != 0) & (code % 4 == 0)
    return held


def of_file(file: Path, areas: Path | None, city: str) -> Marks:
    """The marks of a Parquet file's records. Raises :class:`Invalid` for a file that cannot be read or names nobody."""
    try:
        table = pq.read_table(file)
    except (OSError, pa.ArrowException) as problem:
        raise Invalid(
            f"{file} cannot be read as Parquet: {problem}", remedy="give a Parquet file of records"
        ) from problem
    columns = {
        name: table[name].combine_chunks() for name in ("name", "former", "address") if name in table.column_names
    }
    for name in ("person", "phone"):
        if name in table.column_names:
            columns[name] = keyed(codes(table[name].combine_chunks()), b"training", name)
    for name in ("uscc", "registration"):
        if name in table.column_names:
            columns[f"id:{name}"] = table[name].combine_chunks()
    if "name" not in columns:
        raise Invalid(f"{file} has no column name", remedy="give records of firms, with name, address, uscc")
    gazetteer = Gazetteer(Areas.load(areas, "Asia/Shanghai") if areas else Areas(), city)
    return mark(columns, "firm", rules().kinds["firm"], gazetteer)


def train(marks: Marks, version: str) -> tuple[str, Table, Sequence[str]]:
    """Rules estimated on these records as TOML; the points beside the shipped ones; what both do on held-out firms.

    Raises :class:`Unavailable` without Splink, :class:`Invalid` for records that nothing can be estimated on.
    """
    apart = _held_out(marks.unique[:, 0])
    shipped = rules()
    own = shipped.kinds["firm"]
    assert own.points is not None
    points = estimated(marks.taken(np.flatnonzero(~apart)), own)
    text = written((Path(__file__).parent / "rules.toml").read_text("utf-8"), points, version)
    trained = read_rules(text)
    table = Table("evidence", "shipped", "trained", title=trained.model, title_justify="left")
    for name, value in points.items():
        table.add_row(name, f"{own.points[name]:g}", f"{value:g}")
    held = marks.taken(np.flatnonzero(apart))
    lines = []
    for title, one in (("shipped", own), ("trained", trained.kinds["firm"])):
        precision, recall, pairs = tried(held, one, shipped.block)
        lines.append(
            f"{title}: of {pairs:,} held-out pairs that are one firm {recall:.1%} are joined without asking; "
            f"{precision:.2%} of what is joined is right"
        )
    return text, table, lines

"""Checking rows against a contract: what is good, what is bad and why, never a good row lost."""

from __future__ import annotations

import copy
from datetime import UTC, date, datetime

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cityheart.share.check import check
from cityheart.share.contracts import Contract, ContractError
from cityheart.share.datum import from_wgs84, to_wgs84
from cityheart.share.models import Refused

from .scene import AIR, contract


def one(
    kind: str, cells: list[object], *, format: str | None = None, **constraints: object
) -> tuple[list[object], list[str]]:
    """Check one column; its good values and the codes of the bad ones by row."""
    field: dict[str, object] = {"name": "v", "type": kind, "constraints": constraints}
    if format:
        field["format"] = format
    document = {
        "name": "one",
        "schema": {
            "fields": [{"name": "id", "type": "integer"}, field],
            "primaryKey": "id",
            "missingValues": ["NA", ""],
        },
        "cityheart": {"owner": "x"},
    }
    table = pa.table({"id": list(range(len(cells))), "v": cells})
    checked = check(Contract.parse(document), table)
    return checked.good["v"].to_pylist(), [f"{bad.row}:{bad.code}" for bad in checked.bad]


def moment(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type, misc]


@pytest.mark.parametrize(
    ("kind", "cells", "good", "bad"),
    [
        ("number", ["1", "2.5", "-3e2"], [1.0, 2.5, -300.0], []),
        ("number", ["1", "NA", ""], [1.0, None, None], []),
        ("number", ["1", "abc", " 2 ", "１２", "1,000", "inf", "nan", "1e999"], [1.0, 2.0, 12.0], [1, 4, 5, 6, 7]),
        ("number", [1, 2], [1.0, 2.0], []),
        ("number", [1.5, float("nan"), float("inf")], [1.5, None], [2]),
        ("integer", ["1", "+2", "3.0", "0x10", "4.5", "99999999999999999999"], [1, 2, 3], [3, 4, 5]),
        ("integer", ["9007199254740993"], [9007199254740993], []),
        ("integer", [1.0, 2.5, float("nan")], [1, None], [1]),
        ("boolean", ["true", "0", "是", "perhaps"], [True, False, True], [3]),
        ("string", ["a", "NA", "  b"], ["a", None, "  b"], []),
        ("string", [1, 2], ["1", "2"], []),
        ("time", ["8:05", "23:59:59", "24:00"], ["08:05:00", "23:59:59"], [2]),
        ("date", ["2020-07-01", "2020-02-29"], [date(2020, 7, 1), date(2020, 2, 29)], []),
        ("date", ["2020/7/1", "2020年7月1日", "20200701", "2021-02-29", "soon"], [date(2020, 7, 1)] * 3, [3, 4]),
        ("datetime", ["2020-07-01T08:00:00+08:00", "2020-07-01T00:00:00Z"], [moment(2020, 7, 1)] * 2, []),
        ("datetime", ["2020-07-01 08:00", "2020-07-01T08:00:00.000"], [moment(2020, 7, 1)] * 2, []),
        (
            "datetime",
            ["2020-07-01 08:00", "2020-07-01T00:00:00Z", "2020/7/1 8:00", "2020年7月1日 8时", "2020-02-30 08:00", "x"],
            [moment(2020, 7, 1)] * 4,
            [4, 5],
        ),
        ("datetime", [datetime(2020, 7, 1, 8)], [moment(2020, 7, 1)], []),
        ("datetime", [moment(2020, 7, 1)], [moment(2020, 7, 1)], []),
        ("date", [moment(2020, 6, 30, 16)], [date(2020, 7, 1)], []),
    ],
)
def test_types(kind: str, cells: list[object], good: list[object], bad: list[int]) -> None:
    """Every type, well and badly written; the rows that can be read are kept."""
    assert one(kind, cells) == (good, [f"{row}:type" for row in bad])


def test_dates_in_a_pattern_and_from_excel() -> None:
    """A strptime pattern is followed to the letter; Excel's day numbers are dates where the contract says ``any``."""
    assert one("date", ["01.07.2020", "31.02.2020", "1.7.2020"], format="%d.%m.%Y") == (
        [date(2020, 7, 1), date(2020, 7, 1)],
        ["1:type"],
    )
    assert one("date", ["44013", "2020-07-01"], format="any") == ([date(2020, 7, 1), date(2020, 7, 1)], [])
    assert one("datetime", ["44013.5", "44013"], format="any")[0] == [moment(2020, 7, 1, 4), moment(2020, 6, 30, 16)]
    assert one("date", ["44013"])[1] == ["0:type"]


@pytest.mark.parametrize(
    ("kind", "constraints", "cells", "codes"),
    [
        ("number", {"minimum": 0, "maximum": 10}, ["0", "10", "-0.1", "10.1"], ["2:minimum", "3:maximum"]),
        ("integer", {"minimum": 1}, ["0", "1"], ["0:minimum"]),
        ("date", {"minimum": "2020-01-01"}, ["2019-12-31", "2020-01-01"], ["0:minimum"]),
        ("datetime", {"maximum": "2020-01-01T00:00:00Z"}, ["2020-01-01T08:00:01+08:00"], ["0:maximum"]),
        ("string", {"enum": ["a", "b"]}, ["a", "c", "NA"], ["1:enum"]),
        ("string", {"pattern": "[0-9]{3}"}, ["123", "1234", "NA"], ["1:pattern"]),
        ("string", {"minLength": 2, "maxLength": 3}, ["一", "一二", "一二三四"], ["0:length", "2:length"]),
        ("string", {"required": True}, ["a", "", "NA"], ["1:required", "2:required"]),
        ("string", {"unique": True}, ["a", "b", "a", "NA", "NA"], ["2:unique"]),
    ],
)
def test_constraints(kind: str, constraints: dict[str, object], cells: list[object], codes: list[str]) -> None:
    """Every constraint of the contract; a missing value breaks only ``required``."""
    assert one(kind, cells, **constraints)[1] == codes


def air(*rows: tuple[str, str, str, str], **section: object) -> tuple[list[tuple[object, ...]], list[str]]:
    table = pa.table(
        {name: [row[i] for row in rows] for i, name in enumerate(["station", "observed_at", "PM2.5", "wind"])}
    )
    checked = check(contract(**section), table)
    good = checked.good
    return (
        [(good["station"][i].as_py(), good["pm25"][i].as_py()) for i in range(good.num_rows)],
        [f"{bad.row}:{bad.code}" for bad in checked.bad],
    )


def test_duplicates_leave_exactly_one_row_of_a_key() -> None:
    """Doubled rows: the first stays. Contradicting rows: the last stays. Both are told from each other."""
    at = "2015-11-01 08:00"
    assert air(("a", at, "1", "N"), ("b", at, "2", "N"), ("a", at, "1", "N")) == (
        [("a", 1.0), ("b", 2.0)],
        ["2:duplicate"],
    )
    assert air(("a", at, "1", "N"), ("b", at, "2", "N"), ("a", at, "9", "N")) == (
        [("b", 2.0), ("a", 9.0)],
        ["0:conflicting_duplicate"],
    )
    mixed = air(
        ("a", at, "9", "N"), ("a", at, "1", "N"), ("a", at, "9", "N"), ("a", at, "NA", "N"), ("a", at, "NA", "N")
    )
    assert mixed == (
        [("a", None)],
        ["0:conflicting_duplicate", "1:conflicting_duplicate", "2:conflicting_duplicate", "4:duplicate"],
    )


def test_a_bad_row_is_no_rival_of_a_good_one() -> None:
    """A row out of range does not push out the good row of the same key."""
    at = "2015-11-01 08:00"
    assert air(("a", at, "1", "N"), ("a", at, "-5", "N")) == ([("a", 1.0)], ["1:minimum"])


def test_the_message_says_what_and_where_in_both_languages() -> None:
    """The reason names the field and the value."""
    table = pa.table({"station": ["a"], "observed_at": ["2015-11-01"], "PM2.5": ["abc"], "wind": ["N"]})
    (bad,) = check(contract(), table).bad
    assert bad.field == "pm25"
    assert bad.message == {"zh-CN": "pm25“abc”不是数", "en": "pm25 'abc' is not a number"}


def test_missing_columns_refuse_new_ones_are_kept() -> None:
    """A declared column that is gone refuses the delivery; one nobody declared is kept as text under its own name."""
    rows = {"station": ["a"], "observed_at": ["2015-11-01"], "wind": ["N"]}
    with pytest.raises(Refused) as refused:
        check(contract(), pa.table(rows))
    assert (refused.value.code, "pm25" in str(refused.value)) == ("missing_column", True)
    checked = check(contract(), pa.table({**rows, "PM2.5": ["3"], "Noise dB": ["55"]}))
    assert checked.drift == {"Noise dB": "extra_noise_db"}
    assert checked.good["extra_noise_db"].to_pylist() == ["55"]
    assert check(contract(), pa.table(rows), tabular=False).good["pm25"].to_pylist() == [None]


def test_a_moment_from_parts() -> None:
    """Parts in the contract's zone become a moment; parts that are no date are bad, missing ones are missing."""
    document = copy.deepcopy(AIR)
    fields = document["schema"]["fields"]  # type: ignore[index]
    fields += [{"name": name, "type": "integer"} for name in ("year", "month", "date", "hour")]
    section = document["cityheart"]
    section["computed"] = [{"name": "observed_at", "parts": ["year", "month", "date", "hour"], "zone": "Asia/Shanghai"}]  # type: ignore[index]
    section["omit"] = ["year", "month", "date", "hour"]  # type: ignore[index]
    parts = [(2015, 12, 31, 23), (2015, 2, 30, 1), (2015, 1, 1, 24), (2016, 2, 29, 0)]
    table = pa.table(
        {
            "station": ["a", "b", "c", "d", "e"],
            "PM2.5": ["1"] * 5,
            "wind": ["N"] * 5,
            "year": [*(str(p[0]) for p in parts), "NA"],
            "month": [*(str(p[1]) for p in parts), "1"],
            "date": [*(str(p[2]) for p in parts), "1"],
            "hour": [*(str(p[3]) for p in parts), "1"],
        }
    )
    checked = check(Contract.parse(document), table)
    assert checked.good["observed_at"].to_pylist() == [moment(2015, 12, 31, 15), moment(2016, 2, 28, 16)]
    assert checked.good.column_names == ["station", "observed_at", "pm25", "wind"]
    assert [f"{bad.row}:{bad.code}" for bad in checked.bad] == ["1:computed", "2:computed", "4:required"]


def test_positions_are_converted_from_their_datum() -> None:
    """GCJ-02 becomes WGS84: Tiananmen's offset point comes home; a place that is none is bad."""
    document = copy.deepcopy(AIR)
    document["schema"]["fields"] += [{"name": "lon", "type": "number"}, {"name": "lat", "type": "number"}]  # type: ignore[index]
    document["cityheart"]["position"] = {"lon": "lon", "lat": "lat", "datum": "GCJ-02"}  # type: ignore[index]
    table = pa.table(
        {
            "station": ["a", "b", "c"],
            "observed_at": ["2015-11-01"] * 3,
            "PM2.5": ["1"] * 3,
            "wind": ["N"] * 3,
            "lon": [116.403847, 190.0, None],
            "lat": [39.915526, 10.0, None],
        }
    )
    checked = check(Contract.parse(document), table)
    assert [f"{bad.row}:{bad.code}" for bad in checked.bad] == ["1:position"]
    lon, lat = checked.good["lon"].to_pylist(), checked.good["lat"].to_pylist()
    assert lon[1] is None
    assert (round(lon[0], 4), round(lat[0], 4)) == (116.3976, 39.9141)  # published WGS84 of the same point


@given(st.floats(73.0, 135.0), st.floats(4.0, 53.0))
@settings(max_examples=50, deadline=None)
def test_datum_and_back(lon: float, lat: float) -> None:
    """There and back again within a centimetre."""
    x, y = from_wgs84(np.array([lon]), np.array([lat]))
    back = to_wgs84(x, y, "GCJ-02")
    assert abs(back[0][0] - lon) < 1e-7
    assert abs(back[1][0] - lat) < 1e-7


CELLS = st.sampled_from(["1", "2.5", "NA", "", "abc", "-7", " 3 ", "inf", "2015-11-01", "￥"])


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(0, 3), CELLS, st.sampled_from(["N", "S", "X", ""])), max_size=30
    )
)
@settings(max_examples=150, deadline=None)
def test_every_row_is_good_or_bad_and_every_key_keeps_its_best(rows: list[tuple[str, int, str, str]]) -> None:
    """Against a row-by-row reference: good and bad together are all rows, and of each key exactly one row lands."""
    table = pa.table(
        {
            "station": pa.array([row[0] for row in rows], pa.string()),
            "observed_at": pa.array([f"2015-11-0{row[1] + 1} 00:00" for row in rows], pa.string()),
            "PM2.5": pa.array([row[2] for row in rows], pa.string()),
            "wind": pa.array([row[3] for row in rows], pa.string()),
        }
    )
    checked = check(contract(), table)
    bad = {each.row: each.code for each in checked.bad}
    assert sorted([*checked.index.tolist(), *bad]) == list(range(len(rows)))
    reference: dict[tuple[str, int], object] = {}
    for number, (station, day, cell, wind) in enumerate(rows):
        text = cell.strip()
        number_of = {"1": 1.0, "2.5": 2.5, "3": 3.0, "NA": None, "": None}
        good = text in number_of and wind in ("N", "S", "")
        assert good == (number not in bad or "duplicate" in bad[number])
        if good:
            reference[(station, day)] = (number_of[text], wind or None)
    landed = {
        (row["station"], row["observed_at"].astimezone(UTC).day): (row["pm25"], row["wind"])
        for row in checked.good.to_pylist()
    }
    shifted = {(station, (day, 31)[day == 0]): value for (station, day), value in reference.items()}
    assert landed == shifted


TWICE = {"value": "a", "label": "A"}


def test_categories_are_the_values_there_are_and_say_them_to_people() -> None:
    document = copy.deepcopy(AIR)
    wind = document["schema"]["fields"][3]
    del wind["constraints"]
    wind["categories"] = ["E", {"value": "N", "label": {"zh-CN": "北", "en": "North"}}, {"value": "S", "label": "S"}]
    field = Contract.parse(document, where="air.json").field("wind")
    assert field.enum == ("E", "N", "S")
    assert field.labels == {"N": {"zh-CN": "北", "en": "North"}, "S": {"zh-CN": "S", "en": "S"}}
    table = pa.table(
        {"station": ["a", "b"], "observed_at": ["2015-11-01 08:00"] * 2, "PM2.5": ["1", "2"], "wind": ["N", "W"]}
    )
    assert [bad.code for bad in check(Contract.parse(document, where="air.json"), table).bad] == ["enum"]


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda d: d.pop("schema"), "schema"),
        (lambda d: d["schema"].pop("primaryKey"), "schema.primaryKey"),
        (lambda d: d["schema"]["fields"][0].update(type="text"), "field 'station'"),
        (lambda d: d["schema"]["fields"][2]["constraints"].update(maximum="10"), "field 'pm25': maximum"),
        (lambda d: d["schema"]["fields"][0]["constraints"].update(pattern="("), "field 'station'"),
        (lambda d: d["schema"]["fields"][0]["constraints"].update(requred=True), "field 'station': constraints"),
        (lambda d: d["schema"]["fields"][0].update(categories=[]), "field 'station': categories"),
        (lambda d: d["schema"]["fields"][0].update(categories=[{"label": "a"}]), "field 'station': categories"),
        (lambda d: d["schema"]["fields"][0].update(categories=[None]), "field 'station': categories"),
        (lambda d: d["schema"]["fields"][0].update(categories=[TWICE, TWICE]), "field 'station': categories"),
        (
            lambda d: d["schema"]["fields"][0].update(categories=[{"value": "a", "name": "A"}]),
            "field 'station': categories",
        ),
        (
            lambda d: d["schema"]["fields"][0].update(categories=[{"value": "a", "label": 1}]),
            "field 'station': categories: label",
        ),
        (lambda d: d["schema"]["fields"][2].update(categories=[1.5]), "field 'pm25'"),
        (lambda d: d["schema"]["fields"][3].update(categories=["N"]), "field 'wind'"),
        (lambda d: d["schema"]["fields"].append({"name": "station"}), "schema.fields"),
        (lambda d: d["cityheart"].update(time="pm25"), "cityheart.time"),
        (lambda d: d["cityheart"].update(sharing=4), "cityheart.sharing"),
        (lambda d: d["cityheart"].update(update_cycle="1h"), "cityheart.update_cycle"),
        (lambda d: d["cityheart"].update(zone="Beijing"), "cityheart.zone"),
        (lambda d: d["cityheart"].update(rename={"PM10": "pm10"}), "cityheart.rename"),
        (lambda d: d["cityheart"].update(omit=["station"]), "cityheart.omit"),
        (lambda d: d["cityheart"].update(computed=[{"name": "observed_at"}]), "cityheart.computed[0]"),
        (lambda d: d["cityheart"].update(position={"lon": "station", "lat": "pm25"}), "cityheart.position"),
    ],
)
def test_a_wrong_contract_says_where(change: object, place: str) -> None:
    """The error names the file and the place in it."""
    document = copy.deepcopy(AIR)
    change(document)  # type: ignore[operator]
    with pytest.raises(ContractError) as error:
        Contract.parse(document, where="air.json")
    assert error.value.detail.startswith(f"air.json: {place}: ")

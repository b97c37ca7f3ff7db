"""SQL over the lake: values are parameters, one SELECT, known tables only."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cityheart.engine.lake import Lake, TableSpec
from cityheart.engine.layout import TIMESTAMP
from cityheart.engine.statement import columns_named, references
from cityheart.kernel.errors import BadRequest

START = datetime(2015, 12, 1, tzinfo=UTC)
NAMES = ["O'Brien", "'; DROP TABLE notes; --", '" OR 1=1 --', "城心 $x", "a\\'b", ""]


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    lake = Lake(tmp_path_factory.mktemp("lake"))
    schema = pa.schema([("name", pa.string()), ("at", TIMESTAMP), ("n", pa.int64())])
    lake.ensure(TableSpec("notes", ("name",), "at", schema))
    lake.append(
        "notes",
        pa.table(
            {
                "name": NAMES,
                "at": pa.array([START + timedelta(hours=n) for n in range(len(NAMES))], TIMESTAMP),
                "n": list(range(len(NAMES))),
                "_known_at": pa.array([START] * len(NAMES), TIMESTAMP),
                "_source": ["s"] * len(NAMES),
                "_batch": ["b"] * len(NAMES),
            }
        ),
    )
    return lake


@pytest.mark.parametrize("name", NAMES)
def test_a_value_is_never_sql(lake: Lake, name: str) -> None:
    rows = lake.query("SELECT n FROM notes WHERE name = $name", {"name": name})
    assert rows["n"].to_pylist() == [NAMES.index(name)]


@settings(max_examples=60, deadline=None)
@given(value=st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=30))
def test_any_text_comes_back_as_it_was(lake: Lake, value: str) -> None:
    assert lake.query("SELECT $v AS v", {"v": value})["v"].to_pylist() == [value]


@pytest.mark.parametrize(
    ("condition", "params", "count"),
    [
        ("at >= $t", {"t": START + timedelta(hours=2)}, 4),
        ("at >= $t", {"t": (START + timedelta(hours=2)).astimezone(timezone(timedelta(hours=8)))}, 4),
        ("at >= $t - $d", {"t": START + timedelta(hours=3), "d": timedelta(hours=1)}, 4),
        ("n > $n", {"n": 2.5}, 3),
        ("n > $n", {"n": np.int32(2)}, 3),
        ("n > $n", {"n": np.float64(2.5)}, 3),
        ("n > $n", {"n": Decimal("2.5")}, 3),
        ("array_has($names, name)", {"names": [NAMES[0], NAMES[2], "other"]}, 2),
        ("array_has($names, name)", {"names": frozenset(NAMES[:2])}, 2),
        ("array_has($numbers, n)", {"numbers": (1, 5)}, 2),
        ("$yes AND n < 3", {"yes": True}, 3),
        ("CAST(at AS DATE) = $day", {"day": date(2015, 12, 1)}, 6),
        ("name = $none", {"none": None}, 0),
    ],
)
def test_parameters_of_every_kind(lake: Lake, condition: str, params: dict[str, object], count: int) -> None:
    assert lake.query(f"SELECT count(*) AS c FROM notes WHERE {condition}", params)["c"].to_pylist() == [count]


def test_parameters_that_cannot_be_bound(lake: Lake) -> None:
    with pytest.raises(BadRequest, match="without a zone"):
        lake.query("SELECT n FROM notes WHERE at > $t", {"t": START.replace(tzinfo=None)})
    with pytest.raises(BadRequest, match="cannot take: object"):
        lake.query("SELECT n FROM notes WHERE n = $n", {"n": object()})
    with pytest.raises(BadRequest, match="\\$n"):
        lake.query("SELECT n FROM notes WHERE n = $n")


def test_nothing_but_the_lake_can_be_read(lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    secret = tmp_path / "secret.parquet"
    pq.write_table(pa.table({"x": [1]}), secret)
    for sql in (
        f"SELECT * FROM '{secret}'",
        f"SELECT * FROM notes JOIN '{secret}' ON true",
        f'SELECT * FROM "{secret}"',
        f"SELECT notes.n FROM notes, 'file://{secret}' AS s",
        "SELECT n FROM notes, 'secret.parquet' AS s",
        'SELECT n FROM notes, "secret.parquet" AS s',
        'SELECT n FROM "secret.parquet" AS s, generate_series(1, 2)',
        f"SELECT * FROM notes WHERE n IN (SELECT x FROM '{secret}')",
        f"SELECT * FROM/**/'{secret}'",
        f"COPY (SELECT 1) TO '{tmp_path / 'out.parquet'}'",
        f"CREATE EXTERNAL TABLE s STORED AS PARQUET LOCATION '{secret}'",
        "CREATE TABLE t AS SELECT 1",
        "SELECT 1 INTO t",
        "SET datafusion.execution.batch_size = 1",
        "SHOW TABLES",
        "SELECT * FROM information_schema.tables",
        "SELECT 1; SELECT 2",
        "DROP TABLE notes",
        "INSERT INTO notes VALUES (1)",
        "WITH x AS (SELECT 1) INSERT INTO notes SELECT * FROM x",
        "",
        "SELECT * FROM unknown",
        "SELECT nothing FROM notes",
        "SELECT FROM WHERE",
    ):
        with pytest.raises(BadRequest):
            lake.query(sql)
    assert not (tmp_path / "out.parquet").exists()
    assert lake.query("SELECT count(*) AS c FROM notes")["c"].to_pylist() == [6]


def test_a_view_of_one_query_is_not_there_for_the_next(lake: Lake) -> None:
    lake.query("SELECT * FROM notes__versions")
    with pytest.raises(BadRequest):
        lake.query("SELECT * FROM notes__plain")


def test_references_are_what_stands_where_a_table_can_stand() -> None:
    sql = """
        -- FROM comment
        WITH late AS (SELECT * FROM air_hourly a JOIN "stations" s ON a.station = s.id /* FROM b */)
        SELECT 'FROM quoted', x FROM late, weather w WHERE x = $from AND y IN (SELECT y FROM Alerts)
    """
    assert {"air_hourly", "stations", "late", "weather", "alerts"} <= references(sql)
    assert not references(sql) & {"comment", "b", "quoted"}


def test_common_table_expressions_and_windows(lake: Lake) -> None:
    sql = """
        WITH ranked AS (SELECT name, n, lag(n) OVER (ORDER BY at) AS before FROM notes)
        SELECT max(n - before) AS step, count(*) AS c FROM ranked
    """
    assert lake.query(sql).to_pylist() == [{"step": 1, "c": 6}]


def test_a_series_of_numbers_needs_no_table(lake: Lake) -> None:
    assert lake.query("SELECT sum(value) AS s FROM generate_series(1, 3)")["s"].to_pylist() == [6]


def test_types_come_back_plain(lake: Lake) -> None:
    schema = lake.query("SELECT name, at, n, at AS again FROM notes").schema
    assert [field.type for field in schema] == [pa.string(), TIMESTAMP, pa.int64(), TIMESTAMP]


@pytest.mark.parametrize(
    ("sql", "named"),
    [
        ("SELECT a FROM t", ["a"]),
        ('SELECT A, "b c" FROM t', ["a", "b c"]),
        ("SELECT a * 2 FROM t", ["a"]),
        ("SELECT * FROM t", ["a", "b c", "d"]),
        ("SELECT t.* FROM t", ["a", "b c", "d"]),
        ("SELECT count(*) FROM t", ["a"]),
        ("SELECT a, * FROM t", ["a", "b c", "d"]),
        ("SELECT a FROM t NATURAL JOIN u", ["a", "b c", "d"]),
        ("SELECT 1 FROM t", ["a"]),
        ("SELECT a FROM t WHERE d > 1 -- b c", ["a", "d"]),
    ],
)
def test_only_columns_that_a_statement_may_read_are_handed_on(sql: str, named: list[str]) -> None:
    assert columns_named(sql, ["a", "b c", "d"]) == named

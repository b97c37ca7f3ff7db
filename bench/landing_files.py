"""Landing of files: 100 columns of CSV and Parquet read and checked against a contract, and landed durably.

Peer: frictionless-py validating the same CSV against the same Table Schema, where it is installed. It validates only;
"landed" has no peer. Figures are cells a second, the median of several rounds.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from statistics import median

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from bench._harness import Measure, milliseconds, report
from cityheart.engine.lake import Lake
from cityheart.kernel.clock import VirtualClock
from cityheart.kernel.database import Database
from cityheart.kernel.ids import Ids
from cityheart.kernel.text import text
from cityheart.share.check import check
from cityheart.share.connectors.push import Push
from cityheart.share.contracts import Contract
from cityheart.share.formats import Reading, decode
from cityheart.share.models import Dataset, Delivery, Department, Source
from cityheart.share.service import Share

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
NUMBERS = 80
INTEGERS = 10
TEXTS = 8  # with the station and the time: 100 columns
COLUMNS = NUMBERS + INTEGERS + TEXTS + 2
ROWS = 20_000
SMALL_ROWS = 400  # for the peer, which goes row by row
ROUNDS = 5


def schema() -> dict[str, object]:
    """A Table Schema with types, ranges, enums and a key."""
    fields: list[dict[str, object]] = [
        {"name": "station", "type": "string", "constraints": {"required": True}},
        {"name": "observed_at", "type": "datetime", "constraints": {"required": True}},
    ]
    fields += [
        {"name": f"n{i}", "type": "number", "constraints": {"minimum": -1000, "maximum": 1000}} for i in range(NUMBERS)
    ]
    fields += [{"name": f"i{i}", "type": "integer", "constraints": {"minimum": 0}} for i in range(INTEGERS)]
    fields += [{"name": f"t{i}", "type": "string", "constraints": {"enum": ["N", "S", "E", "W"]}} for i in range(TEXTS)]
    return {"fields": fields, "primaryKey": ["station", "observed_at"], "missingValues": ["NA", ""]}


def rows(count: int) -> pa.Table:
    """Seeded synthetic rows; one in a thousand breaks a range."""
    rng = np.random.default_rng(7)
    begin = np.datetime64("2026-03-01T00:00:00", "us")
    columns: dict[str, pa.Array] = {
        "station": pa.array([f"station-{i % 500}" for i in range(count)]),
        "observed_at": pa.array(begin + np.arange(count) // 500 * np.timedelta64(60_000_000, "us")).cast(
            pa.timestamp("us", tz="UTC")
        ),
    }
    for i in range(NUMBERS):
        values = np.round(rng.normal(50, 20, count), 2)
        if i == 0:
            values[::1000] = 5_000
        columns[f"n{i}"] = pa.array(values)
    for i in range(INTEGERS):
        columns[f"i{i}"] = pa.array(rng.integers(0, 10_000, count))
    for i in range(TEXTS):
        columns[f"t{i}"] = pa.array(np.array(["N", "S", "E", "W"])[rng.integers(0, 4, count)])
    return pa.table(columns)


def as_csv(table: pa.Table) -> bytes:
    """The rows as CSV with RFC 3339 times."""
    sink = BytesIO()
    moments = pa.compute.strftime(table["observed_at"], format="%Y-%m-%dT%H:%M:%SZ")
    written = table.set_column(1, "observed_at", pa.compute.replace_substring_regex(moments, r"\.\d+Z", "Z"))
    pacsv.write_csv(written, sink, pacsv.WriteOptions(quoting_style="none"))
    return sink.getvalue()


def as_parquet(table: pa.Table) -> bytes:
    """The rows as Parquet."""
    sink = BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


def checked(contract: Contract, name: str, payload: bytes) -> int:
    """Read and check all rows; returns how many are good."""
    good = 0
    for batch in decode(name, payload, None, Reading(contract.headers)):
        good += check(contract, batch.table, tabular=batch.tabular, damaged=batch.damaged).good.num_rows
    return good


def share_in(home: Path, contract: Contract) -> Share:
    """A share that lands into a folder on disk."""
    clock = VirtualClock(BEGIN)
    database = Database(f"sqlite:///{home / 'city.sqlite'}", clock, Ids(clock, 1))
    database.create_all()
    share = Share(database, Lake(home / "lake"), connectors=[Push()])
    department = Department("ecology", text("生态环境局", "ecology bureau"))
    source = Source("wide", "ecology", text("宽表", "wide"), "push", {}, contract.name)
    share.register([department], [Dataset.of(contract)], [source])
    return share


def rate(cells: int, action: Callable[[int], object], rounds: int = ROUNDS) -> float:
    """Cells a second: the median over some rounds after a warm one."""
    times = [milliseconds(action, number) for number in range(rounds + 1)][1:]
    return cells / (median(times) / 1_000)


def frictionless_rate(payload: bytes, cells: int) -> float | None:
    """The peer on the same bytes, None when it is not installed."""
    if find_spec("frictionless") is None:
        return None
    from frictionless import Resource, Schema  # type: ignore[import-not-found]

    declared = Schema.from_descriptor(json.loads(json.dumps(schema())))
    return rate(cells, lambda _: Resource(payload, format="csv", schema=declared).validate(), rounds=2)


def main() -> None:
    """Measure and report."""
    contract = Contract.parse(
        {"name": "wide", "schema": schema(), "cityheart": {"owner": "ecology", "time": "observed_at", "zone": "UTC"}}
    )
    table = rows(ROWS)
    csv, parquet = as_csv(table), as_parquet(table)
    cells = ROWS * COLUMNS
    expected = ROWS - len(range(0, ROWS, 1000))
    assert checked(contract, "a.csv", csv) == checked(contract, "a.parquet", parquet) == expected
    small = as_csv(rows(SMALL_ROWS))
    peer = frictionless_rate(small, SMALL_ROWS * COLUMNS)

    def land(share: Share, kind: str, payload: bytes) -> Callable[[int], object]:
        def once(number: int) -> None:
            at = BEGIN + timedelta(minutes=number)
            (landed,) = share.land("wide", [Delivery(f"{number}.{kind}", at, payload, kind, str(number))])
            assert landed.rows == expected

        return once

    with tempfile.TemporaryDirectory() as folder:
        share = share_in(Path(folder), contract)
        measures = [
            Measure(
                "csv checked", "cells/s", rate(cells, lambda _: checked(contract, "a.csv", csv)), peer,
                target=500_000, aim="at least", smaller_is_better=False, beside="frictionless",
            ),
            Measure(
                "parquet checked", "cells/s", rate(cells, lambda _: checked(contract, "a.parquet", parquet)),
                target=5_000_000, aim="at least", smaller_is_better=False,
            ),
            Measure(
                "csv landed", "cells/s", rate(cells, land(share, "csv", csv), 3),
                target=500_000, aim="at least", smaller_is_better=False,
            ),
            Measure(
                "parquet landed", "cells/s", rate(cells, land(share, "parquet", parquet), 3),
                target=5_000_000, aim="at least", smaller_is_better=False,
            ),
        ]  # fmt: skip
    report(
        f"Landing of files: {ROWS:,} rows of {COLUMNS} columns",
        measures,
        notes=[
            "checked: decoded, typed, ranges, enums, required, key; one row in 1,000 is bad. "
            "landed: that, and in the lake and on record, forced to the disk."
        ],
    )


if __name__ == "__main__":
    main()

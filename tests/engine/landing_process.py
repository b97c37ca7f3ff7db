"""A process that lands batches and says so, made to be killed: ``python landing_process.py FOLDER FIRST``."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa

from cityheart.engine.lake import Lake, TableSpec
from cityheart.engine.layout import TIMESTAMP

START = datetime(2015, 12, 1, tzinfo=UTC)
SPEC = TableSpec("readings", ("id",), "at", pa.schema([("id", pa.int64()), ("at", TIMESTAMP)]))
ROWS = 40  # a batch reaches over three days: three files in one commit


def batch(number: int) -> pa.Table:
    at = [START + timedelta(hours=1.5 * row) for row in range(ROWS)]
    return pa.table(
        {
            "id": [number * ROWS + row for row in range(ROWS)],
            "at": pa.array(at, TIMESTAMP),
            "_known_at": pa.array([START] * ROWS, TIMESTAMP),
            "_source": ["s"] * ROWS,
            "_batch": [str(number)] * ROWS,
        }
    )


def main(folder: str, first: int) -> None:
    lake = Lake(Path(folder))
    lake.ensure(SPEC)
    number = first
    while True:
        lake.append("readings", batch(number), transaction=("source", number))
        print(number, flush=True)
        number += 1


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))

"""DuckDB: hours of tanks from readings in Parquet. Run by its own interpreter: ``FILE OUT``, one thread, data in memory.

Once over readings that are all there, in order and none twice: medians of five minutes of the good ones, and of those
the first, last, lowest, highest and middle one of each hour, metric and tank; and how many readings of the level were
good. Neither movements, noise, jumps nor what came late, which cities need.
"""

from __future__ import annotations

import json
import sys
import time

import duckdb  # type: ignore[import-not-found,unused-ignore]

HOURS = """
WITH parts AS (
    SELECT tank_id, metric, time_bucket(INTERVAL 5 minutes, time) AS part, median(value) AS value
    FROM readings WHERE quality = 0 GROUP BY ALL
), hours AS (
    SELECT tank_id, metric, date_trunc('hour', part) AS hour, arg_min(value, part) AS first, arg_max(value, part) AS last,
        min(value) AS lowest, max(value) AS highest, median(value) AS middle
    FROM parts GROUP BY ALL
), counted AS (
    SELECT tank_id, date_trunc('hour', time) AS hour, count(*) AS good
    FROM readings WHERE quality = 0 AND metric = 'level_m' GROUP BY ALL
)
SELECT * FROM hours LEFT JOIN counted USING (tank_id, hour) ORDER BY tank_id, metric, hour
"""


def main(file: str, out: str) -> None:
    """Take the rows in, make the hours, write them for comparison."""
    with duckdb.connect(config={"threads": 1}) as database:
        database.execute("CREATE TABLE readings AS SELECT * FROM read_parquet(?)", [file])
        (rows,) = database.execute("SELECT count(*) FROM readings").fetchone()
        begun = time.process_time()
        hours = database.execute(HOURS).to_arrow_table()
        seconds = time.process_time() - begun
        database.register("made", hours)
        database.execute(f"COPY made TO '{out}' (FORMAT parquet)")
    print(json.dumps({"per_second": rows / seconds, "hours": hours.num_rows}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])

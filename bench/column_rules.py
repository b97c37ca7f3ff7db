"""What rules for columns and rows cost: the same statement over the same files with and without them, taking turns.

Two million rows of a seeded table of 24 columns over four days, in files. Rules: two columns that the statement does not
name are hidden; one that it names is hidden too; a column is shown under a condition; rows are there under one. Each
statement runs with a rule and without it, in turn first and second; the median of the ratios of such pairs counts, of
milliseconds of the processor (all threads).
``python -m bench.column_rules [--rounds N]``
"""

from __future__ import annotations

import argparse
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

import numpy as np
import pyarrow as pa

from bench._harness import Measure, report
from cityheart.engine.lake import Lake, TableSpec
from cityheart.engine.layout import TIMESTAMP
from cityheart.engine.veil import Veil

START = datetime(2026, 6, 1, tzinfo=UTC)
DAYS, ROWS, VEHICLES = 4, 500_000, 2_000
NUMBERS, WORDS = 10, 8
HIDDEN = frozenset({"word6", "word7"})
STATEMENTS = {
    "count under a condition": "SELECT count(*) AS n FROM fixes WHERE number1 > 0.9 AND vehicle < 500",
    "sums by group": "SELECT vehicle, avg(number2) AS mean, max(word0) AS word FROM fixes GROUP BY vehicle",
    "some rows": "SELECT vehicle, at, number3, word1 FROM fixes WHERE vehicle = 77 AND number1 > 0.5 ORDER BY at LIMIT 100",
}


def filled(folder: Path) -> Lake:
    """A lake with the table, each day in one file."""
    schema = pa.schema([
        ("id", pa.int64()), ("vehicle", pa.int64()), ("at", TIMESTAMP), ("lon", pa.float64()), ("lat", pa.float64()),
        *((f"number{n}", pa.float64()) for n in range(NUMBERS)), *((f"word{n}", pa.string()) for n in range(WORDS)),
    ])  # fmt: skip
    lake = Lake(folder)
    lake.ensure(TableSpec("fixes", ("id", "at"), "at", schema, "lon", "lat"))
    rng = np.random.default_rng(5)
    words = pa.array([f"word-{n}" for n in range(5_000)])
    for day in range(DAYS):
        at = int((START + timedelta(days=day)).timestamp() * 1e6) + np.sort(rng.integers(0, 86_400_000_000, ROWS))
        columns = {
            "id": np.arange(ROWS) + day * ROWS, "vehicle": rng.integers(0, VEHICLES, ROWS), "at": pa.array(at, TIMESTAMP),
            "lon": rng.uniform(120.2, 122, ROWS), "lat": rng.uniform(31.6, 32.7, ROWS),
            **{f"number{n}": rng.random(ROWS) for n in range(NUMBERS)},
            **{f"word{n}": words.take(pa.array(rng.integers(0, 5_000, ROWS))) for n in range(WORDS)},
        }  # fmt: skip
        none = pa.array(np.zeros(ROWS, dtype=np.int8))
        known = pa.array([START + timedelta(days=day + 1)], TIMESTAMP).take(none)
        text = pa.DictionaryArray.from_arrays(none, ["bench"])
        landing = pa.table(columns, schema=schema).append_column("_known_at", known)
        lake.append("fixes", landing.append_column("_source", text).append_column("_batch", text))
    return lake


def rules(names: list[str]) -> dict[str, Veil]:
    """What lies over the table, by what it does."""
    shown = dict.fromkeys(name for name in names if name not in HIDDEN)
    condition = '("vehicle" <= 1500)'
    named: dict[str, str | None] = {name: None for name in shown if name not in ("number3", "word0")}
    return {
        "hidden columns, none of them named": Veil(shown),
        "a named column hidden": Veil(named),
        "a column under a condition": Veil({**shown, "number2": condition, "number3": condition}, None, frozenset({"vehicle"})),
        "rows under a condition": Veil(shown, condition, frozenset({"vehicle"})),
    }  # fmt: skip


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=60)
    asked = parser.parse_args()
    measures: list[Measure] = []
    notes: list[str] = []
    with tempfile.TemporaryDirectory(prefix="cityheart-bench-") as folder:
        lake = filled(Path(folder))
        for rule, veil in rules([*lake.spec("fixes").schema.names, "_known_at", "_source", "_batch", "_seq"]).items():
            ratios: list[float] = []
            spent: list[float] = []
            for sql in STATEMENTS.values():
                one = [_pair(lake, sql, veil, turn) for turn in range(asked.rounds + 4)][4:]
                ratios.append(median(each[1] / each[0] for each in one))
                spent.append(median(each[1] - each[0] for each in one))
            each = zip(STATEMENTS, ratios, spent, strict=True)
            notes.append(f"{rule}: " + "; ".join(f"{name} {ratio:.3f} ({ms:+.2f} ms)" for name, ratio, ms in each))
            aimed = 1.05 if veil.plain else None
            measures.append(
                Measure(f"cost beside that without rules, {rule}", "×", max(ratios), target=aimed, aim="at most")
            )
    report(
        f"rules over {DAYS * ROWS:,} rows in files, the dearest of {len(STATEMENTS)} statements", measures, notes=notes
    )


def _pair(lake: Lake, sql: str, veil: Veil, turn: int) -> tuple[float, float]:
    """Milliseconds of the processor without and with the rule."""
    veils = {"fixes": veil}
    taken = [0.0, 0.0]
    for which in (0, 1) if turn % 2 else (1, 0):
        begun = time.process_time()
        lake.query(sql, veils=veils if which else None)
        taken[which] = (time.process_time() - begun) * 1_000
    return taken[0], taken[1]


if __name__ == "__main__":
    main()

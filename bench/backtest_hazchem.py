"""How long a backtest of each detector of hazardous chemicals takes over the last thirty days of a city.

``--home`` is the folder of a played city (as large and long as one likes); without it a small one is simulated and played first.
Each detector is replayed by itself over everything that landed, from the first row on, as ``cityheart backtest`` does; what it
reads is read from the disk. Seconds are those of the clock; beside them stand those of the processor, which other work on the
machine does not lengthen.
``python -m bench.backtest_hazchem [--home DIR] [--firms N] [--days N] [--detector NAME …]``
"""

from __future__ import annotations

import argparse
import gc
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from bench._harness import Measure, report
from cityheart.apps.hazchem.detectors import detectors
from cityheart.engine.lake import Lake
from cityheart.kernel.clock import stopwatch
from cityheart.kernel.settings import Settings
from cityheart.sdk import Survey
from cityheart.watch.backtest import BacktestReport, Replay
from cityheart.watch.models import inputs_of
from cityheart.watch.surveys import Ground

SECONDS = 60.0
SPAN = timedelta(days=30)


@contextmanager
def played(home: Path | None, firms: int, days: int) -> Iterator[Path]:
    """The folder of a played city: the one given, or a small one of this run."""
    if home is not None:
        yield home
        return
    with tempfile.TemporaryDirectory(prefix="cityheart-bench-") as folder:
        city, into = Path(folder) / "test", Path(folder) / "city"
        sizes = ("--seed", "11", "--firms", str(firms), "--days", str(days), "--vehicles", str(firms // 2))
        for words in (("simulate", str(city), *sizes), ("play", str(city), "--bulk", "--into", str(into))):
            subprocess.run([sys.executable, "-m", "cityheart.cli", *words], check=True, stdout=subprocess.DEVNULL)
        yield into


def present(lake: Lake) -> datetime:
    """When the newest waybill became known: the end of what was played."""
    newest = lake.query("SELECT max(_known_at) AS last FROM transport_waybill__versions")["last"][0].as_py()
    assert isinstance(newest, datetime), "the city has no waybills: it was not played"
    return newest.astimezone(UTC)


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path)
    parser.add_argument("--firms", type=int, default=60)
    parser.add_argument("--days", type=int, default=4)
    parser.add_argument("--detector", nargs="*", default=[], help="e.g. no_waybill; all twelve surveys by default")
    asked = parser.parse_args()
    measures, notes = [], []
    with played(asked.home, asked.firms, asked.days) as home:
        settings = Settings.load(home)
        until = present(Lake(home / "lake"))
        firms = Lake(home / "lake").current("approval_firm").num_rows
        for detector in detectors():
            name = detector.id.partition(".")[2]
            if not isinstance(detector, Survey) or (asked.detector and name not in asked.detector):
                continue
            gc.collect()
            lake = Lake(home / "lake")  # nothing of what others read is in its memory
            replay = Replay(Ground(lake, ZoneInfo(settings.zone), home), until)
            begun, worked = stopwatch(), time.process_time()
            told: BacktestReport = replay.run(detector, until - SPAN, until, {})
            wall, busy = stopwatch() - begun, time.process_time() - worked
            notes.append(
                f"{name}: {busy:.1f} s of the processor, {told.runs} looks of {1000 * busy / max(told.runs, 1):.0f} ms, "
                f"{told.rows:,} rows of {len(inputs_of(detector))} datasets, {len(told.alerts)} alerts"
            )
            measures.append(Measure(f"backtest: {name}", "s", wall, target=SECONDS, aim="at most"))
    report(f"backtests of hazardous chemicals, {firms:,} firms, {until:%Y-%m-%d}", measures, notes=notes)


if __name__ == "__main__":
    main()

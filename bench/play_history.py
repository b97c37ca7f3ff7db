"""Four years of twelve stations through the whole loop: landing, detectors, alerts, plans, simulated staff, scores.

What is measured is the whole command, ``cityheart demo air --headless``, from its start to its written report: about
420,000 hourly readings, every warning with its plan, every task with its clock. There is no peer here.
``python -m bench.play_history [--from DAY] [--to DAY]``
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from bench._harness import Measure, report
from cityheart.kernel.clock import stopwatch

TARGET_SECONDS = 60.0


def play(since: str | None, until: str | None, into: Path) -> tuple[float, float, float, dict[str, object]]:
    """Play once: seconds, seconds of CPU, most memory of the process (MB), the report."""
    told = into / "report.json"
    span = [*(("--from", since) if since else ()), *(("--to", until) if until else ())]
    command = [sys.executable, "-m", "cityheart.cli", "demo", "air", "--headless", "--report", str(told), *span]
    begun = stopwatch()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    seconds = stopwatch() - begun
    assert process.returncode == 0, "the play did not end well"
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e6, json.loads(told.read_text("utf-8"))


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--from", dest="since", default=None, help="first day; by default all of history")
    parser.add_argument("--to", dest="until", default=None)
    asked = parser.parse_args()
    whole = asked.since is None and asked.until is None
    with tempfile.TemporaryDirectory(prefix="cityheart-bench-") as folder:
        seconds, cpu, memory, told = play(asked.since, asked.until, Path(folder))
    figures, tasks = told["figures"], told["tasks"]
    assert isinstance(figures, dict) and isinstance(tasks, dict)
    alerts, runs = told["alerts"], told["runs"]
    assert isinstance(alerts, list) and isinstance(runs, list)
    report(
        f"history played, {str(told['from'])[:10]} to {str(told['to'])[:10]}",
        [
            Measure("history: the whole play", "s", seconds, target=TARGET_SECONDS if whole else None, aim="at most"),
            Measure("history: CPU time of both cores", "s", cpu),
            Measure("history: rows", "rows/s", figures["rows"] / seconds, smaller_is_better=False),
            Measure("history: most memory", "MB", memory),
        ],
        notes=[
            f"{figures['rows']:,} rows, {len(alerts)} alerts, {len(runs)} runs, {sum(tasks['by_state'].values())} tasks"
        ],
    )


if __name__ == "__main__":
    main()

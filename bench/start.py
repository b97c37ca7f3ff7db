"""Starting an installed city: from the command to the first answer over HTTP, and the memory of the idle server.

A city with the air application is made once. Then ``cityheart run`` is started several times, and ``/api/health`` asked
until it answers; the time includes the interpreter, the imports and the migrations that are not due. Memory is the
resident set after the server was left alone. There is no peer here: comparable systems are started as several
containers.
``python -m bench.start [--starts N]``
"""

from __future__ import annotations

import argparse
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from statistics import median

from bench._harness import Measure, report
from cityheart.kernel.clock import stopwatch

CITYHEART = [sys.executable, "-m", "cityheart.cli"]
TARGET_SECONDS = 5.0
TARGET_MB = 400.0
PATIENCE_SECONDS = 60.0
IDLE_SECONDS = 5.0


def start(home: Path, idle: float) -> tuple[float, float]:
    """Start the city once: seconds to the first answer, MB resident after ``idle`` seconds."""
    begun = stopwatch()
    with subprocess.Popen(
        [*CITYHEART, "run", ".", "--port", "0"], cwd=home, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        try:
            address = _address(server)
            while not _healthy(address):
                assert stopwatch() - begun < PATIENCE_SECONDS, "the city does not answer"
            seconds = stopwatch() - begun
            time.sleep(idle)
            memory = _resident_mb(server.pid)
        finally:
            server.send_signal(signal.SIGINT)
    return seconds, memory


def _address(server: subprocess.Popen[str]) -> str:
    assert server.stdout is not None
    for line in server.stdout:
        if found := re.search(r"http://\S+", line):
            return found[0]
    raise AssertionError(f"the city did not start (exit code {server.wait()})")


def _healthy(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/api/health", timeout=5) as answer:  # noqa: S310  (our own address)
            return bool(answer.status == 200)
    except (urllib.error.URLError, ConnectionError):
        return False


def _resident_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text("utf-8")
    found = re.search(r"^VmRSS:\s+(\d+) kB", status, re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024 / 1e6


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--starts", type=int, default=5)
    count = parser.parse_args().starts
    with tempfile.TemporaryDirectory(prefix="cityheart-bench-") as folder:
        home = Path(folder) / "city"
        subprocess.run([*CITYHEART, "init", str(home), "--like", "air"], check=True, stdout=subprocess.DEVNULL)
        (home / "inbox" / "air").mkdir(parents=True, exist_ok=True)
        start(home, 0)  # the first start fills the disk's cache and runs what runs once
        taken = [start(home, IDLE_SECONDS) for _ in range(count)]
    seconds, memory = median(one[0] for one in taken), median(one[1] for one in taken)
    report(
        f"start of an installed city with the air application, {count} starts",
        [
            Measure("start: command to first answer", "s", seconds, target=TARGET_SECONDS, aim="at most"),
            Measure("start: resident memory, idle", "MB", memory, target=TARGET_MB, aim="at most"),
        ],
    )


if __name__ == "__main__":
    main()

"""One command of ``cityheart`` in a process of its own: how long it took and how much memory."""

from __future__ import annotations

import os
import subprocess
import sys

from cityheart.kernel.clock import stopwatch

__all__ = ["run"]


def run(*words: object, module: str = "cityheart.cli") -> tuple[float, float]:
    """Seconds and most memory (MB) of a command, which has to end well."""
    begun = stopwatch()
    with subprocess.Popen([sys.executable, "-m", module, *map(str, words)], stdout=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, f"cityheart {words[0]} did not end well"
    return stopwatch() - begun, usage.ru_maxrss * 1024 / 1e6

"""Compaction in the background: small files of live landing become few, the log stays short.

A city's loop calls ``run``; a server that should not wait starts the thread. Both are safe beside writers.
"""

from __future__ import annotations

import threading

from cityheart.engine.lake import Compacted, Lake
from cityheart.engine.memory import give_back
from cityheart.kernel.errors import Problem

__all__ = ["Compactor"]


class Compactor:
    """Looks over all tables of a lake. ``problems``: what kept a table from being compacted, by its name."""

    def __init__(self, lake: Lake, *, seconds: float = 60.0) -> None:
        self._lake = lake
        self._seconds = seconds
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self.problems: dict[str, str] = {}

    def run(self) -> dict[str, Compacted]:
        """Compacts what needs it now; a table that cannot be compacted does not keep the others from it."""
        done = {}
        for name in self._lake.tables():
            try:
                result = self._lake.compact(name, whole=False)
            except (Problem, OSError) as problem:
                self.problems[name] = str(problem)
                continue
            self.problems.pop(name, None)
            if result.files:
                done[name] = result
        if done:
            give_back()
        return done

    def start(self) -> None:
        """Runs every ``seconds`` in a thread of its own until :meth:`stop`."""
        if self._thread is None:
            self._wake.clear()
            self._thread = threading.Thread(target=self._loop, name="lake-compaction", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Ends the thread after the table it is at."""
        if self._thread is not None:
            self._wake.set()
            self._thread.join()
            self._thread = None

    def _loop(self) -> None:
        while not self._wake.wait(self._seconds):
            self.run()

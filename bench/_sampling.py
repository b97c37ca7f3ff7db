"""Where the memory of a city goes while it plays: a line every few seconds, and what each survey read at most.

``python -m bench._sampling FILE play CITY --bulk …`` is the command line of a city that writes such lines to a CSV file.
"""

from __future__ import annotations

import csv
import sys
import threading
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, cast

import pyarrow as pa

from cityheart import cli
from cityheart.city import City
from cityheart.engine.lake import Lake
from cityheart.kernel.clock import stopwatch
from cityheart.watch.service import Watch, _Turn
from cityheart.watch.surveys import Snapshot

__all__ = ["most"]

SECONDS = 5.0
MB = 10**6
HEAD = (
    "seconds",
    "city_time",
    "resident",
    "files",
    "arrow",
    "arrow_most",
    "cache",
    "recent",
    "recall",
    "at",
    "compacting",
)


def most(file: Path) -> dict[str, str]:
    """The line of a file of samples with the most resident memory."""
    with file.open(encoding="utf-8", newline="") as lines:
        return max(csv.DictReader(lines), key=lambda line: int(line["resident"]))


class _Samples:
    """The lines of one play. ``at`` and ``compacting``: what is under way; ``read``: bytes that each survey was shown."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._begun = stopwatch()
        self._over = threading.Event()
        self.city: City | None = None
        self.at = self.compacting = ""
        self.read: dict[str, int] = {}

    def loop(self) -> None:
        """A line now and then until the play is over."""
        with self._file.open("w", encoding="utf-8", newline="", buffering=1) as lines:
            table = csv.writer(lines)
            table.writerow(HEAD)
            while not self._over.wait(SECONDS):
                table.writerow(self._line())

    def end(self) -> None:
        """No more lines."""
        self._over.set()

    def _line(self) -> list[object]:
        pool = pa.default_memory_pool()
        status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text("utf-8").splitlines())
        resident, files = (int(status[name].split()[0]) * 1024 for name in ("VmRSS", "RssFile"))
        cache = recent = recall = 0
        moment = ""
        if (city := self.city) is not None:
            moment = f"{city.clock.now():%Y-%m-%dT%H:%M}"
            cache = city.lake._cache._bytes
            recent = sum(table.recent_bytes for table in list(city.lake._tables.values()))
            recall = city.watch._ground.recall._bytes
        held = (resident, files, pool.bytes_allocated(), pool.max_memory() or 0, cache, recent, recall)
        return [round(stopwatch() - self._begun), moment, *(size // MB for size in held), self.at, self.compacting]


def _watched(samples: _Samples) -> None:
    """Let a city say what it is at."""

    def named(kind: type, name: str, field: str, label: Callable[..., str]) -> None:
        inner = getattr(kind, name)

        @wraps(inner)
        def outer(*given: Any, **named: Any) -> Any:
            setattr(samples, field, label(*given))
            try:
                return inner(*given, **named)
            finally:
                setattr(samples, field, "")

        setattr(kind, name, outer)

    named(_Turn, "take", "at", lambda turn, snapshot: turn.survey.id)
    named(Watch, "_step", "at", lambda watch, detector: detector.id)
    named(Lake, "compact", "compacting", lambda lake, name: name)
    rows, opened = Snapshot.rows, City.open

    def read(snapshot: Snapshot, dataset: str, wanted: Any) -> pa.Table:
        shown = rows(snapshot, dataset, wanted)
        place = f"{samples.at} {dataset}"
        samples.read[place] = max(samples.read.get(place, 0), shown.nbytes)
        return shown

    def seen(*given: Any, **named: Any) -> City:
        samples.city = opened(*given, **named)
        return samples.city

    Snapshot.rows = read  # type: ignore[assignment,method-assign]
    City.open = cast(Any, seen)  # type: ignore[method-assign]


def main() -> None:
    """Play, with a line every few seconds."""
    file = Path(sys.argv.pop(1))
    samples = _Samples(file)
    _watched(samples)
    thread = threading.Thread(target=samples.loop, name="samples", daemon=True)
    thread.start()
    try:
        cli.main()
    finally:
        samples.end()
        thread.join()
        told = sorted(samples.read.items(), key=lambda each: -each[1])
        file.with_suffix(".read.csv").write_text("".join(f"{place},{size // MB}\n" for place, size in told), "utf-8")


if __name__ == "__main__":
    main()

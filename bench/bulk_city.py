"""A simulated city lived through in bulk: how quickly its rows land, and what detectors, tracks and surveys cost on top.

The city is played twice by ``cityheart play``, each time in a process of its own: once with everything an application declares,
once with nobody looking at what lands. Figures of a play are its own; peak memory is that of the whole process.
With ``--samples FILE`` a line every five seconds says who holds memory while the city with everything plays.
``python -m bench.bulk_city [--firms N] [--vehicles N] [--days N] [--seed N] [--city DIR] [--until WHEN] [--samples FILE]``
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console

from bench._harness import Measure, report
from bench._measured import run
from bench._sampling import most

MEMORY_MB = 6_000


def played(
    city: Path, into: Path, until: str | None, *, detectors: bool, samples: Path | None = None
) -> tuple[dict[str, Any], float]:
    """What the play says of itself, and its most memory in MB."""
    told = into.with_suffix(".json")
    words: list[object] = ["play", city, "--bulk", "--into", into, "--report", told]
    words += ["--until", until] if until else []
    if samples is not None:
        _, memory = run(samples, *words, module="bench._sampling")
    else:
        _, memory = run(*words, module="cityheart.cli" if detectors else __spec__.name)
    figures: dict[str, Any] = json.loads(told.read_text("utf-8"))["figures"]
    return figures, memory


def unwatched() -> None:
    """The command line of a city in which nobody looks at what lands."""
    from cityheart import cli
    from cityheart.watch.service import Watch

    Watch.detect = lambda self, until=None: None  # type: ignore[assignment,method-assign,misc]
    cli.main()


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--firms", type=int, default=120)
    parser.add_argument("--vehicles", type=int, default=60)
    parser.add_argument("--days", type=int, default=3)
    parser.add_argument("--seed", type=int, default=101)
    parser.add_argument("--city", type=Path, help="a test city instead of a simulated one")
    parser.add_argument("--until", help="city time at which the play ends")
    parser.add_argument("--samples", type=Path, help="a CSV file for what holds memory while the city plays")
    asked = parser.parse_args()
    console = Console(stderr=True)
    with tempfile.TemporaryDirectory(prefix="cityheart-bench-") as folder:
        city = asked.city or Path(folder) / "systems"
        if asked.city is None:
            console.print(f"Simulating {asked.firms} firms, {asked.days} days …")
            size = ("--firms", asked.firms, "--vehicles", asked.vehicles, "--days", asked.days, "--seed", asked.seed)
            run("simulate", city, *size)
        measures = []
        for label, detectors in (("with detectors", True), ("landing alone", False)):
            console.print(f"Playing, {label} …")
            samples = asked.samples if detectors else None
            into = Path(folder) / f"city-{detectors:d}"
            figures, memory = played(city, into, asked.until, detectors=detectors, samples=samples)
            rate, day = figures["rows_per_second"], figures["seconds_per_city_day"]
            measures += [
                Measure(f"rows of the city, {label}", "rows/s", rate, smaller_is_better=False),
                Measure(f"a day of the city, {label}", "s", day),
                Measure(f"peak memory, {label}", "MB", memory, target=MEMORY_MB, aim="at most"),
            ]
    title = f"A city in bulk: {figures['rows']:,} rows in {figures['city_days']:g} days"
    notes = ["Synthetic. The first play of an installation also compiles."]
    if asked.samples is not None:
        held = ", ".join(f"{name} {value}" for name, value in most(asked.samples).items() if value)
        notes.append(f"At the sample with the most memory (MB): {held}")
    report(title, measures, notes=notes)


if __name__ == "__main__":
    if sys.argv[1:2] == ["play"]:
        unwatched()
    else:
        main()

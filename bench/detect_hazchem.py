"""How well the twelve kinds of cases with hazardous chemicals are found in cities that the detectors have not seen.

For each seed a city is simulated, played in bulk through the whole system, and what was found is compared with what was planted.
Simulator and detectors were written apart, from the contract alone, but both in this project: a city of somebody else's generator
(``--city``, with its truth) judges better. Backtests of every detector over the last city are timed as well.
``python -m bench.detect_hazchem [--seeds N …] [--firms N] [--days N] [--vehicles N] [--city DIR …]``
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench._harness import Measure, report
from cityheart.apps.hazchem.detectors import detectors
from cityheart.kernel.clock import stopwatch

TARGET_F1, LEAST_F1, BACKTEST_SECONDS = 0.85, 0.5, 60.0


def run(*words: object) -> tuple[float, float]:
    """Seconds and most memory (MB) of one command of ``cityheart``, which has to end well."""
    begun = stopwatch()
    with subprocess.Popen(
        [sys.executable, "-m", "cityheart.cli", *map(str, words)], stdout=subprocess.DEVNULL
    ) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, f"cityheart {words[0]} did not end well"
    return stopwatch() - begun, usage.ru_maxrss * 1024 / 1e6


def judged(city: Path, into: Path) -> tuple[dict[str, Any], dict[str, Any], float, float]:
    """A city played and scored: the score, the report of the play, its seconds and most memory (MB)."""
    found, told, score = (into / name for name in ("findings.jsonl", "report.json", "score.json"))
    home = into / "city"
    seconds, memory = run("play", city, "--bulk", "--into", home, "--findings", found, "--report", told)
    run("play", city, "--score", "--findings", found, "--report", score)
    return json.loads(score.read_text("utf-8")), json.loads(told.read_text("utf-8")), seconds, memory


def f1(cases: int, hits: int, false: int) -> float:
    """F1 of counts; nothing planted and nothing told is perfect."""
    return 2 * hits / (hits + false + cases) if hits + false + cases else 1.0


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="*", default=[101, 102, 103])
    parser.add_argument("--firms", type=int, default=120)
    parser.add_argument("--days", type=int, default=28)
    parser.add_argument("--vehicles", type=int, default=60)
    parser.add_argument(
        "--city", type=Path, nargs="*", default=[], help="test cities with their truth, instead of seeds"
    )
    asked = parser.parse_args()
    counts: dict[str, Counter[str]] = {}
    delays: dict[str, list[float]] = {}
    notes, rates, memory, days = [], [], 0.0, 0.0
    with tempfile.TemporaryDirectory(prefix="cityheart-bench-") as folder:
        cities = [*asked.city] or [Path(folder) / f"seed-{seed}" for seed in asked.seeds]
        for number, city in enumerate(cities):
            if not asked.city:
                sizes = ("--firms", asked.firms, "--days", asked.days, "--vehicles", asked.vehicles)
                run("simulate", city, "--seed", asked.seeds[number], *sizes)
            into = Path(folder) / str(number)
            into.mkdir()
            score, told, seconds, most = judged(city, into)
            memory, days = max(memory, most), days + told["figures"]["city_days"]
            rates.append(told["figures"]["rows"] / seconds)
            notes.append(
                f"{city.name}: {told['figures']['rows']:,} rows in {seconds:.0f} s, macro F1 {score['macro_f1']}"
            )
            for kind, figures in score["kinds"].items():
                tally = counts.setdefault(kind, Counter())
                tally.update({name: figures[name] for name in ("cases", "hits", "false_alarms")})
                delays.setdefault(kind, []).extend([figures["delay_hours"]] * (figures["delay_hours"] is not None))
        backtests = {each.id: backtest(into / "city", each.id, told) for each in detectors()}
    show(counts, delays, notes, rates, memory, days, backtests)


def backtest(home: Path, detector: str, told: dict[str, Any]) -> float:
    """Seconds of one detector's backtest over the whole span of a played city."""
    return run("backtest", home, detector, "--from", told["from"], "--to", told["to"])[0]


def show(
    counts: dict[str, Counter[str]],
    delays: dict[str, list[float]],
    notes: Sequence[str],
    rates: Sequence[float],
    memory: float,
    days: float,
    backtests: dict[str, float],
) -> None:
    """Print the figures: over all cities together, by kind, and the detector that takes longest."""
    scores = {kind: f1(tally["cases"], tally["hits"], tally["false_alarms"]) for kind, tally in counts.items()}
    planted = {kind: scores[kind] for kind, tally in counts.items() if tally["cases"]}
    lowest, slowest = min(planted, key=planted.__getitem__), max(backtests, key=backtests.__getitem__)
    told = [
        f"{kind}: {tally['hits']} of {tally['cases']} found, {tally['false_alarms']} false, F1 {scores[kind]:.3f}, "
        f"median delay {'–' if not delays[kind] else f'{sorted(delays[kind])[len(delays[kind]) // 2]:.1f} h'}"
        for kind, tally in sorted(counts.items())
    ]
    alerts = sum(tally["hits"] + tally["false_alarms"] for tally in counts.values()) / days
    macro = sum(planted.values()) / len(planted)
    least: dict[str, Any] = {"aim": "at least", "smaller_is_better": False}
    most: dict[str, Any] = {"aim": "at most"}
    report(
        f"hazardous chemicals: cases found in {len(notes)} cities",
        [
            Measure("detection: macro F1", "", macro, target=TARGET_F1, **least),
            Measure(f"detection: lowest kind, {lowest}", "", planted[lowest], target=LEAST_F1, **least),
            Measure("detection: cases told a day and city", "/day", alerts),
            Measure("detection: rows played", "rows/s", min(rates), smaller_is_better=False),
            Measure("detection: most memory", "MB", memory),
            Measure(
                f"detection: slowest backtest, {slowest}", "s", backtests[slowest], target=BACKTEST_SECONDS, **most
            ),
        ],
        notes=[*notes, *told],
    )


if __name__ == "__main__":
    main()

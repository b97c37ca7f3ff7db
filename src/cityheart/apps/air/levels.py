"""Warning levels from the expected run of heavily polluted days: the dated rule table and its hysteresis.

Levels are those of the law: 1 red, 2 orange, 3 yellow, 4 blue; here 0 stands for no warning.
"""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from cityheart.sdk import Invalid


@dataclass(frozen=True)
class Rule:
    """One dated table with the decision rules it is applied by.

    ``days`` is the least number of consecutive heavy days by level; ``heavy_probability`` the threshold for each lead;
    hours are counts of hourly evaluations.
    """

    id: str
    valid_from: date
    source: str
    aqi_above: float
    days: Mapping[int, int]
    heavy_probability: tuple[float, ...]
    rise_hours: int
    fall_hours: int
    end_hours: int
    keep_factor: float

    def kept(self, run: int, moving: float) -> int:
        """Level that lets a warning stand: that of the run, and the mildest while the moving 24-hour AQI is heavy."""
        return self.level(run) or (max(self.days) if moving > self.aqi_above else 0)

    def level(self, run: int) -> int:
        """Level of an expected run of ``run`` heavy days; 0 for none."""
        return min((level for level, least in self.days.items() if run >= least), default=0)


@functools.cache
def rules() -> tuple[Rule, ...]:
    """Every table of ``rules/warning_levels.toml``, oldest first."""
    document = tomllib.loads((Path(__file__).parent / "rules" / "warning_levels.toml").read_text("utf-8"))
    return tuple(
        Rule(
            id=table["id"],
            valid_from=table["valid_from"],
            source=table["source"],
            aqi_above=float(table["aqi_above"]),
            days={row["level"]: row["from"] for row in table["days"]},
            heavy_probability=tuple(document["decision"]["heavy_probability"]),
            **document["hysteresis"],
        )
        for table in sorted(document["tables"], key=lambda table: table["valid_from"])
    )


def parameters() -> dict[str, object]:
    """What a backtest may change of how the newest table is applied: thresholds and hysteresis, by field of ``Rule``."""
    newest = rules()[-1]
    names = ("rise_hours", "fall_hours", "end_hours", "keep_factor")
    return {"heavy_probability": list(newest.heavy_probability), **{name: getattr(newest, name) for name in names}}


def rule(day: date, overrides: Mapping[str, object] | None = None) -> Rule:
    """The table in force on a local ``day``; days before the first table are judged by the first.

    ``overrides`` replaces fields by name, for a backtest. Raises TypeError for a field that is not there,
    Invalid for thresholds that are not a number for each lead.
    """
    found = next((each for each in reversed(rules()) if each.valid_from <= day), rules()[0])
    changes = dict(overrides or {})
    if "heavy_probability" in changes:
        changes["heavy_probability"] = _thresholds(changes["heavy_probability"], len(found.heavy_probability))
    return replace(found, **changes) if changes else found  # type: ignore[arg-type]


def _thresholds(given: object, leads: int) -> tuple[float, ...]:
    if isinstance(given, list | tuple) and len(given) == leads and all(isinstance(one, int | float) for one in given):
        return tuple(float(one) for one in given)
    raise Invalid(
        f"heavy_probability is {given!r}", remedy=f"{leads} numbers, one for each day from today on; 1.01 never counts"
    )


@dataclass(frozen=True)
class Run:
    """Consecutive heavy days: ``past`` ended ones before today, from ``start`` (days from today, negative for past)."""

    days: int
    start: int
    past: int


def expected(past: int, probability: Sequence[float], thresholds: Sequence[float]) -> Run:
    """The run of heavy days to expect: the one that goes on today, else the next one the forecast shows.

    ``past`` is the number of heavy days that ended yesterday; ``probability`` of each lead counts above its threshold.
    """
    heavy = [p > t for p, t in zip(probability, thresholds, strict=True)]
    if not any(heavy):
        return Run(0, 0, past)
    first = heavy.index(True)
    ahead = next((i for i, each in enumerate(heavy[first:]) if not each), len(heavy) - first)
    return Run(past + ahead, -past, past) if first == 0 else Run(ahead, first, past)


@dataclass(frozen=True)
class Standing:
    """The level in force, and at how many evaluations in a row a higher or a lower one was seen."""

    level: int = 0
    rising: int = 0
    falling: int = 0


def severity(level: int) -> int:
    """0 for none, 1 blue … 4 red: what can be compared."""
    return 5 - level if level else 0


def follow(standing: Standing, seen: int, kept: int, rule: Rule) -> Standing:
    """The standing after an hour in which the thresholds gave level ``seen`` and the lowered ones level ``kept``."""
    if severity(seen) > severity(standing.level):
        rising = standing.rising + 1
        return Standing(seen) if rising >= rule.rise_hours else Standing(standing.level, rising)
    if severity(kept) >= severity(standing.level):
        return Standing(standing.level)
    falling = standing.falling + 1
    if falling >= (rule.fall_hours if kept else rule.end_hours):
        return Standing(kept)
    return Standing(standing.level, 0, falling)

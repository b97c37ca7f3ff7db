"""How good the suggested plans are, on synthetic worlds, and how long a suggestion takes among 100,000 cases.

Each seed is a made-up city (``cityheart.simulation.cases``): six years, eight kinds of matter, hidden rules, drifts, habits,
mistakes, words that come up late. Cases are split by time, the last fifth is asked for; a case of it that is nearly the
same text as an earlier one is left out. The index holds the first four fifths only. The peer is the plan most frequent
for the kind so far. Parameters were chosen on seeds 1 to 3; 11 to 15 are what is reported.
``python -m bench.suggest_plans [--seeds 11 12 13 14 15] [--cases N] [--large N]``
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from bench._harness import Measure, milliseconds, report
from cityheart.command import plan as plan_language
from cityheart.command.knowledge import words
from cityheart.command.knowledge.advice import advise
from cityheart.command.knowledge.cases import case_from
from cityheart.command.knowledge.clauses import clause_from
from cityheart.command.knowledge.index import Archive, entry
from cityheart.command.knowledge.models import Advice, Case, Matter, SuggestedPlan
from cityheart.command.knowledge.parameters import Parameters, parameters
from cityheart.command.knowledge.scrub import Scrubber
from cityheart.command.models import Plan
from cityheart.simulation.cases import ORIGIN, World

SEEDS = (11, 12, 13, 14, 15)
CASES = 12_000
LARGE = 100_000
ASKED = 1_000  # cases of the last fifth that are asked for, evenly spread
NEARLY = 0.8  # share of common terms from which two texts are nearly the same
SHARES = (0.0, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
_SCRUBBER = Scrubber(b"a key for measuring only")


@dataclass
class Tally:
    """What was counted over the cases asked for."""

    hits: list[tuple[bool, bool, float]] = field(default_factory=list)  # first, among three, 1 / place
    usual: list[tuple[bool, bool, float]] = field(default_factory=list)
    confidence: list[float] = field(default_factory=list)
    departments: list[float] = field(default_factory=list)
    departments_declared: list[float] = field(default_factory=list)
    steps: list[float] = field(default_factory=list)
    steps_declared: list[float] = field(default_factory=list)
    due: list[float] = field(default_factory=list)
    due_declared: list[float] = field(default_factory=list)
    mandated: list[bool] = field(default_factory=list)
    mandated_declared: list[bool] = field(default_factory=list)
    relied: list[bool] = field(default_factory=list)
    left_out: int = 0

    def add(self, other: Tally) -> None:
        """Take another tally in."""
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)


def cases_of(world: World, count: int) -> list[Case]:
    """The world's cases as the city would have imported them, each known when it was closed."""
    found = [case_from(row, ORIGIN, world.ended + timedelta(days=30), _SCRUBBER) for row in world.cases(count)]
    return [replace(case, known_at=case.closed_at) for case in found]


def nearly_the_same(cases: Sequence[Case]) -> list[int]:
    """For every case the number of its cluster: cases of one kind that share most of their terms, in chains."""
    keys, _, _ = words.keys([case.text for case in cases])
    of, terms = (keys & np.uint64(0xFFFFFFFF)).astype(np.int64), (keys >> np.uint64(32)).astype(np.uint32)
    order = np.argsort(of, kind="stable")
    sets = np.split(terms[order], np.cumsum(np.bincount(of, minlength=len(cases)))[:-1])
    spread = np.random.default_rng(7).integers(1, 2**32, size=(48, 2), dtype=np.uint64) | np.uint64(1)
    buckets: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for number, one in enumerate(sets):
        if len(one):
            least = ((one.astype(np.uint64)[:, None] * spread[:, 0] + spread[:, 1]) & np.uint64(0xFFFFFFFF)).min(axis=0)
            for band in range(16):
                buckets[cases[number].kind, band, *least[3 * band : 3 * band + 3].tolist()].append(number)
    parent = list(range(len(cases)))

    def root(one: int) -> int:
        while parent[one] != one:
            parent[one] = parent[parent[one]]
            one = parent[one]
        return one

    for members in buckets.values():
        for other in members[1:]:
            a, b = sets[members[0]], sets[other]
            common = len(np.intersect1d(a, b, assume_unique=True))
            if common >= NEARLY * (len(a) + len(b) - common):
                parent[root(other)] = root(members[0])
    return [root(number) for number in range(len(cases))]


class Trial:
    """One world, its first four fifths known, ready to be asked about the rest."""

    def __init__(self, seed: int, count: int, asked: int = ASKED) -> None:
        self.world = World(seed)
        cases = cases_of(self.world, count)
        clusters = nearly_the_same(cases)
        border = int(0.8 * len(cases))
        before = set(clusters[:border])
        rest = [case for case, cluster in zip(cases[border:], clusters[border:], strict=True) if cluster not in before]
        self.known, self.left_out = cases[:border], len(cases) - border - len(rest)
        self.asked = rest[:: max(1, len(rest) // asked)]
        self.archive = Archive()
        self.archive.add(entry(number, case) for number, case in enumerate(self.known))
        self.clauses = [clause_from(raw) for raw in self.world.clauses()]
        self._compiled = {(raw["plan"], raw["version"]): plan_language.compile(raw) for raw in self.world.plans()}
        usual: dict[str, Counter[str]] = defaultdict(Counter)
        for case in self.known:
            usual[case.kind][case.plan] += 1
        self.usual = {kind: [name for name, _ in counted.most_common()] for kind, counted in usual.items()}

    def plans(self, at: datetime) -> dict[str, Plan]:
        """The plans in force at a moment, by name."""
        return {raw["plan"]: self._compiled[raw["plan"], raw["version"]] for raw in self.world.plans(at)}

    def ask(self, case: Case, numbers: Parameters) -> Advice:
        """What is suggested for the matter that became this case."""
        matter = Matter(
            case.kind, case.level, case.opened_at, case.text, place=case.place, lon=case.lon, lat=case.lat
        )  # fmt: skip
        near = self.archive.similar(matter, numbers, numbers.vote_neighbours)
        similar = [(self.known[one.n], one) for one in near]
        return advise(matter, similar, self.plans(case.opened_at), self.clauses, case.opened_at.date(), numbers)

    def run(self, numbers: Parameters) -> Tally:
        """Ask for every case that is asked for, and count."""
        tally = Tally(left_out=self.left_out)
        for case in self.asked:
            self._count(case, self.ask(case, numbers), tally)
        return tally

    def _count(self, case: Case, advice: Advice, tally: Tally) -> None:
        tally.hits.append(_place([one.plan.name for one in advice.plans], case.plan))
        tally.usual.append(_place(self.usual.get(case.kind, [])[:3], case.plan))
        tally.confidence.append(advice.confidence)
        tally.relied.append(advice.confident)
        first = advice.plans[0]
        done = {(step.step, step.unit): step.due for step in case.steps}
        for proposed, departments, steps, due, mandated in (
            (_carried_out(first), tally.departments, tally.steps, tally.due, tally.mandated),
            (
                _carried_out(replace(first, changes=())),
                tally.departments_declared, tally.steps_declared, tally.due_declared, tally.mandated_declared,
            ),
        ):  # fmt: skip
            departments.append(_f1({unit for _, unit in proposed}, {unit for _, unit in done}))
            steps.append(_f1(set(proposed), set(done)))
            if case.plan == first.plan.name:
                due += [abs(proposed[key] - true) / true for key, true in done.items() if true and key in proposed]
            mandated += [
                any(step.startswith(mark) and unit == of for step, unit in proposed)
                for mark, of in asked_by_law(self.world, case.kind, case.level, case.opened_at.date())
            ]


def asked_by_law(world: World, kind: str, level: int | None, day: date) -> list[tuple[str, str]]:
    """What the world's own law asks for, read from its raw data: beginnings of step ids, and departments."""
    return [
        (mandate["step"].rstrip("*"), mandate["unit"])
        for clause in world.clauses()
        if clause["from"] <= day.isoformat() < clause.get("until", "9999")
        for mandate in clause["mandates"]
        if mandate["kind"] == kind and level in mandate["levels"]
    ]


def _carried_out(one: SuggestedPlan) -> dict[tuple[str, str], int]:
    """What would be done: steps with their departments, and seconds until due."""
    units = {step.id: step.unit for step in one.plan.steps}
    dues = {step.id: int(step.due.total_seconds()) for step in one.plan.steps if step.due is not None}
    for proposed in one.changes:
        change = proposed.change
        if change.op == "skip":
            units.pop(change.step, None)
        elif change.op == "extend":
            dues[change.step] = change.due or 0
        else:
            units[change.step] = change.unit or ""
            dues[change.step] = change.due or dues.get(change.step, 0)
    return {(step, unit): dues.get(step, 0) for step, unit in units.items()}


def _place(offered: Sequence[str], right: str) -> tuple[bool, bool, float]:
    at = offered.index(right) + 1 if right in offered else 0
    return at == 1, 1 <= at <= 3, 1 / at if at else 0.0


def _f1(offered: set[Any], right: set[Any]) -> float:
    return 2 * len(offered & right) / (len(offered) + len(right)) if offered or right else 1.0


def share(values: Sequence[tuple[bool, bool, float]], which: int) -> float:
    """The mean of one of the three figures."""
    return fmean(float(one[which]) for one in values)


def measures(tally: Tally, name: str = "synthetic") -> list[Measure]:
    """The figures of a tally."""
    usual = "most frequent plan"
    declared = "plan as declared"
    rows: tuple[tuple[str, float, float, str, float | None, bool], ...] = (
        ("hit@1", share(tally.hits, 0), share(tally.usual, 0), usual, None, False),
        ("hit@3", share(tally.hits, 1), share(tally.usual, 1), usual, 0.85, False),
        ("MRR of three", share(tally.hits, 2), share(tally.usual, 2), usual, None, False),
        ("mandatory recall", fmean(tally.mandated), fmean(tally.mandated_declared), declared, 1.0, False),
        ("department F1", fmean(tally.departments), fmean(tally.departments_declared), declared, None, False),
        ("step F1", fmean(tally.steps), fmean(tally.steps_declared), declared, None, False),
        ("due error, relative", fmean(tally.due), fmean(tally.due_declared), declared, None, True),
    )
    found = [
        Measure(f"{name}, {what}", "share", ours, peer, target, "at least", smaller, beside)
        for what, ours, peer, beside, target, smaller in rows
    ]
    gain = 100 * (share(tally.hits, 1) - share(tally.usual, 1))
    return [*found, Measure(f"{name}, hit@3 above the most frequent plan", "points", gain, target=10.0, aim="at least")]


def curve(tally: Tally) -> list[str]:
    """How often the first plan is right where the vote's share is at least so much."""
    confidence, right = np.array(tally.confidence), np.array([one[0] for one in tally.hits])
    lines = []
    for least in SHARES:
        taken = confidence >= least
        if taken.any():
            lines.append(
                f"vote ≥ {least:.1f}: {taken.mean():6.1%} of matters, first plan right in {right[taken].mean():6.1%}"
            )
    return lines


# ── how long ───────────────────────────────────────────────────────────────────────────────────────────────────────


def large(count: int) -> tuple[list[Measure], list[str]]:
    """The whole service on SQLite among ``count`` cases: opening it again, one suggestion, one more case."""
    from bench._knowledge import Filled

    with tempfile.TemporaryDirectory(prefix="cityheart-bench-") as folder:
        filled = Filled(Path(folder), count)
        opened = filled.open_again()
        taken = np.array([milliseconds(filled.ask, number) for number in range(220)][20:])
        filled.close()
    found = [
        Measure(f"index of {count:,} cases made again at the start", "s", opened, target=2.0, aim="at most"),
        Measure(f"suggestion among {count:,} cases, p50", "ms", float(np.percentile(taken, 50))),
        Measure(
            f"suggestion among {count:,} cases, p95", "ms", float(np.percentile(taken, 95)), target=100.0, aim="at most"
        ),
    ]
    return found, []


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="*", default=list(SEEDS))
    parser.add_argument("--cases", type=int, default=CASES)
    parser.add_argument("--large", type=int, default=LARGE, help="0 leaves it out")
    parser.add_argument("--asked", type=int, default=ASKED)
    options = parser.parse_args()
    whole, numbers = Tally(), parameters()
    notes = ["Every case is synthetic. What is right is the plan that the made-up commander took, mistakes among them."]
    for seed in options.seeds:
        tally = Trial(seed, options.cases, options.asked).run(numbers)
        notes.append(
            f"seed {seed}: hit@1 {share(tally.hits, 0):.3f}, hit@3 {share(tally.hits, 1):.3f}; most frequent plan "
            f"{share(tally.usual, 0):.3f}, {share(tally.usual, 1):.3f}; {tally.left_out} near-duplicates left out; relied "
            f"upon in {fmean(tally.relied):.1%}; mandatory recall {fmean(tally.mandated):.3f}"
        )
        whole.add(tally)
    found = measures(whole) if options.seeds else []
    notes += curve(whole) if options.seeds else []
    if options.large:
        more, said = large(options.large)
        found += more
        notes += said
    report(f"suggested plans, seeds {options.seeds}, {options.cases:,} cases each", found, notes=notes)


if __name__ == "__main__":
    main()

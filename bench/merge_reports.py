"""Reports of a synthetic hotline through the real intake: are the right ones one matter, is the right department proposed?

Nothing here is real data. The reports are told by ``cityheart.simulation.hotline``, whose two pools of wording share no
phrase and no street. All parameters were chosen on ``development`` (``--fit`` shows how the weights come about); this
measures on ``evaluation``. The city has decided matters in development wording behind it, and learns once a day from what
comes in, without labels, as the product does. Other numbers are without that history (``cold``), and with a history in
the very wording that is measured (``own history``, other events): as in a city whose people go on talking as they did.
With ``--open N`` it is measured how long one report takes beside N open matters.
``python -m bench.merge_reports [--events N] [--open N] [--fit]``
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from bench._harness import Measure, milliseconds, report
from cityheart.command.intake import merging, store
from cityheart.command.intake.filing import Filing
from cityheart.command.intake.merging import FACTORS, Merging, Sketch
from cityheart.command.intake.models import Area, Given, Matter, Proposal
from cityheart.command.intake.routing import Known, Routing, class_of
from cityheart.command.intake.rules import Rules
from cityheart.command.intake.service import Intake
from cityheart.command.service import Command
from cityheart.kernel.actors import Actor
from cityheart.kernel.clock import VirtualClock
from cityheart.kernel.database import Database, Work
from cityheart.kernel.ids import Ids, dice
from cityheart.kernel.text import text
from cityheart.simulation import hotline

BOUNDS = (120.7, 31.9, 121.1, 32.2)
START = datetime(2024, 3, 1, tzinfo=UTC)
DAYS = 60
SYSTEM = Actor.system("bench")
_PENALTIES = {"start", "far_house", "other_building", "elsewhere", "far", "late", "other_kind"}
Array = np.ndarray[Any, np.dtype[np.float64]]


def rules() -> Rules:
    """The product's rules with the townships of the synthetic city."""
    areas = tuple(
        Area(each.unit, "township", (((w, s), (e, s), (e, n), (w, n)),))
        for each in hotline.areas(BOUNDS)
        for w, s, e, n in [each.bounds]
    )
    return replace(Rules.load(), areas=areas)


def history(rules: Rules, told: Sequence[hotline.Told], known: Known | None = None, *, labels: bool = True) -> Known:
    """What a city knows after these reports, with or without who had them."""
    known = known or Known()
    for one in told:
        known.read(one.text, one.address)
        if labels:
            known.decided(one.text, class_of(one.unit, rules.areas), one.service)
    return known


def given(one: hotline.Told) -> Given:
    """A synthetic report as merging takes it."""
    return Given("bench", one.id, one.at, one.category, one.text, one.address, one.lon, one.lat, one.caller)


# ── measuring ──────────────────────────────────────────────────────────────────────────────────────────────────


def pairwise(truth: Mapping[str, str], found: Mapping[str, str]) -> dict[str, float]:
    """Precision, recall and F1 over pairs of reports, and BCubed F1 over reports."""
    events, matters, both = (
        Counter(truth.values()),
        Counter(found[id] for id in truth),
        Counter((truth[id], found[id]) for id in truth),
    )

    def pairs(groups: Counter[Any]) -> int:
        return sum(n * (n - 1) // 2 for n in groups.values())

    precision, recall = pairs(both) / max(pairs(matters), 1), pairs(both) / max(pairs(events), 1)
    near = sum(n * n / matters[matter] for (_, matter), n in both.items()) / len(truth)
    whole = sum(n * n / events[event] for (event, _), n in both.items()) / len(truth)
    return {
        "precision": precision,
        "recall": recall,
        "f1": 2 * precision * recall / max(precision + recall, 1e-9),
        "bcubed": 2 * near * whole / (near + whole),
    }


def through_the_product(
    folder: Path, rules: Rules, told: Sequence[hotline.Told], behind: Known | None
) -> dict[str, float]:
    """Every report taken in by the real intake in the order of time, on SQLite; then what the matters are worth."""
    clock = VirtualClock(START)
    database = Database(f"sqlite:///{folder / 'city.sqlite'}", clock, Ids(clock, seed=1))
    database.create_all()
    command = Command(database, folder / "files")
    titles = {unit: text(f"{unit}局", unit) for unit in {d.unit for d in rules.duties} | {a.unit for a in rules.areas}}
    command.register_units(titles)
    intake = Intake(database, command, folder, bounds=BOUNDS, zone="Asia/Shanghai", rules=rules)
    intake.register_units(titles)
    with database.work(SYSTEM) as work:
        store.put_known(work, (behind or Known()).packed(), {})
    truth: dict[str, str] = {}
    units: dict[str, str] = {}
    ids: list[str] = []
    for one in told:
        clock.advance_to(one.at)
        intake.tick(one.at)
        filing = Filing(
            "bench", one.id, one.text, one.at, one.category, one.address, one.lon, one.lat, phone=one.caller
        )
        id = str(intake.take(SYSTEM, filing)["report_id"])
        truth[id], units[id] = one.event, one.unit
        ids.append(id)
    with database.read() as conn:
        reports = [
            each for first in range(0, len(ids), 500) for each in store.reports_by_ids(conn, ids[first : first + 500])
        ]
        matters = {id: store.find_matter(conn, id) for id in {each.matter for each in reports}}
    database.close()
    found = {each.id: each.matter for each in reports}
    return {**pairwise(truth, found), **departments(units, found, matters)}


def departments(
    units: Mapping[str, str], found: Mapping[str, str], matters: Mapping[str, Matter | None]
) -> dict[str, float]:
    """How often the department is right, counted over matters; a matter's true one is that of most of its reports."""
    votes: dict[str, Counter[str]] = defaultdict(Counter)
    for id, matter in found.items():
        votes[matter][units[id]] += 1
    first = three = proposed = right = 0
    for id, counted in votes.items():
        matter = matters[id]
        assert matter is not None
        true = counted.most_common(1)[0][0]
        names = [each.unit for each in matter.proposal.candidates]
        first += names[:1] == [true]
        three += true in names
        if matter.proposal.unit is not None:
            proposed += 1
            right += matter.proposal.unit == true
    total = len(votes)
    return {
        "top1": first / total,
        "top3": three / total,
        "abstained": 1 - proposed / total,
        "right": right / max(proposed, 1),
    }


def single(rules: Rules, known: Known, told: Sequence[hotline.Told]) -> float:
    """How often the likeliest department of one report on its own is right."""
    routing = Routing(rules, known)
    right = 0
    for one in told:
        words = merging.Words.of(one.text)
        said = f"{one.address} {one.text}"
        candidates = routing.candidates(routing.likely(words, one.category), said, one.lon, one.lat)
        right += bool(candidates) and candidates[0].unit == one.unit
    return right / len(told)


# ── how long it takes ──────────────────────────────────────────────────────────────────────────────────────────


def beside_many(folder: Path, rules: Rules, known: Known, count: int) -> Array:
    """Milliseconds of each of 200 reports, each its own transaction, beside ``count`` open matters."""
    clock = VirtualClock(START + timedelta(days=1))
    database = Database(f"sqlite:///{folder / 'many.sqlite'}", clock, Ids(clock, seed=1))
    database.create_all()
    command = Command(database, folder / "files")
    intake = Intake(database, command, folder, bounds=BOUNDS, zone="Asia/Shanghai", rules=rules)
    intake.register_units({unit: text(f"{unit}局", unit) for unit in {duty.unit for duty in rules.duties}})
    told = hotline.tell("development", seed=7, events=2_000, start=START, days=1, bounds=BOUNDS)
    rng = dice("bench", "streets")
    streets = [
        f"{a}{b}{c}路" for a in "东南西北中新老上下大" for b in "平安福寿康宁和顺昌盛" for c in "一春夏秋冬江河湖海山"
    ]
    roads = hotline.wording("development")["place"]["roads"]

    def elsewhere(number: int) -> hotline.Told:
        """One of the reports, in a street of a much larger city."""
        one = told[number % len(told)]
        street = rng.choice(streets)
        said, address = one.text, one.address
        for road in roads:
            said, address = said.replace(road, street), address.replace(road, street)
        lon, lat = rng.uniform(BOUNDS[0], BOUNDS[2]), rng.uniform(BOUNDS[1], BOUNDS[3])
        return replace(one, id=f"m{number}", text=said, address=address, lon=round(lon, 6), lat=round(lat, 6))

    shapes = Merging(rules, Routing(rules, known))
    with database.work(SYSTEM) as work:
        store.put_known(work, known.packed(), {})
        for number in range(count):
            _open_matter(work, shapes, elsewhere(number))
    taken = []
    for number in range(count, count + 220):
        one = elsewhere(number)
        filing = Filing("bench", one.id, one.text, one.at, one.category, one.address, one.lon, one.lat)
        taken.append(milliseconds(intake.take, SYSTEM, filing))
    database.close()
    return np.array(taken[20:])


def _open_matter(work: Work, shapes: Merging, one: hotline.Told) -> None:
    """A matter of one report, written without looking for others."""
    sketch = shapes.sketch(one.id, given(one))
    matter = Matter(
        f"matter-{one.id}", "open", one.service, one.text[:40], one.address, one.lon, one.lat, 1, one.at, one.at, work.now,
        work.now, Proposal(None, ()),
    )  # fmt: skip
    as_given = replace(given(one), external=one.id)
    taken = store.Report(one.id, as_given, 1, work.now, work.now, matter.id)
    store.put_report(work.conn, taken, store.Joined(one.id, matter.id, "bench", None, (), work.now), 0)
    store.save_matter(work.conn, matter, new=True)
    store.mark(work, matter.id, merging.keys(sketch, around=False))


# ── choosing the weights, on development wording only ──────────────────────────────────────────────────────────


def fit(rules: Rules) -> dict[str, float]:
    """Weights of the likenesses by logistic regression; one that would reward a penalty or punish a likeness is 0."""
    behind = hotline.tell("development", seed=11, events=700, start=START, days=DAYS, bounds=BOUNDS, half=0)
    rows: list[list[float]] = []
    same: list[bool] = []
    for seed, half in ((33, 1), (34, 0)):
        told = hotline.tell("development", seed=seed, events=700, start=START, days=DAYS, bounds=BOUNDS, half=half)
        known = history(rules, told, history(rules, behind), labels=False)
        _pairs(rules, known, told, rows, same)
    x, y = np.array(rows), np.array(same, dtype=float)
    on = list(range(len(FACTORS)))
    while True:
        weights = _regressed(x[:, on], y)
        wrong = [j for w, j in zip(weights, on, strict=True) if (w > 0) == (FACTORS[j] in _PENALTIES)]
        if not wrong:
            break
        on.remove(max(wrong, key=lambda j: abs(weights[on.index(j)])))
    return {FACTORS[j]: round(float(w), 2) for w, j in zip(weights, on, strict=True)}


def _pairs(rules: Rules, known: Known, told: Sequence[hotline.Told], rows: list[list[float]], same: list[bool]) -> None:
    compare = Merging(rules, Routing(rules, known))
    rng = dice("bench", "pairs")
    blocks: dict[str, list[int]] = defaultdict(list)
    sketches: list[Sketch] = []
    for number, one in enumerate(told):
        sketch = compare.sketch(one.id, given(one))
        sketches.append(sketch)
        near = sorted({other for key in merging.keys(sketch, around=True) for other in blocks[key][-30:]})
        seconds, radius = compare.window(sketch)
        near = [other for other in near if (one.at - told[other].at).total_seconds() < 2 * seconds]
        for event, most in ((True, 4), (False, 12)):
            chosen = [other for other in near if (told[other].event == one.event) is event]
            for other in rng.sample(chosen, min(most, len(chosen))):
                span = compare.window(sketches[other])
                both = (max(seconds, span[0]), max(radius, span[1]))
                found = merging.likeness(sketch, sketches[other], known.rarity, both)
                rows.append([found[name] for name in FACTORS])
                same.append(event)
        for key in merging.keys(sketch, around=False):
            blocks[key].append(number)


def _regressed(x: Array, y: Array) -> Array:
    weights = np.zeros(x.shape[1])
    for _ in range(30):
        likely = 1 / (1 + np.exp(-x @ weights))
        slope = x.T @ (likely - y) + weights
        curve = (x * (likely * (1 - likely))[:, None]).T @ x + np.eye(len(weights))
        weights = weights - np.linalg.solve(curve, slope)
    return weights


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=600)
    parser.add_argument("--open", type=int, default=0)
    parser.add_argument("--fit", action="store_true")
    chosen = parser.parse_args()
    city = rules()
    if chosen.fit:
        print(fit(city))
        return
    behind = history(
        city,
        hotline.tell("development", seed=11, events=900, start=START - timedelta(days=90), days=DAYS, bounds=BOUNDS),
    )
    told = hotline.tell("evaluation", seed=2024, events=chosen.events, start=START, days=DAYS, bounds=BOUNDS)
    measures = []
    own = history(
        city,
        hotline.tell("evaluation", seed=99, events=900, start=START - timedelta(days=90), days=DAYS, bounds=BOUNDS),
    )
    for name, known in (("with history", behind), ("cold", None), ("own history", own)):
        with tempfile.TemporaryDirectory(prefix="cityheart-bench-") as folder:
            found = through_the_product(Path(folder), city, told, known)
        first = known is behind
        aimed = {"f1": 0.90, "top1": 0.93} if first else {}
        shown = {
            "precision": "pairs of reports, precision", "recall": "pairs of reports, recall", "f1": "pairs of reports, F1",
            "bcubed": "BCubed F1", "top1": "department first", "top3": "department among three",
            "abstained": "left to a coordinator", "right": "right where proposed",
        }  # fmt: skip
        measures += [
            Measure(
                f"{title}, {name}", "share", found[key], target=aimed.get(key), aim="at least", smaller_is_better=False
            )
            for key, title in shown.items()
        ]
        alone = single(city, known or Known(), told)
        measures.append(Measure(f"department first, one report alone, {name}", "share", alone, smaller_is_better=False))
    if chosen.open:
        with tempfile.TemporaryDirectory(prefix="cityheart-bench-") as folder:
            taken = beside_many(Path(folder), city, behind, chosen.open)
        measures.append(Measure(f"one report beside {chosen.open:,} open matters, p50", "ms", float(np.median(taken))))
        measures.append(
            Measure(f"one report beside {chosen.open:,} open matters, p95", "ms", float(np.percentile(taken, 95)))
        )
    notes = [
        f"{len(told)} synthetic reports of {len({one.event for one in told})} events, evaluation wording; no real data"
    ]
    report("reports merged, departments proposed", measures, notes=notes)


if __name__ == "__main__":
    main()

"""Records of firms become firms: a million records of many registers, end to end, and how many pairs are right.

The dirt is synthetic and comes from ``_dirty_firms``, which uses nothing of the product and was written after the first
rules. The rules were since improved on other seeds and other mixes of that dirt, never on this seed: the kinds of dirt are
known to them, its draws are not. It says nothing of a real city's registers: measure again there. Pairs that the rules
join without asking are counted; questions for people count as not joined, and as answered in a figure of their own. The
keyed hashes of persons and telephones are part of the time. Then so many records as ``--stored`` says go through the
product, from lake to store, and some more in small batches.
``python -m bench.resolve_firms [--records N] [--seed N] [--stored N]``
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from bench._dirty_firms import DISTRICTS, Dirty, dirty_firms
from bench._harness import Measure, report
from cityheart.engine.lake import Lake
from cityheart.entities.areas import Areas
from cityheart.entities.declared import Declaration
from cityheart.entities.grouping import Known, Resolved, resolve
from cityheart.entities.hashing import keyed
from cityheart.entities.marks import mark
from cityheart.entities.normalise import Gazetteer, codes
from cityheart.entities.rules import rules
from cityheart.entities.service import Entities
from cityheart.kernel.clock import VirtualClock, stopwatch
from cityheart.kernel.database import Database
from cityheart.kernel.ids import Ids
from cityheart.kernel.text import text
from cityheart.share.contracts import Contract
from cityheart.share.models import Dataset, Delivery, Department, Source
from cityheart.share.service import Share

KEY = b"the key of a bench, which keeps no secret"
NOW = datetime(2024, 3, 1, tzinfo=UTC)
_SQUARE = [[[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]]


def gazetteer() -> Gazetteer:
    """The districts of the synthetic firms, with two that were called otherwise; where they lie does not matter here."""
    features = []
    for place, name in enumerate([*DISTRICTS, "海门市", "海安县"]):
        now = name in DISTRICTS
        at = DISTRICTS.index({"海门市": "海门区", "海安县": "海安市"}.get(name, name))
        square = [[[x + 2 * at, y] for x, y in ring] for ring in _SQUARE]
        dates = {"valid_from": "2020-07-06" if now else "2000-01-01", "valid_to": None if now else "2020-07-06"}
        features.append({
            "properties": {"code": f"{320600 + place}", "name": name, **dates},
            "geometry": {"type": "Polygon", "coordinates": square},
        })  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "areas.geojson"
        file.write_text(json.dumps({"type": "FeatureCollection", "features": features}), "utf-8")
        return Gazetteer(Areas.load(file, "Asia/Shanghai"), "南通市")


def cpu() -> float:
    """Seconds of processor time so far: what counts when the machine has other work."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def pairwise(truth: npt.NDArray[np.int64], found: npt.NDArray[np.int64]) -> tuple[float, float, float]:
    """Precision, recall and F1 over pairs of records."""

    def pairs(*columns: npt.NDArray[np.int64]) -> int:
        _, counts = np.unique(np.stack(columns, axis=1), axis=0, return_counts=True)
        return int((counts * (counts - 1) // 2).sum())

    both, ours, theirs = pairs(truth, found), pairs(found), pairs(truth)
    precision, recall = both / max(ours, 1), both / max(theirs, 1)
    return precision, recall, 2 * precision * recall / max(precision + recall, 1e-9)


def end_to_end(dirty: Dirty, gazetteer: Gazetteer) -> tuple[Resolved, dict[str, float], list[str]]:
    """What was found, seconds of each part, and what was left out."""
    numbers = rules()
    begun, spent = stopwatch(), cpu()
    columns = {name: dirty.columns[name] for name in ("name", "former", "address")}
    for name in ("person", "phone"):
        columns[name] = keyed(codes(dirty.columns[name]), KEY, name)
    columns |= {f"id:{name}": dirty.columns[name] for name in ("uscc", "registration")}
    marks = mark(columns, "firm", numbers.kinds["firm"], gazetteer)
    marked = stopwatch()
    found = resolve(marks, "firm", numbers, Known.nothing(len(marks), 1))
    done, used = stopwatch(), cpu() - spent
    largest = ", ".join(f"{one.name} {one.size:,}" for one in found.dropped[:4])
    notes = [
        f"{found.candidates:,} pairs looked at; {len(found.dropped):,} marks shared by more than {numbers.block} records left out"
        + (f" (the largest: {largest})" if largest else ""),
        f"{used:.0f} s of processor time",
        f"{len(found.questions):,} questions for people; {found.barred:,} joins that two different codes forbade",
    ]
    return found, {"mark": marked - begun, "group": done - marked, "whole": done - begun}, notes


def answered(dirty: Dirty, found: Resolved) -> npt.NDArray[np.int64]:
    """The groups when people have answered every question rightly."""
    asked = found.questions
    right = dirty.truth[asked.a] == dirty.truth[asked.b]
    group = found.group.copy()
    parent = {int(one): int(one) for one in np.unique(group)}

    def root(node: int) -> int:
        while parent[node] != node:
            node = parent[node]
        return node

    for a, b in zip(group[asked.a[right]].tolist(), group[asked.b[right]].tolist(), strict=True):
        parent[root(a)] = root(b)
    return np.array([root(one) for one in group.tolist()])


def incremental(dirty: Dirty, stored: int) -> tuple[float, float]:
    """Seconds to take ``stored`` records from the lake into an empty store, and milliseconds a record for small batches."""
    fields = [{"name": name, "type": "string"} for name in ("id", *dirty.columns)]
    contract = Contract.parse({
        "name": "firms", "title": text("企业", "firms"),
        "schema": {"fields": fields, "primaryKey": "id"},
        "cityheart": {"owner": "market", "sharing": 1, "purpose": text("测试", "bench")},
    })  # fmt: skip
    declared = Declaration.model_validate({
        "subjects": [{
            "dataset": "firms", "kind": "firm", "title": text("企业", "firm"), "key": ["id"], "name": "name",
            "former": "former", "address": "address", "person": "person", "phone": "phone",
            "identifiers": {"uscc": "uscc", "registration": "registration"},
        }],
    })  # fmt: skip
    some = {name: column[: stored + 200] for name, column in dirty.columns.items()}
    table = pa.table({"id": [f"r{at}" for at in range(stored + 200)], **some})
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        clock = VirtualClock(NOW)
        database = Database(f"sqlite:///{home / 'city.sqlite'}", clock, Ids(clock, seed=1))
        database.create_all()
        lake = Lake(home / "lake")
        share = Share(database, lake)
        share.register(
            [Department("market", text("市场", "market"))],
            [Dataset.of(contract)],
            [Source("firms.all", "market", text("企业", "firms"), "push", {}, "firms")],
        )
        city = Entities(database, lake, share, key=lambda: KEY, zone="Asia/Shanghai", home=home, city="南通市")
        city.register(declared)

        def land(part: pa.Table) -> None:
            sink = pa.BufferOutputStream()
            with pa.ipc.new_stream(sink, part.schema) as writer:
                writer.write_table(part)
            share.land("firms.all", [Delivery("part", clock.now(), sink.getvalue().to_pybytes(), "arrow")])

        land(table.slice(0, stored))
        begun = stopwatch()
        city.follow()
        bulk = stopwatch() - begun
        small = []
        for at in range(20):
            land(table.slice(stored + 10 * at, 10))
            begun = stopwatch()
            city.follow()
            small.append((stopwatch() - begun) * 100)  # milliseconds a record, ten records each
        database.close()
    return bulk, float(np.median(small[2:]))


def main() -> None:
    """Prints the table and the lines."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--stored", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=20240301)
    given = parser.parse_args()
    places = gazetteer()
    end_to_end(dirty_firms(5_000, given.seed + 1), places)  # loops are compiled before anything is measured
    dirty = dirty_firms(given.records, given.seed)
    found, seconds, notes = end_to_end(dirty, places)
    precision, recall, f1 = pairwise(dirty.truth, found.group)
    _, _, asked = pairwise(dirty.truth, answered(dirty, found))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    spent = cpu()
    bulk, each = incremental(dirty, min(given.stored, given.records - 200))
    spent = cpu() - spent
    with_code = np.array([code is not None for code in dirty.columns["uscc"].to_pylist()])
    stored = min(given.stored, given.records - 200)
    sure = "precision of what is joined without asking"
    measures = [
        Measure(f"{given.records:,} records end to end", "s", seconds["whole"], None, 30.0, "at most", beside="Splink"),
        Measure("F1 over pairs", "", f1, None, 0.97, "at least", smaller_is_better=False),
        Measure(sure, "", precision, None, 0.999, "at least", smaller_is_better=False),
        Measure("F1 when the questions are answered rightly", "", asked, smaller_is_better=False),
        Measure("recall over pairs", "", recall, smaller_is_better=False),
        Measure(f"{stored:,} records from the lake into the store", "s", bulk),
        Measure("a new record in a small batch", "ms", each, None, 5.0, "at most"),
    ]
    told = (
        f"marks {seconds['mark']:.1f} s, groups {seconds['group']:.1f} s; at most {memory:.1f} GiB with the generator; "
        f"{with_code.mean():.0%} of the records have a code, some of them mistyped; Splink claims about a minute; "
        f"the store took {spent:.0f} s of processor time"
    )
    report(f"{given.records:,} synthetic records of firms", measures, notes=[*notes, told])


if __name__ == "__main__":
    main()

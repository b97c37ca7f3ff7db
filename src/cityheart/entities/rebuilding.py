"""All subjects anew under other rules: what would change, and changing it in one transaction.

What people decided stands: subjects that somebody holds apart keep their records, records that somebody called the same stay
together. Everything else is grouped again from what the store knows of each record; the lake is not read, so that following
goes on from where it is. Each new group takes the id of the subject most of its records are of; the rest are splits and
merges, told as events.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cityheart.entities import store
from cityheart.entities.grouping import Known, Resolved, resolve
from cityheart.entities.marks import AT, Marks, mark
from cityheart.entities.models import Record, Subject
from cityheart.entities.resolving import Resolving, packed, raised, subject_marks, why
from cityheart.entities.rules import KINDS
from cityheart.kernel import limits
from cityheart.kernel.database import Work
from cityheart.kernel.ids import derive

__all__ = ["Change", "Pace", "Plan", "carry_out", "marked", "plan", "unhurried"]

Index = npt.NDArray[np.int64]
Described = Callable[[Subject, Sequence[Record]], Subject]
Pace = Callable[[float], None]
"""Hears how far the work is, from 0 to 1, and may raise to stop it."""

_READ, _MARKED, _RESOLVED = 0.15, 0.55, 0.9  # how much of a kind's work is done by then


@dataclass(frozen=True)
class Change:
    """Records that go from one subject to another; ``merged``: the first one is no more, and the other takes its place."""

    subject: str
    into: str
    records: Sequence[int]
    merged: bool


@dataclass(frozen=True)
class Plan:
    """What one kind would be under the rules. ``held``: how many subjects keep records together by a person's word."""

    kind: str
    ids: Index
    before: Sequence[str]
    after: Sequence[str]
    rows: Sequence[store.Stored]
    marks: Marks
    outcome: Resolved
    changes: Sequence[Change]
    made: Mapping[str, Sequence[int]]  # new subjects with the positions of their records
    held: int

    @property
    def moved(self) -> int:
        """How many records go to another subject."""
        return sum(len(one.records) for one in self.changes)

    def examples(self) -> list[Change]:
        """Some of the changes, those of most records first."""
        return sorted(self.changes, key=lambda one: (-len(one.records), one.subject, one.into))[
            : limits.REBUILD_EXAMPLES
        ]

    def counts(self) -> dict[str, int]:
        """The figures of it."""
        return {
            "records": len(self.ids),
            "subjects": len(set(self.before)),
            "after": len(set(self.after)),
            "moved": self.moved,
            "merged": sum(one.merged for one in self.changes),
            "split": sum(not one.merged for one in self.changes),
            "questions": len(self.outcome.questions),
            "held": self.held,
        }


def unhurried(share: float) -> None:
    """A pace that nobody hears."""


def plan(conn: store.Connection, rules: Resolving, pace: Pace = unhurried) -> list[Plan]:
    """What would change, kind by kind: firms come before their sites. ``pace`` is asked between the steps of each kind."""
    change = store.latest_change(conn) + 1
    counts = store.count_records(conn)
    whole = max(sum(counts.values()), 1)
    before = 0
    owners: dict[int, str] = {}
    plans = []
    for kind in KINDS:
        if not (count := counts.get(kind, 0)):
            continue

        def step(share: float, before: int = before, count: int = count) -> None:
            pace((before + share * count) / whole)

        step(0.0)
        rows = store.stored(conn, kind)
        plans.append(one := _planned(conn, rules, kind, rows, owners, change, step))
        owners |= dict(zip(one.ids.tolist(), one.after, strict=True))
        before += count
    pace(1.0)
    return plans


def _planned(
    conn: store.Connection,
    rules: Resolving,
    kind: str,
    rows: Sequence[store.Stored],
    owners: Mapping[int, str],
    change: int,
    pace: Pace,
) -> Plan:
    pace(_READ)
    ids = np.array([row.id for row in rows], dtype=np.int64)
    before = [row.subject for row in rows]
    marks = marked(rules, kind, rows, owners)
    pace(_MARKED)
    known, held = _held(conn, kind, ids, before, len(rules.rules.kinds[kind].unique))
    outcome = resolve(marks, kind, rules.rules, known)
    pace(_RESOLVED)
    subjects = store.all_subjects(conn, kind)
    after, changes, made = _named(kind, ids, before, outcome.group, subjects, change)
    return Plan(kind, ids, before, after, rows, marks, outcome, changes, made, held)


def marked(rules: Resolving, kind: str, rows: Sequence[store.Stored], owners: Mapping[int, str]) -> Marks:
    """The marks of stored records as the rules make them now. Of persons and telephones only the marks are kept."""
    own = rules.rules.kinds[kind]
    columns: dict[str, pa.Array] = {
        name: pa.array([getattr(row, name) for row in rows], pa.string()) for name in ("name", "former", "address")
    }
    columns |= {
        name: pa.array([getattr(row, name) for row in rows], pa.float64()) for name in ("lon", "lat")
    }  # fmt: skip
    types = sorted({type for row in rows for type in row.identifiers})
    columns |= {f"id:{type}": pa.array([row.identifiers.get(type) for row in rows], pa.string()) for type in types}
    of = subject_marks([None if row.of is None else owners.get(row.of) for row in rows])
    marks = mark(columns, kind, own, rules.gazetteer, of=of)
    for name in ("person", "phone"):
        at = AT[name] * 8
        marks.numbers[:, AT[name]] = np.frombuffer(b"".join(row.marks[at : at + 8] for row in rows), dtype="<i8")
    return marks


def _held(
    conn: store.Connection, kind: str, ids: Index, before: Sequence[str], width: int
) -> tuple[Known, int]:  # fmt: skip
    """What people decided, as groups that are known already and may not be one."""
    place = {id: at for at, id in enumerate(ids.tolist())}
    apart = store.all_apart(conn)
    frozen = {subject for pair in apart for subject in pair}
    groups: dict[str, list[int]] = {}
    for at, subject in enumerate(before):
        if subject in frozen:
            groups.setdefault(subject, []).append(at)
    parent: dict[int, int] = {}

    def root(node: int) -> int:
        while parent.setdefault(node, node) != node:
            node = parent[node]
        return node

    for a, b in store.called_same(conn, kind):  # where somebody took them apart later, that counts
        if a in place and b in place and before[place[a]] == before[place[b]] and before[place[a]] not in frozen:
            parent[root(place[a])] = root(place[b])
    for node in sorted(parent):
        groups.setdefault(f"same:{root(node)}", []).append(node)
    names = list(groups)
    group = np.full(len(ids), -1, dtype=np.int64)
    for at, name in enumerate(names):
        group[groups[name]] = at
    number = {name: at for at, name in enumerate(names)}
    pairs = [(number[a], number[b]) for a, b in apart if a in number and b in number]
    known = Known(group, np.zeros((len(names), width), dtype=np.int64), np.array(pairs, dtype=np.int64).reshape(-1, 2))
    return known, len(names)


def _named(
    kind: str, ids: Index, before: Sequence[str], group: Index, subjects: Mapping[str, Subject], change: int
) -> tuple[list[str], list[Change], dict[str, list[int]]]:
    """The subject of each record: the bigger part keeps its id, of equal parts the older subject's."""
    names = sorted(set(before), key=lambda name: (subjects[name].made_at, name))
    age = {name: at for at, name in enumerate(names)}
    was = np.array([age[name] for name in before], dtype=np.int64)
    _, now = np.unique(group, return_inverse=True)
    count = int(now.max()) + 1
    pairs, shared = np.unique(was * count + now, return_counts=True)
    order = np.lexsort((pairs, -shared))
    taken: dict[int, str] = {}
    kept: set[int] = set()
    heirs: dict[int, int] = {}  # the group that most of an old subject's records are in
    for pair in pairs[order].tolist():
        old, new = divmod(pair, count)
        heirs.setdefault(old, new)
        if new not in taken and old not in kept:
            taken[new] = names[old]
            kept.add(old)
    fresh: dict[int, list[int]] = {}
    for at, new in enumerate(now.tolist()):
        if new not in taken:
            fresh.setdefault(new, []).append(at)
    made: dict[str, list[int]] = {}
    for new, places in fresh.items():
        founder = min(int(ids[at]) for at in places)
        taken[new] = derive("subject", kind, str(founder), "rebuilt", str(change))
        made[taken[new]] = places
    after = [taken[new] for new in now.tolist()]
    moves: dict[tuple[int, int], list[int]] = {}
    for at in np.flatnonzero([a != b for a, b in zip(before, after, strict=True)]).tolist():
        moves.setdefault((int(was[at]), int(now[at])), []).append(int(ids[at]))
    changes = [
        Change(names[old], taken[new], records, old not in kept and heirs[old] == new)
        for (old, new), records in sorted(moves.items())
    ]
    return after, changes, made


# ── carrying it out ────────────────────────────────────────────────────────────────────────────────────────────────


def carry_out(work: Work, rules: Resolving, plans: Sequence[Plan], described: Described, by: str) -> dict[str, object]:
    """Make it so, in the transaction of ``work``; what was done, by kind. ``by``: who asked for it."""
    done: dict[str, object] = {}
    change = store.latest_change(work.conn) + 1
    for one in plans:
        _move(work, one, change, described)
        _rewrite(work, rules, one, change)
        _tell(work, one, rules.rules.model, by)
        found = raised(rules, work.conn, one.kind, one.outcome.questions, one.ids, work.now)
        store.renew_reviews(work.conn, one.kind, found, work.now)
        done[one.kind] = {name: count for name, count in one.counts().items() if count}
    store.overtake(work.conn, work.now)
    return done


def _move(work: Work, one: Plan, change: int, described: Described) -> None:
    """Records go where they belong; subjects are made, described anew, or give way."""
    conn = work.conn
    into: dict[str, list[int]] = {}
    for each in one.changes:
        into.setdefault(each.into, []).extend(each.records)
    known = store.all_subjects(conn, one.kind)
    width = one.marks.unique.shape[1]
    empty = {
        id: Subject(id, one.kind, None, None, None, None, None, None, [0] * width, 10**6, 10**6, work.now)
        for id in one.made
    }
    store.add_subjects(conn, list(empty.values()))
    for id, records in into.items():
        store.move_records(conn, records, id, change)
    for each in one.changes:
        if each.merged:
            store.give_way(conn, each.subject, each.into)
            store.merge_apart(conn, each.subject, each.into)
    touched = {name for each in one.changes for name in (each.subject, each.into)}
    places: dict[str, list[int]] = {}
    for at, name in enumerate(one.after):
        if name in touched:
            places.setdefault(name, []).append(at)
    members = store.records_by_ids(conn, [int(one.ids[at]) for some in places.values() for at in some])
    changed = []
    for name, positions in places.items():
        mine = one.marks.unique[positions]
        unique = [int(next((value for value in column if value), 0)) for column in mine.T]
        subject = empty.get(name) or known[name]
        fresh = replace(subject, unique=unique)
        changed.append(described(fresh, [members[int(one.ids[at])] for at in positions]))
    store.update_subjects(conn, changed)


def _rewrite(work: Work, rules: Resolving, one: Plan, change: int) -> None:
    """Marks that are others now, and of what rules joined why it is where it is."""
    model = rules.rules.model
    marks, reasons = [], []
    for at, row in enumerate(one.rows):
        new = packed(one.marks, at)
        if new != row.marks or str(one.marks.stems[at]) != row.stem:
            marks.append((at, {"of_id": row.id, "new_marks": new, "new_stem": str(one.marks.stems[at])}))
        moved = one.before[at] != one.after[at]
        if moved or (row.model != model and row.rule != "person"):
            given = why(rules, one.kind, one.outcome, one.ids, at, work.now, work.actor.id)
            reasons.append({"of_id": row.id, **{f"new_{name}": value for name, value in given.items()}})
    store.change_marks(work.conn, [values for _, values in marks])
    store.change_reasons(work.conn, reasons)
    which = np.array([at for at, _ in marks], dtype=np.int64)
    if len(which):
        store.forget_keys(work.conn, one.ids[which].tolist())
        store.add_keys(work.conn, rules.keys(one.kind, one.marks.taken(which), one.ids[which]))


def _tell(work: Work, one: Plan, model: str, by: str) -> None:
    for each in one.changes:
        if each.merged:
            data: dict[str, object] = {
                "subject": each.into,
                "from": each.subject,
                "kind": one.kind,
                "by": by,
                "model": model,
            }
            work.emit(f"subject:{each.into}", "subject.merged", data)
        else:
            told = [str(record) for record in each.records[: limits.REBUILD_TOLD]]
            data = {
                "subject": each.subject, "into": each.into, "records": told, "count": len(each.records), "by": by,
                "reason": "rules", "model": model,
            }  # fmt: skip
            work.emit(f"subject:{each.subject}", "subject.split", data)

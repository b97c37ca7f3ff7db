"""New and changed records find their subjects: what is there is read, grouped, and written back in one transaction.

A record that is known keeps its subject. New evidence may merge subjects; a code that contradicts takes a record out of
its subject. Both are events, and the id of the older subject stays.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import cast

import numpy as np
import numpy.typing as npt

from cityheart.entities import store
from cityheart.entities.following import Mentions, nothing
from cityheart.entities.grouping import Known, Resolved, resolve
from cityheart.entities.hashing import Hashes, hashes
from cityheart.entities.marks import AT, COLUMNS, Block, Marks, blocking, mark
from cityheart.entities.matching import Pairs, points_of
from cityheart.entities.models import Review, Subject
from cityheart.entities.normalise import Gazetteer
from cityheart.entities.rules import Rules
from cityheart.kernel.database import Work
from cityheart.kernel.ids import derive

__all__ = [
    "WHOLE", "Counts", "Resolving", "evidence_of", "packed", "raised", "subject_marks", "unpacked", "why",
]  # fmt: skip

WHOLE = 2_000  # new records from which on all records of the kind are read at once instead of looked up
Owner = Callable[[str], str]  # dataset → department


@dataclass
class Counts:
    """What one follow-up did, for one kind."""

    new: int = 0
    changed: int = 0
    subjects: int = 0
    merged: int = 0
    split: int = 0
    questions: int = 0
    dropped: int = 0
    barred: int = 0
    touched: list[str] = field(default_factory=list)  # subjects that others came into or left


def evidence_of(text: str) -> dict[str, float]:
    """The points of a stored evidence, by name."""
    pairs = (part.partition("=") for part in text.split(";") if part)
    return {name: float(points) for name, _, points in pairs}


class Resolving:
    """Resolution into the store, under one set of rules."""

    def __init__(self, rules: Rules, gazetteer: Gazetteer, owner: Owner) -> None:
        self._rules = rules
        self._gazetteer = gazetteer
        self._owner = owner

    def take(self, work: Work, kind: str, found: Mentions | None, again: Sequence[int] = ()) -> Counts:
        """Put records into the store with their subjects.

        ``again``: records of the store to be looked at once more, because what they belong to was merged.
        """
        counts = Counts()
        found = found if found is not None else nothing()
        before = store.known_records(work.conn, found.id.tolist(), kind)
        fresh = np.array([id not in before for id in found.id.tolist()], dtype=bool)
        was = [before[id][0] if id in before else None for id in found.id.tolist()]
        same = np.array([had == now for had, now in zip(was, found.digest.tolist(), strict=True)], dtype=bool)
        which = np.flatnonzero(~same) if len(found) else np.zeros(0, dtype=np.int64)
        if not len(which) and not again:
            return counts
        found, fresh = found.taken(which), fresh[which]
        counts.new, counts.changed = int(fresh.sum()), int((~fresh).sum())
        batch = _Batch(self, work, kind, found, fresh, {id: before[id][1] for id in found.id[~fresh].tolist()}, again)
        batch.run(counts)
        return counts

    # ── what a batch needs of the rules ────────────────────────────────────────────────────────────────────────

    @property
    def rules(self) -> Rules:
        """The rules."""
        return self._rules

    @property
    def gazetteer(self) -> Gazetteer:
        """The names of the city's areas."""
        return self._gazetteer

    def mark(self, work: Work, kind: str, found: Mentions) -> Marks:
        """The marks of records."""
        owners = store.neighbours(work.conn, np.unique(found.of[found.of != 0]).tolist()) if found.of.any() else {}
        of = [owners.get(one) for one in found.of.tolist()]
        return mark(found.columns, kind, self._rules.kinds[kind], self._gazetteer, of=subject_marks(of))

    def blocks(self, kind: str, marks: Marks) -> dict[str, Block]:
        """What records are found by, the decisive identifiers among it."""
        found = blocking(marks, kind) if self._rules.kinds[kind].points is not None else {}
        for place in range(marks.decisive.shape[1]):
            who = np.flatnonzero(marks.decisive[:, place])
            found[f"id{place}"] = Block(who, marks.decisive[who, place])
        return found

    def keys(self, kind: str, marks: Marks, ids: npt.NDArray[np.int64]) -> list[tuple[int, int]]:
        """The same as it is stored: ``(mark, record)``, each once."""
        pairs = [np.stack([block.mark, ids[block.who]], axis=1) for block in self.blocks(kind, marks).values()]
        if not pairs:
            return []
        return [(row[0], row[1]) for row in np.unique(np.concatenate(pairs), axis=0).tolist()]

    def department(self, dataset: str) -> str:
        """Whose a dataset is."""
        return self._owner(dataset)

    def evidence(self, kind: str, bits: int) -> str:
        """The evidence of a pair as text that is stored: names of points with what they counted."""
        return ";".join(f"{name}={points:g}" for name, points in points_of(bits, self._rules.kinds[kind]))


def why(
    rules: Resolving, kind: str, outcome: Resolved, ids: npt.NDArray[np.int64], at: int, now: datetime, by: str
) -> dict[str, object]:
    """Why a record is where it is: the pair that holds it, or that it is the first of its subject."""
    link = int(outcome.joined[at])
    said: dict[str, object] = {
        "rule": "first", "score": None, "beside": None, "evidence": "", "model": rules.rules.model, "joined_at": now,
        "joined_by": by,
    }  # fmt: skip
    if link < 0:
        return said
    pairs, identifier = outcome.links, int(outcome.identifier[link])
    other = pairs.b[link] if pairs.a[link] == at else pairs.a[link]
    said["beside"] = int(ids[other])
    if identifier >= 0:
        return said | {"rule": f"identifier:{rules.rules.kinds[kind].decisive[identifier]}"}
    evidence = rules.evidence(kind, int(pairs.evidence[link]))
    return said | {"rule": "points", "score": float(pairs.score[link]), "evidence": evidence}


def raised(
    rules: Resolving, conn: store.Connection, kind: str, pairs: Pairs, ids: npt.NDArray[np.int64], now: datetime
) -> list[Review]:
    """Questions to the departments whose record of a pair says less."""
    both = store.records_by_ids(conn, {*ids[pairs.a].tolist(), *ids[pairs.b].tolist()})
    found = []
    for place in range(len(pairs)):
        a, b = sorted((int(ids[pairs.a[place]]), int(ids[pairs.b[place]])))
        weaker = min((both[a], both[b]), key=lambda one: (len(one.identifiers), -one.known_at.timestamp(), one.id))
        found.append(
            Review(
                derive("review", kind, str(a), str(b)), kind, a, b, rules.department(weaker.dataset),
                float(pairs.score[place]), rules.evidence(kind, int(pairs.evidence[place])), rules.rules.model, "open",
                now, None, None, None,
            )
        )  # fmt: skip
    return found


def subject_marks(subjects: Sequence[str | None]) -> Hashes:
    """Numbers of subjects, for what belongs to them."""
    return hashes(list(subjects), "subject")


class _Batch:
    """One kind's new and changed records in one transaction."""

    def __init__(
        self,
        owner: Resolving,
        work: Work,
        kind: str,
        found: Mentions,
        fresh: npt.NDArray[np.bool_],
        own: Mapping[int, str],
        again: Sequence[int],
    ) -> None:
        self._owner, self._work, self._conn, self._kind = owner, work, work.conn, kind
        self._found, self._fresh, self._own = found, fresh, own
        self._again = again
        self._own_rules = owner.rules.kinds[kind]
        self._change = store.latest_change(work.conn) + 1
        self._subjects: dict[str, Subject] = {}
        self._rest: dict[str, npt.NDArray[np.int64]] = {}  # of subjects with changed records: what the others say
        self._absorbing: set[str] = set()
        columns = (
            "dataset",
            "role",
            "columns",
            "key",
            "name",
            "former",
            "address",
            "lon",
            "lat",
            "since",
            "until",
            "known",
        )
        self._says = {name: found.columns[name].to_pylist() for name in columns if name in found.columns}

    def run(self, counts: Counts) -> None:
        """Read what is near, group, write."""
        marks = self._owner.mark(self._work, self._kind, self._found)
        self._unique_marks = marks.unique
        old_ids, old_subjects, old = self._neighbourhood(marks, counts)
        detached = self._contradicting(marks, old_ids, old_subjects, old)
        self._subjects = self._known(old_subjects, detached)
        names = list(self._subjects)
        position = {name: place for place, name in enumerate(names)}
        own = [
            -1 if fresh or id in detached else position.get(self._own[id], -1)
            for id, fresh in zip(self._found.id.tolist(), self._fresh.tolist(), strict=True)
        ]
        group = np.array([position[name] for name in old_subjects] + own, dtype=np.int64)
        known = Known(group, self._unique(names), self._apart(position))
        outcome = resolve(old.joined(marks), self._kind, self._owner.rules, known, first_new=self._first_new(old_ids))
        ids = np.concatenate([np.array(old_ids, dtype=np.int64), self._found.id])
        counts.dropped += len(outcome.dropped)
        counts.barred += outcome.barred
        store.add_dropped(
            self._conn, self._kind, [(one.name, one.size, int(ids[one.record])) for one in outcome.dropped[:100]],
            self._work.now,
        )  # fmt: skip
        place = self._settle(outcome, names, len(old_ids), counts)
        self._write(marks, outcome, ids, place, len(old_ids))
        self._ask(outcome, ids, counts)
        if detached:
            self._tell_detached(detached, place, len(old_ids), counts)
        if counts.merged or detached or not self._fresh.all():
            store.overtake(self._conn, self._work.now)

    # ── reading ────────────────────────────────────────────────────────────────────────────────────────────────

    def _neighbourhood(self, marks: Marks, counts: Counts) -> tuple[list[int], list[str], Marks]:
        """Records of the store that the new ones may be the same as, with their subjects; those to look at again last."""
        if len(marks) >= WHOLE:
            wanted = None
        else:
            keys = self._owner.blocks(self._kind, marks)
            sought = sorted({mark for block in keys.values() for mark in block.mark.tolist()})
            wanted, large = store.candidates(self._conn, sought, self._owner.rules.block)
            counts.dropped += len(large)
            self._note_large(keys, large)
            beside = store.members(self._conn, set(self._own.values()))  # what else is in the subjects of changed ones
            wanted = sorted({*wanted, *beside, *self._again})
        rows = store.marked(self._conn, self._kind, wanted)
        mine = set(self._found.id.tolist())
        again = set(self._again)
        rows = [row for row in rows if row[0] not in mine]
        rows.sort(key=lambda row: (row[0] in again, row[0]))
        return [row[0] for row in rows], [row[1] for row in rows], self._again_marked(rows)

    def _again_marked(self, rows: Sequence[tuple[int, str, bytes, str, float | None, float | None]]) -> Marks:
        marks = unpacked(rows, self._own_rules.unique, self._own_rules.decisive)
        if not self._again:
            return marks
        again = [place for place, row in enumerate(rows) if row[0] in set(self._again)]
        owners = store.owners_of(self._conn, [rows[place][0] for place in again])
        for place in again:
            marks.numbers[place, AT["of"]] = subject_marks([owners.get(rows[place][0])])[0]
            store.change_record(self._conn, rows[place][0], {"marks": packed(marks, place)})
        ids = np.array([rows[place][0] for place in again], dtype=np.int64)
        store.forget_keys(self._conn, ids.tolist())
        store.add_keys(self._conn, self._owner.keys(self._kind, marks.taken(np.array(again, dtype=np.int64)), ids))
        return marks

    def _first_new(self, old_ids: Sequence[int]) -> int:
        again = set(self._again)
        return len(old_ids) - sum(id in again for id in old_ids)

    def _note_large(self, keys: Mapping[str, Block], large: Sequence[tuple[int, int]]) -> None:
        sizes = dict(large)
        numbers = np.array(list(sizes), dtype=np.int64)
        found = [
            (name, sizes[int(block.mark[place])], int(self._found.id[block.who[place]]))
            for name, block in keys.items()
            for place in np.flatnonzero(np.isin(block.mark, numbers)).tolist()[:20]
        ]
        store.add_dropped(self._conn, self._kind, found, self._work.now)

    def _contradicting(
        self, marks: Marks, old_ids: Sequence[int], old_subjects: Sequence[str], old: Marks
    ) -> dict[int, str]:
        """Changed records whose unique identifiers are others than those of the rest of their subject."""
        if self._fresh.all():
            return {}
        rest: dict[str, npt.NDArray[np.int64]] = {}
        for place, subject in enumerate(old_subjects):
            have = rest.setdefault(subject, np.zeros(old.unique.shape[1], dtype=np.int64))
            rest[subject] = np.where(have == 0, old.unique[place], have)
        found = {}
        for place in np.flatnonzero(~self._fresh).tolist():
            id = int(self._found.id[place])
            others = rest.get(self._own[id])
            mine = marks.unique[place]
            if others is not None and bool(((others != 0) & (mine != 0) & (others != mine)).any()):
                found[id] = self._own[id]
        self._rest = rest
        return found

    def _known(self, old_subjects: Sequence[str], detached: Mapping[int, str]) -> dict[str, Subject]:
        names = sorted({*old_subjects, *self._own.values()})
        known = (
            store.all_subjects(self._conn, self._kind)
            if len(names) > WHOLE
            else store.subjects_by_ids(self._conn, names)
        )
        return {name: known[name] for name in names}

    def _unique(self, names: Sequence[str]) -> npt.NDArray[np.int64]:
        """The unique identifiers of subjects; of those with changed records, what the other records say."""
        width = len(self._own_rules.unique)
        found = np.zeros((len(names), width), dtype=np.int64)
        changing = set(self._own.values())
        for place, name in enumerate(names):
            if name in changing:
                found[place] = self._rest.get(name, np.zeros(width, dtype=np.int64))
            else:
                found[place] = self._subjects[name].unique
        return found

    def _apart(self, position: Mapping[str, int]) -> npt.NDArray[np.int64]:
        pairs = (
            store.all_apart(self._conn) if len(position) > WHOLE else store.apart_of(self._conn, position.keys())
        )  # fmt: skip
        held = [(position[a], position[b]) for a, b in pairs if a in position and b in position]
        return np.array(held, dtype=np.int64).reshape(-1, 2)

    # ── writing ────────────────────────────────────────────────────────────────────────────────────────────────

    def _settle(self, outcome: Resolved, names: Sequence[str], old: int, counts: Counts) -> list[str]:
        """The subject of every new and changed record: subjects are made, changed, merged."""
        groups: dict[int, list[str]] = {}
        for place, root in enumerate(outcome.subjects.tolist()):
            groups.setdefault(root, []).append(names[place])
        survivors: dict[int, str] = {}
        for root, together in groups.items():
            first, *rest = sorted(together, key=lambda name: (self._subjects[name].made_at, name))
            survivors[root] = first
            for other in rest:
                self._merge(other, first, counts)
        roots = outcome.group[old:].tolist()
        new: dict[int, list[int]] = {}
        joining: dict[str, list[int]] = {}
        for place, root in enumerate(roots):
            if root in survivors:
                joining.setdefault(survivors[root], []).append(place)
            else:
                new.setdefault(root, []).append(place)
        made = {root: self._made(places) for root, places in new.items()}
        store.add_subjects(self._conn, list(made.values()))
        changed = [self._grown(name, places) for name, places in joining.items()]
        absorbing = [self._subjects[name] for name in sorted(self._absorbing - set(joining))]
        store.update_subjects(self._conn, [*changed, *absorbing])
        counts.subjects += len(made)
        return [survivors[root] if root in survivors else made[root].id for root in roots]

    def _merge(self, id: str, into: str, counts: Counts) -> None:
        mine, other = self._subjects[into], self._subjects[id]
        unique = [a or b for a, b in zip(mine.unique, other.unique, strict=True)]
        by_name = min((mine, other), key=lambda one: (one.name is None, one.name_rank))
        by_place = min((mine, other), key=lambda one: (one.lon is None, one.place_rank))
        self._subjects[into] = replace(
            mine, unique=unique, name=by_name.name, name_rank=by_name.name_rank, lon=by_place.lon, lat=by_place.lat,
            place_rank=by_place.place_rank, since=_least(mine.since, other.since), until=mine.until or other.until,
        )  # fmt: skip
        self._absorbing.add(into)
        store.merge_subject(self._conn, id, into, self._change)
        store.merge_apart(self._conn, id, into)
        data = {"subject": into, "from": id, "kind": self._kind, "by": "rules", "model": self._owner.rules.model}
        self._work.emit(f"subject:{into}", "subject.merged", data)
        counts.merged += 1
        counts.touched.append(into)

    def _made(self, places: Sequence[int]) -> Subject:
        """A new subject of these new records; its id is that of the first of them, whoever comes later."""
        ids, rank = self._found.id, self._found.rank
        founder = min(places, key=lambda place: (int(rank[place]), int(ids[place])))
        parts = [self._kind, str(int(ids[founder]))]
        if not self._fresh[founder]:  # it left the subject that it founded, or joined, before
            parts += ["split", str(self._change)]
        id = derive("subject", *parts)
        empty = Subject(
            id, self._kind, None, None, None, None, None, None, [0] * len(self._own_rules.unique), 10**6, 10**6,
            self._work.now,
        )  # fmt: skip
        return self._with(empty, places)

    def _grown(self, name: str, places: Sequence[int]) -> Subject:
        self._subjects[name] = self._with(self._subjects[name], places)
        return self._subjects[name]

    def _with(self, subject: Subject, places: Sequence[int]) -> Subject:
        """The subject with what these records say of it: the better declared record gives name and place."""
        columns, rank = self._says, self._found.rank
        values: dict[str, object] = {}
        name_rank, place_rank = subject.name_rank, subject.place_rank
        unique = list(subject.unique)
        since = subject.since
        for place in sorted(places, key=lambda one: (int(rank[one]), int(self._found.id[one]))):
            own = int(rank[place])
            if columns["name"][place] is not None and (own < name_rank or own == name_rank == subject.name_rank):
                values["name"], name_rank = columns["name"][place], own
            if columns["lon"][place] is not None and columns["lat"][place] is not None and own < place_rank:
                values["lon"], values["lat"], place_rank = columns["lon"][place], columns["lat"][place], own
            since = _least(since, columns["since"][place])
            if columns["until"][place] is not None:
                values["until"] = columns["until"][place]
            unique = [mine or new for mine, new in zip(unique, self._unique_marks[place].tolist(), strict=True)]
        changed = {**values, "name_rank": name_rank, "place_rank": place_rank, "since": since, "unique": unique}
        return replace(subject, **changed)  # type: ignore[arg-type]

    def _write(
        self,
        marks: Marks,
        outcome: Resolved,
        ids: npt.NDArray[np.int64],
        place: Sequence[str],
        old: int,
    ) -> None:
        """Records and the marks by which they are found."""
        columns = self._says
        given = {name: column for name, column in self._found.columns.items() if name.startswith("id:")}
        known = {name.removeprefix("id:"): column.to_pylist() for name, column in given.items()}
        rows = []
        for at, id in enumerate(self._found.id.tolist()):
            says = {name: columns[name][at] for name in ("name", "former", "address", "lon", "lat", "since", "until")}
            identifiers = {name: listed[at] for name, listed in known.items() if listed[at] is not None}
            row: dict[str, object] = {
                **says, "identifiers": identifiers, "of": int(self._found.of[at]) or None, "digest": int(self._found.digest[at]),
                "marks": packed(marks, at), "stem": str(marks.stems[at]), "known_at": columns["known"][at],
                "change": self._change, "subject": place[at],
            }  # fmt: skip
            if self._fresh[at] or self._own[id] != place[at]:  # what was known keeps the reason it is there for
                row |= why(self._owner, self._kind, outcome, ids, old + at, self._work.now, self._work.actor.id)
            if self._fresh[at]:
                key = {name: json.loads(cast("str", columns[name][at])) for name in ("columns", "key")}
                named = {"dataset": columns["dataset"][at], "role": columns["role"][at], "kind": self._kind}
                rows.append({"id": id, **key, **named, **row})
            else:
                store.change_record(self._conn, id, row)
        store.add_records(self._conn, rows)
        store.forget_keys(self._conn, self._found.id[~self._fresh].tolist())
        store.add_keys(self._conn, self._owner.keys(self._kind, marks, self._found.id))

    def _ask(self, outcome: Resolved, ids: npt.NDArray[np.int64], counts: Counts) -> None:
        pairs = outcome.questions
        if not len(pairs):
            return
        found = raised(self._owner, self._conn, self._kind, pairs, ids, self._work.now)
        counts.questions += store.add_reviews(self._conn, found)
        for department, count in sorted(Counter(one.department for one in found).items()):
            data = {"kind": self._kind, "department": department, "questions": count}
            self._work.emit(f"department:{department}", "link.questioned", data)

    def _tell_detached(self, detached: Mapping[int, str], place: Sequence[str], old: int, counts: Counts) -> None:
        at = {int(id): where for id, where in zip(self._found.id.tolist(), place, strict=True)}
        for id, subject in detached.items():
            if at[id] != subject:
                counts.split += 1
                data = {"subject": subject, "into": at[id], "records": [str(id)], "by": "rules", "reason": "identifier"}
                counts.touched += [subject, at[id]]
                self._work.emit(f"subject:{subject}", "subject.split", data)


def _least(one: datetime | None, other: object) -> datetime | None:
    moments = [moment for moment in (one, other) if isinstance(moment, datetime)]
    return min(moments, default=None)


def packed(marks: Marks, place: int) -> bytes:
    """The numbers of one record as they are stored."""
    row = np.concatenate([marks.numbers[place], marks.unique[place], marks.decisive[place]])
    return row.astype("<i8").tobytes()


def unpacked(
    rows: Sequence[tuple[int, str, bytes, str, float | None, float | None]],
    unique: Sequence[str],
    decisive: Sequence[str],
) -> Marks:
    """The marks of stored records."""
    more = len(unique) + len(decisive)
    width = len(COLUMNS) + more
    stored = [row[2] if len(row[2]) == width * 8 else _padded(row[2], more) for row in rows]
    numbers = np.frombuffer(b"".join(stored), dtype="<i8").reshape(-1, width).astype(np.int64)
    first, second = len(COLUMNS), len(COLUMNS) + len(unique)
    stems = np.empty(len(rows), dtype=object)
    stems[:] = [row[3] for row in rows]
    lon = np.array([np.nan if row[4] is None else row[4] for row in rows], dtype=np.float64)
    lat = np.array([np.nan if row[5] is None else row[5] for row in rows], dtype=np.float64)
    return Marks(numbers[:, :first], stems, lon, lat, numbers[:, first:second], numbers[:, second:])


def _padded(stored: bytes, more: int) -> bytes:
    """Numbers that were stored when there were fewer columns: the later ones say nothing until subjects are rebuilt."""
    end = len(stored) - more * 8
    return stored[:end] + bytes(len(COLUMNS) * 8 - end) + stored[end:]

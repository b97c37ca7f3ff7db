"""The verbs of block data: follow what lands, find, look at, decide, split, merge.

Subjects and links are a projection of the lake under rules with a version; what people decide (same, different, split,
merged) stays, whatever lands later. Every reader sees what the datasets behind a subject allow: of the others only that
there is something.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import cast
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa

from cityheart.engine.lake import Lake
from cityheart.entities import following, rebuilding, store, views
from cityheart.entities.areas import FILE, Area, Areas
from cityheart.entities.declared import Declaration
from cityheart.entities.following import Mentions
from cityheart.entities.grouping import Known, resolve
from cityheart.entities.hashing import keyed
from cityheart.entities.marks import Marks, blocking, mark
from cityheart.entities.models import IDENTIFIERS, KIND_TITLES, Link, Record, Review, Subject
from cityheart.entities.names import Index
from cityheart.entities.normalise import Gazetteer
from cityheart.entities.previewing import compare
from cityheart.entities.resolving import Counts, Resolving, unpacked
from cityheart.entities.rules import KINDS, Rules, read_rules, rules
from cityheart.kernel import limits
from cityheart.kernel.access import departments, require
from cityheart.kernel.actors import Actor
from cityheart.kernel.database import Database, Work
from cityheart.kernel.errors import Conflict, Forbidden, Invalid, NotFound, TooLarge
from cityheart.kernel.ids import derive
from cityheart.share.service import Share

__all__ = ["Entities"]

SYSTEM = Actor.system("entities")
OWN_RULES = "subjects.toml"  # a city's own rules in its folder; where there is none, the project's count

_KIND_OF = {
    "uscc": "firm", "registration": "firm", "firm_id": "firm", "site_id": "site", "plate": "vehicle",
    "terminal_phone": "vehicle", "tank_id": "tank", "mn": "outlet", "meter_id": "meter",
}  # fmt: skip


class Entities:
    """Subjects of one city.

    ``key`` gives the key of its keyed hashes, ``zone`` the zone in which days begin, ``home`` its folder (with
    ``areas.geojson``, when it has one), ``city`` its name as firms write it, e.g. ``南通市``.
    """

    def __init__(
        self,
        database: Database,
        lake: Lake,
        share: Share,
        *,
        key: Callable[[], bytes],
        zone: str,
        home: Path,
        city: str,
        numbers: Rules | None = None,
    ) -> None:
        self._database, self._lake, self._share = database, lake, share
        self._key, self._zone, self._home, self._city = key, zone, home, city
        own = home / OWN_RULES
        if own.is_file() and own.stat().st_size > limits.CITY_FILE_BYTES:
            raise TooLarge(f"{own} is larger than {limits.CITY_FILE_BYTES} bytes", remedy="rules are a few kilobytes")
        self._rules = numbers or (read_rules(own.read_text("utf-8")) if own.is_file() else rules())
        self._declared = Declaration()
        self._digests: dict[str, str] = {}
        self._areas: Areas | None = None
        self._made: Resolving | None = None
        self._lock = threading.Lock()
        self._index = Index()
        self._catching = threading.Lock()
        self._followed: dict[str, int] = {}  # versions known to be followed, so that an idle look costs no question

    def register(self, declared: Declaration) -> None:
        """Follow what an application declares, beside what was registered before."""
        self._declared = self._declared.joined(declared)
        datasets = dict.fromkeys(one.dataset for one in self._declared.subjects)
        self._digests = {dataset: self._digest(dataset) for dataset in datasets}

    def _digest(self, dataset: str) -> str:
        subjects = [one.model_dump_json() for one in self._declared.subjects if one.dataset == dataset]
        links = [one.model_dump_json() for one in self._declared.links if one.dataset == dataset]
        return hashlib.sha256("\n".join([*subjects, *links]).encode()).hexdigest()

    def _datasets(self) -> set[str]:
        return {one.dataset for one in self._declared.subjects} | {one.dataset for one in self._declared.rows}

    @property
    def resolving(self) -> Resolving:
        """The rules by which records become subjects, as they are now."""
        return self._resolving

    @property
    def declared(self) -> Declaration:
        """What the applications declare."""
        return self._declared

    # ── areas ──────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def areas(self) -> Areas:
        """The areas of the city in all their versions. Raises :class:`Invalid` when the file is wrong."""
        if self._areas is None:
            self._areas = Areas.load(self._home / FILE, self._zone)
        return self._areas

    def area_at(self, lon: float, lat: float, at: datetime) -> Area | None:
        """The area of a place (degrees, WGS84) as areas were at a moment."""
        return self.areas.area_at(lon, lat, at)

    def now(self) -> datetime:
        """The city's present."""
        return self._database.clock.now()

    # ── following the lake ─────────────────────────────────────────────────────────────────────────────────────

    def follow(self) -> int:
        """Take in what landed since; how many records are new or say something else. Safe beside other workers."""
        behind = [name for name in self._digests if self._lake.version(name) != self._followed.get(name)]
        if not behind:
            return 0
        with self._lock, self._database.work(SYSTEM, alone="entities.follow") as work:
            positions = store.positions(work.conn)
            parts: dict[str, list[Mentions]] = {}
            links: list[tuple[bool, list[Link]]] = []
            reached: dict[str, int] = {}
            for dataset in behind:
                version, declared = positions.get(dataset, (0, ""))
                if declared != self._digests[dataset]:
                    version = 0
                changes = self._lake.changes(dataset, version)
                reached[dataset] = changes.version
                if changes.version != version or declared != self._digests[dataset]:
                    self._gather(changes.rows, dataset, parts, links)
                    store.set_position(work.conn, dataset, changes.version, self._digests[dataset])
            counts = self._resolve(work, parts)
            for widening, found in links:
                if not widening:
                    store.end_links(work.conn, found, work.now)
                store.put_links(work.conn, found, widening=widening)
            taken = sum(one.new + one.changed for one in counts.values())
            if taken:
                work.emit("entities", "subject.resolved", {"model": self._rules.model, "kinds": views.counts(counts)})
        self._followed |= reached
        return taken

    def _gather(
        self,
        rows: pa.Table,
        dataset: str,
        parts: dict[str, list[Mentions]],
        links: list[tuple[bool, list[Link]]],
    ) -> None:
        zone = ZoneInfo(self._zone)
        for rank, one in enumerate(self._declared.subjects):
            if one.dataset == dataset and len(rows):
                owner = None if one.of is None else self._declared.role(dataset, one.of)
                found = following.mentions(rows, one, owner, rank, self._key(), zone)
                if len(found):
                    parts.setdefault(one.kind, []).append(found)
        for link in self._declared.links:
            if link.dataset == dataset and len(rows):
                ends = self._declared.role(dataset, link.subject), self._declared.role(dataset, link.object)
                if ends[0] is not None and ends[1] is not None:
                    links.append((link.seen is not None, following.links(rows, link, ends[0], ends[1], zone)))

    def _resolve(self, work: Work, parts: Mapping[str, list[Mentions]]) -> dict[str, Counts]:
        counts: dict[str, Counts] = {}
        again: list[int] = []
        for kind in KINDS:
            found = parts.get(kind)
            if not found and not again:
                continue
            mine = following.concatenated(found) if found else None
            belonging = again if kind == "site" else []
            if mine is None and not belonging:
                continue
            counts[kind] = self._resolving.take(work, kind, mine, belonging)
            if kind == "firm" and counts[kind].touched:
                again = store.sites_of(work.conn, sorted(set(counts[kind].touched)))
        return counts

    @property
    def _resolving(self) -> Resolving:
        if self._made is None:
            self._made = Resolving(self._rules, Gazetteer(self.areas, self._city), self._owner_of)
        return self._made

    def _owner_of(self, dataset: str) -> str:
        return self._share.dataset(dataset).owner

    # ── what a reader may see ──────────────────────────────────────────────────────────────────────────────────

    def readable(self, actor: Actor) -> frozenset[str]:
        """The datasets out of which subjects are shown to the actor: all rows are, with the columns that name subjects."""
        return frozenset(name for name in self._datasets() if self._share.sight(actor, name).shows(*self._naming(name)))

    def _naming(self, dataset: str) -> set[str]:
        """The columns of a dataset that are shown of its subjects: keys, names, identifiers, places."""
        found: set[str] = set()
        for one in self._declared.subjects:
            if one.dataset == dataset:
                found |= set(one.columns) - {one.person, one.phone}  # those two only ever as keyed hashes
        return found | {column for one in self._declared.rows if one.dataset == dataset for column in one.by.values()}

    def _restricted(self, datasets: Collection[str]) -> list[str]:
        return sorted(name for name in datasets if self._share.dataset(name).sharing != 1)

    # ── finding ────────────────────────────────────────────────────────────────────────────────────────────────

    def find(
        self, actor: Actor, *, text: str = "", kind: str | None = None, after: str | None = None, limit: int = 50
    ) -> dict[str, object]:
        """Subjects by name, former name or identifier, also when mistyped or cut short: ``{items, total, next}``.

        Without ``text`` they are listed. Only what the reader may read is looked at. ``total`` is ``None`` for a search.
        """
        require(actor, "subject.read")
        if kind is not None and kind not in KINDS:
            raise Invalid(f"there is no kind {kind!r}", remedy=f"there are {', '.join(KINDS)}")
        if len(text) > limits.SUBJECT_QUERY_CHARS:
            raise Invalid("that is too long for a name", remedy=f"at most {limits.SUBJECT_QUERY_CHARS} characters")
        readable = self.readable(actor)
        with self._database.read() as conn:
            if not text.strip():
                ids, total = store.listed(conn, kind=kind, datasets=readable, after=after, limit=limit)
                following_page = ids[-1] if len(ids) == limit else None
                likeness: dict[str, float] = {}
            else:
                self._catch_up()
                hits = self._index.find(text, kind=kind, datasets=readable, limit=limits.SUBJECTS_FOUND)
                owners = store.neighbours(conn, [record for record, _ in hits])
                likeness = {}
                for record, like in hits:
                    likeness.setdefault(owners.get(record, ""), like)
                likeness.pop("", None)
                ids, total, following_page = list(likeness)[:limit], None, None
            items = self._shown_subjects(conn, ids, readable)
        for item in items:
            item["likeness"] = likeness.get(cast("str", item["id"]))
        return {"items": items, "total": total, "next": following_page}

    def _catch_up(self) -> None:
        with self._catching, self._database.read() as conn:
            if store.latest_change(conn) > self._index.change:
                self._index.add(store.names_after(conn, self._index.change))

    def _shown_subjects(
        self, conn: store.Connection, ids: Sequence[str], readable: frozenset[str]
    ) -> list[dict[str, object]]:
        subjects = store.subjects_by_ids(conn, ids)
        records = store.records_among(conn, ids, readable)
        now = self._database.clock.now()
        return [
            views.short(subjects[id], records.get(id, []), self._declared, self.areas, now)
            for id in ids
            if id in subjects
        ]

    def subject_of(
        self,
        kind: str,
        identifiers: Mapping[str, str] | None = None,
        *,
        name: str | None = None,
        address: str | None = None,
    ) -> str | None:
        """The id of the subject with an identifier, or that a name and address surely mean; ``None`` when unknown.

        For parts of the system: it does not ask what a reader may see. Raises :class:`Invalid` for an unknown kind.
        """
        if kind not in KINDS:
            raise Invalid(f"there is no kind {kind!r}", remedy=f"there are {', '.join(KINDS)}")
        own = self._rules.kinds[kind]
        columns = {f"id:{type}": pa.array([value], pa.string()) for type, value in (identifiers or {}).items()}
        columns |= {"name": pa.array([name], pa.string()), "address": pa.array([address], pa.string())}
        marks = mark(columns, kind, own, self._resolving.gazetteer)
        keys = [int(value) for value in marks.decisive[0] if value]
        if own.points is not None:
            keys += [found for block in blocking(marks, kind).values() for found in block.mark.tolist()]
        with self._database.read() as conn:
            found, _ = store.candidates(conn, keys, self._rules.block)
            rows = store.marked(conn, kind, found)
        if not rows:
            return None
        names = sorted({row[1] for row in rows})
        place = {one: at for at, one in enumerate(names)}
        with self._database.read() as conn:
            unique = np.array([list(store.subjects_by_ids(conn, [one])[one].unique) for one in names], dtype=np.int64)
        group = np.array([*(place[row[1]] for row in rows), -1], dtype=np.int64)
        known = Known(group, unique.reshape(len(names), -1), np.zeros((0, 2), dtype=np.int64))
        whole = unpacked(rows, own.unique, own.decisive).joined(marks)
        outcome = resolve(whole, kind, self._rules, known, first_new=len(rows))
        where = outcome.group[-1]
        return next((one for one, root in zip(names, outcome.subjects.tolist(), strict=True) if root == where), None)

    # ── one subject ────────────────────────────────────────────────────────────────────────────────────────────

    def subject(self, actor: Actor, id: str) -> dict[str, object]:
        """Everything the city knows of a subject, as the actor may see it. Reading what is restricted is an event.

        A subject that was merged answers as the one it went into. Raises :class:`NotFound`.
        """
        require(actor, "subject.read")
        readable = self.readable(actor)
        with self._database.read() as conn:
            subject = self._live(conn, id)
            records = store.records_of(conn, subject.id, limits.SUBJECT_RECORDS)
            merged = store.merged_into(conn, subject.id)
            beside = store.records_by_ids(conn, {one.beside for one in records if one.beside is not None})
            questions = store.reviews_of(conn, [one.id for one in records], limits.PAGE_ROWS)
        seen = [one for one in records if one.dataset in readable]
        hidden = sorted({one.dataset for one in records} - readable)
        self._tell_read(actor, subject.id, {one.dataset for one in seen})
        look = self._look(actor)
        shown = views.whole(subject, seen, beside, self.areas, look, readable)
        own = departments(actor, "subject.review")
        shown["restricted"] = [look.dataset(name) for name in hidden]
        shown["merged"] = merged
        shown["questions"] = [one.id for one in questions if own is None or one.department in own]
        shown["history"] = self._history(subject.id)
        return shown

    def rows(self, actor: Actor, id: str, dataset: str, *, after: int = 0, limit: int = 50) -> dict[str, object]:
        """Rows of a dataset about a subject, the newest first: ``{items, columns, next}``. Raises as :meth:`subject`.

        Raises :class:`Forbidden` when the dataset is not shared with the reader. Personal columns are keyed hashes
        outside the department that holds them.
        """
        require(actor, "subject.read")
        if dataset not in self._datasets():
            raise NotFound(f"no dataset about subjects is called {dataset!r}")
        if dataset not in self.readable(actor):
            owner = self._owner_of(dataset)
            raise Forbidden(
                f"{dataset} is not shared with you; it belongs to {owner}", remedy="ask its owner for a grant"
            )
        with self._database.read() as conn:
            subject = self._live(conn, id)
            records = store.records_of(conn, subject.id, limits.SUBJECT_RECORDS)
        self._tell_read(actor, subject.id, {dataset})
        look = self._look(actor)
        return look.rows(dataset, records, after=after, limit=limit)

    def links(self, actor: Actor, id: str, *, hops: int = 1) -> dict[str, object]:
        """Subjects tied to this one, over one or two hops: ``{nodes, edges, cut}``. Raises :class:`NotFound`.

        ``cut`` names subjects with more ties than are shown. Ties of datasets that are not shared with the reader are
        counted nowhere; ``restricted`` names those datasets.
        """
        require(actor, "subject.read")
        readable = self.readable(actor)
        with self._database.read() as conn:
            start = self._live(conn, id)
            graph = views.Graph(conn, self._declared, readable)
            graph.grow(start.id, max(1, min(hops, 2)))
            nodes = self._shown_subjects(conn, list(graph.nodes), readable)
        hidden = sorted(graph.hidden)
        return {
            "nodes": nodes,
            "edges": graph.edges(),
            "cut": sorted(graph.cut),
            "restricted": [views.dataset_shown(self._share, name) for name in hidden],
        }

    def identified(self, actor: Actor, id: str) -> dict[str, object]:
        """A subject in short, by what the actor may see: ``{id, kind, name, identifiers: {type: [value, …]}}``.

        Raises :class:`NotFound`.
        """
        require(actor, "subject.read")
        readable = self.readable(actor)
        with self._database.read() as conn:
            subject = self._live(conn, id)
            records = store.records_among(conn, [subject.id], readable).get(subject.id, [])
        ranked = sorted(records, key=lambda one: (views.rank(self._declared, one), one.id))
        found: dict[str, list[str]] = {}
        for one in ranked:
            for type, value in one.identifiers.items():
                if value not in found.setdefault(type, []):
                    found[type].append(value)
        name = next((one.name for one in ranked if one.name), None)
        return {"id": subject.id, "kind": subject.kind, "name": name, "identifiers": found}

    def called(self, actor: Actor, type: str, value: str) -> str:
        """The id of the subject with an identifier, of those that the actor may see. Raises NotFound, Invalid."""
        require(actor, "subject.read")
        if type not in _KIND_OF:
            raise Invalid(f"there is no identifier {type!r}", remedy=f"there are {', '.join(_KIND_OF)}")
        id = self.subject_of(_KIND_OF[type], {type: value})
        if id is None or value not in cast("Mapping[str, list[str]]", self.identified(actor, id)["identifiers"]).get(
            type, []
        ):
            raise NotFound("there is no such subject", remedy="look for it by name")
        return id

    def _live(self, conn: store.Connection, id: str) -> Subject:
        for _ in range(2):
            found = store.subjects_by_ids(conn, [id]).get(id)
            if found is None:
                raise NotFound("there is no such subject", remedy="look for it by name")
            if found.into is None:
                return found
            id = found.into
        raise NotFound("there is no such subject", remedy="look for it by name")

    def _look(self, actor: Actor) -> views.Look:
        """The city as the actor sees it now."""
        through, now = self._share.reading.through(actor), self._database.clock.now()
        return views.Look(self._declared, through, self._share, now, self._mask(actor))

    def _mask(self, actor: Actor) -> Callable[[str, str, pa.Array], pa.Array]:
        """Personal columns as the actor may see them: hashes outside the department that holds them."""

        def mask(dataset: str, column: str, values: pa.Array) -> pa.Array:
            if actor.department == self._owner_of(dataset):
                return values
            return keyed(values.cast(pa.string()), self._key(), "shown")

        return mask

    def _tell_read(self, actor: Actor, id: str, datasets: Collection[str]) -> None:
        restricted = self._restricted(datasets)
        if restricted:
            with self._database.work(actor) as work:
                work.emit(f"subject:{id}", "subject.read", {"subject": id, "datasets": restricted})

    def _history(self, id: str) -> list[dict[str, object]]:
        types = {"subject.merged", "subject.split", "link.decided"}
        with self._database.read() as conn:
            return [one.json() for one in store.history(conn, id, types)]

    # ── questions ──────────────────────────────────────────────────────────────────────────────────────────────

    def reviews(
        self,
        actor: Actor,
        *,
        state: str | None = "open",
        kind: str | None = None,
        after: str | None = None,
        limit: int = 50,
    ) -> dict[str, object]:
        """Questions that the actor may decide, the likeliest first: ``{items, total, next}``; both records beside."""
        require(actor, "subject.review")
        with self._database.read() as conn:
            last = store.find_review(conn, after) if after else None
            found, total = store.reviews(
                conn, departments=departments(actor, "subject.review"), state=state, kind=kind, after=last, limit=limit
            )
            records = store.records_by_ids(conn, {one for review in found for one in (review.a, review.b)})
        readable = self.readable(actor)
        look = self._look(actor)
        items = [look.review(one, records, readable) for one in found]
        return {"items": items, "total": total, "next": found[-1].id if len(found) == limit else None}

    def review(self, actor: Actor, id: str) -> dict[str, object]:
        """One question. Raises :class:`NotFound`, also for one of another department."""
        with self._database.read() as conn:
            found = store.find_review(conn, id)
            records = store.records_by_ids(conn, {found.a, found.b}) if found else {}
        own = departments(actor, "subject.review")
        if found is None or (own is not None and found.department not in own):
            raise NotFound("there is no such question", remedy="look at the list of questions")
        look = self._look(actor)
        return look.review(found, records, self.readable(actor))

    def decide(
        self, actor: Actor, command_id: str, id: str, decision: str, reason: str | None = None
    ) -> dict[str, object]:
        """Decide a question: ``same`` merges, ``different`` keeps both apart for good. ``{review, state, subject}``.

        Raises :class:`NotFound`, :class:`Conflict` when it is decided already or a code forbids it.
        """
        if decision not in ("same", "different"):
            raise Invalid(f"{decision!r} is no decision", remedy="same or different")
        reason = _reason(reason, needed=False)

        def do(work: Work) -> dict[str, object]:
            review = self._open(work, actor, id)
            owners = store.neighbours(work.conn, [review.a, review.b])
            a, b = owners[review.a], owners[review.b]
            if decision == "same":
                kept = a if a == b else self._merge(work, a, b, reason)
            else:
                if a == b:
                    raise Conflict("both are of one subject by now", remedy="split the subject")
                store.add_apart(work.conn, a, b, actor.id, work.now, reason)
                kept = a
            store.settle(work.conn, id, decision, actor.id, work.now, reason)
            store.overtake(work.conn, work.now)
            data = {"review": id, "decision": decision, "subject": kept, "kind": review.kind, "reason": reason}
            work.emit(f"subject:{kept}", "link.decided", data)
            return {"review": id, "state": decision, "subject": kept}

        payload = {"review": id, "decision": decision, "reason": reason}
        return self._database.once(actor, command_id, "link.decide", payload, do)

    def _open(self, work: Work, actor: Actor, id: str) -> Review:
        own = departments(actor, "subject.review")
        review = store.find_review(work.conn, id)
        if review is None or (own is not None and review.department not in own):
            raise NotFound("there is no such question", remedy="look at the list of questions")
        if review.state != "open":
            raise Conflict(f"the question is {review.state} already", remedy="load it again")
        return review

    # ── acts of people on subjects ─────────────────────────────────────────────────────────────────────────────

    def merge(self, actor: Actor, command_id: str, id: str, other: str, reason: str) -> dict[str, object]:
        """Say that two subjects are one. ``{subject, from}``: the one made first stays.

        Raises :class:`Conflict` when both have a different unique identifier, or are of different kinds.
        """
        require(actor, "subject.review")
        said = _reason(reason)

        def do(work: Work) -> dict[str, object]:
            a, b = self._live(work.conn, id), self._live(work.conn, other)
            if a.id == b.id:
                raise Conflict("both are one subject already", remedy="load it again")
            for one in (a, b):
                self._may_change(work, actor, one)
            self._call_same(work, a, b, said)
            kept = self._merge(work, a.id, b.id, said)
            store.overtake(work.conn, work.now)
            return {"subject": kept, "from": b.id if kept == a.id else a.id}

        return self._database.once(actor, command_id, "subject.merge", {"a": id, "b": other, "reason": said}, do)

    def _call_same(self, work: Work, a: Subject, b: Subject, reason: str | None) -> None:
        """What a person merged is noted of the records that speak best of both: no rules take these apart."""
        best = []
        for subject in (a, b):
            records = store.records_of(work.conn, subject.id, limits.SUBJECT_RECORDS)
            best.append(min(records, key=lambda one: (views.rank(self._declared, one), one.id)))
        low, high = sorted(one.id for one in best)
        id = derive("review", a.kind, str(low), str(high))
        asked = Review(
            id, a.kind, low, high, self._owner_of(best[1].dataset), 0.0, "", self._rules.model, "open", work.now, None, None,
            None,
        )  # fmt: skip
        store.add_reviews(work.conn, [asked])
        store.settle(work.conn, id, "same", work.actor.id, work.now, reason)

    def split(self, actor: Actor, command_id: str, id: str, records: Sequence[str], reason: str) -> dict[str, object]:
        """Take records out of a subject into one of their own, which stays apart from it. ``{subject, into}``.

        Raises :class:`Invalid` when a record is not of this subject or all are named.
        """
        require(actor, "subject.review")
        said = _reason(reason)
        if not records or len(records) > limits.SUBJECT_RECORDS:
            raise TooLarge("name the records to take out", remedy=f"1 to {limits.SUBJECT_RECORDS} of them")
        try:
            wanted = sorted({int(one) for one in records})
        except ValueError:
            raise Invalid("a record id is a number", remedy="take them from the subject's records") from None

        def do(work: Work) -> dict[str, object]:
            subject = self._live(work.conn, id)
            self._may_change(work, actor, subject)
            members = store.members(work.conn, [subject.id])
            if not set(wanted) <= set(members) or len(wanted) == len(members):
                raise Invalid(
                    "some of these records are not of this subject, or nothing would be left", remedy="load it again"
                )
            made = self._split(work, subject, wanted)
            store.add_apart(work.conn, subject.id, made, actor.id, work.now, said)
            for a, b in store.apart_of(work.conn, [subject.id]):
                other = b if a == subject.id else a
                if other != made:
                    store.add_apart(work.conn, made, other, actor.id, work.now, said)
            data = {
                "subject": subject.id, "into": made, "records": [str(one) for one in wanted], "by": actor.id,
                "reason": said,
            }  # fmt: skip
            work.emit(f"subject:{subject.id}", "subject.split", data)
            return {"subject": subject.id, "into": made}

        payload = {"subject": id, "records": [str(one) for one in wanted], "reason": said}
        return self._database.once(actor, command_id, "subject.split", payload, do)

    def _may_change(self, work: Work, actor: Actor, subject: Subject) -> None:
        """A department decides about subjects that its own data speaks of."""
        own = departments(actor, "subject.review")
        if own is None:
            return
        speaking = {one.dataset for one in store.records_of(work.conn, subject.id, limits.SUBJECT_RECORDS)}
        if not any(self._owner_of(dataset) in own for dataset in speaking):
            raise Forbidden("none of your department's data speaks of this subject", remedy="ask a data steward")

    def _merge(self, work: Work, a: str, b: str, reason: str | None) -> str:
        both = store.subjects_by_ids(work.conn, [a, b])
        first, second = sorted(both.values(), key=lambda one: (one.made_at, one.id))
        if first.kind != second.kind:
            raise Conflict(f"one is a {first.kind}, the other a {second.kind}", remedy="merge subjects of one kind")
        if any(x and y and x != y for x, y in zip(first.unique, second.unique, strict=True)):
            names = ", ".join(IDENTIFIERS[name]["en"] for name in self._rules.kinds[first.kind].unique)
            raise Conflict(f"they have a different {names}", remedy="have the source correct it first")
        low, high = sorted((a, b))
        store.forget_apart(work.conn, low, high)
        records = store.records_of(work.conn, first.id, 1_000) + store.records_of(work.conn, second.id, 1_000)
        change = store.latest_change(work.conn) + 1
        store.merge_subject(work.conn, second.id, first.id, change)
        store.merge_apart(work.conn, second.id, first.id)
        unique = [x or y for x, y in zip(first.unique, second.unique, strict=True)]
        store.update_subjects(work.conn, [self._described(replace(first, unique=unique), records)])
        data = {"subject": first.id, "from": second.id, "kind": first.kind, "by": work.actor.id, "reason": reason}
        work.emit(f"subject:{first.id}", "subject.merged", data)
        return first.id

    def _split(self, work: Work, subject: Subject, wanted: Sequence[int]) -> str:
        change = store.latest_change(work.conn) + 1
        id = derive("subject", subject.kind, str(wanted[0]), "split", subject.id, str(change))
        own = self._rules.kinds[subject.kind]
        records = store.records_of(work.conn, subject.id, 10 * limits.SUBJECT_RECORDS)
        mine = [one for one in records if one.id in set(wanted)]
        rest = [one for one in records if one.id not in set(wanted)]

        def unique(some: Sequence[Record]) -> list[int]:
            rows = store.marked(work.conn, subject.kind, [one.id for one in some])
            marks = unpacked(rows, own.unique, own.decisive).unique
            return [int(next((value for value in column if value), 0)) for column in marks.T]

        empty = replace(subject, id=id, into=None, made_at=work.now)
        store.add_subjects(work.conn, [self._described(replace(empty, unique=unique(mine)), mine)])
        store.update_subjects(work.conn, [self._described(replace(subject, unique=unique(rest)), rest)])
        store.move_records(work.conn, wanted, id, change)
        why = {"rule": "person", "score": None, "beside": None, "joined_by": work.actor.id, "joined_at": work.now}
        for one in wanted:
            store.change_record(work.conn, one, why)
        return id

    def _described(self, subject: Subject, records: Sequence[Record]) -> Subject:
        """The subject with the name and place that the best declared of these records gives."""
        ranked = sorted(records, key=lambda one: (views.rank(self._declared, one), one.id))
        named = next((one for one in ranked if one.name is not None), None)
        placed = next((one for one in ranked if one.lon is not None and one.lat is not None), None)
        since = [one.since for one in ranked if one.since is not None]
        return replace(
            subject,
            name=named.name if named else None,
            name_rank=views.rank(self._declared, named) if named else 10**6,
            lon=placed.lon if placed else None,
            lat=placed.lat if placed else None,
            place_rank=views.rank(self._declared, placed) if placed else 10**6,
            since=min(since, default=None),
            until=next((one.until for one in ranked if one.until is not None), None),
        )

    # ── all anew under other rules ─────────────────────────────────────────────────────────────────────────────

    def preview(self, actor: Actor, pace: rebuilding.Pace = rebuilding.unhurried) -> dict[str, object]:
        """What a rebuild under the present rules would change; nothing is written. ``pace`` hears how far it is.

        ``{model, due, models, kinds, examples}``: ``due`` says that records stand where they are by other rules, ``models``
        by which ones. Each kind has ``records``, ``subjects`` now and ``after``, records ``moved``, subjects ``merged`` and
        ``split``, ``questions`` and ``held``: how many groups a person's word keeps. Names of records that the reader may
        not see are left out. Raises :class:`Forbidden` to whoever does not decide for the whole city.
        """
        self._whole_city(actor)
        return compare(self._database, self._resolving, pace).shown(self.readable(actor))

    def rebuild(self, actor: Actor, command_id: str, reason: str) -> dict[str, object]:
        """Ask that all subjects are made anew under the present rules; it is done at the city's next turn. ``{id, state}``.

        Raises :class:`Forbidden` as :meth:`preview`, :class:`Conflict` while another one is asked for.
        """
        self._whole_city(actor)
        said = _reason(reason)

        def do(work: Work) -> dict[str, object]:
            if store.asked_rebuild(work.conn) is not None:
                raise Conflict("a rebuild is asked for already", remedy="wait until it is done")
            id = derive("rebuild", command_id)
            store.add_rebuild(work.conn, {
                "id": id, "state": "asked", "model": self._rules.model, "by": actor.id, "reason": said,
                "asked_at": work.now, "done_at": None, "done": None,
            })  # fmt: skip
            work.emit("entities", "subject.rebuild_asked", {"rebuild": id, "model": self._rules.model, "reason": said})
            return {"id": id, "state": "asked"}

        return self._database.once(actor, command_id, "subject.rebuild", {"reason": said}, do)

    def rebuilds(self, actor: Actor) -> dict[str, object]:
        """Rebuilds that were asked for, the newest first: ``{items, total, next}``. Raises as :meth:`preview`."""
        self._whole_city(actor)
        with self._database.read() as conn:
            items = store.rebuilds(conn, limits.PAGE_ROWS)
        return {"items": items, "total": len(items), "next": None}

    def carry_out(self, pace: rebuilding.Pace = rebuilding.unhurried) -> bool:
        """Do the rebuild that was asked for, if there is one; whether there was. ``pace`` hears how far comparing is.

        What is to change is found without holding anybody up; when the city has changed meanwhile it is found again, the
        last time with the store held. All is written in one transaction: a kill at any moment leaves the old or the new.
        """
        with self._database.read() as conn:
            if store.asked_rebuild(conn) is None:
                return False
        for alone in (False, False, True):
            plans: Sequence[rebuilding.Plan] = ()
            stamp = (-1, -1)
            if not alone:
                with self._database.read() as conn:
                    stamp = store.stamp(conn)
                    plans = rebuilding.plan(conn, self._resolving, pace)
            with self._lock, self._database.work(SYSTEM, alone="entities.follow") as work:
                asked = store.asked_rebuild(work.conn)
                if asked is None:  # another worker was quicker
                    return False
                if alone:
                    plans = rebuilding.plan(work.conn, self._resolving)
                elif store.stamp(work.conn) != stamp:
                    continue
                done = rebuilding.carry_out(work, self._resolving, plans, self._described, asked["by"])
                store.end_rebuild(work.conn, asked["id"], self._rules.model, work.now, done)
                data = {"rebuild": asked["id"], "model": self._rules.model, "by": asked["by"], "kinds": done}
                work.emit("entities", "subject.rebuilt", data)
                return True
        return False

    def marks(self, kind: str) -> Marks:
        """What the records of a kind are compared by under the present rules, for whoever looks after the machine."""
        with self._database.read() as conn:
            return rebuilding.marked(self._resolving, kind, store.stored(conn, kind), {})

    def _whole_city(self, actor: Actor) -> None:
        require(actor, "subject.review")
        if departments(actor, "subject.review") is not None:
            raise Forbidden("this is about the subjects of the whole city", remedy="ask a data steward")

    # ── figures ────────────────────────────────────────────────────────────────────────────────────────────────

    def figures(self, actor: Actor) -> dict[str, object]:
        """How many subjects there are by kind, open questions, and marks that were left out because many share them."""
        require(actor, "subject.read")
        with self._database.read() as conn:
            kinds = store.count_subjects(conn)
            _, questions = store.reviews(
                conn, departments=departments(actor, "subject.review"), state="open", kind=None, after=None, limit=1
            )
            dropped = store.dropped(conn, limits.PAGE_ROWS)
        return {
            "kinds": [{"kind": kind, "title": KIND_TITLES[kind], "subjects": kinds.get(kind, 0)} for kind in KINDS],
            "questions": questions,
            "model": self._rules.model,
            "dropped": [{**one, "record": str(one["record"])} for one in dropped],
        }


def _reason(reason: str | None, *, needed: bool = True) -> str | None:
    said = (reason or "").strip()
    if needed and not said:
        raise Invalid("give a reason", remedy="say why, in a sentence")
    if len(said) > limits.TEXT_CHARS:
        raise TooLarge(f"the reason has {len(said)} characters", remedy=f"at most {limits.TEXT_CHARS}")
    return said or None

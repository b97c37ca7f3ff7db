"""All tables and all SQL of block data: subjects, records, the marks by which records are found, links, questions."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from cityheart.entities.models import Link, Record, Review, Subject
from cityheart.kernel import events
from cityheart.kernel.schema import Json, UtcDateTime, metadata

__all__ = [
    "Connection",
    "Stored",
    "add_apart",
    "add_dropped",
    "add_keys",
    "add_rebuild",
    "add_records",
    "add_reviews",
    "add_subjects",
    "all_apart",
    "all_subjects",
    "apart_of",
    "asked_rebuild",
    "called_same",
    "candidates",
    "change_marks",
    "change_reasons",
    "change_record",
    "count_records",
    "count_subjects",
    "dropped",
    "end_links",
    "end_rebuild",
    "find_review",
    "forget_apart",
    "forget_keys",
    "give_way",
    "history",
    "known_records",
    "latest_change",
    "links_of",
    "listed",
    "marked",
    "members",
    "merge_apart",
    "merge_subject",
    "merged_into",
    "models",
    "move_records",
    "names_after",
    "neighbours",
    "overtake",
    "owners_of",
    "positions",
    "put_links",
    "rebuilds",
    "records_among",
    "records_by_ids",
    "records_of",
    "renew_reviews",
    "reviews",
    "reviews_of",
    "set_position",
    "settle",
    "sites_of",
    "stamp",
    "stored",
    "subjects_by_ids",
    "update_subjects",
]

Connection = sa.Connection

_Big = sa.BigInteger()

subject_table = sa.Table(
    "entities_subject",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("name", sa.Text, nullable=True),
    sa.Column("lon", sa.Float, nullable=True),
    sa.Column("lat", sa.Float, nullable=True),
    sa.Column("since", UtcDateTime, nullable=True),
    sa.Column("until", UtcDateTime, nullable=True),
    sa.Column("into", sa.String(40), nullable=True),
    sa.Column("unique", Json, nullable=False),
    sa.Column("name_rank", sa.Integer, nullable=False),
    sa.Column("place_rank", sa.Integer, nullable=False),
    sa.Column("made_at", UtcDateTime, nullable=False),
    sa.Index("ix_entities_subject_kind_id", "kind", "id"),
    sa.Index("ix_entities_subject_into", "into"),
)

record_table = sa.Table(
    "entities_record",
    metadata,
    sa.Column("id", _Big, primary_key=True, autoincrement=False),  # the hash of dataset, role and key
    sa.Column("dataset", sa.String(80), nullable=False),
    sa.Column("role", sa.String(40), nullable=False),
    sa.Column("columns", Json, nullable=False),
    sa.Column("key", Json, nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("subject", sa.String(40), nullable=False),
    sa.Column("name", sa.Text, nullable=True),
    sa.Column("former", sa.Text, nullable=True),
    sa.Column("address", sa.Text, nullable=True),
    sa.Column("lon", sa.Float, nullable=True),
    sa.Column("lat", sa.Float, nullable=True),
    sa.Column("since", UtcDateTime, nullable=True),
    sa.Column("until", UtcDateTime, nullable=True),
    sa.Column("identifiers", Json, nullable=False),
    sa.Column("of", _Big, nullable=True),  # the record it belongs to: a site's firm
    sa.Column("digest", _Big, nullable=False),
    sa.Column("marks", sa.LargeBinary, nullable=False),  # numbers it is compared by
    sa.Column("stem", sa.Text, nullable=False),
    sa.Column("rule", sa.String(60), nullable=False),
    sa.Column("score", sa.Float, nullable=True),
    sa.Column("beside", _Big, nullable=True),
    sa.Column("evidence", sa.Text, nullable=False),
    sa.Column("model", sa.String(60), nullable=False),
    sa.Column("joined_at", UtcDateTime, nullable=False),
    sa.Column("joined_by", sa.String(120), nullable=False),
    sa.Column("known_at", UtcDateTime, nullable=False),
    sa.Column("change", _Big, nullable=False),  # grows with every change; by it the index of names catches up
    sa.Index("ix_entities_record_subject", "subject"),
    sa.Index("ix_entities_record_change", "change"),
    sa.Index("ix_entities_record_of", "of"),
    sa.Index("ix_entities_record_kind", "kind"),
)

key_table = sa.Table(
    "entities_key",
    metadata,
    sa.Column("hash", _Big, primary_key=True, autoincrement=False),
    sa.Column("record", _Big, primary_key=True, autoincrement=False),
    sa.Index("ix_entities_key_record", "record"),
    sqlite_with_rowid=False,
)

link_table = sa.Table(
    "entities_link",
    metadata,
    sa.Column("a", _Big, primary_key=True, autoincrement=False),
    sa.Column("b", _Big, primary_key=True, autoincrement=False),
    sa.Column("relation", sa.String(40), primary_key=True),
    sa.Column("dataset", sa.String(80), nullable=False),
    sa.Column("since", UtcDateTime, nullable=True),
    sa.Column("until", UtcDateTime, nullable=True),
    sa.Index("ix_entities_link_b", "b"),
)

review_table = sa.Table(
    "entities_review",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("a", _Big, nullable=False),
    sa.Column("b", _Big, nullable=False),
    sa.Column("department", sa.String(80), nullable=False),
    sa.Column("score", sa.Float, nullable=False),
    sa.Column("evidence", sa.Text, nullable=False),
    sa.Column("model", sa.String(60), nullable=False),
    sa.Column("state", sa.String(12), nullable=False),
    sa.Column("raised_at", UtcDateTime, nullable=False),
    sa.Column("decided_by", sa.String(120), nullable=True),
    sa.Column("decided_at", UtcDateTime, nullable=True),
    sa.Column("reason", sa.Text, nullable=True),
    sa.Index("ix_entities_review_state_department", "state", "department"),
    sa.Index("ix_entities_review_a", "a"),
    sa.Index("ix_entities_review_b", "b"),
)

apart_table = sa.Table(
    "entities_apart",
    metadata,
    sa.Column("a", sa.String(40), primary_key=True),
    sa.Column("b", sa.String(40), primary_key=True),  # a < b
    sa.Column("by", sa.String(120), nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("reason", sa.Text, nullable=True),
    sa.Index("ix_entities_apart_b", "b"),
)

position_table = sa.Table(
    "entities_position",
    metadata,
    sa.Column("dataset", sa.String(80), primary_key=True),
    sa.Column("version", _Big, nullable=False),
    sa.Column("declared", sa.String(64), nullable=False),  # digest of what was declared of it
)

dropped_table = sa.Table(
    "entities_dropped",
    metadata,
    sa.Column("kind", sa.String(16), primary_key=True),
    sa.Column("mark", sa.String(40), primary_key=True),
    sa.Column("record", _Big, primary_key=True, autoincrement=False),
    sa.Column("size", sa.Integer, nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
)

rebuild_table = sa.Table(
    "entities_rebuild",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("state", sa.String(12), nullable=False),  # asked, done
    sa.Column("model", sa.String(60), nullable=False),
    sa.Column("by", sa.String(120), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("asked_at", UtcDateTime, nullable=False),
    sa.Column("done_at", UtcDateTime, nullable=True),
    sa.Column("done", Json, nullable=True),  # what changed, by kind
    sa.Index("ix_entities_rebuild_state", "state"),
)

_TOGETHER = 500  # values named in one statement
_S, _R, _K, _L, _V, _A = (
    subject_table.c, record_table.c, key_table.c, link_table.c, review_table.c, apart_table.c,
)  # fmt: skip
_SUBJECT = tuple(_S[name] for name in Subject.__dataclass_fields__)
_RECORD = tuple(_R[name] for name in Record.__dataclass_fields__)
_REVIEW = tuple(_V[name] for name in Review.__dataclass_fields__)


def _some(values: Collection[Any]) -> Iterator[list[Any]]:
    listed = list(values)
    for start in range(0, len(listed), _TOGETHER):
        yield listed[start : start + _TOGETHER]


def _insert(conn: sa.Connection, table: sa.Table) -> Any:
    return (sqlite if conn.dialect.name == "sqlite" else postgresql).insert(table)


# ── where the lake was read up to ──────────────────────────────────────────────────────────────────────────────────


def positions(conn: sa.Connection) -> dict[str, tuple[int, str]]:
    """The lake version of each dataset up to which it was followed, and the digest of what was declared then."""
    return {row.dataset: (row.version, row.declared) for row in conn.execute(sa.select(position_table))}


def set_position(conn: sa.Connection, dataset: str, version: int, declared: str) -> None:
    """Note that a dataset was followed up to a version."""
    values = {"dataset": dataset, "version": version, "declared": declared}
    statement = _insert(conn, position_table).values(values)
    conn.execute(statement.on_conflict_do_update(index_elements=["dataset"], set_=values))


# ── records ────────────────────────────────────────────────────────────────────────────────────────────────────────


def known_records(
    conn: sa.Connection, ids: Collection[int], kind: str, *, all_above: int = 5_000
) -> dict[int, tuple[int, str]]:
    """Of these records those that are there: ``(digest, subject)``. Very many are found by reading all of the kind."""
    statement = sa.select(_R.id, _R.digest, _R.subject)
    if len(ids) > all_above:
        wanted = set(ids)
        rows = conn.execute(statement.where(_R.kind == kind))
        return {row[0]: (row[1], row[2]) for row in rows if row[0] in wanted}
    found: dict[int, tuple[int, str]] = {}
    for some in _some(ids):
        found.update({row[0]: (row[1], row[2]) for row in conn.execute(statement.where(_R.id.in_(some)))})
    return found


def candidates(conn: sa.Connection, hashes: Collection[int], cap: int) -> tuple[list[int], list[tuple[int, int]]]:
    """Records that share one of these marks, and the marks shared by more than ``cap``, with how many share them."""
    found: set[int] = set()
    large: list[tuple[int, int]] = []
    for some in _some(hashes):
        by_hash: dict[int, list[int]] = {}
        for row in conn.execute(sa.select(_K.hash, _K.record).where(_K.hash.in_(some))):
            by_hash.setdefault(row[0], []).append(row[1])
        for mark, records in by_hash.items():
            if len(records) > cap:
                large.append((mark, len(records)))
            else:
                found.update(records)
    return sorted(found), large


def marked(
    conn: sa.Connection, kind: str, ids: Collection[int] | None
) -> list[tuple[int, str, bytes, str, float | None, float | None]]:
    """``(id, subject, marks, stem, lon, lat)`` of these records, ``None``: of all of the kind."""
    statement = sa.select(_R.id, _R.subject, _R.marks, _R.stem, _R.lon, _R.lat)
    if ids is None:
        return [tuple(row) for row in conn.execute(statement.where(_R.kind == kind).order_by(_R.id))]
    found: list[Any] = []
    for some in _some(ids):
        found.extend(tuple(row) for row in conn.execute(statement.where(_R.id.in_(some))))
    return sorted(found)


def members(conn: sa.Connection, subjects: Collection[str]) -> list[int]:
    """The records of these subjects."""
    found: list[int] = []
    for some in _some(subjects):
        found.extend(conn.execute(sa.select(_R.id).where(_R.subject.in_(some))).scalars())
    return sorted(found)


def add_records(conn: sa.Connection, rows: Sequence[Mapping[str, object]]) -> None:
    """Store records that are new."""
    if rows:
        conn.execute(record_table.insert(), list(rows))


def change_record(conn: sa.Connection, id: int, values: Mapping[str, object]) -> None:
    """Change what a record says."""
    conn.execute(record_table.update().where(_R.id == id).values(**values))


def move_records(conn: sa.Connection, ids: Collection[int], subject: str, change: int) -> None:
    """Records go to another subject."""
    for some in _some(ids):
        conn.execute(record_table.update().where(_R.id.in_(some)).values(subject=subject, change=change))


def add_keys(conn: sa.Connection, pairs: Sequence[tuple[int, int]]) -> None:
    """Store marks ``(hash, record)``; those there already stay."""
    if not pairs:
        return
    if conn.dialect.name == "sqlite":  # a dozen marks a record: handed to the driver as they are
        conn.exec_driver_sql("INSERT OR IGNORE INTO entities_key (hash, record) VALUES (?, ?)", list(pairs))
        return
    several = "INSERT INTO entities_key (hash, record) SELECT * FROM unnest(:hashes, :records) ON CONFLICT DO NOTHING"
    bound = [sa.bindparam(name, type_=postgresql.ARRAY(_Big)) for name in ("hashes", "records")]
    columns = {"hashes": [pair[0] for pair in pairs], "records": [pair[1] for pair in pairs]}
    conn.execute(sa.text(several).bindparams(*bound), columns)


def forget_keys(conn: sa.Connection, records: Collection[int]) -> None:
    """Remove the marks of records that changed."""
    for some in _some(records):
        conn.execute(key_table.delete().where(_K.record.in_(some)))


def records_by_ids(conn: sa.Connection, ids: Collection[int]) -> dict[int, Record]:
    """These records whole."""
    found: dict[int, Record] = {}
    for some in _some(ids):
        rows = conn.execute(sa.select(*_RECORD).where(_R.id.in_(some)))
        found.update({row[0]: Record(*row) for row in rows})
    return found


def records_of(conn: sa.Connection, subject: str, limit: int) -> list[Record]:
    """The records of a subject, the oldest known first."""
    statement = sa.select(*_RECORD).where(_R.subject == subject).order_by(_R.known_at, _R.id).limit(limit)
    return [Record(*row) for row in conn.execute(statement)]


def sites_of(conn: sa.Connection, subjects: Collection[str]) -> list[int]:
    """Records that belong to these subjects."""
    owner = record_table.alias("owner")
    found: list[int] = []
    for some in _some(subjects):
        joined = sa.select(_R.id).join(owner, owner.c.id == _R.of).where(owner.c.subject.in_(some))
        found.extend(conn.execute(joined).scalars())
    return sorted(found)


def owners_of(conn: sa.Connection, records: Collection[int]) -> dict[int, str]:
    """The subject to which each of these records belongs, where it belongs to one."""
    owner = record_table.alias("owner")
    found: dict[int, str] = {}
    for some in _some(records):
        joined = sa.select(_R.id, owner.c.subject).join(owner, owner.c.id == _R.of).where(_R.id.in_(some))
        found.update({row[0]: row[1] for row in conn.execute(joined)})
    return found


def latest_change(conn: sa.Connection) -> int:
    """The number of the newest change of a record, 0 before there is any."""
    return conn.execute(sa.select(sa.func.max(_R.change))).scalar() or 0


def names_after(
    conn: sa.Connection, change: int
) -> Sequence[tuple[int, int, str, str, str | None, str | None, Mapping[str, str]]]:
    """``(change, id, kind, dataset, name, former, identifiers)`` of records that changed after that."""
    statement = (
        sa.select(_R.change, _R.id, _R.kind, _R.dataset, _R.name, _R.former, _R.identifiers)
        .where(_R.change > change)
        .order_by(_R.change, _R.id)
    )
    return [tuple(row) for row in conn.execute(statement)]


# ── subjects ───────────────────────────────────────────────────────────────────────────────────────────────────────


def add_subjects(conn: sa.Connection, subjects: Sequence[Subject]) -> None:
    """Store subjects that are new."""
    if subjects:
        conn.execute(subject_table.insert(), [_plain(one) for one in subjects])


def update_subjects(conn: sa.Connection, subjects: Sequence[Subject]) -> None:
    """Store what changed about subjects."""
    if not subjects:
        return
    names = [name for name in Subject.__dataclass_fields__ if name != "id"]
    statement = (
        subject_table.update()
        .where(_S.id == sa.bindparam("of_id"))
        .values({name: sa.bindparam(f"new_{name}") for name in names})
    )
    conn.execute(
        statement, [{"of_id": one.id, **{f"new_{name}": getattr(one, name) for name in names}} for one in subjects]
    )


def subjects_by_ids(conn: sa.Connection, ids: Collection[str]) -> dict[str, Subject]:
    """These subjects."""
    found: dict[str, Subject] = {}
    for some in _some(ids):
        rows = conn.execute(sa.select(*_SUBJECT).where(_S.id.in_(some)))
        found.update({row[0]: Subject(*row) for row in rows})
    return found


def all_subjects(conn: sa.Connection, kind: str) -> dict[str, Subject]:
    """Every subject of a kind that was not merged away."""
    rows = conn.execute(sa.select(*_SUBJECT).where(_S.kind == kind, _S.into.is_(None)))
    return {row[0]: Subject(*row) for row in rows}


def merge_subject(conn: sa.Connection, id: str, into: str, change: int) -> None:
    """A subject's records go into another one, which takes its place; so do those merged into it before."""
    conn.execute(record_table.update().where(_R.subject == id).values(subject=into, change=change))
    conn.execute(subject_table.update().where(sa.or_(_S.id == id, _S.into == id)).values(into=into))


def count_subjects(conn: sa.Connection) -> dict[str, int]:
    """How many subjects there are of each kind."""
    statement = sa.select(_S.kind, sa.func.count()).where(_S.into.is_(None)).group_by(_S.kind).order_by(_S.kind)
    return {row[0]: row[1] for row in conn.execute(statement)}


def listed(
    conn: sa.Connection, *, kind: str | None, datasets: Collection[str], after: str | None, limit: int
) -> tuple[list[str], int]:
    """Subjects that these datasets speak of, by id, and how many there are."""
    where: list[sa.ColumnElement[bool]] = [_R.dataset.in_(sorted(datasets))]
    if kind is not None:
        where.append(_R.kind == kind)
    total = conn.execute(sa.select(sa.func.count(_R.subject.distinct())).where(*where)).scalar() or 0
    if after is not None:
        where.append(_R.subject > after)
    statement = sa.select(_R.subject).where(*where).group_by(_R.subject).order_by(_R.subject).limit(limit)
    return list(conn.execute(statement).scalars()), total


def records_among(conn: sa.Connection, subjects: Collection[str], datasets: Collection[str]) -> dict[str, list[Record]]:
    """The records of these subjects that are of these datasets."""
    found: dict[str, list[Record]] = {}
    for some in _some(subjects):
        statement = sa.select(*_RECORD).where(_R.subject.in_(some), _R.dataset.in_(sorted(datasets)))
        for row in conn.execute(statement.order_by(_R.known_at, _R.id)):
            record = Record(*row)
            found.setdefault(record.subject, []).append(record)
    return found


def merged_into(conn: sa.Connection, subject: str) -> list[str]:
    """The subjects that were merged into this one."""
    return list(conn.execute(sa.select(_S.id).where(_S.into == subject).order_by(_S.id)).scalars())


def history(conn: sa.Connection, subject: str, types: Collection[str]) -> list[events.Event]:
    """What happened to a subject by rules and people."""
    return events.read(conn, stream=f"subject:{subject}", types=types, limit=200)


# ── held apart ─────────────────────────────────────────────────────────────────────────────────────────────────────


def add_apart(conn: sa.Connection, a: str, b: str, by: str, at: datetime, reason: str | None) -> None:
    """Two subjects stay two, whatever rules find."""
    low, high = sorted((a, b))
    values = {"a": low, "b": high, "by": by, "at": at, "reason": reason}
    conn.execute(_insert(conn, apart_table).values(values).on_conflict_do_nothing())


def apart_of(conn: sa.Connection, subjects: Collection[str]) -> list[tuple[str, str]]:
    """Pairs that are held apart, one of them at least among these."""
    found: set[tuple[str, str]] = set()
    for some in _some(subjects):
        rows = conn.execute(sa.select(_A.a, _A.b).where(sa.or_(_A.a.in_(some), _A.b.in_(some))))
        found.update((row[0], row[1]) for row in rows)
    return sorted(found)


def all_apart(conn: sa.Connection) -> list[tuple[str, str]]:
    """Every pair that is held apart."""
    return sorted((row[0], row[1]) for row in conn.execute(sa.select(_A.a, _A.b)))


def forget_apart(conn: sa.Connection, a: str, b: str) -> None:
    """Two subjects are no longer held apart."""
    conn.execute(apart_table.delete().where(_A.a == a, _A.b == b))


def merge_apart(conn: sa.Connection, id: str, into: str) -> None:
    """What was held apart from a subject stays apart from the one that takes its place."""
    rows = conn.execute(sa.select(apart_table).where(sa.or_(_A.a == id, _A.b == id))).all()
    for row in rows:
        other = row.b if row.a == id else row.a
        conn.execute(apart_table.delete().where(_A.a == row.a, _A.b == row.b))
        if other != into:
            add_apart(conn, into, other, row.by, row.at, row.reason)


# ── links ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def put_links(conn: sa.Connection, links: Sequence[Link], *, widening: bool) -> None:
    """Store ties; of one that is there the time grows with what was seen, or is what the rows say now."""
    if not links:
        return
    statement = _insert(conn, link_table)
    new = statement.excluded
    earlier = sa.case((sa.or_(_L.since.is_(None), new.since < _L.since), new.since), else_=_L.since)
    later = sa.case((sa.or_(_L.until.is_(None), new.until > _L.until), new.until), else_=_L.until)
    values = {"since": earlier, "until": later} if widening else {"since": new.since, "until": new.until}
    statement = statement.on_conflict_do_update(index_elements=["a", "b", "relation"], set_=values)
    conn.execute(statement, [_plain(one) for one in links])


def end_links(conn: sa.Connection, links: Sequence[Link], at: datetime) -> None:
    """Of what these rows speak of, other ties that they spoke of before are over."""
    said = {(one.a, one.b, one.relation) for one in links}
    for relation in sorted({one.relation for one in links}):
        for some in _some({one.a for one in links if one.relation == relation}):
            statement = sa.select(_L.a, _L.b).where(_L.a.in_(some), _L.relation == relation, _L.until.is_(None))
            for row in conn.execute(statement).all():
                if (row.a, row.b, relation) not in said:
                    over = link_table.update().where(_L.a == row.a, _L.b == row.b, _L.relation == relation)
                    conn.execute(over.values(until=at))


def links_of(conn: sa.Connection, records: Collection[int], limit: int) -> list[Link]:
    """Ties of these records, at either end, the newest first."""
    found: list[Link] = []
    for some in _some(records):
        statement = (
            sa.select(_L.dataset, _L.relation, _L.a, _L.b, _L.since, _L.until)
            .where(sa.or_(_L.a.in_(some), _L.b.in_(some)))
            .order_by(_L.since.desc(), _L.a, _L.b)
            .limit(limit)
        )
        found.extend(Link(*row) for row in conn.execute(statement))
    return found[:limit]


def neighbours(conn: sa.Connection, records: Collection[int]) -> dict[int, str]:
    """The subject of each of these records."""
    found: dict[int, str] = {}
    for some in _some(records):
        found.update({row[0]: row[1] for row in conn.execute(sa.select(_R.id, _R.subject).where(_R.id.in_(some)))})
    return found


# ── questions ──────────────────────────────────────────────────────────────────────────────────────────────────────


def add_reviews(conn: sa.Connection, found: Sequence[Review]) -> int:
    """Store questions; one that was asked before is not asked again. How many are new."""
    if not found:
        return 0
    before = conn.execute(sa.select(sa.func.count()).select_from(review_table)).scalar() or 0
    conn.execute(_insert(conn, review_table).on_conflict_do_nothing(), [_plain(one) for one in found])
    return (conn.execute(sa.select(sa.func.count()).select_from(review_table)).scalar() or 0) - before


def find_review(conn: sa.Connection, id: str) -> Review | None:
    """One question."""
    row = conn.execute(sa.select(*_REVIEW).where(_V.id == id)).one_or_none()
    return None if row is None else Review(*row)


def reviews(
    conn: sa.Connection,
    *,
    departments: Collection[str] | None,
    state: str | None,
    kind: str | None,
    after: Review | None,
    limit: int,
) -> tuple[list[Review], int]:
    """Questions, the likeliest first, and how many there are."""
    where: list[sa.ColumnElement[bool]] = []
    if departments is not None:
        where.append(_V.department.in_(sorted(departments)))
    if state is not None:
        where.append(_V.state == state)
    if kind is not None:
        where.append(_V.kind == kind)
    total = conn.execute(sa.select(sa.func.count()).select_from(review_table).where(*where)).scalar() or 0
    if after is not None:
        where.append(sa.or_(_V.score < after.score, sa.and_(_V.score == after.score, _V.id > after.id)))
    statement = sa.select(*_REVIEW).where(*where).order_by(_V.score.desc(), _V.id).limit(limit)
    return [Review(*row) for row in conn.execute(statement)], total


def reviews_of(conn: sa.Connection, records: Collection[int], limit: int) -> list[Review]:
    """Open questions about these records."""
    found: dict[str, Review] = {}
    for some in _some(records):
        statement = sa.select(*_REVIEW).where(
            _V.state == "open", sa.or_(_V.a.in_(some), _V.b.in_(some))
        )  # fmt: skip
        found.update({row[0]: Review(*row) for row in conn.execute(statement.limit(limit))})
    return sorted(found.values(), key=lambda one: (-one.score, one.id))


def settle(conn: sa.Connection, id: str, state: str, by: str, at: datetime, reason: str | None) -> None:
    """A question was decided."""
    values = {"state": state, "decided_by": by, "decided_at": at, "reason": reason}
    conn.execute(review_table.update().where(_V.id == id).values(**values))


def overtake(conn: sa.Connection, at: datetime) -> None:
    """Close open questions about records that are of one subject by now."""
    one, other = record_table.alias("one"), record_table.alias("other")
    answered = (
        sa.select(_V.id)
        .join(one, one.c.id == _V.a)
        .join(other, other.c.id == _V.b)
        .where(_V.state == "open", one.c.subject == other.c.subject)
    )
    ids = list(conn.execute(answered).scalars())
    for some in _some(ids):
        conn.execute(review_table.update().where(_V.id.in_(some)).values(state="overtaken", decided_at=at))


# ── marks that found nobody ────────────────────────────────────────────────────────────────────────────────────────


def add_dropped(conn: sa.Connection, kind: str, found: Sequence[tuple[str, int, int]], at: datetime) -> None:
    """Note marks ``(name, size, record)`` that too many records share."""
    for name, size, record in found:
        values = {"kind": kind, "mark": name, "record": record, "size": size, "at": at}
        statement = _insert(conn, dropped_table).values(values)
        changed = {"size": size, "at": at}
        conn.execute(statement.on_conflict_do_update(index_elements=["kind", "mark", "record"], set_=changed))


def dropped(conn: sa.Connection, limit: int) -> list[dict[str, object]]:
    """Marks that too many records share, the largest first."""
    table = dropped_table.c
    statement = (
        sa.select(table.kind, table.mark, table.size, table.record, table.at)
        .order_by(table.size.desc(), table.kind, table.mark, table.record)
        .limit(limit)
    )
    return [dict(row._mapping) for row in conn.execute(statement)]


# ── all anew under other rules ─────────────────────────────────────────────────────────────────────────────────────


class Stored(NamedTuple):
    """What a record is grouped by again."""

    id: int
    subject: str
    marks: bytes
    stem: str
    name: str | None
    former: str | None
    address: str | None
    lon: float | None
    lat: float | None
    identifiers: Mapping[str, str]
    of: int | None
    rule: str
    model: str


def stored(conn: sa.Connection, kind: str) -> list[Stored]:
    """All records of a kind, by id."""
    columns = [_R[name] for name in Stored._fields]
    return [Stored(*row) for row in conn.execute(sa.select(*columns).where(_R.kind == kind).order_by(_R.id))]


def count_records(conn: sa.Connection) -> dict[str, int]:
    """How many records there are of each kind."""
    rows = conn.execute(sa.select(_R.kind, sa.func.count()).group_by(_R.kind).order_by(_R.kind))
    return {row[0]: row[1] for row in rows}


def called_same(conn: sa.Connection, kind: str) -> list[tuple[int, int]]:
    """Pairs of records of which a person said that they are the same."""
    rows = conn.execute(sa.select(_V.a, _V.b).where(_V.kind == kind, _V.state == "same").order_by(_V.id))
    return [(row[0], row[1]) for row in rows]


def stamp(conn: sa.Connection) -> tuple[int, int]:
    """What changes with every record that changes and everything that people decide."""
    return latest_change(conn), conn.execute(sa.select(sa.func.count()).select_from(apart_table)).scalar() or 0


def give_way(conn: sa.Connection, id: str, into: str) -> None:
    """A subject, and those merged into it before, answer as another one from now on."""
    conn.execute(subject_table.update().where(sa.or_(_S.id == id, _S.into == id)).values(into=into))


def change_marks(conn: sa.Connection, rows: Sequence[Mapping[str, object]]) -> None:
    """Other marks of records: ``of_id new_marks new_stem``."""
    _change(conn, rows, ("marks", "stem"))


def change_reasons(conn: sa.Connection, rows: Sequence[Mapping[str, object]]) -> None:
    """Other reasons why records are where they are: ``of_id`` and ``new_`` with each part of the reason."""
    _change(conn, rows, ("rule", "score", "beside", "evidence", "model", "joined_at", "joined_by"))


def _change(conn: sa.Connection, rows: Sequence[Mapping[str, object]], names: Sequence[str]) -> None:
    if rows:
        values: dict[str, Any] = {name: sa.bindparam(f"new_{name}") for name in names}
        conn.execute(record_table.update().where(_R.id == sa.bindparam("of_id")).values(values), list(rows))


def renew_reviews(conn: sa.Connection, kind: str, found: Sequence[Review], at: datetime) -> None:
    """The questions of a kind are these; open ones that are no longer asked are closed, decided ones stay decided."""
    asked = {one.id for one in found}
    open = conn.execute(sa.select(_V.id).where(_V.kind == kind, _V.state == "open")).scalars().all()
    for some in _some([id for id in open if id not in asked]):
        conn.execute(review_table.update().where(_V.id.in_(some)).values(state="overtaken", decided_at=at))
    still = set(open)
    again = [
        {"of_id": one.id, "new_score": one.score, "new_evidence": one.evidence, "new_model": one.model}
        for one in found
        if one.id in still
    ]
    if again:
        values: dict[str, Any] = {name: sa.bindparam(f"new_{name}") for name in ("score", "evidence", "model")}
        conn.execute(review_table.update().where(_V.id == sa.bindparam("of_id")).values(values), again)
    add_reviews(conn, found)


def models(conn: sa.Connection) -> list[tuple[str, int]]:
    """The versions of rules that records stand where they are by, with how many, the most first."""
    statement = sa.select(_R.model, sa.func.count()).where(_R.rule != "person").group_by(_R.model)
    return sorted(((row[0], row[1]) for row in conn.execute(statement)), key=lambda one: (-one[1], one[0]))


def add_rebuild(conn: sa.Connection, values: Mapping[str, object]) -> None:
    """Note that subjects are to be made anew."""
    conn.execute(rebuild_table.insert().values(**values))


def asked_rebuild(conn: sa.Connection) -> Mapping[str, Any] | None:
    """The rebuild that was asked for and is not done."""
    row = conn.execute(sa.select(rebuild_table).where(rebuild_table.c.state == "asked").limit(1)).one_or_none()
    return None if row is None else dict(row._mapping)


def end_rebuild(conn: sa.Connection, id: str, model: str, at: datetime, done: Mapping[str, object]) -> None:
    """A rebuild is done."""
    values = {"state": "done", "model": model, "done_at": at, "done": dict(done)}
    conn.execute(rebuild_table.update().where(rebuild_table.c.id == id).values(**values))


def rebuilds(conn: sa.Connection, limit: int) -> list[dict[str, object]]:
    """Rebuilds, the newest first."""
    table = rebuild_table
    rows = conn.execute(sa.select(table).order_by(table.c.asked_at.desc(), table.c.id).limit(limit))
    return [dict(row._mapping) for row in rows]


def _plain(one: Subject | Link | Review) -> dict[str, object]:
    return {name: getattr(one, name) for name in one.__dataclass_fields__}

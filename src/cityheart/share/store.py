"""All SQL of sharing: the catalogue, sources and their state, deliveries, quarantine, drift."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from cityheart.kernel.database import Json, UtcDateTime, metadata
from cityheart.kernel.text import Text
from cityheart.share.models import Dataset, Department, Source

__all__ = [
    "Chosen",
    "DeliveryRow",
    "FlowRow",
    "QuarantineRow",
    "SourceRow",
    "add_deliveries",
    "add_drift",
    "add_quarantine",
    "catalogue",
    "count_bad_deliveries",
    "count_deliveries",
    "count_flow",
    "count_open",
    "count_quarantine",
    "cursor_of",
    "dataset_state",
    "delivered_stamps",
    "deliveries_by_id",
    "deliveries_page",
    "departments",
    "discard_unacknowledged",
    "drift_of",
    "flow_by_minute",
    "flow_by_source",
    "flow_of",
    "forget_delivery",
    "forget_flow",
    "lock_dataset",
    "lock_source",
    "put_dataset",
    "put_department",
    "put_source",
    "quarantine",
    "quarantine_beside",
    "quarantine_for_replay",
    "quarantine_groups",
    "quarantine_rows",
    "recount_open",
    "set_cursor",
    "set_dataset_state",
    "set_quarantine_state",
    "set_source",
    "source_rows",
    "standings",
]

department_table = sa.Table(
    "share_department",
    metadata,
    sa.Column("code", sa.String(80), primary_key=True),
    sa.Column("title", Json, nullable=False),
    sa.Column("kind", sa.String(40), nullable=False),
    sa.Column("parent", sa.String(80), nullable=True),
    sa.Column("level", sa.String(16), nullable=False, server_default="city"),
)

dataset_table = sa.Table(
    "share_dataset",
    metadata,
    sa.Column("name", sa.String(80), primary_key=True),
    sa.Column("owner", sa.String(80), nullable=False),
    sa.Column("contract", Json, nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("registered_at", UtcDateTime, nullable=False),
    # the newest lake version whose deliveries are all on record; the lake being ahead means a crash in between
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("extra", Json, nullable=False),  # kept columns nobody declared
)

source_table = sa.Table(
    "share_source",
    metadata,
    sa.Column("id", sa.String(80), primary_key=True),
    sa.Column("department", sa.String(80), nullable=False),
    sa.Column("title", Json, nullable=False),
    sa.Column("connector", sa.String(40), nullable=False),
    sa.Column("options", Json, nullable=False),
    sa.Column("dataset", sa.String(80), nullable=False),
    sa.Column("schedule", sa.String(40), nullable=True),
    sa.Column("state", sa.String(16), nullable=False),  # ok, failing, refused, idle; "late" follows from the clock
    sa.Column("reason", Json, nullable=True),
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("next_try_at", UtcDateTime, nullable=True),
    sa.Column("last_delivery_at", UtcDateTime, nullable=True),
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Column("quarantined", sa.BigInteger, nullable=False),
    sa.Column("deliveries", sa.BigInteger, nullable=False),
    sa.Column("quality", Json, nullable=False),
    sa.Column("open", sa.BigInteger, nullable=True),  # entries in quarantine that are open; NULL: not counted yet
)

cursor_table = sa.Table(
    "share_cursor",
    metadata,
    sa.Column("source", sa.String(80), primary_key=True),
    sa.Column("cursor", Json, nullable=False),
)

_BAD = sa.text("(quarantined > 0 OR state = 'refused')")  # something of the delivery, or all of it, is in quarantine

delivery_table = sa.Table(
    "share_delivery",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("source", sa.String(80), nullable=False),
    sa.Column("dataset", sa.String(80), nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("stamp", sa.String(80), nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("bytes", sa.BigInteger, nullable=False),
    sa.Column("received_at", UtcDateTime, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),  # landed, refused, unacknowledged
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Column("quarantined", sa.BigInteger, nullable=False),
    sa.Column("reasons", Json, nullable=False),
    sa.Column("reason", Json, nullable=True),
    sa.Column("version", sa.BigInteger, nullable=True),
    sa.Index("ix_share_delivery_source_received_at", "source", "received_at", "id"),
    sa.Index("ix_share_delivery_source_name", "source", "name"),
    sa.Index(
        "ix_share_delivery_bad",
        "source",
        "received_at",
        "id",
        sqlite_where=_BAD,
        postgresql_where=_BAD,
    ),
)

# What a source delivered, by minute (kept for two days) and by hour: rates are read here, never from the deliveries.
flow_table = sa.Table(
    "share_flow",
    metadata,
    sa.Column("source", sa.String(80), primary_key=True),
    sa.Column("size", sa.SmallInteger, primary_key=True, autoincrement=False),  # seconds of the bucket: 60 or 3600
    # when it begins, by the city's clock, in seconds since 1970: thousands are read for one answer
    sa.Column("bucket", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("deliveries", sa.BigInteger, nullable=False),
    sa.Column("rows", sa.BigInteger, nullable=False),  # landed
    sa.Column("bad", sa.BigInteger, nullable=False),  # put into quarantine; a delivery refused as a whole is one
    sa.Column("bytes", sa.BigInteger, nullable=False),
)

quarantine_table = sa.Table(
    "share_quarantine",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("source", sa.String(80), nullable=False),
    sa.Column("dataset", sa.String(80), nullable=False),
    sa.Column("delivery", sa.String(40), nullable=False),
    sa.Column("name", sa.Text, nullable=False),  # of the delivery
    sa.Column("member", sa.Text, nullable=True),  # the file within an archive, the sheet of a workbook
    sa.Column("row", sa.BigInteger, nullable=False),  # 0: the delivery as a whole
    sa.Column("code", sa.String(40), nullable=False),
    sa.Column("field", sa.String(120), nullable=True),
    sa.Column("message", Json, nullable=False),
    sa.Column(
        "form", sa.String(12), nullable=False
    ),  # record (JSON by source column), line (bytes), delivery (the file)
    sa.Column("raw", sa.LargeBinary, nullable=False),
    sa.Column("complete", sa.Boolean, nullable=False),  # whether `raw` holds all its bytes
    sa.Column("received_at", UtcDateTime, nullable=False),
    sa.Column("state", sa.String(12), nullable=False),  # open, replayed, dismissed
    sa.Column("closed_at", UtcDateTime, nullable=True),
    sa.Column("closed_by", sa.String(120), nullable=True),
    sa.Index("ix_share_quarantine_source_state_code", "source", "state", "code"),
    sa.Index("ix_share_quarantine_state_received_at", "state", "received_at", "id"),
    sa.Index("ix_share_quarantine_delivery_row", "delivery", "row", "id"),
    sa.Index("ix_share_quarantine_source_state", "source", "state", "delivery", "row", "id"),
)

drift_table = sa.Table(
    "share_drift",
    metadata,
    sa.Column("source", sa.String(80), primary_key=True),
    sa.Column("column", sa.String(200), primary_key=True),
    sa.Column("name", sa.String(220), nullable=False),
    sa.Column("first_seen_at", UtcDateTime, nullable=False),
)


@dataclass(frozen=True, slots=True)
class SourceRow:
    """A source as the store has it."""

    source: Source
    state: str
    reason: Text | None
    failures: int
    next_try_at: datetime | None
    last_delivery_at: datetime | None
    rows: int
    quarantined: int
    deliveries: int
    quality: Mapping[str, object]
    open: int | None = None


@dataclass(frozen=True, slots=True)
class FlowRow:
    """What a source delivered within the `size` seconds that begin at `bucket`, in seconds since 1970."""

    source: str
    size: int
    bucket: int
    deliveries: int
    rows: int
    bad: int
    bytes: int


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """A delivery on record."""

    id: str
    source: str
    dataset: str
    name: str
    stamp: str
    sha256: str
    bytes: int
    received_at: datetime
    state: str
    rows: int
    quarantined: int
    reasons: Mapping[str, int]
    reason: Text | None
    version: int | None


@dataclass(frozen=True, slots=True)
class QuarantineRow:
    """A row, a line or a whole delivery that broke its contract."""

    id: str
    source: str
    dataset: str
    delivery: str
    name: str
    member: str | None
    row: int
    code: str
    field: str | None
    message: Text
    form: str
    raw: bytes
    complete: bool
    received_at: datetime
    state: str = "open"
    closed_at: datetime | None = None
    closed_by: str | None = None


# ── catalogue ──────────────────────────────────────────────────────────────────────────────────────────────────────


def catalogue(conn: sa.Connection) -> tuple[list[Department], list[Dataset], list[Source]]:
    """Everything registered, by code, name and id."""
    from cityheart.share.contracts import Contract  # not for departments alone: it brings what reads columns

    datasets = [
        Dataset.of(Contract.parse(row.contract, where=f"contract of {row.name}"))
        for row in conn.execute(sa.select(dataset_table).order_by(dataset_table.c.name))
    ]
    return departments(conn), datasets, [row.source for row in source_rows(conn)]


def departments(conn: sa.Connection) -> list[Department]:
    """The departments, by code."""
    rows = conn.execute(sa.select(department_table).order_by(department_table.c.code))
    return [Department(row.code, row.title, row.kind, row.parent, row.level) for row in rows]


def put_department(conn: sa.Connection, department: Department) -> None:
    """Add or change a department."""
    values: dict[str, object] = {
        "title": department.title, "kind": department.kind, "parent": department.parent, "level": department.level,
    }  # fmt: skip
    _put(conn, department_table, {"code": department.code}, values, {})


def put_dataset(conn: sa.Connection, dataset: Dataset, version: int, now: datetime) -> bool:
    """Add a dataset or change its contract; whether anything changed."""
    present = conn.execute(sa.select(dataset_table.c.digest).where(dataset_table.c.name == dataset.name)).scalar()
    if present == dataset.contract.digest:
        return False
    values = {
        "owner": dataset.owner,
        "contract": dict(dataset.contract.document),
        "digest": dataset.contract.digest,
        "registered_at": now,
    }
    _put(conn, dataset_table, {"name": dataset.name}, values, {"version": version, "extra": []})
    return True


def put_source(conn: sa.Connection, source: Source) -> bool:
    """Add a source or change its declaration; its state stays. Whether anything changed."""
    values: dict[str, object] = {
        "department": source.department,
        "title": source.title,
        "connector": source.connector,
        "options": dict(source.options),
        "dataset": source.dataset,
        "schedule": source.schedule,
    }
    fresh: dict[str, object] = {
        "state": "idle",
        "failures": 0,
        "rows": 0,
        "quarantined": 0,
        "deliveries": 0,
        "quality": {},
        "open": 0,
    }
    return _put(conn, source_table, {"id": source.id}, values, fresh)


def _put(
    conn: sa.Connection,
    table: sa.Table,
    key: Mapping[str, object],
    values: Mapping[str, object],
    fresh: Mapping[str, object],
) -> bool:
    where = sa.and_(*(table.c[name] == value for name, value in key.items()))
    present = conn.execute(sa.select(*(table.c[name] for name in values)).where(where)).one_or_none()
    if present is None:
        conn.execute(table.insert().values(**key, **values, **fresh))
        return True
    if dict(present._mapping) == dict(values):
        return False
    conn.execute(table.update().where(where).values(**values))
    return True


def lock_dataset(conn: sa.Connection, name: str) -> tuple[int, list[str]]:
    """The recorded lake version and the kept columns of a dataset, held until the transaction ends."""
    row = conn.execute(
        sa.select(dataset_table.c.version, dataset_table.c.extra).where(dataset_table.c.name == name).with_for_update()
    ).one()
    return row.version, list(row.extra)


def dataset_state(conn: sa.Connection, name: str) -> tuple[int, list[str]]:
    """The recorded lake version and the kept columns of a dataset."""
    row = conn.execute(
        sa.select(dataset_table.c.version, dataset_table.c.extra).where(dataset_table.c.name == name)
    ).one()
    return row.version, list(row.extra)


def set_dataset_state(conn: sa.Connection, name: str, version: int, extra: Sequence[str]) -> None:
    """Record the lake version whose deliveries are all on record."""
    conn.execute(dataset_table.update().where(dataset_table.c.name == name).values(version=version, extra=list(extra)))


# ── sources ────────────────────────────────────────────────────────────────────────────────────────────────────────


def source_rows(conn: sa.Connection, *, ids: Collection[str] | None = None) -> list[SourceRow]:
    """Sources with their state, by id."""
    statement = sa.select(source_table).order_by(source_table.c.id)
    if ids is not None:
        statement = statement.where(source_table.c.id.in_(ids))
    return [_source(row) for row in conn.execute(statement)]


def lock_source(conn: sa.Connection, id: str) -> SourceRow:
    """A source, held until the transaction ends."""
    return _source(conn.execute(sa.select(source_table).where(source_table.c.id == id).with_for_update()).one())


def _source(row: sa.Row[tuple[object, ...]]) -> SourceRow:
    source = Source(row.id, row.department, row.title, row.connector, row.options, row.dataset, row.schedule)
    return SourceRow(
        source,
        row.state,
        row.reason,
        row.failures,
        row.next_try_at,
        row.last_delivery_at,
        row.rows,
        row.quarantined,
        row.deliveries,
        row.quality,
        row.open,
    )


def standings(conn: sa.Connection, sources: Collection[Source]) -> list[SourceRow]:
    """How these sources stand, by id; without their quality, which is large, and what they are is known."""
    known = {each.id: each for each in sources}
    names = (
        "id", "state", "reason", "failures", "next_try_at", "last_delivery_at", "rows", "quarantined", "deliveries", "open",
    )  # fmt: skip
    columns = source_table.c
    statement = sa.select(*(columns[name] for name in names)).where(columns.id.in_(known)).order_by(columns.id)
    return [
        SourceRow(known[row[0]], row[1], row[2], row[3], row[4], row[5], row[6], row[7], row[8], {}, row[9])
        for row in conn.execute(statement)
    ]


def set_source(conn: sa.Connection, id: str, values: Mapping[str, object]) -> None:
    """Change a source's state columns."""
    conn.execute(source_table.update().where(source_table.c.id == id).values(**values))


def cursor_of(conn: sa.Connection, source: str) -> dict[str, object]:
    """Where the connector of a source had got to; empty at the beginning."""
    cursor = conn.execute(sa.select(cursor_table.c.cursor).where(cursor_table.c.source == source)).scalar()
    return dict(cursor) if cursor else {}


def set_cursor(conn: sa.Connection, source: str, cursor: Mapping[str, object]) -> None:
    """Move a source's cursor on, in the transaction that landed what it had passed."""
    _put(conn, cursor_table, {"source": source}, {"cursor": dict(cursor)}, {})


def add_drift(conn: sa.Connection, source: str, columns: Mapping[str, str], now: datetime) -> list[str]:
    """Note undeclared columns (name in the source → name in the lake); returns those not seen before."""
    seen = set(conn.execute(sa.select(drift_table.c.column).where(drift_table.c.source == source)).scalars())
    new = [column for column in columns if column[:200] not in seen]
    if new:
        conn.execute(
            drift_table.insert(),
            [
                {"source": source, "column": column[:200], "name": columns[column], "first_seen_at": now}
                for column in new
            ],
        )
    return new


def drift_of(conn: sa.Connection, sources: Collection[str]) -> dict[str, list[dict[str, object]]]:
    """Undeclared columns by source, in the order they were first seen."""
    found: dict[str, list[dict[str, object]]] = {}
    statement = (
        sa.select(drift_table)
        .where(drift_table.c.source.in_(sources))
        .order_by(drift_table.c.source, drift_table.c.first_seen_at, drift_table.c.column)
    )
    for row in conn.execute(statement):
        found.setdefault(row.source, []).append({"column": row.column, "first_seen_at": row.first_seen_at})
    return found


# ── deliveries ─────────────────────────────────────────────────────────────────────────────────────────────────────


def deliveries_by_id(conn: sa.Connection, ids: Sequence[str]) -> dict[str, DeliveryRow]:
    """Those of the deliveries that are on record."""
    found: dict[str, DeliveryRow] = {}
    for start in range(0, len(ids), 500):
        statement = sa.select(delivery_table).where(delivery_table.c.id.in_(ids[start : start + 500]))
        found.update({row.id: DeliveryRow(*row) for row in conn.execute(statement)})
    return found


def add_deliveries(conn: sa.Connection, rows: Sequence[DeliveryRow]) -> None:
    """Put deliveries on record."""
    if rows:
        conn.execute(delivery_table.insert(), [_values(row) for row in rows])


def discard_unacknowledged(conn: sa.Connection, ids: Sequence[str]) -> None:
    """Take back the notes about deliveries that are being put on record now."""
    for start in range(0, len(ids), 500):
        conn.execute(
            delivery_table.delete().where(
                delivery_table.c.id.in_(ids[start : start + 500]), delivery_table.c.state == "unacknowledged"
            )
        )


def forget_delivery(conn: sa.Connection, id: str) -> None:
    """Remove a refused delivery and its entry: a replay that failed again leaves only the first refusal."""
    conn.execute(delivery_table.delete().where(delivery_table.c.id == id, delivery_table.c.state == "refused"))
    conn.execute(
        quarantine_table.delete().where(quarantine_table.c.delivery == id, quarantine_table.c.form == "delivery")
    )


def deliveries_page(
    conn: sa.Connection, source: str, limit: int, *, bad: bool = False, after: str | None = None
) -> list[DeliveryRow]:
    """Deliveries of a source, the newest first; `after` is the id of the last one of the page before.

    `bad`: only those of which something is in quarantine.
    """
    columns = delivery_table.c
    statement = sa.select(delivery_table).where(columns.source == source)
    if bad:
        statement = statement.where(_BAD)
    if after is not None:
        last = conn.execute(sa.select(columns.received_at, columns.id).where(columns.id == after)).one_or_none()
        if last is None:
            return []
        place = sa.tuple_(sa.literal(last.received_at, UtcDateTime), sa.literal(last.id, sa.String))
        statement = statement.where(sa.tuple_(columns.received_at, columns.id) < place)
    statement = statement.order_by(columns.received_at.desc(), columns.id.desc()).limit(limit)
    return [DeliveryRow(*row) for row in conn.execute(statement)]


def count_bad_deliveries(conn: sa.Connection, source: str) -> int:
    """How many deliveries of a source have something in quarantine."""
    statement = sa.select(sa.func.count()).select_from(delivery_table).where(delivery_table.c.source == source)
    return int(conn.execute(statement.where(_BAD)).scalar_one())


def count_deliveries(conn: sa.Connection, source: str) -> dict[str, int]:
    """How many deliveries of a source are in which state."""
    statement = (
        sa.select(delivery_table.c.state, sa.func.count())
        .where(delivery_table.c.source == source)
        .group_by(delivery_table.c.state)
    )
    return {row[0]: row[1] for row in conn.execute(statement)}


def delivered_stamps(conn: sa.Connection, source: str, names: Sequence[str]) -> set[tuple[str, str]]:
    """Of deliveries of these names, the (name, stamp) pairs that were taken or refused already."""
    found: set[tuple[str, str]] = set()
    for start in range(0, len(names), 500):
        statement = sa.select(delivery_table.c.name, delivery_table.c.stamp).where(
            delivery_table.c.source == source,
            delivery_table.c.name.in_(names[start : start + 500]),
            delivery_table.c.state != "unacknowledged",
        )
        found.update((name, stamp) for name, stamp in conn.execute(statement))
    return found


# ── flow ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _counting(insert: Any) -> Any:
    columns = flow_table.c
    added = {name: columns[name] + insert.excluded[name] for name in ("deliveries", "rows", "bad", "bytes")}
    return insert.on_conflict_do_update(index_elements=["source", "size", "bucket"], set_=added)


_COUNT_FLOW = {
    "sqlite": _counting(sqlite.insert(flow_table)),
    "postgresql": _counting(postgresql.insert(flow_table)),
}


def count_flow(conn: sa.Connection, rows: Sequence[FlowRow]) -> None:
    """Count what was delivered into its minutes and hours, in one statement."""
    if rows:
        conn.execute(_COUNT_FLOW[conn.dialect.name], [_values(row) for row in rows])


def forget_flow(conn: sa.Connection, source: str, size: int, before: int) -> None:
    """Drop the counts of a source from before a moment."""
    columns = flow_table.c
    conn.execute(flow_table.delete().where(columns.source == source, columns.size == size, columns.bucket < before))


def _flowed(sources: Collection[str], size: int, since: int, until: int) -> sa.ColumnElement[bool]:
    columns = flow_table.c
    return sa.and_(columns.source.in_(sources), columns.size == size, columns.bucket >= since, columns.bucket < until)


def flow_of(
    conn: sa.Connection, sources: Collection[str], size: int, since: int, until: int
) -> Sequence[tuple[str, int, int, int, int, int]]:
    """Source, bucket, rows, bad, bytes, deliveries of the buckets that begin within [since, until)."""
    columns = flow_table.c
    wanted = (columns.source, columns.bucket, columns.rows, columns.bad, columns.bytes, columns.deliveries)
    found = conn.execute(sa.select(*wanted).where(_flowed(sources, size, since, until))).all()
    return cast("Sequence[tuple[str, int, int, int, int, int]]", found)


def flow_by_source(
    conn: sa.Connection, sources: Collection[str], since: int, last: int
) -> dict[str, tuple[int, int, int, int]]:
    """By source, over the minutes from `since` to `last`: rows, bad rows, rows of the last minute and of that before."""
    columns = flow_table.c
    here = sa.func.sum(sa.case((columns.bucket == last, columns.rows), else_=0))
    before = sa.func.sum(sa.case((columns.bucket == last - 60, columns.rows), else_=0))
    statement = (
        sa.select(columns.source, sa.func.sum(columns.rows), sa.func.sum(columns.bad), here, before)
        .where(_flowed(sources, 60, since, last + 60))
        .group_by(columns.source)
    )
    return {row[0]: (int(row[1]), int(row[2]), int(row[3]), int(row[4])) for row in conn.execute(statement)}


def flow_by_minute(conn: sa.Connection, sources: Collection[str], since: int, last: int) -> dict[int, tuple[int, int]]:
    """Rows and bad rows of all these sources together, by minute from `since` to `last`."""
    columns = flow_table.c
    statement = (
        sa.select(columns.bucket, sa.func.sum(columns.rows), sa.func.sum(columns.bad))
        .where(_flowed(sources, 60, since, last + 60))
        .group_by(columns.bucket)
    )
    return {row[0]: (int(row[1]), int(row[2])) for row in conn.execute(statement)}


# ── quarantine ─────────────────────────────────────────────────────────────────────────────────────────────────────


def add_quarantine(conn: sa.Connection, rows: Sequence[QuarantineRow]) -> int:
    """Put rows into quarantine; one that is there already stays as it is. How many are new."""
    if not rows:
        return 0
    present: set[str] = set()
    ids = [row.id for row in rows]
    for start in range(0, len(ids), 500):
        statement = sa.select(quarantine_table.c.id).where(quarantine_table.c.id.in_(ids[start : start + 500]))
        present.update(conn.execute(statement).scalars())
    fresh = [_values(row) for row in rows if row.id not in present]
    for start in range(0, len(fresh), 1_000):
        conn.execute(quarantine_table.insert(), fresh[start : start + 1_000])
    return len(fresh)


def count_open(conn: sa.Connection, sources: Collection[str]) -> dict[str, int]:
    """Open entries by source, counted; sources without any are left out."""
    columns = quarantine_table.c
    statement = (
        sa.select(columns.source, sa.func.count())
        .where(columns.source.in_(sources), columns.state == "open")
        .group_by(columns.source)
    )
    return {row[0]: row[1] for row in conn.execute(statement)}


def recount_open(conn: sa.Connection, source: str) -> None:
    """Note at a source how many of its entries are open now; holds the source until the transaction ends."""
    conn.execute(sa.select(source_table.c.id).where(source_table.c.id == source).with_for_update())
    open = count_open(conn, [source]).get(source, 0)
    conn.execute(source_table.update().where(source_table.c.id == source).values(open=open))


def quarantine_beside(conn: sa.Connection, entry: QuarantineRow, state: str) -> tuple[str | None, str | None]:
    """The ids of the entries in this state before and after one, within its delivery."""
    columns = quarantine_table.c
    place = sa.tuple_(columns.row, columns.id)
    here = sa.tuple_(sa.literal(entry.row), sa.literal(entry.id))
    among = sa.select(columns.id).where(columns.delivery == entry.delivery, columns.state == state).limit(1)
    before = among.where(place < here).order_by(columns.row.desc(), columns.id.desc())
    after = among.where(place > here).order_by(columns.row, columns.id)
    return conn.execute(before).scalar(), conn.execute(after).scalar()


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which entries of quarantine; None: all. `departments` limits what may be seen."""

    departments: Collection[str] | None = None
    source: str | None = None
    code: str | None = None
    state: str | None = None
    delivery: str | None = None
    field: str | None = None

    def of(self, statement: sa.Select[Any]) -> sa.Select[Any]:
        """The statement for these only."""
        columns = quarantine_table.c
        if self.departments is not None:
            owned = sa.select(source_table.c.id).where(source_table.c.department.in_(self.departments))
            statement = statement.where(columns.source.in_(owned))
        for column in (columns.source, columns.delivery, columns.code, columns.state, columns.field):
            value = getattr(self, column.name)
            if value is not None:
                statement = statement.where(column == value)
        return statement


def quarantine(conn: sa.Connection, chosen: Chosen, *, after: str | None, limit: int) -> list[QuarantineRow]:
    """Entries delivery by delivery, those of one by row; `after` is the id of the last one of the page before.

    The order of deliveries is stable but not of time.
    """
    columns = quarantine_table.c
    place = sa.tuple_(columns.delivery, columns.row, columns.id)
    statement = chosen.of(sa.select(quarantine_table))
    if after is not None:
        last = sa.select(columns.delivery, columns.row, columns.id).where(columns.id == after)
        found = conn.execute(last).one_or_none()
        if found is None:
            return []
        statement = statement.where(place > sa.tuple_(*found))
    statement = statement.order_by(columns.delivery, columns.row, columns.id).limit(limit)
    return [QuarantineRow(*row) for row in conn.execute(statement)]


def count_quarantine(conn: sa.Connection, chosen: Chosen) -> dict[str, int]:
    """How many entries there are by code."""
    code = quarantine_table.c.code
    counted = conn.execute(chosen.of(sa.select(code, sa.func.count())).group_by(code).order_by(code))
    return {row[0]: row[1] for row in counted}


def quarantine_groups(conn: sa.Connection, chosen: Chosen) -> list[tuple[str, str, str | None, int]]:
    """How many entries there are by source, code and field."""
    by = (quarantine_table.c.source, quarantine_table.c.code, quarantine_table.c.field)
    counted = conn.execute(chosen.of(sa.select(*by, sa.func.count())).group_by(*by).order_by(*by))
    return [(row[0], row[1], row[2], row[3]) for row in counted]


def quarantine_for_replay(
    conn: sa.Connection, chosen: Chosen, without: Collection[str], after: QuarantineRow | None, limit: int
) -> list[QuarantineRow]:
    """Entries whose bytes were kept in full, in the order they came; none of the codes in `without`."""
    columns = quarantine_table.c
    statement = chosen.of(sa.select(quarantine_table)).where(columns.complete)
    if without:
        statement = statement.where(columns.code.not_in(without))
    place = (
        columns.received_at, columns.delivery, sa.func.coalesce(columns.member, ""), columns.row, columns.id,
    )  # fmt: skip
    if after is not None:
        last = (
            sa.literal(after.received_at, UtcDateTime), after.delivery, after.member or "", after.row, after.id,
        )  # fmt: skip
        statement = statement.where(sa.tuple_(*place) > sa.tuple_(*last))
    return [QuarantineRow(*row) for row in conn.execute(statement.order_by(*place).limit(limit))]


def quarantine_rows(conn: sa.Connection, ids: Sequence[str]) -> list[QuarantineRow]:
    """Entries by id."""
    columns = quarantine_table.c
    found: list[QuarantineRow] = []
    wanted = sorted(set(ids))
    for start in range(0, len(wanted), 500):
        statement = sa.select(quarantine_table).where(columns.id.in_(wanted[start : start + 500])).order_by(columns.id)
        found += [QuarantineRow(*row) for row in conn.execute(statement)]
    return found


def set_quarantine_state(conn: sa.Connection, ids: Sequence[str], state: str, by: str, now: datetime) -> None:
    """Close entries."""
    for start in range(0, len(ids), 500):
        conn.execute(
            quarantine_table.update()
            .where(quarantine_table.c.id.in_(ids[start : start + 500]))
            .values(state=state, closed_at=now, closed_by=by)
        )


def _values(row: DeliveryRow | FlowRow | QuarantineRow) -> dict[str, object]:
    return {name: cast("object", getattr(row, name)) for name in row.__slots__}

"""The event log: append-only, hash-chained, with subscriptions that survive a restart.

Every stream (``run:…``, ``alert:…``, ``source:…``) is a chain of its own, so that writers of different matters never
wait for each other; from time to time a *seal* event binds all events since the last seal, so that a whole stream
cannot vanish unseen either. See docs/adr/0003.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from cityheart.kernel import limits
from cityheart.kernel.actors import Actor
from cityheart.kernel.errors import TooLarge
from cityheart.kernel.schema import Json, Spelled, UtcDateTime, canonical, metadata
from cityheart.kernel.statements import Statement

if TYPE_CHECKING:
    from cityheart.kernel.database import Database, Work

__all__ = [
    "Break",
    "Event",
    "Subscription",
    "append",
    "append_all",
    "begin",
    "check",
    "deliver",
    "fingerprint",
    "last",
    "latest",
    "of_row",
    "read",
    "read_all",
    "scan",
    "seal",
    "verify",
]

GENESIS = "0" * 64
SEAL_STREAM = "seal"

event_table = sa.Table(
    "event",
    metadata,
    sa.Column("seq", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("stream", sa.String(120), nullable=False),
    sa.Column("n", sa.Integer, nullable=False),
    sa.Column("type", sa.String(80), nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("actor", sa.String(120), nullable=False),
    sa.Column("data", Json, nullable=False),
    sa.Column("prev", sa.String(64), nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
    sa.Column("tx", sa.BigInteger, nullable=True),  # PostgreSQL: the writing transaction, by which older programs read
    sa.UniqueConstraint("stream", "n"),
    sa.Index("ix_event_type_seq", "type", "seq"),
    sqlite_autoincrement=True,
)

subscription_table = sa.Table(
    "subscription",
    metadata,
    sa.Column("name", sa.String(80), primary_key=True),
    sa.Column("position", sa.BigInteger, nullable=False),
    sa.Column("updated_at", UtcDateTime, nullable=False),
)


# built once: statements of the hottest path
_INSERT = {
    "sqlite": event_table.insert(),
    "postgresql": event_table.insert().values(tx=sa.text("pg_current_xact_id()::text::bigint")),
}
_APPEND = {dialect: Statement(insert.returning(event_table.c.seq)) for dialect, insert in _INSERT.items()}
_APPEND_ALL = {dialect: Statement(insert.inline()) for dialect, insert in _INSERT.items()}
_HEAD = Statement(
    sa.select(event_table.c.n, event_table.c.hash)
    .where(event_table.c.stream == sa.bindparam("of"))
    .order_by(event_table.c.n.desc())
    .limit(1)
)

# on PostgreSQL: the ticket of a transaction that draws numbers, a shared lock named by how far they were drawn before
_TICKETS = 0x43  # the upper bits of its name, apart from those of other locks; 40 lower ones hold the number
_TICKET = sa.text(
    "select pg_advisory_xact_lock_shared(:names + coalesce(pg_sequence_last_value('event_seq_seq'), 0))"
).bindparams(names=_TICKETS << 40)
_UPTO = sa.text(  # tickets are looked at after the numbers, so their condition names what was found of these
    """
    with drawn as materialized (select coalesce(pg_sequence_last_value('event_seq_seq'), 0) as upto)
    select least(upto, (
        select min(((classid::bigint << 32) | objid::bigint) - :names) from pg_locks
        where locktype = 'advisory' and objsubid = 1 and classid::bigint >> 8 = :kind and upto >= 0
        and database = (select oid from pg_database where datname = current_database())
    )) from drawn
    """
).bindparams(kind=_TICKETS, names=_TICKETS << 40)
_SETTLED: list[sa.ColumnElement[bool]] = [event_table.c.seq <= sa.bindparam("settled", type_=sa.BigInteger)]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened. ``seq`` orders the whole log, ``n`` the stream; ``hash`` covers all but ``seq``."""

    seq: int
    stream: str
    n: int
    type: str
    at: datetime
    actor: str
    data: dict[str, object]
    prev: str
    hash: str

    @property
    def id(self) -> str:
        """``stream#n``: unique, and readable."""
        return f"{self.stream}#{self.n}"

    def json(self) -> dict[str, object]:
        """As the API and the live channel show it."""
        return {
            "seq": self.seq,
            "id": self.id,
            "type": self.type,
            "stream": self.stream,
            "at": self.at,
            "actor": self.actor,
            "data": self.data,
        }


@dataclass(frozen=True, slots=True)
class Break:
    """A place where the log is not what was written."""

    stream: str
    n: int
    what: str


def fingerprint(stream: str, n: int, type: str, at: datetime, actor: str, data: object, prev: str) -> str:
    """The hash of an event: over all it says and the hash of the one before it in its stream."""
    return _fingerprint(stream, n, type, at, actor, canonical(data), prev)


def _fingerprint(stream: str, n: int, type: str, at: datetime, actor: str, written: str, prev: str) -> str:
    """The same over data that is spelled already: that of the list of all of it, in canonical JSON."""
    head = canonical([stream, n, type, at, actor])
    return hashlib.sha256(f"{head[:-1]},{written},{canonical(prev)}]".encode()).hexdigest()


def begin(work: Work, stream: str) -> None:
    """Take ``stream`` for one that begins in the caller's transaction, which has just made what it is about."""
    work.stream_heads.setdefault(stream, (0, GENESIS))


def append(work: Work, stream: str, type: str, data: Mapping[str, object]) -> Event:
    """Append to ``stream`` in the caller's transaction. Raises :class:`TooLarge` past ``limits.EVENT_BYTES``."""
    values = _next(work, stream, type, data)
    seq: int = _APPEND[work.database.dialect].value(work.conn, values)
    work.appended += 1
    return Event(seq=seq, **values)


def append_all(work: Work, stream: str, happened: Iterable[tuple[str, Mapping[str, object]]]) -> None:
    """Append several ``(type, data)`` to one stream, in their order, with one statement."""
    values = [_next(work, stream, type, data) for type, data in happened]
    if values:
        _APPEND_ALL[work.database.dialect].run_all(work.conn, values)
        work.appended += len(values)


def _next(work: Work, stream: str, type: str, data: Mapping[str, object]) -> dict[str, Any]:
    """The row of the next event of ``stream``."""
    if not work.appended and work.database.dialect == "postgresql":
        work.conn.execute(_TICKET)
    encoded = canonical(data)
    if len(encoded) > limits.EVENT_BYTES:
        raise TooLarge(
            f"event {type} holds {len(encoded)} bytes", remedy="keep large content in a file, its hash in the event"
        )
    plain: dict[str, object] = json.loads(encoded)
    written = canonical(plain)  # keys that were no texts may have come in another order
    n, prev = _head(work, stream)
    digest = _fingerprint(stream, n + 1, type, work.now, work.actor.id, written, prev)
    work.stream_heads[stream] = (n + 1, digest)
    row: dict[str, Any] = {"stream": stream, "n": n + 1, "type": type, "at": work.now, "actor": work.actor.id}
    return row | {"data": Spelled(plain, written), "prev": prev, "hash": digest}


def _head(work: Work, stream: str) -> tuple[int, str]:
    known = work.stream_heads.get(stream)
    if known is not None:
        return known
    if work.database.dialect == "postgresql":
        work.conn.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext("stream " + stream))))
    row = _HEAD.one(work.conn, {"of": stream})
    return (0, GENESIS) if row is None else (row.n, row.hash)


def _settled(conn: sa.Connection) -> tuple[list[sa.ColumnElement[bool]], dict[str, object]]:
    """Only what no running transaction can still precede: a reader by ``seq`` then misses nothing.

    On PostgreSQL a transaction draws its numbers before others that are committed first. Before its first it takes a
    ticket, a lock that says how far the numbers were drawn by then. Whoever reads looks first how far they are drawn, then
    at the tickets, and then, in a later snapshot, at what is committed up to the lower of both: whoever drew one of these
    numbers either still holds a ticket below it or is over.
    """
    if conn.dialect.name != "postgresql":
        return [], {}
    return _SETTLED, {"settled": conn.execute(_UPTO).scalar_one()}


def read(
    conn: sa.Connection,
    *,
    after: int = 0,
    types: Collection[str] | None = None,
    stream: str | None = None,
    limit: int = limits.EVENTS_READ,
) -> list[Event]:
    """Events with ``seq > after`` in order, at most ``limit``.

    Without ``stream`` only settled events are given, so that a reader who remembers the last ``seq`` misses none.
    """
    values: dict[str, object] = {"after": after, "most": limit}
    if stream is not None:
        values["of"] = stream
    if types is not None:
        values["types"] = sorted(types)
    settled: list[sa.ColumnElement[bool]] = []
    if stream is None:
        settled, more = _settled(conn)
        values |= more
    statement = _reading(bool(settled), stream is not None, types is not None)
    return [of_row(row) for row in conn.execute(statement, values)]


@cache
def _reading(settled: bool, of_stream: bool, of_types: bool) -> sa.Select[tuple[object, ...]]:
    table = event_table
    statement = sa.select(table).where(table.c.seq > sa.bindparam("after")).order_by(table.c.seq)
    if of_stream:
        statement = statement.where(table.c.stream == sa.bindparam("of"))
    if settled:
        statement = statement.where(*_SETTLED)
    if of_types:
        statement = statement.where(table.c.type.in_(sa.bindparam("types", expanding=True)))
    return statement.limit(sa.bindparam("most"))


def read_all(conn: sa.Connection, stream: str, upto: int) -> list[Event]:
    """Every event of one stream with ``seq <= upto``, in order."""
    table = event_table
    rows = conn.execute(sa.select(table).where(table.c.stream == stream, table.c.seq <= upto).order_by(table.c.n))
    return [of_row(row) for row in rows]


def scan(
    conn: sa.Connection, after: int, types: Collection[str], limit: int
) -> Sequence[tuple[int, str, str, dict[str, Any]]]:
    """``(seq, type, actor, data)`` of settled events with ``seq > after``, in order, at most ``limit``.

    What :func:`read` gives, without what a reader of very many events has no use for.
    """
    _, settled = _settled(conn)
    values = {"after": after, "most": limit, "types": sorted(types), **settled}
    rows: Sequence[Any] = conn.execute(_scanning(conn.dialect.name), values).all()
    if conn.dialect.name != "sqlite":
        return rows
    # texts of one page are read as one list: half the time of one by one
    decoded = json.loads(f"[{','.join([row[3] for row in rows])}]")
    return [(row[0], row[1], row[2], data) for row, data in zip(rows, decoded, strict=True)]


@cache
def _scanning(dialect: str) -> sa.Select[tuple[object, ...]]:
    table = event_table
    data = table.c.data if dialect != "sqlite" else sa.type_coerce(table.c.data, sa.Text)
    return (
        sa.select(table.c.seq, table.c.type, table.c.actor, data)
        .where(table.c.seq > sa.bindparam("after"), table.c.type.in_(sa.bindparam("types", expanding=True)))
        .where(*(_SETTLED if dialect == "postgresql" else ()))
        .order_by(table.c.seq)
        .limit(sa.bindparam("most"))
    )


def last(conn: sa.Connection) -> int:
    """The newest settled ``seq``, 0 when the log is empty."""
    where, values = _settled(conn)
    return conn.execute(sa.select(sa.func.max(event_table.c.seq)).where(*where), values).scalar() or 0


def latest(conn: sa.Connection) -> datetime | None:
    """The time of the newest event, ``None`` when the log is empty."""
    return conn.execute(sa.select(event_table.c.at).order_by(event_table.c.seq.desc()).limit(1)).scalar()


def of_row(row: sa.Row[tuple[object, ...]]) -> Event:
    """A row of the log as an event."""
    return Event(row.seq, row.stream, row.n, row.type, row.at, row.actor, row.data, row.prev, row.hash)


# ── subscriptions ──────────────────────────────────────────────────────────────────────────────────────────────


_POSITION = sa.select(subscription_table.c.position).where(subscription_table.c.name == sa.bindparam("of"))


@dataclass(frozen=True, slots=True)
class Subscription:
    """A named reader of the log: ``handle`` runs in the transaction that moves the position on."""

    name: str
    types: frozenset[str]
    handle: Callable[[Work, Event], None]


def deliver(database: Database, subscription: Subscription, limit: int = limits.SUBSCRIPTION_BATCH) -> int:
    """Hand the next events to ``subscription``; returns how many. Each is handled exactly once inside the database."""
    with database.read() as conn:
        position = conn.execute(_POSITION, {"of": subscription.name}).scalar()
        if not read(conn, after=position or 0, types=subscription.types, limit=1):
            return 0
    with database.work(Actor.system(subscription.name)) as work:
        table = subscription_table
        if position is None:
            insert = (sqlite if database.dialect == "sqlite" else postgresql).insert(table).on_conflict_do_nothing()
            work.conn.execute(insert, {"name": subscription.name, "position": 0, "updated_at": work.now})
        position = work.conn.execute(_POSITION.with_for_update(), {"of": subscription.name}).scalar_one()
        found = read(work.conn, after=position, types=subscription.types, limit=limit)
        for event in found:
            subscription.handle(work, event)
        if found:
            moved = table.update().where(table.c.name == subscription.name)
            work.conn.execute(moved.values(position=found[-1].seq, updated_at=work.now))
        return len(found)


# ── proof ──────────────────────────────────────────────────────────────────────────────────────────────────────


def seal(work: Work) -> Event | None:
    """Bind every event since the last seal into one hash; ``None`` when nothing has happened since."""
    since = _last_seal(work.conn)
    where, values = _settled(work.conn)
    rows = work.conn.execute(
        sa.select(event_table.c.seq, event_table.c.hash)
        .where(event_table.c.seq > since, event_table.c.stream != SEAL_STREAM, *where)
        .order_by(event_table.c.seq),
        values,
    ).all()
    if not rows:
        return None
    return append(
        work,
        SEAL_STREAM,
        "log.sealed",
        {"after": since, "upto": rows[-1].seq, "count": len(rows), "root": _root(r.hash for r in rows)},
    )


def _last_seal(conn: sa.Connection) -> int:
    row = conn.execute(
        sa.select(event_table.c.data)
        .where(event_table.c.stream == SEAL_STREAM)
        .order_by(event_table.c.n.desc())
        .limit(1)
    ).one_or_none()
    return 0 if row is None else int(row.data["upto"])


def _root(hashes: Iterable[str]) -> str:
    running = hashlib.sha256()
    for digest in hashes:
        running.update(digest.encode())
    return running.hexdigest()


def verify(conn: sa.Connection, streams: Collection[str] | None = None) -> list[Break]:
    """Recompute every chain and every seal; an empty list means the log is what was written.

    With ``streams`` only their chains, without the seals.
    """
    breaks: list[Break] = []
    heads: dict[str, tuple[int, str]] = {}
    statement = sa.select(event_table).order_by(event_table.c.stream, event_table.c.n)
    if streams is not None:
        statement = statement.where(event_table.c.stream.in_(sorted(streams)))
    for row in conn.execution_options(yield_per=5_000).execute(statement):
        n, prev = heads.get(row.stream, (0, GENESIS))
        if row.n != n + 1:
            breaks.append(Break(row.stream, row.n, f"event {n + 1} is missing"))
        elif row.prev != prev:
            breaks.append(Break(row.stream, row.n, "does not follow the event before it"))
        if fingerprint(row.stream, row.n, row.type, row.at, row.actor, row.data, row.prev) != row.hash:
            breaks.append(Break(row.stream, row.n, "content was changed"))
        heads[row.stream] = (row.n, row.hash)
    return breaks if streams is not None else [*breaks, *_verify_seals(conn)]


def check(conn: sa.Connection, streams: Collection[str]) -> tuple[int, list[Break]]:
    """How many events these streams have, and what is wrong with their chains."""
    count = sa.select(sa.func.count()).where(event_table.c.stream.in_(sorted(streams)))
    return conn.execute(count).scalar_one(), verify(conn, streams)


def _verify_seals(conn: sa.Connection) -> list[Break]:
    breaks = []
    table = event_table
    for row in conn.execute(sa.select(table).where(table.c.stream == SEAL_STREAM).order_by(table.c.n)).all():
        hashes = conn.execute(
            sa.select(table.c.hash)
            .where(table.c.seq > row.data["after"], table.c.seq <= row.data["upto"], table.c.stream != SEAL_STREAM)
            .order_by(table.c.seq)
        ).scalars()
        if _root(hashes) != row.data["root"]:
            breaks.append(Break(SEAL_STREAM, row.n, "the sealed events are not the ones in the log"))
    return breaks

"""The operational store: one unit of work is one transaction that writes state, events and outbox rows together.

SQLite (WAL, ``synchronous=FULL``) or PostgreSQL by URL; the same code and the same tests run on both.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from datetime import datetime
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from cityheart.kernel import events, outbox
from cityheart.kernel.actors import Actor
from cityheart.kernel.clock import Clock, StoreClock, SystemClock
from cityheart.kernel.errors import Conflict, Invalid, Unavailable
from cityheart.kernel.events import Event
from cityheart.kernel.ids import Ids
from cityheart.kernel.schema import Json, Spelled, UtcDateTime, canonical, metadata, spelling
from cityheart.kernel.statements import Statement, savepoint

__all__ = ["Database", "Json", "UtcDateTime", "Work", "metadata"]

command_table = sa.Table(
    "command",
    metadata,
    sa.Column("id", sa.String(80), primary_key=True),
    sa.Column("actor", sa.String(120), nullable=False),
    sa.Column("verb", sa.String(80), nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("result", Json, nullable=True),
    sa.Column("at", UtcDateTime, nullable=False),
)


_COMMAND = Statement(
    sa.select(command_table.c.digest, command_table.c.result).where(command_table.c.id == sa.bindparam("of"))
)
_REMEMBER = Statement(command_table.insert())
_TIME = sa.select(sa.func.clock_timestamp())
_ALONE = sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext(sa.bindparam("of"))), sa.func.clock_timestamp())
_UNDONE = {"40001", "40P01"}  # PostgreSQL undid the transaction for the sake of another; it may be tried again
_TRIES = 3
_SQLITE_CANNOT = {  # its disk is full, broken, gone or not to be written; or another program holds the file
    sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_NOTADB,
}  # fmt: skip
_POSTGRES_CANNOT = {"53", "57", "58"}  # no room or memory; it is being shut down; its disk


class Work:
    """One transaction in progress: its connection, who acts, and the moment it stands for."""

    def __init__(self, database: Database, conn: sa.Connection, actor: Actor, now: datetime) -> None:
        self.database = database
        self.conn = conn
        self.actor = actor
        self.now = now
        self.ids = database.ids
        self.stream_heads: dict[str, tuple[int, str]] = {}
        self.posted = 0  # messages put into the outbox
        self.appended = 0  # events

    def emit(self, stream: str, type: str, data: Mapping[str, object]) -> Event:
        """Append a hash-chained event to ``stream`` in this transaction."""
        return events.append(self, stream, type, data)

    def begin(self, stream: str) -> None:
        """Say that ``stream`` begins in this transaction, which has just made what it is about: nobody looks for its end."""
        events.begin(self, stream)

    def emit_all(self, stream: str, happened: Iterable[tuple[str, Mapping[str, object]]]) -> None:
        """Append several events, ``(type, data)``, to ``stream`` in their order and in this transaction."""
        events.append_all(self, stream, happened)

    def post(self, key: str, topic: str, payload: Mapping[str, object]) -> None:
        """Put a message into the outbox in this transaction; a key already there is not put twice."""
        outbox.post(self, key, topic, payload)
        self.posted += 1


class Database:
    """The operational store behind a SQLAlchemy URL.

    On PostgreSQL a live city's time is the store's own: a :class:`SystemClock` that is handed over is replaced, see
    :attr:`clock`. Raises :class:`Invalid` for a URL that is neither SQLite nor PostgreSQL.
    """

    def __init__(self, url: str, clock: Clock, ids: Ids) -> None:
        if url.startswith("postgresql://"):
            url = "postgresql+psycopg://" + url.removeprefix("postgresql://")
        try:
            parsed = sa.make_url(url)
        except sa.exc.ArgumentError:
            raise Invalid("the database URL cannot be read", remedy="give sqlite:///FILE or postgresql://…") from None
        if parsed.get_backend_name() not in ("sqlite", "postgresql"):
            raise Invalid(f"{parsed.get_backend_name()} is not supported", remedy="use SQLite or PostgreSQL")
        self.clock: Clock = clock
        self.ids = ids
        self.appended = 0  # events committed through this object: unchanged means that nothing happened through it
        self.dialect: Literal["sqlite", "postgresql"] = (
            "sqlite" if parsed.get_backend_name() == "sqlite" else "postgresql"
        )
        if self.dialect == "postgresql" and isinstance(clock, SystemClock):
            self.clock = StoreClock(self._time)
            ids.follow(self.clock)
        self._bell = threading.Condition()
        self._shared = threading.local()  # the transaction of commands that are committed together, by thread
        self.rung = 0  # how often messages were posted through this object
        self.closed_to_writing: str | None = None  # why this program may not write, e.g. because it is too old
        # SQLite has one writer: threads of this process queue here instead of polling the file's lock
        self._writer = threading.RLock() if self.dialect == "sqlite" else nullcontext()
        if self.dialect == "sqlite":
            self.engine = sa.create_engine(parsed, json_serializer=spelling, connect_args={"timeout": 30})
            sa.event.listen(self.engine, "connect", _prepare_sqlite)
            sa.event.listen(self.engine, "begin", _begin_sqlite)
        else:
            self.engine = sa.create_engine(
                parsed, json_serializer=spelling, pool_size=10, max_overflow=20, pool_pre_ping=True
            )

    @contextmanager
    def work(self, actor: Actor, *, alone: str | None = None) -> Iterator[Work]:
        """One transaction on behalf of ``actor``: committed on exit, rolled back on an exception.

        ``alone`` names what only one transaction at a time may be about. Raises :class:`Unavailable` when the store
        goes away in the middle, or when this program may not write to it.
        """
        if self.closed_to_writing is not None:
            raise Unavailable(self.closed_to_writing, remedy="ask an administrator to install the newer CityHeart here")
        with self._writer, self.connect() as conn, conn.begin():
            work = Work(self, conn, actor, self._begun(conn, alone))
            yield work
        if work.appended:
            with self._bell:
                self.appended += work.appended
        if work.posted:
            self.ring()

    def ring(self) -> None:
        """Wake whoever waits for messages in this process; elsewhere they are found within a second."""
        with self._bell:
            self.rung += 1
            self._bell.notify_all()

    def listen(self, heard: int, seconds: float) -> int:
        """Wait until the bell was rung more often than ``heard``, at most ``seconds``; how often it was."""
        with self._bell:
            self._bell.wait_for(lambda: self.rung != heard, seconds)
            return self.rung

    def _begun(self, conn: sa.Connection, alone: str | None) -> datetime:
        """The moment the transaction stands for; on PostgreSQL after the lock is held, in one round trip."""
        clock = self.clock
        if self.dialect == "postgresql" and alone is not None:
            moment = conn.execute(_ALONE, {"of": alone}).one()[1]
        elif isinstance(clock, StoreClock):
            moment = conn.execute(_TIME).scalar_one()
        return clock.learn(moment) if isinstance(clock, StoreClock) else clock.now()

    def _time(self) -> datetime:
        with self.read() as conn:
            moment: datetime = conn.execute(_TIME).scalar_one()
        return moment

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A consistent read-only view. Raises :class:`Unavailable` when the store goes away in the middle."""
        option = {"cityheart_read": True} if self.dialect == "sqlite" else {"postgresql_readonly": True}
        with self.connect() as conn:
            conn = conn.execution_options(**option)
            with conn.begin():
                yield conn

    @contextmanager
    def connect(self) -> Iterator[sa.Connection]:
        """A connection. Raises :class:`Unavailable` when the store does not answer, goes away, or cannot go on.

        Raises :class:`Invalid` for a value that it cannot hold.
        """
        try:
            conn = self.engine.connect()
        except sa.exc.DatabaseError as error:
            reason = str(error.orig).partition("\n")[0]
            started = "start it, or mend database_url in the city's settings"
            raise Unavailable(
                f"the operational store does not answer: {reason}",
                remedy=started if self.dialect == "postgresql" else f"look at {self.engine.url.database}",
            ) from error
        try:
            with _goes_on():
                yield conn
        finally:
            conn.close()

    def once(
        self,
        actor: Actor,
        command_id: str,
        verb: str,
        payload: Mapping[str, object],
        do: Callable[[Work], dict[str, object]],
    ) -> dict[str, object]:
        """Run ``do`` in one transaction unless ``command_id`` ran before; then return what it returned.

        The same id with another actor, verb or payload is a :class:`Conflict`. A command that raises leaves no trace.
        """
        if not 8 <= len(command_id) <= 80:
            raise Invalid("a command id has 8 to 80 characters", remedy="send a fresh UUID with each click")
        digest = hashlib.sha256(canonical([actor.id, verb, payload]).encode()).hexdigest()
        for left in reversed(range(_TRIES)):
            try:
                return self._once(actor, command_id, verb, digest, do)
            except sa.exc.OperationalError as error:
                if not left or getattr(error.orig, "sqlstate", None) not in _UNDONE:
                    raise
        raise AssertionError("unreachable")

    def _once(
        self, actor: Actor, command_id: str, verb: str, digest: str, do: Callable[[Work], dict[str, object]]
    ) -> dict[str, object]:
        with self._part(actor, command_id) as work:
            row = _COMMAND.one(work.conn, {"of": command_id})
            if row is not None:
                if row.digest != digest:
                    raise Conflict("this command id was used for something else", remedy="send a fresh command id")
                stored: dict[str, object] = row.result
                return stored
            written = canonical(do(work))
            result: dict[str, object] = json.loads(written)
            values: dict[str, object] = {"id": command_id, "actor": actor.id, "verb": verb, "digest": digest}
            _REMEMBER.run(work.conn, values | {"result": Spelled(result, written), "at": work.now})
            return result

    @contextmanager
    def together(self, actor: Actor) -> Iterator[None]:
        """Commands that ``actor`` runs by :meth:`once` in this thread are committed together when the context ends.

        One that raises is undone alone. On SQLite only, where each commit waits for the disk; on PostgreSQL each is
        committed by itself, so that nobody holds the locks of several matters at once.
        """
        if self.dialect != "sqlite":
            yield
            return
        with self.work(actor) as work:
            self._shared.work = work
            try:
                yield
            finally:
                self._shared.work = None

    @contextmanager
    def _part(self, actor: Actor, command_id: str) -> Iterator[Work]:
        """The transaction of one command: its own, or its part of those of :meth:`together`."""
        work: Work | None = getattr(self._shared, "work", None)
        if work is None:
            with self.work(actor, alone=command_id) as alone:
                yield alone
            return
        assert work.actor == actor, "what is committed together is done by one person"
        before = dict(work.stream_heads), work.posted, work.appended
        try:
            with savepoint(work.conn):
                yield work
        except BaseException:
            work.stream_heads, work.posted, work.appended = before
            raise

    def create_all(self) -> None:
        """Create every table as the code has them now (tests; a city is made by its migrations)."""
        metadata.create_all(self.engine)

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()


@contextmanager
def _goes_on() -> Iterator[None]:
    try:
        yield
    except sa.exc.StatementError as error:
        again = "do the same again: a click that was counted is not counted twice"
        if isinstance(error, sa.exc.DBAPIError) and error.connection_invalidated:
            raise Unavailable("the operational store went away in the middle of this", remedy=again) from error
        reason = str(error.orig).partition("\n")[0]
        if isinstance(error, sa.exc.DataError) or isinstance(error.orig, OverflowError):
            raise Invalid(
                f"a value cannot be stored: {reason}",
                remedy="leave out control characters, and numbers and times out of range",
            ) from error
        if not _cannot(error.orig):
            raise
        raise Unavailable(
            f"the operational store cannot go on: {reason}",
            remedy="look at its disk and at who else holds it; then do the same again",
        ) from error


def _cannot(error: BaseException | None) -> bool:
    """Whether it is the store that cannot go on, whoever asks and whatever is asked."""
    state = getattr(error, "sqlstate", None)
    return (getattr(error, "sqlite_errorcode", 0) & 0xFF) in _SQLITE_CANNOT or (state or "")[:2] in _POSTGRES_CANNOT


def _prepare_sqlite(connection: DBAPIConnection, record: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # transactions are begun by _begin_sqlite
    cursor = connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "busy_timeout=30000",
        "cache_size=-32000",
        "wal_autocheckpoint=4000",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(conn: sa.Connection) -> None:
    reading = conn.get_execution_options().get("cityheart_read", False)
    driver = conn.connection.driver_connection
    assert driver is not None
    driver.execute("BEGIN" if reading else "BEGIN IMMEDIATE")

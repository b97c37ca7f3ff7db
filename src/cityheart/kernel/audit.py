"""The event log as those who audit it read it: newest first, by who, what, about whom and when; and its proof, in steps.

A page looks at no more than ``limits.AUDIT_LOOKED_AT`` events and says where it stopped, so that a rare thing in a long
log is found step by step and nobody waits for a scan of the whole.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from cityheart.kernel import events, limits
from cityheart.kernel.database import Database
from cityheart.kernel.events import GENESIS, SEAL_STREAM, Event, event_table

__all__ = ["Check", "Fault", "Found", "Wanted", "count", "find", "proofs"]

PROOFS = "log:verification"  # the stream of what was proven
_MARGIN = 10_000  # events by which the order of the log and that of time may differ
_STEP = 2_000  # events checked between two looks at whether to go on


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events: by actors, types and streams (``None``: any), from ``since`` to before ``until``."""

    actors: tuple[str, ...] | None = None
    types: tuple[str, ...] | None = None
    streams: tuple[str, ...] | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A page, newest first. ``next``: go on before this ``seq``; ``None`` when all was looked at.

    ``looked_to`` is the time of the oldest event looked at.
    """

    events: list[Event]
    next: int | None
    looked_to: datetime | None


def find(conn: sa.Connection, wanted: Wanted, *, before: int | None = None, limit: int) -> Found:
    """Events that fit, newest first, with ``seq < before``."""
    table = event_table
    newest = events.last(conn)
    top = newest + 1 if before is None else min(before, newest + 1)
    if wanted.until is not None:
        top = min(top, _place(conn, wanted.until, newest) + _MARGIN)
    bottom = 0 if wanted.since is None else max(0, _place(conn, wanted.since, newest) - _MARGIN)
    floor = bottom if wanted.streams is not None else max(bottom, top - 1 - limits.AUDIT_LOOKED_AT)
    statement = sa.select(table).where(table.c.seq > floor, table.c.seq < top, *_rules(wanted))
    rows = conn.execute(statement.order_by(table.c.seq.desc()).limit(limit + 1)).all()
    found = [events.of_row(row) for row in rows[:limit]]
    if len(rows) > limit:
        return Found(found, found[-1].seq, found[-1].at)
    nearest = sa.select(table.c.at).where(table.c.seq > floor).order_by(table.c.seq).limit(1)
    return Found(found, floor + 1 if floor > bottom else None, conn.execute(nearest).scalar())


def count(conn: sa.Connection, wanted: Wanted, most: int) -> int:
    """How many events fit, counted up to ``most``."""
    newest = events.last(conn)
    bottom = 0 if wanted.since is None else max(0, _place(conn, wanted.since, newest) - _MARGIN)
    some = sa.select(event_table.c.seq).where(event_table.c.seq > bottom, event_table.c.seq <= newest)
    limited = some.where(*_rules(wanted)).limit(most).subquery()
    return conn.execute(sa.select(sa.func.count()).select_from(limited)).scalar_one()


def _rules(wanted: Wanted) -> list[sa.ColumnElement[bool]]:
    table = event_table
    rules: list[sa.ColumnElement[bool]] = []
    for column, values in (
        (table.c.actor, wanted.actors),
        (table.c.type, wanted.types),
        (table.c.stream, wanted.streams),
    ):
        if values is not None:
            rules.append(column.in_(values))
    if wanted.since is not None:
        rules.append(table.c.at >= wanted.since)
    if wanted.until is not None:
        rules.append(table.c.at < wanted.until)
    return rules


def _place(conn: sa.Connection, moment: datetime, newest: int) -> int:
    """About the first ``seq`` at or after a moment: the log is nearly in the order of time, so halves are ruled out."""
    table = event_table
    low, high = 0, newest + 1
    while low < high:
        middle = (low + high) // 2
        row = conn.execute(
            sa.select(table.c.seq, table.c.at).where(table.c.seq >= middle).order_by(table.c.seq).limit(1)
        ).one_or_none()
        if row is None or row.at >= moment:
            high = middle
        else:
            low = row.seq + 1
    return low


# ── proof ──────────────────────────────────────────────────────────────────────────────────────────────────────


def proofs(conn: sa.Connection) -> list[Event]:
    """What was proven before, oldest first."""
    return events.read(conn, stream=PROOFS, types=["log.verified"])


@dataclass(frozen=True, slots=True)
class Fault:
    """A place where the log is not what was written: ``missing``, ``order``, ``content``, ``seal`` or ``proof``."""

    stream: str
    n: int
    what: str

    def json(self) -> dict[str, object]:
        """As events and the API show it."""
        return {"stream": self.stream, "n": self.n, "what": self.what}


@dataclass(slots=True)
class Check:
    """The proof of the log up to ``upto``, in short transactions: every chain, every seal, and what was proven before.

    ``digest`` is the hash over the hashes of all events in their order: whoever noted it can tell later that nothing
    before ``upto`` was changed or taken away, also from the end.
    """

    upto: int
    total: int
    done: int = 0  # of twice ``total``: once for the chains, once for the order of the whole
    streams: int = 0
    seals: int = 0
    faults: list[Fault] = field(default_factory=list)
    digest: str = ""

    @classmethod
    def of(cls, database: Database) -> Check:
        """A check of everything that is in the log now."""
        with database.read() as conn:
            upto = events.last(conn)
            rows = sa.select(sa.func.count()).select_from(event_table).where(event_table.c.seq <= upto)
            return cls(upto, conn.execute(rows).scalar_one())

    def run(self, database: Database, goes_on: Callable[[], bool]) -> bool:
        """Check all; ``goes_on`` is asked between steps. Returns whether it came to the end."""
        return self._chains(database, goes_on) and self._whole(database, goes_on)

    def _chains(self, database: Database, goes_on: Callable[[], bool]) -> bool:
        table, at = event_table, ("", 0)
        stream, n, prev = "", 0, GENESIS
        while True:
            if not goes_on():
                return False
            statement = sa.select(table).where(table.c.seq <= self.upto, sa.tuple_(table.c.stream, table.c.n) > at)
            with database.read() as conn:
                rows = conn.execute(statement.order_by(table.c.stream, table.c.n).limit(_STEP)).all()
            if not rows:
                return True
            for row in rows:
                if row.stream != stream:
                    stream, n, prev = row.stream, 0, GENESIS
                    self.streams += 1
                if row.n != n + 1:
                    self.faults.append(Fault(stream, row.n, "missing"))
                elif row.prev != prev:
                    self.faults.append(Fault(stream, row.n, "order"))
                if events.fingerprint(row.stream, row.n, row.type, row.at, row.actor, row.data, row.prev) != row.hash:
                    self.faults.append(Fault(stream, row.n, "content"))
                n, prev = row.n, row.hash
            at = (stream, n)
            self.done += len(rows)

    def _whole(self, database: Database, goes_on: Callable[[], bool]) -> bool:
        with database.read() as conn:
            seals = _Ranges(events.read_all(conn, SEAL_STREAM, self.upto))
            proven = {int(event.data["upto"]): event for event in proofs(conn) if not event.data["breaks"]}  # type: ignore[call-overload]
        whole = hashlib.sha256()
        seen = 0
        for rows in self._in_order(database):
            if not goes_on():
                return False
            for seq, stream, digest in rows:
                for passed in [upto for upto in proven if upto < seq]:
                    self._compare(proven.pop(passed), whole)
                whole.update(digest.encode())
                self.faults.extend(seals.take(seq, stream, digest))
                seen = seq
            self.done += len(rows)
        self.faults.extend(seals.end())
        self.seals = seals.count
        for upto in [upto for upto in sorted(proven) if upto <= max(seen, self.upto)]:
            self._compare(proven[upto], whole)
        self.digest = whole.hexdigest()
        return True

    def _in_order(self, database: Database) -> Iterator[Sequence[Any]]:
        table, after = event_table, 0
        while True:
            statement = sa.select(table.c.seq, table.c.stream, table.c.hash)
            statement = statement.where(table.c.seq > after, table.c.seq <= self.upto)
            with database.read() as conn:
                rows: Sequence[Any] = conn.execute(statement.order_by(table.c.seq).limit(5 * _STEP)).all()
            if not rows:
                return
            yield rows
            after = rows[-1][0]

    def _compare(self, proof: Event, whole: Any) -> None:
        if whole.hexdigest() != proof.data["digest"]:
            self.faults.append(Fault(proof.stream, proof.n, "proof"))


class _Ranges:
    """The seals in their order, each compared when the events that it binds have passed."""

    def __init__(self, seals: Sequence[Event]) -> None:
        self._left = list(reversed(seals))
        self._running = hashlib.sha256()
        self.count = len(seals)

    def take(self, seq: int, stream: str, digest: str) -> Iterator[Fault]:
        while self._left and seq > int(self._left[-1].data["upto"]):  # type: ignore[call-overload]
            yield from self._close()
        if self._left and stream != SEAL_STREAM and seq > int(self._left[-1].data["after"]):  # type: ignore[call-overload]
            self._running.update(digest.encode())

    def end(self) -> Iterator[Fault]:
        while self._left:
            yield from self._close()

    def _close(self) -> Iterator[Fault]:
        seal, running, self._running = self._left.pop(), self._running, hashlib.sha256()
        if running.hexdigest() != seal.data["root"]:
            yield Fault(seal.stream, seal.n, "seal")

"""The outbox: what must leave the database is written in the transaction that decided it, and carried out after.

A relay claims messages with a lease, so several workers never send the same one at once; a receiver gets the key and
drops what it has seen. Ways out are plug-ins (hook ``deliveries``); the one built in appends to a file a topic, for
systems of departments that read a drop folder.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from cityheart.kernel import limits
from cityheart.kernel.actors import Actor
from cityheart.kernel.hooks import hookimpl
from cityheart.kernel.schema import Json, UtcDateTime, canonical, metadata

if TYPE_CHECKING:
    from cityheart.kernel.database import Database, Work

__all__ = ["Delivery", "FileDelivery", "Message", "post", "relay"]

outbox_table = sa.Table(
    "outbox",
    metadata,
    sa.Column("key", sa.String(160), primary_key=True),
    sa.Column("topic", sa.String(80), nullable=False),
    sa.Column("payload", Json, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),  # waiting, sent, given_up
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("next_at", UtcDateTime, nullable=False),
    sa.Column("error", sa.Text, nullable=True),
    sa.Column("posted_at", UtcDateTime, nullable=False),
    sa.Index("ix_outbox_state_next_at", "state", "next_at"),
)


_POST = {
    "sqlite": sqlite.insert(outbox_table).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(outbox_table).on_conflict_do_nothing(),
}


@dataclass(frozen=True, slots=True)
class Message:
    """One message that leaves: ``key`` is the idempotency key for the receiver."""

    key: str
    topic: str
    payload: Mapping[str, object]


class Delivery(Protocol):
    """A way out. ``send`` returns after the receiver has it for good, or raises."""

    name: str

    def send(self, home: Path, messages: Sequence[Message]) -> None:
        """Carry ``messages`` out; may be called again with the same keys after a crash."""
        ...


class FileDelivery:
    """Appends JSON lines to ``outbox/TOPIC.jsonl`` in the city's folder, durable before it returns."""

    name = "file"

    def send(self, home: Path, messages: Sequence[Message]) -> None:
        """Append one line a message: ``{"key", "payload"}``."""
        folder = home / "outbox"
        folder.mkdir(exist_ok=True)
        for topic in sorted({message.topic for message in messages}):
            with (folder / f"{topic}.jsonl").open("a", encoding="utf-8") as file:
                for message in messages:
                    if message.topic == topic:
                        file.write(
                            json.dumps({"key": message.key, "payload": message.payload}, ensure_ascii=False) + "\n"
                        )
                file.flush()
                os.fsync(file.fileno())


@hookimpl
def deliveries() -> Iterable[Delivery]:
    """The way out that is built in."""
    return [FileDelivery()]


def post(work: Work, key: str, topic: str, payload: Mapping[str, object]) -> None:
    """Write a message in the caller's transaction; the same key is written once."""
    row: dict[str, object] = {"key": key, "topic": topic, "payload": json.loads(canonical(payload)), "attempts": 0}
    row |= {"state": "waiting", "next_at": work.now, "posted_at": work.now}
    work.conn.execute(_POST[work.database.dialect], row)


def relay(database: Database, home: Path, delivery: Delivery, limit: int = 200) -> int:
    """Claim due messages, send them, mark them; returns how many were sent. Safe beside other relays."""
    actor = Actor.system("outbox")
    table = outbox_table
    with database.read() as conn:
        waiting = (
            sa.select(table.c.key).where(table.c.state == "waiting", table.c.next_at <= database.clock.now()).limit(1)
        )
        if conn.execute(waiting).first() is None:
            return 0
    with database.work(actor) as work:
        rows = work.conn.execute(
            sa.select(table)
            .where(table.c.state == "waiting", table.c.next_at <= work.now)
            .order_by(table.c.next_at, table.c.key)
            .limit(limit)
            .with_for_update(skip_locked=True)
        ).all()
        if not rows:
            return 0
        keys = [row.key for row in rows]
        work.conn.execute(
            table.update()
            .where(table.c.key.in_(keys))
            .values(next_at=work.now + limits.OUTBOX_LEASE, attempts=table.c.attempts + 1)
        )
    error: str | None = None
    try:
        delivery.send(home, [Message(row.key, row.topic, row.payload) for row in rows])
    except Exception as failure:  # a receiver may fail in any way; the message stays and is tried again
        error = f"{type(failure).__name__}: {failure}"[:500]
    with database.work(actor) as work:
        if error is None:
            work.conn.execute(table.update().where(table.c.key.in_(keys)).values(state="sent", error=None))
            return len(rows)
        for row in rows:
            given_up = row.attempts + 1 >= limits.OUTBOX_ATTEMPTS
            wait = timedelta(seconds=min(3600, 5 * 2**row.attempts))
            work.conn.execute(
                table.update()
                .where(table.c.key == row.key)
                .values(state="given_up" if given_up else "waiting", next_at=work.now + wait, error=error)
            )
        return 0

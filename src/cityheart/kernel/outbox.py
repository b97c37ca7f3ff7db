"""The outbox: what must leave the database is written in the transaction that decided it, and carried out after.

A message is first *routed*: every way out says for whom it wants it, and each (message, channel, recipient) becomes a row
of its own with its own tries, so that a mail server that is down holds up neither the drop folder nor the inbox of the
console. A relay claims rows with a lease, so several relays never carry the same one at once; one that is killed between
sending and noting leaves a row whose lease ends, and it is sent again under the same key: a receiver drops keys it has
seen. What fails is tried again after waits that double, alone, so that it cannot spoil others; what is refused for good or
has used up its tries is *given up* and waits for a person, who may send it again.

Ways out are plug-ins: hook ``deliveries`` for those that every city has, hook ``channels`` for kinds that its settings
open. The one built in here appends to a file a topic, for systems of departments that read a drop folder.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol
from zoneinfo import ZoneInfo

import sqlalchemy as sa
import structlog
from sqlalchemy.dialects import postgresql, sqlite

from cityheart.kernel import limits
from cityheart.kernel.access import require
from cityheart.kernel.actors import Actor
from cityheart.kernel.clock import stopwatch
from cityheart.kernel.errors import Conflict, Invalid, NotFound
from cityheart.kernel.hooks import hookimpl
from cityheart.kernel.schema import Json, UtcDateTime, metadata
from cityheart.kernel.statements import Statement
from cityheart.kernel.text import Text

if TYPE_CHECKING:
    from cityheart.kernel.database import Database, Work

__all__ = [
    "SENT",
    "UNTRIED",
    "Delivery",
    "FileDelivery",
    "Hanging",
    "Message",
    "Outcome",
    "Sending",
    "failed",
    "forget",
    "hanging",
    "listed",
    "post",
    "refused",
    "relay",
    "resend",
    "route",
]

log = structlog.get_logger("cityheart")

outbox_table = sa.Table(
    "outbox",
    metadata,
    sa.Column("key", sa.String(160), primary_key=True),
    sa.Column("topic", sa.String(80), nullable=False),
    sa.Column("payload", Json, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),  # waiting, routed; sent and given_up by earlier versions
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("next_at", UtcDateTime, nullable=False),
    sa.Column("error", sa.Text, nullable=True),
    sa.Column("posted_at", UtcDateTime, nullable=False),
    sa.Index("ix_outbox_state_next_at", "state", "next_at"),
)

delivery_table = sa.Table(
    "outbox_delivery",
    metadata,
    sa.Column("key", sa.String(160), sa.ForeignKey("outbox.key"), primary_key=True),
    sa.Column("channel", sa.String(40), primary_key=True),
    sa.Column("recipient", sa.String(120), primary_key=True),
    sa.Column("state", sa.String(16), nullable=False),  # waiting, sent, given_up
    sa.Column("attempts", sa.Integer, nullable=False),  # also the fence of a claim: it grows with each one
    sa.Column("next_at", UtcDateTime, nullable=False),
    sa.Column("error", sa.Text, nullable=True),
    sa.Column("sent_at", UtcDateTime, nullable=True),
    sa.Index("ix_outbox_delivery_channel_state_next_at", "channel", "state", "next_at"),
)


_POST = {
    "sqlite": Statement(sqlite.insert(outbox_table).on_conflict_do_nothing()),
    "postgresql": Statement(postgresql.insert(outbox_table).on_conflict_do_nothing()),
}
_ROUTE = {
    "sqlite": sqlite.insert(delivery_table).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(delivery_table).on_conflict_do_nothing(),
}
_D, _M = delivery_table.c, outbox_table.c
_UNROUTED = sa.select(outbox_table).where(_M.state.in_(("waiting", "given_up")))
_ANY_UNROUTED = sa.select(sa.literal(1)).where(_M.state.in_(("waiting", "given_up"))).limit(1)
_DUE = _D.channel == sa.bindparam("of"), _D.state == "waiting", _D.next_at <= sa.bindparam("now")
_ANY_DUE = sa.select(sa.literal(1)).where(*_DUE).limit(1)
_CLAIM = (
    sa.select(_D.key, _D.recipient, _D.attempts, _M.topic, _M.payload, _M.posted_at)
    .join(outbox_table, _M.key == _D.key)
    .where(*_DUE)
    .order_by(_D.next_at, _D.key, _D.recipient)
    .limit(sa.bindparam("most"))
    .with_for_update(of=delivery_table, skip_locked=True)
)
_ROW = _D.key == sa.bindparam("_key"), _D.channel == sa.bindparam("_of"), _D.recipient == sa.bindparam("_to")
_CLAIMED = delivery_table.update().where(*_ROW).values(next_at=sa.bindparam("until"), attempts=_D.attempts + 1)
_MARK_SENT = (
    delivery_table.update()
    .where(*_ROW, _D.state != "sent")
    .values(state="sent", error=None, sent_at=sa.bindparam("now"))
)
_MARK_OTHER = (
    delivery_table.update()
    .where(*_ROW, _D.state == "waiting", _D.attempts == sa.bindparam("claimed"))
    .values(
        state=sa.bindparam("now_is"),
        attempts=sa.bindparam("tries"),
        next_at=sa.bindparam("again_at"),
        error=sa.bindparam("why"),
    )
)


@dataclass(frozen=True, slots=True)
class Message:
    """One message that leaves: ``key`` is the idempotency key for the receiver, ``recipient`` whom a way out named."""

    key: str
    topic: str
    payload: Mapping[str, object]
    posted_at: datetime
    recipient: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one message: sent for good, failed (tried again), refused (given up), untried (the way is down).

    ``after``: the receiver asked to be left alone for that long.
    """

    state: Literal["sent", "failed", "refused", "untried"]
    reason: str = ""
    after: timedelta | None = None


SENT = Outcome("sent")
UNTRIED = Outcome("untried")


def failed(reason: str, after: timedelta | None = None) -> Outcome:
    """It may work later."""
    return Outcome("failed", reason, after)


def refused(reason: str) -> Outcome:
    """It will never work as it is: a person must look at it."""
    return Outcome("refused", reason)


@dataclass(frozen=True)
class Sending:
    """What a way out may ask of the city it sends for.

    ``addresses`` gives the e-mail addresses of whoever is on duty for a department at this moment; ``titles`` the
    departments' names; ``url`` is the console's address, empty when it has none that others can reach.
    """

    home: Path
    database: Database
    name: str = "city"
    title: Text = field(default_factory=lambda: {"zh-CN": "城市", "en": "City"})
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("Asia/Shanghai"))
    url: str = ""
    addresses: Callable[[str], Sequence[str]] = lambda unit: ()
    titles: Callable[[], Mapping[str, Text]] = dict


class Delivery(Protocol):
    """A way out. ``name`` is its channel, ``batch`` how many messages it is handed at once."""

    name: str
    batch: int

    def recipients(self, message: Message) -> Sequence[str]:
        """For whom this way wants the message: nobody, somebody named, or ``("",)`` for the channel as a whole."""
        ...

    def send(self, sending: Sending, messages: Sequence[Message]) -> Sequence[Outcome]:
        """Carry ``messages`` out, one outcome each; returns after the receivers have them for good.

        May be called again with the same keys after a crash. An exception counts as the failure of all of them.
        """
        ...


class FileDelivery:
    """Appends JSON lines to ``outbox/TOPIC.jsonl`` in the city's folder, durable before it returns."""

    name = "file"
    batch = 200

    def recipients(self, message: Message) -> Sequence[str]:
        """Every message, once."""
        return ("",)

    def send(self, sending: Sending, messages: Sequence[Message]) -> Sequence[Outcome]:
        """Append one line a message: ``{"key", "payload"}``."""
        folder = sending.home / "outbox"
        folder.mkdir(exist_ok=True)
        for topic in sorted({message.topic for message in messages}):
            lines = [
                json.dumps({"key": message.key, "payload": message.payload}, ensure_ascii=False) + "\n"
                for message in messages
                if message.topic == topic
            ]
            with (folder / f"{_file_name(topic)}.jsonl").open("a", encoding="utf-8") as file:
                file.write("".join(lines))
                file.flush()
                os.fsync(file.fileno())
        return [SENT] * len(messages)


def _file_name(topic: str) -> str:
    """A topic as the name of a file in the folder, whatever a plan's author called it."""
    return "".join(sign if sign.isalnum() or sign in "-_" else "_" for sign in topic) or "_"


@hookimpl
def deliveries() -> Iterable[Delivery]:
    """The way out that is built in."""
    return [FileDelivery()]


def post(work: Work, key: str, topic: str, payload: Mapping[str, object]) -> None:
    """Write a message in the caller's transaction; the same key is written once."""
    row: dict[str, object] = {"key": key, "topic": topic, "payload": dict(payload), "attempts": 0}
    row |= {"state": "waiting", "next_at": work.now, "posted_at": work.now}
    _POST[work.database.dialect].run(work.conn, row)


# ── carrying out ───────────────────────────────────────────────────────────────────────────────────────────────


def route(database: Database, ways: Iterable[Delivery], limit: int = 500) -> int:
    """Let every way out say what it wants of the messages that are new; returns how many messages. Safe beside others."""
    with database.read() as conn:
        if conn.execute(_ANY_UNROUTED).first() is None:
            return 0
    ways = list(ways)
    with database.work(Actor.system("outbox")) as work:
        new = _UNROUTED.order_by(_M.posted_at, _M.key).limit(limit).with_for_update(skip_locked=True)
        rows = work.conn.execute(new).all()
        if not rows:
            return 0
        wanted = []
        for row in rows:
            message = Message(row.key, row.topic, row.payload, row.posted_at)
            for way in ways:
                base = {"key": row.key, "channel": way.name, "attempts": 0, "next_at": work.now}
                try:
                    names = dict.fromkeys(way.recipients(message))
                    wanted += [{**base, "recipient": name, "state": "waiting", "error": None} for name in names]
                except Exception as error:  # a message that one way cannot read must not hold up the others
                    why = f"{type(error).__name__}: {error}"[: limits.OUTBOX_REASON_CHARS]
                    wanted.append({**base, "recipient": "", "state": "given_up", "error": why})
        if wanted:
            work.conn.execute(_ROUTE[database.dialect], wanted)
        done = outbox_table.update().where(_M.key.in_([row.key for row in rows])).values(state="routed")
        work.conn.execute(done)
        return len(rows)


def relay(database: Database, sending: Sending, way: Delivery, limit: int | None = None) -> int:
    """Claim what is due for one way out, send it, note what became of it; returns how many rows were claimed.

    Safe beside other relays. A message that failed before is sent alone.
    """
    with database.read() as conn:
        if conn.execute(_ANY_DUE, {"of": way.name, "now": database.clock.now()}).first() is None:
            return 0
    with database.work(Actor.system("outbox")) as work:
        asked = {"of": way.name, "now": work.now, "most": limit or way.batch}
        rows = work.conn.execute(_CLAIM, asked).all()
        if not rows:
            return 0
        until = work.now + limits.OUTBOX_LEASE
        work.conn.execute(
            _CLAIMED, [{"_key": row.key, "_of": way.name, "_to": row.recipient, "until": until} for row in rows]
        )
    begun = stopwatch()
    used_up = [row for row in rows if row.attempts >= limits.OUTBOX_ATTEMPTS]  # each time with the relay's own death
    outcomes = [(row, refused("every relay that tried it died")) for row in used_up]
    fresh = [row for row in rows if row.attempts == 0]
    for group in [fresh, *([row] for row in rows if 0 < row.attempts < limits.OUTBOX_ATTEMPTS)]:
        late = stopwatch() - begun > limits.OUTBOX_SENDING.total_seconds()
        told = [UNTRIED] * len(group) if late else _send(sending, way, group)
        outcomes += zip(group, told, strict=True)
    with database.work(Actor.system("outbox")) as work:
        _mark(work, way.name, outcomes)
    return len(rows)


def _send(sending: Sending, way: Delivery, rows: Sequence[Any]) -> Sequence[Outcome]:
    if not rows:
        return []
    try:
        told = way.send(
            sending, [Message(row.key, row.topic, row.payload, row.posted_at, row.recipient) for row in rows]
        )
        if len(told) != len(rows):
            raise ValueError(f"{way.name} told {len(told)} outcomes of {len(rows)} messages")
    except Exception as error:  # a receiver may fail in any way; the message stays and is tried again
        return [failed(f"{type(error).__name__}: {error}")] * len(rows)
    return told


def _mark(work: Work, channel: str, outcomes: Iterable[tuple[Any, Outcome]]) -> None:
    sent, others = [], []
    for row, outcome in outcomes:
        place: dict[str, object] = {"_key": row.key, "_of": channel, "_to": row.recipient}
        if outcome.state == "sent":
            sent.append({**place, "now": work.now})
            continue
        tries = row.attempts + (outcome.state != "untried")
        over = outcome.state == "refused" or tries >= limits.OUTBOX_ATTEMPTS
        wait = min(limits.OUTBOX_LONGEST, limits.OUTBOX_FIRST * 2 ** min(row.attempts, 20))
        if outcome.state == "untried":
            wait = limits.OUTBOX_FIRST
        if outcome.after is not None:
            wait = max(wait, min(outcome.after, limits.OUTBOX_LONGEST))
        why = outcome.reason[: limits.OUTBOX_REASON_CHARS] or None
        others.append(
            {**place, "claimed": row.attempts + 1, "now_is": "given_up" if over else "waiting", "tries": tries,
             "again_at": work.now + wait, "why": why}
        )  # fmt: skip
        if over:
            log.error("outbox.given_up", channel=channel, key=row.key, topic=row.topic, tries=tries)
            given_up = {"key": row.key, "topic": row.topic, "channel": channel, "tries": tries}
            work.emit(f"outbox:{channel}", "outbox.given_up", given_up)
    if sent:
        work.conn.execute(_MARK_SENT, sent)
    for values in others:
        work.conn.execute(_MARK_OTHER, values)


def forget(database: Database, limit: int = 500) -> int:
    """Drop messages that left through every way longer ago than ``limits.OUTBOX_KEPT``; returns how many, at most ``limit``.

    What they were about stays in the event log. What waits or was given up stays.
    """
    before = database.clock.now() - limits.OUTBOX_KEPT
    hangs = sa.select(sa.literal(1)).where(_D.key == _M.key, _D.state != "sent").exists()
    # a routed message's next_at is still the moment it was posted, and is in the index
    old = sa.select(_M.key).where(_M.state == "routed", _M.next_at < before, ~hangs).order_by(_M.next_at).limit(limit)
    with database.read() as conn:
        keys = conn.execute(old).scalars().all()
    if keys:
        with database.work(Actor.system("outbox")) as work:
            work.conn.execute(delivery_table.delete().where(_D.key.in_(keys)))
            work.conn.execute(outbox_table.delete().where(_M.key.in_(keys)))
    return len(keys)


# ── looking after it ───────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Hanging:
    """What has not left through one channel: how many wait, since when the oldest was posted, how many were given up."""

    channel: str
    waiting: int
    given_up: int
    oldest: datetime | None


def hanging(conn: sa.Connection) -> list[Hanging]:
    """What hangs, by channel; messages that are not routed yet stand under an empty name."""
    found: dict[str, Hanging] = {}
    counted = (
        sa.select(_D.channel, _D.state, sa.func.count().label("n"), sa.func.min(_M.posted_at).label("oldest"))
        .join(outbox_table, _M.key == _D.key)
        .where(_D.state.in_(("waiting", "given_up")))
        .group_by(_D.channel, _D.state)
    )
    for row in conn.execute(counted):
        so_far = found.get(row.channel, Hanging(row.channel, 0, 0, None))
        oldest = min(at for at in (so_far.oldest, row.oldest) if at is not None)
        waiting, given_up = (row.n, so_far.given_up) if row.state == "waiting" else (so_far.waiting, row.n)
        found[row.channel] = Hanging(row.channel, waiting, given_up, oldest)
    new = sa.select(sa.func.count(), sa.func.min(_M.posted_at)).where(_M.state.in_(("waiting", "given_up")))
    count, oldest = conn.execute(new).one()
    if count:
        found[""] = Hanging("", count, 0, oldest)
    return [found[name] for name in sorted(found)]


def listed(
    database: Database,
    actor: Actor,
    state: str | None = None,
    channel: str | None = None,
    after: tuple[str, str, str] | None = None,
    limit: int = limits.PAGE_ROWS,
) -> tuple[list[dict[str, object]], int]:
    """One page of deliveries by key, and how many there are. ``state``: waiting, sent, given_up.

    Each ``{"key", "topic", "channel", "recipient", "state", "attempts", "posted_at", "next_at", "sent_at", "error"}``.
    """
    require(actor, "outbox.manage")
    if state not in (None, "waiting", "sent", "given_up"):
        raise Invalid(f"there is no state {state}", remedy="waiting, sent or given_up")
    where = [_D.state == state] if state else []
    where += [_D.channel == channel] if channel else []
    page = [*where, sa.tuple_(_D.key, _D.channel, _D.recipient) > sa.tuple_(*after)] if after else where
    with database.read() as conn:
        total = conn.execute(sa.select(sa.func.count()).select_from(delivery_table).where(*where)).scalar_one()
        rows = conn.execute(
            sa.select(delivery_table, _M.topic, _M.posted_at)
            .join(outbox_table, _M.key == _D.key)
            .where(*page)
            .order_by(_D.key, _D.channel, _D.recipient)
            .limit(limit)
        ).all()
    shown = ("key", "topic", "channel", "recipient", "state", "attempts", "posted_at", "next_at", "sent_at", "error")
    return [
        {name: getattr(row, name) for name in shown} | ({"next_at": None} if row.state != "waiting" else {})
        for row in rows
    ], total


def resend(
    database: Database, actor: Actor, command_id: str, key: str, channel: str | None = None
) -> dict[str, object]:
    """Send what was given up of a message once more, as if for the first time; returns ``{"key", "deliveries"}``.

    Raises :class:`NotFound` for a key that is nowhere, :class:`Conflict` when nothing of it was given up.
    """
    require(actor, "outbox.manage")

    def do(work: Work) -> dict[str, object]:
        rows = work.conn.execute(
            sa.select(_D.channel, _D.recipient, _D.state).where(_D.key == key).with_for_update()
        ).all()
        if not rows:
            raise NotFound(f"there is no message {key}", remedy="look at the list of what was given up")
        chosen = [row for row in rows if row.state == "given_up" and channel in (None, row.channel)]
        if not chosen:
            raise Conflict(f"nothing of {key} was given up", remedy="it was sent, or is being tried")
        for row in chosen:
            again = delivery_table.update().where(
                _D.key == key, _D.channel == row.channel, _D.recipient == row.recipient
            )
            work.conn.execute(again.values(state="waiting", attempts=0, next_at=work.now, error=None))
        for name in sorted({row.channel for row in chosen}):
            work.emit(f"outbox:{name}", "outbox.resent", {"key": key, "channel": name})
        work.posted += len(chosen)
        return {"key": key, "deliveries": len(chosen)}

    return database.once(actor, command_id, "outbox.resend", {"key": key, "channel": channel}, do)

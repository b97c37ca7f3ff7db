"""Inboxes: messages of the outbox as people read them in the console.

A message reaches an inbox exactly once: the delivery writes into the city's own store, under an id made from the message's
key. Everybody signed in reads the inbox of the own department, of the own roles, of the own person, and of those whose
place one takes; nobody reads another's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cityheart.kernel import limits
from cityheart.kernel.actors import Actor
from cityheart.kernel.database import Database
from cityheart.kernel.deliveries.letters import addressees, letter
from cityheart.kernel.errors import BadRequest, NotFound
from cityheart.kernel.hooks import hookimpl
from cityheart.kernel.ids import derive
from cityheart.kernel.outbox import SENT, Delivery, Message, Outcome, Sending
from cityheart.serve.inbox import store
from cityheart.serve.inbox.models import TOPICS, InboxMessage, Sought

__all__ = ["Inbox", "InboxDelivery", "recipients"]

EVERYTHING = Sought()


class InboxDelivery:
    """The way into the console's inboxes, in every city."""

    name = "inbox"
    batch = 100

    def recipients(self, message: Message) -> Sequence[str]:
        """Once, when the message names anybody: all its letters are written together."""
        return ("",) if addressees(message) else ()

    def send(self, sending: Sending, messages: Sequence[Message]) -> Sequence[Outcome]:
        """Write the letters, and one event that says that there are new ones."""
        titles = sending.titles()
        rows = {}
        for message in messages:
            for to in addressees(message):
                said = letter(message, to, sending.zone, titles)
                id = derive("message", message.key, to)
                rows[id] = {
                    "id": id, "recipient": to, "key": message.key, "topic": message.topic, "subject": said.subject,
                    "lines": list(said.lines), "path": said.path, "at": message.posted_at, "incident": said.incident,
                }  # fmt: skip
        with sending.database.work(Actor.system("inbox")) as work:
            there = store.known(work.conn, rows)
            new = [row for id, row in sorted(rows.items()) if id not in there]
            if new:
                store.put(work.conn, new)
                told = sorted({str(row["recipient"]) for row in new})
                work.emit("inbox", "inbox.received", {"messages": len(new), "recipients": told})
        return [SENT] * len(messages)


@hookimpl
def deliveries() -> Iterable[Delivery]:
    """The way into the inboxes."""
    return [InboxDelivery()]


class Inbox:
    """The inboxes of one city."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def messages(
        self, actor: Actor, sought: Sought = EVERYTHING, *, after: str | None = None, limit: int = limits.PAGE_ROWS
    ) -> tuple[list[InboxMessage], int, int]:
        """One page of the actor's messages, newest first; how many of these there are, and how many are unread in all.

        ``after`` is the id of the last message of the page before. Raises :class:`NotFound` for another's,
        :class:`BadRequest` for what nobody can look for.
        """
        _check(sought)
        since = self._database.clock.now() - limits.INBOX_AGE
        mine = recipients(actor)
        with self._database.read() as conn:
            last = None if after is None else store.find(conn, after)
            if after is not None and (last is None or last.recipient not in mine):
                raise NotFound("the list does not go on after this message", remedy="begin at its first page")
            found, total = store.messages(conn, mine, actor.id, since=since, sought=sought, after=last, limit=limit)
            return found, total, store.unread(conn, mine, actor.id, since)

    def read(self, actor: Actor, message_id: str) -> int:
        """Note that the actor has read a message; how many are unread then. Raises :class:`NotFound` for another's."""
        mine = recipients(actor)
        with self._database.work(actor) as work:
            message = store.find(work.conn, message_id)
            if message is None or message.recipient not in mine:
                raise NotFound(f"there is no message {message_id}", remedy="look at the inbox")
            store.note_read(work.conn, [message_id], actor.id, work.now)
            return store.unread(work.conn, mine, actor.id, work.now - limits.INBOX_AGE)

    def read_all(self, actor: Actor, sought: Sought = EVERYTHING) -> int:
        """Note that the actor has read everything that is there, or that is sought; how many are unread then."""
        _check(sought)
        mine = recipients(actor)
        with self._database.work(actor) as work:
            since = work.now - limits.INBOX_AGE
            store.note_all_read(work.conn, mine, actor.id, since=since, sought=sought, at=work.now)
            return store.unread(work.conn, mine, actor.id, since)


def _check(sought: Sought) -> None:
    if sought.topic is not None and sought.topic not in TOPICS:
        raise BadRequest(f"topic {sought.topic!r} is unknown", remedy=f"one of {', '.join(TOPICS)}")
    if any(at is not None and at.tzinfo is None for at in (sought.since, sought.until)):
        raise BadRequest("a time has no offset", remedy="write it like 2016-12-16T08:00:00+08:00")
    typed = (sought.text, sought.to, sought.incident)
    if any(ord(letter) < 32 or 0xD800 <= ord(letter) < 0xE000 for words in typed for letter in words or ""):
        raise BadRequest("there are control characters in the text", remedy="leave them out")


def recipients(actor: Actor) -> frozenset[str]:
    """Under which names the actor is written to."""
    people = (f"person:{person}" for person in (actor.id, *actor.deputy_for))
    return frozenset({*people, *actor.roles, *([actor.department] if actor.department else [])})

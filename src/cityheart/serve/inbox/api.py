"""Routes of the inbox, and of what did not leave the city."""

from __future__ import annotations

import base64
import binascii
import json
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from cityheart.kernel import limits, outbox
from cityheart.kernel.actors import Actor
from cityheart.kernel.database import Database
from cityheart.kernel.errors import BadRequest
from cityheart.serve.inbox.models import Sought
from cityheart.serve.inbox.service import EVERYTHING, Inbox, recipients

__all__ = ["router"]

Short = Annotated[str | None, Query(max_length=120)]


class ResendOrder(BaseModel):
    """Send a message again that was given up; ``channel``: through this one only."""

    command_id: str = Field(min_length=8, max_length=80)
    channel: str | None = Field(default=None, max_length=40)


class SoughtBody(BaseModel):
    """Which messages; nothing said means all."""

    model_config = ConfigDict(extra="forbid")

    unread: bool = False
    topic: str | None = None
    to: str | None = Field(default=None, max_length=120)
    text: str | None = Field(default=None, max_length=120)
    since: datetime | None = None
    until: datetime | None = None
    incident: str | None = Field(default=None, max_length=60)


def router(inbox: Inbox, database: Database) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/api", tags=["serve"])

    @routes.get("/inbox", summary="What the city tells the person who asks, newest first, and how much is unread")
    def messages(
        request: Request,
        unread: bool = False,
        topic: str | None = None,
        to: Short = None,
        text: Short = None,
        since: datetime | None = None,
        until: datetime | None = None,
        incident: Short = None,
        limit: int = 50,
        after: str | None = None,
    ) -> dict[str, object]:
        actor, sought = _actor(request), Sought(unread, topic, to, text, since, until, incident)
        found, total, left = inbox.messages(actor, sought, after=after, limit=_limit(limit))
        return {
            "items": [one.json() for one in found],
            "total": total,
            "unread": left,
            "recipients": sorted(recipients(actor)),
            "next": found[-1].id if len(found) == limit else None,
        }

    @routes.post("/inbox/read", summary="Note that everything in the inbox, or what is sought in it, was read")
    def read_all(request: Request, sought: SoughtBody | None = None) -> dict[str, object]:
        wanted = Sought(**sought.model_dump()) if sought else EVERYTHING
        return {"unread": inbox.read_all(_actor(request), wanted)}

    @routes.post("/inbox/{message_id}/read", summary="Note that a message was read")
    def read(request: Request, message_id: str) -> dict[str, object]:
        return {"unread": inbox.read(_actor(request), message_id)}

    @routes.get("/outbox", summary="Messages that leave the city, by channel and recipient, with what became of them")
    def outgoing(
        request: Request,
        state: str | None = None,
        channel: str | None = None,
        limit: int = 50,
        after: str | None = None,
    ) -> dict[str, object]:
        place = _place(after)
        items, total = outbox.listed(database, _actor(request), state, channel, place, _limit(limit))
        following = None
        if len(items) == limit:
            last = [items[-1][name] for name in ("key", "channel", "recipient")]
            following = base64.urlsafe_b64encode(json.dumps(last).encode()).decode()
        return {"items": items, "total": total, "next": following}

    @routes.post("/outbox/{key:path}/resend", summary="Send a message again that was given up")
    def resend(request: Request, key: str, order: ResendOrder) -> dict[str, object]:
        return outbox.resend(database, _actor(request), order.command_id, key, order.channel)

    return routes


def _actor(request: Request) -> Actor:
    actor: Actor = request.state.actor
    return actor


def _limit(limit: int) -> int:
    if not 1 <= limit <= limits.PAGE_ROWS:
        raise BadRequest(f"limit is {limit}", remedy=f"ask for 1 to {limits.PAGE_ROWS}")
    return limit


def _place(after: str | None) -> tuple[str, str, str] | None:
    if after is None:
        return None
    try:
        key, channel, recipient = json.loads(base64.urlsafe_b64decode(after.encode()))
        return str(key), str(channel), str(recipient)
    except (binascii.Error, ValueError, TypeError):
        raise BadRequest("after is not a cursor of this list", remedy="use the list's own next") from None

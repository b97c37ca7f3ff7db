"""A channel as a city's settings name it, and how it is opened."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field

from cityheart.kernel.errors import Invalid

if TYPE_CHECKING:
    from cityheart.kernel.outbox import Delivery, Message

__all__ = ["Channel", "ChannelKind", "open_channels", "units_of"]


class Channel(BaseModel):
    """One way out of the city: ``[[channels]]`` in its settings. Secrets stay in the environment."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z][a-z0-9-]{0,39}$", description="short name, unlike that of any other channel")
    kind: str = Field(description="email, webhook, or a kind that a plug-in brings")
    address: str = Field(
        min_length=1,
        max_length=2000,
        description="email: the mail server, smtp://HOST:587 or smtps://HOST:465; webhook: the receiver's https address",
    )
    topics: tuple[str, ...] = Field(default=(), description="only messages of these topics; empty: of all")
    departments: tuple[str, ...] = Field(default=(), description="only what concerns these departments; empty: all")
    secret_env: str = Field(
        default="",
        pattern=r"^([A-Z_][A-Z0-9_]*)?$",
        description="environment variable that holds the password (email) or the signing secret (webhook)",
    )
    user: str = Field(default="", max_length=200, description="email: name to sign in with at the mail server")
    sender: str = Field(default="", max_length=320, description="email: the address letters come from")
    recipients: tuple[str, ...] = Field(
        default=(), description="email: addresses that get every letter, besides whoever is on duty"
    )
    starttls: Literal["require", "never"] = Field(
        default="require", description="email: never only for a mail server on the same machine"
    )
    allow_private: bool = Field(
        default=False, description="webhook: the receiver may stand in a private network, and may use plain http"
    )

    def secret(self) -> str:
        """The secret, from the environment. Raises :class:`Invalid` when it is named and not there."""
        if not self.secret_env:
            return ""
        value = os.environ.get(self.secret_env, "")
        if not value:
            raise Invalid(
                f"channel {self.name}: the environment has no {self.secret_env}",
                remedy=f"start the city with {self.secret_env} set, e.g. from the service's environment file",
            )
        return value

    def wants(self, message: Message) -> bool:
        """Whether the message is of a topic and a department that the channel is for."""
        if self.topics and message.topic not in self.topics:
            return False
        return not self.departments or not units_of(message.payload).isdisjoint(self.departments)


@dataclass(frozen=True)
class ChannelKind:
    """A kind of channel, a plug-in of the hook ``channels``.

    ``problems(channel)`` says in one line each what is wrong with its settings, ``open(channel)`` gives the way out and
    may raise :class:`Invalid`.
    """

    name: str
    problems: Callable[[Channel], list[str]]
    open: Callable[[Channel], Delivery]


def open_channels(channels: Iterable[Channel], kinds: Iterable[ChannelKind]) -> list[Delivery]:
    """The ways out that settings name. Raises :class:`Invalid` naming the channel that is wrong, in one line."""
    known = {kind.name: kind for kind in kinds}
    opened: dict[str, Delivery] = {}
    for channel in channels:
        if channel.name in opened or channel.name in ("file", "inbox"):
            raise Invalid(f"channel {channel.name}: the name is taken", remedy="give each channel a name of its own")
        kind = known.get(channel.kind)
        if kind is None:
            kinds_known = ", ".join(sorted(known))
            raise Invalid(f"channel {channel.name}: there is no kind {channel.kind}", remedy=f"kinds: {kinds_known}")
        wrong = kind.problems(channel)
        if wrong:
            raise Invalid(
                f"channel {channel.name}: {'; '.join(wrong)}", remedy="see docs/how-to/send-orders-out.md for examples"
            )
        channel.secret()
        opened[channel.name] = kind.open(channel)
    return list(opened.values())


def units_of(payload: Mapping[str, object]) -> set[str]:
    """The departments that a message concerns: ``unit``, ``to``, ``units`` of it and of each of its ``orders``."""
    found: set[str] = set()
    orders = payload.get("orders")
    for part in [payload, *(orders if isinstance(orders, list) else [])]:
        if isinstance(part, dict):
            units = part.get("units")
            named = [part.get("unit"), part.get("to"), *(units if isinstance(units, list) else [])]
            found |= {name for name in named if isinstance(name, str)}
    return found

"""Ways out of the outbox that a city's settings open: e-mail and webhooks. Each kind is a module beside this one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from cityheart.kernel.hooks import hookimpl

if TYPE_CHECKING:
    from cityheart.kernel.deliveries.channel import ChannelKind

__all__ = ["channels"]


@hookimpl
def channels() -> Iterable[ChannelKind]:
    """The kinds that are built in."""
    # here, because settings name channels and every command reads settings: most open none
    from cityheart.kernel.deliveries.channel import ChannelKind
    from cityheart.kernel.deliveries.mail import Mail
    from cityheart.kernel.deliveries.webhook import Webhook

    return [ChannelKind("email", Mail.problems, Mail), ChannelKind("webhook", Webhook.problems, Webhook)]

"""Webhooks: a message as a CloudEvent, signed, to a department's own system.

CloudEvents 1.0, structured JSON; the signature is that of Standard Webhooks (HMAC-SHA256 over id, timestamp and body), so
receivers verify it with a library of theirs. The receiver's address is looked up once and the call goes to what was looked
at: with ``allow_private`` left out nothing inside the city's own network can be reached through a name that changes its
mind. Redirects are not followed, proxies of the environment not used, answers read up to a limit.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import ipaddress
import socket
import ssl
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import httpx

from cityheart.kernel import limits
from cityheart.kernel.clock import stopwatch
from cityheart.kernel.deliveries.channel import Channel
from cityheart.kernel.errors import Invalid
from cityheart.kernel.outbox import SENT, UNTRIED, Message, Outcome, Sending, failed, refused
from cityheart.kernel.schema import canonical

__all__ = ["Webhook", "cloud_event", "signed"]

Resolve = Callable[[str, int], list[str]]
DOWN = (httpx.ConnectError, httpx.TimeoutException, httpx.NetworkError, httpx.RemoteProtocolError)
BUSY = (429, 503)
NEVER = (400, 405, 410, 413, 414, 415, 422)  # the message itself is not wanted; 401, 403, 404 are mended over there


class Webhook:
    """A channel that calls a receiver. ``resolve(host, port)`` gives the addresses of a host."""

    batch = limits.CHANNEL_LETTERS

    def __init__(self, channel: Channel, resolve: Resolve | None = None) -> None:
        self._channel = channel
        self._resolve = resolve or _resolved
        self.name = channel.name
        self._url = httpx.URL(channel.address)
        self._trust = ssl.create_default_context()
        _secret(channel.secret())

    @staticmethod
    def problems(channel: Channel) -> list[str]:
        """An address that is none or is not encrypted, a secret that is missing."""
        found = []
        parts = urlsplit(channel.address)
        schemes = ("https", "http") if channel.allow_private else ("https",)
        try:
            httpx.URL(channel.address)
            right = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
        except (ValueError, httpx.InvalidURL):
            right = False
        if not right:
            found.append(f"address does not begin with {' or '.join(f'{scheme}://' for scheme in schemes)}")
        elif parts.username or parts.password or parts.fragment:
            found.append("address holds a name, a password or a #; leave them out")
        if not channel.secret_env:
            found.append("secret_env is missing: the receiver must be able to tell our messages from others'")
        if channel.user or channel.sender or channel.recipients:
            found.append("user, sender and recipients are for e-mail")
        return found

    def recipients(self, message: Message) -> Sequence[str]:
        """The receiver, once, when the message is of its topics and departments."""
        return ("",) if self._channel.wants(message) else ()

    def send(self, sending: Sending, messages: Sequence[Message]) -> Sequence[Outcome]:
        """One call a message; when the receiver cannot be reached, what is left was not tried."""
        begun = stopwatch()
        outcomes: list[Outcome] = []
        with httpx.Client(
            timeout=limits.CHANNEL_SECONDS, follow_redirects=False, trust_env=False, verify=self._trust
        ) as client:
            for message in messages:
                if stopwatch() - begun > limits.OUTBOX_SENDING.total_seconds():
                    break
                try:
                    outcome = self._call(client, sending, message)
                except DOWN as error:
                    outcomes.append(failed(f"the receiver cannot be reached: {type(error).__name__}"))
                    break
                outcomes.append(outcome)
                if outcome.after is not None:
                    break
        return outcomes + [UNTRIED] * (len(messages) - len(outcomes))

    def _call(self, client: httpx.Client, sending: Sending, message: Message) -> Outcome:
        host = self._url.host
        port = self._url.port or (443 if self._url.scheme == "https" else 80)
        try:
            address = self._allowed(host, port)
        except OSError:
            return failed("the receiver's name is not known")
        if address is None:
            return refused(
                "the receiver stands in a private network; allow_private in the channel's settings permits it"
            )
        body = cloud_event(sending.name, message)
        moment = sending.database.clock.now()
        headers = {
            "host": self._url.netloc.decode("ascii"),
            "content-type": "application/cloudevents+json; charset=utf-8",
            "user-agent": "CityHeart",
            **signed(self._channel.secret(), message.key, moment, body),
        }
        request = client.build_request(
            "POST",
            self._url.copy_with(host=address, port=port),
            content=body,
            headers=headers,
            extensions={"sni_hostname": host},
        )
        answer = client.send(request, stream=True)
        try:
            read, begun = 0, stopwatch()
            for piece in answer.iter_raw():
                read += len(piece)
                if read > limits.WEBHOOK_ANSWER_BYTES or stopwatch() - begun > limits.CHANNEL_SECONDS:
                    break
        finally:
            answer.close()
        return _outcome(answer, moment)

    def _allowed(self, host: str, port: int) -> str | None:
        """The address to call; ``None`` when any of the host's is private and that is not permitted."""
        found = self._resolve(host, port)
        if not found:
            raise OSError(host)
        if not self._channel.allow_private and not all(_public(address) for address in found):
            return None
        return found[0]


def cloud_event(city: str, message: Message) -> bytes:
    """A message as a CloudEvent 1.0 in structured JSON; ``id`` is the key by which a receiver drops what it has seen."""
    event = {
        "specversion": "1.0",
        "id": message.key,
        "source": f"/cityheart/{city}",
        "type": f"org.cityheart.{message.topic}",
        "time": message.posted_at,
        "datacontenttype": "application/json",
        "data": message.payload,
    }
    return canonical(event).encode()


def signed(secret: str, key: str, moment: datetime, body: bytes) -> dict[str, str]:
    """The headers of Standard Webhooks. ``secret`` is ``whsec_`` and base64, or any text of 24 bytes and more."""
    stamp = str(int(moment.timestamp()))
    key = hashlib.sha256(key.encode()).hexdigest() if not key.isascii() or not key.isprintable() else key
    mark = hmac.new(_secret(secret), f"{key}.{stamp}.".encode() + body, hashlib.sha256).digest()
    return {
        "webhook-id": key,
        "webhook-timestamp": stamp,
        "webhook-signature": "v1," + base64.b64encode(mark).decode(),
    }


def _secret(value: str) -> bytes:
    try:
        key = base64.b64decode(value.removeprefix("whsec_"), validate=True) if value.startswith("whsec_") else None
    except binascii.Error:
        raise Invalid("the signing secret is not base64 after whsec_", remedy="make one anew") from None
    key = value.encode() if key is None else key
    if len(key) < 24:
        raise Invalid("the signing secret has fewer than 24 bytes", remedy="make one with: openssl rand -base64 32")
    return key


def _outcome(answer: httpx.Response, moment: datetime) -> Outcome:
    status = answer.status_code
    if 200 <= status < 300:
        return SENT
    if 300 <= status < 400:
        return failed(f"the receiver answers {status}, a redirect; name its final address")
    if status in NEVER:
        return refused(f"the receiver answers {status}")
    after = _retry_after(answer.headers.get("retry-after", ""), moment) if status in BUSY else None
    return failed(f"the receiver answers {status}", after)


def _retry_after(value: str, moment: datetime) -> timedelta | None:
    try:
        return timedelta(seconds=min(int(value), 86400)) if value.isdigit() else parsedate_to_datetime(value) - moment
    except (TypeError, ValueError, OverflowError):
        return None


def _resolved(host: str, port: int) -> list[str]:
    return list(dict.fromkeys(str(one[4][0]) for one in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))


def _public(address: str) -> bool:
    parsed = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(parsed, "ipv4_mapped", None) or getattr(parsed, "sixtofour", None)
    return parsed.is_global and not parsed.is_multicast and (mapped is None or mapped.is_global)

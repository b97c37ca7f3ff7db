"""E-mail: one letter an addressee, through the city's mail server, in both languages, as plain text and HTML.

Letters go to the addresses of whoever is on duty for the department at that moment and to the channel's own
``recipients``. The connection is encrypted unless the settings say that the server stands on the same machine. A letter's
Message-ID is made from the message's key, so a letter that is sent twice around a crash is known again. No header is made
of text that could end one.
"""

from __future__ import annotations

import html
import smtplib
import ssl
from collections.abc import Sequence
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from urllib.parse import urlsplit

from cityheart.kernel import limits
from cityheart.kernel.clock import stopwatch
from cityheart.kernel.deliveries.channel import Channel
from cityheart.kernel.deliveries.letters import Letter, addressees, letter
from cityheart.kernel.ids import derive
from cityheart.kernel.outbox import SENT, UNTRIED, Message, Outcome, Sending, failed, refused

__all__ = ["Mail"]

LOCAL = ("localhost", "127.0.0.1", "::1")


class Mail:
    """A channel that writes e-mail."""

    batch = limits.CHANNEL_LETTERS

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self.name = channel.name
        parts = urlsplit(channel.address)
        self._encrypted = parts.scheme == "smtps"
        self._host = parts.hostname or ""
        self._port = parts.port or (465 if self._encrypted else 587)

    @staticmethod
    def problems(channel: Channel) -> list[str]:
        """A server that is none, a sender that is missing, addresses that are none, a password without encryption."""
        found = []
        parts = urlsplit(channel.address)
        try:
            right = parts.scheme in ("smtp", "smtps") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            right = False
        if not right or parts.username or parts.path.strip("/") or parts.query:
            found.append("address is not smtp://HOST:587 or smtps://HOST:465")
        found += [
            f"{name} is not an e-mail address"
            for name, address in [("sender", channel.sender), *(("a recipient", one) for one in channel.recipients)]
            if not is_address(address)
        ]
        if bool(channel.user) != bool(channel.secret_env):
            found.append("user and secret_env go together")
        plain = channel.starttls == "never" and parts.scheme == "smtp"
        if plain and channel.user and parts.hostname not in LOCAL:
            found.append("a password is not sent over a connection that is not encrypted: leave out starttls")
        return found

    def recipients(self, message: Message) -> Sequence[str]:
        """Its addressees, each with tries of its own: one address that fails does not repeat the others' letters."""
        if not self._channel.wants(message):
            return ()
        only = self._channel.departments
        return [to for to in addressees(message) if not only or to in only]

    def send(self, sending: Sending, messages: Sequence[Message]) -> Sequence[Outcome]:
        """One connection for all; when the server cannot be talked to, what is left was not tried."""
        begun, outcomes = stopwatch(), []
        ready = [(message, self._letters(sending, message)) for message in messages]
        if not any(letters for _, letters in ready):
            return [SENT for _ in messages]  # nobody to write to: the inbox of the console has it
        try:
            with self._connected() as server:
                for _, letters in ready:
                    if stopwatch() - begun > limits.OUTBOX_SENDING.total_seconds():
                        break
                    outcomes.append(_given(server, letters))
        except (OSError, smtplib.SMTPException) as error:
            permanent = isinstance(error, smtplib.SMTPAuthenticationError)
            why = "the mail server refuses the name and password" if permanent else f"{type(error).__name__}: {error}"
            if len(outcomes) < len(ready):
                outcomes.append(failed(why))
        return outcomes + [UNTRIED] * (len(ready) - len(outcomes))

    def _connected(self) -> smtplib.SMTP:
        context = ssl.create_default_context()
        seconds = limits.CHANNEL_SECONDS
        if self._encrypted:
            server: smtplib.SMTP = smtplib.SMTP_SSL(self._host, self._port, timeout=seconds, context=context)
        else:
            server = smtplib.SMTP(self._host, self._port, timeout=seconds)
        try:
            if not self._encrypted and self._channel.starttls == "require":
                server.starttls(context=context)
            if self._channel.user:
                server.login(self._channel.user, self._channel.secret())
        except BaseException:
            server.close()
            raise
        return server

    def _letters(self, sending: Sending, message: Message) -> list[EmailMessage]:
        found = letter(message, message.recipient, sending.zone, sending.titles())
        addresses = dict.fromkeys((*sending.addresses(message.recipient), *self._channel.recipients))
        return [
            written(sending, self._channel.sender, address, found, f"{message.key}|{self.name}|{message.recipient}")
            for address in addresses
            if is_address(address)
        ]


def _given(server: smtplib.SMTP, letters: Sequence[EmailMessage]) -> Outcome:
    """Hand over the letters of one message; the server being gone is for the caller."""
    outcome = SENT
    for each in letters:
        try:
            server.send_message(each)
        except smtplib.SMTPServerDisconnected:
            raise
        except smtplib.SMTPRecipientsRefused as error:
            code = next(iter(error.recipients.values()))[0]
            outcome = refused(f"the mail server refuses the address ({code})") if code >= 500 else failed(f"({code})")
        except smtplib.SMTPResponseException as error:
            said = f"{error.smtp_code} {error.smtp_error!r}"
            outcome = refused(said) if error.smtp_code >= 500 else failed(said)
    return outcome


def written(sending: Sending, sender: str, to: str, what: Letter, key: str) -> EmailMessage:
    """A letter as e-mail: Chinese first, then English, as plain text and as HTML in which nothing is markup but ours."""
    mail = EmailMessage(policy=SMTP)
    mail["From"] = Address(_line(sending.title["zh-CN"]), addr_spec=sender)
    mail["To"] = Address(addr_spec=to)
    mail["Subject"] = _line(f"{what.subject['zh-CN']} | {what.subject['en']}")
    mail["Message-ID"] = f"<{derive('mail', key, to)}@{sender.rpartition('@')[2]}>"
    mail["Date"] = format_datetime(sending.database.clock.now())
    mail["Auto-Submitted"] = "auto-generated"  # out-of-office replies are not wanted (RFC 3834)
    link = sending.url.rstrip("/") + what.path if sending.url else ""
    plain, rich = [], []
    for language, hint in (("zh-CN", "请登录城心办理"), ("en", "Please sign in to CityHeart")):
        subject, lines = what.subject[language], [line[language] for line in what.lines]
        plain += [subject, "", *(f"- {line}" for line in lines), "", f"{hint} {link}".strip(), "", ""]
        items = "".join(f"<li>{html.escape(line)}</li>" for line in lines)
        where = f'<a href="{html.escape(link)}">{html.escape(hint)}</a>' if link else html.escape(hint)
        rich.append(f'<div lang="{language}"><h3>{html.escape(subject)}</h3><ul>{items}</ul><p>{where}</p></div>')
    mail.set_content("\n".join(plain))
    mail.add_alternative("<!doctype html><html><body>" + "<hr>".join(rich) + "</body></html>", subtype="html")
    return mail


def is_address(value: str) -> bool:
    """Whether this is one e-mail address and nothing else."""
    if not 3 <= len(value) <= 254 or any(sign.isspace() or not sign.isprintable() for sign in value):
        return False
    try:
        parsed = Address(addr_spec=value)
    except (MessageError, ValueError, IndexError):  # the parser of the library raises whichever it comes upon
        return False
    return parsed.addr_spec == value and bool(parsed.username) and bool(parsed.domain)


def _line(value: str) -> str:
    """Text as one line: what could end a header is a space."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in value).split())

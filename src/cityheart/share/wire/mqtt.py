"""A subscriber to an MQTT broker that acknowledges a message when the city has it for good.

Paho's thread reads from the broker; another lands what has come, in batches, and acknowledges it then (QoS 1, PUBACK by
hand). An acknowledgement belongs to the connection on which its message came: after a break nothing old is acknowledged,
because the broker sends again what it has not heard of, maybe under other numbers. So nothing is lost, and what comes
twice is one row by its key.

A broker sends only so many messages ahead of their acknowledgements (mosquitto: 20 unless ``max_inflight_messages`` says
more). When it has come to that point it falls silent, and the batch is landed at once instead of waiting its second out.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import paho.mqtt.client as paho
import pyarrow as pa
import structlog
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from cityheart.kernel import limits
from cityheart.kernel.clock import stopwatch
from cityheart.kernel.errors import Problem
from cityheart.kernel.text import LANGUAGES, Text, text
from cityheart.share.connectors.base import Listening, SourceFailed
from cityheart.share.formats.mqtt_json import MESSAGES
from cityheart.share.models import Delivery

__all__ = ["Broker", "Subscriber"]

log = structlog.get_logger("share")

_AHEAD = 20  # messages a broker sends at least before it waits for acknowledgements
_SILENCE = 0.05  # seconds without a message after so many: the broker waits
_LEAVING = 3.0  # seconds a broker is given to take the last acknowledgements
_RECEIVE = 65_535  # messages that MQTT 5 lets a broker send ahead
_PACKET_BYTES = 2**20  # largest packet that MQTT 5 lets it send


@dataclass(frozen=True)
class Broker:
    """Where a broker is and who the city is to it. `version` is 3 (3.1.1) or 5; `keepalive` in seconds."""

    host: str
    port: int
    tls: bool = False
    ca_file: Path | None = None
    version: int = 5
    client_id: str = "cityheart"
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    keepalive: int = 30


_READ_BYTES = 65_536  # asked of the system at once
_PUBACK = b"\x40\x02"  # of an acknowledgement, before its number


class _Client(paho.Client):
    """Paho's client, which asks whether to begin anew where paho's thread would end: at what no broker should send.

    It reads and acknowledges many messages with one call of the system, where paho takes four for each.
    """

    anew: Callable[[Exception], bool]
    _ahead = b""  # read and not yet taken, from a place on
    _place = 0

    def _sock_recv(self, bufsize: int) -> bytes:
        if self._place >= len(self._ahead):
            self._ahead, self._place = super()._sock_recv(_READ_BYTES), 0
        piece = self._ahead[self._place : self._place + bufsize]
        self._place += len(piece)
        return piece

    def _sock_close(self) -> None:
        self._ahead, self._place = b"", 0
        super()._sock_close()

    def loop_read(self, max_packets: int = 1) -> MQTTErrorCode:
        while True:
            code = super().loop_read(max_packets)
            if code is not MQTTErrorCode.MQTT_ERR_SUCCESS or self._place >= len(self._ahead):
                return code

    def acknowledge(self, numbers: Sequence[int]) -> None:
        """Acknowledge messages of quality 1."""
        packets = b"".join(_PUBACK + number.to_bytes(2) for number in numbers)
        self._packet_queue(_PUBACK[0], packets, numbers[-1], 1)

    def loop_forever(self, timeout: float = 1.0, retry_first_connection: bool = False) -> MQTTErrorCode:
        while True:
            try:
                return super().loop_forever(timeout, retry_first_connection)
            except Exception as error:
                if not self.anew(error):
                    return MQTTErrorCode.MQTT_ERR_UNKNOWN


@dataclass
class _Batch:
    """Messages in the order they came."""

    at: list[datetime] = field(default_factory=list)
    topics: list[str | None] = field(default_factory=list)
    payloads: list[bytes] = field(default_factory=list)
    answers: list[tuple[int, int]] = field(default_factory=list)  # connection, message number; those to acknowledge
    bytes: int = 0
    begun: float = 0.0


class Subscriber:
    """A listener (``connectors.base.Listener``) for the messages of a broker; connects when it is made.

    A broker that cannot be reached is tried again, ever more seldom up to once a minute. Raises SourceFailed for
    certificates that cannot be used.
    """

    address: tuple[str, int] | None = None

    def __init__(self, listening: Listening, broker: Broker, topic: str, *, seconds: float, messages: int) -> None:
        self._listening = listening
        self._topic = topic
        self._seconds = seconds
        self._messages = messages
        self._lock = threading.Condition()  # over all that both threads know
        self._batch = _Batch()
        self._last = 0.0  # when the last message came
        self._unlanded = 0  # bytes that have come and are not landed
        self._connection = 0  # number of the present one
        self._connected = False  # and subscribed
        self._stopping = False
        self._asked_to_stop = threading.Event()
        self._heard_out = threading.Event()
        self._why: dict[str, Text | None] = {"broker": None, "landing": None}
        self._told: Text | None = None
        self._counts: dict[str, int] = dict.fromkeys(
            ("connected", "frames", "bytes", "rows", "quarantined", "batches", "failures", "answers", "repeats"), 0
        )
        self._landing_seconds = 0.0
        self._broker = broker
        self._client = self._made()
        self._dial()
        self._worker = threading.Thread(target=self._work, name=f"land {listening.source}", daemon=True)
        self._client.loop_start()
        self._worker.start()

    def figures(self) -> Mapping[str, int | float]:
        """Whether it is subscribed; since it began: connections, messages, bytes, rows, acknowledgements; what waits."""
        with self._lock:
            return {
                "connections": int(self._connected),
                **self._counts,
                "waiting_frames": len(self._batch.payloads),
                "waiting_bytes": self._unlanded,
                "landing_seconds": self._landing_seconds,
            }

    def stop(self, seconds: float) -> None:
        """Land and acknowledge what has come, and go; the broker keeps the session and what is published meanwhile."""
        ends = stopwatch() + seconds
        with self._lock:
            self._stopping = True
            self._asked_to_stop.set()
            self._lock.notify_all()
        self._worker.join(max(0.0, ends - stopwatch()))
        if self._connected:
            # it is answered after all acknowledgements before it have been taken, which a close at once could cut off
            self._client.unsubscribe(f"cityheart/{self._listening.source}/leaves")
            self._heard_out.wait(max(0.0, min(_LEAVING, ends - stopwatch())))
        self._client.disconnect()
        self._client.loop_stop()

    # ── the broker ─────────────────────────────────────────────────────────────────────────────────────────────

    def _made(self) -> _Client:
        broker = self._broker
        latest = broker.version == 5
        client = _Client(
            CallbackAPIVersion.VERSION2,
            client_id=broker.client_id,
            clean_session=None if latest else False,
            protocol=paho.MQTTv5 if latest else paho.MQTTv311,
            manual_ack=True,
        )
        if broker.username is not None:
            client.username_pw_set(broker.username, broker.password)
        if broker.tls:
            try:
                client.tls_set(ca_certs=str(broker.ca_file) if broker.ca_file else None)
            except (OSError, ssl.SSLError) as error:
                raise SourceFailed(text(f"证书不可用：{error}", f"the certificates cannot be used: {error}")) from error
        client.reconnect_delay_set(limits.MQTT_RETRY_FIRST, limits.MQTT_RETRY_LONGEST)
        client.anew = self._anew
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        client.on_unsubscribe = lambda *answer: self._heard_out.set()
        return client

    def _dial(self) -> None:
        """Say where to connect to, and that the session goes on; paho's thread does it."""
        broker = self._broker
        if broker.version != 5:
            self._client.connect_async(broker.host, broker.port, broker.keepalive)
            return
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = int(limits.MQTT_SESSION.total_seconds())
        properties.ReceiveMaximum = _RECEIVE
        properties.MaximumPacketSize = _PACKET_BYTES
        self._client.connect_async(broker.host, broker.port, broker.keepalive, clean_start=False, properties=properties)

    def _anew(self, error: Exception) -> bool:
        """Connect anew after what no broker should send; False when it was to stop."""
        self._lost()
        log.exception("mqtt.failed", source=self._listening.source)
        shown = f"{type(error).__name__}: {error}"[:200]
        self._say("broker", text(f"消息代理的应答无法理解：{shown}", f"the broker says what makes no sense: {shown}"))
        if self._asked_to_stop.wait(limits.MQTT_RETRY_FIRST):
            return False
        self._dial()
        return True

    def _lost(self) -> bool:
        """Note that the connection has ended; whether that was not asked for."""
        with self._lock:
            self._connection += 1  # what came before cannot be acknowledged any more
            self._connected = False
            self._lock.notify_all()
            return not self._stopping

    def _on_connect(
        self, client: paho.Client, data: object, flags: object, code: ReasonCode, properties: object
    ) -> None:
        if code.is_failure:
            self._say("broker", text(f"消息代理拒绝连接：{code}", f"the broker refuses the connection: {code}"))
            return
        with self._lock:
            self._connection += 1
            self._counts["connected"] += 1
        error, _ = client.subscribe(self._topic, qos=1)
        if error is not MQTTErrorCode.MQTT_ERR_SUCCESS:
            self._say("broker", text(f"无法订阅 {self._topic}", f"cannot subscribe to {self._topic}: {error}"))

    def _on_subscribe(
        self, client: paho.Client, data: object, number: int, codes: list[ReasonCode], properties: object
    ) -> None:
        refused = [code for code in codes if code.is_failure]
        if refused:
            why = text(
                f"消息代理不允许订阅 {self._topic}：{refused[0]}", f"the broker refuses {self._topic}: {refused[0]}"
            )
            self._say("broker", why)
            return
        with self._lock:
            self._connected = True
        log.info("mqtt.subscribed", source=self._listening.source, topic=self._topic)
        self._say("broker", None)

    def _on_connect_fail(self, client: paho.Client, data: object) -> None:
        where = f"{self._broker.host}:{self._broker.port}"
        self._say("broker", text(f"连接不上消息代理 {where}", f"the broker {where} cannot be reached"))

    def _on_disconnect(
        self, client: paho.Client, data: object, flags: object, code: ReasonCode, properties: object
    ) -> None:
        if self._lost():
            self._say("broker", text(f"与消息代理的连接断开：{code}", f"the connection to the broker broke: {code}"))

    def _on_message(self, client: paho.Client, data: object, message: paho.MQTTMessage) -> None:
        try:
            topic: str | None = message.topic
        except UnicodeDecodeError:
            topic = None
        now = self._listening.clock.now()
        size = len(message.payload) + len(topic or "")
        with self._lock:
            while self._unlanded > limits.MQTT_WAITING_BYTES and not self._stopping:
                self._lock.wait()  # nothing more is read: the broker keeps it
            if self._stopping:
                return  # not acknowledged: it comes again
            batch = self._batch
            batch.at.append(now)
            batch.topics.append(topic)
            batch.payloads.append(bytes(message.payload))
            batch.bytes += size
            if message.qos:
                batch.answers.append((self._connection, message.mid))
            self._unlanded += size
            self._counts["frames"] += 1
            self._counts["bytes"] += size
            self._counts["repeats"] += message.dup
            self._last = stopwatch()
            if len(batch.payloads) == 1:
                batch.begun = self._last
                self._lock.notify_all()
            elif len(batch.payloads) in (_AHEAD, self._messages):
                self._lock.notify_all()

    # ── landing ────────────────────────────────────────────────────────────────────────────────────────────────

    def _work(self) -> None:
        while True:
            with self._lock:
                while (left := self._left()) is None or left > 0:
                    if left is None and self._stopping:
                        return
                    self._lock.wait(left)
                batch, self._batch = self._batch, _Batch()
            if not self._land(batch):
                return
            self._acknowledge(batch.answers)
            with self._lock:
                self._unlanded -= batch.bytes
                self._lock.notify_all()

    def _left(self) -> float | None:
        """Seconds until the batch is due; None without one."""
        batch = self._batch
        count = len(batch.payloads)
        if not count:
            return None
        if self._stopping or count >= self._messages or self._unlanded > limits.MQTT_WAITING_BYTES:
            return 0.0
        now = stopwatch()
        due = batch.begun + self._seconds
        if count >= _AHEAD:
            due = min(due, self._last + _SILENCE)
        return max(0.0, due - now)

    def _land(self, batch: _Batch) -> bool:
        """Land a batch, however long that takes; False when it was to stop before it could."""
        begun = stopwatch()
        now = self._listening.clock.now()
        one = Delivery(f"mqtt-{now:%Y%m%dT%H%M%S.%f}", now, _recorded(batch), "mqtt-json")
        wait = limits.WIRE_RETRY_FIRST.total_seconds()
        while (reason := self._landed_or_why(one)) is not None:
            log.error("listener.halted", source=self._listening.source, reason=reason["en"])
            self._say("landing", reason)
            if self._asked_to_stop.wait(wait):
                return False
            wait = min(wait * 2, limits.WIRE_RETRY_LONGEST.total_seconds())
        self._say("landing", None)
        with self._lock:
            self._counts["batches"] += 1
            self._landing_seconds = stopwatch() - begun
        return True

    def _landed_or_why(self, one: Delivery) -> Text | None:
        """Land once; None when it is durable, else why not."""
        try:
            (result,) = self._listening.land([one])
        except Problem as problem:
            shown = problem.both()[0]
        except OSError as error:
            shown = dict.fromkeys(LANGUAGES, str(error)[:300])
        except Exception as error:  # whatever it is, nothing that came may be lost for it
            log.exception("listener.failed", source=self._listening.source)
            shown = dict.fromkeys(LANGUAGES, f"{type(error).__name__}: {error}"[:300])
        else:
            with self._lock:
                self._counts["rows"] += result.rows
                self._counts["quarantined"] += result.quarantined
            return None
        with self._lock:
            self._counts["failures"] += 1
        return text(f"暂时无法入库：{shown['zh-CN']}", f"nothing can be landed now: {shown['en']}")

    def _acknowledge(self, answers: Sequence[tuple[int, int]]) -> None:
        """Tell the broker what is durable; what came on an earlier connection it will send again."""
        for start in range(0, len(answers), 500):
            with self._lock:  # a connection cannot end in between
                some = [number for connection, number in answers[start : start + 500] if connection == self._connection]
                if some:
                    self._client.acknowledge(some)
                    self._counts["answers"] += len(some)

    def _say(self, what: str, reason: Text | None) -> None:
        """Tell the source's state when it has changed: what keeps it from landing, else from hearing, else nothing."""
        with self._lock:
            self._why[what] = reason
            now = self._why["landing"] or self._why["broker"]
            if now == self._told and (now is not None or what == "landing"):
                return
            self._told = now
        self._listening.report(now)


def _recorded(batch: _Batch) -> bytes:
    """Messages as they are kept: an Arrow stream of ``MESSAGES``."""
    table = pa.table([batch.at, batch.topics, batch.payloads], schema=MESSAGES)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, MESSAGES) as writer:
        writer.write_table(table, max_chunksize=limits.WIRE_BATCH_FRAMES)
    payload: bytes = sink.getvalue().to_pybytes()
    return payload

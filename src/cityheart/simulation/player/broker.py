"""An MQTT broker for systems of a test city that publish, mosquitto where it is installed, and clients that publish for them."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
from collections import deque
from datetime import datetime
from pathlib import Path

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from cityheart.sdk import Invalid, stopwatch
from cityheart.simulation.player.embedded import SUBSCRIPTIONS, Embedded
from cityheart.simulation.player.wire import MESSAGES, Recording

__all__ = ["PLACES", "Broker", "Publisher"]

STARTING_SECONDS = 10.0  # until the broker must take connections
STARTS = 5  # tries to start it: another program may take the port that was free
INFLIGHT = 1_000  # messages on the way to the broker that it has not acknowledged
PLACES = "/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/sbin"
_SETTINGS = """\
listener {port} 127.0.0.1
allow_anonymous true
persistence false
max_queued_messages 0
max_inflight_messages {inflight}
sys_interval 1
log_dest none
"""


class Broker:
    """A broker on a free port of this machine, a small one of our own without mosquitto. Raises :class:`Invalid`."""

    def __init__(self, work: Path) -> None:
        program = shutil.which("mosquitto") or shutil.which("mosquitto", path=PLACES)
        self.options: dict[str, object] = {}  # by which a source can speak with it
        self._process: subprocess.Popen[bytes] | None = None
        self._embedded: Embedded | None = None
        if program is None:
            try:
                self._embedded = Embedded()
            except OSError as problem:
                raise Invalid(
                    f"no MQTT broker can be started: {problem}", remedy="install one: apt-get install mosquitto"
                ) from problem
            self._port = self._embedded.port
            self.options["version"] = 3
        else:
            self._start(program, work)
        self.url = f"mqtt://127.0.0.1:{self._port}"
        self._publishers: list[Publisher] = []
        self._subscribed = 0
        self._watching = self._client("watch")
        self._watching.on_connect = lambda client, *_: client.subscribe(SUBSCRIPTIONS)
        self._watching.on_message = self._counted
        self._watching.connect("127.0.0.1", self._port)
        self._watching.loop_start()

    def _start(self, program: str, work: Path) -> None:
        """Start mosquitto on a port that is free."""
        for _ in range(STARTS):
            self._port = _free_port()
            settings = work / "mosquitto.conf"
            settings.write_text(_SETTINGS.format(port=self._port, inflight=INFLIGHT), "utf-8")
            self._process = subprocess.Popen(  # noqa: S603  (our own file, a program found by name)
                [program, "-c", str(settings)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            if self._answers(self._process):
                return
            self._stop()
        raise Invalid(f"{program} does not start", remedy="start it by hand to see why")

    def publisher(self, source: str, path: Path) -> Publisher:
        """A client that publishes a recording. Raises :class:`Invalid` when that is damaged."""
        publisher = Publisher(source, path, self._client(source), self)
        publisher.connect(self._port)
        self._publishers.append(publisher)
        return publisher

    @property
    def listened(self) -> bool:
        """Whether the city has subscribed for every source: what is published before would be heard by nobody."""
        return self._subscribed > len(self._publishers)  # one subscription is the player's own

    @property
    def waiting(self) -> int:
        """Messages that the broker has not taken yet."""
        return sum(each.waiting for each in self._publishers)

    @property
    def published(self) -> dict[str, int]:
        """Messages that the broker has taken, by source."""
        return {each.source: each.published for each in self._publishers}

    def close(self) -> None:
        """End the clients and the broker."""
        for publisher in self._publishers:
            publisher.close()
        self._watching.disconnect()
        self._watching.loop_stop()
        self._stop()

    def _client(self, name: str) -> mqtt.Client:
        client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=f"player-{name}", protocol=mqtt.MQTTv311)
        client.max_inflight_messages_set(INFLIGHT)
        client.max_queued_messages_set(0)
        return client

    def _counted(self, client: mqtt.Client, userdata: object, message: mqtt.MQTTMessage) -> None:
        if message.payload.isdigit():
            self._subscribed = int(message.payload)

    def _answers(self, process: subprocess.Popen[bytes]) -> bool:
        ends = stopwatch() + STARTING_SECONDS
        waiter = threading.Event()
        while stopwatch() < ends and process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self._port), timeout=1).close()
            except OSError:
                waiter.wait(0.02)
            else:
                return process.poll() is None
        return False

    def _stop(self) -> None:
        if self._embedded is not None:
            self._embedded.close()
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


class Publisher:
    """Publishes the messages of a recording, at least once each; what nobody would hear yet waits."""

    def __init__(self, source: str, path: Path, client: mqtt.Client, broker: Broker) -> None:
        self.source = source
        self.published = 0
        self._recording = Recording(path, MESSAGES)
        self._broker = broker
        self._held: deque[tuple[str, bytes]] = deque()
        self._sent = 0
        self._client = client
        self._client.on_publish = self._taken

    def connect(self, port: int) -> None:
        """Connect, in a thread of the client."""
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def skip(self, until: datetime) -> None:
        """Begin after ``until``."""
        self._recording.skip(until)

    def show(self, until: datetime) -> None:
        """Publish what was sent by ``until``, once somebody listens. Raises Invalid for a damaged recording."""
        messages = self._recording.take(until)
        self._held.extend(zip(messages["topic"].to_pylist(), messages["payload"].to_pylist(), strict=True))
        if self._broker.listened:
            while self._held:
                topic, payload = self._held.popleft()
                self._sent += 1
                self._client.publish(topic, payload, qos=1)

    @property
    def waiting(self) -> int:
        """Messages that were sent and that the broker has not taken."""
        return len(self._held) + self._sent - self.published

    def close(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()

    def _taken(self, client: mqtt.Client, userdata: object, *rest: object) -> None:
        self.published += 1


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])

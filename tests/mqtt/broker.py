"""A mosquitto of a test's own: its own address, password file and store; it can be killed and started again."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from cityheart.kernel.clock import stopwatch

INSTALL = "mosquitto is not installed: apt-get install mosquitto"
PATIENCE = 20.0  # seconds until a test gives up waiting


def program() -> str | None:
    """Where mosquitto is; Debian keeps it where only root looks."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


@dataclass
class Broker:
    """A broker. Its address is one of this process alone, so nobody else takes its port while it is down."""

    folder: Path
    options: tuple[str, ...] = ()
    host: str = field(
        default_factory=lambda: f"127.{os.getpid() >> 16 & 127}.{os.getpid() >> 8 & 255}.{os.getpid() & 255}"
    )
    port: int = 0
    process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"mqtt://{self.host}:{self.port}"

    def start(self) -> None:
        """Start it, and wait until it says that it runs."""
        mosquitto = program()
        assert mosquitto is not None
        if not self.port:
            with socket.create_server((self.host, 0)) as free:
                self.port = free.getsockname()[1]
        lines = [
            f"listener {self.port} {self.host}", "persistence true", f"persistence_location {self.folder}/",
            "log_dest stderr",
            "max_queued_messages 0", "max_inflight_messages 1000", "user root" if os.geteuid() == 0 else "",
            *(self.options or ("allow_anonymous true",)),
        ]  # fmt: skip
        (self.folder / "mosquitto.conf").write_text("\n".join(lines) + "\n")
        self.process = subprocess.Popen(
            [mosquitto, "-c", str(self.folder / "mosquitto.conf")],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self.process.stdout is not None
        heard = []
        for line in self.process.stdout:
            heard.append(line)
            if " running" in line:
                break
        else:
            raise AssertionError("mosquitto did not start: " + "".join(heard))
        threading.Thread(target=_drain, args=(self.process,), daemon=True).start()

    def save(self) -> None:
        """Let it write down its sessions, and wait until it has: what a broker with a safe store does all the time."""
        assert self.process is not None
        store = self.folder / "mosquitto.db"
        before = store.stat().st_ino if store.exists() else None
        self.process.send_signal(signal.SIGUSR1)
        until(lambda: store.exists() and store.stat().st_ino != before, "saved")

    def kill(self) -> None:
        """Stop it in the middle of whatever it does, as a power cut would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(PATIENCE)
            self.process = None


def _drain(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    with process.stdout as lines:
        for _ in lines:
            pass


@contextmanager
def running(folder: Path, *options: str) -> Iterator[Broker]:
    """A broker with further lines of configuration, gone afterwards."""
    folder.mkdir()
    broker = Broker(folder, options)
    broker.start()
    try:
        yield broker
    finally:
        broker.kill()


def publish(broker: Broker, messages: Iterable[tuple[str, bytes]], *, retain: bool = False) -> None:
    """Publish with QoS 1, and wait until the broker has taken every one."""
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.max_queued_messages_set(0)
    client.max_inflight_messages_set(500)
    client.connect(broker.host, broker.port)
    client.loop_start()
    try:
        sent = [client.publish(topic, payload, qos=1, retain=retain) for topic, payload in messages]
        for each in sent:
            each.wait_for_publish(PATIENCE)
            assert each.is_published()
    finally:
        client.disconnect()
        client.loop_stop()


def until(true: Callable[[], object], what: str) -> None:
    """Wait for a condition."""
    begun = stopwatch()
    never = threading.Event()
    while not true():
        assert stopwatch() - begun < PATIENCE, f"it did not come true: {what}"
        never.wait(0.01)

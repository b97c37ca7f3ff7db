"""A broker for the tests of MQTT: one for all tests of a module that leave it running, or one's own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from . import broker as brokers
from .broker import Broker


@pytest.fixture(scope="session")
def mosquitto() -> None:
    """Skips where mosquitto is missing, fails in CI."""
    if brokers.program() is None:
        if os.environ.get("CI"):
            pytest.fail(brokers.INSTALL)
        pytest.skip(brokers.INSTALL)


@pytest.fixture
def start_broker(mosquitto: None, tmp_path: Path) -> Iterator[Callable[..., Broker]]:
    """Starts brokers with further lines of configuration; they are gone afterwards."""
    with ExitStack() as stack:
        yield lambda *options: stack.enter_context(brokers.running(tmp_path / "broker", *options))


@pytest.fixture
def broker(start_broker: Callable[..., Broker]) -> Broker:
    """A running broker."""
    return start_broker()

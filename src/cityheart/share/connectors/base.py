"""What a kind of connector is: it asks a system for what is new and hands over deliveries, or listens for them.

Polling, jitter, back-off and state live once, in ``coordinator.py``; a kind only asks, within its limits, and raises
SourceFailed when the system does not answer as it should. A kind that listens is given the landing as a function and
answers its devices only after that has returned: what was answered is durable.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol, runtime_checkable

from cityheart.kernel.clock import Clock
from cityheart.kernel.text import Text, text
from cityheart.share.models import Delivery, Landed

__all__ = [
    "ConnectorKind",
    "DropFolder",
    "FileKind",
    "Listener",
    "ListenerKind",
    "Listening",
    "Pull",
    "Pulled",
    "SourceFailed",
    "secret",
]


@dataclass(frozen=True)
class Pull:
    """One visit to a source. `cursor`: where the last one ended; `known`: which (name, stamp) landed before.

    Relative paths in `options` are taken from `home`, the city's folder.
    """

    source: str
    options: Mapping[str, object]
    cursor: Mapping[str, object]
    now: datetime
    known: Callable[[Sequence[str]], set[tuple[str, str]]] = field(default=lambda names: set())
    home: Path = Path()


@dataclass(frozen=True)
class Pulled:
    """A delivery, and the cursor to keep once it has landed: both become durable in one transaction.

    Without a delivery the cursor alone moves on.
    """

    delivery: Delivery | None
    cursor: Mapping[str, object] | None = None


class ConnectorKind(Protocol):
    """A kind of connector, a plug-in of the hook ``connectors``."""

    name: str
    title: Text
    options: Mapping[str, Text]  # every option and what it means

    def problems(self, options: Mapping[str, object]) -> list[str]:
        """What is wrong with a source's options; empty when nothing is."""
        ...

    def pull(self, pull: Pull) -> Iterator[Pulled]:
        """What is new since the cursor, in order. May be asked again from the same cursor after a crash.

        Raises SourceFailed.
        """
        ...


@runtime_checkable
class DropFolder(Protocol):
    """A kind of connector that takes files from a folder; one below the city's own is made when it is registered."""

    def folder(self, options: Mapping[str, object], home: Path) -> Path:
        """Where the files of a source with these options lie."""
        ...


@runtime_checkable
class FileKind(Protocol):
    """A kind of connector whose sources deliver files, so that a person can hand one over, too."""

    def pattern(self, options: Mapping[str, object]) -> str:
        """Which names the files of a source with these options have, such as ``*.csv``."""
        ...


@dataclass(frozen=True)
class Listening:
    """What a listener is given. Relative paths in `options` are taken from `home`, the city's folder.

    `land` is durable when it returns and raises Problem or OSError when nothing can be taken now; the same deliveries may
    then be handed over again. `report` tells the source's state: None while it listens, else why it does not take
    anything. `known` gives the values of a column of a dataset as texts, for lists of devices that may speak.
    """

    source: str
    options: Mapping[str, object]
    home: Path
    clock: Clock
    land: Callable[[Sequence[Delivery]], list[Landed]]
    report: Callable[[Text | None], None]
    known: Callable[[str, str], frozenset[str]] = field(default=lambda dataset, column: frozenset())


class Listener(Protocol):
    """A listener at work, in threads of its own. `address` is where it listens; None for one that connects itself."""

    address: tuple[str, int] | None

    def figures(self) -> Mapping[str, int | float]:
        """Counts since it began: connections, frames, rows, bytes, waiting, refused, …"""
        ...

    def stop(self, seconds: float) -> None:
        """Take nothing more, land what has come, answer it, and end within so many seconds."""
        ...


@runtime_checkable
class ListenerKind(Protocol):
    """A ConnectorKind that also listens: sources speak when they want to."""

    def listen(self, listening: Listening) -> Listener:
        """Begin to listen. Raises SourceFailed when the address cannot be had."""
        ...


class SourceFailed(Exception):  # noqa: N818  (a state of the source, not a fault of the program)
    """The source did not answer as it should; `retry_after` is how long it asked to be left alone."""

    def __init__(self, message: Text, *, retry_after: timedelta | None = None) -> None:
        super().__init__(message["en"])
        self.message = message
        self.retry_after = retry_after


def back(moment: str, overlap: timedelta) -> str:
    """A moment as a source wrote it (ISO 8601), moved back and written as it was; other text stays as it is."""
    if not overlap:
        return moment
    try:
        moved = datetime.fromisoformat(moment) - overlap
    except ValueError:
        return moment
    written = moved.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if moment.endswith("Z") else moved.isoformat()
    return written.replace("T", " ") if "T" not in moment else written


def secret(options: Mapping[str, object], name: str) -> str | None:
    """A secret of a source: from the environment variable that option ``NAME_env`` names, never from the catalogue.

    Raises SourceFailed when the variable is not set.
    """
    variable = options.get(f"{name}_env")
    if variable is None:
        return None
    value = os.environ.get(str(variable))
    if not value:
        raise SourceFailed(text(f"环境变量 {variable} 未设置", f"the environment variable {variable} is not set"))
    return value

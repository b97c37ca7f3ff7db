"""What a kind of connector is: it asks a system for what is new and hands over deliveries. It never lands anything.

Polling, jitter, back-off and state live once, in ``coordinator.py``; a kind only asks, within its limits, and raises
SourceFailed when the system does not answer as it should.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol, runtime_checkable

from cityheart.kernel.text import Text, text
from cityheart.share.models import Delivery

__all__ = ["ConnectorKind", "DropFolder", "Pull", "Pulled", "SourceFailed", "secret"]


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


class SourceFailed(Exception):  # noqa: N818  (a state of the source, not a fault of the program)
    """The source did not answer as it should; `retry_after` is how long it asked to be left alone."""

    def __init__(self, message: Text, *, retry_after: timedelta | None = None) -> None:
        super().__init__(message["en"])
        self.message = message
        self.retry_after = retry_after


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

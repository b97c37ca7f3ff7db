"""What systems hand out when they are asked, as logs: entries in the order in which they came to be there.

A log knows the moment of every entry and gives any stretch of it as deliveries, the way the city's connectors would
have brought them. A source that is asked from time to time (:class:`Asked`) gets what came to be there since.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from cityheart.sdk import Delivery, Invalid
from cityheart.simulation.player.folder import Drop

__all__ = ["VISIBLE", "Asked", "DropLog", "Log", "Moments", "RecordLog", "micros", "moment_of", "newest"]

VISIBLE = "_visible_from"  # the column of a row version that says since when it is in its source
RECORDS_TOGETHER = 1_000  # records of one delivery: a page of an API
FILE_IN_MEMORY = 2**20  # a larger file is handed over as a path
Moments = npt.NDArray[np.int64]  # microseconds since 1970 UTC, ascending
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SEEN = re.compile(rb'"_visible_from"\s*:\s*"([^"]{10,40})"')


class Log(Protocol):
    """What one source hands out, in the order of time."""

    moments: Moments

    def deliveries(self, start: int, end: int, at: datetime) -> Iterator[Delivery]:
        """Entries [start, end) as a city that asks at ``at`` receives them."""
        ...


class Asked:
    """A log that the city asks every ``every``, counted from ``since``; without, at the moment an entry comes to be."""

    def __init__(self, source: str, log: Log, since: datetime, every: timedelta | None) -> None:
        self.source = source
        self._log = log
        first = micros(since)
        came = np.maximum(log.moments, first)
        if every is not None:
            step = every // timedelta(microseconds=1)
            came = first + -(-(came - first) // step) * step
        self._due = came
        self._next = 0

    def skip(self, until: datetime) -> None:
        """Pass over what was handed over by ``until``."""
        self._next = int(np.searchsorted(self._due, micros(until), side="right"))

    def take(self, until: datetime) -> list[Delivery]:
        """What is handed over up to ``until`` and was not before."""
        end = int(np.searchsorted(self._due, micros(until), side="right"))
        found: list[Delivery] = []
        while self._next < end:
            due = self._due[self._next]
            stop = int(np.searchsorted(self._due, due, side="right"))
            found += self._log.deliveries(self._next, stop, moment_of(int(due)))
            self._next = stop
        return found


class DropLog:
    """Files, each a delivery of its own under its name."""

    def __init__(self, drops: Sequence[Drop], format: str | None) -> None:
        self.drops = drops
        self.moments = np.array([micros(drop.at) for drop in drops], dtype=np.int64)
        self._format = format

    def deliveries(self, start: int, end: int, at: datetime) -> Iterator[Delivery]:
        """The files; large ones as paths."""
        for drop in self.drops[start:end]:
            size = drop.path.stat().st_size
            payload: bytes | Path = drop.path.read_bytes() if size <= FILE_IN_MEMORY else drop.path
            yield Delivery(drop.name, at, payload, self._format, f"{size}-{drop.at.isoformat()}")


class RecordLog:
    """JSON lines, one version of a record a line, read where they lie. Raises :class:`Invalid` for a damaged file.

    A source shows of each ``key`` the newest version that is there when it is asked; an empty key keeps all.
    """

    def __init__(self, path: Path, key: Sequence[str]) -> None:
        self._path = path
        self._name = path.stem
        self._key = tuple(key)
        starts: list[int] = []
        moments: list[int] = []
        at = 0
        with path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    starts.append(at)
                    moments.append(_moment(line, f"{path.name}, line {number}"))
                at += len(line)
        unsorted = np.array(moments, dtype=np.int64)
        order = np.argsort(unsorted, kind="stable")
        self.moments = unsorted[order]
        self._starts = np.array(starts, dtype=np.int64)[order]

    def records(self, places: Iterable[int]) -> list[dict[str, object]]:
        """Some entries, without the moment of their being there."""
        found: list[dict[str, object]] = []
        with self._path.open("rb") as lines:
            for place in places:
                lines.seek(int(self._starts[place]))
                record = json.loads(lines.readline())
                record.pop(VISIBLE, None)
                found.append(record)
        return found

    def deliveries(self, start: int, end: int, at: datetime) -> Iterator[Delivery]:
        """Pages of records as JSON."""
        records = self.records(range(start, end))
        kept = newest([tuple(str(record.get(name)) for name in self._key) for record in records])
        for page, first in enumerate(range(0, len(kept), RECORDS_TOGETHER), 1):
            rows = [records[index] for index in kept[first : first + RECORDS_TOGETHER]]
            payload = json.dumps(rows, ensure_ascii=False, separators=(",", ":")).encode()
            yield Delivery(f"{self._name} #{page}", at, payload, "json", at.isoformat())


def newest(keys: Sequence[tuple[object, ...]]) -> list[int]:
    """The last position of every key, in the order of positions; all positions for empty keys."""
    if not keys or not keys[0]:
        return list(range(len(keys)))
    return sorted({key: index for index, key in enumerate(keys)}.values())


def _moment(line: bytes, where: str) -> int:
    try:
        found = _SEEN.search(line)
        value = found[1].decode() if found else json.loads(line)[VISIBLE]
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            raise ValueError("no offset")
    except (ValueError, KeyError, TypeError, RecursionError):
        raise Invalid(f"{where}: no {VISIBLE} with a time and its offset", remedy="have it written again") from None
    return micros(moment)


def micros(moment: datetime) -> int:
    """Microseconds since 1970 UTC."""
    since = moment.astimezone(UTC) - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def moment_of(micros: int) -> datetime:
    """The aware UTC moment of microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=micros)

"""How departments supply data: from the events of sources, what came on schedule, how much of it was good.

A source promises a delivery each cycle: the update cycle of its dataset, or else the time between two pulls. Between two
deliveries one is *missed* for every whole cycle by which the later comes more than half a cycle too late; likewise from
the beginning of the period (or the source's registration, if later) and up to its end.
"""

from __future__ import annotations

import threading
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cityheart.account import store
from cityheart.account.ledger import to_us
from cityheart.account.models import Rate
from cityheart.kernel.database import Database

__all__ = ["TYPES", "Deliveries", "Supplier"]

TYPES = frozenset({"source.registered", "source.delivered", "source.refused"})
REGISTERED, DELIVERED, REFUSED = range(3)


@dataclass(frozen=True, slots=True)
class Supplier:
    """A source of data: whose it is and how often it promises to deliver (``None``: whenever there is something)."""

    source: str
    department: str
    every: timedelta | None


class Deliveries:
    """What events tell of sources, as growing columns."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._codes: dict[str, int] = {}
        self._read = 0
        self._reading = threading.Lock()
        self._columns = tuple(array("q") for _ in range(6))  # source, kind, at, deliveries, rows, quarantined

    def supplied(
        self, suppliers: Sequence[Supplier], since: datetime, until: datetime
    ) -> list[tuple[str, int, dict[str, Rate]]]:
        """``(department, its sources, rates)`` over ``[since, until)``, by department; only of what was heard of."""
        with self._reading, self._database.read() as conn:
            for event in store.events_after(conn, self._read, TYPES):
                self._feed(event.type, event.at, event.data)
                self._read = event.seq
            columns = tuple(np.array(column, dtype=np.int64) for column in self._columns)
        found: dict[str, list[dict[str, tuple[int, int]]]] = {}
        for supplier in suppliers:
            mine = columns[0] == self._codes.get(supplier.source, -1)
            if mine.any():
                told = _rates(supplier, [column[mine] for column in columns[1:]], to_us(since), to_us(until))
                found.setdefault(supplier.department, []).append(told)
        return [(department, len(parts), _sum(parts)) for department, parts in sorted(found.items())]

    def _feed(self, type: str, at: datetime, data: dict[str, Any]) -> None:
        code = self._codes.setdefault(data["source"], len(self._codes))
        if type == "source.registered":
            row = (REGISTERED, 0, 0, 0)
        elif type == "source.refused":
            row = (REFUSED, int(data.get("deliveries", 1)), 0, 0)
        else:
            row = (DELIVERED, data["deliveries"], data["rows"], data["quarantined"])
        for column, value in zip(self._columns, (code, row[0], to_us(at), *row[1:]), strict=True):
            column.append(value)


def _rates(
    supplier: Supplier, columns: Sequence[NDArray[np.int64]], since: int, until: int
) -> dict[str, tuple[int, int]]:
    kind, at, deliveries, rows, quarantined = columns
    inside = (at >= since) & (at < until)
    taken = inside & (kind == DELIVERED)
    good, bad = int(rows[taken].sum()), int(quarantined[taken].sum())
    came, refused = int(deliveries[taken].sum()), int(deliveries[inside & (kind == REFUSED)].sum())
    return {
        "fresh": _schedule(supplier, at[taken], max(since, int(at.min())), until),
        "good": (good, good + bad),
        "taken": (came, came + refused),
    }


def _schedule(supplier: Supplier, at: NDArray[np.int64], begin: int, until: int) -> tuple[int, int]:
    """Cycles of the period that saw a delivery, and all its cycles."""
    if supplier.every is None or begin >= until:
        return 0, 0
    cycle = supplier.every // timedelta(microseconds=1)
    if not len(at):
        return 0, int((until - begin) // cycle)
    gaps = np.diff(np.concatenate([[begin], np.sort(at), [until]]))
    missed = int(np.maximum(0, (gaps[:-1] + cycle // 2) // cycle - 1).sum())
    missed += max(0, int((gaps[-1] - cycle // 2) // cycle))
    cycles = max(missed, (until - begin) // cycle)
    return int(cycles - missed), int(cycles)


def _sum(parts: Sequence[dict[str, tuple[int, int]]]) -> dict[str, Rate]:
    return {rate: Rate(sum(part[rate][0] for part in parts), sum(part[rate][1] for part in parts)) for rate in parts[0]}

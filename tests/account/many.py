"""Very many synthetic tasks as columns, made without events: for speed, and for counting them another way."""

from __future__ import annotations

from array import array
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from cityheart.account import ledger as columns
from cityheart.account.ledger import Frozen, Log, to_us

HOUR = 3_600_000_000
CODES = (columns.OPENED, columns.DISPATCHED, columns.ACCEPTED, columns.SUBMITTED, columns.CLOSED)
DUE = 6 * HOUR


def synthetic(n: int, units: int = 62, kinds: int = 40) -> tuple[Log, NDArray[np.int64], NDArray[np.int64]]:
    """``n`` closed tasks of 2015, due after six hours: the log, microseconds worked, department of each task."""
    draw = np.random.default_rng(1)
    opened = to_us(datetime(2015, 1, 1, tzinfo=UTC)) + draw.integers(0, 365 * 24 * HOUR, n)
    worked = draw.integers(1, 8 * HOUR, n)
    steps = np.stack([opened, opened, opened + worked // 5, opened + worked, opened + worked + 60_000_000], axis=1)
    due = np.full((n, len(CODES)), columns.NEVER)
    due[:, 1] = opened + DUE
    unit, kind = draw.integers(2, units + 2, n), draw.integers(0, kinds, n)
    zeros, ones = np.zeros(n, dtype=np.int64), np.ones(n, dtype=np.int64)
    of_task = (ones, unit, kind, ones, zeros, zeros, zeros, zeros, (unit - 2) * kinds + kind)
    log = Log()
    log.restore(
        Frozen(
            np.arange(n + 1) * len(CODES), np.tile(np.array(CODES, dtype=np.int8), n), steps.ravel(), due.ravel(),
            np.zeros(n * len(CODES), dtype=np.int64),
        ),
        [f"task-{number:09d}" for number in range(n)],
        tuple(array("i", column.astype(np.int32).tobytes()) for column in of_task),
        {"runs": ["run"], "incidents": [""], "plans": ["p"], "urgent": [False]},
        {
            "names": ["plan", "coordinator", *(f"unit-{number}" for number in range(units))], "people": ["user:duty"],
            "steps": ["s"], "kinds": [f"p:{number}" for number in range(kinds)],
            "pairs": [(u + 2, k) for u in range(units) for k in range(kinds)], "levels": {}, "starters": {},
            "sender": {}, "fails": {}, "corrections": [],
        },
    )  # fmt: skip
    return log, worked, unit

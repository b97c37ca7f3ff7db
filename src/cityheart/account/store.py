"""What account reads: the events of runs. It stores nothing; every figure is recomputed."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import sqlalchemy as sa

from cityheart.kernel import events

__all__ = ["run_events"]

_PAGE = 20_000


def run_events(conn: sa.Connection, after: int, types: Collection[str]) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """``(seq, type, data)`` of every settled event of these types with ``seq > after``, in order."""
    while True:
        page = events.read(conn, after=after, types=types, limit=_PAGE)
        for event in page:
            yield event.seq, event.type, event.data
        if len(page) < _PAGE:
            return
        after = page[-1].seq

"""Whether what is shown of the log is what was written."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa

from cityheart.kernel import events

__all__ = ["checked"]


def checked(conn: sa.Connection, streams: Collection[str]) -> dict[str, object]:
    """Recompute the chains of these streams: ``{"ok", "events", "broken": [{"stream", "n", "what"}]}``."""
    broken = events.verify(conn, streams)
    count = sa.select(sa.func.count()).where(events.event_table.c.stream.in_(sorted(streams)))
    return {
        "ok": not broken,
        "events": conn.execute(count).scalar_one(),
        "broken": [{"stream": one.stream, "n": one.n, "what": one.what} for one in broken],
    }

"""How an application's own functions read the city's datasets: as known at one moment, and only what everybody may read."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import pyarrow as pa

from cityheart.engine.lake import Lake
from cityheart.engine.statement import references
from cityheart.kernel.errors import Forbidden

__all__ = ["Reader"]

_TICK = timedelta(microseconds=1)


class Reader:
    """Reads the unconditionally shared datasets of the city as known at ``now``; what a panel's function is given."""

    def __init__(self, lake: Lake, now: datetime, restricted: frozenset[str]) -> None:
        self.now = now
        self._lake = lake
        self._restricted = restricted

    def query(
        self,
        sql: str,
        parameters: Mapping[str, object] | None = None,
        *,
        window: timedelta,
        ahead: timedelta = timedelta(0),
    ) -> pa.Table:
        """Answer one SELECT; table names stand for rows known at ``now``, event time in (now - window, now + ahead].

        ``$now`` and the parameters are bound. Raises :class:`Forbidden` for a dataset not shared unconditionally.
        """
        for name in references(sql):
            if name.removesuffix("__versions") in self._restricted:
                raise Forbidden(
                    f"{name} is not shared unconditionally", remedy="read it through the share, with a reason"
                )
        span = (self.now - window + _TICK, self.now + ahead + _TICK)
        return self._lake.query(sql, {**(parameters or {}), "now": self.now}, at=self.now, time=span)

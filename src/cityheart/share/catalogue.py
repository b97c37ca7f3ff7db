"""The catalogue of datasets: what the city holds, whose it is, how it is shared, and how good and fresh it is.

What a dataset is, is for everybody who may read datasets, restricted ones too: one must know of a dataset to ask for it.
How its sources do is for whoever may see the sources; the rows are given out by ``Share.read`` alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from cityheart.kernel.access import can, require
from cityheart.kernel.actors import Actor
from cityheart.kernel.database import Database
from cityheart.kernel.errors import NotFound
from cityheart.kernel.text import text
from cityheart.share import store
from cityheart.share.flow import WORST_FIRST, Flow, declaration, standing
from cityheart.share.grants.sight import Sights
from cityheart.share.models import Dataset
from cityheart.share.store import SourceRow

__all__ = ["Catalogue"]


class Catalogue:
    """Answers about datasets; `quality` tells the quality of the fields of one source."""

    def __init__(
        self, database: Database, flow: Flow, quality: Callable[[Actor, str], Mapping[str, object]], sights: Sights
    ) -> None:
        self._database = database
        self._sights = sights
        self._flow = flow
        self._quality = quality

    def datasets(self, actor: Actor) -> list[dict[str, object]]:
        """Every dataset, by name, with the state and counts of its sources that the actor may see. Raises Forbidden."""
        require(actor, "dataset.read")
        now = self._database.clock.now()
        by_dataset: dict[str, list[SourceRow]] = {}
        for row in self._standings(actor, None):
            by_dataset.setdefault(row.source.dataset, []).append(row)
        hidden = self._hidden(actor)
        return [
            self._shown(each, by_dataset.get(each.name, []), now, hidden[each.name]) for each in self._flow.datasets()
        ]

    def dataset(self, actor: Actor, name: str) -> dict[str, object]:
        """One dataset in full: its fields and rules as the contract has them, and the quality of each source.

        Raises NotFound, Forbidden.
        """
        require(actor, "dataset.read")
        found = next((each for each in self._flow.datasets() if each.name == name), None)
        if found is None:
            raise NotFound(f"no dataset is called {name!r}", remedy="look at GET /api/datasets")
        now = self._database.clock.now()
        rows = self._standings(actor, name)
        contract = found.contract
        sight = self._sights.of(actor, name)
        sources = [
            {
                "id": row.source.id,
                "title": row.source.title,
                "department": row.source.department,
                "department_title": self._title(row.source.department),
                "state": standing(row, found.update_cycle, now).state,
                "rows": row.rows,
                "quarantined": row.quarantined,
                "last_delivery_at": row.last_delivery_at,
                "quality": self._quality(actor, row.source.id),
            }
            for row in rows
        ]
        return {
            **self._shown(found, rows, now, self._hidden(actor)[name]),
            "key": list(contract.key),
            "time": contract.time,
            "zone": contract.zone,
            "digest": contract.digest,
            "fields": [
                declaration(contract, each)
                | {"secrecy": each.secrecy or None, "withheld": not sight.open or each.name in sight.withheld}
                for each in contract.fields
            ],
            "sight": {
                "open": sight.open,
                "limited": sight.limited,
                "withheld": list(sight.withheld),
                "grants": list(sight.grants),
                "own": sight.own,
            },
            "sources": sources,
        }

    def _standings(self, actor: Actor, dataset: str | None) -> list[SourceRow]:
        sources = [
            each
            for each in self._flow.sources()
            if dataset in (None, each.dataset) and can(actor, "source.read", each.department)
        ]
        with self._database.read() as conn:
            return store.standings(conn, sources)

    def _hidden(self, actor: Actor) -> Counter[str]:
        """How many sources of each dataset the actor may not see."""
        return Counter(each.dataset for each in self._flow.sources() if not can(actor, "source.read", each.department))

    def _title(self, code: str) -> Mapping[str, str]:
        return self._flow.titles().get(code, text(code, code))

    def _shown(self, dataset: Dataset, rows: Sequence[SourceRow], now: datetime, hidden: int) -> dict[str, object]:
        landed, bad = sum(row.rows for row in rows), sum(row.quarantined for row in rows)
        states = {standing(row, dataset.update_cycle, now).state for row in rows}
        last = max((row.last_delivery_at for row in rows if row.last_delivery_at), default=None)
        return {
            "name": dataset.name,
            "title": dataset.contract.title,
            "owner": dataset.owner,
            "owner_title": self._title(dataset.owner),
            "sharing": dataset.sharing,
            "classification": dataset.classification,
            "conditions": dataset.contract.conditions,
            "purpose": dataset.purpose,
            "update_cycle_seconds": dataset.update_cycle.total_seconds() if dataset.update_cycle else None,
            "columns": len(dataset.contract.fields),
            "classified": len(dataset.contract.classified),
            "state": next((each for each in WORST_FIRST if each in states), None),
            "hidden_sources": hidden,
            "rows": landed,
            "quarantined": bad,
            "quality": landed / (landed + bad) if landed + bad else None,
            "last_delivery_at": last,
            "freshness_seconds": max(0.0, (now - last).total_seconds()) if last else None,
        }

"""The keyed step that follows vehicles: it gives rows of derived datasets and no findings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa

from cityheart.engine.keyed import Ran, State, Step
from cityheart.engine.lake import Lake
from cityheart.engine.tracks import motion
from cityheart.engine.tracks.tracker import Columns, Records, Tracker
from cityheart.kernel.text import Text
from cityheart.watch.models import Finding
from cityheart.watch.tracks.models import Tracking
from cityheart.watch.tracks.places import SiteBook, zones_of

__all__ = ["Follower"]


class Follower:
    """Follows the vehicles of one dataset of a lake. ``folder``: the city's, where its areas lie."""

    kind = ""  # it raises nothing

    def __init__(self, tracking: Tracking, lake: Lake, folder: Path) -> None:
        self.tracking = tracking
        spec = lake.spec(tracking.dataset)
        assert spec.lon is not None and spec.lat is not None
        columns = Columns(tracking.key, spec.time, spec.lon, spec.lat, tracking.load, tracking.valid)
        layer, self._zones = zones_of(folder / (tracking.zones or ""))
        self._tracker = Tracker(columns, tracking.parameters, layer)
        self._sites = None if tracking.sites is None else SiteBook(lake, tracking.sites)

    @property
    def id(self) -> str:
        """Under which its progress is kept."""
        return self.tracking.id

    @property
    def title(self) -> Text:
        """What it follows."""
        return self.tracking.title

    @property
    def dataset(self) -> str:
        """The positions."""
        return self.tracking.dataset

    @property
    def key(self) -> str | None:
        """The column that names the vehicle."""
        return self.tracking.key

    @property
    def outputs(self) -> tuple[str, ...]:
        """The derived datasets."""
        return self.tracking.outputs

    @property
    def parameters(self) -> Mapping[str, object]:
        """What a stay, a trip and a jump are."""
        return self.tracking.parameters.declared()

    def init(self, key: str) -> State:
        """A vehicle that was never heard of."""
        return {}

    def step(self, state: State, batch: pa.Table) -> Step[Finding]:
        """The rows of one vehicle."""
        done = self.step_all({str(batch[self.tracking.key][0]): state}, batch)
        return Step(next(iter(done.states.values()), state), [], done.outputs)

    def step_all(self, states: Mapping[str, State], rows: pa.Table) -> Ran[Finding]:
        """The rows of all vehicles of a batch at once."""
        done = self._tracker.run(states, rows)
        stay, trip, visit = self.outputs
        records, key = done.records, self.tracking.key
        outputs = {
            stay: records.stays(key),
            trip: records.trips(key),
            visit: pa.concat_tables([records.visits(key, "zone", self._zones), *self._at_sites(records)]),
        }
        return Ran(done.states, [], {name: table for name, table in outputs.items() if table.num_rows}, done.skipped)

    def _at_sites(self, records: Records) -> list[pa.Table]:
        """The stays that are visits to sites. A stay is where it was when it was recognised."""
        stays = records.of(motion.STAY)
        if self._sites is None or not len(stays.values):
            return []
        ids, there, distance = self._sites.nearest(stays.column(motion.LON2), stays.column(motion.LAT2), stays.known)
        at = np.flatnonzero(there)
        return [
            stays.take(at).at_places(self.tracking.key, "site", pa.array(ids[at].tolist(), pa.string()), distance[at])
        ]

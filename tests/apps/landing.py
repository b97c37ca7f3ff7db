"""A test city's systems landed through the contracts of applications, without a whole city around them."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import cityheart.apps
from cityheart.engine.lake import Lake
from cityheart.kernel.actors import Actor
from cityheart.kernel.clock import VirtualClock
from cityheart.kernel.database import Database
from cityheart.kernel.ids import Ids
from cityheart.playing import FRAMERS
from cityheart.sdk import App, load
from cityheart.share.service import Share
from cityheart.share.store import QuarantineRow
from cityheart.simulation.player.folder import CityFolder, Trouble
from cityheart.simulation.player.streams import Played, parts, streams

APPS = Path(cityheart.apps.__file__).parent
SYSTEM = Actor.system("test")


@functools.cache
def application(name: str) -> App:
    """One of the city's own applications."""
    return load(APPS / name)


@dataclass
class Landed:
    """What became of a test city: the sharing that has it, and what nobody could play."""

    share: Share
    clock: VirtualClock
    folder: Path
    troubles: list[Trouble]

    def quarantined(self, source: str | None = None) -> list[QuarantineRow]:
        """Everything in quarantine, oldest first."""
        found: list[QuarantineRow] = []
        after: str | None = None
        while True:
            page, _ = self.share.quarantine(SYSTEM, source=source, after=after)
            if not page:
                return found
            found += page
            after = page[-1].id

    def rows(self, dataset: str) -> list[dict[str, object]]:
        """The current rows of a dataset."""
        return list(self.share.read(SYSTEM, dataset).to_pylist())


def land(city: Path, names: Sequence[str], home: Path, *, every: timedelta, until: datetime) -> Landed:
    """Land what the city's systems hand out up to ``until``, asked ``every`` so often."""
    folder = CityFolder.read(city)
    clock = VirtualClock(folder.since)
    database = Database(f"sqlite:///{home / 'city.sqlite'}", clock, Ids(clock, seed=1))
    database.create_all()
    share = Share(database, Lake(home / "lake"), home=home)
    played = {}
    for name in names:
        app = application(name)
        share.register(app.departments, app.datasets, app.sources)
        contracts = {contract.name: contract for contract in app.contracts}
        for source in app.sources:
            asked = every if source.schedule else None
            played[source.id] = Played(source, contracts[source.dataset], asked)
    found, troubles = parts(folder, played)
    going, more = streams(found, folder.since, lambda protocol: FRAMERS[protocol]().frames)
    clock.advance_to(until)
    for stream in going:
        deliveries = stream.take(until)
        for start in range(0, len(deliveries), 100):
            for landed in share.land(stream.source, deliveries[start : start + 100]):
                assert landed.refused is None, (stream.source, landed.refused)
    return Landed(share, clock, city, [*troubles, *more])

"""Bulk landing of vehicle positions: recorded packets of JT/T 808 to decoded, checked, durable rows that can be queried.

Measured is everything from the recorded bytes on: framing by connection, the delivery, decoding, the contract's check, what
is known already, the lake, the record. Peer: none is installed here; ThingsBoard publishes 5,000 to 10,000 points a second
on one machine with an SQL store.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from statistics import median

from bench import _positions
from bench._harness import Measure, report
from cityheart.engine.lake import Lake
from cityheart.kernel.clock import SystemClock, stopwatch
from cityheart.kernel.database import Database
from cityheart.kernel.ids import Ids
from cityheart.share.service import Share
from cityheart.share.wire import jt808
from cityheart.share.wire.frames import delivery

VEHICLES = 1_200
TOGETHER = 250_000  # positions of one delivery
DELIVERIES = 8
WARM = 20_000


def main() -> None:
    clock = SystemClock()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        database = Database(f"sqlite:///{home / 'city.sqlite'}", clock, Ids(clock))
        database.create_all()
        lake = Lake(home / "lake")
        share = Share(database, lake, home=home)
        share.register([_positions.DEPARTMENT], [_positions.DATASET], [_positions.source()])
        framer = jt808.framer()

        def land(first: int, count: int) -> tuple[float, float, int]:
            """Seconds, seconds of CPU and rows of one delivery; the packets are made before the clock runs."""
            packets = _positions.packets(count, VEHICLES, first=first)
            begun, worked = stopwatch(), sum(os.times()[:2])
            one = delivery(f"from {first}", clock.now(), framer.frames(packets), "jt808")
            (landed,) = share.land("transport.position", [one])
            return stopwatch() - begun, sum(os.times()[:2]) - worked, landed.rows

        land(10**8, WARM)
        taken = [land(number * TOGETHER, TOGETHER) for number in range(DELIVERIES)]
        again, _, repeated = land((DELIVERIES - 1) * TOGETHER + TOGETHER // 2, TOGETHER)
        rows = lake.query("SELECT count(*) AS n FROM transport_position")["n"][0].as_py()
        assert rows == WARM + DELIVERIES * TOGETHER + TOGETHER // 2, rows
        database.close()
    report(
        f"Recorded positions of {VEHICLES:,} vehicles, {TOGETHER:,} a delivery",
        [
            Measure(
                "recorded packets to rows in the lake", "positions/s", TOGETHER / median(each for each, _, _ in taken),
                target=200_000, aim="at least", smaller_is_better=False,
            ),
            Measure(
                "the same for each second of one core", "positions/s", TOGETHER / median(each for _, each, _ in taken),
                smaller_is_better=False,
            ),
            Measure(
                f"the same, of which {TOGETHER - repeated:,} are there already", "positions/s", TOGETHER / again,
                smaller_is_better=False,
            ),
        ],
    )  # fmt: skip


if __name__ == "__main__":
    main()

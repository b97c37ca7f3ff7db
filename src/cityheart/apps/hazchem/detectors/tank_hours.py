"""Tanks by the hour: writes ``hazchem_tank_hour`` from the readings of the major-hazard tanks, and finds nothing itself.

Every quarter of an hour of the city's clock (three minutes after it, so that an hour just ended is whole), the hours of a site
that got readings are written anew. See :mod:`~cityheart.apps.hazchem.signals.tanks` for what the columns mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cityheart.apps.hazchem.signals import hours, tanks
from cityheart.sdk import KeyedDetector, Ran, State, Step, Text, text


def detectors() -> tuple[KeyedDetector, ...]:
    """What the application lists."""
    return (TankHours(),)


@dataclass(frozen=True)
class TankHours:
    """The step of a site's readings, for all sites of a batch at once."""

    parameters: Mapping[str, object] = field(
        default_factory=lambda: {
            "every_s": 900,  # how often hours under way are written
            "phase_s": 180,  # how long after the full quarter
        }
    )
    id: str = "hazchem.tank_hours"
    title: Text = field(default_factory=lambda: text("储罐逐时数据", "Tanks by the hour"))
    kind: str = "tank_excursion"
    dataset: str = "hazard_reading"
    key: str | None = "site_id"
    outputs: tuple[str, ...] = ("hazchem_tank_hour",)

    def init(self, key: str) -> State:
        """The state of a site before its first reading."""
        return hours.init()

    def step(self, state: State, batch: pa.Table) -> Step:
        """The readings of one site."""
        (key,) = set(batch["site_id"].to_pylist())
        ran = self.step_all({key: state}, batch)
        return Step(ran.states[key], [], ran.outputs)

    def step_all(self, states: Mapping[str, State], rows: pa.Table) -> Ran:
        """The readings of all sites of a batch."""
        given = rows.num_rows
        usable = pc.and_(rows["site_id"].is_valid(), pc.is_in(rows["metric"], pa.array(tanks.METRICS)))
        usable = pc.and_(usable, pc.is_finite(rows["value"]))
        if not pc.all(usable).as_py():
            rows = rows.filter(usable)
        if not rows.num_rows:
            return Ran({}, [], {}, given)
        rows = hours.in_order(rows, "time")
        keys, key = hours.places(rows["site_id"])
        units, unit = hours.places(rows["tank_id"])
        metrics, metric = hours.places(rows["metric"])
        code = np.array([tanks.METRICS.index(name) for name in metrics], dtype=np.int64)[metric]
        quality = rows["quality"].to_numpy().astype(np.int64)
        arriving = hours.Arriving(
            keys,
            units,
            key,
            unit,
            ms=hours.micro(rows["time"]) // 1000,
            value=rows["value"].to_numpy().astype(np.float64),
            code=(code | quality << 2).astype(np.uint8),
            known=hours.micro(rows["_known_at"]),
        )
        every, phase = (int(str(self.parameters[name])) for name in ("every_s", "phase_s"))
        moved, columns = hours.step(states, arriving, tanks.work, every=every, phase=phase)
        outputs = {self.outputs[0]: pa.table(columns)} if columns else {}
        return Ran(moved, [], outputs, given - rows.num_rows)

"""Emissions by the hour: writes ``hazchem_emission_hour`` from the readings of the outlets, and finds nothing itself.

Three minutes past every half hour of the city's clock, the hours of a device that got readings are written anew. See
:mod:`~cityheart.apps.hazchem.signals.emissions` for what the columns mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cityheart.apps.hazchem.signals import emissions, hours
from cityheart.sdk import KeyedDetector, Ran, State, Step, Text, text


def detectors() -> tuple[KeyedDetector, ...]:
    """What the application lists."""
    return (EmissionHours(),)


@dataclass(frozen=True)
class EmissionHours:
    """The step of a device's readings, for all devices of a batch at once."""

    parameters: Mapping[str, object] = field(
        default_factory=lambda: {
            "every_s": 1800,  # how often hours under way are written
            "phase_s": 180,  # how long after the full half hour
        }
    )
    id: str = "hazchem.emission_hours"
    title: Text = field(default_factory=lambda: text("排放逐时数据", "Emissions by the hour"))
    kind: str = "emission_exceedance"
    dataset: str = "emission_reading"
    key: str | None = "mn"
    outputs: tuple[str, ...] = ("hazchem_emission_hour",)

    def init(self, key: str) -> State:
        """The state of a device before its first reading."""
        return hours.init()

    def step(self, state: State, batch: pa.Table) -> Step:
        """The readings of one device."""
        (key,) = set(batch["mn"].to_pylist())
        ran = self.step_all({key: state}, batch)
        return Step(ran.states.get(key, state), [], ran.outputs)

    def step_all(self, states: Mapping[str, State], rows: pa.Table) -> Ran:
        """The readings of all devices of a batch."""
        given = rows.num_rows
        rows = rows.filter(_usable(rows))
        if not rows.num_rows:
            return Ran({}, [], {}, given)
        rows = hours.in_order(rows, "time")
        keys, key = hours.places(rows["mn"])
        units, unit = hours.places(rows["factor"])
        flags, flag = hours.places(pc.fill_null(rows["flag"], ""))
        cn = rows["cn"].to_numpy()
        value = pc.if_else(pc.equal(rows["cn"], emissions.TEN_MINUTES), rows["total"], rows["value"])
        arriving = hours.Arriving(
            keys,
            units,
            key,
            unit,
            ms=hours.micro(rows["time"]) // 1000,
            value=value.to_numpy().astype(np.float64),
            code=emissions.codes(cn, flags, flag).astype(np.uint8),
            known=hours.micro(rows["_known_at"]),
        )
        every, phase = (int(str(self.parameters[name])) for name in ("every_s", "phase_s"))
        moved, columns = hours.step(states, arriving, emissions.work, every=every, phase=phase)
        outputs = {self.outputs[0]: pa.table(columns)} if columns else {}
        return Ran(moved, [], outputs, given - rows.num_rows)


def _usable(rows: pa.Table) -> pa.ChunkedArray:
    """Real-time data, and ten-minute data with a total."""
    real = pc.equal(rows["cn"], emissions.REAL_TIME)
    ten = pc.and_(pc.equal(rows["cn"], emissions.TEN_MINUTES), pc.is_valid(rows["total"]))
    return pc.and_(pc.or_(real, ten), pc.and_(pc.is_valid(rows["mn"]), pc.is_valid(rows["factor"])))

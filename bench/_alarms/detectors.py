"""What watches the positions: the lowest bit of a report's alarm word is the driver's emergency button."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from cityheart.sdk import Finding, State, Step, SubjectRef, Text, text


@dataclass(frozen=True)
class EmergencyButton:
    """Red for every vehicle whose driver has pressed the button; all rows of a landing in one step."""

    parameters: Mapping[str, object] = field(default_factory=dict)
    id: str = "alarms.emergency_button"
    title: Text = field(default_factory=lambda: text("紧急报警按钮", "Emergency button"))
    kind: str = "emergency_button"
    dataset: str = "transport_position"
    key: str | None = None
    outputs: tuple[str, ...] = ()

    def init(self, key: str) -> State:
        """Nothing is remembered."""
        return {}

    def step(self, state: State, batch: pa.Table) -> Step:
        """Every report with the button pressed."""
        pressed = batch.filter(pc.equal(pc.bit_wise_and(batch["alarm"], 1), 1))
        rows = pressed.select(["terminal_phone", "time", "_known_at"]).to_pylist()
        return Step(state, [self._finding(*row.values()) for row in rows])

    def _finding(self, terminal_phone: str, time: datetime, known_at: datetime) -> Finding:
        name = text(f"车辆 {terminal_phone}", f"vehicle {terminal_phone}")
        return Finding(
            detector=self.id,
            kind=self.kind,
            subject=SubjectRef("vehicle", terminal_phone, name),
            at=known_at,
            start=time,
            level=1,
            score=1.0,
            reasons=(text("驾驶员按下紧急报警按钮", "The driver pressed the emergency button"),),
        )


def detectors() -> list[EmergencyButton]:
    """The one."""
    return [EmergencyButton()]

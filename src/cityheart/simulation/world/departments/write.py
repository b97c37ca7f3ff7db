"""Writing the systems of all departments of a test city."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Protocol

from ..places import APP_DATA, Areas
from ..times import Span
from .columns import Values, values
from .declared import systems
from .files import write_files
from .frame import Frame, frame
from .ground import Ground
from .records import Handed, write_messages, write_records, write_table_of

__all__ = ["Written", "write_departments"]

Handing = Callable[[Path, Frame, Values], Handed]

_WAYS: Mapping[str, Handing] = {
    "file": write_files,
    "http": write_records,
    "sql": write_table_of,
    "mqtt": write_messages,
}


class WithAreas(Protocol):
    """Anything that knows the areas of its city, such as the simulated world."""

    areas: Areas


@dataclass(frozen=True)
class Written:
    """What was written by source: rows in all (versions, messages), those that break their contract, those sent twice."""

    sources: Mapping[str, Handed]

    @property
    def rows(self) -> int:
        """Rows of all sources."""
        return sum(each.rows for each in self.sources.values())


def write_departments(
    out: Path,
    *,
    seed: int,
    days: int,
    start: date,
    world: WithAreas | None = None,
    only: Collection[str] | None = None,
) -> Written:
    """Write ``systems/NAME/`` of every department below ``out``, a test city's folder. Equal seeds give equal bytes.

    ``world`` gives the areas; without one they are the prefecture's own. ``only`` names the sources to write, for those
    who want a few; what a source hands out does not depend on the others.
    """
    span = Span.of(start, days)
    ground = Ground.build(seed, span, world.areas if world else Areas.read(APP_DATA / "areas.geojson"))
    written = {}
    for system in systems():
        if only is not None and system.source not in only:
            continue
        folder = out / "systems" / system.name
        folder.mkdir(parents=True)
        rows = frame(seed, system, span, ground)
        written[system.source] = _WAYS[system.transport[0]](folder, rows, values(rows))
    return Written(written)

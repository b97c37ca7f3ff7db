"""What tests of block data share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cityheart.kernel.clock import VirtualClock
from cityheart.kernel.database import Database
from cityheart.kernel.ids import Ids

from .scene import Scene


@pytest.fixture
def quick(clock: VirtualClock, ids: Ids, tmp_path: Path) -> Iterator[Scene]:
    """A small city of four departments, on SQLite alone: for what no database changes."""
    database = Database(f"sqlite:///{tmp_path / 'city.sqlite'}", clock, ids)
    database.create_all()
    yield Scene(database, clock, tmp_path)
    database.close()


@pytest.fixture
def scene(database: Database, clock: VirtualClock, tmp_path: Path) -> Scene:
    """A small city of four departments, on SQLite and on PostgreSQL."""
    return Scene(database, clock, tmp_path)

"""What tests of block data share."""

from __future__ import annotations

from pathlib import Path

import pytest

from cityheart.kernel.clock import VirtualClock
from cityheart.kernel.database import Database

from .scene import Scene


@pytest.fixture
def quick(sqlite: Database, clock: VirtualClock, tmp_path: Path) -> Scene:
    """A small city of four departments, on SQLite alone: for what no database changes."""
    return Scene(sqlite, clock, tmp_path)


@pytest.fixture
def scene(database: Database, clock: VirtualClock, tmp_path: Path) -> Scene:
    """A small city of four departments, on SQLite and on PostgreSQL."""
    return Scene(database, clock, tmp_path)

"""A database for the tests that are not about databases."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cityheart.kernel.clock import VirtualClock
from cityheart.kernel.database import Database
from cityheart.kernel.ids import Ids


@pytest.fixture
def sqlite(tmp_path: Path, clock: VirtualClock, ids: Ids) -> Iterator[Database]:
    """A database on SQLite alone."""
    database = Database(f"sqlite:///{tmp_path / 'city.sqlite'}", clock, ids)
    database.create_all()
    yield database
    database.close()

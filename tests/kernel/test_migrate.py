"""The migrations make exactly the tables of the code, on both databases, and can be taken back."""

from __future__ import annotations

import sqlalchemy as sa

import cityheart.city  # noqa: F401  (every table of the system)
from cityheart.kernel import migrate
from cityheart.kernel.clock import VirtualClock
from cityheart.kernel.database import Database
from cityheart.kernel.ids import Ids
from cityheart.kernel.schema import metadata


def test_migrations_lead_to_the_tables_of_the_code(database_url: str, clock: VirtualClock, ids: Ids) -> None:
    database = Database(database_url, clock, ids)
    assert migrate.pending(database)
    migrate.upgrade(database)
    assert migrate.pending(database) == []
    assert migrate.differences(database) == []
    tables = set(sa.inspect(database.engine).get_table_names())
    assert tables == {*metadata.tables, "alembic_version"}
    migrate.upgrade(database)
    database.close()

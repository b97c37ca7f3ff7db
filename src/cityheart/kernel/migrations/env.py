"""Alembic's entry: runs the migrations on the connection that it is handed."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection

from cityheart.kernel.schema import metadata


def run(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=metadata, render_as_batch=True, compare_type=False)
    with context.begin_transaction():
        context.run_migrations()


run(context.config.attributes["connection"])

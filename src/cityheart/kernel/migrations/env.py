"""Alembic's entry: runs the migrations on the connection that it is handed."""

from __future__ import annotations

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlalchemy import Connection

from cityheart.kernel.schema import Json, UtcDateTime, metadata


def render(kind: str, thing: Any, autogen: AutogenContext) -> str | Literal[False]:
    """The store's own column types by their names."""
    named = "Json" if thing is Json else "UtcDateTime()" if isinstance(thing, UtcDateTime) else None
    if kind != "type" or named is None:
        return False
    autogen.imports.add("from cityheart.kernel.schema import Json, UtcDateTime")
    return named


def run(connection: Connection) -> None:
    """Run what has not run yet."""
    context.configure(
        connection=connection, target_metadata=metadata, render_as_batch=True, compare_type=False, render_item=render
    )
    with context.begin_transaction():
        context.run_migrations()


run(context.config.attributes["connection"])

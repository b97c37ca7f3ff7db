"""The operational store's schema, moved forward by Alembic. A city is made and upgraded by its migrations alone."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from cityheart.kernel.database import Database
from cityheart.kernel.schema import metadata

__all__ = ["differences", "pending", "revise", "upgrade"]

FOLDER = Path(__file__).parent / "migrations"


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    return config


def upgrade(database: Database) -> None:
    """Bring the store to the newest schema; does nothing when it is there. Raises Unavailable when it does not answer."""
    config = _config()
    with database.connect() as connection, connection.begin():
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def pending(database: Database) -> list[str]:
    """The migrations that have not run yet."""
    script = ScriptDirectory.from_config(_config())
    with database.read() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
    return [step.revision for step in script.iterate_revisions("head", current or "base")]


def differences(database: Database) -> list[object]:
    """How the store differs from the tables in the code; empty when the migrations are complete."""
    with database.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": False})
        return list(compare_metadata(context, metadata))


def revise(database: Database, message: str, revision: str) -> None:
    """Write a new migration from what the code has and the store lacks; for those who change the schema."""
    config = _config()
    with database.engine.begin() as connection:
        config.attributes["connection"] = connection
        command.revision(config, message=message, autogenerate=True, rev_id=revision)

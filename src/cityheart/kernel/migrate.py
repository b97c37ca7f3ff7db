"""The operational store's schema, moved forward by Alembic. A city is made and upgraded by its migrations alone."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from cityheart.kernel.clock import stopwatch
from cityheart.kernel.database import Database
from cityheart.kernel.errors import Unavailable
from cityheart.kernel.schema import metadata

__all__ = ["Outdated", "Schema", "differences", "empty", "pending", "revise", "upgrade"]

FOLDER = Path(__file__).parent / "migrations"


class Outdated(Unavailable):
    """The store was upgraded by a newer program: this one must not write to it."""


class Schema:
    """Watches that the store is not newer than this program: several versions may run beside each other for a while.

    Once it is, nothing of this process writes to the store any more.
    """

    SECONDS = 5.0  # between two looks

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known = frozenset(step.revision for step in ScriptDirectory.from_config(_config()).walk_revisions())
        self._looked: float | None = None

    def check(self, *, now: bool = False) -> None:
        """Raise :class:`Outdated` when the store is newer. Looks every few seconds; with ``now`` at once."""
        if now or self._looked is None or stopwatch() - self._looked > self.SECONDS:
            revision = _revision(self._database)
            if revision is not None and revision not in self._known:
                detail = f"the store is of schema {revision}, which this program does not know: it writes nothing"
                self._database.closed_to_writing = detail
                raise Outdated(detail, remedy="install the version of CityHeart that the others run, and start again")
            self._looked = stopwatch()

    def doubt(self) -> None:
        """Something failed: look again before the next thing is done."""
        self._looked = None


def _revision(database: Database) -> str | None:
    with database.read() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def empty(database: Database) -> bool:
    """Whether nothing was ever made in the store."""
    return _revision(database) is None


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    return config


def upgrade(database: Database) -> None:
    """Bring the store to the newest schema; does nothing when it is there.

    Raises :class:`Unavailable` when it does not answer, :class:`Outdated` when it is newer than this program.
    """
    Schema(database).check(now=True)
    config = _config()
    with database.connect() as connection, connection.begin():
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def pending(database: Database) -> list[str]:
    """The migrations that have not run yet. Raises :class:`Outdated` for a store that is newer than this program."""
    Schema(database).check(now=True)
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

"""A throw-away PostgreSQL cluster for the tests: own folder, Unix socket only, gone afterwards."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg.sql import SQL, Composable, Identifier

INSTALL = "PostgreSQL is not installed: apt-get install postgresql"


def binaries() -> Path | None:
    """The folder of the newest installed server's programs."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    return Path(on_path).parent if on_path else None


@dataclass(frozen=True)
class Server:
    """A cluster that can be stopped and started; ``url`` is its maintenance database."""

    url: str
    folder: Path
    programs: Path
    as_user: tuple[str, ...]

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self._run("-w", "-t", "60", "-l", str(self.folder / "log"), "start", check=True)

    def stop_at_once(self) -> None:
        """Stop it in the middle of whatever it does, as a crash would."""
        self._run("-m", "immediate", "stop", check=False)

    def _run(self, *arguments: str, check: bool) -> None:
        command = [*self.as_user, str(self.programs / "pg_ctl"), "-D", str(self.folder / "data"), *arguments]
        subprocess.run(command, check=check, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/")


@contextmanager
def server(*options: str) -> Iterator[Server]:
    """Start a cluster. ``options``: further ``name=value`` settings."""
    programs = binaries()
    if programs is None:
        raise RuntimeError(INSTALL)
    root = os.geteuid() == 0
    as_user = ("runuser", "-u", "postgres", "--") if root else ()
    folder = Path(tempfile.mkdtemp(prefix="cityheart-pg-", dir=os.environ.get("PYTEST_DEBUG_TEMPROOT")))
    if root:
        shutil.chown(folder, "postgres", "postgres")
    made = Server(f"postgresql+psycopg://postgres@/postgres?host={folder}", folder, programs, as_user)
    try:
        initdb = [*as_user, programs / "initdb", "-D", folder / "data", "-U", "postgres", "-A", "trust", "-E", "UTF8"]
        subprocess.run([*initdb, "--no-sync", "--locale=C.UTF-8"], check=True, stdout=subprocess.DEVNULL, cwd=folder)
        settings = ["listen_addresses=''", f"unix_socket_directories='{folder}'", "max_connections=150", *options]
        with (folder / "data" / "postgresql.auto.conf").open("a") as file:
            file.write("".join(f"{setting}\n" for setting in settings))
        made.start()
        yield made
    finally:
        made.stop_at_once()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def cluster(*options: str) -> Iterator[str]:
    """Start a cluster; yields the URL of its maintenance database. ``options``: further ``name=value`` settings."""
    with server(*options) as made:
        yield made.url


_WAITING = "taken_back"
_SHAPE = SQL(
    "select relname, relkind, relnatts, relchecks, relhastriggers from pg_class "
    "where relnamespace = 'public'::regnamespace order by relname"
)
_WITH_ROWS = SQL(
    "select relname from pg_class "
    "where relnamespace = 'public'::regnamespace and relkind = 'r' and pg_relation_size(oid) > 0"
)
_COUNTED = SQL("select sequencename from pg_sequences where schemaname = 'public' and last_value is not null")


class Lent:
    """One database of a cluster for test after test, for making its tables takes longer than most tests do.

    Each test has it under a name of its own, so that nothing an earlier one left running gets in again, and with
    nothing in its tables. A test that changes the tables, or keeps hold of them, costs a new database.
    """

    def __init__(self, url: str, make_tables: Callable[[str], None]) -> None:
        self._url = url
        self._make_tables = make_tables
        self._shape: list[tuple[object, ...]] | None = None  # of the database that waits for the next test

    @contextmanager
    def lend(self, name: str) -> Iterator[str]:
        """The URL of the database, called ``name`` meanwhile."""
        if self._shape is not None:
            self._admin(SQL("alter database {} rename to {}").format(Identifier(_WAITING), Identifier(name)))
            shape = self._shape
        else:
            self._admin(SQL("create database {}").format(Identifier(name)))
            self._make_tables(self._of(name))
            with self._inside(name) as conn:
                shape = conn.execute(_SHAPE).fetchall()
        self._shape = None
        yield self._of(name)
        self._shape = shape if self._emptied(name, shape) else None

    def _emptied(self, name: str, shape: list[tuple[object, ...]]) -> bool:
        """Take it back without its rows; whether the next test can have it."""
        others = SQL("select pg_terminate_backend(pid, 10000) from pg_stat_activity where datname = {}")
        self._admin(others.format(name))
        try:
            self._admin(SQL("alter database {} rename to {}").format(Identifier(name), Identifier(_WAITING)))
        except psycopg.errors.ObjectInUse:
            self._admin(SQL("drop database {} with (force)").format(Identifier(name)))
            return False
        with self._inside(_WAITING) as conn:
            same = conn.execute(_SHAPE).fetchall() == shape
            if same and (used := [Identifier(row[0]) for row in conn.execute(_WITH_ROWS)]):
                conn.execute(SQL("truncate {} cascade").format(SQL(", ").join(used)))
            for (sequence,) in conn.execute(_COUNTED).fetchall():
                conn.execute(SQL("alter sequence {} restart").format(Identifier(sequence)))
        if not same:
            self._admin(SQL("drop database {} with (force)").format(Identifier(_WAITING)))
        return same

    def _of(self, name: str) -> str:
        return self._url.replace("/postgres?", f"/{name}?")

    def _inside(self, name: str) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(self._of(name).replace("+psycopg", ""), autocommit=True)

    def _admin(self, words: Composable) -> None:
        with self._inside("postgres") as conn:
            conn.execute(words)

"""A throw-away PostgreSQL cluster for the tests: own folder, Unix socket only, gone afterwards."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

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
    folder = Path(tempfile.mkdtemp(prefix="cityheart-pg-"))
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

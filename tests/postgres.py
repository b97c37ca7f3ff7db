"""A throw-away PostgreSQL cluster for the tests: own folder, Unix socket only, gone afterwards."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

INSTALL = "PostgreSQL is not installed: apt-get install postgresql"


def binaries() -> Path | None:
    """The folder of the newest installed server's programs."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    return Path(on_path).parent if on_path else None


@contextmanager
def cluster(*options: str) -> Iterator[str]:
    """Start a cluster; yields the URL of its maintenance database. ``options``: further ``name=value`` settings."""
    programs = binaries()
    if programs is None:
        raise RuntimeError(INSTALL)
    root = os.geteuid() == 0
    as_user = ["runuser", "-u", "postgres", "--"] if root else []
    folder = Path(tempfile.mkdtemp(prefix="cityheart-pg-"))
    if root:
        shutil.chown(folder, "postgres", "postgres")
    data = folder / "data"
    run = {"check": True, "stdout": subprocess.DEVNULL, "cwd": folder}
    try:
        subprocess.run(
            [
                *as_user,
                programs / "initdb",
                "-D",
                data,
                "-U",
                "postgres",
                "-A",
                "trust",
                "-E",
                "UTF8",
                "--no-sync",
                "--locale=C.UTF-8",
            ],
            **run,
        )  # type: ignore[call-overload]
        settings = ["listen_addresses=''", f"unix_socket_directories='{folder}'", "max_connections=150", *options]
        with (data / "postgresql.auto.conf").open("a") as file:
            file.write("".join(f"{setting}\n" for setting in settings))
        subprocess.run(
            [*as_user, programs / "pg_ctl", "-D", data, "-w", "-t", "60", "-l", folder / "log", "start"], **run
        )  # type: ignore[call-overload]
        yield f"postgresql+psycopg://postgres@/postgres?host={folder}"
    finally:
        subprocess.run(
            [*as_user, programs / "pg_ctl", "-D", data, "-m", "immediate", "stop"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
        )
        shutil.rmtree(folder, ignore_errors=True)

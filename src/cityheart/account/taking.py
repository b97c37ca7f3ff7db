"""A file of closed cases that a person gives: first looked through, then taken in, by one thread with its progress.

One file at a time in a program. Cases are taken in by short transactions, so that the city goes on meanwhile; what was
taken in before somebody stopped it stays, and the same file again goes on from there.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path

import structlog

from cityheart.account import history
from cityheart.kernel.access import require
from cityheart.kernel.actors import Actor
from cityheart.kernel.clock import Clock, SystemClock
from cityheart.kernel.database import Database
from cityheart.kernel.errors import BadRequest, Conflict, Problem, TooLarge
from cityheart.kernel.text import Text, text

__all__ = ["Taking"]

_LOG = structlog.get_logger("history")
_RUNNING = ("checking", "taking")
_REST = 0.001  # seconds in which others are let in between two steps


class _Stopped(Exception):  # noqa: N818  (nothing is wrong)
    """Somebody stopped it."""


class Taking:
    """The file that was given last and what became of it."""

    def __init__(self, database: Database, units: Callable[[str], Text], wall: Clock | None = None) -> None:
        self._database = database
        self._units = units
        self._wall = wall or SystemClock()
        self._lock = threading.Lock()
        self._halt = threading.Event()
        self._thread: threading.Thread | None = None
        self._folder: Path | None = None
        self._file: tuple[history.Mapped, Path] | None = None
        self._command = ""
        self._status: dict[str, object] = {"state": "idle"}

    def status(self, actor: Actor) -> dict[str, object]:
        """``{"state", "share", "name", "by", "look", "taken", "reason"}`` of the file that was given last.

        It is idle, checking, checked, taking, done, stopped or failed.
        """
        require(actor, "case.manage")
        return dict(self._status)

    def check(self, actor: Actor, mapping: str, name: str, content: Iterable[bytes], most: int) -> dict[str, object]:
        """Keep a file of at most ``most`` bytes and look through it. Raises :class:`Conflict` while another is at work."""
        require(actor, "case.manage")
        by = history.mapping_of(mapping)
        called = Path(name).name
        if not called.endswith((".csv", ".csv.gz")) or not called.isprintable() or len(called) > 200:
            raise BadRequest(f"{called[:80]!r} is no CSV file", remedy="give a file that ends in .csv or .csv.gz")
        with self._lock:
            self._alone()
            self._forget()
            self._folder = Path(tempfile.mkdtemp(prefix="cityheart-history-"))
            file = self._folder / ("given.csv.gz" if called.endswith(".gz") else "given.csv")
            try:
                _keep(file, content, most)
            except BaseException:
                self._forget()
                raise
            self._file, self._command = (by, file), ""
            self._begin("checking", actor, {"name": called, "origin": by.id, "look": None, "taken": None}, self._look)
        return self.status(actor)

    def take(self, actor: Actor, command_id: str) -> dict[str, object]:
        """Take in what was looked through; the same command again is the same. Raises :class:`Conflict` without a file."""
        require(actor, "case.manage")
        with self._lock:
            if command_id == self._command:
                return self.status(actor)
            self._alone()
            if self._file is None or self._status["state"] != "checked":
                raise Conflict("no file was looked through", remedy="give the file first")
            self._command = command_id
            self._begin("taking", actor, {}, self._take)
        return self.status(actor)

    def stop(self, actor: Actor) -> dict[str, object]:
        """End what is under way; what was taken in until then stays."""
        require(actor, "case.manage")
        self._halt.set()
        self.wait()
        return self.status(actor)

    def wait(self) -> None:
        """Until what is under way is over."""
        if self._thread is not None:
            self._thread.join()

    def close(self) -> None:
        """Stop, and throw the file away."""
        self._halt.set()
        self.wait()
        self._forget()

    # ── at work ────────────────────────────────────────────────────────────────────────────────────────────────

    def _alone(self) -> None:
        if self._status["state"] in _RUNNING:
            raise Conflict("another file is being taken in", remedy="wait for its end, or stop it")

    def _begin(
        self, state: str, actor: Actor, told: dict[str, object], work: Callable[[Actor], dict[str, object]]
    ) -> None:
        self._halt = threading.Event()
        self._status = {
            **self._status, "state": state, "share": 0.0, "by": actor.name, "at": self._wall.now(), "reason": None,
            "remedy": None, **told,
        }  # fmt: skip
        self._thread = threading.Thread(target=self._go, args=(actor, work), daemon=True, name="history")
        self._thread.start()

    def _go(self, actor: Actor, work: Callable[[Actor], dict[str, object]]) -> None:
        try:
            over = work(actor)
        except _Stopped:
            over = {"state": "stopped"}
        except Problem as problem:
            over = {"state": "failed", "reason": problem.detail, "remedy": problem.remedy}
        except Exception as error:  # the store went away, or a file broke it in a way nobody thought of
            _LOG.exception("taking.failed")
            over = {"state": "failed", "reason": type(error).__name__, "remedy": None}
        if over["state"] != "checked":
            self._forget()
        self._status = {**self._status, **over}

    def _pace(self, share: float) -> None:
        self._status = {**self._status, "share": round(share, 4)}
        if self._halt.wait(_REST):
            raise _Stopped

    def _look(self, actor: Actor) -> dict[str, object]:
        assert self._file is not None
        found = history.looked(self._database, actor, *self._file, self._pace)
        shown = asdict(found) | {
            "departments": [{"code": code, "title": self._units(code)} for code in found.departments],
            "left": [{"reason": _reason(why), "cases": count} for why, count in found.left.most_common()],
            "lines": [{"line": line, "case": id, "reason": _reason(why)} for line, id, why in found.lines],
        }
        return {"state": "checked", "look": shown, "share": 1.0}

    def _take(self, actor: Actor) -> dict[str, object]:
        assert self._file is not None
        taken = history.take_in(self._database, actor, *self._file, self._pace)
        told = {"cases": taken.cases, "tasks": taken.tasks, "events": taken.events, "late": taken.late}
        return {"state": "done", "taken": told, "share": 1.0}

    def _forget(self) -> None:
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._folder = self._file = None


def _keep(file: Path, content: Iterable[bytes], most: int) -> None:
    size = 0
    with file.open("wb") as kept:
        for piece in content:
            size += len(piece)
            if size > most:
                raise TooLarge(f"the file has more than {most >> 20} MiB", remedy="give it packed, as .csv.gz")
            kept.write(piece)


def _reason(why: str) -> Text:
    return history.REASONS.get(why) or text(why, why)

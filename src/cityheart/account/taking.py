"""A file of closed cases that a person gives: first looked through, then taken in; both are jobs.

The file stays with the job that looked through it, until it was taken in, the same person gives another one, or its time
is over. Cases are taken in by short transactions, so that the city goes on meanwhile; what was taken in before somebody
stopped it stays, and the same file again goes on from there.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import cast

from cityheart.account import history
from cityheart.kernel import limits
from cityheart.kernel.access import require
from cityheart.kernel.actors import Actor
from cityheart.kernel.database import Database
from cityheart.kernel.errors import BadRequest, Conflict, NotFound, TooLarge
from cityheart.kernel.ids import derive, unguessable
from cityheart.kernel.jobs.models import OVER, Kind, Result, Sought, State
from cityheart.kernel.jobs.service import Jobs, Running
from cityheart.kernel.text import Text, text

__all__ = ["LOOK", "TAKE", "Taking"]

LOOK, TAKE = "history-look", "history-take"
_PATH = "/cases/import?what=history"
_SUFFIXES = (".csv.gz", ".csv")


class Taking:
    """Looking through files of closed cases, and taking them in."""

    def __init__(self, database: Database, jobs: Jobs, units: Callable[[str], Text]) -> None:
        self._database, self._jobs, self._units = database, jobs, units
        manage = "case.manage"
        jobs.register(
            Kind(
                LOOK, text("查看历史办件文件", "Looking through a file of closed cases"), text("KiB", "KiB"), manage, manage,
                self._look, kept=limits.HISTORY_KEPT, long=("left", "lines"),
            )
        )  # fmt: skip
        jobs.register(
            Kind(
                TAKE, text("接收历史办件", "Taking closed cases in"), text("件", "cases"), manage, manage, self._take,
                told=lambda taken: taken,
            )
        )  # fmt: skip

    def check(
        self, actor: Actor, command_id: str, mapping: str, name: str, content: Iterable[bytes], most: int
    ) -> dict[str, object]:
        """Keep a file of at most ``most`` bytes and ask that it is looked through: the job.

        Raises :class:`BadRequest` for what is no CSV file, Invalid for a mapping that is wrong, :class:`TooLarge`, and
        :class:`Conflict` for another file with the same command.
        """
        require(actor, "case.manage")
        by = history.mapping_of(mapping)
        called = Path(name).name
        if not called.endswith(_SUFFIXES) or not called.isprintable() or len(called) > 200:
            raise BadRequest(f"{called[:80]!r} is no CSV file", remedy="give a file that ends in .csv or .csv.gz")
        id = derive("job", LOOK, actor.id, command_id)
        coming = _Coming(content, most)
        fresh = self._brought(self._jobs.folder(id), called, mapping, coming)
        try:
            given = {"name": called, "origin": by.id, "sha256": coming.sha256()}
            self._jobs.ask(
                actor, command_id, LOOK, title=text(called, called), given=given, about=by.id, path=_PATH, id=id
            )  # fmt: skip
        except BaseException:
            if fresh:
                shutil.rmtree(self._jobs.folder(id), ignore_errors=True)
            raise
        taken = self._taken(actor)
        for other in self._jobs.newest(actor, Sought(mine=True, kinds=(LOOK,), states=OVER), limits.PAGE_ROWS):
            if other["id"] not in {id, *taken}:
                shutil.rmtree(self._jobs.folder(str(other["id"])), ignore_errors=True)
        return self._jobs.job(actor, id)

    @staticmethod
    def _brought(folder: Path, name: str, mapping: str, content: _Coming) -> bool:
        """Keep the file of a job, all of it or nothing; whether it was not there: the same click again brings none."""
        if folder.is_dir():
            for _ in content:
                pass
            return False
        coming = folder.with_name(f"{folder.name}-{unguessable(8).hex()}")
        try:
            coming.mkdir(parents=True)
            with (coming / _given(name)).open("wb") as kept:
                kept.writelines(content)
            (coming / "mapping").write_text(mapping, "utf-8")
            try:
                coming.rename(folder)
            except OSError:
                if not folder.is_dir():
                    raise
                return False  # the same click was quicker a second time
            return True
        finally:
            shutil.rmtree(coming, ignore_errors=True)

    def _taken(self, actor: Actor) -> set[object]:
        """The looks whose files are being taken in."""
        states: tuple[State, ...] = ("waiting", "running")
        found = self._jobs.newest(actor, Sought(kinds=(TAKE,), states=states), limits.PAGE_ROWS)
        return {cast("Mapping[str, object]", one["given"])["look"] for one in found}

    def take(self, actor: Actor, command_id: str, look: str) -> dict[str, object]:
        """Ask that the file is taken in which a job has looked through: the job that does it.

        Raises :class:`NotFound` without such a job, :class:`Conflict` when it is not done or its file is gone.
        """
        require(actor, "case.manage")
        found = self._jobs.find(look)
        if found.kind != LOOK:
            raise NotFound(f"there is no job {look} that looked through a file", remedy="give the file first")

        def check() -> None:
            if found.state != "done" or not self._jobs.folder(look).is_dir():
                raise Conflict("no file was looked through", remedy="give the file first")
            if look in self._taken(actor):
                raise Conflict("this file is being taken in already", remedy="wait for its end, or stop it")

        cases = cast(int, (found.result or {}).get("cases", 0))
        asked = self._jobs.ask(
            actor, command_id, TAKE, title=found.title, given={**found.given, "look": look, "cases": cases},
            about=found.about, path=_PATH, check=check,
        )  # fmt: skip
        return self._jobs.job(actor, asked.id)

    def _look(self, running: Running) -> Result:
        try:
            by, file = self._file(running.folder, str(running.job.given["name"]))
            running.of(file.stat().st_size >> 10)
            found = history.looked(self._database, running.actor, by, file, running.pace)
        except BaseException:
            shutil.rmtree(running.folder, ignore_errors=True)
            raise
        return asdict(found) | {
            "departments": [{"code": code, "title": self._units(code)} for code in found.departments],
            "left": [{"reason": _reason(why), "cases": count} for why, count in found.left.most_common()],
            "lines": [{"line": line, "case": id, "reason": _reason(why)} for line, id, why in found.lines],
        }

    def _take(self, running: Running) -> Result:
        given = running.job.given
        folder = self._jobs.folder(str(given["look"]))
        by, file = self._file(folder, str(given["name"]))
        running.of(cast(int, given["cases"]))

        def pace(share: float) -> None:  # reading the file is no case taken in
            running.pace(max(0.0, share - history.READING) / (1 - history.READING))

        taken = history.take_in(self._database, running.actor, by, file, pace)
        shutil.rmtree(folder, ignore_errors=True)
        return {"cases": taken.cases, "tasks": taken.tasks, "events": taken.events, "late": taken.late}

    @staticmethod
    def _file(folder: Path, name: str) -> tuple[history.Mapped, Path]:
        file, mapping = folder / _given(name), folder / "mapping"
        if not (file.is_file() and mapping.is_file()):
            raise Conflict("the file is not there any more", remedy="give the file again")
        return history.mapping_of(mapping.read_text("utf-8")), file


def _given(name: str) -> str:
    """What the file is called on the disk: nothing there is ever called by its own name."""
    return "given" + next(suffix for suffix in _SUFFIXES if name.endswith(suffix))


class _Coming:
    """The pieces of a file of at most ``most`` bytes, counted and hashed as they come. Raises :class:`TooLarge`."""

    def __init__(self, content: Iterable[bytes], most: int) -> None:
        self._content, self._most, self._hash = content, most, hashlib.sha256()

    def __iter__(self) -> Iterator[bytes]:
        size = 0
        for piece in self._content:
            size += len(piece)
            if size > self._most:
                raise TooLarge(f"the file has more than {self._most >> 20} MiB", remedy="give it packed, as .csv.gz")
            self._hash.update(piece)
            yield piece

    def sha256(self) -> str:
        """Of what has come."""
        return self._hash.hexdigest()


def _reason(why: str) -> Text:
    return history.REASONS.get(why) or text(why, why)

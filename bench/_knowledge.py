"""A city's knowledge on SQLite, filled with many synthetic cases: what the benchmark of suggestions asks."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

from cityheart.command.knowledge import store
from cityheart.command.knowledge.cases import case_from
from cityheart.command.knowledge.clauses import clause_from
from cityheart.command.knowledge.models import Matter
from cityheart.command.knowledge.scrub import Scrubber
from cityheart.command.knowledge.service import Knowledge
from cityheart.command.service import Command
from cityheart.kernel.actors import Actor
from cityheart.kernel.clock import VirtualClock, stopwatch
from cityheart.kernel.database import Database
from cityheart.kernel.ids import Ids
from cityheart.simulation.cases import ORIGIN, World

_KEY = b"a key for measuring only"
_SYSTEM = Actor.system("bench")
_BATCH = 5_000


class Filled:
    """``count`` cases of one world in a store, and matters to ask about. With ``kind`` all cases are of that kind."""

    def __init__(self, folder: Path, count: int, kind: str | None = None) -> None:
        world = World(21)
        clock = VirtualClock(world.ended)
        self._database = Database(f"sqlite:///{folder / 'city.sqlite'}", clock, Ids(clock, seed=1))
        self._database.create_all()
        self._command = Command(self._database, folder / "files")
        self._command.register_units(world.departments)
        for plan in world.plans():
            self._command.publish(_SYSTEM, plan)
        scrubber = Scrubber(_KEY)
        rows = world.cases(count + 300)
        cases = [
            case_from(row, ORIGIN, clock.now(), scrubber) for row in rows if row["closed_at"] <= clock.now().isoformat()
        ]
        cases = [replace(case, known_at=case.closed_at, kind=kind or case.kind) for case in cases]
        self._asked, known = cases[-250:], cases[: min(count, len(cases) - 250)]
        for start in range(0, len(known), _BATCH):
            with self._database.work(_SYSTEM) as work:
                batch = known[start : start + _BATCH]
                store.add_cases(work.conn, [(case, hashlib.sha256(case.id.encode()).hexdigest()) for case in batch])
        self._clauses = [clause_from(raw) for raw in world.clauses()]
        self._knowledge = self._made()

    def _made(self) -> Knowledge:
        made = Knowledge(self._database, self._command, key=lambda: _KEY, zone="Asia/Shanghai")
        made.register_clauses(_SYSTEM, ORIGIN, self._clauses)
        return made

    def open_again(self) -> float:
        """Seconds until a process that has just started can answer: cases read from the store, every index made."""
        begun = stopwatch()
        self._knowledge = self._made()
        self._knowledge.ready()
        return stopwatch() - begun

    def ask(self, number: int) -> None:
        """One suggestion; every one must have found cases and a plan."""
        case = self._asked[number % len(self._asked)]
        advice = self._knowledge.advise(
            Matter(
                case.kind,
                case.level,
                self._database.clock.now(),
                case.text,
                place=case.place,
                lon=case.lon,
                lat=case.lat,
            )
        )
        assert advice.cases and advice.clauses, "among so many cases there are similar ones"

    def close(self) -> None:
        """Close the store."""
        self._database.close()

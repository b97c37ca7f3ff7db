"""Firing what is due, beside any number of other workers on the same store.

Nobody is the one who ticks. On PostgreSQL each transaction takes the due run whose incident nobody else holds (``skip
locked``), so workers share what is due and never wait for each other; on SQLite writers queue anyway. Nothing is claimed
beforehand: a worker that is killed leaves nothing behind, the next one finds the same rows.

A run that this program cannot carry on (a plan or patch written by a newer version, an error in its state) is left to
others and tried again after a wait that doubles; the rest goes on. Everything left is named in the log and by
:attr:`Firing.left`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import structlog

from cityheart.command import store
from cityheart.command.store import Due, Leaving
from cityheart.kernel import limits
from cityheart.kernel.actors import Actor
from cityheart.kernel.clock import stopwatch
from cityheart.kernel.database import Database, Work
from cityheart.kernel.errors import Problem, Unavailable

__all__ = ["Firing", "Left", "PlanUnknown"]

INSTANTS = 100  # moments of runs handled in one transaction

log = structlog.get_logger("cityheart")


class PlanUnknown(Exception):  # noqa: N818  (not an error of this program: the plan is of another)
    """This program cannot read the plan of a run."""


@dataclass(frozen=True, slots=True)
class Left:
    """What this worker leaves to others: ``until`` is a reading of the stopwatch, ``wait`` in seconds."""

    reason: str
    until: float
    wait: float


class Firing:
    """What is due in one store, fired by ``catch_up(work, due)``, which returns how many timers it fired."""

    def __init__(self, database: Database, catch_up: Callable[[Work, Due], int]) -> None:
        self._database = database
        self._catch_up = catch_up
        self._runs: dict[str, Left] = {}
        self._plans: dict[str, Left] = {}

    @property
    def left(self) -> dict[str, str]:
        """What is left to others at the moment, runs by id and plans by digest, with the reason."""
        return {name: one.reason for group in (self._plans, self._runs) for name, one in group.items()}

    def leaving(self) -> Leaving:
        """The runs and plans that are not to be tried now."""
        now = stopwatch()
        return Leaving(
            tuple(sorted(run for run, one in self._runs.items() if one.until > now)),
            tuple(sorted(plan for plan, one in self._plans.items() if one.until > now)),
        )

    def fire(self, now: datetime) -> int:
        """Fire what is due up to and including ``now``, in order of time, at most ``limits.TIMERS_FIRED``; how many."""
        fired = 0
        while fired < limits.TIMERS_FIRED:
            done = self._some(now)
            if done is None:
                break
            fired += done
        return fired

    def _some(self, now: datetime) -> int | None:
        """A transaction's worth of what is due; ``None`` when nothing is."""
        leaving = self.leaving()
        fired, found, idle = 0, False, None
        due: Due | None = None
        try:
            with self._database.work(Actor.system("command")) as work:
                for _ in range(INSTANTS):
                    due = store.take_due(work.conn, now, leaving)
                    if due is None:
                        break
                    found = True
                    done = self._catch_up(work, due)
                    fired += done
                    if not done and due == idle:  # not a moment that another worker was quicker for
                        self._leave(self._runs, due, "its timers do not agree with its tasks")
                        break
                    idle = due if not done else None
                    if done:
                        self._runs.pop(due.run, None)
        except Unavailable:
            raise
        except PlanUnknown as error:
            assert due is not None
            self._leave(self._plans, due, str(error))
            return 0
        except Exception as error:  # whatever is wrong with one run must not hold up the others
            if due is None:
                raise
            detail = error.detail if isinstance(error, Problem) else f"{type(error).__name__}: {error}"
            self._leave(self._runs, due, detail)
            return 0
        return fired if found else None

    def _leave(self, group: dict[str, Left], due: Due, reason: str) -> None:
        name = due.plan if group is self._plans else due.run
        before = group.get(name)
        wait = min(limits.RUN_LEFT_LONGEST.total_seconds(), 2 * before.wait if before else 5.0)
        group[name] = Left(reason[:500], stopwatch() + wait, wait)
        if before is None or before.reason != group[name].reason:
            log.error(
                "worker.run_left", run=due.run, incident=due.incident, plan=due.plan, due=due.at, reason=reason[:500]
            )

"""The verbs of account: custody of a task, scores of departments, the events behind a figure, and the proof of all.

Every figure is recomputed from the event log. The log only grows, so what was read of it is kept as columns in memory
and only new events are read; :meth:`Account.verify` reads it afresh.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import numpy as np

from cityheart.account import formula as formulas
from cityheart.account import ledger as columns
from cityheart.account import plain, rates, store
from cityheart.account.ledger import Facts, Ledger, Log, from_us, to_us
from cityheart.account.models import RATES, Counted, Custody, Formula, Scores
from cityheart.kernel.access import departments, require
from cityheart.kernel.actors import Actor
from cityheart.kernel.database import Database
from cityheart.kernel.errors import BadRequest, Forbidden, NotFound
from cityheart.kernel.text import Text, text

__all__ = ["Account"]


class Account:
    """Custody and scores over the events of one city."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._formulas = formulas.load()
        self._units: dict[str, Text] = {}
        self._log = Log()
        self._read = 0
        self._columns: Ledger | None = None
        self._reading = threading.Lock()

    def register_units(self, units: Mapping[str, Text]) -> None:
        """Make departments known, by code with their titles."""
        self._units.update(units)

    def unit_title(self, code: str) -> Text:
        """The title of a department, or the code where it has none."""
        return self._units.get(code) or text(code, code)

    def now(self) -> datetime:
        """The city's present, aware, UTC."""
        return self._database.clock.now()

    def first(self) -> datetime | None:
        """When the first task was opened; ``None`` while there is none."""
        ledger, _ = self._ledger()
        return from_us(int(ledger.at.min())) if len(ledger.at) else None

    def custody(self, task_id: str) -> list[Custody]:
        """Who held the task when, from its opening to its end or the present. Raises :class:`NotFound`."""
        ledger, log = self._ledger()
        if task_id not in log.codes:
            raise NotFound(f"there is no task {task_id}", remedy="look at the list of tasks")
        found = self._custody(ledger, log, np.array([log.codes[task_id]]), self.now())
        return found[task_id]

    def custody_of(self, runs: Sequence[str]) -> dict[str, list[dict[str, object]]]:
        """For every task of these runs its custody up to the present, oldest first, as the API shows it."""
        ledger, log = self._ledger()
        wanted = [code for run in runs for code in log.by_run.get(run, ())]
        found = self._custody(ledger, log, np.array(wanted, dtype=np.int64), self.now())
        return {task: [piece.json() for piece in pieces] for task, pieces in found.items()}

    def scores(self, since: datetime, until: datetime, formula: str | None = None) -> Scores:
        """Every department's score over ``[since, until)``, by the formula in force at its end.

        Raises :class:`BadRequest` for an empty period, :class:`NotFound` when no formula is in force.
        """
        chosen = self._formula(since, until, formula)
        ledger, log = self._ledger()
        found = rates.scores(ledger, log.names, chosen, to_us(since), to_us(until))
        return Scores(since, until, chosen, tuple(found))

    def counted(self, actor: Actor, department: str, rate: str, since: datetime, until: datetime) -> list[Counted]:
        """The tasks behind one rate of one department, oldest first; a clerk sees those of the own department.

        Raises :class:`NotFound` for an unknown rate, :class:`Forbidden`.
        """
        require(actor, "score.read")
        seen = departments(actor, "task.read")
        if seen is not None and department not in seen:
            raise Forbidden(
                f"{actor.id} may not see the tasks of {department}", remedy="ask the department, or a coordinator"
            )
        if rate not in RATES:
            raise NotFound(f"there is no rate {rate}", remedy=f"rates: {', '.join(RATES)}")
        self._formula(since, until, None)
        ledger, log = self._ledger()
        if department not in log.names:
            return []
        facts = ledger.until(to_us(until)).facts()
        numerator, denominator = rates.members(facts, to_us(since), to_us(until))[rate]
        chosen = np.flatnonzero(denominator & (ledger.unit == log.names.index(department)))
        order = chosen[np.argsort(facts.dispatched[chosen], kind="stable")]
        return [_counted(log, ledger, facts, int(task), bool(numerator[task])) for task in order]

    def verify(self) -> list[str]:
        """Prove what follows from the log; an empty list means all of it holds. (:func:`events.verify` proves the log.)

        Every task's custody covers its time exactly, in microseconds, and its events
        can have happened in their order; the rounds of a branch join without a gap; and the figures of the vectorised
        ledger equal those counted task by task.
        """
        with self._database.read() as conn:
            found = [(type, data) for _, type, data in store.run_events(conn, 0, columns.TYPES)]
        log = Log()
        for type, data in found:
            log.feed(type, data)
        ledger, now = log.ledger(), self.now()
        newest = max((datetime.fromisoformat(data["at"]) for _, data in found), default=now)
        now = max(now, newest)
        faults = [f"{log.ids[task]}: {what}" for task, what in ledger.faults()]
        faults += _custody_faults(ledger, log, to_us(now))
        told = plain.stories(found)
        by_task = self._custody(ledger, log, np.arange(ledger.tasks), now)
        for task, story in told.items():
            mine = [
                (piece.holder, piece.start, piece.end, piece.charged, piece.reason) for piece in by_task.get(task, [])
            ]
            if mine != story.custody(now):
                faults.append(f"{task}: the ledger and the count by hand differ")
        return faults + self._score_faults(ledger, log, found, now)

    def _score_faults(
        self, ledger: Ledger, log: Log, found: list[tuple[str, dict[str, object]]], now: datetime
    ) -> list[str]:
        since = datetime(1970, 1, 1, tzinfo=UTC)
        by_hand = plain.rates(plain.stories(found, now).values(), since, now)
        scored = rates.scores(ledger, log.names, self._formulas[-1], to_us(since), to_us(now))
        faults = []
        for score in scored:
            mine = {rate: (part.num, part.den) for rate, part in score.rates.items()}
            hand = by_hand.pop(score.department, dict.fromkeys(mine, (0, 0)))
            if mine != hand:
                faults.append(f"scores of {score.department}: {mine} and by hand {hand}")
        left = [unit for unit, parts in by_hand.items() if any(den for _, den in parts.values())]
        return faults + [f"scores of {unit} are missing" for unit in left]

    def _formula(self, since: datetime, until: datetime, id: str | None) -> Formula:
        if since.tzinfo is None or until.tzinfo is None or until <= since:
            raise BadRequest(
                "the period is empty or has no time zone", remedy="give from and to, e.g. 2015-12-01T00:00:00Z"
            )
        return formulas.in_force(self._formulas, until.date(), id)

    def _ledger(self) -> tuple[Ledger, Log]:
        with self._reading:
            before = self._read
            with self._database.read() as conn:
                for seq, type, data in store.run_events(conn, self._read, columns.TYPES):
                    self._log.feed(type, data)
                    self._read = seq
            if self._columns is None or self._read != before:
                self._columns = self._log.ledger()
            return self._columns, self._log

    def _custody(self, ledger: Ledger, log: Log, tasks: columns.I64, now: datetime) -> dict[str, list[Custody]]:
        pieces = ledger.of(tasks).pieces(to_us(now))
        found: dict[str, list[Custody]] = {log.ids[task]: [] for task in tasks.tolist()}
        rows = zip(
            *(
                column.tolist()
                for column in (pieces.task, pieces.holder, pieces.start, pieces.end, pieces.charged, pieces.reason)
            ),
            strict=True,
        )
        for task, holder, start, end, charged, reason in rows:
            piece = Custody(
                log.ids[task], log.names[holder], from_us(start), from_us(end), charged, columns.REASONS[reason]
            )
            found[piece.task].append(piece)
        return found


def _custody_faults(ledger: Ledger, log: Log, now: int) -> list[str]:
    pieces = ledger.pieces(now)
    opened, ended = ledger.span(now)
    held = np.zeros(ledger.tasks, dtype=np.int64)
    np.add.at(held, pieces.task, pieces.end - pieces.start)
    faults = [f"{log.ids[task]}: custody does not add up" for task in np.flatnonzero(held != ended - opened)]
    same = pieces.task[1:] == pieces.task[:-1]
    gaps = same & (pieces.end[:-1] != pieces.start[1:])
    faults += [f"{log.ids[pieces.task[i]]}: custody has a gap or an overlap" for i in np.flatnonzero(gaps)]
    joints = [(a, b) for a, b in ledger.joints(log) if ended[a] != opened[b]]
    return faults + [f"{log.ids[b]}: its round does not begin where the one before ended" for a, b in joints]


def _counted(log: Log, ledger: Ledger, facts: Facts, task: int, counts: bool) -> Counted:
    def moment(column: columns.I64) -> datetime | None:
        return None if column[task] == columns.NEVER else from_us(int(column[task]))

    dispatched = moment(facts.dispatched)
    assert dispatched is not None, "only dispatched tasks are counted"
    return Counted(
        log.ids[task], log.runs[task], log.steps[task], int(ledger.round[task]), counts, dispatched,
        moment(facts.accepted), moment(facts.due), moment(facts.submitted), moment(facts.closed),
    )  # fmt: skip

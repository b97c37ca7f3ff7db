"""The verbs of account: custody, scores, the events behind a figure, formulas, appeals, and the proof of all.

Every figure is recomputed from the event log. The log only grows, so what was read of it is kept as columns
(:mod:`cityheart.account.books`) and only new events are read; :meth:`Account.verify` reads it afresh.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast
from zoneinfo import ZoneInfo

import numpy as np

from cityheart.account import books, flags, history, proof, rates, store
from cityheart.account import formula as formulas
from cityheart.account import ledger as columns
from cityheart.account import supply as supplies
from cityheart.account.index import Index, behind, effects_by_rate, tally
from cityheart.account.ledger import Facts, Ledger, Log, from_us, to_us
from cityheart.account.models import (
    LESS_IS_BETTER,
    RATES,
    Appeal,
    Counted,
    Custody,
    Dispatcher,
    Effect,
    Flag,
    Formula,
    Rate,
    Scores,
    Supplied,
)
from cityheart.kernel import events, limits
from cityheart.kernel.access import can, departments, require
from cityheart.kernel.actors import Actor
from cityheart.kernel.calendar import Calendar
from cityheart.kernel.database import Database, Work
from cityheart.kernel.errors import BadRequest, Conflict, Forbidden, Invalid, NotFound
from cityheart.kernel.events import Event
from cityheart.kernel.ids import derive
from cityheart.kernel.text import Text, text

__all__ = ["Account"]

_MICROSECOND = timedelta(microseconds=1)
_EFFECTS = ("exclude", "count_as_good")


class Account:
    """Custody and scores over the events of one city.

    ``zone`` is the city's, for days; ``folder`` keeps what was read of the log between two processes, as derived data.
    """

    def __init__(
        self,
        database: Database,
        *,
        zone: str = "Asia/Shanghai",
        folder: Path | None = None,
        calendar: Calendar | None = None,
    ) -> None:
        self._database = database
        self._zone = ZoneInfo(zone)
        self._calendar = calendar or Calendar.load()
        self._files = formulas.load()
        self._flags = flags.rules()
        self._units: dict[str, Text] = {}
        self._books = books.Books(database, folder)
        self._deliveries = supplies.Deliveries(database)
        self._step_title: Callable[[str, str], Text] = lambda run, step: text(step, step)
        self._supplied: Callable[[], Sequence[supplies.Supplier]] = tuple

    def register_units(self, units: Mapping[str, Text]) -> None:
        """Make departments known, by code with their titles."""
        self._units.update(units)

    def register_steps(self, title: Callable[[str, str], Text]) -> None:
        """Say who knows the title of a step: a function of a run and a step's id."""
        self._step_title = title

    def register_suppliers(self, suppliers: Callable[[], Sequence[supplies.Supplier]]) -> None:
        """Say who knows the sources of data, their departments and how often they deliver."""
        self._supplied = suppliers

    def unit_title(self, code: str) -> Text:
        """The title of a department, or the code where it has none."""
        return self._units.get(code) or text(code, code)

    def step_title(self, run: str, step: str) -> Text:
        """The title of a step of a run, or its id where nobody knows one."""
        try:
            return self._step_title(run, step)
        except (NotFound, KeyError):  # history of another system, or a plan that is not here
            return text(step, step)

    @property
    def zone(self) -> ZoneInfo:
        """The city's time zone."""
        return self._zone

    def now(self) -> datetime:
        """The city's present, aware, UTC."""
        return self._database.clock.now()

    def first(self) -> datetime | None:
        """When the first task was opened; ``None`` while there is none."""
        with self._books.open() as (log, index):
            loose = log.ledger(log.loose()).at
            found = [int(column.min()) for column in (index.opened, loose) if len(column)]
        return from_us(min(found)) if found else None

    # ── custody ────────────────────────────────────────────────────────────────────────────────────────────────

    def custody(self, task_id: str) -> list[Custody]:
        """Who held the task when, from its opening to its end or the present. Raises :class:`NotFound`."""
        with self._books.open() as (log, _):
            code = np.array([_known(log, task_id)])
            return _custody(log, code, self.now())[task_id]

    def custody_of(self, runs: Sequence[str]) -> dict[str, list[dict[str, object]]]:
        """For every task of these runs its custody up to the present, oldest first, as the API shows it."""
        with self._books.open() as (log, _):
            found = _custody(log, log.tasks_of(runs), self.now())
        return {task: [piece.json() for piece in pieces] for task, pieces in found.items()}

    # ── scores ─────────────────────────────────────────────────────────────────────────────────────────────────

    def scores(
        self, since: datetime, until: datetime, formula: str | None = None, *, known: datetime | None = None
    ) -> Scores:
        """Every department's score over ``[since, until)``, by the formula in force on its last day.

        ``formula`` names another one, ``id`` or ``id@version``. With ``known`` only appeals decided before that moment
        count. Raises :class:`BadRequest` for an empty period, :class:`NotFound` when no formula is in force.
        """
        chosen = self._formula(since, until, formula)
        with self._books.open() as (log, index):
            counted = tally(log, index, to_us(since), to_us(until), columns.NEVER if known is None else to_us(known))
            found = rates.scores(counted, log.names, log.pairs, chosen)
            senders = _dispatchers(log, counted)
        changes = () if formula else self._changes(since, until)
        return Scores(since, until, chosen, tuple(found), tuple(senders), changes)

    def counted(
        self,
        actor: Actor,
        department: str,
        rate: str,
        since: datetime,
        until: datetime,
        *,
        only: bool | None = None,
        limit: int = limits.PAGE_ROWS,
        offset: int = 0,
    ) -> tuple[list[Counted], int]:
        """One page of the tasks behind one rate of one department, oldest first, and how many there are.

        ``only`` asks for those in the numerator, or those that are not. A clerk sees those of the own department.
        Raises :class:`NotFound` for an unknown rate, :class:`Forbidden`.
        """
        require(actor, "score.read")
        self._may_see(actor, department)
        if rate not in RATES:
            raise NotFound(f"there is no rate {rate}", remedy=f"rates: {', '.join(RATES)}")
        self._formula(since, until, None)
        with self._books.open() as (log, index):
            if department not in log.names:
                return [], 0
            found = self._behind(log, index, log.names.index(department), rate, to_us(since), to_us(until))
            if only is not None:
                found = [one for one in found if one[1] == only]
            page = found[offset : offset + limit]
            return [_counted(log, *one) for one in page], len(found)

    def _behind(
        self, log: Log, index: Index, department: int, rate: str, since: int, until: int
    ) -> list[tuple[int, bool, str | None, Facts, int]]:
        """``(task, counts, correction, facts, row)`` of each task in the denominator or taken out of it, oldest first."""
        tasks, found, facts = behind(log, index, department, rate, rates.CLOCK_OF[rate], since, until)
        num, den = rates.members(rate, found, since, until)
        effects = effects_by_rate(log, tasks).get(rate, {})
        num, _ = rates.corrected(rate, num, den, effects)
        order = np.lexsort((tasks, facts.dispatched)).tolist()
        codes, counts = tasks.tolist(), num.tolist()
        return [(codes[row], counts[row], effects.get(row), facts, row) for row in order]

    def _may_see(self, actor: Actor, department: str) -> None:
        seen = departments(actor, "task.read")
        if seen is not None and department not in seen:
            raise Forbidden(
                f"{actor.id} may not see the tasks of {department}", remedy="ask the department, or a coordinator"
            )

    def item(self, actor: Actor, task_id: str) -> dict[str, object]:
        """Everything behind one task: its events in order, who held it when, and appeals. A clerk: own department's.

        Raises :class:`NotFound`, :class:`Forbidden`.
        """
        require(actor, "score.read")
        with self._books.open() as (log, _):
            code = _known(log, task_id)
            (unit, run, step) = (
                int(log.of(name, np.array([code]))[0]) for name in ("unit", "run", "step")
            )  # fmt: skip
            department, run_id, step_id = log.names[unit], log.runs[run], log.steps[step]
            custody = _custody(log, np.array([code]), self.now())[task_id]
        self._may_see(actor, department)
        with self._database.read() as conn:
            told = [event for event in self._events_of(conn, run_id) if _about(event, task_id)]
            appeals = [
                each for each in store.appeals(conn, units=None, limit=limits.PAGE_ROWS)[0] if each.task == task_id
            ]
        return {
            "task": task_id,
            "run": run_id,
            "step": step_id,
            "step_title": self.step_title(run_id, step_id),
            "department": department,
            "department_title": self.unit_title(department),
            "events": [_event(event) for event in told],
            "custody": [piece.json() for piece in custody],
            "appeals": [each.id for each in appeals],
        }

    def _events_of(self, conn: Any, run: str) -> list[Event]:
        found: list[Event] = []
        while page := events.read(conn, stream=f"run:{run}", after=found[-1].seq if found else 0):
            found += page
        return found

    def flags(self, since: datetime, until: datetime) -> list[Flag]:
        """Patterns that may be gaming, by department; each with tasks to look at. They change no score."""
        self._formula(since, until, None)
        with self._books.open() as (log, index):
            return flags.found(log, index, to_us(since), to_us(until), self._flags)

    def supply(self, since: datetime, until: datetime) -> tuple[Formula, list[Supplied]]:
        """How departments supplied data over a period, by the formula for it in force on its last day."""
        chosen = self._formula(since, until, None, of="supply")
        found = self._deliveries.supplied(self._supplied(), since, until)
        return chosen, [
            Supplied(department, sources, parts, chosen.score(parts)) for department, sources, parts in found
        ]

    # ── formulas ───────────────────────────────────────────────────────────────────────────────────────────────

    def formulas(self) -> list[Formula]:
        """Every formula there is, those of the system and those that the city published, oldest first."""
        with self._database.read() as conn:
            published = [_published(*row) for row in store.formulas(conn)]
        return sorted([*self._files, *published], key=lambda each: (each.valid_from, each.published_at is not None))

    def publish_formula(self, actor: Actor, command_id: str, content: Mapping[str, object]) -> dict[str, object]:
        """Publish a version of a formula, adopted from its ``valid_from`` on; returns ``{"id", "version"}``.

        It begins on a later day than the present one, so figures of the past keep their formula. Raises
        :class:`Invalid`, :class:`Conflict` when there is such a version.
        """
        require(actor, "score.manage")
        formula = formulas.parse({**content, "adopted": True})

        def do(work: Work) -> dict[str, object]:
            today = work.now.astimezone(self._zone).date()
            if formula.valid_from <= today:
                raise Invalid(
                    f"{formula.valid_from} is not in the future: a formula never changes the past",
                    remedy=f"let it begin after {today}",
                )
            every = [*self._files, *(_published(*row) for row in store.formulas(work.conn))]
            if any((each.id, each.version) == (formula.id, formula.version) for each in every):
                raise Conflict(f"there is a {formula.id} {formula.version}", remedy="give it a new version")
            same = [
                each
                for each in every
                if each.adopted and (each.of, each.valid_from) == (formula.of, formula.valid_from)
            ]
            if same:
                raise Conflict(f"{same[0].id} {same[0].version} begins on that day", remedy="choose another day")
            plain_content = formulas.mapping(formula)
            store.add_formula(work.conn, formula.id, formula.version, plain_content, work.now, work.actor.id)
            work.emit(f"formula:{formula.id}", "formula.published", {"formula": plain_content, "at": work.now})
            return {"id": formula.id, "version": formula.version}

        return self._database.once(actor, command_id, "formula.publish", dict(content), do)

    def _formula(self, since: datetime, until: datetime, id: str | None, of: str = "handling") -> Formula:
        if since.tzinfo is None or until.tzinfo is None or until <= since:
            raise BadRequest(
                "the period is empty or has no time zone", remedy="give from and to, e.g. 2015-12-01T00:00:00Z"
            )
        name, _, version = (id or "").partition("@")
        return formulas.in_force(self.formulas(), self._day(until - _MICROSECOND), name or None, version or None, of)

    def _changes(self, since: datetime, until: datetime) -> tuple[Formula, ...]:
        """Formulas that came into force after the first day of a period and up to its last."""
        first, last = self._day(since), self._day(until - _MICROSECOND)
        return tuple(
            each
            for each in self.formulas()
            if each.adopted and each.of == "handling" and first < each.valid_from <= last
        )

    def _day(self, at: datetime) -> Any:
        return at.astimezone(self._zone).date()

    # ── appeals ────────────────────────────────────────────────────────────────────────────────────────────────

    def appeal(
        self, actor: Actor, command_id: str, task_id: str, rate: str, reason: str, evidence: str = ""
    ) -> dict[str, object]:
        """A department appeals against one of its tasks in one rate; returns ``{"appeal_id"}``.

        Raises :class:`NotFound`, :class:`Forbidden` for another department's task, :class:`Conflict` when the task does
        not count against the department, was appealed against before, or the time to appeal is over.
        """
        reason, evidence = _words(reason, "a reason"), _bounded(evidence)
        if rate not in RATES:
            raise NotFound(f"there is no rate {rate}", remedy=f"rates: {', '.join(RATES)}")
        with self._books.open() as (log, _):
            code = np.array([_known(log, task_id)])
            department = log.names[int(log.of("unit", code)[0])]
            run = log.runs[int(log.of("run", code)[0])]
        require(actor, "appeal.file", department)

        def do(work: Work) -> dict[str, object]:
            self._appealable(task_id, rate, work.now)
            matter = rates.matter(rate)
            new = Appeal(
                derive("appeal", task_id, matter), task_id, run, department, rate, reason, evidence, "open", work.now,
                {"id": actor.id, "name": actor.name},
            )  # fmt: skip
            if not store.add_appeal(work.conn, new, matter):
                raise Conflict("there is an appeal about this already", remedy="look at the list of appeals")
            work.emit(f"appeal:{new.id}", "appeal.filed", {
                "appeal": new.id, "task": task_id, "run": run, "unit": department, "rate": rate, "matter": matter,
                "reason": reason, "evidence": _digest(evidence), "at": work.now,
            })  # fmt: skip
            return {"appeal_id": new.id}

        payload = {"task": task_id, "rate": rate, "reason": reason, "evidence": evidence}
        return self._database.once(actor, command_id, "appeal.file", payload, do)

    def _appealable(self, task_id: str, rate: str, now: datetime) -> None:
        with self._books.open() as (log, index):
            code = log.codes[task_id]
            unit = int(log.of("unit", np.array([code]))[0])
            everything = (to_us(datetime(1, 1, 1, tzinfo=UTC)), to_us(now) + 1)
            tasks, clocks, _ = behind(log, index, unit, rate, rates.CLOCK_OF[rate], *everything)
            place = np.flatnonzero(tasks == code)
            if not len(place):
                raise Conflict("the task does not count in this rate", remedy="look at the tasks behind the rate")
            num, _ = rates.members(rate, clocks, *everything)
            moment = from_us(int(clocks.moments[rates.CLOCK_OF[rate]][place[0]]))
            good = bool(num[place[0]]) != (rate in LESS_IS_BETTER)
        if good:
            raise Conflict(
                "the task counts in the department's favour", remedy="appeal against one that counts against it"
            )
        rule = formulas.in_force(self.formulas(), self._day(moment))
        deadline = self._calendar.add(moment, rule.appeal_within, self._zone)
        if now > deadline:
            raise Conflict(
                f"appeals against it were possible until {deadline.astimezone(self._zone):%Y-%m-%d %H:%M}",
                remedy="ask the inspectors to look at it",
            )

    def decide_appeal(
        self, actor: Actor, command_id: str, appeal_id: str, uphold: bool, reason: str, effect: Effect = "exclude"
    ) -> dict[str, object]:
        """An inspector upholds or dismisses an appeal, with a reason; returns ``{"appeal_id", "state"}``.

        Upheld, the task leaves the rate (``exclude``) or counts in the department's favour (``count_as_good``), in every
        rate that says the same. Raises :class:`Forbidden` for one of the department itself or who filed it,
        :class:`Conflict` when it is decided.
        """
        require(actor, "appeal.decide")
        reason = _words(reason, "a reason")
        if effect not in _EFFECTS:
            raise Invalid(f"nothing is known of the effect {effect!r}", remedy=f"effects: {', '.join(_EFFECTS)}")

        def do(work: Work) -> dict[str, object]:
            there = store.appeal(work.conn, appeal_id, lock=True)
            if there is None:
                raise NotFound(f"there is no appeal {appeal_id}", remedy="look at the list of appeals")
            if actor.department == there.department or actor.id == there.filed_by["id"]:
                raise Forbidden(
                    "nobody decides on an appeal of the own department", remedy="let another inspector decide"
                )
            if there.state != "open":
                raise Conflict(f"the appeal is {there.state} already", remedy="nothing needs to be done")
            state = "upheld" if uphold else "dismissed"
            store.decide_appeal(work.conn, replace(
                there, state="upheld" if uphold else "dismissed", effect=effect if uphold else None, decision=reason,
                decided_at=work.now, decided_by={"id": actor.id, "name": actor.name},
            ))  # fmt: skip
            data: dict[str, object] = {
                "appeal": there.id, "task": there.task, "run": there.run, "unit": there.department, "rate": there.rate,
                "matter": rates.matter(there.rate), "reason": reason, "at": work.now,
            }  # fmt: skip
            work.emit(f"appeal:{there.id}", f"appeal.{state}", data | ({"effect": effect} if uphold else {}))
            return {"appeal_id": there.id, "state": state}

        payload = {"appeal": appeal_id, "uphold": uphold, "reason": reason, "effect": effect}
        return self._database.once(actor, command_id, "appeal.decide", payload, do)

    def appeals(
        self,
        actor: Actor,
        *,
        state: str | None = None,
        after: tuple[datetime, str] | None = None,
        limit: int = limits.PAGE_ROWS,
    ) -> tuple[list[Appeal], int]:
        """One page of appeals, newest first, and how many there are; a clerk sees those of the own department."""
        units = departments(actor, "appeal.file")
        if can(actor, "appeal.decide") or can(actor, "event.read"):
            units = None
        elif units is not None and not units:
            require(actor, "appeal.file")
        with self._database.read() as conn:
            return store.appeals(conn, units=units, state=state, after=after, limit=limit)

    def appeals_in(self, since: datetime, until: datetime) -> list[Appeal]:
        """Appeals filed before ``until`` that were open in the period or decided in it, newest first."""
        with self._database.read() as conn:
            every = store.every_appeal(conn)
        return [
            each for each in every if each.filed_at < until and (each.decided_at is None or each.decided_at >= since)
        ]

    def take_in(self, actor: Actor, mapping: Path, file: Path) -> history.Taken:
        """Take closed cases of another system in as history; see :mod:`cityheart.account.history`."""
        return history.take_in(self._database, actor, history.mapping(mapping), file)

    # ── proof ──────────────────────────────────────────────────────────────────────────────────────────────────

    def verify(self) -> list[str]:
        """Prove what follows from the log; an empty list means all of it holds. (:func:`events.verify` proves the log.)

        Every task's custody covers its time exactly, in microseconds, and its events can have happened in their order;
        the rounds of a branch join without a gap; the figures of the vectorised ledger, appeals included, equal those
        counted task by task; formulas and appeals are those that events tell of; the columns kept on disk are the log's.
        """
        with self._database.read() as conn:
            told = [(type, data, actor) for _, type, data, actor in store.run_events(conn, 0, proof.READ)]
            kept = store.formulas(conn), store.every_appeal(conn)
        with self._books.open() as (log, index):
            return proof.faults(told, kept, (log, index), self.formulas(), self.now(), self._zone)


def _known(log: Log, task_id: str) -> int:
    if task_id not in log.codes:
        raise NotFound(f"there is no task {task_id}", remedy="look at the list of tasks")
    return log.codes[task_id]


def _custody(log: Log, tasks: columns.I64, now: datetime) -> dict[str, list[Custody]]:
    return custody_of(log, log.ledger(tasks), now)


def custody_of(log: Log, ledger: Ledger, now: datetime) -> dict[str, list[Custody]]:
    """Custody by task id of every task of a ledger."""
    pieces = ledger.pieces(to_us(now))
    names = [log.ids[code] for code in ledger.codes.tolist()]
    found: dict[str, list[Custody]] = {name: [] for name in names}
    rows = zip(
        *(
            column.tolist()
            for column in (pieces.task, pieces.holder, pieces.start, pieces.end, pieces.charged, pieces.reason)
        ),
        strict=True,
    )
    for task, holder, start, end, charged, reason in rows:
        piece = Custody(names[task], log.names[holder], from_us(start), from_us(end), charged, columns.REASONS[reason])
        found[piece.task].append(piece)
    return found


def _dispatchers(log: Log, counted: rates.Tally) -> list[Dispatcher]:
    found = []
    for code, person in enumerate(log.people):
        right, upheld = counted.senders[code + 1].tolist()
        if person and right + upheld:
            found.append(Dispatcher(person, Rate(right, right + upheld), upheld))
    return sorted(found, key=lambda each: (-each.accuracy.den, each.dispatcher))


def _counted(log: Log, task: int, counts: bool, correction: str | None, facts: Facts, row: int) -> Counted:
    def moment(column: columns.I64) -> datetime | None:
        return None if column[row] == columns.NEVER else from_us(int(column[row]))

    dispatched = moment(facts.dispatched)
    assert dispatched is not None, "only dispatched tasks are counted"
    run, step, round = (int(log.of(name, np.array([task]))[0]) for name in ("run", "step", "round"))
    return Counted(
        log.ids[task], log.runs[run], log.steps[step], round, counts, dispatched,
        moment(facts.accepted), moment(facts.due), moment(facts.submitted), moment(facts.closed), correction,
    )  # fmt: skip


def _about(event: Event, task: str) -> bool:
    opened = cast("list[Mapping[str, object]]", event.data.get("tasks") or [])
    return event.data.get("task") == task or any(each.get("task") == task for each in opened)


def _event(event: Event) -> dict[str, object]:
    shown = event.json()
    if event.type == "run.started":  # the other tasks of the run are not this department's business
        shown["data"] = {key: value for key, value in event.data.items() if key not in ("tasks", "skipped")}
    return shown


def _published(content: Mapping[str, Any], at: datetime, by: str) -> Formula:
    formula = formulas.parse(content)
    return replace(formula, published_by=by, published_at=at)


def _words(words: str, what: str) -> str:
    if not words.strip():
        raise Invalid(f"{what} is missing", remedy="say why in one sentence")
    return _bounded(words)


def _bounded(words: str) -> str:
    if len(words) > limits.TEXT_CHARS:
        raise Invalid(f"a text has at most {limits.TEXT_CHARS} characters", remedy="shorten it")
    return words


def _digest(words: str) -> str:
    return hashlib.sha256(words.encode()).hexdigest()

"""The verbs of command: publish a plan, dispatch it with one click, act on its tasks, lift it; and time passing.

Each verb of a person is one transaction under the person's command id: state, events and messages together, or nothing.
Everything that belongs to one incident is written under that incident's lock, so its acts happen one after the other.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import isfinite
from pathlib import Path
from typing import cast
from zoneinfo import ZoneInfo

import cityheart.command.plan as plan_language
from cityheart.command import engine, knowledge, store
from cityheart.command.effective import unroll
from cityheart.command.engine import Act, Bearings, Decided, Transition
from cityheart.command.files import FileStore
from cityheart.command.models import (
    ROLE_TITLES,
    File,
    Happened,
    Incident,
    Patch,
    Place,
    Plan,
    Receipt,
    Run,
    Task,
    Value,
)
from cityheart.command.parameters import begun_with
from cityheart.command.worker import Firing, PlanUnknown
from cityheart.kernel import events, limits
from cityheart.kernel.access import can, departments, require
from cityheart.kernel.actors import Actor
from cityheart.kernel.calendar import Calendar
from cityheart.kernel.database import Database, Work
from cityheart.kernel.errors import Conflict, Invalid, NotFound, Problem, TooLarge, TooMany
from cityheart.kernel.events import Event, Subscription, deliver, last, read
from cityheart.kernel.ids import derive
from cityheart.kernel.text import Text, text

__all__ = ["Changes", "Command"]

_SPEC = {"id", "alert_id", "title", "kind", "level", "parameters"}


_MOVES = frozenset(  # events after which a department's list of tasks looks different
    "task." + what
    for what in (
        "dispatched", "accepted", "late_accept", "overdue", "escalated", "submitted", "rejected", "closed", "returned",
        "return_upheld", "sent_back", "reassigned", "delegated", "extension_requested", "extension_decided", "suspended",
        "resumed", "cancelled", "offline_counted", "evaluated", "file_added",
    )
)  # fmt: skip
_PLANS_KEPT = 1_000  # effective plans of runs kept in memory


@dataclass(frozen=True, slots=True)
class Changes:
    """Tasks that changed, up to event ``cursor``; ``more`` when there is more to ask for from there."""

    tasks: list[Task]
    cursor: int
    more: bool


class Command:
    """Incidents, plans, runs and tasks of one city. ``files`` is the folder in which files of receipts are kept.

    ``calendar`` says what working time is, by default mainland China's; ``zone`` is the city's time zone.
    """

    def __init__(
        self, database: Database, files: Path, *, calendar: Calendar | None = None, zone: str = "Asia/Shanghai"
    ) -> None:
        self._database = database
        self._calendar = calendar
        self._zone = ZoneInfo(zone)
        self._table: Callable[[str, str | None], plan_language.Table | None] | None = None
        self._resolve: Callable[[str, Mapping[str, Value | None]], Decided] = engine.no_tables
        self._effective: dict[str, tuple[int, Plan]] = {}
        self._units: dict[str, Text] = {}
        self._below: dict[str, frozenset[str]] = {}
        self._plans: dict[str, Plan] = {}
        self._alerts_read = 0
        self.firing = Firing(database, self._catch_up)
        self.files = FileStore(files)
        self.subscription = Subscription("command", frozenset({"alert.ended"}), self._alert_ended)

    def register_units(self, units: Mapping[str, Text], below: Mapping[str, frozenset[str]] | None = None) -> None:
        """Make departments known, by code with their titles, and which stand below which."""
        self._units.update(units)
        self._below.update(below or {})

    def unit_title(self, code: str) -> Text:
        """The title of a department, or the code where it has none."""
        if not code:
            return text("待定", "not yet decided")
        return self._units.get(code) or ROLE_TITLES.get(code) or text(code, code)

    def register_decisions(
        self,
        table: Callable[[str, str | None], plan_language.Table | None],
        resolve: Callable[[str, Mapping[str, Value | None]], Decided],
    ) -> None:
        """Let plans decide by tables: ``table`` says what a plan pins of one by name, ``resolve`` asks it by digest."""
        self._table, self._resolve = table, resolve

    def _bearings(self) -> Bearings:
        return Bearings(self._resolve, self._later, self._spent, self._units.keys(), self._units, self._below)

    def _later(self, at: datetime, span: timedelta) -> datetime:
        return self._working().add(at, span, self._zone)

    def _spent(self, start: datetime, end: datetime) -> timedelta:
        return self._working().between(start, end, self._zone)

    def _working(self) -> Calendar:
        if self._calendar is None:
            self._calendar = Calendar.load()
        return self._calendar

    # ── plans ──────────────────────────────────────────────────────────────────────────────────────────────────

    def publish(self, actor: Actor, source: str | Mapping[str, object]) -> str:
        """Compile and store a plan (YAML text or a mapping); returns its digest. The same plan again changes nothing.

        What its steps decide by or call is pinned as it is now; the same text published again keeps what was pinned.
        Raises :class:`Invalid` naming the step that is wrong, :class:`Conflict` for another content under the same name
        and version.
        """
        require(actor, "plan.publish")
        plan = self.compiled(source)
        if self._find_plan(plan.digest) is not None:
            return plan.digest
        known = self._version(plan.name, plan.version)
        if known is not None and self._compile_like(source, known).digest == known.digest:
            return known.digest
        with self._database.work(actor) as work:
            new = store.publish_plan(
                work.conn, plan.digest, plan.name, plan.version, plan.canonical, work.now, actor.id
            )
            if not new and store.plan_digest(work.conn, plan.name, plan.version) != plan.digest:
                raise Conflict(
                    f"plan {plan.name} {plan.version} is published with another content",
                    remedy="publish it under a new version",
                )
            if new:
                work.emit(
                    f"plan:{plan.name}",
                    "plan.published",
                    {"id": plan.name, "version": plan.version, "digest": plan.digest},
                )
        return plan.digest

    def compiled(self, source: str | Mapping[str, object]) -> Plan:
        """The plan as it would be published now; nothing is stored. Raises :class:`Invalid` naming what is wrong."""
        return plan_language.compile(source, self._units.keys(), tables=self._table, plans=self._version)

    def _compile_like(self, source: str | Mapping[str, object], known: Plan) -> Plan:
        """The plan with what ``known`` has pinned."""
        tables = {
            step.table: plan_language.Table(step.decision, tuple(step.inputs), step.outputs)
            for step in known.steps
            if step.table is not None and step.decision is not None
        }
        called = {plan.name: plan for plan in map(self.plan, known.calls.values())}
        return plan_language.compile(
            source,
            self._units.keys(),
            tables=lambda name, digest: tables.get(name),
            plans=lambda name, version: called.get(name),
        )

    def _version(self, name: str, version: str | None) -> Plan | None:
        """The published plan of this name and version; without a version the newest."""
        with self._database.read() as conn:
            digest = store.plan_digest(conn, name, version)
        return None if digest is None else self.plan(digest)

    def plan(self, digest: str) -> Plan:
        """The plan of this digest. Raises :class:`NotFound`."""
        plan = self._find_plan(digest)
        if plan is None:
            raise NotFound(f"there is no plan {digest}", remedy="look at the list of plans")
        return plan

    def plans(self, actor: Actor) -> list[Plan]:
        """Every published plan, newest first."""
        require(actor, "plan.read")
        return [plan for plan, _ in self._published()]

    def suggest(self, kind: str, level: int, at: datetime) -> list[knowledge.Suggestion]:
        """Plans for an alert of ``kind`` at ``level`` (1 to 4), best first, each with its reason."""
        with self._database.read() as conn:
            counts = store.run_counts(conn)
        return knowledge.suggest(self._published(), counts, kind, level, at)

    def _published(self) -> list[tuple[Plan, datetime]]:
        with self._database.read() as conn:
            rows = store.plans(conn)
        return [(self.plan(digest), at) for digest, at in rows]

    def _find_plan(self, digest: str) -> Plan | None:
        if digest not in self._plans:
            with self._database.read() as conn:
                canonical = store.plan(conn, digest)
            if canonical is None:
                return None
            self._plans[digest] = plan_language.compile(_json(canonical))
        return self._plans[digest]

    # ── incidents ──────────────────────────────────────────────────────────────────────────────────────────────

    def open_incident(self, actor: Actor, command_id: str, incident: Mapping[str, object]) -> dict[str, object]:
        """Open an incident: ``{title, kind, level, alert_id?}``; one alert has one. Returns ``{"incident_id"}``."""
        require(actor, "incident.dispatch")

        def do(work: Work) -> dict[str, object]:
            return {"incident_id": self._open(work, command_id, incident, None)[0].id}

        return self._database.once(actor, command_id, "incident.open", dict(incident), do)

    def dispatch(
        self, actor: Actor, command_id: str, incident: Mapping[str, object], plan: str, supersedes: str | None = None
    ) -> dict[str, object]:
        """Set the plan of this digest going, with one click; returns ``{"incident_id", "run_id"}``.

        ``incident`` names an incident (``id``), or an alert (``alert_id``) or nothing, with ``title``, ``kind``,
        ``level`` and ``parameters`` of the plan. What still runs for the incident is superseded (only ``supersedes``
        when given): its undispatched steps are cancelled, its open ones go on. Raises :class:`Conflict` when this plan
        is under way there.
        """
        require(actor, "incident.dispatch")
        compiled = self.plan(plan)
        payload = {"incident": dict(incident), "plan": plan, "supersedes": supersedes}

        def do(work: Work) -> dict[str, object]:
            found, new = self._open(work, command_id, incident, compiled)
            run = Run(derive("run", found.id, command_id), found.id, plan, "active", work.now)
            active = [] if new else store.runs_of(work.conn, found.id)
            old = _superseded(active, plan, supersedes)
            context = begun_with(
                compiled, cast("Mapping[str, Value]", incident.get("parameters") or {}), found, self._units
            )
            started = engine.start(compiled, run, context, [each.id for each in old], self._bearings())
            started.before = started.run  # stored here, before its tasks
            store.save_run(work.conn, started.run)
            work.begin(f"run:{run.id}")
            for each in old:
                before = self._transition(work, each)
                before.supersede(run.id, work.now)
                self._write(work, before, found.title)
            self._write(work, started, found.title)
            return {"incident_id": found.id, "run_id": run.id}

        return self._database.once(actor, command_id, "incident.dispatch", payload, do)

    def lift(self, actor: Actor, command_id: str, incident_id: str, reason: str) -> dict[str, object]:
        """End the response: undispatched tasks are cancelled, open ones are finished; closed when nothing is open."""
        require(actor, "incident.dispatch")
        reason = _words(reason, "a reason")

        def do(work: Work) -> dict[str, object]:
            incident = self._locked(work, incident_id)
            if incident.state == "closed" or incident.lifted_at is not None:
                raise Conflict("the incident is lifted already", remedy="nothing needs to be done")
            incident = replace(incident, lifted_at=work.now)
            store.save_incident(work.conn, incident)
            work.emit(
                f"incident:{incident.id}",
                "incident.lifted",
                {"incident": incident.id, "reason": reason, "at": work.now},
            )
            for run in store.runs_of(work.conn, incident.id):
                if run.state != "closed":
                    transition = self._transition(work, run)
                    transition.drop_undispatched("lifted", work.now)
                    self._write(work, transition, incident.title)
            self._settle(work, incident.id)
            return {"incident_id": incident.id}

        return self._database.once(actor, command_id, "incident.lift", {"incident": incident_id, "reason": reason}, do)

    def _open(
        self, work: Work, command_id: str, spec: Mapping[str, object], plan: Plan | None
    ) -> tuple[Incident, bool]:
        """The incident that is meant, held; whether it is new."""
        strange = sorted(spec.keys() - _SPEC)
        if strange:
            raise Invalid(f"an incident has no {', '.join(strange)}", remedy=f"it has {', '.join(sorted(_SPEC))}")
        alert_id, level = cast("str | None", spec.get("alert_id")), cast("int | None", spec.get("level"))
        given = cast("str | None", spec.get("id"))
        id = given or (derive("incident", alert_id) if alert_id else derive("incident", "command", command_id))
        if given is None:
            title = cast("Text | None", spec.get("title")) or (plan.title if plan else None)
            if not title:
                raise Invalid("the incident has no title", remedy="give a title in zh-CN and en")
            kind = str(spec.get("kind") or (plan.kind if plan else None) or "other")
            new = Incident(id, title, kind, level, "open", alert_id, work.now, None, None, None)
            if store.open_incident(work.conn, new):
                work.begin(f"incident:{id}")
                work.emit(f"incident:{id}", "incident.opened", {
                    "incident": id, "alert": alert_id, "kind": kind, "level": level, "title": title, "at": work.now,
                })  # fmt: skip
                return new, True
        incident = self._locked(work, id)
        if plan is not None:
            incident = self._gone_on(work, incident, level)
        return incident, False

    def _gone_on(self, work: Work, incident: Incident, level: int | None) -> Incident:
        """An incident that gets another run: open again if it was closed, at the level of now."""
        was = incident
        if incident.state == "closed" or incident.lifted_at is not None:
            incident = replace(incident, state="open", closed_at=None, lifted_at=None)
            work.emit(f"incident:{incident.id}", "incident.opened", {
                "incident": incident.id, "alert": incident.alert_id, "kind": incident.kind, "level": incident.level,
                "title": incident.title, "again": True, "at": work.now,
            })  # fmt: skip
        if level is not None and level != incident.level:
            work.emit(f"incident:{incident.id}", "incident.level_changed", {
                "incident": incident.id, "from": incident.level, "to": level, "at": work.now,
            })  # fmt: skip
            incident = replace(incident, level=level)
        if incident != was:
            store.save_incident(work.conn, incident)
        return incident

    def _locked(self, work: Work, incident_id: str) -> Incident:
        incident = store.lock_incident(work.conn, incident_id)
        if incident is None:
            raise NotFound(f"there is no incident {incident_id}", remedy="look at the list of incidents")
        return incident

    def _settle(self, work: Work, incident_id: str) -> None:
        """Close the incident when every run is closed and its matter is over."""
        incident = self._locked(work, incident_id)
        over = incident.alert_over_at is not None or incident.lifted_at is not None
        if incident.state == "open" and over and not store.busy_run(work.conn, incident_id):
            store.save_incident(work.conn, replace(incident, state="closed", closed_at=work.now))
            work.emit(f"incident:{incident_id}", "incident.closed", {"incident": incident_id, "at": work.now})

    def _alert_ended(self, work: Work, event: Event) -> None:
        """The alert of an incident ended: what is open is finished, then it closes. Lifting stays with people."""
        alert_id = event.stream.removeprefix("alert:")
        incident = store.find_incident(work.conn, alert_id=alert_id)
        if incident is None:
            return
        incident = self._locked(work, incident.id)
        if incident.alert_over_at is None:
            store.save_incident(work.conn, replace(incident, alert_over_at=work.now))
            data = {"incident": incident.id, "alert": alert_id, "at": work.now}
            work.emit(f"incident:{incident.id}", "incident.alert_over", data)
            self._settle(work, incident.id)

    # ── tasks ──────────────────────────────────────────────────────────────────────────────────────────────────

    def act(
        self,
        actor: Actor,
        command_id: str,
        task_id: str,
        verb: str,
        *,
        reason: str = "",
        note: str = "",
        to: str | None = None,
        until: datetime | None = None,
        approve: bool = True,
        form: Mapping[str, object] | None = None,
        place: Place | None = None,
        clause: str | None = None,
        done_at: datetime | None = None,
        sent_at: datetime | None = None,
        count_offline: bool = False,
        satisfied: bool | None = None,
    ) -> dict[str, object]:
        """A person acts on a task; returns ``{"task_id", "state", "run_id", "next"}``, ``next`` the round that follows.

        Verbs: accept, submit (``note``, ``form``, ``place``, files attached before; ``done_at`` when the work was done
        by the sender's clock, which says ``sent_at`` now), verify (``count_offline``: the work was done in time though
        its receipt came late), reject and return (``reason``, a return with the ``clause`` it stands on), decide_return
        (``approve``, ``to``), reassign (``to``, ``reason``), delegate (``to`` a department below the task's own, with the
        same due time), request_extension (``until``, ``reason``), decide_extension
        (``approve``, ``until``), suspend, resume, cancel; of a closed task evaluate (``satisfied``: what the person says
        it was done for, ``None`` for no answer). Raises :class:`Conflict` when the task's state does not allow it,
        :class:`Forbidden` when the actor may not, :class:`Invalid` with ``fields`` when the form is not right.
        """
        if verb not in engine.VERBS:
            raise Invalid(f"nothing is known of {verb!r}", remedy=f"verbs: {', '.join(engine.VERBS)}")
        if to is not None and to not in self._units:
            raise Invalid(f"there is no department {to}", remedy=f"departments: {', '.join(sorted(self._units))}")
        _check_texts(reason, note, clause or "", form)
        _check_moments(until, done_at, sent_at)
        if done_at is not None and sent_at is None:
            raise Invalid(
                "when the work was done is said by a clock nobody knows",
                remedy="send sent_at, the phone's present, too",
            )
        if place is not None:
            _check_place(place)
        if clause is not None and not 1 <= len(clause) <= 80:
            raise Invalid("a clause is named by its id", remedy="at most 80 characters")
        by = {"id": actor.id, "name": actor.name}
        given = Act(
            verb, by, reason or note, to, until, approve, form=form, place=place, clause=clause, done_at=done_at,
            count_offline=count_offline, satisfied=satisfied,
        )  # fmt: skip
        payload: dict[str, object] = {
            "task": task_id, "reason": reason, "note": note, "to": to, "until": until, "approve": approve, "form": form,
        }  # fmt: skip
        # a phone that sends again says another sent_at: it is the same act
        payload |= {"place": [place.lon, place.lat, place.accuracy]} if place else {}
        payload |= {"clause": clause} if clause else {}
        payload |= {"done_at": done_at} if done_at else {}
        payload |= {"count_offline": True} if count_offline else {}
        payload |= {"satisfied": satisfied} if verb == "evaluate" else {}

        def do(work: Work) -> dict[str, object]:
            return self._acted(work, command_id, task_id, given, note, sent_at)

        return self._database.once(actor, command_id, f"task.{verb}", payload, do)

    def attach(self, actor: Actor, task_id: str, name: str, content: Iterable[bytes]) -> File:
        """Keep a file for the receipt of a task, before it is submitted. The same content twice is one file.

        Raises :class:`TooLarge` past ``limits.RECEIPT_FILE_BYTES``, :class:`TooMany` past ``limits.TASK_FILES``.
        """
        with self._database.read() as conn:
            task = store.find_task(conn, task_id)
        if task is None:
            raise NotFound(f"there is no task {task_id}", remedy="look at the list of tasks")
        require(actor, "task.act", task.unit)
        file = self.files.keep(name, content)
        with self._database.work(actor) as work:
            self._locked(work, task.incident)
            task = self._task(work, task_id)
            if task.state not in ("dispatched", "accepted"):
                raise Conflict(
                    f"a task that is {task.state} takes no files", remedy="files belong to work not yet submitted"
                )
            if len(store.files_waiting(work.conn, task_id)) >= limits.TASK_FILES:
                raise TooMany(f"a task has at most {limits.TASK_FILES} files", remedy="put them into one")
            if store.add_file(work.conn, task_id, file, work.now, actor.id):
                work.emit(f"run:{task.run}", "task.file_added", {
                    "incident": task.incident, "run": task.run, "task": task.id, "step": task.step, "round": task.round,
                    "unit": task.unit, "sha256": file.sha256, "bytes": file.bytes, "at": work.now,
                })  # fmt: skip
        return file

    def _acted(
        self, work: Work, command_id: str, task_id: str, act: Act, note: str, sent_at: datetime | None
    ) -> dict[str, object]:
        task = self._task(work, task_id)
        incident = self._locked(work, task.incident)
        transition = self._transition(work, self._run(work, task.run))
        require(work.actor, *_permission(act.verb, task, transition.plan))
        off: timedelta | None = None
        if act.done_at is not None and sent_at is not None:
            off = work.now - sent_at
            if abs(off) > limits.PHONE_CLOCK:
                raise Invalid(
                    f"the phone's clock is off by more than {limits.PHONE_CLOCK.days} days",
                    remedy="set the phone's clock",
                )
            act = replace(act, done_at=act.done_at + off)
        files = store.files_waiting(work.conn, task_id) if act.verb == "submit" else []
        if act.verb == "submit":
            act = _receipt_of(task, command_id, act, note, files)
        after = transition.act(task_id, act, work.now)
        self._write(work, transition, incident.title)
        if act.receipt is not None and after.submitted_at is not None:
            receipt = Receipt(
                act.receipt, task_id, after.submitted_at, act.by, note, act.form, tuple(files), act.place, after.done_at,
                off.total_seconds() if off is not None else None,
            )  # fmt: skip
            store.add_receipt(work.conn, receipt)
            if files:
                store.seal_files(work.conn, task_id, receipt.id)
        following = transition.latest[task.step]
        return {
            "task_id": task_id,
            "state": after.state,
            "run_id": task.run,
            "next": None if following.id == task_id else following.id,
        }

    def play(
        self, actor: Actor, acts: Sequence[Mapping[str, object]], sent_at: datetime | None = None
    ) -> list[dict[str, object]]:
        """Acts that a phone kept while it had no connection, in their order; each is a verb of its own.

        Each is ``{"command_id", "task_id", "verb"}`` with what :meth:`act` takes, and ``at``, when it was done by the
        phone's clock. Gives for each ``{"command_id", "ok": True, "result"}``, or ``ok`` false with its ``problem``: what
        is refused does not hold up the rest. Sent again it changes nothing.
        """
        if len(acts) > limits.ACTS_TOGETHER:
            raise TooMany(f"{len(acts)} acts at once", remedy=f"send at most {limits.ACTS_TOGETHER}, then the rest")
        played: list[dict[str, object]] = []
        for first in range(0, len(acts), limits.ACTS_COMMITTED):
            with self._database.together(actor):
                played += self._played(actor, acts[first : first + limits.ACTS_COMMITTED], sent_at)
        return played

    def _played(
        self, actor: Actor, acts: Sequence[Mapping[str, object]], sent_at: datetime | None
    ) -> list[dict[str, object]]:
        played: list[dict[str, object]] = []
        for each in acts:
            given = dict(each)
            id, task, verb = (str(given.pop(name, "")) for name in ("command_id", "task_id", "verb"))
            at = cast("datetime | None", given.pop("at", None))
            more = {"done_at": at, "sent_at": sent_at} if verb == "submit" and at is not None else {}
            try:
                result = self.act(actor, id, task, verb, **given, **more)  # type: ignore[arg-type]
                played.append({"command_id": id, "ok": True, "result": result})
            except Problem as problem:
                played.append({"command_id": id, "ok": False, "problem": problem.json()})
        return played

    # ── changing a run ─────────────────────────────────────────────────────────────────────────────────────────

    def patch(
        self,
        actor: Actor,
        command_id: str,
        run_id: str,
        op: str,
        *,
        reason: str,
        step: str | Mapping[str, object] | None = None,
        before: Sequence[str] = (),
        unit: str | None = None,
        due: datetime | None = None,
    ) -> dict[str, object]:
        """The commander changes one run, never its plan; returns ``{"run_id", "patch_no"}``.

        ``op`` is add (``step`` as in a plan, ``before`` the steps that shall wait for it), skip (``step``), reassign
        (``step``, ``unit``) or extend (``step``, ``due``). A step that is done for each of a list is meant as a whole by
        its own id, one by one by the ids of its parts. Raises :class:`Conflict` when it comes too late.
        """
        require(actor, "run.patch")
        reason = _words(reason, "a reason")
        needed = {"add": ("step",), "skip": ("step",), "reassign": ("step", "unit"), "extend": ("step", "due")}.get(op)
        if needed is None:
            raise Invalid(f"a run cannot be told to {op!r}", remedy="add, skip, reassign or extend")
        given = {"step": step, "unit": unit, "due": due, "before": list(before) or None}
        for name in needed:
            if given[name] is None:
                raise Invalid(f"{op} needs {name}", remedy=f"{op} takes {', '.join(needed)} and a reason")
        strange = [
            name for name in given if given[name] is not None and name not in (*needed, "before" * (op == "add"))
        ]
        if strange:
            raise Invalid(f"{op} has no {', '.join(strange)}", remedy=f"{op} takes {', '.join(needed)} and a reason")
        if unit is not None and unit not in self._units:
            raise Invalid(f"there is no department {unit}", remedy=f"departments: {', '.join(sorted(self._units))}")
        _check_moments(due)
        spec: dict[str, object] | None = None
        if op == "add":
            added = plan_language.added_step(step, self._table)
            id, spec = added.id, {"step": plan_language.spelled(added), "before": list(before)}
        elif not isinstance(step, str):
            raise Invalid("the step is named by its id", remedy="give the id of a step of the run")
        else:
            id = step
        payload = {"run": run_id, "op": op, "reason": reason, "step": id, "spec": spec, "unit": unit, "due": due}

        def do(work: Work) -> dict[str, object]:
            run = store.find_run(work.conn, run_id)
            if run is None:
                raise NotFound(f"there is no run {run_id}", remedy="look at the incident's runs")
            incident = self._locked(work, run.incident)
            run = self._run(work, run_id)
            transition = self._transition(work, run)
            by = {"id": actor.id, "name": actor.name}
            patch = Patch(0, op, id, reason, by, work.now, spec, unit, due)
            kept = transition.change(self.plan(run.plan), patch, work.now)
            self._write(work, transition, incident.title)
            return {"run_id": run_id, "patch_no": kept.number}

        return self._database.once(actor, command_id, "run.patch", payload, do)

    def actions(self, actor: Actor, task: Task, plan: Plan) -> list[str]:
        """The verbs this actor may use on the task now; of a closed one see :meth:`evaluable`."""
        return [
            verb
            for verb in engine.available(task, plan.step(task.step))
            if verb != "evaluate" and can(actor, *_permission(verb, task, plan))
            if verb != "delegate" or self._below.get(task.unit)
        ]

    def evaluable(self, actor: Actor, task: Task, plan: Plan) -> bool:
        """Whether this actor may now note what the person says for whom the task was done."""
        return "evaluate" in engine.available(task, plan.step(task.step)) and can(
            actor, *_permission("evaluate", task, plan)
        )

    def _task(self, work: Work, task_id: str) -> Task:
        task = store.find_task(work.conn, task_id)
        if task is None:
            raise NotFound(f"there is no task {task_id}", remedy="look at the list of tasks")
        return task

    def _run(self, work: Work, run_id: str) -> Run:
        run = store.find_run(work.conn, run_id)
        assert run is not None, f"run {run_id} of a task is gone"
        return run

    def _transition(self, work: Work, run: Run) -> Transition:
        return Transition(self.effective(run), run, store.tasks_of(work.conn, run.id), self._bearings())

    def effective(self, run: Run) -> Plan:
        """The plan as it is for this run: its lists unrolled, its changes made. Its digest is the plan's."""
        kept = self._effective.get(run.id)
        if kept is None or kept[0] != len(run.patches):
            if len(self._effective) >= _PLANS_KEPT:
                self._effective.clear()
            kept = len(run.patches), unroll(self.plan(run.plan), run.context, run.patches, self._units)
            self._effective[run.id] = kept
        return kept[1]

    def _write(self, work: Work, transition: Transition, incident_title: Text) -> None:
        """State, events and messages of one transition, in the caller's transaction."""
        run = transition.run

        def words(task: Task) -> str:
            both = [*transition.plan.step(task.step).title.values(), *incident_title.values()]
            return " ".join(both).lower()

        store.save_tasks(work.conn, transition.changed.values(), transition.known, words)
        if run != transition.before:
            store.save_run(work.conn, run, transition.before)
        work.emit_all(f"run:{run.id}", ((one.type, {**one.data, "at": one.at}) for one in transition.events))
        orders = [happened for happened in transition.events if happened.type == "task.dispatched"]

        def told_of(one: Happened) -> dict[str, object]:
            return {"at": one.at, "title": _step_title(transition, one), "incident_title": incident_title}

        if orders:
            key = f"orders:{orders[0].data['task']}:{len(orders)}"
            told = [{**one.data, **told_of(one)} for one in orders]
            work.post(key, "orders", {"orders": told})
        for happened in transition.events:
            if happened.type == "task.escalated":
                key = f"escalation:{happened.data['task']}:{happened.data['rung']}:{happened.data['reason']}"
                work.post(key, "escalations", {**happened.data, **told_of(happened)})
            elif happened.type == "step.done" and happened.data["does"] == "message":
                self._send(work, transition, happened)
            elif happened.type == "step.failed":
                key = f"escalation:{run.id}:{happened.data['step']}:failed"
                failed = {
                    **happened.data,
                    "unit": "",
                    "to": engine.COORDINATOR,
                    "reason": "undecided",
                }
                work.post(key, "escalations", failed | told_of(happened))
        if run.state == "closed" and transition.before.state != "closed":
            self._settle(work, run.incident)

    def _send(self, work: Work, transition: Transition, happened: Happened) -> None:
        """A step's own message: what it is about and what the plan says, the plan's words first."""
        run = transition.run
        told = {
            "title": _step_title(transition, happened), "incident": run.incident, "run": run.id,
            "step": happened.data["step"], "at": happened.at,
        }  # fmt: skip
        payload = cast("Mapping[str, object]", happened.data["payload"])
        work.post(f"message:{run.id}:{happened.data['step']}", str(happened.data["topic"]), told | dict(payload))

    # ── time ───────────────────────────────────────────────────────────────────────────────────────────────────

    def next_due(self) -> datetime | None:
        """When the next timer fires; ``None`` when nothing waits."""
        with self._database.read() as conn:
            return store.next_due(conn, self.firing.leaving())

    def overdue(self, before: datetime) -> tuple[int, datetime | None]:
        """How many timers should have fired before ``before`` and have not, and since when the oldest."""
        with self._database.read() as conn:
            return store.overdue(conn, before)

    def tick(self, now: datetime) -> int:
        """Do all that is due up to and including ``now``, in order of time, each at its own moment; returns how many.

        Level-triggered: what is due is read from the store, so a tick that comes late, twice or from several processes
        at once does the same. Also hears of alerts that ended.
        """
        with self._database.read() as conn:
            ended = store.alert_ended_after(conn, self._alerts_read)
            due = store.next_due(conn, self.firing.leaving())
        if ended:
            self._hear()
        return self.firing.fire(now) if due is not None and due <= now else 0

    def _catch_up(self, work: Work, due: store.Due) -> int:
        """Fire what is due in a run at ``due.at``; its incident is held. Raises :class:`PlanUnknown`."""
        run = self._run(work, due.run)
        try:
            self.plan(run.plan)
        except Problem as problem:
            raise PlanUnknown(problem.detail) from problem
        transition = self._transition(work, run)
        fired = transition.catch_up(due.at)
        self._write(work, transition, due.title)
        return fired

    def _hear(self) -> None:
        """Take in the alerts that ended; one whose transaction is not settled yet is heard at a later tick."""
        while deliver(self._database, self.subscription):
            pass
        with self._database.read() as conn:
            self._alerts_read = store.heard(conn, self.subscription.name)

    # ── reading ────────────────────────────────────────────────────────────────────────────────────────────────

    def incident(self, actor: Actor, incident_id: str) -> Incident:
        """One incident. Raises :class:`NotFound`."""
        require(actor, "incident.read")
        with self._database.read() as conn:
            incident = store.find_incident(conn, id=incident_id)
        if incident is None:
            raise NotFound(f"there is no incident {incident_id}", remedy="look at the list of incidents")
        return incident

    def incident_of(self, alert_id: str) -> str | None:
        """The id of the incident of an alert, if there is one."""
        with self._database.read() as conn:
            incident = store.find_incident(conn, alert_id=alert_id)
        return None if incident is None else incident.id

    def incidents(
        self,
        actor: Actor,
        state: str | None = None,
        after: tuple[datetime, str] | None = None,
        limit: int = limits.PAGE_ROWS,
    ) -> tuple[list[Incident], int]:
        """One page of incidents, newest first, and how many there are in all."""
        require(actor, "incident.read")
        with self._database.read() as conn:
            return store.incidents(conn, state, after, limit)

    def task_counts(self, incidents: Iterable[str]) -> tuple[dict[str, dict[str, int]], dict[str, int]]:
        """For each incident: tasks by state, and how many missed their due time."""
        ids = list(incidents)
        with self._database.read() as conn:
            return store.task_counts(conn, ids), store.late_by_incident(conn, ids)

    def runs(self, actor: Actor, incident_id: str) -> list[tuple[Run, list[Task]]]:
        """The runs of an incident with the tasks the actor may see."""
        require(actor, "incident.read")
        units = departments(actor, "task.read")
        with self._database.read() as conn:
            runs = [(run, store.tasks_of(conn, run.id)) for run in store.runs_of(conn, incident_id)]
        return [(run, _seen(tasks, units)) for run, tasks in runs]

    def sees_all(self, actor: Actor) -> bool:
        """Whether the actor sees the tasks of every department, and so what a run has learnt from them."""
        return departments(actor, "task.read") is None

    def run(self, actor: Actor, run_id: str) -> tuple[Run, list[Task], list[Task]]:
        """A run, its tasks that the actor may see, and its automatic steps. Raises :class:`NotFound`."""
        require(actor, "incident.read")
        units = departments(actor, "task.read")
        with self._database.read() as conn:
            run = store.find_run(conn, run_id)
            if run is None:
                raise NotFound(f"there is no run {run_id}", remedy="look at the incident's runs")
            tasks = store.tasks_of(conn, run_id)
        return run, _seen(tasks, units), [task for task in tasks if task.does != "task"]

    def tasks(
        self,
        actor: Actor,
        *,
        unit: str | None = None,
        state: str | None = None,
        over: bool | None = None,
        due_before: datetime | None = None,
        words: str | None = None,
        after: tuple[datetime, str] | None = None,
        limit: int = limits.PAGE_ROWS,
    ) -> tuple[list[Task], int]:
        """One page of tasks the actor may see, oldest first, and how many there are in all.

        ``words`` are looked for in the titles of step and incident.
        """
        require(actor, "task.read")
        units = departments(actor, "task.read")
        if unit is not None:
            units = frozenset({unit}) if units is None or unit in units else frozenset()
        with self._database.read() as conn:
            return store.tasks(
                conn, units=units, state=state, over=over, due_before=due_before, words=words, after=after, limit=limit
            )

    def changes(self, actor: Actor, after: int | None = None) -> Changes:
        """What a phone must take in: tasks of the actor's departments that changed after event ``after``.

        Without ``after`` all open tasks that the actor may see, at most a page, oldest first. Some may be told twice,
        none is left out.
        """
        require(actor, "task.read")
        units = departments(actor, "task.read")
        with self._database.read() as conn:
            if after is None:
                cursor = last(conn)
                tasks, total = store.tasks(conn, units=units, over=False, limit=limits.PAGE_ROWS)
                return Changes([task for task in tasks if task.dispatched_at], cursor, total > len(tasks))
            found = read(conn, after=after, types=_MOVES)
            ids = list(dict.fromkeys(str(event.data["task"]) for event in found))
            by_id = {task.id: task for task in store.tasks_by_id(conn, ids)}
            more = len(found) == limits.EVENTS_READ
            cursor = found[-1].seq if more else max(after, last(conn))
        return Changes(_seen([by_id[id] for id in ids if id in by_id], units), cursor, more)

    def task(self, actor: Actor, task_id: str) -> Task:
        """One task. Raises :class:`NotFound`, :class:`Forbidden`."""
        with self._database.read() as conn:
            task = store.find_task(conn, task_id)
        if task is None or task.does != "task":
            raise NotFound(f"there is no task {task_id}", remedy="look at the list of tasks")
        if not any(can(actor, "task.read", unit) for unit in _concerned(task)):
            require(actor, "task.read", task.unit)
        return task

    def log(self, actor: Actor, incident_id: str) -> list[Event]:
        """What happened in the incident and its runs, in order; at most ``limits.EVENTS_READ`` events of each.

        Of tasks the actor may not see, nothing is told.
        """
        require(actor, "incident.read")
        units = departments(actor, "task.read")
        with self._database.read() as conn:
            streams = [f"incident:{incident_id}", *(f"run:{run.id}" for run in store.runs_of(conn, incident_id))]
            found = [event for stream in streams for event in read(conn, stream=stream)]
        seen = [
            event
            for event in found
            if units is None
            or (event.data.get("unit", "") in {"", *units} and not event.type.startswith(("step.", "run.patched")))
        ]
        return sorted(seen, key=lambda event: event.seq)

    def check_log(self, actor: Actor, incident_id: str) -> dict[str, object]:
        """Recompute the hash chains of an incident and its runs: ``{"ok", "events", "broken"}``. Raises :class:`NotFound`."""
        self.incident(actor, incident_id)
        with self._database.read() as conn:
            streams = [f"incident:{incident_id}", *(f"run:{run.id}" for run in store.runs_of(conn, incident_id))]
            count, broken = events.check(conn, streams)
        told = [{"stream": one.stream, "n": one.n, "what": one.what} for one in broken]
        return {"ok": not broken, "events": count, "broken": told}

    def plan_of(self, run_id: str) -> Plan:
        """The plan of a run, as it is for this run. Raises :class:`NotFound`."""
        found = self.plans_of([run_id])
        if not found:
            raise NotFound(f"there is no run {run_id}", remedy="look at the incident's runs")
        return found[run_id]

    def plans_of(self, runs: Iterable[str]) -> dict[str, Plan]:
        """For each of these runs its plan, as it is for this run."""
        with self._database.read() as conn:
            return {run.id: self.effective(run) for run in store.find_runs(conn, sorted(set(runs)))}

    def incident_titles(self, incidents: Iterable[str]) -> dict[str, Text]:
        """What each of these incidents is called; whoever sees a task may know what it is about."""
        with self._database.read() as conn:
            return store.incident_titles(conn, incidents)

    def receipts(self, tasks: Iterable[str]) -> dict[str, list[Receipt]]:
        """The receipts of each of these tasks."""
        ids = list(tasks)
        with self._database.read() as conn:
            return store.receipts(conn, ids) if ids else {}


def _step_title(transition: Transition, happened: Happened) -> Text:
    """What the task is called, for those who read of it outside the console."""
    return transition.plan.step(str(happened.data["step"])).title


def _superseded(runs: Sequence[Run], digest: str, only: str | None) -> list[Run]:
    """Of an incident's runs those that end when the plan of this digest is set going."""
    active = [run for run in runs if run.state == "active" and run.superseded_by is None]
    if any(run.plan == digest for run in active):
        raise Conflict("this plan is under way for this incident", remedy="open the incident to see it")
    if only is not None and only not in [run.id for run in active]:
        raise Conflict(f"run {only} is not under way for this incident", remedy="look at the incident's runs")
    return [run for run in active if only is None or run.id == only]


def _receipt_of(task: Task, command_id: str, act: Act, note: str, files: Sequence[File]) -> Act:
    """The act with the id of its receipt and what the receipt holds."""
    photos = sum(file.media.startswith("image/") for file in files)
    holds = {"note": bool(note.strip()), "form": bool(act.form), "photo": photos, "place": act.place is not None}
    return replace(
        act,
        receipt=derive("receipt", task.id, command_id),
        evidence={kind: int(count) for kind, count in holds.items()},
    )


def _check_texts(*texts: object) -> None:
    """Refuse what no database keeps: numbers that are none, characters that are none, and texts past their limit."""
    if any(isinstance(each, str) and len(each) > limits.TEXT_CHARS for each in texts):
        raise Invalid(f"a text has at most {limits.TEXT_CHARS} characters", remedy="attach a file instead")
    try:
        written = [json.dumps(each, ensure_ascii=False, allow_nan=False) for each in texts]
    except (TypeError, ValueError, RecursionError):
        raise Invalid("the form is not JSON", remedy="numbers, texts, lists, not nested too deep") from None
    if any("\\u0000" in each for each in written) or any("\ud800" <= char <= "\udfff" for char in "".join(written)):
        raise Invalid("the text has characters that cannot be kept", remedy="type it again")
    if len(written[-1].encode()) > limits.FORM_BYTES:
        raise TooLarge(f"a form has at most {limits.FORM_BYTES} bytes", remedy="attach a file instead")


def _check_moments(*moments: datetime | None) -> None:
    for moment in moments:
        if moment is not None and moment.tzinfo is None:
            raise Invalid(f"{moment.isoformat()} has no time zone", remedy="write it as 2015-12-01T08:00:00Z")
        if moment is not None and not 1970 <= moment.year < 2200:
            raise Invalid(f"{moment.isoformat()} is not in our time", remedy="look at the year")


def _check_place(place: Place) -> None:
    sound = all(isfinite(each) for each in (place.lon, place.lat, place.accuracy))
    if not sound or abs(place.lon) > 180 or abs(place.lat) > 90:
        raise Invalid("the place is not on earth", remedy="WGS84 degrees: lon -180 to 180, lat -90 to 90")
    if not 0 <= place.accuracy <= limits.PLACE_METRES:
        raise Invalid("the place is too vague", remedy=f"accuracy in metres, at most {limits.PLACE_METRES}")


def _seen(tasks: Iterable[Task], units: Collection[str] | None) -> list[Task]:
    """The tasks, of these departments only."""
    return [task for task in tasks if task.does == "task" and (units is None or not _concerned(task).isdisjoint(units))]


def _concerned(task: Task) -> set[str]:
    """The departments that may know of a task: the one that has it, and the one that verifies it."""
    return {task.unit} if task.verify_by is None else {task.unit, task.verify_by}


def _permission(verb: str, task: Task, plan: Plan) -> tuple[str, str]:
    """The permission a verb asks for, and the department over which; no department holds what is the coordinator's."""
    if verb in ("accept", "submit", "return", "request_extension", "delegate"):
        return "task.act", task.unit
    if verb in ("verify", "reject"):
        return "task.verify", plan.step(task.step).verify_by or ""
    if verb == "evaluate":
        return "report.file", ""  # who calls back the person the work was done for
    return "task.decide", ""


def _words(words: str, what: str) -> str:
    if not words.strip():
        raise Invalid(f"{what} is missing", remedy="say why in one sentence")
    if len(words) > limits.TEXT_CHARS:
        raise Invalid(f"a text has at most {limits.TEXT_CHARS} characters", remedy="shorten it")
    return words


def _json(canonical: str) -> Mapping[str, object]:
    return cast("Mapping[str, object]", json.loads(canonical))

"""The verbs of command: publish a plan, dispatch it with one click, act on its tasks, lift it; and time passing.

Each verb of a person is one transaction under the person's command id: state, events and messages together, or nothing.
Everything that belongs to one incident is written under that incident's lock, so its acts happen one after the other.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import cast

import cityheart.command.plan as plan_language
from cityheart.command import engine, knowledge, store
from cityheart.command.engine import Act, Transition
from cityheart.command.expression import Value
from cityheart.command.files import FileStore
from cityheart.command.models import File, Happened, Incident, Plan, Receipt, Run, Task
from cityheart.command.worker import Firing, PlanUnknown
from cityheart.kernel import limits
from cityheart.kernel.access import can, departments, require
from cityheart.kernel.actors import Actor
from cityheart.kernel.database import Database, Work
from cityheart.kernel.errors import Conflict, Invalid, NotFound, Problem, TooMany
from cityheart.kernel.events import Event, Subscription, deliver, read
from cityheart.kernel.ids import derive
from cityheart.kernel.text import Text, text

__all__ = ["Command"]

_SPEC = {"id", "alert_id", "title", "kind", "level", "parameters"}


class Command:
    """Incidents, plans, runs and tasks of one city. ``files`` is the folder in which files of receipts are kept."""

    def __init__(self, database: Database, files: Path) -> None:
        self._database = database
        self._units: dict[str, Text] = {}
        self._plans: dict[str, Plan] = {}
        self._alerts_read = 0
        self.firing = Firing(database, self._catch_up)
        self.files = FileStore(files)
        self.subscription = Subscription("command", frozenset({"alert.ended"}), self._alert_ended)

    def register_units(self, units: Mapping[str, Text]) -> None:
        """Make departments known, by code with their titles."""
        self._units.update(units)

    def unit_title(self, code: str) -> Text:
        """The title of a department, or the code where it has none."""
        return self._units.get(code) or text(code, code)

    # ── plans ──────────────────────────────────────────────────────────────────────────────────────────────────

    def publish(self, actor: Actor, source: str | Mapping[str, object]) -> str:
        """Compile and store a plan (YAML text or a mapping); returns its digest. The same plan again changes nothing.

        Raises :class:`Invalid` naming the step that is wrong, :class:`Conflict` for another content under the same name
        and version.
        """
        require(actor, "plan.publish")
        plan = plan_language.compile(source, self._units.keys())
        if self._find_plan(plan.digest) is not None:
            return plan.digest
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
            return {"incident_id": self._open(work, command_id, incident, None).id}

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
            found = self._open(work, command_id, incident, compiled)
            run = Run(derive("run", found.id, command_id), found.id, plan, "active", work.now)
            old = self._superseded(work, found, plan, supersedes)
            started = engine.start(compiled, run, _context(compiled, incident, found), [each.id for each in old])
            store.save_run(work.conn, run, new=True)
            for each in old:
                before = self._transition(work, each)
                before.supersede(run.id, work.now)
                self._write(work, before)
            self._write(work, started)
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
                    self._write(work, transition)
            self._settle(work, incident.id)
            return {"incident_id": incident.id}

        return self._database.once(actor, command_id, "incident.lift", {"incident": incident_id, "reason": reason}, do)

    def _open(self, work: Work, command_id: str, spec: Mapping[str, object], plan: Plan | None) -> Incident:
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
                work.emit(f"incident:{id}", "incident.opened", {
                    "incident": id, "alert": alert_id, "kind": kind, "level": level, "title": title, "at": work.now,
                })  # fmt: skip
                return new
        incident = self._locked(work, id)
        if plan is not None:
            incident = self._gone_on(work, incident, level)
        return incident

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

    def _superseded(self, work: Work, incident: Incident, digest: str, only: str | None) -> list[Run]:
        active = [
            run for run in store.runs_of(work.conn, incident.id) if run.state == "active" and run.superseded_by is None
        ]
        if any(run.plan == digest for run in active):
            raise Conflict("this plan is under way for this incident", remedy="open the incident to see it")
        if only is not None and only not in [run.id for run in active]:
            raise Conflict(f"run {only} is not under way for this incident", remedy="look at the incident's runs")
        return [run for run in active if only is None or run.id == only]

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
    ) -> dict[str, object]:
        """A person acts on a task; returns ``{"task_id", "state", "run_id", "next"}``, ``next`` the round that follows.

        Verbs: accept, submit (``note``, ``form``, files attached before), verify, reject and return (``reason``),
        decide_return (``approve``, ``to``), reassign (``to``, ``reason``), request_extension (``until``, ``reason``),
        decide_extension (``approve``, ``until``), suspend, resume, cancel. Raises :class:`Conflict` when the task's
        state does not allow it, :class:`Forbidden` when the actor may not.
        """
        if verb not in engine.VERBS:
            raise Invalid(f"nothing is known of {verb!r}", remedy=f"verbs: {', '.join(engine.VERBS)}")
        if to is not None and to not in self._units:
            raise Invalid(f"there is no department {to}", remedy=f"departments: {', '.join(sorted(self._units))}")
        if max(len(reason), len(note)) > limits.TEXT_CHARS:
            raise Invalid(f"a text has at most {limits.TEXT_CHARS} characters", remedy="attach a file instead")
        if until is not None and until.tzinfo is None:
            raise Invalid("the new due time has no time zone", remedy="write it as 2015-12-01T08:00:00Z")
        payload = {
            "task": task_id,
            "reason": reason,
            "note": note,
            "to": to,
            "until": until,
            "approve": approve,
            "form": form,
        }

        def do(work: Work) -> dict[str, object]:
            task = self._task(work, task_id)
            self._locked(work, task.incident)
            transition = self._transition(work, self._run(work, task.run))
            require(actor, *_permission(verb, task, transition.plan))
            given = Act(verb, {"id": actor.id, "name": actor.name}, reason or note, to, until, approve)
            if verb == "submit":
                given = self._receive(work, task, command_id, given, note, form)
            after = transition.act(task_id, given, work.now)
            self._write(work, transition)
            following = transition.latest[task.step]
            return {
                "task_id": task_id,
                "state": after.state,
                "run_id": task.run,
                "next": None if following.id == task_id else following.id,
            }

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

    def _receive(
        self, work: Work, task: Task, command_id: str, act: Act, note: str, form: Mapping[str, object] | None
    ) -> Act:
        files = store.files_waiting(work.conn, task.id)
        receipt = Receipt(derive("receipt", task.id, command_id), task.id, work.now, act.by, note, form, tuple(files))
        store.add_receipt(work.conn, receipt)
        if files:
            store.seal_files(work.conn, task.id, receipt.id)
        photos = sum(file.media.startswith("image/") for file in files)
        return replace(
            act,
            receipt=receipt.id,
            evidence={"note": int(bool(note.strip())), "form": int(bool(form)), "photo": photos},
        )

    def actions(self, actor: Actor, task: Task, plan: Plan) -> list[str]:
        """The verbs this actor may use on the task now."""
        return [
            verb for verb in engine.available(task, plan.step(task.step)) if can(actor, *_permission(verb, task, plan))
        ]

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
        return Transition(self.plan(run.plan), run, store.tasks_of(work.conn, run.id))

    def _write(self, work: Work, transition: Transition) -> None:
        """State, events and messages of one transition, in the caller's transaction."""
        run = transition.run
        store.save_tasks(work.conn, transition.changed.values(), transition.known)
        if run != transition.before:
            store.save_run(work.conn, run)
        work.emit_all(f"run:{run.id}", ((one.type, {**one.data, "at": one.at}) for one in transition.events))
        orders = [happened for happened in transition.events if happened.type == "task.dispatched"]
        if orders:
            key = f"orders:{orders[0].data['task']}:{len(orders)}"
            told = [{**one.data, "at": one.at, "title": _step_title(transition, one)} for one in orders]
            work.post(key, "orders", {"orders": told})
        for happened in transition.events:
            if happened.type == "task.escalated":
                key = f"escalation:{happened.data['task']}:{happened.data['rung']}:{happened.data['reason']}"
                title = _step_title(transition, happened)
                work.post(key, "escalations", {**happened.data, "at": happened.at, "title": title})
        if run.state == "closed" and transition.before.state != "closed":
            self._settle(work, run.incident)

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
            due = store.anything_due(conn, now)
        if ended:
            self._hear()
        return self.firing.fire(now) if due else 0

    def _catch_up(self, work: Work, due: store.Due) -> int:
        """Fire what is due in a run at ``due.at``; its incident is held. Raises :class:`PlanUnknown`."""
        run = self._run(work, due.run)
        try:
            self.plan(run.plan)
        except Problem as problem:
            raise PlanUnknown(problem.detail) from problem
        transition = self._transition(work, run)
        fired = transition.catch_up(due.at)
        self._write(work, transition)
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
        return [
            (run, [task for task in tasks if units is None or not units.isdisjoint(_concerned(task))])
            for run, tasks in runs
        ]

    def tasks(
        self,
        actor: Actor,
        *,
        unit: str | None = None,
        state: str | None = None,
        over: bool | None = None,
        after: tuple[datetime, str] | None = None,
        limit: int = limits.PAGE_ROWS,
    ) -> tuple[list[Task], int]:
        """One page of tasks the actor may see, oldest first, and how many there are in all."""
        require(actor, "task.read")
        units = departments(actor, "task.read")
        if unit is not None:
            units = frozenset({unit}) if units is None or unit in units else frozenset()
        with self._database.read() as conn:
            return store.tasks(conn, units=units, state=state, over=over, after=after, limit=limit)

    def task(self, actor: Actor, task_id: str) -> Task:
        """One task. Raises :class:`NotFound`, :class:`Forbidden`."""
        with self._database.read() as conn:
            task = store.find_task(conn, task_id)
        if task is None:
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
        seen = [event for event in found if units is None or event.data.get("unit", "") in {"", *units}]
        return sorted(seen, key=lambda event: event.seq)

    def plan_of(self, run_id: str) -> Plan:
        """The plan of a run. Raises :class:`NotFound`."""
        with self._database.read() as conn:
            run = store.find_run(conn, run_id)
        if run is None:
            raise NotFound(f"there is no run {run_id}", remedy="look at the incident's runs")
        return self.plan(run.plan)

    def receipts(self, tasks: Iterable[str]) -> dict[str, list[Receipt]]:
        """The receipts of each of these tasks."""
        ids = list(tasks)
        with self._database.read() as conn:
            return store.receipts(conn, ids) if ids else {}


def _step_title(transition: Transition, happened: Happened) -> Text:
    """What the task is called, for those who read of it outside the console."""
    return transition.plan.step(str(happened.data["step"])).title


def _concerned(task: Task) -> set[str]:
    """The departments that may know of a task: the one that has it, and the one that verifies it."""
    return {task.unit} if task.verify_by is None else {task.unit, task.verify_by}


def _permission(verb: str, task: Task, plan: Plan) -> tuple[str, str]:
    """The permission a verb asks for, and the department over which; no department holds what is the coordinator's."""
    if verb in ("accept", "submit", "return", "request_extension"):
        return "task.act", task.unit
    if verb in ("verify", "reject"):
        return "task.verify", plan.step(task.step).verify_by or ""
    return "task.decide", ""


def _context(plan: Plan, spec: Mapping[str, object], incident: Incident) -> dict[str, Value]:
    given = cast("Mapping[str, Value]", spec.get("parameters") or {})
    strange = sorted(given.keys() - plan.parameters.keys())
    if strange:
        raise Invalid(
            f"the plan has no parameter {', '.join(strange)}",
            remedy=f"it has {', '.join(sorted(plan.parameters)) or 'none'}",
        )
    level = incident.level if incident.level is not None else 4
    return {**plan.parameters, **given, "level": level, "kind": incident.kind}


def _words(words: str, what: str) -> str:
    if not words.strip():
        raise Invalid(f"{what} is missing", remedy="say why in one sentence")
    if len(words) > limits.TEXT_CHARS:
        raise Invalid(f"a text has at most {limits.TEXT_CHARS} characters", remedy="shorten it")
    return words


def _json(canonical: str) -> Mapping[str, object]:
    return cast("Mapping[str, object]", json.loads(canonical))

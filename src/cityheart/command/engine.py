"""The plan engine: pure transitions of one run. No clock, no database, no ids of its own.

A :class:`Transition` starts from a run and its tasks as they are, is told what happens, and holds what became
different: changed tasks, and the events that say so. Timers are not state: :func:`timers` derives them from a task, so
a lost wake-up costs time only. Whatever is due is fired before a person's act is looked at, hence a deadline is missed
at the very moment it names, whoever comes first.

Decisions a reader may look for:

* A verified task is closed in the same act; there is no separate closing.
* Rejected work, an upheld return and a reassignment end the round and open the next, dispatched at once with new times.
* While a return is decided and while a task is suspended its clock stands still: all its times move by that long.
* A cancelled step counts as finished for those that wait for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from cityheart.command import expression
from cityheart.command.models import Happened, Plan, Run, RungDue, Step, Task, Timer
from cityheart.kernel import limits
from cityheart.kernel.errors import Conflict, Invalid
from cityheart.kernel.ids import derive

__all__ = ["VERBS", "Act", "Transition", "available", "start", "timers"]


@dataclass(frozen=True, slots=True)
class Act:
    """What a person does to a task, with the facts the rules need. ``evidence`` counts what a receipt holds by kind."""

    verb: str
    by: Mapping[str, object]
    reason: str = ""
    to: str | None = None
    until: datetime | None = None
    approve: bool = True
    receipt: str | None = None
    evidence: Mapping[str, int] = field(default_factory=dict)


def timers(task: Task) -> list[Timer]:
    """What will become due for ``task`` if nobody acts."""
    if task.over or task.state not in ("scheduled", "dispatched", "accepted"):
        return []
    due: list[tuple[str, datetime]] = []
    if task.state == "scheduled":
        if not task.waits and task.planned_at is not None:
            due.append(("dispatch", task.planned_at))
    else:
        if task.state == "dispatched" and not task.late_accept and task.accept_due is not None:
            due.append(("accept", task.accept_due))
        if not task.late and task.due is not None:
            due.append(("due", task.due))
        for number, rung in enumerate(task.rungs):
            if rung.fired_at is None and (rung.rule != "accept" or task.state == "dispatched"):
                due.append((f"rung-{number}", rung.at))
    return [Timer(task.run, task.step, task.round, kind, at) for kind, at in due]


def available(task: Task, step: Step) -> list[str]:
    """The verbs the rules allow now, whoever asks, in the order of :data:`VERBS`."""
    if task.over:
        return []
    allowed = [verb for verb, (states, _) in VERBS.items() if task.state in states]
    closed_to: set[str] = set()
    if task.extension_until is None:
        closed_to.add("decide_extension")
    if task.extension_until is not None or task.late:
        closed_to.add("request_extension")
    if task.rework >= step.loop_guard or task.round >= limits.TASK_ROUNDS:
        closed_to.add("reject")
    if task.round >= limits.TASK_ROUNDS:
        closed_to.add("reassign")
    return [verb for verb in allowed if verb not in closed_to]


def start(plan: Plan, run: Run, context: Mapping[str, expression.Value], supersedes: Iterable[str] = ()) -> Transition:
    """Set a plan going at ``run.started_at``: one task a step whose ``when`` holds, those that are due dispatched."""
    transition = Transition(plan, run, ())
    at = run.started_at
    chosen = [step for step in plan.steps if step.when is None or expression.parse(step.when).holds(context)]
    ids = {step.id for step in chosen}
    if not chosen:
        raise Conflict(
            "no step of the plan applies", remedy="choose another plan, or look at the conditions of its steps"
        )
    for step in chosen:
        waits = any(before in ids for before in step.after)
        planned = None if waits and step.origin == "predecessors" else at + step.delay
        task = Task(
            id=derive("task", run.id, step.id, "1"), run=run.id, incident=run.incident, step=step.id, round=1,
            unit=step.unit, verify_by=step.verify_by, state="scheduled", opened_at=at, waits=waits, planned_at=planned,
        )  # fmt: skip
        transition.put(task)
    tasks = [
        {"task": task.id, "step": task.step, "round": 1, "unit": task.unit, "planned_at": task.planned_at}
        for task in transition.tasks.values()
    ]
    transition.say("run.started", at, {
        "incident": run.incident, "run": run.id, "supersedes": list(supersedes), "tasks": tasks,
        "plan": {"id": plan.name, "version": plan.version, "digest": plan.digest},
        "skipped": [step.id for step in plan.steps if step.id not in ids],
    })  # fmt: skip
    transition.catch_up(at)
    return transition


class Transition:
    """One transition of one run: from ``before`` and the ``known`` tasks to ``run``, ``changed`` and ``events``."""

    def __init__(self, plan: Plan, run: Run, tasks: Iterable[Task]) -> None:
        self.plan = plan
        self.before = self.run = run
        self.tasks: dict[str, Task] = {}
        self.latest: dict[str, Task] = {}
        self.changed: dict[str, Task] = {}
        self.events: list[Happened] = []
        for task in sorted(tasks, key=lambda task: task.round):
            self.tasks[task.id] = self.latest[task.step] = task
        self.known = frozenset(self.tasks)

    def put(self, task: Task) -> Task:
        """Take ``task`` as it is now."""
        self.tasks[task.id] = self.latest[task.step] = self.changed[task.id] = task
        return task

    def say(self, type: str, at: datetime, data: Mapping[str, object]) -> None:
        """Record that something happened at ``at``."""
        self.events.append(Happened(type, at, data))
        if self.run.moved_at is None or self.run.moved_at < at:
            self.run = replace(self.run, moved_at=at)

    def about(self, task: Task, type: str, at: datetime, **more: object) -> None:
        """Record that something happened to ``task``."""
        self.say(type, at, {
            "incident": task.incident, "run": task.run, "task": task.id, "step": task.step, "round": task.round,
            "unit": task.unit, **more,
        })  # fmt: skip

    # ── time ───────────────────────────────────────────────────────────────────────────────────────────────────

    def catch_up(self, now: datetime) -> int:
        """Fire all that is due up to and including ``now``, in order, each at its own moment; returns how many."""
        fired = 0
        while True:
            due = [
                timer for task in self.tasks.values() if not task.over for timer in timers(task) if timer.fire_at <= now
            ]
            if not due:
                return fired
            first = min(timer.fire_at for timer in due)
            for timer in sorted((t for t in due if t.fire_at == first), key=lambda t: (t.step, t.round, t.kind)):
                self._fire(timer)
                fired += 1

    def _fire(self, timer: Timer) -> None:
        task, at = self.latest[timer.step], timer.fire_at
        if timer.kind == "dispatch":
            self._dispatch(task, at)
        elif timer.kind == "accept":
            self.put(replace(task, late_accept=True))
            self.about(task, "task.late_accept", at, accept_due=task.accept_due)
        elif timer.kind == "due":
            self.put(replace(task, late=True))
            self.about(task, "task.overdue", at, due=task.due)
        else:
            number = int(timer.kind.removeprefix("rung-"))
            rung = task.rungs[number]
            ladder = (*task.rungs[:number], replace(rung, fired_at=at), *task.rungs[number + 1 :])
            self.put(replace(task, rungs=ladder))
            self.about(task, "task.escalated", at, to=rung.to, rung=number, reason=rung.rule)

    def _dispatch(self, task: Task, at: datetime) -> None:
        step = self.plan.step(task.step)
        accept_due, due = at + step.accept_within, at + step.due
        moments = {"accept": accept_due, "due": due}
        ladder = tuple(
            RungDue(rule.at, moments[rule.at], rule.to)
            if isinstance(rule.at, str)
            else RungDue("elapsed", at + rule.at, rule.to)
            for rule in step.escalate
        )
        task = self.put(
            replace(
                task, state="dispatched", waits=False, dispatched_at=at, accept_due=accept_due, due=due, rungs=ladder
            )
        )
        self.about(task, "task.dispatched", at, accept_due=accept_due, due=due, opened_at=task.opened_at)

    def _not_back(self, at: datetime) -> datetime:
        """``at``, or the newest moment of the run when a clock was set back: time in a run only goes on."""
        return max(at, self.run.moved_at or self.run.started_at)

    # ── people ─────────────────────────────────────────────────────────────────────────────────────────────────

    def act(self, task_id: str, act: Act, at: datetime) -> Task:
        """A person acts on a task at ``at``. Raises :class:`Conflict` when its state does not allow it."""
        at = self._not_back(at)
        self.catch_up(at)
        task = self.tasks[task_id]
        step = self.plan.step(task.step)
        verb = VERBS.get(act.verb)
        if verb is None:
            raise Invalid(f"nothing is known of {act.verb!r}", remedy=f"verbs: {', '.join(VERBS)}")
        allowed = available(task, step)
        if act.verb not in allowed:
            raise Conflict(
                f"a task that is {task.state}{' and over' if task.over else ''} cannot be told to {act.verb}",
                remedy=f"possible now: {', '.join(allowed) or 'nothing'}",
                state=task.state,
            )
        verb[1](self, task, act, at)
        self._go_on(at)
        return self.tasks[task_id]

    def drop_undispatched(self, outcome: str, at: datetime) -> int:
        """Cancel what nobody has yet been told to do; what is under way goes on. Returns how many tasks."""
        at = self._not_back(at)
        self.catch_up(at)
        waiting = [task for task in self.tasks.values() if task.state == "scheduled"]
        for task in waiting:
            self._end(task, "cancelled", outcome, at)
            self.about(task, "task.cancelled", at, reason=outcome)
        self._go_on(at)
        return len(waiting)

    def supersede(self, by: str, at: datetime) -> None:
        """Another run takes over: undispatched steps are cancelled, open ones are finished."""
        at = self._not_back(at)
        self.catch_up(at)
        self.run = replace(self.run, superseded_by=by)
        self.say("run.superseded", at, {"incident": self.run.incident, "run": self.run.id, "by": by})
        self.drop_undispatched("superseded", at)

    def _end(self, task: Task, state: str, outcome: str, at: datetime) -> None:
        self.put(
            replace(
                task,
                state=state,
                outcome=outcome,
                closed_at=at,
                waits=False,
                extension_until=None,
                held_state=None,
                held_at=None,
            )
        )

    def _again(self, task: Task, unit: str, at: datetime, *, rework: int, passed: int) -> None:
        """The next round of a step, dispatched at once."""
        number = task.round + 1
        following = Task(
            id=derive("task", task.run, task.step, str(number)), run=task.run, incident=task.incident, step=task.step,
            round=number, unit=unit, verify_by=task.verify_by, state="scheduled", opened_at=at, planned_at=at,
            rework=rework, passed=passed,
        )  # fmt: skip
        self._dispatch(self.put(following), at)
        for count, least, reason in (
            (rework, limits.REWORK_ESCALATES, "rework"),
            (passed, limits.UNITS_ESCALATE, "passed-on"),
        ):
            if count >= least and count > getattr(task, "rework" if reason == "rework" else "passed"):
                self.about(self.latest[task.step], "task.escalated", at, to="coordinator", rung=None, reason=reason)

    def _go_on(self, at: datetime) -> None:
        """Release the steps whose predecessors are finished, dispatch those due, close the run when all is done."""
        for task in list(self.latest.values()):
            step = self.plan.step(task.step)
            if task.state != "scheduled" or not task.waits:
                continue
            if all(self.latest[before].over for before in step.after if before in self.latest):
                from_start = max(self.run.started_at + step.delay, at)
                self.put(
                    replace(task, waits=False, planned_at=from_start if step.origin == "start" else at + step.delay)
                )
        self.catch_up(at)
        if self.run.state == "active" and all(task.over for task in self.tasks.values()):
            self.run = replace(self.run, state="closed", closed_at=at)
            self.say("run.closed", at, {"incident": self.run.incident, "run": self.run.id})


def _moved(task: Task, by: timedelta) -> Task:
    """The task with its clock set on by ``by``, for the time it stood still."""
    return replace(
        task,
        accept_due=task.accept_due and task.accept_due + by,
        due=task.due and task.due + by,
        rungs=tuple(rung if rung.fired_at else replace(rung, at=rung.at + by) for rung in task.rungs),
        state=task.held_state or "dispatched",
        held_state=None,
        held_at=None,
    )


def _reason(act: Act) -> str:
    if not act.reason.strip():
        raise Invalid(f"{act.verb} needs a reason", remedy="say why in one sentence")
    return act.reason


def _other_unit(task: Task, act: Act) -> str:
    if act.to is None:
        raise Invalid("no department is named", remedy="give the code of the department that shall do it")
    if act.to == task.unit:
        raise Invalid(f"the task is with {act.to} already", remedy="name another department")
    return act.to


def _accept(run: Transition, task: Task, act: Act, at: datetime) -> None:
    run.about(
        run.put(replace(task, state="accepted", person=act.by, accepted_at=at)),
        "task.accepted",
        at,
        late=task.late_accept,
    )


def _submit(run: Transition, task: Task, act: Act, at: datetime) -> None:
    for asked in run.plan.step(task.step).evidence:
        if act.evidence.get(asked.kind, 0) < asked.min:
            raise Conflict(
                f"the receipt lacks evidence: {asked.min} × {asked.kind}",
                remedy=f"add the {asked.kind}, then submit",
                evidence=asked.kind,
            )
    done = run.put(replace(task, state="submitted", submitted_at=at, extension_until=None))
    run.about(
        done,
        "task.submitted",
        at,
        late=task.late,
        due=task.due,
        receipt=act.receipt,
        verify_by=run.plan.step(task.step).verify_by,
    )


def _verify(run: Transition, task: Task, act: Act, at: datetime) -> None:
    run.about(task, "task.verified", at, note=act.reason)
    run._end(task, "closed", "done", at)
    run.about(task, "task.closed", at, late=task.late, due=task.due)


def _reject(run: Transition, task: Task, act: Act, at: datetime) -> None:
    reason = _reason(act)
    run._end(task, "returned", "rework", at)
    run.about(task, "task.rejected", at, reason=reason)
    run._again(task, task.unit, at, rework=task.rework + 1, passed=task.passed)


def _return(run: Transition, task: Task, act: Act, at: datetime) -> None:
    reason = _reason(act)
    held = run.put(replace(task, state="returned", held_state=task.state, held_at=at, extension_until=None))
    run.about(held, "task.returned", at, reason=reason)


def _decide_return(run: Transition, task: Task, act: Act, at: datetime) -> None:
    assert task.held_at is not None
    if act.approve:
        unit = _other_unit(task, act)
        if task.round >= limits.TASK_ROUNDS:
            raise Conflict(f"the step has had {task.round} rounds", remedy="send it back, or cancel it")
        run._end(task, "returned", "returned", at)
        run.about(task, "task.return_upheld", at, to=unit, reason=act.reason)
        run._again(task, unit, at, rework=task.rework, passed=task.passed + 1)
    else:
        reason = _reason(act)
        back = run.put(_moved(task, at - task.held_at))
        run.about(back, "task.sent_back", at, reason=reason, state=back.state, accept_due=back.accept_due, due=back.due)


def _reassign(run: Transition, task: Task, act: Act, at: datetime) -> None:
    unit = _other_unit(task, act)
    reason = _reason(act)
    run._end(task, "cancelled", "reassigned", at)
    run.about(task, "task.reassigned", at, to=unit, reason=reason)
    run._again(task, unit, at, rework=task.rework, passed=task.passed + 1)


def _request_extension(run: Transition, task: Task, act: Act, at: datetime) -> None:
    until, reason = _until(task, act.until, at), _reason(act)
    run.about(
        run.put(replace(task, extension_until=until)),
        "task.extension_requested",
        at,
        until=until,
        due=task.due,
        reason=reason,
    )


def _decide_extension(run: Transition, task: Task, act: Act, at: datetime) -> None:
    asked = replace(task, extension_until=None)
    if act.approve:
        until = _until(task, act.until or task.extension_until, at)
        assert task.due is not None
        ladder = tuple(rung if rung.fired_at or rung.rule != "due" else replace(rung, at=until) for rung in task.rungs)
        granted = run.put(replace(asked, due=until, late=False, rungs=ladder))
        run.about(granted, "task.extension_decided", at, approved=True, due=until, before=task.due, reason=act.reason)
    else:
        reason = _reason(act)
        run.about(
            run.put(asked), "task.extension_decided", at, approved=False, due=task.due, before=task.due, reason=reason
        )


def _until(task: Task, until: datetime | None, at: datetime) -> datetime:
    if until is None or task.due is None:
        raise Invalid("no new due time is named", remedy="say until when")
    if until <= max(task.due, at):
        raise Invalid("the new due time is not later than the present one", remedy="name a later moment")
    if until - max(task.due, at) > limits.EXTENSION:
        raise Invalid(
            f"the due time can be moved by {limits.EXTENSION.days} days at once", remedy="name an earlier moment"
        )
    return until


def _suspend(run: Transition, task: Task, act: Act, at: datetime) -> None:
    reason = _reason(act)
    run.about(
        run.put(replace(task, state="suspended", held_state=task.state, held_at=at)),
        "task.suspended",
        at,
        reason=reason,
    )


def _resume(run: Transition, task: Task, act: Act, at: datetime) -> None:
    assert task.held_at is not None
    back = run.put(_moved(task, at - task.held_at))
    run.about(back, "task.resumed", at, state=back.state, accept_due=back.accept_due, due=back.due)


def _cancel(run: Transition, task: Task, act: Act, at: datetime) -> None:
    reason = _reason(act)
    run._end(task, "cancelled", "cancelled", at)
    run.about(task, "task.cancelled", at, reason=reason)


# verb -> the states it is for, and what it does
VERBS: Mapping[str, tuple[frozenset[str], Callable[[Transition, Task, Act, datetime], None]]] = {
    "accept": (frozenset({"dispatched"}), _accept),
    "submit": (frozenset({"accepted"}), _submit),
    "verify": (frozenset({"submitted"}), _verify),
    "reject": (frozenset({"submitted"}), _reject),
    "return": (frozenset({"dispatched", "accepted"}), _return),
    "decide_return": (frozenset({"returned"}), _decide_return),
    "reassign": (frozenset({"dispatched", "accepted", "suspended"}), _reassign),
    "request_extension": (frozenset({"accepted"}), _request_extension),
    "decide_extension": (frozenset({"accepted"}), _decide_extension),
    "suspend": (frozenset({"dispatched", "accepted"}), _suspend),
    "resume": (frozenset({"suspended"}), _resume),
    "cancel": (frozenset({"scheduled", "dispatched", "accepted", "submitted", "returned", "suspended"}), _cancel),
}

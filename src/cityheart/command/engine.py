"""The plan engine: pure transitions of one run. No clock, no database, no ids of its own.

A :class:`Transition` starts from a run and its tasks as they are, is told what happens, and holds what became
different: changed tasks, and the events that say so. Timers are not state: :func:`timers` derives them from a task, so
a lost wake-up costs time only. Whatever is due is fired before a person's act is looked at, hence a deadline is missed
at the very moment it names, whoever comes first.

Decisions a reader may look for:

* A verified task is closed in the same act; there is no separate closing.
* A department may hand a task on to one below it (``delegate``): another round there, due when it was due before.
* Rejected work, an upheld return and a reassignment end the round and open the next, dispatched at once with new times.
* While a return is decided and while a task is suspended its clock stands still: all its times move by that long.
* A cancelled step counts as finished for those that wait for it, and so does one whose condition does not hold.
* What the engine does by itself (messages, decisions, waiting) is done in the transition that releases it.
* A boundary timer counts from the first dispatch of what it watches; while that rests (returned, suspended), so does it.
* A decision that cannot be made sets nothing: conditions on it do not hold, a department it should have named is not
  known, and the coordinator gets the task to pass it on. A run never stands still for it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from cityheart.command import expression, forms
from cityheart.command.effective import unroll
from cityheart.command.models import Happened, Patch, Place, Plan, Run, RungDue, Step, Task, Timer, Value
from cityheart.command.plan import check, interrupted, spelled
from cityheart.kernel import limits
from cityheart.kernel.errors import Conflict, Invalid, Problem
from cityheart.kernel.ids import derive
from cityheart.kernel.text import Text

__all__ = ["VERBS", "Act", "Bearings", "Decided", "Transition", "available", "no_tables", "start", "timers"]

COORDINATOR = "coordinator"  # who holds a task that no department could be named for


@dataclass(frozen=True, slots=True)
class Decided:
    """What a decision table said: its outputs, and the rules that matched."""

    outputs: Mapping[str, Value]
    matched: tuple[str, ...] = ()


def no_tables(digest: str, inputs: Mapping[str, Value | None]) -> Decided:
    """What is decided where no tables are registered. Raises :class:`Invalid`."""
    raise Invalid("there are no decision tables here", remedy="publish the table")


@dataclass(frozen=True, slots=True)
class Bearings:
    """What the engine asks of its surroundings. Equal questions get equal answers, so that a transition stays pure.

    ``later`` and ``spent`` count working time; ``units`` are the departments there are, ``None`` for any; ``below`` those
    that stand below each.
    """

    decide: Callable[[str, Mapping[str, Value | None]], Decided] = no_tables
    later: Callable[[datetime, timedelta], datetime] = lambda at, span: at + span
    spent: Callable[[datetime, datetime], timedelta] = lambda start, end: end - start
    units: Collection[str] | None = None
    titles: Mapping[str, Text] = field(default_factory=dict)
    below: Mapping[str, Collection[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Act:
    """What a person does to a task, with the facts the rules need. ``evidence`` counts what a receipt holds by kind.

    ``done_at`` is when the work was done, by a clock that was set right; ``count_offline`` is the verifier's word that
    it counts instead of the moment the receipt came.
    """

    verb: str
    by: Mapping[str, object]
    reason: str = ""
    to: str | None = None
    until: datetime | None = None
    approve: bool = True
    receipt: str | None = None
    evidence: Mapping[str, int] = field(default_factory=dict)
    form: Mapping[str, object] | None = None
    place: Place | None = None
    clause: str | None = None
    done_at: datetime | None = None
    count_offline: bool = False
    satisfied: bool | None = None


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
    if step.automatic:
        return ["cancel"] if task.state == "scheduled" else []
    if task.over:
        return ["evaluate"] if task.state == "closed" and task.satisfied in (None, "no_answer") else []
    allowed = [verb for verb, (states, _) in VERBS.items() if task.state in states]
    closed_to: set[str] = {"evaluate"}
    if task.extension_until is None:
        closed_to.add("decide_extension")
    if task.extension_until is not None or task.late:
        closed_to.add("request_extension")
    if task.rework >= step.loop_guard or task.round >= limits.TASK_ROUNDS:
        closed_to.add("reject")
    if task.round >= limits.TASK_ROUNDS:
        closed_to |= {"reassign", "delegate"}
    return [verb for verb in allowed if verb not in closed_to]


def start(
    plan: Plan,
    run: Run,
    context: Mapping[str, Value],
    supersedes: Iterable[str] = (),
    bearings: Bearings | None = None,
) -> Transition:
    """Set a plan going at ``run.started_at``: one task a step whose ``when`` holds, those that are due dispatched.

    A condition on what is learnt meanwhile is left open until its step is released.
    """
    bearings = bearings or Bearings()
    plan = unroll(plan, context, (), bearings.titles)
    transition = Transition(plan, replace(run, context=dict(context)), (), bearings)
    at = run.started_at
    chosen = [step for step in plan.steps if transition.dynamic(step) or transition.holds(step)]
    ids = {step.id for step in chosen}
    if not chosen:
        raise Conflict(
            "no step of the plan applies", remedy="choose another plan, or look at the conditions of its steps"
        )
    opened = transition.open(chosen, at)
    transition.say("run.started", at, {
        "incident": run.incident, "run": run.id, "supersedes": list(supersedes),
        "tasks": [
            {"task": task.id, "step": task.step, "round": 1, "unit": task.unit, "planned_at": task.planned_at}
            for task in opened if task.does == "task" and task.unit
        ],
        "plan": {"id": plan.name, "version": plan.version, "digest": plan.digest},
        "skipped": [step.id for step in plan.steps if step.id not in ids],
        **transition.told_beside(opened),
    })  # fmt: skip
    transition.catch_up(at)
    return transition


class Transition:
    """One transition of one run: from ``before`` and the ``known`` tasks to ``run``, ``changed`` and ``events``.

    ``plan`` is the run's effective plan.
    """

    def __init__(self, plan: Plan, run: Run, tasks: Iterable[Task], bearings: Bearings | None = None) -> None:
        self.plan = plan
        self.before = self.run = run
        self.bearings = bearings or Bearings()
        self.tasks: dict[str, Task] = {}
        self.latest: dict[str, Task] = {}
        self.changed: dict[str, Task] = {}
        self.events: list[Happened] = []
        for task in sorted(tasks, key=lambda task: task.round):
            self.tasks[task.id] = self.latest[task.step] = task
        self.known = frozenset(self.tasks)
        self._stirred = False  # whether something ended or began, so that others may go on
        self._watches = any(step.during for step in plan.steps)

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

    def open(self, steps: Iterable[Step], at: datetime) -> list[Task]:
        """A first round for each of these steps, opened at ``at``."""
        chosen = list(steps)
        ids = {step.id for step in chosen} | self.latest.keys()
        opened = []
        for step in chosen:
            ahead = [id for id in step.after if id in ids and (id not in self.latest or not self.latest[id].over)]
            waits = bool(ahead) or step.during is not None
            planned = None if waits and step.origin == "predecessors" else at + step.delay
            opened.append(Task(
                id=derive("task", self.run.id, step.id, "1"), run=self.run.id, incident=self.run.incident, step=step.id,
                round=1, unit="" if step.unit.startswith("$") else step.unit, verify_by=step.verify_by,
                state="scheduled", opened_at=at, waits=waits, planned_at=None if step.during else planned, does=step.does,
            ))  # fmt: skip
        for task in opened:
            self.put(task)
        self._stirred = True
        return opened

    @staticmethod
    def told_beside(opened: Iterable[Task]) -> dict[str, object]:
        """Of opened tasks those that are nobody's yet: automatic steps, and tasks whose department is decided later."""
        automatic = [{"step": task.step, "does": task.does} for task in opened if task.does != "task"]
        later = [{"step": task.step, "task": task.id} for task in opened if task.does == "task" and not task.unit]
        return {**({"automatic": automatic} if automatic else {}), **({"later": later} if later else {})}

    # ── what the run knows ─────────────────────────────────────────────────────────────────────────────────────

    def dynamic(self, step: Step) -> bool:
        """Whether the step's condition reads what is learnt while the run goes on."""
        if step.when is None or not self.plan.variables:
            return False
        return not self.plan.variables.isdisjoint(expression.parse(step.when).names)

    def context(self, step: Step) -> dict[str, Value]:
        """Everything the step may read now: how the run began, what was learnt since, its own item."""
        never: dict[str, Value] = {name: False for name in self.plan.variables if name.startswith("interrupted_")}
        return {**never, **self.run.context, **self.run.variables, **step.bound}

    def holds(self, step: Step) -> bool:
        """Whether the step's condition holds now. One that reads what nobody has set does not."""
        if step.when is None:
            return True
        condition, context = expression.parse(step.when), self.context(step)
        if not self.dynamic(step):
            return condition.holds(context)
        try:
            return condition.names <= context.keys() and condition.holds(context)
        except Invalid:
            return False  # what was learnt cannot be compared like that

    def learn(self, values: Mapping[str, Value]) -> None:
        """Set variables of the run."""
        if values:
            self.run = replace(self.run, variables={**self.run.variables, **values})

    def _named(self, values: Mapping[str, object], step: Step) -> dict[str, Value | None]:
        """The values, with names that begin with ``$`` looked up; ``None`` for what nobody has set."""
        context = self.context(step)

        def found(value: object) -> Value | None:
            if isinstance(value, str) and value.startswith("$"):
                return context.get(value[1:])
            return value  # type: ignore[return-value]  # the plan's compiler let plain values through only

        return {name: found(value) for name, value in values.items()}

    # ── time ───────────────────────────────────────────────────────────────────────────────────────────────────

    def catch_up(self, now: datetime) -> int:
        """Fire all that is due up to and including ``now``, in order, each at its own moment; returns how many."""
        fired = 0
        self._ready(self._not_back(self.run.started_at))
        while True:
            due = [
                timer for task in self.tasks.values() if not task.over for timer in timers(task) if timer.fire_at <= now
            ]
            if not due:
                break
            first = min(timer.fire_at for timer in due)
            for timer in sorted((t for t in due if t.fire_at == first), key=lambda t: (t.step, t.round, t.kind)):
                if timer in timers(self.latest[timer.step]):  # unless one before it at this moment has changed that
                    self._fire(timer)
                    fired += 1
            self._ready(first)
            self._close(first)
        return fired

    def _fire(self, timer: Timer) -> None:
        task, at = self.latest[timer.step], timer.fire_at
        if timer.kind == "dispatch":
            self._release(task, at)
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

    def _release(self, task: Task, at: datetime) -> None:
        """Whoever this step waited for is done: it begins, unless it is not needed."""
        step = self.plan.step(task.step)
        if self.dynamic(step) and not self.holds(step):
            self._drop(task, "not_needed", at)
            return
        if step.during is not None and step.during.interrupt:
            for watched in step.during.steps:
                other = self.latest.get(watched)
                if other is not None and not other.over:
                    self.learn({interrupted(self.plan.step(watched).origin_id or watched): True})
                    self._drop(other, "interrupted", at)
        if step.automatic:
            self._do(task, step, at)
        else:
            self._dispatch(self._with_unit(task, step), at)

    def _with_unit(self, task: Task, step: Step) -> Task:
        """The task with the department that the run has meanwhile found for it."""
        if task.unit:
            return task
        unit = self.context(step).get(step.unit[1:]) if step.unit.startswith("$") else step.unit
        known = self.bearings.units
        if not isinstance(unit, str) or not unit or (known is not None and unit not in known):
            return replace(task, unit=COORDINATOR)
        return replace(task, unit=unit)

    def _do(self, task: Task, step: Step, at: datetime) -> None:
        """Do what needs no department."""
        told: dict[str, object] = {}
        if step.does == "message":
            told = {"topic": step.topic, "payload": self._named(step.payload, step)}
        elif step.does == "decide":
            assert step.decision is not None
            inputs = self._named(step.inputs, step)
            told = {"table": step.table, "decision": step.decision, "inputs": inputs}
            try:
                decided = self.bearings.decide(step.decision, inputs)
            except Problem as problem:
                self.about_step(task, "step.failed", at, **told, reason=problem.detail)
                self._end(task, "cancelled", "failed", at)
                return
            outputs = {name: decided.outputs[name] for name in step.outputs if decided.outputs.get(name) is not None}
            self.learn(outputs)
            told |= {"outputs": outputs, "matched": list(decided.matched)}
        self._end(task, "closed", "done", at)
        self.about_step(task, "step.done", at, **told)

    def about_step(self, task: Task, type: str, at: datetime, **more: object) -> None:
        """Record what became of a step that is no department's task."""
        self.say(type, at, {"incident": task.incident, "run": task.run, "step": task.step, "does": task.does, **more})

    def _drop(self, task: Task, outcome: str, at: datetime) -> None:
        """The step is not done any more, for this reason."""
        self._end(task, "cancelled", outcome, at)
        if task.does != "task" or not task.unit:
            self.about_step(task, "step.skipped", at, reason=outcome)
        else:
            self.about(task, "task.cancelled", at, reason=outcome, opened_at=task.opened_at)

    def _span(self, step: Step, at: datetime, span: timedelta) -> datetime:
        return self.bearings.later(at, span) if step.clock == "working" else at + span

    def _dispatch(self, task: Task, at: datetime, within: datetime | None = None) -> None:
        """Hand the task to its department; it is due ``within`` that moment when it was handed on."""
        step = self.plan.step(task.step)
        accept_due, due = self._span(step, at, step.accept_within), self._span(step, at, step.due)
        if within is not None:
            due, accept_due = within, min(accept_due, within) if at < within else accept_due
        for patch in self.run.patches if within is None else ():
            if patch.op == "extend" and patch.step in (step.id, step.origin_id) and patch.due is not None:
                due = max(due, patch.due)
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
        self._stirred = self._stirred or self._watches
        if task.unit == COORDINATOR and task.round == 1:
            self.about(task, "task.escalated", at, to=COORDINATOR, rung=None, reason="no-department")

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
            raise _refused(task, act.verb, allowed, self.latest[task.step])
        verb[1](self, task, act, at)
        self._go_on(at)
        return self.tasks[task_id]

    def drop_undispatched(self, outcome: str, at: datetime) -> int:
        """Cancel what nobody has yet been told to do; what is under way goes on. Returns how many tasks."""
        at = self._not_back(at)
        self.catch_up(at)
        waiting = [task for task in self.tasks.values() if task.state == "scheduled"]
        for task in waiting:
            self._drop(task, outcome, at)
        self._go_on(at)
        return len(waiting)

    def supersede(self, by: str, at: datetime) -> None:
        """Another run takes over: undispatched steps are cancelled, open ones are finished."""
        at = self._not_back(at)
        self.catch_up(at)
        if self.run.state != "active":
            return  # it ended by itself meanwhile
        self.run = replace(self.run, superseded_by=by)
        self.say("run.superseded", at, {"incident": self.run.incident, "run": self.run.id, "by": by})
        self.drop_undispatched("superseded", at)

    def _end(self, task: Task, state: str, outcome: str, at: datetime) -> None:
        self._stirred = True
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

    def _again(
        self, task: Task, unit: str, at: datetime, *, rework: int, passed: int, within: datetime | None = None
    ) -> None:
        """The next round of a step, dispatched at once."""
        number = task.round + 1
        following = Task(
            id=derive("task", task.run, task.step, str(number)), run=task.run, incident=task.incident, step=task.step,
            round=number, unit=unit, verify_by=task.verify_by, state="scheduled", opened_at=at, planned_at=at,
            rework=rework, passed=passed, late=task.late and within is not None,
        )  # fmt: skip
        self._dispatch(self.put(following), at, within)
        for count, least, reason in (
            (rework, limits.REWORK_ESCALATES, "rework"),
            (passed, limits.UNITS_ESCALATE, "passed-on"),
        ):
            if count >= least and count > getattr(task, "rework" if reason == "rework" else "passed"):
                self.about(self.latest[task.step], "task.escalated", at, to="coordinator", rung=None, reason=reason)

    def _go_on(self, at: datetime) -> None:
        """Release the steps whose predecessors are finished, dispatch those due, close the run when all is done."""
        self._stirred = True
        self._ready(at)
        self.catch_up(at)
        self._close(at)

    def _ready(self, at: datetime) -> None:
        """Plan what need not wait any more; boundary timers whose steps are over are not needed."""
        while self._stirred:
            self._stirred = False
            for step in self.plan.steps:
                task = self.latest.get(step.id)
                if task is None or task.state != "scheduled":
                    continue
                if step.during is not None:
                    self._watch(task, step, at)
                elif task.waits and all(self.latest[id].over for id in step.after if id in self.latest):
                    if step.origin == "predecessors" and self.dynamic(step) and not self.holds(step):
                        self._drop(task, "not_needed", at)  # its delay belongs to it: nobody waits for that either
                        continue
                    planned = at + step.delay
                    if step.origin == "start":
                        planned = max(task.planned_at or at, at)
                    self.put(replace(task, waits=False, planned_at=planned))

    def _watch(self, task: Task, step: Step, at: datetime) -> None:
        """Set a boundary timer by what it watches."""
        assert step.during is not None
        watched = [self.latest[id] for id in step.during.steps if id in self.latest]
        if all(other.over for other in watched):
            self._drop(task, "not_needed", at)
            return
        begun = [
            other.dispatched_at
            for other in self.tasks.values()
            if other.step in step.during.steps and other.dispatched_at
        ]
        if not begun:
            return
        resting = all(other.over or other.state in ("returned", "suspended") for other in watched)
        if resting and task.held_at is None:
            self.put(replace(task, waits=True, held_at=at))
        elif not resting and task.held_at is not None and task.planned_at is not None:
            self.put(replace(task, waits=False, held_at=None, planned_at=task.planned_at + (at - task.held_at)))
        elif not resting and task.waits:
            self.put(replace(task, waits=False, planned_at=max(min(begun) + step.during.after, at)))

    def _close(self, at: datetime) -> None:
        if self.run.state == "active" and all(task.over for task in self.tasks.values()):
            self.run = replace(self.run, state="closed", closed_at=at)
            self.say("run.closed", at, {"incident": self.run.incident, "run": self.run.id})

    # ── the commander ──────────────────────────────────────────────────────────────────────────────────────────

    def change(self, template: Plan, patch: Patch, at: datetime) -> Patch:
        """A commander changes this run, and only it: ``template`` stays as it is. Returns the change as it is kept.

        Raises :class:`Conflict` when the run or the step is past it, :class:`Invalid` for a step that fits nowhere.
        """
        at = self._not_back(at)
        self.catch_up(at)
        if self.run.state != "active":
            raise Conflict("the run is over", remedy="dispatch another plan for the incident")
        if self.run.superseded_by is not None:
            raise Conflict("another run has taken over", remedy="change that one")
        if len(self.run.patches) >= limits.RUN_PATCHES:
            raise Conflict(f"a run is changed at most {limits.RUN_PATCHES} times", remedy="dispatch another plan")
        if not patch.reason.strip():
            raise Invalid("a change of a run needs a reason", remedy="say why in one sentence")
        patch = replace(patch, number=len(self.run.patches) + 1, at=at)
        changed = unroll(template, self.run.context, (*self.run.patches, patch), self.bearings.titles)
        before = self.plan
        self.plan, self.run = changed, replace(self.run, patches=(*self.run.patches, patch))
        self._watches = any(step.during for step in changed.steps)
        _PATCHES[patch.op](self, patch, before, at)
        self._go_on(at)
        return patch

    def told_patch(self, patch: Patch, at: datetime, **more: object) -> None:
        """Record the change itself."""
        self.say("run.patched", at, {
            "incident": self.run.incident, "run": self.run.id, "patch": patch.number, "op": patch.op, "step": patch.step,
            "reason": patch.reason, **more,
        })  # fmt: skip

    def steps_named(self, id: str) -> list[Task]:
        """The newest rounds of a step, or of all steps made of it. Raises :class:`Invalid` when there are none."""
        found = [self.latest[s.id] for s in self.plan.steps if id in (s.id, s.origin_id) and s.id in self.latest]
        if not found:
            raise Invalid(f"the run has no step {id}", remedy="look at the steps of the run", step=id)
        return found


def _add(run: Transition, patch: Patch, before: Plan, at: datetime) -> None:
    assert patch.spec is not None
    plan = run.plan
    new = [step for step in plan.steps if step.id not in before.by_id]
    known = {name: value for name, value in run.run.context.items() if name not in ("level", "kind")}
    check(plan.steps, run.bearings.units, {**plan.parameters, **known}, plan.variables)
    for step in new:
        if not run.dynamic(step) and not run.holds(step):
            raise Conflict(f"the condition of step {step.id} does not hold", remedy="leave it out", step=step.id)
    for step in plan.steps:
        task = run.latest.get(step.id)
        if task is None or step.id not in before.by_id or step.after == before.step(step.id).after:
            continue
        if task.state != "scheduled" or step.during is not None:
            raise Conflict(
                f"step {step.id} is {task.state} already: nothing can be put before it",
                remedy="name steps that nobody has been told to do",
                step=step.id,
            )
        run.put(replace(task, waits=True, planned_at=None if step.origin == "predecessors" else task.planned_at))
    opened = run.open(new, at)
    run.told_patch(
        patch, at, spec={"step": [spelled(step) for step in new], "before": patch.spec.get("before")},
        tasks=[{"task": task.id, "step": task.step, "unit": task.unit} for task in opened if task.does == "task"],
        **run.told_beside(opened),
    )  # fmt: skip


def _skip(run: Transition, patch: Patch, before: Plan, at: datetime) -> None:
    open_ = [task for task in run.steps_named(patch.step) if not task.over]
    if not open_:
        raise Conflict(f"step {patch.step} is over", remedy="nothing needs to be skipped", step=patch.step)
    run.told_patch(patch, at)
    for task in open_:
        run._drop(task, "skipped", at)


def _give(run: Transition, patch: Patch, before: Plan, at: datetime) -> None:
    assert patch.unit is not None
    tasks = [task for task in run.steps_named(patch.step) if not task.over]
    if any(task.does != "task" for task in tasks):
        raise Invalid(f"step {patch.step} is done by the system", remedy="skip it, or add another", step=patch.step)
    waiting = [task for task in tasks if task.state in ("scheduled", "dispatched", "accepted", "suspended")]
    moving = [task for task in waiting if task.unit != patch.unit]
    if not moving:
        states = ", ".join(sorted({task.state for task in tasks})) or "over"
        raise Conflict(
            f"step {patch.step} is {states}, or with {patch.unit} already",
            remedy="only work that is not submitted can be given to another department",
            step=patch.step,
        )
    if any(task.round >= limits.TASK_ROUNDS for task in moving):
        raise Conflict(f"the step has had {limits.TASK_ROUNDS} rounds", remedy="skip it, and add another")
    run.told_patch(patch, at, unit=patch.unit)
    for task in moving:
        if task.state != "scheduled":
            _reassign(run, task, Act("reassign", patch.by, reason=patch.reason, to=patch.unit), at)
        elif not task.unit:
            run.put(replace(task, unit=patch.unit))
        else:
            run._drop(task, "reassigned", at)
            number = task.round + 1
            id = derive("task", task.run, task.step, str(number))
            run.put(replace(task, id=id, round=number, unit=patch.unit, opened_at=at))


def _extend(run: Transition, patch: Patch, before: Plan, at: datetime) -> None:
    assert patch.due is not None
    tasks = [task for task in run.steps_named(patch.step) if not task.over and task.does == "task"]
    running = [task for task in tasks if task.state in ("dispatched", "accepted")]
    if not any(task.state == "scheduled" for task in tasks) and not running:
        raise Conflict(
            f"step {patch.step} is neither waiting nor being worked on", remedy="more time is for work not yet submitted",
            step=patch.step,
        )  # fmt: skip
    if patch.due <= at or patch.due - at > limits.EXTENSION:
        raise Invalid(f"the new due time is not within {limits.EXTENSION.days} days", remedy="name another moment")
    for task in running:
        _until(task, patch.due, at)
    run.told_patch(patch, at, due=patch.due)
    for task in running:
        _grant(run, task, patch.due, patch.reason, at)


_PATCHES: Mapping[str, Callable[[Transition, Patch, Plan, datetime], None]] = {
    "add": _add,
    "skip": _skip,
    "reassign": _give,
    "extend": _extend,
}


def _refused(task: Task, verb: str, allowed: list[str], latest: Task) -> Conflict:
    """Why not, in words that tell a field officer what became of the work."""
    possible = f"possible now: {', '.join(allowed) or 'nothing'}"
    who, when = task.submitter if verb == "submit" else task.person, task.submitted_at if verb == "submit" else None
    when = when or task.accepted_at
    if (
        verb in ("submit", "accept")
        and who is not None
        and when is not None
        and not (verb == "submit" and not task.submitted_at)
    ):
        name = who.get("name")
        shown = name.get("zh-CN", who.get("id")) if isinstance(name, Mapping) else who.get("id")
        done = "submitted" if verb == "submit" else "accepted"
        remedy = {
            "submit": "look at the receipt; what it lacks, tell the verifier, who can send the work back",
            "accept": "go on from there, or ask your colleague",
        }[verb]
        if latest.round > task.round:
            remedy = f"it goes on in round {latest.round}: open that one"
        return Conflict(
            f"{shown} {done} this task at {when.isoformat(timespec='seconds')}", remedy=remedy, state=task.state,
            by=dict(who), at=when.isoformat(), next=latest.id if latest.round > task.round else None,
        )  # fmt: skip
    if latest.round > task.round:
        possible = f"it goes on in round {latest.round}: open that one"
    return Conflict(
        f"a task that is {task.state}{' and over' if task.over else ''} cannot be told to {verb}",
        remedy=possible,
        state=task.state,
    )


def _moved(run: Transition, task: Task, at: datetime) -> Task:
    """The task with its clock set on for the time it stood still until ``at``."""
    held_at = task.held_at
    assert held_at is not None
    working = run.plan.step(task.step).clock == "working"

    def moved(moment: datetime | None) -> datetime | None:
        if moment is None:
            return None
        if working and moment > held_at:
            return run.bearings.later(at, run.bearings.spent(held_at, moment))
        return moment + (at - held_at)

    return replace(
        task,
        accept_due=moved(task.accept_due),
        due=moved(task.due),
        rungs=tuple(rung if rung.fired_at else replace(rung, at=moved(rung.at) or rung.at) for rung in task.rungs),
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
    step = run.plan.step(task.step)
    for asked in step.evidence:
        if act.evidence.get(asked.kind, 0) < asked.min:
            raise Conflict(
                f"the receipt lacks evidence: {asked.min} × {asked.kind}",
                remedy=f"add the {asked.kind}, then submit",
                evidence=asked.kind,
            )
        if asked.schema is not None and act.form is not None:
            wrong = forms.mistakes(asked.schema, act.form)
            if wrong:
                fields = ", ".join(str(each["field"]) for each in wrong)
                raise Invalid(f"the form is not right: {fields}", remedy="mend the fields named", fields=wrong)
    run.learn(_learnt(step, act.form or {}))
    done_at = None
    if act.done_at is not None:
        # not before it was ordered: accepting may have waited for a connection as well
        done_at = min(max(act.done_at, task.dispatched_at or at), at)
    done = run.put(
        replace(task, state="submitted", submitted_at=at, extension_until=None, submitter=act.by, done_at=done_at)
    )
    run.about(
        done,
        "task.submitted",
        at,
        late=task.late,
        due=task.due,
        receipt=act.receipt,
        verify_by=step.verify_by,
        **({"done_at": done_at} if done_at else {}),
    )


def _learnt(step: Step, form: Mapping[str, object]) -> dict[str, Value]:
    """What the form leaves in the run. A field that was left empty leaves nothing."""
    found: dict[str, Value] = {}
    for name, field_ in step.sets.items():
        value = form.get(field_)
        if value is None:
            continue
        listed = value if isinstance(value, list) else [value]
        plain = all(isinstance(each, (bool, int, float, str)) for each in listed)
        if (
            not plain
            or len(listed) > limits.PLAN_ITEMS
            or any(len(str(each)) > limits.VARIABLE_CHARS for each in listed)
        ):
            raise Invalid(
                f"the field {field_} cannot be used by later steps",
                remedy=f"a number, yes or no, or a text of at most {limits.VARIABLE_CHARS} characters",
                fields=[{"field": field_}],
            )
        found[name] = value  # type: ignore[assignment]  # checked above
    return found


def _verify(run: Transition, task: Task, act: Act, at: datetime) -> None:
    if act.count_offline:
        task = _counted_offline(run, task, at)
    run.about(task, "task.verified", at, note=act.reason)
    run._end(task, "closed", "done", at)
    run.about(task, "task.closed", at, late=task.late, due=task.due)


def _counted_offline(run: Transition, task: Task, at: datetime) -> Task:
    """The verifier says that the work was done in time, though its receipt came late."""
    if task.done_at is None or task.due is None or task.done_at >= task.due:
        raise Conflict(
            "the receipt does not say that the work was done in time",
            remedy="verify it without counting the offline time",
        )
    if not task.late:
        raise Conflict("the receipt came in time", remedy="verify it without counting the offline time")
    task = run.put(replace(task, late=False))
    run.about(task, "task.offline_counted", at, done_at=task.done_at, submitted_at=task.submitted_at, due=task.due)
    return task


def _evaluate(run: Transition, task: Task, act: Act, at: datetime) -> None:
    answer = {True: "yes", False: "no", None: "no_answer"}[act.satisfied]
    run.put(replace(task, satisfied=answer))
    run.about(task, "task.evaluated", at, satisfied=act.satisfied, note=act.reason)


def _reject(run: Transition, task: Task, act: Act, at: datetime) -> None:
    reason = _reason(act)
    run._end(task, "returned", "rework", at)
    run.about(task, "task.rejected", at, reason=reason)
    run._again(task, task.unit, at, rework=task.rework + 1, passed=task.passed)


def _return(run: Transition, task: Task, act: Act, at: datetime) -> None:
    reason = _reason(act)
    held = run.put(replace(task, state="returned", held_state=task.state, held_at=at, extension_until=None))
    run.about(held, "task.returned", at, reason=reason, clause=act.clause)


def _decide_return(run: Transition, task: Task, act: Act, at: datetime) -> None:
    if act.approve:
        unit = _other_unit(task, act)
        if task.round >= limits.TASK_ROUNDS:
            raise Conflict(f"the step has had {task.round} rounds", remedy="send it back, or cancel it")
        run._end(task, "returned", "returned", at)
        run.about(task, "task.return_upheld", at, to=unit, reason=act.reason)
        run._again(task, unit, at, rework=task.rework, passed=task.passed + 1)
    else:
        reason = _reason(act)
        back = run.put(_moved(run, task, at))
        run.about(back, "task.sent_back", at, reason=reason, state=back.state, accept_due=back.accept_due, due=back.due)


def _reassign(run: Transition, task: Task, act: Act, at: datetime) -> None:
    unit = _other_unit(task, act)
    reason = _reason(act)
    run._end(task, "cancelled", "reassigned", at)
    run.about(task, "task.reassigned", at, to=unit, reason=reason)
    run._again(task, unit, at, rework=task.rework, passed=task.passed + 1)


def _delegate(run: Transition, task: Task, act: Act, at: datetime) -> None:
    unit = _other_unit(task, act)
    below = run.bearings.below.get(task.unit, ())
    if unit not in below:
        raise Invalid(
            f"{unit} does not stand below {task.unit}",
            remedy=f"below it stand: {', '.join(sorted(below)) or 'none'}; return the task when it is somebody else's",
        )
    run._end(task, "cancelled", "delegated", at)
    run.about(task, "task.delegated", at, to=unit, reason=act.reason)
    # whoever gave it to this department still expects it by the same time
    run._again(task, unit, at, rework=task.rework, passed=task.passed, within=task.due)


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
        _grant(run, asked, until, act.reason, at)
    else:
        reason = _reason(act)
        run.about(
            run.put(asked), "task.extension_decided", at, approved=False, due=task.due, before=task.due, reason=reason
        )


def _grant(run: Transition, task: Task, until: datetime, reason: str, at: datetime) -> None:
    """Give a task more time."""
    ladder = tuple(rung if rung.fired_at or rung.rule != "due" else replace(rung, at=until) for rung in task.rungs)
    granted = run.put(replace(task, due=until, late=False, extension_until=None, rungs=ladder))
    run.about(granted, "task.extension_decided", at, approved=True, due=until, before=task.due, reason=reason)


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
    back = run.put(_moved(run, task, at))
    run.about(back, "task.resumed", at, state=back.state, accept_due=back.accept_due, due=back.due)


def _cancel(run: Transition, task: Task, act: Act, at: datetime) -> None:
    reason = _reason(act)
    run._end(task, "cancelled", "cancelled", at)
    if task.unit:
        run.about(task, "task.cancelled", at, reason=reason, opened_at=task.opened_at)
    else:
        run.about_step(task, "step.skipped", at, reason=reason)


# verb -> the states it is for, and what it does
VERBS: Mapping[str, tuple[frozenset[str], Callable[[Transition, Task, Act, datetime], None]]] = {
    "accept": (frozenset({"dispatched"}), _accept),
    "submit": (frozenset({"accepted"}), _submit),
    "verify": (frozenset({"submitted"}), _verify),
    "reject": (frozenset({"submitted"}), _reject),
    "return": (frozenset({"dispatched", "accepted"}), _return),
    "decide_return": (frozenset({"returned"}), _decide_return),
    "reassign": (frozenset({"dispatched", "accepted", "suspended"}), _reassign),
    "delegate": (frozenset({"dispatched", "accepted"}), _delegate),
    "request_extension": (frozenset({"accepted"}), _request_extension),
    "decide_extension": (frozenset({"accepted"}), _decide_extension),
    "suspend": (frozenset({"dispatched", "accepted"}), _suspend),
    "resume": (frozenset({"suspended"}), _resume),
    "cancel": (frozenset({"scheduled", "dispatched", "accepted", "submitted", "returned", "suspended"}), _cancel),
    "evaluate": (frozenset({"closed"}), _evaluate),
}

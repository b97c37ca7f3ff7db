"""The custody ledger: from the events of runs to columns, and from columns, without a loop over rows, to who held what.

On each branch of a run (the rounds of one step) every microsecond belongs to exactly one holder:

===========================  =============  =======  ===============
from … to                    holder         charged  reason
===========================  =============  =======  ===============
opened … dispatched          plan           no       waiting
dispatched … accepted        department     yes      to_accept
accepted … submitted         department     yes      to_do
submitted … verdict          verifier       yes      to_verify
returned … decided           coordinator    yes      return
suspended … resumed          department     no       suspended
granted extra time           department     no       extension
before an upheld return      department     no       misdispatch
===========================  =============  =======  ===============

Times are int64 microseconds since 1970 UTC.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "MATTERS",
    "NEVER",
    "TASK_COLUMNS",
    "TYPES",
    "URGENT",
    "Facts",
    "Frozen",
    "Ledger",
    "Log",
    "Pieces",
    "from_us",
    "to_us",
]

I64 = NDArray[np.int64]
Flags = NDArray[np.bool_]

NEVER = np.iinfo(np.int64).max  # a moment that has not come
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

(OPENED, DISPATCHED, ACCEPTED, SUBMITTED, RETURNED, TO_ACCEPT, TO_DO, SUSPENDED) = range(8)  # begin a stretch
(CLOSED, CANCELLED, REJECTED, UPHELD, REASSIGNED) = range(8, 13)  # end the round
(LATE_ACCEPT, EXTENDED, EVALUATED, ASKED, OFFLINE) = range(13, 18)  # change no holder

TYPES: Mapping[str, int] = {
    "run.started": OPENED,
    "task.dispatched": DISPATCHED,
    "task.accepted": ACCEPTED,
    "task.submitted": SUBMITTED,
    "task.returned": RETURNED,
    "task.sent_back": TO_ACCEPT,
    "task.resumed": TO_ACCEPT,
    "task.suspended": SUSPENDED,
    "task.closed": CLOSED,
    "task.cancelled": CANCELLED,
    "task.rejected": REJECTED,
    "task.return_upheld": UPHELD,
    "task.reassigned": REASSIGNED,
    "task.delegated": REASSIGNED,  # to a department below: whoever hands it on answers for that
    "task.late_accept": LATE_ACCEPT,
    "task.extension_decided": EXTENDED,
    "task.extension_requested": ASKED,
    "task.evaluated": EVALUATED,
    "task.offline_counted": OFFLINE,
}
MATTERS = ("incident.opened", "incident.level_changed", "run.patched", "appeal.upheld")  # what else the ledger hears of
_UNSORTED = 10_000  # tasks that may wait until all are sorted by run again
URGENT = 2  # an incident of this level (orange) or a graver one is urgent

TASK_COLUMNS = ("round", "unit", "kind", "verifier", "run", "step", "sender", "fails", "pair")
_ROUND, _UNIT, _KIND, _VERIFIER, _, _, _SENDER, _FAILS, _PAIR = range(len(TASK_COLUMNS))

PLAN, UNIT, VERIFIER, COORDINATOR = range(4)
REASONS = ("waiting", "to_accept", "to_do", "to_verify", "return", "suspended", "extension", "misdispatch")
_HOLDER = np.array([PLAN, UNIT, UNIT, VERIFIER, COORDINATOR, UNIT, UNIT, UNIT])
_CHARGED = np.array([False, True, True, True, True, True, True, False])
_REASON = np.array([0, 1, 2, 3, 4, 1, 2, 5])
_EXTENSION, _MISDISPATCH = 6, 7

# which event may follow which within a round
_FOLLOWS: Mapping[int, tuple[int, ...]] = {
    OPENED: (DISPATCHED, CANCELLED),
    DISPATCHED: (ACCEPTED, RETURNED, SUSPENDED, REASSIGNED, CANCELLED),
    ACCEPTED: (SUBMITTED, RETURNED, SUSPENDED, REASSIGNED, CANCELLED),
    SUBMITTED: (CLOSED, REJECTED, CANCELLED),
    RETURNED: (UPHELD, TO_ACCEPT, TO_DO, CANCELLED),
    SUSPENDED: (TO_ACCEPT, TO_DO, REASSIGNED, CANCELLED),
    TO_ACCEPT: (ACCEPTED, RETURNED, SUSPENDED, REASSIGNED, CANCELLED),
    TO_DO: (SUBMITTED, RETURNED, SUSPENDED, REASSIGNED, CANCELLED),
}
_LEGAL = np.zeros((13, 13), dtype=bool)
for _before, _after in _FOLLOWS.items():
    _LEGAL[_before, list(_after)] = True


def to_us(moment: object) -> int:
    """An aware moment, or its RFC 3339 spelling, as microseconds since 1970 UTC."""
    return (moment - _EPOCH) // _MICROSECOND if isinstance(moment, datetime) else _spelled_us(str(moment))


@lru_cache(maxsize=4_096)  # the events of a run spell the same few moments again and again
def _spelled_us(spelling: str) -> int:
    return (datetime.fromisoformat(spelling) - _EPOCH) // _MICROSECOND


def from_us(us: int) -> datetime:
    """The aware UTC moment of ``us`` microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=int(us))


class Log:
    """Events as growing columns; :meth:`ledger` gives those of some tasks. Feed it every event once, in order.

    What was fed up to the last :meth:`freeze` lies sorted by task in ``frozen``; what came since is the tail.
    """

    def __init__(self) -> None:
        self.names: list[str] = ["plan", "coordinator"]  # holders by code
        self.people: list[str] = []  # who dispatched, by code
        self.ids: list[str] = []  # of tasks
        self.runs: list[str] = []
        self.incidents: list[str] = []  # of runs
        self.urgent: list[bool] = []  # of runs
        self.plans: list[str] = []  # of runs: the plan's name
        self.steps: list[str] = []
        self.kinds: list[str] = []  # plan:step
        self.pairs: list[tuple[int, int]] = []  # department and kind
        self.corrections: dict[tuple[str, str], tuple[str, int]] = {}  # task and matter -> effect, since when
        self.frozen = Frozen.empty()
        self.codes = _Codes(self.ids)  # of tasks, by id
        self._run_codes: dict[str, int] = {}
        self._name_codes = {name: code for code, name in enumerate(self.names)}
        self._people_codes: dict[str, int] = {}
        self._step_codes: dict[str, int] = {}
        self._kind_codes: dict[str, int] = {}
        self._pair_codes: dict[tuple[int, int], int] = {}
        self._levels: dict[str, int | None] = {}
        self._starters: dict[str, int] = {}  # who started a run
        self._sender: dict[str, int] = {}  # run and step -> who decided on the round that follows
        self._fails: dict[str, int] = {}  # run and step -> how often its work was rejected
        self._of_task = tuple(array("i") for _ in TASK_COLUMNS)
        self._tail = (array("q"), array("b"), array("q"), array("q"), array("q"))
        none = np.zeros(0, dtype=np.int64)
        self._by_run: tuple[I64, NDArray[np.int32]] = none, none.astype(np.int32)  # most tasks by run, and their runs

    @property
    def tasks(self) -> int:
        """How many tasks there are."""
        return len(self.ids)

    def column(self, name: str) -> NDArray[np.int32]:
        """One of :data:`TASK_COLUMNS` of every task, by its code."""
        return np.array(self._of_task[TASK_COLUMNS.index(name)], dtype=np.int32)

    def of(self, name: str, tasks: I64) -> NDArray[np.int32]:
        """One of :data:`TASK_COLUMNS` of some tasks."""
        column = self._of_task[TASK_COLUMNS.index(name)]
        return np.frombuffer(column, dtype=np.int32)[tasks] if len(column) else np.zeros(0, dtype=np.int32)

    def feed(self, type: str, data: Mapping[str, Any], actor: str = "") -> None:
        """Take in one event; ``actor`` is the id of who did it."""
        code, value = TYPES.get(type), 0
        if code is None:
            self._about_matters(type, data, actor)
            return
        at = to_us(data["at"])
        if type == "run.started":
            run = self._run(data["run"], data.get("incident") or "", data["plan"]["id"])
            # history of another system was dispatched by nobody here
            self._starters[data["run"]] = self._person("" if data.get("imported") else actor)
            for opened in data["tasks"]:
                self._event(self._open(run, data["run"], opened), OPENED, at)
            return
        task = self.codes.get(data["task"])
        if task is None:
            run = self._run(data["run"], data.get("incident") or "", "")
            task = self._open(run, data["run"], data)
            self._event(task, OPENED, to_us(data.get("opened_at") or data["at"]))
        if code == DISPATCHED:
            self._hand(task, data.get("unit"))
        elif code == TO_ACCEPT and data["state"] == "accepted":
            code = TO_DO
        elif code == SUBMITTED:
            self._of_task[_VERIFIER][task] = self._name(data["verify_by"] or "coordinator")
        elif code == EXTENDED:
            value = to_us(data["due"]) - to_us(data["before"])
        elif code == EVALUATED:
            satisfied = data.get("satisfied")
            value = -1 if satisfied is None else int(satisfied)
        elif code == RETURNED:
            value = int(bool(data.get("clause")))
        elif code in (REJECTED, UPHELD, REASSIGNED) or (code == CANCELLED and data.get("reason") == "reassigned"):
            self._next_round(task, f"{data['run']}\x1f{data['step']}", code, actor)
        due = data.get("due")
        self._event(task, code, at, NEVER if due is None else to_us(due), value)

    def _about_matters(self, type: str, data: Mapping[str, Any], actor: str) -> None:
        if type == "appeal.upheld":
            self.corrections[data["task"], data["matter"]] = (data["effect"], to_us(data["at"]))
        elif type == "incident.opened":
            self._levels[data["incident"]] = data.get("level")
        elif type == "incident.level_changed":
            self._levels[data["incident"]] = data.get("to")
        elif type == "run.patched":  # who adds a step answers for where it is sent
            for added in data.get("tasks", ()):
                self._sender[f"{data['run']}\x1f{added['step']}"] = self._person(actor)

    def _next_round(self, task: int, branch: str, code: int, actor: str) -> None:
        """Who answers for the round that follows, and how often the work was rejected."""
        if code == REJECTED:
            self._sender[branch] = self._of_task[_SENDER][task]
            self._fails[branch] = self._of_task[_FAILS][task] = self._fails.get(branch, 0) + 1
        else:
            self._sender[branch] = self._person(actor)

    def _run(self, id: str, incident: str, plan: str) -> int:
        if id not in self._run_codes:
            self._run_codes[id] = len(self.runs)
            self.runs.append(id)
            self.incidents.append(incident)
            self.plans.append(plan)
            level = self._levels.get(incident)
            self.urgent.append(level is not None and level <= URGENT)
        return self._run_codes[id]

    def tasks_of(self, runs: Iterable[str]) -> I64:
        """The codes of the tasks of these runs, in order."""
        wanted = np.unique([self._run_codes[run] for run in runs if run in self._run_codes]).astype(np.int32)
        if not len(wanted):
            return np.zeros(0, dtype=np.int64)
        order, sorted_runs = self._by_run
        if self.tasks - len(order) > max(_UNSORTED, len(order) // 10):
            column = self.column("run")
            order = np.argsort(column, kind="stable")
            self._by_run = order, sorted_runs = order, column[order]
        low, high = (np.searchsorted(sorted_runs, wanted, side=side).tolist() for side in ("left", "right"))
        late = np.arange(len(order), self.tasks)
        found = [order[a:b] for a, b in zip(low, high, strict=True)]
        return np.sort(np.concatenate([*found, late[np.isin(self.of("run", late), wanted)]]))

    def _open(self, run: int, run_id: str, data: Mapping[str, Any]) -> int:
        task = self.codes.add(data["task"])
        step = str(data["step"])
        kind = _code(self._kind_codes, self.kinds, f"{self.plans[run]}:{step}")
        sender = self._sender.pop(f"{run_id}\x1f{step}", None)
        if sender is None:
            sender = self._starters.get(run_id, -1)
        unit = self._name(data.get("unit") or "plan")
        row = (
            int(data["round"]), unit, kind, self._name("coordinator"), run, _code(self._step_codes, self.steps, step),
            sender, 0, self._pair(unit, kind),
        )  # fmt: skip
        for column, value in zip(self._of_task, row, strict=True):
            column.append(value)
        return task

    def _hand(self, task: int, unit: str | None) -> None:
        """The department is known for certain when the task is dispatched: a plan may name it by a variable."""
        if unit is not None and (code := self._name(unit)) != self._of_task[_UNIT][task]:
            self._of_task[_UNIT][task] = code
            self._of_task[_PAIR][task] = self._pair(code, self._of_task[_KIND][task])

    def _name(self, name: str) -> int:
        return _code(self._name_codes, self.names, name)

    def _person(self, actor: str) -> int:
        return _code(self._people_codes, self.people, actor)

    def _pair(self, unit: int, kind: int) -> int:
        return _code(self._pair_codes, self.pairs, (unit, kind))

    def _event(self, task: int, code: int, at: int, due: int = NEVER, value: int = 0) -> None:
        tasks, codes, moments, dues, values = self._tail
        tasks.append(task)
        codes.append(code)
        moments.append(at)
        dues.append(due)
        values.append(value)

    # ── as arrays ──────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def loose_events(self) -> int:
        """How many events came since the last freeze."""
        return len(self._tail[0])

    def loose(self) -> I64:
        """The tasks about which something was fed since the last freeze, sorted."""
        return np.unique(np.array(self._tail[0], dtype=np.int64))

    def freeze(self) -> None:
        """Sort all events by task, so that those of any task are at hand; the tail is empty afterwards."""
        self.frozen = self.frozen.joined(self.tasks, *(np.array(column) for column in self._tail))
        self._tail = (array("q"), array("b"), array("q"), array("q"), array("q"))

    def rest(self) -> dict[str, Any]:
        """What is not in columns, as plain data, for :meth:`restore`."""
        return {
            "names": self.names, "people": self.people, "steps": self.steps, "kinds": self.kinds, "pairs": self.pairs,
            "levels": self._levels, "starters": self._starters, "sender": self._sender, "fails": self._fails,
            "corrections": [[*key, *effect] for key, effect in self.corrections.items()],
        }  # fmt: skip

    def restore(
        self, frozen: Frozen, ids: list[str], of_task: tuple[array[int], ...], runs: Mapping[str, list[Any]], rest: Any
    ) -> None:
        """Make an empty log what another was when everything in it was frozen."""
        self.frozen, self.ids, self._of_task = frozen, ids, of_task
        self.codes = _Codes(ids)
        self.runs, self.incidents, self.plans = runs["runs"], runs["incidents"], runs["plans"]
        self.urgent = runs["urgent"]
        self.names, self.people, self.steps, self.kinds = (rest[key] for key in ("names", "people", "steps", "kinds"))
        self.pairs = [(unit, kind) for unit, kind in rest["pairs"]]
        self._levels, self._starters = rest["levels"], rest["starters"]
        self._sender, self._fails = rest["sender"], rest["fails"]
        self.corrections = {(task, rate): (effect, at) for task, rate, effect, at in rest["corrections"]}
        self._run_codes = _numbered(self.runs)
        self._name_codes, self._people_codes = _numbered(self.names), _numbered(self.people)
        self._step_codes, self._kind_codes = _numbered(self.steps), _numbered(self.kinds)
        self._pair_codes = _numbered(self.pairs)

    def ledger(self, tasks: I64 | None = None, *, tail: bool = True) -> Ledger:
        """The columns of ``tasks`` (sorted codes; all by default) as they are now; what is fed later changes nothing.

        Without ``tail`` only what was there at the last freeze.
        """
        if tasks is None:
            tasks = np.arange(self.tasks)
        per_task = (
            np.frombuffer(self._of_task[number], dtype=np.int32)[tasks].astype(np.int64) if self.tasks else tasks
            for number in (_ROUND, _UNIT, _KIND, _VERIFIER)
        )
        parts = [self.frozen.of(tasks)]
        if tail and self._tail[0]:
            task, code, at, due, value = (np.array(column, dtype=np.int64) for column in self._tail)
            place = np.minimum(np.searchsorted(tasks, task), max(0, len(tasks) - 1))
            here = tasks[place] == task if len(tasks) else np.zeros(len(task), dtype=bool)
            parts.append((place[here], code[here], at[here], due[here], value[here]))
        columns = (np.concatenate(column) for column in zip(*parts, strict=True))
        return Ledger(tasks, *per_task, *columns)


def _code(codes: dict[Any, int], names: list[Any], name: Any) -> int:
    """The number of a name, a new one when it has none."""
    code = codes.get(name)
    if code is None:
        code = codes[name] = len(names)
        names.append(name)
    return code


def _numbered(names: Iterable[Any]) -> dict[Any, int]:
    return {name: code for code, name in enumerate(names)}


class _Codes:
    """Numbers of task ids. The dictionary is made when somebody first asks: most readers of a large log never do."""

    def __init__(self, ids: list[str]) -> None:
        self._ids = ids
        self._codes: dict[str, int] = {}

    def _all(self) -> dict[str, int]:
        if len(self._codes) < len(self._ids):
            self._codes = {id: code for code, id in enumerate(self._ids)}
        return self._codes

    def __contains__(self, id: object) -> bool:
        return id in self._all()

    def __getitem__(self, id: str) -> int:
        return self._all()[id]

    def get(self, id: str) -> int | None:
        """The number of an id, ``None`` for a new one."""
        return self._all().get(id)

    def add(self, id: str) -> int:
        """Give the next number to a new id; returns it."""
        number = self._all()[id] = len(self._ids)
        self._ids.append(id)
        return number


@dataclass(frozen=True, slots=True)
class Frozen:
    """Events sorted by task, in the order of the log within a task; those of task ``i`` begin at ``offsets[i]``."""

    offsets: I64
    code: NDArray[np.int8]
    at: I64
    due: I64
    value: I64

    @classmethod
    def empty(cls) -> Frozen:
        """Of no task."""
        none = np.zeros(0, dtype=np.int64)
        return cls(np.zeros(1, dtype=np.int64), none.astype(np.int8), none, none, none)

    @property
    def tasks(self) -> int:
        """How many tasks there are."""
        return len(self.offsets) - 1

    def joined(self, tasks: int, task: I64, code: I64, at: I64, due: I64, value: I64) -> Frozen:
        """With further events, of ``tasks`` tasks in all."""
        old = np.repeat(np.arange(self.tasks), np.diff(self.offsets))
        everything = np.concatenate([old, task])
        order = np.argsort(everything, kind="stable")
        offsets = np.concatenate([[0], np.cumsum(np.bincount(everything, minlength=tasks))]).astype(np.int64)
        return Frozen(
            offsets,
            np.concatenate([self.code, code.astype(np.int8)])[order],
            *(np.concatenate([a, b])[order] for a, b in ((self.at, at), (self.due, due), (self.value, value))),
        )

    def of(self, tasks: I64) -> tuple[I64, I64, I64, I64, I64]:
        """``(place in tasks, code, at, due, value)`` of every event of these tasks (sorted; unknown ones have none)."""
        known = tasks[tasks < self.tasks]
        begin, count = self.offsets[known], np.diff(self.offsets)[known] if len(known) else known
        place = np.repeat(np.arange(len(known)), count)
        rows = np.arange(len(place)) + np.repeat(begin - (np.cumsum(count) - count), count)
        return place, self.code[rows].astype(np.int64), self.at[rows], self.due[rows], self.value[rows]


@dataclass(frozen=True, slots=True)
class Pieces:
    """Stretches of custody, ordered by task and time. ``holder`` is a code of :attr:`Log.names`."""

    task: I64
    holder: I64
    start: I64
    end: I64
    charged: Flags
    reason: I64

    def reasons(self) -> list[str]:
        """The reason of each stretch, in words."""
        return [REASONS[reason] for reason in self.reason.tolist()]


@dataclass(frozen=True, slots=True)
class Facts:
    """What each task came to by a moment; ``NEVER`` where it has not."""

    dispatched: I64
    accepted: I64
    submitted: I64
    closed: I64
    ended: I64
    due: I64
    added: I64
    late_accept: Flags
    returned: Flags
    upheld: Flags
    rejected: Flags
    held: I64  # since when the clock stands still, while it does
    evaluated: I64  # when the newest answer of a call-back came
    satisfied: Flags
    bare: Flags  # returned without naming a clause
    offline: Flags  # the verifier counted the moment it was done offline: in time
    asked: I64  # when more time was last asked for
    asked_due: I64  # the due time at that moment
    opened: I64
    last: I64  # the newest event


@dataclass(frozen=True, slots=True)
class Ledger:
    """Columns of some tasks (``codes`` to ``verifier``) and of their events in the order they happened.

    ``codes`` are the tasks' numbers in the log; ``task`` of an event counts within them.
    ``value`` is what an event brings: extra microseconds granted, an answer (1, 0, -1), whether a clause was named.
    """

    codes: I64
    round: I64
    unit: I64
    kind: I64
    verifier: I64
    task: I64
    code: I64
    at: I64
    due: I64
    value: I64

    def joints(self, log: Log) -> list[tuple[int, int]]:
        """Pairs of rounds of one step that follow each other, the earlier first."""
        runs, steps = log.column("run")[self.codes].tolist(), log.column("step")[self.codes].tolist()
        rounds = self.round.tolist()
        by_round = {(runs[task], steps[task], rounds[task]): task for task in range(self.tasks)}
        return [
            (by_round[run, step, n - 1], task)
            for (run, step, n), task in by_round.items()
            if (run, step, n - 1) in by_round
        ]

    @property
    def tasks(self) -> int:
        """How many tasks there are."""
        return len(self.unit)

    def until(self, moment: int) -> Ledger:
        """The ledger as it was known just before ``moment``."""
        return self._only(self.at < moment)

    def _only(self, events: Flags) -> Ledger:
        chosen = (column[events] for column in (self.task, self.code, self.at, self.due, self.value))
        return Ledger(self.codes, self.round, self.unit, self.kind, self.verifier, *chosen)

    def facts(self) -> Facts:
        """What each task came to."""
        due, extended = np.full(self.tasks, NEVER), self.code == EXTENDED
        named = (self.due != NEVER) & (self.code != ASKED)
        due[self.task[named]] = self.due[named]
        added = np.zeros(self.tasks, dtype=np.int64)
        np.add.at(added, self.task[extended], self.value[extended])
        held, rests = np.full(self.tasks, NEVER), (self.code == RETURNED) | (self.code == SUSPENDED)
        stretch = self.code <= REASSIGNED
        held[self.task[stretch]] = np.where(rests, self.at, NEVER)[stretch]
        ended = np.full(self.tasks, NEVER)
        over = (self.code >= CLOSED) & (self.code <= REASSIGNED)
        ended[self.task[over]] = self.at[over]
        answered = (self.code == EVALUATED) & (self.value >= 0)
        evaluated, satisfied = np.full(self.tasks, NEVER), np.zeros(self.tasks, dtype=bool)
        evaluated[self.task[answered]], satisfied[self.task[answered]] = self.at[answered], self.value[answered] == 1
        asks = self.code == ASKED
        asked, asked_due = np.full(self.tasks, NEVER), np.full(self.tasks, NEVER)
        asked[self.task[asks]], asked_due[self.task[asks]] = self.at[asks], self.due[asks]
        last = np.full(self.tasks, -NEVER)
        last[self.task] = self.at
        return Facts(
            dispatched=self._first(DISPATCHED),
            accepted=self._first(ACCEPTED),
            submitted=self._first(SUBMITTED),
            closed=self._first(CLOSED),
            ended=ended,
            due=due,
            added=added,
            late_accept=self._ever(LATE_ACCEPT),
            returned=self._ever(RETURNED),
            upheld=self._ever(UPHELD),
            rejected=self._ever(REJECTED),
            held=held,
            evaluated=evaluated,
            satisfied=satisfied,
            bare=self._ever(RETURNED, self.value == 0),
            offline=self._ever(OFFLINE),
            asked=asked,
            asked_due=asked_due,
            opened=self._first(OPENED),
            last=last,
        )

    def _first(self, code: int) -> I64:
        moment = np.full(self.tasks, NEVER)
        found = self.code == code
        moment[self.task[found][::-1]] = self.at[found][::-1]
        return moment

    def _ever(self, code: int, but: Flags | None = None) -> Flags:
        ever, found = np.zeros(self.tasks, dtype=bool), self.code == code
        ever[self.task[found if but is None else found & but]] = True
        return ever

    def pieces(self, now: int) -> Pieces:
        """Custody up to ``now``: without gap or overlap from the opening of each task to its end."""
        task, code, at = self._stretches()
        begins = code < CLOSED
        following = np.append(at[1:], now)
        following[np.append(task[1:] != task[:-1], True)] = now
        task, code, start, end = task[begins], code[begins], at[begins], following[begins]
        end = np.maximum(start, end)
        holders = np.stack(
            [np.zeros(self.tasks, dtype=np.int64), self.unit, self.verifier, np.ones(self.tasks, dtype=np.int64)]
        )
        charged, reason, kind = _CHARGED[code], _REASON[code], _HOLDER[code]
        facts = self.facts()
        wrong = facts.upheld[task] & (kind == UNIT) & charged
        charged, reason = charged & ~wrong, np.where(wrong, _MISDISPATCH, reason)
        pieces = Pieces(task, holders[kind, task], start, end, charged, reason)
        pieces = _granted(pieces, (kind == UNIT) & charged & (facts.added[task] > 0), facts)
        keep = pieces.end > pieces.start
        return _chosen(pieces, keep)

    def faults(self) -> list[tuple[int, str]]:
        """Tasks whose events cannot have happened in this order, or whose rounds do not join: ``(task, what)``."""
        task, code, at = self._stretches()
        same = task[1:] == task[:-1]
        found = [
            (int(task[i + 1]), "an event that cannot follow the one before")
            for i in np.flatnonzero(same & ~_LEGAL[code[:-1], code[1:]])
        ]
        found += [(int(task[i + 1]), "time went back") for i in np.flatnonzero(same & (at[1:] < at[:-1]))]
        first = np.append(True, ~same) if len(task) else np.zeros(0, dtype=bool)
        found += [(int(task[i]), "it was never opened") for i in np.flatnonzero(first & (code != OPENED))]
        return found

    def span(self, now: int) -> tuple[I64, I64]:
        """When each task was opened, and when it ended (``now`` while it is open)."""
        return self._first(OPENED), np.minimum(self.facts().ended, now)

    def _stretches(self) -> tuple[I64, I64, I64]:
        stretch = self.code <= REASSIGNED
        task, code, at = self.task[stretch], self.code[stretch], self.at[stretch]
        order = np.argsort(task, kind="stable")
        return task[order], code[order], at[order]


def _granted(pieces: Pieces, may: Flags, facts: Facts) -> Pieces:
    """Cut the extra time that was granted out of the stretches that ``may``: the last ``added`` before the due time."""
    if not may.any():
        return pieces
    due = facts.due[pieces.task]
    begin = np.clip(
        np.where(may, due - np.where(may, facts.added[pieces.task], 0), pieces.end), pieces.start, pieces.end
    )
    finish = np.clip(np.where(may, due, pieces.end), begin, pieces.end)
    parts = np.where(may, 3, 1)
    row = np.repeat(np.arange(len(parts)), parts)
    part = np.arange(len(row)) - np.repeat(np.cumsum(parts) - parts, parts)
    cuts = np.stack([pieces.start, begin, finish, pieces.end])
    cut = _chosen(pieces, row)
    return Pieces(
        cut.task, cut.holder, cuts[part, row], np.where(may[row], cuts[part + 1, row], cut.end),
        cut.charged & (part != 1), np.where(part == 1, _EXTENSION, cut.reason),
    )  # fmt: skip


def _chosen(pieces: Pieces, rows: Flags | I64) -> Pieces:
    return Pieces(
        pieces.task[rows], pieces.holder[rows], pieces.start[rows],
        pieces.end[rows], pieces.charged[rows], pieces.reason[rows],
    )  # fmt: skip

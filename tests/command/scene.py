"""A small command centre for tests: departments, plans, people, and hypothesis strategies for plans."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import strategies as st

from cityheart.command.engine import Decided
from cityheart.command.models import Plan, Task, Value
from cityheart.command.plan import Table, compile
from cityheart.command.service import Command
from cityheart.kernel.actors import Actor
from cityheart.kernel.database import Database
from cityheart.kernel.errors import Invalid
from cityheart.kernel.text import Text, text

START = datetime(2015, 11, 1, tzinfo=UTC)
UNITS = {
    code: text(f"{code}局", f"{code} bureau")
    for code in ("ecology", "industry", "health", "transport", "emergency-office")
}
SYSTEM = Actor.system("test")
PNG = b"\x89PNG\r\n\x1a\n" + b"picture"


def step(id: str, unit: str = "industry", **more: object) -> dict[str, object]:
    """A step as a plan's author writes it."""
    return {"id": id, "title": text(f"{id}步", id), "unit": unit, "accept_within": "PT30M", "due": "PT4H", **more}


def plan(*steps: Mapping[str, object], **more: object) -> dict[str, object]:
    """A plan as its author writes it."""
    return {"plan": "trial", "version": "1", "title": text("演练", "Trial"), "steps": list(steps), **more}


def centre(database: Database, folder: Path) -> Command:
    """A command with the departments above."""
    command = Command(database, folder / "files")
    command.register_units(UNITS)
    command.register_decisions(table, resolve)
    return command


class Desk:
    """The command centre, with short words for what people do. Every act has a command id of its own."""

    def __init__(self, command: Command, actor: Actor = SYSTEM) -> None:
        self.command = command
        self.actor = actor
        self.acts = 0

    def click(self) -> str:
        """A new command id."""
        self.acts += 1
        return f"click-{self.acts:06d}"

    def start(self, plan: Mapping[str, object], **spec: object) -> tuple[str, str]:
        """Publish and dispatch a plan: ``(incident, run)``."""
        digest = self.command.publish(SYSTEM, plan)
        given = {"title": text("事件", "Incident"), "kind": "trial", "level": 2, **spec}
        result = self.command.dispatch(self.actor, self.click(), given, digest)
        return str(result["incident_id"]), str(result["run_id"])

    def tasks(self, incident: str) -> list[Task]:
        """All tasks of an incident, by step and round."""
        found = [task for _, tasks in self.command.runs(SYSTEM, incident) for task in tasks]
        return sorted(found, key=lambda task: (task.step, task.round))

    def task(self, incident: str, step: str) -> Task:
        """The newest round of a step."""
        return [task for task in self.tasks(incident) if task.step == step][-1]

    def act(
        self, incident: str, step: str, verb: str, actor: Actor | None = None, **payload: object
    ) -> dict[str, object]:
        """Act on the newest round of a step."""
        task = self.task(incident, step)
        return self.command.act(actor or self.actor, self.click(), task.id, verb, **payload)  # type: ignore[arg-type]

    def finish(self, incident: str, step: str) -> None:
        """Accept, submit and verify the newest round of a step."""
        self.act(incident, step, "accept")
        self.act(incident, step, "submit", note="done", form={"result": "done"})
        self.act(incident, step, "verify")

    def told(self, incident: str) -> list[tuple[str, str]]:
        """What the incident's log says: ``(type, step)``."""
        return [(event.type, str(event.data.get("step", ""))) for event in self.command.log(SYSTEM, incident)]


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Plans of one to six steps with random predecessors, delays, deadlines and ladders."""
    steps = []
    for number in range(draw(st.integers(1, 6))):
        before = [f"s{i}" for i in range(number) if draw(st.booleans())]
        accept = draw(st.integers(1, 60))
        ladder = draw(st.lists(st.sampled_from(["accept", "due", "PT7M", "PT90M"]), max_size=3))
        steps.append(step(
            f"s{number}", draw(st.sampled_from(sorted(UNITS))), after=before, delay=f"PT{draw(st.integers(0, 90))}M",
            accept_within=f"PT{accept}M", due=f"PT{accept + draw(st.integers(1, 240))}M",
            escalate=[{"at": at, "to": "coordinator"} for at in ladder],
            verify_by=draw(st.sampled_from([None, "ecology"])), loop_guard=draw(st.integers(1, 3)),
            **{"from": draw(st.sampled_from(["start", "predecessors"]))},
        ))  # fmt: skip
    return compile(plan(*steps), UNITS)


DIGESTS = {"good": "a" * 64, "odd": "b" * 64, "silent": "c" * 64, "broken": "d" * 64}


def table(name: str, digest: str | None = None) -> Table | None:
    """Decision tables of the scene: each takes n and gives owner and go."""
    return Table(DIGESTS[name], ("n",), ("owner", "go")) if name in DIGESTS else None


def resolve(digest: str, inputs: Mapping[str, Value | None]) -> Decided:
    """What they say: good names a department, odd one that is none, silent nothing, broken cannot be asked."""
    n = inputs["n"] if isinstance(inputs["n"], int) else 0
    if digest == DIGESTS["broken"]:
        raise Invalid("no rule matches", remedy="mend the table")
    if digest == DIGESTS["silent"]:
        return Decided({})
    owner = "navy" if digest == DIGESTS["odd"] else sorted(UNITS)[n % len(UNITS)]
    return Decided({"owner": owner, "go": n % 2 == 0}, ("rule-1",))


FORM = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 0}}, "required": ["n"]}
DISTRICTS = ["ecology", "health"]


@st.composite
def full_plans(draw: st.DrawFn) -> Plan:
    """Plans with everything the language has, in shapes that an author might not think of."""
    steps: list[dict[str, object]] = []
    ahead: dict[str, set[str]] = {}
    tasks: list[str] = []
    sets: dict[str, set[str]] = {}  # what a step leaves behind
    for number in range(draw(st.integers(1, 7))):
        id = f"s{number}"
        does = draw(st.sampled_from(["task", "task", "task", "task", "wait", "message", "decide"]))
        more: dict[str, object] = {}
        before = [f"s{i}" for i in range(number) if draw(st.integers(0, 2)) == 0]
        if tasks and draw(st.integers(0, 3)) == 0:
            before = [draw(st.sampled_from(tasks))]
            cuts = draw(st.booleans())
            more["during"] = {"step": before[0], "after": f"PT{draw(st.integers(0, 300))}M", "interrupt": cuts}
            if cuts:
                sets[id] = {f"interrupted_{before[0]}"}
                sets[before[0]] = sets[before[0]] | sets[id]
        else:
            more |= {"after": before, "delay": f"PT{draw(st.integers(0, 90))}M"}
            more["from"] = draw(st.sampled_from(["start", "predecessors"]))
        ahead[id] = set(before).union(*(ahead[each] for each in before))
        known = {name for each in ahead[id] for name in sets.get(each, ())}
        conditions = [None, None, None, "level <= 2", "level == 1"]
        conditions += ["go", "not go"] if "go" in known else []
        conditions += [f"not {name}" for name in sorted(known) if name.startswith("interrupted")]
        more["when"] = draw(st.sampled_from(conditions)) if number else None
        sets.setdefault(id, set())
        title = text(f"{id}步", id)
        if does == "task":
            accept = draw(st.integers(1, 60))
            unit = draw(st.sampled_from([*sorted(UNITS), "$who", *(["$owner"] if "owner" in known else [])]))
            if draw(st.integers(0, 3)) == 0:
                more["each"] = {"as": "district", "in": draw(st.sampled_from(["districts", ["industry", "transport"]]))}
                unit = draw(st.sampled_from(["$district", "ecology"]))
            elif draw(st.booleans()):
                more |= {"evidence": [{"kind": "form", "schema": FORM}], "sets": {"n": "n"}}
                sets[id].add("n")
            more |= {
                "unit": unit, "accept_within": f"PT{accept}M", "due": f"PT{accept + draw(st.integers(1, 240))}M",
                "clock": draw(st.sampled_from(["elapsed", "working"])), "loop_guard": draw(st.integers(1, 3)),
                "escalate": [{"at": draw(st.sampled_from(["accept", "due", "PT90M"])), "to": "coordinator"}],
            }  # fmt: skip
            tasks.append(id)
        elif does == "message":
            more |= {"topic": "warning", "payload": {"level": "$level"}}
        elif does == "decide":
            more |= {"table": draw(st.sampled_from(sorted(DIGESTS))), "inputs": {"n": "$n" if "n" in known else 3}}
            sets[id] |= {"owner", "go"}
        steps.append({"id": id, "title": title, "does": does, **more})
    parameters = {"districts": DISTRICTS, "who": "transport"}
    return compile(plan(*steps, parameters=parameters), UNITS, tables=table)


def minutes(count: float) -> timedelta:
    """So many minutes."""
    return timedelta(minutes=count)


Clerk = Callable[[str], Actor]
__all__ = [
    "DIGESTS", "DISTRICTS", "FORM", "PNG", "START", "SYSTEM", "UNITS", "Clerk", "Desk", "Text", "centre", "full_plans",
    "minutes", "plan", "plans", "resolve", "step", "table",
]  # fmt: skip

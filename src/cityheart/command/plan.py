"""The plan language: YAML (or the same as JSON) compiled to one immutable, content-addressed plan.

Whatever is wrong is refused here, naming the step, so that nothing can go wrong for that reason while people wait.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from types import MappingProxyType
from typing import cast

import yaml

from cityheart.command import expression, forms
from cityheart.command.models import ROLE_TITLES, During, Each, Evidence, Item, Plan, RungRule, Step, Value
from cityheart.kernel import duration, limits
from cityheart.kernel.errors import Invalid, TooLarge
from cityheart.kernel.text import LANGUAGES, Text

__all__ = [
    "CONTEXT",
    "RESERVED_TOPICS",
    "Table",
    "added_step",
    "check",
    "compile",
    "interrupted",
    "items_of",
    "spelled",
]

CONTEXT = frozenset({"level", "kind"})  # names every `when` may read, besides the plan's own parameters
RESERVED_TOPICS = frozenset({"orders", "escalations"})  # of the outbox: what the engine itself sends there
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,59}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,59}")
_CLAUSE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,79}")
_TOPIC = re.compile(r"[a-z0-9][a-z0-9._-]{0,59}")
_WORDS = frozenset({"and", "or", "not", "in", "true", "false"})
_PLAN_FIELDS = {
    "plan", "version", "title", "source", "for", "valid_from", "valid_until", "parameters", "titles", "steps", "calls",
    "drawn",
}  # fmt: skip
_EVERY = {"id", "title", "does", "after", "delay", "from", "when", "each", "during", "clauses"}
_OF_KIND: Mapping[str, set[str]] = {
    "task": {"unit", "accept_within", "due", "escalate", "evidence", "verify_by", "loop_guard", "clock", "sets"},
    "message": {"topic", "payload"},
    "decide": {"table", "decision", "inputs", "outputs"},
    "wait": set(),
}
_CALL_FIELDS = {"id", "title", "call", "after", "delay", "when"}
_YAML = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_EVIDENCE = ("note", "photo", "form", "place")
_NO_TIME = timedelta(0)


@dataclass(frozen=True, slots=True)
class Table:
    """What a plan needs to know of a published decision table: its digest, and the names of its inputs and outputs."""

    digest: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


Tables = Callable[[str, str | None], Table | None]  # name, digest or None for the one in force
Plans = Callable[[str, str | None], Plan | None]  # name, version or None for the newest


def interrupted(step: str) -> str:
    """The name under which conditions read whether ``step`` was interrupted by a boundary timer."""
    return "interrupted_" + step.replace("-", "_")


def compile(
    source: str | Mapping[str, object],
    units: Collection[str] | None = None,
    *,
    tables: Tables | None = None,
    plans: Plans | None = None,
) -> Plan:
    """Compile a plan. ``units`` are the department codes that exist; ``None`` takes them on trust (a stored plan).

    ``tables`` finds decision tables that steps decide by, ``plans`` the plans that steps call; what they give is pinned
    by digest. Raises :class:`Invalid` naming the step and what to do, :class:`TooLarge` past ``limits.PLAN_BYTES``.
    """
    raw = _load(source)
    _known(raw, _PLAN_FIELDS, "the plan")
    steps = _list(raw.get("steps"), "steps")
    if not steps:
        raise Invalid("the plan has no steps", remedy="name at least one step")
    _few(len(steps))
    kind, levels = _applies(raw.get("for"))
    parameters = dict(_parameters(raw.get("parameters")))
    calls = dict(_calls(raw.get("calls")))
    named = _titles(raw.get("titles"))
    compiled = _compiled(steps, tables, plans, parameters, named, calls)
    _titled(named, parameters)
    variables = _variables(compiled)
    check(compiled, units, parameters, variables)
    if units is not None:
        _reachable(compiled, parameters, variables)
    valid_from, valid_until = _date(raw.get("valid_from"), "valid_from"), _date(raw.get("valid_until"), "valid_until")
    if valid_from and valid_until and valid_until <= valid_from:
        raise Invalid("valid_until is not after valid_from", remedy="turn the dates round")
    drawn = raw.get("drawn", False)
    if not isinstance(drawn, bool):
        raise Invalid(f"drawn is {drawn!r}", remedy="true for a plan that comes from a drawing, or leave it out")
    body: dict[str, object] = {
        "plan": _name(raw.get("plan"), "the plan's name"),
        "version": _version(raw.get("version")),
        "title": _text(raw.get("title"), "the plan's title"),
        "source": None if raw.get("source") is None else _text(raw.get("source"), "the plan's source"),
        "for": None if kind is None else {"kind": kind, "levels": list(levels)},
        "valid_from": valid_from and valid_from.isoformat(),
        "valid_until": valid_until and valid_until.isoformat(),
        "parameters": dict(sorted(parameters.items())),
        "steps": [spelled(step) for step in compiled],
        **({"titles": dict(sorted(named.items()))} if named else {}),
        **({"calls": calls} if calls else {}),
        **({"drawn": True} if drawn else {}),
    }
    canonical = json.dumps(body, ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=_dated)
    return Plan(
        name=str(body["plan"]),
        version=str(body["version"]),
        title=cast(Text, body["title"]),
        source=cast("Text | None", body["source"]),
        kind=kind,
        levels=levels,
        valid_from=valid_from,
        valid_until=valid_until,
        parameters=MappingProxyType(dict(sorted(parameters.items()))),
        steps=compiled,
        canonical=canonical,
        digest=hashlib.sha256(canonical.encode()).hexdigest(),
        by_id=MappingProxyType({step.id: step for step in compiled}),
        variables=variables,
        titles=MappingProxyType(named),
        calls=MappingProxyType(calls),
        drawn=drawn,
    )


def added_step(raw: object, tables: Tables | None = None) -> Step:
    """One step that a commander adds to a run. Raises :class:`Invalid`."""
    if isinstance(raw, Mapping) and "call" in raw:
        raise Invalid("a step that calls a plan cannot be added to a run", remedy="dispatch that plan for the incident")
    return _step(raw, 1, tables)


def _few(steps: int) -> None:
    if steps > limits.PLAN_STEPS:
        raise Invalid(f"the plan has {steps} steps, more than {limits.PLAN_STEPS}", remedy="split it into plans")


def _variables(steps: Iterable[Step]) -> frozenset[str]:
    """What is set while a run of these steps goes on."""
    names: set[str] = set()
    for step in steps:
        names |= {*step.outputs, *step.sets}
        if step.during is not None and step.during.interrupt:
            names |= {interrupted(id) for id in step.during.steps}
    return frozenset(names)


def _dated(value: object) -> str:
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError


# ── reading ────────────────────────────────────────────────────────────────────────────────────────────────────


def _load(source: str | Mapping[str, object]) -> Mapping[str, object]:
    if isinstance(source, str):
        if len(source.encode()) > limits.PLAN_BYTES:
            raise TooLarge(f"the plan is larger than {limits.PLAN_BYTES} bytes", remedy="split it into plans")
        try:
            if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(source, Loader=_YAML)):
                raise Invalid("the plan uses YAML aliases (*name)", remedy="write the value out")
            source = yaml.load(source, Loader=_YAML)  # noqa: S506 - a safe loader, in C where it is built in
        except (yaml.YAMLError, RecursionError, ValueError) as error:
            raise Invalid(f"the plan is not valid YAML: {error}", remedy="mend the line it names") from None
    if not isinstance(source, Mapping):
        raise Invalid("the plan is not a mapping", remedy="begin with plan: NAME")
    return source


def _compiled(
    raw: Sequence[object],
    tables: Tables | None,
    plans: Plans | None,
    parameters: dict[str, Value],
    named: dict[str, Text],
    calls: dict[str, str],
) -> tuple[Step, ...]:
    """The steps, with those of called plans in the place of the steps that call them."""
    found: list[Step] = []
    inside: dict[str, tuple[list[str], list[str]]] = {}  # of a step that calls: the tasks taken in, and the ends
    for number, each in enumerate(raw, 1):
        if isinstance(each, Mapping) and each.get("call") is not None:
            taken, ends, called = _called(each, number, plans)
            inside[str(each["id"])] = ([step.id for step in taken if not step.automatic], ends)
            calls[str(each["id"])] = called.digest
            for name, value in called.parameters.items():
                parameters.setdefault(name, value)
            for name, title in called.titles.items():
                named.setdefault(name, title)
            found += taken
        else:
            found.append(_step(each, number, tables))
        _few(len(found))
    if not inside:
        return tuple(found)
    return tuple(_joined(step, inside) for step in found)


def _joined(step: Step, inside: Mapping[str, tuple[list[str], list[str]]]) -> Step:
    """The step waiting for the ends of a called plan where it waits for the step that calls it."""
    after = tuple(id for before in step.after for id in inside.get(before, ([], [before]))[1])
    if step.during is None:
        return replace(step, after=after)
    watched = tuple(id for each in step.during.steps for id in inside.get(each, ([each], []))[0])
    return replace(step, after=after, during=replace(step.during, steps=watched))


def _called(raw: Mapping[str, object], number: int, plans: Plans | None) -> tuple[list[Step], list[str], Plan]:
    """The steps of a called plan under ids of their own, those among them that nothing follows, and the plan."""
    id = _name(raw.get("id"), f"the id of step {number}")
    where = f"step {id}"
    _known(raw, _CALL_FIELDS, where, step=id)
    call = raw["call"]
    if not isinstance(call, Mapping) or not {"plan"} <= set(call) <= {"plan", "version"}:
        raise Invalid(f"{where}: call names a plan", remedy="e.g. call: {plan: warn-the-public}", step=id)
    name, version = _name(call["plan"], f"{where}, call", step=id), call.get("version")
    plan = None if plans is None else plans(name, None if version is None else str(version))
    if plan is None:
        shown = name if version is None else f"{name} {version}"
        raise Invalid(f"{where}: there is no published plan {shown}", remedy="publish it first", step=id)
    after = _after(raw, where, id)
    delay = _duration(raw.get("delay") or "PT0S", where, "delay", id)
    when = _when(raw, where, id)
    longest = max(len(step.id) for step in plan.steps)
    if len(id) + 1 + longest > 60:
        raise Invalid(f"{where}: its id makes ids of steps too long", remedy="shorten the id", step=id)
    ids = {step.id: f"{id}-{step.id}" for step in plan.steps}
    names = {interrupted(old): interrupted(new) for old, new in ids.items()}
    taken: list[Step] = []
    for step in plan.steps:
        mine = [ids[before] for before in step.after]
        conditions = [each for each in (when, step.when and expression.renamed(step.when, names)) if each is not None]
        moved = replace(
            step,
            id=ids[step.id],
            after=tuple(mine),
            during=step.during and replace(step.during, steps=tuple(ids[each] for each in step.during.steps)),
            when=" and ".join(f"({each})" if len(conditions) > 1 else each for each in conditions) or None,
        )
        if not mine and step.during is None:
            moved = replace(moved, after=after, origin="predecessors" if after else "start", delay=step.delay + delay)
        elif step.origin == "start" and mine and not after:
            moved = replace(moved, delay=step.delay + delay)
        elif step.origin == "start" and mine and step.delay + delay:
            # its delay counts from the beginning of the called plan: a wait beside the plan's own steps
            pause = f"{ids[step.id][:54]}-pause"
            taken.append(replace(_waiting(pause, step.title, after, step.delay + delay), when=moved.when))
            moved = replace(moved, after=(*mine, pause), origin="predecessors", delay=_NO_TIME)
        elif mine:
            moved = replace(moved, origin="predecessors")
        taken.append(moved)
    followed = {before for step in taken for before in step.after}
    return taken, [step.id for step in taken if step.id not in followed], plan


def _waiting(id: str, title: Text, after: tuple[str, ...], delay: timedelta) -> Step:
    return Step(
        id, title, "", after, delay, "predecessors" if after else "start", _NO_TIME, _NO_TIME, (), (), None, None,
        limits.REWORK_ROUNDS, does="wait",
    )  # fmt: skip


def _step(raw: object, number: int, tables: Tables | None) -> Step:
    if not isinstance(raw, Mapping):
        raise Invalid(f"step {number} is not a mapping", remedy="begin it with - id: NAME")
    id = _name(raw.get("id"), f"the id of step {number}")
    where = f"step {id}"
    does = raw.get("does") or "task"
    if does not in _OF_KIND:
        raise Invalid(f"{where}: does is {does!r}", remedy=f"one of {', '.join(_OF_KIND)}", step=id)
    does = str(does)
    _known(raw, _EVERY | _OF_KIND[does] | ({"call"} if does == "task" else set()), where, step=id)
    after = _after(raw, where, id)
    during = _during(raw.get("during"), where, id)
    if during is not None and (after or raw.get("delay") is not None or raw.get("from") is not None):
        raise Invalid(
            f"{where}: a step with during has no after, delay or from",
            remedy="say in during, after how long it begins",
            step=id,
        )
    origin = raw.get("from") or ("predecessors" if after else "start")
    if origin not in ("start", "predecessors"):
        raise Invalid(f"{where}: from is {origin!r}", remedy="write start or predecessors", step=id)
    step = Step(
        id=id,
        title=_text(raw.get("title"), f"{where}, title", step=id),
        unit="",
        after=after,
        delay=_duration(raw.get("delay") or "PT0S", where, "delay", id),
        origin=str(origin if after else "start"),
        accept_within=_NO_TIME,
        due=_NO_TIME,
        escalate=(),
        evidence=(),
        verify_by=None,
        when=_when(raw, where, id),
        loop_guard=limits.REWORK_ROUNDS,
        does=does,
        each=_each(raw.get("each"), where, id),
        during=during,
        clauses=_clauses(raw.get("clauses"), where, id),
    )
    if does == "message":
        return _message(step, raw, where)
    if does == "decide":
        return _decide(step, raw, where, tables)
    return step if does == "wait" else _task(step, raw, where)


def _after(raw: Mapping[str, object], where: str, id: str) -> tuple[str, ...]:
    return tuple(
        _name(name, f"{where}, after", step=id) for name in _list(raw.get("after"), f"{where}, after", step=id)
    )


def _when(raw: Mapping[str, object], where: str, id: str) -> str | None:
    when = raw.get("when")
    if when is not None and not isinstance(when, (str, bool)):
        raise Invalid(f"{where}: when is not a condition", remedy="e.g. when: level <= 2", step=id)
    return str(when).lower() if isinstance(when, bool) else when


def _task(step: Step, raw: Mapping[str, object], where: str) -> Step:
    id = step.id
    for needed in ("accept_within", "due"):
        if raw.get(needed) is None:
            raise Invalid(f"{where}: {needed} is missing", remedy=f"e.g. {needed}: PT1H", step=id)
    guard = raw.get("loop_guard")
    guard = limits.REWORK_ROUNDS if guard is None else guard
    if not isinstance(guard, int) or isinstance(guard, bool) or not 1 <= guard <= limits.TASK_ROUNDS:
        raise Invalid(f"{where}: loop_guard is {guard!r}", remedy=f"a number from 1 to {limits.TASK_ROUNDS}", step=id)
    clock = raw.get("clock") or "elapsed"
    if clock not in ("elapsed", "working"):
        raise Invalid(f"{where}: clock is {clock!r}", remedy="elapsed, or working for working time", step=id)
    unit, verify_by = raw.get("unit"), raw.get("verify_by")
    named = isinstance(unit, str) and unit.startswith("$")
    evidence = _evidence(raw.get("evidence"), where, id)
    return replace(
        step,
        unit="$" + _variable(str(unit)[1:], f"{where}, unit", id) if named else _name(unit, f"{where}, unit", step=id),
        accept_within=_duration(raw["accept_within"], where, "accept_within", id),
        due=_duration(raw["due"], where, "due", id),
        escalate=_ladder(raw.get("escalate"), where, id),
        evidence=evidence,
        verify_by=None if verify_by in (None, "coordinator") else _name(verify_by, f"{where}, verify_by", step=id),
        loop_guard=guard,
        clock=str(clock),
        sets=_sets(raw.get("sets"), evidence, step, where),
    )


def _message(step: Step, raw: Mapping[str, object], where: str) -> Step:
    topic, payload = raw.get("topic"), raw.get("payload")
    if not isinstance(topic, str) or _TOPIC.fullmatch(topic) is None:
        raise Invalid(f"{where}: topic is {topic!r}", remedy="a-z, 0-9 and - . _, e.g. public-warning", step=step.id)
    if topic in RESERVED_TOPICS:
        raise Invalid(f"{where}: the topic {topic} is the system's own", remedy="use another topic", step=step.id)
    payload = {} if payload is None else payload
    if not isinstance(payload, Mapping) or not all(isinstance(name, str) for name in payload):
        raise Invalid(
            f"{where}: payload is not a mapping", remedy="e.g. payload: {text: …, level: $level}", step=step.id
        )
    texts = {name: dict(value) for name, value in payload.items() if isinstance(value, Mapping)}
    for name, value in texts.items():
        _text(value, f"{where}, payload, {name}", step=step.id)
    plain = {name: value for name, value in payload.items() if name not in texts}
    values: dict[str, object] = {**_values(plain, f"{where}, payload", step.id), **texts}
    return replace(step, topic=topic, payload=dict(sorted(values.items())))


def _decide(step: Step, raw: Mapping[str, object], where: str, tables: Tables | None) -> Step:
    id, table, digest = step.id, raw.get("table"), raw.get("decision")
    if not isinstance(table, str) or not 1 <= len(table) <= 120:
        raise Invalid(f"{where}: table is {table!r}", remedy="name a published decision table", step=id)
    if step.each is not None:
        raise Invalid(f"{where}: a decision is not made for each item", remedy="decide in a step without each", step=id)
    given = raw.get("inputs")
    if given is not None and (not isinstance(given, Mapping) or not all(isinstance(name, str) for name in given)):
        raise Invalid(f"{where}: inputs is not a mapping", remedy="e.g. inputs: {wind: $wind_speed}", step=id)
    inputs = _values(given or {}, f"{where}, inputs", id)
    outputs = [
        _variable(name, f"{where}, outputs", id) for name in _list(raw.get("outputs"), f"{where}, outputs", step=id)
    ]
    if digest is None:
        found = None if tables is None else tables(table, None)
        if found is None:
            raise Invalid(f"{where}: there is no decision table {table}", remedy="publish the table first", step=id)
        strange = sorted(set(inputs) - set(found.inputs))
        if strange:
            raise Invalid(
                f"{where}: the table {table} has no input {', '.join(strange)}",
                remedy=f"its inputs are {', '.join(found.inputs)}",
                step=id,
            )
        for name in found.inputs:
            if name not in inputs:
                if _VARIABLE.fullmatch(name) is None:
                    raise Invalid(
                        f"{where}: nothing is said of the table's input {name}",
                        remedy=f"e.g. inputs: {{{name}: $wind_speed}}",
                        step=id,
                    )
                inputs[name] = f"${name}"
        digest, outputs = found.digest, [_variable(name, f"{where}, output of the table", id) for name in found.outputs]
    if not isinstance(digest, str) or re.fullmatch(r"[0-9a-f]{64}", digest) is None:
        raise Invalid(f"{where}: decision is {digest!r}", remedy="leave it out: it is filled in", step=id)
    return replace(step, table=table, decision=digest, inputs=dict(sorted(inputs.items())), outputs=tuple(outputs))


def _values(raw: Mapping[str, object], where: str, id: str) -> dict[str, Value]:
    """Plain values by name; a text that begins with ``$`` names a parameter or a variable."""
    found: dict[str, Value] = {}
    for name, value in raw.items():
        if isinstance(value, str) and value.startswith("$"):
            _variable(value[1:], f"{where}, {name}", id)
        if not _plain(value):
            raise Invalid(
                f"{where}: {name} is not a plain value", remedy="a text, a number, true, false, a list", step=id
            )
        found[name] = cast(Value, value)
    return dict(sorted(found.items()))


def _during(raw: object, where: str, id: str) -> During | None:
    if raw is None:
        return None
    if not isinstance(raw, Mapping) or not {"step", "after"} <= set(raw) <= {"step", "after", "interrupt"}:
        raise Invalid(f"{where}: during names a step and a time", remedy="e.g. during: {step: x, after: PT2H}", step=id)
    steps, cuts = raw["step"], raw.get("interrupt", False)
    if not isinstance(cuts, bool):
        raise Invalid(f"{where}: interrupt is {cuts!r}", remedy="true or false", step=id)
    names = tuple(_name(name, f"{where}, during", step=id) for name in (steps if isinstance(steps, list) else [steps]))
    if not names:
        raise Invalid(f"{where}: during names no step", remedy="name a step", step=id)
    return During(names, _duration(raw["after"], where, "during after", id), cuts)


def _each(raw: object, where: str, id: str) -> Each | None:
    if raw is None:
        return None
    if not isinstance(raw, Mapping) or set(raw) != {"as", "in"}:
        raise Invalid(f"{where}: each has as and in", remedy="e.g. each: {as: district, in: [east, west]}", step=id)
    name, among = _variable(raw["as"], f"{where}, each as", id), raw["in"]
    if isinstance(among, str):
        return Each(name, of=_variable(among.removeprefix("$"), f"{where}, each in", id))
    items = items_of(_list(among, f"{where}, each in", step=id), where, id)
    if not items:
        raise Invalid(f"{where}: the list of each is empty", remedy="name its items", step=id)
    return Each(name, items)


def items_of(raw: Sequence[object], where: str, id: str) -> tuple[Item, ...]:
    """The items of a list, each with the ending it gives the id of step ``id``. Raises :class:`Invalid`."""
    if len(raw) > limits.PLAN_ITEMS:
        raise Invalid(f"{where}: more than {limits.PLAN_ITEMS} items", remedy="split the list", step=id)
    found: list[Item] = []
    for number, each in enumerate(raw, 1):
        title: Text | None = None
        value = each
        if isinstance(each, Mapping):
            _known(each, {"id", "title"}, f"{where}, item {number}", step=id)
            value, title = each.get("id"), _text(each.get("title"), f"{where}, item {number}, title", step=id)
        if isinstance(value, bool) or not isinstance(value, (str, int)) or not 1 <= len(str(value)) <= 60:
            raise Invalid(f"{where}: item {number} is {value!r}", remedy="a short text, or {id: …, title: …}", step=id)
        ending = str(value) if _NAME.fullmatch(str(value)) else str(number)
        if len(id) + 1 + len(ending) > 60:
            raise Invalid(f"{where}: with {ending} its id is too long", remedy="shorten the id", step=id)
        found.append(Item(str(value), ending, title))
    for what in ([item.value for item in found], [item.id for item in found]):
        if len(set(what)) < len(what):
            raise Invalid(f"{where}: an item of the list is there twice", remedy="name each once", step=id)
    return tuple(found)


def _clauses(raw: object, where: str, id: str) -> tuple[str, ...]:
    found = [str(each) for each in _list(raw, f"{where}, clauses", step=id)]
    for clause in found:
        if _CLAUSE.fullmatch(clause) is None:
            raise Invalid(f"{where}: the clause {clause!r}", remedy="the clause's id, e.g. air-law-94", step=id)
    if len(found) > limits.PLAN_ITEMS:
        raise Invalid(f"{where}: more than {limits.PLAN_ITEMS} clauses", remedy="name the ones that count", step=id)
    return tuple(dict.fromkeys(found))


def _sets(raw: object, evidence: tuple[Evidence, ...], step: Step, where: str) -> dict[str, str]:
    if raw is None:
        return {}
    if not isinstance(raw, Mapping) or not all(isinstance(field, str) and field for field in raw.values()):
        raise Invalid(
            f"{where}: sets gives variables fields", remedy="e.g. sets: {injured: injured_count}", step=step.id
        )
    if step.each is not None:
        raise Invalid(
            f"{where}: each of many steps would set the same variable",
            remedy="ask in a step without each",
            step=step.id,
        )
    form = next((asked for asked in evidence if asked.kind == "form"), None)
    if form is None:
        raise Invalid(
            f"{where}: sets reads a form that is not asked for", remedy="add evidence: [{kind: form}]", step=step.id
        )
    fields = (form.schema or {}).get("properties")
    for name in raw.values():
        if isinstance(fields, Mapping) and name not in fields:
            raise Invalid(f"{where}: the form has no field {name}", remedy=f"fields: {', '.join(fields)}", step=step.id)
    return {_variable(name, f"{where}, sets", step.id): str(raw[name]) for name in sorted(raw, key=str)}


def _ladder(raw: object, where: str, id: str) -> tuple[RungRule, ...]:
    rungs = []
    for rung in _list(raw, f"{where}, escalate", step=id):
        if not isinstance(rung, Mapping) or set(rung) != {"at", "to"}:
            raise Invalid(f"{where}: a rung of escalate has at and to", remedy="e.g. {at: due, to: mayor}", step=id)
        at = rung["at"]
        rungs.append(RungRule(
            str(at) if at in ("accept", "due") else _duration(at, where, "escalate at", id),
            str(rung["to"]) if rung["to"] in ROLE_TITLES else _name(rung["to"], f"{where}, escalate to", step=id),
        ))  # fmt: skip
    if len(rungs) > limits.PLAN_RUNGS:
        raise Invalid(f"{where}: more than {limits.PLAN_RUNGS} rungs", remedy="shorten the ladder", step=id)
    return tuple(rungs)


def _evidence(raw: object, where: str, id: str) -> tuple[Evidence, ...]:
    asked = []
    for item in _list(raw, f"{where}, evidence", step=id):
        if (
            not isinstance(item, Mapping)
            or not set(item) <= {"kind", "min", "schema"}
            or item.get("kind") not in _EVIDENCE
        ):
            raise Invalid(
                f"{where}: evidence {item!r}",
                remedy="e.g. {kind: photo, min: 1}; kinds: note, photo, form, place",
                step=id,
            )
        least = item.get("min", 1)
        if not isinstance(least, int) or isinstance(least, bool) or not 1 <= least <= limits.TASK_FILES:
            raise Invalid(
                f"{where}: evidence min is {least!r}", remedy=f"a number from 1 to {limits.TASK_FILES}", step=id
            )
        if item["kind"] != "photo" and least > 1:
            raise Invalid(f"{where}: a receipt has one {item['kind']}", remedy="write min: 1", step=id)
        schema = item.get("schema")
        if schema is not None:
            if item["kind"] != "form":
                raise Invalid(f"{where}: a {item['kind']} has no schema", remedy="a schema is for a form", step=id)
            try:
                schema = forms.check_schema(schema)
            except (Invalid, TooLarge) as error:
                raise Invalid(f"{where}: {error.detail}", remedy=error.remedy, step=id) from None
        asked.append(Evidence(str(item["kind"]), least, schema))
    if sum(each.kind == "form" for each in asked) > 1:
        raise Invalid(f"{where}: a receipt has one form", remedy="put the fields into one form", step=id)
    return tuple(asked)


def _applies(raw: object) -> tuple[str | None, tuple[int, ...]]:
    if raw is None:
        return None, ()
    if not isinstance(raw, Mapping) or set(raw) != {"kind", "levels"} or not isinstance(raw["kind"], str):
        raise Invalid("for has kind and levels", remedy="e.g. for: {kind: heavy_pollution, levels: [1, 2]}")
    levels = _list(raw["levels"], "for, levels")
    if not levels or not all(isinstance(level, int) and 1 <= level <= 4 for level in levels):
        raise Invalid("the levels of for are 1 (red) to 4 (blue)", remedy="e.g. levels: [1, 2]")
    return raw["kind"], tuple(sorted({cast(int, level) for level in levels}))


def _parameters(raw: object) -> Mapping[str, Value]:
    if raw is None:
        return {}
    if not isinstance(raw, Mapping) or not all(
        isinstance(name, str) and name.isidentifier() and _plain(value) for name, value in raw.items()
    ):
        raise Invalid(
            "parameters are names with plain values or lists of them",
            remedy="e.g. parameters: {schools: true, districts: [east, west]}",
        )
    return dict(sorted(raw.items()))


def _titles(raw: object) -> dict[str, Text]:
    """What parameters are called, by their names."""
    if raw is None:
        return {}
    if not isinstance(raw, Mapping):
        raise Invalid("titles is not a mapping", remedy="e.g. titles: {schools: {zh-CN: 学校停课, en: Schools close}}")
    return {str(name): _text(title, f"titles, {name}") for name, title in raw.items()}


def _titled(named: Mapping[str, Text], parameters: Mapping[str, Value]) -> None:
    strange = sorted(named.keys() - parameters.keys())
    if strange:
        has = ", ".join(sorted(parameters)) or "none"
        raise Invalid(f"titles: the plan has no parameter {', '.join(strange)}", remedy=f"it has {has}")


def _plain(value: object) -> bool:
    """Whether a parameter may have this value."""
    if isinstance(value, list):
        return len(value) <= limits.PLAN_ITEMS and all(not isinstance(each, list) and _plain(each) for each in value)
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, (bool, int, str))


def _calls(raw: object) -> Mapping[str, str]:
    if raw is None:
        return {}
    if not isinstance(raw, Mapping) or not all(
        isinstance(id, str) and re.fullmatch(r"[0-9a-f]{64}", str(digest)) for id, digest in raw.items()
    ):
        raise Invalid("calls gives steps the digests of plans", remedy="leave it out: it is filled in")
    return {id: str(raw[id]) for id in sorted(raw)}


def _variable(raw: object, where: str, id: str) -> str:
    if not isinstance(raw, str) or _VARIABLE.fullmatch(raw) is None or raw in _WORDS:
        raise Invalid(f"{where} cannot be {raw!r}", remedy="a name of letters, digits and _, e.g. wind_speed", step=id)
    return raw


def _known(raw: Mapping[str, object], fields: Collection[str], where: str, **extra: object) -> None:
    strange = sorted(str(name) for name in raw if name not in fields)
    if strange:
        raise Invalid(
            f"{where}: nothing is known of {', '.join(strange)}",
            remedy=f"fields are {', '.join(sorted(fields))}",
            **extra,
        )


def _list(raw: object, where: str, **extra: object) -> list[object]:
    if raw is None:
        return []
    if not isinstance(raw, list):
        raise Invalid(f"{where} is not a list", remedy="write it as [a, b]", **extra)
    return raw


def _name(raw: object, where: str, **extra: object) -> str:
    if not isinstance(raw, str) or _NAME.fullmatch(raw) is None:
        raise Invalid(f"{where} cannot be {raw!r}", remedy="use a-z, 0-9 and -, at most 60 characters", **extra)
    return raw


def _version(raw: object) -> str:
    if not isinstance(raw, (str, int, float)) or isinstance(raw, bool) or not 1 <= len(str(raw)) <= 40:
        raise Invalid(f"the plan's version is {raw!r}", remedy='e.g. version: "2015.1"')
    return str(raw)


def _text(raw: object, where: str, **extra: object) -> Text:
    if (
        not isinstance(raw, Mapping)
        or set(raw) != set(LANGUAGES)
        or not all(isinstance(v, str) and v for v in raw.values())
    ):
        raise Invalid(f"{where} is not in both languages", remedy="write {zh-CN: …, en: …}", **extra)
    return {language: str(raw[language]) for language in LANGUAGES}


def _date(raw: object, where: str) -> date | None:
    if raw is None:
        return None
    try:
        return date.fromisoformat(str(raw))
    except ValueError:
        raise Invalid(f"{where} cannot be {raw!r}", remedy="write it as 2015-01-31") from None


def _duration(raw: object, where: str, what: str, id: str) -> timedelta:
    try:
        return duration.parse(raw)
    except Invalid as error:
        raise Invalid(f"{where}: {what} {error.detail}", remedy=error.remedy, step=id) from None


# ── checking ───────────────────────────────────────────────────────────────────────────────────────────────────


def check(
    steps: Sequence[Step],
    units: Collection[str] | None,
    parameters: Mapping[str, Value],
    variables: Collection[str],
) -> None:
    """Whether these steps make a plan. Raises :class:`Invalid` naming the step and what to do."""
    by_id: dict[str, Step] = {}
    for step in steps:
        if step.id in by_id:
            raise Invalid(f"step {step.id} is there twice", remedy="give it another id", step=step.id)
        by_id[step.id] = step
    for step in steps:
        for before in step.after:
            if before not in by_id:
                raise Invalid(
                    f"step {step.id}: its predecessor {before} does not exist",
                    remedy="name a step of this plan",
                    step=step.id,
                )
        for watched in step.during.steps if step.during else ():
            if watched not in by_id or by_id[watched].automatic:
                raise Invalid(
                    f"step {step.id}: during {watched}, which is no task of this plan",
                    remedy="name a step that a department does",
                    step=step.id,
                )
        if not step.automatic and (step.accept_within <= _NO_TIME or step.due <= step.accept_within):
            raise Invalid(
                f"step {step.id}: due {duration.iso(step.due)} is not after "
                f"accept_within {duration.iso(step.accept_within)}",
                remedy="both count from the dispatch; give the work more time than the signature",
                step=step.id,
            )
        if units is not None:
            _check_units(step, units, parameters)
    _check_names(steps, _check_order(steps), parameters, variables)


def _check_units(step: Step, units: Collection[str], parameters: Mapping[str, Value]) -> None:
    named = [
        *([step.verify_by] if step.verify_by else []),
        *(r.to for r in step.escalate if r.to not in ROLE_TITLES),
    ]
    if step.each is not None and step.unit == f"${step.each.name}":
        listed = parameters.get(step.each.of or "", [])
        named += [item.value for item in step.each.items]
        named += [str(each) for each in listed] if isinstance(listed, list) else []
    elif step.unit.startswith("$"):
        if step.unit[1:] in parameters:
            named.append(str(parameters[step.unit[1:]]))
    elif not step.automatic:
        named.append(step.unit)
    for unit in named:
        if unit not in units:
            raise Invalid(
                f"step {step.id}: there is no department {unit}",
                remedy=f"departments: {', '.join(sorted(units))}",
                step=step.id,
            )


def _condition(step: Step) -> expression.Expression:
    try:
        return expression.parse(step.when or "true")
    except Invalid as error:
        raise Invalid(f"step {step.id}: {error.detail}", remedy=error.remedy, step=step.id) from None


def _reads(step: Step) -> dict[str, str]:
    """The names a step reads when it is released, each with where it does."""
    found = dict.fromkeys(_condition(step).names, "when")
    if step.unit.startswith("$"):
        found.setdefault(step.unit[1:], "unit")
    for what, values in (("payload", step.payload), ("inputs", step.inputs)):
        for value in values.values():
            if isinstance(value, str) and value.startswith("$"):
                found.setdefault(value[1:], what)
    return found


def _check_names(
    steps: Sequence[Step],
    before: Mapping[str, frozenset[str]],
    parameters: Mapping[str, Value],
    variables: Collection[str],
) -> None:
    """Every name that is read is known by then: a variable is set by a step that the reading one waits for."""
    setters: dict[str, set[str]] = {}
    for step in steps:
        for name in (*step.outputs, *step.sets):
            setters.setdefault(name, set()).add(step.id)
        if step.during is not None and step.during.interrupt:
            for watched in step.during.steps:
                # whether it was interrupted is known to who waits for it, and to the timer's own step
                setters.setdefault(interrupted(watched), set()).update((watched, step.id))
    for name in sorted(set(variables) - setters.keys()):
        setters[name] = {step.id for step in steps}  # set by a step of the plan that is not among these
    known = CONTEXT | parameters.keys()
    for step in steps:
        item = {step.each.name} if step.each else set()
        if step.each is not None:
            if step.each.name in known or step.each.name in setters:
                raise Invalid(
                    f"step {step.id}: {step.each.name} means something else already",
                    remedy="use another word for as",
                    step=step.id,
                )
            if step.each.of is not None and not isinstance(parameters.get(step.each.of), list):
                raise Invalid(
                    f"step {step.id}: {step.each.of} is no list among the parameters",
                    remedy="e.g. parameters: {districts: [east, west]}",
                    step=step.id,
                )
        for name, what in _reads(step).items():
            if name in known or name in item or name in step.bound:
                continue
            if name not in setters:
                raise Invalid(
                    f"step {step.id}: {what} reads {name}",
                    remedy="declare it under parameters, or let a step before it set it",
                    step=step.id,
                )
            if not setters[name] & (before[step.id] | {step.id}):
                raise Invalid(
                    f"step {step.id}: {what} reads {name}, but does not wait for {', '.join(sorted(setters[name]))}",
                    remedy="add it to after",
                    step=step.id,
                )


def _check_order(steps: Sequence[Step]) -> dict[str, frozenset[str]]:
    """For each step all that it waits for, directly or not. Raises :class:`Invalid` for a circle."""
    waiting = {step.id: {*step.after, *(step.during.steps if step.during else ())} for step in steps}
    direct = {id: frozenset(before) for id, before in waiting.items()}
    found: dict[str, frozenset[str]] = {}
    while waiting:
        free = {id for id, before in waiting.items() if not before}
        if not free:
            circle = ", ".join(sorted(waiting))
            raise Invalid(f"steps wait for each other in a circle: {circle}", remedy="break it", step=min(waiting))
        for id in free:
            found[id] = direct[id].union(*(found[before] for before in direct[id]))
        waiting = {id: before - free for id, before in waiting.items() if id not in free}
    return found


def _reachable(steps: Sequence[Step], parameters: Mapping[str, Value], variables: Collection[str]) -> None:
    """Refuse a step whose condition provably never holds: who waits for it would wait for nothing."""
    kinds: dict[str, object] = {"level": [1, 2, 3, 4], "kind": str}
    for name, value in parameters.items():
        kinds[name] = bool if isinstance(value, bool) else float if isinstance(value, (int, float)) else str
        if isinstance(value, list):
            kinds[name] = None
    kinds |= {name: bool if name.startswith("interrupted_") else None for name in variables}
    for step in steps:
        mine = kinds
        if step.each is not None:
            mine = {**kinds, step.each.name: [item.value for item in step.each.items] or str}
        if step.when is not None and _condition(step).never(mine):
            raise Invalid(
                f"step {step.id}: its condition {step.when!r} can never hold",
                remedy="mend the condition, or leave the step out",
                step=step.id,
            )


# ── spelling ───────────────────────────────────────────────────────────────────────────────────────────────────


def spelled(step: Step) -> dict[str, object]:
    """A step as its author writes it, each thing in one way; what has its default and came later is left out."""
    found: dict[str, object] = {
        "id": step.id,
        "title": step.title,
        "after": list(step.after),
        "delay": duration.iso(step.delay),
        "from": step.origin,
        "when": step.when,
    }
    if step.during is not None:
        found = {name: found[name] for name in ("id", "title", "when")}
        watched = step.during.steps
        found["during"] = {
            "step": watched[0] if len(watched) == 1 else list(watched),
            "after": duration.iso(step.during.after),
            "interrupt": step.during.interrupt,
        }
    if step.each is not None:
        items = [
            item.value if item.title is None else {"id": item.value, "title": item.title} for item in step.each.items
        ]
        found["each"] = {"as": step.each.name, "in": items or step.each.of}
    if step.clauses:
        found["clauses"] = list(step.clauses)
    if step.does == "task":
        return found | _spelled_task(step)
    found["does"] = step.does
    if step.does == "message":
        found |= {"topic": step.topic, "payload": dict(step.payload)}
    elif step.does == "decide":
        found |= {"table": step.table, "decision": step.decision, "inputs": dict(step.inputs)}
        found["outputs"] = list(step.outputs)
    return found


def _spelled_task(step: Step) -> dict[str, object]:
    found: dict[str, object] = {
        "unit": step.unit,
        "accept_within": duration.iso(step.accept_within),
        "due": duration.iso(step.due),
        "escalate": [
            {"at": rule.at if isinstance(rule.at, str) else duration.iso(rule.at), "to": rule.to}
            for rule in step.escalate
        ],
        "evidence": [
            {"kind": asked.kind, "min": asked.min, **({"schema": asked.schema} if asked.schema else {})}
            for asked in step.evidence
        ],
        "verify_by": step.verify_by,
        "loop_guard": step.loop_guard,
    }
    if step.clock != "elapsed":
        found["clock"] = step.clock
    if step.sets:
        found["sets"] = dict(step.sets)
    return found

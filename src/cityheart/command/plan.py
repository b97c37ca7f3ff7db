"""The plan language: YAML (or the same as JSON) compiled to one immutable, content-addressed plan.

Whatever is wrong is refused here, naming the step, so that nothing can go wrong for that reason while people wait.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Mapping
from datetime import date, timedelta
from types import MappingProxyType
from typing import cast

import yaml

from cityheart.command import expression
from cityheart.command.models import ROLE_TITLES, Evidence, Plan, RungRule, Step
from cityheart.kernel import duration, limits
from cityheart.kernel.errors import Invalid, TooLarge
from cityheart.kernel.text import LANGUAGES, Text

__all__ = ["CONTEXT", "compile"]

CONTEXT = frozenset({"level", "kind"})  # names every `when` may read, besides the plan's own parameters
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,59}")
_PLAN_FIELDS = {"plan", "version", "title", "source", "for", "valid_from", "valid_until", "parameters", "steps"}
_STEP_FIELDS = {
    "id", "title", "unit", "after", "delay", "from", "accept_within", "due", "escalate", "evidence", "verify_by",
    "when", "loop_guard",
}  # fmt: skip
_YAML = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_EVIDENCE = ("note", "photo", "form")


def compile(source: str | Mapping[str, object], units: Collection[str] | None = None) -> Plan:
    """Compile a plan. ``units`` are the department codes that exist; ``None`` takes them on trust (a stored plan).

    Raises :class:`Invalid` naming the step and what to do, :class:`TooLarge` past ``limits.PLAN_BYTES``.
    """
    raw = _load(source)
    _known(raw, _PLAN_FIELDS, "the plan")
    steps = _list(raw.get("steps"), "steps")
    if not steps:
        raise Invalid("the plan has no steps", remedy="name at least one step")
    if len(steps) > limits.PLAN_STEPS:
        raise Invalid(f"the plan has {len(steps)} steps, more than {limits.PLAN_STEPS}", remedy="split it into plans")
    kind, levels = _applies(raw.get("for"))
    parameters = _parameters(raw.get("parameters"))
    compiled = tuple(_step(step, number) for number, step in enumerate(steps, 1))
    _check(compiled, units, CONTEXT | parameters.keys())
    valid_from, valid_until = _date(raw.get("valid_from"), "valid_from"), _date(raw.get("valid_until"), "valid_until")
    if valid_from and valid_until and valid_until <= valid_from:
        raise Invalid("valid_until is not after valid_from", remedy="turn the dates round")
    body: dict[str, object] = {
        "plan": _name(raw.get("plan"), "the plan's name"),
        "version": _version(raw.get("version")),
        "title": _text(raw.get("title"), "the plan's title"),
        "source": None if raw.get("source") is None else _text(raw.get("source"), "the plan's source"),
        "for": None if kind is None else {"kind": kind, "levels": list(levels)},
        "valid_from": valid_from and valid_from.isoformat(),
        "valid_until": valid_until and valid_until.isoformat(),
        "parameters": dict(parameters),
        "steps": [_spelled(step) for step in compiled],
    }
    canonical = json.dumps(body, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return Plan(
        name=str(body["plan"]),
        version=str(body["version"]),
        title=cast(Text, body["title"]),
        source=cast("Text | None", body["source"]),
        kind=kind,
        levels=levels,
        valid_from=valid_from,
        valid_until=valid_until,
        parameters=parameters,
        steps=compiled,
        canonical=canonical,
        digest=hashlib.sha256(canonical.encode()).hexdigest(),
        by_id=MappingProxyType({step.id: step for step in compiled}),
    )


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


def _step(raw: object, number: int) -> Step:
    if not isinstance(raw, Mapping):
        raise Invalid(f"step {number} is not a mapping", remedy="begin it with - id: NAME")
    id = _name(raw.get("id"), f"the id of step {number}")
    where = f"step {id}"
    _known(raw, _STEP_FIELDS, where, step=id)
    after = tuple(
        _name(name, f"{where}, after", step=id) for name in _list(raw.get("after"), f"{where}, after", step=id)
    )
    origin = raw.get("from") or ("predecessors" if after else "start")
    if origin not in ("start", "predecessors"):
        raise Invalid(f"{where}: from is {origin!r}", remedy="write start or predecessors", step=id)
    for needed in ("accept_within", "due"):
        if raw.get(needed) is None:
            raise Invalid(f"{where}: {needed} is missing", remedy=f"e.g. {needed}: PT1H", step=id)
    guard = raw.get("loop_guard")
    guard = limits.REWORK_ROUNDS if guard is None else guard
    if not isinstance(guard, int) or isinstance(guard, bool) or not 1 <= guard <= limits.TASK_ROUNDS:
        raise Invalid(f"{where}: loop_guard is {guard!r}", remedy=f"a number from 1 to {limits.TASK_ROUNDS}", step=id)
    when = raw.get("when")
    if when is not None and not isinstance(when, (str, bool)):
        raise Invalid(f"{where}: when is not a condition", remedy="e.g. when: level <= 2", step=id)
    verify_by = raw.get("verify_by")
    return Step(
        id=id,
        title=_text(raw.get("title"), f"{where}, title", step=id),
        unit=_name(raw.get("unit"), f"{where}, unit", step=id),
        after=after,
        delay=_duration(raw.get("delay") or "PT0S", where, "delay", id),
        origin=str(origin if after else "start"),
        accept_within=_duration(raw["accept_within"], where, "accept_within", id),
        due=_duration(raw["due"], where, "due", id),
        escalate=_ladder(raw.get("escalate"), where, id),
        evidence=_evidence(raw.get("evidence"), where, id),
        verify_by=None if verify_by in (None, "coordinator") else _name(verify_by, f"{where}, verify_by", step=id),
        when=None if when is None else str(when).lower() if isinstance(when, bool) else when,
        loop_guard=guard,
    )


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
        if not isinstance(item, Mapping) or not set(item) <= {"kind", "min"} or item.get("kind") not in _EVIDENCE:
            raise Invalid(
                f"{where}: evidence {item!r}", remedy="e.g. {kind: photo, min: 1}; kinds: note, photo, form", step=id
            )
        least = item.get("min", 1)
        if not isinstance(least, int) or isinstance(least, bool) or not 1 <= least <= limits.TASK_FILES:
            raise Invalid(
                f"{where}: evidence min is {least!r}", remedy=f"a number from 1 to {limits.TASK_FILES}", step=id
            )
        if item["kind"] != "photo" and least > 1:
            raise Invalid(f"{where}: a receipt has one {item['kind']}", remedy="write min: 1", step=id)
        asked.append(Evidence(str(item["kind"]), least))
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


def _parameters(raw: object) -> Mapping[str, bool | int | float | str]:
    if raw is None:
        return {}
    if not isinstance(raw, Mapping) or not all(
        isinstance(name, str) and name.isidentifier() and isinstance(value, (bool, int, float, str))
        for name, value in raw.items()
    ):
        raise Invalid("parameters are names with plain values", remedy="e.g. parameters: {schools: true}")
    return MappingProxyType(dict(sorted(raw.items())))


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
        raise Invalid(f"{where} is {raw!r}", remedy="use a-z, 0-9 and -, at most 60 characters", **extra)
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
        raise Invalid(f"{where} is {raw!r}", remedy="write it as 2015-01-31") from None


def _duration(raw: object, where: str, what: str, id: str) -> timedelta:
    try:
        return duration.parse(raw)
    except Invalid as error:
        raise Invalid(f"{where}: {what} {error.detail}", remedy=error.remedy, step=id) from None


# ── checking ───────────────────────────────────────────────────────────────────────────────────────────────────


def _check(steps: tuple[Step, ...], units: Collection[str] | None, names: Collection[str]) -> None:
    ids = {step.id for step in steps}
    seen: set[str] = set()
    for step in steps:
        if step.id in seen:
            raise Invalid(f"step {step.id} is there twice", remedy="give it another id", step=step.id)
        seen.add(step.id)
        for before in step.after:
            if before not in ids:
                raise Invalid(
                    f"step {step.id}: its predecessor {before} does not exist",
                    remedy="name a step of this plan",
                    step=step.id,
                )
        if step.accept_within <= timedelta(0) or step.due <= step.accept_within:
            raise Invalid(
                f"step {step.id}: due {duration.iso(step.due)} is not after "
                f"accept_within {duration.iso(step.accept_within)}",
                remedy="both count from the dispatch; give the work more time than the signature",
                step=step.id,
            )
        if units is not None:
            _check_units(step, units)
        if step.when is not None:
            strange = _condition(step).names - set(names)
            if strange:
                raise Invalid(
                    f"step {step.id}: when reads {', '.join(sorted(strange))}",
                    remedy="declare it under parameters",
                    step=step.id,
                )
    _check_order(steps)


def _check_units(step: Step, units: Collection[str]) -> None:
    named = [
        step.unit,
        *([step.verify_by] if step.verify_by else []),
        *(r.to for r in step.escalate if r.to not in ROLE_TITLES),
    ]
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


def _check_order(steps: tuple[Step, ...]) -> None:
    waiting = {step.id: set(step.after) for step in steps}
    while waiting:
        free = {id for id, before in waiting.items() if not before}
        if not free:
            circle = ", ".join(sorted(waiting))
            raise Invalid(f"steps wait for each other in a circle: {circle}", remedy="break it", step=min(waiting))
        waiting = {id: before - free for id, before in waiting.items() if id not in free}


def _spelled(step: Step) -> dict[str, object]:
    return {
        "id": step.id,
        "title": step.title,
        "unit": step.unit,
        "after": list(step.after),
        "delay": duration.iso(step.delay),
        "from": step.origin,
        "accept_within": duration.iso(step.accept_within),
        "due": duration.iso(step.due),
        "escalate": [
            {"at": rule.at if isinstance(rule.at, str) else duration.iso(rule.at), "to": rule.to}
            for rule in step.escalate
        ],
        "evidence": [{"kind": asked.kind, "min": asked.min} for asked in step.evidence],
        "verify_by": step.verify_by,
        "when": step.when,
        "loop_guard": step.loop_guard,
    }

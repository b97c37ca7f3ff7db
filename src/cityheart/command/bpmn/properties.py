"""What a drawing says in words of ours: attributes and extension elements of one namespace, read and written here only.

Namespace ``https://cityheart.org/bpmn/1``, prefix ``ch``. Plain values are attributes of the BPMN element; lists and
mappings are elements below its ``extensionElements``. docs/how-to/draw-a-plan.md lists them all.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import cast
from xml.sax.saxutils import escape, quoteattr

from cityheart.command.bpmn.document import CH, Element
from cityheart.command.bpmn.problems import Found
from cityheart.kernel import duration
from cityheart.kernel.errors import Invalid
from cityheart.kernel.text import Text, text

__all__ = [
    "AUTOMATIC",
    "TASK",
    "attributes",
    "elements",
    "kept",
    "plain",
    "plan_elements",
    "plan_fields",
    "readable",
    "spelled",
    "step_fields",
    "titles",
    "unreadable",
]

# attribute -> field of the step, and how it is read
_DURATIONS = {"acceptWithin": "accept_within", "due": "due"}
_WORDS = {"verifyBy": "verify_by", "when": "when", "from": "from", "clock": "clock", "unit": "unit"}
_OF_MESSAGE = {"topic": "topic"}
_OF_DECISION = {"table": "table", "decision": "decision"}
TASK = frozenset({"accept_within", "due", "verify_by", "clock", "unit", "loop_guard", "clauses", "escalate", "evidence",
                  "sets"})  # fmt: skip
AUTOMATIC = frozenset({"topic", "table", "decision", "payload", "inputs"})
_NATIVE = {"id", "title", "after", "delay", "each", "does", "call", "during"}  # what the drawing says by itself


# ── values ─────────────────────────────────────────────────────────────────────────────────────────────────────


def spelled(value: object) -> str:
    """A value as text: a string stands for itself unless it could be taken for JSON."""
    if isinstance(value, str) and isinstance(readable(value), str) and readable(value) == value and value:
        return value
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def readable(written: str) -> object:
    """The value that :func:`spelled` wrote: JSON where it is JSON, else the text itself."""
    try:
        return json.loads(written)
    except (ValueError, RecursionError):
        return written


# ── reading ────────────────────────────────────────────────────────────────────────────────────────────────────


def titles(element: Element, name: str, found: Found) -> Text | None:
    """The title in both languages: the element's name is the Chinese one, ``ch:en`` the English one."""
    english = element.ch("en")
    chinese = element.ch("zh") or name
    if not chinese and not english:
        return None
    if not english:
        found.warning(
            element.id,
            text("没有英文名称，两种语言暂用同一名称", "it has no English title; one title stands for both languages"),
            text("填写英文名称", "fill in the English title"),
            "title",
        )
    return text(chinese or str(english), english or chinese)


def step_fields(element: Element, does: str, found: Found) -> dict[str, object]:
    """The fields of a step that stand on its BPMN element; what cannot be read is told."""
    fields: dict[str, object] = {}
    automatic = does in ("message", "decide", "wait")
    words = {**_WORDS, **(_OF_MESSAGE if does == "message" else {}), **(_OF_DECISION if does == "decide" else {})}
    for attribute, field in words.items():
        if (value := element.ch(attribute)) is not None:
            fields[field] = value
    for attribute, field in _DURATIONS.items():
        if (value := element.ch(attribute)) is not None:
            fields[field] = value
            _duration(element.id, field, value, found)
    if (guard := element.ch("loopGuard")) is not None:
        fields["loop_guard"] = int(guard) if guard.isdecimal() and len(guard) <= 6 else guard
    if (clauses := element.ch("clauses")) is not None:
        fields["clauses"] = clauses.split()
    for one in element.extensions():
        if one.space == CH:
            _structure(one, fields, element, found)
    strange = sorted(set(fields) & (TASK if automatic else AUTOMATIC))
    if strange and does != "call":
        found.error(
            element.id,
            text(f"这类元素没有{'、'.join(strange)}", f"this kind of element has no {', '.join(strange)}"),
            text("删去该属性", "take the property away"),
            strange[0],
        )
        for field in strange:
            del fields[field]
    return fields


def _duration(id: str | None, field: str, value: str, found: Found) -> None:
    try:
        duration.parse(value)
    except Invalid:
        found.error(
            id,
            text(f"{field} 的时长 {value[:60]!r} 无法识别", f"{field} is {value[:60]!r}, which is no duration"),
            text("写成 ISO 8601，例如 PT30M、PT3H、P2D", "write it as ISO 8601, e.g. PT30M, PT3H, P2D"),
            field,
        )


def _structure(one: Element, fields: dict[str, object], element: Element, found: Found) -> None:
    given = {name: value for name, value in one.attributes.items() if not name.startswith("{")}
    if one.name == "escalate":
        cast(list[object], fields.setdefault("escalate", [])).append(given)
    elif one.name == "evidence":
        item: dict[str, object] = dict(given)
        if "min" in item and str(item["min"]).isdecimal() and len(str(item["min"])) <= 6:
            item["min"] = int(str(item["min"]))
        if one.text.strip():
            item["schema"] = _json(one, element, found)
        cast(list[object], fields.setdefault("evidence", [])).append(item)
    elif one.name == "sets" and {"variable", "field"} <= given.keys():
        cast(dict[str, object], fields.setdefault("sets", {}))[given["variable"]] = given["field"]
    elif one.name == "payload" and "name" in given:
        cast(dict[str, object], fields.setdefault("payload", {}))[given["name"]] = readable(given.get("value", ""))
    elif one.name == "input" and "name" in given:
        cast(dict[str, object], fields.setdefault("inputs", {}))[given["name"]] = readable(given.get("value", ""))
    elif one.name == "field" and "name" in given:
        fields[given["name"]] = _json(one, element, found)
    else:
        unreadable(one, element, found)


def unreadable(one: Element, element: Element, found: Found) -> None:
    """Tells of an element of our namespace that says nothing."""
    found.error(
        element.id,
        text(f"扩展元素 ch:{one.name} 无法识别或缺少属性", f"nothing can be made of the extension ch:{one.name}"),
        text(
            "可用：escalate(at,to)、evidence(kind,min)、sets(variable,field)、payload(name,value)、input(name,value)",
            "there are escalate (at, to), evidence (kind, min), sets (variable, field), payload (name, value), "
            "input (name, value)",
        ),
    )


def _json(one: Element, element: Element, found: Found) -> object:
    try:
        return json.loads(one.text)
    except (ValueError, RecursionError):
        found.error(
            element.id,
            text(f"ch:{one.name} 中的 JSON 无法读取", f"the JSON in ch:{one.name} cannot be read"),
            text("改正括号和引号", "mend its brackets and quotes"),
        )
        return None


def plan_fields(process: Element, start: Element | None, found: Found) -> dict[str, object]:
    """What the process says of the whole plan: version, what it is for, from when to when, parameters, source."""
    fields: dict[str, object] = {}
    for attribute, field in (("version", "version"), ("validFrom", "valid_from"), ("validUntil", "valid_until")):
        if (value := process.ch(attribute)) is not None:
            fields[field] = value
    bearer = start if start is not None and start.ch("kind") else process
    kind, levels = bearer.ch("kind"), bearer.ch("levels")
    if kind or levels:
        given = (levels or "").replace(",", " ").split()
        numbers = [int(one) if one.isdecimal() and len(one) == 1 else one for one in given]
        fields["for"] = {"kind": kind or "", "levels": numbers}
    source = {"zh-CN": process.ch("sourceZh"), "en": process.ch("sourceEn")}
    if any(source.values()):
        fields["source"] = {
            language: words or next(filter(None, source.values())) for language, words in source.items()
        }
    for one in process.extensions():
        name = one.attributes.get("name")
        if one.space != CH:
            continue
        if one.name == "parameter" and name:
            cast(dict[str, object], fields.setdefault("parameters", {}))[name] = readable(
                one.attributes.get("value", "")
            )
            chinese, english = one.attributes.get("titleZh"), one.attributes.get("titleEn")
            if chinese or english:
                title = text(chinese or str(english), english or str(chinese))
                cast(dict[str, object], fields.setdefault("titles", {}))[name] = title
        elif one.name == "field" and name:
            fields[name] = _json(one, process, found)
        else:
            found.error(
                process.id,
                text(
                    f"流程上的扩展元素 ch:{one.name} 无法识别", f"nothing can be made of ch:{one.name} on the process"
                ),
                text(
                    "可用：parameter(name,value,titleZh,titleEn)", "there is parameter (name, value, titleZh, titleEn)"
                ),
            )
    return fields


# ── writing ────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _Written:
    """How one field of a step is written; ``None`` for what stands in an element."""

    attribute: str
    spell: Callable[[object], str]


_ATTRIBUTES: dict[str, _Written] = {
    **{field: _Written(name, str) for name, field in {**_DURATIONS, **_WORDS, **_OF_MESSAGE, **_OF_DECISION}.items()},
    "loop_guard": _Written("loopGuard", str),
    "clauses": _Written("clauses", lambda value: " ".join(cast(list[str], value))),
}


def plain(name: str, value: str) -> str:
    """One attribute, escaped, with a space before it."""
    quoted = quoteattr(value, {"\n": "&#10;", "\r": "&#13;", "\t": "&#9;"})
    return f" {name}={quoted}"


def attributes(step: Mapping[str, object]) -> str:
    """The attributes of a step's BPMN element that are ours."""
    written = []
    for field, how in _ATTRIBUTES.items():
        value = step.get(field)
        if value in (None, "", []) or not _fits(field, value):
            continue
        written.append(plain(f"ch:{how.attribute}", how.spell(value)))
    return "".join(written)


def _fits(field: str, value: object) -> bool:
    """Whether an attribute can hold the value and give it back."""
    if field == "clauses":
        return isinstance(value, list) and all(isinstance(one, str) and one.split() == [one] for one in value)
    if field == "loop_guard":
        return isinstance(value, int)
    return isinstance(value, str)


def elements(step: Mapping[str, object]) -> Iterator[str]:
    """The extension elements of a step: lists, mappings, and whatever has no attribute of its own."""
    for rung in _mappings(step.get("escalate")):
        yield f"<ch:escalate{plain('at', str(rung['at']))}{plain('to', str(rung['to']))}/>"
    for asked in _mappings(step.get("evidence")):
        inner = json.dumps(asked["schema"], ensure_ascii=False, sort_keys=True) if asked.get("schema") else ""
        more = "".join(plain(name, str(value)) for name, value in asked.items() if name != "schema")
        yield f"<ch:evidence{more}>{escape(inner)}</ch:evidence>" if inner else f"<ch:evidence{more}/>"
    for field, tag, key, held in (
        ("sets", "sets", "variable", "field"),
        ("payload", "payload", "name", "value"),
        ("inputs", "input", "name", "value"),
    ):
        for name, given in _mapping(step.get(field)).items():
            shown = str(given) if field == "sets" else spelled(given)
            yield f"<ch:{tag}{plain(key, name)}{plain(held, shown)}/>"
    handled = _NATIVE | _ATTRIBUTES.keys() | {"escalate", "evidence", "sets", "payload", "inputs"}
    for field, value in step.items():
        said = field in _ATTRIBUTES and (value in (None, "", []) or _fits(field, value))
        if value is not None and not said and (field in _ATTRIBUTES or field not in handled):
            yield kept(field, value)


def plan_elements(plan: Mapping[str, object]) -> Iterator[str]:
    """The extension elements of the process."""
    titles = _mapping(plan.get("titles"))
    for name, value in _mapping(plan.get("parameters")).items():
        title = cast("Text", _mapping(titles.get(name)))
        called = plain("titleZh", title["zh-CN"]) + plain("titleEn", title["en"]) if title else ""
        yield f"<ch:parameter{plain('name', name)}{plain('value', spelled(value))}{called}/>"
    native = {
        "plan", "version", "title", "source", "for", "valid_from", "valid_until", "parameters", "titles", "steps", "drawn",
    }  # fmt: skip
    for field, value in plan.items():
        if field not in native and value is not None:
            yield kept(field, value)


def kept(name: str, value: object) -> str:
    """Any value of the plan language as an element of its own."""
    body = escape(json.dumps(value, ensure_ascii=False, sort_keys=True))
    return f"<ch:field{plain('name', name)}>{body}</ch:field>"


def _mapping(value: object) -> Mapping[str, object]:
    return cast(Mapping[str, object], value) if isinstance(value, Mapping) else {}


def _mappings(value: object) -> list[Mapping[str, object]]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []

"""What a message says to a person: one letter an addressee, in both languages, times as the city's clocks show them.

An addressee is a department's code, a role of the command centre (coordinator, duty_officer, mayor), or
``person:ACCOUNT``. Nothing of a payload is trusted to be of any shape: what cannot be read is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from cityheart.kernel.text import LANGUAGES, Text, text

if TYPE_CHECKING:
    from cityheart.kernel.outbox import Message

__all__ = ["Letter", "addressees", "letter"]

SUBJECT_CHARS = 120
_REASONS = {
    "accept": text("签收超时", "not accepted in time"),
    "due": text("办理超时", "not finished in time"),
    "elapsed": text("到达催办时点", "a rung of the escalation ladder was reached"),
    "rework": text("多次返工", "redone too often"),
    "passed-on": text("多次转办", "passed on between too many departments"),
    "undecided": text("自动步骤无法判定", "an automatic step could not decide"),
}


@dataclass(frozen=True, slots=True)
class Letter:
    """One letter: whom it is for, what it says, where in the console it leads, which incident it is about."""

    to: str
    subject: Text
    lines: tuple[Text, ...]
    path: str
    incident: str | None = None


def addressees(message: Message) -> list[str]:
    """Whom the message is for; empty when it names nobody."""
    payload = message.payload
    if message.topic == "orders":
        return list(dict.fromkeys(unit for order in _orders(payload) if (unit := _word(order.get("unit")))))
    if message.topic == "escalations":
        named: Iterable[object] = [payload.get("to")]
    else:
        units = payload.get("units")
        named = [payload.get("to"), payload.get("unit"), *(units if isinstance(units, list) else [])]
    return list(dict.fromkeys(name for each in named if (name := _word(each))))


def letter(message: Message, to: str, zone: ZoneInfo, titles: Mapping[str, Text]) -> Letter:
    """What the message says to ``to``, one of its addressees."""
    if message.topic == "orders":
        return _order_letter(message, to, zone)
    if message.topic == "escalations":
        return _escalation_letter(message, to, titles)
    subject = _text(message.payload.get("title")) or text(message.topic, message.topic)
    body = _text(message.payload.get("text"))
    return Letter(
        to, _short(subject), (body,) if body else (), _path(message.payload), _id(message.payload, "incident")
    )


def _order_letter(message: Message, to: str, zone: ZoneInfo) -> Letter:
    orders = [order for order in _orders(message.payload) if order.get("unit") == to]
    lines = []
    for order in orders:
        title = _title(order)
        accept, due = _at(order.get("accept_due"), zone), _at(order.get("due"), zone)
        lines.append(text(
            f"{title['zh-CN']}：签收时限 {accept}，办结时限 {due}", f"{title['en']}: accept by {accept}, finish by {due}"
        ))  # fmt: skip
    lines += _matter(orders[0] if orders else {})
    first, many = _title(orders[0] if orders else {}), len(orders)
    subject = (
        text(f"新任务：{first['zh-CN']}", f"New task: {first['en']}")
        if many == 1
        else text(f"新任务 {many} 项：{first['zh-CN']} 等", f"{many} new tasks: {first['en']} and more")
    )
    path = _path(orders[0]) if many == 1 else "/tasks"
    return Letter(to, _short(subject), tuple(lines), path, _id(orders[0], "incident") if orders else None)


def _escalation_letter(message: Message, to: str, titles: Mapping[str, Text]) -> Letter:
    payload = message.payload
    title, unit = _title(payload), _word(payload.get("unit")) or ""
    holder = titles.get(unit) or text(unit, unit)
    reason = _REASONS.get(str(payload.get("reason"))) or text("催办", "escalated")
    subject = text(f"催办：{title['zh-CN']}（{reason['zh-CN']}）", f"Escalated: {title['en']} ({reason['en']})")
    lines = [text(f"承办单位：{holder['zh-CN']}", f"Held by: {holder['en']}")] if unit else []
    return Letter(to, _short(subject), (*lines, *_matter(payload)), _path(payload), _id(payload, "incident"))


def _matter(part: Mapping[str, object]) -> list[Text]:
    """Which incident it is about: orders of the same step are told apart by nothing else."""
    title = _text(part.get("incident_title"))
    return [text(f"事件：{title['zh-CN']}", f"Incident: {title['en']}")] if title else []


def _orders(payload: Mapping[str, object]) -> list[Mapping[str, object]]:
    orders = payload.get("orders")
    return [order for order in orders if isinstance(order, dict)] if isinstance(orders, list) else []


def _title(part: Mapping[str, object]) -> Text:
    step = _word(part.get("step")) or "—"
    return _text(part.get("title")) or text(step, step)


def _text(value: object) -> Text | None:
    if isinstance(value, str) and value.strip():
        return text(value, value)
    if isinstance(value, dict) and all(isinstance(value.get(language), str) for language in LANGUAGES):
        return {language: value[language] for language in LANGUAGES}
    return None


def _word(value: object) -> str | None:
    return value if isinstance(value, str) and 0 < len(value) <= 100 else None


def _at(value: object, zone: ZoneInfo) -> str:
    try:
        return datetime.fromisoformat(str(value)).astimezone(zone).strftime("%Y-%m-%d %H:%M")
    except ValueError:
        return "—"


def _path(part: Mapping[str, object]) -> str:
    for name, page in (("task", "tasks"), ("incident", "incidents"), ("job", "jobs")):
        if id := _id(part, name):
            return f"/{page}/{id}"
    return "/tasks"


def _id(part: Mapping[str, object], name: str) -> str | None:
    id = _word(part.get(name))
    return id if id and len(id) <= 60 and all(sign.isalnum() or sign in "-_" for sign in id) else None


def _short(subject: Text) -> Text:
    """Subjects are one line of a bounded length, whatever a plan's author wrote."""
    lines: Sequence[tuple[str, str]] = [(language, " ".join(subject[language].split())) for language in LANGUAGES]
    return {
        language: line if len(line) <= SUBJECT_CHARS else line[: SUBJECT_CHARS - 1] + "…" for language, line in lines
    }

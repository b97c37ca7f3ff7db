"""Which plan suggests itself for an alert: plans declared for its kind, those of its level first, with the reason.

A plan declared for the level is certain, one for a neighbouring level is offered after it and says so. Nothing is
suggested that no plan was declared for: an empty list is an honest answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from cityheart.command.models import Plan
from cityheart.kernel.text import Text, text

__all__ = ["LEVEL_NAMES", "Suggestion", "declared_for", "in_force", "suggest"]

LEVEL_NAMES: Mapping[int, Text] = {
    1: text("红色", "red"),
    2: text("橙色", "orange"),
    3: text("黄色", "yellow"),
    4: text("蓝色", "blue"),
}
SHOWN = 3  # a person chooses among few


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A plan, why it is suggested, and whether it is declared for exactly this level."""

    plan: Plan
    reason: Text
    exact: bool


def suggest(
    plans: Iterable[tuple[Plan, datetime]], counts: Mapping[str, tuple[int, int]], kind: str, level: int, at: datetime
) -> list[Suggestion]:
    """At most three plans for an alert of ``kind`` at ``level``, best first.

    ``plans`` come with their publication; of one name only the newest version in force at ``at`` (aware; its UTC date
    counts) is taken. ``counts`` gives (runs, closed runs) by digest.
    """
    newest = declared_for(in_force(plans, at), kind, level)
    found = [_suggestion(plan, level, *counts.get(plan.digest, (0, 0))) for plan in newest]
    return sorted(found, key=lambda s: (not s.exact, -counts.get(s.plan.digest, (0, 0))[1], s.plan.name))[:SHOWN]


def in_force(plans: Iterable[tuple[Plan, datetime]], at: datetime) -> dict[str, Plan]:
    """Of each name the version published last that is in force at ``at`` (aware; its UTC date counts)."""
    newest: dict[str, tuple[Plan, datetime]] = {}
    for plan, published in plans:
        holds = (plan.valid_from is None or plan.valid_from <= at.date()) and (
            plan.valid_until is None or at.date() < plan.valid_until
        )
        known = newest.get(plan.name)
        if holds and (known is None or (known[1], known[0].version) < (published, plan.version)):
            newest[plan.name] = (plan, published)
    return {name: plan for name, (plan, _) in newest.items()}


def declared_for(plans: Mapping[str, Plan], kind: str, level: int | None) -> list[Plan]:
    """Of these plans those declared for the kind and for this level or one next to it; without a level all of the kind."""
    return [
        plan
        for plan in plans.values()
        if plan.kind == kind and (level is None or min(abs(level - declared) for declared in plan.levels) <= 1)
    ]


def _suggestion(plan: Plan, level: int, runs: int, closed: int) -> Suggestion:
    names = [LEVEL_NAMES[declared] for declared in plan.levels]
    zh, en = "、".join(name["zh-CN"] for name in names), ", ".join(name["en"] for name in names)
    exact = level in plan.levels
    past = (
        text(f"；已启动 {runs} 次，{closed} 次办结", f"; started {runs} times before, {closed} closed")
        if runs
        else text("", "")
    )
    if exact:
        return Suggestion(
            plan,
            text(f"预案适用于本预警的{zh}级别{past['zh-CN']}", f"declared for this alert at {en}{past['en']}"),
            True,
        )
    shown = LEVEL_NAMES[level]
    reason = text(
        f"预案适用于{zh}级别，与当前{shown['zh-CN']}级别相邻{past['zh-CN']}",
        f"declared for {en}, next to the present {shown['en']}{past['en']}",
    )
    return Suggestion(plan, reason, False)

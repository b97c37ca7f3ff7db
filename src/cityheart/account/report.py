"""What a mayor reads about a period: figures with their change, what moved and why, data supply, appeals, caveats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING

from cityheart.account import shapes
from cityheart.account.models import LESS_IS_BETTER, RATE_TITLES, RATES, Rate, Score, Scores
from cityheart.account.rates import RANKED
from cityheart.kernel import limits
from cityheart.kernel.access import departments
from cityheart.kernel.actors import Actor
from cityheart.kernel.text import Text, counted, text

if TYPE_CHECKING:
    from cityheart.account.service import Account

__all__ = ["report"]

_HEADLINE = ("on_time", "sign_in", "closed", "rework", "overdue", "satisfied")
_MOVEMENTS = 3  # best and worst shown
_REASONS = 5  # tasks shown behind a movement
_MOVED = 0.0005  # a change smaller than this is none


def report(
    account: Account, actor: Actor, since: datetime, until: datetime, formula: str | None = None
) -> dict[str, object]:
    """The report of ``[since, until)``, compared with the period of equal length before it.

    Scored by the formulas in force, or both periods by the one that ``formula`` names.

    Tasks behind figures are named only where the reader may see them.
    """
    now = account.scores(since, until, formula)
    before = account.scores(since - (until - since), since, formula)
    rule, supplied = account.supply(since, until)
    flags, appeals = account.flags(since, until), _appeals(account, actor, since, until)
    best, worst = _movements(account, actor, now, before)
    return {
        "from": since,
        "to": until,
        "before": {"from": before.since, "to": before.until, "n": sum(each.n for each in before.departments)},
        "headline": [_headline(rate, now, before) for rate in _HEADLINE] + [_accuracy(now, before)],
        "tasks": sum(each.n for each in now.departments),
        "best": best,
        "worst": worst,
        "departments": [shapes.department(account, each) for each in now.departments],
        "dispatchers": shapes.dispatchers(now),
        "supply": {
            "formula": shapes.formula(rule),
            "departments": [shapes.supplied(account, each) for each in supplied],
        },
        "appeals": appeals,
        "flags": [shapes.flag(account, each) for each in flags],
        "formula": shapes.formula(now.formula),
        "formula_changes": [shapes.formula(each) for each in now.changes],
        "caveats": _caveats(now, before),
    }


def _total(scores: Scores, rate: str) -> Rate:
    parts = [each.rates[rate] for each in scores.departments]
    return Rate(sum(part.num for part in parts), sum(part.den for part in parts))


def _headline(rate: str, now: Scores, before: Scores) -> dict[str, object]:
    mine, theirs = _total(now, rate), _total(before, rate)
    return {
        "id": rate,
        "title": RATE_TITLES[rate],
        "less_is_better": rate in LESS_IS_BETTER,
        **mine.json(),
        "before": theirs.json(),
        "change": _change(mine.rate, theirs.rate),
    }


def _accuracy(now: Scores, before: Scores) -> dict[str, object]:
    mine, theirs = (
        Rate(
            sum(each.accuracy.num for each in scores.dispatchers), sum(each.accuracy.den for each in scores.dispatchers)
        )
        for scores in (now, before)
    )
    return {
        "id": "dispatch_accuracy",
        "title": text("派遣准确率", "sent to the right department"),
        "less_is_better": False,
        **mine.json(),
        "before": theirs.json(),
        "change": _change(mine.rate, theirs.rate),
    }


def _change(now: float | None, before: float | None) -> float | None:
    return None if now is None or before is None else round(now - before, 6)


def _movements(
    account: Account, actor: Actor, now: Scores, before: Scores
) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    """The departments whose careful on-time share rose and fell most; both periods need enough tasks."""
    was = {each.department: each for each in before.departments}
    moved: list[tuple[float, Score, Score]] = []
    for score in now.departments:
        old = was.get(score.department)
        if old is None or min(score.n, old.n) < RANKED or score.on_time_fair is None or old.on_time_fair is None:
            continue
        change = score.on_time_fair - old.on_time_fair
        if abs(change) >= _MOVED:
            moved.append((change, score, old))
    moved.sort(key=lambda each: (each[0], each[1].department))
    best = [_movement(account, actor, now, *each) for each in reversed(moved[-_MOVEMENTS:]) if each[0] > 0]
    worst = [_movement(account, actor, now, *each) for each in moved[:_MOVEMENTS] if each[0] < 0]
    return best, worst


def _movement(
    account: Account, actor: Actor, now: Scores, change: float, score: Score, old: Score
) -> dict[str, object]:
    seen = departments(actor, "task.read")
    reasons: Sequence[dict[str, object]] = ()
    if seen is None or score.department in seen:
        found, _ = account.counted(
            actor, score.department, "on_time", now.since, now.until, only=change > 0, limit=_REASONS
        )
        reasons = [asdict(each) | {"step_title": account.step_title(each.run, each.step)} for each in found]
    return {
        "department": score.department,
        "title": account.unit_title(score.department),
        "change": round(change, 6),
        "on_time": score.rates["on_time"].json(),
        "before": old.rates["on_time"].json(),
        "n": score.n,
        "n_before": old.n,
        "tasks": reasons,
    }


def _appeals(account: Account, actor: Actor, since: datetime, until: datetime) -> dict[str, object]:
    """Appeals decided or filed in the period, as far as the reader may know of them."""
    counts = {"filed": 0, "upheld": 0, "dismissed": 0, "open": 0}
    items: list[dict[str, object]] = []
    for each in account.appeals_in(since, until):
        counts["filed"] += since <= each.filed_at < until
        decided = each.decided_at is not None and since <= each.decided_at < until
        counts["upheld"] += decided and each.state == "upheld"
        counts["dismissed"] += decided and each.state == "dismissed"
        counts["open"] += each.decided_at is None or each.decided_at >= until
        seen = departments(actor, "task.read")
        if (seen is None or each.department in seen) and len(items) < limits.FLAG_TASKS:
            items.append(shapes.appeal(account, each))
    return {**counts, "items": items}


def _caveats(now: Scores, before: Scores) -> list[Text]:
    found = []
    few = [each for each in now.departments if each.n < RANKED]
    if few:
        found.append(
            text(
                f"{len(few)}个部门的任务少于{RANKED}件，只列数字，不排名",
                f"{counted(len(few), 'department')} had fewer than {RANKED} tasks: figures are shown, no rank",
            )
        )
    if not any(each.n for each in before.departments):
        found.append(
            text("上一期没有任务，无从比较", "there were no tasks in the period before: nothing to compare with")
        )
    found += [
        text(
            f"计分规则在本期内变更：{each.title['zh-CN']} {each.version} 自{each.valid_from}起施行；本期按期末有效的规则计分",
            f"the formula changed inside the period: {each.title['en']} {each.version} is in force from "
            f"{each.valid_from}; the period is scored by the formula in force at its end",
        )
        for each in now.changes
    ]
    corrected = sum(each.corrections for each in now.departments)
    if corrected:
        found.append(
            text(
                f"经申诉更正的任务{corrected}件；各部门同时列出更正前的得分",
                f"upheld appeals corrected {counted(corrected, 'task')}; the score before appeals stands beside",
            )
        )
    found.append(
        text(
            f"比较用的按期率已按任务类型向平均值收缩（相当于20件），改派、退单成立、延期与挂起的时间不计入部门；{len(RATES)}项比率均附分子与分母",
            "shares that are compared are drawn towards the mean of their kinds of task (as much as 20 tasks weigh); "
            "time of upheld returns, granted extensions and suspensions is not charged; every rate shows what it is made of",
        )
    )
    return found

"""Which plan for a matter, and why each step: declarations, what was done in similar cases, what clauses mandate.

A pure function. Similar cases vote for plans, each with similarity x outcome x recency, then for changes of that plan:
what commanders added, skipped, gave to somebody else or gave more time. Clauses are rules and never a matter of
similarity: what they ask for is there, or is proposed as mandated, and no vote removes it. With too few or too
different cases the vote is not relied upon, and where nothing was declared either nothing is suggested.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from cityheart.command import expression
from cityheart.command.knowledge.declared import LEVEL_NAMES, SHOWN, declared_for
from cityheart.command.knowledge.models import (
    Advice,
    Case,
    Change,
    Clause,
    Mandate,
    Matter,
    Neighbour,
    Proposed,
    Reason,
    Related,
    SuggestedPlan,
)
from cityheart.command.knowledge.parameters import Parameters
from cityheart.command.models import Plan, Step
from cityheart.kernel.errors import Problem
from cityheart.kernel.text import Text, text

__all__ = ["advise"]

CASES_SHOWN = 5
_EXAMPLES = 3  # cases and reasons named beside a proposed change

Similar = Sequence[tuple[Case, Neighbour]]


def advise(
    matter: Matter,
    similar: Similar,
    plans: Mapping[str, Plan],
    clauses: Iterable[Clause],
    day: date,
    parameters: Parameters,
    *,
    closed: Mapping[str, int] | None = None,
    ruled: str | None = None,
    related: Sequence[tuple[Case, Related]] = (),
) -> Advice:
    """The answer for ``matter``. ``similar`` are its neighbours, best first; ``plans`` those in force by name.

    ``day`` is the city's date, on which clauses are in force or not. ``closed`` gives how many cases of a plan are
    closed, by its name. ``ruled`` is the plan that a decision table names: it comes first whatever the vote.
    ``related`` are cases of other kinds: shown, with no vote.
    """
    in_force = [clause for clause in clauses if clause.in_force(day)]
    asked = [
        (clause, one) for clause in in_force for one in clause.mandates_for(matter.kind, matter.level, matter.stage)
    ]
    candidates = _candidates(matter, similar, plans, ruled)
    votes = _votes(matter, similar, candidates, parameters)
    cast = sum(votes.values()) + parameters.vote_unknown
    confidence = max(votes.values(), default=0.0) / cast
    confident = bool(similar) and confidence >= parameters.confidence_least
    done = closed or {}

    def order(plan: Plan) -> tuple[bool, bool, float, int, str]:
        apart = not confident and not _exact(plan, matter.level)
        return plan.name != ruled, apart, -votes[plan.name], -done.get(plan.name, 0), plan.name

    chosen = sorted(candidates, key=order)[:SHOWN]
    shown = [(case, near) for case, near in similar if near.similarity >= parameters.confidence_similar][:CASES_SHOWN]
    return Advice(
        plans=tuple(
            _suggested(plan, matter, similar, asked, parameters, votes[plan.name] / cast, done.get(plan.name, 0), ruled)
            for plan in chosen
        ),
        cases=tuple(shown),
        clauses=tuple(_unique(clause for clause, _ in asked)),
        confident=confident,
        confidence=confidence,
        silence=None if chosen else _silence(matter, bool(shown or related)),
        related=tuple(related),
    )  # fmt: skip


# ── plans ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _exact(plan: Plan, level: int | None) -> bool:
    return level is None or level in plan.levels


def _candidates(matter: Matter, similar: Similar, plans: Mapping[str, Plan], ruled: str | None) -> list[Plan]:
    """Plans declared for the matter, those of similar cases that no declaration forbids, and the one that is ruled."""
    found = {plan.name: plan for plan in declared_for(plans, matter.kind, matter.level)}
    for name in dict.fromkeys(case.plan for case, _ in similar):
        plan = plans.get(name)
        if plan is not None and plan.kind is None:
            found[name] = plan
    if ruled is not None and ruled in plans:
        found[ruled] = plans[ruled]
    return list(found.values())


def _votes(matter: Matter, similar: Similar, candidates: Sequence[Plan], parameters: Parameters) -> dict[str, float]:
    votes = {
        plan.name: parameters.vote_declared if plan.kind is not None and _exact(plan, matter.level) else 0.0
        for plan in candidates
    }
    fits = {
        plan.name: 1.0 if plan.kind is None or _exact(plan, matter.level) else parameters.vote_other_level
        for plan in candidates
    }
    for case, near in similar:
        if case.plan in votes:
            votes[case.plan] += near.weight * fits[case.plan]
    return votes


def _suggested(
    plan: Plan,
    matter: Matter,
    similar: Similar,
    asked: Sequence[tuple[Clause, Mandate]],
    parameters: Parameters,
    score: float,
    done: int,
    ruled: str | None,
) -> SuggestedPlan:
    own = [(case, near) for case, near in similar if case.plan == plan.name]
    left_out = _left_out(plan, matter)
    learned = [] if not own else _learned(plan, own, asked, left_out, parameters)
    changes = (*_mandated(plan, asked, learned, left_out), *learned)
    exact = _exact(plan, matter.level)
    reason = _why(plan, matter, exact, len(own), len(similar), done, plan.name == ruled)
    reasons = {step.id: _step_reasons(step, own, asked) for step in plan.steps if step.id not in left_out}
    return SuggestedPlan(plan, reason, exact, score, len(own), len(similar), changes, reasons)


def _left_out(plan: Plan, matter: Matter) -> frozenset[str]:
    """The steps whose condition does not hold for such a matter, as far as that is known beforehand."""
    level = 4 if matter.level is None else matter.level
    known: dict[str, expression.Value] = {**plan.parameters, "level": level, "kind": matter.kind}
    found = set()
    for step in plan.steps:
        if step.when is not None:
            condition = expression.parse(step.when)
            try:
                if condition.names <= known.keys() and not condition.holds(known):
                    found.add(step.id)
            except Problem:
                continue  # it depends on values that only the run will have
    return frozenset(found)


# ── what commanders changed ────────────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class _Tally:
    n: int
    weight: float
    example: Change
    cases: list[Case]
    dues: list[tuple[int, float]]
    why: list[str]


def _learned(
    plan: Plan,
    own: Similar,
    asked: Sequence[tuple[Clause, Mandate]],
    left_out: frozenset[str],
    parameters: Parameters,
) -> list[Proposed]:
    """What most commanders changed in similar cases with this plan and what still makes sense in its present version."""
    total = sum(near.weight for _, near in own)
    tallies: dict[tuple[str, str, str], _Tally] = {}
    for case, near in own:
        for key, change in {change.key: change for change in case.changes}.items():
            tally = tallies.setdefault(key, _Tally(0, 0.0, change, [], [], []))
            tally.n += 1
            tally.weight += near.weight
            tally.cases.append(case)
            if change.due is not None:
                tally.dues.append((change.due, near.weight))
            if change.reason and change.reason not in tally.why:
                tally.why.append(change.reason)
    found = []
    for tally in tallies.values():
        often = tally.n >= parameters.changes_least_cases and tally.weight >= parameters.changes_least_share * total
        due = _middle(tally.dues)
        change = tally.example
        if often and _makes_sense(plan, change, due, asked, left_out):
            named = Change(change.op, change.step, change.unit, change.title, due, "；".join(tally.why[:_EXAMPLES]))
            reason = Reason("cases", _counted(tally.n, len(own), change.op), None, tally.n, len(own))
            found.append(
                (tally.weight, Proposed(named, False, (reason,), tuple(one.id for one in tally.cases[:_EXAMPLES])))
            )
    found.sort(key=lambda one: (-one[0], one[1].change.key))
    return [proposed for _, proposed in found[: parameters.changes_shown]]


def _makes_sense(
    plan: Plan,
    change: Change,
    due: int | None,
    asked: Sequence[tuple[Clause, Mandate]],
    left_out: frozenset[str],
) -> bool:
    step = plan.by_id.get(change.step)
    if change.op == "add":
        return step is None or step.id in left_out
    if step is None or step.id in left_out:
        return False
    if change.op == "skip":
        return not any(_fulfils(step, clause, mandate) for clause, mandate in asked)
    if change.op == "reassign":
        return change.unit not in (None, step.unit) and not any(
            _fulfils(step, clause, mandate) and mandate.unit not in (None, change.unit) for clause, mandate in asked
        )
    return due is not None and step.due is not None and timedelta(seconds=due) > step.due


def _middle(values: Sequence[tuple[int, float]]) -> int | None:
    """The weighted median."""
    if not values:
        return None
    half, reached = sum(weight for _, weight in values) / 2, 0.0
    for value, weight in sorted(values):
        reached += weight
        if reached >= half:
            return value
    return max(values)[0]


# ── what clauses mandate ───────────────────────────────────────────────────────────────────────────────────────


def _fulfils(step: Step, clause: Clause, mandate: Mandate) -> bool:
    return mandate.fulfilled_by(step.id, step.unit) or clause.id in getattr(step, "clauses", ())


def _mandated(
    plan: Plan, asked: Sequence[tuple[Clause, Mandate]], learned: Sequence[Proposed], left_out: frozenset[str]
) -> list[Proposed]:
    """What clauses ask for and neither the plan nor a learned addition has."""
    steps = [step for step in plan.steps if step.id not in left_out]
    added = [one.change for one in learned if one.change.op == "add"]
    found: dict[tuple[str, str | None], Proposed] = {}
    for clause, mandate in asked:
        if any(_fulfils(step, clause, mandate) for step in steps) or any(
            mandate.fulfilled_by(change.step, change.unit) for change in added
        ):
            continue
        step = _named(clause, mandate)
        due = None if mandate.due is None else int(mandate.due.total_seconds())
        change = Change("add", step, mandate.unit, mandate.duty or clause.title, due)
        before = found.get((step, mandate.unit))
        reasons = (*(before.reasons if before else ()), _clause_reason(clause))
        found[step, mandate.unit] = Proposed(before.change if before else change, True, reasons)
    return list(found.values())


def _named(clause: Clause, mandate: Mandate) -> str:
    """The id of a step that a clause asks for: one that fulfils its pattern, else the clause's own."""
    if mandate.step is None:
        return clause.id.replace(".", "-")
    return mandate.step.replace("*", "required").replace("?", "x")[:60]


def _clause_reason(clause: Clause) -> Reason:
    zh, en = clause.law["zh-CN"], clause.law["en"]
    unverified = "" if clause.verified else "（条文未核对）", "" if clause.verified else " (wording not verified)"
    words = text(
        f"{zh}{clause.article}：{clause.title['zh-CN']}{unverified[0]}",
        f"{en} {clause.article}: {clause.title['en']}{unverified[1]}",
    )
    return Reason("clause", words, clause.id)


# ── reasons ────────────────────────────────────────────────────────────────────────────────────────────────────


def _step_reasons(step: Step, own: Similar, asked: Sequence[tuple[Clause, Mandate]]) -> tuple[Reason, ...]:
    found = [
        _clause_reason(clause) for clause in _unique(clause for clause, one in asked if _fulfils(step, clause, one))
    ]
    told = [case for case, _ in own if case.steps]
    if told:
        n = sum(any(done.step == step.id for done in case.steps) for case in told)
        if n:
            found.append(Reason("cases", _counted(n, len(told), "had"), None, n, len(told)))
    found.append(Reason("plan", text("预案规定的步骤", "a step of the plan as declared")))
    return tuple(found)


def _unique(clauses: Iterable[Clause]) -> list[Clause]:
    return list({clause.id: clause for clause in clauses}.values())


_COUNTED: Mapping[str, tuple[str, str]] = {
    "had": ("执行了此步骤", "did this step"),
    "add": ("由指挥员增加了此步骤", "had this step added by the commander"),
    "skip": ("由指挥员跳过了此步骤", "had this step skipped by the commander"),
    "reassign": ("由指挥员改派给该单位", "had this step given to this department"),
    "extend": ("由指挥员延长了时限", "had more time given for this step"),
}


def _counted(n: int, m: int, what: str) -> Text:
    zh, en = _COUNTED[what]
    return text(f"{m} 个相似案例中有 {n} 个{zh}", f"{n} of {m} similar cases {en}")


def _why(
    plan: Plan, matter: Matter, exact: bool, n: int, m: int, done: int, ruled: bool
) -> Text:  # fmt: skip
    zh, en = [], []
    if ruled:
        zh.append("分级决策表指定")
        en.append("named by the decision table")
    if n:
        zh.append(f"{m} 个相似案例中有 {n} 个采用")
        en.append(f"used in {n} of {m} similar cases")
    if plan.kind is not None and plan.levels:
        levels = [LEVEL_NAMES[level] for level in plan.levels]
        names = "、".join(name["zh-CN"] for name in levels), ", ".join(name["en"] for name in levels)
        if exact:
            zh.append(f"预案适用于本预警的{names[0]}级别")
            en.append(f"declared for this alert at {names[1]}")
        else:
            present = LEVEL_NAMES[matter.level or 4]
            zh.append(f"预案适用于{names[0]}级别，与当前{present['zh-CN']}级别相邻")
            en.append(f"declared for {names[1]}, next to the present {present['en']}")
    if done:
        zh.append(f"共有 {done} 个办结案例")
        en.append(f"{done} closed cases in all")
    return text("；".join(zh), "; ".join(en))


def _silence(matter: Matter, cases: bool) -> Text:
    if cases:
        return text(
            "没有适用于此类事件的已发布预案；相似案例列于下方，供参考",
            "no published plan is for such a matter; similar cases are shown for what they are",
        )
    return text(
        f"没有适用于“{matter.kind}”的预案，也没有足够相似的案例：不作推荐",
        f"no plan is for {matter.kind} and no case is similar enough: nothing is suggested",
    )

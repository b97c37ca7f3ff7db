"""How cases, clauses and suggestions look in the HTTP API."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, cast

from cityheart.command.knowledge.cases import change_json, step_json
from cityheart.command.knowledge.clauses import clause_json
from cityheart.command.knowledge.models import (
    Advice,
    Case,
    Change,
    Described,
    Neighbour,
    Proposed,
    Reason,
    Related,
    Replaced,
    SuggestedPlan,
)
from cityheart.command.views import plan_json
from cityheart.kernel import duration
from cityheart.kernel.text import LANGUAGES, Text, text

if TYPE_CHECKING:
    from cityheart.command.service import Command

__all__ = ["advice_json", "case_json", "clause_json", "content_json", "described", "differing", "replaced_json"]

_ACCEPT = timedelta(minutes=30)  # asked of a proposed step, or a quarter of its time where that is less
_DUE = timedelta(hours=4)  # of a proposed step when nobody says how long it takes


def described(alert: Mapping[str, object]) -> Described:
    """What an alert, as watch shows it, says of its matter: the words of its subject, area and reasons; its subject."""
    subject = cast(Mapping[str, object], alert["subject"])
    reasons = cast("list[object]", alert.get("reasons") or [])
    told = [alert.get("kind_title"), subject["name"], alert.get("area"), *reasons]
    words = [
        str(one[language]) for one in told if isinstance(one, Mapping) for language in LANGUAGES if language in one
    ]
    return Described("。".join(dict.fromkeys(words)), place=f"{subject['kind']}:{subject['id']}"[:80])


def case_json(case: Case) -> dict[str, object]:
    """A case whole; durations in seconds. ``revision`` is 1 for one that nobody corrected."""
    return {**content_json(case), "revision": case.revision, "revised_at": case.revised_at}


def replaced_json(one: Replaced, newer: Case) -> dict[str, object]:
    """A version that ``newer`` took the place of: when, by whom, each field that changed, and the version whole."""
    before, after = content_json(one.case), content_json(newer)
    return {
        "revision": one.case.revision,
        "since": one.case.revised_at or one.case.known_at,
        "until": one.at,
        "replaced_by": one.by,
        "changed": [{"field": name, "before": before[name], "after": after[name]} for name in one.changed],
        "case": case_json(one.case),
    }


def differing(one: Case, other: Case) -> tuple[str, ...]:
    """The names of the fields in which two versions of a case differ, whenever they came to be known."""
    before, after = content_json(one), content_json(other)
    return tuple(name for name in before if name != "known_at" and before[name] != after[name])


def content_json(case: Case) -> dict[str, object]:
    """What a case says, whichever version it is: what its digest is made of."""
    return {
        "id": case.id,
        "origin": case.origin,
        "incident_id": case.incident,
        "kind": case.kind,
        "level": case.level,
        "stage": case.stage,
        "text": case.text,
        "place": case.place,
        "lon": case.lon,
        "lat": case.lat,
        "opened_at": case.opened_at,
        "closed_at": case.closed_at,
        "known_at": case.known_at,
        "seconds": int((case.closed_at - case.opened_at).total_seconds()),
        "plan": {"id": case.plan, "version": case.version, "digest": case.digest},
        "late": case.late,
        "rework": case.rework,
        "returned": case.returned,
        "outcome": round(case.outcome, 3),
        "steps": [step_json(step) for step in case.steps],
        "changes": [change_json(change) for change in case.changes],
    }


def advice_json(command: Command, advice: Advice, kind: str, *, cases: bool) -> dict[str, object]:
    """A suggestion: ``plans``, ``cases``, ``clauses``, ``changes`` of the first plan, ``reasons`` of the whole.

    ``cases`` are those of the matter's ``kind``, then those of other kinds, each with the reasons why it is there.
    Without ``cases`` similar cases are not shown, only how many there were.
    """
    first = advice.plans[0] if advice.plans else None
    near: list[tuple[Case, Neighbour | Related]] = [*advice.cases, *advice.related]
    return {
        "plans": [_plan(command, one) for one in advice.plans],
        "cases": [_similar(*one, advice.why, kind) for one in near] if cases else [],
        "clauses": [clause_json(clause) for clause in advice.clauses],
        "changes": [] if first is None else [_proposed(command, one) for one in first.changes],
        "reasons": _reasons(advice),
        "confident": advice.confident,
        "confidence": round(advice.confidence, 3),
        "silence": advice.silence,
    }


def _reasons(advice: Advice) -> list[Text]:
    if advice.silence is not None:
        return [advice.silence]
    if advice.confident:
        percent = round(100 * advice.confidence)
        return [
            text(f"相似案例的 {percent}% 支持首个预案", f"{percent} % of the similar cases' vote is for the first plan")
        ]
    words = text(
        "相似案例不足或意见不一：按预案声明的适用级别排序，仅供参考",
        "too few similar cases, or they disagree: plans stand in the order of the levels they are declared for",
    )
    return [words]


def _plan(command: Command, one: SuggestedPlan) -> dict[str, object]:
    shown = plan_json(command, one.plan, one.reason)
    steps = cast("Iterable[dict[str, object]]", shown["steps"])
    return {
        **shown,
        "steps": [
            {**step, "reasons": [_reason(reason) for reason in one.reasons.get(str(step["id"]), ())]} for step in steps
        ],
        "exact": one.exact,
        "score": round(one.score, 3),
        "n": one.n,
        "m": one.m,
        "changes": [_proposed(command, change) for change in one.changes],
    }


def _reason(reason: Reason) -> dict[str, object]:
    return {"kind": reason.kind, "text": reason.text, "clause": reason.clause, "n": reason.n, "m": reason.m}


def _proposed(command: Command, one: Proposed) -> dict[str, object]:
    change = one.change
    return {
        "op": change.op,
        "step": change.step,
        "unit": change.unit,
        "unit_title": None if change.unit is None else command.unit_title(change.unit),
        "title": change.title,
        "due": None if change.due is None else duration.iso(timedelta(seconds=change.due)),
        "mandated": one.mandated,
        "reasons": [_reason(reason) for reason in one.reasons],
        "said": change.reason,
        "cases": list(one.cases),
        "patch": _patch(change),
    }


def _patch(change: Change) -> dict[str, object] | None:
    """The change as a run takes it; ``None`` where a person has to name something first."""
    if change.op == "skip":
        return {"op": "skip", "step": change.step}
    if change.op == "reassign":
        return {"op": "reassign", "step": change.step, "unit": change.unit}
    if change.op == "add" and change.unit is not None:
        due = _DUE if change.due is None else timedelta(seconds=change.due)
        title = change.title or text(change.step, change.step)
        return {
            "op": "add",
            "step": {
                "id": change.step, "title": title, "unit": change.unit,
                "accept_within": duration.iso(min(_ACCEPT, due / 4)), "due": duration.iso(due),
            },
        }  # fmt: skip
    return None


def _similar(
    case: Case, near: Neighbour | Related, why: Mapping[str, Sequence[Text]], kind: str
) -> dict[str, object]:  # fmt: skip
    whole = case_json(case)
    shown = (
        "id", "origin", "incident_id", "kind", "level", "text", "place", "opened_at", "closed_at", "seconds", "plan",
        "late", "rework", "returned", "changes", "revision", "revised_at",
    )  # fmt: skip
    return {
        **{name: whole[name] for name in shown},
        "similarity": round(near.similarity, 3),
        "words": round(near.words, 3),
        "other_kind": case.kind != kind,
        "why": list(why.get(case.id, ())),
    }

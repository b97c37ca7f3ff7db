"""Synthetic closed cases: a made-up city with hidden rules, for trying and measuring what is suggested. Nothing is real.

Which plan a commander takes follows rules that only this module knows: of what happened, at which level, in what kind of
district, at night, in winter. Rules change in the course of the years, new words come up, commanders have habits of
their own and make mistakes, laws come into force and end, and some matters are reported twice. Everything comes from one
seed. What says that a case is synthetic is its ``origin``: keep :data:`ORIGIN` with it wherever it goes.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cityheart.sdk import Text, dice, text

if TYPE_CHECKING:
    from random import Random

__all__ = ["ORIGIN", "World"]

ORIGIN = "synthetic"
_BEGUN = datetime(2020, 1, 1, tzinfo=UTC)
_SPAN = timedelta(days=6 * 365)
_NEW_WORDS = 0.75  # of the span: from then on people also use words that nobody used before
_HOUR = 3_600
_SPOT = 1_200.0  # metres around the middle of a street


@cache
def _pools() -> Mapping[str, Any]:
    return tomllib.loads((Path(__file__).parent / "cases.toml").read_text("utf-8"))


@dataclass(frozen=True)
class _Happening:
    """The hidden circumstances of one case."""

    kind: str
    situation: int
    level: int
    district: Mapping[str, str]
    street: int
    at: datetime

    @property
    def night(self) -> bool:
        return (self.at.hour + 8) % 24 < 6 or (self.at.hour + 8) % 24 >= 22

    @property
    def winter(self) -> bool:
        return self.at.month in (12, 1, 2)


@dataclass(frozen=True)
class _Rule:
    """A plan for a situation, only where the circumstances hold, from ``since`` to ``until``."""

    plan: str
    situation: int
    severe: bool | None = None
    zone: str | None = None
    night: bool | None = None
    winter: bool | None = None
    since: datetime = _BEGUN
    until: datetime = _BEGUN + 2 * _SPAN

    def holds(self, one: _Happening) -> bool:
        return (
            self.situation == one.situation
            and self.since <= one.at < self.until
            and self.severe in (None, one.level <= 2)
            and self.zone in (None, one.district["zone"])
            and self.night in (None, one.night)
            and self.winter in (None, one.winter)
        )


@dataclass(frozen=True)
class _Habit:
    """What commanders of a district do to a plan in a situation, mostly."""

    district: str
    situation: int
    change: Mapping[str, object]
    plan: str
    mostly: float
    night: bool | None


@dataclass
class _Law:
    """The hidden rules of one kind."""

    rules: list[_Rule] = field(default_factory=list)
    habits: list[_Habit] = field(default_factory=list)
    plans: dict[str, dict[str, Any]] = field(default_factory=dict)  # as first published
    renewed: dict[str, tuple[datetime, dict[str, Any]]] = field(default_factory=dict)
    clauses: list[dict[str, Any]] = field(default_factory=list)


class World:
    """One made-up city. ``plans``, ``departments`` and ``clauses`` are what it would publish; ``cases`` what happened.

    Everything is plain data in the shapes that the city's own imports take.
    """

    def __init__(self, seed: int) -> None:
        self._seed = str(seed)
        self._laws = {one["kind"]: self._law(one) for one in _pools()["kinds"]}
        self._weights = {kind: dice(self._seed, "weight", kind).uniform(0.5, 2.0) for kind in self._laws}

    @property
    def departments(self) -> dict[str, Text]:
        """Departments by code."""
        return {one["code"]: dict(one["title"]) for one in _pools()["departments"]}

    @property
    def begun(self) -> datetime:
        """When the history of the world begins."""
        return _BEGUN

    @property
    def ended(self) -> datetime:
        """When it ends."""
        return _BEGUN + _SPAN

    def plans(self, at: datetime | None = None) -> list[dict[str, Any]]:
        """The plans as of ``at`` (by default of all times, older versions first), as plan authors write them."""
        found = []
        for law in self._laws.values():
            for name, plan in law.plans.items():
                renewed = law.renewed.get(name)
                if at is None or renewed is None or at < renewed[0]:
                    found.append(plan)
                if renewed is not None and (at is None or at >= renewed[0]):
                    found.append(renewed[1])
        return found

    def clauses(self) -> list[dict[str, Any]]:
        """The clauses of the made-up law, with the dates on which they are in force."""
        return [clause for law in self._laws.values() for clause in law.clauses]

    # ── the hidden rules ────────────────────────────────────────────────────────────────────────────────────────

    def _law(self, declared: Mapping[str, Any]) -> _Law:
        kind, law = str(declared["kind"]), _Law()
        draw = dice(self._seed, "law", kind)
        count = len(declared["situations"])
        pool = self._steps(kind, declared["units"], draw)
        names = [f"{kind.replace('_', '-')}-{number}" for number in range(1, count + 5)]
        for number, name in enumerate(names):
            levels = [1, 2, 3, 4] if number < count + 2 else [1, 2] if number % 2 else [3, 4]
            law.plans[name] = self._plan(name, kind, declared["title"], levels, pool, draw)
        anywhere = names[: count + 2]
        for situation in range(count):
            law.rules += self._rules(situation, anywhere, names, law, draw)
        for name in draw.sample(names, 3):
            at = _BEGUN + draw.uniform(0.3, 0.75) * _SPAN
            law.renewed[name] = (at, self._renewed(law.plans[name], pool, draw))
        law.habits = [self._habit(declared, law, pool, draw) for _ in range(3 * count)]
        law.clauses = self._clauses(kind, pool, draw)
        return law

    def _steps(self, kind: str, units: Sequence[str], draw: Random) -> list[dict[str, Any]]:
        doing = (
            ("cordon", "现场警戒", "cordon off"), ("survey", "现场勘查", "survey the site"), ("repair", "抢修", "repair"),
            ("evacuate", "疏散转移", "evacuate"), ("divert", "交通疏导", "divert traffic"),
            ("sample", "采样检测", "take samples"),
            ("supply", "物资保障", "bring supplies"), ("inform", "信息发布", "inform the public"),
            ("medical", "医疗待命", "medical stand-by"), ("pump", "抽排清理", "pump and clear"),
            ("inspect", "隐患排查", "inspect nearby"), ("review", "总结上报", "sum up and report"),
        )  # fmt: skip
        return [
            {
                "id": f"{id}-{kind.replace('_', '-')}",
                "title": text(f"{zh}（模拟）", f"{en} (simulated)"),
                "unit": "press" if id == "inform" else draw.choice(list(units)),
                "accept_within": "PT15M",
                "due": f"PT{draw.choice((1, 2, 3, 4, 6, 8, 12))}H",
            }
            for id, zh, en in doing
        ]

    def _plan(
        self, name: str, kind: str, title: Text, levels: list[int], pool: Sequence[dict[str, Any]], draw: Random
    ) -> dict[str, Any]:
        number = name.rpartition("-")[2]
        steps = sorted(draw.sample(range(len(pool)), draw.randint(4, 8)))
        return {
            "plan": name,
            "version": "1",
            "title": text(f"{title['zh-CN']}预案{number}（模拟）", f"{title['en']}, plan {number} (simulated)"),
            "for": {"kind": kind, "levels": levels},
            "steps": [dict(pool[i]) for i in steps],
        }

    def _renewed(self, plan: Mapping[str, Any], pool: Sequence[dict[str, Any]], draw: Random) -> dict[str, Any]:
        there = {step["id"] for step in plan["steps"]}
        others = [dict(step) for step in pool if step["id"] not in there]
        return {**plan, "version": "2", "steps": [*plan["steps"], draw.choice(others)]}

    def _rules(self, situation: int, anywhere: list[str], names: list[str], law: _Law, draw: Random) -> list[_Rule]:
        """The rules of one situation, the particular ones first; the last one always holds."""

        def plan(severe: bool | None = None) -> str:
            fitting = [name for name in names if (1 if severe else 4) in law.plans[name]["for"]["levels"]]
            return draw.choice(anywhere if severe is None else fitting)

        found = []
        if draw.random() < 0.8:
            found.append(_Rule(plan(True), situation, severe=True))
        if draw.random() < 0.3:
            found.append(
                _Rule(plan(False), situation, severe=False, zone=draw.choice(("centre", "suburb", "industry")))
            )
        if draw.random() < 0.5:
            found.append(_Rule(plan(), situation, zone=draw.choice(("centre", "suburb", "industry"))))
        if draw.random() < 0.25:
            found.append(_Rule(plan(), situation, night=True))
        if draw.random() < 0.25:
            found.append(_Rule(plan(), situation, winter=True))
        fate = draw.random()
        if fate < 0.25:  # a habit of some years ago, or one that is still to come
            turn = _BEGUN + (draw.uniform(0.4, 0.75) if fate < 0.2 else draw.uniform(0.85, 0.95)) * _SPAN
            found += [_Rule(plan(), situation, until=turn)]
        return [*found, _Rule(plan(), situation)]

    def _habit(
        self, declared: Mapping[str, Any], law: _Law, pool: Sequence[dict[str, Any]], draw: Random
    ) -> _Habit:  # fmt: skip
        situation = draw.randrange(len(declared["situations"]))
        plan = draw.choice([rule.plan for rule in law.rules if rule.situation == situation])
        steps = law.plans[plan]["steps"]
        missing = [step for step in pool if step["id"] not in {one["id"] for one in steps}]
        op, step = draw.choice(("add", "add", "skip", "reassign", "extend")), draw.choice(steps)
        change: dict[str, object] = {"op": op, "step": step["id"], "reason": "按本区惯例（模拟）"}
        if op == "add":
            new = draw.choice(missing)
            change |= {"step": new["id"], "unit": new["unit"], "due": new["due"], "title": new["title"]}
        elif op == "reassign":
            change["unit"] = draw.choice([unit for unit in declared["units"] if unit != step["unit"]])
        elif op == "extend":
            change["due"] = f"PT{2 * int(step['due'].strip('PTH'))}H"
        district = draw.choice(_pools()["districts"])["code"]
        return _Habit(district, situation, change, plan, draw.uniform(0.7, 0.95), draw.choice((None, None, True)))

    def _clauses(self, kind: str, pool: Sequence[dict[str, Any]], draw: Random) -> list[dict[str, Any]]:
        spans = (
            (0.0, None, [1, 2, 3, 4]),  # always
            (0.0, draw.uniform(0.5, 0.9), [1, 2, 3]),  # one that ends
            (draw.uniform(0.82, 0.97), None, [1, 2, 3, 4]),  # one that no case before the split can know
        )
        found = []
        for number, ((since, until, levels), step) in enumerate(zip(spans, draw.sample(list(pool), 3), strict=True), 1):
            found.append({
                "id": f"synthetic-{kind.replace('_', '-')}-{number}",
                "title": step["title"],
                "text": step["title"],
                "law": text("模拟法规", "Synthetic rules"),
                "article": f"第{number}条",
                "source": "synthetic: not a real law",
                "verified": False,
                "from": (_BEGUN + since * _SPAN).date().isoformat(),
                **({} if until is None else {"until": (_BEGUN + until * _SPAN).date().isoformat()}),
                "mandates": [{
                    "kind": kind, "levels": levels, "step": step["id"].split("-")[0] + "-*", "duty": step["title"],
                    "unit": step["unit"], "due": step["due"],
                }],
            })  # fmt: skip
        return found

    # ── what happened ───────────────────────────────────────────────────────────────────────────────────────────

    def cases(self, count: int) -> list[dict[str, Any]]:
        """So many closed cases, in the order in which they were opened."""
        draw = dice(self._seed, "cases")
        moments = sorted(draw.random() for _ in range(count))
        found: list[dict[str, Any]] = []
        recent: list[tuple[_Happening, str]] = []
        for number, share in enumerate(moments):
            at = (_BEGUN + share * _SPAN).replace(microsecond=0)
            if recent and draw.random() < 0.05:  # the same matter once more
                one, words = draw.choice(recent[-20:])
                if at - one.at < timedelta(days=3):
                    found.append(
                        self._case(number, _Happening(**{**_plain(one), "at": at}), self._again(words, draw), draw)
                    )
                    continue
            one = self._happening(at, draw)
            words = self._words(one, draw)
            recent.append((one, words))
            found.append(self._case(number, one, words, draw))
        return found

    def _happening(self, at: datetime, draw: Random) -> _Happening:
        seasons = (4.0, 0.3) if at.month in (12, 1, 2) else (0.1, 1.0)
        often = {"snow_ice": seasons[0], "waterlogging": seasons[1]}
        weights = [weight * often.get(kind, 1.0) for kind, weight in self._weights.items()]
        (kind,) = draw.choices(list(self._weights), weights)
        declared = next(one for one in _pools()["kinds"] if one["kind"] == kind)
        situation = draw.randrange(len(declared["situations"]))
        (level,) = draw.choices((1, 2, 3, 4), (1, 3, 5, 4))
        return _Happening(
            kind, situation, level, draw.choice(_pools()["districts"]), draw.randrange(len(_pools()["streets"])), at
        )

    def _words(self, one: _Happening, draw: Random) -> str:
        pools = _pools()
        declared = next(each for each in pools["kinds"] if each["kind"] == one.kind)
        phrases = declared["situations"][one.situation]
        told = draw.choice(phrases if one.at >= _BEGUN + _NEW_WORDS * _SPAN else phrases[:-1])
        where = f"{one.district['name']}{pools['streets'][one.street]}{draw.randint(1, 400)}号{draw.choice(pools['places'])}"
        parts = [f"{draw.choice(pools['opened'])}，{where}{told}", *draw.sample(pools["fillers"], draw.randint(0, 2))]
        if draw.random() < 0.1:  # a word of something else that it is not
            other = draw.choice(draw.choice(declared["situations"])).partition("，")[0]
            parts.append(f"并非{other}")
        words = "，".join(parts) + "。"
        for word, others in pools["synonyms"].items():
            if word in words and draw.random() < 0.5:
                words = words.replace(word, draw.choice(others))
        if draw.random() < 0.15:  # a character is lost
            at = draw.randrange(len(words))
            words = words[:at] + words[at + 1 :]
        return words

    def _again(self, words: str, draw: Random) -> str:
        return draw.choice(("再次来电：", "补充：", "")) + words.replace(
            "。", f"，{draw.choice(_pools()['fillers'])}。"
        )

    def right_plan(self, one: _Happening) -> str:
        """What the hidden rules say."""
        return next(rule.plan for rule in self._laws[one.kind].rules if rule.holds(one))

    def _case(self, number: int, one: _Happening, words: str, draw: Random) -> dict[str, Any]:
        law = self._laws[one.kind]
        right = self.right_plan(one)
        name = right
        if draw.random() < 0.06:  # a mistake
            fitting = [plan for plan in law.plans if one.level in law.plans[plan]["for"]["levels"]]
            name = draw.choice(fitting)
        renewed = law.renewed.get(name)
        plan = renewed[1] if renewed is not None and one.at >= renewed[0] else law.plans[name]
        changes = self._changes(one, law, plan, draw)
        steps, took = self._done(plan, changes, name != right, draw)
        where = dice(self._seed, "street", one.district["code"], str(one.street))
        lon = 120.8 + where.uniform(0, 0.3) + draw.uniform(-1, 1) * _SPOT / 95_000
        lat = 31.9 + where.uniform(0, 0.25) + draw.uniform(-1, 1) * _SPOT / 111_000
        return {
            "id": f"s{self._seed}-{number}",
            "kind": one.kind,
            "level": one.level,
            "opened_at": one.at.isoformat(),
            "closed_at": (one.at + timedelta(seconds=took)).isoformat(),
            "text": words,
            "place": one.district["code"],
            "lon": round(lon, 5),
            "lat": round(lat, 5),
            "plan": name,
            "version": plan["version"],
            "steps": steps,
            "changes": changes,
        }

    def _changes(self, one: _Happening, law: _Law, plan: Mapping[str, Any], draw: Random) -> list[dict[str, Any]]:
        there = {step["id"] for step in plan["steps"]}
        mandated = [
            mandate
            for clause in law.clauses
            if clause["from"] <= one.at.date().isoformat() < clause.get("until", "9999")
            for mandate in clause["mandates"]
            if one.level in mandate["levels"]
        ]
        kept = {mandate["step"].rstrip("*") for mandate in mandated}
        found: dict[tuple[str, str], dict[str, Any]] = {}
        for mandate in mandated:
            step = mandate["step"].rstrip("*") + one.kind.replace("_", "-")
            if step not in there:
                new = {
                    "op": "add",
                    "step": step,
                    "unit": mandate["unit"],
                    "due": mandate["due"],
                    "title": mandate["duty"],
                }
                found["add", step] = {**new, "reason": "法规要求（模拟）"}
        for habit in law.habits:
            step, op = str(habit.change["step"]), str(habit.change["op"])
            fits = (
                habit.district == one.district["code"]
                and habit.situation == one.situation
                and habit.plan == plan["plan"]
            )
            useful = (step not in there) if op == "add" else step in there
            forbidden = op == "skip" and any(step.startswith(mark) for mark in kept)
            if fits and useful and not forbidden and habit.night in (None, one.night) and draw.random() < habit.mostly:
                found.setdefault((op, step), dict(habit.change))
        if draw.random() < 0.05 and len(plan["steps"]) > 3:  # nobody knows why
            step = draw.choice(plan["steps"])["id"]
            if not any(step.startswith(mark) for mark in kept):
                found.setdefault(("skip", step), {"op": "skip", "step": step, "reason": "现场情况（模拟）"})
        return list(found.values())

    def _done(
        self, plan: Mapping[str, Any], changes: Sequence[Mapping[str, Any]], mistaken: bool, draw: Random
    ) -> tuple[list[dict[str, Any]], int]:
        by = {(change["op"], change["step"]): change for change in changes}
        wanted = [step for step in plan["steps"] if ("skip", step["id"]) not in by]
        wanted += [{"id": one["step"], **one} for one in changes if one["op"] == "add"]
        steps, longest = [], 0
        for step in wanted:
            unit = by.get(("reassign", step["id"]), step)["unit"]
            due = by.get(("extend", step["id"]), step)["due"]
            seconds = int(str(due).strip("PTH")) * _HOUR
            late = draw.random() < (0.4 if mistaken else 0.1)
            took = int(seconds * (draw.uniform(1.05, 2.0) if late else draw.uniform(0.2, 0.95)))
            longest = max(longest, took)
            steps.append({
                "step": step["id"], "unit": unit, "due": due, "took": took, "late": late,
                "rework": int(draw.random() < (0.2 if mistaken else 0.04)),
                "returned": int(draw.random() < (0.15 if mistaken else 0.02)),
            })  # fmt: skip
        return steps, longest + _HOUR


def _plain(one: _Happening) -> dict[str, Any]:
    return {name: getattr(one, name) for name in ("kind", "situation", "level", "district", "street", "at")}

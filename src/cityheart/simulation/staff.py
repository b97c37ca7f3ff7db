"""Simulated staff: a duty officer, a coordinator, and a clerk in every department, who answer as people do.

They read the event log like everybody else and act through the same verbs, each in the name of a simulated person. What
each of them does with a task, and how long it takes, is drawn from dice of the task's own, so a run with the same seed
is the same however often it was interrupted. They never decide what a detector finds.
"""

from __future__ import annotations

import heapq
import math
import tomllib
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from cityheart.sdk import Actor, Event, Problem, Text, derive, dice, text
from cityheart.simulation.office import Office

__all__ = ["PEOPLE", "Staff"]

_RULES = Path(__file__).parent / "staff.toml"

PEOPLE: Mapping[str, Actor] = {
    "officer": Actor(
        "user:sim-officer", text("值班长（模拟）", "Duty officer (simulated)"), None, frozenset({"duty_officer"})
    ),
    "coordinator": Actor(
        "user:sim-coordinator", text("协调员（模拟）", "Coordinator (simulated)"), None, frozenset({"coordinator"})
    ),
}


class Staff:
    """Simulated people of a city. A participant of the city's loop."""

    def __init__(self, office: Office, *, seed: int, zone: str) -> None:
        rules = tomllib.loads(_RULES.read_text("utf-8"))
        self._officer, self._coordinator = rules["officer"], rules["coordinator"]
        self._verifier, self._department = rules["verifier"], rules["department"]
        self._office = office
        self._seed = str(seed)
        self._zone = ZoneInfo(zone)
        self.patience = timedelta(0)  # how long the duty officer leaves an alert to somebody who is really there
        self._position = 0
        self._intended: list[tuple[datetime, int, Callable[[], None]]] = []
        self._drawn = 0
        self._reactions: dict[str, Callable[[Event], None]] = {
            "alert.raised": self._alerted,
            "alert.level_changed": self._alerted,
            "alert.ended": self._alert_over,
            "task.dispatched": self._dispatched,
            "task.accepted": self._accepted,
            "task.submitted": self._submitted,
            "task.returned": self._returned,
            "task.sent_back": self._dispatched,
            "task.extension_requested": self._extension_requested,
        }

    # ── a participant of the loop ───────────────────────────────────────────────────────────────────────────────

    def next_due(self) -> datetime | None:
        """When somebody next means to do something."""
        self._look()
        return self._intended[0][0] if self._intended else None

    def act(self, now: datetime) -> None:
        """Do what is meant to be done by ``now``. What people have decided otherwise meanwhile is left alone."""
        self._look()
        while self._intended and self._intended[0][0] <= now:
            _, _, do = heapq.heappop(self._intended)
            try:
                do()
            except Problem:
                continue  # somebody was faster, or the matter is over

    def _look(self) -> None:
        while found := self._office.events(self._position):
            for event in found:
                self._position = event.seq
                if event.type in self._reactions:
                    self._reactions[event.type](event)

    def _mean(self, at: datetime, do: Callable[[], None]) -> None:
        heapq.heappush(self._intended, (at, self._drawn, do))
        self._drawn += 1

    # ── dice ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _roll(self, *what: str) -> float:
        return dice(self._seed, *what).random()

    def _spread(self, rule: Mapping[str, float], *what: str) -> float:
        return float(rule["median"]) * math.exp(float(rule["spread"]) * dice(self._seed, *what).gauss(0, 1))

    def _minutes(self, rule: Mapping[str, float], *what: str) -> timedelta:
        return timedelta(seconds=round(60 * self._spread(rule, *what)))

    def _pace(self, unit: str, at: datetime) -> float:
        """How slow ``unit`` is at this hour; 1 is the usual."""
        own = math.exp(float(self._department["diligence"]) * dice(self._seed, "pace", unit).gauss(0, 1))
        hour = at.astimezone(self._zone).hour
        return own * (float(self._department["night"]) if hour >= 23 or hour < 6 else 1.0)

    # ── the duty officer ────────────────────────────────────────────────────────────────────────────────────────

    def _alerted(self, event: Event) -> None:
        data = event.data
        alert, level, before = str(data["alert_id"]), data["level"], data["from_level"]
        if isinstance(before, int) and isinstance(level, int) and level > before:
            return  # it eases: what is under way goes on
        click = (alert, str(event.n))
        seen = event.at + self.patience + self._minutes(self._officer["acknowledge"], "acknowledge", *click)
        sent = seen + self._minutes(self._officer["dispatch"], "dispatch", *click)
        officer = PEOPLE["officer"]
        self._mean(seen, lambda: self._office.acknowledge(officer, derive("sim", self._seed, "ack", *click), alert))
        self._mean(sent, lambda: self._office.dispatch(officer, derive("sim", self._seed, "dispatch", *click), alert))

    def _alert_over(self, event: Event) -> None:
        alert = str(event.data["alert_id"])
        at = event.at + self._minutes(self._officer["lift"], "lift", alert)
        reason = "预警已结束，解除应急措施 / the alert is over"
        command = derive("sim", self._seed, "lift", alert)
        self._mean(at, lambda: self._office.lift(PEOPLE["officer"], command, alert, reason))

    # ── clerks ──────────────────────────────────────────────────────────────────────────────────────────────────

    def clerk(self, unit: str) -> Actor:
        """The simulated clerk of a department."""
        title = self._office.title(unit)
        name: Text = text(f"{title['zh-CN']}值班员（模拟）", f"{title['en']} clerk (simulated)")
        return Actor(f"user:sim-{unit}", name, unit, frozenset({"clerk"}))

    def _task(self, event: Event, verb: str, at: datetime, actor: Actor, **payload: object) -> None:
        task = str(event.data["task"])
        command = derive("sim", self._seed, verb, task, str(event.n))
        self._mean(at, lambda: self._office.act(actor, command, task, verb, **payload))

    def _dispatched(self, event: Event) -> None:
        data: dict[str, Any] = event.data
        task, unit, due = str(data["task"]), str(data["unit"]), _moment(data["accept_due"])
        if data.get("state") == "accepted":
            self._accepted(event)
            return
        start = event.at
        share = self._spread(self._department["accept"], "accept", task) * self._pace(unit, start)
        at = start + (due - start) * share
        sent_back = event.type == "task.sent_back"  # who was refused once does not return the task again
        if data["round"] == 1 and not sent_back and self._roll("return", task) < self._department["return"]:
            reason = "不属于本部门职责，建议改派 / not within this department's duties"
            self._task(event, "return", at, self.clerk(unit), reason=reason)
        else:
            self._task(event, "accept", at, self.clerk(unit))

    def _accepted(self, event: Event) -> None:
        task, unit = str(event.data["task"]), str(event.data["unit"])
        due, rework = self._office.due(task), int(str(event.data["round"])) - 1
        if due is None:
            return
        start = event.at
        allowed = max(due - start, timedelta(minutes=20))
        share = self._spread(self._department["work"], "work", task) * self._pace(unit, start) * 0.7**rework
        done = start + allowed * share
        if done > due and self._roll("extend", task) < self._department["extend"]:
            asked = start + (due - start) * 0.8
            reason = "现场情况复杂，需延长 / more time is needed on site"
            until = due + (done - due) + timedelta(minutes=30)
            self._task(event, "request_extension", asked, self.clerk(unit), until=until, reason=reason)
        command = derive("sim", self._seed, "submit", task, str(event.n))
        self._mean(done, lambda: self._office.submit(self.clerk(unit), command, task))

    # ── verifier and coordinator ────────────────────────────────────────────────────────────────────────────────

    def _submitted(self, event: Event) -> None:
        task, verifier = str(event.data["task"]), event.data.get("verify_by")
        actor = self.clerk(str(verifier)) if verifier else PEOPLE["coordinator"]
        at = event.at + self._minutes(self._verifier["verify"], "verify", task)
        if event.data["round"] == 1 and self._roll("reject", task) < self._verifier["reject"]:
            self._task(event, "reject", at, actor, reason="佐证材料不足，请补充 / the evidence is not sufficient")
        else:
            self._task(event, "verify", at, actor)

    def _returned(self, event: Event) -> None:
        task, unit = str(event.data["task"]), str(event.data["unit"])
        at = event.at + self._minutes(self._coordinator["decide"], "decide", task)
        others = [other for other in self._office.units(task) if other != unit]
        if others and self._roll("uphold", task) < self._coordinator["uphold"]:
            to = others[int(self._roll("to", task) * len(others))]
            reason = "退单成立，改派 / the return is right"
            self._task(event, "decide_return", at, PEOPLE["coordinator"], approve=True, to=to, reason=reason)
        else:
            reason = "属于本部门职责，请办理 / it is this department's duty"
            self._task(event, "decide_return", at, PEOPLE["coordinator"], approve=False, reason=reason)

    def _extension_requested(self, event: Event) -> None:
        task = str(event.data["task"])
        at = event.at + self._minutes(self._coordinator["decide"], "decide-extension", task)
        granted = self._roll("grant", task) < self._coordinator["grant"]
        reason = "同意延期 / granted" if granted else "按原时限完成 / not granted"
        self._task(event, "decide_extension", at, PEOPLE["coordinator"], approve=granted, reason=reason)


def _moment(value: object) -> datetime:
    return datetime.fromisoformat(str(value))

"""The desks of simulated staff: the few things they look at and do, all through the verbs that people use."""

from __future__ import annotations

import struct
import zlib
from datetime import datetime

from cityheart.sdk import Actor, Command, Database, Event, Plan, Text, Watch, read_events

__all__ = ["Office"]

_SYSTEM = Actor.system("simulation")
_PAGE = 1_000  # events read at once


class Office:
    """What simulated people see and do."""

    def __init__(self, database: Database, watch: Watch, command: Command) -> None:
        self._database = database
        self._watch = watch
        self._command = command
        self._seen = -1
        self._plans: dict[str, Plan] = {}  # of runs: a run never changes its plan

    # ── seeing ──────────────────────────────────────────────────────────────────────────────────────────────────

    def events(self, after: int) -> list[Event]:
        """The events that followed ``after``; asks the log only when something happened."""
        if self._seen == self._database.appended:
            return []
        appended = self._database.appended
        with self._database.read() as conn:
            found = read_events(conn, after=after, limit=_PAGE)
        if len(found) < _PAGE:  # that was all
            self._seen = appended
        return found

    def title(self, unit: str) -> Text:
        """The name of a department."""
        return self._command.unit_title(unit)

    def due(self, task: str) -> datetime | None:
        """When a task is due."""
        return self._command.task(_SYSTEM, task).due

    def _plan(self, run: str) -> Plan:
        if run not in self._plans:
            self._plans[run] = self._command.plan_of(run)
        return self._plans[run]

    def units(self, task: str) -> list[str]:
        """The departments that take part in the task's run."""
        plan = self._plan(self._command.task(_SYSTEM, task).run)
        return sorted({step.unit for step in plan.steps})

    # ── doing ───────────────────────────────────────────────────────────────────────────────────────────────────

    def acknowledge(self, actor: Actor, command_id: str, alert: str) -> None:
        """Take note of an alert."""
        self._watch.acknowledge(actor, alert, command_id)

    def dispatch(self, actor: Actor, command_id: str, alert: str) -> None:
        """Set the plan going that is suggested first; an alert without a plan is only noted."""
        shown = self._watch.alert(actor, alert)
        if shown["state"] == "ended":
            return
        suggested = self._command.suggest(str(shown["kind"]), int(str(shown["level"])), self._database.clock.now())
        if suggested:
            incident = self._watch.incident_spec(shown)
            self._command.dispatch(actor, command_id, incident, suggested[0].plan.digest)
            self._watch.follow_incidents()

    def lift(self, actor: Actor, command_id: str, alert: str, reason: str) -> None:
        """End the response to an alert that is over."""
        incident = self._command.incident_of(alert)
        if incident is not None:
            self._command.lift(actor, command_id, incident, reason)

    def act(self, actor: Actor, command_id: str, task: str, verb: str, **payload: object) -> None:
        """Do ``verb`` to a task."""
        self._command.act(actor, command_id, task, verb, **payload)  # type: ignore[arg-type]

    def submit(self, actor: Actor, command_id: str, task: str) -> None:
        """Report the work done, with as much evidence as the plan asks for."""
        found = self._command.task(actor, task)
        step = self._plan(found.run).step(found.step)
        asked = {evidence.kind: evidence.min for evidence in step.evidence}
        for number in range(asked.get("photo", 0)):
            self._command.attach(actor, task, f"site-{number + 1}.png", [_picture(f"{task}-{number}")])
        form = {"checked": True, "result": "done", "simulated": True} if asked.get("form") else None
        note = f"已完成：{step.title['zh-CN']}（模拟回执） / done: {step.title['en']} (simulated receipt)"
        self._command.act(actor, command_id, task, "submit", note=note, form=form)


def _picture(name: str) -> bytes:
    """A small PNG of one of sixteen colours, which depends on ``name``: stands for a photo from the site."""
    shade = zlib.crc32(name.encode()) % 16
    colour = bytes((40 + 8 * shade, 120, 200 - 8 * shade))
    rows = b"".join(b"\x00" + colour * 32 for _ in range(24))

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 32, 24, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")

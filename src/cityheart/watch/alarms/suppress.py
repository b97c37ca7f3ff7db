"""The verbs of silence: a named person silences a matter, a kind or a detector for a while, sees it, and lifts it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Literal

from cityheart.kernel import limits
from cityheart.kernel.access import departments, require
from cityheart.kernel.actors import Actor
from cityheart.kernel.database import Database, Work
from cityheart.kernel.errors import Conflict, Forbidden, Invalid, NotFound, TooMany
from cityheart.kernel.ids import derive
from cityheart.watch.alarms import store
from cityheart.watch.alarms.models import SCOPES, Ended, Scope, Suppression, covering
from cityheart.watch.models import Alert, Person, said_by
from cityheart.watch.store import alert_of, mark_suppressed

__all__ = ["Suppressing"]

_SYSTEM = Actor.system("watch")
_STATES = {"in_force": False, "ended": True, "all": None}
Why = Literal["lifted", "expired", "rose", "another_detector"]


class Suppressing:
    """What is silenced in one city."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # ── silencing ──────────────────────────────────────────────────────────────────────────────────────────────

    def suppress(
        self,
        actor: Actor,
        alert_id: str,
        command_id: str,
        *,
        scope: Scope,
        until: datetime,
        reason: str,
        detector: str | None = None,
    ) -> dict[str, object]:
        """Silence what the alert is about, at its present level, until ``until``; the suppression as the API shows it.

        ``scope``: ``matter`` (this kind and subject), ``kind`` (every subject; alerts that somebody has begun with stay
        where they are), ``detector`` (what one detector says of the subject). Raises :class:`Invalid` for a time in the
        past or beyond ``limits.SUPPRESSION_SPAN``, without a reason, for a detector that says nothing of the alert;
        :class:`Conflict` when it is silenced or over, and for a whole kind at red; :class:`Forbidden`,
        :class:`NotFound`, :class:`TooMany`.
        """
        require(actor, "alert.suppress")
        if "system" in actor.roles:
            raise Forbidden("the system does not silence alerts", remedy="a named person does")
        if scope not in SCOPES:
            raise Invalid(f"scope {scope!r} is unknown", remedy=f"one of {', '.join(SCOPES)}")
        if not reason.strip() or len(reason) > limits.TEXT_CHARS:
            raise Invalid("a suppression has a reason", remedy=f"1 to {limits.TEXT_CHARS} characters")
        if until.tzinfo is None:
            raise Invalid("until has no offset", remedy="write it as 2026-05-01T08:00:00+08:00")
        payload = {"alert_id": alert_id, "scope": scope, "detector": detector, "until": until, "reason": reason}

        def do(work: Work) -> dict[str, object]:
            alert = self._silenceable(work, alert_id, scope, until)
            whose = self._detector(alert, detector) if scope == "detector" else None
            made = Suppression(
                id=derive("suppression", alert_id, command_id),
                scope=scope,
                kind=alert.kind,
                kind_title=alert.kind_title,
                department=alert.department,
                detector=whose,
                subject=None if scope == "kind" else alert.subject,
                level=alert.level if whose is None else said_by(alert.standing)[whose],
                reason=reason.strip(),
                by=Person(work.actor.id, work.actor.name),
                at=work.now,
                until=until,
            )
            self._begin(work, made, alert)
            return {"suppression_id": made.id}

        done = self._database.once(actor, command_id, "alert.suppress", payload, do)
        return self.suppression(actor, str(done["suppression_id"]))

    def lift(self, actor: Actor, suppression_id: str, command_id: str, reason: str = "") -> dict[str, object]:
        """End a suppression before its time; its alerts are back in the queue. Raises as :meth:`suppress` does."""
        require(actor, "alert.suppress")
        if "system" in actor.roles:
            raise Forbidden("the system does not lift suppressions", remedy="a named person does")
        if len(reason) > limits.TEXT_CHARS:
            raise Invalid(f"the reason has {len(reason)} characters", remedy=f"at most {limits.TEXT_CHARS}")

        def do(work: Work) -> dict[str, object]:
            held = departments(work.actor, "alert.suppress")
            one = store.suppression_of(work.conn, suppression_id, held, lock=True)
            if one is None:
                raise NotFound(f"no suppression {suppression_id}")
            if one.ended is not None:
                raise Conflict(f"the suppression is over: {one.ended}", remedy="nothing needs to be done")
            self._end(work, one, "lifted", work.now, reason)
            return {"suppression_id": one.id}

        payload = {"suppression_id": suppression_id, "reason": reason}
        self._database.once(actor, command_id, "suppression.lift", payload, do)
        return self.suppression(actor, suppression_id)

    def _silenceable(self, work: Work, alert_id: str, scope: Scope, until: datetime) -> Alert:
        if not work.now < until <= work.now + limits.SUPPRESSION_SPAN:
            raise Invalid(
                f"until {until.isoformat()} is not within {limits.SUPPRESSION_SPAN.days} days from now",
                remedy="nothing is silenced for ever: choose an earlier end, and look at the matter again then",
            )
        alert = alert_of(work.conn, alert_id, departments(work.actor, "alert.suppress"), lock=True)
        if alert is None:
            raise NotFound(f"no alert {alert_id}")
        if alert.state == "ended":
            raise Conflict("the alert is over", remedy="there is nothing left to silence")
        if alert.suppressed_by is not None:
            raise Conflict("the alert is silenced already", remedy="lift that suppression first")
        if scope == "kind" and alert.level == 1:
            raise Conflict("red alerts of a whole kind are not silenced", remedy="silence this one matter")
        if len(store.in_force(work.conn)) >= limits.SUPPRESSIONS:
            raise TooMany(f"{limits.SUPPRESSIONS} suppressions are in force", remedy="lift those nobody needs")
        return alert

    @staticmethod
    def _detector(alert: Alert, named: str | None) -> str:
        said = said_by(alert.standing)
        if named is None and len(said) == 1:
            return next(iter(said))
        if named is None or named not in said:
            raise Invalid(
                f"the detector {named} says nothing of this alert", remedy=f"one of {', '.join(sorted(said))}"
            )
        return named

    def _begin(self, work: Work, made: Suppression, alert: Alert) -> None:
        store.insert(work.conn, made)
        data = {
            "suppression": made.id,
            "scope": made.scope,
            "kind": made.kind,
            "department": made.department,
            "detector": made.detector,
            "subject": made.subject and {"kind": made.subject.kind, "id": made.subject.id, "name": made.subject.name},
            "level": made.level,
            "until": made.until,
            "reason": made.reason,
            "alert_id": alert.id,
        }
        work.emit(f"suppression:{made.id}", "suppression.set", data)
        rules = store.in_force(work.conn)
        for each in store.candidates(work.conn, made, waiting_only=made.scope == "kind"):
            self._hold(work, each, covering(rules, each, work.now))
        if made.scope == "kind":  # the alert in front of the person, whatever its state
            chosen = alert_of(work.conn, alert.id, None, lock=True)
            if chosen is not None and chosen.suppressed_by is None:
                self._hold(work, chosen, covering(rules, chosen, work.now))

    @staticmethod
    def _hold(work: Work, alert: Alert, by: Suppression | None) -> None:
        if by is None:
            return
        mark_suppressed(work.conn, alert.id, by.id)
        store.hold(work.conn, alert, by, work.now)
        work.emit(f"alert:{alert.id}", "alert.suppressed", {**_named(alert), "suppression": by.id, "until": by.until})

    # ── the present ────────────────────────────────────────────────────────────────────────────────────────────

    def next_end(self) -> datetime | None:
        """When the next suppression runs out."""
        with self._database.read() as conn:
            return store.first_end(conn)

    def rules(self, work: Work) -> Sequence[Suppression]:
        """What is silenced now, for :meth:`judge`."""
        return store.in_force(work.conn)

    @staticmethod
    def judge(alert: Alert, before: Alert | None, rules: Iterable[Suppression]) -> Alert:
        """``alert`` with the suppression that keeps it off the queue, as a finding has just made it out of ``before``.

        A new alert is held when something covers it; one that is held stays so while something does. One that is in
        the queue stays there: nothing vanishes under a person's hands.
        """
        if alert.state == "ended" or (before is not None and before.suppressed_by is None):
            return alert
        found = covering(rules, alert, alert.updated_at)
        return replace(alert, suppressed_by=None if found is None else found.id)

    def turned(self, work: Work, alert: Alert, before: Alert | None, rules: Iterable[Suppression]) -> None:
        """Record that an alert is held from now on, or is back, or goes on being held by another suppression."""
        was = None if before is None else before.suppressed_by
        if was == alert.suppressed_by:
            return
        at = alert.updated_at
        if was is not None:
            store.release(work.conn, alert, at)
        if alert.suppressed_by is not None:
            by = next(rule for rule in rules if rule.id == alert.suppressed_by)
            store.hold(work.conn, alert, by, at)
            return
        assert before is not None
        old = next((rule for rule in rules if rule.id == was), None)
        why: Why = "rose" if alert.level < before.level else "another_detector"
        if old is None or old.until <= at:
            why = "expired"
        self._told(work, alert, str(was), why, at)

    def expire(self, now: datetime) -> int:
        """End the suppressions whose time is over by ``now``; how many there were."""
        with self._database.work(_SYSTEM) as work:
            over = store.in_force(work.conn, due=now, lock=True)
            for one in over:
                self._end(work, one, "expired", one.until, "")
        return len(over)

    def _end(self, work: Work, one: Suppression, how: Ended, at: datetime, reason: str) -> None:
        by = Person(work.actor.id, work.actor.name) if how == "lifted" else None
        store.update(work.conn, replace(one, ended=how, ended_at=at, ended_by=by))
        data = {"suppression": one.id, "kind": one.kind, "department": one.department, "at": at}
        named = {"lifted": "suppression.lifted", "expired": "suppression.expired"}[how]
        work.emit(f"suppression:{one.id}", named, data if how == "expired" else {**data, "reason": reason})
        rules = store.in_force(work.conn)
        for alert in store.held_by(work.conn, one.id):
            other = covering(rules, alert, at)
            store.release(work.conn, alert, at)
            mark_suppressed(work.conn, alert.id, None if other is None else other.id)
            if other is None:
                self._told(work, alert, one.id, how, at)
            else:
                store.hold(work.conn, alert, other, at)

    @staticmethod
    def _told(work: Work, alert: Alert, suppression: str, why: Why, at: datetime) -> None:
        data = {**_named(alert), "suppression": suppression, "why": why, "known_at": at}
        work.emit(f"alert:{alert.id}", "alert.returned", data)

    # ── reading ────────────────────────────────────────────────────────────────────────────────────────────────

    def suppression(self, actor: Actor, id: str) -> dict[str, object]:
        """One suppression with ``alerts``: ``{"held": n, "ever": n}``. Raises :class:`NotFound`."""
        require(actor, "alert.read")
        with self._database.read() as conn:
            one = store.suppression_of(conn, id, departments(actor, "alert.read"))
            if one is None:
                raise NotFound(f"no suppression {id}")
            counts = store.kept_by(conn, [id])
        return _shown(one, counts.get(id))

    def suppressions(
        self, actor: Actor, *, state: str = "in_force", limit: int = 50, after: str | None = None
    ) -> dict[str, object]:
        """A page of suppressions, the newest first: ``{"items", "total", "next"}``; ``state``: in_force, ended, all."""
        require(actor, "alert.read")
        if state not in _STATES:
            raise Invalid(f"state {state!r} is unknown", remedy=f"one of {', '.join(_STATES)}")
        if not 1 <= limit <= limits.PAGE_ROWS:
            raise Invalid(f"limit {limit} is out of range", remedy=f"1 to {limits.PAGE_ROWS}")
        held = departments(actor, "alert.read")
        with self._database.read() as conn:
            last = None if after is None else store.suppression_of(conn, after, held)
            if after is not None and last is None:
                raise Invalid(f"after names no suppression: {after!r}", remedy="give the next of the page before")
            found, total = store.suppressions(conn, held, ended=_STATES[state], limit=limit + 1, after=last)
            items = found[:limit]
            counts = store.kept_by(conn, [one.id for one in items])
        return {
            "items": [_shown(one, counts.get(one.id)) for one in items],
            "total": total,
            "next": items[-1].id if len(found) > limit else None,
        }


def _shown(one: Suppression, counts: tuple[int, int] | None) -> dict[str, object]:
    now, ever = counts or (0, 0)
    return {**one.json(), "alerts": {"held": now, "ever": ever}}


def _named(alert: Alert) -> dict[str, object]:
    return {
        "alert_id": alert.id,
        "kind": alert.kind,
        "department": alert.department,
        "subject": {"kind": alert.subject.kind, "id": alert.subject.id, "name": alert.subject.name},
        "level": alert.level,
        "incident_id": alert.incident_id,
    }

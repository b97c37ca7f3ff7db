"""The verbs of watch: detectors look at what has landed, findings become alerts, a named person acknowledges them.

The present is made in two moves. :meth:`Watch.detect` looks at every landed row and keeps what it finds as *pending*,
each finding with the moment at which the city knew it; :meth:`Watch.apply` merges those whose moment has come. So
history may land in large pieces ahead of a virtual clock, and the alerts are the same as if it had come hour by hour.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Protocol, cast
from zoneinfo import ZoneInfo

import pyarrow as pa
import structlog

from cityheart.engine.keyed import State, dump_state, load_state
from cityheart.engine.lake import Lake
from cityheart.kernel import events, limits
from cityheart.kernel.access import departments, require
from cityheart.kernel.actors import Actor
from cityheart.kernel.database import Database, Work
from cityheart.kernel.errors import Conflict, Forbidden, Invalid, NotFound, Problem, TooLarge
from cityheart.kernel.events import Event, Subscription
from cityheart.kernel.ids import derive
from cityheart.kernel.text import Text, text
from cityheart.watch import store
from cityheart.watch.alarms.models import Suppression
from cityheart.watch.alarms.rate import Rates
from cityheart.watch.alarms.suppress import Suppressing
from cityheart.watch.backtest import BacktestReport, Replay
from cityheart.watch.evidence import Readers, Sharing
from cityheart.watch.merging import Matter, Turn, merge, reason_of
from cityheart.watch.models import (
    Alert,
    AlertKind,
    Detector,
    Finding,
    KeyedDetector,
    LevelChange,
    Person,
    QueryDetector,
    Survey,
    inputs_of,
    plain,
)
from cityheart.watch.runs import Standing, ask, first_instant, in_order, landed_by, step_over
from cityheart.watch.store import Checkpoint
from cityheart.watch.surveys import Ground, Seen, Snapshot, look
from cityheart.watch.tracks.models import Tracking
from cityheart.watch.tracks.step import Follower

__all__ = ["Derived", "Watch"]

_SYSTEM = Actor.system("watch")
_STATES: Mapping[str, tuple[str, ...]] = {
    "open": ("raised", "acknowledged"),
    "suppressed": ("raised", "acknowledged"),
    "ended": ("ended",),
    "all": ("raised", "acknowledged", "ended"),
}
_SUPPRESSED: Mapping[str, bool] = {"open": False, "suppressed": True}
_log = structlog.get_logger("watch")


class Derived(Protocol):
    """Where the outputs of detectors land: the share."""

    def derived(self, dataset: str, rows: pa.Table, *, transaction: tuple[str, int]) -> int:
        """Land rows of a derived dataset; the same transaction twice lands once. Returns the lake version."""
        ...


class Watch:
    """Detectors and alerts of one city. ``zone`` is the city's time zone, by which alerted days are counted.

    ``folder``: the city's, where surveys find files such as that of its closed zones.
    """

    def __init__(
        self, database: Database, lake: Lake, share: Derived, *, zone: str = "Asia/Shanghai", folder: Path | None = None
    ) -> None:
        self._database = database
        self._lake = lake
        self._share = share
        self._zone = zone
        self._ground = Ground(lake, ZoneInfo(zone), folder)
        self._kinds: dict[str, AlertKind] = {}
        self._followers: list[Follower] = []
        self._keyed: list[KeyedDetector] = []
        self._queries: list[QueryDetector] = []
        self._surveys: list[Survey] = []
        self._checkpoints: dict[str, Checkpoint] = {}
        self._states: dict[str, dict[str, State]] = {}
        self._failed: dict[str, _Failure] = {}
        self._pending: datetime | None = None
        self._pending_known = False
        self._readers = Readers(database, share if isinstance(share, Sharing) else None)
        self.suppressing = Suppressing(database)
        self.rates = Rates(database, zone)
        self.incidents = Subscription("watch.incidents", frozenset({"incident.opened"}), self._link)

    # ── what there is ──────────────────────────────────────────────────────────────────────────────────────────

    def register(self, detectors: Iterable[Detector], alert_kinds: Iterable[AlertKind]) -> None:
        """Take detectors and alert kinds into service; their datasets are in the lake already.

        A detector that is new starts with all rows of its dataset; a query detector or survey at its first instant from
        the city's present on. Raises as :meth:`declare` does.
        """
        self.declare(detectors, alert_kinds)
        with self._database.work(_SYSTEM) as work:
            for detector in self._all():
                self._checkpoints[detector.id] = _first_checkpoint(work, detector)
        self._pending_known = False

    def declare(self, detectors: Iterable[Detector], alert_kinds: Iterable[AlertKind]) -> None:
        """Know detectors and alert kinds, to be read about; nothing is stored and nothing detected.

        Raises :class:`Invalid` for a detector whose kind is not declared, twice the same id, or a circle of outputs and
        inputs.
        """
        self._kinds.update({kind.kind: kind for kind in alert_kinds})
        known = {detector.id for detector in self._all()}
        for detector in detectors:
            if detector.kind not in self._kinds:
                raise Invalid(
                    f"{detector.id}: no alert kind {detector.kind}", remedy="declare it in the app's alerts file"
                )
            if detector.id in known:
                raise Invalid(f"there are two detectors {detector.id}", remedy="give one of them another id")
            known.add(detector.id)
            if isinstance(detector, QueryDetector):
                self._queries.append(detector)
            elif isinstance(detector, Survey):
                self._surveys.append(detector)
            else:
                self._keyed.append(detector)
        self._keyed = in_order(self._keyed)

    def follow(self, trackings: Iterable[Tracking], folder: Path) -> None:
        """Follow vehicles from their first row on; their datasets are in the lake already.

        ``folder``: the city's, where files of areas lie. Raises :class:`Invalid` for areas that are none, and for a name
        that is taken.
        """
        for tracking in trackings:
            if tracking.id in {follower.id for follower in self._followers}:
                raise Invalid(f"there are two tracks {tracking.name}", remedy="give one of them another name")
            self._followers.append(Follower(tracking, self._lake, folder))
        with self._database.work(_SYSTEM) as work:
            for follower in self._followers:
                self._checkpoints[follower.id] = _first_checkpoint(work, follower)

    def _all(self) -> list[Detector]:
        return [*self._keyed, *self._queries, *self._surveys]

    def kinds(self) -> list[AlertKind]:
        """The alert kinds in service."""
        return list(self._kinds.values())

    def detectors(self, actor: Actor) -> list[dict[str, object]]:
        """Every detector: what it reads, its parameters, how far it is, and why it stands still if it does."""
        require(actor, "alert.read")
        with self._database.read() as conn:
            return [_shown(detector, store.checkpoint_of(conn, detector.id)) for detector in self._all()]

    # ── detecting ──────────────────────────────────────────────────────────────────────────────────────────────

    def detect(self, until: datetime) -> int:
        """Let every detector look at what it has not seen; returns how many findings came of it.

        Everything that the city knows by ``until`` must have landed: query detectors and surveys are asked for every
        instant up to it. Findings wait for :meth:`apply`. A detector that raises is reported (event ``detector.failed``) and left
        where it was, the others go on; it is tried again after a wait that doubles up to an hour, a keyed detector when
        something else has landed by then.
        """
        found = 0
        for keyed in [*self._followers, *self._keyed]:
            found += self._guarded(keyed, until, self._lake.version(keyed.dataset), partial(self._step, keyed))
        for query in self._queries:
            found += self._guarded(query, until, None, partial(self._ask, query, until))
        return found + self._survey(until)

    def _guarded(self, detector: Detector, until: datetime, version: int | None, run: Callable[[], int]) -> int:
        if self._waits(detector, until, version):
            return 0
        try:
            found = run()
        except Exception as error:  # a detector is an application's code: its fault must not stop the city
            self._stopped(detector, until, version, error)
            return 0
        self._failed.pop(detector.id, None)
        return found

    def _waits(self, detector: Detector, until: datetime, version: int | None) -> bool:
        before = self._failed.get(detector.id)
        return before is not None and before.stands(until, version)

    def _stopped(self, detector: Detector, until: datetime, version: int | None, error: Exception) -> None:
        before = self._failed.get(detector.id)
        self._failed[detector.id] = _Failure.after(before, until, version)
        self._states.pop(detector.id, None)
        self._report(detector, error, first=before is None)

    def _report(self, detector: Detector, error: Exception, *, first: bool) -> None:
        why = f"{type(error).__name__}: {error}"[: limits.DETECTOR_FAILURE_CHARS]
        with self._database.work(_SYSTEM) as work:
            news = store.stored_failure(work.conn, detector.id, why, work.now)
            if news:
                work.emit(f"detector:{detector.id}", "detector.failed", {"detector": detector.id, "why": why})
            checkpoint = store.checkpoint_of(work.conn, detector.id)
            assert checkpoint is not None
            self._checkpoints[detector.id] = checkpoint
        if news or first:
            trace = None if isinstance(error, Problem) else error
            _log.error("detector failed", detector=detector.id, why=why, exc_info=trace)

    def _step(self, detector: KeyedDetector) -> int:
        checkpoint = self._checkpoints[detector.id]
        if self._lake.version(detector.dataset) <= checkpoint.version:
            return 0
        changes = self._lake.changes(detector.dataset, checkpoint.version)
        if changes.rows.num_rows == 0:
            self._checkpoints[detector.id] = replace(checkpoint, version=changes.version)
            return 0
        upto = changes.version
        if detector.outputs:
            upto = self._announced(checkpoint, changes.version)
        rows = changes.rows if upto == changes.version else landed_by(changes.rows, upto)
        states = self._states_of(detector)
        run = step_over(detector, self._lake.spec(detector.dataset), states, rows)
        for name, table in run.outputs.items():
            self._share.derived(name, table, transaction=(f"watch:{detector.id}:{name}", upto))
        emitted = checkpoint.emitted + len(run.findings)
        moved = replace(checkpoint, version=upto, target=None, emitted=emitted, failure=None)
        self._save(checkpoint, moved, run.findings, {key: dump_state(state) for key, state in run.states.items()})
        states.update(run.states)
        if upto < changes.version:
            return len(run.findings) + self._step(detector)
        return len(run.findings)

    def _announced(self, checkpoint: Checkpoint, version: int) -> int:
        """The version up to which the step under way goes, stored before its outputs land.

        Outputs and checkpoint are in two stores. After a crash between the two, the same rows are stepped over again,
        and the lake knows their outputs by the version: they land once.
        """
        if checkpoint.target is not None:
            return checkpoint.target
        with self._database.work(_SYSTEM) as work:
            store.announce(work.conn, checkpoint.detector, version)
        return version

    def _states_of(self, detector: KeyedDetector) -> dict[str, State]:
        states = self._states.get(detector.id)
        if states is None:
            with self._database.read() as conn:
                states = {key: load_state(stored) for key, stored in store.states_of(conn, detector.id).items()}
            self._states[detector.id] = states
        return states

    def _ask(self, detector: QueryDetector, until: datetime) -> int:
        found = 0
        while (at := self._checkpoints[detector.id].next_at) is not None and at <= until:
            checkpoint = self._checkpoints[detector.id]
            memory = self._states_of_query(detector)
            standing = Standing.of(memory)
            count = min((until - at) // detector.every + 1, limits.QUERY_RUNS_PER_COMMIT)
            findings = ask(self._lake, detector, [at + n * detector.every for n in range(count)], standing)
            at += count * detector.every
            moved = replace(checkpoint, next_at=at, emitted=checkpoint.emitted + len(findings), failure=None)
            memory = standing.state()
            self._save(checkpoint, moved, findings, {"": dump_state(memory)} if findings else {})
            self._states[detector.id] = {"": memory}
            found += len(findings)
        return found

    def _survey(self, until: datetime) -> int:
        """Let surveys look at every instant up to ``until``, instant by instant: those of one share what they read."""
        found = 0
        going = [survey for survey in self._surveys if not self._waits(survey, until, None)]
        while turns := [
            _Turn(survey, at, Seen.of(self._states_of_query(survey)), [])
            for survey in going
            if (at := self._checkpoints[survey.id].next_at) is not None and at <= until
        ]:
            for _ in range(limits.QUERY_RUNS_PER_COMMIT):
                due = [turn for turn in turns if turn.error is None and turn.at <= until]
                if not due:
                    break
                snapshot = Snapshot(self._ground, min(turn.at for turn in due))
                for turn in due:
                    if turn.at == snapshot.now:
                        turn.take(snapshot)
            for turn in turns:
                self._surveyed(turn)
                found += len(turn.findings)
                if turn.error is None:
                    self._failed.pop(turn.survey.id, None)
                else:
                    self._stopped(turn.survey, until, None, turn.error)
                    going.remove(turn.survey)
        return found

    def _surveyed(self, turn: _Turn) -> None:
        checkpoint = self._checkpoints[turn.survey.id]
        if turn.at == checkpoint.next_at:
            return
        emitted = checkpoint.emitted + len(turn.findings)
        moved = replace(checkpoint, next_at=turn.at, emitted=emitted, failure=None)
        memory = turn.seen.state()
        self._save(checkpoint, moved, turn.findings, {"": dump_state(memory)})
        self._states[turn.survey.id] = {"": memory}

    def _states_of_query(self, detector: QueryDetector | Survey) -> State:
        states = self._states.get(detector.id)
        if states is None:
            with self._database.read() as conn:
                states = {key: load_state(stored) for key, stored in store.states_of(conn, detector.id).items()}
        return states.get("", {})

    def _save(
        self, before: Checkpoint, after: Checkpoint, findings: Sequence[Finding], states: Mapping[str, bytes]
    ) -> None:
        """One transaction: states, how far the detector is, pending findings."""
        for finding in findings:
            if finding.level is not None and finding.level not in self._kinds[finding.kind].levels:
                raise Invalid(
                    f"{finding.detector} gives level {finding.level}, for which {finding.kind} declares nothing",
                    remedy="declare advice and measures of that level in the app's alerts file",
                )
        with self._database.work(_SYSTEM) as work:
            stored = store.checkpoint_of(work.conn, before.detector, lock=True)
            if (
                stored is None
                or stored.version > before.version
                or (stored.emitted, stored.next_at) != (before.emitted, before.next_at)
            ):
                raise Conflict(
                    f"another process runs the detector {before.detector}", remedy="let one process run the city"
                )
            store.put_states(work.conn, before.detector, states)
            store.add_findings(work.conn, before.detector, before.emitted, findings)
            store.move_checkpoint(work.conn, after, work.now)
            if before.failure is not None:
                work.emit(f"detector:{before.detector}", "detector.recovered", {"detector": before.detector})
        self._checkpoints[before.detector] = after
        if findings:
            earliest = min(finding.at for finding in findings)
            if self._pending_known:
                self._pending = earliest if self._pending is None else min(self._pending, earliest)

    # ── the present ────────────────────────────────────────────────────────────────────────────────────────────

    def next_due(self) -> datetime | None:
        """When there is something to do next: a pending finding, an instant of a query detector, a suppression's end."""
        instants = [
            checkpoint.next_at
            for query in self._queries
            if query.id not in self._failed and (checkpoint := self._checkpoints[query.id]).next_at is not None
        ]
        others = self._earliest_pending(), self.suppressing.next_end()
        moments = [moment for moment in (*others, *instants) if moment is not None]
        return min(moments, default=None)

    def _earliest_pending(self) -> datetime | None:
        if not self._pending_known:
            with self._database.read() as conn:
                self._pending = store.earliest_pending(conn, self._kinds)
            self._pending_known = True
        return self._pending

    def apply(self, now: datetime) -> int:
        """Merge every pending finding up to ``now`` into alerts, in the order in which the city knew them."""
        merged = 0
        while (moment := self._earliest_pending()) is not None and moment <= now:
            self._pending_known = False
            with self._database.work(_SYSTEM) as work:
                due = store.due(work.conn, now, self._kinds, limits.FINDINGS_PER_COMMIT)
                rules = self.suppressing.rules(work)
                merging = [(one.id, self._merge(work, one.id, one.finding, rules)) for one in due]
                store.mark_merged(work.conn, merging)
            merged += len(due)
        ends = self.suppressing.next_end()
        if ends is not None and ends <= now:
            self.suppressing.expire(now)
        return merged

    def _merge(self, work: Work, finding_id: str, finding: Finding, rules: Sequence[Suppression]) -> str | None:
        kind = self._kinds[finding.kind]
        before = store.open_alert(work.conn, finding.kind, finding.subject)
        turn, matter = merge(None if before is None else _matter(before), finding)
        if matter is None:
            return None
        if before is None:
            earlier = store.past_alerts(work.conn, finding.kind, finding.subject)
            alert = self.suppressing.judge(_raised(kind, matter, earlier), None, rules)
            store.insert_alert(work.conn, alert)
        else:
            alert = self.suppressing.judge(_turned(kind, before, turn, matter), before, rules)
            store.update_alert(work.conn, alert)
        if turn != "confirmed":
            self._record(work, turn, alert, before, finding_id, finding)
        self.suppressing.turned(work, alert, before, rules)
        return alert.id

    def _record(
        self, work: Work, turn: Turn, alert: Alert, before: Alert | None, finding_id: str, finding: Finding
    ) -> None:
        level = None if turn == "ended" else alert.level
        change = LevelChange(level, alert.updated_at, reason_of(finding))
        store.add_level(work.conn, alert.id, change, finding_id)
        named = {"raised": "alert.raised", "ended": "alert.ended"}.get(turn, "alert.level_changed")
        data = {
            "alert_id": alert.id,
            "kind": alert.kind,
            "department": alert.department,
            "subject": {"kind": alert.subject.kind, "id": alert.subject.id, "name": alert.subject.name},
            "level": level,
            "from_level": None if before is None else before.level,
            "known_at": alert.updated_at,
            "reason": change.reason,
            "finding_id": finding_id,
            "detector": finding.detector,
            "incident_id": alert.incident_id,
            "suppressed_by": alert.suppressed_by,
        }
        work.emit(f"alert:{alert.id}", named, data)

    def acknowledge(self, actor: Actor, alert_id: str, command_id: str, note: str = "") -> Alert:
        """A named person takes note of the alert at its present level, which issues it.

        The same ``command_id`` again gives the same answer. Raises :class:`Forbidden` for the system itself or without
        the permission, :class:`NotFound`, :class:`Conflict` when it is acknowledged already or over.
        """
        require(actor, "alert.acknowledge")
        if "system" in actor.roles:
            raise Forbidden("the system does not acknowledge alerts", remedy="a named person does")
        if len(note) > limits.TEXT_CHARS:
            raise Invalid(f"the note has {len(note)} characters", remedy=f"at most {limits.TEXT_CHARS}")
        payload = {"alert_id": alert_id, "note": note}

        def do(work: Work) -> dict[str, object]:
            self._acknowledge(work, alert_id, note)
            return {"alert_id": alert_id}

        self._database.once(actor, command_id, "alert.acknowledge", payload, do)
        return self._visible(actor, alert_id)

    def _acknowledge(self, work: Work, alert_id: str, note: str) -> None:
        alert = store.alert_of(work.conn, alert_id, departments(work.actor, "alert.acknowledge"), lock=True)
        if alert is None:
            raise NotFound(f"no alert {alert_id}")
        if alert.state == "ended":
            raise Conflict("the alert is over", remedy="there is nothing left to acknowledge")
        if alert.state == "acknowledged":
            raise Conflict(f"{_name(alert)} has acknowledged the alert at this level already")
        person = Person(work.actor.id, work.actor.name)
        acknowledged = replace(
            alert, state="acknowledged", acknowledged_by=person, acknowledged_at=work.now, issued_at=work.now
        )
        store.update_alert(work.conn, acknowledged)
        data = {
            "alert_id": alert.id,
            "kind": alert.kind,
            "department": alert.department,
            "level": alert.level,
            "by": {"id": person.id, "name": person.name},
            "note": note,
            "issued_at": work.now,
        }
        work.emit(f"alert:{alert.id}", "alert.acknowledged", data)

    # ── reading ────────────────────────────────────────────────────────────────────────────────────────────────

    def alerts(
        self, actor: Actor, *, state: str = "open", level: int | None = None, limit: int = 50, after: str | None = None
    ) -> dict[str, object]:
        """A page of alerts: ``{"items", "total", "next"}``. Open ones come by severity, others newest first.

        ``state``: open (in the queue), suppressed, ended, all. ``after`` is the ``next`` of the page before. Raises
        :class:`Invalid` for others.
        """
        require(actor, "alert.read")
        if state not in _STATES:
            raise Invalid(f"state {state!r} is unknown", remedy=f"one of {', '.join(_STATES)}")
        if not 1 <= limit <= limits.PAGE_ROWS:
            raise Invalid(f"limit {limit} is out of range", remedy=f"1 to {limits.PAGE_ROWS}")
        held = departments(actor, "alert.read")
        with self._database.read() as conn:
            last = None if after is None else store.alert_of(conn, after, held)
            if after is not None and last is None:
                raise Invalid(f"after names no alert: {after!r}", remedy="give the next of the page before")
            found = store.alerts(
                conn,
                held,
                states=_STATES[state],
                level=level,
                most_severe_first=state in ("open", "suppressed"),
                limit=limit + 1,
                after=last,
                suppressed=_SUPPRESSED.get(state),
            )
            total = store.count_alerts(
                conn, held, states=_STATES[state], level=level, suppressed=_SUPPRESSED.get(state)
            )
        items = found[:limit]
        return {
            "items": [alert.json() for alert in items],
            "total": total,
            "next": items[-1].id if len(found) > limit else None,
        }

    def alert(self, actor: Actor, alert_id: str) -> dict[str, object]:
        """One alert with level history, evidence, reasons. Raises :class:`NotFound` for what the actor may not see.

        Evidence that rests on data which is not shared with the actor is named and withheld
        (:mod:`cityheart.watch.evidence`); seeing what is restricted is an event, once for an alert and a reader.
        """
        alert = self._visible(actor, alert_id)
        with self._database.read() as conn:
            found, reasons, detector = store.evidence_of(conn, alert_id)
            levels = store.levels_of(conn, alert_id)
        quiet = alert.suppressed_by
        evidence = self._readers.seen(actor, alert, found, self._inputs(detector))
        return {
            **alert.json(),
            "suppression": None if quiet is None else self.suppressing.suppression(actor, quiet),
            "standing": dict(alert.standing),
            "levels": [change.json() for change in levels],
            "evidence": evidence,
            "reasons": reasons,
        }

    def _inputs(self, detector_id: str) -> tuple[str, ...]:
        return next((tuple(inputs_of(one)) for one in self._all() if one.id == detector_id), ())

    def register_handlers(self, handlers: Callable[[str], Collection[str]]) -> None:
        """Know which departments have work in an incident, by its id: they see the evidence they work by."""
        self._readers.handlers = handlers

    def counts(self, actor: Actor) -> dict[str, object]:
        """How many alerts are in the queue: ``{"open", "raised", "levels": {"1": n, …}, "suppressed"}``."""
        require(actor, "alert.read")
        with self._database.read() as conn:
            counted = store.counts_by_level(conn, departments(actor, "alert.read"))
        suppressed = sum(n for (state, _), n in counted.items() if state == "suppressed")
        queue = {key: n for key, n in counted.items() if key[0] != "suppressed"}
        levels = {str(level): sum(n for (_, at), n in queue.items() if at == level) for level in (1, 2, 3, 4)}
        raised = sum(n for (state, _), n in queue.items() if state == "raised")
        return {"open": sum(queue.values()), "raised": raised, "levels": levels, "suppressed": suppressed}

    def about(self, actor: Actor, subjects: Sequence[tuple[str, str]]) -> list[dict[str, object]]:
        """Alerts about these subjects (kind, id) that the actor may see: open ones first, then the newest."""
        require(actor, "alert.read")
        if len(subjects) > limits.ALERT_SUBJECTS:
            raise Invalid(f"{len(subjects)} subjects at once", remedy=f"at most {limits.ALERT_SUBJECTS}")
        held = departments(actor, "alert.read")
        with self._database.read() as conn:
            found = store.alerts_about(conn, held, subjects, limits.SUBJECT_ALERTS + 1)
        if len(found) > limits.SUBJECT_ALERTS:
            raise TooLarge(f"more than {limits.SUBJECT_ALERTS} alerts", remedy="ask about fewer subjects")
        return [alert.json() for alert in found]

    def _visible(self, actor: Actor, alert_id: str) -> Alert:
        require(actor, "alert.read")
        with self._database.read() as conn:
            alert = store.alert_of(conn, alert_id, departments(actor, "alert.read"))
        if alert is None:
            raise NotFound(f"no alert {alert_id}")
        return alert

    def backtest(
        self,
        actor: Actor,
        detector_id: str,
        since: datetime,
        until: datetime,
        *,
        parameters: Mapping[str, object] | None = None,
    ) -> BacktestReport:
        """What the detector would have raised from ``since`` to ``until`` or the present, and when.

        It is replayed from the first landed row on, with ``parameters`` in place of its own, and at every moment sees
        only what the city knew then. Raises :class:`NotFound`, :class:`Invalid` for an unknown parameter or a detector
        that looks ahead, :class:`Forbidden`.
        """
        require(actor, "detector.backtest")
        return self.replay().run(self.detector(detector_id), since, until, parameters or {})

    def detector(self, detector_id: str) -> Detector:
        """A detector in service. Raises :class:`NotFound`."""
        found = [detector for detector in self._all() if detector.id == detector_id]
        if not found:
            names = ", ".join(detector.id for detector in self._all()) or "none"
            raise NotFound(f"no detector {detector_id}", remedy=f"detectors: {names}")
        return found[0]

    def replay(self, pace: Callable[[float], None] = lambda share: None) -> Replay:
        """The past of this city up to its present; ``pace`` is told how far a replay is and may end it."""
        return Replay(self._ground, self._database.clock.now(), pace)

    def cases(self, actor: Actor) -> list[dict[str, object]]:
        """What was found, one entry a case, by the moment it became known: what is compared with what really happened.

        ``{"kind", "subject", "from", "to", "raised_at", "score", "evidence"}``: ``from`` and ``to`` are the time of the fact,
        ``to`` is null while it goes on; score and evidence are the last given.
        """
        require(actor, "alert.read")
        held = departments(actor, "alert.read")
        found: list[dict[str, object]] = []
        going: dict[tuple[str, ...], dict[str, object]] = {}
        after: tuple[str, int] | None = None
        while True:
            with self._database.read() as conn:
                page = store.merged_findings(conn, held, after, limits.PAGE_ROWS)
            for n, finding in page:
                after = (finding.detector, n)
                case = (finding.detector, finding.kind, finding.subject.kind, finding.subject.id, finding.case)
                if finding.level is None:
                    if (over := going.pop(case, None)) is not None:
                        over["to"] = over["to"] or finding.end or finding.at
                    continue
                if case not in going:
                    going[case] = _case(finding)
                    found.append(going[case])
                one = going[case]
                one["from"] = min(cast(datetime, one["from"]), finding.start)
                one["to"], one["score"] = finding.end, finding.score
                seen = self._readers.shown(actor, finding.evidence, self._inputs(finding.detector))
                one["evidence"] = [*finding.reasons, *seen]
            if len(page) < limits.PAGE_ROWS:
                return sorted(found, key=lambda one: (one["raised_at"], one["kind"], one["subject"]))

    @staticmethod
    def incident_spec(shown: Mapping[str, object]) -> dict[str, object]:
        """The incident that an alert, as :meth:`alert` gives it, makes for command's ``dispatch``."""
        kind, subject = cast(Text, shown["kind_title"]), cast(Mapping[str, Text], shown["subject"])["name"]
        title = text(f"{subject['zh-CN']}：{kind['zh-CN']}", f"{kind['en']}: {subject['en']}")
        return {"alert_id": shown["id"], "kind": shown["kind"], "level": shown["level"], "title": title}

    # ── incidents ──────────────────────────────────────────────────────────────────────────────────────────────

    def follow_incidents(self) -> int:
        """Note on alerts which incidents have been opened for them; returns how many events were read."""
        return events.deliver(self._database, self.incidents)

    def _link(self, work: Work, event: Event) -> None:
        alert_id, incident_id = event.data.get("alert"), event.data.get("incident")
        if isinstance(alert_id, str) and isinstance(incident_id, str):
            store.link_incident(work.conn, alert_id, incident_id)


@dataclass(slots=True)
class _Turn:
    """A survey at work: its next instant, what it saw so far, what it found, and why it stopped if it did."""

    survey: Survey
    at: datetime
    seen: Seen
    findings: list[Finding]
    error: Exception | None = None

    def take(self, snapshot: Snapshot) -> None:
        """Look once and move on; what goes wrong is kept."""
        try:
            self.findings.extend(look(self.survey, snapshot, self.seen))
        except Exception as error:  # a survey is an application's code: its fault must not stop the city
            self.error = error
        else:
            self.at += self.survey.every


def _case(finding: Finding) -> dict[str, object]:
    return {
        "kind": finding.kind,
        "subject": finding.subject.id,
        "from": finding.start,
        "to": finding.end,
        "raised_at": finding.at,
        "score": finding.score,
        "evidence": [],
    }


@dataclass(frozen=True, slots=True)
class _Failure:
    """A detector that could not go on: not tried before ``again``, a keyed one not on the same ``version`` of its table."""

    version: int | None
    again: datetime
    wait: timedelta

    @classmethod
    def after(cls, before: _Failure | None, now: datetime, version: int | None) -> _Failure:
        wait = limits.DETECTOR_RETRY_FIRST if before is None else min(before.wait * 2, limits.DETECTOR_RETRY_LONGEST)
        return cls(version, now + wait, wait)

    def stands(self, now: datetime, version: int | None) -> bool:
        return now < self.again or (version is not None and version == self.version)


def _first_checkpoint(work: Work, detector: Detector) -> Checkpoint:
    stored = store.checkpoint_of(work.conn, detector.id)
    if stored is not None:
        return stored
    next_at = first_instant(detector, work.now) if isinstance(detector, (QueryDetector, Survey)) else None
    checkpoint = Checkpoint(detector.id, -1, None, next_at, 0, None)
    store.put_checkpoint(work.conn, checkpoint, work.now)
    return checkpoint


def _matter(alert: Alert) -> Matter:
    return Matter(
        alert.kind,
        alert.subject,
        alert.standing,
        alert.level,
        alert.score,
        alert.findings,
        alert.raised_at,
        alert.start_at,
        alert.updated_at,
    )


def _raised(kind: AlertKind, matter: Matter, earlier: int) -> Alert:
    subject = matter.subject
    words = kind.words(matter.level)
    return Alert(
        id=derive("alert", kind.kind, subject.kind, subject.id, matter.raised_at.isoformat(), str(earlier)),
        kind=kind.kind,
        kind_title=kind.title,
        department=kind.department,
        subject=subject,
        state="raised",
        level=matter.level,
        standing=matter.standing,
        score=matter.score,
        findings=matter.findings,
        raised_at=matter.raised_at,
        start_at=matter.start_at,
        updated_at=matter.updated_at,
        ended_at=None,
        acknowledged_by=None,
        acknowledged_at=None,
        incident_id=None,
        classification=kind.classification,
        area={language: phrase.replace("{subject}", subject.name[language]) for language, phrase in kind.area.items()},
        advice=words.advice,
        measures=words.measures,
        issuer=kind.issuer,
        issued_at=None,
    )


def _turned(kind: AlertKind, alert: Alert, turn: Turn, matter: Matter) -> Alert:
    turned = replace(
        alert,
        subject=matter.subject,
        level=matter.level,
        standing=matter.standing,
        score=matter.score,
        findings=matter.findings,
        start_at=matter.start_at,
        updated_at=matter.updated_at,
    )
    if turn == "ended":
        return replace(turned, state="ended", ended_at=matter.updated_at)
    if turn in ("rose", "fell"):
        words = kind.words(matter.level)
        turned = replace(turned, advice=words.advice, measures=words.measures)
    if turn == "rose":  # the higher level has not been issued by anybody yet
        return replace(turned, state="raised", acknowledged_by=None, acknowledged_at=None, issued_at=None)
    return turned


def _name(alert: Alert) -> str:
    return alert.acknowledged_by.id if alert.acknowledged_by is not None else "somebody"


def _shown(detector: Detector, checkpoint: Checkpoint | None) -> dict[str, object]:
    form = "query" if isinstance(detector, QueryDetector) else "survey" if isinstance(detector, Survey) else "keyed"
    return {
        "id": detector.id,
        "title": detector.title,
        "kind": detector.kind,
        "form": form,
        "inputs": list(inputs_of(detector)),
        "outputs": list(getattr(detector, "outputs", ())),
        "parameters": plain(detector.parameters),
        "findings": 0 if checkpoint is None else checkpoint.emitted,
        "next_at": None if checkpoint is None else checkpoint.next_at,
        "failure": None if checkpoint is None else checkpoint.failure,
    }

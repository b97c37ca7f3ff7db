"""Backtests: what would this rule have raised last year, and when.

A detector is replayed over the lake in the order in which the city came to know the rows, from the first one on, and
its findings are merged by the same function as now. It cannot look ahead: every finding is made again from a batch that
ends at the finding's own moment, and a detector that then says something else is refused.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import cast

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cityheart.engine.keyed import State
from cityheart.engine.layout import KNOWN_AT
from cityheart.kernel import limits
from cityheart.kernel.errors import Invalid, Problem, TooLarge
from cityheart.watch.merging import Matter, merge, reason_of
from cityheart.watch.models import (
    Detector,
    Finding,
    KeyedDetector,
    LevelChange,
    QueryDetector,
    SubjectRef,
    Survey,
    inputs_of,
)
from cityheart.watch.runs import Standing, ask, first_instant, step_over
from cityheart.watch.surveys import Ground, Seen, Snapshot, look

__all__ = ["BacktestReport", "PastAlert", "Replay", "merged"]

_TICK = timedelta(microseconds=1)
_WINDOW = timedelta(days=30)  # of the moment known: what is read and stepped over at once


@dataclass(frozen=True, slots=True)
class PastAlert:
    """An alert as it would have been; ``ended_at`` ``None``: it still stood at the end of the backtest."""

    kind: str
    subject: SubjectRef
    raised_at: datetime
    ended_at: datetime | None
    levels: tuple[LevelChange, ...]
    findings: int

    @property
    def highest(self) -> int:
        """The most severe level it reached, 1 red to 4 blue."""
        return min(change.level for change in self.levels if change.level is not None)

    def json(self) -> dict[str, object]:
        """As reports show it."""
        return {
            "kind": self.kind,
            "subject": {"kind": self.subject.kind, "id": self.subject.id, "name": self.subject.name},
            "raised_at": self.raised_at,
            "ended_at": self.ended_at,
            "levels": [change.json() for change in self.levels],
            "findings": self.findings,
        }


@dataclass(frozen=True, slots=True)
class BacktestReport:
    """What a detector would have raised: alerts that stood at some moment of ``since`` … ``until``.

    ``until`` is at most the present. ``rows`` were known by then; a query detector or survey was asked about them at
    ``runs`` instants, a keyed detector stepped over each of them once (``runs`` 0). ``alerted_hours`` and
    ``alerted_days`` (calendar days of the city) count the time in which at least one stood.
    """

    detector: str
    parameters: Mapping[str, object]
    since: datetime
    until: datetime
    rows: int
    runs: int
    findings: int
    alerts: tuple[PastAlert, ...]
    alerted_hours: float
    alerted_days: int

    def json(self) -> dict[str, object]:
        """As the API and the command line show it."""
        return {
            "detector": self.detector,
            "parameters": dict(self.parameters),
            "since": self.since,
            "until": self.until,
            "rows": self.rows,
            "runs": self.runs,
            "findings": self.findings,
            "raised": sum(alert.raised_at >= self.since for alert in self.alerts),
            "highest": {str(level): sum(a.highest == level for a in self.alerts) for level in (1, 2, 3, 4)},
            "alerted_hours": self.alerted_hours,
            "alerted_days": self.alerted_days,
            "alerts": [alert.json() for alert in self.alerts],
        }


@dataclass(slots=True)
class _Open:
    matter: Matter
    levels: list[LevelChange] = field(default_factory=list)


def merged(findings: Iterable[Finding]) -> list[PastAlert]:
    """The alerts that these findings make, in the order in which they were raised."""
    standing: dict[tuple[str, str, str], _Open] = {}
    past: list[PastAlert] = []
    order = sorted(enumerate(findings), key=lambda pair: (*_place(pair[1]), pair[0]))
    for _, finding in order:
        matter_key = (finding.kind, finding.subject.kind, finding.subject.id)
        before = standing.get(matter_key)
        turn, matter = merge(before.matter if before else None, finding)
        if matter is None:
            continue
        now = before or standing.setdefault(matter_key, _Open(matter))
        now.matter = matter
        if turn != "confirmed":
            level = None if turn == "ended" else matter.level
            now.levels.append(LevelChange(level, matter.updated_at, reason_of(finding)))
        if turn == "ended":
            past.append(_past(standing.pop(matter_key), matter.updated_at))
    past.extend(_past(left, None) for left in standing.values())
    return sorted(past, key=lambda alert: (alert.raised_at, alert.kind, alert.subject.kind, alert.subject.id))


def _place(finding: Finding) -> tuple[datetime, str, str, str]:
    return finding.at, finding.detector, finding.subject.kind, finding.subject.id


def _past(was: _Open, ended_at: datetime | None) -> PastAlert:
    matter = was.matter
    return PastAlert(matter.kind, matter.subject, matter.raised_at, ended_at, tuple(was.levels), matter.findings)


class Replay:
    """Replays detectors over what landed in a city. ``now`` is its present: nothing is replayed later."""

    def __init__(self, ground: Ground, now: datetime, pace: Callable[[float], None] = lambda share: None) -> None:
        self._pace = pace  # told how far it is, 0 to 1, between two steps; what it raises ends the replay
        self._ground = ground
        self._lake = ground.lake
        self._zone = ground.zone
        self._now = now

    def run(
        self, detector: Detector, since: datetime, until: datetime, parameters: Mapping[str, object]
    ) -> BacktestReport:
        """Replay from the first landed row to ``until``; see :meth:`cityheart.watch.service.Watch.backtest`."""
        if since.tzinfo is None or until.tzinfo is None or not since < until:
            raise Invalid(
                "a backtest runs from an aware moment to a later one", remedy="e.g. 2015-11-01T00:00:00+08:00"
            )
        tuned = with_parameters(detector, parameters)
        inputs = inputs_of(tuned)
        until = min(until, self._present(inputs))
        if not since < until:
            raise Invalid("nothing has happened yet from there on", remedy="a backtest begins in the past")
        try:
            if isinstance(tuned, (QueryDetector, Survey)):
                runs, findings = self._asked(tuned, until)
                rows = sum(self._count(name, until) for name in inputs)
            else:
                runs = 0
                rows, findings = self._stepped(tuned, until)
        except Problem:
            raise
        except Exception as error:  # a detector is an application's code
            raise Invalid(
                f"{tuned.id} cannot go on: {type(error).__name__}: {error}",
                remedy="look at its parameters, or mend the application",
            ) from error
        stood = [a for a in merged(findings) if a.ended_at is None or a.ended_at > since]
        spans = _union((max(a.raised_at, since), min(a.ended_at or until, until)) for a in stood)
        return BacktestReport(
            detector=tuned.id,
            parameters=tuned.parameters,
            since=since,
            until=until,
            rows=rows,
            runs=runs,
            findings=len(findings),
            alerts=tuple(stood),
            alerted_hours=round(sum((end - start).total_seconds() for start, end in spans) / 3600, 3),
            alerted_days=len({day for start, end in spans for day in self._days(start, end)}),
        )

    def _present(self, datasets: Iterable[str]) -> datetime:
        """The city's present, or right after the newest row that is known: history may have landed ahead of the clock."""
        known = [last + _TICK for name in datasets for _, last, _ in self._landed(name)]
        return max([self._now, *known])

    def _count(self, dataset: str, until: datetime) -> int:
        files = self._landed(dataset)
        if all(last < until for _, last, _ in files):
            return sum(rows for _, _, rows in files)
        sql = f"SELECT count(*) AS n FROM {dataset}__versions WHERE _known_at < $end"  # noqa: S608
        counted = self._lake.query(sql, {"end": until})
        return cast(int, counted["n"][0].as_py())

    def _landed(self, dataset: str) -> list[tuple[datetime, datetime, int]]:
        """Of each file of a dataset when its first and its last row became known, and how many it has."""
        found = []
        for path in self._lake.files(dataset):
            told = pq.read_metadata(path)
            groups = [told.row_group(place) for place in range(told.num_row_groups)]
            if not groups:
                continue
            at = told.schema.names.index(KNOWN_AT)
            spans = [group.column(at).statistics for group in groups]
            found.append((min(one.min for one in spans), max(one.max for one in spans), told.num_rows))
        return found

    def _days(self, start: datetime, end: datetime) -> Iterator[str]:
        day = start.astimezone(self._zone).date()
        last = (end - _TICK).astimezone(self._zone).date()
        while day <= last:
            yield day.isoformat()
            day += timedelta(days=1)

    # ── keyed ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _stepped(self, detector: KeyedDetector, until: datetime) -> tuple[int, list[Finding]]:
        states: dict[str, State] = {}
        findings: list[Finding] = []
        count = 0
        for rows in self._windows(detector.dataset, until):
            count += rows.num_rows
            findings.extend(self._careful(detector, states, rows))
        return count, findings

    def _windows(self, dataset: str, until: datetime) -> Iterator[pa.Table]:
        start = first = self._first_known(dataset)
        while start is not None and start < until:
            end = min(start + _WINDOW, until)
            rows = self._lake.query(
                f"SELECT * FROM {dataset}__versions WHERE _known_at >= $first AND _known_at < $end",  # noqa: S608
                {"first": start, "end": end},
            )
            if rows.num_rows:
                yield rows
            self._pace((end - first) / (until - first) if first is not None else 1.0)
            start = end

    def _first_known(self, dataset: str) -> datetime | None:
        return min((first for first, _, _ in self._landed(dataset)), default=None)

    def _careful(self, detector: KeyedDetector, states: dict[str, State], rows: pa.Table) -> list[Finding]:
        spec = self._lake.spec(detector.dataset)
        whole = step_over(detector, spec, states, rows)
        if not whole.findings:
            states.update(whole.states)
            return []
        again: list[Finding] = []
        for piece in _pieces(rows, whole.findings):
            ran = step_over(detector, spec, states, piece)
            states.update(ran.states)
            again.extend(ran.findings)
        _same(detector, whole.findings, again)
        return again

    # ── queries and surveys ────────────────────────────────────────────────────────────────────────────────────────────────

    def _asked(self, detector: QueryDetector | Survey, until: datetime) -> tuple[int, list[Finding]]:
        known = [first for name in detector.inputs if (first := self._first_known(name)) is not None]
        if not known:
            return 0, []
        at = first_instant(detector, min(known))
        runs = max(-((at - until) // detector.every), 0)
        if runs > limits.BACKTEST_RUNS:
            raise TooLarge(
                f"{detector.id} would be asked {runs} times",
                remedy=f"at most {limits.BACKTEST_RUNS}: choose an earlier end",
            )
        instants = [at + number * detector.every for number in range(runs)]
        if isinstance(detector, QueryDetector):
            standing, found = Standing({}), list[Finding]()
            for number, instant in enumerate(instants):
                self._pace(number / runs)
                found += ask(self._lake, detector, [instant], standing)
            return runs, found
        seen = Seen()
        ground = Ground(self._lake, self._zone, self._ground.folder)  # what is read for it is forgotten with it
        sighted: list[Finding] = []
        for number, instant in enumerate(instants):
            self._pace(number / runs)
            sighted += look(detector, Snapshot(ground, instant), seen)
        return runs, sighted


def with_parameters(detector: Detector, parameters: Mapping[str, object]) -> Detector:
    """The detector with some of its parameters replaced. Raises :class:`Invalid` for a name it does not have."""
    if not parameters:
        return detector
    strange = sorted(set(parameters) - set(detector.parameters))
    if strange:
        names = ", ".join(sorted(detector.parameters)) or "none"
        raise Invalid(f"{detector.id} has no parameter {', '.join(strange)}", remedy=f"parameters: {names}")
    for name, value in parameters.items():
        usual = detector.parameters[name]
        if not _alike(usual, value):
            raise Invalid(
                f"{detector.id}: {name} cannot be {value!r}", remedy=f"give something like what it is now: {usual!r}"
            )
    if not dataclasses.is_dataclass(detector):
        raise Invalid(
            f"{detector.id} is not a dataclass", remedy="detectors are frozen dataclasses with a field parameters"
        )
    return cast(Detector, dataclasses.replace(detector, parameters={**detector.parameters, **parameters}))


def _alike(usual: object, value: object) -> bool:
    """Whether a value is of the kind of the usual one: a number for a number, a list for a list."""
    for kind in (bool, (int, float), str, (list, tuple), Mapping):
        if isinstance(usual, kind):
            return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
    return True


def _pieces(rows: pa.Table, findings: list[Finding]) -> Iterator[pa.Table]:
    """``rows`` cut after the moments of the findings (after some of them, evenly chosen, when there are very many)."""
    moments = sorted({finding.at for finding in findings})
    stride = -(-len(moments) // limits.BACKTEST_CUTS)
    start = datetime(1, 1, 2, tzinfo=UTC)
    for end in (*moments[::stride], datetime(9999, 12, 30, tzinfo=UTC)):
        known = rows["_known_at"]
        inside = pc.and_(pc.greater(known, _scalar(start)), pc.less_equal(known, _scalar(end)))
        piece = rows.filter(inside)
        if piece.num_rows:
            yield piece
        start = end


def _scalar(moment: datetime) -> pa.Scalar[pa.TimestampType]:
    return pa.scalar(moment, pa.timestamp("us", "UTC"))


def _same(detector: KeyedDetector, whole: list[Finding], again: list[Finding]) -> None:
    said, says = ([(*_place(f), f.level or 0) for f in found] for found in (whole, again))
    if sorted(said) != sorted(says):
        told = min(set(said) ^ set(says), default=None)
        when = f", first at {told[0]} about {told[3]}" if told else ""
        raise Invalid(
            f"{detector.id} looks ahead{when}: with only the rows known at that moment it says something else",
            remedy="let a finding depend on rows known by its `at` alone, however they are cut into batches",
        )


def _union(spans: Iterable[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    joined: list[tuple[datetime, datetime]] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        elif start < end:
            joined.append((start, end))
    return joined

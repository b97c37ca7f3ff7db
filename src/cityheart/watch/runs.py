"""One detector at work: a keyed detector over a batch of rows, a query detector at one instant.

Both are used by what happens now and by backtests, so that the two cannot come apart.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import cast

import pyarrow as pa
import pyarrow.compute as pc

from cityheart.engine.keyed import Ran, State, run_keyed
from cityheart.engine.lake import Lake, TableSpec
from cityheart.engine.layout import KNOWN_AT, SEQ, SEQ_ROWS
from cityheart.kernel import limits
from cityheart.kernel.errors import Invalid, TooLarge
from cityheart.kernel.text import LANGUAGES, Text, text
from cityheart.watch.models import (
    Detector,
    Finding,
    KeyedDetector,
    QueryDetector,
    QueryFinding,
    SubjectRef,
    Survey,
    fill,
    plain,
)

__all__ = ["OVER", "Standing", "ask", "attempt", "bounded", "first_instant", "in_order", "landed_by", "step_over"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
OVER = text("不再符合条件", "the conditions no longer hold")


def in_order(detectors: Iterable[KeyedDetector]) -> list[KeyedDetector]:
    """Detectors with the writer of a dataset before its readers. Raises :class:`Invalid` for a circle."""
    waiting = list(detectors)
    ordered: list[KeyedDetector] = []
    while waiting:
        written = {name for detector in waiting for name in detector.outputs}
        free = [detector for detector in waiting if detector.dataset not in written]
        if not free:
            circle = ", ".join(sorted(detector.id for detector in waiting))
            raise Invalid(f"detectors wait for each other's outputs in a circle: {circle}", remedy="break it")
        ordered.extend(free)
        waiting = [detector for detector in waiting if detector not in free]
    return ordered


# ── keyed detectors ────────────────────────────────────────────────────────────────────────────────────────────


def step_over(detector: KeyedDetector, spec: TableSpec, states: Mapping[str, State], rows: pa.Table) -> Ran[Finding]:
    """Step over ``rows`` of the detector's dataset, from ``states`` on.

    Raises :class:`Invalid` when the detector dates a finding or an output outside the batch it was given, or writes
    what it has not declared.
    """
    ran = run_keyed(detector, states, rows, time=spec.time)
    known = pc.min_max(rows[KNOWN_AT])
    first, last = known["min"].as_py(), known["max"].as_py()
    for finding in ran.findings:
        _check_finding(detector, finding, first, last)
    for name, table in ran.outputs.items():
        _check_output(detector, name, table, first, last)
    return ran


def landed_by(rows: pa.Table, version: int) -> pa.Table:
    """Of the rows of a lake table those that landed up to a version."""
    return rows.filter(pc.less(rows[SEQ], pa.scalar((version + 1) * SEQ_ROWS, pa.int64())))


def _check_finding(detector: KeyedDetector, finding: Finding, first: datetime, last: datetime) -> None:
    if (finding.detector, finding.kind) != (detector.id, detector.kind):
        raise Invalid(
            f"{detector.id} gave a finding of {finding.detector}, kind {finding.kind}",
            remedy="name itself and its kind",
        )
    if not first <= finding.at <= last:
        raise Invalid(
            f"{detector.id} dates a finding at {finding.at}, outside the rows of {first} to {last} that it was given",
            remedy="give the _known_at of the row that made it known",
        )
    bounded(detector, finding)


def bounded(detector: Detector, finding: Finding) -> None:
    """Raises :class:`TooLarge` for a finding with more evidence than is kept."""
    size = len(json.dumps(plain(finding.evidence), ensure_ascii=False, default=str))
    if size > limits.EVIDENCE_BYTES:
        raise TooLarge(f"{detector.id}: the evidence has {size} bytes", remedy=f"show at most {limits.EVIDENCE_BYTES}")


def _check_output(detector: KeyedDetector, name: str, table: pa.Table, first: datetime, last: datetime) -> None:
    if name not in detector.outputs:
        raise Invalid(f"{detector.id} writes {name}, which is not among its outputs", remedy="declare it in outputs")
    if KNOWN_AT not in table.column_names:
        raise Invalid(f"{detector.id}: rows for {name} lack {KNOWN_AT}", remedy="give that of the rows they come from")
    known = pc.min_max(table[KNOWN_AT])
    if table[KNOWN_AT].null_count or known["min"].as_py() < first or known["max"].as_py() > last:
        raise Invalid(
            f"{detector.id}: rows for {name} are dated outside the batch", remedy="give that of the rows they come from"
        )


# ── query detectors ────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class Standing:
    """What a query detector said last: by subject, its level, name and start."""

    matters: dict[str, tuple[int, Text, datetime]]

    @classmethod
    def of(cls, state: State) -> Standing:
        """From a stored state; an empty one is the beginning."""
        stored = json.loads(cast(str, state.get("standing", "{}")))
        return cls({
            subject: (level, name, datetime.fromisoformat(start)) for subject, (level, name, start) in stored.items()
        })  # fmt: skip

    def state(self) -> State:
        """To be stored."""
        matters = {s: (level, name, start.isoformat()) for s, (level, name, start) in sorted(self.matters.items())}
        return {"standing": json.dumps(matters, ensure_ascii=False)}


def first_instant(detector: QueryDetector | Survey, moment: datetime) -> datetime:
    """The detector's first instant at or after ``moment``."""
    passed = moment - _EPOCH - detector.phase
    return _EPOCH + detector.phase + -(-passed // detector.every) * detector.every


def ask(lake: Lake, detector: QueryDetector, instants: Sequence[datetime], standing: Standing) -> list[Finding]:
    """Ask the detector's SQL as of each of these instants, in their order; ``standing`` is moved on.

    Findings tell what is new, has another level, or is over.
    """
    findings: list[Finding] = []
    for at in instants:
        findings.extend(_compared(detector, at, _answer(lake, detector, at), standing))
    return findings


def attempt(lake: Lake, detector: QueryDetector, at: datetime) -> None:
    """Ask the detector's SQL once, for nothing but its mistakes: raises what :func:`ask` would, also without any row."""
    rows = _answer(lake, detector, at)
    form = detector.finding
    for name in (form.subject, form.level, form.score, form.start):
        if isinstance(name, str):
            _column(detector, dict.fromkeys(rows.column_names), name)
    _compared(detector, at, rows, Standing({}))


def _answer(lake: Lake, detector: QueryDetector, at: datetime) -> pa.Table:
    tick = timedelta(microseconds=1)
    window = (at - detector.window + tick, at + tick)
    return lake.query(detector.sql, {**detector.parameters, "now": at}, at=at, time=window)


def _compared(detector: QueryDetector, at: datetime, rows: pa.Table, standing: Standing) -> list[Finding]:
    if rows.num_rows > limits.QUERY_ROWS:
        raise TooLarge(
            f"{detector.id} gives {rows.num_rows} rows", remedy=f"at most {limits.QUERY_ROWS}: narrow the SQL"
        )
    if rows.num_rows == 0 and not standing.matters:
        return []
    records = _most_severe(detector, rows.to_pylist())
    findings = []
    for subject, (level, record) in records.items():
        before = standing.matters.get(subject)
        if before is None or before[0] != level:
            finding = _found(detector, at, subject, level, record, before)
            standing.matters[subject] = (level, finding.subject.name, finding.start)
            findings.append(finding)
    for subject in [subject for subject in standing.matters if subject not in records]:
        _, name, start = standing.matters.pop(subject)
        ref = SubjectRef(detector.finding.subject_kind, subject, name)
        findings.append(Finding(detector.id, detector.kind, ref, at, start, at, None, 0.0, (OVER,)))
    return findings


Record = Mapping[str, object]


def _most_severe(detector: QueryDetector, rows: Sequence[Record]) -> dict[str, tuple[int, Record]]:
    form = detector.finding
    records: dict[str, tuple[int, Record]] = {}
    for record in rows:
        subject = _column(detector, record, form.subject)
        level = form.level if isinstance(form.level, int) else _column(detector, record, form.level)
        if subject is None or level is None:
            continue
        standing = records.get(str(subject))
        if standing is None or int(cast(int, level)) < standing[0]:
            records[str(subject)] = (int(cast(int, level)), record)
    return dict(sorted(records.items()))


def _found(
    detector: QueryDetector,
    at: datetime,
    subject: str,
    level: int,
    record: Record,
    before: tuple[int, Text, datetime] | None,
) -> Finding:
    form: QueryFinding = detector.finding
    start = before[2] if before is not None else at
    if form.start is not None:
        given = _column(detector, record, form.start)
        start = given if isinstance(given, datetime) else start
    score = 0.0 if form.score is None else float(cast(float, _column(detector, record, form.score) or 0.0))
    name = form.names.get(subject) or fill(form.name, record)
    evidence = {
        "type": "rows",
        "title": detector.title,
        "dataset": ", ".join(detector.inputs),
        "source": detector.id,
        "known_at": at,
        "columns": list(record),
        "rows": [[plain(value) for value in record.values()]],
    }
    return Finding(
        detector=detector.id,
        kind=detector.kind,
        subject=SubjectRef(form.subject_kind, subject, {language: name[language] for language in LANGUAGES}),
        at=at,
        start=start,
        level=level,
        score=score,
        reasons=tuple(fill(reason, record) for reason in form.reasons),
        evidence=(evidence,),
    )


def _column(detector: QueryDetector, record: Record, name: str) -> object:
    if name not in record:
        raise Invalid(f"{detector.id}: the SQL gives no column {name}", remedy=f"it gives {', '.join(record)}")
    return record[name]

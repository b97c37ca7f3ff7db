"""Closed cases of another system taken in as history: events in their own times, marked ``imported``, in a chain of now.

A file has one row for each finished activity of a case, as exports of case systems and process logs do; a mapping
(TOML) says which column means what. Each case becomes a run with one task for the case as a whole, and one for each
activity. What such files do not tell is filled in by rule, so that nobody is charged for what is not known:

* The case's department holds the case from its start to its end. It is due at the planned end: at that very moment it is
  still in time, one microsecond later it is late. It counts as signed for when its first activity was finished.
* An activity begins when the one before it was finished (the first one with the case), and its group holds it until it
  was finished itself; it has no due time, so it counts in custody and in no rate of timeliness. Work of an unnamed group
  is the case's department's.
* Ends kept by day may lie before the start of the same day: such a case begins where it ends.
* Cases without a real end are not closed and are left out; persons are not read.
"""

from __future__ import annotations

import csv
import gzip
import json
import re
import tomllib
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cityheart.account import store
from cityheart.kernel import limits
from cityheart.kernel.access import require
from cityheart.kernel.actors import Actor
from cityheart.kernel.database import Database, Work
from cityheart.kernel.errors import Invalid, TooLarge
from cityheart.kernel.ids import derive
from cityheart.kernel.text import LANGUAGES, Text, text

__all__ = ["READING", "REASONS", "Look", "Mapped", "Taken", "looked", "mapping", "mapping_of", "take_in"]

_FIELDS = {"id", "prefix", "unnamed", "zone", "title", "source", "columns"}
_COLUMNS = ("case", "department", "started", "planned", "ended", "activity", "group", "at")
_OPTIONAL = {"activity", "group", "at"}
_INCLUSIVE = timedelta(microseconds=1)
READING = 0.2  # of the time that taking a file in takes
_STEP = 500  # rows between two looks at how far one is
_CASE = "case"  # the step that stands for the case as a whole
REASONS: Mapping[str, Text] = {  # why a case is left out
    "there already": text("已经接收过", "taken in before"),
    "not closed": text("尚未办结", "not closed"),
    "no case number": text("没有编号", "no case number"),
    "ends before it starts": text("办结时间早于开始时间", "ends before it starts"),
    "a time that is none": text("时间无法识别", "a time that is none"),
    "too many activities": text("环节过多", "too many activities"),
}
Pace = Callable[[float], None]  # told how far one is, 0 to 1; raises what ends the work


@dataclass(frozen=True, slots=True)
class Mapped:
    """Which column means what."""

    id: str
    prefix: str
    unnamed: frozenset[str]
    zone: ZoneInfo
    title: Text
    source: Text
    columns: Mapping[str, str]


@dataclass(slots=True)
class Taken:
    """What became of a file. ``left`` counts cases that were not taken by the reason why."""

    cases: int
    tasks: int
    events: int
    late: int
    left: Counter[str]


@dataclass(slots=True)
class Look:
    """What taking a file in would do. ``left`` counts by reason, ``lines`` names the first: (line, case, reason)."""

    cases: int
    activities: int
    late: int
    first: datetime | None
    last: datetime | None
    departments: list[str]
    left: Counter[str]
    lines: list[tuple[int, str, str]]


@dataclass(slots=True)
class _Case:
    id: str
    department: str
    started: datetime
    planned: datetime | None
    ended: datetime
    activities: list[tuple[datetime, str, str]]  # when finished, what, by which group
    line: int  # of its first row

    @property
    def late(self) -> bool:
        return self.planned is not None and self.ended > self.planned


def mapping(file: Path) -> Mapped:
    """Read a mapping. Raises :class:`Invalid` naming what is wrong."""
    try:
        return mapping_of(file.read_text("utf-8"), file.name)
    except UnicodeDecodeError as error:
        raise Invalid(f"{file.name}: {error}", remedy=_LOOK) from None


def mapping_of(source: str, name: str = "the mapping") -> Mapped:
    """A mapping from its text, TOML or a JSON object. Raises :class:`Invalid` naming what is wrong."""
    try:
        raw = json.loads(source) if source.lstrip().startswith("{") else tomllib.loads(source)
        if strange := sorted(raw.keys() - _FIELDS):
            raise Invalid(f"it has no {', '.join(strange)}")
        columns = dict(raw["columns"])
        if strange := sorted(columns.keys() - set(_COLUMNS)):
            raise Invalid(f"columns has no {', '.join(strange)}")
        if missing := sorted(set(_COLUMNS) - _OPTIONAL - columns.keys()):
            raise Invalid(f"columns lacks {', '.join(missing)}")
        if columns.keys() & _OPTIONAL and not columns.keys() >= _OPTIONAL:
            raise Invalid("columns names all of activity, group, at, or none of them")
        if not all(isinstance(column, str) for column in columns.values()):
            raise Invalid("columns names a column that is no word")
        for words in (raw["title"], raw["source"]):
            if set(words) != set(LANGUAGES) or not all(isinstance(said, str) for said in words.values()):
                raise Invalid("title and source are in both languages")
        id, prefix = str(raw["id"]), str(raw.get("prefix", ""))
        if _CODE.fullmatch(id) is None or (prefix and _CODE.fullmatch(prefix) is None):
            raise Invalid("id and prefix are up to 40 of a-z, 0-9, dot and dash")
        return Mapped(
            id, prefix, frozenset(raw.get("unnamed", ("",))), ZoneInfo(raw["zone"]), dict(raw["title"]),
            dict(raw["source"]), columns,
        )  # fmt: skip
    except KeyError as error:
        raise Invalid(f"{name}: {error.args[0]} is missing", remedy=_LOOK) from None
    except (TypeError, ValueError, AttributeError, RecursionError, ZoneInfoNotFoundError, OSError, Invalid) as error:
        what = error.detail if isinstance(error, Invalid) else str(error)
        raise Invalid(f"{name}: {what}", remedy=_LOOK) from None


_LOOK = "docs/how-to/read-the-scores.md shows a mapping"
_CODE = re.compile(r"[a-z0-9][a-z0-9.-]{0,39}")


def _on(share: float) -> None:
    """Nobody waits for how far it is."""


def looked(database: Database, actor: Actor, by: Mapped, file: Path, pace: Pace = _on) -> Look:
    """What :func:`take_in` would do with the file; nothing is written. Raises as it does."""
    require(actor, "case.manage")
    cases, left = _cases(by, file, pace)
    lines = [(line, id, why) for id, (why, line) in left.items()]
    fresh = []
    for begin in range(0, len(cases), limits.HISTORY_CASES):
        some = cases[begin : begin + limits.HISTORY_CASES]
        with database.read() as conn:
            there = store.streams_there(conn, [f"run:{_run(by, case)}" for case in some])
        for case in some:
            if f"run:{_run(by, case)}" in there:
                lines.append((case.line, case.id, "there already"))
            else:
                fresh.append(case)
    return Look(
        cases=len(fresh),
        activities=sum(len(case.activities) for case in fresh),
        late=sum(case.late for case in fresh),
        first=min((case.started for case in fresh), default=None),
        last=max((case.ended for case in fresh), default=None),
        departments=sorted({_unit(by, case.department) for case in fresh})[: limits.PAGE_ROWS],
        left=Counter(why for _, _, why in lines),
        lines=sorted(lines)[: limits.CASE_REFUSALS],
    )


def take_in(database: Database, actor: Actor, by: Mapped, file: Path, pace: Pace = _on) -> Taken:
    """Take the closed cases of a CSV file (plain or .gz) in; a case that is there already is left alone.

    Raises :class:`Invalid` for a file that is none, :class:`TooLarge` beyond ``limits.HISTORY_BYTES`` or
    ``limits.HISTORY_ROWS``. What was taken in before an error stays; the same file again goes on from there.
    """
    require(actor, "case.manage")
    cases, left = _cases(by, file, lambda share: pace(share * READING))
    taken = Taken(0, 0, 0, 0, Counter(why for why, _ in left.values()))
    for begin in range(0, len(cases), limits.HISTORY_CASES):
        pace(READING + (1 - READING) * begin / len(cases))
        some = cases[begin : begin + limits.HISTORY_CASES]
        with database.work(actor) as work:
            streams = {case.id: f"run:{_run(by, case)}" for case in some}
            there = store.streams_there(work.conn, list(streams.values()))
            for case in some:
                if streams[case.id] in there:
                    taken.left["there already"] += 1
                else:
                    _write(work, by, case, taken)
            told = {"origin": by.id, "cases": sum(streams[case.id] not in there for case in some)}
            if told["cases"]:
                work.emit(f"history:{by.id}", "history.taken", told)
    return taken


def _run(by: Mapped, case: _Case) -> str:
    return derive("run", "history", by.id, case.id)


def _unit(by: Mapped, name: str) -> str:
    return f"{by.prefix}{name}".lower().replace(" ", "-")


def _write(work: Work, by: Mapped, case: _Case, taken: Taken) -> None:
    run = _run(by, case)
    incident = derive("incident", "history", by.id, case.id)
    told = _story(by, case, run, incident)
    tasks = [
        {"task": data["task"], "step": data["step"], "round": 1, "unit": data["unit"], "planned_at": data["opened_at"]}
        for _, type, data in told
        if type == "task.dispatched"
    ]
    begun = min(at for at, _, _ in told)
    first: dict[str, object] = {
        "incident": incident, "run": run, "supersedes": [], "skipped": [], "tasks": tasks, "at": begun,
        "plan": {"id": by.id, "version": "imported", "digest": ""}, "imported": by.id,
        "case": {"id": case.id, "title": by.title, "source": by.source},
    }  # fmt: skip
    last = max(at for at, _, _ in told)
    over: dict[str, object] = {"incident": incident, "run": run, "at": last, "imported": by.id}
    happened = [("run.started", first), *((type, data | {"at": at}) for at, type, data in told), ("run.closed", over)]
    work.emit_all(f"run:{run}", happened)
    taken.cases += 1
    taken.tasks += len(tasks)
    taken.events += len(happened)
    taken.late += case.late


def _story(by: Mapped, case: _Case, run: str, incident: str) -> list[tuple[datetime, str, dict[str, object]]]:
    """``(when, type, data)`` of everything that happened to the case's tasks, in order of time."""
    begun = min([case.started, *(at for at, _, _ in case.activities)])
    due = None if case.planned is None else case.planned + _INCLUSIVE
    signed = min([case.ended, *(max(at, begun) for at, _, _ in case.activities)])
    told = _task(by, run, incident, _CASE, case.department, begun, begun, signed, case.ended, due)
    before, seen = begun, Counter[str]()
    for at, activity, group in case.activities:
        seen[activity] += 1
        step = activity if seen[activity] == 1 else f"{activity} ({seen[activity]})"
        unit = case.department if group in by.unnamed else group
        told += _task(by, run, incident, step, unit, begun, before, before, at, None)
        before = at
    return sorted(told, key=lambda one: one[0])


def _task(
    by: Mapped, run: str, incident: str, step: str, unit: str, opened: datetime, sent: datetime, signed: datetime,
    ended: datetime, due: datetime | None,
) -> list[tuple[datetime, str, dict[str, object]]]:  # fmt: skip
    about: dict[str, object] = {
        "incident": incident, "run": run, "task": derive("task", run, step, "1"), "step": step, "round": 1,
        "unit": _unit(by, unit), "imported": by.id,
    }  # fmt: skip
    late = due is not None and ended >= due
    found: list[tuple[datetime, str, dict[str, object]]] = [
        (sent, "task.dispatched", about | {"accept_due": None, "due": due, "opened_at": opened}),
        (signed, "task.accepted", about | {"late": False}),
        (ended, "task.submitted", about | {"late": late, "due": due, "receipt": None, "verify_by": None}),
        (ended, "task.closed", about | {"late": late, "due": due}),
    ]
    if late:
        assert due is not None
        found.insert(2, (due, "task.overdue", about | {"due": due}))
    return found


# ── reading ────────────────────────────────────────────────────────────────────────────────────────────────────


def _cases(by: Mapped, file: Path, pace: Pace) -> tuple[list[_Case], dict[str, tuple[str, int]]]:
    """The closed cases of a file in the order of their first rows, and why others were left out, by which line."""
    found: dict[str, _Case] = {}
    left: dict[str, tuple[str, int]] = {}
    with _opened(file) as stream:
        try:
            rows = csv.DictReader(stream)
            missing = sorted(set(by.columns.values()) - set(rows.fieldnames or ()))
            if missing:
                raise Invalid(f"{file.name} has no column {', '.join(missing)}", remedy="compare it with the mapping")
            for number, row in enumerate(rows):
                if number >= limits.HISTORY_ROWS:
                    raise TooLarge(
                        f"{file.name} has more than {limits.HISTORY_ROWS} rows", remedy="cut it into files by case"
                    )
                if number % _STEP == 0:
                    pace(stream.share)
                _row(by, row, rows.line_num, found, left)
        except (csv.Error, UnicodeDecodeError, EOFError, OSError, zlib.error) as error:
            raise Invalid(f"{file.name} cannot be read: {error}", remedy="export it as CSV in UTF-8") from None
    for id in left:
        found.pop(id, None)
    for case in found.values():
        case.activities.sort(key=lambda each: each[0])
    return list(found.values()), left


def _row(
    by: Mapped, row: Mapping[str, str | None], line: int, found: dict[str, _Case], left: dict[str, tuple[str, int]]
) -> None:
    values = {name: (row.get(column) or "").strip() for name, column in by.columns.items()}
    id = values["case"][:80]
    if not id or id in left:
        left.setdefault(id, ("no case number", line))
        return
    if not values["ended"]:
        left[id] = "not closed", line
        return
    try:
        case = found.get(id)
        if case is None:
            started, ended = _moment(by, values["started"]), _moment(by, values["ended"])
            planned = _moment(by, values["planned"]) if values["planned"] else None
            if ended < started:
                if ended.astimezone(by.zone).date() != started.astimezone(by.zone).date():
                    left[id] = "ends before it starts", line
                    return
                started = ended  # an end that is kept by day
            case = found[id] = _Case(id, values["department"][:60] or "unnamed", started, planned, ended, [], line)
        if values.get("activity"):
            at = _moment(by, values["at"])
            case.activities.append((at, values["activity"][:60], values["group"][:60]))
    except (ValueError, OverflowError):
        left[id] = "a time that is none", line
        return
    if len(case.activities) > limits.PLAN_STEPS:
        left[id] = "too many activities", line


def _moment(by: Mapped, value: str) -> datetime:
    moment = datetime.fromisoformat(value)
    return (moment if moment.tzinfo else moment.replace(tzinfo=by.zone)).astimezone(UTC)


def _opened(file: Path) -> _Bounded:
    raw = file.open("rb")
    stream = gzip.open(raw) if file.suffix == ".gz" else raw  # noqa: SIM115  (_Bounded closes it)
    return _Bounded(cast("IO[bytes]", stream), raw, file.stat().st_size, file.name)


class _Bounded:
    """Lines of a file as text, no more than ``limits.HISTORY_BYTES`` of it; ``share`` is how much of the file was read."""

    def __init__(self, stream: IO[bytes], raw: IO[bytes], size: int, name: str) -> None:
        self._stream, self._raw, self._size, self._name, self._read = stream, raw, size, name, 0

    def __enter__(self) -> _Bounded:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()
        self._raw.close()

    @property
    def share(self) -> float:
        return min(1.0, self._raw.tell() / self._size) if self._size else 1.0

    def __iter__(self) -> Iterator[str]:
        while line := self._stream.readline(limits.LINE_BYTES):
            self._read += len(line)
            if self._read > limits.HISTORY_BYTES:
                raise TooLarge(
                    f"{self._name} holds more than {limits.HISTORY_BYTES >> 20} MiB", remedy="cut it into files by case"
                )
            yield line.decode("utf-8-sig" if self._read == len(line) else "utf-8")

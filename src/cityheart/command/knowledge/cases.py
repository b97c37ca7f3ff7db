"""Closed cases as they are imported: one contract for JSON and CSV, checked row by row, personal data taken out.

Fields: id, kind, level, opened_at, closed_at, text, plan, and, where known, version, stage, place, lon, lat, steps,
changes. In CSV steps are written ``step@unit``, changes ``skip:step``, ``add:step@unit``, ``reassign:step@unit``,
``extend:step@PT6H``, several of them with ``;`` between.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from cityheart.command.knowledge.models import Case, CaseStep, Change
from cityheart.command.knowledge.scrub import Scrubber
from cityheart.kernel import duration, limits
from cityheart.kernel.errors import Invalid, Problem, TooLarge
from cityheart.kernel.ids import derive
from cityheart.kernel.text import LANGUAGES

__all__ = ["case_from", "change_from", "change_json", "rows_of", "step_from", "step_json"]

_PERSONAL = frozenset(
    {"name", "phone", "mobile", "telephone", "caller", "reporter", "person", "contact", "id_card", "identity", "email",
     "plate", "姓名", "电话", "手机", "手机号", "联系人", "联系电话", "身份证", "身份证号", "来电人", "车牌", "住址"}
)  # fmt: skip
_LATEST = timedelta(days=1)  # a clock elsewhere may be ahead, not by more


def _seconds(value: str | int) -> int:
    if isinstance(value, int):
        return value
    try:
        return int(duration.parse(value).total_seconds())
    except Invalid as error:
        raise ValueError(str(error.detail)) from None


Code = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,59}$")]
Span = Annotated[str | Annotated[int, Field(strict=True, ge=0, le=10 * 366 * 86_400)], AfterValidator(_seconds)]
Count = Annotated[int, Field(ge=0, le=1_000)]


class _Declared(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Step(_Declared):
    step: Code
    unit: Code
    due: Span | None = None
    took: Span | None = None
    late: bool = False
    rework: Count = 0
    returned: Count = 0


class _Change(_Declared):
    op: Literal["add", "skip", "reassign", "extend"]
    step: Code
    unit: Code | None = None
    title: dict[str, Annotated[str, Field(max_length=400)]] | None = None
    due: Span | None = None
    reason: Annotated[str, Field(max_length=limits.TEXT_CHARS)] = ""

    @model_validator(mode="after")
    def _whole(self) -> _Change:
        if self.op in ("add", "reassign") and self.unit is None:
            raise ValueError(f"{self.op} names a unit")
        if self.op == "extend" and self.due is None:
            raise ValueError("extend says until when, from the dispatch on")
        if self.title is not None and set(self.title) != set(LANGUAGES):
            raise ValueError(f"title in both languages: {' and '.join(LANGUAGES)}")
        return self


class _Row(_Declared):
    id: Annotated[str, Field(min_length=1, max_length=120)]
    kind: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,79}$")]
    level: Annotated[int, Field(ge=1, le=4)] | None = None
    opened_at: AwareDatetime
    closed_at: AwareDatetime
    text: Annotated[str, Field(min_length=1, max_length=limits.CASE_CHARS)]
    plan: Code
    version: Annotated[str, Field(max_length=40)] | None = None
    stage: Annotated[str, Field(max_length=60)] | None = None
    place: Annotated[str, Field(max_length=80)] | None = None
    lon: Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False)] | None = None
    lat: Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False)] | None = None
    steps: Annotated[tuple[_Step, ...], Field(max_length=limits.PLAN_STEPS)] = ()
    changes: Annotated[tuple[_Change, ...], Field(max_length=limits.PLAN_STEPS)] = ()

    @model_validator(mode="after")
    def _in_order(self) -> _Row:
        if self.closed_at < self.opened_at:
            raise ValueError("closed_at is before opened_at")
        if (self.lon is None) != (self.lat is None):
            raise ValueError("lon and lat go together")
        return self


def rows_of(format: str, content: str) -> Iterator[tuple[int, Mapping[str, object] | Problem]]:
    """The rows of a JSON array or a CSV text with a header, numbered from 1; a row that is none is a problem.

    Raises :class:`Invalid` when the whole cannot be read, :class:`TooLarge` past the limits.
    """
    if len(content.encode()) > limits.CASE_IMPORT_BYTES:
        raise TooLarge(f"more than {limits.CASE_IMPORT_BYTES} bytes", remedy="import it in several pieces")
    rows = _json(content) if format == "json" else _csv(content)
    for number, row in enumerate(rows, 1):
        if number > limits.CASE_IMPORT_ROWS:
            raise TooLarge(f"more than {limits.CASE_IMPORT_ROWS} cases", remedy="import them in several pieces")
        yield number, row


def _json(content: str) -> Iterator[Mapping[str, object] | Problem]:
    try:
        rows = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise Invalid(f"not valid JSON: {error}", remedy="mend the place it names") from None
    if not isinstance(rows, list):
        raise Invalid("the JSON is not a list of cases", remedy="write [{…}, {…}]")
    for row in rows:
        yield row if isinstance(row, dict) else Invalid("the case is no object", remedy="write {…}")


def _csv(content: str) -> Iterator[Mapping[str, object] | Problem]:
    reader = csv.DictReader(io.StringIO(content.removeprefix("\ufeff"), newline=""), strict=True)
    lines = iter(reader)
    while True:
        try:
            row = next(lines)
        except StopIteration:
            return
        except csv.Error as error:
            raise Invalid(f"not valid CSV: {error}", remedy="quote fields with commas or line breaks") from None
        if None in row or any(value is None for value in row.values()):
            yield Invalid("the row has not as many fields as the header", remedy="quote fields with commas")
            continue
        try:
            yield _cells({name.strip(): value.strip() for name, value in row.items() if value.strip()})
        except Problem as problem:
            yield problem


def _cells(row: dict[str, str]) -> Mapping[str, object]:
    values: dict[str, object] = dict(row)
    for name in ("steps", "changes"):
        if name in row:
            read = _step_cell if name == "steps" else _change_cell
            values[name] = [read(part.strip()) for part in row[name].split(";") if part.strip()]
    return values


def _step_cell(part: str) -> dict[str, object]:
    step, _, unit = part.partition("@")
    return {"step": step, "unit": unit}


def _change_cell(part: str) -> dict[str, object]:
    op, _, rest = part.partition(":")
    step, at, value = rest.partition("@")
    found: dict[str, object] = {"op": op, "step": step}
    if at:
        found["due" if op == "extend" else "unit"] = value
    return found


def case_from(raw: Mapping[str, object], origin: str, now: datetime, scrubber: Scrubber) -> Case:
    """One imported case, its words without personal data. Raises :class:`Invalid` naming the field and what to do."""
    personal = sorted(str(name) for name in raw if str(name).strip().lower() in _PERSONAL)
    if personal:
        raise Invalid(
            f"{', '.join(personal)}: personal data does not belong in a case", remedy="leave the field out"
        )  # fmt: skip
    try:
        row = _Row.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the whole"
        words = "nothing is known of this field" if first["type"] == "extra_forbidden" else first["msg"]
        raise Invalid(
            f"{place}: {words.removeprefix('Value error, ')}",
            remedy="docs/how-to/teach-the-city-its-plans.md lists the fields of a case",
        ) from None
    if row.closed_at > now + _LATEST:
        raise Invalid(f"closed_at: {row.closed_at.isoformat()} is in the future", remedy="import closed cases only")
    steps = tuple(
        CaseStep(one.step, one.unit, None, _int(one.due), _int(one.took), one.late, one.rework, one.returned)
        for one in row.steps
    )
    changes = tuple(
        Change(
            one.op, one.step, one.unit,
            None if one.title is None else {language: scrubber.clean(words) for language, words in one.title.items()},
            _int(one.due), scrubber.clean(one.reason),
        )
        for one in row.changes
    )  # fmt: skip
    return Case(
        id=derive("case", origin, row.id), origin=origin, kind=row.kind, level=row.level, text=scrubber.clean(row.text),
        opened_at=row.opened_at.astimezone(UTC), closed_at=row.closed_at.astimezone(UTC), known_at=now, plan=row.plan,
        version=row.version, stage=row.stage, place=row.place, lon=row.lon, lat=row.lat, steps=steps, changes=changes,
    )  # fmt: skip


def _int(value: object) -> int | None:
    return None if value is None else int(str(value))


def step_json(step: CaseStep) -> dict[str, object]:
    """A step of a case as the store and the API have it."""
    return {
        "step": step.step, "unit": step.unit, "title": step.title, "due": step.due, "took": step.took, "late": step.late,
        "rework": step.rework, "returned": step.returned,
    }  # fmt: skip


def step_from(raw: Mapping[str, object]) -> CaseStep:
    """A stored step."""
    return CaseStep(**raw)  # type: ignore[arg-type]


def change_json(change: Change) -> dict[str, object]:
    """A change as the store and the API have it."""
    return {
        "op": change.op, "step": change.step, "unit": change.unit, "title": change.title, "due": change.due,
        "reason": change.reason,
    }  # fmt: skip


def change_from(raw: Mapping[str, object]) -> Change:
    """A stored change."""
    return Change(**raw)  # type: ignore[arg-type]

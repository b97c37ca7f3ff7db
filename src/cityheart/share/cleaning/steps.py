"""The vocabulary of cleaning: the steps a contract may name for a field, their parameters and what they are for.

``cityheart.clean`` maps a field to the steps that its values go through, in order, before they are read as the field's
type: a step is a name (``"width"``) or an object (``{"step": "quantity", "to": "t"}``). A step never invents a value: what
it cannot make sense of stays as it came, for the check to refuse, or is refused by the step with a reason of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal, cast

from cityheart.kernel import duration
from cityheart.kernel.errors import Invalid
from cityheart.kernel.text import Text, text
from cityheart.share.cleaning.quantities import UNITS

__all__ = ["NO_ELSE", "STEPS", "Kind", "Step", "StepError", "parse"]

Otherwise = Literal["keep", "refuse", "empty"]


class StepError(ValueError):
    """A step that cannot be used; the message says why."""


@dataclass(frozen=True)
class Step:
    """One step of a field. `otherwise` is what becomes of a value the step cannot take: it stays for the check to see,
    its row goes to quarantine, or the value alone is dropped."""

    name: str
    otherwise: Otherwise = "keep"
    to: str = ""  # quantity: the unit wanted
    m3_as: float | None = None  # quantity: tonnes a cubic metre
    values: Mapping[str, str | None] = field(default_factory=dict)  # map
    ahead: timedelta | None = None  # clock
    behind: timedelta | None = None  # clock


@dataclass(frozen=True)
class Kind:
    """What a step is: for which types of field, with which parameters (mandatory ones marked ``!``)."""

    title: Text
    types: frozenset[str]
    parameters: frozenset[str] = frozenset()
    mandatory: frozenset[str] = frozenset()
    otherwise: Otherwise = "keep"


_STRING = frozenset({"string"})
_NUMBER = frozenset({"number", "integer"})
_TIMES = frozenset({"date", "datetime"})

STEPS: Mapping[str, Kind] = {
    "width": Kind(
        text(
            "全角字母、数字、括号、空格改为半角，去掉首尾空白和不可见字符",
            "full-width letters, digits, brackets and spaces become half-width; blanks around and invisible characters go",
        ),
        frozenset({"string", "number", "integer", "boolean", "date", "datetime", "time"}),
    ),
    "squeeze": Kind(
        text(
            "去掉汉字之间的空白，其余连续空白并为一个",
            "blanks beside a Chinese character go, others in a row become one",
        ),
        _STRING,
    ),
    "dates": Kind(
        text(
            "各种写法的日期和 Excel 序号统一为 ISO 8601；没有年份的取到达之前最近的一个",
            "dates of any spelling and Excel's day numbers become ISO 8601; one without a year is the last before arrival",
        ),
        _STRING | _TIMES,
    ),
    "number": Kind(
        text("去掉千位分隔符、全角数字改半角", "thousands separators go, full-width digits become half-width"),
        _NUMBER | _STRING,
    ),
    "quantity": Kind(
        text(
            "带单位的数量换算为一个单位的数；没有单位的视为已是该单位",
            "a quantity with its unit becomes a number in one unit; without a unit it is in that one already",
        ),
        _NUMBER,
        frozenset({"to", "m3_as"}),
        frozenset({"to"}),
        "refuse",
    ),
    "uscc": Kind(
        text(
            "统一社会信用代码：大写，校验码不符的不要", "unified social credit code: capitals, and its check character"
        ),
        _STRING,
        otherwise="refuse",
    ),
    "cas": Kind(
        text("CAS 号：规范连字符，校验码不符的不要", "CAS number: its hyphens put right, and its check digit"),
        _STRING,
        otherwise="refuse",
    ),
    "plate": Kind(
        text("车牌：大写，去掉圆点、空白和连字符", "licence plate: capitals, without dots, blanks and hyphens"), _STRING
    ),
    "map": Kind(
        text("按对照表改写", "rewritten by a table"),
        frozenset({"string", "number", "integer", "boolean"}),
        frozenset({"values"}),
        frozenset({"values"}),
    ),
    "clock": Kind(
        text(
            "设备时钟比到达时间快（慢）得太多的，改为到达时间",
            "a device clock too far ahead of (behind) the arrival is set to the arrival",
        ),
        frozenset({"datetime"}),
        frozenset({"ahead", "behind"}),
    ),
}
"""Every step by name."""


def parse(raw: object, kind: str, *, computed: bool) -> tuple[Step, ...]:
    """The steps of one field of type `kind`; a computed field has no text, so only ``clock`` can follow.

    Raises StepError.
    """
    if not isinstance(raw, list) or not raw:
        raise StepError("must be a list with at least one step")
    steps = tuple(_step(each) for each in raw)
    for number, step in enumerate(steps):
        if kind not in STEPS[step.name].types:
            allowed = ", ".join(sorted(STEPS[step.name].types))
            raise StepError(f"step {step.name!r} is for {allowed}; the field is of type {kind}")
        if step.name == "clock" and number != len(steps) - 1:
            raise StepError("step 'clock' looks at the time that was read, so it comes last")
        if computed and step.name != "clock":
            raise StepError(f"step {step.name!r} cleans what a source wrote; this field is computed")
    return steps


def _step(raw: object) -> Step:
    given: Mapping[str, object] = {"step": raw} if isinstance(raw, str) else cast("Mapping[str, object]", raw)
    if not isinstance(given, Mapping) or not isinstance(given.get("step"), str):
        raise StepError(f'{raw!r} must be the name of a step or {{"step": name, …}}')
    name = str(given["step"])
    if name not in STEPS:
        raise StepError(f"nobody knows the step {name!r}; there are {', '.join(STEPS)}")
    kind = STEPS[name]
    known = kind.parameters | {"step"} | (frozenset() if name in NO_ELSE else {"else"})
    unknown = sorted(set(given) - known)
    if unknown:
        raise StepError(f"step {name!r} has no parameter {', '.join(map(repr, unknown))}")
    missing = sorted(kind.mandatory - set(given))
    if missing:
        raise StepError(f"step {name!r} needs {', '.join(map(repr, missing))}")
    otherwise = given.get("else", kind.otherwise)
    if otherwise not in ("keep", "refuse", "empty"):
        raise StepError(f"step {name!r}: else {otherwise!r} must be keep, refuse or empty")
    values = {key: _READ[key](given[key]) for key in kind.parameters if given.get(key) is not None}
    step = Step(name, otherwise, **values)  # type: ignore[arg-type]
    if name == "clock" and step.ahead is None and step.behind is None:
        raise StepError("step 'clock' needs 'ahead', 'behind' or both")
    return step


NO_ELSE = ("width", "squeeze", "plate", "clock")
"""Steps that take every value."""


def _unit(raw: object) -> str:
    if raw not in UNITS:
        raise StepError(f"to {raw!r} is not one of {', '.join(UNITS)}")
    return str(raw)


def _density(raw: object) -> float:
    if isinstance(raw, bool) or not isinstance(raw, int | float) or not 0 < raw < 100:
        raise StepError(f"m3_as {raw!r} must be the tonnes of a cubic metre")
    return float(raw)


def _table(raw: object) -> dict[str, str | None]:
    if not isinstance(raw, Mapping) or not raw:
        raise StepError("values must be an object with at least one entry")
    if not all(each is None or isinstance(each, str) for each in raw.values()):
        raise StepError("values are texts, or null for none")
    return {str(key): value for key, value in raw.items()}


def _span(raw: object) -> timedelta:
    try:
        span = duration.parse(str(raw))
    except Invalid as error:
        raise StepError(str(error)) from error
    if span < timedelta(0):
        raise StepError(f"{raw!r} must not be negative")
    return span


_READ: Mapping[str, Callable[[object], object]] = {
    "to": _unit,
    "m3_as": _density,
    "values": _table,
    "ahead": _span,
    "behind": _span,
}

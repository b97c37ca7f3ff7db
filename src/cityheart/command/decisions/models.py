"""What a decision is: its model, the tables in it, and what comes out of deciding."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date

from cityheart.command.decisions.values import plain
from cityheart.kernel.errors import Invalid
from cityheart.kernel.text import Text, text

__all__ = ["Decision", "Input", "Outcome", "Output", "Problem", "Refused", "Step"]


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong, or worth a look, at an element of a model: what it is and what to do about it.

    ``element`` is the id of a rule, a column, a decision or an input; ``column`` that of the column in which a rule's cell
    stands.
    """

    element: str
    detail: Text
    remedy: Text
    column: str | None = None

    def json(self) -> dict[str, object]:
        """As the API shows it."""
        shown: dict[str, object] = {"element": self.element, "detail": self.detail, "remedy": self.remedy}
        return shown if self.column is None else shown | {"column": self.column}


class Refused(Invalid):
    """A model that cannot be taken, with all its problems (in ``extra`` as JSON)."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        first = problems[0]
        rest = len(problems) - 1
        more = (f"（另有 {rest} 处）", f" (and {rest} more)") if rest else ("", "")
        super().__init__(
            text(
                f"{first.element}：{first.detail['zh-CN']}{more[0]}", f"{first.element}: {first.detail['en']}{more[1]}"
            ),
            remedy=first.remedy,
            element=first.element,
            problems=[problem.json() for problem in problems],
        )
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Input:
    """A value that is given to a model. ``type`` is a kind, or a mapping with ``base``, ``fields``, ``list``, ``values``."""

    id: str
    name: str
    type: object = None


@dataclass(frozen=True, slots=True)
class Output:
    """A value that comes out of a model: a column of a table that no other reads, or the value of such an expression."""

    name: str
    type: object = None
    many: bool = False  # a list: one value for each rule that matched


@dataclass(frozen=True, slots=True)
class Step:
    """One decision of a model being made: what its columns read, the rules that matched, and the value."""

    decision: str
    read: tuple[object, ...]
    matched: tuple[str, ...]
    value: object


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was decided. ``outputs`` are plain values by name; ``matched`` the ids of the rules that decided them.

    Nothing raises while deciding: where no value can be said it is None and ``problems`` tell why.
    """

    outputs: Mapping[str, object]
    matched: tuple[str, ...]
    trace: tuple[Step, ...]
    problems: tuple[Problem, ...] = ()

    @property
    def values(self) -> dict[str, object]:
        """The value of every decision of the model, by its name."""
        return {step.decision: plain(step.value) for step in self.trace}


@dataclass(frozen=True)
class Decision:
    """A model of decision tables, compiled. ``canonical`` is its one spelling as JSON, ``digest`` its sha256.

    ``decide`` takes the inputs by name (JSON values, those that are missing are null) and gives an :class:`Outcome`; it
    never raises. ``warnings`` are hints that did not stop it from being taken: gaps, rules that never count.
    """

    name: str
    version: str
    title: Text
    source: Text | None
    valid_from: date | None
    valid_until: date | None
    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]
    body: Mapping[str, object] = field(repr=False)
    canonical: str = field(repr=False)
    digest: str
    warnings: tuple[Problem, ...] = field(repr=False)
    decide: Callable[[Mapping[str, object]], Outcome] = field(repr=False, compare=False)

    def in_force(self, day: date) -> bool:
        """Whether it is valid on ``day``; ``valid_until`` is the first day on which it is not."""
        return (self.valid_from is None or self.valid_from <= day) and (
            self.valid_until is None or day < self.valid_until
        )

"""What every benchmark shares: medians, and one way to report them.

A benchmark prints a table and, last, one JSON line per measure: ``{"name", "ours", "peer", "ratio", "target", "ok"}``.
A peer that is not installed is ``null`` and reported as absent, never guessed. ``ok`` is ``null`` where nothing is
aimed at, or where the aim is a ratio and the peer is absent.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal, TypeVar

from rich.console import Console
from rich.table import Table

from cityheart.kernel.clock import stopwatch

CaseT = TypeVar("CaseT")
Aim = Literal["ratio", "at most", "at least"]


@dataclass(frozen=True)
class Measure:
    """One line. ``target`` is a ratio to the peer (how many times better), or a bound for ``ours`` in ``unit``."""

    name: str
    unit: str
    ours: float
    peer: float | None = None
    target: float | None = None
    aim: Aim = "ratio"
    smaller_is_better: bool = True
    beside: str = ""  # what the peer is, for the table

    @property
    def ratio(self) -> float | None:
        """How many times better than the peer."""
        if self.peer is None or not self.ours or not self.peer:
            return None
        return self.peer / self.ours if self.smaller_is_better else self.ours / self.peer

    @property
    def ok(self) -> bool | None:
        if self.target is None:
            return None
        if self.aim == "at most":
            return self.ours <= self.target
        if self.aim == "at least":
            return self.ours >= self.target
        return None if self.ratio is None else self.ratio >= self.target

    def line(self) -> str:
        """The measure as one line of JSON."""
        values = {
            "name": self.name,
            "ours": _rounded(self.ours),
            "peer": _rounded(self.peer),
            "ratio": _rounded(self.ratio),
            "target": self.target,
            "ok": self.ok,
        }
        return json.dumps(values, ensure_ascii=False)


def milliseconds(action: Callable[..., object], *arguments: object) -> float:
    """How long a call took."""
    begun = stopwatch()
    action(*arguments)
    return (stopwatch() - begun) * 1_000


def side_by_side(
    cases: Sequence[CaseT], *actions: Callable[[CaseT], object] | None, rounds: int = 3
) -> list[float | None]:
    """The median milliseconds of each action over the cases, warm: the actions take turns, each with all cases.

    The first round does not count. None stands for an absent peer, in the actions and in the answer.
    """
    taken: list[list[float]] = [[] for _ in actions]
    for number in range(rounds + 1):
        for action, times in zip(actions, taken, strict=True):
            if action is not None:
                spent = [milliseconds(action, case) for case in cases]
                if number:
                    times += spent
    return [median(times) if times else None for times in taken]


def report(title: str, measures: Iterable[Measure], *, notes: Sequence[str] = ()) -> None:
    """Prints the table, the notes, and the lines of JSON."""
    measures = list(measures)
    table = Table(title=title, title_justify="left")
    for column in ("measure", "unit", "ours", "peer", "ratio", "target", "ok"):
        table.add_column(column, justify="left" if column in ("measure", "unit") else "right")
    for one in measures:
        peer = "-" if not one.beside else f"{one.beside}: {'absent' if one.peer is None else _shown(one.peer)}"
        target = (
            "-" if one.target is None else f"≥ {one.target:g}×" if one.aim == "ratio" else f"{one.aim} {one.target:g}"
        )
        verdict = {True: "yes", False: "NO", None: "-"}[one.ok]
        ratio = "-" if one.ratio is None else f"{one.ratio:.2f}×"
        table.add_row(one.name, one.unit, _shown(one.ours), peer, ratio, target, verdict)
    console = Console()
    if not console.is_terminal:
        console = Console(width=120)
    console.print(table)
    for note in notes:
        console.print(note, highlight=False)
    for one in measures:
        print(one.line())


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")


def _shown(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.3g}"

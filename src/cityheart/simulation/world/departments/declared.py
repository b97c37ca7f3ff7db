"""The declarations of ``systems.toml``, read and checked."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal, cast

__all__ = ["Column", "Kind", "System", "systems"]

Kind = Literal["s", "i", "n", "d", "t", "b"]
"""Text, whole number, number, day, moment, yes or no."""

_FILE = Path(__file__).with_name("systems.toml")


@dataclass(frozen=True, slots=True)
class Column:
    """A column: what makes it (``verb`` with ``args`` and ``options``) and the headers its source writes, oldest first."""

    name: str
    kind: Kind
    verb: str
    args: tuple[str, ...]
    options: Mapping[str, str]
    headers: tuple[str, ...]

    def number(self, option: str, otherwise: float) -> float:
        """An option as a number."""
        return float(self.options.get(option, otherwise))


@dataclass(frozen=True, slots=True)
class System:
    """One system with its one resource. ``grain`` and ``transport`` are words, the first says which of them it is."""

    name: str
    resource: str
    department: str
    title: str
    grain: tuple[str, ...]
    transport: tuple[str, ...]
    columns: tuple[Column, ...]
    datum: str = "WGS84"
    dates: frozenset[str] = frozenset()  # columns whose dates are written in several ways
    thousands: frozenset[str] = frozenset()  # columns whose numbers come with separators
    bad: tuple[str, str] | None = None  # a column and a value that breaks its contract
    payload: Mapping[str, str] = field(default_factory=dict)  # name in a message -> column

    @property
    def source(self) -> str:
        """The id of its source."""
        return f"{self.name}.{self.resource}"

    def column(self, name: str) -> Column:
        """The column of that name."""
        return next(each for each in self.columns if each.name == name)


@cache
def systems() -> tuple[System, ...]:
    """Every system that is declared, in the order of the file."""
    return tuple(_system(each) for each in tomllib.loads(_FILE.read_text("utf-8"))["systems"])


def _system(raw: Mapping[str, object]) -> System:
    name, _, resource = str(raw["source"]).partition(".")
    bad = str(raw["bad"]).partition("=") if "bad" in raw else None
    columns = cast("Mapping[str, Mapping[str, object]]", raw["columns"])
    return System(
        name,
        resource,
        str(raw["department"]),
        str(raw["title"]),
        tuple(str(raw["grain"]).split()),
        tuple(str(raw["transport"]).split()),
        tuple(_column(name, each) for name, each in columns.items()),
        str(raw.get("datum", "WGS84")),
        frozenset(cast("list[str]", raw.get("dates", []))),
        frozenset(cast("list[str]", raw.get("thousands", []))),
        (bad[0], bad[2]) if bad else None,
        dict(each.split("=", 1) for each in str(raw.get("payload", "")).split()),
    )


def _column(name: str, raw: Mapping[str, object]) -> Column:
    verb, *words = str(raw["make"]).split()
    options = dict(word.split("=", 1) for word in words if "=" in word)
    args = tuple(word for word in words if "=" not in word)
    headers = tuple(cast("list[str]", raw.get("headers", [name])))
    return Column(name, cast("Kind", raw["kind"]), verb, args, options, headers)

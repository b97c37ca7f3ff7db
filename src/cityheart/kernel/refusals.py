"""Refusals in Chinese: catalogues of what the code says in English, looked up at the edge, where a person reads.

A refusal is raised in plain English, and that English is its key. A ``refusals.zh.toml`` beside the code says the same
in Chinese; fields in braces stand for what is filled in::

    "there is no task {task}" = "没有任务 {task}"
    "{file}: {reason}" = "{file}：{reason|zh}"

    "the task is {state}" = "任务{state|task}"

    [task]
    submitted = "待核查"

``{reason|zh}`` is a refusal within the refusal: it is looked up too, and so are the entries of the table ``[zh]``. Any
other mark names a table of words that may stand there, alone or in a list with commas. Whatever else is filled in stays
as it is. docs/adr/0040 says why it is done this way.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from itertools import islice
from operator import itemgetter
from pathlib import Path

from cityheart.kernel import limits

__all__ = ["FILE", "Catalogue", "Template", "add", "language_of", "read", "retold", "say"]

Entries = Mapping[str, str]
Tables = Mapping[str, Mapping[str, str]]

FILE = "refusals.zh.toml"
_PACKAGE = Path(__file__).resolve().parents[1]
_FIELD = re.compile(r"\{([a-z_][a-z0-9_]*)(?:\|([a-z]+))?\}")
_WITHIN = "zh"
_added: dict[Path, tuple[Entries, Tables]] = {}


class Template:
    """A text with fields. It is read from both ends and then forward, without going back: one pass, whatever the text."""

    def __init__(self, written: str) -> None:
        parts = _FIELD.split(written)  # literal, name, mark, literal, name, mark, …, literal
        self.literals = tuple(parts[0::3])
        self.names = tuple(parts[1::3])
        self.marks = tuple(parts[2::3])  # None for a field without
        self.weight = sum(len(literal) for literal in self.literals)

    def match(self, words: str) -> dict[str, str] | None:
        """What the fields hold in these words, or None when they are not of this template."""
        if len(words) < self.weight:
            return None
        first, last = self.literals[0], self.literals[-1]
        if not self.names:
            return {} if words == first else None
        if not words.startswith(first) or not words.endswith(last):
            return None
        held: dict[str, str] = {}
        at, end = len(first), len(words) - len(last)
        for name, literal in zip(self.names, self.literals[1:-1], strict=False):
            found = words.find(literal, at, end)
            if found < 0:
                return None
            held.setdefault(name, words[at:found])
            at = found + len(literal)
        held.setdefault(self.names[-1], words[at:end])
        return held


class Catalogue:
    """English templates and what they are in Chinese.

    Of the templates that fit, the one counts by which most of the text is known: its own words, and those of a refusal
    within it.
    """

    def __init__(self, entries: Entries, tables: Tables | None = None) -> None:
        self._tables = tables or {}
        self._told = _Told(entries)
        self._within = _Told({**self._tables.get(_WITHIN, {}), **entries})

    def say(self, words: str) -> str | None:
        """These words in Chinese, or None when they are not in the catalogue (or too long to look for)."""
        found = self._read(self._told, words, limits.REFUSAL_DEPTH)
        return None if found is None else found[1]

    def _read(self, told: _Told, words: str, depth: int) -> tuple[int, str] | None:
        """How much of the words is known, and the words in Chinese."""
        if words in told.plain:
            return len(words), told.plain[words]
        if len(words) > limits.REFUSAL_CHARS:
            return None
        fitting = ((pair, held) for pair in told.filled if (held := pair[0].match(words)) is not None)
        readings = [self._filled(*pair, held, depth) for pair, held in islice(fitting, limits.REFUSAL_READINGS)]
        return max(readings, key=itemgetter(0), default=None)

    def _filled(self, english: Template, chinese: Template, held: Mapping[str, str], depth: int) -> tuple[int, str]:
        known, pieces = english.weight, [chinese.literals[0]]
        for name, mark, literal in zip(chinese.names, chinese.marks, chinese.literals[1:], strict=True):
            value = held[name]
            if mark == _WITHIN:
                more, value = (self._read(self._within, value, depth - 1) if depth else None) or (0, value)
                known += more
            elif mark is not None:
                table = self._tables.get(mark, {})
                value = "、".join(table.get(word, word) for word in value.split(", "))
            pieces += (value, literal)
        return known, "".join(pieces)


class _Told:
    """Entries in the order in which they are tried."""

    def __init__(self, entries: Entries) -> None:
        self.plain: dict[str, str] = {}
        self.filled: list[tuple[Template, Template]] = []
        for english, chinese in entries.items():
            template = Template(english)
            if template.names:
                self.filled.append((template, Template(chinese)))
            else:
                self.plain[english] = chinese
        self.filled.sort(key=lambda pair: -pair[0].weight)


def read(file: Path) -> tuple[Entries, Tables]:
    """One catalogue: English templates with their Chinese, and tables of words. Raises ValueError saying what is wrong."""
    told = tomllib.loads(file.read_text("utf-8"))
    tables = {name: table for name, table in told.items() if isinstance(table, dict)}
    entries = {english: chinese for english, chinese in told.items() if english not in tables}
    for english, chinese in [*entries.items(), *(pair for table in tables.values() for pair in table.items())]:
        if not isinstance(chinese, str):
            raise ValueError(f"{english!r} is not a text")
        told_of = Template(english)
        if english in entries and told_of.names and (not told_of.weight or "" in told_of.literals[1:-1]):
            raise ValueError(f"{english!r} has fields without words that tell them apart")
        strange = set(Template(chinese).names) - set(told_of.names)
        if strange:
            raise ValueError(f"{english!r} has no field {min(strange)}")
    return entries, tables


def add(file: Path) -> None:
    """Let the words of an application count as well. What is said twice, counts as CityHeart itself says it.

    Raises ValueError for a file that is no catalogue.
    """
    _added[file] = read(file)
    _catalogue.cache_clear()


def language_of(accepted: str) -> str:
    """``zh-CN`` or ``en``, whichever an ``Accept-Language`` header would rather have; ``en`` when it asks for neither."""
    best, language = 0.0, "en"
    for part in accepted[: limits.REFUSAL_CHARS].split(","):
        tag, _, weight = part.strip().partition(";")
        primary = tag.strip().lower().partition("-")[0]
        spelled = weight.strip().removeprefix("q=")
        try:
            wish = float(spelled) if spelled else 1.0
        except ValueError:
            continue
        if primary in ("zh", "en") and wish > best:
            best, language = wish, "zh-CN" if primary == "zh" else "en"
    return language


def say(words: str, language: str) -> str:
    """What a refusal says, in this language; in English as it was raised when no catalogue knows it."""
    if language != "zh-CN":
        return words
    return _catalogue().say(words) or words


def retold(problem: Mapping[str, object], language: str) -> dict[str, object]:
    """A problem's JSON that stands within an answer, in this language."""
    words = {key: problem.get(key) for key in ("title", "detail", "remedy")}
    return {**problem, **{key: say(told, language) for key, told in words.items() if isinstance(told, str)}}


@cache
def _catalogue() -> Catalogue:
    own = [_PACKAGE / FILE, *sorted(_PACKAGE.glob(f"*/{FILE}"))]
    entries: dict[str, str] = {}
    tables: dict[str, dict[str, str]] = {}
    for told, words in [*reversed(_added.values()), *map(read, own)]:
        entries |= told
        for name, table in words.items():
            tables.setdefault(name, {}).update(table)
    return Catalogue(entries, tables)

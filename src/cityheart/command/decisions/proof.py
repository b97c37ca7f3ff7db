"""What can be proved of a table before it is used: rules that overlap, inputs that no rule covers, rules that never count."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from cityheart.command.decisions.feel import squeezed
from cityheart.command.decisions.models import Problem
from cityheart.command.decisions.regions import ANYTHING, Axis, Region
from cityheart.command.decisions.table import Column, Table
from cityheart.command.decisions.values import equal, spelled
from cityheart.kernel import limits
from cityheart.kernel.text import text

__all__ = ["Pair", "gaps", "overlaps", "prove"]

_SHOWN = 3  # gaps shown of one table


@dataclass(frozen=True, slots=True)
class Pair:
    """Two rules that match at once: for certain with the values of ``example`` by column, else perhaps (None)."""

    first: int
    second: int
    example: dict[str, object] | None


class _Lines:
    """The columns of a table as axes; columns that read the same expression are one."""

    def __init__(self, table: Table) -> None:
        self.rules = len(table.rules)
        self.sources: list[str] = []
        groups: dict[str, list[int]] = {}
        for place, column in enumerate(table.columns):
            groups.setdefault(squeezed(column.source), []).append(place)
        self.axes: list[Axis] = []
        self.masks: list[list[int | None]] = []  # by axis, by rule; None where a cell cannot be named as a set
        for source, places in groups.items():
            cells = [[rule.tests[place].region for place in places] for rule in table.rules]
            domain = _domain([table.columns[place] for place in places])
            known = [region for row in cells for region in row if region is not None]
            axis = Axis(domain, known)
            masks: list[int | None] = []
            for row in cells:
                bits: int | None = axis.everything | axis.null
                for region in row:
                    mixed = region is not None and region.kind not in (None, axis.kind)
                    bits = None if bits is None or region is None or mixed else bits & axis.mask(region)
                masks.append(None if bits is None else bits & (axis.domain | axis.null))
            self.sources.append(source)
            self.axes.append(axis)
            self.masks.append(masks)


def _domain(columns: Sequence[Column]) -> Region:
    for column in columns:
        if column.allowed is not None and column.allowed.region is not None:
            return column.allowed.region
    base = columns[0].base
    if base == "boolean":
        return Region("boolean", words=frozenset({True, False}))
    return Region("string", others=True) if base == "string" else ANYTHING


def overlaps(table: Table) -> Iterator[Pair]:
    """Pairs of rules that some input makes match together."""
    lines = _Lines(table)
    for first in range(lines.rules):
        for second in range(first + 1, lines.rules):
            certain = True
            for masks in lines.masks:
                a, b = masks[first], masks[second]
                if a is None or b is None:
                    certain = False
                elif not a & b:
                    break
            else:
                example = _example(lines, first, second) if certain else None
                yield Pair(first, second, example)


def _example(lines: _Lines, first: int, second: int) -> dict[str, object]:
    example = {}
    for source, axis, masks in zip(lines.sources, lines.axes, lines.masks, strict=True):
        a, b = masks[first], masks[second]
        assert a is not None and b is not None
        example[source] = axis.sample(a & b)
    return example


def gaps(table: Table, most: int = _SHOWN) -> tuple[list[dict[str, object]], bool]:
    """Up to ``most`` inputs, by column, that no rule covers; and whether the search came to its end.

    Null is left out: whoever asks is taken to know the inputs. A cell that cannot be named as a set counts as covering.
    """
    lines = _Lines(table)
    search = _Search(lines, most)
    search.into(0, (1 << lines.rules) - 1, [])
    return search.found, search.left > 0


class _Search:
    def __init__(self, lines: _Lines, most: int) -> None:
        self.lines, self.most = lines, most
        self.found: list[dict[str, object]] = []
        self.left = limits.DECISION_PIECES
        self.covered: set[tuple[int, int]] = set()
        self.by_piece = [self._rules_by_piece(axis, masks) for axis, masks in zip(lines.axes, lines.masks, strict=True)]

    def _rules_by_piece(self, axis: Axis, masks: list[int | None]) -> list[tuple[int, int]]:
        """For every piece of the domain the rules that hold in it; neighbours with the same rules are one."""
        turns = [0] * (axis.count + 1)  # where rules begin to hold or cease to
        for rule, mask in enumerate(masks):
            bits = axis.everything if mask is None else mask & axis.everything
            while bits:  # run by run
                low = bits & -bits
                end = (bits + low) & -(bits + low)
                turns[low.bit_length() - 1] ^= 1 << rule
                turns[end.bit_length() - 1] ^= 1 << rule
                bits &= ~(end - low)
        rules = list(accumulate(turns, operator.xor))
        seen: dict[int, int] = {}
        for place in range(axis.count):
            if axis.domain >> place & 1:
                seen.setdefault(rules[place], place)
        return [(1 << place, held) for held, place in seen.items()]

    def into(self, depth: int, rules: int, path: list[int]) -> None:
        """Look on in the columns from ``depth`` on, where ``rules`` hold so far."""
        if len(self.found) >= self.most or self.left <= 0 or (depth, rules) in self.covered:
            return
        if not rules or depth == len(self.lines.axes):
            if not rules:
                self.found.append(self._spelled(path))
            return
        before = len(self.found)
        for piece, held in self.by_piece[depth]:
            self.left -= 1
            self.into(depth + 1, rules & held, [*path, piece])
        if len(self.found) == before and self.left > 0:
            self.covered.add((depth, rules))

    def _spelled(self, path: list[int]) -> dict[str, object]:
        rest = [axis.domain & -axis.domain for axis in self.lines.axes[len(path) :]]
        bits = zip(self.lines.sources, self.lines.axes, [*path, *rest], strict=True)
        return {source: axis.sample(piece) for source, axis, piece in bits}


def prove(table: Table) -> tuple[list[Problem], list[Problem]]:
    """What is wrong with a table, and what is worth a look."""
    wrong, hints = _contradictions(table)
    if table.policy == "F":
        hints += _hidden(table)
    defaults = any(result.default is not None for result in table.results)
    if table.policy in ("U", "A", "P", "F") and not defaults:
        found, finished = gaps(table)
        hints += [_gap(table.id, example) for example in found]
        if not finished:
            hints.append(Problem(
                table.id,
                text("表太大，未能检查是否有遗漏的情况", "the table is too large to look for cases that no rule covers"),
                text("给出默认值，或拆成多个表", "give default outputs, or split the table"),
            ))  # fmt: skip
    return wrong, hints


def _contradictions(table: Table) -> tuple[list[Problem], list[Problem]]:
    wrong: list[Problem] = []
    hints: list[Problem] = []
    if table.policy not in ("U", "A"):
        return wrong, hints
    for pair in overlaps(table):
        a, b = table.rules[pair.first], table.rules[pair.second]
        constant = all(node.constant for node in (*a.outputs, *b.outputs))
        same = constant and all(equal(x.value, y.value) for x, y in zip(a.outputs, b.outputs, strict=True))
        if table.policy == "A" and same:
            continue
        if pair.example is None or (table.policy == "A" and not constant):
            hints.append(Problem(
                b.id,
                text(
                    f"无法证明规则 {a.id} 与 {b.id} 不重叠，执行时再判断",
                    f"it cannot be proved that rules {a.id} and {b.id} do not overlap; it is seen when deciding",
                ),
                text("把条件写成常量，或改用首次命中（F）", "write their conditions with constants, or use hit policy F"),
            ))  # fmt: skip
        else:
            case = _case(pair.example)
            wrong.append(Problem(
                b.id,
                text(f"规则 {a.id} 与 {b.id} 重叠：{case}", f"rules {a.id} and {b.id} overlap: {case}"),
                text("收紧其中一条的条件，或改用首次命中（F）", "narrow one of them, or use hit policy F"),
            ))  # fmt: skip
        if len(wrong) + len(hints) >= limits.DECISION_PROBLEMS:
            break
    return wrong, hints


def _hidden(table: Table) -> list[Problem]:
    """Rules of a first-hit table that an earlier one always forestalls."""
    lines = _Lines(table)
    found = []
    for second in range(1, lines.rules):
        for first in range(second):
            pairs = [(masks[first], masks[second]) for masks in lines.masks]
            if all(a is not None and b is not None and not b & ~a for a, b in pairs):
                a, b = table.rules[first].id, table.rules[second].id
                found.append(Problem(
                    b,
                    text(
                        f"规则 {b} 永远不会生效：规则 {a} 总在它之前成立",
                        f"rule {b} never counts: rule {a} always comes first",
                    ),
                    text("调整顺序，或删除它", "change the order, or take it out"),
                ))  # fmt: skip
                break
    return found[: limits.DECISION_PROBLEMS]


def _gap(table: str, example: dict[str, object]) -> Problem:
    case = _case(example)
    return Problem(
        table,
        text(f"没有规则适用于：{case}", f"no rule covers {case}"),
        text("增加规则，或给出默认值", "add a rule, or give default outputs"),
    )


def _case(example: dict[str, object]) -> str:
    return ", ".join(f"{source} = {'…' if value == '…' else spelled(value)}" for source, value in example.items())

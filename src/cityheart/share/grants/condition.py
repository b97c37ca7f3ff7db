"""Conditions on the rows of a dataset, in the language of the conditions of plans, compiled to SQL.

``kind == '危货' and approved_t > 10 and plate in ['苏F10001', '苏F10002']``: columns of the contract compared with
written values. Dates and moments are written as text (``'2015-12-01'``). A row without the value is never meant.
"""

from __future__ import annotations

import ast
import math
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from cityheart.kernel import limits
from cityheart.kernel.errors import Invalid
from cityheart.share.contracts import Contract, Field

__all__ = ["Condition", "compiled"]

_SIGNS: dict[type[ast.cmpop], str] = {
    ast.Eq: "=", ast.NotEq: "<>", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.In: "IN", ast.NotIn: "NOT IN",
}  # fmt: skip
_EXAMPLE = "e.g. level <= 2 and kind in ['fire', 'leak']"
_TRUTH = {"true": "TRUE", "false": "FALSE"}
_WORDS = re.compile(r"[^\x00-\x1f\\]*")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition as written, as SQL over quoted columns, and the columns it reads."""

    source: str
    sql: str
    reads: frozenset[str]


def compiled(source: str, contract: Contract) -> Condition:
    """A condition on the rows of a contract's dataset. Raises :class:`Invalid` naming what cannot be read."""
    if len(source) > limits.CONDITION_CHARS:
        raise Invalid(f"a condition has at most {limits.CONDITION_CHARS} characters", remedy="say it with fewer values")
    if not _WORDS.fullmatch(source):
        raise _wrong(source, "it holds a line break, a control character or a backslash")
    try:
        tree = ast.parse(source.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise _wrong(source, "it cannot be read") from None
    reading = _Reading(source, {each.name: each for each in contract.stored})
    sql = reading.truth(tree, 0)
    return Condition(source.strip(), sql, frozenset(reading.names))


def _wrong(source: str, what: str) -> Invalid:
    return Invalid(f"condition {source[:200]!r}: {what}", remedy=_EXAMPLE)


class _Reading:
    def __init__(self, source: str, columns: dict[str, Field]) -> None:
        self.source, self.columns = source, columns
        self.names: set[str] = set()

    def truth(self, node: ast.expr, depth: int) -> str:
        """What is true or false, in brackets."""
        if depth > limits.CONDITION_DEPTH:
            raise _wrong(self.source, "too many brackets")
        if isinstance(node, ast.BoolOp):
            word = " AND " if isinstance(node.op, ast.And) else " OR "
            return f"({word.join(self.truth(each, depth + 1) for each in node.values)})"
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return f"(NOT {self.truth(node.operand, depth + 1)})"
        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            return self.comparison(node.left, node.ops[0], node.comparators[0])
        if isinstance(node, ast.Name) and node.id not in _TRUTH:
            column = self.column(node)
            if column.type == "boolean":
                return f'("{column.name}" = TRUE)'
        raise _wrong(self.source, "compare a column with a written value")

    def comparison(self, left: ast.expr, sign: ast.cmpop, right: ast.expr) -> str:
        if not isinstance(left, ast.Name) or left.id in _TRUTH or type(sign) not in _SIGNS:
            raise _wrong(self.source, "a column stands on the left, a written value on the right")
        column, word = self.column(left), _SIGNS[type(sign)]
        if isinstance(sign, ast.In | ast.NotIn):
            if not isinstance(right, ast.List) or not right.elts:
                raise _wrong(self.source, "after in stands a list with at least one value")
            values = ", ".join(self.value(each, column) for each in right.elts)
            return f'("{column.name}" {word} ({values}))'
        if column.type == "boolean" and not isinstance(sign, ast.Eq | ast.NotEq):
            raise _wrong(self.source, f"{column.name} is true or false, and no more than that")
        return f'("{column.name}" {word} {self.value(right, column)})'

    def column(self, node: ast.Name) -> Field:
        # the parser writes some letters in another form of the same name; columns are named as the contract has them
        written = ast.get_source_segment(self.source.strip(), node) or node.id
        found = self.columns.get(written) or self.columns.get(node.id)
        if found is None:
            raise _wrong(self.source, f"there is no column {written}")
        self.names.add(found.name)
        return found

    def value(self, node: ast.expr, column: Field) -> str:
        """A written value as SQL of the column's type."""
        if isinstance(node, ast.Name) and node.id in _TRUTH and column.type == "boolean":
            return _TRUTH[node.id]
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Constant):
            found = node.operand.value
            value: object = -found if isinstance(found, int | float) and not isinstance(found, bool) else None
        else:
            value = node.value if isinstance(node, ast.Constant) else None
        if column.type in ("integer", "number") and isinstance(value, int | float) and not isinstance(value, bool):
            if math.isfinite(value) and abs(value) < 2**63:
                return repr(value)
        elif column.type in ("string", "time") and isinstance(value, str):
            return "'" + value.replace("'", "''") + "'"
        elif column.type in ("date", "datetime") and isinstance(value, str):
            return self.moment(value, column)
        raise _wrong(self.source, f"{column.name} is of type {column.type}; it is compared with values of that type")

    def moment(self, value: str, column: Field) -> str:
        try:
            if column.type == "date":
                return f"DATE '{date.fromisoformat(value).isoformat()}'"
            at = datetime.fromisoformat(value)
        except ValueError:
            raise _wrong(
                self.source, f"{value!r} is no {column.type}; write 2015-12-01, or 2015-12-01T08:00:00Z"
            ) from None
        if at.tzinfo is None:
            raise _wrong(self.source, f"{value!r} needs an offset, such as 2015-12-01T08:00:00+08:00")
        micro = (at - _EPOCH) // timedelta(microseconds=1)
        return f"arrow_cast({micro:d}, 'Timestamp(Microsecond, Some(\"UTC\"))')"

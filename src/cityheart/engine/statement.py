"""What SQL may come to the lake: one SELECT over known tables. Values are parameters, files are out of reach."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from cityheart.kernel import limits
from cityheart.kernel.errors import BadRequest

__all__ = ["columns_named", "references"]

_TOKEN = re.compile(
    r"""(?P<space>\s+|--[^\n]*|/\*.*?\*/)
      |(?P<text>[A-Za-z]?'(?:[^']|'')*')
      |(?P<quoted>"(?:[^"]|"")*")
      |(?P<word>[^\W\d]\w*)
      |(?P<other>\$\w+|\d[\w.]*|.)""",
    re.VERBOSE | re.DOTALL,
)
_REFUSED = frozenset({"into", "information_schema", "datafusion"})


def columns_named(sql: str, columns: Sequence[str], *, every: bool = True) -> list[str]:
    """Those of ``columns`` that the statement may read; with ``every`` at least one.

    All when it may mean columns that it does not name: ``*`` for columns, a natural join, a name with a quote in it.
    """
    words = _words(sql)
    if _ALL in words:
        return list(columns)
    return [name for name in columns if name.lower() in words] or list(columns[: int(every)])


_ALL = "*"


@lru_cache(maxsize=512)
def _words(sql: str) -> frozenset[str]:
    """Every word and quoted name in lower case, and ``*`` when the statement may mean columns without naming them."""
    words: set[str] = set()
    earlier = before = ""
    for match in _TOKEN.finditer(sql):
        word = match.group().lower()
        if match.lastgroup == "space":
            continue
        counts = (earlier, before) == ("count", "(")  # of rows, whatever their columns
        wild = word == "*" and before in ("select", "distinct", "all", ",", ".", "(", "") and not counts
        if wild or word == "natural" or (match.lastgroup == "quoted" and '""' in word):
            words.add(_ALL)
        elif word != "*":
            words.add(word.strip('"'))
        earlier, before = before, word
    return frozenset(words)


@lru_cache(maxsize=512)
def references(sql: str) -> frozenset[str]:
    """The names that stand where a table can stand. BadRequest for anything but one SELECT over named tables.

    Names of common table expressions and of columns may be among them; no table is left out.
    """
    if len(sql) > limits.LAKE_SQL_CHARS:
        raise BadRequest(f"The SQL is longer than {limits.LAKE_SQL_CHARS} characters.")
    names: set[str] = set()
    first = before = ""
    for match in _TOKEN.finditer(sql):
        kind, token = str(match.lastgroup), match.group()
        if kind == "space":
            continue
        word = token.lower() if kind == "word" else token
        if not first:
            first = word
            if first not in ("select", "with"):
                raise BadRequest("Only SELECT is answered.", remedy="Begin with SELECT or WITH.")
        if word == ";" and sql[match.end() :].strip():
            raise BadRequest("One statement at a time.")
        if kind == "word" and word in _REFUSED:
            raise BadRequest(f"{token} is not allowed in a query of the lake.")
        if before in ("from", "join") and kind == "text":
            raise BadRequest("Files cannot be read by a query.", remedy="Name a dataset of the lake.")
        if kind == "quoted":
            word = token[1:-1].replace('""', '"')
            if any(mark in word for mark in "/\\:"):
                raise BadRequest("Files cannot be read by a query.", remedy="Name a dataset of the lake.")
        if kind in ("word", "quoted") and before in ("from", "join", ",", "("):
            names.add(word)
        before = word if kind != "quoted" else token
    return frozenset(names)

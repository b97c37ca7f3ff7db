"""The departments of a city as a tree: read from the city's own list, checked, and asked who stands below whom.

The list is ``departments.csv`` in the city's folder: ``code,name,name_en,parent,kind`` and, where it is not a department
of the city itself, ``level`` (county, township). What it says of a department goes before what an application says.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import cast, get_args

from cityheart.kernel import limits
from cityheart.kernel.errors import Invalid, TooLarge
from cityheart.kernel.text import text
from cityheart.share.models import Department, Level

__all__ = ["FILE", "below", "check", "read"]

FILE = "departments.csv"  # in a city's folder
_CODE = re.compile(r"[a-z0-9][a-z0-9-]{0,59}")
_NEEDED = {"code", "name", "name_en"}
_LEVELS: tuple[Level, ...] = get_args(Level)


def read(file: Path) -> list[Department]:
    """The departments that ``file`` lists. Raises :class:`Invalid` naming the line, :class:`TooLarge`."""
    if file.stat().st_size > limits.DEPARTMENTS_BYTES:
        raise TooLarge(
            f"{file} is larger than {limits.DEPARTMENTS_BYTES} bytes", remedy="is it the list of departments?"
        )
    try:
        lines = list(csv.DictReader(file.read_text("utf-8-sig").splitlines(), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise Invalid(f"{file} cannot be read: {error}", remedy="save it as CSV in UTF-8") from None
    if not lines:
        raise Invalid(f"{file} lists nobody", remedy="write a line for each department, or delete it")
    if missing := _NEEDED - lines[0].keys():
        raise Invalid(
            f"{file} has no column {', '.join(sorted(missing))}", remedy="columns: code,name,name_en,parent,kind,level"
        )
    found: dict[str, Department] = {}
    for number, line in enumerate(lines, 2):
        where = f"{file}, line {number}"
        if any(line[name] is None for name in _NEEDED):
            raise Invalid(f"{where} is too short", remedy="give every column, empty where there is nothing to say")
        code = line["code"].strip()
        if _CODE.fullmatch(code) is None:
            raise Invalid(f"{where}: the code is {code!r}", remedy="use a-z, 0-9 and -, at most 60 characters")
        if code in found:
            raise Invalid(f"{where}: {code} is there twice", remedy="delete one of them")
        names = [line["name"].strip(), line["name_en"].strip()]
        if not all(names):
            raise Invalid(f"{where}: {code} has no name in both languages", remedy="fill in name and name_en")
        level = (line.get("level") or "city").strip()
        if level not in _LEVELS:
            raise Invalid(f"{where}: the level is {level!r}", remedy=f"one of {', '.join(_LEVELS)}")
        parent, kind = (line.get("parent") or "").strip() or None, (line.get("kind") or "").strip() or "bureau"
        found[code] = Department(code, text(*names), kind, parent, cast(Level, level))
    return list(found.values())


def check(departments: Mapping[str, Department]) -> None:
    """Raise :class:`Invalid` for a parent that does not exist, a circle, or a level not below that of the parent."""
    for department in departments.values():
        if department.parent is None:
            continue
        above = departments.get(department.parent)
        if above is None:
            raise Invalid(
                f"department {department.code}: no department has the code {department.parent!r}",
                remedy="mend its parent",
            )
        if _LEVELS.index(above.level) > _LEVELS.index(department.level):
            raise Invalid(
                f"department {department.code} ({department.level}) stands below {above.code} ({above.level})",
                remedy="mend its level or its parent",
            )
        seen, at = {department.code}, above
        while at.parent is not None:
            if at.code in seen:
                raise Invalid(f"department {department.code} stands below itself", remedy="mend its parent")
            seen.add(at.code)
            at = departments[at.parent] if at.parent in departments else Department(at.parent, at.title)


def below(departments: Iterable[Department]) -> dict[str, frozenset[str]]:
    """For every department all that stand below it, at any depth; an empty set where nobody does."""
    tree = {each.code: each.parent for each in departments}
    found: dict[str, set[str]] = {code: set() for code in tree}
    for code in tree:
        above = tree[code]
        while above is not None and above != code and code not in found.setdefault(above, set()):
            found[above].add(code)
            above = tree.get(above)
    return {code: frozenset(codes) for code, codes in found.items()}

"""Rebuilding from the command line, for whoever looks after the machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from rich.markup import escape
from rich.table import Table

from cityheart.entities.rebuilding import Pace, unhurried
from cityheart.entities.service import Entities
from cityheart.kernel.actors import Actor
from cityheart.kernel.errors import Conflict

__all__ = ["preview", "rebuild"]

OPERATOR = Actor.system("cli")
_COLUMNS = ("records", "subjects", "after", "moved", "merged", "split", "questions", "held")


def preview(entities: Entities, pace: Pace = unhurried) -> tuple[Table, Sequence[str]]:
    """What a rebuild would change, as a table, and some of the changes in words; ``pace`` hears how far it is."""
    found = cast("Mapping[str, Any]", entities.preview(OPERATOR, pace))
    table = Table("kind", *_COLUMNS, title=f"under rules {escape(str(found['model']))}", title_justify="left")
    for kind in found["kinds"]:
        table.add_row(kind["kind"], *(f"{kind[name]:,}" for name in _COLUMNS))
    lines = [
        f"{one['type']}: {one['records']:,} records of {one['subject']} to {one['into'] or 'a new subject'} "
        f"({', '.join(one['names']) or 'no name'})"
        for one in found["examples"]
    ]
    if not found["due"]:
        lines.append("all records stand where they are by these rules")
    return table, lines


def rebuild(entities: Entities, command_id: str, reason: str, pace: Pace = unhurried) -> None:
    """Ask for a rebuild and do it, or the one that somebody else asked for. Raises :class:`Conflict` when it is not done."""
    try:
        entities.rebuild(OPERATOR, command_id, reason)
    except Conflict:
        entities.carry_out(pace)
        raise
    entities.carry_out(pace)

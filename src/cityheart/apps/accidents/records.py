"""What stands of the records that landed: the newest rows, less what was withdrawn, with what was corrected.

A release lists every accident; a change file names the records that came, went and were corrected. They land as three
datasets, in whatever order somebody drops the files, so what stands is worked out here and is the same for every order
but one: a record that is withdrawn and added again stands when its row landed after the withdrawal.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from pathlib import Path

from cityheart.sdk import Contract

__all__ = ["contract", "standing"]

Row = Mapping[str, object]

_FOLDER = Path(__file__).parent
_TRUE, _FALSE = "Yes", "No"  # as the source writes them


@functools.cache
def contract() -> Contract:
    """The contract of the accidents, which names the columns of the source and their types."""
    return Contract.load(_FOLDER / "contracts" / "chemical_accident.json")


def standing(accidents: Iterable[Row], withdrawn: Iterable[Row], corrected: Iterable[Row]) -> list[dict[str, object]]:
    """The records that stand, by their number.

    ``accidents``, ``withdrawn`` and ``corrected`` are current rows of the three datasets, each with ``_known_at``. A
    correction holds where the record has the value it corrects: a newer row that has the right one already is left as
    it is. What cannot be read as a correction is passed over.
    """
    gone = {str(row["history_id"]): row["_known_at"] for row in withdrawn}
    changes: dict[str, list[Row]] = {}
    for row in corrected:
        changes.setdefault(str(row["history_id"]), []).append(row)
    found = []
    for row in accidents:
        id = str(row["history_id"])
        since, landed = gone.get(id), row["_known_at"]
        if isinstance(since, datetime) and isinstance(landed, datetime) and landed <= since:
            continue
        stands = dict(row)
        for one in sorted(changes.get(id, ()), key=lambda each: str(each["_known_at"])):
            _correct(stands, one)
        found.append(stands)
    return sorted(found, key=lambda row: (len(str(row["history_id"])), str(row["history_id"])))


def _correct(row: dict[str, object], correction: Row) -> None:
    try:
        changes = json.loads(str(correction["changes"]))
    except (ValueError, RecursionError):
        return
    if not isinstance(changes, Mapping):
        return
    names, types = contract().rename, {field.name: field.type for field in contract().fields}
    for column, values in changes.items():
        name = names.get(str(column))
        if name is None or name in contract().key or not isinstance(values, list) or len(values) != 2:
            continue
        try:
            old, new = (_read(types[name], value) for value in values)
        except ValueError:
            continue
        if _spelled(row.get(name)) == _spelled(old):
            row[name] = new


def _spelled(value: object) -> object:
    """A value to be compared: a text whatever its blanks are, an empty one as none."""
    return " ".join(value.split()) or None if isinstance(value, str) else value


def _read(type: str, value: object) -> object:
    """A value as the landing would have read it; ValueError when it is none of its type."""
    spelled = " ".join(str(value).split()) if value is not None else ""
    if not spelled:
        return None
    if type == "number":
        return float(spelled)
    if type == "date":
        return date.fromisoformat(spelled)
    if type == "boolean":
        if spelled not in (_TRUE, _FALSE):
            raise ValueError(spelled)
        return spelled == _TRUE
    return str(value).strip()

"""The chemicals of accident reports: names as they are reported, CAS numbers, and pounds made into tonnes."""

from __future__ import annotations

import csv
import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cityheart.sdk import Delivery, Text, text

__all__ = ["TONNES_PER_POUND", "Chemical", "Released", "chemicals", "register", "released"]

TONNES_PER_POUND = 0.00045359237  # exactly
_DATA = Path(__file__).parent / "data"
_SEPARATOR = re.compile(r"\s*•\s*")
_PART = re.compile(r"(?P<name>.*?)\s*\{(?P<pounds>\d{1,12}(?:\.\d{1,6})?)\}")


@dataclass(frozen=True, slots=True)
class Chemical:
    """A chemical of the register."""

    cas: str
    name: Text


@dataclass(frozen=True, slots=True)
class Released:
    """How much of what was released: the name as reported, tonnes where they are told, the chemical where it is known.

    ``also`` are other Chinese names of it in this form (液氨 for ammonia without water); empty for most.
    """

    reported: str
    tonnes: float | None
    chemical: Chemical | None
    also: str = ""


def register(received_at: datetime) -> Delivery:
    """The extract of the register as a delivery of the source ``registry.chemicals``, received at an aware moment."""
    payload = (_DATA / "chemicals.csv").read_bytes()
    return Delivery(name="chemicals.csv", received_at=received_at, payload=payload, format="csv")


def chemicals(rows: Iterable[dict[str, object]]) -> dict[str, Chemical]:
    """Rows of the dataset ``chemical`` by their CAS number."""
    found = {}
    for row in rows:
        cas, en = str(row["cas"]), str(row["name_en"])
        found[cas] = Chemical(cas, text(str(row.get("name_zh") or en), en))
    return found


@functools.cache
def _listed() -> dict[str, tuple[str, str]]:
    with (_DATA / "names.csv").open(encoding="utf-8", newline="") as lines:
        return {_key(row["reported"]): (row["cas"], row["also_zh"]) for row in csv.DictReader(lines)}


def _key(name: str) -> str:
    return " ".join(name.split()).casefold()


def released(told: str, known: dict[str, Chemical]) -> list[Released]:
    """What a report says was released, ``Chlorine {82} • Propane {100}`` in pounds, each chemical and amount once."""
    found: dict[tuple[str, float | None], Released] = {}
    for part in _SEPARATOR.split(told):
        if not (spelled := " ".join(part.split())):
            continue
        match = _PART.fullmatch(spelled)
        name = match["name"] if match else spelled
        tonnes = float(match["pounds"]) * TONNES_PER_POUND if match else None
        cas, also = _listed().get(_key(name), ("", ""))
        found.setdefault((_key(name), tonnes), Released(name, tonnes, known.get(cas), also))
    return list(found.values())

"""What sharing is about: departments, sources, datasets, deliveries and what became of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from cityheart.kernel.text import Text

if TYPE_CHECKING:
    from cityheart.share.contracts import Contract

__all__ = [
    "Dataset",
    "Delivery",
    "Department",
    "FieldQuality",
    "Landed",
    "Refused",
    "Replayed",
    "Source",
    "SourceState",
    "printable",
    "seen",
]

Level = Literal["city", "county", "township"]
SourceState = Literal["ok", "late", "failing", "refused", "idle"]


@dataclass(frozen=True)
class Department:
    """A department of the city by its code; `kind` is what sort it is (bureau, district, service …).

    `level` is where it stands: of the city, of a county (district), of a township (street); `parent` the department it
    stands below.
    """

    code: str
    title: Text
    kind: str = "bureau"
    parent: str | None = None
    level: Level = "city"


@dataclass(frozen=True)
class Dataset:
    """A dataset of the catalogue. `sharing`: 1 unconditional, 2 conditional, 3 not shared (政务数据共享条例)."""

    name: str
    owner: str
    contract: Contract
    sharing: Literal[1, 2, 3] = 1
    classification: str = "public"
    purpose: Text = field(default_factory=dict)
    update_cycle: timedelta | None = None

    @classmethod
    def of(cls, contract: Contract) -> Dataset:
        """The dataset a contract describes."""
        return cls(
            name=contract.name,
            owner=contract.owner,
            contract=contract,
            sharing=contract.sharing,
            classification=contract.classification,
            purpose=contract.purpose,
            update_cycle=contract.update_cycle,
        )


@dataclass(frozen=True)
class Source:
    """A system of a department and the way its data comes: a kind of `connector`, its `options`, and when to ask.

    `schedule` is the ISO 8601 duration between two pulls (``PT5M``); ``None`` for a source that delivers by itself.
    """

    id: str
    department: str
    title: Text
    connector: str
    options: Mapping[str, object]
    dataset: str
    schedule: str | None = None


@dataclass(frozen=True)
class Delivery:
    """One file, page or message batch as it came. `received_at` (aware) becomes ``_known_at`` of its rows.

    A delivery is told from another by source, `name`, content and `stamp`; the same one again lands nothing twice.
    A `stamp` (a file's time, a poll's number) makes an equal content under an equal name a new delivery.
    """

    name: str
    received_at: datetime
    payload: bytes | Path
    format: str | None = None
    stamp: str = ""


@dataclass(frozen=True)
class Landed:
    """What became of a delivery. `version` is the lake version that holds its rows, ``None`` when none landed.

    `refused` says why nothing of it was taken; `repeated` that it had landed before and this is the earlier result.
    `reasons` counts the quarantined rows by code.
    """

    delivery: str
    dataset: str
    rows: int
    quarantined: int
    reasons: Mapping[str, int]
    version: int | None
    refused: Text | None = None
    repeated: bool = False


@dataclass
class FieldQuality:
    """Counts of one field over checked rows; `min` and `max` of numbers, dates and moments (UTC).

    `cleaned` and `refused` count by cleaning step the values that it changed and those for which it refused the row.
    """

    missing: int = 0
    invalid: int = 0
    min: float | int | date | datetime | None = None
    max: float | int | date | datetime | None = None
    cleaned: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Replayed:
    """What a replay of quarantine did: entries tried, rows landed, entries that still break the contract.

    `superseded` counts rows that were good now but about which the city had heard something newer since. `next`: the entry
    after which it goes on, None when all were tried.
    """

    tried: int
    landed: int
    still_bad: int
    superseded: int
    next: str | None = None


class Refused(Exception):  # noqa: N818  (a delivery is refused; that is an outcome, not a fault)
    """A delivery that cannot be taken as a whole; `code` and `message` say why."""

    def __init__(self, code: str, message: Text) -> None:
        super().__init__(message["en"])
        self.code = code
        self.message = printable(message)


def printable(message: Text) -> Text:
    """A message that quotes a source, without what no database and no screen takes (zero bytes, lone surrogates …)."""
    return {tag: seen(each) for tag, each in message.items()}


def seen(words: str) -> str:
    """Words with U+FFFD for every character that cannot be seen."""
    return words if words.isprintable() else "".join(each if each.isprintable() else "\ufffd" for each in words)

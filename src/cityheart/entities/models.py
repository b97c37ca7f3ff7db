"""What block data is about: subjects, the records they are made of, what ties them, and questions for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from cityheart.kernel.text import Text, text

__all__ = ["IDENTIFIERS", "KIND_TITLES", "Link", "Record", "Relation", "Review", "Subject"]

KIND_TITLES: Mapping[str, Text] = {
    "firm": text("企业", "firm"),
    "site": text("厂址", "site"),
    "vehicle": text("车辆", "vehicle"),
    "tank": text("储罐", "tank"),
    "outlet": text("排放口", "outlet"),
    "meter": text("电表", "meter"),
}

IDENTIFIERS: Mapping[str, Text] = {
    "uscc": text("统一社会信用代码", "unified social credit code"),
    "registration": text("注册号", "registration number"),
    "firm_id": text("企业登记编号", "firm number of the registry"),
    "site_id": text("厂址编号", "site number"),
    "plate": text("车牌号", "licence plate"),
    "terminal_phone": text("车载终端号", "number of the vehicle's terminal"),
    "tank_id": text("储罐编号", "tank number"),
    "mn": text("监测设备编号", "number of the monitoring device"),
    "meter_id": text("电表号", "meter number"),
}
"""Types of identifiers that a declaration may name."""


@dataclass(frozen=True)
class Subject:
    """One firm, site, vehicle, tank, outlet or meter. ``into``: the subject it was merged into, when it was.

    ``unique``: its unique identifiers as numbers; ``name_rank``, ``place_rank``: which declaration gave name and place.
    """

    id: str
    kind: str
    name: str | None
    lon: float | None
    lat: float | None
    since: datetime | None
    until: datetime | None
    into: str | None
    unique: Sequence[int]
    name_rank: int
    place_rank: int
    made_at: datetime


@dataclass(frozen=True)
class Record:
    """How one dataset speaks of a subject: by its own key (``columns`` and their values), and why it was put there."""

    id: int
    dataset: str
    role: str
    columns: Sequence[str]
    key: Sequence[str | None]
    kind: str
    subject: str
    name: str | None
    former: str | None
    address: str | None
    lon: float | None
    lat: float | None
    since: datetime | None
    until: datetime | None
    identifiers: Mapping[str, str]
    rule: str
    score: float | None
    beside: int | None  # the record that it was found to be the same as
    evidence: str
    model: str
    joined_at: datetime
    joined_by: str
    known_at: datetime


@dataclass(frozen=True)
class Relation:
    """A kind of tie between subjects, said from both ends."""

    id: str
    title: Text
    back: Text


@dataclass(frozen=True)
class Link:
    """A tie that rows of a dataset speak of, between two records; ``since`` and ``until`` as the rows have it."""

    dataset: str
    relation: str
    a: int
    b: int
    since: datetime | None
    until: datetime | None


@dataclass(frozen=True)
class Review:
    """A question to a person: are these two records the same? ``state``: open, same, different, overtaken."""

    id: str
    kind: str
    a: int
    b: int
    department: str
    score: float
    evidence: str
    model: str
    state: str
    raised_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    reason: str | None

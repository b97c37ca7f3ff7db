"""Learning from accidents: what landed of them becomes closed cases of the knowledge base."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import pyarrow as pa

from cityheart.apps.accidents.cases import KIND, ORIGIN, accident_of, cases
from cityheart.apps.accidents.chemicals import chemicals, register, released
from cityheart.apps.accidents.records import standing
from cityheart.sdk import Actor, Clock, Delivery, NotFound, Source

__all__ = ["Import", "Learned", "Shares", "learn"]


class Shares(Protocol):
    """Of a city's sharing what is needed here."""

    def declared(self) -> list[Source]: ...
    def land(self, source_id: str, deliveries: Sequence[Delivery]) -> object: ...
    def read(self, actor: Actor, dataset: str) -> pa.Table: ...


class Import(Protocol):
    """Takes in a JSON array of closed cases, as the knowledge base does."""

    def __call__(
        self, actor: Actor, command_id: str, origin: str, format: str, content: str
    ) -> Mapping[str, object]: ...


@dataclass(frozen=True, slots=True)
class Learned:
    """What became of the accidents: records that stand, accidents told apart, those withdrawn altogether (``gone``),
    those with a chemical of the register, cases taken in, revised, known already, refused, and why (commonest first)."""

    records: int
    withdrawn: int
    corrected: int
    accidents: int
    gone: int
    linked: int
    imported: int
    revised: int
    known: int
    refused: int
    reasons: tuple[str, ...]


def learn(
    share: Shares,
    take: Import,
    clock: Clock,
    actor: Actor,
    *,
    kind: str = KIND,
    most_bytes: int = 4 * 2**20,
    most_cases: int = 10_000,
) -> Learned:
    """Make cases of the accidents that stand now, to be found for matters of ``kind``. Doing it again changes nothing.

    The extract of the register of chemicals lands first, once. ``most_bytes`` and ``most_cases`` bound one import. Raises
    :class:`NotFound` where the application is not installed, Forbidden for an actor who may not read or take in.
    """
    if not {"epa-rmp.release", "registry.chemicals"} <= {source.id for source in share.declared()}:
        raise NotFound(
            "the application accidents is not installed in this city",
            remedy="name it among apps in the city's settings, or begin with: cityheart init DIR --like accidents",
        )
    now = clock.now()
    share.land("registry.chemicals", [register(now)])
    rows = {name: share.read(actor, name).to_pylist() for name in _READ}
    known = chemicals(rows["chemical"])
    every = rows["chemical_accident"]
    stands = standing(every, rows["accident_withdrawal"], rows["accident_correction"])
    found = cases(stands, known, kind=kind)
    linked = {accident_of(row) for row in stands if any(one.chemical for one in released(str(row["chemicals"]), known))}
    landed = {str(row["history_id"]): row for row in every}
    origin = ORIGIN if kind == KIND else f"{ORIGIN}:{kind}"[:80]
    counts, reasons = _import(take, now, actor, origin, _pieces(found, most_bytes, most_cases))
    return Learned(
        records=len(stands),
        withdrawn=len(landed) - len(stands),
        corrected=sum(landed[str(row["history_id"])] != row for row in stands),
        accidents=len(found),
        gone=len({accident_of(row) for row in every}) - len(found),
        linked=len(linked),
        imported=counts["imported"],
        revised=counts["revised"],
        known=counts["known"],
        refused=counts["refused"],
        reasons=tuple(f"{n:,} x {reason}" for reason, n in reasons.most_common(5)),
    )


_READ = ("chemical", "chemical_accident", "accident_withdrawal", "accident_correction")


def _import(
    take: Import, now: datetime, actor: Actor, origin: str, pieces: Sequence[str]
) -> tuple[Counter[str], Counter[str]]:  # fmt: skip
    """Take cases in; the same piece at the same moment is the same command."""
    counts: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    for piece in pieces:
        command = hashlib.sha256(f"{now.isoformat()}{origin}{piece}".encode()).hexdigest()
        taken = take(actor, f"accidents-{command[:40]}", origin, "json", piece)
        for name in ("imported", "revised", "known", "refused"):
            counts[name] += int(str(taken[name]))
        refusals = taken["refusals"]
        if isinstance(refusals, list):
            reasons.update(str(one["reason"]) for one in refusals)
    return counts, reasons


def _pieces(found: Sequence[Mapping[str, object]], most_bytes: int, most_cases: int) -> list[str]:
    """The cases as JSON arrays below the limits of one import."""
    pieces: list[list[str]] = [[]]
    size = 2
    for one in found:
        spelled = json.dumps(one, ensure_ascii=False)
        more = len(spelled.encode()) + 1
        if pieces[-1] and (size + more > most_bytes or len(pieces[-1]) >= most_cases):
            pieces.append([])
            size = 2
        pieces[-1].append(spelled)
        size += more
    return [f"[{','.join(piece)}]" for piece in pieces if piece]

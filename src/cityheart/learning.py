"""Learning from accidents: what landed of them becomes closed cases of the knowledge base."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass

from cityheart.apps.accidents.cases import KIND, ORIGIN, cases
from cityheart.apps.accidents.chemicals import chemicals, register, released
from cityheart.apps.accidents.records import standing
from cityheart.city import City
from cityheart.kernel import limits
from cityheart.kernel.actors import Actor
from cityheart.kernel.errors import NotFound

__all__ = ["Learned", "learn_from_accidents"]


@dataclass(frozen=True, slots=True)
class Learned:
    """What became of the accidents: records that stand, accidents told apart, those with a chemical of the register,
    cases that were taken in, known already, refused, and why (the commonest reasons)."""

    records: int
    withdrawn: int
    corrected: int
    accidents: int
    linked: int
    imported: int
    known: int
    refused: int
    reasons: tuple[str, ...]


def learn_from_accidents(city: City, kind: str = KIND, actor: Actor | None = None) -> Learned:
    """Make cases of the accidents that stand now, to be found for matters of ``kind``. Doing it again changes nothing.

    The extract of the register of chemicals lands first, once. Raises :class:`NotFound` where the application is not
    installed, :class:`Forbidden` for an actor who may not take in cases.
    """
    actor = actor or Actor.system("cli")
    if "epa-rmp.release" not in {source.id for source in city.share.declared()}:
        raise NotFound(
            "the application accidents is not installed in this city",
            remedy="name it among apps in the city's settings, or begin with: cityheart init DIR --like accidents",
        )
    city.share.land("registry.chemicals", [register(city.clock.now())])
    rows = {name: city.share.read(actor, name).to_pylist() for name in _READ}
    known = chemicals(rows["chemical"])
    stands = standing(rows["chemical_accident"], rows["accident_withdrawal"], rows["accident_correction"])
    found = cases(stands, known, kind=kind)
    linked = {
        (row["facility_id"], row["accident_date"], row["accident_time"])
        for row in stands
        if any(one.chemical for one in released(str(row["chemicals"]), known))
    }
    landed = {str(row["history_id"]): row for row in rows["chemical_accident"]}
    corrected = sum(landed[str(row["history_id"])] != row for row in stands)
    counts, reasons = _import(city, actor, found, ORIGIN if kind == KIND else f"{ORIGIN}:{kind}"[:80])
    return Learned(
        records=len(stands), withdrawn=len(landed) - len(stands), corrected=corrected, accidents=len(found),
        linked=len(linked), imported=counts["imported"], known=counts["known"], refused=counts["refused"],
        reasons=tuple(f"{n:,} x {reason}" for reason, n in reasons.most_common(5)),
    )  # fmt: skip


_READ = ("chemical", "chemical_accident", "accident_withdrawal", "accident_correction")


def _import(
    city: City, actor: Actor, found: list[dict[str, object]], origin: str
) -> tuple[Counter[str], Counter[str]]:  # fmt: skip
    """Take cases in, in pieces that the import allows; the same piece again is the same command."""
    counts: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    for piece in _pieces(found):
        command = hashlib.sha256(f"{city.clock.now().isoformat()}{origin}{piece}".encode()).hexdigest()
        taken = city.knowledge.import_cases(actor, f"accidents-{command[:40]}", origin, "json", piece)
        for name in ("imported", "known", "refused"):
            counts[name] += int(str(taken[name]))
        refusals = taken["refusals"]
        assert isinstance(refusals, list)
        reasons.update(str(one["reason"]) for one in refusals)
    return counts, reasons


def _pieces(found: list[dict[str, object]]) -> list[str]:
    """The cases as JSON arrays below the limits of one import."""
    pieces: list[list[str]] = [[]]
    size = 2
    for one in found:
        spelled = json.dumps(one, ensure_ascii=False)
        more = len(spelled.encode()) + 1
        if pieces[-1] and (size + more > limits.CASE_IMPORT_BYTES or len(pieces[-1]) >= limits.CASE_IMPORT_ROWS):
            pieces.append([])
            size = 2
        pieces[-1].append(spelled)
        size += more
    return [f"[{','.join(piece)}]" for piece in pieces if piece]

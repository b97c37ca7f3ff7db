"""What a reader sees of a dataset, compiled from how it is shared, its classified columns and the grants in force.

This is the one place: whatever reads the lake for somebody asks here and lays the veil over the tables. Answers are kept
for a kind of reader (roles, department, the person where a grant names one) until a grant changes or ends; other
processes' changes are seen within ``limits.GRANTS_LOOK``.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cityheart.engine.lake import Lake
from cityheart.engine.layout import BATCH, CELL, KNOWN_AT, SEQ, SOURCE
from cityheart.engine.veil import Veil
from cityheart.kernel import limits
from cityheart.kernel.actors import Actor
from cityheart.kernel.database import Database
from cityheart.kernel.errors import Invalid
from cityheart.share.contracts import LANDED_AT, Contract
from cityheart.share.grants import store
from cityheart.share.grants.condition import Condition, compiled
from cityheart.share.grants.models import Grant, Sight, Use
from cityheart.share.models import Dataset

__all__ = ["Sights", "everybodys"]

SEEING_ALL = frozenset({"steward", "admin", "system"})
"""Roles that read the unclassified columns of every dataset, whoever owns it."""

_SYSTEM = "system"
"""The role that sees everything: detectors and the like, which show it to nobody."""

_ALWAYS = (KNOWN_AT, SOURCE, BATCH, SEQ, LANDED_AT)
_FOREVER = datetime(9999, 1, 1, tzinfo=UTC)
_Key = tuple[frozenset[str], str | None, str, Use, bool, str | None]


@dataclass
class _State:
    """The grants as they stood at a moment, and what was compiled of them."""

    version: tuple[int, int]
    looked: datetime
    grants: dict[str, list[Grant]]
    named: frozenset[tuple[str, str]]  # dataset and person, of the grants that name one
    kept: dict[_Key, tuple[datetime, Sight]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Piece:
    """Some columns of the rows that meet a condition."""

    columns: frozenset[str]
    rows: Condition | None


class Sights:
    """Compiles sights; safe for threads."""

    def __init__(self, database: Database, lake: Lake, dataset: Callable[[str], Dataset]) -> None:
        self._database, self._lake, self._dataset = database, lake, dataset
        self._lock = threading.Lock()
        self._state: _State | None = None

    def forget(self) -> None:
        """Look at the grants anew at the next question: one of them changed, or a contract."""
        with self._lock:
            self._state = None

    def of(self, actor: Actor, dataset: str, use: Use = "read", *, handling: bool = False) -> Sight:
        """What the actor sees of a dataset. ``handling``: the actor has work in the matter. Raises NotFound."""
        now = self._database.clock.now()
        state = self._now(now)
        person = actor.id if (dataset, actor.id) in state.named else None
        key = (actor.roles, actor.department, dataset, use, handling, person)
        kept = state.kept.get(key)
        if kept is not None and now < kept[0]:
            return kept[1]
        found = self._dataset(dataset)
        applying = [
            each
            for each in state.grants.get(dataset, ())
            if _for(each, actor, use, handling) and each.since <= now and (each.until is None or now < each.until)
        ]
        ends = [each.until for each in applying if each.until is not None]
        begins = [each.since for each in state.grants.get(dataset, ()) if each.since > now]
        sight = self._compiled(actor, found, applying)
        if len(state.kept) >= limits.SIGHTS_KEPT:
            state.kept.clear()
        state.kept[key] = (min([now + limits.GRANTS_LOOK, *ends, *begins], default=_FOREVER), sight)
        return sight

    def _now(self, now: datetime) -> _State:
        state = self._state
        if state is not None and state.looked <= now < state.looked + limits.GRANTS_LOOK:
            return state
        with self._lock:
            state = self._state
            if state is not None and state.looked <= now < state.looked + limits.GRANTS_LOOK:
                return state
            with self._database.read() as conn:
                version = store.version(conn)
                if state is not None and state.version == version:
                    state.looked = now
                    return state
                grants: dict[str, list[Grant]] = {}
                for each in store.in_force(conn):
                    grants.setdefault(each.dataset, []).append(each)
            named = frozenset(
                (each.dataset, each.to.person)
                for ones in grants.values()
                for each in ones
                if each.to.person is not None
            )
            self._state = _State(version, now, grants, named)
            return self._state

    def _compiled(self, actor: Actor, found: Dataset, grants: Sequence[Grant]) -> Sight:
        contract = found.contract
        stored = [each.name for each in contract.stored]
        own = actor.department == found.owner
        if own or _SYSTEM in actor.roles:
            return Sight(found.name, found.owner, True, None, restricted=found.sharing != 1, own=own)
        classified = contract.classified
        plain = frozenset(name for name in stored if name not in classified)
        pieces: list[_Piece] = []
        if found.sharing == 1 or actor.roles & SEEING_ALL:
            pieces.append(_Piece(plain, None))
        used: list[str] = []
        for grant in grants:
            try:
                rows = None if grant.rows is None else compiled(grant.rows, contract)
            except Invalid:  # the contract changed and the condition says nothing any more: it grants nothing
                continue
            columns = plain if not grant.columns else frozenset(grant.columns) & set(stored)
            if any(each.rows is None and columns <= each.columns for each in pieces):
                continue  # nothing that is not seen anyway
            pieces.append(_Piece(columns, rows))
            used.append(grant.id)
        if not pieces:
            return Sight(found.name, found.owner, False, Veil({}), tuple(stored))
        shown = {name: condition for name in stored if (condition := _condition(name, pieces)) is not _HIDDEN}
        withheld = tuple(name for name in stored if name not in shown)
        undeclared = set(self._lake.spec(found.name).schema.names) - set(stored) - set(_ALWAYS)
        wholly = all(each.rows is None for each in pieces)
        if not withheld and not undeclared and wholly:
            veil = None
        else:
            position = contract.position
            cell = position is None or (
                shown.get(position.lon, _HIDDEN) is None and shown.get(position.lat, _HIDDEN) is None
            )
            always = [*_ALWAYS, *([CELL] if cell else [])]
            conditions = {str(each.rows.sql): each.rows for each in pieces if each.rows is not None}
            reads = frozenset(name for each in conditions.values() for name in each.reads)
            rows_sql = None if any(each.rows is None for each in pieces) else " OR ".join(conditions)
            shown_sql = {name: None if value is None else str(value) for name, value in shown.items()}
            veil = Veil({**shown_sql, **dict.fromkeys(always)}, rows_sql, reads)
        restricted = found.sharing != 1 or any(set(p.columns) & classified for p in pieces)
        whole = frozenset(name for name, condition in shown.items() if condition is None)
        return Sight(found.name, found.owner, True, veil, withheld, tuple(used), restricted, False, whole)


_HIDDEN = object()


def everybodys(contract: Contract) -> Veil | None:
    """What lies over an unconditionally shared dataset for a reader of whom nothing is known."""
    if not contract.classified:
        return None
    shown = [each.name for each in contract.stored if not each.secrecy]
    return Veil(dict.fromkeys([*shown, *_ALWAYS]))


def _condition(name: str, pieces: Iterable[_Piece]) -> object:
    """Under which condition a row that is there shows this column: ``None`` always; hidden."""
    pieces = list(pieces)
    showing = [each for each in pieces if name in each.columns]
    if not showing:
        return _HIDDEN
    if len(showing) == len(pieces) or any(each.rows is None for each in showing):
        return None
    return " OR ".join(dict.fromkeys(each.rows.sql for each in showing if each.rows is not None))


def _for(grant: Grant, actor: Actor, use: Use, handling: bool) -> bool:
    if use not in grant.uses and "read" not in grant.uses:
        return False
    return grant.to.meets(actor, handling=use == "alert" and handling)

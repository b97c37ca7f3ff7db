"""Published decision tables of a city: publish one, find the one in force, decide by it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

from cityheart.command.decisions import dmn, store
from cityheart.command.decisions.compile import compile_decision, stored
from cityheart.command.decisions.models import Decision, Outcome
from cityheart.command.engine import Decided
from cityheart.command.expression import Value
from cityheart.command.plan import Table
from cityheart.kernel.access import require
from cityheart.kernel.actors import Actor
from cityheart.kernel.database import Database
from cityheart.kernel.errors import Conflict, Invalid, NotFound

__all__ = ["Decisions", "Version"]


@dataclass(frozen=True, slots=True)
class Version:
    """A published version, with when and by whom."""

    decision: Decision
    published_at: datetime
    published_by: str


class Decisions:
    """The decision tables of one city. Versions never change, so what is compiled is kept."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._compiled: dict[str, Decision] = {}

    def publish(self, actor: Actor, source: bytes | str | Mapping[str, object]) -> str:
        """Compile and store a model (DMN XML, YAML text or a mapping); returns its digest. The same again changes nothing.

        Raises ``Refused`` (an :class:`Invalid`) with every problem by the id of its element, :class:`Conflict` for
        another content under the same name and version.
        """
        require(actor, "plan.publish")
        decision = compile_decision(source)
        if self._find(decision.digest) is not None:
            return decision.digest
        with self._database.work(actor) as work:
            new = store.publish(
                work.conn, decision.digest, decision.name, decision.version, decision.canonical,
                (decision.valid_from, decision.valid_until), work.now, actor.id,
            )  # fmt: skip
            if not new and store.digest_of(work.conn, decision.name, decision.version) != decision.digest:
                raise Conflict(
                    f"decision {decision.name} {decision.version} is published with another content",
                    remedy="publish it under a new version",
                )
            if new:
                data = {"id": decision.name, "version": decision.version, "digest": decision.digest}
                work.emit(f"decision:{decision.name}", "decision.published", data)
        return decision.digest

    def decision(self, digest: str) -> Decision:
        """The version of this digest. Raises :class:`NotFound`."""
        found = self._find(digest)
        if found is None:
            raise NotFound(f"there is no decision {digest}", remedy="look at the list of decisions")
        return found

    def find(self, name: str, at: datetime) -> Decision | None:
        """The newest published version of ``name`` that is in force at ``at`` (days of validity are UTC), or None."""
        with self._database.read() as conn:
            digest = store.find(conn, name, at.astimezone(UTC).date())
        return None if digest is None else self.decision(digest)

    def versions(self, actor: Actor) -> list[Version]:
        """Every published version: by name, the newest first."""
        require(actor, "plan.read")
        with self._database.read() as conn:
            rows = store.listed(conn)
        return [Version(self.decision(digest), at, by) for digest, at, by in rows]

    def decide(self, digest: str, inputs: Mapping[str, object]) -> Outcome:
        """Decide by the version of this digest.

        What is missing among ``inputs`` is null, what the model does not know is left aside. Where no value can be said
        it is None and the outcome's ``problems`` tell why. Raises :class:`NotFound`.
        """
        return self.decision(digest).decide(inputs)

    def drawn(self, digest: str) -> bytes:
        """The version as a DMN 1.3 file with a diagram, for any modeler. Raises :class:`NotFound`."""
        return dmn.draw(self.decision(digest).body)

    # ── for plans ──────────────────────────────────────────────────────────────────────────────────────────────

    def table(self, name: str, digest: str | None = None) -> Table | None:
        """What a plan pins: the version of this digest under this name, or without one that in force now."""
        found = self._find(digest) if digest is not None else self.find(name, self._database.clock.now())
        if found is None or found.name != name:
            return None
        return Table(
            found.digest, tuple(each.name for each in found.inputs), tuple(each.name for each in found.outputs)
        )

    def resolve(self, digest: str, inputs: Mapping[str, Value | None]) -> Decided:
        """What a step of a plan learns. Raises :class:`Invalid` when no answer can be given, saying why."""
        outcome = self.decide(digest, inputs)
        if outcome.problems and not any(value is not None for value in outcome.outputs.values()):
            first = outcome.problems[0]
            detail = {language: f"{first.element}: {words}" for language, words in first.detail.items()}
            raise Invalid(detail, remedy=first.remedy)
        return Decided(cast("Mapping[str, Value]", outcome.outputs), outcome.matched)

    def _find(self, digest: str) -> Decision | None:
        if digest not in self._compiled:
            with self._database.read() as conn:
                spelling = store.canonical(conn, digest)
            if spelling is None:
                return None
            self._compiled[digest] = stored(spelling)
        return self._compiled[digest]

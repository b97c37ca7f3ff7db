"""The verbs of knowledge: closed incidents become cases, clauses and old cases are imported, plans are suggested.

Cases of the city's own incidents are a projection of the event log: recorded by reading it, with no event of their own,
and the same whenever that happens. Imports are acts of people and leave events.
"""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from cityheart.command import store as command_store
from cityheart.command.knowledge import store, views
from cityheart.command.knowledge.advice import advise
from cityheart.command.knowledge.cases import case_from, rows_of
from cityheart.command.knowledge.clauses import clause_from, clause_json, read_clauses, spelled
from cityheart.command.knowledge.declared import in_force
from cityheart.command.knowledge.history import OWN, case_of, level_at, what_is_told
from cityheart.command.knowledge.index import Archive
from cityheart.command.knowledge.likeness import likeness, within
from cityheart.command.knowledge.models import Advice, Case, Clause, Described, Matter, Neighbour
from cityheart.command.knowledge.parameters import Parameters, parameters
from cityheart.command.knowledge.scrub import Scrubber
from cityheart.command.models import Incident, Plan
from cityheart.kernel import limits
from cityheart.kernel.access import can, require
from cityheart.kernel.actors import Actor
from cityheart.kernel.database import Database, Work
from cityheart.kernel.errors import Conflict, Invalid, NotFound, Problem
from cityheart.kernel.events import Event, Subscription, deliver, read
from cityheart.kernel.schema import canonical
from cityheart.kernel.text import Text

if TYPE_CHECKING:
    from cityheart.command.decisions.service import Decisions
    from cityheart.command.service import Command

__all__ = ["Describe", "Knowledge"]

Describe = Callable[[Incident], Described | None]
_CHANGING = frozenset({"task.cancelled", "task.reassigned", "task.return_upheld", "task.extension_decided"})
_RUN_EVENTS = 20_000  # of one run read for what was decided in it
_SHOWN = 20  # cases of an import that are shown before it is taken in
_SPARE = 8  # neighbours fetched beyond those that vote, for those that are left out


class Knowledge:
    """Clauses, closed cases and suggestions of one city.

    ``key`` gives the key of its keyed hashes, ``zone`` the time zone in which days begin (clauses come into force on
    days). ``decisions``: decision tables named ``triage.<kind>`` may name the plan.
    """

    def __init__(
        self,
        database: Database,
        command: Command,
        *,
        key: Callable[[], bytes],
        zone: str,
        decisions: Decisions | None = None,
        numbers: Parameters | None = None,
    ) -> None:
        self._database = database
        self._command = command
        self._key = key
        self._zone = ZoneInfo(zone)
        self._decisions = decisions
        self._numbers = numbers or parameters()
        self._describe: list[Describe] = []
        self._units: set[str] = set()
        self._lock = threading.RLock()
        self._likeness = likeness()
        self._archive = Archive(self._likeness)
        self._ready = False
        self._read = 0  # number of the newest case in the archive
        self._closed: Counter[str] = Counter()  # cases by plan
        self._clauses: tuple[int, list[tuple[Clause, datetime]]] = (-1, [])
        self._scrubber: Scrubber | None = None
        self.subscription = Subscription("knowledge", frozenset({"incident.closed"}), self._incident_closed)

    # ── what others tell it ─────────────────────────────────────────────────────────────────────────────────────

    def register_describer(self, describe: Describe) -> None:
        """Let ``describe`` say more of an incident than its title: words, a place; ``None`` when it knows nothing."""
        self._describe.append(describe)

    def register_units(self, units: Iterable[str]) -> None:
        """Make departments known, by their codes: a clause that mandates work of another one is refused."""
        self._units.update(units)

    def register_clauses(self, actor: Actor, origin: str, clauses: Sequence[Clause]) -> int:
        """Take over clauses, e.g. an application's; one whose content changed gets another revision. Returns how many."""
        require(actor, "case.manage")
        with self._database.read() as conn:
            new = [one for one in clauses if (store.newest_clause(conn, one.id) or (0, ""))[1] != _digest(spelled(one))]
        if not new:
            return 0
        with self._database.work(actor) as work:
            return self._take_clauses(work, origin, new)

    # ── cases of the city's own ─────────────────────────────────────────────────────────────────────────────────

    def follow(self) -> int:
        """Record the incidents that were closed since; returns how many."""
        taken = 0
        while done := deliver(self._database, self.subscription):
            taken += done
        return taken

    def ready(self) -> None:
        """Record what closed, put every case in order and read the plans, so that the next suggestion need not."""
        if not self._ready:
            with self._database.read() as conn:
                published = command_store.plans(conn)
            self._readable(published)
            self._ready = True
        with self._lock:
            self._catch_up()
            self._archive.settle()

    def _incident_closed(self, work: Work, event: Event) -> None:
        conn = work.conn
        incident = command_store.find_incident(conn, id=str(event.data["incident"]))
        if incident is None:
            return
        store.only_writer(conn)
        told = read(conn, stream=f"incident:{incident.id}", limit=_RUN_EVENTS)
        described = self._described(incident)
        closed = datetime.fromisoformat(str(event.data.get("at", event.at.isoformat())))
        found = []
        for run in command_store.runs_of(conn, incident.id):
            happened = [
                one for one in read(conn, stream=f"run:{run.id}", limit=_RUN_EVENTS) if one.type in _CHANGING
            ]  # fmt: skip
            case = case_of(
                incident, run, self._command.plan(run.plan), command_store.tasks_of(conn, run.id), happened,
                level=level_at(told, run.started_at, incident.level), known_at=closed, described=described,
                scrubber=self._scrub,
            )  # fmt: skip
            found.append((case, _digest(canonical(views.content_json(case)))))
        known = store.known(conn, [case.id for case, _ in found])  # of an incident that was opened again
        store.add_cases(conn, [one for one in found if one[0].id not in known])

    def _described(self, incident: Incident) -> Described | None:
        return next((found for describe in self._describe if (found := describe(incident)) is not None), None)

    @property
    def _scrub(self) -> Scrubber:
        if self._scrubber is None:
            self._scrubber = Scrubber(self._key())
        return self._scrubber

    # ── imports ─────────────────────────────────────────────────────────────────────────────────────────────────

    def import_cases(
        self, actor: Actor, command_id: str, origin: str, format: str, content: str
    ) -> dict[str, object]:  # fmt: skip
        """Take over closed cases from elsewhere, a JSON array or CSV; ``origin`` says from where, e.g. ``hotline-2019``.

        Returns ``{"imported", "revised", "known", "refused", "refusals": [{"row", "reason", "remedy"}]}``: what fails the
        contract is refused row by row and the rest is taken. The same case again is known, not doubled. One that is
        known with another content is revised: what its source says now stands, the version before stays readable, and
        ``case.revised`` tells of it. Personal data is taken out of the words. Raises :class:`Invalid`,
        :class:`TooLarge` when the whole cannot be read.
        """
        _import_checked(actor, origin, format)
        payload = {"origin": origin, "format": format, "sha256": _digest(content)}

        def do(work: Work) -> dict[str, object]:
            store.only_writer(work.conn)
            counts, refusals, found = self._checked(work.now, origin, format, content)
            known = store.known(work.conn, [case.id for case, _ in found])
            store.add_cases(work.conn, [one for one in found if one[0].id not in known])
            corrected = [(case, digest) for case, digest in found if known.get(case.id, digest) != digest]
            self._revise(work, origin, corrected)
            counts["imported"] = len(found) - len(known)
            counts["revised"] = len(corrected)
            counts["known"] += len(known) - len(corrected)
            work.emit(
                f"case:{origin}"[:120], "case.imported", {"origin": origin, "sha256": payload["sha256"], **counts}
            )
            return {**counts, "refusals": refusals}

        return self._database.once(actor, command_id, "case.import", payload, do)

    def check_cases(self, actor: Actor, origin: str, format: str, content: str) -> dict[str, object]:
        """What :meth:`import_cases` would do, with the first cases; nothing is written. Raises as it does."""
        _import_checked(actor, origin, format)
        counts, refusals, found = self._checked(self._database.clock.now(), origin, format, content)
        with self._database.read() as conn:
            known = store.known(conn, [case.id for case, _ in found])
        corrected = sum(known.get(case.id, digest) != digest for case, digest in found)
        counts["imported"] = len(found) - len(known)
        counts["revised"] = corrected
        counts["known"] += len(known) - corrected
        fresh = [case for case, digest in found if known.get(case.id) != digest]
        return {**counts, "refusals": refusals, "items": [views.case_json(case) for case in fresh[:_SHOWN]]}

    def _checked(
        self, now: datetime, origin: str, format: str, content: str
    ) -> tuple[dict[str, int], list[dict[str, object]], list[tuple[Case, str]]]:
        """Counts, refusals, and each case that can be taken, with its digest, once."""
        refusals: list[dict[str, object]] = []
        found: dict[str, tuple[Case, str]] = {}
        refused = again = 0

        def refuse(row: int, problem: Problem) -> None:
            nonlocal refused
            refused += 1
            if len(refusals) < limits.CASE_REFUSALS:
                reason, remedy = problem.both()
                refusals.append({"row": row, "reason": reason, "remedy": remedy})

        different = Conflict(
            "a case of this id has another content",
            remedy="one import says one thing of a case: leave the other row out",
        )
        for number, row in rows_of(format, content):
            try:
                if isinstance(row, Problem):
                    raise row
                case = case_from(row, origin, now, self._scrub)
                digest = _digest(canonical(views.content_json(replace(case, known_at=case.closed_at))))
                before = found.get(case.id)
                if before is not None and before[1] != digest:
                    raise different
                again += before is not None
                found.setdefault(case.id, (case, digest))
            except Problem as problem:
                refuse(number, problem)
        counts = {"imported": 0, "revised": 0, "known": again, "refused": refused}
        return counts, refusals, list(found.values())

    def _revise(self, work: Work, origin: str, corrected: Sequence[tuple[Case, str]]) -> None:
        """Let what the source says now stand. Only cases of imports come here: their ids are made of their origin."""
        before = store.cases_by_id(work.conn, [case.id for case, _ in corrected])
        found = []
        for case, digest in corrected:
            old = before[case.id]
            assert old.origin == origin != OWN, "nobody revises what another source or the city itself says"
            newer = replace(case, known_at=old.known_at, revision=old.revision + 1, revised_at=work.now)
            changed = views.differing(old, newer)
            found.append((newer, digest, changed))
            work.emit(f"case:{case.id}", "case.revised", {
                "id": case.id, "origin": origin, "revision": newer.revision, "digest": digest, "changed": list(changed),
            })  # fmt: skip
        store.revise_cases(work.conn, found, work.now, work.actor.id)

    def import_clauses(self, actor: Actor, command_id: str, origin: str, content: str) -> dict[str, object]:
        """Take over clauses from a TOML or JSON text, all or none; returns ``{"imported", "known"}``.

        A clause that is known with another content gets another revision; the old one stays on record.
        """
        clauses = self._clauses_of(actor, origin, content)
        payload = {"origin": origin, "sha256": _digest(content)}

        def do(work: Work) -> dict[str, object]:
            imported = self._take_clauses(work, origin, clauses)
            return {"imported": imported, "known": len(clauses) - imported}

        return self._database.once(actor, command_id, "clause.import", payload, do)

    def check_clauses(self, actor: Actor, origin: str, content: str) -> dict[str, object]:
        """What :meth:`import_clauses` would do: each clause as ``new``, ``revised`` or ``known``. Raises as it does."""
        items = []
        clauses = self._clauses_of(actor, origin, content)
        with self._database.read() as conn:
            for clause in clauses:
                before = store.newest_clause(conn, clause.id)
                same = before is not None and before[1] == _digest(spelled(clause))
                state = "new" if before is None else "known" if same else "revised"
                items.append({**clause_json(clause), "state": state})
        known = sum(one["state"] == "known" for one in items)
        return {"imported": len(items) - known, "known": known, "items": items}

    def _clauses_of(self, actor: Actor, origin: str, content: str) -> list[Clause]:
        require(actor, "case.manage")
        if not origin or len(origin) > 80 or not origin.isprintable():
            raise Invalid(f"{origin!r} is no origin", remedy="name where the clauses come from")
        clauses = read_clauses(content, origin)
        for clause in clauses:
            self._units_known(clause)
        return clauses

    def _units_known(self, clause: Clause) -> None:
        for mandate in clause.mandates:
            if mandate.unit is not None and mandate.unit not in self._units:
                raise Invalid(
                    f"clause {clause.id}: there is no department {mandate.unit}",
                    remedy=f"there are {', '.join(sorted(self._units))}",
                )

    def _take_clauses(self, work: Work, origin: str, clauses: Sequence[Clause]) -> int:
        store.only_writer(work.conn)
        taken = 0
        for clause in clauses:
            digest = _digest(spelled(clause))
            revision, before = store.newest_clause(work.conn, clause.id) or (0, "")
            if before == digest:
                continue
            body = clause_json(clause)
            store.add_clause(
                work.conn, clause.id, revision + 1, origin, body, digest, work.now, work.actor.id
            )  # fmt: skip
            work.emit(f"clause:{clause.id}", "clause.registered", {
                "id": clause.id, "revision": revision + 1, "origin": origin, "digest": digest, "from": body["from"],
                "until": body["until"],
            })  # fmt: skip
            taken += 1
        return taken

    # ── suggestions ─────────────────────────────────────────────────────────────────────────────────────────────

    def advise(self, matter: Matter) -> Advice:
        """Plans for a matter, with similar cases, clauses and reasons. Only what was known at its moment counts."""
        numbers = self._numbers
        with self._lock:
            self._catch_up()
            near = self._archive.similar(matter, numbers, numbers.vote_neighbours + _SPARE)
            others = self._archive.related(matter, numbers, self._likeness.cases + _SPARE)
            closed = dict(self._closed)
        with self._database.read() as conn:
            cases = store.cases_by_number(conn, [one.n for one in near] + [one.n for one in others])
            versions = command_store.plans(conn)
        similar: list[tuple[Case, Neighbour]] = [
            (cases[one.n], one)
            for one in near
            if matter.apart_from is None or cases[one.n].incident != matter.apart_from
        ][: numbers.vote_neighbours]
        related = [
            (cases[one.n], one)
            for one in others
            if matter.apart_from is None or cases[one.n].incident != matter.apart_from
        ][: self._likeness.cases]
        plans = in_force(self._readable([each for each in versions if each[1] <= matter.at]), matter.at)
        day = matter.at.astimezone(self._zone).date()
        clauses = [clause for clause in self._clauses_known(matter.at) if clause.in_force(day)]
        advice = advise(
            matter, similar, plans, clauses, day, numbers, closed=closed, ruled=self._ruled(matter), related=related
        )  # fmt: skip
        return replace(advice, why=self._why(matter, advice))

    def _why(self, matter: Matter, advice: Advice) -> dict[str, tuple[Text, ...]]:
        """Why each case that is shown is like the matter, by its id."""
        told = self._likeness.of_many([matter.text, *(case.text for case, _ in advice.cases)])
        metres = self._numbers.similarity_place_metres
        found = {
            case.id: within(matter, case, near, self._likeness.why(told[0] & things), metres)
            for (case, near), things in zip(advice.cases, told[1:], strict=True)
        }
        return {**found, **{case.id: self._likeness.why(one.shared) for case, one in advice.related}}

    def _readable(self, versions: Iterable[tuple[str, datetime]]) -> list[tuple[Plan, datetime]]:
        """The plans with their publication; one in a newer language than this process knows is left to others."""
        found = []
        for digest, at in versions:
            try:
                found.append((self._command.plan(digest), at))
            except Problem:
                continue
        return found

    def _ruled(self, matter: Matter) -> str | None:
        """The plan that the decision table ``triage.<kind>`` names, where there is one that can be asked."""
        if self._decisions is None:
            return None
        table = self._decisions.find(f"triage.{matter.kind}", matter.at)
        if table is None or "plan" not in {output.name for output in table.outputs}:
            return None
        local = matter.at.astimezone(self._zone)
        known: dict[str, object] = {"kind": matter.kind, "hour": local.hour, "month": local.month}
        if matter.level is not None:
            known["level"] = matter.level
        if matter.stage is not None:
            known["stage"] = matter.stage
        asked = {each.name for each in table.inputs}
        if not asked <= known.keys():
            return None
        try:
            plan = self._decisions.decide(table.digest, {name: known[name] for name in asked}).outputs.get("plan")
        except Problem:
            return None  # no rule is for it, or more than one: then nothing is ruled
        return plan if isinstance(plan, str) else None

    def for_incident(self, actor: Actor, incident_id: str) -> dict[str, object]:
        """The suggestion for an incident at its present level. Raises :class:`NotFound`."""
        incident = self._command.incident(actor, incident_id)
        return self._shown(actor, self._matter(incident.kind, incident.level, incident, incident.title))

    def for_alert(self, actor: Actor, alert: Mapping[str, object]) -> dict[str, object]:
        """The suggestion for an alert as watch shows it, at its present level."""
        level, kind = alert["level"], str(alert["kind"])
        described = views.described(alert)
        text = what_is_told({}, described)
        opened = self._command.incident_of(str(alert["id"]))
        matter = Matter(
            kind, level if isinstance(level, int) else None, self._database.clock.now(), text,
            place=described.place, apart_from=opened,
        )  # fmt: skip
        return self._shown(actor, matter)

    def _matter(self, kind: str, level: int | None, incident: Incident, title: Mapping[str, str]) -> Matter:
        described = self._described(incident)
        more = described or Described()
        return Matter(
            kind, level, self._database.clock.now(), what_is_told(title, described), more.stage, more.place, more.lon,
            more.lat, incident.id,
        )  # fmt: skip

    def _shown(self, actor: Actor, matter: Matter) -> dict[str, object]:
        advice = self.advise(replace(matter, text=self._scrub.clean(matter.text)))
        return views.advice_json(self._command, advice, matter.kind, cases=can(actor, "case.read"))

    # ── reading ─────────────────────────────────────────────────────────────────────────────────────────────────

    def cases(
        self,
        actor: Actor,
        *,
        kind: str | None = None,
        level: int | None = None,
        plan: str | None = None,
        origin: str | None = None,
        text: str | None = None,
        after: int | None = None,
        limit: int = limits.PAGE_ROWS,
    ) -> tuple[list[tuple[int, Case]], int]:
        """One page of cases, the newest known first, with the numbers to go on after, and how many there are."""
        require(actor, "case.read")
        self.follow()
        with self._database.read() as conn:
            return store.cases(
                conn, kind=kind, level=level, plan=plan, origin=origin, text=text, before=after, limit=limit
            )  # fmt: skip

    def case(self, actor: Actor, case_id: str) -> Case:
        """One case. Raises :class:`NotFound`."""
        require(actor, "case.read")
        with self._database.read() as conn:
            found = store.case_by_id(conn, case_id)
        if found is None:
            raise NotFound(f"there is no case {case_id}", remedy="look at the list of cases")
        return found

    def revisions(self, actor: Actor, case_id: str) -> list[dict[str, object]]:
        """The versions of a case that newer ones took the place of, the newest first. Raises :class:`NotFound`."""
        newer = self.case(actor, case_id)
        with self._database.read() as conn:
            replaced = store.past(conn, case_id, limits.PAGE_ROWS)
        found = []
        for one in replaced:
            found.append(views.replaced_json(one, newer))
            newer = one.case
        return found

    def clauses(self, actor: Actor, *, kind: str | None = None, on: date | None = None) -> list[Clause]:
        """Clauses as they are known now, by id: those with mandates for ``kind``, those in force ``on`` a day."""
        require(actor, "case.read")
        found = self._clauses_known(self._database.clock.now())
        return [
            clause
            for clause in found
            if (kind is None or any(mandate.kind == kind for mandate in clause.mandates))
            and (on is None or clause.in_force(on))
        ]

    def _clauses_known(self, at: datetime) -> list[Clause]:
        """Of each clause the newest revision that was known at ``at``."""
        with self._database.read() as conn:
            mark = store.clause_mark(conn)
            if mark != self._clauses[0]:
                self._clauses = mark, [(clause_from(body), since) for _, _, _, body, since in store.clauses(conn)]
        newest = {clause.id: clause for clause, since in self._clauses[1] if since <= at}
        return list(newest.values())

    def _catch_up(self) -> None:
        """Record what closed, and take cases that are new in the store into the archive. Under the lock."""
        self.follow()
        while True:
            with self._database.read() as conn:
                found = store.entries(conn, self._read, limits.CASES_LOADED)
                replaced = store.past_plans(conn, [one.replaces for one in found if one.replaces is not None])
            if not found:
                return
            self._archive.add(found)
            self._closed.update(one.plan for one in found)
            self._closed.subtract(replaced)
            self._read = found[-1].n


def _import_checked(actor: Actor, origin: str, format: str) -> None:
    require(actor, "case.manage")
    if not origin or len(origin) > 80 or origin == OWN or not origin.isprintable():
        raise Invalid(f"{origin!r} is no origin", remedy="name where the cases come from, e.g. hotline-2019")
    if format not in ("json", "csv"):
        raise Invalid(f"format {format!r} is unknown", remedy="json or csv")


def _digest(words: str) -> str:
    return hashlib.sha256(words.encode()).hexdigest()

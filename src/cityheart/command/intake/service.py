"""The verbs of intake: take in reports, merge and split, hand a matter to a department, tell the residents how it stands.

Reports that tell of one event are one *matter*; which department it is for is proposed, and decided by a person, who
dispatches it with one click. From then on the matter follows its incident. Each verb of a person is one transaction under
the person's command id. Dispatching spans two functions, intake and command, each with its own transaction: the order is
written first and carried out under an id derived from the matter, so that it happens once, whoever finishes it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, cast
from zoneinfo import ZoneInfo

import yaml

from cityheart.command.intake import filing as files
from cityheart.command.intake import store
from cityheart.command.intake.filing import REASONS, Filing, Row
from cityheart.command.intake.merging import Verdict
from cityheart.command.intake.models import Caller, Given, Joined, Matter, Refusal, Report, Sought
from cityheart.command.intake.personal import Secret, clean
from cityheart.command.intake.placing import Placing, Triage, title_of
from cityheart.command.intake.routing import Known, class_of
from cityheart.command.intake.rules import Rules
from cityheart.command.knowledge.models import Described
from cityheart.command.models import Incident
from cityheart.command.service import Command
from cityheart.kernel import limits
from cityheart.kernel.access import departments, require, require_everywhere
from cityheart.kernel.actors import Actor
from cityheart.kernel.audit import Found, Wanted, find
from cityheart.kernel.database import Database, Work
from cityheart.kernel.errors import Conflict, Forbidden, Invalid, NotFound, Problem, TooMany
from cityheart.kernel.events import Event, Subscription, deliver, read
from cityheart.kernel.ids import derive
from cityheart.kernel.secret import city_key
from cityheart.kernel.text import Text, text
from cityheart.share.formats import Payload
from cityheart.share.incoming import Incoming, file_name, incoming, of_size
from cityheart.share.models import Refused

if TYPE_CHECKING:
    from sqlalchemy import Connection

__all__ = ["Intake"]

SYSTEM = Actor.system("intake")
_HANDLE = Path(__file__).parent / "data" / "handle.yaml"
_PASSED = ("task.return_upheld", "task.reassigned", "task.delegated")  # another department has it from now on
_DESK = "intake:files"  # the stream of what was handed over and left out
_WAITING = Sought()
_CHUNK = 200  # reports of a file in one transaction
_KEPT_APART = (text("人工合并", "merged by a person"),)


class Intake:
    """The reports of one city's residents. ``home`` is the city's folder: its own rules, and its ``key``.

    ``bounds`` are degrees WGS84 (west, south, east, north); ``zone`` is taken for times in files that name none.
    """

    def __init__(
        self,
        database: Database,
        command: Command,
        home: Path,
        *,
        bounds: tuple[float, float, float, float],
        zone: str,
        triage: Triage | None = None,
        rules: Rules | None = None,
        key: Callable[[], bytes] | None = None,
    ) -> None:
        self._database = database
        self._command = command
        self._home = home
        self._bounds = bounds
        self._zone = ZoneInfo(zone)
        self._units: dict[str, Text] = {}
        self._secret = Secret(key or partial(city_key, home))
        self.rules = rules or Rules.load(home / "intake")
        self._placing = Placing(self.rules, lambda: self._units.keys(), triage)
        self._learned_at: datetime | None = None
        self.subscription = Subscription(
            "intake",
            frozenset({"incident.closed", "incident.opened", *_PASSED}),
            self._heard,
        )

    def register_units(self, units: Mapping[str, Text]) -> None:
        """Make departments known, by code with their titles."""
        self._units.update(units)

    def unit_title(self, code: str | None) -> Text | None:
        """The title of a department; ``None`` for none."""
        return None if code is None else self._units.get(code) or text(code, code)

    # ── taking in ──────────────────────────────────────────────────────────────────────────────────────────────

    def take(self, actor: Actor, filing: Filing) -> dict[str, object]:
        """Take in one report: ``{"report_id", "matter_id", "state"}``, state new, same or revised.

        The same source and id again is the same report; with another text it becomes a new version of it. Raises
        :class:`Invalid`, :class:`TooLarge` for what cannot be taken in.
        """
        require(actor, "report.file")
        given = self.check(filing)
        with self._database.work(actor) as work:
            store.lock(work)
            self._refresh(work.conn)
            report, state = self._placing.take(work, given)
        return {"report_id": report.id, "matter_id": report.matter, "state": state}

    def check(self, filing: Filing) -> Given:
        """What would be taken in of a report. Raises :class:`Invalid`, :class:`TooLarge`."""
        return files.check(filing, self.rules.services, self._bounds, self._database.clock.now(), self._secret)

    def incoming(self, actor: Actor, source: str, name: str, size: int) -> AbstractContextManager[Incoming]:
        """A place for a file that a person hands over, before a byte of it is read. Raises Invalid, TooLarge, Unavailable."""
        require(actor, "report.file")
        _named(source)
        file_name(name)
        of_size(size)
        return incoming(self._home)

    def take_file(self, actor: Actor, source: str, name: str, payload: Payload) -> dict[str, int]:
        """Take in the rows of a hotline system's file, in the order of their times; what is no report is kept apart.

        Returns how many are ``new``, ``same``, ``revised`` and ``refused``, how many ``matters`` the new ones opened, and how
        many rows that were refused before are ``mended`` by it. The same file again brings no report twice. Raises
        :class:`Invalid` when the file as a whole cannot be read.
        """
        require(actor, "report.file")
        source, name = _named(source), file_name(name)
        givens, refused = self._rows(source, name, payload)
        known_by = _known_by(payload)
        counts = {"new": 0, "same": 0, "revised": 0, "refused": len(refused), "matters": 0, "mended": 0}
        for first in range(0, len(givens), _CHUNK):
            chunk = givens[first : first + _CHUNK]
            with self._database.work(actor) as work:
                store.lock(work)
                self._refresh(work.conn)
                for given in chunk:
                    report, state = self._placing.take(work, given)
                    counts[state] += 1
                    counts["matters"] += state == "new" and report.matter == derive("matter", report.id)
                known = [_row_id(source, given.external) for given in chunk]
                counts["mended"] += store.settle_refusals(work.conn, known, "mended")
        with self._database.work(actor) as work:
            store.add_refusals(work, refused)
            work.emit(_DESK, "intake.taken", {"file": name, "source": source, **known_by, **counts})
        return counts

    def _rows(self, source: str, name: str, payload: Payload) -> tuple[list[Given], list[Refusal]]:
        """The reports of a file in the order of their times, and the rows that are none."""
        givens: list[Given] = []
        refused: list[Refusal] = []
        now = self._database.clock.now()
        try:
            for row in files.rows(name, payload, source, self.rules.services, self._zone):
                if len(givens) + len(refused) >= limits.IMPORT_ROWS:
                    raise Invalid(f"a file has at most {limits.IMPORT_ROWS} rows", remedy="split it")
                try:
                    if row.problem is not None:
                        raise row.problem
                    assert row.filing is not None
                    givens.append(self.check(row.filing))
                except Problem as problem:
                    refused.append(_refusal(source, name, row, problem, now))
        except Refused as error:
            raise Invalid(
                {language: f"{name}: {words}" for language, words in error.message.items()},
                remedy="send CSV, a workbook, JSON or XML with a column of ids and texts",
            ) from None
        givens.sort(key=lambda given: (given.at, given.external))
        return givens, refused

    def refusals(
        self,
        actor: Actor,
        sought: Sought = _WAITING,
        after: tuple[datetime, str] | None = None,
        limit: int = 50,
    ) -> tuple[list[Refusal], int, dict[str, dict[str, int]]]:
        """One page of rows that were no reports, newest first, how many there are, and how many by file, code and state.

        How many there are by one of these is counted among the rows that the others leave.
        """
        require(actor, "report.file")
        with self._database.read() as conn:
            facets = {by: store.count_refusals(conn, sought, by) for by in ("file", "code", "state")}
            return store.refusals(conn, sought, after, limit), facets["state"].get(sought.state, 0), facets

    def dismiss_refusals(
        self, actor: Actor, command_id: str, ids: Sequence[str], reason: str, *, every: Sought | None = None
    ) -> dict[str, object]:
        """A person has looked at refused rows, these or ``every`` waiting one of a kind, and leaves them out.

        A row that is mended in its file is simply taken in again with the file. Raises :class:`Invalid`.
        """
        require(actor, "report.file")
        reason = _words(reason)
        if bool(ids) == (every is not None):
            raise Invalid(
                "which rows are left out is not said",
                remedy="choose rows, or every one, of a file or a reason if they are named",
            )
        which = {"ids": sorted(ids)} if every is None else every.json()

        def do(work: Work) -> dict[str, object]:
            if every is None:
                done = store.settle_refusals(work.conn, ids, "dismissed")
            else:
                done = store.settle_every_refusal(work.conn, every, "dismissed")
            work.emit(_DESK, "intake.dismissed", {**which, "rows": done, "reason": reason})
            return {"dismissed": done}

        return self._database.once(actor, command_id, "intake.dismiss", {**which, "reason": reason}, do)

    def desk(self, actor: Actor, before: int | None = None, limit: int = 50) -> Found:
        """Files that were taken in and rows that were left out, newest first."""
        require(actor, "report.file")
        with self._database.read() as conn:
            return find(conn, Wanted(streams=(_DESK,)), before=before, limit=limit)

    # ── callers ────────────────────────────────────────────────────────────────────────────────────────────────

    def issue_key(self, actor: Actor, name: str) -> tuple[Caller, str]:
        """A new key for a program that hands reports over; the key is shown once and kept as a hash only."""
        require_everywhere(actor, "user.manage")
        if not name.strip() or len(name) > 120:
            raise Invalid("a caller has a name of 1 to 120 characters", remedy="name the program and who runs it")
        token = self._secret.token()
        with self._database.work(actor) as work:
            caller = Caller(work.ids.new("caller"), name.strip(), work.now, None)
            store.add_caller(work.conn, caller, self._secret.hash("key", token))
            work.emit(f"caller:{caller.id}", "caller.key_issued", {"caller": caller.id, "name": caller.name})
        return caller, token

    def revoke_key(self, actor: Actor, id: str) -> None:
        """End a caller's key. Raises :class:`NotFound`."""
        require_everywhere(actor, "user.manage")
        with self._database.work(actor) as work:
            if not store.revoke_caller(work.conn, id, work.now):
                raise NotFound(f"there is no caller {id} with a key in force", remedy="look at the list of callers")
            work.emit(f"caller:{id}", "caller.key_revoked", {"caller": id})

    def callers(self, actor: Actor) -> list[Caller]:
        """Every program that has or had a key."""
        require_everywhere(actor, "user.manage")
        with self._database.read() as conn:
            return store.callers(conn)

    def caller(self, key: str) -> Caller:
        """Whose key this is. Raises :class:`Forbidden` for one that is unknown or revoked."""
        with self._database.read() as conn:
            found = store.caller_of(conn, self._secret.hash("key", key)) if 0 < len(key) <= 200 else None
        if found is None:
            raise Forbidden("the api_key is missing or not valid", remedy="ask the city for a key")
        return found

    def take_from(self, caller: Caller, filing: Filing) -> dict[str, object]:
        """Take in a report that a program hands over; raises :class:`TooMany` past its hourly share."""
        since = self._database.clock.now() - timedelta(hours=1)
        with self._database.read() as conn:
            if store.count_since(conn, filing.source, since) >= limits.REPORTS_PER_KEY:
                raise TooMany("this key has handed over too many reports within an hour", remedy="wait an hour")
        actor = Actor(f"caller:{caller.id}", text(caller.name, caller.name), None, frozenset({"operator"}))
        return self.take(actor, filing)

    # ── matters: a person decides ──────────────────────────────────────────────────────────────────────────────

    def split(
        self, actor: Actor, command_id: str, matter_id: str, reports: Sequence[str], reason: str
    ) -> dict[str, object]:
        """Take reports out of a matter and make them one of their own; the two are never merged again by themselves.

        Returns ``{"matter_id", "new_matter_id"}``.
        """
        require(actor, "report.decide")
        reason = _words(reason)
        chosen = sorted(set(reports))

        def do(work: Work) -> dict[str, object]:
            store.lock(work)
            self._refresh(work.conn)
            matter = self._open(work, matter_id, "split")
            inside = [each for each in store.reports_by_ids(work.conn, chosen) if each.matter == matter_id]
            if not chosen or len(inside) != len(chosen):
                raise Invalid("not all of these reports are in this matter", remedy="look at the matter again")
            if len(chosen) >= matter.reports:
                raise Invalid("at least one report stays in the matter", remedy="choose fewer reports")
            founder = min(inside, key=lambda each: (each.received_at, each.id))
            new = replace(
                matter, id=derive("matter", matter_id, command_id), state="open", opened_at=work.now, handler=None,
                incident=None, order=None, note=None,
            )  # fmt: skip
            why = Joined(
                "",
                new.id,
                work.actor.id,
                None,
                (text(f"人工拆分：{reason}", f"split by a person: {reason}"),),
                work.now,
            )
            store.save_matter(work.conn, new, new=True)
            store.move_reports(work.conn, chosen, matter_id, why)
            store.add_apart(work, matter_id, new.id)
            for each in (matter, new):
                self._rebuild(work, each)
            data = {"matter": matter_id, "new_matter": new.id, "reports": chosen, "reason": reason, "at": work.now}
            work.emit(f"matter:{matter_id}", "matter.split", data)
            work.emit(f"matter:{new.id}", "matter.split_off", {**data, "founder": founder.id})
            return {"matter_id": matter_id, "new_matter_id": new.id}

        payload = {"matter": matter_id, "reports": chosen, "reason": reason}
        return self._database.once(actor, command_id, "matter.split", payload, do)

    def merge(self, actor: Actor, command_id: str, matters: Sequence[str], reason: str) -> dict[str, object]:
        """Make several matters one: the first opened takes the others in, or the one that is dispatched.

        Returns ``{"matter_id"}``. Raises :class:`Conflict` when more than one was dispatched, or one is over.
        """
        require(actor, "report.decide")
        reason = _words(reason)
        chosen = sorted(set(matters))
        if not 2 <= len(chosen) <= limits.MERGE_CANDIDATES:
            raise Invalid("at least two matters are merged", remedy="choose the matters that are one")

        def do(work: Work) -> dict[str, object]:
            store.lock(work)
            self._refresh(work.conn)
            found = [self._open(work, id, "merged", dispatched=True) for id in chosen]
            taken = [each for each in found if each.state == "dispatched"]
            if len(taken) > 1:
                raise Conflict("more than one of them is with a department", remedy="finish or lift one of them first")
            keeps = taken[0] if taken else min(found, key=lambda each: (each.opened_at, each.id))
            for each in found:
                if each.id == keeps.id:
                    continue
                why = Joined("", keeps.id, work.actor.id, None, (*_KEPT_APART, text(reason, reason)), work.now)
                store.move_reports(work.conn, None, each.id, why)
                store.clear_marks(work.conn, each.id)
                store.forget_apart(work.conn, keeps.id, each.id)
                store.save_matter(work.conn, replace(
                    each, state="merged", merged_into=keeps.id, reports=0, updated_at=work.now, closed_at=work.now,
                ))  # fmt: skip
                data = {"matter": each.id, "into": keeps.id, "reason": reason, "at": work.now}
                work.emit(f"matter:{each.id}", "matter.merged", data)
                work.emit(f"matter:{keeps.id}", "matter.took_in", data)
            self._rebuild(work, keeps)
            return {"matter_id": keeps.id}

        return self._database.once(actor, command_id, "matter.merge", {"matters": chosen, "reason": reason}, do)

    def dismiss(self, actor: Actor, command_id: str, matter_id: str, reason: str) -> dict[str, object]:
        """Nothing is to be done: the matter and its reports are closed with the reason."""
        require(actor, "report.decide")
        reason = _words(reason)

        def do(work: Work) -> dict[str, object]:
            store.lock(work)
            matter = self._open(work, matter_id, "dismissed")
            store.clear_marks(work.conn, matter_id)
            store.save_matter(work.conn, replace(
                matter, state="dismissed", note=reason, closed_at=work.now, updated_at=work.now,
            ))  # fmt: skip
            work.emit(
                f"matter:{matter_id}", "matter.dismissed", {"matter": matter_id, "reason": reason, "at": work.now}
            )
            return {"matter_id": matter_id}

        payload = {"matter": matter_id, "reason": reason}
        return self._database.once(actor, command_id, "matter.dismiss", payload, do)

    def dispatch(
        self,
        actor: Actor,
        command_id: str,
        matter_id: str,
        *,
        unit: str | None = None,
        plan: str | None = None,
        level: int | None = None,
        reason: str = "",
    ) -> dict[str, object]:
        """Hand a matter to a department with one click, or set a plan (by digest) going for it.

        Without either, the proposed department gets it. ``reason`` is asked for where the choice is not the proposal.
        Returns ``{"matter_id", "incident_id"}``. However often and by whomever it is clicked, there is one incident.
        """
        require(actor, "report.decide")
        require(actor, "incident.dispatch")
        if len(reason) > limits.TEXT_CHARS:
            raise Invalid(f"a text has at most {limits.TEXT_CHARS} characters", remedy="shorten it")
        if level is not None and not 1 <= level <= 4:
            raise Invalid(f"level {level} is none of 1 to 4", remedy="1 is the most severe")
        if unit is not None and unit not in self._units:
            raise Invalid(f"there is no department {unit}", remedy=f"departments: {', '.join(sorted(self._units))}")
        if plan is not None:
            self._command.plan(plan)

        def do(work: Work) -> dict[str, object]:
            matter = self._open(work, matter_id, "dispatched")
            chosen = unit or (None if plan else matter.proposal.unit)
            if chosen is None and plan is None:
                raise Invalid("no department is proposed", remedy="name the department or a plan")
            if matter.proposal.unit and chosen and chosen != matter.proposal.unit and not reason.strip():
                raise Invalid("another department than the proposed one was chosen", remedy="say why in one sentence")
            order = {
                "unit": chosen, "plan": plan, "level": level or matter.proposal.level or 4, "reason": reason,
                "actor": [actor.id, actor.name, actor.department, sorted(actor.roles)],
            }  # fmt: skip
            store.save_matter(work.conn, replace(matter, state="dispatching", order=order, updated_at=work.now))
            return {"matter_id": matter_id}

        payload = {"matter": matter_id, "unit": unit, "plan": plan, "level": level, "reason": reason}
        self._database.once(actor, command_id, "matter.dispatch", payload, do)
        with self._database.read() as conn:
            matter = store.find_matter(conn, matter_id)
        assert matter is not None
        if matter.state == "dispatching":
            matter = self._carry_out(matter)
        return {"matter_id": matter.id, "incident_id": matter.incident}

    def evaluate(
        self, actor: Actor, command_id: str, matter_id: str, satisfied: bool | None, note: str = ""
    ) -> dict[str, object]:
        """What residents said when they were called back: satisfied, not, or no answer (``None``).

        It is written on the last closed task of the department that handled the matter.
        """
        require(actor, "report.file")
        matter = self.matter(actor, matter_id)
        if matter.state != "closed" or matter.incident is None:
            raise Conflict("the matter is not closed yet", remedy="residents are called back when it is done")
        found = [
            task
            for _, tasks in self._command.runs(SYSTEM, matter.incident)
            for task in tasks
            if task.state == "closed" and task.unit == matter.handler
        ]
        if not found:
            raise Conflict("no department has finished a task for this matter", remedy="nothing can be said about it")
        task = max(found, key=lambda each: (each.closed_at or each.opened_at, each.id))
        return self._command.act(actor, command_id, task.id, "evaluate", note=note, satisfied=satisfied)

    def _carry_out(self, matter: Matter) -> Matter:
        """Open the incident that was ordered and note it; whoever comes first does it, and again does no harm."""
        order = cast("Mapping[str, object]", matter.order)
        id, name, department, roles = cast("tuple[str, Text, str | None, list[str]]", order["actor"])
        actor = Actor(id, name, department, frozenset(roles))
        unit = cast("str | None", order["unit"])
        try:
            plan = cast("str | None", order["plan"]) or self.handling_plan(str(unit))
            service = self.rules.services.get(matter.service, self.rules.services["other"])
            place = matter.address or matter.title
            spec = {
                "title": text(f"{service.name['zh-CN']}：{place}", f"{service.name['en']}: {place}"),
                "kind": matter.service,
                "level": order["level"],
            }
            click = derive(
                "click", matter.id, str(order["actor"]), str(order["unit"]), str(order["plan"]), str(matter.updated_at)
            )
            done = self._command.dispatch(actor, click, spec, plan)
        except Problem:
            self._give_back(matter)
            raise
        handler = unit or self._first_unit(plan)
        with self._database.work(actor) as work:
            found = store.find_matter(work.conn, matter.id, lock=True)
            assert found is not None
            if found.state != "dispatching":
                return found
            incident = str(done["incident_id"])
            found = replace(
                found, state="dispatched", handler=handler, incident=incident, order=None, updated_at=work.now,
                note=str(order["reason"]) or None,
            )  # fmt: skip
            store.save_matter(work.conn, found)
            work.emit(f"matter:{found.id}", "matter.dispatched", {
                "matter": found.id, "incident": incident, "unit": handler, "plan": plan, "proposed": found.proposal.unit,
                "reason": order["reason"], "at": work.now,
            })  # fmt: skip
            return found

    def _give_back(self, matter: Matter) -> None:
        with self._database.work(SYSTEM) as work:
            found = store.find_matter(work.conn, matter.id, lock=True)
            if found is not None and found.state == "dispatching":
                store.save_matter(work.conn, replace(found, state="open", order=None, updated_at=work.now))

    def handling_plan(self, unit: str) -> str:
        """The digest of the one-step plan that hands a matter to a department; published on first use."""
        plan = yaml.safe_load(_HANDLE.read_text("utf-8"))
        name = f"{plan['plan']}-{unit}"
        plan["plan"] = name if len(name) <= 60 else f"{plan['plan']}-{derive('unit', unit)}"
        plan["steps"][0]["unit"] = unit
        return self._command.publish(SYSTEM, plan)

    def _first_unit(self, plan: str) -> str | None:
        return next((step.unit for step in self._command.plan(plan).steps if step.unit in self._units), None)

    def _open(self, work: Work, matter_id: str, what: str, *, dispatched: bool = False) -> Matter:
        matter = store.find_matter(work.conn, matter_id, lock=True)
        if matter is None:
            raise NotFound(f"there is no matter {matter_id}", remedy="look at the list of matters")
        allowed = ("open", "dispatched") if dispatched or what == "split" else ("open",)
        if matter.state not in allowed:
            raise Conflict(f"the matter is {matter.state}: it cannot be {what} now", remedy="look at the matter again")
        return matter

    def _rebuild(self, work: Work, matter: Matter) -> None:
        """Count a matter's reports anew, choose who speaks for it, and propose a department."""
        reports = store.reports_of(work.conn, matter.id, limits.MATTER_REPORTS_READ)
        speaking: list[Report] = []
        for number, report in enumerate(reports):
            sketches = [self._placing.sketch(each) for each in speaking]
            speaks = not number or self._placing.merging.represents(
                self._placing.sketch(report), sketches[0], sketches[1:]
            )
            store.set_representative(work.conn, report.id, len(speaking) if speaks else None)
            if speaks:
                speaking.append(report)
        placed = next((each.given for each in reports if each.given.lon is not None), reports[0].given)
        first = reports[0].given
        total = matter.reports if len(reports) == limits.MATTER_REPORTS_READ else len(reports)
        matter = replace(
            matter, reports=total, first_at=min(each.given.at for each in reports), lon=placed.lon, lat=placed.lat,
            last_at=max(each.given.at for each in reports), updated_at=work.now, title=title_of(first),
            address=next((each.given.address for each in reports if each.given.address), ""),
        )  # fmt: skip
        store.clear_marks(work.conn, matter.id)
        store.mark(work, matter.id, self._placing.keys(speaking))
        store.save_matter(work.conn, self._placing.propose(work, matter))

    # ── following the incident, learning ───────────────────────────────────────────────────────────────────────

    def tick(self, now: datetime) -> None:
        """Finish what was ordered, hear of incidents, and once a day learn from what was decided."""
        with self._database.read() as conn:
            ordered = store.ordered(conn)
        for matter in ordered:
            try:
                self._carry_out(matter)
            except Problem:
                continue  # it is open again, and its detail says so
        while deliver(self._database, self.subscription):
            pass
        with self._database.read() as conn:
            learned = store.learned_at(conn)
        if learned is None or now - learned >= limits.LEARN_EVERY:
            self.learn()

    def _heard(self, work: Work, event: Event) -> None:
        incident = str(event.data.get("incident", ""))
        for matter in store.matter_of_incident(work.conn, incident):
            if event.type == "incident.closed" and matter.state == "dispatched":
                store.clear_marks(work.conn, matter.id)
                store.save_matter(work.conn, replace(matter, state="closed", closed_at=event.at, updated_at=work.now))
                work.emit(f"matter:{matter.id}", "matter.closed", {
                    "matter": matter.id, "incident": incident, "unit": matter.handler, "at": event.at,
                })  # fmt: skip
            elif event.type == "incident.opened" and event.data.get("again") and matter.state == "closed":
                store.save_matter(work.conn, replace(matter, state="dispatched", closed_at=None, updated_at=work.now))
                work.emit(f"matter:{matter.id}", "matter.reopened", {"matter": matter.id, "incident": incident})
            elif event.type in _PASSED and event.data.get("unit") == matter.handler:
                to = event.data.get("to")
                if isinstance(to, str) and to and to != matter.handler:
                    store.save_matter(work.conn, replace(matter, handler=to, updated_at=work.now))
                    work.emit(f"matter:{matter.id}", "matter.passed", {
                        "matter": matter.id, "from": matter.handler, "to": to, "upheld": event.type == "task.return_upheld",
                    })  # fmt: skip

    def learn(self) -> dict[str, int]:
        """Read what came since the last time: reports for how common words are, closed matters for who had them.

        A matter that was returned with right counts for the department that took it over. Returns how many were read.
        """
        read = {"reports": 0, "matters": 0}
        with self._database.work(SYSTEM) as work:
            store.lock(work)
            known, so_far = self._stored(work)
            while True:
                page = store.reports_after(work.conn, _cursor(so_far.get("report")), limits.EVENTS_READ)
                for report in page:
                    known.read(report.given.text, report.given.address)
                    so_far["report"] = [report.received_at.isoformat(), report.id]
                read["reports"] += len(page)
                if len(page) < limits.EVENTS_READ or read["reports"] >= limits.LEARN_REPORTS:
                    break
            matters = store.decided_after(work.conn, _cursor(so_far.get("matter")), limits.EVENTS_READ)
            for matter in matters:
                unit = class_of(str(matter.handler), self.rules.areas)
                for report in store.reports_of(work.conn, matter.id, _CHUNK):
                    known.decided(report.given.text, unit, matter.service)
                assert matter.closed_at is not None
                so_far["matter"] = [matter.closed_at.isoformat(), matter.id]
            read["matters"] = len(matters)
            store.put_known(work, known.packed(), so_far)
            self._learned_at = None
            self._refresh(work.conn)
        return read

    def _stored(self, work: Work) -> tuple[Known, dict[str, list[str]]]:
        stored = store.known(work.conn)
        if stored is None:
            return Known(), {}
        return Known.unpacked(stored[0]), dict(cast("Mapping[str, list[str]]", stored[2]))

    def _refresh(self, conn: Connection) -> None:
        """Go on with what was learned last, by whichever process."""
        learned = store.learned_at(conn)
        if learned is not None and learned != self._learned_at:
            stored = store.known(conn)
            assert stored is not None
            self._placing.learn(Known.unpacked(stored[0]))
            self._learned_at = stored[1]

    # ── reading ────────────────────────────────────────────────────────────────────────────────────────────────

    def matters(
        self,
        actor: Actor,
        *,
        state: str | None = None,
        service: str | None = None,
        unit: str | None = None,
        incident: str | None = None,
        after: tuple[datetime, str] | None = None,
        limit: int = 50,
    ) -> tuple[list[Matter], dict[str, int]]:
        """One page of the matters the actor may see, last changed first, and how many there are in each state."""
        require(actor, "report.read")
        units = departments(actor, "report.read")
        with self._database.read() as conn:
            found = store.matters(
                conn, units=units, state=state, service=service, unit=unit, incident=incident, after=after, limit=limit
            )
            return found, store.counts(conn, units=units, service=service, unit=unit, incident=incident)

    def told(self, incident: Incident) -> Described | None:
        """What residents told of the matter that an incident answers; ``None`` when it answers none."""
        with self._database.read() as conn:
            found = store.matters(
                conn, units=None, state=None, service=None, unit=None, incident=incident.id, after=None, limit=1
            )
            spoken = store.representatives(conn, [found[0].id])[found[0].id] if found else []
        if not found:
            return None
        (matter,) = found
        words = dict.fromkeys([matter.title, matter.address, *(report.given.text for report in spoken)])
        return Described("。".join(word for word in words if word), lon=matter.lon, lat=matter.lat)

    def matter(self, actor: Actor, matter_id: str) -> Matter:
        """One matter. Raises :class:`NotFound`, also for one that the actor may not know of."""
        require(actor, "report.read")
        units = departments(actor, "report.read")
        with self._database.read() as conn:
            matter = store.find_matter(conn, matter_id)
        concerned = None if matter is None else matter.handler or matter.proposal.unit
        if matter is None or (units is not None and concerned not in units):
            raise NotFound(f"there is no matter {matter_id}", remedy="look at the list of matters")
        return matter

    def reports(self, actor: Actor, matter_id: str) -> list[tuple[Report, Joined]]:
        """The reports of a matter, oldest first, each with why it is there; at most ``limits.PAGE_ROWS``."""
        self.matter(actor, matter_id)
        with self._database.read() as conn:
            found = store.reports_of(conn, matter_id, limits.PAGE_ROWS)
            why = store.joined(conn, [each.id for each in found])
        return [(each, why[each.id]) for each in found]

    def similar(self, actor: Actor, matter_id: str) -> list[tuple[Matter, Verdict]]:
        """Other open matters that may be the same event, likest first: for a person to decide."""
        require(actor, "report.decide")
        matter = self.matter(actor, matter_id)
        with self._database.read() as conn:
            self._refresh(conn)
            found = self._placing.similar(conn, matter)
            others = [(store.find_matter(conn, id), verdict) for id, verdict in found]
        return [(other, verdict) for other, verdict in others if other is not None]

    def history(self, actor: Actor, matter_id: str) -> list[Event]:
        """What happened to a matter, in order."""
        self.matter(actor, matter_id)
        with self._database.read() as conn:
            return read(conn, stream=f"matter:{matter_id}")

    def suggested(self, matter: Matter) -> list[tuple[str, Text, Text]]:
        """Published plans for this kind of matter: (digest, title, reason); the built-in plan is not among them."""
        found = self._command.suggest(matter.service, matter.proposal.level or 4, self._database.clock.now())
        return [(each.plan.digest, each.plan.title, each.reason) for each in found]

    def request(self, report_id: str) -> tuple[Report, Matter] | None:
        """A report and the matter that it is part of now, for public status."""
        with self._database.read() as conn:
            report = store.find_report(conn, report_id)
            matter = None if report is None else store.find_matter(conn, report.matter)
        return None if report is None or matter is None else (report, matter)

    def requests(
        self,
        *,
        services: Iterable[str] | None,
        since: datetime,
        until: datetime,
        closed: bool | None,
        limit: int = limits.OPEN311_ROWS,
    ) -> list[tuple[Report, Matter]]:
        """Reports received within a time with their matters, newest first, for public status."""
        with self._database.read() as conn:
            return store.search(
                conn,
                services=None if services is None else frozenset(services),
                since=since,
                until=until,
                closed=closed,
                limit=limit,
            )


def _refusal(source: str, file: str, row: Row, problem: Problem, now: datetime) -> Refusal:
    """A row that is no report: by the id of its report, else by what it says, the same in every file of its source."""
    code = str(problem.extra.get("reason", problem.code))
    id = _row_id(source, row.external) if row.external else derive("refused", source, code, row.raw)
    message = REASONS.get(code) or row.message or text("该行无法读取", "the row cannot be read")
    return Refusal(id, file, row.number, code[:40], message, row.raw, now, "waiting")


def _row_id(source: str, external: str) -> str:
    return derive("refused", source, external)


def _known_by(payload: Payload) -> dict[str, object]:
    """Which file it was, by its content."""
    size = len(payload) if isinstance(payload, bytes) else payload.stat().st_size
    with BytesIO(payload) if isinstance(payload, bytes) else payload.open("rb") as file:
        return {"sha256": hashlib.file_digest(file, "sha256").hexdigest(), "bytes": size}


def _named(source: str) -> str:
    """The name of the system that a file comes from."""
    named = clean(source)
    if not named or len(named) > 80:
        raise Invalid("the source has 1 to 80 characters", remedy="name the system it comes from")
    return named


def _cursor(raw: object) -> tuple[datetime, str] | None:
    if not isinstance(raw, list):
        return None
    return datetime.fromisoformat(str(raw[0])), str(raw[1])


def _words(words: str) -> str:
    if not words.strip():
        raise Invalid("a reason is missing", remedy="say why in one sentence")
    if len(words) > limits.TEXT_CHARS:
        raise Invalid(f"a text has at most {limits.TEXT_CHARS} characters", remedy="shorten it")
    return words

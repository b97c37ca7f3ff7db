"""The verbs of grants: ask, decide, give, revoke; what applications propose; what ends by itself.

A request for sharing is a timed work order: it has a legal deadline, its lateness is an event, and it is answered by a
named person of the department that holds the data, with a reason. What was granted ends with its time, or when the owner
revokes it; reading stops at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import cast
from zoneinfo import ZoneInfo

import structlog

from cityheart.kernel import limits
from cityheart.kernel.access import ROLES, can, departments, require
from cityheart.kernel.actors import Actor
from cityheart.kernel.calendar import Calendar
from cityheart.kernel.database import Database, Work
from cityheart.kernel.errors import Conflict, Forbidden, Invalid, NotFound
from cityheart.kernel.ids import derive
from cityheart.kernel.text import Text, text
from cityheart.share.grants import store
from cityheart.share.grants.condition import compiled
from cityheart.share.grants.deadlines import due
from cityheart.share.grants.models import USES, Grant, GrantState, Party, Person, Proposal, Request, RequestState, Use
from cityheart.share.grants.sight import Sights
from cityheart.share.models import Dataset

__all__ = ["Asked", "Grants"]

_SYSTEM = Actor.system("share")
_POLICY = text("城市默认策略", "the city's default policy")
_REQUEST_STATES: Mapping[str, tuple[RequestState, ...] | None] = {
    "open": ("open",), "decided": ("granted", "refused", "withdrawn"), "all": None,
}  # fmt: skip
_GRANT_STATES: Mapping[str, tuple[GrantState, ...] | None] = {
    "given": ("given",), "proposed": ("proposed",), "over": ("declined", "revoked", "expired"), "all": None,
}  # fmt: skip
log = structlog.get_logger("share")


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for, or given: columns (none: all that are not classified), rows, uses, until when, what for."""

    dataset: str
    purpose: str
    columns: tuple[str, ...] = ()
    rows: str | None = None
    uses: tuple[Use, ...] = ("read",)
    until: datetime | None = None


class Grants:
    """Requests and grants of one city."""

    def __init__(
        self,
        database: Database,
        sights: Sights,
        *,
        dataset: Callable[[str], Dataset],
        titles: Callable[[], Mapping[str, Text]],
        home: Path | None = None,
        zone: str = "Asia/Shanghai",
    ) -> None:
        self._database, self._sights = database, sights
        self._dataset, self._titles, self._home, self._zone = dataset, titles, home, ZoneInfo(zone)
        self._person: Callable[[str], Person] = _nobody
        self._people: Callable[[Iterable[str]], Mapping[str, Person]] = lambda ids: {}

    def register_people(
        self, person: Callable[[str], Person], people: Callable[[Iterable[str]], Mapping[str, Person]]
    ) -> None:
        """Say who knows people: by the name that one signs in with (raises NotFound), and by ids."""
        self._person, self._people = person, people

    @cached_property
    def _calendar(self) -> Calendar:
        return Calendar.load(self._home)

    # ── asking ─────────────────────────────────────────────────────────────────────────────────────────────────

    def ask(
        self, actor: Actor, command_id: str, asked: Asked, *, role: str | None = None, alone: bool = False
    ) -> dict[str, object]:
        """Ask the owner of a dataset for columns and rows; the request as :meth:`request` shows it.

        It is asked for the actor's department, of which ``role`` can be one part; who belongs to none asks for a role.
        ``alone``: for the actor and nobody else, until a moment that it says. Raises Forbidden; Invalid for what cannot
        be asked; Conflict for what is seen already, asked already, or not shared at all.
        """
        require(actor, "share.request")
        found = self._checked(asked)
        if role is not None and role not in actor.roles:
            raise Invalid(f"you do not have the role {role}", remedy="ask for a role of your own")
        if role is None and actor.department is None:
            role = min(actor.roles & ROLES.keys(), default=None)
        to = Party(person=actor.id) if alone else Party(actor.department, role)
        _ends(to, asked)
        if to == Party():
            raise Forbidden("nobody could be given this", remedy="ask as a member of a department, or in a role")
        if found.sharing == 3:
            why = found.contract.conditions.get("en") or "its owner says so"
            raise Conflict(f"{found.name} is not shared: {why}", remedy=f"speak with {found.owner}, who holds it")
        sight = self._sights.of(actor, found.name)
        wanted = asked.columns or tuple(each.name for each in found.contract.stored if not each.secrecy)
        if sight.shows(*wanted):
            raise Conflict(f"you see this of {found.name} already", remedy="no request is needed")
        payload = {"asked": _payload(asked), "role": role, "alone": alone}

        def do(work: Work) -> dict[str, object]:
            others, _ = store.requests(
                work.conn, owners=None, department=None, asker=actor.id, dataset=found.name, states=("open",), after=0,
                limit=limits.PAGE_ROWS,
            )  # fmt: skip
            twin = next((one for one in others if one.to == to and one.columns == asked.columns), None)
            if twin is not None:
                raise Conflict(f"the same is asked for in {twin.id}", remedy="wait for its answer, or withdraw it")
            at, rule = due(found.sharing, work.now, self._calendar, self._zone)
            made = Request(
                self._database.ids.new("request"), found.name, to, asked.columns, asked.rows, asked.uses,
                asked.purpose, asked.until, "open", _who(actor), work.now, at,
            )  # fmt: skip
            store.insert_request(work.conn, made, found.owner)
            work.emit(
                f"dataset:{found.name}",
                "request.filed",
                {
                    "request": made.id, "dataset": found.name, "department": to.department, "role": to.role,
                    "person": to.person, "columns": list(asked.columns),
                    "uses": list(asked.uses), "due_at": at, "rule": rule.title,
                },
            )  # fmt: skip
            return {"id": made.id}

        done = self._database.once(actor, command_id, "share.request", payload, do)
        return self.request(actor, str(done["id"]))

    def withdraw(self, actor: Actor, command_id: str, request_id: str) -> dict[str, object]:
        """Take back one's own open request. Raises NotFound, Forbidden, Conflict for one that was answered."""

        def do(work: Work) -> dict[str, object]:
            found = self._open(work, request_id)
            if found.asked_by["id"] != actor.id:
                raise Forbidden("only who asked can take a request back", remedy="the owner can refuse it")
            values = {"state": "withdrawn", "decided_by": _who(actor), "decided_at": work.now}
            store.set_request(work.conn, found.id, values)
            data = {"request": found.id, "dataset": found.dataset, "decision": "withdrawn"}
            work.emit(f"dataset:{found.dataset}", "request.decided", data)
            return {}

        self._database.once(actor, command_id, "share.withdraw", {"request": request_id}, do)
        return self.request(actor, request_id)

    def decide(
        self,
        actor: Actor,
        command_id: str,
        request_id: str,
        *,
        grant: bool,
        reason: str,
        columns: Sequence[str] | None = None,
        rows: str | None = None,
        until: datetime | None = None,
    ) -> dict[str, object]:
        """Grant a request or refuse it, with the reason; for the owner's steward, who may grant less than was asked.

        ``columns`` (some of those asked for), ``rows`` and ``until`` narrow it. Raises NotFound, Forbidden, Invalid for
        more than was asked, Conflict for one that was answered.
        """
        _reason(reason)
        payload = {
            "request": request_id, "grant": grant, "reason": reason, "columns": list(columns) if columns else None,
            "rows": rows, "until": until,
        }  # fmt: skip

        def do(work: Work) -> dict[str, object]:
            found = self._open(work, request_id)
            dataset = self._dataset(found.dataset)
            self._decider(actor, dataset)
            if found.asked_by["id"] == actor.id:
                raise Forbidden("nobody answers his own request", remedy="another steward of the owner decides")
            made: str | None = None
            if grant:
                asked = self._narrowed(found, dataset, columns, rows, until, work.now)
                words = text(found.purpose, found.purpose)
                made = self._give(work, actor, asked, found.to, words, words, request=found.id)
            values = {
                "state": "granted" if grant else "refused", "decided_by": _who(actor), "decided_at": work.now,
                "reason": reason.strip(), "grant_id": made,
            }  # fmt: skip
            store.set_request(work.conn, found.id, values)
            data = {
                "request": found.id, "dataset": found.dataset, "decision": values["state"], "grant": made,
                "late": work.now > found.due_at,
            }  # fmt: skip
            work.emit(f"dataset:{found.dataset}", "request.decided", data)
            return {"grant": made}

        self._database.once(actor, command_id, "share.decide", payload, do)
        self._sights.forget()
        return self.request(actor, request_id)

    def _narrowed(
        self,
        found: Request,
        dataset: Dataset,
        columns: Sequence[str] | None,
        rows: str | None,
        until: datetime | None,
        now: datetime,
    ) -> Asked:
        open_columns = tuple(each.name for each in dataset.contract.stored if not each.secrecy)
        asked = found.columns or open_columns
        more = [name for name in columns or () if name not in asked]
        if more:
            raise Invalid(f"{more[0]} was not asked for", remedy=f"asked for were: {', '.join(asked)}")
        if rows is not None and found.rows is not None:
            rows = f"({found.rows}) and ({rows})"
        ends = min((each for each in (until, found.until) if each is not None), default=None)
        kept = tuple(columns) if columns else found.columns
        given = Asked(found.dataset, found.purpose, kept, rows or found.rows, found.uses, ends)
        if ends is not None and ends <= now:
            raise Invalid("what was asked for is over already", remedy="refuse it; it can be asked for anew")
        self._checked(given)
        return given

    # ── giving, and what applications propose ──────────────────────────────────────────────────────────────────

    def give(
        self, actor: Actor, command_id: str, given: Asked, to: Party, *, username: str | None = None
    ) -> dict[str, object]:
        """Grant without a request; for the owner's steward. The grant as :meth:`grant` shows it.

        ``username``: to the person who signs in so, beside what ``to`` says, until a moment that it says. Raises
        NotFound for one that there is not.
        """
        found = self._checked(given)
        self._decider(actor, found)
        if username is not None:
            person = self._person(username)
            if person.blocked:
                raise Invalid(f"{username} is blocked", remedy="name somebody who can sign in")
            to = replace(to, person=person.id)
            _ends(to, given)
        if to.department is not None and to.department not in self._titles():
            raise Invalid(f"there is no department {to.department}", remedy="GET /api/departments lists them")
        if to.role is not None and (to.role not in ROLES or to.role == "system"):
            raise Invalid(f"there is no role {to.role}", remedy=f"roles: {', '.join(sorted(ROLES))}")
        if to == Party():
            raise Invalid(
                "it says to nobody", remedy="name a department, a role, a person, or those who handle an alert"
            )
        if to.meets(actor, handling=True) and found.owner != actor.department:
            raise Forbidden("nobody gives to himself", remedy="let a steward of the owner decide")
        if to.handlers and set(given.uses) != {"alert"}:
            raise Invalid("who handles an alert sees its evidence", remedy="give it for the use alert alone")
        words = text(given.purpose, given.purpose)

        def do(work: Work) -> dict[str, object]:
            return {"id": self._give(work, actor, given, to, words, words)}

        payload = {"given": _payload(given), "to": [to.department, to.role, to.handlers, to.person]}
        done = self._database.once(actor, command_id, "share.give", payload, do)
        self._sights.forget()
        return self.grant(actor, str(done["id"]))

    def _give(
        self,
        work: Work,
        actor: Actor,
        given: Asked,
        to: Party,
        title: Text,
        purpose: Text,
        *,
        request: str | None = None,
    ) -> str:
        id = self._database.ids.new("grant")
        made = Grant(
            id, given.dataset, to, title, purpose, given.columns, given.rows, given.uses, "given", work.now, given.until,
            request=request, given_by=_who(actor), given_at=work.now,
        )  # fmt: skip
        store.insert_grant(work.conn, made)
        self._told_given(work, made)
        return id

    def _told_given(self, work: Work, grant: Grant) -> None:
        data = {
            "grant": grant.id, "dataset": grant.dataset, "department": grant.to.department, "role": grant.to.role,
            "handlers": grant.to.handlers, "person": grant.to.person, "columns": list(grant.columns), "uses": list(grant.uses),
            "until": grant.until, "origin": grant.origin,
        }  # fmt: skip
        work.emit(f"dataset:{grant.dataset}", "grant.given", data)

    def propose(self, proposals: Iterable[Proposal]) -> list[str]:
        """Take note of what applications propose; the ids of what is new. What was decided once is not asked again.

        A proposal that says something else than before is a new one; what was granted under the old one stands until
        somebody decides. Raises Invalid for one that does not fit its dataset.
        """
        wanted = []
        for one in proposals:
            self._checked(Asked(one.dataset, one.purpose["en"], one.columns, one.rows, one.uses))
            wanted.append((derive("grant", one.origin, repr(one)), one))
        with self._database.read() as conn:
            known = {grant.id for grants in store.of_origins(conn).values() for grant in grants}
        fresh = [(id, one) for id, one in wanted if id not in known]
        if not fresh:
            return []
        with self._database.work(_SYSTEM) as work:
            for id, one in fresh:
                until = None if one.lasts is None else work.now + one.lasts
                store.insert_grant(
                    work.conn,
                    Grant(
                        id, one.dataset, one.to, one.title, one.purpose, one.columns, one.rows, one.uses, "proposed",
                        work.now, until, origin=one.origin,
                    ),
                )  # fmt: skip
                work.emit(
                    f"dataset:{one.dataset}",
                    "grant.proposed",
                    {"grant": id, "dataset": one.dataset, "origin": one.origin, "uses": list(one.uses)},
                )
        return [id for id, _ in fresh]

    def take_proposals(self) -> list[str]:
        """Give everything that is proposed, as the default policy of a new city; each is named in the log."""
        with self._database.work(_SYSTEM) as work:
            found = store.grants(work.conn, None, ("proposed",), 0, limits.GRANTS)
            for one in found:
                given = {"id": _SYSTEM.id, "name": _POLICY}
                store.set_grant(work.conn, one.id, {"state": "given", "given_by": given, "given_at": work.now})
                self._told_given(work, one)
        self._sights.forget()
        for one in found:
            log.info(
                "grant.given by default", grant=one.id, dataset=one.dataset, origin=one.origin, uses=list(one.uses)
            )
        return [one.id for one in found]

    def answer(self, actor: Actor, command_id: str, grant_id: str, *, accept: bool, reason: str) -> dict[str, object]:
        """Give what an application proposes, or decline it; for the owner's steward. Raises as :meth:`decide`."""
        _reason(reason)

        def do(work: Work) -> dict[str, object]:
            found = self._held(work, grant_id, "proposed")
            self._decider(actor, self._dataset(found.dataset))
            if accept:
                values = {"state": "given", "given_by": _who(actor), "given_at": work.now, "reason": reason.strip()}
                store.set_grant(work.conn, found.id, values)
                for one in store.of_origins(work.conn)[found.origin]:
                    if one.state == "given" and one.id != found.id:  # what it replaces
                        self._end(work, one, "revoked", _who(actor), reason)
                self._told_given(work, found)
            else:
                self._end(work, found, "declined", _who(actor), reason)
            return {}

        payload = {"grant": grant_id, "accept": accept, "reason": reason}
        self._database.once(actor, command_id, "share.answer", payload, do)
        self._sights.forget()
        return self.grant(actor, grant_id)

    def revoke(self, actor: Actor, command_id: str, grant_id: str, reason: str) -> dict[str, object]:
        """End a grant, with the reason; for the owner's steward. Raises as :meth:`decide`."""
        _reason(reason)

        def do(work: Work) -> dict[str, object]:
            found = self._held(work, grant_id, "given")
            self._decider(actor, self._dataset(found.dataset))
            self._end(work, found, "revoked", _who(actor), reason)
            return {}

        self._database.once(actor, command_id, "share.revoke", {"grant": grant_id, "reason": reason}, do)
        self._sights.forget()
        return self.grant(actor, grant_id)

    def _end(self, work: Work, grant: Grant, state: GrantState, by: Mapping[str, object], reason: str) -> None:
        store.set_grant(
            work.conn, grant.id, {"state": state, "ended_by": by, "ended_at": work.now, "reason": reason.strip()}
        )
        work.emit(
            f"dataset:{grant.dataset}", "grant.ended", {"grant": grant.id, "dataset": grant.dataset, "how": state}
        )

    def tick(self, now: datetime) -> int:
        """Note what ended by itself and what was not answered in time; how many there were."""
        with self._database.read() as conn:
            idle = not store.something_ends(conn, now)
        if idle:
            return 0
        with self._database.work(_SYSTEM) as work:
            over = store.expired(work.conn, now, limits.PAGE_ROWS)
            for grant in over:
                self._end(work, grant, "expired", _who(_SYSTEM), "")
            late = store.overdue(work.conn, now, limits.PAGE_ROWS)
            for request in late:
                store.set_request(work.conn, request.id, {"told_overdue": True})
                owner = self._dataset(request.dataset).owner
                data = {"request": request.id, "dataset": request.dataset, "owner": owner, "due_at": request.due_at}
                work.emit(f"dataset:{request.dataset}", "request.overdue", data)
        if over:
            self._sights.forget()
        return len(over) + len(late)

    # ── looking ────────────────────────────────────────────────────────────────────────────────────────────────

    def grants(
        self, actor: Actor, *, dataset: str | None = None, state: str = "all", after: int = 0, limit: int = 50
    ) -> dict[str, object]:
        """A page of grants, the newest first: ``{items, total, next, may}``. Everybody sees who may read what, and why."""
        require(actor, "dataset.read")
        if state not in _GRANT_STATES:
            raise Invalid(f"state {state!r} is unknown", remedy=f"one of {', '.join(_GRANT_STATES)}")
        gives = dataset is not None and self.may_decide(actor, self._dataset(dataset).owner)
        with self._database.read() as conn:
            found = store.grants(conn, dataset, _GRANT_STATES[state], after, limit)
            total = store.count_grants(conn, dataset, _GRANT_STATES[state])
        following = str(after + limit) if after + limit < total else None
        items = [self._shown(actor, one) for one in found]
        return {"items": items, "total": total, "next": following, "may": {"give": gives}}

    def grant(self, actor: Actor, grant_id: str) -> dict[str, object]:
        """One grant. Raises NotFound."""
        require(actor, "dataset.read")
        with self._database.read() as conn:
            found = store.find_grant(conn, grant_id)
        if found is None:
            raise NotFound(f"there is no grant {grant_id}", remedy="GET /api/grants lists them")
        return self._shown(actor, found)

    def requests(
        self, actor: Actor, *, dataset: str | None = None, state: str = "open", after: int = 0, limit: int = 50
    ) -> dict[str, object]:
        """A page of requests, open ones first by their deadline: those to one's department, of it, and one's own."""
        require(actor, "dataset.read")
        if state not in _REQUEST_STATES:
            raise Invalid(f"state {state!r} is unknown", remedy=f"one of {', '.join(_REQUEST_STATES)}")
        with self._database.read() as conn:
            found, total = store.requests(
                conn, owners=self._owners(actor), department=actor.department, asker=actor.id, dataset=dataset,
                states=_REQUEST_STATES[state], after=after, limit=limit,
            )  # fmt: skip
        items = [self._shown_request(actor, one) for one in found]
        return {"items": items, "total": total, "next": str(after + limit) if after + limit < total else None}

    def request(self, actor: Actor, request_id: str) -> dict[str, object]:
        """One request. Raises NotFound, also for one that is no business of the actor's."""
        require(actor, "dataset.read")
        with self._database.read() as conn:
            found = store.find_request(conn, request_id)
        owners = self._owners(actor)
        if found is None or not (
            owners is None
            or self._dataset(found.dataset).owner in owners
            or found.asked_by["id"] == actor.id
            or (actor.department is not None and found.to.department == actor.department)
        ):
            raise NotFound(f"there is no request {request_id}", remedy="GET /api/requests lists them")
        return self._shown_request(actor, found)

    def _owners(self, actor: Actor) -> frozenset[str] | None:
        held = departments(actor, "share.decide")
        return None if self._citywide(actor) else held

    @staticmethod
    def _citywide(actor: Actor) -> bool:
        # a steward who belongs to no department keeps the data of the city as a whole
        return actor.department is None and "steward" in actor.roles

    def may_decide(self, actor: Actor, owner: str) -> bool:
        """Whether the actor decides who reads the data of a department."""
        return can(actor, "share.decide", owner) or self._citywide(actor)

    def _decider(self, actor: Actor, dataset: Dataset) -> None:
        if not self._citywide(actor):
            require(actor, "share.decide", dataset.owner)

    def _open(self, work: Work, request_id: str) -> Request:
        found = store.find_request(work.conn, request_id, lock=True)
        if found is None:
            raise NotFound(f"there is no request {request_id}", remedy="GET /api/requests lists them")
        if found.state != "open":
            raise Conflict(f"the request was {found.state} already", remedy="look at it again; ask anew if need be")
        return found

    def _held(self, work: Work, grant_id: str, state: GrantState) -> Grant:
        found = store.find_grant(work.conn, grant_id, lock=True)
        if found is None:
            raise NotFound(f"there is no grant {grant_id}", remedy="GET /api/grants lists them")
        if found.state != state:
            raise Conflict(f"the grant is {found.state}", remedy="look at it again")
        return found

    def _checked(self, asked: Asked) -> Dataset:
        """The dataset, if it has what is asked for."""
        found = self._dataset(asked.dataset)
        stored = {each.name for each in found.contract.stored}
        strange = [name for name in asked.columns if name not in stored]
        if strange or len(set(asked.columns)) != len(asked.columns):
            what = f"no column {strange[0]}" if strange else "each of its columns once only"
            raise Invalid(f"{asked.dataset} has {what}", remedy=f"columns: {', '.join(sorted(stored))}")
        if not asked.uses or set(asked.uses) - set(USES):
            raise Invalid("it says no use that there is", remedy=f"uses: {', '.join(USES)}")
        if not asked.purpose.strip() or len(asked.purpose) > limits.TEXT_CHARS:
            raise Invalid("the purpose is missing or too long", remedy="say in a sentence what it is needed for")
        if asked.rows is not None:
            compiled(asked.rows, found.contract)
        now = self._database.clock.now()
        if asked.until is not None and not now < asked.until <= now + limits.GRANT_LONGEST:
            years = limits.GRANT_LONGEST.days // 365
            raise Invalid("the end is past, or too far away", remedy=f"within {years} years; it can be given anew")
        return found

    def _to(self, to: Party) -> dict[str, object]:
        title = None if to.department is None else self._titles().get(to.department, text(to.department, to.department))
        person = None
        if to.person is not None:
            known = self._people([to.person]).get(to.person)
            person = {"id": to.person} | (
                {}
                if known is None
                else {"username": known.username, "name": known.name, "department": known.department}
            )
        return {
            "department": to.department, "department_title": title, "role": to.role, "handlers": to.handlers,
            "person": person,
        }  # fmt: skip

    def _shown(self, actor: Actor, one: Grant) -> dict[str, object]:
        dataset = self._dataset(one.dataset)
        may = self.may_decide(actor, dataset.owner)
        now = self._database.clock.now()
        over = one.state == "given" and one.until is not None and one.until <= now
        return {
            "id": one.id,
            "dataset": one.dataset,
            "dataset_title": dataset.contract.title,
            "owner": dataset.owner,
            "to": self._to(one.to),
            "title": one.title,
            "purpose": one.purpose,
            "columns": list(one.columns),
            # a condition may name what only the owner knows
            "rows": one.rows if may or one.to.meets(actor) else None,
            "limited": one.rows is not None,
            "uses": list(one.uses),
            "state": "expired" if over else one.state,
            "since": one.since,
            "until": one.until,
            "origin": one.origin or None,
            "request": one.request,
            "given_by": one.given_by,
            "given_at": one.given_at,
            "ended_by": one.ended_by,
            "ended_at": one.ended_at,
            "reason": one.reason,
            "may": {"revoke": may and one.state == "given" and not over, "answer": may and one.state == "proposed"},
        }

    def _shown_request(self, actor: Actor, one: Request) -> dict[str, object]:
        dataset = self._dataset(one.dataset)
        now = self._database.clock.now()
        _, rule = due(dataset.sharing, one.asked_at, self._calendar, self._zone)
        open_ = one.state == "open"
        return {
            "id": one.id,
            "dataset": one.dataset,
            "dataset_title": dataset.contract.title,
            "owner": dataset.owner,
            "owner_title": self._titles().get(dataset.owner, text(dataset.owner, dataset.owner)),
            "to": self._to(one.to),
            "columns": list(one.columns),
            "rows": one.rows,
            "uses": list(one.uses),
            "purpose": one.purpose,
            "until": one.until,
            "state": one.state,
            "asked_by": one.asked_by,
            "asked_at": one.asked_at,
            "due_at": one.due_at,
            "late": now > one.due_at if open_ else one.decided_at is not None and one.decided_at > one.due_at,
            "rule": {"title": rule.title, "source": rule.source, "verified": rule.verified},
            "decided_by": one.decided_by,
            "decided_at": one.decided_at,
            "reason": one.reason,
            "grant": one.grant,
            "may": {
                "decide": open_ and one.asked_by["id"] != actor.id and self.may_decide(actor, dataset.owner),
                "withdraw": open_ and one.asked_by["id"] == actor.id,
            },
        }


def _who(actor: Actor) -> dict[str, object]:
    return {"id": actor.id, "name": actor.name}


def _nobody(username: str) -> Person:
    raise NotFound(f"there is no user {username}", remedy="look at the list of people")


def _ends(to: Party, asked: Asked) -> None:
    if to.person is not None and asked.until is None:
        raise Invalid("what is for one person alone has an end", remedy="say until when it is needed")


def _reason(reason: str) -> None:
    if not reason.strip() or len(reason) > limits.TEXT_CHARS:
        raise Invalid("the reason is missing or too long", remedy="the law asks for a reason; say it in a sentence")


def _payload(asked: Asked) -> dict[str, object]:
    plain = replace(asked, columns=tuple(asked.columns), uses=tuple(asked.uses))
    return cast("dict[str, object]", {name: getattr(plain, name) for name in Asked.__slots__})

"""The verbs of duty: set a shift, exchange a day, name a deputy; and who is on duty, at any moment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import date, datetime, time, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from cityheart.command.duty import rota, store
from cityheart.command.duty.models import CENTRE, CENTRE_TITLE, DAYS, ROTATIONS, Deputy, Exchange, OnDuty, Shift, Watch
from cityheart.kernel import limits
from cityheart.kernel.access import can, require
from cityheart.kernel.actors import Actor
from cityheart.kernel.calendar import Calendar
from cityheart.kernel.database import Database, Work
from cityheart.kernel.errors import BadRequest, Conflict, Invalid, NotFound, TooMany
from cityheart.kernel.ids import derive
from cityheart.kernel.text import LANGUAGES, Text, text

__all__ = ["Duty", "Person"]


class Person(Protocol):
    """An account, as far as duty cares."""

    @property
    def id(self) -> str:
        """The account's id."""
        ...

    @property
    def username(self) -> str:
        """What the person signs in as."""
        ...

    @property
    def name(self) -> Text:
        """What the person is called."""
        ...

    @property
    def department(self) -> str | None:
        """Where the person works."""
        ...

    @property
    def email(self) -> str | None:
        """Where orders are sent."""
        ...

    @property
    def blocked_at(self) -> datetime | None:
        """Since when the account is blocked."""
        ...


class People(Protocol):
    """Who there is; the accounts have it."""

    def staff(self, departments: Iterable[str] | None) -> Sequence[Person]:
        """Who works for these departments, or for any."""
        ...

    def people(self, ids: Iterable[str]) -> Mapping[str, Person]:
        """The accounts of these ids."""
        ...

    def person(self, username: str) -> Person:
        """The account of this user name."""
        ...


class Duty:
    """The rosters of one city. ``zone`` is the time zone in which shifts begin and end."""

    def __init__(self, database: Database, people: People, calendar: Calendar, zone: ZoneInfo) -> None:
        self._database = database
        self._people = people
        self._calendar = calendar
        self._zone = zone
        self._units: Mapping[str, Text] = {}
        self._below: Mapping[str, frozenset[str]] = {}

    def register_departments(self, titles: Mapping[str, Text], below: Mapping[str, frozenset[str]]) -> None:
        """Make departments known, with their titles and those that stand below each; the command centre always is."""
        self._units, self._below = {CENTRE: CENTRE_TITLE, **titles}, dict(below)

    # ── changing ───────────────────────────────────────────────────────────────────────────────────────────────

    def set_shift(self, actor: Actor, command_id: str, shift: Mapping[str, object]) -> dict[str, object]:
        """Set a shift: ``{id?, unit, title, starts, ends, days, rotation, people, valid_from, valid_until?}``.

        ``people`` are user names. A shift that is there is changed from now on. Returns ``{"shift_id"}``. Raises
        :class:`Invalid` naming what is wrong, :class:`Forbidden` for another department.
        """
        unit = str(shift.get("unit") or "")
        if unit not in self._units:
            raise Invalid(f"there is no department {unit}", remedy=f"departments: {', '.join(sorted(self._units))}")
        require(actor, "duty.manage", unit)

        def do(work: Work) -> dict[str, object]:
            made = self._read(shift, str(shift.get("id") or derive("shift", unit, command_id)))
            before = store.find_shift(work.conn, made.id)
            if before is None and shift.get("id"):
                raise NotFound(f"there is no shift {made.id}", remedy="look at the roster")
            if before is not None and before.unit != unit:
                raise Conflict(f"the shift {made.id} is of {before.unit}", remedy="end it, and set one of your own")
            if before is None and len(store.shifts(work.conn, {unit})) >= limits.DUTY_SHIFTS:
                raise TooMany(
                    f"a department has at most {limits.DUTY_SHIFTS} shifts", remedy="change one that is there"
                )
            store.put_shift(work.conn, made)
            work.emit(f"duty:{unit}", "duty.shift_set", {"shift": made.id, **_spelled(made)})
            return {"shift_id": made.id}

        return self._database.once(actor, command_id, "duty.set_shift", shift, do)

    def end_shift(self, actor: Actor, command_id: str, shift_id: str, day: date) -> dict[str, object]:
        """From ``day`` on the shift is no longer held. Raises :class:`NotFound`, :class:`Forbidden`."""

        def do(work: Work) -> dict[str, object]:
            shift = self._shift(work, actor, shift_id)
            store.put_shift(work.conn, replace(shift, valid_until=max(day, shift.valid_from)))
            work.emit(f"duty:{shift.unit}", "duty.shift_ended", {"shift": shift.id, "unit": shift.unit, "day": day})
            return {"shift_id": shift.id}

        return self._database.once(actor, command_id, "duty.end_shift", {"shift": shift_id, "day": day}, do)

    def exchange(
        self, actor: Actor, command_id: str, shift_id: str, day: date, people: Sequence[str], reason: str
    ) -> dict[str, object]:
        """On ``day`` others (user names) hold the shift than the rotation says; nobody is not allowed."""

        def do(work: Work) -> dict[str, object]:
            shift = self._shift(work, actor, shift_id)
            named = self._named(people)
            store.put_exchange(work.conn, Exchange(shift.id, day, named, _why(reason), actor.id))
            work.emit(f"duty:{shift.unit}", "duty.exchanged", {
                "shift": shift.id, "unit": shift.unit, "day": day, "people": list(named), "reason": reason,
            })  # fmt: skip
            return {"shift_id": shift.id, "day": day.isoformat()}

        payload = {"shift": shift_id, "day": day, "people": list(people), "reason": reason}
        return self._database.once(actor, command_id, "duty.exchange", payload, do)

    def deputise(
        self, actor: Actor, command_id: str, person: str, deputy: str, since: datetime, until: datetime, reason: str
    ) -> dict[str, object]:
        """``deputy`` stands in for ``person`` (user names) from ``since`` to ``until``: on duty, and in what may be done.

        Somebody may name the own deputy; for others it takes ``duty.manage`` over their department. The deputy works for
        the same department, or for one above or below it. Raises :class:`Invalid`, :class:`Forbidden`.
        """
        if since.tzinfo is None or until.tzinfo is None or until <= since:
            raise Invalid("the time of the deputy is empty or has no time zone", remedy="give from and to")
        if until - since > limits.DEPUTY_SPAN:
            raise Invalid(
                f"a deputy stands in for at most {limits.DEPUTY_SPAN.days} days",
                remedy="change the person's department or roles",
            )
        absent, standing = self._people.person(person), self._people.person(deputy)
        if absent.id != actor.id:
            require(actor, "duty.manage", absent.department or "")
        if absent.id == standing.id:
            raise Invalid("nobody stands in for themselves", remedy="name somebody else")
        if standing.blocked_at is not None:
            raise Invalid(f"the account of {deputy} is blocked", remedy="name somebody else")
        if not self._kin(absent.department, standing.department):
            raise Invalid(
                f"{deputy} works for another department than {person}", remedy="name somebody of the same department"
            )

        def do(work: Work) -> dict[str, object]:
            row = Deputy(
                derive("deputy", absent.id, command_id), absent.id, standing.id, since, until, _why(reason), actor.id
            )
            if any(other.person == standing.id for other in store.deputies(work.conn, at=since, deputy=absent.id)):
                raise Conflict(f"{person} stands in for {deputy} at that time", remedy="name somebody else")
            store.put_deputy(work.conn, row)
            work.emit(f"duty:{absent.department or 'city'}", "duty.deputised", {
                "deputy_id": row.id, "person": absent.id, "deputy": standing.id, "from": since, "to": until,
                "reason": reason,
            })  # fmt: skip
            return {"deputy_id": row.id}

        payload = {"person": person, "deputy": deputy, "from": since, "to": until, "reason": reason}
        return self._database.once(actor, command_id, "duty.deputise", payload, do)

    def end_deputy(self, actor: Actor, command_id: str, deputy_id: str) -> dict[str, object]:
        """The person is back: the deputy stands in no longer. Raises :class:`NotFound`, :class:`Forbidden`."""

        def do(work: Work) -> dict[str, object]:
            row = store.find_deputy(work.conn, deputy_id)
            if row is None:
                raise NotFound(f"there is no deputy {deputy_id}", remedy="look at the list of deputies")
            absent = self._people.people([row.person]).get(row.person)
            department = None if absent is None else absent.department
            if actor.id not in (row.person, row.deputy):
                require(actor, "duty.manage", department or "")
            if row.ended_at is None:
                store.put_deputy(work.conn, replace(row, ended_at=work.now))
                work.emit(
                    f"duty:{department or 'city'}", "duty.deputy_ended", {"deputy_id": row.id, "person": row.person}
                )
            return {"deputy_id": row.id}

        return self._database.once(actor, command_id, "duty.end_deputy", {"deputy": deputy_id}, do)

    # ── asking ─────────────────────────────────────────────────────────────────────────────────────────────────

    def on_duty(self, unit: str, at: datetime | None = None) -> list[OnDuty]:
        """Who is on duty for ``unit``; when nobody is, who is for the department above it, and so on up.

        For other parts of the system: nobody asks on behalf of a person here. An empty list: nobody anywhere.
        """
        at = at or self._database.clock.now()
        above = [unit, *sorted((each for each, below in self._below.items() if unit in below), key=self._depth)]
        with self._database.read() as conn:
            shifts = store.shifts(conn, above)
            if not shifts:
                return []
            held = self._held(conn, shifts, at, at + timedelta(microseconds=1))
            absent = {row.person: row.deputy for row in reversed(store.deputies(conn, at=at))}
        for each in above:
            found = [
                OnDuty(
                    each, watch.shift.id, watch.shift.title, absent.get(person, person),
                    person if person in absent else None, watch.since, watch.until,
                )
                for watch in held
                if watch.shift.unit == each
                for person in watch.people
            ]  # fmt: skip
            if found:
                return found
        return []

    def watches(self, since: datetime, until: datetime, unit: str | None = None) -> list[Watch]:
        """Every shift held at some time in ``[since, until)``, of one department or of all, by its beginning.

        For other parts of the system: nobody asks on behalf of a person here.
        """
        with self._database.read() as conn:
            return self._held(conn, store.shifts(conn, None if unit is None else {unit}), since, until)

    def names(self, ids: Iterable[str]) -> dict[str, dict[str, object]]:
        """``{"id", "name"}`` of these accounts, also of those that are gone."""
        return self._names(ids)

    def addresses(self, unit: str) -> list[str]:
        """The e-mail addresses of those on duty for ``unit`` now."""
        people = self._people.people(row.person for row in self.on_duty(unit))
        return sorted({person.email for person in people.values() if person.email and person.blocked_at is None})

    def standing_in(self, account_id: str) -> list[str]:
        """The ids of those for whom the account stands in now."""
        with self._database.read() as conn:
            return [row.person for row in store.deputies(conn, at=self._database.clock.now(), deputy=account_id)]

    def now(self, actor: Actor) -> list[dict[str, object]]:
        """For every department that has a roster, or asks for one, who is on duty now, as the API shows it."""
        require(actor, "duty.read")
        with self._database.read() as conn:
            units = sorted({shift.unit for shift in store.shifts(conn)})
        return [{"unit": unit, "title": self._title(unit), "on_duty": self.shown(self.on_duty(unit))} for unit in units]

    def roster(self, actor: Actor, unit: str, since: datetime, until: datetime) -> dict[str, object]:
        """The roster of a department over a period: its shifts, who holds them when, and when nobody is on duty."""
        require(actor, "duty.read")
        if unit not in self._units:
            raise NotFound(f"there is no department {unit}", remedy="look at the list of departments")
        if since.tzinfo is None or until.tzinfo is None or not timedelta(0) < until - since <= limits.ROSTER_SPAN:
            raise BadRequest(
                "the period is empty, too long or has no time zone", remedy=f"at most {limits.ROSTER_SPAN.days} days"
            )
        with self._database.read() as conn:
            shifts = store.shifts(conn, {unit})
            held = self._held(conn, shifts, since, until)
        names = self._names(
            {person for shift in shifts for person in shift.people} | {p for w in held for p in w.people}
        )
        return {
            "unit": unit,
            "title": self._title(unit),
            "shifts": [{"id": shift.id, **_spelled(shift), "people": _named(shift.people, names)} for shift in shifts],
            "watches": [
                {
                    "shift": watch.shift.id, "day": watch.day, "from": watch.since, "to": watch.until,
                    "people": _named(watch.people, names), "exchanged": watch.exchanged,
                }
                for watch in held
            ],
            "gaps": [{"from": start, "to": end} for start, end in rota.gaps(held, since, until)] if shifts else [],
            "may_change": can(actor, "duty.manage", unit),
        }  # fmt: skip

    def deputies(self, actor: Actor) -> list[dict[str, object]]:
        """Every deputy in force now or later, the newest first."""
        require(actor, "duty.read")
        now = self._database.clock.now()
        with self._database.read() as conn:
            rows = [
                row for row in store.deputies(conn) if row.until > now and (row.ended_at is None or row.ended_at > now)
            ]
        names = self._names({id for row in rows for id in (row.person, row.deputy)})
        return [
            {
                "id": row.id, "person": names[row.person], "deputy": names[row.deputy], "from": row.since,
                "to": row.until, "reason": row.reason,
            }
            for row in rows
        ]  # fmt: skip

    def staff(self, actor: Actor, unit: str) -> list[dict[str, object]]:
        """Who may be put on the roster of ``unit``: those who work for it, below it, or in the same line above it."""
        require(actor, "duty.manage", unit)
        above = {each for each, below in self._below.items() if unit in below}
        line = {unit, *above, *self._below.get(unit, ())}
        found = [
            person for person in self._people.staff(None) if person.department is None or person.department in line
        ]
        return [
            {
                "id": person.id, "username": person.username, "name": person.name, "department": person.department,
                "reachable": person.email is not None,
            }
            for person in found
        ]  # fmt: skip

    def shown(self, rows: Sequence[OnDuty]) -> list[dict[str, object]]:
        """People on duty as the API shows them."""
        names = self._names({id for row in rows for id in (row.person, row.instead_of) if id})
        return [
            {
                "unit": row.unit, "unit_title": self._title(row.unit), "shift": row.shift, "title": row.title,
                "person": names[row.person], "instead_of": names[row.instead_of] if row.instead_of else None,
                "from": row.since, "to": row.until,
            }
            for row in rows
        ]  # fmt: skip

    # ── inside ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _held(self, conn: object, shifts: Sequence[Shift], since: datetime, until: datetime) -> list[Watch]:
        first, last = since.astimezone(self._zone).date() - timedelta(days=1), until.astimezone(self._zone).date()
        found = store.exchanges(conn, [shift.id for shift in shifts], first, last)  # type: ignore[arg-type]
        return rota.watches(shifts, found, since, until, self._calendar, self._zone)

    def _depth(self, unit: str) -> int:
        """How much stands below: the nearest above comes first."""
        return len(self._below.get(unit, ()))

    def _kin(self, one: str | None, other: str | None) -> bool:
        if one is None or one == other:
            return True
        return other is None or other in self._below.get(one, ()) or one in self._below.get(other, ())

    def _shift(self, work: Work, actor: Actor, shift_id: str) -> Shift:
        shift = store.find_shift(work.conn, shift_id)
        if shift is None:
            raise NotFound(f"there is no shift {shift_id}", remedy="look at the roster")
        require(actor, "duty.manage", shift.unit)
        return shift

    def _read(self, raw: Mapping[str, object], id: str) -> Shift:
        title = raw.get("title")
        if not isinstance(title, Mapping) or set(title) != set(LANGUAGES) or not all(title.values()):
            raise Invalid("the shift has no title in both languages", remedy="e.g. 夜班, Night")
        days, rotation = str(raw.get("days") or "all"), str(raw.get("rotation") or "everyone")
        if days not in DAYS or rotation not in ROTATIONS:
            raise Invalid(
                f"days is {days!r}, rotation is {rotation!r}",
                remedy=f"days: {', '.join(DAYS)}; rotation: {', '.join(ROTATIONS)}",
            )
        try:
            starts, ends = time.fromisoformat(str(raw["starts"])), time.fromisoformat(str(raw["ends"]))
            first = date.fromisoformat(str(raw["valid_from"]))
            last = None if raw.get("valid_until") is None else date.fromisoformat(str(raw["valid_until"]))
        except (KeyError, ValueError) as error:
            raise Invalid(
                f"a time or day of the shift cannot be read: {error}", remedy="e.g. 08:00 and 2026-01-31"
            ) from None
        if starts.tzinfo is not None or ends.tzinfo is not None:
            raise Invalid("the times of a shift are local", remedy="write 08:00")
        if last is not None and last <= first:
            raise Invalid("valid_until is not after valid_from", remedy="turn the days round")
        people = raw.get("people")
        named = self._named(people if isinstance(people, (list, tuple)) else ())
        return Shift(id, str(raw["unit"]), dict(title), starts, ends, days, rotation, named, first, last)

    def _named(self, usernames: Sequence[object]) -> tuple[str, ...]:
        if not usernames:
            raise Invalid("nobody is named", remedy="give at least one user name")
        if len(usernames) > limits.DUTY_PEOPLE:
            raise TooMany(f"a shift has at most {limits.DUTY_PEOPLE} people", remedy="make two shifts")
        return tuple(dict.fromkeys(self._people.person(str(name)).id for name in usernames))

    def _names(self, ids: Iterable[str]) -> dict[str, dict[str, object]]:
        wanted = set(ids)
        known = self._people.people(wanted)
        return {
            id: {"id": id, "name": known[id].name if id in known else text("（账号已不存在）", "(no such account)")}
            for id in wanted
        }

    def _title(self, unit: str) -> Text:
        return self._units.get(unit) or text(unit, unit)


def _named(people: Iterable[str], names: Mapping[str, dict[str, object]]) -> list[dict[str, object]]:
    return [names[person] for person in people]


def _spelled(shift: Shift) -> dict[str, object]:
    raw = asdict(shift)
    del raw["id"]
    return {
        **raw,
        "starts": shift.starts.strftime("%H:%M"),
        "ends": shift.ends.strftime("%H:%M"),
        "people": list(shift.people),
    }


def _why(reason: str) -> str:
    if not reason.strip() or len(reason) > limits.TEXT_CHARS:
        raise Invalid("a reason is missing or too long", remedy="say why in one sentence")
    return reason

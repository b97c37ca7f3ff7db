"""The verbs of handing over: write the note of a shift, sign it, take it over, add to it; and whose turn it is."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import cast

from cityheart.command.duty.models import CENTRE, CENTRE_TITLE, Watch
from cityheart.command.duty.service import Duty
from cityheart.command.handover import store
from cityheart.command.handover.models import PINNED, Addition, Note, Pin, Signature
from cityheart.command.handover.standing import Alerts, Sources, Standing
from cityheart.command.service import Command
from cityheart.kernel import events, limits
from cityheart.kernel.access import can, departments, require
from cityheart.kernel.actors import Actor
from cityheart.kernel.database import Database, Work
from cityheart.kernel.errors import BadRequest, Conflict, Forbidden, Invalid, NotFound, TooMany
from cityheart.kernel.ids import derive
from cityheart.kernel.schema import canonical
from cityheart.kernel.text import Text, text

__all__ = ["Handover"]

_MOMENT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class _Turn:
    """A shift on one day with people on it, or a stretch of time where there is no roster. ``until`` may be open."""

    id: str
    unit: str
    shift: str | None
    day: date | None
    title: Text | None
    since: datetime
    until: datetime | None
    people: tuple[str, ...]


class Handover:
    """The notes that shifts hand over to one another."""

    def __init__(self, database: Database, duty: Duty, command: Command, alerts: Alerts, sources: Sources) -> None:
        self._database = database
        self._duty = duty
        self._command = command
        self._alerts = alerts
        self._units: Mapping[str, Text] = {}
        self._below: Mapping[str, frozenset[str]] = {}
        self._standing = Standing(database, alerts, sources, command, lambda: self._below)

    def register_departments(self, titles: Mapping[str, Text], below: Mapping[str, frozenset[str]]) -> None:
        """Make departments known, with their titles and those that stand below each."""
        self._units, self._below = {CENTRE: CENTRE_TITLE, **titles}, dict(below)

    # ── writing ────────────────────────────────────────────────────────────────────────────────────────────────

    def write(
        self,
        actor: Actor,
        command_id: str,
        unit: str,
        *,
        shift: str | None = None,
        day: date | None = None,
        words: str = "",
        pins: Sequence[Mapping[str, object]] = (),
        revision: int = 0,
    ) -> dict[str, object]:
        """Write or change the note of a shift; returns ``{"note_id", "revision"}``.

        Without ``shift`` and ``day`` the shift held now, or the last one, or none where there is no roster. ``revision`` is
        the one that the person has seen, 0 for a new note. ``pins``: ``{"kind": alert|incident, "id", "note"}``. Raises
        :class:`Conflict` when somebody wrote meanwhile or the note is signed, :class:`Invalid`, :class:`NotFound`.
        """
        self._may(actor, "handover.write", unit)
        _named(actor)
        _checked(words, empty=True)
        kept = self._pins(actor, pins)
        payload = {
            "unit": unit, "shift": shift, "day": day, "words": words, "pins": [pin.json() for pin in kept],
            "revision": revision,
        }  # fmt: skip

        def do(work: Work) -> dict[str, object]:
            turn = self._turn(actor, unit, shift, day, command_id)
            by = {"id": actor.id, "name": actor.name}
            note = store.find(work.conn, turn.id, lock=True)
            if note is None:
                if revision:
                    raise Conflict("the note is not there any more", remedy="load the page again")
                note = Note(
                    turn.id, unit, turn.shift, turn.title, turn.since, turn.until, "draft", 1, words, kept, by, work.now
                )
                store.insert(work.conn, note)
            else:
                _unsigned(note)
                _seen(note, revision)
                note = replace(
                    note, revision=note.revision + 1, words=words, pins=kept, written_by=by, written_at=work.now
                )
                store.update(work.conn, note)
            self._emit(work, note, "handover.written", revision=note.revision, sha256=note.sealed())
            return {"note_id": note.id, "revision": note.revision}

        return self._database.once(actor, command_id, "handover.write", payload, do)

    def sign(self, actor: Actor, command_id: str, note_id: str, revision: int) -> dict[str, object]:
        """The person who leaves signs the note as it is at ``revision``: what stands now is kept with it, for good.

        Returns ``{"note_id", "state"}``. Raises :class:`Conflict` when it is signed or was changed meanwhile.
        """
        note = self._note(actor, note_id, "handover.write")
        _named(actor)
        standing = self._drawn(actor, note)

        def do(work: Work) -> dict[str, object]:
            note = self._locked(work, note_id)
            _unsigned(note)
            _seen(note, revision)
            signature = self._signature(work, note, coming=False)
            until = note.until or work.now
            sealed = replace(note, state="signed", until=until, standing=standing, signed=signature)
            sealed = replace(sealed, digest=sealed.sealed())
            store.update(work.conn, sealed)
            self._emit(work, sealed, "handover.signed", sha256=sealed.digest, on_roster=signature.on_roster)
            return {"note_id": note.id, "state": "signed"}

        return self._database.once(actor, command_id, "handover.sign", {"note": note_id, "revision": revision}, do)

    def take(self, actor: Actor, command_id: str, note_id: str, reason: str = "") -> dict[str, object]:
        """Another person takes the shift over with its note; returns ``{"note_id", "state"}``.

        A note that nobody signed is taken over after its shift ended, with a ``reason``. Whoever signed takes it over only
        where the roster names nobody else for the next shift. Raises :class:`Conflict`, :class:`Invalid`.
        """
        note = self._note(actor, note_id, "handover.write")
        _named(actor)
        standing = self._drawn(actor, note) if note.state == "draft" else None
        _checked(reason, empty=True)

        def do(work: Work) -> dict[str, object]:
            note = self._locked(work, note_id)
            if note.state == "taken":
                raise Conflict("the shift is taken over already", remedy="load the page again")
            signature = self._signature(work, note, coming=True)
            if note.state == "draft":
                if note.until is not None and work.now < note.until:
                    raise Conflict("the shift is not over and its note is not signed", remedy="ask for the signature")
                if not reason.strip():
                    raise Invalid("nobody signed the note", remedy="say why it is taken over without a signature")
                drawn = standing if standing is not None else {}
                note = replace(note, until=note.until or work.now, standing=drawn)
                note = replace(note, digest=note.sealed())
            elif note.signed is not None and note.signed.id == actor.id and not self._goes_on(actor, note):
                raise Conflict(
                    "whoever hands over does not take over", remedy="the person who comes signs in and takes over"
                )
            note = replace(note, state="taken", taken=signature, reason=reason.strip())
            store.update(work.conn, note)
            self._emit(
                work, note, "handover.taken", sha256=note.digest, on_roster=signature.on_roster,
                unsigned=note.signed is None, reason=note.reason,
            )  # fmt: skip
            return {"note_id": note.id, "state": "taken"}

        return self._database.once(actor, command_id, "handover.take", {"note": note_id, "reason": reason}, do)

    def add(self, actor: Actor, command_id: str, note_id: str, words: str) -> dict[str, object]:
        """Add to a note that is signed, as a correction or as news; the note itself stays. Returns ``{"note_id", "n"}``."""
        self._note(actor, note_id, "handover.write")
        _named(actor)
        _checked(words)

        def do(work: Work) -> dict[str, object]:
            note = self._locked(work, note_id)
            if note.state == "draft":
                raise Conflict("the note is not signed yet", remedy="change the note itself")
            before = store.additions(work.conn, note_id)
            if len(before) >= limits.HANDOVER_ADDITIONS:
                raise TooMany(f"a note has at most {limits.HANDOVER_ADDITIONS} additions", remedy="use today's note")
            made = Addition(len(before) + 1, work.now, {"id": actor.id, "name": actor.name}, words.strip())
            store.add(work.conn, note_id, made)
            self._emit(work, note, "handover.added", n=made.number, sha256=made.digest())
            return {"note_id": note_id, "n": made.number}

        return self._database.once(actor, command_id, "handover.add", {"note": note_id, "words": words}, do)

    # ── reading ────────────────────────────────────────────────────────────────────────────────────────────────

    def now(
        self, actor: Actor, unit: str | None = None, shift: str | None = None, day: date | None = None
    ) -> dict[str, object]:
        """What there is to hand over: the shift with its note or draft, what stands, and what is not finished.

        ``{"unit", "title", "units", "watch", "next", "note", "standing", "open", "may_write"}``: ``open`` are the shifts of
        the last hours whose note is not taken over, ``watch`` and ``next`` are null where there is no roster.
        """
        unit = self._usual(actor) if unit is None else unit
        self._may(actor, "handover.read", unit)
        now = self._database.clock.now()
        turn = self._turn(actor, unit, shift, day, "")
        held = self._watches(unit)
        with self._database.read() as conn:
            note = store.find(conn, turn.id)
            known = store.notes_of(conn, [_id(unit, watch) for watch in held])
        following = self._following(turn, held)
        names = self._duty.names({id for watch in held for id in watch.people})
        until = turn.until or now
        states = [(watch, known.get(_id(unit, watch))) for watch in held if watch.since <= now]
        unfinished = [
            {**_shown(watch, names), **_state(one, watch, now)}
            for watch, one in states
            if one is None or one.state != "taken"
        ]
        standing = note.standing if note is not None and note.standing is not None else None
        return {
            "unit": unit,
            "title": self._title(unit),
            "units": self._writable(actor),
            "watch": None if turn.shift is None else {**_shown_turn(turn, names), "over": until <= now},
            "since": turn.since,
            "next": None if following is None else _shown(following, names),
            "note": None if note is None else self._note_json(note),
            "standing": standing or self._standing.draw(actor, unit, turn.since, until),
            "open": unfinished,
            "may_write": can(actor, "handover.write", unit),
        }

    def due(self, actor: Actor) -> list[dict[str, object]]:
        """What the actor must hand over or take over about now, by the rosters.

        ``{"role": leaving|coming, "unit", "title", "shift", "day", "shift_title", "from", "to", "state", "note_id"}``.
        ``state``: missing, draft, signed. Leaving from ``limits.HANDOVER_NOTICE`` before the end until the note is signed,
        coming from then on until it is taken over; neither longer than ``limits.HANDOVER_ASKED`` after the end.
        """
        if not can(actor, "handover.write"):
            return []
        now = self._database.clock.now()
        mine = {actor.id, *actor.deputy_for}
        held = [
            watch
            for watch in self._duty.watches(now - limits.HANDOVER_ASKED, now + limits.HANDOVER_NOTICE + _MOMENT)
            if watch.people and can(actor, "handover.write", watch.shift.unit)
        ]
        ending = [watch for watch in held if now - limits.HANDOVER_ASKED <= watch.until <= now + limits.HANDOVER_NOTICE]
        with self._database.read() as conn:
            known = store.notes_of(conn, [_id(watch.shift.unit, watch) for watch in ending])
        found: list[dict[str, object]] = []
        for watch in ending:
            note = known.get(_id(watch.shift.unit, watch))
            state = "missing" if note is None else note.state
            after = [each for each in held if each.shift.unit == watch.shift.unit and _follows(each, watch)]
            coming = any(mine & set(each.people) for each in after)
            leaving = bool(mine & set(watch.people))
            if state in ("missing", "draft") and leaving:
                role = "leaving"
            elif coming and (state == "signed" or (state in ("missing", "draft") and watch.until <= now)):
                role = "coming"
            else:
                continue
            found.append({
                "role": role, "unit": watch.shift.unit, "title": self._title(watch.shift.unit),
                "shift": watch.shift.id, "day": watch.day, "shift_title": watch.shift.title,
                "from": watch.since, "to": watch.until, "state": state, "note_id": note.id if note else None,
            })  # fmt: skip
        return sorted(found, key=lambda one: (str(one["to"]), str(one["shift"])), reverse=True)

    def note(self, actor: Actor, note_id: str) -> dict[str, object]:
        """One note whole, with its additions and ``verified``: whether it still is what the log says was signed."""
        note = self._note(actor, note_id, "handover.read")
        return self._note_json(note)

    def notes(
        self, actor: Actor, *, unit: str | None = None, limit: int = 50, after: str | None = None
    ) -> dict[str, object]:
        """A page of notes, the newest shift first: ``{"items", "total", "next"}``; heads only, see :meth:`note`."""
        require(actor, "handover.read")
        if not 1 <= limit <= limits.PAGE_ROWS:
            raise BadRequest(f"limit is {limit}", remedy=f"ask for 1 to {limits.PAGE_ROWS}")
        held = departments(actor, "handover.read")
        with self._database.read() as conn:
            last = None if after is None else store.find(conn, after)
            if after is not None and (last is None or (held is not None and last.unit not in held)):
                raise BadRequest("after is not a cursor of this list", remedy="use the list's own next")
            found, total = store.notes(conn, held, unit, limit + 1, last)
        items = found[:limit]
        return {
            "items": [self._head(note) for note in items],
            "total": total,
            "next": items[-1].id if len(found) > limit else None,
        }

    # ── inside ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _may(self, actor: Actor, permission: str, unit: str) -> None:
        if unit not in self._units:
            raise NotFound(f"there is no department {unit}", remedy="look at the list of departments")
        require(actor, permission, unit)

    def _note(self, actor: Actor, note_id: str, permission: str) -> Note:
        require(actor, permission)
        with self._database.read() as conn:
            note = store.find(conn, note_id)
        if note is None or not can(actor, "handover.read", note.unit):
            raise NotFound(f"there is no note {note_id}", remedy="look at the list of notes")
        require(actor, permission, note.unit)
        return note

    def _locked(self, work: Work, note_id: str) -> Note:
        note = store.find(work.conn, note_id, lock=True)
        assert note is not None, f"note {note_id} is gone"
        return note

    def _drawn(self, actor: Actor, note: Note) -> dict[str, object]:
        """What stands, in the spelling in which it is kept: read back it gives the same digest."""
        until = note.until or self._database.clock.now()
        drawn: dict[str, object] = json.loads(canonical(self._standing.draw(actor, note.unit, note.since, until)))
        return drawn

    def _emit(self, work: Work, note: Note, type: str, **more: object) -> None:
        data = {"note": note.id, "unit": note.unit, "shift": note.shift, "from": note.since, "to": note.until}
        work.emit(f"handover:{note.id}", type, {**data, **more})

    def _watches(self, unit: str) -> list[Watch]:
        """The shifts of a department that are held about now, with people on them."""
        now = self._database.clock.now()
        found = self._duty.watches(now - limits.HANDOVER_LATE, now + limits.HANDOVER_SPAN, unit)
        return [watch for watch in found if watch.people]

    def _turn(self, actor: Actor, unit: str, shift: str | None, day: date | None, command_id: str) -> _Turn:
        """The shift that is meant: the one named, else the actor's own or the first to end of those held now, else the last."""
        now = self._database.clock.now()
        held = self._watches(unit)
        if shift is not None:
            named = [watch for watch in held if watch.shift.id == shift and watch.day == day]
            if named and named[0].since <= now:
                return _turn_of(unit, named[0])
            return self._past(unit, shift, day)
        mine = {actor.id, *actor.deputy_for}
        present = [watch for watch in held if watch.since <= now < watch.until]
        if present:
            return _turn_of(unit, min(present, key=lambda one: (not mine & set(one.people), one.until, one.shift.id)))
        past = [watch for watch in held if watch.until <= now]
        if past:
            return _turn_of(unit, max(past, key=lambda one: (one.until, one.shift.id)))
        return self._without_roster(unit, now, command_id)

    def _past(self, unit: str, shift: str, day: date | None) -> _Turn:
        """A shift longer ago, by its note; nothing new is written for it."""
        id = derive("handover", unit, shift, "" if day is None else day.isoformat())
        with self._database.read() as conn:
            note = store.find(conn, id)
        if note is None:
            raise NotFound(
                f"the shift {shift} of {day} was not held, or not lately",
                remedy=f"notes are written up to {limits.HANDOVER_LATE.total_seconds() / 3600:.0f} h after the shift",
            )
        return _Turn(id, unit, shift, day, note.title, note.since, note.until, ())

    def _without_roster(self, unit: str, now: datetime, command_id: str) -> _Turn:
        with self._database.read() as conn:
            note = store.unfinished(conn, unit)
            signed = store.last_signed(conn, unit)
        if note is not None:
            return _Turn(note.id, unit, None, None, None, note.since, note.until, ())
        since = max(signed or now - limits.HANDOVER_LATE, now - limits.HANDOVER_SPAN)
        return _Turn(derive("handover", unit, command_id), unit, None, None, None, since, None, ())

    def _following(self, turn: _Turn, held: Sequence[Watch]) -> Watch | None:
        """The shift after: the first that begins when it ends or later, or that goes on then."""
        if turn.shift is None or turn.until is None:
            return None
        after = [watch for watch in held if watch.until > turn.until and _id(turn.unit, watch) != turn.id]
        return min(after, key=lambda watch: (max(watch.since, turn.until or watch.since), watch.shift.id), default=None)

    def _on_roster(self, actor: Actor, note: Note, *, coming: bool) -> bool:
        """Whether the roster names the actor, or somebody the actor stands in for, for the shift or for the next."""
        return bool({actor.id, *actor.deputy_for} & self._people(note, coming=coming))

    def _people(self, note: Note, *, coming: bool) -> set[str]:
        if note.shift is None or note.until is None:
            return set()
        end = note.until
        held = self._duty.watches(end - _MOMENT, end + limits.HANDOVER_SPAN, note.unit)
        if not coming:
            return {one for watch in held if _id(note.unit, watch) == note.id for one in watch.people}
        after = [watch for watch in held if watch.people and watch.until > end and _id(note.unit, watch) != note.id]
        first = min((max(watch.since, end) for watch in after), default=end)
        return {one for watch in after if max(watch.since, end) == first for one in watch.people}

    def _signature(self, work: Work, note: Note, *, coming: bool) -> Signature:
        actor = work.actor
        on_roster = note.shift is None or self._on_roster(actor, note, coming=coming)
        return Signature(actor.id, actor.name, work.now, on_roster)

    def _goes_on(self, actor: Actor, note: Note) -> bool:
        return self._people(note, coming=True) == {actor.id}

    def _pins(self, actor: Actor, pins: Sequence[Mapping[str, object]]) -> tuple[Pin, ...]:
        """The pins with the titles of what is pinned. Raises :class:`NotFound` for what the actor may not see."""
        if len(pins) > limits.HANDOVER_PINS:
            raise TooMany(f"a note has at most {limits.HANDOVER_PINS} pins", remedy="pin what matters most")
        kept: dict[tuple[str, str], Pin] = {}
        for pin in pins:
            kind, id, note = str(pin.get("kind")), str(pin.get("id")), str(pin.get("note") or "")
            _checked(note, empty=True)
            if kind not in PINNED:
                raise Invalid(f"a pin is an alert or an incident, not {kind!r}", remedy=", ".join(PINNED))
            kept[kind, id] = Pin(kind, id, self._pinned(actor, kind, id), note.strip())
        return tuple(kept.values())

    def _pinned(self, actor: Actor, kind: str, id: str) -> Text:
        if kind == "incident":
            return self._command.incident(actor, id).title
        alert = self._alerts.alert(actor, id)
        subject = cast("Mapping[str, Text]", alert["subject"])["name"]
        title = cast(Text, alert["kind_title"])
        return text(f"{subject['zh-CN']}：{title['zh-CN']}", f"{title['en']}: {subject['en']}")

    def _usual(self, actor: Actor) -> str:
        """The department that the actor is on duty for now, else the own, else the command centre."""
        now = self._database.clock.now()
        mine = {actor.id, *actor.deputy_for}
        for watch in self._duty.watches(now, now + _MOMENT):
            if mine & set(watch.people) and can(actor, "handover.read", watch.shift.unit):
                return watch.shift.unit
        if actor.department in self._units:
            return str(actor.department)
        return CENTRE

    def _writable(self, actor: Actor) -> list[dict[str, object]]:
        """For whom the actor may look: departments with a roster, the own, and the command centre."""
        now = self._database.clock.now()
        rostered = {watch.shift.unit for watch in self._duty.watches(now - limits.HANDOVER_LATE, now + _MOMENT)}
        own = {actor.department} if actor.department in self._units else set()
        return [
            {"code": code, "title": self._title(code), "rostered": code in rostered}
            for code in [CENTRE, *sorted(code for code in rostered | own if code and code != CENTRE)]
            if can(actor, "handover.read", code)
        ]

    def _title(self, unit: str) -> Text:
        return self._units.get(unit) or text(unit, unit)

    def _head(self, note: Note) -> dict[str, object]:
        return {
            "id": note.id, "unit": note.unit, "title": self._title(note.unit), "shift": note.shift,
            "shift_title": note.title, "from": note.since, "to": note.until, "state": note.state,
            "revision": note.revision, "pins": len(note.pins), "words": note.words[:200],
            "signed": note.signed and note.signed.json(), "taken": note.taken and note.taken.json(),
        }  # fmt: skip

    def _note_json(self, note: Note) -> dict[str, object]:
        with self._database.read() as conn:
            added = store.additions(conn, note.id)
            log = events.read(conn, stream=f"handover:{note.id}")
        return {
            **self._head(note),
            "words": note.words,
            "pins": [pin.json() for pin in note.pins],
            "written_by": note.written_by,
            "written_at": note.written_at,
            "standing": note.standing,
            "sha256": note.digest,
            "reason": note.reason,
            "additions": [one.json() for one in added],
            "verified": None if note.digest is None else _is_as_signed(note, added, log),
        }


def _is_as_signed(note: Note, added: Sequence[Addition], log: Sequence[events.Event]) -> bool:
    """Whether content and additions are what the chained log says they were."""
    sealed = [event.data["sha256"] for event in log if event.type in ("handover.signed", "handover.taken")]
    told = [event.data["sha256"] for event in log if event.type == "handover.added"]
    return bool(sealed) and set(sealed) == {note.digest} == {note.sealed()} and told == [one.digest() for one in added]


def _id(unit: str, watch: Watch) -> str:
    return derive("handover", unit, watch.shift.id, watch.day.isoformat())


def _turn_of(unit: str, watch: Watch) -> _Turn:
    return _Turn(
        _id(unit, watch), unit, watch.shift.id, watch.day, watch.shift.title, watch.since, watch.until, watch.people
    )


def _follows(one: Watch, before: Watch) -> bool:
    """Whether one shift is held right after another: the first that has people then."""
    return one.until > before.until and one.since <= before.until + limits.HANDOVER_NOTICE and one != before


def _shown(watch: Watch, names: Mapping[str, object]) -> dict[str, object]:
    return {
        "shift": watch.shift.id, "day": watch.day, "title": watch.shift.title, "from": watch.since, "to": watch.until,
        "people": [names[id] for id in watch.people],
    }  # fmt: skip


def _shown_turn(turn: _Turn, names: Mapping[str, object]) -> dict[str, object]:
    return {
        "shift": turn.shift, "day": turn.day, "title": turn.title, "from": turn.since, "to": turn.until,
        "people": [names[id] for id in turn.people],
    }  # fmt: skip


def _state(note: Note | None, watch: Watch, now: datetime) -> dict[str, object]:
    return {
        "state": "missing" if note is None else note.state,
        "note_id": None if note is None else note.id,
        "over": watch.until <= now,
    }


def _named(actor: Actor) -> None:
    if "system" in actor.roles:
        raise Forbidden("the system hands nothing over", remedy="a named person does")


def _unsigned(note: Note) -> None:
    if note.state != "draft":
        raise Conflict(f"the note is {note.state}: it does not change any more", remedy="add to it instead")


def _seen(note: Note, revision: int) -> None:
    if note.revision != revision:
        who = cast("Mapping[str, str]", note.written_by["name"])
        raise Conflict(
            text(f"{who['zh-CN']}刚刚改过这份记录", f"{who['en']} changed the note meanwhile"),
            remedy="load what is there now, then make your change again",
        )


def _checked(words: str, *, empty: bool = False) -> None:
    """Refuse what is empty, too long, or cannot be kept."""
    if not empty and not words.strip():
        raise Invalid("there are no words", remedy="say it in one sentence")
    if len(words) > limits.TEXT_CHARS:
        raise Invalid(f"a text has at most {limits.TEXT_CHARS} characters", remedy="shorten it")
    if "\x00" in words or any("\ud800" <= char <= "\udfff" for char in words):
        raise Invalid("the text has characters that cannot be kept", remedy="type it again")

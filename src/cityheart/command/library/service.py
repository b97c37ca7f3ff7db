"""The verbs of the library: save a draft, hand it in, publish it as a second person, send it back; versions and diffs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

from cityheart.command import store as plan_store
from cityheart.command.bpmn import draw
from cityheart.command.bpmn.problems import Refused
from cityheart.command.decisions import store as decision_store
from cityheart.command.decisions.models import Decision
from cityheart.command.decisions.service import Decisions, Version
from cityheart.command.library import store
from cityheart.command.library.checking import Checked, Sources, look_over
from cityheart.command.library.comparing import difference
from cityheart.command.library.models import KINDS, STATES, Draft, Revision
from cityheart.command.library.spelling import as_yaml
from cityheart.command.models import Plan
from cityheart.command.service import Command
from cityheart.kernel import limits
from cityheart.kernel.access import can, require
from cityheart.kernel.actors import Actor
from cityheart.kernel.database import Database, Work
from cityheart.kernel.errors import Conflict, Forbidden, Invalid, NotFound, TooLarge, TooMany
from cityheart.kernel.ids import derive
from cityheart.kernel.text import Text

__all__ = ["Library"]

_VERBS = ("submit", "approve", "reject", "withdraw")
_BYTES = {"yaml": limits.PLAN_BYTES, "bpmn": limits.DRAWING_BYTES, "dmn": limits.DECISION_BYTES}


class Library:
    """Drafts and published versions of one city. ``units`` gives the departments with their titles."""

    def __init__(
        self,
        database: Database,
        command: Command,
        units: Callable[[], Mapping[str, Text]],
        tables: Decisions | None = None,
    ) -> None:
        self._database = database
        self._command = command
        self._units = units
        self._tables = tables

    # ── drafts ─────────────────────────────────────────────────────────────────────────────────────────────────

    def save(
        self,
        actor: Actor,
        source: str,
        *,
        kind: str | None = None,
        draft_id: str | None = None,
        revision: int | None = None,
        command_id: str | None = None,
    ) -> Draft:
        """Keep a new draft of ``kind``, or the next revision of ``draft_id`` after ``revision``.

        A draft may be wrong as long as it is a draft. Raises :class:`Conflict` when somebody else saved it meanwhile
        (``revision`` is not the newest), or when it is handed in or over; :class:`TooLarge`, :class:`TooMany`.
        """
        require(actor, "plan.draft")
        if draft_id is None:
            return self._save_new(actor, source, kind or "", command_id)
        kept = self.draft(actor, draft_id).kind
        _check_source(kept, source)
        checked = look_over(kept, source, self.sources())
        with self._database.work(actor) as work:
            draft = self._draft(work, draft_id)
            newest = store.revision(work.conn, draft.id, draft.revision)
            assert newest is not None, f"draft {draft.id} has lost its newest revision"
            same = newest[0] == source
            if same and (revision == draft.revision or (revision == draft.revision - 1 and newest[1] == actor.id)):
                return draft  # nothing changed, or the same click again
            if not draft.open:
                raise Conflict(
                    f"a draft that is {draft.state} cannot be changed",
                    remedy="take it back first" if draft.state == "submitted" else "begin a new draft",
                    state=draft.state,
                )
            if revision != draft.revision:
                raise Conflict(
                    f"{newest[1]} saved revision {draft.revision} meanwhile",
                    remedy="open that revision, and put your changes into it",
                    revision=draft.revision,
                    saved_by=newest[1],
                    saved_at=newest[2].isoformat(),
                )
            if draft.revision >= limits.DRAFT_REVISIONS:
                raise TooMany(f"a draft has at most {limits.DRAFT_REVISIONS} revisions", remedy="begin a new draft")
            return self._keep(work, replace(draft, revision=draft.revision + 1, state="draft"), source, checked)

    def _save_new(self, actor: Actor, source: str, kind: str, command_id: str | None) -> Draft:
        if kind not in KINDS:
            raise Invalid(f"there are no drafts of kind {kind[:40]!r}", remedy=f"kinds: {', '.join(KINDS)}")
        _check_source(kind, source)
        checked = look_over(kind, source, self.sources())

        def do(work: Work) -> dict[str, object]:
            if store.count_open(work.conn) >= limits.DRAFTS_OPEN:
                raise TooMany(f"there are {limits.DRAFTS_OPEN} open drafts", remedy="publish or withdraw some")
            draft = Draft(
                id=derive("draft", actor.id, command_id) if command_id else work.ids.new("draft"),
                kind=kind, name=None, title=None, state="draft", revision=1, authors=(),
                created_at=work.now, updated_at=work.now, updated_by=actor.id,
            )  # fmt: skip
            return {"id": self._keep(work, draft, source, checked, new=True).id}

        if command_id is None:
            with self._database.work(actor) as work:
                id = str(do(work)["id"])
        else:
            id = str(self._database.once(actor, command_id, "draft.save", {"kind": kind, "source": source}, do)["id"])
        return self.draft(actor, id)

    def _keep(self, work: Work, draft: Draft, source: str, checked: Checked, *, new: bool = False) -> Draft:
        author = work.actor.id
        made = checked.plan or checked.decision
        draft = replace(
            draft,
            authors=tuple(dict.fromkeys((*draft.authors, author))),
            updated_at=work.now,
            updated_by=author,
            name=made.name if made else draft.name,
            title=made.title if made else draft.title,
        )
        store.put_draft(work.conn, draft, new=new)
        store.add_revision(work.conn, draft.id, draft.revision, source, author, work.now)
        self._tell(work, draft, "draft.saved")
        return draft

    def decide(
        self,
        actor: Actor,
        command_id: str,
        draft_id: str,
        verb: str,
        *,
        reason: str = "",
        revision: int | None = None,
    ) -> Draft:
        """What is done to a draft: submit, approve, reject (``reason`` asked), withdraw.

        submit hands it in, if nothing is wrong with it; approve publishes it, by another person than any of its authors;
        reject sends it back; withdraw takes back what was handed in, and ends what was not. ``revision`` is the one that
        was looked at. Raises :class:`Refused`, :class:`Conflict`, :class:`Forbidden`.
        """
        if verb not in _VERBS:
            raise Invalid(f"nothing is known of {verb[:40]!r}", remedy=f"verbs: {', '.join(_VERBS)}")
        require(actor, "plan.publish" if verb in ("approve", "reject") else "plan.draft")
        if len(reason) > limits.TEXT_CHARS:
            raise Invalid(f"a reason has at most {limits.TEXT_CHARS} characters", remedy="shorten it")
        if verb == "reject" and not reason.strip():
            raise Invalid("a reason is missing", remedy="say in one sentence what must be changed")
        payload = {"draft": draft_id, "reason": reason, "revision": revision}

        def do(work: Work) -> dict[str, object]:
            draft = self._draft(work, draft_id)
            if revision is not None and revision != draft.revision:
                raise Conflict(
                    f"the draft is at revision {draft.revision} by now",
                    remedy="look at the newest revision first",
                    revision=draft.revision,
                )
            if verb not in _possible(draft):
                raise Conflict(
                    f"a draft that is {draft.state} cannot be used so: {verb}",
                    remedy="look at how it stands now",
                    state=draft.state,
                )
            act = {"submit": self._submit, "approve": self._approve, "reject": self._reject, "withdraw": self._withdraw}
            act[verb](work, draft, reason)
            return {"id": draft_id}

        self._database.once(actor, command_id, f"draft.{verb}", payload, do)
        return self.draft(actor, draft_id)

    def _submit(self, work: Work, draft: Draft, reason: str) -> None:
        self._compiled(work, draft)
        new = replace(draft, state="submitted", submitted_at=work.now, submitted_by=work.actor.id, reason=None)
        store.put_draft(work.conn, new)
        self._tell(work, new, "draft.submitted", reason)

    def _approve(self, work: Work, draft: Draft, reason: str) -> None:
        _second_person(work.actor, draft)
        checked = self._compiled(work, draft)
        if checked.plan is not None:
            self._publish(work, checked.plan)
            if draft.kind == "bpmn":
                store.keep_drawing(work.conn, checked.plan.digest, self._source(work, draft), draft.id)
        if checked.decision is not None:
            self._publish_table(work, checked.decision)
        made = checked.plan or checked.decision
        assert made is not None
        new = replace(
            draft, state="published", digest=made.digest, decided_at=work.now, decided_by=work.actor.id,
            reason=reason or None,
        )  # fmt: skip
        store.put_draft(work.conn, new)
        self._tell(work, new, "draft.approved", reason)

    def _reject(self, work: Work, draft: Draft, reason: str) -> None:
        new = replace(draft, state="rejected", decided_at=work.now, decided_by=work.actor.id, reason=reason)
        store.put_draft(work.conn, new)
        self._tell(work, new, "draft.rejected", reason)

    def _withdraw(self, work: Work, draft: Draft, reason: str) -> None:
        if work.actor.id not in draft.authors and not can(work.actor, "plan.publish"):
            raise Forbidden("only its authors may take a draft back", remedy="ask one of its authors")
        taken_back = draft.state == "submitted"
        new = replace(draft, state="draft" if taken_back else "withdrawn", reason=reason or None)
        store.put_draft(work.conn, new)
        self._tell(work, new, "draft.withdrawn", reason)

    def _publish(self, work: Work, plan: Plan) -> None:
        published = plan_store.publish_plan(
            work.conn, plan.digest, plan.name, plan.version, plan.canonical, work.now, work.actor.id
        )
        if published:
            said = {"id": plan.name, "version": plan.version, "digest": plan.digest}
            work.emit(f"plan:{plan.name}", "plan.published", said)

    def _publish_table(self, work: Work, table: Decision) -> None:
        valid = table.valid_from, table.valid_until
        published = decision_store.publish(
            work.conn, table.digest, table.name, table.version, table.canonical, valid, work.now, work.actor.id
        )
        if published:
            said = {"id": table.name, "version": table.version, "digest": table.digest}
            work.emit(f"decision:{table.name}", "decision.published", said)

    def _compiled(self, work: Work, draft: Draft) -> Checked:
        checked = look_over(draft.kind, self._source(work, draft), self.sources())
        if not checked.ok:
            raise Refused(checked.problems)
        made = checked.plan or checked.decision
        assert made is not None
        digest_of = plan_store.plan_digest if checked.plan is not None else decision_store.digest_of
        taken = digest_of(work.conn, made.name, made.version)
        if taken not in (None, made.digest):
            raise Conflict(
                f"{made.name} {made.version} is published with another content",
                remedy="give the draft a new version",
                digest=taken,
            )
        return checked

    def _source(self, work: Work, draft: Draft) -> str:
        found = store.revision(work.conn, draft.id, draft.revision)
        assert found is not None, f"draft {draft.id} has lost revision {draft.revision}"
        return found[0]

    def _draft(self, work: Work, id: str) -> Draft:
        draft = store.find_draft(work.conn, id, lock=True)
        if draft is None:
            raise NotFound(f"there is no draft {id[:80]}", remedy="look at the list of drafts")
        return draft

    def _tell(self, work: Work, draft: Draft, type: str, reason: str = "") -> None:
        said = {"id": draft.id, "kind": draft.kind, "revision": draft.revision, "state": draft.state}
        more = {"reason": reason} if reason else {}
        work.emit(f"draft:{draft.id}", type, {**said, "name": draft.name, "digest": draft.digest, **more})

    # ── reading drafts ─────────────────────────────────────────────────────────────────────────────────────────

    def draft(self, actor: Actor, draft_id: str) -> Draft:
        """One draft. Raises :class:`NotFound`."""
        require(actor, "plan.draft")
        with self._database.read() as conn:
            draft = store.find_draft(conn, draft_id)
        if draft is None:
            raise NotFound(f"there is no draft {draft_id[:80]}", remedy="look at the list of drafts")
        return draft

    def source_of(self, actor: Actor, draft_id: str) -> str:
        """What a draft says now."""
        return self.revision(actor, draft_id).source

    def revisions(self, actor: Actor, draft_id: str) -> list[tuple[int, str, datetime]]:
        """The revisions of a draft, newest first: number, who wrote it, when."""
        self.draft(actor, draft_id)
        with self._database.read() as conn:
            return store.revisions(conn, draft_id)

    def revision(self, actor: Actor, draft_id: str, number: int | None = None) -> Revision:
        """A revision of a draft, the newest when no number is given. Raises :class:`NotFound`."""
        draft = self.draft(actor, draft_id)
        with self._database.read() as conn:
            found = store.revision(conn, draft_id, draft.revision if number is None else number)
        if found is None:
            raise NotFound(f"the draft has no revision {number}", remedy=f"it has 1 to {draft.revision}")
        return Revision(draft.kind, number or draft.revision, *found)

    def checked(self, revision: Revision) -> Checked:
        """A revision looked over, as it would be published now."""
        return look_over(revision.kind, revision.source, self.sources())

    def drafts(
        self, actor: Actor, state: str | None, after: tuple[datetime, str] | None, limit: int
    ) -> tuple[list[Draft], int]:
        """One page of drafts, last changed first, and how many there are. ``state``: one, ``open``, or ``None``: all."""
        require(actor, "plan.draft")
        if state not in (None, "open", *STATES):
            raise Invalid(f"state is {state[:40]!r}", remedy=f"open, {', '.join(STATES)}")
        states = None if state is None else ("draft", "submitted", "rejected") if state == "open" else (state,)
        with self._database.read() as conn:
            return store.drafts(conn, states, after, limit)

    def actions(self, actor: Actor, draft: Draft) -> list[str]:
        """The verbs this actor may use on the draft now; ``save`` among them."""
        found = []
        for verb in ("save", *_VERBS):
            if (verb != "save" and verb not in _possible(draft)) or (verb == "save" and not draft.open):
                continue
            if not can(actor, "plan.publish" if verb in ("approve", "reject") else "plan.draft"):
                continue
            if verb == "approve" and actor.id in draft.authors:
                continue
            if verb == "withdraw" and actor.id not in draft.authors and not can(actor, "plan.publish"):
                continue
            found.append(verb)
        return found

    def check(self, actor: Actor, kind: str, source: str) -> Checked:
        """Look a draft over without keeping it."""
        require(actor, "plan.draft")
        if kind not in KINDS:
            raise Invalid(f"there are no drafts of kind {kind[:40]!r}", remedy=f"kinds: {', '.join(KINDS)}")
        _check_source(kind, source)
        return look_over(kind, source, self.sources())

    def sources(self) -> Sources:
        """What drafts are checked against now: departments, tables and plans that are published."""
        return Sources(self._units(), None if self._tables is None else self._tables.table, self._plan_named)

    def _plan_named(self, name: str, version: str | None) -> Plan | None:
        with self._database.read() as conn:
            rows = [row for row in store.versions(conn, name) if version in (None, row[2])]
        plans = [self._command.plan(row[0]) for row in rows]
        return next((plan for plan in plans if version is not None or self._in_force(plan)), None)

    def _in_force(self, plan: Plan) -> bool:
        today = self._database.clock.now().date()
        return (plan.valid_from is None or plan.valid_from <= today) and (
            plan.valid_until is None or today < plan.valid_until
        )

    # ── versions ───────────────────────────────────────────────────────────────────────────────────────────────

    def families(self, actor: Actor) -> list[tuple[str, list[tuple[Plan, store.PlanRow, bool]]]]:
        """Published plans by name; of each the versions, newest first, and whether a new run would take that one."""
        require(actor, "plan.read")
        with self._database.read() as conn:
            rows = store.versions(conn)
        return [(name, self._family([row for row in rows if row[1] == name])) for name in sorted({r[1] for r in rows})]

    def family(self, actor: Actor, name: str) -> list[tuple[Plan, store.PlanRow, bool]]:
        """The versions of one plan, newest first."""
        require(actor, "plan.read")
        with self._database.read() as conn:
            return self._family(store.versions(conn, name))

    def _family(self, rows: list[store.PlanRow]) -> list[tuple[Plan, store.PlanRow, bool]]:
        plans = [(self._command.plan(row[0]), row) for row in rows]
        current = next((plan.digest for plan, _ in plans if self._in_force(plan)), None)
        return [(plan, row, plan.digest == current) for plan, row in plans]

    def plan(self, actor: Actor, digest: str) -> Plan:
        """The plan of this digest. Raises :class:`NotFound`."""
        require(actor, "plan.read")
        return self._command.plan(digest)

    def runs(self, actor: Actor, digest: str) -> list[store.RunRow]:
        """The newest runs of a plan; none for who may not see incidents."""
        require(actor, "plan.read")
        if not can(actor, "incident.read"):
            return []
        with self._database.read() as conn:
            return store.runs_of(conn, digest, limits.PAGE_ROWS)

    def source(self, actor: Actor, digest: str, form: str) -> str:
        """A plan as ``yaml`` or ``bpmn``: the author's own drawing where there is one, else ours."""
        plan = self.plan(actor, digest)
        if form == "yaml":
            return as_yaml(plan)
        if form != "bpmn":
            raise Invalid(f"a plan is not written as {form[:40]!r}", remedy="as=yaml or as=bpmn")
        with self._database.read() as conn:
            own = store.drawing(conn, digest)
        return draw(plan, self._units()).decode() if own is None else own

    def diff(self, actor: Actor, before: str, after: str) -> dict[str, object]:
        """What changed between two published plans, as :func:`difference` has it."""
        return difference(self.plan(actor, before), self.plan(actor, after))

    def tables(self, actor: Actor) -> list[tuple[Version, bool]]:
        """Published decision tables by name, newest first, and whether a decision now would take that version."""
        if self._tables is None:
            return []
        now = self._database.clock.now()
        found, seen = [], set()
        for version in self._tables.versions(actor):
            current = version.decision.in_force(now.date()) and version.decision.name not in seen
            if current:
                seen.add(version.decision.name)
            found.append((version, current))
        return found

    def table(self, actor: Actor, digest: str) -> tuple[Version, bool]:
        """One published decision table. Raises :class:`NotFound`."""
        for version, current in self.tables(actor):
            if version.decision.digest == digest:
                return version, current
        raise NotFound(f"there is no decision table {digest[:80]}", remedy="look at the list of decision tables")

    def preview(self, plan: Plan) -> str:
        """The drawing of a plan that is not published yet."""
        return draw(plan, self._units()).decode()


def _possible(draft: Draft) -> tuple[str, ...]:
    if draft.open:
        return ("submit", "withdraw")
    return ("approve", "reject", "withdraw") if draft.state == "submitted" else ()


def _second_person(actor: Actor, draft: Draft) -> None:
    if actor.id in draft.authors:
        raise Forbidden("a plan is published by somebody who did not write it", remedy="ask another person to look")


def _check_source(kind: str, source: str) -> None:
    try:
        size = len(source.encode())
    except UnicodeEncodeError:
        raise Invalid("the text has characters that cannot be stored", remedy="save the file as UTF-8") from None
    if "\0" in source:
        raise Invalid("the text has a null character", remedy="save the file as plain UTF-8 text")
    if size > _BYTES[kind]:
        raise TooLarge(f"a draft of kind {kind} has at most {_BYTES[kind]} bytes", remedy="split it into plans")

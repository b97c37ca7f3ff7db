"""Pages that applications declare, as one person sees them: parameters, sections with their content, forms.

What the person may not read is not shown, and the section says whose it is. Looking at restricted data is an event.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime, timedelta
from typing import cast
from zoneinfo import ZoneInfo

import structlog

from cityheart.command.forms import mistakes
from cityheart.command.service import Command
from cityheart.entities.models import IDENTIFIERS
from cityheart.entities.service import Entities
from cityheart.kernel import limits
from cityheart.kernel.access import can, require
from cityheart.kernel.actors import Actor
from cityheart.kernel.database import Database, Work
from cityheart.kernel.errors import Invalid, NotFound, Problem, TooLarge, Unavailable
from cityheart.kernel.schema import canonical
from cityheart.kernel.text import Text, text
from cityheart.sdk import content, store
from cityheart.sdk.application import App
from cityheart.sdk.page import Page, Parameter, Section
from cityheart.sdk.reader import Closed, Reader
from cityheart.share.flow import WORST_FIRST
from cityheart.share.service import Share
from cityheart.watch.service import Watch

__all__ = ["Parts", "Showing", "Told", "withheld"]

log = structlog.get_logger("pages")

Function = Callable[[Reader, datetime, Mapping[str, object]], object]
Value = str | float | bool | int | None | list[str] | Mapping[str, list[str]]


class Parts:
    """What of the city stands behind pages: its store and the functions whose answers pages show."""

    def __init__(self, database: Database, share: Share, entities: Entities, watch: Watch, command: Command) -> None:
        self.database, self.share, self.entities, self.watch, self.command = database, share, entities, watch, command


class Told:
    """Remembers which reading of restricted data was told lately: what stays on a screen is told once in a while."""

    def __init__(self, database: Database) -> None:
        self._clock = database.clock
        self._last: dict[str, datetime] = {}

    def due(self, actor: Actor, data: Mapping[str, object]) -> bool:
        """Whether this reading is to be told now."""
        now = self._clock.now()
        key = canonical([actor.id, data])
        last = self._last.get(key)
        if last is not None and timedelta(0) <= now - last < limits.READ_TOLD:
            return False
        self._last = {one: at for one, at in self._last.items() if now - at < limits.READ_TOLD}
        self._last[key] = now
        return True


class _Seen:
    """The city beside its datasets, as one person sees it."""

    def __init__(self, parts: Parts, actor: Actor, now: datetime, forms: Mapping[str, Section]) -> None:
        self._parts, self._actor, self._now, self._forms = parts, actor, now, forms

    def alerts(self, subjects: Sequence[tuple[str, str]]) -> list[dict[str, object]]:
        if not can(self._actor, "alert.read"):
            return []
        found = self._parts.watch.about(self._actor, subjects)
        return [one for one in found if cast("datetime", one["raised_at"]) <= self._now]

    def tasks(self, incidents: Sequence[str]) -> list[dict[str, object]]:
        if not can(self._actor, "incident.read") or not can(self._actor, "task.read"):
            return []
        command = self._parts.command
        found: list[dict[str, object]] = []
        for incident in dict.fromkeys(incidents):
            for run, tasks in command.runs(self._actor, incident):
                plan = command.plan_of(run.id)
                for task in tasks:
                    if task.does == "task" and task.opened_at <= self._now:
                        title = plan.step(task.step).title
                        found.append(
                            {
                                "id": task.id, "incident": incident, "unit": task.unit, "title": title,
                                "unit_title": command.unit_title(task.unit), "state": task.state, "due": task.due,
                                "late": task.late, "opened_at": task.opened_at, "closed_at": task.closed_at,
                            }
                        )  # fmt: skip
        return found

    def described(self, dataset: str) -> Mapping[str, object]:
        return described(self._parts.share, dataset)

    def records(self, form: str) -> list[dict[str, object]]:
        section = self._forms.get(form)
        if section is None or section.act is None:
            raise NotFound(f"there is no form {form}", remedy="name it page/section")
        _admit(self._actor, form, section)
        with self._parts.database.read() as conn:
            return store.records(conn, form, self._now, limits.FORM_RECORDS)


def described(share: Share, name: str) -> dict[str, object]:
    """A dataset with its title, its owner and how it is shared."""
    try:
        found = share.dataset(name)
    except NotFound:
        return {"dataset": name, "title": text(name, name), "department": "", "department_title": text("—", "—")}
    title = share.department_titles().get(found.owner, text(found.owner, found.owner))
    return {
        "dataset": name,
        "title": found.contract.title,
        "department": found.owner,
        "department_title": title,
        "sharing": found.sharing,
    }


def withheld(share: Share, hidden: Mapping[str, Collection[str]]) -> list[dict[str, object]]:
    """Datasets with the columns that were asked for and not shown: ``described`` with ``columns: [{name, title}]``."""
    found = []
    for name, columns in sorted(hidden.items()):
        fields = {each.name: each for each in share.dataset(name).contract.fields}
        titled = [{"name": one, "title": fields[one].title or text(one, one)} for one in sorted(columns)]
        found.append({**described(share, name), "columns": titled})
    return found


def _admit(actor: Actor, form: str, section: Section) -> None:
    act = section.act
    assert act is not None
    if act.sharing == 1 or can(actor, act.permission, act.department):
        return
    if actor.department != act.department and not actor.roles & {"steward", "admin", "system"}:
        raise Closed(form)


class Showing:
    """The declared pages of a city's applications."""

    def __init__(
        self,
        apps: Sequence[App],
        parts: Parts,
        told: Told,
        reader: Callable[[Actor, datetime | None, _Seen | None], Reader],
        zone: str,
    ) -> None:
        self._parts, self._told, self._reader, self._zone = parts, told, reader, ZoneInfo(zone)
        self._pages = {page.id: (app, page) for app in apps for page in app.pages}
        self._apps = {app.id: app for app in apps}
        self._forms = {
            f"{page.id}/{section.id}": section
            for _, page in self._pages.values()
            for section in page.sections
            if section.form is not None
        }

    # ── which pages there are ──────────────────────────────────────────────────────────────────────────────────

    def listed(self, actor: Actor) -> list[dict[str, object]]:
        """Every page by application and order: ``{id, app, app_title, title, about, subject}``."""
        require(actor, "layer.read")
        order = list(self._apps)
        found = sorted(self._pages.values(), key=lambda one: (order.index(one[0].id), one[1].order, one[1].id))
        return [
            {
                "id": page.id, "app": app.id, "app_title": app.title, "title": page.title, "about": page.about,
                "subject": list(page.subject),
            }
            for app, page in found
        ]  # fmt: skip

    def page(self, actor: Actor, id: str, given: Mapping[str, str], at: datetime | None = None) -> dict[str, object]:
        """A page without the content of its sections: its parameters as JSON Schema, with values and what can be chosen.

        ``values`` holds what the parameters are for the given ones, defaults filled in.
        """
        app, page = self._found(actor, id)
        reader = self._reader(actor, at, None)
        values = self._values(page, given, reader)
        parameters = [self._parameter(one, reader) for one in page.parameters]
        for one in parameters:
            options = cast("list[dict[str, object]]", one["options"])
            if one["kind"] == "select" and values[cast("str", one["name"])] is None and options:
                values[cast("str", one["name"])] = str(options[0]["value"])
        chosen = {
            one.name: self._short(actor, str(values[one.name]))
            for one in page.parameters
            if one.kind == "subject" and values[one.name] is not None
        }
        if page.subject:
            kinds = list(page.subject)
            parameters.insert(
                0,
                {
                    "name": "subject", "kind": "subject", "title": text("主体", "Subject"), "kinds": kinds,
                    "schema": {"type": "string", "maxLength": 80}, "options": [], "required": True,
                },
            )  # fmt: skip
            values["subject"] = given.get("subject") or None
            if values["subject"]:
                subject = self._subject(actor, page, str(values["subject"]))
                chosen["subject"] = {name: subject[name] for name in ("id", "kind", "name")}
        return {
            "id": page.id,
            "app": app.id,
            "app_title": app.title,
            "title": page.title,
            "about": page.about,
            "subject": list(page.subject),
            "chosen": chosen,
            "refresh_seconds": page.refresh.total_seconds() if page.refresh else None,
            "parameters": parameters,
            "values": values,
            "sections": [
                {"id": one.id, "title": one.title, "kind": one.kind, "width": one.width, "empty": one.empty}
                for one in page.sections
            ],
        }

    def _found(self, actor: Actor, id: str) -> tuple[App, Page]:
        require(actor, "layer.read")
        if id not in self._pages:
            raise NotFound(f"no page {id}", remedy="GET /api/pages lists them")
        return self._pages[id]

    # ── parameters ─────────────────────────────────────────────────────────────────────────────────────────────

    def _parameter(self, one: Parameter, reader: Reader) -> dict[str, object]:
        options: list[dict[str, object]] = [{"value": each.value, "title": each.title} for each in one.options]
        closed = None
        if one.sql is not None:
            try:
                rows = reader.query(one.sql, window=one.window)
                lacking = {"value", "label"} - set(rows.column_names)
                if lacking:
                    raise Invalid(f"parameter {one.name}: the SQL gives no column {min(lacking)}")
                if rows.num_rows > limits.OPTIONS:
                    raise TooLarge(f"parameter {one.name} offers {rows.num_rows}", remedy=f"at most {limits.OPTIONS}")
                options = [
                    {"value": str(value), "title": text(str(label), str(label))}
                    for value, label in zip(rows["value"].to_pylist(), rows["label"].to_pylist(), strict=True)
                    if value is not None
                ]
            except Closed as error:
                closed = error.dataset
        return {
            "name": one.name, "kind": one.kind, "title": one.title, "kinds": list(one.kinds), "schema": one.shape(),
            "options": options, "required": one.required, "closed": closed,
        }  # fmt: skip

    def _values(self, page: Page, given: Mapping[str, str], reader: Reader) -> dict[str, Value]:
        strange = set(given) - {one.name for one in page.parameters} - ({"subject"} if page.subject else set())
        if strange:
            raise Invalid(f"page {page.id} has no parameter {min(strange)}", remedy="GET /api/pages/ID lists them")
        return {one.name: self._value(one, given.get(one.name) or None, reader) for one in page.parameters}

    def _value(self, one: Parameter, said: str | None, reader: Reader) -> Value:
        today = reader.now.astimezone(self._zone).date()
        if said is None:
            if one.kind == "date":
                return today.isoformat() if one.default == "today" else None
            if one.kind == "month" and one.default is not None:
                return f"{today if one.default == 'today' else today.replace(day=1) - timedelta(days=1):%Y-%m}"
            first = one.options[0].value if one.kind == "select" and one.options else None
            return one.default if one.default is not None else first
        value: object = said
        if one.kind == "number":
            try:
                value = float(said)
            except ValueError:
                value = said
        elif one.options:
            value = next((each.value for each in one.options if str(each.value) == said), said)
        wrong = mistakes({"type": "object", "properties": {one.name: one.shape()}}, {one.name: value})
        if one.kind == "date":
            try:
                date.fromisoformat(said)
            except ValueError:
                raise Invalid(f"{one.name} is no day: {said}", remedy="write it as 2015-12-01") from None
        if wrong:
            told = cast("Text", wrong[0]["message"])
            detail = {language: f"{one.name} = {said}: {words}" for language, words in told.items()}
            raise Invalid(detail, remedy="choose another value")
        return cast("Value", value)

    def _short(self, actor: Actor, id: str) -> dict[str, object]:
        found = self._parts.entities.identified(actor, id)
        return {name: found[name] for name in ("id", "kind", "name")}

    def _subject(self, actor: Actor, page: Page, id: str) -> dict[str, object]:
        found = self._parts.entities.identified(actor, id)
        if found["kind"] not in page.subject:
            raise Invalid(
                f"page {page.id} is not about a {found['kind']}", remedy=f"choose one of {', '.join(page.subject)}"
            )
        return found

    def _bound(
        self, actor: Actor, page: Page, given: Mapping[str, str], reader: Reader
    ) -> dict[str, Value] | list[str]:
        """The values for functions and SQL; or the names of what is still to be chosen."""
        values = self._values(page, given, reader)
        for one in page.parameters:
            if one.kind == "select" and values[one.name] is None and one.sql is not None:
                with suppress(Closed):
                    options = cast("list[dict[str, object]]", self._parameter(one, reader)["options"])
                    values[one.name] = str(options[0]["value"]) if options else None
        missing = [one.name for one in page.parameters if one.required and values[one.name] is None]
        for one in page.parameters:
            if one.kind == "subject" and values[one.name] is not None:
                found = self._parts.entities.identified(actor, str(values[one.name]))
                if found["kind"] not in one.kinds:
                    raise Invalid(f"{one.name} is a {found['kind']}", remedy=f"choose one of {', '.join(one.kinds)}")
                values[f"{one.name}_identifiers"] = cast("Value", found["identifiers"])
        if page.subject:
            if not given.get("subject"):
                return ["subject", *missing]
            subject = self._subject(actor, page, given["subject"])
            known = cast("Mapping[str, list[str]]", subject["identifiers"])
            values |= {"subject": str(subject["id"]), "kind": str(subject["kind"])}
            values |= {type: list(known.get(type, [])) for type in IDENTIFIERS}
        return missing or values

    # ── sections ───────────────────────────────────────────────────────────────────────────────────────────────

    def section(
        self, actor: Actor, page_id: str, section_id: str, given: Mapping[str, str], at: datetime | None = None
    ) -> dict[str, object]:
        """The content of a section: ``{content, as_of, sources, withheld}``.

        ``content`` is of the section's kind, or ``closed`` (with the datasets and their owners), or ``waiting`` for
        parameters. ``sources`` are the datasets it was made of, ``withheld`` those with columns that were asked for and
        that the person does not see. Raises :class:`NotFound`, :class:`Invalid`.
        """
        app, page, section = self._section(actor, page_id, section_id)
        now = at or self._parts.database.clock.now()
        reader = self._reader(actor, now, _Seen(self._parts, actor, now, self._forms))
        where = f"page {page_id}, section {section_id}"
        bound = self._bound(actor, page, given, reader)
        if isinstance(bound, list):
            return self._answer({"type": "waiting", "missing": bound}, reader)
        reader.read_from.clear()
        reader.hidden.clear()
        try:
            found = self._content(app, section, reader, {**section.parameters, **bound}, where, actor)
        except Closed as error:
            return self._answer({"type": "closed", "datasets": [self._dataset(error.dataset)]}, reader)
        restricted = self._restricted(actor, reader.read_from)
        if restricted:
            data = {"page": page_id, "section": section_id, "datasets": restricted, "subject": bound.get("subject")}
            if self._told.due(actor, data):
                with self._parts.database.work(actor) as work:
                    work.emit(f"page:{page_id}", "section.read", data)
        return self._answer(found, reader)

    def _section(self, actor: Actor, page_id: str, section_id: str) -> tuple[App, Page, Section]:
        app, page = self._found(actor, page_id)
        section = next((one for one in page.sections if one.id == section_id), None)
        if section is None:
            raise NotFound(f"page {page_id} has no section {section_id}", remedy="GET /api/pages/ID lists them")
        return app, page, section

    def _content(
        self, app: App, section: Section, reader: Reader, values: Mapping[str, object], where: str, actor: Actor
    ) -> dict[str, object]:
        if section.text is not None:
            return {"type": "text", "text": section.text}
        if section.form is not None:
            return self._form(actor, section)
        if section.entry is not None:
            function = cast("Function", app.functions[section.entry])
            try:
                given = function(reader, reader.now, values)
            except Problem:
                raise
            except Exception as error:
                log.exception("pages.failed", where=where)
                raise Unavailable(
                    f"{where}: its function failed", remedy="tell those who keep the application; the log says more"
                ) from error
            return self._decorated(content.checked(section, given, where), section)
        if section.systems:
            return content.checked(section, self._stages(actor, section), where)
        assert section.sql is not None
        asked = {
            name: "" if value is None else value for name, value in values.items() if not isinstance(value, Mapping)
        }
        rows = reader.query(section.sql, asked, window=section.window, ahead=section.ahead)
        return content.checked(section, content.from_rows(section, rows, where), where)

    def _decorated(self, found: dict[str, object], section: Section) -> dict[str, object]:
        """What a function gave, with what the declaration adds: links of columns, stages, bands, a note."""
        for part in cast("list[dict[str, object]]", found.get("parts", [])):
            self._decorated(cast("dict[str, object]", part["content"]), section)
        if found["type"] == "table":
            columns = cast("list[dict[str, object]]", found["columns"])
            names = {one["name"] for one in columns}
            for one in columns:
                link = section.links.get(str(one["name"]))
                if link is not None and not one["link"] and {*link.set.values()} <= names:
                    one["link"] = link.model_dump(mode="json")
        if found["type"] == "flow" and section.stages and not found["stages"]:
            found["stages"] = [one.model_dump() for one in section.stages]
        if found["type"] == "map" and section.bands and not found["bands"]:
            found["bands"] = [
                {"from": b.low, "to": b.high, "label": b.label, "colour": b.colour} for b in section.bands
            ]
        if "note" in found and found["note"] is None:
            found["note"] = section.note
        return found

    def _form(self, actor: Actor, section: Section) -> dict[str, object]:
        assert section.form is not None and section.act is not None
        act = section.act
        return {
            "type": "form",
            "schema": section.form,
            "button": act.button,
            "done": act.done,
            "may": can(actor, act.permission, act.department),
            "department": act.department,
            "department_title": self._title(act.department),
            "note": section.note,
        }

    def _stages(self, actor: Actor, section: Section) -> dict[str, object]:
        """The picture of stages: each system with the counts and freshness of its sources that the person may see."""
        seen = {str(one["id"]): one for one in self._parts.share.sources(actor)} if can(actor, "source.read") else {}
        systems = []
        for system in section.systems:
            sources = [seen[id] for id in system.sources if id in seen]
            fresh = [cast("float", one["freshness_seconds"]) for one in sources if one["freshness_seconds"] is not None]
            states = [str(one["state"]) for one in sources]
            systems.append(
                {
                    "title": system.title,
                    "department": system.department,
                    "department_title": self._title(system.department),
                    "stages": list(system.stages),
                    "page": system.page,
                    "state": next((one for one in WORST_FIRST if one in states), None),
                    "rows": sum(cast("int", one["rows"]) for one in sources) if sources else None,
                    "quarantined": sum(cast("int", one["quarantined"]) for one in sources) if sources else None,
                    "freshness_seconds": min(fresh, default=None),
                    "sources": [
                        {
                            "source": one["id"], "dataset": one["dataset"], "state": one["state"], "rows": one["rows"],
                            "quarantined": one["quarantined"], "freshness_seconds": one["freshness_seconds"],
                        }
                        for one in sources
                    ],
                }
            )  # fmt: skip
        stages = [one.model_dump() for one in section.stages]
        return {"type": "stages", "stages": stages, "systems": systems, "note": section.note}

    def _answer(self, found: Mapping[str, object], reader: Reader) -> dict[str, object]:
        return {
            "content": dict(found),
            "as_of": reader.now,
            "sources": [self._dataset(name) for name in sorted(reader.read_from)],
            "withheld": withheld(self._parts.share, reader.hidden),
        }

    def _restricted(self, actor: Actor, datasets: Collection[str]) -> list[str]:
        return sorted(name for name in datasets if self._parts.share.sight(actor, name).restricted)

    def _dataset(self, name: str) -> dict[str, object]:
        form = self._forms.get(name)
        if form is not None and form.act is not None:
            department = form.act.department
            title = self._title(department)
            return {
                "dataset": name, "title": form.title, "department": department, "department_title": title, "sharing": 2,
            }  # fmt: skip
        return described(self._parts.share, name)

    def _title(self, code: str) -> Text:
        return self._parts.share.department_titles().get(code, text(code, code))

    # ── forms ──────────────────────────────────────────────────────────────────────────────────────────────────

    def submit(
        self,
        actor: Actor,
        page_id: str,
        section_id: str,
        command_id: str,
        values: Mapping[str, object],
        given: Mapping[str, str],
    ) -> dict[str, object]:
        """Record a filled form: ``{id, at}``; the event says who, which form and of which subject, the record holds the rest.

        Raises :class:`Forbidden`; :class:`Invalid` with ``mistakes`` field by field; :class:`Conflict` for a used command id.
        """
        _, page, section = self._section(actor, page_id, section_id)
        if section.form is None or section.act is None:
            raise NotFound(f"section {section_id} of page {page_id} is no form")
        require(actor, section.act.permission, section.act.department)
        wrong = mistakes(section.form, values)
        if wrong:
            raise Invalid("the form is not right yet", remedy="mend the fields that are named", mistakes=wrong)
        reader = self._reader(actor, None, None)
        bound = self._bound(actor, page, given, reader)
        if isinstance(bound, list):
            raise Invalid(f"the page waits for {', '.join(bound)}", remedy="choose it first")
        form = f"{page_id}/{section_id}"
        kept = {one.name: bound[one.name] for one in page.parameters}
        chosen = ["subject", *(one.name for one in page.parameters if one.kind == "subject")]
        subject = next((str(bound[name]) for name in chosen if bound.get(name)), None)

        def do(work: Work) -> dict[str, object]:
            id = self._parts.database.ids.new("record")
            store.add_record(
                work.conn,
                {
                    "id": id, "form": form, "at": work.now, "by": {"id": actor.id, "name": actor.name},
                    "department": actor.department, "subject": subject, "parameters": kept, "values": dict(values),
                },
            )  # fmt: skip
            work.emit(f"form:{form}", "form.submitted", {"record": id, "form": form, "subject": subject})
            return {"id": id, "at": work.now}

        payload = {"form": form, "values": dict(values), "parameters": dict(given)}
        return self._parts.database.once(actor, command_id, "form.submit", payload, do)

    def subject(self, actor: Actor, by: str, value: str) -> dict[str, object]:
        """The id of the subject that an identifier names, of those that the person may see: ``{id}``. Raises NotFound."""
        return {"id": self._parts.entities.called(actor, by, value)}

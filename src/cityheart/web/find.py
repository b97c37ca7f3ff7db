"""Finding anything by a few letters: alerts, incidents, tasks, subjects, sources, datasets, plans, as the asker may see them.

Each part trims its own by the permissions of who asks; nothing is found that could not be opened.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from cityheart.command.store import newest_incidents
from cityheart.kernel import limits
from cityheart.kernel.access import can, departments
from cityheart.kernel.errors import Invalid
from cityheart.kernel.text import Text, text
from cityheart.watch.store import newest_alerts

if TYPE_CHECKING:
    from cityheart.city import City
    from cityheart.kernel.actors import Actor

__all__ = ["Finder"]

_NOTHING = text("", "")
# What people look for first stands first where words fit equally well.
_ORDER = ("alert", "incident", "subject", "task", "source", "dataset", "plan")


@dataclass(frozen=True)
class _Hit:
    kind: str
    id: str
    title: Text
    detail: Text
    path: str
    score: float
    level: int | None = None
    state: str | None = None

    def json(self) -> dict[str, object]:
        return {
            "kind": self.kind,
            "id": self.id,
            "title": self.title,
            "detail": self.detail,
            "path": self.path,
            "level": self.level,
            "state": self.state,
        }


class Finder:
    """Looks through everything that has a page of its own."""

    def __init__(self, city: City) -> None:
        self._city = city

    def find(self, actor: Actor, words: str, limit: int = 30) -> dict[str, object]:
        """What fits all of the words, the best first: ``{"items", "total", "next"}``.

        An item: ``kind`` (alert, incident, task, subject, source, dataset, plan), ``id``, ``title``, ``detail``, ``path`` of
        its page in the console, ``level`` and ``state`` where it has them. Without words there is nothing. Raises
        :class:`Invalid` for what is too long.
        """
        if len(words) > limits.FIND_CHARS or not 1 <= limit <= limits.FIND_HITS:
            raise Invalid(
                "that is too long to look for" if len(words) > limits.FIND_CHARS else f"limit is {limit}",
                remedy=f"at most {limits.FIND_CHARS} characters, 1 to {limits.FIND_HITS} hits",
            )
        wanted = words.casefold().split()
        if not wanted:
            return {"items": [], "total": 0, "next": None}
        parts: tuple[tuple[str, Callable[[Actor, list[str]], Iterator[_Hit]]], ...] = (
            ("alert.read", self._alerts),
            ("incident.read", self._incidents),
            ("task.read", self._tasks),
            ("subject.read", self._subjects),
            ("source.read", self._sources),
            ("dataset.read", self._datasets),
            ("plan.read", self._plans),
        )
        found = [hit for permission, look in parts if can(actor, permission) for hit in look(actor, wanted)]
        found.sort(key=lambda hit: (-hit.score, _ORDER.index(hit.kind), hit.level or 9))
        return {"items": [hit.json() for hit in found[:limit]], "total": len(found), "next": None}

    def _alerts(self, actor: Actor, wanted: list[str]) -> Iterator[_Hit]:
        with self._city.database.read() as conn:
            alerts = newest_alerts(conn, departments(actor, "alert.read"), limits.FIND_LOOKED_AT)
        for alert in alerts:
            kind, name = alert.kind_title, alert.subject.name
            fit = _fit(wanted, [alert.id, alert.subject.id], name, kind)
            if fit:
                fit -= 0.25 if alert.state == "ended" else 0.0
                yield _Hit("alert", alert.id, name, kind, f"/alerts/{alert.id}", fit, alert.level, alert.state)

    def _incidents(self, actor: Actor, wanted: list[str]) -> Iterator[_Hit]:
        with self._city.database.read() as conn:
            incidents = newest_incidents(conn, limits.FIND_LOOKED_AT)
        for one in incidents:
            fit = _fit(wanted, [one.id], one.title)
            if fit:
                fit -= 0.25 if one.state != "open" else 0.0
                yield _Hit("incident", one.id, one.title, _NOTHING, f"/incidents/{one.id}", fit, one.level, one.state)

    def _tasks(self, actor: Actor, wanted: list[str]) -> Iterator[_Hit]:
        command = self._city.command
        tasks, _ = command.tasks(actor, words=" ".join(wanted), over=False, limit=limits.FIND_HITS)
        for task in tasks:
            title = command.plan_of(task.run).step(task.step).title
            fit = _fit(wanted, [task.id], title) or 0.5
            yield _Hit(
                "task", task.id, title, command.unit_title(task.unit), f"/tasks/{task.id}", fit, None, task.state
            )

    def _subjects(self, actor: Actor, wanted: list[str]) -> Iterator[_Hit]:
        asked = " ".join(wanted)[: limits.SUBJECT_QUERY_CHARS]
        found = cast("Iterable[Mapping[str, object]]", self._city.entities.find(actor, text=asked, limit=20)["items"])
        for one in found:
            marks = cast("list[Mapping[str, object]]", one.get("identifiers") or [])
            name = str(one.get("name") or (marks[0]["value"] if marks else one["id"]))
            title = text(name, name)
            likeness = float(cast(float, one.get("likeness") or 0.0))
            kind = cast(Text, one.get("kind_title") or _NOTHING)
            yield _Hit("subject", str(one["id"]), title, kind, f"/subjects/{one['id']}", max(0.3, 2.0 * likeness))

    def _sources(self, actor: Actor, wanted: list[str]) -> Iterator[_Hit]:
        for source in self._city.share.sources(actor):
            title, owner = cast(Text, source["title"]), cast(Text, source["department_title"])
            fit = _fit(wanted, [str(source["id"]), str(source["dataset"])], title, owner)
            if fit:
                state = str(source["state"])
                yield _Hit("source", str(source["id"]), title, owner, f"/sources/{source['id']}", fit, None, state)

    def _datasets(self, actor: Actor, wanted: list[str]) -> Iterator[_Hit]:
        titles = self._city.share.department_titles()
        for dataset in self._city.share.datasets():
            fit = _fit(wanted, [dataset.name], dataset.contract.title)
            if fit:
                owner = titles.get(dataset.owner, _NOTHING)
                yield _Hit("dataset", dataset.name, dataset.contract.title, owner, f"/catalogue/{dataset.name}", fit)

    def _plans(self, actor: Actor, wanted: list[str]) -> Iterator[_Hit]:
        seen: set[str] = set()
        for plan in self._city.command.plans(actor):  # the newest version of each comes first
            if plan.name in seen:
                continue
            seen.add(plan.name)
            fit = _fit(wanted, [plan.name, plan.digest], plan.title)
            if fit:
                detail = text(f"版本 {plan.version}", f"version {plan.version}")
                yield _Hit("plan", plan.digest, plan.title, detail, f"/plans/{plan.digest}", fit)


def _fit(wanted: list[str], ids: Iterable[str], *titles: Text) -> float:
    """How well all the words fit, the worst of them counting: 3 an id, 2 the whole or the beginning, 1 inside; 0 not at all."""
    names = [name.casefold() for title in titles for name in title.values()]
    marks = [one.casefold() for one in ids]
    worst = 3.0
    for word in wanted:
        if word in marks:
            best = 3.0
        elif word in names:
            best = 2.5
        elif any(name.startswith(word) for name in (*names, *marks)):
            best = 2.0
        elif any(word in name for name in names):
            best = 1.5
        elif len(word) > 3 and any(word in mark for mark in marks):
            best = 1.0
        else:
            return 0.0
        worst = min(worst, best)
    return worst

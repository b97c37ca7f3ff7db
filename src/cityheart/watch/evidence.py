"""The evidence of an alert as one reader may see it: what rests on data that is not the reader's is named and withheld.

An object of evidence names the datasets it was made of (``dataset``, ``datasets``, or ``dataset`` of its ``source``); one
that names none counts as made of all that its detector reads.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol, cast, runtime_checkable

from cityheart.kernel import limits
from cityheart.kernel.actors import Actor
from cityheart.kernel.database import Database, Work
from cityheart.kernel.errors import NotFound
from cityheart.kernel.ids import derive
from cityheart.kernel.text import Text, text
from cityheart.share.grants.models import Sight, Use
from cityheart.share.models import Dataset
from cityheart.watch.models import Alert

__all__ = ["Readers", "Seen", "Sharing", "shown"]

_EMPTY: Mapping[str, Mapping[str, object]] = {
    "series": {"series": [], "thresholds": [], "unit": ""},
    "rows": {"columns": [], "rows": []},
    "track": {"points": [], "places": [], "plate": ""},
}


@runtime_checkable
class Sharing(Protocol):
    """What watch asks of the share about its readers."""

    def sight(self, actor: Actor, dataset: str, use: Use = "read", *, handling: bool = False) -> Sight:
        """What the actor sees of a dataset. Raises NotFound."""
        ...

    def dataset(self, name: str) -> Dataset:
        """A dataset. Raises NotFound."""
        ...

    def department_titles(self) -> Mapping[str, Text]:
        """The title of every department by its code."""
        ...


class Readers:
    """Shows evidence to people and notes, once for an alert and a reader, that restricted data was seen.

    Without a share (a watch that stands alone) everything is shown. ``handlers`` tells the departments that have work in
    an incident.
    """

    def __init__(self, database: Database, sharing: Sharing | None) -> None:
        self._database, self._sharing = database, sharing
        self.handlers: Callable[[str], Collection[str]] = lambda incident: ()
        self._told: set[tuple[str, str]] = set()

    def seen(self, actor: Actor, alert: Alert, evidence: Sequence[object], inputs: Sequence[str]) -> list[object]:
        """The evidence of an alert as the actor sees it."""
        if self._sharing is None or "system" in actor.roles or not evidence:
            return list(evidence)
        handling = (
            actor.department is not None
            and alert.incident_id is not None
            and actor.department in self.handlers(alert.incident_id)
        )
        found = shown(
            evidence, inputs, self._sharing, partial(self._sharing.sight, actor, use="alert", handling=handling)
        )
        key = (alert.id, actor.id)
        if found.restricted and key not in self._told:
            self._tell(actor, alert, sorted(found.restricted))
            if len(self._told) >= limits.EVIDENCE_TOLD:
                self._told.clear()
            self._told.add(key)
        return found.evidence

    def _tell(self, actor: Actor, alert: Alert, datasets: Sequence[str]) -> None:
        def do(work: Work) -> dict[str, object]:
            work.emit(f"alert:{alert.id}", "evidence.read", {"alert": alert.id, "datasets": list(datasets)})
            return {}

        # the command's id makes it one event for an alert and a reader, whatever process is asked and how often
        payload = {"alert": alert.id}
        self._database.once(actor, derive("evidence", alert.id, actor.id), "evidence.read", payload, do)

    def shown(self, actor: Actor, evidence: Sequence[object], inputs: Sequence[str]) -> list[object]:
        """Evidence as the actor sees it outside the handling of an alert."""
        if self._sharing is None or "system" in actor.roles:
            return list(evidence)
        return shown(evidence, inputs, self._sharing, partial(self._sharing.sight, actor)).evidence


@dataclass(slots=True)
class Seen:
    """Evidence as somebody sees it, and the restricted datasets of others that were shown in it."""

    evidence: list[object] = field(default_factory=list)
    restricted: set[str] = field(default_factory=set)


def shown(
    evidence: Iterable[object], inputs: Sequence[str], sharing: Sharing, sight: Callable[[str], Sight]
) -> Seen:  # fmt: skip
    """The evidence through what a reader sees of its datasets. ``inputs``: what the detector reads."""
    seen = Seen()
    for one in evidence:
        if not isinstance(one, Mapping):
            continue  # no evidence that anything could be said of
        made_of = _made_of(one) or list(inputs)
        sights = {name: _sight(sight, name) for name in dict.fromkeys(made_of)}
        seen.evidence.append(_object(one, sights, sharing))
        if any(_shows(each, sharing) for each in sights.values()):
            seen.restricted |= {
                name for name, each in sights.items() if each is not None and each.restricted and not each.own
            }
    return seen


def _made_of(one: Mapping[str, object]) -> list[str]:
    source = one.get("source")
    named = [one.get("dataset"), source.get("dataset") if isinstance(source, Mapping) else None]
    several = one.get("datasets")
    named += list(several) if isinstance(several, list | tuple) else []
    # rows put together of several datasets name them with commas between
    return [part.strip() for name in named if isinstance(name, str) for part in name.split(",") if part.strip()]


def _sight(sight: Callable[[str], Sight], name: str) -> Sight | None:
    try:
        return sight(name)
    except NotFound:  # of a dataset that the catalogue does not know nobody can say who may see it
        return None


def _shows(sight: Sight | None, sharing: Sharing) -> bool:
    """Whether everything but classified columns is seen."""
    if sight is None:
        return False
    plain = [each.name for each in sharing.dataset(sight.dataset).contract.stored if not each.secrecy]
    return sight.shows(*plain)


def _object(one: Mapping[str, object], sights: Mapping[str, Sight | None], sharing: Sharing) -> dict[str, object]:
    closed = [name for name, each in sights.items() if not _shows(each, sharing)]
    columns = one.get("columns")
    if not sights or (closed and not (one.get("type") == "rows" and len(sights) == 1 and _partly(sights[closed[0]]))):
        empty = _EMPTY.get(str(one.get("type")), {})
        kept = {name: one[name] for name in ("type", "title", "dataset", "known_at") if name in one}
        words = {"source": ""} if one.get("type") == "rows" else {}
        return {
            **kept,
            **words,
            **empty,
            "withheld": {"whole": True, "datasets": _named(closed, sharing), "columns": []},
        }
    if one.get("type") != "rows" or not isinstance(columns, list | tuple) or not sights:
        return dict(one)
    (name, sight), *_ = sights.items()
    hidden = _hidden(columns, cast("Sight", sight), sharing.dataset(name))
    if not hidden:
        return dict(one)
    rows = [
        [None if place in hidden else cell for place, cell in enumerate(row)]
        for row in cast("Sequence[Sequence[object]]", one.get("rows", []))
    ]
    told = {
        "whole": False,
        "datasets": _named([name], sharing),
        "columns": [columns[place] for place in sorted(hidden)],
    }
    return {**one, "rows": rows, "withheld": told}


def _partly(sight: Sight | None) -> bool:
    """Whether some columns are seen in all rows."""
    return sight is not None and sight.open and sight.veil is not None and sight.veil.rows is None


def _hidden(columns: Sequence[object], sight: Sight, dataset: Dataset) -> set[int]:
    """The places of the columns that are not seen; columns go by their name or their title in the contract.

    One that the contract does not know may be made of any of its columns that are not classified.
    """
    by_word: dict[str, str] = {}
    for each in dataset.contract.fields:
        for word in (each.name, *(each.title or {}).values()):
            by_word[word.strip().casefold()] = each.name
    plain = [each.name for each in dataset.contract.stored if not each.secrecy]
    whole = sight.shows(*plain)
    hidden = set()
    for place, column in enumerate(columns):
        words = column.values() if isinstance(column, Mapping) else [column]
        names = {by_word[str(word).strip().casefold()] for word in words if str(word).strip().casefold() in by_word}
        if not (all(sight.shows(name) for name in names) if names else whole):
            hidden.add(place)
    return hidden


def _named(datasets: Sequence[str], sharing: Sharing) -> list[dict[str, object]]:
    titles = sharing.department_titles()
    found: list[dict[str, object]] = []
    for name in datasets:
        try:
            dataset = sharing.dataset(name)
        except NotFound:
            found.append(
                {"dataset": name, "title": text(name, name), "department": "", "department_title": text("—", "—")}
            )
            continue
        found.append(
            {
                "dataset": name, "title": dataset.contract.title, "department": dataset.owner,
                "department_title": titles.get(dataset.owner, text(dataset.owner, dataset.owner)),
            }
        )  # fmt: skip
    return found

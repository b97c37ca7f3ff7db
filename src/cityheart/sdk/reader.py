"""How an application's own functions read the city: as known at one moment, and only what the person before them may read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol
from zoneinfo import ZoneInfo

import pyarrow as pa

from cityheart.engine.lake import Lake
from cityheart.engine.statement import columns_named, references
from cityheart.engine.veil import Veil
from cityheart.kernel.errors import Forbidden
from cityheart.share.grants.models import Sight
from cityheart.share.grants.reading import veiled
from cityheart.watch.models import ALL_TIME
from cityheart.watch.surveys import city_file

__all__ = ["City", "Closed", "Reader"]

_TICK = timedelta(microseconds=1)
_VERSIONS = "__versions"


class Closed(Forbidden):
    """A dataset that this reader may not read."""

    def __init__(self, dataset: str) -> None:
        super().__init__(
            f"{dataset} is not shared unconditionally, and not with you", remedy="ask its owner for a grant"
        )
        self.dataset = dataset


class City(Protocol):
    """What a reader may ask of the city beside its datasets; each answer holds only what the person may see."""

    def alerts(self, subjects: Sequence[tuple[str, str]]) -> list[dict[str, object]]:
        """Alerts about these subjects (kind, id)."""

    def tasks(self, incidents: Sequence[str]) -> list[dict[str, object]]:
        """Tasks of these incidents."""

    def records(self, form: str) -> list[dict[str, object]]:
        """What was sent by a form, ``page/section``."""

    def described(self, dataset: str) -> Mapping[str, object]:
        """A dataset with its title, its owner and how it is shared."""


class Reader:
    """Reads the city as known at ``now``; what a function of a panel, a layer or a page is given.

    ``may`` says whether the person may read a dataset; ``veil`` what of it is seen, and ``withheld`` which of its columns
    are not. ``read_from`` holds the datasets that were read, ``hidden`` what of them was asked for and withheld: such
    columns are there without their values.
    """

    def __init__(
        self,
        lake: Lake,
        now: datetime,
        may: Callable[[str], bool],
        *,
        zone: str = "UTC",
        home: Path | None = None,
        city: City | None = None,
        sight: Callable[[str], Sight] | None = None,
        veil: Callable[[str], Veil | None] | None = None,
    ) -> None:
        self.now = now
        self.zone = ZoneInfo(zone)
        self.read_from: set[str] = set()
        self.hidden: dict[str, set[str]] = {}
        self._lake, self._may, self._home, self._city = lake, may, home, city
        self._sight, self._veil = sight, veil
        self._tables = frozenset(lake.tables())

    def may(self, dataset: str) -> bool:
        """Whether rows of a dataset are for this reader; one that the city does not have is for nobody."""
        return dataset in self._tables and self._may(dataset)

    def query(
        self,
        sql: str,
        parameters: Mapping[str, object] | None = None,
        *,
        window: timedelta,
        ahead: timedelta = timedelta(0),
    ) -> pa.Table:
        """Answer one SELECT; table names stand for rows known at ``now``, event time in (now - window, now + ahead].

        ``$now`` and the parameters are bound. Raises :class:`Closed` (Forbidden) for a dataset that is not for the reader.
        """
        veils: dict[str, Veil] = {}
        for name in sorted({each.removesuffix(_VERSIONS) for each in references(sql)}):
            veil = self._open(name)
            if veil is not None:
                veils[name] = veil
                self._note(name, lambda columns: columns_named(sql, columns, every=False))
        bound = {**(parameters or {}), "now": self.now}
        return self._lake.query(sql, bound, at=self.now, time=self._span(window, ahead), veils=veils)

    def rows(
        self,
        dataset: str,
        *,
        window: timedelta = ALL_TIME,
        ahead: timedelta = timedelta(0),
        columns: Iterable[str] = (),
    ) -> pa.Table:
        """The newest version of each row of a dataset as known at ``now``, with ``_known_at``; without columns all.

        Raises :class:`Closed` as :meth:`query`; ``NotFound`` for a dataset that the city does not have.
        """
        veil = self._open(dataset)
        wanted = [*dict.fromkeys([*columns, "_known_at"])] if columns else None
        self._note(dataset, lambda columns: [name for name in columns if wanted is None or name in wanted])
        return veiled(self._lake, dataset, veil, at=self.now, time=self._span(window, ahead), columns=wanted)

    def file(self, name: str) -> bytes | None:
        """A file of the city's folder, e.g. ``zones.geojson``; ``None`` when it has none. Raises :class:`Invalid`."""
        return city_file(self._home, name)

    def alerts(self, subjects: Sequence[tuple[str, str]]) -> list[dict[str, object]]:
        """Alerts about these subjects (kind, id), open ones first, as the API shows them; what the person may see."""
        return [] if self._city is None or not subjects else self._city.alerts(subjects)

    def tasks(self, incidents: Sequence[str]) -> list[dict[str, object]]:
        """Tasks of these incidents as the person may see them: id, incident, unit, title, state, due, late, closed_at."""
        return [] if self._city is None or not incidents else self._city.tasks(incidents)

    def records(self, form: str) -> list[dict[str, object]]:
        """What was sent by a form (``page/section``) up to ``now``, newest first: id, at, by, department, subject, values."""
        return [] if self._city is None else self._city.records(form)

    def described(self, dataset: str) -> Mapping[str, object]:
        """What a dataset is called and whose it is: title, department, department_title, sharing."""
        return {} if self._city is None else self._city.described(dataset)

    def _open(self, name: str) -> Veil | None:
        """What lies over a dataset for this reader. Raises :class:`Closed` where there is nothing to be seen."""
        if name not in self._tables:
            return None
        if not self._may(name):
            raise Closed(name)
        self.read_from.add(name)
        if self._sight is not None:
            return self._sight(name).veil
        return None if self._veil is None else self._veil(name)

    def _note(self, name: str, named: Callable[[Sequence[str]], Sequence[str]]) -> None:
        """Remember which withheld columns somebody asked for."""
        if self._sight is not None and name in self._tables:
            asked = named(self._sight(name).withheld)
            if asked:
                self.hidden.setdefault(name, set()).update(asked)

    def _span(self, window: timedelta, ahead: timedelta) -> tuple[datetime, datetime]:
        return (max(self.now - window, datetime(1970, 1, 1, tzinfo=UTC)) + _TICK, self.now + ahead + _TICK)

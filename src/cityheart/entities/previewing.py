"""What a rebuild would change, found beside the live city by a job.

A million records take a minute and more. Nothing is written but the result, which says whether the city has changed since.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cityheart.entities import rebuilding, store
from cityheart.entities.models import KIND_TITLES
from cityheart.entities.resolving import Resolving
from cityheart.kernel.access import departments, require_everywhere
from cityheart.kernel.actors import Actor
from cityheart.kernel.database import Database
from cityheart.kernel.jobs.models import Job, Kind, Result
from cityheart.kernel.jobs.service import Jobs, Running
from cityheart.kernel.text import text

__all__ = ["PREVIEW", "Compared", "Previews", "compare"]

PREVIEW = "subjects-preview"
_NAMED = 3  # records of a change whose names are shown


@dataclass(frozen=True)
class Compared:
    """What would change. ``examples`` hold, apart from what is shown, the dataset and name of some of their records."""

    model: str
    models: Sequence[tuple[str, int]]
    kinds: Sequence[Mapping[str, object]]
    examples: Sequence[tuple[Mapping[str, object], Sequence[tuple[str, str | None]]]]
    stamp: tuple[int, int]

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> Compared:
        """What :meth:`kept` made."""
        models = [(name, count) for name, count in kept["models"]]
        examples = [(one, [(dataset, name) for dataset, name in spoken]) for one, spoken in kept["examples"]]
        return cls(kept["model"], models, kept["kinds"], examples, tuple(kept["stamp"]))

    def kept(self) -> Mapping[str, object]:
        """As it is kept; for nobody's eyes, since it names records of every dataset."""
        return {
            "model": self.model,
            "models": [list(one) for one in self.models],
            "kinds": [dict(one) for one in self.kinds],
            "examples": [[dict(one), [list(name) for name in spoken]] for one, spoken in self.examples],
            "stamp": list(self.stamp),
        }

    def shown(self, readable: Collection[str]) -> dict[str, object]:
        """As people read it; names of records of datasets that the reader may not see are left out."""
        return {
            "model": self.model,
            "due": any(name != self.model for name, _ in self.models),
            "models": [{"model": name, "records": count} for name, count in self.models],
            "kinds": [dict(one) for one in self.kinds],
            "examples": [
                {**one, "names": sorted({name for dataset, name in spoken if name and dataset in readable})}
                for one, spoken in self.examples
            ],
        }


def compare(database: Database, rules: Resolving, pace: rebuilding.Pace) -> Compared:
    """What a rebuild under these rules would change; nothing is written. ``pace`` hears how far it is."""
    with database.read() as conn:
        stamp, models = store.stamp(conn), store.models(conn)
        plans = rebuilding.plan(conn, rules, pace)
        chosen = [(one, change) for one in plans for change in one.examples()]
        ids = {record for _, change in chosen for record in change.records[:_NAMED]}
        records = store.records_by_ids(conn, ids)
    examples = [
        (
            {
                "kind": one.kind,
                "kind_title": KIND_TITLES[one.kind],
                "type": "merged" if change.merged else "split",
                "subject": change.subject,
                "into": None if change.into in one.made else change.into,
                "records": len(change.records),
            },
            [(records[record].dataset, records[record].name) for record in change.records[:_NAMED]],
        )
        for one, change in chosen
    ]
    kinds = [{"kind": one.kind, "title": KIND_TITLES[one.kind], **one.counts()} for one in plans]
    return Compared(rules.rules.model, models, kinds, examples, stamp)


class Previews:
    """Previews of rebuilds as jobs. ``rules``: those of the moment; ``readable``: the datasets that a reader may see."""

    def __init__(
        self,
        database: Database,
        jobs: Jobs,
        rules: Callable[[], Resolving],
        readable: Callable[[Actor], Collection[str]],
    ) -> None:
        self._database, self._jobs, self._rules, self._readable = database, jobs, rules, readable
        jobs.register(
            Kind(
                PREVIEW, text("重建主体预览", "Preview of a rebuild of subjects"), text("条记录", "records"),
                "subject.review", "subject.review", self._run, self._shown, long=("examples",),
            )
        )  # fmt: skip

    def start(self, actor: Actor, command_id: str) -> dict[str, object]:
        """Ask what a rebuild would change: the job. Raises :class:`Forbidden` to who does not decide for the whole city."""
        require_everywhere(actor, "subject.review")
        title = text("重建主体会改变什么", "What a rebuild of subjects would change")
        asked = self._jobs.ask(actor, command_id, PREVIEW, title=title, given={}, path="/subjects/reviews")
        return self._jobs.job(actor, asked.id)

    def _run(self, running: Running) -> Result:
        with self._database.read() as conn:
            running.of(sum(store.count_records(conn).values()))
        return compare(self._database, self._rules(), running.pace).kept()

    def _shown(self, actor: Actor, job: Job, whole: bool) -> Result | None:
        """``outdated``: records changed since, or people decided something."""
        if job.result is None or not whole or departments(actor, "subject.review") is not None:
            return None
        found = Compared.of(job.result)
        with self._database.read() as conn:
            outdated = store.stamp(conn) != found.stamp
        return {**found.shown(self._readable(actor)), "outdated": outdated}

"""What a trial is: a backtest that a person started, with how far it is and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from cityheart.watch.models import Person

__all__ = ["OVER", "Trial"]

OVER = ("done", "stopped", "failed", "interrupted")


@dataclass(frozen=True, slots=True)
class Trial:
    """A backtest with other parameters beside the present ones.

    ``state``: running, done, stopped (by a person), failed (``failure`` says why), interrupted (the program ended).
    ``share`` is how far it is, 0 to 1. Times of the run are of the wall clock, ``since`` and ``until`` of the city's.
    """

    id: str
    detector: str
    name: str
    by: Person
    parameters: Mapping[str, object]
    since: datetime
    until: datetime
    state: str
    share: float
    started_at: datetime
    beat_at: datetime
    ended_at: datetime | None
    seconds: float | None
    failure: str | None
    result: Mapping[str, object] | None

    def json(self, *, whole: bool = False) -> dict[str, object]:
        """As the API shows it; a list leaves the days and cases of the result out."""
        shown = self.result
        if shown is not None and not whole:
            shown = {key: value for key, value in shown.items() if key not in ("days", "gained", "lost")}
        return {
            "id": self.id,
            "detector": self.detector,
            "name": self.name,
            "by": {"id": self.by.id, "name": self.by.name},
            "parameters": dict(self.parameters),
            "since": self.since,
            "until": self.until,
            "state": self.state,
            "share": round(self.share, 4),
            "started_at": self.started_at,
            "ended_at": self.ended_at,
            "seconds": self.seconds,
            "failure": self.failure,
            "result": shown,
        }

"""What a job is: long work that a person asked for, with how far it is and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

from cityheart.kernel import limits
from cityheart.kernel.actors import Actor
from cityheart.kernel.text import Text

if TYPE_CHECKING:
    from cityheart.kernel.jobs.service import Running

__all__ = ["OVER", "STATES", "Job", "Kind", "Result", "Sought", "State"]

State = Literal["waiting", "running", "done", "failed", "stopped", "interrupted"]
STATES: tuple[State, ...] = ("waiting", "running", "done", "failed", "stopped", "interrupted")
OVER: tuple[State, ...] = ("done", "failed", "stopped", "interrupted")

Result = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Job:
    """``interrupted``: the process that was at it ended. Times are of the machine's clock, not of the city's.

    ``actor``: who asked, as that person was then. ``given``: what it is to be done with, shown to whoever sees the job.
    ``total`` is 0 until it is known how much there is to do.
    """

    id: str
    kind: str
    about: str
    title: Text
    path: str
    actor: Actor
    given: Mapping[str, object]
    state: State
    done: int
    total: int
    asked_at: datetime
    began_at: datetime | None = None
    beat_at: datetime | None = None
    worker: str | None = None
    stop_at: datetime | None = None
    stopped_by: Mapping[str, object] | None = None
    ended_at: datetime | None = None
    seconds: float | None = None
    failure: Text | None = None
    result: Result | None = None
    expires_at: datetime | None = None


def _as_it_is(reader: Actor, job: Job, whole: bool) -> Result | None:
    return job.result


def _nothing(result: Result) -> Mapping[str, object]:
    return {}


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of long work. Of each kind one is carried out at a time.

    ``sees`` and ``stops`` are permissions: who holds them for the whole city sees, and stops, the jobs of others too. Who
    asks holds the latter, also when the job begins.
    ``unit``: what is counted on the way. ``run`` does it for whoever asked and returns the result. ``shown``: the result
    as a reader may see it, in a list (not ``whole``) or by itself. ``long``: fields of results that a list is read without.
    ``told``: what the event of its end says of it.
    """

    id: str
    title: Text
    unit: Text
    sees: str
    stops: str
    run: Callable[[Running], Result]
    shown: Callable[[Actor, Job, bool], Result | None] = _as_it_is
    told: Callable[[Result], Mapping[str, object]] = _nothing
    kept: timedelta = field(default=limits.JOB_KEPT)
    long: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sought:
    """Which jobs are asked for; nothing said means all that one may see."""

    mine: bool = False
    kinds: tuple[str, ...] = ()
    about: str | None = None
    states: tuple[State, ...] = ()

"""All SQL of jobs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from cityheart.kernel.actors import Actor
from cityheart.kernel.jobs.models import OVER, Job, Sought, State
from cityheart.kernel.schema import Json, UtcDateTime, metadata

__all__ = [
    "before",
    "change",
    "expired",
    "find",
    "forget",
    "insert",
    "jobs",
    "last_begun",
    "note",
    "silent",
    "something_due",
    "there",
    "under_way",
    "waits_of",
]

job_table = sa.Table(
    "job",
    metadata,
    sa.Column("id", sa.String(60), primary_key=True),
    sa.Column("kind", sa.String(60), nullable=False),
    sa.Column("about", sa.String(120), nullable=False),
    sa.Column("title", Json, nullable=False),
    sa.Column("path", sa.String(200), nullable=False),
    sa.Column("asker", sa.String(120), nullable=False),
    sa.Column("actor", Json, nullable=False),
    sa.Column("given", Json, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("done", sa.BigInteger, nullable=False),
    sa.Column("total", sa.BigInteger, nullable=False),
    sa.Column("asked_at", UtcDateTime, nullable=False),
    sa.Column("began_at", UtcDateTime, nullable=True),
    sa.Column("beat_at", UtcDateTime, nullable=True),  # one that runs and has not been heard of for long is dead
    sa.Column("worker", sa.String(60), nullable=True),  # the process that is at it
    sa.Column("stop_at", UtcDateTime, nullable=True),  # somebody wants it to stop
    sa.Column("stopped_by", Json, nullable=True),
    sa.Column("ended_at", UtcDateTime, nullable=True),
    sa.Column("seconds", sa.Float, nullable=True),
    sa.Column("failure", Json, nullable=True),
    sa.Column("result", Json, nullable=True),
    sa.Column("expires_at", UtcDateTime, nullable=True),
    sa.Index("ix_job_state_asked_at", "state", "asked_at"),
    sa.Index("ix_job_kind_about_asked_at", "kind", "about", "asked_at"),
    sa.Index("ix_job_asker_asked_at", "asker", "asked_at"),
    sa.Index("ix_job_expires_at", "expires_at"),
)

_J = job_table.c
_UNDER_WAY: tuple[State, ...] = ("waiting", "running")


def insert(conn: sa.Connection, job: Job) -> None:
    """A job that was asked for."""
    actor = job.actor
    conn.execute(
        job_table.insert().values(
            id=job.id, kind=job.kind, about=job.about, title=dict(job.title), path=job.path, asker=actor.id,
            actor={
                "id": actor.id, "name": actor.name, "department": actor.department, "roles": sorted(actor.roles),
                "under": sorted(actor.under), "deputy_for": list(actor.deputy_for),
            },
            given=dict(job.given), state=job.state, done=job.done, total=job.total, asked_at=job.asked_at,
        )
    )  # fmt: skip


def find(conn: sa.Connection, id: str) -> Job | None:
    """One job."""
    row = conn.execute(sa.select(job_table).where(_J.id == id)).one_or_none()
    return None if row is None else _job(row)


def jobs(
    conn: sa.Connection,
    sought: Sought,
    asker: str,
    kinds: Collection[str],
    after: int,
    limit: int,
    without: Collection[str] = (),
) -> tuple[list[Job], int]:
    """Jobs of one person, and of others those of ``kinds``, the newest first without the first ``after``; how many.

    Results are read ``without`` these of their fields: a page of whole ones could be hundreds of megabytes.
    """
    where = [_J.asker == asker if sought.mine else sa.or_(_J.asker == asker, _J.kind.in_(sorted(kinds)))]
    where += [_J.kind.in_(sought.kinds)] if sought.kinds else []
    where += [] if sought.about is None else [_J.about == sought.about]
    where += [_J.state.in_(sought.states)] if sought.states else []
    total = conn.execute(sa.select(sa.func.count()).select_from(job_table).where(*where)).scalar_one()
    order = (_J.asked_at.desc(), _J.id.desc())
    columns = [_without(conn, without) if column is _J.result else column for column in _J]
    rows = conn.execute(sa.select(*columns).where(*where).order_by(*order).limit(limit).offset(after))
    return [_job(row) for row in rows], int(total)


def _without(conn: sa.Connection, fields: Collection[str]) -> sa.ColumnElement[Any]:
    names = sorted(fields)
    left: sa.ColumnElement[Any]
    if conn.dialect.name == "sqlite":
        left = sa.func.json_remove(_J.result, *(f'$."{name}"' for name in names), type_=Json)
    else:
        left = _J.result.op("-", return_type=Json)(sa.cast(names, postgresql.ARRAY(sa.Text)))
    return left.label("result")


def under_way(conn: sa.Connection) -> list[Job]:
    """What waits and what runs, in the order of asking."""
    rows = conn.execute(sa.select(job_table).where(_J.state.in_(_UNDER_WAY)).order_by(_J.asked_at, _J.id))
    return [_job(row) for row in rows]


def waits_of(conn: sa.Connection, asker: str) -> int:
    """How many jobs of a person wait."""
    mine = sa.select(sa.func.count()).select_from(job_table).where(_J.asker == asker, _J.state == "waiting")
    return int(conn.execute(mine).scalar_one())


def before(conn: sa.Connection, jobs: Collection[Job]) -> Mapping[str, int]:
    """Of each of these jobs that waits, how many were asked for before it and are not over."""
    waiting = [job for job in jobs if job.state == "waiting"]
    if not waiting:
        return {}
    rows = conn.execute(sa.select(_J.id).where(_J.state.in_(_UNDER_WAY)).order_by(_J.asked_at, _J.id)).scalars()
    places = {id: place for place, id in enumerate(rows)}
    return {job.id: places.get(job.id, 0) for job in waiting}


def last_begun(conn: sa.Connection, askers: Collection[str]) -> dict[str, datetime]:
    """When something of each of these persons was last begun."""
    rows = conn.execute(
        sa.select(_J.asker, sa.func.max(_J.began_at, type_=UtcDateTime).label("at"))
        .where(_J.asker.in_(sorted(askers)), _J.began_at.is_not(None))
        .group_by(_J.asker)
    )
    return {row.asker: row.at for row in rows}


def note(
    conn: sa.Connection, id: str, worker: str, done: int, total: int, now: datetime
) -> tuple[bool, datetime | None]:
    """Note how far a job is: whether this process still has it, and since when it is to stop."""
    mine = sa.and_(_J.id == id, _J.worker == worker, _J.state == "running")
    noted = conn.execute(job_table.update().where(mine).values(done=done, total=total, beat_at=now))
    return noted.rowcount == 1, conn.execute(sa.select(_J.stop_at).where(_J.id == id)).scalar_one_or_none()


def change(
    conn: sa.Connection, id: str, was: State, values: Mapping[str, object], *, worker: str | None = None
) -> bool:
    """Change a job that is in a state, and in the hands of a process where one is named; whether it was."""
    where = [_J.id == id, _J.state == was] + ([] if worker is None else [_J.worker == worker])
    return conn.execute(job_table.update().where(*where).values(**values)).rowcount == 1


def silent(conn: sa.Connection, since: datetime) -> list[Job]:
    """Jobs that are said to run and were not heard of since."""
    rows = conn.execute(sa.select(job_table).where(_J.state == "running", _J.beat_at < since).order_by(_J.id))
    return [_job(row) for row in rows]


def something_due(conn: sa.Connection, since: datetime, now: datetime) -> bool:
    """Whether something waits, runs without having been heard of since, or is past its time."""
    due = sa.or_(
        sa.exists().where(_J.state == "waiting"),
        sa.exists().where(_J.state == "running", _J.beat_at < since),
        sa.exists().where(_J.expires_at < now),
    )
    return bool(conn.execute(sa.select(due)).scalar_one())


def expired(conn: sa.Connection, now: datetime, limit: int) -> Sequence[str]:
    """Jobs whose result is kept no longer."""
    found = sa.select(_J.id).where(_J.expires_at < now, _J.state.in_(OVER)).order_by(_J.expires_at).limit(limit)
    return conn.execute(found).scalars().all()


def there(conn: sa.Connection, ids: Collection[str]) -> set[str]:
    """Which of these jobs there are."""
    return set(conn.execute(sa.select(_J.id).where(_J.id.in_(sorted(ids)))).scalars())


def forget(conn: sa.Connection, ids: Collection[str]) -> None:
    """Remove jobs."""
    conn.execute(job_table.delete().where(_J.id.in_(sorted(ids))))


def _job(row: sa.Row[Any]) -> Job:
    who = cast("Mapping[str, Any]", row.actor)
    actor = Actor(
        who["id"], who["name"], who["department"], frozenset(who["roles"]), frozenset(who["under"]),
        tuple(who["deputy_for"]),
    )  # fmt: skip
    return Job(
        row.id, row.kind, row.about, row.title, row.path, actor, row.given, row.state, row.done, row.total, row.asked_at,
        row.began_at, row.beat_at, row.worker, row.stop_at, row.stopped_by, row.ended_at, row.seconds, row.failure,
        row.result, row.expires_at,
    )  # fmt: skip

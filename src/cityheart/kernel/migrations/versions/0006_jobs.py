"""jobs, grants to persons, letters of incidents

Backtests become jobs among others: their rows move from ``trial`` to ``job`` and, on the way down, back.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from alembic import op

from cityheart.kernel.schema import Json, UtcDateTime

revision: str = "0006"
down_revision: str | Sequence[str] | None = "0005"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_KEPT = timedelta(days=366)

_trial = sa.table(
    "trial",
    *(sa.column(name, sa.String) for name in ("id", "detector", "name", "state")),
    *(sa.column(name, Json) for name in ("by", "parameters", "result")),
    *(sa.column(name, UtcDateTime()) for name in ("since", "until", "started_at", "beat_at", "stop_at", "ended_at")),
    sa.column("share", sa.Float),
    sa.column("seconds", sa.Float),
    sa.column("failure", sa.Text),
)
_job = sa.table(
    "job",
    *(sa.column(name, sa.String) for name in ("id", "kind", "about", "path", "asker", "state")),
    *(sa.column(name, Json) for name in ("title", "actor", "given", "failure", "result")),
    *(sa.column(name, UtcDateTime()) for name in ("asked_at", "began_at", "beat_at", "ended_at", "expires_at")),
    *(sa.column(name, sa.BigInteger) for name in ("done", "total")),
    sa.column("seconds", sa.Float),
)
_letter = sa.table("inbox_message", sa.column("path", sa.String), sa.column("incident", sa.String))
_task = sa.table("task", sa.column("id", sa.String), sa.column("incident", sa.String))
_grant, _request = (sa.table(name, sa.column("person", sa.String)) for name in ("share_grant", "share_request"))


def upgrade() -> None:
    op.create_table(
        "job",
        sa.Column("id", sa.String(length=60), nullable=False),
        sa.Column("kind", sa.String(length=60), nullable=False),
        sa.Column("about", sa.String(length=120), nullable=False),
        sa.Column("title", Json, nullable=False),
        sa.Column("path", sa.String(length=200), nullable=False),
        sa.Column("asker", sa.String(length=120), nullable=False),
        sa.Column("actor", Json, nullable=False),
        sa.Column("given", Json, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("done", sa.BigInteger(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("asked_at", UtcDateTime(), nullable=False),
        sa.Column("began_at", UtcDateTime(), nullable=True),
        sa.Column("beat_at", UtcDateTime(), nullable=True),
        sa.Column("worker", sa.String(length=60), nullable=True),
        sa.Column("stop_at", UtcDateTime(), nullable=True),
        sa.Column("stopped_by", Json, nullable=True),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.Column("seconds", sa.Float(), nullable=True),
        sa.Column("failure", Json, nullable=True),
        sa.Column("result", Json, nullable=True),
        sa.Column("expires_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job")),
    )
    with op.batch_alter_table("job", schema=None) as batch_op:
        batch_op.create_index("ix_job_asker_asked_at", ["asker", "asked_at"], unique=False)
        batch_op.create_index("ix_job_expires_at", ["expires_at"], unique=False)
        batch_op.create_index("ix_job_kind_about_asked_at", ["kind", "about", "asked_at"], unique=False)
        batch_op.create_index("ix_job_state_asked_at", ["state", "asked_at"], unique=False)
    with op.batch_alter_table("share_grant", schema=None) as batch_op:
        batch_op.add_column(sa.Column("person", sa.String(length=120), nullable=True))
    with op.batch_alter_table("share_request", schema=None) as batch_op:
        batch_op.add_column(sa.Column("person", sa.String(length=120), nullable=True))
    with op.batch_alter_table("inbox_message", schema=None) as batch_op:
        batch_op.add_column(sa.Column("incident", sa.String(length=60), nullable=True))
        batch_op.create_index(batch_op.f("ix_inbox_message_incident"), ["incident"], unique=False)
    conn = op.get_bind()
    _find_incidents(conn)
    for row in conn.execute(sa.select(_trial)).all():
        conn.execute(_job.insert().values(_as_job(row)))
    with op.batch_alter_table("trial", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_trial_state"))
        batch_op.drop_index("ix_trial_detector_id")
    op.drop_table("trial")


def _find_incidents(conn: sa.Connection) -> None:
    """Older letters name their incident by where they lead: to it, or to one of its tasks."""
    path = _letter.c.path
    conn.execute(
        _letter.update()
        .where(path.like("/incidents/%"))
        .values(incident=sa.func.substr(path, len("/incidents/") + 1, 60))
    )
    held = sa.select(_task.c.incident).where(_task.c.id == sa.func.substr(path, len("/tasks/") + 1)).scalar_subquery()
    conn.execute(_letter.update().where(path.like("/tasks/%")).values(incident=held))


def _as_job(row: sa.Row[Any]) -> dict[str, object]:
    hours = max(1, round((row.until - row.since) / timedelta(hours=1)) * (2 if row.parameters else 1))
    return {
        "id": row.id,
        "kind": "trial",
        "about": row.detector,
        "title": {"zh-CN": row.name, "en": row.name},
        "path": f"/detectors/{row.detector}?trial={row.id}",
        "asker": row.by["id"],
        "actor": {**row.by, "department": None, "roles": [], "under": [], "deputy_for": []},
        "given": {
            "since": row.since.isoformat(),
            "until": row.until.isoformat(),
            "parameters": row.parameters,
        },
        "state": "interrupted" if row.state == "running" else row.state,
        "done": round(row.share * hours),
        "total": hours,
        "asked_at": row.started_at,
        "began_at": row.started_at,
        "beat_at": row.beat_at,
        "ended_at": row.ended_at or row.beat_at,
        "seconds": row.seconds,
        "failure": None if row.failure is None else {"zh-CN": row.failure, "en": row.failure},
        "result": row.result,
        "expires_at": (row.ended_at or row.beat_at) + _KEPT,
    }


def downgrade() -> None:
    op.create_table(
        "trial",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("detector", sa.String(length=80), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("by", Json, nullable=False),
        sa.Column("parameters", Json, nullable=False),
        sa.Column("since", UtcDateTime(), nullable=False),
        sa.Column("until", UtcDateTime(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("share", sa.Float(), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("beat_at", UtcDateTime(), nullable=False),
        sa.Column("stop_at", UtcDateTime(), nullable=True),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.Column("seconds", sa.Float(), nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column("result", Json, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trial")),
    )
    with op.batch_alter_table("trial", schema=None) as batch_op:
        batch_op.create_index("ix_trial_detector_id", ["detector", "id"], unique=False)
        batch_op.create_index(batch_op.f("ix_trial_state"), ["state"], unique=False)
    conn = op.get_bind()
    for row in conn.execute(sa.select(_job).where(_job.c.kind == "trial")).all():
        conn.execute(_trial.insert().values(_as_trial(row)))
    with op.batch_alter_table("job", schema=None) as batch_op:
        batch_op.drop_index("ix_job_state_asked_at")
        batch_op.drop_index("ix_job_kind_about_asked_at")
        batch_op.drop_index("ix_job_expires_at")
        batch_op.drop_index("ix_job_asker_asked_at")
    op.drop_table("job")
    with op.batch_alter_table("inbox_message", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_inbox_message_incident"))
        batch_op.drop_column("incident")
    # what names a person would be a grant to everybody of its department without the name, or to nobody
    op.execute(_request.delete().where(_request.c.person.is_not(None)))
    op.execute(_grant.delete().where(_grant.c.person.is_not(None)))
    with op.batch_alter_table("share_request", schema=None) as batch_op:
        batch_op.drop_column("person")
    with op.batch_alter_table("share_grant", schema=None) as batch_op:
        batch_op.drop_column("person")


def _as_trial(row: sa.Row[Any]) -> dict[str, object]:
    over = row.state in ("done", "stopped", "failed", "interrupted")
    return {
        "id": row.id[:40],
        "detector": row.about,
        "name": row.title["en"],
        "by": {"id": row.actor["id"], "name": row.actor["name"]},
        "parameters": row.given["parameters"],
        "since": datetime.fromisoformat(row.given["since"]),
        "until": datetime.fromisoformat(row.given["until"]),
        "state": row.state if over else "interrupted",
        "share": row.done / row.total if row.total else 0.0,
        "started_at": row.began_at or row.asked_at,
        "beat_at": row.beat_at or row.asked_at,
        "stop_at": None,
        "ended_at": row.ended_at,
        "seconds": row.seconds,
        "failure": None if row.failure is None else row.failure["en"],
        "result": row.result,
    }

"""The migrations make exactly the tables of the code, on both databases, and can be taken back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

import cityheart.city  # noqa: F401  (every table of the system)
from cityheart.kernel import migrate
from cityheart.kernel.clock import VirtualClock
from cityheart.kernel.database import Database
from cityheart.kernel.ids import Ids
from cityheart.kernel.jobs import store as jobs
from cityheart.kernel.schema import Json, UtcDateTime, metadata
from cityheart.serve.inbox import store as inbox
from cityheart.share.grants import store as grants


def test_migrations_lead_to_the_tables_of_the_code(database_url: str, clock: VirtualClock, ids: Ids) -> None:
    database = Database(database_url, clock, ids)
    assert migrate.pending(database)
    migrate.upgrade(database)
    assert migrate.pending(database) == []
    assert migrate.differences(database) == []
    tables = set(sa.inspect(database.engine).get_table_names())
    assert tables == {*metadata.tables, "alembic_version"}
    migrate.upgrade(database)
    database.close()


def _to_0005(database: Database, move: Callable[[Config, str], None]) -> None:
    config = migrate._config()
    with database.connect() as connection, connection.begin():
        config.attributes["connection"] = connection
        move(config, "0005")


def test_a_store_of_before_jobs_keeps_its_backtests_grants_and_letters(
    database_url: str, clock: VirtualClock, ids: Ids
) -> None:
    """Up, with what was there; down again with what there is then; and up once more."""
    database = Database(database_url, clock, ids)
    _to_0005(database, command.upgrade)
    at = datetime(2020, 1, 1, tzinfo=UTC)
    who = {"id": "user-ann", "name": {"zh-CN": "安", "en": "Ann"}}

    def fill(table: str, **values: object) -> None:
        columns = [sa.column(name, _type(value)) for name, value in values.items()]
        with database.engine.begin() as conn:
            conn.execute(sa.table(table, *columns).insert().values(values))

    for state, result, ended in (("done", {"kept_total": 4}, at + timedelta(hours=1)), ("running", None, None)):
        fill(
            "trial", id=f"trial-{state}", detector="noise.loud", name="五月", by=who, parameters={"limit": 3},
            since=at, until=at + timedelta(days=2), state=state, share=1.0 if ended else 0.25, started_at=at, beat_at=at,
            ended_at=ended, seconds=2.5, failure=None, result=result,
        )  # fmt: skip
    grant: dict[str, Any] = {
        "dataset": "calls", "department": "fire", "role": None, "handlers": False, "title": who["name"],
        "purpose": who["name"], "columns": ["id"], "rows": None, "uses": ["read"], "state": "given", "since": at,
        "until": None, "origin": "", "reason": "", "revision": 1,
    }  # fmt: skip
    fill("share_grant", id="grant-1", **grant)
    letter = {"recipient": "fire", "key": "k", "topic": "x", "subject": who["name"], "lines": [], "at": at}
    fill("inbox_message", id="letter-1", path="/incidents/incident-7", **letter)
    fill("inbox_message", id="letter-2", path="/tasks/task-of-nobody", **letter)

    migrate.upgrade(database)
    assert migrate.differences(database) == []
    with database.read() as conn:
        done, died = (jobs.find(conn, f"trial-{state}") for state in ("done", "running"))
        assert done is not None and died is not None
        assert (done.kind, done.about, done.title["en"], done.state) == ("trial", "noise.loud", "五月", "done")
        assert done.given == {
            "since": at.isoformat(),
            "until": (at + timedelta(days=2)).isoformat(),
            "parameters": {"limit": 3},
        }
        assert (done.done, done.total, done.result, done.actor.id) == (96, 96, {"kept_total": 4}, "user-ann")
        assert (died.state, died.done, died.expires_at) == ("interrupted", 24, at + timedelta(days=366))
        (given,) = grants.in_force(conn)
        assert given.to.department == "fire" and given.to.person is None
        letters = [inbox.find(conn, f"letter-{n}") for n in (1, 2)]
        assert [one and one.incident for one in letters] == ["incident-7", None]
    fill("share_grant", id="grant-2", person="user-ann", **grant)

    _to_0005(database, command.downgrade)
    with database.read() as conn:
        rows = conn.execute(sa.text("select id, detector, state, share from trial order by id")).all()
        assert [tuple(row) for row in rows] == [
            ("trial-done", "noise.loud", "done", 1.0), ("trial-running", "noise.loud", "interrupted", 0.25),
        ]  # fmt: skip
        left = conn.execute(sa.text("select id from share_grant")).scalars().all()
        assert left == ["grant-1"], "what was for one person is not left to the whole department"
    migrate.upgrade(database)
    with database.read() as conn:
        again = jobs.find(conn, "trial-done")
    assert again is not None and again.result == {"kept_total": 4} and again.ended_at == at + timedelta(hours=1)
    database.close()


def _type(value: object) -> sa.types.TypeEngine[Any]:
    if isinstance(value, datetime):
        return UtcDateTime()
    return Json if isinstance(value, (dict, list)) else sa.types.NullType()

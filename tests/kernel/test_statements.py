"""Statements of the hottest paths say, read and refuse what SQLAlchemy does, on both databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
import sqlalchemy as sa

from cityheart.kernel.actors import Actor
from cityheart.kernel.database import Database
from cityheart.kernel.schema import Json, UtcDateTime
from cityheart.kernel.statements import Statement, savepoint

ALICE = Actor.system("alice")
AT = datetime(2015, 11, 1, 8, 30, 0, 5, tzinfo=UTC)
TABLES = sa.MetaData()
TABLE = sa.Table(
    "kept",
    TABLES,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("at", UtcDateTime),
    sa.Column("said", Json),
    sa.Column("yes", sa.Boolean),
    sa.Column("share", sa.Float),
    sa.Column("word", sa.String(20), server_default="left"),
)
ROWS: list[dict[str, object]] = [
    {"id": 1, "at": AT, "said": {"名": ["字", 1.5, None]}, "yes": True, "share": 0.1, "word": "first"},
    {"id": 2, "at": AT.astimezone(timezone(timedelta(hours=8))), "said": [], "yes": False, "share": 2.0, "word": "二"},
    {"id": 3, "at": None, "said": None, "yes": None, "share": None, "word": None},
]


def test_what_is_written_and_read_is_what_sqlalchemy_writes_and_reads(database: Database) -> None:
    new, at_once = Statement(TABLE.insert()), Statement(TABLE.insert().returning(TABLE.c.word, TABLE.c.id))
    early = Statement(
        sa.select(TABLE).where(sa.or_(TABLE.c.at <= sa.bindparam("until"), TABLE.c.at.is_(None))).order_by(TABLE.c.id)
    )
    changed = Statement(TABLE.update().where(TABLE.c.id == sa.bindparam("_id")))
    with database.work(ALICE) as work:
        TABLES.create_all(work.conn)
        new.run_all(work.conn, ROWS)
        told = at_once.one(work.conn, {"id": 4, "at": AT + timedelta(days=1)})  # others are left to the database
        assert (told.id, told.word) == (4, "left")
        work.conn.execute(TABLE.insert(), [{**row, "id": 10 + number} for number, row in enumerate(ROWS)])
    with database.read() as conn:
        read = [row._asdict() for row in early.all(conn, {"until": AT})]
        assert read == [dict(row) for row in conn.execute(sa.select(TABLE).where(TABLE.c.id != 4)).mappings()]
        assert [list(row.values())[1:] for row in read[:3]] == [list(row.values())[1:] for row in read[3:]]
        assert early.value(conn, {"until": AT - timedelta(days=9)}) == 3
    with database.work(ALICE) as work:
        changed.run(work.conn, {"_id": 1, "yes": False})
        changed.run(work.conn, {"_id": 1, "said": None, "at": AT + timedelta(hours=1)})
        row = Statement(sa.select(TABLE).where(TABLE.c.id == 1)).one(work.conn)
        assert (row.yes, row.said, row.at, row.word) == (False, None, AT + timedelta(hours=1), "first")
        assert Statement(sa.select(TABLE.c.id).where(TABLE.c.id == 99)).one(work.conn) is None
        TABLES.drop_all(work.conn)


def test_a_refusal_is_that_of_sqlalchemy_and_leaves_the_transaction_as_it_was(database: Database) -> None:
    new = Statement(TABLE.insert())
    with database.work(ALICE) as work:
        TABLES.create_all(work.conn)
        new.run(work.conn, ROWS[0])
        with pytest.raises(sa.exc.IntegrityError) as refused, work.conn.begin_nested():
            new.run(work.conn, ROWS[0])
        assert refused.value.orig is not None
        with pytest.raises(sa.exc.IntegrityError), work.conn.begin_nested():
            new.run_all(work.conn, ROWS)
        if database.dialect == "sqlite":
            with pytest.raises(RuntimeError), savepoint(work.conn):
                new.run_all(work.conn, ROWS[1:])
                raise RuntimeError
            with savepoint(work.conn):
                new.run(work.conn, ROWS[2])
            assert [row.id for row in work.conn.execute(sa.select(TABLE.c.id))] == [1, 3]
        TABLES.drop_all(work.conn)
    with database.connect() as conn, pytest.raises((AssertionError, sa.exc.ProgrammingError)):
        new.run(conn, ROWS[0])  # nobody began anything, or there is no such table

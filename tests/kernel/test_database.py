"""The unit of work, commands by id, events and their chain, subscriptions: on both databases."""

from __future__ import annotations

import hashlib
import json
import threading
from datetime import datetime, timedelta, timezone

import pytest
import sqlalchemy as sa

from cityheart.kernel import events, outbox
from cityheart.kernel.actors import Actor
from cityheart.kernel.clock import SystemClock, VirtualClock
from cityheart.kernel.database import Database, Work
from cityheart.kernel.errors import Conflict, Invalid, Unavailable
from cityheart.kernel.ids import Ids, derive

ALICE = Actor.system("alice")


def test_a_failed_work_leaves_nothing(database: Database) -> None:
    with pytest.raises(RuntimeError), database.work(ALICE) as work:
        work.emit("a:1", "thing.made", {"x": 1})
        work.post("k", "t", {})
        raise RuntimeError
    with database.read() as conn:
        assert events.read(conn) == []
        assert conn.execute(sa.select(sa.func.count()).select_from(outbox.outbox_table)).scalar() == 0


def test_reading_cannot_write_on_postgresql_and_times_come_back_aware(database: Database, clock: VirtualClock) -> None:
    with database.work(ALICE) as work:
        work.emit("a:1", "thing.made", {"when": clock.now()})
    with database.read() as conn:
        (event,) = events.read(conn)
    assert event.at == clock.now() and event.at.utcoffset() == timedelta(0)
    assert event.data == {"when": "2015-11-01T00:00:00.000000Z"}
    if database.dialect == "postgresql":
        with pytest.raises(sa.exc.InternalError), database.read() as conn:
            conn.execute(events.event_table.delete())


def test_a_store_without_room_says_so_and_a_mistake_stays_one(database: Database) -> None:
    with database.work(ALICE) as work:
        work.emit("a:1", "thing.made", {"n": 0})
    full = sa.text("pragma max_page_count = 1")
    if database.dialect == "postgresql":
        full = sa.text("do $$ begin raise exception 'no room' using errcode = 'disk_full'; end $$")
    with pytest.raises(Unavailable, match=r"cannot go on: .*(full|no room)"), database.work(ALICE) as work:
        work.conn.execute(full)
        for n in range(100):
            work.emit("a:1", "thing.made", {"n": n, "words": "x" * 1_000})
    if database.dialect == "sqlite":
        database.close()
    with database.work(ALICE) as work:
        assert work.emit("a:1", "thing.made", {"n": 1}).n == 2
    with pytest.raises(sa.exc.DBAPIError), database.work(ALICE) as work:
        work.conn.execute(sa.text("select nothing_of_the_kind"))


def test_a_value_that_cannot_be_stored_is_refused(database: Database) -> None:
    table, early = events.event_table.c, datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14)))
    with pytest.raises(Invalid, match="cannot be stored"), database.read() as conn:
        conn.execute(sa.select(table.seq).where(table.at > early))
    if database.dialect == "postgresql":  # SQLite holds it
        with pytest.raises(Invalid, match="cannot be stored"), database.read() as conn:
            conn.execute(sa.select(table.seq).where(table.stream == "a\x00b"))


def test_the_same_click_from_fifty_threads_runs_once(database: Database) -> None:
    ran: list[int] = []
    results: list[dict[str, object]] = []

    def do(work: Work) -> dict[str, object]:
        ran.append(1)
        return {"id": work.emit("a:1", "thing.made", {}).id}

    def click() -> None:
        results.append(database.once(ALICE, "click-0001", "make", {"a": 1}, do))

    threads = [threading.Thread(target=click) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ran) == 1
    assert results == [{"id": "a:1#1"}] * 50


def test_a_command_id_stands_for_one_command(database: Database) -> None:
    database.once(ALICE, "click-0001", "make", {"a": 1}, lambda work: {})
    with pytest.raises(Conflict):
        database.once(ALICE, "click-0001", "make", {"a": 2}, lambda work: {})
    with pytest.raises(Invalid):
        database.once(ALICE, "x", "make", {}, lambda work: {})


def test_a_command_that_fails_may_be_tried_again(database: Database) -> None:
    def fail(work: Work) -> dict[str, object]:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        database.once(ALICE, "click-0001", "make", {}, fail)
    assert database.once(ALICE, "click-0001", "make", {}, lambda work: {"ok": True}) == {"ok": True}


def test_writers_of_many_streams_keep_every_chain(database: Database) -> None:
    def write(worker: int) -> None:
        for i in range(10):
            with database.work(ALICE) as work:
                work.emit(f"stream:{i % 3}", "thing.made", {"worker": worker, "i": i})

    threads = [threading.Thread(target=write, args=(worker,)) for worker in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.read() as conn:
        assert len(events.read(conn)) == 60
        assert events.verify(conn) == []


@pytest.mark.parametrize("tamper", ["change", "remove", "remove stream"])
def test_tampering_is_found(database: Database, tamper: str) -> None:
    for n in range(4):
        with database.work(ALICE) as work:
            work.emit(f"a:{n % 2}", "thing.made", {"n": n})
    with database.work(ALICE) as work:
        assert events.seal(work) is not None
    with database.work(ALICE) as work:
        assert events.seal(work) is None
    table = events.event_table
    with database.work(ALICE) as work:
        if tamper == "change":
            work.conn.execute(table.update().where(table.c.seq == 2).values(data={"n": 7}))
        elif tamper == "remove":
            work.conn.execute(table.delete().where(table.c.seq == 1))
        else:
            work.conn.execute(table.delete().where(table.c.stream == "a:1"))
    with database.read() as conn:
        assert events.verify(conn)


def test_an_event_is_hashed_as_anybody_can_recompute_it(database: Database) -> None:
    with database.work(ALICE) as work:
        first = work.emit("run:1", "task.closed", {"b": [1.50, "x"], "a": {2: "二", 10: None}, "at": work.now})
    with database.read() as conn:
        (event,) = events.read(conn, stream="run:1")
    at = event.at.isoformat(timespec="microseconds")[:26] + "Z"
    parts = [event.stream, event.n, event.type, at, event.actor, event.data, event.prev]
    said = json.dumps(parts, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    assert event.hash == first.hash == hashlib.sha256(said.encode()).hexdigest()
    assert event.data["a"] == {"10": None, "2": "二"} and database.appended == 1


def test_what_is_undone_was_never_appended(database: Database) -> None:
    with pytest.raises(ZeroDivisionError), database.work(ALICE) as work:
        work.emit("run:1", "task.closed", {})
        _ = 1 / 0
    assert database.appended == 0


def test_a_subscription_goes_on_after_a_restart_and_handles_once(
    database: Database, clock: VirtualClock, ids: Ids
) -> None:
    seen: list[int] = []

    def handle(work: Work, event: events.Event) -> None:
        if event.data["n"] == 3 and len(seen) == 3:
            seen.append(-1)
            raise RuntimeError("the process dies here")
        seen.append(int(str(event.data["n"])))
        work.emit("b:1", "copy.made", {"n": event.data["n"]})

    subscription = events.Subscription("copier", frozenset({"thing.made"}), handle)
    for n in range(5):
        with database.work(ALICE) as work:
            work.emit("a:1", "thing.made", {"n": n})
    assert events.deliver(database, subscription, limit=3) == 3
    with pytest.raises(RuntimeError):
        events.deliver(database, subscription)
    again = Database(database.engine.url.render_as_string(hide_password=False), clock, ids)
    assert events.deliver(again, subscription) == 2
    assert events.deliver(again, subscription) == 0
    again.close()
    with database.read() as conn:
        assert [event.data["n"] for event in events.read(conn, types={"copy.made"})] == [0, 1, 2, 3, 4]


def test_a_reader_misses_nothing_that_is_committed_later(postgres_database: str) -> None:
    """A transaction that began first draws its number second and is committed first."""
    clock = SystemClock()
    database = Database(postgres_database, clock, Ids(clock, seed=1))
    database.create_all()
    state = sa.insert(outbox.outbox_table)
    message = {"key": "k", "topic": "t", "payload": {}, "attempts": 0, "state": "waiting"}
    with database.work(ALICE) as second:
        with database.work(ALICE) as first:
            first.conn.execute(state, message | {"next_at": first.now, "posted_at": first.now})
            early = second.emit("b:1", "thing.made", {}).seq
            late = first.emit("a:1", "thing.made", {}).seq
        assert early < late
        with database.read() as conn:
            assert events.read(conn) == [] and events.last(conn) == 0
            assert events.scan(conn, 0, {"thing.made"}, 10) == []
        with database.work(ALICE) as sealing:
            assert events.seal(sealing) is None
    with database.read() as conn:
        assert [event.seq for event in events.read(conn)] == [early, late] and events.last(conn) == late
    with database.work(ALICE) as idle, database.work(ALICE) as first:  # who writes nothing keeps nobody from reading
        for one in (first, idle):
            one.conn.execute(sa.text("select pg_current_xact_id()"))
        with database.work(ALICE) as second:
            early = second.emit("b:1", "thing.made", {}).seq
        late = first.emit("a:1", "thing.made", {}).seq
        first.conn.commit()
        with database.read() as conn:
            assert [event.seq for event in events.read(conn, after=early - 1)] == [early, late]
    database.close()


def test_ids_sort_by_time_repeat_with_a_seed_and_derive_from_content(clock: VirtualClock) -> None:
    first, second = Ids(clock, 7), Ids(clock, 7)
    drawn = [first.new("a") for _ in range(3)]
    assert drawn == [second.new("a") for _ in range(3)] and len(set(drawn)) == 3
    clock.advance_to(clock.now() + timedelta(seconds=1))
    assert first.new("a") > max(drawn)
    assert derive("task", "a", "b") == derive("task", "a", "b") != derive("task", "ab")

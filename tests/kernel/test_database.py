"""The unit of work, commands by id, events and their chain, subscriptions: on both databases."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
import sqlalchemy as sa

from cityheart.kernel import events, outbox
from cityheart.kernel.actors import Actor
from cityheart.kernel.clock import VirtualClock
from cityheart.kernel.database import Database, Work
from cityheart.kernel.errors import Conflict, Invalid
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


def test_ids_sort_by_time_repeat_with_a_seed_and_derive_from_content(clock: VirtualClock) -> None:
    first, second = Ids(clock, 7), Ids(clock, 7)
    drawn = [first.new("a") for _ in range(3)]
    assert drawn == [second.new("a") for _ in range(3)] and len(set(drawn)) == 3
    clock.advance_to(clock.now() + timedelta(seconds=1))
    assert first.new("a") > max(drawn)
    assert derive("task", "a", "b") == derive("task", "a", "b") != derive("task", "ab")

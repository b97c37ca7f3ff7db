"""Workers side by side: other versions, other clocks, the same click, a plan that is edited meanwhile. Both databases."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from cityheart.account.service import Account
from cityheart.command import store
from cityheart.command.service import Command
from cityheart.kernel import events, limits, migrate, outbox
from cityheart.kernel.clock import StoreClock, SystemClock, VirtualClock
from cityheart.kernel.database import Database
from cityheart.kernel.errors import Conflict
from cityheart.kernel.ids import Ids

from ..command.scene import START, SYSTEM, Desk, centre, minutes, plan, step

PLAN = plan(step("a", "industry"), step("b", "health", delay="PT30M"))
LATER = {**PLAN, "version": "2", "steps": [{**PLAN["steps"][0], "due": "PT9H"}, step("c", "ecology")]}  # type: ignore[index]


def _beside(database: Database, folder: Path, clock: VirtualClock | SystemClock | None = None) -> Command:
    """Another process on the same store."""
    url = database.engine.url.render_as_string(hide_password=False)
    own = clock or VirtualClock(database.clock.now())
    return centre(Database(url, own, Ids(own, seed=2)), folder)


def _closed(command: Command) -> None:
    command._database.close()


# ── the same click ─────────────────────────────────────────────────────────────────────────────────────────────


def test_a_hundred_identical_clicks_in_fifty_threads_are_one(database: Database, tmp_path: Path) -> None:
    """Two processes, a hundred clicks: one run; then fifty people accept the same task: one of them has it."""
    first, second = centre(database, tmp_path), _beside(database, tmp_path)
    digest = first.publish(SYSTEM, PLAN)
    answers: list[dict[str, object]] = []

    def click(number: int) -> None:
        for _ in range(2):
            command = second if number % 2 else first
            spec = {"title": {"zh-CN": "事", "en": "x"}, "level": 2}
            answers.append(command.dispatch(SYSTEM, "the-same-click", spec, digest))

    _at_once(50, click)
    assert len(answers) == 100 and all(answer == answers[0] for answer in answers)
    with database.read() as conn:
        types = Counter(event.type for event in events.read(conn, stream=f"run:{answers[0]['run_id']}"))
    assert types == {"run.started": 1, "task.dispatched": 1}

    ((_, (task, *_)),) = first.runs(SYSTEM, str(answers[0]["incident_id"]))
    ends: list[str] = []

    def accept(number: int) -> None:
        try:
            (second if number % 2 else first).act(SYSTEM, f"accept-{number:04d}", task.id, "accept")
            ends.append("done")
        except Conflict:
            ends.append("refused")

    _at_once(50, accept)
    assert Counter(ends) == {"done": 1, "refused": 49}
    assert Account(database).verify() == []
    _closed(second)


def test_workers_that_all_look_at_once_fire_each_timer_once(database: Database, tmp_path: Path) -> None:
    desk = Desk(centre(database, tmp_path))
    incidents = [desk.start(PLAN)[0] for _ in range(12)]
    others = [_beside(database, tmp_path, VirtualClock(START + minutes(40))) for _ in range(3)]
    fired: list[int] = []
    _at_once(4, lambda number: fired.append([desk.command, *others][number].tick(START + minutes(40))))
    assert sum(fired) == 24, "each of b was dispatched, each of a was not accepted in time"
    for incident in incidents:
        kinds = Counter(desk.told(incident))
        assert kinds["task.dispatched", "b"] == 1 == kinds["task.late_accept", "a"]
    assert Account(database).verify() == []
    for other in others:
        _closed(other)


def test_a_worker_goes_round_an_incident_that_somebody_holds(database: Database, tmp_path: Path) -> None:
    """On PostgreSQL nobody waits for a transaction that hangs; SQLite has one writer anyway."""
    if database.dialect == "sqlite":
        assert isinstance(database._writer, type(threading.RLock()))
        return
    desk = Desk(centre(database, tmp_path))
    held, free = desk.start(PLAN)[0], desk.start(PLAN)[0]
    other = _beside(database, tmp_path)
    with database.work(SYSTEM) as work:
        store.lock_incident(work.conn, held)
        assert other.tick(START + minutes(30)) == 2, "the other incident's timers"
        assert ("task.dispatched", "b") not in desk.told(held)
    assert ("task.dispatched", "b") in desk.told(free)
    assert other.tick(START + minutes(30)) == 2
    assert ("task.dispatched", "b") in desk.told(held)
    _closed(other)


# ── versions ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_old_worker_leaves_a_plan_it_cannot_read_and_does_the_rest(database: Database, tmp_path: Path) -> None:
    new = Desk(centre(database, tmp_path))
    understood, _ = new.start(PLAN)
    strange, _ = new.start({**PLAN, "plan": "strange"})
    with database.work(SYSTEM) as work:  # as a newer program would have published it
        table = store.plan_table
        canonical = work.conn.execute(sa.select(table.c.canonical).where(table.c.name == "strange")).scalar_one()
        body = json.loads(canonical)
        body["steps"][0]["teleport"] = True
        work.conn.execute(table.update().where(table.c.name == "strange").values(canonical=json.dumps(body)))
    old = _beside(database, tmp_path)
    with capture_logs() as said:
        assert old.tick(START + minutes(30)) == 2
        assert old.tick(START + minutes(30)) == 0
    assert ("task.dispatched", "b") in new.told(understood) and ("task.dispatched", "b") not in new.told(strange)
    ((_, reason),) = old.firing.left.items()
    assert "teleport" in reason
    assert [one["event"] for one in said] == ["worker.run_left"], "it says so, once"
    due = old.next_due()
    assert due is not None and due > START + minutes(30), "what is left does not keep it awake"
    assert new.command.tick(START + minutes(30)) == 2, "the newer program goes on with it"
    assert Account(database).verify() == []
    _closed(old)


def test_a_run_in_a_state_nobody_can_carry_on_stops_nobody(database: Database, tmp_path: Path) -> None:
    desk = Desk(centre(database, tmp_path))
    broken, fine = desk.start(PLAN)[0], desk.start(PLAN)[0]
    with database.work(SYSTEM) as work:
        table = store.task_table
        where = table.c.incident == broken, table.c.step == "b"
        work.conn.execute(table.update().where(*where).values(step="vanished"))
    with capture_logs() as said:
        desk.command.tick(START + minutes(30))
    assert ("task.dispatched", "b") in desk.told(fine)
    assert [one["event"] for one in said] == ["worker.run_left"] and len(desk.command.firing.left) == 1


def test_a_program_older_than_the_store_writes_nothing(
    database_url: str, clock: VirtualClock, ids: Ids, tmp_path: Path
) -> None:
    database = Database(database_url, clock, ids)
    migrate.upgrade(database)
    schema = migrate.Schema(database)
    schema.check(now=True)
    with database.work(SYSTEM) as work:
        work.conn.execute(sa.text("update alembic_version set version_num = '9999'"))
    for look in (lambda: schema.check(now=True), lambda: migrate.upgrade(database), lambda: migrate.pending(database)):
        with pytest.raises(migrate.Outdated, match="9999"):
            look()
    database.close()


# ── clocks ─────────────────────────────────────────────────────────────────────────────────────────────────────


class Wrong(SystemClock):
    """A machine whose clock is wrong by ``by``."""

    def __init__(self, by: timedelta) -> None:
        self.by = by

    def now(self) -> datetime:
        return super().now() + self.by


HOUR = timedelta(hours=1)


def test_on_postgresql_the_time_is_the_stores(postgres_database: str, tmp_path: Path) -> None:
    """A worker an hour ahead fires nothing early; none of three writes a wrong time; leases mean the same to all."""
    centres = {}
    for by in (-HOUR, timedelta(), HOUR):
        clock = Wrong(by)
        centres[by] = centre(Database(postgres_database, clock, Ids(clock)), tmp_path)
    fast, slow, right = centres[HOUR], centres[-HOUR], centres[timedelta()]
    database = right._database
    database.create_all()
    begun = datetime.now(UTC) - timedelta(seconds=2)
    incident, run = Desk(fast).start({**PLAN, "steps": [step("a", "industry"), step("b", "health", delay="PT30M")]})
    for command in centres.values():
        clock = command._database.clock
        assert isinstance(clock, StoreClock) and abs(clock.now() - datetime.now(UTC)) < timedelta(minutes=1)
        assert command.tick(clock.now()) == 0, "nothing is due for half an hour"
    task = Desk(slow).task(incident, "a")
    slow.act(SYSTEM, "accept-by-slow", task.id, "accept")
    assert slow.task(SYSTEM, task.id).accepted_at is not None
    id = Ids(Wrong(HOUR)).new("x")  # and so are new ids: they sort by the store's time
    assert fast._database.ids.new("x") < id
    with database.read() as conn:
        stamped = events.read(conn, stream=f"run:{run}")
        (message,) = conn.execute(sa.select(outbox.outbox_table)).all()
    over = datetime.now(UTC) + timedelta(seconds=2)
    moments = [*(event.at for event in stamped), message.posted_at, task.opened_at]
    assert all(begun <= moment <= over for moment in moments)

    class Held:
        name, batch = "held", 5
        calls = 0

        def recipients(self, message: outbox.Message) -> tuple[str, ...]:
            return ("",)

        def send(self, sending: outbox.Sending, messages: object) -> list[outbox.Outcome]:
            self.calls += 1
            if self.calls == 1:  # meanwhile the fast one looks: the lease holds for it too
                assert outbox.relay(fast._database, sending, self) == 0
            return [outbox.SENT]

    way = Held()
    sending = outbox.Sending(tmp_path, database)
    outbox.route(database, [way])
    assert outbox.relay(database, sending, way) == 1 and way.calls == 1
    assert Account(database).verify() == []
    for command in centres.values():
        _closed(command)


def test_workers_with_clocks_an_hour_apart_keep_the_books_exact(database: Database, tmp_path: Path) -> None:
    """Where the time is the machine's: a run's time only goes on, whoever acts next."""
    begin = START + 2 * HOUR
    clocks = [VirtualClock(begin + by) for by in (-HOUR, timedelta(), HOUR)]
    desks = [Desk(_beside(database, tmp_path, clock)) for clock in clocks]
    for number, desk in enumerate(desks):
        desk.acts = 1000 * number  # each has command ids of its own
    incident, run = desks[1].start({**PLAN, "steps": [step("a", "industry", loop_guard=5), step("b", delay="PT3H")]})
    verbs = [
        "accept",
        "submit",
        "reject",
        "accept",
        "suspend",
        "resume",
        "submit",
        "reject",
        "accept",
        "submit",
        "verify",
    ]
    for turn, verb in enumerate(verbs):
        desk = desks[(2 * turn + 1) % 3]
        desk.act(incident, "a", verb, reason="so", note="done")
        desk.command.tick(clocks[(2 * turn + 1) % 3].now())
        for clock in clocks:
            clock.advance_to(clock.now() + minutes(7))
    with database.read() as conn:
        told = events.read(conn, stream=f"run:{run}")
        assert events.verify(conn) == []
    moments = [str(event.data["at"]) for event in told if "at" in event.data]
    assert len(moments) > len(verbs) and moments == sorted(moments)
    assert Account(database).verify() == []
    for desk in desks:
        _closed(desk.command)


# ── plans ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("restart", [False, True])
def test_a_plan_that_is_edited_meanwhile_changes_nothing_under_way(
    database: Database, clock: VirtualClock, tmp_path: Path, restart: bool
) -> None:
    desk = Desk(centre(database, tmp_path))
    incident, run = desk.start(PLAN)
    newer = desk.command.publish(SYSTEM, LATER)
    if restart:
        desk = Desk(centre(database, tmp_path))
        desk.acts = 100
    clock.advance_to(START + minutes(30))
    desk.command.tick(clock.now())
    assert [task.step for task in desk.tasks(incident)] == ["a", "b"]
    assert desk.task(incident, "a").due == START + timedelta(hours=4)
    desk.act(incident, "a", "accept")
    desk.act(incident, "a", "submit", note="done")
    desk.act(incident, "a", "reject", reason="again")
    assert desk.task(incident, "a").due == START + minutes(30) + timedelta(hours=4), "the next round too"
    assert desk.command.plan_of(run).digest != newer
    other, _ = desk.start(LATER)
    assert [task.step for task in desk.tasks(other)] == ["a", "c"]
    assert desk.task(other, "a").due == START + minutes(30) + timedelta(hours=9)
    with pytest.raises(Conflict):
        desk.command.publish(SYSTEM, {**LATER, "version": "1"})
    assert Account(database).verify() == []


# ── replay ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_scores_of_a_replayed_log_are_the_same(database: Database, clock: VirtualClock, tmp_path: Path) -> None:
    desk = Desk(centre(database, tmp_path))
    for number in range(3):
        incident, _ = desk.start(PLAN)
        desk.act(incident, "a", "accept")
        clock.advance_to(clock.now() + minutes(20 * number))
        desk.act(incident, "a", "submit", note="done")
        desk.act(incident, "a", "verify")
        desk.command.tick(clock.now())
    url = f"sqlite:///{tmp_path / 'replayed.sqlite'}"
    replayed = Database(url, clock, Ids(clock, 3))
    replayed.create_all()
    with database.read() as conn, replayed.work(SYSTEM) as work:
        for row in conn.execute(sa.select(events.event_table).order_by(events.event_table.c.seq)):
            work.conn.execute(events.event_table.insert(), dict(row._mapping))
    since, until = START - timedelta(days=1), START + timedelta(days=2)
    scores = [Account(each).scores(since, until) for each in (database, replayed)]
    assert scores[0].departments == scores[1].departments and scores[0].departments
    with replayed.read() as conn:
        assert events.verify(conn) == []
    replayed.close()


def _at_once(count: int, do: Callable[[int], object]) -> None:
    """Run ``do`` in so many threads that begin together."""
    gate = threading.Barrier(count)
    failures: list[BaseException] = []

    def one(number: int) -> None:
        gate.wait()
        try:
            do(number)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


assert limits.OUTBOX_LEASE < HOUR  # else a clock an hour ahead would prove nothing

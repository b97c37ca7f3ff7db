"""Long work: waits, runs, says how far it is, is stopped from anywhere, survives its process, and is shared fairly."""

from __future__ import annotations

import errno
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cityheart.kernel import events, limits, outbox
from cityheart.kernel.actors import Actor
from cityheart.kernel.clock import VirtualClock
from cityheart.kernel.database import Database
from cityheart.kernel.errors import Forbidden, Invalid, NotFound, TooMany
from cityheart.kernel.jobs import store
from cityheart.kernel.jobs.models import Job, Kind, Sought
from cityheart.kernel.jobs.service import Jobs, Running
from cityheart.kernel.text import text

START = datetime(2020, 1, 1, tzinfo=UTC)
ANN, BEN, STEWARD = (
    Actor(f"user:{name}", text(name, name), department, frozenset({role}))
    for name, department, role in (("ann", "fire", "clerk"), ("ben", "fire", "clerk"), ("steward", None, "steward"))
)


class Work:
    """Kinds of work that stand still until they are let go."""

    def __init__(self, *kinds: str) -> None:
        self.begun = {kind: threading.Event() for kind in kinds}
        self.goes_on = {kind: threading.Event() for kind in kinds}
        self.order: list[str] = []
        self.last: Running | None = None

    def kind(self, id: str) -> Kind:
        unit = text("步", "steps")
        return Kind(
            id, text(id, id), unit, "case.manage", "case.manage", lambda one: self.run(id, one), long=("long",)
        )  # fmt: skip

    def run(self, kind: str, one: Running) -> dict[str, object]:
        self.order.append(one.job.about)
        self.last = one
        one.of(10)
        one.pace(0.4)
        self.begun[kind].set()
        assert self.goes_on[kind].wait(30)
        one.pace(1.0)
        if one.job.given.get("wrong"):
            raise {
                "words": Invalid("no such row", remedy="look again"),
                "fault": ZeroDivisionError(),
                "disk": OSError(errno.ENOSPC, "No space left on device"),
            }[str(one.job.given["wrong"])]
        return {"by": one.actor.id, "long": "x" * int(str(one.job.given.get("long", 1)))}


@pytest.fixture
def wall() -> VirtualClock:
    return VirtualClock(START)


@pytest.fixture
def work() -> Work:
    return Work("slow", "other", "third")


@pytest.fixture
def jobs(
    database: Database, tmp_path: Path, wall: VirtualClock, work: Work, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Jobs]:
    monkeypatch.setattr(limits, "JOB_REST", 0.0)
    monkeypatch.setattr(limits, "JOBS_WAITING", 3)
    made = Jobs(database, tmp_path / "jobs", wall)
    for kind in work.begun:
        made.register(work.kind(kind))
    yield made
    for event in work.goes_on.values():
        event.set()
    made.close()


def asked(jobs: Jobs, actor: Actor, command: str, kind: str = "slow", **given: object) -> str:
    job = jobs.ask(actor, command, kind, title=text("作业", "A job"), given=given, about=command)
    return job.id


def let_go(jobs: Jobs, work: Work) -> None:
    for event in work.goes_on.values():
        event.set()
    jobs.wait()


def told(database: Database) -> list[str]:
    with database.read() as conn:
        return [event.type for event in events.read(conn) if event.stream.startswith("job:")]


def test_a_job_runs_for_who_asked_and_says_how_far_it_is(jobs: Jobs, database: Database, work: Work) -> None:
    id = asked(jobs, ANN, "command-1", rows=3)
    assert asked(jobs, ANN, "command-1", rows=3) == id, "the same click is one job"
    assert work.begun["slow"].wait(30)
    jobs.note()
    with database.read() as conn:
        stored = store.find(conn, id)
    assert stored is not None and (stored.state, stored.done, stored.total) == ("running", 4, 10)
    shown = jobs.job(ANN, id)
    assert (shown["share"], shown["unit"], shown["given"], shown["may"]) == (
        0.4, text("步", "steps"), {"rows": 3}, {"stop": True},
    )  # fmt: skip
    let_go(jobs, work)
    done: Any = jobs.job(ANN, id)
    assert (done["state"], done["done"], done["share"], done["result"]["by"]) == ("done", 10, 1.0, ANN.id)
    assert told(database) == ["job.asked", "job.done"] and done["may"] == {"stop": False}
    with database.read() as conn:
        assert conn.execute(outbox.outbox_table.select()).all() == [], "nobody is written to about quick work"


def test_who_sees_and_stops_what(jobs: Jobs, work: Work) -> None:
    id = asked(jobs, ANN, "command-1")
    with pytest.raises(NotFound):
        jobs.job(BEN, id)
    assert jobs.jobs(BEN)["total"] == 0 and jobs.jobs(STEWARD)["total"] == 1
    assert jobs.jobs(STEWARD, Sought(mine=True))["total"] == 0
    assert jobs.jobs(ANN, Sought(kinds=("other",)))["total"] == 0
    assert work.begun["slow"].wait(30)
    jobs.register(replace(work.kind("slow"), sees="case.read"))
    with pytest.raises(Forbidden):
        jobs.stop(BEN, "command-2", id)
    stopping = jobs.stop(STEWARD, "command-3", id)
    assert stopping["stopping"] and stopping["may"] == {"stop": False}
    let_go(jobs, work)
    stopped: Any = jobs.job(ANN, id)
    assert (stopped["state"], stopped["stopped_by"]["id"], stopped["done"]) == ("stopped", STEWARD.id, 4)
    assert jobs.stop(STEWARD, "command-4", id)["state"] == "stopped"


def test_what_waits_goes_by_turns_and_one_of_a_kind_at_a_time(
    jobs: Jobs, database: Database, work: Work, wall: VirtualClock
) -> None:
    """Ann asks for three before Ben asks for one; Ben is second. What waits can be stopped, and one person waits for few."""
    ids = []
    for number, actor in enumerate((ANN, ANN, ANN, BEN)):
        wall.advance_to(START + timedelta(seconds=number))
        ids.append(asked(jobs, actor, f"command-{number}"))
    assert work.begun["slow"].wait(30)
    states: Any = [jobs.job(ANN, id) for id in ids[:3]]
    assert [one["state"] for one in states] == ["running", "waiting", "waiting"]
    assert [one["before"] for one in states] == [None, 1, 2]
    assert jobs.stop(ANN, "command-8", ids[2])["state"] == "stopped"
    other = asked(jobs, ANN, "command-other", "other")
    assert work.begun["other"].wait(30), "of another kind, so beside the first"
    third = asked(jobs, BEN, "command-third", "third")
    assert jobs.job(BEN, third)["state"] == "waiting", "two are under way"
    for number in range(2):
        asked(jobs, ANN, f"command-more-{number}")
    with pytest.raises(TooMany):
        asked(jobs, ANN, "command-many")
    work.goes_on["slow"].set()
    assert work.begun["third"].wait(30)
    let_go(jobs, work)
    firsts = [about for about in work.order if about in ("command-0", "command-1", "command-3")]
    assert firsts == ["command-0", "command-3", "command-1"] and "command-2" not in work.order
    assert {jobs.find(id).state for id in (*ids[:2], ids[3], other, third)} == {"done"}
    assert told(database).count("job.stopped") == 1


def test_it_is_stopped_and_seen_from_another_process(
    jobs: Jobs, database: Database, work: Work, tmp_path: Path, wall: VirtualClock
) -> None:
    elsewhere = Jobs(database, tmp_path / "jobs", wall)
    elsewhere.register(work.kind("slow"))
    id = asked(jobs, ANN, "command-1")
    assert work.begun["slow"].wait(30)
    jobs.note()
    assert elsewhere.job(ANN, id)["share"] == 0.4
    waits = elsewhere.ask(BEN, "command-2", "slow", title=text("二", "Second"), given={}, about="command-2")
    elsewhere.wait()
    assert elsewhere.job(BEN, waits.id)["state"] == "waiting", "one of a kind in the whole city"
    assert elsewhere.stop(ANN, "command-3", id)["stopping"]
    jobs.note()
    let_go(jobs, work)
    assert jobs.find(id).state == "stopped"
    assert jobs.find(waits.id).state == "done", "who had room took it, whoever was asked"


def test_a_process_that_dies_leaves_it_interrupted_and_what_waits_is_taken_up(
    jobs: Jobs, database: Database, work: Work, tmp_path: Path, wall: VirtualClock
) -> None:
    """A row that is said to run, in the hands of nobody: as a kill leaves it."""
    died = Job("job-died", "slow", "", text("旧", "Old"), "", ANN, {}, "waiting", 3, 10, START)
    left = replace(died, id="job-left", about="left", asked_at=START + timedelta(seconds=1))
    with database.work(ANN) as unit:
        store.insert(unit.conn, died)
        store.insert(unit.conn, left)
        begun = {"state": "running", "worker": "gone", "began_at": START, "beat_at": START}
        assert store.change(unit.conn, died.id, "waiting", begun)
    let_go(jobs, work)
    jobs.look_after()
    jobs.wait()
    assert jobs.job(ANN, died.id)["state"] == "running" and jobs.find(left.id).state == "waiting"
    wall.advance_to(START + limits.JOB_SILENT + timedelta(seconds=1))
    assert jobs.job(ANN, died.id)["state"] == "interrupted" and told(database) == [], (
        "seen at once, noted at the next look"
    )
    jobs.start()  # as a program that serves does
    assert work.begun["slow"].wait(30)
    jobs.wait()
    assert (jobs.find(died.id).state, jobs.find(left.id).state) == ("interrupted", "done")
    assert sorted(told(database)) == ["job.done", "job.interrupted"]
    id = asked(jobs, ANN, "command-1")
    jobs.wait()
    work.goes_on["slow"].clear()
    work.begun["slow"].clear()
    id = asked(jobs, ANN, "command-2")
    assert work.begun["slow"].wait(30)
    ending = threading.Thread(target=jobs.close)
    ending.start()
    assert work.last is not None and work.last.halt.wait(30)
    work.goes_on["slow"].set()
    ending.join(30)
    assert jobs.find(id).state == "interrupted", "nobody stopped it: the program ended"


def test_what_fails_says_why_in_both_languages_and_is_kept_for_a_while(
    jobs: Jobs, database: Database, work: Work, wall: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_go(jobs, work)
    monkeypatch.setattr(limits, "JOB_RESULT_BYTES", 100)
    wrong: list[dict[str, object]] = [{"wrong": "words"}, {"wrong": "fault"}, {"long": 200}, {"wrong": "disk"}]
    ids = []
    for number, given in enumerate(wrong):
        ids.append(asked(jobs, ANN, f"command-{number}", "slow", **given))
        jobs.wait()
    ends = [jobs.find(id) for id in ids]
    assert {one.state for one in ends} == {"failed"}
    whys = [one.failure or {} for one in ends]
    assert "no such row → look again" in whys[0]["en"] and "ZeroDivisionError" in whys[1]["zh-CN"]
    assert "too large" in whys[2]["en"] and "磁盘空间已用尽" in whys[3]["zh-CN"]
    assert all(set(why) == {"zh-CN", "en"} for why in whys)
    jobs.folder(ids[0]).mkdir(parents=True)
    (jobs.folder(ids[0]) / "given").write_text("x")
    wall.advance_to(START + limits.JOB_KEPT + timedelta(seconds=1))
    jobs.look_after()
    assert jobs.jobs(ANN)["total"] == 0 and not jobs.folder(ids[0]).exists()


def test_who_may_no_longer_ask_is_not_served(jobs: Jobs, work: Work) -> None:
    """Rights are looked at when the job begins, not only when it was asked for."""
    now = {STEWARD.id: replace(STEWARD, roles=frozenset({"analyst"})), BEN.id: replace(STEWARD, id=BEN.id)}
    jobs.register_people(now.get)
    let_go(jobs, work)
    lost, kept, unknown = (asked(jobs, actor, f"command-{actor.id}") for actor in (STEWARD, BEN, ANN))
    jobs.wait()
    failed, done = jobs.find(lost), jobs.find(kept)
    assert failed.state == "failed" and "may not import" in (failed.failure or {})["en"]
    assert (done.state, jobs.find(unknown).state) == ("done", "done") and STEWARD.id not in (done.result or {})


def test_who_waited_long_is_written_to(
    jobs: Jobs, database: Database, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_go(jobs, work)
    asked(jobs, ANN, "command-1")
    jobs.wait()
    monkeypatch.setattr(limits, "JOB_TOLD", timedelta(0))
    id = asked(jobs, ANN, "command-2")
    jobs.wait()
    with database.read() as conn:
        posted = conn.execute(outbox.outbox_table.select()).all()
    assert [row.payload["job"] for row in posted] == [id] and posted[0].payload["to"] == f"person:{ANN.id}"


def test_a_list_is_read_without_what_is_long(jobs: Jobs, work: Work, wall: VirtualClock) -> None:
    let_go(jobs, work)
    id = asked(jobs, ANN, "command-1", long=3)
    wall.advance_to(START + timedelta(seconds=1))
    asked(jobs, ANN, "command-2", wrong="fault")
    jobs.wait()
    listed: Any = jobs.jobs(ANN)["items"]
    assert [one["result"] for one in listed] == [None, {"by": ANN.id}]
    assert jobs.newest(ANN, Sought(), 2)[1]["result"] == {"by": ANN.id}
    assert jobs.job(ANN, id)["result"] == {"by": ANN.id, "long": "xxx"}


def test_a_clock_that_jumps_interrupts_nothing_that_runs_here(jobs: Jobs, work: Work, wall: VirtualClock) -> None:
    id = asked(jobs, ANN, "command-1")
    assert work.begun["slow"].wait(30)
    wall.advance_to(START + timedelta(hours=5))
    jobs.look_after()
    assert jobs.find(id).state == "running"
    let_go(jobs, work)
    assert jobs.find(id).state == "done"


def test_who_looks_does_not_wait_for_a_job_to_be_taken_up(
    jobs: Jobs, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    taking, looked, under_way = threading.Event(), threading.Event(), store.under_way
    waited: list[bool] = []

    def slowly(conn: Any) -> list[Job]:
        taking.set()
        waited.append(looked.wait(10))
        return under_way(conn)

    monkeypatch.setattr(store, "under_way", slowly)
    let_go(jobs, work)
    with ThreadPoolExecutor() as others:
        asking = others.submit(asked, jobs, ANN, "command-1")
        assert taking.wait(30)
        listed: Any = jobs.jobs(ANN)["items"]
        looked.set()
        id = asking.result(30)
    jobs.wait()
    assert [one["state"] for one in listed] == ["waiting"] and jobs.find(id).state == "done"
    assert waited[0]

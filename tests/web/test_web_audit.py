"""The audit log: found by who, what, about whom and when; proven step by step; taken out as a file. On both databases."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from cityheart.kernel import audit, events, limits
from cityheart.kernel.actors import Actor
from cityheart.kernel.audit import Check
from cityheart.kernel.clock import VirtualClock
from cityheart.kernel.database import Database
from cityheart.kernel.errors import Forbidden, Invalid, TooLarge
from cityheart.kernel.events import event_table
from cityheart.kernel.jobs.service import Jobs
from cityheart.kernel.text import text
from cityheart.serve.service import Serve
from cityheart.web.audit import Audit, Filters, Verifying

SYSTEM = Actor.system("test")
ANALYST = Actor("user:analyst", text("分析员", "Analyst"), None, frozenset({"analyst"}))
HOUR = timedelta(hours=1)


@pytest.fixture
def log(database: Database, clock: VirtualClock) -> Audit:
    """Ten hours: each hour an alert, and somebody who reads what is restricted."""
    serve = Serve(database, wall=clock)
    serve.create(SYSTEM, "wang", "correct horse", name=text("王", "Wang"), department="ecology", roles=["clerk"])
    wang = serve.person("wang").actor()
    for hour in range(10):
        clock.advance_to(clock.now() + HOUR)
        with database.work(Actor.system("watch")) as work:
            work.emit(f"alert:a{hour}", "alert.raised", {"level": 2})
        with database.work(wang) as work:
            work.emit("dataset:firms", "dataset.read", {"rows": hour, "purpose": "=1+1"})
        if hour == 4:
            with database.work(SYSTEM) as work:
                events.seal(work)
    return Audit(database, serve)


def _types(page: dict[str, Any]) -> list[str]:
    return [event["type"] for event in page["items"]]


def _all(log: Audit, filters: Filters, limit: int = 3) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    place: int | None = None
    while True:
        page: Any = log.page(ANALYST, filters, place, limit)
        found += page["items"]
        place = page["next"]
        if place is None:
            return found


def test_events_are_found_newest_first_in_words(log: Audit, clock: VirtualClock) -> None:
    page: Any = log.page(ANALYST, Filters(), None, 2)
    newest = page["items"][0]
    assert (newest["type"], newest["restricted"], newest["title"]["en"][:8]) == ("dataset.read", True, "somebody")
    assert (newest["actor_name"], newest["actor_department"]) == (text("王", "Wang"), "ecology")
    assert page["items"][1]["actor_name"]["en"] == "system (watch)"
    assert len(_all(log, Filters())) == 22


FITTING: list[tuple[dict[str, Any], int]] = [
    ({"actor": "wang"}, 10),
    ({"actor": "system:watch"}, 10),
    ({"department": "ecology"}, 10),
    ({"department": "fire"}, 0),
    ({"kind": "alert"}, 10),
    ({"kind": "account.created"}, 1),
    ({"kind": "no.such"}, 0),
    ({"restricted": True}, 10),
    ({"restricted": True, "kind": "alert"}, 0),
    ({"about": "a3"}, 1),
    ({"about": "alert:a3"}, 1),
    ({"about": "dataset:firms", "actor": "wang"}, 10),
]


def test_filters_leave_what_fits(log: Audit) -> None:
    found = {str(filters): len(_all(log, Filters(**filters))) for filters, _ in FITTING}
    assert found == {str(filters): number for filters, number in FITTING}


def test_times_are_found_without_reading_what_lies_between(
    log: Audit, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "_MARGIN", 2)
    end = clock.now()
    for since, until in ((2, 5), (0, 3), (7, 30), (20, 30)):
        found = _all(log, Filters(since=end - (10 - since) * HOUR, until=end - (10 - until) * HOUR, kind="alert"))
        expected = [hour for hour in range(10, 0, -1) if since <= hour < until]
        assert [event["stream"] for event in found] == [f"alert:a{hour - 1}" for hour in expected]


def test_a_page_looks_back_so_far_and_says_so(log: Audit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "AUDIT_LOOKED_AT", 5)
    page: Any = log.page(ANALYST, Filters(kind="account"), None, 50)
    assert page["items"] == [] and page["next"] is not None and page["looked_to"] is not None
    assert [event["type"] for event in _all(log, Filters(kind="account"))] == ["account.created"]
    monkeypatch.undo()


def test_only_who_may_read_the_log_does_and_nonsense_is_refused(log: Audit, officer: Actor) -> None:
    clerk = Actor("user:c", text("c", "c"), "ecology", frozenset({"clerk"}))
    for call in (
        lambda: log.page(clerk, Filters(), None, 5),
        lambda: log.kinds(clerk),
        lambda: log.export(clerk, Filters(), "csv"),
    ):
        with pytest.raises(Forbidden):
            call()
    with pytest.raises(Invalid):
        log.page(officer, Filters(about="a\x00"), None, 5)
    with pytest.raises(Invalid):
        log.page(officer, Filters.model_validate({"since": "2015-11-01T00:00:00"}), None, 5)


def test_what_is_taken_out_is_whole_harmless_and_told(
    log: Audit, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = "".join(log.export(ANALYST, Filters(kind="dataset"), "jsonl")).splitlines()
    assert [json.loads(line)["data"]["rows"] for line in lines] == list(range(9, -1, -1))
    table = "".join(log.export(ANALYST, Filters(), "csv"))
    assert table.startswith("seq,at,type") and len(table.splitlines()) == 24  # with the export before
    assert "\n=" not in table and ",=" not in table
    with database.read() as conn:
        told = events.read(conn, stream="log:export")
    assert [(event.data["events"], event.data["format"]) for event in told] == [(10, "jsonl"), (23, "csv")]
    monkeypatch.setattr(limits, "AUDIT_EXPORT_ROWS", 5)
    with pytest.raises(TooLarge):
        log.export(ANALYST, Filters(), "csv")
    monkeypatch.undo()


@pytest.fixture
def jobs(database: Database, tmp_path: Path) -> Iterator[Jobs]:
    jobs = Jobs(database, tmp_path / "jobs")
    yield jobs
    jobs.close()


@pytest.fixture
def verifying(database: Database, jobs: Jobs) -> Verifying:
    return Verifying(database, jobs)


def _verified(verifying: Verifying, jobs: Jobs, command: str) -> dict[str, Any]:
    asked = verifying.start(ANALYST, command)
    jobs.wait()
    return jobs.job(ANALYST, str(asked["id"]))


def test_the_log_is_proven_and_the_proof_is_kept(log: Audit, verifying: Verifying, jobs: Jobs) -> None:
    one = _verified(verifying, jobs, "command-1")
    first = one["result"]
    assert (one["state"], first["breaks"], one["share"], one["total"]) == ("done", 0, 1.0, 23)
    assert (first["events"], first["seals"], len(first["digest"])) == (23, 1, 64)  # asking for it is an event
    assert verifying.start(ANALYST, "command-1")["state"] == "done"  # the same click
    second = _verified(verifying, jobs, "command-2")["result"]
    before: Any = verifying.before(ANALYST)
    assert second["breaks"] == 0 and [proof["digest"] for proof in before["items"]] == [
        second["digest"], first["digest"]
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "faults"),
    [
        (event_table.update().where(event_table.c.stream == "alert:a2").values(actor="user:x"), {"content"}),
        (event_table.delete().where(event_table.c.stream == "alert:a2"), {"seal", "proof"}),
        (event_table.delete().where(event_table.c.stream == "alert:a9"), {"proof"}),  # nothing sealed it yet
        (
            event_table.delete().where(event_table.c.stream == "dataset:firms", event_table.c.n == 8),
            {"missing", "proof"},
        ),
    ],
)
def test_what_was_done_to_the_log_is_found(
    log: Audit, database: Database, verifying: Verifying, jobs: Jobs, change: sa.UpdateBase, faults: set[str]
) -> None:
    assert _verified(verifying, jobs, "command-1")["result"]["breaks"] == 0
    with database.engine.begin() as conn:
        conn.execute(change)
    found = _verified(verifying, jobs, "command-2")
    assert found["state"] == "done" and {fault["what"] for fault in found["result"]["faults"]} == faults


def test_a_proof_is_stopped(
    log: Audit, database: Database, verifying: Verifying, jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = threading.Event()

    def run(self: Check, database: Database, goes_on: Any) -> bool:
        while goes_on():
            begun.set()
        return False

    monkeypatch.setattr(Check, "run", run)
    asked = verifying.start(ANALYST, "command-1")
    assert begun.wait(30)
    jobs.stop(ANALYST, "command-2", str(asked["id"]))
    jobs.wait()
    assert jobs.job(ANALYST, str(asked["id"]))["state"] == "stopped"
    monkeypatch.undo()
    monkeypatch.setattr(audit, "_STEP", 1)
    check = Check.of(database)
    left = iter([True] * 5 + [False])
    assert not check.run(database, lambda: next(left)) and check.done == 5
    assert _verified(verifying, jobs, "command-3")["result"]["breaks"] == 0
    with database.read() as conn:
        assert [event.type for event in events.read(conn, stream="log:verification")] == [
            "log.verification_stopped", "log.verified"
        ]  # fmt: skip

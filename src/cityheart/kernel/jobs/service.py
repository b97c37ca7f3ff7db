"""The verbs of long work: ask for it, see how far it is, stop it; and carrying it out.

What was asked for is a row of the store, so nothing is lost with a process and every process sees the same. A process
with room takes the next job in a short transaction that only one process runs at a time: of the person who has the fewest
at work, then of the one whose turn is longest ago. At most ``limits.JOBS_AT_ONCE`` run in a city, one of each kind. Each
runs in a thread of low priority that rests between its steps, so that the live city goes first; beside it another notes
once a second how far it is and hears whether somebody wants it to stop. What was not heard of for ``limits.JOB_SILENT``
is interrupted: its process died.
"""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import cast

import structlog

from cityheart.kernel import limits
from cityheart.kernel.access import departments, require_everywhere
from cityheart.kernel.actors import Actor
from cityheart.kernel.clock import Clock, SystemClock, stopwatch
from cityheart.kernel.database import Database, Work
from cityheart.kernel.disk import of_disk
from cityheart.kernel.errors import Forbidden, NotFound, Problem, TooLarge, TooMany
from cityheart.kernel.ids import unguessable
from cityheart.kernel.jobs import store
from cityheart.kernel.jobs.models import OVER, Job, Kind, Result, Sought, State
from cityheart.kernel.schema import canonical
from cityheart.kernel.text import LANGUAGES, Text, text

__all__ = ["Jobs", "Running", "Stopped"]

_LOG = structlog.get_logger("jobs")
_SYSTEM = Actor.system("jobs")
_ALONE = "jobs"
_NICE = 15
_LOOK_SECONDS = 5.0  # between two looks at what others left
_ORPHAN_SECONDS = 86_400.0  # after which a folder that belongs to no job is removed
_ALL = Sought()
_ENDED: Mapping[State, Text] = {
    "done": text("已完成", "done"),
    "failed": text("失败", "failed"),
    "stopped": text("已停止", "stopped"),
    "interrupted": text("已中断（执行它的程序已退出）", "interrupted: the program that was at it ended"),
}


class Stopped(Problem):
    """The work is to end here. A refusal, so that nobody takes it for a fault of what is being done."""

    def __init__(self) -> None:
        super().__init__("somebody stopped it", remedy="ask for it again")


class Running:
    """A job under way, as the work itself sees it."""

    def __init__(self, job: Job, folder: Path) -> None:
        self.job, self.actor, self.folder = job, job.actor, folder  # the actor as when it was asked for, or as now
        self.done, self.total = 0, 0
        self.halt, self.over = threading.Event(), threading.Event()
        self._last = stopwatch()

    def of(self, total: int) -> None:
        """So much is to be done."""
        self.total = max(total, 1)

    def pace(self, share: float) -> None:
        """So far it is, from 0 to 1. Rests, so that others go first. Raises :class:`Stopped` when it is to end."""
        rest = min(1.0, (stopwatch() - self._last) * limits.JOB_REST)
        if self.halt.wait(rest):
            raise Stopped
        self.done = round(min(max(share, 0.0), 1.0) * self.total)
        self._last = stopwatch()


class Jobs:
    """The long work of one city. ``folder`` holds what jobs were given; ``wall`` is the machine's clock."""

    def __init__(self, database: Database, folder: Path, wall: Clock | None = None) -> None:
        self._database, self._folder = database, folder
        self._wall = wall or SystemClock()
        self._kinds: dict[str, Kind] = {}
        self._as_now: Callable[[str], Actor | None] = lambda id: None
        self._worker = unguessable(12).hex()
        self._claiming = threading.Lock()  # held over a transaction; whoever only looks does not wait for it
        self._lock = threading.Lock()
        self._threads: set[threading.Thread] = set()
        self._running: dict[str, Running] = {}
        self._closed = False
        self._looked: float | None = None
        self._keeper: threading.Thread | None = None
        self._served = threading.Event()  # set when nobody is served any more

    def register(self, kind: Kind) -> None:
        """Make a kind of long work known; this process carries out those it knows."""
        self._kinds[kind.id] = kind

    def register_people(self, as_now: Callable[[str], Actor | None]) -> None:
        """Say who knows what somebody may do at present, by id; ``None`` for who has no account."""
        self._as_now = as_now

    def folder(self, id: str) -> Path:
        """Where a job has what it was given; it is removed with the job."""
        return self._folder / id

    # ── asking and stopping ────────────────────────────────────────────────────────────────────────────────────

    def ask(
        self,
        actor: Actor,
        command_id: str,
        kind: str,
        *,
        title: Text,
        given: Mapping[str, object],
        about: str = "",
        path: str = "",
        id: str | None = None,
        check: Callable[[], None] | None = None,
    ) -> Job:
        """Ask for long work, which begins when its turn comes; the same command again is the same job.

        ``path``: its page in the console, with ``{id}`` for the job. ``check`` raises when it must not be asked for now; a
        command that came before is not checked again. Whether the actor may is the caller's to check.
        Raises :class:`TooMany` for somebody of whom much waits already.
        """
        assert kind in self._kinds, kind
        chosen = id or self._database.ids.new("job")
        payload = {"kind": kind, "given": given, "about": about, "id": id}

        def do(work: Work) -> dict[str, object]:
            if check is not None:
                check()
            if store.waits_of(work.conn, actor.id) >= limits.JOBS_WAITING:
                raise TooMany(
                    f"{limits.JOBS_WAITING} jobs of yours wait already", remedy="wait for one of them, or stop one"
                )
            job = Job(
                chosen,
                kind,
                about,
                title,
                path.replace("{id}", chosen),
                actor,
                given,
                "waiting",
                0,
                0,
                self._wall.now(),
            )
            store.insert(work.conn, job)
            work.emit(_stream(job.id), "job.asked", _told(job))
            return {"id": job.id}

        asked = self._database.once(actor, command_id, "job.ask", payload, do)
        self._wake()
        return self.find(str(asked["id"]))

    def stop(self, actor: Actor, command_id: str, id: str) -> dict[str, object]:
        """Stop a job, for whoever asked for it or may stop its kind. One that is over stays what it is.

        One that runs ends at its next step, in whichever process it is. Raises NotFound, Forbidden.
        """
        found = self._visible(actor, id)
        if not self._may_stop(actor, found):
            kind = self._kinds.get(found.kind)
            if kind is not None:
                require_everywhere(actor, kind.stops)
            raise Forbidden("this job is another's", remedy="who asked for it can stop it")
        who = {"id": actor.id, "name": actor.name}

        def do(work: Work) -> dict[str, object]:
            now = self._wall.now()
            ended: dict[str, object] = {"state": "stopped", "ended_at": now, "expires_at": now + limits.JOB_KEPT}
            asked: dict[str, object] = {"stop_at": now, "stopped_by": who}
            if store.change(work.conn, id, "waiting", ended | asked):
                self._tell(work, replace(found, state="stopped", stopped_by=who))
            elif found.stop_at is None:
                store.change(work.conn, id, "running", asked)
            return {"id": id}

        self._database.once(actor, command_id, "job.stop", {"job": id}, do)
        with self._lock:
            here = self._running.get(id)
        if here is not None:
            here.halt.set()
        return self.job(actor, id)

    # ── looking ────────────────────────────────────────────────────────────────────────────────────────────────

    def jobs(self, actor: Actor, sought: Sought = _ALL, *, after: int = 0, limit: int = 50) -> dict[str, object]:
        """A page of jobs that the actor may see, the newest first: ``{items, total, next}``."""
        with self._database.read() as conn:
            found, total = store.jobs(conn, sought, actor.id, self._seen(actor), after, limit, self._long())
            before = store.before(conn, found)
        items = [self._shown(actor, self._alive(job), before.get(job.id), whole=False) for job in found]
        return {"items": items, "total": total, "next": str(after + limit) if after + limit < total else None}

    def job(self, actor: Actor, id: str) -> dict[str, object]:
        """One job with its whole result. Raises :class:`NotFound`, also for one that the actor may not see."""
        found = self._visible(actor, id)
        with self._database.read() as conn:
            before = store.before(conn, [found])
        return self._shown(actor, found, before.get(id), whole=True)

    def newest(self, actor: Actor, sought: Sought, limit: int = 1) -> list[dict[str, object]]:
        """The newest jobs that the actor may see, as a list shows them."""
        with self._database.read() as conn:
            found, _ = store.jobs(conn, sought, actor.id, self._seen(actor), 0, limit, self._long())
        return [self._shown(actor, self._alive(job), None, whole=False) for job in found]

    def find(self, id: str) -> Job:
        """One job, whoever asks. Raises :class:`NotFound`."""
        with self._database.read() as conn:
            found = store.find(conn, id)
        if found is None:
            raise NotFound(f"there is no job {id}", remedy="GET /api/jobs lists them; results are kept for a while")
        return self._alive(found)

    def _visible(self, actor: Actor, id: str) -> Job:
        found = self.find(id)
        if found.actor.id != actor.id and found.kind not in self._seen(actor):
            raise NotFound(f"there is no job {id}", remedy="GET /api/jobs lists them; results are kept for a while")
        return found

    def _seen(self, actor: Actor) -> set[str]:
        return {kind.id for kind in self._kinds.values() if departments(actor, kind.sees) is None}

    def _long(self) -> set[str]:
        return {field for kind in self._kinds.values() for field in kind.long}

    def _may_stop(self, actor: Actor, job: Job) -> bool:
        kind = self._kinds.get(job.kind)
        return job.actor.id == actor.id or (kind is not None and departments(actor, kind.stops) is None)

    def _alive(self, job: Job) -> Job:
        """The job as it is at this moment: as far as this process knows it is, interrupted if its process died."""
        with self._lock:
            here = self._running.get(job.id)
        if here is not None and job.state == "running":
            return replace(job, done=here.done, total=here.total)
        dead = job.state == "running" and job.beat_at is not None and self._wall.now() - job.beat_at > limits.JOB_SILENT
        return replace(job, state="interrupted") if dead else job

    def _shown(self, actor: Actor, job: Job, before: int | None, *, whole: bool) -> dict[str, object]:
        kind = self._kinds.get(job.kind)
        result = None if job.result is None or kind is None else kind.shown(actor, job, whole)
        return {
            "id": job.id,
            "kind": job.kind,
            "kind_title": text(job.kind, job.kind) if kind is None else kind.title,
            "about": job.about or None,
            "title": job.title,
            "path": job.path or None,
            "by": {"id": job.actor.id, "name": job.actor.name},
            "mine": job.actor.id == actor.id,
            "given": dict(job.given),
            "state": job.state,
            "stopping": job.state == "running" and job.stop_at is not None,
            "before": before,
            "done": job.done,
            "total": job.total,
            "share": 1.0 if job.state == "done" else round(job.done / job.total, 4) if job.total else 0.0,
            "unit": None if kind is None else kind.unit,
            "asked_at": job.asked_at,
            "began_at": job.began_at,
            "ended_at": job.ended_at,
            "seconds": job.seconds,
            "stopped_by": job.stopped_by,
            "failure": job.failure,
            "result": result,
            "expires_at": job.expires_at,
            "may": {"stop": job.state not in OVER and job.stop_at is None and self._may_stop(actor, job)},
        }

    # ── at work ────────────────────────────────────────────────────────────────────────────────────────────────

    def start(self) -> None:
        """Look after what others left every few seconds, in a thread of its own, until :meth:`close`."""
        self._closed, self._served = False, threading.Event()
        self._keeper = threading.Thread(target=self._keep, args=(self._served,), daemon=True, name="jobs-keeper")
        self._keeper.start()

    def _keep(self, served: threading.Event) -> None:
        while not served.is_set():
            try:
                self.tick()
            except Exception:  # the store is away for a moment, or newer than this program
                _LOG.exception("jobs.look_failed")
            served.wait(_LOOK_SECONDS)

    def tick(self) -> None:
        """Look after what others left: note what died, begin what waits, forget what is past its time. Now and then only."""
        if self._looked is not None and stopwatch() - self._looked < _LOOK_SECONDS / 2:
            return
        if self._looked is None:
            self._sweep()
        self._looked = stopwatch()
        self.look_after()

    def look_after(self) -> None:
        """As :meth:`tick`, at once."""
        now = self._wall.now()
        with self._database.read() as conn:
            if not store.something_due(conn, now - limits.JOB_SILENT, now):
                return
        with self._database.work(_SYSTEM, alone=_ALONE) as work:
            self._bury(work)
            gone = store.expired(work.conn, now, limits.PAGE_ROWS)
            store.forget(work.conn, gone)
        for id in gone:
            shutil.rmtree(self.folder(id), ignore_errors=True)
        self._wake()

    def note(self) -> None:
        """Write down how far what runs in this process is, and hear what is to stop."""
        with self._lock:
            running = list(self._running.values())
        for one in running:
            self._note(one)

    def wait(self) -> None:
        """Until nothing runs in this process, or patience ends."""
        while True:
            with self._lock:
                thread = next(iter(self._threads), None)
            if thread is None:
                return
            thread.join(limits.STOP_PATIENCE.total_seconds())
            if thread.is_alive():
                return

    def close(self) -> None:
        """End what runs in this process; it is interrupted, and what waits goes on waiting."""
        with self._lock:
            self._closed = True
            for one in self._running.values():
                one.halt.set()
        self._served.set()
        if self._keeper is not None:
            self._keeper.join(limits.STOP_PATIENCE.total_seconds())
        self.wait()

    def _wake(self) -> None:
        with self._claiming, self._lock:
            if not self._closed and len(self._threads) < limits.JOBS_AT_ONCE:
                thread = threading.Thread(target=self._drain, daemon=True, name="jobs")
                self._threads.add(thread)
                thread.start()

    def _drain(self) -> None:
        _step_back()
        while (one := self._next()) is not None:
            self._carry_out(one)

    def _next(self) -> Running | None:
        """The next job that this process takes; without one its thread is done. Who asks later finds it gone."""
        with self._claiming:
            job = None
            if not self._closed:
                try:
                    job = self._claimed()
                except Exception:  # the store is away for a moment: what waits is found at the next tick
                    _LOG.exception("jobs.claim_failed")
            with self._lock:
                if job is None:
                    self._threads.discard(threading.current_thread())
                    return None
                one = self._running[job.id] = Running(job, self.folder(job.id))
                if self._closed:
                    one.halt.set()
                return one

    def _claimed(self) -> Job | None:
        with self._database.work(_SYSTEM, alone=_ALONE) as work:
            self._bury(work)
            there = store.under_way(work.conn)
            running = [job for job in there if job.state == "running"]
            busy = {job.kind for job in running}
            waiting = [job for job in there if job.state == "waiting" and job.kind in self._kinds.keys() - busy]
            if not waiting or len(running) >= limits.JOBS_AT_ONCE:
                return None
            at_work = Counter(job.actor.id for job in running)
            begun = store.last_begun(work.conn, {job.actor.id for job in waiting})
            long_ago = min(begun.values(), default=self._wall.now())
            job = min(
                waiting,
                key=lambda one: (at_work[one.actor.id], one.actor.id in begun, begun.get(one.actor.id, long_ago)),
            )
            now = self._wall.now()
            begins = {"state": "running", "worker": self._worker, "began_at": now, "beat_at": now}
            store.change(work.conn, job.id, "waiting", begins)
            return replace(job, state="running", worker=self._worker, began_at=now, beat_at=now)

    def _carry_out(self, one: Running) -> None:
        heart = threading.Thread(target=self._beat, args=(one,), daemon=True, name="jobs-heart")
        heart.start()
        began = stopwatch()
        state: State = "done"
        result: Result | None = None
        failure: Text | None = None
        try:
            kind = self._kinds[one.job.kind]
            if (actor := self._as_now(one.actor.id)) is not None:
                require_everywhere(actor, kind.stops)  # who lost it while the job waited
                one.actor = actor
            result = self._bounded(kind.run(one))
        except Stopped:
            state = "stopped"
        except Problem as problem:
            state, failure = "failed", _words(problem)
        except Exception as error:  # something broke in a way nobody thought of
            _LOG.exception("jobs.failed", job=one.job.id, kind=one.job.kind)
            full, why = of_disk(error) if isinstance(error, OSError) else None, type(error).__name__
            state = "failed"
            failure = _words(full) if full else text(f"程序出错（{why}）", f"the program broke ({why})")
        finally:
            one.over.set()
            heart.join()
        try:
            self._over(one, state, round(stopwatch() - began, 3), result, failure)
        except Exception:  # the store went away: the job is silent, and counts as interrupted
            _LOG.exception("jobs.lost", job=one.job.id)
        finally:
            with self._lock:
                del self._running[one.job.id]

    @staticmethod
    def _bounded(result: Result) -> Result:
        kept = cast("Result", _storable(json.loads(canonical(result))))
        if len(canonical(kept).encode()) > limits.JOB_RESULT_BYTES:
            raise TooLarge("the result is too large to be kept", remedy="ask for less at once, e.g. a shorter time")
        return kept

    def _over(self, one: Running, state: State, seconds: float, result: Result | None, failure: Text | None) -> None:
        with self._database.work(one.actor) as work:
            now = self._wall.now()
            stored = store.find(work.conn, one.job.id)
            if state == "stopped" and (stored is None or stored.stop_at is None):
                state = "interrupted"  # nobody stopped it: this process ends
            kept = self._kinds[one.job.kind].kept
            values = {
                "state": state, "done": one.total if state == "done" else one.done, "total": one.total, "ended_at": now,
                "seconds": seconds, "failure": failure, "result": result, "expires_at": now + kept,
            }  # fmt: skip
            if stored is not None and store.change(work.conn, one.job.id, "running", values, worker=self._worker):
                self._tell(work, replace(stored, state=state, seconds=seconds, failure=failure, result=result))

    def _beat(self, one: Running) -> None:
        while not one.over.wait(limits.JOB_BEAT.total_seconds()):
            try:
                self._note(one)
            except Exception:  # the store is away for a moment
                _LOG.exception("jobs.note_failed", job=one.job.id)

    def _note(self, one: Running) -> None:
        with self._database.work(_SYSTEM) as work:
            mine, stop_at = store.note(work.conn, one.job.id, self._worker, one.done, one.total, self._wall.now())
        if not mine or stop_at is not None:
            one.halt.set()

    def _bury(self, work: Work) -> None:
        now = self._wall.now()
        for job in store.silent(work.conn, now - limits.JOB_SILENT):
            if job.id in self._running:  # it is the clock that has jumped
                continue
            dead = {"state": "interrupted", "ended_at": now, "expires_at": now + limits.JOB_KEPT}
            if store.change(work.conn, job.id, "running", dead):
                self._tell(work, replace(job, state="interrupted"))

    def _tell(self, work: Work, job: Job) -> None:
        """The event of a job's end; and a letter to who asked, unless it was quick or stopped by the same person."""
        kind = self._kinds.get(job.kind)
        told = _told(job) | {"seconds": job.seconds}
        if job.failure is not None:
            told["failure"] = job.failure
        if job.result is not None and kind is not None:
            told |= kind.told(job.result)
        if job.stopped_by is not None:
            told["stopped_by"] = job.stopped_by["id"]
        if job.state == "done":
            work.emit(_stream(job.id), "job.done", told)
        elif job.state == "failed":
            work.emit(_stream(job.id), "job.failed", told)
        elif job.state == "stopped":
            work.emit(_stream(job.id), "job.stopped", told)
        else:
            work.emit(_stream(job.id), "job.interrupted", told)
        quick = job.state == "done" and (job.seconds or 0.0) < limits.JOB_TOLD.total_seconds()
        own = job.state == "stopped" and (job.stopped_by or {}).get("id") == job.actor.id
        if quick or own or job.actor.id.startswith("system:"):
            return
        ended = _ENDED[job.state]
        letter = {
            "to": f"person:{job.actor.id}",
            "title": text(f"{job.title['zh-CN']}：{ended['zh-CN']}", f"{job.title['en']}: {ended['en']}"),
            "text": job.failure,
            "job": job.id,
        }
        work.post(f"job:{job.id}:over", "jobs", letter)

    def _sweep(self) -> None:
        """Remove folders of jobs that never came to be: a process died while a file was coming in."""
        if not self._folder.is_dir():
            return
        old = [one for one in self._folder.iterdir() if _age(one, self._wall.now()) > _ORPHAN_SECONDS]
        with self._database.read() as conn:
            there = store.there(conn, [one.name for one in old])
        for one in old:
            if one.name not in there:
                shutil.rmtree(one, ignore_errors=True)


def _stream(id: str) -> str:
    return f"job:{id}"


def _told(job: Job) -> dict[str, object]:
    return {"kind": job.kind, "title": job.title, "about": job.about, **({"given": job.given} if job.given else {})}


def _storable(value: object) -> object:
    """A value without signs that a store cannot hold; files of people bring them."""
    if isinstance(value, str):
        return value.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {cast(str, _storable(key)): _storable(one) for key, one in value.items()}
    return [_storable(one) for one in value] if isinstance(value, list) else value


def _words(problem: Problem) -> Text:
    """What is wrong and what to do about it."""
    detail, remedy = problem.both()
    return {
        language: str(_storable(" → ".join(said[language] for said in (detail, remedy) if said)))[
            : limits.JOB_FAILURE_CHARS
        ]
        for language in LANGUAGES
    }


def _age(folder: Path, now: datetime) -> float:
    try:
        return now.timestamp() - folder.stat().st_mtime
    except OSError:
        return 0.0


def _step_back() -> None:
    """Let every other thread go first, where the system knows how."""
    if hasattr(os, "setpriority"):
        try:
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
        except OSError:  # not allowed here: the rests between steps remain
            return

"""Clerks that are shot at their desks: ``python -m tests.crash.command_nursery URL FOLDER KILLS SEED``.

Three processes dispatch plans, act on tasks and tick, all in the same database. Each says in its own file what it is
about to do, and after the answer what was acknowledged. The parent kills one after the other with SIGKILL at random
moments and starts another in its place, which first repeats what its predecessor was not told about.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from cityheart.command.service import Command
from cityheart.kernel import events
from cityheart.kernel.clock import VirtualClock
from cityheart.kernel.database import Database
from cityheart.kernel.errors import Conflict, Invalid
from cityheart.kernel.ids import Ids
from cityheart.kernel.text import text

from ..command.scene import START, SYSTEM, centre, plan, step

LANES = 3
PLAN = plan(
    step("a", "industry", escalate=[{"at": "accept", "to": "coordinator"}, {"at": "PT50M", "to": "mayor"}]),
    step("b", "health", after=["a"], delay="PT20M", evidence=[{"kind": "note"}]),
    step("c", "ecology", delay="PT40M", verify_by="ecology"),
)
VERBS = (
    "accept",
    "accept",
    "submit",
    "submit",
    "verify",
    "reject",
    "return",
    "decide_return",
    "suspend",
    "resume",
    "cancel",
)


class Clerk:
    """One life of one process in one lane."""

    def __init__(self, url: str, folder: Path, lane: int, life: int) -> None:
        self.dice = random.Random(f"{lane}:{life}")
        self.clock = VirtualClock(START)
        self.database = Database(url, self.clock, Ids(self.clock, seed=lane * 1000 + life))
        self.command: Command = centre(self.database, folder)
        self.digest = self.command.publish(SYSTEM, PLAN)
        with self.database.read() as conn:
            self.clock.advance_to(events.latest(conn) or START)
        self.path = folder / f"lane-{lane}.jsonl"
        self.name = f"lane-{lane}-life-{life}"

    def work(self) -> None:
        """Act until shot, or alone."""
        self._repeat()
        number, parent = 0, os.getppid()
        while os.getppid() == parent:
            number += 1
            self.clock.advance_to(self.clock.now() + timedelta(minutes=self.dice.randint(0, 15)))
            roll, id = self.dice.random(), f"{self.name}-{number}"
            if roll < 0.2:
                self._do({"id": id, "verb": "dispatch", "task": None})
            elif roll < 0.3:
                self.command.tick(self.clock.now())
            else:
                tasks, _ = self.command.tasks(SYSTEM, over=False, limit=200)
                if tasks:
                    task = self.dice.choice(tasks)
                    self._do({"id": id, "verb": self.dice.choice(VERBS), "task": task.id})

    def _repeat(self) -> None:
        """What was begun in this lane and never answered is sent again, under its own id."""
        lines = self.path.read_text("utf-8").splitlines() if self.path.exists() else []
        said = [json.loads(line) for line in lines if line.endswith("}")]
        answered = {each["ack"] for each in said if "ack" in each}
        for order in [each for each in said if "try" in each and each["try"]["id"] not in answered]:
            self._do(order["try"])

    def _do(self, order: dict[str, str | None]) -> None:
        self._say({"try": order})
        try:
            result = self._send(str(order["id"]), str(order["verb"]), order["task"])
        except (Conflict, Invalid):
            self._say({"ack": order["id"], "refused": True})
        else:
            self._say({"ack": order["id"], "verb": order["verb"], "task": order["task"], "result": result})

    def _send(self, id: str, verb: str, task: str | None) -> dict[str, object]:
        if task is None:
            return self.command.dispatch(SYSTEM, id, {"title": text(id, id), "level": 2}, self.digest)
        return self.command.act(SYSTEM, id, task, verb, reason="so", note="done", approve=False)

    def _say(self, what: dict[str, object]) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(what) + "\n")


def born(work: Callable[[], None]) -> int:
    """A child that does ``work`` until it is killed; its process id."""
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(1)
    return child


def _wait(seconds: float) -> None:
    if signal.sigtimedwait({signal.SIGCHLD}, seconds) is not None:
        raise SystemExit("a clerk died of itself")


def _until_it_spoke(path: Path, life: str) -> None:
    """Every life gets as far as its own first order, however slow the machine."""
    for _ in range(6000):
        if path.exists() and life in path.read_text("utf-8"):
            return
        _wait(0.005)
    raise SystemExit(f"nothing was heard of {life}")


def main(url: str, folder: Path, kills: int, seed: int) -> None:
    """Let them work, kill them ``kills`` times, and prove the log."""
    dice = random.Random(seed)
    first = Clerk(url, folder, LANES, 0)  # publishes the plan before anybody needs it
    first.database.close()
    lives = dict.fromkeys(range(LANES), 1)

    def child(lane: int) -> int:
        return born(lambda: Clerk(url, folder, lane, lives[lane]).work())

    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    alive = {lane: child(lane) for lane in lives}
    for number in range(kills + LANES):
        lane = dice.choice(sorted(alive))
        _until_it_spoke(folder / f"lane-{lane}.jsonl", f"-life-{lives[lane]}-")
        _wait(dice.uniform(0, 0.2))
        pid = alive.pop(lane)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        signal.sigtimedwait({signal.SIGCHLD}, 0)
        lives[lane] += 1
        if number < kills:
            alive[lane] = child(lane)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))

"""`cityheart work`: a city's worker on the machine's clock fires on time, carries messages out, and stops when it must."""

from __future__ import annotations

import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from cityheart import cli
from cityheart.city import City
from cityheart.command import store
from cityheart.hands import Hands
from cityheart.kernel import events, migrate
from cityheart.kernel.clock import SystemClock, VirtualClock, stopwatch
from cityheart.kernel.errors import Invalid, NotFound, Unavailable
from cityheart.kernel.settings import Settings
from cityheart.kernel.text import text
from cityheart.share.models import Department

from ..command.scene import SYSTEM, plan, step


@pytest.fixture
def home(database_url: str, tmp_path: Path) -> Path:
    home = tmp_path / "city"
    city = City.create(Settings(home=home, database_url=database_url), SystemClock())
    city.share.register([Department("industry", text("经信局", "Industry bureau"))], (), ())
    city.close()
    return home


def until(true, what: str) -> None:  # type: ignore[no-untyped-def]
    begun, never = stopwatch(), threading.Event()
    while not true():
        assert stopwatch() - begun < 30, f"{what} did not happen"
        never.wait(0.02)


def test_two_workers_fire_on_time_and_carry_out(home: Path) -> None:
    cities = [City.open(home), City.open(home)]
    stop = threading.Event()
    threads = [threading.Thread(target=city.work, args=(stop,)) for city in cities]
    for thread in threads:
        thread.start()
    desk = City.open(home)
    digest = desk.command.publish(SYSTEM, plan(step("a", "industry"), step("b", "industry", delay="PT2S")))
    answer = desk.command.dispatch(SYSTEM, "click-0001", {"title": text("事", "x"), "level": 2}, digest)
    stream = f"run:{answer['run_id']}"

    def dispatched() -> list[events.Event]:
        with desk.database.read() as conn:
            return [event for event in events.read(conn, stream=stream) if event.type == "task.dispatched"]

    until(lambda: len(dispatched()) == 2, "the dispatch of b")
    first, second = dispatched()
    assert second.at - first.at >= timedelta(seconds=2), "not before its time"
    assert second.data["at"] == (first.at + timedelta(seconds=2)).isoformat(timespec="microseconds")[:26] + "Z"
    outbox = home / "outbox" / "orders.jsonl"
    until(lambda: outbox.exists() and len(outbox.read_text("utf-8").splitlines()) == 2, "the orders leaving")
    stop.set()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    for city in (*cities, desk):
        assert not city.relays.running
        city.close()


def test_a_worker_ends_when_the_store_is_newer(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrate.Schema, "SECONDS", 0.0)
    city = City.open(home)
    ended: list[BaseException] = []

    def work() -> None:
        try:
            city.work(threading.Event())
        except migrate.Outdated as error:
            ended.append(error)

    worker = threading.Thread(target=work)
    worker.start()
    with city.database.work(SYSTEM) as one:
        one.conn.execute(sa.text("update alembic_version set version_num = '9999'"))
    worker.join(30)
    assert not worker.is_alive() and len(ended) == 1
    with pytest.raises(migrate.Outdated):
        City.open(home)
    with pytest.raises(migrate.Outdated):
        city.beat()
    with pytest.raises(Unavailable, match="9999"):  # nor does it let people write
        city.command.open_incident(SYSTEM, "click-0001", {"title": text("事", "x")})
    city.close()


def test_history_goes_on_past_a_run_that_cannot_be_carried_on(tmp_path: Path, clock: VirtualClock) -> None:
    city = City.create(Settings(home=tmp_path / "city", clock="virtual"), clock)
    city.share.register([Department("industry", text("经信局", "Industry bureau"))], (), ())
    city.install()
    digest = city.command.publish(SYSTEM, plan(step("a", "industry"), step("b", "industry", delay="PT30M")))
    spec = {"title": text("事", "x"), "level": 2}
    broken, fine = (city.command.dispatch(SYSTEM, f"click-000{n}", spec, digest) for n in range(2))
    table = store.task_table
    with city.database.work(SYSTEM) as work:
        work.conn.execute(
            table.update().where(table.c.run == broken["run_id"], table.c.step == "b").values(step="gone")
        )
    city.advance(clock.now() + timedelta(hours=1))
    with city.database.read() as conn:
        told = [event.type for event in events.read(conn, stream=f"run:{fine['run_id']}")]
    assert told.count("task.dispatched") == 2 and list(city.command.firing.left) == [broken["run_id"]]
    city.close()


def test_hands_fire_what_fell_due_before_the_rest_of_the_city_is_there(home: Path) -> None:
    desk = City.open(home)
    digest = desk.command.publish(SYSTEM, plan(step("a", "industry"), step("b", "industry", delay="PT1S")))
    answer = desk.command.dispatch(SYSTEM, "click-0001", {"title": text("事", "x"), "level": 2}, digest)
    desk.close()
    hands = Hands.open(home)
    assert hands.titles()["industry"] == text("经信局", "Industry bureau")

    def fired() -> bool:
        hands.look()
        return {task.state for task in hands.command.run(SYSTEM, str(answer["run_id"]))[1]} == {"dispatched"}

    until(fired, "the dispatch of b")
    whole = City.open(home, hands=hands)  # the same store, and long work at every look
    assert whole.command is hands.command and hands.beside == [whole.jobs.tick]
    whole.close()


def test_a_worker_ends_and_says_why_when_the_rest_of_its_city_is_wrong(home: Path) -> None:
    hands, stop = Hands.open(home), threading.Event()
    file = home / "cityheart.toml"
    file.write_text(f'apps = ["nowhere"]\n{file.read_text("utf-8").replace("apps = []", "")}', "utf-8")
    rest = cli._Rest(home, hands, stop)
    rest.start()
    assert stop.wait(30)
    with pytest.raises(NotFound, match="nowhere"):
        rest.end()


def test_hands_need_no_data() -> None:
    asked = "import sys, cityheart.hands; print({'numba', 'pyarrow', 'deltalake', 'sedonadb'} & sys.modules.keys())"
    said = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True).stdout
    assert said == "set()\n"


def test_a_city_that_plays_history_has_no_workers(tmp_path: Path, clock: VirtualClock) -> None:
    home = tmp_path / "city"
    City.create(Settings(home=home, clock="virtual"), clock).close()
    with pytest.raises(Invalid, match="plays history"):
        cli.work(home)

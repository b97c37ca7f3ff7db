"""Live intake of vehicle positions: JT/T 808 over 200 TCP connections, landed durably, answered, and asked for.

With ``--transport mqtt`` they are published as JSON with QoS 1 to a mosquitto, which acknowledges them; the city subscribes.
How late a position can be asked for is then told by what the city has landed at each moment beside what was due.

The terminals run in a process of their own and send at a fixed pace, whether they are answered or not. An answer goes out
after the position is durable in the lake and can be queried, so the time from when a position was due on the wire to its
answer is an upper bound of the time from wire to query. Peer: none is installed here; ThingsBoard publishes 5,000 to
10,000 points a second on one machine with an SQL store.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import numpy as np

from bench import _positions
from bench._harness import Measure, report
from cityheart.engine.compaction import Compactor
from cityheart.engine.lake import Lake
from cityheart.kernel.clock import SystemClock, stopwatch
from cityheart.kernel.database import Database
from cityheart.kernel.ids import Ids
from cityheart.kernel.text import text
from cityheart.share.contracts import Contract
from cityheart.share.models import Dataset, Source
from cityheart.share.service import Share
from tests.mqtt import broker as mosquitto

CONNECTIONS = 200
RATE = 20_000
SECONDS = int(os.environ.get("LIVE_SECONDS", "60"))  # 300 for the long run


def live(home: Path, rate: int, seconds: int) -> tuple[dict[str, float], int, int, float]:
    """What the terminals saw, the rows in the lake, the city's peak memory in MB and its seconds of CPU."""
    clock = SystemClock()
    database = Database(f"sqlite:///{home / 'city.sqlite'}", clock, Ids(clock))
    database.create_all()
    lake = Lake(home / "lake")
    share = Share(database, lake, home=home)
    share.register([_positions.DEPARTMENT], [_positions.DATASET], [_positions.source(port=0)])
    compactor = Compactor(lake)
    compactor.start()
    share.listen()
    try:
        address = share.addresses()["transport.position"]
        assert address is not None
        command = [sys.executable, "-m", "bench._terminals", str(address[1]), str(CONNECTIONS)]
        worked = 0.0
        for pace, length in ((CONNECTIONS, 2), (rate, seconds)):  # first a few: machine code is loaded
            worked = sum(os.times()[:2])
            run = subprocess.run(
                [*command, str(pace), str(length)],
                capture_output=True, text=True, check=False, cwd=Path(__file__).parents[1],
            )  # fmt: skip
            if run.returncode:
                raise SystemExit(run.stderr)
        worked = sum(os.times()[:2]) - worked
        print(share.listeners())
    finally:
        share.stop_listening()
        compactor.stop()
    counted = lake.query("SELECT count(*) AS n FROM transport_position")["n"][0].as_py()
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    database.close()
    return json.loads(run.stdout), counted, int(peak.split()[1]) // 1024, worked


PUBLISHERS = 20
POSITION = Contract.parse(
    {
        "name": "mqtt_position",
        "schema": {
            "fields": [
                {"name": "terminal_phone", "type": "string", "constraints": {"required": True}},
                {"name": "time", "type": "datetime", "constraints": {"required": True}},
                {"name": "lon", "type": "number"},
                {"name": "lat", "type": "number"},
                {"name": "speed_kmh", "type": "number", "constraints": {"minimum": 0, "maximum": 300}},
                {"name": "load", "type": "integer", "constraints": {"enum": [0, 1, 2, 3]}},
            ],
            "primaryKey": ["terminal_phone", "time"],
        },
        "cityheart": {
            "owner": "transport", "time": "time", "position": {"lon": "lon", "lat": "lat"}, "unchanged": "drop",
        },
    }
)  # fmt: skip


def over_mqtt(home: Path, rate: int, seconds: int) -> tuple[dict[str, float], float]:
    """What was published, acknowledged, landed and in the lake, how late (s), and the city's seconds of CPU."""
    clock = SystemClock()
    database = Database(f"sqlite:///{home / 'city.sqlite'}", clock, Ids(clock))
    database.create_all()
    lake = Lake(home / "lake")
    share = Share(database, lake, home=home)
    compactor = Compactor(lake)
    with mosquitto.running(
        home / "broker", "allow_anonymous true", "set_tcp_nodelay true", "max_inflight_messages 0"
    ) as broker:
        options = {
            "url": broker.url,
            "topic": "positions/{terminal_phone}",
            "fields": {"t": "time:ms", "v": "speed_kmh"},
            "batch_seconds": 0.5,
        }
        source = Source("transport.mqtt", "transport", text("车辆定位", "positions"), "mqtt", options, "mqtt_position")
        share.register([_positions.DEPARTMENT], [Dataset.of(POSITION)], [source])
        compactor.start()
        share.listen()
        mosquitto.until(lambda: share.listeners()[source.id]["connections"], "subscribed")
        try:
            command = [sys.executable, "-m", "bench._publishers", broker.host, str(broker.port), str(PUBLISHERS)]
            before = 0.0
            for pace, length, since in ((PUBLISHERS, 2, 0), (rate, seconds, 10)):  # first a few: machine code is loaded
                before = share.listeners()[source.id]["rows"]
                worked = sum(os.times()[:2])
                with subprocess.Popen(
                    [*command, str(pace), str(length), str(since)],
                    stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1],
                ) as run:  # fmt: skip
                    marks = _watched(share, source.id, run, before + pace * length)
                    assert run.stdout is not None
                    seen = json.loads(run.stdout.read())
                worked = sum(os.times()[:2]) - worked
            figures = share.listeners()[source.id]
            print(figures)
        finally:
            share.stop_listening()
            compactor.stop()
    counted = lake.query("SELECT count(*) AS n FROM mqtt_position")["n"][0].as_py()
    database.close()
    due = np.arange(0, seen["sent"], rate / 20)  # of each tick the first position
    moments, landed = (np.array(each) for each in zip(*marks, strict=True))
    there = np.searchsorted(landed - before, due, side="right")
    late = np.where(
        there < len(moments), moments[np.minimum(there, len(moments) - 1)] - (seen["begun"] + due / rate), 1e9
    )
    return {
        **seen,
        "landed": figures["rows"] - before,
        "rows": counted - before,
        "p50": float(np.percentile(late, 50)),
        "p99": float(np.percentile(late, 99)),
        "longest": float(late.max()),
    }, worked


def _watched(share: Share, source: str, run: subprocess.Popen[str], wanted: float) -> list[tuple[float, float]]:
    """When how many rows had landed, until all have or nothing more comes for a while after the end."""
    marks = [(stopwatch(), share.listeners()[source]["rows"])]
    ends = None
    while marks[-1][1] < wanted and (ends is None or stopwatch() < ends):
        with suppress(subprocess.TimeoutExpired):
            run.wait(0.02)
            time.sleep(0.02)
        if ends is None and run.returncode is not None:
            ends = stopwatch() + 30.0
        marks.append((stopwatch(), share.listeners()[source]["rows"]))
    return marks


def mqtt() -> None:
    """Measure and report what an MQTT broker hands on."""
    if mosquitto.program() is None:
        raise SystemExit(mosquitto.INSTALL)
    with tempfile.TemporaryDirectory() as folder:
        seen, worked = over_mqtt(Path(folder), RATE, SECONDS)
    print(f"{seen['sent']:,.0f} positions in {SECONDS} s; {seen}")
    report(
        "Live positions over MQTT",
        [
            Measure(
                f"MQTT: positions acknowledged in {SECONDS} s, over {PUBLISHERS} publishers", "positions/s",
                seen["answered"] / SECONDS, target=RATE * 0.999, aim="at least", smaller_is_better=False,
            ),
            Measure("MQTT: positions not in the lake", "positions", seen["sent"] - seen["rows"], target=0, aim="at most"),
            Measure("MQTT: wire to query, p50", "s", seen["p50"]),
            Measure("MQTT: wire to query, p99", "s", seen["p99"], target=3, aim="at most"),
            Measure("MQTT: wire to query, longest", "s", seen["longest"]),
            Measure("MQTT: CPU of the city", "cores", worked / SECONDS),
        ],
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--transport", choices=("tcp", "mqtt"), default="tcp")
    if parser.parse_args().transport == "mqtt":
        mqtt()
        return
    with tempfile.TemporaryDirectory() as folder:
        seen, rows, memory, worked = live(Path(folder), RATE, SECONDS)
    print(f"{seen['sent']:,.0f} positions in {SECONDS} s; {seen}")
    lost = seen["sent"] - seen["answered"] + max(0.0, seen["sent"] - rows)
    report(
        "Live positions",
        [
            Measure(
                f"positions answered in {SECONDS} s, over {CONNECTIONS} connections", "positions/s",
                seen["answered"] / SECONDS, target=RATE * 0.999, aim="at least", smaller_is_better=False,
            ),
            Measure("positions not answered or not in the lake", "positions", lost, target=0, aim="at most"),
            Measure("wire to query, p50", "s", seen["p50"]),
            Measure("wire to query, p99", "s", seen["p99"], target=3, aim="at most"),
            Measure("wire to query, longest", "s", seen["longest"]),
            Measure("CPU of the city", "cores", worked / SECONDS),
            Measure("peak memory of the city", "MB", memory),
        ],
    )  # fmt: skip


if __name__ == "__main__":
    main()

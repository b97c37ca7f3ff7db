"""Live intake of vehicle positions: JT/T 808 over 200 TCP connections, landed durably, answered, and asked for.

The terminals run in a process of their own and send at a fixed pace, whether they are answered or not. An answer goes out
after the position is durable in the lake and can be queried, so the time from when a position was due on the wire to its
answer is an upper bound of the time from wire to query. Peer: none is installed here; ThingsBoard publishes 5,000 to
10,000 points a second on one machine with an SQL store.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from bench import _positions
from bench._harness import Measure, report
from cityheart.engine.compaction import Compactor
from cityheart.engine.lake import Lake
from cityheart.kernel.clock import SystemClock
from cityheart.kernel.database import Database
from cityheart.kernel.ids import Ids
from cityheart.share.service import Share

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


def main() -> None:
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

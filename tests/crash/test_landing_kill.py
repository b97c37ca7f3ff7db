"""A hundred times ``kill -9`` while landing: what was acknowledged is there, and everything is there once."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

from cityheart.kernel import events
from cityheart.kernel.actors import Actor

from . import landing_source

SYSTEM = Actor.system("test")


def test_a_hundred_kills_lose_and_double_nothing(tmp_path: Path) -> None:
    """Every acknowledged row is in the lake once, every bad row in quarantine once, and the books say so."""
    script = Path(landing_source.__file__)
    run = subprocess.run(
        [sys.executable, str(script), str(tmp_path), "100", "20151101"], capture_output=True, text=True, timeout=300
    )
    assert run.returncode == 0, run.stderr
    *numbers, done = run.stdout.splitlines()
    acknowledged = [int(number) for number in numbers]
    deliveries = int(done.removeprefix("done "))
    assert deliveries > 100  # the killed ones did land between the kills
    assert sorted(set(acknowledged)) == list(range(deliveries))

    share = landing_source.opened(tmp_path)
    rows = share._lake.query('SELECT id, "_batch" FROM readings__versions')
    counted = Counter(rows["id"].to_pylist())
    wanted = [number * 1_000 + row for number in range(deliveries) for row in range(landing_source.size(number))]
    assert {id: count for id, count in counted.items() if count != 1} == {}
    assert sorted(counted) == wanted

    assert share.landed_rows() == {"readings": len(wanted)}
    assert share.quarantine_counts(SYSTEM) == {"type": deliveries}
    (source,) = share.sources(SYSTEM)
    assert (source["deliveries"], source["quarantined"]) == (deliveries, deliveries)
    with share._database.read() as conn:
        assert events.verify(conn) == []

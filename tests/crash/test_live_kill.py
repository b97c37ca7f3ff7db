"""``kill -9`` while terminals send: what was answered is there, and everything is there once."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

from cityheart.kernel import events

from . import live_source

KILLS = 4


def test_kills_while_terminals_send_lose_and_double_nothing(tmp_path: Path) -> None:
    """Every answered position is in the lake; what was sent again is there once, also among the row versions."""
    run = subprocess.run(
        [sys.executable, "-m", "tests.crash.live_source", str(tmp_path), str(KILLS), "20260701"],
        capture_output=True, text=True, timeout=300, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    rounds = [line.split()[1:] for line in run.stdout.splitlines() if line.startswith("answered")]
    assert len(rounds) == KILLS + 1
    answered = {int(number) for each in rounds for number in each}
    assert answered == set(range(max(answered) + 1))
    assert len(answered) >= live_source.ROUND

    share = live_source.opened(tmp_path)
    at = {live_source.scene.BEGIN.timestamp() + number for number in answered}
    current = share._lake.current("transport_position")["time"].to_pylist()
    assert {each.timestamp() for each in current} == at
    versions = share._lake.query("SELECT time FROM transport_position__versions")["time"].to_pylist()
    assert {each: count for each, count in Counter(versions).items() if count != 1} == {}
    assert share.landed_rows() == {"transport_position": len(answered), "emission_reading": 0}
    with share._database.read() as conn:
        assert events.verify(conn) == []

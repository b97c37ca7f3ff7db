"""A landing process that is killed loses nothing it acknowledged and doubles nothing that is sent again."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from cityheart.engine.lake import Lake

from . import landing_process as landing


def test_kill_9_during_landing(tmp_path: Path) -> None:
    acknowledged = -1
    for turn in range(5):
        command = [sys.executable, landing.__file__, str(tmp_path), str(acknowledged + 1)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        for _ in range(3 + 7 * turn):
            acknowledged = int(process.stdout.readline())
        process.kill()
        rest = process.stdout.read().split()
        process.wait()
        acknowledged = int(rest[-1]) if rest else acknowledged

        lake = Lake(tmp_path)
        ids = lake.query("SELECT id FROM readings__versions")["id"].to_pylist()
        assert len(ids) == len(set(ids))
        assert len(ids) % landing.ROWS == 0, "a batch is there whole or not at all"
        assert set(range((acknowledged + 1) * landing.ROWS)) <= set(ids)
        assert len(ids) // landing.ROWS - (acknowledged + 1) in (0, 1), "at most the one that was not answered yet"
        changed = lake.changes("readings", 0).rows["id"].to_pylist()
        assert changed == sorted(ids)

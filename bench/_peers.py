"""Peers run in an interpreter of their own, so that the project needs none of them and their versions meddle with nothing.

``BENCH_PEERS`` names the interpreter of an environment in which they are installed, see docs/benchmarks.md.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

__all__ = ["PRAGMAS", "ask"]

PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=30000", "wal_autocheckpoint=4000")  # as the product's


def ask(script: str, *arguments: str) -> dict[str, float] | None:
    """Run ``bench/_peer_<script>.py`` there; what its last line says, ``None`` where the peer is not installed."""
    program = Path(__file__).parent / f"_peer_{script}.py"
    told = subprocess.run(
        [os.environ.get("BENCH_PEERS", sys.executable), str(program), *arguments], capture_output=True, text=True
    )
    if told.returncode:
        if "ModuleNotFoundError" in told.stderr:
            return None
        raise RuntimeError(f"{program.name}: {told.stderr[-2_000:]}")
    found: dict[str, float] = json.loads(told.stdout.splitlines()[-1])
    return found

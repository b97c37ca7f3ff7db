"""DBOS: one workflow after another, each of steps that do nothing. Run by its own interpreter: ``URL STEPS COUNT``."""

from __future__ import annotations

import json
import sys
import time
from statistics import median
from typing import Any

import dbos  # type: ignore[import-not-found,unused-ignore]

DBOS: Any = dbos.DBOS


def main(url: str, steps: int, count: int) -> None:
    """Milliseconds of the median workflow after five that warm up, and workflows a second."""
    DBOS(
        config={
            "name": "peer",
            "system_database_url": url,
            "run_admin_server": False,
            "log_level": "ERROR",
        }
    )

    @DBOS.step()  # type: ignore[untyped-decorator,unused-ignore]
    def nothing(number: int) -> int:
        return number

    @DBOS.workflow()  # type: ignore[untyped-decorator,unused-ignore]
    def everything() -> int:
        return sum(nothing(number) for number in range(steps))

    DBOS.launch()
    taken = []
    for number in range(count + 5):
        begun = time.perf_counter()
        everything()
        if number >= 5:
            taken.append((time.perf_counter() - begun) * 1_000)
    DBOS.destroy()
    print(json.dumps({"median_ms": median(taken), "per_second": 1_000 * count / sum(taken)}))


main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))

"""Large files and odd cuts: memory stays bounded, blocks change nothing about what is found."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cityheart.kernel import limits
from cityheart.share.formats import Reading, decode

from .scene import HEADER

READING = Reading(frozenset({"station", "observed_at", "PM2.5", "wind"}))

LINE = st.tuples(
    st.sampled_from(["a", "天坛", '"x, y"', '"two\nlines"', "ASCII only"]),
    st.just("2015-11-01 08:00"),
    st.sampled_from(["1", "NA", "12.5"]),
    st.sampled_from(["N", "", '"S"']),
)


def read(payload: bytes) -> tuple[list[dict[str, object]], list[int]]:
    rows: list[dict[str, object]] = []
    numbers: list[int] = []
    for batch in decode("a.csv", payload, None, READING):
        rows += batch.table.to_pylist()
        numbers += batch.rows.tolist()
        numbers += [each.row for each in batch.malformed]
    return rows, sorted(numbers)


@given(
    st.lists(LINE, max_size=30),
    st.sampled_from(["utf-8", "utf-8-sig", "gb18030", "utf-16"]),
    st.integers(1, 300),
    st.booleans(),
    st.sets(st.integers(0, 29)),
)
@settings(max_examples=120, deadline=None)
def test_blocks_change_nothing(
    lines: list[tuple[str, ...]], encoding: str, block: int, newline: bool, ragged: set[int]
) -> None:
    """Whatever the size of a block, wherever it cuts: the same rows under the same numbers."""
    body = [",".join(line) + (",extra" if number in ragged else "") for number, line in enumerate(lines)]
    payload = (HEADER + "\n".join(body) + ("\n" if newline else "")).encode(encoding)
    whole = read(payload)
    before = limits.BLOCK_BYTES
    limits.BLOCK_BYTES = block
    try:
        assert read(payload) == whole
    finally:
        limits.BLOCK_BYTES = before
    expected = [line[0].strip('"') for number, line in enumerate(lines) if number not in ragged]
    assert [row["station"] for row in whole[0]] == expected
    assert whole[1] == list(range(1, len(lines) + 1))


SCRIPT = """
import re, sys
from datetime import UTC, datetime
from pathlib import Path
sys.path.insert(0, {root!r})
from cityheart.kernel import limits
from cityheart.kernel.clock import VirtualClock
from cityheart.kernel.database import Database
from cityheart.kernel.ids import Ids
from cityheart.share.models import Delivery
from tests.share.scene import BEGIN, city
def most():  # kB ever held by this program; getrusage would count the one that started it
    status = Path("/proc/self/status").read_text()
    return int(re.search("VmHWM:[^0-9]*([0-9]+)", status).group(1))
limits.LAKE_CACHE_BYTES = limits.LAKE_RECENT_BYTES = 2**20  # the lake's own memory is bounded and not measured here
home = Path({home!r})
clock = VirtualClock(BEGIN)
database = Database(f"sqlite:///{{home / 'c.sqlite'}}", clock, Ids(clock, 1))
database.create_all()
share = city(database, home)
small, big = home / "small.csv", home / "big.csv"
share.land("ecology.air", [Delivery("small.csv", BEGIN, small)])
before = most()
(landed,) = share.land("ecology.air", [Delivery("big.csv", BEGIN, big)])
after = most()
print(landed.rows, landed.quarantined, after // 1024, (after - before) // 1024)
"""


def write(path: Path, rows: int) -> int:
    """A CSV of that many rows of an hour each, one in a hundred thousand bad; its size in MB."""
    with path.open("w", encoding="utf-8") as file:
        file.write(HEADER.replace("wind", "wind,remark"))
        filler = "备注" * 20
        for start in range(0, rows, 10_000):
            day = f"2015-{1 + (start // 10_000) % 12:02}-{1 + (start // 120_000) % 28:02}"
            file.write(
                "".join(
                    f"s{start + i},{day} {i % 24:02}:00,{'x' if (start + i) % 100_000 == 7 else i % 500},N,{filler}\n"
                    for i in range(10_000)
                )
            )
    return path.stat().st_size // 2**20


def test_a_large_file_stays_within_memory(tmp_path: Path) -> None:
    """A file five times as large needs no more memory, and less than a GB; every row is good or in quarantine."""
    usual = write(tmp_path / "small.csv", 400_000)
    size = write(tmp_path / "big.csv", 2_000_000)
    assert size > 4.5 * usual > 200
    root = str(Path(__file__).parents[2])
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(root=root, home=str(tmp_path))],
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert run.returncode == 0, run.stderr
    rows, bad, peak, grown = map(int, run.stdout.split())
    assert (rows, bad) == (2_000_000 - 20, 20)
    assert peak < 1_000, f"{peak} MB at the peak"
    assert grown < size - usual, f"{grown} MB more for {size - usual} MB more of file"


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
def test_chinese_that_begins_late(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The encoding of a file whose first megabytes are ASCII is found where it shows."""
    monkeypatch.setattr(limits, "BLOCK_BYTES", 1_000)
    rows = [f"s{number},2015-11-01 08:00,1,N" for number in range(1_000)] + ["天坛,2015-11-01 08:00,1,N"] * 2
    found, _ = read((HEADER + "\n".join(rows)).encode(encoding))
    assert [row["station"] for row in found[-3:]] == ["s999", "天坛", "天坛"]

"""The feed gives out the files' bytes, hour by hour, when the stations' system would."""

from __future__ import annotations

import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cityheart.apps.air import evaluate, feed

HEADER = b'"No","year","month","day","hour","PM2.5","station"\r\n'
FIRST = datetime(2013, 2, 28, 17, 5, tzinfo=UTC)  # the hour from 0:00 on 1 March in Beijing, and the lag


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "stations.zip"
    a = b'1,2013,3,1,0,4,"A"\r\n2,2013,3,1,1,NA,"A"\r\n2,2013,3,1,1,6,"A"\r\n4,2013,3,1,5,9,"A"'
    b = b'1,2013,3,1,1,7,"B"\r\n2,2013,3,1,0,5,"B"\r\n'
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("b.csv", HEADER + b)
        file.writestr("a.csv", HEADER + a)
    return path


def _all(path: Path, batch: timedelta = timedelta(hours=1)) -> list[list[tuple[datetime, bytes]]]:
    since, until = datetime(2013, 1, 1, tzinfo=UTC), datetime(2018, 1, 1, tzinfo=UTC)
    lists = feed.deliveries(path, since, until, batch)
    return [[(one.received_at, one.payload) for one in each if isinstance(one.payload, bytes)] for each in lists]


def test_an_hour_is_one_delivery_with_the_lines_of_all_files_as_they_are(archive: Path) -> None:
    hour = timedelta(hours=1)
    assert _all(archive) == [
        [(FIRST, HEADER + b'1,2013,3,1,0,4,"A"\r\n2,2013,3,1,0,5,"B"\r\n')],
        [(FIRST + hour, HEADER + b'2,2013,3,1,1,NA,"A"\r\n2,2013,3,1,1,6,"A"\r\n1,2013,3,1,1,7,"B"\r\n')],
        [(FIRST + 5 * hour, HEADER + b'4,2013,3,1,5,9,"A"')],
    ]


def test_batches_span_a_fixed_time_and_an_empty_one_is_left_out(archive: Path) -> None:
    assert [len(each) for each in _all(archive, timedelta(hours=2))] == [1, 1, 1]
    assert [len(each) for each in _all(archive, timedelta(days=1))] == [3]


def test_since_counts_and_until_does_not(archive: Path) -> None:
    hour = timedelta(hours=1)
    got = [one.received_at for each in feed.deliveries(archive, FIRST, FIRST + hour, hour) for one in each]
    assert got == [FIRST]


def test_a_batch_of_nothing_and_headers_that_differ_are_refused(archive: Path) -> None:
    with pytest.raises(ValueError, match="longer than nothing"):
        list(feed.deliveries(archive, FIRST, FIRST, timedelta(0)))
    with zipfile.ZipFile(archive, "a") as file:
        file.writestr("c.csv", b'"No","year"\r\n1,2013\r\n')
    with pytest.raises(ValueError, match=r"c\.csv"):
        _all(archive)


def test_the_whole_data_set_comes_out_line_by_line() -> None:
    with zipfile.ZipFile(evaluate.DATA) as file:
        lines = [line for name in sorted(file.namelist()) for line in file.read(name).splitlines(keepends=True)[1:]]
    given = [payload for each in _all(evaluate.DATA, timedelta(days=7)) for _, payload in each]
    assert len(lines) == 420_768
    assert len(given) == 35_064
    assert sorted(line for payload in given for line in payload.splitlines(keepends=True)[1:]) == sorted(lines)
    assert all(payload.count(b"\r\n") == 13 for payload in given)

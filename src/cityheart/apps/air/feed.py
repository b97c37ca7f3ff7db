"""The stations' side of history: the files of the data set, given out hour by hour as the stations' system would.

One delivery an hour holds the header and the twelve stations' lines of that hour, byte for byte as in the files and in
the files' order. It is received five minutes after the hour has ended: the publication lag, fixed.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv

from cityheart.sdk import Delivery

PUBLICATION_LAG = timedelta(minutes=5)
BEIJING = timedelta(hours=8)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def deliveries(data: Path, since: datetime, until: datetime, batch: timedelta) -> Iterator[list[Delivery]]:
    """Deliveries received in [since, until), in lists that span ``batch`` each, counted from ``since``.

    ``data`` is the zip of the stations' files; ``since`` and ``until`` are aware. An hour that no file holds has no
    delivery, a span without any no list. Raises ValueError for a span that is not longer than nothing and for files
    whose headers differ; zipfile.BadZipFile for a damaged zip.
    """
    if batch <= timedelta(0):
        raise ValueError("batch must be longer than nothing")
    header, lines, hours = _lines(data)
    starts = np.flatnonzero(np.diff(hours, prepend=hours[0] - 1)) if len(hours) else np.zeros(0, dtype=np.int64)
    ends = [*starts[1:].tolist(), len(hours)]
    span: list[Delivery] = []
    number = 0
    for start, end in zip(starts.tolist(), ends, strict=True):
        beginning = _EPOCH + timedelta(hours=int(hours[start]))
        received = beginning + timedelta(hours=1) + PUBLICATION_LAG
        if received < since:
            continue
        if received >= until:
            break
        if (received - since) // batch != number and span:
            yield span
            span = []
        number = (received - since) // batch
        name = f"stations-{beginning + BEIJING:%Y-%m-%dT%H}.csv"
        payload = header + b"".join(lines[start:end])
        span.append(Delivery(name=name, received_at=received, payload=payload, format="csv"))
    if span:
        yield span


def _lines(data: Path) -> tuple[bytes, list[bytes], np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """The common header, every line of every file sorted by hour, and the hours (whole hours since 1970 UTC)."""
    lines: list[bytes] = []
    hours: list[np.ndarray[tuple[int], np.dtype[np.int64]]] = []
    header = b""
    wanted = pa.csv.ConvertOptions(include_columns=["year", "month", "day", "hour"])
    with zipfile.ZipFile(data) as archive:
        for name in sorted(archive.namelist()):
            content = archive.read(name)
            first, *rest = content.splitlines(keepends=True)
            if header and first != header:
                raise ValueError(f"{name}: its header differs from that of the files before")
            header = first
            lines += rest
            hours.append(hours_of(pa.csv.read_csv(pa.py_buffer(content), convert_options=wanted)))
    joined = np.concatenate(hours) if hours else np.zeros(0, dtype=np.int64)
    order = np.argsort(joined, kind="stable")
    return header, [lines[i] for i in order.tolist()], joined[order]


def hours_of(table: pa.Table) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Hours (whole hours since 1970 UTC) of the local columns year, month, day and hour."""
    year, month, day, hour = (table[name].to_numpy() for name in ("year", "month", "day", "hour"))
    months = (year - 1970) * 12 + month - 1
    days = months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64) + day - 1
    return np.asarray(days * 24 + hour - BEIJING // timedelta(hours=1), dtype=np.int64)

"""Formats: from the bytes of a delivery to batches of rows with the source's own column names.

A format is found by the name's ending and by the first bytes. Whatever the format, a batch is bounded
(``limits.BLOCK_BYTES``, ``limits.BATCH_CELLS``), so memory does not grow with the file.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from cityheart.kernel.text import text
from cityheart.share.formats import arrow, delimited, json_records, mqtt_json, wire, workbook, xml_records, zipped
from cityheart.share.formats.batch import Batch, Payload, Reading, opened, size_of
from cityheart.share.formats.wire import Recorded
from cityheart.share.models import Refused

__all__ = ["FORMATS", "WIRE", "Batch", "Payload", "Reading", "Recorded", "decode", "detect", "together"]

_READERS = {
    "csv": delimited.batches,
    "json": json_records.batches,
    "parquet": arrow.parquet_batches,
    "arrow": arrow.stream_batches,
    "xlsx": workbook.batches,
    "xml": xml_records.batches,
}

_WIRES = {"jt808": wire.jt808, "hj212": wire.hj212, "mqtt-json": mqtt_json.messages}

FORMATS = (*_READERS, *_WIRES, "zip")
"""Every format a delivery may have."""

WIRE = tuple(_WIRES)
"""Formats of what listeners record: many rows in few bytes, read in bounded batches."""

_ENDINGS = {
    ".csv": "csv", ".tsv": "csv", ".txt": "csv",
    ".json": "json", ".jsonl": "json", ".ndjson": "json", ".geojson": "json",
    ".parquet": "parquet", ".arrow": "arrow", ".xlsx": "xlsx", ".xls": "xlsx", ".xlsm": "xlsx", ".xlsb": "xlsx",
    ".ods": "xlsx", ".xml": "xml", ".zip": "zip",
}  # fmt: skip


def detect(name: str, payload: Payload) -> str:
    """The format of a delivery, by its first bytes where these are plain, else by the name's ending, else csv."""
    with opened(payload) as stream:
        head = stream.read(4096)
    if head.startswith(b"PAR1"):
        return "parquet"
    ending = _ENDINGS.get(PurePosixPath(name.replace("\\", "/")).suffix.lower())
    if head.startswith(b"PK\x03\x04"):
        return "xlsx" if ending == "xlsx" or _is_workbook(payload) else "zip"
    if ending:
        return ending
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    return {b"{": "json", b"[": "json", b"<": "xml"}.get(start, "csv")


def decode(name: str, payload: Payload, format: str | None, reading: Reading) -> Iterator[Batch]:
    """The batches of a delivery, in order. Raises Refused when it cannot be read or breaks a limit."""
    format = format or detect(name, payload)
    if size_of(payload) == 0:
        raise Refused("empty", text("文件是空的", "the file is empty"))
    if format == "zip":
        for member, path in zipped.members(payload):
            inner = detect(member, path)
            if inner == "zip":
                raise Refused(
                    "archive_nested", text(f"压缩包里还有压缩包：{member}", f"an archive within the archive: {member}")
                )
            for batch in _READERS[inner](path, reading):
                batch.member = member
                yield batch
        return
    if format in _WIRES:
        yield from wire.in_pieces(payload, _WIRES[format](reading))
        return
    if format not in _READERS:
        known = ", ".join(FORMATS)
        raise Refused(
            "format", text(f"不支持的格式 {format}（支持 {known}）", f"format {format} is not one of {known}")
        )
    yield from _READERS[format](payload, reading)


def together(format: str, payloads: Sequence[Payload], reading: Reading) -> tuple[list[Recorded], dict[int, Refused]]:
    """Several recordings of one of the formats of ``WIRE``, read as one: quicker for many small ones.

    Which of them cannot be read comes beside, by their place. Raises Refused when the options say nothing usable.
    """
    return wire.together(payloads, _WIRES[format](reading))


def _is_workbook(payload: Payload) -> bool:
    try:
        with opened(payload) as stream, zipfile.ZipFile(stream) as archive:
            return any(each.startswith(("xl/", "content.xml")) for each in archive.namelist()[:50])
    except (zipfile.BadZipFile, OSError, ValueError):
        return False

"""How files are written so that the same city gives the same bytes: CSV, workbooks, archives, JSON lines, Parquet."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import escape

import pyarrow as pa
import pyarrow.parquet as pq

__all__ = ["Drops", "Stream", "archive", "csv_bytes", "json_lines", "parquet_bytes", "workbook", "write_json"]

_THEN = (1980, 1, 1, 0, 0, 0)  # an archive's time for every member
_SHEET = (
    '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
    '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>{rows}</sheetData>{merged}'
    "</worksheet>"
)
_BOOK = (
    '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
    '<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" '
    'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets>{sheets}</sheets></workbook>'
)
_RELATIONS = (
    '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
    '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{all}</Relationships>'
)
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_MAIN = "application/vnd.openxmlformats-officedocument.spreadsheetml"


@dataclass
class Drops:
    """A system that hands out files: what was delivered when."""

    folder: Path
    inside: str = "drops/"
    rows: list[tuple[str, str]] = field(default_factory=list)

    def put(self, name: str, content: bytes, delivered_at: str) -> None:
        """Deliver one file."""
        file = self.folder / f"{self.inside}{name}"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        self.rows.append((f"{self.inside}{name}", delivered_at))

    def close(self) -> int:
        """Write ``drops.csv``; the number of files."""
        self.rows.sort(key=lambda row: (row[1], row[0]))
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "drops.csv").write_bytes(csv_bytes(("path", "delivered_at"), self.rows, "utf-8"))
        return len(self.rows)


@dataclass
class Stream:
    """A Parquet file that grows by one table a day."""

    file: Path
    rows: int = 0
    _writer: pq.ParquetWriter | None = None

    def add(self, table: pa.Table) -> None:
        """Append a table as row groups of at most 250,000 rows."""
        if self._writer is None:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            self._writer = pq.ParquetWriter(
                self.file, table.schema, compression="zstd", compression_level=3, store_schema=True
            )
        self._writer.write_table(table, row_group_size=250_000)
        self.rows += table.num_rows

    def close(self) -> None:
        """Finish the file."""
        if self._writer is not None:
            self._writer.close()


def csv_bytes(header: Sequence[str], rows: Iterable[Sequence[object]], encoding: str) -> bytes:
    """A CSV file in an encoding."""
    told = io.StringIO(newline="")
    writer = csv.writer(told, lineterminator="\r\n")
    writer.writerow(header)
    writer.writerows(["" if value is None else value for value in row] for row in rows)
    return told.getvalue().encode(encoding)


def write_json(file: Path, content: object) -> None:
    """A JSON file, indented."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", "utf-8")


def json_lines(file: Path, rows: Iterable[Mapping[str, object]]) -> int:
    """One JSON object a line; how many."""
    file.parent.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in rows]
    file.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    return len(lines)


def parquet_bytes(table: pa.Table) -> bytes:
    """A table as a Parquet file."""
    into = pa.BufferOutputStream()
    pq.write_table(table, into, compression="zstd", compression_level=3)
    return bytes(into.getvalue())


def archive(members: Iterable[tuple[str, bytes]]) -> bytes:
    """A zip archive."""
    into = io.BytesIO()
    with zipfile.ZipFile(into, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in members:
            member = zipfile.ZipInfo(name, _THEN)
            member.compress_type = zipfile.ZIP_DEFLATED
            member.external_attr = 0o644 << 16
            packed.writestr(member, content)
    return into.getvalue()


def workbook(sheets: Sequence[tuple[str, Sequence[Sequence[str | int | float | None]], int]]) -> bytes:
    """An xlsx workbook of sheets (name, rows, columns over which the first row is merged; 0 merges nothing).

    Written by hand because every library stamps the hour into the file, and the same city must give the same bytes.
    """
    types = [f'<Override PartName="/xl/workbook.xml" ContentType="{_MAIN}.sheet.main+xml"/>']
    listed, related = [], []
    parts: list[tuple[str, str]] = []
    for number, (name, rows, merged) in enumerate(sheets, 1):
        types.append(f'<Override PartName="/xl/worksheets/sheet{number}.xml" ContentType="{_MAIN}.worksheet+xml"/>')
        listed.append(f'<sheet name="{escape(name)}" sheetId="{number}" r:id="rId{number}"/>')
        related.append(
            f'<Relationship Id="rId{number}" Type="{_OFFICE}/worksheet" Target="worksheets/sheet{number}.xml"/>'
        )
        told = "".join(f'<row r="{row}">{_cells(row, cells)}</row>' for row, cells in enumerate(rows, 1))
        over = f'<mergeCells count="1"><mergeCell ref="A1:{chr(64 + merged)}1"/></mergeCells>' if merged else ""
        parts.append((f"xl/worksheets/sheet{number}.xml", _SHEET.format(rows=told, merged=over)))
    content = (
        '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
        '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Default Extension="xml" ContentType="application/xml"/>{"".join(types)}</Types>'
    )
    root = f'<Relationship Id="rId1" Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/>'
    files = [
        ("[Content_Types].xml", content),
        ("_rels/.rels", _RELATIONS.format(all=root)),
        ("xl/workbook.xml", _BOOK.format(sheets="".join(listed))),
        ("xl/_rels/workbook.xml.rels", _RELATIONS.format(all="".join(related))),
        *parts,
    ]
    return archive((name, text.encode()) for name, text in files)


def _cells(row: int, cells: Sequence[str | int | float | None]) -> str:
    told = []
    for column, value in enumerate(cells):
        if value is None or value == "":
            continue
        at = f"{chr(65 + column)}{row}"
        if isinstance(value, str):
            told.append(f'<c r="{at}" t="inlineStr"><is><t>{escape(value)}</t></is></c>')
        else:
            told.append(f'<c r="{at}"><v>{value}</v></c>')
    return "".join(told)

"""Workbooks (xlsx, xls, xlsb, ods): every sheet that has the columns, wherever its header row is.

A title row above the header, blank separator rows and sheets by district are what departments send; dates come as text
or as the cell's own date, written out.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator

import fastexcel
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cityheart.kernel import limits
from cityheart.kernel.text import text
from cityheart.share.formats.batch import Batch, Malformed, Payload, Reading, column_names, find_header, whole
from cityheart.share.models import Refused

__all__ = ["batches"]


def batches(payload: Payload, reading: Reading) -> Iterator[Batch]:
    """The rows of all sheets. Raises Refused when the file is damaged, unpacks too large, or no sheet has a header."""
    data = whole(payload, "工作簿 workbook")
    _bounded(data)
    wanted = reading.options.get("sheets")
    found = False
    row = 1
    try:
        book = fastexcel.read_excel(data)
        for sheet in book.sheet_names:
            if isinstance(wanted, list) and sheet not in wanted:
                continue
            cells = pa.table(book.load_sheet(sheet, header_row=None, dtypes="string"))
            if cells.num_rows == 0 or cells.num_columns == 0:
                continue
            batch = _sheet(sheet, cells, reading, row)
            row += len(batch.rows) + len(batch.malformed)
            found = found or batch.table.num_columns > 0
            yield batch
    except fastexcel.FastExcelError as error:
        raise Refused(
            "unreadable", text(f"工作簿无法读取：{error}", f"the workbook cannot be read: {error}")
        ) from error
    if not found:
        raise Refused("no_header", text("没有一个工作表有约定的表头", "no sheet has the header that was agreed"))


def _sheet(name: str, cells: pa.Table, reading: Reading, first: int) -> Batch:
    head = [[cell or "" for cell in row.values()] for row in cells.slice(0, limits.HEADER_ROWS).to_pylist()]
    index, matches = find_header(head, reading.headers)
    if matches == 0:
        shown = "\n".join("\t".join(row) for row in head).encode()
        message = text(f"工作表“{name}”没有约定的表头", f"the sheet {name!r} has no header that was agreed")
        return Batch(
            pa.table({}),
            np.zeros(0, dtype=np.int64),
            [Malformed(first, "sheet_without_header", shown, message)],
            member=name,
        )
    table = cells.slice(index + 1).rename_columns(column_names(head[index])).combine_chunks()
    filled = np.zeros(table.num_rows, dtype=bool)
    for column in table.columns:
        filled |= pc.fill_null(pc.not_equal(pc.utf8_trim_whitespace(column), ""), False).to_numpy()
    table = table.take(pa.array(np.flatnonzero(filled)))
    blank = [
        each
        for each in table.column_names
        if each.startswith("column ") and table.column(each).null_count == table.num_rows
    ]
    table = table.drop_columns(blank)
    return Batch(table, np.arange(first, first + table.num_rows, dtype=np.int64), member=name)


def _bounded(data: bytes) -> None:
    """A workbook is an archive, too: its unpacked size is looked at before it is unpacked."""
    if not data.startswith(b"PK"):
        return
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            size = sum(each.file_size for each in archive.infolist())
    except zipfile.BadZipFile as error:
        raise Refused("unreadable", text(f"工作簿损坏：{error}", f"the workbook is damaged: {error}")) from error
    if size > 8 * limits.DOCUMENT_BYTES:
        raise Refused(
            "archive_too_large",
            text("工作簿解开后过大", f"the workbook unpacks to {size // 2**20} MB, which is too large"),
        )

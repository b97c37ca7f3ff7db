"""Delimited text: CSV and its relatives, in any of the encodings Chinese systems write.

UTF-8 with and without mark, UTF-16 and GB 18030 are told apart by the bytes. The delimiter and the header row are found
by the column names the contract knows. Files of any size are read in blocks of whole lines.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv as pacsv

from cityheart.kernel import limits
from cityheart.kernel.text import text
from cityheart.share.formats.batch import Batch, Malformed, Payload, Reading, column_names, find_header, opened
from cityheart.share.models import Refused

__all__ = ["batches", "text_blocks", "together"]

_DELIMITERS = (",", "\t", ";", "|")
_REPLACEMENT = "\ufffd".encode()
_NO_ROWS: npt.NDArray[np.int64] = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True)
class _Header:
    names: list[str]
    delimiter: str
    lines: int  # physical lines up to and including the header


def batches(payload: Payload, reading: Reading) -> Iterator[Batch]:
    """The rows of a delimited file. Raises Refused for a line without end or bytes in no known encoding."""
    header: _Header | None = None
    row = 1
    with opened(payload) as stream:
        for block in text_blocks(stream, reading.option("encoding")):
            if header is None:
                header = _header(block, reading)
                block = _after_lines(block, header.lines)
                if not block.strip():
                    yield Batch(_no_table(header.names), _NO_ROWS)
                    continue
            batch = _parse(block, header, row)
            row += len(batch.rows) + len(batch.malformed)
            yield batch


def together(payloads: Sequence[bytes], reading: Reading) -> tuple[pa.Table, npt.NDArray[np.int64]] | None:
    """Many small files of one header as one table, with the number of rows of each.

    None when they are not plain enough for that (a value over several lines, blank lines, ragged rows, other headers or
    encodings): then each is read on its own.
    """
    first = payloads[0]
    end = first.find(b"\n") + 1
    if end == 0:
        return None
    line = first[:end]
    bodies = []
    for payload in payloads:
        if not payload.startswith(line):
            return None
        body = payload[end:]
        bodies.append(body if not body or body.endswith(b"\n") else body + b"\n")
    joined = b"".join(bodies)
    quoted = b'"' in joined
    if quoted and any(body.count(b'"') % 2 for body in bodies):
        return None
    if b"\n\n" in joined or b"\n\r" in joined or joined.startswith((b"\n", b"\r")):
        return None
    if joined.count(b"\r") != joined.count(b"\r\n") or not joined:
        return None
    if b"\r\n" in joined and any(body.startswith((b"\r", b"\n")) for body in bodies):
        return None
    try:
        joined.decode("utf-8")
        header_text = line.removeprefix(codecs.BOM_UTF8).decode("utf-8").encode()
    except UnicodeDecodeError:
        return None
    if reading.option("encoding") not in (None, "utf-8", "utf-8-sig"):
        return None
    header = _header(header_text, reading)
    table, malformed = _read(joined, header, quoted=quoted)
    counts = np.array([body.count(b"\n") for body in bodies], dtype=np.int64)  # fewer rows: a value holds a newline
    if malformed or table.num_rows != counts.sum():
        return None
    return table, counts


# ── blocks of whole lines in UTF-8 ─────────────────────────────────────────────────────────────────────────────────


def text_blocks(stream: BinaryIO, encoding: str | None) -> Iterator[bytes]:
    """Blocks of whole lines, decoded to UTF-8; lines end in \\n."""
    carried = b""
    old_mac: bool | None = None
    for piece in _utf8(stream, encoding):
        if old_mac is None:
            old_mac = b"\n" not in piece and b"\r" in piece
        if old_mac:
            piece = piece.replace(b"\r", b"\n")
        block = carried + piece
        cut = _cut(block)
        if cut:
            yield block[:cut]
        carried = block[cut:]
        if len(carried) > limits.LINE_BYTES and b"\n" not in carried:
            raise Refused(
                "line_too_long",
                text(
                    f"一行超过 {limits.LINE_BYTES // 2**20} MB 仍未结束，不是文本表格",
                    f"a line does not end within {limits.LINE_BYTES // 2**20} MB: this is no table of text",
                ),
            )
    if carried.strip():
        yield carried + b"\n"


def _cut(block: bytes) -> int:
    """Where the last whole record ends: after the last newline outside quotes; 0 when there is none yet."""
    end = block.rfind(b"\n") + 1
    if end == 0 or b'"' not in block:
        return end
    odd = block.count(b'"', 0, end) % 2
    tried = end
    while odd and tried:
        earlier = block.rfind(b"\n", 0, tried - 1) + 1
        odd = (odd + block.count(b'"', earlier, tried)) % 2
        tried = earlier
    if tried == 0 and len(block) > limits.LINE_BYTES:
        return end  # no value is that long: a quotation mark is missing, and the lines are told apart one by one
    return tried


def _utf8(stream: BinaryIO, encoding: str | None) -> Iterator[bytes]:
    """The stream as UTF-8 pieces. Bytes that are no text of the encoding become U+FFFD, which the check sees."""
    head = stream.read(4096)
    if encoding is None:
        encoding = _by_mark(head)
    if encoding is None:
        yield from _utf8_or_gb(head, stream)
        return
    try:
        decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
    except LookupError:
        raise Refused("encoding", text(f"不认识的编码 {encoding}", f"no encoding is called {encoding}")) from None
    piece = head
    while piece:
        yield decoder.decode(piece).encode("utf-8", "replace")
        piece = stream.read(limits.BLOCK_BYTES)
    rest = decoder.decode(b"", final=True)
    if rest:
        yield rest.encode("utf-8", "replace")


def _by_mark(head: bytes) -> str | None:
    if head.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    even, odd = head[0::2].count(0), head[1::2].count(0)
    if len(head) >= 8 and odd > len(head) // 5 and even == 0:
        return "utf-16-le"
    if len(head) >= 8 and even > len(head) // 5 and odd == 0:
        return "utf-16-be"
    return None


def _utf8_or_gb(head: bytes, stream: BinaryIO) -> Iterator[bytes]:
    """Without a mark: lines of ASCII pass; the first others decide between UTF-8 and GB 18030."""
    kept = b""
    piece = head
    while piece:
        piece = kept + piece
        lines = piece[: piece.rfind(b"\n") + 1]  # a piece may end within a character, a line does not
        if not lines.isascii() or len(piece) - len(lines) > limits.LINE_BYTES:
            break
        if lines:
            yield lines
        kept = piece[len(lines) :]
        piece = stream.read(limits.BLOCK_BYTES)
    rest = piece or kept
    lines = rest[: rest.rfind(b"\n") + 1]
    decoder = codecs.getincrementaldecoder(_utf8_or_gb18030(rest if lines.isascii() else lines))(errors="replace")
    while rest:
        yield decoder.decode(rest).encode("utf-8", "replace")
        rest = stream.read(limits.BLOCK_BYTES)
    if ending := decoder.decode(b"", final=True):
        yield ending.encode("utf-8", "replace")


def _utf8_or_gb18030(block: bytes) -> str:
    """UTF-8 where it is, or nearly is (a few damaged bytes); else GB 18030 where that is; else UTF-8."""
    loose = block.decode("utf-8", "replace")
    damaged = loose.count("\ufffd")
    if damaged == 0:
        return "utf-8"
    foreign = sum(1 for each in loose[:1_000_000] if each > "\x7f")
    if damaged * 20 < foreign:
        return "utf-8"
    try:
        block.decode("gb18030")
    except UnicodeDecodeError as error:
        if error.start < len(block) - 4:
            return "gb18030" if block.decode("gb18030", "replace").count("\ufffd") < damaged else "utf-8"
    return "gb18030"


# ── header and rows ────────────────────────────────────────────────────────────────────────────────────────────────


def _header(block: bytes, reading: Reading) -> _Header:
    """The header row and the delimiter, by the names the contract knows."""
    start = block[: limits.LINE_BYTES]
    head = start.decode("utf-8", "replace").splitlines(keepends=True)[: limits.HEADER_ROWS * 2]
    forced = reading.option("delimiter")
    best: tuple[int, int, int, _Header] | None = None
    for order, delimiter in enumerate((forced,) if forced else _DELIMITERS):
        reader = csv.reader(iter(head), delimiter=delimiter)
        rows, ends = [], []
        try:
            for cells in reader:
                if any(cell.strip() for cell in cells):
                    rows.append(cells)
                    ends.append(reader.line_num)
        except csv.Error:
            pass
        if not rows:
            continue
        index, matches = find_header(rows, reading.headers)
        found = (
            matches,
            len(rows[index]) if matches == 0 else 0,
            -order,
            _Header(column_names(rows[index]), delimiter, ends[index]),
        )
        if best is None or found[:3] > best[:3]:
            best = found
    if best is None:
        raise Refused("no_header", text("找不到表头", "there is no header row"))
    return best[3]


def _after_lines(block: bytes, lines: int) -> bytes:
    position = 0
    for _ in range(lines):
        end = block.find(b"\n", position)
        if end < 0:
            return b""
        position = end + 1
    return block[position:]


def _parse(block: bytes, header: _Header, first_row: int) -> Batch:
    quoted = b'"' in block
    unbalanced: list[tuple[int, bytes]] = []
    if quoted and block.count(b'"') % 2:
        block, unbalanced = _without_unbalanced(block)
    table, ragged = _read(block, header, quoted=quoted)
    # ragged rows are numbered among the rows of `block`, unbalanced ones among those and themselves
    total = table.num_rows + len(ragged) + len(unbalanced)
    numbers = np.arange(total, dtype=np.int64)
    free = np.ones(total, dtype=bool)
    malformed = []
    for position, piece in unbalanced:
        free[position] = False
        malformed.append(
            Malformed(
                first_row + position, "unbalanced_quote", piece, text("引号没有成对", "a quotation mark is not closed")
            )
        )
    others = numbers[free]
    is_row = np.ones(len(others), dtype=bool)
    for number, cells, line in ragged:
        is_row[number - 1] = False
        wanted = len(header.names)
        malformed.append(
            Malformed(
                first_row + int(others[number - 1]),
                "ragged_row",
                line.encode(),
                text(
                    f"有 {cells} 个单元格，表头有 {wanted} 列", f"{cells} cells where the header has {wanted} columns"
                ),
            )
        )
    damaged = _REPLACEMENT in block
    return Batch(_without_empty_unnamed(table), others[is_row] + first_row, malformed, damaged=damaged)


def _read(block: bytes, header: _Header, *, quoted: bool) -> tuple[pa.Table, list[tuple[int, int, str]]]:
    """All cells as text, and the rows with another number of cells: (number from 1, cells, text)."""
    ragged: list[tuple[int, int, str]] = []

    def note(row: pacsv.InvalidRow) -> str:
        ragged.append((row.number or 0, row.actual_columns, row.text))
        return "skip"

    def read(threads: bool) -> pa.Table:
        ragged.clear()
        return pacsv.read_csv(
            io.BytesIO(block),
            read_options=pacsv.ReadOptions(
                column_names=header.names, use_threads=threads, block_size=max(2**20, 2 * limits.LINE_BYTES)
            ),
            parse_options=pacsv.ParseOptions(
                delimiter=header.delimiter,
                newlines_in_values=quoted,
                invalid_row_handler=note,
                quote_char='"' if quoted else False,
            ),
            convert_options=pacsv.ConvertOptions(
                column_types=dict.fromkeys(header.names, pa.string()), strings_can_be_null=False, check_utf8=False
            ),
        )

    try:
        table = read(len(block) > 2**20)
        if ragged and any(number == 0 for number, _, _ in ragged):
            table = read(False)  # one thread knows the numbers of the rows
    except pa.ArrowInvalid as error:
        if "Empty CSV" in str(error):
            return _no_table(header.names), ragged
        raise Refused("unreadable", text(f"无法按表格读取：{error}", f"cannot be read as a table: {error}")) from error
    return table, ragged


def _without_unbalanced(block: bytes) -> tuple[bytes, list[tuple[int, bytes]]]:
    """Sets apart the lines whose quotation marks do not pair, so that they cannot swallow the lines after them."""
    kept, apart = [], []
    number = 0
    for line in block.splitlines(keepends=True):
        if not line.strip():
            continue
        if line.count(b'"') % 2:
            apart.append((number, line.rstrip(b"\r\n")))
        else:
            kept.append(line)
        number += 1
    return b"".join(kept), apart


def _without_empty_unnamed(table: pa.Table) -> pa.Table:
    """Drops columns without a header and without a value: what a trailing delimiter leaves."""
    for name in [each for each in table.column_names if each.startswith("column ")]:
        if all(not cell for cell in table.column(name).unique().to_pylist()):
            table = table.drop_columns([name])
    return table


def _no_table(names: Sequence[str]) -> pa.Table:
    return pa.table({name: pa.array([], pa.string()) for name in names})

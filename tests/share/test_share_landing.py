"""Landing: acknowledged means durable and once, bad input is a row with a reason, a source hears what became of it."""

from __future__ import annotations

import copy
import json
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cityheart.kernel import events, limits
from cityheart.kernel.actors import Actor
from cityheart.kernel.clock import VirtualClock
from cityheart.kernel.database import Database
from cityheart.kernel.errors import Conflict, Forbidden, Invalid, NotFound
from cityheart.kernel.text import text
from cityheart.share import store
from cityheart.share.contracts import Contract
from cityheart.share.models import Dataset, Delivery, Source
from cityheart.share.service import Share

from .scene import AIR, BEGIN, HEADER, SYSTEM, city, contract, csv, delivery, lake, reasons, values

ROW = "a,2015-11-01 08:00,12,N"
SECOND = "b,2015-11-01 08:00,34,S"


def types(database: Database, stream: str = "source:ecology.air") -> list[str]:
    with database.read() as conn:
        return [event.type for event in events.read(conn, stream=stream)]


def test_rows_land_with_the_moment_the_city_knew_them(database: Database, tmp_path: Path) -> None:
    """Good rows are in the lake with delivery, source and moment; the answer, the record and the events agree."""
    share = city(database, tmp_path)
    first, second = share.land(
        "ecology.air",
        [delivery("1.csv", csv(ROW, SECOND)), delivery("2.csv", csv("a,2015-11-01 09:00,NA,"), minutes=60)],
    )
    assert (first.rows, first.quarantined, first.refused, second.rows) == (2, 0, None, 1)
    rows = lake(share)
    assert values(rows, "station", "pm25", "wind") == [("a", 12.0, "N"), ("b", 34.0, "S"), ("a", None, None)]
    assert rows["observed_at"][0].as_py() == datetime(2015, 11, 1, tzinfo=UTC)
    known = {(BEGIN, first.delivery, "ecology.air"), (BEGIN + timedelta(hours=1), second.delivery, "ecology.air")}
    assert set(values(rows, "_known_at", "_batch", "_source")) == known
    (source,) = share.sources(SYSTEM)
    assert (source["state"], source["rows"], source["deliveries"]) == ("ok", 3, 2)
    assert types(database) == ["source.registered", "source.delivered"]
    assert share.landed_rows() == {"air": 3}


def test_the_same_delivery_lands_once(database: Database, tmp_path: Path) -> None:
    """Name and content again: the earlier answer, nothing written; in one call, in a later one, beside new ones."""
    share = city(database, tmp_path)
    one = delivery("1.csv", csv(ROW, "b,soon,1,N"))
    answers = share.land("ecology.air", [one, one])
    assert [(each.rows, each.repeated) for each in answers] == [(1, False), (1, True)]
    new = delivery("2.csv", csv(SECOND))
    again, fresh = share.land("ecology.air", [one, new])
    assert (again.rows, again.quarantined, again.repeated, fresh.rows, fresh.repeated) == (1, 1, True, 1, False)
    assert again.delivery == answers[0].delivery
    assert lake(share).num_rows == 2
    assert reasons(share) == [(2, "type", "observed_at")]
    (source,) = share.sources(SYSTEM)
    assert (source["rows"], source["quarantined"], source["deliveries"]) == (2, 1, 2)
    assert share.quality(SYSTEM, "ecology.air")["rows"] == 3


def test_a_stamp_tells_equal_content_apart(sqlite: Database, tmp_path: Path) -> None:
    """A value that goes there and back is three deliveries when the file's time says so."""
    share = city(sqlite, tmp_path)
    for stamp, body in (("1", csv(ROW)), ("2", csv("a,2015-11-01 08:00,99,N")), ("3", csv(ROW))):
        minute = timedelta(minutes=int(stamp))
        share.land("ecology.air", [Delivery("latest.csv", BEGIN + minute, body.encode(), None, stamp)])
    assert values(lake(share), "pm25") == [(12.0,), (99.0,), (12.0,)]


def lose_the_record(share: Share, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the process 'die' after the lake has the rows and before the transaction commits."""

    def die(*arguments: object, **keywords: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(share, "_record", die)


@pytest.mark.parametrize("unchanged", ["keep", "drop"])
@pytest.mark.parametrize("beside", [False, True])
def test_a_crash_between_lake_and_record(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, beside: bool, unchanged: str
) -> None:
    """Delivered again, alone or in other company, the rows are recorded and not written a second time."""
    share = city(database, tmp_path, air=contract(unchanged=unchanged))
    lost = [delivery("1.csv", csv(ROW, "x,soon,1,N")), delivery("2.csv", csv(SECOND))]
    with monkeypatch.context() as patch:
        lose_the_record(share, patch)
        with pytest.raises(KeyboardInterrupt):
            share.land("ecology.air", lost)
    assert share.landed_rows() == {"air": 0}
    share = city(database, tmp_path, air=contract(unchanged=unchanged))
    if beside:  # something else lands first, so the lake's version alone says nothing any more
        share.land("ecology.air", [delivery("3.csv", csv("c,2015-11-01 08:00,5,N"))])
    answers = share.land("ecology.air", [delivery("4.csv", csv("d,2015-11-01 08:00,5,N")), *lost])
    assert [(each.rows, each.quarantined, each.repeated) for each in answers] == [
        (1, 0, False),
        (1, 1, False),
        (1, 0, False),
    ]
    stations = [station for (station,) in values(lake(share), "station")]
    assert sorted(stations) == ["a", "b", *("c" for _ in range(beside)), "d"]
    assert share.landed_rows() == {"air": len(stations)}
    assert reasons(share) == [(2, "type", "observed_at")]


@pytest.mark.parametrize("unchanged", ["keep", "drop"])
def test_a_crash_in_the_middle_of_a_large_delivery(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unchanged: str
) -> None:
    """Blocks that the lake has are passed over when the file comes again."""
    monkeypatch.setattr(limits, "LAND_TOGETHER_BYTES", 100)
    monkeypatch.setattr(limits, "COMMIT_BYTES", 20_000)
    monkeypatch.setattr(limits, "BLOCK_BYTES", 4096)
    share = city(database, tmp_path, air=contract(unchanged=unchanged))
    big = delivery("big.csv", csv(*(f"s{i},2015-11-01 08:00,{i % 100},N" for i in range(2_000)), "t,soon,1,N"))
    append = share._lake.append
    count = 0

    def dying(*arguments: object, **keywords: object) -> int:
        nonlocal count
        count += 1
        version = append(*arguments, **keywords)  # type: ignore[arg-type]
        if count == 3:
            raise KeyboardInterrupt
        return version

    with monkeypatch.context() as patch:
        patch.setattr(share._lake, "append", dying)
        with pytest.raises(KeyboardInterrupt):
            share.land("ecology.air", [big])
    there = lake(share).num_rows
    assert 0 < there < 2_000
    assert share.landed_rows() == {"air": 0}
    (answer,) = city(database, tmp_path, air=contract(unchanged=unchanged)).land("ecology.air", [big])
    assert (answer.rows, answer.quarantined, answer.reasons) == (2_000, 1, {"type": 1})
    assert lake(share).num_rows == len(set(lake(share)["station"].to_pylist())) == 2_000
    (repeated,) = share.land("ecology.air", [big])
    assert (repeated.rows, repeated.repeated) == (2_000, True)
    assert reasons(share) == [(2_001, "type", "observed_at")]


def test_bad_rows_are_in_quarantine_with_reason_and_bytes(database: Database, tmp_path: Path) -> None:
    """Every bad row is there with its number, code, field and what it said; every good one is in the lake."""
    share = city(database, tmp_path)
    body = csv(
        ROW, "b,2015-11-01 08:00,abc,N", "c,2015-11-01 08:00,-1,N", "d,2015-11-01", ROW, "e,2015-11-01 08:00,1,Q"
    )
    (landed,) = share.land("ecology.air", [delivery("1.csv", body)])
    assert (landed.rows, landed.quarantined) == (1, 5)
    assert landed.reasons == {"duplicate": 1, "enum": 1, "minimum": 1, "ragged_row": 1, "type": 1}
    rows, total = share.quarantine(SYSTEM)
    assert total == 5
    by_row = {row.row: row for row in rows}
    assert json.loads(by_row[2].raw) == {"station": "b", "observed_at": "2015-11-01 08:00", "PM2.5": "abc", "wind": "N"}
    assert (by_row[4].form, by_row[4].raw) == ("line", b"d,2015-11-01")
    assert by_row[3].message["en"] == "pm25 = -1 is below 0.0"
    assert types(database)[-2:] == ["source.delivered", "quarantine.added"]
    assert share.quarantine_counts(SYSTEM) == landed.reasons
    quality = {field["name"]: field for field in share.quality(SYSTEM, "ecology.air")["fields"]}  # type: ignore[attr-defined]
    assert (quality["pm25"]["invalid"], quality["pm25"]["missing"], quality["pm25"]["max"]) == (2, 0, 12.0)


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (b"", "empty"),
        (b"station,wind\na,N\n", "missing_column"),
        (b"\n\n\n", "no_header"),
        (b"PAR1 this is no parquet file", "unreadable"),
        (b"PK\x03\x04 cut short", "archive_broken"),
        (b'{"a": 1', "unreadable"),
        (b"<rows><row></rows>", "unreadable"),
        (b'<!DOCTYPE a [<!ENTITY x "y">]><rows><row a="&x;"/></rows>', "xml_forbidden"),
    ],
)
def test_what_cannot_be_taken_is_refused_and_hinders_nobody(
    sqlite: Database, tmp_path: Path, payload: bytes, code: str
) -> None:
    """A refused delivery keeps its bytes and reason; the one beside it lands."""
    share = city(sqlite, tmp_path)
    refused, good = share.land("ecology.air", [delivery("bad", payload), delivery("good.csv", csv(ROW))])
    assert (refused.rows, refused.version, refused.reasons) == (0, None, {code: 1})
    assert refused.refused is not None
    assert (good.rows, good.refused) == (1, None)
    (entry,), _ = share.quarantine(SYSTEM)
    assert (entry.row, entry.code, entry.form, entry.raw) == (0, code, "delivery", payload)
    assert "source.refused" in types(sqlite)
    detail = share.source(SYSTEM, "ecology.air")
    assert sorted(each["state"] for each in detail["deliveries"]) == ["landed", "refused"]  # type: ignore[attr-defined]


def test_a_refused_source_says_why_until_something_lands(sqlite: Database, tmp_path: Path) -> None:
    """State and reason follow the last delivery."""
    share = city(sqlite, tmp_path)
    share.land("ecology.air", [delivery("1.csv", "station\na\n")])
    (source,) = share.sources(SYSTEM)
    assert source["state"] == "refused"
    assert "observed_at" in source["reason"]["en"]  # type: ignore[index]
    share.land("ecology.air", [delivery("2.csv", csv(ROW), minutes=5)])
    (source,) = share.sources(SYSTEM)
    assert (source["state"], source["reason"]) == ("ok", None)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16", "utf-16-le"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_any_encoding_and_delimiter(sqlite: Database, tmp_path: Path, encoding: str, delimiter: str) -> None:
    """Chinese text in any encoding, any delimiter, quoted values with newlines in them."""
    share = city(sqlite, tmp_path)
    rows = [
        "北京市\n空气日报",
        "station,observed_at,PM2.5,wind",
        '"奥体中心",2015-11-01 08:00,12,N',
        '"天\n坛",2015-11-01 08:00,1,S',
    ]
    body = "\r\n".join(rows).replace(",", delimiter)
    (landed,) = share.land("ecology.air", [delivery("空气.csv", body.encode(encoding))])
    assert (landed.rows, landed.reasons, landed.refused) == (2, {}, None)
    assert values(lake(share), "station", "pm25") == [("奥体中心", 12.0), ("天\n坛", 1.0)]


def test_damaged_bytes_and_stray_quotes_cost_their_own_row_only(sqlite: Database, tmp_path: Path) -> None:
    """A row with bytes of no encoding, a quotation mark never closed: the rows around them land."""
    share = city(sqlite, tmp_path)
    body = csv(*(f"站{i},2015-11-01 08:00,{i},N" for i in range(30))).encode()
    body = body.replace("站7,".encode(), b"\xff\xfe7,").replace("站9,".encode(), '"站9,'.encode())
    (landed,) = share.land("ecology.air", [delivery("1.csv", body)])
    assert (landed.rows, landed.reasons) == (28, {"encoding": 1, "unbalanced_quote": 1})
    assert reasons(share) == [(8, "encoding", None), (10, "unbalanced_quote", None)]


def zipped(**files: bytes) -> bytes:
    sink = BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name.replace("_", "."), data)
    return sink.getvalue()


def workbook() -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "城区"
    sheet.append(["空气质量月报"])
    sheet.merge_cells("A1:D1")
    sheet.append(["station", "observed_at", "PM2.5", "wind"])
    sheet.append(["a", datetime(2015, 11, 1, 8), 12, "N"])
    sheet.append([None, None, None, None])
    sheet.append(["b", "2015/11/1 8:00", "n.a.", "S"])
    other = book.create_sheet("郊区")
    other.append(["station", "observed_at", "PM2.5", "wind"])
    other.append(["c", "2015-11-01 09:00", 7.5, "S"])
    book.create_sheet("说明").append(["这里只有说明"])
    sink = BytesIO()
    book.save(sink)
    return sink.getvalue()


def test_workbooks_with_wandering_headers(sqlite: Database, tmp_path: Path) -> None:
    """A title above the header, blank rows, a sheet by district, dates as cells or text; a sheet of notes is named."""
    share = city(sqlite, tmp_path)
    (landed,) = share.land("ecology.air", [delivery("月报.xlsx", workbook())])
    assert (landed.rows, landed.reasons) == (2, {"sheet_without_header": 1, "type": 1})
    assert values(lake(share), "station", "pm25") == [("a", 12.0), ("c", 7.5)]
    assert lake(share)["observed_at"][0].as_py() == datetime(2015, 11, 1, tzinfo=UTC)
    rows, _ = share.quarantine(SYSTEM)
    assert {row.member for row in rows} == {"城区", "说明"}


def parquet(table: pa.Table) -> bytes:
    sink = BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


RECORD = {"station": "a", "observed_at": "2015-11-01T08:00:00+08:00", "PM2.5": 12, "wind": "N"}


@pytest.mark.parametrize(
    ("name", "payload"),
    [
        ("1.jsonl", "\n".join(json.dumps(each) for each in (RECORD, {**RECORD, "station": "b", "PM2.5": "x"}, "row")).encode()),
        ("1.json", json.dumps({"items": [RECORD, {**RECORD, "station": "b", "PM2.5": -1}, 7]}).encode()),
        (
            "1.xml",
            '<?xml version="1.0" encoding="gb2312"?><数据><行 wind="N"><station>a</station><observed_at>2015-11-01 08:00'
            "</observed_at><PM2.5>12</PM2.5></行><行 wind='Q'><station>b</station><observed_at>2015-11-01 08:00</observed_at>"
            "</行><行><station/></行></数据>".encode("gb18030"),
        ),
        (
            "1.parquet",
            parquet(
                pa.table(
                    {
                        "station": ["a", "b", None],
                        "observed_at": [datetime(2015, 11, 1, 8)] * 3,
                        "PM2.5": [12.0, float("inf"), 1.0],
                        "wind": ["N"] * 3,
                    }
                )
            ),
        ),
        ("1.zip", zipped(a_csv=csv(ROW).encode(), b_csv=csv("b,soon,1,N", "c,2015-11-01 08:00,9999,N").encode())),
    ],
    ids=["jsonl", "json", "xml", "parquet", "zip"],
)  # fmt: skip
def test_every_format_lands_its_good_row_and_keeps_its_bad_ones(
    sqlite: Database, tmp_path: Path, name: str, payload: bytes
) -> None:
    """One good row, two bad ones, in every format."""
    share = city(sqlite, tmp_path)
    (landed,) = share.land("ecology.air", [delivery(name, payload)])
    assert (landed.rows, landed.quarantined, landed.refused) == (1, 2, None)
    assert values(lake(share), "station", "pm25", "wind") == [("a", 12.0, "N")]
    assert lake(share)["observed_at"][0].as_py() == datetime(2015, 11, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (
            lambda: zipped(a_csv=csv(*(f"s{i},2015-11-01 08:00,1,N" for i in range(500))).encode())[:-200],
            "archive_broken",
        ),
        (lambda: flipped(zipped(a_csv=csv(ROW).encode(), b_csv=csv(SECOND).encode())), "archive_broken"),
        (lambda: zipped(a_csv=HEADER.encode() + b"0" * 3 * 2**20), "archive_too_large"),
        (lambda: zipped(a_zip=zipped(a_csv=csv(ROW).encode())), "archive_nested"),
        (lambda: zipped(a_csv=csv(ROW).encode(), b_csv=b"station\na\n"), "missing_column"),
    ],
    ids=["truncated", "flipped", "bomb", "nested", "half"],
)
def test_archives_are_taken_whole_or_not(
    sqlite: Database, tmp_path: Path, make: Callable[[], bytes], code: str
) -> None:
    """Cut short, damaged in the second file, a bomb, an archive within: refused, and no row of it landed."""
    share = city(sqlite, tmp_path)
    (landed,) = share.land("ecology.air", [delivery("1.zip", make())])
    assert (landed.rows, landed.reasons) == (0, {code: 1})
    assert lake(share).num_rows == 0


def flipped(archive: bytes) -> bytes:
    """One byte of the second file's content changed."""
    at = archive.rindex(b"PK\x03\x04") + 36
    return archive[:at] + bytes([archive[at] ^ 0xFF]) + archive[at + 1 :]


def test_a_line_without_end_is_refused(sqlite: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No newline within the limit: no table."""
    monkeypatch.setattr(limits, "LINE_BYTES", 10_000)
    share = city(sqlite, tmp_path)
    (landed,) = share.land("ecology.air", [delivery("1.csv", HEADER + "x" * 50_000)])
    assert landed.reasons == {"line_too_long": 1}


def test_quarantine_is_shown_row_by_row(database: Database, tmp_path: Path) -> None:
    share = city(database, tmp_path)
    bad = csv(*(f"a,2015-11-01 {hour:02}:00,bad,N" for hour in range(12)))
    share.land("ecology.air", [delivery("one", bad), delivery("two", bad)])
    seen: list[tuple[str, int]] = []
    after: str | None = None
    while page := share.quarantine(SYSTEM, after=after, limit=5)[0]:
        seen += [(entry.name, entry.row) for entry in page]
        after = page[-1].id
    first, second = seen[0][0], seen[-1][0]
    assert {first, second} == {"one", "two"}
    assert seen == [(name, row) for name in (first, second) for row in range(1, 13)]


def test_more_bad_rows_than_quarantine_holds(sqlite: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Above the limit rows are counted, one entry says so, and the good rows land."""
    monkeypatch.setattr(limits, "QUARANTINE_ROWS", 10)
    share = city(sqlite, tmp_path)
    (landed,) = share.land("ecology.air", [delivery("1.csv", csv(*(f"s{i},soon,1,N" for i in range(50)), ROW))])
    assert (landed.rows, landed.reasons) == (1, {"type": 50})
    assert share.quarantine_counts(SYSTEM) == {"too_many_bad_rows": 1, "type": 9}


def test_rows_out_of_order_with_gaps_of_days(sqlite: Database, tmp_path: Path) -> None:
    """Order and gaps are no fault of a row: everything lands, and each day is found where it belongs."""
    share = city(sqlite, tmp_path)
    hours = [
        f"a,2015-{month:02}-{day:02} {hour:02}:00,{hour},N"
        for month, day in ((11, 1), (11, 9), (12, 31))
        for hour in range(24)
    ]
    (landed,) = share.land(
        "ecology.air", [delivery("1.csv", csv(*hours[::-7], *(h for h in hours if h not in hours[::-7])))]
    )
    assert (landed.rows, landed.quarantined) == (72, 0)
    day = (datetime(2015, 11, 8, 16, tzinfo=UTC), datetime(2015, 11, 9, 16, tzinfo=UTC))
    rows = share.read(SYSTEM, "air", time=day, columns=["pm25"])
    assert sorted(rows["pm25"].to_pylist()) == [float(hour) for hour in range(24)]


@pytest.mark.parametrize("together_bytes", [100, 2**20])
def test_limits_that_change_between_a_crash_and_the_next_try(
    sqlite: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, together_bytes: int
) -> None:
    """A delivery that was small when it crashed and is large now, or the other way round, is finished as it was begun."""
    body = csv(*(f"s{i},2015-11-01 08:00,1,N" for i in range(50)))
    share = city(sqlite, tmp_path)
    monkeypatch.setattr(limits, "LAND_TOGETHER_BYTES", together_bytes)
    with monkeypatch.context() as patch:
        lose_the_record(share, patch)
        with pytest.raises(KeyboardInterrupt):
            share.land("ecology.air", [delivery("1.csv", body)])
    monkeypatch.setattr(limits, "LAND_TOGETHER_BYTES", 2**20 if together_bytes == 100 else 100)
    share = city(sqlite, tmp_path)
    share.land("ecology.air", [delivery("2.csv", csv(ROW))])
    (landed,) = share.land("ecology.air", [delivery("1.csv", body)])
    assert (landed.rows, landed.repeated) == (50, False)
    assert lake(share).num_rows == 51
    assert share.landed_rows() == {"air": 51}


def test_drift_is_kept_and_reported(database: Database, tmp_path: Path) -> None:
    """A new column is in the lake as text and told once; declared later, it gets its own type beside it."""
    share = city(database, tmp_path)
    body = HEADER.replace("wind", "wind,噪声") + "a,2015-11-01 08:00,1,N,55\n"
    share.land("ecology.air", [delivery("1.csv", body), delivery("2.csv", csv(SECOND))])
    share.land("ecology.air", [delivery("3.csv", body.replace("a,", "c,"))])
    assert values(lake(share), "station", "extra_噪声") == [("a", "55"), ("b", None), ("c", "55")]
    assert [column["column"] for column in share.sources(SYSTEM)[0]["drift"]] == ["噪声"]  # type: ignore[attr-defined]
    assert types(database).count("source.drifted") == 1
    document = copy.deepcopy(AIR)
    document["schema"]["fields"].append({"name": "noise", "type": "number"})  # type: ignore[index]
    document["cityheart"]["rename"]["噪声"] = "noise"  # type: ignore[index]
    share.register([], [Dataset.of(Contract.parse(document))], [])
    share.land("ecology.air", [delivery("4.csv", body.replace("a,", "d,"))])
    assert values(lake(share), "noise", "extra_噪声")[-1] == (55.0, None)


def test_unchanged_rows_are_dropped_where_the_contract_says_so(database: Database, tmp_path: Path) -> None:
    """A full file every day adds only the rows that say something new."""
    share = city(database, tmp_path, air=contract(unchanged="drop"))
    share.land("ecology.air", [delivery("1.csv", csv(ROW, SECOND))])
    (landed,) = share.land("ecology.air", [delivery("2.csv", csv(ROW, "b,2015-11-01 08:00,35,S"), minutes=60)])
    assert (landed.rows, landed.quarantined) == (1, 0)
    assert values(lake(share), "station", "pm25") == [("a", 12.0), ("b", 34.0), ("b", 35.0)]


# ── replay ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def wider() -> Dataset:
    document = copy.deepcopy(AIR)
    document["schema"]["fields"][3]["constraints"]["enum"].append("Q")  # type: ignore[index]
    return Dataset.of(Contract.parse(document))


def test_replay_lands_what_the_mended_contract_takes(
    database: Database, tmp_path: Path, steward: Actor, clock: VirtualClock
) -> None:
    """Rows that are good now land as known now; the others stay; a second click changes nothing."""
    share = city(database, tmp_path)
    body = csv(
        "a,2015-11-01 08:00,1,Q",
        "b,2015-11-01 08:00,x,Q",
        "c,2015-11-01 08:00,3,Q",
        "d,2015-11-01",
        "c,2015-11-01 08:00,3,N",
    )
    share.land("ecology.air", [delivery("1.csv", body)])
    share.register([], [wider()], [])
    clock.advance_to(BEGIN + timedelta(days=1))
    done = share.replay(steward, "command-1", "ecology.air")
    # `c` was heard well in the same delivery: its bad twin may not push it out
    assert (done.tried, done.landed, done.still_bad, done.superseded) == (4, 1, 2, 1)
    assert share.replay(steward, "command-1", "ecology.air") == done
    assert share.replay(steward, "command-2", "ecology.air").landed == 0
    assert values(lake(share), "station", "wind", "_known_at") == [
        ("c", "N", BEGIN),
        ("a", "Q", BEGIN + timedelta(days=1)),
    ]
    assert reasons(share) == [(2, "type", "pm25"), (4, "ragged_row", None)]
    assert share.landed_rows() == {"air": 2}
    assert types(database)[-1] == "quarantine.replayed"
    with pytest.raises(Conflict):
        share.replay(steward, "command-1", "ecology.air", "type")


def test_replay_does_not_bring_old_news_back(
    database: Database, tmp_path: Path, steward: Actor, clock: VirtualClock
) -> None:
    """What the city has heard otherwise since stays as it was heard."""
    share = city(database, tmp_path)
    share.land("ecology.air", [delivery("1.csv", csv("a,2015-11-01 08:00,1,Q"))])
    share.land("ecology.air", [delivery("2.csv", csv("a,2015-11-01 08:00,2,N"), minutes=60)])
    share.register([], [wider()], [])
    clock.advance_to(BEGIN + timedelta(days=1))
    assert share.replay(steward, "command-1", "ecology.air").superseded == 1
    assert values(lake(share), "pm25") == [(2.0,)]
    assert reasons(share) == []


def test_a_refused_delivery_is_replayed_from_its_bytes(
    database: Database, tmp_path: Path, steward: Actor, clock: VirtualClock
) -> None:
    """A column that was renamed: after the contract knows it, the kept file lands; before, it stays refused."""
    share = city(database, tmp_path)
    share.land("ecology.air", [delivery("1.csv", csv(ROW).replace("PM2.5", "细颗粒物"))])
    assert share.replay(steward, "command-1", "ecology.air").still_bad == 1
    share.register([], [Dataset.of(contract(rename={"细颗粒物": "pm25"}))], [])
    clock.advance_to(BEGIN + timedelta(days=1))
    done = share.replay(steward, "command-2", "ecology.air")
    assert (done.tried, done.landed, done.still_bad) == (1, 1, 0)
    assert values(lake(share), "station", "pm25") == [("a", 12.0)]
    assert reasons(share) == []
    assert reasons(share, state="replayed") == [(0, "missing_column", None)]


def test_duplicates_are_replayed_only_when_asked_for(database: Database, tmp_path: Path, steward: Actor) -> None:
    """They gave way to another row; a replay of everything leaves them."""
    share = city(database, tmp_path)
    share.land("ecology.air", [delivery("1.csv", csv(ROW, ROW))])
    assert share.replay(steward, "command-1", "ecology.air").tried == 0
    assert share.replay(steward, "command-2", "ecology.air", "duplicate").superseded == 1
    assert lake(share).num_rows == 1


def test_dismissing(database: Database, tmp_path: Path, steward: Actor, clerk: Callable[[str], Actor]) -> None:
    """A steward closes entries; a clerk may look at those of the own department and close none."""
    share = city(database, tmp_path)
    share.land("ecology.air", [delivery("1.csv", csv("a,soon,1,N", "b,soon,1,N"))])
    rows, total = share.quarantine(clerk("ecology"))
    assert total == 2
    assert share.quarantine(clerk("police")) == ([], 0)
    assert share.quarantine_entry(clerk("police"), rows[0].id) is None
    with pytest.raises(Forbidden):
        share.dismiss(clerk("ecology"), "command-1", [rows[0].id])
    with pytest.raises(Forbidden):
        share.replay(clerk("ecology"), "command-1", "ecology.air")
    assert share.dismiss(steward, "command-1", [rows[0].id]) == 1
    assert share.dismiss(steward, "command-2", [rows[0].id]) == 0
    assert share.quarantine(steward)[1] == 1
    with pytest.raises(NotFound):
        share.dismiss(steward, "command-3", ["quarantine-none"])


# ── catalogue, reading, derived ────────────────────────────────────────────────────────────────────────────────────


def test_the_catalogue_survives_a_restart(database: Database, tmp_path: Path) -> None:
    """A share that nobody registered anything with knows what was registered before."""
    share = city(database, tmp_path)
    share.land("ecology.air", [delivery("1.csv", csv(ROW))])
    again = Share(database, share._lake)
    assert [each.name for each in again.datasets()] == ["air"]
    assert again.department_titles()["ecology"]["en"] == "ecology bureau"
    assert again.land("ecology.air", [delivery("1.csv", csv(ROW))])[0].repeated
    before = types(database)
    city(database, tmp_path)
    assert types(database) == before  # the same again is no event


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"department": "nobody"}, "department"),
        ({"dataset": "nothing"}, "dataset"),
        ({"connector": "magic"}, "connector"),
        ({"options": {"encodign": "utf-8"}}, "encodign"),
        ({"schedule": "hourly"}, "schedule"),
    ],
)
def test_a_source_that_cannot_work_is_not_registered(
    sqlite: Database, tmp_path: Path, change: dict[str, object], what: str
) -> None:
    """The error says what is wrong."""
    with pytest.raises(Invalid, match=what):
        city(sqlite, tmp_path, **change)


def test_restricted_data_is_read_by_few_and_each_read_is_an_event(
    database: Database, tmp_path: Path, clerk: Callable[[str], Actor], officer: Actor, steward: Actor
) -> None:
    """Sharing type 2 and 3: the owner, stewards and administrators; type 1: whoever may read datasets."""
    share = city(database, tmp_path, air=contract(sharing=2))
    share.land("ecology.air", [delivery("1.csv", csv(ROW))])
    for stranger in (officer, clerk("police")):
        with pytest.raises(Forbidden):
            share.read(stranger, "air")
    for reader in (clerk("ecology"), steward):
        assert share.read(reader, "air", columns=["pm25"]).to_pylist() == [{"pm25": 12.0}]
    assert types(database, "dataset:air").count("dataset.read") == 2
    share.register([], [Dataset.of(contract(sharing=1))], [])
    assert share.read(officer, "air").num_rows == 1
    assert types(database, "dataset:air").count("dataset.read") == 2


def test_derived_rows_land_once(sqlite: Database, tmp_path: Path) -> None:
    """A detector's output: the same transaction twice is once; a row without its key is the detector's error."""
    share = city(sqlite, tmp_path)
    rows = pa.table(
        {"station": ["a"], "observed_at": [BEGIN], "pm25": [1.0], "_known_at": [BEGIN]},
    ).cast(
        pa.schema(
            [
                ("station", pa.string()),
                ("observed_at", pa.timestamp("us", "UTC")),
                ("pm25", pa.float64()),
                ("_known_at", pa.timestamp("us", "UTC")),
            ]
        )
    )
    version = share.derived("air", rows, transaction=("watch:test", 7))
    assert share.derived("air", rows, transaction=("watch:test", 7)) == version
    assert values(lake(share), "station", "_source", "_batch") == [("a", "watch:test", "watch:test#7")]
    with pytest.raises(Invalid):
        share.derived("air", rows.drop_columns(["station"]), transaction=("watch:test", 8))
    share.land("ecology.air", [delivery("1.csv", csv(ROW))])  # derived rows beside landed ones are no orphans
    with sqlite.read() as conn:
        assert store.count_deliveries(conn, "ecology.air") == {"landed": 1}


def test_a_source_goes_late(sqlite: Database, tmp_path: Path, clock: VirtualClock) -> None:
    """Nothing for two update cycles: late, with the hours."""
    share = city(sqlite, tmp_path)
    assert share.sources(SYSTEM)[0]["state"] == "idle"
    share.land("ecology.air", [delivery("1.csv", csv(ROW))])
    clock.advance_to(BEGIN + timedelta(hours=2))
    assert share.sources(SYSTEM)[0]["state"] == "ok"
    clock.advance_to(BEGIN + timedelta(hours=3))
    (source,) = share.sources(SYSTEM)
    assert (source["state"], source["freshness_seconds"]) == ("late", 10_800.0)
    assert source["reason"] == text("已有 3.0 小时没有新数据", "nothing has come for 3.0 hours")


def test_a_register_without_event_time_lands_by_the_moment_of_landing(database: Database, tmp_path: Path) -> None:
    """A dataset about no moment (vehicles, firms): its time is when the city was told."""
    register = Contract.parse(
        {
            "name": "vehicle",
            "schema": {
                "fields": [{"name": "plate", "type": "string"}, {"name": "kind", "type": "string"}],
                "primaryKey": "plate",
            },
            "cityheart": {"owner": "police", "unchanged": "drop"},
        }
    )
    share = city(database, tmp_path)
    share.register(
        [], [Dataset.of(register)], [Source("police.vehicle", "police", text("车", "vehicles"), "push", {}, "vehicle")]
    )
    for minutes, body in ((0, "plate,kind\n京A1,货车\n京A2,客车\n"), (60, "plate,kind\n京A1,货车\n京A2,货车\n")):
        share.land("police.vehicle", [delivery(f"{minutes}.csv", body, minutes=minutes)])
    rows = share.read(SYSTEM, "vehicle")
    assert sorted(values(rows, "plate", "kind", "landed_at")) == [
        ("京A1", "货车", BEGIN),
        ("京A2", "货车", BEGIN + timedelta(hours=1)),
    ]

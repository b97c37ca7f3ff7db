"""A test city in bulk: every transport is read, nothing is lost or doubled wherever it is interrupted, errors help."""

from __future__ import annotations

import json
import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from cityheart import playing
from cityheart.city import City, available_apps
from cityheart.kernel.actors import Actor
from cityheart.kernel.errors import Conflict, Invalid
from cityheart.share.landing import Prepared
from cityheart.share.wire import jt808
from cityheart.simulation.player import broker, wire
from cityheart.simulation.player.folder import CityFolder
from cityheart.simulation.player.streams import parts, streams
from cityheart.simulation.player.wire import PACKETS, Packets, Recording

from . import tiny

SAMPLE = Path(__file__).parents[1] / "data" / "sample-city"
QUIET = Console(quiet=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write_city(tmp_path_factory.mktemp("tiny") / "city")


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write_app(tmp_path_factory.mktemp("app") / "tiny")


def options(folder: Path, app: Path, into: Path, **more: Any) -> playing.Options:
    return playing.Options(folder=folder, into=into, apps=(app,), **more)


def rows(home: Path) -> dict[str, list[str]]:
    """The current rows of every dataset, without what landing adds."""
    city = City.look(home)
    try:
        found = {}
        for name in city.lake.tables():
            table = city.lake.current(name)
            names = [each for each in table.column_names if not each.startswith("_") and each != "landed_at"]
            found[name] = sorted(map(repr, table.select(names).to_pylist()))
        return found
    finally:
        city.close()


def versions(home: Path) -> dict[str, int]:
    """How many rows the lake holds, older versions included."""
    city = City.look(home)
    try:
        return {
            name: city.lake.query(f"SELECT count(*) AS n FROM {name}__versions")["n"][0].as_py()
            for name in city.lake.tables()
        }
    finally:
        city.close()


@pytest.fixture(scope="module")
def played(folder: Path, app: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], list[Any]]:
    """The tiny city, played in one go: its folder, the report, the findings."""
    home = tmp_path_factory.mktemp("played")
    found = home / "findings.jsonl"
    report: dict[str, Any] = playing.run(QUIET, options(folder, app, home / "city", findings=found))
    return home / "city", report, [json.loads(line) for line in found.read_text("utf-8").splitlines()]


def test_every_transport_is_read(played: tuple[Path, dict[str, Any], list[Any]]) -> None:
    home, report, _ = played
    current = {name: len(found) for name, found in rows(home).items()}
    positions = 3 * (tiny.HOURS * 60 - 5)
    assert current == {
        "tiny_firm": 13, "tiny_permit": 17, "tiny_sheet": 2, "tiny_reading": 180, "tiny_position": positions,
    }  # fmt: skip
    assert report["quarantine"].keys() >= {"type"}
    assert report["sources"]["sheets.sheet"]["quarantine"] == {"type": 3}
    assert report["sources"]["trucks.position"]["quarantined"] > 0  # the noise between frames
    assert report["departments"]["fire"] == {"sources": 1, "rows": 6, "quarantined": 3}
    assert report["figures"]["rows"] == sum(report["datasets"].values())
    names = rows(home)["tiny_firm"]
    assert any("再更名" in row for row in names) and not any("'更名'" in row for row in names)


def test_what_cannot_be_played_is_told(played: tuple[Path, dict[str, Any], list[Any]]) -> None:
    told = [f"{one['system']}: {one['what']}" for one in played[1]["not_played"]]
    assert told == [
        "register: no source for the table stray",
        "sheets: drops.csv, line 5: the file drops/lost.csv is missing",
        "sheets: drops.csv, line 6: '../../city.json' is no file of the system",
    ]


def test_findings_have_the_shape_of_the_scoring(played: tuple[Path, dict[str, Any], list[Any]]) -> None:
    (finding,) = played[2]
    assert finding.keys() == {"kind", "subject", "from", "to", "raised_at", "score", "evidence"}
    assert (finding["kind"], finding["subject"], finding["score"]) == ("tank_full", "T2", 9.5)
    start, raised, end = (datetime.fromisoformat(finding[name]) for name in ("from", "raised_at", "to"))
    assert start == tiny.BEGIN + timedelta(minutes=60, seconds=2)
    assert raised == tiny.BEGIN + timedelta(minutes=70) and end > raised


def test_the_city_has_the_departments_of_the_folder(played: tuple[Path, dict[str, Any], list[Any]]) -> None:
    home = played[0]
    city = City.look(home)
    try:
        assert city.share.department_titles()["fire"] == {"zh-CN": "消防", "en": "Fire Brigade"}
        assert city.settings.title == {"zh-CN": "小城（测试城市）", "en": "Tiny 1 (test city)"}
        assert city.settings.clock == "virtual"
        (grant,) = cast("list[dict[str, Any]]", city.share.grants.grants(Actor.system("test"))["items"])
        assert (grant["origin"], grant["state"]) == ("tiny/trucks/tiny_position", "given"), "a new city's policy"
    finally:
        city.close()


class Killed(BaseException):
    """Stands for a kill: nothing may catch it."""


@pytest.mark.parametrize("landed", [1, 7])
def test_an_interrupted_play_goes_on_with_nothing_lost_or_doubled(
    landed: int, folder: Path, app: Path, played: tuple[Path, dict[str, Any], list[Any]], tmp_path: Path
) -> None:
    left = landed
    before = playing.Play.land

    def land(self: playing.Play, ready: list[Prepared]) -> None:
        nonlocal left
        before(self, ready)
        left -= 1
        if left == 0:
            raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(playing.Play, "land", land)
        with pytest.raises(Killed):
            playing.run(QUIET, options(folder, app, tmp_path / "city"))
    report = playing.run(QUIET, options(folder, app, tmp_path / "city"))
    assert rows(tmp_path / "city") == rows(played[0])
    assert versions(tmp_path / "city") == versions(played[0])
    assert report["alerts"] == played[1]["alerts"]


def test_a_play_goes_on_where_it_was_told_to_end(
    folder: Path, app: Path, played: tuple[Path, dict[str, Any], list[Any]], tmp_path: Path
) -> None:
    home = tmp_path / "city"
    first = playing.run(QUIET, options(folder, app, home, until="2026-03-24T01:17"))
    assert first["to"] == tiny.BEGIN + timedelta(minutes=77)
    playing.run(QUIET, options(folder, app, home))
    assert rows(home) == rows(played[0])
    with pytest.raises(Conflict, match="windows of PT10M"):
        playing.run(QUIET, options(folder, app, home, window=timedelta(hours=1)))
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    (other / "city.json").write_text(json.dumps({**tiny.FRAME, "seed": 8}))
    with pytest.raises(Conflict, match="another test city"):
        playing.run(QUIET, options(other, app, home))


@pytest.mark.parametrize("program", ["mosquitto", None])
def test_live_ends_with_the_rows_of_the_bulk_play(
    folder: Path,
    app: Path,
    played: tuple[Path, dict[str, Any], list[Any]],
    tmp_path: Path,
    program: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With mosquitto, and without it by the broker that comes with the player."""
    if program is None:
        monkeypatch.setattr(broker.shutil, "which", lambda *_, **__: None)
    elif shutil.which(program) is None and shutil.which(program, path=broker.PLACES) is None:
        if os.environ.get("CI"):
            pytest.fail("mosquitto is missing: apt-get install mosquitto")
        pytest.skip("mosquitto is not installed: apt-get install mosquitto")
    report = playing.run(QUIET, options(folder, app, tmp_path / "city", speed=7200, headless=True))
    assert report["not_played"] == played[1]["not_played"] and report["to"] == played[1]["to"]
    assert rows(tmp_path / "city") == rows(played[0])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"zone": "Asia/Nantong"}, "'Asia/Nantong' is no time zone"),
        ({"from": "soon"}, "from: 'soon' is no time"),
        ({"to": "2026-03-01T00:00:00+08:00"}, "is not before `to`"),
        ({"seed": "x"}, "seed: 'x' is no whole number"),
    ],
)
def test_a_frame_that_is_wrong(change: dict[str, object], says: str, tmp_path: Path) -> None:
    (tmp_path / "city.json").write_text(json.dumps({**tiny.FRAME, **change}))
    with pytest.raises(Invalid, match=says) as caught:
        CityFolder.read(tmp_path)
    assert caught.value.remedy


def test_what_is_no_test_city(tmp_path: Path, folder: Path, app: Path) -> None:
    for content, says in ((None, "holds no city.json"), ("[1]", "no JSON object"), ("{", "is not JSON")):
        if content is not None:
            (tmp_path / "city.json").write_text(content)
        with pytest.raises(Invalid, match=says):
            CityFolder.read(tmp_path)
    with pytest.raises(Invalid, match="before the city begins"):
        playing.run(QUIET, options(folder, app, tmp_path / "c", until="2026-03-23"))
    with pytest.raises(Invalid, match="not a date"):
        playing.run(QUIET, options(folder, app, tmp_path / "c", until="tomorrow"))
    with pytest.raises(Invalid, match="is not empty"):
        playing.run(QUIET, options(folder, app, tmp_path))
    (tmp_path / "city.json").write_text(json.dumps(tiny.FRAME))
    with pytest.raises(Invalid, match=r"nothing of .* can be played"):
        playing.run(QUIET, options(tmp_path, app, tmp_path / "c"))
    assert not (tmp_path / "c").exists()


def _damage(folder: Path) -> None:
    systems = folder / "systems"
    (systems / "tanks" / "messages.parquet").write_bytes(b"PAR1 and nothing else PAR1")
    packets = pq.read_table(systems / "trucks" / "packets.parquet").drop_columns(["connection"])
    pq.write_table(packets, systems / "trucks" / "packets.parquet")
    (systems / "permits" / "permit.jsonl").write_text('{"permit_no": "P1"}\n')
    (systems / "register" / "register.sqlite").write_bytes(b"this is no database" * 100)


def test_damaged_files_are_told_and_the_others_go_on(folder: Path, app: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "broken")
    _damage(tmp_path / "broken")
    report = playing.run(QUIET, options(tmp_path / "broken", app, tmp_path / "city"))
    told = " | ".join(f"{one['system']}: {one['what']}" for one in report["not_played"])  # type: ignore[attr-defined]
    for says in (
        "register: register.sqlite cannot be read",
        "permits: permit.jsonl, line 1: no _visible_from",
        "tanks: messages.parquet is damaged",
        "trucks: packets.parquet has no column connection",
    ):
        assert says in told
    assert report["datasets"]["tiny_sheet"] == 6  # type: ignore[index]


def test_the_sample_of_another_generator_finds_its_sources() -> None:
    folder = CityFolder.read(SAMPLE)
    apps = [app for app in available_apps().values() if app.id == "hazchem"]
    found, troubles = parts(folder, playing._played(apps))
    assert troubles == []
    assert {part.played.source.id for part in found} == {source.id for app in apps for source in app.sources}
    opened, troubles = streams(found, folder.since, lambda protocol: jt808.framer().frames)
    assert troubles == []
    first = {stream.source: stream.take(folder.since) for stream in opened}
    assert all(first[id] for id in first if id.split(".")[1] not in ("reading", "position"))
    west, south, east, north = folder.bounds
    assert 120 < west < 121 < east < 122.5 and 31 < south < 32 < north < 33


# ── recordings ─────────────────────────────────────────────────────────────────────────────────────────────────────


@given(cuts=st.lists(st.integers(0, tiny.HOURS * 60), max_size=6))
@settings(max_examples=20, deadline=None)
def test_the_windows_change_nothing_in_what_is_framed(cuts: list[int], packets_file: Path) -> None:
    def framed(ends: list[int]) -> list[bytes]:
        stream = Packets("trucks.position", packets_file, "jt808", jt808.framer().frames)
        found: list[bytes] = []
        for end in ends:
            for delivery in stream.take(tiny.BEGIN + timedelta(minutes=end)):
                assert isinstance(delivery.payload, bytes)
                found += pa.ipc.open_stream(delivery.payload).read_all()["frame"].to_pylist()
        return sorted(found)

    whole = tiny.HOURS * 60
    assert framed([*sorted(cuts), whole]) == framed([whole])


@given(minute=st.integers(0, tiny.HOURS * 60))
@settings(max_examples=20, deadline=None)
def test_a_recording_goes_on_in_the_middle(minute: int, packets_file: Path) -> None:
    cut, end = tiny.BEGIN + timedelta(minutes=minute), tiny.BEGIN + timedelta(days=1)
    whole, first, second = (Recording(packets_file, PACKETS) for _ in range(3))
    second.skip(cut)
    taken = pa.concat_tables([first.take(cut), second.take(end)])
    assert taken.equals(whole.take(end))


@pytest.fixture(scope="module")
def packets_file(folder: Path) -> Path:
    return folder / "systems" / "trucks" / "packets.parquet"


def test_a_recording_is_never_in_memory_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was taken is let go: weeks of packets are larger than memory."""
    monkeypatch.setattr(wire, "ROWS_READ", 50)
    begin, count = datetime(2026, 7, 1, tzinfo=UTC), 1_200
    moments = pa.array([begin + timedelta(seconds=second) for second in range(count)], pa.timestamp("us", "UTC"))
    noise = np.random.default_rng(1)
    sent = [moments, pa.array([1] * count, pa.int32()), pa.array([noise.bytes(20_000) for _ in range(count)])]
    pq.write_table(pa.table(sent, schema=PACKETS), tmp_path / "p.parquet", row_group_size=50)
    del sent
    recording = Recording(tmp_path / "p.parquet", PACKETS)
    before, most = pa.total_allocated_bytes(), 0
    for second in range(100, count, 100):
        assert recording.take(begin + timedelta(seconds=second)).num_rows >= 100
        most = max(most, pa.total_allocated_bytes() - before)
    assert most < (tmp_path / "p.parquet").stat().st_size / 2


def test_a_recording_that_is_out_of_order_is_taken_in_its_order(tmp_path: Path) -> None:
    table = tiny.packets().slice(0, 10)
    swapped = table.take(pa.array([1, 0, 2, 4, 3, 5, 6, 7, 9, 8]))
    pq.write_table(swapped, tmp_path / "p.parquet")
    recording = Recording(tmp_path / "p.parquet", PACKETS)
    pieces = [recording.take(moment) for moment in sorted(table["sent_at"].to_pylist())]
    assert pa.concat_tables(pieces).equals(swapped.cast(PACKETS))

"""The simulated prefecture obeys physics, plants what it says, and its systems write what such systems write."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import sqlite3
import zipfile
from collections import Counter
from datetime import date, datetime
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from cityheart.cli import app
from cityheart.sdk import Invalid
from cityheart.simulation.world import papers, registers
from cityheart.simulation.world.business import Business
from cityheart.simulation.world.cases import KINDS
from cityheart.simulation.world.chance import Floats, numbers
from cityheart.simulation.world.emissions import Probes
from cityheart.simulation.world.firms import uscc
from cityheart.simulation.world.hazards import Watch
from cityheart.simulation.world.models import Case
from cityheart.simulation.world.places import LAT_METRES, LON_METRES, gcj02
from cityheart.simulation.world.power import Grid
from cityheart.simulation.world.times import DAY, SLOTS
from cityheart.simulation.world.trails import Samples, sampled, trespasses
from cityheart.simulation.world.write import build, planted, write

START = date(2020, 6, 20)
DELIVERED = {"market-register", "fire-inspections", "power-load"}
SYSTEMS = DELIVERED | {
    "approval-registry", "emergency-hazards", "emergency-enforcement", "police-controlled", "transport-waybills",
    "transport-positions", "maritime-port", "ecology-waste", "ecology-emissions",
}  # fmt: skip


@pytest.fixture(scope="module")
def life() -> Business:
    """A small city over three weeks: June ends in it, and so do two of its districts."""
    return build(seed=3, firms=48, days=20, vehicles=36, start=START)


@pytest.fixture(scope="module")
def cases(life: Business) -> list[Case]:
    """What was planted in it."""
    return planted(life)


@pytest.fixture(scope="module")
def day(life: Business) -> Samples:
    """A day of all vehicles."""
    number = life.town.span.first // DAY + 5
    legs = sorted(life.legs, key=lambda leg: (leg.vehicle, leg.since))
    today = [leg for leg in legs if leg.until > number * DAY and leg.since < (number + 1) * DAY]
    return sampled(life.town, today, number, np.zeros(len(life.town.vehicles)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny test city, written: three days in the middle of which eleven areas become ten."""
    out = tmp_path_factory.mktemp("worlds") / "city"
    write(out, seed=5, firms=24, days=3, vehicles=13, start=date(2020, 7, 4))
    return out


def _digests(folder: Path) -> dict[str, str]:
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def _rows(file: Path, encoding: str = "utf-8") -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(file.read_bytes().decode(encoding))))


# ── physics ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_nothing_appears_and_nothing_vanishes(life: Business) -> None:
    moved = np.zeros_like(life.mass)
    for holding, since, until, tonnes in life.flows:
        edges = np.arange(life.town.span.whole + 1) * DAY
        moved[holding] += tonnes * np.clip((edges - since) / (until - since), 0, 1)
    worked = np.stack([life.totals(number) for number in range(life.town.span.whole)], axis=1)
    expected = life.mass[:, :1] + np.concatenate([np.zeros((len(moved), 1)), np.cumsum(worked, axis=1)], axis=1) + moved
    assert np.allclose(life.mass, expected, atol=1e-6)
    assert life.mass.min() >= 0


def test_only_who_was_planted_holds_more_than_allowed(life: Business, cases: list[Case]) -> None:
    over = {
        life.town.sites[holding.site].id
        for holding in life.town.holdings
        if life.mass[holding.number].max() > holding.allowed
    }
    assert over == {case.subject for case in cases if case.kind == "over_storage"}


def test_levels_stay_in_the_tanks_and_hold_the_mass(life: Business) -> None:
    watch, number = Watch(life), life.town.span.first // DAY + 8
    for holding in {tank.holding for tank in life.town.tanks}:
        levels = watch.levels(holding, number)
        tanks = {tank: life.town.tanks[tank] for tank in levels}
        assert all((level >= 0).all() and (level <= tanks[tank].height).all() for tank, level in levels.items())
        held = np.sum([level / tanks[tank].height * tanks[tank].capacity for tank, level in levels.items()], axis=0)
        assert np.allclose(held, watch.mass(holding, number)[:DAY], rtol=1e-6)


def test_tanks_pass_their_alarms_only_where_it_was_planted(life: Business, cases: list[Case]) -> None:
    watch = Watch(life)
    told = {case.detail.split()[0]: case for case in cases if case.kind == "tank_excursion"}
    for number in range(life.town.span.first // DAY, life.town.span.last // DAY):
        for holding in sorted({tank.holding for tank in life.town.tanks}):
            levels = watch.levels(holding, number)
            for tank in levels:
                one = life.town.tanks[tank]
                alarms = np.array([[one.alarm_level], [one.alarm_temperature], [one.alarm_pressure]])
                past = number * DAY + np.flatnonzero(
                    (watch.truth(tank, number, levels)[:3] >= 0.97 * alarms).any(axis=0)
                )
                if len(past):
                    assert told[one.id].since <= past.min()
                    assert past.max() <= (told[one.id].until or 0)


def test_vehicles_are_on_roads_and_keep_to_speeds(life: Business, day: Samples) -> None:
    roads = life.town.roads
    moving = day.where(np.flatnonzero((day.speed > 25) & day.valid)[::40])
    ends = np.concatenate([np.stack([roads.bends[:, k], roads.bends[:, k + 1]], axis=1) for k in range(5)])
    places = roads.places
    lanes = np.array([[place.foot, (place.lon, place.lat)] for place in places])
    away = _away(moving.lon, moving.lat, np.concatenate([ends, lanes]))
    assert np.mean(away < 25) > 0.99  # the rest are satellites' jumps
    assert day.speed.max() < 100
    same = (day.vehicle[1:] == day.vehicle[:-1]) & (day.batch[1:] < 0)
    gap = np.diff(day.at)
    assert (gap[same] > 0).all()
    east, north = np.diff(day.lon) * LON_METRES, np.diff(day.lat) * LAT_METRES
    pace = np.hypot(east, north)[same] / np.maximum(gap[same], 0.2) * 0.06
    assert np.mean(pace < 100) > 0.99


def _away(lon: Floats, lat: Floats, segments: Floats) -> Floats:
    """Metres from each point to the nearest segment."""
    x, y = lon[:, None] * LON_METRES, lat[:, None] * LAT_METRES
    a, b = (segments[:, k] * (LON_METRES, LAT_METRES) for k in (0, 1))
    along = b - a
    part = ((x - a[:, 0]) * along[:, 0] + (y - a[:, 1]) * along[:, 1]) / np.maximum((along**2).sum(axis=1), 1e-9)
    part = np.clip(part, 0, 1)
    distance = np.hypot(x - a[:, 0] - part * along[:, 0], y - a[:, 1] - part * along[:, 1])
    return np.asarray(distance.min(axis=1), dtype=np.float64)


def test_a_vehicle_does_one_thing_at_a_time(life: Business) -> None:
    last: dict[int, float] = {}
    for leg in sorted(life.legs, key=lambda leg: (leg.vehicle, leg.since)):
        assert leg.since >= last.get(leg.vehicle, -1e9) - 1e-6
        assert leg.until >= leg.since
        last[leg.vehicle] = leg.until


def test_shifts_show_in_the_meter(life: Business) -> None:
    grid, span = Grid(life), life.town.span
    worker = next(s for s in life.town.sites if s.kind == "user" and s.shift == "day" and not s.role)
    workday = next(n for n in range(span.whole) if not span.off()[n])
    free = next(n for n in range(span.whole) if span.off()[n])
    busy, quiet = grid.loads(workday)[worker.number], grid.loads(free)[worker.number]
    assert busy[40:64].mean() > 2 * busy[:20].mean()
    assert busy[40:64].mean() > 2 * quiet[40:64].mean()
    table = grid.day(workday)
    assert table.num_columns == 4 + SLOTS
    assert all(column.null_count < table.num_rows for column in table.columns[4:])


# ── what is planted ────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_kind_is_planted(cases: list[Case]) -> None:
    assert {case.kind for case in cases} == set(KINDS)


def test_a_suspended_site_goes_on_and_the_obedient_stop(life: Business, cases: list[Case]) -> None:
    suspects = {case.subject: case for case in cases if case.kind == "suspended_producing"}
    for site in life.town.sites:
        if site.id in suspects:
            begin = int(suspects[site.id].since // 15)
            assert life.run[site.number, begin : begin + 7 * SLOTS].mean() > 0.2
    for stop in life.plot.stops:
        if stop.how != "workshop" and stop.until - stop.since > 3 * DAY:
            wound_down = life.run[stop.thing, int(stop.since // 15) + 37 * 4 : int(stop.until // 15)]
            assert wound_down.max(initial=0) == 0
            assert not [
                trip for trip in life.trips
                if life.town.sites[trip.target_site].number == stop.thing and stop.since + DAY < trip.unload[0] < stop.until
            ]  # fmt: skip


def test_every_load_has_a_waybill_except_the_planted(life: Business, cases: list[Case]) -> None:
    valid: dict[str, list[datetime]] = {}
    for row in papers.waybills(life):
        if row["status"] in ("在途", "完成"):
            valid.setdefault(row["plate"], []).append(datetime.fromisoformat(row["loaded_at"]))
    bare = []
    for trip in life.trips:
        plate, loaded = life.town.vehicles[trip.vehicle].plate, life.town.span.at(trip.load[1])
        if trip.unload[1] + 2 * DAY < life.town.span.last and loaded not in valid.get(plate, []):
            bare.append((plate, trip.load[1]))
    assert sorted(bare) == sorted((case.subject, case.since) for case in cases if case.kind == "no_waybill")


def test_zones_see_only_who_was_planted(life: Business, day: Samples, cases: list[Case]) -> None:
    told = [case for case in cases if case.kind == "restricted_zone"]
    assert told
    assert told == trespasses(life.town, life.legs)
    seen = set()
    for zone in life.town.roads.zones:
        hit = np.flatnonzero(zone.inside(day.lon, day.lat) & zone.shut(day.at) & (day.speed > 20))
        seen |= {(life.town.vehicles[int(day.vehicle[n])].plate, float(day.at[n])) for n in hit}
    known = [(c.subject, c.since, c.until or 0.0) for c in told]
    strangers = [one for one in seen if not any(one[0] == k[0] and k[1] - 1 <= one[1] <= k[2] + 1 for k in known)]
    assert len(strangers) <= 2  # a jump of a receiver may end in a zone


def test_hours_above_the_limit_are_the_planted_ones(life: Business, cases: list[Case]) -> None:
    probes, span = Probes(life), life.town.span
    found: dict[str, list[int]] = {}
    for number in range(span.first // DAY, span.first // DAY + 6):
        for outlet, told in enumerate(life.town.outlets):
            reading = probes.day(outlet, number)
            normal = (reading.flags == "N").reshape(24, 60)
            for k, limit in enumerate(told.limits):
                values = reading.values[k].reshape(24, 60)
                for hour in np.flatnonzero(normal.sum(axis=1) >= 45):
                    if limit and values[hour][normal[hour]].mean() > limit:
                        found.setdefault(life.town.sites[told.site].id, []).append(number * DAY + int(hour) * 60)
    planted_hours = {
        case.subject: [
            hour for hour in range(int(case.since), int(case.until or 0), 60) if hour < (span.first + 6 * DAY)
        ]
        for case in cases
        if case.kind == "emission_exceedance"
    }
    assert found == {site: hours for site, hours in planted_hours.items() if hours}


def test_a_frozen_probe_says_the_same_and_a_diluted_one_less(life: Business) -> None:
    probes = Probes(life)
    for window in life.plot.probes:
        if window.how not in ("frozen", "diluted"):
            continue
        told = life.town.outlets[window.thing]
        limited = [k for k, limit in enumerate(told.limits) if limit]
        number = int((window.since + window.until) / 2 // DAY)
        reading = probes.day(window.thing, number)
        minute = number * DAY + np.arange(DAY)
        within = (minute >= window.since) & (minute < window.until)
        values = reading.values[limited[0], within]
        assert window.until - window.since >= 8 * 60
        if window.how == "frozen":
            assert len(np.unique(values)) == 1
            assert (reading.flags[within] == "N").mean() > 0.8
        else:
            assert values.mean() < 0.2 * told.limits[limited[0]]


def test_books_balance_except_the_planted(life: Business, cases: list[Case]) -> None:
    columns, rows = papers.returns(life)
    open_books = {case.subject for case in cases if case.kind == "mass_imbalance"}
    unexplained: dict[str, float] = {}
    for row in rows:
        told = dict(zip(columns, row, strict=True))
        if told["month"] != "2020-06":
            continue
        came = float(str(told["opening_t"])) + float(str(told["produced_t"])) + float(str(told["purchased_t"]))
        went = sum(float(str(told[name])) for name in ("used_t", "sold_t", "disposed_t", "closing_t"))
        site = str(told["site_id"])
        unexplained[site] = max(unexplained.get(site, 0.0), abs(came - went) / max(came, 1.0))
    assert open_books <= set(unexplained)
    assert max(value for site, value in unexplained.items() if site not in open_books) < 0.03
    assert all(unexplained[site] > 0.04 for site in open_books)


def test_controlled_goods_are_accounted_for_except_the_diverted(life: Business, cases: list[Case]) -> None:
    span = life.town.span
    left: dict[str, float] = {}
    bought: dict[str, float] = {}
    until = span.at(span.months()[0][1]).isoformat()
    rows = {row["flow_id"]: row for row in papers.flows(life)}.values()
    assert {row["kind"] for row in rows} == {"purchase", "sale", "use", "transfer", "loss"}
    for row in rows:
        if row["occurred_at"] >= until or row["buyer_uscc"] is None:
            continue
        sign = {"purchase": 1.0, "transfer": 1.0, "use": -1.0, "loss": -1.0}.get(row["kind"], 0.0)
        if row["kind"] == "transfer":
            left[row["seller_uscc"]] = left.get(row["seller_uscc"], 0.0) - row["quantity_kg"] / 1000
        left[row["buyer_uscc"]] = left.get(row["buyer_uscc"], 0.0) + sign * row["quantity_kg"] / 1000
        bought[row["buyer_uscc"]] = bought.get(row["buyer_uscc"], 0.0) + max(sign, 0.0) * row["quantity_kg"] / 1000
    diverted = {case.subject for case in cases if case.kind == "controlled_diversion"}
    last = span.months()[0][1] // DAY
    for firm in life.town.firms:
        mine = [
            h for n in firm.sites for h in (life.town.holdings[k] for k in life.town.sites[n].holdings)
            if life.town.chemicals[h.chemical].controlled
        ]  # fmt: skip
        if firm.kind != "user" or not mine or bought.get(firm.uscc, 0.0) < 0.2:
            continue
        stock = sum(float(life.mass[h.number, last] - life.mass[h.number, 0]) for h in mine)
        missing = (left[firm.uscc] - stock) / bought[firm.uscc]
        assert missing > 0.15 if firm.uscc in diverted else abs(missing) < 0.05


def test_waste_arrives_except_the_planted(life: Business, cases: list[Case]) -> None:
    columns, rows = papers.manifests(life)
    newest = {row[0]: dict(zip(columns, row, strict=True)) for row in rows}
    light = {
        str(told["producer_site"])
        for told in newest.values()
        if told["received_t"] is not None and float(str(told["received_t"])) < 0.95 * float(str(told["shipped_t"]))
    }
    leaking = {case.subject for case in cases if case.kind == "waste_leak"}
    names = {site.name: site.id for site in life.town.sites}
    assert {names[name] for name in light} <= leaking


# ── what is written ────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_same_seed_writes_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    command = ["simulate", str(tmp_path / "again"), "--seed", "5", "--firms", "24", "--days", "3", "--vehicles", "13"]
    told = CliRunner().invoke(app, [*command, "--start", "2020-07-04"])
    assert told.exit_code == 0, told.output
    assert _digests(tmp_path / "again") == _digests(folder)
    assert numbers(5, "firms").integers(1 << 60) != numbers(6, "firms").integers(1 << 60)


def test_the_folder_is_a_test_city(folder: Path) -> None:
    told = json.loads((folder / "city.json").read_text("utf-8"))
    assert {"name", "title", "zone", "from", "to", "seed", "generator", "areas", "zones"} <= set(told)
    assert (told["from"], told["to"]) == ("2020-07-04T00:00:00+08:00", "2020-07-07T00:00:00+08:00")
    assert len(_rows(folder / "departments.csv")) == 62
    assert {path.name for path in (folder / "systems").iterdir()} >= SYSTEMS
    for listed in (folder / "systems").rglob("drops.csv"):
        files = {file for file in listed.parent.rglob("*") if file.is_file() and file.suffix != ".parquet"}
        delivered = {listed.parent / row["path"] for row in _rows(listed)}
        assert all(path.is_file() for path in delivered)
        assert {file for file in files if file.parent.name == "drops"} <= delivered
    for zone in json.loads((folder / "zones.geojson").read_text("utf-8"))["features"]:
        assert {"id", "name", "closed", "goods"} == set(zone["properties"])
    truth = _rows(folder / "truth" / "truth.csv")
    assert truth
    assert {row["kind"] for row in truth} <= set(KINDS)


def test_databases_show_row_versions(folder: Path) -> None:
    with sqlite3.connect(folder / "systems/approval-registry/approval-registry.sqlite") as database:
        shown = {name for (name,) in database.execute("select name from sqlite_master where type = 'table'")}
        assert shown == {"firm", "site", "licence", "licensed_chemical", "monthly_return"}
        for name in shown:
            times = database.execute(f'select _visible_from from "{name}"').fetchall()
            assert times == sorted(times)
            assert all(datetime.fromisoformat(time).utcoffset() is not None for (time,) in times)
    with sqlite3.connect(folder / "systems/emergency-enforcement/emergency-enforcement.sqlite") as database:
        assert database.execute('select count(*) from "order"').fetchone()[0] > 0


def test_areas_change_and_the_registers_follow(life: Business, tmp_path: Path) -> None:
    columns, rows = registers.approval(life)["site"]
    versions: dict[object, list[object]] = {}
    for row in rows:
        versions.setdefault(row[0], []).append(row[columns.index("district_code")])
    changed = {(codes[0], codes[-1]) for codes in versions.values() if len(codes) > 1}
    assert changed
    assert changed <= {("320602", "320613"), ("320611", "320613"), ("320684", "320614")}
    registers.fire(life, tmp_path)
    sheets = []
    for row in _rows(tmp_path / "drops.csv"):
        with zipfile.ZipFile(tmp_path / row["path"]) as packed:
            sheets.append(packed.read("xl/workbook.xml").decode())
    assert sheets
    assert all("港闸区" in sheet or "海门市" in sheet for sheet in sheets)
    before, after = (len(life.town.areas.at(date(2020, 7, day))) for day in (1, 6))
    assert (before, after) == (11, 10)


def _frames(table_bytes: dict[int, bytes]) -> list[bytes]:
    pieces = (piece for stream in table_bytes.values() for piece in stream.split(b"\x7e") if piece)
    return [piece.replace(b"\x7d\x02", b"\x7e").replace(b"\x7d\x01", b"\x7d") for piece in pieces]


def _streams(file: Path) -> tuple[dict[int, bytes], list[bytes]]:
    table = pq.read_table(file)
    times = table["sent_at"].to_numpy()
    assert (times[1:] >= times[:-1]).all()
    joined: dict[int, list[bytes]] = {}
    pieces = table["bytes"].to_pylist()
    for connection, piece in zip(table["connection"].to_pylist(), pieces, strict=True):
        joined.setdefault(connection, []).append(piece)
    return {connection: b"".join(parts) for connection, parts in joined.items()}, pieces


def test_terminals_speak_jt808(folder: Path) -> None:
    streams, pieces = _streams(folder / "systems/transport-positions/packets.parquet")
    frames = _frames(streams)
    kinds: Counter[str] = Counter()
    for frame in frames:
        check = 0
        for byte in frame[:-1]:
            check ^= byte
        assert check == frame[-1]
        newer = bool(frame[2] & 0x40)
        length = int.from_bytes(frame[2:4], "big") & 0x3FF
        assert len(frame) == length + (17 if newer else 12) + 1
        kinds[frame[:2].hex()] += 1
        if frame[:2] == b"\x02\x00":
            body = frame[17 if newer else 12 :]
            assert 31.0 < int.from_bytes(body[8:12], "big") / 1e6 < 33.5
            assert 119.0 < int.from_bytes(body[12:16], "big") / 1e6 < 122.5
            assert body[22:25].hex()[:4] == "2007"
    assert {"0100", "0102", "0002", "0200", "0704"} <= set(kinds)
    assert any(piece.count(b"\x7e") % 2 for piece in pieces)  # a frame over two writes
    assert any(piece.count(b"\x7e") > 2 for piece in pieces)  # two frames in one
    plates = _rows(next((folder / "systems/transport-positions/drops").iterdir()))
    assert len(plates) == 13


def test_monitors_speak_hj212(folder: Path) -> None:
    streams, pieces = _streams(folder / "systems/ecology-emissions/packets.parquet")
    packets = [part for stream in streams.values() for part in stream.split(b"\r\n") if part]
    good = wrong = 0
    for packet in packets[::7]:
        assert packet.startswith(b"##")
        segment = packet[6:-4]
        assert int(packet[2:6]) == len(segment)
        crc = 0xFFFF
        for byte in segment:
            crc = (crc >> 8) ^ byte
            for _ in range(8):
                crc = (crc >> 1) ^ 0xA001 if crc & 1 else crc >> 1
        good += packet[-4:] == b"%04X" % crc
        wrong += packet[-4:] != b"%04X" % crc
    assert good > 50 * wrong
    assert any(b"CN=2051" in packet for packet in packets)
    assert any(not piece.startswith(b"##") for piece in pieces)


def test_tanks_publish_over_mqtt(folder: Path) -> None:
    table = pq.read_table(folder / "systems/emergency-hazards/messages.parquet")
    tanks = {
        row["tank_id"]: row for row in _rows(next((folder / "systems/emergency-hazards/drops").iterdir()), "utf-8-sig")
    }
    topics = set(table["topic"].to_pylist())
    assert {topic.split("/")[2] for topic in topics} == set(tanks)
    assert {topic.split("/")[3] for topic in topics} == {"level_m", "temperature_c", "pressure_kpa", "gas_ppm"}
    some = [json.loads(payload) for payload in table["payload"].slice(0, 3000).to_pylist()]
    assert all(set(told) == {"t", "v", "q"} for told in some)


def test_files_come_as_offices_send_them(folder: Path) -> None:
    systems = folder / "systems"
    listed = _rows(systems / "market-register" / "drops.csv")
    full = next(row["path"] for row in listed if "全量" in row["path"])
    rows = _rows(systems / "market-register" / full, "gb18030")
    assert any(not row["统一社会信用代码"] for row in rows)
    assert len({row["成立日期"].count("年") for row in rows}) == 2
    declarations = sorted((systems / "maritime-port" / "drops").iterdir())
    with zipfile.ZipFile(declarations[0]) as packed:
        told = packed.read(packed.namelist()[0]).decode("gb18030")
    assert told.startswith('<?xml version="1.0" encoding="GB18030"?>')
    for row in _rows(systems / "power-load" / "drops.csv"):
        assert pq.ParquetFile(systems / "power-load" / row["path"]).metadata.num_columns == 100


def test_codes_carry_their_checksums() -> None:
    alphabet = "0123456789ABCDEFGHJKLMNPQRTUWXY"
    rng = numbers(1, "codes")
    for _ in range(50):
        code = uscc(rng, "320682")
        total = sum(alphabet.index(letter) * pow(3, n, 31) for n, letter in enumerate(code[:17]))
        assert len(code) == 18
        assert (total + alphabet.index(code[17])) % 31 == 0


def test_the_offset_datum_is_some_hundred_metres_away() -> None:
    lon, lat = gcj02(np.array([121.0, 120.5]), np.array([32.0, 32.5]))
    metres = np.hypot((lon - [121.0, 120.5]) * LON_METRES, (lat - [32.0, 32.5]) * LAT_METRES)
    assert ((metres > 300) & (metres < 700)).all()


@pytest.mark.parametrize(("firms", "days", "vehicles"), [(5, 3, 20), (30, 0, 20), (30, 3, 2), (9_999, 3, 20)])
def test_sizes_that_cannot_be_are_refused(tmp_path: Path, firms: int, days: int, vehicles: int) -> None:
    with pytest.raises(Invalid) as refused:
        write(tmp_path / "city", seed=1, firms=firms, days=days, vehicles=vehicles, start=START)
    assert refused.value.remedy
    assert not (tmp_path / "city").exists()


def test_a_city_may_be_shorter_than_a_week(tmp_path: Path) -> None:
    """No weekly file is due, everything else is there."""
    write(tmp_path / "city", seed=1, firms=30, days=1, vehicles=12, start=date(2020, 6, 24))
    systems = {path.name for path in (tmp_path / "city" / "systems").iterdir()}
    assert len(systems) == 65


def test_a_folder_with_content_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(Invalid, match="not empty"):
        write(tmp_path, seed=1, firms=30, days=1, vehicles=12, start=START)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]

"""The second generator of test cities: its bytes are the seed's, the product's decoders read them, its truth is in them."""

from __future__ import annotations

import csv
import hashlib
import json
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bench._othercity import check
from bench._othercity.__main__ import generate
from bench._othercity.common import chance, gcj, order, uscc
from cityheart.share.wire import hj212, jt808
from cityheart.share.wire.frames import CHUNKS
from cityheart.share.wire.framing import Framer

ASKED = {"seed": 5, "firms": 12, "vehicles": 10, "days": 2, "level": "normal"}
SURE = (
    "restricted_zone",
    "tank_excursion",
    "over_storage",
    "emission_exceedance",
    "waste_leak",
    "no_waybill",
    "unlicensed_site",
)


def _digests(city: Path) -> dict[str, str]:
    files = (path for path in sorted(city.rglob("*")) if path.is_file())
    return {str(path.relative_to(city)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small city of two days."""
    folder = tmp_path_factory.mktemp("othercity") / "city"
    generate(folder, order(**ASKED))
    return folder


def test_the_same_seed_gives_the_same_bytes_and_another_gives_others(city: Path, tmp_path: Path) -> None:
    generate(tmp_path / "again", order(**ASKED))
    assert _digests(tmp_path / "again") == _digests(city)
    assert order(**ASKED).seed != order(**{**ASKED, "level": "hard"}).seed
    assert chance(5, "a").random() != chance(6, "a").random()


def _frames(path: Path, framer: Framer) -> pa.Table:
    packets = pq.read_table(path)
    return framer.frames(pa.table([packets["sent_at"], packets["connection"], packets["bytes"]], schema=CHUNKS))


def test_the_products_decoders_read_every_packet_but_those_that_were_broken_on_purpose(city: Path) -> None:
    emissions = _frames(city / "systems/ecology-emissions/packets.parquet", hj212.framer())
    decoded = hj212.decode(emissions["frame"])
    assert len(decoded.errors) <= emissions.num_rows * 0.001
    assert set(decoded.rows["mn"].to_pylist()) == {row["mn"] for row in _listed(city, "ecology-emissions")}
    positions = _frames(city / "systems/transport-positions/packets.parquet", jt808.framer())
    read = jt808.decode(positions["frame"])
    assert len(read.errors) <= max(2, positions.num_rows * 0.001)
    phones = {row["terminal_phone"] for row in _listed(city, "transport-positions")}
    assert set(read.rows["terminal_phone"].to_pylist()) == phones
    assert min(read.rows["lon"].to_pylist()) > 118 and max(read.rows["lat"].to_pylist()) < 34


def _listed(city: Path, system: str) -> list[dict[str, str]]:
    with next((city / "systems" / system / "drops").glob("*.csv")).open(encoding="utf-8") as rows:
        return list(csv.DictReader(rows))


def test_the_city_has_every_system_and_every_drop_it_lists(city: Path) -> None:
    systems = {path.name for path in (city / "systems").iterdir()}
    assert len(systems) == 12
    for listed in (city / "systems").glob("*/drops.csv"):
        with listed.open(encoding="utf-8") as rows:
            assert all((listed.parent / row["path"]).is_file() for row in csv.DictReader(rows))
    about = json.loads((city / "city.json").read_text())
    assert about["from"] < about["to"]
    assert (city / about["areas"]).is_file() and (city / about["zones"]).is_file()


def test_the_truth_is_in_the_delivered_rows_and_nothing_else_is(city: Path, capsys: pytest.CaptureFixture[str]) -> None:
    check.check(city)
    said = {line.split(":")[0]: line for line in capsys.readouterr().out.splitlines() if " cases, " in line}
    with (city / "truth/truth.csv").open(encoding="utf-8") as rows:
        cases = Counter(row["kind"] for row in csv.DictReader(rows))
    assert len(cases) >= 8
    for kind in SURE:
        assert said[kind] == f"{kind}: {cases[kind]} cases, 0 not borne out, 0 without a case"


def test_the_checker_notices_a_case_that_is_not_there_and_one_that_is_missing(
    city: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    truth = check.evidence.truths(city)
    (real,) = truth["tank_excursion"]
    moved = {**real, "subject": "PS-none"}
    wrong = check.City(city, {"tank_excursion": [moved]}, {}, {}, [], 0.0, 0.0)
    assert check.compare(wrong, "tank_excursion", [(real["subject"], real["from"], real["to"], "level")]) == (1, 1)
    assert "PS-none is not borne out" in capsys.readouterr().out


def test_codes_and_datum_are_those_of_the_standards() -> None:
    code = uscc(chance(1, "codes"), "320602")
    signs = "0123456789ABCDEFGHJKLMNPQRTUWXY"
    assert len(code) == 18
    body = sum(signs.index(c) * pow(3, i, 31) for i, c in enumerate(code[:17]))
    assert (body + signs.index(code[17])) % 31 == 0
    lon, lat = gcj(120.9, 32.0)
    assert 300 < ((lon - 120.9) ** 2 * 94_200**2 + (lat - 32.0) ** 2 * 110_900**2) ** 0.5 < 700

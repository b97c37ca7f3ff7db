"""``python -m bench._othercity OUT --seed N --firms N --vehicles N --days N --level easy|normal|hard`` writes a test city."""

from __future__ import annotations

import argparse
import csv
import json
import shutil
import sys
from collections import Counter
from pathlib import Path
from time import perf_counter

from bench._othercity import books, emissions, ledger, power, stories, tanks, tracks, truth, world
from bench._othercity.common import LEVELS, Order, order, rfc, to_lonlat
from bench._othercity.life import Life, live, work


def _frame(out: Path, life: Life) -> None:
    """city.json, areas, zones, departments."""
    asked: Order = life.world.order
    about = {
        "name": f"othercity-{asked.seed}-{asked.level.name}", "title": "南通市(合成数据,另一生成器)", "zone": "Asia/Shanghai",
        "from": rfc(asked.start), "to": rfc(asked.end), "seed": asked.seed, "generator": "othercity 1", "areas": "areas.geojson",
        "zones": "zones.geojson", "position_period_s": tracks.MOVING, "position_period_parked_s": tracks.PARKED,
    }  # fmt: skip
    (out / "city.json").write_text(json.dumps(about, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    shutil.copyfile(world.AREAS / "areas.geojson", out / "areas.geojson")
    features = [
        {
            "type": "Feature",
            "properties": {"id": zone.id, "name": zone.name, "closed": zone.closed, "goods": "hazardous"},
            "geometry": {
                "type": "Polygon",
                "coordinates": [[[round(v, 6) for v in to_lonlat(*p)] for p in zone.ring.tolist()]],
            },
        }
        for zone in life.world.zones
    ]
    text = json.dumps({"type": "FeatureCollection", "features": features}, ensure_ascii=False)
    (out / "zones.geojson").write_text(text + "\n", encoding="utf-8")
    with (
        (world.AREAS / "departments.csv").open(encoding="utf-8") as have,
        (out / "departments.csv").open("w", encoding="utf-8", newline="") as made,
    ):
        rows = csv.writer(made, lineterminator="\n")
        rows.writerow(["code", "name", "name_en", "parent", "kind"])
        for row in csv.DictReader(have):
            rows.writerow([row["code"], row["name"], row["name_en"], "", row["kind"]])


def generate(out: Path, asked: Order) -> dict[str, object]:
    """Write the city; what is in it: rows of the streams, cases of each kind, seconds."""
    begun = perf_counter()
    out.mkdir(parents=True, exist_ok=True)
    still = world.build(asked)
    plot = stories.write(still)
    work(still, plot)
    life = live(still, plot)
    ledger.choose_waybills(life)
    ledger.weigh_diversions(life)
    licences = books.license_all(life)
    systems = out / "systems"
    farm = tanks.gauges(life)
    outlets = emissions.streams(life)
    ways = tracks.tracks(life)
    _frame(out, life)
    books.registry(systems / "approval-registry", life, licences, farm)
    books.enforcement(systems / "emergency-enforcement", life)
    books.market(systems / "market-register", life)
    books.fire(systems / "fire-inspections", life)
    books.port(systems / "maritime-port", life)
    books.waste(systems / "ecology-waste", life)
    ledger.waybills(systems / "transport-waybills", life)
    ledger.flows(systems / "police-controlled", life)
    counts = {
        "messages": tanks.write(systems / "emergency-hazards", life, farm),
        "packets": emissions.write(systems / "ecology-emissions", life, outlets),
        "positions": tracks.write(systems / "transport-positions", life, ways),
        "meter_days": power.write(systems / "power-load", life),
    }
    found = truth.cases(life, farm, outlets, ways, licences)
    truth.write(out / "truth", found)
    return {
        **counts,
        "trips": len(life.trips),
        "cases": dict(Counter(case.kind for case in found)),
        "seconds": round(perf_counter() - begun, 1),
    }


def main(arguments: list[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m bench._othercity", description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--firms", type=int, default=120)
    parser.add_argument("--vehicles", type=int, default=60)
    parser.add_argument("--days", type=int, default=24)
    parser.add_argument("--level", choices=sorted(LEVELS), default="normal")
    asked = parser.parse_args(arguments)
    if asked.out.exists() and any(asked.out.iterdir()):
        parser.error(f"{asked.out} is not empty")
    if asked.firms < 8 or asked.vehicles < 10 or asked.days < 2:
        parser.error("a city needs 8 firms, 10 vehicles and 2 days or more")
    print(json.dumps(generate(asked.out, order(asked.seed, asked.firms, asked.vehicles, asked.days, asked.level))))
    return 0


if __name__ == "__main__":
    sys.exit(main())

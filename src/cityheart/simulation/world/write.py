"""Write a test city: the folder with the systems of every department, and the truth about what was planted."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import numpy as np

from cityheart.sdk import Invalid

from . import papers, registers
from .business import Business, Leg, carry_on
from .cases import KINDS, scheme
from .departments import write_departments
from .emissions import Probes
from .files import Drops, Stream, csv_bytes, json_lines, parquet_bytes, write_json
from .firms import Town, settle
from .hazards import Watch
from .hj212 import Monitors
from .jt808 import Wires
from .models import Case
from .places import APP_DATA, Areas, Roads
from .power import Grid
from .store import write_database
from .times import DAY, ZONE, Span
from .trails import sampled, trespasses

__all__ = ["Written", "build", "planted", "write"]

HOUR = 60.0
LEAST_FIRMS, MOST_FIRMS = 20, 3_000
LEAST_VEHICLES, MOST_VEHICLES = 12, 5_000
MOST_DAYS = 120
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Written:
    """What was written: rows, files or messages by system, planted cases by kind, kinds for which there was no room."""

    folder: Path
    rows: Mapping[str, int]
    cases: Mapping[str, int]
    missing: tuple[str, ...]


@dataclass
class _Counts:
    rows: dict[str, int] = field(default_factory=dict)

    def add(self, name: str, count: int) -> None:
        self.rows[name] = self.rows.get(name, 0) + count


def build(*, seed: int, firms: int, days: int, vehicles: int, start: date) -> Business:
    """The simulated city without writing it: its firms and everything that happened, with the plan of what is planted.

    Raises :class:`Invalid` for sizes that cannot be.
    """
    for name, value, least, most in (
        ("firms", firms, LEAST_FIRMS, MOST_FIRMS),
        ("vehicles", vehicles, LEAST_VEHICLES, MOST_VEHICLES),
        ("days", days, 1, MOST_DAYS),
    ):
        if not least <= value <= most:
            raise Invalid(
                f"{value} {name}: a simulated city has {least} to {most}", remedy=f"choose --{name} between them"
            )
    if not 2018 <= start.year <= 2027:
        raise Invalid(
            f"{start}: the simulated city knows the holidays of 2018 to 2027", remedy="choose another --start"
        )
    span = Span.of(start, days)
    areas = Areas.read(APP_DATA / "areas.geojson")
    town = settle(seed, span, areas, Roads.build(seed, areas, start), firms, vehicles)
    return carry_on(town, scheme(town, firms))


def write(
    out: Path,
    *,
    seed: int,
    firms: int,
    days: int,
    vehicles: int,
    start: date,
    progress: Progress | None = None,
) -> Written:
    """Write the test city of a seed below ``out``, which must not be there or be empty.

    Equal arguments give equal bytes. Raises :class:`Invalid` for sizes that cannot be and for a folder with content.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise Invalid(f"{out} is not empty", remedy="name a folder that is not there yet, or empty it")
    tell = progress or (lambda stage, done, whole: None)
    tell("firms and trade", 0, 1)
    business = build(seed=seed, firms=firms, days=days, vehicles=vehicles, start=start)
    town, counts = business.town, _Counts()
    out.mkdir(parents=True, exist_ok=True)
    _frame(out, town)
    tell("registers", 0, 1)
    _books(out, business, counts)
    legs = sorted(business.legs, key=lambda leg: (leg.vehicle, leg.since))
    _streams(out, business, legs, counts, tell)
    tell("departments", 0, 1)
    _departments(out, town, counts)
    cases = [
        *_merged(business.plot.cases),
        *trespasses(town, legs),
        *Watch(business).cases(),
        *Probes(business).cases(),
    ]
    told = _truth(out, town, cases)
    missing = tuple(kind for kind in KINDS if not told.get(kind))
    return Written(out, counts.rows, told, missing)


def planted(business: Business) -> list[Case]:
    """Everything that was planted, from what really happened in the city."""
    return [
        *_merged(business.plot.cases),
        *trespasses(business.town, business.legs),
        *Watch(business).cases(),
        *Probes(business).cases(),
    ]


def _frame(out: Path, town: Town) -> None:
    """city.json, areas, zones and departments."""
    span = town.span
    write_json(
        out / "city.json",
        {
            "name": f"simulated-{town.seed}",
            "title": "南通(模拟城市,数据均为合成)",
            "zone": ZONE,
            "from": span.iso(span.first),
            "to": span.iso(span.last),
            "seed": town.seed,
            "generator": "cityheart simulate",
            "areas": "areas.geojson",
            "zones": "zones.geojson",
            "position_period_s": 30,
            "position_period_parked_s": 300,
        },
    )
    shutil.copyfile(APP_DATA / "areas.geojson", out / "areas.geojson")
    write_json(out / "zones.geojson", town.roads.zones_geojson())
    header, *rows = (line.split(",") for line in (APP_DATA / "departments.csv").read_text("utf-8").splitlines())
    told = [dict(zip(header, row, strict=True)) for row in rows]
    columns = ("code", "name", "name_en", "parent", "kind")
    content = csv_bytes(columns, [[row.get(column, "") for column in columns] for row in told], "utf-8")
    (out / "departments.csv").write_bytes(content)


def _books(out: Path, business: Business, counts: _Counts) -> None:
    """The systems that hold records: databases, files by the month or the day, pages of JSON."""

    def folder(system: str) -> Path:
        return out / "systems" / system

    def database(system: str, tables: registers.Tables) -> None:
        counts.add(system, write_database(folder(system) / f"{system}.sqlite", tables))

    database("approval-registry", {**registers.approval(business), "monthly_return": papers.returns(business)})
    database("emergency-enforcement", registers.enforcement(business))
    database("ecology-waste", {"manifest": papers.manifests(business)})
    counts.add("police-controlled", json_lines(folder("police-controlled") / "flow.jsonl", papers.flows(business)))
    counts.add(
        "transport-waybills", json_lines(folder("transport-waybills") / "waybill.jsonl", papers.waybills(business))
    )
    counts.add("market-register", registers.market(business, folder("market-register")))
    counts.add("fire-inspections", registers.fire(business, folder("fire-inspections")))
    counts.add("maritime-port", registers.port(business, folder("maritime-port")))
    registers.devices(business, folder)
    span, grid, drops = business.town.span, Grid(business), Drops(folder("power-load"), inside="")
    for day in range(span.whole):
        at = (day + 1) * DAY + 6 * HOUR + (day * 7) % 23 + 0.25
        if at < span.last:
            table = grid.day(day)
            drops.put(f"load_96_{span.day(day * DAY):%Y%m%d}.parquet", parquet_bytes(table), span.iso(at))
            counts.add("power-load", table.num_rows)
    drops.close()


def _streams(out: Path, business: Business, legs: list[Leg], counts: _Counts, tell: Progress) -> None:
    """The live systems, day by day."""
    town, span = business.town, business.town.span
    systems = out / "systems"
    positions = Stream(systems / "transport-positions" / "packets.parquet")
    emissions = Stream(systems / "ecology-emissions" / "packets.parquet")
    hazards = Stream(systems / "emergency-hazards" / "messages.parquet")
    wires, watch = Wires(town), Watch(business)
    monitors = Monitors(town, Probes(business))
    odometer = np.random.default_rng(town.seed).uniform(2e7, 3e8, len(town.vehicles))
    since = np.array([leg.since for leg in legs])
    until = np.array([leg.until for leg in legs])
    for day in range(span.first // DAY, span.last // DAY):
        tell("sensors and tracks", day - span.first // DAY, span.days)
        today = [legs[n] for n in np.flatnonzero((until > day * DAY) & (since < (day + 1) * DAY))]
        positions.add(wires.day(sampled(town, today, day, odometer), day))
        emissions.add(monitors.day(day))
        hazards.add(watch.day(day))
    for name, stream in (
        ("transport-positions", positions),
        ("ecology-emissions", emissions),
        ("emergency-hazards", hazards),
    ):
        stream.close()
        counts.add(name, stream.rows)


def _departments(out: Path, town: Town, counts: _Counts) -> None:
    """The systems of the other departments."""
    written = write_departments(out, seed=town.seed, days=town.span.days, start=town.span.start, world=town)
    for source, handed in sorted(written.sources.items()):
        counts.add(source, handed.rows)


def _merged(cases: list[Case]) -> list[Case]:
    """Visits to one quiet place are one case, if there are at least two."""
    places: dict[str, list[Case]] = {}
    for case in cases:
        if case.kind == "unlicensed_site":
            places.setdefault(case.subject, []).append(case)
    merged = [case for case in cases if case.kind != "unlicensed_site"]
    for subject, visits in places.items():
        if len(visits) > 1:
            begin = min(visit.since for visit in visits)
            end = max(visit.until or visit.since for visit in visits)
            merged.append(Case("unlicensed_site", subject, begin, end, f"{len(visits)} visits"))
    return merged


def _truth(out: Path, town: Town, cases: list[Case]) -> dict[str, int]:
    """truth/truth.csv; the number of cases by kind."""
    span = town.span
    shown = [case for case in cases if case.since < span.last - 2 * HOUR and (case.until or span.last) > 0]
    shown.sort(key=lambda case: (case.since, case.kind, case.subject))
    rows = [
        (
            f"C{number:04d}", case.kind, case.subject, span.iso(case.since),
            span.iso(case.until) if case.until is not None and case.until < span.last else "", case.detail,
        )
        for number, case in enumerate(shown, 1)
    ]  # fmt: skip
    file = out / "truth" / "truth.csv"
    file.parent.mkdir()
    file.write_bytes(csv_bytes(("case_id", "kind", "subject", "from", "to", "detail"), rows, "utf-8"))
    return {kind: sum(case.kind == kind for case in shown) for kind in KINDS}

"""Hand-made sites for what tells whether they produce: loads, emissions, tanks, lorries, orders and inspections."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa

import cityheart.apps.hazchem

ZONE = ZoneInfo("Asia/Shanghai")
CONTRACTS = Path(cityheart.apps.hazchem.__file__).parent / "contracts"
FIRST = date(2026, 3, 1)
USCC = "91320612MADPYCL48P"
TYPES = {
    "string": pa.string(),
    "number": pa.float64(),
    "integer": pa.int64(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "datetime": pa.timestamp("us", tz="UTC"),
}
VISIT = pa.schema(
    [
        *((name, pa.string()) for name in ("terminal_phone", "layer", "place", "state")),
        *((name, pa.timestamp("us", tz="UTC")) for name in ("since", "until")),
        *((name, pa.int64()) for name in ("load_before", "load_after")),
    ]
)


def local(day: date, hour: float = 0.0) -> datetime:
    """An hour of a local day as a moment in UTC."""
    return (datetime(day.year, day.month, day.day, tzinfo=ZONE) + timedelta(hours=hour)).astimezone(UTC)


def day(number: int) -> date:
    """The day of a scene, from 0 on."""
    return FIRST + timedelta(days=number)


def table(dataset: str, rows: Sequence[Mapping[str, object]]) -> pa.Table:
    """Rows of a dataset with the columns of its contract; what a row leaves out is null."""
    if dataset == "transport_visit":
        return pa.Table.from_pylist([dict(row) for row in rows], schema=VISIT)
    declared = json.loads((CONTRACTS / f"{dataset}.json").read_text(encoding="utf-8"))["schema"]["fields"]
    columns = pa.schema([(each["name"], TYPES[each["type"]]) for each in declared])
    return pa.Table.from_pylist([dict(row) for row in rows], schema=columns)


def noise(*key: object, size: int) -> npt.NDArray[np.float64]:
    """Repeatable noise of mean 0 and deviation 1."""
    seed = [sum(map(ord, str(part))) for part in key]
    return np.random.default_rng(seed).normal(size=size)


def shifts(first: int, last: int, busy: float = 500.0, quiet: float = 80.0) -> list[float]:
    """A day's 24 hours: busy from one hour to another (over midnight when the first is later)."""
    inside = [(first <= hour < last) if first < last else (hour >= first or hour < last) for hour in range(24)]
    return [busy if each else quiet for each in inside]


FLAT = [600.0] * 24
DAY = shifts(6, 22)
STILL = [80.0] * 24


@dataclass
class Scene:
    """Sites with the same past, told day by day; ``days`` of data from ``FIRST`` on."""

    days: int = 30
    rows: dict[str, list[dict[str, object]]] = field(default_factory=dict)

    def add(self, dataset: str, **row: object) -> None:
        """One row."""
        self.rows.setdefault(dataset, []).append(row)

    def site(self, site: str, kind: str = "producer", firm: str = "", lon: float = 121.0, lat: float = 32.0) -> None:
        """A site, and its firm when that is new."""
        firm = firm or f"F{site}"
        if all(each["firm_id"] != firm for each in self.rows.get("approval_firm", [])):
            self.add("approval_firm", firm_id=firm, uscc=f"U{firm}", name=f"{firm}公司", kind=kind, status="在业")
        place = {"lon": lon, "lat": lat, "district_code": "320612", "residents_500m": 40}
        self.add("approval_site", site_id=site, firm_id=firm, name=f"{site}厂", **place)

    def power(
        self,
        site: str,
        hours: Sequence[float],
        days: range | None = None,
        meter: str = "",
        firm: str = "",
        where: str = "",
    ) -> None:
        """Loads of these 24 hours, with 2 % of noise, on these days (all)."""
        for number in days if days is not None else range(self.days):
            points = np.repeat(np.array(hours), 4) * (1 + 0.02 * noise(site, meter, number, size=96))
            row = {f"p{point:02d}": float(max(value, 0)) for point, value in enumerate(points)}
            named = None if where == "-" else where or site
            self.add(
                "power_load",
                meter_id=meter or f"M{site}",
                uscc=f"U{firm or 'F' + site}",
                site_id=named,
                day=local(day(number)),
                **row,
            )

    def emission(
        self, site: str, flow: float, grams: float = 50.0, days: range | None = None, kind: str = "废气"
    ) -> None:
        """An outlet with its flow and one factor, hour by hour."""
        mn = f"MN{site}"
        if all(each["mn"] != mn for each in self.rows.get("emission_outlet", [])):
            self.add("emission_outlet", mn=mn, site_id=site, uscc="", kind=kind, limits="", design_flow=20.0)
        names = ("a00000", "a21026") if kind == "废气" else ("w00000", "w01018")
        for number in days if days is not None else range(self.days):
            wobble = 1 + 0.05 * noise(site, number, size=48)
            for hour in range(24):
                for index, (factor, value) in enumerate(zip(names, (flow, grams), strict=True)):
                    mean = float(value * wobble[2 * hour + index])
                    self.add(
                        "hazchem_emission_hour",
                        mn=mn,
                        factor=factor,
                        hour=local(day(number), hour),
                        mean=mean,
                        n_minutes=60,
                        minutes=60,
                        flags='{"N": 60}',
                    )

    def tank(self, site: str, rise: float, fall: float, days: range | None = None) -> None:
        """A tank of 10 m and 1,000 t in which so many metres rise and fall each day, in four hours of it."""
        name = f"T{site}"
        if all(each["tank_id"] != name for each in self.rows.get("hazard_tank", [])):
            self.add(
                "hazard_tank",
                tank_id=name,
                site_id=site,
                cas="67-56-1",
                chemical="甲醇",
                capacity_t=1000.0,
                height_m=10.0,
            )
        for number in days if days is not None else range(self.days):
            for hour in range(24):
                busy = 0.25 if 8 <= hour < 12 else 0.0
                self.add(
                    "hazchem_tank_hour",
                    tank_id=name,
                    site_id=site,
                    hour=local(day(number), hour),
                    in_m=rise * busy,
                    out_m=fall * busy,
                )

    def lorries(self, site: str, brought: int, taken: int, days: range | None = None, night: bool = False) -> None:
        """So many lorries a day that come loaded and leave empty, and the other way round."""
        for number in days if days is not None else range(self.days):
            for index in range(brought + taken):
                since = local(day(number), (1 if night else 9) + index)
                loads = {"load_before": 3, "load_after": 0} if index < brought else {"load_before": 0, "load_after": 3}
                self.add(
                    "transport_visit",
                    terminal_phone=f"{index:011d}",
                    since=since,
                    until=since + timedelta(minutes=40),
                    layer="site",
                    place=site,
                    state="closed",
                    **loads,
                )

    def order(
        self, site: str | None, number: float, kind: str = "停产停业整顿", scope: str = "全厂停产停业", **more: object
    ) -> None:
        """An order in force from a day on (0 = the first midnight)."""
        since = local(FIRST, 24 * number)
        row: dict[str, object] = {
            "order_id": f"O{len(self.rows.get('enforcement_order', []))}",
            "firm_id": f"F{site}",
            "site_id": site,
        }
        row |= {"kind": kind, "scope": scope, "issued_at": since - timedelta(hours=6), "effective_from": since}
        self.add("enforcement_order", **{**row, "updated_at": since, **more})

    def inspection(self, site: str, number: float, result: str = "合格") -> None:
        """An inspection on a day."""
        at = local(FIRST, 24 * number)
        key = f"I{len(self.rows.get('enforcement_inspection', []))}"
        self.add(
            "enforcement_inspection", inspection_id=key, site_id=site, at=at, findings="", result=result, updated_at=at
        )

    def tables(self) -> dict[str, pa.Table]:
        """What there is, as the lake gives it."""
        return {name: table(name, rows) for name, rows in self.rows.items()}

    @property
    def now(self) -> datetime:
        """Seven in the morning after the last day: its loads have come."""
        return local(day(self.days), 7)

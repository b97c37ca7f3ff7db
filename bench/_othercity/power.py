"""Load at every meter by the quarter of an hour: what the plant works, the weather, the neighbour, the sun on the roof."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bench._othercity.common import DAY, HOUR, QUARTER, Floats, chance, local, rfc
from bench._othercity.life import Life, weather
from bench._othercity.world import Site


def _load(life: Life, site: Site, air: Floats) -> Floats:
    """kW of a site's whole load before the sun, by the quarter of an hour since the beginning of the books."""
    order = life.world.order
    random = chance(order.seed, "power", site.id)
    count = len(site.activity)
    at = order.books + np.arange(count) * QUARTER
    hour = ((at + 8 * HOUR) % DAY) / HOUR
    weekday = ((at + 8 * HOUR) // DAY + 3) % 7
    office = np.where((hour > 8) & (hour < 18) & (weekday < 5), 1.0, 0.15) * site.base_kw * 0.45
    comfort = np.clip(air - 26, 0, 9) / 9 * 0.35 + np.clip(8 - air, 0, 10) / 10 * 0.4
    base = site.base_kw * (1 + comfort) + office
    step = int(random.integers(5, 14))
    knots = np.arange(0, count + step, step)
    mood = np.interp(np.arange(count), knots, random.standard_t(4, len(knots)))
    plant = site.load_kw * site.activity ** float(random.uniform(0.75, 1.0)) * (1 + 0.035 * mood)
    if random.random() < 0.4:  # one big machine that comes and goes
        plant = plant + site.load_kw * 0.1 * (np.sin(np.arange(count) / float(random.uniform(2.5, 9))) > 0.4) * (
            site.activity > 0.2
        )
    heat = np.zeros(count)
    for start, end in site.heating:
        night = (hour >= 20) | (hour < 7)
        heat += np.where((at >= start) & (at < end) & night, 0.17 * site.load_kw, 0.0)
    noise = 1 + 0.018 * random.standard_t(5, count)
    for _ in range(int(random.poisson(0.4))):  # pumps and lights of a clean-up while the plant stands
        begin = int(random.integers(0, count))
        heat[begin : begin + 22] += 0.08 * site.load_kw
    return np.asarray(np.maximum((base + plant + heat) * noise, 0.05))


def loads(life: Life) -> dict[str, Floats]:
    """kW drawn at each meter, by meter."""
    order = life.world.order
    air, rain = weather(order)
    count = len(air)
    at = order.books + np.arange(count) * QUARTER
    sun = np.clip(np.sin((((at + 8 * HOUR) % DAY) / HOUR - 6) / 12.2 * np.pi), 0, 1) * (1 - 0.75 * rain)
    found = {}
    for site in life.world.sites:
        random = chance(order.seed, "sun", site.id)
        cloud = np.interp(
            np.arange(count), np.arange(0, count + 6, 6), random.uniform(0.35, 1, len(np.arange(0, count + 6, 6)))
        )
        found[site.id] = np.maximum(_load(life, site, air) - site.solar_kw * sun * cloud, 0.0)
    for story in life.plot.of("suspended_producing", "shared_meter"):
        site = story.subject
        near = min((s for s in life.world.sites if s is not site and s.firm.kind in ("user", "producer") and not s.stories),
                   key=lambda s: np.hypot(s.x - site.x, s.y - site.y), default=None)  # fmt: skip
        if near is not None:  # the neighbour hangs on this site's meter
            found[site.id] = found[site.id] + found.pop(near.id)
    return found


def write(folder: Path, life: Life) -> int:
    """A file a day, delivered the next morning; how many rows."""
    order = life.world.order
    folder.mkdir(parents=True, exist_ok=True)
    random = chance(order.seed, "meters")
    names = [f"p{i:02d}" for i in range(96)]
    told = {s.id for s in life.world.sites if s.stories}
    rows: list[tuple[str, str, str | None, Floats]] = []
    every = loads(life)
    for site in life.world.sites:
        load = every.get(site.id)
        if load is None:
            continue
        single = len(site.firm.sites) == 1
        parts = [0.62, 0.38] if site.load_kw > 600 and random.random() < 0.5 else [1.0]
        for part in parts:
            named = None if single and random.random() < 0.15 else site.id
            rows.append((f"{random.integers(10**9, 10**10)}", site.uscc, named, load * part))
    if order.level.missing:  # sites whose meters the company has not found yet
        rows = [row for row in rows if row[2] is None or row[2] in told or random.random() > order.level.missing / 2]
    swaps = _swaps(life, rows)
    total, drops = 0, ["path,delivered_at"]
    for day in range((order.end - order.books) // DAY):
        begin = order.books + day * DAY
        matrix = np.round(np.array([row[3][day * 96 : day * 96 + 96] for row in rows]), 1)
        for a, b, first, last in swaps:
            if first <= day < last:
                matrix[[a, b]] = matrix[[b, a]]
        gone = np.asarray(random.random(matrix.shape) < order.level.missing + 0.004 * order.level.mess)
        kept = np.flatnonzero(random.random(len(rows)) >= 0.004 * order.level.mess + order.level.missing / 4)
        date = local(begin).date()
        columns: dict[str, pa.Array] = {
            "meter_id": pa.array([rows[i][0] for i in kept]),
            "uscc": pa.array([rows[i][1] for i in kept]),
            "site_id": pa.array([rows[i][2] for i in kept], pa.string()),
            "day": pa.array([date] * len(kept), pa.date32()),
        }
        for place, name in enumerate(names):
            columns[name] = pa.array(matrix[kept, place], mask=gone[kept, place])
        name = f"load_96_{date:%Y%m%d}.parquet"
        pq.write_table(pa.table(columns), folder / name, compression="zstd")
        delivered = begin + DAY + 6 * HOUR + float(random.uniform(-600, 1800))
        if random.random() < 0.04 * order.level.mess:
            delivered += 7 * HOUR
        drops.append(f"{name},{rfc(delivered)}")
        total += len(kept)
    (folder / "drops.csv").write_text("\n".join(drops) + "\n", encoding="utf-8")
    return total


def _swaps(life: Life, rows: list[tuple[str, str, str | None, Floats]]) -> list[tuple[int, int, int, int]]:
    """Meters of two sites of one firm that were confounded for some days; never where the plot needs them."""
    random = chance(life.world.order.seed, "swaps")
    told = {s.id for s in life.world.sites if s.stories}
    found = []
    by_firm: dict[str, list[int]] = {}
    for i, row in enumerate(rows):
        if row[2] is not None and row[2] not in told:
            by_firm.setdefault(row[1], []).append(i)
    for places in by_firm.values():
        if len(places) > 1 and random.random() < 0.25 * life.world.order.level.mess:
            first = int(random.integers(0, 20))
            found.append((places[0], places[1], first, first + int(random.integers(3, 9))))
    return found

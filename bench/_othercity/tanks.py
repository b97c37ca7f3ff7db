"""Tank farms by the minute: what is in them, what the gauges say of it, and how the messages arrive."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bench._othercity.common import DAY, HOUR, Bools, Floats, Ints, Order, Random, chance, local, rfc, utc_column
from bench._othercity.life import Life, weather
from bench._othercity.stories import Story
from bench._othercity.world import Account, Tank

CHUNK = 600_000  # messages made into text at once


@dataclass(slots=True)
class Gauge:
    """What is true of a tank, a value a minute since the beginning of the books."""

    tank: Tank
    mass: Floats
    celsius: Floats
    kpa: Floats

    @property
    def level(self) -> Floats:
        """m."""
        return self.mass / self.tank.capacity * self.tank.height


def _masses(order: Order, account: Account) -> dict[str, Floats]:
    count = (order.end - order.books) // 60
    rates = {tank.id: np.zeros(count + 1) for tank in account.tanks}
    for start, end, tonnes, tank in account.moves:
        if tank is None:
            continue
        first, last = (start - order.books) // 60, max((end - order.books) // 60, (start - order.books) // 60 + 5)
        if first < count:
            rates[tank.id][max(first, 0) : last] += tonnes / (last - first)
    work = np.repeat(account.site.activity, 15) * account.rate / 60.0
    for day, tank in account.runs.items():
        rates[tank.id][day * 1440 : (day + 1) * 1440] += work[day * 1440 : (day + 1) * 1440]
    found = {}
    for tank in account.tanks:
        mass = tank.first + np.cumsum(rates[tank.id])[:count]
        found[tank.id] = np.clip(mass, 0.004 * tank.capacity, 0.9 * tank.capacity)
    return found


def _bump(count: int, begin: int, end: int, rise: int) -> Floats:
    """0 to 1: rises, stays from begin to end, falls."""
    at = np.arange(count)
    return np.asarray(np.interp(at, [begin - rise, begin, end, end + rise * 1.6], [0.0, 1.0, 1.0, 0.0]))


def _minutes(order: Order, story: Story) -> tuple[int, int]:
    return int((story.start - order.books) // 60), int(((story.end or story.start) - order.books) // 60)


def _transfer(order: Order, story: Story, masses: dict[str, Floats], reach: float) -> bool:
    """Fill one tank out of its neighbours: what is in the farm stays the same."""
    tank: Tank = story.about["tank"]
    begin, end = _minutes(order, story)
    count = len(masses[tank.id])
    rise = 55
    want = tank.alarm_level / tank.height * tank.capacity * reach
    window = slice(max(begin - rise, 0), min(end + rise * 2, count))
    lack = want - float(masses[tank.id][begin : end + 1].min())
    shape = _bump(count, begin, end, rise)
    others = [t for t in tank.account.tanks if t is not tank]
    spare = {t.id: float(masses[t.id][window].min()) - 0.04 * t.capacity for t in others}
    total = sum(max(v, 0.0) for v in spare.values())
    if lack <= 0 or total < lack or float((masses[tank.id] + lack * shape)[window].max()) > tank.capacity * 0.995:
        return False
    masses[tank.id] += lack * shape
    for other in others:
        masses[other.id] -= lack * shape * max(spare[other.id], 0.0) / total
    return True


def _climate(order: Order, tank: Tank, random: Random, air: Floats) -> tuple[Floats, Floats]:
    count = (order.end - order.books) // 60
    slow = np.interp(np.arange(count), np.arange(len(air)) * 15 + 200, air)  # the tank follows the air hours later
    chemical = tank.account.chemical
    celsius = chemical.hot_c + (slow - 16.0) * 0.12 if chemical.hot_c else 3.0 + slow * 0.85
    celsius = celsius + np.interp(np.arange(count), np.arange(0, count + 300, 300),
                                  random.normal(0, 0.7, len(np.arange(0, count + 300, 300))))  # fmt: skip
    base = 0.5 * tank.alarm_kpa if chemical.vapour else float(random.uniform(0.1, 0.3)) * tank.alarm_kpa
    kpa = base * (1 + (celsius - celsius.mean()) * (0.012 if chemical.vapour else 0.03))
    return np.minimum(celsius, 0.9 * tank.alarm_c), np.clip(kpa, 0.5, 0.9 * tank.alarm_kpa)


def gauges(life: Life) -> list[Gauge]:
    """True mass, temperature and pressure of every tank, excursions included."""
    order = life.world.order
    air, _ = weather(order)
    found: list[Gauge] = []
    stories = {s.about["tank"].id: s for s in life.plot.of("tank_excursion")}
    for site in life.world.sites:
        for account in site.accounts:
            if not account.tanks:
                continue
            masses = _masses(order, account)
            for tank in account.tanks:
                story = stories.get(tank.id)
                if story is not None and story.variant in ("level", "near_level"):
                    reach = story.about["reach"] if story.case else 0.945
                    if not _transfer(order, story, masses, min(reach, 1.04)):
                        story.variant = "hot" if story.case else "near_hot"
            for tank in account.tanks:
                random = chance(order.seed, "climate", tank.id)
                celsius, kpa = _climate(order, tank, random, air)
                story = stories.get(tank.id)
                if story is not None:
                    celsius, kpa = _heated(order, story, celsius, kpa)
                found.append(Gauge(tank, masses[tank.id], celsius, kpa))
    return found


def _heated(order: Order, story: Story, celsius: Floats, kpa: Floats) -> tuple[Floats, Floats]:
    tank: Tank = story.about["tank"]
    begin, end = _minutes(order, story)
    shape = _bump(len(celsius), begin, end, 80)
    if story.variant in ("hot", "near_hot"):
        want = tank.alarm_c * (story.about["reach"] if story.case else 0.945)
        celsius = celsius + shape * np.maximum(want - celsius, 0.0)
    if story.variant == "pressure":
        kpa = kpa + shape * np.maximum(tank.alarm_kpa * story.about["reach"] - kpa, 0.0)
    return celsius, kpa


# What the gauges say


@dataclass(slots=True)
class _Feed:
    """Readings of one metric: device time (s), value, quality, sending time (µs)."""

    topic: str
    at: Floats
    value: Floats
    quality: Ints
    sent: Ints


def _spans(random: Random, count: int, expected: float, low: int, high: int) -> Bools:
    """A mask with some spans of minutes set."""
    mask = np.zeros(count, dtype=bool)
    for _ in range(int(random.poisson(expected))):
        begin = int(random.integers(0, count))
        mask[begin : begin + int(random.integers(low, high))] = True
    return mask


def _tell(
    order: Order, story: Story | None, metric: str, tank: Tank, value: Floats, quality: Ints, random: Random
) -> None:
    """Instruments that misbehave as the plot wants it."""
    if story is None or story.case or metric != "level_m":
        return
    begin = int((story.start - order.start) // 60)
    end = min(int(((story.end or story.start) - order.start) // 60), len(value))
    if story.variant in ("spikes", "spike"):
        for minute in random.integers(60, len(value) - 60, 14):
            value[minute] = tank.alarm_level * random.uniform(1.0, 1.3)
    elif story.variant == "wire":
        value[begin:end] = round(tank.height * 1.25, 2)
        quality[begin + 20 : end] = 1
    elif story.variant == "bad_quality":
        value[begin:end] = random.uniform(0.6, 1.2, end - begin) * tank.alarm_level
        quality[begin:end] = 2
    elif story.variant == "stuck":
        value[begin : end + 900] = value[begin]


def _feed(order: Order, gauge: Gauge, metric: str, site_out: Bools, clock_off: Floats, story: Story | None) -> _Feed:
    tank = gauge.tank
    random = chance(order.seed, "feed", tank.id, metric)
    skip = (order.start - order.books) // 60
    truth = {"level_m": gauge.level, "temperature_c": gauge.celsius, "pressure_kpa": gauge.kpa}.get(metric)
    count = (order.end - order.start) // 60
    if truth is None:
        value = np.abs(random.standard_t(3, count)) * 0.35
        value[_spans(random, count, 0.6, 3, 15)] += random.uniform(2, 9)
    else:
        noise = {"level_m": 0.004, "temperature_c": 0.11, "pressure_kpa": 0.004 * tank.alarm_kpa}[metric]
        value = truth[skip:] + random.standard_t(6, count) * noise
    mess = order.level.mess
    quality = np.where(random.random(count) < 0.002 * mess, 1, 0).astype(np.int64)
    bad = random.random(count) < 0.0012 * mess
    value[bad] = value[bad] * random.uniform(0.2, 1.8, int(bad.sum()))
    quality[bad] = 2
    if random.random() < 0.25 * mess and (story is None or not story.case):
        frozen = _spans(random, count, 1.0, 70, 420)
        places = np.maximum.accumulate(np.where(~frozen, np.arange(count), 0))
        value = value[places]
    _tell(order, story, metric, tank, value, quality, random)
    phase = float(random.uniform(0, 55))
    at = order.start + np.arange(count) * 60.0 + phase
    sent = ((at + random.gamma(1.5, 0.6, count)) * 1e6).astype(np.int64)
    late = random.random(count) < 0.003 * mess
    sent[late] += (random.gamma(1.2, 1500.0, int(late.sum())) * 1e6).astype(np.int64)
    keep = ~site_out & (random.random(count) >= order.level.missing)
    index = np.flatnonzero(keep)
    twice = random.random(len(index)) < 0.003 * mess
    index = np.concatenate([index, index[twice]])
    sent = np.concatenate([sent[keep], sent[keep][twice] + 3_000_000])
    digits = 3 if metric == "level_m" else 2
    topic = f"hazards/{tank.account.site.id}/{tank.id}/{metric}"
    return _Feed(
        topic,
        (at + clock_off)[index],
        np.asarray(np.round(np.maximum(value, 0.0), digits)[index], dtype=np.float64),
        quality[index],
        sent,
    )


def write(folder: Path, life: Life, farm: list[Gauge]) -> int:
    """The messages and the list of tanks; how many messages."""
    order = life.world.order
    stories = {s.about["tank"].id: s for s in life.plot.of("tank_excursion")}
    for told in life.plot.of("over_storage", "spike"):
        stories[told.about["account"].tanks[0].id] = told
    feeds: list[_Feed] = []
    count = (order.end - order.start) // 60
    whole: dict[str, tuple[Bools, Floats]] = {}
    for gauge in farm:
        site = gauge.tank.account.site
        if site.id not in whole:
            random = chance(order.seed, "line", site.id)
            out = _spans(random, count, 0.4 * order.level.mess, 20, 200)
            off = np.zeros(count)
            if random.random() < 0.06 * order.level.mess:
                off[_spans(random, count, 1.2, 300, 1500)] = float(random.choice([-8.0, 5.0, 8.0])) * HOUR
            whole[site.id] = out, off
        out, off = whole[site.id]
        story = stories.get(gauge.tank.id)
        if story is not None and story.variant == "clock":
            off = off + np.where(np.arange(count) >= (story.start - order.start) // 60, -8.0 * HOUR, 0.0)
        if story is not None and story.case:
            begin = int((story.start - order.start) // 60)
            out = out & ~((np.arange(count) > begin - 120) & (np.arange(count) < begin + 900))
        feeds.extend(_feed(order, gauge, metric, out, off, story) for metric in gauge.tank.metrics)
    (folder / "drops").mkdir(parents=True, exist_ok=True)
    _tanks(folder, life, farm)
    return _messages(folder, feeds)


def _messages(folder: Path, feeds: list[_Feed]) -> int:
    topics = pa.array([feed.topic for feed in feeds])
    which = np.repeat(np.arange(len(feeds)), [len(feed.at) for feed in feeds])
    none = [np.zeros(0)]
    at = np.concatenate([feed.at for feed in feeds] or none)
    value = np.concatenate([feed.value for feed in feeds] or none)
    quality = np.concatenate([feed.quality for feed in feeds] or none).astype(np.int64)
    sent = np.concatenate([feed.sent for feed in feeds] or none).astype(np.int64)
    rank = np.argsort(sent, kind="stable")
    schema = pa.schema([("sent_at", pa.timestamp("us", "UTC")), ("topic", pa.string()), ("payload", pa.binary())])
    with pq.ParquetWriter(folder / "messages.parquet", schema, compression="zstd") as out:
        for begin in range(0, len(rank), CHUNK):
            part = rank[begin : begin + CHUNK]
            text = pc.binary_join_element_wise(
                '{"t":', pc.cast(pa.array((at[part] * 1000).astype(np.int64)), pa.string()),
                ',"v":', pc.cast(pa.array(value[part].astype(np.float64)), pa.string()),
                ',"q":', pc.cast(pa.array(quality[part].astype(np.int64)), pa.string()), "}", "",
            )  # fmt: skip
            when = pa.array(utc_column(sent[part])).cast(pa.timestamp("us", "UTC"))
            out.write_table(pa.table([when, topics.take(pa.array(which[part])), text.cast(pa.binary())], schema=schema))
        if not len(rank):
            out.write_table(schema.empty_table())
    return len(rank)


def _tanks(folder: Path, life: Life, farm: list[Gauge]) -> None:
    order = life.world.order
    day = order.start - DAY
    name = f"tank_{local(day):%Y%m%d}.csv"
    with (folder / "drops" / name).open("w", encoding="utf-8-sig", newline="") as out:
        rows = csv.writer(out, lineterminator="\n")
        rows.writerow(
            [
                "tank_id",
                "site_id",
                "cas",
                "chemical",
                "capacity_t",
                "height_m",
                "density_t_m3",
                "alarm_level_m",
                "alarm_temperature_c",
                "alarm_pressure_kpa",
            ]
        )
        for gauge in farm:
            t, c = gauge.tank, gauge.tank.account.chemical
            rows.writerow(
                [
                    t.id,
                    t.account.site.id,
                    c.cas,
                    c.name,
                    t.capacity,
                    t.height,
                    c.density,
                    t.alarm_level,
                    t.alarm_c,
                    t.alarm_kpa,
                ]
            )
    (folder / "drops.csv").write_text(f"path,delivered_at\ndrops/{name},{rfc(day + 5.5 * HOUR)}\n", encoding="utf-8")

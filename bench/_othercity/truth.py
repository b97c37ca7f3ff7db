"""What truly happened that the contract calls a case: drawn from the physics and the books, not from the plan."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench._othercity.books import limit_at
from bench._othercity.common import DAY, HOUR, Bools, local, month_start, next_month, rfc
from bench._othercity.emissions import N, Stream
from bench._othercity.life import Life
from bench._othercity.tanks import Gauge
from bench._othercity.tracks import Track, in_zones
from bench._othercity.world import Licence, Site, degrees


@dataclass(slots=True)
class Case:
    """One row of the truth."""

    kind: str
    subject: str
    start: float
    end: float | None
    detail: str


def _runs(mask: Bools, join: int) -> list[tuple[int, int]]:
    """Stretches in which the mask is set, gaps of at most ``join`` bridged: first, after the last."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(np.int8), [0]]))).reshape(-1, 2)
    found: list[tuple[int, int]] = []
    for begin, end in edges.tolist():
        if found and begin - found[-1][1] <= join:
            found[-1] = (found[-1][0], end)
        else:
            found.append((begin, end))
    return found


def _tanks(life: Life, farm: list[Gauge], licences: list[Licence]) -> Iterator[Case]:
    order = life.world.order
    skip = (order.start - order.books) // 60
    by_account: dict[int, list[Gauge]] = {}
    for gauge in farm:
        by_account.setdefault(id(gauge.tank.account), []).append(gauge)
        tank = gauge.tank
        for name, series, alarm in (("level", gauge.level, tank.alarm_level), ("temperature", gauge.celsius, tank.alarm_c),
                                    ("pressure", gauge.kpa, tank.alarm_kpa)):  # fmt: skip
            if name == "pressure" and "pressure_kpa" not in tank.metrics:
                continue
            for begin, end in _runs(series[skip:] >= 0.97 * alarm, 360):
                if end - begin >= 4:
                    yield Case(
                        "tank_excursion",
                        tank.account.site.id,
                        order.start + begin * 60,
                        order.start + end * 60,
                        f"{tank.id} {name}",
                    )
    days = [local(order.start + d * DAY).date().isoformat() for d in range(order.days)]
    for gauges in by_account.values():
        account = gauges[0].tank.account
        total = np.sum([gauge.mass[skip:] for gauge in gauges], axis=0)
        limit = np.repeat([limit_at(licences, account.site, account, day) for day in days], 1440)
        for begin, end in _runs(total > limit, 5760):
            if end - begin >= 30:
                over = float((total[begin:end] / np.maximum(limit[begin:end], 1e-9)).max())
                finish = None if end >= len(total) else order.start + end * 60
                yield Case(
                    "over_storage",
                    account.site.id,
                    order.start + begin * 60,
                    finish,
                    f"{account.chemical.name} {over:.3f}",
                )


def _outlets(life: Life, found: list[Stream]) -> Iterator[Case]:
    order = life.world.order
    for stream in found:
        for factor, limit in stream.outlet.limits.items():
            good = ((stream.flags[factor] == N) & stream.keep).reshape(-1, 60)
            value = np.where(good, stream.values[factor].reshape(-1, 60), 0.0).sum(1) / np.maximum(good.sum(1), 1)
            for begin, end in _runs((value > limit) & (good.sum(1) >= 45), 12):
                yield Case("emission_exceedance", stream.outlet.site.id, order.start + begin * HOUR, order.start + end * HOUR,
                           f"{stream.outlet.mn} {factor} {float(value[begin:end].max() / limit):.2f}")  # fmt: skip
    for story in life.plot.of("emission_tampering"):
        if story.case and story.end is not None:
            yield Case(
                story.kind,
                story.subject.id,
                story.start,
                min(story.end, order.end),
                f"{story.variant} {story.about.get('factor_code')}",
            )


def _roads(life: Life, found: list[Track]) -> Iterator[Case]:
    order = life.world.order
    for track in found:
        for zone, begin, end in in_zones(life, track):
            yield Case("restricted_zone", track.vehicle.plate, begin, end, zone)
    for story in life.plot.of("no_waybill"):
        if story.case:
            yield Case(story.kind, story.subject.plate, story.start, story.end, story.variant)
    for story in life.plot.of("unlicensed_site"):
        visits = [t for t in story.about["visits"] if t.unload_to < order.end]
        if story.case and len(visits) >= 2:
            times = [(t.stops[0][0], t.stops[0][1]) if t.stops else (t.unload_from, t.unload_to) for t in visits]
            lon, lat = degrees(story.subject)
            yield Case(
                story.kind, f"{lon},{lat}", min(a for a, _ in times), max(b for _, b in times), f"{len(visits)} visits"
            )


def _active(life: Life, site: Site, start: float) -> bool:
    order = life.world.order
    part = site.activity[int(max(start, order.start) - order.books) // 900 :]
    return bool(len(part) and part.mean() > 0.04)


def _works(life: Life) -> Iterator[Case]:
    order = life.world.order
    for story in life.plot.of("suspended_producing"):
        if story.case and _active(life, story.subject, story.start):
            yield Case(story.kind, story.subject.id, max(story.start, order.start), None, story.variant)
    for story in life.plot.of("expired_licence"):
        if not story.case:
            continue
        if isinstance(story.subject, Site):
            if _active(life, story.subject, story.start):
                yield Case(story.kind, story.subject.id, max(story.start, order.start), None, story.variant)
        elif any(t.vehicle and t.vehicle.carrier is story.subject and t.leave > story.start for t in life.trips):
            yield Case(story.kind, story.subject.uscc, max(story.start, order.start), None, "carrier")
    for story in life.plot.of("waste_leak"):
        trip = story.about.get("trip")
        if story.case and trip is not None and trip.load_to < order.end - 12 * HOUR:
            end = None if story.variant == "never" else trip.unload_to
            yield Case(story.kind, story.subject.id, trip.load_to, end, story.variant)


def _months(life: Life) -> Iterator[Case]:
    order = life.world.order
    end = month_start(next_month(rfc(order.books)[:7]))
    if end > order.end - DAY:
        return
    for story in life.plot.of("mass_imbalance"):
        if story.case and float(story.about.get("size", 0.0)) > 15.0:
            cas = story.about["account"].chemical.cas
            yield Case(
                story.kind, story.subject.id, order.books, end, f"{story.variant} {cas} {story.about['share']:.3f}"
            )
    for story in life.plot.of("controlled_diversion"):
        if story.case:
            detail = f"{story.about['gone'] * 1000:.0f} kg of {story.about['bought'] * 1000:.0f} kg bought"
            yield Case(story.kind, story.subject.uscc, order.books, end, detail)


def cases(
    life: Life, farm: list[Gauge], streams: list[Stream], tracks: list[Track], licences: list[Licence]
) -> list[Case]:
    """Every case, by kind and time; one row for what one finding would cover."""
    found = [
        *_tanks(life, farm, licences),
        *_outlets(life, streams),
        *_roads(life, tracks),
        *_works(life),
        *_months(life),
    ]
    found.sort(key=lambda case: (case.kind, case.subject, case.start))
    merged: list[Case] = []
    for case in found:
        last = merged[-1] if merged else None
        if (
            last
            and (last.kind, last.subject) == (case.kind, case.subject)
            and (last.end is None or case.start <= last.end + HOUR)
        ):
            last.end = None if last.end is None or case.end is None else max(last.end, case.end)
            last.detail += f"; {case.detail}"
        else:
            merged.append(case)
    return merged


def write(folder: Path, found: list[Case]) -> None:
    """truth.csv."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "truth.csv").open("w", encoding="utf-8", newline="") as out:
        rows = csv.writer(out, lineterminator="\n")
        rows.writerow(["case_id", "kind", "subject", "from", "to", "detail"])
        for number, case in enumerate(found):
            rows.writerow(
                [f"C{number + 1:04d}", case.kind, case.subject, rfc(case.start), rfc(case.end) or "", case.detail]
            )

"""What firms report of what moved: waybills, monthly returns, the police's flows. Honest, unless the plot says otherwise."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench._othercity.common import (
    DAY,
    HOUR,
    Order,
    Random,
    Row,
    chance,
    gcj,
    month_of,
    month_start,
    next_month,
    previous_month,
    rfc,
)
from bench._othercity.life import Life, Trip
from bench._othercity.stories import Story
from bench._othercity.tanks import Gauge
from bench._othercity.world import Account, Firm, Place, degrees


def dump(path: Path, rows: list[Row]) -> None:
    """JSON lines by the moment they can be seen."""
    rows.sort(key=lambda row: row["_visible_from"])
    with path.open("w", encoding="utf-8") as out:
        for row in rows:
            out.write(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n")


# Waybills


def choose_waybills(life: Life) -> None:
    """Which trips go without a valid waybill, which only look so."""
    order = life.world.order
    random = chance(order.seed, "waybills")
    cases, some = order.counted(order.level.cases), order.counted(order.level.innocents)
    kinds = (
        ["none", "cancelled", "too_late", "other_plate"]
        if order.level.effect < 0.3
        else ["none", "cancelled", "none", "too_late"]
    )
    odd = ["late", "reissued", "late", "late"]
    turn = [(kinds[i % len(kinds)], True) for i in range(cases)] + [(odd[i % len(odd)], False) for i in range(some)]
    able = [
        t
        for t in life.trips
        if t.vehicle
        and t.origin.site
        and t.target.site
        and not t.story
        and not t.waste
        and t.chemical
        and t.chemical.family != "van"
        and order.start + 2 * HOUR < t.leave
        and t.unload_to < order.end - 6 * HOUR
        and t.waybill == "ok"
        and not (t.origin.site.stories & {"mass", "work"})
        and not (t.target.site.stories & {"mass", "work"})
    ]
    later = month_start(next_month(month_of(order.start)))
    used: set[str] = set()
    for variant, case in turn:
        free = [t for t in able if t.vehicle and t.vehicle.plate not in used]
        best = (
            [t for t in free if t.load_from > later or not (t.origin.site and t.target.site and _tight(t))]
            if case
            else free
        )
        pool = best or free
        if not pool:
            return
        trip = pool[int(random.integers(len(pool)))]
        assert trip.vehicle is not None
        used.add(trip.vehicle.plate)
        trip.waybill = variant
        trip.late_h = {"late": float(random.uniform(1.5, 43)), "too_late": float(random.uniform(60, 130))}.get(
            variant, 0.0
        )
        if variant == "too_late" and trip.load_from + trip.late_h * HOUR > order.end:
            trip.waybill = variant = "none"
        story = Story("no_waybill", variant, case, trip.vehicle, trip.load_to, trip.unload_from, {"trip": trip})
        life.plot.stories.append(story)


def _tight(trip: Trip) -> bool:
    """Whether the missing paper of the trip would be a good part of somebody's month."""
    for account, sign in ((trip.from_account, -1), (trip.to_account, 1)):
        if account is not None:
            month = month_of(trip.load_from)
            total = sum(t for start, _, t, _ in account.moves if t * sign > 0 and month_of(start) == month)
            if abs(total) < 36 * trip.tonnes:
                return True
    return False


def _point(place: Place) -> tuple[float, float]:
    return tuple(round(v, 6) for v in gcj(*degrees(place)))  # type: ignore[return-value]


def _paper(life: Life, trip: Trip, number: int, random: Random) -> list[Row]:
    """Row versions of one trip's waybill."""
    vehicle = trip.vehicle
    target = trip.paper or trip.target
    origin_point, target_point = _point(trip.origin), _point(target)
    carrier = vehicle.carrier.uscc if vehicle else life.world.partners[number % len(life.world.partners)].uscc
    plan = round(trip.tonnes * float(random.uniform(0.93, 1.06)), 2)
    kg = trip.chemical is not None and trip.chemical.family == "van"
    base: Row = {
        "waybill_no": f"YD{rfc(trip.load_from)[:10].replace('-', '')}{number:06d}",
        "carrier_uscc": carrier,
        "plate": vehicle.plate if vehicle else f"苏{'MLJB'[number % 4]}{10000 + number * 37 % 89999}",
        "trailer_plate": vehicle.trailer if vehicle else None,
        "driver_key": vehicle.driver if vehicle else f"{number * 2654435761 % 2**64:016x}",
        "un_number": trip.un,
        "cas": trip.chemical.cas if trip.chemical and random.random() < 0.85 else None,
        "cargo": trip.cargo,
        "quantity_t": trip.tonnes if kg else plan,
        "consignor_uscc": trip.origin.uscc,
        "load_site": trip.origin.name,
        "load_lon": origin_point[0],
        "load_lat": origin_point[1],
        "consignee_uscc": target.uscc,
        "unload_site": target.name,
        "unload_lon": target_point[0],
        "unload_lat": target_point[1],
        "planned_departure": rfc(_rounded(trip.load_to + float(random.normal(0, 1200)))),
        "planned_arrival": rfc(_rounded(trip.unload_from + float(random.normal(0, 1800)))),
        "loaded_at": None,
        "unloaded_at": None,
        "status": "待运",
    }
    filed = trip.load_from - float(random.gamma(2.0, 2.2)) * HOUR
    rows: list[Row] = []

    def version(at: float, **changed: Any) -> None:
        base.update(changed)
        rows.append({**base, "updated_at": rfc(at), "_visible_from": rfc(at + float(random.uniform(0, 70)))})

    if trip.waybill == "none":
        return []
    if trip.waybill == "other_plate":
        base["plate"] = _sister(life, trip)
    if trip.waybill in ("cancelled", "reissued"):
        version(filed)
        version(filed + 1500, status="作废")
        if trip.waybill == "cancelled":
            return rows
        base.update(waybill_no=str(base["waybill_no"]) + "A", status="待运")
        version(filed + 4000)
    late = trip.late_h or (
        float(random.uniform(0.5, 20)) if random.random() < 0.05 * life.world.order.level.mess else 0.0
    )
    done: Row = {"loaded_at": rfc(trip.load_to), "quantity_t": trip.tonnes}
    arrives: Row = {"unloaded_at": rfc(trip.unload_to), "status": "完成"}
    if late:
        version(
            trip.load_to + late * HOUR,
            **done,
            **(arrives if trip.load_to + late * HOUR > trip.unload_to else {"status": "在途"}),
        )
        if base["status"] == "完成":
            return rows
    elif trip.waybill == "ok":
        version(filed)
        if random.random() < 0.03:  # the first one was wrong and is taken back
            version(filed + 600, status="作废")
            base.update(waybill_no=str(base["waybill_no"]) + "B", status="待运")
            version(filed + 1300)
    if not late:
        version(max(trip.load_to + float(random.uniform(60, 1500)), filed + 4200), status="在途", **done)
    if not (trip.waste and trip.waste["variant"] == "never") and random.random() > 0.012:
        version(max(trip.unload_to, trip.load_to + late * HOUR) + float(random.gamma(1.5, 900)) + 60, **arrives)
    return rows


def _rounded(at: float) -> float:
    return round(at / 600) * 600


def _sister(life: Life, trip: Trip) -> str:
    """A truck of the same carrier that does not drive meanwhile; any other when there is none."""
    assert trip.vehicle is not None
    busy = {
        t.vehicle.plate
        for t in life.trips
        if t.vehicle and t.leave < trip.unload_to + DAY and t.unload_to > trip.leave - DAY
    }
    others = [v for v in life.world.vehicles if v is not trip.vehicle and v.plate not in busy]
    same = [v for v in others if v.carrier is trip.vehicle.carrier] or others
    return same[0].plate if same else "苏F00000"


def waybills(folder: Path, life: Life) -> None:
    """All waybills of the city and of those who deliver to it."""
    order = life.world.order
    folder.mkdir(parents=True, exist_ok=True)
    random = chance(order.seed, "papers")
    rows: list[Row] = []
    for number, trip in enumerate(life.trips):
        rows.extend(_paper(life, trip, number, random))
        if random.random() < 0.012:  # planned and never driven
            ghost = Trip(
                trip.vehicle,
                trip.chemical,
                trip.cargo,
                trip.un,
                trip.origin,
                trip.target,
                trip.tonnes,
                trip.empty,
                trip.loaded,
                trip.leave + 3 * DAY,
                trip.load_from + 3 * DAY,
                trip.load_to + 3 * DAY,
                trip.unload_from + 3 * DAY,
                trip.unload_to + 3 * DAY,
                waybill="cancelled",
            )
            rows.extend(_paper(life, ghost, 500_000 + number, random))
    dump(folder / "waybill.jsonl", [r for r in rows if r["_visible_from"] < str(rfc(order.end))])


# Monthly returns


@dataclass(slots=True)
class Month:
    """One account's month as it truly was, t."""

    opening: float
    made: float
    bought: float
    used: float
    sold: float
    closing: float


def truth_of(order: Order, account: Account, month: str) -> Month:
    """What truly moved in a month that the books cover whole."""
    begin, end = month_start(month), month_start(next_month(month))

    def moved(until: float, sign: int, since: float) -> float:
        total = 0.0
        for start, stop, tonnes, _ in account.moves:
            if tonnes * sign > 0:
                span = max(stop - start, 1)
                total += abs(tonnes) * (min(max(until - start, 0), span) - min(max(since - start, 0), span)) / span
        return total

    first, last = (begin - order.books) // DAY, (end - order.books) // DAY
    work = account.rate * float(account.site.activity[first * 96 : last * 96].sum()) / 4.0
    bought, sold = moved(end, 1, begin), moved(end, -1, begin)
    made, used = (work, 0.0) if account.rate > 0 else (0.0, -work)
    opening = account.stock
    return Month(opening, made, bought, used, sold, opening + made + bought - used - sold)


def returns(life: Life, farm: list[Gauge]) -> list[Row]:
    """Rows of the monthly return of every account: months before the books (quiet and honest), then the books' month."""
    order = life.world.order
    month = month_of(order.books)
    if month_start(next_month(month)) > order.end:
        return []
    stories = {id(s.about["account"]): s for s in life.plot.of("mass_imbalance")}
    tank = {gauge.tank.id: gauge for gauge in farm}
    rows: list[Row] = []
    for site in life.world.sites:
        for account in site.accounts:
            random = chance(order.seed, "return", site.id, account.chemical.cas)
            rows.extend(_before(order, account, month, random))
            now = truth_of(order, account, month)
            if account.tanks:
                minute = (month_start(next_month(month)) - order.books) // 60
                now.closing = sum(float(tank[t.id].mass[min(minute, len(tank[t.id].mass) - 1)]) for t in account.tanks)
                slack = now.opening + now.made + now.bought - now.used - now.sold - now.closing
                now.used, now.made = (
                    (now.used + slack, now.made) if account.rate <= 0 and now.used else (now.used, now.made - slack)
                )
            story = stories.get(id(account))
            rows.extend(_report(account, month, now, random, story))
    return [row for row in rows if row["_visible_from"] < str(rfc(order.end))]


def _row(account: Account, month: str, now: Month, at: float) -> Row:
    digits = 3 if account.chemical.family == "van" else 2
    return {
        "site_id": account.site.id,
        "month": month,
        "cas": account.chemical.cas,
        "opening_t": round(now.opening, digits),
        "produced_t": round(max(now.made, 0.0), digits),
        "purchased_t": round(now.bought, digits),
        "used_t": round(max(now.used, 0.0), digits),
        "sold_t": round(now.sold, digits),
        "disposed_t": 0.0,
        "closing_t": round(now.closing, digits),
        "updated_at": rfc(at),
        "_visible_from": rfc(at),
    }


def _before(order: Order, account: Account, month: str, random: Random) -> list[Row]:
    rows = []
    closing = account.stock
    for _ in range(3):
        month = previous_month(month)
        work = abs(account.rate) * 330 * float(random.uniform(0.5, 1.0))
        opening = account.room * float(random.uniform(0.3, 0.6))
        if account.rate > 0:
            now = Month(opening, work, 0.0, 0.0, work + opening - closing, closing)
        elif account.rate < 0:
            now = Month(opening, 0.0, work + closing - opening, work, 0.0, closing)
        else:
            through = account.room * float(random.uniform(0.8, 1.6))
            now = Month(opening, 0.0, through + closing - opening, 0.0, through, closing)
        for name in ("bought", "sold"):
            if getattr(now, name) < 0:
                setattr(now, "sold" if name == "bought" else "bought", -getattr(now, name))
                setattr(now, name, 0.0)
        if account.retail:
            now.sold, now.used = now.used, 0.0
        rows.append(_row(account, month, now, month_start(next_month(month)) + float(random.uniform(0.3, 6)) * DAY))
        closing = opening
    return rows


def _report(account: Account, month: str, now: Month, random: Random, story: Story | None) -> list[Row]:
    """This month's return, with measuring error, and what the plot does to it."""
    through = now.made + now.bought + now.used + now.sold
    size = max(through * 0.5, 10.0)
    at = month_start(next_month(month)) + float(random.uniform(0.3, 4.5)) * DAY
    if account.retail:
        now.sold, now.used = now.sold + now.used, 0.0
    for name in ("made", "used"):  # measuring error, put where nobody weighs
        value = getattr(now, name)
        if value:
            setattr(now, name, value * (1 + float(random.normal(0, 0.0025))))
    rows: list[Row] = []
    if story is not None:
        story.end = month_start(next_month(month))
        share = float(story.about["share"])
        if story.variant == "unbalanced":
            now.used, now.made = now.used * (1 - share if now.used else 1), now.made * (1 + share if now.made else 1)
        elif story.variant == "bought_off_books":
            cut = min(share, 0.6) * now.bought
            now.bought, now.used = now.bought - cut, now.used - min(cut, now.used * 0.8)
        elif story.variant == "sold_off_books":
            cut = min(share, 0.6) * now.sold
            now.sold, now.made = now.sold - cut, now.made - min(cut, now.made * 0.8)
        elif story.variant == "paper_stock":
            extra = max(share * size, 0.03 * account.room)
            now.closing, now.used, now.made = (
                now.closing + extra,
                max(now.used - extra, 0.0),
                now.made + (extra if now.made else 0.0),
            )
        elif story.variant == "corrected":  # first with a slip of the pen, mended the next day
            slip = Month(now.opening, now.made, now.bought, now.used, now.sold, now.closing * 0.1)
            rows.append(_row(account, month, slip, at))
            at += DAY * float(random.uniform(0.4, 1.2))
        elif story.variant == "losses":
            now.used *= 1.008
        story.about["size"] = through
    rows.append(_row(account, month, now, at))
    if random.random() < 0.01:
        rows.append(_row(account, month, now, at + 2 * DAY))
    return rows


# The police's flows


def flows(folder: Path, life: Life) -> None:
    """Deals by both sides, use day by day, losses and transfers; holders of the plot report less use than they have."""
    order = life.world.order
    folder.mkdir(parents=True, exist_ok=True)
    random = chance(order.seed, "flows")
    registered = {firm.uscc for firm in life.world.firms}
    rows: list[Row] = []

    def tell(
        kind: str,
        seller: str | None,
        buyer: str | None,
        cas: str,
        kg: float,
        at: float,
        permit: str | None = None,
        more: float = 0.0,
    ) -> None:
        wait = float(random.gamma(1.6, 9.0)) * HOUR + more
        key = f"{int(random.integers(0, 2**40)):010x}"
        row = {
            "flow_id": f"LX{key}",
            "kind": kind,
            "seller_uscc": seller,
            "buyer_uscc": buyer,
            "cas": cas,
            "quantity_kg": round(kg, 1),
            "permit_no": permit,
            "occurred_at": rfc(at),
            "reported_at": rfc(at + wait),
            "updated_at": rfc(at + wait),
            "_visible_from": rfc(at + wait),
        }
        rows.append(row)
        if random.random() < 0.02 * order.level.mess:
            rows.append({**row, "updated_at": rfc(at + wait + 5 * HOUR), "_visible_from": rfc(at + wait + 5 * HOUR)})

    for trip in life.trips:
        if trip.chemical is None or trip.chemical.family != "van":
            continue
        seller, buyer = trip.origin.uscc, trip.target.uscc
        permit = f"苏公易爆{random.integers(10**6, 10**7)}"
        tell("purchase", seller, buyer, trip.chemical.cas, trip.tonnes * 1000, trip.unload_to, permit)
        if seller in registered:
            tell("sale", seller, buyer, trip.chemical.cas, trip.tonnes * 1000, trip.load_to, permit)
    for firm in life.world.firms:
        _held(life, firm, random, tell)
    dump(folder / "flow.jsonl", [row for row in rows if row["_visible_from"] < str(rfc(order.end))])


def _held(life: Life, firm: Firm, random: Random, tell: Any) -> None:
    """Use of one holder, a report for every one to three days."""
    order = life.world.order
    story = next((s for s in life.plot.of("controlled_diversion") if s.subject is firm), None)
    for site in firm.sites:
        for account in site.accounts:
            if account.chemical.family != "van" or account.rate >= 0:
                continue
            share = float(story.about["share"]) if story is not None and story.case else 0.0
            step = int(random.integers(1, 4))
            late = 4.0 * DAY if story is not None and story.variant == "late_report" else 0.0
            for first in range(0, (order.end - order.books) // DAY, step):
                part = site.activity[first * 96 : (first + step) * 96]
                kg = -account.rate * float(part.sum()) / 4.0 * 1000 * (1 - share)
                at = order.books + (first + step) * DAY - float(random.uniform(2, 8)) * HOUR
                if kg > 0.05 and at < order.end:
                    tell("use", None, firm.uscc, account.chemical.cas, kg, at, more=late)
            if story is not None and story.variant == "loss":
                tell("loss", None, firm.uscc, account.chemical.cas, float(random.uniform(2, 9)), order.books + 20 * DAY)
    if story is not None and story.variant == "transfer" and len(firm.sites) > 1:
        held = next(a for a in firm.sites[0].accounts if a.chemical.family == "van")
        tell(
            "transfer", firm.uscc, firm.uscc, held.chemical.cas, float(random.uniform(60, 200)), order.books + 17 * DAY
        )


def weigh_diversions(life: Life) -> None:
    """How much each holder of the plot bought in the month and how much of it nothing explains; too little is no case."""
    order = life.world.order
    month = month_of(order.books)
    begin, end = month_start(month), month_start(next_month(month))
    for story in life.plot.of("controlled_diversion"):
        story.end = end
        bought = gone = 0.0
        for site in story.subject.sites:
            for account in site.accounts:
                if account.chemical.family == "van" and account.rate < 0:
                    used = -account.rate * float(site.activity[: (end - begin) // DAY * 96].sum()) / 4.0
                    gone += used * float(story.about["share"])
                    bought += sum(t for _, e, t, _ in account.moves if t > 0 and begin <= e < end)
        story.about["bought"], story.about["gone"] = bought, gone
        if story.case and (gone < 0.03 or bought < gone):
            story.case, story.variant = False, "nothing_bought"

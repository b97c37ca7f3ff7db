"""What is put on paper about the goods: waybills, flows of controlled chemicals, waste manifests, monthly returns.

Every row version has the minute from which its system shows it; versions after the city's end are left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import numpy as np

from .business import Business
from .chance import Floats, numbers
from .models import Trip
from .places import gcj02
from .times import DAY

__all__ = ["flows", "manifests", "returns", "waybills"]

HOUR = 60.0
Row = dict[str, Any]


def waybills(business: Business) -> list[Row]:
    """Row versions of the electronic waybills, in the order in which they appear."""
    town, span = business.town, business.town.span
    rng = numbers(town.seed, "waybills")
    found: list[tuple[float, Row]] = []
    used: set[str] = set()
    for trip in business.trips:
        if trip.paper == "none":
            continue
        row = _waybill(business, trip, rng, used)
        if trip.paper == "replaced":  # cancelled, and written anew under another number
            other = {**row, "waybill_no": _number(span.day(trip.planned).strftime("%y%m%d"), rng, used)}
            at = trip.planned - float(rng.uniform(8, 22)) * HOUR
            _version(business, found, other, at, "待运")
            _version(business, found, other, at + float(rng.uniform(0.3, 2)) * HOUR, "作废")
        _versions(business, found, trip, row, rng)
        if rng.random() < 0.02:  # planned and given up
            ghost = {**row, "waybill_no": _number(span.day(trip.planned).strftime("%y%m%d"), rng, used)}
            at = trip.planned - float(rng.uniform(4, 20)) * HOUR
            _version(business, found, ghost, at, "待运")
            _version(business, found, ghost, at + float(rng.uniform(0.3, 3)) * HOUR, "作废")
    found.sort(key=lambda one: (one[0], one[1]["waybill_no"], one[1]["status"]))
    return [row for at, row in found if at < span.last]


def _number(date: str, rng: np.random.Generator, used: set[str]) -> str:
    while True:
        number = f"3206{date}{int(rng.integers(10**7, 10**8))}"
        if number not in used:
            used.add(number)
            return number


def _waybill(business: Business, trip: Trip, rng: np.random.Generator, used: set[str]) -> Row:
    town, span = business.town, business.town.span
    vehicle = town.vehicles[trip.vehicle]
    origin, target = town.sites[trip.origin_site], town.sites[trip.target_site]
    lon, lat = np.array([origin.lon, target.lon]), np.array([origin.lat, target.lat])
    unload = target.name
    if trip.chemical >= 0 and trip.dumped >= 0:  # to a customer's ground that no registry has, and the waybill says so
        place = town.roads.places[trip.dumped]
        lon[1], lat[1] = place.lon, place.lat
        unload = f"{target.name}项目工地"
    east, north = gcj02(lon + rng.normal(0, 2e-4, 2), lat + rng.normal(0, 2e-4, 2))
    if trip.chemical >= 0:
        chemical = town.chemicals[trip.chemical]
        un, cas, cargo = chemical.un, chemical.cas if rng.random() > 0.12 else None, chemical.name
    else:
        un, cas, cargo = "UN3082", None, town.wastes[origin.waste_kind][0]
    return {
        "waybill_no": _number(span.day(trip.planned).strftime("%y%m%d"), rng, used),
        "carrier_uscc": town.firms[vehicle.carrier].uscc,
        "plate": vehicle.plate,
        "trailer_plate": vehicle.trailer or None,
        "driver_key": vehicle.driver,
        "un_number": un,
        "cas": cas,
        "cargo": cargo,
        "quantity_t": round(trip.quantity * float(rng.uniform(0.93, 1.06)), 2),
        "consignor_uscc": town.firms[origin.firm].uscc,
        "load_site": origin.name,
        "load_lon": round(float(east[0]), 6),
        "load_lat": round(float(north[0]), 6),
        "consignee_uscc": town.firms[target.firm].uscc,
        "unload_site": unload,
        "unload_lon": round(float(east[1]), 6),
        "unload_lat": round(float(north[1]), 6),
        "planned_departure": span.iso(trip.planned),
        "planned_arrival": span.iso(trip.planned + round(max(30.0, trip.unload[0] - trip.load[1]) / 10) * 10),
        "loaded_at": None,
        "unloaded_at": None,
    }


def _version(
    business: Business, found: list[tuple[float, Row]], row: Row, at: float, status: str, **changed: Any
) -> None:
    span = business.town.span
    seen = at + 0.02 + int(row["waybill_no"][-3:]) % 97 / 80
    told = {**row, **changed, "status": status, "updated_at": span.iso(at), "_visible_from": span.iso(seen)}
    found.append((seen, told))


def _versions(
    business: Business, found: list[tuple[float, Row]], trip: Trip, row: Row, rng: np.random.Generator
) -> None:
    span = business.town.span
    loaded, unloaded = trip.load[1], trip.unload[1]
    done = {
        "quantity_t": round(trip.quantity, 2),
        "loaded_at": span.iso(loaded),
        "unloaded_at": span.iso(unloaded),
    }
    begun = min(trip.planned, trip.load[0]) - float(rng.uniform(0.5, 18)) * HOUR
    if trip.paper == "cancelled":
        _version(business, found, row, begun, "待运")
        _version(business, found, row, begun + 0.5 * (trip.load[0] - begun), "作废")
        return
    if trip.paper == "late":
        _version(business, found, row, unloaded + float(rng.uniform(3, 40)) * HOUR, "完成", **done)
        return
    way = float(rng.random())
    if way < 0.65:
        _version(business, found, row, begun, "待运")
    if way < 0.45:
        under = {"quantity_t": done["quantity_t"], "loaded_at": done["loaded_at"]}
        _version(business, found, row, loaded + float(rng.uniform(0.5, 20)), "在途", **under)
    _version(business, found, row, unloaded + float(rng.uniform(2, 70)), "完成", **done)


def flows(business: Business) -> list[Row]:
    """Row versions of the police's register of controlled chemicals: deals from both sides, use, losses."""
    town, span = business.town, business.town.span
    rng = numbers(town.seed, "flows")
    diverted = {window.thing: window for window in business.plot.diversions}
    found: list[tuple[float, Row]] = []

    def report(
        kind: str, seller: str | None, buyer: str | None, cas: str, kg: float, permit: str | None, at: float
    ) -> None:
        later = at + float(rng.uniform(2, 40)) * HOUR
        row = {
            "flow_id": f"{int(rng.integers(0, 1 << 48)):012x}",
            "kind": kind,
            "seller_uscc": seller,
            "buyer_uscc": buyer,
            "cas": cas,
            "quantity_kg": round(kg, 1),
            "permit_no": permit,
            "occurred_at": span.iso(at),
            "reported_at": span.iso(later),
        }
        found.append((later, row))
        if rng.random() < 0.03:  # entered once more with a permit or a rounding put right
            found.append((later + float(rng.uniform(1, 60)) * HOUR, row))

    for trip in business.trips:
        if trip.chemical < 0 or not town.chemicals[trip.chemical].controlled:
            continue
        cas = town.chemicals[trip.chemical].cas
        seller, buyer = town.sites[trip.origin_site], town.sites[trip.target_site]
        codes = town.firms[seller.firm].uscc, town.firms[buyer.firm].uscc
        permit = f"苏F公剧购{int(rng.integers(10**6, 10**7))}" if rng.random() < 0.95 else None
        if not seller.beyond:
            report("sale", *codes, cas, trip.quantity * 1000, permit, trip.load[1])
        if not buyer.beyond:
            report("purchase", *codes, cas, trip.quantity * 1000, permit, trip.unload[1])

    def of(holding: int) -> tuple[str, str]:
        one = town.holdings[holding]
        return town.firms[town.sites[one.site].firm].uscc, town.chemicals[one.chemical].cas

    for giver, taker, at, tonnes in business.transfers:
        report("transfer", of(giver)[0], of(taker)[0], of(giver)[1], tonnes * 1000, None, at)
    for number, at, tonnes in business.losses:
        report("loss", None, of(number)[0], of(number)[1], tonnes * 1000, None, at)
    rates = np.stack([business.totals(day) for day in range(span.whole)], axis=1)
    for holding in town.holdings:
        if holding.uses <= 0 or not town.chemicals[holding.chemical].controlled:
            continue
        uscc, cas = of(holding.number)
        for day in range(span.whole):
            kg = -1000 * float(rates[holding.number, day])
            window = diverted.get(holding.number)
            if window is not None and window.since <= day * DAY < window.until:
                kg *= 1 - window.size
            if kg > 0.5:
                report("use", None, uscc, cas, kg, None, day * DAY + float(rng.uniform(16, 20)) * HOUR)
    found.sort(key=lambda one: (one[0], one[1]["flow_id"]))
    return [{**row, "updated_at": span.iso(at), "_visible_from": span.iso(at)} for at, row in found if at < span.last]


MANIFEST = (
    "manifest_no", "producer_uscc", "producer_site", "waste_code", "shipped_t", "shipped_at", "carrier_uscc", "plate",
    "receiver_uscc", "received_t", "received_at", "disposal_method", "status", "updated_at", "_visible_from",
)  # fmt: skip


def manifests(business: Business) -> tuple[tuple[str, ...], list[tuple[object, ...]]]:
    """Columns and row versions of the waste manifests."""
    town, span = business.town, business.town.span
    rng = numbers(town.seed, "manifests")
    found: list[tuple[float, tuple[object, ...]]] = []
    used: set[str] = set()
    for trip in business.trips:
        if trip.chemical >= 0:
            continue
        site, vehicle = town.sites[trip.origin_site], town.vehicles[trip.vehicle]
        number = _number(span.day(trip.load[1]).strftime("%y"), rng, used) + f"{int(rng.integers(10)):d}"
        front = (
            number, town.firms[site.firm].uscc, site.name, town.wastes[site.waste_kind][1], round(trip.quantity, 2),
            span.iso(trip.load[1]), town.firms[vehicle.carrier].uscc, vehicle.plate,
            town.firms[town.sites[trip.target_site].firm].uscc,
        )  # fmt: skip
        at = trip.load[1] + float(rng.uniform(-20, 60))
        found.append((at, (*front, None, None, None, "已发运")))
        if trip.waste == "vanishes":
            continue
        part = (
            float(rng.uniform(0.76, 0.92))
            if trip.waste == "lighter"
            else float(np.clip(rng.normal(1, 0.007), 0.98, 1.02))
        )
        weight = None if trip.waste == "unweighed" else round(trip.quantity * part, 2)
        if weight is None and rng.random() < 0.5:
            continue
        seen = trip.unload[1] + float(rng.uniform(1, 70)) * HOUR
        arrived = (weight, span.iso(trip.unload[0] + 10))
        found.append((seen, (*front, *arrived, None, "已接收")))
        method = str(rng.choice(["D10焚烧", "D1填埋", "R2溶剂回收", "D9物化处理"]))
        found.append((seen + float(rng.uniform(2, 9)) * DAY, (*front, *arrived, method, "已处置")))
    found.sort(key=lambda one: (one[0], str(one[1][0]), str(one[1][12])))
    return MANIFEST, [(*row, span.iso(at), span.iso(at)) for at, row in found if at < span.last]


RETURN = (
    "site_id", "month", "cas", "opening_t", "produced_t", "purchased_t", "used_t", "sold_t", "disposed_t", "closing_t",
    "updated_at", "_visible_from",
)  # fmt: skip


def returns(business: Business) -> tuple[tuple[str, ...], list[tuple[object, ...]]]:
    """Columns and row versions of the monthly returns: what firms say about each chemical, two earlier months too."""
    town, span = business.town, business.town.span
    rng = numbers(town.seed, "returns")
    found: list[tuple[float, tuple[object, ...]]] = []
    rates = np.stack([business.totals(day) for day in range(span.whole)], axis=1)
    moves: dict[int, list[tuple[float, float, float]]] = {}
    for number, begin, end, tonnes in business.flows:
        moves.setdefault(number, []).append((begin, end, tonnes))
    unbooked = _unbooked(business)
    for holding in town.holdings:
        site = town.sites[holding.site]
        digits = 3 if town.chemicals[holding.chemical].controlled else 2
        cas = town.chemicals[holding.chemical].cas
        before = _earlier(business, holding.number, rates[holding.number], rng)
        for back, figures in before:
            first = (span.base - timedelta(days=1)).replace(day=1)
            month = first if back == 1 else (first - timedelta(days=1)).replace(day=1)
            filed = span.minute((month + timedelta(days=32)).replace(day=1)) + float(rng.uniform(1.2, 6)) * DAY
            found.append((filed, (site.id, month.strftime("%Y-%m"), cas, *np.round(figures, digits).tolist())))
        for since, until in span.months():
            if until > span.last:
                continue
            some = moves.get(holding.number, [])
            figures = _month(business, holding.number, rates[holding.number], some, since, until, rng)
            figures = _falsified(business, holding.number, since, figures, unbooked)
            month = span.day(since)
            filed = until + float(rng.uniform(1.2, 6)) * DAY
            row = (site.id, month.strftime("%Y-%m"), cas, *np.round(figures, digits).tolist())
            found.append((filed, row))
            if rng.random() < 0.01:  # put right some days later
                found.append((filed + float(rng.uniform(1, 9)) * DAY, row))
    found.sort(key=lambda one: (one[0], one[1][:3]))
    return RETURN, [(*row, span.iso(at), span.iso(at)) for at, row in found if at < span.last]


def _month(
    business: Business,
    holding: int,
    rates: Floats,
    moves: list[tuple[float, float, float]],
    since: float,
    until: float,
    rng: np.random.Generator,
) -> Floats:
    """Opening, produced, purchased, used, sold, disposed, closing of a month, measured to about half a percent."""
    one = business.town.holdings[holding]
    first, last = int(since // DAY), int(until // DAY)
    steady = abs(float(rates[first:last].sum()))
    came = went = 0.0
    for begin, end, tonnes in moves:
        if begin < until and end > since:
            part = (min(end, until) - max(begin, since)) / (end - begin) * tonnes
            came, went = came + max(part, 0.0), went - min(part, 0.0)
    made = steady if one.makes else 0.0
    used = steady if one.uses else 0.0
    lost = sum(tonnes for number, at, tonnes in business.losses if number == holding and since <= at < until)
    sold = went - lost + (steady if one.retail else 0.0)
    opening, closing = business.mass[holding, first], business.mass[holding, last]
    figures = np.array([opening, made, came, used, max(sold, 0.0), lost, closing])
    return np.asarray(figures * (1 + np.clip(rng.normal(0, 0.003, 7), -0.007, 0.007)), dtype=np.float64)


def _earlier(business: Business, holding: int, rates: Floats, rng: np.random.Generator) -> Iterable[tuple[int, Floats]]:
    """Returns of the two months before the books, made to lead up to the opening stock."""
    one = business.town.holdings[holding]
    site = business.town.sites[one.site]
    month = abs(float(rates.mean())) * 30
    if not (one.makes or one.uses or one.retail):
        month = one.allowed * float(rng.uniform(0.8, 1.6))
    closing = one.opening
    for back in (1, 2):
        opening = float(rng.uniform(0.4, 0.75)) * one.allowed
        turn = month * float(rng.uniform(0.8, 1.1))
        made = turn if one.makes else 0.0
        used = turn if one.uses else 0.0
        sold = turn if one.retail or site.kind in ("storage", "dealer") else 0.0
        difference = closing - opening + used + sold - made
        came, sold = (difference, sold) if difference > 0 else (0.0, sold - difference)
        yield back, np.array([opening, made, came, used, sold, 0.0, closing])
        closing = opening


def _unbooked(business: Business) -> dict[tuple[int, int], tuple[float, float]]:
    """For holding and month index what came and went without any paper: it is in no return either."""
    months = business.town.span.months()
    found: dict[tuple[int, int], tuple[float, float]] = {}
    for trip in business.trips:
        if trip.paper not in ("none", "cancelled"):
            continue
        for holding, came in ((trip.origin, False), (trip.target, True)):
            if holding < 0:
                continue
            index = next((n for n, (a, b) in enumerate(months) if a <= trip.unload[1] < b), 0)
            before = found.get((holding, index), (0.0, 0.0))
            more = (trip.quantity, 0.0) if came else (0.0, trip.quantity)
            found[holding, index] = (before[0] + more[0], before[1] + more[1])
    return found


def _falsified(
    business: Business,
    holding: int,
    since: float,
    figures: Floats,
    unbooked: dict[tuple[int, int], tuple[float, float]],
) -> Floats:
    """What the firm writes instead."""
    figures = figures.copy()
    index = next(n for n, (begin, _) in enumerate(business.town.span.months()) if begin == since)
    came, went = unbooked.get((holding, index), (0.0, 0.0))
    figures[2] -= came
    figures[3 if figures[3] else 4] -= came
    figures[4] -= went
    figures[1 if figures[1] else 2] -= went
    for window in business.plot.imbalances:
        if window.thing == holding and window.since == since:
            if window.how == "purchases":  # less is bought and used on paper than trucks brought
                hidden = window.size * figures[2]
                figures[2] -= hidden
                figures[3 if figures[3] >= figures[4] else 4] -= hidden
            else:  # what lies there on paper is not what the rest of the line says
                figures[6] = max(0.0, figures[6] - window.size * max(figures[1] + figures[2], 40.0))
    return np.maximum(figures, 0.0)

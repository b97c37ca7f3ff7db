"""Monthly returns of stock and flows: whether they add up, and whether others contradict them.

Pure functions over the tables of the lake, as known at one moment. Masses are tonnes, moments UTC, months the city's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cityheart.apps.hazchem.signals.books import (
    DAY,
    HOUR,
    Array,
    Flags,
    Parameters,
    Whole,
    bare,
    chance,
    codes,
    edge_s,
    joined,
    looked_up,
    month_begin,
    month_named,
    month_of,
    number,
    numbers,
    plain,
    robust,
    seconds,
    site_of,
    weight,
)

__all__ = ["BALANCES", "PARAMETERS", "PARTS", "balances", "chemical_of"]

PARAMETERS: Mapping[str, object] = {
    "months": 2,  # months back from the running one that are judged
    "stock_share": 0.01,  # of the stock: gauges of tanks, stock-taking
    "weighing_share": 0.01,  # of what was produced, bought, used, sold, disposed of
    "least_t": 0.1,  # t: rounding and samples
    "planned_share": 0.015,  # of waybills: planned and actual load differ
    "gauge_share": 0.01,  # of the tanks' capacity
    "border_h": 36.0,  # h from the border of months within which a load may be in the other month's return
    "material_share": 0.02,  # of what there was to account for: less is no case whatever its significance
    "peers": 20,  # returns of a month from which on their spread is learnt
    "floor_sigma": 0.7,  # the learnt spread is never less, in standard errors
    "per_sigma": 1.5,  # log-odds for each standard error beyond two
    "most": 9.0,  # log-odds at most
    "witness_most": 5.5,  # log-odds at most from waybills in either direction
    "tank_most": 2.5,  # log-odds at most from tanks: not enough to raise a case alone
    "tank_alone": 5.0,  # log-odds at most from tanks where those of the other sites agree with the returns
    "tank_peers": 8,  # returns with tanks from which on that can be said
    "tank_agree": 1.5,  # standard errors within which half of them must be
    "tank_material": 0.05,  # of capacity or stock: a smaller difference is none
    "prior": -4.0,  # log-odds before anything is known: one return in fifty
    "slip_days": 10.0,  # days in which a slip of the pen may be corrected
    "slip_sigma": 5.0,  # standard errors from which a slip is looked for
    "slip_share": 0.004,  # of the largest number: how exactly a slip must explain the rest
    "raise": 0.5,
}
"""What the detector ``mass_imbalance`` goes by."""

PARTS = ("opening_t", "produced_t", "purchased_t", "used_t", "sold_t", "disposed_t", "closing_t")
SIGNS = np.array([1.0, 1.0, 1.0, -1.0, -1.0, -1.0, -1.0])
FROZEN_MIN = 45
"""Minutes of an hour in which a level repeats to the last digit: the sensor may be frozen."""

SLIPS = (10.0, 0.1, 100.0, 0.01, 1000.0, 0.001)
"""A comma in the wrong place, or kilograms for tonnes."""

BALANCES = pa.schema(
    [
        ("site_id", pa.string()),
        ("cas", pa.string()),
        ("month", pa.int64()),
        *((name, pa.float64()) for name in PARTS),
        ("residual_t", pa.float64()),
        ("sigma_t", pa.float64()),
        ("z", pa.float64()),
        ("previous_t", pa.float64()),
        ("z_border", pa.float64()),
        ("way_in_t", pa.float64()),
        ("z_in", pa.float64()),
        ("way_out_t", pa.float64()),
        ("z_out", pa.float64()),
        ("tank_t", pa.float64()),
        ("z_tank", pa.float64()),
        ("slip", pa.string()),
        ("reported_at", pa.timestamp("us", tz="UTC")),
        ("probability", pa.float64()),
    ]
)
"""One row a site, chemical and month that a firm has returned. ``residual_t``: what came in and did not go anywhere
(negative: what went out and came from nowhere). ``slip`` names the column in which one slip of the pen explains it."""


def balances(tables: Mapping[str, pa.Table], now: datetime, zone: ZoneInfo, parameters: Parameters) -> pa.Table:
    """Whether each return adds up and agrees with what others saw: a table of :data:`BALANCES`.

    Takes ``approval_monthly_return``, ``approval_firm``, ``approval_site``, ``transport_waybill``, ``hazard_tank``,
    ``hazchem_tank_hour`` and ``approval_licensed_chemical``; the parameters of the detector ``mass_imbalance``.
    """
    given = tables["approval_monthly_return"]
    month = month_named(given["month"])
    today = now.astimezone(zone)
    running = 12 * today.year + today.month - 1
    recent = (month < running) & (month >= running - int(number(parameters, "months")))
    given, month = given.filter(pa.array(recent)), month[recent]
    if not given.num_rows:
        return BALANCES.empty_table()
    parts = np.vstack([np.nan_to_num(numbers(given[name])) for name in PARTS])
    residual, sigma = SIGNS @ parts, _sigma(parts, parameters)
    least, floor = int(number(parameters, "peers")), number(parameters, "floor_sigma")
    z = _by_month(residual / sigma, month, floor, least)
    previous = _previous(given, month, tables["approval_monthly_return"])
    step = (previous - parts[0]) / np.hypot(sigma, number(parameters, "stock_share") * parts[0])
    z_border = _by_month(step, month, floor, least)
    bought, sold = _carried(given, month, tables, zone, parameters)
    way_in, way_out = bought.tonnes, sold.tonnes
    share = number(parameters, "planned_share")
    z_in = _by_month(_excess(bought, parts[2], share, month, least), month, floor, least)
    z_out = _by_month(_excess(sold, parts[4], share, month, least), month, floor, least)
    tank, room, swing = _tank_close(given, month, tables, zone)
    z_tank, tank_most = _tank_witness(tank, room, swing, parts, month, parameters)
    slip = _slip(parts, z, sigma, _confirmed(parts, previous, tank, room, swing, parameters), parameters)
    columns: list[object] = [given["site_id"], given["cas"], pa.array(month), *map(pa.array, parts)]
    columns += [pa.array(each) for each in (residual, sigma, z, previous, z_border, way_in, z_in, way_out, z_out)]
    columns += [pa.array(tank), pa.array(z_tank), slip, given["updated_at"]]
    odds = _balance_odds(parts, residual, z, previous, z_border, z_in, z_out, parameters)
    odds = odds + np.minimum(weight(np.abs(z_tank), parameters, number(parameters, "tank_alone")), tank_most)
    waiting = int(now.timestamp()) < seconds(given["updated_at"]) + int(number(parameters, "slip_days") * DAY)
    slipped = np.asarray(pc.is_valid(slip))
    witness = np.asarray(pc.is_in(slip, pa.array(["purchased_t", "sold_t"])), dtype=np.bool_)
    proven = slipped & witness & (np.where(np.asarray(pc.equal(slip, "purchased_t").fill_null(False)), z_in, z_out) < 0)
    odds = np.where(slipped & (waiting | proven), -9.0, odds)
    made = pa.table([*columns, pa.array(chance(odds))], schema=BALANCES)
    return made.sort_by([("month", "ascending"), ("site_id", "ascending"), ("cas", "ascending")])


def _sigma(parts: Array, parameters: Parameters) -> Array:
    """The standard error (t) of a balance: gauges of the stock, scales and meters of all that moved."""
    stock, weigh = number(parameters, "stock_share"), number(parameters, "weighing_share")
    shares = np.array([stock, weigh, weigh, weigh, weigh, weigh, stock])[:, None]
    return np.asarray(
        np.sqrt(((shares * parts) ** 2).sum(axis=0) + number(parameters, "least_t") ** 2), dtype=np.float64
    )


def _by_month(z: Array, month: Whole, floor: float, least: int) -> Array:
    """:func:`_robust` within each month: firms that report badly do so in the same way."""
    result = z.copy()
    for each in np.unique(month).tolist():  # a few months, not rows
        of = month == each
        result[of] = robust(z[of], floor, least)
    return result


def _balance_odds(
    parts: Array,
    residual: Array,
    z: Array,
    previous: Array,
    z_border: Array,
    z_in: Array,
    z_out: Array,
    parameters: Parameters,
) -> Array:
    """Log-odds that mass is missing (or came from nowhere)."""
    most = number(parameters, "most")
    material = number(parameters, "material_share") * np.maximum(parts[0] + parts[1] + parts[2], 1e-9)
    odds = number(parameters, "prior") + np.where(np.abs(residual) > material, weight(np.abs(z), parameters, most), 0.0)
    jumped = np.abs(np.nan_to_num(previous - parts[0])) > material
    odds = odds + np.where(jumped, weight(np.abs(z_border), parameters, most), 0.0)
    others = number(parameters, "witness_most")
    return np.asarray(odds + weight(z_in, parameters, others) + weight(z_out, parameters, others), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class _Carried:
    """What waybills carried in a month (t); of that ``border`` so near its ends that the return may have it in another
    month, and ``slack``, the error this leaves when each such load is as likely here as there."""

    tonnes: Array
    border: Array
    slack: Array


def _excess(carried: _Carried, reported: Array, share: float, month: Whole, least: int) -> Array:
    """By how many standard errors waybills show more than the return; less is no sign: not all goods go by road.

    How often loads near the border are in the other month's return is learnt from the returns of the month. What is beyond
    the return even without every such load needs no allowance for these.
    """
    error = np.sqrt((share * np.maximum(carried.tonnes, reported)) ** 2 + 0.3**2)
    more = carried.tonnes - reported
    slack = carried.slack.copy()
    for each in np.unique(month).tolist():  # a few months, not rows
        of = (month == each) & (carried.border > 0)
        if np.count_nonzero(of) >= least:
            moved = (1 + np.count_nonzero(more[of] > 2 * error[of])) / (2 + np.count_nonzero(of))
            slack[of] *= 2 * np.sqrt(moved * (1 - moved)) if moved < 0.5 else 1.0
    likely = more / np.hypot(error, slack)
    sure = (more - carried.border) / error
    return np.asarray(np.where(carried.tonnes > 0, np.maximum(likely, sure), np.nan), dtype=np.float64)


def _previous(given: pa.Table, month: Whole, whole: pa.Table) -> Array:
    """The closing stock of the month before, NaN where that is not returned."""
    asked, told = codes(joined(given["site_id"], given["cas"]), joined(whole["site_id"], whole["cas"]))
    span = 12 * 10_000
    have = told * span + month_named(whole["month"])
    order = np.argsort(have, kind="stable")
    slot = np.minimum(np.searchsorted(have[order], asked * span + month - 1), len(have) - 1)
    closing = numbers(whole["closing_t"])[order][slot]
    return np.where(have[order][slot] == asked * span + month - 1, closing, np.nan)


def chemical_of(waybill: pa.Table, licensed_chemical: pa.Table, tank: pa.Table) -> pa.Array:
    """The CAS number of each waybill's cargo: as written, else as other waybills of this UN number and name, else by name."""
    named = joined(waybill["un_number"], waybill["cargo"])
    with_cas = pc.is_valid(plain(waybill["cas"]))
    like = looked_up(named, named.filter(with_cas), plain(waybill["cas"]).filter(with_cas))
    books = [licensed_chemical, tank]
    words = pa.concat_arrays([bare(each["chemical"]) for each in books])
    by_name = looked_up(bare(waybill["cargo"]), words, pa.concat_arrays([plain(each["cas"]) for each in books]))
    return pc.coalesce(plain(waybill["cas"]), like, by_name)


def _carried(
    given: pa.Table, month: Whole, tables: Mapping[str, pa.Table], zone: ZoneInfo, parameters: Parameters
) -> tuple[_Carried, _Carried]:
    """What finished waybills brought to and took from each site.

    Goods that a firm moves between its own sites are neither bought nor sold.
    """
    waybill = tables["transport_waybill"]
    waybill = waybill.filter(pc.equal(waybill["status"], "完成"))
    waybill = waybill.filter(pc.fill_null(pc.not_equal(waybill["consignor_uscc"], waybill["consignee_uscc"]), True))
    cas = chemical_of(waybill, tables["approval_licensed_chemical"], tables["hazard_tank"])
    firm, site = tables["approval_firm"], tables["approval_site"]
    found: list[_Carried] = []
    for who, place, moment, planned in (
        ("consignee_uscc", "unload_site", "unloaded_at", "planned_arrival"),
        ("consignor_uscc", "load_site", "loaded_at", "planned_departure"),
    ):
        at = pc.coalesce(plain(waybill[moment]), plain(waybill[planned]))
        there = site_of(waybill[who], waybill[place], firm, site)
        asked, told = codes(joined(given["site_id"], given["cas"]), joined(there, cas))
        when, tonnes = month_of(at, zone), np.nan_to_num(numbers(waybill["quantity_t"]))
        span = 12 * 10_000
        keys, group = np.unique(asked * span + month, return_inverse=True)
        slot = np.searchsorted(keys, told * span + when)
        hit = (told >= 0) & (np.take(keys, np.minimum(slot, len(keys) - 1)) == told * span + when)
        near = edge_s(seconds(at), when, zone) < number(parameters, "border_h") * HOUR
        edge = hit & near
        sums = [
            np.bincount(slot[those], values[those], len(keys))[group].astype(np.float64)
            for those, values in ((hit, tonnes), (edge, tonnes), (edge, tonnes**2))
        ]
        found.append(_Carried(sums[0], sums[1], np.sqrt(sums[2])))
    return found[0], found[1]


def _tank_close(
    given: pa.Table, month: Whole, tables: Mapping[str, pa.Table], zone: ZoneInfo
) -> tuple[Array, Array, Array]:
    """What a site's tanks held at the end of the month, their capacity, and by how much that changed in the hours around it.

    All in t. NaN unless all of the tanks were read in the last three hours, by sensors that were not frozen.
    """
    tank, hour = tables["hazard_tank"], tables["hazchem_tank_hour"]
    asked, of_tank = codes(joined(given["site_id"], given["cas"]), joined(tank["site_id"], tank["cas"]))
    size = int(max(asked.max(initial=0), of_tank.max(initial=0))) + 1
    capacity = numbers(tank["capacity_t"])
    wanted = np.bincount(of_tank, minlength=size).astype(np.float64)
    room = np.bincount(of_tank, capacity, size).astype(np.float64)
    stock, swing = np.full(len(month), np.nan), np.zeros(len(month))
    start = seconds(hour["hour"])
    for each in np.unique(month).tolist():  # a few months, not rows
        end = int(month_begin(each + 1, zone).timestamp())
        near = (start >= end - 3 * HOUR) & (start < end + 3 * HOUR) & (numbers(hour["good"]) > 0)
        near &= ~(numbers(hour["frozen_min"]) >= FROZEN_MIN)
        if not near.any():
            continue
        rows, at = hour.filter(pa.array(near)), start[near]
        own, read = codes(tank["tank_id"], rows["tank_id"])
        level = numbers(rows["level_last_m"])
        slots = int(max(own.max(initial=0), read.max(initial=0))) + 1
        last, low, high = np.full(slots, np.nan), np.full(slots, np.inf), np.full(slots, -np.inf)
        before = np.flatnonzero(at < end)
        before = before[np.argsort(at[before], kind="stable")]
        last[read[before]] = level[before]
        np.fmin.at(low, read, level)
        np.fmax.at(high, read, level)
        per_m = capacity / np.maximum(numbers(tank["height_m"]), 1e-9)
        mass, moved = last[own] * per_m, np.maximum(high - low, 0.0)[own] * per_m
        known = np.isfinite(mass)
        total = np.bincount(of_tank[known], mass[known], size)
        change = np.bincount(of_tank[known], moved[known], size)
        whole = np.where((wanted > 0) & (np.bincount(of_tank[known], minlength=size) == wanted), total, np.nan)
        of = (month == each) & (asked >= 0)
        stock[of], swing[of] = whole[asked[of]], change[asked[of]]
    return stock, np.where(asked >= 0, room[asked], 0.0), swing


def _tank_witness(
    tank: Array, room: Array, swing: Array, parts: Array, month: Whole, parameters: Parameters
) -> tuple[Array, Array]:
    """How far tanks are from the closing stock, in standard errors, and the most that this may weigh.

    Where the tanks of most sites agree with the returns, one that does not says so for itself; where they do not (goods
    in drums, tanks of others), tanks only add to what else is known.
    """
    share, stock = number(parameters, "gauge_share"), number(parameters, "stock_share")
    error = np.sqrt((share * room) ** 2 + (stock * parts[6]) ** 2 + swing**2) + 0.1
    raw = (tank - parts[6]) / error
    peers = int(number(parameters, "tank_peers"))
    z = _by_month(raw, month, number(parameters, "floor_sigma"), peers)
    most = np.full(len(raw), number(parameters, "tank_most"))
    for each in np.unique(month).tolist():  # a few months, not rows
        others = raw[(month == each) & np.isfinite(raw)]
        if len(others) >= peers and np.median(np.abs(others)) <= number(parameters, "tank_agree"):
            most[month == each] = number(parameters, "tank_alone")
    small = np.abs(np.nan_to_num(tank - parts[6])) <= number(parameters, "tank_material") * np.maximum(room, parts[6])
    return np.where(small & np.isfinite(z), 0.0, z), most


def _confirmed(
    parts: Array, previous: Array, tank: Array, room: Array, swing: Array, parameters: Parameters
) -> tuple[Flags, Flags]:
    """Where the opening stock is what the month before closed with, and the closing stock what the tanks held."""
    stock, gauge, least = (number(parameters, name) for name in ("stock_share", "gauge_share", "least_t"))
    opening = np.abs(np.nan_to_num(previous - parts[0], nan=np.inf)) <= stock * parts[0] + least
    closing = np.abs(np.nan_to_num(tank - parts[6], nan=np.inf)) <= gauge * room + stock * parts[6] + swing + least
    return opening, closing


def _slip(parts: Array, z: Array, sigma: Array, confirmed: tuple[Flags, Flags], parameters: Parameters) -> pa.Array:
    """The column in which one slip of the pen makes the balance whole; null where none does or nothing is wrong.

    A stock that somebody else confirms was written rightly.
    """
    factors = np.array(SLIPS)[:, None, None]
    changed = SIGNS[:, None] * parts * (factors - 1.0)  # by slip, column, row
    left = np.abs((SIGNS @ parts)[None, None, :] + changed)
    moved = np.abs(changed) > 0
    moved[:, 0, confirmed[0]] = moved[:, 6, confirmed[1]] = False
    tight = np.where(moved, left, np.inf) / np.minimum(
        sigma, number(parameters, "slip_share") * np.abs(parts).max(axis=0) + 0.05
    )
    best = tight.min(axis=0)
    column = best.argmin(axis=0)
    found = (best.min(axis=0) < 1.0) & (np.abs(z) > number(parameters, "slip_sigma"))
    return pa.array(PARTS).take(pa.array(column, mask=~found))

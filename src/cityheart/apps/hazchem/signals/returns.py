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

from cityheart.apps.hazchem.signals import borders, flows, licences
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
    "change_share": 0.006,  # of the stock at both ends of a month: what a gauge is not off by the same each time
    "weighing_share": 0.01,  # of what was produced, bought, used, sold, disposed of
    "least_t": 0.1,  # t: rounding and samples
    "planned_share": 0.015,  # of waybills: planned and actual load differ
    "planned_t": 0.3,  # t: the same, at least
    "flow_t": 0.02,  # t: flows are told to the kilogram, returns written in tonnes with two or three digits
    "gauge_share": 0.01,  # of the tanks' capacity
    "border_h": 36.0,  # h from the border of months within which a load may be in the other month's return
    "material_share": 0.02,  # of what there was to account for: less is no case whatever its significance
    "peers": 20,  # returns of a month from which on their spread is learnt
    "floor_sigma": 0.7,  # the learnt spread is never less, in standard errors
    "per_sigma": 1.5,  # log-odds for each standard error beyond two
    "most": 9.0,  # log-odds at most
    "witness_most": 5.5,  # log-odds at most from waybills in either direction, and from flows
    "tank_most": 2.5,  # log-odds at most from tanks: not enough to raise a case alone
    "tank_alone": 5.0,  # log-odds at most from tanks where those of the other sites agree with the returns
    "close_h": 6.0,  # h before or after midnight at which the books of a month are closed
    "tank_peers": 8,  # returns with tanks from which on that can be said
    "tank_agree": 1.5,  # standard errors within which half of them must be
    "tank_floor": 0.3,  # the learnt spread is never less, in standard errors
    "tank_material": 0.05,  # of capacity or stock: a smaller difference is none
    "tank_least": 0.015,  # the same where the tanks of others agree still better
    "tank_times": 3.0,  # times the difference that nine of ten sites stay below
    "prior": -4.0,  # log-odds before anything is known: one return in fifty
    "slip_days": 10.0,  # days in which a slip of the pen may be corrected
    "slip_sigma": 5.0,  # standard errors from which a slip is looked for
    "slip_share": 0.004,  # of the largest number: how exactly a slip must explain the rest
    "doubt_share": 0.01,  # the same, where it is as likely that mass is missing
    "doubt_days": 2.0,  # days in which that may be corrected
    "raise": 0.5,
}
"""What the detector ``mass_imbalance`` goes by."""

PARTS = ("opening_t", "produced_t", "purchased_t", "used_t", "sold_t", "disposed_t", "closing_t")
SIGNS = np.array([1.0, 1.0, 1.0, -1.0, -1.0, -1.0, -1.0])
FROZEN_MIN = 45
"""Minutes of an hour in which a level repeats to the last digit: the sensor may be frozen."""

LESS = 3.0
"""Standard errors by which waybills fall short of a return from which on goods also come by other ways."""

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
        ("flow_in_t", pa.float64()),
        ("flow_out_t", pa.float64()),
        ("z_flow", pa.float64()),
        ("tank_t", pa.float64()),
        ("z_tank", pa.float64()),
        ("slip", pa.string()),
        ("reported_at", pa.timestamp("us", tz="UTC")),
        ("probability", pa.float64()),
    ]
)
"""One row a site, chemical and month that a firm has returned. ``residual_t``: what came in and did not go anywhere
(negative: what went out and came from nowhere). ``flow_in_t`` and ``flow_out_t`` are what the police were told; ``z_flow`` is
positive where more of it came than the return has, negative where more went. ``slip`` names the column in which one slip of
the pen explains it."""


def balances(tables: Mapping[str, pa.Table], now: datetime, zone: ZoneInfo, parameters: Parameters) -> pa.Table:
    """Whether each return adds up and agrees with what others saw: a table of :data:`BALANCES`.

    Takes ``approval_monthly_return``, ``approval_firm``, ``approval_site``, ``transport_waybill``, ``hazard_tank``,
    ``hazchem_tank_hour`` and ``approval_licensed_chemical``, and ``police_flow`` with ``approval_licence`` if there; the
    parameters of the detector ``mass_imbalance``.
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
    z_in = _one_sided(_excess(bought, parts[2], month, parameters), month, floor, least)
    z_out = _one_sided(_excess(sold, parts[4], month, parameters), month, floor, least)
    flow_in, flow_out, raw = _flows(given, month, parts, residual, tables, now, zone, parameters)
    z_flow = _by_month(raw, month, floor, least)
    tank, room, swing = _tank_close(given, month, tables, zone)
    z_tank, tank_most = _tank_witness(tank, room, swing, parts, month, parameters)
    slip, sure, doubtful = _slip(parts, z, sigma, _agreed(parts, previous, tank, room, swing, parameters), parameters)
    columns: list[object] = [given["site_id"], given["cas"], pa.array(month), *map(pa.array, parts)]
    columns += [pa.array(each) for each in (residual, sigma, z, previous, z_border, way_in, z_in, way_out, z_out)]
    columns += [*map(pa.array, (flow_in, flow_out, z_flow, tank, z_tank)), slip, given["updated_at"]]
    odds = _balance_odds(parts, residual, z, previous, z_border, parameters)
    for seen in (z_in, z_out, np.abs(z_flow)):
        odds = odds + weight(seen, parameters, number(parameters, "witness_most"))
    odds = odds + np.minimum(weight(np.abs(z_tank), parameters, number(parameters, "tank_alone")), tank_most)
    waiting = int(now.timestamp()) < seconds(given["updated_at"]) + int(number(parameters, "slip_days") * DAY)
    slipped = np.asarray(pc.is_valid(slip))
    witness = np.asarray(pc.is_in(slip, pa.array(["purchased_t", "sold_t"])), dtype=np.bool_)
    proven = slipped & witness & (np.where(np.asarray(pc.equal(slip, "purchased_t").fill_null(False)), z_in, z_out) < 0)
    soon = int(now.timestamp()) < seconds(given["updated_at"]) + int(number(parameters, "doubt_days") * DAY)
    odds = np.where((slipped & (waiting | proven | sure)) | (doubtful & soon), -9.0, odds)
    made = pa.table([*columns, pa.array(chance(odds))], schema=BALANCES)
    return made.sort_by([("month", "ascending"), ("site_id", "ascending"), ("cas", "ascending")])


def _sigma(parts: Array, parameters: Parameters) -> Array:
    """The standard error (t) of a balance: gauges of the stock, scales and meters of all that moved.

    The same gauge reads both stocks, so that much of its error is in neither of them more than in the other.
    """
    stock, weigh = number(parameters, "change_share"), number(parameters, "weighing_share")
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


def _one_sided(z: Array, month: Whole, floor: float, least: int) -> Array:
    """:func:`_by_month` for witnesses that see a part only: how far the others fall short says nothing of how exact they are."""
    whole = z > -LESS
    return np.where(whole, _by_month(np.where(whole, z, np.nan), month, floor, least), z)


def _balance_odds(
    parts: Array, residual: Array, z: Array, previous: Array, z_border: Array, parameters: Parameters
) -> Array:
    """Log-odds that mass is missing (or came from nowhere), by what the returns say."""
    most = number(parameters, "most")
    material = number(parameters, "material_share") * np.maximum(parts[0] + parts[1] + parts[2], 1e-9)
    odds = number(parameters, "prior") + np.where(np.abs(residual) > material, weight(np.abs(z), parameters, most), 0.0)
    jumped = np.abs(np.nan_to_num(previous - parts[0])) > material
    return np.asarray(odds + np.where(jumped, weight(np.abs(z_border), parameters, most), 0.0), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class _Carried:
    """What waybills carried in a month (t), and what of that was so near its ends that it may be in another return."""

    tonnes: Array
    loads: borders.Loads


def _excess(carried: _Carried, reported: Array, month: Whole, parameters: Parameters) -> Array:
    """By how many standard errors waybills show more than the return, when loads near the border that are the difference
    are in the other month's; less is no sign: not all goods go by road."""
    share, least = number(parameters, "planned_share"), number(parameters, "planned_t")
    error = np.hypot(share * np.maximum(carried.tonnes, reported), least)
    more = carried.tonnes - reported
    near = borders.within(np.where(carried.tonnes > 0, more, np.nan), error, month, int(number(parameters, "peers")))
    steep = number(parameters, "per_sigma")
    left = borders.unexplained(np.maximum(more, 0.0), error, near, carried.loads, month, steep)
    return np.where(carried.tonnes > 0, np.where(more > 0, left, more) / error, np.nan)


def _flows(
    given: pa.Table,
    month: Whole,
    parts: Array,
    residual: Array,
    tables: Mapping[str, pa.Table],
    now: datetime,
    zone: ZoneInfo,
    parameters: Parameters,
) -> tuple[Array, Array, Array]:
    """What was told to the police of a controlled chemical that came to and went from each site (t), and by how many
    standard errors more came (or, negative, went) than the return has, as far as that leaves its balance open.

    Flows name firms: they speak for a site where no other site of the firm has ever returned the chemical or is licensed
    for it, whether or not its return of this month is in. What a firm passes on without having it in its return nets out,
    so a month waits for the reports of its last day. Fewer flows than in the return are no sign: not everything is told
    in time.
    """
    nothing = np.full(len(month), np.nan)
    flow = tables.get("police_flow")
    if flow is not None:
        flow = flow.filter(pc.less_equal(flow["occurred_at"], pa.scalar(now, pa.timestamp("us", tz="UTC"))))
    if flow is None or not flow.num_rows:
        return nothing, nothing, nothing
    book = flows.book_of(flows.movements(flow), zone, number(parameters, "border_h"))
    row = _sole_rows(given, month, tables, zone, book)
    share, least, steep = (number(parameters, name) for name in ("weighing_share", "flow_t", "per_sigma"))
    here = row >= 0
    told = np.full((4, len(month)), np.nan)  # bought, sold, used, lost
    told[:, row[here]] = book.kg[:, here] / 1000.0
    came, went = told[0], told[1:].sum(axis=0)
    left: list[Array] = []
    variance = np.zeros(len(month))
    for seen, written, loads in ((came, parts[2], book.ins), (went, parts[3:6].sum(axis=0), book.outs)):
        error = np.hypot(share * np.fmax(seen, written), least)
        known = row[loads.of] >= 0
        mine = borders.Loads(row[loads.of][known], loads.mass[known] / 1000.0)
        near = borders.within(seen - written, error, month, int(number(parameters, "peers")))
        left.append(borders.unexplained(seen - written, error, near, mine, month, steep))
        variance += error**2
    # What is bought and passed on, used or lost beside the books nets out, by kind: those not told of are not held against it.
    beside = sum(np.maximum(told[n] - parts[at], 0.0) for n, at in ((1, 4), (2, 3), (3, 5)))
    up, down = np.maximum(left[0] - beside, 0.0), np.maximum(left[1] - np.maximum(came - parts[2], 0.0), 0.0)
    net = up - down
    open_ = np.where(net > 0, np.clip(residual + net, 0.0, net), np.clip(residual + net, net, 0.0))
    count = parts[0] + parts[1] + np.fmax(parts[2], came)
    small = np.abs(open_) <= number(parameters, "material_share") * count
    quantile, most = (number(flows.PARAMETERS, name) for name in ("late_quantile", "late_most_days"))
    heard = int(now.timestamp()) - flows.lateness_s(flow, quantile, most)
    ends = {each: int(month_begin(each + 1, zone).timestamp()) for each in np.unique(month).tolist()}
    early = np.array([ends[each] > heard for each in month.tolist()])
    return came, went, np.where(small | early, 0.0, open_) / np.sqrt(variance)


def _sole_rows(
    given: pa.Table, month: Whole, tables: Mapping[str, pa.Table], zone: ZoneInfo, book: flows.Book
) -> Whole:
    """For each row of a book of flows the return it is about, -1 where there is none or several sites may hold the goods."""
    firm, site, every = (tables[name] for name in ("approval_firm", "approval_site", "approval_monthly_return"))
    permitted = licences.permits(tables["approval_licence"], tables["approval_licensed_chemical"], site, zone)
    held = pa.concat_tables([each.select(["site_id", "cas"]) for each in (every, permitted)]).group_by(
        ["site_id", "cas"]
    )
    holding = held.aggregate([])
    uscc = looked_up(site["firm_id"], firm["firm_id"], firm["uscc"])

    def owned(table: pa.Table) -> pa.Array:
        return joined(looked_up(table["site_id"], site["site_id"], uscc), table["cas"])

    told, asked, holds = codes(owned(given), joined(book.who, book.cas), owned(holding))
    sites = np.bincount(holds[holds >= 0], minlength=int(max(asked.max(initial=0), 0)) + 1)
    row, _ = _rows(told, month, asked, book.month)
    return np.where((asked >= 0) & (sites[asked] == 1), row, -1)


def _rows(told: Whole, month: Whole, asked: Whole, when: Whole) -> tuple[Whole, Whole]:
    """The first row of ``told`` and ``month`` that is ``asked`` and ``when``, and how many there are; -1 and 0 for none."""
    span = 12 * 10_000
    keys, first, count = np.unique(told * span + month, return_index=True, return_counts=True)
    wanted = asked * span + when
    slot = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    hit = (asked >= 0) & (when >= 0) & (keys[slot] == wanted)
    return np.where(hit, first[slot], -1), np.where(hit, count[slot], 0)


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
    """What waybills brought to and took from each site: to it when they are finished, from it once loaded.

    What is still on its way may never arrive; a waybill that nobody closed has left its consignor all the same. Goods that
    a firm moves between its own sites are neither bought nor sold.
    """
    waybill = tables["transport_waybill"]
    waybill = waybill.filter(pc.fill_null(pc.not_equal(waybill["consignor_uscc"], waybill["consignee_uscc"]), True))
    loaded = pc.and_(pc.not_equal(waybill["status"], "作废"), pc.is_valid(waybill["loaded_at"]))
    waybill = waybill.filter(pc.or_(loaded, pc.equal(waybill["status"], "完成")))
    finished = np.asarray(pc.equal(waybill["status"], "完成"), dtype=np.bool_)
    cas = chemical_of(waybill, tables["approval_licensed_chemical"], tables["hazard_tank"])
    firm, site = tables["approval_firm"], tables["approval_site"]
    found: list[_Carried] = []
    for who, place, moment, planned, counts in (
        ("consignee_uscc", "unload_site", "unloaded_at", "planned_arrival", finished),
        ("consignor_uscc", "load_site", "loaded_at", "planned_departure", np.ones_like(finished)),
    ):
        at = pc.coalesce(plain(waybill[moment]), plain(waybill[planned]))
        there = site_of(waybill[who], waybill[place], firm, site)
        asked, told = codes(joined(given["site_id"], given["cas"]), joined(there, cas))
        told = np.where(counts, told, -1)
        when, tonnes = month_of(at, zone), np.nan_to_num(numbers(waybill["quantity_t"]))
        other = borders.beside(seconds(at), when, zone, number(parameters, "border_h"))
        here, beside = (_rows(asked, month, told, months)[0] for months in (when, other))
        near = (here >= 0) & (other >= 0)
        loads = borders.Loads(
            np.concatenate([here[near], beside[beside >= 0]]), np.concatenate([tonnes[near], -tonnes[beside >= 0]])
        )
        total = np.bincount(here[here >= 0], tonnes[here >= 0], len(month)).astype(np.float64)
        found.append(_Carried(total, loads))
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

    Where the tanks of most sites agree with the returns, one that does not says so for itself, and the better they agree,
    the less it takes; where they do not (goods in drums, tanks of others), tanks only add to what else is known.
    """
    share, stock = number(parameters, "gauge_share"), number(parameters, "stock_share")
    moved = np.maximum(parts[1:3].sum(axis=0), parts[3:6].sum(axis=0)) * number(parameters, "close_h") / (30 * 24)
    error = np.sqrt((share * room) ** 2 + (stock * parts[6]) ** 2 + swing**2 + moved**2) + 0.1
    raw = (tank - parts[6]) / error
    peers = int(number(parameters, "tank_peers"))
    z = _by_month(raw, month, number(parameters, "tank_floor"), peers)
    away = np.abs(tank - parts[6]) / np.maximum(np.maximum(room, parts[6]), 1e-9)
    most = np.full(len(raw), number(parameters, "tank_most"))
    material = np.full(len(raw), number(parameters, "tank_material"))
    for each in np.unique(month).tolist():  # a few months, not rows
        others = (month == each) & np.isfinite(raw)
        if np.count_nonzero(others) >= peers and np.median(np.abs(raw[others])) <= number(parameters, "tank_agree"):
            most[month == each] = number(parameters, "tank_alone")
            usual = number(parameters, "tank_times") * float(np.quantile(away[others], 0.9))
            material[month == each] = np.clip(
                usual, number(parameters, "tank_least"), number(parameters, "tank_material")
            )
    return np.where(away <= material, 0.0, z), most


def _agreed(
    parts: Array, previous: Array, tank: Array, room: Array, swing: Array, parameters: Parameters
) -> tuple[Flags, Flags]:
    """Where the opening stock, as written and after each slip, is what the month before closed with, and the closing stock
    what the tanks held. By factor (the first is 1) and row."""
    stock, gauge, least = (number(parameters, name) for name in ("stock_share", "gauge_share", "least_t"))
    factors = np.array([1.0, *SLIPS])[:, None]
    opening, closing = factors * parts[0], factors * parts[6]
    begun = np.abs(np.nan_to_num(previous - opening, nan=np.inf)) <= stock * opening + least
    ended = np.abs(np.nan_to_num(tank - closing, nan=np.inf)) <= gauge * room + stock * closing + swing + least
    return begun, ended


def _slip(
    parts: Array, z: Array, sigma: Array, agreed: tuple[Flags, Flags], parameters: Parameters
) -> tuple[pa.Array, Flags, Flags]:
    """The column in which one slip of the pen makes the balance whole, null where none does or nothing is wrong; where
    somebody else says the same as that column without its slip; and where some slip makes it nearly whole.

    A stock that somebody else confirms was written rightly; one that is confirmed after the slip need not make the balance
    whole more exactly than balances are.
    """
    factors = np.array(SLIPS)[:, None, None]
    changed = SIGNS[:, None] * parts * (factors - 1.0)  # by slip, column, row
    left = np.abs((SIGNS @ parts)[None, None, :] + changed)
    moved = np.abs(changed) > 0
    exact = np.minimum(sigma, number(parameters, "slip_share") * np.abs(parts).max(axis=0) + 0.05)
    backed = np.zeros(left.shape, dtype=np.bool_)
    for column, flags in ((0, agreed[0]), (6, agreed[1])):
        moved[:, column, flags[0]] = False
        backed[:, column] = flags[1:]
    exact = np.where(backed, 2.0 * sigma, exact)
    tight = np.where(moved, left, np.inf) / exact
    best = tight.reshape(-1, tight.shape[-1]).argmin(axis=0)
    least, sure = (np.take_along_axis(each.reshape(-1, each.shape[-1]), best[None], 0)[0] for each in (tight, backed))
    wrong = np.abs(z) > number(parameters, "slip_sigma")
    found = (least < 1.0) & wrong
    nearly = np.minimum(sigma, number(parameters, "doubt_share") * np.abs(parts).max(axis=0) + 0.05)
    doubtful = (np.where(moved, left, np.inf) < nearly).any(axis=(0, 1)) & wrong
    return pa.array(PARTS).take(pa.array(best % len(PARTS), mask=~found)), found & sure, doubtful

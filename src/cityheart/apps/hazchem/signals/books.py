"""What the books say and whether they agree: shipments of waste, returns of a month, flows of controlled chemicals.

Pure functions over the tables of the lake, as known at one moment: no clock, no state, no loop over rows. A table may be
empty; what is missing takes no part.

Masses are tonnes unless a name ends in ``_kg``; moments are UTC; months and days are those of the city's calendar.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Literal, TypeAlias, cast
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from cityheart.apps.hazchem.signals import licences

__all__ = ["ledger", "looked_up", "movements", "numbers", "overlapping", "seconds", "shipments", "site_of"]

Array = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Column: TypeAlias = pa.ChunkedArray | pa.Array
Parameters = Mapping[str, object]

HOUR = 3600
DAY = 24 * HOUR
NEVER = np.iinfo(np.int64).max // 4
EPOCH = date(1970, 1, 1).toordinal()


# ── columns ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def numbers(column: Column) -> Array:
    """A column of numbers; null is NaN."""
    return (
        np.asarray(pc.cast(column, pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)
        if len(column)
        else np.empty(0)
    )


def seconds(column: Column) -> Whole:
    """Whole seconds since 1970-01-01 UTC; null is :data:`NEVER`."""
    moments = pc.cast(pc.cast(column, pa.timestamp("us", tz="UTC")), pa.int64())
    micros = np.asarray(pc.fill_null(moments, NEVER).to_numpy(zero_copy_only=False), dtype=np.int64)
    return np.where(micros == NEVER, NEVER, micros // 1_000_000)


def present(column: Column) -> Flags:
    """Where a column is not null."""
    return np.asarray(pc.is_valid(column).to_numpy(zero_copy_only=False), dtype=np.bool_)


def codes(*columns: Column) -> list[npt.NDArray[np.int64]]:
    """The same whole number for the same text in all of the columns; -1 for null."""
    known = pc.unique(pa.chunked_array([_plain(each) for each in columns], pa.string()).drop_null())
    return [
        np.asarray(pc.fill_null(pc.index_in(each, value_set=known), -1).to_numpy(zero_copy_only=False)).astype(np.int64)
        for each in columns
    ]


def looked_up(keys: Column, known: Column, values: Column) -> pa.Array:
    """For each key the value beside the first such ``known``; null where there is none."""
    at = pc.index_in(_plain(keys), value_set=_plain(known))
    return _plain(values).take(at)


def chance(log_odds: Array) -> Array:
    """The probability (0…1) that log-odds stand for."""
    return 1.0 / (1.0 + np.exp(-np.clip(log_odds, -30.0, 30.0)))


def number(parameters: Parameters, name: str) -> float:
    """A parameter that is a number."""
    return float(cast("float", parameters[name]))


def _plain(column: Column) -> pa.Array:
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return whole.combine_chunks() if isinstance(whole, pa.ChunkedArray) else whole


def overlapping(of: Whole, low: Whole, high: Whole, key: Whole, at: Whole) -> tuple[Whole, Whole]:
    """All pairs (i, j) with ``of[i] == key[j]`` and ``low[i] <= at[j] <= high[i]``; times in seconds, keys at least 0.

    Ordered by i, then by time. A negative ``of`` pairs with nothing.
    """
    order = np.lexsort((at, key))
    sorted_key, sorted_at = key[order], at[order]
    first = _rank(sorted_key, sorted_at, of, low, "left")
    last = np.maximum(_rank(sorted_key, sorted_at, of, high, "right"), first)
    count = np.where(of < 0, 0, last - first)
    left = np.repeat(np.arange(len(of)), count)
    within = np.arange(len(left)) - np.repeat(np.cumsum(count) - count, count)
    return left, order[np.repeat(first, count) + within]


def _rank(key: Whole, at: Whole, of: Whole, moment: Whole, side: Literal["left", "right"]) -> Whole:
    """Where (of, moment) belongs among (key, at), sorted."""
    span = np.int64(1) << 34  # more seconds than any date has
    clipped = np.clip(moment, 0, span - 1)
    found = np.searchsorted(key * span + np.clip(at, 0, span - 1), of * span + clipped, side=side)
    return np.asarray(found, dtype=np.int64)


def site_of(uscc: Column, name: Column, firm: pa.Table, site: pa.Table) -> pa.Array:
    """The site that a firm's books call by name: ``site_id`` or null.

    By the exact name within the firm, then by the name without spaces, brackets and signs, then the firm's only site.
    """
    owner = looked_up(site["firm_id"], firm["firm_id"], firm["uscc"])
    exact = looked_up(_joined(uscc, name), _joined(owner, site["name"]), site["site_id"])
    loose = looked_up(_joined(uscc, _bare(name)), _joined(owner, _bare(site["name"])), site["site_id"])
    counted = pc.value_counts(owner.drop_null())
    single = counted.field("values").filter(pc.equal(counted.field("counts"), 1))
    only = looked_up(uscc, pc.if_else(pc.is_in(owner, single), owner, pa.scalar(None, pa.string())), site["site_id"])
    only = pc.if_else(pc.is_valid(uscc), only, pa.scalar(None, pa.string()))
    return pc.coalesce(exact, loose, only)


def _joined(left: Column, right: Column) -> pa.Array:
    return pc.binary_join_element_wise(_plain(left), _plain(right), "\x1f")


def _bare(name: Column) -> pa.Array:
    return pc.utf8_lower(pc.replace_substring_regex(_plain(name), r"[\s()（）\[\]【】\-—_·.,，、]", ""))


# ── shipments of waste ───────────────────────────────────────────────────────────────────────────────────────────────

SHIPMENTS = pa.schema(
    [
        ("manifest_no", pa.string()),
        ("site_id", pa.string()),
        ("producer_uscc", pa.string()),
        ("receiver_uscc", pa.string()),
        ("plate", pa.string()),
        ("waste_code", pa.string()),
        ("shipped_at", pa.timestamp("us", tz="UTC")),
        ("received_at", pa.timestamp("us", tz="UTC")),
        ("shipped_t", pa.float64()),
        ("received_t", pa.float64()),
        ("light", pa.float64()),
        ("unlicensed", pa.float64()),
        ("lost", pa.float64()),
        ("tracked", pa.bool_()),
        ("left", pa.bool_()),
        ("arrived", pa.bool_()),
        ("emptied_at", pa.timestamp("us", tz="UTC")),
        ("emptied_lon", pa.float64()),
        ("emptied_lat", pa.float64()),
        ("settled", pa.bool_()),
    ]
)
"""``light``, ``unlicensed`` and ``lost`` are probabilities; ``settled`` says that the time to wait for the truck is over."""


def shipments(tables: Mapping[str, pa.Table], now: datetime, zone: ZoneInfo, parameters: Parameters) -> pa.Table:
    """Every manifest with what is wrong with it: a table of :data:`SHIPMENTS` in order of shipping.

    Takes ``waste_manifest``, ``approval_firm``, ``approval_site``, ``approval_licence``, ``transport_vehicle``,
    ``transport_visit``, ``transport_stay`` and ``transport_trip``; the parameters of the detector ``waste_leak``.
    """
    manifest = tables["waste_manifest"]
    manifest = manifest.filter(pc.less_equal(manifest["shipped_at"], pa.scalar(now, pa.timestamp("us", tz="UTC"))))
    manifest = manifest.sort_by([("shipped_at", "ascending"), ("manifest_no", "ascending")])
    if not manifest.num_rows:
        return SHIPMENTS.empty_table()
    firm, site = tables["approval_firm"], tables["approval_site"]
    site_id = site_of(manifest["producer_uscc"], manifest["producer_site"], firm, site)
    way = _followed(manifest, site_id, tables, now, parameters)
    unlicensed = _unlicensed(manifest, tables, now, zone, parameters)
    named = [name for name in SHIPMENTS.names if name in manifest.column_names]
    columns = {name: manifest[name] for name in named} | {"site_id": site_id}
    columns |= {"light": pa.array(_light(manifest, parameters)), "unlicensed": pa.array(unlicensed), **way}
    return pa.table([columns[name] for name in SHIPMENTS.names], schema=SHIPMENTS)


def _light(manifest: pa.Table, parameters: Parameters) -> Array:
    """How surely a shipment arrived lighter by more than allowed, by the errors of two weighbridges and of rounding."""
    shipped, received = numbers(manifest["shipped_t"]), numbers(manifest["received_t"])
    rounding = number(parameters, "rounding_t")
    short = (1.0 - number(parameters, "lighter_share")) * shipped - received - rounding
    error = np.maximum(number(parameters, "weighbridge_share") * shipped, rounding)
    with np.errstate(invalid="ignore"):
        odds = np.where(shipped > 0, short / error, -np.inf) * 1.7  # the logistic beside the normal distribution
    return np.where(np.isnan(odds), 0.0, chance(np.nan_to_num(odds, nan=-30.0, neginf=-30.0, posinf=30.0)))


def _unlicensed(
    manifest: pa.Table, tables: Mapping[str, pa.Table], now: datetime, zone: ZoneInfo, parameters: Parameters
) -> Array:
    """How surely the receiver had no licence for waste on the day of shipping.

    A renewal may be entered late: a licence that ended shortly before is not missed until the days of grace are over.
    Where many shipments go to receivers that are in no register here, the register is not the one of these receivers.
    """
    firm = tables["approval_firm"]
    spans = licences.spans(tables["approval_licence"], zone)
    spans = spans.filter(pc.equal(spans["kind"], licences.WASTE))
    holder = looked_up(spans["firm_id"], firm["firm_id"], firm["uscc"])
    day = _days(licences.local_date(manifest["shipped_at"], zone))
    today = now.astimezone(zone).date().toordinal() - EPOCH
    grace = int(number(parameters, "renewal_days"))
    receiver, licensed = codes(manifest["receiver_uscc"], holder)
    first, last = _days(spans["first"]), _days(spans["last"])
    zero = np.zeros(len(day), dtype=np.int64)
    shipment, licence = overlapping(receiver, zero, zero + NEVER, licensed, first * 0)
    good = np.zeros(len(day), dtype=np.bool_)
    covered = (first[licence] <= day[shipment]) & (day[shipment] <= last[licence])
    pending = (last[licence] < day[shipment]) & (today <= last[licence] + grace)
    good[shipment[covered | pending]] = True
    registered = np.asarray(pc.is_in(manifest["receiver_uscc"], _plain(firm["uscc"])))
    strangers = float(np.mean(~registered))
    trusted = spans.num_rows > 0 and len(day) > 0
    unknown = 0.75 if strangers <= number(parameters, "strangers_share") else 0.2
    odds = np.where(registered, number(parameters, "unlicensed_registered"), unknown)
    return np.where(good, 0.0, odds) if trusted else np.zeros(len(day))


def _followed(
    manifest: pa.Table,
    site_id: pa.Array,
    tables: Mapping[str, pa.Table],
    now: datetime,
    parameters: Parameters,
) -> dict[str, pa.Array]:
    """What the truck's tracks say of each shipment, and how surely it is lost."""
    vehicle, firm, site = tables["transport_vehicle"], tables["approval_firm"], tables["approval_site"]
    phone = looked_up(manifest["plate"], vehicle["plate"], vehicle["terminal_phone"])
    visit, stay = _standing(tables["transport_visit"]), _standing(tables["transport_stay"])
    visit = visit.filter(pc.equal(visit["layer"], "site"))
    visited = looked_up(visit["place"], site["site_id"], looked_up(site["firm_id"], firm["firm_id"], firm["uscc"]))
    truck, visit_truck, stay_truck = codes(phone, visit["terminal_phone"], stay["terminal_phone"])
    receiver, host = codes(manifest["receiver_uscc"], visited)
    origin, place = codes(site_id, visit["place"])
    at, moment = seconds(manifest["shipped_at"]), int(now.timestamp())
    since, load = seconds(visit["since"]), numbers(visit["load_before"])
    # The visit to the producer, and whether the truck came empty: then an earlier load had been got rid of before.
    one, other = overlapping(truck, at - 12 * HOUR, at + 6 * HOUR, visit_truck, since)
    here = origin[one] == place[other]
    left, empty = np.zeros(len(at), dtype=np.bool_), np.zeros(len(at), dtype=np.bool_)
    left[one[here]] = True
    empty[one[here & (load[other] == 0)]] = True
    until = _deadline(truck, receiver, at, empty, parameters)
    one, other = overlapping(truck, at - 2 * HOUR, until, visit_truck, since)
    arrived = np.zeros(len(at), dtype=np.bool_)
    arrived[one[(receiver[one] == host[other]) & (receiver[one] >= 0)]] = True
    emptied, lon, lat = _emptied(truck, at, np.minimum(until, moment), stay, stay_truck)
    covered = _covered(manifest, phone, at, moment, stay, _standing(tables["transport_trip"]))
    enough = covered >= number(parameters, "tracked_share")
    known_place = np.asarray(
        pc.is_in(manifest["receiver_uscc"], looked_up(site["firm_id"], firm["firm_id"], firm["uscc"]).drop_null())
    )
    tracked = enough & known_place & (truck >= 0)
    open_ = ~present(manifest["received_t"]) & ~present(manifest["received_at"])
    wait = np.where(emptied < NEVER, number(parameters, "wait_emptied_h"), number(parameters, "wait_h")) * HOUR
    settled = moment >= at + wait
    odds = _lost_odds(tracked, arrived, left, emptied < NEVER, open_, receiver, parameters)
    lost = np.where(tracked & ~arrived & settled, chance(odds), 0.0)
    stamp = pa.array(np.where(emptied < NEVER, emptied, 0) * 1_000_000, mask=emptied >= NEVER)
    return {
        "lost": pa.array(lost),
        "tracked": pa.array(tracked),
        "left": pa.array(left),
        "arrived": pa.array(arrived),
        "emptied_at": stamp.cast(pa.timestamp("us", tz="UTC")),
        "emptied_lon": pa.array(lon),
        "emptied_lat": pa.array(lat),
        "settled": pa.array(settled),
    }


def _lost_odds(
    tracked: Flags,
    arrived: Flags,
    left: Flags,
    emptied: Flags,
    unreceived: Flags,
    receiver: Whole,
    parameters: Parameters,
) -> Array:
    """Log-odds that a shipment which was not seen at its receiver never came there.

    How much it says that a truck was not seen depends on how often trucks of shipments received are: by receiver, drawn
    towards the city's share where a receiver has few.
    """
    judged = tracked & ~unreceived
    seen, all_ = float(np.sum(judged & arrived)), float(np.sum(judged))
    city = (seen + 1.0) / (all_ + 2.0)
    slots = int(receiver.max(initial=-1)) + 2
    by = np.bincount(receiver + 1, judged, slots)
    hit = np.bincount(receiver + 1, judged & arrived, slots)
    share = (hit + 4.0 * city) / (by + 4.0)
    unseen = np.minimum(-np.log(1.0 - share + 0.02), number(parameters, "unseen_most"))[receiver + 1]
    odds = number(parameters, "prior") + unseen
    odds = odds + np.where(left, number(parameters, "left"), number(parameters, "elsewhere"))
    odds = odds + np.where(emptied, number(parameters, "emptied"), 0.0)
    return np.asarray(odds + np.where(unreceived, 0.0, number(parameters, "receipt")), dtype=np.float64)


def _standing(track: pa.Table) -> pa.Table:
    """Rows of a track that were not withdrawn."""
    return track.filter(pc.not_equal(track["state"], "withdrawn"))


def _deadline(truck: Whole, receiver: Whole, at: Whole, empty: Flags, parameters: Parameters) -> Whole:
    """Until when a visit can be the arrival of a shipment: before the truck's next load, unless that is taken along.

    A truck may collect several loads for one receiver and deliver them together; one that comes empty to the next producer
    has got rid of what it carried.
    """
    order = np.lexsort((at, truck))
    after = np.roll(order, -1)
    same = (truck[order] == truck[after]) & (np.arange(len(order)) < len(order) - 1)
    gap = at[after] - at[order]
    together = same & (receiver[order] == receiver[after]) & ~empty[after]
    together &= gap <= number(parameters, "collect_h") * HOUR
    ends = np.where(same & ~together, at[after], NEVER)
    # The end of a run of loads taken together is the end of its last one.
    run = np.cumsum(np.concatenate([[0], ~together[:-1]])) if len(order) else np.empty(0, dtype=np.int64)
    last = np.full(int(run.max(initial=0)) + 1, NEVER)
    last[run] = ends  # in order of time: the last one stays
    until = np.empty(len(at), dtype=np.int64)
    until[order] = last[run] if len(order) else ends
    return np.minimum(until, at + int(number(parameters, "wait_h") * HOUR))


def _emptied(truck: Whole, at: Whole, until: Whole, stay: pa.Table, stay_truck: Whole) -> tuple[Whole, Array, Array]:
    """The first stay after shipping at which the load went: its time (``NEVER`` if none) and place."""
    gone = (numbers(stay["load_before"]) > 0) & (numbers(stay["load_after"]) == 0)
    one, other = overlapping(truck, at + 60, until, np.where(gone, stay_truck, -2), seconds(stay["since"]))
    moment, lon, lat = np.full(len(at), NEVER), np.full(len(at), np.nan), np.full(len(at), np.nan)
    one, other = one[::-1], other[::-1]  # the first of each is written last
    moment[one] = seconds(stay["since"])[other]
    lon[one], lat[one] = numbers(stay["lon"])[other], numbers(stay["lat"])[other]
    return moment, lon, lat


def _covered(manifest: pa.Table, phone: pa.Array, at: Whole, now: int, stay: pa.Table, trip: pa.Table) -> Array:
    """Which share of the day after shipping (as far as it has passed) the truck's stays and trips cover."""
    track = pa.concat_tables([each.select(["terminal_phone", "since", "until"]) for each in (stay, trip)])
    truck, key = codes(phone, track["terminal_phone"])
    since, until = seconds(track["since"]), seconds(track["until"])
    high = np.minimum(at + DAY, now)
    one, other = overlapping(truck, at - 7 * DAY, high, key, since)
    shared = np.minimum(until[other], high[one]) - np.maximum(since[other], at[one])
    total = np.bincount(one, np.maximum(shared, 0), len(at))
    return np.asarray(np.minimum(total / np.maximum(high - at, 1), 1.0), dtype=np.float64)


def _days(days: Column) -> Whole:
    """Days since 1970-01-01."""
    return np.asarray(pc.cast(pc.cast(days, pa.int32()), pa.int64()).to_numpy(zero_copy_only=False), dtype=np.int64)


# ── months ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def month_of(moments: Column, zone: ZoneInfo) -> Whole:
    """Months since year 0 (12 · year + month - 1) by the city's calendar; -1 for null."""
    local = pc.local_timestamp(pc.cast(_plain(moments), pa.timestamp("us", tz=str(zone))))
    whole = pc.add(pc.multiply(pc.year(local), 12), pc.subtract(pc.month(local), 1))
    return np.asarray(pc.fill_null(whole, -1).to_numpy(zero_copy_only=False), dtype=np.int64)


def month_named(months: Column) -> Whole:
    """The same number for ``"2026-03"``; -1 for anything else."""
    text = _plain(months)
    text = pc.if_else(pc.match_substring_regex(text, r"^\d{4}-(0[1-9]|1[0-2])$"), text, pa.scalar("0000-00"))
    text = pc.fill_null(text, "0000-00")
    year, month = (pc.cast(pc.utf8_slice_codeunits(text, a, b), pa.int64()) for a, b in ((0, 4), (5, 7)))
    return np.asarray(
        pc.subtract(pc.add(pc.multiply(year, 12), month), 1).to_numpy(zero_copy_only=False), dtype=np.int64
    )


def month_begin(month: int, zone: ZoneInfo) -> datetime:
    """The first moment of a month in the city, in UTC."""
    return datetime(month // 12, month % 12 + 1, 1, tzinfo=zone).astimezone(UTC)


def month_text(month: int) -> str:
    """``"2026-03"``."""
    return f"{month // 12:04}-{month % 12 + 1:02}"


def _edge_s(moments: Whole, months: Whole, zone: ZoneInfo) -> Whole:
    """How far (s) each moment is from the nearer border of its month."""
    begin = np.zeros(len(moments), dtype=np.int64)
    end = np.zeros(len(moments), dtype=np.int64)
    for month in np.unique(months).tolist():  # a few months, not rows
        if month >= 12:
            of = months == month
            begin[of] = int(month_begin(month, zone).timestamp())
            end[of] = int(month_begin(month + 1, zone).timestamp())
    return np.asarray(np.minimum(moments - begin, end - moments), dtype=np.int64)


def _robust(z: Array, floor: float, least: int) -> Array:
    """Deviations by the spread of the others (MAD), which never counts as less than ``floor``; as they are for a few."""
    known = z[np.isfinite(z)]
    if len(known) < least:
        return z
    spread = 1.4826 * float(np.median(np.abs(known - np.median(known))))
    return np.asarray(z / max(floor, spread), dtype=np.float64)


def _weight(z: Array, parameters: Parameters, most: float) -> Array:
    """What a deviation of ``z`` standard errors adds to the log-odds: nothing up to 2, then evenly, at most ``most``."""
    steep = np.nan_to_num(z - 2.0, nan=0.0) * number(parameters, "per_sigma")
    return np.asarray(np.clip(steep, 0.0, most), dtype=np.float64)


# ── flows of controlled chemicals ────────────────────────────────────────────────────────────────────────────────────

LEDGER = pa.schema(
    [
        ("holder", pa.string()),
        ("cas", pa.string()),
        ("month", pa.int64()),
        ("in_kg", pa.float64()),
        ("sold_kg", pa.float64()),
        ("used_kg", pa.float64()),
        ("lost_kg", pa.float64()),
        ("one_sided_kg", pa.float64()),
        ("opening_kg", pa.float64()),
        ("closing_kg", pa.float64()),
        ("return_in_kg", pa.float64()),
        ("return_out_kg", pa.float64()),
        ("licensed_kg", pa.float64()),
        ("unexplained_kg", pa.float64()),
        ("sigma_kg", pa.float64()),
        ("z", pa.float64()),
        ("basis", pa.string()),
        ("probability", pa.float64()),
    ]
)
"""One row a holder, chemical and month. ``basis`` is what explains (or not): ``return``, ``licence`` or ``turnover``."""


def movements(flow: pa.Table) -> pa.Table:
    """Each deal, use, loss and transfer as what comes in and goes out: holder, cas, at (s), kind, kg (in is positive).

    A deal that both sides report is one deal: sale and purchase of the same seller, buyer, chemical and quantity within
    days. What one side alone reports moves the goods of both.
    """
    kind = _plain(flow["kind"])
    is_sale, is_purchase = (np.asarray(pc.equal(kind, each), dtype=np.bool_) for each in ("sale", "purchase"))
    seller, buyer = codes(flow["seller_uscc"], flow["buyer_uscc"])
    (cas,) = codes(flow["cas"])
    at, kg = seconds(flow["occurred_at"]), np.nan_to_num(numbers(flow["quantity_kg"]))
    deal = _keyed(seller, buyer, cas)
    sale, purchase = np.flatnonzero(is_sale), np.flatnonzero(is_purchase)
    same = 3 * DAY
    key = np.where((seller < 0) | (buyer < 0), -1, deal)
    one, other = overlapping(key[sale], at[sale] - same, at[sale] + same, key[purchase], at[purchase])
    close = np.abs(kg[sale][one] - kg[purchase][other]) <= 0.01 * np.maximum(kg[sale][one], kg[purchase][other]) + 0.1
    first, second = _matched(one[close], other[close], np.abs(at[sale][one] - at[purchase][other])[close])
    lone = np.ones(len(at), dtype=np.bool_)
    lone[sale[first]] = lone[purchase[second]] = False
    own_use = np.asarray(pc.is_in(kind, pa.array(["use", "loss"])), dtype=np.bool_)
    moved = np.asarray(pc.equal(kind, "transfer"), dtype=np.bool_)
    # Who gets: buyers of purchases and of sales that they do not report; who gives: the other way round.
    gets = np.flatnonzero((is_purchase | (is_sale & lone) | moved) & (buyer >= 0))
    gives = np.flatnonzero((is_sale | (is_purchase & lone) | moved) & (seller >= 0))
    spends = np.flatnonzero(own_use & ((buyer >= 0) | (seller >= 0)))
    rows = np.concatenate([gets, gives, spends])
    holder_names = pc.coalesce(_plain(flow["buyer_uscc"]), _plain(flow["seller_uscc"]))
    who = pa.concat_arrays(
        [
            _plain(flow["buyer_uscc"]).take(pa.array(gets)),
            _plain(flow["seller_uscc"]).take(pa.array(gives)),
            holder_names.take(pa.array(spends)),
        ]
    )
    what = np.concatenate([np.full(len(gets), 0), np.full(len(gives), 1), np.full(len(spends), 2)])
    lost = np.asarray(pc.equal(kind, "loss"), dtype=np.bool_)[rows] & (what == 2)
    one_sided = (lone & ((is_sale & (seller >= 0)) | (is_purchase & (buyer >= 0))))[rows] & (what == 0)
    return pa.table(
        {
            "holder": who,
            "cas": _plain(flow["cas"]).take(pa.array(rows)),
            "at": pa.array(at[rows]),
            "occurred_at": _plain(flow["occurred_at"]).take(pa.array(rows)),
            "what": pa.array(np.where(lost, 3, what)),  # 0 in, 1 sold or passed on, 2 used, 3 lost
            "kg": pa.array(kg[rows]),
            "unreported": pa.array(one_sided & is_sale[rows]),  # bought by the seller's word alone
        }
    )


def _keyed(*parts: Whole) -> Whole:
    """One whole number for each combination of codes; -1 counts as a code."""
    key = np.zeros(len(parts[0]), dtype=np.int64)
    for part in parts:
        key = key * (int(part.max(initial=0)) + 2) + part + 1
    return key


def _matched(one: Whole, other: Whole, distance: Whole) -> tuple[Whole, Whole]:
    """Pairs in which each is used once, the nearest first."""
    taken_one: list[Whole] = []
    taken_other: list[Whole] = []
    order = np.lexsort((other, one, distance))
    one, other = one[order], other[order]
    for _ in range(4):  # after four rounds only ties of equal deals would be left
        first_one = np.zeros(len(one), dtype=np.bool_)
        first_one[np.unique(one, return_index=True)[1]] = True
        first_other = np.zeros(len(other), dtype=np.bool_)
        first_other[np.unique(other, return_index=True)[1]] = True
        both = first_one & first_other
        taken_one.append(one[both])
        taken_other.append(other[both])
        rest = ~np.isin(one, one[both]) & ~np.isin(other, other[both])
        one, other = one[rest], other[rest]
    return np.concatenate(taken_one), np.concatenate(taken_other)


def lateness_s(flow: pa.Table, quantile: float, most_days: float) -> int:
    """How late (s) reports come: that quantile of reported - occurred, at least a day, at most ``most_days``."""
    late = (seconds(flow["reported_at"]) - seconds(flow["occurred_at"])).astype(np.float64)
    late = late[(late >= 0) & (late < 400 * DAY)]
    found = float(np.quantile(late, quantile)) if len(late) else most_days * DAY
    return int(np.clip(found, DAY, most_days * DAY))


def ledger(tables: Mapping[str, pa.Table], now: datetime, zone: ZoneInfo, parameters: Parameters) -> pa.Table:
    """What each holder's controlled chemicals came to in each month that is over: a table of :data:`LEDGER`.

    Takes ``police_flow``, ``approval_firm``, ``approval_site``, ``approval_licence``, ``approval_licensed_chemical`` and
    ``approval_monthly_return``; the parameters of the detector ``controlled_diversion``. A month is judged when the
    reports of its last day have had their usual time to come.
    """
    flow = tables["police_flow"]
    flow = flow.filter(pc.less_equal(flow["occurred_at"], pa.scalar(now, pa.timestamp("us", tz="UTC"))))
    if not flow.num_rows:
        return LEDGER.empty_table()
    moved = movements(flow)
    late = lateness_s(flow, number(parameters, "late_quantile"), number(parameters, "late_most_days"))
    month = month_of(moved["occurred_at"], zone)
    holder, cas = codes(moved["holder"])[0], codes(moved["cas"])[0]
    key = _keyed(holder, cas, month)
    _, where, group = np.unique(key, return_index=True, return_inverse=True)
    kg, what = numbers(moved["kg"]), np.asarray(moved["what"])
    total = [np.bincount(group, np.where(what == n, kg, 0.0), len(where)) for n in range(4)]
    at = seconds(moved["occurred_at"])
    near = _edge_s(at, month, zone) < number(parameters, "border_h") * HOUR
    border = np.sqrt(np.bincount(group, np.where(near, kg, 0.0) ** 2, len(where)))
    unreported = np.bincount(group, np.where(np.asarray(moved["unreported"]), kg, 0.0), len(where))
    book = _Book(
        who=_plain(moved["holder"]).take(pa.array(where)),
        cas=_plain(moved["cas"]).take(pa.array(where)),
        month=month[where],
        came=np.asarray(total[0], dtype=np.float64),
        went=np.asarray(total[1] + total[2] + total[3], dtype=np.float64),
        border=border,
    )
    returned = _returned(tables, book)
    licensed = _licensed(tables, book, now, zone)
    basis, unexplained, sigma, z, odds = _explained(book, returned, licensed, parameters)
    turnover = _turnover(moved, book, int(now.timestamp()) - late, returned, tables, parameters)
    more = turnover[2] > odds
    basis = np.where(more, "turnover", basis)
    unexplained, sigma = np.where(more, turnover[0], unexplained), np.where(more, turnover[1], sigma)
    z, odds = np.where(more, turnover[0] / np.maximum(turnover[1], 1e-9), z), np.where(more, turnover[2], odds)
    ends = {each: int(month_begin(each + 1, zone).timestamp()) for each in np.unique(book.month).tolist() if each >= 12}
    over = np.array([int(now.timestamp()) >= ends.get(each, NEVER) + late for each in book.month.tolist()])
    probability = np.where(over, chance(odds), 0.0)
    columns = [book.who, book.cas, book.month, total[0], total[1], total[2], total[3], unreported]
    columns += [returned["opening"], returned["closing"], returned["in"], returned["out"], licensed, unexplained, sigma]
    made = pa.table([*map(pa.array, columns), pa.array(z), pa.array(basis), pa.array(probability)], schema=LEDGER)
    return made.sort_by([("month", "ascending"), ("holder", "ascending"), ("cas", "ascending")])


@dataclass(frozen=True, slots=True)
class _Book:
    """What came and went (kg) by holder, chemical and month."""

    who: pa.Array
    cas: pa.Array
    month: Whole
    came: Array
    went: Array
    border: Array


def _returned(tables: Mapping[str, pa.Table], book: _Book) -> dict[str, Array]:
    """What the holder's own monthly returns say (kg), all of its sites together; NaN where a return is not yet in.

    A month in which fewer sites have reported a chemical than in the month before is not complete.
    """
    given, firm, site = tables["approval_monthly_return"], tables["approval_firm"], tables["approval_site"]
    owner = looked_up(given["site_id"], site["site_id"], looked_up(site["firm_id"], firm["firm_id"], firm["uscc"]))
    asked, told = codes(_joined(book.who, book.cas), _joined(owner, given["cas"]))
    month = month_named(given["month"])
    span = 12 * 10_000
    wanted, have = asked * span + book.month, told * span + month
    have = np.where(told < 0, -1, have)
    keys, group = np.unique(have, return_inverse=True)
    n = len(keys)

    def summed(*names: str) -> Array:
        values = sum((numbers(given[name]) for name in names), np.zeros(given.num_rows))
        return np.asarray(np.bincount(group, np.nan_to_num(values), n) * 1000.0 if n else np.empty(0), dtype=np.float64)

    sites = np.bincount(group, minlength=n).astype(np.float64) if n else np.empty(0)

    def found(values: Array, at: Whole) -> Array:
        if not n:
            return np.full(len(at), np.nan)
        slot = np.minimum(np.searchsorted(keys, at), n - 1)
        return np.where(keys[slot] == at, values[slot], np.nan)

    whole = ~(found(sites, wanted) < found(sites, wanted - 1))
    opening, closing = summed("opening_t"), summed("closing_t")
    result = {
        "opening": found(opening, wanted),
        "closing": found(closing, wanted),
        "in": found(summed("purchased_t", "produced_t"), wanted),
        "out": found(summed("used_t", "sold_t", "disposed_t"), wanted),
        "produced": found(summed("produced_t"), wanted),
    }
    result = {name: np.where(whole, values, np.nan) for name, values in result.items()}
    result["before"] = found(closing, wanted - 1)
    result["usual"] = found(summed("purchased_t"), wanted - 1)
    result["ever"] = found(np.ones(n), wanted - 1)
    return result


def _licensed(tables: Mapping[str, pa.Table], book: _Book, now: datetime, zone: ZoneInfo) -> Array:
    """What the holder's sites may store together (kg); NaN where no licence names the chemical."""
    firm, site = tables["approval_firm"], tables["approval_site"]
    most = licences.allowed(tables["approval_licence"], tables["approval_licensed_chemical"], site, now, zone)
    owner = looked_up(most["site_id"], site["site_id"], looked_up(site["firm_id"], firm["firm_id"], firm["uscc"]))
    asked, told = codes(_joined(book.who, book.cas), _joined(owner, most["cas"]))
    total = np.bincount(
        told + 1, numbers(most["allowed_t"]) * 1000.0, int(max(asked.max(initial=0), told.max(initial=0))) + 2
    )
    there = np.bincount(told + 1, minlength=len(total)) > 0
    return np.where((asked >= 0) & there[asked + 1], total[asked + 1], np.nan)


def _explained(
    book: _Book, returned: Mapping[str, Array], licensed: Array, parameters: Parameters
) -> tuple[npt.NDArray[np.str_], Array, Array, Array, Array]:
    """What neither use, sale, transfer, loss nor stock explains: by the return's closing stock, else by the licence's room."""
    share, gauge = number(parameters, "weighing_share"), number(parameters, "stock_share")
    opening = np.where(np.isnan(returned["opening"]), returned["before"], returned["opening"])
    came = book.came + np.nan_to_num(returned["produced"])
    stock = opening + came - book.went
    sigma = np.sqrt(
        (share * book.came) ** 2
        + (share * book.went) ** 2
        + (gauge * np.nan_to_num(opening)) ** 2
        + book.border**2
        + number(parameters, "least_kg") ** 2
    )
    by_flows = stock - returned["closing"]
    generous = by_flows - np.maximum(np.nan_to_num(returned["out"]) - book.went, 0.0)
    least, floor = int(number(parameters, "peers")), number(parameters, "floor_sigma")
    z_flows = _robust(by_flows / sigma, floor, least)
    z_generous = _robust(generous / sigma, floor, least)
    material = number(parameters, "material_share") * np.maximum(opening + came, 1e-9)
    most = number(parameters, "most")
    odds = np.where(by_flows > material, 0.7 * _weight(z_flows, parameters, most), 0.0)
    odds = np.where(generous > material, np.maximum(odds, _weight(z_generous, parameters, most)), odds)
    known = np.isfinite(by_flows)
    # Without a return: the goods must be in stock, and the licence says how much room there is.
    beyond = stock - licensed
    room = np.isfinite(beyond) & ~known & (stock > number(parameters, "licence_factor") * licensed)
    odds = np.where(room, number(parameters, "licence_weight"), odds) + number(parameters, "prior")
    basis = np.where(known, "return", "licence")
    unexplained = np.where(known, np.where(generous > material, generous, by_flows), beyond)
    z = np.where(known, np.where(generous > material, z_generous, z_flows), unexplained / sigma)
    return basis, unexplained, sigma, z, odds


def _turnover(
    moved: pa.Table,
    book: _Book,
    heard: int,
    returned: Mapping[str, Array],
    tables: Mapping[str, pa.Table],
    parameters: Parameters,
) -> tuple[Array, Array, Array]:
    """For those who store nothing (dealers without returns): goods that came and did not go on in the usual time.

    What came up to some days before, less all that went since the beginning: an unknown stock at the beginning only makes
    this smaller. Counted in the last month in which goods came.
    """
    firm = tables["approval_firm"]
    hold = int(number(parameters, "hold_days") * DAY)
    asked, told = codes(_joined(book.who, book.cas), _joined(moved["holder"], moved["cas"]))
    size = int(max(asked.max(initial=0), told.max(initial=0))) + 1
    at, kg, what = seconds(moved["occurred_at"]), numbers(moved["kg"]), np.asarray(moved["what"])
    came = np.bincount(told, np.where((what == 0) & (at <= heard - hold), kg, 0.0), size)
    went = np.bincount(told, np.where((what != 0), kg, 0.0), size)
    kept = np.where(came > 0, (came - went) / np.maximum(came, 1e-9), np.nan)
    last = np.full(size, -1, dtype=np.int64)
    np.maximum.at(last, asked, np.where(book.came > 0, book.month, -1))
    dealer = np.asarray(
        pc.equal(looked_up(book.who, firm["uscc"], firm["kind"]), "dealer").fill_null(False), dtype=np.bool_
    )
    judged = dealer & np.isnan(returned["ever"]) & np.isnan(returned["closing"]) & (book.month == last[asked])
    ratio = np.where(judged, kept[asked], np.nan)
    z = _robust(ratio / number(parameters, "kept_share"), 1.0, int(number(parameters, "peers")))
    odds = number(parameters, "prior") + _weight(z, parameters, number(parameters, "most"))
    sigma = number(parameters, "kept_share") * np.maximum(came[asked], 1e-9)
    return (
        np.asarray((came - went)[asked], dtype=np.float64),
        np.asarray(sigma, dtype=np.float64),
        np.where(judged & (ratio > 0), odds, -np.inf),
    )


# ── returns of a month ───────────────────────────────────────────────────────────────────────────────────────────────

PARTS = ("opening_t", "produced_t", "purchased_t", "used_t", "sold_t", "disposed_t", "closing_t")
SIGNS = np.array([1.0, 1.0, 1.0, -1.0, -1.0, -1.0, -1.0])
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
    way_in, way_out, slack_in, slack_out = _carried(given, month, tables, zone, parameters)
    share = number(parameters, "planned_share")
    z_in = _by_month(_excess(way_in, parts[2], slack_in, share), month, floor, least)
    z_out = _by_month(_excess(way_out, parts[4], slack_out, share), month, floor, least)
    tank, gauge = _tank_close(given, month, tables, zone)
    stock_error = (
        np.hypot(number(parameters, "gauge_share") * gauge, number(parameters, "stock_share") * parts[6]) + 0.1
    )
    z_tank = _by_month((tank - parts[6]) / stock_error, month, floor, least)
    slip = _slip(parts, z, sigma, parameters)
    columns: list[object] = [given["site_id"], given["cas"], pa.array(month), *map(pa.array, parts)]
    columns += [pa.array(each) for each in (residual, sigma, z, previous, z_border, way_in, z_in, way_out, z_out)]
    columns += [pa.array(tank), pa.array(z_tank), slip, given["updated_at"]]
    odds = _balance_odds(parts, residual, z, previous, z_border, z_in, z_out, z_tank, parameters)
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
        result[of] = _robust(z[of], floor, least)
    return result


def _balance_odds(
    parts: Array,
    residual: Array,
    z: Array,
    previous: Array,
    z_border: Array,
    z_in: Array,
    z_out: Array,
    z_tank: Array,
    parameters: Parameters,
) -> Array:
    """Log-odds that mass is missing (or came from nowhere)."""
    most = number(parameters, "most")
    material = number(parameters, "material_share") * np.maximum(parts[0] + parts[1] + parts[2], 1e-9)
    odds = number(parameters, "prior") + np.where(
        np.abs(residual) > material, _weight(np.abs(z), parameters, most), 0.0
    )
    jumped = np.abs(np.nan_to_num(previous - parts[0])) > material
    odds = odds + np.where(jumped, _weight(np.abs(z_border), parameters, most), 0.0)
    others = number(parameters, "witness_most")
    odds = odds + _weight(z_in, parameters, others) + _weight(z_out, parameters, others)
    return np.asarray(odds + _weight(np.abs(z_tank), parameters, number(parameters, "tank_most")), dtype=np.float64)


def _excess(carried: Array, reported: Array, slack: Array, share: float) -> Array:
    """By how many standard errors waybills show more than the return; less is no sign: not all goods go by road."""
    error = np.sqrt((share * np.maximum(carried, reported)) ** 2 + slack**2 + 0.3**2)
    return np.asarray(np.where(carried > 0, (carried - reported) / error, np.nan), dtype=np.float64)


def _previous(given: pa.Table, month: Whole, whole: pa.Table) -> Array:
    """The closing stock of the month before, NaN where that is not returned."""
    asked, told = codes(_joined(given["site_id"], given["cas"]), _joined(whole["site_id"], whole["cas"]))
    span = 12 * 10_000
    have = told * span + month_named(whole["month"])
    order = np.argsort(have, kind="stable")
    slot = np.minimum(np.searchsorted(have[order], asked * span + month - 1), len(have) - 1)
    closing = numbers(whole["closing_t"])[order][slot]
    return np.where(have[order][slot] == asked * span + month - 1, closing, np.nan)


def chemical_of(waybill: pa.Table, licensed_chemical: pa.Table, tank: pa.Table) -> pa.Array:
    """The CAS number of each waybill's cargo: as written, else as other waybills of this UN number and name, else by name."""
    named = _joined(waybill["un_number"], waybill["cargo"])
    with_cas = pc.is_valid(_plain(waybill["cas"]))
    like = looked_up(named, named.filter(with_cas), _plain(waybill["cas"]).filter(with_cas))
    books = [licensed_chemical, tank]
    words = pa.concat_arrays([_bare(each["chemical"]) for each in books])
    by_name = looked_up(_bare(waybill["cargo"]), words, pa.concat_arrays([_plain(each["cas"]) for each in books]))
    return pc.coalesce(_plain(waybill["cas"]), like, by_name)


def _carried(
    given: pa.Table, month: Whole, tables: Mapping[str, pa.Table], zone: ZoneInfo, parameters: Parameters
) -> tuple[Array, Array, Array, Array]:
    """What finished waybills brought to and took from each site (t), and how much of that was near the month's borders.

    Goods that a firm moves between its own sites are neither bought nor sold.
    """
    waybill = tables["transport_waybill"]
    waybill = waybill.filter(pc.equal(waybill["status"], "完成"))
    waybill = waybill.filter(pc.fill_null(pc.not_equal(waybill["consignor_uscc"], waybill["consignee_uscc"]), True))
    cas = chemical_of(waybill, tables["approval_licensed_chemical"], tables["hazard_tank"])
    firm, site = tables["approval_firm"], tables["approval_site"]
    found: list[Array] = []
    slack: list[Array] = []
    for who, place, moment, planned in (
        ("consignee_uscc", "unload_site", "unloaded_at", "planned_arrival"),
        ("consignor_uscc", "load_site", "loaded_at", "planned_departure"),
    ):
        at = pc.coalesce(_plain(waybill[moment]), _plain(waybill[planned]))
        there = site_of(waybill[who], waybill[place], firm, site)
        asked, told = codes(_joined(given["site_id"], given["cas"]), _joined(there, cas))
        when, tonnes = month_of(at, zone), np.nan_to_num(numbers(waybill["quantity_t"]))
        span = 12 * 10_000
        keys, group = np.unique(asked * span + month, return_inverse=True)
        slot = np.searchsorted(keys, told * span + when)
        hit = (told >= 0) & (np.take(keys, np.minimum(slot, len(keys) - 1)) == told * span + when)
        near = _edge_s(seconds(at), when, zone) < number(parameters, "border_h") * HOUR
        found.append(np.bincount(slot[hit], tonnes[hit], len(keys))[group].astype(np.float64))
        edge = np.bincount(slot[hit & near], tonnes[hit & near] ** 2, len(keys))
        slack.append(np.sqrt(edge.astype(np.float64))[group])
    return found[0], found[1], slack[0], slack[1]


def _tank_close(given: pa.Table, month: Whole, tables: Mapping[str, pa.Table], zone: ZoneInfo) -> tuple[Array, Array]:
    """What a site's tanks held at the end of the month (t; NaN unless all of them were read), and their capacity (t)."""
    tank, hour = tables["hazard_tank"], tables["hazchem_tank_hour"]
    nothing = np.full(len(month), np.nan), np.zeros(len(month))
    if not tank.num_rows or not hour.num_rows:
        return nothing
    start = seconds(hour["hour"])
    ends = {each: int(month_begin(each + 1, zone).timestamp()) for each in np.unique(month).tolist()}
    asked, of_tank = codes(_joined(given["site_id"], given["cas"]), _joined(tank["site_id"], tank["cas"]))
    size = int(max(asked.max(initial=0), of_tank.max(initial=0))) + 1
    capacity = numbers(tank["capacity_t"])
    wanted = np.bincount(of_tank, minlength=size).astype(np.float64)
    room = np.bincount(of_tank, capacity, size)
    stock = np.full(len(month), np.nan)
    own, read = codes(tank["tank_id"], hour["tank_id"])
    for each, end in ends.items():  # a few months, not rows
        last = np.flatnonzero((start >= end - 3 * HOUR) & (start < end) & (numbers(hour["good"]) > 0))
        last = last[np.argsort(start[last], kind="stable")]
        level = np.full(int(max(own.max(initial=0), read.max(initial=0))) + 1, np.nan)
        level[read[last]] = numbers(hour["level_last_m"])[last]
        mass = level[own] / np.maximum(numbers(tank["height_m"]), 1e-9) * capacity
        known = np.isfinite(mass)
        total = np.bincount(of_tank[known], mass[known], size)
        seen = np.bincount(of_tank[known], minlength=size)
        whole = np.where((wanted > 0) & (seen == wanted), total, np.nan)
        of = month == each
        stock[of] = np.where(asked[of] >= 0, whole[asked[of]], np.nan)
    return stock, np.where(asked >= 0, room[asked], 0.0)


def _slip(parts: Array, z: Array, sigma: Array, parameters: Parameters) -> pa.Array:
    """The column in which one slip of the pen makes the balance whole; null where none does or nothing is wrong."""
    factors = np.array(SLIPS)[:, None, None]
    changed = SIGNS[:, None] * parts * (factors - 1.0)  # by slip, column, row
    left = np.abs((SIGNS @ parts)[None, None, :] + changed)
    moved = np.abs(changed) > 0
    tight = np.where(moved, left, np.inf) / np.minimum(
        sigma, number(parameters, "slip_share") * np.abs(parts).max(axis=0) + 0.05
    )
    best = tight.min(axis=0)
    column = best.argmin(axis=0)
    found = (best.min(axis=0) < 1.0) & (np.abs(z) > number(parameters, "slip_sigma"))
    return pa.array(PARTS).take(pa.array(column, mask=~found))

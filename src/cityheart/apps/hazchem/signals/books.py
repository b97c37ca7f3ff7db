"""What the books say and whether they agree: shipments of waste, returns of a month, flows of controlled chemicals.

Pure functions over the tables of the lake, as known at one moment: no clock, no state, no loop over rows. A table may be
empty; what is missing takes no part.

Masses are tonnes unless a name ends in ``_kg``; moments are UTC; months and days are those of the city's calendar.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import cast
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from cityheart.apps.hazchem.signals import licences

__all__ = ["chance", "looked_up", "numbers", "overlapping", "seconds", "shipments", "site_of"]

Array = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Column = pa.ChunkedArray | pa.Array
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


def _rank(key: Whole, at: Whole, of: Whole, moment: Whole, side: str) -> Whole:
    """Where (of, moment) belongs among (key, at), sorted."""
    span = np.int64(1) << 34  # more seconds than any date has
    clipped = np.clip(moment, 0, span - 1)
    found = np.searchsorted(key * span + np.clip(at, 0, span - 1), of * span + clipped, side=cast("str", side))  # type: ignore[call-overload]
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

"""Shipments of hazardous waste, followed by what was received, by the truck's tracks and by the receiver's licence.

Pure functions over the tables of the lake, as known at one moment. Masses are tonnes, moments UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cityheart.apps.hazchem.signals import licences
from cityheart.apps.hazchem.signals.books import (
    DAY,
    EPOCH,
    HOUR,
    NEVER,
    Array,
    Column,
    Flags,
    Parameters,
    Whole,
    chance,
    codes,
    day_numbers,
    joined,
    looked_up,
    number,
    numbers,
    overlapping,
    plain,
    present,
    seconds,
    site_of,
)

__all__ = ["PARAMETERS", "SHIPMENTS", "shipments"]

PARAMETERS: Mapping[str, object] = {
    "lighter_share": 0.05,  # of the weight shipped: the contract of the transfer
    "weighbridge_share": 0.006,  # of the weight: two scales of class III, one at each end
    "rounding_t": 0.0075,  # two weights written to 10 kg
    "wait_h": 72.0,  # h after shipping before a truck that was not seen is missed
    "wait_emptied_h": 24.0,  # h, when it was seen to be emptied elsewhere
    "collect_h": 6.0,  # h within which a truck collects several loads for one receiver
    "tracked_share": 0.8,  # of the day after shipping that tracks must cover
    "seen_share": 0.5,  # of the hour before a truck was empty that they must cover, to say that it was emptied there
    "renewal_days": 5,  # days within which a renewal may be entered late
    "strangers_share": 0.1,  # of shipments to receivers in no register, above which these are no sign
    "unlicensed_registered": 0.95,  # probability, when the receiver is in the register without such a licence
    # log-odds that a shipment is lost
    "prior": -3.2,  # one in twenty-five of those that are not seen at their receiver
    "unseen_most": 3.5,  # at most for "not seen", however well visits are seen
    "left": 1.0,  # the truck was at the producer
    "elsewhere": -1.0,  # it was not: another truck may have gone
    "emptied": 2.5,  # it was emptied somewhere else
    "receipt": -2.0,  # the receiver reports that it arrived, or the waybill of the trip that it was unloaded there
    "raise": 0.5,  # probability from which a case is raised
    "keep_days": 14,  # days after the manifest was last changed for which it is shown
    "crime_t": 3.0,  # t from which the level is orange
}
"""What the detector ``waste_leak`` goes by."""

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
        ("updated_at", pa.timestamp("us", tz="UTC")),
    ]
)
"""``light``, ``unlicensed`` and ``lost`` are probabilities; ``settled`` says that the time to wait for the truck is over."""


def shipments(tables: Mapping[str, pa.Table], now: datetime, zone: ZoneInfo, parameters: Parameters) -> pa.Table:
    """Every manifest with what is wrong with it: a table of :data:`SHIPMENTS` in order of shipping.

    Takes ``waste_manifest``, ``approval_firm``, ``approval_site``, ``approval_licence``, ``transport_vehicle``,
    ``transport_visit``, ``transport_stay``, ``transport_trip`` and ``transport_waybill``; the parameters of the detector
    ``waste_leak``.
    """
    manifest = tables["waste_manifest"]
    manifest = manifest.filter(pc.less_equal(manifest["shipped_at"], pa.scalar(now, pa.timestamp("us", tz="UTC"))))
    manifest = manifest.sort_by([("shipped_at", "ascending"), ("manifest_no", "ascending")])
    if not manifest.num_rows:
        return SHIPMENTS.empty_table()
    firm, site = tables["approval_firm"], tables["approval_site"]
    site_id = site_of(manifest["producer_uscc"], manifest["producer_site"], firm, site, sole=True)
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
    day = day_numbers(licences.local_date(manifest["shipped_at"], zone))
    today = now.astimezone(zone).date().toordinal() - EPOCH
    grace = int(number(parameters, "renewal_days"))
    receiver, licensed = codes(manifest["receiver_uscc"], holder)
    first, last = day_numbers(spans["first"]), day_numbers(spans["last"])
    zero = np.zeros(len(day), dtype=np.int64)
    shipment, licence = overlapping(receiver, zero, zero + NEVER, licensed, first * 0)
    good = np.zeros(len(day), dtype=np.bool_)
    covered = (first[licence] <= day[shipment]) & (day[shipment] <= last[licence])
    pending = (last[licence] < day[shipment]) & (today <= last[licence] + grace)
    good[shipment[covered | pending]] = True
    registered = np.asarray(pc.is_in(manifest["receiver_uscc"], plain(firm["uscc"])))
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
    visit, stay, trip = (_standing(tables[f"transport_{each}"], phone) for each in ("visit", "stay", "trip"))
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
    # What the truck did before it came to load belongs to an earlier shipment; manifests are entered up to hours off.
    loading = at - 2 * HOUR
    before = here & (since[other] <= at[one] + HOUR)
    np.maximum.at(loading, one[before], since[other][before])
    one, other = overlapping(truck, loading, until, visit_truck, since)
    arrived = np.zeros(len(at), dtype=np.bool_)
    arrived[one[(receiver[one] == host[other]) & (receiver[one] >= 0)]] = True
    emptied, lon, lat = _emptied(truck, at, np.minimum(until, moment), stay, stay_truck, trip, parameters)
    covered = _covered(phone, at, np.minimum(at + DAY, moment), 7 * DAY, stay, trip)
    enough = covered >= number(parameters, "tracked_share")
    known_place = np.asarray(
        pc.is_in(manifest["receiver_uscc"], looked_up(site["firm_id"], firm["firm_id"], firm["uscc"]).drop_null())
    )
    tracked = enough & known_place & (truck >= 0)
    open_ = ~present(manifest["received_t"]) & ~present(manifest["received_at"])
    open_ &= ~_unloaded(manifest, at, until, tables["transport_waybill"])
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


def _standing(track: pa.Table, phone: pa.Array) -> pa.Table:
    """Rows of the tracks of these vehicles that were not withdrawn."""
    track = track.filter(pc.is_in(track["terminal_phone"], pc.unique(phone).drop_null()))
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


def _unloaded(manifest: pa.Table, at: Whole, until: Whole, waybill: pa.Table) -> Flags:
    """Which shipments a finished waybill of the truck says were unloaded at the receiver."""
    waybill = waybill.filter(pc.and_(pc.equal(waybill["status"], "完成"), pc.is_valid(waybill["unloaded_at"])))
    trip, told = codes(
        joined(manifest["plate"], manifest["receiver_uscc"]), joined(waybill["plate"], waybill["consignee_uscc"])
    )
    one, _ = overlapping(trip, at, until, told, seconds(waybill["unloaded_at"]))
    found = np.zeros(len(at), dtype=np.bool_)
    found[one] = True
    return found


def _emptied(
    truck: Whole,
    at: Whole,
    until: Whole,
    stay: pa.Table,
    stay_truck: Whole,
    trip: pa.Table,
    parameters: Parameters,
) -> tuple[Whole, Array, Array]:
    """The first stay after shipping at which the load went: its time (``NEVER`` if none) and place.

    After a hole in the tracks nobody knows where it went.
    """
    gone = (numbers(stay["load_before"]) > 0) & (numbers(stay["load_after"]) == 0)
    gone &= np.isfinite(numbers(stay["lon"])) & np.isfinite(numbers(stay["lat"]))
    those = stay.filter(pa.array(gone))
    since = seconds(those["since"])
    seen = _covered(those["terminal_phone"], since - HOUR, since, DAY, stay, trip)
    gone[gone] = seen >= number(parameters, "seen_share")
    one, other = overlapping(truck, at + 60, until, np.where(gone, stay_truck, -2), seconds(stay["since"]))
    moment, lon, lat = np.full(len(at), NEVER), np.full(len(at), np.nan), np.full(len(at), np.nan)
    one, other = one[::-1], other[::-1]  # the first of each is written last
    moment[one] = seconds(stay["since"])[other]
    lon[one], lat[one] = numbers(stay["lon"])[other], numbers(stay["lat"])[other]
    return moment, lon, lat


def _covered(phone: Column, low: Whole, high: Whole, longest: int, stay: pa.Table, trip: pa.Table) -> Array:
    """Which share of each time (s) a truck's stays and trips cover; none is looked for that began ``longest`` before."""
    track = pa.concat_tables([each.select(["terminal_phone", "since", "until"]) for each in (stay, trip)])
    truck, key = codes(phone, track["terminal_phone"])
    since, until = seconds(track["since"]), seconds(track["until"])
    one, other = overlapping(truck, low - longest, high, key, since)
    shared = np.minimum(until[other], high[one]) - np.maximum(since[other], low[one])
    total = np.bincount(one, np.maximum(shared, 0), len(low))
    return np.asarray(np.minimum(total / np.maximum(high - low, 1), 1.0), dtype=np.float64)

"""Operating on after the last licence for it has ended.

Each kind of firm needs its licence (``signals/licences.py`` says which): production 安全生产许可证, trade and storage
危险化学品经营许可证, use 危险化学品安全使用许可证, road transport 危险货物道路运输经营许可证, disposal of waste
危险废物经营许可证. All licences in force for the activity count together, those of the site and those of the firm.

Signals that it goes on, each from another department: days on which the plant ran (power, emissions, tanks:
``signals/activity.py``), waybills loaded and unloaded there, manifests of waste received, deals in controlled chemicals;
for a carrier loaded trips of its vehicles, waybills and manifests.

Innocent, and how it is excluded: a renewal entered up to five days late (nothing before the sixth day), a renewal under
another number or a second licence (they cover), a firm that stopped before (no days at work, no deliveries; emptying a
store counts half), one that is registered as closed (more signals are needed), power for maintenance (judged by ``activity``),
empty trips. One signal alone never raises a case.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cityheart.apps.hazchem import law
from cityheart.apps.hazchem.signals import activity, licences, shown
from cityheart.apps.hazchem.signals.books import (
    EPOCH,
    HOUR,
    NEVER,
    Array,
    Flags,
    Whole,
    chance,
    codes,
    day_numbers,
    looked_up,
    number,
    numbers,
    overlapping,
    plain,
    seconds,
    site_of,
)
from cityheart.sdk import ALL_TIME, Input, Sighting, SubjectRef, Text, View, counted, text

__all__ = ["INPUTS", "PARAMETERS", "ExpiredLicence", "detectors", "operating"]

_SIGNALS = timedelta(days=31)
_FAR = date(9000, 1, 1)
_REGISTERS = {
    "approval_site": ("site_id", "firm_id", "name", "lon", "lat"),
    "approval_firm": ("firm_id", "uscc", "name", "kind", "status"),
}
_STANDING = {"emission_outlet", "hazard_tank"}
INPUTS: Mapping[str, Input] = {
    **{name: Input(ALL_TIME, columns) for name, columns in _REGISTERS.items()},
    "approval_licence": Input(ALL_TIME),
    "transport_vehicle": Input(ALL_TIME, ("plate", "terminal_phone", "carrier_uscc")),
    "transport_trip": Input(_SIGNALS, ("terminal_phone", "since", "loaded_s", "state")),
    "waste_manifest": Input(_SIGNALS, ("manifest_no", "carrier_uscc", "receiver_uscc", "shipped_at", "received_at")),
    "police_flow": Input(_SIGNALS, ("flow_id", "kind", "seller_uscc", "buyer_uscc", "occurred_at")),
    "transport_waybill": Input(_SIGNALS, ahead=timedelta(days=1)),
    **{
        name: Input(ALL_TIME if name in _STANDING else _SIGNALS, columns)
        for name, columns in activity.INPUTS.items()
        if name not in _REGISTERS and name != "transport_waybill"
    },
}

PARAMETERS: Mapping[str, object] = {
    "renewal_days": 5,  # days within which a renewal may be entered late
    "days": 30,  # local days of signals that are looked at
    "running": 0.65,  # probability from which a day counts as one at work
    "keep_days": 14,  # days for which a lapse that a renewal ended is shown
    "long_days": 30,  # days from which the level is orange
    # log-odds
    "prior": -2.4,
    "day": 1.2,  # for each day at work, up to most_days
    "most_days": 4,
    "event": 1.2,  # for each delivery, load, deal or trip, up to most_events
    "most_events": 4,
    "out_share": 0.5,  # what a load taken away counts where a store may be emptied: not in trade
    "idle": -1.5,  # days are known, and none of them was at work
    "closed": -1.5,  # registered as closed or struck off
    "raise": 0.5,
}

OPERATING = pa.schema(
    [
        *licences.LAPSES,
        ("since", pa.int64()),
        ("until", pa.int64()),
        ("days", pa.int64()),
        ("known_days", pa.int64()),
        ("brought", pa.int64()),
        ("taken", pa.int64()),
        ("other", pa.int64()),
        ("first_at", pa.int64()),
        ("last_at", pa.int64()),
        ("probability", pa.float64()),
    ]
)
"""Lapses with what was seen in them: ``days`` at work among ``known_days``, goods ``brought`` and ``taken``, ``other`` deals,
manifests and trips; ``since``/``until`` the lapse in s, ``first_at``/``last_at`` the first and last event in s."""


def lapsed(tables: Mapping[str, pa.Table], now: datetime, zone: ZoneInfo, parameters: Mapping[str, object]) -> pa.Table:
    """The lapses that have gone on beyond the days of grace and that the window of signals touches."""
    found = licences.lapses(tables["approval_licence"], tables["approval_site"], tables["approval_firm"], zone)
    today = now.astimezone(zone).date().toordinal() - EPOCH
    last = day_numbers(found["last"])
    entered = np.asarray(pc.is_valid(found["renewed"]))
    renewed = np.where(entered, day_numbers(pc.fill_null(found["renewed"], _FAR)), NEVER)
    grace, days = int(number(parameters, "renewal_days")), int(number(parameters, "days"))
    open_days = np.minimum(renewed, today + 1) - last - 1
    return found.filter(pa.array((open_days > grace) & (renewed > today - days)))


def operating(
    lapses: pa.Table,
    tables: Mapping[str, pa.Table],
    running: pa.Table,
    now: datetime,
    zone: ZoneInfo,
    parameters: Mapping[str, object],
) -> pa.Table:
    """What was seen in each lapse and how surely it was operation: a table of :data:`OPERATING`.

    ``running`` is what :func:`activity.activity` gives.
    """
    if not lapses.num_rows:
        return OPERATING.empty_table()
    firm, site = tables["approval_firm"], tables["approval_site"]
    since = _midnights(lapses["last"], zone, after=1)
    until = np.where(
        np.asarray(pc.is_valid(lapses["renewed"])),
        _midnights(pc.fill_null(lapses["renewed"], _FAR), zone, after=0),
        int(now.timestamp()) + 1,
    )
    until = np.minimum(until, int(now.timestamp()) + 1)
    kinds = lapses["firm_kind"]
    events = _events(tables, firm, site)
    who, what = codes(lapses["holder"], events["holder"])
    one, other = overlapping(who, since, until - 1, what, np.asarray(events["at"]))
    sort, moment = np.asarray(events["sort"])[other], np.asarray(events["at"])[other]
    count = len(since)
    brought, taken, others = (np.bincount(one[sort == n], minlength=count) for n in range(3))
    first, last = np.full(count, NEVER), np.full(count, -1)
    np.minimum.at(first, one, moment)
    np.maximum.at(last, one, moment)
    worked, known = _days_at_work(lapses, running, since, until, zone, parameters)
    trade = np.asarray(pc.is_in(plain(kinds), pa.array(["dealer", "storage", "carrier"])))
    weight = brought + others + np.where(trade, 1.0, number(parameters, "out_share")) * taken
    closed = np.asarray(
        pc.not_equal(looked_up(lapses["firm_id"], firm["firm_id"], firm["status"]), "在业").fill_null(False),
        dtype=np.bool_,
    )
    odds = number(parameters, "prior") + number(parameters, "event") * np.minimum(
        weight, number(parameters, "most_events")
    )
    odds = odds + number(parameters, "day") * np.minimum(worked, number(parameters, "most_days"))
    odds = odds + np.where((known >= 3) & (worked == 0), number(parameters, "idle"), 0.0)
    odds = odds + np.where(closed, number(parameters, "closed"), 0.0)
    seen = (worked + brought + taken + others) >= 2
    columns = [since, until, worked, known, brought, taken, others, first, last]
    made = [*(lapses[name] for name in licences.LAPSES.names), *(pa.array(each.astype(np.int64)) for each in columns)]
    return pa.table([*made, pa.array(np.where(seen, chance(odds), 0.0))], schema=OPERATING)


def _midnights(days: pa.ChunkedArray, zone: ZoneInfo, after: int) -> Whole:
    """The first second of each day (or of the one ``after`` it) by the city's clock."""
    unique, inverse = np.unique(day_numbers(days), return_inverse=True)
    moments = [
        int(datetime.combine(date.fromordinal(EPOCH + day + after), time(), tzinfo=zone).timestamp())
        for day in unique.tolist()  # days, not rows
    ]
    return np.array(moments, dtype=np.int64)[inverse]


def _events(tables: Mapping[str, pa.Table], firm: pa.Table, site: pa.Table) -> pa.Table:
    """Every event that shows a holder at work: ``holder``, ``at`` (s), ``sort`` (0 brought, 1 taken, 2 other)."""
    waybill, manifest, flow = tables["transport_waybill"], tables["waste_manifest"], tables["police_flow"]
    waybill = waybill.filter(pc.not_equal(waybill["status"], "作废"))
    carrier = looked_up(waybill["carrier_uscc"], firm["uscc"], firm["firm_id"])
    unload = site_of(waybill["consignee_uscc"], waybill["unload_site"], firm, site)
    load = site_of(waybill["consignor_uscc"], waybill["load_site"], firm, site)
    # A firm's only site stands for the firm in books that know firms alone.
    counted = pc.value_counts(site["firm_id"])
    single = counted.field("values").filter(pc.equal(counted.field("counts"), 1))
    sole = site.filter(pc.is_in(site["firm_id"], single))
    owner = looked_up(sole["firm_id"], firm["firm_id"], firm["uscc"])
    phone = tables["transport_vehicle"]
    trip = tables["transport_trip"]
    trip = trip.filter(pc.and_(pc.not_equal(trip["state"], "withdrawn"), pc.greater(trip["loaded_s"], 0.5 * HOUR)))
    driver = looked_up(trip["terminal_phone"], phone["terminal_phone"], phone["carrier_uscc"])
    holder = pc.if_else(pc.is_in(flow["kind"], pa.array(["sale", "transfer"])), flow["seller_uscc"], flow["buyer_uscc"])
    parts: list[tuple[pa.Array, pa.ChunkedArray | pa.Array, int]] = [
        (unload, waybill["unloaded_at"], 0),
        (load, waybill["loaded_at"], 1),
        (carrier, waybill["loaded_at"], 2),
        (looked_up(manifest["carrier_uscc"], firm["uscc"], firm["firm_id"]), manifest["shipped_at"], 2),
        (looked_up(manifest["receiver_uscc"], owner, sole["site_id"]), manifest["received_at"], 0),
        (looked_up(holder, owner, sole["site_id"]), flow["occurred_at"], 2),
        (looked_up(driver, firm["uscc"], firm["firm_id"]), trip["since"], 2),
    ]
    tables_of = [
        pa.table({"holder": who, "at": pa.array(seconds(at)), "sort": pa.array(np.full(len(who), sort))})
        for who, at, sort in parts
    ]
    every = pa.concat_tables(tables_of)
    return every.filter(pc.and_(pc.is_valid(every["holder"]), pc.less(every["at"], NEVER)))


def _days_at_work(
    lapses: pa.Table,
    running: pa.Table,
    since: Whole,
    until: Whole,
    zone: ZoneInfo,
    parameters: Mapping[str, object],
) -> tuple[Whole, Whole]:
    """Days of each lapse on which the site ran, and days of which plant signals are known; traffic is counted as events."""
    plant = [pc.is_valid(running[name]) for name in ("power_ratio", "emission_ratio", "tank_turnover")]
    running = running.filter(pc.or_(plant[0], pc.or_(plant[1], plant[2])))
    who, what = codes(lapses["holder"], running["site_id"])
    noon = _midnights(running["day"], zone, after=0) + 12 * HOUR if running.num_rows else np.empty(0, dtype=np.int64)
    sure: Array = numbers(running["running"])
    one, other = overlapping(who, since, until - 1, what, noon)
    at_work: Flags = sure[other] >= number(parameters, "running")
    known = np.isfinite(sure[other])
    count = len(since)
    return np.bincount(one[at_work], minlength=count), np.bincount(one[known], minlength=count)


@dataclass(frozen=True)
class ExpiredLicence:
    """A case for each lapse: from the day after the licence's last day until it is renewed."""

    parameters: Mapping[str, object] = field(default_factory=lambda: PARAMETERS)
    id: str = "hazchem.expired_licence"
    title: Text = field(default_factory=lambda: text("许可过期仍在经营", "Operating after a licence has ended"))
    kind: str = "expired_licence"
    inputs: Mapping[str, Input] = field(default_factory=lambda: INPUTS)
    every: timedelta = timedelta(hours=12)
    phase: timedelta = timedelta(hours=2)

    @law.grounded
    def look(self, view: View) -> Sequence[Sighting]:
        """All holders that went on without a licence, as of the view."""
        names = ("approval_licence", "approval_site", "approval_firm")
        tables = {name: view.rows(name) for name in names}
        found = lapsed(tables, view.now, view.zone, self.parameters)
        if not found.num_rows:
            return ()
        tables |= {name: view.rows(name) for name in self.inputs if name not in tables}
        running = self._running(found, tables, view)
        judged = operating(found, tables, running, view.now, view.zone, self.parameters)
        keep = timedelta(days=number(self.parameters, "keep_days"))
        register = _Register(tables["approval_site"], tables["approval_firm"])
        sightings = []
        for row in judged.filter(pc.greater_equal(judged["probability"], number(self.parameters, "raise"))).to_pylist():
            case = self._sighting(row, register, view)
            if case.end is None or case.end + keep > view.now:
                sightings.append(case)
        return sightings

    def _running(self, found: pa.Table, tables: Mapping[str, pa.Table], view: View) -> pa.Table:
        """On which days sites ran. The time of a lapse is not the site's usual."""
        sites = found.filter(pc.not_equal(found["firm_kind"], "carrier"))
        if not sites.num_rows:
            return activity.OUTPUT.empty_table()
        stamp = pa.timestamp("us", tz="UTC")
        since = pa.array(_midnights(sites["last"], view.zone, after=1) * 1_000_000).cast(stamp)
        stopped = pa.table({"site_id": sites["holder"], "since": since, "until": pa.nulls(len(since), stamp)})
        settings = {**activity.PARAMETERS, "days": int(number(self.parameters, "days"))}
        holders = [str(each) for each in sites["holder"].to_pylist()]
        return activity.evaluate(tables, view.now, view.zone, settings, stopped, focus=holders).table()

    def _sighting(self, row: dict[str, Any], register: _Register, view: View) -> Sighting:
        start = datetime.combine(row["last"] + timedelta(days=1), time(), tzinfo=view.zone)
        end = None if row["renewed"] is None else datetime.combine(row["renewed"], time(), tzinfo=view.zone)
        days = ((end or view.now) - start).days
        return Sighting(
            subject=register.subject(row),
            level=2 if days >= number(self.parameters, "long_days") else 3,
            start=start.astimezone(view.now.tzinfo),
            end=None if end is None else end.astimezone(view.now.tzinfo),
            score=row["probability"],
            reasons=tuple(_reasons(row, days, view.zone)),
            evidence=(_evidence(row, view),),
            case=row["last"].isoformat(),
        )


class _Register:
    """Names and codes of sites and firms."""

    def __init__(self, site: pa.Table, firm: pa.Table) -> None:
        self._sites = dict(zip(site["site_id"].to_pylist(), site["name"].to_pylist(), strict=True))
        rows = zip(*(firm[name].to_pylist() for name in ("firm_id", "uscc", "name")), strict=True)
        self._firms = {firm_id: (uscc, name) for firm_id, uscc, name in rows}

    def subject(self, row: Mapping[str, Any]) -> SubjectRef:
        """The site, or the carrier as a firm."""
        if row["firm_kind"] == "carrier":
            uscc, name = self._firms[row["holder"]]
            return SubjectRef("firm", uscc, text(name, name))
        return shown.site(row["holder"], self._sites)


def _reasons(row: Mapping[str, Any], days: int, zone: ZoneInfo) -> list[Text]:
    last, renewed = row["last"].isoformat(), row["renewed"]
    reasons = [
        text(
            f"{row['kind']} {row['licence_no']} 有效期至 {last}，"
            + ("此后没有续证。" if renewed is None else f"下一证自 {renewed.isoformat()} 起。"),
            f"Licence {row['licence_no']} ({row['kind']}) was valid to {last}; "
            + ("none is entered after it." if renewed is None else f"the next begins on {renewed.isoformat()}."),
        )
    ]
    if row["days"]:
        reasons.append(
            text(
                f"此后 {row['known_days']} 天中有 {row['days']} 天判为正在生产经营（用电、排放、储罐）。",
                f"It ran on {row['days']} of {counted(row['known_days'], 'day')} since (power, emissions, tanks).",
            )
        )
    if row["brought"] or row["taken"]:
        reasons.append(
            text(
                f"此后运单与联单：运入 {row['brought']} 次，运出 {row['taken']} 次。",
                f"Since then waybills and manifests show {counted(row['brought'], 'delivery', 'deliveries')} and "
                f"{counted(row['taken'], 'load')} taken.",
            )
        )
    if row["other"]:
        zh, en = (
            ("载货运输", "loaded trips and papers")
            if row["firm_kind"] == "carrier"
            else ("流向报告", "controlled flows")
        )
        reasons.append(text(f"此后{zh} {row['other']} 次。", f"Since then {row['other']} {en}."))
    if row["last_at"] > 0:
        at = shown.clock(shown.moment(row["last_at"] * 1e6), zone)
        reasons.append(
            text(f"最近一次在 {at}，已过期 {days} 天。", f"The last was at {at}; it has been {counted(days, 'day')}.")
        )
    return reasons


def _evidence(row: Mapping[str, Any], view: View) -> Mapping[str, object]:
    columns = ["licence_no", "kind", "last", "renewed", "days", "known_days", "brought", "taken", "other"]
    cells = [row[name].isoformat() if isinstance(row[name], date) else row[name] for name in columns]
    title = text("许可证与此后的活动", "The licence, and what was seen after it")
    return shown.rows(title, "approval_licence", "approval-registry.licence", view.now, columns, [cells])


def detectors() -> Sequence[ExpiredLicence]:
    """What this module watches."""
    return (ExpiredLicence(),)

"""Hazardous waste that leaks on its way: never arrives, arrives lighter, or goes to a receiver without a licence.

The Law on solid waste (2020) asks for a manifest with every transfer (art. 82) and forbids giving hazardous waste to anybody
without a licence (art. 80). Dumping three tonnes or more is a crime (interpretation 法释〔2023〕7号, art. 1).

Signals and what excludes innocence:

- *lost*: no receipt, and the truck, whose tracks cover the day, was at the producer and not at any site of the receiver
  before its next load. A receipt that is only missing is innocent when the truck was there; a truck without tracks, or
  one that never was at the producer (a wrong plate), says nothing. How much "not seen" weighs is learnt from shipments
  that were received. Being emptied elsewhere weighs more, and then a receipt on paper does not help.
- *light*: received less than 95 % of what was shipped, by the two weighbridges' errors and rounding.
- *unlicensed*: no 危险废物经营许可证 of the receiver on the day of shipping. Renewals may be entered five days late. A receiver
  in no register counts only where nearly all receivers are registered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cityheart.apps.hazchem import law
from cityheart.apps.hazchem.signals import shown, waste
from cityheart.apps.hazchem.signals.books import DAY, number, numbers, seconds
from cityheart.sdk import ALL_TIME, Input, Sighting, SubjectRef, Text, View, text

__all__ = ["INPUTS", "WasteLeak", "detectors"]

SIGNS = ("lost", "light", "unlicensed")
SHOWN = 50
"""Manifests of a case that are shown, the latest."""

_TRACK = timedelta(days=12)
INPUTS: Mapping[str, Input] = {
    "waste_manifest": Input(timedelta(days=40)),
    "approval_firm": Input(ALL_TIME, ("firm_id", "uscc", "name")),
    "approval_site": Input(ALL_TIME, ("site_id", "firm_id", "name", "lon", "lat")),
    "approval_licence": Input(ALL_TIME),
    "transport_vehicle": Input(ALL_TIME, ("plate", "terminal_phone")),
    "transport_visit": Input(_TRACK, ("terminal_phone", "since", "layer", "place", "load_before", "state")),
    "transport_stay": Input(
        _TRACK, ("terminal_phone", "since", "until", "lon", "lat", "load_before", "load_after", "state")
    ),
    "transport_trip": Input(_TRACK, ("terminal_phone", "since", "until", "state")),
    "transport_waybill": Input(_TRACK, ("plate", "consignee_uscc", "unloaded_at", "status"), ahead=timedelta(days=1)),
}


@dataclass(frozen=True)
class WasteLeak:
    """A case for each manifest: ``start`` when it was shipped, ``end`` when it was received or should have been.

    What only went to a receiver without a licence is one case a producer and receiver, from the first shipment to the last.
    """

    parameters: Mapping[str, object] = field(default_factory=lambda: waste.PARAMETERS)
    id: str = "hazchem.waste_leak"
    title: Text = field(default_factory=lambda: text("危险废物转移途中流失", "Hazardous waste lost on its way"))
    kind: str = "waste_leak"
    inputs: Mapping[str, Input] = field(default_factory=lambda: INPUTS)
    every: timedelta = timedelta(hours=6)
    phase: timedelta = timedelta(minutes=20)

    @law.grounded
    def look(self, view: View) -> Sequence[Sighting]:
        """All shipments that leaked, as of the view."""
        tables = {name: view.rows(name) for name in self.inputs}
        found = waste.shipments(tables, view.now, view.zone, self.parameters)
        worst = np.max([numbers(found[name]) for name in SIGNS], axis=0) if found.num_rows else np.empty(0)
        shown_until = seconds(found["updated_at"]) + int(number(self.parameters, "keep_days") * DAY)
        known = np.asarray(pc.is_valid(found["site_id"]).to_numpy(zero_copy_only=False), dtype=np.bool_)
        wanted = (worst >= number(self.parameters, "raise")) & known & (shown_until > int(view.now.timestamp()))
        places = _Names(tables)
        sure = number(self.parameters, "raise")
        sightings, unlicensed = [], dict[tuple[str, str], list[dict[str, Any]]]()
        for row in found.filter(pa.array(wanted)).to_pylist():
            if row["lost"] < sure and row["light"] < sure:
                unlicensed.setdefault((row["site_id"], row["receiver_uscc"]), []).append(row)
            else:
                sightings.append(self._sighting(row, places, view))
        return [*sightings, *(self._handed_over(rows, places, view) for rows in unlicensed.values())]

    def _handed_over(self, rows: list[dict[str, Any]], places: _Names, view: View) -> Sighting:
        """All that a producer gave to one receiver without a licence is one matter, however many the shipments."""
        last = rows[-1]
        reasons = _reasons(last, places, view.zone, self.parameters)
        if len(rows) > 1:
            tonnes = sum(row["shipped_t"] for row in rows)
            reasons.append(
                text(
                    f"此类发运共 {len(rows)} 次、{tonnes:.2f} 吨，作为一案处理。",
                    f"{len(rows)} such shipments of {tonnes:.2f} t together are one case.",
                )
            )
        return Sighting(
            subject=SubjectRef("site", last["site_id"], places.site(last["site_id"])),
            level=2,
            start=rows[0]["shipped_at"],
            end=max(row["received_at"] or row["shipped_at"] + timedelta(days=1) for row in rows),
            score=float(max(row["unlicensed"] for row in rows)),
            reasons=tuple(reasons),
            evidence=(_manifests(rows[-SHOWN:], places, view),),
            case=f"unlicensed {last['receiver_uscc']}",
        )

    def _sighting(self, row: dict[str, Any], places: _Names, view: View) -> Sighting:
        chances = {name: row[name] for name in SIGNS}
        sure = number(self.parameters, "raise")
        missing = (
            row["shipped_t"] if row["lost"] >= sure else row["shipped_t"] - (row["received_t"] or row["shipped_t"])
        )
        serious = row["unlicensed"] >= sure or missing >= number(self.parameters, "crime_t")
        end = row["received_at"] or row["shipped_at"] + timedelta(days=1)
        return Sighting(
            subject=SubjectRef("site", row["site_id"], places.site(row["site_id"])),
            level=2 if serious else 3,
            start=row["shipped_at"],
            end=max(end, row["shipped_at"]),
            score=float(max(chances.values())),
            reasons=tuple(_reasons(row, places, view.zone, self.parameters)),
            evidence=tuple(_evidence(row, places, view)),
            case=row["manifest_no"],
        )


class _Names:
    """Names of sites and firms, and where sites are."""

    def __init__(self, tables: Mapping[str, pa.Table]) -> None:
        site, firm = tables["approval_site"], tables["approval_firm"]
        columns = (site[name].to_pylist() for name in ("site_id", "name", "lon", "lat", "firm_id"))
        rows = list(zip(*columns, strict=True))
        self._sites = {site_id: (name, lon, lat) for site_id, name, lon, lat, _ in rows}
        usccs = dict(zip(firm["firm_id"].to_pylist(), firm["uscc"].to_pylist(), strict=True))
        self._firms = dict(zip(firm["uscc"].to_pylist(), firm["name"].to_pylist(), strict=True))
        self._of: dict[str, list[str]] = {}
        for site_id, _, _, _, firm_id in rows:
            self._of.setdefault(usccs.get(firm_id, ""), []).append(site_id)

    def site(self, site_id: str) -> Text:
        """The name of a site."""
        name = self._sites.get(site_id, (site_id, None, None))[0]
        return text(name, name)

    def firm(self, uscc: str) -> str:
        """The name of a firm, its code when it is not registered."""
        return str(self._firms.get(uscc, uscc))

    def place(self, site_id: str) -> dict[str, object] | None:
        """Where a site is, as evidence shows it."""
        name, lon, lat = self._sites.get(site_id, ("", None, None))
        return None if lon is None else {"lon": lon, "lat": lat, "name": text(name, name)}

    def sites_of(self, uscc: str) -> list[str]:
        """The sites of a firm."""
        return self._of.get(uscc, [])


def _reasons(row: dict[str, Any], places: _Names, zone: ZoneInfo, parameters: Mapping[str, object]) -> list[Text]:
    when, receiver = shown.clock(row["shipped_at"], zone), places.firm(row["receiver_uscc"])
    shipped, sure = row["shipped_t"], number(parameters, "raise")
    reasons = [
        text(
            f"联单 {row['manifest_no']}：{when} 由 {row['plate']} 运出 {shipped:.2f} 吨（{row['waste_code']}），"
            f"接收单位 {receiver}。",
            f"Manifest {row['manifest_no']}: {shipped:.2f} t ({row['waste_code']}) left on {row['plate']} at {when} "
            f"for {receiver}.",
        )
    ]
    if row["lost"] >= sure:
        reasons.append(
            text(
                "车辆轨迹未到过接收单位任何厂址，"
                + ("且没有接收记录。" if row["received_t"] is None else "而联单记有接收。"),
                "The truck's track never came to a site of the receiver, "
                + (
                    "and nothing was reported received."
                    if row["received_t"] is None
                    else "though the manifest says it was received."
                ),
            )
        )
        if row["emptied_at"] is not None:
            at = shown.clock(row["emptied_at"], zone)
            where = f"{row['emptied_lon']:.5f}, {row['emptied_lat']:.5f}"
            reasons.append(
                text(
                    f"{at} 车辆在别处（{where}）由载货变为空载。", f"At {at} the truck was emptied elsewhere ({where})."
                )
            )
    if row["light"] >= sure:
        short = 100.0 * (1.0 - row["received_t"] / shipped)
        reasons.append(
            text(
                f"接收 {row['received_t']:.2f} 吨，比发运少 {short:.1f}%，超过 5%。",
                f"{row['received_t']:.2f} t were received, {short:.1f} % less than shipped: more than 5 %.",
            )
        )
    if row["unlicensed"] >= sure:
        reasons.append(
            text(
                "发运之日接收单位没有有效的危险废物经营许可证。",
                "On the day of shipping the receiver had no licence for hazardous waste in force.",
            )
        )
    return reasons


def _manifests(rows: list[dict[str, Any]], places: _Names, view: View) -> Mapping[str, object]:
    columns = ["manifest_no", "waste_code", "shipped_at", "shipped_t", "received_at", "received_t", "plate", "receiver"]
    cells = []
    for row in rows:
        received = None if row["received_at"] is None else shown.iso(row["received_at"])
        told = [row["manifest_no"], row["waste_code"], shown.iso(row["shipped_at"]), row["shipped_t"], received]
        cells.append([*told, row["received_t"], row["plate"], places.firm(row["receiver_uscc"])])
    title = text("危险废物转移联单", "Manifest of hazardous waste")
    return shown.rows(title, "waste_manifest", "ecology-waste.manifest", view.now, columns, cells)


def _evidence(row: dict[str, Any], places: _Names, view: View) -> list[Mapping[str, object]]:
    found: list[Mapping[str, object]] = [_manifests([row], places, view)]
    start = places.place(row["site_id"])
    if row["emptied_at"] is not None and start is not None:
        points = [
            [shown.iso(row["shipped_at"]), start["lon"], start["lat"], 1],
            [shown.iso(row["emptied_at"]), row["emptied_lon"], row["emptied_lat"], 0],
        ]
        ends = [places.place(each) for each in places.sites_of(row["receiver_uscc"])[:20]]
        found.append(
            {
                "type": "track",
                "title": text("装货与卸空的地点", "Where it was loaded and emptied"),
                "plate": row["plate"],
                "points": points,
                "places": [each for each in [start, *ends] if each is not None],
            }
        )
    return found


def detectors() -> Sequence[WasteLeak]:
    """What this module watches."""
    return (WasteLeak(),)

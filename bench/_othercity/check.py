"""``python -m bench._othercity.check CITY``: does the truth follow from what the city delivers, and only the truth?

Reads the delivered rows with full hindsight and applies the contract's definitions literally. For each kind it prints the
cases that the rows do not bear out and the subjects that meet the definition without a case. It is no detector: it knows
which rows are noise (quality, flags, broken packets) only as far as the contract says so, and looks at the whole of time.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bench._othercity import evidence
from bench._othercity.common import DAY, HOUR, Bools, Floats, Ints, gcj, inside, local, month_start, next_month
from bench._othercity.evidence import Row, Way, moment

STOPPING = ("停产停业整顿", "暂扣许可证", "吊销")
WHOLE = ("全厂", "责令停产停业", "停止一切")


@dataclass(slots=True)
class City:
    """The delivered rows that several checks need."""

    path: Path
    truth: dict[str, list[Row]]
    firms: dict[str, Row]
    sites: dict[str, Row]
    licences: list[Row]
    start: float
    end: float
    ways: dict[str, Way] = field(default_factory=dict)
    waybills: list[Row] = field(default_factory=list)
    masses: dict[tuple[str, str], tuple[Floats, Floats]] = field(default_factory=dict)  # site, cas → s, t
    changes: list[tuple[str, float, float, float, int, int]] = field(
        default_factory=list
    )  # plate, s, lon, lat, before, after


Met = list[tuple[str, float, float, str]]  # subject, from, to, what


def _runs(mask: Bools, join: int = 0) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(np.int8), [0]]))).reshape(-1, 2).tolist()
    found: list[tuple[int, int]] = []
    for begin, end in edges:
        if found and begin - found[-1][1] <= join:
            found[-1] = (found[-1][0], end)
        else:
            found.append((begin, end))
    return found


def _allowed(city: City) -> Callable[[str, str, str], float]:
    """t of a chemical (cas) that the licences in force on a day allow a site."""
    chemicals = evidence.table(city.path, "approval-registry", "licensed_chemical", ("licence_no", "cas"))
    limits: dict[tuple[str, str], float] = {(row["licence_no"], row["cas"]): row["max_storage_t"] for row in chemicals}

    def allowed(site: str, cas: str, day: str) -> float:
        firm = city.sites[site]["firm_id"]
        return sum(
            limits.get((row["licence_no"], cas), 0.0)
            for row in city.licences
            if row["firm_id"] == firm
            and row["site_id"] in (site, None)
            and row["status"] == "有效"
            and row["valid_from"] <= day <= row["valid_to"]
        )

    return allowed


def tanks(city: City) -> tuple[Met, Met]:
    """Excursions and storage over the limit."""
    series = evidence.gauges(city.path)
    listed = evidence.drop(city.path, "emergency-hazards")
    excursions: Met = []
    grid = np.arange(city.start, city.end, 600.0)
    mass: dict[tuple[str, str], Floats] = defaultdict(lambda: np.zeros(len(grid)))
    for tank in listed:
        for metric, column in (
            ("level_m", "alarm_level_m"),
            ("temperature_c", "alarm_temperature_c"),
            ("pressure_kpa", "alarm_pressure_kpa"),
        ):
            if (tank["tank_id"], metric) not in series:
                continue
            at, value = series[tank["tank_id"], metric]
            sane = value < (float(tank["height_m"]) if metric == "level_m" else np.inf)
            for begin, end in _runs((value >= 0.97 * float(tank[column])) & sane, 360):
                if at[end - 1] - at[begin] > 600:
                    excursions.append((tank["site_id"], at[begin], at[end - 1], f"{tank['tank_id']} {metric}"))
        at, value = series[tank["tank_id"], "level_m"]
        good = value < float(tank["height_m"])
        mass[tank["site_id"], tank["cas"]] += (
            np.interp(grid, at[good], value[good]) / float(tank["height_m"]) * float(tank["capacity_t"])
        )
    allowed, over = _allowed(city), list[tuple[str, float, float, str]]()
    city.masses = {key: (grid, total) for key, total in mass.items()}
    for (site, cas), total in mass.items():
        days = {d: allowed(site, cas, d) for d in {local(t).date().isoformat() for t in grid.tolist()}}
        limit = np.array([days[local(t).date().isoformat()] for t in grid.tolist()])
        for begin, end in _runs(total > limit * 1.001, 600):
            if end - begin >= 3:
                over.append(
                    (
                        site,
                        grid[begin],
                        grid[end - 1],
                        f"{cas} {float((total[begin:end] / limit[begin:end]).max()):.3f}",
                    )
                )
    return excursions, over


def emissions(city: City) -> tuple[Met, Met]:
    """Hourly means above the limit, and probes that repeat one value for 8 h while there is flow."""
    outlets = {row["mn"]: row for row in evidence.drop(city.path, "ecology-emissions")}
    limits = {
        mn: {k: float(v) for k, v in (pair.split("=") for pair in row["limits"].split(";"))}
        for mn, row in outlets.items()
    }
    flow = {mn: "w00000" if row["kind"] == "废水" else "a00000" for mn, row in outlets.items()}
    series = evidence.readings(city.path, {mn: [*names, flow[mn]] for mn, names in limits.items()})
    over: Met = []
    frozen: Met = []
    for mn, factors in limits.items():
        for factor, limit in factors.items():
            minute, value, flag = series[mn, factor]
            normal = flag == "N"
            hours, number = np.unique(minute[normal] // 60, return_inverse=True)
            count = np.bincount(number, minlength=len(hours))
            mean = np.bincount(number, value[normal], minlength=len(hours)) / np.maximum(count, 1)
            over.extend(
                (outlets[mn]["site_id"], h * HOUR, (h + 1) * HOUR, f"{mn} {factor} {m / limit:.3f}")
                for h, m, c in zip(hours.tolist(), mean.tolist(), count.tolist(), strict=True)
                if m > limit and c >= 45
            )
            same = np.concatenate([[False], (np.diff(value) == 0) & normal[1:] & (np.diff(minute) <= 30)])
            moved = np.interp(minute, *series[mn, flow[mn]][:2])
            for begin, end in _runs(same):
                if minute[end - 1] - minute[begin] >= 470 and (moved[begin:end] > 0).mean() > 0.8:
                    frozen.append((outlets[mn]["site_id"], minute[begin] * 60, minute[end - 1] * 60, f"{mn} {factor}"))
            found = _thin(series[mn, factor], series[mn, flow[mn]])
            frozen.extend((outlets[mn]["site_id"], begin, end, f"{mn} {factor} thin") for begin, end in found)
    return over, frozen


def _thin(value: tuple[Ints, Floats, Any], flow: tuple[Ints, Floats, Any]) -> list[tuple[float, float]]:
    """Eight hours or more in which a running outlet has far less in far more of its flow than it usually has."""
    minute, much, flag = value
    stream = np.interp(minute, flow[0], flow[1])
    runs = (
        (flag == "N") & (stream > 0.3 * np.median(stream[stream > 0]))
        if (stream > 0).any()
        else np.zeros(len(minute), dtype=bool)
    )
    if runs.sum() < 3000:
        return []
    hours, number = np.unique(minute[runs] // 60, return_inverse=True)
    count = np.bincount(number)
    dose, wash = (np.bincount(number, series[runs]) / count for series in (much, stream))
    odd = (dose < 0.68 * np.median(dose)) & (wash > 1.28 * np.median(wash))
    return [(float(hours[a] * HOUR), float(hours[b - 1] * HOUR + HOUR)) for a, b in _runs(odd, 1) if b - a >= 7]


def roads(city: City) -> tuple[Met, Met, Met]:
    """Closed zones, places without a name, trips without a paper."""
    zones: Met = []
    for feature in json.loads((city.path / "zones.geojson").read_text())["features"]:
        ring, closed = np.array(feature["geometry"]["coordinates"][0]), feature["properties"]["closed"]
        for plate, way in city.ways.items():
            hour = ((way.at + 8 * HOUR) % DAY) / HOUR
            shut = np.ones(len(hour), dtype=bool)
            if closed != "always":
                begin, end = (int(part[:2]) for part in closed.split("-"))
                shut = (hour >= begin) & (hour < end) if begin < end else (hour >= begin) | (hour < end)
            for first, last in _runs(inside(way.lon, way.lat, ring) & shut):
                if last - first >= 2:
                    zones.append((plate, way.at[first], way.at[last - 1], feature["properties"]["id"]))
    return zones, _unlicensed(city), _papers(city)


def _near(city: City) -> Callable[[float, float], str | None]:
    """Name of the site, or of the place on a waybill, within 450 m."""
    names = [(row["lon"], row["lat"], key) for key, row in city.sites.items()]
    seen = {(row["load_lon"], row["load_lat"]) for row in city.waybills} | {
        (row["unload_lon"], row["unload_lat"]) for row in city.waybills
    }
    for lon, lat in seen:
        shift = gcj(lon, lat)
        names.append((2 * lon - shift[0], 2 * lat - shift[1], "waybill"))
    places = np.array([(lon * 94.2, lat * 110.9) for lon, lat, _ in names])

    def near(lon: float, lat: float) -> str | None:
        far = np.hypot(*(places - np.array([lon * 94.2, lat * 110.9])).T)
        for some in (slice(0, len(city.sites)), slice(len(city.sites), None)):
            if len(far[some]) and far[some].min() < 0.45:
                return str(names[int(far[some].argmin()) + (some.start or 0)][2])
        return None

    return near


def _changed(city: City) -> None:
    for plate, way in city.ways.items():
        load = way.load.copy()
        for width in (1, 2):  # single reports with another load are loose contacts
            flick = (load[width:-width] != load[: -2 * width]) & (load[: -2 * width] == load[2 * width :])
            load[width:-width][flick] = load[: -2 * width][flick]
        for i in (np.flatnonzero(np.diff(load)) + 1).tolist():
            city.changes.append((plate, way.at[i], way.lon[i], way.lat[i], int(load[i - 1]), int(load[i])))


def _unlicensed(city: City) -> Met:
    near = _near(city)
    lonely = [change for change in city.changes if near(change[2], change[3]) is None]
    found: Met = []
    while lonely:
        _, at, lon, lat, _, _ = lonely[0]
        group = [c for c in lonely if np.hypot((c[2] - lon) * 94.2, (c[3] - lat) * 110.9) < 0.4]
        lonely = [c for c in lonely if c not in group]
        if len(group) >= 2:
            found.append((f"{lon},{lat}", min(c[1] for c in group), max(c[1] for c in group), f"{len(group)} changes"))
        del at
    return found


def _papers(city: City) -> Met:
    near = _near(city)
    valid: dict[str, list[Row]] = defaultdict(list)
    first: dict[str, float] = {}
    newest: dict[str, Row] = {}
    for row in city.waybills:
        first.setdefault(row["waybill_no"], moment(row["_visible_from"]))
        newest[row["waybill_no"]] = row
    for row in newest.values():
        if row["status"] != "作废":
            valid[row["plate"]].append(row)
    found: Met = []
    for plate in city.ways:
        mine = [c for c in city.changes if c[0] == plate]
        for a, b in itertools.pairwise(mine):
            origin, target = near(a[2], a[3]), near(b[2], b[3])
            if not (
                a[4] == 0 and b[5] == 0 and origin and target and "waybill" not in (origin, target) and origin != target
            ):
                continue
            if a[1] + 48 * HOUR > city.end:
                continue  # its paper may still come
            name = city.sites[origin]["name"]
            good = [
                w
                for w in valid[plate]
                if abs(min(moment(w["loaded_at"]), moment(w["planned_departure"])) - a[1]) < 3 * HOUR
                and w["load_site"] == name
                and first[w["waybill_no"]] - a[1] <= 48 * HOUR
            ]
            if not good:
                found.append((plate, a[1], b[1], f"{origin} → {target}"))
    return found


def waste(city: City) -> Met:
    """Manifests that end badly."""
    licensed = {row["firm_id"] for row in city.licences if row["kind"] == "危险废物经营许可证"}
    by_uscc = {row["uscc"]: row["firm_id"] for row in city.firms.values()}
    by_name = {row["name"]: key for key, row in city.sites.items()}
    found: Met = []
    for row in evidence.table(city.path, "ecology-waste", "manifest", ("manifest_no",)):
        shipped, received = moment(row["shipped_at"]), moment(row["received_at"])
        if shipped < city.start:
            continue
        site = by_name[row["producer_site"]]
        if by_uscc.get(row["receiver_uscc"]) not in licensed:
            found.append((site, shipped, received, "unlicensed receiver"))
        elif row["received_t"] is not None and row["received_t"] < 0.95 * row["shipped_t"]:
            found.append((site, shipped, received, f"lighter: {row['received_t'] / row['shipped_t']:.3f}"))
        elif row["received_t"] is None and row["plate"] in city.ways and shipped + 30 * HOUR < city.end:
            way = city.ways[row["plate"]]
            goal = [s for s in city.sites.values() if s["firm_id"] == by_uscc[row["receiver_uscc"]]]
            empty = (way.at > shipped + 900) & (way.load == 0)
            until = way.at[empty][0] if empty.any() else city.end
            part = (way.at > shipped) & (way.at <= until + 1800)
            close = [
                np.hypot((way.lon[part] - s["lon"]) * 94.2, (way.lat[part] - s["lat"]) * 110.9).min() for s in goal
            ]
            if min(close) > 0.5:
                found.append((site, shipped, received, "never arrives"))
    return found


def works(city: City) -> tuple[Met, Met]:
    """Production under orders, operation without a licence, by what the meters say."""
    loads = evidence.loads(city.path)

    def goes_on(site: str, since: float, until: float) -> float:
        """Load in a stretch beyond the base, as a share of what it is otherwise."""
        if site not in loads:
            return float("nan")
        hour, kw = loads[site]
        part = (hour * HOUR >= since) & (hour * HOUR < until)
        before = hour * HOUR < since - 2 * DAY
        if not part.any() or not before.any():
            return float("nan")
        now, then = float(np.nanmean(kw[part])), float(np.nanmean(kw[before]))
        base = min(float(np.nanpercentile(kw, 6)), 0.25 * then)  # a plant that never stands shows no base
        return (now - base) / max(then - base, 1e-6)

    stopped: Met = []
    visits = evidence.table(city.path, "emergency-enforcement", "inspection", ("inspection_id",))
    for row in evidence.table(city.path, "emergency-enforcement", "order", ("order_id",)):
        since, until = (
            moment(row["effective_from"]),
            min(moment(row["effective_to"]), moment(row["lifted_at"]), city.end),
        )
        if row["kind"] not in STOPPING or not row["scope"].startswith(WHOLE) or until < city.start:
            continue
        for site in (
            [row["site_id"]] if row["site_id"] else [k for k, s in city.sites.items() if s["firm_id"] == row["firm_id"]]
        ):
            passed = [
                moment(v["at"])
                for v in visits
                if v["site_id"] == site and v["result"] == "合格" and moment(v["at"]) > since
            ]
            share = goes_on(site, since + 40 * HOUR, min([until, *passed]))
            if share > 0.3:
                stopped.append((site, since, until, f"{share:.2f} of its load"))
    expired: Met = []
    groups: dict[tuple[str, str | None, str], list[Row]] = defaultdict(list)
    for row in city.licences:
        groups[row["firm_id"], row["site_id"], row["kind"]].append(row)
    for (firm, named, kind), rows in groups.items():
        last = max(row["valid_to"] for row in rows if row["status"] == "有效")
        since = moment(f"{last}T00:00:00+08:00") + DAY
        if since > city.end - DAY:
            continue
        uscc = city.firms[firm]["uscc"]
        if kind == "危险货物道路运输经营许可证":
            trips = [
                w
                for w in city.waybills
                if w["carrier_uscc"] == uscc and w["loaded_at"] and moment(w["loaded_at"]) > since + 6 * HOUR
            ]
            expired.extend([(uscc, since, city.end, f"{len(trips)} trips")] if trips else [])
            continue
        for site in [named] if named else [k for k, s in city.sites.items() if s["firm_id"] == firm]:
            share = goes_on(str(site), max(since, city.start), city.end)
            if share > 0.3:
                expired.append((str(site), since, city.end, f"{share:.2f} of its load"))
    return stopped, expired


def months(city: City) -> tuple[Met, Met]:
    """Returns against themselves, waybills and tanks; police flows against stocks."""
    returns = evidence.table(city.path, "approval-registry", "monthly_return", ("site_id", "month", "cas"))
    month = max(row["month"] for row in returns)
    begin, end = float(month_start(month)), float(month_start(next_month(month)))
    newest = {row["waybill_no"]: row for row in city.waybills}
    moved: dict[tuple[str, str, str], float] = defaultdict(float)
    loose: dict[tuple[str, str, str], float] = defaultdict(float)
    un = {row["un_number"]: row["cas"] for row in city.waybills if row["cas"]}
    for row in newest.values():
        cas = row["cas"] or un.get(row["un_number"])
        if row["status"] == "作废":
            continue
        for way, place, at in (
            ("out", "load_site", moment(row["loaded_at"])),
            ("in", "unload_site", moment(row["unloaded_at"] or row["planned_arrival"])),
        ):
            if min(abs(at - begin), abs(at - end)) < 3 * HOUR:  # either month may count it
                loose[way, row[place], str(cas)] += row["quantity_t"]
            if begin <= at < end:
                moved[way, row[place], str(cas)] += row["quantity_t"]
    odd: Met = []
    stock: dict[tuple[str, str], float] = defaultdict(float)
    for row in returns:
        if row["month"] != month:
            continue
        site = city.sites[row["site_id"]]
        firm = city.firms[site["firm_id"]]
        stock[firm["uscc"], row["cas"]] += row["closing_t"] - row["opening_t"]
        into, out = (
            row["opening_t"] + row["produced_t"] + row["purchased_t"],
            row["used_t"] + row["sold_t"] + row["disposed_t"] + row["closing_t"],
        )
        through = max(row["produced_t"] + row["purchased_t"], row["used_t"] + row["sold_t"], 1.0)
        gaps = {"unbalanced": into - out}
        if (row["site_id"], row["cas"]) in city.masses:
            gaps["stock"] = row["closing_t"] - float(np.interp(end, *city.masses[row["site_id"], row["cas"]]))
        if firm["kind"] != "storage":
            gaps["bought"] = moved["in", site["name"], row["cas"]] - row["purchased_t"]
        if firm["kind"] not in ("storage", "dealer"):
            gaps["sold"] = moved["out", site["name"], row["cas"]] - row["sold_t"]
        for name, gap in gaps.items():
            way = {"bought": "in", "sold": "out"}.get(name, "")
            gap = max(abs(gap) - loose[way, site["name"], row["cas"]], 0.0)
            if abs(gap) > 0.055 * through and abs(gap) > (0.25 if through < 30 else 6.0):
                odd.append((row["site_id"], begin, end, f"{row['cas']} {name} {gap:.1f} of {through:.1f} t"))
    diverted: Met = []
    book: dict[tuple[str, str], dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for row in {row["flow_id"]: row for row in evidence.lines(city.path, "police-controlled", "flow")}.values():
        if begin <= moment(row["occurred_at"]) < end:
            who = row["seller_uscc"] if row["kind"] in ("sale", "transfer") else row["buyer_uscc"]
            book[who, row["cas"]][row["kind"]] += row["quantity_kg"] / 1000.0
            if row["kind"] == "transfer":
                book[row["buyer_uscc"], row["cas"]]["purchase"] += row["quantity_kg"] / 1000.0
    for (who, cas), flow in book.items():
        left = flow["purchase"] - flow["sale"] - flow["use"] - flow["loss"] - flow["transfer"] - stock[who, cas]
        if left > 0.08 * flow["purchase"] and left > 0.03:
            diverted.append((who, begin, end, f"{cas} {left:.3f} of {flow['purchase']:.3f} t"))
    return odd, diverted


def compare(city: City, kind: str, met: Met) -> tuple[int, int]:
    """Print what does not fit between the truth and what meets the definition; cases not borne out, subjects without a case."""
    cases, used = city.truth.get(kind, []), set[int]()
    bare = 0
    for case in cases:
        hits = [
            i
            for i, (subject, begin, end, _) in enumerate(met)
            if _same(kind, case["subject"], subject) and begin <= case["to"] + HOUR and end >= case["from"] - HOUR
        ]
        used.update(hits)
        if not hits:
            bare += 1
            print(f"  {kind}: {case['case_id']} {case['subject']} is not borne out ({case['detail']})")
    extra = sorted({(met[i][0], met[i][3]) for i in range(len(met)) if i not in used})
    for subject, what in extra:
        print(f"  {kind}: {subject} without a case: {what}")
    print(f"{kind}: {len(cases)} cases, {bare} not borne out, {len(extra)} without a case")
    return bare, len(extra)


def _same(kind: str, a: str, b: str) -> bool:
    if kind != "unlicensed_site":
        return a == b
    (x, y), (u, v) = (map(float, text.split(",")) for text in (a, b))
    return bool(np.hypot((x - u) * 94.2, (y - v) * 110.9) < 0.3)


def check(path: Path) -> tuple[int, int]:
    """All kinds of one city: cases not borne out, subjects without a case."""
    about = json.loads((path / "city.json").read_text())
    city = City(
        path,
        evidence.truths(path),
        {row["firm_id"]: row for row in evidence.table(path, "approval-registry", "firm", ("firm_id",))},
        {row["site_id"]: row for row in evidence.table(path, "approval-registry", "site", ("site_id",))},
        evidence.table(path, "approval-registry", "licence", ("licence_no",)),
        moment(about["from"]),
        moment(about["to"]),
    )
    city.waybills = evidence.lines(path, "transport-waybills", "waybill")
    city.ways = evidence.ways(path)
    _changed(city)
    results: list[tuple[str, Met]] = []
    results += zip(("restricted_zone", "unlicensed_site", "no_waybill"), roads(city), strict=True)
    results.append(("waste_leak", waste(city)))
    results += zip(("suspended_producing", "expired_licence"), works(city), strict=True)
    results += zip(("tank_excursion", "over_storage"), tanks(city), strict=True)
    results += zip(("mass_imbalance", "controlled_diversion"), months(city), strict=True)
    results += zip(("emission_exceedance", "emission_tampering"), emissions(city), strict=True)
    sums = [compare(city, kind, met) for kind, met in results]
    return sum(a for a, _ in sums), sum(b for _, b in sums)


def main() -> int:
    """The command: 0 when every case is borne out and nothing else is."""
    parser = argparse.ArgumentParser(prog="python -m bench._othercity.check", description=__doc__)
    parser.add_argument("city", type=Path)
    bare, extra = check(parser.parse_args().city)
    print(f"{bare} cases not borne out, {extra} subjects without a case")
    return int(bool(bare or extra))


if __name__ == "__main__":
    sys.exit(main())

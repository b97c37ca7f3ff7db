"""A site that goes on producing while an order stops it.

The law: 《安全生产法》(2021) art. 65 and 70 (orders to stop), art. 113 (closing down); going on nevertheless is a crime under
art. 134-1 of the Criminal Law where it brings real danger. What counts as such an order is in ``signals/orders.py``.

Signals (``signals/activity.py``), each of another department: the load beside the site's own past (power company), flue gas
and waste water (ecology), what comes and goes in the tanks (emergency), lorries that bring or fetch goods and their waybills
(transport). What speaks for innocence, and where it goes:

- *winding down*: continuous plants need up to 36 hours; nothing in the first 40 of an order counts;
- *the order is over* though the books do not say so: a 合格 inspection after it began ends it here, and a site that
  stood still and begins again is given two days for such an inspection to be entered;
- *an order for one workshop*, a deadline (限期整改): no such order;
- *repair, cleaning, heating, security*: their load stays near the quiet level; what does not brings no emissions, no movement
  in tanks and no deliveries, and these then speak against it;
- *supervised emptying*: falls of tanks for which lorries leave loaded count for nothing, nor do these lorries;
- *waste-water treatment that runs on*: the smaller of flow and load counts, and less than flue gas does;
- *a meter shared with a neighbour*: power counts for less than half and never suffices alone;
- *swapped meters*: when another site's load falls to a standstill just as this one's ought to, the same.

The evidence of several days is put together in windows of two, five and all days of the order: the mean of the highest
third of the days, so that work by night, at a third of the load or on some days only is seen. A site is reported when the
probability reaches ``raise`` and at least two departments see it, or power alone sees full production.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cityheart.apps.hazchem import law
from cityheart.apps.hazchem.signals import activity as active
from cityheart.apps.hazchem.signals import orders as standstills
from cityheart.apps.hazchem.signals import power as electric
from cityheart.apps.hazchem.signals import shown
from cityheart.apps.hazchem.signals.activity import Activity
from cityheart.apps.hazchem.signals.orders import Order
from cityheart.sdk import ALL_TIME, Input, Sighting, Survey, Text, View, counted, text

__all__ = [
    "PARAMETERS",
    "Case",
    "Judged",
    "SuspendedProducing",
    "Times",
    "detectors",
    "evaluate",
    "evidence",
    "reasons",
    "sighting",
]

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Places = npt.NDArray[np.int64]

ID = "hazchem.suspended_producing"
SHOWN_DAYS = 14
SHOWN_ROWS = 31
SIGNALS = ("power", "emission", "waste_water", "tank", "traffic")

PARAMETERS: Mapping[str, object] = MappingProxyType(
    {
        "wind_down_h": 40.0,  # h after an order began, in which nothing counts: continuous plants need up to 36
        "again_h": 48.0,  # h from the midnight of the day on which a site that stood still begins again: by then the books
        # know of an inspection that let it
        "keep_days": 7,  # days for which a case that is over is still shown
        "windows": [2, 5, 45],  # days whose evidence is put together
        "highest": 1 / 3,  # of the days of a window, those that are looked at
        "prior": -1.0,  # log-odds that a site under an order produces, before anything is seen
        "raise": 0.7,  # probability from which a case is raised
        "speaks": 0.8,  # log-odds from which a signal counts as seeing production
        "alone": 2.6,  # log-odds of power from which it may suffice alone, after `alone_days` days
        "alone_days": 2,
        "quiet_days": 4,  # known days of standstill after which the matter is over
        "idle_past": 0.7,  # what is left where the site's own past may have been a standstill, too
        "swapped": 0.35,  # what is left of power's log-odds where meters may be swapped
        "swap_m": 3000.0,  # m within which swapped meters are likely
        "orange": 0.85,  # probability from which the level is orange, yellow below
        "unlifted": 0.12,  # probability that the order of a site that first stood still was lifted and nobody entered it yet
    }
)


_MONTH = timedelta(days=45)
_WINDOWS: Mapping[str, timedelta] = {
    "power_load": _MONTH,
    "hazchem_emission_hour": timedelta(days=30),
    "hazchem_tank_hour": timedelta(days=30),
    "transport_visit": timedelta(days=35),
    "transport_waybill": _MONTH,
    "enforcement_order": timedelta(days=3 * 365),
    "enforcement_inspection": timedelta(days=3 * 365),
}
_AHEAD = {"transport_waybill": timedelta(days=2)}  # goods are loaded before the planned departure


def _inputs() -> Mapping[str, Input]:
    read = {**active.INPUTS, **standstills.INPUTS}
    return {
        name: Input(_WINDOWS.get(name, ALL_TIME), columns, _AHEAD.get(name, timedelta(0)))
        for name, columns in read.items()
    }


def detectors() -> Sequence[Survey]:
    """What the application lists."""
    return (SuspendedProducing(),)


@dataclass(frozen=True)
class SuspendedProducing:
    """Looks every six hours, at half past six in the morning when the loads of the day before have come."""

    parameters: Mapping[str, object] = field(default_factory=lambda: dict(PARAMETERS))
    id: str = ID
    title: Text = field(default_factory=lambda: text("停产期间仍在生产", "Producing under a suspension"))
    kind: str = "suspended_producing"
    inputs: Mapping[str, Input] = field(default_factory=_inputs)
    every: timedelta = timedelta(hours=6)
    phase: timedelta = timedelta(hours=4, minutes=30)

    @law.grounded
    def look(self, view: View) -> Sequence[Sighting]:
        """The sites that produce under an order, and those that did until lately."""
        books = [view.rows(name) for name in ("enforcement_order", "enforcement_inspection", "approval_site")]
        if not _watched(standstills.in_force(books[0], books[1], books[2], view.now), view.now, self.parameters):
            return []  # without reading a month of everything
        tables = {name: view.rows(name) for name in self.inputs}
        judged = evaluate(tables, view.now, view.zone, self.parameters)
        names = dict(zip(*(tables["approval_site"][name].to_pylist() for name in ("site_id", "name")), strict=True))
        return [sighting(case, judged, names, view.now, view.zone, self.parameters) for case in judged.cases]


@dataclass(frozen=True, slots=True)
class Times:
    """When a site produced: ``row`` is where it lies in the activity, ``days`` the days of the order there that count,
    ``at_work`` those of them on which it produced, ``again`` the midnight of the first if it stood still before."""

    row: int
    days: Places
    at_work: Places
    start: datetime
    end: datetime | None
    again: datetime | None


@dataclass(frozen=True, slots=True)
class Case:
    """A site that produced under an order. ``odds`` by signal (NaN: not known); ``doubt``: ``shared``, ``swapped`` or
    nothing."""

    order: Order
    chance: float
    times: Times
    odds: Mapping[str, float]
    doubt: str = ""


@dataclass(frozen=True, slots=True)
class Judged:
    """What was found, and in what."""

    cases: Sequence[Case]
    activity: Activity


def evaluate(
    tables: Mapping[str, pa.Table], now: datetime, zone: ZoneInfo, parameters: Mapping[str, object] = PARAMETERS
) -> Judged:
    """Every site that produced under an order in force at ``now`` or ended within ``keep_days``.

    ``tables`` by dataset as ``activity.INPUTS`` and ``orders.INPUTS`` name them; any may be missing or empty.
    """
    settings = {**PARAMETERS, **active.PARAMETERS, **parameters}
    site = tables.get("approval_site")
    order, inspection = (tables.get(name, pa.table({})) for name in standstills.INPUTS)
    orders = [] if site is None else standstills.in_force(order, inspection, site, now)
    wind_down = timedelta(hours=electric.number(settings, "wind_down_h"))
    recent = now - timedelta(days=electric.number(settings, "days"))
    settling = standstills.spans(
        [replace(o, until=o.since + wind_down) for o in orders if o.since + wind_down > recent]
    )
    watched = _watched(orders, now, settings)
    focus = [o.site for o in watched]
    found = active.evaluate(tables, now, zone, settings, standstills.spans(orders), settling, focus)
    place = {name: index for index, name in enumerate(found.sites.tolist())}
    watched = [o for o in watched if o.site in place]
    if not watched:
        return Judged((), found)
    return Judged(_cases(found, watched, place, now, zone, settings), found)


def _watched(orders: Sequence[Order], now: datetime, settings: Mapping[str, object]) -> list[Order]:
    """Those in force, and those that ended so lately that what they were about is still shown."""
    kept = now - timedelta(days=electric.number({**PARAMETERS, **settings}, "keep_days"))
    return [one for one in orders if one.until is None or one.until > kept]


def _cases(
    found: Activity,
    orders: list[Order],
    place: Mapping[str, int],
    now: datetime,
    zone: ZoneInfo,
    settings: Mapping[str, object],
) -> list[Case]:
    row = np.array([place[o.site] for o in orders], dtype=np.int64)
    wind_down = timedelta(hours=electric.number(settings, "wind_down_h"))
    held = _held(found, orders, row, now, zone, wind_down)
    swapped = _swapped(found, row, held, settings)
    shared = found.power.shared[row]
    odds = _windowed(found, row, held, settings)
    factor = np.where(
        swapped, electric.number(settings, "swapped"), np.where(shared, electric.number(settings, "shared_power"), 1.0)
    )
    odds["power"] = odds["power"] * factor[:, None, None]
    stack = np.stack([odds[name] for name in SIGNALS], axis=-1)
    total = np.nan_to_num(stack).sum(axis=-1) + electric.number(settings, "prior")
    chance = 1 / (1 + np.exp(-total))
    seen = np.count_nonzero(np.nan_to_num(stack) >= electric.number(settings, "speaks"), axis=-1)
    powered = np.cumsum(held & ~np.isnan(found.power_ratio[row]), axis=1)[:, :, None]
    alone = (np.nan_to_num(odds["power"]) >= electric.number(settings, "alone")) & (
        powered >= electric.number(settings, "alone_days")
    )
    proven = found.own_past[row] & found.producing[row] & ~swapped & ~shared
    enough = (seen >= 2) | (alone & proven[:, None, None])
    chance = np.where(enough & held[:, :, None], chance, 0.0)
    cases: list[Case] = []
    for index, order in enumerate(orders):
        best = int(np.argmax(chance[index]))
        day, window = divmod(best, chance.shape[2])
        if chance[index, day, window] < electric.number(settings, "raise"):
            continue
        times = _times(found, order, int(row[index]), held[index], now, zone, settings)
        if times.again is not None and now < times.again + timedelta(hours=electric.number(settings, "again_h")):
            continue
        if times.end is not None and times.end < now - timedelta(days=electric.number(settings, "keep_days")):
            continue
        cases.append(
            Case(
                order=order,
                chance=round(float(chance[index, day, window]), 3),
                times=times,
                odds={name: float(odds[name][index, day, window]) for name in SIGNALS},
                doubt="swapped" if swapped[index] else "shared" if shared[index] else "",
            )
        )
    return cases


def _held(
    found: Activity, orders: list[Order], row: Places, now: datetime, zone: ZoneInfo, wind_down: timedelta
) -> Mask:
    """Orders × days: the days that count for each, from its winding down to the day before it ended."""
    days = found.days
    began = [o.since + wind_down for o in orders]
    first = np.array([np.datetime64(at.astimezone(zone).date(), "D") for at in began])
    last = np.array([np.datetime64((o.until or now + timedelta(days=1)).astimezone(zone).date(), "D") for o in orders])
    return (days >= first[:, None]) & (days < last[:, None]) & (found.share[row] > 0)


def _windowed(found: Activity, row: Places, held: Mask, settings: Mapping[str, object]) -> dict[str, Array]:
    """Log-odds by signal: orders × days × windows, each of the window that ends with the day."""
    windows = settings["windows"]
    assert isinstance(windows, (list, tuple))
    ratios = {
        "power": found.power_ratio[row],
        "emission": found.emission[row],
        "waste_water": np.where(np.isnan(found.emission[row]), found.water[row], np.nan),
    }
    highest = electric.number(settings, "highest")
    steps = active.pattern_odds(electric.Days(*(each[row] for each in _parts(found.spread))))
    steps = steps * electric.number(settings, "flat_power")
    past = np.where(found.producing[row], 1.0, electric.number(settings, "idle_past"))[:, None]
    peers = np.where(found.moved.own_past[row], 1.0, electric.number(settings, "peers_weight"))[:, None]
    odds: dict[str, list[Array]] = {name: [] for name in SIGNALS}
    for size in [int(each) for each in windows]:
        for name, ratio in ratios.items():
            top = _highest(np.where(held, ratio, np.nan), size, highest)
            odds[name].append(active.looked_up(top, settings, name))
        top = _highest(np.where(held, steps, np.nan), size, highest)
        odds["power"][-1] = np.where(found.own_past[row][:, None], odds["power"][-1] * past, top)
        total, exposed = (
            active.trailing(np.where(held, each[row], 0.0), size) for each in (found.moved.total, found.moved.exposed)
        )
        usual = found.moved.usual[row][:, None]
        known = (exposed > 0.2) & (usual > 0)
        rise = np.where(known, total / np.where(known, exposed * usual, 1), np.nan)
        odds["tank"].append(active.looked_up(rise, settings, "tank") * peers)
        events = [
            active.trailing(np.where(held, each[row], 0.0), size)
            for each in (found.traffic.brought, found.traffic.taken)
        ]
        days = active.trailing(np.where(held & found.traffic.known[row], found.share[row], 0.0), size)
        odds["traffic"].append(active.traffic_odds(events[0], events[1], days, found.rate[row][:, :, None], settings))
    return {name: np.stack(each, axis=-1) for name, each in odds.items()}


def _parts(spread: electric.Days) -> tuple[Array, Array, Array, Array]:
    return spread.high, spread.mean, spread.night, spread.hours


def _highest(values: Array, size: int, share: float) -> Array:
    """For each day the mean of the highest ``share`` of the known values of the last ``size`` days, NaN without any."""
    padded = np.pad(values, ((0, 0), (size - 1, 0)), constant_values=np.nan)
    view = np.lib.stride_tricks.sliding_window_view(padded, size, axis=1)
    falling = -np.sort(-view, axis=-1)
    known = np.count_nonzero(~np.isnan(falling), axis=-1)
    taken = np.ceil(known * share).astype(np.int64)
    sums = np.cumsum(np.nan_to_num(falling), axis=-1)
    total = np.take_along_axis(sums, np.maximum(taken - 1, 0)[..., None], axis=-1)[..., 0]
    return np.where(taken > 0, total / np.maximum(taken, 1), np.nan)


def _swapped(found: Activity, row: Places, held: Mask, settings: Mapping[str, object]) -> Mask:
    """Whether another site's load fell to a standstill just when this one's ought to have, and this one's did not.

    Near by that alone is enough; elsewhere, when the other signals of that site say that it works on. A load that fell
    explains one order only, that of the nearest site.
    """
    ratio = found.power_ratio
    others = np.stack([one for name, one in found.odds.items() if name != "power"], axis=-1)
    working = np.nan_to_num(others).sum(axis=-1)
    explained: dict[int, tuple[float, int]] = {}
    for index in range(len(row)):
        days = np.flatnonzero(held[index])
        first = int(days[0]) if len(days) else 0
        before, after = slice(max(first - 6, 0), max(first - 1, 0)), slice(first, min(first + 4, len(found.days)))
        past, later = electric.quantile(ratio[:, before], 0.5), electric.quantile(ratio[:, after], 0.5)
        if not later[row[index]] > 0.5:
            continue
        fell = (past > 0.6) & (later < 0.2)
        fell[row] = False
        away = found.metres(int(row[index]))
        on = np.median(working[:, after], axis=1) > 1.0
        for site in np.flatnonzero(fell & (on | (away <= electric.number(settings, "swap_m")))).tolist():
            explained[site] = min(explained.get(site, (np.inf, -1)), (float(away[site]), index))
    doubtful = np.zeros(len(row), dtype=np.bool_)
    doubtful[[index for _, index in explained.values()]] = True
    return doubtful


def _times(
    found: Activity, order: Order, row: int, held: Mask, now: datetime, zone: ZoneInfo, settings: Mapping[str, object]
) -> Times:
    """When it began and ended, and the days on which that rests."""
    running = np.where(held, found.running[row], np.nan)
    known = np.flatnonzero(held & ~np.isnan(found.power_ratio[row] if found.power.metered[row] else running))
    whole = held & (found.share[row] >= 0.5)
    days = np.flatnonzero(whole if whole.any() else held)
    at_work = np.flatnonzero(np.nan_to_num(running) >= 0.5)
    first, last = (int(at_work[0]), int(at_work[-1])) if len(at_work) else (int(days[0]), int(days[-1]))
    stood = np.count_nonzero(known < first)
    start = order.since if stood < electric.number(settings, "quiet_days") else _midnight(found, first, zone)
    end: datetime | None = None
    if order.until is not None and order.until <= now:
        end = order.until
    if np.count_nonzero(known > last) >= electric.number(settings, "quiet_days"):
        end = max(_midnight(found, last + 1, zone), start + timedelta(hours=1))
    again = _midnight(found, first, zone) if stood else None
    return Times(row, days, at_work, start, end, again)


def _midnight(found: Activity, index: int, zone: ZoneInfo) -> datetime:
    day = found.days[0].item() + timedelta(days=index)
    return datetime(day.year, day.month, day.day, tzinfo=zone)


# ── what people are shown ──────────────────────────────────────────────────────────────────────────────────────────

ENDED: Mapping[str, Text] = {
    "lifted": text("已解除", "lifted"),
    "term": text("已届满", "run out"),
    "inspection": text("经检查合格", "passed by an inspection"),
}
DOUBTS: Mapping[str, Text] = {
    "swapped": text(
        "电力部门：同期另有厂址负荷骤停，电表可能接反，用电只作参考",
        "Power: another site's load stopped at the same time; meters may be swapped, so that power counts for little",
    ),
    "shared": text(
        "电力部门：电表可能与邻户共用，用电只作参考",
        "Power: the meter may serve a neighbour, too, so that power counts for little",
    ),
}


def sighting(
    case: Case,
    judged: Judged,
    names: Mapping[str, str],
    now: datetime,
    zone: ZoneInfo,
    parameters: Mapping[str, object] = PARAMETERS,
) -> Sighting:
    """A case as it is reported: orange when it is nearly certain, yellow before.

    A site that stood still and then began again may do so because its order was lifted, which is entered weeks later.
    """
    settings = {**PARAMETERS, **parameters}
    if _perhaps_lifted(case):
        in_force = 1 - electric.number(settings, "unlifted")
        case = replace(case, chance=round(case.chance * in_force, 3))
    certain = case.chance >= electric.number(settings, "orange")
    return Sighting(
        subject=shown.site(case.order.site, names),
        level=2 if certain else 3,
        start=case.times.start,
        end=case.times.end,
        score=case.chance,
        reasons=reasons(case, judged, now, zone),
        evidence=evidence(case, judged, now, zone),
        case=case.order.order,
    )


def _perhaps_lifted(case: Case) -> bool:
    return case.times.again is not None and case.order.until is None


def reasons(case: Case, judged: Judged, now: datetime, zone: ZoneInfo) -> tuple[Text, ...]:
    """What each department has seen, for and against, in both languages."""
    order, times = case.order, case.times
    since, count = shown.clock(order.since, zone), len(times.at_work)
    days = len(np.union1d(times.days, times.at_work))
    said = [
        text(
            f"{order.order} {order.kind}（{order.scope}）自 {since} 生效；此后可判断的 {days} 天中有 {count} 天显示在生产，"
            f"综合概率 {case.chance:.0%}",
            f"Order {order.order} ({order.kind}, {order.scope}) in force from {since}; {count} of the "
            f"{counted(days, 'day')} since that could be judged show production; probability {case.chance:.0%}",
        )
    ]
    seen = times.at_work if count else times.days
    found, row = judged.activity, times.row
    if not np.isnan(case.odds["power"]):
        said.append(_power_reason(found, row, seen))
    if case.doubt:
        said.append(DOUBTS[case.doubt])
    if order.until is not None and order.ended and order.until <= now:
        until = shown.clock(order.until, zone)
        said.append(
            text(f"停产令 {until} {ENDED[order.ended]['zh-CN']}", f"The order: {ENDED[order.ended]['en']}, {until}")
        )
    if _perhaps_lifted(case):
        said.append(
            text(
                "该址先已停产、后又恢复；解除决定常在数周后才录入，先向应急管理部门核实是否已经解除",
                "It stood still first and then began again; that an order was lifted is often entered weeks later: ask the "
                "emergency department first whether it was",
            )
        )
    return (*said, *_other_reasons(found, row, seen, case))


def _power_reason(found: Activity, row: int, seen: Places) -> Text:
    ratio = _middle(found.power_ratio[row, seen])
    if ratio is None:
        return text(
            "电力部门：停产期间负荷有明显的班次起伏（无停产前数据可比）",
            "Power: the load rises and falls with shifts (there are no data of before the order to compare with)",
        )
    night = _middle(found.night_share[row, seen])
    late = night is not None and night > 0.6
    return text(
        f"电力部门：最高六小时负荷（扣除静置水平）为平时生产日的 {ratio:.0%}" + ("，多在夜间" if late else ""),
        f"Power: the six highest hours, above the quiet level, are {ratio:.0%} of a usual day of production"
        + (", mostly by night" if late else ""),
    )


def _other_reasons(found: Activity, row: int, seen: Places, case: Case) -> list[Text]:
    said: list[Text] = []
    gas, water = _middle(found.emission[row, seen]), _middle(found.water[row, seen])
    if gas is not None:
        said.append(text(f"生态环境部门：废气排放为平时的 {gas:.0%}", f"Ecology: flue gas is {gas:.0%} of the usual"))
    elif water is not None:
        said.append(
            text(f"生态环境部门：废水排放为平时的 {water:.0%}", f"Ecology: waste water is {water:.0%} of the usual")
        )
    if not np.isnan(case.odds["tank"]):
        moved = float(found.moved.total[row, seen].sum())
        said.append(
            text(
                f"应急管理部门：储罐物料变动合计 {moved:.1f} 吨（不含车辆运出）"
                if moved >= 0.05
                else "应急管理部门：储罐物料没有变动",
                f"Emergency: {moved:.1f} t came and went in the tanks beside what lorries took"
                if moved >= 0.05
                else "Emergency: nothing moved in the tanks",
            )
        )
    if not np.isnan(case.odds["traffic"]):
        held = case.times.days
        brought, taken = (int(each[row, held].sum()) for each in (found.traffic.brought, found.traffic.taken))
        said.append(
            text(
                f"交通运输部门：送货卸车 {brought} 次，装车运出 {taken} 次",
                f"Transport: {counted(brought, 'lorry', 'lorries')} unloaded there, {taken} loaded",
            )
        )
    return said


def evidence(case: Case, judged: Judged, now: datetime, zone: ZoneInfo) -> tuple[Mapping[str, object], ...]:
    """The load in percent of the site's busy level with its usual band, and all signals day by day.

    Never kW: raw loads do not leave their owner.
    """
    return (*_load_series(case, judged.activity, zone), _daily_rows(case, judged.activity, now))


def _load_series(case: Case, found: Activity, zone: ZoneInfo) -> tuple[Mapping[str, object], ...]:
    row, busy = case.times.row, float(found.usual.busy[case.times.row])
    if not busy > 0:
        return ()
    last = int(case.times.days[-1])
    days = np.arange(max(int(case.times.days[0]) - 6, last - SHOWN_DAYS + 1, 0), last + 1)
    moments = electric.instants(found.days[days], zone)[:, ::4].astype(np.int64).reshape(-1)
    observed = found.spread.hours[row, days].reshape(-1) / busy * 100
    usual = np.tile(found.usual.day[row], len(days)) / busy * 100
    ordinary = np.ones(len(found.days), dtype=np.bool_)
    ordinary[case.times.days] = False
    past = found.spread.hours[row, ordinary].T / busy * 100
    low, high = (np.tile(electric.quantile(past, share), len(days)) for share in (0.1, 0.9))
    series = shown.series(
        text("用电负荷（占平时生产水平的百分比）", "Load, in percent of the usual level of production"),
        "%",
        [
            shown.line(text("实测", "Observed"), moments, observed, "observed", 1),
            shown.line(text("平时生产日", "Usual day of production"), moments, usual, "expected", 1),
        ],
        [(text("静置水平", "Quiet level"), round(float(found.usual.quiet[row]) / busy * 100, 1))],
    )
    names = text("平时", "Usual")
    band = {
        name: shown.line(names, moments, values, digits=1)["points"] for name, values in (("low", low), ("high", high))
    }
    return ({**series, "band": band},)


def _daily_rows(case: Case, found: Activity, now: datetime) -> Mapping[str, object]:
    row = case.times.row
    columns = {
        "power_ratio": found.power_ratio,
        "emission_ratio": found.emission,
        "waste_water_ratio": found.water,
        "tank_moved_t": found.moved.total,
        "unloaded": found.traffic.brought,
        "loaded": found.traffic.taken,
        "producing": found.running,
    }
    days = case.times.days[-SHOWN_ROWS:].tolist()
    rows = [
        [str(found.days[day]), *(_rounded(float(each[row, day])) for each in columns.values())]
        for day in reversed(days)
    ]
    return shown.rows(
        text("停产期间逐日迹象（与平时之比）", "Signs day by day under the order, beside the usual"),
        "power_load, hazchem_emission_hour, hazchem_tank_hour, transport_visit, transport_waybill",
        ID,
        now,
        ["day", *columns],
        rows,
    )


def _middle(values: Array) -> float | None:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else None


def _rounded(value: float) -> float | None:
    return None if np.isnan(value) else round(value, 2)

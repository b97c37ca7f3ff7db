"""Flows of controlled chemicals: what each holder got and gave, and what of it nothing explains.

Pure functions over the tables of the lake, as known at one moment. Masses are kilograms, moments UTC, months the city's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from cityheart.apps.hazchem.signals import borders, licences
from cityheart.apps.hazchem.signals.books import (
    DAY,
    NEVER,
    Array,
    Parameters,
    Whole,
    chance,
    codes,
    joined,
    looked_up,
    month_begin,
    month_named,
    month_of,
    number,
    numbers,
    overlapping,
    plain,
    robust,
    seconds,
    weight,
)

__all__ = ["LEDGER", "PARAMETERS", "Book", "book_of", "lateness_s", "ledger", "movements"]

PARAMETERS: Mapping[str, object] = {
    "weighing_share": 0.01,  # of what came and went: scales and packing
    "stock_share": 0.01,  # of the opening and closing stock: stock-taking
    "least_kg": 5.0,  # kg: returns are written in tonnes with two or three digits
    "border_h": 36.0,  # h from a border of months within which a deal may be in the other month's return
    "material_share": 0.05,  # of opening stock and what came: less is left to the department's own audit
    "late_quantile": 0.98,  # of how late reports have come
    "own_quantile": 0.9,  # of how late a holder's own reports have come
    "late_most_days": 10.0,  # days to wait at most
    "awaited_times": 1.5,  # times what usually goes in the days whose reports are still due
    "peers": 8,  # holders from which on their spread is learnt
    "floor_sigma": 0.7,  # the learnt spread is never less, in standard errors
    "per_sigma": 1.5,  # log-odds for each standard error beyond two
    "most": 9.0,  # log-odds at most
    "prior": -4.0,  # log-odds before anything is known: one holder and month in fifty
    "licence_factor": 1.2,  # times the licensed stock beyond which goods cannot be in store
    "licence_weight": 4.6,  # log-odds for that
    "hold_days": 10.0,  # days within which a dealer without a store passes goods on
    "kept_share": 0.05,  # of what came: the spread of what dealers keep, at least
    "trend_days": 24.0,  # days of flows from which on a trend is seen
    "trend_share": 0.15,  # of the largest purchase: what the stock may grow beyond it
    "trend_factor": 1.6,  # times what went must have come
    "trend_weight": 4.5,  # log-odds for that
    "raise": 0.5,
    "keep_days": 45,  # days after the month for which a case is shown
}
"""What the detector ``controlled_diversion`` goes by."""

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
        ("awaited_kg", pa.float64()),
        ("unexplained_kg", pa.float64()),
        ("sigma_kg", pa.float64()),
        ("z", pa.float64()),
        ("basis", pa.string()),
        ("probability", pa.float64()),
    ]
)
"""One row a holder, chemical and month. ``basis`` is what tells: ``return``, ``licence``, ``turnover`` or ``trend``;
``awaited_kg`` is what reports may still tell of that are not yet due."""


def movements(flow: pa.Table) -> pa.Table:
    """Each deal, use, loss and transfer as what comes in and goes out: holder, cas, at (s), kind, kg (in is positive).

    A deal that both sides report is one deal: sale and purchase of the same seller, buyer, chemical and quantity within
    days. What one side alone reports moves the goods of both.
    """
    kind = plain(flow["kind"])
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
    late = (seconds(flow["reported_at"]) - at).astype(np.float64)
    own = np.concatenate([~is_sale[gets], ~is_purchase[gives]])
    spends = np.flatnonzero(own_use & ((buyer >= 0) | (seller >= 0)))
    rows = np.concatenate([gets, gives, spends])
    holder_names = pc.coalesce(plain(flow["buyer_uscc"]), plain(flow["seller_uscc"]))
    who = pa.concat_arrays(
        [
            plain(flow["buyer_uscc"]).take(pa.array(gets)),
            plain(flow["seller_uscc"]).take(pa.array(gives)),
            holder_names.take(pa.array(spends)),
        ]
    )
    what = np.concatenate([np.full(len(gets), 0), np.full(len(gives), 1), np.full(len(spends), 2)])
    lost = np.asarray(pc.equal(kind, "loss"), dtype=np.bool_)[rows] & (what == 2)
    one_sided = (lone & ((is_sale & (seller >= 0)) | (is_purchase & (buyer >= 0))))[rows] & (what == 0)
    return pa.table(
        {
            "holder": who,
            "cas": plain(flow["cas"]).take(pa.array(rows)),
            "at": pa.array(at[rows]),
            "occurred_at": plain(flow["occurred_at"]).take(pa.array(rows)),
            "what": pa.array(np.where(lost, 3, what)),  # 0 in, 1 sold or passed on, 2 used, 3 lost
            "kg": pa.array(kg[rows]),
            "unreported": pa.array(one_sided & is_sale[rows]),  # bought by the seller's word alone
            "late": pa.array(
                np.where(np.append(own, np.ones(len(spends), np.bool_)), late[rows], np.nan)
            ),  # s, if its own report
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


def _own_lateness_s(moved: pa.Table, book: Book, least_s: int, parameters: Parameters) -> Whole:
    """How late (s) the reports of each row's holder come: at least ``least_s``, later where its own usually do."""
    known = np.asarray(
        pc.and_(pc.greater_equal(moved["late"], 0.0), pc.less(moved["late"], 400.0 * DAY)), dtype=np.bool_
    )
    told = moved.filter(pa.array(known))
    holder, asked = codes(told["holder"], book.who)
    late = numbers(told["late"])
    order = np.lexsort((late, holder))
    group, begin, count = np.unique(holder[order], return_index=True, return_counts=True)
    own = np.zeros(int(max(holder.max(initial=-1), asked.max(initial=-1))) + 1)
    at = begin + ((count - 1) * number(parameters, "own_quantile")).astype(np.int64)
    own[group] = late[order][at]
    most = number(parameters, "late_most_days") * DAY
    mine = np.where(asked >= 0, own[np.maximum(asked, 0)], 0.0) if len(own) else np.zeros(len(asked))
    return np.clip(mine, least_s, max(most, least_s)).astype(np.int64)


def _awaited(moved: pa.Table, book: Book, open_s: Whole, parameters: Parameters) -> Array:
    """What use and sales (kg) may still be told of a month whose reports are due for so many seconds more.

    As much as usually goes in that time, and one more as large as the largest.
    """
    asked, told = codes(joined(book.who, book.cas), joined(moved["holder"], moved["cas"]))
    largest = np.zeros(int(max(asked.max(initial=0), told.max(initial=0))) + 1)
    np.maximum.at(largest, told, np.where(np.asarray(moved["what"]) > 0, numbers(moved["kg"]), 0.0))
    rate = book.went / (30 * DAY)
    return np.where(open_s > 0, largest[asked] + number(parameters, "awaited_times") * rate * open_s, 0.0)


def ledger(tables: Mapping[str, pa.Table], now: datetime, zone: ZoneInfo, parameters: Parameters) -> pa.Table:
    """What each holder's controlled chemicals came to in each month that is over: a table of :data:`LEDGER`.

    Takes ``police_flow``, ``approval_firm``, ``approval_site``, ``approval_licence``, ``approval_licensed_chemical`` and
    ``approval_monthly_return``; the parameters of the detector ``controlled_diversion``. A month is judged when the
    reports of its last day have had their usual time to come, and the time that this holder takes; by its return sooner,
    where more is missing than these reports could tell of.
    """
    flow = tables["police_flow"]
    flow = flow.filter(pc.less_equal(flow["occurred_at"], pa.scalar(now, pa.timestamp("us", tz="UTC"))))
    if not flow.num_rows:
        return LEDGER.empty_table()
    moved = movements(flow)
    late = lateness_s(flow, number(parameters, "late_quantile"), number(parameters, "late_most_days"))
    book = book_of(moved, zone, number(parameters, "border_h"))
    returned = _returned(tables, book)
    licensed = _licensed(tables, book, now, zone)
    ends = {each: int(month_begin(each + 1, zone).timestamp()) for each in np.unique(book.month).tolist() if each >= 12}
    end = np.array([ends.get(each, NEVER) for each in book.month.tolist()], dtype=np.int64)
    open_s = end + _own_lateness_s(moved, book, late, parameters) - int(now.timestamp())
    awaited = _awaited(moved, book, open_s, parameters)
    basis, unexplained, sigma, z, odds = _explained(book, returned, licensed, awaited, parameters)
    turnover = _turnover(moved, book, int(now.timestamp()) - late, returned, tables, parameters)
    trend = _trend(moved, book, returned, parameters)
    for name, (left, error, weighed) in (("turnover", turnover), ("trend", trend)):
        more = weighed > odds
        basis = np.where(more, name, basis)
        unexplained, sigma = np.where(more, left, unexplained), np.where(more, error, sigma)
        z, odds = np.where(more, left / np.maximum(error, 1e-9), z), np.where(more, weighed, odds)
    judged = (open_s <= 0) | ((basis == "return") & (end <= int(now.timestamp())))
    probability = np.where(judged, chance(odds), 0.0)
    columns = [book.who, book.cas, book.month, *book.kg, book.unreported]
    columns += [returned["opening"], returned["closing"], returned["in"], returned["out"], licensed, awaited]
    columns += [unexplained, sigma]
    made = pa.table([*map(pa.array, columns), pa.array(z), pa.array(basis), pa.array(probability)], schema=LEDGER)
    return made.sort_by([("month", "ascending"), ("holder", "ascending"), ("cas", "ascending")])


@dataclass(frozen=True, slots=True)
class Book:
    """What came and went (kg) by holder, chemical and month: a row each.

    ``kg`` is by kind as in :func:`movements`; ``ins`` and ``outs`` are what of it was near a border of months.
    """

    who: pa.Array
    cas: pa.Array
    month: Whole
    kg: Array
    unreported: Array
    ins: borders.Loads
    outs: borders.Loads

    @property
    def came(self) -> Array:
        """What was bought or taken over."""
        return np.asarray(self.kg[0], dtype=np.float64)

    @property
    def went(self) -> Array:
        """What was sold, passed on, used or lost."""
        return np.asarray(self.kg[1:].sum(axis=0), dtype=np.float64)


def book_of(moved: pa.Table, zone: ZoneInfo, border_h: float) -> Book:
    """The account of each holder, chemical and month in which anything moved."""
    month = month_of(moved["occurred_at"], zone)
    (holder,), (cas,) = codes(moved["holder"]), codes(moved["cas"])
    at, kg, what = seconds(moved["occurred_at"]), numbers(moved["kg"]), np.asarray(moved["what"])
    other = borders.beside(at, month, zone, border_h)
    # A load near the border is one more here and may be one less in the month beside: both find their row by one key.
    key = _keyed(*(np.concatenate([each, each]) for each in (holder, cas)), np.concatenate([month, other]))
    own, beside = key[: len(month)], key[len(month) :]
    keys, where, group = np.unique(own, return_index=True, return_inverse=True)
    slot = np.minimum(np.searchsorted(keys, beside), max(len(keys) - 1, 0))
    near = other >= 0
    there = near & (keys[slot] == beside)
    rows, mass = np.concatenate([group[near], slot[there]]), np.concatenate([kg[near], -kg[there]])
    came = np.concatenate([what[near], what[there]]) == 0
    total = [np.bincount(group, np.where(what == n, kg, 0.0), len(where)) for n in range(4)]
    unreported = np.bincount(group, np.where(np.asarray(moved["unreported"]), kg, 0.0), len(where))
    return Book(
        who=plain(moved["holder"]).take(pa.array(where)),
        cas=plain(moved["cas"]).take(pa.array(where)),
        month=month[where],
        kg=np.asarray(total, dtype=np.float64),
        unreported=np.asarray(unreported, dtype=np.float64),
        ins=borders.Loads(rows[came], mass[came]),
        outs=borders.Loads(rows[~came], mass[~came]),
    )


def _returned(tables: Mapping[str, pa.Table], book: Book) -> dict[str, Array]:
    """What the holder's own monthly returns say (kg), all of its sites together; NaN where a return is not yet in.

    A month in which fewer sites have reported a chemical than in the month before is not complete.
    """
    given, firm, site = tables["approval_monthly_return"], tables["approval_firm"], tables["approval_site"]
    owner = looked_up(given["site_id"], site["site_id"], looked_up(site["firm_id"], firm["firm_id"], firm["uscc"]))
    asked, told = codes(joined(book.who, book.cas), joined(owner, given["cas"]))
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


def _licensed(tables: Mapping[str, pa.Table], book: Book, now: datetime, zone: ZoneInfo) -> Array:
    """What the holder's sites may store together (kg); NaN where no licence names the chemical."""
    firm, site = tables["approval_firm"], tables["approval_site"]
    most = licences.allowed(tables["approval_licence"], tables["approval_licensed_chemical"], site, now, zone)
    owner = looked_up(most["site_id"], site["site_id"], looked_up(site["firm_id"], firm["firm_id"], firm["uscc"]))
    asked, told = codes(joined(book.who, book.cas), joined(owner, most["cas"]))
    total = np.bincount(
        told + 1, numbers(most["allowed_t"]) * 1000.0, int(max(asked.max(initial=0), told.max(initial=0))) + 2
    )
    there = np.bincount(told + 1, minlength=len(total)) > 0
    return np.where((asked >= 0) & there[asked + 1], total[asked + 1], np.nan)


def _explained(
    book: Book, returned: Mapping[str, Array], licensed: Array, awaited: Array, parameters: Parameters
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
        + (gauge * np.nan_to_num(returned["closing"])) ** 2
        + number(parameters, "least_kg") ** 2
    )
    told, told_generous = _unaccounted(book, returned, came, stock - returned["closing"], parameters)
    by_flows, generous = _nearest(told), _nearest(told_generous)
    least, floor = int(number(parameters, "peers")), number(parameters, "floor_sigma")
    sure = np.minimum(np.maximum(by_flows - awaited, 0.0), by_flows)
    z_flows = robust(by_flows / sigma, floor, least) * np.where(by_flows > 0, sure / np.maximum(by_flows, 1e-9), 1.0)
    z_generous = robust(generous / sigma, floor, least)
    material = number(parameters, "material_share") * np.maximum(opening + came, 1e-9)
    most = number(parameters, "most")
    odds = np.where(sure > material, 0.7 * weight(z_flows, parameters, most), 0.0)
    odds = np.where(generous > material, np.maximum(odds, weight(z_generous, parameters, most)), odds)
    known = np.isfinite(by_flows)
    # Without a return: the goods must be in stock, and the licence says how much room there is.
    beyond = stock - licensed
    room = np.isfinite(beyond) & ~known & (stock > number(parameters, "licence_factor") * licensed)
    odds = np.where(room, number(parameters, "licence_weight"), odds) + number(parameters, "prior")
    basis = np.where(known, "return", "licence")
    unexplained = np.where(known, np.where(generous > material, told_generous[0], told[0]), beyond)
    z = np.where(known, np.where(generous > material, z_generous, z_flows), unexplained / sigma)
    return basis, unexplained, sigma, z, odds


def _unaccounted(
    book: Book, returned: Mapping[str, Array], came: Array, by_flows: Array, parameters: Parameters
) -> tuple[Array, Array]:
    """What flows leave without whereabouts: by themselves, and when use that only the return shows counts as well. The
    first row is what the books say, the others forgive deals near the border.

    What the return and the flows say of purchases, or of sales and use, may differ by deals near the border of months; where
    these are the difference, it is not missing. Where the return has bought as much as the flows, none of them is.
    """
    share, least = number(parameters, "weighing_share"), number(parameters, "least_kg")
    steep = number(parameters, "per_sigma")
    sides: list[tuple[Array, Array]] = []
    for told, written, loads in ((came, returned["in"], book.ins), (book.went, returned["out"], book.outs)):
        difference = told - written
        error = np.hypot(share * np.fmax(told, written), least)
        near = borders.within(difference, error, book.month, int(number(parameters, "peers")))
        sides.append((difference, borders.unexplained(difference, error, near, loads, book.month, steep)))
    (more_in, left_in), (more_out, left_out) = sides
    strict, generous = [], []
    for bought in (more_in, left_in):
        for spent in (more_out, left_out):
            rest = by_flows - (more_in - bought) + (more_out - spent)
            strict.append(rest)
            generous.append(rest - np.maximum(np.nan_to_num(-spent), 0.0))
    return np.vstack(strict), np.vstack(generous)


def _nearest(each: Array) -> Array:
    """By column the value nearest to nothing."""
    return np.asarray(np.take_along_axis(each, np.abs(each).argmin(axis=0)[None], 0)[0], dtype=np.float64)


def _turnover(
    moved: pa.Table,
    book: Book,
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
    asked, told = codes(joined(book.who, book.cas), joined(moved["holder"], moved["cas"]))
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
    z = robust(ratio / number(parameters, "kept_share"), 1.0, int(number(parameters, "peers")))
    odds = number(parameters, "prior") + weight(z, parameters, number(parameters, "most"))
    sigma = number(parameters, "kept_share") * np.maximum(came[asked], 1e-9)
    return (
        np.asarray((came - went)[asked], dtype=np.float64),
        np.asarray(sigma, dtype=np.float64),
        np.where(judged & (ratio > 0), odds, -np.inf),
    )


def _trend(
    moved: pa.Table, book: Book, returned: Mapping[str, Array], parameters: Parameters
) -> tuple[Array, Array, Array]:
    """For holders that return nothing at all: stock that grows by more than the largest purchase while little is used.

    Who buys when the stock runs low never holds much more than before and one purchase; the stock at the beginning is
    not known and takes no part.
    """
    asked, told = codes(joined(book.who, book.cas), joined(moved["holder"], moved["cas"]))
    size = int(max(asked.max(initial=0), told.max(initial=0))) + 1
    at, kg, what = np.asarray(moved["at"]), numbers(moved["kg"]), np.asarray(moved["what"])
    came, went = (np.bincount(told, np.where(here, kg, 0.0), size) for here in (what == 0, what > 0))
    largest, first, last = np.zeros(size), np.full(size, NEVER), np.full(size, -1)
    np.maximum.at(largest, told, np.where(what == 0, kg, 0.0))
    np.minimum.at(first, told, at)
    np.maximum.at(last, told, at)
    grown = came - went - largest
    newest = np.full(size, -1, dtype=np.int64)
    np.maximum.at(newest, asked, book.month)
    judged = (
        np.isnan(returned["ever"]) & np.isnan(returned["closing"]) & (book.month == newest[asked]) & (went[asked] > 0)
    )
    judged &= (last - first)[asked] >= number(parameters, "trend_days") * DAY
    share = number(parameters, "trend_share")
    wrong = judged & (grown > share * largest)[asked] & (came > number(parameters, "trend_factor") * went)[asked]
    odds = np.where(wrong, number(parameters, "prior") + number(parameters, "trend_weight"), -np.inf)
    return grown[asked].astype(np.float64), (share * largest)[asked] + 1e-9, odds

"""Which licence counts where, for what and until when: the books of the approval bureau as dated spans.

Dates decide, not the status: a licence that has run out says 有效 in the register until somebody edits it. ``valid_to`` is the
last day on which it holds, by the city's calendar. 注销 and 吊销 end it on the day of that entry, or with ``valid_to`` if that
came first (a licence replaced by its renewal is often struck off long afterwards).

A licence that names no site counts for every site of its firm: road transport is licensed for the firm as a whole, and
older licences name the firm only.

What several licences in force at once allow. A site's licences of one kind are successive editions of one permission
(the renewal is issued before the old one ends, with the same quantities), so the largest counts. Licences of different
kinds permit different things (own production under 安全生产许可证, goods in trade under 危险化学品经营许可证), each with its
own stock, so they add up.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

__all__ = [
    "COVERS",
    "RENEWAL_DAYS",
    "allowed",
    "counting",
    "in_force",
    "lapses",
    "local_date",
    "permits",
    "spans",
]

RENEWAL_DAYS = 5
"""A renewal may be entered so many days after the licence before it ended."""

PRODUCTION = "安全生产许可证"
TRADE = "危险化学品经营许可证"
USE = "危险化学品安全使用许可证"
ROAD = "危险货物道路运输经营许可证"
WASTE = "危险废物经营许可证"

COVERS: Mapping[str, tuple[str, ...]] = {
    "producer": (PRODUCTION,),
    "dealer": (TRADE, PRODUCTION),  # a producer that sells its own goods at its works needs no licence to trade
    "storage": (TRADE, PRODUCTION),
    "user": (USE, PRODUCTION),  # nor does it need one to use them
    "disposal": (WASTE,),
    "carrier": (ROAD,),
}
"""The kinds of licence under which each kind of firm may do what it does: one of them is enough."""

_DAY = pa.date32()
SPANS = pa.schema(
    [
        ("licence_no", pa.string()),
        ("firm_id", pa.string()),
        ("site_id", pa.string()),
        ("kind", pa.string()),
        ("first", _DAY),
        ("last", _DAY),
        ("status", pa.string()),
    ]
)
PERMITS = pa.schema([*SPANS, ("cas", pa.string()), ("chemical", pa.string()), ("max_storage_t", pa.float64())])
ALLOWED = pa.schema(
    [
        ("site_id", pa.string()),
        ("cas", pa.string()),
        ("allowed_t", pa.float64()),
        ("valid_from", _DAY),
        ("valid_to", _DAY),
    ]
)
LAPSES = pa.schema(
    [
        ("holder", pa.string()),
        ("firm_id", pa.string()),
        ("firm_kind", pa.string()),
        ("licence_no", pa.string()),
        ("kind", pa.string()),
        ("last", _DAY),
        ("renewed", _DAY),
    ]
)
"""``holder`` is the site, for carriers the firm; ``last`` the last day of cover, ``renewed`` the first day of the next (null:
none is entered)."""


def local_date(moments: pa.ChunkedArray | pa.Array, zone: ZoneInfo) -> pa.ChunkedArray | pa.Array:
    """The calendar day (date32) on which moments (UTC) fall in ``zone``."""
    return pc.cast(pc.local_timestamp(pc.cast(moments, pa.timestamp("us", tz=str(zone)))), _DAY, safe=False)


def spans(licence: pa.Table, zone: ZoneInfo) -> pa.Table:
    """Every licence with the first and last day (both included) on which it is in force: a table of :data:`SPANS`.

    A licence struck off before its first day is left out. ``site_id`` is null for one that counts for the whole firm.
    """
    ended = pc.is_in(licence["status"], pa.array(["注销", "吊销"]))
    day_before = pc.cast(
        pc.subtract(pc.cast(local_date(licence["updated_at"], zone), pa.int32()), pa.scalar(1, pa.int32())), _DAY
    )
    last = pc.if_else(ended, pc.min_element_wise(licence["valid_to"], day_before), licence["valid_to"])
    whole = pa.table(
        [
            licence["licence_no"],
            licence["firm_id"],
            _named(licence["site_id"]),
            licence["kind"],
            licence["valid_from"],
            last,
            licence["status"],
        ],
        schema=SPANS,
    )
    return whole.filter(pc.less_equal(whole["first"], whole["last"]))


def counting(licence: pa.Table, site: pa.Table, zone: ZoneInfo) -> pa.Table:
    """:func:`spans` with one row for each site for which a licence counts; ``site_id`` is never null."""
    each = spans(licence, zone)
    named = each.filter(pc.is_valid(each["site_id"]))
    of_firm = each.filter(pc.is_null(each["site_id"])).drop_columns(["site_id"])
    if of_firm.num_rows and site.num_rows:
        spread = of_firm.join(site.select(["firm_id", "site_id"]), "firm_id", join_type="inner", use_threads=False)
        named = pa.concat_tables([named, spread.select(SPANS.names).cast(SPANS)])
    return named.sort_by([("site_id", "ascending"), ("first", "ascending"), ("licence_no", "ascending")])


def permits(licence: pa.Table, licensed_chemical: pa.Table, site: pa.Table, zone: ZoneInfo) -> pa.Table:
    """One row for each licence, site and chemical: a table of :data:`PERMITS` with dates and the largest stock in tonnes."""
    each = counting(licence, site, zone)
    if not each.num_rows or not licensed_chemical.num_rows:
        return PERMITS.empty_table()
    named = licensed_chemical.select(["licence_no", "cas", "chemical", "max_storage_t"])
    return each.join(named, "licence_no", join_type="inner", use_threads=False).select(PERMITS.names).cast(PERMITS)


def in_force(table: pa.Table, at: date | datetime, zone: ZoneInfo | None = None, grace_days: int = 0) -> pa.Table:
    """The rows of :func:`spans`, :func:`counting` or :func:`permits` that are in force on a day.

    A moment is taken on the calendar of ``zone``. With ``grace_days`` a licence that ended at most so many days before
    counts too: its renewal may be on the way.
    """
    if isinstance(at, datetime):
        at = (at if zone is None else at.astimezone(zone)).date()
    until = pa.scalar(at - timedelta(days=grace_days), _DAY)
    return table.filter(
        pc.and_(pc.less_equal(table["first"], pa.scalar(at, _DAY)), pc.greater_equal(table["last"], until))
    )


def allowed(
    licence: pa.Table,
    licensed_chemical: pa.Table,
    site: pa.Table,
    at: date | datetime,
    zone: ZoneInfo,
    grace_days: int = RENEWAL_DAYS,
) -> pa.Table:
    """What each site may hold of each chemical on a day, in tonnes: a table of :data:`ALLOWED`, one row a site and chemical.

    The largest of the licences of one kind, added up over the kinds. ``valid_from`` … ``valid_to`` is the time around ``at``
    in which the licences that count here are all in force. A licence that ended at most ``grace_days`` before counts
    where no other of its kind does. Takes ``approval_licence``, ``approval_licensed_chemical`` and ``approval_site``.
    """
    rows = in_force(permits(licence, licensed_chemical, site, zone), at, zone, grace_days)
    if not rows.num_rows:
        return ALLOWED.empty_table()
    day = (at.astimezone(zone).date() if isinstance(at, datetime) else at).toordinal() - date(1970, 1, 1).toordinal()
    last = _days(rows["last"])
    stock = rows["max_storage_t"].to_numpy()
    keys = [rows[name].dictionary_encode().combine_chunks() for name in ("site_id", "cas", "kind")]
    codes = [np.asarray(key.indices) for key in keys]
    # Of a kind: those still in force before those in their days of grace, then the largest, then the one that lasts longest.
    order = np.lexsort((-last, -stock, last < day, codes[2], codes[1], codes[0]))
    site_code, cas_code, kind_code = (code[order] for code in codes)
    best = order[_begins(site_code, cas_code, kind_code)]
    at_site, of_cas = codes[0][best], codes[1][best]
    starts = np.flatnonzero(_begins(at_site, of_cas))
    return pa.table(
        [
            keys[0].dictionary.take(pa.array(at_site[starts])),
            keys[1].dictionary.take(pa.array(of_cas[starts])),
            np.add.reduceat(stock[best], starts),
            pa.array(np.maximum.reduceat(_days(rows["first"])[best], starts)).cast(pa.int32()).cast(_DAY),
            pa.array(np.minimum.reduceat(last[best], starts)).cast(pa.int32()).cast(_DAY),
        ],
        schema=ALLOWED,
    )


def lapses(licence: pa.Table, site: pa.Table, firm: pa.Table, zone: ZoneInfo) -> pa.Table:
    """Every time in which a holder that had been licensed for what it does was not: a table of :data:`LAPSES`.

    Licences of all kinds in :data:`COVERS` of the firm's kind count together, those of the site and those of the firm; for
    a carrier only the firm's. Where none of these kinds was ever entered for a site, the licences that it has stand for what
    it does (a producer that works under one to use chemicals). One that was never licensed has no lapse.
    """
    each = counting(licence, site, zone)
    road = spans(licence, zone)
    road = road.filter(pc.equal(road["kind"], ROAD))
    kinds = dict(zip(firm["firm_id"].to_pylist(), firm["kind"].to_pylist(), strict=True))
    parts: list[pa.Table] = []
    for kind, covers in COVERS.items():
        firms = pa.array([number for number, its in kinds.items() if its == kind], pa.string())
        whole = road if kind == "carrier" else each
        whole = whole.filter(pc.is_in(whole["firm_id"], firms))
        proper = pc.is_in(whole["kind"], pa.array(covers))
        of = whole.filter(proper)
        if kind != "carrier":
            without = pc.invert(pc.is_in(whole["site_id"], of["site_id"].combine_chunks()))
            other = pc.and_(without, pc.invert(pc.is_in(whole["kind"], pa.array([ROAD, WASTE]))))
            of = whole.filter(pc.or_(proper, other))
        holder = of["firm_id"] if kind == "carrier" else of["site_id"]
        named = of.append_column("holder", holder).append_column(
            "firm_kind", pa.array([kind] * of.num_rows, pa.string())
        )
        parts.append(_gaps(named))
    return pa.concat_tables(parts).sort_by([("holder", "ascending"), ("last", "ascending")])


def _gaps(rows: pa.Table) -> pa.Table:
    """Where the spans of a holder, put together, leave days uncovered after a first one."""
    if not rows.num_rows:
        return LAPSES.empty_table()
    rows = rows.sort_by(
        [("holder", "ascending"), ("first", "ascending"), ("last", "ascending"), ("licence_no", "ascending")]
    )
    holder = np.asarray(rows["holder"].combine_chunks().dictionary_encode().indices, dtype=np.int64)
    first, last = _days(rows["first"]), _days(rows["last"])
    # The latest end so far within each holder, and which licence has it.
    reach = np.maximum.accumulate(holder * (1 << 24) + last + (1 << 22)) - holder * (1 << 24) - (1 << 22)
    best = np.maximum.accumulate(np.where(reach == last, np.arange(len(last)), 0))
    following = np.append(holder[1:] == holder[:-1], False)
    after = np.append(first[1:], 0)
    ends = ~following | (after > reach + 1)
    renewed = pa.array(after[ends].astype(np.int32), mask=~following[ends]).cast(_DAY)
    taken = rows.take(pa.array(best[ends]))
    until = pa.array(reach[ends].astype(np.int32)).cast(_DAY)
    names = ("holder", "firm_id", "firm_kind", "licence_no", "kind")
    return pa.table([*(taken[name] for name in names), until, renewed], schema=LAPSES)


def _begins(*sorted_codes: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
    """Where a new combination begins in codes sorted together."""
    new = np.ones(len(sorted_codes[0]), dtype=np.bool_)
    if len(new):
        new[1:] = np.logical_or.reduce([code[1:] != code[:-1] for code in sorted_codes])
    return new


def _days(days: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """Days since 1970-01-01."""
    return np.asarray(pc.cast(pc.cast(days, pa.int32()), pa.int64()).to_numpy())


def _named(sites: pa.ChunkedArray) -> pa.ChunkedArray:
    """Empty text is no site."""
    return pc.if_else(pc.equal(pc.utf8_trim_whitespace(sites), ""), pa.scalar(None, pa.string()), sites)

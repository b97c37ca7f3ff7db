"""A report as somebody hands it over, and what must hold before it is taken in. Persons are taken out here."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from cityheart.command.intake.models import Given, Service
from cityheart.command.intake.personal import Secret, clean, scrub
from cityheart.kernel import limits
from cityheart.kernel.errors import Invalid, Problem, TooLarge
from cityheart.kernel.text import Text, text
from cityheart.share.formats import Payload, Reading, decode

__all__ = ["COLUMNS", "REASONS", "Filing", "Row", "check", "rows"]

Bounds = tuple[float, float, float, float]

# what hotline systems call their columns
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "external": (
        "工单编号",
        "工单号",
        "诉求编号",
        "编号",
        "受理编号",
        "id",
        "order_id",
        "external_id",
        "service_request_id",
    ),
    "at": ("受理时间", "来电时间", "诉求时间", "登记时间", "时间", "at", "time", "created_at", "requested_datetime"),
    "service": ("诉求类别", "事项类别", "类别", "分类", "问题类型", "service", "category", "service_code"),
    "title": ("标题", "诉求标题", "title"),
    "text": ("诉求内容", "内容", "问题描述", "描述", "text", "description", "content"),
    "address": ("地址", "事发地址", "问题地址", "地点", "address", "address_string"),
    "lon": ("经度", "lon", "lng", "long", "longitude"),
    "lat": ("纬度", "lat", "latitude"),
    "name": ("姓名", "来电人", "联系人", "诉求人", "name", "caller"),
    "phone": ("电话", "联系电话", "来电号码", "手机号", "手机", "phone", "tel"),
}
_FIELD = {heading: name for name, headings in COLUMNS.items() for heading in headings}
_TIMES = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y/%m/%d %H:%M:%S", "%Y/%m/%d %H:%M", "%Y年%m月%d日 %H:%M")


@dataclass(frozen=True, slots=True)
class Filing:
    """A report as it is handed over: unchecked, with the caller's name and number.

    ``external`` is its id in the system it comes from. ``at`` aware, ``None``: now. ``lon``, ``lat`` degrees WGS84.
    """

    source: str
    external: str
    text: str
    at: datetime | None = None
    service: str | None = None
    address: str = ""
    lon: float | None = None
    lat: float | None = None
    name: str | None = None
    phone: str | None = None
    attributes: Mapping[str, object] = field(default_factory=dict)
    media: str | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a file: what it hands over, or why it is no report. ``raw`` is the row without personal data.

    ``external`` is the id of its report, empty when it has none. ``message`` says why a row could not even be read.
    """

    number: int
    filing: Filing | None
    problem: Problem | None
    raw: str
    external: str = ""
    message: Text | None = None


def check(filing: Filing, services: Mapping[str, Service], bounds: Bounds, now: datetime, secret: Secret) -> Given:
    """What is taken in of a report, without personal data. Raises :class:`Invalid` or :class:`TooLarge`."""
    if len(filing.text) > limits.REPORT_CHARS:
        raise TooLarge(
            f"a report has at most {limits.REPORT_CHARS} characters", remedy="shorten it", reason="text_long"
        )
    said = scrub(clean(filing.text))
    if not said:
        raise Invalid("the report says nothing", remedy="say what happened", reason="text_empty")
    if len(filing.address) > limits.ADDRESS_CHARS:
        most = limits.ADDRESS_CHARS
        raise TooLarge(f"an address has at most {most} characters", remedy="shorten it", reason="address_long")
    external, source = clean(filing.external), clean(filing.source)
    if not external or len(external) > 120:
        raise Invalid("the report's own id has 1 to 120 characters", remedy="send the id of its system", reason="id")
    if not source or len(source) > 80:
        raise Invalid("the source has 1 to 80 characters", remedy="name the system it comes from", reason="source")
    if filing.service is not None and filing.service not in services:
        raise Invalid(
            f"there is no kind of matter {filing.service[:60]!r}",
            remedy=f"one of {', '.join(services)}, or none",
            reason="service",
        )
    lon, lat = _place(filing.lon, filing.lat, bounds)
    at = _moment(filing.at, now)
    caller = secret.caller(filing.name, filing.phone)
    return Given(
        source, external, at, filing.service, said, scrub(clean(filing.address)).replace("\n", " "), lon, lat, caller,
        _attributes(filing.attributes), _media(filing.media),
    )  # fmt: skip


def _place(lon: float | None, lat: float | None, bounds: Bounds) -> tuple[float | None, float | None]:
    if lon is None and lat is None:
        return None, None
    if lon is None or lat is None or not (math.isfinite(lon) and math.isfinite(lat)):
        raise Invalid("a place has a longitude and a latitude", remedy="send both, or none", reason="place")
    west, south, east, north = bounds

    def inside(x: float, y: float) -> bool:
        wide, high = (east - west) / 4, (north - south) / 4
        return west - wide <= x <= east + wide and south - high <= y <= north + high

    if inside(lon, lat):
        return round(lon, 7), round(lat, 7)
    if inside(lat, lon):
        raise Invalid(
            "longitude and latitude look exchanged", remedy="longitude comes first: east, then north", reason="swapped"
        )
    raise Invalid(
        f"the place {lon:.5f}, {lat:.5f} is not in this city",
        remedy=f"degrees WGS84 within {west}, {south}, {east}, {north}",
        reason="outside",
    )


def _moment(at: datetime | None, now: datetime) -> datetime:
    if at is None:
        return now
    if at.tzinfo is None:
        raise Invalid("the time has no time zone", remedy="write it as 2024-03-01T08:00:00+08:00", reason="time")
    at = at.astimezone(UTC)
    if at > now + limits.REPORT_AHEAD:
        raise Invalid(
            "the time is in the future", remedy="look at the clock of the system it comes from", reason="future"
        )
    if at < now - limits.REPORT_AGE:
        raise Invalid("the time is too long ago", remedy="send reports of the last ten years", reason="old")
    return at


def _attributes(raw: Mapping[str, object]) -> dict[str, object]:
    kept: dict[str, object] = {}
    for name, value in raw.items():
        values = value if isinstance(value, list) else [value]
        scrubbed = [scrub(clean(str(one)))[: limits.ADDRESS_CHARS] for one in values]
        kept[clean(str(name))[:60]] = scrubbed if isinstance(value, list) else scrubbed[0]
    if len(kept) > limits.REPORT_ATTRIBUTES or len(json.dumps(kept)) > limits.REPORT_ATTRIBUTES * 200:
        raise TooLarge(
            f"a report has at most {limits.REPORT_ATTRIBUTES} attributes", remedy="send fewer", reason="attributes"
        )
    return kept


def _media(url: str | None) -> str | None:
    if url is None or not url.strip():
        return None
    parts = urlsplit(clean(url)[:500]) if len(url) <= 500 else None
    if parts is None or parts.scheme not in ("http", "https") or not parts.netloc or parts.username:
        raise Invalid(
            "the address of the picture is no web address", remedy="send an http or https URL", reason="media"
        )
    return parts.geturl()


# ── files ──────────────────────────────────────────────────────────────────────────────────────────────────────


def rows(name: str, payload: Payload, source: str, services: Mapping[str, Service], zone: ZoneInfo) -> Iterator[Row]:
    """The rows of a file of a hotline system: CSV, workbook, JSON, XML or a zip of these, whichever columns it has.

    Times without a zone are the city's. A category that is not one of the city's stays as an attribute. Raises
    Refused of share when the file as a whole cannot be read.
    """
    known = {spelled: code for code, each in services.items() for spelled in (code, *each.name.values())}
    for batch in decode(name, payload, None, Reading(frozenset(_FIELD))):
        for piece in batch.malformed:
            problem = Invalid(piece.message, remedy="mend the row", reason=piece.code)
            raw = scrub(clean(piece.raw.decode("utf-8", "replace")))[:1_000]
            yield Row(piece.row, None, problem, raw, message=piece.message)
        told = batch.table.to_pylist() or [{}] * len(batch.rows)  # a table without columns has no rows
        for number, values in zip(batch.rows.tolist(), told, strict=True):
            yield _row(int(number), values, source, known, zone)


def _row(number: int, values: Mapping[str, object], source: str, known: Mapping[str, str], zone: ZoneInfo) -> Row:
    told: dict[str, str] = {}
    rest: dict[str, object] = {}
    for heading, value in values.items():
        name = _FIELD.get(heading.strip().lower())
        if value is None or str(value).strip() == "":
            continue
        if name is None:
            rest[heading] = str(value)
        else:
            told.setdefault(name, str(value).strip())
    shown = {name: value for name, value in told.items() if name not in ("name", "phone")}
    raw = scrub(clean(json.dumps(shown, ensure_ascii=False)))[:1_000]
    external = clean(told.get("external", ""))
    try:
        return Row(number, _filing(told, rest, source, known, zone), None, raw, external)
    except Problem as problem:
        return Row(number, None, problem, raw, external)


def _filing(
    told: Mapping[str, str], rest: dict[str, object], source: str, known: Mapping[str, str], zone: ZoneInfo
) -> Filing:
    category = told.get("service")
    service = known.get(category) if category else None
    if category and service is None:
        rest = {"category": category, **rest}
    title, body = told.get("title", ""), told.get("text", "")
    said = body if not title or title in body else f"{title}。{body}"
    return Filing(
        source,
        told.get("external", ""),
        said,
        _time(told.get("at"), zone),
        service,
        told.get("address", ""),
        _degrees(told.get("lon"), "lon"),
        _degrees(told.get("lat"), "lat"),
        told.get("name"),
        told.get("phone"),
        dict(list(rest.items())[: limits.REPORT_ATTRIBUTES]),
    )


def _time(written: str | None, zone: ZoneInfo) -> datetime | None:
    if written is None:
        return None
    for form in (None, *_TIMES):
        try:
            at = datetime.fromisoformat(written) if form is None else datetime.strptime(written, form)  # noqa: DTZ007
            return (at if at.tzinfo else at.replace(tzinfo=zone)).astimezone(UTC)
        except (ValueError, OverflowError):
            continue
    raise Invalid(f"{written[:40]!r} is no time", remedy="write it as 2024-03-01 08:00:00", reason="time")


def _degrees(written: str | None, what: str) -> float | None:
    if written is None:
        return None
    try:
        return float(written)
    except ValueError:
        raise Invalid(f"{written[:40]!r} is no number", remedy=f"send {what} in degrees", reason="place") from None


REASONS: Mapping[str, Text] = {
    "text_long": text("内容过长", "the text is too long"),
    "text_empty": text("没有诉求内容", "the text is missing"),
    "address_long": text("地址过长", "the address is too long"),
    "id": text("缺少工单编号，或编号过长", "the id is missing or too long"),
    "source": text("来源名称无效", "the source is not named rightly"),
    "service": text("没有此诉求类别", "there is no such kind of matter"),
    "place": text("经纬度不完整或不是数字", "longitude or latitude is missing or no number"),
    "swapped": text("经度与纬度可能颠倒", "longitude and latitude look exchanged"),
    "outside": text("位置不在本市范围内", "the place is not in this city"),
    "time": text("时间无法识别", "the time cannot be read"),
    "future": text("时间在未来", "the time is in the future"),
    "old": text("时间过早", "the time is too long ago"),
    "attributes": text("附加字段过多", "there are too many attributes"),
    "media": text("图片地址无效", "the address of the picture is no web address"),
}
"""Why a row is refused, by the code kept with it."""

"""A paged JSON API: by page number, by cursor, or one answer; from the last change seen on.

A page that is answered with a server error is asked for again at once, a few times; then the visit ends and goes on from
there next time: what has landed is not asked for again. A 429 or 503 with Retry-After is obeyed by waiting that long before
the next visit, not by holding the connection.
Redirects are not followed, answers are bounded in bytes and seconds.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import httpx
import structlog

from cityheart.kernel import duration, limits
from cityheart.kernel.clock import stopwatch
from cityheart.kernel.text import Text, text
from cityheart.share.connectors.base import Pull, Pulled, SourceFailed, back, secret
from cityheart.share.formats.json_records import records_at
from cityheart.share.models import Delivery, Refused

__all__ = ["Http"]

_log = structlog.get_logger("share")


class Http:
    """Records of a paged JSON API."""

    name = "http"
    title = text("分页接口", "paged HTTP API")
    options: Mapping[str, Text] = {
        "url": text("地址", "address of the list"),
        "params": text("固定的查询参数", "query parameters that are always sent"),
        "style": text("page、cursor 或 single", "page, cursor or single"),
        "records": text("记录列表的路径，如 data.items", "path of the list of records, such as data.items"),
        "page_param": text("页码参数，默认 page", "parameter of the page number, default page"),
        "first_page": text("第一页的页码，默认 1", "number of the first page, default 1"),
        "size_param": text("每页条数的参数", "parameter of the page size"),
        "size": text("每页条数", "records a page"),
        "cursor_param": text("游标参数，默认 cursor", "parameter of the cursor, default cursor"),
        "next": text("下一游标的路径，默认 next", "path of the next cursor, default next"),
        "since_param": text("更改时间下限的参数", "parameter of the earliest change wanted"),
        "since_field": text("记录中更改时间的字段", "field of a record that holds its time of change"),
        "overlap": text("重复读取的时长，如 PT10M", "how far back to look again, such as PT10M"),
        "token_env": text("保存令牌的环境变量", "environment variable that holds the bearer token"),
        "seconds": text("一次请求的时限（秒）", "seconds one request may take"),
    }

    def problems(self, options: Mapping[str, object]) -> list[str]:
        """Unknown options, no address, a style that does not exist, half of an incremental pair."""
        found = [f"nobody knows the option {name!r}" for name in sorted(set(options) - set(self.options))]
        if not str(options.get("url", "")).startswith(("http://", "https://")):
            found.append("the option 'url' must begin with http:// or https://")
        if options.get("style", "page") not in ("page", "cursor", "single"):
            found.append("the option 'style' must be page, cursor or single")
        if bool(options.get("since_param")) != bool(options.get("since_field")):
            found.append("the options 'since_param' and 'since_field' go together")
        try:
            if _overlap(options) and not options.get("since_param"):
                found.append("the option 'overlap' needs 'since_param' and 'since_field'")
        except ValueError as error:
            found.append(f"overlap: {error}")
        return found

    def pull(self, pull: Pull) -> Iterator[Pulled]:
        """One delivery a page with something new on it."""
        visit = _Visit.begin(pull)
        token = secret(pull.options, "token")
        headers = {"accept": "application/json"} | ({"authorization": f"Bearer {token}"} if token else {})
        with httpx.Client(headers=headers, timeout=_seconds(pull.options), follow_redirects=False) as client:
            for _ in range(limits.HTTP_PAGES):
                document = _asked(client, pull, visit.params())
                try:
                    records = records_at(document, _option(pull, "records"))
                except Refused as refused:
                    raise SourceFailed(refused.message) from refused
                page = visit.page
                fresh = visit.take(records)
                over = visit.move_on(document, records)
                cursor = visit.finished() if over else visit.cursor()
                if fresh:
                    payload = json.dumps(fresh, ensure_ascii=False).encode()
                    name = f"{pull.options['url']} #{page}"
                    yield Pulled(Delivery(name, pull.now, payload, "json", f"visit {visit.number}"), cursor)
                elif over and cursor != pull.cursor:
                    yield Pulled(None, cursor)
                if over:
                    return
        raise SourceFailed(
            text(f"超过 {limits.HTTP_PAGES} 页仍未结束", f"there is no end after {limits.HTTP_PAGES} pages")
        )


@dataclass
class _Visit:
    """Where a visit is: the page to ask for next, what was seen, and what the next visit will begin with."""

    options: Mapping[str, object]
    number: int
    page: object  # page number or cursor; None at the beginning of a cursor list
    since: str | None  # what is asked for
    top: str | None  # newest change seen
    edge: set[str]  # content of records at `since`, seen on an earlier visit
    rim: dict[str, str]  # content of records seen on this visit, with their time of change
    pages: dict[str, str]  # content of pages, for lists without a time of change

    @classmethod
    def begin(cls, pull: Pull) -> _Visit:
        """Go on where the last visit broke off, or begin anew."""
        kept: Mapping[str, object] = pull.cursor
        since = kept.get("since")
        first = pull.options.get("first_page", 1) if pull.options.get("style", "page") == "page" else None
        going = "page" in kept
        top = kept.get("top", since)
        return cls(
            pull.options,
            int(str(kept.get("visit", 0))) + (0 if going else 1),
            kept["page"] if going else first,
            None if since is None else str(since),
            None if top is None else str(top),
            set(kept.get("edge") or ()),  # type: ignore[call-overload]
            dict(kept.get("rim") or {}),  # type: ignore[call-overload]
            dict(kept.get("pages") or {}),  # type: ignore[call-overload]
        )

    def params(self) -> dict[str, str]:
        fixed = self.options.get("params")
        params = {str(name): str(value) for name, value in fixed.items()} if isinstance(fixed, Mapping) else {}
        if self.options.get("size_param") and self.options.get("size"):
            params[str(self.options["size_param"])] = str(self.options["size"])
        if self.options.get("since_param") and self.since is not None:
            params[str(self.options["since_param"])] = back(self.since, _overlap(self.options))
        style = self.options.get("style", "page")
        if style == "page":
            params[str(self.options.get("page_param", "page"))] = str(self.page)
        elif style == "cursor" and self.page is not None:
            params[str(self.options.get("cursor_param", "cursor"))] = str(self.page)
        return params

    def take(self, records: list[object]) -> list[object]:
        """The records that are new."""
        field = self.options.get("since_field")
        if field is None:
            digest = _digest(records)
            key = str(self.page)
            same = self.pages.get(key) == digest
            self.pages[key] = digest
            return [] if same else records
        fresh = []
        for record in records:
            digest = _digest(record)
            moment = str(record.get(str(field)) or "") if isinstance(record, Mapping) else ""
            if digest not in self.edge and digest not in self.rim:
                fresh.append(record)
            self.rim[digest] = moment
            if moment and (self.top is None or _later(moment, self.top)):
                self.top = moment
        if len(self.rim) >= 10_000:
            self.rim = self._at_the_edge()
        return fresh

    def _at_the_edge(self) -> dict[str, str]:
        """Records seen on this visit that the next one will see again."""
        overlap = _overlap(self.options)
        if not overlap or self.top is None:
            return {digest: moment for digest, moment in self.rim.items() if not moment or moment == self.top}
        low = back(self.top, overlap)
        return {digest: moment for digest, moment in self.rim.items() if not moment or not _later(low, moment)}

    def move_on(self, document: object, records: list[object]) -> bool:
        """Turn the page; whether that was the last one."""
        style = self.options.get("style", "page")
        if style == "single":
            return True
        if style == "cursor":
            following: object = document
            for step in str(self.options.get("next", "next")).split("."):
                following = following.get(step) if isinstance(following, Mapping) else None
            if following is not None and following == self.page:
                raise SourceFailed(text("接口的游标原地打转", "the API gives the same cursor again and again"))
            self.page = following
            return following is None or following == "" or not records
        self.page = int(str(self.page)) + 1
        size = self.options.get("size")
        return not records or (size is not None and len(records) < int(str(size)))

    def cursor(self) -> dict[str, object]:
        """To go on within this visit."""
        cursor: dict[str, object] = {"visit": self.number, "page": self.page}
        if self.options.get("since_field"):
            cursor |= {"since": self.since, "top": self.top, "edge": sorted(self.edge), "rim": self.rim}
        else:
            cursor["pages"] = self.pages
        return cursor

    def finished(self) -> dict[str, object]:
        """To begin the next visit with."""
        if self.options.get("since_field"):
            edge = set(self._at_the_edge())
            if self.top == self.since or _overlap(self.options):
                edge |= self.edge
            return {"visit": self.number, "since": self.top, "edge": sorted(edge)[: limits.EDGE_ROWS]}
        return {"visit": self.number, "pages": self.pages}


def _asked(client: httpx.Client, pull: Pull, params: Mapping[str, str]) -> object:
    """The document of one page; a server that stumbles (5xx, a broken connection) is asked again at once."""
    for tried in range(1, limits.HTTP_TRIES):
        try:
            return _get(client, pull, params)
        except SourceFailed as failed:
            if not isinstance(failed, _Stumbled):
                raise
            _log.info("asked again", source=pull.source, tried=tried, reason=failed.message["en"])
    return _get(client, pull, params)


class _Stumbled(SourceFailed):
    """An answer that may well be another one the next time."""


def _get(client: httpx.Client, pull: Pull, params: Mapping[str, str]) -> object:
    url = str(pull.options["url"])
    allowed = _seconds(pull.options)
    begun = stopwatch()
    body = bytearray()
    try:
        with client.stream("GET", url, params=dict(params)) as response:
            _judge(response, pull.now)
            for piece in response.iter_bytes():
                body += piece
                if len(body) > limits.HTTP_BYTES:
                    raise SourceFailed(
                        text(
                            f"应答超过 {limits.HTTP_BYTES // 2**20} MB",
                            f"an answer above {limits.HTTP_BYTES // 2**20} MB",
                        )
                    )
                if stopwatch() - begun > allowed:
                    raise SourceFailed(text(f"{allowed:g} 秒内没有答完", f"no complete answer within {allowed:g} s"))
    except httpx.TimeoutException as error:
        raise SourceFailed(text(f"{allowed:g} 秒内没有应答", f"no answer within {allowed:g} s")) from error
    except httpx.HTTPError as error:
        kind = SourceFailed if isinstance(error, httpx.ConnectError | httpx.UnsupportedProtocol) else _Stumbled
        raise kind(text(f"无法连接：{error}", f"cannot be reached: {error}")) from error
    try:
        document: object = json.loads(bytes(body))
    except (ValueError, RecursionError) as error:
        raise SourceFailed(text("应答不是 JSON", f"the answer is not JSON: {error}")) from error
    return document


def _judge(response: httpx.Response, now: datetime) -> None:
    status = response.status_code
    if status == 200:
        return
    if status in (429, 503):
        wait = _retry_after(response.headers.get("retry-after"), now)
        shown = f"{wait.total_seconds():g} s" if wait else "?"
        raise SourceFailed(
            text(f"接口要求稍候（HTTP {status}，{shown}）", f"asked to wait (HTTP {status}, {shown})"), retry_after=wait
        )
    if status in (401, 403):
        raise SourceFailed(text(f"令牌不被接受（HTTP {status}）", f"the token is not accepted (HTTP {status})"))
    kind = _Stumbled if status >= 500 else SourceFailed
    raise kind(text(f"应答 HTTP {status}", f"answered HTTP {status}"))


def _retry_after(value: str | None, now: datetime) -> timedelta | None:
    """Seconds or a date (RFC 9110, 10.2.3)."""
    if value is None:
        return None
    if value.strip().isdigit():
        return timedelta(seconds=min(int(value), 10**7))
    try:
        until = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(timedelta(0), (until if until.tzinfo else until.replace(tzinfo=UTC)) - now)


def _later(one: str, other: str) -> bool:
    """Whether a moment is later than another; text that is no time is compared as text."""
    try:
        return datetime.fromisoformat(one) > datetime.fromisoformat(other)
    except (ValueError, TypeError):
        return one > other


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=False).encode("utf-8", "replace")).hexdigest()[
        :24
    ]


def _overlap(options: Mapping[str, object]) -> timedelta:
    overlap = options.get("overlap")
    return duration.parse(str(overlap)) if overlap is not None else timedelta(0)


def _seconds(options: Mapping[str, object]) -> float:
    return float(str(options.get("seconds", limits.HTTP_SECONDS)))


def _option(pull: Pull, name: str) -> str | None:
    value = pull.options.get(name)
    return None if value is None else str(value)

"""What systems serve while a test city is played live: drop folders, and HTTP interfaces with all their moods.

An interface asks for its bearer token, answers with 429 and Retry-After when asked more than five times a second, with
500 now and then, and repeats rows on its pages: on purpose, and when a row changes while somebody turns them.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import threading
from bisect import bisect_right
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import datetime
from hmac import compare_digest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np

from cityheart.sdk import derive, dice, stopwatch
from cityheart.simulation.player.folder import Drop
from cityheart.simulation.player.handed import RecordLog, micros

__all__ = ["DropFolder", "Interface", "Interfaces"]

REQUESTS_PER_SECOND = 5
FAILURES = 0.02  # of all requests: answered with 500
REPEATS = 0.1  # of all pages: begin with a row of the page before
PAGE = 100  # records of a page when nobody asks for another number
PAGE_MOST = 1_000
SNAPSHOTS = 8  # lists that are being turned page by page at once


class DropFolder:
    """A folder in which files appear, each at once and whole."""

    def __init__(self, drops: Sequence[Drop], target: Path) -> None:
        self._drops = drops
        self._moments = [drop.at for drop in drops]
        self._target = target
        self._shown = 0

    def show(self, until: datetime) -> None:
        """Let every file be there that was delivered by ``until``, with the time of its delivery."""
        end = bisect_right(self._moments, until)
        for drop in self._drops[self._shown : end]:
            self._target.mkdir(parents=True, exist_ok=True)
            beside = self._target / f".{drop.path.name}.part"
            shutil.copyfile(drop.path, beside)
            moment = micros(drop.at) * 1_000
            os.utime(beside, ns=(moment, moment))
            beside.replace(self._target / drop.path.name)
        self._shown = end


class Interface:
    """One list of records behind an address, in the style that the city's source expects."""

    def __init__(
        self, source: str, log: RecordLog, key: Sequence[str], options: Mapping[str, object], seed: int
    ) -> None:
        self.source = source
        self.path = f"/{source.partition('.')[0]}{urlsplit(str(options.get('url', ''))).path or '/' + source}"
        self.limited = options.get("style") == "cursor"
        self._log = log
        self._key = tuple(key)
        self._options = options
        self._seed = str(seed)
        self._lock = threading.Lock()
        self._shown = 0
        self._newest: dict[tuple[str, ...], int] = {}
        self._floor: dict[int, int] = {}  # by entry: the latest of its being there and of the change it tells
        self._lists: dict[str, list[int]] = {}
        self._asked = 0
        self._times: deque[float] = deque(maxlen=REQUESTS_PER_SECOND)

    def show(self, until: datetime) -> None:
        """Let every version be there that was by ``until``."""
        end = int(np.searchsorted(self._log.moments, micros(until), side="right"))
        if end == self._shown:
            return
        field = str(self._options.get("since_field", "updated_at"))
        for place, record in zip(range(self._shown, end), self._log.records(range(self._shown, end)), strict=True):
            key = tuple(str(record.get(name)) for name in self._key) or (str(place),)
            with self._lock:
                self._floor.pop(self._newest.pop(key, -1), None)
                self._newest[key] = place
                self._floor[place] = max(int(self._log.moments[place]), _told(record.get(field)))
        self._shown = end

    def refusal(self, speed: float) -> tuple[int, dict[str, str]] | None:
        """Whether this request is turned away, and how. Retry-After counts in the city's own seconds."""
        with self._lock:
            self._asked += 1
            now = stopwatch()
            if self.limited and len(self._times) == REQUESTS_PER_SECOND and now - self._times[0] < 1:
                wait = 1 - (now - self._times[0])
                return 429, {"Retry-After": str(math.ceil(wait * max(speed, 1)))}
            self._times.append(now)
            if dice(self._seed, self.source, str(self._asked)).random() < FAILURES:
                return 500, {}
        return None

    def answer(self, query: Mapping[str, Sequence[str]]) -> object:
        """The document for a request. Raises ValueError for parameters that make no sense."""
        options = self._options
        since = _given(query, str(options.get("since_param", "since")))
        low = None if since is None else micros(_aware(since))
        size = int(_given(query, str(options.get("size_param", "limit"))) or options.get("size") or PAGE)  # type: ignore[call-overload]
        if not 1 <= size <= PAGE_MOST:
            raise ValueError(f"a page has 1 to {PAGE_MOST} records")
        match options.get("style", "page"):
            case "cursor":
                places, following = self._after(low, _given(query, str(options.get("cursor_param", "cursor"))), size)
                return self._document(places, str(options.get("next", "next")), following)
            case "single":
                return self._document(self._since(low), None, None)
            case _:
                first = int(str(options.get("first_page", 1)))
                page = int(_given(query, str(options.get("page_param", "page"))) or first)
                places, total = self._page(low, page - first, size, since or "")
                document = self._document(places, None, None)
                return {**document, "total": total, "page": page}

    def _since(self, low: int | None) -> list[int]:
        with self._lock:
            return sorted(place for place, floor in self._floor.items() if low is None or floor >= low)

    def _after(self, low: int | None, cursor: str | None, size: int) -> tuple[list[int], str | None]:
        after = -1 if cursor is None else int(cursor)
        found = self._since(low)
        begin = bisect_right(found, after)
        page = found[begin : begin + size]
        following = str(page[-1]) if begin + size < len(found) else None
        if begin and self._repeats(f"cursor {cursor}"):
            page = [found[begin - 1], *page]
        return page, following

    def _page(self, low: int | None, number: int, size: int, since: str) -> tuple[list[int], int]:
        """A page of the list as it was when its first page was asked for."""
        if number <= 0 or since not in self._lists:
            self._lists.pop(since, None)
            while len(self._lists) >= SNAPSHOTS:
                self._lists.pop(next(iter(self._lists)))
            self._lists[since] = self._since(low)
        found = self._lists[since]
        begin = max(0, number) * size
        page = found[begin : begin + size]
        if page and begin and self._repeats(f"page {number}"):
            page = [found[begin - 1], *page]
        return page, len(found)

    def _repeats(self, what: str) -> bool:
        return dice(self._seed, self.source, what, str(self._asked)).random() < REPEATS

    def _document(self, places: Sequence[int], name: str | None, following: str | None) -> dict[str, object]:
        document: dict[str, object] = {}
        _put(document, str(self._options.get("records", "items")), self._log.records(places))
        if name is not None:
            _put(document, name, following)
        return document


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Nothing: somebody hung up."""


class Interfaces:
    """The HTTP server of all interfaces, on one free port of this machine. ``token`` opens it."""

    def __init__(self, interfaces: Sequence[Interface], seed: int, speed: float) -> None:
        self.token = derive("token", str(seed))
        by_path = {each.path: each for each in interfaces}
        token = f"Bearer {self.token}".encode()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 30

            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                interface = by_path.get(parts.path)
                if not compare_digest((self.headers.get("authorization") or "").encode(), token):
                    return self._say(401, {"error": "the token is missing or wrong"})
                if interface is None:
                    return self._say(404, {"error": "there is nothing here"})
                refused = interface.refusal(speed)
                if refused is not None:
                    return self._say(refused[0], {"error": "not now"}, refused[1])
                try:
                    document = interface.answer(parse_qs(parts.query))
                except ValueError as error:
                    return self._say(400, {"error": str(error)})
                return self._say(200, document)

            def _say(self, status: int, document: object, headers: Mapping[str, str] | None = None) -> None:
                body = json.dumps(document, ensure_ascii=False).encode()
                self.send_response(status)
                for name, value in (headers or {}).items():
                    self.send_header(name, value)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Nothing: what is asked is no news."""

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="interfaces", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Serve no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _told(value: object) -> int:
    try:
        return micros(_aware(str(value)))
    except ValueError:
        return 0


def _aware(value: str) -> datetime:
    moment = datetime.fromisoformat(value.replace(" ", "+"))  # a plus sign that came through a query
    if moment.tzinfo is None:
        raise ValueError(f"{value} has no offset")
    return moment


def _given(query: Mapping[str, Sequence[str]], name: str) -> str | None:
    values = query.get(name)
    return values[0] if values else None


def _put(document: dict[str, object], path: str, value: object) -> None:
    """Put a value at a dotted path."""
    *above, last = path.split(".")
    for step in above:
        inner = document.setdefault(step, {})
        assert isinstance(inner, dict)
        document = inner
    document[last] = value

"""What every request passes: who asks, from which page, and what the browser may do with the answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse

from cityheart.kernel import limits
from cityheart.kernel.errors import BadRequest, Forbidden, Problem, TooLarge, Unauthenticated
from cityheart.kernel.refusals import language_of
from cityheart.serve.api import COOKIE
from cityheart.serve.service import Serve

__all__ = ["Guard", "problem_response"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

# the only API paths that answer somebody who is not signed in
OPEN = {"/api/session", "/api/health"}
# and what answers somebody who has signed in with a one-time code and must first choose a password
TO_CHANGE = {*OPEN, "/api/city", "/api/me/password"}
UPLOADS = "/files"

HEADERS = [
    (
        b"content-security-policy",
        b"default-src 'self'; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; worker-src 'self' blob:; "
        b"connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
    (b"permissions-policy", b"camera=(self), geolocation=(self), microphone=()"),
]


def problem_response(problem: Problem, accepted: str = "", **members: object) -> JSONResponse:
    """The problem as ``application/problem+json`` in the language that the reader accepts, with more members."""
    language = language_of(accepted)
    headers = {"content-language": language, "vary": "Accept-Language"}
    if problem.status == 429:
        headers["retry-after"] = "600"
    body = problem.json(language) | members
    return JSONResponse(body, problem.status, headers=headers, media_type="application/problem+json")


class Guard:
    """ASGI middleware: sets ``state.actor``, denies by default, refuses foreign origins and oversized bodies."""

    def __init__(self, app: Application, serve: Serve) -> None:
        self._app = app
        self._serve = serve

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        token = _cookie(headers.get(b"cookie", ""))
        entry = await run_in_threadpool(self._serve.entry, token) if token else None
        state = scope.setdefault("state", {})
        state["actor"] = actor = None if entry is None else entry.actor
        state["must_change"] = must_change = entry is not None and entry.must_change
        if scope["type"] == "websocket":
            if must_change:
                state["actor"] = None
            await self._app(scope, receive, send)
            return
        try:
            self._check(scope, headers, signed_in=actor is not None)
            if must_change and scope["path"].startswith("/api/") and scope["path"] not in TO_CHANGE:
                raise Forbidden("the one-time code must be replaced first", remedy="choose a password of your own")
        except Problem as problem:
            answer = problem_response(problem, headers.get(b"accept-language", ""))
            await answer(scope, receive, _with_headers(send, scope["path"]))
            return
        await self._app(scope, receive, _with_headers(send, scope["path"]))

    @staticmethod
    def _check(scope: Scope, headers: dict[bytes, str], *, signed_in: bool) -> None:
        path: str = scope["path"]
        if not path.startswith("/api/"):
            return
        if scope["method"] not in ("GET", "HEAD", "OPTIONS"):
            check_origin(headers)
            _check_length(headers, _most(path))
        if not signed_in and path not in OPEN:
            raise Unauthenticated("nobody is signed in", remedy="sign in")


def _most(path: str) -> int:
    """How long the body of a request to a path may be."""
    if not path.endswith(UPLOADS):
        return limits.REQUEST_BYTES
    return limits.HANDED_FILE_BYTES if path.startswith(("/api/sources/", "/api/reports/")) else limits.UPLOAD_BYTES


def _check_length(headers: dict[bytes, str], most: int) -> None:
    """Refuse a body that is too long before a byte of it is read, and one that does not say how long it is."""
    length = headers.get(b"content-length", "0")
    if b"transfer-encoding" in headers or not length.isdigit():
        raise BadRequest("the request does not say how long it is", remedy="send a Content-Length")
    if int(length) > most:
        raise TooLarge(f"this request has at most {most} bytes", remedy="send less at once")


def check_origin(headers: dict[bytes, str]) -> None:
    """Raise :class:`Forbidden` when a browser says that the request comes from another site's page."""
    origin = headers.get(b"origin")
    if origin is not None and urlsplit(origin).netloc != headers.get(b"host"):
        raise Forbidden("the request comes from another site", remedy="use the console of this city")


def _cookie(header: str) -> str | None:
    try:
        morsel = SimpleCookie(header).get(COOKIE)
    except CookieError:
        return None
    return morsel.value if morsel else None


def _with_headers(send: Send, path: str) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            extra = [*HEADERS, (b"cache-control", b"no-store")] if path.startswith("/api/") else HEADERS
            message["headers"] = [*message["headers"], *extra]
        await send(message)

    return send_with_headers

"""Errors a person can act on: every refusal is a :class:`Problem`, shown as RFC 9457 problem JSON."""

from __future__ import annotations

from http import HTTPStatus
from typing import ClassVar

__all__ = [
    "BadRequest",
    "Conflict",
    "Forbidden",
    "Invalid",
    "NotFound",
    "Problem",
    "TooLarge",
    "TooMany",
    "Unauthenticated",
    "Unavailable",
]


class Problem(Exception):  # noqa: N818  (the name RFC 9457 gives it)
    """A refusal: ``detail`` says what is wrong, ``remedy`` what to do about it."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal"

    def __init__(self, detail: str, *, remedy: str | None = None, **extra: object) -> None:
        super().__init__(detail)
        self.detail = detail
        self.remedy = remedy
        self.extra = extra

    def json(self) -> dict[str, object]:
        """The problem as RFC 9457 members, with ``code`` and ``remedy`` beside them."""
        return {
            "type": f"urn:cityheart:problem:{self.code}",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            "remedy": self.remedy,
            **self.extra,
        }

    def __str__(self) -> str:
        return f"{self.detail} ({self.remedy})" if self.remedy else self.detail


class BadRequest(Problem):
    """The request cannot be understood."""

    status, code = 400, "bad-request"


class Unauthenticated(Problem):
    """Nobody is signed in."""

    status, code = 401, "unauthenticated"


class Forbidden(Problem):
    """This person may not do or see this."""

    status, code = 403, "forbidden"


class NotFound(Problem):
    """There is no such thing, or none this person may know of."""

    status, code = 404, "not-found"


class Conflict(Problem):
    """The state of things does not allow this now."""

    status, code = 409, "conflict"


class TooLarge(Problem):
    """More bytes than the limit allows."""

    status, code = 413, "too-large"


class Invalid(Problem):
    """Understood, but a value is not acceptable."""

    status, code = 422, "invalid"


class TooMany(Problem):
    """Too many requests; wait."""

    status, code = 429, "too-many"


class Unavailable(Problem):
    """A part that this needs is not there at the moment."""

    status, code = 503, "unavailable"

"""Errors a person can act on: every refusal is a :class:`Problem`, shown as RFC 9457 problem JSON."""

from __future__ import annotations

from http import HTTPStatus
from typing import ClassVar

from cityheart.kernel import refusals
from cityheart.kernel.text import Text, text

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
    """A refusal: ``detail`` says what is wrong, ``remedy`` what to do about it.

    Both are said in English, and the catalogues (:mod:`cityheart.kernel.refusals`) have them in Chinese; whoever has
    the words in both languages gives both.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal"

    def __init__(self, detail: str | Text, *, remedy: str | Text | None = None, **extra: object) -> None:
        self.detail = detail if isinstance(detail, str) else detail["en"]
        self.remedy = remedy["en"] if isinstance(remedy, dict) else remedy
        super().__init__(self.detail)
        self.extra = extra
        self._given = (detail, remedy)

    def both(self) -> tuple[Text, Text | None]:
        """What is wrong and what to do about it, in both languages, for a text that several people will read."""
        (detail, remedy), (chinese, advice) = (self.detail, self.remedy), self.said("zh-CN")
        return text(chinese, detail), None if remedy is None else text(advice or remedy, remedy)

    def said(self, language: str) -> tuple[str, str | None]:
        """What is wrong and what to do about it, in a language."""
        detail, remedy = self._given
        return _in(language, detail), None if remedy is None else _in(language, remedy)

    def json(self, language: str = "en") -> dict[str, object]:
        """The problem as RFC 9457 members, with ``code`` and ``remedy`` beside them."""
        detail, remedy = self.said(language)
        return {
            "type": f"urn:cityheart:problem:{self.code}",
            "title": refusals.say(HTTPStatus(self.status).phrase, language),
            "status": self.status,
            "detail": detail,
            "code": self.code,
            "remedy": remedy,
            **self.extra,
        }

    def __str__(self) -> str:
        return f"{self.detail} ({self.remedy})" if self.remedy else self.detail


def _in(language: str, words: str | Text) -> str:
    return refusals.say(words, language) if isinstance(words, str) else words[language]


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

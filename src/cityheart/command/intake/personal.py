"""Keeping persons out: what callers say is scrubbed, who they are becomes a keyed hash.

The key is the city's own and never leaves its folder: with the hash alone nobody can be found, and the same caller is
still known again.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import unicodedata
from collections.abc import Callable
from functools import cached_property

from cityheart.command.personal import named, replaced
from cityheart.kernel.ids import unguessable

__all__ = ["Secret", "clean", "scrub"]

_LINES = {"\n", "\t"}


def clean(said: str) -> str:
    """The text without control characters, halves of characters and NUL; lines and tabs stay. NFC."""
    kept = (
        char
        for char in unicodedata.normalize("NFC", said.replace("\r\n", "\n").replace("\r", "\n"))
        if char in _LINES or unicodedata.category(char) not in ("Cc", "Cs", "Cf", "Co", "Cn")
    )
    return "".join(kept).strip()


def scrub(said: str) -> str:
    """The text with telephone, identity and card numbers, plates, addresses of mail and named names replaced."""
    return replaced(said, named)


class Secret:
    """Keyed hashes of callers. ``key`` gives the city's own key, which is made on first use (kernel/secret.py)."""

    def __init__(self, key: Callable[[], bytes]) -> None:
        self._make = key

    @cached_property
    def _key(self) -> bytes:
        return self._make()

    def hash(self, kind: str, *parts: str) -> str:
        """A keyed hash of ``parts``, 32 hexadecimal digits; another ``kind`` gives another one."""
        message = "\x1f".join((kind, *parts)).encode()
        return hmac.new(self._key, message, hashlib.sha256).hexdigest()[:32]

    def caller(self, name: str | None, phone: str | None) -> str | None:
        """The keyed hash of a caller: of the telephone number, else of the name; ``None`` for neither."""
        digits = re.sub(r"\D", "", unicodedata.normalize("NFKC", phone or ""))
        digits = digits.removeprefix("0086").removeprefix("86") if len(digits) > 11 else digits
        if digits:
            return self.hash("phone", digits)
        spelled = "".join(unicodedata.normalize("NFKC", name or "").split()).lower()
        return self.hash("name", spelled) if spelled else None

    def token(self) -> str:
        """A new key for a calling program, which cannot be guessed."""
        return unguessable(24).hex()

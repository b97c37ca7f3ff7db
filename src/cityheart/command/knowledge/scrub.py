"""The words of cases without personal data: marks stand there that say what it was, never whose."""

from __future__ import annotations

import unicodedata

from cityheart.command.personal import keyed, replaced

__all__ = ["Scrubber"]


class Scrubber:
    """Takes personal data out of words, with the city's own ``key`` (at least 16 bytes)."""

    def __init__(self, key: bytes) -> None:
        self._mark = keyed(key)

    def clean(self, words: str) -> str:
        """The words in one line, without control characters, with keyed marks in place of personal data."""
        plain = "".join(" " if unicodedata.category(sign)[0] in "CZ" else sign for sign in words)
        return replaced(" ".join(plain.split()), self._mark)

"""Identifiers: time-sortable new ones, and stable ones derived from what they name.

The only module that draws random numbers. With a seed the sequence is repeatable.
"""

from __future__ import annotations

import hashlib
import random
import secrets
import threading

from cityheart.kernel.clock import Clock

__all__ = ["Ids", "derive", "dice", "unguessable"]

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u


_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]


def _base32(number: int, pairs: int) -> str:
    """The last ``pairs`` of digits of the number."""
    return "".join([_PAIRS[number >> shift & 1023] for shift in range(10 * pairs - 10, -10, -10)])


def derive(kind: str, *parts: str) -> str:
    """A stable id made from content: equal parts give an equal id, on every machine and in every run.

    >>> derive("task", "run-1", "notify", "1") == derive("task", "run-1", "notify", "1")
    True
    """
    digest = hashlib.sha256("\x1f".join((kind, *parts)).encode()).digest()
    return f"{kind}-{_base32(int.from_bytes(digest[:10]), 8)}"


def dice(*parts: str) -> random.Random:
    """A random generator of its own for what ``parts`` name: equal parts draw equal numbers, whenever asked."""
    return random.Random(hashlib.sha256("\x1f".join(parts).encode()).digest())


def unguessable(count: int) -> bytes:
    """So many bytes that nobody can guess or repeat: for keys, never for what is shown or compared."""
    return secrets.token_bytes(count)


class Ids:
    """Draws new ids and the random numbers of the process.

    ``seed=None`` draws from the operating system's entropy; a number makes the sequence repeatable.
    """

    def __init__(self, clock: Clock, seed: int | None = None) -> None:
        self._clock = clock
        self.rng = random.Random(seed if seed is not None else secrets.randbits(128))
        self._lock = threading.Lock()

    def follow(self, clock: Clock) -> None:
        """Take the time of new ids from ``clock`` from now on."""
        self._clock = clock

    def new(self, kind: str) -> str:
        """A new id such as ``alert-01k9z…``: 48 bits of milliseconds, then 80 random bits; sorts by time."""
        milliseconds = int(self._clock.now().timestamp() * 1000)
        with self._lock:
            tail = self.rng.getrandbits(80)
        return f"{kind}-{_base32(milliseconds, 5)}{_base32(tail, 8)}"

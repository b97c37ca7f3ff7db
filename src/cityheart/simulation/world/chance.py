"""Chance of the simulated city: for every name a generator of its own, so that no part disturbs another's draws."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cityheart.sdk import dice

__all__ = ["Bools", "Bytes", "Floats", "Ints", "numbers"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Bytes = NDArray[np.uint8]


def numbers(seed: int, *parts: str) -> np.random.Generator:
    """The generator of what ``parts`` name in the city of ``seed``: equal names draw equal numbers."""
    return np.random.default_rng(dice("world", str(seed), *parts).getrandbits(128))

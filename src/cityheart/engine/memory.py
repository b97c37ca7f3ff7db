"""Memory that was freed goes back to the system: allocators keep it, and a city would hold the most it ever needed."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import cast

import pyarrow as pa

__all__ = ["give_back"]


def _trimmer() -> Callable[[int], int]:
    """What the C library has for it; nothing where it is another one."""
    try:
        return cast(Callable[[int], int], ctypes.CDLL(None).malloc_trim)
    except (AttributeError, OSError):
        return lambda pad: 0


_trim = _trimmer()


def give_back() -> None:
    """Hand back what nobody uses. It takes some milliseconds for each GB, so it belongs behind large work."""
    pa.default_memory_pool().release_unused()
    _trim(0)

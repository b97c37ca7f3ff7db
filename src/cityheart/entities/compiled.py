"""Loops that are compiled where that pays: a large batch is worth the seconds of compiling, a small one runs as Python."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
from numba.extending import register_jitable

__all__ = ["inner", "kernel"]

_WORTH = 20_000  # steps of a loop from which on compiling is quicker than running it as Python

inner = register_jitable
"""Marks a function that kernels call."""


def kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """``function(work, …)`` compiled when ``work`` (how many steps, not handed on) is large or it is compiled already."""
    compiled = numba.njit(cache=True)(function)

    def run(work: int, *arguments: object) -> Any:
        chosen = compiled if work >= _WORTH or compiled.signatures else function
        return chosen(*arguments)

    return run

"""Loops that are compiled where that pays: a large batch is worth the seconds of compiling, a small one runs as Python."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["inner", "kernel"]

_WORTH = 20_000  # steps of a loop from which on compiling is quicker than running it as Python
_inner: list[Callable[..., Any]] = []  # not yet known to the compiler, which is loaded when it is first worth it

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])


def inner(function: FunctionT) -> FunctionT:
    """Marks a function that kernels call."""
    _inner.append(function)
    return function


def kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """``function(work, …)`` compiled when ``work`` (how many steps, not handed on) is large or it is compiled already."""
    compiled: Callable[..., Any] | None = None

    def run(work: int, *arguments: object) -> Any:
        nonlocal compiled
        if compiled is None and work >= _WORTH:
            compiled = _compiled(function)
        return (compiled or function)(*arguments)

    return run


def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    import numba
    from numba.extending import register_jitable

    while _inner:
        register_jitable(_inner.pop())
    result: Callable[..., Any] = numba.njit(cache=True)(function)
    return result

"""Loops that are compiled to machine code, once for each machine: the code is kept beside the module."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import numba

__all__ = ["compiled", "inner", "innermost"]

FunctionT = TypeVar("FunctionT", bound=Callable[..., object])
_OPTIONS = {"cache": True, "nogil": True, "error_model": "numpy"}
_INNER = {**_OPTIONS, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
_INNERMOST = {**_INNER, "_nrt": False}
_compile = cast(Callable[..., Callable[..., object]], numba.njit)  # its types leave out some of its options


def compiled(function: FunctionT) -> FunctionT:
    """The function, compiled when it is first called; other threads go on while it runs."""
    return cast(FunctionT, _compile(**_OPTIONS)(function))


def inner(function: FunctionT) -> FunctionT:
    """The same for a function that only compiled functions call: it takes half the time to compile."""
    return cast(FunctionT, _compile(**_INNER)(function))


def innermost(function: FunctionT) -> FunctionT:
    """The same for one that makes no array: who holds what it is given is not counted, which can cost more than its work."""
    return cast(FunctionT, _compile(**_INNERMOST)(function))

"""Loops that are compiled to machine code, once for each machine: the code is kept beside the module.

The compiler itself is loaded with the first call of any of them: it takes half a second and 70 MB, which a city without
devices, a worker and most commands never need.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from types import CodeType
from typing import Any, TypeVar, cast

__all__ = ["compiled", "inner", "innermost"]

FunctionT = TypeVar("FunctionT", bound=Callable[..., object])
_OPTIONS: Mapping[str, object] = {"cache": True, "nogil": True, "error_model": "numpy"}
_INNER: Mapping[str, object] = {**_OPTIONS, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
_INNERMOST: Mapping[str, object] = {**_INNER, "_nrt": False}

_making = threading.RLock()


def compiled(function: FunctionT) -> FunctionT:
    """The function, compiled when it is first called; other threads go on while it runs."""
    return cast(FunctionT, _Compiled(function, _OPTIONS))


def inner(function: FunctionT) -> FunctionT:
    """The same for a function that only compiled functions call: it takes half the time to compile."""
    return cast(FunctionT, _Compiled(function, _INNER))


def innermost(function: FunctionT) -> FunctionT:
    """The same for one that makes no array: who holds what it is given is not counted, which can cost more than its work."""
    return cast(FunctionT, _Compiled(function, _INNERMOST))


class _Compiled:
    """Stands for a function until it is first called; the compiler never sees it, but what it stands for."""

    def __init__(self, function: Callable[..., object], options: Mapping[str, object]) -> None:
        self.__doc__ = function.__doc__
        self._function, self._options = function, options
        self._made: Callable[..., Any] | None = None
        self._ready: Callable[..., Any] | None = None  # made, and all that it names as well

    def __call__(self, *arguments: Any) -> Any:
        if self._ready is None:
            with _making:
                self._ready = self._make()
        return self._ready(*arguments)

    def _make(self) -> Callable[..., Any]:
        if self._made is None:
            import numba

            make = cast(
                Callable[..., Callable[..., Callable[..., Any]]], numba.njit
            )  # its types leave out some options
            self._made = make(**self._options)(self._function)
            known = self._function.__globals__
            for name in _names(self._function.__code__):
                named = known.get(name)
                if isinstance(named, _Compiled):
                    known[name] = named._make()
        return self._made


def _names(code: CodeType) -> Iterator[str]:
    """What the code names, the code inside it too."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)

"""Functions over bytes and arrays, compiled to machine code at their first call and kept beside the module."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import numba
import numpy as np
import numpy.typing as npt

__all__ = ["Bools", "Bytes", "Floats", "Ints", "compiled"]

FunctionT = TypeVar("FunctionT", bound=Callable[..., object])

Bytes = npt.NDArray[np.uint8]  # read only, as what Arrow holds is
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


def compiled(function: FunctionT) -> FunctionT:
    """The same function as machine code; it lets other threads run meanwhile."""
    return cast("FunctionT", numba.njit(cache=True, nogil=True, error_model="numpy")(function))

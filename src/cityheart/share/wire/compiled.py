"""The arrays that compiled functions of protocols work on."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from cityheart.engine.compiled import compiled, inner

__all__ = ["Bools", "Bytes", "Floats", "Ints", "compiled", "inner"]

Bytes = npt.NDArray[np.uint8]  # read only, as what Arrow holds is
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

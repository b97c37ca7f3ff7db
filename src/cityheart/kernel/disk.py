"""A disk that takes no more, as a refusal: no fault of the program, and nothing that a person did wrong."""

from __future__ import annotations

import errno

from cityheart.kernel.errors import Unavailable

__all__ = ["of_disk"]


def of_disk(error: OSError) -> Unavailable | None:
    """The refusal when it is the disk that takes no more; ``None`` for whatever else went wrong."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Unavailable(
            "there is no room left on the disk of the city", remedy="make room on it; then do the same again"
        )
    if error.errno == errno.EROFS:
        return Unavailable(
            "nothing can be written to the disk of the city", remedy="let it be written; then do the same again"
        )
    return None

"""Rows of the data set and a play of the four years, made once."""

from __future__ import annotations

import pyarrow as pa
import pytest

from cityheart.apps.air import evaluate


@pytest.fixture(scope="session")
def readings() -> pa.Table:
    """All rows of ``air_hourly`` in the order in which the city knew them."""
    return evaluate.readings()


@pytest.fixture(scope="session")
def played(readings: pa.Table) -> evaluate.Played:
    """The four years through the detector."""
    return evaluate.play(readings)

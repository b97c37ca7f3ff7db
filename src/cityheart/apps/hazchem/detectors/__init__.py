"""The detectors of the application, one module for each kind of case, in the order of a chemical's life."""

from __future__ import annotations

from cityheart.apps.hazchem.detectors import (
    controlled_diversion,
    emission_exceedance,
    emission_hours,
    emission_tampering,
    expired_licence,
    mass_imbalance,
    no_waybill,
    over_storage,
    restricted_zone,
    suspended_producing,
    tank_excursion,
    tank_hours,
    unlicensed_site,
    waste_leak,
)
from cityheart.sdk import KeyedDetector, Survey

_MODULES = (
    tank_hours,
    emission_hours,
    expired_licence,
    suspended_producing,
    over_storage,
    tank_excursion,
    mass_imbalance,
    controlled_diversion,
    no_waybill,
    restricted_zone,
    unlicensed_site,
    emission_exceedance,
    emission_tampering,
    waste_leak,
)


def detectors() -> tuple[KeyedDetector | Survey, ...]:
    """What the manifest names."""
    return tuple(each for module in _MODULES for each in module.detectors())

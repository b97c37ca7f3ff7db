"""Hazardous waste that leaks on its way: never arrives, arrives lighter, or goes to a receiver without a licence.

The Law on solid waste (2020) asks for a manifest with every transfer (art. 82) and forbids giving hazardous waste to anybody
without a licence (art. 80). Dumping three tonnes or more is a crime (interpretation 法释〔2023〕7号, art. 1).

Signals and what excludes innocence:

- *lost*: no receipt, and the truck, whose tracks cover the day, was at the producer and not at any site of the receiver
  before its next load. A receipt that is only missing is innocent when the truck was there; a truck without tracks, or
  one that never was at the producer (a wrong plate), says nothing. How much "not seen" weighs is learnt from shipments
  that were received. Being emptied elsewhere weighs more, and then a receipt on paper does not help.
- *light*: received less than 95 % of what was shipped, by the two weighbridges' errors and rounding.
- *unlicensed*: no 危险废物经营许可证 of the receiver on the day of shipping. Renewals may be entered five days late. A receiver
  in no register counts only where nearly all receivers are registered.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["PARAMETERS"]

PARAMETERS: Mapping[str, object] = MappingProxyType(
    {
        "lighter_share": 0.05,  # of the weight shipped: the contract of the transfer
        "weighbridge_share": 0.006,  # of the weight: two scales of class III, one at each end
        "rounding_t": 0.0075,  # two weights written to 10 kg
        "wait_h": 72.0,  # h after shipping before a truck that was not seen is missed
        "wait_emptied_h": 24.0,  # h, when it was seen to be emptied elsewhere
        "collect_h": 6.0,  # h within which a truck collects several loads for one receiver
        "tracked_share": 0.8,  # of the day after shipping that tracks must cover
        "renewal_days": 5,  # days within which a renewal may be entered late
        "strangers_share": 0.1,  # of shipments to receivers in no register, above which these are no sign
        "unlicensed_registered": 0.95,  # probability, when the receiver is in the register without such a licence
        # log-odds that a shipment is lost
        "prior": -3.2,  # one in twenty-five of those that are not seen at their receiver
        "unseen_most": 3.5,  # at most for "not seen", however well visits are seen
        "left": 1.0,  # the truck was at the producer
        "elsewhere": -1.0,  # it was not: another truck may have gone
        "emptied": 2.5,  # it was emptied somewhere else
        "receipt": -2.0,  # the receiver reports that it arrived
        "raise": 0.5,  # probability from which a case is raised
        "keep_days": 30,  # days for which it is shown
        "crime_t": 3.0,  # t from which the level is orange
    }
)

"""A month's return of a chemical that does not add up, or that others contradict.

Firms report opening stock, production, purchases, use, sales, disposal and closing stock of each chemical every month.
What came in must be what went out and what stayed.

- *The return itself*: opening + produced + purchased - used - sold - disposed - closing, against the errors of gauges (of the
  stock) and scales (of what moved), widened by how badly returns of that month add up everywhere.
- *From month to month*: the opening stock is the closing stock of the month before.
- *Waybills*: more brought or taken than the return admits. Less is no sign: goods also come by pipe, ship and in small
  lots, and a trip without a waybill is another matter. Loads near the border of months, and those between sites of one firm,
  do not count.
- *Tanks*: what all tanks of the chemical held at the month's end, against the closing stock. It adds to the others.

Innocent: a comma in the wrong place or kilograms for tonnes, when that alone makes it add up: the firm is given days to correct
it, and if waybills agree with the corrected number it never becomes a case. A corrected return counts as corrected.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["PARAMETERS"]

PARAMETERS: Mapping[str, object] = MappingProxyType(
    {
        "months": 2,  # months back from the running one that are judged
        "stock_share": 0.01,  # of the stock: gauges of tanks, stock-taking
        "weighing_share": 0.01,  # of what was produced, bought, used, sold, disposed of
        "least_t": 0.1,  # t: rounding and samples
        "planned_share": 0.015,  # of waybills: planned and actual load differ
        "gauge_share": 0.01,  # of the tanks' capacity
        "border_h": 36.0,  # h from the border of months within which a load may be in the other month's return
        "material_share": 0.02,  # of what there was to account for: less is no case whatever its significance
        "peers": 20,  # returns of a month from which on their spread is learnt
        "floor_sigma": 0.7,  # the learnt spread is never less, in standard errors
        "per_sigma": 1.5,  # log-odds for each standard error beyond two
        "most": 9.0,  # log-odds at most
        "witness_most": 5.5,  # log-odds at most from waybills in either direction
        "tank_most": 2.5,  # log-odds at most from tanks: they never raise a case alone
        "prior": -4.0,  # log-odds before anything is known: one return in fifty
        "slip_days": 10.0,  # days in which a slip of the pen may be corrected
        "slip_sigma": 5.0,  # standard errors from which a slip is looked for
        "slip_share": 0.004,  # of the largest number: how exactly a slip must explain the rest
        "raise": 0.5,
    }
)

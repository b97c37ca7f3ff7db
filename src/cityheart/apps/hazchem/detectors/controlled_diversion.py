"""Controlled chemicals that were bought and that no sale, use, loss, transfer or stock explains.

Holders of highly toxic chemicals and of those that can become explosives report every purchase, sale, use and loss to the
police (危险化学品安全法; before 2026-05-01 the Regulation, 国务院令第591号, art. 23 and 41). A deal comes from both sides; sale and
purchase of the same seller, buyer, chemical and quantity within days are one.

For a holder, a chemical and a month: opening stock + what came - what went - closing stock. Opening and closing stock
are the holder's own return to the approval bureau, which does not go through the police.

- Innocent: a purchase that is still in stock (the closing stock says so); use that the return shows and the police have not
  (the larger of the two counts); reports that are late (a month waits for its last reports, as late as they usually come); deals
  on the border of months; weighing. How much others' books differ is learnt and widens the error.
- Without a return the goods must be in store, and the licence says how much room there is.
- A dealer that stores nothing passes goods on within days: what has not gone after ``hold_days`` is missing.
- A purchase that only the seller reports is a purchase.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["PARAMETERS"]

PARAMETERS: Mapping[str, object] = MappingProxyType(
    {
        "weighing_share": 0.01,  # of what came and went: scales and packing
        "stock_share": 0.01,  # of the opening stock: stock-taking
        "least_kg": 2.0,  # kg: returns are written in tonnes with two or three digits
        "border_h": 12.0,  # h from a border of months within which a deal may be in the other month's return
        "material_share": 0.05,  # of opening stock and what came: less is left to the department's own audit
        "late_quantile": 0.98,  # of how late reports have come
        "late_most_days": 10.0,  # days to wait at most
        "peers": 8,  # holders from which on their spread is learnt
        "floor_sigma": 0.7,  # the learnt spread is never less, in standard errors
        "per_sigma": 1.2,  # log-odds for each standard error beyond two
        "most": 9.0,  # log-odds at most
        "prior": -4.0,  # log-odds before anything is known: one holder and month in fifty
        "licence_factor": 1.2,  # times the licensed stock beyond which goods cannot be in store
        "licence_weight": 4.6,  # log-odds for that
        "hold_days": 10.0,  # days within which a dealer without a store passes goods on
        "kept_share": 0.05,  # of what came: the spread of what dealers keep, at least
        "raise": 0.5,
        "keep_days": 45,  # days after the month for which a case is shown
    }
)

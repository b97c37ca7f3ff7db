"""Controlled chemicals that were bought and that no sale, use, loss, transfer or stock explains.

Holders of highly toxic chemicals and of those that can become explosives report every purchase, sale, use and loss to the
police (危险化学品安全法; before 2026-05-01 the Regulation, 国务院令第591号, art. 23 and 41). A deal comes from both sides;
sale and purchase of the same seller, buyer, chemical and quantity within days are one.

For a holder, a chemical and a month: opening stock + what came - what went - closing stock. Opening and closing stock
are the holder's own return to the approval bureau, which does not go through the police.

- Innocent: a purchase that is still in stock (the closing stock says so); use that the return shows and the police have not
  (the larger of the two counts); reports that are late (a month waits for its last reports, as late as they usually come); deals
  near the border of months, where some of them together are what flows and return differ by (that there are such deals
  forgives nothing); weighing. How much others' books differ is learnt and widens the error.
- Without a return the goods must be in store, and the licence says how much room there is.
- A dealer that stores nothing passes goods on within days: what has not gone after ``hold_days`` is missing.
- A holder that returns nothing: its stock grows by more than its largest purchase, while little is used.
- A purchase that only the seller reports is a purchase.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cityheart.apps.hazchem import law
from cityheart.apps.hazchem.detectors.mass_imbalance import chemical_names
from cityheart.apps.hazchem.signals import flows, shown
from cityheart.apps.hazchem.signals.books import month_begin, month_of, month_text, number, numbers
from cityheart.sdk import ALL_TIME, Input, Sighting, SubjectRef, Text, View, text

__all__ = ["INPUTS", "ControlledDiversion", "detectors"]

CURVES = 4
"""Chemicals of a case whose stock is drawn."""

INPUTS: Mapping[str, Input] = {
    "police_flow": Input(timedelta(days=75)),
    "approval_firm": Input(ALL_TIME, ("firm_id", "uscc", "name", "kind")),
    "approval_site": Input(ALL_TIME, ("site_id", "firm_id", "name")),
    "approval_licence": Input(ALL_TIME),
    "approval_licensed_chemical": Input(ALL_TIME),
    "approval_monthly_return": Input(ALL_TIME),
}


@dataclass(frozen=True)
class ControlledDiversion:
    """A case for each holder and month, whatever the number of its chemicals: from the month's first day to its last."""

    parameters: Mapping[str, object] = field(default_factory=lambda: flows.PARAMETERS)
    id: str = "hazchem.controlled_diversion"
    title: Text = field(default_factory=lambda: text("管控化学品去向不明", "Controlled chemicals unaccounted for"))
    kind: str = "controlled_diversion"
    inputs: Mapping[str, Input] = field(default_factory=lambda: INPUTS)
    every: timedelta = timedelta(hours=12)
    phase: timedelta = timedelta(hours=1, minutes=30)

    @law.grounded
    def look(self, view: View) -> Sequence[Sighting]:
        """All holders and months with goods that nothing explains, as of the view."""
        tables = {name: view.rows(name) for name in self.inputs}
        found = flows.ledger(tables, view.now, view.zone, self.parameters)
        wanted = pc.greater_equal(found["probability"], number(self.parameters, "raise"))
        firm = tables["approval_firm"]
        names = dict(zip(firm["uscc"].to_pylist(), firm["name"].to_pylist(), strict=True))
        chemicals = chemical_names(tables["approval_licensed_chemical"])
        keep = timedelta(days=number(self.parameters, "keep_days"))
        moved = flows.movements(tables["police_flow"]) if pc.any(wanted).as_py() else None
        cases: dict[tuple[str, int], list[dict[str, Any]]] = {}
        for row in found.filter(wanted).to_pylist():
            registered = row["holder"] in names  # of others only half of the deals is known here
            if registered and month_begin(row["month"] + 1, view.zone) + keep > view.now:
                cases.setdefault((row["holder"], row["month"]), []).append(row)
        return [
            Sighting(
                subject=SubjectRef("firm", holder, text(names[holder], names[holder])),
                level=2,
                start=month_begin(month, view.zone),
                end=month_begin(month + 1, view.zone),
                score=max(row["probability"] for row in rows),
                reasons=tuple(reason for row in rows for reason in _reasons(row, chemicals)),
                evidence=(
                    _evidence(rows, chemicals, view),
                    *(_curve(row, moved, chemicals, view) for row in rows[:CURVES]),
                ),
                case=month_text(month),
            )
            for (holder, month), rows in cases.items()
        ]


def _reasons(row: dict[str, Any], chemicals: Mapping[str, str]) -> list[Text]:
    name, month = chemicals.get(row["cas"], row["cas"]), month_text(row["month"])
    reasons = [
        text(
            f"{month} {name}：购入 {row['in_kg']:.0f} kg，售出与转让 {row['sold_kg']:.0f} kg，使用 {row['used_kg']:.0f} kg，"
            f"丢失 {row['lost_kg']:.0f} kg（公安局流向，买卖双方的同一笔只计一次）。",
            f"{month} {name}: {row['in_kg']:.0f} kg bought, {row['sold_kg']:.0f} kg sold or passed on, "
            f"{row['used_kg']:.0f} kg used, {row['lost_kg']:.0f} kg lost "
            "(flows told to the police; a deal of two sides counts once).",
        )
    ]
    unexplained = row["unexplained_kg"]
    if row["basis"] == "return":
        reasons.append(
            text(
                f"月报期初 {row['opening_kg']:.0f} kg、期末 {row['closing_kg']:.0f} kg、购入 {row['return_in_kg']:.0f} kg、"
                f"使用与销售 {row['return_out_kg']:.0f} kg"
                f"（行政审批局）：公安流向中 {unexplained:.0f} kg 没有去向，误差约 ±{row['sigma_kg']:.0f} kg。",
                f"The monthly return (approval) opens with {row['opening_kg']:.0f} kg, closes with {row['closing_kg']:.0f} kg "
                f"and shows {row['return_in_kg']:.0f} kg bought, {row['return_out_kg']:.0f} kg used and sold: "
                f"{unexplained:.0f} kg of what the police know went nowhere, "
                f"error about ±{row['sigma_kg']:.0f} kg.",
            )
        )
        if row["awaited_kg"] > 0:
            reasons.append(
                text(
                    f"月末几天的流向报告尚未到期，估计至多还有 {row['awaited_kg']:.0f} kg。",
                    f"Reports of the month's last days are not yet due: at most about {row['awaited_kg']:.0f} kg.",
                )
            )
    elif row["basis"] == "licence":
        reasons.append(
            text(
                f"按账应存量比许可的最大储存量 {row['licensed_kg']:.0f} kg 还多 {unexplained:.0f} kg，库房放不下。",
                f"By the books {unexplained:.0f} kg more should be in stock than the {row['licensed_kg']:.0f} kg licensed: "
                "there is no room for them.",
            )
        )
    elif row["basis"] == "trend":
        reasons.append(
            text(
                f"存量的增长比最大一次购入还多 {unexplained:.0f} kg，而使用很少；该单位没有月报可核对。",
                f"The stock grew by {unexplained:.0f} kg more than the largest purchase while little was used; "
                "the holder returns nothing to compare with.",
            )
        )
    else:
        reasons.append(
            text(
                f"经营单位购入后 {unexplained:.0f} kg 逾期没有售出，而同行购入后随即售出。",
                f"{unexplained:.0f} kg that the dealer bought did not go on in time, while others sell at once.",
            )
        )
    if row["one_sided_kg"] > 0:
        reasons.append(
            text(
                f"其中 {row['one_sided_kg']:.0f} kg 只有卖方报告，买方没有报告。",
                f"{row['one_sided_kg']:.0f} kg of it only the sellers reported, the holder did not.",
            )
        )
    return reasons


def _evidence(rows: list[dict[str, Any]], chemicals: Mapping[str, str], view: View) -> Mapping[str, object]:
    columns = [
        "month",
        "chemical",
        "in_kg",
        "sold_kg",
        "used_kg",
        "lost_kg",
        "opening_kg",
        "closing_kg",
        "return_in_kg",
    ]
    columns += ["licensed_kg", "unexplained_kg", "sigma_kg"]
    cells = []
    for row in rows:
        values = [None if row[name] is None or row[name] != row[name] else round(row[name], 1) for name in columns[2:]]
        cells.append([month_text(row["month"]), chemicals.get(row["cas"], row["cas"]), *values])
    title = text("流向台账与月报存量", "Ledger of flows and stock of the return")
    return shown.rows(title, "police_flow", "police-controlled.flow", view.now, columns, cells)


def _curve(row: dict[str, Any], moved: pa.Table, chemicals: Mapping[str, str], view: View) -> Mapping[str, object]:
    """The stock that the flows leave, from the month's opening stock (nothing, where that is not known)."""
    of = pc.and_(pc.equal(moved["holder"], row["holder"]), pc.equal(moved["cas"], row["cas"]))
    own = moved.filter(of)
    own = own.filter(pa.array(month_of(own["occurred_at"], view.zone) == row["month"])).sort_by("at")
    begin, end = (month_begin(row["month"] + n, view.zone) for n in (0, 1))
    signs = np.where(np.asarray(own["what"]) == 0, 1.0, -1.0)
    opening = row["opening_kg"] if row["opening_kg"] == row["opening_kg"] else 0.0
    stock = opening + np.concatenate([[0.0], np.cumsum(signs * numbers(own["kg"]))])
    moments = np.concatenate([[int(begin.timestamp())], np.asarray(own["at"]), [int(end.timestamp())]])
    line = shown.line(
        text("按流向应存", "In stock by the flows"),
        moments * 1_000_000,
        np.append(stock, stock[-1]),
        "expected",
        digits=1,
    )
    lines = [line]
    if row["closing_kg"] == row["closing_kg"]:
        ends = np.array([int(begin.timestamp()), int(end.timestamp())]) * 1_000_000
        told = np.array([opening, row["closing_kg"]])
        lines.append(shown.line(text("月报存量", "In stock by the return"), ends, told, digits=1))
    most = row["licensed_kg"]
    limits = [(text("许可最大储存量", "Licensed stock"), round(most, 1))] if most == most else []
    name = chemicals.get(row["cas"], row["cas"])
    return shown.series(text(f"{name} 存量", f"Stock of {name}"), "kg", lines, limits)


def detectors() -> Sequence[ControlledDiversion]:
    """What this module watches."""
    return (ControlledDiversion(),)

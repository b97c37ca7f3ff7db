"""A month's return of a chemical that does not add up, or that others contradict.

Firms report opening stock, production, purchases, use, sales, disposal and closing stock of each chemical every month.
What came in must be what went out and what stayed.

- *The return itself*: opening + produced + purchased - used - sold - disposed - closing, against the errors of gauges (of the
  stock) and scales (of what moved), widened by how badly returns of that month add up everywhere.
- *From month to month*: the opening stock is the closing stock of the month before.
- *Waybills*: more brought or taken than the return admits. Less is no sign: goods also come by pipe, ship and in small
  lots, and a trip without a waybill is another matter. Loads near the border of months count where no sum of some of them is
  the difference; those between sites of one firm never. What is loaded has left, though nobody closed its waybill.
- *Flows* of controlled chemicals, told to the police: more bought, or sold and used, than the return admits. Less is no sign,
  as reports are late or from one side; what is passed on without touching the books nets out. Borders as for waybills.
- *Tanks*: what all tanks of the chemical held at the month's end, against the closing stock. It adds to the others, and stands
  alone where the tanks of most sites agree with the returns. Frozen sensors and stock that is just being moved do not count.

Innocent: a comma in the wrong place or kilograms for tonnes, when that alone makes it add up: the firm is given days to correct
it, and if waybills agree with the corrected number it never becomes a case. A corrected return counts as corrected.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from cityheart.apps.hazchem import law
from cityheart.apps.hazchem.grading import critical_t
from cityheart.apps.hazchem.signals import returns, shown
from cityheart.apps.hazchem.signals.books import month_begin, month_text, number
from cityheart.sdk import ALL_TIME, Input, Sighting, Text, View, text

__all__ = ["INPUTS", "MassImbalance", "chemical_names", "detectors"]

INPUTS: Mapping[str, Input] = {
    "approval_monthly_return": Input(ALL_TIME),
    "approval_firm": Input(ALL_TIME, ("firm_id", "uscc", "name")),
    "approval_site": Input(ALL_TIME, ("site_id", "firm_id", "name")),
    "approval_licence": Input(ALL_TIME),
    "approval_licensed_chemical": Input(ALL_TIME, ("licence_no", "cas", "chemical", "max_storage_t")),
    "hazard_tank": Input(ALL_TIME, ("tank_id", "site_id", "cas", "chemical", "capacity_t", "height_m")),
    # Tanks speak for the days after the month's end, in which most returns come: more would be millions of hours.
    "hazchem_tank_hour": Input(timedelta(days=12), ("tank_id", "hour", "level_last_m", "good", "frozen_min")),
    "transport_waybill": Input(timedelta(days=70), ahead=timedelta(days=2)),
    "police_flow": Input(timedelta(days=75)),
}


@dataclass(frozen=True)
class MassImbalance:
    """A case for each site and month, whatever the number of its chemicals: from the month's first day to its last."""

    parameters: Mapping[str, object] = field(default_factory=lambda: returns.PARAMETERS)
    id: str = "hazchem.mass_imbalance"
    title: Text = field(default_factory=lambda: text("进销存不平衡", "Masses that do not balance"))
    kind: str = "mass_imbalance"
    inputs: Mapping[str, Input] = field(default_factory=lambda: INPUTS)
    every: timedelta = timedelta(hours=12)
    phase: timedelta = timedelta(hours=1)

    @law.grounded
    def look(self, view: View) -> Sequence[Sighting]:
        """All sites and months that do not balance, as of the view."""
        tables = {name: view.rows(name) for name in self.inputs}
        found = returns.balances(tables, view.now, view.zone, self.parameters)
        wanted = pc.greater_equal(found["probability"], number(self.parameters, "raise"))
        site = tables["approval_site"]
        names = dict(zip(site["site_id"].to_pylist(), site["name"].to_pylist(), strict=True))
        chemicals = chemical_names(tables["hazard_tank"], tables["approval_licensed_chemical"])
        cases: dict[tuple[str, int], list[dict[str, Any]]] = {}
        for row in found.filter(wanted).to_pylist():
            cases.setdefault((row["site_id"], row["month"]), []).append(row)
        return [
            Sighting(
                subject=shown.site(site_id, names),
                level=min(_level(row) for row in rows),
                start=month_begin(month, view.zone),
                end=month_begin(month + 1, view.zone),
                score=max(row["probability"] for row in rows),
                reasons=tuple(reason for row in rows for reason in _reasons(row, chemicals, self.parameters)),
                evidence=(_evidence(rows, chemicals, view),),
                case=month_text(month),
            )
            for (site_id, month), rows in cases.items()
        ]


def chemical_names(*tables: pa.Table) -> dict[str, str]:
    """The name of each chemical by its CAS number, as the registers write it."""
    found: dict[str, str] = {}
    for table in tables:
        for cas, name in zip(table["cas"].to_pylist(), table["chemical"].to_pylist(), strict=True):
            found.setdefault(cas, name)
    return found


def _level(row: dict[str, Any]) -> int:
    """Orange when as much is missing as makes a major hazard."""
    most = critical_t(row["cas"])
    return 2 if most is not None and abs(row["residual_t"]) >= most else 3


def _reasons(row: dict[str, Any], chemicals: Mapping[str, str], parameters: Mapping[str, object]) -> list[Text]:
    name, month = chemicals.get(row["cas"], row["cas"]), month_text(row["month"])
    residual, sigma = row["residual_t"], row["sigma_t"]
    sums = "+".join(f"{row[part]:.1f}" for part in ("opening_t", "produced_t", "purchased_t"))
    outs = "".join(f"-{row[part]:.1f}" for part in ("used_t", "sold_t", "disposed_t", "closing_t"))
    reasons = [
        text(
            f"{month} {name}：期初+生产+购入-使用-销售-处置-期末 = {sums}{outs} = {residual:+.2f} 吨，"
            f"计量误差约 ±{sigma:.2f} 吨。",
            f"{month} {name}: opening + produced + purchased - used - sold - disposed - closing = {sums}{outs} = "
            f"{residual:+.2f} t; measuring error about ±{sigma:.2f} t.",
        )
    ]
    if abs(row["z_border"]) > 2.0 and row["previous_t"] == row["previous_t"]:
        reasons.append(
            text(
                f"上月期末 {row['previous_t']:.2f} 吨，本月期初 {row['opening_t']:.2f} 吨。",
                f"The month before closed with {row['previous_t']:.2f} t, this one opened with {row['opening_t']:.2f} t.",
            )
        )
    for z, carried, part, zh, en in (
        ("z_in", "way_in_t", "purchased_t", "运入", "brought"),
        ("z_out", "way_out_t", "sold_t", "运出", "taken"),
    ):
        if row[z] > 2.0:
            reasons.append(
                text(
                    f"电子运单{zh} {row[carried]:.1f} 吨，月报只有 {row[part]:.1f} 吨（交通运输局）。",
                    f"Waybills show {row[carried]:.1f} t {en}, the return only {row[part]:.1f} t (transport).",
                )
            )
    if abs(row["z_flow"]) > 2.0:
        spent = row["used_t"] + row["sold_t"] + row["disposed_t"]
        told, written, zh, en = (
            (row["flow_in_t"], row["purchased_t"], "购入", "bought")
            if row["z_flow"] > 0
            else (row["flow_out_t"], spent, "售出、使用", "sold and used")
        )
        reasons.append(
            text(
                f"公安局流向{zh} {told:.2f} 吨，月报只有 {written:.2f} 吨，月初、月末的交易也解释不了。",
                f"Flows told to the police show {told:.2f} t {en}, the return only {written:.2f} t; "
                "no deals near the border of months are the difference.",
            )
        )
    if abs(row["z_tank"]) > 2.0:
        reasons.append(
            text(
                f"月末储罐存量 {row['tank_t']:.1f} 吨，月报期末 {row['closing_t']:.1f} 吨（应急管理局）。",
                f"At the month's end the tanks held {row['tank_t']:.1f} t (emergency), the return says {row['closing_t']:.1f} t.",
            )
        )
    return reasons


def _evidence(rows: list[dict[str, Any]], chemicals: Mapping[str, str], view: View) -> Mapping[str, object]:
    columns = ["month", "chemical", *returns.PARTS, "residual_t", "sigma_t", "way_in_t", "way_out_t"]
    columns += ["flow_in_t", "flow_out_t", "tank_t"]
    cells = []
    for row in rows:
        numbers_shown = [None if row[name] != row[name] else round(row[name], 3) for name in columns[2:]]
        cells.append([month_text(row["month"]), chemicals.get(row["cas"], row["cas"]), *numbers_shown])
    title = text("进销存月报与旁证", "Monthly return and what others saw")
    return shown.rows(title, "approval_monthly_return", "approval-registry.monthly_return", view.now, columns, cells)


def detectors() -> Sequence[MassImbalance]:
    """What this module watches."""
    return (MassImbalance(),)

"""Hand-made books: tables as the lake gives them, from short rows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa

import cityheart.apps.hazchem

Rows = Sequence[tuple[object, ...]]
CONTRACTS = Path(cityheart.apps.hazchem.__file__).parent / "contracts"
OLD = datetime(2020, 1, 1, tzinfo=UTC)
_TYPES = {
    "string": pa.string(),
    "number": pa.float64(),
    "integer": pa.int64(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "datetime": pa.timestamp("us", tz="UTC"),
}


def schema(dataset: str) -> pa.Schema:
    """The columns of a dataset as its contract declares them, with ``_known_at``."""
    declared = json.loads((CONTRACTS / f"{dataset}.json").read_text(encoding="utf-8"))["schema"]["fields"]
    fields = [(each["name"], _TYPES[each["type"]]) for each in declared]
    return pa.schema([*fields, ("_known_at", pa.timestamp("us", tz="UTC"))])


def table(dataset: str, rows: Sequence[Mapping[str, object]]) -> pa.Table:
    """Rows of a dataset; what a row leaves out is null, ``_known_at`` long ago."""
    columns = schema(dataset)
    return pa.Table.from_pylist([{"_known_at": OLD, **row} for row in rows], schema=columns)


def site_table(rows: Rows) -> pa.Table:
    """(site_id, firm_id, name)."""
    return table("approval_site", [{"site_id": s, "firm_id": f, "name": n, "updated_at": OLD} for s, f, n in rows])


def licence_table(rows: Rows) -> pa.Table:
    """(licence_no, firm_id, site_id, kind, from, to, status[, updated_at])."""
    names = ("licence_no", "firm_id", "site_id", "kind", "valid_from", "valid_to", "status", "updated_at")
    made = [dict(zip(names, (*row, OLD)[:8], strict=True)) for row in rows]
    for row in made:
        for name in ("valid_from", "valid_to"):
            row[name] = date.fromisoformat(str(row[name]))
    return table("approval_licence", made)


def licensed_table(rows: Rows) -> pa.Table:
    """(licence_no, cas, max_storage_t)."""
    made = [
        {"licence_no": no, "cas": cas, "chemical": "甲醇", "max_storage_t": most, "updated_at": OLD}
        for no, cas, most in rows
    ]
    return table("approval_licensed_chemical", made)


FIRMS = (
    ("F1", "91320600PRODUCER1X", "甲化工有限公司", "producer"),
    ("F2", "91320600DISPOSAL2X", "乙固废处置有限公司", "disposal"),
    ("F3", "91320600CARRIER03X", "丙运输有限公司", "carrier"),
    ("F4", "91320600USER00004X", "丁电镀有限公司", "user"),
)
USCC = {firm_id: uscc for firm_id, uscc, _, _ in FIRMS}


def firm_table(rows: Rows = FIRMS) -> pa.Table:
    """(firm_id, uscc, name, kind)."""
    made = [
        {"firm_id": f, "uscc": u, "name": n, "kind": k, "status": "在业", "address": "", "updated_at": OLD}
        for f, u, n, k in rows
    ]
    return table("approval_firm", made)


def vehicle_table(rows: Rows) -> pa.Table:
    """(plate, terminal_phone, carrier_uscc)."""
    return table("transport_vehicle", [{"plate": p, "terminal_phone": t, "carrier_uscc": c} for p, t, c in rows])


TRACK = pa.schema(
    [
        ("terminal_phone", pa.string()),
        ("since", pa.timestamp("us", tz="UTC")),
        ("until", pa.timestamp("us", tz="UTC")),
        ("lon", pa.float64()),
        ("lat", pa.float64()),
        ("load_before", pa.int64()),
        ("load_after", pa.int64()),
        ("loaded_s", pa.float64()),
        ("layer", pa.string()),
        ("place", pa.string()),
        ("state", pa.string()),
    ]
)


def track_table(rows: Sequence[Mapping[str, object]]) -> pa.Table:
    """Stays, trips or visits; closed unless a row says otherwise."""
    return pa.Table.from_pylist([{"state": "closed", **row} for row in rows], schema=TRACK)


def at(words: str) -> datetime:
    """``"03-05 14:30"``: a moment of 2026 by the city's clock."""
    return datetime.fromisoformat(f"2026-{words}+08:00").astimezone(UTC)


def tank_table(rows: Rows) -> pa.Table:
    """(tank_id, site_id, cas, capacity_t, height_m)."""
    made = [
        {"tank_id": t, "site_id": s, "cas": c, "chemical": "甲醇", "capacity_t": m, "height_m": h, "density_t_m3": 0.8}
        for t, s, c, m, h in rows
    ]
    return table("hazard_tank", made)


def tank_hour_table(rows: Rows) -> pa.Table:
    """(tank_id, hour, level_last_m[, good[, frozen_min]])."""
    columns = [
        ("tank_id", pa.string()),
        ("site_id", pa.string()),
        ("hour", pa.timestamp("us", tz="UTC")),
        ("level_last_m", pa.float64()),
        ("good", pa.int64()),
        ("frozen_min", pa.float64()),
    ]
    names = ("tank_id", "hour", "level_last_m", "good", "frozen_min")
    whole = [(*row, *(60, 0.0)[len(row) - 3 :]) for row in rows]
    made = [{"site_id": "S1", **dict(zip(names, row, strict=True))} for row in whole]
    return pa.Table.from_pylist(made, schema=pa.schema(columns))


def return_row(site: str, month: str, cas: str, parts: Sequence[float], updated: datetime = OLD) -> dict[str, object]:
    """Opening, produced, purchased, used, sold, disposed, closing (t)."""
    names = ("opening_t", "produced_t", "purchased_t", "used_t", "sold_t", "disposed_t", "closing_t")
    named: dict[str, object] = dict(zip(names, parts, strict=True))
    return {"site_id": site, "month": month, "cas": cas, "updated_at": updated, **named}


def contracted(dataset: str, columns: Sequence[str] = ()) -> pa.Table:
    """An empty table of a dataset; columns of derived ones are told by their names."""
    if (CONTRACTS / f"{dataset}.json").exists():
        return schema(dataset).empty_table()
    words = ("terminal_phone", "layer", "place", "state", "path")
    moments = ("since", "until")
    types = {**dict.fromkeys(words, pa.string()), **dict.fromkeys(moments, pa.timestamp("us", tz="UTC"))}
    return pa.schema([(name, types.get(name, pa.float64())) for name in columns]).empty_table()


_WORDS: Mapping[str, Sequence[str]] = {
    "site_id": ("S1", "S2", "S4"),
    "firm_id": ("F1", "F2", "F4"),
    "place": ("S1", "S4"),
    "month": ("2026-02", "2026-03"),
    "layer": ("site", "zone"),
    "state": ("open", "closed", "withdrawn"),
}


def anything(dataset: str, columns: Sequence[str], dice: np.random.Generator, now: datetime) -> pa.Table:
    """Up to thirty rows of nonsense that a dataset's contract allows, with nulls wherever they may be."""
    known = (CONTRACTS / f"{dataset}.json").exists()
    declared = json.loads((CONTRACTS / f"{dataset}.json").read_text(encoding="utf-8"))["schema"] if known else {}
    fields_declared = declared.get("fields", ())
    rules = {each["name"]: each.get("constraints", {}) for each in fields_declared}
    categories = {each["name"]: [one["value"] for one in each.get("categories", ())] for each in fields_declared}
    key = [declared["primaryKey"]] if isinstance(declared.get("primaryKey"), str) else declared.get("primaryKey", ())

    def value(field: pa.Field) -> object:
        rule = rules.get(field.name, {})
        if not rule.get("required") and field.name not in key and dice.random() < 0.3:
            return None
        if pa.types.is_timestamp(field.type):
            return now - timedelta(hours=float(dice.uniform(-24, 24 * 45)))
        if pa.types.is_date(field.type):
            return now.date() + timedelta(days=int(dice.integers(-400, 400)))
        if not pa.types.is_string(field.type):
            return int(dice.integers(0, 4)) if pa.types.is_integer(field.type) else float(dice.choice((0, 5.5, 700)))
        words = categories.get(field.name) or _WORDS.get(field.name) or ("a", "b", "c")
        return str(dice.choice(list(words)))

    fields = contracted(dataset, columns).schema
    rows = [{field.name: value(field) for field in fields} for _ in range(int(dice.choice((0, 1, 30))))]
    newest = {tuple(row[name] for name in key) if key else n: row for n, row in enumerate(rows)}
    return pa.Table.from_pylist(list(newest.values()), schema=fields)

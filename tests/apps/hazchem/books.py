"""Hand-made books: tables as the lake gives them, from short rows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path

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

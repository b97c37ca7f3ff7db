"""Rows in quarantine as a reader may see them: why, which field and where for all, values only of columns in sight.

Who sees all of the dataset, and who delivered the row, sees its bytes as they came. For others a record keeps the columns
that are shown in every row; a line, a delivery and a record that was not kept in full cannot be cut, so their bytes stay
unseen. A grant of some rows shows no values here: whether it means a row that broke its contract cannot be told.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

from cityheart.kernel.text import text
from cityheart.share.contracts import Contract
from cityheart.share.grants.models import Sight
from cityheart.share.store import QuarantineRow

__all__ = ["Seen", "cut"]

_SPEAKS_OF_NO_VALUE = frozenset({
    "required", "duplicate", "conflicting_duplicate", "computed", "too_many_bad_rows", "missing_column",
    "ambiguous_column", "too_large",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Seen:
    """An entry without what is withheld. ``columns``: of the source, whose values are not shown; ``all``: nor are others."""

    row: QuarantineRow
    columns: tuple[str, ...] = ()
    all: bool = False

    @property
    def withheld(self) -> dict[str, object] | None:
        """What is not shown; None where all is."""
        return {"all": self.all, "columns": list(self.columns)} if self.all or self.columns else None


def cut(row: QuarantineRow, sight: Sight, contract: Contract, *, delivered: bool) -> Seen:
    """What of an entry the reader of a sight sees; ``delivered``: it is of the reader's department."""
    if delivered or (sight.open and sight.veil is None):
        return Seen(row)
    shown = sight.whole if sight.shows() else frozenset[str]()
    if not (row.field in shown or row.code in _SPEAKS_OF_NO_VALUE):
        row = replace(
            row, message=text("一个不向您显示的值不符合约定", "a value that is not shown to you broke the contract")
        )
    record = _record(row) if shown else None
    if record is None:
        return Seen(replace(row, raw=b""), all=True)
    kept = {name: value for name, value in record.items() if contract.rename.get(name, name) in shown}
    raw = json.dumps(kept, ensure_ascii=False).encode()
    return Seen(replace(row, raw=raw), tuple(name for name in record if name not in kept))


def _record(row: QuarantineRow) -> Mapping[str, object] | None:
    if row.form != "record" or not row.complete:
        return None
    try:
        found = json.loads(row.raw)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None

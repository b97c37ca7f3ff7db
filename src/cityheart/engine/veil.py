"""What of a table a statement may see: the values that are shown, and the rows.

A veil is laid over a table before the statement reads it, so that nothing it can say (a condition, an order, a count, a
join) reaches what is behind. What is not named is not shown: such a column is there and empty.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import pyarrow as pa

__all__ = ["Veil"]


@dataclass(frozen=True, slots=True)
class Veil:
    """``shown``: the columns with the SQL condition under which a row's value is shown, ``None`` for always.

    ``rows``: the SQL condition of the rows that are there, ``None`` for all. ``reads``: the columns that the conditions
    read. Conditions quote the names of columns and hold no text that is not quoted.
    """

    shown: Mapping[str, str | None]
    rows: str | None = None
    reads: frozenset[str] = field(default=frozenset())

    @property
    def plain(self) -> bool:
        """Whether it hides whole columns only."""
        return self.rows is None and not any(self.shown.values())

    def bare(self, columns: Iterable[str]) -> bool:
        """Whether it hides nothing of these columns: a statement that can read no others needs it not."""
        return self.rows is None and all(name in self.shown and self.shown[name] is None for name in columns)

    def emptied(self, table: pa.Table) -> pa.Table:
        """The table without the values of hidden columns; for a plain veil."""
        assert self.plain, "conditions are for the SQL engine"
        for place, name in enumerate(table.column_names):
            if name not in self.shown:
                kind = table.schema.field(place).type
                table = table.set_column(place, pa.field(name, kind), pa.nulls(table.num_rows, kind))
        return table

    def select(self, name: str, schema: pa.Schema, null: Mapping[str, str]) -> str:
        """The SELECT over the view ``name``; ``null`` holds an empty value of each column's type as SQL."""
        columns = []
        for column in schema.names:
            quoted = '"' + column.replace('"', '""') + '"'
            if column not in self.shown:
                columns.append(f"{null[column]} AS {quoted}")
            elif (condition := self.shown[column]) is not None:
                columns.append(f"CASE WHEN {condition} THEN {quoted} ELSE {null[column]} END AS {quoted}")
            else:
                columns.append(quoted)
        where = f" WHERE {self.rows}" if self.rows is not None else ""
        return f"SELECT {', '.join(columns)} FROM {name}{where}"  # noqa: S608  conditions are compiled, not said

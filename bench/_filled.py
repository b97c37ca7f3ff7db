"""Very many runs in a store, copied inside the database from some that were really played: what large stores are asked about."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from cityheart.kernel.database import metadata

__all__ = ["Execute", "copies", "templates"]

Execute = Callable[[str], object]  # runs one statement, always on the same connection

_RENAMED = {  # columns that hold ids, by table
    "incident": ("id",),
    "run": ("id", "incident"),
    "task": ("id", "run", "incident"),
    "timer": ("run",),
    "event": (),
}
_LEFT_OUT = {"event": ("seq",), "incident": ("alert_id",)}
_SERIES = "with recursive n(i) as (select {first} union all select i + 1 from n where i < {last})"


def templates(execute: Execute, runs: Sequence[str]) -> None:
    """Keep the rows of these runs in tables ``of_…``, for :func:`copies` on the same connection."""
    named = ", ".join(f"'{run}'" for run in runs)
    incidents = f"select incident from run where id in ({named})"
    asked = {
        "incident": f"id in ({incidents})",
        "run": f"id in ({named})",
        "task": f"run in ({named})",
        "timer": f"run in ({named})",
        "event": f"stream in (select 'run:' || id from run where id in ({named})) "
        f"or stream in (select 'incident:' || incident from run where id in ({named}))",
    }
    for table, where in asked.items():
        execute(f"drop table if exists of_{table}")
        execute(f"create temporary table of_{table} as select * from {table} where {where}")


def copies(
    execute: Execute, tables: Sequence[str], first: int, last: int, changed: Mapping[str, Mapping[str, str]] | None = None
) -> None:  # fmt: skip
    """Copies numbered ``first`` to ``last`` of the kept rows; ids get the number in front, as does an event's stream.

    ``changed`` gives other columns of a table as SQL over ``t`` (the kept row) and ``n.i`` (the number).
    """
    for name in tables:
        columns = [
            column.name for column in metadata.tables[name].columns if column.name not in _LEFT_OUT.get(name, ())
        ]
        given = dict.fromkeys(columns, "") | {column: f"t.{column}" for column in columns}
        given |= {column: f"cast(100000000 + n.i as text) || t.{column}" for column in _RENAMED[name]}
        if name == "event":  # run:… and incident:…
            given["stream"] = (
                "case when substr(t.stream, 1, 4) = 'run:' then 'run:' || cast(100000000 + n.i as text) || substr(t.stream, 5) "
                "else 'incident:' || cast(100000000 + n.i as text) || substr(t.stream, 10) end"
            )
        given |= (changed or {}).get(name, {})
        chosen = ", ".join(given[column] for column in columns)
        series = _SERIES.format(first=first, last=last)
        execute(f"insert into {name} ({', '.join(columns)}) {series} select {chosen} from n cross join of_{name} t")

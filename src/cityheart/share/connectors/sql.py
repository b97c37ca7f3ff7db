"""A table or view of a department's database, read only: incrementally by a column of change, or in full.

Incremental reading asks for rows changed at or after the last moment seen, so rows with exactly that moment are not
lost, and remembers the rows at that edge by their content, so they are not delivered twice; ``overlap`` widens the edge
for systems whose transactions commit late. Full reading delivers the batches that changed. Rows deleted in the source
stay in the lake as last known.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import sqlalchemy as sa

from cityheart.kernel import duration, limits
from cityheart.kernel.text import Text, text
from cityheart.share.connectors.base import Pull, Pulled, SourceFailed, back, secret
from cityheart.share.formats.json_records import JSON_TYPES
from cityheart.share.models import Delivery

__all__ = ["Sql"]


class Sql:
    """Rows of one table or view."""

    name = "sql"
    title = text("数据库", "SQL database")
    options: Mapping[str, Text] = {
        "url": text(
            "SQLAlchemy 连接地址（不含密码）；SQLite 的相对路径从城市目录算起",
            "SQLAlchemy URL, without a password in it; a relative SQLite file is below the city's folder",
        ),
        "url_env": text("保存连接地址的环境变量", "environment variable that holds the URL"),
        "schema": text("模式", "schema of the table"),
        "table": text("表或视图", "table or view"),
        "updated": text("更改时间列；没有则整表读取", "column of change; without it the table is read in full"),
        "overlap": text("重复读取的时长，如 PT10M", "how far back to look again, such as PT10M"),
    }

    def problems(self, options: Mapping[str, object]) -> list[str]:
        """Unknown options, no URL, no table, an overlap that is no duration."""
        found = [f"nobody knows the option {name!r}" for name in sorted(set(options) - set(self.options))]
        if not options.get("url") and not options.get("url_env"):
            found.append("the option 'url' or 'url_env' is missing")
        if not options.get("table"):
            found.append("the option 'table' is missing")
        try:
            _overlap(options)
        except ValueError as error:
            found.append(f"overlap: {error}")
        return found

    def pull(self, pull: Pull) -> Iterator[Pulled]:
        """Batches of new or changed rows, as Arrow streams."""
        url = secret(pull.options, "url") or str(pull.options["url"])
        try:
            engine = _engine(url, pull.home)
        except sa.exc.SQLAlchemyError as error:
            raise _failed(error) from error
        try:
            with engine.connect() as conn:
                if engine.dialect.name == "sqlite":
                    conn.exec_driver_sql("PRAGMA query_only = ON")
                name, schema = str(pull.options["table"]), pull.options.get("schema")
                table = sa.Table(
                    name, sa.MetaData(), schema=None if schema is None else str(schema), autoload_with=conn
                )
                updated = pull.options.get("updated")
                if updated is None:
                    yield from _full(pull, conn, table)
                elif str(updated) not in table.c:
                    raise SourceFailed(text(f"{name} 没有列 {updated}", f"{name} has no column {updated}"))
                else:
                    yield from _incremental(pull, conn, table, table.c[str(updated)])
        except sa.exc.NoSuchTableError as error:
            raise SourceFailed(text(f"没有表 {error}", f"there is no table {error}")) from error
        except sa.exc.SQLAlchemyError as error:
            raise _failed(error) from error
        finally:
            engine.dispose()


def _incremental(pull: Pull, conn: sa.Connection, table: sa.Table, updated: sa.Column[object]) -> Iterator[Pulled]:
    since = _loaded(pull.cursor.get("after"))
    overlap = _overlap(pull.options)
    edge = dict(pull.cursor.get("edge") or {})  # type: ignore[call-overload]
    statement = sa.select(table).order_by(updated, *table.primary_key.columns)
    if since is not None:
        statement = statement.where(sa.or_(updated >= _back(since, overlap), updated.is_(None)))
    result = conn.execution_options(stream_results=True).execute(statement)
    names = list(result.keys())
    position = names.index(updated.name)
    while rows := result.fetchmany(limits.SQL_BATCH_ROWS):
        digests = [_digest(row) for row in rows]
        fresh = [row for row, digest in zip(rows, digests, strict=True) if digest not in edge]
        for row, digest in zip(rows, digests, strict=True):
            edge[digest] = _dumped(row[position])
        last = next((row[position] for row in reversed(rows) if row[position] is not None), since)
        if last is not None and (since is None or last > since):  # type: ignore[operator]
            since = last
        edge = _trimmed(edge, since, overlap)
        if len(edge) > limits.EDGE_ROWS:
            raise SourceFailed(
                text(
                    f"超过 {limits.EDGE_ROWS} 行的更改时间相同或为空，无法增量读取",
                    f"more than {limits.EDGE_ROWS} rows share one moment of change or have none: read it in full",
                )
            )
        if not fresh:
            continue
        label = f"{table.name} {_dumped(fresh[0][position])} – {_dumped(fresh[-1][position])}"
        yield Pulled(Delivery(label, pull.now, _stream(names, fresh), "arrow"), {"after": _dumped(since), "edge": edge})


def _full(pull: Pull, conn: sa.Connection, table: sa.Table) -> Iterator[Pulled]:
    known = list(pull.cursor.get("batches") or [])  # type: ignore[call-overload]
    visit = int(pull.cursor.get("visit") or 0) + 1  # type: ignore[call-overload]
    order = list(table.primary_key.columns) or list(table.c)
    result = conn.execution_options(stream_results=True).execute(sa.select(table).order_by(*order))
    names = list(result.keys())
    seen: list[str] = []
    while rows := result.fetchmany(limits.SQL_BATCH_ROWS):
        digest = hashlib.sha256("".join(_digest(row) for row in rows).encode()).hexdigest()
        number = len(seen)
        seen.append(digest)
        if number < len(known) and known[number] == digest:
            continue
        cursor = {"visit": visit, "batches": seen + known[len(seen) :]}
        name = f"{table.name} rows {number * limits.SQL_BATCH_ROWS + 1}–{number * limits.SQL_BATCH_ROWS + len(rows)}"
        yield Pulled(Delivery(name, pull.now, _stream(names, rows), "arrow", f"visit {visit}"), cursor)


def _engine(url: str, home: Path) -> sa.Engine:
    parsed = sa.make_url(url)
    backend = parsed.get_backend_name()
    if backend == "sqlite" and parsed.database and not parsed.database.startswith("file:"):
        file = home / parsed.database
        if not file.is_file():  # SQLite would make an empty one
            raise SourceFailed(text(f"文件 {file} 不存在", f"the file {file} does not exist"))
        return sa.create_engine(parsed.set(database=str(file)), connect_args={"timeout": limits.HTTP_SECONDS})
    if backend == "postgresql":
        if parsed.drivername == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
        options = f"-c default_transaction_read_only=on -c statement_timeout={int(limits.HTTP_SECONDS * 10_000)}"
        return sa.create_engine(parsed, connect_args={"connect_timeout": int(limits.HTTP_SECONDS), "options": options})
    return sa.create_engine(parsed)


def _failed(error: Exception) -> SourceFailed:
    reason = str(getattr(error, "orig", None) or error).splitlines()[0][:300]
    return SourceFailed(text(f"数据库没有应答：{reason}", f"the database did not answer: {reason}"))


def _stream(names: Sequence[str], rows: Sequence[Sequence[object]]) -> bytes:
    table = pa.table({name: _column([row[index] for row in rows]) for index, name in enumerate(names)})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    payload: bytes = sink.getvalue().to_pybytes()
    return payload


def _column(values: list[object]) -> pa.Array:
    kinds = frozenset(type(value) for value in values if value is not None)
    type_ = pa.date32() if kinds == {date} else JSON_TYPES.get(kinds)
    if type_ is not None or kinds == {datetime}:  # moments may bear a zone: which one is found out
        try:
            return pa.array(values, type_)
        except (pa.ArrowInvalid, OverflowError, TypeError):
            pass
    return pa.array([None if value is None else _shown(value) for value in values], pa.string())


def _shown(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def _digest(row: Sequence[object]) -> str:
    return hashlib.sha256(
        "\x1f".join("\x00" if value is None else _shown(value) for value in row).encode()
    ).hexdigest()[:24]


def _dumped(value: object) -> object:
    """A value of the column of change as JSON that `_loaded` turns back."""
    if isinstance(value, datetime):
        return {"moment": value.isoformat()}
    if isinstance(value, date):
        return {"date": value.isoformat()}
    if isinstance(value, Decimal):
        return float(value)
    return value if isinstance(value, int | float | str) or value is None else str(value)


def _loaded(value: object) -> object:
    if isinstance(value, Mapping):
        if "moment" in value:
            return datetime.fromisoformat(str(value["moment"]))
        return date.fromisoformat(str(value["date"]))
    return value


def _overlap(options: Mapping[str, object]) -> timedelta:
    overlap = options.get("overlap")
    return duration.parse(str(overlap)) if overlap is not None else timedelta(0)


def _back(since: object, overlap: timedelta) -> object:
    """`since` moved back by the overlap."""
    if not overlap:
        return since
    if isinstance(since, datetime | date):
        return since - overlap
    if isinstance(since, int | float):
        return since - overlap.total_seconds()
    return back(str(since), overlap)


def _trimmed(edge: Mapping[str, object], since: object, overlap: timedelta) -> dict[str, object]:
    """The rows that the next visit will see again."""
    if since is None:
        return dict(edge)
    low = _back(since, overlap)
    kept: dict[str, object] = {}
    for digest, dumped in edge.items():
        value = _loaded(dumped)
        if value is None or value >= low:  # type: ignore[operator]
            kept[digest] = dumped
    return kept

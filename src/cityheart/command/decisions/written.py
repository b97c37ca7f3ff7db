"""Decision tables as people write them in YAML: read into the one body that DMN is read into as well.

In a column of type string a bare word is that word; everywhere else a cell is of the decision language. A result is a
value as YAML has it; one that begins with ``=`` is an expression.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal

import yaml

from cityheart.command.decisions.models import Problem, Refused
from cityheart.command.decisions.values import spelled
from cityheart.kernel import limits
from cityheart.kernel.text import Text, text

__all__ = ["load", "read"]

_YAML = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MODEL = {"decision", "version", "title", "source", "valid_from", "valid_until", "inputs", "tables"}
_TABLE = {"hit", "outputs", "rules"}
_BARE = re.compile(r"[^\s<>=!()\[\]\",?@-][^<>=!()\[\]\",?@]*")
_WORDS = frozenset({"null", "true", "false"})


def load(data: bytes) -> Mapping[str, object]:
    """YAML text as a mapping. Raises :class:`Refused`."""
    try:
        source = data.decode("utf-8-sig")
        depth = 0
        for event in yaml.parse(source, Loader=_YAML):  # before anything is built of it
            if isinstance(event, yaml.AliasEvent):
                raise _refused("document", "使用了 YAML 别名", "the table uses YAML aliases (*name)", _WRITE_OUT)
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > limits.DECISION_DEPTH:
                raise _refused("document", "嵌套过深", f"it nests deeper than {limits.DECISION_DEPTH}", _NEST_LESS)
        found = yaml.load(source, Loader=_YAML)  # noqa: S506 - a safe loader, in C where it is built in
    except UnicodeDecodeError:
        raise _refused(
            "document", "不是 UTF-8 文本", "it is not text in UTF-8", text("存为 UTF-8", "save it as UTF-8")
        ) from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mend = text("改正所指的行", "mend the line it names")
        raise _refused("document", f"不是有效的 YAML：{error}", f"it is not valid YAML: {error}", mend) from None
    if not isinstance(found, Mapping):
        begin = text("以 decision: 名称 开头", "begin with decision: NAME")
        raise _refused("document", "既不是 DMN 也不是 YAML 决策表", "it is neither DMN nor a table in YAML", begin)
    return found


def read(raw: Mapping[str, object]) -> dict[str, object]:
    """The body of a model written as a mapping. Raises :class:`Refused` for what has no place in it."""
    level: list[object] = [raw]
    for _ in range(limits.DECISION_DEPTH):
        inner = [each.values() if isinstance(each, Mapping) else each for each in level]
        level = [part for each in inner if not isinstance(each, str) and isinstance(each, Iterable) for part in each]
    if level:
        raise _refused("document", "嵌套过深", f"it nests deeper than {limits.DECISION_DEPTH}", _NEST_LESS)
    reading = _Reading()
    body = reading.model(raw)
    if reading.problems:
        raise Refused(tuple(reading.problems))
    return body


class _Reading:
    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def wrong(self, element: str, chinese: str, english: str, remedy: Text) -> None:
        self.problems.append(Problem(element, text(chinese, english), remedy))

    def known(self, raw: Mapping[str, object], fields: set[str], element: str) -> None:
        strange = sorted(str(name) for name in raw if name not in fields)
        if strange:
            told, there = ", ".join(strange), ", ".join(sorted(fields))
            self.wrong(
                element,
                f"没有字段 {told}",
                f"nothing is known of {told}",
                text(f"字段：{there}", f"fields are {there}"),
            )

    def rows(self, raw: object, element: str) -> list[object]:
        if raw is None:
            return []
        if not isinstance(raw, list):
            self.wrong(element, "应为列表", "it is not a list", text("每项以 - 开头", "begin each item with -"))
            return []
        return raw

    def model(self, raw: Mapping[str, object]) -> dict[str, object]:
        flat = "tables" not in raw
        self.known(raw, _MODEL | _TABLE if flat else _MODEL, "document")
        version = raw.get("version")
        body: dict[str, object] = {
            "decision": raw.get("decision"),
            "version": str(version)
            if isinstance(version, (str, int, float)) and not isinstance(version, bool)
            else version,
            "title": raw.get("title"),
        }
        for optional in ("source", "valid_from", "valid_until"):
            value = raw.get(optional)
            if value is not None:
                body[optional] = value.isoformat() if isinstance(value, date) else value
        inputs = [self.input(each, n) for n, each in enumerate(self.rows(raw.get("inputs"), "inputs"), 1)]
        body["inputs"] = [{name: each[name] for name in ("id", "name", "type") if name in each} for each in inputs]
        if flat:
            columns = [
                {"id": f"in-{n}", "expression": each["name"], **({"label": each["label"]} if "label" in each else {})}
                for n, each in enumerate(inputs, 1)
            ]
            bases = [_base(each.get("type")) for each in inputs]
            body["tables"] = [self.table(raw, "", str(raw.get("decision")), columns, bases)]
        else:
            bases = {str(each["name"]): _base(each.get("type")) for each in inputs}  # type: ignore[assignment]
            tables = enumerate(self.rows(raw.get("tables"), "tables"), 1)
            body["tables"] = [self.chained(each, f"t{n}-", bases) for n, each in tables]  # type: ignore[arg-type]
        return body

    def input(self, raw: object, number: int) -> dict[str, object]:
        id = f"input-{number}"
        if isinstance(raw, str):
            raw = {"name": raw}
        if not isinstance(raw, Mapping):
            self.wrong(
                id,
                "输入应有名称",
                "an input has a name",
                text("如 {name: level, type: number}", "e.g. {name: level, type: number}"),
            )
            return {"id": id, "name": id}
        self.known(raw, {"id", "name", "type", "values", "label"}, id)
        found: dict[str, object] = {"id": str(raw.get("id") or id), "name": str(raw.get("name") or "")}
        kind = self.type(raw, id)
        if kind is not None:
            found["type"] = kind
        if raw.get("label") is not None:
            found["label"] = str(raw["label"])
        return found

    def type(self, raw: Mapping[str, object], id: str) -> object:
        given, values = raw.get("type"), raw.get("values")
        if values is None:
            return given
        base = _base(given)
        return {"base": base, "values": self.listed(values, base)} if base else {"values": self.listed(values, None)}

    def listed(self, values: object, base: str | None) -> str:
        return self.cell(values, base)

    def chained(self, raw: object, prefix: str, bases: Mapping[str, str | None]) -> dict[str, object]:
        if not isinstance(raw, Mapping):
            self.wrong(
                f"{prefix}table",
                "不是映射",
                "it is not a mapping",
                text("以 - name: 名称 开头", "begin it with - name: NAME"),
            )
            return {"id": f"{prefix}table", "name": f"{prefix}table"}
        id, name = str(raw.get("id") or f"{prefix}table"), str(raw.get("name") or "")
        if "expression" in raw:
            self.known(raw, {"id", "name", "type", "expression"}, id)
            found: dict[str, object] = {"id": id, "name": name, "expression": str(raw["expression"]).strip()}
            return found | ({"type": raw["type"]} if raw.get("type") is not None else {})
        self.known(raw, {"id", "name", "inputs"} | _TABLE, id)
        columns, kinds = [], []
        for n, each in enumerate(self.rows(raw.get("inputs"), id), 1):
            column = {"expression": each} if isinstance(each, str) else each
            if not isinstance(column, Mapping):
                self.wrong(
                    f"{prefix}in-{n}", "输入列应有表达式", "a column has an expression", text("写名称", "write a name")
                )
                continue
            self.known(column, {"id", "expression", "type", "values", "label"}, f"{prefix}in-{n}")
            source = str(column.get("expression") or "").strip()
            kind = column.get("type") or bases.get(source)
            cell: dict[str, object] = {"id": str(column.get("id") or f"{prefix}in-{n}"), "expression": source}
            if column.get("type") is not None:
                cell["type"] = column["type"]
            if column.get("values") is not None:
                cell["values"] = self.listed(column["values"], _base(kind))
            if column.get("label") is not None:
                cell["label"] = str(column["label"])
            columns.append(cell)
            kinds.append(_base(kind))
        return self.table(raw, prefix, name, columns, kinds) | {"id": id}

    def table(
        self,
        raw: Mapping[str, object],
        prefix: str,
        name: str,
        columns: list[dict[str, object]],
        bases: list[str | None],
    ) -> dict[str, object]:
        id = f"{prefix}table"
        outputs = [self.output(each, f"{prefix}out-{n}") for n, each in enumerate(self.rows(raw.get("outputs"), id), 1)]
        kinds = [_base(each.get("type")) for each in outputs]
        rules = []
        for n, each in enumerate(self.rows(raw.get("rules"), id), 1):
            rules.append(self.rule(each, f"{prefix}rule-{n}", columns, bases, outputs, kinds))
        hit = str(raw.get("hit") or "U")
        return {"id": id, "name": name, "hit": hit, "inputs": columns, "outputs": outputs, "rules": rules}

    def output(self, raw: object, id: str) -> dict[str, object]:
        if isinstance(raw, str):
            raw = {"name": raw}
        if not isinstance(raw, Mapping):
            self.wrong(
                id,
                "输出应有名称",
                "an output has a name",
                text("如 {name: level, type: number}", "e.g. {name: level, type: number}"),
            )
            return {"id": id, "name": id}
        self.known(raw, {"id", "name", "type", "values", "default", "label"}, id)
        found: dict[str, object] = {"id": str(raw.get("id") or id), "name": str(raw.get("name") or "")}
        base = _base(raw.get("type"))
        if raw.get("type") is not None:
            found["type"] = raw["type"]
        if raw.get("values") is not None:
            found["values"] = self.listed(raw["values"], base or "string")
        if raw.get("default") is not None:
            found["default"] = self.result(raw["default"], base)
        if raw.get("label") is not None:
            found["label"] = str(raw["label"])
        return found

    def rule(
        self,
        raw: object,
        id: str,
        columns: list[dict[str, object]],
        bases: list[str | None],
        outputs: list[dict[str, object]],
        kinds: list[str | None],
    ) -> dict[str, object]:
        if not isinstance(raw, Mapping):
            self.wrong(id, "规则不是映射", "a rule is a mapping", text("写 when 和 then", "write when and then"))
            return {"id": id, "when": [], "then": []}
        id = str(raw.get("id") or id)
        self.known(raw, {"id", "when", "then", "note"}, id)
        when = self.cells(raw.get("when"), [str(column["expression"]) for column in columns], "-", id)
        then = self.cells(raw.get("then"), [str(output["name"]) for output in outputs], None, id)
        found: dict[str, object] = {
            "id": id,
            "when": [self.cell(each, bases[n] if n < len(bases) else None) for n, each in enumerate(when)],
            "then": [self.result(each, kinds[n] if n < len(kinds) else None) for n, each in enumerate(then)],
        }
        return found | ({"note": str(raw["note"])} if raw.get("note") is not None else {})

    def cells(self, raw: object, names: list[str], missing: object, id: str) -> list[object]:
        if isinstance(raw, Mapping):
            self.known(raw, set(names), id)
            return [raw.get(name, missing) for name in names]
        if isinstance(raw, list):
            return raw
        return [missing if raw is None else raw] if len(names) == 1 else [missing] * len(names)

    def cell(self, raw: object, base: str | None) -> str:
        """A condition."""
        if isinstance(raw, list):
            return ", ".join(self.cell(each, base) for each in raw) or "-"
        if not isinstance(raw, str):
            return "-" if raw is None else _literal(raw)
        source = raw.strip()
        parts = [part.strip() for part in source.split(",")]
        if base == "string" and all(_BARE.fullmatch(part) and part not in _WORDS for part in parts):
            return ", ".join(spelled(part) for part in parts)
        return source or "-"

    def result(self, raw: object, base: str | None) -> str:
        """A result."""
        if isinstance(raw, list):
            return "[" + ", ".join(self.result(each, base) for each in raw) + "]"
        if not isinstance(raw, str):
            return "null" if raw is None else _literal(raw)
        source = raw.strip()
        if source.startswith("="):
            return source[1:].strip()
        if base in (None, "string") and not source.startswith('"'):
            return spelled(raw)
        return source


def _base(kind: object) -> str | None:
    if isinstance(kind, Mapping):
        kind = kind.get("base")
    return kind if isinstance(kind, str) else None


def _literal(raw: object) -> str:
    if isinstance(raw, bool):
        return "true" if raw else "false"
    if isinstance(raw, (int, float)):
        return format(Decimal(repr(raw)), "f") if Decimal(repr(raw)).is_finite() else "null"
    if isinstance(raw, (datetime, date)):
        return spelled(raw)
    return str(raw)


def _refused(element: str, chinese: str, english: str, remedy: Text) -> Refused:
    return Refused((Problem(element, text(chinese, english), remedy),))


_NEST_LESS = text("减少嵌套", "nest less")
_WRITE_OUT = text("写出它的值", "write the value out")

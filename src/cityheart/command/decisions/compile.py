"""A model compiled: from DMN or YAML to one canonical JSON, and from that to functions. Everything wrong is told at once."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import cast

from cityheart.command.decisions import dmn, proof, written
from cityheart.command.decisions.feel import Fault, Names, Node, Tests, expression, squeezed, tests
from cityheart.command.decisions.models import Decision, Input, Outcome, Output, Problem, Refused, Step
from cityheart.command.decisions.table import AGGREGATIONS, POLICIES, Column, Expression, Result, Rule, Table
from cityheart.command.decisions.values import KINDS, cast_to, kind, plain, spelled, typed
from cityheart.kernel import limits
from cityheart.kernel.errors import TooLarge
from cityheart.kernel.schema import canonical
from cityheart.kernel.text import LANGUAGES, Text, text

__all__ = ["compile_decision", "stored"]

Body = Mapping[str, object]
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,79}")
_WORDS = re.compile(r"[^\W\d][\w .'/+*-]{0,79}")
_ID = re.compile(r"[^\W\d][\w.-]{0,99}")
_NO_LETTER = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_RESERVED = frozenset({"and", "or", "between", "in", "if", "then", "else", "true", "false", "null", "not"})


def compile_decision(source: bytes | str | Mapping[str, object]) -> Decision:
    """Compile a model: DMN 1.1 to 1.6 (XML), or YAML (or the same as a mapping). One content has one digest.

    Raises :class:`Refused`, an ``Invalid`` that carries every problem with the element it is at; :class:`TooLarge`
    past ``limits.DECISION_BYTES``.
    """
    if isinstance(source, Mapping):
        return _build(written.read(source))
    data = source.encode("utf-8", "surrogatepass") if isinstance(source, str) else source
    if len(data) > limits.DECISION_BYTES:
        raise TooLarge(f"the model is larger than {limits.DECISION_BYTES} bytes", remedy="split it into models")
    if dmn.looks_like(data):
        return _build(dmn.read(data))
    return _build(written.read(written.load(data)))


def stored(spelling: str) -> Decision:
    """A published model from its canonical spelling."""
    return _build(cast(Body, json.loads(spelling)))


# ── building ───────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _Given:
    """An input, ready to be read."""

    id: str
    name: str
    base: str | None
    allowed: Tests | None
    members: Mapping[str, object] | None
    type: object


@dataclass(frozen=True, slots=True)
class _Read:
    """A type, read: its kind, what it allows and its members."""

    base: str | None
    allowed: str | None
    members: Mapping[str, object] | None


def _build(body: Body) -> Decision:
    build = _Building(body)
    build.all()
    if build.problems:
        raise Refused(tuple(build.problems[: limits.DECISION_PROBLEMS]))
    spelling = canonical(body)
    title = cast(Text, body["title"])
    return Decision(
        name=str(body["decision"]),
        version=str(body["version"]),
        title=title,
        source=cast("Text | None", body.get("source")),
        valid_from=_day(body.get("valid_from")),
        valid_until=_day(body.get("valid_until")),
        inputs=tuple(Input(str(raw["id"]), str(raw["name"]), raw.get("type")) for raw in _rows(body.get("inputs"))),
        outputs=tuple(build.outputs()),
        body=body,
        canonical=spelling,
        digest=hashlib.sha256(spelling.encode()).hexdigest(),
        warnings=tuple(build.warnings[: limits.DECISION_PROBLEMS]),
        decide=build.function(),
    )


class _Building:
    def __init__(self, body: Body) -> None:
        self.body = body
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []
        self.inputs: list[_Given] = []
        self.nodes: dict[str, Table | Expression] = {}
        self.reads: dict[str, frozenset[str]] = {}
        self.order: list[Table | Expression] = []
        self.roots: list[Table | Expression] = []

    def all(self) -> None:
        """Everything about the model is read; what is wrong is in ``problems``."""
        self._head()
        self._letters()
        self._ids()
        self._sizes()
        if self.problems:
            return
        known = {given.name: given.members for given in self._inputs()}
        models = _rows(self.body.get("tables"))
        for raw in models:
            members = {squeezed(str(out.get("name") or "")): None for out in _rows(raw.get("outputs"))}
            known[squeezed(str(raw["name"]))] = members if len(members) > 1 else None
        names = Names(known)
        for raw in models:
            self._node(raw, names)
        if not self.problems:
            self._arrange()

    # the whole

    def problem(self, element: str, chinese: str, english: str, remedy: Text, column: str | None = None) -> None:
        """Note a problem."""
        self.problems.append(Problem(element, text(chinese, english), remedy, column))

    def _head(self) -> None:
        body = self.body
        if _NAME.fullmatch(str(body.get("decision"))) is None:
            example = text("用 a-z、0-9、. 和 -，如 triage.flood", "use a-z, 0-9, . and -, such as triage.flood")
            self.problem("decision", "名称无效", f"the name is {body.get('decision')!r}", example)
        version = body.get("version")
        if not isinstance(version, str) or not 1 <= len(version) <= 40 or not version.isprintable():
            self.problem("version", "版本无效", f"the version is {version!r}", text('如 "2026.1"', 'e.g. "2026.1"'))
        for part in ("title", "source"):
            words = body.get(part)
            if part == "source" and words is None:
                continue
            if (
                not isinstance(words, Mapping)
                or set(words) != set(LANGUAGES)
                or not all(isinstance(word, str) and 0 < len(word) <= limits.TEXT_CHARS for word in words.values())
            ):
                self.problem(part, f"{part} 须有中文和英文", f"{part} is not in both languages", _BOTH)
        try:
            since, until = _day(body.get("valid_from")), _day(body.get("valid_until"))
        except ValueError:
            self.problem(
                "valid_from", "日期无效", "a day of validity is no date", text("如 2026-05-01", "e.g. 2026-05-01")
            )
            return
        if since and until and until <= since:
            turn = text("调换两个日期", "turn the dates round")
            self.problem("valid_until", "失效日期不晚于生效日期", "valid_until is not after valid_from", turn)

    def _letters(self) -> None:
        """Characters that no file can hold: control signs, halves of surrogate pairs."""
        waiting: list[object] = [self.body]
        while waiting:
            part = waiting.pop()
            if isinstance(part, Mapping):
                waiting += [*part.keys(), *part.values()]
            elif isinstance(part, list):
                waiting += part
            elif isinstance(part, str) and _NO_LETTER.search(part):
                out = text("删除控制字符", "take the control characters out")
                self.problem("document", "文本含有控制字符", "a text holds control characters", out)
                return

    def _ids(self) -> None:
        seen: set[str] = set()
        for id in self._every_id():
            if _ID.fullmatch(id) is None:
                use = text("以字母开头，只用字母、数字、. _ -", "begin with a letter; letters, digits, . _ and - only")
                self.problem(id, f"标识 {id!r} 无效", f"the id {id!r} is not possible", use)
            elif id in seen:
                self.problem(id, f"标识 {id} 重复", f"the id {id} is there twice", text("换一个", "give it another"))
            seen.add(id)

    def _every_id(self) -> Iterable[str]:
        for raw in _rows(self.body.get("inputs")):
            yield str(raw.get("id"))
        for table in _rows(self.body.get("tables")):
            yield str(table.get("id"))
            for part in ("inputs", "outputs", "rules"):
                for raw in _rows(table.get(part)):
                    yield str(raw.get("id"))

    def _sizes(self) -> None:
        tables = _rows(self.body.get("tables"))
        split = text("拆成多个", "split it")
        if not tables:
            self.problem("tables", "没有决策", "there is no decision in it", text("增加一个表", "add a table"))
        if len(tables) > limits.DECISION_TABLES or len(_rows(self.body.get("inputs"))) > limits.DECISION_TABLES:
            most = limits.DECISION_TABLES
            self.problem("tables", f"超过 {most} 个决策或输入", f"more than {most} decisions or inputs", split)
        cells = 0
        for table in tables:
            rules = _rows(table.get("rules"))
            columns, results = len(_rows(table.get("inputs"))), len(_rows(table.get("outputs")))
            wide = max(columns, results)
            cells += len(rules) * (columns + results)
            if len(rules) > limits.DECISION_RULES:
                most = limits.DECISION_RULES
                self.problem(str(table["id"]), f"超过 {most} 条规则", f"more than {most} rules", split)
            if wide > limits.DECISION_COLUMNS:
                most = limits.DECISION_COLUMNS
                self.problem(str(table["id"]), f"超过 {most} 列", f"more than {most} columns", split)
        if cells > limits.DECISION_CELLS:
            most = limits.DECISION_CELLS
            self.problem("tables", f"超过 {most} 个单元格", f"more than {most} cells", split)

    # names and types

    def _inputs(self) -> list[_Given]:
        for raw in _rows(self.body.get("inputs")):
            id, name = str(raw["id"]), squeezed(str(raw.get("name") or ""))
            self._named(id, name)
            if any(given.name == name for given in self.inputs):
                self.problem(id, f"名称 {name} 重复", f"the name {name!r} is there twice", _RENAME)
            read = self._type(raw.get("type"), id)
            allowed = None if read.allowed is None else self._values(read.allowed, read.base, id)
            self.inputs.append(_Given(id, name, read.base, allowed, read.members, raw.get("type")))
        return self.inputs

    def _named(self, id: str, name: str) -> None:
        if _WORDS.fullmatch(name) is None or name in _RESERVED:
            use = text(
                "以文字开头，最多 80 个字，不用保留字",
                "begin with a letter, at most 80 characters, no word of the language",
            )
            self.problem(id, f"名称 {name!r} 无效", f"the name {name!r} is not possible", use)

    def _type(self, raw: object, id: str, depth: int = 0) -> _Read:
        if raw is None:
            return _Read(None, None, None)
        if isinstance(raw, str) and raw in KINDS.values():
            return _Read(raw, None, None)
        if isinstance(raw, Mapping) and depth <= limits.CONDITION_DEPTH:
            if "fields" in raw and isinstance(raw["fields"], Mapping):
                for inner in raw["fields"].values():
                    self._type(inner, id, depth + 1)
                return _Read("structure", None, {squeezed(str(name)): _members(t) for name, t in raw["fields"].items()})
            if "list" in raw:
                self._type(raw["list"], id, depth + 1)
                return _Read("list", None, None)
            if set(raw) <= {"base", "values"}:
                inner_read = self._type(raw.get("base"), id, depth + 1)
                return _Read(inner_read.base, None if raw.get("values") is None else str(raw["values"]), None)
        self.problem(
            id,
            f"没有类型 {raw!r}",
            f"there is no type {raw!r}",
            text(f"类型：{'、'.join(sorted(KINDS.values()))}", f"types: {', '.join(sorted(KINDS.values()))}"),
        )
        return _Read(None, None, None)

    def _values(self, source: str, base: str | None, element: str) -> Tests | None:
        try:
            found = tests(source, Names({}))
        except Fault as fault:
            self.problems.append(Problem(element, fault.detail, fault.remedy))
            return None
        self._fits(found, base, element, None)
        return None if found.anything else found

    def _fits(self, found: Tests, base: str | None, element: str, column: str | None) -> None:
        strange = found.kinds - {base}
        if base is not None and base != "list" and strange:
            told = ", ".join(sorted(strange))
            self.problem(
                element,
                f"该列的类型是 {base}，单元格却是 {told}",
                f"the column is of type {base}, the cell of type {told}",
                text(
                    '文本要加双引号，日期写作 date("2026-05-01")', 'text in double quotes, days as date("2026-05-01")'
                ),
                column,
            )

    # tables and expressions

    def _node(self, raw: Body, names: Names) -> None:
        id, name = str(raw["id"]), squeezed(str(raw["name"]))
        self._named(id, name)
        if name in self.nodes or any(given.name == name for given in self.inputs):
            self.problem(id, f"名称 {name} 重复", f"the name {name!r} is there twice", _RENAME)
        if "expression" in raw:
            read = self._type(raw.get("type"), id)
            node = self._expression(str(raw["expression"]), names, id)
            self.nodes[name] = Expression(id, name, node, read.base if read.base != "structure" else None)
            self.reads[name] = node.names
            return
        table = self._table(raw, names)
        self.nodes[name] = table
        read_names = [column.node.names for column in table.columns]
        read_names += [test.names for rule in table.rules for test in rule.tests]
        read_names += [node.names for rule in table.rules for node in rule.outputs]
        read_names += [result.default.names for result in table.results if result.default is not None]
        self.reads[name] = frozenset[str]().union(*read_names)

    def _table(self, raw: Body, names: Names) -> Table:
        id, policy = str(raw["id"]), str(raw.get("hit") or "U")
        columns = [self._column(each, names) for each in _rows(raw.get("inputs"))]
        results = [self._result(each, names, raw) for each in _rows(raw.get("outputs"))]
        self._policy(id, policy, results)
        if not results:
            self.problem(id, "没有输出列", "the table has no output", text("增加一个输出列", "add an output"))
        if not _rows(raw.get("rules")):
            self.problem(id, "没有规则", "the table has no rules", text("增加一条规则", "add a rule"))
        rules = [self._rule(each, columns, results, names) for each in _rows(raw.get("rules"))]
        rules = [rule for rule in rules if len(rule.outputs) == len(results)]  # the others are refused
        titles = [result.name for result in results]
        if len(set(titles)) < len(titles):
            self.problem(id, "输出列重名", "two outputs have one name", _RENAME)
        return Table(id, squeezed(str(raw["name"])), policy, columns, results, rules)

    def _policy(self, id: str, policy: str, results: list[Result]) -> None:
        known = policy in POLICIES or (policy[:1] == "C" and policy[1:] in AGGREGATIONS)
        if not known:
            use = text(f"用 {'、'.join(POLICIES)} 或 C+ C# C< C>", f"use {', '.join(POLICIES)} or C+ C# C< C>")
            self.problem(id, f"没有命中策略 {policy}", f"there is no hit policy {policy!r}", use)
        if len(policy) > 1 and known and len(results) > 1:
            only = text("只留一个输出，或用 C", "keep one output, or use C")
            self.problem(id, "汇总只能有一个输出", "what is summed up has one output only", only)
        if policy in ("P", "O") and results and not any(result.order for result in results):
            give = text("按优先顺序列出输出值", "list the output's values, the most important first")
            self.problem(
                results[0].id, f"策略 {policy} 需要输出值的顺序", f"hit policy {policy} needs values in order", give
            )

    def _column(self, raw: Body, names: Names) -> Column:
        id, source = str(raw["id"]), str(raw.get("expression") or "")
        node = self._expression(source, names, id)
        read = self._type(raw.get("type"), id)
        given = next((one for one in self.inputs if one.name == squeezed(source)), None)
        base = read.base or (given.base if given else None)
        listed = raw.get("values") if raw.get("values") is not None else read.allowed
        allowed = None if listed is None else self._values(str(listed), base, id)
        return Column(id, source, node, base, allowed or (given.allowed if given and listed is None else None))

    def _result(self, raw: Body, names: Names, table: Body) -> Result:
        id, name = str(raw["id"]), squeezed(str(raw.get("name") or table["name"]))
        self._named(id, name)
        read = self._type(raw.get("type"), id)
        base = None if read.base in ("structure",) else read.base
        listed = raw.get("values") if raw.get("values") is not None else read.allowed
        allowed = None if listed is None else self._values(str(listed), base, id)
        default = None
        if raw.get("default") is not None:
            default = self._expression(str(raw["default"]), names, id)
            self._output_fits(default, base, allowed, id, None)
        return Result(id, name, base, (allowed.values or ()) if allowed else (), allowed, default)

    def _rule(self, raw: Body, columns: list[Column], results: list[Result], names: Names) -> Rule:
        id = str(raw["id"])
        when, then = _texts(raw.get("when")), _texts(raw.get("then"))
        if len(when) != len(columns) or len(then) != len(results):
            self.problem(
                id,
                f"规则有 {len(when)} 个条件、{len(then)} 个结果，表有 {len(columns)} 个输入列、{len(results)} 个输出列",
                f"the rule has {len(when)} conditions and {len(then)} results, "
                f"the table {len(columns)} inputs and {len(results)} outputs",
                text("补齐单元格", "fill in every cell"),
            )
            return Rule(id, (), ())
        cells = tuple(self._cell(cell, column, names, id) for cell, column in zip(when, columns, strict=True))
        outputs = []
        for cell, result in zip(then, results, strict=True):
            node = self._expression(cell, names, id, result.id) if cell else Node(lambda scope: None)
            self._output_fits(node, result.base, result.allowed, id, result.id)
            outputs.append(node)
        return Rule(id, cells, tuple(outputs))

    def _cell(self, source: str, column: Column, names: Names, rule: str) -> Tests:
        try:
            found = tests(source, names)
        except Fault as fault:
            self.problems.append(Problem(rule, fault.detail, fault.remedy, column.id))
            return tests("-", names)
        self._fits(found, column.base, rule, column.id)
        return found

    def _expression(self, source: str, names: Names, element: str, column: str | None = None) -> Node:
        try:
            node = expression(source, names)
            if "?" in node.names:
                raise Fault(
                    text("此处没有被检查的值 ?", "there is no tested value ? here"),
                    text("? 只用于条件单元格", "? stands in cells of conditions only"),
                )
            return node
        except Fault as fault:
            self.problems.append(Problem(element, fault.detail, fault.remedy, column))
            return Node(lambda scope: None)

    def _output_fits(
        self, node: Node, base: str | None, allowed: Tests | None, element: str, column: str | None
    ) -> None:
        if not node.constant or node.value is None:
            return
        if base is not None and kind(node.value) != base:
            self.problem(
                element,
                f"结果 {spelled(node.value)} 的类型不是 {base}",
                f"the result {spelled(node.value)} is not of type {base}",
                text("改正结果或该列的类型", "mend the result or the type of the column"),
                column,
            )
        elif allowed is not None and not allowed.names and allowed.check(node.value, {}) is not True:
            self.problem(
                element,
                f"结果 {spelled(node.value)} 不在该列允许的值中",
                f"the result {spelled(node.value)} is not among the values of the column",
                text("改正结果，或在输出值中加上它", "mend it, or add it to the output values"),
                column,
            )

    # the order of deciding

    def _arrange(self) -> None:
        waiting = {name: self.reads[name] & self.nodes.keys() for name in self.nodes}
        while waiting:
            free = [name for name, reads in waiting.items() if not reads & waiting.keys()]
            if not free:
                circle = ", ".join(sorted(waiting))
                first = self.nodes[min(waiting)].id
                self.problem(
                    first, f"决策互相等待：{circle}", f"decisions need each other in a circle: {circle}", _BREAK
                )
                return
            self.order += [self.nodes[name] for name in free]
            waiting = {name: reads for name, reads in waiting.items() if name not in free}
        read = frozenset[str]().union(*self.reads.values())
        self.roots = [node for name, node in self.nodes.items() if name not in read]
        for given in self.inputs:
            if given.name not in read:
                self.warnings.append(Problem(
                    given.id,
                    text(f"输入 {given.name} 未被使用", f"no table reads the input {given.name!r}"),
                    text("使用或删除它", "use it, or take it out"),
                ))  # fmt: skip
        for node in self.order:
            if isinstance(node, Table):
                wrong, hints = proof.prove(node)
                self.problems += wrong
                self.warnings += hints
        titles = [output.name for output in self.outputs()]
        twice = sorted({title for title in titles if titles.count(title) > 1})
        if twice:
            told = ", ".join(twice)
            self.problem(self.roots[-1].id, f"结果重名：{told}", f"two results are called {told}", _RENAME)

    def outputs(self) -> Iterable[Output]:
        """What comes out of the model."""
        for node in self.roots:
            if isinstance(node, Table):
                yield from (Output(result.name, result.base, node.many) for result in node.results)
            else:
                yield Output(node.name, node.base)

    def function(self) -> Callable[[Mapping[str, object]], Outcome]:
        """The model as one function. It never raises."""
        inputs, order, roots = tuple(self.inputs), tuple(self.order), tuple(self.roots)
        ends = [
            (node.name, [result.name for result in node.results] if isinstance(node, Table) else [node.name], node)
            for node in roots
        ]

        def decide(given: Mapping[str, object]) -> Outcome:
            problems: list[Problem] = []
            scope: dict[str, object] = {}
            for one in inputs:
                scope[one.name] = _given(one, given.get(one.name), problems)
            trace: list[Step] = []
            by_name: dict[str, Step] = {}
            for node in order:
                step = node.decide(scope, problems)
                scope[node.name] = step.value
                by_name[node.name] = step
                trace.append(step)
            outputs: dict[str, object] = {}
            for name, titles, _ in ends:
                _put(outputs, titles, by_name[name].value)
            matched = tuple([rule for step in trace for rule in step.matched])
            return Outcome(outputs, matched, tuple(trace), tuple(problems))

        return decide


def _put(outputs: dict[str, object], titles: list[str], value: object) -> None:
    if len(titles) == 1:
        outputs[titles[0]] = plain(value)
    elif isinstance(value, list):
        for title in titles:
            outputs[title] = [plain(item.get(title)) if isinstance(item, dict) else None for item in value]
    else:
        for title in titles:
            outputs[title] = plain(value.get(title)) if isinstance(value, dict) else None


def _given(one: _Given, raw: object, problems: list[Problem]) -> object:
    if raw is None:
        return None
    value, fits = cast_to(raw, one.type) if one.base in ("structure", "list") else typed(raw, one.base)
    if not fits:
        problems.append(Problem(
            one.id,
            text(f"输入 {one.name} 的类型应为 {one.base}", f"the input {one.name!r} should be of type {one.base}"),
            text("改正输入的值", "correct the value that is given"),
        ))  # fmt: skip
        return None
    if one.allowed is not None and value is not None and one.allowed.check(value, {}) is not True:
        problems.append(Problem(
            one.id,
            text(f"输入 {one.name} 的值 {spelled(value)} 不被允许", f"{spelled(value)} is not allowed for {one.name!r}"),
            text("改正输入的值", "correct the value that is given"),
        ))  # fmt: skip
        return None
    return value


def _members(raw: object) -> Mapping[str, object] | None:
    if isinstance(raw, Mapping) and isinstance(raw.get("fields"), Mapping):
        return {squeezed(str(name)): _members(inner) for name, inner in raw["fields"].items()}
    return None


def _rows(raw: object) -> list[Mapping[str, object]]:
    return [each for each in raw if isinstance(each, Mapping)] if isinstance(raw, list) else []


def _texts(raw: object) -> list[str]:
    return [str(each) for each in raw] if isinstance(raw, list) else []


def _day(raw: object) -> date | None:
    return None if raw is None else date.fromisoformat(str(raw))


_BOTH = text("写成 {zh-CN: …, en: …}", "write {zh-CN: …, en: …}")
_RENAME = text("换一个名称", "give it another name")
_BREAK = text("打断循环", "break the circle")

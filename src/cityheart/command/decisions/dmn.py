"""DMN files, read into a model's body and drawn from one: the profile of chained decision tables and plain expressions.

Versions 1.1 to 1.6 are told apart by their namespaces only. What has no place in the profile (knowledge models, invocations,
contexts, functions, imports, other expression languages) is refused by the id of its element. Our own attributes stand in
the namespace :data:`OWN`: name, version, titles, days of validity.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import cast
from xml.etree import ElementTree

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from cityheart.command.decisions.feel import Fault, Names, expression, squeezed, tests
from cityheart.command.decisions.models import Problem, Refused
from cityheart.command.decisions.table import AGGREGATIONS, POLICIES
from cityheart.kernel import limits
from cityheart.kernel.text import Text, text

__all__ = ["NAMESPACES", "OWN", "draw", "looks_like", "read"]

Element = ElementTree.Element
NAMESPACES: Mapping[str, str] = {
    "http://www.omg.org/spec/DMN/20151101/dmn.xsd": "1.1",
    "http://www.omg.org/spec/DMN/20180521/MODEL/": "1.2",
    "https://www.omg.org/spec/DMN/20191111/MODEL/": "1.3",
    "https://www.omg.org/spec/DMN/20211108/MODEL/": "1.4",
    "https://www.omg.org/spec/DMN/20230324/MODEL/": "1.5",
    "https://www.omg.org/spec/DMN/20240513/MODEL/": "1.6",
}
OWN = "https://cityheart.org/dmn/1"
_CAMUNDA = "{http://camunda.org/schema/1.0/dmn}versionTag"
_FEEL = re.compile(r"https?://www\.omg\.org/spec/(?:DMN/\d+/)?FEEL/?(?:\d+)?/?|feel|s-feel", re.IGNORECASE)
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,79}")
_TYPES: Mapping[str, str | None] = {
    "string": "string", "boolean": "boolean", "number": "number", "date": "date", "time": "time",
    "date and time": "date and time", "dateTime": "date and time", "dayTimeDuration": "days and time duration",
    "days and time duration": "days and time duration", "yearMonthDuration": "years and months duration",
    "years and months duration": "years and months duration", "integer": "number", "long": "number",
    "double": "number", "Any": None, "any": None,
}  # fmt: skip
_ABOVE = frozenset({
    "extensionElements", "description", "itemDefinition", "inputData", "decision", "knowledgeSource", "textAnnotation",
    "association", "group", "DMNDI", "performanceIndicator", "organizationUnit", "elementCollection", "decisionService",
})  # fmt: skip
_IN_DECISION = frozenset({
    "extensionElements", "description", "question", "allowedAnswers", "variable", "informationRequirement",
    "authorityRequirement", "supportedObjective", "impactedPerformanceIndicator", "decisionMaker", "decisionOwner",
    "usingProcess", "usingTask", "decisionTable", "literalExpression",
})  # fmt: skip
_POLICY = {name: code for code, name in POLICIES.items()}
_AGGREGATION = {name: sign for sign, name in AGGREGATIONS.items()}


def looks_like(data: bytes) -> bool:
    """Whether this is XML rather than YAML."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return True
    return data.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"<"


def read(data: bytes) -> dict[str, object]:
    """The body of a model in a DMN file. Raises :class:`Refused` with every problem and the ids of their elements."""
    root = _root(data)
    reading = _Reading(root)
    body = reading.model()
    if reading.problems:
        raise Refused(tuple(reading.problems[: limits.DECISION_PROBLEMS]))
    return body


def _root(data: bytes) -> Element:
    mend = text("从建模工具重新导出为 UTF-8 的 DMN 文件", "export it again from the modeler, as DMN in UTF-8")
    try:
        root: Element = fromstring(data, forbid_dtd=True)
    except DefusedXmlException:
        no = text("删除 DOCTYPE 和实体", "take the DOCTYPE and its entities out")
        raise _refused("document", "不允许 DOCTYPE 和实体", "a DOCTYPE or entities are not allowed", no) from None
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise _refused("document", f"不是完整的 XML：{error}", f"it is not well-formed XML: {error}", mend) from None
    level = [root]
    for _ in range(limits.DECISION_DEPTH):
        level = [child for each in level for child in each]
    if level:
        flat = text("减少嵌套", "nest less")
        raise _refused("document", "元素嵌套过深", f"elements nest deeper than {limits.DECISION_DEPTH}", flat)
    space, name = _tag(root)
    if name != "definitions" or space not in NAMESPACES:
        told = f"{{{space}}}{name}" if space else name
        raise _refused("document", f"根元素 {told} 不是 DMN", f"the root element {told} is not DMN 1.1 to 1.6", mend)
    return root


def _tag(element: Element) -> tuple[str, str]:
    if not isinstance(element.tag, str):
        return "", ""
    space, _, name = element.tag.rpartition("}")
    return space.removeprefix("{"), name


class _Reading:
    def __init__(self, root: Element) -> None:
        self.root = root
        self.space = _tag(root)[0]
        self.problems: list[Problem] = []
        self.items: dict[str, Element] = {}

    def wrong(self, element: str, chinese: str, english: str, remedy: Text) -> None:
        self.problems.append(Problem(element, text(chinese, english), remedy))

    def children(self, element: Element, *names: str) -> list[Element]:
        """Children of the standard with one of these names; with none, all of the standard."""
        found = [(child, *_tag(child)) for child in element]
        return [child for child, space, name in found if space == self.space and (not names or name in names)]

    def child(self, element: Element, name: str) -> Element | None:
        return next(iter(self.children(element, name)), None)

    def text_of(self, element: Element | None) -> str:
        """The text of an expression element."""
        inner = None if element is None else self.child(element, "text")
        return "" if inner is None else (inner.text or "").strip()

    def model(self) -> dict[str, object]:
        root = self.root
        self.language(root, "document")
        for child in self.children(root):
            name = _tag(child)[1]
            if name not in _ABOVE:
                self.outside(child, name)
        self.items = {squeezed(item.get("name", "")): item for item in self.children(root, "itemDefinition")}
        inputs = [self.input(each, n) for n, each in enumerate(self.children(root, "inputData"), 1)]
        tables = [self.decision(each, n) for n, each in enumerate(self.children(root, "decision"), 1)]
        return self.head([table for table in tables if table is not None]) | {"inputs": inputs, "tables": [
            table for table in tables if table is not None
        ]}  # fmt: skip

    def head(self, tables: list[dict[str, object]]) -> dict[str, object]:
        root = self.root
        own = {
            key.removeprefix(f"{{{OWN}}}"): value for key, value in root.attrib.items() if key.startswith(f"{{{OWN}}}")
        }
        called = squeezed(root.get("name") or "")
        name = own.get("name") or _slug(called if called not in ("", "DRD") else self._root_id() or called)
        version = own.get("version") or next(
            (each.get(_CAMUNDA, "") for each in self.children(root, "decision") if each.get(_CAMUNDA)), "1"
        )
        shown = called or name
        title = {"zh-CN": own.get("title-zh") or shown, "en": own.get("title-en") or shown}
        body: dict[str, object] = {"decision": name, "version": version, "title": title}
        if own.get("source-zh") or own.get("source-en"):
            either = own.get("source-zh") or own.get("source-en")
            body["source"] = {"zh-CN": own.get("source-zh", either), "en": own.get("source-en", either)}
        return body | {part: own[part] for part in ("valid_from", "valid_until") if part in own}

    def _root_id(self) -> str:
        decisions = self.children(self.root, "decision")
        return decisions[0].get("id", "") if decisions else ""

    def outside(self, element: Element, name: str) -> None:
        """Something that the profile has no place for."""
        instead = text("改用决策表或表达式", "use decision tables or expressions")
        self.wrong(
            element.get("id") or element.get("name") or name,
            f"不支持 {name}",
            f"{name} is outside the profile of decision tables",
            instead,
        )

    def language(self, element: Element, id: str) -> None:
        used = element.get("expressionLanguage")
        if used is not None and not _FEEL.fullmatch(used.strip()):
            use = text("用 FEEL 书写", "write it in FEEL")
            self.wrong(element.get("id") or id, f"不支持表达式语言 {used}", f"the language {used} is not taken", use)

    # inputs and types

    def input(self, element: Element, number: int) -> dict[str, object]:
        variable = self.child(element, "variable")
        id = element.get("id") or f"input-{number}"
        name = element.get("name", "") or (variable.get("name", "") if variable is not None else "")
        kind = None if variable is None else self.type(variable.get("typeRef"), id)
        found: dict[str, object] = {"id": id, "name": squeezed(name)}
        return found if kind is None else found | {"type": kind}

    def type(self, reference: str | None, id: str, depth: int = 0) -> object:
        """A reference to a type as a body has it."""
        if reference is None or not reference.strip():
            return None
        name = squeezed(reference)
        if name not in self.items and name not in _TYPES:
            name = name.rpartition(":")[2]
        if name in self.items and depth <= limits.CONDITION_DEPTH:
            return self.item(self.items[name], id, depth + 1)
        if name in _TYPES:
            return _TYPES[name]
        self.wrong(
            id,
            f"没有类型 {reference}",
            f"there is no type {reference!r}",
            text("定义它，或用基本类型", "define it, or use a basic type"),
        )
        return None

    def item(self, element: Element, id: str, depth: int) -> object:
        parts = self.children(element, "itemComponent")
        if parts and depth <= limits.CONDITION_DEPTH:
            found: object = {
                "fields": {squeezed(part.get("name", "")): self.item(part, id, depth + 1) for part in parts}
            }
        else:
            reference = self.child(element, "typeRef")
            found = self.type(None if reference is None else reference.text, id, depth + 1)
            allowed = self.text_of(self.child(element, "allowedValues"))
            if allowed and element.get("isCollection") != "true" and (found is None or isinstance(found, str)):
                found = {"base": found, "values": allowed} if found else {"values": allowed}
        return {"list": found} if element.get("isCollection") == "true" else found

    # decisions

    def decision(self, element: Element, number: int) -> dict[str, object] | None:
        id = element.get("id") or f"decision-{number}"
        for child in self.children(element):
            name = _tag(child)[1]
            if name not in _IN_DECISION:
                self.outside(child if child.get("id") else element, name)
        variable = self.child(element, "variable")
        kind = self.type(variable.get("typeRef"), id) if variable is not None else None
        found: dict[str, object] = {"id": id, "name": squeezed(element.get("name", ""))}
        literal, table = self.child(element, "literalExpression"), self.child(element, "decisionTable")
        if literal is not None:
            self.language(literal, id)
            return found | {"expression": self.text_of(literal)} | ({} if kind is None else {"type": kind})
        if table is not None:
            return found | self.table(table, id, kind)
        if all(_tag(child)[1] in _IN_DECISION for child in self.children(element)):
            self.wrong(id, "决策没有内容", "the decision has no logic", text("画一个决策表", "draw a decision table"))
        return None

    def table(self, element: Element, id: str, kind: object) -> dict[str, object]:
        policy = element.get("hitPolicy", "UNIQUE").strip().upper()
        aggregation = element.get("aggregation", "").strip().upper()
        code = _POLICY.get(policy, policy if policy in POLICIES else "?")
        if code == "?" or (aggregation and aggregation not in _AGGREGATION):
            use = text("用标准的命中策略", "use one of the standard")
            self.wrong(
                element.get("id") or id,
                f"没有命中策略 {policy} {aggregation}",
                f"no hit policy {policy} {aggregation}",
                use,
            )
        hit = code + (_AGGREGATION.get(aggregation, "") if code == "C" else "")
        inputs = [self.column(each, f"{id}-in-{n}") for n, each in enumerate(self.children(element, "input"), 1)]
        outputs = [self.output(each, f"{id}-out-{n}") for n, each in enumerate(self.children(element, "output"), 1)]
        if len(outputs) == 1 and "type" not in outputs[0] and hit in ("U", "A", "P", "F", "C+", "C<", "C>"):
            base = cast("Mapping[str, object]", kind).get("base") if isinstance(kind, Mapping) else kind
            if isinstance(base, str):
                outputs[0]["type"] = base
        rules = [self.rule(each, f"{id}-rule-{n}") for n, each in enumerate(self.children(element, "rule"), 1)]
        return {"hit": hit, "inputs": inputs, "outputs": outputs, "rules": rules}

    def column(self, element: Element, id: str) -> dict[str, object]:
        id = element.get("id") or id
        source = self.child(element, "inputExpression")
        found: dict[str, object] = {"id": id, "expression": self.text_of(source)}
        if source is not None:
            self.language(source, id)
            self.kind(found, source.get("typeRef"), id)
        values = self.text_of(self.child(element, "inputValues"))
        if values:
            found["values"] = values
        if element.get("label"):
            found["label"] = element.get("label")
        return found

    def kind(self, found: dict[str, object], reference: str | None, id: str) -> None:
        """The type of a column: its kind, and the values it allows."""
        kind = self.type(reference, id)
        if isinstance(kind, Mapping) and "base" not in kind and "values" not in kind:
            kind = "list" if "list" in kind else "structure"
        if isinstance(kind, Mapping):
            found["values"] = kind["values"]
            kind = kind.get("base")
        if kind is not None:
            found["type"] = kind

    def output(self, element: Element, id: str) -> dict[str, object]:
        id = element.get("id") or id
        found: dict[str, object] = {"id": id}
        if element.get("name"):
            found["name"] = squeezed(element.get("name", ""))
        if element.get("label"):
            found["label"] = element.get("label")
        self.kind(found, element.get("typeRef"), id)
        values = self.text_of(self.child(element, "outputValues"))
        if values:
            found["values"] = values
        default = self.text_of(self.child(element, "defaultOutputEntry"))
        if default:
            found["default"] = default
        return found

    def rule(self, element: Element, id: str) -> dict[str, object]:
        id = element.get("id") or id
        for entry in self.children(element, "inputEntry", "outputEntry"):
            self.language(entry, id)
        found: dict[str, object] = {
            "id": id,
            "when": [self.text_of(entry) or "-" for entry in self.children(element, "inputEntry")],
            "then": [self.text_of(entry) for entry in self.children(element, "outputEntry")],
        }
        described = self.child(element, "description")
        notes = [self.text_of(entry) for entry in self.children(element, "annotationEntry")]
        note = (described.text or "").strip() if described is not None else ""
        said = "\n".join(part for part in (note, *notes) if part)
        return found | ({"note": said} if said else {})


def _slug(called: str) -> str:
    """A name of the house from what a modeler's user called the model."""
    if _NAME.fullmatch(called):
        return called
    made = re.sub(r"[^a-z0-9._-]+", "-", called.lower()).strip("-._")[:60]
    return made or f"decision-{hashlib.sha256(called.encode()).hexdigest()[:8]}"


def _refused(element: str, chinese: str, english: str, remedy: Text) -> Refused:
    return Refused((Problem(element, text(chinese, english), remedy),))


# ── drawing ────────────────────────────────────────────────────────────────────────────────────────────────────

_DRAWN = "https://www.omg.org/spec/DMN/20191111/MODEL/"  # 1.3: what the modelers open
_SPACES = {
    "xmlns": _DRAWN,
    "xmlns:dmndi": "https://www.omg.org/spec/DMN/20191111/DMNDI/",
    "xmlns:dc": "http://www.omg.org/spec/DMN/20180521/DC/",
    "xmlns:di": "http://www.omg.org/spec/DMN/20180521/DI/",
    "xmlns:ch": OWN,
}
_WIDE, _HIGH, _GAP = 180, 80, 60


def draw(body: Mapping[str, object]) -> bytes:
    """A model's body as a DMN 1.3 file with a diagram; read again, it gives the same body."""
    return _Drawing(body).file()


class _Drawing:
    def __init__(self, body: Mapping[str, object]) -> None:
        self.body = body
        self.inputs = _rows(body.get("inputs"))
        self.tables = _rows(body.get("tables"))
        self.ids = {str(each["id"]) for each in self._all()}
        self.by_name = {squeezed(str(each["name"])): str(each["id"]) for each in (*self.inputs, *self.tables)}
        names = {squeezed(str(each["name"])): _fields(each) for each in (*self.inputs, *self.tables)}
        self.names = Names(names)
        self.needs = {str(table["id"]): self._needs(table) for table in self.tables}
        self.types: list[tuple[str, object]] = []

    def _all(self) -> Iterator[Mapping[str, object]]:
        yield from self.inputs
        for table in self.tables:
            yield table
            for part in ("inputs", "outputs", "rules"):
                yield from _rows(table.get(part))

    def _needs(self, table: Mapping[str, object]) -> list[str]:
        """Ids of what a decision reads, in the order of the model."""
        read: set[str] = set()
        for source, of_cell in _sources(table):
            try:
                read |= tests(source, self.names).names if of_cell else expression(source, self.names).names
            except Fault:
                continue
        return [id for name, id in self.by_name.items() if name in read]

    def id(self, wanted: str) -> str:
        """An id that nothing else has."""
        found, n = wanted, 1
        while found in self.ids:
            n += 1
            found = f"{wanted}-{n}"
        self.ids.add(found)
        return found

    def file(self) -> bytes:
        body = self.body
        root = ElementTree.Element("definitions", _SPACES)
        title = cast("Mapping[str, str]", body["title"])
        attributes = {"id": self.id("definitions"), "name": title["en"], "namespace": "https://cityheart.org/decisions"}
        own: dict[str, object] = {"name": body["decision"], "version": body["version"]}
        own |= {"title-zh": title["zh-CN"], "title-en": title["en"]}
        if body.get("source"):
            source = cast("Mapping[str, str]", body["source"])
            own |= {"source-zh": source["zh-CN"], "source-en": source["en"]}
        own |= {part: body[part] for part in ("valid_from", "valid_until") if body.get(part)}
        root.attrib.update(attributes | {f"ch:{key}": str(value) for key, value in own.items()})
        parts = [self._decision(table) for table in self.tables]
        parts += [self._input(each) for each in self.inputs]
        root.extend([*self._item_definitions(), *parts, self._diagram()])
        ElementTree.indent(root)
        return cast(bytes, ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"

    # types

    def _type(self, kind: object) -> str | None:
        """The name by which a type is referred to; one that is no basic type gets a definition."""
        if kind is None or isinstance(kind, str):
            return {"date and time": "dateTime", "days and time duration": "dayTimeDuration"}.get(
                str(kind), {"years and months duration": "yearMonthDuration"}.get(str(kind), kind)
            )
        for name, known in self.types:
            if known == kind:
                return name
        name = f"t{len(self.types) + 1}"
        self.types.append((name, kind))
        return name

    def _item_definitions(self) -> Iterable[Element]:
        done = 0
        while done < len(self.types):
            name, kind = self.types[done]
            done += 1
            item = _element("itemDefinition", name=name)
            self._item(item, kind)
            yield item

    def _item(self, item: Element, kind: object) -> None:
        assert isinstance(kind, Mapping)
        if "list" in kind:
            item.set("isCollection", "true")
            inner = kind["list"]
            if isinstance(inner, Mapping) and "fields" in inner:
                self._item(item, inner)
            elif inner is not None:
                _under(item, "typeRef").text = self._type(inner)
        elif "fields" in kind:
            for member, inner in cast("Mapping[str, object]", kind["fields"]).items():
                part = _under(item, "itemComponent", name=member)
                if isinstance(inner, Mapping):
                    self._item(part, inner)
                elif inner is not None:
                    _under(part, "typeRef").text = self._type(inner)
        else:
            if kind.get("base"):
                _under(item, "typeRef").text = self._type(kind["base"])
            _under(_under(item, "allowedValues"), "text").text = str(kind["values"])

    # elements

    def _input(self, raw: Mapping[str, object]) -> Element:
        element = _element("inputData", id=raw["id"], name=raw["name"])
        _under(element, "variable", name=raw["name"], typeRef=self._type(raw.get("type")))
        return element

    def _decision(self, raw: Mapping[str, object]) -> Element:
        id = str(raw["id"])
        element = _element("decision", id=id, name=raw["name"])
        variable = _under(element, "variable", name=raw["name"])
        inputs = {str(each["id"]) for each in self.inputs}
        for needed in self.needs[id]:
            requirement = _under(element, "informationRequirement", id=self.id(f"{id}-needs-{needed}"))
            _under(requirement, "requiredInput" if needed in inputs else "requiredDecision", href=f"#{needed}")
        if "expression" in raw:
            if raw.get("type") is not None:
                variable.set("typeRef", str(self._type(raw["type"])))
            literal = _under(element, "literalExpression", id=self.id(f"{id}-expression"))
            _under(literal, "text").text = str(raw["expression"])
            return element
        hit = str(raw["hit"])
        table = _under(element, "decisionTable", id=self.id(f"{id}-table"), hitPolicy=POLICIES[hit[0]])
        if hit[1:]:
            table.set("aggregation", AGGREGATIONS[hit[1:]])
        for each in _rows(raw.get("inputs")):
            self._column(table, each)
        for each in _rows(raw.get("outputs")):
            self._output(table, each)
        for each in _rows(raw.get("rules")):
            self._rule(table, each)
        return element

    def _column(self, table: Element, raw: Mapping[str, object]) -> None:
        column = _under(table, "input", id=raw["id"], label=raw.get("label"))
        kind = self._type(raw.get("type"))
        source = _under(column, "inputExpression", id=self.id(f"{raw['id']}-expression"), typeRef=kind)
        _under(source, "text").text = str(raw["expression"])
        if raw.get("values") is not None:
            values = _under(column, "inputValues", id=self.id(f"{raw['id']}-values"))
            _under(values, "text").text = str(raw["values"])

    def _output(self, table: Element, raw: Mapping[str, object]) -> None:
        kind = self._type(raw.get("type"))
        column = _under(table, "output", id=raw["id"], name=raw.get("name"), label=raw.get("label"), typeRef=kind)
        for part, called in (("values", "outputValues"), ("default", "defaultOutputEntry")):
            if raw.get(part) is not None:
                inner = _under(column, called, id=self.id(f"{raw['id']}-{part}"))
                _under(inner, "text").text = str(raw[part])

    def _rule(self, table: Element, raw: Mapping[str, object]) -> None:
        rule = _under(table, "rule", id=raw["id"])
        if raw.get("note") is not None:
            _under(rule, "description").text = str(raw["note"])
        for part, called in (("when", "inputEntry"), ("then", "outputEntry")):
            for n, cell in enumerate(cast("list[str]", raw[part]), 1):
                entry = _under(rule, called, id=self.id(f"{raw['id']}-{part}-{n}"))
                _under(entry, "text").text = cell

    # the diagram: inputs at the bottom, each decision above what it needs

    def _diagram(self) -> Element:
        depth = {str(each["id"]): 0 for each in self.inputs}
        waiting = {id: [need for need in needs if need != id] for id, needs in self.needs.items()}
        while waiting:
            free = [id for id, needs in waiting.items() if all(need in depth for need in needs)] or list(waiting)
            depth |= {id: 1 + max((depth.get(need, 0) for need in waiting[id]), default=0) for id in free}
            waiting = {id: needs for id, needs in waiting.items() if id not in free}
        rows: dict[int, list[str]] = {}
        for id, level in depth.items():
            rows.setdefault(level, []).append(id)
        highest = max(depth.values(), default=0)
        place = {
            id: (_GAP + n * (_WIDE + _GAP), _GAP + (highest - level) * (_HIGH + _GAP))
            for level, ids in rows.items()
            for n, id in enumerate(ids)
        }
        frame = _element("dmndi:DMNDI")
        diagram = ElementTree.SubElement(frame, "dmndi:DMNDiagram", id=self.id("diagram"))
        for id, (x, y) in place.items():
            shape = ElementTree.SubElement(diagram, "dmndi:DMNShape", id=self.id(f"{id}-shape"), dmnElementRef=id)
            size = {"height": str(_HIGH), "width": str(_WIDE), "x": str(x), "y": str(y)}
            ElementTree.SubElement(shape, "dc:Bounds", size)
        for id, needs in self.needs.items():
            for needed in needs:
                reference = f"{id}-needs-{needed}"
                edge = ElementTree.SubElement(
                    diagram, "dmndi:DMNEdge", id=self.id(f"{reference}-edge"), dmnElementRef=reference
                )
                for x, y in ((place[needed][0], place[needed][1]), (place[id][0], place[id][1] + _HIGH)):
                    ElementTree.SubElement(edge, "di:waypoint", x=str(x + _WIDE // 2), y=str(y))
        return frame


def _element(tag: str, /, **attributes: object) -> Element:
    return ElementTree.Element(tag, {key: str(value) for key, value in attributes.items() if value is not None})


def _under(parent: Element, tag: str, /, **attributes: object) -> Element:
    child = _element(tag, **attributes)
    parent.append(child)
    return child


def _rows(raw: object) -> list[Mapping[str, object]]:
    return cast("list[Mapping[str, object]]", raw) if isinstance(raw, list) else []


def _fields(raw: Mapping[str, object]) -> Mapping[str, object] | None:
    outputs = _rows(raw.get("outputs"))
    if len(outputs) > 1:
        return {squeezed(str(each["name"])): None for each in outputs}
    kind = raw.get("type")
    return cast("Mapping[str, object]", kind["fields"]) if isinstance(kind, Mapping) and "fields" in kind else None


def _sources(table: Mapping[str, object]) -> Iterator[tuple[str, bool]]:
    """Every piece of the language in a decision; true for the cells of conditions."""
    if "expression" in table:
        yield str(table["expression"]), False
    for column in _rows(table.get("inputs")):
        yield str(column["expression"]), False
    for output in _rows(table.get("outputs")):
        if output.get("default") is not None:
            yield str(output["default"]), False
    for rule in _rows(table.get("rules")):
        for cell in cast("list[str]", rule["when"]):
            yield cell, True
        for cell in cast("list[str]", rule["then"]):
            if cell:
                yield cell, False

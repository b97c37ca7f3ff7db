"""BPMN files read safely: bounded, without document types, entities or anything that reaches outside."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from cityheart.command.bpmn.problems import Problem, Refused
from cityheart.kernel import limits
from cityheart.kernel.errors import TooLarge
from cityheart.kernel.text import Text, text

__all__ = ["BPMN", "CH", "DC", "DD", "DI", "XSI", "Element", "read"]

BPMN = "http://www.omg.org/spec/BPMN/20100524/MODEL"
DI = "http://www.omg.org/spec/BPMN/20100524/DI"
DC = "http://www.omg.org/spec/DD/20100524/DC"
DD = "http://www.omg.org/spec/DD/20100524/DI"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
CH = "https://cityheart.org/bpmn/1"

_DECLARED = re.compile(rb"^\s*<\?xml[^>]{0,200}?encoding\s*=\s*[\"']([A-Za-z0-9._-]{1,40})[\"']")
_DECLARATION = re.compile(r"^\s*<\?xml[^>]{0,400}?\?>")
_ENCODINGS = re.compile(
    r"utf-?8|utf-?16(-?[lb]e)?|us-ascii|ascii|gb2312|gbk|gb18030|big5|iso-8859-\d{1,2}|windows-125\d|cp125\d"
)


@dataclass(slots=True)
class Element:
    """One element: ``space`` is its namespace, ``name`` its local name.

    ``attributes`` hold those without a namespace by their name and the others as ``{namespace}name``.
    """

    space: str
    name: str
    attributes: dict[str, str]
    parent: Element | None = None
    children: list[Element] = field(default_factory=list)
    written: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """What stands directly in it."""
        return "".join(self.written)

    @property
    def id(self) -> str | None:
        """The id it carries itself."""
        return self.attributes.get("id") or None

    @property
    def near(self) -> str | None:
        """Its id, or that of the nearest element around it that has one: where a canvas can show a problem."""
        here: Element | None = self
        while here is not None:
            if here.id:
                return here.id
            here = here.parent
        return None

    def ch(self, name: str) -> str | None:
        """The value of one of our own attributes; ``None`` when it is missing or empty."""
        return self.attributes.get(f"{{{CH}}}{name}") or None

    def bpmn(self, name: str) -> list[Element]:
        """The children that are BPMN elements of this name."""
        return [child for child in self.children if child.space == BPMN and child.name == name]

    def extensions(self) -> list[Element]:
        """Whatever stands in its extension elements."""
        return [inner for outer in self.bpmn("extensionElements") for inner in outer.children]

    def walk(self) -> Iterator[Element]:
        """This element and all below it, in the order of the file."""
        waiting = [self]
        while waiting:
            here = waiting.pop()
            yield here
            waiting.extend(reversed(here.children))


class _Bounded:
    """Builds the tree and stops at the limits: what a parser calls for each element."""

    def __init__(self) -> None:
        self.root: Element | None = None
        self.here: Element | None = None
        self.count = 0
        self.depth = 0

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self.count += 1
        self.depth += 1
        if self.count > limits.DRAWING_ELEMENTS:
            raise _TooMuch(
                text(f"文件中的元素超过 {limits.DRAWING_ELEMENTS} 个", f"more than {limits.DRAWING_ELEMENTS} elements"),
                text("把它拆成几个预案，用调用活动连接", "split it into plans and connect them by call activities"),
            )
        if self.depth > limits.DRAWING_DEPTH:
            raise _TooMuch(
                text(f"元素嵌套超过 {limits.DRAWING_DEPTH} 层", f"elements nested deeper than {limits.DRAWING_DEPTH}"),
                text("这不是流程图；请从制图工具重新导出", "no drawing looks so; export it from the modeler again"),
            )
        space, name = tag[1:].split("}", 1) if tag.startswith("{") else ("", tag)
        element = Element(space, name, dict(attributes), self.here)
        if self.here is None:
            self.root = element
        else:
            self.here.children.append(element)
        self.here = element

    def end(self, tag: str) -> None:
        assert self.here is not None
        self.depth -= 1
        self.here = self.here.parent

    def data(self, data: str) -> None:
        if self.here is not None:
            self.here.written.append(data)

    def close(self) -> Element | None:
        return self.root


class _TooMuch(Exception):  # noqa: N818  (it ends as a refusal)
    def __init__(self, detail: Text, remedy: Text) -> None:
        super().__init__(detail["en"])
        self.detail = detail
        self.remedy = remedy


def read(xml: bytes | str) -> Element:
    """The root of a BPMN file, given as its bytes or as text.

    Raises :class:`TooLarge` past ``limits.DRAWING_BYTES``; :class:`Refused` when it is not XML, of an unknown
    encoding, has a document type or entities, more than ``limits.DRAWING_ELEMENTS`` elements or
    ``limits.DRAWING_DEPTH`` levels, or when its root is not BPMN's ``definitions``.
    """
    size = len(xml) if isinstance(xml, bytes) else len(xml.encode("utf-8", "replace"))
    if size > limits.DRAWING_BYTES:
        raise TooLarge(f"the drawing is larger than {limits.DRAWING_BYTES} bytes", remedy="split it into plans")
    document = xml if isinstance(xml, str) else _decoded(xml)
    document = _DECLARATION.sub("", document.lstrip("\ufeff"), count=1).strip(" \t\r\n\0\ufeff")
    if not document:
        raise _refused(text("文件是空的", "the file is empty"), text("选择一个 BPMN 文件", "choose a BPMN file"))
    parser = DefusedXMLParser(target=_Bounded(), forbid_dtd=True, forbid_entities=True, forbid_external=True)
    try:
        for start in range(0, len(document), 65536):
            parser.feed(document[start : start + 65536])
        root = parser.close()
    except DefusedXmlException:
        raise _refused(
            text("文件声明了文档类型或实体", "the file declares a document type or entities"),
            text("删去 <!DOCTYPE …> 一段", "take the <!DOCTYPE …> part out"),
        ) from None
    except _TooMuch as much:
        raise _refused(much.detail, much.remedy) from None
    except (SyntaxError, ValueError) as error:
        raise _refused(
            text(f"不是有效的 XML：{error}", f"it is not valid XML: {error}"),
            text("从制图工具重新导出", "export it from the modeler again"),
        ) from None
    if not isinstance(root, Element) or (root.space, root.name) != (BPMN, "definitions"):
        raise _refused(
            text("这不是 BPMN 2.0 文件", "this is not a BPMN 2.0 file"),
            text("根元素应为 BPMN 2.0 的 definitions", "its root is definitions of the BPMN 2.0 namespace"),
        )
    return root


def _decoded(xml: bytes) -> str:
    declared = _DECLARED.match(xml.removeprefix(b"\xef\xbb\xbf"))
    if xml.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding = "utf-16"
    else:
        encoding = declared.group(1).decode().lower() if declared else "utf-8"
    if encoding in ("gb2312", "gbk"):
        encoding = "gb18030"  # a superset of both, and what is meant in practice
    if encoding in ("utf-8", "utf8"):
        encoding = "utf-8-sig"
    if _ENCODINGS.fullmatch(encoding.removesuffix("-sig")) is None:
        raise _refused(
            text(f"不读取编码 {encoding}", f"files in {encoding} are not read"),
            text("存为 UTF-8", "save it as UTF-8"),
        )
    try:
        return xml.decode(encoding)
    except (LookupError, UnicodeError) as error:
        raise _refused(
            text(f"文件不是 {encoding} 编码", f"the file is not {encoding}: {str(error)[:120]}"),
            text("存为 UTF-8，并在首行声明", "save it as UTF-8 and say so in the first line"),
        ) from None


def _refused(detail: Text, remedy: Text) -> Refused:
    return Refused([Problem(None, detail, remedy)])

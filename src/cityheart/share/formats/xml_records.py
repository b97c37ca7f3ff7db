"""XML: one element a row. Entities and document types are refused, so a file cannot reach out or blow up."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from xml.etree.ElementTree import Element, ParseError

import numpy as np
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from cityheart.kernel.text import text
from cityheart.share.formats.batch import Batch, Payload, Reading, whole
from cityheart.share.formats.json_records import table_of
from cityheart.share.models import Refused

__all__ = ["batches"]

_DECLARED = re.compile(rb"^\s*<\?xml[^>]*encoding\s*=\s*[\"']([A-Za-z0-9._-]+)[\"']")
_DECLARATION = re.compile(r"^\s*<\?xml[^>]*\?>")


def batches(payload: Payload, reading: Reading) -> Iterator[Batch]:
    """The rows of an XML document: the elements of option ``record``, else the repeated children of the root.

    A root whose children are all plain values is one row. Attributes and child elements are columns.
    Raises Refused when the document is not well-formed, of an unknown encoding, or declares entities.
    """
    root = _root(whole(payload, "XML"), reading.option("encoding"))
    wanted = reading.option("record")
    if wanted:
        elements = [each for each in root.iter() if _name(each) == wanted]
    elif any(len(child) or child.attrib for child in root):
        kinds = Counter(_name(child) for child in root if len(child) or child.attrib)
        common = kinds.most_common(1)[0][0]
        elements = [child for child in root if _name(child) == common]
    else:
        elements = [root]
    rows = [_values(each) for each in elements]
    yield Batch(table_of(rows), np.arange(1, len(rows) + 1, dtype=np.int64), tabular=False)


def _root(data: bytes, encoding: str | None) -> Element:
    declared = _DECLARED.match(data.removeprefix(b"\xef\xbb\xbf"))
    if encoding is None:
        encoding = declared.group(1).decode() if declared else None
    if encoding is None:
        encoding = "utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    if encoding.lower() in ("gb2312", "gbk"):
        encoding = "gb18030"  # a superset of both, and what is meant in practice
    if encoding.lower() == "utf-8":
        encoding = "utf-8-sig"
    try:
        document = data.decode(encoding)
    except LookupError:
        raise Refused("encoding", text(f"不认识的编码 {encoding}", f"no encoding is called {encoding}")) from None
    except UnicodeDecodeError as error:
        raise Refused(
            "encoding", text(f"内容不是 {encoding} 编码：{error}", f"the text is not in {encoding}: {error}")
        ) from error
    try:
        root: Element = fromstring(_DECLARATION.sub("", document, count=1), forbid_dtd=True)
    except DefusedXmlException as error:
        raise Refused(
            "xml_forbidden",
            text(
                "XML 含有文档类型或实体声明，不予接收", "the XML declares a document type or entities; that is refused"
            ),
        ) from error
    except (ParseError, ValueError, RecursionError) as error:
        raise Refused("unreadable", text(f"XML 格式错误：{error}", f"the XML is not well-formed: {error}")) from error
    return root


def _values(element: Element) -> dict[str, object]:
    values: dict[str, object] = {_plain(name): value for name, value in element.attrib.items()}
    for child in element:
        name = _name(child)
        value = "".join(child.itertext()).strip() or None
        if name in values and values[name] is not None:
            values[name] = f"{values[name]}; {value or ''}"
        else:
            values[name] = value
    return values


def _name(element: Element) -> str:
    return _plain(str(element.tag))


def _plain(tag: str) -> str:
    return tag.rpartition("}")[2]

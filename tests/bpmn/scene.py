"""A pen for BPMN: drawings in a few words, as a modeler would save them."""

from __future__ import annotations

from itertools import pairwise
from xml.sax.saxutils import escape, quoteattr

from cityheart.kernel.text import text

UNITS = {
    code: text(f"{code}局", f"{code} bureau")
    for code in ("ecology", "industry", "health", "transport", "emergency-office")
}
HEAD = (
    '<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:ch="https://cityheart.org/bpmn/1" '
    'id="Definitions_1" targetNamespace="t">'
)
TIMES = {"ch:acceptWithin": "PT30M", "ch:due": "PT4H"}


class Pen:
    """Draws one process. Every element's id is the caller's; flows are ``source-target`` unless named."""

    def __init__(self, **process: str) -> None:
        self.process = {"id": "trial", "name": "演练", "ch:en": "Trial", "ch:version": "1", **process}
        self.parts: list[str] = []
        self.lanes: dict[str, tuple[dict[str, str], list[str]]] = {}
        self.inner = ""

    def put(self, tag: str, id: str, inner: str = "", **attributes: str) -> Pen:
        """Any element."""
        given = "".join(f" {name.replace('__', ':')}={quoteattr(value)}" for name, value in attributes.items())
        self.parts.append(f'<bpmn:{tag} id="{id}"{given}>{inner}</bpmn:{tag}>')
        return self

    def task(self, id: str, lane: str | None = "industry", inner: str = "", **attributes: str) -> Pen:
        """A user task with times; ``lane=None`` leaves it outside."""
        named = {name.replace(":", "__"): value for name, value in TIMES.items()}
        if lane is not None:
            self.lanes.setdefault(lane, ({"name": lane}, []))[1].append(id)
        return self.put("userTask", id, inner, **{"name": f"{id}步", "ch__en": id, **named, **attributes})

    def start(self, id: str = "begin") -> Pen:
        """The start event."""
        return self.put("startEvent", id)

    def end(self, id: str = "end") -> Pen:
        """An end event."""
        return self.put("endEvent", id)

    def gateway(self, kind: str, id: str, **attributes: str) -> Pen:
        """An exclusive, parallel or inclusive gateway."""
        return self.put(f"{kind}Gateway", id, **attributes)

    def timer(self, id: str, after: str, **attributes: str) -> Pen:
        """An intermediate timer."""
        return self.put("intermediateCatchEvent", id, timer(after), **attributes)

    def boundary(self, id: str, on: str, after: str, **attributes: str) -> Pen:
        """A boundary timer."""
        return self.put("boundaryEvent", id, timer(after), attachedToRef=on, **attributes)

    def flow(self, *ids: str, when: str | None = None) -> Pen:
        """Flows from each to the next; the condition is the first one's."""
        for number, (source, target) in enumerate(pairwise(ids)):
            inner = ""
            if when is not None and number == 0:
                inner = (
                    f'<bpmn:conditionExpression xsi:type="bpmn:tFormalExpression">{escape(when)}'
                    "</bpmn:conditionExpression>"
                )
            self.put("sequenceFlow", f"{source}-{target}", inner, sourceRef=source, targetRef=target)
        return self

    def xml(self) -> bytes:
        """The file."""
        attributes = "".join(f" {name}={quoteattr(value)}" for name, value in self.process.items())
        lanes = "".join(
            f"<bpmn:lane id={quoteattr('Lane_' + name)}"
            + "".join(f" {key}={quoteattr(value)}" for key, value in more.items())
            + ">"
            + "".join(f"<bpmn:flowNodeRef>{id}</bpmn:flowNodeRef>" for id in inside)
            + "</bpmn:lane>"
            for name, (more, inside) in self.lanes.items()
        )
        body = (f"<bpmn:laneSet>{lanes}</bpmn:laneSet>" if lanes else "") + "".join(self.parts)
        return f"{HEAD}<bpmn:process{attributes}>{self.inner}{body}</bpmn:process></bpmn:definitions>".encode()


def timer(after: str) -> str:
    """A timer event's definition."""
    return (
        '<bpmn:timerEventDefinition><bpmn:timeDuration xsi:type="bpmn:tFormalExpression">'
        f"{after}</bpmn:timeDuration></bpmn:timerEventDefinition>"
    )


def extensions(*elements: str) -> str:
    """Extension elements."""
    return f"<bpmn:extensionElements>{''.join(elements)}</bpmn:extensionElements>"

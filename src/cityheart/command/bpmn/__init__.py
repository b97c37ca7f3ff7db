"""Plans drawn in BPMN 2.0: a drawing compiled to the plan language, and any plan drawn."""

from __future__ import annotations

from cityheart.command.bpmn.compiling import Drawing, compile_bpmn
from cityheart.command.bpmn.drawing import draw
from cityheart.command.bpmn.problems import Problem, Refused

__all__ = ["Drawing", "Problem", "Refused", "compile_bpmn", "draw"]

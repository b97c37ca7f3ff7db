"""Plans and decision tables as files: checked before anybody has a city to put them into."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import yaml

import cityheart.command.plan as plan_language
from cityheart.command.bpmn import draw
from cityheart.command.bpmn.problems import Refused
from cityheart.command.decisions.models import Decision
from cityheart.command.library.checking import Checked, Sources, look_over
from cityheart.command.models import Plan
from cityheart.kernel import limits
from cityheart.kernel.errors import Invalid, TooLarge

__all__ = ["Checked", "Sources", "among", "check", "drawn", "lines"]

_KINDS = {".yaml": "yaml", ".yml": "yaml", ".bpmn": "bpmn", ".dmn": "dmn"}


def check(path: Path, sources: Sources) -> Checked:
    """Look a file over. Raises :class:`Invalid` for a file of no known kind, :class:`TooLarge`, ``OSError``."""
    source = _read(path)
    return look_over(_kind(path, source), source, sources)


def among(paths: Iterable[Path]) -> Sources:
    """Departments are taken on trust; tables and plans are looked for among these files."""
    files = list(paths)
    plans: dict[str, list[Plan]] = {}
    tables: dict[str, Decision] = {}

    def table(name: str, digest: str | None) -> plan_language.Table | None:
        found = tables.get(name)
        if found is None or digest not in (None, found.digest):
            return None
        return plan_language.Table(
            found.digest, tuple(one.name for one in found.inputs), tuple(one.name for one in found.outputs)
        )

    def plan(name: str, version: str | None) -> Plan | None:
        return next((one for one in plans.get(name, []) if version in (None, one.version)), None)

    sources = Sources(None, table, plan)
    for _ in range(2):  # what calls another plan can be read once that one is
        for path in files:
            if path.suffix.lower() in _KINDS:
                checked = check(path, sources)
                if checked.plan is not None and checked.plan not in plans.get(checked.plan.name, []):
                    plans.setdefault(checked.plan.name, []).append(checked.plan)
                if checked.decision is not None:
                    tables[checked.decision.name] = checked.decision
    return sources


def drawn(path: Path) -> bytes:
    """The plan in a file as a BPMN drawing; what it decides by or calls need not be there.

    Raises :class:`Refused` when the plan is wrong.
    """
    source = _read(path)
    kind = _kind(path, source)
    if kind != "yaml":
        raise Invalid(f"{path} is no plan in YAML", remedy="name a .yaml file")
    checked = look_over(kind, source, Sources())
    if checked.plan is not None:
        return draw(checked.plan)
    try:
        written = yaml.safe_load(source)
        steps = written["steps"]
        loose = any("call" in step or (step.get("does") == "decide" and "decision" not in step) for step in steps)
    except (yaml.YAMLError, TypeError, KeyError, AttributeError, ValueError, RecursionError):
        raise Refused(checked.problems) from None
    if not loose:
        raise Refused(checked.problems)
    return draw(written)


def lines(checked: Checked) -> Iterator[str]:
    """What was found, a line each, with what to do; mistakes first."""
    for problem in sorted(checked.problems, key=lambda problem: problem.severity):
        where = f"{problem.element}: " if problem.element else ""
        mark = "error" if problem.severity == "error" else "hint"
        both = problem.detail["en"]
        if problem.detail["zh-CN"] != both:
            both += f" / {problem.detail['zh-CN']}"
        yield f"{mark}  {where}{both} → {problem.remedy['en']}"


def _read(path: Path) -> bytes:
    if path.stat().st_size > limits.DRAWING_BYTES:
        raise TooLarge(f"{path} has more than {limits.DRAWING_BYTES} bytes", remedy="split it into plans")
    return path.read_bytes()


def _kind(path: Path, source: bytes) -> str:
    kind = _KINDS.get(path.suffix.lower())
    if kind is None:
        raise Invalid(f"{path} is no kind of plan", remedy=f"files end in {', '.join(_KINDS)}")
    if kind == "yaml" and any(line.startswith(b"decision:") for line in source.splitlines()):
        return "dmn"
    return kind

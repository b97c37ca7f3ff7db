"""What is wrong with a drawing or a draft, said at the element it is about, in both languages."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cityheart.kernel import limits
from cityheart.kernel.errors import Invalid
from cityheart.kernel.text import Text, text

__all__ = ["Found", "Problem", "Refused"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong (``error``) or worth a thought (``warning``).

    ``element`` is the id of the drawing's element or of the step, ``None`` for the whole; ``detail`` says what is
    wrong, ``remedy`` what to do.
    """

    element: str | None
    detail: Text
    remedy: Text
    severity: str = "error"
    field: str | None = None

    def json(self) -> dict[str, object]:
        """As the API shows it."""
        return {
            "element": self.element,
            "severity": self.severity,
            "field": self.field,
            "detail": self.detail,
            "remedy": self.remedy,
        }


class Found:
    """Problems as they are found: each once, at most ``limits.PROBLEMS_SHOWN`` of them."""

    def __init__(self) -> None:
        self.all: list[Problem] = []
        self.left_out = 0

    def error(self, element: str | None, detail: Text, remedy: Text, field: str | None = None) -> None:
        """Something that must be mended."""
        self._add(Problem(element, detail, remedy, "error", field))

    def warning(self, element: str | None, detail: Text, remedy: Text, field: str | None = None) -> None:
        """Something that may be meant so."""
        self._add(Problem(element, detail, remedy, "warning", field))

    def _add(self, problem: Problem) -> None:
        if problem in self.all:
            return
        if len(self.all) < limits.PROBLEMS_SHOWN:
            self.all.append(problem)
        else:
            self.left_out += 1

    @property
    def errors(self) -> list[Problem]:
        """What must be mended."""
        return [problem for problem in self.all if problem.severity == "error"]

    def listed(self) -> list[Problem]:
        """All of them; when there were too many, the last says how many more."""
        if not self.left_out:
            return list(self.all)
        more = Problem(
            None,
            text(f"另有 {self.left_out} 个问题未列出", f"{self.left_out} more problems are not listed"),
            text("先改正已列出的问题", "mend the ones that are listed first"),
        )
        return [*self.all, more]


class Refused(Invalid):
    """A drawing or draft that cannot become a plan; ``problems`` are all of its problems, warnings too."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        errors = [problem for problem in self.problems if problem.severity == "error"]
        first = errors[0]
        where = (f"{first.element}：", f"{first.element}: ") if first.element else ("", "")
        rest = len(errors) - 1
        more = (f"（另有 {rest} 处）", f" (and {rest} more)") if rest else ("", "")
        super().__init__(
            text(f"{where[0]}{first.detail['zh-CN']}{more[0]}", f"{where[1]}{first.detail['en']}{more[1]}"),
            remedy=first.remedy,
            problems=[problem.json() for problem in self.problems],
        )

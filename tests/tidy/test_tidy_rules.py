"""The house rules hold over the whole repository, and each rule can tell the good from the bad."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath

import pytest

from tests.tidy import refusals, rules
from tests.tidy.rules import Module, Rule, Violation

IN_THE_PACKAGE: tuple[Rule, ...] = (
    rules.one_way,
    rules.sql_in_stores,
    rules.clock_is_an_argument,
    rules.documented,
    rules.both_languages,
)
IN_ALL_PYTHON: tuple[Rule, ...] = (rules.short_functions, rules.city_nouns, rules.from_the_future)
IN_TESTS: tuple[Rule, ...] = (rules.no_sleep, rules.open_skips)


def report(violations: Iterable[Violation]) -> None:
    found = [str(violation) for violation in violations]
    assert not found, "\n" + "\n".join(found)


@pytest.mark.parametrize("rule", IN_THE_PACKAGE, ids=lambda rule: rule.__name__)
def test_package(rule: Rule) -> None:
    report(violation for module in rules.modules("src/cityheart") for violation in rule(module))


@pytest.mark.parametrize("rule", IN_ALL_PYTHON, ids=lambda rule: rule.__name__)
def test_all_python(rule: Rule) -> None:
    report(violation for module in rules.modules("src", "tests", "bench", "docs") for violation in rule(module))


@pytest.mark.parametrize("rule", IN_TESTS, ids=lambda rule: rule.__name__)
def test_tests(rule: Rule) -> None:
    report(violation for module in rules.modules("tests") for violation in rule(module))


def test_functions_have_the_same_files() -> None:
    present: dict[str, set[str]] = {}
    for module in rules.modules("src/cityheart"):
        if len(module.inside.parts) == 2:
            present.setdefault(module.part, set()).add(module.inside.name)
    functions = sorted(rules.FUNCTIONS & present.keys())
    assert functions, "no function folder found"
    missing = [name for part in functions for name in rules.same_files(part, present[part])]
    assert not missing, "missing: " + ", ".join(missing)


def test_no_marks_and_no_machine_paths() -> None:
    def found() -> Iterable[Violation]:
        for name in rules.files():
            path = PurePosixPath(name)
            if path.suffix in rules.TEXT_SUFFIXES and path.name not in {"LICENSE", "package-lock.json"}:
                yield from rules.marks_and_paths(name, (rules.ROOT / name).read_text("utf-8", errors="replace"))

    report(found())


def test_no_large_files() -> None:
    large = {name for name in rules.files() if (rules.ROOT / name).stat().st_size > rules.LARGEST_FILE}
    assert large <= rules.LARGE_FILES, f"over {rules.LARGEST_FILE} bytes: {sorted(large - rules.LARGE_FILES)}"


def test_every_refusal_is_said_in_chinese() -> None:
    """Whoever raises one adds its Chinese to a refusals.zh.toml; whoever takes the last of one away removes it there."""
    found, there = refusals.collected(), refusals.catalogued()
    assert len(found.said) > 1_400, "the refusals were not found"
    missing = [str(said) for said in found.said.values() if not there.covers(said)]
    assert not missing, "not in Chinese:\n" + "\n".join(missing)
    raised = {said.written for said in found.said.values()}
    left = [english for part in there.entries.values() for template, english in part.items() if template not in raised]
    orphans = [english for english in left if not refusals.of_the_framework(english)]
    assert not orphans, "no refusal says:\n" + "\n".join(orphans)
    assert not there.wrong, "\n".join(["", *there.wrong])
    assert set(found.opaque) == refusals.PASSED_ON.keys()


def test_the_words_of_a_refusal_are_found_however_it_is_written() -> None:
    source = """
from cityheart.kernel.errors import Conflict, Invalid, Problem
_LOOK = "look at it"
class Late(Conflict):
    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is late", remedy=_LOOK)
def need(what: str, n: int) -> None:
    if n:
        raise Invalid(f"{what} has {n} parts{' and more' if n > 9 else ''}", remedy="ask" + f" for {n}" if n else None)
    why = "too few" if n < 3 else "too many"
    raise Invalid(why, remedy=advice(n))
def advice(n: int) -> str:
    return {True: "take one", False: "take all"}[n > 1]
need("the long list", 3)
def again(problem: Problem) -> None:
    raise Invalid(f"step: {problem.detail}", remedy=problem.remedy)
def dark(n: int) -> None:
    raise Invalid(open(n).read())
"""
    found = refusals.collected(rules.Module("src/cityheart/share/a.py", source))
    assert {said.words for said in found.said.values()} == {
        "look at it", "{name} is late", "{what} has {n} parts", "{what} has {n} parts and more", "ask for {n}", "too few",
        "too many", "take one", "take all", "the long list", "step: {detail}",
    }  # fmt: skip
    assert found.opaque == ["share/a.py: open(n).read()"]


SAMPLES: list[tuple[Rule, str, str, str]] = [
    # rule, path, a text that breaks it, a text that keeps it
    (
        rules.one_way,
        "src/cityheart/kernel/a.py",
        "from cityheart.engine import lake",
        "from cityheart.kernel import ids",
    ),
    (rules.one_way, "src/cityheart/kernel/a.py", "import cityheart.engine.lake", "import json"),
    (rules.one_way, "src/cityheart/share/a.py", "from ..watch.models import Finding", "from ..engine.lake import Lake"),
    (rules.one_way, "src/cityheart/share/a.py", "from cityheart import watch", "from cityheart import __version__"),
    (rules.one_way, "src/cityheart/share/a.py", "def f():\n    from cityheart import city", "from . import store"),
    (
        rules.one_way,
        "src/cityheart/watch/a.py",
        "from cityheart.command.store import run",
        "from cityheart.command.service import Command\nfrom cityheart.command.models import Run",
    ),
    (
        rules.one_way,
        "src/cityheart/apps/air/a.py",
        "from cityheart.kernel.text import text",
        "from cityheart.sdk import text",
    ),
    (
        rules.one_way,
        "src/cityheart/apps/air/a.py",
        "from cityheart.apps.b import x",
        "from cityheart.apps.air import x",
    ),
    (rules.one_way, "src/cityheart/simulation/a.py", "import cityheart.command.service", "import cityheart.sdk"),
    (rules.one_way, "src/cityheart/annex/a.py", "", "from __future__ import annotations"),
    (rules.one_way, "src/cityheart/city.py", "from cityheart.web.app import x", "from cityheart.watch.store import x"),
    (
        rules.sql_in_stores,
        "src/cityheart/watch/service.py",
        "from sqlalchemy import select",
        "from .store import alerts",
    ),
    (rules.sql_in_stores, "src/cityheart/city.py", "import sqlite3", "import json"),
    (rules.clock_is_an_argument, "src/cityheart/watch/a.py", "import time", "from datetime import datetime"),
    (rules.clock_is_an_argument, "src/cityheart/watch/a.py", "from uuid import uuid4", "import hashlib"),
    (rules.clock_is_an_argument, "src/cityheart/watch/a.py", "x = datetime.now(UTC)", "x = clock.now()"),
    (rules.clock_is_an_argument, "src/cityheart/watch/a.py", "x = dt.datetime.utcnow", "x = work.now"),
    (rules.clock_is_an_argument, "src/cityheart/watch/a.py", "np.random.default_rng()", "np.random.default_rng(7)"),
    (rules.clock_is_an_argument, "src/cityheart/watch/a.py", "np.random.normal(3)", "x: np.random.Generator"),
    (rules.no_sleep, "tests/a.py", "time.sleep(1)", "clock.advance_to(later)"),
    (
        rules.open_skips,
        "tests/a.py",
        "pytest.skip('no server')",
        "pytest.skip('no server: apt-get install postgresql')",
    ),
    (rules.short_functions, "src/cityheart/a.py", "def f():\n" + "    x = 1\n" * 80, "def f():\n" + "    x = 1\n" * 79),
    (rules.city_nouns, "src/cityheart/a.py", "class Alert" + "Manager: ...", "class Alerts: ..."),
    (rules.city_nouns, "src/cityheart/a.py", "def date_" + "utils(): ...", "def resolve(): ..."),
    (
        rules.documented,
        "src/cityheart/a.py",
        '"""A."""\ndef f(): ...',
        '"""A."""\ndef f():\n    """F."""\ndef _g(): ...',
    ),
    (rules.documented, "src/cityheart/a.py", '"""A."""\nclass C: ...', '"""A."""'),
    (
        rules.from_the_future,
        "src/cityheart/a.py",
        '"""A."""\nx: int = 1',
        '"""A."""\nfrom __future__ import annotations\nx: int = 1',
    ),
    (rules.from_the_future, "src/cityheart/a.py", "def f(): ...", "import json"),
    (rules.both_languages, "src/cityheart/a.py", "text('late', '晚')", "text('晚', 'late')"),
    (rules.both_languages, "src/cityheart/a.py", "text('Late task', 'late')", "text('PM2.5', 'PM2.5')"),
    (rules.both_languages, "src/cityheart/a.py", "x = {'zh-CN': '晚'}", "x = {'zh-CN': f'晚 {n}', 'en': f'late {n}'}"),
]


@pytest.mark.parametrize(("rule", "path", "bad", "good"), SAMPLES, ids=lambda value: getattr(value, "__name__", ""))
def test_rules_tell_good_from_bad(rule: Rule, path: str, bad: str, good: str) -> None:
    assert [violation.path for violation in rule(Module(path, bad))] == [path]
    if path != "src/cityheart/annex/a.py":  # no text makes a folder outside the floor plan right
        assert not list(rule(Module(path, good)))


def test_marks_and_paths_are_found() -> None:
    bad = ["# TO" + "DO: later", "see /wo" + "rk/main", "see .." + "/shared/notes", "x = '/ro" + "ot/.cache'"]
    for line in bad:
        assert [violation.line for violation in rules.marks_and_paths("a.md", f"fine\n{line}")] == [2], line
    for line in ["https://example.org/work/a", "the photographer's homework", "GET /api/alerts", "src/work/"]:
        assert not list(rules.marks_and_paths("a.md", line)), line


def test_missing_files_are_named() -> None:
    assert rules.same_files("share", {"__init__.py", "models.py", "store.py", "api.py"}) == [
        "src/cityheart/share/service.py"
    ]

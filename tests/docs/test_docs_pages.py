"""The written pages: links lead somewhere, decisions have their shape, commands that are named exist."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "src").rglob("*.md")])
DECISIONS = sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))


def prose(page: Path) -> str:
    """A page without its blocks of code."""
    return re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)\s]+)\)", prose(page)) + re.findall(r'(?:src|href)="([^"]+)"', prose(page))
    local = [target.partition("#")[0] for target in targets if not re.match(r"[a-z]+:|#", target)]
    assert [target for target in local if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_make_targets_that_are_named_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make ([a-z]+)\b", page.read_text("utf-8"), re.MULTILINE))
    assert named <= targets


def test_decisions_are_numbered_without_gaps() -> None:
    assert [int(page.name[:4]) for page in DECISIONS] == list(range(1, len(DECISIONS) + 1))


@pytest.mark.parametrize("page", DECISIONS, ids=lambda page: page.stem)
def test_decisions_have_their_shape(page: Path) -> None:
    text = page.read_text("utf-8")
    assert re.match(rf"# {page.name[:4]} \S", text)
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Context", "Decision", "Consequences"]
    assert re.search(r"^- Status: (accepted|superseded by \d{4})$", text, re.MULTILINE)
    assert re.search(r"^- Date: \d{4}-\d\d-\d\d$", text, re.MULTILINE)
    assert f"({page.name})" in (page.parent / "README.md").read_text("utf-8")


def test_every_dependency_is_decided() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    declared = [*project["project"]["dependencies"], *project["build-system"]["requires"]]
    declared += [one for extra in project["project"].get("optional-dependencies", {}).values() for one in extra]
    declared += [one for one in project["dependency-groups"]["dev"] if isinstance(one, str)]
    wanted = {canonicalize_name(Requirement(one).name) for one in declared}
    lines = re.findall(
        r"^\| ([\w.-]+) \| (.+) \| (.+) \|$",
        (ROOT / "docs/adr/0004-dependencies.md").read_text("utf-8"),
        re.MULTILINE,
    )
    listed = {canonicalize_name(name) for name, licence, reason in lines if licence.strip("- ") and name != "package"}
    assert wanted - listed == set(), "without a line in docs/adr/0004-dependencies.md"
    assert listed - wanted == set(), "no longer a dependency"


def test_environment_variables_are_named_in_the_pages() -> None:
    code = "\n".join(path.read_text("utf-8") for path in (ROOT / "src").rglob("*.py"))
    pages = "\n".join(page.read_text("utf-8") for page in PAGES)
    assert [name for name in sorted(set(re.findall(r"CITYHEART_[A-Z_]*[A-Z]", code))) if name not in pages] == []

"""The locks fit what they lock, hold hashes for everything, and name no hosts."""

from __future__ import annotations

import json
import re
import tomllib
from functools import cache

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.tidy.rules import ROOT

ADDRESS = re.compile(r"https?://|file://|git\+|--(?:extra-)?index-url|--find-links|@ /")


@cache
def project() -> dict[str, list[Requirement]]:
    """The direct requirements by group."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    groups = declared["dependency-groups"]
    written = {
        "run": declared["project"]["dependencies"],
        "build": declared["build-system"]["requires"],
        "build group": groups["build"],
        "dev": [one for one in groups["dev"] if isinstance(one, str)],
    }
    return {name: [Requirement(one) for one in ones] for name, ones in written.items()}


def locked(name: str) -> dict[str, list[str]]:
    """The locked versions by package; more than one where they differ by platform or Python."""
    versions: dict[str, list[str]] = {}
    for package, version in re.findall(
        r"^([A-Za-z0-9._-]+)==([^ \\;]+)", (ROOT / name).read_text("utf-8"), re.MULTILINE
    ):
        versions.setdefault(canonicalize_name(package), []).append(version)
    return versions


@pytest.mark.parametrize(
    ("lock", "groups"), [("requirements.txt", ("run", "build")), ("requirements-dev.txt", ("run", "build", "dev"))]
)
def test_lock_satisfies_project(lock: str, groups: tuple[str, ...]) -> None:
    versions = locked(lock)
    for requirement in (one for group in groups for one in project()[group]):
        found = versions.get(canonicalize_name(requirement.name), [])
        assert found, f"{lock} lacks {requirement}: make lock"
        assert all(requirement.specifier.contains(one) for one in found), (
            f"{lock} has {found} for {requirement}: make lock"
        )


def test_both_locks_agree() -> None:
    run, dev = locked("requirements.txt"), locked("requirements-dev.txt")
    assert {name: dev.get(name) for name in run} == run


def test_build_group_is_what_the_build_requires() -> None:
    assert sorted(map(str, project()["build"])) == sorted(map(str, project()["build group"]))


@pytest.mark.parametrize("lock", ["requirements.txt", "requirements-dev.txt"])
def test_hashes_and_no_hosts(lock: str) -> None:
    text = (ROOT / lock).read_text("utf-8")
    assert not ADDRESS.search(text)
    entries = re.split(r"\n(?=[A-Za-z0-9])", text.strip())
    assert len(entries) > 40
    assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry] == []


def test_console_lock_has_integrity_and_no_hosts() -> None:
    lock = json.loads((ROOT / "console" / "package-lock.json").read_text("utf-8"))
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert packages
    assert [name for name, entry in packages.items() if "resolved" in entry] == []
    assert [name for name, entry in packages.items() if "integrity" not in entry] == []
    wanted = {name for entry in packages.values() for name in entry.get("optionalDependencies", {})}
    present = {name.rpartition("node_modules/")[2] for name in packages}
    assert wanted <= present, f"npm ci refuses a lock without {sorted(wanted - present)}"

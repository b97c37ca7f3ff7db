"""The build hook builds the console when its sources changed, and only then."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

import hatch_build

Calls = list[tuple[str, ...]]


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Calls:
    """A small console, and what npm is asked to do in it; the pretended npm does what the real one leaves behind."""
    console, static = tmp_path / "console", tmp_path / "static"
    (console / "src").mkdir(parents=True)
    for name in ("package.json", "package-lock.json", "index.html", "src/main.tsx"):
        (console / name).write_text("{}")
    made: Calls = []

    def npm(*args: str) -> None:
        made.append(args)
        left = static / "index.html" if args[0] == "run" else console / "node_modules" / ".package-lock.json"
        left.parent.mkdir(exist_ok=True)
        left.write_text("built")

    monkeypatch.setattr(hatch_build, "CONSOLE", console)
    monkeypatch.setattr(hatch_build, "STATIC", static)
    monkeypatch.setattr(hatch_build, "npm", npm)
    monkeypatch.delenv("SKIP_CONSOLE", raising=False)
    return made


def initialize() -> None:
    """What hatchling calls."""
    hook = hatch_build.ConsoleBuildHook.__new__(hatch_build.ConsoleBuildHook)
    hook.initialize("editable", {})


def built(calls: Calls) -> int:
    return calls.count(("run", "build"))


def test_builds_once(calls: Calls) -> None:
    initialize()
    initialize()
    assert [call[:2] for call in calls] == [("ci", "--no-audit"), ("run", "build")]


def change_source(console: Path) -> None:
    (console / "src" / "main.tsx").write_text("changed")


def rename_source(console: Path) -> None:
    (console / "src" / "main.tsx").rename(console / "src" / "other.tsx")


def change_lock(console: Path) -> None:
    (console / "package-lock.json").write_text("changed")


@pytest.mark.parametrize("change", [change_source, rename_source, change_lock])
def test_builds_again_after_a_change(calls: Calls, change: Callable[[Path], None]) -> None:
    initialize()
    change(hatch_build.CONSOLE)
    initialize()
    assert built(calls) == 2


def test_what_the_build_does_not_read_changes_nothing(calls: Calls) -> None:
    initialize()
    (hatch_build.CONSOLE / "node_modules" / "a.js").write_text("x")
    (hatch_build.CONSOLE / "README.md").write_text("x")
    initialize()
    assert built(calls) == 1


def test_a_newer_lock_installs_again(calls: Calls) -> None:
    initialize()
    lock, installed = hatch_build.CONSOLE / "package-lock.json", hatch_build.CONSOLE / "node_modules/.package-lock.json"
    lock.write_text("changed")
    os.utime(installed, (0, 0))
    initialize()
    assert [call[0] for call in calls] == ["ci", "run", "ci", "run"]


def test_a_build_that_failed_is_tried_again(calls: Calls, monkeypatch: pytest.MonkeyPatch) -> None:
    works = hatch_build.npm

    def fails(*args: str) -> None:
        raise SystemExit("npm failed")

    monkeypatch.setattr(hatch_build, "npm", fails)
    with pytest.raises(SystemExit):
        initialize()
    monkeypatch.setattr(hatch_build, "npm", works)
    initialize()
    assert built(calls) == 1


def test_skipped_when_asked_or_when_there_is_no_console(calls: Calls, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SKIP_CONSOLE", "1")
    initialize()
    monkeypatch.delenv("SKIP_CONSOLE")
    monkeypatch.setattr(hatch_build, "CONSOLE", hatch_build.CONSOLE / "absent")
    initialize()
    assert calls == []

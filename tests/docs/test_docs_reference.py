"""The reference is complete and is the code's: whatever a person can set, call, hit or read says what it is."""

from __future__ import annotations

import inspect
import re
from functools import cache
from pathlib import Path

import pytest

from cityheart import reference
from cityheart.kernel.hooks import Hooks
from cityheart.kernel.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT / "docs" / "reference"


@cache
def pages() -> dict[str, str]:
    return reference.pages()


def test_no_page_is_missing_or_left_over() -> None:
    assert {path.name for path in PAGES.glob("*.md")} == set(pages()), "run: make reference"


@pytest.mark.parametrize(
    "name", ["README.md", "settings.md", "limits.md", "hooks.md", "access.md", "events.md", "cli.md", "api.md"]
)
def test_page_is_the_codes(name: str) -> None:
    assert (PAGES / name).read_text("utf-8") == pages()[name], "run: make reference"


def test_settings_say_what_they_are() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_limits_say_what_they_limit() -> None:
    limits = reference.limits_named()
    assert len(limits) > 20
    assert [limit.name for limit in limits if not limit.meaning or not limit.section] == []


def test_no_limit_is_set_twice() -> None:
    names = [limit.name for limit in reference.limits_named()]
    assert sorted({name for name in names if names.count(name) > 1}) == []


def test_every_limit_is_kept_somewhere() -> None:
    code = [path for path in reference.PACKAGE.rglob("*.py") if path.name != "limits.py"]
    used = {word for path in code for word in re.findall(r"\w+", path.read_text("utf-8"))}
    assert [limit.name for limit in reference.limits_named() if limit.name not in used] == []


def test_hooks_say_when_they_are_called() -> None:
    hooks = inspect.getmembers(Hooks, inspect.isfunction)
    assert hooks
    assert [name for name, hook in hooks if not inspect.getdoc(hook)] == []


def test_events_have_titles_in_both_languages() -> None:
    titles, written = reference.event_titles(), reference.event_types()
    assert sorted(written - titles.keys()) == [], "say what they are in src/cityheart/events.toml"
    assert sorted(titles.keys() - written) == [], "nothing writes these any more"
    assert [name for name, title in titles.items() if not (title["en"].strip() and title["zh-CN"].strip())] == []


def test_flags_say_what_they_do() -> None:
    flags = reference.flags()
    assert {"cityheart demo", "cityheart init", "cityheart run"} <= {flag.command for flag in flags}
    assert [f"{flag.command} {flag.name}" for flag in flags if not flag.meaning] == []


def test_commands_say_what_they_do() -> None:
    assert [name for name, command in reference.commands() if not command.help] == []


def test_routes_say_what_they_answer() -> None:
    assert any(one.path == "/api/alerts" for one in reference.operations())
    assert any(one.path == "/api/live" for one in reference.operations())
    assert [f"{one.method} {one.path}" for one in reference.operations() if not one.meaning] == []


def test_an_event_without_a_title_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "watch").mkdir()
    (tmp_path / "watch" / "service.py").write_text(
        'work.emit(stream, "heart.beat", {})\nnamed = "alert.invented"\nself.db.once(actor, id, "alert.verb", {}, do)\n'
    )
    (tmp_path / "watch" / "store.py").write_text('ForeignKey("alert.id")\n')
    monkeypatch.setattr(reference, "PACKAGE", tmp_path)
    assert reference.event_types() - reference.FORMER == {"heart.beat", "alert.invented"}

"""The pages about the departments say what the applications are."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from cityheart.kernel.hooks import plugins

from .landing import APPS, application

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "how-to" / "connect-a-department.md"
LINE = re.compile(r"^\| .+? \| `([a-z0-9_.-]+)` \| `([a-z0-9_]+)` \| .+? \| .+? \| ([123]) \|$", re.MULTILINE)


@pytest.mark.parametrize("name", ["hazchem", "prefecture"])
def test_the_readme_lists_every_source_with_its_dataset_and_sharing_type(name: str) -> None:
    app = application(name)
    sharing = {contract.name: contract.sharing for contract in app.contracts}
    declared = {(source.id, source.dataset, str(sharing[source.dataset])) for source in app.sources}
    assert set(LINE.findall((APPS / name / "README.md").read_text("utf-8"))) == declared


def test_the_settings_of_the_page_are_taken() -> None:
    kinds = {kind.name: kind for kind in plugins().connectors()}
    sources = {source.id: source for name in ("hazchem", "prefecture") for source in application(name).sources}
    blocks = re.findall(r"^```toml\n(.*?)^```", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    given = tomllib.loads("\n".join(blocks))["sources"]
    assert len(given) >= 5
    for id, options in given.items():
        source = sources[id]
        changed = {**source.options, **{name: value for name, value in options.items() if name != "schedule"}}
        assert kinds[source.connector].problems(changed) == [], id


def test_the_page_counts_the_sources() -> None:
    count = len(application("hazchem").sources) + len(application("prefecture").sources)
    assert f"Together {count} sources" in PAGE.read_text("utf-8")

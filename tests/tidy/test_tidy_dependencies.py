"""What the code imports is declared, and what is declared is imported."""

from __future__ import annotations

import sys
import tomllib
from functools import cache
from importlib.metadata import packages_distributions

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.tidy import rules

# used without an import of ours: by name, by a library that finds it, or by the server
UNIMPORTED = {"geoarrow-pyarrow", "psycopg", "python-multipart", "splink", "tzdata", "websockets"}
# comes with a direct dependency that is another name for it: fastapi hands starlette's own classes out
TOGETHER = {"starlette": "fastapi"}


@cache
def declared() -> frozenset[str]:
    """The package's direct requirements, extras among them."""
    project = tomllib.loads((rules.ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    written = [
        *project["dependencies"],
        *(one for extra in project.get("optional-dependencies", {}).values() for one in extra),
    ]
    return frozenset(canonicalize_name(Requirement(one).name) for one in written)


@cache
def imported() -> dict[str, str]:
    """The distributions that the package imports, each with one place where it does."""
    owners = packages_distributions()
    found: dict[str, str] = {}
    for module in rules.modules("src/cityheart"):
        for node, name in rules.imported(module):
            top = name.partition(".")[0]
            if top not in sys.stdlib_module_names and top not in {"cityheart", "__future__"}:
                for owner in {canonicalize_name(one) for one in owners.get(top, [f"nobody ({top})"])}:
                    found.setdefault(owner, f"{module.path}:{getattr(node, 'lineno', 1)}")
    return found


def test_what_is_imported_is_declared() -> None:
    wanted = {TOGETHER.get(name, name): place for name, place in imported().items()}
    missing = {name: place for name, place in wanted.items() if name not in declared()}
    assert missing == {}, "imported, but not in pyproject.toml"


def test_what_is_declared_is_imported() -> None:
    unused = declared() - imported().keys() - UNIMPORTED
    assert unused == set(), "in pyproject.toml, but imported nowhere: remove it, or say why in UNIMPORTED"

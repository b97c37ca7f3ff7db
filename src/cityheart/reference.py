"""The reference pages, made from the code: `python -m cityheart.reference docs/reference`.

Every page is a function of what it describes, so it cannot drift: a test fails when a page is not the code's, or when a
setting, limit, hook, event, route or flag says nothing about itself.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import typer.main
from fastapi import FastAPI
from pydantic.fields import FieldInfo

from cityheart import cli
from cityheart.city import City
from cityheart.engine.tracks.parameters import MEANINGS, Parameters
from cityheart.kernel import access, limits
from cityheart.kernel.clock import VirtualClock
from cityheart.kernel.deliveries.channel import Channel
from cityheart.kernel.hooks import Hooks
from cityheart.kernel.settings import BaseLayer, Settings
from cityheart.kernel.text import Text
from cityheart.share.cleaning import quantities, steps
from cityheart.watch.tracks.models import KINDS, columns_of
from cityheart.web.app import create_app

__all__ = ["Flag", "Limit", "Operation", "event_titles", "event_types", "flags", "limits_named", "operations", "pages"]

PACKAGE = Path(__file__).parent
EVENTS = PACKAGE / "events.toml"
VARIABLES = {
    "CITYHEART_DEMO_PASSWORD": "password of the people of `cityheart demo`; without it one is made up and shown",
}
NOTE = "<!-- made from the code by `make reference`; edit the code, not this page -->\n"


@dataclass(frozen=True)
class Limit:
    """A constant of kernel/limits.py: the section it stands in, its name, its value as written, what it limits."""

    section: str
    name: str
    value: str
    meaning: str


@dataclass(frozen=True)
class Flag:
    """A parameter of a command of the command line."""

    command: str
    name: str
    meaning: str
    default: str


@dataclass(frozen=True)
class Operation:
    """A route of the API. ``meaning`` is empty when the route says nothing about itself."""

    method: str
    path: str
    tag: str
    meaning: str
    details: str
    parameters: tuple[tuple[str, str, str], ...]  # name, where, type


def pages() -> dict[str, str]:
    """Every reference page as Markdown, by file name."""
    made = {
        "settings.md": settings_page(),
        "limits.md": limits_page(),
        "contracts.md": contracts_page(),
        "tracks.md": tracks_page(),
        "hooks.md": hooks_page(),
        "access.md": access_page(),
        "events.md": events_page(),
        "cli.md": cli_page(),
        "api.md": api_page(),
    }
    contents = [
        [f"[{page.splitlines()[0].removeprefix('# ')}]({name})", page.splitlines()[2]] for name, page in made.items()
    ]
    index = "# Reference\n\nMade from the code, so it is what the code does.\n\n" + table(
        ("page", "what it lists"), contents
    )
    return {name: NOTE + page for name, page in {"README.md": index, **made}.items()}


# --- settings, limits, hooks, access --------------------------------------------------------------------------------


def settings_page() -> str:
    """The settings of a city, as its ``cityheart.toml`` and the environment know them."""
    rows = []
    for name, field in Settings.model_fields.items():
        default = "" if field.is_required() else f"`{field.default!r}`"
        variable = "" if name == "home" else f"`CITYHEART_{name.upper()}`"
        rows.append([f"`{name}`", type_name(field.annotation), default, variable, field.description or ""])
    others = [[f"`{name}`", meaning] for name, meaning in VARIABLES.items()]
    return (
        "# Settings\n\nWhat `cityheart.toml` in a city's folder may say; the environment overrides the file.\n\n"
        + table(("name", "type", "default", "environment", "meaning"), rows)
        + "\n## Channels\n\nEach `[[channels]]` is a way out of the city; see [how to](../how-to/send-orders-out.md).\n\n"
        + table(("name", "type", "default", "meaning"), [_field(*one) for one in Channel.model_fields.items()])
        + "\n## Map\n\nEach `[[map]]` is a layer of the city's own map; see [how to](../how-to/bring-your-own-map.md).\n\n"
        + table(("name", "type", "default", "meaning"), [_field(*one) for one in BaseLayer.model_fields.items()])
        + "\n## Other variables of the environment\n\n"
        + table(("name", "meaning"), others)
    )


def _field(name: str, field: FieldInfo) -> list[str]:
    default = "" if field.is_required() else f"`{field.default!r}`"
    return [f"`{name}`", type_name(field.annotation), default, field.description or ""]


def limits_named() -> list[Limit]:
    """Every limit with the comment that stands beside it."""
    found, section = [], ""
    for line in Path(limits.__file__).read_text("utf-8").splitlines():
        if line.startswith("# "):
            section = line.removeprefix("# ")
        elif match := re.match(r"([A-Z][A-Z0-9_]*)(?:: [^=]+)? = (.+?)(?:  # (.+))?$", line):
            found.append(Limit(section, match[1], match[2], match[3] or ""))
    return found


def limits_page() -> str:
    """The limits by section."""
    text, section = "# Limits\n\nWhat is at most taken, kept or tried; a limit that is hit gives a clear error.\n", ""
    rows: list[list[str]] = []
    for limit in [*limits_named(), Limit("", "", "", "")]:
        if limit.section != section:
            text += f"\n## {section}\n\n" + table(("name", "value", "meaning"), rows) if rows else ""
            section, rows = limit.section, []
        rows.append([f"`{limit.name}`", f"`{limit.value}`", limit.meaning])
    return text


def contracts_page() -> str:
    """The cleaning steps that a contract may name."""
    text = (
        "# Contracts\n\nThe cleaning steps that the contract of a dataset may name for a field (`cityheart.clean`), "
        "done in order before the check.\n\n"
        'A step is a name (`"width"`) or an object (`{"step": "quantity", "to": "t"}`). `else` says what becomes of a value that '
        "the step cannot take: `keep` leaves it to the check, `empty` drops the value, `refuse` puts the row into quarantine.\n\n"
    )
    rows = []
    for name, kind in steps.STEPS.items():
        given = [f"`{each}`" + ("" if each in kind.mandatory else " (optional)") for each in sorted(kind.parameters)]
        otherwise = f"`{kind.otherwise}`" if name not in steps.NO_ELSE else ""
        kinds = ", ".join(sorted(kind.types))
        rows.append([f"`{name}`", kind.title["en"], kinds, ", ".join(given), otherwise])
    text += table(("step", "what it does", "types of field", "parameters", "`else`, unless said"), rows)
    text += "\n## Parameters\n\n" + table(
        ("name", "what"),
        [
            ["`to`", "unit of the number: " + ", ".join(f"`{each}`" for each in quantities.UNITS)],
            ["`m3_as`", "tonnes of a cubic metre; without it a volume is no mass"],
            ["`values`", "table of what is rewritten to what; `null` for none"],
            ["`ahead`, `behind`", "how far from the arrival a clock may be, such as `PT10M`; at least one of them"],
        ],
    )
    return text


def tracks_page() -> str:
    """What an application declares to have vehicles followed, and the columns of what comes of it."""
    text = (
        "# Tracks\n\nVehicles that are followed as their positions land (`tracks` in a manifest): parameters, and the datasets "
        "that come of it.\n\n"
        "`[[tracks]]` names a `dataset` of positions, the `key` of the vehicle, perhaps `load` (0 empty, above 0 loaded) and "
        "`valid`, `sites` (places of a dataset) and `zones` (a GeoJSON file in the city's folder). Of `name` come the datasets "
        "`name_stay`, `name_trip` and `name_visit`, shared as the positions are. Every row is a version: what goes on is "
        "written again, a late position corrects what was said, and what never was is `withdrawn`.\n\n## Parameters\n\n"
    )
    text += table(
        ("name", "default", "what"),
        [[f"`{name}`", f"`{value}`", MEANINGS[name]] for name, value in Parameters().declared().items()],
    )
    for kind in KINDS:
        rows = [
            [f"`{name}`", form, title["en"] + (f" ({unit})" if unit else "")]
            for name, form, title, unit in columns_of(kind)
        ]
        text += f"\n## `_{kind}`\n\n" + table(("column", "type", "what"), rows)
    return text


def hooks_page() -> str:
    """The extension points with their signatures."""
    text = (
        "# Extension points\n\nThe functions a plug-in may offer, under the entry-point group `cityheart`, marked "
        "`cityheart.kernel.hooks.hookimpl`.\n"
    )
    for name, hook in inspect.getmembers(Hooks, inspect.isfunction):
        signature = str(inspect.signature(hook)).replace("(self)", "()").replace("(self, ", "(").replace("'", "")
        text += f"\n## {name}\n\n```python\ndef {name}{signature}\n```\n\n{inspect.getdoc(hook) or ''}\n"
    return text


def access_page() -> str:
    """Permissions, and which role holds which."""
    roles = list(access.ROLES)
    scope = {True: "city", False: "own department", None: ""}
    rows = [
        [f"`{name}`", meaning, *(scope[access.ROLES[role].get(name)] for role in roles)]
        for name, meaning in access.PERMISSIONS.items()
    ]
    return (
        "# Permissions and roles\n\nWho may do what, for the whole city or the own department; nothing else is "
        "allowed.\n\n" + table(("permission", "allows to", *(f"`{role}`" for role in roles)), rows)
    )


# --- events ---------------------------------------------------------------------------------------------------------


def event_titles() -> dict[str, Text]:
    """What each type of event says, in both languages (``events.toml``)."""
    kinds: Mapping[str, Mapping[str, Text]] = tomllib.loads(EVENTS.read_text("utf-8"))
    return {f"{kind}.{name}": title for kind, names in kinds.items() for name, title in names.items()}


FORMER = frozenset({"intake.refused", *(f"trial.{what}" for what in ("started", "finished", "stopped", "failed"))})
"""Types that only older logs hold: backtests before they were jobs, files of the hotline before their rows were kept."""


def event_types() -> set[str]:
    """Every type of event that the code writes, found in the syntax trees, and those that it wrote once.

    A type is the literal handed to ``emit`` or ``append``. Where it is handed on in a variable, it is any text of a
    type's shape in a function's modules that is no permission, no table column and no verb of a command.
    """
    shape = re.compile(rf"(?:{'|'.join(tomllib.loads(EVENTS.read_text('utf-8')))})\.[a-z_]+")
    found = set()
    for path in sorted(PACKAGE.rglob("*.py")):
        module = path.relative_to(PACKAGE)
        nodes = list(ast.walk(ast.parse(path.read_text("utf-8"))))
        found |= {handed(node, {"emit": 1, "append": 2}) for node in nodes}
        if module.name != "store.py" and module.parts[0] not in {"apps", "kernel", "simulation"}:
            texts = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
            verbs = {handed(node, {"once": 2}) for node in nodes}
            found |= {text for text in texts if shape.fullmatch(text)} - verbs - set(access.PERMISSIONS)
    return {name for name in found if name is not None} | FORMER


def handed(node: ast.AST, places: Mapping[str, int]) -> str | None:
    """The literal text at a place among the arguments of a call of one of these functions, else None."""
    if isinstance(node, ast.Call):
        place = places.get(ast.unparse(node.func).rpartition(".")[2])
        if place is not None and len(node.args) > place and isinstance(literal := node.args[place], ast.Constant):
            return literal.value if isinstance(literal.value, str) else None
    return None


def events_page() -> str:
    """The types of events and where they come from."""
    titles = event_titles()
    rows = [
        [f"`{name}`", *(titles.get(name, {}).get(language, "") for language in ("en", "zh-CN"))]
        for name in sorted(event_types())
    ]
    return (
        "# Events\n\nWhat the city's log may hold; every event has a stream, a place in it, a time, an actor and data, "
        "and is bound to the one before it by its hash.\n\n" + table(("type", "says", "中文"), rows)
    )


# --- command line and API -------------------------------------------------------------------------------------------


def flags() -> list[Flag]:
    """Every argument and option of every command."""
    return [flag for name, command in commands() for flag in parameters(name, command)]


def commands() -> Iterator[tuple[str, Any]]:
    """Every command that does something, by its full name, in the order of the help page."""

    def below(name: str, command: Any) -> Iterator[tuple[str, Any]]:
        inner = getattr(command, "commands", None)
        if inner is None:
            yield name, command
        else:
            for word, part in inner.items():
                yield from below(f"{name} {word}", part)

    yield from below("cityheart", typer.main.get_command(cli.app))


def parameters(name: str, command: Any) -> Iterator[Flag]:
    """The parameters of one command; ``--help`` goes without saying."""
    for parameter in command.params:
        option = parameter.param_type_name == "option"
        names = ", ".join([*parameter.opts, *parameter.secondary_opts]) if option else parameter.name.upper()
        default = "" if parameter.default is None or callable(parameter.default) else f"`{parameter.default!r}`"
        default = "required" if parameter.required else default
        yield Flag(name, names, getattr(parameter, "help", None) or "", default)


def cli_page() -> str:
    """The command line."""
    text = "# Command line\n\nEvery command, argument and option of `cityheart`.\n"
    for name, command in commands():
        rows = [[f"`{flag.name}`", flag.meaning, flag.default] for flag in parameters(name, command)]
        text += f"\n## {name}\n\n{inspect.cleandoc(command.help or '')}\n"
        text += "\n" + table(("parameter", "meaning", "default"), rows) if rows else ""
    return text


@cache
def operations() -> tuple[Operation, ...]:
    """Every route of the API of an empty city, by tag and path."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "city"
        city = City.create(Settings(home=home), VirtualClock(datetime(2016, 1, 1, tzinfo=UTC)))
        try:
            return tuple(sorted(described(create_app(city)), key=lambda one: (one.tag, one.path, one.method)))
        finally:
            city.close()


def described(app: FastAPI) -> Iterator[Operation]:
    """The routes as the application describes them."""
    schema = app.openapi()
    kinds = schema.get("components", {}).get("schemas", {})
    for path, methods in schema["paths"].items():
        for method, route in methods.items():
            invented = (
                route["operationId"].removesuffix(re.sub(r"\W", "_", path) + f"_{method}").replace("_", " ").title()
            )
            summary, details = route.get("summary", ""), route.get("description", "")
            summary, _, details = details.partition("\n") if summary == invented else (summary, "", details)
            yield Operation(
                method.upper(),
                path,
                (route.get("tags") or ["other"])[0],
                summary,
                details.strip(),
                tuple(inputs(route, kinds)),
            )
    for socket in (one for one in app.routes if type(one).__name__.endswith("WebSocketRoute")):
        meaning = inspect.getdoc(getattr(socket, "endpoint", None)) or ""
        yield Operation("WebSocket", getattr(socket, "path", ""), "live", meaning, "", ())


def inputs(route: Mapping[str, Any], kinds: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """What a route takes: parameters of path and query, then the fields of its body."""
    for one in route.get("parameters", ()):
        yield one["name"] + ("" if one.get("required") else "?"), one["in"], schema_name(one["schema"])
    for body in route.get("requestBody", {}).get("content", {}).values():
        kind = kinds.get(body["schema"].get("$ref", "").rpartition("/")[2], body["schema"])
        for name, field in kind.get("properties", {}).items():
            yield name + ("" if name in kind.get("required", ()) else "?"), "body", schema_name(field)


def api_page() -> str:
    """The HTTP API."""
    text = (
        "# HTTP API\n\nEvery route; the machine-readable form is `/api/openapi.json`. Errors are RFC 9457 problem JSON "
        "with `code` and `remedy`.\n"
    )
    tag = ""
    for one in operations():
        if one.tag != tag:
            tag = one.tag
            text += f"\n## {tag}\n"
        text += f"\n### `{one.method} {one.path}`\n\n{one.meaning}\n"
        text += f"\n{one.details}\n" if one.details else ""
        rows = [[f"`{name}`", where, kind] for name, where, kind in one.parameters]
        text += "\n" + table(("takes", "in", "type"), rows) if rows else ""
    return text


# --- Markdown -------------------------------------------------------------------------------------------------------


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["-"] * len(head), *rows]
    return "".join(
        "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in line) + " |\n" for line in lines
    )


def type_name(annotation: object) -> str:
    """A type as it is written."""
    written = (
        annotation.__name__ if isinstance(annotation, type) and not hasattr(annotation, "__args__") else str(annotation)
    )
    return f"`{written}`"


def schema_name(schema: Mapping[str, Any]) -> str:
    """A JSON schema's type in a few words."""
    if "anyOf" in schema:
        return " or ".join(schema_name(part) for part in schema["anyOf"])
    return str(schema.get("$ref", "").rpartition("/")[2] or schema.get("format") or schema.get("type", "any"))


def main(folder: Path) -> None:
    """Write the pages into ``folder`` and remove those that are no more."""
    folder.mkdir(parents=True, exist_ok=True)
    made = pages()
    for old in set(folder.glob("*.md")) - {folder / name for name in made}:
        old.unlink()
    for name, page in made.items():
        (folder / name).write_text(page, "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

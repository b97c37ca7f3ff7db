"""What the city can do has a page: every route of the API is asked by the console, or is said to be for programs only."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ANY = "*"  # a part of a path that is filled in when it is asked for, or a method that the source does not tell

# Routes that no page asks, and who asks them.
FOR_PROGRAMS = {
    ("GET", "/api/areas"): "programs that place something as of a day; the map asks for the ground",
    (
        "GET",
        "/api/decisions/{digest}",
    ): "programs that decide by a table; the library's pages ask for it with its versions",
    ("GET", "/api/events"): "programs that follow the log; people read it in words as the audit log",
    ("GET", "/api/grants/{grant_id}"): "programs that heard of one by its id; a page has it in its list",
    ("GET", "/api/ground/layers/{number}/{name}"): "the map, by the address that the ground gives for a layer",
    ("GET", "/api/links/reviews/{review_id}"): "programs that heard of one by its id; a page has it in its list",
    ("GET", "/api/requests/{request_id}"): "programs that heard of one by its id; a page has it in its list",
    ("GET", "/api/runs/{run_id}/patches"): "programs; a page has the changes with their run",
    ("GET", "/api/scores/flags"): "programs; a page has them in the report",
    ("GET", "/api/scores/supply"): "programs; a page has it in the report",
    ("GET", "/api/suppressions/{suppression_id}"): "programs that heard of one by its id; a page has it in its list",
}

_BEGINS = re.compile(
    r"""(?:const (?P<name>\w+) =[^;`"]*)?(?P<quote>["`])(?:(?:\$\{[^`}]*\})?(?=/api/)|\$\{(?P<of>\w+)\}(?=/))"""
)
_METHODS = {
    "get<": "GET", "get(": "GET", "list<": "GET", "list(": "GET", "words(": "GET", "href": "GET", "src": "GET",
    "post<": "POST", "post(": "POST", "mutate(": "POST", "mutateAsync(": "POST", "path:": "POST",
    '"GET"': "GET", '"POST"': "POST", '"PUT"': "PUT", '"DELETE"': "DELETE",
}  # fmt: skip
_METHOD = re.compile("|".join(re.escape(one) for one in _METHODS))
_NEAR = 100  # characters before a path within which its method stands

Asked = tuple[str, str]  # method, path


def asked(source: str) -> Iterator[Asked]:
    """What a source of the console asks of the API: method and path, without the query, ``*`` for what is filled in.

    A path is written as a literal, or goes on from one that has a name: ``${path}/rows``.
    """
    named: dict[str, str] = {}
    for begins in _BEGINS.finditer(source):
        if begins["of"] is not None and begins["of"] not in named:
            continue
        path, at = named.get(begins["of"] or "", ""), begins.end()
        while source[at] != begins["quote"]:
            if source.startswith("${", at):
                at = _closing(source, at + 1)
                path += ANY
            else:
                path += source[at]
            at += 1
        if begins["name"]:
            named[begins["name"]] = path
        said = source[max(0, begins.start() - _NEAR) : begins.start("quote")].rpartition(";")[2]
        before = _METHOD.findall(said)
        yield _METHODS[before[-1]] if before else ANY, path.partition("?")[0]


def _closing(source: str, at: int) -> int:
    depth = 0
    while True:
        depth += {"{": 1, "}": -1}.get(source[at], 0)
        if depth == 0:
            return at
        at += 1


def answers(operation: Asked, one: Asked, source: str) -> bool:
    """Whether what a source asks is this route. What is filled in for a word of the route is a word of the source."""
    method, route = operation
    if one[0] not in (ANY, method) or route.count("/") != one[1].count("/"):
        return False
    return all(
        given in (part, part + ANY) or (given.startswith(ANY) and (part.startswith("{") or f'"{part}"' in source))
        for given, part in zip(one[1].split("/"), route.split("/"), strict=True)
    )


def unasked(operations: Iterable[Asked], sources: Iterable[str]) -> set[Asked]:
    """The routes that none of the sources asks."""
    read = [(source, list(asked(source))) for source in sources]
    return {
        operation
        for operation in operations
        if not any(answers(operation, one, source) for source, found in read for one in found)
    }


def operations() -> list[Asked]:
    """Every route, as the reference has it: that it is complete is tested beside this."""
    page = (ROOT / "docs" / "reference" / "api.md").read_text("utf-8")
    return re.findall(r"^### `(\w+) (/api/[^` ]*)`$", page, re.MULTILINE)


def test_every_route_has_a_page_or_is_for_programs() -> None:
    routes = operations()
    sources = [path.read_text("utf-8") for path in (ROOT / "console" / "src").rglob("*.ts*")]
    assert len(routes) > 150 and len(sources) > 100
    lacking = unasked(routes, sources)
    assert lacking - FOR_PROGRAMS.keys() == set(), "give them a page, or say in FOR_PROGRAMS who asks them"
    assert FOR_PROGRAMS.keys() - lacking == set(), "these have a page, or are gone"


SAMPLE = """
const one = useQuery({ queryFn: () => get<Thing>(`/api/things/${encodeURIComponent(`${id}}`)}`) });
const path = `/api/things/${id}/files${query({ name })}`;
remove.mutate({ path: `${path}/${verb}`, body: {} });
const made = request<Thing>("PUT", "/api/things");
const link = new WebSocket(`${origin.replace(/^http/, "ws")}/api/live`);
link(verb === "close" ? "open" : "close");
"""


def test_what_a_source_asks_is_read_from_it() -> None:
    assert list(asked(SAMPLE)) == [
        ("GET", "/api/things/*"),
        ("*", "/api/things/*/files*"),
        ("POST", "/api/things/*/files*/*"),
        ("PUT", "/api/things"),
        ("*", "/api/live"),
    ]
    routes = {("GET", "/api/things/{id}"), ("POST", "/api/things"), ("PUT", "/api/things"), ("DELETE", "/api/things/{id}"),
              ("POST", "/api/things/{id}/files"), ("POST", "/api/things/{id}/files/close"),
              ("POST", "/api/things/{id}/files/burn"), ("POST", "/api/things/{id}/other")}  # fmt: skip
    assert unasked(routes, [SAMPLE]) == {
        ("POST", "/api/things"),
        ("DELETE", "/api/things/{id}"),
        ("POST", "/api/things/{id}/files/burn"),
        ("POST", "/api/things/{id}/other"),
    }

"""Every text that a refusal is raised with, read from the syntax trees.

Of ``raise Invalid(f"there is no step {id}", remedy=_REMEDY if known else "mend it")`` these are the template
``there is no step {}`` and both remedies. Names are followed to what they are set to in the function or module, calls to
what a function of the module returns, parameters to what callers in the module give. What cannot be followed is
listed as opaque, with its place.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from itertools import product

from pydantic_core._pydantic_core import list_all_errors

from cityheart.kernel.refusals import FILE, read
from cityheart.kernel.refusals import Template as Written
from tests.tidy.rules import CHINESE, ROOT, Module, modules

Template = tuple[str, ...]
"""The words between the fields: n fields have n + 1."""

_WORD = re.compile(r"[A-Za-z]{2}|e\.g\.")
_MENTIONED = re.compile(r"class Problem|cityheart\.sdk import|kernel\.errors|Error\(|import .*(Refused|ContractError)")
_LEAST = 5  # characters that an entry has besides its fields
_DEEPEST = 4
_LOOSE = 8  # an entry with fewer words of its own fits too much
_ALTERNATIVES = 24
MADE_OF_PROBLEMS = {"Refused"}  # these carry both languages
PASSED_ON = {
    "apps/accidents/records.py: ' '.join(str(value).split())": "a value of a file",
    "command/decisions/values.py: found[10]": "the name of a zone",
    "command/handover/service.py: ', '.join(PINNED)": "names of kinds",
    "kernel/database.py: self.closed_to_writing": "the detail of a refusal at the start",
    "sdk/pages.py: layer.dataset": "what Closed makes its words of",
    "web/app.py: detail": "what Starlette says",
}
NO_WORDS = ("SELECT ", "_day=", '"')  # SQL and paths that are filled in
ELSEWHERE = {
    "{where}: {what}": "what stands before a colon and after it",
    "There was an error parsing the body": "FastAPI",
    "JSON decode error": "FastAPI",
}
ALSO_SHOWN = {"ValueError", "StepError", "MeaningError"}  # what these say becomes the detail of a refusal


@dataclass
class Said:
    """A template with its first place and the names of what is filled in, for whoever writes the catalogue."""

    template: Template
    names: tuple[str, ...]
    place: str

    @property
    def words(self) -> str:
        """As an entry of a catalogue begins."""
        filled = zip(self.template, [*self.names, ""], strict=True)
        return "".join(f"{literal}{{{name}}}" for literal, name in filled).removesuffix("{}")

    @property
    def written(self) -> Template:
        """The template as a catalogue reads it: words in braces of its own count as a field there."""
        return Written(self.words).literals

    def __str__(self) -> str:
        return f"{self.place}: {self.words}"


@dataclass
class Collected:
    """What was found in the whole package."""

    said: dict[Template, Said] = field(default_factory=dict)
    opaque: list[str] = field(default_factory=list)


_Part = str | None
_Parts = tuple[tuple[_Part, str], ...]  # a literal with an empty name, or None with the name of the field


def collected(*some: Module) -> Collected:
    """Of every refusal in the package, or in some modules, the templates of its detail and its remedy."""
    found = Collected()
    errors = [module for module in modules("src/cityheart/kernel") if module.inside.name == "errors.py"] if some else []
    among = [*errors, *some] or modules("src/cityheart")
    trees = [_Tree(module) for module in among if _MENTIONED.search(module.text)]
    classes = _refusals(trees)
    for tree in trees:
        names = tree.names(classes) | ALSO_SHOWN
        if names & tree.calls.keys() or any(each.name in names for each in tree.classes.values()):
            _Reading(tree, names, found).read()
    return found


class _Tree:
    """What is asked of one module's tree, from one walk over it."""

    def __init__(self, module: Module) -> None:
        self.path = module.path
        self.tree = module.tree
        self.dotted = ".".join(("cityheart", *module.inside.with_suffix("").parts)).removesuffix(".__init__")
        self.imports: list[ast.ImportFrom] = []
        self.bases: dict[str, list[ast.expr]] = {}
        self.functions: dict[str, ast.FunctionDef] = {}
        self.calls: dict[str, list[ast.Call]] = {}
        self.inside: dict[ast.AST, ast.FunctionDef] = {}
        self.classes: dict[ast.AST, ast.ClassDef] = {}
        self.assigned: dict[tuple[ast.FunctionDef | None, str], list[ast.expr]] = {}
        self._walk(self.tree, None, None)

    def _walk(self, node: ast.AST, function: ast.FunctionDef | None, around: ast.ClassDef | None) -> None:
        if isinstance(node, ast.ImportFrom):
            self.imports.append(node)
        elif isinstance(node, ast.Call):
            self.calls.setdefault(_called(node.func), []).append(node)
        elif isinstance(node, ast.FunctionDef):
            self.functions.setdefault(node.name, node)
        elif isinstance(node, ast.ClassDef):
            self.bases[node.name] = node.bases
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            for name, value in _assigned(node):
                self.assigned.setdefault((function, name), []).append(value)
        if function is not None and isinstance(node, ast.Name):
            self.inside[node] = function
        if around is not None and isinstance(node, ast.Call | ast.FunctionDef):
            self.classes[node] = around
        function = node if isinstance(node, ast.FunctionDef) else function
        around = node if isinstance(node, ast.ClassDef) else around
        for child in ast.iter_child_nodes(node):
            self._walk(child, function, around)

    def names(self, known: set[tuple[str, str]]) -> set[str]:
        """What these classes are called in the module."""
        names = {name for where, name in known if where == self.dotted}
        for node in self.imports:
            names |= {each.asname or each.name for each in node.names if (node.module, each.name) in known}
        return names


def _refusals(trees: list[_Tree]) -> set[tuple[str, str]]:
    """Problem and everything below it, as (dotted module, name)."""
    known = {("cityheart.kernel.errors", "Problem")}
    before = 0
    while len(known) > before:
        before = len(known)
        for tree in trees:
            names = tree.names(known)
            known |= {(tree.dotted, name) for name in names}  # one may import them from here
            if tree.bases:
                known |= {
                    (tree.dotted, name)
                    for name, bases in tree.bases.items()
                    if any(_called(base) in names for base in bases)
                }
    return known


def _called(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


class _Reading:
    """The refusals of one module."""

    def __init__(self, tree: _Tree, names: set[str], found: Collected) -> None:
        self._tree = tree
        self._names = names
        self._found = found
        self._asked: set[tuple[str, str]] = set()

    def read(self) -> None:
        """Take what every refusal of the module says."""
        for name in sorted(self._names):
            for call in self._tree.calls.get(name, []):
                self._refusal(call)
        for call in self._tree.calls.get("__init__", []):
            around = self._tree.classes.get(call)
            if around is not None and around.name in self._names:
                self._refusal(call)

    def _refusal(self, call: ast.Call) -> None:
        given = [] if _called(call.func) in MADE_OF_PROBLEMS else call.args[:1]
        given = [*given, *(each.value for each in call.keywords if each.arg == "remedy")]
        for expression in given:
            self._take(expression)

    def _take(self, expression: ast.expr, *, given: bool = False) -> None:
        place = f"{self._tree.path}:{expression.lineno}"
        try:
            found = list(self._read(expression, 0, whole=True))
        except _OpaqueError as opaque:
            if given:  # for a parameter: a value, not words
                return
            self._found.opaque.append(f"{self._tree.path.removeprefix('src/cityheart/')}: {opaque}")
            return
        for parts in found:
            template, names = _joined(parts)
            if any(_WORD.search(literal) for literal in template) and not template[0].startswith(NO_WORDS):
                self._found.said.setdefault(template, Said(template, names, place))

    def _read(self, node: ast.expr, depth: int, *, whole: bool) -> Iterator[_Parts]:
        """What an expression may say. ``whole``: it is all that is said, so it must be known; else it may be a field."""
        match node:
            case ast.Constant(value=str(words)):
                yield ((words, ""),)
            case ast.Constant(value=None):
                return
            case ast.JoinedStr(values=values):
                pieces = [list(self._read(value, depth, whole=False)) for value in values]
                for chosen in product(*pieces):
                    yield tuple(part for piece in chosen for part in piece)
            case ast.FormattedValue(value=value, conversion=conversion, format_spec=spec):
                if conversion == -1 and spec is None:
                    yield from self._field(value, depth)
                else:
                    yield ((None, _name(value)),)
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                ways = [list(self._read(side, depth, whole=False)) for side in (left, right)]
                yield from (one + two for one, two in product(*ways))
            case ast.IfExp(body=body, orelse=orelse):
                yield from self._read(body, depth, whole=whole)
                yield from self._read(orelse, depth, whole=whole)
            case ast.BoolOp(values=values):
                for value in values:
                    yield from self._read(value, depth, whole=whole)
            case ast.Subscript(value=ast.Dict(values=values)):
                for value in values:
                    yield from self._read(value, depth, whole=whole)
            case _:
                yield from self._followed(node, depth, whole=whole)

    def _field(self, value: ast.expr, depth: int) -> Iterator[_Parts]:
        """What stands in braces: the words it may be, or a field; words that callers give are said as well."""
        if isinstance(value, ast.Name) and self._parameter(value):
            self._given(value)
            yield ((None, _name(value)),)
            return
        found = [] if depth > _DEEPEST else list(self._read(value, depth + 1, whole=False))
        yield from found if 0 < len(found) <= _ALTERNATIVES else [((None, _name(value)),)]

    def _followed(self, node: ast.expr, depth: int, *, whole: bool) -> Iterator[_Parts]:
        if isinstance(node, ast.Name) and depth <= _DEEPEST:
            if self._parameter(node):
                if whole:
                    self._given(node)
                    return
            else:
                values = [value for value in self._set_to(node) if not _both(value)]
                if not values and self._set_to(node):
                    return
                if values and all(isinstance(value, _WORDY) for value in values):
                    for value in values:
                        yield from self._read(value, depth + 1, whole=whole)
                    return
        if isinstance(node, ast.Call) and depth <= _DEEPEST:
            function = self._tree.functions.get(_called(node.func))
            if function is not None and "str" in ast.unparse(function.returns or ast.Constant("")):
                for inner in ast.walk(function):
                    if isinstance(inner, ast.Return) and inner.value is not None:
                        yield from self._read(inner.value, depth + 1, whole=whole)
                return
        if _both(node):
            return
        if not whole:
            yield ((None, _name(node)),)
        elif not _passes_on(node):
            raise _OpaqueError(ast.unparse(node))

    def _set_to(self, name: ast.Name) -> list[ast.expr]:
        """What a name is set to in its function, or else in the module."""
        assigned, function = self._tree.assigned, self._tree.inside.get(name)
        return assigned.get((function, name.id)) or assigned.get((None, name.id), [])

    def _parameter(self, name: ast.Name) -> ast.FunctionDef | None:
        function = self._tree.inside.get(name)
        if function is None or name.id not in _parameters(function):
            return None
        return None if (function, name.id) in self._tree.assigned else function

    def _given(self, name: ast.Name) -> None:
        """Words that callers in this module give for a parameter are said too."""
        function = self._parameter(name)
        if function is None or (function.name, name.id) in self._asked:
            return
        self._asked.add((function.name, name.id))
        names = _parameters(function)
        position = names.index(name.id) - (names[0] in ("self", "cls"))
        called = self._tree.classes[function].name if function.name == "__init__" else function.name
        for call in self._tree.calls.get(called, []):
            values = [each.value for each in call.keywords if each.arg == name.id]
            for value in values or call.args[position : position + 1]:
                if isinstance(value, _WORDY) and not _key(value):
                    self._take(value, given=True)


class _OpaqueError(Exception):
    """An expression that cannot be followed."""


_WORDY = (ast.Constant, ast.JoinedStr, ast.IfExp, ast.BinOp, ast.Subscript)


def _key(node: ast.expr) -> bool:
    """A word of the code's own language, such as the name of a field: one word, which is a name in any language."""
    return isinstance(node, ast.Constant) and not (isinstance(node.value, str) and " " in node.value)


def _assigned(node: ast.Assign | ast.AnnAssign) -> Iterator[tuple[str, ast.expr]]:
    """Names and what a statement sets them to, as far as it can be told apart."""
    match node:
        case ast.Assign(targets=[ast.Tuple(elts=targets)], value=ast.Tuple(elts=values)):
            yield from ((_called(target), value) for target, value in zip(targets, values, strict=True))
        case ast.Assign(targets=[ast.Name(id=id)], value=value):
            yield id, value
        case ast.AnnAssign(target=ast.Name(id=id), value=ast.expr() as value):
            yield id, value


def _parameters(function: ast.FunctionDef) -> list[str]:
    return [each.arg for each in (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)]


def _passes_on(node: ast.expr) -> bool:
    """Whether it says what was said elsewhere: another refusal's words, or texts in both languages."""
    if isinstance(node, ast.Attribute) and node.attr in ("detail", "remedy", "message"):
        return True
    return isinstance(node, ast.Call) and _called(node.func) == "str" and _called(node.args[0]) in ("detail", "error")


def _both(node: ast.expr) -> bool:
    """Words in both languages, which need no catalogue."""
    return isinstance(node, ast.DictComp) or (isinstance(node, ast.Call) and _called(node.func) == "text")


def _name(node: ast.expr) -> str:
    """A name for a field: the last one in its expression."""
    texts = {inner.value for inner in ast.walk(node) if isinstance(inner, ast.Constant)}
    names = [inner for inner in ast.walk(node) if isinstance(inner, ast.Name | ast.Attribute)]
    spelled = [_called(inner) for inner in names if _called(inner) not in ("str", "len", "sorted", "join", "limits")]
    keys = [str(each) for each in texts if isinstance(each, str) and each.isidentifier()]
    return re.sub(r"[^a-z0-9_]", "", (spelled or keys or ["value"])[0].lower().strip("_")) or "value"


def _joined(parts: _Parts) -> tuple[Template, tuple[str, ...]]:
    literals: list[str] = [""]
    names: list[str] = []
    for words, name in parts:
        if words is not None:
            literals[-1] += words
        elif names and literals[-1] == "":
            continue  # two fields side by side are one
        else:
            taken = sum(each.rstrip("0123456789") == name for each in names)
            names.append(f"{name}{taken + 1}" if taken else name)
            literals.append("")
    return tuple(literals), tuple(names)


# --- the catalogues ---------------------------------------------------------------------------------------------------


@dataclass
class Catalogues:
    """What the catalogues say, by the folder they lie in: ``kernel``, ``apps/air``; and what is wrong with them."""

    entries: dict[str, dict[Template, str]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def covers(self, said: Said) -> bool:
        """Whether a refusal is in a catalogue; an application is installed alone, so its own or CityHeart's must have it."""
        app = re.match(r"src/cityheart/(apps/\w+)/", said.place)
        allowed = (folder for folder in self.entries if not folder.startswith("apps/") or (app and folder == app[1]))
        return any(said.written in self.entries[folder] for folder in allowed)


def catalogued() -> Catalogues:
    """Every catalogue of the package."""
    found = Catalogues()
    tables: set[str] = {"zh"}
    marks: dict[str, str] = {}
    package = ROOT / "src/cityheart"
    for file in sorted(package.rglob(FILE)):
        folder = file.parent.relative_to(package).as_posix()
        entries, words = read(file)
        tables |= words.keys()
        there = found.entries.setdefault(folder, {})
        for english, chinese in [*entries.items(), *words.get("zh", {}).items()]:
            found.wrong += (f"{folder}: {english!r} {what}" for what in _wrong(english, chinese))
            marks |= {mark: f"{folder}: {english!r}" for mark in Written(chinese).marks if mark}
        for english in entries:
            template = Written(english).literals
            twice = [other for other, shown in found.entries.items() if template in shown]
            found.wrong += (f"{folder}: {english!r} is in {other} too" for other in twice)
            there[template] = english
    found.wrong += (f"{place}: there is no table {mark}" for mark, place in marks.items() if mark not in tables)
    return found


def _wrong(english: str, chinese: str) -> Iterator[str]:
    one, other = Written(english), Written(chinese)
    left = {name for name in one.names if not name.startswith("_")} ^ set(other.names)
    if left:
        yield f"has not the same fields in both languages: {', '.join(sorted(left))}"
    if len(set(one.names)) < len(one.names):
        yield "has a field twice"
    if one.weight < _LEAST and english not in ELSEWHERE:
        yield "has too few words of its own: it would fit whatever has no entry"
    if "" in one.literals[1:-1]:
        yield "has two fields side by side"
    if any(one.marks):
        yield "is marked in the English"
    if chinese != english and not CHINESE.search(chinese) and chinese.isascii() and other.literals != ("", ""):
        yield "is not in Chinese"


def of_the_framework(entry: str) -> bool:
    """Whether HTTP or pydantic says it: the phrase of a status, or the message of an error."""
    if entry in {status.phrase for status in HTTPStatus} | ELSEWHERE.keys():
        return True
    template = Written(entry)
    return any(
        template.match(error["message_template_python"]) is not None and template.weight > _LOOSE
        for error in list_all_errors()
    )

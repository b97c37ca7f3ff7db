"""What listeners for devices over TCP have in common: their options and how these are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cityheart.kernel import limits
from cityheart.kernel.text import Text, text

__all__ = ["OPTIONS", "Address", "address", "problems"]

OPTIONS: Mapping[str, Text] = {
    "host": text("监听地址，默认 127.0.0.1", "address to listen on; 127.0.0.1 when absent"),
    "port": text("监听端口；没有它就不监听", "port to listen on; without one nothing listens"),
    "idle_seconds": text(
        "多久没有数据就断开，默认 900 秒", "a connection silent for so long is closed; 900 when absent"
    ),
    "batch_seconds": text(
        "一批最多等多久，默认 0.5 秒，最长 1 秒", "longest wait of a batch; 0.5 when absent, 1 at most"
    ),
    "batch_frames": text("一批最多多少帧，默认 50000", "most frames of a batch; 50,000 when absent"),
    "connections": text("最多多少个连接，默认 12000", "most connections at once; 12,000 when absent"),
}

_BOUNDS: Mapping[str, tuple[float, float, float]] = {  # default, least, most
    "port": (0, 0, 65_535),
    "idle_seconds": (900, 0.05, 86_400),
    "batch_seconds": (0.5, 0, 1),
    "batch_frames": (50_000, 1, limits.WIRE_BATCH_FRAMES),
    "connections": (12_000, 1, limits.WIRE_CONNECTIONS),
}


@dataclass(frozen=True)
class Address:
    """Where and how a server listens; `port` 0 takes a free one."""

    host: str = "127.0.0.1"
    port: int = 0
    idle_seconds: float = 900
    batch_seconds: float = 0.5
    batch_frames: int = 50_000
    connections: int = 12_000


def address(options: Mapping[str, object]) -> Address:
    """The address that options without problems name."""
    values = {name: _BOUNDS[name][0] if name not in options else options[name] for name in _BOUNDS}
    whole = {name: int(str(values[name])) for name in ("port", "batch_frames", "connections")}
    seconds = {name: float(str(values[name])) for name in ("idle_seconds", "batch_seconds")}
    return Address(
        host=str(options.get("host", "127.0.0.1")),
        port=whole["port"],
        idle_seconds=seconds["idle_seconds"],
        batch_seconds=seconds["batch_seconds"],
        batch_frames=whole["batch_frames"],
        connections=whole["connections"],
    )


def problems(options: Mapping[str, object], known: Mapping[str, Text]) -> list[str]:
    """What is wrong with options; empty when nothing is."""
    found = [f"nobody knows the option {name!r}" for name in sorted(set(options) - set(known))]
    for name, (_, least, most) in _BOUNDS.items():
        value = options.get(name, least)
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
            found.append(f"the option {name!r} must be a number from {least:g} to {most:g}")
        elif name in ("port", "batch_frames", "connections") and value != int(value):
            found.append(f"the option {name!r} must be a whole number")
    host = options.get("host", "127.0.0.1")
    if not isinstance(host, str) or not host:
        found.append("the option 'host' must be an address")
    return found

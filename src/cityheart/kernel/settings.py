"""A city's settings: ``cityheart.toml`` in its folder, overridden by ``CITYHEART_*`` in the environment."""

from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from cityheart.kernel import limits
from cityheart.kernel.deliveries.channel import Channel
from cityheart.kernel.errors import Invalid, NotFound
from cityheart.kernel.text import Text

__all__ = ["BaseLayer", "Settings"]

FILE = "cityheart.toml"
_AS_JSON = {
    "map": '[{"file": …, "title": …}]',
    "channels": '[{"name": …}]',
    "sources": '{"SYSTEM.RESOURCE": {"port": 7808}}',
}


class BaseLayer(BaseModel):
    """A layer of a city's own map, drawn beneath everything else in the order given."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str = Field(
        pattern=r"^[^/\\].*\.(pmtiles|geojson|json)$", description="PMTiles or GeoJSON (WGS84) in the city's folder"
    )
    title: Text = Field(description="what it shows, in both languages")
    draw: Literal["fill", "line", "label", "raster"] = Field(default="line", description="how its shapes are drawn")
    part: str = Field(default="", max_length=100, description="PMTiles with vectors: the layer inside the file")
    colour: str = Field(default="", pattern=r"^(#[0-9a-fA-F]{6})?$", description="#rrggbb; empty: the map's own")
    name: str = Field(default="name", max_length=100, description="label: the property that holds the words")
    attribution: str = Field(
        default="", max_length=300, description="whose map it is, its number of approval; always shown"
    )


class Settings(BaseModel):
    """What a city is configured with. Relative paths are taken from the city's folder."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    home: Path = Field(description="the city's folder; everything it stores is below it")
    name: str = Field(default="city", pattern=r"^[a-z][a-z0-9-]{0,40}$", description="short name, used in ids and logs")
    title: Text = Field(default={"zh-CN": "城市", "en": "City"}, description="the name shown, in both languages")
    zone: str = Field(default="Asia/Shanghai", description="the city's time zone (IANA name)")
    bounds: tuple[float, float, float, float] = Field(
        default=(115.9, 39.5, 117.0, 40.5), description="west, south, east, north of the map, degrees WGS84"
    )
    map: tuple[BaseLayer, ...] = Field(
        default=(),
        max_length=limits.GROUND_LAYERS,
        description="the city's own map: `[[map]]`, see how-to/bring-your-own-map.md; in the environment as JSON",
    )
    database_url: str = Field(
        default="", description="SQLAlchemy URL of the operational store; empty: SQLite in the city's folder"
    )
    apps: tuple[str, ...] = Field(default=(), description="applications installed in this city, by id")
    clock: Literal["system", "virtual"] = Field(
        default="system", description="virtual: history is played, the clock moves with it"
    )
    seed: int | None = Field(
        default=None, description="makes ids and jitter repeatable; for demonstrations and tests only"
    )
    host: str = Field(default="127.0.0.1", description="address the console listens on")
    port: int = Field(default=8460, ge=0, le=65535, description="port the console listens on; 0 picks a free one")
    secure_cookies: bool = Field(
        default=False, description="set when served over HTTPS: cookies then refuse plain HTTP"
    )

    url: str = Field(
        default="",
        pattern=r"^(https?://[^\s]+)?$",
        description="the address under which people reach the console; links in letters begin with it",
    )
    channels: tuple[Channel, ...] = Field(
        default=(),
        max_length=limits.CHANNELS,
        description="ways out of the city besides the drop folder and the inbox: `[[channels]]`, see how-to/send-orders-out.md; "
        "in the environment as JSON",
    )
    sources: dict[str, dict[str, object]] = Field(
        default={},
        description='what is different in this city about a source of an application: `[sources."SYSTEM.RESOURCE"]` with options '
        "of its connector and, if it differs, `schedule`; in the environment as JSON",
    )

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError(f"{value!r} is not a time zone such as Asia/Shanghai") from None
        return value

    @property
    def store_url(self) -> str:
        """The operational store's URL, never empty."""
        file = "city.sqlite"
        if self.database_url:
            scheme, found, file = self.database_url.partition("sqlite:///")
            if scheme or not found or file.startswith((":", "file:")):
                return self.database_url
        return f"sqlite:///{self.home / file}"

    @classmethod
    def load(cls, home: Path) -> Settings:
        """Read the settings of the city in ``home``.

        Raises :class:`NotFound` when there is no city, :class:`Invalid` naming the setting that is wrong.
        """
        file = home / FILE
        if not file.is_file():
            raise NotFound(f"no city in {home}: {FILE} is missing", remedy=f"make one with: cityheart init {home}")
        try:
            values = tomllib.loads(file.read_text("utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise Invalid(f"{file} is not valid TOML: {error}", remedy="mend the line it names") from None
        for name in cls.model_fields:
            variable = os.environ.get(f"CITYHEART_{name.upper()}")
            if variable is not None and name != "home":
                values[name] = _from_environment(name, variable)
        try:
            return cls(home=home, **values)
        except ValidationError as error:
            raise Invalid(f"{file}: {_first(error)}", remedy="see docs/reference/settings.md") from None

    @classmethod
    def checked(cls, **values: object) -> Settings:
        """Settings from ``values``; raises :class:`Invalid` naming the one that is wrong."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise Invalid(_first(error), remedy="see docs/reference/settings.md") from None

    def save(self) -> None:
        """Write the settings that differ from their defaults to the city's folder."""
        lines = ["# settings of this city; every name is described in docs/reference/settings.md\n"]
        for name, field in type(self).model_fields.items():
            value = getattr(self, name)
            if name != "home" and value != field.default:
                lines.append(f"{name} = {_toml(value)}\n")
        (self.home / FILE).write_text("".join(lines), "utf-8")


def _from_environment(name: str, value: str) -> object:
    if name in _AS_JSON:
        try:
            return json.loads(value)
        except ValueError:
            raise Invalid(f"CITYHEART_{name.upper()} is not JSON", remedy=f"write it as {_AS_JSON[name]}") from None
    return tuple(value.split(",")) if name in ("apps", "bounds") else value


def _first(error: ValidationError) -> str:
    """The first of the mistakes as one line."""
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"])
    unknown = first["type"] == "extra_forbidden"
    return f"{name}: {'there is no such setting' if unknown else first['msg'].removeprefix('Value error, ')}"


def _toml(value: object) -> str:
    if isinstance(value, BaseModel):
        return _toml(value.model_dump(exclude_defaults=True))
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, (tuple, list)):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_toml(str(key))} = {_toml(item)}" for key, item in value.items()) + "}"
    escaped = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'

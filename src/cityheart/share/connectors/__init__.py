"""Kinds of connector that come with CityHeart, registered through the same hook as any plug-in's."""

from __future__ import annotations

from collections.abc import Iterable

from cityheart.kernel.hooks import hookimpl
from cityheart.share.connectors.base import ConnectorKind
from cityheart.share.connectors.folder import Folder
from cityheart.share.connectors.hj212 import Hj212
from cityheart.share.connectors.http import Http
from cityheart.share.connectors.jt808 import Jt808
from cityheart.share.connectors.mqtt import Mqtt
from cityheart.share.connectors.push import Push
from cityheart.share.connectors.sql import Sql

__all__ = ["connectors"]


@hookimpl
def connectors() -> Iterable[ConnectorKind]:
    """File folders, SQL databases, paged HTTP APIs, devices over TCP, MQTT brokers, and sources that deliver by themselves."""
    return [Folder(), Sql(), Http(), Jt808(), Hj212(), Mqtt(), Push()]

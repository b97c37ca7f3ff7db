"""Messages of an MQTT broker, 3.1.1 or 5, each acknowledged when it is durable.

The broker keeps a session for the city: what is published while the city or the broker is away comes afterwards. The
session belongs to the ``client_id``, so two cities never share one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from cityheart.kernel import limits
from cityheart.kernel.text import Text, text
from cityheart.share.connectors.base import Listener, Listening, Pull, Pulled, secret
from cityheart.share.formats.mqtt_json import Meaning, MeaningError

__all__ = ["Mqtt"]

_PORTS = {"mqtt": 1883, "mqtts": 8883}
_NUMBERS: Mapping[str, tuple[float, float, float]] = {  # default, least, most
    "keepalive_seconds": (30, 1, 3_600),
    "batch_seconds": (1, 0.01, 1),
    "batch_messages": (limits.MQTT_BATCH_MESSAGES, 1, limits.MQTT_BATCH_MESSAGES),
}


class Mqtt:
    """Subscribes to the topics of a broker."""

    name = "mqtt"
    title = text("MQTT 消息代理", "MQTT broker")
    options: Mapping[str, Text] = {
        "url": text(
            "消息代理地址，mqtt://主机:端口，加密的用 mqtts://", "the broker, mqtt://HOST:PORT, or mqtts:// over TLS"
        ),
        "topic": text(
            "主题样式，如 plant/{tank}/{metric}；花括号内是列名，可用 + 和 #",
            "the topics, such as plant/{tank}/{metric}: a level in braces is a column; + and # as in MQTT",
        ),
        "fields": text(
            'JSON 名称对应的列，如 {t = "time:ms", v = "value"}；时间的数可带单位 s、ms、us、ns',
            'which JSON name is which column: {t = "time:ms", v = "value"}; a time in numbers has its unit s, ms, us or ns',
        ),
        "group": text("共享订阅的组名（MQTT 5）", "group of a shared subscription (MQTT 5)"),
        "client_id": text(
            "客户端标识，默认 cityheart-来源；会话按它保留",
            "client id, cityheart-SOURCE when absent; the session belongs to it",
        ),
        "username": text("用户名", "user name"),
        "password_env": text("保存密码的环境变量", "environment variable that holds the password"),
        "version": text("协议版本 3（即 3.1.1）或 5，默认 5", "protocol version 3 (that is 3.1.1) or 5; 5 when absent"),
        "ca_file": text(
            "核验服务器的证书文件，默认用系统的", "certificates that vouch for the server; the system's when absent"
        ),
        "keepalive_seconds": text("心跳间隔，默认 30 秒", "seconds between signs of life; 30 when absent"),
        "batch_seconds": text("一批最多等多久，默认也最长 1 秒", "longest wait of a batch; 1 when absent and at most"),
        "batch_messages": text("一批最多多少条，默认 50000", "most messages of a batch; 50,000 when absent"),
    }

    def problems(self, options: Mapping[str, object]) -> list[str]:
        """Unknown options, no broker, topics or fields that mean nothing, values out of range."""
        found = [f"nobody knows the option {name!r}" for name in sorted(set(options) - set(self.options))]
        found += _address_problems(options.get("url"))
        try:
            Meaning.of(options)
        except MeaningError as error:
            found.append(str(error))
        if options.get("version", 5) not in (3, 5) or isinstance(options.get("version"), bool):
            found.append("the option 'version' must be 3 or 5")
        elif "group" in options and options.get("version", 5) != 5:
            found.append("the option 'group' needs version 5: shared subscriptions came with it")
        for name in ("group", "client_id", "username", "password_env", "ca_file"):
            value = options.get(name, "x")
            if not isinstance(value, str) or not value or "\x00" in value:
                found.append(f"the option {name!r} must be text")
            elif name == "group" and any(each in value for each in "/+#"):
                found.append("the option 'group' must have no /, + and #")
        if "password_env" in options and "username" not in options:
            found.append("the option 'password_env' needs 'username'")
        for name, (default, least, most) in _NUMBERS.items():
            number = options.get(name, default)
            if isinstance(number, bool) or not isinstance(number, int | float) or not least <= number <= most:
                found.append(f"the option {name!r} must be a number from {least:g} to {most:g}")
        return found

    def pull(self, pull: Pull) -> Iterator[Pulled]:
        """Nothing: the broker speaks first."""
        return iter(())

    def listen(self, listening: Listening) -> Listener:
        """Begin to listen; a broker that is away is tried again and again, and the source's state says so.

        Raises SourceFailed when a secret is not there.
        """
        from cityheart.share.wire.mqtt import Broker, Subscriber  # loaded by those who listen only

        options = listening.options
        url = urlsplit(str(options["url"]))
        assert url.hostname is not None
        number = {name: float(str(options.get(name, default))) for name, (default, _, _) in _NUMBERS.items()}
        broker = Broker(
            host=url.hostname,
            port=url.port or _PORTS[url.scheme],
            tls=url.scheme == "mqtts",
            ca_file=listening.home / str(options["ca_file"]) if "ca_file" in options else None,
            version=5 if options.get("version", 5) == 5 else 3,
            client_id=str(options.get("client_id", f"cityheart-{listening.source}")),
            username=str(options["username"]) if "username" in options else None,
            password=secret(options, "password"),
            keepalive=max(1, round(number["keepalive_seconds"])),
        )
        wanted = Meaning.of(options).filter
        if "group" in options:
            wanted = f"$share/{options['group']}/{wanted}"
        return Subscriber(
            listening, broker, wanted, seconds=number["batch_seconds"], messages=int(number["batch_messages"])
        )


def _address_problems(raw: object) -> list[str]:
    try:
        url = urlsplit(str(raw or ""))
        port = url.port
    except ValueError as error:
        return [f"the option 'url': {error}"]
    if url.scheme not in _PORTS or not url.hostname or url.path not in ("", "/") or url.query or port == 0:
        return ["the option 'url' must be mqtt://HOST:PORT or mqtts://HOST:PORT"]
    if url.password is not None or url.username is not None:
        return ["the option 'url' must not hold a name or password: use 'username' and 'password_env'"]
    return []

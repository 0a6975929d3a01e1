"""Event source that consumes the queues of a `yagi.conf`, and the parser of that file."""

from __future__ import annotations

import logging
import re
from configparser import ConfigParser, ParsingError
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from voluptuous import In, Invalid, Length, Required, Schema

from winchester_core.errors import SourceError
from winchester_core.interfaces import params
from winchester_core.sources.rabbitmq.params import EXCHANGE_TYPES, PREFETCH
from winchester_core.sources.rabbitmq.source import RabbitmqSource

logger = logging.getLogger(__name__)


class YagiSource(RabbitmqSource):
    """Consumes notifications from the queues that an existing `yagi.conf` defines for Winchester.

    Works like the source `rabbitmq` and needs the extra `rabbitmq`. It uses the broker in
    `[rabbit_broker]`, and those queues in `[consumers]` that list
    `winchester.yagi_handler.WinchesterHandler` under `apps`. `max_messages` is used as `prefetch`.
    Other apps of these queues do not run, and a warning is logged.
    """

    example: ClassVar[str] = """
        old:
          source: yagi
          params: {path: /etc/yagi/yagi.conf}
    """
    config_schema: ClassVar[Schema] = Schema(
        {
            Required(
                "path",
                description=(
                    "path of the file; a relative path starts from the working directory, as in "
                    "Yagi"
                ),
            ): params.TEXT
        }
    )

    def __init__(self, **parameters: Any) -> None:
        path = self.config_schema(parameters)["path"]
        conf = read_yagi_conf(path)
        super().__init__(queues=conf.queues, prefetch=conf.max_messages, **conf.broker)
        _warn_unused(path, conf)

    @staticmethod
    def config_file(path: str) -> str | None:
        """Return the file's `config_file` for Winchester. Raises `SourceError`."""
        return read_yagi_conf(path).config_file


def _warn_unused(path: str, conf: YagiConf) -> None:
    for queue, apps in conf.other_apps.items():
        if apps:
            logger.warning(
                "apps other than Winchester's handler are not run: file=%r queue=%s apps=%s",
                path,
                queue,
                ", ".join(apps),
            )
    if conf.unused_queues:
        queues = ", ".join(conf.unused_queues)
        logger.warning(
            "queues without Winchester's handler are not consumed: file=%r queues=%s", path, queues
        )


# Parser of a `yagi.conf`, as of Yagi 0.23:
#
#     [rabbit_broker]          host, port, user, password, vhost
#     [consumers]              queues: names, separated by commas
#     [consumer:NAME]          apps, exchange, exchange_type, routing_key, durable, max_messages
#     [winchester]             config_file: winchester.yaml
#
# Other sections belong to Yagi itself and to other apps.

HANDLER = "winchester.yagi_handler.WinchesterHandler"
BOOLEAN_WORDS = ConfigParser.BOOLEAN_STATES
BOOLEAN = In(BOOLEAN_WORDS, f"expected one of {', '.join(BOOLEAN_WORDS)}")
EXCHANGE_TYPE = In(EXCHANGE_TYPES, f"expected one of {', '.join(EXCHANGE_TYPES)}")
SHORT_TEXT = Length(max=255, msg="expected at most 255 characters")
TEXT = Length(min=1, msg="expected text")
MAX_MESSAGES = "100"
WHOLE_NUMBER = re.compile("[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class YagiConf:
    """The contents of a `yagi.conf` that concern Winchester.

    `queues` and `broker` are parameters of the `rabbitmq` source. `other_apps` are the other apps
    of each consumed queue. `unused_queues` are the queues without Winchester's handler.
    """

    broker: dict[str, Any]
    queues: list[dict[str, Any]]
    max_messages: int
    config_file: str | None
    other_apps: dict[str, tuple[str, ...]]
    unused_queues: tuple[str, ...]


def read_yagi_conf(path: str) -> YagiConf:
    """Parse the file. Raises `SourceError` if it is invalid or has no queue for Winchester.

    The error names the file and, for an invalid value, its section and key.
    """
    conf = _Options(path, _parse_file(path))
    names = _split_list(conf.text("consumers", "queues", ""))
    apps = {name: _split_list(conf.text(f"consumer:{name}", "apps", "")) for name in names}
    consumed = [name for name in names if HANDLER in apps[name]]
    if not consumed:
        raise SourceError(path, f"no queue of [consumers] has {HANDLER} among its apps")
    return YagiConf(
        broker={
            "host": conf.text("rabbit_broker", "host", "localhost", TEXT),
            "port": conf.whole_number("rabbit_broker", "port", "5672", params.PORT),
            "user": conf.text("rabbit_broker", "user", "guest", TEXT),
            "password": conf.text("rabbit_broker", "password", "guest"),  # as in Yagi
            "virtual_host": conf.text("rabbit_broker", "vhost", "/", TEXT),
        },
        queues=[_queue(conf, name) for name in consumed],
        max_messages=max(
            conf.whole_number(f"consumer:{name}", "max_messages", MAX_MESSAGES, PREFETCH)
            for name in consumed
        ),
        config_file=conf.text("winchester", "config_file", "") or None,
        other_apps={name: tuple(app for app in apps[name] if app != HANDLER) for name in consumed},
        unused_queues=tuple(name for name in names if name not in consumed),
    )


def _queue(conf: _Options, name: str) -> dict[str, Any]:
    conf.check("consumers", "queues", name, SHORT_TEXT)
    section = f"consumer:{name}"
    exchange = conf.text(section, "exchange", "", SHORT_TEXT)
    key = conf.text(section, "routing_key", "", SHORT_TEXT)
    return {
        "name": name,
        "exchange": exchange,
        "exchange_type": conf.text(section, "exchange_type", "topic", EXCHANGE_TYPE),
        "routing_keys": [key] if key and exchange else [],
        "durable": conf.boolean(section, "durable", "true"),
    }


class _Options:
    """Reads options of a file. If one is invalid, raises `SourceError` with section and key."""

    def __init__(self, path: str, parser: ConfigParser) -> None:
        self._path, self._parser = path, parser

    def text(self, section: str, key: str, default: str, check: Any = str) -> str:
        value = self._parser.get(section, key, fallback=default)
        self.check(section, key, value, check)
        return value

    def whole_number(self, section: str, key: str, default: str, check: Any) -> int:
        text = self.text(section, key, default)
        value = int(text) if WHOLE_NUMBER.fullmatch(text) else text
        self.check(section, key, value, check)
        return int(value)

    def boolean(self, section: str, key: str, default: str) -> bool:
        text = self.text(section, key, default)
        self.check(section, key, text.lower(), BOOLEAN)
        return BOOLEAN_WORDS[text.lower()]

    def check(self, section: str, key: str, value: Any, check: Any) -> None:
        try:
            Schema(check)(value)
        except Invalid as error:
            reason = f"[{section}] {key}: {error.msg}, not {value!r:.80}"
            raise SourceError(self._path, reason) from None


def _parse_file(path: str) -> ConfigParser:
    """Parse the file as Yagi did on Python 2: no interpolation, duplicate keys allowed."""
    parser = ConfigParser(interpolation=None, strict=False, inline_comment_prefixes=(";",))
    try:
        parser.read_string(Path(path).read_text(encoding="utf-8"), path)
    except OSError as error:
        raise SourceError(path, error.strerror or str(error)) from error
    except ValueError as error:  # not UTF-8, or a path that no file can have
        raise SourceError(path, str(error)) from error
    except ParsingError as error:  # its message may contain a password
        line = getattr(error, "lineno", None) or error.errors[0][0]
        raise SourceError(path, f"line {line}: expected [section] or key = value") from None
    return parser


def _split_list(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())

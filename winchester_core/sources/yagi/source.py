"""Event source that consumes the queues of a `yagi.conf`, and the parser of that file."""

from __future__ import annotations

import logging
from configparser import ConfigParser
from configparser import Error as ParserError
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from voluptuous import All, Length, Required, Schema

from winchester_core.errors import SourceError
from winchester_core.sources.rabbitmq.source import RabbitmqSource

if TYPE_CHECKING:
    from collections.abc import Iterable
    from configparser import SectionProxy


logger = logging.getLogger(__name__)


class YagiSource(RabbitmqSource):
    """Consumes notifications from the queues that an existing `yagi.conf` has for Winchester.

    Works like the source `rabbitmq`, with the broker of `[rabbit_broker]` and the queues of
    `[consumers]` that have `winchester.yagi_handler.WinchesterHandler` among their `apps`.
    `max_messages` is used as `prefetch`. Other apps of those queues do not run, which is logged as
    a warning. Extra `rabbitmq`.
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
            ): All(str, Length(min=1))
        }
    )

    def __init__(self, **params: Any) -> None:
        path = self.config_schema(params)["path"]
        conf = read_yagi_conf(path)
        super().__init__(queues=conf.queues, prefetch=conf.max_messages, **conf.broker)
        _warn_unused(path, conf)

    @staticmethod
    def config_file(path: str) -> str | None:
        """Return the `config_file` of Winchester in the file. Raises `SourceError`."""
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
BROKER_DEFAULTS = {
    "host": "localhost",
    "port": "5672",
    "user": "guest",
    "password": "guest",  # as in Yagi
    "vhost": "/",
}
MAX_MESSAGES = 100


@dataclass(frozen=True, slots=True)
class YagiConf:
    """The contents of a `yagi.conf` that concern Winchester.

    `queues` and `broker` are parameters of the `rabbitmq` source; `other_apps` are the other apps
    of each consumed queue; `unused_queues` are those without Winchester's handler.
    """

    broker: dict[str, Any]
    queues: list[dict[str, Any]]
    max_messages: int
    config_file: str | None
    other_apps: dict[str, tuple[str, ...]]
    unused_queues: tuple[str, ...]


def read_yagi_conf(path: str) -> YagiConf:
    """Parse the file. Raises `SourceError` if it is unreadable or has no queue for Winchester."""
    parser = _parse_file(path)
    names = _split_list(parser.get("consumers", "queues", fallback=""))
    apps = {
        name: _split_list(parser.get(f"consumer:{name}", "apps", fallback="")) for name in names
    }
    consumed = [name for name in names if HANDLER in apps[name]]
    if not consumed:
        raise SourceError(path, f"no queue of [consumers] has {HANDLER} among its apps")
    try:
        sections = [parser[f"consumer:{name}"] for name in consumed]
        return YagiConf(
            broker=_broker(parser),
            queues=[_queue(*each) for each in zip(consumed, sections, strict=True)],
            max_messages=max(each.getint("max_messages", MAX_MESSAGES) for each in sections),
            config_file=parser.get("winchester", "config_file", fallback=None),
            other_apps={name: _other_apps(apps[name]) for name in consumed},
            unused_queues=tuple(name for name in names if name not in consumed),
        )
    except ValueError as error:
        raise SourceError(path, str(error)) from error


def _parse_file(path: str) -> ConfigParser:
    """Parse the file as Yagi did on Python 2: no interpolation, duplicate keys allowed."""
    parser = ConfigParser(interpolation=None, strict=False, inline_comment_prefixes=(";",))
    try:
        parser.read_string(Path(path).read_text(encoding="utf-8"), path)
    except OSError as error:
        raise SourceError(path, error.strerror or str(error)) from error
    except (UnicodeDecodeError, ParserError) as error:
        raise SourceError(path, " ".join(str(error).split())) from error
    return parser


def _broker(parser: ConfigParser) -> dict[str, Any]:
    options = {
        name: parser.get("rabbit_broker", name, fallback=default)
        for name, default in BROKER_DEFAULTS.items()
    }
    return {
        "host": options["host"],
        "port": int(options["port"]),
        "user": options["user"],
        "password": options["password"],
        "virtual_host": options["vhost"],
    }


def _queue(name: str, section: SectionProxy) -> dict[str, Any]:
    exchange = section.get("exchange", "")
    key = section.get("routing_key", "")
    return {
        "name": name,
        "exchange": exchange,
        "exchange_type": section.get("exchange_type", "topic"),
        "routing_keys": [key] if key and exchange else [],
        "durable": section.getboolean("durable", True),
    }


def _split_list(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _other_apps(apps: Iterable[str]) -> tuple[str, ...]:
    return tuple(app for app in apps if app != HANDLER)

"""Consumes the queues that a `yagi.conf` has for Winchester."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, ClassVar

from voluptuous import All, Length, Required, Schema

from winchester_core.sources.rabbitmq.source import RabbitmqSource
from winchester_core.sources.yagi.conf import read_yagi_conf

if TYPE_CHECKING:
    from winchester_core.sources.yagi.conf import YagiConf

logger = logging.getLogger(__name__)


class YagiSource(RabbitmqSource):
    """Notifications from the queues that an existing `yagi.conf` has for Winchester.

    Consumed are, as the source `rabbitmq` does that, the queues of `[consumers]` that have
    `winchester.yagi_handler.WinchesterHandler` among their `apps`, from the broker of
    `[rabbit_broker]`. `max_messages` is how many are on their way at once. Other apps of those
    queues do not run; a warning names them. Extra `rabbitmq`.
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
                    "the file; a relative path starts from the working directory, as Yagi's"
                ),
            ): All(str, Length(min=1))
        }
    )

    def __init__(self, **params: Any) -> None:
        path = self.config_schema(params)["path"]
        conf = read_yagi_conf(path)
        super().__init__(queues=conf.queues, prefetch=conf.max_messages, **conf.broker)
        _warn(path, conf)

    @staticmethod
    def config_file(path: str) -> str | None:
        """The configuration of Winchester that the file names. Raises `SourceError`."""
        return read_yagi_conf(path).config_file


def _warn(path: str, conf: YagiConf) -> None:
    for queue, apps in conf.other_apps.items():
        if apps:
            logger.warning(
                "%s: of the apps of queue %r only Winchester's handler is run, and not %s",
                path,
                queue,
                ", ".join(apps),
            )
    if conf.unused_queues:
        queues = ", ".join(conf.unused_queues)
        logger.warning("%s: not consumed, having other apps only: queues %s", path, queues)

"""Handler that queues notifications and publishes them to RabbitMQ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import orjson

from winchester_core.interfaces import Delivered, EventTypePatterns, PipelineHandler, RetryAfter
from winchester_handlers.notabene.params import NOTABENE_SCHEMA
from winchester_handlers.notabene.publisher import BROKER_ERRORS, Publisher, error_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from voluptuous import Schema

    from winchester_core.interfaces import DeliveryOutcome, Effect
    from winchester_core.model import Event


class NotabeneHandler(PipelineHandler):
    """Publishes notifications to an exchange of RabbitMQ, with confirms; needs `rabbitmq`.

    Messages are persistent. The body is JSON with datetimes as ISO 8601 texts. The property
    `message_id` is the same at every attempt.
    """

    example: ClassVar[str] = """
        - usage
        - name: notabene
          params:
            host: rabbit.example.org
            exchange: nova
            queue_name: monitor.info
            env_keys: [usage_notifications]
    """
    config_schema: ClassVar[Schema] = NOTABENE_SCHEMA

    def __init__(self, **params: Any) -> None:
        super().__init__(**self.config_schema(params))
        globs = self.params["event_types"]
        self._patterns = None if globs is None else EventTypePatterns(globs)

    def handle_events(self, events: list[Event], env: dict[str, Any]) -> list[Event]:
        """Queue the notifications in `env` and the matching events; return `events` unchanged.

        If the value of one of the keys in `env` is not a list, raises `TypeError`.
        """
        for notification in self._queued_notifications(env):
            env["outbox"].put(notification)
        if self._patterns is not None:
            for event in events:
                if self._patterns.matches(event["event_type"]):
                    env["outbox"].put(event)
        return events

    def deliver(self, effects: list[Effect]) -> list[DeliveryOutcome]:
        """Publish the effects in sequence. Each must be confirmed before the next is published.

        After a failure the connection is closed, and the remaining effects are retried later.
        """
        outcomes: list[DeliveryOutcome] = []
        try:
            with Publisher(self.params) as publisher:
                for effect in effects:
                    publisher.publish(_body(effect.payload), effect.id)
                    outcomes.append(Delivered())
        except BROKER_ERRORS as error:
            if len(outcomes) < len(effects):  # otherwise the error was raised while closing
                outcomes.append(RetryAfter(reason=error_text(error)))
        untried = RetryAfter(0, "not tried: the broker did not take an effect before it")
        return outcomes + [untried] * (len(effects) - len(outcomes))

    def _queued_notifications(self, env: dict[str, Any]) -> Iterator[Any]:
        for key in self.params["env_keys"]:
            notifications = env.get(key, [])
            if not isinstance(notifications, list):
                kind = type(notifications).__name__
                raise TypeError(f"env[{key!r}] must be a list of notifications, not {kind}")
            yield from notifications


def _body(payload: Any) -> bytes:
    return orjson.dumps(payload, default=_iso, option=orjson.OPT_PASSTHROUGH_DATETIME)


def _iso(value: datetime) -> str:
    return value.isoformat()

"""Handler that queues events and publishes them to Kafka."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any, ClassVar

from confluent_kafka import KafkaException

from winchester_core.interfaces import EventTypePatterns, PipelineHandler, RetryAfter
from winchester_core.interfaces.kafka_client import error_text
from winchester_handlers.event_content import no_message, payloads
from winchester_handlers.kafka.message import KafkaMessage, build_message, message_key
from winchester_handlers.kafka.params import KAFKA_SCHEMA
from winchester_handlers.kafka.publisher import Publisher

if TYPE_CHECKING:
    from voluptuous import Schema

    from winchester_core.interfaces import DeliveryOutcome, Effect
    from winchester_core.model import Event


class KafkaHandler(PipelineHandler):
    """Publishes each matching event, or the stream, to a topic of Kafka; needs the extra `kafka`.

    All in-sync replicas confirm a message (`acks=all`, idempotent producer). The header
    `winchester-effect-id` is the same at every attempt.
    """

    example: ClassVar[str] = """
        - name: kafka
          params:
            bootstrap_servers: kafka1.example.org:9092
            topic: instances
            event_types: compute.instance.*
            key: instance_id
    """
    config_schema: ClassVar[Schema] = KAFKA_SCHEMA

    def __init__(self, **params: Any) -> None:
        super().__init__(**self.config_schema(params))
        self._patterns = EventTypePatterns(self.params["event_types"])

    def handle_events(self, events: list[Event], env: dict[str, Any]) -> list[Event]:
        """Queue the matching events, or the stream; return `events` unchanged."""
        for payload in payloads(events, env, self._patterns, self.params["send"]):
            key = message_key(self.params["key"], payload, env["distinguished_by"])
            env["outbox"].put({**payload, "key": key})
        return events

    def deliver(self, effects: list[Effect]) -> list[DeliveryOutcome]:
        """Publish the effects together, and wait for the report of each.

        They are effects of different streams, so that none has to wait for another.
        """
        if not effects:
            return []
        try:
            publisher = Publisher(self.params)
        except KafkaException as error:
            return [RetryAfter(reason=error_text(error))] * len(effects)
        messages = [self._message_or_outcome(effect) for effect in effects]
        with closing(publisher):
            published = iter(
                publisher.publish([each for each in messages if isinstance(each, KafkaMessage)])
            )
        return [next(published) if isinstance(each, KafkaMessage) else each for each in messages]

    def _message_or_outcome(self, effect: Effect) -> KafkaMessage | RetryAfter:
        try:
            return self._message(effect)
        except Exception as error:  # noqa: BLE001 - delays this effect alone
            return no_message(error)

    def _message(self, effect: Effect) -> KafkaMessage:
        message = build_message(effect, self.params["format"], self.params["source"])
        return message._replace(headers={**self.params["headers"], **message.headers})

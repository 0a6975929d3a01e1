"""Event source that subscribes to topics of an MQTT broker."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from winchester_core.interfaces import EventSource
from winchester_core.model import Message
from winchester_core.sources.mqtt.params import MQTT_SCHEMA
from winchester_core.sources.mqtt.session import BrokerSession
from winchester_core.sources.mqtt.takeover import TakeoverDetector
from winchester_core.sources.params import message_fields

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from voluptuous import Schema

    from winchester_core.sources.mqtt.session import Delivery

logger = logging.getLogger(__name__)


class Token(NamedTuple):
    """Number of the connection that delivered a message, and the delivery."""

    connection: int
    delivery: Delivery


class MqttSource(EventSource):
    """Receives messages of topics from a broker of MQTT 5 or 3.1.1 (extra `mqtt`).

    A message is acknowledged after it has been stored as an event or a rejected message. The
    session of `client_id` stays at the broker, which keeps messages while ingest does not run.
    Released messages are redelivered after a reconnection, and so are unacknowledged messages if
    the connection breaks. The subscriptions have QoS 1.

    A mapping can use the user properties of MQTT 5 as headers, and the properties `topic`, `qos`,
    `retained`, `content_type` and `response_topic`.
    """

    example: ClassVar[str] = """
        plant:
          source: mqtt
          params:
            url: mqtts://broker.example.org:8883
            user: winchester
            password: secret
            client_id: winchester-plant
            subscriptions: ["plant/+/alarm"]
            format: event
    """
    config_schema: ClassVar[Schema] = MQTT_SCHEMA
    allows_prefetch: ClassVar[bool] = True

    def __init__(self, **params: Any) -> None:
        super().__init__(**MQTT_SCHEMA(params))
        self._message_fields = message_fields(self.params)
        self._connection_number = 0
        self._session: BrokerSession | None = None
        self._takeovers = TakeoverDetector(self.params["client_id"])
        self._opened_at = 0.0

    def open(self) -> None:
        """Connect, resume the session and subscribe. Raises `SourceError`."""
        self._takeovers.check()
        self._connection_number += 1
        self._session = BrokerSession(self.params)
        self._opened_at = time.monotonic()
        if self._connection_number > 1 and not self._session.is_resumed:
            logger.warning(
                "broker has no session, messages since the last connection may be lost: "
                "client_id=%r",
                self.params["client_id"],
            )

    def receive(self, max_messages: int, timeout_seconds: float) -> list[Message]:
        """Return received messages, without waiting for a full batch.

        Reconnects if messages were released, because brokers redeliver messages only then. If the
        connection breaks, first returns the messages that were received before, and raises
        `SourceError` in the next call.
        """
        if self._require_session().has_released:
            self.close()
            self.open()
        session = self._require_session()
        deliveries = session.receive(max_messages, timeout_seconds)
        if not deliveries and session.failure is not None:
            lasted_seconds = time.monotonic() - self._opened_at
            raise self._takeovers.record_end(session.failure, session.end, lasted_seconds)
        return [self._message(delivery) for delivery in deliveries]

    def ack(self, messages: Sequence[Message]) -> None:
        """Acknowledge messages, except messages of earlier connections; those are redelivered."""
        self._require_session().ack(self._deliveries(messages))

    def release(self, messages: Sequence[Message]) -> None:
        """Leave messages unacknowledged; the next call of `receive` reconnects."""
        if deliveries := self._deliveries(messages):
            self._require_session().release(deliveries)

    def reject(self, message: Message, reason: str) -> None:
        """Acknowledge an invalid message. It is stored as a rejected message."""
        del reason
        self.ack([message])

    def close(self) -> None:
        """Disconnect. The session stays at the broker."""
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def _require_session(self) -> BrokerSession:
        if self._session is None:
            raise RuntimeError("the source is not open")
        return self._session

    def _deliveries(self, messages: Iterable[Message]) -> list[Delivery]:
        tokens: Iterable[Token] = (message.token for message in messages)
        return [each.delivery for each in tokens if each.connection == self._connection_number]

    def _message(self, delivery: Delivery) -> Message:
        content = delivery.content
        return Message(
            body=content.body,
            token=Token(self._connection_number, delivery),
            headers=content.headers,
            properties=content.properties,
            fault=content.fault,
            redelivered=delivery.redelivered,
            received_from=content.origin,
            **self._message_fields,
        )

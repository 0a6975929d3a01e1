"""Publication of messages with delivery reports, and the outcomes that follow from them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from confluent_kafka import KafkaError, KafkaException, Producer

from winchester_core.interfaces import Delivered, Refused, RetryAfter
from winchester_core.interfaces.kafka_client import LibraryLog, error_text
from winchester_handlers.kafka.params import producer_settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from winchester_core.interfaces import DeliveryOutcome
    from winchester_handlers.kafka.message import KafkaMessage

logger = logging.getLogger(__name__)

REFUSED = frozenset(
    (
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.INVALID_MSG,
        KafkaError.INVALID_RECORD,
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.RECORD_LIST_TOO_LARGE,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.TOPIC_EXCEPTION,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError._UNKNOWN_TOPIC,
    )
)
"""Errors that repeated attempts do not change: the message, the topic, or permissions."""

REPORT_SECONDS = 5.0
"""Time after the timeout in which librdkafka reports each message."""


class Publisher:
    """A producer for the messages of one call of `deliver`. Messages with one key keep their order.

    librdkafka repeats attempts until the timeout, and sends each message once: the broker
    recognizes repeated ones by their sequence numbers.
    """

    def __init__(self, params: Mapping[str, Any]) -> None:
        """Raise `KafkaException` if librdkafka does not accept the settings, such as a key file."""
        self._topic: str = params["topic"]
        self._timeout_seconds: float = params["timeout"]
        self._last_error = ""
        self._producer = Producer(
            {**producer_settings(params), "error_cb": self._on_error}, logger=LibraryLog()
        )

    def publish(self, messages: Sequence[KafkaMessage]) -> list[DeliveryOutcome]:
        """Publish messages, and wait for the report of each; return their outcomes."""
        outcomes: dict[int, DeliveryOutcome] = {}
        for index, message in enumerate(messages):

            def report(error: KafkaError | None, _: object, index: int = index) -> None:
                exception = None if error is None else KafkaException(error)
                outcomes[index] = delivery_outcome(exception, self._last_error)

            try:
                self._producer.produce(
                    self._topic,
                    message.value,
                    message.key,
                    headers=list(message.headers.items()),
                    on_delivery=report,
                )
            except (KafkaException, BufferError) as error:
                outcomes[index] = delivery_outcome(error, self._last_error)
        self._producer.flush(self._timeout_seconds + REPORT_SECONDS)
        missing = delivery_outcome(TimeoutError("no report of the broker"), self._last_error)
        return [outcomes.get(index, missing) for index in range(len(messages))]

    def close(self) -> None:
        """Drop messages without a report, and end the threads of librdkafka."""
        self._producer.purge()
        self._producer.flush(0)
        del self._producer

    def _on_error(self, error: KafkaError) -> None:
        """Keep the last error of a connection, which is the reason of a timeout."""
        if error.code() != KafkaError._ALL_BROKERS_DOWN:
            self._last_error = error.str()


def delivery_outcome(error: Exception | None, connection_error: str = "") -> DeliveryOutcome:
    """Return the outcome for the error of a message, or None.

    The reason of a retry includes the last error of a connection.
    """
    if error is None:
        return Delivered()
    text, cause = error_text(error), error.args[0] if error.args else None
    if isinstance(cause, KafkaError) and cause.code() in REFUSED:
        return Refused(text)
    return RetryAfter(reason=f"{text} ({connection_error})" if connection_error else text)

"""Membership of a consumer group: connecting, receiving, committing, leaving."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from winchester_core.errors import SourceError
from winchester_core.interfaces.kafka_client import LibraryLog, error_text
from winchester_core.sources.kafka.assignment import Assignment, Partition, Token
from winchester_core.sources.kafka.params import consumer_settings, is_pattern
from winchester_core.sources.kafka.topics import check_topics, skip_existing_messages

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from confluent_kafka import Message as KafkaMessage

logger = logging.getLogger(__name__)

PROBE_SECONDS = 1.0
"""Timeout of a request that checks whether a broker is available again."""

MISSING_TOPIC = frozenset((KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC))


class Delivery(NamedTuple):
    """A received message and its token."""

    token: Token
    message: KafkaMessage


class GroupSession:
    """Membership of a consumer group, for use by one thread.

    Partitions are assigned and revoked in `receive`, which calls the callbacks of librdkafka.
    An error that librdkafka does not repair is stored in `failure`; so is an outage of all brokers
    that lasts `timeout_seconds`. Then nothing more is received.
    """

    def __init__(self, params: Mapping[str, Any]) -> None:
        """Connect, check the topics, and join the group. Raises `SourceError`."""
        self.failure: SourceError | None = None
        self._name = f"Kafka at {', '.join(params['bootstrap_servers'])}"
        self._timeout_seconds: float = params["timeout_seconds"]
        self._probed_topic = next((t for t in params["topics"] if not is_pattern(t)), None)
        self._skips_tombstones = params["tombstones"] == "skip"
        self._assignment = Assignment()
        self._last_error = ""
        self._unavailable_since: float | None = None
        self._missing: set[str] = set()
        try:
            self._consumer = Consumer(
                {**consumer_settings(params), "error_cb": self._on_error}, logger=LibraryLog()
            )
        except Exception as error:
            raise self._source_error(error) from error
        try:
            self._join(params)
        except Exception as error:
            self._serve_callbacks()
            self._consumer.close()  # does not wait, because it is not in the group
            raise self._source_error(error) from error

    def receive(self, max_messages: int, timeout_seconds: float) -> list[Delivery]:
        """Return available messages. Wait for the first of them."""
        timeout_at = time.monotonic() + timeout_seconds
        deliveries: list[Delivery] = []
        while len(deliveries) < max_messages and self.failure is None:
            wait_seconds = 0.0 if deliveries else max(0.0, timeout_at - time.monotonic())
            try:
                message = self._consumer.poll(wait_seconds)
            except Exception as error:  # noqa: BLE001 - of the library
                self._fail(error)
                break
            if message is None:
                break
            if (delivery := self._accept(message)) is not None:
                deliveries.append(delivery)
            elif time.monotonic() >= timeout_at:  # many tombstones
                break
        if deliveries:
            self._record_availability()
        elif self._unavailable_since is not None and timeout_seconds > 0:
            self._check_availability(self._unavailable_since)
        return deliveries

    def holds(self, token: Token) -> bool:
        """Return whether a message is unsettled, and its partition has not been reassigned."""
        return self._assignment.holds(token)

    def settle(self, tokens: Iterable[Token]) -> None:
        """Let librdkafka commit these messages, except messages of reassigned partitions."""
        positions = self._assignment.settle(tokens)
        if not positions:
            return
        try:
            self._consumer.store_offsets(
                offsets=[
                    TopicPartition(partition.topic, partition.number, offset)
                    for partition, offset in positions.items()
                ]
            )
        except KafkaException as error:  # a partition was lost since the last call of `receive`
            logger.debug("offsets not stored: broker=%s error=%s", self._name, error)

    def count_waiting(self) -> int | None:
        """Return the number of messages after the last received ones; None if unknown.

        The ends of partitions are those of the last responses. A partition without a received
        message does not count.
        """
        waiting = None
        for partition, next_offset in self._assignment.next_offsets().items():
            try:
                _, end = self._consumer.get_watermark_offsets(
                    TopicPartition(partition.topic, partition.number), cached=True
                )
            except KafkaException:  # the partition is no longer assigned
                continue
            if end >= 0:
                waiting = (waiting or 0) + max(0, end - next_offset)
        return waiting

    def close(self) -> None:
        """Commit, and leave the group. If no broker responds, give up after the timeout.

        `Consumer.close` would wait as long as the session timeout. Without it, the group reassigns
        the partitions after the session timeout, and uncommitted messages are redelivered.
        """
        if self._unavailable_since is not None:
            self._check_availability(self._unavailable_since)
        if self._unavailable_since is not None:
            del self._consumer  # ends its threads, without waiting for the brokers
        else:
            thread = threading.Thread(target=self._consumer.close, name="kafka-close", daemon=True)
            thread.start()
            thread.join(self._timeout_seconds)
            if thread.is_alive():
                logger.warning(
                    "consumer group not left: broker=%s timeout_seconds=%g",
                    self._name,
                    self._timeout_seconds,
                )
        self.failure = self.failure or SourceError(self._name, "closed")

    def _join(self, params: Mapping[str, Any]) -> None:
        topics: list[str] = params["topics"]
        check_topics(self._consumer, topics, self._timeout_seconds)
        if params["start"] == "latest":
            skip_existing_messages(self._consumer, topics, self._timeout_seconds)
        self._consumer.subscribe(
            topics, on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
        )

    def _accept(self, message: KafkaMessage) -> Delivery | None:
        if (error := message.error()) is not None:
            self._handle_error(error)
            return None
        partition, offset = _place(message)
        token = self._assignment.receive(partition, offset)
        if token is None:
            return None
        if message.value() is None and self._skips_tombstones:
            self.settle([token])
            return None
        return Delivery(token, message)

    def _handle_error(self, error: KafkaError) -> None:
        code = error.code()
        if code in MISSING_TOPIC:
            if (text := error.str()) not in self._missing:
                self._missing.add(text)
                logger.warning("topic missing: broker=%s error=%s", self._name, text)
        elif code == KafkaError._MAX_POLL_EXCEEDED:
            logger.warning("max_poll_interval_seconds exceeded: broker=%s", self._name)
        else:
            self._fail(KafkaException(error))

    def _check_availability(self, unavailable_since: float) -> None:
        try:
            self._consumer.list_topics(self._probed_topic, timeout=PROBE_SECONDS)
        except KafkaException as error:
            if time.monotonic() - unavailable_since >= self._timeout_seconds:
                self._fail(error)
        else:
            self._record_availability()

    def _record_availability(self) -> None:
        self._unavailable_since, self._last_error = None, ""

    def _fail(self, error: Exception) -> None:
        logger.debug("session failed: broker=%s", self._name, exc_info=error)
        self.failure = self.failure or self._source_error(error)

    def _source_error(self, error: Exception) -> SourceError:
        """Return an error with the reason that librdkafka last gave for a lost connection."""
        text = error_text(error)
        return SourceError(self._name, f"{text} ({self._last_error})" if self._last_error else text)

    def _serve_callbacks(self) -> None:
        try:
            self._consumer.poll(0)
        except Exception as error:
            logger.debug("callbacks failed: broker=%s", self._name, exc_info=error)

    # --- callbacks of librdkafka, in `receive` and `close` ----------------------------------

    def _on_error(self, error: KafkaError) -> None:
        if error.code() == KafkaError._ALL_BROKERS_DOWN:
            self._unavailable_since = self._unavailable_since or time.monotonic()
        else:
            self._last_error = error.str()

    def _on_assign(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._assignment.add(_partitions(partitions))
        if partitions:  # none after a rebalance that has not changed anything
            text = _text(partitions)
            logger.info("partitions assigned: broker=%s partitions=%s", self._name, text)

    def _on_revoke(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._assignment.remove(_partitions(partitions))
        logger.info("partitions revoked: broker=%s partitions=%s", self._name, _text(partitions))

    def _on_lost(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._assignment.remove(_partitions(partitions))
        logger.info("partitions lost: broker=%s partitions=%s", self._name, _text(partitions))


def _place(message: KafkaMessage) -> tuple[Partition, int]:
    topic, number, offset = message.topic(), message.partition(), message.offset()
    if topic is None or number is None or offset is None:
        raise ValueError("a message without a place")
    return Partition(topic, number), offset


def _partitions(partitions: Iterable[TopicPartition]) -> list[Partition]:
    return [Partition(each.topic, each.partition) for each in partitions]


def _text(partitions: Iterable[TopicPartition]) -> str:
    return ",".join(sorted(f"{each.topic}-{each.partition}" for each in partitions))

"""Topics of a subscription: which exist, and where a new group starts in them."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

from confluent_kafka import KafkaError, KafkaException, TopicPartition

from winchester_core.sources.kafka.params import is_pattern

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from confluent_kafka import Consumer
    from confluent_kafka.admin import TopicMetadata

logger = logging.getLogger(__name__)


FORBIDDEN = frozenset((KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.TOPIC_EXCEPTION))
"""Errors of topics that stay: no permission, or an invalid name."""


class TopicsUnavailable(Exception):  # noqa: N818 - a state of the broker
    """No topic can be consumed; the text is the reason."""


def check_topics(consumer: Consumer, topics: Sequence[str], timeout_seconds: float) -> None:
    """Check that at least one topic exists, and that none is forbidden.

    A missing topic is consumed once it is created. With a regular expression, only the connection
    is checked. Raises `TopicsUnavailable`, and `KafkaException` if no broker responds.
    """
    names = [topic for topic in topics if not is_pattern(topic)]
    missing = []
    for name in names:
        error = consumer.list_topics(name, timeout=timeout_seconds).topics[name].error
        if error is None:
            continue
        if error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            missing.append(name)
        elif error.code() in FORBIDDEN:
            raise TopicsUnavailable(f"topic {name}: {error.str()}")
    if len(names) < len(topics):
        consumer.list_topics(timeout=timeout_seconds)
    elif len(missing) == len(topics):
        raise TopicsUnavailable(f"no topic exists of: {', '.join(missing)}")
    for name in missing:
        logger.warning("topic missing, it is consumed once it is created: topic=%s", name)


def skip_existing_messages(
    consumer: Consumer, topics: Sequence[str], timeout_seconds: float
) -> None:
    """Commit the ends of all partitions, unless the group has a committed offset in any of them.

    So the start of the group is fixed before the first message is received: messages that are
    published while no process runs are received later. Raises `KafkaException`.
    """
    partitions = [
        TopicPartition(topic.topic, number)
        for topic in _matching(consumer, topics, timeout_seconds)
        for number in topic.partitions
    ]
    committed = consumer.committed(partitions, timeout=timeout_seconds) if partitions else []
    if not partitions or any(each.offset >= 0 for each in committed):
        return
    for each in partitions:
        _, each.offset = consumer.get_watermark_offsets(each, timeout=timeout_seconds)
    try:
        consumer.commit(offsets=partitions, asynchronous=False)
    except KafkaException as error:
        if error.args[0].code() not in ACTIVE_GROUP:
            raise
        logger.debug("the group has already been started: %s", error)


ACTIVE_GROUP = frozenset(
    (
        KafkaError.ILLEGAL_GENERATION,
        KafkaError.UNKNOWN_MEMBER_ID,
        KafkaError.REBALANCE_IN_PROGRESS,
    )
)
"""Errors of a commit by a client that has not joined the group, if the group has members."""


def _matching(
    consumer: Consumer, topics: Sequence[str], timeout_seconds: float
) -> Iterator[TopicMetadata]:
    for name, topic in consumer.list_topics(timeout=timeout_seconds).topics.items():
        if any(re.match(each, name) if is_pattern(each) else each == name for each in topics):
            yield topic

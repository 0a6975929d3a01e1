"""Parameters of the `kafka` source, and its settings of librdkafka."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from confluent_kafka import Consumer
from voluptuous import All, In, Invalid, Length, Optional, Required

from winchester_core.interfaces import json_schema
from winchester_core.interfaces.kafka_client import (
    CLIENT_PARAMETERS,
    LibraryLog,
    client_options,
    client_settings,
    topic_name,
)
from winchester_core.interfaces.params import (
    NAME,
    CheckedSchema,
    optional,
    seconds,
    whole_number,
)
from winchester_core.model import REQUIRED_KEYS, MessageKind
from winchester_core.sources.params import MESSAGE_PARAMETERS

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_SECONDS = 3600
MAX_HEARTBEAT_MS = 3000
"""A process learns of a rebalance by a heartbeat."""
ASSIGNMENTS = ("cooperative-sticky", "range", "roundrobin")
STARTS = ("earliest", "latest")
TOMBSTONES = ("reject", "skip")

OWN_SETTINGS = frozenset(
    (
        "allow.auto.create.topics",
        "auto.commit.enable",
        "auto.offset.reset",
        "enable.auto.commit",
        "enable.auto.offset.store",
        "enable.partition.eof",
        "group.id",
        "group.instance.id",
        "group.protocol",
        "heartbeat.interval.ms",
        "max.poll.interval.ms",
        "partition.assignment.strategy",
        "queued.max.messages.kbytes",
        "queued.min.messages",
        "session.timeout.ms",
    )
)

DEFAULT_SETTINGS: dict[str, Any] = {
    "auto.commit.interval.ms": 1000,
    "topic.metadata.refresh.interval.ms": 60_000,
}
"""Settings that `options` may replace: how soon offsets are committed, and new topics noticed."""


def is_pattern(topic: str) -> bool:
    """Return whether an entry of `topics` is a regular expression."""
    return topic.startswith("^")


@json_schema(type="string", minLength=1, title="name of a topic, or ^ and a regular expression")
def topic(value: Any) -> str:
    """Accept the name of a topic, or a regular expression that begins with `^`."""
    if not isinstance(value, str) or not is_pattern(value):
        return topic_name(value)
    try:
        re.compile(value)
        _create_client({}).subscribe([value])
    except Exception as error:  # noqa: BLE001 - of two libraries
        raise Invalid(f"expected a regular expression after ^: {error}") from None
    return value


def _create_client(options: dict[str, Any]) -> Consumer:
    return Consumer({"group.id": "check", **options}, logger=LibraryLog())


def _check(params: Mapping[str, Any]) -> None:
    if params["max_poll_interval_seconds"] < params["session_timeout_seconds"]:
        raise Invalid("expected at least session_timeout_seconds", ["max_poll_interval_seconds"])
    for name in ("key_trait", "header_traits"):
        if not params[name]:
            continue
        if params["mapping"]:
            raise Invalid("expected no mapping, which can use keys and headers itself", [name])
        if params["format"] != MessageKind.EVENT:
            raise Invalid("requires format: event", [name])
    traits = [*params["header_traits"], *filter(None, [params["key_trait"]])]
    if len(set(traits)) < len(traits):
        raise Invalid("expected a trait that header_traits does not name", ["key_trait"])


@json_schema(NAME, title="name of a trait")
def _trait(value: Any) -> str:
    if value in REQUIRED_KEYS:
        raise Invalid(f"expected a trait other than {', '.join(REQUIRED_KEYS)}")
    name: str = NAME(value)
    return name


KAFKA_SCHEMA = CheckedSchema(
    {
        **CLIENT_PARAMETERS,
        Required(
            "topics",
            description="topics to consume; an entry that begins with `^` is a regular expression "
            "for names of topics",
        ): All([topic], Length(min=1)),
        Required(
            "group",
            description="consumer group; the processes of a group share the partitions",
        ): NAME,
        Optional(
            "start",
            default="earliest",
            description="where a group without committed offsets starts: `earliest`, or `latest` "
            "to skip the messages that exist at its first start",
        ): In(STARTS),
        Optional(
            "tombstones",
            default="reject",
            description="what happens to messages without a value: `reject` stores them as "
            "rejected messages, `skip` acknowledges them",
        ): In(TOMBSTONES),
        Optional(
            "key_trait",
            default=None,
            description="trait for the key of a message, as text; only for `format: event`. An "
            "event that has the trait keeps its own value",
        ): optional(_trait),
        Optional(
            "header_traits",
            default=dict,
            description="traits for headers, as text: a mapping of traits to names of headers; as "
            "`key_trait`",
        ): {_trait: NAME},
        Optional(
            "assignment",
            default="cooperative-sticky",
            description="how partitions are assigned to the processes of the group; the same for "
            "all of them",
        ): In(ASSIGNMENTS),
        Optional(
            "group_instance_id",
            default=None,
            description="static membership: a name of this process that is unique in the group. "
            "Its partitions are then not reassigned while it restarts within the session timeout",
        ): optional(NAME),
        Optional(
            "session_timeout_seconds",
            default=45,
            description="after this time without a heartbeat, the partitions of a process are "
            "reassigned; brokers accept 6 to 1800 by default",
        ): seconds(1, MAX_SECONDS),
        Optional(
            "max_poll_interval_seconds",
            default=300,
            description="how long the database may take to store a batch, or be unavailable, "
            "before the partitions are reassigned",
        ): seconds(1, 86_400),
        Optional(
            "prefetch",
            default=2000,
            description="number of messages per partition that the client tries to have received "
            "in advance",
        ): whole_number(1, 1_000_000),
        Optional(
            "prefetch_kilobytes",
            default=65_536,
            description="maximum size of the messages received in advance, of all partitions",
        ): whole_number(1, 2_000_000),
        Optional(
            "timeout_seconds",
            default=10,
            description="timeout for connecting; also how long all brokers may be unavailable "
            "before the source fails and is opened again",
        ): seconds(1, MAX_SECONDS),
        Optional(
            "options",
            default=dict,
            description="further settings of librdkafka, such as `fetch.min.bytes`",
        ): client_options(_create_client, OWN_SETTINGS),
        **MESSAGE_PARAMETERS,
    },
    _check,
)


def consumer_settings(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of librdkafka for validated parameters.

    librdkafka commits only offsets that `Consumer.store_offsets` stores: in intervals, before a
    partition is revoked, and when the consumer is closed.
    """
    session_ms = _milliseconds(params["session_timeout_seconds"])
    settings = {
        **DEFAULT_SETTINGS,
        **client_settings(params),
        "group.id": params["group"],
        "enable.auto.commit": True,
        "enable.auto.offset.store": False,
        # also for an offset that the broker has deleted, so that nothing after it is skipped
        "auto.offset.reset": "earliest",
        "partition.assignment.strategy": params["assignment"],
        "session.timeout.ms": session_ms,
        "heartbeat.interval.ms": min(MAX_HEARTBEAT_MS, session_ms // 3),
        "max.poll.interval.ms": _milliseconds(params["max_poll_interval_seconds"]),
        "queued.min.messages": params["prefetch"],
        "queued.max.messages.kbytes": params["prefetch_kilobytes"],
    }
    if params["group_instance_id"] is not None:
        settings["group.instance.id"] = params["group_instance_id"]
    return settings


def _milliseconds(number: float) -> int:
    return round(number * 1000)

"""Parameters of the `kafka` handler, and its settings of librdkafka."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from confluent_kafka import Producer
from voluptuous import Any as AnyOf
from voluptuous import Invalid, Optional, Required, Schema

from winchester_core.interfaces import json_schema
from winchester_core.interfaces.kafka_client import (
    CLIENT_PARAMETERS,
    LibraryLog,
    client_options,
    client_settings,
    topic_name,
)
from winchester_core.interfaces.params import NAME, optional, seconds
from winchester_core.model import storable
from winchester_handlers.event_content import content_parameters

if TYPE_CHECKING:
    from collections.abc import Mapping

OWN_SETTINGS = frozenset(
    (
        "acks",
        "delivery.timeout.ms",
        "enable.idempotence",
        "message.timeout.ms",
        "request.required.acks",
        "topic.metadata.propagation.max.ms",
        "transactional.id",
    )
)
MAX_PROPAGATION_SECONDS = 10.0
"""How long a topic may be unknown, as it is after its creation, before the message is refused."""

HEADER_NAME = re.compile(r"[\x21-\x7e]+")
EFFECT_ID = "winchester-effect-id"
CONTENT_TYPE = "content-type"
CLOUDEVENT_PREFIX = "ce_"


@json_schema(
    type="object", additionalProperties={"type": "string"}, title="mapping of names to values"
)
def headers(value: Any) -> dict[str, str]:
    """Validate additional headers. Headers that the handler itself sets are not allowed."""
    if not isinstance(value, dict):
        raise Invalid("expected a mapping of header names to values")
    for name, text in value.items():
        if not isinstance(name, str) or not HEADER_NAME.fullmatch(name):
            raise Invalid("expected the name of a header: ASCII without spaces", [name])
        if name in (EFFECT_ID, CONTENT_TYPE) or name.startswith(CLOUDEVENT_PREFIX):
            raise Invalid("this header is set by the handler itself", [name])
        if not isinstance(text, str) or storable(text)[1] is not None:
            raise Invalid("expected text without NUL and surrogates", [name])
    return value


@json_schema(AnyOf(NAME, [NAME]))
def _names(value: Any) -> list[str]:
    names: list[str] = Schema([NAME])([value] if isinstance(value, str) else value)
    return names


def _create_client(options: dict[str, Any]) -> Producer:
    return Producer(options, logger=LibraryLog())


KAFKA_SCHEMA = Schema(
    {
        **CLIENT_PARAMETERS,
        Required(
            "topic",
            description="topic to publish to; it must exist, unless the broker creates topics",
        ): topic_name,
        Optional(
            "key",
            default=None,
            description=(
                "name of the trait that is the key of a message, or a list of names: traits of the "
                "event, or with `send: stream` distinguishing traits. Default: all distinguishing "
                "traits, so that the messages of a group keep their order; [] for no key"
            ),
        ): optional(_names),
        **content_parameters("message"),
        Optional(
            "headers", default=dict, description="additional headers; not stored with an effect"
        ): headers,
        Optional(
            "timeout",
            default=30,
            description="timeout in seconds for all messages that are delivered together, "
            "connecting and repeated attempts of the client included",
        ): seconds(1, 3600),
        Optional(
            "options",
            default=dict,
            description="further settings of librdkafka, such as `compression.codec`",
        ): client_options(_create_client, OWN_SETTINGS),
    }
)


def producer_settings(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of librdkafka for validated parameters."""
    timeout_seconds = params["timeout"]
    propagation_seconds = min(MAX_PROPAGATION_SECONDS, timeout_seconds / 2)
    return {
        **client_settings(params),
        "enable.idempotence": True,
        "acks": "all",
        "message.timeout.ms": round(timeout_seconds * 1000),
        "topic.metadata.propagation.max.ms": round(propagation_seconds * 1000),
    }

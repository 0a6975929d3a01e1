"""Durable pull consumers of JetStream: lookup, creation, and errors of their requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from nats.js.errors import APIError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nats.js import JetStreamContext
    from nats.js.api import ConsumerInfo

STREAM_NOT_FOUND = 10059
"""Error code of JetStream."""

DELIVER_POLICIES = {"first": DeliverPolicy.ALL, "new": DeliverPolicy.NEW}

NO_MESSAGES = frozenset({"100", "404", "408"})
"""Statuses of the server: idle heartbeat, no messages, request expired."""
CONFLICT = "409"
PERMANENT_CONFLICTS = ("consumer deleted", "push based", "exceeded maxrequest")


async def find_consumer(jetstream: JetStreamContext, params: Mapping[str, Any]) -> ConsumerInfo:
    """Return the consumer; create it if it is missing and `declare` is true.

    Raises `ValueError` if it is missing or cannot be used, and the errors of nats-py.
    """
    stream, name = params["stream"], params["consumer"]
    try:
        info = await jetstream.consumer_info(stream, name)
    except NotFoundError as error:
        if error.err_code == STREAM_NOT_FOUND:
            raise ValueError(f"no stream {stream!r}") from error
        if not params["declare"]:
            raise ValueError(f"stream {stream!r} has no consumer {name!r}") from error
        info = await jetstream.add_consumer(stream, new_config(params))
    config = info.config
    if config.deliver_subject:
        raise ValueError(f"consumer {name!r} is a push consumer; expected a pull consumer")
    if config.ack_policy != AckPolicy.EXPLICIT:
        raise ValueError(
            f"consumer {name!r} has the ack policy {_value(config.ack_policy)!r}; "
            "expected 'explicit'"
        )
    return info


def new_config(params: Mapping[str, Any]) -> ConsumerConfig:
    """Return the configuration of a new consumer."""
    return ConsumerConfig(
        durable_name=params["consumer"],
        deliver_policy=DELIVER_POLICIES[params["start"]],
        ack_policy=AckPolicy.EXPLICIT,
        ack_wait=params["ack_wait_seconds"],
        max_ack_pending=params["max_ack_pending"],
        filter_subject=params["subject"],
    )


def ack_wait_seconds(config: ConsumerConfig) -> float:
    """Return the shortest time until a message is redelivered."""
    times = [*(config.backoff or ()), *([config.ack_wait] if config.ack_wait else ())]
    return min(times, default=30.0)


def request_subject(params: Mapping[str, Any]) -> str:
    """Return the subject on which a server takes requests for messages."""
    domain = params["domain"]
    prefix = f"$JS.{domain}.API" if domain else "$JS.API"
    return f"{prefix}.CONSUMER.MSG.NEXT.{params['stream']}.{params['consumer']}"


def status_error(status: str, description: str) -> APIError | None:
    """Return the error of a status with which a server ends a request, or None if it may be sent
    again.
    """
    if status in NO_MESSAGES:
        return None
    text = description.lower()
    if status == CONFLICT and not any(each in text for each in PERMANENT_CONFLICTS):
        return None
    code = int(status) if status.isdecimal() else None
    return APIError(code=code, description=description or "the consumer does not respond")


def _value(policy: Any) -> str:
    return str(getattr(policy, "value", policy))

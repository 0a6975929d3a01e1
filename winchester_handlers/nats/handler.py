"""Handler that queues events and publishes them to NATS JetStream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from nats.errors import MaxPayloadError
from nats.js.errors import APIError, NoStreamResponseError

from winchester_core.interfaces import (
    Delivered,
    EventTypePatterns,
    PipelineHandler,
    Refused,
    RetryAfter,
)
from winchester_core.interfaces.nats_client import NATS_ERRORS, NatsConnection
from winchester_handlers.event_content import no_message, payloads
from winchester_handlers.nats.message import build_message
from winchester_handlers.nats.params import NATS_SCHEMA

if TYPE_CHECKING:
    from voluptuous import Schema

    from winchester_core.interfaces import DeliveryOutcome, Effect
    from winchester_core.model import Event

MESSAGE_TOO_LARGE = 10054
"""Error code of JetStream: larger than the stream allows."""


class NatsHandler(PipelineHandler):
    """Publishes each matching event, or the stream, to NATS JetStream; needs the extra `nats`.

    A message counts as delivered when a JetStream stream has acknowledged it. Its header
    `Nats-Msg-Id` is the same at every attempt, so that the server drops repeated messages within
    the deduplication window of the stream.
    """

    example: ClassVar[str] = """
        - name: nats
          params:
            url: nats://nats.example.org:4222
            subject: instances.events
            event_types: compute.instance.*
    """
    config_schema: ClassVar[Schema] = NATS_SCHEMA

    def __init__(self, **params: Any) -> None:
        super().__init__(**self.config_schema(params))
        self._patterns = EventTypePatterns(self.params["event_types"])

    def handle_events(self, events: list[Event], env: dict[str, Any]) -> list[Event]:
        """Queue the matching events, or the stream; return `events` unchanged."""
        for payload in payloads(events, env, self._patterns, self.params["send"]):
            env["outbox"].put(payload)
        return events

    def deliver(self, effects: list[Effect]) -> list[DeliveryOutcome]:
        """Publish the effects in sequence. Each is acknowledged before the next is published.

        If a server is unavailable, the remaining effects are retried later.
        """
        outcomes: list[DeliveryOutcome] = []
        if not effects:
            return outcomes
        try:
            with NatsConnection(self.params, self.params["timeout"]) as connection:
                for effect in effects:
                    outcome = self._publish(connection, effect)
                    outcomes.append(outcome)  # kept if the next effect fails
        except NATS_ERRORS as error:
            outcomes.append(RetryAfter(reason=_error_text(error)))
        untried = RetryAfter(0, "not tried: the server did not take an effect before it")
        return outcomes + [untried] * (len(effects) - len(outcomes))

    def _publish(self, connection: NatsConnection, effect: Effect) -> DeliveryOutcome:
        """Publish one effect. Raises `NATS_ERRORS` if the server is unavailable."""
        subject = self.params["subject"]
        try:
            message = build_message(effect, self.params["format"], self.params["source"])
        except Exception as error:  # noqa: BLE001 - delays this effect alone
            return no_message(error)
        limit = connection.client.max_payload
        if message.size_bytes > limit:
            return Refused(f"the message has {message.size_bytes} bytes, the server takes {limit}")
        try:
            connection.call(
                connection.jetstream.publish(subject, message.body, headers=message.headers)
            )
        except MaxPayloadError:
            return Refused(f"the message is larger than the server takes: {limit} bytes")
        except NoStreamResponseError:
            return RetryAfter(reason=f"no stream stores the subject {subject!r}")
        except APIError as error:
            if error.err_code == MESSAGE_TOO_LARGE:
                return Refused(_error_text(error))
            return RetryAfter(reason=_error_text(error))
        return Delivered()


def _error_text(error: Exception) -> str:
    """Return type and text of an error. Texts of nats-py contain no password."""
    cause = " ".join(str(error).split()) or "no reason given"
    return f"{type(error).__name__}: {cause}"

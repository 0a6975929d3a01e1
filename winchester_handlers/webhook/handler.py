"""Queues what a web service is to be told, and tells it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar

import httpx

from winchester_core.interfaces import EventTypePatterns, PipelineHandler, RetryAfter
from winchester_handlers.http_posting import open_client, post
from winchester_handlers.webhook.answer import outcome
from winchester_handlers.webhook.certificates import tls_context
from winchester_handlers.webhook.message import message
from winchester_handlers.webhook.parameters import WEBHOOK_SCHEMA
from winchester_handlers.webhook.signature import signature_headers

if TYPE_CHECKING:
    from voluptuous import Schema

    from winchester_core.interfaces import DeliveryOutcome, Effect
    from winchester_core.model import Event


class WebhookHandler(PipelineHandler):
    """POSTs each matching event, or the stream as one body, to a URL; needs the extra `http-out`.

    Every request has the header `Idempotency-Key`, which stays the same when it is sent again.
    """

    example: ClassVar[str] = """
        - name: webhook
          params:
            url: https://hooks.example.org/instances
            event_types: [compute.instance.*, '!*.start']
            secret: correct horse
    """
    config_schema: ClassVar[Schema] = WEBHOOK_SCHEMA

    def __init__(self, **params: Any) -> None:
        super().__init__(**self.config_schema(params))
        self._patterns = EventTypePatterns(self.params["event_types"])

    def handle_events(self, events: list[Event], env: dict[str, Any]) -> list[Event]:
        """Queue what is to be sent; return `events` as they are."""
        matching = [event for event in events if self._patterns.matches(event["event_type"])]
        if self.params["send"] == "event":
            for event in matching:
                env["outbox"].put({"event": event})
        elif matching:
            env["outbox"].put({"stream": _stream(matching, env)})
        return events

    def deliver(self, effects: list[Effect]) -> list[DeliveryOutcome]:
        """Send them one after the other.

        When no answer comes to one of them, the rest of this call is put off untried, so that a
        service that is down costs one timeout a call.
        """
        outcomes: list[DeliveryOutcome] = []
        with open_client(self.params["timeout"], tls_context(self.params["tls"])) as client:
            for effect in effects:
                try:
                    outcomes.append(self._send(client, effect))
                except httpx.TransportError as error:
                    outcomes.append(RetryAfter(reason=_described(error)))
                    break
        untried = RetryAfter(0, "not tried: the service did not answer to an effect before it")
        return outcomes + [untried] * (len(effects) - len(outcomes))

    def _send(self, client: httpx.Client, effect: Effect) -> DeliveryOutcome:
        said = message(effect, self.params["format"], self.params["source"])
        now = datetime.now(UTC)
        headers = {**self.params["headers"], **said.headers, "Idempotency-Key": effect.id}
        if self.params["secret"]:
            seconds = int(now.timestamp())
            headers |= signature_headers(self.params["secret"], effect.id, seconds, said.body)
        status, answered = post(client, self.params["url"], said.body, headers)
        return outcome(status, answered, now)


def _stream(events: list[Event], env: dict[str, Any]) -> dict[str, Any]:
    names = ("stream_id", "stream_name", "reason")
    distinguished_by = {name: _plain(value) for name, value in env["distinguished_by"].items()}
    told = {name: env[name] for name in names}
    return {**told, "distinguished_by": distinguished_by, "events": events}


def _plain(value: Any) -> Any:
    """A range of time, which a payload cannot hold, as its two ends."""
    if hasattr(value, "begin"):
        return {"begin": value.begin, "end": value.end}
    return value


def _described(error: httpx.TransportError) -> str:
    cause = str(error) or "no reason given"
    return f"{type(error).__name__}: {cause}"

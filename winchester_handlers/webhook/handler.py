"""Handler that queues events and sends them to a web service."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar

from winchester_core.interfaces import (
    Delivered,
    EventTypePatterns,
    PipelineHandler,
    Refused,
    RetryAfter,
)
from winchester_handlers.event_content import payloads
from winchester_handlers.http_posting import PostingClient, deliver_in_sequence, open_client, post
from winchester_handlers.webhook.message import build_request, signature_headers
from winchester_handlers.webhook.params import WEBHOOK_SCHEMA, tls_context
from winchester_handlers.webhook.text_body import SecretMissing, render_payloads, text_request

if TYPE_CHECKING:
    from collections.abc import Mapping

    from voluptuous import Schema

    from winchester_core.interfaces import DeliveryOutcome, Effect
    from winchester_core.model import Event
    from winchester_handlers.webhook.message import WebhookRequest


class WebhookHandler(PipelineHandler):
    """POSTs each matching event, or the stream as one body, to a URL; needs the extra `http-out`.

    Every request has the header `Idempotency-Key`, which is the same at every attempt.
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
        """Queue the matching events, or the stream; return `events` unchanged."""
        if self.params["body"] is None:
            queued = payloads(events, env, self._patterns, self.params["send"])
        else:
            queued = render_payloads(events, env, self._patterns, self.params)
        for payload in queued:
            env["outbox"].put(payload)
        return events

    def deliver(self, effects: list[Effect]) -> list[DeliveryOutcome]:
        """Send the effects; see `deliver_in_sequence`."""
        with open_client(self.params["timeout"], tls_context(self.params["tls"])) as client:
            return deliver_in_sequence(
                effects,
                lambda effect: self._send(client, effect),
                lambda _effect, reason: RetryAfter(reason=reason),
            )

    def _send(self, client: PostingClient, effect: Effect) -> DeliveryOutcome:
        try:
            request = self._request(effect)
        except SecretMissing as error:
            return RetryAfter(reason=str(error))
        now = datetime.now(UTC)
        headers = {**self.params["headers"], **request.headers, "Idempotency-Key": effect.id}
        if self.params["secret"]:
            seconds = int(now.timestamp())
            headers |= signature_headers(self.params["secret"], effect.id, seconds, request.body)
        url = self.params["url"] + effect.payload.get("path", "")
        status, response_headers = post(client, url, request.body, headers)
        return delivery_outcome(status, response_headers, now)

    def _request(self, effect: Effect) -> WebhookRequest:
        if "body" in effect.payload:
            return text_request(effect, self.params)
        return build_request(effect, self.params["format"], self.params["source"])


CONFLICT = 409
RETRIABLE_STATUSES = frozenset({401, 402, 403, 404, 407, 408, 421, 423, 424, 425, 429})
"""4xx statuses that are temporary or that an operator can fix on either side."""


def delivery_outcome(status: int, headers: Mapping[str, str], now: datetime) -> DeliveryOutcome:
    """Return the outcome for a response. The keys of `headers` are case-insensitive."""
    if 200 <= status < 300 or status == CONFLICT:
        return Delivered()
    reason = f"the service responded with {status_text(status)}"
    if 300 <= status < 400:
        return Refused(f"{reason}: redirects are not followed")
    if status >= 500 or status in RETRIABLE_STATUSES:
        return RetryAfter(retry_after_seconds(headers, now), reason)
    return Refused(reason)


def retry_after_seconds(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return the delay in the header `Retry-After`, which contains seconds or a date.

    A date is relative to the header `Date` of the response, or else to `now`. Returns None if there
    is no valid header.
    """
    retry_after = headers.get("retry-after", "").strip()
    if retry_after.isascii() and retry_after.isdigit():
        return float(min(int(retry_after[:12]), 10**9))
    until = _parse_http_date(retry_after)
    if until is None:
        return None
    since = _parse_http_date(headers.get("date", "")) or now
    return max(0.0, (until - since).total_seconds())


def status_text(status: int) -> str:
    """Return a status with its standard phrase. The phrase sent by the service is not used."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _parse_http_date(text: str) -> datetime | None:
    try:
        parsed = parsedate_to_datetime(text)
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):  # beyond the years 1 to 9999
        return None

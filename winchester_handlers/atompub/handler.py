"""Handler that publishes events to an AtomPub server, with tokens of the identity service."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import httpx

from winchester_core.interfaces import (
    Delivered,
    EventTypePatterns,
    PipelineHandler,
    Refused,
    RetryAfter,
)
from winchester_handlers.atompub.entry import atom_entry
from winchester_handlers.atompub.params import ATOMPUB_SCHEMA
from winchester_handlers.http_posting import PostingClient, open_client, post

if TYPE_CHECKING:
    from voluptuous import Schema

    from winchester_core.interfaces import DeliveryOutcome, Effect
    from winchester_core.model import Event


class AuthenticationFailed(Exception):  # noqa: N818 - a response of the identity service
    """The identity service gives no token; the text is the reason, without its response body."""


@dataclass(frozen=True, slots=True)
class IdentityAccount:
    """Account at an identity service."""

    server: str
    user: str
    key: str = field(repr=False)


class TokenCache:
    """Cache of one token per account, requested on first use. Thread-safe."""

    def __init__(self) -> None:
        self._tokens: dict[IdentityAccount, str] = {}
        self._lock = threading.Lock()

    def token(
        self, account: IdentityAccount, client: PostingClient, refused: str | None = None
    ) -> str:
        """Return the cached token, or request a new one if that is `refused`.

        Raises `AuthenticationFailed`, or `httpx.TransportError` without a response.
        """
        with self._lock:
            cached = self._tokens.get(account)
            if cached is None or cached == refused:
                self._tokens.pop(account, None)
                cached = self._tokens[account] = _request_token(account, client)
            return cached


def _request_token(account: IdentityAccount, client: PostingClient) -> str:
    credentials = {"username": account.user, "apiKey": account.key}
    body = {"auth": {"RAX-KSKEY:apiKeyCredentials": credentials}}
    with client.bounded_request() as extensions:
        response = client.post(account.server, json=body, extensions=extensions)
    if not response.is_success:
        raise AuthenticationFailed(f"the identity service responded with {response.status_code}")
    try:
        token = response.json()["access"]["token"]["id"]
    except (ValueError, KeyError, TypeError):
        token = None
    if not isinstance(token, str) or not token.isascii() or not token.isprintable() or not token:
        raise AuthenticationFailed(
            "the identity service responded without a token (access.token.id)"
        )
    return token


BAD_REQUEST, UNAUTHORIZED, CONFLICT = 400, 401, 409

_tokens = TokenCache()
"""Shared by all handler instances, since each delivery creates a new one."""


class AtomPubHandler(PipelineHandler):
    """Publishes each matching event to an AtomPub server, as an Atom entry; needs `http-out`.

    An entry's id is `urn:uuid:` and the event's `message_id`, by which the server detects
    duplicates.
    """

    example: ClassVar[str] = """
        - name: atompub
          params:
            url: https://feeds.example.org/nova/events
            event_types: compute.instance.exists.verified
            content_format: cuf_xml
            extra_info: {data_center: DFW1, region: DFW}
    """
    config_schema: ClassVar[Schema] = ATOMPUB_SCHEMA

    def __init__(self, **params: Any) -> None:
        super().__init__(**self.config_schema(params))
        self._patterns = EventTypePatterns(self.params["event_types"])
        server, user, key = (self.params[f"auth_{each}"] for each in ("server", "user", "key"))
        self._account = IdentityAccount(server, user, key) if server else None

    def handle_events(self, events: list[Event], env: dict[str, Any]) -> list[Event]:
        """Queue the matching events; return `events` unchanged."""
        for event in events:
            if self._patterns.matches(event["event_type"]):
                env["outbox"].put(event)
        return events

    def deliver(self, effects: list[Effect]) -> list[DeliveryOutcome]:
        """Publish the effects in sequence.

        Without a response or a token, the remaining effects are not tried now, so that an
        unavailable server costs one timeout per call.
        """
        outcomes: list[DeliveryOutcome] = []
        with open_client(self.params["http_timeout"]) as client:
            for effect in effects:
                try:
                    outcomes.append(self._outcome(self._publish(client, effect), effect))
                except httpx.TransportError as error:
                    cause = f"{type(error).__name__}: {str(error) or 'no reason given'}"
                    outcomes.append(self._retry(effect, cause))
                    break
                except AuthenticationFailed as error:
                    outcomes.append(self._retry(effect, str(error)))
                    break
        untried = RetryAfter(0, "not tried: no response to an earlier effect")
        return outcomes + [untried] * (len(effects) - len(outcomes))

    def _publish(self, client: PostingClient, effect: Effect) -> int:
        """Publish one entry; return the HTTP status. A refused token is renewed once."""
        entry = atom_entry(effect.payload, self.params)
        if self._account is None:
            return self._post(client, entry, None)
        token = _tokens.token(self._account, client)
        status = self._post(client, entry, token)
        if status == UNAUTHORIZED:
            token = _tokens.token(self._account, client, refused=token)
            status = self._post(client, entry, token)
        return status

    def _post(self, client: PostingClient, entry: bytes, token: str | None) -> int:
        headers = {"Content-Type": "application/atom+xml"}
        if token is not None:
            headers["X-Auth-Token"] = token
        status, _ = post(client, self.params["url"], entry, headers)
        return status

    def _outcome(self, status: int, effect: Effect) -> DeliveryOutcome:
        if 200 <= status < 300 or status == CONFLICT:
            return Delivered()
        if status == BAD_REQUEST:
            return Refused(f"the server responded with {status}: the entry is invalid")
        return self._retry(effect, f"the server responded with {status}")

    def _retry(self, effect: Effect, reason: str) -> RetryAfter:
        wait_seconds = effect.attempt * self.params["wait_interval"]
        return RetryAfter(min(wait_seconds, self.params["max_wait"]), reason)

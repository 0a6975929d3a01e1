"""Handler that publishes events to an AtomPub server, with tokens of the identity service."""

from __future__ import annotations

import json
import re
import threading
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from winchester_core.interfaces import (
    Delivered,
    EventTypePatterns,
    PipelineHandler,
    Refused,
    RetryAfter,
)
from winchester_handlers.atompub.entry import atom_entry
from winchester_handlers.atompub.params import ATOMPUB_SCHEMA
from winchester_handlers.http_posting import (
    PostingClient,
    ServiceUnavailable,
    deliver_in_sequence,
    open_client,
    post,
    post_and_read,
)

if TYPE_CHECKING:
    from voluptuous import Schema

    from winchester_core.interfaces import DeliveryOutcome, Effect
    from winchester_core.model import Event


class AuthenticationFailed(ServiceUnavailable):
    """The identity service gives no token. The text is the reason, without the response body."""


@dataclass(frozen=True, slots=True)
class IdentityAccount:
    """Account at an identity service."""

    server: str
    user: str
    key: str = field(repr=False)


class TokenCache:
    """Cache with one token per account, which is requested on first use. Thread-safe.

    A slow identity service delays only its own accounts.
    """

    def __init__(self) -> None:
        self._tokens: dict[IdentityAccount, str] = {}
        self._locks: defaultdict[IdentityAccount, threading.Lock] = defaultdict(threading.Lock)
        self._lock = threading.Lock()

    def token(
        self, account: IdentityAccount, client: PostingClient, refused: str | None = None
    ) -> str:
        """Return the cached token, or request a new token if the cached one is `refused`.

        Raises `AuthenticationFailed`, or `httpx.TransportError` if there is no response.
        """
        with self._lock:
            account_lock = self._locks[account]
        with account_lock:
            cached = self._tokens.get(account)
            if cached is None or cached == refused:
                self._tokens.pop(account, None)
                cached = self._tokens[account] = _request_token(account, client)
            return cached


def _request_token(account: IdentityAccount, client: PostingClient) -> str:
    credentials = {"username": account.user, "apiKey": account.key}
    request = json.dumps({"auth": {"RAX-KSKEY:apiKeyCredentials": credentials}}).encode()
    headers = {"Content-Type": "application/json"}
    status, body = post_and_read(client, account.server, request, headers)
    if not 200 <= status < 300:
        raise AuthenticationFailed(f"the identity service responded with {status}")
    try:
        token = json.loads(body)["access"]["token"]["id"]
    except (ValueError, KeyError, TypeError, RecursionError):
        token = None
    if not isinstance(token, str) or not HEADER_TOKEN.fullmatch(token):
        raise AuthenticationFailed(
            "the identity service responded without a token (access.token.id)"
        )
    return token


HEADER_TOKEN = re.compile(r"[!-~]+", re.ASCII)
"""Visible ASCII, the only characters that the header `X-Auth-Token` can contain."""

BAD_REQUEST, UNAUTHORIZED, CONFLICT = 400, 401, 409

_tokens = TokenCache()
"""Shared by all handler instances, because each delivery creates a new instance."""


class AtomPubHandler(PipelineHandler):
    """Publishes each matching event to an AtomPub server, as an Atom entry; needs `http-out`.

    The id of an entry is `urn:uuid:` and the event's `message_id`. The server detects duplicates by
    this id.
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
        """Publish the effects; see `deliver_in_sequence`. Without a token, the sequence ends."""
        with open_client(self.params["http_timeout"]) as client:
            return deliver_in_sequence(
                effects,
                lambda effect: self._outcome(self._publish(client, effect), effect),
                self._retry,
            )

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

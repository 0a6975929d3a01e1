"""Responses to senders, and the circuit breaker of the readiness endpoint."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class ItemState(StrEnum):
    """Outcome of an item in a response: an outcome of ingest, or `UNAVAILABLE` if there is none.

    `REJECTED` is an invalid item that is stored as a rejected message.
    """

    STORED = "stored"
    DUPLICATE = "duplicate"
    DROPPED = "dropped"
    INVALID = "invalid"
    REJECTED = "rejected"
    UNAVAILABLE = "unavailable"


class ItemResult(NamedTuple):
    """Result of one item. `reason` is why it was not stored."""

    state: ItemState
    message_id: str | None = None
    reason: str | None = None


RETRY_SECONDS: Final = 5
"""Retry-After when the database is unavailable or the process is shutting down."""

BUSY_RETRY_SECONDS: Final = 1
"""Retry-After when too many requests are in progress."""

EMPTY_TYPE: Final = "text/plain"
"""Content type of a response without a document."""

ACCEPTED_STATES: Final = frozenset((ItemState.STORED, ItemState.DUPLICATE, ItemState.DROPPED))


@dataclass(frozen=True, slots=True)
class JsonResponse:
    """A response: status, document for JSON (None: empty text), and additional headers."""

    status: HTTPStatus
    document: Mapping[str, Any] | None
    headers: Mapping[str, str] = field(default_factory=dict)


class RequestRejected(Exception):  # noqa: N818 - a response, not an error of the program
    """The items of a request are not processed, and the client gets `response`."""

    def __init__(self, status: HTTPStatus, error: str, **headers: str) -> None:
        header_names = {name.replace("_", "-"): value for name, value in headers.items()}
        self.response = JsonResponse(status, {"error": error}, header_names)
        super().__init__(error)


def unavailable(error: str) -> RequestRejected:
    """Return a rejection with status 503."""
    return RequestRejected(HTTPStatus.SERVICE_UNAVAILABLE, error, retry_after=str(RETRY_SECONDS))


def make_response(results: Sequence[ItemResult]) -> JsonResponse:
    """Return the response to a request with these results.

    202 if all items are accepted, 200 if some are; otherwise 503 if any is worth a retry, else 400.
    """
    document = result_document(results)
    states = {result.state for result in results}
    if states <= ACCEPTED_STATES:
        return JsonResponse(HTTPStatus.ACCEPTED, document)
    if states & ACCEPTED_STATES:
        return JsonResponse(HTTPStatus.OK, document)
    if ItemState.UNAVAILABLE in states:
        document = {"error": "not known to be stored; send all items again", **document}
        headers = {"retry-after": str(RETRY_SECONDS)}
        return JsonResponse(HTTPStatus.SERVICE_UNAVAILABLE, document, headers)
    return JsonResponse(HTTPStatus.BAD_REQUEST, {"error": "no item is valid", **document})


def result_document(results: Sequence[ItemResult]) -> dict[str, Any]:
    """Return the document with the results of a request, in its order."""
    return {"results": [_document(result) for result in results]}


def _document(result: ItemResult) -> dict[str, str]:
    fields = zip(("outcome", "message_id", "reason"), result, strict=True)
    return {name: value for name, value in fields if value is not None}


class CircuitBreaker:
    """Opens for `RETRY_SECONDS` if an item cannot be stored; a stored item closes it.

    It closes by itself, because senders that wait for readiness send no requests.
    """

    def __init__(self) -> None:
        self._open_until = 0.0

    @property
    def is_closed(self) -> bool:
        """Return whether storing is likely to succeed. Use in the event loop, like `record`."""
        return asyncio.get_running_loop().time() >= self._open_until

    def record(self, results: Sequence[ItemResult]) -> None:
        """Open or close according to the results of a request."""
        if any(result.state is ItemState.UNAVAILABLE for result in results):
            self._open_until = asyncio.get_running_loop().time() + RETRY_SECONDS
        elif any(result.state is ItemState.STORED for result in results):
            self._open_until = 0.0


# Permission for senders, by the abuse protection of CloudEvents' web hooks 1.0.2, section 4.

REQUEST_ORIGIN: Final = "webhook-request-origin"
ALLOWED_ORIGIN: Final = "webhook-allowed-origin"
ALLOWED_RATE: Final = "webhook-allowed-rate"
ANY: Final = "*"


@dataclass(frozen=True, slots=True)
class WebhookPermission:
    """Origins that may send (or `ANY`), and the announced requests per minute (None: any)."""

    webhook_origins: tuple[str, ...]
    webhook_rate: int | None

    @property
    def is_enabled(self) -> bool:
        """Return whether any origin is allowed."""
        return bool(self.webhook_origins)

    def respond(self, headers: Mapping[str, str], methods: str) -> JsonResponse:
        """Respond to an OPTIONS request. Raises `RequestRejected` for an origin without permission.

        If a request has no origin, it only asks for the allowed methods.
        """
        origin = headers.get(REQUEST_ORIGIN)
        if origin is None:
            return JsonResponse(HTTPStatus.OK, {"status": "ok"}, {"allow": methods})
        allowed = {each.lower() for each in self.webhook_origins}
        if ANY not in allowed and origin.strip().lower() not in allowed:
            raise RequestRejected(
                HTTPStatus.FORBIDDEN, f"{REQUEST_ORIGIN}: not allowed", allow=methods
            )
        permission = {
            "allow": methods,
            ALLOWED_ORIGIN: origin.strip(),
            ALLOWED_RATE: ANY if self.webhook_rate is None else str(self.webhook_rate),
        }
        return JsonResponse(HTTPStatus.OK, {"status": "ok"}, permission)

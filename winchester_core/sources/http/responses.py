"""Responses to senders, from the results of the items; circuit breaker of readiness."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class ItemState(StrEnum):
    """What a sender is told of an item: the outcomes of ingest, and that there was none."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    DROPPED = "dropped"
    INVALID = "invalid"
    UNAVAILABLE = "unavailable"


class ItemResult(NamedTuple):
    """What became of one item; `reason` says why it was not stored."""

    state: ItemState
    message_id: str | None = None
    reason: str | None = None


RETRY_SECONDS: Final = 5
"""After how long it is worth trying again when the database is away or the process ends."""

BUSY_RETRY_SECONDS: Final = 1
"""The same when too many requests are in hand."""

ACCEPTED_STATES: Final = frozenset((ItemState.STORED, ItemState.DUPLICATE, ItemState.DROPPED))


@dataclass(frozen=True, slots=True)
class JsonResponse:
    """A status, a document that goes as JSON, and headers of this answer alone."""

    status: HTTPStatus
    document: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)


class RequestRejected(Exception):  # noqa: N818 - an answer, not a fault
    """A request that is answered without a look at its items."""

    def __init__(self, status: HTTPStatus, error: str, **headers: str) -> None:
        header_names = {name.replace("_", "-"): value for name, value in headers.items()}
        self.response = JsonResponse(status, {"error": error}, header_names)
        super().__init__(error)


def unavailable(error: str) -> RequestRejected:
    """Nothing is taken in for now."""
    return RequestRejected(HTTPStatus.SERVICE_UNAVAILABLE, error, retry_after=str(RETRY_SECONDS))


def make_response(results: Sequence[ItemResult]) -> JsonResponse:
    """All accepted is 202, some is 200; of none, 400 says that all were bad, 503 to try again."""
    document: dict[str, Any] = {"results": [_document(result) for result in results]}
    states = {result.state for result in results}
    if states <= ACCEPTED_STATES:
        return JsonResponse(HTTPStatus.ACCEPTED, document)
    if states & ACCEPTED_STATES:
        return JsonResponse(HTTPStatus.OK, document)
    if ItemState.UNAVAILABLE in states:
        document = {"error": "nothing is known to be stored; send it again", **document}
        headers = {"retry-after": str(RETRY_SECONDS)}
        return JsonResponse(HTTPStatus.SERVICE_UNAVAILABLE, document, headers)
    return JsonResponse(HTTPStatus.BAD_REQUEST, {"error": "no item is good", **document})


def _document(result: ItemResult) -> dict[str, str]:
    fields = zip(("outcome", "message_id", "reason"), result, strict=True)
    return {name: value for name, value in fields if value is not None}


class CircuitBreaker:
    """Away for some seconds after an item could not be stored, unless one was since.

    It comes back by itself, because whoever waits until it is ready sends nothing meanwhile that
    it could learn from.
    """

    def __init__(self) -> None:
        self._open_until = 0.0

    @property
    def is_closed(self) -> bool:
        """Whether what is sent now may be stored. Within the server's loop, as `record`."""
        return asyncio.get_running_loop().time() >= self._open_until

    def record(self, results: Sequence[ItemResult]) -> None:
        """Draw the conclusion of a request."""
        if any(result.state is ItemState.UNAVAILABLE for result in results):
            self._open_until = asyncio.get_running_loop().time() + RETRY_SECONDS
        elif any(result.state is ItemState.STORED for result in results):
            self._open_until = 0.0


# Pending requests with the results of their items, and the inbox between the threads.

"""What a sender is answered: a pure function of what became of each item."""

from __future__ import annotations

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from winchester_core.sources.http.submission import ItemState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from winchester_core.sources.http.submission import ItemResult

AWAY_SECONDS: Final = 5
"""After how long it is worth trying again when the database is away or the process ends."""

BUSY_SECONDS: Final = 1
"""The same when too many requests are in hand."""

ACCEPTED: Final = frozenset((ItemState.STORED, ItemState.DUPLICATE, ItemState.DROPPED))


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, a document that goes as JSON, and headers of this answer alone."""

    status: HTTPStatus
    document: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)


class Refusal(Exception):  # noqa: N818 - an answer, not a fault
    """A request that is answered without a look at its items."""

    def __init__(self, status: HTTPStatus, error: str, **headers: str) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answer = Answer(status, {"error": error}, named)
        super().__init__(error)


def unavailable(error: str) -> Refusal:
    """Nothing is taken in for now."""
    return Refusal(HTTPStatus.SERVICE_UNAVAILABLE, error, retry_after=str(AWAY_SECONDS))


def answer_for(results: Sequence[ItemResult]) -> Answer:
    """All accepted is 202, some is 200; of none, 400 says that all were bad, 503 to try again."""
    document: dict[str, Any] = {"results": [_document(result) for result in results]}
    states = {result.state for result in results}
    if states <= ACCEPTED:
        return Answer(HTTPStatus.ACCEPTED, document)
    if states & ACCEPTED:
        return Answer(HTTPStatus.OK, document)
    if ItemState.UNAVAILABLE in states:
        document = {"error": "nothing is known to be stored; send it again", **document}
        headers = {"retry-after": str(AWAY_SECONDS)}
        return Answer(HTTPStatus.SERVICE_UNAVAILABLE, document, headers)
    return Answer(HTTPStatus.BAD_REQUEST, {"error": "no item is good", **document})


def _document(result: ItemResult) -> dict[str, str]:
    fields = zip(("outcome", "message_id", "reason"), result, strict=True)
    return {name: value for name, value in fields if value is not None}

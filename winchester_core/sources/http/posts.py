"""What a request holds, and how each path makes messages of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from winchester_core.errors import InvalidEvent
from winchester_core.model import Message, MessageKind
from winchester_core.sources.http import cloudevents
from winchester_core.sources.http.answer import Refusal
from winchester_core.sources.http.json_text import read_json

if TYPE_CHECKING:
    from collections.abc import Callable

EVENTS: Final = "/v1/events"
NOTIFICATIONS: Final = "/v1/notifications"
CLOUDEVENTS: Final = "/v1/cloudevents"
JSON: Final = "application/json"


@dataclass(frozen=True, slots=True)
class Post:
    """A request as it came: header names in lower case, the media type without its parameters."""

    path: str
    headers: Mapping[str, str]
    body: bytes
    sender: str = ""

    @property
    def media_type(self) -> str:
        """The type of the body; empty if none is given."""
        return _media_type(self.headers)


def check_type(path: str, headers: Mapping[str, str]) -> None:
    """Raise `Refusal` for a body of a type that `path` does not take.

    That `application/json` is wanted also keeps web pages from sending in a browser's name.
    """
    if "content-encoding" in headers:
        raise Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "a compressed body is not read")
    if path == CLOUDEVENTS and _is_binary_mode(headers):
        return
    taken = TYPES[path]
    if _media_type(headers) not in taken:
        raise Refusal(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"content-type must be {' or '.join(taken)}"
        )


def messages_of(post: Post, datetime_traits: tuple[str, ...], max_items: int) -> list[Message]:
    """Return a message for each item of a request; one that is none has a fault.

    Raises `Refusal` for what cannot be taken apart, or holds more than `max_items`.
    """
    items = _items(post)
    if len(items) > max_items:
        raise Refusal(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"{len(items)} items; at most {max_items} are taken in one request",
        )
    read, kind = READERS[post.path]
    return [
        _message(item, read, kind, f"{post.sender} {post.path} item {number}", datetime_traits)
        for number, item in enumerate(items, 1)
    ]


def _items(post: Post) -> list[Any]:
    try:
        if post.path == CLOUDEVENTS and _is_binary_mode(post.headers):
            return [cloudevents.envelope_of(post.headers, post.media_type, post.body)]
        document = read_json(post.body)
    except ValueError as error:
        raise Refusal(HTTPStatus.BAD_REQUEST, f"the body {error}") from None
    if post.path != CLOUDEVENTS:
        return document if isinstance(document, list) else [document]
    if post.media_type == cloudevents.STRUCTURED:
        return [document]
    if isinstance(document, list):
        return document
    raise Refusal(HTTPStatus.BAD_REQUEST, "the body must be an array of CloudEvents")


def _message(
    item: Any,
    read: Callable[[Mapping[str, Any]], Mapping[str, Any]],
    kind: MessageKind,
    received_from: str,
    datetime_traits: tuple[str, ...],
) -> Message:
    body: Mapping[str, Any] = {}
    fault = None
    try:
        if not isinstance(item, Mapping):
            raise InvalidEvent("item", f"must be a JSON object, not {type(item).__name__}")
        body = read(item)
    except InvalidEvent as invalid:
        fault = str(invalid)
    return Message(
        body=body,
        kind=kind,
        received_from=received_from,
        datetime_traits=datetime_traits,
        fault=fault,
    )


def _media_type(headers: Mapping[str, str]) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def _is_binary_mode(headers: Mapping[str, str]) -> bool:
    """As the HTTP binding has it (3): a type that begins with application/cloudevents is not."""
    return f"{cloudevents.HEADER_PREFIX}specversion" in headers and not headers.get(
        "content-type", ""
    ).lower().startswith("application/cloudevents")


def _as_it_is(item: Mapping[str, Any]) -> Mapping[str, Any]:
    return item


TYPES: Final[Mapping[str, tuple[str, ...]]] = {
    EVENTS: (JSON,),
    NOTIFICATIONS: (JSON,),
    CLOUDEVENTS: (cloudevents.STRUCTURED, cloudevents.BATCH),
}
"""The types of body that each path takes; CloudEvents in binary mode, any."""

READERS: Final = {
    EVENTS: (_as_it_is, MessageKind.EVENT),
    NOTIFICATIONS: (_as_it_is, MessageKind.NOTIFICATION),
    CLOUDEVENTS: (cloudevents.event_of, MessageKind.EVENT),
}

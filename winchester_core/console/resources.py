"""Kinds of stored objects that the pages and the API list: parameters, reading, and JSON form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from winchester_core.console import parameters
from winchester_core.inspection.streams import describe_stream, flat_stream
from winchester_core.inspection.values import flat_object
from winchester_core.masking import masked_body, masked_context
from winchester_core.model.json import flat_event
from winchester_core.storage.effect_records import EffectFilter
from winchester_core.storage.filters import EventFilter, RejectedFilter, StreamFilter
from winchester_core.storage.operation_records import ActionFilter

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from winchester_core.console.identity import Identity
    from winchester_core.console.parameters import QueryParameter
    from winchester_core.console.site import Site

MAX_LISTED_TEXT: Final = 2_048
"""Maximum length of a text in a list, in characters."""

REJECTED_PATHS: Final = "id source kind received_at body_length digest reason"
EFFECT_PATHS: Final = (
    "id effect_id state endpoint.pipeline endpoint.handler endpoint.place stream_id stream_name "
    "attempts created_at waiting_since due_at worker last_error"
)
ACTION_PATHS: Final = "id performed_at name role address action target number"


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind of stored objects.

    `name` is their name in paths, `schema_name` that of their JSON Schema. `page_method` is the
    store's method that reads a page of them, `ids_method` the one that reads only their ids; it is
    empty if there are no actions by filter. `to_json` returns one as JSON values; in a list, its
    texts are cut. `get` reads one by the id in a path. Objects are ordered by id, or with
    ``by=timestamp`` by a timestamp and then by id if `has_timestamp_order`.
    """

    name: str
    plural: str
    schema_name: str
    filter_type: Callable[..., Any]
    parameters: Sequence[QueryParameter]
    page_method: str
    to_json: Callable[[Any], dict[str, Any]]
    get: Callable[[Site, Identity, str], dict[str, Any]] | None = None
    has_timestamp_order: bool = False
    ids_method: str = ""


def cut_texts(value: Any) -> Any:
    """Return JSON values with long texts cut to `MAX_LISTED_TEXT` characters."""
    if isinstance(value, str):
        if len(value) <= MAX_LISTED_TEXT:
            return value
        return f"{value[:MAX_LISTED_TEXT]}... ({len(value)} characters)"
    if isinstance(value, dict):
        return {key: cut_texts(item) for key, item in value.items()}
    return [cut_texts(item) for item in value] if isinstance(value, list) else value


def stream_document(site: Site, _identity: Identity, text: str) -> dict[str, Any]:
    """Return the stream with the id in `text`. Raises `UnknownStream`, `UsageError`."""
    stream = site.store.get_stream_by_id(parameters.parse_id(text, "stream"))
    return describe_stream(
        stream,
        site.definitions.get(stream.name),
        now=site.current_time(),
        real_now=site.store.real_time(),
    )


def event_document(site: Site, _identity: Identity, message_id: str) -> dict[str, Any]:
    """Return the event with this message id. Raises `UnknownEvent`."""
    return flat_event(site.store.get_event_by_message_id(message_id))


def rejected_document(site: Site, identity: Identity, text: str) -> dict[str, Any]:
    """Return the rejected message with the id in `text`, its body masked.

    Masking of text that is no JSON is less reliable, so only operators get it; others get None.
    Raises `UnknownRejectedMessage`, `UsageError`.
    """
    message = site.store.get_rejected(parameters.parse_id(text, "rejected message"))
    body = masked_body(message.body)
    return {
        **flat_object(message, REJECTED_PATHS),
        "body_kept": len(message.body),
        "context": None if message.context is None else masked_context(message.context),
        "body": None if isinstance(body, str) and not identity.may_act else body,
    }


def effect_document(site: Site, _identity: Identity, text: str) -> dict[str, Any]:
    """Return the effect with the id in `text`, its payload masked.

    Raises `UnknownEffect`, `UsageError`.
    """
    effect = site.store.get_effect(parameters.parse_id(text, "effect"))
    return {**flat_object(effect, EFFECT_PATHS), "payload": masked_body(effect.payload.encode())}


STREAMS: Final = Resource(
    "streams",
    "streams",
    "StreamInList",
    StreamFilter,
    parameters.STREAM_PARAMETERS,
    "page_of_streams",
    flat_stream,
    stream_document,
    ids_method="page_of_stream_ids",
)
EVENTS: Final = Resource(
    "events",
    "events",
    "Event",
    EventFilter,
    parameters.EVENT_PARAMETERS,
    "page_of_events",
    flat_event,
    event_document,
    has_timestamp_order=True,
)
REJECTED: Final = Resource(
    "rejected",
    "rejected messages",
    "RejectedInList",
    RejectedFilter,
    parameters.REJECTED_PARAMETERS,
    "page_of_rejected",
    lambda record: flat_object(record, REJECTED_PATHS),
    rejected_document,
    ids_method="page_of_rejected_ids",
)
OUTBOX: Final = Resource(
    "outbox",
    "effects",
    "EffectInList",
    EffectFilter,
    parameters.EFFECT_PARAMETERS,
    "page_of_effects",
    lambda record: flat_object(record, EFFECT_PATHS),
    effect_document,
    ids_method="page_of_effect_ids",
)
ACTIONS: Final = Resource(
    "actions",
    "actions of operators",
    "ActionInList",
    ActionFilter,
    parameters.ACTION_PARAMETERS,
    "page_of_actions",
    lambda record: flat_object(record, ACTION_PATHS),
)
RESOURCES: Final[Mapping[str, Resource]] = {
    each.name: each for each in (STREAMS, EVENTS, REJECTED, OUTBOX, ACTIONS)
}

"""OpenAPI document of the API, generated from the constants that the application uses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from winchester_core.model import MAX_NAME_LENGTH
from winchester_core.sources.http import cloudevents
from winchester_core.sources.http.parsers import JSON_TYPE, NDJSON_TYPE
from winchester_core.sources.http.paths import (
    CLOUDEVENTS,
    EVENTS,
    LIVE,
    NOTIFICATIONS,
    OPENAPI,
    READY,
)
from winchester_core.sources.http.responses import (
    BUSY_RETRY_SECONDS,
    EMPTY_TYPE,
    RETRY_SECONDS,
    ItemState,
)
from winchester_core.sources.http.webhooks import CONTENT_TYPES as WEBHOOK_TYPES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from winchester_core.sources.http.params import RequestLimits
    from winchester_core.sources.http.responses import WebhookPermission
    from winchester_core.sources.http.webhooks import WebhookPath

RESPONSES: Final = {
    "200": "Some items are stored, others are not; see the results. Send again only the items "
    "that are '{ItemState.UNAVAILABLE}'; items that are '{ItemState.INVALID}' stay invalid.",
    "202": "All items are stored. Duplicates count as stored, as do notifications that no event "
    "definition matches.",
    "400": "Nothing is stored, and a retry will not help: the body is not valid JSON, or no item "
    "is valid.",
    "401": "The token is missing or wrong.",
    "408": "The body was not received in time.",
    "413": "The body is too large, or has too many items.",
    "415": "The content type or the content encoding is not supported (Accept-Encoding).",
    "429": f"Too many concurrent requests: retry after {BUSY_RETRY_SECONDS} s (Retry-After).",
    "503": "Nothing is known to be stored, because the database is unavailable or the process is "
    f"shutting down: retry after {RETRY_SECONDS} s (Retry-After) with the same ids, which prevents "
    "duplicates.",
}
WEBHOOK_RESPONSES: Final = {
    "200": "All messages are stored, or it was a handshake. A form gets an empty response.",
    "202": "Some messages are invalid and are stored as rejected messages; the others are stored. "
    "A retry will not help. A form gets an empty response.",
    "400": "The body is incomplete, or not compressed as its headers say.",
    "401": "The token or the signature is missing or wrong, or the timestamp is too old.",
    "503": "Not all messages are known to be stored, because the database is unavailable or the "
    f"process is shutting down: retry after {RETRY_SECONDS} s (Retry-After).",
}
"""Responses of configured paths that differ from `RESPONSES`."""

STATUSES_WITH_RESULTS: Final = ("200", "202", "400", "503")
RETRIABLE_STATUSES: Final = ("429", "503")


def openapi_document(
    limits: RequestLimits,
    webhooks: WebhookPermission,
    paths: Sequence[WebhookPath] = (),
    *,
    has_token: bool,
) -> dict[str, Any]:
    """Return the OpenAPI document of a server with these limits and configured paths."""
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": "Winchester",
            "version": "1",
            "description": "Accepts events, notifications and CloudEvents, and responds once they "
            f"are stored. A body has at most {limits.max_body_bytes} bytes, and at most "
            f"{limits.max_decompressed_bytes} when decompressed (gzip, deflate).",
        },
        "paths": {
            EVENTS: _post("Store events", _json_of("Event", limits), has_token=has_token),
            NOTIFICATIONS: _post(
                "Distil notifications and store their events",
                _json_of("Notification", limits),
                has_token=has_token,
            ),
            CLOUDEVENTS: _cloudevents(limits, has_token=has_token),
            LIVE: _get("Liveness: the process serves requests", "Health"),
            READY: _get("Readiness: items can be stored", "Health", may_be_unavailable=True),
            OPENAPI: _get("This OpenAPI document", "Description"),
        },
        "components": {"schemas": SCHEMAS},
    }
    schemes = {"token": TOKEN_SCHEME} if has_token else {}
    for webhook in paths:
        schemes |= webhook_security(webhook)
        document["paths"][webhook.path] = webhook_operations(webhook)
    if webhooks.is_enabled:
        for path in (EVENTS, NOTIFICATIONS, CLOUDEVENTS, *(each.path for each in paths)):
            document["paths"][path]["options"] = HANDSHAKE
    if schemes:
        document["components"]["securitySchemes"] = schemes
    return document


TOKEN_SCHEME: Final = {"type": "http", "scheme": "bearer"}


def webhook_security(webhook: WebhookPath) -> dict[str, Any]:
    """Return the security schemes of a path by name."""
    schemes: dict[str, Any] = {} if webhook.token is None else {"token": TOKEN_SCHEME}
    for name in sorted(webhook.signature_headers):
        schemes[name] = {"type": "apiKey", "in": "header", "name": name}
    return schemes


def webhook_operations(webhook: WebhookPath) -> dict[str, Any]:
    """Return the operations of a path: POST, and GET for services that ask whether it exists."""
    schemes = webhook_security(webhook)
    responses = {
        status: _response(status, text)
        for status, text in (RESPONSES | WEBHOOK_RESPONSES).items()
        if schemes or status != "401"
    }
    for status in ("200", "202"):
        responses[status]["content"][EMPTY_TYPE] = {"schema": {"type": "string", "maxLength": 0}}
    types = WEBHOOK_TYPES if schemes else WEBHOOK_TYPES[:2]
    operation: dict[str, Any] = {
        "summary": "Store the messages of a webhook",
        "description": f"A body has at most {webhook.limits.max_body_bytes} bytes, and at most "
        f"{webhook.limits.max_decompressed_bytes} when decompressed.",
        "requestBody": {"required": True, "content": {each: {"schema": {}} for each in types}},
        "responses": responses,
    }
    if schemes:
        operation["security"] = [{name: [] for name in schemes}]
    return {"post": operation, **_get("Existence of the path", "Health")}


def _post(summary: str, content: Mapping[str, Any], *, has_token: bool) -> dict[str, Any]:
    responses = {
        status: _response(status, text)
        for status, text in RESPONSES.items()
        if has_token or status != "401"
    }
    operation: dict[str, Any] = {
        "summary": summary,
        "requestBody": {"required": True, "content": content},
        "responses": responses,
    }
    if has_token:
        operation["security"] = [{"token": []}]
    return {"post": operation}


def _cloudevents(limits: RequestLimits, *, has_token: bool) -> dict[str, Any]:
    content = {
        cloudevents.CLOUDEVENT_TYPE: {"schema": _ref("CloudEvent")},
        cloudevents.CLOUDEVENT_BATCH_TYPE: {"schema": _array_of("CloudEvent", limits)},
        "*/*": {"schema": {"description": "The data of a CloudEvent in binary mode."}},
    }
    path = _post("Store CloudEvents 1.0, in any content mode", content, has_token=has_token)
    path["post"]["parameters"] = [
        {
            "name": cloudevents.CLOUDEVENT_HEADER_PREFIX + name,
            "in": "header",
            "required": False,
            "description": f"Binary mode: {text}, percent-encoded.",
            "schema": {"type": "string"},
        }
        for name, text in CLOUDEVENT_ATTRIBUTES.items()
    ]
    return path


def _get(summary: str, schema: str, *, may_be_unavailable: bool = False) -> dict[str, Any]:
    responses = {"200": {"description": "OK", "content": {JSON_TYPE: {"schema": _ref(schema)}}}}
    if may_be_unavailable:
        responses["503"] = _response(
            "503", "Not ready: the database is unavailable, or the process is shutting down."
        )
    return {"get": {"summary": summary, "responses": responses}}


def _response(status: str, description: str) -> dict[str, Any]:
    schema = "Results" if status in STATUSES_WITH_RESULTS else "Error"
    response: dict[str, Any] = {
        "description": description,
        "content": {JSON_TYPE: {"schema": _ref(schema)}},
    }
    if status in RETRIABLE_STATUSES:
        response["headers"] = {"Retry-After": {"schema": {"type": "string"}, "required": True}}
    return response


def _json_of(schema: str, limits: RequestLimits) -> dict[str, Any]:
    return {
        JSON_TYPE: {"schema": {"oneOf": [_ref(schema), _array_of(schema, limits)]}},
        NDJSON_TYPE: {"schema": {"description": f"One {schema} per line."}},
    }


def _array_of(schema: str, limits: RequestLimits) -> dict[str, Any]:
    return {"type": "array", "maxItems": limits.max_items, "items": _ref(schema)}


def _ref(schema: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{schema}"}


NAME: Final = {"type": "string", "minLength": 1, "maxLength": MAX_NAME_LENGTH}
TEXT: Final = {"type": "string", "minLength": 1}
DATE_TIME: Final = {"type": "string", "format": "date-time"}

HANDSHAKE: Final[Mapping[str, Any]] = {
    "summary": "Ask for permission to send events (the handshake of CloudEvents web hooks)",
    "parameters": [
        {
            "name": "WebHook-Request-Origin",
            "in": "header",
            "required": False,
            "schema": {"type": "string"},
        }
    ],
    "responses": {
        "200": {
            "description": "The origin may send, if the response has WebHook-Allowed-Origin.",
            "content": {JSON_TYPE: {"schema": _ref("Health")}},
        },
        "403": _response("403", "The origin has no permission."),
    },
}

CLOUDEVENT_ATTRIBUTES: Final = {
    "specversion": f"always {cloudevents.CLOUDEVENTS_VERSION}",
    "id": "identifies the event within its source",
    "source": "where it happened, a URI reference",
    "type": "what happened",
    "time": "when it happened; required by Winchester",
}

SCHEMAS: Final[Mapping[str, Any]] = {
    "Event": {
        "type": "object",
        "description": "A flat object; values other than strings, numbers and booleans are "
        "dropped.",
        "required": ["message_id", "event_type", "timestamp"],
        "properties": {"message_id": NAME, "event_type": NAME, "timestamp": DATE_TIME},
    },
    "Notification": {
        "type": "object",
        "description": "An OpenStack notification, which may be in an oslo.messaging envelope.",
    },
    "CloudEvent": {
        "type": "object",
        "required": list(CLOUDEVENT_ATTRIBUTES),
        "properties": {
            "specversion": {"const": cloudevents.CLOUDEVENTS_VERSION},
            "id": TEXT,
            "source": {**TEXT, "format": "uri-reference"},
            "type": NAME,
            "time": DATE_TIME,
            "data": {"description": "Members of an object are traits."},
        },
    },
    "Results": {
        "type": "object",
        "properties": {
            "error": {"type": "string"},
            "results": {
                "type": "array",
                "description": "One result per item, in order.",
                "items": {
                    "type": "object",
                    "required": ["outcome"],
                    "properties": {
                        "outcome": {"enum": [state.value for state in ItemState]},
                        "message_id": {"type": "string"},
                        "reason": {"type": "string"},
                    },
                },
            },
        },
    },
    "Error": {
        "type": "object",
        "required": ["error"],
        "properties": {"error": {"type": "string"}},
    },
    "Health": {"type": "object", "properties": {"status": {"const": "ok"}}, "required": ["status"]},
    "Description": {"type": "object", "required": ["openapi"]},
}

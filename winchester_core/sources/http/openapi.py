"""The OpenAPI description of what is served, made from the constants that serve it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from winchester_core.model import MAX_NAME_LENGTH
from winchester_core.sources.http import parsers
from winchester_core.sources.http.parsers import CLOUDEVENTS, EVENTS, JSON_TYPE, NOTIFICATIONS
from winchester_core.sources.http.responses import BUSY_RETRY_SECONDS, RETRY_SECONDS, ItemState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from winchester_core.sources.http.params import RequestLimits

LIVE: Final = "/healthz/live"
READY: Final = "/healthz/ready"
OPENAPI: Final = "/openapi.json"

RESPONSES: Final = {
    "200": "Some items are stored, others are not: each has its result. Send again those that are "
    f"'{ItemState.UNAVAILABLE}', not those that are '{ItemState.INVALID}'.",
    "202": "All items are stored. One that was known already counts as stored, as does a "
    "notification that no definition covers.",
    "400": "Nothing is stored, and sending it again will not help: the body is no JSON, or no item "
    "is good.",
    "401": "The token is missing or wrong.",
    "408": "The body did not come in time.",
    "413": "The body, or the number of items, is beyond its limit.",
    "415": "A body of this type, or compressed, is not read.",
    "429": f"Too many requests are in hand: try again after {BUSY_RETRY_SECONDS} s (Retry-After).",
    "503": "Nothing is known to be stored, because the database is away or the process ends: try "
    f"again after {RETRY_SECONDS} s (Retry-After), with the same ids, so that nothing is doubled.",
}
STATUSES_WITH_RESULTS: Final = ("200", "202", "400", "503")
RETRIABLE_STATUSES: Final = ("429", "503")


def openapi_document(limits: RequestLimits, *, has_token: bool) -> dict[str, Any]:
    """The description of a server with these limits."""
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": "Winchester",
            "version": "1",
            "description": "Takes events, notifications and CloudEvents, and answers once they "
            f"are stored. A body has at most {limits.max_body_bytes} bytes.",
        },
        "paths": {
            EVENTS: _post("Store events", _json_of("Event", limits), has_token=has_token),
            NOTIFICATIONS: _post(
                "Distil notifications and store their events",
                _json_of("Notification", limits),
                has_token=has_token,
            ),
            CLOUDEVENTS: _cloudevents(limits, has_token=has_token),
            LIVE: _get("Whether the process serves", "Health"),
            READY: _get("Whether what is sent now may be stored", "Health", may_be_away=True),
            OPENAPI: _get("This description", "Description"),
        },
        "components": {"schemas": SCHEMAS},
    }
    if has_token:
        document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    return document


def _post(summary: str, content: Mapping[str, Any], *, has_token: bool) -> dict[str, Any]:
    answers = {
        status: _response(status, text)
        for status, text in RESPONSES.items()
        if has_token or status != "401"
    }
    operation: dict[str, Any] = {
        "summary": summary,
        "requestBody": {"required": True, "content": content},
        "responses": answers,
    }
    if has_token:
        operation["security"] = [{"token": []}]
    return {"post": operation}


def _cloudevents(limits: RequestLimits, *, has_token: bool) -> dict[str, Any]:
    content = {
        parsers.CLOUDEVENT_TYPE: {"schema": _ref("CloudEvent")},
        parsers.CLOUDEVENT_BATCH_TYPE: {"schema": _array_of("CloudEvent", limits)},
        "*/*": {"schema": {"description": "The data of a CloudEvent in binary mode."}},
    }
    path = _post("Store CloudEvents 1.0, in any content mode", content, has_token=has_token)
    path["post"]["parameters"] = [
        {
            "name": parsers.CLOUDEVENT_HEADER_PREFIX + name,
            "in": "header",
            "required": False,
            "description": f"Binary mode: {text}, percent-encoded.",
            "schema": {"type": "string"},
        }
        for name, text in CLOUDEVENT_ATTRIBUTES.items()
    ]
    return path


def _get(summary: str, schema: str, *, may_be_away: bool = False) -> dict[str, Any]:
    responses = {"200": {"description": "OK", "content": {JSON_TYPE: {"schema": _ref(schema)}}}}
    if may_be_away:
        responses["503"] = _response("503", "Not ready: the database is away, or the process ends.")
    return {"get": {"summary": summary, "responses": responses}}


def _response(status: str, description: str) -> dict[str, Any]:
    schema = "Results" if status in STATUSES_WITH_RESULTS else "Error"
    answer: dict[str, Any] = {
        "description": description,
        "content": {JSON_TYPE: {"schema": _ref(schema)}},
    }
    if status in RETRIABLE_STATUSES:
        answer["headers"] = {"Retry-After": {"schema": {"type": "string"}, "required": True}}
    return answer


def _json_of(schema: str, limits: RequestLimits) -> dict[str, Any]:
    return {JSON_TYPE: {"schema": {"oneOf": [_ref(schema), _array_of(schema, limits)]}}}


def _array_of(schema: str, limits: RequestLimits) -> dict[str, Any]:
    return {"type": "array", "maxItems": limits.max_items, "items": _ref(schema)}


def _ref(schema: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{schema}"}


NAME: Final = {"type": "string", "minLength": 1, "maxLength": MAX_NAME_LENGTH}
TEXT: Final = {"type": "string", "minLength": 1}
DATE_TIME: Final = {"type": "string", "format": "date-time"}

CLOUDEVENT_ATTRIBUTES: Final = {
    "specversion": f"always {parsers.CLOUDEVENTS_VERSION}",
    "id": "identifies the event within its source",
    "source": "where it happened, a URI reference",
    "type": "what happened",
    "time": "when it happened, which Winchester has to know",
}

SCHEMAS: Final[Mapping[str, Any]] = {
    "Event": {
        "type": "object",
        "description": "A flat object; what is neither text, number nor boolean is dropped.",
        "required": ["message_id", "event_type", "timestamp"],
        "properties": {"message_id": NAME, "event_type": NAME, "timestamp": DATE_TIME},
    },
    "Notification": {
        "type": "object",
        "description": "An OpenStack notification, bare or in oslo.messaging's envelope.",
    },
    "CloudEvent": {
        "type": "object",
        "required": list(CLOUDEVENT_ATTRIBUTES),
        "properties": {
            "specversion": {"const": parsers.CLOUDEVENTS_VERSION},
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
                "description": "One for each item, in order.",
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

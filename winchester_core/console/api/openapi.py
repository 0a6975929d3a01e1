"""OpenAPI document of the API, made from its operations."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from winchester_core.console.api.schema_parts import reference
from winchester_core.console.api.schemas import SCHEMAS
from winchester_core.console.problems import PROBLEM_TYPE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from winchester_core.console.api.operations import Operation
    from winchester_core.console.parameters import QueryParameter

JSON_TYPE: Final = "application/json"
DESCRIPTION: Final = (
    "Reads and changes the streams, events, rejected messages and effects of a site. The reference "
    "'API of the console' explains cursors, actions and errors."
)
PROBLEMS: Final[Mapping[int, str]] = {
    400: "A parameter, the cursor or the body is invalid; the detail has the reason.",
    401: "The token is missing or invalid.",
    403: "The sender may not act: the role is viewer, the console is read-only, or the CSRF token "
    "is missing.",
    404: "There is no object with this id.",
    408: "The body was not received in time.",
    409: "The object is in another state than the action needs, or more objects match than were "
    "confirmed. Nothing was changed.",
    413: "The body is too large.",
    415: "The body is not application/json.",
    421: "The header Host does not name this console.",
    429: "Too many invalid tokens came from this address (Retry-After).",
    503: "The database is unavailable, or the console has too many requests (Retry-After).",
}
PROBLEMS_OF_ALL: Final = (400, 401, 421, 429, 503)
PROBLEMS_OF_CHANGES: Final = (403, 408, 413, 415)
RETRIABLE: Final = (429, 503)
LOGIN: Final = "Cookie of a browser's login."
CSRF: Final[Mapping[str, Any]] = {
    "type": "apiKey",
    "in": "header",
    "name": "X-CSRF-Token",
    "description": "The CSRF token, which responses have in the same header. A request with a "
    "bearer token needs none.",
}
SECURITY_SCHEMES: Final[Mapping[str, Any]] = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "A token of console.tokens."},
    "csrf": CSRF,
}


def openapi_document(
    operations: Sequence[Operation], *, login_cookie: str | None
) -> dict[str, Any]:
    """Return the OpenAPI document. `login_cookie` is the cookie's name; None without tokens."""
    has_tokens = login_cookie is not None
    paths: dict[str, Any] = {}
    for each in operations:
        described = _operation(each, has_tokens=has_tokens)
        paths.setdefault(each.path, {})[each.method.lower()] = described
    login = {"type": "apiKey", "in": "cookie", "name": login_cookie, "description": LOGIN}
    schemes = {**SECURITY_SCHEMES, "login": login} if has_tokens else {"csrf": CSRF}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Winchester console", "version": "1", "description": DESCRIPTION},
        "paths": paths,
        "components": {"schemas": dict(SCHEMAS), "securitySchemes": dict(schemes)},
    }


def _operation(operation: Operation, *, has_tokens: bool) -> dict[str, Any]:
    statuses = {*PROBLEMS_OF_ALL, *operation.problems}
    if operation.changes:
        statuses.update(PROBLEMS_OF_CHANGES)
    if not has_tokens:
        statuses -= {401, 429}
    described: dict[str, Any] = {
        "operationId": operation.name,
        "tags": [operation.tag],
        "summary": operation.summary,
        "parameters": [
            *(
                {"name": name, "in": "path", "required": True, "schema": schema}
                for name, schema in operation.path_schemas.items()
            ),
            *map(_parameter, operation.parameters),
        ],
        "responses": {
            "200": {
                "description": "OK",
                "content": {JSON_TYPE: {"schema": reference(operation.result)}},
            },
            **{str(status): _problem(status) for status in sorted(statuses)},
        },
        "security": _security(operation, has_tokens=has_tokens),
    }
    if operation.description:
        described["description"] = operation.description
    if operation.changes:
        schema = operation.body or {"type": "object", "additionalProperties": False}
        described["requestBody"] = {
            "required": operation.body is not None,
            "content": {JSON_TYPE: {"schema": schema}},
        }
    return described


def _parameter(parameter: QueryParameter) -> dict[str, Any]:
    described: dict[str, Any] = {
        "name": parameter.name,
        "in": "query",
        "required": False,
        "description": parameter.description,
        "schema": parameter.schema,
    }
    if parameter.repeated:
        described |= {"style": "form", "explode": True}
    return described


def _problem(status: int) -> dict[str, Any]:
    response: dict[str, Any] = {
        "description": PROBLEMS.get(status, HTTPStatus(status).phrase),
        "content": {PROBLEM_TYPE: {"schema": reference("Problem")}},
    }
    if status in RETRIABLE:
        response["headers"] = {"Retry-After": {"schema": {"type": "string"}, "required": True}}
    return response


def _security(operation: Operation, *, has_tokens: bool) -> list[dict[str, list[str]]]:
    csrf: dict[str, list[str]] = {"csrf": []} if operation.changes else {}
    if not has_tokens:
        return [csrf]
    return [{"bearer": []}, {"login": [], **csrf}]

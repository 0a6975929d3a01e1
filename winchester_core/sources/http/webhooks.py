"""Paths for the webhooks of other services: authentication, messages, responses.

The sender is a service that cannot correct a message. So an authenticated request is accepted even
if its content is invalid; it is then stored as a rejected message.
"""

from __future__ import annotations

import json
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs

import orjson

from winchester_core.errors import InvalidEvent
from winchester_core.interfaces import is_secret_header
from winchester_core.model import Message
from winchester_core.model.json import read_json
from winchester_core.sources.content import (
    declared_charset,
    decode_text,
    is_json_type,
    to_utf8,
)
from winchester_core.sources.http.authentication import BearerToken, make_verifier
from winchester_core.sources.http.params import MAX_GROWTH
from winchester_core.sources.http.parsers import NDJSON_TYPE
from winchester_core.sources.http.responses import (
    ItemState,
    JsonResponse,
    RequestRejected,
    make_response,
    result_document,
)
from winchester_core.sources.params import message_fields

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from winchester_core.sources.http.authentication import Verifier
    from winchester_core.sources.http.params import RequestLimits
    from winchester_core.sources.http.parsers import HttpRequest
    from winchester_core.sources.http.responses import ItemResult

FORM_TYPE: Final = "application/x-www-form-urlencoded"
CONTENT_TYPES: Final = ("application/json", NDJSON_TYPE, FORM_TYPE, "text/plain")
"""Content types for the description of a path; any type of JSON is accepted."""

MAX_FIELDS: Final = 1000
"""Maximum number of fields of a form or a query."""


class WebhookPath:
    """A configured path: verifies, parses and answers its requests."""

    def __init__(
        self,
        entry: Mapping[str, Any],
        limits: RequestLimits,
        token: str | None,
        datetime_traits: Sequence[str],
        now: Callable[[], float],
    ) -> None:
        """Use `limits`, `token` and `datetime_traits` of the source as defaults.

        `entry` is a valid element of `paths`. `now` returns the Unix time.
        """
        self.path: str = entry["path"]
        self.signature: Mapping[str, Any] | None = entry["signature"]
        self.token = entry["token"]
        if self.token is None and self.signature is None:
            self.token = token
        self.limits = _limits(entry, limits)
        self._verifiers: list[Verifier] = []
        if self.token is not None:
            self._verifiers.append(BearerToken(self.token))
        if self.signature is not None:
            self._verifiers.append(make_verifier(self.signature, now))
        private = (each.header_names for each in self._verifiers)
        self._private_headers = frozenset[str]().union(*private)
        self.signature_headers = self._private_headers - BearerToken.header_names
        self._fields = message_fields(entry)
        self._fields["datetime_traits"] = (*datetime_traits, *self._fields["datetime_traits"])
        self._json_field: str | None = entry["json_field"]

    def check_headers(self, headers: Mapping[str, str]) -> None:
        """Check token and timestamp before the body is read. Raises `NotAuthenticated`."""
        for verifier in self._verifiers:
            verifier.check_headers(headers)

    def check_body(self, headers: Mapping[str, str], body: bytes) -> None:
        """Check the signature of the body as received. Raises `NotAuthenticated`."""
        for verifier in self._verifiers:
            verifier.check_body(headers, body)

    def check_content_type(self, media_type: str) -> None:
        """Raise `RequestRejected` for a type that is not JSON or a form.

        A web page may send a form or text to any address (without a preflight request), so these
        are accepted only from authenticated senders.
        """
        if media_type == NDJSON_TYPE or (media_type and is_json_type(media_type)):
            return
        if self._verifiers and media_type in ("", *CONTENT_TYPES):
            return
        raise RequestRejected(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "content-type must be a type of JSON or, for a path with a token or a signature, "
            f"{FORM_TYPE} or text/plain",
        )

    # --- messages ---------------------------------------------------------------------------------

    def messages(self, request: HttpRequest, query: str) -> list[Message]:
        """Return the messages of an authenticated request, one with a `fault` if it is invalid."""
        fault = None
        bodies: Sequence[bytes | Mapping[str, Any]] = (request.body,)
        try:
            bodies = self._bodies(request)
        except ValueError as error:
            fault = f"the body {error}"
        origin = f"{request.sender} {request.path}"
        message = Message(
            body=b"",
            headers=self._headers(request.headers),
            properties=self._properties(query),
            received_from=origin,
            fault=fault,
            keep_invalid=True,
            **self._fields,
        )
        if len(bodies) == 1:
            return [replace(message, body=bodies[0])]
        return [
            replace(message, body=body, received_from=f"{origin} item {number}")
            for number, body in enumerate(bodies, 1)
        ]

    def _bodies(self, request: HttpRequest) -> Sequence[bytes | Mapping[str, Any]]:
        """Return the bodies of the messages. Raises `ValueError`, continuing "the body"."""
        charset = declared_charset(request.headers.get("content-type", ""))
        if request.media_type == FORM_TYPE:
            return [self._form(decode_text(request.body, charset))]
        body = to_utf8(request.body, charset)
        bodies: Sequence[bytes | Mapping[str, Any]] = (body,)
        if request.media_type == NDJSON_TYPE:
            bodies = [line for line in body.split(b"\n") if line.strip()]
        elif not self._fields["mappings"] and body.lstrip()[:1] == b"[":
            bodies = _items(body)
        if len(bodies) > self.limits.max_items:
            raise ValueError(
                f"has {len(bodies)} items; at most {self.limits.max_items} are accepted"
            )
        return bodies

    def _form(self, text: str) -> bytes:
        """Return the fields of a form as JSON, or the field `json_field`.

        A repeated field is a list.
        """
        try:
            fields = _parse_fields(text, errors="strict")
        except ValueError:
            raise ValueError(f"is not a form in UTF-8 with at most {MAX_FIELDS} fields") from None
        value = None if self._json_field is None else fields.get(self._json_field)
        return value.encode() if isinstance(value, str) else orjson.dumps(fields)

    def _headers(self, headers: Mapping[str, str]) -> Mapping[str, str]:
        if not self._fields["mappings"]:
            return {}
        return {
            name: value
            for name, value in headers.items()
            if name not in self._private_headers and not is_secret_header(name)
        }

    def _properties(self, query: str) -> Mapping[str, Any]:
        if not self._fields["mappings"]:
            return {}
        try:
            fields = _parse_fields(query, errors="replace")
        except ValueError:  # too many
            fields = {}
        public = {name: each for name, each in fields.items() if not is_secret_header(name)}
        return {"path": self.path, "query": public}

    # --- responses --------------------------------------------------------------------------------

    def handshake(self, request: HttpRequest) -> JsonResponse | None:
        """Return the response to a request that only asks whether the path exists, or None.

        Slack sends a text that the response must contain.
        """
        if self.signature is None or self.signature["form"] != "slack":
            return None
        if SLACK_HANDSHAKE.encode() not in request.body:
            return None
        try:
            document = read_json(request.body, "body")
        except InvalidEvent:
            return None
        if not isinstance(document, dict) or document.get("type") != SLACK_HANDSHAKE:
            return None
        return JsonResponse(HTTPStatus.OK, {"challenge": str(document.get("challenge", ""))})

    def response(self, request: HttpRequest, results: Sequence[ItemResult]) -> JsonResponse:
        """Return the response to a request with these results.

        200 if all messages are stored, 202 if some are stored as rejected messages, and 503 if any
        is worth a retry. A form gets no document: services such as Slack and Twilio would show or
        interpret it.
        """
        states = {result.state for result in results}
        if ItemState.UNAVAILABLE in states:
            return make_response([each._replace(state=ItemState.UNAVAILABLE) for each in results])
        status = HTTPStatus.ACCEPTED if ItemState.REJECTED in states else HTTPStatus.OK
        is_form = request.media_type == FORM_TYPE
        return JsonResponse(status, None if is_form else result_document(results))


SLACK_HANDSHAKE: Final = "url_verification"


def _limits(entry: Mapping[str, Any], limits: RequestLimits) -> RequestLimits:
    """Return the limits of a path. Its decompressed bodies are limited by its own maximum."""
    own = {name: entry[name] for name in LIMITS if entry[name] is not None}
    if "max_body_bytes" in own and "max_decompressed_bytes" not in own:
        own["max_decompressed_bytes"] = MAX_GROWTH * own["max_body_bytes"]
    return replace(limits, **own)


LIMITS: Final = ("max_body_bytes", "max_decompressed_bytes", "max_items")


def _items(body: bytes) -> Sequence[bytes | Mapping[str, Any]]:
    """Return the elements of an array; the body itself if it is not valid JSON."""
    try:
        items = read_json(body, "body")
    except InvalidEvent:
        return (body,)
    return [
        each if isinstance(each, dict) else json.dumps(each, default=str).encode() for each in items
    ]


def _parse_fields(text: str, errors: str) -> dict[str, Any]:
    """Return the values by name, a list for a repeated name. Raises `ValueError`."""
    parsed = parse_qs(text, keep_blank_values=True, max_num_fields=MAX_FIELDS, errors=errors)
    return {name: found[0] if len(found) == 1 else found for name, found in parsed.items()}

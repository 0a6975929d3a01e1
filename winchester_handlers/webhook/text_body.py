"""Requests of the webhook handler whose body is the text of a template.

Templates are rendered when the stream is processed, and their text is stored with the effect.
Secrets are not: in their place the text has placeholders, which are replaced at each attempt.
"""

from __future__ import annotations

import re
from itertools import count
from typing import TYPE_CHECKING, Any, Final

import orjson

from winchester_core.interfaces.templates import (
    TemplateFailed,
    message_variables,
    render,
)
from winchester_handlers.webhook.message import WebhookRequest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from winchester_core.interfaces import Effect, EventTypePatterns
    from winchester_core.model import Event

JSON_TYPE: Final = re.compile(r"application/(?:[^;\s]+\+)?json\s*(?:;.*)?", re.IGNORECASE)
PATH: Final = re.compile(r"[/?][\x21-\x7e]*")


class SecretMissing(Exception):  # noqa: N818 - an outcome
    """A text has a secret that the current parameters lack."""


def is_json(content_type: str) -> bool:
    """Return whether bodies of a content type are JSON."""
    return JSON_TYPE.fullmatch(content_type) is not None


def render_payloads(
    events: list[Event],
    env: Mapping[str, Any],
    patterns: EventTypePatterns,
    params: Mapping[str, Any],
) -> list[dict[str, Any]]:
    """Return a payload for each matching event, or one for the stream, as `payloads` does.

    Raises `TemplateFailed` if a template fails, a body should be JSON and is not, or a path is not
    the rest of a URL.
    """
    matching = [event for event in events if patterns.matches(event["event_type"])]
    return [
        _render_payload(each, params) for each in message_variables(matching, env, params["send"])
    ]


def _render_payload(variables: dict[str, Any], params: Mapping[str, Any]) -> dict[str, Any]:
    names = list(params["secrets"])
    body, placeholders = _render_with_placeholders(params["body"], variables, names)
    if is_json(params["content_type"]):
        _check_json(body)
    payload: dict[str, Any] = {"body": body}
    if placeholders:
        payload["secrets"] = placeholders
    if params["path"] is not None:
        payload["path"] = _render_path(params["path"], variables)
    return payload


def _render_with_placeholders(
    source: str, variables: dict[str, Any], names: Sequence[str]
) -> tuple[str, dict[str, str]]:
    """Return the text with placeholders, and the placeholder of each secret that it contains.

    The placeholders are texts that no value contains: they do not occur without the secrets. If a
    text with others differs in more than these, a filter has changed them.
    """
    plain = render(source, variables | {"secrets": dict.fromkeys(names, "")}, "body")
    if not names:
        return plain, {}
    number = next(each for each in count() if f":{each}:" not in plain)
    placeholders = {name: f"secret:{number}:{name}:" for name in names}
    text = render(source, variables | {"secrets": placeholders}, "body")
    others = {name: f"another:{number}:{name}:" for name in names}
    expected = text
    for name, placeholder in placeholders.items():
        expected = expected.replace(placeholder, others[name])
    if render(source, variables | {"secrets": others}, "body") != expected:
        reason = "a filter changes a secret; write {{ secrets.NAME }} or {{ secrets.NAME | json }}"
        raise TemplateFailed("body", None, reason)
    return text, {name: each for name, each in placeholders.items() if each in text}


def _check_json(body: str) -> None:
    try:
        orjson.loads(body)
    except orjson.JSONDecodeError as error:
        hint = "; write values as {{ value | json }}"
        raise TemplateFailed("body", None, f"the text is not JSON: {error}{hint}") from None


def _render_path(source: str, variables: Mapping[str, Any]) -> str:
    path = render(source, variables, "path").strip()
    if not PATH.fullmatch(path):
        needed = "a text that begins with / or ?, of ASCII without spaces"
        hint = "write values as {{ value | urlencode }}"
        raise TemplateFailed("path", None, f"expected {needed}; {hint}")
    return path


def text_request(effect: Effect, params: Mapping[str, Any]) -> WebhookRequest:
    """Return the request of an effect whose payload has a `body`. Raises `SecretMissing`."""
    body: str = effect.payload["body"]
    for name, placeholder in effect.payload.get("secrets", {}).items():
        value = params["secrets"].get(name)
        if value is None:
            raise SecretMissing(f"the handler has no secret {name!r}, which the body contains")
        escaped = orjson.dumps(value).decode()[1:-1] if is_json(params["content_type"]) else value
        body = body.replace(placeholder, escaped)
    return WebhookRequest(body.encode(), {"Content-Type": params["content_type"]})

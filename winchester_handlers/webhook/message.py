"""Requests of the webhook handler: body, headers, signature."""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING

from winchester_handlers.event_content import (
    CLOUDEVENT,
    JSON,
    cloudevent_headers,
    content,
    structured_cloudevent,
    to_json,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from winchester_core.interfaces import Effect


@dataclass(frozen=True, slots=True)
class WebhookRequest:
    """The body of a request, and its headers."""

    body: bytes
    headers: Mapping[str, str]


def build_request(effect: Effect, form: str, source: str) -> WebhookRequest:
    """Return the request of an effect in one of `FORMATS`. Its payload has `event` or `stream`."""
    if form == "cloudevent":
        body = to_json(structured_cloudevent(effect, source))
        return WebhookRequest(body, {"Content-Type": CLOUDEVENT})
    headers = {"Content-Type": JSON}
    if form == "cloudevent_binary":
        headers |= cloudevent_headers(effect, source)
    return WebhookRequest(to_json(content(effect.payload)), headers)


# The signature of a request is that of https://www.standardwebhooks.com: HMAC-SHA256.
#
# It covers the id of the effect, the time and the body. So none of them can be replaced, and an old
# request cannot be replayed.

BASE64_SECRET_PREFIX = "whsec_"  # noqa: S105 - a prefix only


def signing_key(secret: str) -> bytes:
    """Return the bytes of a secret. After `whsec_` it is base64; otherwise it is the text itself.

    Raises `ValueError` for invalid or empty base64.
    """
    if not secret.startswith(BASE64_SECRET_PREFIX):
        return secret.encode()
    key = b64decode(secret.removeprefix(BASE64_SECRET_PREFIX), validate=True)
    if not key:
        raise ValueError("an empty secret")
    return key


def signature_headers(secret: str, effect_id: str, seconds: int, body: bytes) -> dict[str, str]:
    """Return the three headers that authenticate a request; `seconds` is Unix time."""
    signed = f"{effect_id}.{seconds}.".encode() + body
    digest = hmac.new(signing_key(secret), signed, hashlib.sha256).digest()
    return {
        "Webhook-Id": effect_id,
        "Webhook-Timestamp": str(seconds),
        "Webhook-Signature": f"v1,{b64encode(digest).decode()}",
    }

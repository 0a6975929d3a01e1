"""The signature of a request, as https://www.standardwebhooks.com has it: HMAC-SHA256.

What is signed is the id of the effect, the time and the body, so that none of them can be
exchanged and an old request cannot be sent again.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64decode, b64encode

ENCODED_SECRET = "whsec_"  # noqa: S105 - the prefix of one


def key_of(secret: str) -> bytes:
    """The bytes of a secret: base64 after `whsec_`, else the text itself.

    Raises `ValueError` for what is no base64, or nothing.
    """
    if not secret.startswith(ENCODED_SECRET):
        return secret.encode()
    key = b64decode(secret.removeprefix(ENCODED_SECRET), validate=True)
    if not key:
        raise ValueError("an empty secret")
    return key


def signature_headers(secret: str, effect_id: str, seconds: int, body: bytes) -> dict[str, str]:
    """The three headers by which a receiver checks a request; `seconds` since 1970."""
    signed = f"{effect_id}.{seconds}.".encode() + body
    digest = hmac.new(key_of(secret), signed, hashlib.sha256).digest()
    return {
        "Webhook-Id": effect_id,
        "Webhook-Timestamp": str(seconds),
        "Webhook-Signature": f"v1,{b64encode(digest).decode()}",
    }

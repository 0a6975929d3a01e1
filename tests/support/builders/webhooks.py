"""Signed requests, as services send their webhooks."""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64encode

SECRET = "a secret of the tests"


def hex_signature(text: bytes, secret: str = SECRET) -> str:
    """Return the HMAC-SHA256 of a text."""
    return hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()


def github(body: bytes, secret: str = SECRET) -> dict[str, str]:
    """Return the headers of a delivery of GitHub."""
    return {"x-hub-signature-256": f"sha256={hex_signature(body, secret)}"}


def slack(body: bytes, now: int) -> dict[str, str]:
    """Return the headers of a request of Slack."""
    signature = hex_signature(b"v0:%d:" % now + body)
    return {"x-slack-signature": f"v0={signature}", "x-slack-request-timestamp": str(now)}


def standard(body: bytes, now: int, message_id: str = "msg_1") -> dict[str, str]:
    """Return the headers of Standard Webhooks."""
    signed = f"{message_id}.{now}.".encode() + body
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(now),
        "webhook-signature": f"v1,{b64encode(bytes.fromhex(hex_signature(signed))).decode()}",
    }


def gitlab(body: bytes) -> dict[str, str]:
    """Return the headers of a delivery of GitLab."""
    return {"x-gitlab-token": SECRET}


def sentry(body: bytes) -> dict[str, str]:
    """Return the headers of a request of Sentry."""
    return {"sentry-hook-signature": hex_signature(body)}


def stripe(body: bytes, now: int) -> dict[str, str]:
    """Return the headers of an event of Stripe."""
    return {"stripe-signature": f"t={now},v1={hex_signature(b'%d.' % now + body)}"}

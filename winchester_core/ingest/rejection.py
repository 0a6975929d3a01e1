"""What is kept of a message that could not become an event."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import orjson

from winchester_core.storage.records import Rejection

if TYPE_CHECKING:
    from winchester_core.model.message import Message

MAX_KEPT_BYTES = 1024 * 1024


def rejection_of(source: str, message: Message, reason: str) -> Rejection:
    """The record of a bad message: at most 1 MiB of its body, full length and SHA-256."""
    body = _raw(message)
    return Rejection(
        source=source,
        kind=message.kind.value,
        reason=_where(message) + reason,
        body=body[:MAX_KEPT_BYTES],
        body_length=len(body),
        digest=hashlib.sha256(body).digest(),
    )


def _raw(message: Message) -> bytes:
    if isinstance(message.body, bytes):
        return message.body
    try:
        return orjson.dumps(
            message.body, default=repr, option=orjson.OPT_NON_STR_KEYS | orjson.OPT_SORT_KEYS
        )
    except TypeError:  # an integer beyond 64 bits, a lone surrogate: JSON, but not to orjson
        return json.dumps(message.body, default=repr).encode()


def _where(message: Message) -> str:
    return f"{message.received_from}: " if message.received_from else ""

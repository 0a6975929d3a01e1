"""Paths of pages whose last part is a text from outside."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote, urlencode

_REMOVED_BY_BROWSERS: Final = (".", "..")


def event_path(message_id: str) -> str:
    """Return the path of an event's page below the prefix of the console."""
    if message_id in _REMOVED_BY_BROWSERS:
        return f"/events?{urlencode({'id': message_id})}"
    return f"/events/{quote(message_id, safe='')}"


def trigger_path(name: str) -> str:
    """Return the path of a trigger's page below the prefix of the console."""
    return f"/triggers/{quote(name, safe='')}"

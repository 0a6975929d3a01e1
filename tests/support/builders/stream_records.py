"""Stored streams, as commands and explanations receive them."""

from __future__ import annotations

from typing import Any

from support.builders.events import NOON
from winchester_core.model.stream import StreamRecord, StreamState


def make_stream_record(**fields: Any) -> StreamRecord:
    """Return an open stream of trigger `t` with one event at noon; `fields` replace its fields."""
    defaults: dict[str, Any] = {
        "id": 1,
        "name": "t",
        "state": StreamState.ACTIVE,
        "state_serial_no": 0,
        "distinguished_by": {},
        "first_event": NOON,
        "last_event": NOON,
        "expire_timestamp": NOON,
        "fire_timestamp": None,
        "event_count": 1,
        "progress": (0,),
        "fingerprint": "",
        "is_open": True,
    }
    return StreamRecord(**(defaults | fields))

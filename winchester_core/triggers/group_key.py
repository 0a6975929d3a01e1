"""The canonical bytes of a group, of which the SHA-256 is its key.

Every piece is type-tagged and length-prefixed, so that no two groups have the same bytes. They
never change: keys are stored.
"""

from __future__ import annotations

from datetime import datetime
from typing import TypeAlias

from winchester_core.model.time_range import TimeRange

GroupValue: TypeAlias = str | int | float | bool | datetime | TimeRange


def encode_trigger(name: str) -> bytes:
    """The bytes of a trigger's name, with which those of its groups begin."""
    return _tagged(b"n", name)


def encode_trait(name: str) -> bytes:
    """The bytes of a distinguishing trait's name, after which those of its value stand."""
    return _tagged(b"k", name)


def encode_value(value: GroupValue) -> bytes:
    """The bytes of one distinguishing value; int 1, float 1.0, "1" and True are four values."""
    if isinstance(value, str):
        return _tagged(b"s", value)
    if isinstance(value, bool):
        return b"b1:1" if value else b"b1:0"
    if isinstance(value, int):
        return _tagged(b"i", str(value))
    if isinstance(value, float):
        return _tagged(b"f", repr(value + 0.0))  # -0.0 + 0.0 is 0.0
    if isinstance(value, datetime):
        return _tagged(b"t", value.isoformat(timespec="microseconds"))
    return b"r" + encode_value(value.begin) + encode_value(value.end)


def _tagged(tag: bytes, text: str) -> bytes:
    encoded = text.encode()
    return b"%b%d:%b" % (tag, len(encoded), encoded)

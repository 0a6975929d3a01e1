"""From the body of a message to the notification in it.

The envelope is that of oslo.messaging's `JsonPayloadSerializer`: an object with `oslo.version`
and `oslo.message`, the latter the notification as JSON text (or, from some shippers, as an
object).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import orjson

from winchester_core.errors import InvalidEvent

MESSAGE_KEY = "oslo.message"

_DIGITS_AS_ZERO = bytes(0x30 if 0x30 <= byte <= 0x39 else byte for byte in range(256))
_LONG_NUMBER = b"0" * 19  # the shortest number that can be beyond 64 bits


def open_envelope(body: bytes | str | Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the notification in `body`: JSON (UTF-8) or a mapping, in an envelope or bare.

    Raises `InvalidEvent` when it is no JSON or no object; NaN and Infinity, which JSON has not but
    Python's `json` writes, are read as floats. Its reason tells the place of the fault and never
    quotes the body.
    """
    notification = read_object(body)
    if MESSAGE_KEY in notification:
        notification = read_object(notification[MESSAGE_KEY], MESSAGE_KEY)
    return notification


def read_object(source: Any, key: str = "body") -> Mapping[str, Any]:
    """Return the object in `source`: JSON (UTF-8), or a mapping that has been read already.

    Raises `InvalidEvent`, naming `key`, as `open_envelope` does.
    """
    found = _parse(source, key) if isinstance(source, bytes | str) else source
    if isinstance(found, Mapping):
        return found
    raise InvalidEvent(key, f"must be a JSON object, not {type(found).__name__}")


def _parse(source: bytes | str, key: str) -> Any:
    with suppress(ValueError):  # of what orjson refuses, some is JSON all the same: see below
        raw = source if isinstance(source, bytes) else source.encode()
        if not _may_hold_long_number(raw):
            return orjson.loads(raw)
    return _parse_leniently(source, key)


def _may_hold_long_number(raw: bytes) -> bool:
    """Tell whether orjson could turn an integer beyond 64 bits into a float, silently."""
    return _LONG_NUMBER in raw.translate(_DIGITS_AS_ZERO)


def _parse_leniently(source: bytes | str, key: str) -> Any:
    """Parse slowly, but with long integers exact, and with lone surrogates, 1e999 and NaN.

    A trait that holds such a value is dropped later; the event stays.
    """
    try:
        text = source if isinstance(source, str) else source.decode("utf-8-sig")
        return json.loads(text)
    except UnicodeDecodeError as error:
        reason = f"is not UTF-8 at byte {error.start + 1}"
    except ValueError as error:
        reason = f"is no JSON: {error}"
    except RecursionError:
        reason = "is nested too deeply"
    # not chained: these exceptions carry the whole body
    raise InvalidEvent(key, reason)

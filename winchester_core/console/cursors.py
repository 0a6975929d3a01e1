"""Cursors of lists: the key of an object, a direction, and a hash of the list's parameters.

A cursor gives no rights. It is checked only so that a wrong one is an error, not a wrong list.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson

from winchester_core.console.problems import Problem, bad_request
from winchester_core.model.event import MAX_INT

if TYPE_CHECKING:
    from collections.abc import Sequence

FORWARD: Final = "f"
BACKWARD: Final = "b"
MAX_CURSOR_LENGTH: Final = 300
_HASH_BYTES: Final = 9


class Cursor(NamedTuple):
    """The place in a list after `key`, or before it if it is `backward`."""

    key: tuple[Any, ...]
    backward: bool


def dump_cursor(cursor: Cursor, parameters: object) -> str:
    """Return the text of a cursor in a list with these `parameters`."""
    direction = BACKWARD if cursor.backward else FORWARD
    values = [each.isoformat() if isinstance(each, datetime) else each for each in cursor.key]
    body = orjson.dumps([direction, _hash(parameters), *values])
    return base64.urlsafe_b64encode(body).rstrip(b"=").decode()


def load_cursor(text: str, parameters: object, key_types: Sequence[type]) -> Cursor:
    """Return the cursor of a text. `key_types` are `int` or `datetime` for each part of the key.

    Raises `Problem` if it is malformed or belongs to a list with other parameters.
    """
    try:
        if len(text) > MAX_CURSOR_LENGTH:
            raise _wrong(text)
        padded = text.encode("ascii") + b"=" * (-len(text) % 4)
        direction, found_hash, *values = orjson.loads(
            base64.b64decode(padded, altchars=b"-_", validate=True)
        )
        if direction not in (FORWARD, BACKWARD) or len(values) != len(key_types):
            raise _wrong(text)
        key = tuple(map(_key_value, values, key_types))
    except (ValueError, TypeError, binascii.Error) as error:
        raise _wrong(text) from error
    if found_hash != _hash(parameters):
        raise bad_request("the cursor belongs to a list with other filters or another order")
    return Cursor(key, direction == BACKWARD)


def _key_value(value: Any, key_type: type) -> Any:
    if key_type is datetime:
        found = datetime.fromisoformat(value)
        if found.tzinfo is None:
            raise ValueError("no time zone")
        return found
    if type(value) is not int or not 0 <= value <= MAX_INT:
        raise ValueError("not an id")
    return value


def _hash(parameters: object) -> str:
    digest = hashlib.sha256(repr(parameters).encode()).digest()[:_HASH_BYTES]
    return base64.urlsafe_b64encode(digest).decode()


def _wrong(text: str) -> Problem:
    shown = text if len(text) <= 40 else f"{text[:40]}..."
    return bad_request(f"cursor {shown!r} is not a cursor of this list")

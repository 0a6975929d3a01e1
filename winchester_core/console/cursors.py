"""Cursors of lists: the key of an object, a direction, and a hash of the list's parameters.

A cursor gives no rights. It is checked only so that a wrong cursor causes an error instead of a
wrong list.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson

from winchester_core.console.problems import Problem, bad_request
from winchester_core.model.event import MAX_INT, MIN_YEAR

if TYPE_CHECKING:
    from winchester_core.storage.list_pages import Key

FORWARD: Final = "f"
BACKWARD: Final = "b"
MAX_CURSOR_LENGTH: Final = 300
_HASH_BYTES: Final = 9


class Cursor(NamedTuple):
    """The place in a list after `key`, or before it if it is `backward`."""

    key: Key
    backward: bool = False


def dump_cursor(cursor: Cursor, parameters: object) -> str:
    """Return the text of a cursor in a list with these `parameters`."""
    direction = BACKWARD if cursor.backward else FORWARD
    values = [
        each.astimezone(UTC).isoformat() if isinstance(each, datetime) else each
        for each in cursor.key
    ]
    body = orjson.dumps([direction, _hash(parameters), *values])
    return base64.urlsafe_b64encode(body).rstrip(b"=").decode()


def load_cursor(text: str, parameters: object) -> Cursor:
    """Return the cursor of a text that `dump_cursor` returned for the same `parameters`.

    Raises `Problem` for any other text. The store must check that the key is one of the list.
    """
    try:
        cursor, found_hash = _parse(text)
    except (ValueError, TypeError, OverflowError, binascii.Error) as error:
        raise wrong_cursor(text) from error
    if found_hash != _hash(parameters):
        raise bad_request("the cursor belongs to a list with other filters or another order")
    if dump_cursor(cursor, parameters) != text:
        raise wrong_cursor(text)
    return cursor


def wrong_cursor(text: str) -> Problem:
    """Return the problem of a text that is not a cursor."""
    shown = text if len(text) <= 40 else f"{text[:40]}..."
    return bad_request(f"cursor {shown!r} is not a cursor of this list")


def _parse(text: str) -> tuple[Cursor, Any]:
    """Return a cursor and its hash. Raises `ValueError` and other errors of conversions."""
    if len(text) > MAX_CURSOR_LENGTH:
        raise ValueError("too long")
    padded = text.encode("ascii") + b"=" * (-len(text) % 4)
    parts = orjson.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    direction, found_hash, *values = parts
    if not isinstance(parts, list) or direction not in (FORWARD, BACKWARD):
        raise ValueError("not a list that begins with a direction")
    key = tuple(map(_key_value, values))
    return Cursor(key, direction == BACKWARD), found_hash


def _key_value(value: Any) -> int | datetime:
    if isinstance(value, str):
        found = datetime.fromisoformat(value)
        if found.tzinfo is None or found.year < MIN_YEAR:
            raise ValueError("not a time of an event")
        return found
    if type(value) is not int or not 0 <= value <= MAX_INT:
        raise ValueError("not a number of a key")
    return value


def _hash(parameters: object) -> str:
    digest = hashlib.sha256(repr(parameters).encode()).digest()[:_HASH_BYTES]
    return base64.urlsafe_b64encode(digest).decode()

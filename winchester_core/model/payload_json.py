"""The JSON text of an effect's payload, in which every value keeps its type.

JSON has no datetime, so one is a tagged value, as in `event_json`:
``{"datetime": "2015-01-20T00:00:00.000000+00:00"}``. An object of the payload that looks like
such a tag is told apart by one more ``@`` before its only key, which reading takes away.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import orjson

from winchester_core.errors import UnstorablePayload
from winchester_core.model.event import printable, storable, text_fault, to_utc
from winchester_core.model.event_json import DATETIME_TAG

MAX_PAYLOAD_BYTES = 4 * 1024 * 1024
"""The longest text. MariaDB takes 16 MiB a statement, in which escaping may double a payload."""

MAX_DEPTH = 100

_TAG_LIKE = re.compile(rf"@*{DATETIME_TAG}")


def dump_payload(payload: Any) -> str:
    """Write a payload of dicts with str keys, lists, str, int, float, bool, datetime and None.

    Raises `UnstorablePayload`, naming the place, for what not every database stores: other types,
    NaN and infinity, integers beyond signed 64 bits, NUL and lone surrogates in text, times
    outside the years 1000-9999, a depth over 100, a text over 4 MiB.
    """
    data = orjson.dumps(_storable(payload, "payload", 0))
    if len(data) > MAX_PAYLOAD_BYTES:
        raise UnstorablePayload("payload", f"{len(data)} bytes, over {MAX_PAYLOAD_BYTES}")
    return data.decode()


def load_payload(text: str | bytes) -> Any:
    """Read what `dump_payload` wrote; datetimes are aware UTC."""
    return _restored(orjson.loads(text))


def _storable(value: Any, place: str, depth: int) -> Any:
    if depth > MAX_DEPTH:
        raise UnstorablePayload("payload", f"nested more than {MAX_DEPTH} levels deep")
    if isinstance(value, dict):
        return _storable_object(value, place, depth)
    if isinstance(value, list):
        return [_storable(item, f"{place}[{n}]", depth + 1) for n, item in enumerate(value)]
    if value is None:
        return None
    if not isinstance(value, (str, int, float, datetime)):
        raise UnstorablePayload(place, f"a value of type {type(value).__name__}")
    stored, fault = storable(value)
    if fault is not None:
        raise UnstorablePayload(place, fault)
    if isinstance(stored, datetime):
        return {DATETIME_TAG: to_utc(stored).isoformat(timespec="microseconds")}
    return stored


def _storable_object(value: dict[Any, Any], place: str, depth: int) -> dict[str, Any]:
    for key in value:
        if not isinstance(key, str):
            raise UnstorablePayload(place, f"a key of type {type(key).__name__}, not str")
        if fault := text_fault(key):
            raise UnstorablePayload(place, f"a key that is {fault}")
    stored = {
        str(key): _storable(item, f"{place}.{printable(key)}", depth + 1)
        for key, item in value.items()
    }
    if len(stored) == 1:
        (key,) = stored
        if _TAG_LIKE.fullmatch(key):
            return {f"@{key}": stored[key]}
    return stored


def _restored(value: Any) -> Any:
    if isinstance(value, list):
        return [_restored(item) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        (key,) = value
        if key == DATETIME_TAG:
            return datetime.fromisoformat(value[key])
        if _TAG_LIKE.fullmatch(key):
            return {key[1:]: _restored(value[key])}
    return {key: _restored(item) for key, item in value.items()}

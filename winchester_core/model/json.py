"""JSON forms of events and payloads. JSON has no datetime, so each form encodes datetimes.

Stored traits (`dump_traits`): one JSON object, in which values keep their types. A datetime is a
tagged value, ``{"datetime": "2015-01-20T00:00:00.000000+00:00"}``. A trait is never an object, so
the tag is unambiguous.

Flat event (`flat_event`), as `event list -f json` prints it: datetimes are ISO 8601 texts with an
offset. The key `@datetime_traits` names the traits besides `timestamp` that are datetimes, so that
`read_event` can restore them.

Effect payload (`dump_payload`): nested JSON with tagged datetimes. If an object in the payload
looks like a tag, it is escaped: its only key gets an additional ``@``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

import orjson

from winchester_core.errors import InvalidEvent, UnstorablePayload
from winchester_core.model.event import (
    LongInteger,
    TraitDrop,
    parse_timestamp,
    printable,
    storable,
    text_problem,
    to_utc,
)

if TYPE_CHECKING:
    from collections.abc import Collection

    from winchester_core.model.event import Event

DATETIME_TAG = "datetime"
DATETIME_TRAITS_KEY = "@datetime_traits"

_TAG_BEGIN = f'{{"{DATETIME_TAG}":'.encode()
_UP_TO_SECONDS = len('"2015-01-20T00:00:00')

_RESERVED_NAME = re.compile("@+datetime_traits")
_ESCAPED_NAME = re.compile("@@+datetime_traits")
_BLANK_OR_PERCENT = re.compile(r"[\s%]")


def dump_traits(traits: Mapping[str, Any]) -> str:
    """Encode the traits of a clean event as one JSON text.

    Integers and floats stay distinct (``1`` and ``1.0``). Raises `TypeError` for a value that
    `clean_event` would have dropped.
    """
    return orjson.dumps(
        traits, default=_encoded_datetimes.__getitem__, option=orjson.OPT_PASSTHROUGH_DATETIME
    ).decode()


def load_traits(text: str | bytes) -> dict[str, Any]:
    """Decode the text of `dump_traits`; datetimes are aware UTC."""
    traits: dict[str, Any] = orjson.loads(text)
    for name, value in traits.items():
        if type(value) is dict:
            traits[name] = datetime.fromisoformat(value[DATETIME_TAG])
    return traits


_parse_datetime = datetime.fromisoformat

_PLACEHOLDERS = '{"message_id":0,"event_type":0,"timestamp":0,'


def load_event(message_id: str, event_type: str, timestamp: datetime, traits: str) -> Event:
    """Return the event with these values and the traits in the text of `dump_traits`."""
    try:
        # parsing three more keys takes less time than merging two dicts
        event: Event = orjson.loads(_PLACEHOLDERS + traits[1:])
    except orjson.JSONDecodeError:  # there are no traits
        known = {"message_id": message_id, "event_type": event_type, "timestamp": timestamp}
        return {**known, **load_traits(traits)}
    event["message_id"] = message_id
    event["event_type"] = event_type
    event["timestamp"] = timestamp
    for name, value in event.items():
        if type(value) is dict:
            event[name] = _parse_datetime(value["datetime"])
    return event


def flat_event(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return `event` as a flat object of texts, numbers and booleans. Inverse of `read_event`.

    If there is a datetime besides `timestamp`, `@datetime_traits` is the last key. It contains the
    names of datetime traits, separated by spaces; names with white space or ``%`` are
    percent-encoded. A trait that is itself called `@datetime_traits` gets an additional ``@``.
    """
    flat: dict[str, Any] = {}
    datetime_traits = []
    for name, value in event.items():
        if isinstance(value, datetime):
            if name != "timestamp":
                datetime_traits.append(name)
            value = to_utc(value).isoformat()
        flat["@" + name if _RESERVED_NAME.fullmatch(name) else name] = value
    if datetime_traits:
        flat[DATETIME_TRAITS_KEY] = " ".join(
            quote(name) if _BLANK_OR_PERCENT.search(name) else name for name in datetime_traits
        )
    return flat


def read_event(
    document: Mapping[str, Any], datetime_traits: Collection[str] = ()
) -> tuple[Event, list[TraitDrop]]:
    """Return the event of a JSON object, and the dropped traits. Inverse of `flat_event`.

    A trait is a datetime if `datetime_traits` or the object's own `@datetime_traits` names it, or
    if its value is tagged as in `dump_traits`. If its value is not an ISO 8601 date and time, the
    trait is dropped. Everything else, including `timestamp`, is left to `clean_event`.
    """
    drops: list[TraitDrop] = []
    names = set(datetime_traits)
    listed = document.get(DATETIME_TRAITS_KEY)
    if isinstance(listed, str):
        names.update(map(unquote, listed.split()))
    elif listed is not None:
        drops.append(TraitDrop(DATETIME_TRAITS_KEY, "must be text: names separated by spaces"))
    event: Event = {}
    for key, value in document.items():
        name = key
        if key[:1] == "@":  # rare; the test saves a regular expression for all other keys
            if key == DATETIME_TRAITS_KEY:
                continue
            name = key[1:] if _ESCAPED_NAME.fullmatch(key) else key
        tagged = type(value) is dict and len(value) == 1 and DATETIME_TAG in value
        if tagged:
            value = value[DATETIME_TAG]
        if name != "timestamp" and (tagged or name in names):
            value, problem = _datetime_or_problem(value)
            if problem is not None:
                drops.append(TraitDrop(printable(name), problem))
                continue
        event[name] = value
    return event, drops


MAX_ENCODED_DATETIMES = 20_000
"""Maximum number of cached datetimes, about six megabytes."""


class _EncodedDatetimes(dict[Any, orjson.Fragment]):
    """Bounded cache of the JSON texts of tagged datetimes. Thread-safe.

    Many events share datetimes, such as the beginning of an accounting period. orjson looks one up
    in a tenth of the time that a call of `_encode_datetime` takes. Only datetimes in UTC are
    cached, because two datetimes of one time zone are equal keys even if their `fold` differs.
    """

    def __missing__(self, value: Any) -> orjson.Fragment:
        encoded = _encode_datetime(value)
        if value.tzinfo is not UTC:
            return encoded
        if len(self) >= MAX_ENCODED_DATETIMES:
            self.clear()  # simpler than an LRU cache; each datetime in use costs one miss
        self[value] = encoded
        return encoded


_encoded_datetimes = _EncodedDatetimes()


def _encode_datetime(value: Any) -> orjson.Fragment:
    """Return the JSON text of a tagged datetime; `isoformat` would take four times as long."""
    if not isinstance(value, datetime):
        raise TypeError(f"a trait cannot be of type {type(value).__name__}")
    text = orjson.dumps(to_utc(value))
    if not value.microsecond:  # orjson omits zero microseconds
        text = text[:_UP_TO_SECONDS] + b'.000000+00:00"'
    return orjson.Fragment(_TAG_BEGIN + text + b"}")


def _datetime_or_problem(value: Any) -> tuple[datetime | None, str | None]:
    """Return (aware UTC, or None for no value; None), or (None, reason why it is invalid)."""
    if value is None:
        return None, None
    try:
        if isinstance(value, datetime):
            return to_utc(value), None
        if isinstance(value, str):
            return parse_timestamp(value, date_only=True), None
    except ValueError as error:
        return None, str(error)
    return None, f"a datetime must be an RFC 3339 text, not {type(value).__name__}"


# --- payloads -----------------------------------------------------------------------------------

MAX_PAYLOAD_BYTES = 4 * 1024 * 1024
"""MariaDB accepts statements of 16 MiB, and escaping may double a payload."""

MAX_PAYLOAD_DEPTH = 100

_TAG_LIKE = re.compile(rf"@*{DATETIME_TAG}")


def dump_payload(payload: Any) -> str:
    """Encode a payload of dicts with str keys, lists, str, int, float, bool, datetime and None.

    If some database cannot store a value, raises `UnstorablePayload` with its place. Such values
    are other types, NaN and infinity, integers beyond signed 64 bits, text with NUL or lone
    surrogates, times outside the years 1000-9999, a depth over 100, and a total size over 4 MiB.
    """
    data = orjson.dumps(_encode(payload, "payload", 0))
    if len(data) > MAX_PAYLOAD_BYTES:
        raise UnstorablePayload("payload", f"{len(data)} bytes, over {MAX_PAYLOAD_BYTES}")
    return data.decode()


def load_payload(text: str | bytes) -> Any:
    """Decode the text of `dump_payload`; datetimes are aware UTC."""
    return _decode(orjson.loads(text))


def _encode(value: Any, place: str, depth: int) -> Any:
    if depth > MAX_PAYLOAD_DEPTH:
        raise UnstorablePayload("payload", f"nested more than {MAX_PAYLOAD_DEPTH} levels deep")
    if isinstance(value, dict):
        return _encode_object(value, place, depth)
    if isinstance(value, list):
        return [_encode(item, f"{place}[{n}]", depth + 1) for n, item in enumerate(value)]
    if value is None:
        return None
    if not isinstance(value, (str, int, float, datetime)):
        raise UnstorablePayload(place, f"a value of type {type(value).__name__}")
    stored, problem = storable(value)
    if problem is not None:
        raise UnstorablePayload(place, problem)
    if isinstance(stored, datetime):
        return {DATETIME_TAG: to_utc(stored).isoformat(timespec="microseconds")}
    return stored


def _encode_object(value: dict[Any, Any], place: str, depth: int) -> dict[str, Any]:
    for key in value:
        if not isinstance(key, str):
            raise UnstorablePayload(place, f"a key of type {type(key).__name__}, not str")
        if problem := text_problem(key):
            raise UnstorablePayload(place, f"a key that is {problem}")
    stored = {
        str.__str__(key): _encode(item, f"{place}.{printable(key)}", depth + 1)
        for key, item in value.items()
    }
    if len(stored) == 1:
        (key,) = stored
        if _TAG_LIKE.fullmatch(key):
            return {f"@{key}": stored[key]}
    return stored


def _decode(value: Any) -> Any:
    if isinstance(value, list):
        return [_decode(item) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        (key,) = value
        if key == DATETIME_TAG:
            return datetime.fromisoformat(value[key])
        if _TAG_LIKE.fullmatch(key):
            return {key[1:]: _decode(value[key])}
    return {key: _decode(item) for key, item in value.items()}


_DIGITS_TO_ZERO = bytes(0x30 if 0x30 <= byte <= 0x39 else byte for byte in range(256))

_LONG_NUMBER = b"0" * 19  # the shortest number that can be beyond 64 bits


def read_object(source: Any, key: str = "body") -> Mapping[str, Any]:
    """Return the object in `source`: JSON (UTF-8), or a mapping that has been parsed already.

    Raises `InvalidEvent` with `key`.
    """
    return as_object(read_json(source, key) if isinstance(source, bytes | str) else source, key)


_JSON_TYPES: Mapping[type, str] = {
    type(None): "null",
    bool: "true or false",
    int: "a number",
    float: "a number",
    str: "text",
    list: "an array",
}


def as_object(document: Any, key: str = "body") -> Mapping[str, Any]:
    """Return `document` if it is an object. Raises `InvalidEvent` with `key`."""
    if isinstance(document, Mapping):
        return document
    kind = _JSON_TYPES.get(type(document), type(document).__name__)
    raise InvalidEvent(key, f"must be a JSON object, not {kind}")


def read_json(source: bytes | str, key: str) -> Any:
    """Parse JSON in UTF-8; NaN, lone surrogates and values beyond a parser's limits are accepted.

    See `_parse_leniently` for those. Raises `InvalidEvent` with `key`, which never quotes the text.
    """
    with suppress(ValueError):  # orjson is stricter, so `_parse_leniently` decides
        raw = source if isinstance(source, bytes) else source.encode()
        if not _may_hold_long_number(raw):
            return orjson.loads(raw)
    return _parse_leniently(source, key)


def _may_hold_long_number(raw: bytes) -> bool:
    """Return whether orjson might silently turn an integer beyond 64 bits into a float."""
    return _LONG_NUMBER in raw.translate(_DIGITS_TO_ZERO)


def _parse_leniently(source: bytes | str, key: str) -> Any:
    """Parse slowly: keep long integers exact, and accept lone surrogates, 1e999 and NaN.

    Values that exceed a limit of the parser are replaced: an integer with more than 4,300 digits by
    a `LongInteger`, and a value below `MAX_DEPTH` levels by ``[]``. A trait with such a value is
    dropped later, but the event is kept.
    """
    try:
        text = source if isinstance(source, str) else source.decode("utf-8-sig")
        return json.loads(_without_deep_values(text), parse_int=_parse_int)
    except UnicodeDecodeError as error:
        reason = f"is not UTF-8 at byte {error.start + 1}"
    except ValueError as error:
        reason = f"is not JSON: {error}"
    except RecursionError:
        reason = "is nested too deeply"
    # not chained, because these exceptions contain the whole body
    raise InvalidEvent(key, reason)


MAX_DEPTH = 200
"""Levels of nesting that are kept if a body exceeds the limit of the parser."""

_MAX_DIGITS = 4_300  # Python's own limit; see sys.int_info.default_max_str_digits
# linear time: quantifiers are possessive, and an unclosed string extends to the end
_STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)
_CLOSING = {"[": "]", "{": "}"}


def _parse_int(digits: str) -> int | LongInteger:
    return int(digits) if len(digits) <= _MAX_DIGITS else LongInteger(digits)


def _without_deep_values(text: str) -> str:
    """Return JSON text in which arrays and objects below `MAX_DEPTH` levels are empty.

    Takes linear time. If brackets do not match, the text is returned unchanged, so it stays
    invalid. The content of an emptied array or object is not checked further.
    """
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return text
    kept: list[str] = []
    open_brackets: list[str] = []
    begin = 0
    for match in _STRING_OR_BRACKET.finditer(text):
        if match[0] in _CLOSING:
            open_brackets.append(match[0])
            if len(open_brackets) == MAX_DEPTH + 1:
                kept.append(text[begin : match.start()])
        elif match[0] in "]}":
            if not open_brackets or _CLOSING[open_brackets.pop()] != match[0]:
                return text
            if len(open_brackets) == MAX_DEPTH:
                kept.append("[]")
                begin = match.end()
    if len(open_brackets) <= MAX_DEPTH:  # otherwise the text ends too early
        kept.append(text[begin:])
    return "".join(kept)

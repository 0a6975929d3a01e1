"""Envelopes and timestamps of notifications.

The envelope is that of oslo.messaging's `JsonPayloadSerializer`: an object with `oslo.version` and
`oslo.message`, which contains the notification as JSON text (some senders use an object).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from winchester_core.distill.drop_reasons import describe_value
from winchester_core.distill.optional_import import import_stackdistiller
from winchester_core.errors import InvalidEvent
from winchester_core.model.event import to_utc
from winchester_core.model.json import read_object

if TYPE_CHECKING:
    from collections.abc import Mapping

MESSAGE_KEY = "oslo.message"
VERSION_KEY = "oslo.version"
VERSION = "2.0"
"""Version of envelopes. Other minor versions are also accepted."""


def open_envelope(body: bytes | str | Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the notification in `body`, which is JSON (UTF-8) or a mapping, without its envelope.

    NaN and Infinity are not JSON, but Python's `json` writes them; they are read as floats. Raises
    `InvalidEvent` if the body is not a JSON object. The reason contains the position of the error,
    and never quotes the body.
    """
    notification = read_object(body)
    if MESSAGE_KEY in notification:
        _check_version(notification.get(VERSION_KEY, VERSION))
        notification = read_object(notification[MESSAGE_KEY], MESSAGE_KEY)
    return notification


def _check_version(version: Any) -> None:
    major = VERSION.partition(".")[0]
    if not isinstance(version, str) or version.partition(".")[0] != major:
        raise InvalidEvent(VERSION_KEY, f"must be {major}.x, the supported version of envelopes")


# Datetimes are accepted in the same formats as in StackDistiller, which uses PyPI `iso8601`: a
# space or T between date and time, dates alone, compact formats, Z and offsets (default: UTC).


def read_datetime(value: Any) -> datetime:
    """Return `value` as aware UTC, truncated to microseconds.

    Raises `ValueError`, `TypeError` or `OverflowError` for an invalid datetime.
    """
    if isinstance(value, str):
        parsed = _parse_common_format(value)
        if parsed is not None:
            return parsed
    elif isinstance(value, datetime):
        return to_utc(value)
    converted: datetime = import_stackdistiller().Datatype.datetime.convert(value)
    return converted


def notification_time(notification: Mapping[str, Any]) -> datetime | None:
    """Return the timestamp of `notification`, aware UTC, or None if it has none.

    As in StackDistiller, `_context_timestamp` is used if there is no key `timestamp`, and an empty
    value counts as none. Raises `InvalidEvent` if the value is not a datetime within the years
    1000-9999.
    """
    value = notification.get("timestamp", notification.get("_context_timestamp"))
    if not value:
        return None
    try:
        return to_utc(read_datetime(value))
    except (ValueError, TypeError, OverflowError):
        raise InvalidEvent(
            "timestamp",
            f"{describe_value(value)} is not an RFC 3339 date and time in the years 1000-9999",
        ) from None


def _parse_common_format(text: str) -> datetime | None:
    """Parse `YYYY-MM-DD HH:MM:SS[.f][Z|+00:00]`, the most common format; return None for others.

    The checks exclude formats that `fromisoformat` accepts but StackDistiller does not: weeks,
    other separators, offsets with seconds, 24:00.
    """
    if (
        len(text) < 19
        or text[10] not in " T"
        or not (text[4] == text[7] == "-" and text[13] == text[16] == ":")
        or text[11:13] == "24"
    ):
        return None
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        return None
    if parsed.tzinfo is None:
        return parsed.replace(tzinfo=UTC)
    return parsed if text[-1] == "Z" or text.endswith("+00:00") else None

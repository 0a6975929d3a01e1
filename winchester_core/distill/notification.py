"""Reading of notifications: the envelope, and the time at which they were sent.

The envelope is that of oslo.messaging's `JsonPayloadSerializer`: an object with `oslo.version`
and `oslo.message`, the latter the notification as JSON text (or, from some shippers, as an
object).
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


# Reading the dates and times of notifications.
#
# The forms are those that StackDistiller accepts, which are those of PyPI `iso8601`: a blank or T
# between date and time, dates alone, compact forms, Z and offsets; without an offset it is UTC.


def read_datetime(value: Any) -> datetime:
    """Return `value` as aware UTC; fractions finer than a microsecond are cut off.

    Raises `ValueError`, `TypeError` or `OverflowError` for what is no date and time.
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
    """Return when `notification` says it was sent, aware UTC; None when it does not say.

    As in StackDistiller, `_context_timestamp` stands in where there is no key `timestamp`, and
    an empty value says nothing. Raises `InvalidEvent` for a value that is no date and time
    within the years 1000-9999.
    """
    value = notification.get("timestamp", notification.get("_context_timestamp"))
    if not value:
        return None
    try:
        return to_utc(read_datetime(value))
    except (ValueError, TypeError, OverflowError):
        raise InvalidEvent(
            "timestamp", f"{describe_value(value)} is no date and time of ISO 8601 in 1000-9999"
        ) from None


def _parse_common_format(text: str) -> datetime | None:
    """Read `YYYY-MM-DD HH:MM:SS[.f][Z|+00:00]`, as nearly all notifications have it, or None.

    `fromisoformat` takes more than StackDistiller does (weeks, any separator, offsets with
    seconds, 24:00): such texts must not get here.
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

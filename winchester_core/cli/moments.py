"""Times as they are written on a command line, and as they are printed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final

from winchester_core.cli.failure import UsageError
from winchester_core.errors import TimeEvaluationError
from winchester_core.model.event import parse_timestamp, to_utc
from winchester_core.model.time_range import TimeRange

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

DURATION: Final = re.compile(r"(?:\d+\s*(?:us|mo|y|d|h|m|s)\s*)+\Z")
"""A duration of time expressions, as in ``1d`` or ``2h30m`` (blanks may be left out here)."""
DURATION_PART: Final = re.compile(r"\d+\s*(?:us|mo|y|d|h|m|s)")


def read_moment(text: str) -> datetime:
    """An ISO 8601 date, or date and time, as aware UTC; without offset it is UTC.

    Raises `UsageError`.
    """
    try:
        return parse_timestamp(text)
    except ValueError as error:
        raise UsageError(
            f"{text!r} is no time ({error}); expected ISO 8601, as in 2015-01-20T17:00:00Z"
        ) from None


def read_moment_ago(text: str, now: Callable[[], datetime]) -> datetime:
    """A time, or a duration before now. `now` is only asked for a duration.

    Raises `UsageError`, and what `now` raises.
    """
    return _shifted(text, "-", now) if DURATION.match(text) else _moment_or_duration(text)


def read_moment_ahead(text: str, now: Callable[[], datetime]) -> datetime:
    """A time, or a duration after now. `now` is only asked for a duration.

    Raises `UsageError`, and what `now` raises.
    """
    return _shifted(text, "+", now) if DURATION.match(text) else _moment_or_duration(text)


def iso_text(moment: datetime | None) -> str | None:
    """A time as it is printed: ISO 8601 with its offset, which is that of UTC."""
    return None if moment is None else to_utc(moment).isoformat()


def length_text(length: timedelta) -> str:
    """A length of time in its two greatest units, as in ``2d 3h``; what is smaller is left out.

    A time that lies in the other direction is told by the caller: the sign is left out, too.
    """
    seconds = int(abs(length).total_seconds())
    units = (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))
    parts: list[tuple[int, str]] = []
    for name, size in units:
        number, seconds = divmod(seconds, size)
        if number or parts:
            parts.append((number, name))
    return " ".join(f"{number}{name}" for number, name in parts[:2] if number) or "0s"


def plain(value: Any) -> Any:
    """A value as JSON has it: a time as `iso_text`, a range of time as [begin, end]."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, datetime):
        return iso_text(value)
    if isinstance(value, TimeRange):
        return [iso_text(value.begin), iso_text(value.end)]
    return value.isoformat() if isinstance(value, date) else value


def _shifted(duration: str, sign: str, now: Callable[[], datetime]) -> datetime:
    from winchester_core.timex import parse

    try:
        shifted = parse(f"$timestamp {sign} {' '.join(DURATION_PART.findall(duration))}")
        return shifted(timestamp=now()).timestamp
    except TimeEvaluationError as error:
        raise UsageError(f"{duration!r} leads too far: {error.reason}") from None


def _moment_or_duration(text: str) -> datetime:
    try:
        return parse_timestamp(text)
    except ValueError:
        raise UsageError(
            f"{text!r} is neither a time (ISO 8601, as in 2015-01-20T17:00:00Z) "
            "nor a duration (as in 1d or 2h30m; units y mo d h m s us)"
        ) from None

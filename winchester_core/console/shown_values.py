"""Times, durations, numbers and states as text for people: filters of the templates."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from markupsafe import Markup, escape

from winchester_core.console.shown_text import shown
from winchester_core.errors import HandlerFailed
from winchester_core.inspection.values import duration_text
from winchester_core.model.event import to_utc
from winchester_core.triggers.progress_explanation import EVENTS, SUM_OF

STATE_CLASSES: Final = {
    "active": "active",
    "firing": "firing",
    "expiring": "expired",
    "retry_fire": "retry",
    "retry_expire": "retry",
    "error": "error",
    "expire_error": "error",
    "completed": "completed",
    "fired": "completed",
    "expired": "expired",
    "cancelled": "cancelled",
    "suppressed": "suppressed",
    "failed": "error",
    "pending": "active",
    "dead": "error",
    "discarded": "expired",
    "running": "completed",
    "overdue": "firing",
    "gone": "expired",
}
"""Style of each state of streams, effects and processes, and of each outcome."""

_PREFIXES: Final = ("", "k", "M", "G", "T", "P", "E")

_OWN_ERROR: Final = f"{HandlerFailed.__module__}.{HandlerFailed.__qualname__}: "

_ISO_TIME: Final = re.compile(
    r"[1-9]\d{3}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])T"
    r"(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{6})?\+00:00"
)
"""A time in UTC as explanations contain it."""

_MICROSECOND: Final = timedelta(microseconds=1)


def state_class(state: str) -> str:
    """Return the CSS class of a state; an unknown one has none."""
    style = STATE_CLASSES.get(str(state))
    return f"state-{style}" if style else ""


def words(name: str) -> str:
    """Return the name of a state in words: `retry_fire` as `retry fire`."""
    return str(name).replace("_", " ")


def error_line(text: str) -> str:
    """Return the last line of an error, which may be a traceback, without `HandlerFailed`."""
    lines = text.rstrip().splitlines()
    return lines[-1].removeprefix(_OWN_ERROR) if lines else ""


def utc(time: datetime | str) -> str:
    """Return a time in UTC to the second."""
    return f"{_utc_time(time):%Y-%m-%d %H:%M:%S}"


def with_times(text: str, limit: int = 2_000) -> Markup:
    """Return a sentence as HTML, with the times in it to the second, and exact on hover."""
    parts: list[str] = []
    position = 0
    sentence = shown(text, limit)
    for found in _ISO_TIME.finditer(sentence):
        try:
            time = datetime.fromisoformat(found[0])
        except ValueError:  # not a day of this month
            continue
        parts += [
            escape(sentence[position : found.start()]),
            Markup('<time datetime="{0}" title="{0}">{1}</time>').format(iso(time), utc(time)),
        ]
        position = found.end()
    return Markup("").join([*parts, escape(sentence[position:])])


def iso(time: datetime | str) -> str:
    """Return a time in UTC, exactly, in the form of the attribute `datetime`."""
    return _utc_time(time).isoformat().replace("+00:00", "Z")


def relative(time: datetime | str, now: datetime | str) -> str:
    """Return how long before or after `now` a time is, as in `3m 20s ago`."""
    difference = _utc_time(time) - _utc_time(now)
    if abs(difference) < timedelta(seconds=1):
        return "now"
    if difference > timedelta():
        return f"in {duration_text(difference)}"
    return f"{duration_text(difference)} ago"


def duration(value: timedelta | float) -> str:
    """Return a duration in its two largest units; below 10 seconds with decimals."""
    length = abs(_length(value))
    if length >= timedelta(seconds=10) or not length:
        return duration_text(length)
    microseconds = length // _MICROSECOND
    for unit, size in (("s", 1_000_000), ("ms", 1_000)):
        if microseconds >= size:
            return f"{microseconds / size:.3g}{unit}"
    return f"{microseconds}µs"


def exact_duration(value: timedelta | float) -> str:
    """Return a duration in seconds, exactly."""
    microseconds = _length(value) // _MICROSECOND
    whole, fraction = divmod(abs(microseconds), 1_000_000)
    decimals = f".{fraction:06}".rstrip("0") if fraction else ""
    return f"{'-' if microseconds < 0 else ''}{whole:,}{decimals} s"


def iso_duration(value: timedelta | float) -> str:
    """Return a duration in the form of the attribute `datetime`."""
    return f"PT{exact_duration(abs(_length(value))).removesuffix(' s').replace(',', '')}S"


def count(number: float, limit: int | None = None) -> str:
    """Return a number with separators; one above `limit` as `10,000+`."""
    if limit is not None and number > limit:
        return f"{limit:,}+"
    return f"{number:,}" if isinstance(number, int) else f"{number:,.6g}"


def progress_numbers(has: float, needs: float, counts: str, within: str | None) -> str:
    """Return the progress of a criterion: `3 of 5 within 10m`, `2.5 of 9 (sum of bytes)`."""
    text = f"{_quantity(has)} of {_quantity(needs)}"
    if counts.startswith(SUM_OF):
        text += f" ({counts})"
    elif counts != EVENTS:
        text += f" {counts}"
    return f"{text} within {within}" if within else text


def _quantity(value: float) -> str:
    """Return a number or sum with separators and two decimals; a very large or small one short."""
    if isinstance(value, int) and abs(value) < 1e15:
        return f"{value:,}"
    if 0.01 <= abs(value) < 1e15:
        return f"{value:,.2f}".rstrip("0").rstrip(".")
    return f"{value:.6g}" if isinstance(value, float) else f"{Decimal(value):.6g}"


def compact_number(value: float) -> str:
    """Return a number with at most four characters and a prefix: `1.2k`, `35M`."""
    if value and value < 0.01:
        return f"{value:.0e}"
    if value < 10 and value != int(value):
        return f"{value:.2g}"
    power = 0
    while value >= 999.5 and power < len(_PREFIXES) - 1:
        value /= 1000
        power += 1
    if value >= 999.5:
        return f"{value * 1000**power:.0e}"
    text = f"{value:.1f}".removesuffix(".0") if value < 99.95 and power else f"{value:.0f}"
    return text + _PREFIXES[power]


def exact_number(value: float) -> str:
    """Return a number with separators, to six digits if it is not whole."""
    if value == int(value) and value < 1e15:
        return f"{int(value):,}"
    return f"{value:,.6g}"


def count_of(number: int, noun: str) -> str:
    """Return a number with its noun: `1 event`, `1,200 events`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def capital(text: str) -> str:
    """Return a text with an upper-case first letter."""
    return text[:1].upper() + text[1:]


def _utc_time(time: datetime | str) -> datetime:
    return to_utc(datetime.fromisoformat(time) if isinstance(time, str) else time)


def _length(value: timedelta | float) -> timedelta:
    return value if isinstance(value, timedelta) else timedelta(seconds=value)

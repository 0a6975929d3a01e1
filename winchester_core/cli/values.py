"""Times as they are written on a command line, and as they are printed."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final

from winchester_core.config.secrets import MASK, SECRET_KEY, is_secret_key, mask_url
from winchester_core.errors import TimeEvaluationError
from winchester_core.model.event import name_problem, parse_timestamp, storable, to_utc
from winchester_core.model.time_range import TimeRange
from winchester_core.service.exit import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import timedelta


DURATION: Final = re.compile(r"(?:\d+\s*(?:us|mo|y|d|h|m|s)\s*)+\Z")
"""A duration of time expressions, as in ``1d`` or ``2h30m`` (blanks may be left out here)."""
DURATION_PART: Final = re.compile(r"\d+\s*(?:us|mo|y|d|h|m|s)")


def parse_time(text: str) -> datetime:
    """An ISO 8601 date, or date and time, as aware UTC; without offset it is UTC.

    Raises `UsageError`.
    """
    try:
        return parse_timestamp(text)
    except ValueError as error:
        raise UsageError(
            f"{text!r} is no time ({error}); expected ISO 8601, as in 2015-01-20T17:00:00Z"
        ) from None


def parse_time_before(text: str, now: Callable[[], datetime]) -> datetime:
    """A time, or a duration before now. `now` is only asked for a duration.

    Raises `UsageError`, and what `now` raises.
    """
    return _shift(text, "-", now) if DURATION.match(text) else _time_or_duration(text)


def parse_time_after(text: str, now: Callable[[], datetime]) -> datetime:
    """A time, or a duration after now. `now` is only asked for a duration.

    Raises `UsageError`, and what `now` raises.
    """
    return _shift(text, "+", now) if DURATION.match(text) else _time_or_duration(text)


def iso_text(moment: datetime | None) -> str | None:
    """A time as it is printed: ISO 8601 with its offset, which is that of UTC."""
    return None if moment is None else to_utc(moment).isoformat()


def duration_text(length: timedelta) -> str:
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


def to_json_value(value: Any) -> Any:
    """A value as JSON has it: a time as `iso_text`, a range of time as [begin, end]."""
    if isinstance(value, Mapping):
        return {str(key): to_json_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_json_value(item) for item in value]
    if isinstance(value, datetime):
        return iso_text(value)
    if isinstance(value, TimeRange):
        return [iso_text(value.begin), iso_text(value.end)]
    return value.isoformat() if isinstance(value, date) else value


def _shift(duration: str, sign: str, now: Callable[[], datetime]) -> datetime:
    from winchester_core.timex import parse

    try:
        shifted = parse(f"$timestamp {sign} {' '.join(DURATION_PART.findall(duration))}")
        return shifted(timestamp=now()).timestamp
    except TimeEvaluationError as error:
        raise UsageError(f"{duration!r} leads too far: {error.reason}") from None


def _time_or_duration(text: str) -> datetime:
    try:
        return parse_timestamp(text)
    except ValueError:
        raise UsageError(
            f"{text!r} is neither a time (ISO 8601, as in 2015-01-20T17:00:00Z) "
            "nor a duration (as in 1d or 2h30m; units y mo d h m s us)"
        ) from None


# The body of a message as it is shown: JSON as it is, secrets hidden.
#
# What is told of a body comes from outside, and often it is no JSON: that may be why the message
# was rejected. Secrets are then looked for in the text, and rather too much is hidden than too
# little.


MAX_JSON_DEPTH: Final = 100
"""JSON within texts within JSON is looked into this deep; what is deeper is hidden."""

_KEY = re.compile(rf"(?:{SECRET_KEY.pattern})[\w.-]*", re.IGNORECASE)
"""A secret key from where it is known as one; its beginning is of no use, and costly to find."""
_TO_VALUE = re.compile(r"""\\*["']?\s*(?:=>|[:=])\s*""")
_QUOTED = re.compile(r"""(?P<escape>\\*)(?P<quote>["'])""")
_BARE = re.compile(r"[^\s,;&}\])]*")


def masked_body(body: bytes) -> Any:
    """The body as JSON, or as text when it is none, the values of secret keys masked."""
    text = body_text(body)
    try:
        return _mask_value(json.loads(text), MAX_JSON_DEPTH)
    except (ValueError, RecursionError):
        return masked_text(text)


def body_text(body: bytes) -> str:
    """The body as text; bytes that are no UTF-8 are written as ``\\xff``."""
    return body.decode("utf-8", errors="backslashreplace")


def masked_text(text: str) -> str:
    """Text that need not be JSON, with what follows secret keys masked.

    A quoted value is masked up to the quote that ends it, a bare one up to the next blank or
    comma; of a list or an object nobody can tell the end, so that the rest of the text goes.
    """
    kept: list[str] = []
    position = 0
    while key := _KEY.search(text, position):
        separator = _TO_VALUE.match(text, key.end())
        if separator is None:
            kept.append(text[position : key.end()])
            position = key.end()
            continue
        kept += [text[position : separator.end()], MASK]
        position = _end_of_value(text, separator.end())
    kept.append(text[position:])
    return mask_url("".join(kept))


def _end_of_value(text: str, begin: int) -> int:
    if text[begin : begin + 1] in ("{", "["):
        return len(text)
    quoted = _QUOTED.match(text, begin)
    if quoted is None:
        bare = _BARE.match(text, begin)
        return begin if bare is None else bare.end()
    # a quote that ends it is escaped as often as the one that opens it
    closing = re.compile(rf"(?<!\\){re.escape(quoted['escape'])}{quoted['quote']}")
    end = closing.search(text, quoted.end())
    return len(text) if end is None else end.end()


def _mask_value(value: Any, depth: int) -> Any:
    """Mask JSON, and JSON that stands in its texts, as in the envelopes of oslo.messaging."""
    if depth == 0:
        return MASK
    if isinstance(value, Mapping):
        return {
            key: MASK if is_secret_key(key) and item is not None else _mask_value(item, depth - 1)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_mask_value(item, depth - 1) for item in value]
    if isinstance(value, str):
        return _mask_embedded_json(value, depth)
    return value


def _mask_embedded_json(text: str, depth: int) -> str:
    if text.lstrip()[:1] not in ("{", "["):
        return mask_url(text)
    try:
        inner = json.loads(text)
    except (ValueError, RecursionError):
        return masked_text(text)
    return json.dumps(_mask_value(inner, depth - 1))


# Trait filters of listings: ``--trait name=value``, where the value's form tells its type.


TRAIT_FILTER_HELP: Final = (
    "only those with this trait; the value's form tells its type: 5 is an integer, 5.0 a float, "
    "true and false are booleans, 2015-01-20T17:00:00Z a datetime; anything else is text, and "
    "so is what stands in double quotes. Repeated: all of them"
)

_INTEGER = re.compile(r"[+-]?\d+\Z")
_FLOAT = re.compile(r"[+-]?(?:\d+\.\d*|\.?\d+)(?:e[+-]?\d+)?\Z", re.IGNORECASE)
_DATE_AND_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d")
_BOOLEANS: Final = {"true": True, "false": False}


def parse_traits(texts: Iterable[str]) -> dict[str, Any]:
    """The wanted traits of ``name=value`` texts, typed. Raises `UsageError`."""
    traits: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        fault = name_problem(name) if equals else "expected name=value"
        if fault is None and name in traits:
            fault = f"the trait {name!r} is given twice"
        if fault is not None:
            raise UsageError(f"--trait {text}: {fault}")
        traits[name] = _parse_storable_value(text, value)
    return traits


def _parse_storable_value(text: str, written: str) -> Any:
    value = parse_trait_value(written)
    if isinstance(value, TimeRange):
        return value
    stored, fault = storable(value)
    if fault is not None:
        raise UsageError(f"--trait {text}: {fault}; no trait has such a value")
    return stored


def parse_trait_value(written: str) -> str | int | float | bool | datetime | TimeRange:
    """The value that a text means; a time that ``begin/end`` makes a range of is one of streams."""
    if len(written) > 1 and written[0] == written[-1] == '"':
        return written[1:-1]
    if written in _BOOLEANS:
        return _BOOLEANS[written]
    if _INTEGER.match(written):
        return int(written)
    if _FLOAT.match(written):
        return float(written)
    if _DATE_AND_TIME.match(written):
        return _time_or_text(written)
    return written


def _time_or_text(written: str) -> str | datetime | TimeRange:
    begin, slash, end = written.partition("/")
    try:
        if slash:
            return TimeRange(parse_timestamp(begin), parse_timestamp(end))
        return parse_timestamp(written)
    except ValueError:
        return written

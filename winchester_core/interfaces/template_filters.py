"""Filters and tests of templates."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any, Final
from urllib.parse import quote
from zoneinfo import ZoneInfo

import orjson
from jinja2 import StrictUndefined, TemplateRuntimeError, pass_eval_context
from jinja2.filters import do_replace, sync_do_join

MAX_GROWTH: Final = 65_536
"""Maximum number of characters by which a filter lengthens a text."""


def require_defined(value: Any) -> None:
    """Raise `jinja2.UndefinedError`, which names it, if a value is undefined."""
    if isinstance(value, StrictUndefined):
        str(value)


def to_json(value: Any) -> str:
    """Return `value` as JSON; times in RFC 3339, durations in seconds."""
    require_defined(value)
    return orjson.dumps(
        value, default=_json_default, option=orjson.OPT_PASSTHROUGH_DATETIME
    ).decode()


def _json_default(value: Any) -> Any:
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    raise TypeError(f"no JSON for {type(value).__name__}")


def isoformat(value: Any) -> str:
    """Return a time in RFC 3339 with its offset, as in 2026-03-01T12:00:00+00:00."""
    return _moment(value).isoformat()


def local(value: Any, zone: str = "UTC", form: str = "%Y-%m-%d %H:%M %Z") -> str:
    """Return a time in a zone, in a form of `strftime`, as in 2026-03-01 13:00 CET."""
    try:
        return _moment(value).astimezone(ZoneInfo(zone)).strftime(form)
    except (KeyError, ValueError, OSError):  # KeyError: ZoneInfoNotFoundError
        raise TemplateRuntimeError(f"no time zone is named {zone!r}") from None


def _moment(value: Any) -> datetime:
    require_defined(value)
    if not isinstance(value, datetime):
        raise TemplateRuntimeError(f"expected a time, not {type(value).__name__}")
    return value


_UNITS: Final = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))


def duration(value: Any) -> str:
    """Return a duration (or seconds) in its two largest units, as in 3 hours 20 minutes."""
    require_defined(value)
    if isinstance(value, bool) or not isinstance(value, timedelta | int | float):
        raise TemplateRuntimeError(f"expected a duration, not {type(value).__name__}")
    exact = value.total_seconds() if isinstance(value, timedelta) else float(value)
    sign, rest = ("-" if exact < 0 else ""), abs(exact)
    if 0 < rest < 1:
        return f"{sign}{rest:.3g} seconds"
    seconds, parts = int(rest), []
    for name, size in _UNITS:
        number, seconds = divmod(seconds, size)
        if number:
            parts.append(f"{number} {name}{'s' * (number != 1)}")
        elif parts:
            break
    return sign + (" ".join(parts[:2]) or "0 seconds")


def truncate(value: Any, length: int = 80) -> str:
    """Return a text cut to `length` characters, the last of which is then an ellipsis."""
    text = str(value)
    return text if len(text) <= length else text[: max(0, length - 1)] + "…"


def urlencode(value: Any) -> str:
    """Return a value as one part of a URL, percent-encoded."""
    return quote(str(value), safe="")


@pass_eval_context
def replace(context: Any, text: Any, old: Any, new: Any, count: int | None = None) -> str:
    """Return a text with occurrences of `old` replaced by `new`."""
    require_defined(text)
    number = str(text).count(str(old))
    _check_growth(number * (len(str(new)) - len(str(old))))
    return do_replace(context, text, old, new, count)


@pass_eval_context
def join(context: Any, value: Any, separator: Any = "", attribute: Any = None) -> str:
    """Return the items of a sequence, or one attribute of each, as one text."""
    items = list(value)
    _check_growth(len(items) * len(str(separator)))
    joined: str = sync_do_join(context, items, separator, attribute)
    return joined


def _check_growth(characters: int) -> None:
    if characters > MAX_GROWTH:
        raise TemplateRuntimeError(
            f"a filter would add more than {MAX_GROWTH} characters to a text"
        )


FILTERS: Final = {
    "join": join,
    "replace": replace,
    "urlencode": urlencode,
    "json": to_json,
    "isoformat": isoformat,
    "local": local,
    "duration": duration,
    "truncate": truncate,
}
JINJA_FILTERS: Final = [
    "abs",
    "default",
    "dictsort",
    "escape",
    "first",
    "float",
    "groupby",
    "int",
    "items",
    "last",
    "length",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "reject",
    "rejectattr",
    "round",
    "select",
    "selectattr",
    "sort",
    "string",
    "sum",
    "title",
    "trim",
    "unique",
    "upper",
]
ITERATING_FILTERS: Final = frozenset(
    [
        "groupby",
        "join",
        "list",
        "map",
        "max",
        "min",
        "reject",
        "rejectattr",
        "select",
        "selectattr",
        "sort",
        "sum",
        "unique",
    ]
)
JINJA_TESTS: Final = [
    "defined",
    "undefined",
    "none",
    "string",
    "number",
    "integer",
    "float",
    "boolean",
    "mapping",
    "sequence",
    "iterable",
    "even",
    "odd",
    "divisibleby",
    "in",
    "eq",
    "ne",
    "lt",
    "le",
    "gt",
    "ge",
    "==",
    "!=",
    "<",
    "<=",
    ">",
    ">=",
]

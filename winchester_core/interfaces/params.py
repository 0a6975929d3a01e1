"""Validators for the parameters of plugins, for use in a `config_schema`.

Each validator returns the valid value or raises `voluptuous.Invalid`, and provides a description
for editors and the reference pages. A message never shows a URL, because it may contain a password.
"""

from __future__ import annotations

import re
from datetime import timedelta
from math import isfinite
from pathlib import Path
from sys import float_info
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from voluptuous import All, Invalid, Length, Optional, Range, Schema
from voluptuous import Any as AnyOf

from winchester_core.interfaces.json_schema import json_schema
from winchester_core.model.event_types import MAX_PATTERN_LENGTH, EventTypePatterns
from winchester_core.suggestions import nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


__all__ = [
    "NAME",
    "PORT",
    "TEXT",
    "CheckedSchema",
    "UnexpectedValue",
    "duration",
    "expected",
    "integer",
    "number",
    "one_or_more",
    "optional",
    "readable_file",
    "seconds",
    "time_zone",
    "tls",
    "url",
    "whole_number",
]


class CheckedSchema(Schema):
    """Schema of a mapping in which keys depend on each other.

    When each key is valid by itself, `check` validates the whole mapping. It raises
    `voluptuous.Invalid` with the path of the invalid key. `schema` contains the keys, for
    validation, for the documentation and for `plugin show`.
    """

    def __init__(self, keys: Mapping[Any, Any], check: Callable[[Mapping[str, Any]], None]) -> None:
        super().__init__(dict(keys))
        self._check = check

    def __call__(self, data: Any) -> Any:
        """Return the validated parameters with defaults."""
        params = super().__call__(data)  # type: ignore[no-untyped-call]
        self._check(params)
        return params


class UnexpectedValue(Invalid):
    """A value does not have the form that the message requires. The message begins with "expected".

    The report of a configuration appends the actual value, unless it is secret.
    """


def expected(
    what: str,
    accepts: Any,
    convert: Callable[[Any], Any] | None = None,
    error: type[Invalid] = UnexpectedValue,
    **keywords: Any,
) -> Callable[[Any], Any]:
    """Return a validator for the schema `accepts`. Its message is that `what` is expected.

    `convert` is applied to a valid value. For editors, the JSON Schema `keywords` are added to the
    keywords of the schema.
    """
    schema = Schema(accepts)

    @json_schema(accepts, **keywords)
    def check(value: Any) -> Any:
        try:
            valid = schema(value)
        except Invalid:
            raise error(f"expected {what}") from None
        return valid if convert is None else convert(valid)

    return check


@json_schema(type="integer")
def integer(value: Any) -> int:
    """Accept an `int`, but no boolean."""
    if type(value) is int:
        return value
    raise Invalid("expected a whole number")


@json_schema(type="number")
def number(value: Any) -> float:
    """Accept a finite `float`, or an `int` that a float can represent, but no boolean."""
    if type(value) in (int, float) and abs(value) <= float_info.max:
        return float(value) if type(value) is float else value
    raise Invalid("expected a number")


BEARER_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")
"""Syntax of a bearer token (RFC 6750, 2.1)."""

TEXT = All(str, Length(min=1))
NAME = All(str, Length(min=1, max=255))


def optional(check: Any) -> Any:
    """Return a validator for None, or what `check` accepts."""
    schema = Schema(check)

    @json_schema(AnyOf(check, None))
    def check_optional(value: Any) -> Any:
        return None if value is None else schema(value)

    return check_optional


def one_or_more(check: Any) -> Any:
    """Return a validator for a value that `check` accepts, or a non-empty list of such values."""
    one, several = Schema(check), Schema(All([check], Length(min=1)))

    @json_schema(AnyOf(check, several))
    def check_one_or_more(value: Any) -> Any:
        return several(value) if isinstance(value, list) else one(value)

    return check_one_or_more


def whole_number(minimum: int, maximum: int | None = None) -> Any:
    """Return a validator for an `int` within these bounds. Booleans are not accepted."""
    bounds = f"{minimum} or more" if maximum is None else f"{minimum} to {maximum}"
    accepts = All(integer, Range(min=minimum, max=maximum))
    return expected(f"a whole number of {bounds}", accepts, error=Invalid)


PORT = whole_number(1, 65535)


def seconds(minimum: float = 0, maximum: float | None = None, *, over_minimum: bool = False) -> Any:
    """Return a validator for a finite number of seconds, at least (or greater than) `minimum`.

    It returns a float.
    """
    bounds = f"over {minimum:g}" if over_minimum else f"of at least {minimum:g}"
    if maximum is not None:
        bounds += f" and at most {maximum:g}"
    accepts = All(number, Range(min=minimum, max=maximum, min_included=not over_minimum))
    return expected(f"seconds: a number {bounds}", accepts, float, Invalid)


DURATION_PATTERN = r"^(\d+\s*(us|d|h|m|s)\s*)+$"
DURATION = re.compile(r"(?:\d+\s*(?:us|d|h|m|s)\s*)+\Z")
DURATION_PART = re.compile(r"(\d+)\s*(us|d|h|m|s)")
MAX_DURATION = timedelta(days=36_500)
"""A longer timeout, or a time so far from now, could not be represented."""
UNITS = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds", "us": "microseconds"}


def duration(*, positive: bool = False) -> Callable[[Any], timedelta]:
    """Return a validator for a duration: seconds as a number, or a text such as `1d 12h`.

    The units are d, h, m, s and us: the units of time expressions that have a fixed length.
    """
    title = "a duration greater than zero" if positive else "a duration"

    lower_bound = {"exclusiveMinimum": 0} if positive else {"minimum": 0}

    @json_schema(
        anyOf=[{"type": "number", **lower_bound}, {"type": "string", "pattern": DURATION_PATTERN}],
        title=title,
        examples=["1d 12h"],
    )
    def check_duration(value: Any) -> timedelta:
        parsed = _parse_duration(value)
        if parsed is None or (positive and not parsed):
            raise UnexpectedValue(
                f"expected {title}: seconds, or text such as '1d 12h' (units d h m s us)"
            )
        if parsed > MAX_DURATION:
            raise UnexpectedValue(f"expected {title} of at most {MAX_DURATION.days}d")
        return parsed

    return check_duration


def _parse_duration(value: Any) -> timedelta | None:
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return timedelta(seconds=value) if isfinite(value) and value >= 0 else None
        if isinstance(value, str) and DURATION.match(value):
            parts = DURATION_PART.findall(value)
            return sum((timedelta(**{UNITS[unit]: int(n)}) for n, unit in parts), timedelta())
    except (OverflowError, ValueError):
        return None
    return None


@json_schema(type="string", title="IANA name of a time zone", examples=["Europe/Berlin"])
def time_zone(value: Any) -> str:
    """Accept the IANA name of a time zone. Names whose meaning depends on the host are refused."""
    if not isinstance(value, str):
        raise UnexpectedValue("expected the IANA name of a time zone, such as Europe/Berlin")
    known = available_timezones() - {"localtime"}
    if value not in known:
        close = nearest(value, known)
        hint = f"did you mean {close!r}?" if close else "expected an IANA name: Europe/Berlin"
        raise Invalid(f"no time zone is named {value!r}; {hint}")
    return value


def url(*schemes: str) -> Any:
    """Return a validator for an absolute URL with one of these schemes and a host."""
    beginnings = " or ".join(f"{scheme}://" for scheme in schemes)
    pattern = rf"^(?:{'|'.join(schemes)})://[^/\s?#]\S*$"

    @json_schema(type="string", pattern=pattern, title="URL")
    def check_url(value: Any) -> str:
        if isinstance(value, str) and re.fullmatch(pattern[1:-1], value) and _has_host(value):
            return value
        raise Invalid(f"expected a URL that begins with {beginnings}, without spaces")

    return check_url


def _has_host(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:  # the port is not a number, or brackets do not match
        return False


@json_schema(type="string", minLength=1, title="path of a file that exists")
def readable_file(value: Any) -> str:
    """Accept the path of an existing file."""
    if isinstance(value, str) and is_file(Path(value)):
        return value
    raise Invalid("expected the path of a file that exists")


def is_file(path: Path) -> bool:
    """Return whether there is a file at `path`. An inaccessible file counts as absent."""
    try:
        return path.is_file()
    except OSError:
        return False


def tls(more: Mapping[Any, Any] | None = None, *, file: Any = readable_file) -> Any:
    """Return a validator for TLS options: None, a boolean, or a mapping.

    The mapping has `ca_file`, `cert_file`, `key_file`, each of which `file` checks, and the keys of
    `more`. Returns the mapping with defaults for true, and None for false.
    """
    files = {
        "ca_file": "CA certificates (default: those of the system)",
        "cert_file": "client certificate",
        "key_file": "private key of `cert_file`",
    }
    schema = Schema(
        {
            Optional(name, default=None, description=description): optional(file)
            for name, description in files.items()
        }
        | dict(more or {})
    )

    @json_schema(AnyOf(bool, schema, None))
    def check_tls(value: Any) -> dict[str, Any] | None:
        if value in (None, False):
            return None
        options: dict[str, Any] = schema({} if value is True else value)
        if options["key_file"] and not options["cert_file"]:
            raise Invalid("key_file needs a cert_file")
        return options

    return check_tls


GLOB_SCHEMA = {
    "type": "string",
    "minLength": 1,
    "maxLength": MAX_PATTERN_LENGTH,
    "not": {"const": "!"},
}


@json_schema(
    anyOf=[GLOB_SCHEMA, {"type": "array", "items": GLOB_SCHEMA, "minItems": 1}],
    title="glob of event types, or a list of them",
)
def event_types(value: Any) -> list[str]:
    """Validate a glob of event types or a list of them; return a list for `EventTypePatterns`.

    Use it in a `config_schema`. Raises `voluptuous.Invalid`.
    """
    globs = [value] if isinstance(value, str) else value
    if not isinstance(globs, list):
        raise Invalid("expected a glob of event types, such as 'compute.*', or a list of globs")
    try:
        EventTypePatterns(globs)
    except ValueError as error:
        raise Invalid(str(error)) from None
    return globs

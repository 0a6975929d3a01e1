"""Validators of single settings; they return the value in the type that the program uses."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voluptuous import All, In, Invalid, Length, Range, Schema
from voluptuous import Any as AnyOf

from winchester_core.errors import TimeExpressionError
from winchester_core.interfaces.json_schema import (
    case_insensitive_enum,
    definition_reference,
    json_schema,
)
from winchester_core.interfaces.params import TEXT, UnexpectedValue, duration, expected, integer
from winchester_core.suggestions import nearest, suggestion
from winchester_core.timex import parse

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

DATABASES = ("sqlite", "postgresql", "postgres", "mysql", "mariadb")
HOST_AND_PORT = re.compile(r"(?:[^:/]*(?::[^@]*)?@)?(?:\[[^]/?]*\]|[^:/?\[]*)(?::\d+)?(?:[/?]|\Z)")
"""The part of a URL from `://` to the database's name, as SQLAlchemy parses it."""
LOOPBACK = "127.0.0.1"
LISTEN_PATTERN = r"^(?:(\[[0-9A-Fa-f:.]+\]|[^\s:/\[\]]+):)?([0-9]{1,5})$"
LOG_LEVELS = ("CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG")


boolean = expected("true or false", bool)
text = expected("text", TEXT)
text_list = expected(
    "text, or a list of texts",
    AnyOf(TEXT, All([TEXT], Length(min=1))),
    lambda texts: [texts] if isinstance(texts, str) else texts,
)


def whole_number(minimum: int) -> Callable[[Any], int]:
    """Return a validator for a whole number of at least `minimum`."""
    return expected(f"a whole number of {minimum} or more", All(integer, Range(min=minimum)))


def seconds(*, positive: bool = False) -> Callable[[Any], float]:
    """Return a validator like `duration` that returns seconds."""
    check = duration(positive=positive)

    @json_schema(check)
    def check_seconds(value: Any) -> float:
        return check(value).total_seconds()

    return check_seconds


def off_or(check: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a validator for a value that `check` accepts, or None for `off`, false and null.

    YAML reads `off` as false.
    """

    @json_schema(AnyOf(check, "off", False, None))
    def check_switchable(value: Any) -> Any:
        return None if value is None or value is False or value == "off" else check(value)

    return check_switchable


def one_of(*names: str) -> Callable[[Any], str]:
    """Return a validator for one of `names`."""
    return expected(f"one of {', '.join(names)}", All(str, In(names)))


@json_schema(**case_insensitive_enum(*(level.lower() for level in LOG_LEVELS), "warn"))
def log_level(value: Any) -> str:
    """Return the name of a `logging` level in upper case; the input is case-insensitive."""
    name = value.upper() if isinstance(value, str) else value
    if name == "WARN":
        return "WARNING"
    if name in LOG_LEVELS:
        return str(name)
    raise UnexpectedValue(f"expected one of {', '.join(level.lower() for level in LOG_LEVELS)}")


@json_schema(text)
def log_file(value: Any) -> str:
    """Check a path that may contain `%(proc_name)s`."""
    path: str = text(value)
    try:
        path % {"proc_name": "worker"}
    except (KeyError, ValueError, TypeError):
        raise UnexpectedValue(
            "expected a path in which only %(proc_name)s is replaced (%% for a percent sign)"
        ) from None
    return path


@json_schema(
    type="string",
    pattern=rf"^({'|'.join(DATABASES)})(\+[^:]*)?://",
    title="SQLAlchemy URL",
    examples=["sqlite:///winchester.db"],
)
def database_url(value: Any) -> str:
    """Check an SQLAlchemy URL. Messages do not quote it: it may contain a password."""
    if not isinstance(value, str) or "://" not in value or value.startswith(":"):
        raise Invalid("expected a database URL, as in sqlite:///winchester.db")
    scheme, _, rest = value.partition("://")
    database = scheme.partition("+")[0]
    if database not in DATABASES:
        hint = suggestion(database, DATABASES, "use one of")
        raise Invalid(f"the database {database!r} is not supported; {hint}")
    if database != "sqlite" and not HOST_AND_PORT.match(rest):
        raise Invalid("expected a host, and a port that is a number, as in db:5432, before the /")
    return value


@json_schema(
    anyOf=[
        {"type": "integer", "minimum": 0, "maximum": 65535},
        {"type": "string", "pattern": LISTEN_PATTERN},
    ],
    title="listen address",
    examples=[f"{LOOPBACK}:9464"],
)
def listen_address(value: Any) -> tuple[str, int]:
    """Check a port on the loopback address, or `HOST:PORT`; return host and port."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    match = re.fullmatch(LISTEN_PATTERN, value) if isinstance(value, str) else None
    if match is None or int(match[2]) > 65535:
        raise UnexpectedValue("expected a port, or HOST:PORT, as in 127.0.0.1:9464 or [::1]:9464")
    return (match[1] or LOOPBACK).strip("[]"), int(match[2])


def file_or_content(kind: type, content: str, definition: str) -> Any:
    """Return a validator for the name of a file, or for its content, which has the type `kind`.

    `definition` is the name of the content's schema in `winchester_core.schemas`.
    """
    return expected(
        f"the name of a file, or {content}",
        AnyOf(None, TEXT, kind),
        anyOf=[{"type": ["string", "null"], "minLength": 1}, definition_reference(definition)],
        title="file, or its content",
    )


@json_schema(AnyOf({text: text}, None))
def alias_map(value: Any) -> dict[str, str]:
    """Check a mapping from local names to names of entry points."""
    if value is None:
        return {}
    if isinstance(value, dict):
        aliases: dict[str, str] = Schema({text: text})(value)
        return aliases
    raise UnexpectedValue("expected a mapping of names to names of entry points")


_threads = whole_number(1)


@json_schema(AnyOf({text: _threads}, None))
def thread_limits(value: Any) -> dict[str, int]:
    """Check a mapping from names of pipelines to numbers of threads."""
    if value is None:
        return {}
    if isinstance(value, dict):
        limits: dict[str, int] = Schema({text: _threads})(value)
        return limits
    raise UnexpectedValue("expected a mapping of pipelines to numbers of threads")


@json_schema(
    type=["object", "null"],
    propertyNames={"minLength": 1},
    additionalProperties=definition_reference("event_source"),
    title="mapping of names to sources",
)
def source_map(value: Any) -> dict[str, Any]:
    """Check that the event sources are a mapping. Each source is validated separately."""
    if value is None:
        return {}
    if isinstance(value, dict) and all(isinstance(name, str) and name for name in value):
        return value
    raise UnexpectedValue("expected a mapping of names to event sources")


def file_path(name: str) -> Path:
    """Return the path `name`; `~` becomes the user's home directory if there is one."""
    try:
        return Path(name).expanduser()
    except RuntimeError:
        return Path(name)


def time_expression(*variables: str) -> Callable[[Any], str]:
    """Return a validator for a time expression that uses only these variables."""

    @json_schema(
        type="string",
        pattern=rf"^([^$]|\$\s*({'|'.join(variables)})(?![A-Za-z0-9_]))*$",
        title="time expression",
        examples=[f"${variables[0]} + 1d"],
    )
    def check_expression(value: Any) -> str:
        if not isinstance(value, str):
            raise UnexpectedValue("expected a time expression, as text")
        try:
            used = parse(value).variables
        except TimeExpressionError as error:
            raise Invalid(str(error)) from None
        for name in sorted(used - set(variables)):
            raise Invalid(_unknown_variable(value, name, variables))
        return value

    return check_expression


def _unknown_variable(expression: str, name: str, variables: Collection[str]) -> str:
    close = nearest(name, variables)
    hint = f"did you mean '${close}'? Known here" if close else "known here"
    known = ", ".join(f"${variable}" for variable in variables)
    return f"time expression {expression!r}: unknown variable '${name}'; {hint}: {known}"

"""Compiled field paths, which look up values in notifications."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

from winchester_core.distill.optional_import import INSTALL_COMMAND, import_jsonpath_parsers
from winchester_core.errors import FieldPathError


@dataclass(frozen=True, slots=True)
class FieldPath:
    """A compiled field path.

    `first` returns the first value that is not null, or None. `matches` returns (path, value) for
    all values that are not null. If `is_plain`, neither raises; otherwise both may raise any
    exception.
    """

    text: str
    is_plain: bool
    first: Finder
    matches: Callable[[Mapping[str, Any]], list[Match]]


@lru_cache(maxsize=4096)
def compile_path(text: str) -> FieldPath:
    """Compile a field path of an event definition.

    Results are cached, because definitions repeat their paths and jsonpath-rw takes 10 ms or more
    to parse one. Raises `FieldPathError`, or `PluginError` if required packages are not installed.
    """
    steps = plain_steps(text)
    if steps is None:
        return _json_path(text)
    first, name = plain_finder(steps), path_name(steps)
    on_the_wire = wire_steps(steps)
    if on_the_wire is not None:
        first = _first_of(first, plain_finder(on_the_wire))

    def matches(body: Mapping[str, Any]) -> list[Match]:
        value = first(body)
        return [] if value is None else [(name, value)]

    return FieldPath(text, is_plain=True, first=first, matches=matches)


def _json_path(text: str) -> FieldPath:
    matches = json_path_finder(text)

    def first(body: Mapping[str, Any]) -> Any:
        found = matches(body)
        return found[0][1] if found else None

    return FieldPath(text, is_plain=False, first=first, matches=matches)


# Paths with wildcards, filters or functions are parsed by jsonpath-rw or jsonpath-rw-ext.

Match = tuple[str, Any]

_UNEXPECTED_TOKEN = re.compile(r"Parse error at \d+:(\d+) near token (.*) \(")
_UNEXPECTED_CHARACTER = re.compile(r"line \d+, col (\d+)")


def json_path_finder(text: str) -> Callable[[Mapping[str, Any]], list[Match]]:
    """Return a function that returns (path, value) for all matches that are not null.

    The function may raise any exception of the JSONPath packages. Raises `FieldPathError` if `text`
    is not a path, or `PluginError` if the packages are not installed.
    """
    path = _parse(text)
    _refuse_intersection(path, text)

    def find(body: Mapping[str, Any]) -> list[Match]:
        return [(_name(datum), datum.value) for datum in path.find(body) if datum.value is not None]

    return find


def _name(datum: Any) -> str:
    """Return the path of `datum`; empty for the result of a function."""
    elements = []
    while datum.context is not None:
        elements.append(str(datum.path))
        datum = datum.context
    return ".".join(reversed(elements))


def _parse(text: str) -> Any:
    parsers = import_jsonpath_parsers()
    errors = []
    for parse in parsers:
        try:
            # jsonpath-rw-ext prints debug output when it parses the function sub()
            with redirect_stdout(io.StringIO()):
                return parse(text)
        except Exception as error:  # noqa: BLE001 - the parsers raise bare Exception
            errors.append(_parse_error(error, text))
    position, reason = max(errors, key=lambda item: item[0])
    if len(parsers) == 1 and re.search(r"[`?@+*/\\]", text):
        reason += f"; if it is meant for jsonpath-rw-ext: {INSTALL_COMMAND}"
    raise FieldPathError(text, position, reason)


def _parse_error(error: Exception, text: str) -> tuple[int, str]:
    message = str(error)
    if found := _UNEXPECTED_TOKEN.search(message):
        return int(found[1]), f"unexpected {found[2]!r}"
    if found := _UNEXPECTED_CHARACTER.search(message):
        return int(found[1]), "unexpected character"
    if isinstance(error, AttributeError):  # the parsers' error handler fails at the end of text
        return len(text), "unexpected end"
    if "EOF" in message:
        return len(text), "unclosed quote"
    return max(text.find("`"), 0), f"unknown or malformed function ({message})"


def _refuse_intersection(path: Any, text: str) -> None:
    """Raise an error for `a & b`, which jsonpath-rw can parse but not evaluate."""
    if type(path).__name__ == "Intersect":
        raise FieldPathError(text, max(text.find("&"), 0), "intersections cannot be evaluated")
    for part in ("left", "right"):
        if hasattr(path, part):
            _refuse_intersection(getattr(path, part), text)


# Plain paths consist of keys, quoted keys and list indexes. They need no JSONPath engine. Examples
# are `payload.image_meta.'org.openstack__1__architecture'` or `payload.nets[0].id`, with or without
# a leading `$.`. Results are the same as in jsonpath-rw, with one exception: if a value is neither
# a list nor a text, an index matches nothing, while jsonpath-rw raises an error.
#
# Only plain paths also find the keys of ceilometer's own form of a notification, see `wire_steps`.

Step: TypeAlias = str | int
Finder: TypeAlias = Callable[[Mapping[str, Any]], Any]

_WORD = r"[A-Za-z_][A-Za-z0-9_\-]*"
_SINGLE = r"'(?:[^'\\]|\\.)*'"
_DOUBLE = r'"(?:[^"\\]|\\.)*"'
_INDEX = r"\[-?[0-9]+\]"
_KEY = f"(?:{_WORD}|{_SINGLE}|{_DOUBLE})"
_PLAIN = re.compile(rf"(?:\$\.)?{_KEY}(?:\.{_KEY}|{_INDEX})*")
_STEP = re.compile(f"{_SINGLE}|{_DOUBLE}|{_WORD}|{_INDEX}")

_RESERVED_WORD = "where"
_WILDCARD = "*"  # jsonpath-rw treats it as a wildcard even in quotes


def plain_steps(text: str) -> tuple[Step, ...] | None:
    """Return the keys and indexes of `text`, or None if it is not a plain path."""
    if not _PLAIN.fullmatch(text):
        return None
    tokens = _STEP.findall(text)
    steps = tuple(_step(token) for token in tokens)
    return None if _RESERVED_WORD in tokens or _WILDCARD in steps else steps


def plain_finder(steps: tuple[Step, ...]) -> Finder:
    """Return a function that returns the value at `steps`, or None."""
    match steps:
        case (str() as key,):
            return lambda body: body.get(key)
        case (str() as outer, str() as key):
            return _pair_finder(outer, key)
        case _:
            return _chain_finder(steps)


METADATA_KEYS = ("message_id", "timestamp")


def wire_steps(steps: tuple[Step, ...]) -> tuple[Step, ...] | None:
    """Return the steps in a notification for those in ceilometer's own form of it, or None.

    Ceilometer converts a notification to a dict, and its definitions use the paths in this dict. In
    the dict, `ctxt` contains the context, `metadata` the id and time; in a notification, the keys
    of the context begin with `_context_`.
    """
    match steps:
        case ("ctxt", str() as key, *rest):
            return (f"_context_{key}", *rest)
        case ("metadata", str() as key, *rest) if key in METADATA_KEYS:
            return (key, *rest)
    return None


def _first_of(finder: Finder, otherwise: Finder) -> Finder:
    def find(body: Mapping[str, Any]) -> Any:
        value = finder(body)
        return otherwise(body) if value is None else value

    return find


def path_name(steps: tuple[Step, ...]) -> str:
    """Return the path in the form for plugins: without quotes, an index as a separate element."""
    return ".".join(step if isinstance(step, str) else f"[{step}]" for step in steps)


def _step(token: str) -> Step:
    if token[0] == "[":
        return int(token[1:-1])
    if token[0] in "'\"":
        return re.sub(r"\\(.)", r"\1", token[1:-1])
    return token


def _pair_finder(outer: str, key: str) -> Finder:
    def find(body: Mapping[str, Any]) -> Any:
        inner = body.get(outer)
        return inner.get(key) if type(inner) is dict else _look_up(inner, key)

    return find


def _chain_finder(steps: tuple[Step, ...]) -> Finder:
    def find(body: Mapping[str, Any]) -> Any:
        value: Any = body
        for step in steps:
            value = value.get(step) if type(value) is dict else _look_up(value, step)
            if value is None:
                return None
        return value

    return find


def _look_up(value: Any, step: Step) -> Any:
    if isinstance(step, str):
        return value.get(step) if isinstance(value, Mapping) else None
    # jsonpath-rw also indexes strings
    if isinstance(value, list | tuple | str) and -len(value) <= step < len(value):
        return value[step]
    return None

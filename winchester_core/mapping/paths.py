"""Paths into a message: into its body or an element of it, its headers, or its properties."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from winchester_core.distill.field_path import (
    compile_path,
    path_name,
    plain_finder,
    plain_steps,
)

if TYPE_CHECKING:
    from winchester_core.distill.field_path import Match
    from winchester_core.model.message import Message

HEADERS, PROPERTIES, BODY, ELEMENT = "_headers", "_properties", "_body", "_element"
TRAITS = "_traits"
ROOTS = (HEADERS, PROPERTIES, BODY, ELEMENT, TRAITS)
"""First steps of paths that do not begin at the element."""

ALL_NAMES = "*"
"""Name of all headers or properties, for a path with a wildcard."""

_ROOT = re.compile(rf"(?:\$\.)?({'|'.join(ROOTS)})(?![\w-])")
_NOTHING: Mapping[str, Any] = MappingProxyType({})


class Scope(NamedTuple):
    """Values in which paths are looked up.

    `element` is the object at which paths begin: the body, or an element of the value at which a
    rule splits it; empty if that is not an object. `context` has the values by `ROOTS`. `raw_body`
    is the body as received, or None if the source has parsed it.
    """

    element: Mapping[str, Any]
    context: Mapping[str, Any]
    raw_body: bytes | None


def body_scope(body: Any, message: Message) -> Scope:
    """Return the scope of a message with this parsed body. Names of headers become lower case."""
    context = {
        HEADERS: {str(name).lower(): _fact(value) for name, value in message.headers.items()},
        PROPERTIES: {str(name): _fact(value) for name, value in message.properties.items()},
        BODY: body,
        ELEMENT: body,
    }
    raw_body = message.body if isinstance(message.body, bytes) else None
    return Scope(_as_element(body), context, raw_body)


def element_scope(scope: Scope, element: Any) -> Scope:
    """Return the scope of an element of the body of `scope`."""
    return Scope(_as_element(element), {**scope.context, ELEMENT: element}, scope.raw_body)


def traits_scope(scope: Scope, traits: Mapping[str, Any]) -> Scope:
    """Return `scope` with the traits of the event."""
    return scope._replace(context={**scope.context, TRAITS: traits})


def reads_traits(path: str) -> bool:
    """Return whether a path begins with `TRAITS`."""
    return (found := _ROOT.match(path)) is not None and found[1] == TRAITS


def _as_element(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else _NOTHING


def _fact(value: Any) -> Any:
    """Return a header or property; bytes are text in UTF-8."""
    return value.decode("utf-8", errors="replace") if isinstance(value, bytes) else value


ScopeFinder: TypeAlias = Callable[[Scope], Any]


@dataclass(frozen=True, slots=True)
class ScopedPath:
    """A compiled path.

    `first` returns the first value that is not null, or None; `matches` returns (path, value) for
    all of them. If `is_plain`, neither raises; otherwise both may raise any exception. `header` and
    `property` name the header or property that the path reads, `ALL_NAMES` for all.
    """

    text: str
    is_plain: bool
    first: ScopeFinder
    matches: Callable[[Scope], list[Match]]
    header: str | None = None
    property: str | None = None


def compile_scoped_path(text: str) -> ScopedPath:
    """Compile a path, in the syntax of event definitions.

    Other than there, `ctxt` and `metadata` are ordinary keys. Raises `FieldPathError`, or
    `PluginError` if it is not plain and the packages for such paths are not installed.
    """
    steps = plain_steps(text)
    if steps is None:
        path = compile_path(text)
        found = _ROOT.match(text)
        root = found[1] if found else None
        return _scoped(text, root, ALL_NAMES, path.first, path.matches, is_plain=False)
    root = steps[0] if steps[0] in ROOTS else None
    if root == HEADERS:
        steps = tuple(step.lower() if isinstance(step, str) else step for step in steps)
    find, name = plain_finder(steps), path_name(steps)

    def matches(body: Mapping[str, Any]) -> list[Match]:
        value = find(body)
        return [] if value is None else [(name, value)]

    second = str(steps[1]) if len(steps) > 1 else ALL_NAMES
    return _scoped(text, root, second, find, matches, is_plain=True)


def _scoped(
    text: str,
    root: str | None,
    second: str,
    first: Callable[[Mapping[str, Any]], Any],
    matches: Callable[[Mapping[str, Any]], list[Match]],
    *,
    is_plain: bool,
) -> ScopedPath:

    def first_in_element(scope: Scope) -> Any:
        return first(scope.element)

    def first_in_context(scope: Scope) -> Any:
        return first(scope.context)

    return ScopedPath(
        text,
        is_plain,
        first_in_element if root is None else first_in_context,
        lambda scope: matches(scope.element if root is None else scope.context),
        header=second if root == HEADERS else None,
        property=second if root == PROPERTIES else None,
    )

"""A field path of a trait, ready to be looked up in notifications."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from winchester_core.distill.json_path import Match, json_path_finder
from winchester_core.distill.plain_path import Finder, path_name, plain_finder, plain_steps

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclass(frozen=True, slots=True)
class FieldPath:
    """Where a trait's value may lie.

    `first` gives the first value that is not null, or None; `matches` gives (path, value) of all
    of them. Neither raises when `is_plain`; otherwise both may raise anything.
    """

    text: str
    is_plain: bool
    first: Finder
    matches: Callable[[Mapping[str, Any]], list[Match]]


@lru_cache(maxsize=4096)
def compile_path(text: str) -> FieldPath:
    """Compile a path of StackDistiller's definition files.

    Raises `FieldPathError`, or `PluginError` where the packages that it needs are absent. The
    result is kept: files repeat their paths, and jsonpath-rw takes 10 ms or more to parse one.
    """
    steps = plain_steps(text)
    if steps is None:
        return _json_path(text)
    first, name = plain_finder(steps), path_name(steps)

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

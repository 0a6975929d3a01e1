"""Problems of a definition file, and the checks that several of its parts share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from voluptuous import Invalid

from winchester_core.suggestions import nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

Path: TypeAlias = list[Any]
"""Keys and indexes from the top of the document to a place in it."""


def problem(path: Sequence[Any], message: str) -> Invalid:
    """Return a problem at `path`."""
    return Invalid(message, path=list(path))


def key_problems(
    setting: Mapping[Any, Any], path: Path, allowed: tuple[str, ...], required: tuple[str, ...]
) -> Iterator[Invalid]:
    """Demand that `setting` has these keys and no others."""
    for key in setting:
        if key not in allowed:
            yield problem([*path, key], f"unknown key {with_nearest(key, allowed)}")
    for key in required:
        if key not in setting:
            yield problem(path, f"required key {key!r} is missing")


def text_or_list_problems(setting: Any, path: Path, noun: str) -> Iterator[Invalid]:
    """Demand a text that is not empty, or a list of one or more."""
    if setting == []:
        yield problem(path, f"must be {noun} or a list of one or more, not an empty list")
    for place, text in text_places(setting, path):
        if not isinstance(text, str) or not text:
            yield problem(place, f"must be {noun} or a list of one or more, not {kind(text)}")


def text_places(setting: Any, path: Path) -> list[tuple[Path, Any]]:
    """Return `setting`, or its items when it is a list, each with its place."""
    if isinstance(setting, list):
        return [([*path, index], item) for index, item in enumerate(setting)]
    return [(path, setting)]


def with_nearest(name: Any, known: Iterable[str]) -> str:
    """Show an unknown name, the known one that is most like it, and all of them."""
    names = sorted(known)
    close = nearest(name, names)
    hint = f"did you mean {close!r}? " if close else ""
    return f"{name!r}; {hint}allowed: {', '.join(names) or 'none'}"


def as_line(fault: Invalid) -> str:
    """Show a problem where there is no file to point into."""
    place = ".".join(str(step) for step in fault.path)
    return f"{place}: {fault.msg}" if place else str(fault.msg)


def kind(value: Any) -> str:
    """Say what stands where something else should."""
    if value is None or value == "":
        return "nothing"
    if isinstance(value, dict):
        return "a map"
    if isinstance(value, list):
        return "a list"
    return f"{value!r} ({type(value).__name__})"

"""Signatures and docstrings of classes and functions as Markdown."""

from __future__ import annotations

import inspect
from datetime import datetime, timedelta
from enum import Enum
from typing import TYPE_CHECKING, Any

from generated_reference.markdown import definition, docstring

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator


def render_methods(cls: type, only: Collection[str] | None = None) -> str:
    """Render the public methods and properties of a class, inherited ones too, in their order.

    `only` restricts them by name. Raises `LookupError` if the class lacks one of them.
    """
    members = dict(_public(cls))
    if missing := set(only or ()) - set(members):
        raise LookupError(f"{cls.__name__} has no public {sorted(missing)}")
    return "\n\n".join(
        definition(f"`{_signature(name, member)}`", docstring(member))
        for name, member in members.items()
        if only is None or name in only
    )


def render_class(cls: type) -> str:
    """Render the constructor and the docstring of a class."""
    return definition(f"`{call(cls)}`", docstring(cls))


def call(thing: Callable[..., Any]) -> str:
    """Return the signature of a class or a function."""
    parameters = list(inspect.signature(thing).parameters.values())
    return f"{thing.__name__}({', '.join(_parameters(parameters))})"


def _public(cls: type) -> Iterator[tuple[str, Any]]:
    seen: set[str] = set()
    for base in cls.__mro__[:-1]:
        for name, attribute in vars(base).items():
            is_class_method = isinstance(attribute, classmethod)
            member = attribute.__func__ if is_class_method else attribute
            callable_or_property = inspect.isfunction(member) or isinstance(member, property)
            if callable_or_property and not name.startswith("_") and name not in seen:
                seen.add(name)
                yield name, member


def _signature(name: str, member: Any) -> str:
    if isinstance(member, property):
        return name
    parameters = list(inspect.signature(member).parameters.values())[1:]
    return f"{name}({', '.join(_parameters(parameters))})"


def _parameters(parameters: list[inspect.Parameter]) -> Iterator[str]:
    has_star = False
    for each in parameters:
        if each.kind is inspect.Parameter.KEYWORD_ONLY and not has_star:
            has_star = True
            yield "*"
        default = "" if each.default is inspect.Parameter.empty else f"={_shown(each.default)}"
        has_star = has_star or each.kind is inspect.Parameter.VAR_POSITIONAL
        yield f"{_STARS.get(each.kind, '')}{each.name}{default}"


_STARS = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}


def _shown(default: Any) -> str:
    """Return a default value as text; times without their type, members of enums by name."""
    if isinstance(default, Enum):
        return f"{type(default).__name__}.{default.name}"
    return str(default) if isinstance(default, datetime | timedelta) else repr(default)

"""What the example of a plugin gives it: the parameters, or the expression."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from winchester_core.plugins import (
    CONDITIONS,
    EVENT_SOURCES,
    HANDLERS,
    TRAIT_PLUGINS,
    describe_plugin,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping


class UselessExample(ValueError):  # noqa: N818 - what it is
    """An example from which nothing can be learnt; the message says why."""


def given_by_example(group: str, plugin: Any, names: Collection[str]) -> list[Any]:
    """What stands in the example for the plugin, which is registered under `names`.

    Of a condition the expressions, of any other plugin the parameters. Raises `UselessExample`.
    """
    text = describe_plugin(plugin).example
    if not text:
        raise UselessExample("has no example, which shows how it is named and what it takes")
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UselessExample(f"its example is no YAML: {' '.join(str(error).split())}") from None
    given = list(_READERS[group](content, names))
    if not given:
        named = " or ".join(sorted(names))
        raise UselessExample(f"its example does not use it: nothing there is named {named}")
    return given


def _of_handler(content: Any, names: Collection[str]) -> Iterator[Any]:
    for entry in content if isinstance(content, list) else [content]:
        match entry:
            case str() if entry in names:
                yield {}
            case {"name": name, **rest} if name in names:
                yield rest.get("params") or {}


def _of_condition(content: Any, names: Collection[str]) -> Iterator[Any]:
    """Anywhere below the traits: it may stand within `not`, `any` or `all`."""
    match content:
        case dict():
            for key, value in content.items():
                if key in names:
                    yield value
                else:
                    yield from _of_condition(value, names)
        case list():
            for item in content:
                yield from _of_condition(item, names)


def _of_source(content: Any, names: Collection[str]) -> Iterator[Any]:
    for entry in content.values() if isinstance(content, dict) else []:
        match entry:
            case {"source": name, **rest} if name in names:
                yield rest.get("params") or {}


def _of_trait_plugin(content: Any, names: Collection[str]) -> Iterator[Any]:
    for trait in content.values() if isinstance(content, dict) else []:
        named = trait.get("plugin") if isinstance(trait, dict) else None
        for entry in named if isinstance(named, list) else [named]:
            match entry:
                case str() if entry in names:
                    yield {}
                case {"name": name, **rest} if name in names:
                    yield rest.get("parameters") or {}


_READERS: Mapping[str, Callable[[Any, Collection[str]], Iterator[Any]]] = {
    HANDLERS: _of_handler,
    CONDITIONS: _of_condition,
    EVENT_SOURCES: _of_source,
    TRAIT_PLUGINS: _of_trait_plugin,
}

"""Which plugins are installed. Nothing is imported before it is asked for by name."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from importlib.metadata import entry_points
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from winchester_core.errors import PluginError
from winchester_core.plugins.groups import noun
from winchester_core.plugins.plugin import Plugin
from winchester_core.spelling import nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from importlib.metadata import EntryPoint


def available(group: str) -> Mapping[str, Plugin]:
    """Return the installed plugins of `group` by name, in alphabetical order.

    A name that several distributions register is listed once, with the others as its `rivals`.
    """
    return _listing(group, tuple(sys.path))


def load(group: str, name: str) -> Any:
    """Import the plugin `name` of `group` and return it.

    Raises `PluginError`: no plugin has that name, several have it, or it cannot be imported.
    """
    plugins = available(group)
    try:
        plugin = plugins[name]
    except KeyError:
        raise PluginError(group, name, _unknown(group, name, plugins)) from None
    return plugin.load()


class Registry(Mapping[str, Any]):
    """The plugins of one group as a mapping of name to class, imported when looked up.

    `aliases` are further names, each for the name of an entry point. An unknown name raises
    `KeyError`, as in any mapping; a plugin that is registered but cannot be used raises
    `PluginError`.
    """

    def __init__(self, group: str, aliases: Mapping[str, str] | None = None) -> None:
        self.group = group
        self._aliases = dict(aliases or {})
        self._loaded: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._loaded:
            self._loaded[name] = self._plugins()[name].load()
        return self._loaded[name]

    def __contains__(self, name: object) -> bool:
        return name in self._plugins()

    def __iter__(self) -> Iterator[str]:
        return iter(self._plugins())

    def __len__(self) -> int:
        return len(self._plugins())

    def _plugins(self) -> Mapping[str, Plugin]:
        installed = available(self.group)
        if not self._aliases:
            return installed
        known = {a: installed[name] for a, name in self._aliases.items() if name in installed}
        return {**installed, **known}


@lru_cache(maxsize=32)
def _listing(group: str, _path: tuple[str, ...]) -> Mapping[str, Plugin]:
    """List `group` as found on the import path; the path is the cache's key."""
    by_name: dict[str, list[Plugin]] = {}
    for entry_point in entry_points(group=group):
        by_name.setdefault(entry_point.name, []).append(_plugin(entry_point))
    return MappingProxyType({name: _merged(by_name[name]) for name in sorted(by_name)})


def _merged(claims: Iterable[Plugin]) -> Plugin:
    """One plugin for all registrations of a name; a mere repetition is none."""
    first, *rest = dict.fromkeys(claims)
    return replace(first, rivals=tuple(rest))


def _plugin(entry_point: EntryPoint) -> Plugin:
    distribution = entry_point.dist
    return Plugin(
        group=entry_point.group,
        name=entry_point.name,
        distribution=distribution.name if distribution else "an unknown distribution",
        version=distribution.version if distribution else "",
        value=entry_point.value,
    )


def _unknown(group: str, name: str, plugins: Mapping[str, Plugin]) -> str:
    close = nearest(name, plugins)
    installed = ", ".join(plugins) or "none"
    if close:
        hint = f"did you mean {close!r}? Installed: {installed}"
    else:
        hint = f"installed: {installed}; pip install the distribution that brings it"
    return f"no {noun(group)} is named {name!r}; {hint}"

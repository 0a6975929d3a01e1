"""Registry of installed plugins, which are imported on first use."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from importlib.metadata import entry_points
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from winchester_core.errors import PluginError
from winchester_core.plugins.plugin import Plugin, group_noun
from winchester_core.suggestions import nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from importlib.metadata import Distribution, EntryPoint

UNKNOWN = "an unknown distribution"


def installed_plugins(group: str) -> Mapping[str, Plugin]:
    """Return the installed plugins of `group` by name, in alphabetical order.

    If several distributions register a name, it is listed once, with the other registrations as
    `duplicates`.
    """
    return _list_group(group, tuple(sys.path))


def import_plugin(group: str, name: str) -> Any:
    """Import the plugin `name` of `group` and return it.

    Raises `PluginError` if no plugin or several plugins have that name, or if it cannot be
    imported.
    """
    plugins = installed_plugins(group)
    try:
        plugin = plugins[name]
    except KeyError:
        raise PluginError(group, name, _unknown_plugin_message(group, name, plugins)) from None
    return plugin.load()


class PluginRegistry(Mapping[str, Any]):
    """Mapping of names to the plugin classes of a group, imported on access.

    `aliases` maps additional names to names of entry points. An unknown name raises `KeyError`, as
    in any mapping. If a plugin is registered but cannot be loaded, `PluginError` is raised.
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
        installed = installed_plugins(self.group)
        if not self._aliases:
            return installed
        aliased = {a: installed[name] for a, name in self._aliases.items() if name in installed}
        return {**installed, **aliased}


@lru_cache(maxsize=32)
def _list_group(group: str, _path: tuple[str, ...]) -> Mapping[str, Plugin]:
    """List the plugins of `group` on the import path. The path is part of the cache key."""
    by_name: dict[str, list[Plugin]] = {}
    for entry_point in _entry_points(_path).select(group=group):
        by_name.setdefault(entry_point.name, []).append(_plugin_from(entry_point))
    return MappingProxyType({name: _merge_registrations(by_name[name]) for name in sorted(by_name)})


@lru_cache(maxsize=32)
def _entry_points(_path: tuple[str, ...]) -> Any:
    """Read the entry points of every installed distribution, once for all groups.

    The result is `EntryPoints`; before Python 3.12, it is a mapping with the same method `select`.
    """
    return entry_points()


def _merge_registrations(registrations: Iterable[Plugin]) -> Plugin:
    """Return one plugin for all registrations of a name, ignoring identical ones."""
    first, *rest = dict.fromkeys(registrations)
    return replace(first, duplicates=tuple(rest))


def _plugin_from(entry_point: EntryPoint) -> Plugin:
    distribution = entry_point.dist
    name, version = _name_and_version(distribution) if distribution else (UNKNOWN, "")
    return Plugin(entry_point.group, entry_point.name, name, version, entry_point.value)


@lru_cache(maxsize=64)
def _name_and_version(distribution: Distribution) -> tuple[str, str]:
    """Return name and version of a distribution. Cached, because this parses all its METADATA."""
    metadata = distribution.metadata
    return metadata["Name"], metadata["Version"]


def _unknown_plugin_message(group: str, name: str, plugins: Mapping[str, Plugin]) -> str:
    close = nearest(name, plugins)
    installed = ", ".join(plugins) or "none"
    if close:
        hint = f"did you mean {close!r}? Installed: {installed}"
    else:
        hint = f"installed: {installed}; pip install the distribution that brings it"
    return f"no {group_noun(group)} is named {name!r}; {hint}"

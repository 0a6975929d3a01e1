"""Plugins that this distribution registers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from winchester_core.distribution import DISTRIBUTION
from winchester_core.plugins import installed_plugins

if TYPE_CHECKING:
    from winchester_core.plugins import Plugin


def own_plugins(group: str) -> dict[str, Plugin]:
    """Return the built-in plugins of `group` by name, in alphabetical order."""
    return {
        name: plugin
        for name, plugin in installed_plugins(group).items()
        if plugin.distribution == DISTRIBUTION
    }

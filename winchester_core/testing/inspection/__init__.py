"""Inspecting an installed plugin: what can be said of it without its service or its origin."""

from winchester_core.testing.plugin_inspection import PluginInspection, inspect_plugin

__all__ = ["PluginInspection", "inspect_plugin"]

"""Inspecting an installed plugin: what can be said of it without its service or its origin."""

from winchester_core.testing.inspection.inspection import Inspection, inspect_plugin

__all__ = ["Inspection", "inspect_plugin"]

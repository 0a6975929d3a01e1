"""Configuration: YAML files, validated together. All problems are reported with positions."""

from winchester_core.config.loading import Part, load_settings
from winchester_core.config.logging import JsonFormatter, configure_logging
from winchester_core.config.reload_diff import ReloadPolicy, compare_settings
from winchester_core.config.settings import EventDefinitions, HandlerEntry, Settings, SourceEntry
from winchester_core.config.triggers import check_trigger_definitions, validate_trigger

__all__ = [
    "EventDefinitions",
    "HandlerEntry",
    "JsonFormatter",
    "Part",
    "ReloadPolicy",
    "Settings",
    "SourceEntry",
    "check_trigger_definitions",
    "compare_settings",
    "configure_logging",
    "load_settings",
    "validate_trigger",
]

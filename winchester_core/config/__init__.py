"""Configuration: YAML files checked as a whole, every problem reported with its place."""

from winchester_core.config.changes import Takeover, compare_settings
from winchester_core.config.event_definitions import DefinitionsValidator
from winchester_core.config.json_records import JsonFormatter
from winchester_core.config.loading import Part, load_settings
from winchester_core.config.logging import configure_logging
from winchester_core.config.settings import EventDefinitions, HandlerEntry, Settings, SourceEntry
from winchester_core.config.triggers import check_trigger_definitions, validate_trigger

__all__ = [
    "DefinitionsValidator",
    "EventDefinitions",
    "HandlerEntry",
    "JsonFormatter",
    "Part",
    "Settings",
    "SourceEntry",
    "Takeover",
    "check_trigger_definitions",
    "compare_settings",
    "configure_logging",
    "load_settings",
    "validate_trigger",
]

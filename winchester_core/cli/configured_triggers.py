"""The triggers as they are configured now, compiled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from winchester_core.cli.failure import UsageError
from winchester_core.suggestions import suggestion

if TYPE_CHECKING:
    from winchester_core.config import Settings
    from winchester_core.triggers.definition import TriggerDefinition


def configured_triggers(settings: Settings) -> dict[str, TriggerDefinition]:
    """Each by its name, in the order of their file."""
    from winchester_core.bootstrap import trigger_definitions
    from winchester_core.plugins import CONDITIONS, PluginRegistry

    return {each.name: each for each in trigger_definitions(settings, PluginRegistry(CONDITIONS))}


def configured_trigger(settings: Settings, name: str) -> TriggerDefinition:
    """The one that a person names. Raises `UsageError`."""
    triggers = configured_triggers(settings)
    if name not in triggers:
        hint = suggestion(name, triggers, "there are")
        raise UsageError(f"no trigger is named {name!r}; {hint}")
    return triggers[name]

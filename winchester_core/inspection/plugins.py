"""Installed plugins as JSON, and the parts of a configuration that use them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from winchester_core.criteria.compiler import COMBINATORS
from winchester_core.errors import PluginError
from winchester_core.inspection.values import flat_object
from winchester_core.plugins import (
    COMMANDS,
    CONDITIONS,
    EVENT_SOURCES,
    HANDLERS,
    TRAIT_PLUGINS,
    describe_plugin,
    installed_plugins,
)
from winchester_core.schemas import plugin_schema
from winchester_core.time_zones import time_zone_data

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from winchester_core.config import Settings
    from winchester_core.plugins import Plugin

COLUMNS: Final = ("group", "name", "distribution", "version", "summary", "problem")
ALL_COLUMNS: Final = (*COLUMNS, "value", "schema", "example")
USED_BY: Final = "used_by"
PluginUsage: TypeAlias = Mapping[tuple[str, str], Mapping[str, None]]
"""Mapping from a plugin's group and name to the parts of the configuration that use it."""


def plugin_rows(groups: Iterable[str], usage: PluginUsage | None) -> list[dict[str, Any]]:
    """Return a row for each registration of a plugin in these groups.

    A name may have several registrations.
    """
    return [
        plugin_row(registration, loaded, usage)
        for group in groups
        for plugin in installed_plugins(group).values()
        for loaded in [load_plugin(plugin)]
        for registration in (plugin, *plugin.duplicates)
    ]


class LoadedPlugin(NamedTuple):
    """The object of an entry point and its schema, or the reason why it cannot be loaded."""

    plugin: Any = None
    schema: dict[str, Any] | None = None
    problem: str | None = None


def load_plugin(plugin: Plugin) -> LoadedPlugin:
    """Load a plugin, with its schema."""
    loaded = None
    try:
        loaded = plugin.load()
        is_command = plugin.group == COMMANDS
        return LoadedPlugin(loaded, None if is_command else plugin_schema(plugin, loaded))
    except PluginError as error:
        return LoadedPlugin(loaded, problem=error.reason)


def plugin_row(plugin: Plugin, loaded: LoadedPlugin, usage: PluginUsage | None) -> dict[str, Any]:
    """Return one registration of a loaded plugin as a flat object with the keys `ALL_COLUMNS`."""
    description = describe_plugin(loaded.plugin)
    row: dict[str, Any] = {
        **flat_object(plugin, "group name distribution version"),
        "summary": description.summary or None,
        "problem": loaded.problem,
        "value": plugin.value,
        "schema": loaded.schema,
        "example": description.example or None,
    }
    if usage is not None:
        row[USED_BY] = list(usage.get((plugin.group, plugin.name), ()))
    return row


def time_zones_row(usage: PluginUsage | None) -> dict[str, Any]:
    """Return the time zone data in the form of a plugin."""
    data = time_zone_data()
    row: dict[str, Any] = {
        **dict.fromkeys(ALL_COLUMNS),
        "group": "time_zones",
        "name": "tzdata",
        "distribution": data.origin,
        "version": data.version,
        "summary": "Time zones of the IANA database.",
    }
    return row if usage is None else {**row, USED_BY: []}


def plugin_usage(settings: Settings) -> PluginUsage:
    """Return which parts of the configuration use each plugin."""
    usage: dict[tuple[str, str], dict[str, None]] = {}
    for group, name, user in _uses(settings):
        usage.setdefault((group, name), {})[user] = None
    return usage


def _uses(settings: Settings) -> Iterator[tuple[str, str, str]]:
    for pipeline, entries in settings.pipelines.items():
        for entry in entries:
            yield HANDLERS, entry.plugin_name, f"pipeline {pipeline}"
    for source in settings.event_sources.values():
        yield EVENT_SOURCES, source.plugin_name, f"event source {source.name}"
    for trigger in settings.trigger_definitions:
        for criterion in (*trigger["match_criteria"], *trigger["fire_criteria"]):
            for requirement in criterion.get("traits", {}).values():
                for name in _conditions(requirement):
                    yield CONDITIONS, name, f"trigger {trigger['name']}"
    definitions = settings.event_definitions.definitions if settings.event_definitions else ()
    for definition in definitions:
        for trait, entry in definition.get("traits", {}).items():
            plugin = entry.get("plugin") if isinstance(entry, Mapping) else None
            alias = plugin.get("name") if isinstance(plugin, Mapping) else plugin
            if isinstance(alias, str):
                name = settings.trait_plugin_aliases.get(alias, alias)
                yield TRAIT_PLUGINS, name, f"trait {trait}"
    for mapping, rules in settings.mapping_definitions.items():
        for alias in set(_plugins_in(rules)):
            name = settings.trait_plugin_aliases.get(alias, alias)
            yield TRAIT_PLUGINS, name, f"mapping {mapping}"


def _plugins_in(rules: Any) -> Iterator[str]:
    """Yield the names of trait plugins in the rules of a mapping, at any depth."""
    for key, value in rules.items() if isinstance(rules, Mapping) else enumerate(rules):
        if key == "plugin" and isinstance(value, str | Mapping):
            yield value if isinstance(value, str) else value["name"]
        elif isinstance(value, list | Mapping) and key not in ("when", "parameters"):
            yield from _plugins_in(value)


def _conditions(requirement: Any) -> Iterator[str]:
    """Yield the names of conditions in a criterion's requirement for a trait."""
    for each in requirement if isinstance(requirement, list) else [requirement]:
        for name, value in each.items() if isinstance(each, Mapping) else ():
            if name in COMBINATORS:
                yield from _conditions(value)
            else:
                yield name

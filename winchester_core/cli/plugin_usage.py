"""Where a configuration uses which plugin."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from winchester_core.cli.options import load_configuration
from winchester_core.errors import ConfigurationError
from winchester_core.plugins import CONDITIONS, EVENT_SOURCES, HANDLERS, TRAIT_PLUGINS

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator

    from winchester_core.config import Settings

Usage: TypeAlias = Mapping[tuple[str, str], list[str]]
"""Group and name of a plugin to the places that use it, in words."""

COMBINATORS: Final = ("not", "any", "all")


def read_usage(args: Namespace) -> Usage | None:
    """The usage in the configuration that is named; None when there is none that can be read.

    A plugin that is at fault may be the reason for that, hence it is no error here.
    """
    if args.config is None:
        return None
    try:
        settings = load_configuration(args, needs=())
    except ConfigurationError as error:
        first, *others = error.problems
        rest = f" (and {len(others)} more)" if others else ""
        print(
            f"winchester: used_by is not known, since the configuration is not right: {first}{rest}"
            "; 'winchester check' tells all",
            file=sys.stderr,
        )
        return None
    usage: dict[tuple[str, str], list[str]] = {}
    for group, name, place in _uses(settings):
        places = usage.setdefault((group, name), [])
        if place not in places:
            places.append(place)
    return usage


def _uses(settings: Settings) -> Iterator[tuple[str, str, str]]:
    for pipeline, entries in settings.pipelines.items():
        for entry in entries:
            yield HANDLERS, entry.plugin_name, f"pipeline {pipeline}"
    for source in settings.event_sources.values():
        yield EVENT_SOURCES, source.plugin_name, f"event source {source.name}"
    for trigger in settings.trigger_definitions:
        for criterion in (*trigger["match_criteria"], *trigger["fire_criteria"]):
            for demand in criterion.get("traits", {}).values():
                for name in _conditions(demand):
                    yield CONDITIONS, name, f"trigger {trigger['name']}"
    yield from _trait_plugins(settings)


def _conditions(demand: Any) -> Iterator[str]:
    """The names of conditions in what a criterion demands of a trait."""
    for each in demand if isinstance(demand, list) else [demand]:
        for name, value in each.items() if isinstance(each, Mapping) else ():
            if name in COMBINATORS:
                yield from _conditions(value)
            else:
                yield name


def _trait_plugins(settings: Settings) -> Iterator[tuple[str, str, str]]:
    definitions = settings.event_definitions.definitions if settings.event_definitions else ()
    for definition in definitions:
        for trait, entry in definition.get("traits", {}).items():
            plugin = entry.get("plugin") if isinstance(entry, Mapping) else None
            name = plugin.get("name") if isinstance(plugin, Mapping) else plugin
            if isinstance(name, str):
                known = settings.trait_plugin_aliases.get(name, name)
                yield TRAIT_PLUGINS, known, f"trait {trait}"

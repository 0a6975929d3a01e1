"""``winchester plugin list|show``: the plugins that are installed."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from winchester_core.cli.options import load_configuration
from winchester_core.cli.output import (
    FlatLister,
    ObjectShow,
    check_columns,
    column_value,
    join_lines,
    one_line,
)
from winchester_core.errors import ConfigurationError, PluginError
from winchester_core.plugins import (
    COMMANDS,
    CONDITIONS,
    EVENT_SOURCES,
    GROUP_NOUNS,
    HANDLERS,
    TRAIT_PLUGINS,
    describe_plugin,
    installed_plugins,
)
from winchester_core.schemas import describe_schema, list_parameters, plugin_schema
from winchester_core.service.exit import DONE, FAILED, UsageError
from winchester_core.suggestions import suggestion

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator, Sequence

    from winchester_core.config import Settings
    from winchester_core.plugins import Plugin


COLUMNS: Final = ("group", "name", "distribution", "version", "summary", "problem")
ALL_COLUMNS: Final = (*COLUMNS, "value", "schema", "example")
USED_BY: Final = "used_by"
SHORT_GROUPS: Final = {group.removeprefix("winchester."): group for group in GROUP_NOUNS}


class PluginList(FlatLister):
    """List the plugins that are installed.

    Each with its entry-point group, its name, the distribution that brings it and that one's
    version, a summary, and what is wrong with it, if anything: it cannot be imported, or another
    distribution has registered the same name. As JSON or YAML, what the entry point names, the
    JSON Schema of what the plugin takes and an example stand there too. With a configuration,
    used_by tells which parts of it use the plugin.
    """

    examples = (
        "winchester plugin list",
        "winchester plugin list -c winchester.yaml --group handlers",
    )

    def get_parser(self, prog_name: str) -> ArgumentParser:
        """Add ``--group``."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--group",
            choices=list(SHORT_GROUPS),
            metavar="GROUP",
            help="only plugins of this group: %(choices)s",
        )
        return parser

    def take_action(self, parsed_args: Namespace) -> tuple[Sequence[str], list[dict[str, Any]]]:
        """Each plugin; each registration, where there are several of one name."""
        usage = read_usage(parsed_args)
        used_by = () if usage is None else (USED_BY,)
        columns = check_columns(parsed_args.columns, (*ALL_COLUMNS, *used_by))
        wanted = parsed_args.group
        groups = GROUP_NOUNS if wanted is None else [SHORT_GROUPS[wanted]]
        listed = [
            _plugin_row(claim, loaded, usage)
            for group in groups
            for plugin in installed_plugins(group).values()
            for loaded in [_load(plugin)]
            for claim in (plugin, *plugin.duplicates)
        ]
        return columns or (*COLUMNS, *used_by), listed

    def cell(self, each: Mapping[str, Any], column: str) -> Any:
        """A value; of places, one after the other."""
        value = column_value(each, column)
        return ", ".join(value) if isinstance(value, list) else one_line(value)


class PluginShow(ObjectShow):
    """Show one plugin: where it comes from, what it does, its parameters and an example.

    The plugin is named as GROUP/NAME, as in handlers/logger, or by its name alone where no other
    group has it. For each parameter it says what it takes, whether it is required or has a
    default, and what it means. As JSON or YAML, the schema is a JSON Schema. Of a plugin that
    cannot be loaded the cause is shown, and the exit status is 1.
    """

    examples = (
        "winchester plugin show logger",
        "winchester plugin show -c winchester.yaml event_sources/jsonl -f json",
    )

    def get_parser(self, prog_name: str) -> ArgumentParser:
        """Add the argument."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "plugin",
            metavar="NAME",
            nargs="+",
            help="NAME or GROUP/NAME; the name of a command has several words",
        )
        return parser

    def shown(self, parsed_args: Namespace) -> dict[str, Any]:
        """The plugin. Raises `UsageError` for an unknown one."""
        plugin = _find(" ".join(parsed_args.plugin))
        loaded = _load(plugin)
        self._status = FAILED if loaded.problem else DONE
        shown = _plugin_row(plugin, loaded, read_usage(parsed_args))
        shown["description"] = describe_plugin(loaded.plugin).text or None
        shown["parameters"] = [asdict(each) for each in list_parameters(loaded.schema or {})]
        return shown

    def run(self, parsed_args: Namespace) -> int:
        """Show it; the status is that of a failure when the plugin cannot be loaded."""
        return super().run(parsed_args) or self._status

    def cell(self, name: str, value: Any) -> Any:
        """A value; of a description and parameters, the lines."""
        if name in ("description", "example") and value:
            return join_lines(value.splitlines())
        if name == "schema" and value is not None:
            return describe_schema(value)
        if name == "parameters":
            return join_lines(_parameter_line(each) for each in value)
        if name == USED_BY:
            return join_lines(value)
        return super().cell(name, value)


class _LoadedPlugin(NamedTuple):
    """What a plugin's entry point names and takes, or what is wrong with it."""

    plugin: Any = None
    schema: dict[str, Any] | None = None
    problem: str | None = None


def _load(plugin: Plugin) -> _LoadedPlugin:
    loaded = None
    try:
        loaded = plugin.load()
        is_command = plugin.group == COMMANDS
        return _LoadedPlugin(loaded, None if is_command else plugin_schema(plugin, loaded))
    except PluginError as error:
        return _LoadedPlugin(loaded, problem=error.reason)


def _plugin_row(plugin: Plugin, loaded: _LoadedPlugin, usage: Usage | None) -> dict[str, Any]:
    description = describe_plugin(loaded.plugin)
    flat: dict[str, Any] = {
        "group": plugin.group,
        "name": plugin.name,
        "distribution": plugin.distribution,
        "version": plugin.version,
        "summary": description.summary or None,
        "problem": loaded.problem,
        "value": plugin.value,
        "schema": loaded.schema,
        "example": description.example or None,
    }
    if usage is not None:
        flat[USED_BY] = usage.get((plugin.group, plugin.name), [])
    return flat


def _find(text: str) -> Plugin:
    """The plugin that `text` names. Raises `UsageError`."""
    short, slash, name = text.partition("/")
    if not slash:
        return _find_anywhere(text)
    group = SHORT_GROUPS.get(short, short)
    if group not in GROUP_NOUNS:
        hint = suggestion(short, SHORT_GROUPS, "there are")
        raise UsageError(f"no group of plugins is named {short!r}; {hint}")
    plugins = installed_plugins(group)
    if name not in plugins:
        raise UsageError(f"no {GROUP_NOUNS[group]} is named {name!r}; {_hint(name, plugins)}")
    return plugins[name]


def _find_anywhere(name: str) -> Plugin:
    found = [
        installed_plugins(group)[name] for group in GROUP_NOUNS if name in installed_plugins(group)
    ]
    if not found:
        known = [each for group in GROUP_NOUNS for each in installed_plugins(group)]
        raise UsageError(f"no plugin is named {name!r}; {_hint(name, known)}")
    if len(found) > 1:
        choices = " or ".join(
            f"{plugin.group.removeprefix('winchester.')}/{name}" for plugin in found
        )
        raise UsageError(f"several plugins are named {name!r}: say {choices}")
    return found[0]


def _hint(name: str, known: Any) -> str:
    return (
        f"{suggestion(name, known, 'installed')} 'winchester plugin list' shows all that are "
        "installed; pip installs what is missing"
    )


def _parameter_line(parameter: dict[str, Any]) -> str:
    state = "required" if parameter["required"] else ""
    if parameter["default"] is not None:
        state = f"default {json.dumps(parameter['default'], ensure_ascii=False)}"
    told = ", ".join(filter(None, (parameter["takes"], state)))
    return f"{parameter['name']}: " + "; ".join(filter(None, (told, parameter["description"])))


# Where a configuration uses which plugin.


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

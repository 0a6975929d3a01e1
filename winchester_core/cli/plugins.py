"""``winchester plugin list|show``: the plugins that are installed."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Final

from winchester_core.cli.failure import WrongUsage
from winchester_core.cli.output import (
    FlatLister,
    ObjectShow,
    known_columns,
    lines,
    one_line,
    value_of,
)
from winchester_core.cli.plugin_schema import parameters
from winchester_core.cli.plugin_usage import read_usage
from winchester_core.errors import PluginError
from winchester_core.plugins import NOUNS, available
from winchester_core.spelling import suggestion

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator, Mapping, Sequence

    from winchester_core.cli.plugin_usage import Usage
    from winchester_core.plugins import Plugin

COLUMNS: Final = ("group", "name", "distribution", "version", "value", "problem")
USED_BY: Final = "used_by"
SHORT_GROUPS: Final = {group.removeprefix("winchester."): group for group in NOUNS}


class PluginList(FlatLister):
    """List the plugins that are installed.

    Each with its entry-point group, its name, the distribution that brings it and that one's
    version, what the entry point names, and what is wrong with it, if anything: it cannot be
    imported, or another distribution has registered the same name. With a configuration, used_by
    tells which parts of it use the plugin.
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
        known = COLUMNS if usage is None else (*COLUMNS, USED_BY)
        columns = known_columns(parsed_args.columns, known) or known
        wanted = parsed_args.group
        groups = NOUNS if wanted is None else [SHORT_GROUPS[wanted]]
        listed = [
            _flat(claim, problem, usage)
            for group in groups
            for plugin in available(group).values()
            for claim, problem in _claims(plugin)
        ]
        return columns, listed

    def cell(self, each: Mapping[str, Any], column: str) -> Any:
        """A value; of places, one after the other."""
        value = value_of(each, column)
        return ", ".join(value) if isinstance(value, list) else one_line(value)


class PluginShow(ObjectShow):
    """Show one plugin: where it comes from, what it does, and its parameters.

    The plugin is named as GROUP/NAME, as in handlers/logger, or by its name alone where no other
    group has it. For each parameter it says whether it is required, its default, and what it
    takes.
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
        """The plugin. Raises `WrongUsage` for an unknown one."""
        plugin = _find(" ".join(parsed_args.plugin))
        loaded, problem = _loaded(plugin)
        shown = _flat(plugin, problem, read_usage(parsed_args))
        shown["description"] = inspect.getdoc(loaded) if loaded is not None else None
        shown["parameters"] = parameters(loaded)
        return shown

    def cell(self, name: str, value: Any) -> Any:
        """A value; of a description and parameters, the lines."""
        if name == "description" and value:
            return lines(value.splitlines())
        if name == "parameters":
            return lines(_parameter_line(each) for each in value)
        if name == USED_BY:
            return lines(value)
        return super().cell(name, value)


def _claims(plugin: Plugin) -> Iterator[tuple[Plugin, str | None]]:
    """Each registration of the plugin's name, and what is wrong with it."""
    _loaded_plugin, problem = _loaded(plugin)
    for claim in (plugin, *plugin.rivals):
        yield claim, problem


def _loaded(plugin: Plugin) -> tuple[Any, str | None]:
    try:
        return plugin.load(), None
    except PluginError as error:
        return None, error.reason


def _flat(plugin: Plugin, problem: str | None, usage: Usage | None) -> dict[str, Any]:
    flat: dict[str, Any] = {
        "group": plugin.group,
        "name": plugin.name,
        "distribution": plugin.distribution,
        "version": plugin.version,
        "value": plugin.value,
        "problem": problem,
    }
    if usage is not None:
        flat[USED_BY] = usage.get((plugin.group, plugin.name), [])
    return flat


def _find(text: str) -> Plugin:
    """The plugin that `text` names. Raises `WrongUsage`."""
    short, slash, name = text.partition("/")
    if not slash:
        return _find_anywhere(text)
    group = SHORT_GROUPS.get(short, short)
    if group not in NOUNS:
        hint = suggestion(short, SHORT_GROUPS, "there are")
        raise WrongUsage(f"no group of plugins is named {short!r}; {hint}")
    plugins = available(group)
    if name not in plugins:
        raise WrongUsage(f"no {NOUNS[group]} is named {name!r}; {_hint(name, plugins)}")
    return plugins[name]


def _find_anywhere(name: str) -> Plugin:
    found = [available(group)[name] for group in NOUNS if name in available(group)]
    if not found:
        known = [each for group in NOUNS for each in available(group)]
        raise WrongUsage(f"no plugin is named {name!r}; {_hint(name, known)}")
    if len(found) > 1:
        choices = " or ".join(
            f"{plugin.group.removeprefix('winchester.')}/{name}" for plugin in found
        )
        raise WrongUsage(f"several plugins are named {name!r}: say {choices}")
    return found[0]


def _hint(name: str, known: Any) -> str:
    return (
        f"{suggestion(name, known, 'installed')} 'winchester plugin list' shows all that are "
        "installed; pip installs what is missing"
    )


def _parameter_line(parameter: dict[str, Any]) -> str:
    if parameter["required"]:
        state = "required"
    else:
        state = f"default {parameter['default']!r}" if parameter["default"] is not None else ""
    return f"{parameter['name']}: " + ", ".join(filter(None, (parameter["takes"], state)))

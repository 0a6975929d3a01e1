"""``winchester plugin list|show``: installed plugins, and where a configuration uses them."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from winchester_core.cli.options import Argument, load_configuration
from winchester_core.cli.output import FlatLister, ObjectShow, one_line
from winchester_core.errors import ConfigurationError
from winchester_core.inspection.plugins import (
    ALL_COLUMNS,
    COLUMNS,
    USED_BY,
    load_plugin,
    plugin_row,
    plugin_rows,
    plugin_usage,
    time_zones_row,
)
from winchester_core.plugins import (
    GROUP_NOUNS,
    describe_plugin,
    installed_plugins,
)
from winchester_core.schemas import describe_schema, list_parameters
from winchester_core.service.exit import DONE, FAILED, UsageError
from winchester_core.suggestions import suggestion

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Mapping, Sequence

    from winchester_core.inspection.plugins import PluginUsage
    from winchester_core.plugins import Plugin


SHORT_GROUPS: Final = {group.removeprefix("winchester."): group for group in GROUP_NOUNS}


class PluginList(FlatLister):
    """List the installed plugins, and the version of the time zone data.

    The columns are the entry-point group, the name, the distribution and its version, a summary,
    and the problem, if there is one: the plugin cannot be imported, or another distribution
    registers the same name. JSON and YAML also contain the entry point's value, the JSON Schema of
    the plugin's parameters, and an example. With -c, used_by lists the parts of the configuration
    that use the plugin.

    Without --group, the last entry is the time zone data: group time_zones, name tzdata. Its
    version is that of the IANA database, and its distribution is tzdata, or the directory of the
    operating system's files. All processes need the same version.
    """

    examples = (
        "winchester plugin list",
        "winchester plugin list -c winchester.yaml --group handlers",
    )
    arguments = (
        Argument(
            "--group GROUP", "only plugins of this group: %(choices)s", choices=list(SHORT_GROUPS)
        ),
    )

    def columns_of(self, parsed_args: Namespace) -> tuple[Sequence[str], Sequence[str]]:
        """Return the columns, with used_by if the usage is known."""
        self._usage = read_usage(parsed_args)
        used_by = () if self._usage is None else (USED_BY,)
        return (*COLUMNS, *used_by), (*ALL_COLUMNS, *used_by)

    def objects(self, parsed_args: Namespace) -> list[dict[str, Any]]:
        """Return a row for each registration of a plugin, and one for the time zone data.

        A name may have several registrations.
        """
        group = parsed_args.group
        rows = plugin_rows(GROUP_NOUNS if group is None else [SHORT_GROUPS[group]], self._usage)
        return rows if group is not None else [*rows, time_zones_row(self._usage)]

    def cell(self, each: Mapping[str, Any], column: str) -> Any:
        """Return a value, lists separated by commas."""
        value = self.value(each, column)
        return ", ".join(value) if isinstance(value, list) else one_line(value)


class PluginShow(ObjectShow):
    """Show one plugin: its origin, description, parameters and an example.

    Specify GROUP/NAME, as in handlers/logger, or only NAME if no other group has a plugin with that
    name. For each parameter, shows the accepted values, whether it is required, its default, and
    its meaning. In JSON and YAML, the schema is a JSON Schema. If the plugin cannot be loaded,
    shows the cause and exits with status 1.
    """

    examples = (
        "winchester plugin show logger",
        "winchester plugin show -c winchester.yaml event_sources/jsonl -f json",
    )
    arguments = (
        Argument(
            "plugin NAME",
            "NAME or GROUP/NAME; the name of a command may have several words",
            nargs="+",
        ),
    )
    lines = {
        "description": str.splitlines,
        "example": str.splitlines,
        "schema": lambda schema: describe_schema(schema).splitlines(),
        "parameters": lambda parameters: map(_parameter_line, parameters),
        USED_BY: iter,
    }

    def get_object(self, parsed_args: Namespace) -> dict[str, Any]:
        """Return the plugin. If it cannot be loaded, the exit status is 1.

        Raises `UsageError` for an unknown one.
        """
        plugin = _find(" ".join(parsed_args.plugin))
        loaded = load_plugin(plugin)
        self.status = FAILED if loaded.problem else DONE
        shown = plugin_row(plugin, loaded, read_usage(parsed_args))
        shown["description"] = describe_plugin(loaded.plugin).text or None
        shown["parameters"] = [asdict(each) for each in list_parameters(loaded.schema or {})]
        return shown


def _find(text: str) -> Plugin:
    """Return the plugin NAME or GROUP/NAME. Raises `UsageError`."""
    groups, noun, name = list(GROUP_NOUNS), "plugin", text
    if "/" in text:
        short_group, _slash, name = text.partition("/")
        group = SHORT_GROUPS.get(short_group, short_group)
        if group not in GROUP_NOUNS:
            hint = suggestion(short_group, SHORT_GROUPS, "there are")
            raise UsageError(f"no plugin group is named {short_group!r}; {hint}")
        groups, noun = [group], GROUP_NOUNS[group]
    found = [installed_plugins(each)[name] for each in groups if name in installed_plugins(each)]
    if not found:
        known = [each for group in groups for each in installed_plugins(group)]
        raise UsageError(
            f"no {noun} is named {name!r}; {suggestion(name, known, 'installed')} "
            "'winchester plugin list' shows all installed plugins; install others with pip"
        )
    if len(found) > 1:
        choices = (f"{each.group.removeprefix('winchester.')}/{name}" for each in found)
        raise UsageError(f"several plugins are named {name!r}: specify {' or '.join(choices)}")
    return found[0]


def _parameter_line(parameter: dict[str, Any]) -> str:
    state = "required" if parameter["required"] else ""
    if parameter["default"] is not None:
        state = f"default {json.dumps(parameter['default'], ensure_ascii=False)}"
    constraints = ", ".join(filter(None, (parameter["takes"], state)))
    parts = filter(None, (constraints, parameter["description"]))
    return f"{parameter['name']}: " + "; ".join(parts)


def read_usage(args: Namespace) -> PluginUsage | None:
    """Return the usage in the configuration; None if there is none, or it is invalid.

    An invalid configuration is only a warning, because the plugin to show may be the cause.
    """
    if args.config is None:
        return None
    try:
        settings = load_configuration(args, needs=())
    except ConfigurationError as error:
        first, *others = error.problems
        rest = f" (and {len(others)} more)" if others else ""
        print(
            f"winchester: used_by is unknown because the configuration is invalid: {first}{rest}"
            "; 'winchester check' prints all problems",
            file=sys.stderr,
        )
        return None
    return plugin_usage(settings)

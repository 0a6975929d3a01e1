"""``winchester plugin check``: check a distribution's plugins against the plugin rules."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from winchester_core.cli.command import DocumentedCommand
from winchester_core.cli.options import Argument
from winchester_core.plugins import GROUP_NOUNS, group_noun, installed_plugins
from winchester_core.service.exit import DONE, FAILED, UsageError
from winchester_core.suggestions import suggestion

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator

    from winchester_core.plugins import Plugin
    from winchester_core.testing.plugin_inspection import PluginInspection


class PluginCheck(DocumentedCommand):
    """Check the plugins of an installed distribution.

    Loads each plugin, and checks that it has the methods of its interface, a schema, a docstring,
    and an example that the schema accepts. Then uses the example to check those rules of the
    conformance suites that need no external service. For conditions, these are all rules; for
    handlers, the rules before commit (neither commit nor deliver is called); for sources, the rules
    of the schema; for trait plugins, the rules of the schema and of an empty match. The plugins'
    code runs in a temporary directory.

    Prints each problem on a line. The exit status is 1 if there are problems, and 2 if the
    distribution is not installed or has no plugins.
    """

    examples = ("winchester plugin check winchester-example-plugins",)

    arguments = (Argument("distribution DIST", "the distribution, as pip names it"),)

    def take_action(self, parsed_args: Namespace) -> int:
        """Print the result for each plugin; return the exit status."""
        from winchester_core.testing.plugin_inspection import inspect_plugin

        status = DONE
        for plugin in plugins_of(parsed_args.distribution):
            inspection = inspect_plugin(plugin)
            for line in _report_lines(plugin, inspection):
                print(line)
            if inspection.problems:
                status = FAILED
        return status


def plugins_of(distribution: str) -> list[Plugin]:
    """Return the plugins that a distribution registers. Raises `UsageError` if there are none."""
    registrations = [
        registration
        for group in GROUP_NOUNS
        for plugin in installed_plugins(group).values()
        for registration in (plugin, *plugin.duplicates)
    ]
    name = _normalized(distribution)
    matching = [each for each in registrations if _normalized(each.distribution) == name]
    if not matching:
        hint = suggestion(distribution, {each.distribution for each in registrations}, "there are")
        raise UsageError(f"no distribution {distribution!r} with plugins is installed; {hint}")
    return matching


def _report_lines(plugin: Plugin, inspection: PluginInspection) -> Iterator[str]:
    name = f"{group_noun(plugin.group)} {plugin.name}"
    for problem in inspection.problems:
        yield f"{name}: {problem}"
    if not inspection.problems:
        count = inspection.rules_checked
        checked = f", {count} rule{'' if count == 1 else 's'} checked" if count else ""
        skipped = f"; not checked: {inspection.not_checked}" if inspection.not_checked else ""
        yield f"{name}: OK{checked}{skipped}"


def _normalized(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()

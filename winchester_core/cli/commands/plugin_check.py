"""``winchester plugin check``: do the plugins of a distribution keep what they must keep to?"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from winchester_core.cli.command import DocumentedCommand
from winchester_core.plugins import GROUP_NOUNS, group_noun, installed_plugins
from winchester_core.service.exit import DONE, FAILED, UsageError
from winchester_core.suggestions import suggestion

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator

    from winchester_core.plugins import Plugin
    from winchester_core.testing.plugin_inspection import PluginInspection


class PluginCheck(DocumentedCommand):
    """Check the plugins of an installed distribution.

    Each is loaded. It must have the methods of its interface, a schema, a docstring, and an
    example that the schema takes. With the example's parameters, the rules of the conformance
    suites are tried that need no service: a condition's all; a handler's up to the commit, which
    is never called, nor deliver; of a source those of its schema, of a trait plugin also that it
    takes nothing found. So code of the plugins runs, in a directory that is removed afterwards.

    Each problem is a line. The exit status is 1 when there are any, and 2 when no such
    distribution is installed or it brings no plugin.
    """

    examples = ("winchester plugin check winchester-example-plugins",)

    def get_parser(self, prog_name: str) -> ArgumentParser:
        """Add the argument."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "distribution", metavar="DIST", help="the distribution, as pip names it"
        )
        return parser

    def take_action(self, parsed_args: Namespace) -> int:
        """Print what was found of each plugin."""
        from winchester_core.testing.plugin_inspection import inspect_plugin

        status = DONE
        for plugin in plugins_of(parsed_args.distribution):
            found = inspect_plugin(plugin)
            for line in _report_lines(plugin, found):
                print(line)
            if found.problems:
                status = FAILED
        return status


def plugins_of(distribution: str) -> list[Plugin]:
    """The plugins that a distribution registers. Raises `UsageError` when there are none."""
    claims = [
        claim
        for group in GROUP_NOUNS
        for plugin in installed_plugins(group).values()
        for claim in (plugin, *plugin.duplicates)
    ]
    found = [each for each in claims if _normalized(each.distribution) == _normalized(distribution)]
    if not found:
        hint = suggestion(distribution, {each.distribution for each in claims}, "there are")
        raise UsageError(f"no distribution {distribution!r} with plugins is installed; {hint}")
    return found


def _report_lines(plugin: Plugin, found: PluginInspection) -> Iterator[str]:
    name = f"{group_noun(plugin.group)} {plugin.name}"
    for problem in found.problems:
        yield f"{name}: {problem}"
    if not found.problems:
        tried = f", {found.rules_tried} rules tried" if found.rules_tried else ""
        left_out = f"; not tried: {found.left_out}" if found.left_out else ""
        yield f"{name}: OK{tried}{left_out}"


def _normalized(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()

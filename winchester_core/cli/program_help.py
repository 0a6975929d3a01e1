"""Help for the program as a whole: its options, and a line for each command."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import autopage.argparse
from cliff.complete import CompleteCommand as CliffCompleteCommand
from cliff.help import HelpCommand as CliffHelpCommand

from winchester_core.cli.commands import instantiate
from winchester_core.cli.failure import DONE
from winchester_core.distribution import DISTRIBUTION
from winchester_core.errors import PluginError
from winchester_core.plugins import Plugin, docstring_in_source, summary_of

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator

    from cliff.app import App

UNDERLINED: Final = "\033[4m{}\033[0m"
CYAN: Final = "\033[36m{}\033[39m"
GREY: Final = "\033[90m{}\033[39m"

DESCRIBES_ITSELF: Final = frozenset({"_description", "deprecated", "get_description"})
"""Attributes by which a cliff command replaces its docstring in a list, or is left out of it."""


class HelpCommand(CliffHelpCommand):
    """Explain a command, or list all."""

    def get_epilog(self) -> str:
        """Return nothing; see `CompleteCommand.get_epilog`."""
        return ""

    def take_action(self, parsed_args: Namespace) -> int:
        """Explain the command that is named, or the program."""
        if parsed_args.cmd:
            return int(super().take_action(parsed_args))
        print_program_help(self.app)
        return DONE


class CompleteCommand(CliffCompleteCommand):
    """Print a script that completes commands and options in bash."""

    def get_epilog(self) -> str:
        """Return nothing.

        cliff names the distribution that brings the command, for which it goes through the files
        of all distributions.
        """
        return ""


def print_program_help(app: App) -> None:
    """Print the options of `app` and its commands, through a pager on a terminal."""
    pager = autopage.argparse.help_pager(app.stdout)
    coloured = pager.to_terminal()
    autopage.argparse.use_color_for_parser(app.parser, coloured)
    listed = list(_commands(app))
    width = max(len(name) for name, _summary, _origin in listed)
    with pager as output:
        app.parser.print_help(output)
        output.write(f"\n{UNDERLINED.format('Commands') if coloured else 'Commands'}:\n")
        for name, summary, origin in listed:
            shown = name.ljust(width)
            if coloured:
                shown, origin = CYAN.format(shown), GREY.format(origin)
            output.write(f"  {shown}  {summary}{origin}\n")


def _commands(app: App) -> Iterator[tuple[str, str, str]]:
    """Yield name, summary, and the distribution of each command that is not of this one."""
    commands: dict[str, Any] = app.command_manager.commands
    for name, found in sorted(commands.items()):
        summary = _summary(app, name, found)
        if summary is not None:
            is_foreign = isinstance(found, Plugin) and found.distribution != DISTRIBUTION
            yield name, summary.rstrip("."), f" ({found.distribution})" if is_foreign else ""


def _summary(app: App, name: str, found: Any) -> str | None:
    """Return the first sentence of a command's help; None for a deprecated command.

    It is read from the command's source where that has it: to import every command takes longer
    than most of them run.
    """
    if isinstance(found, Plugin) and not found.duplicates:
        docstring = docstring_in_source(found.value, unless_defined=DESCRIBES_ITSELF)
        if docstring is not None:
            return summary_of(docstring)
    try:
        command = instantiate(found.load(), app, name, None)
        return None if command.deprecated else summary_of(command.get_description())
    except PluginError as error:
        return f"cannot be used: {error.reason}"
    except Exception as error:  # noqa: BLE001 - one faulty command does not hide the others
        return f"cannot be used: {type(error).__name__}: {error}"

"""The cliff application behind ``winchester``: finds a command, runs it, reports its errors."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, Final

import autopage.argparse
from cliff.app import App
from cliff.complete import CompleteCommand as CliffCompleteCommand
from cliff.help import HelpCommand as CliffHelpCommand

from winchester_core.cli.command import CommandRegistry, instantiate
from winchester_core.cli.options import DESCRIPTION, PROGRAM, build_program_parser
from winchester_core.distribution import DISTRIBUTION
from winchester_core.errors import PluginError
from winchester_core.plugins import COMMANDS, Plugin, docstring_in_source, summary_of
from winchester_core.service.exit import DONE, UsageError, run_guarded
from winchester_core.suggestions import nearest

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator, Sequence


class WinchesterApp(App):
    """Finds commands by their entry points; every command fails in the same way.

    `options` are those before the command.
    """

    NAME = PROGRAM

    def __init__(self, options: argparse.Namespace | None = None) -> None:
        super().__init__(DESCRIPTION, None, CommandRegistry(COMMANDS))
        self.command_manager.add_command("help", HelpCommand)
        self.command_manager.add_command("complete", CompleteCommand)
        self.options = self.parser.parse_args([]) if options is None else options

    def build_option_parser(
        self,
        description: str | None,
        version: str | None,
        argparse_kwargs: dict[str, Any] | None = None,
    ) -> argparse.ArgumentParser:
        """Return the parser of the options before the command; it needs none of cliff's words."""
        del description, version, argparse_kwargs
        return build_program_parser(self.print_help)

    def print_help(self) -> None:
        """Print the options and all commands, through a pager on a terminal."""
        print_program_help(self)

    def run(self, argv: list[str]) -> int:
        """Run the command that `argv` begins with and return the exit status."""
        given = argparse.Namespace(**vars(self.options))
        return run_guarded(lambda: self._run_command(argv, given), program=PROGRAM, args=given)

    def _run_command(self, argv: list[str], given: argparse.Namespace) -> int:
        """Run a command; put the options that it shares with the program into `given`."""
        try:
            factory, name, arguments = self.command_manager.find_command(argv)
        except ValueError:
            raise UsageError(self._unknown(argv)) from None
        command = instantiate(factory, self, name, self.options)
        parsed = command.get_parser(f"{PROGRAM} {name}").parse_args(arguments)
        given.config = getattr(parsed, "config", given.config)
        given.debug = given.debug or getattr(parsed, "debug", False)
        return command.run(parsed)

    def _unknown(self, argv: Sequence[str]) -> str:
        words = [word for word in argv if not word.startswith("-")][:2]
        known = sorted(self.command_manager.commands)
        meant = [name for name in known if name.split()[0] == words[0]]
        if meant and len(words) > 1:
            rests = {name.partition(" ")[2]: name for name in meant}
            close = nearest(words[1], rests)
            meant = [rests[close]] if close else meant
        if not meant:
            close = nearest(" ".join(words), known) or nearest(words[0], known)
            meant = [close] if close else []
        hint = f"did you mean {' or '.join(map(repr, meant))}? " if meant else ""
        return f"{' '.join(words)!r} is no command; {hint}'{PROGRAM} --help' lists them"


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

"""The cliff application behind ``winchester``: finds a command, runs it, reports its errors."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from cliff.app import App

from winchester_core.cli.commands import PluginCommands, instantiate
from winchester_core.cli.failure import UsageError, guarded
from winchester_core.cli.program_help import CompleteCommand, HelpCommand, print_program_help
from winchester_core.cli.program_options import DESCRIPTION, PROGRAM, build_parser
from winchester_core.plugins import COMMANDS
from winchester_core.suggestions import nearest

if TYPE_CHECKING:
    from collections.abc import Sequence


class WinchesterApp(App):
    """Finds commands by their entry points; every command fails in the same way.

    `options` are those before the command.
    """

    NAME = PROGRAM

    def __init__(self, options: argparse.Namespace | None = None) -> None:
        super().__init__(DESCRIPTION, None, PluginCommands(COMMANDS))
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
        return build_parser(self.print_help)

    def print_help(self) -> None:
        """Print the options and all commands, through a pager on a terminal."""
        print_program_help(self)

    def run(self, argv: list[str]) -> int:
        """Run the command that `argv` begins with and return the exit status."""
        given = argparse.Namespace(**vars(self.options))
        return guarded(lambda: self._run_command(argv, given), program=PROGRAM, args=given)

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

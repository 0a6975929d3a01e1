"""The cliff application behind ``winchester``: find a command, run it, report its errors."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, Final, cast

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
    from collections.abc import Iterable, Iterator, Sequence


class WinchesterApp(App):
    """Application that finds its commands as entry points and handles their errors.

    `options` are the options before the command.
    """

    NAME = PROGRAM

    def __init__(self, options: argparse.Namespace | None = None) -> None:
        super().__init__(DESCRIPTION, None, CommandRegistry(COMMANDS))
        self.command_manager.add_command("help", HelpCommand)
        self.command_manager.add_command("complete", CompleteCommand)
        self.options = options or self.parser.parse_args([])

    def build_option_parser(
        self,
        description: str | None,
        version: str | None,
        argparse_kwargs: dict[str, Any] | None = None,
    ) -> argparse.ArgumentParser:
        """Return the parser of the options before the command; cliff's arguments are ignored."""
        del description, version, argparse_kwargs
        return build_program_parser()

    def print_help(self) -> None:
        """Print the options and all commands, through a pager on a terminal."""
        pager = autopage.argparse.help_pager(self.stdout)
        use_color = pager.to_terminal()
        autopage.argparse.use_color_for_parser(self.parser, use_color)
        commands = list(_commands(self))
        width = max(len(name) for name, _summary, _origin in commands)
        with pager as output:
            self.parser.print_help(output)
            output.write(f"\n{UNDERLINED.format('Commands') if use_color else 'Commands'}:\n")
            for name, summary, origin in commands:
                padded_name = name.ljust(width)
                if use_color:
                    padded_name, origin = CYAN.format(padded_name), GREY.format(origin)
                output.write(f"  {padded_name}  {summary}{origin}\n")

    def run(self, argv: list[str]) -> int:
        """Run the command that `argv` begins with and return the exit status."""
        options = argparse.Namespace(**vars(self.options))
        return run_guarded(lambda: self._run_command(argv, options), program=PROGRAM, args=options)

    def _run_command(self, argv: list[str], options: argparse.Namespace) -> int:
        """Run a command. Options after the command also change `options`."""
        try:
            factory, name, arguments = self.command_manager.find_command(argv)
        except ValueError:
            commands = self.command_manager.commands
            raise UsageError(_unknown_command_message(argv, commands)) from None
        command = instantiate(factory, self, name, self.options)
        parsed = command.get_parser(f"{PROGRAM} {name}").parse_args(arguments)
        options.config = getattr(parsed, "config", options.config)
        options.debug = options.debug or getattr(parsed, "debug", False)
        return command.run(parsed)


def _unknown_command_message(argv: Sequence[str], commands: Iterable[str]) -> str:
    words = [word for word in argv if not word.startswith("-")][:2] or list(argv[:1])
    known = sorted(commands)
    candidates = [name for name in known if name.split()[0] == words[0]]
    if candidates and len(words) > 1:
        verbs = {name.partition(" ")[2]: name for name in candidates}
        close = nearest(words[1], verbs)
        candidates = [verbs[close]] if close else candidates
    if not candidates:
        close = nearest(" ".join(words), known) or nearest(words[0], known)
        candidates = [close] if close else []
    hint = f"did you mean {' or '.join(map(repr, candidates))}? " if candidates else ""
    return f"unknown command {' '.join(words)!r}; {hint}'{PROGRAM} --help' lists all commands"


UNDERLINED: Final = "\033[4m{}\033[0m"
CYAN: Final = "\033[36m{}\033[39m"
GREY: Final = "\033[90m{}\033[39m"

DESCRIPTION_ATTRIBUTES: Final = frozenset({"_description", "deprecated", "get_description"})
"""Attributes of a cliff command that override its docstring in a list, or hide the command."""


def _empty_epilog(_command: object) -> str:
    """Return an epilog.

    cliff's own epilog names the command's distribution. To find it, cliff scans the files of all
    distributions, which is slow.
    """
    return ""


class HelpCommand(CliffHelpCommand):
    """Show the help of a command, or list all commands."""

    get_epilog = _empty_epilog

    def take_action(self, parsed_args: Namespace) -> int:
        """Print the help of the named command, the commands of a group, or the program's help.

        Raises `UsageError` for an unknown command.
        """
        if not parsed_args.cmd:
            cast("WinchesterApp", self.app).print_help()
            return DONE
        words, manager = parsed_args.cmd, self.app.command_manager
        try:
            manager.find_command(words)
        except ValueError:
            if not any(name.startswith(" ".join(words)) for name in manager.commands):
                raise UsageError(_unknown_command_message(words, manager.commands)) from None
        return int(super().take_action(parsed_args))


class CompleteCommand(CliffCompleteCommand):
    """Print a script that completes commands and options in bash."""

    get_epilog = _empty_epilog


def _commands(app: App) -> Iterator[tuple[str, str, str]]:
    """Yield each command's name, summary, and distribution (none for Winchester's own commands)."""
    commands: dict[str, Any] = app.command_manager.commands
    for name, entry in sorted(commands.items()):
        summary = _summary(app, name, entry)
        if summary is not None:
            is_third_party = isinstance(entry, Plugin) and entry.distribution != DISTRIBUTION
            yield name, summary.rstrip("."), f" ({entry.distribution})" if is_third_party else ""


def _summary(app: App, name: str, entry: Any) -> str | None:
    """Return the first sentence of a command's help; None for a deprecated command.

    If possible, it is read from the source file, because importing all commands takes longer than
    running most of them.
    """
    if isinstance(entry, Plugin) and not entry.duplicates:
        docstring = docstring_in_source(entry.value, unless_defined=DESCRIPTION_ATTRIBUTES)
        if docstring is not None:
            return summary_of(docstring)
    try:
        command = instantiate(entry.load(), app, name, None)
        return None if command.deprecated else summary_of(command.get_description())
    except PluginError as error:
        return f"cannot be used: {error.reason}"
    except Exception as error:  # noqa: BLE001 - one faulty command does not hide the others
        return f"cannot be used: {type(error).__name__}: {error}"

"""The program ``winchester``: global options, and the command that the rest names."""

from __future__ import annotations

import argparse
import inspect
import sys
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from cliff.app import App
from cliff.help import HelpAction

from winchester_core.cli.commands import PluginCommands
from winchester_core.cli.console import prepare_console
from winchester_core.cli.failure import WRONG_USAGE, UsageError, guarded
from winchester_core.cli.options import CONFIG_VARIABLE
from winchester_core.distribution import DISTRIBUTION
from winchester_core.plugins import COMMANDS
from winchester_core.spelling import nearest

if TYPE_CHECKING:
    from collections.abc import Sequence

PROGRAM: Final = "winchester"
DESCRIPTION: Final = (
    "Event processing on persistent streams: events are grouped into streams, and pipelines "
    "process a stream when its criteria are met, or when it expires."
)
OPTIONS_WITH_VALUE: Final = ("-c", "--config")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that `argv` (default: the process's arguments) names."""
    prepare_console(PROGRAM)
    return WinchesterApp().run(list(sys.argv[1:] if argv is None else argv))


class WinchesterApp(App):
    """Finds commands by their entry points; every command fails in the same way."""

    NAME = PROGRAM

    def __init__(self) -> None:
        super().__init__(DESCRIPTION, version(DISTRIBUTION), PluginCommands(COMMANDS))

    def build_option_parser(
        self,
        description: str | None,
        version: str | None,
        argparse_kwargs: dict[str, Any] | None = None,
    ) -> argparse.ArgumentParser:
        """The parser of the options that stand before the command."""
        parser = argparse.ArgumentParser(
            prog=PROGRAM,
            usage="winchester [options] COMMAND [arguments]",
            description=description,
            epilog="'winchester help COMMAND' explains one.",
            add_help=False,
            allow_abbrev=False,
            **(argparse_kwargs or {}),
        )
        parser.add_argument(
            "-h", "--help", action=HelpAction, nargs=0, default=self, help="show this help"
        )
        parser.add_argument("--version", action="version", version=f"{PROGRAM} {version}")
        parser.add_argument(
            "-c",
            "--config",
            metavar="FILE",
            help=f"the configuration; may stand after the command, too, or in {CONFIG_VARIABLE}",
        )
        parser.add_argument("--debug", action="store_true", help="show tracebacks of errors")
        return parser

    def run(self, argv: list[str]) -> int:
        """Run one command and return the exit status."""
        options, command = _split(argv)
        self.options = self.parser.parse_args(options)
        if not command:
            self.parser.print_usage(sys.stderr)
            print(f"{PROGRAM}: name a command; see '{PROGRAM} --help'", file=sys.stderr)
            return WRONG_USAGE
        said = argparse.Namespace(**vars(self.options))
        return guarded(lambda: self._run_command(command, said), program=PROGRAM, args=said)

    def _run_command(self, argv: list[str], said: argparse.Namespace) -> int:
        """Run a command; what its arguments say is put into `said`."""
        try:
            factory, name, arguments = self.command_manager.find_command(argv)
        except ValueError:
            raise UsageError(self._unknown(argv)) from None
        takes_name = "cmd_name" in inspect.getfullargspec(factory.__init__).args
        command = factory(self, self.options, **({"cmd_name": name} if takes_name else {}))
        parsed = command.get_parser(f"{PROGRAM} {name}").parse_args(arguments)
        said.config = getattr(parsed, "config", said.config)
        said.debug = said.debug or getattr(parsed, "debug", False)
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


def _split(argv: list[str]) -> tuple[list[str], list[str]]:
    """The options before the command, and the command with all that follows."""
    index = 0
    while index < len(argv) and argv[index].startswith("-"):
        index += 2 if argv[index] in OPTIONS_WITH_VALUE else 1
    return argv[:index], argv[index:]

"""The options of ``winchester`` that stand before the command."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Final

from winchester_core.cli.options import CONFIG_VARIABLE, add_debug_option
from winchester_core.distribution import DISTRIBUTION

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PROGRAM: Final = "winchester"
DESCRIPTION: Final = (
    "Event processing on persistent streams: events are grouped into streams, and pipelines "
    "process a stream when its criteria are met, or when it expires."
)
WITH_VALUE: Final = ("-c", "--config")


def split(argv: list[str]) -> tuple[list[str], list[str]]:
    """Return the options before the command, and the command with its arguments."""
    index = 0
    while index < len(argv) and argv[index].startswith("-"):
        index += 2 if argv[index] in WITH_VALUE else 1
    return argv[:index], argv[index:]


def build_parser(print_help: Callable[[], None]) -> argparse.ArgumentParser:
    """Return the parser of these options; ``--help`` calls `print_help` and exits."""
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        usage="winchester [options] COMMAND [arguments]",
        description=DESCRIPTION,
        epilog="'winchester help COMMAND' explains one.",
        add_help=False,
        allow_abbrev=False,
    )
    parser.add_argument(
        "-h", "--help", action=_PrintAndExit, show=print_help, help="show this help"
    )
    parser.add_argument(
        "--version",
        action=_PrintAndExit,
        show=_print_version,
        help="show program's version number and exit",
    )
    parser.add_argument(
        "-c",
        "--config",
        metavar="FILE",
        help=f"the configuration; may stand after the command, too, or in {CONFIG_VARIABLE}",
    )
    add_debug_option(parser)
    return parser


class _PrintAndExit(argparse.Action):
    """Calls `show` and exits: unlike argparse's own actions, it needs no text beforehand."""

    def __init__(
        self,
        option_strings: Sequence[str],
        dest: str,
        *,
        show: Callable[[], None],
        help: str,  # noqa: A002 - the name that argparse gives it
    ) -> None:
        del dest
        super().__init__(option_strings, argparse.SUPPRESS, nargs=0, help=help)
        self._show = show

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        self._show()
        parser.exit()


def _print_version() -> None:
    from importlib.metadata import version  # slow, and no other option needs it

    print(f"{PROGRAM} {version(DISTRIBUTION)}")

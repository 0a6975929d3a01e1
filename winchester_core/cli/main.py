"""The program ``winchester``: options before the command, then the command itself.

cliff and everything behind it is imported after these options are parsed, since ``--version`` and
wrong usage do not need it.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from winchester_core.cli.options import PROGRAM, build_program_parser, split_arguments
from winchester_core.cli.terminal import configure_terminal
from winchester_core.service.exit import WRONG_USAGE
from winchester_core.service.garbage_collector import spare_collector

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that `argv` (default: the process's arguments) names."""
    spare_collector()
    configure_terminal(PROGRAM)
    given, command = split_arguments(list(sys.argv[1:] if argv is None else argv))
    parser = build_program_parser(_print_help)
    options = parser.parse_args(given)
    if not command:
        parser.print_usage(sys.stderr)
        print(f"{PROGRAM}: name a command; see '{PROGRAM} --help'", file=sys.stderr)
        return WRONG_USAGE
    from winchester_core.cli.app import WinchesterApp

    return WinchesterApp(options).run(command)


def _print_help() -> None:
    from winchester_core.cli.app import WinchesterApp

    WinchesterApp().print_help()

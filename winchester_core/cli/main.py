"""Entry point of the program ``winchester``.

Parses the options before the command first, and imports cliff only afterwards: ``--version`` and
usage errors do not need it.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from winchester_core.cli.options import PROGRAM, build_program_parser, split_arguments
from winchester_core.cli.terminal import configure_terminal
from winchester_core.distribution import DISTRIBUTION
from winchester_core.service.exit import DONE, WRONG_USAGE
from winchester_core.service.garbage_collector import defer_garbage_collection

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command in `argv` (default: the process's arguments); return the exit status."""
    defer_garbage_collection()
    configure_terminal(PROGRAM)
    option_args, command = split_arguments(list(sys.argv[1:] if argv is None else argv))
    parser = build_program_parser()
    options = parser.parse_args(option_args)
    if options.version:
        from importlib.metadata import version  # slow, and needed here only

        print(f"{PROGRAM} {version(DISTRIBUTION)}")
        return DONE
    if not (command or options.help):
        parser.print_usage(sys.stderr)
        print(f"{PROGRAM}: name a command; see '{PROGRAM} --help'", file=sys.stderr)
        return WRONG_USAGE
    from winchester_core.cli.app import WinchesterApp

    app = WinchesterApp(options)
    if options.help:
        app.print_help()
        return DONE
    return app.run(command)

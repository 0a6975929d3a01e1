"""Command lines of Winchester's programs in files of other tools."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from winchester_core.cli.commands import database, worker

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence

PARSERS = {"winchester-worker": worker.build_parser, "winchester_db": database.build_parser}


def parse_program(words: Sequence[str]) -> Namespace:
    """Parse a command line. Raises `SystemExit` for invalid arguments, `KeyError` for others."""
    program, *arguments = words
    if program != "winchester":
        return PARSERS[program]().parse_args(arguments)
    (command,) = entry_points(group="winchester.commands", name=arguments[0])
    parser = command.load()(None, None).get_parser(f"winchester {arguments[0]}")
    parsed: Namespace = parser.parse_args(arguments[1:])
    return parsed

"""Options that every command has, and the configuration that they name."""

from __future__ import annotations

import os
from argparse import ArgumentTypeError
from typing import TYPE_CHECKING, Final

from winchester_core.cli.failure import WrongUsage

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Collection

    from winchester_core.config import Part, Settings

CONFIG_VARIABLE: Final = "WINCHESTER_CONFIG"
DATABASE: Final[tuple[Part, ...]] = ("database",)
DATABASE_ONLY: Final[tuple[Part, ...]] = ("triggers", "pipelines", "distiller", "sources")
"""What is ignored by a command that only needs to know the database and the clock."""


def add_config_option(parser: ArgumentParser, default: str | None = None) -> None:
    """Add ``-c FILE`` and ``--debug``; the environment stands in for ``-c`` where it is absent."""
    parser.add_argument(
        "-c",
        "--config",
        metavar="FILE",
        default=default or os.environ.get(CONFIG_VARIABLE) or None,
        help=f"the configuration, winchester.yaml (default: the file that {CONFIG_VARIABLE} names)",
    )
    parser.add_argument("--debug", action="store_true", help="show tracebacks of errors")


def load(
    parsed_args: Namespace,
    *,
    needs: Collection[Part] = DATABASE,
    ignores: Collection[Part] = (),
) -> Settings:
    """Read and check the configuration that ``-c`` names; see `load_settings` for the rest.

    Raises `WrongUsage` when there is none, `ConfigurationError` with every problem in it.
    """
    if parsed_args.config is None:
        raise WrongUsage(
            "no configuration: name its file with -c FILE, "
            f"or in the environment variable {CONFIG_VARIABLE}"
        )
    from winchester_core.bootstrap import load_settings  # slow: it brings in the database

    return load_settings(parsed_args.config, needs=needs, ignores=ignores)


def positive_number(text: str) -> int:
    """The type of an option that takes a whole number of at least 1, as argparse wants it."""
    if text.isascii() and text.isdigit() and int(text):
        return int(text)
    raise ArgumentTypeError(f"{text!r} is no whole number of 1 or more")

"""Options that every command has, and the configuration that they name."""

from __future__ import annotations

import os
from argparse import ArgumentTypeError
from pathlib import Path
from typing import TYPE_CHECKING, Final

from winchester_core.cli.failure import UsageError
from winchester_core.suggestions import nearest

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Collection

    from winchester_core.config import Part, Settings

CONFIG_VARIABLE: Final = "WINCHESTER_CONFIG"
MAKE_ONE: Final = "'winchester init DIR' makes one to begin with"
DATABASE: Final[tuple[Part, ...]] = ("database",)
ALL_BUT_DATABASE: Final[tuple[Part, ...]] = ("triggers", "pipelines", "distiller", "sources")
"""What a command ignores that only needs to know the database and the clock."""


def add_config_option(parser: ArgumentParser, default: str | None = None) -> None:
    """Add ``-c FILE``; the environment stands in for ``-c`` where it is absent."""
    parser.add_argument(
        "-c",
        "--config",
        metavar="FILE",
        default=default or os.environ.get(CONFIG_VARIABLE) or None,
        help=f"the configuration, winchester.yaml (default: the file that {CONFIG_VARIABLE} names)",
    )


def add_debug_option(parser: ArgumentParser) -> None:
    """Add ``--debug``."""
    parser.add_argument("--debug", action="store_true", help="show tracebacks of errors")


def load_configuration(
    parsed_args: Namespace,
    *,
    needs: Collection[Part] = DATABASE,
    ignores: Collection[Part] = (),
) -> Settings:
    """Read and check the configuration that ``-c`` names; see `load_settings` for the rest.

    Raises `UsageError` when there is none, `ConfigurationError` with every problem in it.
    """
    if parsed_args.config is None:
        raise UsageError(
            "no configuration: name its file with -c FILE, "
            f"or in the environment variable {CONFIG_VARIABLE}; {MAKE_ONE}"
        )
    path = check_path(parsed_args.config)
    from winchester_core.bootstrap import load_settings  # slow: it brings in the database

    return load_settings(path, needs=needs, ignores=ignores)


def check_path(config: str) -> Path:
    """The path of a configuration that is there. Raises `UsageError`."""
    path = Path(config)
    if path.is_dir():
        raise UsageError(f"{path} is a directory: name the file, as in {path / 'winchester.yaml'}")
    if not path.exists():
        raise UsageError(f"there is no configuration {path}; {meant_instead(path) or MAKE_ONE}")
    return path


def meant_instead(path: Path) -> str | None:
    """A question for the file that was meant by `path`, which does not exist; None for none.

    It is the one in the same directory whose name comes nearest.
    """
    if not path.parent.is_dir():
        return f"there is no directory {path.parent} either"
    try:
        close = nearest(path.name, (each.name for each in path.parent.iterdir()))
    except OSError:
        return None
    return None if close is None else f"did you mean {str(path.with_name(close))!r}?"


def positive_number(text: str) -> int:
    """The type of an option that takes a whole number of at least 1, as argparse wants it."""
    if text.isascii() and text.isdigit() and int(text):
        return int(text)
    raise ArgumentTypeError(f"{text!r} is no whole number of 1 or more")

"""Options that every command has, and the configuration that they name."""

from __future__ import annotations

import argparse
import os
from argparse import ArgumentTypeError
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from winchester_core.distribution import DISTRIBUTION
from winchester_core.service.exit import UsageError
from winchester_core.suggestions import nearest

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable, Collection, Sequence

    from winchester_core.config import Part, Settings


CONFIG_VARIABLE: Final = "WINCHESTER_CONFIG"
INIT_HINT: Final = "'winchester init DIR' makes one to begin with"
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
            f"or in the environment variable {CONFIG_VARIABLE}; {INIT_HINT}"
        )
    path = existing_config_path(parsed_args.config)
    from winchester_core.bootstrap import load_settings  # slow: it brings in the database

    return load_settings(path, needs=needs, ignores=ignores)


def existing_config_path(config: str) -> Path:
    """The path of a configuration that is there. Raises `UsageError`."""
    path = Path(config)
    if path.is_dir():
        raise UsageError(f"{path} is a directory: name the file, as in {path / 'winchester.yaml'}")
    if not path.exists():
        raise UsageError(f"there is no configuration {path}; {suggest_path(path) or INIT_HINT}")
    return path


def suggest_path(path: Path) -> str | None:
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


def add_daemon_options(parser: ArgumentParser) -> None:
    """Add ``-d`` and ``--pid-file``."""
    parser.add_argument(
        "-d",
        "--daemon",
        action="store_true",
        help="run in the background, in the same working directory; the command ends when the "
        "daemon is at work, or with the reason why it is not",
    )
    parser.add_argument(
        "--pid-file",
        metavar="PATH",
        help="write the process's number there while it runs; a second process with the same "
        "file is refused, one that a crash left behind is taken over",
    )


# The option ``--metrics-listen``: each process of a host needs an address of its own.


METRICS_OFF: Final = "off"


def add_metrics_option(parser: ArgumentParser) -> None:
    """Add ``--metrics-listen``."""
    parser.add_argument(
        "--metrics-listen",
        metavar="ADDRESS",
        type=_listen_address,
        help="where to tell metrics, liveness and readiness over HTTP: a port, HOST:PORT, or off "
        "(default: the setting metrics_listen)",
    )


def apply_metrics_option(settings: Settings, args: Namespace) -> Settings:
    """The settings as the option, where it is given, changes them."""
    if args.metrics_listen is None:
        return settings
    listen = None if args.metrics_listen == METRICS_OFF else args.metrics_listen
    return replace(settings, metrics_listen=listen)


def disable_metrics(settings: Settings) -> Settings:
    """The settings for what ends by itself, perhaps beside a process that listens."""
    return replace(settings, metrics_listen=None)


def _listen_address(text: str) -> tuple[str, int] | str:
    from voluptuous import Invalid

    from winchester_core.config.values import listen_address

    if text == METRICS_OFF:
        return METRICS_OFF
    try:
        host, port = listen_address(text)
    except Invalid as invalid:
        raise ArgumentTypeError(f"{text!r}: {invalid.msg}") from None
    return host, port


PROGRAM: Final = "winchester"
DESCRIPTION: Final = (
    "Event processing on persistent streams: events are grouped into streams, and pipelines "
    "process a stream when its criteria are met, or when it expires."
)
OPTIONS_WITH_VALUE: Final = ("-c", "--config")


def split_arguments(argv: list[str]) -> tuple[list[str], list[str]]:
    """Return the options before the command, and the command with its arguments."""
    index = 0
    while index < len(argv) and argv[index].startswith("-"):
        index += 2 if argv[index] in OPTIONS_WITH_VALUE else 1
    return argv[:index], argv[index:]


def build_program_parser(print_help: Callable[[], None]) -> argparse.ArgumentParser:
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

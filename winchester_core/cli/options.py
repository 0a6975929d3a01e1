"""Options that several commands share, and loading of the configuration named by ``-c``."""

from __future__ import annotations

import argparse
import os
from argparse import ArgumentTypeError
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from winchester_core.service.exit import UsageError
from winchester_core.suggestions import nearest_file

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Collection

    from winchester_core.config import Part, Settings


CONFIG_VARIABLE: Final = "WINCHESTER_CONFIG"
INIT_HINT: Final = "'winchester init DIR' creates one"
DATABASE: Final[tuple[Part, ...]] = ("database",)
ALL_BUT_DATABASE: Final[tuple[Part, ...]] = ("triggers", "pipelines", "distiller", "sources")
"""Parts of the configuration that are ignored if only the database and the clock are needed."""


class Argument:
    """Option or positional argument of a command, declared once and added to any parser.

    `names` has the form of a synopsis: "-c --config FILE", "id ID". `settings` are passed to
    argparse.
    """

    def __init__(self, names: str, help_text: str | None, **settings: Any) -> None:
        words = names.split()
        if not words[-1].startswith("-"):
            settings["metavar"] = words.pop()
        self.names = words
        self._settings = {"help": help_text, **settings}

    def add_to(self, parser: ArgumentParser) -> None:
        """Add the argument to `parser`."""
        parser.add_argument(*self.names, **self._settings)


class Flag(Argument):
    """Option without a value."""

    def __init__(self, names: str, help_text: str) -> None:
        super().__init__(names, help_text, action="store_true")


class Repeated(Argument):
    """Option that may be repeated; its value is a list."""

    def __init__(self, names: str, help_text: str, **settings: Any) -> None:
        super().__init__(names, help_text, action="append", default=[], **settings)


def id_argument(noun: str) -> Argument:
    """Return the argument that names one stored object by its id."""
    return Argument("id ID", f"the {noun}'s id", type=positive_number)


def add_config_option(parser: ArgumentParser, default: str | None = None) -> None:
    """Add ``-c FILE``; its default is the environment variable `CONFIG_VARIABLE`."""
    parser.add_argument(
        "-c",
        "--config",
        metavar="FILE",
        default=default or os.environ.get(CONFIG_VARIABLE) or None,
        help=f"the configuration, winchester.yaml (default: the file named by {CONFIG_VARIABLE})",
    )


DEBUG_OPTION: Final = Flag("--debug", "show tracebacks of errors")


def load_configuration(
    parsed_args: Namespace,
    *,
    needs: Collection[Part] = DATABASE,
    ignores: Collection[Part] = (),
) -> Settings:
    """Load the configuration that ``-c`` names; `needs` and `ignores` are as in `load_settings`.

    The section of the console is read only if `needs` contains it. So the environment of other
    commands needs none of its tokens.

    Raises `UsageError` if it is missing, `ConfigurationError` with every problem in it.
    """
    if parsed_args.config is None:
        raise UsageError(
            "no configuration: name its file with -c FILE, "
            f"or in the environment variable {CONFIG_VARIABLE}; {INIT_HINT}"
        )
    path = existing_config_path(parsed_args.config)
    from winchester_core.bootstrap import load_settings  # slow: imports the storage layer

    if "console" not in needs:
        ignores = (*ignores, "console")
    return load_settings(path, needs=needs, ignores=ignores)


def existing_config_path(config: str) -> Path:
    """Return the path of a configuration file. Raises `UsageError` if it does not exist."""
    path = Path(config)
    if path.is_dir():
        raise UsageError(f"{path} is a directory: name the file, as in {path / 'winchester.yaml'}")
    if not path.exists():
        raise UsageError(f"configuration not found: {path}; {suggest_path(path) or INIT_HINT}")
    return path


def suggest_path(path: Path) -> str | None:
    """Return a hint for a `path` that does not exist, or None.

    The hint is the most similar file name in its directory, with the same extension or the same
    name without it, or that the directory is missing too.
    """
    if not path.parent.is_dir():
        return f"there is no directory {path.parent} either"
    try:
        files = [
            file.name
            for file in path.parent.iterdir()
            if path.suffix in ("", file.suffix) or path.stem == file.stem
        ]
        close = nearest_file(path.name, files)
    except OSError:
        return None
    return None if close is None else f"did you mean {str(path.with_name(close))!r}?"


MAX_NUMBER: Final = 2**63 - 1
"""Largest id in a table."""


def positive_number(text: str) -> int:
    """Parse a whole number of at least 1: the `type` of an argparse argument."""
    try:
        number = parse_number(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} {error}") from None
    if number == 0:
        raise ArgumentTypeError(f"{text!r} is not a whole number of 1 or more")
    return number


def parse_number(text: str) -> int:
    """Parse a whole number that the database can store; `ValueError` states the problem."""
    if not (text.isascii() and text.isdigit()):
        raise ValueError("is not a whole number of 1 or more")
    digits = text.lstrip("0") or "0"
    if len(digits) > len(str(MAX_NUMBER)) or int(digits) > MAX_NUMBER:
        raise ValueError(f"is too large: the greatest number is {MAX_NUMBER}")
    return int(digits)


DAEMON_OPTIONS: Final = (
    Flag(
        "-d --daemon",
        "run in the background, in the same working directory; the command returns when the "
        "daemon is ready, or prints why it failed to start",
    ),
    Argument(
        "--pid-file PATH",
        "write the process id to this file while the process runs. A second process with "
        "the same file is refused; a file left behind by a crash is reused",
    ),
)
METRICS_OFF: Final = "off"


def parse_listen_address(text: str) -> tuple[str, int]:
    """Return host and port of a listen address. Raises `ArgumentTypeError`."""
    from voluptuous import Invalid

    from winchester_core.config.validators import listen_address

    try:
        host, port = listen_address(text)
    except Invalid as invalid:
        raise ArgumentTypeError(f"{text!r}: {invalid.msg}") from None
    return host, port


def _metrics_address(text: str) -> tuple[str, int] | str:
    return METRICS_OFF if text == METRICS_OFF else parse_listen_address(text)


METRICS_OPTION: Final = Argument(
    "--metrics-listen ADDRESS",
    "listen address of metrics, liveness and readiness over HTTP: a port, HOST:PORT, or "
    "off (default: the setting metrics_listen)",
    type=_metrics_address,
)
"""Option for the listen address, because each process on a host needs its own."""


def apply_metrics_option(settings: Settings, args: Namespace) -> Settings:
    """Return the settings with ``--metrics-listen`` applied, if it was given."""
    if args.metrics_listen is None:
        return settings
    listen = None if args.metrics_listen == METRICS_OFF else args.metrics_listen
    return replace(settings, metrics_listen=listen)


def disable_metrics(settings: Settings) -> Settings:
    """Return the settings without a listen address.

    For commands that end by themselves: they may run beside a process that uses the address.
    """
    return replace(settings, metrics_listen=None)


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


def build_program_parser() -> argparse.ArgumentParser:
    """Return the parser of the options before the command."""
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        usage="winchester [options] COMMAND [arguments]",
        description=DESCRIPTION,
        epilog="'winchester help COMMAND' describes a command.",
        add_help=False,
        allow_abbrev=False,
    )
    config_help = f"the configuration; also accepted after the command, or in {CONFIG_VARIABLE}"
    for each in (
        Flag("-h --help", "show this help"),
        Flag("--version", "show program's version number and exit"),
        Argument("-c --config FILE", config_help),
        DEBUG_OPTION,
    ):
        each.add_to(parser)
    return parser

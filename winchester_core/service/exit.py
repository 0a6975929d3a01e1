"""Exit statuses and error output of commands.

0: success, 1: failure, 2: wrong usage or configuration, 3: shutdown timed out. 130 and 141 are the
statuses that shells report for a program that Ctrl-C or a broken pipe ended.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import traceback
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NoReturn

from winchester_core.errors import (
    ConfigurationError,
    DatabaseUnavailable,
    PluginError,
    SchemaMismatch,
    WinchesterError,
)

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable


DONE: Final = 0
FAILED: Final = 1
WRONG_USAGE: Final = 2
SHUTDOWN_TIMED_OUT: Final = 3
"""The work in progress was not completed within `shutdown_timeout`."""

INTERRUPTED: Final = 130
BROKEN_PIPE: Final = 141


class UsageError(WinchesterError):
    """Invalid arguments, or mutually exclusive arguments."""


def run_guarded(
    action: Callable[[], int],
    *,
    program: str,
    args: Namespace,
    report_error: Callable[[Exception], None] | None = None,
) -> int:
    """Run `action` and return the exit status; report errors (default: on standard error).

    `args` is the parsed command line. Error messages contain its `config`; if its `debug` is set,
    tracebacks are shown. Only `SystemExit` is raised.
    """
    try:
        status = action()
        sys.stdout.flush()  # flush now, because at exit a broken pipe would print an error
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        _discard_output()
        return BROKEN_PIPE
    except Exception as error:  # noqa: BLE001 - top level of the program
        if report_error is not None:
            report_error(error)
        else:
            print_error(error, program=program, args=args)
        return exit_status(error)
    return status


def exit_status(error: Exception) -> int:
    """Return the exit status of a command that failed with `error`."""
    usage_errors = (UsageError, ConfigurationError, PluginError, SchemaMismatch)
    return WRONG_USAGE if isinstance(error, usage_errors) else FAILED


def print_error(error: Exception, *, program: str, args: Namespace) -> None:
    """Print the error as plain lines, or with ``--debug`` the traceback."""
    if getattr(args, "debug", False):
        traceback.print_exception(error)
        return
    # Problems in files begin with their position, which editors recognize at the start of a line.
    prefix = "" if isinstance(error, ConfigurationError) else f"{program}: "
    for line in error_lines(error, getattr(args, "config", None)):
        print(prefix + line, file=sys.stderr)


def error_lines(error: BaseException, config: str | None = None) -> list[str]:
    """Return the lines of an error message, with a remedy if one is known."""
    if isinstance(error, SchemaMismatch) and config is not None:
        return [str(error).replace("-c FILE", f"-c {config}")]
    if isinstance(error, ConfigurationError):
        return list(error.problems)
    if isinstance(error, DatabaseUnavailable):
        return [*str(error).splitlines(), _database_hint(str(error), config)]
    if isinstance(error, WinchesterError):
        return str(error).splitlines()
    if isinstance(error, OSError):
        return [f"{error.filename}: {error.strerror}" if error.filename else str(error)]
    cause = " ".join(f"{type(error).__name__}: {error}".split())
    return [f"unexpected {cause}", "this is a bug in the program: --debug shows the traceback"]


def _database_hint(reason: str, config: str | None) -> str:
    setting = f"database.url in {config or 'the configuration'}"
    if "unable to open database file" in reason:  # or a missing directory
        return f"does the directory in {setting} exist, and is it writable?"
    return f"is {setting} right, and is the server up? 'winchester check --database' tries it"


def _discard_output() -> None:
    """Discard buffered output, so that the interpreter prints no error at exit."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, sys.stdout.fileno())
    os.close(devnull)


CLEANUP_SECONDS: Final = 5.0
FLUSH_SECONDS: Final = 1.0


def do_nothing() -> None:
    """Do nothing."""


def exit_now(
    status: int,
    release: Callable[[], None] = do_nothing,
    clean_up: Callable[[], None] = do_nothing,
) -> NoReturn:
    """Exit with `status` without waiting for threads, after `release` and `clean_up`.

    `release` is abandoned after `CLEANUP_SECONDS`. Finalizers and exit functions are not called,
    because they would wait for the threads.
    """
    _run_within(release, CLEANUP_SECONDS)
    with suppress(OSError):
        clean_up()
    _run_within(_flush, FLUSH_SECONDS)
    os._exit(status)


def _run_within(action: Callable[[], None], seconds: float) -> None:
    thread = threading.Thread(target=action, name="cleanup", daemon=True)
    thread.start()
    thread.join(seconds)


def _flush() -> None:
    logging.shutdown()
    with suppress(OSError, ValueError):  # a broken pipe, a closed stream
        sys.stdout.flush()

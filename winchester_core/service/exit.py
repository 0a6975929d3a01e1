"""How a command ends: its exit status, and what it says when it fails.

Exit status 0 is done, 1 failed, 2 wrong usage or configuration, 3 cut short; 130 and 141 are what
shells report for a program that Ctrl-C, or a reader that went away, has ended.
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
"""Told to end, it had not finished what it had in hand within `shutdown_timeout`."""

INTERRUPTED: Final = 130
BROKEN_PIPE: Final = 141


class UsageError(WinchesterError):
    """Arguments that cannot be understood, or that do not go together."""


def run_guarded(
    action: Callable[[], int],
    *,
    program: str,
    args: Namespace,
    tell: Callable[[Exception], None] | None = None,
) -> int:
    """Run `action` and return the exit status; tell, on standard error unless `tell` does, why.

    `args` holds what the command line said: `config` is named in remedies, `debug` asks for
    tracebacks. Only `SystemExit` gets out.
    """
    try:
        status = action()
        sys.stdout.flush()  # here, not at exit, where a broken pipe could not be kept quiet
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        _discard_output()
        return BROKEN_PIPE
    except Exception as error:  # noqa: BLE001 - the program's end: nobody else can tell of it
        if tell is not None:
            tell(error)
        else:
            print_error(error, program=program, args=args)
        return exit_status(error)
    return status


def exit_status(error: Exception) -> int:
    """The exit status for a command that `error` ended."""
    usage = (UsageError, ConfigurationError, PluginError, SchemaMismatch)
    return WRONG_USAGE if isinstance(error, usage) else FAILED


def print_error(error: Exception, *, program: str, args: Namespace) -> None:
    """Print why the command failed: plain lines, or the traceback with ``--debug``."""
    if getattr(args, "debug", False):
        traceback.print_exception(error)
        return
    # A problem of a file begins with its place, which editors understand at a line's beginning.
    prefix = "" if isinstance(error, ConfigurationError) else f"{program}: "
    for line in error_lines(error, getattr(args, "config", None)):
        print(prefix + line, file=sys.stderr)


def error_lines(error: Exception, config: str | None = None) -> list[str]:
    """The lines that tell a person what went wrong, and what to do where that is known."""
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
    return [f"unexpected {cause}", "this is a fault of the program: --debug shows where"]


def _database_hint(reason: str, config: str | None) -> str:
    """What to look at when the database does not answer."""
    where = f"database.url in {config or 'the configuration'}"
    if "unable to open database file" in reason:  # what SQLite says of a missing directory, too
        return f"does the directory exist that {where} names, and may you write there?"
    return f"is {where} right, and is the server up? 'winchester check --database' tries it"


def _discard_output() -> None:
    """Let what is still buffered go nowhere, so that the interpreter's exit stays quiet."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


# The end of a process whose threads do not end: nothing that they do comes after it.


CLEANUP_SECONDS: Final = 5.0
FLUSH_SECONDS: Final = 1.0


def do_nothing() -> None:
    """Do nothing."""


def exit_now(
    status: int,
    give_back: Callable[[], None] = do_nothing,
    clean_up: Callable[[], None] = do_nothing,
) -> NoReturn:
    """End the process with `status`, after `release` (at most 5 seconds of it) and `clean_up`.

    Finalizers and exit functions do not run: they would wait for the threads.
    """
    _run_within(give_back, CLEANUP_SECONDS)
    with suppress(OSError):
        clean_up()
    _run_within(_flush, FLUSH_SECONDS)
    os._exit(status)


def _run_within(act: Callable[[], None], seconds: float) -> None:
    thread = threading.Thread(target=act, name="last-act", daemon=True)
    thread.start()
    thread.join(seconds)


def _flush() -> None:
    logging.shutdown()
    with suppress(OSError, ValueError):  # a reader that went away, a stream that was closed
        sys.stdout.flush()

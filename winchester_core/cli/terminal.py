"""Start of a program, and its terminal output: warnings, progress bar, logging disabled."""

from __future__ import annotations

import argparse
import io
import logging
import os
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from winchester_core.cli.options import DEBUG_OPTION, add_config_option
from winchester_core.service.exit import run_guarded
from winchester_core.service.garbage_collector import defer_garbage_collection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from winchester_core.cli.options import Argument


logger = logging.getLogger(__name__)


def program_parser(
    program: str, description: str, epilog: str, options: Iterable[Argument] = ()
) -> argparse.ArgumentParser:
    """Return the parser of a separate program, with ``-c FILE``, ``--debug`` and `options`."""
    parser = argparse.ArgumentParser(
        prog=program,
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_config_option(parser)
    DEBUG_OPTION.add_to(parser)
    for each in options:
        each.add_to(parser)
    return parser


def run_program(
    parser: argparse.ArgumentParser,
    run: Callable[[argparse.Namespace], int],
    argv: Sequence[str] | None,
) -> int:
    """Run a program with `argv` (default: the process's arguments); return the exit status."""
    defer_garbage_collection()
    configure_terminal(parser.prog)
    args = parser.parse_args(argv)
    return run_guarded(lambda: run(args), program=parser.prog, args=args)


def configure_terminal(program: str) -> None:
    """Print warnings as plain lines; escape characters that the terminal cannot encode.

    If a standard stream was closed when the process started, it becomes /dev/null. Otherwise the
    next opened file or connection would get its descriptor.
    """
    _open_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    handler = logging.StreamHandler()
    handler.setFormatter(_LowercaseLevelFormatter(f"{program}: %(level)s: %(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("alembic").setLevel(logging.WARNING)  # logs every schema check at INFO
    threading.excepthook = _log_thread_failure


def _log_thread_failure(args: threading.ExceptHookArgs) -> None:
    """Log the exception that ended a thread; Python prints it, which a daemon cannot show.

    Unlike Python, log `SystemExit` too: `sys.exit` in a plugin ends the thread and nothing else.
    """
    from winchester_core.pipelines import clean_traceback
    from winchester_core.telemetry.log_context import MultilineText

    thread = args.thread.name if args.thread is not None else "-"
    error = args.exc_value or args.exc_type()
    logger.critical("thread failed: thread=%s\n%s", thread, MultilineText(clean_traceback(error)))


def _open_closed_streams() -> None:
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(descriptor)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)  # the lowest that is free
            if opened != descriptor:
                os.dup2(opened, descriptor)
                os.close(opened)
            os.set_inheritable(descriptor, True)
        if getattr(sys, name) is None:
            mode = "r" if descriptor == 0 else "w"
            setattr(sys, name, os.fdopen(descriptor, mode, closefd=False))


class _LowercaseLevelFormatter(logging.Formatter):
    """Formatter that writes levels in lower case, as command-line programs do."""

    def format(self, record: logging.LogRecord) -> str:
        record.level = record.levelname.lower()
        return super().format(record)


@contextmanager
def progress_bar(label: str) -> Iterator[Callable[[int], None]]:
    """Yield a function that is called with the number of messages done so far.

    On a terminal, shows a bar on standard error, with log records above it. Elsewhere shows
    nothing.
    """
    if not sys.stderr.isatty():
        yield lambda _done: None
        return
    from tqdm import tqdm
    from tqdm.contrib.logging import logging_redirect_tqdm

    bar = tqdm(desc=label, unit=" messages", unit_scale=True, file=sys.stderr, leave=False)
    with logging_redirect_tqdm(), bar:

        def show(done: int) -> None:
            bar.update(done - bar.n)

        yield show


@contextmanager
def logging_disabled(*, unless: bool = False) -> Iterator[None]:
    """Disable logging within the context, for commands that use a temporary database."""
    previous = logging.root.manager.disable
    if not unless:
        logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(previous)

"""Creation of handlers, and the guard of their calls."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from winchester_core.pipelines.traceback_text import clean_traceback

if TYPE_CHECKING:
    from types import TracebackType

    from winchester_core.pipelines.definition import HandlerSpec

NOT_CAUGHT = (KeyboardInterrupt, GeneratorExit)
"""Exceptions of a handler that do not count as a failure; all others do."""


def new_handler(spec: HandlerSpec) -> Any:
    """Create a handler with its own copy of the params, isolated from other runs."""
    return spec.handler_class(**{key: _copy_containers(each) for key, each in spec.params.items()})


def _copy_containers(value: Any) -> Any:
    # Other values are shared: objects that a schema created (a compiled expression) may not be
    # copyable.
    match value:
        case dict():
            return {key: _copy_containers(item) for key, item in value.items()}
        case list():
            return [_copy_containers(item) for item in value]
        case _:
            return value


class ForkGuard:
    """Context manager around calls of handlers. If a call forks, it ends the child process.

    The child must not continue as a second worker with the leases and connections of the first. Its
    exit status is that of its `SystemExit`, or 1 if the call raised another exception or returned.
    """

    def __init__(self) -> None:
        self._pid = os.getpid()

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if os.getpid() != self._pid:
            _exit_child(error)


def _exit_child(error: BaseException | None) -> None:
    status = 1
    try:
        if isinstance(error, SystemExit):
            if error.code is None or isinstance(error.code, int):
                status = (error.code or 0) & 0xFF
            else:
                sys.stderr.write(f"{error.code}\n")
        elif error is not None:
            sys.stderr.write(clean_traceback(error))
    finally:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError, AttributeError):  # broken, closed, or none
                stream.flush()
        os._exit(status)

"""Thread that stores a batch while the thread of its source prepares the next."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from queue import SimpleQueue
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Result = TypeVar("Result")


class StoringThread(Generic[Result]):
    """Runs one call at a time. The thread starts with the first call.

    All methods are for one thread, the source's. The thread is a daemon: if the database never
    answers, it does not keep the process from ending.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._thread: threading.Thread | None = None
        self._calls: SimpleQueue[tuple[Callable[[], Result], Future[Result]] | None] = SimpleQueue()
        self._future: Future[Result] | None = None

    def start(self, action: Callable[[], Result]) -> None:
        """Begin to run `action`. `wait` must be called before the next call."""
        if self._future is not None:
            raise RuntimeError("the result of the last call has not been awaited")
        if self._thread is None:
            thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            thread.start()
            self._thread = thread
        self._future = Future()
        self._calls.put((action, self._future))

    def is_done(self) -> bool:
        """Return whether no call is running."""
        return self._future is None or self._future.done()

    def wait(self) -> Result:
        """Wait until the call ends; return its result, or raise what it raised."""
        if self._future is None:
            raise RuntimeError("no call was started")
        future, self._future = self._future, None
        try:
            return future.result()
        finally:
            del future  # the traceback of its exception refers to this frame

    def close(self) -> None:
        """End the thread, after the call that is running."""
        if self._thread is not None:
            self._calls.put(None)
            self._thread = None

    def _run(self) -> None:
        while (call := self._calls.get()) is not None:
            action, future = call
            try:
                result = action()
            except BaseException as error:  # noqa: BLE001 - raised by `wait`
                future.set_exception(error)
            else:
                future.set_result(result)
                del result
            del call, action, future  # they refer to the batch, which need not stay in memory

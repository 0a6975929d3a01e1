"""Time limit of an attempt whose client has none: the attempt runs in a thread of its own.

A thread cannot be ended. Each target therefore has at most one: after a timeout, no further attempt
begins until the thread has ended, so that a service that never responds costs one thread.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

_lock = threading.Lock()
_running: dict[Hashable, threading.Thread] = {}


class AttemptTimeout(Exception):  # noqa: N818 - an outcome
    """An attempt has not ended in time, or an earlier one has not ended yet."""


def running() -> list[threading.Thread]:
    """Return the threads of attempts that have not ended."""
    with _lock:
        return [each for each in _running.values() if each.is_alive()]


def run_within(seconds: float, key: Hashable, call: Callable[[], Any]) -> Any:
    """Return the result of `call`, or raise its exception.

    Raises `AttemptTimeout` after `seconds`, or at once if an earlier call with this `key` is
    running.
    """
    results: list[Any] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(call())
        except BaseException as error:  # noqa: BLE001 - raised in the waiting thread
            errors.append(error)

    thread = threading.Thread(target=run, name="notify attempt", daemon=True)
    with _lock:
        if (earlier := _running.get(key)) is not None and earlier.is_alive():
            raise AttemptTimeout("an earlier attempt has not ended")
        _running[key] = thread
        thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise AttemptTimeout(f"no result within {seconds:g} s")
    with _lock:
        _running.pop(key, None)
    if errors:
        raise errors[0]
    return results[0]

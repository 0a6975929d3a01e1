"""The contents of the memory store, their lock, and the workers that wait for streams."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from threading import Lock
from typing import TYPE_CHECKING

from oracle.state import MemoryState
from oracle.transaction import Transaction

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from winchester_core.clock import Clock
    from winchester_core.model.action import Action


class LockedMemory:
    """Base of the roles of the memory store: each method is one transaction under one lock."""

    def __init__(self, host_clock: Clock) -> None:
        self._clock = host_clock
        self._memory = MemoryState()
        self._lock = Lock()
        self._listeners: list[Callable[[], None]] = []

    @contextmanager
    def _transaction(self) -> Iterator[Transaction]:
        with self._lock:
            transaction = Transaction()
            try:
                yield transaction
            except BaseException:
                transaction.roll_back()
                raise

    def _record_action(self, transaction: Transaction, action: Action | None, number: int) -> None:
        """Store the action, if it is given and has changed objects."""
        if action is not None and number:
            self._memory.record_action(
                transaction, replace(action, number=number), self._clock.now()
            )

    def _notify_workers(self, ready_streams: int) -> None:
        if ready_streams:
            for wake in list(self._listeners):
                wake()

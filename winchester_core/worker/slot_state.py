"""State of an execution slot that several threads use: batch, handlers in progress, results."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from winchester_core.clock import monotonic

if TYPE_CHECKING:
    from winchester_core.storage.records import Completion, Failure
    from winchester_core.worker.stream_run import StreamRun

BATCH_EVENTS: Final = 10_000
"""Maximum number of events in a batch of more than one run."""

BATCH_STREAMS_WITHOUT_COMMIT: Final = 1_000


Item = TypeVar("Item")


def take_all(items: deque[Item]) -> list[Item]:
    """Remove and return all items. Any thread may call it."""
    taken = []
    with suppress(IndexError):
        while True:
            taken.append(items.popleft())
    return taken


@dataclass(frozen=True, slots=True)
class Finished:
    """The result of a run, to be stored. `at` is the monotonic time."""

    result: Completion | Failure
    at: float
    run: StreamRun | None = None
    slot: SlotState | None = None

    @property
    def has_commit(self) -> bool:
        """Return whether it is the result of handlers that have a `commit`."""
        return self.run is not None and self.run.has_commit


@dataclass(slots=True)
class HandlerCalls:
    """Calls of a run's handlers that are in progress in a slot."""

    run: StreamRun
    since: float
    seconds_before: float
    """Time that the run has spent in handlers before."""
    is_hung: bool = False

    def seconds(self) -> float:
        """Return the time in handlers of the run so far."""
        return self.seconds_before + self.current_seconds()

    def current_seconds(self) -> float:
        """Return the duration of the calls in progress."""
        return monotonic() - self.since


@dataclass(slots=True)
class Batch:
    """Runs of one pipeline that are handled and committed together, while it is being filled."""

    pipeline: str
    streams: int
    """Number of further runs that it may get."""
    events: int = BATCH_EVENTS
    """Number of further events that it may get, unless it is empty."""
    is_empty: bool = True

    def accepts(self, run: StreamRun) -> bool:
        """Return whether `run` can be added."""
        return self.streams > 0 and (self.is_empty or run.claim.event_count <= self.events)

    def add(self, run: StreamRun) -> None:
        """Add a run."""
        self.streams -= 1
        self.events -= run.claim.event_count
        self.is_empty = False


class SlotState:
    """State of an execution slot. Only the slot's own thread changes `calls`."""

    def __init__(self) -> None:
        self.batch: Batch | None = None
        """The batch in progress. It begins while `InFlight` is locked."""
        self.calls: HandlerCalls | None = None
        """Handlers in progress. Any thread may read it."""
        self.finished: deque[Finished] = deque()
        """Results to be stored, oldest first. Any thread may take them."""
        self.lost: deque[StreamRun] = deque()
        """Runs to be rolled back by the slot. Any thread may add one."""

    def has_outlasted(self, seconds: float) -> bool:
        """Return whether the handlers in progress have taken longer. Any thread may call it."""
        calls = self.calls
        return calls is not None and calls.current_seconds() > seconds

    def oldest_and_newest_result(self) -> tuple[Finished, Finished] | None:
        """Return the ends of `finished`, or None if it is empty. Any thread may call it."""
        try:
            return self.finished[0], self.finished[-1]
        except IndexError:
            return None

    def take_finished(self) -> list[Finished]:
        """Remove and return the results. Any thread may call it."""
        return take_all(self.finished)

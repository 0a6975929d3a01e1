"""A pump whose source and store record their calls, in order; each call can be made to fail."""

from __future__ import annotations

import json
import threading
from collections import deque
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from oracle import MemoryStore
from winchester_core.clock import ClockKind, StreamClock
from winchester_core.ingest import Ingester
from winchester_core.ingest.decoding import Decoder
from winchester_core.ingest.ingester import IngestConfiguration
from winchester_core.ingest.pump import SourcePump
from winchester_core.interfaces import EventSource
from winchester_core.model.message import Message, MessageKind
from winchester_core.testing import FakeClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from winchester_core.storage.records import IngestResult, MatchedEvent, Rejection
    from winchester_core.triggers.definition import TriggerDefinition

START = datetime(2015, 1, 20, 10, tzinfo=UTC)
"""The time of the first event, and of the clock."""

Call = tuple[str, tuple[int, ...]]


class CallLog:
    """Calls of the source and of the store, with the numbers of the messages.

    `before` is called before each call is recorded; the call raises its exceptions.
    """

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.source_threads: set[int] = set()
        self.before: Callable[[str, tuple[int, ...]], object] = lambda _name, _numbers: None

    def add(self, name: str, numbers: Iterable[int] = ()) -> None:
        call = name, tuple(numbers)
        self.before(*call)
        self.calls.append(call)

    def of(self, *names: str) -> list[Call]:
        """Return the calls of these names, in order."""
        return [call for call in self.calls if call[0] in names]


class LoggedSource(EventSource):
    """Delivers the events of these numbers, and released ones again in their order."""

    allows_prefetch: ClassVar[bool] = True

    def __init__(self, log: CallLog, numbers: Iterable[int]) -> None:
        super().__init__()
        self.log = log
        self.waiting = deque(numbers)
        self.unsettled: set[int] = set()

    def open(self) -> None:
        self._called("open")

    def receive(self, max_messages: int, timeout_seconds: float) -> list[Message]:
        self._called("receive", range(max_messages))
        numbers = [self.waiting.popleft() for _ in range(min(max_messages, len(self.waiting)))]
        self.unsettled.update(numbers)
        self._update()
        if numbers:
            self._called("received", numbers)
        return [self.message(number) for number in numbers]

    def message(self, number: int) -> Message:
        body = {
            "message_id": str(number),
            "event_type": "test",
            "timestamp": (START + timedelta(seconds=number)).isoformat(),
        }
        return Message(json.dumps(body).encode(), MessageKind.EVENT, token=number)

    def ack(self, messages: Sequence[Message]) -> None:
        if messages:
            self._settle("ack", messages)

    def reject(self, message: Message, reason: str) -> None:
        self._settle("reject", [message])

    def release(self, messages: Sequence[Message]) -> None:
        self._settle("release", messages)
        self._return(message.token for message in messages)

    def close(self) -> None:
        self._called("close")
        self._return(self.unsettled)
        self.unsettled.clear()

    def _settle(self, name: str, messages: Sequence[Message]) -> None:
        numbers = [message.token for message in messages]
        self._called(name, numbers)
        assert self.unsettled.issuperset(numbers), f"{name} of {numbers}, which are settled"
        self.unsettled.difference_update(numbers)

    def _return(self, numbers: Iterable[int]) -> None:
        self.waiting = deque(sorted([*self.waiting, *numbers]))
        self._update()

    def _update(self) -> None:
        self.exhausted = not self.waiting

    def _called(self, name: str, numbers: Iterable[int] = ()) -> None:
        self.log.source_threads.add(threading.get_ident())
        self.log.add(name, numbers)


class LoggedStore(MemoryStore):
    """Logs each transaction of ingest before it begins and after its commit."""

    log: CallLog
    is_embedded = False

    def record(self, events: Sequence[MatchedEvent], policy: Any) -> IngestResult:
        numbers = [int(each.event["message_id"]) for each in events]
        self.log.add("store", numbers)
        result = super().record(events, policy)
        self.log.add("stored", numbers)
        return result

    def insert_rejected(self, rejections: Sequence[Rejection]) -> int:
        self.log.add("store rejected")
        return super().insert_rejected(rejections)

    def ids(self) -> list[int]:
        """Return the numbers of the stored events, in order."""
        return sorted(int(event["message_id"]) for event in self.find_events())


class PumpScene:
    """A pump of `LoggedSource` into `LoggedStore`, with batches of `size`."""

    def __init__(
        self,
        numbers: Iterable[int],
        *,
        size: int = 2,
        clock: ClockKind = ClockKind.SYSTEM,
        triggers: Sequence[TriggerDefinition] = (),
        source_class: type[LoggedSource] = LoggedSource,
    ) -> None:
        self.log = CallLog()
        self.source = source_class(self.log, numbers)
        self.store = LoggedStore(FakeClock(START))
        self.store.log = self.log
        self.ingester = Ingester(
            store=self.store,
            stream_clock=StreamClock(clock, self.store, FakeClock(START)),
            configuration=IngestConfiguration(triggers, Decoder(None)),
            conditions={},
        )
        self.stop = threading.Event()
        self.pump = SourcePump("test", self.source, self.ingester, batch_size=size, stop=self.stop)

    def before(self, name: str, action: Callable[[tuple[int, ...]], object]) -> None:
        """Call `action` before the calls of this name, with the numbers of the messages."""
        earlier = self.log.before

        def before(called: str, numbers: tuple[int, ...]) -> None:
            earlier(called, numbers)
            if called == name:
                action(numbers)

        self.log.before = before

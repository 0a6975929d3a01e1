"""The source suite finds each fault and names it."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from support.scenes.conformance_suites import assert_failure, failures_of
from winchester_core.errors import SourceError
from winchester_core.interfaces import EventSource
from winchester_core.model.message import Message, MessageKind
from winchester_core.testing import SourceConformance

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from winchester_core.model.event import Event

ORIGIN: deque[Event] = deque()
"""The queue that the sources of these tests consume; it excludes unsettled messages."""
ACKED: list[Event] = []


class QueueSource(EventSource):
    """A correct source; the others have one fault each."""

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self.is_open = False
        self.next_token = 0
        self.in_hand: dict[Any, Event] = {}

    def open(self) -> None:
        self.is_open = True

    def receive(self, max_messages: int, timeout_seconds: float) -> list[Message]:
        number = min(max_messages, len(ORIGIN))
        return [self.message(ORIGIN.popleft()) for _ in range(number)]

    def message(self, event: Event) -> Message:
        self.next_token += 1
        self.in_hand[self.next_token] = event
        return Message(body=event, kind=MessageKind.EVENT, token=self.next_token)

    def ack(self, messages: Sequence[Message]) -> None:
        for message in messages:
            self.in_hand.pop(message.token)

    def release(self, messages: Sequence[Message]) -> None:
        ORIGIN.extend(self.in_hand.pop(message.token) for message in messages)

    def reject(self, message: Message, reason: str) -> None:
        self.ack([message])

    def close(self) -> None:
        ORIGIN.extend(self.in_hand.values())
        self.in_hand.clear()
        self.is_open = False


class AckingEarly(QueueSource):
    def message(self, event: Event) -> Message:
        return Message(body=event, kind=MessageKind.EVENT, token=event["message_id"])

    def ack(self, messages: Sequence[Message]) -> None:
        pass


class LosingOnCrash(QueueSource):
    def close(self) -> None:
        self.in_hand.clear()


class AckingAllBefore(QueueSource):
    def ack(self, messages: Sequence[Message]) -> None:
        last = max(message.token for message in messages)
        self.in_hand = {token: each for token, each in self.in_hand.items() if token > last}


class NotRedeliveringReleased(QueueSource):
    def release(self, messages: Sequence[Message]) -> None:
        pass


class DeliveringAgain(QueueSource):
    def ack(self, messages: Sequence[Message]) -> None:
        self.release(messages)


class RedeliveringRejected(QueueSource):
    def reject(self, message: Message, reason: str) -> None:
        self.release([message])


class RedeliveringAcked(QueueSource):
    """Redelivers acknowledged messages to the next process."""

    def open(self) -> None:
        ORIGIN.extend(ACKED)
        ACKED.clear()

    def ack(self, messages: Sequence[Message]) -> None:
        ACKED.extend(self.in_hand[message.token] for message in messages)
        super().ack(messages)


class ClosingOnce(QueueSource):
    def close(self) -> None:
        if not self.is_open:
            raise SourceError("queue", "it is closed")
        super().close()


class NotReopening(QueueSource):
    was_closed = False

    def open(self) -> None:
        if self.was_closed:
            raise SourceError("queue", "it was closed")

    def close(self) -> None:
        super().close()
        self.was_closed = True


class ReturningTooMany(QueueSource):
    def receive(self, max_messages: int, timeout_seconds: float) -> list[Message]:
        return super().receive(max(max_messages, 3), timeout_seconds)


class ReturningNothing(QueueSource):
    def receive(self, max_messages: int, timeout_seconds: float) -> list[Message]:
        return super().receive(max_messages, timeout_seconds) or None  # type: ignore[return-value]


class ReturningEvents(QueueSource):
    def message(self, event: Event) -> Message:
        return event  # type: ignore[return-value]


class WithoutKind(QueueSource):
    def message(self, event: Event) -> Message:
        return Message(body=event, kind="letter", token=event["message_id"])  # type: ignore[arg-type]


class WithoutToken(QueueSource):
    def message(self, event: Event) -> Message:
        return Message(body=event, kind=MessageKind.EVENT)


class WithText(QueueSource):
    def message(self, event: Event) -> Message:
        return Message(body="text", kind=MessageKind.EVENT, token=1)  # type: ignore[arg-type]


class NeverEnding(QueueSource):
    """Waits for a message, whatever the timeout."""

    ended = threading.Event()

    def receive(self, max_messages: int, timeout_seconds: float) -> list[Message]:
        if not ORIGIN:
            self.ended.wait()
        return super().receive(max_messages, timeout_seconds)


class RaisingWhenIdle(QueueSource):
    def receive(self, max_messages: int, timeout_seconds: float) -> list[Message]:
        if not ORIGIN:
            raise TimeoutError("nothing came")
        return super().receive(max_messages, timeout_seconds)


class AlwaysExhausted(QueueSource):
    exhausted = True


class DeclaredFinite(QueueSource):
    """Declares itself finite."""


class UnknownLag(QueueSource):
    def lag(self) -> int | None:
        return -1


class WithoutReply(QueueSource):
    replies_to_sender: ClassVar[bool] = True
    reply = None  # type: ignore[assignment]


class Prefetching(QueueSource):
    allows_prefetch: ClassVar[bool] = True


class OneAtATime(Prefetching):
    """Delivers nothing before earlier messages are settled, although it allows prefetch."""

    def receive(self, max_messages: int, timeout_seconds: float) -> list[Message]:
        return [] if self.in_hand else super().receive(max_messages, timeout_seconds)


class TextPrefetch(QueueSource):
    allows_prefetch = "yes"  # type: ignore[assignment]


class QueueSuite(SourceConformance):
    """The suite of a queue; each test sets `plugin`."""

    message_timeout_seconds = 0.0
    idle_seconds = 0.0

    def __init__(self) -> None:
        ORIGIN.clear()
        ACKED.clear()

    def feed(self, events: Sequence[Event]) -> None:
        ORIGIN.extend(events)


def suite_of(source: type[Any], **attributes: Any) -> type[Any]:
    """Return a suite for a source."""
    return type("Suite", (QueueSuite,), {"plugin": source, **attributes})


@pytest.mark.parametrize("source", [QueueSource, Prefetching])
def test_a_correct_source_passes(source: type[QueueSource]) -> None:
    assert failures_of(suite_of(source)) == {}


NOT_EARLY = "test_unacknowledged_messages_are_redelivered"
OTHERS = "test_ack_acknowledges_only_the_given_messages"
RELEASED = "test_released_messages_are_redelivered"
SETTLED = "test_acknowledged_and_rejected_messages_are_not_redelivered"
AGAIN = "test_unacknowledged_messages_are_redelivered_after_reopening"
IDLE = "test_receive_returns_an_empty_list_within_its_timeout"
APART = "test_messages_are_distinct"
END = "test_exhausted_only_at_the_end"


@pytest.mark.parametrize(
    ("source", "test", "message"),
    [
        (
            AckingEarly,
            NOT_EARLY,
            "number 1 and number 2 and number 3 of 3 messages: they were received, but not",
        ),
        (LosingOnCrash, NOT_EARLY, "by a process that has ended"),
        (LosingOnCrash, AGAIN, "they were not settled before it was closed and opened again"),
        (AckingAllBefore, OTHERS, "another message was acknowledged, and not these"),
        (NotRedeliveringReleased, RELEASED, "of 2 messages: they were released"),
        (DeliveringAgain, SETTLED, "delivers a message again: it was acknowledged or rejected"),
        (RedeliveringRejected, SETTLED, "again: it was acknowledged or rejected"),
        (RedeliveringAcked, SETTLED, "before the source was closed and opened"),
        (RedeliveringAcked, OTHERS, "delivers unexpected messages"),
        (ClosingOnce, "test_close_is_idempotent", "SourceError: queue: it is closed"),
        (NotReopening, AGAIN, "open of NotReopening raised SourceError: queue: it was closed"),
        (
            ReturningTooMany,
            "test_receive_returns_at_most_max_messages",
            "returned 3 messages, max_messages was 1",
        ),
        (ReturningNothing, IDLE, "must return a list, not NoneType"),
        (RaisingWhenIdle, IDLE, "receive of RaisingWhenIdle raised TimeoutError"),
        (ReturningEvents, APART, "must return Messages, not dict"),
        (WithoutKind, APART, "must be a MessageKind, not 'letter'"),
        (WithoutToken, APART, "have the same token, None"),
        (WithText, APART, "must be bytes or a mapping, not str"),
        (AlwaysExhausted, END, "is exhausted although messages wait"),
        (UnknownLag, "test_lag_is_a_number_or_none", "must be a number of messages or None"),
        (WithoutReply, "test_has_the_source_methods", "has no method reply"),
        (TextPrefetch, "test_has_the_source_methods", "TextPrefetch must be a bool"),
        (
            OneAtATime,
            "test_messages_are_received_before_earlier_ones_are_settled",
            "returned only 0 of 1 messages: allows_prefetch is true",
        ),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_each_fault_is_found_and_named(source: type[Any], test: str, message: str) -> None:
    assert_failure(suite_of(source), test, message)


def test_a_source_declared_finite_must_end() -> None:
    assert_failure(
        suite_of(DeclaredFinite, finite=True),
        END,
        "exhausted of DeclaredFinite must be True once all has",
    )


@pytest.fixture
def _endless(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("winchester_core.testing.conformance.source.SLACK_SECONDS", 0.0)
    yield
    NeverEnding.ended.set()


@pytest.mark.usefixtures("_endless")
def test_an_endless_receive_is_a_fault_not_a_hang() -> None:
    with pytest.raises(AssertionError, match="does not return at its timeout"):
        suite_of(NeverEnding)().test_receive_returns_an_empty_list_within_its_timeout()


def test_a_source_without_a_feed_is_reported() -> None:
    attributes = {"plugin": QueueSource}
    suite = type("Suite", (SourceConformance,), attributes)
    assert_failure(suite, APART, "Suite must define `feed`")

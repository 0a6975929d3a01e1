"""Conformance suite of event sources: no message is lost, no settled message is redelivered."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import orjson

from winchester_core.clock import monotonic
from winchester_core.model.message import EventOutcome, EventStatus, Message, MessageKind
from winchester_core.testing.builders import make_stream_events
from winchester_core.testing.conformance.plugin_rules import (
    ConformanceError,
    ParameterRules,
    calling,
    require,
    short_repr,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from winchester_core.model.event import Event


SOURCE_METHODS = ("open", "receive", "ack", "release", "reject", "reply", "close", "lag")
SLACK_SECONDS = 10.0
"""Extra time for `receive` beyond its timeout, on a busy machine."""


class SourceConformance(ParameterRules):
    """Base class of the tests of a source: subclass it and define how to add messages.

        class TestCsvFile(SourceConformance):
            plugin = CsvFileSource
            finite = True
            remembers_acknowledged = False

            @pytest.fixture(autouse=True)
            def _file(self, tmp_path):
                self.path = tmp_path / "rows.csv"

            def params(self):
                return {"path": str(self.path)}

            def feed(self, events):
                ...  # write them as rows

    `finite` is true if the source has an end, like a file. The tests call `feed` before they open a
    finite source, and after they open any other source. `remembers_acknowledged` is true if the
    origin drops acknowledged and rejected messages, so that a new process does not get them again.
    `remembers_position` is true if it remembers only up to where all messages are acknowledged, so
    that a new process gets a message again that was acknowledged before an earlier one. The tests
    wait up to `message_timeout_seconds` for a message, and `idle_seconds` to check that no message
    arrives.
    """

    finite: bool = False
    remembers_acknowledged: bool = True
    remembers_position: bool = False
    message_timeout_seconds: float = 30.0
    idle_seconds: float = 0.5

    def feed(self, events: Sequence[Event]) -> None:
        """Put the events into the origin of the source, one message for each event.

        It may return before they arrive. If there are no events, just create the origin.
        """
        raise ConformanceError(f"{type(self).__name__} must define `feed`, which feeds its source")

    def identify(self, message: Message) -> str:
        """Return the id of the event in a message (default: its key `message_id`)."""
        body = orjson.loads(message.body) if isinstance(message.body, bytes) else message.body
        return str(body["message_id"])

    def make_source(self) -> Any:
        """Create the source as in a new process (default: `plugin` with `params`)."""
        return self.make_plugin()

    def test_has_the_source_methods(self) -> None:
        """The source has the methods and attributes of `EventSource`."""
        source = self.make_source()
        for method in SOURCE_METHODS:
            exists = callable(getattr(source, method, None))
            require(exists, f"{self._name} has no method {method}")
        for name in ("exhausted", "replies_to_sender"):
            is_bool = isinstance(getattr(source, name, None), bool)
            require(is_bool, f"{self._name} must have {name}, a bool")
        is_bool = isinstance(getattr(source, "allows_prefetch", False), bool)
        require(is_bool, f"allows_prefetch of {self._name} must be a bool")

    def test_messages_are_distinct(self) -> None:
        """Each message has a kind, a body and a distinct token."""
        with self._fed(3) as (session, ids):
            session.ack(session.collect(ids, "it was fed with them"))

    def test_receive_returns_at_most_max_messages(self) -> None:
        """The next call returns the remaining messages."""
        with self._fed(3) as (session, ids):
            received = session.receive(1)
            rest = [each for each in ids if each not in received]
            why = "receive(1, ...) has left it for the next call"
            session.ack([*received.values(), *session.collect(rest, why)])

    def test_unacknowledged_messages_are_redelivered(self) -> None:
        """If a process has received messages and not settled them, the next process gets them."""
        with self._fed(3) as (session, ids):
            session.collect(ids, "it was fed with them")
        why = "they were received, but not acknowledged, by a process that has ended"
        with self._opened() as new_session:
            new_session.ack(new_session.collect(ids, why))

    def test_ack_acknowledges_only_the_given_messages(self) -> None:
        """Earlier messages are not acknowledged with a later one."""
        with self._fed(3) as (session, ids):
            messages = session.collect(ids, "it was fed with them")
            session.ack(messages[2:])
        why = "another message was acknowledged, and not these"
        with self._opened() as new_session:
            is_exact = self.remembers_acknowledged and not self.remembers_position
            allowed = () if is_exact else ids[2:]
            new_session.ack(new_session.collect(ids[:2], why, allowed=allowed))

    def test_released_messages_are_redelivered(self) -> None:
        """Released messages are redelivered to the same process too; acknowledged ones are not."""
        with self._fed(3) as (session, ids):
            first, *others = session.collect(ids, "it was fed with them")
            session.release(others)
            session.ack([first])
            session.ack(session.collect(ids[1:], "they were released"))

    def test_messages_are_received_before_earlier_ones_are_settled(self) -> None:
        """If it `allows_prefetch`, a second batch is received while the first is stored.

        Batches are settled in order, and each may be released.
        """
        if not getattr(self.make_source(), "allows_prefetch", False):
            return
        with self._fed(4) as (session, ids):
            why = "allows_prefetch is true, and earlier messages are not settled yet"
            first, second, third = (
                session.collect_available(1, why),
                session.collect_available(1, why),
                session.collect_available(2, why),
            )
            received = {**first, **second, **third}
            require(received.keys() == set(ids), f"{self._name} delivers {list(received)}")
            session.ack(list(first.values()))
            session.release(list(second.values()))
            session.ack(list(third.values()))
            session.ack(session.collect(list(second), "it was released"))

    def test_unacknowledged_messages_are_redelivered_after_reopening(self) -> None:
        """After a failure the same source is closed and opened again."""
        with self._fed(3) as (session, ids):
            messages = session.collect(ids, "it was fed with them")
            session.ack(messages[:1])
            session.close()
            session.open()
            why = "they were not settled before it was closed and opened again"
            session.ack(session.collect(ids[1:], why))

    def test_acknowledged_and_rejected_messages_are_not_redelivered(self) -> None:
        """Settled messages are not redelivered, whether acknowledged or rejected."""
        with self._fed(3) as (session, ids):
            bad, *good = session.collect(ids, "it was fed with them")
            session.reject(bad)
            session.ack(good)
            session.require_idle(self.idle_seconds, "it was acknowledged or rejected")
            session.close()
            session.open()
            why = "it was acknowledged or rejected before the source was closed and opened"
            session.require_idle(self.idle_seconds, why)
        if self.remembers_acknowledged:
            with self._opened() as new_session:
                why = "it was acknowledged or rejected by an earlier process"
                new_session.require_idle(self.idle_seconds, why)

    def test_receive_returns_an_empty_list_within_its_timeout(self) -> None:
        """At shutdown, ingest must not wait for a message."""
        outcomes: list[BaseException | None] = []
        thread = threading.Thread(
            target=lambda: outcomes.append(_exception_of(self._receive_nothing)), daemon=True
        )
        thread.start()
        thread.join(self.message_timeout_seconds + RECEIVE_SECONDS + SLACK_SECONDS)
        require(
            bool(outcomes),
            f"receive of {self._name} does not return at its timeout if no message arrives",
        )
        for error in filter(None, outcomes):
            raise error

    def test_close_is_idempotent(self) -> None:
        """`close` is called after any failure, and may be called again."""
        unopened = self._session()
        unopened.close()
        self.feed([])
        session = self._session()
        session.open()
        session.close()
        with calling(f"close of {self._name}, called a second time,", "close is idempotent"):
            session.source.close()

    def test_exhausted_only_at_the_end(self) -> None:
        """Winchester stops reading an exhausted source. An endless source is never exhausted."""
        with self._fed(2) as (session, ids):
            require(
                not session.source.exhausted, f"{self._name} is exhausted although messages wait"
            )
            messages = session.collect(ids, "it was fed with them")
            session.release(messages)
            require(
                not session.source.exhausted,
                f"{self._name} is exhausted although messages were released",
            )
            session.ack(session.collect(ids, "they were released"))
            session.receive()
            require(
                session.source.exhausted is self.finite,
                f"exhausted of {self._name} must be {self.finite} once all has been received, "
                f"because `finite` of {type(self).__name__} is {self.finite}",
            )

    def test_lag_is_a_number_or_none(self) -> None:
        """`lag` is the number of waiting messages, or None if it is unknown."""
        with self._fed(1) as (session, ids):
            with calling(f"lag of {self._name}"):
                lag = session.source.lag()
            is_number = isinstance(lag, int) and not isinstance(lag, bool) and lag >= 0
            message = (
                f"lag of {self._name} must be a number of messages or None, not {short_repr(lag)}"
            )
            require(lag is None or is_number, message)
            session.ack(session.collect(ids, "it was fed with them"))

    def _receive_nothing(self) -> None:
        self.feed([])
        with self._opened() as session:
            require(not session.receive(), f"{self._name} delivers a message without being fed")

    def _session(self) -> SourceSession:
        source = self.make_source()
        return SourceSession(source, self._name, self.identify, self.message_timeout_seconds)

    @contextmanager
    def _opened(self) -> Iterator[SourceSession]:
        """Open the source as in a new process, which ends without settling messages."""
        session = self._session()
        try:
            session.open()
            yield session
        finally:
            session.close()

    @contextmanager
    def _fed(self, count: int) -> Iterator[tuple[SourceSession, list[str]]]:
        """Open the source with `count` messages at its origin; yield it and their ids."""
        events = make_stream_events(*["test.fed"] * count, number=count)
        ids = [str(event["message_id"]) for event in events]
        if self.finite:
            self.feed(events)
        with self._opened() as session:
            if not self.finite:
                self.feed(events)
            yield session, ids


def _exception_of(action: Any) -> BaseException | None:
    try:
        action()
    except BaseException as error:  # noqa: BLE001 - raised again in the test's thread
        return error
    return None


RECEIVE_SECONDS = 0.2
"""Timeout of a call of `receive`."""


class SourceSession:
    """Checked calls of one source. `identify` returns the id of the event in a message."""

    def __init__(
        self,
        source: Any,
        name: str,
        identify: Callable[[Message], str],
        message_timeout_seconds: float,
    ) -> None:
        self.source = source
        self._name = name
        self._identify = identify
        self._message_timeout_seconds = message_timeout_seconds
        self._unsettled: dict[str, Message] = {}

    def open(self) -> None:
        """Open the source."""
        with calling(f"open of {self._name}"):
            self.source.open()

    def close(self) -> None:
        """Close the source; unsettled messages may then be redelivered."""
        self._unsettled.clear()
        with calling(f"close of {self._name}"):
            self.source.close()

    def receive(
        self, max_messages: int = 10, timeout_seconds: float = RECEIVE_SECONDS
    ) -> dict[str, Message]:
        """Call `receive` once; return the messages by id."""
        with calling(f"receive of {self._name}"):
            messages = self.source.receive(max_messages, timeout_seconds)
        if not isinstance(messages, list):
            kind = type(messages).__name__
            raise ConformanceError(f"receive of {self._name} must return a list, not {kind}")
        require(
            len(messages) <= max_messages,
            f"receive of {self._name} returned {len(messages)} messages, max_messages was "
            f"{max_messages}",
        )
        return {self._register(message): message for message in messages}

    def collect(self, ids: Sequence[str], why: str, allowed: Sequence[str] = ()) -> list[Message]:
        """Receive until all messages in `ids` have arrived; return them in that order.

        Messages in `allowed` may arrive too; any other message is an error. `why` is the reason for
        error messages.
        """
        received: dict[str, Message] = {}
        deadline = monotonic() + self._message_timeout_seconds
        while True:
            received |= self.receive()
            unexpected = [each for each in received if each not in ids and each not in allowed]
            require(
                not unexpected, f"{self._name} delivers unexpected messages: {unexpected}; {why}"
            )
            missing = [number for number, each in enumerate(ids, 1) if each not in received]
            if not missing:
                return [received[each] for each in ids]
            if monotonic() > deadline or self.source.exhausted:
                raise ConformanceError(
                    f"{self._name} has not delivered {_numbers(missing)} of {len(ids)} messages: "
                    f"{why}"
                )

    def collect_available(self, number: int, why: str) -> dict[str, Message]:
        """Receive `number` messages with a timeout of 0; return them by id.

        `why` is the reason for the error message.
        """
        received: dict[str, Message] = {}
        deadline = monotonic() + self._message_timeout_seconds
        while len(received) < number:
            received |= self.receive(number - len(received), timeout_seconds=0.0)
            require(
                len(received) == number or monotonic() <= deadline,
                f"receive of {self._name} with a timeout of 0 has returned only {len(received)} "
                f"of {number} messages: {why}",
            )
        return received

    def require_idle(self, idle_seconds: float, why: str) -> None:
        """Raise `ConformanceError` if a message arrives within `idle_seconds`."""
        deadline = monotonic() + idle_seconds
        while True:
            require(not self.receive(), f"{self._name} delivers a message again: {why}")
            if monotonic() > deadline:
                return

    def ack(self, messages: Sequence[Message]) -> None:
        """Acknowledge all messages in one call, as the pump does."""
        self._reply(messages, EventStatus.STORED)
        self._remove_settled(messages)
        with calling(f"ack of {self._name}"):
            self.source.ack(list(messages))

    def release(self, messages: Sequence[Message]) -> None:
        """Release messages for redelivery."""
        self._remove_settled(messages)
        with calling(f"release of {self._name}"):
            self.source.release(list(messages))

    def reject(self, message: Message) -> None:
        """Reject a message as invalid."""
        self._reply([message], EventStatus.INVALID)
        self._remove_settled([message])
        with calling(f"reject of {self._name}"):
            self.source.reject(message, "rejected by a test")

    def _reply(self, messages: Sequence[Message], outcome: EventStatus) -> None:
        if not self.source.replies_to_sender:
            return
        for message in messages:
            with calling(f"reply of {self._name}"):
                self.source.reply(message, EventOutcome(outcome, self._identify(message)))

    def _remove_settled(self, messages: Sequence[Message]) -> None:
        for message in messages:
            self._unsettled.pop(self._identify(message), None)

    def _register(self, message: Any) -> str:
        """Check a received message, record it as unsettled, and return its id."""
        self._check(message)
        try:
            message_id = self._identify(message)
        except Exception as error:
            raise ConformanceError(
                f"identify finds no id in a message of {self._name} with the body "
                f"{short_repr(message.body)}: {error!r}; override it"
            ) from error
        require(
            message_id not in self._unsettled,
            f"{self._name} delivers a message again before it is settled",
        )
        self._unsettled[message_id] = message
        return message_id

    def _check(self, message: Any) -> None:
        if not isinstance(message, Message):
            kind = type(message).__name__
            raise ConformanceError(f"receive of {self._name} must return Messages, not {kind}")
        require(
            isinstance(message.kind, MessageKind),
            f"the kind of a message of {self._name} must be a MessageKind, not "
            f"{short_repr(message.kind)}",
        )
        require(
            isinstance(message.body, bytes | Mapping),
            f"the body of a message of {self._name} must be bytes or a mapping, not "
            f"{type(message.body).__name__}",
        )
        require(message.fault is None, f"{self._name} marks a message as faulty: {message.fault}")
        for other in self._unsettled.values():
            require(
                other.token is not message.token and other.token != message.token,
                f"two messages of {self._name} have the same token, {short_repr(message.token)}: "
                "the token must identify a message",
            )


def _numbers(numbers: Sequence[int]) -> str:
    return " and ".join(f"number {number}" for number in numbers)

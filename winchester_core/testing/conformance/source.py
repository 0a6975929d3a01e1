"""What every event source must keep to: nothing is lost, and nothing that is done comes again."""

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
"""How much longer than its timeout `receive` may take on a machine that is busy."""


class SourceConformance(ParameterRules):
    """Subclass it, name the source, say how its origin is fed, and let pytest run the tests.

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

    `finite` says whether the source has an end, as a file has; such a source is fed before it is
    opened, any other afterwards. `remembers_acknowledged` says whether what was acknowledged or
    rejected is gone from the origin, so that a new process does not get it again. A message is
    waited for up to `message_timeout_seconds`, and that none comes, for `idle_seconds`.
    """

    finite: bool = False
    remembers_acknowledged: bool = True
    message_timeout_seconds: float = 30.0
    idle_seconds: float = 0.5

    def feed(self, events: Sequence[Event]) -> None:
        """Put the events where the source takes messages from, one message for each.

        It may return before they are there. Without events, just let the origin exist.
        """
        raise ConformanceError(f"{type(self).__name__} must tell how its source is fed, by `feed`")

    def identify(self, message: Message) -> str:
        """The id of the event that a message is made of (default: its key `message_id`)."""
        body = orjson.loads(message.body) if isinstance(message.body, bytes) else message.body
        return str(body["message_id"])

    def make_source(self) -> Any:
        """Make the source, as a new process would (default: `plugin`, of `params`)."""
        return self.make_plugin()

    def test_has_the_source_methods(self) -> None:
        """Those of `EventSource`, and its attributes."""
        source = self.make_source()
        for method in SOURCE_METHODS:
            found = callable(getattr(source, method, None))
            require(found, f"{self._name} has no method {method}")
        for name in ("exhausted", "replies_to_sender"):
            found = isinstance(getattr(source, name, None), bool)
            require(found, f"{self._name} must have {name}, a bool")

    def test_messages_are_distinct(self) -> None:
        """Messages with a kind, a body and a token of their own."""
        with self._fed(3) as (session, ids):
            session.ack(session.collect(ids, "it was fed with them"))

    def test_receive_returns_at_most_max_messages(self) -> None:
        """The rest comes with the next call."""
        with self._fed(3) as (session, ids):
            some = session.receive(1)
            rest = [each for each in ids if each not in some]
            why = "receive(1, ...) has left it for the next call"
            session.ack([*some.values(), *session.collect(rest, why)])

    def test_unacknowledged_messages_are_redelivered(self) -> None:
        """What a process has received and not settled comes again to the next one."""
        with self._fed(3) as (session, ids):
            session.collect(ids, "it was fed with them")
        why = "they were received, but not acknowledged, by a process that has ended"
        with self._opened() as anew:
            anew.ack(anew.collect(ids, why))

    def test_ack_acknowledges_only_the_given_messages(self) -> None:
        """Not even those that came before it."""
        with self._fed(3) as (session, ids):
            messages = session.collect(ids, "it was fed with them")
            session.ack(messages[2:])
        why = "another message was acknowledged, and not these"
        with self._opened() as anew:
            anew.ack(anew.collect(ids[:2], why, also=self._forgotten(ids[2:])))

    def test_released_messages_are_redelivered(self) -> None:
        """To the same process, too, and what was acknowledged does not."""
        with self._fed(3) as (session, ids):
            first, *others = session.collect(ids, "it was fed with them")
            session.release(others)
            session.ack([first])
            session.ack(session.collect(ids[1:], "they were released"))

    def test_unacknowledged_messages_are_redelivered_after_reopening(self) -> None:
        """After a failure the same source is closed and opened."""
        with self._fed(3) as (session, ids):
            messages = session.collect(ids, "it was fed with them")
            session.ack(messages[:1])
            session.close()
            session.open()
            why = "they were not settled before it was closed and opened again"
            session.ack(session.collect(ids[1:], why))

    def test_acknowledged_and_rejected_messages_are_not_redelivered(self) -> None:
        """A message that was rejected is no more delivered than one that was acknowledged."""
        with self._fed(3) as (session, ids):
            bad, *good = session.collect(ids, "it was fed with them")
            session.reject(bad)
            session.ack(good)
            session.demand_silence(self.idle_seconds, "it was acknowledged or rejected")
            session.close()
            session.open()
            why = "it was acknowledged or rejected before the source was closed and opened"
            session.demand_silence(self.idle_seconds, why)
        if self.remembers_acknowledged:
            with self._opened() as anew:
                why = "it was acknowledged or rejected by a process before"
                anew.demand_silence(self.idle_seconds, why)

    def test_receive_returns_an_empty_list_within_its_timeout(self) -> None:
        """A worker that is told to end must not wait for a message first."""
        ended: list[BaseException | None] = []
        scene = threading.Thread(
            target=lambda: ended.append(_exception_of(self._be_silent)), daemon=True
        )
        scene.start()
        scene.join(self.message_timeout_seconds + RECEIVE_SECONDS + SLACK_SECONDS)
        require(
            bool(ended),
            f"receive of {self._name} does not return when nothing comes, whatever its timeout",
        )
        for error in filter(None, ended):
            raise error

    def test_close_is_idempotent(self) -> None:
        """It is called whatever went wrong, and may be called again."""
        unopened = self._session()
        unopened.close()
        self.feed([])
        session = self._session()
        session.open()
        session.close()
        with calling(f"close of {self._name}, called a second time,", "close is idempotent"):
            session.source.close()

    def test_exhausted_only_at_the_end(self) -> None:
        """Winchester stops to ask a source that is exhausted; one without an end never is."""
        with self._fed(2) as (session, ids):
            require(not session.source.exhausted, f"{self._name} is exhausted though messages wait")
            messages = session.collect(ids, "it was fed with them")
            session.release(messages)
            require(
                not session.source.exhausted,
                f"{self._name} is exhausted though messages were released",
            )
            session.ack(session.collect(ids, "they were released"))
            session.receive()
            require(
                session.source.exhausted is self.finite,
                f"exhausted of {self._name} must be {self.finite} once all has been received, "
                f"since {type(self).__name__} says that `finite` is {self.finite}",
            )

    def test_lag_is_a_number_or_none(self) -> None:
        """How many messages wait; None where that is not known."""
        with self._fed(1) as (session, ids):
            with calling(f"lag of {self._name}"):
                lag = session.source.lag()
            is_number = isinstance(lag, int) and not isinstance(lag, bool) and lag >= 0
            fault = (
                f"lag of {self._name} must be a number of messages or None, not {short_repr(lag)}"
            )
            require(lag is None or is_number, fault)
            session.ack(session.collect(ids, "it was fed with them"))

    def _be_silent(self) -> None:
        self.feed([])
        with self._opened() as session:
            require(not session.receive(), f"{self._name} delivers a message without being fed")

    def _session(self) -> SourceSession:
        source = self.make_source()
        return SourceSession(source, self._name, self.identify, self.message_timeout_seconds)

    @contextmanager
    def _opened(self) -> Iterator[SourceSession]:
        """A new process with the source; in the end it goes without settling anything."""
        session = self._session()
        try:
            session.open()
            yield session
        finally:
            session.close()

    @contextmanager
    def _fed(self, number: int) -> Iterator[tuple[SourceSession, list[str]]]:
        """A source that is open, with so many messages at its origin, and their ids."""
        events = make_stream_events(*["test.fed"] * number, number=number)
        ids = [str(event["message_id"]) for event in events]
        if self.finite:
            self.feed(events)
        with self._opened() as session:
            if not self.finite:
                self.feed(events)
            yield session, ids

    def _forgotten(self, ids: Sequence[str]) -> Sequence[str]:
        """Those that may come again to a new process, though they were acknowledged."""
        return () if self.remembers_acknowledged else ids


def _exception_of(action: Any) -> BaseException | None:
    try:
        action()
    except BaseException as error:  # noqa: BLE001 - raised again by the thread of the test
        return error
    return None


# A source while it is open in a test, and what has been received from it.


RECEIVE_SECONDS = 0.2
"""How long one call of `receive` may wait."""


class SourceSession:
    """Calls of one source, each checked. `identify` gives the id of the event in a message."""

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
        self._patience_seconds = message_timeout_seconds
        self._unsettled: dict[str, Message] = {}

    def open(self) -> None:
        """Open the source."""
        with calling(f"open of {self._name}"):
            self.source.open()

    def close(self) -> None:
        """Close the source; what is not settled is forgotten here, and ought to come again."""
        self._unsettled.clear()
        with calling(f"close of {self._name}"):
            self.source.close()

    def receive(self, max_messages: int = 10) -> dict[str, Message]:
        """What one call of `receive` returns, by id."""
        with calling(f"receive of {self._name}"):
            messages = self.source.receive(max_messages, RECEIVE_SECONDS)
        if not isinstance(messages, list):
            kind = type(messages).__name__
            raise ConformanceError(f"receive of {self._name} must return a list, not {kind}")
        require(
            len(messages) <= max_messages,
            f"receive of {self._name} returned {len(messages)} messages, asked for {max_messages}",
        )
        return {self._noted(message): message for message in messages}

    def collect(self, ids: Sequence[str], why: str, also: Sequence[str] = ()) -> list[Message]:
        """Receive until the messages of `ids` have come; return them in that order.

        Those of `also` may come, too, and any other is a fault; `why` says why they must come.
        """
        found: dict[str, Message] = {}
        deadline = monotonic() + self._patience_seconds
        while True:
            found |= self.receive()
            strange = [each for each in found if each not in ids and each not in also]
            require(not strange, f"{self._name} delivers what nobody expects: {strange}; {why}")
            missing = [number for number, each in enumerate(ids, 1) if each not in found]
            if not missing:
                return [found[each] for each in ids]
            if monotonic() > deadline or self.source.exhausted:
                raise ConformanceError(
                    f"{self._name} has not delivered {_numbers(missing)} of {len(ids)} messages: "
                    f"{why}"
                )

    def demand_silence(self, idle_seconds: float, why: str) -> None:
        """Nothing comes for so long."""
        deadline = monotonic() + idle_seconds
        while True:
            require(not self.receive(), f"{self._name} delivers a message again: {why}")
            if monotonic() > deadline:
                return

    def ack(self, messages: Sequence[Message]) -> None:
        """Acknowledge, as the pump does: all in one call."""
        self._reply(messages, EventStatus.STORED)
        self._settled(messages)
        with calling(f"ack of {self._name}"):
            self.source.ack(list(messages))

    def release(self, messages: Sequence[Message]) -> None:
        """Give back."""
        self._settled(messages)
        with calling(f"release of {self._name}"):
            self.source.release(list(messages))

    def reject(self, message: Message) -> None:
        """Say that a message was bad, and has been kept."""
        self._reply([message], EventStatus.INVALID)
        self._settled([message])
        with calling(f"reject of {self._name}"):
            self.source.reject(message, "a test finds it bad")

    def _reply(self, messages: Sequence[Message], outcome: EventStatus) -> None:
        if not self.source.replies_to_sender:
            return
        for message in messages:
            with calling(f"reply of {self._name}"):
                self.source.reply(message, EventOutcome(outcome, self._identify(message)))

    def _settled(self, messages: Sequence[Message]) -> None:
        for message in messages:
            self._unsettled.pop(self._identify(message), None)

    def _noted(self, message: Any) -> str:
        """Check a message that came, and return its id."""
        self._check(message)
        try:
            found = self._identify(message)
        except Exception as error:
            raise ConformanceError(
                f"no id is found in a message of {self._name}, whose body is "
                f"{short_repr(message.body)}: {error!r}; override identify"
            ) from error
        require(found not in self._unsettled, f"{self._name} delivers a message twice at a time")
        self._unsettled[found] = message
        return found

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
        require(message.fault is None, f"{self._name} finds fault with a message: {message.fault}")
        for other in self._unsettled.values():
            require(
                other.token is not message.token and other.token != message.token,
                f"two messages of {self._name} have one token, {short_repr(message.token)}: "
                "by it the source is told which of them is meant",
            )


def _numbers(numbers: Sequence[int]) -> str:
    return " and ".join(f"number {number}" for number in numbers)

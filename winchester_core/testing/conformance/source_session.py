"""A source while it is open in a test, and what has been received from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from winchester_core.clock import monotonic
from winchester_core.model.message import EventOutcome, EventStatus, Message, MessageKind
from winchester_core.testing.conformance.nonconformance import (
    ConformanceError,
    calling,
    demand,
    shown,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

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
        demand(
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
            demand(not strange, f"{self._name} delivers what nobody expects: {strange}; {why}")
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
            demand(not self.receive(), f"{self._name} delivers a message again: {why}")
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
                f"{shown(message.body)}: {error!r}; override identify"
            ) from error
        demand(found not in self._unsettled, f"{self._name} delivers a message twice at a time")
        self._unsettled[found] = message
        return found

    def _check(self, message: Any) -> None:
        if not isinstance(message, Message):
            kind = type(message).__name__
            raise ConformanceError(f"receive of {self._name} must return Messages, not {kind}")
        demand(
            isinstance(message.kind, MessageKind),
            f"the kind of a message of {self._name} must be a MessageKind, not "
            f"{shown(message.kind)}",
        )
        demand(
            isinstance(message.body, bytes | Mapping),
            f"the body of a message of {self._name} must be bytes or a mapping, not "
            f"{type(message.body).__name__}",
        )
        demand(message.fault is None, f"{self._name} finds fault with a message: {message.fault}")
        for other in self._unsettled.values():
            demand(
                other.token is not message.token and other.token != message.token,
                f"two messages of {self._name} have one token, {shown(message.token)}: "
                "by it the source is told which of them is meant",
            )


def _numbers(numbers: Sequence[int]) -> str:
    return " and ".join(f"number {number}" for number in numbers)

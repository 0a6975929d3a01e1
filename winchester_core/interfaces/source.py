"""Base class of event sources."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from voluptuous import Schema

if TYPE_CHECKING:
    from collections.abc import Sequence

    from winchester_core.model.message import EventOutcome, Message


class EventSource:
    """A source of events or notifications. All methods are called from one thread.

    The order of calls: `open`, then `receive` and, for each message received, exactly one of
    `ack`, `release` and `reject`; finally `close`, also if `open` or `receive` failed. Messages
    neither acknowledged nor rejected by then must be redelivered. A finite source (a file) sets
    `exhausted` once `receive` has nothing more to return; releasing messages resets it. `params`
    is the output of `config_schema`, defaults filled in. `example` is YAML for the documentation
    and `winchester plugin show`: an entry of `event_sources`, as in
    `incoming: {source: jsonl, params: {path: spool}}`.

    If `receive` fails, it raises only after it has returned everything received before.

    A source with `replies_to_sender` answers a waiting sender: an invalid message is reported to
    the sender instead of being stored as a rejected message, and while the database is
    unavailable its messages are released after a few attempts.
    """

    config_schema: ClassVar[Schema] = Schema({})
    example: ClassVar[str] = ""
    replies_to_sender: ClassVar[bool] = False
    """Whether the sender of a message waits for a response, which `reply` gives."""
    exhausted: bool = False

    def __init__(self, **params: Any) -> None:
        self.params = params

    def open(self) -> None:
        """Connect. Called before anything else, and again after `close` following a failure."""

    def receive(self, max_messages: int, timeout_seconds: float) -> list[Message]:
        """Return up to `max_messages`, waiting at most `timeout_seconds` for the first of them.

        Return [] if none arrives.
        """
        raise NotImplementedError

    def ack(self, messages: Sequence[Message]) -> None:
        """Acknowledge messages whose events are committed: they need not be redelivered."""

    def release(self, messages: Sequence[Message]) -> None:
        """Return messages for redelivery: on shutdown, or while the database is unavailable."""

    def reject(self, message: Message, reason: str) -> None:
        """Acknowledge an invalid message, which has been stored as a rejected message."""

    def reply(self, message: Message, outcome: EventOutcome) -> None:
        """Report the outcome to the sender, before `ack` or `reject`; for `replies_to_sender`."""

    def close(self) -> None:
        """Disconnect. Idempotent; `open` may be called again afterwards."""

    def lag(self) -> int | None:
        """Return how many messages wait at the origin; None if unknown."""
        return None

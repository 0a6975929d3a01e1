"""What an author of an event source subclasses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from voluptuous import Schema

if TYPE_CHECKING:
    from collections.abc import Sequence

    from winchester_core.model.message import Message
    from winchester_core.model.outcome import EventOutcome


class EventSource:
    """Where events or notifications come from. All calls come from one thread.

    The order of calls: `open`, then `receive` and, for each message received, exactly one of
    `ack`, `release` and `reject`; at last `close`, also when `open` or `receive` failed. Messages
    that were not settled by then are to come again. A source that has an end (a file) sets
    `exhausted` once `receive` will give nothing more; messages that are released make it False
    again. `params` are what `config_schema` made of those in the file, defaults filled in.
    `example` shows its use for documentation and `winchester plugin show`: YAML that stands under
    `event_sources`, as in `incoming: {source: jsonl, params: {path: spool}}`.

    A failure in `receive` is raised only after everything received before it was returned.

    A source that `tells_sender` has someone waiting: a bad message of it is not kept as a rejected
    message, and while the database is away its messages are released after a few tries.
    """

    config_schema: ClassVar[Schema] = Schema({})
    example: ClassVar[str] = ""
    tells_sender: ClassVar[bool] = False
    """Whether whoever sent a message waits for an answer, and is told by `tell` what was bad."""
    exhausted: bool = False

    def __init__(self, **params: Any) -> None:
        self.params = params

    def open(self) -> None:
        """Connect. Called before anything else, and again after `close` following a failure."""

    def receive(self, max_messages: int, timeout_seconds: float) -> list[Message]:
        """Return up to `max_messages`, waiting at most `timeout_seconds` for the first of them.

        Returns [] when nothing came.
        """
        raise NotImplementedError

    def ack(self, messages: Sequence[Message]) -> None:
        """The messages are stored and committed: they need not be delivered again."""

    def release(self, messages: Sequence[Message]) -> None:
        """Give the messages back for redelivery: shutdown, or the database is away."""

    def reject(self, message: Message, reason: str) -> None:
        """The message was bad and has been kept as a rejected message: it is done with."""

    def tell(self, message: Message, outcome: EventOutcome) -> None:
        """What became of the message, before `ack` or `reject`; only where `tells_sender`."""

    def close(self) -> None:
        """Disconnect. Idempotent; after it `open` may come again."""

    def lag(self) -> int | None:
        """How many messages wait at the origin, where that is known."""
        return None
